// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "site/runs.h"

#include "base/clock.h"
#include "base/cond.h"
#include "base/log.h"
#include "catalog/timings.h"
#include "run/at_work.h"
#include "run/receive.h"
#include "site/actions.h"
#include "site/interrupt.h"
#include "site/mates.h"
#include "site/monitor.h"
#include "site/runstore.h"
#include "site/runwire.h"
#include "site/steps.h"
#include "site/trial.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PEER_CALL_MARGIN_MS 15000u
#define RETRY_MS 1000u /* a run whose store failed: not at once again */
/* So often in a row, and people are told: a single one may be a moment's. */
#define STUCK_FAILURES 2u
/* A run that is over at one site only: told so often until it is not. */
#define SETTLE_MS 1000u

struct site_runner {
    struct site_runner *next;
    struct site *site;
    char id[GW_RUN_ID_MAX];
    pthread_t thread;
    /* Under site.mu: */
    bool runs, wake, done;
    uint64_t created_boot_ns; /* 0: by a daemon before this one, or by the other site */
    unsigned failures;        /* of its store, one after the other */
    char plan[GW_RUN_NAME_MAX], stuck[GW_ERROR_MSG_MAX];
};

/* ---- the world --------------------------------------------------------------------------------
 */

static void do_effect(void *ctx, const struct gw_run_call *call, struct gw_run_outcome *ret)
{
    site_step_effect(ctx, call, ret);
}

static void do_undo(void *ctx, const struct gw_run_call *call, struct gw_run_outcome *ret)
{
    site_step_undo(ctx, call, ret);
}

static void do_observe(void *ctx, const struct gw_run_call *call, struct gw_run_outcome *ret)
{
    site_step_observe(ctx, call, ret);
}

static unsigned peer_ms(const struct gw_run_message *m)
{
    const struct gw_operation *op = gw_operation_get(m->run.operation);
    if (m->kind != GW_RUN_EFFECT && m->kind != GW_RUN_UNDO)
        return PEER_CALL_MARGIN_MS;
    uint64_t ms = op != NULL && m->step < op->n_steps ? op->steps[m->step].timeout_ms : 0;
    return (unsigned)(ms == 0 ? GW_STEP_PATIENCE_MS : ms) + PEER_CALL_MARGIN_MS;
}

static int call_peer(void *ctx, const struct gw_run_message *m, struct gw_run_reply *ret,
                     struct gw_error *err)
{
    struct site *s = ctx;
    const char *to = m->run.site[m->from == GW_SIDE_OLD ? GW_SIDE_NEW : GW_SIDE_OLD];
    enum gw_http_outcome outcome = GW_HTTP_NOT_SENT;
    CLEANUP_SITE_JSON json_t *answer = NULL;
    struct site_mate_state mate;
    site_mate_state(s, to, &mate);
    /* Who has been silent for long is not called: each call would wait for the whole of its time,
     * and a failover makes three a step. The beats find out when it is back. */
    if (!mate.reachable && (mate.heard_boot_ns != 0 || mate.why[0] != '\0'))
        return gw_error_set(err, -ENOTCONN, "site %s does not answer: %s", to, mate.why);
    struct site_plan *p;
    struct gw_error none = { 0 };
    json_t *message = site_run_message_json(m);
    if (m->kind == GW_RUN_COPY && site_plan_find(s, m->run.plan, &p, &none) == 0)
        json_object_set_new(message, "sides", site_mates_side(s, p));
    int r = site_mate_call(s, to, "run", message, peer_ms(m), &answer, &outcome, err);
    if (r == 0)
        return site_run_reply_read(answer, ret, err);
    return outcome == GW_HTTP_NOT_SENT ? -ENOTCONN : r;
}

static uint64_t now_boot(void *ctx)
{
    (void)ctx;
    return gw_boot_ns();
}

static uint64_t now_wall(void *ctx)
{
    (void)ctx;
    return gw_wall_ns();
}

static bool stopping(void *ctx)
{
    const struct site *s = ctx;
    return gw_stop_wanted(gw_stop_fd(s->stop));
}

