// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Making a plan directory. */
#include "base/checked.h"
#include "base/cleanup.h"
#include "engine/bundle.h"
#include "engine/journal.h"
#include "engine/plan_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What a create that fails takes away again, so that the corrected one finds the place free. */
struct made {
    enum {
        MADE_NOTHING,
        MADE_CONTENT, /* of an empty directory that was there */
        MADE_DIR,
    } dir;
    bool volume[GW_VOLUMES_MAX]; /* the file */
};

int gw_volume_holds_data(struct gw_file *f, uint64_t from, uint64_t to, bool *ret,
                         struct gw_error *err)
{
    /* Data that is all zeros is none: a preallocated or zero-filled disk is empty. */
    CLEANUP_FREE uint8_t *buf = malloc(GW_EXTENT_BYTES);
    if (buf == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    uint64_t at = from, start, stop;
    *ret = false;
    while (at < to) {
        int r = gw_io_next_data(f, at, to, &start, &stop);
        if (r < 0)
            return gw_error_errno(err, r, "cannot look for data");
        if (start >= to)
            return 0;
        stop = GW_MIN(stop, start + GW_EXTENT_BYTES);
        r = gw_io_pread(f, buf, stop - start, start);
        if (r < 0)
            return gw_error_errno(err, r, "cannot read at %llu", (unsigned long long)start);
        for (uint64_t i = 0; i < stop - start; i++) {
            if (buf[i] != 0) {
                *ret = true;
                return 0;
            }
        }
        at = stop;
    }
    return 0;
}

/* The caller closes *ret when all volumes are made: a file that is named twice is found locked. */
static int make_volume(struct gw_io *io, const char *dir, struct gw_plan_spec *spec,
                       struct gw_plan_volume_spec *v, struct gw_file **ret, bool *ret_created,
                       struct gw_error *err)
{
    bool created = false;
    int r = gw_io_open(io, v->path, GW_OPEN_LOCK, ret);
    if (r == -ENOENT && v->bytes > 0) {
        r = gw_io_open(io, v->path, GW_OPEN_CREATE | GW_OPEN_EXCL | GW_OPEN_LOCK, ret);
        created = *ret_created = r == 0;
        if (r == 0)
            r = gw_io_truncate(*ret, v->bytes);
    }
    struct gw_file *f = *ret;
    if (r == -EWOULDBLOCK || r == -EBUSY)
        return gw_error_set(err, r,
                            "volume '%s': %s is in use by another plan or process, mounted, or "
                            "another volume of this plan",
                            v->name, v->path);
    if (r == -ENOENT && v->bytes > 0)
        return gw_error_set(err, r,
                            "volume '%s': %s cannot be made: its directory does not exist; make "
                            "that, or correct the path",
                            v->name, v->path);
    if (r == -ENOENT)
        return gw_error_set(err, r, "volume '%s': %s does not exist; create it, or give its size",
                            v->name, v->path);
    if (r < 0)
        return gw_error_errno(err, r, "volume '%s': cannot open %s", v->name, v->path);
    uint64_t bytes;
    r = gw_io_size(f, &bytes);
    if (r < 0)
        return gw_error_errno(err, r, "volume '%s': cannot get the size of %s", v->name, v->path);
    if (v->bytes == 0)
        v->bytes = bytes;
    if (bytes != v->bytes)
        return gw_error_set(err, -EINVAL, "volume '%s': %s has %llu bytes, not %llu", v->name,
                            v->path, (unsigned long long)bytes, (unsigned long long)v->bytes);
    if (bytes == 0 || bytes > GW_VOLUME_BYTES_MAX)
        return gw_error_set(err, -EINVAL, "volume '%s': %s has an impossible size of %llu bytes",
                            v->name, v->path, (unsigned long long)bytes);
    if (!spec->active && !created && !spec->adopt_data) {
        bool data;
        r = gw_volume_holds_data(f, 0, bytes, &data, err);
        if (r < 0)
            return gw_error_wrap(err, "volume '%s'", v->name);
        if (data)
            return gw_error_set(
                err, -EEXIST,
                "volume '%s': %s already holds data, which seeding would overwrite; "
                "name another file, or say --adopt-data to compare and keep what is "
                "equal",
                v->name, v->path);
    }
    r = gw_io_datasync(f);
    if (r < 0)
        return gw_error_errno(err, r, "volume '%s': cannot make %s durable", v->name, v->path);
    if (gw_uuid_is_none(&v->uuid))
        v->uuid = gw_io_new_uuid(io);
    char link[PATH_MAX], map[PATH_MAX], target[PATH_MAX];
    if (realpath(v->path, target) == NULL)
        return gw_error_errno(err, -errno, "volume '%s': cannot resolve %s", v->name, v->path);
    if (snprintf(link, sizeof link, "%s/volumes/%s", dir, v->name) >= (int)sizeof link ||
        snprintf(map, sizeof map, "%s/dirty/%s", dir, v->name) >= (int)sizeof map)
        return gw_error_set(err, -ENAMETOOLONG, "volume '%s': path too long", v->name);
    if (symlink(target, link) < 0)
        return gw_error_errno(err, -errno, "cannot make the link %s", link);
    return gw_dirtymap_create(io, map, &v->uuid, bytes, err);
}

static int check_spec(const struct gw_plan_spec *spec, struct gw_error *err)
{
    if (spec->n_volumes == 0 || spec->n_volumes > GW_VOLUMES_MAX)
        return gw_error_set(err, -EINVAL, "a plan has 1 to %u volumes, not %u", GW_VOLUMES_MAX,
                            spec->n_volumes);
    if (spec->plan_name[0] == '\0' || spec->site_name[0][0] == '\0' ||
        spec->site_name[1][0] == '\0')
        return gw_error_set(err, -EINVAL, "the plan and both sites need names");
    if (strcmp(spec->site_name[0], spec->site_name[1]) == 0)
        return gw_error_set(err, -EINVAL, "both sites are called '%s'", spec->site_name[0]);
    for (unsigned i = 0; i < spec->n_volumes; i++) {
        if (spec->volume[i].empty)
            continue;
        if (!gw_volume_name_ok(spec->volume[i].name))
            return gw_error_set(
                err, -EINVAL,
                "'%s' is not a volume name: letters, digits, '.', '_' and '-' only, "
                "not starting with '.', and not 'hot'",
                spec->volume[i].name);
        for (unsigned k = 0; k < i; k++) {
            if (!spec->volume[k].empty && strcmp(spec->volume[i].name, spec->volume[k].name) == 0)
                return gw_error_set(err, -EINVAL, "two volumes are called '%s'",
                                    spec->volume[i].name);
        }
    }
    return 0;
}

static int refuse_name(void *arg, const char *name)
{
    (void)arg;
    (void)name;
    return 1;
}

static int make_dirs(struct gw_io *io, const char *dir, struct made *made, struct gw_error *err)
{
    int r = gw_io_mkdir(io, dir);
    bool own = r == 0;
    if (r == -EEXIST) {
        r = gw_io_list(io, dir, refuse_name, NULL);
        if (r > 0)
            return gw_error_set(err, -EEXIST, "the directory is not empty");
    }
    if (r < 0)
        return gw_error_errno(err, r, "cannot make the directory");
    static const char *const subs[] = { "volumes", "dirty", "points", "undo" };
    for (unsigned i = 0; i < GW_ARRAY_SIZE(subs); i++) {
        char path[PATH_MAX];
        if (snprintf(path, sizeof path, "%s/%s", dir, subs[i]) >= (int)sizeof path)
            return gw_error_set(err, -ENAMETOOLONG, "the path is too long");
        r = gw_io_mkdir(io, path);
        if (r < 0)
            return gw_error_errno(err, r, "cannot make %s", path);
        made->dir = own ? MADE_DIR : MADE_CONTENT; /* nobody else made it at the same time */
    }
    return gw_journal_create(io, dir, err);
}

static void first_meta(struct gw_io *io, const struct gw_plan_spec *spec, struct gw_meta *m)
{
    *m = (struct gw_meta){
        .plan = spec->plan,
        .site = spec->site,
        .role = spec->active ? GW_ROLE_ACTIVE : GW_ROLE_STANDBY,
        .clean = true,
        .consistent = spec->active,
        .blank = !spec->active,
        .seed_me = !spec->active,
        .seed_compare = spec->adopt_data,
        .n_volumes = spec->n_volumes,
    };
    memcpy(m->plan_name, spec->plan_name, sizeof m->plan_name);
    memcpy(m->site_name, spec->site_name, sizeof m->site_name);
    for (unsigned i = 0; i < spec->n_volumes; i++) {
        if (spec->volume[i].empty) {
            gw_slot_empty(&m->volume[i], i);
            m->reshapes = 1;
            continue;
        }
        m->volume[i].uuid = spec->volume[i].uuid;
        m->volume[i].bytes = spec->volume[i].bytes;
        memcpy(m->volume[i].name, spec->volume[i].name, sizeof m->volume[i].name);
    }
    if (spec->active) {
        struct gw_incarnation first = {
            .epoch = gw_epoch_next(spec->site, 0),
            .uuid = gw_io_new_uuid(io),
            .wall_ns = gw_io_wall_ns(io),
            .site = spec->site,
            .birth = GW_BIRTH_CREATION,
        };
        gw_lineage_append(&m->lineage, &first);
        m->highest_epoch = first.epoch;
        m->reigns = 1;
    }
}

static int plan_build(struct gw_io *io, const char *dir, struct gw_plan_spec *spec,
                      struct made *made, struct gw_error *err)
{
    int r = check_spec(spec, err);
    if (r < 0)
        return r;
    r = make_dirs(io, dir, made, err);
    if (r < 0)
        return r;
    if (gw_uuid_is_none(&spec->plan))
        spec->plan = gw_io_new_uuid(io);
    struct gw_file *held[GW_VOLUMES_MAX] = { NULL };
    for (unsigned i = 0; r == 0 && i < spec->n_volumes; i++)
        r = spec->volume[i].empty
                ? 0
                : make_volume(io, dir, spec, &spec->volume[i], &held[i], &made->volume[i], err);
    for (unsigned i = 0; i < GW_VOLUMES_MAX; i++)
        gw_file_close(held[i]);
    if (r < 0)
        return r;
    char path[PATH_MAX];
    static const char *const subs[] = { "volumes", "dirty" };
    if (snprintf(path, sizeof path, "%s/dirty/hot", dir) >= (int)sizeof path)
        return gw_error_set(err, -ENAMETOOLONG, "the path is too long");
    r = gw_hotset_create(io, path, &spec->plan, err);
    for (unsigned i = 0; i < GW_ARRAY_SIZE(subs) && r == 0; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, subs[i]);
        r = gw_io_sync_dir(io, path);
        if (r < 0)
            gw_error_errno(err, r, "cannot make %s durable", path);
    }
    if (r < 0)
        return r;
    struct gw_meta *m = calloc(1, sizeof *m);
    if (m == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    first_meta(io, spec, m);
    /* The meta file comes last: a directory without one is not a plan. */
    r = gw_metafile_create(io, dir, m, err);
    free(m);
    return r;
}

/* Everything in `dir`, which this process filled; it has two levels. Errors leave something over.
 */
static void remove_content(struct gw_io *io, const char *dir, unsigned levels)
{
    CLEANUP_NAMES struct gw_names names = { 0 };
    if (gw_names_list(io, dir, &names, NULL) < 0)
        return;
    for (size_t i = 0; i < names.n; i++) {
        struct gw_path path;
        if (gw_path(&path, NULL, "%s/%s", dir, names.name[i]) < 0)
            continue;
        if (gw_io_unlink(io, path.text) < 0 && levels > 0) {
            remove_content(io, path.text, levels - 1);
            gw_io_rmdir(io, path.text);
        }
    }
}

static void unmake(struct gw_io *io, const char *dir, const struct gw_plan_spec *spec,
                   const struct made *made)
{
    if (made->dir == MADE_NOTHING)
        return;
    remove_content(io, dir, 1);
    if (made->dir == MADE_DIR)
        gw_io_rmdir(io, dir);
    for (unsigned i = 0; i < spec->n_volumes && i < GW_VOLUMES_MAX; i++) {
        if (made->volume[i])
            gw_io_unlink(io, spec->volume[i].path);
    }
}

int gw_plan_create(struct gw_io *io, const char *dir, struct gw_plan_spec *spec,
                   struct gw_error *err)
{
    struct made made = { .dir = MADE_NOTHING };
    int r = plan_build(io, dir, spec, &made, err);
    if (r < 0) {
        unmake(io, dir, spec, &made);
        gw_error_wrap(err, "cannot create plan directory '%s'", dir);
    }
    return r;
}
