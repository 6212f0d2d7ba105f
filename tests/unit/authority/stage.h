// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Two sites of the real core and an ideal register, moved by hand: time goes on in ticks of 100 ms,
 * messages and answers arrive within the tick unless their way is cut or the test holds them back.
 */
#pragma once

#include "authority/authority.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TICK_NS 100000000ull
#define SEC_NS 1000000000ull

struct stage {
    struct gw_authority_config config;
    struct gw_authority core[2];
    struct gw_authority_durable disk[2];
    bool up[2];
    unsigned machine[2];
    uint64_t now, deadline[2], fresh;
    bool open[2], alone[2], told[2], fenced[2], stopped[2];
    enum gw_claim claim[2];
    bool cut_sites, cut_witness[2];
    uint64_t swap_ms, reply_ms; /* hold back: the swap on its way there, answers on the way back */
    bool keep_swap;             /* the next swap does not land before stage_land */
    struct gw_authority_effect kept;
    unsigned kept_by;
    int64_t revision;
    struct gw_tenure record;
    struct {
        uint64_t at;
        unsigned to;
        struct gw_authority_event ev;
    } post[64];
    size_t nposts;
};

static inline void stage_step(struct stage *g, unsigned s, struct gw_authority_event ev);

static inline struct gw_uuid stage_uuid(uint64_t n)
{
    struct gw_uuid u = { { 1 } };
    memcpy(u.b + 8, &n, 8);
    return u;
}

static inline void stage_post(struct stage *g, unsigned to, uint64_t in_ms,
                              struct gw_authority_event ev)
{
    assert_true(g->nposts < 64);
    g->post[g->nposts].at = g->now + in_ms * 1000000;
    g->post[g->nposts].to = to;
    g->post[g->nposts++].ev = ev;
}

static inline void stage_register(struct stage *g, unsigned s, const struct gw_authority_effect *f)
{
    struct gw_authority_event ev = { .kind = f->kind == GW_DO_SWAP ? GW_EV_SWAP : GW_EV_READ,
                                     .id = f->id,
                                     .outcome = GW_REGISTER_WON };
    if (f->kind == GW_DO_SWAP && f->expected != g->revision) {
        ev.outcome = GW_REGISTER_LOST;
    } else if (f->kind == GW_DO_SWAP) {
        g->revision++;
        g->record = f->record;
    }
    ev.revision = g->revision;
    ev.has_record = g->revision > 0;
    ev.record = g->record;
    if (!g->cut_witness[s])
        stage_post(g, s, g->reply_ms, ev);
}

static inline void stage_do(struct stage *g, unsigned s, const struct gw_authority_effect *f)
{
    switch (f->kind) {
    case GW_DO_STORE:
        g->disk[s] = f->durable;
        break;
    case GW_DO_READ:
    case GW_DO_SWAP:
        if (f->kind == GW_DO_SWAP && g->keep_swap) {
            g->kept = *f;
            g->kept_by = s;
            g->keep_swap = false;
        } else if (!g->cut_witness[s]) {
            stage_register(g, s, f);
        }
        break;
    case GW_DO_SEND:
        if (!g->cut_sites)
            stage_post(g, 1 - s, 0,
                       (struct gw_authority_event){ .kind = GW_EV_MESSAGE, .message = f->message });
        break;
    case GW_DO_GRANT:
        g->open[s] = true;
        g->deadline[s] = f->deadline_ns;
        break;
    case GW_DO_REVOKE:
        g->open[s] = false;
        stage_post(g, s, 0, (struct gw_authority_event){ .kind = GW_EV_CLOSED, .id = f->id });
        break;
    case GW_DO_STOP:
        g->stopped[s] = true;
        break;
    case GW_DO_ALONE:
        g->alone[s] = f->on;
        break;
    case GW_DO_FENCED:
        g->fenced[s] = true;
        break;
    case GW_DO_SERVE:
        g->told[s] = true;
        g->claim[s] = f->claim;
        break;
    case GW_DO_MAX:
        break;
    }
}

