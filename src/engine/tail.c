// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "engine/tail.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "engine/bitmap.h"
#include "engine/bundle.h"
#include "engine/dirtymap.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What both finding and exporting hold open. */
struct work {
    struct gw_undo *undo;
    struct gw_undo_manifest m;
    struct gw_bitmap *tail[GW_VOLUMES_MAX]; /* blocks of the tail */
    struct gw_dirtymap *own[GW_VOLUMES_MAX];
    struct gw_dirtymap *exact[GW_VOLUMES_MAX]; /* what an assess found; of all volumes or of none */
    struct gw_file *const *volumes;            /* finding: what they hold now */
    struct gw_file *out[GW_VOLUMES_MAX];
    uint64_t written; /* exporting: blocks */
};

static void work_free(struct work *w)
{
    if (w == NULL)
        return;
    for (unsigned i = 0; i < GW_VOLUMES_MAX; i++) {
        gw_bitmap_free(w->tail[i]);
        if (w->own[i] != NULL)
            gw_dirtymap_close(w->own[i]);
        if (w->exact[i] != NULL)
            gw_dirtymap_close(w->exact[i]);
        gw_file_close(w->out[i]);
    }
    gw_undo_close(w->undo);
    free(w);
}

static void cleanup_work(struct work **w)
{
    work_free(*w);
}
#define CLEANUP_WORK __attribute__((cleanup(cleanup_work)))

static int work_open(struct gw_io *io, const char *dir, const char *id, struct work **ret,
                     struct gw_error *err)
{
    CLEANUP_WORK struct work *w = calloc(1, sizeof *w);
    if (w == NULL) {
        gw_error_errno(err, -ENOMEM, "cannot look at the tail in undo file %s", id);
        return -ENOMEM;
    }
    int r = gw_undo_open(io, dir, id, true, &w->undo, &w->m, err);
    if (r < 0)
        return r;
    for (uint32_t i = 0; i < w->m.n_volumes; i++)
        w->tail[i] = gw_bitmap_new((w->m.volume[i].bytes + GW_BLOCK_BYTES - 1) / GW_BLOCK_BYTES);
    *ret = w;
    w = NULL;
    return 0;
}

/* ---- finding --------------------------------------------------------------------------------- */

/* One set of this side that lies beside the undo file; *ret NULL: not there. */
static int open_set(struct gw_io *io, const char *dir, const char *id, const char *name,
                    const struct work *w, uint32_t i, struct gw_dirtymap **ret, uint64_t *damaged,
                    struct gw_error *err)
{
    struct gw_path path;
    int r = gw_path(&path, err, "%s/undo/%s/%s-%u", dir, id, name, i);
    if (r < 0)
        return r;
    r = gw_file_exists(io, path.text);
    if (r == 0)
        return 0;
    if (r < 0)
        return gw_error_errno(err, r, "cannot look at %s", path.text);
    return gw_dirtymap_open(io, path.text, &w->m.volume[i].uuid, w->m.volume[i].bytes, true, NULL,
                            ret, damaged, err);
}

/* own-<i>: not there, all may be its own. tail-<i>: used only if all are there and sound. */
static int open_sets(struct gw_io *io, const char *dir, const char *id, struct work *w,
                     struct gw_error *err)
{
    bool exact = true;
    for (uint32_t i = 0; i < w->m.n_volumes; i++) {
        uint64_t damaged = 0;
        if (gw_slot_is_empty(&w->m.volume[i])) {
            w->own[i] = gw_dirtymap_none();
            w->exact[i] = gw_dirtymap_none();
            continue;
        }
        int r = open_set(io, dir, id, "own", w, i, &w->own[i], NULL, err);
        if (r == 0)
            r = open_set(io, dir, id, "tail", w, i, &w->exact[i], &damaged, err);
        if (r < 0)
            return r;
        exact = exact && w->exact[i] != NULL && damaged == 0;
    }
    for (uint32_t i = 0; !exact && i < w->m.n_volumes; i++) {
        if (w->exact[i] != NULL)
            gw_dirtymap_close(w->exact[i]);
        w->exact[i] = NULL;
    }
    return 0;
}

static bool is_own(const struct work *w, unsigned volume, uint64_t block)
{
    const struct gw_dirtymap *own = w->own[volume];
    return own == NULL || gw_bitmap_test(gw_dirtymap_fine(own), block) ||
           gw_bitmap_test(gw_dirtymap_coarse(own), block / GW_BLOCKS_PER_EXTENT);
}

