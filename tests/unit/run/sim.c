// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "sim.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EPOCH 5u
#define WALL_NS 1700000000000000000ull
#define REOPEN_MS 5000u   /* a run whose store did not work is tried again */
#define PERSON_MS 5000u   /* so long does a person think */
#define DECISIONS_MAX 24u /* ... and so often, before the case counts as going on for ever */

const char *sim_fault_name(enum sim_fault_kind kind)
{
    static const char *const names[SIM_FAULT_MAX] = {
        "kill_coord",     "kill_peer",     "kill_receiver",   "kill_plane_old", "kill_plane_new",
        "kill_site_old",  "kill_site_new", "cut_link",        "lose_answers",   "effect_fails",
        "effect_unknown", "observe_blind", "observe_neither", "store_full",
    };
    return names[kind];
}

void sim_trace(struct sim *s, const char *fmt, ...)
{
    va_list ap;
    if (!s->trace)
        return;
    printf("%9.1f  ", (double)(s->now_ns / SIM_MS) / 1000);
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    putchar('\n');
}

void sim_blame(struct sim *s, const char *fmt, ...)
{
    va_list ap;
    if (s->violation[0])
        return;
    va_start(ap, fmt);
    vsnprintf(s->violation, sizeof s->violation, fmt, ap);
    va_end(ap);
    sim_trace(s, "VIOLATION %s", s->violation);
}

/* ---- world ----------------------------------------------------------------------------------- */

static uint64_t boot_ns(void *ctx)
{
    return ((struct sim_site *)ctx)->sim->now_ns;
}

static uint64_t wall_ns(void *ctx)
{
    const struct sim *s = ((struct sim_site *)ctx)->sim;
    return (uint64_t)((int64_t)(WALL_NS + s->now_ns) + s->wall_skew_ns);
}

static void no_wait(void *ctx, const char *run, uint64_t until)
{
    (void)ctx;
    (void)run;
    (void)until;
}

static bool stopping(void *ctx)
{
    return !((struct sim_site *)ctx)->daemon;
}

static void changed(void *ctx, const struct gw_run *run, const struct gw_run_view *v,
                    const struct gw_run_entry *last)
{
    struct sim_site *site = ctx;
    (void)run;
    sim_trace(site->sim, "%u: [%u] %s %s epoch %llu %s%s%s", site->number, last->number,
              gw_entry_kind_name(last->core.kind), gw_run_state_name(v->state),
              (unsigned long long)last->core.epoch, last->detail, last->by[0] ? " by " : "",
              last->by);
}

static int want_driver(void *ctx, const char *run)
{
    struct sim_site *site = ctx;
    site->wanted = true;
    snprintf(site->driven, sizeof site->driven, "%s", run);
    return 0;
}

static int peer(void *ctx, const struct gw_run_message *m, struct gw_run_reply *ret,
                struct gw_error *err)
{
    struct sim_site *site = ctx;
    struct sim_site *other = sim_other(site);
    struct sim *s = site->sim;
    bool wake = false;
    if (!s->link || !other->daemon)
        return gw_error_set(err, s->vague ? -ETIMEDOUT : -ENOTCONN, "no answer");
    if (s->duplicate && gw_run_receive(&other->env, m, ret, &wake, err) == 0)
        gw_run_reply_done(ret);
    int r = gw_run_receive(&other->env, m, ret, &wake, err);
    if (wake)
        want_driver(other, m->run.id);
    if (r == 0 && (!s->link || !other->daemon || s->lose_answers)) {
        gw_run_reply_done(ret);
        return gw_error_set(err, -ETIMEDOUT, "no answer");
    }
    if (r < 0)
        return gw_error_set(err, -ETIMEDOUT, "no answer");
    return 0;
}

/* ---- faults ---------------------------------------------------------------------------------- */

static void kill_daemon(struct sim_site *site)
{
    site->daemon = false;
    memstore_fill(site->store, -1);
}

