// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Connecting and listening. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "engine/conn.h"
#include "engine/passed.h"
#include "engine/tls.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LISTEN_BACKLOG SOMAXCONN /* callers in a rush wait here, and not for another SYN */
#define LISTEN_RESOLVE_MS 10000u
#define ACCEPT_RETRY_MS 100u /* after an error that will not pass by itself at once */

struct gw_listener {
    int fd;
    bool passed; /* connections come from another process (engine/passed.h) */
    struct gw_tls *tls;
    char address[sizeof GW_PASSED_PREFIX + GW_PASSED_PATH_MAX];
};

static_assert(sizeof((struct gw_listener *)NULL)->address >= GW_ADDRESS_TEXT,
              "an address of any kind fits");

static uint64_t after_ms(unsigned ms)
{
    return gw_boot_ns() + ms * GW_NS_PER_MS;
}

/* Without TLS nobody is authenticated: only this machine may be at the other end. */
static int keep_loopback(const char *address, struct gw_addresses *all, struct gw_error *err)
{
    int kept = 0;

    for (int i = 0; i < all->n; i++)
        if (gw_address_is_loopback(&all->a[i]))
            all->a[kept++] = all->a[i];
    all->n = kept;
    if (kept == 0)
        return gw_error_set(err, -EPERM,
                            "%s is not a loopback address: without TLS a connection "
                            "is allowed on this machine only; configure certificates",
                            address);
    return 0;
}

/* ---- connecting ------------------------------------------------------------------------------ */

/* A connect to a free port of this machine may meet itself if the kernel picks that port for us. */
static bool met_itself(int fd, const struct gw_address *to)
{
    struct gw_address self = { .len = sizeof self.sa };
    char a[GW_ADDRESS_TEXT], b[GW_ADDRESS_TEXT];

    if (getsockname(fd, (struct sockaddr *)&self.sa, &self.len) < 0)
        return false;
    gw_address_format(&self, a);
    gw_address_format(to, b);
    return strcmp(a, b) == 0;
}

