// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Who wins a partition: the table of docs/authority.md, played through both sites' step functions.
 */
#include "stage.h"

struct row {
    const char *name;
    bool sites, first_witness, second_witness, first_dies, second_dies;
    bool first_serves, second_may; /* after a minute: who serves, may the second take over */
};

static const struct row rows[] = {
    { "nothing", 0, 0, 0, 0, 0, true, false },
    { "between the sites", 1, 0, 0, 0, 0, true, false },
    { "holder and witness", 0, 1, 0, 0, 0, true, false },
    { "standby and witness", 0, 0, 1, 0, 0, true, false },
    { "witness down", 0, 1, 1, 0, 0, true, false },
    { "holder isolated", 1, 1, 0, 0, 0, false, true },
    { "standby isolated", 1, 0, 1, 0, 0, true, false },
    { "all isolated", 1, 1, 1, 0, 0, false, false },
    { "holder dies", 0, 0, 0, 1, 0, false, true },
    { "standby dies", 0, 0, 0, 0, 1, true, false },
    { "only the standby left", 0, 1, 1, 1, 0, false, false },
};

static void play(const struct row *r)
{
    struct stage g;
    stage_init(&g, true, true, 0);
    stage_copy(&g, 0, GW_COPY_SYNC);
    stage_run(&g, 5);
    g.cut_sites = r->sites;
    g.cut_witness[0] = r->first_witness;
    g.cut_witness[1] = r->second_witness;
    if (r->first_dies)
        stage_kill(&g, 0, true);
    if (r->second_dies)
        stage_kill(&g, 1, true);
    assert_false(stage_run(&g, 60));
    assert_int_equal(stage_open(&g, 0), r->first_serves);
    assert_int_equal(stage_open(&g, 1), false);
    if (!r->second_dies) {
        const bool may = stage_order(&g, 1, GW_ORDER_FAIL_OVER) == GW_ALLOWED;
        assert_int_equal(may, r->second_may);
        assert_false(stage_run(&g, 10));
        assert_int_equal(stage_open(&g, 1), r->second_may);
    }
    assert_int_equal(stage_open(&g, 0), r->first_serves);
    if (!r->second_may)
        return;
    assert_int_equal(g.claim[1], GW_CLAIM_ZERO);
    assert_int_equal(g.core[1].d.epoch, 2);
    /* Healed: the old holder learns of it, and stays out until it is cleared. */
    g.cut_sites = g.cut_witness[0] = false;
    if (!g.up[0])
        stage_boot(&g, 0);
    assert_false(stage_run(&g, 60));
    assert_true(g.fenced[0]);
    assert_true(stage_open(&g, 1));
}

static void test_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        print_message("cut: %s\n", rows[i].name);
        play(&rows[i]);
    }
}

/* H isolated: it stops itself before H is over, and orderly from H - S on. */
static void test_self_fence(void **state)
{
    struct stage g;
    (void)state;
    stage_init(&g, true, false, 0);
    g.cut_sites = g.cut_witness[0] = true;
    stage_run(&g, 8.5);
    assert_true(stage_open(&g, 0));
    stage_run(&g, 4); /* H - S = 12 s after the last renewal */
    assert_true(g.stopped[0]);
    assert_false(stage_open(&g, 0));
    assert_int_equal(g.core[0].grip, GW_GRIP_EXPIRING);
    /* Saved before H is over: the same lease. */
    const struct gw_uuid was = g.core[0].d.incarnation;
    g.cut_witness[0] = false;
    stage_run(&g, 2);
    assert_true(stage_open(&g, 0));
    assert_true(gw_uuid_equal(&was, &g.core[0].d.incarnation));
    /* Not saved: another. */
    g.cut_witness[0] = true;
    stage_run(&g, 25);
    assert_int_equal(g.core[0].grip, GW_GRIP_LAPSED);
    g.cut_witness[0] = false;
    stage_run(&g, 3);
    assert_true(stage_open(&g, 0));
    assert_false(gw_uuid_equal(&was, &g.core[0].d.incarnation));
}

/* The earliest takeover: not before T_g + A_x after the last renewal that was seen. */
static void test_earliest(void **state)
{
    struct stage g;
    (void)state;
    stage_init(&g, true, false, 0);
    const uint64_t from = g.now;
    stage_kill(&g, 0, true);
    while (stage_order(&g, 1, GW_ORDER_FAIL_OVER) != GW_ALLOWED)
        stage_run(&g, 0.1);
    const double waited = (double)(g.now - from) / 1e9;
    assert_true(waited > 22 && waited <= 28);
    /* A verified fence shortens it to nothing. */
    stage_init(&g, true, false, 0);
    stage_kill(&g, 0, true);
    stage_run(&g, 1);
    stage_step(&g, 1, (struct gw_authority_event){ .kind = GW_EV_FENCED });
    assert_int_equal(stage_order(&g, 1, GW_ORDER_FAIL_OVER), GW_ALLOWED);
    stage_run(&g, 1);
    assert_true(stage_open(&g, 1));
}

/* Both the standby and the witness away for maintenance, declared: the holder goes on. */
static void test_maintenance(void **state)
{
    struct stage g;
    (void)state;
    stage_init(&g, true, false, 0);
    struct gw_authority_event ev = { .kind = GW_EV_ORDER,
                                     .order = GW_ORDER_MAINTENANCE,
                                     .away = GW_VOTER_SECOND | GW_VOTER_WITNESS,
                                     .away_s = 300 };
    stage_step(&g, 0, ev);
    stage_run(&g, 5);
    assert_true(g.core[0].d.sole);
    g.cut_sites = g.cut_witness[0] = true;
    stage_run(&g, 120);
    assert_true(stage_open(&g, 0));
    /* Meanwhile the other does not take over, whatever it sees. */
    assert_int_equal(stage_order(&g, 1, GW_ORDER_FAIL_OVER), GW_REFUSE_MODE);
    /* It ends by itself. */
    g.cut_sites = g.cut_witness[0] = false;
    stage_run(&g, 240);
    assert_false(g.core[0].d.sole);
    assert_int_equal(g.record.voters, GW_VOTERS_ALL);
    g.cut_sites = g.cut_witness[0] = true;
    stage_run(&g, 30);
    assert_false(stage_open(&g, 0));
}

static void test_availability(void **state)
{
    struct stage g;
    (void)state;
    stage_init(&g, true, false, 0);
    for (unsigned s = 0; s < 2; s++)
        g.core[s].config.availability = true;
    stage_run(&g, 5);
    g.cut_sites = g.cut_witness[0] = true;
    stage_run(&g, 60);
    assert_true(stage_open(&g, 0));
    assert_int_equal(stage_order(&g, 1, GW_ORDER_FAIL_OVER), GW_REFUSE_NOT_ENFORCED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),        cmocka_unit_test(test_self_fence),
        cmocka_unit_test(test_earliest),     cmocka_unit_test(test_maintenance),
        cmocka_unit_test(test_availability),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
