// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The handshake verdict. Each case is a change to one ordinary pair ("act" serves, "oth" is its
 * standby) and is tried with either site in either part and in either order of the arguments.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/checked.h"
#include "engine/verdict.h"

#include <stdio.h>
#include <string.h>

static struct gw_uuid id(unsigned n)
{
    struct gw_uuid u = { { 0 } };
    u.b[0] = (uint8_t)n;
    u.b[1] = (uint8_t)(n >> 8);
    u.b[15] = n != 0;
    return u;
}

enum { CREATION = 1, RESTART = 20, RESTART2 = 21, PROMO_A = 30, PROMO_O = 40, BOOT = 70 };

static struct gw_side act, oth;

static void add(struct gw_side *s, enum gw_birth birth, unsigned uuid, uint64_t epoch, uint8_t site,
                uint64_t fork)
{
    struct gw_incarnation e = { .epoch = epoch,
                                .uuid = id(uuid),
                                .fork_seq = fork,
                                .had_seq = fork,
                                .site = site,
                                .birth = birth };
    if (birth != GW_BIRTH_CREATION)
        e.parent = gw_lineage_uuid(&s->lineage);
    gw_lineage_append(&s->lineage, &e);
}

static struct gw_side plain(uint8_t site)
{
    struct gw_side s = {
        .plan = id(90),
        .format = 1,
        .site = site,
        .consistent = true,
        .boot_id = id(BOOT + site),
        .n_volumes = 2,
        .volume = { { id(91), 1 << 20, "root" }, { id(92), 1 << 22, "data" } },
    };
    snprintf(s.site_name, sizeof s.site_name, "%s", site == 0 ? "home" : "dr");
    return s;
}

/* act serves epoch 1 at 100 of at most 999, its ring reaches down to 50; oth follows at 80. */
static void ordinary(uint8_t act_site)
{
    act = plain(act_site);
    act.role = GW_ROLE_ACTIVE;
    act.serving = act.ring_whole = true;
    act.ring_base = 50;
    act.seq = 100;
    act.seq_reserved = 1000;
    oth = plain(1 - act_site);
    oth.role = GW_ROLE_STANDBY;
    oth.seq = 80;
    add(&act, GW_BIRTH_CREATION, CREATION, 1, act_site, 0);
    oth.lineage = act.lineage;
}

static void make_blank(struct gw_side *s)
{
    s->lineage.n = 0;
    s->blank = true;
    s->consistent = s->serving = false;
    s->role = GW_ROLE_STANDBY;
    s->seq = 0;
}

static void crash(struct gw_side *s)
{
    s->crashed_active = true;
    s->serving = s->ring_whole = false;
    s->role = GW_ROLE_ACTIVE;
    s->coarse_extents = 3;
}

static void stop(struct gw_side *s)
{
    s->serving = false;
    s->ring_base = s->seq;
}

/* oth was promoted from act's incarnation at `fork` and serves; act is what it was, not serving. */
static void oth_takes_over(uint64_t fork)
{
    add(&oth, GW_BIRTH_PROMOTION, PROMO_O, 2, oth.site, fork);
    oth.role = GW_ROLE_ACTIVE;
    oth.serving = oth.ring_whole = true;
    oth.seq = fork + 20;
    oth.seq_reserved = fork + 1000;
    oth.ring_base = fork;
    stop(&act);
}

static void act_standby(uint64_t seq)
{
    act.role = GW_ROLE_STANDBY;
    act.serving = act.ring_whole = false;
    act.seq = seq;
}

/* both were promoted from the creation: act at 100 (serves), oth at 80 (does not) */
static void both_promoted(void)
{
    add(&act, GW_BIRTH_PROMOTION, PROMO_A, 3, act.site, 100);
    act.seq = act.ring_base = 120;
    act.seq_reserved = 1100;
    add(&oth, GW_BIRTH_PROMOTION, PROMO_O, 2, oth.site, 80);
    oth.seq = 90;
    oth.role = GW_ROLE_FENCED;
}

/* row 0 */
static void c_plan(void)
{
    oth.plan = id(5);
}
static void c_format(void)
{
    oth.format = 2;
}
static void c_count(void)
{
    oth.n_volumes = 1;
}
static void c_volume(void)
{
    oth.volume[1].uuid = id(5);
}
static void c_bytes(void)
{
    oth.volume[0].bytes++;
}
static void c_order(void)
{
    struct gw_side_volume v = oth.volume[0];
    oth.volume[0] = oth.volume[1];
    oth.volume[1] = v;
}
static void c_plan_both_serve(void)
{
    oth.plan = id(5), oth.serving = true;
}
static void c_same_site(void)
{
    oth.site = act.site;
}
static void c_third_site(void)
{
    oth.site = 2;
}

/* rows 1, 2 */
static void c_depose_act(void)
{
    oth_takes_over(80), act.serving = true;
}
static void c_depose_old_restarted(void)
{
    oth_takes_over(80);
    act.serving = true; /* restarts do not count: many of them do not make a newer promotion */
    add(&act, GW_BIRTH_RESTART, RESTART, 1, act.site, 1000);
    add(&act, GW_BIRTH_RESTART, RESTART2, 1, act.site, 2000);
}
static void c_depose_oth(void)
{
    both_promoted(), oth.serving = true;
}
static void c_both_serve(void)
{
    oth.serving = true;
}
static void c_both_serve_restart(void)
{
    oth.serving = true;
    add(&act, GW_BIRTH_RESTART, RESTART, 1, act.site, 1000);
}

