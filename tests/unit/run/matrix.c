// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The crash matrix: every operation, every step, every fault at every moment, in simulated time
 * over the executor as it is shipped. And its own test: with a rule broken (--mutations) it must
 * notice.
 *
 *   matrix [--only TEXT] [--full] [--pairs] [--trace]    the cases whose name contains TEXT
 *   matrix --mutation NAME | --mutations                 ... with one rule broken: is it noticed?
 *
 * Without --full what heals late is tried only where that makes a difference to whoever waits.
 */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT_MS (6u * 3600u * 1000u)
#define AFTER_MS 60000u
#define MINUTE_MS 60000u
#define SHORT_MS 10000u
#define VERY_LONG_MS (2u * 3600u * 1000u)
#define LONG_MS (20u * 60u * 1000u)
/* So long may nobody serve while the run still says that it is at it, and not that a person is
 * needed. */
#define DOWN_MS (45u * 60u * 1000u)
#define RUN_ID "run-1"
#define SECOND_ID "run-2"

struct matrix_case {
    enum gw_operation_id op;
    bool site_lost; /* failover: OLD is dead from the start, and a person has confirmed it */
    struct sim_fault fault[SIM_FAULTS_MAX];
    unsigned n_faults;
    int cancel_at;
    bool duplicate, vague, dry, unhealthy_returns;
    bool taken_over; /* OLD dies, and a person at NEW fails over in the run's place */
    uint64_t override_after_ms;
    char name[160];
};

struct matrix {
    const char *only;
    bool trace, stop_at_first, full;
    unsigned n, unreached, bad;
    bool reached[GW_OPERATION_ID_MAX][GW_OPERATION_STEPS_MAX];
    char first[1024];
};

static struct sim sim;

/* ---- judging --------------------------------------------------------------------------------- */

static enum gw_run_state end_state(const struct sim *s)
{
    for (unsigned i = 0; i < 2; i++) {
        const struct gw_run_row *row = memstore_row(s->site[i].store, RUN_ID);
        if (row && gw_run_state_ended(row->state))
            return row->state;
    }
    return GW_RUN_NEW;
}

/* Who serves when it is over: a number, or -1 for nobody. */
static int expected(const struct matrix_case *c, enum gw_run_state end)
{
    bool done = end == GW_RUN_DONE && !c->dry;
    switch (c->op) {
    case GW_OPERATION_ACTIVATE:
        return done ? 0 : -1;
    case GW_OPERATION_DEACTIVATE:
        return done ? -1 : 0;
    case GW_OPERATION_SWITCHOVER:
    case GW_OPERATION_FAILBACK:
        return done || (end == GW_RUN_FAILED && c->unhealthy_returns) ? 1 : 0;
    case GW_OPERATION_FAILOVER:
    case GW_OPERATION_REVERT:
        return done ? 1 : 0;
    case GW_OPERATION_REVERSE:
    case GW_OPERATION_NONE:
    case GW_OPERATION_TEST:
    case GW_OPERATION_REHEARSAL:
    case GW_OPERATION_RECONCILE:
    case GW_OPERATION_ID_MAX:
        break;
    }
    return 0;
}

static void judge_service(struct sim *s, const struct matrix_case *c, enum gw_run_state end)
{
    int want = expected(c, end);
    for (int i = 0; i < 2; i++) {
        const struct sim_site *site = &s->site[i];
        bool serves = want == -1 ? sim_exported(site) : sim_serving(site);
        bool healthy = !(c->unhealthy_returns && end == GW_RUN_FAILED);
        if (i == want && healthy && !serves)
            sim_blame(s, "%s, and site %d does not serve", gw_run_state_name(end), i);
        if (i != want && serves)
            sim_blame(s, "%s, and site %d serves", gw_run_state_name(end), i);
    }
}

/* Every write that was acknowledged is where it is used, or kept by name. */
static void judge_writes(struct sim *s, const struct matrix_case *c, enum gw_run_state end)
{
    static bool there[SIM_WRITES_MAX];
    int want = expected(c, end);
    if (want < 0)
        want = 0;
    memset(there, 0, sizeof there);
    const struct sim_site *active = &s->site[want];
    for (unsigned i = 0; i < active->n_data; i++)
        there[active->data[i]] = true;
    bool loses = c->op == GW_OPERATION_FAILOVER || c->op == GW_OPERATION_REVERSE ||
                 c->op == GW_OPERATION_REVERT;
    const struct sim_site *other = &s->site[1 - want];
    for (unsigned i = 0; i < other->n_data && loses; i++)
        there[other->data[i]] = true;
    for (unsigned i = 1; i < s->next_write; i++)
        if (!there[i] && !(loses && s->kept[i]))
            sim_blame(s, "%s, and write %u is nowhere", gw_run_state_name(end), i);
}

