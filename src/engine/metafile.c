// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * DIR/meta: two slots, written in turn.
 *
 * Invariants
 *  S1 The slot of the newest generation is never written: a torn store leaves it whole.
 *  S2 A store that failed leaves in doubt what the other slot holds; nothing is stored after it,
 * the state is read again from the disk at the next open (R20).
 */
#include "base/cleanup.h"
#include "engine/meta.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

struct gw_metafile {
    struct gw_io *io;
    struct gw_file *file;
    char path[PATH_MAX];
    uint64_t generation; /* newest, in slot `newest` */
    unsigned newest;
    bool read_only;
    int failed; /* sticky (R20) */
    uint8_t slot[GW_META_SLOT_BYTES];
};

static int meta_path(const char *dir, char ret[PATH_MAX], struct gw_error *err)
{
    int n = snprintf(ret, PATH_MAX, "%s/meta", dir);
    if (n < 0 || n >= PATH_MAX)
        return gw_error_set(err, -ENAMETOOLONG, "the path of the plan directory is too long");
    return 0;
}

int gw_metafile_create(struct gw_io *io, const char *dir, const struct gw_meta *m,
                       struct gw_error *err)
{
    char path[PATH_MAX];
    int r = meta_path(dir, path, err);
    if (r < 0)
        return r;
    CLEANUP_FILE struct gw_file *there = NULL;
    r = gw_io_open(io, path, GW_OPEN_RDONLY, &there);
    if (r == 0)
        return gw_error_set(err, -EEXIST, "there is a plan already: \"%s\" exists", path);
    if (r != -ENOENT)
        return gw_error_errno(err, r, "cannot look for \"%s\"", path);

    CLEANUP_FREE struct gw_meta *first = malloc(sizeof *first);
    CLEANUP_FREE uint8_t *both = malloc((size_t)2 * GW_META_SLOT_BYTES);
    if (first == NULL || both == NULL)
        return gw_error_errno(err, -ENOMEM, "cannot create \"%s\"", path);
    *first = *m;
    first->generation = 1;
    r = gw_meta_encode(first, both, err);
    if (r < 0) {
        gw_error_wrap(err, "cannot create \"%s\"", path);
        return r;
    }
    memcpy(both + GW_META_SLOT_BYTES, both, GW_META_SLOT_BYTES);
    r = gw_io_replace(io, dir, "meta", both, (size_t)2 * GW_META_SLOT_BYTES, err);
    return r < 0 ? r : 0;
}

/* What one slot held at load. */
struct loaded {
    int result; /* 0 or the error of reading and decoding it */
    struct gw_meta meta;
    struct gw_error err;
};

static void load_slot(struct gw_metafile *f, unsigned i, struct loaded *ret)
{
    uint64_t off = (uint64_t)i * GW_META_SLOT_BYTES;
    ret->result = gw_io_pread(f->file, f->slot, GW_META_SLOT_BYTES, off);
    if (ret->result < 0) {
        gw_error_errno(&ret->err, ret->result, "cannot read at %llu", (unsigned long long)off);
        return;
    }
    ret->result = gw_meta_decode(f->slot, &ret->meta, &ret->err);
}

/* Index of the slot that counts, or an error. */
static int choose(const struct gw_metafile *f, const struct loaded l[2], struct gw_error *err)
{
    for (unsigned i = 0; i < 2; i++)
        if (l[i].result == -EPROTONOSUPPORT || l[i].result == -ENOMEM)
            return gw_error_set(err, l[i].result, "cannot use \"%s\": slot %u: %s", f->path, i,
                                l[i].err.msg);
    if (l[0].result < 0 && l[1].result < 0)
        return gw_error_set(err, -EBADMSG,
                            "cannot use \"%s\": both copies of the plan's state are damaged "
                            "(slot 0: %.100s; slot 1: %.100s); restore the file from a backup of "
                            "this moment, or replace this site and seed it from the other",
                            f->path, l[0].err.msg, l[1].err.msg);
    if (l[0].result < 0)
        return 1;
    if (l[1].result < 0)
        return 0;
    return l[1].meta.generation > l[0].meta.generation ? 1 : 0;
}

static int load(struct gw_metafile *f, struct gw_meta *ret, bool *ret_slot_lost,
                struct gw_error *err)
{
    CLEANUP_FREE struct loaded *l = calloc(2, sizeof *l);
    if (l == NULL)
        return gw_error_errno(err, -ENOMEM, "cannot read \"%s\"", f->path);
    load_slot(f, 0, &l[0]);
    load_slot(f, 1, &l[1]);
    int i = choose(f, l, err);
    if (i < 0)
        return i;
    f->newest = (unsigned)i;
    f->generation = l[i].meta.generation;
    *ret = l[i].meta;
    if (ret_slot_lost != NULL)
        *ret_slot_lost = l[1 - i].result < 0;
    return 0;
}

int gw_metafile_open(struct gw_io *io, const char *dir, bool read_only, struct gw_metafile **ret,
                     struct gw_meta *ret_meta, bool *ret_slot_lost, struct gw_error *err)
{
    struct gw_metafile *f = calloc(1, sizeof *f);
    if (f == NULL)
        return gw_error_errno(err, -ENOMEM, "cannot open the plan in \"%s\"", dir);
    f->io = io;
    f->read_only = read_only;
    int r = meta_path(dir, f->path, err);
    if (r == 0) {
        r = gw_io_open(io, f->path, read_only ? GW_OPEN_RDONLY : 0, &f->file);
        if (r == -ENOENT)
            gw_error_set(err, r, "there is no plan here: \"%s\" does not exist", f->path);
        else if (r < 0)
            gw_error_errno(err, r, "cannot open \"%s\"", f->path);
    }
    if (r == 0)
        r = load(f, ret_meta, ret_slot_lost, err);
    if (r < 0) {
        gw_metafile_close(f);
        return r;
    }
    *ret = f;
    return 0;
}

int gw_metafile_store(struct gw_metafile *f, struct gw_meta *m, struct gw_error *err)
{
    if (f->read_only)
        return gw_error_set(err, -EROFS, "\"%s\" is open for reading only", f->path);
    int r = gw_metafile_check(f, err);
    if (r < 0)
        return r;
    uint64_t before = m->generation;
    m->generation = f->generation + 1;
    r = gw_meta_encode(m, f->slot, err);
    if (r < 0) { /* nothing was touched: not sticky */
        m->generation = before;
        gw_error_wrap(err, "cannot store \"%s\"", f->path);
        return r;
    }
    unsigned to = 1 - f->newest;
    gw_crash_point(f->io, "meta.before");
    r = gw_io_pwrite_durable(f->file, f->slot, GW_META_SLOT_BYTES,
                             (uint64_t)to * GW_META_SLOT_BYTES);
    if (r < 0) {
        f->failed = r;
        m->generation = before;
        return gw_error_errno(err, r, "cannot write slot %u of \"%s\"", to, f->path);
    }
    gw_crash_point(f->io, "meta.after");
    f->newest = to;
    f->generation = m->generation;
    return 0;
}

int gw_metafile_check(const struct gw_metafile *f, struct gw_error *err)
{
    if (f->failed == 0)
        return 0;
    return gw_error_errno(err, f->failed, "a store of \"%s\" failed; restart the plan", f->path);
}

void gw_metafile_close(struct gw_metafile *f)
{
    if (f == NULL)
        return;
    gw_file_close(f->file);
    free(f);
}
