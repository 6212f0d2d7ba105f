// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Runs from end to end between two simulated sites: persons, time, one run a plan, damaged logs. */
#include "sim.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MINUTE_MS 60000u
#define HOUR_MS (60u * MINUTE_MS)
#define ID "run-1"

static struct sim sim;

static void run_for(uint64_t ms)
{
    for (uint64_t t = 0; t < ms; t += SIM_TICK_MS)
        sim_tick(&sim);
}

static void sound(void)
{
    if (sim.violation[0])
        fail_msg("%s", sim.violation);
}

static enum gw_run_state state_at(unsigned site)
{
    const struct gw_run_row *row = memstore_row(sim.site[site].store, ID);
    assert_non_null(row);
    return row->state;
}

static bool has_entry(enum gw_entry_kind kind, enum gw_step_id step)
{
    uint32_t n = 0;
    for (unsigned i = 0; i < 2; i++) {
        const struct gw_run_entry *log = memstore_log(sim.site[i].store, ID, &n);
        struct gw_run run;
        struct gw_error err;
        if (!log || memstore_store.load(sim.site[i].store, ID, &run, &err) < 0)
            continue;
        const struct gw_operation *op = gw_operation_get(run.operation);
        for (uint32_t k = 0; k < n; k++)
            if (log[k].core.kind == kind &&
                (step == GW_STEP_ID_MAX ||
                 (log[k].core.step < op->n_steps && op->steps[log[k].core.step].id == step)))
                return true;
    }
    return false;
}

static int ask(unsigned site, enum gw_choice choice, const char *by, struct gw_error *err)
{
    struct gw_run_request q = { .choice = choice, .reason = "because" };
    snprintf(q.by, sizeof q.by, "%s", by);
    return gw_run_ask(&sim.site[site].env, ID, &q, err);
}

/* ---- persons --------------------------------------------------------------------------------- */

static void two_approvals(struct gw_run *run)
{
    run->approvals = 2;
}

static void test_approvals(void **state)
{
    struct gw_error err;
    (void)state;
    sim_init(&sim, GW_OPERATION_SWITCHOVER);
    sim_begin(&sim, GW_OPERATION_SWITCHOVER, ID, two_approvals);
    run_for(MINUTE_MS);
    assert_int_equal(state_at(0), GW_RUN_WAITING_APPROVAL);
    assert_int_equal(ask(0, GW_CHOICE_APPROVE, "ada", &err), -EPERM); /* she asked for it */
    assert_non_null(strstr(err.msg, "somebody else"));
    assert_int_equal(ask(0, GW_CHOICE_APPROVE, "Ada@lisbon", &err), -EPERM); /* from elsewhere */
    assert_int_equal(ask(0, GW_CHOICE_APPROVE, "", &err), -EINVAL);
    assert_int_equal(ask(0, GW_CHOICE_APPROVE, "bob", &err), 0);
    assert_int_equal(ask(0, GW_CHOICE_APPROVE, "bob@lisbon", &err), 0); /* not recorded yet */
    run_for(5000);
    assert_int_equal(state_at(0), GW_RUN_WAITING_APPROVAL); /* one person is one approval */
    assert_true(has_entry(GW_ENTRY_REFUSED, GW_STEP_ID_MAX));
    assert_int_equal(ask(0, GW_CHOICE_APPROVE, "bob", &err), -EPERM);
    assert_int_equal(ask(0, GW_CHOICE_APPROVE, "bob@madrid", &err), -EPERM);
    assert_int_equal(ask(0, GW_CHOICE_APPROVE, "eva", &err), 0);
    sim_settle(&sim, HOUR_MS);
    assert_int_equal(state_at(0), GW_RUN_DONE);
    assert_int_equal(state_at(1), GW_RUN_DONE);
    assert_int_equal(ask(1, GW_CHOICE_CANCEL, "eva", &err), -EPERM);
    assert_non_null(strstr(err.msg, "has ended"));
    sound();
    sim_done(&sim);
}

static void in_an_hour(struct gw_run *run)
{
    run->start_wall_ns = run->created_wall_ns + HOUR_MS * SIM_MS;
}

