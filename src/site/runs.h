// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The runs of this site: a thread each, the executor of layer `run` over the catalog, the link and
 * the steps. Whatever state a run has is in the catalog; a runner is only the thread at it.
 *
 * Threads: any may call.
 */
#pragma once

#include "core/operation.h"
#include "run/execute.h"
#include "site/view.h"

/* Begin threads for all runs that have not ended. */
int site_runs_resume(struct site *s, struct gw_error *err);
/*
 * The sides say which run of the plan they believe to be on. One that has ended here, or may have
 * ended there, is told or asked about by its thread: an end that was not heard (the link was down)
 * holds up every later run. Called by the monitor with sides that are of now.
 */
void site_runs_settle(struct site *s, struct site_plan *p, const json_t *ours,
                      const json_t *theirs);
/* Wait for the threads; the daemon's stop is set and calls to peers are cancelled. */
void site_runs_stop(struct site *s);

/* What the executor acts upon here; borrowed, lives with the site. */
const struct gw_run_env *site_run_env(struct site *s);

/* Store it and begin; the guards were checked. */
int site_run_create(struct site *s, const struct gw_run *run, struct gw_error *err);
/* When it was created here, by boot time; 0: before this daemon began, or at the other site. */
uint64_t site_run_created_boot_ns(struct site *s, const char *id);
/* See that a thread is at this run, and that it looks now. */
int site_run_wake(struct site *s, const char *id, struct gw_error *err);
/* A run of this plan stands still because this site cannot record what it does (a full disk); it
 * goes on by itself when it can. */
bool site_run_stuck(struct site *s, const char *plan, char ret_id[GW_RUN_ID_MAX],
                    char ret_why[GW_ERROR_MSG_MAX]);
/* A person's word. */
int site_run_ask(struct site *s, const char *id, enum gw_choice choice,
                 const struct site_person *who, const char *reason, struct gw_error *err);

/* The peer's executor calls. */
int site_run_received(struct site *s, const char *from, const json_t *params, json_t **ret,
                      struct gw_error *err);

/* As the API shows it: one run with its steps. -ENOENT. */
int site_run_json(struct site *s, const char *id, json_t **ret, struct gw_error *err);
/* {"runs": [...]} the newest first; plan NULL: of all. */
int site_run_list_json(struct site *s, const char *plan, bool unfinished, uint64_t limit,
                       json_t **ret, struct gw_error *err);
/* {id, operation, state, ended, requester} of the last real run of a plan that has ended; or null.
 */
json_t *site_run_last_json(struct site *s, const char *plan);
int site_run_log_json(struct site *s, const char *id, uint64_t from, json_t **ret,
                      struct gw_error *err);
/* A full id from a unique beginning. -ENOENT, -ENOTUNIQ. */
int site_run_find(struct site *s, const char *text, char ret_id[GW_RUN_ID_MAX],
                  struct gw_error *err);

/* The run that is on: fills op, stage, run, step of a view. */
/* What may be asked of a run here: what is possible at its coordinator is asked there over the
 * link, if that site can be reached; an override holds where it is said. */
unsigned site_run_choices(const struct gw_run_look *look, bool peer_reachable);
void site_runs_fill_view(struct site *s, struct site_plan *p, struct site_view *v);
