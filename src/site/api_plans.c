// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Routes about plans. */
#include "base/checked.h"
#include "http/json.h"
#include "http/keys.h"
#include "http/problem.h"
#include "site/actions.h"
#include "site/api.h"
#include "site/divergence.h"
#include "site/edits.h"
#include "site/findings.h"
#include "site/forecast.h"
#include "site/points.h"
#include "site/runs.h"
#include "site/view.h"

#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ETAG_MAX (GW_PLANFILE_HASH_TEXT + 1)
#define RANGES_DEFAULT 64u

static int plan_of(struct gw_http_call *call, struct site_plan **ret, struct gw_error *err)
{
    return site_plan_find(site_api_site(call), gw_http_call_param(call, "plan"), ret, err);
}

/* ---- documents --------------------------------------------------------------------------------
 */

static enum gw_doc_format format_of(const struct gw_http_call *call)
{
    return strcmp(gw_http_call_content_type(call), "application/json") == 0 ? GW_DOC_JSON
                                                                            : GW_DOC_YAML;
}

static const char *name_of(const struct gw_http_call *call)
{
    const char *name = gw_http_call_query(call, "name");
    return name != NULL && name[0] != '\0' ? name : "request";
}

static json_t *errors_json(const struct gw_plan_errors *errors)
{
    json_t *a = json_array();
    for (size_t i = 0; i < errors->n; i++)
        json_array_append_new(a,
                              json_pack("{s:i, s:i, s:s, s:s}", "line", (int)errors->item[i].line,
                                        "column", (int)errors->item[i].column, "path",
                                        errors->item[i].path, "message", errors->item[i].sentence));
    return a;
}

/* The hash says what is in it, which is what an edit is about. */
static void etag_of(const struct site_document *d, char ret[ETAG_MAX])
{
    snprintf(ret, ETAG_MAX, "%s", d->hash);
}

/* If-Match names the version that the caller read. */
static int expected(struct gw_http_call *call, uint64_t *ret, struct gw_error *err)
{
    struct site_plan *p = NULL;
    struct gw_error none = { 0 };
    char etag[ETAG_MAX] = "";
    bool present = false;
    *ret = 0;
    CLEANUP_DOCUMENT struct site_document *doc = NULL;
    if (plan_of(call, &p, &none) == 0) {
        doc = site_plan_document(site_api_site(call), p);
        etag_of(doc, etag);
    }
    const char *none_match = gw_http_call_header(call, "If-None-Match");
    if (none_match != NULL && strcmp(none_match, "*") != 0)
        return gw_error_set(err, -EINVAL, "If-None-Match: only * is possible, for a new plan");
    if (none_match != NULL && doc != NULL)
        return gw_error_set(err, -ESTALE, "plan '%s' is there already, and a new one was wanted",
                            p->name);
    int r = gw_http_if_match(call, doc != NULL ? etag : NULL, &present, err);
    if (r == 0 && present && doc != NULL)
        *ret = doc->version;
    return r;
}

static int put(struct gw_http_call *call, struct gw_error *err)
{
    struct site *s = site_api_site(call);
    struct site_person who;
    struct gw_plan_errors errors = { 0 };
    struct site_applied done = { .created = false };
    struct site_audited log = { .seq = 0 };
    uint64_t version = 0;
    size_t len;
    char object[96];
    const char *body = gw_http_call_body(call, &len);
    const char *name = gw_http_call_param(call, "plan");
    site_api_person(call, &who);
    snprintf(object, sizeof object, "plan %s", name);
    int r = site_audit_begin(s, &who, "plan-apply", object, NULL, &log, err);
    if (r == 0)
        r = expected(call, &version, err);
    if (r == 0)
        r = site_edit_apply(s, name, name_of(call), body, len, format_of(call), version, &who,
                            &errors, &done, err);
    site_audit_end(s, &log, r,
                   r == 0 ? json_pack("{s:I}", "version", (json_int_t)done.version) : NULL, err);
    if (r < 0 && errors.n > 0) {
        gw_http_reply_problem(call, 422, "plan-file", err);
        gw_http_reply_member(call, "errors", errors_json(&errors));
        r = 0;
    } else if (r == 0) {
        r = gw_http_reply_json(
            call, done.created ? 201 : 200,
            json_pack("{s:s, s:b, s:b, s:I, s:s, s:o}", "plan", name, "created", done.created,
                      "unchanged", done.unchanged, "version", (json_int_t)done.version, "hash",
                      done.hash, "changes",
                      done.changes != NULL ? json_incref(done.changes) : json_array()));
    }
    json_decref(done.changes);
    gw_plan_errors_done(&errors);
    return r;
}

