// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* A change of volumes, made in a plan directory. The rules are in reshape.h. */
#include "base/cleanup.h"
#include "base/log.h"
#include "engine/bundle.h"
#include "engine/plan_internal.h"
#include "engine/sync_parent.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef unsigned long long ull;

/* ---- prepare ---------------------------------------------------------------------------------
 */

/* V4: long enough, and zeros from `from` on. Only made longer, never written to. */
static int fit(struct gw_file *f, const struct gw_side_volume *v, const char *path, uint64_t from,
               struct gw_error *err)
{
    uint64_t size;
    bool data = false;
    int r = gw_io_size(f, &size);
    if (r == 0 && size < v->bytes) {
        r = gw_io_truncate(f, v->bytes);
        if (r < 0)
            return gw_error_errno(err, r,
                                  "volume '%s': %s has %llu bytes and cannot be made %llu long; "
                                  "make the device as large first",
                                  v->name, path, (ull)size, (ull)v->bytes);
    }
    if (r == 0)
        r = gw_volume_holds_data(f, from, v->bytes, &data, err);
    if (r < 0)
        return gw_error_wrap(err, "volume '%s': cannot look at %s", v->name, path), r;
    if (data)
        return gw_error_set(err, -EEXIST,
                            "volume '%s': %s holds data in the bytes from %llu to %llu, which are "
                            "to read as zeros at both sites: name another file, or zero them "
                            "first (a device: blkdiscard -z -o %llu -l %llu); data that the "
                            "volume is to have is copied in through its export",
                            v->name, path, (ull)from, (ull)v->bytes, (ull)from,
                            (ull)(v->bytes - from));
    r = gw_io_datasync(f);
    return r < 0 ? gw_error_errno(err, r, "volume '%s': cannot make %s durable", v->name, path) : 0;
}

static int make_file(struct gw_plan *p, const struct gw_side_volume *v, const char *path,
                     struct gw_error *err)
{
    CLEANUP_FILE struct gw_file *f = NULL;
    int r = gw_io_open(p->io, path, GW_OPEN_LOCK, &f);
    if (r == -ENOENT)
        r = gw_io_open(p->io, path, GW_OPEN_CREATE | GW_OPEN_EXCL | GW_OPEN_LOCK, &f);
    if (r == -EWOULDBLOCK || r == -EBUSY)
        return gw_error_set(err, r,
                            "volume '%s': %s is in use by another plan or process, mounted, or "
                            "another volume of this plan",
                            v->name, path);
    if (r < 0)
        return gw_error_errno(err, r, "volume '%s': cannot open %s", v->name, path);
    r = fit(f, v, path, 0, err);
    if (r < 0)
        return r;
    r = gw_io_sync_parent(p->io, path);
    return r < 0 ? gw_error_errno(err, r, "cannot make the name %s durable", path) : 0;
}

/* By a rename: whoever opens the volume meanwhile finds the old link or the new one. */
static int make_link(struct gw_plan *p, const struct gw_side_volume *v, const char *path,
                     struct gw_error *err)
{
    char target[PATH_MAX];
    struct gw_path temp, link;
    int r = gw_path(&temp, err, "%s/volumes/~%s", p->dir, v->name);
    if (r == 0)
        r = gw_path(&link, err, "%s/volumes/%s", p->dir, v->name);
    if (r < 0)
        return r;
    if (realpath(path, target) == NULL)
        return gw_error_errno(err, -errno, "volume '%s': cannot resolve %s", v->name, path);
    gw_io_unlink(p->io, temp.text); /* left by a crash; usually there is none */
    if (symlink(target, temp.text) < 0)
        return gw_error_errno(err, -errno, "cannot make the link %s", temp.text);
    r = gw_io_rename(p->io, temp.text, link.text);
    if (r == 0)
        r = gw_io_sync_parent(p->io, link.text);
    return r < 0 ? gw_error_errno(err, r, "cannot make the link %s", link.text) : 0;
}

/* One that is there is kept if it is this volume's: the change may be on its way already. */
static int make_map(struct gw_plan *p, const struct gw_side_volume *v, struct gw_error *err)
{
    struct gw_path path;
    struct gw_error ignored;
    struct gw_dirtymap *there = NULL;
    uint64_t damaged = 0;
    int r = gw_path(&path, err, "%s/dirty/%s", p->dir, v->name);
    if (r < 0)
        return r;
    r = gw_dirtymap_open(p->io, path.text, &v->uuid, v->bytes, true, NULL, &there, &damaged,
                         &ignored);
    if (r == 0)
        gw_dirtymap_close(there);
    if (r == 0 && damaged == 0)
        return 0;
    r = gw_io_unlink(p->io, path.text);
    if (r < 0 && r != -ENOENT)
        return gw_error_errno(err, r, "cannot remove %s", path.text);
    return gw_dirtymap_create(p->io, path.text, &v->uuid, v->bytes, err);
}

