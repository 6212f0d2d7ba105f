// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* What comes: the head of a request, its body, and what they may be. */
#include "http/json.h"
#include "http/server_internal.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BODY_STEP_BYTES 4096u

static const char *header(const struct gw_http_call *call, const char *name)
{
    return MHD_lookup_connection_value(call->conn->mhd, MHD_HEADER_KIND, name);
}

/* "application/json; charset=utf-8" without what is behind, in lower case. */
static void read_content_type(struct gw_http_call *call)
{
    const char *text = header(call, MHD_HTTP_HEADER_CONTENT_TYPE);
    size_t n = text != NULL ? strcspn(text, " ;\t") : 0;
    n = n < sizeof call->content_type ? n : sizeof call->content_type - 1;
    for (size_t i = 0; i < n; i++)
        call->content_type[i] = (char)tolower((unsigned char)text[i]);
    call->content_type[n] = '\0';
}

static uint64_t limit_of(const struct gw_http_call *call)
{
    bool counted = call->match.route != NULL && (call->match.route->flags & GW_HTTP_DISCARD) != 0;
    return counted ? GW_HTTP_DISCARD_BYTES_MAX : call->server->config.body_bytes_max;
}

static bool too_large(struct gw_http_call *call)
{
    return gw_http_refuse(call, 413, "too-large", "a body of more than %llu bytes",
                          (unsigned long long)limit_of(call));
}

/* The announced length; 0 if there is none or it is not a number (the library looks at that). */
static uint64_t announced(const struct gw_http_call *call)
{
    const char *text = header(call, MHD_HTTP_HEADER_CONTENT_LENGTH);
    return text != NULL && isdigit((unsigned char)text[0]) ? strtoull(text, NULL, 10) : 0;
}

static bool find_route(struct gw_http_call *call)
{
    const struct gw_http_config *config = &call->server->config;
    char allow[GW_HTTP_ALLOW_MAX];
    struct gw_error err = call->target_error;
    int r = err.code;
    if (r == 0)
        r = gw_http_route_find(config->routes, config->n_routes, call->method, &call->target,
                               &call->match, allow, &err);
    if (r == 0)
        return true;
    call->match.route = NULL;
    if (r == -EOPNOTSUPP) {
        gw_http_reply_header(call, "Allow", allow);
        gw_http_reply_problem(call, 405, "method-not-allowed", &err);
    } else if (r == -ENAMETOOLONG) {
        gw_http_reply_problem(call, 414, "too-large", &err);
    } else {
        gw_http_reply_error(call, r, &err);
    }
    return false;
}

static bool check_type(struct gw_http_call *call)
{
    if ((call->match.route->flags & (GW_HTTP_RAW | GW_HTTP_DISCARD)) != 0 ||
        strcmp(call->content_type, "application/json") == 0)
        return true;
    return gw_http_refuse(call, 415, "media-type",
                          "the body is \"%s\"; this wants Content-Type: application/json",
                          call->content_type);
}

bool gw_http_body_begin(struct gw_http_call *call)
{
    struct gw_http_server *s = call->server;
    uint64_t bytes = announced(call);
    bool stopping;
    {
        LOCK_SCOPE(&s->lock);
        stopping = s->stopping;
    }
    read_content_type(call);
    call->cut = bytes > GW_HTTP_DRAIN_BYTES_MAX;
    if (stopping || call->conn->crowded) {
        gw_http_reply_header(call, "Connection", "close");
        gw_http_reply_header(call, "Retry-After", "2");
        return gw_http_refuse(call, 503, "busy", "%s; nothing was done, try again",
                              stopping ? "the server stops" : "too many connections");
    }
    if (!find_route(call))
        return false;
    if (bytes > limit_of(call))
        return too_large(call);
    call->cut = false;
    if ((call->match.route->flags & GW_HTTP_DISCARD) != 0)
        gw_http_conn_state(call->conn, GW_CONN_ARRIVING, GW_HTTP_BIG_ARRIVE_MS, NULL);
    return bytes == 0 || check_type(call);
}

static bool append(struct gw_http_call *call, const char *data, size_t len)
{
    size_t need = call->body_bytes + len + 1;
    if (need > call->body_cap) {
        size_t cap = call->body_cap * 2 > need ? call->body_cap * 2 : need + BODY_STEP_BYTES;
        char *body = realloc(call->body, cap);
        if (body == NULL)
            return gw_http_refuse(call, 503, "busy", "out of memory; nothing was done");
        call->body = body;
        call->body_cap = cap;
    }
    memcpy(call->body + call->body_bytes, data, len);
    call->body_bytes += len;
    call->body[call->body_bytes] = '\0';
    return true;
}

bool gw_http_body_take(struct gw_http_call *call, const char *data, size_t len)
{
    call->received_bytes += len;
    if (!call->refused && call->received_bytes > limit_of(call))
        call->refused = !too_large(call);
    /* Of what is refused the rest is read, so that the client reads the answer; but not for ever.
     */
    if (call->refused)
        return call->received_bytes <= GW_HTTP_DRAIN_BYTES_MAX;
    if ((call->match.route->flags & GW_HTTP_DISCARD) == 0)
        call->refused = !append(call, data, len);
    return true;
}

bool gw_http_body_end(struct gw_http_call *call)
{
    struct gw_error err = { 0 };
    if ((call->match.route->flags & (GW_HTTP_RAW | GW_HTTP_DISCARD)) != 0)
        return true;
    if (call->received_bytes == 0) {
        call->json = json_object();
        return call->json != NULL || gw_http_refuse(call, 503, "busy", "out of memory");
    }
    if (!check_type(call)) /* of a body whose length was not announced */
        return false;
    int r = gw_http_json_parse(call->body, call->body_bytes, GW_HTTP_VALUES_MAX, &call->json, &err);
    if (r == 0 && !json_is_object(call->json))
        r = gw_error_set(&err, -EINVAL, "the body is JSON, but not an object");
    if (r < 0)
        gw_http_reply_error(call, r, &err);
    return r == 0;
}
