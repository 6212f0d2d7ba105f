// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The decider, exhaustively over small operations: from the creation on, every fact, every outcome
 * of every action, every word of a person; each state of the run once. What is decided must fit
 * into the log, and the rules D1 to D10 must hold in every state and on every edge.
 */
#include "core/decide.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- small operations ------------------------------------------------------------------------ */

#define STEP(ID, PLACE, CLASS, FAILURE, ...)                                                       \
    {                                                                                              \
        .id = GW_STEP_##ID, .place = GW_PLACE_##PLACE, .class = GW_CLASS_##CLASS,                  \
        .on_failure = GW_FAILURE_##FAILURE, .timeout_ms = 1000, __VA_ARGS__                        \
    }

static const struct gw_step moves[] = {
    STEP(STOP, OLD, IDEMPOTENT, REVERT, .undo = true, .retries = 1),
    STEP(HANDOVER, OLD, ONCE, REVERT, .undo = true, .flags = GW_STEP_PONR),
    STEP(DEMOTE, OLD, IDEMPOTENT, CONTINUE),
    STEP(START, NEW, OBSERVE, HALT, .flags = GW_STEP_SKIPPABLE | GW_STEP_HEALTH),
    STEP(REVERSE_OK, NEW, IDEMPOTENT, HALT, .wait = GW_WAIT_SYNC, .flags = GW_STEP_ON_RETURN),
};
static const struct gw_step takes[] = {
    STEP(REVOKE, NEW, IDEMPOTENT, HALT, .undo = true, .flags = GW_STEP_UNDO_AT_PEER),
    STEP(ROUTE, NEW, OBSERVE, HALT, .flags = GW_STEP_PONR | GW_STEP_SKIPPABLE),
    STEP(NOTIFY, NEW, ONCE, REVERT, .flags = GW_STEP_SKIPPABLE), /* past it: halts */
};
static const struct gw_operation small[] = {
    { .id = GW_OPERATION_SWITCHOVER, .starts = GW_SIDE_OLD, .n_steps = 5, .steps = moves },
    { .id = GW_OPERATION_FAILOVER,
      .starts = GW_SIDE_NEW,
      .alone_ok = true,
      .n_steps = 3,
      .steps = takes },
};

/* ---- states seen ----------------------------------------------------------------------------- */

#define SEEN_MAX (1u << 20)
struct node {
    struct gw_run_view v;
    unsigned words; /* of persons so far */
};

static struct node *queue;
static uint64_t *seen;
static size_t n_queue, n_done;
static bool acted[GW_ACT_MAX];
static bool been[GW_RUN_STATE_MAX];

static uint64_t hash(const struct node *n)
{
    const unsigned char *p = (const unsigned char *)n;
    uint64_t h = 1469598103934665603ull;
    for (size_t i = 0; i < sizeof *n; i++)
        h = (h ^ p[i]) * 1099511628211ull;
    return h ? h : 1;
}

/* What counts how often matters only at the step at hand. */
static void forget_counts(struct gw_run_view *v)
{
    for (unsigned i = 0; i < GW_OPERATION_STEPS_MAX; i++) {
        struct gw_step_view *st = &v->step[i];
        st->attempts = st->attempts > 0;
        st->undo_attempts = st->undo_attempts > 0;
        if (st->state == GW_STEP_DONE || st->state == GW_STEP_CONTINUED ||
            st->state == GW_STEP_SKIPPED || st->state == GW_STEP_UNDONE)
            st->tries = st->fails = st->undo_tries = st->timed_out = 0;
        if (v->back)
            st->tries = st->fails = st->timed_out = 0;
    }
}

/* The number of entries is not part of what a run is: only whether decisions were told. */
static void push(struct gw_run_view *v, unsigned words)
{
    struct node n;
    memset(&n, 0, sizeof n);
    memcpy(&n.v, v, sizeof *v);
    n.words = words;
    n.v.entries = 100;
    n.v.decision = v->decision > v->alone ? 100 : 0;
    n.v.alone = 0;
    n.v.epoch = 5;
    n.v.approvals = v->approvals > 0;
    forget_counts(&n.v);
    uint64_t h = hash(&n);
    size_t at = h % SEEN_MAX;
    while (seen[at] && seen[at] != h)
        at = (at + 1) % SEEN_MAX;
    if (seen[at])
        return;
    seen[at] = h;
    assert_true(n_queue < SEEN_MAX / 2);
    queue[n_queue++] = n;
}

