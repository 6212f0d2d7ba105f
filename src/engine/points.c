// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Making, finding and removing recovery points.
 *
 *     nothing -> directory -> images -> images durable, guarded -> manifest (complete)
 *        ^          |           |               |                      | remove: manifest first
 *        +----------+-----------+-------- half made: swept  <----------+
 */
#include "engine/points.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "engine/bundle.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#define PROBE ".probe"

/* ---- guard rail ------------------------------------------------------------------------------ */

/*
 * On XFS and btrfs a descriptor that was opened for writing before the flag was set still writes,
 * so this opens the file anew, after the writable one was closed. Where it is not permitted or not
 * possible there is no guard rail, and that is no error.
 */
static void guard(struct gw_io *io, const char *path, bool on)
{
    if (io != gw_io_posix())
        return;
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return;
    int flags = 0;
    bool known = ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0;
    bool is_on = known && (flags & FS_IMMUTABLE_FL) != 0;
    if (on && !is_on) /* an immutable file's mode cannot be changed */
        known = fchmod(fd, 0400) == 0 && known;
    flags = on ? flags | FS_IMMUTABLE_FL : flags & ~FS_IMMUTABLE_FL;
    if (known && is_on != on)
        ioctl(fd, FS_IOC_SETFLAGS, &flags);
    if (on)
        fsync(fd); /* mode and flag; the data is durable already */
}

static void unguard(struct gw_io *io, const char *path)
{
    guard(io, path, false);
}

/* ---- cost ------------------------------------------------------------------------------------ */

/* 1 if the volume can be cloned into DIR/points, 0 if not: only really trying tells. */
static int try_clone(struct gw_io *io, const char *dir, struct gw_file *volume,
                     struct gw_error *err)
{
    struct gw_path path;
    int r = gw_path(&path, err, "%s/points/" PROBE, dir);
    if (r < 0)
        return r;
    r = gw_io_unlink(io, path.text); /* of a probe that crashed */
    if (r < 0 && r != -ENOENT)
        return gw_error_errno(err, r, "cannot remove %s", path.text);
    struct gw_file *probe = NULL;
    r = gw_io_open(io, path.text, GW_OPEN_CREATE | GW_OPEN_EXCL, &probe);
    if (r < 0)
        return gw_error_errno(err, r, "cannot make %s", path.text);
    int cloned = gw_io_clone(probe, volume);
    gw_file_close(probe);
    r = gw_io_unlink(io, path.text);
    if (cloned < 0 && cloned != -EOPNOTSUPP)
        return gw_error_errno(err, cloned, "cannot clone into %s", path.text);
    if (r < 0)
        return gw_error_errno(err, r, "cannot remove %s", path.text);
    return cloned == 0 ? 1 : 0;
}

static int count_data(struct gw_file *f, uint64_t bytes, uint64_t *total, struct gw_error *err)
{
    for (uint64_t off = 0; off < bytes;) {
        uint64_t start = 0, stop = 0;
        int r = gw_io_next_data(f, off, bytes, &start, &stop);
        if (r < 0)
            return gw_error_errno(err, r, "cannot find its data at %llu", (unsigned long long)off);
        *total += stop - start;
        off = stop;
    }
    return 0;
}

static int free_bytes(struct gw_io *io, const char *dir, uint64_t *ret, struct gw_error *err)
{
    struct gw_path path;
    int r = gw_path(&path, err, "%s/points", dir);
    if (r < 0)
        return r;
    r = gw_io_free_bytes(io, path.text, ret);
    return r < 0 ? gw_error_errno(err, r, "cannot find the free space of %s", path.text) : 0;
}