/* site.mu is held. */
static struct site_runner *find(struct site *s, const char *id)
{
    for (struct site_runner *r = s->runners; r != NULL; r = r->next) {
        if (strcmp(r->id, id) == 0)
            return r;
    }
    return NULL;
}

static void wait_until(void *ctx, const char *run, uint64_t until_ns)
{
    struct site *s = ctx;
    LOCK_SCOPE(&s->mu);
    struct site_runner *r = find(s, run);
    uint64_t now;
    while (!stopping(s) && (r == NULL || !r->wake) && (now = gw_boot_ns()) < until_ns)
        gw_cond_wait_ms(&s->changed, &s->mu, (unsigned)((until_ns - now) / GW_NS_PER_MS) + 1);
    if (r != NULL)
        r->wake = false;
}

static void note_timing(struct site *s, const struct gw_run *run, const struct gw_run_entry *e)
{
    const struct gw_operation *op = gw_operation_get(run->operation);
    struct site_plan *p;
    struct gw_error err = { 0 };
    if (e->core.kind != GW_ENTRY_DONE || e->took_ns == 0 || run->dry_run || op == NULL ||
        e->core.step >= op->n_steps || site_plan_find(s, run->plan, &p, &err) < 0)
        return;
    gw_catalog_timing_add(s->catalog, p->uuid_text, gw_operation_name(run->operation),
                          gw_step_name(op->steps[e->core.step].id), e->took_ns / GW_NS_PER_MS,
                          e->wall_ns, &err);
}

static void note_moves(struct site *s, const char *id);

static void on_change(void *ctx, const struct gw_run *run, const struct gw_run_view *v,
                      const struct gw_run_entry *last)
{
    struct site *s = ctx;
    const struct gw_operation *op = gw_operation_get(run->operation);
    if (last == NULL)
        return;
    note_moves(s, run->id);
    const char *step = op != NULL && last->core.step < op->n_steps
                           ? gw_step_name(op->steps[last->core.step].id)
                           : "";
    bool bad = last->core.kind == GW_ENTRY_FAILED || last->core.kind == GW_ENTRY_HALT ||
               last->core.kind == GW_ENTRY_DOUBT || last->core.kind == GW_ENTRY_UNDO_FAILED;
    note_timing(s, run, last);
    site_event(s, "run.step", run->plan, run->id, bad ? SITE_WARNING : SITE_INFO,
               op != NULL ? site_run_entry_json(run, op, last) : NULL, "%s %s: %s%s%s, run is %s",
               gw_operation_name(run->operation), run->id, gw_entry_kind_name(last->core.kind),
               step[0] != '\0' ? " " : "", step, gw_run_state_name(v->state));
    site_monitor_touch(s, run->plan);
}

static uint64_t outage_ms(void *ctx, const struct gw_run *run)
{
    CLEANUP_DOCUMENT struct site_document *doc = NULL;
    struct site_plan *p;
    struct gw_error none = { 0 };
    if (site_plan_find(ctx, run->plan, &p, &none) < 0 ||
        site_document_pinned(ctx, p, run->plan_hash, &doc, &none) < 0)
        return 0;
    return doc->plan->failback.max_outage_ms;
}

static const struct gw_run_world world = {
    .effect = do_effect,
    .undo = do_undo,
    .observe = do_observe,
    .peer = call_peer,
    .boot_ns = now_boot,
    .wall_ns = now_wall,
    .outage_ms = outage_ms,
    .wait = wait_until,
    .stopping = stopping,
    .changed = on_change,
    .crash = site_trial,
};

const struct gw_run_env *site_run_env(struct site *s)
{
    static struct gw_run_env env; /* one site a process */
    static pthread_mutex_t once = PTHREAD_MUTEX_INITIALIZER;
    LOCK_SCOPE(&once);
    if (env.site == NULL) {
        env = (struct gw_run_env){ .store = &site_run_store,
                                   .store_ctx = s->catalog,
                                   .world = &world,
                                   .world_ctx = s,
                                   .site = s->name,
                                   .at_work = gw_run_at_work_new() };
    }
    return &env;
}

/* ---- threads ----------------------------------------------------------------------------------
 */

/* The store failed: nothing can be recorded, and so nothing is done. Told once, shown as long as it
 * lasts, tried again and again. */
