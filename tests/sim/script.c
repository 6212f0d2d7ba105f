// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "script.h"

#include "engine/points.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIB (1024u * 1024u)
#define POLL_NS (SIM_NS_PER_MS / 10)

/* ---- waiting --------------------------------------------------------------------------------- */

static uint64_t wait_until;

static _Noreturn void cannot_go_on(const char *what)
{
    sim_fail("the script: %s; %s", what, operator_report());
}

void script_begin_wait(void)
{
    wait_until = sched_now() + 60 * SIM_NS_PER_S;
}

void script_wait(const char *what)
{
    if (sched_now() >= wait_until)
        cannot_go_on(what);
    sched_sleep(POLL_NS);
}

void script_must(bool ok, const char *what)
{
    if (!ok)
        cannot_go_on(what);
}

void a_while(void)
{
    sched_sleep(2 * SIM_NS_PER_S);
}

void a_moment(void)
{
    sched_sleep(100 * SIM_NS_PER_MS);
}

/* ---- the stage ------------------------------------------------------------------------------- */

static void crash(int site, enum simdisk_crash kind)
{
    site_kill(&world.site[site], kind);
}

static void no_random_world(void)
{
    struct gw_source_config *c = &world.config;
    c->listen = "yes";
    c->ring_bytes = GW_RING_BYTES_MIN;
    c->throttle_ms = 0;
    c->unsync_ms = 100;
    c->link_timeout_ms = 50000; /* a link is lost when the script says so */
    gw_replica_config_init(&world.replica_config);
    world.replica_config.journal_bytes = GW_JOURNAL_BYTES_MIN;
    world.replica_config.link_timeout_ms = c->link_timeout_ms;
    for (int i = 0; i < 2; i++)
        simdisk_speed(i, 20000, 300000);
    simnet_speed(50000, 0);
}

static bool is_still(void)
{
    return all_applied(A) && !unsaved(A) && !unsaved(B) && gw_applier_marked(B->replica->applier) &&
           (A->plan->meta.recorded == GW_RECORDED_ASYNC || A->source->sync_recorded);
}

void stage(unsigned volumes, unsigned mib)
{
    uint64_t bytes[MODEL_VOLUMES_MAX] = { 0 };
    for (unsigned v = 0; v < volumes; v++)
        bytes[v] = (uint64_t)mib * MIB;
    model_init(volumes, bytes);
    simdisk_init(crash, watch_crash_point);
    simnet_init();
    site_init(0);
    site_create(0, false);
    no_random_world();
    follow(B);
    serve(A);
    until(well() && is_still());
    sim_trace("---- the history begins");
}

void stage_sync(unsigned volumes, unsigned mib)
{
    world.config.sync = true;
    stage(volumes, mib);
}

/* ---- clients --------------------------------------------------------------------------------- */

static void *write_main(void *arg)
{
    struct write *w = arg;
    w->result = client_request(w->s, w->kind, w->volume, w->off, w->len, 0, &w->op);
    w->ended = true;
    return NULL;
}

static struct write *begin(struct site *s, enum op_kind kind, unsigned volume, uint64_t off,
                           uint64_t len)
{
    char name[24];
    struct write *w = calloc(1, sizeof *w);
    if (!w)
        abort();
    *w = (struct write){ .s = s, .kind = kind, .volume = volume, .off = off, .len = len };
    script_must(s->source && site_runs(s), "nobody serves there");
    snprintf(name, sizeof name, "site%d/client", s->id);
    struct fiber *f = fiber_new(s->proc, name, write_main, w);
    /* It may wait for long; the process must not end before it. */
    if (s->n_guests == SITE_GUESTS_MAX) {
        for (unsigned i = 0; i < s->n_guests; i++)
            fiber_join(s->guest[i], NULL);
        s->n_guests = 0;
    }
    s->guest[s->n_guests++] = f;
    return w;
}

