// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "story.h"
#include "acts.h"
#include "history.h"
#include "operator.h"
#include "simnet.h"
#include "subsets.h"

#include "base/log.h"

#include <stdlib.h>
#include <string.h>

static const struct story_options *options;
static struct story_result *result;
static unsigned armed; /* crashes that were armed so far */

/* ---- crashes --------------------------------------------------------------------------------- */

static void arm_next(void)
{
    if (armed >= 2 || !options->crash_point[armed])
        return;
    simdisk_arm(options->crash_site[armed], options->crash_point[armed], options->crash_nth[armed],
                options->crash_kind[armed]);
    armed++;
}

static void crash(int site, enum simdisk_crash kind)
{
    if (result->crashed++ == 0 && kind == SIMDISK_POWER)
        subset_wanted(options->subsets);
    arm_next();
    site_kill(&world.site[site], kind);
}

/* ---- the world of a seed --------------------------------------------------------------------- */

static void choose_volumes(void)
{
    uint64_t bytes[MODEL_VOLUMES_MAX];
    unsigned n = (unsigned)sim_between(1, 3);
    world.wide = !options->quick && sim_one_in(60);
    for (unsigned v = 0; v < n; v++)
        bytes[v] = sim_between(40, v == 0 ? 48 * 1024 : 20 * 1024) * MODEL_CELL;
    if (world.wide)
        bytes[0] = 700ull * 1024 * 1024 + 192;
    model_init(n, bytes);
}

static void choose_config(void)
{
    struct gw_source_config *c = &world.config;
    gw_source_config_init(c);
    c->listen = sim_one_in(5) ? NULL : "yes";
    c->ring_bytes = GW_RING_BYTES_MIN;
    c->sync = sim_one_in(2);
    c->on_link_loss = sim_one_in(3) ? GW_LINK_LOSS_SUSPEND : GW_LINK_LOSS_CONTINUE;
    c->zstd_level = sim_one_in(4) ? 1 : 0;
    c->throttle_ms = (unsigned)sim_between(0, 800);
    c->unsync_ms = (unsigned)sim_between(100, 2000);
    /* More than a heartbeat, and than a batch at the lowest rate below. */
    c->link_timeout_ms = (unsigned)sim_between(1500, 5000);
    c->wait_ms_max = sim_one_in(2) ? 0 : (unsigned)sim_between(500, 5000);
    c->bandwidth_bytes = sim_one_in(8) ? sim_between(400, 4000) * 1024 : 0;
    gw_replica_config_init(&world.replica_config);
    world.replica_config.journal_bytes = GW_JOURNAL_BYTES_MIN;
    world.replica_config.link_timeout_ms = c->link_timeout_ms;
    world.clients = (unsigned)sim_between(1, 6);
    world.think_ns = sim_between(2, 40) * SIM_NS_PER_MS;
    world.pace_ops = sim_one_in(10) ? 500 : 150;
    world.crowded = sim_one_in(3);
    if (world.crowded)
        world.think_ns /= 4;
    world.big_one_in = sim_one_in(3) ? 40 : 400;
    for (int i = 0; i < 2; i++) {
        simdisk_speed(i,
                      world.crowded   ? 4000000
                      : sim_one_in(2) ? 20000
                                      : 1000000,
                      sim_one_in(2) ? 300000 : 6000000);
        memdisk_can_clone(simdisk_memdisk(i), !sim_one_in(4));
    }
    simnet_speed(sim_one_in(4) ? 20 * SIM_NS_PER_MS : sim_between(20, 2000) * 1000,
                 sim_one_in(6) ? 2000000 : 0);
}

static void must_settle(const char *when)
{
    if (!operator_settle(600 * SIM_NS_PER_S))
        sim_fail("%s: not well after ten minutes: %s", when, operator_report());
}

