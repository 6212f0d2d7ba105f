// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The monitor looks at every plan of the site each second, or sooner when something was done, and
 * does what needs no person:
 *
 *   sides        looked at and kept, so that beats and headlines are of now
 *   units        what the catalog wants to run here runs; a step that changes it is left alone
 *   deposed      a source that its peer has deposed, by whatever way the news came: fenced at once
 *                by a thread of its own, then want NONE, FENCED, workload stopped
 *   learning     a claim of a later epoch that the peer knows is recorded here
 *   workloads    looked at every SITE_LOOK_MS by threads of their own, for commands may take long
 *   headlines    a phase that changed becomes an event
 *   synced       the first consistent sync since the change of roles is noted
 *   commits      a failover is committed when commit_after has passed
 *   stays        a plan that is at its DR site for longer than max_dr_time is told of
 *   documents    a peer that has an older document of a plan is sent ours
 *
 * None of it changes who is active: that is what runs are for.
 */
#pragma once

#include "site/documents.h"

#define SITE_MONITOR_MS 1000u
#define SITE_LOOK_MS 10000u
#define SITE_LOOK_STRAY_MS 2000u /* a service where it should not be: gone yet? */
#define SITE_LOOK_THREADS 3u

/* Before the doors open: find what runs already, and make the units run that shall. */
int site_monitor_adopt(struct site *s, struct gw_error *err);
int site_monitor_start(struct site *s, struct gw_error *err);
void site_monitor_stop(struct site *s);
/* Something changed: everything is looked at. Of one plan only: that is cheaper. */
void site_monitor_wake(struct site *s);
void site_monitor_touch(struct site *s, const char *plan);
/* This side must not serve any more: its source is fenced at once, its workload stopped soon.
 * `ordered`: the other site asked for it; else only if a look at the directory confirms that the
 * other reigns in a later epoch. */
void site_monitor_depose(struct site *s, struct site_plan *p, bool ordered, const char *why);
/* This plan's workload was acted upon: look at it now. */
void site_monitor_look_soon(struct site *s, struct site_plan *p);
/* The same, and this is what was seen of it. */
void site_monitor_saw(struct site *s, struct site_plan *p, enum gw_svc svc);