static int prepare(struct gw_plan *p, const struct gw_reshape *c, int slot, uint64_t bytes,
                   const char *path, struct gw_error *err)
{
    char own[PATH_MAX];
    switch (c->kind) {
    case GW_RESHAPE_GROW:
        if (!gw_plan_path(p, own, "volumes", c->volume.name))
            return gw_error_set(err, -ENAMETOOLONG, "the path of volume '%s' is too long",
                                c->volume.name);
        return fit(p->vol[slot], &c->volume, own, bytes, err);
    case GW_RESHAPE_ADD:
        if (path == NULL)
            return gw_error_set(err, -EINVAL, "volume '%s': where is its file?", c->volume.name);
        int r = make_file(p, &c->volume, path, err);
        if (r == 0)
            r = make_link(p, &c->volume, path, err);
        return r < 0 ? r : make_map(p, &c->volume, err);
    case GW_RESHAPE_REMOVE:
    case GW_RESHAPE_NONE:
    case GW_RESHAPE_MAX:
        break;
    }
    return 0;
}

int gw_plan_prepare_change(struct gw_plan *p, const struct gw_reshape *c, const char *path,
                           struct gw_error *err)
{
    LOCK_SCOPE(&p->prepare_mu);
    pthread_mutex_lock(&p->mu);
    int slot = gw_reshape_check(p->meta.volume, p->meta.n_volumes, c, err);
    uint64_t bytes = slot >= 0 && c->kind == GW_RESHAPE_GROW ? p->meta.volume[slot].bytes : 0;
    pthread_mutex_unlock(&p->mu);
    if (slot < 0)
        return slot == -EALREADY ? 0 : slot;
    int r = prepare(p, c, slot, bytes, path, err);
    if (r < 0)
        return r;
    LOCK_SCOPE(&p->mu);
    if (p->meta.reshapes == 0) { /* before the first SHAPE can come: an older godwit stays out */
        p->meta.reshapes = 1;
        r = gw_plan_store_meta(p, err);
    }
    gw_crash_point(p->io, "reshape.prepared");
    return r;
}

/* ---- the change ------------------------------------------------------------------------------
 */

struct opened { /* a new volume */
    struct gw_file *file;
    struct gw_dirtymap *map;
};

static int open_new(struct gw_plan *p, const struct gw_reshape *c, struct opened *ret,
                    struct gw_error *err)
{
    int r = gw_plan_open_volume(p, &c->volume, &ret->file, err);
    if (r == 0)
        r = gw_plan_open_map(p, &c->volume, &ret->map, err);
    return r < 0 ? gw_error_wrap(err, "the change was not prepared here"), r : 0;
}

static int check_grown(const struct gw_plan *p, int slot, const struct gw_reshape *c,
                       struct gw_error *err)
{
    uint64_t size = 0;
    int r = gw_io_size(p->vol[slot], &size);
    if (r < 0)
        return gw_error_errno(err, r, "cannot get the size of volume '%s'", c->volume.name);
    if (size < c->volume.bytes)
        return gw_error_set(err, -ENOSPC,
                            "the change was not prepared here: the file of volume '%s' has %llu "
                            "bytes, not %llu",
                            c->volume.name, (ull)size, (ull)c->volume.bytes);
    return 0;
}

/* Memory follows meta, under one hold of mu: nobody sees the one without the other. */
static int follow_meta(struct gw_plan *p, const struct gw_reshape *c, int slot, struct opened *o,
                       struct gw_error *err)
{
    switch (c->kind) {
    case GW_RESHAPE_GROW:
        /* Small, and seldom: the one other file that is written with mu held. Without the larger
         * map no bit of what is new could be set. */
        return gw_dirtymap_grow(p->map[slot], c->volume.bytes, err);
    case GW_RESHAPE_ADD:
        p->vol[slot] = o->file;
        p->map[slot] = o->map;
        *o = (struct opened){ NULL };
        return 0;
    case GW_RESHAPE_REMOVE:
        *o = (struct opened){ .file = p->vol[slot], .map = p->map[slot] };
        p->vol[slot] = NULL;
        p->map[slot] = gw_dirtymap_none();
        return 0;
    case GW_RESHAPE_NONE:
    case GW_RESHAPE_MAX:
        break;
    }
    return 0;
}

