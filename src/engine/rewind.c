// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "engine/rewind.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "engine/points.h"
#include "engine/record.h"
#include "engine/reshape.h"
#include "engine/undo.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/*
 * R9: that a rewind is under way, and that the image is none meanwhile. R10: the rewound blocks are
 * durable in the set first, long before a client can write.
 */
static int begin_rewind(struct gw_plan *p, enum gw_pending pending, const char *id,
                        struct gw_error *err)
{
    int r = gw_plan_persist_maps(p, err);
    if (r < 0)
        return r;
    LOCK_SCOPE(&p->mu);
    p->meta.pending = pending;
    if (id != p->meta.pending_id)
        memcpy(p->meta.pending_id, id, strlen(id) + 1);
    p->meta.consistent = false;
    r = gw_plan_store_meta(p, err);
    gw_crash_point(p->io, "promote.rewind.begin");
    return r;
}

/* The volumes hold the older image, durably: it takes its own identity back in one step. */
static int end_rewind(struct gw_plan *p, const struct gw_lineage *lineage, uint64_t seq,
                      uint64_t chain, struct gw_promote_result *ret, struct gw_error *err)
{
    int r = gw_plan_sync_volumes(p, err);
    if (r < 0)
        return r;
    gw_crash_point(p->io, "promote.rewind.done");
    LOCK_SCOPE(&p->mu);
    struct gw_meta *m = &p->meta;
    struct gw_uuid was = gw_lineage_uuid(&m->lineage), is = gw_lineage_uuid(lineage);
    if (gw_uuid_equal(&was, &is))
        ret->had_seq = m->seq; /* R5: the peer's map may go back only so far */
    m->lineage = *lineage;
    m->seq = seq;
    m->chain = chain;
    m->consistent = true;
    m->pending = GW_PENDING_NONE;
    m->pending_id[0] = '\0';
    m->token_valid = false;
    return gw_plan_store_meta(p, err);
}

/* ---- undo ---------------------------------------------------------------------------------- */

static int mark_block(void *arg, unsigned volume, uint64_t block, const uint8_t *content,
                      size_t len, struct gw_error *err)
{
    struct gw_plan *p = arg;
    (void)content;
    (void)err;
    if (volume >= p->meta.n_volumes)
        return gw_error_set(err, -EBADMSG, "the undo file names volume %u", volume);
    LOCK_SCOPE(&p->mu);
    gw_dirtymap_mark(p->map[volume], block * GW_BLOCK_BYTES, len);
    return 0;
}

static int restore_block(void *arg, unsigned volume, uint64_t block, const uint8_t *content,
                         size_t len, struct gw_error *err)
{
    struct gw_plan *p = arg;
    int r = gw_io_pwrite(p->vol[volume], content, len, block * GW_BLOCK_BYTES);
    if (r < 0)
        return gw_error_errno(err, r, "cannot restore block %llu of volume '%s'",
                              (unsigned long long)block, p->meta.volume[volume].name);
    return 0;
}

