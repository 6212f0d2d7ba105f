// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "unit/logfile.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int open_log(const char *path)
{
    return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
}

int gw_unit_log_open(const char *path, int *ret_fd, struct gw_error *err)
{
    CLEANUP_CLOSE int fd = open_log(path);
    struct stat st;
    char old[PATH_MAX];

    if (fd < 0 || fstat(fd, &st) < 0)
        return gw_error_errno(err, -errno, "cannot open the log %s", path);
    if (st.st_size > (off_t)GW_UNIT_LOG_BYTES_MAX) {
        if (snprintf(old, sizeof old, "%s.1", path) >= (int)sizeof old || rename(path, old) < 0)
            return gw_error_errno(err, -errno, "cannot rotate the log %s", path);
        close(fd);
        fd = open_log(path);
        if (fd < 0)
            return gw_error_errno(err, -errno, "cannot open the log %s", path);
    }
    *ret_fd = fd;
    fd = -1;
    return 0;
}

void gw_unit_log_tail(const char *path, char *ret, size_t cap)
{
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat st;

    ret[0] = '\0';
    if (fd < 0 || fstat(fd, &st) < 0)
        return;
    const off_t from = st.st_size > (off_t)(cap - 1) ? st.st_size - (off_t)(cap - 1) : 0;
    ssize_t n = pread(fd, ret, cap - 1, from);
    if (n <= 0) {
        ret[0] = '\0';
        return;
    }
    while (n > 0 && ret[n - 1] == '\n')
        n--;
    ret[n] = '\0';
    for (ssize_t i = 0; i < n; i++) /* it may be anything, and goes into sentences */
        if (((unsigned char)ret[i] < ' ' && ret[i] != '\n' && ret[i] != '\t') || ret[i] == 0x7f)
            ret[i] = '?';
    /* From the first whole line on, if there is one. */
    char *nl = from > 0 ? strchr(ret, '\n') : NULL;
    if (nl != NULL)
        memmove(ret, nl + 1, strlen(nl + 1) + 1);
}
