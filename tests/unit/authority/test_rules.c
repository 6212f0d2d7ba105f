// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Histories of single rules that chance seldom plays (tests/authority finds the others): each is
 * played with the rule, and without it, where it has to go wrong.
 */
#include "stage.h"

/* W1: a release is lost on its way, cancelled, and lands after all. */
static bool w1_both(uint32_t without)
{
    struct stage g;
    stage_init(&g, true, false, without);
    g.keep_swap = true;
    assert_int_equal(stage_order(&g, 0, GW_ORDER_RELEASE), GW_ALLOWED);
    while (g.keep_swap)
        stage_run(&g, 0.1);
    if (g.kept.record.released_to != GW_SEAT_SECOND) { /* a renewal: the next one is it */
        stage_register(&g, 0, &g.kept);
        g.keep_swap = true;
        while (g.keep_swap)
            stage_run(&g, 0.1);
    }
    assert_int_equal(g.kept.record.released_to, GW_SEAT_SECOND);
    assert_int_equal(stage_order(&g, 0, GW_ORDER_CANCEL), GW_ALLOWED);
    stage_run(&g, 2.3); /* unknown; a read shows the old value */
    const bool early = stage_open(&g, 0) && g.revision == g.kept.expected;
    stage_register(&g, 0, &g.kept);
    stage_run(&g, 4);
    stage_order(&g, 1, GW_ORDER_TAKE);
    return stage_run(&g, 5) || early;
}

static void test_w1(void **state)
{
    (void)state;
    assert_false(w1_both(0));
}

/* W2 after a restart: SYNC was sent and is still on its way. */
static bool w2_alone(uint32_t without)
{
    struct stage g;
    stage_init(&g, true, true, without);
    stage_copy(&g, 0, GW_COPY_UNSYNC);
    stage_run(&g, 2);
    assert_true(g.alone[0]);
    g.keep_swap = true;
    stage_copy(&g, 0, GW_COPY_SYNC);
    while (g.keep_swap)
        stage_run(&g, 0.1);
    stage_kill(&g, 0, false);
    g.alone[0] = false;
    stage_boot(&g, 0);
    stage_run(&g, 0.2);
    g.keep_swap = true; /* whatever it does now takes long */
    stage_copy(&g, 0, GW_COPY_UNSYNC);
    return g.alone[0];
}

static void test_w2_restart(void **state)
{
    (void)state;
    assert_false(w2_alone(0));
    assert_true(w2_alone(1u << GW_RULE_W2_RESTART));
}

/* W4: who has released gets no new epoch by the peer's promise. */
static bool w4_serves(uint32_t without)
{
    struct stage g;
    stage_init(&g, true, false, without);
    assert_int_equal(stage_order(&g, 0, GW_ORDER_RELEASE), GW_ALLOWED);
    while (g.record.released_to == GW_SEAT_NONE)
        stage_run(&g, 0.1);
    g.cut_witness[0] = g.cut_witness[1] = true;
    stage_run(&g, 20);
    return stage_open(&g, 0);
}

static void test_w4_released(void **state)
{
    (void)state;
    assert_false(w4_serves(0));
    assert_true(w4_serves(1u << GW_RULE_W4_RELEASED));
}

/* W6: released, and the target is dead. */
static void test_w6(void **state)
{
    struct stage g;
    (void)state;
    stage_init(&g, true, false, 0);
    assert_int_equal(stage_order(&g, 0, GW_ORDER_RELEASE), GW_ALLOWED);
    stage_run(&g, 3);
    stage_kill(&g, 1, true);
    assert_false(stage_open(&g, 0));
    assert_int_equal(stage_order(&g, 0, GW_ORDER_BACK), GW_ALLOWED);
    stage_run(&g, 3);
    assert_true(stage_open(&g, 0));
    assert_int_equal(g.core[0].d.epoch, 3);
    stage_boot(&g, 1);
    stage_run(&g, 10);
    assert_int_equal(stage_order(&g, 1, GW_ORDER_TAKE), GW_REFUSE_NOT_RELEASED);
}

/* P2: a cancel with a token out, and the target gone. */
static bool p2_serves(bool witness, uint32_t without)
{
    struct stage g;
    stage_init(&g, witness, false, without);
    stage_order(&g, 0, GW_ORDER_TOKEN);
    stage_run(&g, 4);
    assert_true(g.disk[1].token);
    stage_kill(&g, 1, true);
    stage_order(&g, 0, GW_ORDER_CANCEL);
    assert_false(stage_open(&g, 0)); /* not before one of the two is durable */
    stage_run(&g, 10);
    if (stage_open(&g, 0) && witness)
        assert_int_equal(g.record.copy.kind, GW_COPY_UNSYNC);
    return stage_open(&g, 0);
}

static void test_p2(void **state)
{
    (void)state;
    assert_true(p2_serves(true, 0));
    assert_true(p2_serves(false, 0));
    assert_false(p2_serves(true, 1u << GW_RULE_P2));
    assert_false(p2_serves(false, 1u << GW_RULE_P2));
}

/* The stamp: every answer comes after almost R. Valid from the reply, the lease would outlive what
 * the other site waits for (margin and lock delay as small as the law allows). */