static int find_block(void *arg, unsigned volume, uint64_t block, const uint8_t *content,
                      size_t len, struct gw_error *err)
{
    struct work *w = arg;
    if (w->exact[volume] != NULL) {
        if (gw_bitmap_test(gw_dirtymap_fine(w->exact[volume]), block))
            gw_bitmap_set(w->tail[volume], block, 1);
        return 0;
    }
    if (!is_own(w, volume, block))
        return 0;
    if (w->volumes[volume] == NULL) { /* removed since: what it holds is not known here */
        gw_bitmap_set(w->tail[volume], block, 1);
        return 0;
    }
    uint8_t now[GW_BLOCK_BYTES];
    int r = gw_io_pread(w->volumes[volume], now, len, block * GW_BLOCK_BYTES);
    if (r < 0)
        return gw_error_errno(err, r, "cannot read volume %s at %llu", w->m.volume[volume].name,
                              (unsigned long long)(block * GW_BLOCK_BYTES));
    if (memcmp(now, content, len) != 0)
        gw_bitmap_set(w->tail[volume], block, 1);
    return 0;
}

/* Appends the ranges of one volume to t. */
static int collect(struct gw_tail *t, unsigned volume, const struct gw_bitmap *blocks,
                   uint64_t volume_bytes, struct gw_error *err)
{
    size_t room = t->n;
    for (uint64_t b = gw_bitmap_next(blocks, 0); b != UINT64_MAX;) {
        uint64_t run = gw_bitmap_run(blocks, b, UINT64_MAX - b);
        if (t->n == room) {
            room = room * 2 + 16;
            struct gw_tail_range *grown = realloc(t->range, room * sizeof *grown);
            if (grown == NULL)
                return gw_error_errno(err, -ENOMEM, "cannot list the tail");
            t->range = grown;
        }
        uint64_t offset = b * GW_BLOCK_BYTES;
        uint64_t length = GW_MIN(run * GW_BLOCK_BYTES, volume_bytes - offset);
        t->range[t->n++] =
            (struct gw_tail_range){ .volume = volume, .offset = offset, .length = length };
        t->blocks += run;
        t->bytes += length;
        b = gw_bitmap_next(blocks, b + run);
    }
    return 0;
}

int gw_tail_find(struct gw_io *io, const char *dir, const char *id, struct gw_file *const *volumes,
                 struct gw_tail *ret, struct gw_error *err)
{
    CLEANUP_WORK struct work *w = NULL;
    int r = work_open(io, dir, id, &w, err);
    if (r < 0)
        return r;
    w->volumes = volumes;
    r = open_sets(io, dir, id, w, err);
    if (r < 0)
        return gw_error_wrap(err, "cannot find the tail in undo file %s", id), r;
    r = gw_undo_each(w->undo, find_block, w, err);
    /* Asked after the walk, which looks again: everything sound was visited all the same. */
    bool damaged = gw_undo_damage(w->undo, NULL) < 0;
    if (r < 0 && !(damaged && r == -EBADMSG))
        return gw_error_wrap(err, "cannot find the tail in undo file %s", id), r;
    struct gw_tail t = { .damaged = damaged, .exact = w->exact[0] != NULL };
    for (uint32_t i = 0; i < w->m.n_volumes; i++) {
        r = collect(&t, i, w->tail[i], w->m.volume[i].bytes, err);
        if (r < 0) {
            gw_tail_done(&t);
            return r;
        }
    }
    *ret = t;
    return 0;
}

void gw_tail_done(struct gw_tail *t)
{
    if (t == NULL)
        return;
    free(t->range);
    *t = (struct gw_tail){ 0 };
}

/* ---- exporting ------------------------------------------------------------------------------- */

/* The tail's ranges as blocks, each inside its volume. */
static int take_ranges(struct work *w, const struct gw_tail *t, struct gw_error *err)
{
    for (size_t i = 0; i < t->n; i++) {
        const struct gw_tail_range *g = &t->range[i];
        uint64_t end;
        if (g->volume >= w->m.n_volumes || g->length == 0 || ckd_add(&end, g->offset, g->length) ||
            end > w->m.volume[g->volume].bytes || g->offset % GW_BLOCK_BYTES != 0)
            return gw_error_set(err, -EINVAL,
                                "range %zu of the tail (volume %u, offset %llu, %llu bytes) is not "
                                "of this undo file",
                                i, g->volume, (unsigned long long)g->offset,
                                (unsigned long long)g->length);
        gw_bitmap_set(w->tail[g->volume], g->offset / GW_BLOCK_BYTES,
                      (g->length + GW_BLOCK_BYTES - 1) / GW_BLOCK_BYTES);
    }
    return 0;
}

