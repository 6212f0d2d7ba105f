// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Guards: nothing passes that is not known, an override forces just what it names, and may. */
#include "base/checked.h"
#include "core/guard.h"
#include "core/phase.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct gw_guard_facts all(enum gw_tri value)
{
    struct gw_guard_facts f = { 0 };
    for (unsigned g = 0; g < GW_GUARD_MAX; g++)
        f.ok[g] = value;
    return f;
}

static const struct gw_guard_check *refusal(enum gw_request r, const struct gw_guard_facts *f,
                                            struct gw_guard_check checks[GW_GUARD_MAX])
{
    return gw_guards_refusal(checks, gw_guards_check(r, f, checks));
}

static void test_all_met(void **state)
{
    struct gw_guard_check checks[GW_GUARD_MAX];
    const struct gw_guard_facts f = all(GW_TRI_YES);
    for (unsigned r = 0; r < GW_REQUEST_MAX; r++) {
        size_t n = gw_guards_check((enum gw_request)r, &f, checks);
        assert_true(n > 0 && n <= GW_GUARD_MAX);
        assert_null(gw_guards_refusal(checks, n));
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(checks[i].verdict, GW_GUARD_PASSED);
            assert_string_equal(checks[i].sentence, "");
            for (size_t k = 0; k < i; k++) /* no guard twice */
                assert_int_not_equal(checks[i].guard, checks[k].guard);
        }
    }
}

/* Each guard alone not met, or not known: it refuses, it waits, or an override of it helps. */
static void check_one(enum gw_request r, enum gw_guard g, enum gw_tri value)
{
    struct gw_guard_check checks[GW_GUARD_MAX];
    struct gw_guard_facts f = all(GW_TRI_YES);
    f.ok[g] = value;
    const struct gw_guard_check *no = refusal(r, &f, checks);
    enum gw_guard_use use = gw_guard_use(r, g);
    if (use == GW_GUARD_NOT_USED || use == GW_GUARD_CAN_WAIT) {
        assert_null(no);
        return;
    }
    assert_non_null(no);
    assert_int_equal(no->guard, g);
    assert_int_equal(no->verdict, value == GW_TRI_NO ? GW_GUARD_FAILED : GW_GUARD_NOT_KNOWN);
    assert_int_equal(no->forceable, use == GW_GUARD_CAN_FORCE);
    assert_true(strlen(no->sentence) > 10 && strlen(no->way_out) > 5);

    struct gw_guard_facts other = f;
    for (unsigned i = 0; i < GW_GUARD_MAX; i++) /* overrides of everything but this one */
        other.overridden[i] = i != (unsigned)g;
    assert_non_null(refusal(r, &other, checks));
    f.overridden[g] = true;
    no = refusal(r, &f, checks);
    if (use == GW_GUARD_CAN_FORCE)
        assert_null(no);
    else
        assert_non_null(no); /* what is firm, no override forces */
}

static void test_each_alone(void **state)
{
    for (unsigned r = 0; r < GW_REQUEST_MAX; r++) {
        for (unsigned g = 0; g < GW_GUARD_MAX; g++) {
            check_one((enum gw_request)r, (enum gw_guard)g, GW_TRI_NO);
            check_one((enum gw_request)r, (enum gw_guard)g, GW_TRI_UNKNOWN);
        }
    }
}

static void test_nothing_known(void **state)
{
    struct gw_guard_check checks[GW_GUARD_MAX];
    const struct gw_guard_facts f = { 0 };
    for (unsigned r = 0; r < GW_REQUEST_MAX; r++)
        assert_non_null(refusal((enum gw_request)r, &f, checks));
}

/* What keeps two sites from serving, or a tail from being lost, is firm. */
static void test_firm(void **state)
{
    static const enum gw_request moves[] = { GW_REQUEST_SWITCHOVER, GW_REQUEST_FAILBACK };
    static const enum gw_guard firm[] = {
        GW_GUARD_NO_OTHER_RUN,
        GW_GUARD_MEMORY_CURRENT,
        GW_GUARD_NO_SPLIT_BRAIN,
        GW_GUARD_PEER_REACHABLE,
        GW_GUARD_LINK_UP,
        GW_GUARD_TAIL_SIGNED,
        GW_GUARD_SYNCED_SINCE_CHANGE,
        GW_GUARD_STANDBY_CONSISTENT,
    };
    for (size_t i = 0; i < GW_ARRAY_SIZE(moves); i++) {
        for (size_t k = 0; k < GW_ARRAY_SIZE(firm); k++)
            assert_int_equal(gw_guard_use(moves[i], firm[k]), GW_GUARD_FIRM);
        assert_int_equal(gw_guard_use(moves[i], GW_GUARD_APPROVED), GW_GUARD_CAN_WAIT);
    }
    assert_int_equal(gw_guard_use(GW_REQUEST_FAILOVER, GW_GUARD_OLD_STOPPED), GW_GUARD_CAN_FORCE);
    assert_int_equal(gw_guard_use(GW_REQUEST_FAILOVER, GW_GUARD_NO_SPLIT_BRAIN), GW_GUARD_FIRM);
    assert_int_equal(gw_guard_use(GW_REQUEST_FAILOVER, GW_GUARD_PEER_REACHABLE), GW_GUARD_NOT_USED);
    assert_int_equal(gw_guard_use(GW_REQUEST_DIVERGENCE_SIGN, GW_GUARD_NAMED_PERSON),
                     GW_GUARD_FIRM);
    assert_int_equal(gw_guard_use(GW_REQUEST_REVERT, GW_GUARD_BEFORE_ROUTE), GW_GUARD_FIRM);
    assert_int_equal(gw_guard_use(GW_REQUEST_REVERSE, GW_GUARD_NOT_FOLLOWING), GW_GUARD_FIRM);
}

