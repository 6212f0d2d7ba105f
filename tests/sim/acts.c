// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "acts.h"
#include "operator.h"
#include "simnet.h"

#include "engine/points.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned points_made;

void act_load(uint64_t ms)
{
    uint64_t until = sched_now() + ms * SIM_NS_PER_MS;
    world.load = true;
    while (sched_now() < until) {
        operator_tend();
        sched_sleep(50 * SIM_NS_PER_MS);
    }
}

/* ---- requests -------------------------------------------------------------------------------- */

static int do_quiesce(struct site *s, struct gw_error *err)
{
    return s->source ? gw_source_quiesce(s->source, 3000, err) : -ESRCH;
}

static int do_unquiesce(struct site *s, struct gw_error *err)
{
    return s->source ? gw_source_unquiesce(s->source, 3000, err) : -ESRCH;
}

static int do_equal(struct site *s, struct gw_error *err)
{
    struct gw_token t;
    return s->source ? gw_source_equal(s->source, 5000, &t, err) : -ESRCH;
}

static int do_release(struct site *s, struct gw_error *err)
{
    return s->source ? gw_source_release(s->source, err) : -ESRCH;
}

static int do_verify(struct site *s, struct gw_error *err)
{
    return s->source ? gw_source_verify(s->source, 0, err) : -ESRCH;
}

static int do_resync_some(struct site *s, struct gw_error *err)
{
    return s->source ? gw_source_resync(s->source, false, err) : -ESRCH;
}

static int do_resync_all(struct site *s, struct gw_error *err)
{
    return s->source ? gw_source_resync(s->source, true, err) : -ESRCH;
}

static int do_source_point(struct site *s, struct gw_error *err)
{
    char id[GW_ID_MAX];
    snprintf(id, sizeof id, "p%u", ++points_made);
    return s->source ? gw_source_point(s->source, id, "tag", 5000, err) : -ESRCH;
}

static int do_replica_point(struct site *s, struct gw_error *err)
{
    struct gw_point *p = calloc(1, sizeof *p);
    if (!p)
        abort();
    snprintf(p->id, sizeof p->id, "r%u", ++points_made);
    int r = s->replica ? gw_replica_point(s->replica, p, err) : -ESRCH;
    free(p);
    return r;
}

static struct site *running(enum run run)
{
    for (int i = 0; i < 2; i++) {
        if (world.site[i].run == run && site_runs(&world.site[i]))
            return &world.site[i];
    }
    return NULL;
}

void act_point(void)
{
    int r;
    bool ours = sim_one_in(2);
    struct site *s = running(ours ? RUN_SOURCE : RUN_REPLICA);
    if (s)
        site_call(s, ours ? do_source_point : do_replica_point, &r);
}

/* ---- volumes --------------------------------------------------------------------------------- */

/* A volume that no client uses: what it holds is always zeros, at both sites. */
#define EXTRA "extra"
#define EXTRA_PATH "/extra"

static struct gw_reshape change; /* that is asked for */

static int do_prepare(struct site *s, struct gw_error *err)
{
    return s->plan ? gw_plan_prepare_change(s->plan, &change, EXTRA_PATH, err) : -ESRCH;
}

static int do_change(struct site *s, struct gw_error *err)
{
    return s->source ? gw_source_change(s->source, &change, 5000, err) : -ESRCH;
}

/* Both sites are made ready, the standby first; then the source is asked. */
static void ask_for_change(struct site *s)
{
    int r;
    struct site *t = site_peer(s);
    sim_trace("site%d: %s '%s', %llu bytes", s->id, gw_reshape_name(change.kind),
              change.volume.name, (unsigned long long)change.volume.bytes);
    if (t->run == RUN_REPLICA && site_runs(t) && site_call(t, do_prepare, &r) && r == 0 &&
        s->run == RUN_SOURCE && site_call(s, do_prepare, &r) && r == 0 && s->run == RUN_SOURCE)
        site_call(s, do_change, &r);
}

static void grow_one(struct site *s)
{
    const struct gw_side_volume *v = &s->plan->meta.volume[sim_below(model_volumes())];
    change = (struct gw_reshape){ GW_RESHAPE_GROW, *v };
    change.volume.bytes += sim_between(1, 3000) * MODEL_CELL;
    ask_for_change(s);
}