static int create_outputs(struct gw_io *io, const char *out_dir, struct work *w,
                          struct gw_error *err)
{
    for (uint32_t i = 0; i < w->m.n_volumes; i++) {
        if (gw_bitmap_count(w->tail[i]) == 0)
            continue;
        struct gw_path path;
        int r = gw_path(&path, err, "%s/%s.tail", out_dir, w->m.volume[i].name);
        if (r < 0)
            return r;
        r = gw_io_open(io, path.text, GW_OPEN_CREATE | GW_OPEN_EXCL, &w->out[i]);
        if (r == 0)
            r = gw_io_truncate(w->out[i], w->m.volume[i].bytes);
        if (r < 0)
            return gw_error_errno(err, r, "cannot make %s", path.text);
    }
    return 0;
}

static int export_block(void *arg, unsigned volume, uint64_t block, const uint8_t *content,
                        size_t len, struct gw_error *err)
{
    static const uint8_t zeros[GW_BLOCK_BYTES];
    struct work *w = arg;
    if (!gw_bitmap_test(w->tail[volume], block))
        return 0;
    w->written++;
    if (memcmp(content, zeros, len) == 0)
        return 0; /* the file is new: it reads so already */
    int r = gw_io_pwrite(w->out[volume], content, len, block * GW_BLOCK_BYTES);
    if (r < 0)
        return gw_error_errno(err, r, "cannot write %s.tail at %llu", w->m.volume[volume].name,
                              (unsigned long long)(block * GW_BLOCK_BYTES));
    return 0;
}

static int export_blocks(struct work *w, struct gw_error *err)
{
    uint64_t wanted = 0;
    for (uint32_t i = 0; i < w->m.n_volumes; i++)
        wanted += gw_bitmap_count(w->tail[i]);
    int r = gw_undo_each(w->undo, export_block, w, err);
    /* Damage elsewhere in the file does not matter to what was listed. */
    if (r < 0 && !(r == -EBADMSG && w->written == wanted))
        return r;
    if (w->written != wanted)
        return gw_error_set(err, -EINVAL,
                            "%llu blocks of the list are not in the undo file: it is another one's",
                            (unsigned long long)(wanted - w->written));
    for (uint32_t i = 0; i < w->m.n_volumes; i++) {
        r = w->out[i] != NULL ? gw_io_datasync(w->out[i]) : 0;
        if (r < 0)
            return gw_error_errno(err, r, "cannot sync %s.tail", w->m.volume[i].name);
    }
    return 0;
}

static int write_ranges(struct gw_io *io, const char *out_dir, const struct work *w,
                        const struct gw_tail *t, struct gw_error *err)
{
    CLEANUP_FREE char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);
    if (f == NULL)
        return gw_error_errno(err, -ENOMEM, "cannot write ranges.txt");
    for (size_t i = 0; i < t->n; i++)
        fprintf(f, "%s %llu %llu\n", w->m.volume[t->range[i].volume].name,
                (unsigned long long)t->range[i].offset, (unsigned long long)t->range[i].length);
    if (fclose(f) != 0)
        return gw_error_errno(err, -ENOMEM, "cannot write ranges.txt");
    return gw_io_replace(io, out_dir, "ranges.txt", text, len, err);
}

/* The new directory's own name is durable, too. */
static int sync_parent(struct gw_io *io, const char *path, struct gw_error *err)
{
    struct gw_path parent;
    int r = gw_path(&parent, err, "%s", path);
    if (r < 0)
        return r;
    size_t len = strlen(parent.text);
    while (len > 1 && parent.text[len - 1] == '/')
        parent.text[--len] = '\0';
    char *slash = strrchr(parent.text, '/');
    if (slash == NULL)
        strcpy(parent.text, ".");
    else
        slash[slash == parent.text ? 1 : 0] = '\0';
    r = gw_io_sync_dir(io, parent.text);
    return r < 0 ? gw_error_errno(err, r, "cannot sync directory %s", parent.text) : 0;
}

int gw_tail_export(struct gw_io *io, const char *dir, const char *id, const struct gw_tail *t,
                   const char *out_dir, struct gw_error *err)
{
    CLEANUP_WORK struct work *w = NULL;
    int r = work_open(io, dir, id, &w, err);
    if (r == 0)
        r = take_ranges(w, t, err);
    if (r < 0)
        return r;
    r = gw_io_mkdir(io, out_dir);
    if (r == -EEXIST)
        return gw_error_set(
            err, r, "cannot export the tail: %s exists; name a directory that does not", out_dir);
    if (r < 0)
        return gw_error_errno(err, r, "cannot export the tail: cannot make directory %s", out_dir);
    if ((r = create_outputs(io, out_dir, w, err)) == 0 && (r = export_blocks(w, err)) == 0 &&
        (r = write_ranges(io, out_dir, w, t, err)) == 0 && (r = sync_parent(io, out_dir, err)) == 0)
        return 0;
    gw_bundle_remove_dir(io, out_dir, NULL, NULL); /* it was made here: nothing else is in it */
    return gw_error_wrap(err, "cannot export the tail to %s", out_dir), r;
}
