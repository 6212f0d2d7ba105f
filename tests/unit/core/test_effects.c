// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The executor's edges against the lifecycle's: every step of every operation, in both directions,
 * walked through the tables. No step does what the tables refuse, the headline speaks of the run
 * all the time and is never red, and when the run ends the plan is where it says.
 */
#include "core/lifecycle_effects.h"
#include "core/phase.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* A plan in a walk: the tables' values and what is known. */
struct walk {
    enum gw_operation_id operation;
    enum gw_label new_label;
    bool tail;     /* the returning site has one */
    bool old_lost; /* failover: nobody can ask it */
    struct gw_phase_facts f;
    struct gw_life_facts l;
};

static enum gw_label label_of(const struct walk *w, enum gw_run_side side)
{
    return side == GW_SIDE_NEW ? w->new_label : gw_label_other(w->new_label);
}

static const struct gw_operation *steps_of(enum gw_operation_id id)
{
    return gw_operation_get(id == GW_OPERATION_FAILBACK ? GW_OPERATION_SWITCHOVER : id);
}

/* What was seen when a step is done; the next events may rely on it. */
static void learn(struct walk *w, enum gw_step_id step)
{
    struct gw_life_facts *l = &w->l;
    if (step == GW_STEP_EQUAL)
        l->token_equal = GW_TRI_YES;
    if (step == GW_STEP_HANDOVER)
        l->released = GW_TRI_YES;
    if (step == GW_STEP_REVOKE && w->old_lost)
        l->override = GW_TRI_YES; /* --confirm-site-down */
    if ((step == GW_STEP_REVOKE && !w->old_lost) || step == GW_STEP_KEEP)
        l->other_fenced = GW_TRI_YES;
    if (step == GW_STEP_FOLLOW)
        l->undo_kept = l->maps_empty = GW_TRI_YES;
    if (step == GW_STEP_CREATE_DR)
        l->peer_blank = GW_TRI_YES;
}

static unsigned *value_of(struct walk *w, const struct gw_life_effect *e)
{
    if (e->table == &gw_auth_table)
        return (unsigned *)&w->f.holder;
    if (e->table == &gw_repl_table)
        return (unsigned *)&w->f.repl;
    return (unsigned *)&w->f.svc[label_of(w, e->side)];
}

static bool happens(const struct walk *w, const struct gw_life_effect *e)
{
    if (!e->maybe)
        return true;
    if (e->step == GW_STEP_REVOKE)
        return !w->old_lost;
    if (e->step == GW_STEP_ASSESS)
        return w->tail;
    return true;
}

static void apply(struct walk *w, const struct gw_life_effect *e)
{
    unsigned *value = value_of(w, e);
    struct gw_life_result r;
    struct gw_life_facts l = w->l;
    l.is_holder = gw_tri_of(w->f.holder == gw_holder_of(label_of(w, e->side)));
    l.compared = gw_tri_of(e->step == GW_STEP_ASSESS || e->step == GW_STEP_PROMOTE);
    l.tail_signed = gw_tri_of(w->tail);
    gw_life_step(e->table, *value, gw_life_effect_event(e, w->new_label), &l, &r);
    if (r.verdict != GW_LIFE_OK)
        fail_msg("%s, step %s: %s %s + %s: %s", gw_operation_name(w->operation),
                 gw_step_name(e->step), e->table->name, e->table->value_name[*value],
                 e->table->event_name[gw_life_effect_event(e, w->new_label)], r.sentence);
    *value = r.to;
    if (r.action == GW_LIFE_DO_CONSISTENT)
        w->f.synced = GW_TRI_YES;
    if (r.action == GW_LIFE_DO_TURN) {
        w->f.synced = GW_TRI_NO;
        w->f.role_changed = GW_TRI_YES;
    }
    w->f.dir_from = w->f.repl == GW_LIFE_REPL_NONE ? GW_HOLDER_NONE : w->f.holder;
}

static void done(struct walk *w, enum gw_step_id step)
{
    const struct gw_life_effect *e;
    enum gw_operation_id id =
        w->operation == GW_OPERATION_FAILBACK ? GW_OPERATION_SWITCHOVER : w->operation;
    if (step == GW_STEP_EQUAL || step == GW_STEP_REVOKE || step == GW_STEP_CREATE_DR)
        learn(w, step); /* the event rests on it */
    for (unsigned i = 0; (e = gw_life_effect(i)) != NULL; i++) {
        if (e->operation == id && e->step == step && e->table != NULL && happens(w, e))
            apply(w, e);
    }
    learn(w, step);
}

static void phase_is(const struct walk *w, enum gw_phase_word want, enum gw_step_id step)
{
    struct gw_phase p;
    gw_phase_of(&w->f, &p);
    if (p.phase != want)
        fail_msg("%s after %s: %s (%s), and not %s", gw_operation_name(w->operation),
                 gw_step_name(step), gw_phase_name(p.phase), gw_phase_row(p.row)->when,
                 gw_phase_name(want));
}

