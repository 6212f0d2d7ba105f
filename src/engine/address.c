// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "engine/address.h"

#include "base/checked.h"
#include "base/clock.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define HOST_MAX 256

/* A lookup in its thread. Two own it, the waiter and the thread; the last one frees it. */
struct lookup {
    atomic_int refs;
    int done_fd; /* readable when result and list are set */
    char host[HOST_MAX], port[8];
    int flags;
    int result, sys_errno;
    struct gw_addresses list;
};

static int poll_ms(uint64_t deadline_ns)
{
    if (deadline_ns == UINT64_MAX)
        return -1;
    uint64_t now = gw_boot_ns();
    if (now >= deadline_ns)
        return 0;
    uint64_t ms = (deadline_ns - now + GW_NS_PER_MS - 1) / GW_NS_PER_MS;
    return (int)GW_MIN(ms, (uint64_t)INT_MAX);
}

int gw_wait_fd(int fd, short events, int cancel_fd, uint64_t deadline_ns)
{
    for (;;) {
        struct pollfd p[2] = { { .fd = fd, .events = events },
                               { .fd = cancel_fd, .events = POLLIN } };
        int n = poll(p, 2, poll_ms(deadline_ns));
        if (n < 0) {
            assert(errno == EINTR || errno == EAGAIN || errno == ENOMEM);
            continue;
        }
        if (p[1].revents != 0)
            return -ECONNABORTED;
        if (p[0].revents != 0)
            return 0;
        /* poll sleeps on another clock than deadlines are of: look again. */
        if (deadline_ns != UINT64_MAX && gw_boot_ns() >= deadline_ns)
            return -ETIMEDOUT;
    }
}

static int malformed(const char *address, struct gw_error *err)
{
    return gw_error_set(err, -EINVAL,
                        "\"%s\" is not an address: it must be host:port or [ipv6]:port", address);
}

static int split(const char *address, bool listen, char host[HOST_MAX], char port[8],
                 struct gw_error *err)
{
    const char *begin = address, *end, *colon = strrchr(address, ':');

    if (colon == NULL)
        return malformed(address, err);
    end = colon;
    if (*begin == '[') {
        if (end == begin || end[-1] != ']')
            return malformed(address, err);
        begin++;
        end--;
    } else if (memchr(begin, ':', (size_t)(end - begin)) != NULL) {
        return malformed(address, err); /* an IPv6 address needs its brackets */
    }
    if (end <= begin || end - begin >= HOST_MAX)
        return malformed(address, err);
    size_t digits = strspn(colon + 1, "0123456789");
    if (digits == 0 || digits > 5 || colon[1 + digits] != '\0')
        return malformed(address, err);
    int number = atoi(colon + 1);
    if (number > 65535 || (number == 0 && !listen))
        return gw_error_set(err, -EINVAL, "\"%s\": the port must be %d to 65535", address,
                            listen ? 0 : 1);
    memcpy(host, begin, (size_t)(end - begin));
    host[end - begin] = '\0';
    snprintf(port, 8, "%u", (unsigned)(uint16_t)number);
    return 0;
}

static void look_up(struct lookup *l, int more_flags)
{
    struct addrinfo hints = { .ai_flags = AI_NUMERICSERV | l->flags | more_flags,
                              .ai_family = AF_UNSPEC,
                              .ai_socktype = SOCK_STREAM };
    struct addrinfo *all = NULL;

    l->result = getaddrinfo(l->host, l->port, &hints, &all);
    l->sys_errno = errno;
    if (l->result != 0)
        return;
    for (struct addrinfo *i = all; i != NULL && l->list.n < GW_ADDRESSES_MAX; i = i->ai_next) {
        if (i->ai_addrlen > sizeof l->list.a[0].sa)
            continue;
        struct gw_address *a = &l->list.a[l->list.n++];
        memcpy(&a->sa, i->ai_addr, i->ai_addrlen);
        a->len = i->ai_addrlen;
    }
    freeaddrinfo(all);
}

static void lookup_unref(struct lookup *l)
{
    if (atomic_fetch_sub(&l->refs, 1) != 1)
        return;
    close(l->done_fd);
    free(l);
}

static void *lookup_main(void *opaque)
{
    struct lookup *l = opaque;

    look_up(l, 0);
    const uint64_t one = 1;
    ssize_t n = write(l->done_fd, &one, sizeof one);
    assert(n == sizeof one);
    lookup_unref(l);
    return NULL;
}

static int lookup_wait(struct lookup *l, uint64_t deadline_ns, int cancel_fd, struct gw_error *err)
{
    int r = gw_wait_fd(l->done_fd, POLLIN, cancel_fd, deadline_ns);

    if (r == -ETIMEDOUT)
        return gw_error_set(err, r, "cannot resolve \"%s\": no answer from the name server",
                            l->host);
    if (r == -ECONNABORTED)
        return gw_error_set(err, r, "cancelled while \"%s\" was being resolved", l->host);
    uint64_t count;
    ssize_t n = read(l->done_fd, &count, sizeof count);
    assert(n == sizeof count);
    return 0;
}

