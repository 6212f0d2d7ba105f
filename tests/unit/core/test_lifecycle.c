// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The lifecycle's tables: every (state, event) has its row, and no row breaks an invariant. */
#include "base/checked.h"
#include "core/lifecycle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint64_t seed, first_seed;

static unsigned rnd(unsigned below)
{
    seed = seed * 6364136223846793005ull + 1442695040888963407ull;
    return (unsigned)(seed >> 33) % below;
}

/* All facts but the mode are one enum gw_tri each, and stand before it. */
#define FACTS (offsetof(struct gw_life_facts, mode_before) / sizeof(enum gw_tri))

static enum gw_tri *fact(struct gw_life_facts *f, size_t i)
{
    return (enum gw_tri *)f + i;
}

static struct gw_life_facts any_facts(void)
{
    struct gw_life_facts f = { .mode_before = rnd(GW_MODE_MAX),
                               .have_mode_before = rnd(GW_TRI_MAX) };
    for (size_t i = 0; i < FACTS; i++)
        *fact(&f, i) = rnd(GW_TRI_MAX);
    return f;
}

/* The rows of one pair in order; how many. */
static size_t rows_of(const struct gw_life_table *t, unsigned from, unsigned event,
                      const struct gw_life_row *ret[], size_t max)
{
    size_t n = 0;
    for (size_t i = 0; i < t->n_rows; i++) {
        const struct gw_life_row *r = &t->rows[i];
        if ((r->from & GW_LIFE_FROM(from)) != 0 && r->event == event) {
            assert_true(n < max);
            ret[n++] = r;
        }
    }
    return n;
}

#define PAIR_ROWS_MAX 8

static void check_pair(const struct gw_life_table *t, unsigned from, unsigned event)
{
    const struct gw_life_row *r[PAIR_ROWS_MAX];
    size_t n = rows_of(t, from, event, r, PAIR_ROWS_MAX);
    if (n == 0)
        fail_msg("%s: %s + %s has no row", t->name, t->value_name[from], t->event_name[event]);
    bool by_override = false;
    for (size_t i = 0; i < n; i++) {
        bool last = i + 1 == n;
        if ((r[i]->guard == GW_WHEN_ALWAYS) != last)
            fail_msg("%s: %s + %s: row %zu of %zu cannot be reached, or nothing is left at the end",
                     t->name, t->value_name[from], t->event_name[event], i + 1, n);
        for (size_t k = 0; k < i; k++)
            assert_int_not_equal(r[i]->guard, r[k]->guard);
        by_override |= r[i]->guard == GW_WHEN_OVERRIDE && r[i]->verdict == GW_LIFE_OK;
    }
    /* Forceable is what an override makes OK, and nothing else is. */
    if ((r[n - 1]->verdict == GW_LIFE_FORCEABLE) != by_override)
        fail_msg("%s: %s + %s: forceable and override do not agree", t->name, t->value_name[from],
                 t->event_name[event]);
}

static void check_row(const struct gw_life_table *t, const struct gw_life_row *r)
{
    assert_true(r->event < t->n_events);
    assert_true(r->guard < GW_WHEN_MAX);
    assert_true(r->verdict < GW_LIFE_VERDICT_MAX);
    assert_true(r->action < GW_LIFE_ACTION_MAX);
    assert_true(r->from != 0 && r->from < 1u << t->n_values);
    assert_true(r->to == GW_LIFE_SAME || (r->verdict == GW_LIFE_OK && r->to < t->n_values));
    assert_non_null(r->sentence);
    assert_true(strlen(r->sentence) > 4);
    /* A refusal says why in a word more than "no". */
    assert_true(r->verdict == GW_LIFE_OK || strlen(r->sentence) > 15);
    assert_true(r->sentence[strlen(r->sentence) - 1] != '.');
    assert_int_equal(r->verdict == GW_LIFE_IMPOSSIBLE, r->action == GW_LIFE_DO_HALT);
}

static void test_every_pair_has_a_row(void **state)
{
    for (size_t i = 0; i < GW_LIFE_TABLES; i++) {
        const struct gw_life_table *t = gw_life_tables[i];
        for (unsigned v = 0; v < t->n_values; v++) {
            for (unsigned e = 0; e < t->n_events; e++)
                check_pair(t, v, e);
        }
        for (size_t r = 0; r < t->n_rows; r++)
            check_row(t, &t->rows[r]);
    }
}

static void check_names(const char *const *names, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        assert_non_null(names[i]);
        assert_true(names[i][0] != '\0');
        for (unsigned k = 0; k < i; k++)
            assert_string_not_equal(names[i], names[k]);
    }
}