static void kill_site(struct sim_site *site)
{
    kill_daemon(site);
    site->unit = SIM_OFF;
    site->quiesced = site->token = site->workload = site->authorised = false;
}

/* true: the caller's daemon is the one that died. */
static bool strike(struct sim *s, struct sim_fault *f, struct sim_site *here)
{
    struct sim_site *old = &s->site[s->old], *new = &s->site[1 - s->old];
    f->fired = true;
    f->at_ns = s->now_ns;
    f->victim = -1;
    sim_trace(s, "FAULT %s", sim_fault_name(f->kind));
    switch (f->kind) {
    case SIM_KILL_COORD:
    case SIM_KILL_RECEIVER:
        kill_daemon(here);
        f->victim = (int)here->number;
        break;
    case SIM_KILL_PEER:
        kill_daemon(sim_other(here));
        f->victim = 1 - (int)here->number;
        break;
    case SIM_KILL_PLANE_OLD:
        sim_kill_plane(old);
        break;
    case SIM_KILL_PLANE_NEW:
        sim_kill_plane(new);
        break;
    case SIM_KILL_SITE_OLD:
        kill_site(old);
        f->victim = (int)old->number;
        break;
    case SIM_KILL_SITE_NEW:
        kill_site(new);
        f->victim = (int)new->number;
        break;
    case SIM_CUT_LINK:
        s->link = false;
        break;
    case SIM_LOSE_ANSWERS:
        s->lose_answers = true;
        break;
    case SIM_STORE_FULL:
        memstore_fill(here->store, 0);
        break;
    case SIM_EFFECT_FAILS:
    case SIM_EFFECT_UNKNOWN:
    case SIM_OBSERVE_BLIND:
    case SIM_OBSERVE_NEITHER:
    case SIM_FAULT_MAX:
        break;
    }
    return !here->daemon;
}

static bool crash(void *ctx, enum gw_run_moment moment, const struct gw_run_call *call, bool remote)
{
    struct sim_site *site = ctx;
    struct sim *s = site->sim;
    if (!remote && s->cancel_at == (int)call->index && moment == GW_MOMENT_BEFORE_EFFECT &&
        !s->cancel_asked) {
        s->cancel_asked = true;
        sim_ask(s, site, call->run->id, GW_CHOICE_CANCEL);
    }
    bool died = false;
    for (unsigned i = 0; i < s->n_faults; i++) {
        struct sim_fault *f = &s->fault[i];
        if (!f->fired && f->step == call->index && f->moment == moment && f->undo == call->undo &&
            remote == (f->kind == SIM_KILL_RECEIVER) && f->kind != SIM_EFFECT_FAILS &&
            f->kind != SIM_EFFECT_UNKNOWN && f->kind != SIM_OBSERVE_BLIND &&
            f->kind != SIM_OBSERVE_NEITHER)
            died |= strike(s, f, site);
    }
    return died || !site->daemon;
}

static void resume(struct sim_site *site)
{
    struct gw_error err;
    if (site->daemon && !site->driver)
        (void)gw_run_resume_all(&site->env, want_driver, site, &err);
}

static void restart(struct sim_site *site)
{
    if (site->daemon)
        return;
    gw_run_close(site->driver);
    site->driver = NULL;
    gw_run_at_work_free(site->at_work);
    site->env.at_work = site->at_work = gw_run_at_work_new();
    memstore_crash(site->store, sim_mutation == SIM_LOST_LOG ? 1 : 0);
    site->daemon = true;
}

