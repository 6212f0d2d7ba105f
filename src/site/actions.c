// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "site/actions.h"

#include "base/clock.h"
#include "base/log.h"
#include "catalog/runs.h"
#include "catalog/signatures.h"
#include "site/dataplane.h"
#include "site/edits.h"
#include "site/hold.h"
#include "site/mates.h"
#include "site/monitor.h"
#include "site/points.h"
#include "site/runstore.h"
#include "site/trial.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PASS_ON_MS 20000u
#define AWAIT_COPY_NS (5 * GW_NS_PER_S)
#define AWAIT_MS 20u
#define VERIFY_MS 10000u

struct asked {
    struct site *site;
    struct site_plan *plan;
    enum gw_request request;
    const json_t *params;
    const struct site_person *who;
    struct site_view view;
};

/* ---- guards -----------------------------------------------------------------------------------
 */

/* An override names the guard; the reason is the request's. */
static bool has_override(const json_t *params, const char *guard)
{
    size_t i;
    json_t *o;
    json_array_foreach(json_object_get(params, "override"), i, o)
    {
        if (json_is_string(o) && strcmp(json_string_value(o), guard) == 0)
            return true;
    }
    return false;
}

static void expand(const struct site_view *v, const char *plan, const char *pattern, char *ret,
                   size_t size)
{
    struct gw_phase_names names = { .plan = plan,
                                    .home = v->site[GW_LABEL_HOME],
                                    .dr = v->site[GW_LABEL_DR],
                                    .run = v->run,
                                    .step = v->step,
                                    .holder = v->holder,
                                    .op = v->facts.op };
    gw_phase_expand(pattern, &names, ret, size);
}

/* An override has to name a guard of this request that can be forced, and give a reason. */
static int check_overrides(const struct asked *a, struct gw_error *err)
{
    size_t i;
    json_t *o;
    json_array_foreach(json_object_get(a->params, "override"), i, o)
    {
        enum gw_guard g;
        const char *name = json_is_string(o) ? json_string_value(o) : "";
        if (!gw_guard_parse(name, &g))
            return gw_error_set(err, -EINVAL, "there is no guard '%s'", name);
        if (gw_guard_use(a->request, g) != GW_GUARD_CAN_FORCE)
            return gw_error_set(err, -EINVAL, "guard '%s' of %s cannot be overridden", name,
                                gw_request_name(a->request));
        if (site_text(a->params, "reason")[0] == '\0')
            return gw_error_set(err, -EINVAL, "an override needs a reason (--reason TEXT)");
    }
    return 0;
}

