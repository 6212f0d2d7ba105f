// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* One automatic attempt, then a person. */
#include "authority/attempts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct gw_attempts a;
static struct gw_attempts_budget b;
static uint64_t free_s;

static enum gw_attempts_verdict judge(uint64_t now_s)
{
    return gw_attempts_judge(&a, &b, 86400, 2, now_s, &free_s);
}

static void test_block(void **state)
{
    (void)state;
    assert_int_equal(judge(1000000), GW_ATTEMPTS_FREE);
    gw_attempts_begin(&a, &b, 1000000);
    assert_int_equal(judge(1000000 + 86399), GW_ATTEMPTS_BLOCKED);
    assert_int_equal(free_s, 1000000 + 86400);
    assert_int_equal(judge(999), GW_ATTEMPTS_BLOCKED); /* a clock that went back frees nobody */
    assert_int_equal(judge(1000000 + 86400), GW_ATTEMPTS_FREE);
    gw_attempts_acknowledge(&a);
    assert_int_equal(judge(1000001), GW_ATTEMPTS_FREE);
    gw_attempts_failed(&a);
    assert_int_equal(judge(2000000), GW_ATTEMPTS_HALTED);
    gw_attempts_acknowledge(&a);
    assert_int_equal(judge(2000000), GW_ATTEMPTS_FREE);
}

static void test_budget(void **state)
{
    struct gw_attempts other = { 0 };
    (void)state;
    a = other;
    b = (struct gw_attempts_budget){ 0 };
    gw_attempts_begin(&other, &b, 5000);
    assert_int_equal(judge(5001), GW_ATTEMPTS_FREE);
    gw_attempts_begin(&other, &b, 5100);
    assert_int_equal(judge(5101), GW_ATTEMPTS_SPENT);
    assert_int_equal(free_s, 5600);
    assert_int_equal(judge(5600), GW_ATTEMPTS_FREE);
    for (unsigned i = 0; i < 3 * GW_ATTEMPTS_BUDGET_MAX; i++)
        gw_attempts_begin(&other, &b, 6000);
    assert_int_equal(b.n, GW_ATTEMPTS_BUDGET_MAX);
    assert_int_equal(judge(6000), GW_ATTEMPTS_SPENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_block),
        cmocka_unit_test(test_budget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
