// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The file of a dirty map: create, load, and a copy of the present set. */
#include "engine/dirtymap_internal.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "engine/sync_parent.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE GW_DIRTYMAP_PAGE_BYTES
#define LOAD_PAGES 32u

uint64_t gw_dirtymap_file_bytes(const struct gw_dirtymap *m)
{
    const struct gw_dirtymap_kind *last = &m->kind[GW_MAP_COARSE];
    return (last->first_page + gw_bitmap_pages(last->bits)) * PAGE;
}

int gw_dirtymap_write_error(struct gw_error *err, int code, const char *path, uint64_t off)
{
    return gw_error_errno(err, code,
                          gw_no_room(code)
                              ? "cannot write dirty map %s at %llu; free space on its disk"
                              : "cannot write dirty map %s at %llu; repair its disk and restart "
                                "the plan",
                          path, (unsigned long long)off);
}

int gw_dirtymap_header_write(struct gw_file *file, const char *path, unsigned copy,
                             const struct gw_dirtymap_header *h, struct gw_error *err)
{
    uint8_t page[PAGE];
    gw_dirtymap_header_encode(h, page);
    int r = gw_io_pwrite(file, page, sizeof page, (uint64_t)copy * PAGE);
    return r < 0 ? gw_dirtymap_write_error(err, r, path, (uint64_t)copy * PAGE) : 0;
}

static int check_bytes(uint64_t bytes, struct gw_error *err)
{
    if (bytes == 0 || bytes > GW_VOLUME_BYTES_MAX)
        return gw_error_set(err, -EINVAL, "a volume of %llu bytes cannot have a dirty map",
                            (unsigned long long)bytes);
    return 0;
}

/* ---- create ---------------------------------------------------------------------------------- */

/* The first page with a bit, from p on; UINT64_MAX: none. */
static uint64_t next_page(const struct gw_dirtymap *m, int kind, uint64_t p)
{
    uint64_t from = p * GW_BITMAP_PAGE_BITS;
    uint64_t bit = gw_bitmap_next(m->kind[kind].bits, from);
    if (kind == GW_MAP_FINE)
        bit = GW_MIN(bit, gw_bitmap_next(m->flight, from));
    return bit == UINT64_MAX ? bit : bit / GW_BITMAP_PAGE_BITS;
}

/* Full size from the start: a file that is shorter was cut, and its missing pages are no zeros. */
static int write_whole(const struct gw_dirtymap *m, struct gw_file *file, const char *path,
                       struct gw_error *err)
{
    int r = gw_io_truncate(file, gw_dirtymap_file_bytes(m));
    if (r < 0)
        return gw_error_errno(err, r, "cannot set the size of dirty map %s", path);
    for (int k = 0; k < 2; k++) {
        uint64_t p = next_page(m, k, 0);
        for (; p != UINT64_MAX; p = next_page(m, k, p + 1)) {
            uint8_t page[PAGE];
            gw_dirtymap_get_page(m, k, p, gw_dirtymap_page_bits(page));
            gw_dirtymap_page_seal(page, k, p, &m->volume);
            uint64_t off = (m->kind[k].first_page + p) * PAGE;
            r = gw_io_pwrite(file, page, sizeof page, off);
            if (r < 0)
                return gw_dirtymap_write_error(err, r, path, off);
        }
    }
    const struct gw_dirtymap_header h = { .generation = 1,
                                          .volume = m->volume,
                                          .bytes = m->bytes,
                                          .cleared_uuid = m->cleared_uuid,
                                          .cleared_seq = m->cleared_seq };
    for (unsigned copy = 0; copy < GW_DIRTYMAP_HEADERS; copy++) {
        r = gw_dirtymap_header_write(file, path, copy, &h, err);
        if (r < 0)
            return r;
    }
    r = gw_io_datasync(file);
    return r < 0 ? gw_error_errno(err, r, "cannot make dirty map %s durable", path) : 0;
}

static int create_whole(const struct gw_dirtymap *m, struct gw_io *io, const char *path,
                        struct gw_error *err)
{
    CLEANUP_FILE struct gw_file *file = NULL;
    int r = gw_io_open(io, path, GW_OPEN_CREATE | GW_OPEN_EXCL, &file);
    if (r < 0)
        return gw_error_errno(err, r, "cannot create dirty map %s", path);
    r = write_whole(m, file, path, err);
    if (r < 0)
        gw_io_unlink(io, path);
    return r;
}