static int check_guards(struct asked *a, struct site_refusal *ret_refusal, struct gw_error *err)
{
    struct gw_guard_facts facts;
    struct gw_guard_check checks[GW_GUARD_MAX];
    CLEANUP_FREE struct site_guard_texts *texts = calloc(1, sizeof *texts);
    if (texts == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    int r = check_overrides(a, err);
    if (r < 0)
        return r;
    site_view_done(&a->view);
    site_step_guards(a->site, a->plan, a->request, a->params, false, &facts, texts, &a->view);
    /* Approval is waited for by the run itself; a failover ends the run of the lost site. */
    facts.ok[GW_GUARD_APPROVED] = GW_TRI_YES;
    if (a->request == GW_REQUEST_FAILOVER)
        facts.ok[GW_GUARD_NO_OTHER_RUN] = GW_TRI_YES;
    for (int g = 0; g < GW_GUARD_MAX; g++)
        facts.overridden[g] = has_override(a->params, gw_guard_name((enum gw_guard)g));
    size_t n = gw_guards_check(a->request, &facts, checks);
    const struct gw_guard_check *no = gw_guards_refusal(checks, n);
    if (no == NULL)
        return 0;
    char sentence[400];
    expand(&a->view, a->plan->name, no->sentence, sentence, sizeof sentence);
    expand(&a->view, a->plan->name, no->way_out, ret_refusal->way_out, sizeof ret_refusal->way_out);
    snprintf(ret_refusal->guard, sizeof ret_refusal->guard, "%s", gw_guard_name(no->guard));
    ret_refusal->forceable = no->forceable;
    return gw_error_set(err, -EPERM, "%s", sentence);
}

static uint32_t approvals_of(enum gw_request request, const struct gw_planfile *plan)
{
    if (request == GW_REQUEST_FAILOVER)
        return plan->failover.approvals;
    if (request == GW_REQUEST_FAILBACK || request == GW_REQUEST_SWITCHOVER)
        return plan->failback.approvals;
    return 0; /* the others change nothing that four eyes are asked for */
}

json_t *site_action_explain(struct site *s, struct site_plan *p, enum gw_request request,
                            const json_t *params)
{
    struct gw_guard_facts facts;
    struct gw_guard_check checks[GW_GUARD_MAX];
    CLEANUP_FREE struct site_guard_texts *texts = calloc(1, sizeof *texts);
    json_t *out = json_array();
    if (texts == NULL)
        return out;
    CLEANUP_VIEW struct site_view v;
    site_step_guards(s, p, request, params, false, &facts, texts, &v);
    if (v.doc != NULL && approvals_of(request, v.doc->plan) == 0)
        facts.ok[GW_GUARD_APPROVED] = GW_TRI_YES;
    size_t n = gw_guards_check(request, &facts, checks);
    for (size_t i = 0; i < n; i++) {
        const struct gw_guard_check *c = &checks[i];
        char sentence[400], way_out[512];
        expand(&v, p->name, c->sentence, sentence, sizeof sentence);
        expand(&v, p->name, c->way_out, way_out, sizeof way_out);
        json_array_append_new(
            out,
            json_pack("{s:s, s:s, s:b, s:s, s:s, s:s, s:s, s:s}", "guard", gw_guard_name(c->guard),
                      "verdict", gw_guard_verdict_name(c->verdict), "forceable", c->forceable,
                      "looks_at", c->looks_at, "value", c->value != NULL ? c->value : "", "limit",
                      c->limit != NULL ? c->limit : "", "sentence", sentence, "way_out", way_out));
    }
    return out;
}

/* ---- runs -------------------------------------------------------------------------------------
 */

static int take_time(const json_t *params, const char *key, uint64_t *ret_wall_ns,
                     struct gw_error *err)
{
    const char *text = site_text(params, key);
    uint64_t at, now = gw_wall_ns();
    if (text[0] == '\0')
        return 0;
    if (!gw_time_parse(text, &at))
        return gw_error_set(err, -EINVAL, "%s: '%s' is not a time like 2026-11-29T02:00:00Z", key,
                            text);
    if (at < now)
        return gw_error_set(err, -EINVAL, "%s: '%s' is in the past", key, text);
    if (at - now > SITE_AHEAD_DAYS_MAX * GW_NS_PER_DAY)
        return gw_error_set(err, -EINVAL, "%s: '%s' is more than %llu days ahead", key, text,
                            SITE_AHEAD_DAYS_MAX);
    *ret_wall_ns = at;
    return 0;
}

static int take_abort_by(const struct asked *a, struct gw_run *run, struct gw_error *err)
{
    uint64_t ms = site_number(a->params, "abort_by_ms"), from = run->start_wall_ns;
    if (ms == 0)
        return 0;
    if (ms > SITE_AHEAD_DAYS_MAX * (GW_NS_PER_DAY / GW_NS_PER_MS))
        return gw_error_set(err, -EINVAL, "abort_by_ms: more than %llu days", SITE_AHEAD_DAYS_MAX);
    run->abort_by_wall_ns = (from != 0 ? from : gw_wall_ns()) + ms * GW_NS_PER_MS;
    return 0;
}

/* A failback without a time of its own waits for the plan's window. */
static int window_start(const struct asked *a, uint64_t *ret_wall_ns)
{
    const struct gw_planfile_window *w = a->view.doc->plan->failback.window;
    int64_t now = (int64_t)(gw_wall_ns() / GW_NS_PER_S), start;
    if (a->request != GW_REQUEST_FAILBACK || w == NULL || *ret_wall_ns != 0 ||
        has_override(a->params, gw_guard_name(GW_GUARD_IN_WINDOW)))
        return 0;
    bool open = false;
    int64_t began, ends;
    if (gw_cron_window(&w->cron, w->length_ms / 1000, now, GW_CRON_LOCAL, &open, &began, &ends) ==
            0 &&
        open)
        return 0;
    if (gw_cron_next(&w->cron, now, GW_CRON_LOCAL, &start))
        *ret_wall_ns = (uint64_t)start * GW_NS_PER_S;
    return 0;
}

static json_t *run_params(const struct asked *a, const struct site_view *v, enum gw_label new)
{
    json_t *o = json_object();
    static const char *const kept[] = { "confirm_site_down", "override", "adopt_data", "roll_back",
                                        SITE_ONCE };
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        json_t *m = json_object_get(a->params, kept[i]);
        if (m != NULL)
            json_object_set(o, kept[i], m);
    }
    /* A failover was reverted: DR's history ends here, by the word of who ordered the revert. */
    const char *survivor = site_text(a->params, "survivor");
    if (a->request == GW_REQUEST_REVERSE && survivor[0] == '\0' &&
        site_true(site_at(site_view_active(v), "facts"), "reverted"))
        survivor = v->site[gw_label_other(new)];
    if (survivor[0] != '\0')
        json_object_set_new(o, "survivor", json_string(survivor));
    json_object_set_new(
        o, "from_epoch",
        json_integer((json_int_t)site_number(site_at(v->side[new], "dir"), "epoch")));
    /* The other site is new hardware until it was once in sync. */
    if (a->request == GW_REQUEST_REVERSE &&
        json_is_object(site_at(site_at(v->side[v->here], "facts"), "replaced")))
        json_object_set_new(o, "replaced", json_true());
    const char *first = site_text(site_at(v->side[v->here], "dir"), "first_site");
    if (first[0] == '\0')
        first = site_text(site_at(v->side[v->here], "facts"), "first_site");
    json_object_set_new(o, "first_site",
                        json_string(first[0] != '\0' ? first : v->doc->plan->home));
    return o;
}

