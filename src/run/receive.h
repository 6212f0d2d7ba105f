// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The receiving side: what a coordinator at the other site asks of this one.
 *
 * - An older epoch than the highest known of the plan, and a run that has ended here, are refused.
 * - An effect is done once for each (run, step, attempt): its outcome is kept in the inbox and
 * given again. One that is under way, or was cut short, is UNKNOWN; the coordinator observes.
 * - An observe while an effect of the run is under way at this site is UNKNOWN, so that nothing is
 *   begun beside it.
 * - Entries are taken only if they continue this site's log, chained and foldable; or, where the
 * two differ, from the first entry of a higher epoch on (what stood there is set aside).
 * - A new run of a higher epoch ends the plan's older one here; of the same or a lower epoch it is
 *   refused while that one has not ended.
 *
 * Threads: any number at once.
 */
#pragma once

#include "run/world.h"

/*
 * Answer a message. 0 and *ret (gw_run_reply_done it); negative: no answer can be given (the store
 * does not work, the run names other sites), send none: the sender must take it as unknown.
 * *ret_wake: gw_run_execute should be running for m->run.id at this site (start a thread, or wake
 * it).
 */
int gw_run_receive(const struct gw_run_env *env, const struct gw_run_message *m,
                   struct gw_run_reply *ret, bool *ret_wake, struct gw_error *err);
