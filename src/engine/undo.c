// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Appending to, indexing and reading the data of an undo file. Making and removing its directory is
 * in undo_dir.c, the layout of entries in undo_entry.c.
 *
 * Invariants
 *  U1 An entry before a sound mark was durable when the mark was written: a mark is only written
 *     after a datasync of everything before it succeeded. So damage before a mark is damage, and
 *     damage behind the last mark is a write that the crash interrupted, in whatever order the disk
 *     had taken its parts.
 *  U2 What the index of a writable undo file holds was durable when gw_undo_open returned, or is
 *     queued. What open sees may be only in the page cache of a process that was killed before its
 *     datasync, and has() would let the block be overwritten at once.
 *  U3 After a failed write or sync nothing is believed: `failed` is sticky.
 */
#include "engine/undo.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "base/hash.h"
#include "engine/bitmap.h"
#include "engine/bundle.h"
#include "engine/undo_entry.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NOWHERE UINT64_MAX

struct gw_undo {
    struct gw_io *io;
    struct gw_file *data;
    struct gw_path path; /* of data, for sentences */
    bool read_only;
    int failed; /* sticky, a negative errno value */
    struct gw_undo_shape shape;
    struct gw_bitmap *have[GW_VOLUMES_MAX];
    uint64_t blocks;
    uint64_t damaged_at; /* first damage before a mark, or NOWHERE */
    uint64_t end;        /* bytes written */
    bool unsynced;       /* entries were written since the last datasync */
    size_t queued;       /* bytes of `queue` that belong at `end` */
    uint8_t queue[GW_BATCH_BYTES];
};

/* ---- opening --------------------------------------------------------------------------------- */

struct survey {
    struct gw_undo *u;
    uint64_t unsound;   /* first unsound place since the last mark, or NOWHERE */
    uint64_t mark_stop; /* where the last mark ends */
};

static void index_add(struct gw_undo *u, const struct gw_undo_entry *e)
{
    u->blocks += gw_bitmap_set(u->have[e->volume], e->block, 1);
}

static int survey_entry(void *arg, uint64_t offset, const struct gw_undo_entry *e,
                        const uint8_t *content, size_t len, struct gw_error *err)
{
    struct survey *s = arg;
    if (e == NULL) {
        s->unsound = GW_MIN(s->unsound, offset);
        return 0;
    }
    if (e->kind == GW_UNDO_MARK) {
        s->u->damaged_at = GW_MIN(s->u->damaged_at, s->unsound); /* U1 */
        s->unsound = NOWHERE;
        s->mark_stop = offset + gw_undo_entry_bytes(e);
    } else if (s->unsound == NOWHERE) {
        index_add(s->u, e);
    }
    return 0;
}

static int index_entry(void *arg, uint64_t offset, const struct gw_undo_entry *e,
                       const uint8_t *content, size_t len, struct gw_error *err)
{
    if (e != NULL && e->kind == GW_UNDO_BLOCK)
        index_add(arg, e);
    return 0;
}

static int write_mark(struct gw_undo *u)
{
    uint8_t mark[GW_UNDO_ENTRY_MAX];
    size_t n = gw_undo_entry_encode(&u->shape, u->end, GW_UNDO_MARK, 0, u->end, NULL, 0, mark);
    int r = gw_io_pwrite(u->data, mark, n, u->end);
    if (r < 0)
        return r;
    u->end += n;
    return 0;
}

/*
 * Write what no mark vouches for once more. If a datasync of it has failed, the page cache holds it
 * as clean although the disk does not: a datasync alone would now succeed and do nothing.
 */
static int rewrite(struct gw_undo *u, uint64_t from)
{
    int r = 0;
    while (r == 0 && from < u->end) {
        size_t n = (size_t)GW_MIN(u->end - from, (uint64_t)sizeof u->queue);
        r = gw_io_pread(u->data, u->queue, n, from);
        if (r == 0)
            r = gw_io_pwrite(u->data, u->queue, n, from);
        from += n;
    }
    return r;
}

/* Cut the torn tail off and make what stays durable (U2). */
static int settle(struct gw_undo *u, uint64_t size, uint64_t mark_stop, struct gw_error *err)
{
    int r = 0;
    if (u->end < size)
        r = gw_io_truncate(u->data, u->end);
    if (r < 0)
        return gw_error_errno(err, r, "cannot cut the torn tail of %s at %llu", u->path.text,
                              (unsigned long long)u->end);
    r = rewrite(u, mark_stop);
    if (r < 0)
        return gw_error_errno(err, r, "cannot write the end of %s once more", u->path.text);
    r = gw_io_datasync(u->data);
    if (r < 0)
        return gw_error_errno(err, r, "cannot sync %s", u->path.text);
    if (u->end > mark_stop)
        r = write_mark(u);
    if (r < 0)
        return gw_error_errno(err, r, "cannot write %s at %llu", u->path.text,
                              (unsigned long long)u->end);
    return 0;
}

