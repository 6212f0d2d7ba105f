// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "site/monitor.h"

#include "base/clock.h"
#include "base/cond.h"
#include "base/log.h"
#include "core/values.h"
#include "site/dataplane.h"
#include "site/drtime.h"
#include "site/edits.h"
#include "site/fence.h"
#include "site/hold.h"
#include "site/mates.h"
#include "site/plandir.h"
#include "site/recall.h"
#include "site/replace.h"
#include "site/runs.h"
#include "site/view.h"
#include "site/volumes.h"
#include "site/workload.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

struct watch { /* static: one site a process */
    pthread_t thread[SITE_LOOK_THREADS], fencing;
    unsigned n;
    bool fences;
} watch;

void site_monitor_wake(struct site *s)
{
    LOCK_SCOPE(&s->mu);
    s->changes++;
    pthread_cond_broadcast(&s->changed);
}

/* site.mu is held. */
static void touch(struct site *s, struct site_plan *p)
{
    p->touched = true;
    s->touches++;
    pthread_cond_broadcast(&s->changed);
}

void site_monitor_touch(struct site *s, const char *plan)
{
    LOCK_SCOPE(&s->mu);
    for (struct site_plan *p = s->plans; p != NULL; p = p->next) {
        if (!p->gone && strcmp(p->name, plan) == 0)
            touch(s, p);
    }
}

void site_monitor_look_soon(struct site *s, struct site_plan *p)
{
    LOCK_SCOPE(&s->mu);
    p->look_now = true;
    touch(s, p);
}

void site_monitor_depose(struct site *s, struct site_plan *p, bool ordered, const char *why)
{
    LOCK_SCOPE(&s->mu);
    if (p->fence_why[0] == '\0') /* else it is known, and somebody is at it */
        s->changes++;
    snprintf(p->fence_why, sizeof p->fence_why, "%.255s", why);
    p->fence_source = true;
    p->fence_ordered = p->fence_ordered || ordered;
    pthread_cond_broadcast(&s->changed);
}

static bool ending(const struct site *s)
{
    return gw_stop_wanted(gw_stop_fd(s->stop));
}

void site_monitor_saw(struct site *s, struct site_plan *p, enum gw_svc svc)
{
    CLEANUP_SITE_JSON json_t *side = NULL;
    struct gw_error err = { 0 };
    pthread_mutex_lock(&s->mu);
    p->seen.svc = svc;
    p->seen.boot_ns = gw_boot_ns();
    p->seen.text[0] = '\0';
    pthread_mutex_unlock(&s->mu);
    if (site_side_look(s, p, &side, &err) < 0)
        gw_log(GW_LOG_ERROR, "%s: %s", p->name, err.msg);
    LOCK_SCOPE(&s->mu);
    touch(s, p);
}

/* ---- workloads --------------------------------------------------------------------------------
 */

/* A source that came back by itself serves once it has heard of the other site. */
static bool waits(const char *service)
{
    return strcmp(service, "waiting") == 0;
}

static enum gw_svc judge(const struct site_workload_state *st, const char *service, bool fenced)
{
    bool serving = strcmp(service, "serving") == 0;
    if (fenced && !(st->any && !st->all_stopped))
        return GW_SVC_FENCED;
    if (!st->any) {
        if (strcmp(service, "quiesced") == 0)
            return GW_SVC_QUIESCING;
        return serving ? GW_SVC_RUNNING : GW_SVC_STOPPED;
    }
    if (!st->known)
        return GW_SVC_UNKNOWN;
    if (st->all_stopped)
        return GW_SVC_STOPPED;
    /* The next look at its health may be half a minute away: by its volumes it cannot be healthy.
     */
    return st->all_running && st->healthy && !waits(service) ? GW_SVC_RUNNING : GW_SVC_DEGRADED;
}