static void test_values_are_passed_on(void **state)
{
    struct gw_guard_check checks[GW_GUARD_MAX];
    struct gw_guard_facts f = all(GW_TRI_YES);
    f.ok[GW_GUARD_LAG_IN_BUDGET] = GW_TRI_NO;
    f.value[GW_GUARD_LAG_IN_BUDGET] = "lag 41.0 MiB";
    f.limit[GW_GUARD_LAG_IN_BUDGET] = "at most 16.0 MiB";
    const struct gw_guard_check *no = refusal(GW_REQUEST_FAILBACK, &f, checks);
    assert_non_null(no);
    assert_string_equal(no->value, "lag 41.0 MiB");
    assert_string_equal(no->limit, "at most 16.0 MiB");
    assert_string_equal(gw_guard_name(no->guard), "lag-in-budget");
    f.ok[GW_GUARD_LAG_IN_BUDGET] = GW_TRI_YES;
    f.ok[GW_GUARD_PLANS_EQUAL] = GW_TRI_UNKNOWN; /* nobody said that they differ */
    no = refusal(GW_REQUEST_FAILBACK, &f, checks);
    assert_non_null(strstr(no->sentence, "was not heard"));
    f.ok[GW_GUARD_PLANS_EQUAL] = GW_TRI_NO;
    no = refusal(GW_REQUEST_FAILBACK, &f, checks);
    assert_non_null(strstr(no->sentence, "different versions"));
    f.ok[GW_GUARD_PLANS_EQUAL] = GW_TRI_YES;
    f.ok[GW_GUARD_APPROVED] = GW_TRI_NO; /* it waits, and says so */
    size_t n = gw_guards_check(GW_REQUEST_FAILBACK, &f, checks);
    assert_null(gw_guards_refusal(checks, n));
    assert_int_equal(checks[n - 1].guard, GW_GUARD_APPROVED);
    assert_int_equal(checks[n - 1].verdict, GW_GUARD_WAITS);
}

static void test_no_such_request(void **state)
{
    struct gw_guard_check checks[GW_GUARD_MAX];
    const struct gw_guard_facts f = all(GW_TRI_YES);
    size_t n = gw_guards_check((enum gw_request) - 1, &f, checks);
    assert_int_equal(n, 0);
    assert_non_null(gw_guards_refusal(checks, n));
    assert_int_equal(gw_guard_use(GW_REQUEST_MAX, GW_GUARD_APPROVED), GW_GUARD_NOT_USED);
}

static void is_word(const char *word)
{
    assert_non_null(word);
    for (const char *p = word; *p != '\0'; p++)
        assert_true(islower((unsigned char)*p) || *p == '-');
}

static void test_words(void **state)
{
    const struct gw_phase_names names = {
        .plan = "shop", .home = "madrid", .dr = "lisbon", .run = "r7", .holder = GW_HOLDER_HOME
    };
    char text[GW_PHASE_TEXT_MAX];
    for (unsigned g = 0; g < GW_GUARD_MAX; g++) {
        enum gw_guard back = GW_GUARD_MAX;
        is_word(gw_guard_name((enum gw_guard)g));
        assert_true(gw_guard_parse(gw_guard_name((enum gw_guard)g), &back));
        assert_int_equal(back, g);
        assert_true(strlen(gw_guard_looks_at((enum gw_guard)g)) > 5);
        unsigned used = 0;
        for (unsigned r = 0; r < GW_REQUEST_MAX; r++)
            used += gw_guard_use((enum gw_request)r, (enum gw_guard)g) != GW_GUARD_NOT_USED;
        assert_true(used > 0);
    }
    for (unsigned r = 0; r < GW_REQUEST_MAX; r++) {
        struct gw_guard_check checks[GW_GUARD_MAX];
        enum gw_request back = GW_REQUEST_MAX;
        is_word(gw_request_name((enum gw_request)r));
        assert_true(gw_request_parse(gw_request_name((enum gw_request)r), &back));
        assert_int_equal(back, r);
        const struct gw_guard_facts none = { 0 };
        size_t n = gw_guards_check((enum gw_request)r, &none, checks);
        for (size_t i = 0; i < n; i++) {
            gw_phase_expand(checks[i].sentence, &names, text, sizeof text);
            assert_null(strpbrk(text, "{}?"));
            gw_phase_expand(checks[i].way_out, &names, text, sizeof text);
            assert_null(strpbrk(text, "{}?"));
        }
    }
    enum gw_guard g;
    enum gw_request r;
    assert_false(gw_guard_parse("everything", &g));
    assert_false(gw_request_parse("fail-over", &r));
    assert_int_equal(gw_request_op(GW_REQUEST_FAILBACK), GW_OPERATION_FAILBACK);
    assert_int_equal(gw_request_op(GW_REQUEST_COMMIT), GW_OPERATION_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_met),
        cmocka_unit_test(test_each_alone),
        cmocka_unit_test(test_nothing_known),
        cmocka_unit_test(test_firm),
        cmocka_unit_test(test_values_are_passed_on),
        cmocka_unit_test(test_no_such_request),
        cmocka_unit_test(test_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
