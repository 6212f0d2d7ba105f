// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * What this site did for a coordinator elsewhere: a request that comes again is answered from here
 * and not carried out again.
 *
 *     r = gw_catalog_inbox_begin(c, &effect, &mem, &known, err);
 *     r < 0           refused; the sentence says why
 *     r == 0          new: the intent is on disk. Carry it out, then gw_catalog_inbox_end
 *     r == 1          known: known.state says how it ended. INTENT: it was begun here and its end
 * is not known (a crash, or it is still running): observe, do not repeat
 *
 * Refused as a thing of the past (-ESTALE): an epoch below the plan's highest seen here, a term
 * below the run's, or a run that is finished here. The highest epoch is remembered a plan
 * (gw_catalog_inbox_fence), and outlives the runs.
 */
#pragma once

#include "catalog/catalog.h"

enum gw_catalog_effect_state {
    GW_CATALOG_EFFECT_INTENT,
    GW_CATALOG_EFFECT_DONE,
    GW_CATALOG_EFFECT_FAILED,
    GW_CATALOG_EFFECT_UNKNOWN,
    GW_CATALOG_EFFECT_MAX,
};
const char *gw_catalog_effect_state_name(enum gw_catalog_effect_state state);

struct gw_catalog_effect {
    const char *run, *step, *action; /* action: what is asked: EFFECT, UNDO, ... */
    uint64_t attempt;
    const char *plan_uuid;
    const char *from_site; /* the coordinator's site */
    uint64_t epoch, term;
    uint64_t wall_ns;
    enum gw_catalog_effect_state state; /* ignored by begin */
    const char *outcome;                /* opaque text; "" until there is one; ignored by begin */
    uint64_t ended_wall_ns;             /* ignored by begin */
};

int gw_catalog_inbox_begin(struct gw_catalog *c, const struct gw_catalog_effect *row,
                           struct gw_catalog_mem *mem, struct gw_catalog_effect *ret,
                           struct gw_error *err);
/*
 * Record the outcome of (run, step, action, attempt): `state`, `outcome`, `ended_wall_ns` of row.
 * The same again is fine. UNKNOWN may later become DONE or FAILED; a DONE or FAILED that changes is
 * -EBADMSG. -ENOENT: it was never begun.
 */
int gw_catalog_inbox_end(struct gw_catalog *c, const struct gw_catalog_effect *row,
                         struct gw_error *err);
/* Effects without a known end (INTENT, UNKNOWN), for the start of the daemon. */
int gw_catalog_inbox_open(struct gw_catalog *c, struct gw_catalog_mem *mem,
                          struct gw_catalog_effect **ret_rows, size_t *ret_n, struct gw_error *err);
/* All of a run, in the order in which they began. */
int gw_catalog_inbox_list(struct gw_catalog *c, const char *run, struct gw_catalog_mem *mem,
                          struct gw_catalog_effect **ret_rows, size_t *ret_n, struct gw_error *err);
/* Nothing below `epoch` for this plan any more. Never lowers it. */
int gw_catalog_inbox_fence(struct gw_catalog *c, const char *plan_uuid, uint64_t epoch,
                           struct gw_error *err);
int gw_catalog_inbox_epoch(struct gw_catalog *c, const char *plan_uuid, uint64_t *ret_epoch,
                           struct gw_error *err);
/* Forget the effects of runs that finished before `wall_ns`. Late requests of theirs are still
 * refused, by the run's own row. */
int gw_catalog_inbox_prune(struct gw_catalog *c, uint64_t wall_ns, struct gw_error *err);
