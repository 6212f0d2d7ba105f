// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The states of blocks and extents, in memory. See dirtymap.h and dirtymap_internal.h. */
#include "engine/dirtymap_internal.h"

#include "base/checked.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static uint64_t unit_of(int kind)
{
    return kind == GW_MAP_FINE ? GW_BLOCK_BYTES : GW_EXTENT_BYTES;
}

struct gw_dirtymap *gw_dirtymap_alloc(const struct gw_uuid *volume, uint64_t bytes)
{
    struct gw_dirtymap *m = calloc(1, sizeof *m);
    if (!m)
        abort();
    m->volume = *volume;
    m->bytes = bytes;
    uint64_t page = GW_DIRTYMAP_HEADERS;
    for (int k = 0; k < 2; k++) {
        struct gw_dirtymap_kind *kind = &m->kind[k];
        uint64_t n = bytes / unit_of(k) + (bytes % unit_of(k) != 0);
        kind->bits = gw_bitmap_new(n);
        kind->gone = gw_bitmap_new(n);
        kind->gone_taken = gw_bitmap_new(n);
        kind->fresh = gw_bitmap_new(gw_bitmap_pages(kind->bits));
        kind->fresh_taken = gw_bitmap_new(gw_bitmap_pages(kind->bits));
        kind->first_page = page;
        page += gw_bitmap_pages(kind->bits);
    }
    m->flight = gw_bitmap_new(gw_bitmap_size(m->kind[GW_MAP_FINE].bits));
    return m;
}

struct gw_dirtymap *gw_dirtymap_none(void)
{
    const struct gw_uuid none = { { 0 } };
    return gw_dirtymap_alloc(&none, 0);
}

void gw_dirtymap_close(struct gw_dirtymap *m)
{
    if (!m)
        return;
    for (int k = 0; k < 2; k++) {
        gw_bitmap_free(m->kind[k].bits);
        gw_bitmap_free(m->kind[k].gone);
        gw_bitmap_free(m->kind[k].gone_taken);
        gw_bitmap_free(m->kind[k].fresh);
        gw_bitmap_free(m->kind[k].fresh_taken);
    }
    gw_bitmap_free(m->flight);
    for (int i = 0; i < GW_DIRTYMAP_OWED_SLICES; i++)
        gw_bitmap_free(m->owed[i]);
    gw_file_close(m->file);
    free(m->path);
    free(m);
}

/* ---- acknowledgements owed ------------------------------------------------------------------- */

static void owe(struct gw_dirtymap *m, uint64_t block)
{
    for (int i = 0; i < GW_DIRTYMAP_OWED_SLICES; i++) {
        if (!m->owed[i])
            m->owed[i] = gw_bitmap_new(gw_bitmap_size(m->flight));
        if (gw_bitmap_set(m->owed[i], block, 1) == 1) {
            m->owed_total++;
            return;
        }
        gw_bitmap_clear(m->owed[i], block, 1); /* carry */
    }
    abort(); /* 2^32 injections of one block without one acknowledgement */
}

/* One acknowledgement came: was it owed? */
static bool owed_take(struct gw_dirtymap *m, uint64_t block)
{
    int i = 0;
    while (i < GW_DIRTYMAP_OWED_SLICES && m->owed[i] && !gw_bitmap_test(m->owed[i], block))
        i++;
    if (i == GW_DIRTYMAP_OWED_SLICES || !m->owed[i])
        return false;
    gw_bitmap_clear(m->owed[i], block, 1);
    while (i-- > 0)
        gw_bitmap_set(m->owed[i], block, 1); /* borrow */
    m->owed_total--;
    return true;
}

static void owed_forget(struct gw_dirtymap *m)
{
    for (int i = 0; i < GW_DIRTYMAP_OWED_SLICES && m->owed[i]; i++)
        gw_bitmap_clear(m->owed[i], 0, UINT64_MAX);
    m->owed_total = 0;
}

/* ---- marking --------------------------------------------------------------------------------- */

