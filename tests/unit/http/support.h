// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* What the tests of HTTP share: a private directory, a raw client, a raw server. */
#pragma once

#include "base/clock.h"
#include "http/client.h"
#include "http/json.h"
#include "http/server.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define CALL_MS 10000u

#define assert_ok(r, err)                                                                          \
    do {                                                                                           \
        if ((r) != 0)                                                                              \
            fail_msg("%s: %d: %s", #r, (err)->code, (err)->msg);                                   \
    } while (0)
#define assert_contains(text, part)                                                                \
    do {                                                                                           \
        if (strstr((text), (part)) == NULL)                                                        \
            fail_msg("\"%s\" is not in \"%s\"", (part), (text));                                   \
    } while (0)

/* A directory of this test alone; removed by drop_dir with the files in it. */
static inline void make_dir(char dir[64])
{
    snprintf(dir, 64, "/tmp/godwit-http-XXXXXX");
    assert_non_null(mkdtemp(dir));
}

static inline void drop_dir(const char *dir)
{
    char command[128];
    snprintf(command, sizeof command, "rm -r -- '%s'", dir);
    assert_int_equal(system(command), 0);
}

static inline int raw_connect(const char *path)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    return fd;
}

static inline void raw_send(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* Everything until the other end closes. */
static inline void raw_read_all(int fd, char *ret, size_t size)
{
    size_t used = 0;
    for (;;) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        assert_int_equal(poll(&p, 1, (int)CALL_MS), 1);
        ssize_t n = read(fd, ret + used, size - 1 - used);
        if (n <= 0)
            break;
        used += (size_t)n;
        if (used + 1 == size)
            break;
    }
    ret[used] = '\0';
}

/* One request on a connection of its own that is closed after it; the whole answer. */
static inline void raw_call(const char *path, const char *request, char *ret, size_t size)
{
    int fd = raw_connect(path);
    raw_send(fd, request);
    raw_read_all(fd, ret, size);
    close(fd);
}

static inline struct gw_http_client *client_of(const char *address)
{
    struct gw_http_client *c;
    struct gw_error err = { 0 };
    assert_ok(gw_http_client_new(&(struct gw_http_client_config){ .address = address }, &c, &err),
              &err);
    return c;
}

/* A call with a JSON text ("" none). */
static inline int call(struct gw_http_client *c, const char *method, const char *path,
                       const char *body, struct gw_http_response *ret, struct gw_error *err)
{
    const struct gw_http_request request = { .method = method,
                                             .path = path,
                                             .body = body,
                                             .body_bytes = strlen(body),
                                             .timeout_ms = CALL_MS };
    return gw_http_client_call(c, &request, ret, err);
}
