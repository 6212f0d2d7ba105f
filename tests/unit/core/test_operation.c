// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The tables of operations: what must hold in each of them. */
#include "core/operation.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void each(void (*fn)(const struct gw_operation *op))
{
    unsigned n = 0;
    for (unsigned id = 0; id < GW_OPERATION_ID_MAX; id++) {
        const struct gw_operation *op = gw_operation_get((enum gw_operation_id)id);
        if (!op)
            continue;
        assert_int_equal(op->id, id);
        fn(op);
        n++;
    }
    assert_int_equal(n, 7);
}

static void check_shape(const struct gw_operation *op)
{
    assert_in_range(op->n_steps, 1, GW_OPERATION_STEPS_MAX);
    assert_int_equal(op->steps[0].id, GW_STEP_PRECHECK);
    unsigned ponrs = 0;
    for (unsigned i = 0; i < op->n_steps; i++) {
        const struct gw_step *s = &op->steps[i];
        const struct gw_step_text *t = gw_step_text(s->id);
        ponrs += (s->flags & GW_STEP_PONR) != 0;
        assert_true(s->timeout_ms > 0 || s->wait != GW_WAIT_NONE);
        assert_true(s->target_ms > 0);
        assert_true(t->title[0] && t->does[0] && t->expected[0] && t->verify[0] && t->if_fails[0]);
        assert_true(!s->undo || t->undo[0]);
        assert_int_equal(gw_operation_find(op, s->id), i); /* a step is in it once */
    }
    assert_true(ponrs <= 1);
    assert_int_equal(gw_operation_find(op, GW_STEP_ID_MAX), op->n_steps);
}

static void test_shape(void **state)
{
    (void)state;
    each(check_shape);
    assert_null(gw_operation_get(GW_OPERATION_TEST));
    assert_null(gw_operation_get(GW_OPERATION_REHEARSAL));
    assert_null(gw_operation_get(GW_OPERATION_RECONCILE));
    assert_null(gw_operation_get(GW_OPERATION_ID_MAX));
}

/* A step that is done once is not retried; nothing after the point of no return is taken back; what
 * is not taken back before it changes nothing that clients see. */
static void check_rules(const struct gw_operation *op)
{
    unsigned ponr = gw_operation_ponr(op);
    for (unsigned i = 0; i < op->n_steps; i++) {
        const struct gw_step *s = &op->steps[i];
        if (s->class == GW_CLASS_ONCE)
            assert_int_equal(s->retries, 0);
        if (i > ponr)
            assert_false(s->undo);
        if (i > ponr)
            assert_int_not_equal(s->on_failure, GW_FAILURE_REVERT);
        bool stops = s->id == GW_STEP_STOP || s->id == GW_STEP_QUIESCE || s->id == GW_STEP_KEEP ||
                     s->id == GW_STEP_OFF_SOURCE || s->id == GW_STEP_REVOKE;
        if (stops && i < ponr)
            assert_true(s->undo);
        /* A dry run changes nothing. */
        bool harmless = s->id == GW_STEP_PRECHECK || s->id == GW_STEP_FORECAST ||
                        s->id == GW_STEP_ESTIMATE || s->id == GW_STEP_REPORT;
        assert_int_equal(s->dry == GW_DRY_RUN, harmless);
    }
}

static void test_rules(void **state)
{
    (void)state;
    each(check_rules);
}

/* I4: PROMOTE is preceded by REVOKE, HANDOVER or, in a revert, by the other side's stepping back.
 */
static void check_promote(const struct gw_operation *op)
{
    unsigned promote = gw_operation_find(op, GW_STEP_PROMOTE);
    if (promote == op->n_steps)
        return;
    assert_true(gw_operation_find(op, GW_STEP_REVOKE) < promote ||
                gw_operation_find(op, GW_STEP_HANDOVER) < promote ||
                gw_operation_find(op, GW_STEP_KEEP) < promote);
    assert_true(op->steps[promote].flags & GW_STEP_ASKS_PEER);
    assert_true(gw_operation_find(op, GW_STEP_SERVE) > promote);
    assert_true(gw_operation_find(op, GW_STEP_START) > gw_operation_find(op, GW_STEP_SERVE));
}