static struct write *must_be_answered(struct write *w)
{
    until(w->ended);
    script_must(w->result == 0, "a request failed");
    return w;
}

struct write *put_later(struct site *s, unsigned volume, uint64_t block)
{
    return begin(s, OP_WRITE, volume, block * GW_BLOCK_BYTES, GW_BLOCK_BYTES);
}

struct write *put(struct site *s, unsigned volume, uint64_t block)
{
    return must_be_answered(put_later(s, volume, block));
}

struct write *put_bytes(struct site *s, unsigned volume, uint64_t off, uint64_t len)
{
    return must_be_answered(begin(s, OP_WRITE, volume, off, len));
}

void flush(struct site *s, unsigned volume)
{
    must_be_answered(begin(s, OP_FLUSH, volume, 0, 0));
}

bool answered(const struct write *w)
{
    return w->ended && w->result == 0;
}

void fill_ring(struct site *s, unsigned extent)
{
    static const uint64_t sizes[] = { MIB, 64 * 1024, GW_BLOCK_BYTES };
    uint64_t at = EXTENT(extent) * GW_BLOCK_BYTES;
    for (unsigned i = 0; i < 3; i++) {
        for (bool room = true; room; at += sizes[i]) {
            uint64_t marked = gw_plan_dirty_blocks(s->plan);
            script_must(at + sizes[i] <= model_bytes(0), "the volume is too small for the ring");
            put_bytes(s, 0, at, sizes[i]);
            room = gw_plan_dirty_blocks(s->plan) == marked;
        }
    }
}

void crowd_hot_set(struct site *s)
{
    for (unsigned e = 1; e < GW_HOT_EXTENTS_PER_GENERATION / 2 + 20; e++)
        put(s, 0, EXTENT(e));
}

/* ---- sites ----------------------------------------------------------------------------------- */

static void start(struct site *s, enum run run)
{
    site_look(s);
    bool lives = site_start(s, run);
    script_must(!lives || s->run != RUN_NONE, s->err.msg);
}

void serve(struct site *s)
{
    start(s, RUN_SOURCE);
}

void follow(struct site *s)
{
    start(s, RUN_REPLICA);
}

void heal(struct site *s)
{
    start(s, RUN_HEAL);
}

void stop(struct site *s)
{
    site_stop(s);
}

void die(struct site *s)
{
    site_kill(s, SIMDISK_PROCESS);
}

void lose_power(struct site *s, bool rest, const struct survivor *but, unsigned n)
{
    simdisk_survive(s->id, rest, but, n);
    site_kill(s, SIMDISK_POWER);
}

void die_at(struct site *s, const char *crash_point, unsigned nth)
{
    simdisk_arm(s->id, crash_point, nth, SIMDISK_PROCESS);
}

void lose_power_at(struct site *s, const char *crash_point, bool rest, const struct survivor *but,
                   unsigned n)
{
    simdisk_survive(s->id, rest, but, n);
    simdisk_arm(s->id, crash_point, 1, SIMDISK_POWER);
}

void promote(struct site *s, const char *id)
{
    site_look(s);
    script_must(site_promote(s, id, false, false), s->err.msg);
}

void promote_rolled_back(struct site *s)
{
    site_look(s);
    script_must(site_promote(s, NULL, true, false), s->err.msg);
}

static int do_point(struct site *s, struct gw_error *err)
{
    struct gw_point *p = calloc(1, sizeof *p);
    if (!p)
        abort();
    snprintf(p->id, sizeof p->id, "%s", s->point);
    int r = s->replica ? gw_replica_point(s->replica, p, err) : -ESRCH;
    free(p);
    return r;
}

static int do_quiesce(struct site *s, struct gw_error *err)
{
    return gw_source_quiesce(s->source, 5000, err);
}

static int do_unquiesce(struct site *s, struct gw_error *err)
{
    return gw_source_unquiesce(s->source, 500, err);
}

static int do_equal(struct site *s, struct gw_error *err)
{
    struct gw_token t;
    return gw_source_equal(s->source, 20000, &t, err);
}

