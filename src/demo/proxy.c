// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "demo/proxy.h"

#include "base/cleanup.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#define PAIRS_MAX 24 /* a godwitd keeps several connections to its peer */
#define PIPE_BYTES (256u * 1024)

struct flow { /* one direction of a connection; what is between its two ends */
    size_t at, n;
    bool ended; /* nothing more comes in */
    bool told;  /* ... and the other end knows */
    uint8_t buf[PIPE_BYTES];
};

struct pair {
    int fd[2];           /* 0: towards the source, 1: towards the replica; -1: this place is free */
    struct flow flow[2]; /* flow[i] reads from fd[i] */
};

struct proxy {
    pthread_t thread;
    bool running;
    int listen_fd;
    int wake_fd;
    char address[32];
    atomic_uint_fast64_t bytes[2];
    struct pair pair[PAIRS_MAX]; /* the thread's own */

    pthread_mutex_t mu;
    pthread_cond_t obeyed;
    /* Under mu. */
    struct sockaddr_in target; /* port 0: nobody listens there */
    bool cut, stop;
    unsigned orders, orders_done;
};

/* ---- connections --------------------------------------------------------------------------- */

static void flow_reset(struct flow *f)
{
    f->at = f->n = 0;
    f->ended = f->told = false;
}

static void pair_close(struct pair *c)
{
    for (int i = 0; i < 2; i++) {
        if (c->fd[i] >= 0)
            close(c->fd[i]);
        flow_reset(&c->flow[i]);
        c->fd[i] = -1;
    }
}

static void close_all(struct proxy *p)
{
    for (int i = 0; i < PAIRS_MAX; i++)
        pair_close(&p->pair[i]);
}

