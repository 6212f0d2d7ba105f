// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "catalog/files.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int gw_path_join(char ret[GW_PATH_BYTES], const char *dir, const char *name, struct gw_error *err)
{
    if (snprintf(ret, GW_PATH_BYTES, "%s/%s", dir, name) >= GW_PATH_BYTES)
        return gw_error_set(err, -ENAMETOOLONG, "the name of a directory is too long");
    return 0;
}

int gw_path_add(char ret[GW_PATH_BYTES], const char *path, const char *suffix, struct gw_error *err)
{
    if (snprintf(ret, GW_PATH_BYTES, "%s%s", path, suffix) >= GW_PATH_BYTES)
        return gw_error_set(err, -ENAMETOOLONG, "the name of a file is too long");
    return 0;
}

int gw_sync_dir_of(const char *path, struct gw_error *err)
{
    char dir[GW_PATH_BYTES];
    const char *slash = strrchr(path, '/');
    size_t len = slash == NULL ? 0 : (size_t)(slash - path);
    if (len >= sizeof dir)
        return gw_error_set(err, -ENAMETOOLONG, "the name of a directory is too long");
    memcpy(dir, path, len);
    memcpy(dir + len, slash == NULL ? "." : "", 2 - (slash != NULL));
    CLEANUP_CLOSE int fd =
        open(len == 0 && slash != NULL ? "/" : dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) < 0)
        return gw_error_errno(err, -errno, "cannot make names in %s durable", dir);
    return 0;
}

static int write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        data += n;
        len -= (size_t)n;
    }
    return fdatasync(fd) < 0 ? -errno : 0;
}

int gw_file_replace(const char *path, const void *data, size_t len, struct gw_error *err)
{
    char temp[GW_PATH_BYTES];
    int r = gw_path_add(temp, path, ".new", err);
    if (r >= 0)
        r = gw_file_fresh(temp, err);
    if (r < 0)
        return r;
    CLEANUP_CLOSE int fd = open(temp, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
    r = fd < 0 ? -errno : write_all(fd, data, len);
    if (r < 0) {
        unlink(temp);
        return gw_error_errno(err, r, "cannot write %s", temp);
    }
    return gw_file_move(temp, path, true, err);
}

int gw_file_fresh(const char *path, struct gw_error *err)
{
    if (unlink(path) < 0 && errno != ENOENT)
        return gw_error_errno(err, -errno, "cannot make %s", path);
    CLEANUP_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    return fd < 0 ? gw_error_errno(err, -errno, "cannot make %s", path) : 0;
}

int gw_file_sync(const char *path, struct gw_error *err)
{
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) < 0)
        return gw_error_errno(err, -errno, "cannot make %s durable", path);
    return 0;
}

int gw_file_move(const char *from, const char *to, bool replace, struct gw_error *err)
{
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, replace ? 0 : RENAME_NOREPLACE) < 0)
        return gw_error_errno(err, -errno, "cannot rename %s to %s", from, to);
    return gw_sync_dir_of(to, err);
}
