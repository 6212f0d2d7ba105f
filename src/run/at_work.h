// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Which runs have an effect under way in this process. In memory on purpose: after a restart
 * nothing is under way. It keeps a second effect of a run, and an observe, from running beside the
 * first: a call whose answer was lost may still be at it.
 *
 * One for each daemon, made before its first run. Any thread.
 */
#pragma once

#include <stdbool.h>

struct gw_run_at_work;

struct gw_run_at_work *gw_run_at_work_new(void); /* aborts when there is no memory */
void gw_run_at_work_free(struct gw_run_at_work *w);

/* false: another effect of that run is under way (or of too many runs). */
bool gw_run_at_work_enter(struct gw_run_at_work *w, const char *run);
void gw_run_at_work_leave(struct gw_run_at_work *w, const char *run);