static int commit(struct gw_plan *p, const struct gw_reshape *c, int slot, struct opened *o,
                  void (*with)(void *arg), void *arg, struct gw_error *err)
{
    LOCK_SCOPE(&p->persist_mu);
    LOCK_SCOPE(&p->mu);
    struct gw_meta *m = &p->meta;
    gw_crash_point(p->io, "reshape.before");
    gw_reshape_apply(m->volume, &m->n_volumes, c);
    m->reshapes++;
    /* What the journal holds does not lead from the older table to this one: a promotion to an
     * older point compares everything. */
    m->reigns++;
    m->pending_shape = (struct gw_reshape){ .kind = GW_RESHAPE_NONE };
    if (with != NULL)
        with(arg);
    int r = gw_plan_store_meta(p, err);
    gw_crash_point(p->io, "reshape.stored");
    if (r == 0)
        r = follow_meta(p, c, slot, o, err);
    p->reshape_failed = r < 0;
    return r;
}

/* What nothing names any more. The file itself is its owner's again. */
static void tidy_removed(struct gw_plan *p, const struct gw_reshape *c)
{
    static const char *const subs[] = { "volumes", "dirty" };
    for (unsigned i = 0; i < 2; i++) {
        char path[PATH_MAX];
        int r = gw_plan_path(p, path, subs[i], c->volume.name) ? gw_io_unlink(p->io, path) : 0;
        if (r < 0 && r != -ENOENT)
            gw_log(GW_LOG_WARNING, "cannot remove %s of a volume that was removed: %s", path,
                   strerrordesc_np(-r));
    }
}

int gw_plan_reshape(struct gw_plan *p, const struct gw_reshape *change, void (*with)(void *arg),
                    void *arg, bool *ret_refused, struct gw_error *err)
{
    const struct gw_reshape c = *change; /* it may lie in the meta that is changed */
    struct opened o = { NULL };
    int slot = gw_reshape_check(p->meta.volume, p->meta.n_volumes, &c, err), r = 0;
    *ret_refused = true;
    if (slot < 0)
        return slot;
    if (c.kind == GW_RESHAPE_ADD)
        r = open_new(p, &c, &o, err);
    else if (c.kind == GW_RESHAPE_GROW)
        r = check_grown(p, slot, &c, err);
    if (r == 0) {
        *ret_refused = false;
        r = commit(p, &c, slot, &o, with, arg, err);
    }
    gw_file_close(o.file);
    gw_dirtymap_close(o.map);
    if (r < 0)
        return r;
    if (c.kind == GW_RESHAPE_REMOVE)
        tidy_removed(p, &c);
    gw_crash_point(p->io, "reshape.after");
    gw_log(GW_LOG_NOTICE, "volume '%s': %s, %llu bytes", c.volume.name, gw_reshape_name(c.kind),
           (ull)c.volume.bytes);
    return 0;
}

int gw_plan_forget_shape(struct gw_plan *p, struct gw_error *err)
{
    p->meta.pending_shape = (struct gw_reshape){ .kind = GW_RESHAPE_NONE };
    return gw_plan_store_meta(p, err);
}

int gw_plan_reconcile_shape(struct gw_plan *p, const struct gw_side *peer, bool in_flight,
                            bool *ret_adopted, struct gw_error *err)
{
    *ret_adopted = false;
    pthread_mutex_lock(&p->mu);
    const struct gw_meta *m = &p->meta;
    const struct gw_reshape c = m->pending_shape;
    bool pending = c.kind != GW_RESHAPE_NONE && gw_uuid_equal(&peer->plan, &m->plan);
    bool as_now = gw_shape_equal(m->volume, m->n_volumes, peer->volume, peer->n_volumes);
    bool as_then = false;
    if (pending && gw_reshape_check(m->volume, m->n_volumes, &c, NULL) >= 0) {
        struct gw_side_volume then[GW_VOLUMES_MAX];
        uint32_t n = m->n_volumes;
        memcpy(then, m->volume, sizeof then);
        gw_reshape_apply(then, &n, &c);
        as_then = gw_shape_equal(then, n, peer->volume, peer->n_volumes);
    }
    int r = 0;
    if (pending && as_now && !in_flight)
        r = gw_plan_forget_shape(p, err);
    pthread_mutex_unlock(&p->mu);
    if (!as_then)
        return r;
    bool refused;
    r = gw_plan_reshape(p, &c, NULL, NULL, &refused, err);
    *ret_adopted = r == 0;
    return r < 0 ? gw_error_wrap(err, "the peer has changed volume '%s'", c.volume.name), r : 0;
}
