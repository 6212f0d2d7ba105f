// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Where runs are kept at a site: a table of functions over the catalog. All are called from several
 * threads at once; each is one transaction, durable when it returns 0. Negative: errno and
 * sentence, nothing changed.
 *
 * The tests' store in memory (tests/unit/run/memstore.h) is the reference for what each does.
 */
#pragma once

#include "run/run.h"

/* The receiver's memory of what it was asked to do: dedupe by (run, step, attempt, undo). */
struct gw_run_inbox {
    char run[GW_RUN_ID_MAX];
    uint32_t step, attempt;
    bool undo;
    bool begun_only; /* no outcome: the daemon died in it, or is at it */
    struct gw_run_outcome outcome;
};

struct gw_run_append {
    const char *run;
    /* Length of the log this was decided on. The log is longer or shorter now: -ESTALE. */
    uint32_t at;
    /* Cut the log to `at` entries first; what was there is set aside as evidence, readable under
     * its own name. (Only a higher epoch does that.) */
    bool cut;
    const struct gw_run_entry *entries;
    unsigned n;
    const struct gw_run_row *row; /* replaces the row */
    uint64_t takes_request;       /* this request is answered; 0: none */
    uint64_t plan_epoch;          /* raises the plan's highest epoch; never lowers it */
};

struct gw_run_store {
    /*
     * Store a run with its first entry and row. -EEXIST: that id is there. -EBUSY: the plan has a
     * run that has not ended (one run a plan), unless that run is `ends` and entry/row `ends_entry`
     * end it in the same transaction.
     */
    int (*create)(void *ctx, const struct gw_run *run, const struct gw_run_append *first,
                  const struct gw_run_append *ends, struct gw_error *err);
    int (*append)(void *ctx, const struct gw_run_append *a, struct gw_error *err);
    int (*load)(void *ctx, const char *run, struct gw_run *ret, struct gw_error *err); /* -ENOENT */
    /* Up to `max` entries from number `from` on. Returns their count. */
    int (*read)(void *ctx, const char *run, uint32_t from, struct gw_run_entry *ret, unsigned max,
                struct gw_error *err);
    /* The id of the plan's run that has not ended: 1, or 0 if there is none. */
    int (*current)(void *ctx, const char *plan, char ret_run[GW_RUN_ID_MAX], struct gw_error *err);
    /* Ids of all runs that have not ended, to fn; stops when it returns negative. */
    int (*each_open)(void *ctx, int (*fn)(void *fn_ctx, const char *run), void *fn_ctx,
                     struct gw_error *err);
    /* The highest epoch seen for the plan, 0 if none. */
    int (*plan_epoch)(void *ctx, const char *plan, uint64_t *ret, struct gw_error *err);
    /* 1 and *ret, or 0 */
    int (*inbox_get)(void *ctx, const char *run, uint32_t step, uint32_t attempt, bool undo,
                     struct gw_run_inbox *ret, struct gw_error *err);
    int (*inbox_put)(void *ctx, const struct gw_run_inbox *in, struct gw_error *err);
    int (*request_put)(void *ctx, const char *run, const struct gw_run_request *r,
                       struct gw_error *err);
    /* The oldest unanswered request: 1 and *ret, or 0. */
    int (*request_next)(void *ctx, const char *run, struct gw_run_request *ret,
                        struct gw_error *err);
};