/* ---- edges ----------------------------------------------------------------------------------- */

static const struct gw_operation *op;

static bool add(struct gw_run_view *v, enum gw_entry_kind kind, enum gw_run_side side,
                uint32_t step, uint32_t attempt, uint64_t epoch, uint32_t flags)
{
    const char *why = NULL;
    const struct gw_run_view was = *v;
    struct gw_entry_core e = {
        .kind = kind, .step = step, .attempt = attempt, .epoch = epoch, .side = side, .flags = flags
    };
    int r = gw_run_view_add(v, op, &e, &why);
    if (r < 0) {
        assert_non_null(why);
        assert_memory_equal(&was, v, sizeof was);
    }
    return r == 0;
}

static void must_add(struct gw_run_view *v, enum gw_entry_kind kind, enum gw_run_side side,
                     uint32_t step, uint32_t attempt, uint64_t epoch)
{
    if (!add(v, kind, side, step, attempt, epoch, 0))
        fail_msg("\"%s\" of step %u does not fit into state %s", gw_entry_kind_name(kind), step,
                 gw_run_state_name(v->state));
}

static void outcomes(const struct node *n, struct gw_run_view v, enum gw_run_side me, uint32_t step,
                     bool observed)
{
    static const enum gw_entry_kind all[] = {
        GW_ENTRY_DONE,    GW_ENTRY_FAILED,  GW_ENTRY_UNKNOWN,
        GW_ENTRY_NOTHING, GW_ENTRY_NEITHER, GW_ENTRY_WAITING
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        struct gw_run_view w = v;
        if (all[i] == GW_ENTRY_WAITING && (!op->steps[step].wait || w.state == GW_RUN_IN_DOUBT))
            continue;
        if (!observed && all[i] == GW_ENTRY_NEITHER)
            continue;
        must_add(&w, all[i], me, step, w.step[step].attempts, w.epoch);
        push(&w, n->words);
    }
}

/* D1 to D10 at the moment of an action. */
static void check_action(const struct gw_run_view *v, const struct gw_run_facts *f,
                         const struct gw_action *a)
{
    bool acts = a->act == GW_ACT_DO || a->act == GW_ACT_UNDO || a->act == GW_ACT_OBSERVE;
    assert_non_null(a->why);
    if (gw_run_state_ended(v->state)) /* D8 */
        assert_int_equal(a->act, GW_ACT_PASSIVE);
    if (f->me != v->coordinator) /* D9 */
        assert_false(acts);
    if (a->act == GW_ACT_DO) {
        const struct gw_step *s = &op->steps[a->step];
        const struct gw_step_view *st = &v->step[a->step];
        assert_false(v->back);
        assert_true(st->state != GW_STEP_INTENT && st->state != GW_STEP_UNKNOWN); /* D1 */
        assert_true(s->class != GW_CLASS_ONCE || st->attempts == 0);              /* D2 */
        assert_true(st->tries < GW_STEP_TRIES_MAX);                               /* D7 */
        assert_true(st->fails <= s->retries);
        assert_true(v->ponr_passed || !f->outage_passed);            /* D10 */
        assert_true(v->decision == 0 || f->peer_has >= v->decision); /* D5 */
    }
    if (a->act == GW_ACT_UNDO) {
        assert_true(v->back && !v->ponr_passed);                     /* D3 */
        assert_true(v->decision == 0 || f->peer_has >= v->decision); /* D5, D6 */
        assert_true(v->step[a->step].undo_tries < GW_UNDO_TRIES_MAX);
        for (uint32_t i = a->step + 1; i < op->n_steps; i++) /* reverse order */
            assert_true(
                !op->steps[i].undo || v->step[i].state == GW_STEP_IDLE ||
                v->step[i].state == GW_STEP_UNDONE || v->step[i].state == GW_STEP_NOTHING ||
                (op->steps[i].class == GW_CLASS_ONCE && v->step[i].state == GW_STEP_FAILED));
    }
    if (a->act == GW_ACT_CANCEL || a->act == GW_ACT_REVERT)
        assert_false(v->ponr_passed); /* D3 */
    if (a->act == GW_ACT_ALONE)       /* D6 */
        assert_false(v->back && v->exposed);
    if (v->state == GW_RUN_HALTED && a->act == GW_ACT_WAIT)
        assert_true(gw_run_choices(op, v, f) != 0);
}