static void judge_replication(struct sim *s, const struct matrix_case *c, enum gw_run_state end)
{
    int want = expected(c, end);
    bool goes_on = c->op == GW_OPERATION_SWITCHOVER || c->op == GW_OPERATION_FAILBACK ||
                   (c->op == GW_OPERATION_DEACTIVATE && end != GW_RUN_DONE) ||
                   (c->op == GW_OPERATION_ACTIVATE && end == GW_RUN_DONE) ||
                   (c->op == GW_OPERATION_REVERSE && end == GW_RUN_DONE);
    if (!goes_on || want < 0 || c->dry)
        return;
    struct sim_site *from = &s->site[want];
    if (!sim_connected(s, from) || sim_other(from)->n_data + 5 < from->n_data)
        sim_blame(s, "%s, and it is not replicated from site %d", gw_run_state_name(end), want);
}

/* Both sites tell the same story, and the chain holds. */
static void judge_logs(struct sim *s)
{
    uint32_t n[2];
    const struct gw_run_entry *log[2];
    for (unsigned i = 0; i < 2; i++) {
        struct gw_run_look look;
        struct gw_error err;
        log[i] = memstore_log(s->site[i].store, RUN_ID, &n[i]);
        if (log[i] && gw_run_look(&s->site[i].env, RUN_ID, false, &look, &err) < 0)
            sim_blame(s, "site %u: %s", i, err.msg);
    }
    if (!log[0] || !log[1])
        return;
    if (n[0] != n[1] || !gw_run_entry_equal(&log[0][n[0] - 1], &log[1][n[1] - 1]))
        sim_blame(s, "the two sites' logs differ: %u and %u entries", n[0], n[1]);
}

static bool may_abort(const struct matrix_case *c)
{
    return c->n_faults > 1;
}

static void judge(struct sim *s, const struct matrix_case *c)
{
    enum gw_run_state end = end_state(s);
    if (end == GW_RUN_ABORTED) {
        if (!may_abort(c))
            sim_blame(s, "a person had to abort it");
        return;
    }
    bool cancel = c->cancel_at >= 0;
    unsigned ponr = gw_operation_ponr(gw_operation_get(c->op));
    if (cancel && !c->n_faults && !c->site_lost && (unsigned)c->cancel_at < ponr &&
        end != GW_RUN_CANCELLED)
        sim_blame(s, "cancelled before the point of no return, and it is %s",
                  gw_run_state_name(end));
    if (!c->n_faults && (!cancel || (unsigned)c->cancel_at >= ponr) && end != GW_RUN_DONE)
        sim_blame(s, "nothing went wrong, and it is %s", gw_run_state_name(end));
    judge_service(s, c, end);
    judge_writes(s, c, end);
    judge_replication(s, c, end);
    judge_logs(s);
}

/* While it goes on: nobody serves for long without the run saying that a person is needed. */
static void watch(struct sim *s)
{
    if (s->down_ns < DOWN_MS * SIM_MS)
        return;
    for (unsigned i = 0; i < 2; i++) {
        struct gw_run_look look;
        struct gw_error err;
        if (!s->site[i].daemon || gw_run_look(&s->site[i].env, RUN_ID, !s->link, &look, &err) < 0)
            continue;
        if (look.shown != GW_RUN_RUNNING && look.shown != GW_RUN_CANCELLING &&
            look.shown != GW_RUN_REVERTING)
            return;
    }
    sim_blame(s, "nobody serves for long, and no site says that a person is needed");
}

/* ---- one case -------------------------------------------------------------------------------- */

static const struct matrix_case *present;

static void more(struct gw_run *run)
{
    run->dry_run = present->dry;
    run->return_on_unhealthy = present->unhealthy_returns;
}

static void set_up(struct sim *s, const struct matrix_case *c)
{
    sim_init(s, c->op);
    memcpy(s->fault, c->fault, sizeof s->fault);
    s->n_faults = c->n_faults;
    s->cancel_at = c->cancel_at;
    s->duplicate = c->duplicate;
    s->vague = c->vague;
    s->override_after_ms = c->override_after_ms;
    if (c->site_lost) {
        struct sim_site *old = &s->site[0];
        s->confirmed_down = true;
        old->daemon = old->quiesced = old->token = old->workload = old->authorised = false;
        old->unit = SIM_OFF;
    }
}

