// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Clients and replication. A write is at a site or it is not; an answer is decided by the write
 * path alone: its deadline, and (sync) a receipt of the peer or the permission to go on alone.
 */
#include "world.h"

bool can_hear(const struct world *w, unsigned from, unsigned to)
{
    return !w->cut[from][to] && w->site[from].power && w->site[to].power;
}

static bool path_runs(const struct world *w, unsigned s)
{
    return w->site[s].power && w->site[s].path_paused_until <= w->now;
}

/* The peer has all through this one, durable: it says so for good, whoever is restarted. */
uint64_t watermark(const struct world *w, unsigned s)
{
    for (unsigned i = 0; i < w->nwrites; i++) {
        if (w->site[s].has[i] && !w->site[1 - s].flushed[i])
            return i > 0 ? i - 1 : 0;
    }
    return w->nwrites - 1;
}

static bool lacks(const struct world *w, unsigned who, unsigned of)
{
    for (unsigned i = 0; i < w->nwrites; i++) {
        if (w->site[of].has[i] && !w->site[who].has[i])
            return true;
    }
    return false;
}

/* The replica refuses an old epoch, and takes nothing when its own site is active. */
static bool accepts(struct world *w, unsigned s, uint64_t epoch)
{
    return w->site[s].core.d.epoch <= epoch && w->site[s].core.d.holder != s;
}

void on_write(struct world *w, const struct event *e)
{
    const unsigned s = e->site;
    struct site *t = &w->site[s];
    later(w, 100 * MS + chance(w, 900 * MS), DO_WRITE, s);
    if (w->nwrites == WRITES || !path_runs(w, s) || !path_is_open(w, s))
        return;
    const unsigned n = w->nwrites++;
    w->write[n] = (struct write_state){ .site = s, .epoch = t->path.epoch };
    t->has[n] = true;
    struct event *d = later(w, chance(w, w->delay_max), DO_DATA, 1 - s);
    d->id = n;
    d->epoch = t->path.epoch;
    struct event *a = later(w, chance(w, 500 * MS), DO_ANSWER, s);
    a->id = n;
    a->epoch = t->path.epoch;
    a->life = t->machine;
}

void on_data(struct world *w, const struct event *e)
{
    const unsigned s = e->site;
    if (w->cut[1 - s][s] || !w->site[1 - s].path.attached || !w->site[s].power ||
        !accepts(w, s, e->epoch))
        return;
    w->site[s].has[e->id] = true;
}

/* The deadline is read when the answer is decided, also by a process that was stopped. */
void on_answer(struct world *w, const struct event *e)
{
    const unsigned s = e->site;
    struct site *t = &w->site[s];
    struct write_state *x = &w->write[e->id];
    if (e->life != t->machine || x->answered)
        return;
    if (!path_runs(w, s) || !path_is_open(w, s) || t->path.epoch != e->epoch)
        return; /* no answer: it may or may not be there */
    const bool there = w->site[1 - s].has[e->id] && !w->cut[1 - s][s];
    if (w->o.sync && !there && !t->path.alone) {
        struct event *again = later(w, 200 * MS, DO_ANSWER, s);
        again->id = e->id;
        again->epoch = e->epoch;
        again->life = e->life;
        return;
    }
    /* Only SYNC lets an answer rest on two memories; else it rests on this disk. */
    if (!w->o.sync || !there || t->path.alone || !t->path.in_sync)
        t->flushed[e->id] = true;
    x->answered = x->acked = true;
    w->acks++;
    /* Numbers taken in isolation need not grow with time; reigns may not go back. */
    if (w->reign_of[s] < w->last_ack_reign)
        fail(w, "site %u answered in epoch %llu after a later reign had answered", s,
             (unsigned long long)t->path.epoch);
    w->last_ack_reign = w->reign_of[s];
}

static void tell_copy(struct world *w, unsigned s, struct gw_copy_state copy)
{
    struct gw_authority_event ev = { .kind = GW_EV_COPY, .copy = copy };
    if (copy.kind == GW_COPY_UNSYNC || copy.kind == GW_COPY_ASYNC) {
        ev.copy.watermark = watermark(w, s);
        ev.copy.at_s = w->wall_s;
    }
    site_step(w, s, &ev);
}

/* The copy is made equal in one stroke: how is another simulator's business (tests/sim). */
static void resync(struct world *w, unsigned s)
{
    for (unsigned i = 0; i < w->nwrites; i++) {
        w->site[1 - s].has[i] = w->site[s].has[i];
        w->site[1 - s].flushed[i] = w->site[s].flushed[i] = w->site[s].has[i];
    }
    w->site[s].path.attached = true;
    say(w, "site %u made its peer equal", s);
}

