// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "site/rpc.h"

#include "base/checked.h"
#include "control/message.h"
#include "site/actions.h"
#include "site/dataplane.h"
#include "site/divergence.h"
#include "site/edits.h"
#include "site/fence.h"
#include "site/findings.h"
#include "site/hold.h"
#include "site/mates.h"
#include "site/monitor.h"
#include "site/points.h"
#include "site/recall.h"
#include "site/runs.h"
#include "site/volumes.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* The plan that a request is about, if it is shared with who asks. */
static int shared_plan(struct site *s, const struct gw_link_request *q, struct site_plan **ret,
                       struct gw_error *err)
{
    int r = site_plan_find(s, site_text(q->params, "plan"), ret, err);
    if (r == 0 && strcmp((*ret)->peer, q->from) != 0)
        r = gw_error_set(err, -EPERM, "plan '%s' is not shared with site '%s'", (*ret)->name,
                         q->from);
    return r;
}

static int on_beat(void *ctx, const struct gw_link_request *q, json_t **ret, struct gw_error *err)
{
    return site_mates_heard(ctx, q->from, q->params, ret, err);
}

/* Our side of a plan, looked at now: a beat tells what was seen up to a second ago. */
static int on_side(void *ctx, const struct gw_link_request *q, json_t **ret, struct gw_error *err)
{
    struct site *s = ctx;
    struct site_plan *p;
    CLEANUP_SITE_JSON json_t *side = NULL;
    int r = shared_plan(s, q, &p, err);
    if (r == 0)
        r = site_side_look_now(s, p, &side, err);
    if (r == 0)
        *ret = json_pack("{s:[{s:s, s:s, s:O}]}", "sides", "plan", p->name, "uuid", p->uuid_text,
                         "side", side);
    return r;
}

static int on_plan(void *ctx, const struct gw_link_request *q, json_t **ret, struct gw_error *err)
{
    (void)ret;
    return site_edit_received(ctx, q->from, q->params, err);
}

static int on_run(void *ctx, const struct gw_link_request *q, json_t **ret, struct gw_error *err)
{
    int r = site_fenced_check(ctx, err);
    return r < 0 ? r : site_run_received(ctx, q->from, q->params, ret, err);
}

/* "anna@lisbon" of lisbon is anna, wherever she asks: where that was is the origin. */
static struct site_person person_of(const struct gw_link_request *q)
{
    struct site_person who = { .uid = -1 };
    const char *name = site_text(q->params, "who"), *at = strrchr(name, '@');
    bool theirs = at != NULL && at != name && strcmp(at + 1, q->from) == 0;
    size_t n = theirs ? (size_t)(at - name) : strlen(name);
    if (n == 0)
        snprintf(who.name, sizeof who.name, "%s", q->from);
    else
        snprintf(who.name, sizeof who.name, "%.*s", (int)GW_MIN(n, sizeof who.name - 1), name);
    snprintf(who.origin, sizeof who.origin, "link %s", q->from);
    return who;
}

static int on_action(void *ctx, const struct gw_link_request *q, json_t **ret, struct gw_error *err)
{
    struct site *s = ctx;
    struct site_plan *p;
    enum gw_request request;
    struct site_person who = person_of(q);
    struct site_refusal no = { .forceable = false };
    json_t *answer = NULL;
    int r = site_fenced_check(s, err);
    if (r == 0)
        r = shared_plan(s, q, &p, err);
    if (r == 0 && !gw_request_parse(site_text(q->params, "request"), &request))
        r = gw_error_set(err, -EINVAL, "there is no action '%s'", site_text(q->params, "request"));
    if (r == 0)
        r = site_action(s, p->name, request, site_at(q->params, "params"), &who, true, &answer, &no,
                        err);
    if (r == -EPERM && no.guard[0] != '\0') {
        *ret = json_pack("{s:{s:s, s:s, s:b, s:s}}", "refused", "guard", no.guard, "way_out",
                         no.way_out, "forceable", no.forceable, "sentence", err->msg);
        return 0;
    }
    if (r == 0)
        *ret = json_pack("{s:o}", "answer", answer);
    return r;
}

