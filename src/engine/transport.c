// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Connections: moving bytes.
 *
 * The socket is nonblocking. A thread that cannot go on waits in poll for the socket and for the
 * event descriptor of its direction, which gw_conn_shutdown and gw_conn_idle_timeout write to.
 * `stopped` is set before the descriptor is written, and looked at after each wake, so that none is
 * missed.
 *
 * A direction that failed inside a message has lost its place in the stream: it stays failed. A
 * receive that timed out before its first byte has not, and may be tried again.
 */
#include "base/checked.h"
#include "base/clock.h"
#include "engine/conn.h"
#include "engine/tls.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define IOV_BATCH 64 /* what one sendmsg takes */

struct direction {
    int wake_fd; /* eventfd; drained by the thread of this direction */
    int failed;  /* sticky error of that thread; 0 = none */
};

struct gw_conn {
    int fd;
    struct gw_tls_session *tls; /* NULL: plain */
    atomic_uint idle_ms;
    atomic_bool stopped;
    struct direction tx, rx;
    uint8_t *stage;    /* TLS, of the sender: where small pieces become one record */
    size_t shake_sent; /* TLS handshake: of what is in out */
    bool shaken;       /* ... it is over, but for what is in out */
    char peer[GW_ADDRESS_TEXT];
};

/* A place in an array of iovecs. */
struct cursor {
    const struct iovec *iov;
    int n;
    size_t offset; /* into iov[0] */
};

static int set_options(int fd, const struct gw_address *peer)
{
    const struct {
        int level, name, value;
    } options[] = {
        { IPPROTO_TCP, TCP_NODELAY, 1 },
        { SOL_SOCKET, SO_KEEPALIVE, 1 },
        { IPPROTO_TCP, TCP_KEEPIDLE, GW_CONN_KEEPALIVE_IDLE_S },
        { IPPROTO_TCP, TCP_KEEPINTVL, GW_CONN_KEEPALIVE_INTERVAL_S },
        { IPPROTO_TCP, TCP_KEEPCNT, GW_CONN_KEEPALIVE_PROBES },
    };
    const int buffer = GW_CONN_LOOPBACK_BUFFER_BYTES;

    for (size_t i = 0; i < GW_ARRAY_SIZE(options); i++)
        if (setsockopt(fd, options[i].level, options[i].name, &options[i].value,
                       sizeof options[i].value) < 0)
            return -errno;
    /* A wish: the kernel may have a lower limit. */
    if (gw_address_is_loopback(peer)) {
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
    }
    return 0;
}

int gw_conn_new(int fd, const struct gw_address *peer, struct gw_conn **ret, struct gw_error *err)
{
    struct gw_conn *c = calloc(1, sizeof *c);

    if (c == NULL) {
        close(fd);
        return gw_error_set(err, -ENOMEM, "out of memory for a connection");
    }
    c->fd = fd;
    c->tx.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    c->rx.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    atomic_init(&c->idle_ms, 0);
    atomic_init(&c->stopped, false);
    gw_address_format(peer, c->peer);
    int r = c->tx.wake_fd < 0 || c->rx.wake_fd < 0 ? -errno : set_options(fd, peer);
    if (r < 0) {
        gw_error_errno(err, r, "cannot set up the connection with %s", c->peer);
        gw_conn_close(c);
        return r;
    }
    *ret = c;
    return 0;
}

const char *gw_conn_peer(const struct gw_conn *c)
{
    return c->peer;
}

int gw_conn_fd(const struct gw_conn *c)
{
    return c->fd;
}

bool gw_conn_has_tls(const struct gw_conn *c)
{
    return c->tls != NULL;
}

/* ---- waking ---------------------------------------------------------------------------------- */

static void wake(const struct gw_conn *c)
{
    const uint64_t one = 1;
    ssize_t n = write(c->tx.wake_fd, &one, sizeof one);

    assert(n == sizeof one || errno == EAGAIN); /* a full counter is awake enough */
    n = write(c->rx.wake_fd, &one, sizeof one);
    assert(n == sizeof one || errno == EAGAIN);
}

void gw_conn_idle_timeout(struct gw_conn *c, unsigned ms)
{
    /* What lies in the kernel, sent but not acknowledged, is given up too. The kernel counts a peer
     * that does not read among the dead ones, so its patience is never shorter than ours. */
    const unsigned user_ms = GW_MIN(ms, (unsigned)INT_MAX / 2) * 2;

    setsockopt(c->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &user_ms, sizeof user_ms);
    atomic_store(&c->idle_ms, ms);
    wake(c);
}