/* What this fault took comes back, unless another one still holds it. */
static void heal(struct sim *s, struct sim_fault *f)
{
    bool cut = false, full = false, lost = false, dead[2] = { false, false };
    f->healed = true;
    sim_trace(s, "HEALED %s", sim_fault_name(f->kind));
    for (unsigned i = 0; i < s->n_faults; i++) {
        const struct sim_fault *g = &s->fault[i];
        if (!g->fired || g->healed)
            continue;
        cut |= g->kind == SIM_CUT_LINK;
        full |= g->kind == SIM_STORE_FULL;
        lost |= g->kind == SIM_LOSE_ANSWERS;
        if (g->victim >= 0)
            dead[g->victim] = true;
    }
    s->link = !cut;
    s->lose_answers = lost;
    for (unsigned i = 0; i < 2; i++) {
        if (!full)
            memstore_fill(s->site[i].store, -1);
        if (!dead[i])
            restart(&s->site[i]);
        resume(&s->site[i]);
    }
}

static void tick_faults(struct sim *s)
{
    for (unsigned i = 0; i < s->n_faults; i++) {
        struct sim_fault *f = &s->fault[i];
        if (f->fired && !f->healed && s->now_ns >= f->at_ns + f->heal_ms * SIM_MS)
            heal(s, f);
    }
}

static bool all_healed(const struct sim *s)
{
    for (unsigned i = 0; i < s->n_faults; i++)
        if (s->fault[i].fired && !s->fault[i].healed)
            return false;
    return true;
}

/* ---- daemons --------------------------------------------------------------------------------- */

static void tick_daemon(struct sim_site *site)
{
    struct sim *s = site->sim;
    enum gw_run_advance advance;
    enum gw_run_end end;
    struct gw_error err;
    if (!site->daemon) {
        gw_run_close(site->driver);
        site->driver = NULL;
        site->wanted = false;
        return;
    }
    if (!site->driver && s->now_ns >= site->reopen_ns && site->wanted) {
        site->wanted = false;
        if (gw_run_open(&site->env, site->driven, &site->driver, &err) < 0)
            sim_blame(s, "%s", err.msg);
        site->due_ns = 0;
    }
    for (unsigned n = 0; site->driver && s->now_ns >= site->due_ns; n++) {
        if (n > 1000) {
            sim_blame(s, "the executor runs in a circle");
            return;
        }
        int r = gw_run_advance(site->driver, &advance, &site->due_ns, &end, &err);
        if (r == 0 && advance == GW_ADVANCE_AGAIN)
            site->due_ns = 0;
        if (r < 0 && r != -ENOSPC)
            sim_blame(s, "the executor gave up: %s", err.msg);
        if (r < 0 || advance == GW_ADVANCE_END) {
            gw_run_close(site->driver);
            site->driver = NULL;
            if (r < 0 || (end == GW_RUN_STOPPED && site->daemon)) {
                site->wanted = true;
                site->reopen_ns = s->now_ns + REOPEN_MS * SIM_MS;
            }
        }
    }
}

/* ---- the person ------------------------------------------------------------------------------ */

void sim_ask(struct sim *s, struct sim_site *at, const char *id, enum gw_choice choice)
{
    struct gw_run_request q = { .choice = choice, .by = "eva", .reason = "because" };
    struct gw_error err;
    int r = gw_run_ask(&at->env, id, &q, &err);
    sim_trace(s, "PERSON %s: %s", gw_choice_name(choice), r < 0 ? err.msg : "asked");
}

static void choose(struct sim *s, struct sim_site *site, const struct gw_run_look *look)
{
    unsigned choices = look->choices;
    if (choices == 0)
        sim_blame(s, "%s with no choice", gw_run_state_name(look->shown));
    if (++s->decided > DECISIONS_MAX)
        sim_blame(s, "a person decided %u times and it did not end", s->decided);
    for (unsigned i = s->decided - 1; i < s->n_prefers; i++)
        if (choices & (1u << s->prefers[i])) {
            sim_ask(s, site, look->run.id, s->prefers[i]);
            return;
        }
    static const enum gw_choice then[] = { GW_CHOICE_RESUME, GW_CHOICE_RETRY, GW_CHOICE_REVERT,
                                           GW_CHOICE_SKIP, GW_CHOICE_ABORT };
    unsigned from = s->decided < 3 ? 0 : s->decided < 6 ? 1 : s->decided < 9 ? 2 : 4;
    for (unsigned i = from; i < sizeof then / sizeof then[0]; i++)
        if (choices & (1u << then[i])) {
            sim_ask(s, site, look->run.id, then[i]);
            return;
        }
}

