// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The table of routes: what a server serves, from which the dispatcher, the OpenAPI document, 404
 * and 405 answers come. And the pure decoder of request targets ("/plans/shop?x=1").
 *
 * Pure. Threads: no state.
 */
#pragma once

#include "base/error.h"
#include "http/limits.h"

#include <stdbool.h>
#include <stddef.h>

struct gw_http_call;

/*
 * Answer one request, straight-line; it may block for as long as it likes. Return 0 when a reply
 * was set (none set: 204), or a negative errno value with a sentence: then the answer is the
 * problem document of that error (http/problem.h) and anything set before is dropped.
 */
typedef int gw_http_fn(struct gw_http_call *call, struct gw_error *err);

enum gw_http_route_flag {
    GW_HTTP_ANYONE = 1,   /* also for certificates that nobody knows (pairing) */
    GW_HTTP_RAW = 2,      /* the body is not decoded: gw_http_call_body */
    GW_HTTP_DISCARD = 4,  /* the body is counted and dropped, and may be large */
    GW_HTTP_STREAM = 8,   /* answers text/event-stream; for the OpenAPI document */
    GW_HTTP_KEYED = 16,   /* takes an Idempotency-Key; for the OpenAPI document */
    GW_HTTP_MATCHED = 32, /* takes If-Match; for the OpenAPI document */
};

struct gw_http_route {
    const char *method; /* "GET" (serves HEAD too), "POST", "PUT", "DELETE" */
    const char *path;   /* "/api/v1/plans/{plan}/status"; {name} is one segment, never empty */
    gw_http_fn *fn;
    unsigned flags; /* enum gw_http_route_flag */
    const char
        *query; /* names of query parameters, blank-separated; NULL: none. Others are refused */
    const char *summary;  /* one sentence */
    const char *request;  /* name of the schema of the body; NULL: none is needed */
    const char *response; /* name of the schema of the success; NULL: any JSON */
    int status;           /* of the success; 0: 200 */
    const char *tag;      /* group in the document; NULL: the third segment of the path */
    int privilege;        /* for the authorize function of the server; this layer does not look */
};

/* A decoded target. The texts live in `store`: move it by pointer only. */
struct gw_http_target {
    size_t n_segments, n_queries;
    const char *segments[GW_HTTP_SEGMENTS_MAX];
    struct gw_http_query {
        const char *name, *value;
    } queries[GW_HTTP_QUERIES_MAX];
    const char *query_text;              /* as it was sent, without the "?"; "" none */
    char path[GW_HTTP_TARGET_BYTES_MAX]; /* as it was sent, without the query; for messages */
    char store[GW_HTTP_TARGET_BYTES_MAX * 2];
};

/*
 * Decode the target of a request line. Percent-encoding is undone inside a segment or a value only,
 * so that "%2F" is not a separator. -EINVAL: no "/" first, bad encoding, control characters, not
 * UTF-8, "." or ".." or an empty segment, a parameter twice, too many; -ENAMETOOLONG.
 */
int gw_http_target_parse(const char *target, size_t len, struct gw_http_target *ret,
                         struct gw_error *err);

struct gw_http_match {
    const struct gw_http_route *route; /* NULL: see the error */
    size_t n_params;
    struct gw_http_param {
        const char *name; /* points into the pattern, name_len bytes */
        size_t name_len;
        const char *value;
    } params[GW_HTTP_SEGMENTS_MAX];
};

/*
 * Find the route. A literal segment wins over a {parameter}. -ENOENT (with the nearest path there
 * is, if one is near) or -EOPNOTSUPP when the path exists for other methods; then ret_allow ("GET,
 * HEAD, POST") is for the Allow header. Also -EINVAL for a query parameter that the route does not
 * take.
 */
#define GW_HTTP_ALLOW_MAX 64
int gw_http_route_find(const struct gw_http_route *routes, size_t n_routes, const char *method,
                       const struct gw_http_target *target, struct gw_http_match *ret,
                       char ret_allow[GW_HTTP_ALLOW_MAX], struct gw_error *err);

/* Asserts that a table is sound: known methods, patterns, no route twice. For a test or a start. */
void gw_http_routes_check(const struct gw_http_route *routes, size_t n_routes);

/*
 * A path with its parameters encoded: gw_http_path("/api/v1/plans/{}/runs/{}", plan, run) puts each
 * text for the next "{}". To be freed with free(); NULL: no memory.
 */
char *gw_http_path_fill(const char *pattern, const char *const *values, size_t n_values);
#define gw_http_path(pattern, ...)                                                                 \
    gw_http_path_fill((pattern), (const char *const[]){ __VA_ARGS__ },                             \
                      sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(const char *))
