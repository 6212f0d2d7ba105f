// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * What a person may ask for about a plan, whichever door it came through: guards first, then a run,
 * or the thing itself where it is one small durable step.
 *
 * Where: the site that starts the operation's run coordinates it, so a request that came to the
 * other site is passed on over the link, with the person's name. A failover is asked for at the
 * standby.
 *
 * Params (JSON, all optional): point, confirm_site_down, override [guard, ...] with a reason, at
 * (RFC 3339), abort_by_ms, dry_run, by, adopt_data, roll_back, idempotency_key.
 *
 * A run keeps the idempotency_key of its request among its params, so that it is durable with the
 * run and at both sites. The same request again is answered with that run: a crash between the
 * creation and the answer does not make two, and does not make a refusal of what was done.
 */
#pragma once

#include "core/guard.h"
#include "site/runs.h"

#define SITE_ONCE "idempotency_key"
/* What lies further ahead is a slip of the pen: a run's time, and the time to abort it by. */
#define SITE_AHEAD_DAYS_MAX 366ull
#define SITE_ONCE_RUNS 50u /* of a plan, the newest, are compared with a key */

struct site_refusal {
    char guard[40], way_out[512];
    bool forceable;
};

/*
 * *ret is what the API answers: {"run": {...}} of a run that was begun, else {"done": true, ...}.
 * -EPERM with ret_refusal->guard set: a guard refuses. Other errors: as they say.
 */
int site_action(struct site *s, const char *plan, enum gw_request request, const json_t *params,
                const struct site_person *who, bool passed_on, json_t **ret,
                struct site_refusal *ret_refusal, struct gw_error *err);

/*
 * A run has ended here. If it gave up after the handover because the workload is not healthy
 * (on_unhealthy: return), and nothing was begun since: begin the switchover back. To be called
 * again after a restart.
 */
int site_action_return(struct site *s, const char *run, struct gw_error *err);

/* The guards of a request as they stand: [{"guard","verdict","value",...}]. */
json_t *site_action_explain(struct site *s, struct site_plan *p, enum gw_request request,
                            const json_t *params);

/* From steps_check.c: facts for the guards of a request. */
int site_step_guards(struct site *s, struct site_plan *p, enum gw_request request,
                     const json_t *params, bool own_run, struct gw_guard_facts *facts,
                     struct site_guard_texts *texts, struct site_view *v);
