// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The headline: total, and never better than what is known. Every combination of the tables is
 * walked with facts that are all good, all missing and drawn by lot; every combination of the
 * facts that make a plan PROTECTED with the tables that matter; and the situations that people
 * will see have the names that they expect.
 */
#include "base/checked.h"
#include "core/phase.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint64_t seed;

static unsigned rnd(unsigned below)
{
    seed = seed * 6364136223846793005ull + 1442695040888963407ull;
    return (unsigned)(seed >> 33) % below;
}

/* A plan as it should be, active at home. */
static const struct gw_phase_facts good = {
    .holder = GW_HOLDER_HOME,
    .dir_from = GW_HOLDER_HOME,
    .repl = GW_LIFE_REPL_ASYNC,
    .svc = { [GW_LABEL_HOME] = GW_SVC_RUNNING, [GW_LABEL_DR] = GW_SVC_STOPPED },
    .retired = GW_TRI_NO,
    .activated = GW_TRI_YES,
    .role_changed = GW_TRI_NO,
    .synced = GW_TRI_YES,
    .committed = GW_TRI_YES,
    .memory_older = GW_TRI_NO,
    .split_brain = GW_TRI_NO,
    .suspect = GW_TRI_NO,
    .link_up = GW_TRI_YES,
    .peer_reachable = GW_TRI_YES,
    .lag_ok = GW_TRI_YES,
    .cutover_ok = GW_TRI_YES,
    .preflight_ok = GW_TRI_YES,
    .tail_unsigned = GW_TRI_NO,
};

static struct gw_phase_facts swapped(void)
{
    struct gw_phase_facts f = good;
    f.holder = f.dir_from = GW_HOLDER_DR;
    f.svc[GW_LABEL_HOME] = GW_SVC_STOPPED;
    f.svc[GW_LABEL_DR] = GW_SVC_RUNNING;
    f.role_changed = GW_TRI_YES;
    return f;
}

/* ---- rules that hold whatever the facts are ----------------------------------------------- */

static bool follows(const struct gw_phase_facts *f)
{
    return f->repl == GW_LIFE_REPL_SYNC || f->repl == GW_LIFE_REPL_ASYNC;
}

static const char *active_without(const struct gw_phase_facts *f)
{
    if (f->holder != GW_HOLDER_HOME && f->holder != GW_HOLDER_DR)
        return "a holder";
    unsigned here = f->holder == GW_HOLDER_HOME ? GW_LABEL_HOME : GW_LABEL_DR;
    enum gw_svc there = f->svc[1 - here];
    if (f->svc[here] != GW_SVC_RUNNING)
        return "service known to run";
    if (there != GW_SVC_STOPPED && there != GW_SVC_FENCED)
        return "no service at the other site";
    if (f->synced != GW_TRI_YES)
        return "a sync since the role change";
    if (!follows(f) || f->dir_from != f->holder)
        return "replication to the other site";
    if (f->lag_ok != GW_TRI_YES)
        return "a lag that is known";
    if (f->link_up != GW_TRI_YES || f->peer_reachable != GW_TRI_YES)
        return "link and peer";
    if (f->memory_older != GW_TRI_NO || f->activated != GW_TRI_YES || f->retired != GW_TRI_NO)
        return "a memory that was compared";
    if (f->lease == GW_LEASE_LAPSED || f->lease == GW_LEASE_EXPIRING)
        return "a lease";
    if (f->split_brain == GW_TRI_YES || f->suspect == GW_TRI_YES || f->tail_unsigned == GW_TRI_YES)
        return "one history";
    if (f->role_changed != GW_TRI_NO && f->committed != GW_TRI_YES)
        return "a committed failover";
    return NULL;
}

/* The run that the headline has to speak of. */
static bool run_on(const struct gw_phase_facts *f)
{
    return f->op != GW_OPERATION_NONE && !gw_op_is_beside(f->op) && f->run != GW_RUN_NEW &&
           f->run != GW_RUN_SCHEDULED && !gw_run_state_ended(f->run);
}