int gw_point_cost(struct gw_io *io, const char *dir, const struct gw_meta *m,
                  struct gw_file *const *volumes, struct gw_point_cost *ret, struct gw_error *err)
{
    struct gw_point_cost cost = { .kind = GW_POINT_CLONE };
    int r = gw_bundle_make_parent(io, dir, "points", err);
    for (uint32_t i = 0; r == 0 && i < m->n_volumes; i++) {
        if (gw_slot_is_empty(&m->volume[i]))
            continue;
        int cloned = r = try_clone(io, dir, volumes[i], err);
        if (cloned == 0) {
            cost.kind = GW_POINT_COPY;
            r = count_data(volumes[i], m->volume[i].bytes, &cost.copy_bytes, err);
        }
        if (r < 0)
            return gw_error_wrap(err, "cannot tell what a point of volume %s costs",
                                 m->volume[i].name),
                   r;
        r = 0;
    }
    if (r == 0)
        r = free_bytes(io, dir, &cost.free_bytes, err);
    if (r < 0)
        return r;
    *ret = cost;
    return 0;
}

/* ---- making ---------------------------------------------------------------------------------- */

struct making {
    struct gw_io *io;
    const char *dir;
    struct gw_path parent; /* DIR/points */
    struct gw_path path;   /* of the point */
    struct gw_file *volumes[GW_VOLUMES_MAX];
    struct gw_point *p;
    struct gw_file *image[GW_VOLUMES_MAX];
    bool copy[GW_VOLUMES_MAX];
};

/* A point has volumes, not slots: the empty ones go. */
static void take_volumes(struct making *m, struct gw_file *const *volumes)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < m->p->n_volumes; i++) {
        if (gw_slot_is_empty(&m->p->volume[i]))
            continue;
        m->volumes[n] = volumes[i];
        m->p->volume[n++] = m->p->volume[i];
    }
    m->p->n_volumes = n;
}

/* After a clone the overwrite of an allocated block needs space: `reserve` has to stay. */
static int check_space(const struct making *m, uint64_t need, uint64_t reserve,
                       struct gw_error *err)
{
    uint64_t have = 0, want;
    int r = free_bytes(m->io, m->dir, &have, err);
    if (r < 0)
        return r;
    if (!ckd_add(&want, need, reserve) && have >= want)
        return 0;
    return gw_error_set(err, -ENOSPC,
                        "%llu bytes are free in %s/points, the copy needs %llu and %llu have to "
                        "stay free: make room, or remove points that are not needed",
                        (unsigned long long)have, m->dir, (unsigned long long)need,
                        (unsigned long long)reserve);
}

static int clone_images(struct making *m, enum gw_point_how how, struct gw_error *err)
{
    m->p->kind = GW_POINT_CLONE;
    for (uint32_t i = 0; i < m->p->n_volumes; i++) {
        const char *name = m->p->volume[i].name;
        struct gw_path path;
        int r = gw_path(&path, err, "%s/%s.img", m->path.text, name);
        if (r < 0)
            return r;
        r = gw_io_open(m->io, path.text, GW_OPEN_CREATE | GW_OPEN_EXCL, &m->image[i]);
        if (r < 0)
            return gw_error_errno(err, r, "cannot make %s", path.text);
        r = gw_io_clone(m->image[i], m->volumes[i]);
        if (r == -EOPNOTSUPP && how == GW_POINT_CLONE_ONLY)
            return gw_error_set(err, r,
                                "volume %s cannot be cloned to %s: its filesystem has no reflinks "
                                "or is another one; keep volumes and plan directory in one XFS or "
                                "btrfs filesystem, or allow points that are copies",
                                name, path.text);
        if (r < 0 && r != -EOPNOTSUPP)
            return gw_error_errno(err, r, "cannot clone volume %s to %s", name, path.text);
        m->copy[i] = r == -EOPNOTSUPP;
        if (m->copy[i])
            m->p->kind = GW_POINT_COPY;
    }
    return 0;
}