/* Added if it is not there, else removed. */
static void turn_extra(struct site *s)
{
    const struct gw_meta *m = &s->plan->meta;
    int slot = gw_slot_by_name(m->volume, m->n_volumes, EXTRA);
    change = (struct gw_reshape){ .kind = slot < 0 ? GW_RESHAPE_ADD : GW_RESHAPE_REMOVE };
    if (slot >= 0)
        change.volume = m->volume[slot];
    else {
        change.volume.uuid = gw_volume_uuid(&m->plan, EXTRA);
        change.volume.bytes = sim_between(1, 4000) * MODEL_CELL;
        snprintf(change.volume.name, sizeof change.volume.name, EXTRA);
    }
    ask_for_change(s);
}

void act_change_volumes(void)
{
    for (unsigned i = 0; i < 3; i++) {
        struct site *s = operator_source();
        if (!s || !s->plan)
            return;
        if (i == 2)
            grow_one(s);
        else
            turn_extra(s);
    }
}

void act_verify(void)
{
    int r;
    struct site *s = operator_source();
    if (!s || !site_call(s, do_verify, &r) || r < 0)
        return;
    uint64_t until = sched_now() + 20 * SIM_NS_PER_S;
    while (s->source && s->source->st.verify.running && sched_now() < until)
        sched_sleep(50 * SIM_NS_PER_MS);
    if (s->source && s->source->st.verify.done && s->source->st.verify.differing_blocks > 0)
        sim_fail("a verify found %llu blocks that differ",
                 (unsigned long long)s->source->st.verify.differing_blocks);
}

void act_handover(bool may_call_off)
{
    int r;
    struct site *s = operator_source();
    if (!s || !site_call(s, do_quiesce, &r))
        return;
    sim_trace("site%d: handover", s->id);
    if (r == 0 && (!site_call(s, do_equal, &r)))
        return;
    if (r < 0 || (may_call_off && sim_one_in(6))) { /* called off */
        if (s->run == RUN_SOURCE)
            site_call(s, do_unquiesce, &r);
        return;
    }
    if (!site_call(s, do_release, &r) || r < 0)
        return;
    struct site *t = site_peer(s);
    site_stop(s);
    site_stop(t);
    if (t->run == RUN_NONE && site_promote(t, NULL, false, false))
        world.handovers++;
}

/* ---- failover -------------------------------------------------------------------------------- */

struct choice {
    char id[GW_ID_MAX];
    unsigned seen;
};

static int choose_point(void *arg, const struct gw_point *p)
{
    struct choice *c = arg;
    if (sim_one_in(++c->seen))
        memcpy(c->id, p->id, sizeof c->id);
    return 0;
}

static bool pick_point(struct site *s, char ret[GW_ID_MAX])
{
    struct choice c = { .seen = 0 };
    struct gw_error err;
    gw_point_list(simdisk_io(s->id), "/plan", choose_point, &c, &err);
    memcpy(ret, c.id, sizeof c.id);
    return c.seen > 0;
}

static enum simdisk_crash any_kind(void)
{
    return sim_one_in(2) ? SIMDISK_POWER : SIMDISK_PROCESS;
}

/* The active side is lost, or cut off, or fenced in time; then the other is promoted. */
static void lose_active(struct site *s)
{
    switch (sim_below(5)) {
    case 0:
    case 1: /* without a crash nothing is hot, and the maps alone must know */
        site_stop(s);
        break;
    case 2: /* it lives on, nobody hears it: what it answers from now on is tail */
        simnet_link(-1, false);
        if (sim_one_in(2))
            act_load(sim_between(10, 1500));
        break;
    default:
        if (s->run != RUN_NONE)
            site_kill(s, any_kind());
    }
}

/* Cut off, the source goes on alone; what it writes now only it has. */
static void go_alone(struct site *s)
{
    uint64_t until = sched_now() + sim_between(50, 2000) * SIM_NS_PER_MS;
    simnet_link(-1, false);
    world.load = true;
    while (sched_now() < until && s->run == RUN_SOURCE)
        sched_sleep(20 * SIM_NS_PER_MS);
}