static void override(struct sim *s, struct sim_site *site, const char *id)
{
    struct gw_run_look look;
    struct gw_error err;
    if (!s->override_after_ms || site->number == s->old || !site->daemon ||
        gw_run_look(&site->env, id, !s->link, &look, &err) < 0 || look.shown != GW_RUN_IN_DOUBT ||
        !(look.choices & (1u << GW_CHOICE_OVERRIDE)))
        return;
    if (s->doubt_since_ns == 0)
        s->doubt_since_ns = s->now_ns;
    if (s->now_ns < s->doubt_since_ns + s->override_after_ms * SIM_MS)
        return;
    s->override_after_ms = 0;
    s->overridden = true;
    sim_ask(s, site, id, GW_CHOICE_OVERRIDE);
}

static void tick_person(struct sim *s, const char *id)
{
    if (s->tail_since_ns && s->now_ns > s->tail_since_ns + PERSON_MS * SIM_MS)
        s->signed_tail = true;
    for (unsigned i = 0; i < 2; i++) {
        struct sim_site *site = &s->site[i];
        struct gw_run_look look;
        struct gw_error err;
        const struct gw_run_row *row = memstore_row(site->store, id);
        override(s, site, id);
        if (!site->daemon || !row || row->state != GW_RUN_HALTED || !all_healed(s) ||
            memstore_requests(site->store, id) > 0 ||
            s->now_ns < s->person_since_ns + PERSON_MS * SIM_MS ||
            gw_run_look(&site->env, id, !s->link, &look, &err) < 0 ||
            look.me != look.view.coordinator)
            continue;
        s->person_since_ns = s->now_ns;
        choose(s, site, &look);
    }
}

/* ---- setting up ------------------------------------------------------------------------------ */

static const struct gw_run_world world = {
    .effect = sim_effect,
    .undo = sim_undo,
    .observe = sim_observe,
    .peer = peer,
    .boot_ns = boot_ns,
    .wall_ns = wall_ns,
    .wait = no_wait,
    .stopping = stopping,
    .changed = changed,
    .crash = crash,
};

static void make_site(struct sim *s, unsigned i)
{
    struct sim_site *site = &s->site[i];
    site->sim = s;
    site->number = i;
    site->daemon = true;
    site->store = memstore_new();
    site->at_work = gw_run_at_work_new();
    site->env = (struct gw_run_env){ .store = &memstore_store,
                                     .store_ctx = site->store,
                                     .world = &world,
                                     .world_ctx = site,
                                     .site = i ? "lisbon" : "madrid",
                                     .at_work = site->at_work };
    sim_mutate(site);
}

static void write_some(struct sim *s, struct sim_site *site, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        site->data[site->n_data++] = s->next_write++;
}

/* Site 0 serves, site 1 follows. */
static void set_protected(struct sim *s)
{
    struct sim_site *a = &s->site[0], *b = &s->site[1];
    a->role = SIM_ACTIVE;
    a->reign = 1;
    b->role = SIM_STANDBY;
    sim_unit_start(a, SIM_SOURCE);
    sim_unit_start(b, SIM_REPLICA);
    write_some(s, a, 5);
    sim_replicate(s, a, b, SIM_WRITES_MAX);
    a->workload = a->workload_want = true;
}

/* Site 0 serves after a failover; site 1 came back fenced, with a tail. */
static void set_failed_over(struct sim *s)
{
    struct sim_site *a = &s->site[0], *b = &s->site[1];
    set_protected(s);
    sim_unit_stop(b);
    b->role = SIM_FENCED;
    write_some(s, b, 3);
    a->reign = 2;
    b->reign = 1;
    write_some(s, a, 4);
}

