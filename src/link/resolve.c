// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "link/resolve.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "base/clock.h"

#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#define HOST_MAX 256
#define PORT_MAX 8

/* A lookup in its thread: a name server that is silent holds up nobody. Two own it, the waiter and
 * the thread; the last one frees it. */
struct lookup {
    atomic_int refs;
    int done_fd;
    atomic_bool done; /* the rest is set */
    char host[HOST_MAX], port[PORT_MAX];
    int result, sys_errno;
    struct addrinfo *list;
};

static void drop(struct lookup *l)
{
    if (atomic_fetch_sub(&l->refs, 1) != 1)
        return;
    if (l->list != NULL)
        freeaddrinfo(l->list);
    gw_cleanup_close(&l->done_fd);
    free(l);
}

static void *lookup_main(void *arg)
{
    struct lookup *l = arg;
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };
    l->result = getaddrinfo(l->host, l->port, &hints, &l->list);
    l->sys_errno = errno;
    atomic_store(&l->done, true);
    eventfd_write(l->done_fd, 1);
    drop(l);
    return NULL;
}

/* "host:port", "[ipv6]:port". */
static int split(const char *address, struct lookup *l, struct gw_error *err)
{
    const char *colon = strrchr(address, ':'), *begin = address;
    size_t len = colon != NULL ? (size_t)(colon - address) : 0;
    bool bracketed = len >= 2 && address[0] == '[' && address[len - 1] == ']';
    if (bracketed) {
        begin++;
        len -= 2;
    }
    if (colon == NULL || len == 0 || len >= HOST_MAX || colon[1] == '\0' ||
        strlen(colon + 1) >= PORT_MAX || strspn(colon + 1, "0123456789") != strlen(colon + 1) ||
        (!bracketed && memchr(begin, ':', len) != NULL))
        return gw_error_set(err, -EINVAL,
                            "\"%.200s\" is not an address: HOST:PORT or [IPV6]:PORT is", address);
    memcpy(l->host, begin, len);
    snprintf(l->port, sizeof l->port, "%.7s", colon + 1);
    return 0;
}

static int start_lookup(struct lookup *l, struct gw_error *err)
{
    pthread_t thread;
    pthread_attr_t attr;
    atomic_store(&l->refs, 2);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    int r = pthread_create(&thread, &attr, lookup_main, l);
    pthread_attr_destroy(&attr);
    if (r == 0)
        return 0;
    atomic_store(&l->refs, 1);
    return gw_error_errno(err, -r, "cannot create a thread");
}

int gw_await(int fd, short events, uint64_t deadline_ns)
{
    for (;;) {
        uint64_t now_ns = gw_boot_ns();
        uint64_t ms = now_ns < deadline_ns ? (deadline_ns - now_ns) / GW_NS_PER_MS + 1 : 0;
        struct pollfd p = { .fd = fd, .events = events };
        int n = poll(&p, 1, (int)GW_MIN(ms, (uint64_t)INT_MAX));
        if (n > 0)
            return 0;
        if (ms == 0)
            return -ETIMEDOUT;
    }
}

static int wait_lookup(const struct lookup *l, uint64_t deadline_ns, struct gw_error *err)
{
    if (gw_await(l->done_fd, POLLIN, deadline_ns) < 0 || !atomic_load(&l->done))
        return gw_error_set(err, -ETIMEDOUT, "the name server does not answer for \"%s\"", l->host);
    if (l->result == 0)
        return 0;
    return gw_error_set(err, -EHOSTUNREACH, "the name \"%s\" cannot be resolved: %s", l->host,
                        l->result == EAI_SYSTEM ? strerrordesc_np(l->sys_errno)
                                                : gai_strerror(l->result));
}

