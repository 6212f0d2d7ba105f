// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "site/api.h"

#include "base/checked.h"
#include "http/openapi.h"
#include "run/run.h"
#include "site/shape.h"

#include <assert.h>
#include <errno.h>
#include <grp.h>
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

/* A name that is somebody, told apart from others as approvals do (run/run.h: same_person). */
static int check_name(const char *name, struct gw_error *err)
{
    size_t n = strlen(name);
    if (n >= GW_RUN_NAME_MAX)
        return gw_error_set(err, -EINVAL, "a person's name has at most %u bytes",
                            GW_RUN_NAME_MAX - 1);
    if (name[0] == '@' || name[0] == ' ' || (n > 0 && name[n - 1] == ' '))
        return gw_error_set(err, -EINVAL,
                            "'%s' is not a person's name: it begins with '@', or with or before a "
                            "space",
                            name);
    return 0;
}

int site_api_speaker(struct gw_http_call *call, struct site_person *ret, struct gw_error *err)
{
    const char *by = site_text(gw_http_call_json(call), "by");
    site_api_person(call, ret);
    int r = check_name(by[0] != '\0' ? by : ret->name, err);
    if (r < 0 || by[0] == '\0' || strcmp(by, ret->name) == 0)
        return r;
    if (ret->uid != 0 && ret->uid != (int64_t)getuid())
        return gw_error_set(err, -EPERM, "%s cannot speak for '%s': only root names another person",
                            ret->name, by);
    snprintf(ret->name, sizeof ret->name, "%s", by);
    return 0;
}

int site_api_may_act(struct gw_http_call *call, struct gw_error *err)
{
    const struct gw_http_peer *peer = gw_http_call_peer(call);
    if (peer->uid == 0 || peer->uid == getuid())
        return 0;
    struct site_person who;
    site_api_person(call, &who);
    return gw_error_set(err, -EPERM,
                        "%s may look and approve, not act: that is for root and the user of "
                        "godwitd",
                        who.name);
}

static int may(void *ctx, struct gw_http_call *call, const struct gw_http_route *route,
               struct gw_error *err)
{
    (void)ctx;
    int r = route->privilege == MAY_ACT ? site_api_may_act(call, err) : 0;
    if (r < 0 || route->request == NULL || (route->flags & GW_HTTP_RAW) != 0)
        return r;
    const struct site_shape *shape = site_shape_find(route->request);
    assert(shape != NULL);
    return site_shape_check(shape, gw_http_call_json(call), err);
}

/* The group of the machine that may use the socket. */
static int find_group(const struct site *s, struct gw_http_config *ret, struct gw_error *err)
{
    struct group g, *found = NULL;
    char buf[4096];
    if (s->file->api_group == NULL)
        return 0;
    getgrnam_r(s->file->api_group, &g, buf, sizeof buf, &found);
    if (found == NULL)
        return gw_error_set(err, -ENOENT, "api_group: there is no group '%s' on this machine",
                            s->file->api_group);
    ret->has_group = true;
    ret->group = g.gr_gid;
    return 0;
}

/* ---- the table ---------------------------------------------------------------------------------
 */