static const char *broken(const struct gw_phase_facts *f, const struct gw_phase *p)
{
    bool red = p->phase == GW_PHASE_SPLIT_BRAIN || p->phase == GW_PHASE_HALTED;
    if (p->phase >= GW_PHASE_MAX || p->sentence == NULL || p->next == NULL)
        return "not total";
    if (p->status != gw_phase_status(p->phase))
        return "status is not that of the phase";
    if (gw_svc_serves(f->svc[0]) && gw_svc_serves(f->svc[1]) && !red)
        return "H1: two sites accept writes";
    if (p->status == GW_STATUS_ACTIVE && active_without(f) != NULL)
        return active_without(f);
    if (p->status == GW_STATUS_ACTIVE && p->reasons != 0)
        return "ACTIVE with a reason";
    if (f->holder == GW_HOLDER_NONE && p->status == GW_STATUS_ACTIVE)
        return "H3: nobody holds the authority";
    if (run_on(f) && (f->run == GW_RUN_HALTED || f->run == GW_RUN_IN_DOUBT) &&
        p->status != GW_STATUS_FAILED && p->phase != GW_PHASE_RETIRED)
        return "H4: a run needs a person";
    if (p->auto_allowed && (f->mode != GW_MODE_AUTO || !follows(f) || f->synced != GW_TRI_YES ||
                            run_on(f) || f->memory_older != GW_TRI_NO || f->lag_ok != GW_TRI_YES ||
                            red || f->split_brain == GW_TRI_YES))
        return "H5: automatic";
    if ((p->next[0] == '\0') != (p->phase == GW_PHASE_PROTECTED || p->phase == GW_PHASE_RETIRED ||
                                 p->phase == GW_PHASE_PROTECTED_SWAPPED))
        return "H6: what to do next";
    if ((p->unknown & ~p->reasons) != 0)
        return "unknown is not among the reasons";
    return NULL;
}

static uint64_t seen_phases;
static uint64_t seen_rows;

static void check(const struct gw_phase_facts *f)
{
    struct gw_phase p;
    gw_phase_of(f, &p);
    const char *why = broken(f, &p);
    if (why != NULL)
        fail_msg(
            "%s without %s (GODWIT_SEED=%s): holder %s, repl %s from %s, home %s, dr %s, op %s "
            "%s, row %u",
            p.phase < GW_PHASE_MAX ? gw_phase_name(p.phase) : "?", why,
            getenv("GODWIT_SEED") != NULL ? getenv("GODWIT_SEED") : "4", gw_holder_name(f->holder),
            gw_life_repl_name(f->repl), gw_holder_name(f->dir_from), gw_svc_name(f->svc[0]),
            gw_svc_name(f->svc[1]), gw_operation_name(f->op), gw_run_state_name(f->run), p.row);
    seen_phases |= 1ull << p.phase;
    seen_rows |= 1ull << p.row;
}

/* Facts beside the tables stand together at the struct's end. */
#define FIRST_FACT offsetof(struct gw_phase_facts, retired)
#define N_FACTS ((sizeof(struct gw_phase_facts) - FIRST_FACT) / sizeof(enum gw_tri))

static void draw(struct gw_phase_facts *f)
{
    enum gw_tri *fact = (enum gw_tri *)((char *)f + FIRST_FACT);
    for (size_t i = 0; i < N_FACTS; i++)
        fact[i] = rnd(GW_TRI_MAX);
    /* Mostly a plan that exists, or every walk ends at RETIRED. */
    f->retired = rnd(8) == 0 ? f->retired : GW_TRI_NO;
    f->activated = rnd(4) == 0 ? f->activated : GW_TRI_YES;
    f->split_brain = rnd(4) == 0 ? f->split_brain : GW_TRI_NO;
    f->memory_older = rnd(4) == 0 ? f->memory_older : GW_TRI_NO;
}

static void check_with(const struct gw_phase_facts *tables, struct gw_phase_facts facts,
                       enum gw_lease lease, enum gw_mode mode)
{
    memcpy(&facts, tables, FIRST_FACT);
    facts.lease = lease;
    facts.mode = mode;
    check(&facts);
}

/* All good each time; all missing, or a lot, for some. */
static void with_facts(const struct gw_phase_facts *f)
{
    struct gw_phase_facts other = { 0 };
    check_with(f, good, rnd(GW_LEASE_MAX), GW_MODE_AUTO);
    unsigned turn = rnd(4);
    if (turn == 0)
        draw(&other);
    if (turn <= 1)
        check_with(f, other, f->lease, rnd(2) == 0 ? GW_MODE_AUTO : rnd(GW_MODE_MAX));
}

