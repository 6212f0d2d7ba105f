// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * What the steps of a run do at this site: one effect, undo and observe for each step id
 * (core/step.h), as layer `run` calls them (run/world.h). A step is done with the plan document
 * that its run was pinned to, and holds the plan's plan_mu while it changes the data plane.
 *
 * Evidence goes into the outcome's detail: one JSON object, cut to GW_RUN_DETAIL_MAX.
 *
 * Threads: those of runs and of the link's server; never two of one run at once.
 */
#pragma once

#include "run/world.h"
#include "site/children.h"
#include "site/documents.h"
#include "site/workload.h"

struct site_step {
    struct site *site;
    struct site_plan *plan;
    struct site_document *doc;
    const struct gw_run_call *call;
    json_t *params; /* of the run, an object */
    bool old_here;  /* this site is OLD */
    json_t *detail; /* to be filled: an object */
    struct site_children *children;
    int stop_fd; /* readable: end what is waited for (interrupt.h) */
    char waits_for[256];
};

/* 0: done (observe: SITE_SEEN_*); SITE_STEP_WAITS; an error: failed, or unknown by its code. */
#define SITE_STEP_WAITS 1
typedef int site_step_fn(struct site_step *t, struct gw_error *err);

/* What an observe returns. */
enum site_seen { SITE_SEEN_DESIRED = 10, SITE_SEEN_EARLIER, SITE_SEEN_NEITHER };

struct site_step_row {
    enum gw_step_id id;
    site_step_fn *effect, *undo, *observe; /* undo NULL: nothing to take back */
};

extern const struct site_step_row site_steps_data[], site_steps_work[], site_steps_check[];

void site_step_effect(struct site *s, const struct gw_run_call *call, struct gw_run_outcome *ret);
void site_step_undo(struct site *s, const struct gw_run_call *call, struct gw_run_outcome *ret);
void site_step_observe(struct site *s, const struct gw_run_call *call, struct gw_run_outcome *ret);

/* ---- for the rows ---- */

/* Boot time at which the step's time is up. */
uint64_t site_step_deadline(const struct site_step *t);
/* Wait a moment; -ECANCELED when the daemon ends, -ETIMEDOUT when the time is up. */
int site_step_pause(struct site_step *t, uint64_t deadline_ns, unsigned ms, const char *what,
                    struct gw_error *err);
/* The workload as this step's run sees it. */
int site_step_workload(struct site_step *t, struct site_workload **ret, struct gw_error *err);
/* The wall time of the state that a failover goes on from; 0: not known. */
uint64_t site_step_recovery_wall_ns(struct site_step *t);
/* This site's directory says that it was promoted: holder and epoch of the catalog follow. */
int site_step_learn_reign(struct site_step *t, struct gw_error *err);
struct site_plandir;
/* This site's newest reign was begun here, by this run: it is newer than what the run began from.
 */
bool site_step_reigns(const struct site_step *t, const struct site_plandir *dir);
/* Name of a site of the run. */
const char *site_step_site(const struct site_step *t, enum gw_run_side side);