/* What is in flight of [first, first + n) is dirty again, its acknowledgement void. */
static uint64_t recall(struct gw_dirtymap *m, uint64_t first, uint64_t n)
{
    uint64_t recalled = 0;
    uint64_t b = gw_bitmap_next(m->flight, first);
    for (; b != UINT64_MAX && b - first < n; b = gw_bitmap_next(m->flight, b)) {
        gw_bitmap_clear(m->flight, b, 1);
        owe(m, b);
        recalled++;
    }
    return recalled;
}

/* Units [first, first + n), page by page, so that only pages that changed become fresh. */
static void mark_units(struct gw_dirtymap *m, int kind, uint64_t first, uint64_t n)
{
    struct gw_dirtymap_kind *k = &m->kind[kind];
    uint64_t size = gw_bitmap_size(k->bits), end;
    if (ckd_add(&end, first, n) || end > size)
        end = size;
    while (first < end) {
        uint64_t page = first / GW_BITMAP_PAGE_BITS;
        uint64_t stop = GW_MIN(end, (page + 1) * GW_BITMAP_PAGE_BITS);
        uint64_t recalled = 0;
        if (kind == GW_MAP_FINE && gw_bitmap_page(m->flight, page))
            recalled = recall(m, first, stop - first);
        /* Bits in flight are durable already: dirty | in flight does not change by a recall. */
        if (gw_bitmap_set(k->bits, first, stop - first) > recalled)
            gw_bitmap_set(k->fresh, page, 1);
        first = stop;
    }
}

static void mark_bytes(struct gw_dirtymap *m, int kind, uint64_t off, uint64_t len)
{
    uint64_t unit = unit_of(kind), last;
    if (len == 0 || off >= m->bytes)
        return;
    if (ckd_add(&last, off, len - 1) || last >= m->bytes)
        last = m->bytes - 1;
    mark_units(m, kind, off / unit, last / unit - off / unit + 1);
}

void gw_dirtymap_mark(struct gw_dirtymap *m, uint64_t off, uint64_t len)
{
    mark_bytes(m, GW_MAP_FINE, off, len);
}

void gw_dirtymap_mark_coarse(struct gw_dirtymap *m, uint64_t off, uint64_t len)
{
    mark_bytes(m, GW_MAP_COARSE, off, len);
}

void gw_dirtymap_mark_all_coarse(struct gw_dirtymap *m)
{
    mark_bytes(m, GW_MAP_COARSE, 0, m->bytes);
}

void gw_dirtymap_mark_page(struct gw_dirtymap *m, int kind, uint64_t page)
{
    mark_units(m, kind, page * GW_BITMAP_PAGE_BITS, GW_BITMAP_PAGE_BITS);
    gw_bitmap_set(m->kind[kind].fresh, page, 1);
}

int gw_dirtymap_or_page(struct gw_dirtymap *m, int kind, uint64_t page, const uint8_t *bits)
{
    if ((kind != GW_MAP_FINE && kind != GW_MAP_COARSE) ||
        page >= gw_bitmap_pages(m->kind[kind].bits))
        return -EINVAL;
    struct gw_dirtymap_kind *k = &m->kind[kind];
    uint64_t first = page * GW_BITMAP_PAGE_BITS;
    if (kind == GW_MAP_FINE && gw_bitmap_page(m->flight, page)) {
        for (uint64_t i = 0; i < GW_BITMAP_PAGE_BITS; i++) {
            if (bits[i / 8] >> (i % 8) & 1)
                mark_units(m, kind, first + i, 1);
        }
        return 0;
    }
    uint64_t before = gw_bitmap_count(k->bits);
    gw_bitmap_page_or(k->bits, page, bits);
    if (gw_bitmap_count(k->bits) != before)
        gw_bitmap_set(k->fresh, page, 1);
    return 0;
}

/* ---- sending and clearing -------------------------------------------------------------------- */

void gw_dirtymap_inject(struct gw_dirtymap *m, uint64_t first_block, uint64_t n)
{
    uint64_t moved = gw_bitmap_clear(m->kind[GW_MAP_FINE].bits, first_block, n);
    assert(moved == n);
    moved = gw_bitmap_set(m->flight, first_block, n);
    assert(moved == n);
}

