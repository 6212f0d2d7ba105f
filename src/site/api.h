// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The API, /api/v1, on the unix socket: the table of routes and its handlers. What may be asked for
 * is in actions.h; here are addresses, bodies and answers.
 *
 * Who calls: the user of the connecting process. Root and the daemon's own user may do everything;
 * others whom the socket's mode lets in may look, and approve.
 */
#pragma once

#include "http/route.h"
#include "site/site.h"

#include <stdio.h>

int site_api_open(struct site *s, struct gw_error *err);

/* The table, for the OpenAPI document and its test. */
extern const struct gw_http_route site_api_routes[];
extern const unsigned site_api_n_routes;
/* The OpenAPI document, new. */
int site_api_document(json_t **ret, struct gw_error *err);
/* docs/api.md, from the same tables. */
void site_api_print(FILE *to);

/* ---- between the api-*.c files ---- */
struct site *site_api_site(struct gw_http_call *call);
void site_api_person(struct gw_http_call *call, struct site_person *ret);
/* The same, and for root and the daemon's user the person that they name ("by"). Others speak for
 * themselves: -EPERM if they name somebody else. */
int site_api_speaker(struct gw_http_call *call, struct site_person *ret, struct gw_error *err);
/* -EPERM unless who calls may act: root, or the user of the daemon. */
int site_api_may_act(struct gw_http_call *call, struct gw_error *err);
/* Answer with fn, once for one Idempotency-Key. */
/* The body with the Idempotency-Key of an action: a run keeps it from its first moment, so that the
 * same request finds it although a crash came before the answer (site/actions.h). New. */
json_t *site_api_params(const struct gw_http_call *call, int64_t uid);
int site_api_once(struct gw_http_call *call, gw_http_fn *fn, struct gw_error *err);
/* A reply of a JSON object, or the problem of an error. */
int site_api_answer(struct gw_http_call *call, int r, json_t *value, struct gw_error *err);
gw_http_fn site_api_plans, site_api_plan_put, site_api_plan_get, site_api_plan_delete,
    site_api_plan_check, site_api_plan_status, site_api_plan_explain, site_api_plan_forecast,
    site_api_points, site_api_point_create, site_api_divergence, site_api_sign, site_api_action,
    site_api_runs, site_api_run, site_api_run_log, site_api_run_evidence, site_api_run_ask,
    site_api_sites, site_api_site_get, site_api_pair_code, site_api_pair, site_api_site_replace,
    site_api_site_backup, site_api_site_restore, site_api_site_test, site_api_events,
    site_api_audit, site_api_audit_verify, site_api_openapi, site_api_plan_versions,
    site_api_divergence_one, site_api_run_steps, site_api_volumes, site_api_volume_add,
    site_api_volume_grow, site_api_volume_remove;