void sim_init(struct sim *s, enum gw_operation_id op)
{
    *s =
        (struct sim){ .link = true, .route = -1, .epoch = EPOCH, .next_write = 1, .cancel_at = -1 };
    make_site(s, 0);
    make_site(s, 1);
    if (op == GW_OPERATION_ACTIVATE)
        write_some(s, &s->site[0], 5);
    else if (op == GW_OPERATION_REVERSE || op == GW_OPERATION_REVERT)
        set_failed_over(s);
    else
        set_protected(s);
}

void sim_done(struct sim *s)
{
    for (unsigned i = 0; i < 2; i++) {
        gw_run_close(s->site[i].driver);
        memstore_free(s->site[i].store);
        gw_run_at_work_free(s->site[i].at_work);
    }
}

void sim_begin(struct sim *s, enum gw_operation_id op, const char *id,
               void (*more)(struct gw_run *run))
{
    struct gw_error err;
    struct gw_run run = { .operation = op,
                          .plan = SIM_PLAN,
                          .requester = "ada",
                          .reason = "test",
                          .epoch = s->epoch + (op == GW_OPERATION_FAILOVER),
                          .created_wall_ns = wall_ns(&s->site[0]) };
    snprintf(run.id, sizeof run.id, "%s", id);
    snprintf(run.site[GW_SIDE_OLD], GW_RUN_NAME_MAX, "%s", s->site[s->old].env.site);
    snprintf(run.site[GW_SIDE_NEW], GW_RUN_NAME_MAX, "%s", s->site[1 - s->old].env.site);
    if (more)
        more(&run);
    const struct gw_operation *o = gw_operation_get(op);
    struct sim_site *at = &s->site[o->starts == GW_SIDE_OLD ? s->old : 1 - s->old];
    s->notified = s->released = s->decided = 0;
    s->runs++;
    for (unsigned i = 0; i < 2; i++)
        s->site[i].notified = s->site[i].verified = s->site[i].revoked = false;
    if (gw_run_create(&at->env, &run, &err) < 0)
        sim_blame(s, "%s", err.msg);
    for (unsigned i = 0; i < 2; i++)
        snprintf(s->site[i].driven, sizeof s->site[i].driven, "%s", id);
    at->wanted = true;
}

void sim_tick(struct sim *s)
{
    s->now_ns += SIM_TICK_MS * SIM_MS;
    tick_faults(s);
    if (s->link && s->site[0].daemon && s->site[1].daemon)
        s->confirmed_down = false; /* it was seen alive since: that word no longer holds */
    for (unsigned i = 0; i < 2; i++)
        sim_plane_tick(s, &s->site[i]);
    for (unsigned i = 0; i < 2; i++)
        tick_daemon(&s->site[i]);
    sim_clients(s);
    tick_person(s, s->site[0].driven);
}

void sim_return(struct sim *s, struct sim_site *site)
{
    s->confirmed_down = false;
    restart(site);
    resume(site);
}

bool sim_over(struct sim *s)
{
    bool over = true;
    for (unsigned i = 0; i < 2; i++)
        for (unsigned k = 0; k < memstore_runs(s->site[i].store); k++)
            over &= gw_run_state_ended(
                memstore_row(s->site[i].store, memstore_id(s->site[i].store, k))->state);
    return over && all_healed(s);
}

void sim_settle(struct sim *s, uint64_t limit_ms)
{
    uint64_t until = s->now_ns + limit_ms * SIM_MS;
    while (!sim_over(s) && !s->violation[0]) {
        if (s->now_ns >= until) {
            sim_blame(s, "it did not come to an end in %llu s",
                      (unsigned long long)(limit_ms / 1000));
            return;
        }
        sim_tick(s);
    }
}
