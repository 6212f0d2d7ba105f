// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "control/line.h"

#include "base/checked.h"
#include "base/clock.h"
#include "control/message.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define BUF_BYTES_MIN 4096u
#define BUF_BYTES_KEPT (64u * 1024u) /* a buffer that grew past this is given back when empty */
#define NEVER UINT64_MAX

void gw_line_init(struct gw_line *l, int fd, int cancel_fd)
{
    *l = (struct gw_line){ .fd = fd, .cancel_fd = cancel_fd };
}

void gw_line_done(struct gw_line *l)
{
    free(l->buf);
    l->buf = NULL;
    l->len = l->cap = l->taken = 0;
}

static uint64_t deadline_after(unsigned ms)
{
    return ms == 0 ? NEVER : gw_boot_ns() + ms * GW_NS_PER_MS;
}

/* 0 when fd is ready for `events` (or broken: the next call on it says how). */
static int wait_fd(int fd, short events, int cancel_fd, uint64_t deadline)
{
    for (;;) {
        int ms = -1;
        if (deadline != NEVER) {
            uint64_t now = gw_boot_ns();
            uint64_t left = now < deadline ? (deadline - now + GW_NS_PER_MS - 1) / GW_NS_PER_MS : 0;
            ms = (int)GW_MIN(left, (uint64_t)60000);
        }
        struct pollfd fds[2] = { { .fd = fd, .events = events },
                                 { .fd = cancel_fd, .events = POLLIN } };
        int n = poll(fds, 2, ms);
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0 && fds[1].revents != 0)
            return -ECONNABORTED;
        if (n > 0 && fds[0].revents != 0)
            return 0;
        if (deadline != NEVER && gw_boot_ns() >= deadline)
            return -ETIMEDOUT;
    }
}

static void drop_taken(struct gw_line *l)
{
    l->len -= l->taken;
    if (l->len > 0)
        memmove(l->buf, l->buf + l->taken, l->len);
    l->taken = 0;
    if (l->len == 0 && l->cap > BUF_BYTES_KEPT)
        gw_line_done(l);
}

/* Receive some bytes into the buffer: their number, 0 at the end, -EAGAIN when there are none. */
static ssize_t receive_some(struct gw_line *l)
{
    if (l->len == l->cap) {
        size_t cap = l->cap == 0 ? BUF_BYTES_MIN : l->cap * 2;
        cap = GW_MIN(cap, (size_t)GW_CONTROL_LINE_BYTES_MAX);
        char *buf = realloc(l->buf, cap);
        if (buf == NULL)
            return -ENOMEM;
        l->buf = buf;
        l->cap = cap;
    }
    ssize_t n = recv(l->fd, l->buf + l->len, l->cap - l->len, MSG_DONTWAIT);
    if (n < 0)
        return errno == EINTR ? -EAGAIN : -errno;
    l->len += (size_t)n;
    return n;
}

int gw_line_read(struct gw_line *l, unsigned idle_ms, unsigned line_ms, char **ret, size_t *ret_len)
{
    drop_taken(l);
    size_t searched = 0;
    bool begun = l->len > 0;
    uint64_t deadline = deadline_after(begun ? line_ms : idle_ms);
    for (;;) {
        char *nl = l->len > 0 ? memchr(l->buf + searched, '\n', l->len - searched) : NULL;
        if (nl != NULL) {
            *ret = l->buf;
            *ret_len = (size_t)(nl - l->buf);
            l->taken = *ret_len + 1;
            return 1;
        }
        searched = l->len;
        if (l->len >= GW_CONTROL_LINE_BYTES_MAX)
            return -EMSGSIZE;
        ssize_t n = receive_some(l);
        if (n == 0)
            return l->len > 0 ? -EBADMSG : 0;
        if (n < 0 && n != -EAGAIN)
            return (int)n;
        if (n > 0 && !begun) {
            begun = true;
            deadline = deadline_after(line_ms);
        }
        /* The clock also runs against a peer that always has one more byte. */
        if (n > 0 && gw_boot_ns() < deadline)
            continue;
        int r = n > 0 ? -ETIMEDOUT : wait_fd(l->fd, POLLIN, l->cancel_fd, deadline);
        if (r < 0)
            return r == -ETIMEDOUT && begun ? -ETIME : r;
    }
}

int gw_line_send(int fd, int cancel_fd, const char *data, size_t len, unsigned ms)
{
    uint64_t deadline = deadline_after(ms);
    while (len > 0) {
        ssize_t n = send(fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n >= 0) {
            data += n;
            len -= (size_t)n;
            continue;
        }
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN)
            return -errno;
        int r = wait_fd(fd, POLLOUT, cancel_fd, deadline);
        if (r == -ECONNABORTED) {
            deadline = GW_MIN(deadline, deadline_after(GW_CONTROL_STOP_MS));
            cancel_fd = -1;
        } else if (r < 0) {
            return r;
        }
    }
    return 0;
}

void gw_line_drain(int fd, int cancel_fd, unsigned ms)
{
    char scrap[BUF_BYTES_MIN];
    uint64_t deadline = deadline_after(ms);
    while (gw_boot_ns() < deadline && wait_fd(fd, POLLIN, cancel_fd, deadline) == 0) {
        ssize_t n = recv(fd, scrap, sizeof scrap, MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
            return;
    }
}
