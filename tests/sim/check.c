// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Images against the operations of a timeline: see model.h for what is allowed. */
#include "model_internal.h"

#include "fibers.h"

#include <stdlib.h>
#include <string.h>

#define EXTENT (1024u * 1024u)

static const uint8_t zeros[MODEL_PAGE];

/* ---- reading an image ------------------------------------------------------------------------ */

/* The operation that a cell shows; NULL: none of this timeline. */
static const struct op *cell_op(const struct timeline *t, const uint8_t *cell, unsigned volume,
                                uint64_t index)
{
    uint64_t word[MODEL_CELL / 8];
    memcpy(word, cell, sizeof word);
    if (word[0] == 0 || word[0] > model.n_ops)
        return NULL;
    const struct op *o = model.by_id[word[0]];
    uint64_t off = index * MODEL_CELL;
    if (o->timeline != t || o->kind != OP_WRITE || o->volume != volume || off < o->off ||
        off >= o->off + o->len)
        return NULL;
    uint64_t base = model_cell_word(o->id, volume, index, 8) ^ 8;
    for (unsigned i = 1; i < MODEL_CELL / 8; i++) {
        if (word[i] != (base ^ i))
            return NULL;
    }
    return o;
}

static struct cells *cells_at(unsigned volume, uint64_t page)
{
    struct cells **c = &model.cells[volume][page];
    if (!*c && !(*c = calloc(1, sizeof **c)))
        abort();
    return *c;
}

static void cells_done(void)
{
    for (unsigned v = 0; v < model.n_volumes; v++) {
        for (uint64_t p = 0; p < model.n_pages[v]; p++) {
            free(model.cells[v][p]);
            model.cells[v][p] = NULL;
        }
    }
}

static void read_page(const struct timeline *t, unsigned v, uint64_t p, const uint8_t *now,
                      const char *what)
{
    const uint8_t *base = t->base.page[v] ? t->base.page[v][p] : NULL;
    struct cells *c = cells_at(v, p);
    now = now ? now : zeros;
    base = base ? base : zeros;
    for (unsigned i = 0; i < CELLS_PER_PAGE; i++) {
        const uint8_t *cell = now + i * MODEL_CELL;
        uint64_t index = p * CELLS_PER_PAGE + i;
        c->zero[i] = memcmp(cell, zeros, MODEL_CELL) == 0;
        c->base[i] = memcmp(cell, base + i * MODEL_CELL, MODEL_CELL) == 0;
        c->seen[i] = c->zero[i] ? NULL : cell_op(t, cell, v, index);
        if (c->zero[i] || c->base[i] || c->seen[i])
            continue;
        uint64_t id;
        memcpy(&id, cell, 8);
        sim_fail("%s: volume %u at %llu holds something that epoch %llu never held (op %llu?)",
                 what, v, (unsigned long long)(index * MODEL_CELL), (unsigned long long)t->epoch,
                 (unsigned long long)id);
    }
}

static void read_image(const struct timeline *t, const struct image *im, const char *what)
{
    for (size_t i = 0; i < t->n; i++) {
        const struct op *o = t->op[i];
        if (o->kind == OP_FLUSH)
            continue;
        for (uint64_t p = o->off / MODEL_PAGE; p * MODEL_PAGE < o->off + o->len; p++)
            cells_at(o->volume, p);
    }
    for (unsigned v = 0; v < model.n_volumes; v++) {
        for (uint64_t p = 0; p < model.n_pages[v]; p++) {
            if (im->page[v][p] || model.cells[v][p] || (t->base.page[v] && t->base.page[v][p]))
                read_page(t, v, p, im->page[v][p], what);
        }
    }
}

/* ---- what must be there ---------------------------------------------------------------------- */

static void need_range(const struct op *o, uint64_t off, uint64_t end)
{
    for (uint64_t cell = off / MODEL_CELL; cell < end / MODEL_CELL; cell++) {
        struct cells *c = cells_at(o->volume, cell / CELLS_PER_PAGE);
        uint64_t *need = &c->need[cell % CELLS_PER_PAGE];
        if (*need < o->start)
            *need = o->start;
    }
}