static void must_rest(const char *when)
{
    must_settle(when);
    for (int tries = 0; !operator_rest(120 * SIM_NS_PER_S); tries++) {
        if (tries == 5)
            sim_fail("%s: does not come to rest: %s", when, operator_report());
        must_settle(when);
    }
}

/* A fixed round through everything: for the crash points. */
static void quick_round(void)
{
    act_load(sim_between(100, 800));
    act_point();
    act_load(sim_between(100, 800));
    act_change_volumes();
    for (unsigned round = 0; round < 2; round++) {
        act_failover(round == 0 ? FAILOVER_NEWEST : FAILOVER_POINT);
        must_settle("after a failover");
        act_load(sim_between(100, 800));
        act_point();
        act_restart();
        must_settle("after a restart");
        act_handover(false);
        must_settle("after a handover");
        act_change_volumes();
        if (sim_one_in(2))
            act_handover(false);
        act_load(sim_between(100, 800));
    }
    act_failover(FAILOVER_ROLL_BACK);
    must_settle("after a roll-back");
    if (options->crash_point[0] && strcmp(options->crash_point[0], "journal.trim") == 0)
        act_fill_journal();
    act_load(300);
    act_verify();
    act_link_loss(sim_between(500, 6000));
    act_load(500);
}

static void random_round(void)
{
    unsigned n = (unsigned)sim_between(2, 9);
    for (unsigned i = 0; i < n; i++) {
        act_random();
        if (sim_one_in(3))
            act_load(sim_between(50, 2500));
        if (!sim_one_in(3))
            operator_settle(sim_between(1, 60) * SIM_NS_PER_S);
        if (sim_one_in(4))
            operator_rest(5 * SIM_NS_PER_S);
    }
}

static void end_faults(void)
{
    act_end_faults();
    world.load = true;
    must_settle("at the end");
    act_load(200);
}

static void world_main(void *arg)
{
    (void)arg;
    int active = (int)sim_below(2);
    choose_volumes();
    simdisk_init(crash, watch_crash_point);
    simnet_init();
    site_init(active);
    site_create(active, sim_one_in(4));
    choose_config();
    if (options->subsets == SUBSETS_NONE)
        arm_next();
    sim_trace("%u volumes, %s, site%d is active", model_volumes(),
              world.config.sync ? "sync" : "async", active);
    if (sim_one_in(2))
        act_load(sim_between(1, 500));
    if (options->quick || !sim_one_in(4)) {
        must_settle("at first");
        act_load(sim_between(50, 1000));
    }
    if (options->subsets != SUBSETS_NONE) /* while clients work there is something unsynced */
        arm_next();
    if (options->quick)
        quick_round();
    else
        random_round();
    for (int i = 0; i < 2; i++)
        simdisk_arm(i, NULL, 0, SIMDISK_PROCESS);
    end_faults();
    must_rest("at the end");
    if (sim_one_in(3)) {
        act_handover(true);
        must_rest("after a last handover");
    }
}

static void take_line(enum gw_log_level level, const char *line)
{
    sim_trace("<%d> %s", (int)level, line);
}

void story_run(uint64_t seed, const struct story_options *o, struct story_result *ret)
{
    options = o;
    result = ret;
    *ret = (struct story_result){ .switches = 0 };
    gw_log_sink(take_line);
    gw_log_level_max(sim_tracing ? GW_LOG_DEBUG : 0);
    if (o->history)
        sched_run(seed, history_main, (void *)(uintptr_t)o->history);
    else
        sched_run(seed, world_main, NULL);
    ret->switches = sched_switches();
    ret->ops = model_ops_answered();
    ret->promotions = world.promotions;
    ret->resyncs = world.resyncs;
    ret->handovers = world.handovers;
    ret->kills = world.kills;
    ret->subsets += subset_is_chosen();
    ret->digest = sched_digest();
    ret->virtual_ns = sched_now();
    for (int i = 0; i < 2; i++) {
        for (unsigned p = 0; p < simdisk_points(); p++)
            ret->reached[i][p] = simdisk_reached(i, p);
    }
}