static void follow_action(const struct node *n, const struct gw_run_facts *f,
                          const struct gw_action *a)
{
    struct gw_run_view v = n->v;
    enum gw_run_side me = f->me;
    uint32_t i = a->step;
    switch (a->act) {
    case GW_ACT_START:
        must_add(&v, GW_ENTRY_STARTED, me, GW_NO_STEP, 0, v.epoch);
        break;
    case GW_ACT_READY:
        must_add(&v, GW_ENTRY_READY, me, GW_NO_STEP, 0, v.epoch);
        break;
    case GW_ACT_DO:
        must_add(&v, GW_ENTRY_INTENT, me, i, v.step[i].attempts + 1, v.epoch);
        outcomes(n, v, me, i, false);
        if (op->steps[i].flags & GW_STEP_PONR) { /* not sent for certain */
            struct gw_run_view w = v;
            assert_true(
                add(&w, GW_ENTRY_NOTHING, me, i, w.step[i].attempts, w.epoch, GW_ENTRY_NOT_SENT));
            push(&w, n->words);
        }
        break;
    case GW_ACT_OBSERVE:
    case GW_ACT_POLL:
        outcomes(n, v, me, i, true);
        return;
    case GW_ACT_UNDO:
        must_add(&v, GW_ENTRY_UNDO, me, i, v.step[i].undo_attempts + 1, v.epoch);
        push(&v, n->words);
        for (unsigned k = 0; k < 2; k++) {
            struct gw_run_view w = v;
            must_add(&w, k ? GW_ENTRY_UNDONE : GW_ENTRY_UNDO_FAILED, me, i, w.step[i].undo_attempts,
                     w.epoch);
            push(&w, n->words);
        }
        return;
    case GW_ACT_CONTINUE:
        must_add(&v, GW_ENTRY_CONTINUED, me, i, 0, v.epoch);
        break;
    case GW_ACT_GIVE_UP:
        must_add(&v, GW_ENTRY_GIVE_UP, me, i, 0, v.epoch);
        break;
    case GW_ACT_CANCEL:
        must_add(&v, GW_ENTRY_CANCEL, me, GW_NO_STEP, 0, v.epoch);
        break;
    case GW_ACT_REVERT:
        must_add(&v, GW_ENTRY_REVERT, me, GW_NO_STEP, 0, v.epoch);
        break;
    case GW_ACT_HALT:
        must_add(&v, GW_ENTRY_HALT, me, i, 0, v.epoch);
        break;
    case GW_ACT_DOUBT:
        must_add(&v, GW_ENTRY_DOUBT, me, GW_NO_STEP, 0, v.epoch);
        break;
    case GW_ACT_CLEAR:
        must_add(&v, GW_ENTRY_CLEAR, me, GW_NO_STEP, 0, v.epoch);
        break;
    case GW_ACT_TELL:
        v.decision = 0;
        break;
    case GW_ACT_ALONE:
        must_add(&v, GW_ENTRY_ALONE, me, GW_NO_STEP, 0, v.epoch);
        break;
    case GW_ACT_RECORD:
        must_add(&v, gw_choice_entry(&v, f->choice), me, v.halted_at, 0,
                 v.epoch + (f->choice == GW_CHOICE_OVERRIDE));
        push(&v, n->words + (f->choice != GW_CHOICE_APPROVE));
        return;
    case GW_ACT_TAKE_OVER:
        must_add(&v, GW_ENTRY_TAKEN_OVER, me, GW_NO_STEP, 0, v.epoch + 1);
        break;
    case GW_ACT_SUPERSEDE:
        must_add(&v, GW_ENTRY_SUPERSEDED, me, GW_NO_STEP, 0, v.epoch);
        break;
    case GW_ACT_FINISH: {
        static const enum gw_entry_kind ends[GW_RUN_STATE_MAX] = {
            [GW_RUN_DONE] = GW_ENTRY_END_DONE,
            [GW_RUN_FAILED] = GW_ENTRY_END_FAILED,
            [GW_RUN_CANCELLED] = GW_ENTRY_END_CANCELLED,
            [GW_RUN_REVERTED] = GW_ENTRY_END_REVERTED,
        };
        must_add(&v, ends[a->end], me, GW_NO_STEP, 0, v.epoch);
        assert_int_equal(v.state, a->end);
        break;
    }
    case GW_ACT_WAIT:
    case GW_ACT_REFUSE:
    case GW_ACT_HAND_OVER:
    case GW_ACT_ASK:
    case GW_ACT_PASSIVE:
    case GW_ACT_MAX:
        return;
    }
    push(&v, n->words);
}