static void in_place(struct gw_run *run)
{
    snprintf(run->supersedes, sizeof run->supersedes, "%s",
             memstore_row(sim.site[1].store, RUN_ID) ? RUN_ID : "");
}

/* The other site is dead, and the run with it: a person at NEW lets it take over. */
static void fail_over(struct sim *s)
{
    const struct gw_run_row *row = memstore_row(s->site[1].store, RUN_ID);
    if (s->site[0].daemon || s->now_ns < s->fault[0].at_ns + MINUTE_MS * SIM_MS ||
        memstore_row(s->site[1].store, SECOND_ID) ||
        (row && (row->coordinator == GW_SIDE_NEW || gw_run_state_ended(row->state))))
        return;
    s->confirmed_down = true;
    sim_begin(s, GW_OPERATION_FAILOVER, SECOND_ID, in_place);
}

static void judge_taken_over(struct sim *s)
{
    const struct matrix_case failover = { .op = GW_OPERATION_FAILOVER, .site_lost = true };
    const struct gw_run_row *first[2], *second = memstore_row(s->site[1].store, SECOND_ID);
    for (unsigned i = 0; i < 2; i++)
        first[i] = memstore_row(s->site[i].store, RUN_ID);
    if (!second || second->state != GW_RUN_DONE)
        sim_blame(s, "the failover is not through");
    if (!first[0] || first[0]->state != GW_RUN_ABORTED ||
        (first[1] && first[1]->state != GW_RUN_ABORTED))
        sim_blame(s, "the run whose place was taken is not over at both sites");
    judge_service(s, &failover, GW_RUN_DONE);
    judge_writes(s, &failover, GW_RUN_DONE);
}

static bool run_case(struct matrix *m, const struct matrix_case *c)
{
    struct sim *s = &sim;
    set_up(s, c);
    s->trace = m->trace;
    present = c;
    sim_begin(s, c->op, RUN_ID, more);
    uint64_t until = s->now_ns + LIMIT_MS * SIM_MS;
    while (!sim_over(s) && !s->violation[0]) {
        sim_tick(s);
        watch(s);
        if (c->taken_over && s->fault[0].fired)
            fail_over(s);
        if (s->now_ns > until)
            sim_blame(s, "it does not come to an end");
    }
    if (c->site_lost)
        sim_return(s, &s->site[0]);
    for (unsigned ms = 0; ms < AFTER_MS && !s->violation[0]; ms += SIM_TICK_MS)
        sim_tick(s);
    if (!s->violation[0] && memstore_row(s->site[1].store, SECOND_ID))
        judge_taken_over(s);
    else if (!s->violation[0])
        judge(s, c);
    bool fired = true;
    for (unsigned i = 0; i < s->n_faults; i++) {
        fired &= s->fault[i].fired;
        if (s->fault[i].fired)
            m->reached[c->op][s->fault[i].step] = true;
    }
    sim_done(s);
    return fired;
}

static void visit(struct matrix *m, const struct matrix_case *c)
{
    if ((m->only && !strstr(c->name, m->only)) || (m->stop_at_first && m->bad))
        return;
    if (m->trace)
        printf("== %s\n", c->name);
    m->n++;
    if (!run_case(m, c))
        m->unreached++;
    if (!sim.violation[0])
        return;
    if (!m->bad++)
        snprintf(m->first, sizeof m->first, "%s: %s", c->name, sim.violation);
    if (!m->stop_at_first)
        printf("FAILED %s: %s\n", c->name, sim.violation);
}

/* ---- the families of cases ------------------------------------------------------------------- */

static const enum gw_operation_id operations[] = {
    GW_OPERATION_ACTIVATE, GW_OPERATION_DEACTIVATE, GW_OPERATION_SWITCHOVER,
    GW_OPERATION_FAILOVER, GW_OPERATION_REVERSE,    GW_OPERATION_REVERT,
};
#define N_OPERATIONS (sizeof operations / sizeof operations[0])