/* row 3 */
static void c_rb_restart(void)
{
    add(&oth, GW_BIRTH_RESTART, RESTART, 1, act.site, 1000);
}
static void c_rb_restart_crashed(void)
{
    c_rb_restart(), crash(&act);
}
static void c_rb_fork(void)
{
    c_rb_restart();
    add(&act, GW_BIRTH_RESTART, RESTART2, 1, act.site, 500);
}
static void c_rb_reserved(void)
{
    oth.seq = 1000;
}
static void c_rb_not_yet(void)
{
    oth.seq = 999;
} /* the last number it can have used */
static void c_rb_crashed(void)
{
    crash(&act), oth.seq = 1000;
}
static void c_rb_crashed_not_yet(void)
{
    crash(&act), oth.seq = 999;
}
static void c_rb_clean(void)
{
    stop(&act), oth.seq = 101;
}
static void c_rb_older_stretch(void)
{
    add(&act, GW_BIRTH_RESTART, RESTART, 1, act.site, 500);
    oth.seq = 501;
}
static void c_rb_promoted(void)
{
    /* oth was promoted after a restart that act no longer knows. */
    c_rb_restart();
    oth_takes_over(1200);
    crash(&act);
}
static void c_rb_inconsistent(void)
{
    c_rb_reserved(), oth.consistent = false;
}

/* row 4 */
static void c_none_consistent(void)
{
    act.consistent = oth.consistent = act.serving = false;
}
static void c_oth_inconsistent(void)
{
    oth.consistent = false;
}
static void c_act_inconsistent(void)
{
    crash(&act), act.consistent = false;
}
static void c_newer_inconsistent(void)
{
    oth_takes_over(80);
    oth.serving = oth.consistent = false;
}
static void c_blank_and_inconsistent(void)
{
    make_blank(&oth);
    oth.seed_me = true;
    act.consistent = act.serving = false;
}
static void c_serving_inconsistent(void)
{
    act.consistent = false;
} /* must never be */
static void c_resumed_r5_source(void)
{
    /* the source was restored to 80, the half-copied target had cleared through 95 */
    oth.seq = 80, crash(&act), act.consistent = false;
    act.cleared_uuid = id(CREATION), act.cleared_seq = 95;
}
static void c_resumed_r5_target(void)
{
    /* the source cleared through 95 of the resync's stream, and the target had received so far */
    oth.consistent = false;
    act.cleared_uuid = id(CREATION), act.cleared_seq = 95;
    oth.reached_uuid = id(CREATION), oth.reached_seq = 95;
}
static void c_resumed_restored(void)
{
    /* ... but it was restored from a copy of before: less was received than was cleared */
    c_resumed_r5_target();
    oth.reached_seq = 94, oth.seq = 80;
}
static void c_resumed_unrelated(void)
{
    oth.consistent = false;
    oth.lineage.e[0].uuid = id(7);
}

/* row 5 */
static void c_blank_seed(void)
{
    make_blank(&oth), oth.seed_me = true;
}
static void c_blank_no_seed(void)
{
    make_blank(&oth);
}
static void c_both_blank(void)
{
    make_blank(&oth), make_blank(&act), oth.seed_me = true;
}
static void c_blank_act(void)
{
    make_blank(&act), act.seed_me = true;
}

/* row 6 */
static void c_in_sync(void)
{
    oth.seq = 100;
}
static void c_in_sync_idle(void)
{
    act_standby(80);
}
static void c_in_sync_clean(void)
{
    oth.seq = 100, stop(&act);
}
static void c_in_sync_chain(void)
{
    oth.seq = 100, oth.chain = 4, act.chain = 4;
}
static void c_in_sync_bad_chain(void)
{
    oth.seq = 100, oth.chain = 4, act.chain = 5;
}
static void c_in_sync_r5(void)
{
    act_standby(80);
    act.cleared_uuid = id(CREATION), act.cleared_seq = 95;
}
static void c_in_sync_r5_lineage(void)
{
    oth.seq = 100;
    act.cleared_uuid = id(PROMO_O), act.cleared_seq = 1;
}

/* row 7 */
static void c_stream(void)
{
}
static void c_stream_base(void)
{
    oth.seq = 50;
}
static void c_stream_not_serving(void)
{
    act.serving = false;
}
static void c_stream_r5(void)
{
    act.cleared_uuid = id(CREATION), act.cleared_seq = 81;
}
static void c_stream_r5_just(void)
{
    act.cleared_uuid = id(CREATION), act.cleared_seq = 80;
}
static void c_stream_r5_at_standby(void)
{
    oth.cleared_uuid = id(CREATION), oth.cleared_seq = 1000;
}

/* row 8 */
static void c_adopt(void)
{
    oth_takes_over(100), act_standby(100);
}
static void c_adopt_not_serving(void)
{
    c_adopt(), oth.serving = false;
}
static void c_adopt_r5(void)
{
    c_adopt(), oth.cleared_uuid = id(RESTART), oth.cleared_seq = 1;
}
static void c_adopt_ring_moved(void)
{
    c_adopt();
    oth.ring_base = 101;
}
static void c_adopt_old_clear(void)
{
    c_adopt();
    act.cleared_uuid = id(CREATION), act.cleared_seq = 100; /* oth had it all, and went on */
}