/* "At two o'clock" is what the clock on the wall says. */
static void test_schedule(void **state)
{
    struct gw_error err;
    (void)state;
    sim_init(&sim, GW_OPERATION_FAILBACK);
    sim_begin(&sim, GW_OPERATION_FAILBACK, ID, in_an_hour);
    run_for(59 * MINUTE_MS);
    assert_int_equal(state_at(0), GW_RUN_SCHEDULED);
    sim.wall_skew_ns = -(int64_t)(10 * MINUTE_MS * SIM_MS);
    run_for(5 * MINUTE_MS);
    assert_int_equal(state_at(0), GW_RUN_SCHEDULED);
    run_for(7 * MINUTE_MS);
    assert_int_equal(state_at(0), GW_RUN_DONE);
    sound();
    sim_done(&sim);

    sim_init(&sim, GW_OPERATION_FAILBACK);
    sim_begin(&sim, GW_OPERATION_FAILBACK, ID, in_an_hour);
    run_for(MINUTE_MS);
    assert_int_equal(ask(0, GW_CHOICE_CANCEL, "eva", &err), 0);
    sim_settle(&sim, MINUTE_MS);
    assert_int_equal(state_at(1), GW_RUN_CANCELLED);
    assert_false(has_entry(GW_ENTRY_INTENT, GW_STEP_ID_MAX));
    sound();
    sim_done(&sim);
}

static void abort_by_a_minute(struct gw_run *run)
{
    run->abort_by_wall_ns = run->created_wall_ns + MINUTE_MS * SIM_MS;
}

/* A deadline goes by boot time: a wall clock that is set back does not prolong it, also not across
 * a restart of the daemon. */
static void test_abort_by(void **state)
{
    (void)state;
    for (unsigned restarts = 0; restarts < 2; restarts++) {
        sim_init(&sim, GW_OPERATION_REVERSE);
        sim_begin(&sim, GW_OPERATION_REVERSE, ID, abort_by_a_minute);
        sim.signed_tail = false;
        run_for(2000);
        assert_int_equal(state_at(0), GW_RUN_WAITING); /* for a signature */
        sim.wall_skew_ns = -(int64_t)(HOUR_MS * SIM_MS);
        sim.tail_since_ns = sim.now_ns + 10ull * HOUR_MS * SIM_MS; /* nobody signs */
        if (restarts) {
            sim.site[0].daemon = false;
            run_for(1000);
            sim_return(&sim, &sim.site[0]);
        }
        run_for(30000);
        assert_int_equal(state_at(0), GW_RUN_WAITING);
        run_for(MINUTE_MS);
        assert_int_equal(state_at(0), GW_RUN_CANCELLED);
        assert_int_equal(state_at(1), GW_RUN_CANCELLED);
        assert_true(sim_serving(&sim.site[0]));
        sound();
        sim_done(&sim);
    }
}

static void in_an_hour_for_a_minute(struct gw_run *run)
{
    in_an_hour(run);
    run->abort_by_wall_ns = run->start_wall_ns + MINUTE_MS * SIM_MS;
}

/* ... and counts from when the run may begin: set back before that, the clock moves both; set
 * forward in the middle, neither. */
static void test_abort_by_of_a_schedule(void **state)
{
    (void)state;
    sim_init(&sim, GW_OPERATION_REVERSE);
    sim_begin(&sim, GW_OPERATION_REVERSE, ID, in_an_hour_for_a_minute);
    sim.signed_tail = false;
    run_for(MINUTE_MS);
    sim.wall_skew_ns = -(int64_t)(30 * MINUTE_MS * SIM_MS);
    run_for(88 * MINUTE_MS);
    assert_int_equal(state_at(0), GW_RUN_SCHEDULED);
    sim.tail_since_ns = sim.now_ns + 10ull * HOUR_MS * SIM_MS; /* nobody signs */
    run_for(MINUTE_MS + 10000);
    assert_int_equal(state_at(0), GW_RUN_WAITING);
    sim.wall_skew_ns = (int64_t)(HOUR_MS * SIM_MS);
    run_for(30000);
    assert_int_equal(state_at(0), GW_RUN_WAITING);
    run_for(MINUTE_MS);
    assert_int_equal(state_at(0), GW_RUN_CANCELLED);
    sound();
    sim_done(&sim);
}

static void test_cancel_while_waiting(void **state)
{
    struct gw_error err;
    (void)state;
    sim_init(&sim, GW_OPERATION_REVERSE);
    sim_begin(&sim, GW_OPERATION_REVERSE, ID, NULL);
    run_for(2000);
    assert_int_equal(state_at(0), GW_RUN_WAITING);
    assert_int_equal(ask(1, GW_CHOICE_CANCEL, "eva", &err), -EPERM); /* it is coordinated at 0 */
    assert_int_equal(ask(0, GW_CHOICE_RETRY, "eva", &err), -EPERM);
    assert_int_equal(ask(0, GW_CHOICE_CANCEL, "eva", &err), 0);
    sim_settle(&sim, MINUTE_MS);
    assert_int_equal(state_at(0), GW_RUN_CANCELLED);
    assert_int_equal(sim.site[1].unit, SIM_OFF);
    sound();
    sim_done(&sim);
}