static void test_names(void **state)
{
    for (size_t i = 0; i < GW_LIFE_TABLES; i++) {
        check_names(gw_life_tables[i]->value_name, gw_life_tables[i]->n_values);
        check_names(gw_life_tables[i]->event_name, gw_life_tables[i]->n_events);
    }
    for (unsigned i = 0; i < GW_OPERATION_ID_MAX; i++) {
        enum gw_operation_id op = GW_OPERATION_ID_MAX;
        assert_string_equal(gw_op_table.value_name[i], gw_operation_name((enum gw_operation_id)i));
        assert_true(gw_operation_parse(gw_operation_name((enum gw_operation_id)i), &op));
        assert_int_equal(op, i);
    }
    for (unsigned op = 1; op < GW_OPERATION_ID_MAX; op++) {
        char begin[64];
        snprintf(begin, sizeof begin, "begin %s", gw_operation_name((enum gw_operation_id)op));
        assert_string_equal(gw_op_table.event_name[gw_op_begin((enum gw_operation_id)op)], begin);
    }
    enum gw_operation_id op = GW_OPERATION_TEST;
    assert_false(gw_operation_parse("fail over", &op));
    assert_int_equal(op, GW_OPERATION_TEST);
    assert_string_equal(gw_operation_name((enum gw_operation_id) - 1), "invalid");
    assert_string_equal(gw_svc_name(GW_SVC_MAX), "invalid");
    for (unsigned g = 1; g < GW_WHEN_MAX; g++)
        assert_true(strlen(gw_life_guard_text((enum gw_life_guard)g)) > 4);
    assert_string_equal(gw_life_guard_text(GW_WHEN_MAX), "invalid");
}

/* Numbers from a damaged record: halted, nothing changes. */
static void test_outside(void **state)
{
    const struct gw_life_facts f = { .override = GW_TRI_YES };
    struct gw_life_result r;
    gw_svc_step((enum gw_svc)77, GW_SVC_START, &f, &r);
    assert_int_equal(r.verdict, GW_LIFE_IMPOSSIBLE);
    assert_int_equal(r.to, 77);
    assert_int_equal(r.action, GW_LIFE_DO_HALT);
    gw_svc_step(GW_SVC_RUNNING, (enum gw_svc_event) - 1, &f, &r);
    assert_int_equal(r.verdict, GW_LIFE_IMPOSSIBLE);
    assert_int_equal(r.to, GW_SVC_RUNNING);
    assert_null(r.row);
}

static bool goes(const struct gw_life_table *t, unsigned from, unsigned event,
                 const struct gw_life_facts *f, struct gw_life_result *r)
{
    gw_life_step(t, from, event, f, r);
    assert_true(r->verdict == GW_LIFE_OK || r->to == from);
    assert_true(r->to < t->n_values);
    return r->verdict == GW_LIFE_OK;
}

/* What breaks an invariant whatever the table says; NULL: nothing. */
static const char *broken(const struct gw_life_table *t, unsigned from, unsigned event,
                          const struct gw_life_facts *f, const struct gw_life_result *r)
{
    bool moved = r->to != from;
    if (t == &gw_auth_table && moved && r->to != GW_HOLDER_NONE && event != GW_AUTH_SWAP &&
        event != GW_AUTH_CREATE && event != GW_AUTH_LEARN_HOME && event != GW_AUTH_LEARN_DR &&
        r->action != GW_LIFE_DO_NEXT_EPOCH && r->action != GW_LIFE_DO_SEIZE)
        return "I1: a holder without a new epoch";
    if (t == &gw_auth_table && moved && from != GW_HOLDER_NONE && r->to != GW_HOLDER_NONE &&
        event != GW_AUTH_SWAP && f->override != GW_TRI_YES && f->other_fenced != GW_TRI_YES &&
        f->epoch_newer != GW_TRI_YES)
        return "I4: taken over without a release, a fence or a person";
    if (t == &gw_svc_table && gw_svc_serves((enum gw_svc)r->to) &&
        !gw_svc_serves((enum gw_svc)from) && from != GW_SVC_QUIESCING && f->is_holder != GW_TRI_YES)
        return "I2: service where the authority is not known to be";
    if (t == &gw_svc_table && from == GW_SVC_FENCED && gw_svc_serves((enum gw_svc)r->to))
        return "a fenced site serves without having been cleared";
    if (t == &gw_repl_table && from == GW_LIFE_REPL_SYNC && r->to == GW_LIFE_REPL_UNSYNC &&
        r->action != GW_LIFE_DO_UNSYNC && r->action != GW_LIFE_DO_TURN)
        return "I3: UNSYNC is not recorded first";
    if (t == &gw_repl_table && moved && r->to == GW_LIFE_REPL_RESYNC && f->undo_kept != GW_TRI_YES)
        return "I8: what is overwritten is not kept";
    if (t == &gw_repl_table && moved && from == GW_LIFE_REPL_DIVERGED &&
        r->to == GW_LIFE_REPL_RESYNC && f->tail_signed != GW_TRI_YES)
        return "a tail is copied over that nobody signed for";
    if (t == &gw_repl_table && moved && r->to == GW_LIFE_REPL_SEEDING &&
        f->peer_blank != GW_TRI_YES)
        return "I8: a full copy over a site that may hold data";
    if (t == &gw_mode_table && moved && r->to == GW_MODE_AUTO && f->witness != GW_TRI_YES)
        return "automatic without a witness";
    return NULL;
}

