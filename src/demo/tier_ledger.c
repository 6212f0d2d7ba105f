// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The first tier: keeps the ledger on the plan's volume. One thread, one request after the other:
 *
 *     book NUMBER WALL_NS  ->  ok SLOT SUM      the record is on the volume
 *     last                 ->  last SLOTS NUMBER
 *
 * A database without its disk is none: an error of the volume ends it.
 */
#include "demo/tier_internal.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "demo/ledger_record.h"

#include <errno.h>
#include <inttypes.h>
#include <libnbd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CLIENTS_MAX 16
#define LISTENERS 2
#define LINE_BYTES 128
#define FLUSH_EVERY 64u
#define SEARCH_BYTES (256u * 1024)

struct client {
    int fd; /* -1: this place is free */
    size_t n;
    char line[LINE_BYTES];
};

struct ledger {
    const struct tier *tier;
    struct nbd_handle *nbd;
    uint64_t slots, next_slot, last_number, unflushed;
    int listen_fd[LISTENERS];
    struct client client[CLIENTS_MAX];
};

/* ---- the volume ---------------------------------------------------------------------------- */

static int nbd_error(const char *what, struct gw_error *err)
{
    const char *why = nbd_get_error();
    return gw_error_set(err, -EIO, "%s: %s", what, why != NULL ? why : "no reason given");
}

/* Slots are filled one after the other, and lost are only the last ones: behind the end there is no
 * record in a whole chunk. */
