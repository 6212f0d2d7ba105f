// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* A site's daemon: feeds the core and does its effects in their order; and the register. */
#include "world.h"

#include <string.h>

bool daemon_runs(const struct world *w, unsigned s)
{
    return w->site[s].power && w->site[s].daemon && w->site[s].paused_until <= w->now;
}

bool path_is_open(struct world *w, unsigned s)
{
    const struct path *p = &w->site[s].path;
    return w->site[s].power && !p->revoked && clock_read(w, s).boot_ns < p->deadline_ns;
}

/* I2: never two sites that may answer clients. */
static void check_alone(struct world *w, unsigned s)
{
    if (path_is_open(w, 0) && path_is_open(w, 1))
        fail(w, "both sites may answer clients: epochs %llu and %llu; the second is site %u",
             (unsigned long long)w->site[0].path.epoch, (unsigned long long)w->site[1].path.epoch,
             s);
}

static void check_number(struct world *w, unsigned s)
{
    const uint64_t e = w->site[s].core.d.epoch % 256;
    if (w->owner[e] != 0 && w->owner[e] != s + 1)
        fail(w, "both sites began a reign with the number %llu", (unsigned long long)e);
    w->owner[e] = s + 1;
}

static void on_grant(struct world *w, unsigned s, uint64_t deadline_ns)
{
    struct site *t = &w->site[s];
    const struct gw_uuid *inc = &t->core.d.incarnation;
    if (w->o.witness && !gw_uuid_is_none(&t->lapsed) && gw_uuid_equal(&t->lapsed, inc))
        fail(w, "a lapsed lease was revived at site %u", s);
    t->path.revoked = false;
    t->path.deadline_ns = deadline_ns;
    t->path.epoch = t->core.d.epoch;
    w->grants++;
    say(w, "  site %u granted, epoch %llu, %.3f s", s, (unsigned long long)t->core.d.epoch,
        deadline_ns == UINT64_MAX ? 0.0 : (double)(deadline_ns - t->clock.boot_ns) / SEC);
    check_alone(w, s);
}

static void on_send(struct world *w, unsigned s, const struct gw_authority_message *m)
{
    const unsigned to = 1 - s;
    if (w->cut[s][to] || (double)chance(w, 10000) < w->loss * 10000)
        return;
    const unsigned copies = happens(w, 3) ? 2 : 1;
    for (unsigned i = 0; i < copies; i++) {
        uint64_t in = chance(w, w->delay_max);
        if (happens(w, 2) && !w->healing)
            in += chance(w, 60 * SEC); /* very late */
        struct event *e = later(w, in, DO_DELIVER, to);
        e->message = *m;
    }
}

static void on_request(struct world *w, unsigned s, const struct gw_authority_effect *f)
{
    if (w->cut[s][NODE_WITNESS] || (double)chance(w, 10000) < w->loss * 10000)
        return;
    uint64_t in = chance(w, w->delay_max);
    if (happens(w, 4) && !w->healing)
        in += chance(w, 60 * SEC); /* a delayed swap may still land */
    struct event *e = later(w, in, DO_LAND, s);
    e->swap = f->kind == GW_DO_SWAP;
    e->id = f->id;
    e->revision = f->expected;
    e->record = f->record;
    e->life = w->site[s].life;
}

static void on_serve(struct world *w, unsigned s, const struct gw_authority_effect *f)
{
    say(w, "site %u serves: epoch %llu, loss %s", s, (unsigned long long)w->site[s].core.d.epoch,
        gw_claim_name(f->claim));
    w->serves++;
    if (w->site[s].path.epoch != w->site[s].core.d.epoch) {
        w->reign_of[s] = ++w->reigns;
        w->site[s].path.attached = w->site[s].path.in_sync = false;
    }
    check_number(w, s);
    check_serve(w, s, f->claim, f->watermark);
    flush(w, s); /* a promotion is durable before it serves */
}