int site_api_plan_put(struct gw_http_call *call, struct gw_error *err)
{
    return site_api_once(call, put, err);
}

int site_api_plan_check(struct gw_http_call *call, struct gw_error *err)
{
    struct site *s = site_api_site(call);
    struct gw_plan_errors errors = { 0 };
    struct gw_planfile *plan = NULL;
    size_t len;
    const char *body = gw_http_call_body(call, &len);
    int r = gw_planfile_parse(name_of(call), body, len, format_of(call), &errors, &plan, err);
    json_t *findings = r == 0 ? site_findings(s, plan) : json_array();
    if (r == 0 || errors.n > 0)
        r = gw_http_reply_json(
            call, 200,
            json_pack("{s:o, s:o}", "errors", errors_json(&errors), "findings", findings));
    else
        json_decref(findings);
    gw_planfile_free(plan);
    gw_plan_errors_done(&errors);
    return r;
}

int site_api_plan_get(struct gw_http_call *call, struct gw_error *err)
{
    struct site *s = site_api_site(call);
    CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
    struct gw_catalog_plan row = { 0 };
    struct site_plan *p;
    char etag[ETAG_MAX];
    int r = plan_of(call, &p, err);
    if (r == 0)
        r = gw_catalog_plan_get_uuid(s->catalog, p->uuid_text, &mem, &row, err);
    if (r < 0)
        return r;
    CLEANUP_DOCUMENT struct site_document *doc = site_plan_document(s, p);
    etag_of(doc, etag);
    if (gw_http_not_modified(call, etag))
        return 0;
    gw_http_reply_etag(call, etag);
    return gw_http_reply_json(call, 200,
                              json_pack("{s:s, s:s, s:I, s:s, s:o, s:s}", "plan", p->name, "uuid",
                                        p->uuid_text, "version", (json_int_t)row.version, "hash",
                                        row.hash, "document", json_loads(row.document, 0, NULL),
                                        "text", row.original));
}

int site_api_plan_versions(struct gw_http_call *call, struct gw_error *err)
{
    CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
    struct gw_catalog_plan_version *rows = NULL;
    struct site_plan *p;
    size_t n = 0;
    int r = plan_of(call, &p, err);
    if (r == 0)
        r = gw_catalog_plan_versions(site_api_site(call)->catalog, p->uuid_text, &mem, &rows, &n,
                                     err);
    json_t *a = json_array();
    for (size_t i = 0; r == 0 && i < n; i++) {
        char when[GW_TIME_TEXT];
        gw_time_format(rows[i].wall_ns, when);
        json_array_append_new(a, json_pack("{s:I, s:s, s:s, s:s}", "version",
                                           (json_int_t)rows[i].version, "hash", rows[i].hash, "who",
                                           rows[i].who, "time", when));
    }
    return site_api_answer(call, r, json_pack("{s:o}", "versions", a), err);
}

/* ---- looking ----------------------------------------------------------------------------------
 */

int site_api_plans(struct gw_http_call *call, struct gw_error *err)
{
    struct site *s = site_api_site(call);
    json_t *a = json_array();
    (void)err;
    pthread_mutex_lock(&s->mu);
    struct site_plan *p = s->plans;
    pthread_mutex_unlock(&s->mu);
    for (; p != NULL; p = p->next) {
        if (p->gone)
            continue;
        CLEANUP_VIEW struct site_view v;
        site_view_make(s, p, &v);
        json_array_append_new(a, site_view_status(s, p, &v));
    }
    return gw_http_reply_json(call, 200, json_pack("{s:o}", "plans", a));
}