static int copy_images(struct making *m, uint64_t reserve, struct gw_error *err)
{
    uint64_t need = 0;
    int r = 0;
    for (uint32_t i = 0; r == 0 && i < m->p->n_volumes; i++) {
        if (m->copy[i])
            r = count_data(m->volumes[i], m->p->volume[i].bytes, &need, err);
    }
    if (r == 0 && m->p->kind == GW_POINT_COPY) /* clones were checked before they were made */
        r = check_space(m, need, reserve, err);
    for (uint32_t i = 0; r == 0 && i < m->p->n_volumes; i++) {
        if (!m->copy[i])
            continue;
        r = gw_copy_sparse(m->image[i], m->volumes[i], m->p->volume[i].bytes, true, err);
        if (r < 0)
            gw_error_wrap(err, "cannot copy volume %s", m->p->volume[i].name);
    }
    return r;
}

/* Durable, closed, guarded. */
static int settle_images(struct making *m, struct gw_error *err)
{
    for (uint32_t i = 0; i < m->p->n_volumes; i++) {
        const struct gw_side_volume *v = &m->p->volume[i];
        uint64_t bytes = 0;
        int r = gw_io_size(m->image[i], &bytes);
        if (r == 0 && bytes < v->bytes)
            return gw_error_set(err, -EINVAL,
                                "volume %s has %llu bytes, not %llu as the plan says: it was cut",
                                v->name, (unsigned long long)bytes, (unsigned long long)v->bytes);
        if (r == 0)
            r = gw_io_datasync(m->image[i]);
        if (r < 0)
            return gw_error_errno(err, r, "cannot make the image of volume %s durable", v->name);
        gw_file_close(m->image[i]);
        m->image[i] = NULL;
        struct gw_path path;
        r = gw_path(&path, err, "%s/%s.img", m->path.text, v->name);
        if (r < 0)
            return r;
        guard(m->io, path.text, true);
    }
    return 0;
}

static int sync_dir(struct gw_io *io, const char *path, struct gw_error *err)
{
    int r = gw_io_sync_dir(io, path);
    return r < 0 ? gw_error_errno(err, r, "cannot sync directory %s", path) : 0;
}

static int complete(struct making *m, struct gw_error *err)
{
    CLEANUP_FREE uint8_t *buf = malloc(GW_POINT_MANIFEST_BYTES_MAX);
    if (buf == NULL)
        return gw_error_errno(err, -ENOMEM, "cannot write the manifest");
    size_t len = gw_point_encode(m->p, buf, GW_POINT_MANIFEST_BYTES_MAX);
    if (len == 0)
        return gw_error_set(err, -EINVAL, "the manifest has fields that cannot be");
    return gw_io_replace(m->io, m->path.text, GW_BUNDLE_MANIFEST, buf, len, err);
}

static int fill(struct making *m, enum gw_point_how how, uint64_t reserve, struct gw_error *err)
{
    int r = check_space(m, 0, reserve, err);
    if (r == 0)
        r = clone_images(m, how, err);
    if (r == 0)
        r = copy_images(m, reserve, err);
    if (r < 0)
        return r;
    gw_crash_point(m->io, "point.cloned");
    r = settle_images(m, err);
    if (r == 0) /* the images' names before the manifest's */
        r = sync_dir(m->io, m->path.text, err);
    if (r < 0)
        return r;
    gw_crash_point(m->io, "point.synced");
    r = complete(m, err);
    if (r == 0)
        gw_crash_point(m->io, "point.done");
    return r;
}

/* The manifest goes first: whatever happens after that, what is left is a half-made point. */
static int discard(struct gw_io *io, const char *path, struct gw_error *err)
{
    struct gw_path manifest;
    int r = gw_path(&manifest, err, "%s/" GW_BUNDLE_MANIFEST, path);
    if (r < 0)
        return r;
    r = gw_io_unlink(io, manifest.text);
    if (r < 0 && r != -ENOENT)
        return gw_error_errno(err, r, "cannot remove file %s", manifest.text);
    r = sync_dir(io, path, err);
    return r < 0 ? r : gw_bundle_remove_dir(io, path, unguard, err);
}