static int sync_name(struct gw_io *io, const char *path, struct gw_error *err)
{
    int r = gw_io_sync_parent(io, path);
    return r < 0 ? gw_error_errno(err, r, "cannot make the name %s durable", path) : 0;
}

int gw_dirtymap_create(struct gw_io *io, const char *path, const struct gw_uuid *volume,
                       uint64_t bytes, struct gw_error *err)
{
    int r = check_bytes(bytes, err);
    if (r < 0)
        return r;
    struct gw_dirtymap *m = gw_dirtymap_alloc(volume, bytes);
    r = create_whole(m, io, path, err);
    gw_dirtymap_close(m);
    return r < 0 ? r : sync_name(io, path, err);
}

/* Half a copy would be a subset: the name appears when the content is durable. */
int gw_dirtymap_save_copy(const struct gw_dirtymap *m, struct gw_io *io, const char *path,
                          struct gw_error *err)
{
    struct gw_file *there;
    int r = gw_io_open(io, path, GW_OPEN_RDONLY, &there);
    if (r == 0) {
        gw_file_close(there);
        return gw_error_set(err, -EEXIST, "the copy %s of a dirty map is there already", path);
    }
    if (r != -ENOENT)
        return gw_error_errno(err, r, "cannot look for %s", path);
    CLEANUP_FREE char *temp = NULL;
    if (asprintf(&temp, "%s.tmp", path) < 0)
        return gw_error_set(err, -ENOMEM, "out of memory");
    r = gw_io_unlink(io, temp); /* left by a crash */
    if (r < 0 && r != -ENOENT)
        return gw_error_errno(err, r, "cannot remove %s", temp);
    r = create_whole(m, io, temp, err);
    if (r < 0)
        return r;
    r = gw_io_rename(io, temp, path);
    if (r < 0) {
        gw_error_errno(err, r, "cannot rename %s to %s", temp, path);
        gw_io_unlink(io, temp);
        return r;
    }
    return sync_name(io, path, err);
}

/* ---- load ------------------------------------------------------------------------------------ */

static int load_header(struct gw_dirtymap *m, unsigned copy, struct gw_dirtymap_header *ret,
                       struct gw_error *err)
{
    uint8_t page[PAGE];
    int r = gw_io_pread(m->file, page, sizeof page, (uint64_t)copy * PAGE);
    if (r == -EIO)
        return 0; /* an unreadable copy is a damaged one */
    if (r < 0)
        return gw_error_errno(err, r, "cannot read header %u", copy);
    r = gw_dirtymap_header_decode(page, ret, err);
    if (r == 1 && gw_uuid_equal(&ret->volume, &m->volume) && ret->bytes < m->bytes)
        m->smaller = ret->bytes; /* the volume grew, and a crash came before its map did */
    else if (r == 1 && (!gw_uuid_equal(&ret->volume, &m->volume) || ret->bytes != m->bytes))
        return gw_error_set(err, -EINVAL,
                            "it belongs to another volume, or to one of another size (%llu bytes, "
                            "not %llu); put the right file back",
                            (unsigned long long)ret->bytes, (unsigned long long)m->bytes);
    return r;
}

/*
 * Both copies hold the same generation when all is quiet; a store writes one, syncs, and only then
 * clears bits and writes the other. So a single bad copy never hides a newer cleared-through under
 * which bits were cleared (D3), whichever of the two it is.
 */
static int load_headers(struct gw_dirtymap *m, struct gw_error *err)
{
    struct gw_dirtymap_header h[GW_DIRTYMAP_HEADERS];
    int good[GW_DIRTYMAP_HEADERS];
    for (unsigned i = 0; i < GW_DIRTYMAP_HEADERS; i++) {
        good[i] = load_header(m, i, &h[i], err);
        if (good[i] < 0)
            return good[i];
    }
    if (!good[0] && !good[1]) {
        m->header_lost = true;
        return 0;
    }
    m->good = good[0] && (!good[1] || h[0].generation >= h[1].generation) ? 0 : 1;
    m->generation = h[m->good].generation;
    m->cleared_uuid = h[m->good].cleared_uuid;
    m->cleared_seq = h[m->good].cleared_seq;
    m->header_due = !good[0] || !good[1] || h[0].generation != h[1].generation;
    return 0;
}