/* `during`: the headline of the run; MAX: what it was, until it changes to `after`. */
static void walk(struct walk *w, enum gw_phase_word during, enum gw_phase_word after)
{
    const struct gw_operation *op = steps_of(w->operation);
    struct gw_life_result r;
    w->l.activated = w->f.activated;
    w->l.committed = w->f.committed;
    gw_op_step(GW_OPERATION_NONE, gw_op_begin(w->operation), &w->l, &r);
    assert_int_equal(r.verdict, GW_LIFE_OK);
    w->f.op = (enum gw_operation_id)r.to;
    w->f.run = GW_RUN_RUNNING;
    for (unsigned i = 0; i < op->n_steps; i++) {
        done(w, op->steps[i].id);
        if (during != GW_PHASE_MAX)
            phase_is(w, during, op->steps[i].id);
    }
    gw_op_step(w->f.op, GW_OP_END, &w->l, &r);
    assert_int_equal(r.verdict, GW_LIFE_OK);
    w->f.op = (enum gw_operation_id)r.to;
    w->f.run = GW_RUN_DONE;
    if (w->operation == GW_OPERATION_ACTIVATE)
        w->f.activated = GW_TRI_YES;
    if (w->operation == GW_OPERATION_DEACTIVATE)
        w->f.activated = GW_TRI_NO;
    if (w->operation == GW_OPERATION_FAILOVER)
        w->f.committed = GW_TRI_NO;
    if (w->operation == GW_OPERATION_REVERT)
        w->f.committed = GW_TRI_YES;
    phase_is(w, after, GW_STEP_REPORT);
    w->l = (struct gw_life_facts){ .released = GW_TRI_NO };
}

static struct walk new_walk(void)
{
    return (struct walk){
        .l = { .released = GW_TRI_NO },
        .f = { .svc = { GW_SVC_STOPPED, GW_SVC_STOPPED },
               .retired = GW_TRI_NO,
               .activated = GW_TRI_NO,
               .role_changed = GW_TRI_NO,
               .committed = GW_TRI_YES,
               .memory_older = GW_TRI_NO,
               .split_brain = GW_TRI_NO,
               .suspect = GW_TRI_NO,
               .link_up = GW_TRI_YES,
               .peer_reachable = GW_TRI_YES,
               .lag_ok = GW_TRI_YES },
    };
}

static void go(struct walk *w, enum gw_operation_id op, enum gw_label new_label,
               enum gw_phase_word during, enum gw_phase_word after)
{
    w->operation = op;
    w->new_label = new_label;
    walk(w, during, after);
}

static struct walk protected_walk(void)
{
    struct walk w = new_walk();
    struct gw_life_result r;
    go(&w, GW_OPERATION_ACTIVATE, GW_LABEL_DR, GW_PHASE_SEEDING, GW_PHASE_SEEDING);
    gw_repl_step(w.f.repl, GW_LIFE_REPL_FOLLOW_ASYNC, &w.l, &r); /* the seed is through */
    w.f.repl = (enum gw_repl)r.to;
    w.f.synced = gw_tri_of(r.action == GW_LIFE_DO_CONSISTENT);
    phase_is(&w, GW_PHASE_PROTECTED, GW_STEP_REPORT);
    return w;
}

static void test_there_and_back(void **state)
{
    struct walk w = protected_walk();
    go(&w, GW_OPERATION_SWITCHOVER, GW_LABEL_DR, GW_PHASE_SWITCHING, GW_PHASE_PROTECTED_SWAPPED);
    go(&w, GW_OPERATION_FAILBACK, GW_LABEL_HOME, GW_PHASE_FAILING_BACK, GW_PHASE_PROTECTED);
    go(&w, GW_OPERATION_DEACTIVATE, GW_LABEL_DR, GW_PHASE_DEGRADED, GW_PHASE_DEFINED);
}

/* Home dies, dr takes over; home comes back with or without a tail; and home it goes. */
static void disaster(bool tail)
{
    struct walk w = protected_walk();
    w.f.svc[GW_LABEL_HOME] = GW_SVC_UNKNOWN;
    w.f.peer_reachable = w.f.link_up = GW_TRI_NO;
    w.old_lost = true;
    go(&w, GW_OPERATION_FAILOVER, GW_LABEL_DR, GW_PHASE_FAILING_OVER, GW_PHASE_FAILED_OVER);
    w.f.committed = GW_TRI_YES;
    phase_is(&w, GW_PHASE_EXPOSED, GW_STEP_REPORT);
    w.f.svc[GW_LABEL_HOME] = GW_SVC_FENCED;
    w.f.peer_reachable = w.f.link_up = GW_TRI_YES;
    w.old_lost = false;
    w.tail = tail;
    go(&w, GW_OPERATION_REVERSE, GW_LABEL_HOME, GW_PHASE_MAX, GW_PHASE_PROTECTED_SWAPPED);
    w.tail = false;
    w.f.cutover_ok = w.f.preflight_ok = GW_TRI_YES;
    phase_is(&w, GW_PHASE_READY_TO_FAIL_BACK, GW_STEP_REPORT);
    go(&w, GW_OPERATION_FAILBACK, GW_LABEL_HOME, GW_PHASE_FAILING_BACK, GW_PHASE_PROTECTED);
}