/* Words of a person on one way, besides the approval. */
#define WORDS_MAX 1u

static void visit(const struct node *n)
{
    been[n->v.state] = true;
    for (unsigned bits = 0; bits < 2 * 3 * 2 * 2 * 2 * 2 * GW_CHOICE_MAX; bits++) {
        unsigned b = bits;
        struct gw_run_facts f = { .approvals_needed = 1, .start_due = true };
        f.me = (enum gw_run_side)(b % 2), b /= 2;
        f.peer = (enum gw_peer_contact)(b % 3), b /= 3;
        f.late = b % 2, b /= 2;
        f.abort_by_passed = b % 2, b /= 2;
        f.outage_passed = b % 2, b /= 2;
        f.return_on_unhealthy = b % 2, b /= 2;
        f.choice = (enum gw_choice)b;
        if (f.choice > GW_CHOICE_APPROVE && n->words >= WORDS_MAX)
            continue;
        if (f.return_on_unhealthy && (f.abort_by_passed || f.choice != GW_CHOICE_NONE))
            continue; /* they have nothing to do with each other */
        if ((f.abort_by_passed || f.outage_passed) && f.choice != GW_CHOICE_NONE)
            continue;
        if (f.outage_passed && (f.abort_by_passed || f.return_on_unhealthy))
            continue;
        struct gw_action a, again;
        gw_decide(op, &n->v, &f, &a);
        gw_decide(op, &n->v, &f, &again);
        assert_memory_equal(&a, &again, sizeof a);
        check_action(&n->v, &f, &a);
        acted[a.act] = true;
        follow_action(n, &f, &a);
    }
}

static void explore(const struct gw_operation *o)
{
    op = o;
    n_queue = n_done = 0;
    memset(acted, 0, sizeof acted);
    memset(been, 0, sizeof been);
    queue = calloc(SEEN_MAX / 2, sizeof *queue);
    seen = calloc(SEEN_MAX, sizeof *seen);
    assert_non_null(queue);
    assert_non_null(seen);
    struct gw_run_view v;
    memset(&v, 0, sizeof v);
    must_add(&v, GW_ENTRY_CREATED, op->starts, GW_NO_STEP, 0, 5);
    push(&v, 0);
    while (n_done < n_queue) {
        struct node n = queue[n_done++];
        visit(&n);
    }
    print_message("%zu states\n", n_queue);
    free(queue);
    free(seen);
}

static void test_switchover(void **state)
{
    (void)state;
    explore(&small[0]);
    for (unsigned a = 0; a < GW_ACT_MAX; a++) /* everything that can be decided was */
        if (a != GW_ACT_READY && a != GW_ACT_SUPERSEDE && !acted[a])
            fail_msg("never decided: %s", gw_act_name((enum gw_act)a));
    for (unsigned s = 1; s < GW_RUN_STATE_MAX; s++)
        if (s != GW_RUN_SCHEDULED && !been[s])
            fail_msg("never reached: %s", gw_run_state_name((enum gw_run_state)s));
}