/* Both headers go first, durably: until everything is set anew, the pair is a damaged one. */
static int regrow(struct gw_dirtymap *m, struct gw_error *err)
{
    static const uint8_t zeros[GW_DIRTYMAP_HEADERS * PAGE];
    int r = gw_io_pwrite(m->file, zeros, sizeof zeros, 0);
    if (r == 0)
        r = gw_io_datasync(m->file);
    if (r == 0)
        r = gw_io_truncate(m->file, gw_dirtymap_file_bytes(m));
    return r < 0 ? gw_error_errno(err, r, "it was cut short and cannot be restored") : 0;
}

static int load_size(struct gw_dirtymap *m, uint64_t *damaged, struct gw_error *err)
{
    uint64_t size, want = gw_dirtymap_file_bytes(m);
    int r = gw_io_size(m->file, &size);
    if (r < 0)
        return gw_error_errno(err, r, "cannot get its size");
    if (size < want) {
        *damaged += (want - size) / PAGE + ((want - size) % PAGE != 0);
        m->header_lost = true;
        if (!m->read_only)
            r = regrow(m, err);
    } else if (m->header_lost) {
        *damaged += GW_DIRTYMAP_HEADERS;
    }
    if (r == 0 && m->header_lost) {
        m->cleared_uuid = (struct gw_uuid){ { 0 } };
        m->cleared_seq = 0;
        m->header_due = true;
        gw_dirtymap_mark_all_coarse(m); /* R20 */
    }
    return r;
}

static void load_page(struct gw_dirtymap *m, int kind, uint64_t p, uint8_t *page, bool readable,
                      uint64_t *damaged)
{
    enum gw_dirtymap_seen seen =
        readable ? gw_dirtymap_page_check(page, kind, p, &m->volume) : GW_DIRTYMAP_BAD;
    switch (seen) {
    case GW_DIRTYMAP_CLEAR:
        break;
    case GW_DIRTYMAP_GOOD:
        gw_bitmap_page_or(m->kind[kind].bits, p, gw_dirtymap_page_bits(page));
        break;
    case GW_DIRTYMAP_BAD: /* D4 */
        gw_dirtymap_mark_page(m, kind, p);
        ++*damaged;
        break;
    }
}

/* Pages [p, p + n), n <= LOAD_PAGES. Where a read of all fails, each has its own chance. */
static int load_pages(struct gw_dirtymap *m, int kind, uint64_t p, uint64_t n, uint8_t *buf,
                      uint64_t *damaged, struct gw_error *err)
{
    uint64_t off = (m->kind[kind].first_page + p) * PAGE;
    int all = gw_io_pread(m->file, buf, n * PAGE, off);
    for (uint64_t i = 0; i < n; i++) {
        int r = all;
        if (all < 0)
            r = gw_io_pread(m->file, buf + i * PAGE, PAGE, off + i * PAGE);
        if (r < 0 && r != -EIO)
            return gw_error_errno(err, r, "cannot read page %llu", (unsigned long long)(p + i));
        load_page(m, kind, p + i, buf + i * PAGE, r == 0, damaged);
    }
    return 0;
}

/* Only where the file holds data: a hole is all clear. */
static int load_kind(struct gw_dirtymap *m, int kind, uint64_t *damaged, struct gw_error *err)
{
    CLEANUP_FREE uint8_t *buf = malloc(LOAD_PAGES * PAGE);
    if (!buf)
        return gw_error_set(err, -ENOMEM, "out of memory");
    uint64_t base = m->kind[kind].first_page * PAGE;
    uint64_t end = base + gw_bitmap_pages(m->kind[kind].bits) * PAGE;
    for (uint64_t at = base; at < end;) {
        uint64_t start, stop;
        int r = gw_io_next_data(m->file, at, end, &start, &stop);
        if (r < 0)
            return gw_error_errno(err, r, "cannot find its data");
        if (start >= end)
            break;
        uint64_t p = (GW_MAX(start, at) - base) / PAGE;
        uint64_t last = (GW_MIN(stop, end) - base + PAGE - 1) / PAGE;
        for (uint64_t n; p < last; p += n) {
            n = GW_MIN(last - p, (uint64_t)LOAD_PAGES);
            r = load_pages(m, kind, p, n, buf, damaged, err);
            if (r < 0)
                return r;
        }
        at = base + last * PAGE;
    }
    return 0;
}

