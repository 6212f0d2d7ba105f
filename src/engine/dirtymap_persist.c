// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Persist of a dirty map: from the cut to the second sync. The rules are in dirtymap_internal.h.
 *
 *     cut (lock) -> header, pages with new bits -> datasync -> cleared pages, other header
 *                -> datasync
 *
 * A step that has nothing to write is left out, with its sync.
 */
#include "engine/dirtymap_internal.h"

#include "base/checked.h"
#include "base/cleanup.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define PAGE GW_DIRTYMAP_PAGE_BYTES
#define BATCH_PAGES 32u /* copied under one hold of the lock: some microseconds */

enum pass {
    PASS_SETS,   /* every bit that is set, or was until the cut */
    PASS_CLEARS, /* what was clear at the cut goes */
};

struct cut {
    struct gw_dirtymap_header header;
    bool header_due, header_lost;
    unsigned first_copy;
    bool sets, clears;
    bool sync_failed, header_first; /* the first copy of the header is durable */
    uint8_t *buf;                   /* BATCH_PAGES pages */
};

static void take(struct gw_bitmap **collecting, struct gw_bitmap **taken)
{
    struct gw_bitmap *b = *taken;
    assert(gw_bitmap_count(b) == 0);
    *taken = *collecting;
    *collecting = b;
}

/* 1: go on; 0: nothing to do. */
static int cut_take(struct gw_dirtymap *m, struct cut *c, struct gw_error *err)
{
    assert(!m->persisting);
    if (m->failed < 0)
        return gw_error_set(err, m->failed,
                            "dirty map %s could not be written earlier and is not trusted any "
                            "more; repair its disk and restart the plan",
                            m->path);
    if (!gw_dirtymap_unsaved(m))
        return 0;
    if (m->read_only)
        return gw_error_set(err, -EROFS, "dirty map %s is open for reading only", m->path);
    for (int k = 0; k < 2; k++) {
        take(&m->kind[k].fresh, &m->kind[k].fresh_taken);
        take(&m->kind[k].gone, &m->kind[k].gone_taken);
        c->sets |= gw_bitmap_count(m->kind[k].fresh_taken) > 0;
        c->clears |= gw_bitmap_count(m->kind[k].gone_taken) > 0;
    }
    c->header = (struct gw_dirtymap_header){ .generation = m->generation + 1,
                                             .volume = m->volume,
                                             .bytes = m->bytes,
                                             .cleared_uuid = m->cleared_uuid,
                                             .cleared_seq = m->cleared_seq };
    c->header_due = m->header_due;
    c->header_lost = m->header_lost;
    c->first_copy = 1 - m->good;
    m->header_due = false;
    m->persisting = true;
    return 1;
}

static void cut_end(struct gw_dirtymap *m, const struct cut *c, int result)
{
    bool again = gw_no_room(result) && !c->sync_failed;
    for (int k = 0; k < 2; k++) {
        struct gw_dirtymap_kind *kind = &m->kind[k];
        if (again) {
            gw_bitmap_or(kind->fresh, kind->fresh_taken);
            gw_bitmap_or(kind->gone, kind->gone_taken);
        }
        gw_bitmap_clear(kind->fresh_taken, 0, UINT64_MAX);
        gw_bitmap_clear(kind->gone_taken, 0, UINT64_MAX);
    }
    m->persisting = false;
    m->header_due |= again && c->header_due;
    m->failed = result == 0 || again ? 0 : gw_no_room(result) ? -EIO : result;
    if (c->header_first) { /* the next one must not write over the only new one first */
        m->generation = c->header.generation;
        m->good = result == 0 ? 1 - c->first_copy : c->first_copy; /* written last */
        m->header_lost &= result < 0;
    }
}

static void or_bits(uint8_t *bits, const struct gw_bitmap *b, uint64_t p)
{
    const uint8_t *more = gw_bitmap_page(b, p);
    for (unsigned i = 0; more && i < GW_BITMAP_PAGE_BYTES; i++)
        bits[i] |= more[i];
}

/* The page as this pass writes it; call locked. */
static void copy_page(const struct gw_dirtymap *m, int kind, uint64_t p, enum pass pass,
                      uint8_t *bits)
{
    gw_dirtymap_get_page(m, kind, p, bits);
    or_bits(bits, m->kind[kind].gone, p);
    if (pass == PASS_SETS)
        or_bits(bits, m->kind[kind].gone_taken, p);
}