static void list_addresses(const struct addrinfo *list, char ret[GW_RESOLVE_TEXT])
{
    size_t used = 0;
    for (const struct addrinfo *a = list; a != NULL; a = a->ai_next) {
        char host[64];
        if (getnameinfo(a->ai_addr, a->ai_addrlen, host, sizeof host, NULL, 0, NI_NUMERICHOST) != 0)
            continue;
        if (used + strlen(host) + 3 > GW_RESOLVE_TEXT)
            return;
        used += (size_t)snprintf(ret + used, GW_RESOLVE_TEXT - used, "%s%s", used > 0 ? ", " : "",
                                 host);
    }
}

/* Which layer an errno of connect() speaks of, and what to look at. */
static int explain(int code, const char *address, enum gw_connect_layer *ret_layer,
                   struct gw_error *err)
{
    *ret_layer = GW_CONNECT_ROUTE;
    switch (-code) {
    case ECONNREFUSED:
        *ret_layer = GW_CONNECT_PORT;
        return gw_error_set(err, code,
                            "connection refused by %s: nothing listens at that port there, or a "
                            "firewall rejects it",
                            address);
    case ETIMEDOUT:
        return gw_error_set(err, code,
                            "no answer from %s: the machine is down, or a firewall in between "
                            "drops what is sent to that port",
                            address);
    case ENETUNREACH:
        return gw_error_set(err, code, "there is no route to the network of %s", address);
    case EHOSTUNREACH:
        return gw_error_set(err, code,
                            "the machine of %s cannot be reached: it is down, or a router or "
                            "firewall says no",
                            address);
    case EACCES:
    case EPERM:
        return gw_error_set(err, code, "a firewall on this machine forbids connecting to %s",
                            address);
    }
    return gw_error_errno(err, code, "cannot connect to %s", address);
}

static int connect_one(const struct addrinfo *a, uint64_t deadline_ns)
{
    CLEANUP_CLOSE int fd =
        socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
    int e = 0;
    socklen_t len = sizeof e;
    if (fd < 0)
        return -errno;
    if (connect(fd, a->ai_addr, a->ai_addrlen) < 0 && errno != EINPROGRESS)
        return -errno;
    if (gw_await(fd, POLLOUT, deadline_ns) < 0)
        return -ETIMEDOUT;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &len) < 0 || e != 0)
        return e != 0 ? -e : -errno;
    int connected = fd;
    fd = -1;
    return connected;
}

/* Each address in turn; the time is shared. */
static int connect_any(const struct addrinfo *list, uint64_t deadline_ns)
{
    unsigned left = 0;
    int fd = -EADDRNOTAVAIL;
    for (const struct addrinfo *a = list; a != NULL; a = a->ai_next)
        left++;
    for (const struct addrinfo *a = list; a != NULL && fd < 0; a = a->ai_next, left--) {
        uint64_t now_ns = gw_boot_ns();
        uint64_t share_ns = now_ns < deadline_ns ? (deadline_ns - now_ns) / left : 0;
        fd = connect_one(a, now_ns + share_ns);
    }
    return fd;
}

int gw_connect(const char *address, uint64_t deadline_ns, struct gw_connection *ret,
               struct gw_error *err)
{
    const uint64_t begin_ns = gw_boot_ns();
    *ret = (struct gw_connection){ .reached = GW_CONNECT_NAME, .fd = -1 };
    struct lookup *l = calloc(1, sizeof *l);
    if (l == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    atomic_init(&l->refs, 1);
    l->done_fd = eventfd(0, EFD_CLOEXEC);
    int r = l->done_fd >= 0 ? split(address, l, err)
                            : gw_error_errno(err, -errno, "cannot create an event");
    if (r == 0)
        r = start_lookup(l, err);
    if (r == 0)
        r = wait_lookup(l, deadline_ns, err);
    ret->name_ns = gw_boot_ns() - begin_ns;
    if (r == 0) {
        list_addresses(l->list, ret->addresses);
        int fd = connect_any(l->list, deadline_ns);
        ret->connect_ns = gw_boot_ns() - begin_ns - ret->name_ns;
        ret->fd = fd < 0 ? -1 : fd;
        ret->reached = GW_CONNECT_DONE;
        r = fd < 0 ? explain(fd, address, &ret->reached, err) : 0;
    }
    drop(l);
    return r;
}
