// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Deliberate misfortune in the middle of a run, or of a change of volumes, for tests: the daemon
 * dies or stands still at a named moment of a named step.
 *
 * With GODWIT_RUN_TRIALS=DIR in its environment, godwitd looks at each moment (run/world.h) for the
 * file DIR/STEP.MOMENT, "undo_STEP.MOMENT" where a step is taken back, ".remote" behind it where
 * the step is done here for the other site's run. Its first word says what happens:
 *
 *     kill   the file is removed, then SIGKILL
 *     wait   the file is renamed to NAME.reached; on it goes once that was removed, or the daemon
 *            ends
 *
 * Without the variable, which is the case outside of tests, nothing is looked at.
 *
 * Any thread.
 */
#pragma once

#include "run/world.h"

struct site;

/* As gw_run_world.crash; never says true: it is the real thing. */
bool site_trial(void *site, enum gw_run_moment moment, const struct gw_run_call *call, bool remote);
/* A moment outside of steps by its whole name, DIR/NAME: "action.after_create" (a run is durable,
 * its request not answered), "volumes.prepared" (both sites are ready), "volumes.stored" (the
 * document too), "volumes.made" (one of its volumes). */
void site_trial_at(struct site *s, const char *name);
