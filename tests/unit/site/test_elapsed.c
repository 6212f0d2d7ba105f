// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Durations of a run, with wall clocks that are set in the middle of it. */
#include "site/elapsed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define S 1000000000ll
#define HOUR (3600 * S)

static void add(json_t *log, const char *kind, json_int_t wall_ns, json_int_t took_ns)
{
    json_array_append_new(log, json_pack("{s:s, s:I, s:I}", "kind", kind, "wall_ns",
                                         10 * HOUR + wall_ns, "took_ns", took_ns));
}

/* Five seconds of it, the clocks being set by so much at each of the places. */
static void run_log(json_t *log, json_int_t before, json_int_t in_step, json_int_t between,
                    json_int_t offset)
{
    add(log, "started", 0, 0);
    add(log, "intent", before, 1);
    add(log, "done", before + in_step + 2 * S, 2 * S);
    add(log, "intent", before + in_step + between + 3 * S, 1 * S);
    add(log, "done", before + in_step + between + 4 * S, 1 * S);
    add(log, "taken_over", before + in_step + between + offset + 4 * S, 0);
    add(log, "intent", before + in_step + between + offset + 4 * S, 1);
    add(log, "done", before + in_step + between + offset + 5 * S, 1 * S);
}

static void test_the_wall_clock_does_not_count(void **state)
{
    static const json_int_t shifts[] = { 0, HOUR, -HOUR };
    (void)state;
    for (size_t i = 0; i < 27; i++) {
        json_t *log = json_array();
        run_log(log, shifts[i % 3], shifts[i / 3 % 3], shifts[i / 9], 0);
        uint64_t ns = site_elapsed_ns(log, 0, 7, 0);
        assert_in_range(ns, 5 * S, 5 * S + 10);
        assert_in_range(site_elapsed_ns(log, 3, 7, 0), 2 * S, 2 * S + 10);
        json_decref(log);
    }
}

static void test_two_sites_with_different_clocks(void **state)
{
    (void)state;
    json_t *log = json_array();
    run_log(log, 0, 0, 0, -HOUR); /* NEW is an hour behind: OLD's clock minus its own is an hour */
    assert_in_range(site_elapsed_ns(log, 0, 7, HOUR), 5 * S, 5 * S + 10);
    assert_in_range(site_elapsed_ns(log, 0, 7, 0), 5 * S,
                    5 * S + 10); /* cannot be less than nothing */
    json_decref(log);
}

static void test_without_durations_the_wall_clock_must_do(void **state)
{
    (void)state;
    json_t *log = json_array();
    add(log, "intent", 0, 0);
    add(log, "nothing", 600 * S, 0); /* the daemon was away for ten minutes: they count */
    add(log, "intent", 601 * S, 0);
    add(log, "done", 603 * S, 2 * S);
    assert_int_equal(site_elapsed_ns(log, 0, 3, 0), 603 * S);
    assert_int_equal(site_elapsed_ns(log, 0, 0, 0), 0);
    assert_int_equal(site_elapsed_ns(log, 0, 9, 0), 603 * S); /* beyond the end: to the end */
    json_decref(log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_wall_clock_does_not_count),
        cmocka_unit_test(test_two_sites_with_different_clocks),
        cmocka_unit_test(test_without_durations_the_wall_clock_must_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