static bool needed(const struct op *o, unsigned need)
{
    if (!o->answered || o->soft)
        return false;
    return ((need & NEED_ANSWERED) != 0) || ((need & NEED_FLUSHED) && o->flushed) ||
           ((need & NEED_PEER) && (o->at_peer || o->peer_durable));
}

static void mark_zeros(const struct timeline *t)
{
    for (size_t i = 0; i < t->n; i++) {
        const struct op *o = t->op[i];
        if (o->kind != OP_ZERO)
            continue;
        uint64_t when = o->answered && !o->soft ? o->answered : UINT64_MAX;
        for (uint64_t cell = o->off / MODEL_CELL; cell < (o->off + o->len) / MODEL_CELL; cell++) {
            struct cells *c = cells_at(o->volume, cell / CELLS_PER_PAGE);
            uint64_t *z = &c->zero_answered[cell % CELLS_PER_PAGE];
            *z = *z < when ? when : *z;
        }
    }
}

/* Whole records of what is visible, and everything that was answered before it began. */
static void need_cut(const struct timeline *t)
{
    uint64_t last = 0;
    for (unsigned v = 0; v < model.n_volumes; v++) {
        for (uint64_t cell = 0; cell < model.n_pages[v] * CELLS_PER_PAGE; cell++) {
            const struct cells *c = model.cells[v][cell / CELLS_PER_PAGE];
            const struct op *o = c ? c->seen[cell % CELLS_PER_PAGE] : NULL;
            if (!c)
                cell |= CELLS_PER_PAGE - 1;
            if (!o)
                continue;
            last = o->start > last ? o->start : last;
            if (o->soft)
                continue;
            uint64_t extent = cell * MODEL_CELL / EXTENT * EXTENT;
            uint64_t off = extent > o->off ? extent : o->off, end = o->off + o->len;
            end = end < extent + EXTENT ? end : extent + EXTENT;
            if (c->need[cell % CELLS_PER_PAGE] < o->start)
                need_range(o, off, end);
        }
    }
    for (size_t i = 0; i < t->n; i++) {
        const struct op *o = t->op[i];
        if (o->kind != OP_FLUSH && o->answered && !o->soft && o->answered < last)
            need_range(o, o->off, o->off + o->len);
    }
}

/* ---- the check ------------------------------------------------------------------------------- */

/* When what the cell shows was answered; UINT64_MAX: it may be the newest there is. */
static uint64_t seen_answered(const struct cells *c, unsigned i)
{
    const struct op *o = c->seen[i];
    if (o)
        return o->answered && !o->soft ? o->answered : UINT64_MAX;
    return c->zero[i] ? c->zero_answered[i] : 0;
}

static const struct op *who_needs(const struct timeline *t, unsigned v, uint64_t off,
                                  uint64_t start)
{
    for (size_t i = 0; i < t->n; i++) {
        const struct op *o = t->op[i];
        if (o->start == start && o->volume == v && off >= o->off && off < o->off + o->len)
            return o;
    }
    abort(); /* somebody asked for it */
}

static void check_cell(const struct timeline *t, unsigned v, uint64_t p, unsigned i,
                       const char *what)
{
    const struct cells *c = model.cells[v][p];
    if (seen_answered(c, i) >= c->need[i])
        return;
    uint64_t off = p * MODEL_PAGE + i * MODEL_CELL;
    const struct op *lost = who_needs(t, v, off, c->need[i]);
    sim_fail("%s: volume %u at %llu shows %s%llu, which op %llu (%s, %llu+%llu%s%s%s) must have "
             "overwritten; epoch %llu",
             what, v, (unsigned long long)off,
             c->seen[i]   ? "op "
             : c->zero[i] ? "zeros of time "
                          : "the base, ",
             (unsigned long long)(c->seen[i] ? c->seen[i]->id : c->zero_answered[i]),
             (unsigned long long)lost->id, lost->kind == OP_ZERO ? "zeros" : "data",
             (unsigned long long)lost->off, (unsigned long long)lost->len,
             lost->flushed ? ", flushed" : "", lost->peer_durable ? ", durable at the peer" : "",
             lost->at_peer ? ", received by the peer" : "", (unsigned long long)t->epoch);
}

