// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "http/events_internal.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/cond.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES 16384u
#define KIND_BYTES_MAX 64u

static void free_recent(struct gw_http_recent *e)
{
    if (e == NULL)
        return;
    free(e->kind);
    free(e->topic);
    free(e->json);
    free(e);
}

int gw_http_events_new(const struct gw_http_events_config *config, struct gw_http_events **ret,
                       struct gw_error *err)
{
    const size_t least = GW_HTTP_FEED_PUT_BYTES_MAX;
    struct gw_http_events *hub = calloc(1, sizeof *hub);
    if (hub == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory for events");
    hub->config = *config;
    hub->alive_ms = config->alive_ms != 0 ? config->alive_ms : GW_HTTP_FEED_ALIVE_MS;
    hub->buffer_bytes = config->buffer_bytes != 0 ? config->buffer_bytes : GW_HTTP_FEED_BYTES_MAX;
    hub->buffer_bytes = hub->buffer_bytes > least ? hub->buffer_bytes : least;
    hub->head_id = hub->forgotten_id = config->head_id;
    hub->newest = &hub->oldest;
    pthread_mutex_init(&hub->lock, NULL);
    gw_cond_init(&hub->changed);
    int r = pthread_create(&hub->feeder, NULL, gw_http_feeder_main, hub);
    if (r != 0) {
        hub->closed = true;
        pthread_mutex_destroy(&hub->lock);
        pthread_cond_destroy(&hub->changed);
        free(hub);
        return gw_error_errno(err, -r, "cannot create the thread of events");
    }
    *ret = hub;
    return 0;
}

/* Under the lock. */
static void changed(struct gw_http_events *hub)
{
    hub->changes++;
    pthread_cond_signal(&hub->changed);
}

/* NULL: no memory. */
static struct gw_http_recent *new_recent(uint64_t id, const char *kind, const char *topic,
                                         const char *json)
{
    struct gw_http_recent *e = calloc(1, sizeof *e);
    if (e == NULL)
        return NULL;
    if (strlen(json) > GW_HTTP_FEED_EVENT_BYTES_MAX || strchr(json, '\n') != NULL)
        json = "{\"truncated\":true}";
    e->id = id;
    e->kind = strndup(kind, KIND_BYTES_MAX);
    e->topic = topic != NULL ? strdup(topic) : NULL;
    e->json = strdup(json);
    if (e->kind != NULL && e->json != NULL && (topic == NULL || e->topic != NULL))
        return e;
    free_recent(e);
    return NULL;
}

/* Under the lock: the oldest one that is remembered is not any more. */
static void forget_one(struct gw_http_events *hub)
{
    struct gw_http_recent *e = hub->oldest;
    hub->forgotten_id = e->id;
    hub->oldest = e->next;
    if (hub->oldest == NULL)
        hub->newest = &hub->oldest;
    hub->n_recent--;
    free_recent(e);
}

void gw_http_events_publish(struct gw_http_events *hub, uint64_t id, const char *kind,
                            const char *topic, const char *json)
{
    struct gw_http_recent *e = new_recent(id, kind, topic, json);
    LOCK_SCOPE(&hub->lock);
    if (id <= hub->head_id || hub->closed) {
        free_recent(e);
        return;
    }
    hub->head_id = id;
    if (hub->oldest != NULL && hub->n_recent == GW_HTTP_FEED_RECENT_MAX)
        forget_one(hub);
    if (e != NULL) {
        *hub->newest = e;
        hub->newest = &e->next;
        hub->n_recent++;
    } else {
        /* It is in the store, if at all: so is all before it then. */
        while (hub->oldest != NULL)
            forget_one(hub);
        hub->forgotten_id = id;
    }
    changed(hub);
}

unsigned gw_http_events_clients(struct gw_http_events *hub)
{
    LOCK_SCOPE(&hub->lock);
    return hub->n_feeds;
}

void gw_http_events_close(struct gw_http_events *hub)
{
    {
        LOCK_SCOPE(&hub->lock);
        if (hub->closed)
            return;
        hub->closed = true;
        changed(hub);
    }
    pthread_join(hub->feeder, NULL);
    LOCK_SCOPE(&hub->lock);
    for (struct gw_http_feed *f = hub->feeds; f != NULL; f = f->next) {
        f->ended = true;
        gw_http_feed_wake(f);
    }
}

void gw_http_events_free(struct gw_http_events *hub)
{
    if (hub == NULL)
        return;
    gw_http_events_close(hub);
    while (hub->oldest != NULL)
        forget_one(hub);
    pthread_cond_destroy(&hub->changed);
    pthread_mutex_destroy(&hub->lock);
    free(hub);
}

/* ---- one client ------------------------------------------------------------------------------ */

static void free_feed(struct gw_http_feed *f)
{
    free(f->topic);
    free(f->buffer);
    free(f);
}

static struct gw_http_feed *make_feed(struct gw_http_events *hub, const char *topic)
{
    struct gw_http_feed *f = calloc(1, sizeof *f);
    if (f == NULL)
        return NULL;
    f->hub = hub;
    f->refs = 1;
    f->fd = -1;
    f->fed_ns = gw_boot_ns();
    f->topic = topic != NULL ? strdup(topic) : NULL;
    f->buffer = malloc(hub->buffer_bytes);
    if (f->buffer == NULL || (topic != NULL && f->topic == NULL)) {
        free_feed(f);
        return NULL;
    }
    return f;
}

int gw_http_feed_new(struct gw_http_events *hub, const char *topic, bool has_last, uint64_t last_id,
                     struct gw_http_feed **ret, struct gw_error *err)
{
    struct gw_http_feed *f = make_feed(hub, topic);
    if (f == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory for events");
    LOCK_SCOPE(&hub->lock);
    if (hub->closed || hub->n_feeds >= GW_HTTP_FEED_CLIENTS_MAX) {
        free_feed(f);
        return hub->closed ? gw_error_set(err, -EAGAIN, "the server stops")
                           : gw_error_set(err, -EAGAIN,
                                          "all %u places for followers of events are "
                                          "in use; nothing was done, try again",
                                          GW_HTTP_FEED_CLIENTS_MAX);
    }
    f->last_id = has_last ? last_id : hub->head_id;
    if (f->last_id > hub->head_id) { /* another history: of a store that was replaced */
        f->gap = true;
        f->gap_after = f->last_id;
        f->last_id = hub->head_id;
    }
    f->next = hub->feeds;
    hub->feeds = f;
    hub->n_feeds++;
    changed(hub);
    *ret = f;
    return 0;
}

void gw_http_feed_end(struct gw_http_feed *feed)
{
    LOCK_SCOPE(&feed->hub->lock);
    feed->ended = true;
    gw_http_feed_wake(feed);
}

struct gw_http_feed *gw_http_feed_ref(struct gw_http_feed *feed)
{
    LOCK_SCOPE(&feed->hub->lock);
    feed->refs++;
    return feed;
}

void gw_http_feed_unref(struct gw_http_feed *feed)
{
    if (feed == NULL)
        return;
    LOCK_SCOPE(&feed->hub->lock);
    gw_http_feed_unref_locked(feed);
}

void gw_http_feed_unref_locked(struct gw_http_feed *feed)
{
    struct gw_http_events *hub = feed->hub;
    if (--feed->refs > 0)
        return;
    for (struct gw_http_feed **p = &hub->feeds; *p != NULL; p = &(*p)->next) {
        if (*p == feed) {
            *p = feed->next;
            hub->n_feeds--;
            break;
        }
    }
    free_feed(feed);
}

/* The loop wants bytes. */
static ssize_t read_feed(void *ctx, uint64_t pos, char *to, size_t max)
{
    struct gw_http_feed *f = ctx;
    LOCK_SCOPE(&f->hub->lock);
    size_t n = f->len - f->pos < max ? f->len - f->pos : max;
    if (n > 0) {
        memcpy(to, f->buffer + f->pos, n);
        f->pos += n;
        if (f->pos == f->len)
            f->pos = f->len = 0;
        changed(f->hub); /* there is room */
        return (ssize_t)n;
    }
    if (f->ended)
        return MHD_CONTENT_READER_END_OF_STREAM;
    f->suspended = true;
    MHD_suspend_connection(f->mhd);
    return 0;
}

static void drop_feed(void *ctx)
{
    gw_http_feed_unref(ctx);
}

struct MHD_Response *gw_http_feed_response(struct gw_http_feed *feed, struct MHD_Connection *mhd,
                                           int fd)
{
    struct MHD_Response *response = MHD_create_response_from_callback(
        MHD_SIZE_UNKNOWN, BLOCK_BYTES, read_feed, gw_http_feed_ref(feed), drop_feed);
    if (response == NULL) {
        gw_http_feed_unref(feed);
        return NULL;
    }
    LOCK_SCOPE(&feed->hub->lock);
    feed->mhd = mhd;
    feed->fd = fd;
    return response;
}