static void test_disaster(void **state)
{
    disaster(false);
    disaster(true);
}

/* Both sites are there and dr is promoted by order; then it is taken back. */
static void test_failover_and_revert(void **state)
{
    struct walk w = protected_walk();
    go(&w, GW_OPERATION_FAILOVER, GW_LABEL_DR, GW_PHASE_FAILING_OVER, GW_PHASE_FAILED_OVER);
    assert_int_equal(w.f.svc[GW_LABEL_HOME], GW_SVC_FENCED);
    go(&w, GW_OPERATION_REVERT, GW_LABEL_HOME, GW_PHASE_REVERTING, GW_PHASE_EXPOSED);
    assert_int_equal(w.f.svc[GW_LABEL_HOME], GW_SVC_RUNNING);
    assert_int_equal(w.f.svc[GW_LABEL_DR], GW_SVC_FENCED);
}

/* Without what a step rests on, the tables do not follow. */
static void test_out_of_order(void **state)
{
    struct gw_life_result r;
    const struct gw_life_facts f = { .released = GW_TRI_NO };
    gw_auth_step(GW_HOLDER_DR, GW_AUTH_RELEASE, &f, &r); /* handover without equal */
    assert_int_not_equal(r.verdict, GW_LIFE_OK);
    gw_auth_step(GW_HOLDER_DR, GW_AUTH_TAKE_HOME, &f, &r); /* promote without handover */
    assert_int_not_equal(r.verdict, GW_LIFE_OK);
    gw_svc_step(GW_SVC_STOPPED, GW_SVC_START, &f, &r); /* serve without promote */
    assert_int_not_equal(r.verdict, GW_LIFE_OK);
    gw_repl_step(GW_LIFE_REPL_UNSYNC, GW_LIFE_REPL_COPY, &f, &r); /* sync without follow */
    assert_int_not_equal(r.verdict, GW_LIFE_OK);
}

static bool listed(enum gw_operation_id op, enum gw_step_id step)
{
    const struct gw_life_effect *e;
    for (unsigned i = 0; (e = gw_life_effect(i)) != NULL; i++) {
        if (e->operation == op && e->step == step)
            return true;
    }
    return false;
}

/* Every step has a row, every row a step, and they stand in the order of the steps. */
static void test_rows_and_steps(void **state)
{
    for (unsigned id = 1; id < GW_OPERATION_ID_MAX; id++) {
        const struct gw_operation *op = gw_operation_get((enum gw_operation_id)id);
        if (op == NULL || id == GW_OPERATION_FAILBACK)
            continue;
        for (unsigned s = 0; s < op->n_steps; s++) {
            if (!listed(op->id, op->steps[s].id))
                fail_msg("%s: step %s is not in lifecycle_effects.c", gw_operation_name(op->id),
                         gw_step_name(op->steps[s].id));
        }
    }
    const struct gw_life_effect *e;
    unsigned last = 0;
    enum gw_operation_id op_id = GW_OPERATION_NONE;
    for (unsigned i = 0; (e = gw_life_effect(i)) != NULL; i++) {
        const struct gw_operation *op = gw_operation_get(e->operation);
        assert_non_null(op);
        unsigned at = gw_operation_find(op, e->step);
        if (at == op->n_steps || (e->operation == op_id && at < last))
            fail_msg("%s: %s is no step of it, or not in its place",
                     gw_operation_name(e->operation), gw_step_name(e->step));
        last = at;
        op_id = e->operation;
    }
}

/* A failback is the same steps as a switchover: what is listed for one holds for both. */
static void test_failback_is_a_switchover(void **state)
{
    const struct gw_operation *a = gw_operation_get(GW_OPERATION_SWITCHOVER);
    const struct gw_operation *b = gw_operation_get(GW_OPERATION_FAILBACK);
    assert_int_equal(a->n_steps, b->n_steps);
    for (unsigned i = 0; i < a->n_steps; i++)
        assert_int_equal(a->steps[i].id, b->steps[i].id);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_and_steps),      cmocka_unit_test(test_failback_is_a_switchover),
        cmocka_unit_test(test_there_and_back),      cmocka_unit_test(test_disaster),
        cmocka_unit_test(test_failover_and_revert), cmocka_unit_test(test_out_of_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