void model_check(const struct image *im, struct timeline *t, unsigned need, bool cut,
                 const char *what)
{
    read_image(t, im, what);
    mark_zeros(t);
    for (size_t i = 0; i < t->n; i++) {
        if (t->op[i]->kind != OP_FLUSH && needed(t->op[i], need))
            need_range(t->op[i], t->op[i]->off, t->op[i]->off + t->op[i]->len);
    }
    if (cut)
        need_cut(t);
    for (unsigned v = 0; v < model.n_volumes; v++) {
        for (uint64_t p = 0; p < model.n_pages[v]; p++) {
            for (unsigned i = 0; model.cells[v][p] && i < CELLS_PER_PAGE; i++)
                check_cell(t, v, p, i, what);
        }
    }
    cells_done();
}

void model_check_read(struct timeline *t, unsigned volume, uint64_t off, uint64_t len,
                      const uint8_t *buf, uint64_t start)
{
    for (uint64_t done = 0; done < len; done += MODEL_CELL) {
        uint64_t at = off + done, need = 0, zero = 0;
        bool is_zero = memcmp(buf + done, zeros, MODEL_CELL) == 0;
        const struct op *seen = is_zero ? NULL : cell_op(t, buf + done, volume, at / MODEL_CELL),
                        *last = NULL;
        if (seen && !(seen->answered && !seen->soft && seen->answered < start))
            continue; /* in flight at the same time */
        for (size_t i = 0; i < t->n; i++) {
            const struct op *o = t->op[i];
            if (o->kind == OP_FLUSH || o->volume != volume || at < o->off || at >= o->off + o->len)
                continue;
            bool done_before = o->answered && !o->soft && o->answered < start;
            if (done_before && o->start > need) {
                need = o->start;
                last = o;
            }
            uint64_t end = done_before ? o->answered : UINT64_MAX;
            if (o->kind == OP_ZERO && end > zero)
                zero = end;
        }
        uint64_t shown = seen ? seen->answered : is_zero ? zero : 0;
        if (shown < need)
            sim_fail("a read of volume %u at %llu returned %s op %llu, but op %llu was answered "
                     "before it began",
                     volume, (unsigned long long)at, is_zero ? "zeros instead of" : "the older",
                     (unsigned long long)(seen ? seen->id : 0), (unsigned long long)last->id);
    }
}

static const uint8_t *cell_of(const struct image *im, unsigned v, uint64_t p, unsigned i)
{
    return im->page[v] && im->page[v][p] ? im->page[v][p] + i * MODEL_CELL : zeros;
}

/* Does the cell show something that was there after `o`? Then o was not lost, it was overwritten.
 */
static bool overwritten(const struct timeline *t, const struct op *o, const uint8_t *cell,
                        unsigned volume, uint64_t index)
{
    const struct op *now = cell_op(t, cell, volume, index);
    if (now)
        return now->start > o->start;
    for (size_t i = 0; memcmp(cell, zeros, MODEL_CELL) == 0 && i < t->n; i++) {
        const struct op *z = t->op[i];
        if (z->kind == OP_ZERO && z->volume == volume && z->start > o->start &&
            index * MODEL_CELL >= z->off && index * MODEL_CELL < z->off + z->len)
            return true;
    }
    return false;
}

void model_each_lost(const struct image *im, struct timeline *t, struct timeline *child,
                     const struct image *later,
                     void (*fn)(void *arg, unsigned volume, uint64_t block, const struct op *o),
                     void *arg)
{
    for (unsigned v = 0; v < model.n_volumes; v++) {
        for (uint64_t p = 0; p < model.n_pages[v]; p++) {
            if (!im->page[v][p] || !image_block_differs(im, later, v, p))
                continue;
            for (unsigned i = 0; i < CELLS_PER_PAGE; i++) {
                const uint8_t *cell = cell_of(im, v, p, i);
                if (memcmp(cell, cell_of(later, v, p, i), MODEL_CELL) == 0 ||
                    memcmp(cell, cell_of(&child->base, v, p, i), MODEL_CELL) == 0)
                    continue;
                uint64_t index = p * CELLS_PER_PAGE + i;
                const struct op *o = cell_op(t, cell, v, index);
                if (o && o->answered && !o->soft &&
                    !overwritten(t, o, cell_of(&child->base, v, p, i), v, index)) {
                    fn(arg, v, p, o);
                    break;
                }
            }
        }
    }
}