#define P "/api/v1/plans/{plan}"
#define KEYED GW_HTTP_KEYED
const struct gw_http_route site_api_routes[] = {
    { "GET", "/api/v1/openapi.json", site_api_openapi, 0, NULL, "this document", NULL, NULL, 0,
      "api", MAY_LOOK },

    { "GET", "/api/v1/sites", site_api_sites, 0, NULL, "this site and its peers", NULL, "Sites", 0,
      NULL, MAY_LOOK },
    { "GET", "/api/v1/sites/{site}", site_api_site_get, 0, NULL, "one site", NULL, "Site", 0, NULL,
      MAY_LOOK },
    { "POST", "/api/v1/sites/pair-code", site_api_pair_code, 0, NULL,
      "make a one-time code with which another site pairs with this one", "PairCode",
      "PairCodeMade", 0, NULL, MAY_ACT },
    { "POST", "/api/v1/sites", site_api_pair, KEYED, NULL, "pair with the site that made a code",
      "Pair", "Paired", 0, NULL, MAY_ACT },
    { "POST", "/api/v1/sites/{site}/replace", site_api_site_replace, KEYED, NULL,
      "another machine takes the place of a lost site", "SiteReplace", "SiteReplaced", 0, NULL,
      MAY_ACT },
    { "POST", "/api/v1/site/backup", site_api_site_backup, 0, NULL,
      "write what this site remembers to a file, with its private key", "SiteBackup",
      "SiteBackupMade", 0, NULL, MAY_ACT },
    { "POST", "/api/v1/site/restore", site_api_site_restore, 0, NULL,
      "take back what this site remembered; it is fenced until that was compared", "SiteRestore",
      "SiteRestoring", 0, NULL, MAY_ACT },
    { "POST", "/api/v1/sites/{site}/test", site_api_site_test, 0, NULL,
      "try both ports in both directions, and measure", "Nothing", "SiteTest", 0, NULL, MAY_LOOK },

    { "GET", "/api/v1/plans", site_api_plans, 0, NULL, "all plans with their status", NULL, "Plans",
      0, NULL, MAY_LOOK },
    { "POST", "/api/v1/plan-check", site_api_plan_check, GW_HTTP_RAW, "name",
      "decode a plan file and look whether the world fits", NULL, "Findings", 0, "plans",
      MAY_LOOK },
    { "PUT", P, site_api_plan_put, GW_HTTP_RAW | GW_HTTP_MATCHED | KEYED, "name",
      "make a plan or change it; the body is the plan file, YAML or JSON; with If-None-Match: * "
      "only "
      "make it",
      NULL, "Applied", 0, NULL, MAY_ACT },
    { "GET", P, site_api_plan_get, 0, NULL, "the plan's document, and as it was written", NULL,
      "Plan", 0, NULL, MAY_LOOK },
    { "DELETE", P, site_api_plan_delete, KEYED, NULL, "retire a plan; its evidence stays", "Word",
      "Done", 0, NULL, MAY_ACT },
    { "GET", P "/versions", site_api_plan_versions, 0, NULL, "every version, by whom and when",
      NULL, "Versions", 0, NULL, MAY_LOOK },
    { "GET", P "/status", site_api_plan_status, 0, NULL, "phase, lag, sites, run, next action",
      NULL, "Status", 0, NULL, MAY_LOOK },
    { "GET", P "/guards", site_api_plan_explain, 0, "operation",
      "every guard of one action, or of all, as it stands now", NULL, "Guards", 0, NULL, MAY_LOOK },
    { "GET", P "/forecast", site_api_plan_forecast, 0, "operation to",
      "direction, bytes, times, loss", NULL, "Forecast", 0, NULL, MAY_LOOK },
    { "GET", P "/volumes", site_api_volumes, 0, NULL, "the plan's volumes", NULL, "Volumes", 0,
      NULL, MAY_LOOK },
    { "POST", P "/volumes", site_api_volume_add, KEYED, NULL, "add a volume", "VolumeAdd", "Done",
      0, NULL, MAY_ACT },
    { "POST", P "/volumes/{volume}/grow", site_api_volume_grow, KEYED, NULL, "make a volume larger",
      "VolumeGrow", "Done", 0, NULL, MAY_ACT },
    { "DELETE", P "/volumes/{volume}", site_api_volume_remove, KEYED, NULL,
      "take a volume out of the plan", "Word", "Done", 0, NULL, MAY_ACT },
    { "GET", P "/points", site_api_points, 0, NULL, "recovery points at both sites", NULL, "Points",
      0, NULL, MAY_LOOK },
    { "POST", P "/points", site_api_point_create, KEYED, NULL,
      "make a recovery point at the standby", "PointCreate", "PointMade", 0, NULL, MAY_ACT },
    { "GET", P "/divergence", site_api_divergence, 0, NULL,
      "writes that one side has and the other never had", NULL, "Divergences", 0, NULL, MAY_LOOK },
    { "GET", P "/divergence/{tail}", site_api_divergence_one, 0, "ranges",
      "one of them, by volume and range; `pending` is the one that waits for a signature", NULL,
      "Divergence", 0, NULL, MAY_LOOK },
    { "POST", P "/divergence/sign", site_api_sign, KEYED, NULL,
      "a named person signs that a tail is kept aside", "Sign", "Done", 0, NULL, MAY_ACT },
    { "POST", P "/actions/{action}", site_api_action, KEYED, NULL,
      "ask for an operation; 202 with a run, or 200 if it is done at once", "Action", "Acted", 202,
      NULL, MAY_ACT },

    { "GET", "/api/v1/runs", site_api_runs, 0, "plan limit unfinished", "runs, the newest first",
      NULL, "Runs", 0, NULL, MAY_LOOK },
    { "GET", "/api/v1/runs/{run}", site_api_run, 0, NULL, "one run with its steps", NULL, "Run", 0,
      NULL, MAY_LOOK },
    { "GET", "/api/v1/runs/{run}/steps", site_api_run_steps, 0, NULL, "its steps alone", NULL,
      "Steps", 0, NULL, MAY_LOOK },
    { "GET", "/api/v1/runs/{run}/log", site_api_run_log, 0, "from", "the step log, hash-chained",
      NULL, "RunLog", 0, NULL, MAY_LOOK },
    { "GET", "/api/v1/runs/{run}/evidence", site_api_run_evidence, 0, NULL,
      "the run's whole record", NULL, "Evidence", 0, NULL, MAY_LOOK },
    { "POST", "/api/v1/runs/{run}/{choice}", site_api_run_ask, KEYED, NULL,
      "approve, cancel, resume, retry, skip, revert, abort, override", "Word", "Run", 0, NULL,
      MAY_APPROVE },

    { "GET", "/api/v1/events", site_api_events, GW_HTTP_STREAM, "after plan follow limit",
      "what happens, as server-sent events; with follow=no those there are, as JSON", NULL,
      "Events", 0, NULL, MAY_LOOK },
    { "GET", "/api/v1/audit", site_api_audit, 0, "after limit who action object", "the audit log",
      NULL, "Audit", 0, NULL, MAY_LOOK },
    { "GET", "/api/v1/audit/verify", site_api_audit_verify, 0, NULL,
      "is the audit log's chain whole?", NULL, "AuditVerdict", 0, NULL, MAY_LOOK },
};
const unsigned site_api_n_routes = GW_ARRAY_SIZE(site_api_routes);
#undef P
#undef KEYED

