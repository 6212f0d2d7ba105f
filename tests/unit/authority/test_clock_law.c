// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The inequalities, and what a fault says. */
#include "authority/clock_law.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct gw_authority_fault faults[GW_AUTHORITY_FAULTS_MAX];

static void expect(struct gw_authority_limits l, const char *name, const char *words)
{
    const size_t n = gw_authority_limits_check(&l, faults);
    assert_int_equal(n, name != NULL);
    if (name != NULL) {
        assert_string_equal(faults[0].name, name);
        assert_non_null(strstr(faults[0].text, words));
    }
}

static void test_inequalities(void **state)
{
    struct gw_authority_limits l = gw_authority_limits_default();
    (void)state;
    expect(l, NULL, NULL); /* 18 s is exactly what 22 s allow at 10 % */
    l.hold_ms++;
    expect(l, "hold", "1 ms less");
    l = gw_authority_limits_default();
    l.promise_ms--;
    expect(l, "hold", "at least 22000 ms");
    l = gw_authority_limits_default();
    l.tries = 5; /* 3 + 5 x 2 = 13 > 18 - 6 */
    expect(l, "tries", "by 1000 ms");
    l = gw_authority_limits_default();
    l.watchdog_ms = 16001;
    expect(l, "watchdog", "by 1 ms");
    l = gw_authority_limits_default();
    l.io_ms = 5001;
    expect(l, "delay", "by 1 ms");
    l = gw_authority_limits_default();
    l.reply_ms = 0;
    expect(l, "reply", "between 1");
    l = gw_authority_limits_default();
    l.hold_ms = 30000;
    l.watchdog_ms = 40000;
    assert_int_equal(gw_authority_limits_check(&l, faults), 2);
}

static void test_all_wrong(void **state)
{
    struct gw_authority_limits l;
    (void)state;
    memset(&l, 0xff, sizeof l);
    assert_true(gw_authority_limits_check(&l, faults) <= GW_AUTHORITY_FAULTS_MAX);
}

static void test_elapsed(void **state)
{
    const struct gw_instant then = { 100, 1000 }, now = { 150, 1020 };
    (void)state;
    assert_int_equal(gw_instant_passed_max(&then, &now), 50);
    assert_int_equal(gw_instant_passed_min(&then, &now), 20);
    assert_int_equal(gw_instant_passed_max(&now, &then), 0); /* never less than nothing */
    assert_false(gw_instant_is_set(&(struct gw_instant){ 0 }));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inequalities),
        cmocka_unit_test(test_all_wrong),
        cmocka_unit_test(test_elapsed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
