// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Time, chance, clocks and the queue of what is to happen. */
#include "world.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

uint64_t chance(struct world *w, uint64_t n)
{
    w->rng += 0x9e3779b97f4a7c15ull; /* splitmix64 */
    uint64_t z = w->rng;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    z ^= z >> 31;
    return n > 0 ? z % n : z;
}

bool happens(struct world *w, unsigned percent)
{
    return chance(w, 100) < percent;
}

void say(struct world *w, const char *fmt, ...)
{
    va_list ap;
    if (!w->o.verbose)
        return;
    printf("%9.3f  ", (double)w->now / SEC);
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    printf("\n");
}

void fail(struct world *w, const char *fmt, ...)
{
    va_list ap;
    if (w->failed)
        return;
    w->failed = true;
    va_start(ap, fmt);
    vsnprintf(w->why, sizeof w->why, fmt, ap);
    va_end(ap);
    say(w, "FAILED: %s", w->why);
}

struct gw_uuid uuid_of(uint64_t a, uint64_t b)
{
    struct gw_uuid u;
    memcpy(u.b, &a, 8);
    memcpy(u.b + 8, &b, 8);
    return u;
}

struct gw_instant clock_read(struct world *w, unsigned s)
{
    struct clock_state *c = &w->site[s].clock;
    const double passed = (double)(w->now - c->at);
    c->boot_ns += (uint64_t)(passed * c->boot_rate);
    c->raw_ns += (uint64_t)(passed * c->raw_rate);
    c->at = w->now;
    return (struct gw_instant){ .boot_ns = c->boot_ns, .raw_ns = c->raw_ns };
}

static double rate(struct world *w)
{
    const double rho = w->o.limits.rho_ppm / 1e6;
    if (happens(w, 50)) /* the worst is what matters */
        return happens(w, 50) ? 1 + rho : 1 - rho;
    return 1 - rho + 2 * rho * (double)chance(w, 1001) / 1000;
}

void clock_slew(struct world *w, unsigned s)
{
    clock_read(w, s);
    w->site[s].clock.boot_rate = rate(w);
    w->site[s].clock.raw_rate = rate(w);
}

static bool before(const struct event *a, const struct event *b)
{
    return a->at < b->at || (a->at == b->at && a->order < b->order);
}

static void swap_events(struct event *a, struct event *b)
{
    const struct event t = *a;
    *a = *b;
    *b = t;
}

/* The pointer is good until the next call; nothing that orders the heap is changed through it. */
struct event *later(struct world *w, uint64_t in_ns, enum what what, unsigned site)
{
    if (w->nheap == EVENTS) {
        fprintf(stderr, "seed %llu: too many events\n", (unsigned long long)w->o.seed);
        abort();
    }
    size_t i = w->nheap++;
    w->heap[i] =
        (struct event){ .at = w->now + in_ns, .order = w->order++, .what = what, .site = site };
    while (i > 0 && before(&w->heap[i], &w->heap[(i - 1) / 2])) {
        swap_events(&w->heap[i], &w->heap[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    return &w->heap[i];
}

static struct event next(struct world *w)
{
    const struct event first = w->heap[0];
    w->heap[0] = w->heap[--w->nheap];
    for (size_t i = 0;;) {
        size_t best = i;
        for (size_t k = 2 * i + 1; k <= 2 * i + 2 && k < w->nheap; k++) {
            if (before(&w->heap[k], &w->heap[best]))
                best = k;
        }
        if (best == i)
            return first;
        swap_events(&w->heap[i], &w->heap[best]);
        i = best;
    }
}

static void dispatch(struct world *w, const struct event *e)
{
    switch (e->what) {
    case DO_TICK:
        on_tick(w, e->site);
        break;
    case DO_DELIVER:
        on_deliver(w, e);
        break;
    case DO_LAND:
        on_land(w, e);
        break;
    case DO_REPLY:
        on_reply(w, e);
        break;
    case DO_CLOSED:
        on_closed(w, e);
        break;
    case DO_WRITE:
        on_write(w, e);
        break;
    case DO_ANSWER:
        on_answer(w, e);
        break;
    case DO_DATA:
    case DO_DATA_ACK:
        on_data(w, e);
        break;
    case DO_PROBE:
        on_probe(w, e);
        break;
    case DO_FLUSH:
        on_flush(w, e);
        break;
    case DO_TROUBLE:
        on_trouble(w);
        break;
    case DO_OPERATOR:
        on_operator(w);
        break;
    case DO_RESUME:
        break;
    case DO_RISE:
        if (!w->site[e->site].power && !w->site[e->site].fenced_off)
            power_on(w, e->site);
        break;
    }
}

static void begin(struct world *w)
{
    w->rng = w->o.seed * 0x2545f4914f6cdd1dull + 1;
    w->now = 1000 * SEC;
    w->wall_s = 1700000000;
    w->delay_max = 200 * MS;
    w->loss = w->o.noise ? 0.05 : 0.02;
    for (unsigned s = 0; s < 2; s++) {
        w->site[s].clock = (struct clock_state){ .boot_ns = 1000 * SEC + chance(w, 500) * SEC,
                                                 .raw_ns = 2000 * SEC,
                                                 .at = w->now };
        power_on(w, s);
        later(w, chance(w, 200 * MS), DO_TICK, s);
        later(w, chance(w, 500 * MS), DO_WRITE, s);
        later(w, chance(w, 500 * MS), DO_PROBE, s);
        later(w, chance(w, SEC), DO_FLUSH, s);
    }
    w->site[0].has[0] = w->site[1].has[0] = true; /* the first image, of both */
    w->nwrites = 1;
    site_order(w, 0, GW_ORDER_CREATE);
    later(w, 10 * SEC, DO_TROUBLE, 0);
    later(w, 5 * SEC, DO_OPERATOR, 0);
}

/* Afterwards everything is well again; then somebody has to serve. */
static void check_alive(struct world *w)
{
    if (w->failed)
        return;
    if (!path_is_open(w, 0) && !path_is_open(w, 1))
        fail(w,
             "nobody serves %llu s after everything was healed: epoch %llu and %llu, register "
             "%llu",
             200ull, (unsigned long long)w->site[0].core.d.epoch,
             (unsigned long long)w->site[1].core.d.epoch, (unsigned long long)w->reg.record.epoch);
}

bool run(struct world *w)
{
    begin(w);
    const uint64_t trouble_ends = w->now + w->o.seconds * SEC;
    const uint64_t end = trouble_ends + 200 * SEC;
    while (w->nheap > 0 && w->heap[0].at <= end && !w->failed) {
        const struct event e = next(w);
        w->now = e.at;
        if (w->now > trouble_ends && !w->healing) {
            w->healing = true;
            heal(w);
        }
        dispatch(w, &e);
    }
    check_alive(w);
    return !w->failed;
}
