// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Hashes as the catalog writes them. */
#pragma once

#define GW_CATALOG_HASH_TEXT 65 /* SHA-256 in hex, and a NUL */
/* Before the first of a chain. */
#define GW_CATALOG_HASH_NONE "0000000000000000000000000000000000000000000000000000000000000000"