/* Verdict, row 9: the machine was restarted under SYNC, and the standby's was not. */
static void row_9(struct world *w, unsigned s)
{
    struct site *t = &w->site[s];
    if (t->settled || !t->daemon || t->core.d.holder != s)
        return;
    if (t->core.d.sync_sent && w->site[1 - s].core.d.holder != 1 - s) {
        for (unsigned i = 0; i < w->nwrites; i++)
            t->has[i] |= w->site[1 - s].has[i];
    }
    t->settled = true;
    struct gw_authority_event ev = { .kind = GW_EV_SETTLED };
    site_step(w, s, &ev);
}

static void link_up(struct world *w, unsigned s)
{
    struct site *t = &w->site[s], *p = &w->site[1 - s];
    row_9(w, s);
    if (!accepts(w, 1 - s, t->core.d.epoch) || p->core.d.fenced || !path_is_open(w, s) ||
        t->path.epoch != t->core.d.epoch)
        return;
    t->unsync_since = 0;
    if (!t->path.attached) {
        if (happens(w, 50)) /* it takes its time */
            resync(w, s);
        return;
    }
    if (lacks(w, 1 - s, s) && happens(w, 30)) {
        /* Something was lost on the way: sent again, as after a reconnect. */
        resync(w, s);
        return;
    }
    if (!w->o.sync) {
        tell_copy(w, s, (struct gw_copy_state){ .kind = GW_COPY_ASYNC });
        return;
    }
    const struct gw_copy_state sync = { .kind = GW_COPY_SYNC,
                                        .replica_boot = uuid_of(2 - s, p->machine) };
    if (t->core.copy_known && gw_copy_equal(&t->core.copy, &sync))
        return;
    /* From here on no answer without the peer's receipt; what is there already is equal. */
    t->path.alone = false;
    resync(w, s);
    tell_copy(w, s, sync);
    t->path.in_sync = true;
}

static void link_down(struct world *w, unsigned s)
{
    struct site *t = &w->site[s];
    if (t->core.d.holder != s || !path_is_open(w, s))
        return;
    if (t->unsync_since == 0)
        t->unsync_since = w->now;
    if (w->now - t->unsync_since < 2 * SEC)
        return;
    t->path.attached = t->path.in_sync = false;
    if (t->core.copy_known && t->core.copy.kind == GW_COPY_UNSYNC)
        return;
    flush(w, s); /* what rested on two machines rests on this disk from here on */
    tell_copy(w, s, (struct gw_copy_state){ .kind = GW_COPY_UNSYNC });
}

void on_probe(struct world *w, const struct event *e)
{
    const unsigned s = e->site;
    later(w, 400 * MS + chance(w, 400 * MS), DO_PROBE, s);
    if (!daemon_runs(w, s))
        return;
    const bool up = can_hear(w, s, 1 - s) && can_hear(w, 1 - s, s) && daemon_runs(w, 1 - s);
    if (up)
        link_up(w, s);
    else
        link_down(w, s);
}

void flush(struct world *w, unsigned s)
{
    for (unsigned i = 0; i < w->nwrites; i++)
        w->site[s].flushed[i] = w->site[s].has[i];
}

void on_flush(struct world *w, const struct event *e)
{
    struct site *t = &w->site[e->site];
    later(w, 2 * SEC + chance(w, 8 * SEC), DO_FLUSH, e->site);
    if (t->power)
        flush(w, e->site);
}

void lose_unflushed(struct world *w, unsigned s)
{
    struct site *t = &w->site[s];
    for (unsigned i = 1; i < w->nwrites; i++) {
        if (!t->has[i] || t->flushed[i])
            continue;
        t->has[i] = false;
        if (!w->site[1 - s].has[i])
            w->write[i].voided = true; /* both machines lost it: no rule keeps that */
    }
}

/* A new reign: is what is said about loss true? */
void check_serve(struct world *w, unsigned s, enum gw_claim claim, uint64_t claimed)
{
    for (unsigned i = 0; i < w->nwrites; i++) {
        if (!w->write[i].acked || w->write[i].voided || w->site[s].has[i])
            continue;
        const bool within = claim == GW_CLAIM_ZERO || claim == GW_CLAIM_SAME ||
                            (claim == GW_CLAIM_WATERMARK && i <= claimed);
        if (within) {
            fail(w,
                 "site %u serves, loss %s, without the acknowledged write %u of epoch %llu "
                 "(watermark %llu)",
                 s, gw_claim_name(claim), i, (unsigned long long)w->write[i].epoch,
                 (unsigned long long)claimed);
            return;
        }
        w->write[i].voided = true; /* lost, and said so: it counts once */
    }
}