static int survey(struct gw_undo *u, struct gw_error *err)
{
    uint64_t size = 0;
    int r = gw_io_size(u->data, &size);
    if (r < 0)
        return gw_error_errno(err, r, "cannot find the size of %s", u->path.text);
    struct survey s = { .u = u, .unsound = NOWHERE };
    r = gw_undo_walk(u->data, u->path.text, &u->shape, 0, size, survey_entry, &s, err);
    if (r < 0)
        return r;
    u->end = GW_MIN(s.unsound, size);
    if (u->damaged_at != NOWHERE)
        r = gw_undo_walk(u->data, u->path.text, &u->shape, u->damaged_at, u->end, index_entry, u,
                         err);
    if (r == 0 && !u->read_only)
        r = gw_undo_damage(u, err);
    if (r == 0 && !u->read_only)
        r = settle(u, size, s.mark_stop, err);
    return r;
}

static uint64_t seed_of(const struct gw_undo_manifest *m)
{
    uint8_t text[40];
    struct gw_uuid own = gw_lineage_uuid(&m->lineage);
    struct gw_writer w = gw_writer(text, sizeof text);
    gw_put_bytes(&w, m->source.b, sizeof m->source.b);
    gw_put_bytes(&w, own.b, sizeof own.b);
    gw_put_u64(&w, m->wall_ns);
    return gw_hash64(text, sizeof text, 0);
}

static int load_manifest(struct gw_io *io, const char *dir, const char *id,
                         struct gw_undo_manifest *ret, struct gw_error *err)
{
    CLEANUP_FREE uint8_t *buf = NULL;
    size_t len = 0;
    int r = gw_bundle_read(io, dir, "undo", id, GW_UNDO_MAGIC, GW_UNDO_MANIFEST_BYTES_MAX, &buf,
                           &len, err);
    if (r < 0)
        return r;
    if (!gw_undo_manifest_decode(buf, len, ret))
        return gw_error_set(err, -EBADMSG,
                            "%s/undo/%s/manifest has fields that cannot be: it was not written by "
                            "this godwit; restore it from a backup, or remove the undo file",
                            dir, id);
    return 0;
}

static struct gw_undo *undo_new(struct gw_io *io, const struct gw_undo_manifest *m, bool read_only)
{
    struct gw_undo *u = calloc(1, sizeof *u);
    if (u == NULL)
        return NULL;
    u->io = io;
    u->read_only = read_only;
    u->damaged_at = NOWHERE;
    u->shape.seed = seed_of(m);
    u->shape.n_volumes = m->n_volumes;
    for (uint32_t i = 0; i < m->n_volumes; i++) {
        uint64_t bytes = m->volume[i].bytes;
        u->shape.volume_bytes[i] = bytes;
        u->have[i] = gw_bitmap_new((bytes + GW_BLOCK_BYTES - 1) / GW_BLOCK_BYTES);
    }
    return u;
}

static void cleanup_undo(struct gw_undo **u)
{
    gw_undo_close(*u);
}

int gw_undo_open(struct gw_io *io, const char *dir, const char *id, bool read_only,
                 struct gw_undo **ret, struct gw_undo_manifest *ret_manifest, struct gw_error *err)
{
    CLEANUP_FREE struct gw_undo_manifest *m = calloc(1, sizeof *m);
    if (m == NULL)
        return gw_error_errno(err, -ENOMEM, "cannot open undo file %s", id);
    int r = gw_bundle_id_check("an undo file", id, err);
    if (r < 0)
        return r;
    r = load_manifest(io, dir, id, m, err);
    if (r < 0)
        return r;
    __attribute__((cleanup(cleanup_undo))) struct gw_undo *u = undo_new(io, m, read_only);
    if (u == NULL)
        return gw_error_errno(err, -ENOMEM, "cannot open undo file %s", id);
    r = gw_path(&u->path, err, "%s/undo/%s/data", dir, id);
    if (r < 0)
        return r;
    r = gw_io_open(io, u->path.text, read_only ? GW_OPEN_RDONLY : 0, &u->data);
    if (r < 0)
        return gw_error_errno(err, r, "cannot open undo file %s", u->path.text);
    r = survey(u, err);
    if (r < 0)
        return r;
    if (ret_manifest != NULL)
        *ret_manifest = *m;
    *ret = u;
    u = NULL;
    return 0;
}

void gw_undo_close(struct gw_undo *u)
{
    if (u == NULL)
        return;
    gw_file_close(u->data);
    for (unsigned i = 0; i < GW_VOLUMES_MAX; i++)
        gw_bitmap_free(u->have[i]);
    free(u);
}

int gw_undo_damage(const struct gw_undo *u, struct gw_error *err)
{
    if (u->damaged_at == NOWHERE)
        return 0;
    return gw_error_set(err, -EBADMSG,
                        "%s is damaged at %llu (checksum mismatch): at least one old block is "
                        "lost%s",
                        u->path.text, (unsigned long long)u->damaged_at,
                        u->read_only ? "; what is sound can still be read and exported" : "");
}