/* The schemas are made from the shapes; those of routes that are not there yet are left out. */
static int make_schemas(struct gw_http_schema **ret, struct gw_error *err)
{
    struct gw_http_schema *list = calloc(site_n_shapes, sizeof *list);
    if (list == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    *ret = list;
    for (size_t i = 0; i < site_n_shapes; i++) {
        list[i].name = site_shapes[i].name;
        list[i].json = site_shape_schema(&site_shapes[i]);
        if (list[i].json == NULL)
            return gw_error_set(err, -ENOMEM, "out of memory");
    }
    return 0;
}

static void free_schemas(struct gw_http_schema *list)
{
    for (size_t i = 0; list != NULL && i < site_n_shapes; i++)
        free((char *)(uintptr_t)list[i].json);
    free(list);
}

int site_api_document(json_t **ret, struct gw_error *err)
{
    struct gw_http_schema *schemas = NULL;
    int r = make_schemas(&schemas, err);
    const struct gw_http_openapi api = { .title = "godwit",
                                         .version = GODWIT_VERSION,
                                         .description = "Disaster recovery that comes home again.",
                                         .routes = site_api_routes,
                                         .n_routes = site_api_n_routes,
                                         .schemas = schemas,
                                         .n_schemas = site_n_shapes };
    if (r == 0)
        r = gw_http_openapi_make(&api, ret, err);
    free_schemas(schemas);
    return r;
}

int site_api_openapi(struct gw_http_call *call, struct gw_error *err)
{
    json_t *o = NULL;
    int r = site_api_document(&o, err);
    return site_api_answer(call, r, o, err);
}

int site_api_open(struct site *s, struct gw_error *err)
{
    struct gw_http_config config = { .name = "api",
                                     .unix_path = gw_sitefile_api_path(s->file),
                                     .routes = site_api_routes,
                                     .n_routes = site_api_n_routes,
                                     .ctx = s,
                                     .authorize = may };
    gw_http_routes_check(site_api_routes, site_api_n_routes);
    for (unsigned i = 0; i < site_api_n_routes; i++) {
        const char *wanted = site_api_routes[i].request;
        assert(wanted == NULL || site_shape_find(wanted) != NULL); /* shapes.c */
    }
    int r = find_group(s, &config, err);
    return r < 0 ? r : gw_http_start(&config, &s->api, err);
}
