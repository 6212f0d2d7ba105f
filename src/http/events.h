// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Server-sent events: a hub, to which events are published, and clients that follow it.
 *
 *     hub = gw_http_events_new(&config)
 *     gw_http_events_publish(hub, id, "run", "shop", "{...}")     whoever has news
 *     gw_http_reply_events(call, hub, topic, err)                 a handler; the client follows
 *     gw_http_events_close(hub); gw_http_stop(server); gw_http_events_free(hub)
 *
 * A client sees events in the order of their ids, each once, without a gap: it begins after the
 * id that it names (Last-Event-ID), or with the next event. Ids only grow. What is not in the hub's
 * short memory is read from the store, by the callback. A slow client is never waited for: it has a
 * small buffer, and goes on from the store when it has room. If the store does not reach back so
 * far, the client is told so by an event "gap" {"after":N,"next":M} and goes on at M.
 *
 * On the wire: "id: 17\nevent: run\ndata: {...}\n\n", the text of the event as JSON on one line;
 * ": alive" when nothing happens, which also finds clients that are gone.
 *
 * Threads: any may publish; publish never waits for a client or the store. The callback is called
 * by the hub's one thread, without a lock of the hub held.
 */
#pragma once

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

struct gw_http_events;

/* What the store gives back: called for each event, in order. Not 0: enough. */
typedef int gw_http_events_emit_fn(void *emit_ctx, uint64_t id, const char *kind, const char *topic,
                                   const char *json);
/*
 * Read events with an id greater than `after`, in order, and call emit for each until it returns
 * not 0 or there are no more (at most a few hundred at a time will do). A negative errno ends the
 * stream of that client (it will come again).
 */
typedef int gw_http_events_read_fn(void *ctx, uint64_t after, gw_http_events_emit_fn *emit,
                                   void *emit_ctx);

struct gw_http_events_config {
    gw_http_events_read_fn *read; /* NULL: no store: only what the hub remembers */
    void *ctx;
    uint64_t head_id;    /* the newest id there is when the hub begins */
    unsigned alive_ms;   /* 0: GW_HTTP_FEED_ALIVE_MS */
    size_t buffer_bytes; /* of a client; 0: GW_HTTP_FEED_BYTES_MAX */
};

int gw_http_events_new(const struct gw_http_events_config *config, struct gw_http_events **ret,
                       struct gw_error *err);
/*
 * Tell everybody. Ids come in order: publish under the lock that gives them out, or from one
 * thread, for an id that is not greater than every one before is dropped, and who follows live
 * never sees it. kind: a word; topic: who is it about (a plan), NULL: nobody. json is copied;
 * without newlines. Too large a one (GW_HTTP_FEED_EVENT_BYTES_MAX) becomes {"truncated":true}.
 */
void gw_http_events_publish(struct gw_http_events *hub, uint64_t id, const char *kind,
                            const char *topic, const char *json);
unsigned gw_http_events_clients(struct gw_http_events *hub);
/* End every stream, take no more. Before gw_http_stop of a server that streams from it. */
void gw_http_events_close(struct gw_http_events *hub);
/* After gw_http_stop. NULL is fine. */
void gw_http_events_free(struct gw_http_events *hub);
