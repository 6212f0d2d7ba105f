// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The rule for automatic failover: each guard alone, each mode, and the field's incidents. */
#include "authority/rule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct gw_rule_facts good(void)
{
    struct gw_rule_facts f = {
        .mode = GW_RULE_MODE_AUTO,
        .in_the_way = GW_KNOWN_NO,
        .lapsed_there = GW_KNOWN_YES,
        .lapsed_here = GW_KNOWN_YES,
        .fence_verified = GW_KNOWN_NO,
        .witness_answers = GW_KNOWN_YES,
        .enforced = GW_KNOWN_YES,
        .has_record = GW_KNOWN_YES,
        .this_boot = GW_KNOWN_YES,
        .consistent = GW_KNOWN_YES,
        .points = 1,
        .ready = GW_KNOWN_YES,
        .ready_age_max_ms = 60000,
        .record_age_max_ms = 60000,
        .auto_rpo_ms = 1000,
    };
    f.limits = gw_suspect_limits_default();
    f.copy.kind = GW_COPY_SYNC;
    f.suspicion = (struct gw_suspicion){ .belief = GW_BELIEF_GONE,
                                         .failing = 2,
                                         .failures = 3,
                                         .vantage = GW_KNOWN_YES,
                                         .site_is_gone = GW_KNOWN_YES,
                                         .silence_ms = 60000,
                                         .life = GW_KNOWN_NO,
                                         .healthy = GW_KNOWN_YES };
    return f;
}

static void expect(const struct gw_rule_facts *f, enum gw_rule_verdict want, int failing)
{
    struct gw_rule_result r;
    gw_rule_judge(f, &r);
    assert_string_equal(gw_rule_verdict_name(r.verdict), gw_rule_verdict_name(want));
    for (unsigned g = 0; g < GW_CASE_MAX_ID; g++) {
        assert_true(r.rows[g].value[0] != '\0' && r.rows[g].wanted[0] != '\0');
        assert_non_null(r.rows[g].source);
        if (failing >= 0)
            assert_int_equal(r.rows[g].holds == GW_KNOWN_YES, (int)g != failing);
    }
}