static int prepare(struct making *m, struct gw_error *err)
{
    struct gw_path probe;
    int r = gw_bundle_make_parent(m->io, m->dir, "points", err);
    if (r == 0)
        r = gw_bundle_sweep(m->io, m->dir, "points", unguard, err);
    if (r == 0)
        r = gw_path(&m->parent, err, "%s/points", m->dir);
    if (r == 0)
        r = gw_path(&probe, err, "%s/" PROBE, m->parent.text);
    if (r == 0)
        r = gw_path(&m->path, err, "%s/%s", m->parent.text, m->p->id);
    if (r < 0)
        return r;
    gw_io_unlink(m->io, probe.text); /* of a crash; usually there is none */
    r = gw_bundle_make_dir(m->io, m->parent.text, m->path.text, err);
    if (r == -EEXIST)
        gw_error_set(err, r, "there is a point of this id; choose another, or remove it");
    return r;
}

int gw_point_create(struct gw_io *io, const char *dir, struct gw_file *const *volumes,
                    enum gw_point_how how, uint64_t reserve, struct gw_point *p,
                    struct gw_error *err)
{
    int r = gw_bundle_id_check("a recovery point", p->id, err);
    if (r < 0)
        return r;
    if (!gw_volumes_ok(p->volume, p->n_volumes))
        return gw_error_set(err, -EINVAL,
                            "cannot make recovery point %s: volume names have to be file names, "
                            "each used once",
                            p->id);
    CLEANUP_FREE struct making *m = calloc(1, sizeof *m);
    if (m == NULL)
        return gw_error_errno(err, -ENOMEM, "cannot make recovery point %s", p->id);
    m->io = io;
    m->dir = dir;
    m->p = p;
    take_volumes(m, volumes);
    r = prepare(m, err);
    if (r == 0) {
        r = fill(m, how, reserve, err);
        for (uint32_t i = 0; i < p->n_volumes; i++)
            gw_file_close(m->image[i]);
        if (r < 0) /* give the space back at once; what cannot go now goes at the next create */
            discard(io, m->path.text, NULL);
    }
    return r < 0 ? gw_error_wrap(err, "cannot make recovery point %s", p->id), r : 0;
}

/* ---- finding --------------------------------------------------------------------------------- */

static int load(struct gw_io *io, const char *dir, const char *id, struct gw_point *ret,
                struct gw_error *err)
{
    int r = gw_bundle_id_check("a recovery point", id, err);
    if (r < 0)
        return r;
    CLEANUP_FREE uint8_t *buf = NULL;
    size_t len = 0;
    r = gw_bundle_read(io, dir, "points", id, GW_POINT_MAGIC, GW_POINT_MANIFEST_BYTES_MAX, &buf,
                       &len, err);
    if (r < 0)
        return r;
    CLEANUP_FREE struct gw_point *p = malloc(sizeof *p);
    if (p == NULL)
        return gw_error_errno(err, -ENOMEM, "cannot read the manifest");
    if (!gw_point_decode(buf, len, p))
        return gw_error_set(err, -EBADMSG,
                            "%s/points/%s/manifest has fields that cannot be: it was not written "
                            "by this godwit; restore it from a backup, or remove the point",
                            dir, id);
    if (strcmp(p->id, id) != 0)
        return gw_error_set(err, -EBADMSG,
                            "%s/points/%s is the point '%s': its directory was renamed; give it "
                            "its name back",
                            dir, id, p->id);
    *ret = *p;
    return 0;
}

int gw_point_load(struct gw_io *io, const char *dir, const char *id, struct gw_point *ret,
                  struct gw_error *err)
{
    int r = load(io, dir, id, ret, err);
    return r < 0 ? gw_error_wrap(err, "cannot load recovery point %.64s", id), r : 0;
}

