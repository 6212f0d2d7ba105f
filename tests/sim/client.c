// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Clients: random requests, each told to the oracle before it begins and after it was answered. */
#include "site.h"

#include <stdlib.h>
#include <string.h>

#define EXTENT (1024u * 1024u)

struct client {
    struct site *s;
    uint8_t *buf;
    size_t room;
};

static void place(struct client *c, unsigned *volume, uint64_t *off, uint64_t *len)
{
    (void)c;
    *volume = (unsigned)sim_chance_below(model_volumes());
    uint64_t bytes = model_bytes(*volume);
    uint64_t max = sim_chance_one_in(world.big_one_in) ? 3 * EXTENT / 2
                   : sim_chance_one_in(8)              ? 128 * 1024
                   : sim_chance_one_in(2)              ? 16 * 1024
                                                       : 1024;
    uint64_t cells = 1 + sim_chance_below(max / MODEL_CELL);
    if (sim_chance_one_in(3)) /* whole blocks, as filesystems do */
        cells = (cells + 63) / 64 * 64;
    *len = world.heavy ? EXTENT : cells * MODEL_CELL;
    if (*len > bytes)
        *len = bytes;
    /* Few places are busy, so that requests overlap. */
    uint64_t span = sim_chance_one_in(2) ? bytes : bytes / 8 + *len;
    if (world.crowded && !sim_chance_one_in(4) && *len <= 32 * 1024)
        span = *len + 8192;
    span = span > bytes ? bytes : span;
    *off = sim_chance_below((span - *len) / MODEL_CELL + 1) * MODEL_CELL;
    if (*len % MODEL_PAGE == 0 && *off / MODEL_PAGE * MODEL_PAGE + *len <= bytes)
        *off = *off / MODEL_PAGE * MODEL_PAGE;
    if (sim_chance_one_in(32)) /* the odd end of the volume */
        *off = bytes - *len;
}

static uint8_t *room(struct client *c, uint64_t len)
{
    if (c->room < len) {
        c->buf = realloc(c->buf, len);
        c->room = len;
        if (!c->buf)
            abort();
    }
    return c->buf;
}

static void answered(struct site *s, struct op *o, int r)
{
    struct gw_source *src = s->source;
    site_sample(s);
    sim_trace("op %llu (%s, volume %u, %llu+%llu%s) since %llu: %d", (unsigned long long)o->id,
              o->kind == OP_WRITE  ? "data"
              : o->kind == OP_ZERO ? "zeros"
                                   : "flush",
              o->volume, (unsigned long long)o->off, (unsigned long long)o->len,
              o->fua ? ", FUA" : "", (unsigned long long)o->start, r);
    if (r < 0) {
        o->soft = true; /* how much of it was done is unknown, and it may be torn */
        return;
    }
    o->source = src;
    o->seq = src->seq;
    o->at_peer = src->sync_recorded && o->kind != OP_FLUSH;
    model_answered(o);
}

int client_request(struct site *s, enum op_kind kind, unsigned volume, uint64_t off, uint64_t len,
                   unsigned flags, struct op **ret)
{
    uint8_t *buf = kind == OP_WRITE ? malloc(len) : NULL;
    struct op *o = model_begin(s->timeline, kind, volume, off, len, (flags & GW_WRITE_FUA) != 0);
    *ret = o;
    int r;
    if (kind == OP_WRITE && !buf)
        abort();
    if (kind == OP_WRITE) {
        model_content(o, buf);
        r = gw_source_write(s->source, volume, buf, len, off, flags);
    } else if (kind == OP_ZERO) {
        r = gw_source_zero(s->source, volume, len, off, flags);
    } else {
        r = gw_source_flush(s->source, volume);
    }
    answered(s, o, r);
    free(buf);
    return r;
}

static int run_write(struct client *c, bool zero)
{
    unsigned volume, flags = sim_chance_one_in(8) ? GW_WRITE_FUA : 0;
    uint64_t off, len;
    place(c, &volume, &off, &len);
    if (zero && sim_chance_one_in(2))
        flags |= GW_WRITE_MAY_TRIM;
    if (zero && sim_chance_one_in(4))
        flags |= GW_WRITE_FAST;
    struct op *o = model_begin(c->s->timeline, zero ? OP_ZERO : OP_WRITE, volume, off, len,
                               (flags & GW_WRITE_FUA) != 0);
    int r;
    if (zero) {
        r = gw_source_zero(c->s->source, volume, len, off, flags);
    } else {
        model_content(o, room(c, len));
        r = gw_source_write(c->s->source, volume, c->buf, len, off, flags);
    }
    answered(c->s, o, r);
    return r == -EOPNOTSUPP ? 0 : r;
}

static int run_read(struct client *c)
{
    unsigned volume;
    uint64_t off, len, start = model_tick();
    place(c, &volume, &off, &len);
    len = len > 8192 ? 8192 : len;
    int r = gw_source_read(c->s->source, volume, room(c, len), len, off);
    site_sample(c->s);
    if (r == 0)
        model_check_read(c->s->timeline, volume, off, len, c->buf, start);
    return r;
}

static int run_flush(struct client *c)
{
    struct op *o = model_begin(c->s->timeline, OP_FLUSH,
                               (unsigned)sim_chance_below(model_volumes()), 0, 0, false);
    int r = gw_source_flush(c->s->source, o->volume);
    answered(c->s, o, r);
    return r;
}

void *client_main(void *arg)
{
    struct client c = { .s = arg };
    while (!c.s->stop_wanted) {
        if (!world.load) {
            sched_sleep(20 * SIM_NS_PER_MS);
            continue;
        }
        uint64_t what = sim_chance_below(20);
        int r = world.heavy ? run_write(&c, false)
                : what < 2  ? run_flush(&c)
                : what < 4  ? run_read(&c)
                : what == 4 ? run_write(&c, true)
                            : run_write(&c, false);
        /* The more was done the longer they think: a run costs about the same however long it is.
         */
        uint64_t done = world.heavy ? 0 : 1 + model_ops() / world.pace_ops;
        sched_sleep(r < 0 ? 100 * SIM_NS_PER_MS
                          : 1 + sim_chance_below(1 + world.think_ns * done * done * done));
    }
    free(c.buf);
    return NULL;
}
