// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Steps that look, judge and report: precheck, forecast, revoke, estimate, data check, report. */
#include "base/checked.h"
#include "base/clock.h"
#include "base/size.h"
#include "control/message.h"
#include "site/actions.h"
#include "site/dataplane.h"
#include "site/evidence.h"
#include "site/fence.h"
#include "site/forecast.h"
#include "site/life.h"
#include "site/mates.h"
#include "site/plandir.h"
#include "site/points.h"
#include "site/steps.h"
#include "site/view.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#define FENCE_MS 60000u
#define ASK_IN_ANSWERS_MS 30000u
#define ASK_PAUSE_MS 50u
#define LIVES_NOW_S 2.5           /* heartbeats of the data come each second */
#define UNFENCE_MS (16u * 60000u) /* a start is given 15 minutes */

/* ---- precheck ---------------------------------------------------------------------------------
 */

static bool overridden(const struct site_step *t, enum gw_guard g)
{
    size_t i;
    json_t *o;
    json_array_foreach(json_object_get(t->params, "override"), i, o)
    {
        if (json_is_string(o) && strcmp(json_string_value(o), gw_guard_name(g)) == 0)
            return true;
    }
    return false;
}

static void set_committed(struct gw_catalog_plan *row, void *arg)
{
    (void)arg;
    row->committed = true;
}

static json_t *checks_json(const struct gw_guard_check *c, size_t n)
{
    json_t *a = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(a, json_pack("{s:s, s:s, s:s}", "guard", gw_guard_name(c[i].guard),
                                           "verdict", gw_guard_verdict_name(c[i].verdict), "value",
                                           c[i].value != NULL ? c[i].value : ""));
    return a;
}

/* The replica itself knows first, and best, whether its tail is counted and waits: what the view
 * has of it was seen up to a second ago, at the other site. */
static void ask_tail(struct site *s, struct site_plan *p, struct gw_guard_facts *facts)
{
    CLEANUP_SITE_JSON json_t *tail = NULL;
    struct gw_error none = { 0 };
    if (site_dp_call(s, p, json_pack("{s:s}", "cmd", "tail"), SITE_DP_CALL_MS, &tail, &none) == 0)
        facts->ok[GW_GUARD_TAIL_WAITS] =
            gw_tri_of(site_true(tail, "complete") && site_number(tail, "blocks") > 0);
}

/* Who is heard over the link can be asked (revoke_old); who is heard by its data alone cannot. */
static void old_silent(struct site *s, struct site_plan *p, const char *old,
                       struct gw_guard_facts *facts, struct site_guard_texts *texts)
{
    char *text = texts->text[GW_GUARD_OLD_SILENT];
    struct site_mate_state mate;
    struct site_life life;
    site_mate_state(s, old, &mate);
    site_life_look(s, p, old, &life);
    /* What came some seconds ago may have been the last: the revoke waits whether it was. */
    facts->ok[GW_GUARD_OLD_SILENT] =
        gw_tri_of(mate.heard || life.last_boot_ns == 0 || life.ago_s >= LIVES_NOW_S);
    if (life.last_boot_ns == 0)
        snprintf(text, sizeof texts->text[0], "nothing was heard of %.63s", old);
    else
        snprintf(text, sizeof texts->text[0], "%.80s %.1f s ago", life.what, life.ago_s);
    facts->value[GW_GUARD_OLD_SILENT] = text;
}

int site_step_guards(struct site *s, struct site_plan *p, enum gw_request request,
                     const json_t *params, bool own_run, struct gw_guard_facts *facts,
                     struct site_guard_texts *texts, struct site_view *v)
{
    site_view_make_now(s, p, v);
    site_view_guards(s, p, v, facts, texts);
    if (own_run) {
        facts->ok[GW_GUARD_NO_OTHER_RUN] = GW_TRI_YES;
        facts->ok[GW_GUARD_APPROVED] = GW_TRI_YES;
    }
    const char *down = site_text(params, "confirm_site_down");
    const char *old = v->holder == GW_HOLDER_HOME ? v->site[GW_LABEL_HOME] : v->site[GW_LABEL_DR];
    facts->ok[GW_GUARD_OLD_STOPPED] =
        gw_tri_of(v->holder != GW_HOLDER_NONE && strcmp(down, old) == 0);
    if (request == GW_REQUEST_FAILOVER)
        old_silent(s, p, old, facts, texts);
    facts->ok[GW_GUARD_NOT_ACTIVE_THERE] = GW_TRI_YES;
    facts->ok[GW_GUARD_NAMED_PERSON] = GW_TRI_YES;
    facts->ok[GW_GUARD_PLAN_CHECKED] = GW_TRI_YES;
    facts->ok[GW_GUARD_VERSION_CURRENT] = GW_TRI_YES;
    const json_t *theirs = v->side[gw_label_other(v->here)];
    if (request == GW_REQUEST_RELEASE && strcmp(site_text(theirs, "mode"), "HELD") != 0)
        facts->ok[GW_GUARD_PEER_REACHABLE] = GW_TRI_YES; /* it is held here alone */
    if (request == GW_REQUEST_DIVERGENCE_SIGN)
        ask_tail(s, p, facts);
    return 0;
}