/* Pages [p, p + n): copy under the lock; seal and write, or make holes, without it. */
static int write_batch(struct gw_dirtymap *m, struct cut *c, int kind, uint64_t p, uint64_t n,
                       enum pass pass, struct gw_error *err)
{
    bool clear[BATCH_PAGES];
    gw_dirtymap_lock(m);
    for (uint64_t i = 0; i < n; i++)
        copy_page(m, kind, p + i, pass, gw_dirtymap_page_bits(c->buf + i * PAGE));
    gw_dirtymap_unlock(m);
    for (uint64_t i = 0; i < n; i++) {
        const uint8_t *bits = gw_dirtymap_page_bits(c->buf + i * PAGE);
        clear[i] = gw_dirtymap_zeros(bits, GW_BITMAP_PAGE_BYTES);
        if (!clear[i])
            gw_dirtymap_page_seal(c->buf + i * PAGE, kind, p + i, &m->volume);
    }
    for (uint64_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && clear[end] == clear[i];)
            end++;
        uint64_t off = (m->kind[kind].first_page + p + i) * PAGE, len = (end - i) * PAGE;
        int r = clear[i] ? gw_io_zero(m->file, off, len, GW_ZERO_PUNCH)
                         : gw_io_pwrite(m->file, c->buf + i * PAGE, len, off);
        if (r < 0)
            return gw_dirtymap_write_error(err, r, m->path, off);
    }
    return 0;
}

/* The next page that this pass has to write, from p on; UINT64_MAX: none. The taken bitmaps belong
 * to the persist alone, so no lock. */
static uint64_t next_page(const struct gw_dirtymap *m, int kind, uint64_t p, enum pass pass)
{
    if (pass == PASS_SETS)
        return gw_bitmap_next(m->kind[kind].fresh_taken, p);
    uint64_t bit = gw_bitmap_next(m->kind[kind].gone_taken, p * GW_BITMAP_PAGE_BITS);
    return bit == UINT64_MAX ? bit : bit / GW_BITMAP_PAGE_BITS;
}

static int write_pass(struct gw_dirtymap *m, struct cut *c, enum pass pass, struct gw_error *err)
{
    for (int kind = 0; kind < 2; kind++) {
        uint64_t p = next_page(m, kind, 0, pass);
        while (p != UINT64_MAX) {
            uint64_t n = 1;
            while (n < BATCH_PAGES && next_page(m, kind, p + n, pass) == p + n)
                n++;
            int r = write_batch(m, c, kind, p, n, pass, err);
            if (r < 0)
                return r;
            p = next_page(m, kind, p + n, pass);
        }
    }
    return 0;
}

static int write_header(struct gw_dirtymap *m, const struct cut *c, unsigned copy,
                        struct gw_error *err)
{
    return gw_dirtymap_header_write(m->file, m->path, copy, &c->header, err);
}

/* What a failed sync left of the pages is not known, whatever it failed of: never tried again. */
static int settle(struct gw_dirtymap *m, struct cut *c, struct gw_error *err)
{
    int r = gw_io_datasync(m->file);
    c->sync_failed = r < 0;
    if (r < 0)
        return gw_error_errno(err, r,
                              "cannot make dirty map %s durable; repair its disk and restart the "
                              "plan",
                              m->path);
    return 0;
}

/* D1, and D3's header before the first cleared bit. */
static int write_first(struct gw_dirtymap *m, struct cut *c, struct gw_error *err)
{
    int r = write_pass(m, c, PASS_SETS, err);
    if (r == 0 && c->header_due && c->header_lost && c->sets)
        r = settle(m, c, err); /* a good header says that every page is there */
    if (r == 0 && c->header_due)
        r = write_header(m, c, c->first_copy, err);
    if (r == 0 && (c->sets || c->header_due))
        r = settle(m, c, err);
    c->header_first = r == 0 && c->header_due;
    return r;
}

static int write_second(struct gw_dirtymap *m, struct cut *c, struct gw_error *err)
{
    int r = write_pass(m, c, PASS_CLEARS, err);
    if (r == 0 && c->header_due)
        r = write_header(m, c, 1 - c->first_copy, err);
    if (r == 0 && (c->clears || c->header_due))
        r = settle(m, c, err);
    return r;
}

static int write_cut(struct gw_dirtymap *m, struct cut *c, struct gw_error *err)
{
    gw_crash_point(m->io, "dirty.before");
    int r = write_first(m, c, err);
    if (r < 0)
        return r;
    gw_crash_point(m->io, "dirty.header");
    r = write_second(m, c, err);
    if (r < 0)
        return r;
    gw_crash_point(m->io, "dirty.after");
    return 0;
}

int gw_dirtymap_persist(struct gw_dirtymap *m, struct gw_error *err)
{
    CLEANUP_FREE uint8_t *buf = malloc(BATCH_PAGES * PAGE);
    if (!buf)
        return gw_error_set(err, -ENOMEM, "out of memory");
    struct cut c = { .buf = buf };
    gw_dirtymap_lock(m);
    int r = cut_take(m, &c, err);
    gw_dirtymap_unlock(m);
    if (r <= 0)
        return r;
    r = write_cut(m, &c, err);
    gw_dirtymap_lock(m);
    cut_end(m, &c, r);
    gw_dirtymap_unlock(m);
    return r;
}