void gw_conn_shutdown(struct gw_conn *c)
{
    atomic_store(&c->stopped, true);
    wake(c);
    shutdown(c->fd, SHUT_RDWR);
}

static int stopped(const struct gw_conn *c, struct gw_error *err)
{
    return gw_error_set(err, -ECONNABORTED, "the connection with %s was shut down", c->peer);
}

/* Wait for progress in one direction: POLLIN, POLLOUT. Every wait has the whole idle time. */
static int wait_ready(struct gw_conn *c, struct direction *d, short events, struct gw_error *err)
{
    const uint64_t start = gw_boot_ns();

    for (;;) {
        if (atomic_load(&c->stopped))
            return stopped(c, err);
        const unsigned ms = atomic_load(&c->idle_ms);
        const uint64_t deadline = ms == 0 ? UINT64_MAX : start + ms * GW_NS_PER_MS;
        const int r = gw_wait_fd(c->fd, events, d->wake_fd, deadline);
        if (r == 0)
            return 0;
        if (r == -ETIMEDOUT)
            return gw_error_set(err, r, "%s: nothing could be %s for %u ms", c->peer,
                                events == POLLIN ? "received" : "sent", ms);
        uint64_t count;
        const ssize_t n = read(d->wake_fd, &count, sizeof count);
        assert(n == sizeof count || errno == EAGAIN);
    }
}

/* ---- the socket ------------------------------------------------------------------------------ */

static int receive_error(const struct gw_conn *c, int r, struct gw_error *err)
{
    if (r == -ECONNRESET && c->tls != NULL && gw_tls_unconfirmed(c->tls))
        return gw_error_set(err, r,
                            "%s: the peer closed the connection before it said anything: "
                            "it may have refused our certificate",
                            c->peer);
    if (r == -ECONNRESET)
        return gw_error_set(err, r, "%s: the peer closed the connection", c->peer);
    return gw_error_errno(err, r, "cannot receive from %s", c->peer);
}

/* What there is, at least one byte; 0 = the end; -EAGAIN: nothing yet, and not to be waited for. */
static ssize_t receive_some(struct gw_conn *c, void *buf, size_t cap, bool wait,
                            struct gw_error *err)
{
    for (;;) {
        if (atomic_load_explicit(&c->stopped, memory_order_relaxed))
            return stopped(c, err);
        ssize_t n = recv(c->fd, buf, cap, 0);
        if (n > 0)
            return n;
        /* shutdown() looks like the peer's end: tell them apart. */
        if (atomic_load(&c->stopped))
            return stopped(c, err);
        if (n == 0)
            return 0;
        if (errno == EAGAIN) {
            int r = wait ? wait_ready(c, &c->rx, POLLIN, err) : -EAGAIN;
            if (r < 0)
                return r;
        } else if (errno != EINTR) {
            return receive_error(c, -errno, err);
        }
    }
}

static int send_error(const struct gw_conn *c, int r, struct gw_error *err)
{
    if (r != -EPIPE && r != -ECONNRESET)
        return gw_error_errno(err, r, "cannot send to %s", c->peer);
    return gw_error_set(err, -ECONNRESET, "%s: the peer closed the connection%s", c->peer,
                        c->tls != NULL && gw_tls_unconfirmed(c->tls)
                            ? "; if it refused our certificate, the next receive tells why"
                            : "");
}

static void advance(struct cursor *at, size_t n)
{
    n += at->offset;
    while (at->n > 0 && n >= at->iov->iov_len) {
        n -= at->iov->iov_len;
        at->iov++;
        at->n--;
    }
    at->offset = n;
}

static ssize_t send_once(const struct gw_conn *c, const struct cursor *at)
{
    struct iovec part[IOV_BATCH];
    const int n = GW_MIN(at->n, IOV_BATCH);

    memcpy(part, at->iov, (size_t)n * sizeof part[0]);
    part[0].iov_base = (uint8_t *)part[0].iov_base + at->offset;
    part[0].iov_len -= at->offset;
    struct msghdr msg = { .msg_iov = part, .msg_iovlen = (size_t)n };
    return sendmsg(c->fd, &msg, MSG_NOSIGNAL | (at->n > n ? MSG_MORE : 0));
}

static int send_all(struct gw_conn *c, struct cursor at, struct gw_error *err)
{
    advance(&at, 0); /* over empty pieces */
    while (at.n > 0) {
        if (atomic_load_explicit(&c->stopped, memory_order_relaxed))
            return stopped(c, err);
        ssize_t n = send_once(c, &at);
        if (n >= 0) {
            advance(&at, (size_t)n);
        } else if (errno == EAGAIN) {
            int r = wait_ready(c, &c->tx, POLLOUT, err);
            if (r < 0)
                return r;
        } else if (errno != EINTR) {
            int r = -errno;
            return atomic_load(&c->stopped) ? stopped(c, err) : send_error(c, r, err);
        }
    }
    return 0;
}

