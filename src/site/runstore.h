// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The catalog as the executor's store (run/store.h). ctx is the struct gw_catalog.
 */
#pragma once

#include "catalog/catalog.h"
#include "run/store.h"

#include <jansson.h>

extern const struct gw_run_store site_run_store;

/* Ids of runs, the newest first, of a plan or of all (NULL); *ret is malloc'ed. */
int site_runstore_list(struct gw_catalog *c, const char *plan, bool unfinished, uint64_t limit,
                       char (**ret)[GW_RUN_ID_MAX], size_t *ret_n, struct gw_error *err);
/* Does this error of reading a run say that it is damaged, so that it will never be read? */
bool site_runstore_is_damage(int code);
/* A run that cannot be read, as the API shows it: state DAMAGED, and why. */
int site_runstore_damaged(struct gw_catalog *c, const char *id, const struct gw_error *why,
                          json_t **ret, struct gw_error *err);
/* It is over, so that its plan takes others. */
int site_runstore_close_damaged(struct gw_catalog *c, const char *id, struct gw_error *err);
/* The id that begins with `text` (4 characters at least). -ENOENT, -ENOTUNIQ. */
int site_runstore_find(struct gw_catalog *c, const char *text, char ret_id[GW_RUN_ID_MAX],
                       struct gw_error *err);