static const enum sim_fault_kind kinds[] = {
    SIM_KILL_COORD,     SIM_KILL_PEER,     SIM_KILL_RECEIVER,  SIM_KILL_PLANE_OLD,
    SIM_KILL_PLANE_NEW, SIM_KILL_SITE_OLD, SIM_KILL_SITE_NEW,  SIM_CUT_LINK,
    SIM_LOSE_ANSWERS,   SIM_EFFECT_FAILS,  SIM_EFFECT_UNKNOWN, SIM_STORE_FULL,
};
#define N_KINDS (sizeof kinds / sizeof kinds[0])

static bool by_moment(enum sim_fault_kind k)
{
    return k != SIM_EFFECT_FAILS && k != SIM_EFFECT_UNKNOWN && k != SIM_OBSERVE_BLIND &&
           k != SIM_OBSERVE_NEITHER;
}

static bool is_waited_for(enum sim_fault_kind k)
{
    return k == SIM_CUT_LINK || k == SIM_KILL_PEER || k == SIM_KILL_SITE_OLD ||
           k == SIM_KILL_SITE_NEW;
}

static void name_case(struct matrix_case *c, const char *family)
{
    const struct gw_operation *op = gw_operation_get(c->op);
    int n = snprintf(c->name, sizeof c->name, "%s%s/%s", gw_operation_name(c->op),
                     c->site_lost ? "-lost" : "", family);
    if (c->cancel_at >= 0)
        n += snprintf(c->name + n, sizeof c->name - (size_t)n, "/at-%s",
                      gw_step_name(op->steps[c->cancel_at].id));
    for (unsigned i = 0; i < c->n_faults; i++) {
        const struct sim_fault *f = &c->fault[i];
        n += snprintf(c->name + n, sizeof c->name - (size_t)n, "/%s%s:%s:%s:%llus",
                      f->undo ? "undo-" : "", gw_step_name(op->steps[f->step].id),
                      gw_run_moment_name(f->moment), sim_fault_name(f->kind),
                      (unsigned long long)(f->heal_ms / 1000));
    }
}

/* Calls with each single fault of c->op in place of fault[k]. */
static void each_fault(struct matrix *m, struct matrix_case *c, unsigned k, bool undo,
                       unsigned from_step, void (*fn)(struct matrix *m, struct matrix_case *c))
{
    static const uint64_t heals[] = { SHORT_MS, LONG_MS };
    const struct gw_operation *op = gw_operation_get(c->op);
    c->n_faults = k + 1;
    for (unsigned step = from_step; step < op->n_steps; step++)
        for (unsigned kind = 0; kind < N_KINDS; kind++)
            for (unsigned moment = 0; moment < GW_RUN_MOMENT_MAX; moment++)
                for (unsigned h = 0; h < 2; h++) {
                    if (undo && !op->steps[step].undo)
                        continue;
                    if (moment > 0 && !by_moment(kinds[kind]))
                        continue;
                    if (h > 0 && !m->full && !is_waited_for(kinds[kind]))
                        continue;
                    c->fault[k] = (struct sim_fault){ .kind = kinds[kind],
                                                      .step = step,
                                                      .moment = (enum gw_run_moment)moment,
                                                      .undo = undo,
                                                      .heal_ms = heals[h],
                                                      .victim = -1 };
                    fn(m, c);
                }
    c->n_faults = k;
}

static void single(struct matrix *m, struct matrix_case *c)
{
    name_case(c, "fault");
    visit(m, c);
}

static void cancelled(struct matrix *m, struct matrix_case *c)
{
    name_case(c, "cancel");
    visit(m, c);
}

static void paired(struct matrix *m, struct matrix_case *c)
{
    name_case(c, "pair");
    visit(m, c);
}

static void second(struct matrix *m, struct matrix_case *c)
{
    each_fault(m, c, 1, c->cancel_at >= 0, c->cancel_at >= 0 ? 0 : c->fault[0].step, paired);
}

/* A step whose outcome is unknown, and that cannot be seen, or looks strange. */
static void unseen(struct matrix *m, struct matrix_case *c)
{
    const struct gw_operation *op = gw_operation_get(c->op);
    static const enum sim_fault_kind eyes[] = { SIM_OBSERVE_BLIND, SIM_OBSERVE_NEITHER };
    c->n_faults = 2;
    for (unsigned step = 0; step < op->n_steps; step++)
        for (unsigned e = 0; e < 2; e++)
            for (unsigned first = 0; first < 2; first++) {
                c->fault[0] =
                    (struct sim_fault){ .kind = first ? SIM_EFFECT_UNKNOWN : SIM_KILL_COORD,
                                        .step = step,
                                        .heal_ms = SHORT_MS,
                                        .victim = -1 };
                c->fault[1] = (struct sim_fault){
                    .kind = eyes[e], .step = step, .heal_ms = LONG_MS, .victim = -1
                };
                name_case(c, "unseen");
                visit(m, c);
            }
    c->n_faults = 0;
}