int site_api_plan_status(struct gw_http_call *call, struct gw_error *err)
{
    struct site *s = site_api_site(call);
    struct site_plan *p;
    int r = plan_of(call, &p, err);
    if (r < 0)
        return r;
    CLEANUP_VIEW struct site_view v;
    site_view_make(s, p, &v);
    json_t *o = site_view_status(s, p, &v);
    json_object_set_new(o, "last_run", site_run_last_json(s, p->name));
    return gw_http_reply_json(call, 200, o);
}

/* Guards of one request, and whether they let it pass. */
static json_t *explain(struct site *s, struct site_plan *p, enum gw_request request)
{
    json_t *guards = site_action_explain(s, p, request, NULL), *g;
    bool allowed = json_array_size(guards) > 0;
    size_t i;
    json_array_foreach(guards, i, g)
    {
        const char *v = site_text(g, "verdict");
        allowed = allowed && strcmp(v, gw_guard_verdict_name(GW_GUARD_FAILED)) != 0 &&
                  strcmp(v, gw_guard_verdict_name(GW_GUARD_NOT_KNOWN)) != 0;
    }
    return json_pack("{s:s, s:b, s:o}", "operation", gw_request_name(request), "allowed", allowed,
                     "guards", guards);
}

/* What a person may ask for today; the others have routes, or come later. */
static const enum gw_request explained[] = {
    GW_REQUEST_ACTIVATE,  GW_REQUEST_FAILOVER,   GW_REQUEST_SWITCHOVER,  GW_REQUEST_REVERSE,
    GW_REQUEST_FAILBACK,  GW_REQUEST_REVERT,     GW_REQUEST_COMMIT,      GW_REQUEST_ADOPT,
    GW_REQUEST_HOLD,      GW_REQUEST_RELEASE,    GW_REQUEST_VERIFY,      GW_REQUEST_DIVERGENCE_SIGN,
    GW_REQUEST_PLAN_EDIT, GW_REQUEST_DEACTIVATE, GW_REQUEST_PLAN_DELETE,
};

int site_api_plan_explain(struct gw_http_call *call, struct gw_error *err)
{
    struct site *s = site_api_site(call);
    struct site_plan *p;
    enum gw_request request = GW_REQUEST_MAX;
    const char *word = gw_http_call_query(call, "operation");
    int r = plan_of(call, &p, err);
    if (r == 0 && word != NULL && !gw_request_parse(word, &request))
        r = gw_error_set(err, -EINVAL, "operation: there is no '%s'", word);
    if (r < 0)
        return r;
    json_t *a = json_array();
    for (size_t i = 0; word == NULL && i < GW_ARRAY_SIZE(explained); i++)
        json_array_append_new(a, explain(s, p, explained[i]));
    if (word != NULL)
        json_array_append_new(a, explain(s, p, request));
    CLEANUP_VIEW struct site_view v;
    site_view_make(s, p, &v);
    return gw_http_reply_json(
        call, 200,
        json_pack("{s:s, s:s, s:o}", "plan", p->name, "sentence", v.sentence, "operations", a));
}

/* The operation that `to` means, seen from where the plan is active. */
static int operation_to(const struct site_view *v, const char *to, enum gw_operation_id *ret,
                        struct gw_error *err)
{
    enum gw_label l = v->holder == GW_HOLDER_DR ? GW_LABEL_DR : GW_LABEL_HOME;
    const char *active = v->holder == GW_HOLDER_NONE ? "" : v->site[l];
    if (strcmp(to, v->site[0]) != 0 && strcmp(to, v->site[1]) != 0)
        return gw_error_set(err, -EINVAL, "to: '%s' is neither %s nor %s", to, v->site[0],
                            v->site[1]);
    if (strcmp(to, active) == 0)
        return gw_error_set(err, -EINVAL, "to: the plan is active at %s already", to);
    *ret =
        strcmp(to, v->site[GW_LABEL_HOME]) == 0 ? GW_OPERATION_FAILBACK : GW_OPERATION_SWITCHOVER;
    return 0;
}