static int on_ask(void *ctx, const struct gw_link_request *q, json_t **ret, struct gw_error *err)
{
    struct site_person who = person_of(q);
    struct site_audited log = { .seq = 0 };
    enum gw_choice choice;
    (void)ret;
    if (!gw_choice_parse(site_text(q->params, "choice"), &choice))
        return gw_error_set(err, -EINVAL, "there is no choice '%s'",
                            site_text(q->params, "choice"));
    const char *run = site_text(q->params, "run"), *reason = site_text(q->params, "reason");
    int r = site_audit_begin(ctx, &who, gw_choice_name(choice), run,
                             json_pack("{s:s}", "reason", reason), &log, err);
    if (r == 0)
        r = site_run_ask(ctx, run, choice, &who, reason, err);
    return site_audit_end(ctx, &log, r, NULL, err);
}

static int on_fence(void *ctx, const struct gw_link_request *q, json_t **ret, struct gw_error *err)
{
    struct site *s = ctx;
    struct site_plan *p;
    int r = shared_plan(s, q, &p, err);
    if (r == 0)
        r = site_fence_plan(s, p, site_text(q->params, "reason"), err);
    if (r == 0)
        *ret = json_pack("{s:b, s:s}", "fenced", 1, "site", s->name);
    return r;
}

static int on_hold(void *ctx, const struct gw_link_request *q, json_t **ret, struct gw_error *err)
{
    struct site *s = ctx;
    struct site_plan *p;
    struct site_person who = person_of(q);
    const char *reason = site_text(q->params, "reason");
    bool held = site_true(q->params, "held");
    struct site_audited log = { .seq = 0 };
    char object[96];
    (void)ret;
    int r = shared_plan(s, q, &p, err);
    snprintf(object, sizeof object, "plan %s", r == 0 ? p->name : "");
    if (r == 0)
        r = site_audit_begin(s, &who, held ? "hold" : "release", object,
                             json_pack("{s:o}", "reason", gw_control_text(reason)), &log, err);
    if (r == 0)
        r = site_hold_here(s, p, held, reason, err);
    if (r == 0)
        site_monitor_wake(s);
    return site_audit_end(s, &log, r, NULL, err);
}

static int on_unfence(void *ctx, const struct gw_link_request *q, json_t **ret,
                      struct gw_error *err)
{
    struct site *s = ctx;
    struct site_plan *p;
    const struct site_unfence why = { .run = site_text(q->params, "run"),
                                      .above_epoch = site_number(q->params, "above_epoch"),
                                      .promoted = site_true(q->params, "promoted") };
    (void)ret;
    int r = site_fenced_check(s, err);
    if (r == 0)
        r = shared_plan(s, q, &p, err);
    return r < 0 ? r : site_unfence_plan(s, p, &why, err);
}

/* Asked again after a lost answer: it is gone, which is what was asked for. */
static int on_retire(void *ctx, const struct gw_link_request *q, json_t **ret, struct gw_error *err)
{
    struct site *s = ctx;
    struct gw_uuid uuid;
    (void)ret;
    if (!gw_uuid_parse(site_text(q->params, "uuid"), &uuid))
        return gw_error_set(err, -EINVAL, "uuid: is not one");
    struct site_plan *p = site_plan_by_uuid(s, &uuid);
    if (p == NULL)
        return 0;
    CLEANUP_SITE_JSON json_t *ours = NULL, *theirs = NULL;
    uint64_t age;
    site_sides(s, p, &ours, &theirs, &age);
    if (strcmp(p->peer, q->from) != 0 || site_true(ours, "activated"))
        return gw_error_set(err, -EPERM, "plan '%s' is activated at %s", p->name, s->name);
    struct site_person who = person_of(q);
    struct site_audited log = { .seq = 0 };
    char object[96];
    snprintf(object, sizeof object, "plan %s", p->name);
    int r = site_audit_begin(s, &who, "plan-delete", object, NULL, &log, err);
    if (r == 0)
        r = site_edit_retire(s, p, &who, err);
    return site_audit_end(s, &log, r, NULL, err);
}

static int on_tail(void *ctx, const struct gw_link_request *q, json_t **ret, struct gw_error *err)
{
    struct site *s = ctx;
    struct site_plan *p;
    json_t *tails = NULL;
    const char *id = site_text(q->params, "id");
    int r = shared_plan(s, q, &p, err);
    if (r == 0)
        r = site_divergence_here(s, p, id[0] != '\0' ? id : NULL, site_number(q->params, "ranges"),
                                 &tails, err);
    if (r == 0)
        *ret = json_pack("{s:o}", "divergence", tails);
    return r;
}

