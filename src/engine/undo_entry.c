// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "engine/undo_entry.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/cleanup.h"
#include "base/hash.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define ENTRY_MAGIC 0x31555747u /* "GWU1" */
#define WINDOW_BYTES GW_BATCH_BYTES

static_assert(WINDOW_BYTES >= GW_UNDO_ENTRY_MAX, "an entry fits the window");

static const uint8_t zeros[GW_BLOCK_BYTES];

size_t gw_undo_block_bytes(const struct gw_undo_shape *shape, unsigned volume, uint64_t block)
{
    if (volume >= shape->n_volumes || block > GW_VOLUME_BYTES_MAX / GW_BLOCK_BYTES)
        return 0;
    uint64_t bytes = shape->volume_bytes[volume], start = block * GW_BLOCK_BYTES;
    return start >= bytes ? 0 : (size_t)GW_MIN(bytes - start, (uint64_t)GW_BLOCK_BYTES);
}

size_t gw_undo_entry_encode(const struct gw_undo_shape *shape, uint64_t offset,
                            enum gw_undo_kind kind, unsigned volume, uint64_t block,
                            const uint8_t *content, size_t len, uint8_t *ret)
{
    assert(len <= GW_BLOCK_BYTES && volume <= UINT16_MAX);
    size_t stored = len > 0 && memcmp(content, zeros, len) != 0 ? len : 0;
    struct gw_writer w = gw_writer(ret, GW_UNDO_ENTRY_MAX);
    gw_put_u32(&w, ENTRY_MAGIC);
    gw_put_u16(&w, (uint16_t)volume);
    gw_put_u16(&w, (uint16_t)kind);
    gw_put_u32(&w, (uint32_t)stored);
    gw_put_u32(&w, 0);
    gw_put_u64(&w, block);
    gw_put_u64(&w, gw_hash64(content, stored, block));
    gw_put_u64(&w, gw_hash64(ret, GW_UNDO_ENTRY_BYTES - 8, shape->seed + offset));
    gw_put_bytes(&w, content, stored);
    gw_put_zeros_to(&w, (w.pos + 7) & ~(size_t)7);
    assert(!w.failed);
    return w.pos;
}

static bool header_decode(const struct gw_undo_shape *shape, uint64_t offset, const uint8_t *data,
                          struct gw_undo_entry *ret)
{
    struct gw_reader r = gw_reader(data, GW_UNDO_ENTRY_BYTES);
    if (gw_get_u32(&r) != ENTRY_MAGIC)
        return false;
    struct gw_undo_entry e = { .volume = gw_get_u16(&r) };
    uint16_t kind = gw_get_u16(&r);
    e.content_bytes = gw_get_u32(&r);
    uint32_t pad = gw_get_u32(&r);
    e.block = gw_get_u64(&r);
    e.content_hash = gw_get_u64(&r);
    if (gw_get_u64(&r) != gw_hash64(data, GW_UNDO_ENTRY_BYTES - 8, shape->seed + offset) ||
        pad != 0 || kind > GW_UNDO_MARK)
        return false;
    e.kind = (enum gw_undo_kind)kind;
    if (e.kind == GW_UNDO_MARK) {
        if (e.volume != 0 || e.content_bytes != 0 || e.block != offset)
            return false;
    } else {
        size_t full = gw_undo_block_bytes(shape, e.volume, e.block);
        if (full == 0 || (e.content_bytes != 0 && e.content_bytes != full))
            return false;
    }
    *ret = e;
    return true;
}

/* ---- walking --------------------------------------------------------------------------------- */

/* A stretch of the file in memory, moved forward as the walk goes. */
struct window {
    struct gw_file *f;
    const char *path;
    uint64_t end; /* of the walk */
    uint64_t start;
    size_t len;
    uint8_t *data;
};

/* *ret = n bytes at off, or NULL past the end. */
static int window_view(struct window *w, uint64_t off, uint64_t n, const uint8_t **ret,
                       struct gw_error *err)
{
    *ret = NULL;
    if (off > w->end || n > w->end - off)
        return 0;
    if (off < w->start || off + n > w->start + w->len) {
        size_t len = (size_t)GW_MIN(w->end - off, (uint64_t)WINDOW_BYTES);
        w->len = 0;
        int r = gw_io_pread(w->f, w->data, len, off);
        if (r < 0)
            return gw_error_errno(err, r, "cannot read %s at %llu", w->path,
                                  (unsigned long long)off);
        w->start = off;
        w->len = len;
    }
    *ret = w->data + (off - w->start);
    return 0;
}

/* 1 if there is a sound entry at off, 0 if not, or the error of a read. *ret_content is the content
 * as it was saved; NULL for a mark. */
static int look(struct window *w, const struct gw_undo_shape *shape, uint64_t off,
                struct gw_undo_entry *ret, const uint8_t **ret_content, struct gw_error *err)
{
    const uint8_t *data;
    int r = window_view(w, off, GW_UNDO_ENTRY_BYTES, &data, err);
    if (r < 0)
        return r;
    if (data == NULL || !header_decode(shape, off, data, ret))
        return 0;
    r = window_view(w, off, gw_undo_entry_bytes(ret), &data, err);
    if (r < 0)
        return r;
    if (data == NULL)
        return 0;
    data += GW_UNDO_ENTRY_BYTES;
    if (gw_hash64(data, ret->content_bytes, ret->block) != ret->content_hash)
        return 0;
    *ret_content = ret->kind == GW_UNDO_MARK ? NULL : ret->content_bytes == 0 ? zeros : data;
    return 1;
}

/* The next offset after damage at off where a sound header is, or the end. */
static int find_next(struct window *w, const struct gw_undo_shape *shape, uint64_t off,
                     uint64_t *ret, struct gw_error *err)
{
    /* All entries begin at multiples of 8. Seeds that depend on file and offset keep the content
     * of a block, which may be an undo file of a machine inside a volume, from passing as ours. */
    for (off += 8; off + GW_UNDO_ENTRY_BYTES <= w->end; off += 8) {
        struct gw_undo_entry e;
        const uint8_t *data;
        int r = window_view(w, off, GW_UNDO_ENTRY_BYTES, &data, err);
        if (r < 0)
            return r;
        if (data != NULL && header_decode(shape, off, data, &e)) {
            *ret = off;
            return 0;
        }
    }
    *ret = w->end;
    return 0;
}

int gw_undo_walk(struct gw_file *f, const char *path, const struct gw_undo_shape *shape,
                 uint64_t from, uint64_t end, gw_undo_walk_fn *fn, void *arg, struct gw_error *err)
{
    CLEANUP_FREE uint8_t *memory = malloc(WINDOW_BYTES);
    if (memory == NULL)
        return gw_error_errno(err, -ENOMEM, "cannot read %s", path);
    struct window w = { .f = f, .path = path, .end = end, .data = memory };
    uint64_t off = from;
    while (off < end) {
        struct gw_undo_entry e = { 0 };
        const uint8_t *content = NULL;
        int r = look(&w, shape, off, &e, &content, err);
        if (r < 0)
            return r;
        size_t len = e.kind == GW_UNDO_MARK ? 0 : gw_undo_block_bytes(shape, e.volume, e.block);
        bool sound = r == 1;
        uint64_t next = off + gw_undo_entry_bytes(&e);
        r = sound ? fn(arg, off, &e, content, len, err) : fn(arg, off, NULL, NULL, 0, err);
        if (r == 0 && !sound)
            r = find_next(&w, shape, off, &next, err);
        if (r != 0)
            return r;
        off = next;
    }
    return 0;
}