static void note_stuck(struct site_runner *me, const struct gw_error *why)
{
    struct site *s = me->site;
    struct gw_run run;
    struct gw_error none = { 0 };
    bool known = site_run_store.load(s->catalog, me->id, &run, &none) == 0, news;
    {
        LOCK_SCOPE(&s->mu);
        news = strcmp(me->stuck, why->msg) != 0;
        me->failures++;
        snprintf(me->stuck, sizeof me->stuck, "%s", why->msg);
        snprintf(me->plan, sizeof me->plan, "%s", known ? run.plan : "");
    }
    if (news)
        site_event(s, "run.stuck", known ? run.plan : NULL, me->id, SITE_ERROR, NULL,
                   "run %s stands still: %s", me->id, why->msg);
    if (known)
        site_monitor_touch(s, run.plan);
}

/* It could be recorded that something happened. */
static void note_moves(struct site *s, const char *id)
{
    LOCK_SCOPE(&s->mu);
    struct site_runner *r = find(s, id);
    if (r != NULL) {
        r->failures = 0;
        r->stuck[0] = '\0';
    }
}

bool site_run_stuck(struct site *s, const char *plan, char ret_id[GW_RUN_ID_MAX],
                    char ret_why[GW_ERROR_MSG_MAX])
{
    LOCK_SCOPE(&s->mu);
    for (const struct site_runner *r = s->runners; r != NULL; r = r->next) {
        if (r->failures < STUCK_FAILURES || r->stuck[0] == '\0' || strcmp(r->plan, plan) != 0)
            continue;
        snprintf(ret_id, GW_RUN_ID_MAX, "%s", r->id);
        snprintf(ret_why, GW_ERROR_MSG_MAX, "%s", r->stuck);
        return true;
    }
    return false;
}

static void go_back(struct site *s, const char *id)
{
    struct gw_error err = { 0 };
    if (site_action_return(s, id, &err) < 0)
        site_event(s, "run.stuck", NULL, id, SITE_ERROR, NULL,
                   "the switchover back after run %s could not be begun: %s", id, err.msg);
}

/* It had ended before, and is only told once more. */
static bool is_over(struct site *s, const char *id)
{
    CLEANUP_FREE struct gw_run_look *look = calloc(1, sizeof *look);
    struct gw_error none = { 0 };
    return look != NULL && gw_run_look(site_run_env(s), id, false, look, &none) == 0 &&
           gw_run_state_ended(look->view.state);
}

static void *run_main(void *arg)
{
    struct site_runner *me = arg;
    struct site *s = me->site;
    for (;;) {
        struct gw_error err = { 0 };
        enum gw_run_end end = GW_RUN_STOPPED;
        bool over = is_over(s, me->id);
        int r = gw_run_execute(site_run_env(s), me->id, &end, &err);
        if (r < 0)
            note_stuck(me, &err);
        else
            note_moves(s, me->id);
        if (r < 0 && !stopping(s)) {
            gw_stop_wait(gw_stop_fd(s->stop), RETRY_MS);
            continue;
        }
        if (end == GW_RUN_ENDED && !over)
            go_back(s, me->id);
        LOCK_SCOPE(&s->mu);
        if (!stopping(s) && end == GW_RUN_PASSIVE && me->wake) {
            me->wake = false; /* something came while we were about to end */
            continue;
        }
        me->done = true;
        pthread_cond_broadcast(&s->changed);
        return NULL;
    }
}

/* site.mu is held. A new one has no thread yet. */
static struct site_runner *find_or_add(struct site *s, const char *id)
{
    struct site_runner *r = find(s, id);
    if (r != NULL)
        return r;
    r = calloc(1, sizeof *r);
    if (r == NULL)
        return NULL;
    r->site = s;
    r->done = true;
    snprintf(r->id, sizeof r->id, "%s", id);
    r->next = s->runners;
    s->runners = r;
    return r;
}