static inline void stage_step(struct stage *g, unsigned s, struct gw_authority_event ev)
{
    struct gw_authority_effects out;
    ev.now = (struct gw_instant){ .boot_ns = g->now, .raw_ns = g->now };
    ev.fresh = stage_uuid(++g->fresh);
    gw_authority_step(&g->core[s], &ev, &out);
    for (size_t i = 0; i < out.n; i++)
        stage_do(g, s, &out.e[i]);
}

static inline void stage_boot(struct stage *g, unsigned s)
{
    g->up[s] = true;
    g->config.self = (enum gw_seat)s;
    gw_authority_init(&g->core[s], &g->config, &g->disk[s]);
    stage_step(g, s,
               (struct gw_authority_event){ .kind = GW_EV_BOOT,
                                            .boot = stage_uuid(1000 * (s + 1) + g->machine[s]),
                                            .nonce = g->now });
}

static inline void stage_kill(struct stage *g, unsigned s, bool machine)
{
    g->up[s] = false;
    if (machine) {
        g->open[s] = false;
        g->machine[s]++;
    }
    size_t n = 0;
    for (size_t i = 0; i < g->nposts; i++) {
        if (g->post[i].to != s)
            g->post[n++] = g->post[i];
    }
    g->nposts = n;
}

static inline bool stage_open(const struct stage *g, unsigned s)
{
    return g->open[s] && g->now < g->deadline[s];
}

static inline void stage_deliver(struct stage *g)
{
    for (size_t i = 0; i < g->nposts;) {
        if (g->post[i].at > g->now) {
            i++;
            continue;
        }
        const unsigned to = g->post[i].to;
        const struct gw_authority_event ev = g->post[i].ev;
        g->nposts--;
        memmove(&g->post[i], &g->post[i + 1], (g->nposts - i) * sizeof g->post[0]);
        if (g->up[to])
            stage_step(g, to, ev);
        i = 0;
    }
}

/* Time goes on; true if both sites were ever open at once. */
static inline bool stage_run(struct stage *g, double seconds)
{
    bool both = false;
    const uint64_t end = g->now + (uint64_t)(seconds * 1e9);
    while (g->now < end) {
        g->now += TICK_NS;
        for (unsigned s = 0; s < 2; s++) {
            if (g->up[s])
                stage_step(g, s, (struct gw_authority_event){ .kind = GW_EV_TICK });
        }
        stage_deliver(g);
        both |= stage_open(g, 0) && stage_open(g, 1);
    }
    return both;
}

static inline enum gw_refusal stage_order(struct stage *g, unsigned s, enum gw_order order)
{
    struct gw_authority_effects out;
    struct gw_authority_event ev = { .kind = GW_EV_ORDER,
                                     .order = order,
                                     .judged = g->core[s].revision };
    ev.now = (struct gw_instant){ .boot_ns = g->now, .raw_ns = g->now };
    ev.fresh = stage_uuid(++g->fresh);
    gw_authority_step(&g->core[s], &ev, &out);
    for (size_t i = 0; i < out.n; i++)
        stage_do(g, s, &out.e[i]);
    return out.refusal;
}

static inline void stage_copy(struct stage *g, unsigned s, enum gw_copy kind)
{
    struct gw_authority_event ev = { .kind = GW_EV_COPY, .copy = { .kind = kind } };
    if (kind == GW_COPY_SYNC)
        ev.copy.replica_boot = g->core[1 - s].boot;
    stage_step(g, s, ev);
}

static inline void stage_init(struct stage *g, bool witness, bool sync, uint32_t without)
{
    *g = (struct stage){ .now = 1000 * SEC_NS };
    g->config = (struct gw_authority_config){ .witness = witness,
                                              .sync = sync,
                                              .limits = gw_authority_limits_default(),
                                              .without = without };
    stage_boot(g, 0);
    stage_boot(g, 1);
    assert_int_equal(stage_order(g, 0, GW_ORDER_CREATE), GW_ALLOWED);
    stage_run(g, 8);
    assert_true(stage_open(g, 0));
    assert_false(stage_open(g, 1));
}