static void test_failover(void **state)
{
    (void)state;
    explore(&small[1]);
    assert_true(acted[GW_ACT_ALONE]);
    assert_false(acted[GW_ACT_DOUBT]); /* only a release can be in doubt */
    assert_true(been[GW_RUN_CANCELLED] && been[GW_RUN_DONE] && been[GW_RUN_ABORTED]);
}

/* ---- what is worth saying by name ------------------------------------------------------------ */

struct story {
    struct gw_run_view v;
    struct gw_run_facts f;
    struct gw_action a;
};

static void begin_story(struct story *s)
{
    op = &small[0];
    *s = (struct story){
        .f = { .me = GW_SIDE_OLD, .peer = GW_PEER_THERE, .peer_has = 1000, .start_due = true }
    };
    must_add(&s->v, GW_ENTRY_CREATED, GW_SIDE_OLD, GW_NO_STEP, 0, 5);
    must_add(&s->v, GW_ENTRY_STARTED, GW_SIDE_OLD, GW_NO_STEP, 0, 5);
    must_add(&s->v, GW_ENTRY_INTENT, GW_SIDE_OLD, 0, 1, 5);
    must_add(&s->v, GW_ENTRY_DONE, GW_SIDE_OLD, 0, 1, 5);
    must_add(&s->v, GW_ENTRY_INTENT, GW_SIDE_OLD, 1, 1, 5);
}

static void decide(struct story *s)
{
    gw_decide(op, &s->v, &s->f, &s->a);
}

static void test_release_cut_short(void **state)
{
    struct story s;
    (void)state;
    begin_story(&s);
    decide(&s);
    assert_int_equal(s.a.act, GW_ACT_OBSERVE);
    must_add(&s.v, GW_ENTRY_NOTHING, GW_SIDE_OLD, 1, 1, 5);
    decide(&s);
    assert_int_equal(s.a.act, GW_ACT_REVERT); /* never a second release */
    must_add(&s.v, GW_ENTRY_REVERT, GW_SIDE_OLD, GW_NO_STEP, 0, 5);
    s.f.peer_has = 0;
    s.f.peer = GW_PEER_SILENT;
    decide(&s);
    assert_int_equal(s.a.act, GW_ACT_DOUBT); /* D6: NEW may have been told to take over */
    must_add(&s.v, GW_ENTRY_DOUBT, GW_SIDE_OLD, GW_NO_STEP, 0, 5);
    decide(&s);
    assert_int_equal(s.a.act, GW_ACT_WAIT);
    s.f.peer = GW_PEER_THERE;
    decide(&s);
    assert_int_equal(s.a.act, GW_ACT_TELL);
    s.f.peer_has = 1000;
    decide(&s);
    assert_int_equal(s.a.act, GW_ACT_CLEAR);
    must_add(&s.v, GW_ENTRY_CLEAR, GW_SIDE_OLD, GW_NO_STEP, 0, 5);
    decide(&s);
    assert_int_equal(s.a.act, GW_ACT_UNDO);
    assert_int_equal(s.a.step, 0); /* the services; what was not released is not taken back */
}

/* D7: the table's retries, and not the last resort, say how often a step is begun that times out.
 */
static void test_timed_out(void **state)
{
    struct story s;
    (void)state;
    begin_story(&s);
    s.v = (struct gw_run_view){ 0 };
    must_add(&s.v, GW_ENTRY_CREATED, GW_SIDE_OLD, GW_NO_STEP, 0, 5);
    must_add(&s.v, GW_ENTRY_STARTED, GW_SIDE_OLD, GW_NO_STEP, 0, 5);
    for (uint32_t attempt = 1; attempt <= 2; attempt++) {
        decide(&s);
        assert_int_equal(s.a.act, GW_ACT_DO);
        must_add(&s.v, GW_ENTRY_INTENT, GW_SIDE_OLD, 0, attempt, 5);
        must_add(&s.v, GW_ENTRY_UNKNOWN, GW_SIDE_OLD, 0, attempt, 5);
        decide(&s);
        assert_int_equal(s.a.act, GW_ACT_OBSERVE);
        must_add(&s.v, GW_ENTRY_NOTHING, GW_SIDE_OLD, 0, attempt, 5);
    }
    decide(&s);
    assert_int_equal(s.a.act, GW_ACT_REVERT); /* retries: 1 */
}