static void test_order(void **state)
{
    (void)state;
    each(check_promote);
    const struct gw_operation *op = gw_operation_get(GW_OPERATION_FAILBACK);
    const struct gw_operation *same = gw_operation_get(GW_OPERATION_SWITCHOVER);
    assert_ptr_equal(op->steps, same->steps);
    static const enum gw_step_id order[] = { GW_STEP_STOP,   GW_STEP_QUIESCE,  GW_STEP_FINAL_SYNC,
                                             GW_STEP_EQUAL,  GW_STEP_HANDOVER, GW_STEP_PROMOTE,
                                             GW_STEP_VERIFY, GW_STEP_ROUTE,    GW_STEP_REVERSE_OK };
    for (size_t i = 1; i < sizeof order / sizeof order[0]; i++)
        assert_true(gw_operation_find(op, order[i - 1]) < gw_operation_find(op, order[i]));
    assert_int_equal(op->steps[gw_operation_ponr(op)].id, GW_STEP_HANDOVER);
    op = gw_operation_get(GW_OPERATION_FAILOVER);
    assert_int_equal(op->steps[gw_operation_ponr(op)].id, GW_STEP_ROUTE);
    assert_int_equal(op->starts, GW_SIDE_NEW);
    assert_true(op->alone_ok && op->supersedes);
}

static void test_names(void **state)
{
    (void)state;
    for (unsigned i = 0; i < GW_STEP_ID_MAX; i++) {
        enum gw_step_id id = GW_STEP_ID_MAX;
        assert_true(gw_step_parse(gw_step_name((enum gw_step_id)i), &id));
        assert_int_equal(id, i);
    }
    for (unsigned i = 0; i < GW_OPERATION_ID_MAX; i++) {
        enum gw_operation_id id = GW_OPERATION_ID_MAX;
        assert_true(gw_operation_parse(gw_operation_name((enum gw_operation_id)i), &id));
        assert_int_equal(id, i);
    }
    enum gw_step_id step = GW_STEP_STOP;
    enum gw_operation_id op = GW_OPERATION_REVERT;
    assert_false(gw_step_parse("nonsense", &step));
    assert_false(gw_operation_parse("", &op));
    assert_int_equal(step, GW_STEP_STOP);
    assert_int_equal(op, GW_OPERATION_REVERT);
    assert_string_equal(gw_step_name(GW_STEP_ID_MAX), "invalid");
    assert_string_equal(gw_step_text(GW_STEP_ID_MAX)->title, "invalid");
}

static char *printed(void (*fn)(FILE *out))
{
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);
    assert_non_null(f);
    fn(f);
    fclose(f);
    return text;
}

static void print_runbooks(FILE *out)
{
    for (unsigned id = 0; id < GW_OPERATION_ID_MAX; id++)
        if (gw_operation_get((enum gw_operation_id)id))
            gw_operation_print_runbook(gw_operation_get((enum gw_operation_id)id), out);
}

static void test_dump(void **state)
{
    (void)state;
    char *tables = printed(gw_operation_dump), *runbook = printed(print_runbooks);
    for (unsigned i = 0; i < GW_STEP_ID_MAX; i++) { /* every step is in an operation */
        assert_non_null(strstr(tables, gw_step_name((enum gw_step_id)i)));
        assert_non_null(strstr(runbook, gw_step_text((enum gw_step_id)i)->if_fails));
    }
    assert_non_null(strstr(tables, "point of no return"));
    free(tables);
    free(runbook);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shape), cmocka_unit_test(test_rules), cmocka_unit_test(test_order),
        cmocka_unit_test(test_names), cmocka_unit_test(test_dump),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
