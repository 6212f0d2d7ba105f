// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The receiving side, message by message. */
#include "memstore.h"
#include "run/receive.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A site "lisbon" (NEW) that is spoken to by "madrid" (OLD). */
struct site {
    struct memstore *store;
    struct gw_run_env env;
    unsigned effects, undos, observes;
    bool observes_within; /* the effect sends an observe of its own */
    enum gw_outcome seen_within;
    bool dies;
};

static struct site site;
static struct gw_run run;
static struct gw_run_entry entries[32];
static unsigned n;

static int receive(enum gw_run_message_kind kind, uint32_t step, uint32_t attempt, uint64_t epoch,
                   struct gw_run_reply *ret)
{
    struct gw_run_message m = { .kind = kind,
                                .run = run,
                                .epoch = epoch,
                                .from = GW_SIDE_OLD,
                                .step = step,
                                .attempt = attempt };
    struct gw_error err;
    bool wake = false;
    int r = gw_run_receive(&site.env, &m, ret, &wake, &err);
    assert_false(wake && kind != GW_RUN_COPY);
    return r;
}

static enum gw_run_answer copy(uint32_t from, unsigned count, struct gw_run_reply *ret,
                               bool *ret_wake)
{
    struct gw_run_message m = { .kind = GW_RUN_COPY,
                                .run = run,
                                .epoch = count ? entries[from + count - 1].core.epoch : run.epoch,
                                .from = GW_SIDE_OLD,
                                .have = from,
                                .entries = &entries[from],
                                .n = count };
    struct gw_error err;
    assert_int_equal(gw_run_receive(&site.env, &m, ret, ret_wake, &err), 0);
    return ret->answer;
}

static void effect(void *ctx, const struct gw_run_call *call, struct gw_run_outcome *ret)
{
    struct site *s = ctx;
    s->effects++;
    ret->outcome = GW_OUTCOME_DONE;
    snprintf(ret->detail, sizeof ret->detail, "effect %u", s->effects);
    if (s->observes_within) {
        struct gw_run_reply reply;
        s->observes_within = false;
        assert_int_equal(receive(GW_RUN_OBSERVE, call->index, 1, call->epoch, &reply), 0);
        s->seen_within = reply.outcome.outcome;
        assert_int_equal(receive(GW_RUN_EFFECT, call->index, 1, call->epoch, &reply), 0);
        assert_int_equal(reply.outcome.outcome, GW_OUTCOME_UNKNOWN);
    }
}

static void undo(void *ctx, const struct gw_run_call *call, struct gw_run_outcome *ret)
{
    struct site *s = ctx;
    (void)call;
    s->undos++;
    ret->outcome = GW_OUTCOME_DONE;
}

static void observe(void *ctx, const struct gw_run_call *call, struct gw_run_outcome *ret)
{
    struct site *s = ctx;
    (void)call;
    s->observes++;
    ret->outcome = GW_OUTCOME_DESIRED;
}

static uint64_t a_time(void *ctx)
{
    (void)ctx;
    return 77;
}

static bool crash(void *ctx, enum gw_run_moment moment, const struct gw_run_call *call, bool remote)
{
    const struct site *s = ctx;
    (void)call;
    return remote && s->dies && moment == GW_MOMENT_AFTER_EFFECT;
}

static const struct gw_run_world world = { .effect = effect,
                                           .undo = undo,
                                           .observe = observe,
                                           .boot_ns = a_time,
                                           .wall_ns = a_time,
                                           .crash = crash };

static void append(enum gw_entry_kind kind, uint32_t step, uint32_t attempt)
{
    entries[n] = (struct gw_run_entry){ .number = n,
                                        .core = { .kind = kind,
                                                  .step = step,
                                                  .attempt = attempt,
                                                  .epoch = run.epoch,
                                                  .side = GW_SIDE_OLD } };
    gw_run_entry_seal(&entries[n], &run, n ? &entries[n - 1] : NULL);
    n++;
}

static unsigned at(enum gw_step_id id)
{
    return gw_operation_find(gw_operation_get(run.operation), id);
}

/* A deactivation that has come to the step at lisbon: off_replica. */
static int set_up(void **state)
{
    (void)state;
    site = (struct site){ .store = memstore_new() };
    site.env = (struct gw_run_env){ .store = &memstore_store,
                                    .store_ctx = site.store,
                                    .world = &world,
                                    .world_ctx = &site,
                                    .site = "lisbon",
                                    .at_work = gw_run_at_work_new() };
    run = (struct gw_run){ .id = "run-1",
                           .plan = "shop",
                           .operation = GW_OPERATION_DEACTIVATE,
                           .site = { "madrid", "lisbon" },
                           .requester = "ada",
                           .epoch = 5 };
    n = 0;
    append(GW_ENTRY_CREATED, GW_NO_STEP, 0);
    append(GW_ENTRY_STARTED, GW_NO_STEP, 0);
    for (uint32_t i = 0; i < at(GW_STEP_OFF_REPLICA); i++) {
        append(GW_ENTRY_INTENT, i, 1);
        append(GW_ENTRY_DONE, i, 1);
    }
    append(GW_ENTRY_INTENT, at(GW_STEP_OFF_REPLICA), 1);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    memstore_free(site.store);
    gw_run_at_work_free(site.env.at_work);
    return 0;
}