static void test_every_combination_of_tables(void **state)
{
    const char *given = getenv("GODWIT_SEED");
    seed = given != NULL ? strtoull(given, NULL, 10) : 4;
    unsigned n = GW_HOLDER_MAX * GW_HOLDER_MAX * GW_LIFE_REPL_MAX * GW_SVC_MAX * GW_SVC_MAX *
                 GW_OPERATION_ID_MAX * GW_RUN_STATE_MAX;
    for (unsigned i = 0; i < n; i++) {
        unsigned k = i;
        struct gw_phase_facts f = { .lease = i % GW_LEASE_MAX };
        f.holder = k % GW_HOLDER_MAX, k /= GW_HOLDER_MAX;
        f.dir_from = k % GW_HOLDER_MAX, k /= GW_HOLDER_MAX;
        f.repl = k % GW_LIFE_REPL_MAX, k /= GW_LIFE_REPL_MAX;
        f.svc[0] = k % GW_SVC_MAX, k /= GW_SVC_MAX;
        f.svc[1] = k % GW_SVC_MAX, k /= GW_SVC_MAX;
        f.op = k % GW_OPERATION_ID_MAX, k /= GW_OPERATION_ID_MAX;
        f.run = k;
        with_facts(&f);
    }
}

/* The facts that make it PROTECTED, each in every value, over all that may flow and run. */
static void test_every_combination_of_facts(void **state)
{
    enum { N = 2187 }; /* 3 to the 7 */
    for (unsigned i = 0; i < N * GW_LIFE_REPL_MAX * GW_SVC_MAX * 2; i++) {
        unsigned k = i;
        struct gw_phase_facts f = good;
        f.synced = k % 3, k /= 3;
        f.role_changed = k % 3, k /= 3;
        f.committed = k % 3, k /= 3;
        f.memory_older = k % 3, k /= 3;
        f.link_up = k % 3, k /= 3;
        f.peer_reachable = k % 3, k /= 3;
        f.lag_ok = k % 3, k /= 3;
        f.repl = k % GW_LIFE_REPL_MAX, k /= GW_LIFE_REPL_MAX;
        f.svc[GW_LABEL_DR] = k % GW_SVC_MAX, k /= GW_SVC_MAX;
        f.preflight_ok = i / 7 % 3;
        f.tail_unsigned = i / 5 % 3;
        f.mode = GW_MODE_AUTO;
        if (f.repl == GW_LIFE_REPL_NONE)
            f.dir_from = GW_HOLDER_NONE;
        if (k == 1) { /* the same, mirrored */
            f.svc[GW_LABEL_HOME] = f.svc[GW_LABEL_DR];
            f.svc[GW_LABEL_DR] = GW_SVC_RUNNING;
            f.holder = GW_HOLDER_DR;
            f.dir_from = f.repl == GW_LIFE_REPL_NONE ? GW_HOLDER_NONE : GW_HOLDER_DR;
        }
        check(&f);
    }
}

/* ... and those walks have been everywhere. Row 0 is for damaged numbers, the last for none. */
static void test_every_phase_was_seen(void **state)
{
    unsigned last = 0;
    while (gw_phase_row(last + 1) != NULL)
        last++;
    for (unsigned p = 0; p < GW_PHASE_MAX; p++) {
        if ((seen_phases & 1ull << p) == 0)
            fail_msg("no combination is %s", gw_phase_name((enum gw_phase_word)p));
    }
    for (unsigned r = 1; r < last; r++) {
        if ((seen_rows & 1ull << r) == 0)
            fail_msg("row %u (%s) cannot be reached", r, gw_phase_row(r)->when);
    }
    assert_true((seen_rows & 1ull << last) == 0); /* a state that has no name */
    assert_int_equal(gw_phase_row(last)->phase, GW_PHASE_HALTED);
}

