// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The second tier: an HTTP service over the ledger.
 *
 *     POST /bookings?number=N&wall_ns=T  ->  201 {"site", "number", "slot", "sum"}
 *     GET /bookings/last                 ->  200 {"site", "slots", "number"}
 *     GET /healthz                       ->  200 "ok": the ledger answers
 */
#include "demo/tier_web.h"

#include "base/cleanup.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define LINE_BYTES 128

struct service {
    const struct tier *tier;
    pthread_mutex_t mu; /* one request at a time */
    int fd;             /* to the ledger; -1: not connected */
};

static int dial(struct service *s)
{
    const struct timeval limit = { .tv_sec = TIER_TIMEOUT_MS / 1000 };
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)s->tier->port[TIER_LEDGER]) };
    union {
        const struct sockaddr_in *in;
        const struct sockaddr *any;
    } name = { .in = &to };
    const int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    inet_pton(AF_INET, s->tier->address, &to.sin_addr);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (connect(fd, name.any, sizeof to) < 0) {
        close(fd);
        return -1;
    }
    s->fd = fd;
    return 0;
}

/* A line of it. The connection is closed when anything goes wrong: an answer that comes late must
 * not be taken for that of another request. */
static bool ask(struct service *s, const char *line, char answer[LINE_BYTES])
{
    LOCK_SCOPE(&s->mu);
    size_t n = 0;
    if (s->fd < 0 && dial(s) < 0)
        return false;
    bool ok = send(s->fd, line, strlen(line), MSG_NOSIGNAL) == (ssize_t)strlen(line);
    while (ok && (n == 0 || answer[n - 1] != '\n')) {
        ssize_t got = n < LINE_BYTES - 1 ? recv(s->fd, answer + n, LINE_BYTES - 1 - n, 0) : 0;
        ok = got > 0;
        n += ok ? (size_t)got : 0;
    }
    answer[n] = '\0';
    if (!ok) {
        close(s->fd);
        s->fd = -1;
    }
    return ok;
}

static unsigned book(struct service *s, const struct tier_request *q, char text[TIER_ANSWER_BYTES])
{
    char line[LINE_BYTES], answer[LINE_BYTES];
    uint64_t number = tier_web_number(q, "number"), slot, sum;
    snprintf(line, sizeof line, "book %" PRIu64 " %" PRIu64 "\n", number,
             tier_web_number(q, "wall_ns"));
    if (number == 0)
        return 400;
    if (!ask(s, line, answer) || sscanf(answer, "ok %" SCNu64 " %" SCNu64, &slot, &sum) != 2)
        return 503;
    snprintf(text, TIER_ANSWER_BYTES,
             "{\"site\": \"%s\", \"number\": %" PRIu64 ", \"slot\": %" PRIu64
             ", \"sum\": \"%" PRIu64 "\"}\n",
             s->tier->site, number, slot, sum);
    return 201;
}

static unsigned last(struct service *s, char text[TIER_ANSWER_BYTES])
{
    char answer[LINE_BYTES];
    uint64_t slots, number;
    if (!ask(s, "last\n", answer) ||
        sscanf(answer, "last %" SCNu64 " %" SCNu64, &slots, &number) != 2)
        return 503;
    snprintf(text, TIER_ANSWER_BYTES,
             "{\"site\": \"%s\", \"slots\": %" PRIu64 ", \"number\": %" PRIu64 "}\n", s->tier->site,
             slots, number);
    return 200;
}

static unsigned answer(void *arg, const struct tier_request *q, char text[TIER_ANSWER_BYTES])
{
    struct service *s = arg;
    char ignored[LINE_BYTES];
    if (q->post)
        return strcmp(q->path, "/bookings") == 0 ? book(s, q, text) : 404;
    if (strcmp(q->path, "/bookings/last") == 0)
        return last(s, text);
    if (strcmp(q->path, "/healthz") != 0)
        return 404;
    bool ok = ask(s, "last\n", ignored);
    snprintf(text, TIER_ANSWER_BYTES, "%s\n", ok ? "ok" : "the ledger does not answer");
    return ok ? 200 : 503;
}

int tier_service(const struct tier *t, tier_ready_fn *ready, void *arg, struct gw_error *err)
{
    struct service s = { .tier = t, .mu = PTHREAD_MUTEX_INITIALIZER, .fd = -1 };
    struct tier_web *web = NULL;
    int r = tier_web_start(t, t->port[TIER_SERVICE], answer, &s, &web, err);
    if (r == 0) {
        ready(arg);
        tier_await_end(t);
    }
    tier_web_stop(web);
    if (s.fd >= 0)
        close(s.fd);
    return r;
}
