// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Every limit of HTTP in one place. Units are the last word of a name. */
#pragma once

#define GW_HTTP_BODY_BYTES_MAX (1024u * 1024u) /* of a request */
#define GW_HTTP_DRAIN_BYTES_MAX                                                                    \
    (8u * 1024u * 1024u) /* of a body too large: read, to answer 413                               \
                          */
#define GW_HTTP_DISCARD_BYTES_MAX (256u * 1024u * 1024u) /* of a body that is only counted */
#define GW_HTTP_RESPONSE_BYTES_MAX (64u * 1024u * 1024u) /* that a client takes */
#define GW_HTTP_DEPTH_MAX 32u                            /* of nested JSON objects and arrays */
#define GW_HTTP_VALUES_MAX 16384u /* of a request's JSON: bounds the memory that it can cost */

#define GW_HTTP_HEAD_BYTES_MAX (32u * 1024u) /* of a connection: request line and headers */
#define GW_HTTP_TARGET_BYTES_MAX 4096u       /* path and query */
#define GW_HTTP_SEGMENTS_MAX 16u             /* of a path */
#define GW_HTTP_QUERIES_MAX 16u
#define GW_HTTP_HEADERS_MAX 16u /* that a handler adds to its reply */

#define GW_HTTP_CONNECTIONS_MAX 256u
#define GW_HTTP_WORKERS_MAX 64u       /* handlers that run at once; more requests wait ... */
#define GW_HTTP_WAITING_MAX 128u      /* ... so many of them; the next is answered 503 */
#define GW_HTTP_RETRY_AFTER_S 2u      /* what a 503 advises */
#define GW_HTTP_ARRIVE_MS 30000u      /* from a request's (or connection's) beginning to its end */
#define GW_HTTP_IDLE_MS 60000u        /* between two requests of a connection */
#define GW_HTTP_STALL_MS 30000u       /* a client that takes nothing of its answer */
#define GW_HTTP_BIG_ARRIVE_MS 120000u /* ARRIVE_MS of a body that is only counted */
#define GW_HTTP_STOP_MS 1000u         /* a stopping server waits so long for readers of answers */

#define GW_HTTP_CLIENT_CONNECT_MS 10000u
#define GW_HTTP_CLIENT_REUSE_S                                                                     \
    20u /* far less than IDLE_MS: no request meets a closing connection */

#define GW_HTTP_FEED_CLIENTS_MAX 64u         /* of an event hub */
#define GW_HTTP_FEED_BYTES_MAX (64u * 1024u) /* on their way to one of them */
#define GW_HTTP_FEED_RECENT_MAX 256u         /* events that the hub itself remembers */
#define GW_HTTP_FEED_EVENT_BYTES_MAX (32u * 1024u)
#define GW_HTTP_FEED_ALIVE_MS 15000u /* a comment, when nothing happens */

#define GW_HTTP_KEY_BYTES_MAX 128u /* of an Idempotency-Key */