int gw_undo_way_out(const char *site, const char *peer, struct gw_error *err)
{
    if (err->code != -EBADMSG && err->code != -ENOENT && err->code != -EIO)
        return err->code; /* the file is not lost */
    struct gw_error cause = *err;
    return gw_error_set(
        err, cause.code,
        "%s; the resync can neither go on nor be rolled back: restore the file from a backup, or "
        "export what is sound (godwit-ctl divergence export), move the plan directory away and "
        "make it anew over its volumes (godwit-ctl create DIR --standby --adopt-data --site %s "
        "--like FILE --volume NAME=PATH; FILE: godwit-ctl describe at %s)",
        cause.msg, site, peer);
}

/* ---- appending ------------------------------------------------------------------------------- */

static int refuse_failed(const struct gw_undo *u, struct gw_error *err)
{
    return gw_error_errno(err, u->failed,
                          "%s failed earlier, so nothing may be overwritten; the resync has to "
                          "start again once the cause is gone",
                          u->path.text);
}

static int flush(struct gw_undo *u, struct gw_error *err)
{
    int r = gw_io_pwrite(u->data, u->queue, u->queued, u->end);
    if (r < 0) {
        u->failed = r;
        return gw_error_errno(err, r, "cannot write %s at %llu", u->path.text,
                              (unsigned long long)u->end);
    }
    u->end += u->queued;
    u->queued = 0;
    u->unsynced = true;
    return 0;
}

bool gw_undo_has(const struct gw_undo *u, unsigned volume, uint64_t block)
{
    return volume < u->shape.n_volumes && gw_bitmap_test(u->have[volume], block);
}

int gw_undo_save(struct gw_undo *u, unsigned volume, uint64_t block, const uint8_t *content,
                 size_t len, struct gw_error *err)
{
    if (u->failed < 0)
        return refuse_failed(u, err);
    if (u->read_only)
        return gw_error_set(err, -EROFS, "%s is open for reading only", u->path.text);
    size_t full = gw_undo_block_bytes(&u->shape, volume, block);
    if (full == 0 || len != full)
        return gw_error_set(err, -EINVAL,
                            "block %llu of volume %u with %zu bytes does not belong in %s",
                            (unsigned long long)block, volume, len, u->path.text);
    if (gw_undo_has(u, volume, block))
        return 0; /* first image wins (R16) */
    if (u->queued + GW_UNDO_ENTRY_MAX > sizeof u->queue) {
        int r = flush(u, err);
        if (r < 0)
            return r;
    }
    u->queued += gw_undo_entry_encode(&u->shape, u->end + u->queued, GW_UNDO_BLOCK, volume, block,
                                      content, len, u->queue + u->queued);
    gw_bitmap_set(u->have[volume], block, 1);
    u->blocks++;
    return 0;
}

int gw_undo_sync(struct gw_undo *u, struct gw_error *err)
{
    if (u->failed < 0)
        return refuse_failed(u, err);
    /* A mark alone need not be durable: it only speaks of what is before it. */
    if (u->queued == 0 && !u->unsynced)
        return 0;
    gw_crash_point(u->io, "undo.sync.before");
    int r = u->queued > 0 ? flush(u, err) : 0;
    if (r < 0)
        return r;
    r = gw_io_datasync(u->data);
    if (r < 0) {
        u->failed = r;
        return gw_error_errno(err, r, "cannot sync %s", u->path.text);
    }
    u->unsynced = false;
    gw_crash_point(u->io, "undo.sync.after");
    /* What was asked for is durable. If the mark cannot be written, the next one is told (U3). */
    u->failed = write_mark(u);
    return 0;
}

/* ---- reading --------------------------------------------------------------------------------- */

uint64_t gw_undo_blocks(const struct gw_undo *u)
{
    return u->blocks;
}

uint64_t gw_undo_file_bytes(const struct gw_undo *u)
{
    return u->end + u->queued;
}

struct each {
    int (*fn)(void *arg, unsigned volume, uint64_t block, const uint8_t *content, size_t len,
              struct gw_error *err);
    void *arg;
    uint64_t unsound; /* first place that is not sound, or NOWHERE */
};

static int each_entry(void *arg, uint64_t offset, const struct gw_undo_entry *e,
                      const uint8_t *content, size_t len, struct gw_error *err)
{
    struct each *each = arg;
    if (e == NULL)
        each->unsound = GW_MIN(each->unsound, offset);
    else if (e->kind == GW_UNDO_BLOCK)
        return each->fn(each->arg, e->volume, e->block, content, len, err);
    return 0;
}

int gw_undo_each(struct gw_undo *u,
                 int (*fn)(void *arg, unsigned volume, uint64_t block, const uint8_t *content,
                           size_t len, struct gw_error *err),
                 void *arg, struct gw_error *err)
{
    if (u->failed < 0)
        return refuse_failed(u, err);
    int r = u->queued > 0 ? flush(u, err) : 0;
    if (r < 0)
        return r;
    struct each each = { .fn = fn, .arg = arg, .unsound = NOWHERE };
    r = gw_undo_walk(u->data, u->path.text, &u->shape, 0, u->end, each_entry, &each, err);
    if (r != 0 || each.unsound == NOWHERE)
        return r;
    u->damaged_at = GW_MIN(u->damaged_at, each.unsound);
    return gw_undo_damage(u, err);
}
