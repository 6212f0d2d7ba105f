// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Connections, and the thread that closes those whose request does not come. */
#include "base/clock.h"
#include "base/cond.h"
#include "http/server_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#define LOOK_MS 250u

/* Under the lock. The loop sees it as a disconnect. */
static void close_conn(struct gw_http_conn *c)
{
    c->closing = true;
    shutdown(c->fd, SHUT_RDWR);
}

/* Under the lock. */
static bool close_idlest(struct gw_http_server *s)
{
    struct gw_http_conn *idlest = NULL;
    for (struct gw_http_conn *c = s->conns; c != NULL; c = c->next) {
        if (c->state == GW_CONN_IDLE && !c->closing &&
            (idlest == NULL || c->since_ns < idlest->since_ns))
            idlest = c;
    }
    if (idlest != NULL)
        close_conn(idlest);
    return idlest != NULL;
}

struct gw_http_conn *gw_http_conn_new(struct gw_http_server *s, struct MHD_Connection *mhd, int fd)
{
    struct gw_http_conn *c = calloc(1, sizeof *c);
    if (c == NULL)
        return NULL;
    c->server = s;
    c->mhd = mhd;
    c->fd = fd;
    c->state = GW_CONN_ARRIVING;
    c->since_ns = gw_boot_ns();
    c->arrive_ms = s->config.arrive_ms;
    LOCK_SCOPE(&s->lock);
    if (++s->n_conns > s->config.connections_max)
        c->crowded = !close_idlest(s);
    c->next = s->conns;
    if (c->next != NULL)
        c->next->prev = c;
    s->conns = c;
    if (c->next == NULL)
        pthread_cond_broadcast(&s->changed);
    return c;
}

static bool is_busy(enum gw_http_conn_state state)
{
    return state == GW_CONN_HANDLING || state == GW_CONN_SENDING;
}

/* Under the lock; the reference of the feed that it had, to be given up outside. */
static struct gw_http_feed *set_state(struct gw_http_conn *c, enum gw_http_conn_state state,
                                      struct gw_http_feed *feed)
{
    struct gw_http_server *s = c->server;
    struct gw_http_feed *old = c->feed;
    s->n_busy -= is_busy(c->state);
    s->n_busy += is_busy(state);
    if (s->stopping) {
        pthread_cond_broadcast(&s->changed);
        if (feed != NULL)
            gw_http_feed_end(feed);
    }
    c->state = state;
    c->since_ns = gw_boot_ns();
    c->feed = feed != NULL ? gw_http_feed_ref(feed) : NULL;
    return old;
}

void gw_http_conn_state(struct gw_http_conn *c, enum gw_http_conn_state state, unsigned arrive_ms,
                        struct gw_http_feed *feed)
{
    struct gw_http_feed *old;
    {
        LOCK_SCOPE(&c->server->lock);
        /* The first request of a connection counts from its connect: TLS is part of it. */
        uint64_t since_ns = c->since_ns;
        bool first = state == GW_CONN_ARRIVING && c->state == GW_CONN_ARRIVING;
        old = set_state(c, state, feed);
        if (first)
            c->since_ns = since_ns;
        if (arrive_ms != 0)
            c->arrive_ms = arrive_ms;
    }
    gw_http_feed_unref(old);
}

void gw_http_conn_free(struct gw_http_conn *c)
{
    struct gw_http_server *s = c->server;
    struct gw_http_feed *old;
    {
        LOCK_SCOPE(&s->lock);
        old = set_state(c, GW_CONN_IDLE, NULL);
        if (c->next != NULL)
            c->next->prev = c->prev;
        if (c->prev != NULL)
            c->prev->next = c->next;
        else
            s->conns = c->next;
        s->n_conns--;
    }
    gw_http_feed_unref(old);
    free(c);
}

static bool is_late(const struct gw_http_conn *c, uint64_t now_ns)
{
    uint64_t ms = (now_ns - c->since_ns) / GW_NS_PER_MS;
    switch (c->state) {
    case GW_CONN_ARRIVING:
        return ms >= c->arrive_ms;
    case GW_CONN_IDLE:
        return ms >= c->server->config.idle_ms;
    case GW_CONN_HANDLING: /* as long as its handler likes */
    case GW_CONN_SENDING:  /* the library looks for progress */
        return false;
    }
    return false;
}

static void *watch_main(void *arg)
{
    struct gw_http_server *s = arg;
    LOCK_SCOPE(&s->lock);
    while (!s->stopping) {
        uint64_t now_ns = gw_boot_ns();
        for (struct gw_http_conn *c = s->conns; c != NULL; c = c->next) {
            if (!c->closing && is_late(c, now_ns))
                close_conn(c);
        }
        if (s->conns == NULL)
            pthread_cond_wait(&s->changed, &s->lock);
        else
            gw_cond_wait_ms(&s->changed, &s->lock, LOOK_MS);
    }
    return NULL;
}

int gw_http_watch_start(struct gw_http_server *s, struct gw_error *err)
{
    int r = pthread_create(&s->watcher, NULL, watch_main, s);
    if (r != 0)
        return gw_error_errno(err, -r, "cannot create a thread of %s", s->name);
    s->watching = true;
    return 0;
}

void gw_http_watch_stop(struct gw_http_server *s)
{
    if (!s->watching)
        return;
    pthread_join(s->watcher, NULL); /* it sees `stopping` */
    s->watching = false;
}