static void effect(struct world *w, unsigned s, const struct gw_authority_effect *f)
{
    struct site *t = &w->site[s];
    switch (f->kind) {
    case GW_DO_STORE:
        t->disk = f->durable;
        break;
    case GW_DO_READ:
    case GW_DO_SWAP:
        on_request(w, s, f);
        break;
    case GW_DO_SEND:
        on_send(w, s, &f->message);
        break;
    case GW_DO_GRANT:
        on_grant(w, s, f->deadline_ns);
        break;
    case GW_DO_REVOKE:
        t->path.revoked = true;
        struct event *e = later(w, chance(w, 300 * MS), DO_CLOSED, s);
        e->id = f->id;
        e->life = t->life;
        break;
    case GW_DO_STOP:
        say(w, "site %u fences itself", s);
        break;
    case GW_DO_ALONE:
        t->path.alone = f->on;
        break;
    case GW_DO_FENCED:
        say(w, "site %u is fenced", s);
        break;
    case GW_DO_SERVE:
        on_serve(w, s, f);
        break;
    case GW_DO_MAX:
        break;
    }
}

static void note_lapse(struct world *w, unsigned s)
{
    struct site *t = &w->site[s];
    if (t->core.grip == GW_GRIP_LAPSED)
        t->lapsed = t->core.d.incarnation;
}

void site_step(struct world *w, unsigned s, struct gw_authority_event *ev)
{
    struct site *t = &w->site[s];
    struct gw_authority_effects out;
    ev->now = clock_read(w, s);
    ev->wall_s = w->wall_s + w->now / SEC;
    ev->fresh = uuid_of(++w->nonce, chance(w, 0));
    note_lapse(w, s);
    gw_authority_step(&t->core, ev, &out);
    const uint64_t life = t->life;
    for (size_t i = 0; i < out.n && !w->failed; i++) {
        /* Between any two of them; most often where a takeover is half done. */
        const uint64_t odds = out.n > 2 && out.e[out.n - 3].kind == GW_DO_SERVE ? 20 : 4000;
        if (!w->healing && !w->o.noise && chance(w, odds) == 0) {
            say(w, "site %u dies after effect %zu of %zu", s, i, out.n);
            happens(w, 50) ? daemon_kill(w, s) : power_off(w, s);
        }
        if (t->life != life || !t->daemon || !t->power)
            return;
        effect(w, s, &out.e[i]);
    }
}

enum gw_refusal site_order_refusal(struct world *w, unsigned s, enum gw_order order)
{
    struct gw_authority_event ev = { .kind = GW_EV_ORDER,
                                     .order = order,
                                     .judged = w->site[s].core.revision };
    struct gw_authority_effects unused;
    struct gw_authority copy = w->site[s].core;
    ev.now = clock_read(w, s);
    gw_authority_step(&copy, &ev, &unused);
    return unused.refusal;
}

void site_order(struct world *w, unsigned s, enum gw_order order)
{
    struct gw_authority_event ev = { .kind = GW_EV_ORDER,
                                     .order = order,
                                     .judged = w->site[s].core.revision };
    site_step(w, s, &ev);
}

void daemon_start(struct world *w, unsigned s)
{
    struct site *t = &w->site[s];
    const struct gw_authority_config config = { .self = s,
                                                .witness = w->o.witness,
                                                .sync = w->o.sync,
                                                .isolated_start = w->o.isolated_start,
                                                .limits = w->o.limits,
                                                .without = w->o.without };
    t->daemon = true;
    t->settled = false; /* it is said again to whoever has forgotten it */
    t->life++;
    gw_authority_init(&t->core, &config, &t->disk);
    struct gw_authority_event ev = { .kind = GW_EV_BOOT,
                                     .boot = uuid_of(s + 1, t->machine),
                                     .nonce = chance(w, 0) >> 8,
                                     .serving = path_is_open(w, s) };
    site_step(w, s, &ev);
    t->unsync_since = 0;
}

void daemon_kill(struct world *w, unsigned s)
{
    w->site[s].daemon = false;
    w->site[s].paused_until = 0;
}

void power_off(struct world *w, unsigned s)
{
    struct site *t = &w->site[s];
    daemon_kill(w, s);
    t->power = false;
    t->path = (struct path){ .revoked = true };
    t->path_paused_until = 0;
    lose_unflushed(w, s);
    if (!t->fenced_off)
        later(w, 5 * SEC + chance(w, 90 * SEC), DO_RISE, s);
}