static void await_resync(const struct site *t)
{
    uint64_t until = sched_now() + 3 * SIM_NS_PER_S;
    while (!t->in_resync && sched_now() < until)
        sched_sleep(SIM_NS_PER_MS / 4);
    sched_sleep(sim_below(sim_one_in(2) ? 8 : 600) * SIM_NS_PER_MS);
}

/* A resync begins, so that its source can be lost on the way. */
static void begin_resync(struct site *s)
{
    int r;
    struct site *t = site_peer(s);
    world.load = true;
    if (sim_one_in(2)) /* so slowly that what is written meanwhile is acknowledged on the way */
        simnet_speed(SIM_NS_PER_MS, sim_between(200, 1500) * 1000);
    if (sim_one_in(3)) { /* of nothing: everything is compared */
        if (s->run == RUN_SOURCE && site_call(s, do_resync_all, &r))
            await_resync(t);
        return;
    }
    go_alone(s);
    if (s->run != RUN_NONE)
        site_kill(s, SIMDISK_PROCESS);
    simnet_link(-1, true);
    site_look(s);
    if (s->meta.role == GW_ROLE_ACTIVE && site_start(s, RUN_SOURCE))
        await_resync(t);
}

/* The target of a resync, or the link to it, is lost on the way; later it goes on. */
static void act_break_resync(void)
{
    struct site *s = operator_source();
    if (!s)
        return;
    begin_resync(s);
    struct site *t = site_peer(s);
    switch (sim_below(4)) {
    case 0:
        simnet_reset_all();
        break;
    case 1:
        simnet_reset_after(sim_between(1, 30000));
        simnet_reset_all();
        break;
    default:
        if (t->run != RUN_NONE)
            site_kill(t, any_kind());
    }
    simnet_speed(sim_between(20, 2000) * 1000, 0);
}

void act_failover(enum failover how)
{
    struct site *s = operator_source();
    if (!s)
        return;
    struct site *t = site_peer(s);
    sim_trace("site%d: failover to site%d", s->id, t->id);
    if (how == FAILOVER_ROLL_BACK)
        begin_resync(s);
    if (how == FAILOVER_ROLL_BACK)
        simnet_speed(sim_between(20, 2000) * 1000, 0);
    if (how == FAILOVER_POINT && !sim_one_in(4)) {
        act_point();
        act_load(sim_between(50, 800));
    }
    lose_active(s);
    if (sim_one_in(3) && t->run != RUN_NONE)
        site_kill(t, any_kind());
    else
        site_stop(t);
    if (t->run != RUN_NONE)
        return;
    site_look(t);
    char id[GW_ID_MAX];
    bool point = how == FAILOVER_POINT && t->meta.role != GW_ROLE_ACTIVE && pick_point(t, id);
    bool back = t->meta.pending == GW_PENDING_RESYNC;
    if (!site_promote(t, point ? id : NULL, back, false)) {
        simnet_link(-1, true);
        return;
    }
    if (sim_one_in(2)) { /* it serves before the other one is back */
        site_start(t, RUN_SOURCE);
        uint64_t until = sched_now() + sim_between(1, 1500) * SIM_NS_PER_MS;
        while (sched_now() < until)
            sched_sleep(20 * SIM_NS_PER_MS);
    }
    simnet_link(-1, true);
}

void act_restart(void)
{
    for (int i = 0; i < 2; i++) {
        if (sim_one_in(2))
            site_stop(&world.site[i]);
    }
}

/* ---- bad luck -------------------------------------------------------------------------------- */

void act_link_loss(uint64_t ms)
{
    simnet_link(sim_one_in(2) ? -1 : (int)sim_below(2), false);
    act_load(ms);
    simnet_link(-1, true);
}

void act_fill_journal(void)
{
    struct site *s = operator_source();
    if (!s)
        return;
    struct site *t = site_peer(s);
    uint64_t began = model_ops_answered();
    simdisk_room(t->id, GW_SEGMENT_BYTES / MODEL_PAGE + 3 * 1024);
    world.heavy = true;
    while (model_ops_answered() - began < 160 && operator_is_well())
        act_load(50);
    world.heavy = false;
    act_load(500);
    simdisk_room(t->id, UINT64_MAX);
}

