// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Operations and timelines; check.c holds images against them. */
#include "model_internal.h"

#include "fibers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct model model;

static const char *const paths[MODEL_VOLUMES_MAX] = { "/vol0", "/vol1", "/vol2" };

static void *must(void *p)
{
    if (!p)
        abort();
    return p;
}

void model_init(unsigned n_volumes, const uint64_t *bytes)
{
    model = (struct model){ .n_volumes = n_volumes };
    for (unsigned v = 0; v < n_volumes; v++) {
        model.bytes[v] = bytes[v];
        model.n_pages[v] = (bytes[v] + MODEL_PAGE - 1) / MODEL_PAGE;
        model.cells[v] = must(calloc(model.n_pages[v], sizeof *model.cells[v]));
    }
}

unsigned model_volumes(void)
{
    return model.n_volumes;
}

uint64_t model_bytes(unsigned volume)
{
    return model.bytes[volume];
}

const char *model_path(unsigned volume)
{
    return paths[volume];
}

struct timeline *timeline_new(uint64_t epoch, int site, struct timeline *parent, struct image *base)
{
    struct timeline *t = must(calloc(1, sizeof *t));
    t->epoch = epoch;
    t->site = site;
    t->parent = parent;
    if (base)
        t->base = *base;
    t->next = model.timelines;
    model.timelines = t;
    return t;
}

struct timeline *timeline_find(uint64_t epoch)
{
    struct timeline *t = model.timelines;
    while (t && t->epoch != epoch)
        t = t->next;
    return t;
}

struct timeline *timeline_parent(const struct timeline *t)
{
    return t->parent;
}

void model_each_timeline(void (*fn)(struct timeline *t), int not_of_site)
{
    for (struct timeline *t = model.timelines; t; t = t->next) {
        if (t->site != not_of_site)
            fn(t);
    }
}

uint64_t timeline_epoch(const struct timeline *t)
{
    return t->epoch;
}

uint64_t model_tick(void)
{
    return ++model.clock;
}

struct op *model_begin(struct timeline *t, enum op_kind kind, unsigned volume, uint64_t off,
                       uint64_t len, bool fua)
{
    struct op *o = must(calloc(1, sizeof *o));
    *o = (struct op){ .id = ++model.n_ops,
                      .timeline = t,
                      .kind = kind,
                      .volume = volume,
                      .off = off,
                      .len = len,
                      .fua = fua,
                      .start = model_tick() };
    if (t->n == t->room) {
        t->room = t->room * 2 + 64;
        t->op = must(realloc(t->op, t->room * sizeof *t->op));
    }
    t->op[t->n++] = o;
    if (model.n_ops >= model.room) {
        model.room = model.room * 2 + 256;
        model.by_id = must(realloc(model.by_id, model.room * sizeof *model.by_id));
    }
    model.by_id[o->id] = o;
    return o;
}

uint64_t model_cell_word(uint64_t id, unsigned volume, uint64_t cell, unsigned i)
{
    return i == 0 ? id : sim_mix(id << 32 ^ (uint64_t)volume << 28 ^ cell) ^ i;
}

void model_content(const struct op *o, uint8_t *buf)
{
    for (uint64_t done = 0; done < o->len; done += MODEL_CELL) {
        uint64_t cell = (o->off + done) / MODEL_CELL;
        uint64_t word[MODEL_CELL / 8], base = model_cell_word(o->id, o->volume, cell, 8) ^ 8;
        word[0] = o->id;
        for (unsigned i = 1; i < MODEL_CELL / 8; i++)
            word[i] = base ^ i;
        memcpy(buf + done, word, MODEL_CELL);
    }
}

void model_answered(struct op *o)
{
    struct timeline *t = o->timeline;
    o->answered = model_tick();
    model.n_answered++;
    if (o->kind != OP_FLUSH) {
        o->flushed = o->fua;
        return;
    }
    for (size_t i = 0; i < t->n; i++) {
        struct op *e = t->op[i];
        if (e->volume == o->volume && e->answered && e->answered < o->start && !e->unsure)
            e->flushed = true;
    }
}

uint64_t model_ops(void)
{
    return model.n_ops;
}

uint64_t model_ops_answered(void)
{
    return model.n_answered;
}

void model_peer_durable(struct timeline *t, const void *source, uint64_t seq)
{
    for (size_t i = t->n; i-- > 0;) {
        struct op *o = t->op[i];
        if (o->answered && o->source == source && o->seq <= seq)
            o->peer_durable = true;
    }
}

void model_peer_lost_power(struct timeline *t)
{
    for (size_t i = 0; i < t->n; i++)
        t->op[i]->at_peer = false;
}

void model_lost_power(struct timeline *t)
{
    for (size_t i = 0; i < t->n; i++) {
        struct op *o = t->op[i];
        if (o->kind == OP_FLUSH || o->flushed)
            continue;
        if (o->answered)
            o->unsure = true;
        else
            o->soft = true;
    }
}

void model_lost_process(struct timeline *t)
{
    for (size_t i = 0; i < t->n; i++) {
        if (!t->op[i]->answered)
            t->op[i]->soft = true;
    }
}

void model_confirmed(struct timeline *t)
{
    for (size_t i = 0; i < t->n; i++) {
        if (t->op[i]->unsure)
            t->op[i]->soft = true;
    }
}