/* Which point that is, is settled here, at the site that has it: the run says a point that there
 * is, and never "latest" or a time, which mean another one a moment later. */
static int put_point(const struct asked *a, json_t *params, struct gw_error *err)
{
    struct site_point point;
    const char *asked = site_text(a->params, "point");
    int r = site_point_resolve(a->site, a->plan, asked, &point, err);
    if (r < 0 || point.id[0] == '\0')
        return r;
    json_object_set_new(params, "point", json_string(point.id));
    json_object_set_new(params, "point_wall_ns", json_integer((json_int_t)point.wall_ns));
    json_object_set_new(params, "point_asked", json_string(asked));
    return 0;
}

static int fill_run(struct asked *a, struct gw_run *run, struct gw_error *err)
{
    const struct site_view *v = &a->view;
    enum gw_operation_id op = gw_request_op(a->request);
    enum gw_label old = v->holder == GW_HOLDER_DR ? GW_LABEL_DR : GW_LABEL_HOME;
    enum gw_label new = gw_label_other(old);
    *run = (struct gw_run){ .operation = op,
                            .created_wall_ns = gw_wall_ns(),
                            .approvals = approvals_of(a->request, a->view.doc->plan),
                            .dry_run = site_true(a->params, "dry_run"),
                            .return_on_unhealthy =
                                v->doc->plan->failback.on_unhealthy == GW_ON_UNHEALTHY_RETURN };
    gw_catalog_run_id(run->created_wall_ns, run->id);
    snprintf(run->plan, sizeof run->plan, "%s", a->plan->name);
    snprintf(run->site[GW_SIDE_OLD], sizeof run->site[0], "%s", v->site[old]);
    snprintf(run->site[GW_SIDE_NEW], sizeof run->site[0], "%s", v->site[new]);
    snprintf(run->requester, sizeof run->requester, "%.63s", a->who->name);
    snprintf(run->reason, sizeof run->reason, "%.255s", site_text(a->params, "reason"));
    snprintf(run->plan_hash, sizeof run->plan_hash, "%s", v->doc->hash);
    int r = site_run_store.plan_epoch(a->site->catalog, a->plan->name, &run->epoch, err);
    if (r < 0)
        return r;
    if (run->epoch == 0 || op == GW_OPERATION_FAILOVER)
        run->epoch++;
    r = take_time(a->params, "at", &run->start_wall_ns, err);
    if (r == 0)
        r = window_start(a, &run->start_wall_ns);
    if (r == 0)
        r = take_abort_by(a, run, err);
    if (op == GW_OPERATION_FAILOVER && v->run[0] != '\0')
        snprintf(run->supersedes, sizeof run->supersedes, "%.39s", v->run);
    CLEANUP_SITE_JSON json_t *params = run_params(a, v, new);
    if (r == 0 && op == GW_OPERATION_FAILOVER)
        r = put_point(a, params, err);
    CLEANUP_FREE char *text = json_dumps(params, JSON_COMPACT);
    if (r == 0 && (text == NULL || strlen(text) >= sizeof run->params))
        return gw_error_set(err, -E2BIG, "the parameters of the run are too long");
    if (r == 0)
        snprintf(run->params, sizeof run->params, "%s", text);
    return r;
}

