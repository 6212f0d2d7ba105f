// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Pages of bits behind a table of pointers. Work inside a page goes by 64-bit words, read and
 * written in little-endian order, so that a page in memory is the page in a file and on the wire.
 */
#include "engine/bitmap.h"

#include "base/checked.h"

#include <assert.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#define WORD_BITS 64u
#define PAGE_WORDS (GW_BITMAP_PAGE_BYTES / 8u)

struct page {
    uint32_t count; /* bits set; never 0 while the page exists */
    uint8_t bits[GW_BITMAP_PAGE_BYTES];
};

struct gw_bitmap {
    uint64_t size, count;
    uint64_t n_pages, n_allocated;
    struct page **pages; /* NULL: all clear */
};

static_assert(GW_BITMAP_PAGE_BYTES % 8 == 0, "a page is whole words");

/* The map may never lose a bit, so there is nothing else to do without memory. */
static void *must_calloc(size_t n, size_t size)
{
    void *p = calloc(n, size);
    if (!p)
        abort();
    return p;
}

static uint64_t word_get(const uint8_t *bits, uint64_t w)
{
    uint64_t v;
    memcpy(&v, bits + w * 8, sizeof v);
    return le64toh(v);
}

static void word_put(uint8_t *bits, uint64_t w, uint64_t value)
{
    uint64_t v = htole64(value);
    memcpy(bits + w * 8, &v, sizeof v);
}

/* Bits [lo, hi) of word w, where lo and hi are bits of the page. */
static uint64_t word_mask(uint64_t w, uint64_t lo, uint64_t hi)
{
    uint64_t mask = UINT64_MAX;
    if (lo > w * WORD_BITS)
        mask &= UINT64_MAX << (lo - w * WORD_BITS);
    if (hi < (w + 1) * WORD_BITS)
        mask &= (1ull << (hi - w * WORD_BITS)) - 1;
    return mask;
}

static uint32_t page_set(struct page *p, uint64_t lo, uint64_t hi)
{
    uint32_t changed = 0;
    for (uint64_t w = lo / WORD_BITS; w * WORD_BITS < hi; w++) {
        uint64_t old = word_get(p->bits, w), add = word_mask(w, lo, hi) & ~old;
        if (add)
            word_put(p->bits, w, old | add);
        changed += (uint32_t)__builtin_popcountll(add);
    }
    p->count += changed;
    return changed;
}

static uint32_t page_clear(struct page *p, uint64_t lo, uint64_t hi)
{
    uint32_t changed = 0;
    for (uint64_t w = lo / WORD_BITS; w * WORD_BITS < hi; w++) {
        uint64_t old = word_get(p->bits, w), del = word_mask(w, lo, hi) & old;
        if (del)
            word_put(p->bits, w, old & ~del);
        changed += (uint32_t)__builtin_popcountll(del);
    }
    p->count -= changed;
    return changed;
}

/* First bit in [lo, hi) that is `value`, or hi. */
static uint64_t page_find(const struct page *p, uint64_t lo, uint64_t hi, bool value)
{
    for (uint64_t w = lo / WORD_BITS; w * WORD_BITS < hi; w++) {
        uint64_t word = word_get(p->bits, w);
        uint64_t found = (value ? word : ~word) & word_mask(w, lo, hi);
        if (found)
            return w * WORD_BITS + (uint64_t)__builtin_ctzll(found);
    }
    return hi;
}

struct gw_bitmap *gw_bitmap_new(uint64_t bits)
{
    struct gw_bitmap *b = must_calloc(1, sizeof *b);
    b->size = bits;
    b->n_pages = bits / GW_BITMAP_PAGE_BITS + (bits % GW_BITMAP_PAGE_BITS != 0);
    /* A big table comes as untouched zero pages: it costs memory only where it is written. */
    b->pages = must_calloc(b->n_pages ? b->n_pages : 1, sizeof *b->pages);
    return b;
}

void gw_bitmap_free(struct gw_bitmap *b)
{
    if (!b)
        return;
    for (uint64_t p = 0; b->n_allocated && p < b->n_pages; p++) {
        if (b->pages[p])
            b->n_allocated--;
        free(b->pages[p]);
    }
    free(b->pages);
    free(b);
}

uint64_t gw_bitmap_size(const struct gw_bitmap *b)
{
    return b->size;
}

uint64_t gw_bitmap_count(const struct gw_bitmap *b)
{
    return b->count;
}

bool gw_bitmap_test(const struct gw_bitmap *b, uint64_t bit)
{
    if (bit >= b->size)
        return false;
    const struct page *p = b->pages[bit / GW_BITMAP_PAGE_BITS];
    uint64_t i = bit % GW_BITMAP_PAGE_BITS;
    return p && (p->bits[i / 8] >> (i % 8) & 1);
}