/* The worst of what was seen, in words. */
static void say(const json_t *report, char ret[256])
{
    size_t i, k;
    json_t *g, *m;
    ret[0] = '\0';
    json_array_foreach(json_object_get(report, "groups"), i, g)
    {
        json_array_foreach(json_object_get(g, "instances"), k, m)
        {
            if (strcasecmp(site_text(m, "state"), "running") != 0 && ret[0] == '\0')
                snprintf(ret, 256, "instance '%s' is %s", site_text(m, "instance"),
                         site_text(m, "state"));
        }
        json_array_foreach(json_object_get(g, "health"), k, m)
        {
            if (strcasecmp(site_text(m, "colour"), "green") != 0 && ret[0] == '\0')
                snprintf(ret, 256, "%s: %s", site_text(m, "check"), site_text(m, "text"));
        }
    }
}

static void look_at(struct site *s, struct site_plan *p)
{
    CLEANUP_DOCUMENT struct site_document *doc = site_plan_document(s, p);
    CLEANUP_SITE_JSON json_t *ours = NULL, *theirs = NULL, *report = NULL;
    uint64_t age;
    struct site_dp_paths at;
    struct gw_error err = { 0 };
    site_sides(s, p, &ours, &theirs, &age);
    if (doc == NULL || site_dp_paths(s, p, &at, &err) < 0)
        return;
    struct site_workload_facts facts = { .operation = "look",
                                         .nbd = at.nbd,
                                         .epoch = site_number(site_at(ours, "dir"), "epoch") };
    struct site_workload *w = NULL;
    struct site_workload_state st = { .known = false };
    if (site_workload_new(doc->plan, s->name, &facts, NULL, gw_stop_fd(s->stop), &w, &err) == 0)
        site_workload_look(w, &st, &report, &err);
    site_workload_free(w);
    const json_t *dp = site_true(ours, "dp_known") ? site_at(ours, "dp") : NULL;
    enum gw_svc svc = judge(&st, site_text(dp, "service"), json_is_string(site_at(ours, "fenced")));
    char text[sizeof p->seen.text];
    say(report, text);
    if (text[0] == '\0' && waits(site_text(dp, "service")))
        snprintf(text, sizeof text, "its volumes are not served: they wait for site %s", p->peer);
    LOCK_SCOPE(&s->mu);
    bool news = p->seen.boot_ns == 0 || p->seen.svc != svc || strcmp(p->seen.text, text) != 0;
    p->seen.svc = svc;
    p->seen.boot_ns = gw_boot_ns();
    memcpy(p->seen.text, text, sizeof text);
    snprintf(p->seen.service, sizeof p->seen.service, "%.15s", site_text(dp, "service"));
    if (news)
        touch(s, p);
}

/* The data plane is in another state than when the workload was judged: the next look may be half a
 * minute away, and until then two sites would be said to run it. */
static void look_again(struct site *s, struct site_plan *p, const json_t *ours)
{
    const json_t *dp = site_true(ours, "dp_known") ? site_at(ours, "dp") : NULL;
    LOCK_SCOPE(&s->mu);
    if (p->look_now || p->seen.boot_ns == 0 ||
        strncmp(p->seen.service, site_text(dp, "service"), sizeof p->seen.service - 1) == 0)
        return;
    p->look_now = true;
    pthread_cond_broadcast(&s->changed);
}

/* The plan whose look is due first; NULL: none is. site.mu is held. */
static struct site_plan *next_look(struct site *s, uint64_t *ret_wait_ms)
{
    uint64_t now = gw_boot_ns();
    *ret_wait_ms = SITE_MONITOR_MS;
    for (struct site_plan *p = s->plans; p != NULL; p = p->next) {
        if (p->gone || p->looking || p->side == NULL)
            continue;
        bool here = strcmp(site_text(p->side, "want"), "SOURCE") == 0;
        bool stray = !here && gw_svc_serves(p->seen.svc);
        uint64_t every = (stray ? SITE_LOOK_STRAY_MS : SITE_LOOK_MS) * GW_NS_PER_MS;
        if (p->look_now || p->fence_why[0] != '\0' || p->volumes_due || p->seen.boot_ns == 0 ||
            now - p->seen.boot_ns >= every) {
            p->look_now = false;
            p->looking = true;
            return p;
        }
    }
    return NULL;
}