static int do_release(struct site *s, struct gw_error *err)
{
    return gw_source_release(s->source, err);
}

static void ask(struct site *s, int (*fn)(struct site *s, struct gw_error *err))
{
    int r = 0;
    script_must(site_call(s, fn, &r) && r == 0, s->err.msg);
}

void make_point(struct site *s, const char *id)
{
    snprintf(s->point, sizeof s->point, "%s", id);
    ask(s, do_point);
}

void quiesce(struct site *s)
{
    ask(s, do_quiesce);
}

void unquiesce(struct site *s)
{
    ask(s, do_unquiesce);
}

void equal(struct site *s)
{
    ask(s, do_equal);
}

void equal_later(struct site *s)
{
    site_spawn(s, do_equal);
}

void release(struct site *s)
{
    ask(s, do_release);
}

void hand_over(struct site *from)
{
    struct site *to = site_peer(from);
    quiesce(from);
    equal(from);
    release(from);
    stop(from);
    stop(to);
    promote(to, NULL);
}

/* ---- the link -------------------------------------------------------------------------------- */

void cut(void)
{
    simnet_link(-1, false);
    simnet_reset_all();
    /* A source that has not noticed would give its next records to a connection that is void. */
    for (int i = 0; i < 2; i++) {
        const struct gw_source *s = world.site[i].source;
        until(!s || !s->ses.up || s->ses.dead);
    }
}

void join(void)
{
    simnet_link(-1, true);
}

void mute(struct site *from)
{
    simnet_link(from->id, false);
}

void unmute(struct site *from)
{
    simnet_link(from->id, true);
}

/* ---- what is so ------------------------------------------------------------------------------ */

bool well(void)
{
    return operator_is_well();
}

bool all_durable(struct site *source)
{
    return source->source && source->source->ses.up &&
           source->source->ses.durable == source->source->seq;
}

bool all_applied(struct site *source)
{
    struct site *t = site_peer(source);
    return all_durable(source) && t->replica && t->replica->applied_seq == source->source->seq &&
           t->replica->applied_addr == t->replica->received_addr;
}

bool unsaved(struct site *s)
{
    for (unsigned v = 0; v < model_volumes(); v++) {
        if (gw_dirtymap_unsaved(s->plan->map[v]))
            return true;
    }
    return false;
}

/* ---- what must be so ------------------------------------------------------------------------- */

void mend(void)
{
    simnet_link(-1, true);
    for (int tries = 0;; tries++) {
        if (!operator_settle(600 * SIM_NS_PER_S))
            sim_fail("not well after ten minutes: %s", operator_report());
        if (operator_rest(60 * SIM_NS_PER_S))
            return;
        if (tries == 5)
            sim_fail("does not come to rest: %s", operator_report());
    }
}

void must_show(struct site *s, const struct write *w, const char *why)
{
    struct image now;
    uint64_t id = 0;
    image_take(&now, s->id);
    const uint8_t *page = now.page[w->volume][w->off / MODEL_PAGE];
    if (page)
        memcpy(&id, page + w->off % MODEL_PAGE, sizeof id);
    image_free(&now);
    if (!w->op || id != w->op->id)
        sim_fail("site%d shows op %llu instead of op %llu: %s", s->id, (unsigned long long)id,
                 (unsigned long long)(w->op ? w->op->id : 0), why);
}

void token_must_be_true(void)
{
    site_look(A);
    site_look(B);
    sim_trace("token %d, recorded %d", B->meta.token_valid, (int)A->meta.recorded);
    if (!B->meta.token_valid || A->meta.recorded == GW_RECORDED_UNSYNC)
        return;
    struct image now;
    image_take(&now, B->id);
    model_check(&now, timeline_find(gw_lineage_epoch(&B->meta.lineage)), NEED_ANSWERED, true,
                "by its token the target holds all that was ever answered");
    image_free(&now);
}