int site_api_plan_forecast(struct gw_http_call *call, struct gw_error *err)
{
    struct site *s = site_api_site(call);
    struct site_plan *p;
    enum gw_operation_id op = GW_OPERATION_NONE;
    const char *word = gw_http_call_query(call, "operation"), *to = gw_http_call_query(call, "to");
    int r = plan_of(call, &p, err);
    if (r < 0)
        return r;
    if (word != NULL && !gw_operation_parse(word, &op))
        return gw_error_set(err, -EINVAL, "operation: there is no '%s'", word);
    CLEANUP_VIEW struct site_view v;
    site_view_make(s, p, &v);
    if (to != NULL) {
        enum gw_operation_id means = op;
        r = operation_to(&v, to, &means, err);
        if (r < 0)
            return r;
        op = op == GW_OPERATION_NONE ? means : op;
    }
    if (op == GW_OPERATION_NONE)
        op = v.holder == GW_HOLDER_DR ? GW_OPERATION_FAILBACK : GW_OPERATION_FAILOVER;
    return gw_http_reply_json(call, 200, site_forecast(s, p, op));
}

int site_api_points(struct gw_http_call *call, struct gw_error *err)
{
    struct site_plan *p;
    json_t *o = NULL;
    int r = plan_of(call, &p, err);
    if (r == 0)
        r = site_points(site_api_site(call), p, &o, err);
    return site_api_answer(call, r, o, err);
}

static int make_point(struct gw_http_call *call, struct gw_error *err)
{
    struct site *s = site_api_site(call);
    struct site_plan *p;
    struct site_person who;
    json_t *o = NULL;
    const json_t *body = gw_http_call_json(call);
    site_api_person(call, &who);
    int r = plan_of(call, &p, err);
    struct site_audited log = { .seq = 0 };
    char object[96];
    snprintf(object, sizeof object, "plan %s", gw_http_call_param(call, "plan"));
    if (r == 0)
        r = site_audit_begin(s, &who, "point-create", object, NULL, &log, err);
    if (r == 0)
        r = site_point_create(s, p, site_text(body, "id"), site_text(body, "tag"), &o, err);
    site_audit_end(s, &log, r, NULL, err);
    return site_api_answer(call, r, o, err);
}

int site_api_point_create(struct gw_http_call *call, struct gw_error *err)
{
    return site_api_once(call, make_point, err);
}

int site_api_divergence_one(struct gw_http_call *call, struct gw_error *err)
{
    struct site_plan *p;
    uint64_t ranges = RANGES_DEFAULT;
    json_t *o = NULL;
    int r = plan_of(call, &p, err);
    if (r == 0)
        r = gw_http_call_query_u64(call, "ranges", &ranges, err);
    if (r == 0 && ranges > SITE_RANGES_MAX)
        r = gw_error_set(err, -EINVAL, "ranges: at most %u are possible", SITE_RANGES_MAX);
    if (r == 0)
        r = site_divergence_one(site_api_site(call), p, gw_http_call_param(call, "tail"), ranges,
                                &o, err);
    return site_api_answer(call, r, o, err);
}

int site_api_divergence(struct gw_http_call *call, struct gw_error *err)
{
    struct site_plan *p;
    json_t *o = NULL;
    int r = plan_of(call, &p, err);
    if (r == 0)
        r = site_divergence(site_api_site(call), p, &o, err);
    return site_api_answer(call, r, o, err);
}

/* ---- acting -----------------------------------------------------------------------------------
 */

static int act(struct gw_http_call *call, enum gw_request request, struct gw_error *err)
{
    struct site *s = site_api_site(call);
    struct site_person who;
    struct site_refusal no;
    json_t *answer = NULL;
    int r = site_api_speaker(call, &who, err);
    if (r < 0)
        return r;
    CLEANUP_SITE_JSON json_t *params = site_api_params(call, who.uid);
    r = site_action(s, gw_http_call_param(call, "plan"), request, params, &who, false, &answer, &no,
                    err);
    if (r == -EPERM && no.guard[0] != '\0') {
        gw_http_reply_problem(call, 409, "guard", err);
        gw_http_reply_member(call, "guard", json_string(no.guard));
        gw_http_reply_member(call, "forceable", json_boolean(no.forceable));
        return gw_http_reply_member(call, "way_out", json_string(no.way_out));
    }
    if (r < 0)
        return r;
    const char *id = site_text(site_at(answer, "run"), "id");
    if (id[0] != '\0') {
        char location[80];
        snprintf(location, sizeof location, "/api/v1/runs/%s", id);
        gw_http_reply_header(call, "Location", location);
        return gw_http_reply_json(call, 202, answer);
    }
    return gw_http_reply_json(call, 200, answer);
}

