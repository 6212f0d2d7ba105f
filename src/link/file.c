// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "link/file.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

int gw_link_file_read(const char *path, char **ret, size_t *ret_len, struct gw_error *err)
{
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return gw_error_errno(err, -errno, "cannot open \"%s\"", path);
    CLEANUP_FREE char *data = malloc(GW_LINK_FILE_BYTES_MAX + 1);
    size_t len = 0;
    ssize_t n = 1;
    if (data == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    while (n > 0 && len < GW_LINK_FILE_BYTES_MAX) {
        n = read(fd, data + len, GW_LINK_FILE_BYTES_MAX - len);
        if (n < 0 && errno == EINTR)
            n = 1;
        else if (n < 0)
            return gw_error_errno(err, -errno, "cannot read \"%s\"", path);
        else
            len += (size_t)n;
    }
    if (n > 0)
        return gw_error_set(err, -EFBIG, "\"%s\" has more than %u bytes", path,
                            GW_LINK_FILE_BYTES_MAX - 1);
    data[len] = '\0';
    *ret = data;
    *ret_len = len;
    data = NULL;
    return 0;
}

static int sync_parent(const char *path, struct gw_error *err)
{
    CLEANUP_FREE char *dir = strdup(path);
    if (dir == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    char *slash = strrchr(dir, '/');
    if (slash != NULL)
        slash[slash == dir ? 1 : 0] = '\0';
    const char *name = slash != NULL ? dir : ".";
    CLEANUP_CLOSE int fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) < 0)
        return gw_error_errno(err, -errno, "cannot sync the directory \"%s\"", name);
    return 0;
}

static int write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0) {
            data += n;
            len -= (size_t)n;
        }
    }
    return fdatasync(fd) < 0 ? -errno : 0;
}

int gw_link_file_replace(const char *path, mode_t mode, const char *data, size_t len,
                         struct gw_error *err)
{
    CLEANUP_FREE char *temp = NULL;
    if (asprintf(&temp, "%s.new", path) < 0) {
        temp = NULL;
        return gw_error_set(err, -ENOMEM, "out of memory");
    }
    unlink(temp); /* what a crash left; its mode may be another one */
    CLEANUP_CLOSE int fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0)
        return gw_error_errno(err, -errno, "cannot create \"%s\"", temp);
    int r = write_all(fd, data, len);
    if (r == 0 && rename(temp, path) < 0)
        r = -errno;
    if (r < 0) {
        unlink(temp);
        return gw_error_errno(err, r, "cannot write \"%s\"", path);
    }
    return sync_parent(path, err);
}

int gw_link_file_remove(const char *path, struct gw_error *err)
{
    if (unlink(path) < 0 && errno != ENOENT)
        return gw_error_errno(err, -errno, "cannot remove \"%s\"", path);
    return sync_parent(path, err);
}