/* row 9 */
static void c_sync_lost_power(void)
{
    crash(&act);
    act.boot_changed = true;
    act.recorded = GW_RECORDED_SYNC;
    act.sync_boot = oth.boot_id;
}
static void c_sync_same_boot(void)
{
    c_sync_lost_power(), act.boot_changed = false;
}
static void c_sync_other_boot(void)
{
    c_sync_lost_power(), oth.boot_id = id(5);
}
static void c_sync_no_boot(void)
{
    c_sync_lost_power();
    oth.boot_id = act.sync_boot = id(0);
}
static void c_unsync(void)
{
    c_sync_lost_power(), act.recorded = GW_RECORDED_UNSYNC;
}
static void c_async(void)
{
    c_sync_lost_power(), act.recorded = GW_RECORDED_ASYNC;
}
static void c_sync_r5(void)
{
    c_sync_lost_power();
    act.cleared_uuid = id(CREATION), act.cleared_seq = 81;
}

/* row 10 */
static void c_gap(void)
{
    act.ring_whole = false;
}
static void c_below_ring(void)
{
    oth.seq = 49;
}
static void c_dirty(void)
{
    act.dirty_blocks = 1;
}
static void c_coarse(void)
{
    act.coarse_extents = 1;
}
static void c_standby_dirty(void)
{
    oth.dirty_blocks = 1;
}
static void c_standby_coarse(void)
{
    oth.coarse_extents = 1;
}
static void c_dirty_same_seq(void)
{
    oth.seq = 100, act.dirty_blocks = 1;
} /* bits are not dropped */
static void c_crashed(void)
{
    crash(&act);
}
static void c_crashed_ahead(void)
{
    crash(&act), oth.seq = 500;
}
static void c_crashed_ring(void)
{
    crash(&act), act.coarse_extents = 0, act.ring_whole = true;
}
static void c_stopped_dirty(void)
{
    stop(&act), act.dirty_blocks = 9;
}
static void c_r5_resync(void)
{
    c_gap(), act.cleared_uuid = id(CREATION), act.cleared_seq = 81;
}
static void c_crashed_cleared(void)
{
    /* oth adopted act's identity at 500; act's own counter was in memory, 100 is a lower bound */
    crash(&act);
    oth.cleared_uuid = id(CREATION), oth.cleared_seq = 500;
}
static void c_ahead_of_head(void)
{
    oth.seq = 101;
}
static void c_contradicted(void)
{
    c_dirty_same_seq(), act.chain = 1, oth.chain = 2;
}

/* row 11 */
static void c_idle_further(void)
{
    act_standby(100);
}
static void c_idle_behind(void)
{
    act_standby(70), act.lineage.e[0].site = oth.site, oth.lineage = act.lineage;
}
static void c_idle_equal(void)
{
    act_standby(80), oth.dirty_blocks = 2;
}
static void c_idle_writer_older(void)
{
    act_standby(70);
} /* it wrote up to 80 and knows only 70 */
/* Two sides that both stopped as active in one incarnation: a copied directory. */
static void c_both_active_behind(void)
{
    stop(&act), oth.role = GW_ROLE_ACTIVE;
}
static void c_both_active_equal(void)
{
    c_both_active_behind();
    oth.seq = 100, oth.dirty_blocks = 1;
}

/* row 12 */
static void c_restarted(void)
{
    add(&act, GW_BIRTH_RESTART, RESTART, 1, act.site, 1000);
    act.seq = act.ring_base = 1000;
    act.seq_reserved = 2000;
}
static void c_restarted_leftover(void)
{
    c_restarted(), oth.dirty_blocks = 5;
}
static void c_restarted_r5(void)
{
    c_restarted();
    act.cleared_uuid = id(CREATION), act.cleared_seq = 81;
}
static void c_failback_behind(void)
{
    oth_takes_over(80), act_standby(80), oth.ring_whole = false;
}
static void c_failback_bits(void)
{
    oth_takes_over(100);
    act.dirty_blocks = 7; /* writes that oth never got */
}
static void c_failback_further(void)
{
    oth_takes_over(80);
} /* act stands at 100 */
static void c_failback_crashed(void)
{
    oth_takes_over(80);
    crash(&act);
    act.coarse_extents = 0;
    act.seq = 80; /* a lower bound: not proven to be all */
}
static void c_failback_signed(void)
{
    c_failback_further(), act.tail_signed = true;
}
static void c_failback_fenced(void)
{
    oth_takes_over(100);
    act.role = GW_ROLE_FENCED;
    act.dirty_blocks = 1;
}
static void c_failback_serving(void)
{
    /* The promoted side does not serve, the old one does (row 1 needs both). */
    oth_takes_over(80);
    oth.serving = false;
    act.serving = true;
}
static void c_promoted_self(void)
{
    /* act was promoted again by itself: oth follows from behind and has no tail */
    add(&act, GW_BIRTH_PROMOTION, PROMO_A, 3, act.site, 100);
    act.seq = 130, act.ring_base = 110, act.seq_reserved = 1000;
}
static void c_rewound_self(void)
{
    /* act went back to a point at 60; oth holds 80 of the old stretch */
    c_promoted_self();
    act.lineage.e[1].fork_seq = 60, act.lineage.e[1].had_seq = 100;
}
static void c_restart_and_promotion(void)
{
    add(&act, GW_BIRTH_RESTART, RESTART, 1, act.site, 1000);
    oth_takes_over(80);
    act.seq = 1040;
}
static void c_restart_unused(void)
{
    c_restart_and_promotion();
    act.seq = 1000; /* born, and never took a number */
    act.lineage.e[1].had_seq = 80;
}
static void c_failback_r5(void)
{
    oth_takes_over(80);
    act.cleared_uuid = id(CREATION), act.cleared_seq = 81;
}
static void c_failback_r5_had(void)
{
    /* promoted to a point at 60, but had journaled through 90: what it rewound is in its set */
    oth_takes_over(60);
    oth.lineage.e[1].had_seq = 90;
    act.cleared_uuid = id(CREATION), act.cleared_seq = 90;
}
static void c_failback_writer_older(void)
{
    oth_takes_over(150); /* act wrote through 150 once, and knows only 100 */
}
static void c_failback_crashed_reserved(void)
{
    oth_takes_over(150); /* crashed: it may have used all numbers up to its reservation */
    crash(&act);
}
static void c_trimmed(void)
{
    add(&act, GW_BIRTH_RESTART, RESTART, 1, act.site, 1000);
    for (unsigned i = 0; i < GW_LINEAGE_MAX; i++)
        add(&act, GW_BIRTH_RESTART, 300 + i, 1, act.site, 2000 + i);
    act.seq = act.ring_base = 9000, act.seq_reserved = 10000;
}
static void c_trimmed_hidden(void)
{
    c_trimmed(); /* oth knows a restart that act has trimmed: act is not rolled back */
    add(&oth, GW_BIRTH_RESTART, RESTART, 1, act.site, 1000);
}
static void c_trimmed_rolled_back(void)
{
    c_trimmed();
    oth.lineage = act.lineage;
    add(&oth, GW_BIRTH_RESTART, RESTART2, 1, act.site, 9999); /* newer than all act knows */
}

