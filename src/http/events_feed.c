// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The feeder: one thread that fills the buffers of all clients, from what the hub remembers or from
 * the store, sends signs of life, and finds those who are gone.
 */
#include "base/checked.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/cond.h"
#include "http/events_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_MS 500u /* for clients that are gone */
#define ALIVE ": alive\n\n"

void gw_http_feed_wake(struct gw_http_feed *feed)
{
    if (!feed->suspended)
        return;
    feed->suspended = false;
    MHD_resume_connection(feed->mhd);
}

static size_t room(const struct gw_http_feed *f)
{
    return f->hub->buffer_bytes - f->len;
}

/* Make room at the end of the buffer out of what was taken from its beginning. */
static void compact(struct gw_http_feed *f)
{
    if (f->pos == 0)
        return;
    memmove(f->buffer, f->buffer + f->pos, f->len - f->pos);
    f->len -= f->pos;
    f->pos = 0;
}

static void put(struct gw_http_feed *f, const char *bytes, size_t len)
{
    memcpy(f->buffer + f->len, bytes, len);
    f->len += len;
    f->fed_ns = gw_boot_ns();
    gw_http_feed_wake(f);
}

/* False: there is no room for it now. */
static bool put_event(struct gw_http_feed *f, uint64_t id, const char *kind, const char *json)
{
    compact(f);
    char head[160];
    int n = snprintf(head, sizeof head, "id: %" PRIu64 "\nevent: %.64s\ndata: ", id, kind);
    size_t len = strlen(json);
    if ((size_t)n + len + 2 > room(f))
        return false;
    put(f, head, (size_t)n);
    put(f, json, len);
    put(f, "\n\n", 2);
    return true;
}

static bool wanted(const struct gw_http_feed *f, const char *topic)
{
    return f->topic == NULL || (topic != NULL && strcmp(f->topic, topic) == 0);
}

/* Under the lock; last_id is where the client goes on. */
static bool put_gap(struct gw_http_feed *f)
{
    char json[96];
    snprintf(json, sizeof json, "{\"after\":%" PRIu64 ",\"next\":%" PRIu64 "}", f->gap_after,
             f->last_id + 1);
    if (!put_event(f, f->last_id, "gap", json))
        return false;
    f->gap = false;
    return true;
}

/* From what the hub remembers. */
static bool feed_recent(struct gw_http_feed *f)
{
    struct gw_http_events *hub = f->hub;
    uint64_t before = f->last_id;
    for (const struct gw_http_recent *e = hub->oldest; e != NULL; e = e->next) {
        if (e->id <= f->last_id)
            continue;
        if (wanted(f, e->topic) && !put_event(f, e->id, e->kind, e->json))
            return f->last_id != before;
        f->last_id = e->id;
    }
    f->last_id = hub->head_id;
    return f->last_id != before;
}

struct batch {
    struct gw_http_feed *feed;
    bool full;
};

/* Called by the store, without the lock. */
static int emit(void *ctx, uint64_t id, const char *kind, const char *topic, const char *json)
{
    struct batch *b = ctx;
    struct gw_http_feed *f = b->feed;
    LOCK_SCOPE(&f->hub->lock);
    if (id <= f->last_id)
        return 0;
    if (f->ended || f->hub->closed)
        return 1;
    if (strlen(json) > GW_HTTP_FEED_EVENT_BYTES_MAX || strchr(json, '\n') != NULL)
        json = "{\"truncated\":true}";
    if (wanted(f, topic) && !put_event(f, id, kind, json)) {
        b->full = true;
        return 1;
    }
    f->last_id = id;
    return 0;
}

static void begin_gap(struct gw_http_feed *f, uint64_t at)
{
    f->gap = true;
    f->gap_after = f->last_id;
    f->last_id = at;
}

/*
 * From the store, which is asked without the lock; a reference keeps the client. What was published
 * before we asked is in the store, or never will be: behind `known` the hub remembers all.
 */
static bool feed_stored(struct gw_http_feed *f)
{
    struct gw_http_events *hub = f->hub;
    uint64_t before = f->last_id, known = hub->forgotten_id;
    if (hub->config.read == NULL) {
        begin_gap(f, known);
        return true;
    }
    struct batch b = { .feed = f };
    f->refs++;
    pthread_mutex_unlock(&hub->lock);
    int r = hub->config.read(hub->config.ctx, before, emit, &b);
    pthread_mutex_lock(&hub->lock);
    if (r == -ERANGE)
        begin_gap(f, known);
    else if (r < 0)
        f->ended = true; /* it will come again */
    else if (!b.full && f->last_id == before)
        f->last_id = known; /* there was nothing more */
    if (f->ended)
        gw_http_feed_wake(f);
    gw_http_feed_unref_locked(f);
    return true; /* the list may be another one now */
}

/* One step for one client; true: look again at once. May give up the lock for a while. */
static bool feed_one(struct gw_http_feed *f, uint64_t now_ns)
{
    if (f->ended)
        return false;
    if (f->gap && !put_gap(f))
        return false;
    /* There is room for at least one, so that each look at the store gets on. */
    if (f->last_id < f->hub->forgotten_id)
        return room(f) + f->pos >= GW_HTTP_FEED_PUT_BYTES_MAX && feed_stored(f);
    if (f->last_id < f->hub->head_id)
        return feed_recent(f);
    if (f->len == 0 && now_ns - f->fed_ns >= f->hub->alive_ms * GW_NS_PER_MS)
        put(f, ALIVE, strlen(ALIVE));
    return false;
}

/* A connection that waits is not looked at by the loop: its end is seen here. */
static void find_gone(struct gw_http_events *hub)
{
    uint64_t now_ns = gw_boot_ns();
    if (now_ns - hub->looked_ns < LOOK_MS * GW_NS_PER_MS)
        return;
    hub->looked_ns = now_ns;
    for (struct gw_http_feed *f = hub->feeds; f != NULL; f = f->next) {
        struct pollfd p = { .fd = f->fd, .events = POLLRDHUP };
        if (f->suspended && poll(&p, 1, 0) > 0) {
            f->ended = true;
            gw_http_feed_wake(f);
        }
    }
}

void *gw_http_feeder_main(void *arg)
{
    struct gw_http_events *hub = arg;
    LOCK_SCOPE(&hub->lock);
    while (!hub->closed) {
        unsigned changes = hub->changes;
        bool again = false;
        for (struct gw_http_feed *f = hub->feeds; f != NULL && !again; f = f->next)
            again = feed_one(f, gw_boot_ns());
        if (again)
            continue;
        find_gone(hub);
        if (hub->changes != changes || hub->closed)
            continue;
        if (hub->feeds == NULL)
            pthread_cond_wait(&hub->changed, &hub->lock);
        else
            gw_cond_wait_ms(&hub->changed, &hub->lock, GW_MIN(LOOK_MS, hub->alive_ms));
    }
    return NULL;
}
