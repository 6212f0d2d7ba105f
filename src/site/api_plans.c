// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Routes about plans. */
#include "base/checked.h"
#include "catalog/idempotency.h"
#include "http/keys.h"
#include "http/problem.h"
#include "site/actions.h"
#include "site/api.h"
#include "site/edits.h"
#include "site/forecast.h"
#include "site/points.h"
#include "site/view.h"

#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY_LIFE_NS (24ull * 3600 * GW_NS_PER_S)

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

static void etag_of(const struct site_document *d, char ret[40])
{
    snprintf(ret, 40, "%llu-%.12s", (unsigned long long)d->version, d->hash);
}

/* If-Match names the version that the caller read. */
static int expected(struct gw_http_call *call, uint64_t *ret, struct gw_error *err)
{
    struct site_plan *p = NULL;
    struct gw_error none = { 0 };
    char etag[40] = "";
    bool present = false;
    *ret = 0;
    CLEANUP_DOCUMENT struct site_document *doc = NULL;
    if (plan_of(call, &p, &none) == 0) {
        doc = site_plan_document(site_api_site(call), p);
        etag_of(doc, etag);
    }
    int r = gw_http_if_match(call, doc != NULL ? etag : NULL, &present, err);
    if (r == 0 && present && doc != NULL)
        *ret = doc->version;
    return r;
}

int site_api_plan_put(struct gw_http_call *call, struct gw_error *err)
{
    struct site *s = site_api_site(call);
    struct site_person who;
    struct gw_plan_errors errors = { 0 };
    struct site_applied done = { .created = false };
    uint64_t version = 0;
    size_t len;
    const char *body = gw_http_call_body(call, &len);
    const char *name = gw_http_call_param(call, "plan");
    site_api_person(call, &who);
    int r = expected(call, &version, err);
    if (r == 0)
        r = site_audit(s, &who, "plan-apply", name, "begun", NULL, err);
    if (r < 0)
        return r;
    r = site_edit_apply(s, name_of(call), body, len, format_of(call), version, &who, &errors, &done,
                        err);
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

int site_api_plan_check(struct gw_http_call *call, struct gw_error *err)
{
    struct site *s = site_api_site(call);
    struct gw_plan_errors errors = { 0 };
    struct gw_planfile *plan = NULL;
    size_t len;
    const char *body = gw_http_call_body(call, &len);
    int r = gw_planfile_parse(name_of(call), body, len, format_of(call), &errors, &plan, err);
    json_t *findings = r == 0 ? site_edit_findings(s, plan, true) : json_array();
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
    char etag[40];
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
                                        "original", row.original));
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
    return gw_http_reply_json(call, 200, site_view_status(s, p, &v));
}

int site_api_plan_explain(struct gw_http_call *call, struct gw_error *err)
{
    struct site_plan *p;
    enum gw_request request = GW_REQUEST_FAILOVER;
    const char *word = gw_http_call_query(call, "operation");
    int r = plan_of(call, &p, err);
    if (r == 0 && word != NULL && !gw_request_parse(word, &request))
        r = gw_error_set(err, -EINVAL, "there is no action '%s'", word);
    if (r < 0)
        return r;
    return gw_http_reply_json(
        call, 200,
        json_pack("{s:s, s:s, s:o}", "plan", p->name, "request", gw_request_name(request), "guards",
                  site_action_explain(site_api_site(call), p, request, NULL)));
}