static void test_damaged_numbers(void **state)
{
    struct gw_phase p;
    for (unsigned i = 0; i < 9; i++) {
        struct gw_phase_facts f = good;
        int wrong = i % 2 == 0 ? 99 : -1;
        *(i == 0   ? (int *)&f.holder
          : i == 1 ? (int *)&f.dir_from
          : i == 2 ? (int *)&f.lease
          : i == 3 ? (int *)&f.repl
          : i == 4 ? (int *)&f.svc[0]
          : i == 5 ? (int *)&f.svc[1]
          : i == 6 ? (int *)&f.op
          : i == 7 ? (int *)&f.run
                   : (int *)&f.activated) = wrong;
        gw_phase_of(&f, &p);
        assert_int_equal(p.phase, GW_PHASE_HALTED);
        assert_int_equal(p.row, 0);
    }
    gw_phase_of(&(struct gw_phase_facts){ 0 }, &p);
    assert_int_equal(p.phase, GW_PHASE_UNKNOWN);
}

/* ---- situations --------------------------------------------------------------------------- */

static void is_phase(const struct gw_phase_facts *f, enum gw_phase_word want, uint32_t reasons)
{
    struct gw_phase p;
    gw_phase_of(f, &p);
    if (p.phase != want || p.reasons != reasons)
        fail_msg("%s with reasons %x, and not %s with %x: %s", gw_phase_name(p.phase), p.reasons,
                 gw_phase_name(want), reasons, gw_phase_row(p.row)->when);
}

#define BIT(name) (1u << GW_REASON_##name)

static void test_protected(void **state)
{
    struct gw_phase_facts f = good;
    is_phase(&f, GW_PHASE_PROTECTED, 0);
    f.op = GW_OPERATION_TEST; /* beside */
    f.run = GW_RUN_HALTED;
    is_phase(&f, GW_PHASE_PROTECTED, 0);
    f.op = GW_OPERATION_FAILBACK;
    f.run = GW_RUN_SCHEDULED;
    is_phase(&f, GW_PHASE_PROTECTED, 0);
    f.run = GW_RUN_WAITING_APPROVAL;
    is_phase(&f, GW_PHASE_AWAITING_APPROVAL, 0);
    f = good;
    f.lag_ok = GW_TRI_NO;
    is_phase(&f, GW_PHASE_DEGRADED, BIT(LAGGING));
    f.lag_ok = GW_TRI_UNKNOWN;
    is_phase(&f, GW_PHASE_DEGRADED, BIT(LAGGING));
    f = good;
    f.test_overdue = f.drift = GW_TRI_YES;
    is_phase(&f, GW_PHASE_DEGRADED, BIT(TEST_OVERDUE) | BIT(DRIFT));
    f = good;
    f.link_up = GW_TRI_NO;
    f.repl = GW_LIFE_REPL_UNSYNC;
    is_phase(&f, GW_PHASE_DEGRADED, BIT(LINK_DOWN) | BIT(UNSYNC));
    f = good;
    f.svc[GW_LABEL_HOME] = GW_SVC_DEGRADED;
    is_phase(&f, GW_PHASE_DEGRADED, BIT(SERVICE_UNHEALTHY));
}

/* "Completed" is not said before the first sync since the role change. */
static void test_after_a_failover(void **state)
{
    struct gw_phase_facts f = swapped();
    f.synced = f.committed = f.link_up = f.peer_reachable = GW_TRI_NO;
    f.svc[GW_LABEL_HOME] = GW_SVC_UNKNOWN;
    f.repl = GW_LIFE_REPL_UNSYNC;
    is_phase(&f, GW_PHASE_FAILED_OVER, BIT(LINK_DOWN) | BIT(PEER_DOWN) | BIT(UNSYNC));
    f.committed = GW_TRI_YES;
    is_phase(&f, GW_PHASE_EXPOSED, BIT(LINK_DOWN) | BIT(PEER_DOWN) | BIT(UNSYNC));
    f.synced = GW_TRI_UNKNOWN; /* which is not "protected, with reasons" */
    is_phase(&f, GW_PHASE_EXPOSED, BIT(LINK_DOWN) | BIT(PEER_DOWN) | BIT(UNSYNC));
    f.link_up = f.peer_reachable = GW_TRI_YES; /* home is back, fenced, and has a tail */
    f.svc[GW_LABEL_HOME] = GW_SVC_FENCED;
    f.repl = GW_LIFE_REPL_DIVERGED;
    f.tail_unsigned = GW_TRI_YES;
    is_phase(&f, GW_PHASE_REVERSE_SYNC, BIT(RESYNCING) | BIT(TAIL_UNSIGNED));
    f.tail_unsigned = GW_TRI_NO;
    f.repl = GW_LIFE_REPL_RESYNC;
    is_phase(&f, GW_PHASE_REVERSE_SYNC, BIT(RESYNCING));
    f.repl = GW_LIFE_REPL_ASYNC; /* it follows, but nobody saw it consistent yet */
    is_phase(&f, GW_PHASE_REVERSE_SYNC, 0);
    f.synced = GW_TRI_YES;
    f.preflight_ok = GW_TRI_UNKNOWN;
    is_phase(&f, GW_PHASE_PROTECTED_SWAPPED, 0);
    f.preflight_ok = GW_TRI_YES;
    is_phase(&f, GW_PHASE_READY_TO_FAIL_BACK, 0);
    f.op = GW_OPERATION_FAILBACK;
    f.run = GW_RUN_RUNNING;
    f.svc[GW_LABEL_DR] = GW_SVC_QUIESCING;
    is_phase(&f, GW_PHASE_FAILING_BACK, BIT(SERVICE_DOWN));
    f.run = GW_RUN_CANCELLING;
    is_phase(&f, GW_PHASE_CANCELLING, BIT(SERVICE_DOWN));
    f.run = GW_RUN_IN_DOUBT;
    f.holder = f.dir_from = GW_HOLDER_NONE;
    f.repl = GW_LIFE_REPL_NONE;
    f.svc[GW_LABEL_DR] = GW_SVC_STOPPED;
    is_phase(&f, GW_PHASE_HANDOVER_IN_DOUBT, BIT(LINK_DOWN) | BIT(SERVICE_DOWN));
}

