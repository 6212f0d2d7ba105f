// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The share of the time within the RPO, and addresses that other sites are told. */
#include "base/clock.h"
#include "site/reach.h"
#include "site/rpo.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint64_t at(uint64_t s)
{
    return s * GW_NS_PER_S;
}

static void test_share(void **state)
{
    (void)state;
    struct site_rpo r = { 0 };
    assert_true(site_rpo_percent(&r) < 0);
    site_rpo_look(&r, 1, true, true, at(100));
    assert_true(site_rpo_percent(&r) < 0); /* a moment is no time */
    site_rpo_look(&r, 1, true, true, at(103));
    assert_int_equal(r.total_ms, 3000);
    assert_true(site_rpo_percent(&r) == 100);
    site_rpo_look(&r, 1, true, false, at(104));
    assert_true(site_rpo_percent(&r) == 75);
}

static void test_what_is_not_counted(void **state)
{
    (void)state;
    struct site_rpo r = { 0 };
    site_rpo_look(&r, 1, true, true, at(10));
    site_rpo_look(&r, 1, true, true, at(12));
    site_rpo_look(&r, 1, false, false, at(13)); /* nothing to measure: neither good nor bad */
    site_rpo_look(&r, 1, true, true, at(15));
    assert_int_equal(r.total_ms, 2000);        /* nor is the time until it can be measured again */
    site_rpo_look(&r, 1, true, true, at(115)); /* nobody looked for so long */
    assert_int_equal(r.total_ms, 2000);
    site_rpo_look(&r, 1, true, true, at(116));
    assert_int_equal(r.total_ms, 3000);
}

static void test_another_reign_is_measured_anew(void **state)
{
    (void)state;
    struct site_rpo r = { 0 };
    site_rpo_look(&r, 1, true, false, at(10));
    site_rpo_look(&r, 1, true, false, at(15));
    assert_true(site_rpo_percent(&r) == 0);
    site_rpo_look(&r, 2, true, true, at(16));
    assert_true(site_rpo_percent(&r) < 0);
    site_rpo_look(&r, 2, true, true, at(17));
    assert_true(site_rpo_percent(&r) == 100);
    assert_int_equal(r.total_ms, 1000);
}

static void test_addresses(void **state)
{
    (void)state;
    char text[GW_PAIR_ADDRESS_MAX];
    assert_true(site_address_is_any("0.0.0.0:7001"));
    assert_true(site_address_is_any("[::]:7001"));
    assert_false(site_address_is_any("10.0.0.0:7001"));
    assert_false(site_address_is_any("[::1]:7001"));
    site_address_with_host("10.1.0.2:7001", "0.0.0.0:7000", text);
    assert_string_equal(text, "10.1.0.2:7000");
    site_address_with_host("[fd00::2]:7001", "[::]:7000", text);
    assert_string_equal(text, "[fd00::2]:7000");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_share),
        cmocka_unit_test(test_what_is_not_counted),
        cmocka_unit_test(test_another_reign_is_measured_anew),
        cmocka_unit_test(test_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
