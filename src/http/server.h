// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * An HTTP/1.1 server: a table of routes on a unix socket, or on TCP with TLS 1.3.
 *
 * Calling sequence: fill a table of routes (http/route.h), gw_http_start, serve, gw_http_stop.
 * Start after any fork: it makes threads. The process ignores SIGPIPE.
 *
 * Threads: one event loop moves all bytes, so that slow clients cost no thread; a request that has
 * arrived whole goes to one of at most GW_HTTP_WORKERS_MAX threads, which runs the handler.
 * Handlers run in parallel and lock what they share. A request that has not arrived whole is never
 * executed. gw_http_stop must not be called by a handler.
 *
 * What is answered before a handler is asked (all problem documents, http/problem.h):
 *   400 bad-request       target, query parameter or JSON, with line and column
 *   403 forbidden         no certificate, or one that identify() or authorize() refuses
 *   404 not-found, 405 method-not-allowed (with Allow), 413 too-large, 415 media-type
 *   503 busy              too many connections or requests (with Retry-After), or stopping
 * Request lines and headers that are not HTTP, or too large, are refused by the library below.
 *
 * Limits: http/limits.h. A connection that does not bring a request in time is closed: a drip of
 * bytes does not prolong it. Of more than GW_HTTP_CONNECTIONS_MAX, the longest idle one is closed.
 *
 * The unix socket: mode 0660 (the group may be given), PATH.lock is held (flock) for as long as it
 * is served and tells a live server from what a killed one left, which is replaced. gw_http_stop
 * removes both. Who connects is known by SO_PEERCRED.
 *
 * TLS: the caller's certificate is asked for, and it proves that it holds the key. No authority is
 * involved: identify() knows the pinned ones (http/cert.h).
 */
#pragma once

#include "base/error.h"
#include "http/call.h"
#include "http/route.h"

struct gw_http_server;

/* Who is it? 0 and the name, or a negative errno with a sentence; such a caller reaches only routes
 * for ANYONE. Called in the thread of a handler, before it. */
typedef int gw_http_identify_fn(void *ctx, const struct gw_http_peer *peer,
                                char ret_name[GW_CERT_NAME_MAX], struct gw_error *err);
/* May this call be made? 0, or -EPERM (403; another code: its problem) with a sentence. */
typedef int gw_http_authorize_fn(void *ctx, struct gw_http_call *call,
                                 const struct gw_http_route *route, struct gw_error *err);

struct gw_http_config {
    const char *name; /* "api", for logs */
    /* One of: a path, or "host:port" with a certificate. All are copied. */
    const char *unix_path;
    const char *address;              /* "0.0.0.0:7001", "[::]:7001"; port 0: a free one */
    const char *cert_file, *key_file; /* PEM; read at the start */
    bool anonymous;                   /* TLS: serve callers without a certificate too */

    const struct gw_http_route *routes; /* these live until gw_http_stop */
    size_t n_routes;
    void *ctx;                       /* for the functions */
    gw_http_identify_fn *identify;   /* NULL: nobody is known; unix: not asked */
    gw_http_authorize_fn *authorize; /* NULL: everybody may */

    bool has_group; /* of the unix socket */
    gid_t group;
    /* 0: the default of http/limits.h. For tests. */
    unsigned connections_max, workers_max, waiting_max;
    unsigned arrive_ms, idle_ms, stall_ms;
    size_t body_bytes_max;
};

/* -EADDRINUSE: another process serves it. -EEXIST: the path is there and is not a socket. -EINVAL:
 * the address or a PEM file. */
int gw_http_start(const struct gw_http_config *config, struct gw_http_server **ret,
                  struct gw_error *err);
/* "unix:/run/godwit/api.sock", "0.0.0.0:7001": where it is really bound. */
const char *gw_http_address(const struct gw_http_server *server);
/*
 * Take no more requests, tell running handlers (gw_http_call_gone), wait for them, end the streams
 * of events, and remove the socket. Returns when the last handler has. NULL is fine. Stop before
 * the hubs that its handlers stream from are freed.
 */
void gw_http_stop(struct gw_http_server *server);