static void check_facts(const struct gw_life_table *t, const struct gw_life_facts *f)
{
    for (unsigned v = 0; v < t->n_values; v++) {
        for (unsigned e = 0; e < t->n_events; e++) {
            struct gw_life_result r, less;
            bool ok = goes(t, v, e, f, &r);
            const char *why = broken(t, v, e, f, &r);
            if (why != NULL)
                fail_msg("GODWIT_SEED=%llu: %s: %s + %s -> %s: %s", (unsigned long long)first_seed,
                         t->name, t->value_name[v], t->event_name[e], t->value_name[r.to], why);
            if (ok)
                continue;
            /* To know less is never to be allowed more. */
            struct gw_life_facts g = *f;
            *fact(&g, rnd(FACTS)) = GW_TRI_UNKNOWN;
            if (goes(t, v, e, &g, &less) && r.verdict != GW_LIFE_IMPOSSIBLE)
                fail_msg("GODWIT_SEED=%llu: %s: %s + %s is OK when less is known",
                         (unsigned long long)first_seed, t->name, t->value_name[v],
                         t->event_name[e]);
        }
    }
}

static void test_invariants(void **state)
{
    const char *given = getenv("GODWIT_SEED");
    seed = first_seed = given != NULL ? strtoull(given, NULL, 10) : 4;
    for (unsigned i = 0; i < 3000; i++) {
        struct gw_life_facts f = any_facts();
        for (size_t t = 0; t < GW_LIFE_TABLES; t++)
            check_facts(gw_life_tables[t], &f);
    }
}

/* With no facts at all nobody becomes a holder, nothing starts, nothing is copied over. */
static void test_nothing_known(void **state)
{
    const struct gw_life_facts none = { 0 };
    struct gw_life_result r;
    for (unsigned v = 0; v < GW_HOLDER_MAX; v++) {
        for (unsigned e = 0; e < GW_AUTH_EVENT_MAX; e++)
            assert_true(e == GW_AUTH_SWAP || !goes(&gw_auth_table, v, e, &none, &r) || r.to == v);
    }
    for (unsigned v = 0; v < GW_LIFE_REPL_MAX; v++) {
        gw_repl_step((enum gw_repl)v, GW_LIFE_REPL_COPY, &none, &r);
        assert_int_equal(r.to, v);
        gw_repl_step((enum gw_repl)v, GW_LIFE_REPL_SEED, &none, &r);
        assert_int_equal(r.to, v);
    }
    for (unsigned v = 0; v < GW_OPERATION_ID_MAX; v++) {
        for (unsigned e = 0; e < GW_OP_END; e++) {
            gw_life_step(&gw_op_table, v, e, &none, &r);
            assert_int_equal(r.to, v);
        }
    }
}

/* I3 from the other side: SYNC is left for UNSYNC only where the plan is known to allow it. */
static void test_link_loss(void **state)
{
    struct gw_life_result r;
    struct gw_life_facts f = { .suspends = GW_TRI_NO };
    gw_repl_step(GW_LIFE_REPL_SYNC, GW_LIFE_REPL_LINK_LOST, &f, &r);
    assert_int_equal(r.to, GW_LIFE_REPL_UNSYNC);
    assert_int_equal(r.action, GW_LIFE_DO_UNSYNC);
    f.suspends = GW_TRI_UNKNOWN;
    gw_repl_step(GW_LIFE_REPL_SYNC, GW_LIFE_REPL_LINK_LOST, &f, &r);
    assert_int_equal(r.to, GW_LIFE_REPL_SUSPENDED);
    gw_repl_step(GW_LIFE_REPL_SYNC, GW_LIFE_REPL_OVERRUN, &f, &r);
    assert_int_equal(r.verdict, GW_LIFE_IMPOSSIBLE);
}

