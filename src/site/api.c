// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "site/api.h"

#include "base/checked.h"
#include "http/openapi.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAY_LOOK 0
#define MAY_APPROVE 1
#define MAY_ACT 2

struct site *site_api_site(struct gw_http_call *call)
{
    return gw_http_call_ctx(call);
}

void site_api_person(struct gw_http_call *call, struct site_person *ret)
{
    const struct gw_http_peer *peer = gw_http_call_peer(call);
    struct passwd pw, *found = NULL;
    char buf[1024];
    *ret = (struct site_person){ .uid = peer->uid };
    getpwuid_r(peer->uid, &pw, buf, sizeof buf, &found);
    /* Root may speak for a person by name: the audit log keeps both. */
    const char *named = gw_http_call_header(call, "Godwit-Person");
    if (named != NULL && named[0] != '\0' && (peer->uid == 0 || peer->uid == getuid()))
        snprintf(ret->name, sizeof ret->name, "%s", named);
    else if (found != NULL)
        snprintf(ret->name, sizeof ret->name, "%s", found->pw_name);
    else
        snprintf(ret->name, sizeof ret->name, "uid %u", (unsigned)peer->uid);
    snprintf(ret->origin, sizeof ret->origin, "unix, uid %u, pid %d", (unsigned)peer->uid,
             (int)peer->pid);
}

int site_api_answer(struct gw_http_call *call, int r, json_t *value, struct gw_error *err)
{
    (void)err;
    if (r < 0) {
        json_decref(value);
        return r;
    }
    return gw_http_reply_json(call, 200, value);
}

static int may(void *ctx, struct gw_http_call *call, const struct gw_http_route *route,
               struct gw_error *err)
{
    const struct gw_http_peer *peer = gw_http_call_peer(call);
    (void)ctx;
    if (peer->uid == 0 || peer->uid == getuid() || route->privilege <= MAY_APPROVE)
        return 0;
    return gw_error_set(err, -EPERM,
                        "user %u may look and approve, not act: that is for root and the user of "
                        "godwitd",
                        (unsigned)peer->uid);
}

/* ---- the table ---------------------------------------------------------------------------------
 */

#define P "/api/v1/plans/{plan}"
const struct gw_http_route site_api_routes[] = {
    { "GET", "/api/v1/openapi.json", site_api_openapi, 0, NULL, "this document", NULL, NULL, 0,
      "api", MAY_LOOK },
    { "GET", "/api/v1/sites", site_api_sites, 0, NULL, "this site and its peers", NULL, NULL, 0,
      NULL, MAY_LOOK },
    { "GET", "/api/v1/sites/{site}", site_api_site_get, 0, NULL, "one site", NULL, NULL, 0, NULL,
      MAY_LOOK },
    { "POST", "/api/v1/sites/pair-code", site_api_pair_code, 0, NULL,
      "make a one-time code with which another site pairs with this one", NULL, NULL, 0, NULL,
      MAY_ACT },
    { "POST", "/api/v1/sites", site_api_pair, 0, NULL,
      "pair with the site that made a code: {code, link}", "Pair", NULL, 0, NULL, MAY_ACT },
    { "POST", "/api/v1/sites/{site}/test", site_api_site_test, 0, NULL,
      "try both ports in both directions, and measure", NULL, NULL, 0, NULL, MAY_LOOK },
    { "GET", "/api/v1/plans", site_api_plans, 0, NULL, "all plans with their status", NULL, NULL, 0,
      NULL, MAY_LOOK },
    { "POST", "/api/v1/plan-check", site_api_plan_check, GW_HTTP_RAW, "name",
      "decode a plan file and look whether the world fits", NULL, NULL, 0, "plans", MAY_LOOK },
    { "PUT", P, site_api_plan_put, GW_HTTP_RAW | GW_HTTP_MATCHED, "name",
      "make a plan or change it", NULL, NULL, 0, NULL, MAY_ACT },
    { "GET", P, site_api_plan_get, 0, NULL, "the plan's document", NULL, NULL, 0, NULL, MAY_LOOK },
    { "DELETE", P, site_api_plan_delete, 0, NULL, "retire a plan; its evidence stays", NULL, NULL,
      0, NULL, MAY_ACT },
    { "GET", P "/versions", site_api_plan_versions, 0, NULL, "every version, by whom and when",
      NULL, NULL, 0, NULL, MAY_LOOK },
    { "GET", P "/status", site_api_plan_status, 0, NULL, "phase, lag, sites, run, next action",
      NULL, NULL, 0, NULL, MAY_LOOK },
    { "GET", P "/guards", site_api_plan_explain, 0, "operation",
      "every guard of an action, as it stands now", NULL, NULL, 0, NULL, MAY_LOOK },
    { "GET", P "/forecast", site_api_plan_forecast, 0, "operation to",
      "direction, bytes, times, loss", NULL, NULL, 0, NULL, MAY_LOOK },
    { "GET", P "/points", site_api_points, 0, NULL, "recovery points at both sites", NULL, NULL, 0,
      NULL, MAY_LOOK },
    { "POST", P "/points", site_api_point_create, 0, NULL, "make a recovery point at the standby",
      "Point", NULL, 0, NULL, MAY_ACT },
    { "GET", P "/divergence", site_api_divergence, 0, NULL,
      "writes that one side has and the other never had", NULL, NULL, 0, NULL, MAY_LOOK },
    { "POST", P "/divergence/sign", site_api_sign, 0, NULL,
      "a named person signs that a tail is kept aside", "Sign", NULL, 0, NULL, MAY_ACT },
    { "POST", P "/actions/{action}", site_api_action, GW_HTTP_KEYED, NULL,
      "ask for an operation; 202 with a run, or 200 if it is done at once", "Action", NULL, 202,
      NULL, MAY_ACT },
    { "GET", "/api/v1/runs", site_api_runs, 0, "plan limit unfinished", "runs, the newest first",
      NULL, NULL, 0, NULL, MAY_LOOK },
    { "GET", "/api/v1/runs/{run}", site_api_run, 0, NULL, "one run with its steps", NULL, NULL, 0,
      NULL, MAY_LOOK },
    { "GET", "/api/v1/runs/{run}/log", site_api_run_log, 0, "from", "the step log", NULL, NULL, 0,
      NULL, MAY_LOOK },
    { "GET", "/api/v1/runs/{run}/evidence", site_api_run_evidence, 0, NULL,
      "the run's whole record", NULL, NULL, 0, NULL, MAY_LOOK },
    { "POST", "/api/v1/runs/{run}/{choice}", site_api_run_ask, 0, NULL,
      "approve, cancel, resume, retry, skip, revert, abort, override", "Choice", NULL, 0, NULL,
      MAY_APPROVE },
    { "GET", "/api/v1/events", site_api_events, GW_HTTP_STREAM, "after plan follow limit",
      "what happens, as server-sent events; with follow=no those there are", NULL, NULL, 0, NULL,
      MAY_LOOK },
    { "GET", "/api/v1/audit", site_api_audit, 0, "after limit", "the audit log", NULL, NULL, 0,
      NULL, MAY_LOOK },
    { "GET", "/api/v1/audit/verify", site_api_audit_verify, 0, NULL,
      "is the audit log's chain whole?", NULL, NULL, 0, NULL, MAY_LOOK },
};
const unsigned site_api_n_routes = GW_ARRAY_SIZE(site_api_routes);
#undef P