/* Home is dead: there is nothing to go back to once its authority is revoked. */
static void test_cancel_needs_home(void **state)
{
    (void)state;
    sim_init(&sim, GW_OPERATION_FAILOVER);
    sim.confirmed_down = true;
    sim.site[0].daemon = sim.site[0].workload = sim.site[0].authorised = false;
    sim.site[0].unit = SIM_OFF;
    const struct gw_operation *op = gw_operation_get(GW_OPERATION_FAILOVER);
    sim.cancel_at = (int)gw_operation_find(op, GW_STEP_SERVE);
    sim_begin(&sim, GW_OPERATION_FAILOVER, ID, NULL);
    run_for(MINUTE_MS);
    assert_true(sim.cancel_asked);
    assert_int_equal(state_at(1), GW_RUN_DONE);
    assert_true(has_entry(GW_ENTRY_REFUSED, GW_STEP_ID_MAX));
    assert_true(has_entry(GW_ENTRY_ALONE, GW_STEP_ID_MAX)); /* the evidence says: one place */
    assert_true(sim_serving(&sim.site[1]));
    sound();
    sim_done(&sim);
}

static void test_halt_lists_choices(void **state)
{
    struct gw_run_look look;
    struct gw_error err;
    (void)state;
    sim_init(&sim, GW_OPERATION_SWITCHOVER);
    const struct gw_operation *op = gw_operation_get(GW_OPERATION_SWITCHOVER);
    sim.n_faults = 1;
    sim.fault[0] = (struct sim_fault){ .kind = SIM_EFFECT_FAILS,
                                       .step = gw_operation_find(op, GW_STEP_VERIFY),
                                       .heal_ms = HOUR_MS,
                                       .victim = -1 };
    sim_begin(&sim, GW_OPERATION_SWITCHOVER, ID, NULL);
    run_for(MINUTE_MS);
    assert_int_equal(gw_run_look(&sim.site[1].env, ID, false, &look, &err), 0);
    assert_int_equal(look.shown, GW_RUN_HALTED);
    assert_int_equal(look.current, gw_operation_find(op, GW_STEP_VERIFY));
    assert_int_equal(look.choices, 1u << GW_CHOICE_RESUME | 1u << GW_CHOICE_RETRY |
                                       1u << GW_CHOICE_SKIP | 1u << GW_CHOICE_ABORT);
    const struct gw_run_row *row = memstore_row(sim.site[1].store, ID);
    assert_non_null(strstr(row->why, "it fails"));
    assert_int_equal(ask(1, GW_CHOICE_REVERT, "eva", &err), -EPERM);
    assert_non_null(strstr(err.msg, "point of no return"));
    assert_int_equal(ask(1, GW_CHOICE_SKIP, "eva", &err), 0);
    run_for(MINUTE_MS);
    assert_int_equal(state_at(0), GW_RUN_DONE);
    assert_true(has_entry(GW_ENTRY_SKIPPED, GW_STEP_VERIFY));
    sound();
    sim_done(&sim);
}

static void returns(struct gw_run *run)
{
    run->return_on_unhealthy = true;
}

static void test_unhealthy_returns(void **state)
{
    (void)state;
    sim_init(&sim, GW_OPERATION_FAILBACK);
    const struct gw_operation *op = gw_operation_get(GW_OPERATION_FAILBACK);
    sim.n_faults = 1;
    sim.fault[0] = (struct sim_fault){ .kind = SIM_EFFECT_FAILS,
                                       .step = gw_operation_find(op, GW_STEP_VERIFY),
                                       .heal_ms = MINUTE_MS,
                                       .victim = -1 };
    sim_begin(&sim, GW_OPERATION_FAILBACK, ID, returns);
    sim_settle(&sim, HOUR_MS);
    assert_int_equal(state_at(1), GW_RUN_FAILED);
    assert_true(has_entry(GW_ENTRY_GIVE_UP, GW_STEP_VERIFY));
    assert_false(has_entry(GW_ENTRY_INTENT, GW_STEP_ROUTE));   /* no client was sent there */
    assert_true(has_entry(GW_ENTRY_DONE, GW_STEP_REVERSE_OK)); /* so that a run back can begin */
    assert_true(sim_connected(&sim, &sim.site[1]));
    sound();
    sim_done(&sim);
}