/* row 13 */
static void c_split(void)
{
    both_promoted();
}
static void c_split_idle(void)
{
    both_promoted(), act.serving = false;
}
static void c_split_act(void)
{
    both_promoted(), act.survivor = id(PROMO_A);
}
static void c_split_told_by_oth(void)
{
    both_promoted(), oth.survivor = id(PROMO_A);
}
static void c_split_oth(void)
{
    c_split_idle(), act.survivor = id(PROMO_O);
}
static void c_split_both_tell(void)
{
    c_split_act();
    oth.survivor = id(PROMO_A);
}
static void c_split_contradict(void)
{
    c_split_act(), oth.survivor = id(PROMO_O);
}
static void c_split_root(void)
{
    both_promoted(), act.survivor = id(CREATION);
}
static void c_split_nobody(void)
{
    both_promoted(), act.survivor = id(999);
}
static void c_split_serving(void)
{
    both_promoted(), act.survivor = id(PROMO_O);
}
static void c_split_r5(void)
{
    c_split_act();
    act.cleared_uuid = id(PROMO_A), act.cleared_seq = 110;
}
static void c_split_clean(void)
{
    /* oth was promoted but never wrote */
    c_split_act();
    oth.seq = 80;
}
static void c_two_restarts(void)
{
    act_standby(1000);
    add(&act, GW_BIRTH_RESTART, RESTART, 1, act.site, 1000);
    add(&oth, GW_BIRTH_RESTART, RESTART2, 1, act.site, 500);
}

/* row 14 */
static void c_unrelated(void)
{
    oth.lineage.e[0].uuid = id(7);
}
static void c_unrelated_idle(void)
{
    c_unrelated(), act.serving = false;
}

enum who { NONE, ACT, OTH, SITE0, SITE1 };
#define TAIL 1u
#define ALL 2u

struct expect {
    const char *name;
    void (*change)(void);
    int row;
    enum gw_verdict_action action;
    enum who source;
    unsigned flags;
    uint64_t fork;
};

#define CASE(f, row, action, ...)                                                                  \
    {                                                                                              \
#f, f, row, GW_VERDICT_##action, __VA_ARGS__                                               \
    }

