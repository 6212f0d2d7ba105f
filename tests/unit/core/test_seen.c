// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The source's words: each has its value, and an unknown one none. */
#include "core/seen.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void gives(struct gw_repl_seen s, enum gw_repl repl, enum gw_tri link)
{
    enum gw_repl r = GW_LIFE_REPL_MAX;
    enum gw_tri l = GW_TRI_MAX;
    assert_true(gw_repl_from_seen(&s, &r, &l));
    assert_int_equal(r, repl);
    assert_int_equal(l, link);
}

static void test_words(void **state)
{
    gives((struct gw_repl_seen){ .replication = "seeding" }, GW_LIFE_REPL_SEEDING, GW_TRI_YES);
    gives((struct gw_repl_seen){ .replication = "resync" }, GW_LIFE_REPL_RESYNC, GW_TRI_YES);
    gives((struct gw_repl_seen){ .replication = "async" }, GW_LIFE_REPL_ASYNC, GW_TRI_YES);
    gives((struct gw_repl_seen){ .replication = "sync" }, GW_LIFE_REPL_SYNC, GW_TRI_YES);
    gives((struct gw_repl_seen){ .replication = "assessing", .tail_waits = GW_TRI_YES },
          GW_LIFE_REPL_DIVERGED, GW_TRI_YES);
    gives((struct gw_repl_seen){ .replication = "assessing" }, GW_LIFE_REPL_UNSYNC, GW_TRI_YES);
    gives((struct gw_repl_seen){ .replication = "disconnected", .two_histories = GW_TRI_YES },
          GW_LIFE_REPL_DIVERGED, GW_TRI_NO);
}

/* Without a session it is never SYNC, and ASYNC only while the writes are kept in order. */
static void test_alone(void **state)
{
    struct gw_repl_seen s = { .replication = "disconnected" };
    gives(s, GW_LIFE_REPL_UNSYNC, GW_TRI_NO);
    s.attached = GW_TRI_YES;
    gives(s, GW_LIFE_REPL_UNSYNC, GW_TRI_NO); /* what it recorded is not known */
    s.recorded = "async";
    gives(s, GW_LIFE_REPL_ASYNC, GW_TRI_NO);
    s.attached = GW_TRI_NO;
    gives(s, GW_LIFE_REPL_UNSYNC, GW_TRI_NO);
    s.recorded = "sync";
    gives(s, GW_LIFE_REPL_SUSPENDED, GW_TRI_NO);
    s.recorded = "unsync";
    gives(s, GW_LIFE_REPL_UNSYNC, GW_TRI_NO);
}

static void test_unknown(void **state)
{
    enum gw_repl r = GW_LIFE_REPL_MAX;
    enum gw_tri l = GW_TRI_MAX;
    assert_false(gw_repl_from_seen(&(struct gw_repl_seen){ .replication = "teleporting" }, &r, &l));
    assert_false(gw_repl_from_seen(&(struct gw_repl_seen){ 0 }, &r, &l));
    assert_int_equal(r, GW_LIFE_REPL_MAX);
    assert_int_equal(l, GW_TRI_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_alone),
        cmocka_unit_test(test_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
