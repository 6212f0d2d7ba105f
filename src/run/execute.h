// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Carrying out runs at this site. See run/run.h for the whole, run/world.h for what it acts upon.
 *
 * Threads: gw_run_create and gw_run_ask from any; gw_run_execute in one thread a run.
 */
#pragma once

#include "run/world.h"

/*
 * Store a new run. The caller has checked its guards and made the id. Its coordinator is
 * operation->starts, and must be this site: -EINVAL. -EBUSY: the plan has a run that has not ended.
 * With run->supersedes (failover) that run is ended at this site in the same transaction.
 */
int gw_run_create(const struct gw_run_env *env, const struct gw_run *run, struct gw_error *err);

/*
 * A person's word about a run: checked against what is possible now (-EPERM with the sentence; an
 * APPROVE by the requester, or twice by one person, too), then durable. The executor answers it at
 * the next step boundary; until then a restart does not lose it. `by` must not be empty. The caller
 * wakes the run's thread (world->wait), and sends requests to the coordinator's site; an OVERRIDE
 * is given at the site where it shall hold.
 */
int gw_run_ask(const struct gw_run_env *env, const char *run, const struct gw_run_request *request,
               struct gw_error *err);

enum gw_run_end {
    GW_RUN_ENDED = 0, /* see the row */
    GW_RUN_PASSIVE,   /* the other site coordinates; nothing to do here until it calls */
    GW_RUN_STOPPED,   /* world->stopping, or world->crash said so: as if killed */
    GW_RUN_END_MAX,
};

/*
 * Coordinate the run until it ends here, or goes to the other site. A follower returns PASSIVE at
 * once, except while its log says that a release was begun: then it asks the old site until that is
 * resolved, and takes over if it was released.
 * A run that has ended here is told once more to the other site, which may not have heard.
 * Negative: the store does not work, or the log is damaged; nothing more is done to the run.
 */
int gw_run_execute(const struct gw_run_env *env, const char *run, enum gw_run_end *ret,
                   struct gw_error *err);

/* The same, one decision at a time (simulators). */
struct gw_run_driver;
enum gw_run_advance {
    GW_ADVANCE_AGAIN = 0, /* something was done */
    GW_ADVANCE_WAIT,      /* nothing to do before *ret_until (boot time), or an event */
    GW_ADVANCE_END,       /* *ret_end */
};
int gw_run_open(const struct gw_run_env *env, const char *run, struct gw_run_driver **ret,
                struct gw_error *err);
int gw_run_advance(struct gw_run_driver *d, enum gw_run_advance *ret, uint64_t *ret_until,
                   enum gw_run_end *ret_end, struct gw_error *err);
void gw_run_close(struct gw_run_driver *d); /* NULL is fine */

/*
 * At the daemon's start, once the link's server is up: calls start(ctx, id) for each run that has
 * not ended, which begins a thread with gw_run_execute. Nothing is assumed about any of them.
 */
int gw_run_resume_all(const struct gw_run_env *env, int (*start)(void *ctx, const char *run),
                      void *ctx, struct gw_error *err);

/* What is known of a run at this site, folded from its log: for status and API. `peer_silent`: does
 * the link say so? */
struct gw_run_look {
    struct gw_run run;
    struct gw_run_view view;
    enum gw_run_state shown;
    enum gw_run_side me;
    uint32_t current; /* step, or GW_NO_STEP */
    unsigned choices; /* bits 1 << gw_choice, at this site */
};
int gw_run_look(const struct gw_run_env *env, const char *run, bool peer_silent,
                struct gw_run_look *ret, struct gw_error *err);