/* A crash is no failure: what is seen as before after it is begun again. */
static void test_crashes_are_no_failures(void **state)
{
    struct story s;
    (void)state;
    begin_story(&s);
    s.v = (struct gw_run_view){ 0 };
    must_add(&s.v, GW_ENTRY_CREATED, GW_SIDE_OLD, GW_NO_STEP, 0, 5);
    must_add(&s.v, GW_ENTRY_STARTED, GW_SIDE_OLD, GW_NO_STEP, 0, 5);
    for (uint32_t attempt = 1; attempt < GW_STEP_TRIES_MAX; attempt++) {
        must_add(&s.v, GW_ENTRY_INTENT, GW_SIDE_OLD, 0, attempt, 5);
        must_add(&s.v, GW_ENTRY_NOTHING, GW_SIDE_OLD, 0, attempt, 5);
        decide(&s);
        assert_int_equal(s.a.act, GW_ACT_DO);
    }
}

/* D10 */
static void test_outage_passed(void **state)
{
    struct story s;
    (void)state;
    begin_story(&s);
    s.f.outage_passed = true;
    decide(&s);
    assert_int_equal(s.a.act, GW_ACT_OBSERVE); /* of a release nothing is assumed */
    must_add(&s.v, GW_ENTRY_FAILED, GW_SIDE_OLD, 1, 1, 5);
    decide(&s);
    assert_int_equal(s.a.act, GW_ACT_REVERT);

    begin_story(&s); /* past the point of no return it counts for nothing */
    must_add(&s.v, GW_ENTRY_DONE, GW_SIDE_OLD, 1, 1, 5);
    s.f.outage_passed = true;
    decide(&s);
    assert_int_equal(s.a.act, GW_ACT_HAND_OVER);
}

static void test_follower(void **state)
{
    struct story s;
    (void)state;
    begin_story(&s);
    s.f.me = GW_SIDE_NEW;
    decide(&s);
    assert_int_equal(s.a.act, GW_ACT_ASK);
    s.f.peer = GW_PEER_SILENT;
    assert_int_equal(gw_run_shown_state(&s.v, &s.f), GW_RUN_IN_DOUBT);
    assert_int_equal(gw_run_choices(op, &s.v, &s.f), 1u << GW_CHOICE_OVERRIDE);
    s.f.peer = GW_PEER_THERE;
    assert_int_equal(gw_run_shown_state(&s.v, &s.f), GW_RUN_RUNNING);
    assert_int_equal(gw_run_choices(op, &s.v, &s.f), 0);
    must_add(&s.v, GW_ENTRY_DONE, GW_SIDE_OLD, 1, 1, 5);
    decide(&s);
    assert_int_equal(s.a.act, GW_ACT_TAKE_OVER);
    s.f.me = GW_SIDE_OLD;
    decide(&s);
    assert_int_equal(s.a.act, GW_ACT_HAND_OVER);
}

