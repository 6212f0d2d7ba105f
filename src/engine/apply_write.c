// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Records that change a volume: gathered into a window, old content kept, written sorted. */
#include "engine/apply_internal.h"

#include "base/checked.h"

#include <stdlib.h>
#include <string.h>

struct gw_file *gw_apply_volume(const struct gw_applier *a, const struct gw_record *rec)
{
    return a->plan->vol[rec->volume];
}

int gw_apply_volume_error(const struct gw_applier *a, const struct gw_record *rec, int code,
                          const char *what, struct gw_error *err)
{
    return gw_error_errno(err, code, "cannot %s volume '%s' at %llu", what,
                          a->plan->meta.volume[rec->volume].name, (unsigned long long)rec->offset);
}

/* T3: what these records overwrite goes to the undo file, durable before the first overwrite. */
static int save_old(struct gw_applier *a, struct gw_error *err)
{
    for (unsigned i = 0; i < a->n_changes; i++) {
        const struct gw_record *rec = &a->change[i].rec;
        uint64_t bytes = a->plan->meta.volume[rec->volume].bytes;
        uint64_t last = (rec->offset + rec->length - 1) / GW_BLOCK_BYTES;
        for (uint64_t b = rec->offset / GW_BLOCK_BYTES; b <= last; b++) {
            if (gw_undo_has(a->undo, rec->volume, b))
                continue; /* the first image wins (R16) */
            uint64_t at = b * GW_BLOCK_BYTES;
            size_t n = (size_t)GW_MIN((uint64_t)GW_BLOCK_BYTES, bytes - at);
            int r = gw_io_pread(gw_apply_volume(a, rec), a->run, n, at);
            if (r < 0)
                return gw_apply_volume_error(a, rec, r, "read the old content of", err);
            r = gw_undo_save(a->undo, rec->volume, b, a->run, n, err);
            if (r < 0)
                return r;
        }
    }
    /* Always: an earlier try may have queued blocks and failed before it could sync them. */
    int r = gw_undo_sync(a->undo, err);
    gw_apply_publish_undo(a);
    return r;
}

static int by_place(const void *x, const void *y)
{
    const struct gw_record *a = &((const struct change *)x)->rec;
    const struct gw_record *b = &((const struct change *)y)->rec;
    if (a->volume != b->volume)
        return a->volume < b->volume ? -1 : 1;
    if (a->offset != b->offset)
        return a->offset < b->offset ? -1 : 1;
    return a->seq < b->seq ? -1 : a->seq > b->seq;
}

static bool follows(const struct change *a, const struct change *b)
{
    return a->rec.volume == b->rec.volume && a->rec.offset + a->rec.length == b->rec.offset;
}

static bool overlaps(const struct change *a, const struct change *b)
{
    return a->rec.volume == b->rec.volume && b->rec.offset < a->rec.offset + a->rec.length;
}

static int by_seq(const void *x, const void *y)
{
    uint64_t a = ((const struct change *)x)->rec.seq, b = ((const struct change *)y)->rec.seq;
    return a < b ? -1 : a > b;
}

/*
 * Sorted where no two records of the window overlap (then their order cannot be seen, for a crash
 * replays the whole window); else in the order of the stream. True if sorted.
 */
static bool sort_changes(struct gw_applier *a)
{
    qsort(a->change, a->n_changes, sizeof *a->change, by_place);
    uint64_t end = 0;
    for (unsigned i = 1; i < a->n_changes; i++) {
        const struct change *prev = &a->change[i - 1], *c = &a->change[i];
        end = prev->rec.volume == c->rec.volume ? GW_MAX(end, prev->rec.offset + prev->rec.length)
                                                : 0;
        if (overlaps(prev, c) || (prev->rec.volume == c->rec.volume && c->rec.offset < end)) {
            qsort(a->change, a->n_changes, sizeof *a->change, by_seq);
            return false;
        }
    }
    return true;
}

/* Write change i and the neighbours that follow it directly; returns how many. */
static int write_run(struct gw_applier *a, unsigned i, bool sorted, struct gw_error *err)
{
    const struct change *c = &a->change[i];
    int r;
    if (gw_record_is_zero(c->rec.type)) {
        r = gw_io_zero(gw_apply_volume(a, &c->rec), c->rec.offset, c->rec.length, GW_ZERO_PUNCH);
        return r < 0 ? gw_apply_volume_error(a, &c->rec, r, "zero", err) : 1;
    }
    unsigned n = 1;
    size_t bytes = c->rec.length;
    while (sorted && i + n < a->n_changes && follows(c + n - 1, c + n) &&
           !gw_record_is_zero(c[n].rec.type) && bytes + c[n].rec.length <= GW_EXTENT_BYTES)
        bytes += c[n++].rec.length;
    const uint8_t *data = c->payload;
    if (n > 1) {
        size_t at = 0;
        for (unsigned k = 0; k < n; k++) {
            memcpy(a->run + at, c[k].payload, c[k].rec.length);
            at += c[k].rec.length;
        }
        data = a->run;
    }
    r = gw_io_pwrite(gw_apply_volume(a, &c->rec), data, bytes, c->rec.offset);
    return r < 0 ? gw_apply_volume_error(a, &c->rec, r, "write", err) : (int)n;
}

int gw_apply_flush(struct gw_applier *a, struct gw_error *err)
{
    if (a->n_changes == 0)
        return 0;
    if (a->undo != NULL) {
        int r = save_old(a, err);
        if (r < 0)
            return r;
    }
    gw_crash_point(a->plan->io, "replica.apply.before");
    bool sorted = sort_changes(a);
    for (unsigned i = 0; i < a->n_changes;) {
        int n = write_run(a, i, sorted, err);
        if (n < 0)
            return n;
        i += (unsigned)n;
    }
    a->n_changes = 0;
    gw_crash_point(a->plan->io, "replica.apply.after");
    return 0;
}
