// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Inside of the layer: a run's log in memory, as the store has it, folded.
 *
 * Both the coordinator's thread and the receiving side append to the log of one run. Neither locks:
 * an append says which length it was decided on, the store refuses it if that is no longer so
 * (-ESTALE), and whoever is refused reads again and decides again.
 *
 * Plain memory of one thread.
 */
#pragma once

#include "run/world.h"

struct gw_run_log {
    const struct gw_run_env *env;
    struct gw_run run;
    const struct gw_operation *op;
    enum gw_run_side me;
    struct gw_run_view v;
    struct gw_run_entry *entries;
    /* The last entry that this log appended, and when by boot time; 0: none yet. */
    uint32_t appended_n;
    uint64_t appended_ns;
    uint32_t n, room;
};

/* Which side is this site? -EINVAL if the run is of other sites. */
int gw_run_me(const struct gw_run_env *env, const struct gw_run *run, enum gw_run_side *ret,
              struct gw_error *err);
const struct gw_operation *gw_run_operation(const struct gw_run_env *env, const struct gw_run *run);

/* An empty log of a run that may not be stored yet. */
int gw_run_log_begin(struct gw_run_log *log, const struct gw_run_env *env, const struct gw_run *run,
                     struct gw_error *err);
int gw_run_log_open(struct gw_run_log *log, const struct gw_run_env *env, const char *id,
                    struct gw_error *err);
void gw_run_log_done(struct gw_run_log *log);
/* Read what came since. *ret_changed (may be NULL): it is not what it was. */
int gw_run_log_refresh(struct gw_run_log *log, bool *ret_changed, struct gw_error *err);

/* A new entry of this site: number, epoch, side and time are set; the caller fills the rest. */
struct gw_run_entry gw_run_log_next(const struct gw_run_log *log, enum gw_entry_kind kind,
                                    uint32_t step);
/* Seal and append n entries in one transaction; takes_request 0: none. -ESTALE: refresh. */
int gw_run_log_append(struct gw_run_log *log, struct gw_run_entry *e, unsigned n,
                      uint64_t takes_request, struct gw_error *err);
/* Store a run that begins with e, alone or in place of the run whose log is `ends`. */
int gw_run_log_create(struct gw_run_log *log, struct gw_run_entry *e, struct gw_run_log *ends,
                      struct gw_error *err);
/*
 * Take entries of the other site, the first of them number `from`: what is new continues the log,
 * or replaces it from the first difference on if its epoch is higher. *ret is the answer to them.
 */
int gw_run_log_merge(struct gw_run_log *log, uint32_t from, const struct gw_run_entry *e,
                     unsigned n, enum gw_run_answer *ret, struct gw_error *err);