static struct page *page_need(struct gw_bitmap *b, uint64_t p)
{
    struct page *page = b->pages[p];
    if (!page) {
        page = must_calloc(1, sizeof *page);
        b->pages[p] = page;
        b->n_allocated++;
    }
    return page;
}

static void page_drop_if_empty(struct gw_bitmap *b, uint64_t p)
{
    if (!b->pages[p] || b->pages[p]->count)
        return;
    free(b->pages[p]);
    b->pages[p] = NULL;
    b->n_allocated--;
}

/* One past the last bit of [first, first + n), clipped to the size. */
static uint64_t range_end(const struct gw_bitmap *b, uint64_t first, uint64_t n)
{
    uint64_t end;
    if (ckd_add(&end, first, n) || end > b->size)
        end = b->size;
    return end;
}

uint64_t gw_bitmap_set(struct gw_bitmap *b, uint64_t first, uint64_t n)
{
    uint64_t end = range_end(b, first, n), changed = 0;
    while (first < end) {
        uint64_t p = first / GW_BITMAP_PAGE_BITS, base = p * GW_BITMAP_PAGE_BITS;
        uint64_t stop = GW_MIN(end, base + GW_BITMAP_PAGE_BITS);
        changed += page_set(page_need(b, p), first - base, stop - base);
        first = stop;
    }
    b->count += changed;
    return changed;
}

uint64_t gw_bitmap_clear(struct gw_bitmap *b, uint64_t first, uint64_t n)
{
    uint64_t end = range_end(b, first, n), changed = 0;
    while (first < end && changed < b->count) {
        uint64_t p = first / GW_BITMAP_PAGE_BITS, base = p * GW_BITMAP_PAGE_BITS;
        uint64_t stop = GW_MIN(end, base + GW_BITMAP_PAGE_BITS);
        if (b->pages[p]) {
            changed += page_clear(b->pages[p], first - base, stop - base);
            page_drop_if_empty(b, p);
        }
        first = stop;
    }
    b->count -= changed;
    return changed;
}

uint64_t gw_bitmap_next(const struct gw_bitmap *b, uint64_t from)
{
    if (!b->count || from >= b->size)
        return UINT64_MAX;
    for (uint64_t p = from / GW_BITMAP_PAGE_BITS; p < b->n_pages; p++) {
        uint64_t base = p * GW_BITMAP_PAGE_BITS, lo = from > base ? from - base : 0;
        if (!b->pages[p])
            continue;
        uint64_t i = page_find(b->pages[p], lo, GW_BITMAP_PAGE_BITS, true);
        if (i < GW_BITMAP_PAGE_BITS)
            return base + i;
    }
    return UINT64_MAX;
}

uint64_t gw_bitmap_run(const struct gw_bitmap *b, uint64_t first, uint64_t max)
{
    uint64_t end = range_end(b, first, max), at = first;
    while (at < end) {
        uint64_t p = at / GW_BITMAP_PAGE_BITS, base = p * GW_BITMAP_PAGE_BITS;
        uint64_t stop = GW_MIN(end, base + GW_BITMAP_PAGE_BITS);
        if (!b->pages[p])
            break;
        at = base + page_find(b->pages[p], at - base, stop - base, false);
        if (at < stop)
            break;
    }
    return at - first;
}

void gw_bitmap_or(struct gw_bitmap *a, const struct gw_bitmap *b)
{
    assert(a->size == b->size);
    for (uint64_t p = 0; b->count && p < b->n_pages; p++) {
        if (b->pages[p])
            gw_bitmap_page_or(a, p, b->pages[p]->bits);
    }
}

uint64_t gw_bitmap_pages(const struct gw_bitmap *b)
{
    return b->n_pages;
}

const uint8_t *gw_bitmap_page(const struct gw_bitmap *b, uint64_t p)
{
    assert(p < b->n_pages);
    return b->pages[p] ? b->pages[p]->bits : NULL;
}

void gw_bitmap_page_or(struct gw_bitmap *b, uint64_t p, const uint8_t *data)
{
    assert(p < b->n_pages);
    uint64_t left = b->size - p * GW_BITMAP_PAGE_BITS;
    uint64_t hi = GW_MIN(left, (uint64_t)GW_BITMAP_PAGE_BITS);
    struct page *page = page_need(b, p);
    uint32_t changed = 0;
    for (uint64_t w = 0; w < PAGE_WORDS && w * WORD_BITS < hi; w++) {
        uint64_t old = word_get(page->bits, w);
        uint64_t add = word_get(data, w) & word_mask(w, 0, hi) & ~old;
        if (add)
            word_put(page->bits, w, old | add);
        changed += (uint32_t)__builtin_popcountll(add);
    }
    page->count += changed;
    b->count += changed;
    page_drop_if_empty(b, p);
}

uint64_t gw_bitmap_bytes(const struct gw_bitmap *b)
{
    return sizeof *b + b->n_pages * sizeof *b->pages + b->n_allocated * sizeof(struct page);
}