static int on_points(void *ctx, const struct gw_link_request *q, json_t **ret, struct gw_error *err)
{
    struct site *s = ctx;
    struct site_plan *p;
    json_t *points = NULL;
    int r = shared_plan(s, q, &p, err);
    if (r == 0)
        r = site_points_here(s, p, &points, err);
    if (r == 0)
        *ret = json_pack("{s:o}", "points", points);
    return r;
}

static int on_point(void *ctx, const struct gw_link_request *q, json_t **ret, struct gw_error *err)
{
    struct site *s = ctx;
    struct site_plan *p;
    int r = shared_plan(s, q, &p, err);
    return r < 0 ? r
                 : site_point_create(s, p, site_text(q->params, "id"), site_text(q->params, "tag"),
                                     ret, err);
}

static int on_runs(void *ctx, const struct gw_link_request *q, json_t **ret, struct gw_error *err)
{
    struct site *s = ctx;
    struct site_plan *p;
    json_t *runs = NULL;
    int r = site_fenced_check(s, err);
    if (r == 0)
        r = shared_plan(s, q, &p, err);
    if (r == 0)
        r = site_recall_runs(s, p, &runs, err);
    if (r == 0)
        *ret = json_pack("{s:o}", "runs", runs);
    else
        json_decref(runs);
    return r;
}

static int on_findings(void *ctx, const struct gw_link_request *q, json_t **ret,
                       struct gw_error *err)
{
    return site_findings_asked(ctx, q->from, q->params, ret, err);
}

static int on_volume_prepare(void *ctx, const struct gw_link_request *q, json_t **ret,
                             struct gw_error *err)
{
    struct site *s = ctx;
    struct site_plan *p;
    (void)ret;
    int r = site_fenced_check(s, err);
    if (r == 0)
        r = shared_plan(s, q, &p, err);
    return r < 0 ? r : site_volumes_prepare_here(s, p, q->params, err);
}

static int on_slots(void *ctx, const struct gw_link_request *q, json_t **ret, struct gw_error *err)
{
    struct site *s = ctx;
    struct site_plan *p;
    json_t *slots = NULL;
    int r = shared_plan(s, q, &p, err);
    if (r == 0)
        r = site_volumes_slots(s, p, &slots, err);
    if (r == 0)
        *ret = json_pack("{s:o}", "slots", slots);
    return r;
}

/* Where we look for who asks: what its own site test should try. */
static int on_address(void *ctx, const struct gw_link_request *q, json_t **ret,
                      struct gw_error *err)
{
    struct site_mate_address at;
    int r = site_mate_address(ctx, q->from, &at, err);
    if (r == 0)
        *ret = json_pack("{s:s, s:s}", "link", at.link, "data", at.data);
    return r;
}

static const struct gw_link_method methods[] = {
    { "beat", "*", on_beat },
    { "side", "plan", on_side },
    { "plan", "uuid name version hash document original holder epoch", on_plan },
    { "run", "*", on_run },
    { "action", "plan request params who", on_action },
    { "ask", "run choice who reason", on_ask },
    { "fence", "plan uuid reason", on_fence },
    { "hold", "plan uuid held reason who", on_hold },
    { "unfence", "plan uuid run above_epoch promoted", on_unfence },
    { "retire", "plan uuid who", on_retire },
    { "tail", "plan id ranges", on_tail },
    { "points", "plan", on_points },
    { "point", "plan id tag", on_point },
    { "volume_prepare", "plan change name bytes path", on_volume_prepare },
    { "slots", "plan", on_slots },
    { "findings", "document", on_findings },
    { "runs", "plan", on_runs },
    { "address", NULL, on_address },
    { "recall", "instance generation", site_recall_told },
    { "document", "uuid hash", site_recall_document },
};

int site_rpc_open(struct site *s, struct gw_error *err)
{
    const struct gw_link_config config = { .address = s->file->listen.link,
                                           .identity = s->identity,
                                           .trust = s->trust,
                                           .book = s->book,
                                           .methods = methods,
                                           .n_methods = GW_ARRAY_SIZE(methods),
                                           .ctx = s,
                                           .version = GODWIT_VERSION };
    return gw_link_open(&config, &s->link, err);
}
