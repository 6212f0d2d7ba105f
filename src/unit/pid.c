// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "unit/pid.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define STAT_BYTES_MAX 1024
#define FIELD_STATE 3
#define FIELD_START 22

bool gw_pid_parse_stat(const char *text, size_t len, uint64_t *ret_start_ticks)
{
    /* The name before it is in brackets, and may hold anything, brackets too. */
    const char *end = text + len, *p = memrchr(text, ')', len);
    uint64_t ticks = 0;

    if (p == NULL)
        return false;
    p++;
    for (int field = FIELD_STATE; field <= FIELD_START; field++) {
        if (p == end || *p != ' ')
            return false;
        p++;
        if (field == FIELD_STATE && p < end && (*p == 'Z' || *p == 'X'))
            return false;
        if (field == FIELD_START)
            break;
        while (p < end && *p != ' ')
            p++;
    }
    const char *digits = p;
    while (p < end && *p >= '0' && *p <= '9') {
        if (__builtin_mul_overflow(ticks, 10u, &ticks) ||
            __builtin_add_overflow(ticks, (unsigned)(*p - '0'), &ticks))
            return false;
        p++;
    }
    if (p == digits)
        return false;
    *ret_start_ticks = ticks;
    return true;
}

static ssize_t read_small(const char *path, char *ret, size_t cap)
{
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return -errno;
    ssize_t n = read(fd, ret, cap);
    return n < 0 ? -errno : n;
}

static int read_boot(struct gw_uuid *ret, struct gw_error *err)
{
    static const char path[] = "/proc/sys/kernel/random/boot_id";
    char text[GW_UUID_TEXT + 1] = "";
    ssize_t n = read_small(path, text, sizeof text - 1);

    if (n < 0)
        return gw_error_errno(err, (int)n, "cannot read %s", path);
    text[GW_UUID_TEXT - 1] = '\0';
    return gw_uuid_parse(text, ret) ? 0
                                    : gw_error_set(err, -EIO, "there is no boot id in %s", path);
}

static int read_start(pid_t pid, uint64_t *ret, struct gw_error *err)
{
    char path[64], text[STAT_BYTES_MAX];

    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    ssize_t n = read_small(path, text, sizeof text);
    if (n == -ENOENT || n == -ESRCH || (n >= 0 && !gw_pid_parse_stat(text, (size_t)n, ret)))
        return gw_error_set(err, -ESRCH, "process %d has ended", (int)pid);
    return n < 0 ? gw_error_errno(err, (int)n, "cannot look at process %d", (int)pid) : 0;
}

int gw_pid_of(pid_t pid, struct gw_pid *ret, struct gw_error *err)
{
    struct gw_pid id = { .pid = pid };
    int r = read_boot(&id.boot, err);

    if (r == 0)
        r = read_start(pid, &id.start_ticks, err);
    if (r == 0)
        *ret = id;
    return r;
}

int gw_pid_open(const struct gw_pid *id, int *ret_pidfd, struct gw_error *err)
{
    struct gw_pid now;

    if (id->pid <= 0)
        return gw_error_set(err, -ESRCH, "%d is not the number of a process", (int)id->pid);
    CLEANUP_CLOSE int fd = (int)syscall(SYS_pidfd_open, id->pid, 0);
    if (fd < 0)
        return errno == ESRCH
                   ? gw_error_set(err, -ESRCH, "process %d has ended", (int)id->pid)
                   : gw_error_errno(err, -errno, "cannot watch process %d", (int)id->pid);
    /* With the descriptor the number cannot be given away between two looks. */
    int r = gw_pid_of(id->pid, &now, err);
    if (r < 0)
        return r;
    if (now.start_ticks != id->start_ticks || !gw_uuid_equal(&now.boot, &id->boot))
        return gw_error_set(err, -ESRCH, "process %d has ended; the number is another one's now",
                            (int)id->pid);
    *ret_pidfd = fd;
    fd = -1;
    return 0;
}

bool gw_pid_ended(int pidfd)
{
    struct pollfd p = { .fd = pidfd, .events = POLLIN };

    return poll(&p, 1, 0) > 0;
}

int gw_pid_signal(int pidfd, int signal)
{
    return syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0) < 0 ? -errno : 0;
}