int site_api_plan_forecast(struct gw_http_call *call, struct gw_error *err)
{
    struct site *s = site_api_site(call);
    struct site_plan *p;
    enum gw_operation_id op = GW_OPERATION_NONE;
    const char *word = gw_http_call_query(call, "operation");
    int r = plan_of(call, &p, err);
    if (r < 0)
        return r;
    if (word != NULL && !gw_operation_parse(word, &op))
        return gw_error_set(err, -EINVAL, "there is no operation '%s'", word);
    if (op == GW_OPERATION_NONE) {
        CLEANUP_VIEW struct site_view v;
        site_view_make(s, p, &v);
        op = v.holder == GW_HOLDER_DR ? GW_OPERATION_FAILBACK : GW_OPERATION_FAILOVER;
    }
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

int site_api_point_create(struct gw_http_call *call, struct gw_error *err)
{
    struct site *s = site_api_site(call);
    struct site_plan *p;
    struct site_person who;
    json_t *o = NULL;
    const json_t *body = gw_http_call_json(call);
    site_api_person(call, &who);
    int r = plan_of(call, &p, err);
    if (r == 0)
        r = site_audit(s, &who, "point-create", p->name, "begun", NULL, err);
    if (r == 0)
        r = site_point_create(s, p, site_text(body, "id"), site_text(body, "tag"), &o, err);
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
    site_api_person(call, &who);
    int r = site_action(s, gw_http_call_param(call, "plan"), request, gw_http_call_json(call), &who,
                        false, &answer, &no, err);
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

/* ---- idempotency keys -------------------------------------------------------------------------
 */

static int key_begin(void *ctx, const char *who, const char *key, const char *request,
                     struct gw_http_key_record *ret, struct gw_error *err)
{
    struct site *s = ctx;
    CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
    struct gw_catalog_answer a = { 0 };
    uint64_t now = gw_wall_ns();
    int r = gw_catalog_idempotency_begin(s->catalog, who, key, request, now, now + KEY_LIFE_NS,
                                         &mem, &a, err);
    snprintf(ret->request, sizeof ret->request, "%s", request);
    if (r == -EBADMSG) { /* the same key, another request: make the two differ */
        ret->request[0] = '\0';
        ret->state = GW_HTTP_KEY_DONE;
        return 0;
    }
    if (r < 0 && r != -EINPROGRESS)
        return r;
    ret->state = r == 0 ? GW_HTTP_KEY_NEW : r == 1 ? GW_HTTP_KEY_DONE : GW_HTTP_KEY_RUNNING;
    if (r == 1) {
        ret->status = (int)a.status;
        ret->body = strdup(a.body);
        ret->location = a.location != NULL ? strdup(a.location) : NULL;
    }
    return 0;
}

static int key_end(void *ctx, const char *who, const char *key, int status, const char *body,
                   const char *location, struct gw_error *err)
{
    struct site *s = ctx;
    const struct gw_catalog_answer a = { .status = (uint64_t)status,
                                         .body = body != NULL ? body : "",
                                         .location = location };
    return gw_catalog_idempotency_end(s->catalog, who, key, &a, err);
}

static int key_forget(void *ctx, const char *who, const char *key, struct gw_error *err)
{
    struct site *s = ctx;
    return gw_catalog_idempotency_abandon(s->catalog, who, key, err);
}

int site_api_action(struct gw_http_call *call, struct gw_error *err)
{
    const struct gw_http_key_store store = {
        .ctx = site_api_site(call), .begin = key_begin, .end = key_end, .forget = key_forget
    };
    enum gw_request request;
    const char *word = gw_http_call_param(call, "action");
    if (!gw_request_parse(word, &request))
        return gw_error_set(err, -ENOENT, "there is no action '%s'", word);
    int r = gw_http_key_begin(call, &store, err);
    if (r != 0)
        return r < 0 ? r : 0;
    r = act(call, request, err);
    if (r < 0) { /* the problem becomes the stored reply as well: it has to be set first */
        struct gw_http_problem_kind kind = gw_http_problem_kind(r);
        gw_http_reply_problem(call, kind.status, kind.name, err);
    }
    gw_http_key_end(call, &store, err);
    return 0;
}

int site_api_plan_delete(struct gw_http_call *call, struct gw_error *err)
{
    return act(call, GW_REQUEST_PLAN_DELETE, err);
}

int site_api_sign(struct gw_http_call *call, struct gw_error *err)
{
    return act(call, GW_REQUEST_DIVERGENCE_SIGN, err);
}