/* Members that mean something to one request, besides by and reason. What a request would pass
 * over is refused: who sends it expects something of it. */
static const char *members_of(enum gw_request request)
{
#define MOVE "by reason override dry_run"
    switch (request) {
    case GW_REQUEST_ACTIVATE:
        return MOVE " adopt_data";
    case GW_REQUEST_FAILOVER:
        return MOVE " point confirm_site_down roll_back";
    case GW_REQUEST_FAILBACK:
    case GW_REQUEST_SWITCHOVER:
        return MOVE " at abort_by_ms";
    case GW_REQUEST_REVERT:
        return MOVE " roll_back";
    case GW_REQUEST_REVERSE:
        return MOVE " survivor";
    case GW_REQUEST_DEACTIVATE:
        return MOVE;
    case GW_REQUEST_COMMIT:
    case GW_REQUEST_ADOPT:
        return "by reason override";
    case GW_REQUEST_VERIFY:
        return "by reason rate_bytes";
    case GW_REQUEST_HOLD:
    case GW_REQUEST_RELEASE:
    case GW_REQUEST_PLAN_EDIT:
    case GW_REQUEST_PLAN_DELETE:
    case GW_REQUEST_VOLUME_ADD:
    case GW_REQUEST_VOLUME_GROW:
    case GW_REQUEST_VOLUME_REMOVE:
    case GW_REQUEST_SITE_REPLACE:
    case GW_REQUEST_DIVERGENCE_SIGN:
    case GW_REQUEST_TEST:
    case GW_REQUEST_REHEARSE:
    case GW_REQUEST_RECONCILE:
    case GW_REQUEST_MAX:
        break;
    }
#undef MOVE
    return "by reason";
}

/* Requests with an address of their own are not actions. */
static bool is_action(const char *word, enum gw_request *ret)
{
    return gw_request_parse(word, ret) && *ret != GW_REQUEST_PLAN_EDIT &&
           *ret != GW_REQUEST_PLAN_DELETE && *ret != GW_REQUEST_DIVERGENCE_SIGN &&
           *ret != GW_REQUEST_SITE_REPLACE && *ret != GW_REQUEST_VOLUME_ADD &&
           *ret != GW_REQUEST_VOLUME_GROW && *ret != GW_REQUEST_VOLUME_REMOVE;
}

static int act_by_name(struct gw_http_call *call, struct gw_error *err)
{
    enum gw_request request;
    const char *word = gw_http_call_param(call, "action");
    if (!is_action(word, &request))
        return gw_error_set(err, -ENOENT, "there is no action '%s'", word);
    enum gw_operation_id op = gw_request_op(request);
    if (op != GW_OPERATION_NONE && gw_operation_get(op) == NULL)
        return gw_error_set(err, -ENOSYS, "this godwit has no '%s' yet: a later release has it",
                            word);
    int r = gw_http_json_members(gw_http_call_json(call), members_of(request), err);
    return r < 0 ? gw_error_wrap(err, "%s", word) : act(call, request, err);
}

int site_api_action(struct gw_http_call *call, struct gw_error *err)
{
    return site_api_once(call, act_by_name, err);
}

static int retire(struct gw_http_call *call, struct gw_error *err)
{
    return act(call, GW_REQUEST_PLAN_DELETE, err);
}

int site_api_plan_delete(struct gw_http_call *call, struct gw_error *err)
{
    return site_api_once(call, retire, err);
}

static int sign(struct gw_http_call *call, struct gw_error *err)
{
    return act(call, GW_REQUEST_DIVERGENCE_SIGN, err);
}

int site_api_sign(struct gw_http_call *call, struct gw_error *err)
{
    return site_api_once(call, sign, err);
}