static void copy_all(void)
{
    struct gw_run_reply reply;
    bool wake = true;
    assert_int_equal(copy(0, n, &reply, &wake), GW_ANSWER_OK);
    assert_int_equal(reply.have, n);
    assert_false(wake);
}

/* ---- entries --------------------------------------------------------------------------------- */

static void test_copy(void **state)
{
    struct gw_run_reply reply;
    bool wake = false;
    (void)state;
    assert_int_equal(copy(1, 2, &reply, &wake), GW_ANSWER_GAP); /* a run that is not known */
    assert_int_equal(reply.have, 0);
    assert_int_equal(copy(0, 1, &reply, &wake), GW_ANSWER_OK);
    assert_int_equal(copy(3, 2, &reply, &wake), GW_ANSWER_GAP);
    assert_int_equal(reply.have, 1);
    assert_int_equal(copy(1, 4, &reply, &wake), GW_ANSWER_OK);
    assert_int_equal(copy(0, 5, &reply, &wake), GW_ANSWER_OK); /* again */
    assert_int_equal(reply.have, 5);
    copy_all();
    assert_int_equal(copy(0, 0, &reply, &wake), GW_ANSWER_OK); /* a greeting */
    assert_int_equal(reply.have, n);
    assert_int_equal(receive(GW_RUN_PULL, 0, 0, 5, &reply), 0);
    assert_int_equal(reply.n, n);
    assert_true(gw_run_entry_equal(&reply.entries[n - 1], &entries[n - 1]));
    gw_run_reply_done(&reply);
}

static void test_copy_refuses_damage(void **state)
{
    struct gw_run_reply reply;
    bool wake = false;
    uint32_t stored = 0;
    (void)state;
    assert_int_equal(copy(0, 4, &reply, &wake), GW_ANSWER_OK);
    entries[4].wall_ns++;
    assert_int_equal(copy(0, n, &reply, &wake), GW_ANSWER_INVALID);
    gw_run_entry_seal(&entries[4], &run, &entries[3]);
    assert_int_equal(copy(0, n, &reply, &wake), GW_ANSWER_INVALID); /* the next does not follow */
    tear_down(NULL);
    set_up(NULL);
    assert_int_equal(copy(0, 4, &reply, &wake), GW_ANSWER_OK);
    n = 4;
    append(GW_ENTRY_END_DONE, GW_NO_STEP, 0); /* chained, but no executor writes that here */
    assert_int_equal(copy(4, 1, &reply, &wake), GW_ANSWER_INVALID);
    entries[4].number = 9;
    assert_int_equal(copy(4, 1, &reply, &wake), GW_ANSWER_INVALID);
    assert_non_null(memstore_log(site.store, "run-1", &stored));
    assert_int_equal(stored, 4);
    tear_down(NULL);
    set_up(NULL);
    run.approvals = 7; /* the run's fields are the root of the chain */
    assert_int_equal(copy(0, 4, &reply, &wake), GW_ANSWER_INVALID);
}

/* A release in the log lets the executor here wake up. */
static void test_wakes(void **state)
{
    struct gw_run_reply reply;
    bool wake = false;
    (void)state;
    run.operation = GW_OPERATION_SWITCHOVER;
    n = 0;
    append(GW_ENTRY_CREATED, GW_NO_STEP, 0);
    append(GW_ENTRY_STARTED, GW_NO_STEP, 0);
    for (uint32_t i = 0; i < at(GW_STEP_HANDOVER); i++) {
        append(GW_ENTRY_INTENT, i, 1);
        append(GW_ENTRY_DONE, i, 1);
    }
    copy_all();
    append(GW_ENTRY_INTENT, at(GW_STEP_HANDOVER), 1);
    assert_int_equal(copy(n - 1, 1, &reply, &wake), GW_ANSWER_OK);
    assert_true(wake);
    append(GW_ENTRY_DONE, at(GW_STEP_HANDOVER), 1);
    wake = false;
    assert_int_equal(copy(n - 1, 1, &reply, &wake), GW_ANSWER_OK);
    assert_true(wake);
}