/* ---- one run a plan -------------------------------------------------------------------------- */

static struct gw_run plain_run(const char *id, enum gw_operation_id op)
{
    struct gw_run run = { .operation = op,
                          .plan = SIM_PLAN,
                          .requester = "ada",
                          .site = { "madrid", "lisbon" },
                          .epoch = 5 };
    snprintf(run.id, sizeof run.id, "%s", id);
    return run;
}

static void test_one_run_a_plan(void **state)
{
    struct gw_error err;
    (void)state;
    sim_init(&sim, GW_OPERATION_SWITCHOVER);
    sim_begin(&sim, GW_OPERATION_SWITCHOVER, ID, two_approvals);
    run_for(5000);
    struct gw_run run = plain_run("run-2", GW_OPERATION_SWITCHOVER);
    assert_int_equal(gw_run_create(&sim.site[0].env, &run, &err), -EBUSY);
    assert_non_null(strstr(err.msg, ID));
    /* And not at the other site either, where it is known too. */
    run = plain_run("run-3", GW_OPERATION_FAILOVER);
    assert_int_equal(gw_run_create(&sim.site[1].env, &run, &err), -EBUSY);
    snprintf(run.supersedes, sizeof run.supersedes, "%s", ID);
    assert_int_equal(gw_run_create(&sim.site[1].env, &run, &err), -EINVAL); /* of the same epoch */
    run.epoch = 6;
    assert_int_equal(gw_run_create(&sim.site[1].env, &run, &err), 0);
    assert_int_equal(state_at(1), GW_RUN_ABORTED);
    snprintf(sim.site[1].driven, sizeof sim.site[1].driven, "run-3");
    sim.site[1].wanted = true;
    run_for(5000);
    assert_int_equal(state_at(0), GW_RUN_ABORTED); /* it has heard */
    assert_int_equal(memstore_row(sim.site[0].store, "run-3")->state, GW_RUN_DONE);
    sound();
    sim_done(&sim);
}

static void test_create_refuses(void **state)
{
    struct gw_error err;
    (void)state;
    sim_init(&sim, GW_OPERATION_SWITCHOVER);
    struct gw_run run = plain_run(ID, GW_OPERATION_SWITCHOVER);
    assert_int_equal(gw_run_create(&sim.site[1].env, &run, &err), -EINVAL); /* begun at OLD */
    assert_non_null(strstr(err.msg, "madrid"));
    run.operation = GW_OPERATION_REHEARSAL;
    assert_int_equal(gw_run_create(&sim.site[0].env, &run, &err), -EINVAL);
    run = plain_run("", GW_OPERATION_SWITCHOVER);
    assert_int_equal(gw_run_create(&sim.site[0].env, &run, &err), -EINVAL);
    run = plain_run(ID, GW_OPERATION_SWITCHOVER);
    memcpy(run.site[1], "madrid", 7);
    assert_int_equal(gw_run_create(&sim.site[0].env, &run, &err), -EINVAL);
    memcpy(run.site[0], "oporto", 7);
    memcpy(run.site[1], "lisbon", 7);
    assert_int_equal(gw_run_create(&sim.site[0].env, &run, &err), -EINVAL); /* not ours */
    run = plain_run(ID, GW_OPERATION_SWITCHOVER);
    memcpy(run.supersedes, "run-0", 6);
    assert_int_equal(gw_run_create(&sim.site[0].env, &run, &err), -EINVAL);
    assert_int_equal(memstore_runs(sim.site[0].store), 0);
    sim_done(&sim);
}

/* The other site has not heard of the end of the last run when the next one begins. */
static void test_unheard_end(void **state)
{
    struct gw_error err;
    (void)state;
    sim_init(&sim, GW_OPERATION_SWITCHOVER);
    sim_begin(&sim, GW_OPERATION_SWITCHOVER, ID, two_approvals);
    run_for(5000);
    sim.link = false;
    assert_int_equal(ask(0, GW_CHOICE_CANCEL, "eva", &err), 0);
    run_for(5000);
    assert_int_equal(state_at(0), GW_RUN_CANCELLED);
    assert_int_equal(state_at(1), GW_RUN_WAITING_APPROVAL);
    sim.link = true;
    struct gw_run run = plain_run("run-2", GW_OPERATION_SWITCHOVER);
    assert_int_equal(gw_run_create(&sim.site[0].env, &run, &err), 0);
    snprintf(sim.site[0].driven, sizeof sim.site[0].driven, "run-2");
    sim.site[0].wanted = true;
    run_for(MINUTE_MS);
    assert_int_equal(state_at(1), GW_RUN_CANCELLED);
    const struct gw_run_row *row = memstore_row(sim.site[1].store, "run-2");
    assert_non_null(row);
    assert_int_equal(row->state, GW_RUN_DONE);
    sound();
    sim_done(&sim);
}