static int precheck(struct site_step *t, struct gw_error *err)
{
    enum gw_request request;
    if (!gw_request_parse(gw_operation_name(t->call->run->operation), &request))
        return 0;
    struct gw_guard_facts facts;
    struct gw_guard_check checks[GW_GUARD_MAX];
    CLEANUP_FREE struct site_guard_texts *texts = calloc(1, sizeof *texts);
    if (texts == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    CLEANUP_VIEW struct site_view v;
    site_step_guards(t->site, t->plan, request, t->params, true, &facts, texts, &v);
    for (int g = 0; g < GW_GUARD_MAX; g++)
        facts.overridden[g] = overridden(t, (enum gw_guard)g);
    size_t n = gw_guards_check(request, &facts, checks);
    json_object_set_new(t->detail, "guards", checks_json(checks, n));
    const struct gw_guard_check *no = gw_guards_refusal(checks, n);
    if (no != NULL)
        return gw_error_set(err, -EPERM, "guard %s: %s", gw_guard_name(no->guard), no->sentence);
    if (t->call->run->operation == GW_OPERATION_FAILOVER) { /* before anything is revoked */
        struct site_point point;
        int r = site_point_resolve(t->site, t->plan, site_text(t->params, "point"), &point, err);
        if (r < 0)
            return r;
    }
    /* To begin the reverse is to commit the failover: from here on there is no way back. */
    return t->call->run->operation == GW_OPERATION_REVERSE && !t->call->dry
               ? site_plan_update(t->site, t->plan, set_committed, NULL, err)
               : 0;
}

static int forecast(struct site_step *t, struct gw_error *err)
{
    json_t *f = site_forecast(t->site, t->plan, t->call->run->operation);
    if (f == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    json_object_set_new(t->detail, "forecast", f);
    return 0;
}

/* ---- failover ---------------------------------------------------------------------------------
 */

/* Has it done what it was asked for, by what it says itself since? */
static bool has_fenced(struct site_step *t, uint64_t since_ns)
{
    CLEANUP_SITE_JSON json_t *ours = NULL, *theirs = NULL;
    uint64_t age;
    site_sides(t->site, t->plan, &ours, &theirs, &age);
    bool reigns =
        strcmp(site_text(site_at(theirs, "dir"), "role"), gw_role_name(GW_ROLE_ACTIVE)) == 0;
    return theirs != NULL && gw_boot_ns() - age > since_ns &&
           site_text(theirs, "fenced")[0] != '\0' &&
           strcmp(site_text(theirs, "want"), "NONE") == 0 &&
           !(reigns && site_true(theirs, "dp_known"));
}

/* Our calls do not arrive, and its beats do: it is asked in the answers to them. */
static bool ask_in_answers(struct site_step *t, const char *old)
{
    uint64_t since_ns = gw_boot_ns(), deadline = since_ns + ASK_IN_ANSWERS_MS * GW_NS_PER_MS;
    struct site_mate_state mate;
    struct gw_error over = { 0 };
    bool done = false;
    pthread_mutex_lock(&t->site->mu);
    t->plan->ask_fence = true;
    pthread_mutex_unlock(&t->site->mu);
    do {
        site_mate_state(t->site, old, &mate);
        done = has_fenced(t, since_ns);
    } while (!done && mate.heard && site_step_pause(t, deadline, ASK_PAUSE_MS, "", &over) == 0);
    pthread_mutex_lock(&t->site->mu);
    t->plan->ask_fence = false;
    pthread_mutex_unlock(&t->site->mu);
    return done;
}

/* By all ways that there are. 0: it is fenced; the answer, if there was one, is in the detail. */
static int ask_old(struct site_step *t, const char *old, enum gw_http_outcome *ret_outcome,
                   struct gw_error *why)
{
    struct site_mate_state mate;
    CLEANUP_SITE_JSON json_t *answer = NULL;
    int r = -ENOTCONN;
    *ret_outcome = GW_HTTP_NOT_SENT;
    site_mate_state(t->site, old, &mate);
    if (mate.heard)
        r = site_mate_call(t->site, old, "fence",
                           json_pack("{s:s, s:s, s:s}", "plan", t->plan->name, "uuid",
                                     t->plan->uuid_text, "reason", SITE_FENCE_ORDERED),
                           mate.reachable ? FENCE_MS : SITE_BEAT_TIMEOUT_MS, &answer, ret_outcome,
                           why);
    else
        gw_error_set(why, r, "%s", mate.why);
    if (r == 0)
        json_object_set(t->detail, "answer", answer);
    else if (*ret_outcome != GW_HTTP_REFUSED && *ret_outcome != GW_HTTP_DONE && mate.heard &&
             ask_in_answers(t, old))
        r = 0;
    return r;
}

/* When the person said so, by boot time; of a daemon before this one only the wall clock tells. */
static uint64_t asked_boot_ns(const struct site_step *t)
{
    uint64_t at = site_run_created_boot_ns(t->site, t->call->run->id), now = gw_boot_ns();
    uint64_t wall = gw_wall_ns(), created = t->call->run->created_wall_ns;
    if (at != 0)
        return at;
    return now - GW_MIN(now, wall > created ? wall - created : 0);
}

/* A word that the old site's own signs of life contradict says nothing. One that died a moment ago
 * was heard of a moment ago: what counts is that it stays silent. */
static int stays_silent(struct site_step *t, const char *old, struct gw_error *err)
{
    uint64_t asked_ns = asked_boot_ns(t);
    uint64_t deadline = gw_boot_ns() + 2 * SITE_MATE_SILENT_MS * GW_NS_PER_MS;
    struct site_life life;
    for (;;) {
        site_life_look(t->site, t->plan, old, &life);
        if (life.last_boot_ns > asked_ns)
            return gw_error_set(err, -EPERM, "%s %.1f s ago, after this was asked for", life.what,
                                life.ago_s);
        if (!life.recent)
            return 0;
        int r = site_step_pause(t, deadline, ASK_PAUSE_MS, "a silence", err);
        if (r < 0)
            return r;
    }
}

/* The old site fences itself if it can be asked; else a person's word is the evidence, if nothing
 * speaks against it. */
static int revoke_old(struct site_step *t, struct gw_error *err)
{
    const char *old = site_step_site(t, GW_SIDE_OLD);
    enum gw_http_outcome outcome;
    struct gw_error why = { 0 }, alive = { 0 };
    if (ask_old(t, old, &outcome, &why) == 0) {
        json_object_set_new(t->detail, "enforcement", json_string("the old site fenced itself"));
        return 0;
    }
    if (strcmp(site_text(t->params, "confirm_site_down"), old) != 0)
        return gw_error_set(err, -EPERM,
                            "site %s did not fence itself (%s) and nobody has confirmed that it is "
                            "down: make sure of it, then --confirm-site-down %s",
                            old, why.msg, old);
    bool forced = overridden(t, GW_GUARD_OLD_SILENT);
    if (outcome == GW_HTTP_REFUSED || outcome == GW_HTTP_DONE)
        gw_error_set(&alive, -EPERM, "it answered just now");
    else if (stays_silent(t, old, &alive) == 0)
        alive.code = 0;
    if (alive.code != 0 && !forced)
        return gw_error_set(err, -EPERM,
                            "guard %s: site %s is not down: %s, and it did not fence itself (%s). "
                            "Stop the plan there (godwit-ctl fence, or power it off) and order the "
                            "failover anew; or, if it surely cannot serve, with --override %s "
                            "--reason TEXT",
                            gw_guard_name(GW_GUARD_OLD_SILENT), old, alive.msg, why.msg,
                            gw_guard_name(GW_GUARD_OLD_SILENT));
    json_object_set_new(t->detail, "enforcement", json_string("a person's word"));
    json_object_set_new(t->detail, "confirmed_by", json_string(t->call->run->requester));
    json_object_set_new(t->detail, "site_down", json_string(old));
    if (alive.code != 0) {
        json_object_set_new(t->detail, "overridden",
                            json_string(gw_guard_name(GW_GUARD_OLD_SILENT)));
        json_object_set_new(t->detail, "sign_of_life", gw_control_text(alive.msg));
    }
    return 0;
}

/* Service returns to the old site, with its workload: that may take as long as a start does. What
 * this side wrote since its promotion, if there was one, is its tail from now on. */
static int unfence(struct site_step *t, struct gw_error *err)
{
    struct site_dp_paths at;
    struct site_plandir dir;
    int r = site_dp_paths(t->site, t->plan, &at, err);
    if (r == 0)
        r = site_plandir_look(at.dir, &dir, err);
    if (r < 0)
        return r;
    return site_mate_call(t->site, site_step_site(t, GW_SIDE_OLD), "unfence",
                          json_pack("{s:s, s:s, s:s, s:I, s:b}", "plan", t->plan->name, "uuid",
                                    t->plan->uuid_text, "run", t->call->run->id, "above_epoch",
                                    (json_int_t)GW_MAX(dir.epoch, dir.highest_epoch), "promoted",
                                    site_step_reigns(t, &dir)),
                          UNFENCE_MS, NULL, NULL, err);
}

static int estimate(struct site_step *t, struct gw_error *err)
{
    CLEANUP_VIEW struct site_view v;
    struct gw_loss loss;
    char text[GW_FORECAST_TEXT_MAX];
    (void)err;
    site_view_make_now(t->site, t->plan, &v);
    site_view_loss(&v, &loss);
    gw_forecast_loss_text(&loss, text);
    json_object_set_new(t->detail, "loss", site_loss_json(&loss));
    json_object_set_new(t->detail, "loss_text", json_string(text));
    return 0;
}

/* ---- data check -------------------------------------------------------------------------------
 */

static int clone_file(const char *from, const char *to, struct gw_error *err)
{
    CLEANUP_CLOSE int in = open(from, O_RDONLY | O_CLOEXEC);
    CLEANUP_CLOSE int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (in < 0 || out < 0)
        return gw_error_errno(err, -errno, "cannot open '%s' to clone '%s'", to, from);
    if (ioctl(out, FICLONE, in) == 0)
        return 0;
    int code = errno;
    if (code == EOPNOTSUPP || code == EXDEV || code == EINVAL || code == ENOTTY)
        return gw_error_set(err, -EOPNOTSUPP,
                            "'%s' cannot be cloned: its filesystem has no reflinks, or the state "
                            "directory is on another one. Put state_dir and volumes on one XFS or "
                            "btrfs, or let a named person skip this step",
                            from);
    return gw_error_errno(err, -code, "cannot clone '%s'", from);
}

/* Clones of all volumes at one instant: writers wait for the milliseconds that it takes. */
static int clone_all(struct site_step *t, char **paths, struct gw_error *err)
{
    const struct gw_planfile *plan = t->doc->plan;
    int r = site_dp_call(t->site, t->plan,
                         json_pack("{s:s, s:i}", "cmd", "quiesce", "timeout_ms", 10000),
                         SITE_DP_CALL_MS, NULL, err);
    if (r < 0)
        return r;
    for (size_t i = 0; r == 0 && i < plan->n_volumes; i++)
        r = clone_file(gw_planfile_path(plan, &plan->volumes[i], t->site->name), paths[i], err);
    struct gw_error back = { 0 };
    int u = site_dp_call(t->site, t->plan, json_pack("{s:s}", "cmd", "unquiesce"), SITE_DP_CALL_MS,
                         NULL, &back);
    if (r == 0 && u < 0) {
        *err = back;
        r = gw_error_wrap(err, "the writers could not be let go on");
    }
    return r;
}

static int data_check(struct site_step *t, struct gw_error *err)
{
    const struct gw_planfile *plan = t->doc->plan;
    if (plan->checks.data.n == 0) {
        json_object_set_new(t->detail, "checks", json_string("the plan has none"));
        return 0;
    }
    char *paths[GW_PLANFILE_VOLUMES_MAX] = { NULL };
    int r = 0;
    for (size_t i = 0; r == 0 && i < plan->n_volumes; i++) {
        char suffix[GW_RUN_ID_MAX + 80];
        paths[i] = malloc(PATH_MAX);
        snprintf(suffix, sizeof suffix, ".%s.%zu", t->call->run->id, i);
        r = paths[i] == NULL ? gw_error_set(err, -ENOMEM, "out of memory")
                             : site_path(t->site, paths[i], "clones", t->plan->name, suffix, err);
    }
    if (r == 0)
        r = clone_all(t, paths, err);
    struct site_workload *w = NULL;
    json_t *report = NULL;
    if (r == 0)
        r = site_step_workload(t, &w, err);
    if (r == 0)
        r = site_workload_data_checks(w, paths, &report, err);
    if (report != NULL)
        json_object_set_new(t->detail, "checks", report);
    site_workload_free(w);
    for (size_t i = 0; i < plan->n_volumes; i++) {
        if (paths[i] != NULL)
            unlink(paths[i]);
        free(paths[i]);
    }
    return r;
}

static int report(struct site_step *t, struct gw_error *err)
{
    return site_evidence_write(t->site, t->call->run->id, err);
}

const struct site_step_row site_steps_check[] = {
    { GW_STEP_PRECHECK, precheck, NULL, NULL },
    { GW_STEP_FORECAST, forecast, NULL, NULL },
    { GW_STEP_REVOKE, revoke_old, unfence, NULL },
    { GW_STEP_ESTIMATE, estimate, NULL, NULL },
    { GW_STEP_DATA_CHECK, data_check, NULL, NULL },
    { GW_STEP_REPORT, report, NULL, NULL },
    { .effect = NULL },
};