static void plain(struct matrix *m, struct matrix_case c, const char *family)
{
    name_case(&c, family);
    visit(m, &c);
}

static void variants(struct matrix *m, const struct matrix_case *c)
{
    struct matrix_case v = *c;
    plain(m, v, "plain");
    v.duplicate = true;
    plain(m, v, "duplicate");
    v = *c;
    v.dry = true;
    plain(m, v, "dry");
}

static void cancels(struct matrix *m, struct matrix_case *c)
{
    const struct gw_operation *op = gw_operation_get(c->op);
    for (unsigned step = 0; step < op->n_steps; step++) {
        struct matrix_case v = *c;
        v.cancel_at = (int)step;
        plain(m, v, "cancel");
    }
}

/* The last step before the point of no return is when there is most to take back. */
static unsigned last_before(const struct gw_operation *op)
{
    unsigned ponr = gw_operation_ponr(op);
    return ponr < op->n_steps ? ponr - 1 : op->n_steps - 2;
}

static void of_operation(struct matrix *m, enum gw_operation_id id, bool lost, bool pairs)
{
    struct matrix_case c = { .op = id, .cancel_at = -1, .site_lost = lost };
    if (pairs) {
        each_fault(m, &c, 0, false, 0, second);
        c.cancel_at = (int)last_before(gw_operation_get(id));
        each_fault(m, &c, 0, true, 0, second);
        return;
    }
    variants(m, &c);
    each_fault(m, &c, 0, false, 0, single);
    c.vague = true;
    if (m->full)
        each_fault(m, &c, 0, false, gw_operation_ponr(gw_operation_get(id)), single);
    c.vague = false;
    unseen(m, &c);
    if (lost)
        return; /* a cancel needs the other site: refused; unit tests look at that */
    cancels(m, &c);
    c.cancel_at = (int)last_before(gw_operation_get(id));
    each_fault(m, &c, 0, true, 0, cancelled);
}

/* The release with the link cut: neither side serves until a person at NEW says that OLD will not.
 */
static void overrides(struct matrix *m)
{
    const struct gw_operation *op = gw_operation_get(GW_OPERATION_SWITCHOVER);
    unsigned at = gw_operation_ponr(op);
    for (unsigned moment = 0; moment < GW_RUN_MOMENT_MAX; moment++)
        for (unsigned dies = 0; dies < 2; dies++) {
            struct matrix_case c = { .op = GW_OPERATION_SWITCHOVER,
                                     .cancel_at = -1,
                                     .n_faults = 1 + dies,
                                     .override_after_ms = 60000 };
            c.fault[0] = (struct sim_fault){ .kind = SIM_CUT_LINK,
                                             .step = at,
                                             .moment = (enum gw_run_moment)moment,
                                             .heal_ms = LONG_MS,
                                             .victim = -1 };
            c.fault[1] = c.fault[0];
            c.fault[1].kind = SIM_KILL_COORD;
            c.fault[1].heal_ms = SHORT_MS;
            name_case(&c, "override");
            visit(m, &c);
        }
}

/* After the release OLD is away for hours: NEW serves all the same. */
static void outages(struct matrix *m)
{
    static const enum sim_fault_kind gone[] = { SIM_CUT_LINK, SIM_KILL_SITE_OLD };
    const struct gw_operation *op = gw_operation_get(GW_OPERATION_SWITCHOVER);
    for (unsigned step = gw_operation_find(op, GW_STEP_DEMOTE); step < op->n_steps; step++)
        for (unsigned g = 0; g < 2; g++) {
            struct matrix_case c = { .op = op->id, .cancel_at = -1, .n_faults = 1 };
            c.fault[0] = (struct sim_fault){
                .kind = gone[g], .step = step, .heal_ms = VERY_LONG_MS, .victim = -1
            };
            plain(m, c, "outage");
        }
}