/* ---- evidence -------------------------------------------------------------------------------- */

static void test_log_is_chained(void **state)
{
    struct gw_run_look look;
    struct gw_error err;
    uint32_t n = 0;
    (void)state;
    sim_init(&sim, GW_OPERATION_SWITCHOVER);
    sim_begin(&sim, GW_OPERATION_SWITCHOVER, ID, NULL);
    sim_settle(&sim, HOUR_MS);
    sound();
    struct memstore *m = sim.site[0].store;
    struct gw_run_entry *log = (struct gw_run_entry *)(uintptr_t)memstore_log(m, ID, &n);
    assert_true(n > 30);
    assert_int_equal(gw_run_look(&sim.site[0].env, ID, false, &look, &err), 0);
    for (uint32_t i = 0; i < n; i += 7) { /* any edit of any entry is found */
        struct gw_run_entry was = log[i];
        log[i].wall_ns++;
        assert_int_equal(gw_run_look(&sim.site[0].env, ID, false, &look, &err), -EBADMSG);
        log[i] = was;
        log[i].detail[0] ^= 1;
        assert_int_equal(gw_run_look(&sim.site[0].env, ID, false, &look, &err), -EBADMSG);
        log[i] = was;
        log[i].by[0] ^= 1;
        assert_int_equal(gw_run_look(&sim.site[0].env, ID, false, &look, &err), -EBADMSG);
        log[i] = was;
    }
    assert_int_equal(gw_run_look(&sim.site[0].env, ID, false, &look, &err), 0);
    assert_int_equal(look.shown, GW_RUN_DONE);
    assert_int_equal(look.choices, 0);
    sim_done(&sim);
}

/* The log's disk is full: nothing is done that is not on record, and it goes on when there is room.
 */
static void test_disk_full(void **state)
{
    (void)state;
    for (int writes = 0; writes < 60; writes += 3) {
        sim_init(&sim, GW_OPERATION_SWITCHOVER);
        sim_begin(&sim, GW_OPERATION_SWITCHOVER, ID, NULL);
        memstore_fill(sim.site[0].store, writes);
        run_for(MINUTE_MS);
        sound();
        memstore_fill(sim.site[0].store, -1);
        sim_settle(&sim, HOUR_MS);
        sound();
        assert_true(sim.released <= 1 && sim.notified <= 1);
        sim_done(&sim);
    }
}

static void dry(struct gw_run *run)
{
    run->dry_run = true;
}

static void test_dry_run(void **state)
{
    (void)state;
    for (unsigned id = 1; id < GW_OPERATION_TEST; id++) {
        enum gw_operation_id op = (enum gw_operation_id)id;
        sim_init(&sim, op);
        uint32_t reign[2] = { sim.site[0].reign, sim.site[1].reign };
        enum sim_role role[2] = { sim.site[0].role, sim.site[1].role };
        enum sim_unit unit[2] = { sim.site[0].unit, sim.site[1].unit };
        sim_begin(&sim, op, ID, dry);
        sim_settle(&sim, MINUTE_MS);
        sound();
        for (unsigned i = 0; i < 2; i++) {
            assert_int_equal(state_at(i), GW_RUN_DONE);
            assert_int_equal(sim.site[i].role, role[i]);
            assert_int_equal(sim.site[i].unit, unit[i]);
            assert_int_equal(sim.site[i].reign, reign[i]);
        }
        assert_int_equal(sim.released + sim.notified, 0);
        assert_int_equal(sim.route, -1);
        sim_done(&sim);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_approvals),
        cmocka_unit_test(test_schedule),
        cmocka_unit_test(test_abort_by),
        cmocka_unit_test(test_abort_by_of_a_schedule),
        cmocka_unit_test(test_cancel_while_waiting),
        cmocka_unit_test(test_cancel_needs_home),
        cmocka_unit_test(test_halt_lists_choices),
        cmocka_unit_test(test_unhealthy_returns),
        cmocka_unit_test(test_one_run_a_plan),
        cmocka_unit_test(test_create_refuses),
        cmocka_unit_test(test_unheard_end),
        cmocka_unit_test(test_log_is_chained),
        cmocka_unit_test(test_disk_full),
        cmocka_unit_test(test_dry_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