static int by_age(const void *a, const void *b)
{
    const struct gw_point *x = a, *y = b;
    if (x->wall_ns != y->wall_ns)
        return x->wall_ns < y->wall_ns ? -1 : 1;
    if (x->seq != y->seq)
        return x->seq < y->seq ? -1 : 1;
    return strcmp(x->id, y->id);
}

/* All sound points of `names`, into ret; the first damage into err, as the result. */
static int load_all(struct gw_io *io, const char *dir, const struct gw_names *names,
                    struct gw_point *ret, size_t *ret_n, struct gw_error *err)
{
    int damaged = 0;
    for (size_t i = 0; i < names->n; i++) {
        if (!gw_bundle_id_ok(names->name[i]))
            continue;
        struct gw_error why = { 0 };
        int r = gw_point_load(io, dir, names->name[i], &ret[*ret_n], &why);
        if (r == 0) {
            (*ret_n)++;
        } else if (r != -ENOENT && r != -ENOTDIR &&
                   damaged == 0) { /* else half made, or not ours */
            damaged = r;
            if (err != NULL)
                *err = why;
        }
    }
    return damaged;
}

int gw_point_list(struct gw_io *io, const char *dir, int (*fn)(void *arg, const struct gw_point *p),
                  void *arg, struct gw_error *err)
{
    struct gw_path parent;
    CLEANUP_NAMES struct gw_names names = { 0 };
    int r = gw_path(&parent, err, "%s/points", dir);
    if (r == 0)
        r = gw_names_list(io, parent.text, &names, err);
    if (r < 0)
        return r;
    CLEANUP_FREE struct gw_point *point = calloc(names.n + 1, sizeof *point);
    if (point == NULL)
        return gw_error_errno(err, -ENOMEM, "cannot list recovery points");
    size_t n = 0;
    int damaged = load_all(io, dir, &names, point, &n, err);
    qsort(point, n, sizeof *point, by_age);
    for (size_t i = 0; r == 0 && i < n; i++)
        r = fn(arg, &point[i]);
    return r != 0 ? r : damaged;
}

int gw_point_open_volume(struct gw_io *io, const char *dir, const struct gw_point *p, unsigned i,
                         struct gw_file **ret, struct gw_error *err)
{
    if (i >= p->n_volumes)
        return gw_error_set(err, -EINVAL, "recovery point %s has no volume %u", p->id, i);
    struct gw_path path;
    int r = gw_path(&path, err, "%s/points/%s/%s.img", dir, p->id, p->volume[i].name);
    if (r < 0)
        return r;
    CLEANUP_FILE struct gw_file *f = NULL;
    uint64_t bytes = 0;
    r = gw_io_open(io, path.text, GW_OPEN_RDONLY, &f);
    if (r == 0)
        r = gw_io_size(f, &bytes);
    if (r < 0)
        return gw_error_errno(err, r, "cannot open %s of recovery point %s", path.text, p->id);
    if (bytes < p->volume[i].bytes)
        return gw_error_set(err, -EBADMSG,
                            "%s has %llu bytes, the point was made with %llu: it was cut and "
                            "cannot be used; choose another point",
                            path.text, (unsigned long long)bytes,
                            (unsigned long long)p->volume[i].bytes);
    *ret = f;
    f = NULL;
    return 0;
}

int gw_point_remove(struct gw_io *io, const char *dir, const char *id, struct gw_error *err)
{
    struct gw_path parent, path;
    int r;
    if ((r = gw_bundle_id_check("a recovery point", id, err)) < 0 ||
        (r = gw_path(&parent, err, "%s/points", dir)) < 0 ||
        (r = gw_path(&path, err, "%s/%s", parent.text, id)) < 0)
        return r;
    r = discard(io, path.text, err);
    if (r == 0)
        r = sync_dir(io, parent.text, err);
    return r < 0 ? gw_error_wrap(err, "cannot remove recovery point %s", id), r : 0;
}