/* ---- sending --------------------------------------------------------------------------------- */

static size_t cursor_left(struct cursor at, size_t max)
{
    size_t left = 0;

    for (int i = 0; i < at.n && left < max; i++)
        left += at.iov[i].iov_len - (i == 0 ? at.offset : 0);
    return GW_MIN(left, max);
}

/*
 * The next record's plaintext: a full record out of one piece is not copied; a small header and the
 * beginning of what follows it are put together, so that the header costs no record of its own.
 */
static const uint8_t *next_record(struct gw_conn *c, struct cursor *at, size_t *ret_len)
{
    const size_t want = cursor_left(*at, GW_TLS_RECORD_BYTES);
    size_t have = 0;

    *ret_len = want;
    if (at->iov->iov_len - at->offset >= want) {
        const uint8_t *p = (const uint8_t *)at->iov->iov_base + at->offset;
        advance(at, want);
        return p;
    }
    while (have < want) {
        size_t n = GW_MIN(at->iov->iov_len - at->offset, want - have);
        memcpy(c->stage + have, (const uint8_t *)at->iov->iov_base + at->offset, n);
        have += n;
        advance(at, n);
    }
    return c->stage;
}

static int flush_tls(struct gw_conn *c, struct gw_error *err)
{
    struct iovec iov;
    const uint8_t *out = gw_tls_out(c->tls, &iov.iov_len);

    iov.iov_base = (void *)(uintptr_t)out; /* sendmsg only reads it */
    int r = send_all(c, (struct cursor){ .iov = &iov, .n = 1 }, err);
    if (r == 0)
        gw_tls_out_done(c->tls);
    return r;
}

static int send_tls(struct gw_conn *c, struct cursor at, struct gw_error *err)
{
    int r = 0;

    advance(&at, 0);
    while (r == 0 && at.n > 0) {
        while (r == 0 && at.n > 0 && gw_tls_room(c->tls)) {
            size_t len;
            const uint8_t *p = next_record(c, &at, &len);
            r = gw_tls_encrypt(c->tls, p, len, err);
        }
        if (r == 0)
            r = flush_tls(c, err);
    }
    return r;
}

static int failed_before(const struct gw_conn *c, int code, struct gw_error *err)
{
    if (atomic_load(&c->stopped))
        return stopped(c, err);
    return gw_error_set(err, code, "the connection with %s has failed before", c->peer);
}

int gw_conn_send(struct gw_conn *c, const struct iovec *iov, int n, struct gw_error *err)
{
    const struct cursor at = { .iov = iov, .n = n };

    if (c->tx.failed != 0)
        return failed_before(c, c->tx.failed, err);
    int r = c->tls != NULL ? send_tls(c, at, err) : send_all(c, at, err);
    c->tx.failed = r;
    return r;
}

/* ---- receiving ------------------------------------------------------------------------------- */

static int fill_tls(struct gw_conn *c, bool wait, struct gw_error *err)
{
    size_t cap;
    uint8_t *in = gw_tls_in(c->tls, &cap);
    ssize_t n = receive_some(c, in, cap, wait, err);

    if (n < 0)
        return (int)n;
    gw_tls_in_filled(c->tls, (size_t)n);
    return 0;
}

/* At least one byte, or an error; -EAGAIN as above. */
static ssize_t receive_plaintext(struct gw_conn *c, void *buf, size_t cap, bool wait,
                                 struct gw_error *err)
{
    if (c->tls == NULL) {
        ssize_t n = receive_some(c, buf, cap, wait, err);
        return n != 0 ? n : receive_error(c, -ECONNRESET, err);
    }
    for (;;) {
        if (atomic_load_explicit(&c->stopped, memory_order_relaxed))
            return stopped(c, err);
        ssize_t n = gw_tls_decrypt(c->tls, buf, cap, err);
        if (n > 0)
            return n;
        if (n != -EAGAIN) {
            gw_error_wrap(err, "%s", c->peer);
            return n;
        }
        int r = fill_tls(c, wait, err);
        if (r < 0)
            return r;
    }
}

int gw_conn_recv(struct gw_conn *c, void *buf, size_t len, struct gw_error *err)
{
    uint8_t *p = buf;

    if (c->rx.failed != 0)
        return failed_before(c, c->rx.failed, err);
    for (size_t done = 0; done < len;) {
        ssize_t n = receive_plaintext(c, p + done, len - done, true, err);
        if (n < 0) {
            if (done > 0 || n != -ETIMEDOUT)
                c->rx.failed = (int)n;
            return (int)n;
        }
        done += (size_t)n;
    }
    return 0;
}