static void fence_deposed(struct site *s, struct site_plan *p);

static void *look_main(void *arg)
{
    struct site *s = arg;
    while (!ending(s)) {
        uint64_t wait_ms;
        pthread_mutex_lock(&s->mu);
        struct site_plan *p = next_look(s, &wait_ms);
        if (p == NULL)
            gw_cond_wait_ms(&s->changed, &s->mu, (unsigned)wait_ms);
        pthread_mutex_unlock(&s->mu);
        if (p == NULL)
            continue;
        fence_deposed(s, p);
        site_volumes_due(s, p);
        look_at(s, p);
        LOCK_SCOPE(&s->mu);
        p->looking = false;
    }
    return NULL;
}

/* ---- what the sides say -----------------------------------------------------------------------
 */

struct learnt {
    const char *holder;
    uint64_t epoch;
};

static void set_learnt(struct gw_catalog_plan *row, void *arg)
{
    const struct learnt *l = arg;
    if (l->epoch > row->epoch) {
        row->epoch = l->epoch;
        row->holder = l->holder;
        row->role_wall_ns = gw_wall_ns();
    }
}

/* true: this side is not what it was. */
static bool learn(struct site *s, struct site_plan *p, const json_t *ours, const json_t *theirs)
{
    struct gw_error err = { 0 };
    uint64_t epoch = site_number(theirs, "epoch");
    if (theirs == NULL || epoch <= site_number(ours, "epoch"))
        return false;
    struct learnt l = { .holder = site_text(theirs, "holder"), .epoch = epoch };
    if (site_plan_update(s, p, set_learnt, &l, &err) < 0) {
        gw_log(GW_LOG_WARNING, "%s: %s", p->name, err.msg);
        return false;
    }
    site_event(s, "plan.learnt", p->name, NULL, SITE_NOTICE, NULL,
               "the other site is at epoch %llu, %s holds the authority", (unsigned long long)epoch,
               l.holder[0] != '\0' ? l.holder : "nobody");
    return true;
}

/*
 * A source that lost its reign says so; or this side knows that the other one reigns in a later
 * epoch, from a beat or a run, and its source has not heard. It stays fenced until a person brings
 * the site home. true: it has to be fenced.
 */
static bool obey(struct site *s, struct site_plan *p, const json_t *ours)
{
    const json_t *dp = site_true(ours, "dp_known") ? site_at(ours, "dp") : NULL;
    char why[256];
    if (strcmp(site_text(ours, "want"), "SOURCE") != 0)
        return false;
    bool said = strcmp(site_text(dp, "process"), "source") == 0 &&
                strcmp(site_text(dp, "service"), "fenced") == 0;
    if (said)
        snprintf(why, sizeof why, "%.255s",
                 site_text(dp, "reason")[0] != '\0' ? site_text(dp, "reason")
                                                    : "its source was deposed");
    else if (site_fence_deposed(s, ours))
        snprintf(why, sizeof why,
                 "%.63s reigns in epoch %llu: it was promoted, and this side of "
                 "epoch %llu has to obey",
                 site_text(ours, "holder"), (unsigned long long)site_number(ours, "epoch"),
                 (unsigned long long)site_number(site_at(ours, "dir"), "epoch"));
    else
        return false;
    site_monitor_depose(s, p, false, why);
    return true;
}

/* As the catalog has it now: since it was seen a run may have begun to bring this side up to date.
 */
static bool wants_source(struct site *s, const struct site_plan *p)
{
    CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
    struct gw_catalog_plan row;
    struct gw_error err = { 0 };
    return gw_catalog_plan_get_uuid(s->catalog, p->uuid_text, &mem, &row, &err) < 0 ||
           row.want == GW_CATALOG_WANT_SOURCE;
}