static const struct expect cases[] = {
    CASE(c_plan, 0, REFUSE, NONE),
    CASE(c_format, 0, REFUSE, NONE),
    CASE(c_count, 0, REFUSE, NONE),
    CASE(c_volume, 0, REFUSE, NONE),
    CASE(c_bytes, 0, REFUSE, NONE),
    CASE(c_order, 0, REFUSE, NONE),
    CASE(c_plan_both_serve, 0, REFUSE, NONE),
    CASE(c_same_site, 0, REFUSE, NONE),
    CASE(c_third_site, 0, REFUSE, NONE),
    CASE(c_depose_act, 1, DEPOSE, OTH),
    CASE(c_depose_old_restarted, 1, DEPOSE, OTH),
    CASE(c_depose_oth, 1, DEPOSE, ACT),
    CASE(c_both_serve, 2, SPLIT_BRAIN, NONE),
    CASE(c_both_serve_restart, 2, SPLIT_BRAIN, NONE),
    CASE(c_rb_restart, 3, ROLLED_BACK, NONE),
    CASE(c_rb_restart_crashed, 3, ROLLED_BACK, NONE),
    CASE(c_rb_fork, 3, ROLLED_BACK, NONE),
    CASE(c_rb_reserved, 3, ROLLED_BACK, NONE),
    CASE(c_rb_not_yet, 10, RESYNC, ACT),
    CASE(c_rb_crashed, 3, ROLLED_BACK, NONE),
    CASE(c_rb_crashed_not_yet, 10, RESYNC, ACT),
    CASE(c_rb_clean, 3, ROLLED_BACK, NONE),
    CASE(c_rb_older_stretch, 3, ROLLED_BACK, NONE),
    CASE(c_rb_promoted, 3, ROLLED_BACK, NONE),
    CASE(c_rb_inconsistent, 3, ROLLED_BACK, NONE),
    CASE(c_none_consistent, 4, REFUSE, NONE),
    CASE(c_oth_inconsistent, 4, RESYNC, ACT),
    CASE(c_act_inconsistent, 4, RESYNC, OTH),
    CASE(c_newer_inconsistent, 4, RESYNC, ACT),
    CASE(c_blank_and_inconsistent, 4, REFUSE, NONE),
    CASE(c_serving_inconsistent, 4, QUESTION, NONE),
    CASE(c_resumed_r5_source, 4, RESYNC, OTH, ALL),
    CASE(c_resumed_r5_target, 4, RESYNC, ACT),
    CASE(c_resumed_restored, 4, RESYNC, ACT, ALL),
    CASE(c_resumed_unrelated, 4, RESYNC, ACT, ALL),
    CASE(c_blank_seed, 5, FULL, ACT),
    CASE(c_blank_no_seed, 5, REFUSE, NONE),
    CASE(c_both_blank, 5, REFUSE, NONE),
    CASE(c_blank_act, 5, FULL, OTH),
    CASE(c_in_sync, 6, IN_SYNC, ACT),
    CASE(c_in_sync_idle, 6, IN_SYNC, ACT), /* it wrote the incarnation */
    CASE(c_in_sync_clean, 6, IN_SYNC, ACT),
    CASE(c_in_sync_chain, 6, IN_SYNC, ACT),
    CASE(c_in_sync_bad_chain, 6, RESYNC, ACT, ALL),
    CASE(c_in_sync_r5, 6, RESYNC, ACT, ALL),
    CASE(c_in_sync_r5_lineage, 6, RESYNC, ACT, ALL),
    CASE(c_stream, 7, STREAM, ACT),
    CASE(c_stream_base, 7, STREAM, ACT),
    CASE(c_stream_not_serving, 7, STREAM, ACT),
    CASE(c_stream_r5, 7, RESYNC, ACT, ALL),
    CASE(c_stream_r5_just, 7, STREAM, ACT),
    CASE(c_stream_r5_at_standby, 7, RESYNC, ACT, ALL),
    CASE(c_adopt, 8, STREAM, OTH, 0, 100),
    CASE(c_adopt_not_serving, 8, STREAM, OTH, 0, 100),
    CASE(c_adopt_r5, 8, RESYNC, OTH, ALL, 100),
    CASE(c_adopt_ring_moved, 12, RESYNC, OTH, 0, 100),
    CASE(c_adopt_old_clear, 8, STREAM, OTH, 0, 100),
    CASE(c_sync_lost_power, 9, RESYNC, OTH),
    CASE(c_sync_same_boot, 10, RESYNC, ACT),
    CASE(c_sync_other_boot, 10, RESYNC, ACT),
    CASE(c_sync_no_boot, 10, RESYNC, ACT),
    CASE(c_unsync, 10, RESYNC, ACT),
    CASE(c_async, 10, RESYNC, ACT),
    CASE(c_sync_r5, 10, RESYNC, ACT, ALL),
    CASE(c_gap, 10, RESYNC, ACT),
    CASE(c_below_ring, 10, RESYNC, ACT),
    CASE(c_dirty, 10, RESYNC, ACT),
    CASE(c_coarse, 10, RESYNC, ACT),
    CASE(c_standby_dirty, 10, RESYNC, ACT),
    CASE(c_standby_coarse, 10, RESYNC, ACT),
    CASE(c_dirty_same_seq, 10, RESYNC, ACT),
    CASE(c_crashed, 10, RESYNC, ACT),
    CASE(c_crashed_ahead, 10, RESYNC, ACT),
    CASE(c_crashed_ring, 10, RESYNC, ACT),
    CASE(c_stopped_dirty, 10, RESYNC, ACT),
    CASE(c_r5_resync, 10, RESYNC, ACT, ALL),
    CASE(c_crashed_cleared, 10, RESYNC, ACT),
    CASE(c_ahead_of_head, 10, RESYNC, ACT),
    CASE(c_contradicted, 10, RESYNC, ACT, ALL),
    CASE(c_idle_further, 11, RESYNC, ACT),
    CASE(c_idle_behind, 11, RESYNC, OTH),
    CASE(c_idle_equal, 11, RESYNC, ACT),
    CASE(c_idle_writer_older, 11, RESYNC, OTH, ALL),
    CASE(c_both_active_behind, 3, ROLLED_BACK, NONE),
    CASE(c_both_active_equal, 11, RESYNC, ACT),
    CASE(c_restarted, 12, RESYNC, ACT, 0, 1000),
    CASE(c_restarted_leftover, 12, RESYNC, ACT, 0, 1000),
    CASE(c_restarted_r5, 12, RESYNC, ACT, ALL, 1000),
    CASE(c_failback_behind, 12, RESYNC, OTH, 0, 80),
    CASE(c_failback_bits, 12, RESYNC, OTH, TAIL, 100),
    CASE(c_failback_further, 12, RESYNC, OTH, TAIL, 80),
    CASE(c_failback_crashed, 12, RESYNC, OTH, TAIL, 80),
    CASE(c_failback_signed, 12, RESYNC, OTH, TAIL, 80),
    CASE(c_failback_fenced, 12, RESYNC, OTH, TAIL, 100),
    CASE(c_failback_serving, 12, QUESTION, NONE),
    CASE(c_promoted_self, 12, RESYNC, ACT, 0, 100),
    CASE(c_rewound_self, 12, RESYNC, ACT, TAIL, 60),
    CASE(c_restart_and_promotion, 12, RESYNC, OTH, TAIL, 80),
    CASE(c_restart_unused, 12, RESYNC, OTH, 0, 80),
    CASE(c_failback_r5, 12, RESYNC, OTH, TAIL | ALL, 80),
    CASE(c_failback_r5_had, 12, RESYNC, OTH, TAIL, 60),
    CASE(c_failback_writer_older, 12, RESYNC, OTH, ALL, 150),
    CASE(c_failback_crashed_reserved, 12, RESYNC, OTH, TAIL, 150),
    CASE(c_trimmed, 12, RESYNC, ACT, TAIL | ALL),
    CASE(c_trimmed_hidden, 12, RESYNC, ACT, TAIL | ALL),
    CASE(c_trimmed_rolled_back, 3, ROLLED_BACK, NONE),
    CASE(c_split, 13, SPLIT_BRAIN, NONE),
    CASE(c_split_idle, 13, SPLIT_BRAIN, NONE),
    CASE(c_split_act, 13, RESYNC, ACT, TAIL, 100),
    CASE(c_split_told_by_oth, 13, RESYNC, ACT, TAIL, 100),
    CASE(c_split_both_tell, 13, RESYNC, ACT, TAIL, 100),
    CASE(c_split_oth, 13, RESYNC, OTH, TAIL, 80),
    CASE(c_split_contradict, 13, SPLIT_BRAIN, NONE),
    CASE(c_split_root, 13, SPLIT_BRAIN, NONE),
    CASE(c_split_nobody, 13, SPLIT_BRAIN, NONE),
    CASE(c_split_serving, 13, QUESTION, NONE),
    CASE(c_split_r5, 13, RESYNC, ACT, TAIL | ALL, 100),
    CASE(c_split_clean, 13, RESYNC, ACT, 0, 100),
    CASE(c_two_restarts, 13, SPLIT_BRAIN, NONE),
    CASE(c_unrelated, 14, REFUSE, NONE),
    CASE(c_unrelated_idle, 14, REFUSE, NONE),
};