/* Start the thread; the caller keeps its own reference. */
static int lookup_start(struct lookup *l, struct gw_error *err)
{
    pthread_attr_t attr;
    pthread_t thread;
    sigset_t all, old;

    /* Signals are for the threads that expect them. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    atomic_fetch_add(&l->refs, 1);
    int r = pthread_create(&thread, &attr, lookup_main, l);
    pthread_attr_destroy(&attr);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (r != 0) {
        atomic_fetch_sub(&l->refs, 1);
        return gw_error_errno(err, -r, "cannot resolve \"%s\": no thread for it", l->host);
    }
    return 0;
}

static int lookup_result(const struct lookup *l, struct gw_addresses *ret, struct gw_error *err)
{
    if (l->result == EAI_SYSTEM)
        return gw_error_errno(err, -l->sys_errno, "cannot resolve \"%s\"", l->host);
    if (l->result != 0)
        return gw_error_set(err, l->result == EAI_MEMORY ? -ENOMEM : -EHOSTUNREACH,
                            "cannot resolve \"%s\": %s", l->host, gai_strerror(l->result));
    if (l->list.n == 0)
        return gw_error_set(err, -EHOSTUNREACH, "cannot resolve \"%s\": no usable address",
                            l->host);
    *ret = l->list;
    return 0;
}

int gw_address_resolve(const char *address, bool listen, uint64_t deadline_ns, int cancel_fd,
                       struct gw_addresses *ret, struct gw_error *err)
{
    char host[HOST_MAX], port[8];
    int r = split(address, listen, host, port, err);

    if (r < 0)
        return r;
    struct lookup *l = calloc(1, sizeof *l);
    if (l == NULL)
        return gw_error_set(err, -ENOMEM, "cannot resolve \"%s\": out of memory", host);
    atomic_init(&l->refs, 1);
    memcpy(l->host, host, sizeof host);
    memcpy(l->port, port, sizeof port);
    l->flags = listen ? AI_PASSIVE : 0;
    l->done_fd = eventfd(0, EFD_CLOEXEC);
    if (l->done_fd < 0) {
        r = gw_error_errno(err, -errno, "cannot resolve \"%s\": no event descriptor", host);
        free(l);
        return r;
    }
    look_up(l, AI_NUMERICHOST); /* asks nobody, so it needs no thread */
    if (l->result == EAI_NONAME) {
        r = lookup_start(l, err);
        if (r == 0)
            r = lookup_wait(l, deadline_ns, cancel_fd, err);
    }
    if (r == 0)
        r = lookup_result(l, ret, err);
    lookup_unref(l);
    return r;
}

static bool ipv4_of(const struct gw_address *a, struct in_addr *ret, in_port_t *ret_port)
{
    if (a->sa.ss_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, &a->sa, sizeof in);
        *ret = in.sin_addr;
        *ret_port = in.sin_port;
        return true;
    }
    struct sockaddr_in6 in6;
    memcpy(&in6, &a->sa, sizeof in6);
    if (!IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr))
        return false;
    memcpy(ret, &in6.sin6_addr.s6_addr[12], sizeof *ret);
    *ret_port = in6.sin6_port;
    return true;
}

bool gw_address_is_loopback(const struct gw_address *a)
{
    struct in_addr in;
    in_port_t port;

    if (a->sa.ss_family != AF_INET && a->sa.ss_family != AF_INET6)
        return false;
    if (ipv4_of(a, &in, &port))
        return ntohl(in.s_addr) >> 24 == 127;
    struct sockaddr_in6 in6;
    memcpy(&in6, &a->sa, sizeof in6);
    return IN6_IS_ADDR_LOOPBACK(&in6.sin6_addr);
}

void gw_address_format(const struct gw_address *a, char ret[GW_ADDRESS_TEXT])
{
    struct gw_address plain = *a;
    struct in_addr in;
    in_port_t in_port;
    char host[GW_ADDRESS_TEXT - 10], port[8];

    /* What came to a listener of both families is written as what it is. */
    if (a->sa.ss_family == AF_INET6 && ipv4_of(a, &in, &in_port)) {
        struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = in_port, .sin_addr = in };
        memcpy(&plain.sa, &sin, sizeof sin);
        plain.len = sizeof sin;
    }
    if (getnameinfo((struct sockaddr *)&plain.sa, plain.len, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        snprintf(ret, GW_ADDRESS_TEXT, "(unknown)");
    else if (plain.sa.ss_family == AF_INET6)
        snprintf(ret, GW_ADDRESS_TEXT, "[%s]:%s", host, port);
    else
        snprintf(ret, GW_ADDRESS_TEXT, "%s:%s", host, port);
}

#define CHECK_MS 1000u

int gw_address_check(const char *address, bool tls, struct gw_error *err)
{
    struct gw_addresses all = { 0 };
    int r =
        gw_address_resolve(address, false, gw_boot_ns() + CHECK_MS * GW_NS_PER_MS, -1, &all, err);
    if (r < 0)
        return r == -EINVAL ? r : 0;
    for (int i = 0; !tls && i < all.n; i++) {
        if (!gw_address_is_loopback(&all.a[i]))
            return gw_error_set(err, -EPERM,
                                "%s is not a loopback address: without TLS a connection is allowed "
                                "on this machine only; configure certificates",
                                address);
    }
    return 0;
}