/* In a look thread: stopping a workload may take minutes. Tried until it is done. */
static void fence_deposed(struct site *s, struct site_plan *p)
{
    char why[256];
    struct gw_error err = { 0 };
    pthread_mutex_lock(&s->mu);
    memcpy(why, p->fence_why, sizeof why);
    p->fence_why[0] = '\0';
    pthread_mutex_unlock(&s->mu);
    if (why[0] == '\0')
        return;
    LOCK_SCOPE(&p->plan_mu); /* the fencing thread does not wait for it */
    if (wants_source(s, p) && site_fence_plan_locked(s, p, why, &err) < 0)
        site_event(s, "plan.fence_failed", p->name, NULL, SITE_ERROR, NULL,
                   "the workload could not be stopped: %s", err.msg);
}

/* What it was deposed for may be over: the other site may have handed over to this one since. */
static bool still_deposed(struct site *s, struct site_plan *p, bool ordered)
{
    CLEANUP_SITE_JSON json_t *now = NULL;
    struct gw_error none = { 0 };
    if (ordered)
        return wants_source(s, p);
    return site_side_look(s, p, &now, &none) < 0 || site_fence_deposed(s, now);
}

/* The source of the next plan that has to be fenced; false: there is none. */
static bool fence_a_source(struct site *s)
{
    char why[256];
    struct gw_error err = { 0 };
    bool ordered = false;
    pthread_mutex_lock(&s->mu);
    struct site_plan *p = s->plans;
    while (p != NULL && (p->gone || !p->fence_source))
        p = p->next;
    if (p != NULL) {
        memcpy(why, p->fence_why, sizeof why);
        ordered = p->fence_ordered;
        p->fence_source = p->fence_ordered = false;
    }
    pthread_mutex_unlock(&s->mu);
    if (p == NULL)
        return false;
    if (still_deposed(s, p, ordered) &&
        site_fence_source(s, p, why[0] != '\0' ? why : SITE_FENCE_ORDERED, &err) < 0)
        site_event(s, "plan.fence_failed", p->name, NULL, SITE_ERROR, NULL,
                   "the source could not be fenced: %s", err.msg);
    return true;
}

/* A thread of its own: neither a command of a workload nor a step may keep a deposed side alive. */
static void *fence_main(void *arg)
{
    struct site *s = arg;
    while (!ending(s)) {
        pthread_mutex_lock(&s->mu);
        uint64_t seen = s->changes;
        pthread_mutex_unlock(&s->mu);
        if (fence_a_source(s))
            continue;
        LOCK_SCOPE(&s->mu);
        if (s->changes == seen && !ending(s))
            gw_cond_wait_ms(&s->changed, &s->mu, SITE_MONITOR_MS);
    }
    return NULL;
}

static void note_synced(struct site *s, struct site_plan *p, const json_t *ours)
{
    const json_t *lag = site_at(ours, "lag");
    struct gw_error err = { 0 };
    if (!site_true(lag, "follows") || site_true(site_at(ours, "facts"), "synced"))
        return;
    if (gw_catalog_plan_note(s->catalog, p->uuid_text, "{\"synced\":true,\"replaced\":null}",
                             &err) == 0)
        site_event(s, "plan.synced", p->name, NULL, SITE_NOTICE, NULL,
                   "the standby is consistent: the first full sync since the change of roles");
}

static void note_headline(struct site *s, struct site_plan *p)
{
    CLEANUP_VIEW struct site_view v;
    site_view_make(s, p, &v);
    const char *now = gw_phase_name(v.phase.phase);
    if (strcmp(p->headline, now) == 0)
        return;
    enum site_severity severity = v.phase.status == GW_STATUS_FAILED     ? SITE_ERROR
                                  : v.phase.status == GW_STATUS_DEGRADED ? SITE_WARNING
                                                                         : SITE_NOTICE;
    site_event(s, "plan.phase", p->name, v.run[0] != '\0' ? v.run : NULL, severity,
               json_pack("{s:s, s:s, s:s}", "from", p->headline, "to", now, "status",
                         gw_status_name(v.phase.status)),
               "%s: %s", now, v.sentence);
    snprintf(p->headline, sizeof p->headline, "%s", now);
}

/*
 * Everything was compared, and nothing is in the list of what only one side has: the list may hold
 * too much (engine/tail.h), never too little. There is nothing that a person could sign for.
 */
