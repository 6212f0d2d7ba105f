// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "engine/assessed.h"

#include "base/cleanup.h"
#include "engine/bundle.h"
#include "engine/dirtymap.h"
#include "engine/sync_parent.h"

#include <errno.h>

static void cleanup_map(struct gw_dirtymap **m)
{
    if (*m != NULL)
        gw_dirtymap_close(*m);
}
#define CLEANUP_MAP __attribute__((cleanup(cleanup_map)))

static int remove_file(struct gw_io *io, const char *path, struct gw_error *err)
{
    int r = gw_io_unlink(io, path);
    return r < 0 && r != -ENOENT ? gw_error_errno(err, r, "cannot remove %s", path) : 0;
}

static int write_map(struct gw_io *io, const char *path, const struct gw_side_volume *v,
                     const struct gw_assessed *a, const struct gw_bitmap *blocks,
                     struct gw_error *err)
{
    CLEANUP_MAP struct gw_dirtymap *map = NULL;
    int r = gw_dirtymap_create(io, path, &v->uuid, v->bytes, err);
    if (r == 0)
        r = gw_dirtymap_open(io, path, &v->uuid, v->bytes, false, NULL, &map, NULL, err);
    if (r < 0)
        return r;
    for (uint64_t p = 0; p < gw_bitmap_pages(blocks); p++) {
        const uint8_t *bits = gw_bitmap_page(blocks, p);
        if (bits != NULL && gw_dirtymap_or_page(map, GW_MAP_FINE, p, bits) < 0)
            return gw_error_set(err, -EINVAL, "%s: a block beyond the volume", path);
    }
    gw_dirtymap_cleared_through(map, &a->uuid, a->fork_seq);
    return gw_dirtymap_persist(map, err);
}

static int save_one(struct gw_io *io, const char *dir, unsigned i, const struct gw_side_volume *v,
                    const struct gw_assessed *a, const struct gw_bitmap *blocks,
                    struct gw_error *err)
{
    struct gw_path path, temp;
    int r;
    if ((r = gw_path(&path, err, "%s/tail-%u", dir, i)) < 0 ||
        (r = gw_path(&temp, err, "%s/tail-%u.tmp", dir, i)) < 0 ||
        (r = remove_file(io, temp.text, err)) < 0)
        return r;
    r = write_map(io, temp.text, v, a, blocks, err);
    if (r == 0) {
        r = gw_io_rename(io, temp.text, path.text);
        if (r == 0)
            r = gw_io_sync_parent(io, path.text);
        if (r < 0)
            gw_error_errno(err, r, "cannot make %s", path.text);
    }
    if (r < 0)
        gw_io_unlink(io, temp.text);
    return r;
}

int gw_assessed_save(struct gw_io *io, const char *dir, const struct gw_meta *m,
                     const struct gw_assessed *a, struct gw_bitmap *const *blocks,
                     struct gw_error *err)
{
    for (unsigned i = 0; i < m->n_volumes; i++) {
        if (gw_slot_is_empty(&m->volume[i]))
            continue;
        int r = save_one(io, dir, i, &m->volume[i], a, blocks[i], err);
        if (r < 0)
            return gw_error_wrap(err, "cannot save the list of the divergent tail"), r;
    }
    return 0;
}

/* 1: there, sound, and of this divergence. */
static int open_one(struct gw_io *io, const char *path, const struct gw_side_volume *v,
                    const struct gw_assessed *a, struct gw_dirtymap **ret, struct gw_error *err)
{
    CLEANUP_MAP struct gw_dirtymap *map = NULL;
    uint64_t damaged = 0, seq;
    struct gw_uuid uuid;
    int r = gw_file_exists(io, path);
    if (r < 0)
        return gw_error_errno(err, r, "cannot look at %s", path);
    if (r == 0)
        return 0;
    r = gw_dirtymap_open(io, path, &v->uuid, v->bytes, true, NULL, &map, &damaged, err);
    if (r < 0)
        return r;
    gw_dirtymap_get_cleared(map, &uuid, &seq);
    if (damaged > 0 || !gw_uuid_equal(&uuid, &a->uuid) || seq != a->fork_seq)
        return 0;
    *ret = map;
    map = NULL;
    return 1;
}

int gw_assessed_keep(struct gw_io *io, const char *dir, const struct gw_meta *m,
                     const struct gw_assessed *a, const char *id, struct gw_error *err)
{
    int r = 1;
    for (unsigned i = 0; r == 1 && i < m->n_volumes; i++) {
        CLEANUP_MAP struct gw_dirtymap *map = NULL;
        struct gw_path from, to;
        if (gw_slot_is_empty(&m->volume[i]))
            continue;
        if ((r = gw_path(&from, err, "%s/tail-%u", dir, i)) < 0 ||
            (r = gw_path(&to, err, "%s/undo/%s/tail-%u", dir, id, i)) < 0)
            return r;
        r = open_one(io, from.text, &m->volume[i], a, &map, err);
        if (r == 1) {
            int x = gw_dirtymap_save_copy(map, io, to.text, err);
            r = x < 0 ? x : 1;
        }
    }
    return r; /* what was copied before one was missing says nothing without it */
}

int gw_assessed_forget(struct gw_io *io, const char *dir, struct gw_error *err)
{
    bool any = false;
    for (unsigned i = 0; i < GW_VOLUMES_MAX; i++) {
        struct gw_path path;
        int r = gw_path(&path, err, "%s/tail-%u", dir, i);
        if (r == 0)
            r = gw_file_exists(io, path.text);
        if (r <= 0) {
            if (r < 0)
                return r;
            continue;
        }
        r = remove_file(io, path.text, err);
        if (r < 0)
            return r;
        any = true;
    }
    int r = any ? gw_io_sync_dir(io, dir) : 0;
    return r < 0 ? gw_error_errno(err, r, "cannot sync directory %s", dir) : 0;
}