static bool is_flow(const struct gw_verdict *v)
{
    return v->action == GW_VERDICT_FULL || v->action == GW_VERDICT_IN_SYNC ||
           v->action == GW_VERDICT_STREAM || v->action == GW_VERDICT_RESYNC;
}

/* Evaluate in both orders: the same to the letter. */
static struct gw_verdict decide(const struct gw_side *a, const struct gw_side *b)
{
    struct gw_verdict x, y;
    gw_verdict_decide(a, b, &x);
    gw_verdict_decide(b, a, &y);
    if (!gw_verdict_equal(&x, &y) || (a->site != b->site && strcmp(x.sentence, y.sentence) != 0))
        fail_msg("the sides differ: %d \"%s\" | %d \"%s\"", x.row, x.sentence, y.row, y.sentence);
    return x;
}

static void check(const struct expect *c)
{
    struct gw_verdict v = decide(&act, &oth);
    bool ok = v.row == c->row && v.action == c->action && v.diverged == ((c->flags & TAIL) != 0) &&
              v.compare_all == ((c->flags & ALL) != 0) && v.fork_seq == c->fork;
    int winner = c->source == ACT ? act.site : c->source == OTH ? oth.site : -1;
    int loser = winner < 0 ? -1 : 1 - winner;
    ok = ok && v.target == loser && v.source == (is_flow(&v) ? winner : -1);
    bool words = strstr(v.sentence, act.site_name) != NULL &&
                 strstr(v.sentence, oth.site_name) != NULL &&
                 strlen(v.sentence) < GW_VERDICT_SENTENCE_MAX - 1;
    if (!ok || !words)
        fail_msg("%s with act at site %d: row %d %s source %d target %d diverged %d all %d fork "
                 "%llu \"%s\"",
                 c->name, act.site, v.row, gw_verdict_action_name(v.action), v.source, v.target,
                 v.diverged, v.compare_all, (unsigned long long)v.fork_seq, v.sentence);
}

static void test_table(void **state)
{
    bool seen[15] = { false };
    for (size_t i = 0; i < GW_ARRAY_SIZE(cases); i++) {
        for (uint8_t site = 0; site < 2; site++) {
            ordinary(site);
            cases[i].change();
            check(&cases[i]);
        }
        seen[cases[i].row] = true;
    }
    for (int row = 0; row < 15; row++)
        assert_true(seen[row]);
}

static void test_words(void **state)
{
    ordinary(0);
    struct gw_verdict v = decide(&act, &oth);
    assert_non_null(strstr(v.sentence, "from home to dr"));
    c_failback_further();
    v = decide(&act, &oth);
    assert_non_null(strstr(v.sentence, "from dr to home"));
    assert_non_null(strstr(v.sentence, "home may hold writes of its own"));
    act.tail_signed = true;
    v = decide(&act, &oth);
    assert_non_null(strstr(v.sentence, "signed"));
    assert_null(strstr(v.sentence, "may hold"));
    /* The longest names still leave a whole sentence. */
    memset(act.site_name, 'h', sizeof act.site_name - 1);
    memset(oth.site_name, 'd', sizeof oth.site_name - 1);
    act.cleared_uuid = id(CREATION), act.cleared_seq = 81;
    act.tail_signed = false;
    v = decide(&act, &oth);
    assert_true(v.diverged && v.compare_all);
    assert_true(memchr(v.sentence, '\0', sizeof v.sentence) != NULL);
    act.site_name[0] = oth.site_name[0] = '\0';
    v = decide(&act, &oth);
    assert_non_null(strstr(v.sentence, "from the second site to the first site"));
}

