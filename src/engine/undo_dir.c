// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The directories of undo files: making, finishing, listing and removing them. */
#include "engine/undo.h"

#include "base/cleanup.h"
#include "engine/bundle.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int sync_dir(struct gw_io *io, const char *path, struct gw_error *err)
{
    int r = gw_io_sync_dir(io, path);
    return r < 0 ? gw_error_errno(err, r, "cannot sync directory %s", path) : 0;
}

static int write_manifest(struct gw_io *io, const char *path, const struct gw_undo_manifest *m,
                          struct gw_error *err)
{
    CLEANUP_FREE uint8_t *buf = malloc(GW_UNDO_MANIFEST_BYTES_MAX);
    if (buf == NULL)
        return gw_error_errno(err, -ENOMEM, "cannot write the manifest");
    size_t len = gw_undo_manifest_encode(m, buf, GW_UNDO_MANIFEST_BYTES_MAX);
    if (len == 0)
        return gw_error_set(err, -EINVAL,
                            "the manifest has fields that cannot be: volume names are file names "
                            "of at most %u bytes, each used once",
                            GW_VOLUME_NAME_MAX - 1);
    return gw_io_replace(io, path, GW_BUNDLE_MANIFEST, buf, len, err);
}

static int make_data(struct gw_io *io, const char *path, struct gw_error *err)
{
    struct gw_path data;
    int r = gw_path(&data, err, "%s/data", path);
    if (r < 0)
        return r;
    CLEANUP_FILE struct gw_file *f = NULL;
    r = gw_io_open(io, data.text, GW_OPEN_CREATE | GW_OPEN_EXCL, &f);
    if (r == 0)
        r = gw_io_datasync(f);
    return r < 0 ? gw_error_errno(err, r, "cannot make %s", data.text) : 0;
}

static int undo_create(struct gw_io *io, const char *dir, const char *id,
                       const struct gw_undo_manifest *m, struct gw_error *err)
{
    struct gw_path parent, path;
    int r;
    if ((r = gw_path(&parent, err, "%s/undo", dir)) < 0 ||
        (r = gw_path(&path, err, "%s/%s", parent.text, id)) < 0 ||
        (r = gw_bundle_make_parent(io, dir, "undo", err)) < 0 ||
        (r = gw_bundle_sweep(io, dir, "undo", NULL, err)) < 0)
        return r;
    r = gw_bundle_make_dir(io, parent.text, path.text, err);
    if (r == -EEXIST)
        return gw_error_set(err, r, "there is one already; a resync goes on with the one it has");
    if (r < 0)
        return r;
    r = make_data(io, path.text, err);
    if (r == 0) /* the manifest's name may not be there before the data's */
        r = sync_dir(io, path.text, err);
    if (r == 0) {
        gw_crash_point(io, "undo.create");
        r = write_manifest(io, path.text, m, err);
    }
    if (r < 0) /* it was made here; what cannot go now goes at the next create */
        gw_undo_remove(io, dir, id, NULL);
    return r;
}

int gw_undo_create(struct gw_io *io, const char *dir, const char *id,
                   const struct gw_undo_manifest *m, struct gw_error *err)
{
    int r = gw_bundle_id_check("an undo file", id, err);
    if (r < 0)
        return r;
    r = undo_create(io, dir, id, m, err);
    return r < 0 ? gw_error_wrap(err, "cannot create undo file %s", id), r : 0;
}

int gw_undo_finish(struct gw_io *io, const char *dir, const char *id, struct gw_error *err)
{
    static const char text[] = "the resync has finished\n";
    struct gw_path path;
    int r;
    if ((r = gw_bundle_id_check("an undo file", id, err)) < 0 ||
        (r = gw_path(&path, err, "%s/undo/%s", dir, id)) < 0)
        return r;
    r = gw_io_replace(io, path.text, "done", text, sizeof text - 1, err);
    if (r < 0)
        return gw_error_wrap(err, "cannot mark undo file %s as finished", id), r;
    gw_crash_point(io, "undo.finish");
    return 0;
}

bool gw_undo_is_finished(struct gw_io *io, const char *dir, const char *id)
{
    struct gw_path path;
    return gw_bundle_id_ok(id) && gw_path(&path, NULL, "%s/undo/%s/done", dir, id) == 0 &&
           gw_file_exists(io, path.text) == 1;
}

/* ---- removing -------------------------------------------------------------------------------- */

static int unlink_in(struct gw_io *io, const char *dir, const char *name, struct gw_error *err)
{
    struct gw_path path;
    int r = gw_path(&path, err, "%s/%s", dir, name);
    if (r < 0)
        return r;
    r = gw_io_unlink(io, path.text);
    return r < 0 && r != -ENOENT ? gw_error_errno(err, r, "cannot remove file %s", path.text) : 0;
}

static int undo_remove(struct gw_io *io, const char *path, const char *parent, struct gw_error *err)
{
    CLEANUP_NAMES struct gw_names names = { 0 };
    int r = gw_names_list(io, path, &names, err);
    for (size_t i = 0; r == 0 && i < names.n; i++) {
        if (strcmp(names.name[i], GW_BUNDLE_MANIFEST) != 0 && strcmp(names.name[i], "done") != 0)
            r = unlink_in(io, path, names.name[i], err);
    }
    if (r < 0)
        return r;
    /* Removals reach the disk in any order unless they are told: the data first, then what tells
     * what it was, `done` last: half removed it must not look like a resync that is under way. */
    if ((r = sync_dir(io, path, err)) < 0 ||
        (r = unlink_in(io, path, GW_BUNDLE_MANIFEST, err)) < 0 ||
        (r = sync_dir(io, path, err)) < 0 || (r = gw_bundle_remove_dir(io, path, NULL, err)) < 0)
        return r;
    return sync_dir(io, parent, err);
}

int gw_undo_remove(struct gw_io *io, const char *dir, const char *id, struct gw_error *err)
{
    struct gw_path parent, path;
    int r;
    if ((r = gw_bundle_id_check("an undo file", id, err)) < 0 ||
        (r = gw_path(&parent, err, "%s/undo", dir)) < 0 ||
        (r = gw_path(&path, err, "%s/%s", parent.text, id)) < 0)
        return r;
    r = undo_remove(io, path.text, parent.text, err);
    return r < 0 ? gw_error_wrap(err, "cannot remove undo file %s", id), r : 0;
}

int gw_undo_list(struct gw_io *io, const char *dir, int (*fn)(void *arg, const char *id), void *arg,
                 struct gw_error *err)
{
    struct gw_path parent;
    int r = gw_path(&parent, err, "%s/undo", dir);
    if (r < 0)
        return r;
    CLEANUP_NAMES struct gw_names names = { 0 };
    r = gw_names_list(io, parent.text, &names, err);
    for (size_t i = 0; r == 0 && i < names.n; i++) {
        struct gw_path path;
        if (!gw_bundle_id_ok(names.name[i]))
            continue;
        r = gw_path(&path, err, "%s/%s/" GW_BUNDLE_MANIFEST, parent.text, names.name[i]);
        if (r < 0)
            return r;
        r = gw_file_exists(io, path.text);
        if (r < 0)
            return gw_error_errno(err, r, "cannot look at %s", path.text);
        r = r == 1 ? fn(arg, names.name[i]) : 0;
    }
    return r;
}