/* The link is fine, its status command says nothing: that is what is said. */
static void test_a_standby_that_does_not_know(void **state)
{
    struct gw_phase p;
    struct gw_phase_facts f = good;
    f.svc[GW_LABEL_DR] = GW_SVC_UNKNOWN;
    gw_phase_of(&f, &p);
    assert_int_equal(p.reasons, BIT(STANDBY_UNKNOWN));
    assert_int_equal(p.unknown, BIT(STANDBY_UNKNOWN));
    f.peer_reachable = GW_TRI_NO;
    gw_phase_of(&f, &p);
    assert_int_equal(p.reasons, BIT(PEER_DOWN));
}

static void test_seen_from_the_standby(void **state)
{
    struct gw_phase p;
    struct gw_phase_facts f = good;
    f.mode = GW_MODE_AUTO;
    f.svc[GW_LABEL_HOME] = GW_SVC_UNKNOWN;
    f.link_up = f.peer_reachable = GW_TRI_NO;
    f.suspect = GW_TRI_UNKNOWN;
    is_phase(&f, GW_PHASE_SUSPECT, BIT(LINK_DOWN) | BIT(PEER_DOWN) | BIT(SERVICE_DOWN));
    gw_phase_of(&f, &p);
    assert_true(p.auto_allowed);
    assert_int_equal(p.unknown, BIT(SERVICE_DOWN));
    f.repl = GW_LIFE_REPL_UNSYNC;
    gw_phase_of(&f, &p);
    assert_false(p.auto_allowed);
    f.suspect = GW_TRI_NO;
    is_phase(&f, GW_PHASE_DEGRADED,
             BIT(LINK_DOWN) | BIT(PEER_DOWN) | BIT(SERVICE_DOWN) | BIT(UNSYNC));
}

static void test_a_person_decides(void **state)
{
    struct gw_phase_facts f = good;
    f.svc[GW_LABEL_DR] = GW_SVC_STARTING;
    is_phase(&f, GW_PHASE_SPLIT_BRAIN, 0);
    f.stray = GW_TRI_YES; /* started by hand, with no volume of the plan's */
    is_phase(&f, GW_PHASE_HALTED, 0);
    struct gw_phase p;
    gw_phase_of(&f, &p);
    assert_non_null(strstr(p.next, "stop it at {standby}"));
    f.stray = GW_TRI_UNKNOWN;
    is_phase(&f, GW_PHASE_SPLIT_BRAIN, 0);
    f.svc[GW_LABEL_HOME] = GW_SVC_STOPPED; /* only dr serves, and home holds the authority */
    is_phase(&f, GW_PHASE_HALTED, BIT(SERVICE_DOWN));
    f = good;
    f.dir_from = GW_HOLDER_DR;
    is_phase(&f, GW_PHASE_HALTED, 0);
    f = good;
    f.activated = GW_TRI_NO;
    is_phase(&f, GW_PHASE_HALTED, 0);
    f.svc[GW_LABEL_HOME] = GW_SVC_STOPPED;
    f.repl = GW_LIFE_REPL_NONE;
    f.dir_from = GW_HOLDER_NONE;
    is_phase(&f, GW_PHASE_DEFINED, 0);
    f.retired = GW_TRI_YES;
    is_phase(&f, GW_PHASE_RETIRED, 0);
    f = good;
    f.svc[GW_LABEL_HOME] = GW_SVC_FENCED;
    is_phase(&f, GW_PHASE_HALTED, BIT(SERVICE_DOWN));
    f = good;
    f.memory_older = GW_TRI_YES;
    is_phase(&f, GW_PHASE_UNKNOWN, 0);
    f.memory_older = GW_TRI_UNKNOWN;
    is_phase(&f, GW_PHASE_UNKNOWN, 0);
}