static void sign_empty(struct site *s, struct site_plan *p, const json_t *ours,
                       const json_t *theirs)
{
    const json_t *dp = site_true(ours, "dp_known") ? site_at(ours, "dp") : NULL;
    const json_t *source = site_true(theirs, "dp_known") ? site_at(theirs, "dp") : NULL;
    const json_t *assess = site_at(source, "assess"), *tail = site_at(dp, "tail_blocks");
    struct gw_error err = { 0 };
    if (strcmp(site_text(dp, "state"), "assessing") != 0 ||
        strcmp(site_text(source, "replication"), "assessing") != 0 || !site_true(assess, "done") ||
        site_number(assess, "tail_blocks") != 0 || !json_is_integer(tail) ||
        json_integer_value(tail) != 0)
        return;
    if (site_dp_call(s, p, json_pack("{s:s, s:s}", "cmd", "sign", "by", "nobody: there is no tail"),
                     SITE_DP_CALL_MS, NULL, &err) == 0)
        site_event(s, "plan.no_tail", p->name, NULL, SITE_NOTICE, NULL,
                   "everything was compared: there is no divergent tail");
}

/* ---- units ------------------------------------------------------------------------------------
 */

static void reconcile(struct site *s, struct site_plan *p, const json_t *ours)
{
    const char *want = site_text(ours, "want");
    struct gw_unit_status u;
    struct gw_error err = { 0 };
    bool known = gw_units_get(s->units, p->name, &u) == 0;
    if (strcmp(want, "NONE") == 0 || (known && (u.wanted || u.pid != 0)))
        return;
    if (pthread_mutex_trylock(&p->plan_mu) != 0)
        return; /* a step is at it */
    CLEANUP_DOCUMENT struct site_document *doc = site_plan_document(s, p);
    enum gw_unit_kind kind = strcmp(want, "SOURCE") == 0 ? GW_UNIT_SOURCE : GW_UNIT_REPLICA;
    uint64_t now = gw_boot_ns();
    if (now >= p->retry_boot_ns && site_dp_start(s, p, doc->plan, kind, &err) < 0) {
        site_event(s, "unit.failed", p->name, NULL, SITE_ERROR, NULL, "%s", err.msg);
        p->retry_boot_ns = now + 5 * GW_NS_PER_S;
    }
    pthread_mutex_unlock(&p->plan_mu);
}

static void poll_plan(struct site *s, struct site_plan *p, struct gw_error *err)
{
    struct site_dp_paths at;
    if (!p->polled && site_dp_paths(s, p, &at, err) == 0 &&
        gw_polls_add(s->polls, p->name, at.control, err) == 0)
        p->polled = true;
}

static void look_after(struct site *s, struct site_plan *p)
{
    struct gw_error err = { 0 };
    CLEANUP_SITE_JSON json_t *ours = NULL, *theirs = NULL, *fresh = NULL;
    uint64_t age;
    poll_plan(s, p, &err);
    if (site_side_look(s, p, &fresh, &err) < 0) {
        gw_log(GW_LOG_ERROR, "%s: %s", p->name, err.msg);
        return;
    }
    site_sides(s, p, &ours, &theirs, &age);
    if (age < SITE_MATE_SILENT_MS * GW_NS_PER_MS && learn(s, p, ours, theirs)) {
        look_after(s, p); /* all that follows goes by what is known now */
        return;
    }
    if (age < SITE_MATE_SILENT_MS * GW_NS_PER_MS)
        sign_empty(s, p, ours, theirs);
    if (age < SITE_MATE_SILENT_MS * GW_NS_PER_MS && !site_fenced(s))
        site_runs_settle(s, p, ours, theirs);
    bool deposed = obey(s, p, ours);
    if (site_fenced(s)) { /* what this site remembers may be old: nothing is done on its word */
        note_headline(s, p);
        return;
    }
    look_again(s, p, ours);
    note_synced(s, p, ours);
    if (!deposed) /* nothing is begun that would have to be fenced */
        reconcile(s, p, ours);
    site_edits_send(s, p, ours, theirs);
    site_replace_go_on(s, p, ours, theirs);
    site_edits_commit_due(s, p, ours);
    site_drtime_look(s, p, ours);
    site_volumes_look(s, p, ours);
    site_hold_look(s, p, ours, theirs);
    note_headline(s, p);
}