/* Where two logs differ the higher epoch wins; the other is set aside. In one epoch nobody does. */
static void test_two_ways(void **state)
{
    struct gw_run_reply reply;
    bool wake = false;
    (void)state;
    run.operation = GW_OPERATION_SWITCHOVER;
    n = 0;
    append(GW_ENTRY_CREATED, GW_NO_STEP, 0);
    append(GW_ENTRY_STARTED, GW_NO_STEP, 0);
    for (uint32_t i = 0; i < at(GW_STEP_HANDOVER); i++) {
        append(GW_ENTRY_INTENT, i, 1);
        append(GW_ENTRY_DONE, i, 1);
    }
    append(GW_ENTRY_INTENT, at(GW_STEP_HANDOVER), 1);
    unsigned fork = n;
    append(GW_ENTRY_UNKNOWN, at(GW_STEP_HANDOVER), 1);
    assert_int_equal(copy(0, n, &reply, &wake), GW_ANSWER_OK);
    struct gw_run_entry was = entries[fork];
    n = fork;
    append(GW_ENTRY_DONE, at(GW_STEP_HANDOVER), 1); /* another word in the same epoch */
    assert_int_equal(copy(0, n, &reply, &wake), GW_ANSWER_CONFLICT);
    n = fork;
    append(GW_ENTRY_OVERRIDE, GW_NO_STEP, 0);
    entries[fork].core.epoch = 6;
    entries[fork].core.side = GW_SIDE_NEW;
    snprintf(entries[fork].by, sizeof entries[fork].by, "eva");
    gw_run_entry_seal(&entries[fork], &run, &entries[fork - 1]);
    assert_int_equal(copy(0, n, &reply, &wake), GW_ANSWER_OK);
    assert_int_equal(memstore_aside(site.store, "run-1"), 1);
    entries[fork] = was;
    assert_int_equal(copy(0, n, &reply, &wake), GW_ANSWER_AHEAD);
    /* The two may part before what was sent: then it has to be sent from the beginning. */
    n = fork + 1;
    append(GW_ENTRY_NOTHING, at(GW_STEP_HANDOVER), 1);
    assert_int_equal(copy(fork + 1, 1, &reply, &wake), GW_ANSWER_GAP);
    assert_int_equal(reply.have, 0);
}

/* ---- effects --------------------------------------------------------------------------------- */

static void test_effect_once(void **state)
{
    struct gw_run_reply reply;
    uint32_t step = at(GW_STEP_OFF_REPLICA);
    (void)state;
    assert_int_equal(receive(GW_RUN_EFFECT, step, 1, 5, &reply), 0);
    assert_int_equal(reply.answer, GW_ANSWER_GAP); /* without its intent here it does not happen */
    copy_all();
    assert_int_equal(receive(GW_RUN_EFFECT, step, 2, 5, &reply), 0);
    assert_int_equal(reply.answer, GW_ANSWER_GAP);
    assert_int_equal(site.effects, 0);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(receive(GW_RUN_EFFECT, step, 1, 5, &reply), 0);
        assert_int_equal(reply.answer, GW_ANSWER_OK);
        assert_int_equal(reply.outcome.outcome, GW_OUTCOME_DONE);
        assert_string_equal(reply.outcome.detail, "effect 1");
    }
    assert_int_equal(site.effects, 1);
    assert_int_equal(receive(GW_RUN_OBSERVE, step, 1, 5, &reply), 0);
    assert_int_equal(reply.outcome.outcome, GW_OUTCOME_DESIRED);
}

static void test_cut_short(void **state)
{
    struct gw_run_reply reply;
    uint32_t step = at(GW_STEP_OFF_REPLICA);
    (void)state;
    copy_all();
    site.dies = true;
    assert_true(receive(GW_RUN_EFFECT, step, 1, 5, &reply) < 0); /* no answer */
    site.dies = false;
    assert_int_equal(receive(GW_RUN_EFFECT, step, 1, 5, &reply), 0);
    assert_int_equal(reply.outcome.outcome, GW_OUTCOME_UNKNOWN);
    assert_int_equal(site.effects, 1);
}

static void test_nothing_beside(void **state)
{
    struct gw_run_reply reply;
    uint32_t step = at(GW_STEP_OFF_REPLICA);
    (void)state;
    copy_all();
    site.observes_within = true;
    site.seen_within = GW_OUTCOME_MAX;
    assert_int_equal(receive(GW_RUN_EFFECT, step, 1, 5, &reply), 0);
    assert_int_equal(reply.outcome.outcome, GW_OUTCOME_DONE);
    assert_int_equal(site.seen_within, GW_OUTCOME_UNKNOWN);
    assert_int_equal(site.effects, 1);
    assert_int_equal(site.observes, 0);
}