void gw_dirtymap_acked(struct gw_dirtymap *m, uint64_t first_block, uint64_t n)
{
    uint64_t size = gw_bitmap_size(m->flight), end;
    if (ckd_add(&end, first_block, n) || end > size)
        end = size;
    for (uint64_t b = first_block; b < end;) {
        /* R3: marked again since it was read: this acknowledgement is of the older content. */
        if (m->owed_total > 0 && owed_take(m, b)) {
            b++;
            continue;
        }
        uint64_t run = gw_bitmap_run(m->flight, b, m->owed_total > 0 ? 1 : end - b);
        gw_bitmap_set(m->kind[GW_MAP_FINE].gone, b, run);
        gw_bitmap_clear(m->flight, b, run);
        b += run ? run : 1;
    }
}

void gw_dirtymap_requeue(struct gw_dirtymap *m)
{
    gw_bitmap_or(m->kind[GW_MAP_FINE].bits, m->flight);
    gw_bitmap_clear(m->flight, 0, UINT64_MAX);
    owed_forget(m); /* R4: no acknowledgement of the old link counts in a new one */
}

void gw_dirtymap_compared(struct gw_dirtymap *m, uint64_t extent)
{
    struct gw_dirtymap_kind *k = &m->kind[GW_MAP_COARSE];
    if (gw_bitmap_clear(k->bits, extent, 1) == 1)
        gw_bitmap_set(k->gone, extent, 1);
}

void gw_dirtymap_clear_all(struct gw_dirtymap *m)
{
    gw_dirtymap_requeue(m);
    for (int k = 0; k < 2; k++) {
        gw_bitmap_or(m->kind[k].gone, m->kind[k].bits);
        gw_bitmap_clear(m->kind[k].bits, 0, UINT64_MAX);
    }
}

void gw_dirtymap_cleared_through(struct gw_dirtymap *m, const struct gw_uuid *uuid, uint64_t seq)
{
    if (m->bytes == 0 || (gw_uuid_equal(&m->cleared_uuid, uuid) && m->cleared_seq == seq))
        return;
    m->cleared_uuid = *uuid;
    m->cleared_seq = seq;
    m->header_due = true;
}

/* ---- looking --------------------------------------------------------------------------------- */

void gw_dirtymap_get_cleared(const struct gw_dirtymap *m, struct gw_uuid *ret_uuid,
                             uint64_t *ret_seq)
{
    *ret_uuid = m->cleared_uuid;
    *ret_seq = m->cleared_seq;
}

const struct gw_bitmap *gw_dirtymap_fine(const struct gw_dirtymap *m)
{
    return m->kind[GW_MAP_FINE].bits;
}

const struct gw_bitmap *gw_dirtymap_coarse(const struct gw_dirtymap *m)
{
    return m->kind[GW_MAP_COARSE].bits;
}

uint64_t gw_dirtymap_in_flight(const struct gw_dirtymap *m)
{
    return gw_bitmap_count(m->flight);
}

bool gw_dirtymap_empty(const struct gw_dirtymap *m)
{
    return gw_bitmap_count(gw_dirtymap_fine(m)) == 0 && gw_bitmap_count(m->flight) == 0 &&
           gw_bitmap_count(gw_dirtymap_coarse(m)) == 0;
}

bool gw_dirtymap_unsaved(const struct gw_dirtymap *m)
{
    bool unsaved = m->header_due || m->persisting || m->failed < 0;
    for (int k = 0; k < 2; k++)
        unsaved |= gw_bitmap_count(m->kind[k].fresh) > 0 || gw_bitmap_count(m->kind[k].gone) > 0;
    return unsaved;
}

bool gw_dirtymap_get_page(const struct gw_dirtymap *m, int kind, uint64_t page,
                          uint8_t bits[GW_BITMAP_PAGE_BYTES])
{
    assert(kind == GW_MAP_FINE || kind == GW_MAP_COARSE);
    const uint8_t *data = gw_bitmap_page(m->kind[kind].bits, page);
    const uint8_t *flight = kind == GW_MAP_FINE ? gw_bitmap_page(m->flight, page) : NULL;
    if (data)
        memcpy(bits, data, GW_BITMAP_PAGE_BYTES);
    else
        memset(bits, 0, GW_BITMAP_PAGE_BYTES);
    for (unsigned i = 0; flight && i < GW_BITMAP_PAGE_BYTES; i++)
        bits[i] |= flight[i];
    return data || flight;
}
