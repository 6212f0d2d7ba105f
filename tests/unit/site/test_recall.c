// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* What shall run at a site whose memory was lost: all combinations of what can be known. */
#include "site/recall.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct site_recalled from_bits(unsigned bits)
{
    return (struct site_recalled){ .activated = bits & 1,
                                   .run_open = bits >> 1 & 1,
                                   .ours = bits >> 2 & 1,
                                   .held = bits >> 3 & 1,
                                   .dir_there = bits >> 4 & 1,
                                   .dir_active = bits >> 5 & 1,
                                   .dir_released = bits >> 6 & 1,
                                   .runs = (enum gw_catalog_want)(bits >> 7 & 3) };
}

/* A source is begun only where authority and directory agree, and never from a released one. */
static void test_a_source_needs_both(void **state)
{
    unsigned sources = 0, replicas = 0;
    (void)state;
    for (unsigned bits = 0; bits < 1u << 9; bits++) {
        const char *why = "x";
        struct site_recalled r = from_bits(bits);
        if (r.runs >= GW_CATALOG_WANT_MAX)
            continue;
        enum gw_catalog_want want = site_recall_want(&r, &why);
        if (r.activated && r.run_open) {
            assert_int_equal(want, r.runs); /* left as it is: the run's steps go on from it */
            continue;
        }
        if (want == GW_CATALOG_WANT_SOURCE) {
            assert_true(r.activated && r.held && r.ours && r.dir_active && !r.dir_released);
            sources++;
        }
        if (want == GW_CATALOG_WANT_REPLICA) {
            assert_true(r.activated && r.held && !r.ours && r.dir_there);
            assert_true(!r.dir_active || r.dir_released); /* a deposed one has a tail: reverse */
            replicas++;
        }
        if (!r.activated)
            assert_int_equal(want, GW_CATALOG_WANT_NONE);
        /* Nothing runs for a reason that people are told. */
        if (r.activated && r.held && want == GW_CATALOG_WANT_NONE)
            assert_non_null(why);
        else
            assert_null(why);
    }
    assert_true(sources > 0 && replicas > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_a_source_needs_both) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