static int connect_target(const struct sockaddr_in *target)
{
    if (target->sin_port == 0)
        return -1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    union {
        const struct sockaddr_in *in;
        const struct sockaddr *any;
    } to = { .in = target };
    /* On the loopback interface this is decided at once. */
    if (connect(fd, to.any, sizeof *target) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static bool pair_open(struct pair *c, int client, const struct sockaddr_in *target)
{
    c->fd[0] = client;
    c->fd[1] = connect_target(target);
    for (int i = 0; i < 2; i++) {
        if (c->fd[i] < 0)
            return false;
        const int one = 1;
        setsockopt(c->fd[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    }
    return true;
}

static void accept_one(struct proxy *p)
{
    int client = accept4(p->listen_fd, NULL, NULL, SOCK_CLOEXEC);
    if (client < 0)
        return;
    pthread_mutex_lock(&p->mu);
    bool closed = p->cut;
    struct sockaddr_in target = p->target;
    pthread_mutex_unlock(&p->mu);
    for (int i = 0; i < PAIRS_MAX && !closed; i++) {
        if (p->pair[i].fd[0] >= 0)
            continue;
        if (!pair_open(&p->pair[i], client, &target))
            pair_close(&p->pair[i]);
        return;
    }
    close(client);
}

/* ---- bytes --------------------------------------------------------------------------------- */

static bool again(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

/* False: the connection is broken. */
static bool pull(struct pair *c, int i)
{
    struct flow *f = &c->flow[i];
    ssize_t n = recv(c->fd[i], f->buf, PIPE_BYTES, MSG_DONTWAIT);
    if (n < 0)
        return again();
    f->at = 0;
    f->n = (size_t)n;
    f->ended = n == 0;
    return true;
}

static bool push(struct proxy *p, struct pair *c, int i)
{
    struct flow *f = &c->flow[i];
    ssize_t n = send(c->fd[1 - i], f->buf + f->at, f->n, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0)
        return again();
    f->at += (size_t)n;
    f->n -= (size_t)n;
    atomic_fetch_add(&p->bytes[i], (size_t)n);
    return true;
}

/* What to wait for at fd[i]: input while its flow is empty, output while the other's is not. */
static short events(const struct pair *c, int i)
{
    short e = 0;
    if (c->flow[i].n == 0 && !c->flow[i].ended)
        e |= POLLIN;
    if (c->flow[1 - i].n > 0)
        e |= POLLOUT;
    return e;
}

static void pair_step(struct proxy *p, struct pair *c, const struct pollfd f[2])
{
    bool ok = true;
    for (int i = 0; i < 2 && ok; i++) {
        ok = (f[i].revents & (POLLERR | POLLNVAL)) == 0;
        if (ok && c->flow[i].n == 0 && !c->flow[i].ended &&
            (f[i].revents & (POLLIN | POLLHUP)) != 0)
            ok = pull(c, i);
        if (ok && c->flow[i].n > 0)
            ok = push(p, c, i);
        if (ok && c->flow[i].ended && c->flow[i].n == 0 && !c->flow[i].told) {
            shutdown(c->fd[1 - i], SHUT_WR);
            c->flow[i].told = true;
        }
    }
    if (!ok || (c->flow[0].told && c->flow[1].told))
        pair_close(c);
}

/* ---- the thread ---------------------------------------------------------------------------- */

/* Orders from outside; false: end. */
static bool obey(struct proxy *p)
{
    LOCK_SCOPE(&p->mu);
    if (p->cut || p->stop)
        close_all(p);
    p->orders_done = p->orders;
    pthread_cond_broadcast(&p->obeyed);
    return !p->stop;
}

static void *forward(void *arg)
{
    struct proxy *p = arg;
    while (obey(p)) {
        struct pollfd f[2 + 2 * PAIRS_MAX] = { { .fd = p->wake_fd, .events = POLLIN },
                                               { .fd = p->listen_fd, .events = POLLIN } };
        for (int i = 0; i < PAIRS_MAX; i++) {
            for (int k = 0; k < 2; k++) {
                bool open = p->pair[i].fd[0] >= 0;
                f[2 + 2 * i + k] = (struct pollfd){ .fd = open ? p->pair[i].fd[k] : -1,
                                                    .events = open ? events(&p->pair[i], k) : 0 };
                /* A half that is closed for good would make poll return at once, for ever. */
                if (open && f[2 + 2 * i + k].events == 0)
                    f[2 + 2 * i + k].fd = -1;
            }
        }
        if (poll(f, 2 + 2 * PAIRS_MAX, -1) <= 0)
            continue;
        if (f[0].revents != 0) {
            uint64_t n;
            ssize_t r = read(p->wake_fd, &n, sizeof n);
            (void)r;
        }
        for (int i = 0; i < PAIRS_MAX; i++) {
            if (p->pair[i].fd[0] >= 0)
                pair_step(p, &p->pair[i], &f[2 + 2 * i]);
        }
        if (f[1].revents != 0)
            accept_one(p);
    }
    return NULL;
}

/* With mu held: wake the thread and wait until it has done what was ordered. */
static void order(struct proxy *p)
{
    unsigned mine = ++p->orders;
    uint64_t one = 1;
    ssize_t n = write(p->wake_fd, &one, sizeof one);
    (void)n;
    while ((int)(p->orders_done - mine) < 0)
        pthread_cond_wait(&p->obeyed, &p->mu);
}

/* ---- outside ------------------------------------------------------------------------------- */

static int listen_somewhere(struct proxy *p, struct gw_error *err)
{
    struct sockaddr_in here = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    union {
        struct sockaddr_in *in;
        struct sockaddr *any;
    } name = { .in = &here };
    socklen_t len = sizeof here;
    p->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (p->listen_fd < 0 || bind(p->listen_fd, name.any, len) < 0 || listen(p->listen_fd, 16) < 0 ||
        getsockname(p->listen_fd, name.any, &len) < 0)
        return gw_error_errno(err, -errno, "cannot listen on the loopback interface");
    snprintf(p->address, sizeof p->address, "127.0.0.1:%u", ntohs(here.sin_port));
    return 0;
}

int proxy_new(struct proxy **ret, struct gw_error *err)
{
    struct proxy *p = calloc(1, sizeof *p);
    if (p == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    p->listen_fd = -1;
    for (int i = 0; i < PAIRS_MAX; i++)
        p->pair[i].fd[0] = p->pair[i].fd[1] = -1;
    pthread_mutex_init(&p->mu, NULL);
    pthread_cond_init(&p->obeyed, NULL);
    p->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int r = p->wake_fd < 0 ? gw_error_errno(err, -errno, "cannot make an event descriptor")
                           : listen_somewhere(p, err);
    if (r == 0 && pthread_create(&p->thread, NULL, forward, p) != 0)
        r = gw_error_set(err, -EAGAIN, "cannot start a thread");
    if (r < 0) {
        proxy_free(p);
        return r;
    }
    p->running = true;
    *ret = p;
    return 0;
}

void proxy_free(struct proxy *p)
{
    if (p == NULL)
        return;
    if (p->running) {
        pthread_mutex_lock(&p->mu);
        p->stop = true;
        order(p);
        pthread_mutex_unlock(&p->mu);
        pthread_join(p->thread, NULL);
    }
    if (p->listen_fd >= 0)
        close(p->listen_fd);
    if (p->wake_fd >= 0)
        close(p->wake_fd);
    pthread_cond_destroy(&p->obeyed);
    pthread_mutex_destroy(&p->mu);
    free(p);
}

const char *proxy_address(const struct proxy *p)
{
    return p->address;
}

int proxy_target(struct proxy *p, const char *address, struct gw_error *err)
{
    unsigned port = 0;
    char end;
    if (sscanf(address, "127.0.0.1:%5u%c", &port, &end) != 1 || port == 0 || port > 65535)
        return gw_error_set(err, -EINVAL, "\"%s\" is not a port of the loopback interface",
                            address);
    LOCK_SCOPE(&p->mu);
    p->target = (struct sockaddr_in){ .sin_family = AF_INET,
                                      .sin_port = htons((uint16_t)port),
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    return 0;
}

static void set_cut(struct proxy *p, bool cut)
{
    LOCK_SCOPE(&p->mu);
    p->cut = cut;
    order(p);
}

void proxy_cut(struct proxy *p)
{
    set_cut(p, true);
}

void proxy_mend(struct proxy *p)
{
    set_cut(p, false);
}

uint64_t proxy_sent_bytes(struct proxy *p)
{
    return atomic_load(&p->bytes[0]);
}

uint64_t proxy_returned_bytes(struct proxy *p)
{
    return atomic_load(&p->bytes[1]);
}