/* A connected socket, or a negative errno value. */
static int connect_one(const struct gw_address *to, uint64_t deadline_ns, int cancel_fd)
{
    CLEANUP_CLOSE int fd =
        socket(to->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
    int error = 0;
    socklen_t len = sizeof error;

    if (fd < 0)
        return -errno;
    if (connect(fd, (const struct sockaddr *)&to->sa, to->len) < 0) {
        if (errno != EINPROGRESS)
            return -errno;
        int r = gw_wait_fd(fd, POLLOUT, cancel_fd, deadline_ns);
        if (r < 0)
            return r;
        if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
            return -errno;
        if (error != 0)
            return -error;
    }
    if (met_itself(fd, to))
        return -ECONNREFUSED;
    int connected = fd;
    fd = -1;
    return connected;
}

/* The first address that answers; each has its share of the time that is left. */
static int connect_any(const struct gw_addresses *all, uint64_t deadline_ns, int cancel_fd,
                       struct gw_conn **ret, struct gw_error *err)
{
    int r = -EHOSTUNREACH;

    for (int i = 0; i < all->n; i++) {
        const uint64_t now = gw_boot_ns();
        const uint64_t left = now < deadline_ns ? deadline_ns - now : 0;
        char text[GW_ADDRESS_TEXT];
        r = connect_one(&all->a[i], now + left / (uint64_t)(all->n - i), cancel_fd);
        if (r >= 0)
            return gw_conn_new(r, &all->a[i], ret, err);
        gw_address_format(&all->a[i], text);
        if (r == -ECONNABORTED)
            return gw_error_set(err, r, "cancelled while connecting to %s", text);
        if (r == -ETIMEDOUT)
            gw_error_set(err, r, "cannot connect to %s: no answer in time", text);
        else
            gw_error_errno(err, r, "cannot connect to %s", text);
    }
    return r;
}

int gw_conn_connect(const char *address, struct gw_tls *tls, const char *server_name,
                    unsigned timeout_ms, int cancel_fd, struct gw_conn **ret, struct gw_error *err)
{
    const uint64_t deadline_ns = after_ms(timeout_ms);
    struct gw_addresses all;
    struct gw_conn *c = NULL;
    int r = gw_address_resolve(address, false, deadline_ns, cancel_fd, &all, err);

    if (r == 0 && tls == NULL)
        r = keep_loopback(address, &all, err);
    if (r == 0)
        r = connect_any(&all, deadline_ns, cancel_fd, &c, err);
    if (r < 0)
        return r;
    if (tls != NULL) {
        r = gw_conn_start_tls(c, tls, true, server_name, deadline_ns, cancel_fd, err);
        if (r < 0) {
            gw_error_wrap(err, "connected to %s", gw_conn_peer(c));
            gw_conn_close(c);
            return r;
        }
    }
    *ret = c;
    return 0;
}

/* ---- listening ------------------------------------------------------------------------------- */

static int listen_one(const struct gw_address *at)
{
    CLEANUP_CLOSE int fd =
        socket(at->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
    const int one = 1;

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0 ||
        bind(fd, (const struct sockaddr *)&at->sa, at->len) < 0 || listen(fd, LISTEN_BACKLOG) < 0)
        return -errno;
    int listening = fd;
    fd = -1;
    return listening;
}

static int listen_any(const struct gw_addresses *all, int *ret_fd, char text[GW_ADDRESS_TEXT],
                      struct gw_error *err)
{
    int fd = -EADDRNOTAVAIL;

    for (int i = 0; i < all->n && fd < 0; i++) {
        gw_address_format(&all->a[i], text);
        fd = listen_one(&all->a[i]);
        if (fd < 0)
            gw_error_errno(err, fd, "cannot listen on %s", text);
    }
    if (fd < 0)
        return fd;
    struct gw_address bound = { .len = sizeof bound.sa };
    if (getsockname(fd, (struct sockaddr *)&bound.sa, &bound.len) < 0) {
        int r = gw_error_errno(err, -errno, "cannot listen on %s", text);
        close(fd);
        return r;
    }
    gw_address_format(&bound, text);
    *ret_fd = fd;
    return 0;
}

int gw_listen_port(const char *address, bool loopback_only, int *ret_fd,
                   char ret_address[GW_ADDRESS_TEXT], struct gw_error *err)
{
    struct gw_addresses all;
    int r = gw_address_resolve(address, true, after_ms(LISTEN_RESOLVE_MS), -1, &all, err);

    if (r == 0 && loopback_only)
        r = keep_loopback(address, &all, err);
    if (r < 0) {
        gw_error_wrap(err, "cannot listen on \"%s\"", address);
        return r;
    }
    return listen_any(&all, ret_fd, ret_address, err);
}

int gw_listener_open(const char *address, struct gw_tls *tls, struct gw_listener **ret,
                     struct gw_error *err)
{
    const char *path = gw_passed_path(address);
    struct gw_listener *l = calloc(1, sizeof *l);

    if (l == NULL)
        return gw_error_set(err, -ENOMEM, "cannot listen on \"%s\": out of memory", address);
    l->passed = path != NULL;
    int r = l->passed ? gw_passed_open(path, &l->fd, err)
                      : gw_listen_port(address, tls == NULL, &l->fd, l->address, err);
    if (r < 0) {
        free(l);
        return r;
    }
    if (l->passed)
        snprintf(l->address, sizeof l->address, "%s", address);
    l->tls = tls != NULL ? gw_tls_ref(tls) : NULL;
    *ret = l;
    return 0;
}

const char *gw_listener_address(const struct gw_listener *l)
{
    return l->address;
}

int gw_listener_fd(const struct gw_listener *l)
{
    return l->fd;
}

static int take_passed(struct gw_listener *l, struct gw_conn **ret, struct gw_error *err)
{
    struct gw_address peer;
    char text[GW_ADDRESS_TEXT];
    int fd = -1;
    int r = gw_passed_take(l->fd, &fd, &peer, err);

    if (r < 0)
        return r;
    if (l->tls == NULL && !gw_address_is_loopback(&peer)) {
        close(fd);
        gw_address_format(&peer, text);
        return gw_error_set(err, -EPERM,
                            "%s is not a loopback address: without TLS a connection is allowed on "
                            "this machine only; configure certificates",
                            text);
    }
    return gw_conn_new(fd, &peer, ret, err);
}

int gw_listener_take(struct gw_listener *l, struct gw_conn **ret, struct gw_error *err)
{
    if (l->passed)
        return take_passed(l, ret, err);
    for (;;) {
        struct gw_address peer = { .len = sizeof peer.sa };
        int fd =
            accept4(l->fd, (struct sockaddr *)&peer.sa, &peer.len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0)
            return gw_conn_new(fd, &peer, ret, err);
        if (errno == EAGAIN)
            return -EAGAIN;
        /* A client that went away again is not an event. */
        if (errno != EINTR && errno != ECONNABORTED)
            return gw_error_errno(err, -errno, "cannot accept on %s", l->address);
    }
}

int gw_listener_shake(struct gw_listener *l, struct gw_conn *c, short *ret_events,
                      struct gw_error *err)
{
    if (l->tls == NULL)
        return 0;
    int r = gw_conn_has_tls(c) ? 0 : gw_conn_tls_begin(c, l->tls, false, NULL, err);
    return r < 0 ? r : gw_conn_tls_step(c, ret_events, err);
}

static int cancelled(const struct gw_listener *l, struct gw_error *err)
{
    return gw_error_set(err, -ECONNABORTED, "cancelled while listening on %s", l->address);
}

int gw_listener_accept(struct gw_listener *l, unsigned timeout_ms, int cancel_fd,
                       struct gw_conn **ret, struct gw_error *err)
{
    struct gw_conn *c = NULL;
    int r;

    do {
        if (gw_wait_fd(l->fd, POLLIN, cancel_fd, UINT64_MAX) < 0)
            return cancelled(l, err);
        r = gw_listener_take(l, &c, err);
    } while (r == -EAGAIN);
    if (r == -EPROTO || r == -EPERM)
        return r;
    if (r < 0) /* the caller calls again: out of descriptors it must not spin */
        return gw_wait_fd(-1, 0, cancel_fd, after_ms(ACCEPT_RETRY_MS)) == -ECONNABORTED
                   ? cancelled(l, err)
                   : r;
    if (l->tls != NULL) {
        r = gw_conn_start_tls(c, l->tls, false, NULL, after_ms(timeout_ms), cancel_fd, err);
        if (r < 0) {
            gw_error_wrap(err, "connection from %s", gw_conn_peer(c));
            gw_conn_close(c);
            if (r == -ECONNABORTED || r == -ENOMEM)
                return r;
            if (err != NULL)
                err->code = -EPROTO;
            return -EPROTO;
        }
    }
    *ret = c;
    return 0;
}

void gw_listener_close(struct gw_listener *l)
{
    if (l == NULL)
        return;
    /* The name goes with the process, so that who passes connections on knows at once. */
    if (l->passed)
        unlink(gw_passed_path(l->address));
    close(l->fd);
    gw_tls_free(l->tls);
    free(l);
}