/* Whether this plan is to be looked at now. */
static bool its_turn(struct site *s, struct site_plan *p, bool all, bool *ret_touched)
{
    LOCK_SCOPE(&s->mu);
    *ret_touched = p->touched;
    p->touched = false;
    return !p->gone && (all || *ret_touched);
}

static void look_after_plans(struct site *s, struct site_plan *p, bool all, bool changed)
{
    for (; p != NULL && !ending(s); p = p->next) {
        bool touched;
        if (!its_turn(s, p, all, &touched))
            continue;
        look_after(s, p);
        LOCK_SCOPE(&s->mu);
        if (touched || changed) { /* the other site hears of it now, and not with the next beat */
            p->tell = true;
            s->tells++;
            pthread_cond_broadcast(&s->changed);
        }
    }
}

/* What ended at the other site while we were apart is learnt by its run's thread here. */
static void look_at_runs(struct site *s)
{
    struct gw_error err = { 0 };
    if (site_runs_resume(s, &err) < 0)
        gw_log(GW_LOG_WARNING, "open runs: %s", err.msg);
}

static void *monitor_main(void *arg)
{
    struct site *s = arg;
    uint64_t seen = 0, touches, all_ns = 0;
    while (!ending(s)) {
        pthread_mutex_lock(&s->mu);
        bool changed = s->changes != seen, all = changed || gw_boot_ns() >= all_ns;
        seen = s->changes;
        touches = s->touches;
        struct site_plan *p = s->plans;
        bool stale = s->runs_stale;
        s->runs_stale = false;
        pthread_mutex_unlock(&s->mu);
        if (stale)
            look_at_runs(s);
        if (all)
            all_ns = gw_boot_ns() + SITE_MONITOR_MS * GW_NS_PER_MS;
        look_after_plans(s, p, all, changed);
        LOCK_SCOPE(&s->mu);
        if (s->restart_boot_ns != 0 && gw_boot_ns() >= s->restart_boot_ns) {
            s->restart_boot_ns = 0;
            kill(getpid(), SIGHUP);
        }
        if (s->changes != seen || s->touches != touches)
            gw_cond_wait_ms(&s->changed, &s->mu, 20); /* our looks change things: not at once */
        uint64_t now;
        while (s->changes == seen && s->touches == touches && !ending(s) &&
               (now = gw_boot_ns()) < all_ns)
            gw_cond_wait_ms(&s->changed, &s->mu, (unsigned)((all_ns - now) / GW_NS_PER_MS) + 1);
    }
    return NULL;
}

int site_monitor_adopt(struct site *s, struct gw_error *err)
{
    (void)err;
    for (struct site_plan *p = s->plans; p != NULL; p = p->next)
        look_after(s, p);
    return 0;
}

int site_monitor_start(struct site *s, struct gw_error *err)
{
    if (pthread_create(&s->monitor, NULL, monitor_main, s) != 0)
        return gw_error_set(err, -EAGAIN, "cannot make the monitor's thread");
    s->monitor_runs = true;
    if (pthread_create(&watch.fencing, NULL, fence_main, s) != 0)
        return gw_error_set(err, -EAGAIN, "cannot make the thread that fences");
    watch.fences = true;
    for (; watch.n < SITE_LOOK_THREADS; watch.n++) {
        if (pthread_create(&watch.thread[watch.n], NULL, look_main, s) != 0)
            return gw_error_set(err, -EAGAIN, "cannot make a thread that looks at workloads");
    }
    return 0;
}

void site_monitor_stop(struct site *s)
{
    if (!s->monitor_runs)
        return;
    site_monitor_wake(s);
    pthread_join(s->monitor, NULL);
    if (watch.fences)
        pthread_join(watch.fencing, NULL);
    watch.fences = false;
    while (watch.n > 0)
        pthread_join(watch.thread[--watch.n], NULL);
    s->monitor_runs = false;
}