/* "Refused", "can be forced" and "impossible" are three things. */
static void test_three_ways_to_say_no(void **state)
{
    struct gw_life_result r;
    struct gw_life_facts f = { 0 };
    gw_auth_step(GW_HOLDER_HOME, GW_AUTH_TAKE_DR, &f, &r);
    assert_int_equal(r.verdict, GW_LIFE_REFUSED);
    gw_auth_step(GW_HOLDER_HOME, GW_AUTH_SEIZE_DR, &f, &r);
    assert_int_equal(r.verdict, GW_LIFE_FORCEABLE);
    f.epoch_equal = GW_TRI_YES;
    gw_auth_step(GW_HOLDER_HOME, GW_AUTH_LEARN_DR, &f, &r);
    assert_int_equal(r.verdict, GW_LIFE_IMPOSSIBLE);
    assert_int_equal(r.to, GW_HOLDER_HOME);
    f.override = GW_TRI_YES; /* an override forces what is forceable, nothing else */
    gw_auth_step(GW_HOLDER_HOME, GW_AUTH_LEARN_DR, &f, &r);
    assert_int_equal(r.verdict, GW_LIFE_IMPOSSIBLE);
    gw_auth_step(GW_HOLDER_HOME, GW_AUTH_TAKE_DR, &f, &r);
    assert_int_equal(r.verdict, GW_LIFE_REFUSED);
    gw_auth_step(GW_HOLDER_HOME, GW_AUTH_SEIZE_DR, &f, &r);
    assert_int_equal(r.verdict, GW_LIFE_OK);
    assert_int_equal(r.to, GW_HOLDER_DR);
    assert_int_equal(r.action, GW_LIFE_DO_SEIZE);
}

/* Both operators press failback at once; a test makes way for a failover only. */
static void test_one_run(void **state)
{
    struct gw_life_result r;
    struct gw_life_facts f = { .activated = GW_TRI_YES };
    gw_op_step(GW_OPERATION_NONE, GW_OP_BEGIN_FAILBACK, &f, &r);
    assert_int_equal(r.to, GW_OPERATION_FAILBACK);
    gw_op_step(GW_OPERATION_FAILBACK, GW_OP_BEGIN_FAILBACK, &f, &r);
    assert_int_equal(r.verdict, GW_LIFE_REFUSED);
    gw_op_step(GW_OPERATION_FAILBACK, GW_OP_BEGIN_FAILOVER, &f, &r);
    assert_int_equal(r.verdict, GW_LIFE_FORCEABLE);
    gw_op_step(GW_OPERATION_TEST, GW_OP_BEGIN_FAILOVER, &f, &r);
    assert_int_equal(r.to, GW_OPERATION_FAILOVER);
    assert_int_equal(r.action, GW_LIFE_DO_END_TEST);
    gw_op_step(GW_OPERATION_TEST, GW_OP_BEGIN_FAILBACK, &f, &r);
    assert_int_equal(r.verdict, GW_LIFE_REFUSED);
    gw_op_step(GW_OPERATION_FAILBACK, GW_OP_CONVERT, &f,
               &r); /* not known to be before the release */
    assert_int_equal(r.verdict, GW_LIFE_REFUSED);
    f.past_return = GW_TRI_NO;
    gw_op_step(GW_OPERATION_FAILBACK, GW_OP_CONVERT, &f, &r);
    assert_int_equal(r.to, GW_OPERATION_FAILOVER);
    gw_op_step(GW_OPERATION_NONE, GW_OP_END, &f, &r);
    assert_int_equal(r.verdict, GW_LIFE_IMPOSSIBLE);
}

static void test_release_returns_the_mode(void **state)
{
    static const enum gw_mode was[] = { GW_MODE_APPROVE, GW_MODE_AUTO, GW_MODE_MANUAL,
                                        GW_MODE_OBSERVE_ONLY };
    struct gw_life_result r;
    for (size_t i = 0; i < GW_ARRAY_SIZE(was); i++) {
        struct gw_life_facts f = { .mode_before = was[i],
                                   .have_mode_before = GW_TRI_YES,
                                   .witness = GW_TRI_YES };
        gw_mode_step(was[i], GW_MODE_HOLD, &f, &r);
        assert_int_equal(r.to, GW_MODE_HELD);
        gw_mode_step(GW_MODE_HELD, GW_MODE_RELEASE, &f, &r);
        assert_int_equal(r.to, was[i]);
        f.have_mode_before = GW_TRI_UNKNOWN;
        gw_mode_step(GW_MODE_HELD, GW_MODE_RELEASE, &f, &r);
        assert_int_equal(r.to, GW_MODE_APPROVE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_pair_has_a_row),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_outside),
        cmocka_unit_test(test_invariants),
        cmocka_unit_test(test_nothing_known),
        cmocka_unit_test(test_link_loss),
        cmocka_unit_test(test_three_ways_to_say_no),
        cmocka_unit_test(test_one_run),
        cmocka_unit_test(test_release_returns_the_mode),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
