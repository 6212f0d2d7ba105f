// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The table of run states: total, closed at its ends, and without a place that cannot be left. */
#include "core/run_state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct gw_run_next next(unsigned s, unsigned k)
{
    return gw_run_next((enum gw_run_state)s, (enum gw_entry_kind)k);
}

static void test_total(void **state)
{
    (void)state;
    for (unsigned s = 0; s <= GW_RUN_STATE_MAX; s++)
        for (unsigned k = 0; k <= GW_ENTRY_KIND_MAX; k++) {
            struct gw_run_next n = next(s, k);
            assert_in_range(n.edge, 0, GW_RUN_EDGE_MAX - 1);
            assert_non_null(n.sentence);
            assert_true(n.sentence[0] != '\0');
            if (s == GW_RUN_STATE_MAX || k == GW_ENTRY_KIND_MAX)
                assert_int_equal(n.edge, GW_EDGE_IMPOSSIBLE);
            if (n.edge == GW_EDGE_TO)
                assert_in_range(n.to, GW_RUN_WAITING_APPROVAL, GW_RUN_STATE_MAX - 1);
            if (n.edge == GW_EDGE_KEPT)
                assert_int_equal(n.to, s);
            if (n.edge == GW_EDGE_BEFORE)
                assert_true(s == GW_RUN_HALTED || s == GW_RUN_IN_DOUBT);
        }
}

/* D8: nothing follows an end; what a person asks then is refused, not impossible. */
static void test_ends(void **state)
{
    (void)state;
    for (unsigned s = GW_RUN_DONE; s < GW_RUN_STATE_MAX; s++) {
        assert_true(gw_run_state_ended((enum gw_run_state)s));
        for (unsigned k = 0; k < GW_ENTRY_KIND_MAX; k++)
            assert_true(next(s, k).edge == GW_EDGE_IMPOSSIBLE ||
                        next(s, k).edge == GW_EDGE_REFUSED);
    }
    for (unsigned s = 0; s < GW_RUN_DONE; s++)
        assert_false(gw_run_state_ended((enum gw_run_state)s));
    assert_int_equal(next(GW_RUN_DONE, GW_ENTRY_CANCEL).edge, GW_EDGE_REFUSED);
    assert_int_equal(next(GW_RUN_DONE, GW_ENTRY_INTENT).edge, GW_EDGE_IMPOSSIBLE);
}

/* Effects are begun in RUNNING only, undos while going back only. */
static void test_effects(void **state)
{
    (void)state;
    for (unsigned s = 0; s < GW_RUN_STATE_MAX; s++) {
        assert_int_equal(next(s, GW_ENTRY_INTENT).edge != GW_EDGE_IMPOSSIBLE, s == GW_RUN_RUNNING);
        assert_int_equal(next(s, GW_ENTRY_UNDO).edge != GW_EDGE_IMPOSSIBLE,
                         s == GW_RUN_CANCELLING || s == GW_RUN_REVERTING);
    }
}

static void reach(unsigned s, bool *seen)
{
    if (seen[s])
        return;
    seen[s] = true;
    for (unsigned k = 0; k < GW_ENTRY_KIND_MAX; k++) {
        struct gw_run_next n = next(s, k);
        if (n.edge == GW_EDGE_TO)
            reach(n.to, seen);
        if (n.edge == GW_EDGE_BEFORE) {
            reach(GW_RUN_RUNNING, seen);
            reach(GW_RUN_REVERTING, seen);
        }
    }
}

static void test_reachable(void **state)
{
    (void)state;
    bool from_new[GW_RUN_STATE_MAX] = { false };
    reach(GW_RUN_NEW, from_new);
    for (unsigned s = 0; s < GW_RUN_STATE_MAX; s++) {
        bool seen[GW_RUN_STATE_MAX] = { false };
        assert_true(from_new[s]);
        reach(s, seen);
        bool ends = false;
        for (unsigned e = GW_RUN_DONE; e < GW_RUN_STATE_MAX; e++)
            ends |= seen[e];
        assert_true(ends);
    }
}

static void test_names(void **state)
{
    (void)state;
    for (unsigned s = 0; s < GW_RUN_STATE_MAX; s++) {
        enum gw_run_state got = GW_RUN_STATE_MAX;
        assert_true(gw_run_state_parse(gw_run_state_name((enum gw_run_state)s), &got));
        assert_int_equal(got, s);
        assert_true(gw_run_state_sentence((enum gw_run_state)s)[0] != '\0');
    }
    for (unsigned k = 0; k < GW_ENTRY_KIND_MAX; k++) {
        enum gw_entry_kind got = GW_ENTRY_KIND_MAX;
        assert_true(gw_entry_kind_parse(gw_entry_kind_name((enum gw_entry_kind)k), &got));
        assert_int_equal(got, k);
        assert_true(gw_entry_kind_sentence((enum gw_entry_kind)k)[0] != '\0');
    }
    enum gw_run_state s = GW_RUN_DONE;
    assert_false(gw_run_state_parse("RUN", &s));
    assert_int_equal(s, GW_RUN_DONE);
}

static void test_dump(void **state)
{
    (void)state;
    char *text = NULL;
    size_t len = 0, lines = 0;
    FILE *f = open_memstream(&text, &len);
    assert_non_null(f);
    gw_run_state_dump(f);
    fclose(f);
    for (const char *c = text; *c; c++)
        lines += *c == '\n';
    assert_int_equal(lines, GW_ENTRY_KIND_MAX + 2);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_total),   cmocka_unit_test(test_ends),
        cmocka_unit_test(test_effects), cmocka_unit_test(test_reachable),
        cmocka_unit_test(test_names),   cmocka_unit_test(test_dump),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