void power_on(struct world *w, unsigned s)
{
    struct site *t = &w->site[s];
    t->power = true;
    t->machine++;
    t->settled = false;
    t->path = (struct path){ .revoked = true };
    clock_slew(w, s);
    t->clock.boot_ns = 1000 * SEC; /* every boot begins anew */
    t->clock.raw_ns = 1000 * SEC;
    daemon_start(w, s);
}

void on_tick(struct world *w, unsigned s)
{
    later(w, 50 * MS + chance(w, 250 * MS), DO_TICK, s);
    if (chance(w, 200) == 0)
        clock_slew(w, s);
    if (!w->site[s].daemon && w->site[s].power && (w->healing || chance(w, 40) == 0))
        daemon_start(w, s);
    if (!daemon_runs(w, s))
        return;
    struct gw_authority_event ev = { .kind = GW_EV_TICK };
    site_step(w, s, &ev);
}

void on_deliver(struct world *w, const struct event *e)
{
    if (w->site[e->site].paused_until > w->now) {
        struct event *again = later(w, w->site[e->site].paused_until - w->now, DO_DELIVER, e->site);
        again->message = e->message;
        return;
    }
    if (!daemon_runs(w, e->site))
        return;
    struct gw_authority_event ev = { .kind = GW_EV_MESSAGE, .message = e->message };
    site_step(w, e->site, &ev);
}

/* The register: one step, whenever the request gets there. */
void on_land(struct world *w, const struct event *e)
{
    struct event reply = { .id = e->id, .swap = e->swap, .outcome = GW_REGISTER_WON };
    if (e->swap && e->revision != w->reg.revision) {
        reply.outcome = GW_REGISTER_LOST;
    } else if (e->swap) {
        w->reg.revision += 1 + (int64_t)chance(w, 3);
        w->reg.record = e->record;
        w->reg.has = true;
        say(w, "  register: revision %lld epoch %llu of %s, beat %llu, copy %s, released to %s",
            (long long)w->reg.revision, (unsigned long long)e->record.epoch,
            gw_seat_name(e->record.holder), (unsigned long long)e->record.beat,
            gw_copy_name(e->record.copy.kind), gw_seat_name(e->record.released_to));
    }
    reply.revision = w->reg.revision;
    reply.has_record = w->reg.has;
    reply.record = w->reg.record;
    if (e->life != w->site[e->site].life || w->cut[NODE_WITNESS][e->site] ||
        (double)chance(w, 10000) < w->loss * 10000)
        return;
    struct event *r = later(w, chance(w, w->delay_max) + (happens(w, 2) ? chance(w, 4 * SEC) : 0),
                            DO_REPLY, e->site);
    r->id = reply.id;
    r->swap = reply.swap;
    r->outcome = reply.outcome;
    r->revision = reply.revision;
    r->has_record = reply.has_record;
    r->record = reply.record;
    r->life = e->life;
}

void on_reply(struct world *w, const struct event *e)
{
    if (w->site[e->site].paused_until > w->now) {
        const struct event old = *e;
        struct event *again = later(w, w->site[e->site].paused_until - w->now, DO_REPLY, e->site);
        const uint64_t at = again->at, order = again->order;
        *again = old;
        again->at = at;
        again->order = order;
        return;
    }
    if (!daemon_runs(w, e->site) || e->life != w->site[e->site].life)
        return;
    struct gw_authority_event ev = { .kind = e->swap ? GW_EV_SWAP : GW_EV_READ,
                                     .id = e->id,
                                     .outcome = happens(w, 1) ? GW_REGISTER_UNKNOWN : e->outcome,
                                     .revision = e->revision,
                                     .has_record = e->has_record,
                                     .record = e->record };
    site_step(w, e->site, &ev);
}

void on_closed(struct world *w, const struct event *e)
{
    if (!daemon_runs(w, e->site) || e->life != w->site[e->site].life)
        return;
    struct gw_authority_event ev = { .kind = GW_EV_CLOSED, .id = e->id };
    site_step(w, e->site, &ev);
}
