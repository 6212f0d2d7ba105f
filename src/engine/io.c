// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* What is built on a struct gw_io alone, and so is the same over real and simulated disks. */
#include "engine/io.h"

#include "base/cleanup.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>

void gw_file_close(struct gw_file *f)
{
    if (f != NULL)
        f->io->ops->close(f);
}

/* Write `path` as a new file and make its bytes durable. */
static int write_temp(struct gw_io *io, const char *path, const void *data, size_t len,
                      struct gw_error *err)
{
    /* What a crash left behind is nobody's: the caller is the only writer of this directory. */
    int r = gw_io_unlink(io, path);
    if (r < 0 && r != -ENOENT)
        return gw_error_errno(err, r, "cannot remove the left-over \"%s\"", path);
    CLEANUP_FILE struct gw_file *f = NULL;
    r = gw_io_open(io, path, GW_OPEN_CREATE | GW_OPEN_EXCL, &f);
    if (r < 0)
        return gw_error_errno(err, r, "cannot create \"%s\"", path);
    r = gw_io_pwrite(f, data, len, 0);
    if (r < 0)
        return gw_error_errno(err, r, "cannot write \"%s\"", path);
    gw_crash_point(io, "replace.temp");
    r = gw_io_datasync(f);
    if (r < 0)
        return gw_error_errno(err, r, "cannot make \"%s\" durable", path);
    gw_crash_point(io, "replace.synced");
    return 0;
}

int gw_io_replace(struct gw_io *io, const char *dir, const char *name, const void *data, size_t len,
                  struct gw_error *err)
{
    char path[PATH_MAX], temp[PATH_MAX];
    int n = snprintf(temp, sizeof temp, "%s/%s.tmp", dir, name);
    if (n < 0 || n >= (int)sizeof temp)
        return gw_error_set(err, -ENAMETOOLONG, "the path of \"%s\" is too long", name);
    snprintf(path, sizeof path, "%s/%s", dir, name); /* shorter than temp */

    int r = write_temp(io, temp, data, len, err);
    if (r < 0) {
        gw_io_unlink(io, temp);
        return r;
    }
    r = gw_io_rename(io, temp, path);
    if (r < 0) {
        gw_io_unlink(io, temp);
        return gw_error_errno(err, r, "cannot rename \"%s\" to \"%s\"", temp, path);
    }
    gw_crash_point(io, "replace.renamed");
    r = gw_io_sync_dir(io, dir);
    if (r < 0) /* in doubt: the old or the new content may come back after a power loss */
        return gw_error_errno(err, r, "cannot make the directory \"%s\" durable", dir);
    gw_crash_point(io, "replace.done");
    return 0;
}

int gw_io_read_all(struct gw_io *io, const char *path, size_t max, uint8_t **ret, size_t *ret_len,
                   struct gw_error *err)
{
    CLEANUP_FILE struct gw_file *f = NULL;
    int r = gw_io_open(io, path, GW_OPEN_RDONLY, &f);
    if (r < 0)
        return gw_error_errno(err, r, "cannot open \"%s\"", path);
    uint64_t bytes = 0;
    r = gw_io_size(f, &bytes);
    if (r < 0)
        return gw_error_errno(err, r, "cannot find the size of \"%s\"", path);
    if (bytes > max)
        return gw_error_set(err, -EFBIG, "\"%s\" has %llu bytes, at most %zu are expected", path,
                            (unsigned long long)bytes, max);
    /* One byte more: an empty file has memory too, and text is terminated. */
    CLEANUP_FREE uint8_t *data = calloc(1, (size_t)bytes + 1);
    if (data == NULL)
        return gw_error_errno(err, -ENOMEM, "cannot read \"%s\"", path);
    r = gw_io_pread(f, data, (size_t)bytes, 0);
    if (r < 0)
        return gw_error_errno(err, r, "cannot read \"%s\"", path);
    *ret = data;
    *ret_len = (size_t)bytes;
    data = NULL;
    return 0;
}