ssize_t gw_conn_recv_some(struct gw_conn *c, void *buf, size_t cap, struct gw_error *err)
{
    if (c->rx.failed != 0)
        return failed_before(c, c->rx.failed, err);
    ssize_t n = receive_plaintext(c, buf, cap, false, err);
    if (n < 0 && n != -EAGAIN)
        c->rx.failed = (int)n;
    return n;
}

/* ---- beginning and end ----------------------------------------------------------------------- */

int gw_conn_tls_begin(struct gw_conn *c, struct gw_tls *tls, bool client, const char *server_name,
                      struct gw_error *err)
{
    c->stage = malloc(GW_TLS_RECORD_BYTES);
    if (c->stage == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory for TLS");
    return gw_tls_session_new(tls, client, server_name, &c->tls, err);
}

static int handshake_broke(int r, struct gw_error *err)
{
    return r == -EAGAIN ? r
                        : gw_error_errno(err, -EPROTO, "the connection broke in the TLS handshake");
}

/* All that is in out, or -EAGAIN. */
static int handshake_send(struct gw_conn *c)
{
    size_t len;
    const uint8_t *out = gw_tls_out(c->tls, &len);

    while (c->shake_sent < len) {
        ssize_t n = send(c->fd, out + c->shake_sent, len - c->shake_sent, MSG_NOSIGNAL);
        if (n >= 0)
            c->shake_sent += (size_t)n;
        else if (errno != EINTR)
            return -errno;
    }
    gw_tls_out_done(c->tls);
    c->shake_sent = 0;
    return 0;
}

/* Some bytes into in, or -EAGAIN. */
static int handshake_receive(struct gw_conn *c)
{
    size_t cap;
    uint8_t *in = gw_tls_in(c->tls, &cap);
    ssize_t n;

    do
        n = recv(c->fd, in, cap, 0);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    gw_tls_in_filled(c->tls, (size_t)n);
    return 0;
}

int gw_conn_tls_step(struct gw_conn *c, short *ret_events, struct gw_error *err)
{
    for (;;) {
        size_t left;
        *ret_events = POLLOUT;
        int r = handshake_send(c);
        if (r < 0)
            return handshake_broke(r, err);
        if (c->shaken)
            return 0;
        r = gw_tls_handshake(c->tls, err);
        c->shaken = r == 0;
        const uint8_t *out = gw_tls_out(c->tls, &left);
        if (r < 0 && r != -EAGAIN) {
            /* Tell the peer why, if it can be said at once. */
            ssize_t n = send(c->fd, out, left, MSG_NOSIGNAL);
            (void)n;
            return r;
        }
        *ret_events = POLLIN;
        if (r == -EAGAIN && left == 0) {
            r = handshake_receive(c);
            if (r < 0)
                return handshake_broke(r, err);
        }
    }
}

int gw_conn_start_tls(struct gw_conn *c, struct gw_tls *tls, bool client, const char *server_name,
                      uint64_t deadline_ns, int cancel_fd, struct gw_error *err)
{
    short events;
    int r = gw_conn_tls_begin(c, tls, client, server_name, err);

    if (r < 0)
        return r;
    while ((r = gw_conn_tls_step(c, &events, err)) == -EAGAIN) {
        r = gw_wait_fd(c->fd, events, cancel_fd, deadline_ns);
        if (r == -ETIMEDOUT)
            return gw_error_set(err, r, "no TLS answer from the peer in time");
        if (r == -ECONNABORTED)
            return gw_error_set(err, r, "cancelled in the TLS handshake");
    }
    return r;
}

/* Say goodbye if it can be said at once and the stream is whole. */
static void bye(struct gw_conn *c)
{
    size_t len;
    const uint8_t *out = gw_tls_out(c->tls, &len);

    if (c->tx.failed != 0 || len > 0 || atomic_load(&c->stopped))
        return;
    gw_tls_bye(c->tls);
    out = gw_tls_out(c->tls, &len);
    ssize_t n = send(c->fd, out, len, MSG_NOSIGNAL);
    (void)n;
}

void gw_conn_close(struct gw_conn *c)
{
    if (c == NULL)
        return;
    if (c->tls != NULL)
        bye(c);
    gw_tls_session_free(c->tls);
    if (c->tx.wake_fd >= 0)
        close(c->tx.wake_fd);
    if (c->rx.wake_fd >= 0)
        close(c->rx.wake_fd);
    close(c->fd);
    free(c->stage);
    free(c);
}
