// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Inside of the hub: one client of a stream.
 *
 * A feed belongs to its hub's list (until it ends), to the response that streams it, and to the
 * connection; each holds a reference. Everything in it is guarded by the hub's lock.
 */
#pragma once

#include "http/events.h"
#include "http/limits.h"

#include <microhttpd.h>
#include <pthread.h>
#include <stdbool.h>

/* An event with its id, kind and the words around. */
#define GW_HTTP_FEED_PUT_BYTES_MAX (GW_HTTP_FEED_EVENT_BYTES_MAX + 256u)

struct gw_http_feed {
    struct gw_http_feed *next;
    struct gw_http_events *hub;
    unsigned refs;
    char *topic; /* NULL: all */
    uint64_t last_id;
    bool gap; /* it asked for what nobody has */
    uint64_t gap_after;

    struct MHD_Connection *mhd; /* once it streams */
    int fd;
    bool suspended, ended;
    char *buffer;
    size_t pos, len; /* what the loop has not taken yet */
    uint64_t fed_ns; /* when something was last put in */
};

struct gw_http_recent {
    struct gw_http_recent *next;
    uint64_t id;
    char *kind, *topic, *json;
};

struct gw_http_events {
    struct gw_http_events_config config;
    unsigned alive_ms;
    size_t buffer_bytes;
    pthread_t feeder;
    pthread_mutex_t lock; /* innermost, but for the library's */
    pthread_cond_t changed;
    struct gw_http_recent *oldest, **newest; /* a queue: what is remembered; newest: its end */
    size_t n_recent;
    uint64_t head_id, forgotten_id; /* newest; newest that recent does not have any more */
    struct gw_http_feed *feeds;
    unsigned n_feeds;
    unsigned changes;   /* so that the feeder does not sleep over one */
    uint64_t looked_ns; /* for clients that are gone */
    bool closed;
};

/* New, in the hub's list; the caller has a reference. has_last: go on after last_id. */
int gw_http_feed_new(struct gw_http_events *hub, const char *topic, bool has_last, uint64_t last_id,
                     struct gw_http_feed **ret, struct gw_error *err);
void gw_http_feed_end(struct gw_http_feed *feed); /* the loop sends what is there and closes */
struct gw_http_feed *gw_http_feed_ref(struct gw_http_feed *feed);
void gw_http_feed_unref(struct gw_http_feed *feed); /* NULL is fine */
/* What the loop sends; takes a reference for itself. NULL: no memory. */
struct MHD_Response *gw_http_feed_response(struct gw_http_feed *feed, struct MHD_Connection *mhd,
                                           int fd);

/* Under the hub's lock. */
void gw_http_feed_unref_locked(struct gw_http_feed *feed);

/* events_feed.c. Under the lock: wake the loop if it waits for this feed. */
void gw_http_feed_wake(struct gw_http_feed *feed);
/* The feeder thread. */
void *gw_http_feeder_main(void *hub);