static int find_end(struct ledger *l, struct gw_error *err)
{
    CLEANUP_FREE uint8_t *buf = malloc(SEARCH_BYTES);
    const uint64_t per = SEARCH_BYTES / LEDGER_RECORD_BYTES;
    struct ledger_record r;
    if (buf == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    for (uint64_t at = 0; at < l->slots; at += per) {
        uint64_t n = GW_MIN(per, l->slots - at), found = 0;
        if (nbd_pread(l->nbd, buf, n * LEDGER_RECORD_BYTES, at * LEDGER_RECORD_BYTES, 0) < 0)
            return nbd_error("cannot read the ledger", err);
        for (uint64_t i = 0; i < n; i++) {
            if (!ledger_record_decode(buf + i * LEDGER_RECORD_BYTES, &r))
                continue;
            l->next_slot = at + i + 1;
            l->last_number = r.number;
            found++;
        }
        if (found == 0)
            break;
    }
    return 0;
}

static int open_volume(struct ledger *l, struct gw_error *err)
{
    const struct tier *t = l->tier;
    if (t->socket == NULL || t->export == NULL)
        return gw_error_set(err, -EINVAL, "no volume was handed over in the environment");
    l->nbd = nbd_create();
    if (l->nbd == NULL || nbd_set_export_name(l->nbd, t->export) < 0 ||
        nbd_connect_unix(l->nbd, t->socket) < 0)
        return nbd_error("cannot open the ledger's volume", err);
    int64_t size = nbd_get_size(l->nbd);
    if (size < 0)
        return nbd_error("cannot open the ledger's volume", err);
    l->slots = (uint64_t)size / LEDGER_RECORD_BYTES;
    return find_end(l, err);
}

/* ---- requests ------------------------------------------------------------------------------ */

static int book(struct ledger *l, uint64_t number, uint64_t wall_ns, char answer[LINE_BYTES],
                struct gw_error *err)
{
    uint8_t buf[LEDGER_RECORD_BYTES];
    struct ledger_record r = { .number = number, .wall_ns = wall_ns };
    if (l->next_slot >= l->slots) {
        snprintf(answer, LINE_BYTES, "error the ledger is full\n");
        return 0;
    }
    memcpy(r.site, l->tier->site, sizeof r.site);
    ledger_record_encode(&r, buf);
    if (nbd_pwrite(l->nbd, buf, sizeof buf, l->next_slot * LEDGER_RECORD_BYTES, 0) < 0)
        return nbd_error("cannot write a record", err);
    snprintf(answer, LINE_BYTES, "ok %" PRIu64 " %" PRIu64 "\n", l->next_slot, r.sum);
    l->next_slot++;
    l->last_number = number;
    if (++l->unflushed < FLUSH_EVERY)
        return 0;
    l->unflushed = 0;
    return nbd_flush(l->nbd, 0) < 0 ? nbd_error("cannot flush the volume", err) : 0;
}

static int obey(struct ledger *l, const char *line, char answer[LINE_BYTES], struct gw_error *err)
{
    uint64_t number, wall_ns;
    if (sscanf(line, "book %" SCNu64 " %" SCNu64, &number, &wall_ns) == 2 && number > 0)
        return book(l, number, wall_ns, answer, err);
    if (strcmp(line, "last") == 0)
        snprintf(answer, LINE_BYTES, "last %" PRIu64 " %" PRIu64 "\n", l->next_slot,
                 l->last_number);
    else
        snprintf(answer, LINE_BYTES, "error not understood\n");
    return 0;
}

static void hang_up(struct client *c)
{
    close(c->fd);
    *c = (struct client){ .fd = -1 };
}

/* Negative only if the volume failed. */
static int attend(struct ledger *l, struct client *c, struct gw_error *err)
{
    ssize_t n = recv(c->fd, c->line + c->n, sizeof c->line - c->n, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n <= 0) {
        hang_up(c);
        return 0;
    }
    c->n += (size_t)n;
    char *end;
    while ((end = memchr(c->line, '\n', c->n)) != NULL) {
        char answer[LINE_BYTES];
        *end = '\0';
        int r = obey(l, c->line, answer, err);
        if (r < 0)
            return r;
        c->n -= (size_t)(end + 1 - c->line);
        memmove(c->line, end + 1, c->n);
        if (send(c->fd, answer, strlen(answer), MSG_NOSIGNAL) < 0) {
            hang_up(c);
            return 0;
        }
    }
    if (c->n == sizeof c->line)
        hang_up(c);
    return 0;
}

static void let_in(struct ledger *l, int listen_fd)
{
    const int one = 1;
    int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    for (int i = 0; i < CLIENTS_MAX; i++) {
        if (l->client[i].fd < 0) {
            l->client[i].fd = fd;
            return;
        }
    }
    close(fd);
}

static int serve(struct ledger *l, struct gw_error *err)
{
    for (;;) {
        struct pollfd f[1 + LISTENERS + CLIENTS_MAX] = { { .fd = l->tier->signal_fd,
                                                           .events = POLLIN } };
        for (int i = 0; i < LISTENERS; i++)
            f[1 + i] = (struct pollfd){ .fd = l->listen_fd[i], .events = POLLIN };
        for (int i = 0; i < CLIENTS_MAX; i++)
            f[1 + LISTENERS + i] = (struct pollfd){ .fd = l->client[i].fd, .events = POLLIN };
        if (poll(f, GW_ARRAY_SIZE(f), -1) <= 0)
            continue;
        if (f[0].revents != 0)
            return 0;
        for (int i = 0; i < CLIENTS_MAX; i++) {
            int r = f[1 + LISTENERS + i].revents != 0 ? attend(l, &l->client[i], err) : 0;
            if (r < 0)
                return r;
        }
        for (int i = 0; i < LISTENERS; i++) {
            if (f[1 + i].revents != 0)
                let_in(l, l->listen_fd[i]);
        }
    }
}

/* As a database that is shut down: nbdkit does not end while a client is connected. */
static int close_volume(struct ledger *l, int r, struct gw_error *err)
{
    if (r == 0 && (nbd_flush(l->nbd, 0) < 0 || nbd_shutdown(l->nbd, 0) < 0))
        r = nbd_error("cannot close the volume", err);
    nbd_close(l->nbd);
    return r;
}

int tier_ledger(const struct tier *t, tier_ready_fn *ready, void *arg, struct gw_error *err)
{
    struct ledger l = { .tier = t };
    for (int i = 0; i < CLIENTS_MAX; i++)
        l.client[i].fd = -1;
    int r = open_volume(&l, err);
    l.listen_fd[0] = r == 0 ? tier_listen(t->address, t->port[TIER_LEDGER], err) : -1;
    l.listen_fd[1] = l.listen_fd[0] >= 0 ? tier_listen(TIER_LOCAL, t->port[TIER_LEDGER], err) : -1;
    if (r == 0 && l.listen_fd[1] < 0)
        r = -EADDRINUSE;
    if (r == 0) {
        ready(arg);
        r = serve(&l, err);
    }
    for (int i = 0; i < CLIENTS_MAX; i++) {
        if (l.client[i].fd >= 0)
            hang_up(&l.client[i]);
    }
    for (int i = 0; i < LISTENERS; i++) {
        if (l.listen_fd[i] >= 0)
            close(l.listen_fd[i]);
    }
    return close_volume(&l, r, err);
}