static int load(struct gw_dirtymap *m, uint64_t *damaged, struct gw_error *err)
{
    int r = gw_io_open(m->io, m->path, m->read_only ? GW_OPEN_RDONLY : 0, &m->file);
    if (r < 0)
        return gw_error_errno(err, r,
                              "without it nobody knows what differs; restore the file, or make the "
                              "replica anew");
    /* What is seen may be only page cache of a process that died: D1 holds from here. */
    if (!m->read_only)
        r = gw_io_datasync(m->file);
    if (r < 0)
        return gw_error_errno(err, r, "cannot make it durable");
    r = load_headers(m, err);
    if (r < 0 || m->smaller > 0)
        return r;
    r = load_size(m, damaged, err);
    for (int k = 0; r == 0 && k < 2; k++)
        r = load_kind(m, k, damaged, err);
    return r;
}

int gw_dirtymap_open(struct gw_io *io, const char *path, const struct gw_uuid *volume,
                     uint64_t bytes, bool read_only, pthread_mutex_t *lock,
                     struct gw_dirtymap **ret, uint64_t *ret_damaged, struct gw_error *err)
{
    int r = check_bytes(bytes, err);
    if (r < 0)
        return r;
    struct gw_dirtymap *m = gw_dirtymap_alloc(volume, bytes);
    uint64_t damaged = 0;
    m->io = io;
    m->lock = lock;
    m->read_only = read_only;
    m->path = strdup(path);
    r = m->path ? load(m, &damaged, err) : gw_error_set(err, -ENOMEM, "out of memory");
    uint64_t smaller = m->smaller;
    if (r == 0 && smaller > 0) {
        gw_dirtymap_close(m);
        r = gw_dirtymap_open(io, path, volume, smaller, read_only, lock, &m, &damaged, err);
        if (r < 0)
            return r;
        r = gw_dirtymap_grow(m, bytes, err);
    }
    if (r < 0) {
        gw_error_wrap(err, "cannot open dirty map %s", path);
        gw_dirtymap_close(m);
        return r;
    }
    *ret = m;
    if (ret_damaged)
        *ret_damaged = damaged;
    return 0;
}

/* ---- growing --------------------------------------------------------------------------------- */

static void copy_bits(struct gw_bitmap *to, const struct gw_bitmap *from)
{
    for (uint64_t p = 0; p < gw_bitmap_pages(from); p++) {
        const uint8_t *bits = gw_bitmap_page(from, p);
        if (bits != NULL)
            gw_bitmap_page_or(to, p, bits);
    }
}

static int replace_file(struct gw_dirtymap *m, struct gw_dirtymap *grown, struct gw_error *err)
{
    CLEANUP_FREE char *temp = NULL;
    if (asprintf(&temp, "%s.tmp", m->path) < 0)
        return gw_error_set(err, -ENOMEM, "out of memory");
    int r = gw_io_unlink(m->io, temp); /* left by a crash */
    if (r < 0 && r != -ENOENT)
        return gw_error_errno(err, r, "cannot remove %s", temp);
    r = create_whole(grown, m->io, temp, err);
    if (r < 0)
        return r;
    r = gw_io_rename(m->io, temp, m->path);
    if (r < 0)
        return gw_error_errno(err, r, "cannot rename %s to %s", temp, m->path);
    r = sync_name(m->io, m->path, err);
    if (r < 0)
        return r;
    r = gw_io_open(m->io, m->path, 0, &grown->file);
    return r < 0 ? gw_error_errno(err, r, "cannot open dirty map %s", m->path) : 0;
}

int gw_dirtymap_grow(struct gw_dirtymap *m, uint64_t bytes, struct gw_error *err)
{
    assert(bytes >= m->bytes && !m->persisting && gw_bitmap_count(m->flight) == 0 &&
           m->owed_total == 0);
    if (m->failed < 0)
        return gw_error_errno(err, m->failed, "dirty map %s failed before", m->path);
    struct gw_dirtymap *grown = gw_dirtymap_alloc(&m->volume, bytes);
    for (int k = 0; k < 2; k++)
        copy_bits(grown->kind[k].bits, m->kind[k].bits);
    grown->io = m->io;
    grown->lock = m->lock;
    grown->read_only = m->read_only;
    grown->cleared_uuid = m->cleared_uuid;
    grown->cleared_seq = m->cleared_seq;
    grown->generation = 1;
    int r = m->read_only ? 0 : replace_file(m, grown, err);
    if (r == 0) { /* the object stays where it is: others hold its address */
        struct gw_dirtymap old = *m;
        *m = *grown;
        *grown = old;
        m->path = old.path;
        grown->path = NULL;
    }
    gw_dirtymap_close(grown);
    return r;
}