static void test_names_and_rows(void **state)
{
    for (int i = 0; i < GW_VERDICT_ACTION_MAX; i++)
        assert_string_not_equal(gw_verdict_action_name((enum gw_verdict_action)i), "unknown");
    for (int i = 0; i < GW_ROLE_MAX; i++)
        assert_string_not_equal(gw_role_name((enum gw_role)i), "unknown");
    assert_string_equal(gw_verdict_action_name(GW_VERDICT_ACTION_MAX), "unknown");
    assert_string_equal(gw_role_name(GW_ROLE_MAX), "unknown");
    for (int i = 0; i < 15; i++) {
        assert_int_equal(gw_verdict_rows[i].row, i);
        assert_true(strlen(gw_verdict_rows[i].condition) > 5);
        assert_true(strlen(gw_verdict_rows[i].outcome) > 5);
    }
}

static void test_equal(void **state)
{
    struct gw_verdict a = { .row = 7, .source = 0, .target = 1 }, b = a;
    snprintf(b.sentence, sizeof b.sentence, "other words");
    assert_true(gw_verdict_equal(&a, &b));
    b = a, b.row = 8;
    assert_false(gw_verdict_equal(&a, &b));
    b = a, b.action = GW_VERDICT_STREAM;
    assert_false(gw_verdict_equal(&a, &b));
    b = a, b.source = 1;
    assert_false(gw_verdict_equal(&a, &b));
    b = a, b.target = 0;
    assert_false(gw_verdict_equal(&a, &b));
    b = a, b.diverged = true;
    assert_false(gw_verdict_equal(&a, &b));
    b = a, b.compare_all = true;
    assert_false(gw_verdict_equal(&a, &b));
    b = a, b.fork_seq = 1;
    assert_false(gw_verdict_equal(&a, &b));
}

/* ---- every pair of a product of states ---- */

enum mode {
    M_STOPPED,
    M_STANDBY,
    M_FENCED,
    M_FENCED_CRASHED,
    M_ACTIVE_CLEAN,
    M_CRASHED,
    M_CRASHED_BOOT,
    M_SERVING,
    M_SERVING_GAP,
    M_MAX,
};

static void set_mode(struct gw_side *s, enum mode m)
{
    s->role = m == M_STOPPED                           ? GW_ROLE_STOPPED
              : m == M_STANDBY                         ? GW_ROLE_STANDBY
              : m == M_FENCED || m == M_FENCED_CRASHED ? GW_ROLE_FENCED
                                                       : GW_ROLE_ACTIVE;
    s->serving = m == M_SERVING || m == M_SERVING_GAP;
    s->crashed_active = m == M_FENCED_CRASHED || m == M_CRASHED || m == M_CRASHED_BOOT;
    s->boot_changed = m == M_CRASHED_BOOT;
    s->ring_whole = m == M_SERVING || m == M_ACTIVE_CLEAN;
    s->ring_base = m == M_SERVING ? 50 : 100;
}

enum relation {
    R_SAME,
    R_RESTART,    /* site 0 went on by a restart */
    R_PROMOTION0, /* site 0 promoted, site 1 did not */
    R_PROMOTION1,
    R_BOTH,
    R_RESTART_PROMOTION,
    R_DEEP, /* site 1 has two promotions more */
    R_UNRELATED,
    R_MAX,
};

static void set_relation(struct gw_side *a, struct gw_side *b, enum relation r)
{
    a->lineage.n = b->lineage.n = 0;
    add(a, GW_BIRTH_CREATION, CREATION, 1, 0, 0);
    add(b, GW_BIRTH_CREATION, r == R_UNRELATED ? 7 : CREATION, 1, 0, 0);
    if (r == R_RESTART || r == R_RESTART_PROMOTION)
        add(a, GW_BIRTH_RESTART, RESTART, 1, 0, 100);
    if (r == R_PROMOTION0 || r == R_BOTH)
        add(a, GW_BIRTH_PROMOTION, PROMO_A, 3, 0, 100);
    if (r == R_PROMOTION1 || r == R_BOTH || r == R_RESTART_PROMOTION || r == R_DEEP)
        add(b, GW_BIRTH_PROMOTION, PROMO_O, 2, 1, 100);
    if (r == R_DEEP)
        add(b, GW_BIRTH_PROMOTION, PROMO_O + 1, 4, 1, 110);
}

/* What a case of the enumeration adds: recorded SYNC, a survivor, cleared through. */
static void set_extra(struct gw_side s[2], int extra)
{
    for (int i = 0; i < 2; i++) {
        s[i].recorded = extra == 1 ? GW_RECORDED_SYNC : GW_RECORDED_UNSYNC;
        s[i].sync_boot = s[1 - i].boot_id;
        s[i].survivor = extra == 2 ? gw_lineage_uuid(&s[0].lineage) : id(0);
        s[i].cleared_uuid = extra == 3 && i == 0 ? id(CREATION) : id(0);
        s[i].cleared_seq = 101;
    }
}

static bool active_like(const struct gw_side *s)
{
    return s->serving || s->crashed_active || s->role == GW_ROLE_ACTIVE;
}

#define HOLDS(x)                                                                                   \
    do {                                                                                           \
        if (!(x))                                                                                  \
            return #x;                                                                             \
    } while (0)