/* OLD dies in the middle of a switchover and comes back when NEW has long taken over. */
static void take_overs(struct matrix *m)
{
    const struct gw_operation *op = gw_operation_get(GW_OPERATION_FAILBACK);
    for (unsigned step = 0; step <= gw_operation_ponr(op); step++)
        for (unsigned moment = 0; moment < GW_RUN_MOMENT_MAX; moment++) {
            struct matrix_case c = {
                .op = op->id, .cancel_at = -1, .n_faults = 1, .taken_over = true
            };
            c.fault[0] = (struct sim_fault){ .kind = SIM_KILL_SITE_OLD,
                                             .step = step,
                                             .moment = (enum gw_run_moment)moment,
                                             .heal_ms = LONG_MS,
                                             .victim = -1 };
            plain(m, c, "taken-over");
        }
}

static void specials(struct matrix *m)
{
    overrides(m);
    outages(m);
    take_overs(m);
    const struct gw_operation *op = gw_operation_get(GW_OPERATION_FAILBACK);
    struct matrix_case c = {
        .op = GW_OPERATION_FAILBACK, .cancel_at = -1, .n_faults = 1, .unhealthy_returns = true
    };
    c.fault[0] = (struct sim_fault){ .kind = SIM_EFFECT_FAILS,
                                     .step = gw_operation_find(op, GW_STEP_START),
                                     .heal_ms = LONG_MS,
                                     .victim = -1 };
    plain(m, c, "unhealthy-returns");
    c = (struct matrix_case){ .op = GW_OPERATION_FAILBACK, .cancel_at = -1 };
    variants(m, &c);
    cancels(m, &c);
}

static void all(struct matrix *m, bool pairs)
{
    if (!pairs)
        specials(m);
    for (unsigned i = 0; i < N_OPERATIONS; i++)
        of_operation(m, operations[i], false, pairs);
    of_operation(m, GW_OPERATION_FAILOVER, true, pairs);
}

/* A test that reaches nothing proves nothing. */
static void check_coverage(struct matrix *m)
{
    for (unsigned i = 0; i < N_OPERATIONS && !m->only; i++) {
        const struct gw_operation *op = gw_operation_get(operations[i]);
        for (unsigned step = 0; step < op->n_steps; step++)
            if (!m->reached[op->id][step]) {
                printf("FAILED no fault ever reached %s/%s\n", gw_operation_name(op->id),
                       gw_step_name(op->steps[step].id));
                m->bad++;
            }
    }
}

/* ---- broken rules ---------------------------------------------------------------------------- */

static bool noticed(enum sim_mutation mutation, const char *only)
{
    struct matrix m = { .only = only, .stop_at_first = true };
    sim_mutation = mutation;
    all(&m, false);
    sim_mutation = SIM_SOUND;
    printf("%-30s %s\n", sim_mutation_name(mutation), m.bad ? m.first : "SURVIVED");
    return m.bad > 0;
}

static int check_mutations(const char *name, const char *only)
{
    unsigned survived = 0, n = 0;
    for (unsigned i = 1; i < SIM_MUTATION_MAX; i++)
        if (!name || strcmp(name, sim_mutation_name((enum sim_mutation)i)) == 0) {
            n++;
            survived += !noticed((enum sim_mutation)i, only);
        }
    printf("%u broken rules, %u not noticed\n", n, survived);
    return n > 0 && survived == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    struct matrix m = { 0 };
    bool pairs = false, mutations = false;
    const char *mutation = NULL;
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--only") == 0 && i + 1 < argc) {
            m.only = argv[++i];
        } else if (strcmp(argv[i], "--mutation") == 0 && i + 1 < argc) {
            mutation = argv[++i];
            mutations = true;
        } else if (strcmp(argv[i], "--mutations") == 0) {
            mutations = true;
        } else if (strcmp(argv[i], "--pairs") == 0) {
            pairs = true;
        } else if (strcmp(argv[i], "--full") == 0) {
            m.full = true;
        } else if (strcmp(argv[i], "--trace") == 0) {
            m.trace = true;
        } else {
            fprintf(stderr, "usage: matrix [--only TEXT] [--full] [--pairs] [--trace] "
                            "[--mutation NAME] [--mutations]\n");
            return 2;
        }
    }
    if (mutations)
        return check_mutations(mutation, m.only);
    all(&m, pairs);
    if (!pairs)
        check_coverage(&m);
    printf("%u cases, %u of them with a fault that was never reached, %u failed\n", m.n,
           m.unreached, m.bad);
    return m.bad ? EXIT_FAILURE : EXIT_SUCCESS;
}