static void test_refused_calls(void **state)
{
    struct gw_run_reply reply;
    uint32_t step = at(GW_STEP_OFF_REPLICA);
    (void)state;
    copy_all();
    assert_int_equal(receive(GW_RUN_EFFECT, step, 1, 4, &reply), 0); /* an older epoch */
    assert_int_equal(reply.answer, GW_ANSWER_OLD_EPOCH);
    assert_int_equal(receive(GW_RUN_EFFECT, step, 1, 6, &reply), 0); /* of which nothing is known */
    assert_int_equal(reply.answer, GW_ANSWER_GAP);
    assert_int_equal(receive(GW_RUN_EFFECT, 99, 1, 5, &reply), 0);
    assert_int_equal(reply.answer, GW_ANSWER_INVALID);
    assert_int_equal(receive(GW_RUN_EFFECT, at(GW_STEP_STOP), 1, 5, &reply), 0); /* of the other */
    assert_int_equal(reply.answer, GW_ANSWER_INVALID);
    assert_int_equal(receive(GW_RUN_UNDO, step, 1, 5, &reply), 0);
    assert_int_equal(reply.answer, GW_ANSWER_GAP);
    assert_int_equal(receive(GW_RUN_MESSAGE_MAX, step, 1, 5, &reply), 0);
    assert_int_equal(reply.answer, GW_ANSWER_INVALID);
    memcpy(run.site[1], "oporto", 7);
    assert_int_equal(receive(GW_RUN_EFFECT, step, 1, 5, &reply), -EINVAL);
    assert_int_equal(site.effects + site.undos + site.observes, 0);
}

static void test_ended(void **state)
{
    struct gw_run_reply reply;
    bool wake = false;
    uint32_t step = at(GW_STEP_OFF_REPLICA);
    (void)state;
    append(GW_ENTRY_FAILED, step, 1);
    append(GW_ENTRY_HALT, step, 0);
    append(GW_ENTRY_ABORT, step, 0);
    copy_all();
    assert_int_equal(receive(GW_RUN_EFFECT, step, 1, 5, &reply), 0);
    assert_int_equal(reply.answer, GW_ANSWER_ENDED);
    append(GW_ENTRY_RESUME, step, 0);
    assert_int_equal(copy(n - 1, 1, &reply, &wake), GW_ANSWER_ENDED);
    assert_int_equal(site.effects, 0);
}

static void test_dry(void **state)
{
    struct gw_run_reply reply;
    (void)state;
    run.dry_run = true;
    n = 0;
    append(GW_ENTRY_CREATED, GW_NO_STEP, 0);
    entries[0].core.flags = GW_ENTRY_DRY;
    gw_run_entry_seal(&entries[0], &run, NULL);
    append(GW_ENTRY_STARTED, GW_NO_STEP, 0);
    for (uint32_t i = 0; i < at(GW_STEP_OFF_REPLICA); i++) {
        append(GW_ENTRY_INTENT, i, 1);
        append(GW_ENTRY_DONE, i, 1);
    }
    append(GW_ENTRY_INTENT, at(GW_STEP_OFF_REPLICA), 1);
    copy_all();
    assert_int_equal(receive(GW_RUN_EFFECT, at(GW_STEP_OFF_REPLICA), 1, 5, &reply), 0);
    assert_int_equal(reply.answer, GW_ANSWER_INVALID);
    assert_int_equal(site.effects, 0);
}

/* ---- one run a plan -------------------------------------------------------------------------- */

static void test_another_run(void **state)
{
    struct gw_run_reply reply;
    bool wake = false;
    (void)state;
    copy_all();
    snprintf(run.id, sizeof run.id, "run-2");
    n = 0;
    append(GW_ENTRY_CREATED, GW_NO_STEP, 0);
    assert_int_equal(copy(0, 1, &reply, &wake), GW_ANSWER_BUSY);
    assert_string_equal(reply.busy, "run-1");
    run.epoch = 6; /* a newer epoch takes its place */
    n = 0;
    append(GW_ENTRY_CREATED, GW_NO_STEP, 0);
    assert_int_equal(copy(0, 1, &reply, &wake), GW_ANSWER_OK);
    assert_int_equal(memstore_row(site.store, "run-1")->state, GW_RUN_ABORTED);
    snprintf(run.id, sizeof run.id, "run-3");
    run.epoch = 5; /* and nothing older comes after it */
    n = 0;
    append(GW_ENTRY_CREATED, GW_NO_STEP, 0);
    assert_int_equal(copy(0, 1, &reply, &wake), GW_ANSWER_OLD_EPOCH);
    assert_int_equal(reply.epoch, 6);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_copy),           TEST(test_copy_refuses_damage),
        TEST(test_wakes),          TEST(test_two_ways),
        TEST(test_effect_once),    TEST(test_cut_short),
        TEST(test_nothing_beside), TEST(test_refused_calls),
        TEST(test_ended),          TEST(test_dry),
        TEST(test_another_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