/* ---- words -------------------------------------------------------------------------------- */

static void test_expand(void **state)
{
    const struct gw_phase_names names = { .plan = "shop",
                                          .home = "madrid",
                                          .dr = "lisbon",
                                          .run = "r7",
                                          .holder = GW_HOLDER_DR,
                                          .op = GW_OPERATION_FAILBACK };
    char text[GW_PHASE_TEXT_MAX];
    gw_phase_expand("{plan}: {active} -> {standby}, {op} {run} at {step}; {home} {dr} {x} {",
                    &names, text, sizeof text);
    assert_string_equal(text, "shop: lisbon -> madrid, failback r7 at ?; madrid lisbon {x} {");
    char small[8];
    gw_phase_expand("{home}{home}", &names, small, sizeof small);
    assert_string_equal(small, "madridm");
    gw_phase_expand("{plan}", &names, small, 1);
    assert_string_equal(small, "");
    gw_phase_expand("{active} and {standby} of {plan}", &(struct gw_phase_names){ 0 }, text,
                    sizeof text);
    assert_string_equal(text, "neither site and the other site of ?");
}

/* Every sentence is whole when the names are put in, and fits. */
static void test_sentences(void **state)
{
    const struct gw_phase_names names = {
        "shop",        "madrid", "lisbon", "r7", "quiesce", GW_HOLDER_HOME, GW_OPERATION_FAILOVER,
        "retry, abort"
    };
    char text[GW_PHASE_TEXT_MAX];
    const struct gw_phase_row *row;
    for (unsigned i = 0; (row = gw_phase_row(i)) != NULL; i++) {
        gw_phase_expand(row->sentence, &names, text, sizeof text);
        assert_true(strlen(text) > 10 && strlen(text) < GW_PHASE_TEXT_MAX - 1);
        assert_null(strpbrk(text, "{}?"));
        gw_phase_expand(row->next, &names, text, sizeof text);
        assert_null(strpbrk(text, "{}?"));
    }
    for (unsigned r = 0; r < GW_REASON_MAX; r++) {
        const struct gw_reason_row *reason = gw_reason_row((enum gw_reason)r);
        assert_int_equal(reason->reason, r);
        assert_int_equal(reason->core, reason->unknown_sentence[0] != '\0');
        gw_phase_expand(reason->sentence, &names, text, sizeof text);
        assert_null(strpbrk(text, "{}?"));
        gw_phase_expand(reason->way_out, &names, text, sizeof text);
        assert_true(strlen(text) > 5);
        assert_null(strpbrk(text, "{}?"));
    }
    assert_null(gw_reason_row(GW_REASON_MAX));
    for (unsigned p = 0; p < GW_PHASE_MAX; p++)
        assert_true(strlen(gw_phase_meaning((enum gw_phase_word)p)) > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_combination_of_tables),
        cmocka_unit_test(test_every_combination_of_facts),
        cmocka_unit_test(test_every_phase_was_seen),
        cmocka_unit_test(test_damaged_numbers),
        cmocka_unit_test(test_protected),
        cmocka_unit_test(test_after_a_failover),
        cmocka_unit_test(test_a_standby_that_does_not_know),
        cmocka_unit_test(test_seen_from_the_standby),
        cmocka_unit_test(test_a_person_decides),
        cmocka_unit_test(test_expand),
        cmocka_unit_test(test_sentences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
