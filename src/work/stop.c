// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "work/stop.h"

#include "base/clock.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct gw_stop {
    int fd;
};

int gw_stop_new(struct gw_stop **ret, struct gw_error *err)
{
    struct gw_stop *s = malloc(sizeof *s);
    if (s == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    s->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (s->fd < 0) {
        int r = gw_error_errno(err, -errno, "cannot make an event");
        free(s);
        return r;
    }
    *ret = s;
    return 0;
}

void gw_stop_free(struct gw_stop *s)
{
    if (s == NULL)
        return;
    close(s->fd);
    free(s);
}

void gw_stop_set(struct gw_stop *s)
{
    int saved = errno;
    const uint64_t one = 1;
    ssize_t n = write(s->fd, &one, sizeof one);
    (void)n; /* it can only fail when it has been set 2^64 times */
    errno = saved;
}

int gw_stop_fd(const struct gw_stop *s)
{
    return s->fd;
}

bool gw_stop_wanted(int stop_fd)
{
    struct pollfd f = { .fd = stop_fd, .events = POLLIN };
    return stop_fd >= 0 && poll(&f, 1, 0) > 0;
}

bool gw_stop_wait(int stop_fd, unsigned ms)
{
    const uint64_t end = gw_boot_ns() + ms * GW_NS_PER_MS;
    for (;;) {
        uint64_t now = gw_boot_ns();
        if (now >= end)
            return gw_stop_wanted(stop_fd);
        struct pollfd f = { .fd = stop_fd, .events = POLLIN };
        if (poll(&f, 1, (int)((end - now) / GW_NS_PER_MS) + 1) > 0)
            return true;
    }
}
