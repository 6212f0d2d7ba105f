// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Promotion: this side begins a new reign, from its newest state, from an older recovery point, or
 * from the state before an unfinished resync.
 *
 *     replay the journal -> (roll an unfinished resync back | rewind to a point) ->
 *     one durable step: next epoch, new incarnation, parent, fork_seq, role active
 *
 * Every step before the last may be interrupted by a crash: meta says what was under way, and the
 * same call finishes it (R9). The last step is one durable write.
 *
 * What a rewind throws away on this side the old active may still hold, with its bits already
 * cleared: every such block is durable in the dirty map before a volume is touched (R9) and so
 * before the first client write (R10). If the journal no longer names them all, everything is
 * compared at the next resync.
 *
 * Threads: the plan must be open for writing and not served.
 */
#pragma once

#include "engine/plan.h"

struct gw_promote_options {
    const char *point;  /* id of a recovery point; NULL: the newest state */
    bool roll_back;     /* an unfinished resync: return to the state before it */
    bool confirm_alone; /* this side is active already, crashed and isolated: an operator confirms
                           that nobody else serves. That is a promotion (P1) */
};

struct gw_promote_result {
    uint64_t epoch, fork_seq;
    uint64_t replayed_bytes; /* of the journal */
    uint64_t rewound_blocks; /* marked because this side threw them away */
    bool compare_all;        /* the journal did not reach back to the point */
    bool token;              /* a handover token was valid: this was a planned move, nothing lost */
    bool unverified;         /* a verify had found differences on this side */
    bool fork_point;         /* a point fork-<epoch> pins the state at the fork */
    uint64_t had_seq;        /* highest number of the parent ever journaled here; 0: fork_seq */
    double seconds;
};

/* Would a promotion be refused by what the plan is? 0, or the error with its way out. */
int gw_promote_check(const struct gw_plan *plan, const struct gw_promote_options *options,
                     struct gw_error *err);
int gw_promote(struct gw_plan *plan, const struct gw_promote_options *options,
               struct gw_promote_result *ret, struct gw_error *err);