static void act_link(void)
{
    switch (sim_below(6)) {
    case 0:
        simnet_reset_all();
        break;
    case 1:
        simnet_reset_after(sim_between(1, 60000));
        simnet_reset_all();
        break;
    case 2:
        simnet_flip(sim_between(1, 200000));
        break;
    case 3:
        simnet_speed(sim_between(1, 300000) * 1000,
                     sim_one_in(2) ? sim_between(50, 1000) * 1000 : 0);
        break;
    case 4:
        simnet_stranger((int)sim_below(2), sim_one_in(2) ? NULL : "GET / HTTP/1.1\r\n\r\n", 18);
        break;
    default:
        act_link_loss(sim_between(10, 8000));
    }
}

/* It goes on alone, and dies before it has told anybody. */
static void act_alone(void)
{
    struct site *s = operator_source();
    if (!s)
        return;
    go_alone(s);
    if (s->run != RUN_NONE)
        site_kill(s, any_kind());
    simnet_link(-1, true);
}

static void act_kill(void)
{
    for (int i = 0; i < 2; i++) {
        if (sim_one_in(2))
            site_kill(&world.site[i], any_kind());
    }
    if (sim_one_in(3))
        act_load(sim_between(1, 1500));
}

static void act_crash_point(void)
{
    const char *name = gw_crash_points[sim_below(simdisk_points())];
    int site = (int)sim_below(2);
    simdisk_arm(site, name, (unsigned)sim_between(1, 4), any_kind());
    act_load(sim_between(50, 1500));
}

static void act_disk(void)
{
    static const unsigned ops[] = { MEMDISK_READ, MEMDISK_WRITE,    MEMDISK_SYNC,
                                    MEMDISK_NAME, MEMDISK_SYNC_DIR, MEMDISK_ZERO };
    int site = (int)sim_below(2);
    switch (sim_below(3)) {
    case 0:
        simdisk_fail(site, ops[sim_below(sizeof ops / sizeof ops[0])], (unsigned)sim_between(1, 60),
                     -EIO);
        break;
    case 1:
        sim_trace("site%d: the disk is full", site);
        simdisk_room(site, sim_below(40));
        act_load(sim_between(100, 3000));
        simdisk_room(site, UINT64_MAX);
        break;
    default:
        simdisk_speed(site, sim_between(1, 30) * SIM_NS_PER_MS,
                      sim_between(1, 200) * SIM_NS_PER_MS);
    }
}

static void act_hold(void)
{
    int r;
    struct site *s = operator_source();
    if (!s || !site_call(s, do_quiesce, &r))
        return;
    if (sim_one_in(2))
        sched_sleep(sim_below(500) * SIM_NS_PER_MS);
    if (sim_one_in(2) && !site_call(s, do_equal, &r))
        return;
    if (s->run == RUN_SOURCE)
        site_call(s, do_unquiesce, &r);
}

static void act_resync(void)
{
    int r;
    struct site *s = operator_source();
    if (s)
        site_call(s, sim_one_in(2) ? do_resync_all : do_resync_some, &r);
}

void act_random(void)
{
    switch (sim_below(19)) {
    case 0:
    case 1:
        act_kill();
        break;
    case 2:
    case 3:
        act_link();
        break;
    case 4:
        act_failover(FAILOVER_NEWEST);
        break;
    case 5:
        act_failover(FAILOVER_POINT);
        break;
    case 6:
        act_failover(FAILOVER_ROLL_BACK);
        break;
    case 7:
    case 8:
        act_handover(true);
        break;
    case 9:
        act_point();
        break;
    case 10:
        act_crash_point();
        break;
    case 11:
        act_disk();
        break;
    case 12:
        act_hold();
        break;
    case 13:
        act_resync();
        break;
    case 14:
        act_verify();
        break;
    case 15:
        act_alone();
        break;
    case 16:
        act_break_resync();
        break;
    case 17:
        act_change_volumes();
        break;
    default:
        act_restart();
    }
}

void act_end_faults(void)
{
    for (int i = 0; i < 2; i++) {
        simdisk_room(i, UINT64_MAX);
        simdisk_fail(i, 0, 0, 0);
        simdisk_speed(i, 20000, 300000);
    }
    simnet_link(-1, true);
    simnet_speed(100000, 0);
}
