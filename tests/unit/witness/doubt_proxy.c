// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "doubt_proxy.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define BYTES_MAX 16384
#define QUIET_MS 20000

struct doubt_proxy {
    unsigned to, port;
    const char *plan;
    int listener, stop[2];
    pthread_t thread;
    atomic_uint connections;
    atomic_size_t held_bytes; /* set once `held` is whole, before the connection ends */
    char held[BYTES_MAX];
};

static int dial(unsigned port)
{
    struct sockaddr_in a = { .sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr = { htonl(INADDR_LOOPBACK) } };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr *)&a, sizeof a) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static bool readable(const struct doubt_proxy *p, int fd)
{
    struct pollfd w[] = { { .fd = fd, .events = POLLIN }, { .fd = p->stop[0], .events = POLLIN } };
    return poll(w, 2, QUIET_MS) > 0 && w[1].revents == 0;
}

static bool send_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        bytes += n;
        len -= (size_t)n;
    }
    return true;
}

static bool is_whole(const char *message)
{
    const char *end = strstr(message, "\r\n\r\n");
    const char *length = strcasestr(message, "\r\nContent-Length:");
    return end != NULL && length != NULL &&
           strlen(end + 4) >= strtoul(strchr(length, ':') + 1, NULL, 10);
}

/* An HTTP message with a Content-Length, to its end; 0: it did not come. */
static size_t take_message(const struct doubt_proxy *p, int fd, char bytes[BYTES_MAX])
{
    size_t len = 0;
    bytes[0] = '\0';
    while (!is_whole(bytes)) {
        ssize_t n = readable(p, fd) ? read(fd, bytes + len, BYTES_MAX - 1 - len) : 0;
        if (n <= 0)
            return 0;
        len += (size_t)n;
        bytes[len] = '\0';
    }
    return len;
}

static void pass(const struct doubt_proxy *p, int client, int server)
{
    char bytes[BYTES_MAX];
    struct pollfd w[] = { { .fd = client, .events = POLLIN },
                          { .fd = server, .events = POLLIN },
                          { .fd = p->stop[0], .events = POLLIN } };
    while (poll(w, 3, QUIET_MS) > 0 && w[2].revents == 0) {
        for (int i = 0; i < 2; i++) {
            if (w[i].revents == 0)
                continue;
            ssize_t n = read(w[i].fd, bytes, sizeof bytes);
            if (n <= 0 || !send_all(w[1 - i].fd, bytes, (size_t)n))
                return;
        }
    }
}

static void treat(struct doubt_proxy *p, int client, char how)
{
    char bytes[BYTES_MAX];
    int server = how == 'p' || how == 'a' ? dial(p->to) : -1;
    if (how == 'p' && server >= 0) {
        pass(p, client, server);
    } else {
        size_t len = take_message(p, client, bytes);
        if (how == 'a' && len > 0 && send_all(server, bytes, len))
            take_message(p, server, bytes);
        if (how == 'h' && len > 0) {
            memcpy(p->held, bytes, len);
            atomic_store(&p->held_bytes, len);
        }
    }
    if (server >= 0)
        close(server);
}

static void *serve(void *arg)
{
    struct doubt_proxy *p = arg;
    const char *next = p->plan;
    while (readable(p, p->listener)) {
        int client = accept(p->listener, NULL, NULL);
        if (client < 0)
            continue;
        atomic_fetch_add(&p->connections, 1);
        treat(p, client, *next);
        if (next[1] != '\0')
            next++;
        close(client);
    }
    return NULL;
}

struct doubt_proxy *doubt_proxy_new(unsigned to_port, const char *plan)
{
    struct doubt_proxy *p = calloc(1, sizeof *p);
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t len = sizeof a;
    assert_non_null(p);
    p->to = to_port;
    p->plan = plan;
    p->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(p->listener, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(p->listener, 16), 0);
    assert_int_equal(getsockname(p->listener, (struct sockaddr *)&a, &len), 0);
    p->port = ntohs(a.sin_port);
    assert_int_equal(pipe(p->stop), 0);
    assert_int_equal(pthread_create(&p->thread, NULL, serve, p), 0);
    return p;
}

unsigned doubt_proxy_port(const struct doubt_proxy *p)
{
    return p->port;
}

unsigned doubt_proxy_connections(struct doubt_proxy *p)
{
    return atomic_load(&p->connections);
}

void doubt_proxy_deliver(struct doubt_proxy *p)
{
    char bytes[BYTES_MAX];
    const size_t held_bytes = atomic_load(&p->held_bytes);
    assert_true(held_bytes > 0);
    int server = dial(p->to);
    assert_true(server >= 0);
    assert_true(send_all(server, p->held, held_bytes));
    assert_true(take_message(p, server, bytes) > 0);
    close(server);
}

void doubt_proxy_free(struct doubt_proxy *p)
{
    close(p->stop[1]);
    pthread_join(p->thread, NULL);
    close(p->stop[0]);
    close(p->listener);
    free(p);
}