static uint64_t lease_after_landing(uint32_t without)
{
    struct stage g;
    stage_init(&g, true, false, without);
    g.reply_ms = 1900;
    stage_run(&g, 12);
    const int64_t was = g.revision;
    while (g.revision == was)
        stage_run(&g, 0.1);
    const uint64_t landed = g.now;
    g.cut_witness[0] = g.cut_sites = true; /* the answer is on its way; nothing after it */
    stage_run(&g, 5);
    return g.deadline[0] - landed;
}

static void test_send_stamp(void **state)
{
    (void)state;
    const uint64_t hold = 18 * SEC_NS;
    assert_true(lease_after_landing(0) <= hold);
    assert_true(lease_after_landing(1u << GW_RULE_SEND_STAMP) > hold + SEC_NS);
}

/* W3: without the witness an override needs a verified fence, and is pushed up first. */
static void test_w3(void **state)
{
    struct stage g;
    (void)state;
    stage_init(&g, true, false, 0);
    g.cut_witness[1] = true;
    stage_run(&g, 10);
    stage_kill(&g, 0, true);
    assert_int_equal(stage_order(&g, 1, GW_ORDER_FORCE), GW_REFUSE_FENCE);
    stage_step(&g, 1, (struct gw_authority_event){ .kind = GW_EV_FENCED });
    assert_int_equal(stage_order(&g, 1, GW_ORDER_FORCE), GW_ALLOWED);
    stage_run(&g, 40);
    assert_true(stage_open(&g, 1));
    assert_int_equal(g.claim[1], GW_CLAIM_UNKNOWN);
    /* The fence is all that the old holder knows of it: it stays until the register does. */
    stage_step(&g, 1, (struct gw_authority_event){ .kind = GW_EV_UNFENCED });
    assert_true(g.disk[1].peer_fenced);
    g.cut_witness[1] = false;
    stage_run(&g, 5);
    assert_int_equal(g.record.epoch, 2);
    stage_step(&g, 1, (struct gw_authority_event){ .kind = GW_EV_UNFENCED });
    assert_false(g.disk[1].peer_fenced);
    stage_boot(&g, 0);
    assert_false(stage_run(&g, 30));
    assert_true(g.fenced[0]);
}

/* A person is wrong: the other site is alive. With the witness even that gives no two writers. */
static void test_wrong_word(void **state)
{
    struct stage g;
    (void)state;
    stage_init(&g, true, false, 0);
    g.cut_sites = g.cut_witness[0] = true; /* it serves on until its lease ends */
    assert_int_equal(stage_order(&g, 1, GW_ORDER_FORCE), GW_ALLOWED);
    assert_false(stage_run(&g, 40));
    assert_true(stage_open(&g, 1));
    assert_int_equal(g.claim[1], GW_CLAIM_UNKNOWN);
}

/* Pair mode: a handover, and a restart in isolation. */
static void test_pair(void **state)
{
    struct stage g;
    (void)state;
    stage_init(&g, false, false, 0);
    assert_int_equal(stage_order(&g, 1, GW_ORDER_TAKE), GW_REFUSE_NOT_RELEASED);
    assert_int_equal(stage_order(&g, 0, GW_ORDER_RELEASE), GW_ALLOWED);
    stage_run(&g, 5);
    assert_false(stage_open(&g, 0));
    assert_int_equal(stage_order(&g, 1, GW_ORDER_TAKE), GW_ALLOWED);
    stage_run(&g, 5);
    assert_true(stage_open(&g, 1));
    assert_int_equal(g.claim[1], GW_CLAIM_ZERO);
    assert_int_equal(g.core[0].d.holder, GW_SEAT_SECOND);
    assert_false(g.disk[0].fenced);
    g.cut_sites = true;
    stage_kill(&g, 1, true);
    stage_boot(&g, 1);
    stage_run(&g, 30);
    assert_false(stage_open(&g, 1)); /* it has to speak first */
    assert_int_equal(stage_order(&g, 1, GW_ORDER_CONFIRM), GW_ALLOWED);
    stage_run(&g, 1);
    assert_true(stage_open(&g, 1));
    assert_int_equal(g.core[1].d.epoch, 4); /* P1: a promotion */
}

/* A late answer to a read never hides what came after it. */
static void test_words(void **state)
{
    (void)state;
    for (unsigned i = 0; i < GW_RULE_MAX; i++)
        assert_string_not_equal(gw_authority_rule_name((enum gw_authority_rule)i), "invalid");
    for (unsigned i = 0; i < GW_REFUSE_MAX; i++)
        assert_non_null(gw_refusal_text((enum gw_refusal)i));
    for (unsigned i = 0; i < GW_CLAIM_MAX; i++)
        assert_non_null(gw_claim_name((enum gw_claim)i));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_w1),          cmocka_unit_test(test_w2_restart),
        cmocka_unit_test(test_w4_released), cmocka_unit_test(test_w6),
        cmocka_unit_test(test_p2),          cmocka_unit_test(test_send_stamp),
        cmocka_unit_test(test_w3),          cmocka_unit_test(test_wrong_word),
        cmocka_unit_test(test_pair),        cmocka_unit_test(test_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