/* What must hold of every verdict, said independently of how it is found. NULL: all well. */
static const char *broken(const struct gw_side s[2], enum relation rel, const struct gw_verdict *v)
{
    HOLDS(v->row >= 1 && v->row <= 14);
    HOLDS(v->sentence[0] != '\0' && strlen(v->sentence) < GW_VERDICT_SENTENCE_MAX - 1);
    HOLDS((s[0].serving && s[1].serving) == (v->row == 1 || v->row == 2));
    HOLDS(is_flow(v) == (v->source >= 0));
    HOLDS((is_flow(v) || v->action == GW_VERDICT_DEPOSE) == (v->target >= 0));
    HOLDS(!v->compare_all || v->action == GW_VERDICT_RESYNC);
    HOLDS(!v->diverged || (v->action == GW_VERDICT_RESYNC && (v->row == 12 || v->row == 13)));
    if (v->target >= 0 && v->action != GW_VERDICT_DEPOSE)
        HOLDS(!s[v->target].serving);
    if (v->row >= 6)
        HOLDS(s[0].consistent && s[1].consistent && !s[0].blank && !s[1].blank);
    if (v->row >= 6 && v->row != 8 && v->row <= 11)
        HOLDS(rel == R_SAME);
    if (v->row >= 6 && (v->row == 8 || v->row >= 12))
        HOLDS(rel != R_SAME);
    if (v->row == 14)
        HOLDS(rel == R_UNRELATED);
    if (rel == R_UNRELATED)
        HOLDS(v->row == 14 || v->row <= 2 || v->row == 4 || v->row == 5);
    if (!is_flow(v))
        return NULL;

    const struct gw_side *from = &s[v->source], *to = &s[v->target];
    HOLDS(v->source == 1 - v->target);
    HOLDS(from->consistent && !from->blank && from->lineage.n > 0);
    HOLDS((v->action == GW_VERDICT_FULL) == to->blank);
    HOLDS(!to->blank || to->seed_me);
    if (v->action == GW_VERDICT_IN_SYNC || v->action == GW_VERDICT_STREAM)
        HOLDS(from->dirty_blocks + to->dirty_blocks + from->coarse_extents + to->coarse_extents ==
              0);
    if (v->action == GW_VERDICT_STREAM)
        HOLDS(from->ring_whole && !from->crashed_active && to->seq <= from->seq);
    /* Direction turns against an active side only with a cause. */
    if (active_like(to) && !active_like(from)) {
        bool power = v->row == 9 && to->boot_changed && to->recorded == GW_RECORDED_SYNC;
        bool replaced =
            v->row == 12 &&
            gw_lineage_find(&to->lineage, &from->lineage.e[from->lineage.n - 1].uuid) < 0;
        bool chosen = v->row == 13 && !gw_uuid_is_none(&from->survivor);
        HOLDS((v->row == 4 && !to->consistent) || v->row == 5 || power || replaced || chosen);
    }
    return NULL;
}

static unsigned long rows_seen[15], actions_seen[GW_VERDICT_ACTION_MAX];

static void try(struct gw_side s[2], enum relation rel)
{
    struct gw_verdict v = decide(&s[0], &s[1]);
    const char *why = broken(s, rel, &v);
    if (why != NULL)
        fail_msg("%s does not hold: relation %d, roles %d %d serving %d %d crashed %d %d seq %llu "
                 "%llu: row %d \"%s\"",
                 why, rel, s[0].role, s[1].role, s[0].serving, s[1].serving, s[0].crashed_active,
                 s[1].crashed_active, (unsigned long long)s[0].seq, (unsigned long long)s[1].seq,
                 v.row, v.sentence);
    rows_seen[v.row]++;
    actions_seen[v.action]++;
}

static void all_numbers(struct gw_side s[2], enum relation rel)
{
    static const uint64_t seqs[][2] = { { 100, 100 }, { 100, 70 }, { 90, 120 } };
    for (size_t q = 0; q < GW_ARRAY_SIZE(seqs); q++) {
        for (int extra = 0; extra < 4; extra++) {
            set_extra(s, extra);
            for (unsigned dirty = 0; dirty < 4; dirty++) {
                for (unsigned i = 0; i < 2; i++) {
                    s[i].seq = s[i].blank ? 0 : seqs[q][i];
                    s[i].dirty_blocks = dirty >> i & 1;
                    s[i].coarse_extents = s[i].crashed_active && (dirty >> i & 1);
                }
                try(s, rel);
            }
        }
    }
}

static void test_every_pair(void **state)
{
    static struct gw_side s[2];
    static const unsigned states = 2 * M_MAX + 2; /* mode x consistent, blank, blank to be seeded */
    for (enum relation rel = 0; rel < R_MAX; rel++) {
        for (unsigned x = 0; x < states * states; x++) {
            const unsigned is[2] = { x / states, x % states };
            for (uint8_t i = 0; i < 2; i++) {
                s[i] = plain(i);
                s[i].seq_reserved = 1000;
                if (is[i] < 2 * M_MAX) {
                    set_mode(&s[i], (enum mode)(is[i] / 2));
                    s[i].consistent = is[i] % 2 == 0;
                }
            }
            set_relation(&s[0], &s[1], rel);
            for (unsigned i = 0; i < 2; i++) {
                if (is[i] < 2 * M_MAX)
                    continue;
                make_blank(&s[i]);
                s[i].seed_me = is[i] == 2 * M_MAX;
            }
            all_numbers(s, rel);
        }
    }
    for (int row = 1; row < 15; row++)
        if (rows_seen[row] == 0)
            fail_msg("row %d is never reached", row);
    for (int i = 0; i < GW_VERDICT_ACTION_MAX; i++)
        assert_true(actions_seen[i] > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),          cmocka_unit_test(test_words),
        cmocka_unit_test(test_names_and_rows), cmocka_unit_test(test_equal),
        cmocka_unit_test(test_every_pair),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