static void test_damaged_logs(void **state)
{
    struct story s;
    (void)state;
    begin_story(&s);
    assert_false(add(&s.v, GW_ENTRY_DONE, GW_SIDE_OLD, 1, 2, 5, 0));  /* attempt */
    assert_false(add(&s.v, GW_ENTRY_DONE, GW_SIDE_OLD, 0, 1, 5, 0));  /* step */
    assert_false(add(&s.v, GW_ENTRY_DONE, GW_SIDE_OLD, 77, 1, 5, 0)); /* no such step */
    assert_false(add(&s.v, GW_ENTRY_DONE, GW_SIDE_NEW, 1, 1, 5, 0));  /* not its to say */
    assert_false(add(&s.v, GW_ENTRY_DONE, GW_SIDE_OLD, 1, 1, 4, 0));  /* older epoch */
    assert_false(add(&s.v, GW_ENTRY_DONE, GW_SIDE_OLD, 1, 1, 6, 0));  /* later epoch */
    assert_false(add(&s.v, GW_ENTRY_TAKEN_OVER, GW_SIDE_NEW, GW_NO_STEP, 0, 6, 0)); /* no release */
    assert_false(add(&s.v, GW_ENTRY_END_DONE, GW_SIDE_OLD, GW_NO_STEP, 0, 5, 0));
    assert_false(add(&s.v, GW_ENTRY_KIND_MAX, GW_SIDE_OLD, GW_NO_STEP, 0, 5, 0));
    assert_false(add(&s.v, GW_ENTRY_CREATED, GW_SIDE_OLD, GW_NO_STEP, 0, 5, 0));
    must_add(&s.v, GW_ENTRY_NOTHING, GW_SIDE_OLD, 1, 1, 5);
    assert_false(add(&s.v, GW_ENTRY_INTENT, GW_SIDE_OLD, 1, 2, 5, 0)); /* D2 */
    must_add(&s.v, GW_ENTRY_REVERT, GW_SIDE_OLD, GW_NO_STEP, 0, 5);
    assert_false(add(&s.v, GW_ENTRY_INTENT, GW_SIDE_OLD, 0, 2, 5, 0));
    begin_story(&s);
    must_add(&s.v, GW_ENTRY_DONE, GW_SIDE_OLD, 1, 1, 5);
    assert_false(add(&s.v, GW_ENTRY_REVERT, GW_SIDE_OLD, GW_NO_STEP, 0, 5, 0)); /* D3 */
    assert_false(add(&s.v, GW_ENTRY_CANCEL, GW_SIDE_OLD, GW_NO_STEP, 0, 5, 0));
}

static void test_words(void **state)
{
    (void)state;
    for (unsigned c = 1; c < GW_CHOICE_MAX; c++) {
        enum gw_choice got = GW_CHOICE_NONE;
        assert_true(gw_choice_parse(gw_choice_name((enum gw_choice)c), &got));
        assert_int_equal(got, c);
        assert_true(gw_choice_sentence((enum gw_choice)c)[0] != '\0');
    }
    for (unsigned a = 0; a < GW_ACT_MAX; a++)
        assert_string_not_equal(gw_act_name((enum gw_act)a), "invalid");
    for (unsigned s = 0; s < GW_STEP_STATE_MAX; s++)
        assert_string_not_equal(gw_step_state_name((enum gw_step_state)s), "invalid");
}

/* In every state a person's request that the decider lets pass is one that the table of states has.
 */
static void test_requests_fit_the_table(void **state)
{
    (void)state;
    for (unsigned s = 1; s < GW_RUN_DONE; s++)
        for (unsigned c = 1; c < GW_CHOICE_MAX; c++) {
            bool back = s == GW_RUN_CANCELLING || s == GW_RUN_REVERTING;
            struct gw_run_view v = { .state = (enum gw_run_state)s, .entries = 9, .back = back };
            struct gw_run_facts f = { .me = GW_SIDE_OLD };
            op = &small[0];
            const char *why = NULL;
            enum gw_may may = gw_run_may(op, &v, &f, (enum gw_choice)c, &why);
            struct gw_run_next n = gw_run_next(v.state, gw_choice_entry(&v, (enum gw_choice)c));
            assert_non_null(why);
            if (may == GW_MAY)
                assert_true(n.edge != GW_EDGE_IMPOSSIBLE && n.edge != GW_EDGE_REFUSED);
            else
                assert_true(why[0] != '\0');
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_switchover),
        cmocka_unit_test(test_failover),
        cmocka_unit_test(test_release_cut_short),
        cmocka_unit_test(test_timed_out),
        cmocka_unit_test(test_crashes_are_no_failures),
        cmocka_unit_test(test_outage_passed),
        cmocka_unit_test(test_follower),
        cmocka_unit_test(test_damaged_logs),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_requests_fit_the_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