/* The run that this very request has begun before: its answer was lost. 1: *ret_id */
static int begun_before(const struct asked *a, char ret_id[GW_RUN_ID_MAX], struct gw_error *err)
{
    const char *once = site_text(a->params, SITE_ONCE);
    CLEANUP_FREE char(*ids)[GW_RUN_ID_MAX] = NULL;
    CLEANUP_FREE struct gw_run *run = malloc(sizeof *run);
    size_t n = 0;
    if (once[0] == '\0' || gw_request_op(a->request) == GW_OPERATION_NONE)
        return 0;
    if (run == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    int r =
        site_runstore_list(a->site->catalog, a->plan->name, false, SITE_ONCE_RUNS, &ids, &n, err);
    for (size_t i = 0; r == 0 && i < n; i++) {
        struct gw_error damage = { 0 };
        if (site_run_store.load(a->site->catalog, ids[i], run, &damage) < 0)
            continue; /* it is shown as damaged; no reason to refuse everything else */
        CLEANUP_SITE_JSON json_t *params = json_loads(run->params, 0, NULL);
        if (run->operation == gw_request_op(a->request) &&
            strcmp(site_text(params, SITE_ONCE), once) == 0) {
            memcpy(ret_id, ids[i], GW_RUN_ID_MAX);
            return 1;
        }
    }
    return r;
}

/* What was asked for, for the audit log; new. */
static json_t *asked_json(const struct asked *a)
{
    return json_is_object(a->params) ? json_copy((json_t *)(uintptr_t)a->params) : json_object();
}

static int answer_run(struct site *s, const char *id, json_t **ret, struct gw_error *err)
{
    json_t *o = NULL;
    int r = site_run_json(s, id, &o, err);
    if (r == 0)
        *ret = json_pack("{s:o}", "run", o);
    return r;
}

/* Two asked at the same moment: the other one was first, and this is the guard's refusal. */
static int refuse_busy(struct asked *a, struct site_refusal *ret_refusal, struct gw_error *err)
{
    snprintf(ret_refusal->guard, sizeof ret_refusal->guard, "%s",
             gw_guard_name(GW_GUARD_NO_OTHER_RUN));
    snprintf(ret_refusal->way_out, sizeof ret_refusal->way_out,
             "see it with godwit run list --plan %s; wait for it, or godwit run cancel",
             a->plan->name);
    err->code = -EPERM;
    return -EPERM;
}

/* What came of the run is recorded when it ends, under its id (runstore.c). */
static int begin_run(struct asked *a, const char *object, json_t **ret,
                     struct site_refusal *ret_refusal, struct gw_error *err)
{
    CLEANUP_FREE struct gw_run *run = calloc(1, sizeof *run);
    struct site_audited log = { .seq = 0 };
    if (run == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    int r = fill_run(a, run, err);
    json_t *detail = asked_json(a);
    json_object_set_new(detail, "run", json_string(run->id));
    int logged = site_audit_begin(a->site, a->who, gw_request_name(a->request), object, detail,
                                  &log, r == 0 ? err : &(struct gw_error){ 0 });
    if (r == 0)
        r = logged;
    if (r == 0)
        r = site_run_create(a->site, run, err);
    if (r == -EBUSY)
        r = refuse_busy(a, ret_refusal, err);
    if (r < 0)
        return site_audit_end(a->site, &log, r, NULL, err);
    site_trial_at(a->site, "action.after_create");
    return answer_run(a->site, run->id, ret, err);
}

/* ---- what is done at once ---------------------------------------------------------------------
 */

static void set_committed(struct gw_catalog_plan *row, void *arg)
{
    (void)arg;
    row->committed = true;
}

/* What was begun is in the answer, so that who asked knows it again in the plan's status. */
static int do_verify(struct asked *a, json_t *answer, struct gw_error *err)
{
    CLEANUP_SITE_JSON json_t *status = NULL;
    struct gw_error none = { 0 };
    json_t *request = json_pack("{s:s}", "cmd", "verify");
    const struct gw_planfile_verify *v = a->view.doc->plan->verify;
    uint64_t rate = site_number(a->params, "rate_bytes");
    if (rate > 0)
        json_object_set_new(request, "rate_bytes", json_integer((json_int_t)rate));
    else if (v != NULL && v->rate_per_s > 0)
        json_object_set_new(request, "rate_bytes", json_integer((json_int_t)v->rate_per_s));
    int r = site_dp_call(a->site, a->plan, request, VERIFY_MS, NULL, err);
    if (r == 0 && site_dp_status(a->site, a->plan, &status, &none) == 0)
        json_object_set(answer, "verify", json_object_get(status, "verify"));
    return r;
}

static int do_sign(struct asked *a, struct gw_error *err)
{
    const char *by = site_text(a->params, "by");
    if (by[0] == '\0')
        return gw_error_set(err, -EINVAL, "a signature needs a person (--by NAME)");
    return site_dp_call(a->site, a->plan, json_pack("{s:s, s:s}", "cmd", "sign", "by", by),
                        SITE_DP_CALL_MS, NULL, err);
}

static int do_at_once(struct asked *a, json_t *answer, struct gw_error *err)
{
    if (a->request == GW_REQUEST_COMMIT)
        return site_plan_update(a->site, a->plan, set_committed, NULL, err);
    if (a->request == GW_REQUEST_HOLD || a->request == GW_REQUEST_RELEASE)
        return site_hold(a->site, a->plan, a->request == GW_REQUEST_HOLD,
                         site_text(a->params, "reason"), a->who, err);
    if (a->request == GW_REQUEST_ADOPT)
        return site_edit_adopt(a->site, a->plan, a->who, err);
    if (a->request == GW_REQUEST_PLAN_DELETE)
        return site_edit_delete(a->site, a->plan, a->who, err);
    if (a->request == GW_REQUEST_VERIFY)
        return do_verify(a, answer, err);
    if (a->request == GW_REQUEST_DIVERGENCE_SIGN)
        return do_sign(a, err);
    return gw_error_set(err, -ENOSYS, "this godwit cannot do '%s' yet",
                        gw_request_name(a->request));
}

/* ---- where ------------------------------------------------------------------------------------
 */

/* The label of the site that has to do it; GW_LABEL_MAX: any. */
static enum gw_label place_of(const struct asked *a)
{
    const struct site_view *v = &a->view;
    const struct gw_operation *op = gw_operation_get(gw_request_op(a->request));
    if (v->holder == GW_HOLDER_NONE)
        return a->request == GW_REQUEST_ACTIVATE ? GW_LABEL_HOME : GW_LABEL_MAX;
    enum gw_label active = v->holder == GW_HOLDER_HOME ? GW_LABEL_HOME : GW_LABEL_DR;
    if (a->request == GW_REQUEST_FAILOVER || a->request == GW_REQUEST_DIVERGENCE_SIGN)
        return gw_label_other(active);
    if (op != NULL)
        return op->starts == GW_SIDE_OLD ? active : gw_label_other(active);
    if (a->request == GW_REQUEST_HOLD || a->request == GW_REQUEST_RELEASE ||
        a->request == GW_REQUEST_PLAN_DELETE)
        return GW_LABEL_MAX;
    return active;
}

/* Until the run that the other site began is known here too: who asked here looks for it here. It
 * comes by itself; not for ever. */
static void await_copy(struct site *s, const char *id)
{
    CLEANUP_FREE struct gw_run *run = malloc(sizeof *run);
    uint64_t end_ns = gw_boot_ns() + AWAIT_COPY_NS;
    struct gw_error none = { 0 };
    while (id[0] != '\0' && run != NULL && gw_boot_ns() < end_ns &&
           site_run_store.load(s->catalog, id, run, &none) < 0 &&
           !gw_stop_wait(gw_stop_fd(s->stop), AWAIT_MS))
        ;
}

/* Nobody was asked, so nothing was begun: that is a refusal, with what can be done instead. */
static int refuse_silent(const struct asked *a, const char *to, struct site_refusal *ret_refusal,
                         struct gw_error *err)
{
    const struct site_view *v = &a->view;
    bool active =
        v->holder != GW_HOLDER_NONE &&
        strcmp(to, v->site[v->holder == GW_HOLDER_HOME ? GW_LABEL_HOME : GW_LABEL_DR]) == 0;
    snprintf(ret_refusal->guard, sizeof ret_refusal->guard, "%s",
             gw_guard_name(GW_GUARD_PEER_REACHABLE));
    if (active)
        snprintf(ret_refusal->way_out, sizeof ret_refusal->way_out,
                 "godwit site test %s names the layer that fails; if %s is lost: godwit failover "
                 "%s --confirm-site-down %s",
                 to, to, a->plan->name, to);
    else
        snprintf(ret_refusal->way_out, sizeof ret_refusal->way_out,
                 "godwit site test %s names the layer that fails", to);
    gw_error_wrap(err, "site %s has to do this, and does not answer", to);
    err->code = -EPERM;
    return -EPERM;
}

static int pass_on_to(struct asked *a, const char *to, json_t **ret,
                      struct site_refusal *ret_refusal, struct gw_error *err)
{
    CLEANUP_SITE_JSON json_t *answer = NULL;
    char name[200];
    snprintf(name, sizeof name, "%s@%s", a->who->name, a->site->name);
    json_t *params = json_pack(
        "{s:s, s:s, s:O, s:s}", "plan", a->plan->name, "request", gw_request_name(a->request),
        "params", json_is_object(a->params) ? (json_t *)(uintptr_t)a->params : json_object(), "who",
        name);
    enum gw_http_outcome outcome = GW_HTTP_NOT_SENT;
    int r = site_mate_call(a->site, to, "action", params, PASS_ON_MS, &answer, &outcome, err);
    if (r < 0 && outcome == GW_HTTP_NOT_SENT)
        return refuse_silent(a, to, ret_refusal, err);
    if (r < 0)
        return gw_error_wrap(err, "site %s has to do this, and was asked", to);
    if (site_at(answer, "refused") != NULL) {
        const json_t *no = site_at(answer, "refused");
        snprintf(ret_refusal->guard, sizeof ret_refusal->guard, "%s", site_text(no, "guard"));
        snprintf(ret_refusal->way_out, sizeof ret_refusal->way_out, "%s", site_text(no, "way_out"));
        ret_refusal->forceable = site_true(no, "forceable");
        return gw_error_set(err, -EPERM, "%s", site_text(no, "sentence"));
    }
    *ret = json_incref(json_object_get(answer, "answer"));
    await_copy(a->site, site_text(site_at(*ret, "run"), "id"));
    return *ret != NULL ? 0 : gw_error_set(err, -EPROTO, "site %s answered with nothing", to);
}

/* Who it was is known here alone: the other site is told a name. */
static int pass_on(struct asked *a, const char *to, const char *object, json_t **ret,
                   struct site_refusal *ret_refusal, struct gw_error *err)
{
    struct site_audited log = { .seq = 0 };
    json_t *detail = asked_json(a);
    json_object_set_new(detail, "passed_on_to", json_string(to));
    int r =
        site_audit_begin(a->site, a->who, gw_request_name(a->request), object, detail, &log, err);
    if (r == 0)
        r = pass_on_to(a, to, ret, ret_refusal, err);
    const char *run = r == 0 ? site_text(site_at(*ret, "run"), "id") : "";
    return site_audit_end(a->site, &log, r, run[0] != '\0' ? json_pack("{s:s}", "run", run) : NULL,
                          err);
}

static int act(struct asked *a, bool passed_on, json_t **ret, struct site_refusal *ret_refusal,
               struct gw_error *err)
{
    enum gw_label place = place_of(a);
    char id[GW_RUN_ID_MAX];
    int r = begun_before(a, id, err);
    if (r != 0)
        return r < 0 ? r : answer_run(a->site, id, ret, err);
    char object[96];
    snprintf(object, sizeof object, "plan %s", a->plan->name);
    if (place != GW_LABEL_MAX && place != a->view.here && !passed_on)
        return pass_on(a, a->view.site[place], object, ret, ret_refusal, err);
    r = check_guards(a, ret_refusal, err);
    if (r < 0) {
        struct gw_error ignored = { 0 };
        site_audit(a->site, a->who, gw_request_name(a->request), object, "refused",
                   json_pack("{s:s, s:s}", "guard", ret_refusal->guard, "why", err->msg), &ignored);
        return r;
    }
    if (gw_request_op(a->request) != GW_OPERATION_NONE)
        return begin_run(a, object, ret, ret_refusal, err);
    struct site_audited log = { .seq = 0 };
    r = site_audit_begin(a->site, a->who, gw_request_name(a->request), object, asked_json(a), &log,
                         err);
    if (r < 0)
        return r;
    CLEANUP_SITE_JSON json_t *answer = json_pack(
        "{s:b, s:s, s:s}", "done", 1, "action", gw_request_name(a->request), "plan", a->plan->name);
    r = answer == NULL ? gw_error_set(err, -ENOMEM, "out of memory") : do_at_once(a, answer, err);
    if (site_audit_end(a->site, &log, r, NULL, err) < 0)
        return r;
    site_monitor_wake(a->site);
    site_event(a->site, "plan.action", a->plan->name, NULL, SITE_NOTICE, NULL, "%s by %s",
               gw_request_name(a->request), a->who->name);
    *ret = json_incref(answer);
    return 0;
}

int site_action(struct site *s, const char *plan, enum gw_request request, const json_t *params,
                const struct site_person *who, bool passed_on, json_t **ret,
                struct site_refusal *ret_refusal, struct gw_error *err)
{
    struct asked a = { .site = s, .request = request, .params = params, .who = who };
    *ret_refusal = (struct site_refusal){ .forceable = false };
    int r = site_plan_find(s, plan, &a.plan, err);
    if (r < 0)
        return r;
    site_view_make_now(s, a.plan, &a.view);
    r = act(&a, passed_on, ret, ret_refusal, err);
    site_view_done(&a.view);
    return r;
}

/* ---- the way back -----------------------------------------------------------------------------
 */

/* Did this run give up at this site, with nothing begun since? 1: yes. */
static int gave_up(struct site *s, const char *id, struct gw_run_look *ret, struct gw_error *err)
{
    char(*newest)[GW_RUN_ID_MAX] = NULL;
    size_t n = 0;
    int r = gw_run_look(site_run_env(s), id, false, ret, err);
    if (r < 0 || !ret->view.returning || ret->view.state != GW_RUN_FAILED || ret->run.dry_run ||
        ret->view.coordinator != ret->me)
        return r < 0 ? r : 0;
    r = site_runstore_list(s->catalog, ret->run.plan, false, 1, &newest, &n, err);
    bool last = r == 0 && n == 1 && strcmp(newest[0], id) == 0;
    free(newest);
    return r < 0 ? r : last;
}

int site_action_return(struct site *s, const char *id, struct gw_error *err)
{
    static const struct site_person policy = { .name = "godwit",
                                               .uid = -1,
                                               .origin = "on_unhealthy: return" };
    CLEANUP_FREE struct gw_run_look *look = calloc(1, sizeof *look);
    CLEANUP_FREE struct gw_run *run = calloc(1, sizeof *run);
    if (look == NULL || run == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    int r = gave_up(s, id, look, err);
    if (r <= 0)
        return r;
    /* That it is not healthy here is the very reason. */
    CLEANUP_SITE_JSON json_t *params =
        json_pack("{s:[s], s:s}", "override", gw_guard_name(GW_GUARD_SERVICE_HEALTHY), "reason",
                  "not healthy after the handover, and the plan says on_unhealthy: return");
    struct asked a = {
        .site = s, .request = GW_REQUEST_SWITCHOVER, .params = params, .who = &policy
    };
    r = site_plan_find(s, look->run.plan, &a.plan, err);
    if (r < 0)
        return r;
    site_view_make(s, a.plan, &a.view);
    r = fill_run(&a, run, err);
    /* Nobody is asked: the plan's own people have said so; and there is no going to and fro. */
    run->approvals = 0;
    run->return_on_unhealthy = false;
    char object[96];
    snprintf(object, sizeof object, "plan %s", a.plan->name);
    struct site_audited log = { .seq = 0 };
    json_object_set_new(params, "run", json_string(run->id));
    if (r == 0)
        r = site_audit_begin(s, &policy, "switchover", object, json_incref(params), &log, err);
    if (r == 0)
        r = site_run_create(s, run, err);
    if (r < 0)
        site_audit_end(s, &log, r, NULL, err);
    site_view_done(&a.view);
    return r;
}
