// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * One request and its reply, as a handler sees it (http/route.h: gw_http_fn).
 *
 * Ownership: everything that is read from a call is borrowed and lives until the handler returns.
 * Threads: a call belongs to the thread of its handler.
 */
#pragma once

#include "base/error.h"
#include "http/cert.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct gw_http_call;
struct gw_http_events;

/* Who calls. */
struct gw_http_peer {
    bool local; /* over the unix socket: uid, gid and pid are set (of the process that connected) */
    uid_t uid;
    gid_t gid;
    pid_t pid;
    char address[GW_HTTP_ADDRESS_TEXT]; /* "10.1.0.2:39112"; "" of a local one */
    bool certified; /* over TLS, with a certificate: it holds the key of what follows */
    struct gw_cert_fingerprint fingerprint;
    char name[GW_CERT_NAME_MAX]; /* as the server's identify function knows it; "" unknown */
    const uint8_t *certificate;  /* DER; NULL without one */
    size_t certificate_bytes;
};

/* ---- the request ----------------------------------------------------------------------------- */

void *gw_http_call_ctx(const struct gw_http_call *call); /* of the server's configuration */
const struct gw_http_peer *gw_http_call_peer(const struct gw_http_call *call);
const char *gw_http_call_method(const struct gw_http_call *call); /* "GET" also of a HEAD */
const char *gw_http_call_path(const struct gw_http_call *call);
/* A {name} of the route's path. Asserts that the route has it. */
const char *gw_http_call_param(const struct gw_http_call *call, const char *name);
/* The query as it was sent, without the "?"; "" if there is none. */
const char *gw_http_call_query_text(const struct gw_http_call *call);
/* A query parameter, or NULL. */
const char *gw_http_call_query(const struct gw_http_call *call, const char *name);
/* The same as a number or a flag ("true", "false", "" = true). Absent: 0, *ret is left. -EINVAL. */
int gw_http_call_query_u64(const struct gw_http_call *call, const char *name, uint64_t *ret,
                           struct gw_error *err);
int gw_http_call_query_bool(const struct gw_http_call *call, const char *name, bool *ret,
                            struct gw_error *err);
/* A header (the first of its name, any case), or NULL. */
const char *gw_http_call_header(const struct gw_http_call *call, const char *name);
/* The body: an object (an empty one if there was no body). NULL of a RAW or DISCARD route. */
json_t *gw_http_call_json(const struct gw_http_call *call);
/* The bytes of the body, with a NUL behind them; of a DISCARD route only their number. */
const char *gw_http_call_body(const struct gw_http_call *call, size_t *ret_len);
/* "application/json", without parameters; "" if none was sent. */
const char *gw_http_call_content_type(const struct gw_http_call *call);

/* Boot time (base/clock.h) and wall time when the request had been received whole. */
uint64_t gw_http_call_arrived_boot_ns(const struct gw_http_call *call);
uint64_t gw_http_call_arrived_wall_ns(const struct gw_http_call *call);

/* True once the client is gone or the server stops: end what only the client wanted. */
bool gw_http_call_gone(struct gw_http_call *call);
/* Wait for ms: 0, or -ECONNABORTED as soon as that is so. */
int gw_http_call_wait(struct gw_http_call *call, unsigned ms);

/* ---- the reply: each returns 0, so that a handler can return it ------------------------------ */

/* `value` is taken over; NULL is our own failure to make it, and becomes a 500. */
int gw_http_reply_json(struct gw_http_call *call, int status, json_t *value);
int gw_http_reply_text(struct gw_http_call *call, int status, const char *content_type,
                       const char *text);
/* Bytes of a DISCARD or download; copied. */
int gw_http_reply_bytes(struct gw_http_call *call, int status, const char *content_type,
                        const void *data, size_t len);
int gw_http_reply_empty(struct gw_http_call *call, int status);
/* A header of the reply: "ETag", "Location", "Retry-After". Set before or after the body; at most
 * GW_HTTP_HEADERS_MAX; kept also if the reply becomes a problem. */
int gw_http_reply_header(struct gw_http_call *call, const char *name, const char *value);
/*
 * A problem document. err gives its detail and code. Members (guard, way_out) are added after it:
 *
 *     gw_http_reply_problem(call, 409, "guard", err);
 *     return gw_http_reply_member(call, "guard", json_string("peer-fenced"));
 */
int gw_http_reply_problem(struct gw_http_call *call, int status, const char *name,
                          const struct gw_error *err);
int gw_http_reply_member(struct gw_http_call *call, const char *name, json_t *value);

/* Whether a reply was set, and which status it has (0: none). */
int gw_http_reply_status(const struct gw_http_call *call);
/* The body that was set, as JSON text; NULL if it is not JSON. For who stores replies. */
char *gw_http_reply_dump(const struct gw_http_call *call);
/* A header that was set, or NULL. Borrowed. */
const char *gw_http_reply_header_get(const struct gw_http_call *call, const char *name);

/*
 * Answer with the stream of events of a hub (http/events.h), from Last-Event-ID (header, or query
 * parameter "after" if the route has one) on; topic NULL: all of them. The connection leaves the
 * handler's thread; the call is over. -EBUSY: the hub has as many clients as it takes.
 */
int gw_http_reply_events(struct gw_http_call *call, struct gw_http_events *hub, const char *topic,
                         struct gw_error *err);
