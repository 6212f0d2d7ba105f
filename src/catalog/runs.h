// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Runs as the executor keeps them: a row, a log of entries, what was done for the other site's
 * executor, what people asked for. Entries and rows are texts that the catalog does not interpret;
 * chained hashes are in the entries. Several calls become one change with gw_catalog_begin.
 *
 * A log is append-only: entries are numbered from 0 without gaps, and what a cut takes off its end
 * is set aside under a number of its own, never deleted.
 */
#pragma once

#include "catalog/catalog.h"

#define GW_CATALOG_RUN_ID_TEXT 27 /* 26 characters and a NUL */

/* A new id: sorts by time, and is random behind it. */
void gw_catalog_run_id(uint64_t wall_ns, char ret[GW_CATALOG_RUN_ID_TEXT]);

struct gw_catalog_run {
    const char *id, *plan;
    const char *fixed; /* never changes */
    const char *row;
    bool open; /* not ended */
};

/* -EEXIST: that id is there. */
int gw_catalog_run_add(struct gw_catalog *c, const struct gw_catalog_run *r, struct gw_error *err);
/* -ENOENT. */
int gw_catalog_run_get(struct gw_catalog *c, const char *id, struct gw_catalog_mem *mem,
                       struct gw_catalog_run *ret, struct gw_error *err);
int gw_catalog_run_set(struct gw_catalog *c, const char *id, const char *row, bool open,
                       struct gw_error *err);
/* Ids, the newest first: of a plan or of all (NULL), the open ones or all, that begin with `prefix`
 * (NULL: any), at most `limit` (0: GW_CATALOG_ROWS_MAX). */
int gw_catalog_run_list(struct gw_catalog *c, const char *plan, bool open, const char *prefix,
                        uint64_t limit, struct gw_catalog_mem *mem, const char ***ret_ids,
                        size_t *ret_n, struct gw_error *err);

int gw_catalog_run_entry_count(struct gw_catalog *c, const char *run, uint64_t *ret_n,
                               struct gw_error *err);
int gw_catalog_run_entry_add(struct gw_catalog *c, const char *run, uint64_t number,
                             const char *entry, struct gw_error *err);
int gw_catalog_run_entry_list(struct gw_catalog *c, const char *run, uint64_t from, uint64_t limit,
                              struct gw_catalog_mem *mem, const char ***ret, size_t *ret_n,
                              struct gw_error *err);
/* Set entries from `from` on aside. */
int gw_catalog_run_entry_cut(struct gw_catalog *c, const char *run, uint64_t from,
                             struct gw_error *err);

int gw_catalog_run_epoch_get(struct gw_catalog *c, const char *plan, uint64_t *ret,
                             struct gw_error *err);
/* Never lowers it. */
int gw_catalog_run_epoch_raise(struct gw_catalog *c, const char *plan, uint64_t epoch,
                               struct gw_error *err);

struct gw_catalog_run_inbox {
    const char *run;
    uint64_t step, attempt;
    bool undo;
    const char *value;
};
/* 1, or 0: none. */
int gw_catalog_run_inbox_get(struct gw_catalog *c, const struct gw_catalog_run_inbox *key,
                             struct gw_catalog_mem *mem, const char **ret, struct gw_error *err);
int gw_catalog_run_inbox_put(struct gw_catalog *c, const struct gw_catalog_run_inbox *in,
                             struct gw_error *err);

int gw_catalog_run_request_put(struct gw_catalog *c, const char *run, const char *value,
                               struct gw_error *err);
/* The oldest that was not taken: 1, or 0. */
int gw_catalog_run_request_next(struct gw_catalog *c, const char *run, struct gw_catalog_mem *mem,
                                uint64_t *ret_id, const char **ret, struct gw_error *err);
int gw_catalog_run_request_take(struct gw_catalog *c, uint64_t id, struct gw_error *err);
