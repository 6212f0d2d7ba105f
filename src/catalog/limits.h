// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Every limit of the catalog. */
#pragma once

#define GW_CATALOG_SCHEMA_VERSION 1
#define GW_CATALOG_BUSY_MS 5000          /* another process reads the file (backup tools) */
#define GW_CATALOG_VALUE_BYTES (8 << 20) /* one text */
#define GW_CATALOG_SQL_BYTES 4096        /* one statement that is put together */
#define GW_CATALOG_ROWS_MAX 10000       /* rows of one answer; lists are read page by page beyond */
#define GW_CATALOG_NEST_MAX 8           /* transactions in transactions */
#define GW_CATALOG_MEM_BLOCK_BYTES 4096 /* rows are handed out of blocks of at least this */
#define GW_CATALOG_WAL_BYTES (16 << 20) /* the log is cut to this after a checkpoint */

#define GW_CATALOG_TIMINGS_MAX 200    /* kept of each plan, operation and step */
#define GW_CATALOG_TOKEN_CHARS_MAX 64 /* kinds, steps, actions */
#define GW_CATALOG_PAGE_ROWS 256      /* rows of a chain read at a time while it is verified */