static const struct gw_http_schema schemas[] = {
    { "Pair", "{\"type\":\"object\",\"required\":[\"code\",\"link\"],\"properties\":{\"code\":{"
              "\"type\":\"string\"},\"link\":{\"type\":\"string\"},\"replace\":{\"type\":"
              "\"boolean\"}}}" },
    { "Point", "{\"type\":\"object\",\"properties\":{\"id\":{\"type\":\"string\"},\"tag\":{"
               "\"type\":\"string\"}}}" },
    { "Sign", "{\"type\":\"object\",\"required\":[\"by\"],\"properties\":{\"by\":{\"type\":"
              "\"string\"},\"reason\":{\"type\":\"string\"}}}" },
    { "Choice", "{\"type\":\"object\",\"properties\":{\"by\":{\"type\":\"string\"},\"reason\":{"
                "\"type\":\"string\"}}}" },
    { "Action",
      "{\"type\":\"object\",\"properties\":{\"point\":{\"type\":\"string\"},\"confirm_site_down\":"
      "{\"type\":\"string\"},\"override\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}},"
      "\"reason\":{\"type\":\"string\"},\"at\":{\"type\":\"string\",\"format\":\"date-time\"},"
      "\"abort_by_ms\":{\"type\":\"integer\"},\"dry_run\":{\"type\":\"boolean\"},\"by\":{\"type\":"
      "\"string\"},\"adopt_data\":{\"type\":\"boolean\"},\"roll_back\":{\"type\":\"boolean\"}}}" },
};

int site_api_document(json_t **ret, struct gw_error *err)
{
    const struct gw_http_openapi api = { .title = "godwit",
                                         .version = GODWIT_VERSION,
                                         .description = "Disaster recovery that comes home again.",
                                         .routes = site_api_routes,
                                         .n_routes = site_api_n_routes,
                                         .schemas = schemas,
                                         .n_schemas = GW_ARRAY_SIZE(schemas) };
    return gw_http_openapi_make(&api, ret, err);
}

int site_api_openapi(struct gw_http_call *call, struct gw_error *err)
{
    json_t *o = NULL;
    return site_api_answer(call, site_api_document(&o, err), o, err);
}

int site_api_open(struct site *s, struct gw_error *err)
{
    const struct gw_http_config config = { .name = "api",
                                           .unix_path = gw_sitefile_api_path(s->file),
                                           .routes = site_api_routes,
                                           .n_routes = site_api_n_routes,
                                           .ctx = s,
                                           .authorize = may };
    gw_http_routes_check(site_api_routes, site_api_n_routes);
    return gw_http_start(&config, &s->api, err);
}