int gw_rewind_undo(struct gw_plan *p, struct gw_promote_result *ret, struct gw_error *err)
{
    if (p->meta.pending_id[0] == '\0')
        return gw_error_set(err, -EUCLEAN, "this side was being seeded: there is no older state");
    char id[GW_ID_MAX];
    memcpy(id, p->meta.pending_id, sizeof id);
    struct gw_undo *u = NULL;
    struct gw_undo_manifest *um = malloc(sizeof *um);
    if (um == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    int r = gw_undo_open(p->io, p->dir, id, false, &u, um, err);
    if (r < 0)
        gw_undo_way_out(p->meta.site_name[p->meta.site], p->meta.site_name[1 - p->meta.site], err);
    /* After a roll-back every block of the undo file is rewound: the peer may hold the newer. */
    if (r == 0)
        r = gw_undo_each(u, mark_block, p, err);
    if (r == 0)
        r = begin_rewind(p, GW_PENDING_ROLLBACK, id, err);
    if (r == 0)
        r = gw_undo_each(u, restore_block, p, err);
    if (r == 0) {
        ret->rewound_blocks += gw_undo_blocks(u);
        r = end_rewind(p, &um->lineage, um->seq, um->chain, ret, err);
    }
    gw_undo_close(u);
    free(um);
    if (r < 0)
        return gw_error_wrap(err, "cannot roll back the unfinished resync '%s'", id);
    /* What it kept is the image again. */
    struct gw_error ignored;
    if (gw_undo_remove(p->io, p->dir, id, &ignored) < 0)
        gw_log(GW_LOG_WARNING, "cannot remove undo '%s': %s", id, ignored.msg);
    return 0;
}

/* ---- points -------------------------------------------------------------------------------- */

static int mark_batch(struct gw_plan *p, const uint8_t *data, size_t len,
                      const struct gw_journal_batch *b, struct gw_error *err)
{
    uint64_t seed = gw_record_seed(&b->uuid);
    for (size_t at = 0; at < len;) {
        struct gw_record rec;
        int64_t used = gw_record_decode(data + at, len - at, seed, false, &rec);
        if (used < 0)
            return gw_error_set(err, -EBADMSG, "a journal record is damaged");
        at += (size_t)used;
        if (!gw_record_changes(rec.type) || rec.volume >= p->meta.n_volumes)
            continue;
        LOCK_SCOPE(&p->mu);
        gw_dirtymap_mark(p->map[rec.volume], rec.offset, rec.length);
    }
    return 0;
}

/* Every block of a record journaled past the point: applied or not, live or injected, any epoch. */
static int mark_rewound(struct gw_plan *p, struct gw_journal *j, uint64_t from,
                        struct gw_error *err)
{
    size_t cap = GW_FRAME_BYTES_MAX + GW_JOURNAL_BATCH_HEADER_BYTES;
    CLEANUP_FREE uint8_t *buf = malloc(cap);
    if (buf == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    uint64_t end = gw_journal_end(j);
    for (uint64_t at = from; at < end;) {
        struct gw_journal_batch b;
        size_t len;
        int r = gw_journal_read(j, at, buf, cap, &len, &b, &at, err);
        if (r == -ERANGE)
            break;
        if (r < 0)
            return r;
        r = mark_batch(p, buf, len, &b, err);
        if (r < 0)
            return r;
    }
    return 0;
}

/* Does the journal hold every change since the point? It does not know what this side wrote while
 * it was active itself. */
static bool journal_reaches(const struct gw_plan *p, struct gw_journal *j,
                            const struct gw_point *pt)
{
    return pt->reigns == p->meta.reigns && gw_journal_oldest(j) <= pt->journal_pos &&
           pt->journal_pos <= gw_journal_end(j);
}

static int restore_marked(struct gw_plan *p, unsigned i, struct gw_file *image,
                          struct gw_error *err)
{
    CLEANUP_FREE uint8_t *buf = malloc(GW_EXTENT_BYTES);
    if (buf == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    const struct gw_bitmap *fine = gw_dirtymap_fine(p->map[i]);
    uint64_t bytes = p->meta.volume[i].bytes;
    for (uint64_t b = gw_bitmap_next(fine, 0); b != UINT64_MAX;) {
        uint64_t n = gw_bitmap_run(fine, b, GW_BLOCKS_PER_EXTENT);
        uint64_t off = b * GW_BLOCK_BYTES;
        uint64_t len = GW_MIN(n * GW_BLOCK_BYTES, bytes - off);
        int r = gw_io_pread(image, buf, len, off);
        if (r == 0)
            r = gw_io_pwrite(p->vol[i], buf, len, off);
        if (r < 0)
            return gw_error_errno(err, r, "cannot restore volume '%s' at %llu",
                                  p->meta.volume[i].name, (unsigned long long)off);
        b = gw_bitmap_next(fine, b + n);
    }
    return 0;
}

static int restore_point(struct gw_plan *p, const struct gw_point *pt, struct gw_error *err)
{
    for (unsigned i = 0; i < p->meta.n_volumes; i++) {
        struct gw_file *image = NULL;
        if (gw_slot_is_empty(&p->meta.volume[i]))
            continue;
        int at = gw_slot_by_uuid(pt->volume, pt->n_volumes, &p->meta.volume[i].uuid);
        int r = gw_point_open_volume(p->io, p->dir, pt, (unsigned)at, &image, err);
        if (r < 0)
            return r;
        if (gw_bitmap_count(gw_dirtymap_coarse(p->map[i])) > 0)
            r = gw_copy_sparse(p->vol[i], image, p->meta.volume[i].bytes, false, err);
        else
            r = restore_marked(p, i, image, err);
        gw_file_close(image);
        if (r < 0)
            return r;
        gw_crash_point(p->io, "promote.rewind.volume");
    }
    return 0;
}

/*
 * Of volumes that were changed since: one that has grown gets zeros behind what the point has, one
 * that was removed is left out. One that was added has no state of that time.
 */
static int check_shape(const struct gw_plan *p, const struct gw_point *pt, struct gw_error *err)
{
    const struct gw_meta *m = &p->meta;
    for (uint32_t i = 0; i < m->n_volumes; i++) {
        if (!gw_slot_is_empty(&m->volume[i]) &&
            gw_slot_by_uuid(pt->volume, pt->n_volumes, &m->volume[i].uuid) < 0)
            return gw_error_set(err, -EINVAL,
                                "the point was made before volume '%s' was added, so that there is "
                                "no state of '%s' to go back to: choose a later point, or copy "
                                "what you need out of %s/points/%s",
                                m->volume[i].name, m->volume[i].name, p->dir, pt->id);
    }
    return 0;
}

static int rewind_loaded(struct gw_plan *p, struct gw_journal *j, const struct gw_point *pt,
                         struct gw_promote_result *ret, struct gw_error *err)
{
    int at = gw_lineage_find(&p->meta.lineage, &pt->lineage.e[pt->lineage.n - 1].uuid);
    if (at < 0)
        return gw_error_set(err, -EINVAL, "the point's image is not an ancestor of this side's");
    int r = check_shape(p, pt, err);
    if (r < 0)
        return r;
    if (j != NULL && journal_reaches(p, j, pt)) {
        r = mark_rewound(p, j, pt->journal_pos, err);
    } else {
        ret->compare_all = true;
        for (unsigned i = 0; i < p->meta.n_volumes; i++)
            gw_dirtymap_mark_all_coarse(p->map[i]);
    }
    if (r < 0)
        return r;
    ret->rewound_blocks += gw_plan_dirty_blocks(p);
    r = begin_rewind(p, GW_PENDING_REWIND, pt->id, err);
    if (r == 0)
        r = restore_point(p, pt, err);
    if (r == 0)
        r = end_rewind(p, &pt->lineage, pt->seq, pt->chain, ret, err);
    return r;
}

int gw_rewind_to_point(struct gw_plan *p, struct gw_journal *journal, const char *id,
                       struct gw_promote_result *ret, struct gw_error *err)
{
    struct gw_point *pt = malloc(sizeof *pt);
    if (pt == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    int r = gw_point_load(p->io, p->dir, id, pt, err);
    if (r == 0 && pt->lineage.n == 0)
        r = gw_error_set(err, -EBADMSG, "the point's manifest has no lineage");
    if (r == 0)
        r = rewind_loaded(p, journal, pt, ret, err);
    free(pt);
    return r < 0 ? gw_error_wrap(err, "cannot go back to point '%s'", id) : 0;
}
