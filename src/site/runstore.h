// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The catalog as the executor's store (run/store.h). ctx is the struct gw_catalog.
 */
#pragma once

#include "catalog/catalog.h"
#include "run/store.h"

extern const struct gw_run_store site_run_store;

/* Ids of runs, the newest first, of a plan or of all (NULL); *ret is malloc'ed. */
int site_runstore_list(struct gw_catalog *c, const char *plan, bool unfinished, uint64_t limit,
                       char (**ret)[GW_RUN_ID_MAX], size_t *ret_n, struct gw_error *err);
/* The id that begins with `text` (4 characters at least). -ENOENT, -ENOTUNIQ. */
int site_runstore_find(struct gw_catalog *c, const char *text, char ret_id[GW_RUN_ID_MAX],
                       struct gw_error *err);