int site_run_wake(struct site *s, const char *id, struct gw_error *err)
{
    LOCK_SCOPE(&s->mu);
    struct site_runner *r = find_or_add(s, id);
    if (r == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    if (!r->done) {
        r->wake = true;
        pthread_cond_broadcast(&s->changed);
        return 0;
    }
    if (r->runs) {
        pthread_join(r->thread, NULL); /* it has let go of everything */
    }
    r->done = r->wake = false;
    r->runs = pthread_create(&r->thread, NULL, run_main, r) == 0;
    if (!r->runs)
        r->done = true;
    return r->runs ? 0 : gw_error_set(err, -EAGAIN, "cannot make a thread for run %s", id);
}

static int resume_one(void *ctx, const char *id)
{
    struct gw_error err = { 0 };
    int r = site_run_wake(ctx, id, &err);
    if (r < 0)
        gw_log(GW_LOG_ERROR, "%s", err.msg);
    return r;
}

/* The daemon may have ended between the end of a run and the way back from it. */
static int resume_returns(struct site *s, struct gw_error *err)
{
    int r = 0;
    for (struct site_plan *p = s->plans; r == 0 && p != NULL; p = p->next) {
        char(*newest)[GW_RUN_ID_MAX] = NULL;
        size_t n = 0;
        r = site_runstore_list(s->catalog, p->name, false, 1, &newest, &n, err);
        if (r == 0 && n == 1)
            go_back(s, newest[0]);
        free(newest);
    }
    return r;
}

int site_runs_resume(struct site *s, struct gw_error *err)
{
    int r = gw_run_resume_all(site_run_env(s), resume_one, s, err);
    return r < 0 ? r : resume_returns(s, err);
}

/* Told or asked by the run's thread here; who of the two reaches the other is enough. */
void site_runs_settle(struct site *s, struct site_plan *p, const json_t *ours, const json_t *theirs)
{
    const char *here = site_text(ours, "open_run"), *there = site_text(theirs, "open_run");
    CLEANUP_FREE struct gw_run *run = NULL;
    struct gw_error err = { 0 };
    if (strcmp(here, there) == 0 || gw_boot_ns() < p->settle_boot_ns)
        return;
    p->settle_boot_ns = gw_boot_ns() + SETTLE_MS * GW_NS_PER_MS;
    run = malloc(sizeof *run);
    int r = 0;
    if (here[0] != '\0')
        r = site_run_wake(s, here, &err);
    else if (run != NULL && site_run_store.load(s->catalog, there, run, &err) == 0 &&
             strcmp(run->plan, p->name) == 0)
        r = site_run_wake(s, there, &err);
    if (r < 0)
        gw_log(GW_LOG_WARNING, "%s: %s", p->name, err.msg);
}

void site_runs_stop(struct site *s)
{
    pthread_mutex_lock(&s->mu);
    pthread_cond_broadcast(&s->changed);
    struct site_runner *r = s->runners;
    s->runners = NULL;
    pthread_mutex_unlock(&s->mu);
    while (r != NULL) {
        struct site_runner *next = r->next;
        if (r->runs)
            pthread_join(r->thread, NULL);
        free(r);
        r = next;
    }
}

/* ---- requests ---------------------------------------------------------------------------------
 */

int site_run_create(struct site *s, const struct gw_run *run, struct gw_error *err)
{
    uint64_t now_ns = gw_boot_ns();
    int r = gw_run_create(site_run_env(s), run, err);
    if (r < 0)
        return r;
    {
        LOCK_SCOPE(&s->mu);
        struct site_runner *runner = find_or_add(s, run->id);
        if (runner != NULL)
            runner->created_boot_ns = now_ns;
    }
    return site_run_wake(s, run->id, err);
}

uint64_t site_run_created_boot_ns(struct site *s, const char *id)
{
    LOCK_SCOPE(&s->mu);
    const struct site_runner *r = find(s, id);
    return r != NULL ? r->created_boot_ns : 0;
}

/* Not where going back would need a site that is silent: the cancel will be refused. */
static bool may_interrupt(struct site *s, const char *id)
{
    struct gw_run run;
    struct gw_error none = { 0 };
    struct site_mate_state mate;
    if (site_run_store.load(s->catalog, id, &run, &none) < 0)
        return false;
    const struct gw_operation *op = gw_operation_get(run.operation);
    const char *other = run.site[strcmp(run.site[GW_SIDE_OLD], s->name) == 0];
    site_mate_state(s, other, &mate);
    for (unsigned i = 0; op != NULL && i < op->n_steps && !mate.reachable; i++) {
        if (op->steps[i].undo &&
            ((op->steps[i].flags & GW_STEP_UNDO_AT_PEER) != 0 ||
             strcmp(run.site[op->steps[i].place == GW_PLACE_NEW], s->name) != 0))
            return false;
    }
    return op != NULL;
}

int site_run_ask(struct site *s, const char *id, enum gw_choice choice,
                 const struct site_person *who, const char *reason, struct gw_error *err)
{
    struct gw_run_request q = { .choice = choice };
    snprintf(q.by, sizeof q.by, "%.63s", who->name);
    snprintf(q.reason, sizeof q.reason, "%.255s", reason);
    int r = gw_run_ask(site_run_env(s), id, &q, err);
    if (r == 0 && choice == GW_CHOICE_CANCEL && may_interrupt(s, id))
        site_interrupt_run(s, id);
    return r < 0 ? r : site_run_wake(s, id, err);
}

int site_run_received(struct site *s, const char *from, const json_t *params, json_t **ret,
                      struct gw_error *err)
{
    struct gw_run_message m;
    CLEANUP_FREE struct gw_run_entry *entries = NULL;
    int r = site_run_message_read(params, &m, &entries, err);
    if (r < 0)
        return r;
    if (strcmp(m.run.site[m.from], from) != 0)
        return gw_error_set(err, -EPERM, "the message says that it is from %s, the certificate %s",
                            m.run.site[m.from], from);
    site_mates_told(s, from, site_at(params, "sides"));
    struct gw_run_reply reply = { 0 };
    bool wake = false;
    r = gw_run_receive(site_run_env(s), &m, &reply, &wake, err);
    if (r < 0)
        return r;
    *ret = site_run_reply_json(&reply);
    gw_run_reply_done(&reply);
    if (wake)
        site_run_wake(s, m.run.id, err);
    return *ret != NULL ? 0 : gw_error_set(err, -ENOMEM, "out of memory");
}

/* ---- the headline -----------------------------------------------------------------------------
 */

unsigned site_run_choices(const struct gw_run_look *look, bool peer_reachable)
{
    const struct gw_operation *op = gw_operation_get(look->run.operation);
    if (op == NULL || !peer_reachable || look->view.coordinator == look->me)
        return look->choices;
    const struct gw_run_facts there = { .me = look->view.coordinator, .peer = GW_PEER_UNKNOWN };
    return look->choices | (gw_run_choices(op, &look->view, &there) & ~(1u << GW_CHOICE_OVERRIDE));
}

void site_runs_fill_view(struct site *s, struct site_plan *p, struct site_view *v)
{
    char id[GW_RUN_ID_MAX];
    struct gw_error err = { 0 };
    CLEANUP_FREE struct gw_run_look *look = calloc(1, sizeof *look);
    if (look == NULL || site_run_store.current(s->catalog, p->name, id, &err) <= 0 ||
        gw_run_look(site_run_env(s), id, v->facts.peer_reachable != GW_TRI_YES, look, &err) < 0)
        return;
    const struct gw_operation *op = gw_operation_get(look->run.operation);
    if (look->run.dry_run || op == NULL)
        return;
    v->facts.op = look->run.operation;
    v->facts.run =
        look->shown == GW_RUN_WAITING_APPROVAL && look->view.approvals >= look->run.approvals
            ? GW_RUN_RUNNING
            : look->shown;
    v->choices = site_run_choices(look, v->facts.peer_reachable == GW_TRI_YES);
    snprintf(v->run, sizeof v->run, "%s", id);
    snprintf(v->operation, sizeof v->operation, "%s", gw_operation_name(look->run.operation));
    snprintf(v->run_state, sizeof v->run_state, "%s", gw_run_state_name(look->shown));
    if (look->current < op->n_steps)
        snprintf(v->step, sizeof v->step, "%s", gw_step_name(op->steps[look->current].id));
    if (gw_run_state_ended(look->shown) || !site_view_stuck(v, id, v->run_why))
        return;
    v->facts.run = GW_RUN_HALTED;
    snprintf(v->run_state, sizeof v->run_state, "%s", gw_run_state_name(GW_RUN_HALTED));
}