#define WITH(change, want, guard)                                                                  \
    do {                                                                                           \
        struct gw_rule_facts f = good();                                                           \
        change;                                                                                    \
        expect(&f, GW_DECISION_##want, guard);                                                     \
    } while (0)

static void test_each_guard(void **state)
{
    (void)state;
    WITH((void)0, FAIL_OVER, GW_CASE_MAX_ID);
    WITH(f.in_the_way = GW_KNOWN_YES, NO, GW_CASE_M);
    WITH(f.in_the_way = GW_KNOWN_UNKNOWN, AWAIT_APPROVAL, GW_CASE_M);
    WITH(f.attempts = GW_ATTEMPTS_BLOCKED, NO, GW_CASE_M);
    WITH(f.suspicion.held = true, NO, GW_CASE_M);
    WITH(f.lapsed_there = GW_KNOWN_NO, NO, GW_CASE_E1);
    WITH(f.lapsed_here = GW_KNOWN_UNKNOWN, AWAIT_APPROVAL, GW_CASE_E1);
    WITH(f.suspicion.failing = 1, NO, GW_CASE_E2);
    WITH(f.suspicion.failures = 2, NO, GW_CASE_E2);
    WITH(f.suspicion.vantage = GW_KNOWN_UNKNOWN, AWAIT_APPROVAL, GW_CASE_E2);
    WITH(f.suspicion.vantage = GW_KNOWN_NO, NO, GW_CASE_E2);
    WITH(f.suspicion.site_is_gone = GW_KNOWN_NO, NO, GW_CASE_E2_SITE);
    WITH(f.suspicion.silence_ms = 59999, NO, GW_CASE_E2_HOLD);
    WITH(f.suspicion.life = GW_KNOWN_YES, NO, GW_CASE_E3);
    WITH(f.suspicion.healthy = GW_KNOWN_NO, NO, GW_CASE_E4);
    WITH(f.suspicion.healthy = GW_KNOWN_UNKNOWN, AWAIT_APPROVAL, GW_CASE_E4);
    WITH(f.copy.kind = GW_COPY_UNSYNC, AWAIT_APPROVAL, GW_CASE_D1);
    WITH(f.copy.kind = GW_COPY_NONE, AWAIT_APPROVAL, GW_CASE_D1);
    WITH(f.this_boot = GW_KNOWN_NO, AWAIT_APPROVAL, GW_CASE_D1);
    WITH(f.has_record = GW_KNOWN_UNKNOWN, AWAIT_APPROVAL, GW_CASE_D1);
    WITH(f.points = 0, AWAIT_APPROVAL, GW_CASE_D2);
    WITH(f.consistent = GW_KNOWN_UNKNOWN, AWAIT_APPROVAL, GW_CASE_D2);
    WITH(f.ready_age_ms = 60001, AWAIT_APPROVAL, GW_CASE_R1);
    WITH(f.ready = GW_KNOWN_NO, AWAIT_APPROVAL, GW_CASE_R1);
    WITH(f.witness_answers = GW_KNOWN_NO, AWAIT_APPROVAL, GW_CASE_F1);
    WITH(f.enforced = GW_KNOWN_NO, AWAIT_APPROVAL, GW_CASE_F1);
}

static void test_async(void **state)
{
    (void)state;
    WITH(f.copy.kind = GW_COPY_ASYNC; f.copy.lag_ms = 1000, FAIL_OVER, GW_CASE_MAX_ID);
    WITH(f.copy.kind = GW_COPY_ASYNC; f.copy.lag_ms = 1001, AWAIT_APPROVAL, GW_CASE_D1);
    WITH(f.copy.kind = GW_COPY_ASYNC; f.record_age_ms = 60001, AWAIT_APPROVAL, GW_CASE_D1);
}

static void test_fence(void **state)
{
    (void)state; /* a verified fence stands for the lease, and for its place in the write path */
    WITH(f.lapsed_there = f.lapsed_here = f.enforced = GW_KNOWN_NO;
         f.fence_verified = GW_KNOWN_YES, FAIL_OVER, GW_CASE_MAX_ID);
    WITH(f.lapsed_there = GW_KNOWN_NO;
         f.fence_verified = GW_KNOWN_UNKNOWN, AWAIT_APPROVAL, GW_CASE_E1);
}

static void test_modes(void **state)
{
    (void)state;
    WITH(f.mode = GW_RULE_MODE_APPROVE, AWAIT_APPROVAL, GW_CASE_MAX_ID);
    WITH(f.mode = GW_RULE_MODE_MANUAL, NO, GW_CASE_MAX_ID);
    WITH(f.mode = GW_RULE_MODE_OBSERVE, WOULD, GW_CASE_MAX_ID);
    WITH(f.mode = GW_RULE_MODE_OBSERVE; f.points = 0, NO, GW_CASE_D2);
    WITH(f.mode = GW_RULE_MODE_APPROVE; f.suspicion.life = GW_KNOWN_YES, NO, GW_CASE_E3);
}

/* Three answers a fact: whatever is not known, nothing fails over by itself. */
static void test_unknown_never_auto(void **state)
{
    struct gw_rule_facts f = { .mode = GW_RULE_MODE_AUTO };
    (void)state;
    f.limits = gw_suspect_limits_default();
    struct gw_rule_result r;
    gw_rule_judge(&f, &r);
    assert_int_not_equal(r.verdict, GW_DECISION_FAIL_OVER);
    for (unsigned g = 0; g < GW_CASE_MAX_ID; g++) {
        assert_string_not_equal(gw_case_label((enum gw_case_id)g), "invalid");
        assert_non_null(gw_case_title((enum gw_case_id)g));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_guard),
        cmocka_unit_test(test_async),
        cmocka_unit_test(test_fence),
        cmocka_unit_test(test_modes),
        cmocka_unit_test(test_unknown_never_auto),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
