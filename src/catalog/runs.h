// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Runs: one row each, at the coordinator and as a passive copy at the peer.
 *
 * At most one unfinished real run a plan: the file itself refuses a second (-EEXIST, the sentence
 * names the one in the way). A run is finished when its state is final; then it never changes
 * again.
 *
 * Copies. Each change of the row raises `revision`, each change of the coordinator raises `term`. A
 * copy from the peer counts if its (term, revision) is larger than what is stored; a smaller one is
 * late: -ESTALE. So a coordinator that lost the run to the other side can never write over it.
 */
#pragma once

#include "catalog/catalog.h"

enum gw_catalog_run_state {
    GW_CATALOG_RUN_WAITING_APPROVAL,
    GW_CATALOG_RUN_SCHEDULED,
    GW_CATALOG_RUN_RUNNING,
    GW_CATALOG_RUN_WAITING,
    GW_CATALOG_RUN_CANCELLING,
    GW_CATALOG_RUN_REVERTING,
    GW_CATALOG_RUN_HALTED,
    GW_CATALOG_RUN_IN_DOUBT,
    GW_CATALOG_RUN_DONE, /* this and those below are final */
    GW_CATALOG_RUN_FAILED,
    GW_CATALOG_RUN_CANCELLED,
    GW_CATALOG_RUN_REVERTED,
    GW_CATALOG_RUN_ABORTED,
    GW_CATALOG_RUN_MAX,
};
const char *gw_catalog_run_state_name(enum gw_catalog_run_state state); /* "RUNNING", ... */
/* 0, or -EINVAL. */
int gw_catalog_run_state_parse(const char *name, enum gw_catalog_run_state *ret);
static inline bool gw_catalog_run_state_is_final(enum gw_catalog_run_state state)
{
    return state >= GW_CATALOG_RUN_DONE;
}

enum gw_catalog_run_mode {
    GW_CATALOG_RUN_REAL,
    GW_CATALOG_RUN_DRY,
    GW_CATALOG_RUN_MODE_MAX,
};
const char *gw_catalog_run_mode_name(enum gw_catalog_run_mode mode); /* "real", "dry-run" */

struct gw_catalog_run {
    /* What it is; never changes. */
    const char *id;
    const char *plan, *plan_uuid; /* the plan must be in the catalog */
    const char *operation;
    enum gw_catalog_run_mode mode;
    const char *params; /* JSON */
    const char *requester;
    const char *old_site, *new_site;
    uint64_t plan_version;
    const char *plan_hash;
    uint64_t created_wall_ns;
    const char *cause; /* the run that this one follows from, or NULL */

    /* How it goes. */
    uint64_t term, revision; /* kept by the catalog */
    const char *coordinator;
    uint64_t epoch;
    enum gw_catalog_run_state state;
    const char *reason; /* why it waits, halted or failed: a sentence; or NULL */
    uint64_t approvals_needed;
    uint64_t scheduled_wall_ns; /* 0: at once */
    uint64_t abort_by_ms;       /* from its start; 0: none */
    uint64_t started_wall_ns;
    uint64_t started_boot_ns; /* together with the boot, for abort_by_ms */
    const char *started_boot_id;
    uint64_t finished_wall_ns; /* kept by the catalog: set with a final state */
    const char *timestamps;    /* JSON: {"fault": ns, "detect": ns, ...} */
    const char *result;        /* JSON */
    const char *cancel_by;     /* or NULL */
    uint64_t cancel_wall_ns;
};

/* 26 characters, sorts by the wall time it was made at, unique across sites (80 random bits). */
#define GW_CATALOG_RUN_ID_TEXT 27
void gw_catalog_run_id(uint64_t wall_ns, char ret[GW_CATALOG_RUN_ID_TEXT]);

/* A new run of this site: term 1, revision 1. -EEXIST as above or the id is taken; -ENOENT: no such
 * plan. */
int gw_catalog_run_add(struct gw_catalog *c, const struct gw_catalog_run *row,
                       struct gw_error *err);
/* `id` may be cut short where that is unique (-ENOTUNIQ if not; 4 characters at least). */
int gw_catalog_run_get(struct gw_catalog *c, const char *id, struct gw_catalog_mem *mem,
                       struct gw_catalog_run *ret, struct gw_error *err);
/* The unfinished real run of a plan; -ENOENT: none. */
int gw_catalog_run_current(struct gw_catalog *c, const char *plan_uuid, struct gw_catalog_mem *mem,
                           struct gw_catalog_run *ret, struct gw_error *err);
struct gw_catalog_run_filter {
    const char *plan;   /* name; NULL: all */
    bool unfinished;    /* only those */
    const char *before; /* only ids smaller than this (the next page); NULL: from the newest */
    uint64_t limit;     /* 0: GW_CATALOG_ROWS_MAX */
};
/* The newest first. */
int gw_catalog_run_list(struct gw_catalog *c, const struct gw_catalog_run_filter *filter,
                        struct gw_catalog_mem *mem, struct gw_catalog_run **ret_rows, size_t *ret_n,
                        struct gw_error *err);

/*
 * Write "how it goes", from the epoch on but not the coordinator. -ESTALE: the row is not at
 * row->term and row->revision any more, or is finished. On success both are the new ones, and
 * finished_wall_ns is set with a final state.
 */
int gw_catalog_run_update(struct gw_catalog *c, struct gw_catalog_run *row, struct gw_error *err);
/* Short cuts for one thing each, whatever else changed meanwhile. -ESTALE: the run has ended (in
 * another state). */
int gw_catalog_run_set_state(struct gw_catalog *c, const char *id, enum gw_catalog_run_state state,
                             const char *reason, struct gw_error *err);
/* Set timestamps.NAME unless it is set: the first one counts. Also of a run that has ended. */
int gw_catalog_run_stamp(struct gw_catalog *c, const char *id, const char *name, uint64_t wall_ns,
                         struct gw_error *err);
/* Ask for the end. The first one counts: a second changes nothing and is fine. */
int gw_catalog_run_cancel(struct gw_catalog *c, const char *id, const char *who, uint64_t wall_ns,
                          struct gw_error *err);
/* `site` coordinates from now on (it does already: nothing changes). */
int gw_catalog_run_take_over(struct gw_catalog *c, const char *id, const char *site,
                             struct gw_error *err);
/*
 * Store the peer's copy, with its term, revision and end: add it, or write "how it goes" and the
 * coordinator. The same (term, revision) again is fine and changes nothing. -ESTALE: late, or the
 * stored one is finished; -EBADMSG: it is not the same run ("what it is" differs); -EEXIST, -ENOENT
 * as gw_catalog_run_add.
 */
int gw_catalog_run_copy(struct gw_catalog *c, const struct gw_catalog_run *row,
                        struct gw_error *err);
