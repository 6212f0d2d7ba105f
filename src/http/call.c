// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* A request as its handler sees it. */
#include "http/call.h"

#include "base/clock.h"
#include "http/server_internal.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

void *gw_http_call_ctx(const struct gw_http_call *call)
{
    return call->server->config.ctx;
}

const struct gw_http_peer *gw_http_call_peer(const struct gw_http_call *call)
{
    return &call->peer;
}

const char *gw_http_call_method(const struct gw_http_call *call)
{
    return strcmp(call->method, "HEAD") == 0 ? "GET" : call->method;
}

const char *gw_http_call_path(const struct gw_http_call *call)
{
    return call->target.path;
}

const char *gw_http_call_param(const struct gw_http_call *call, const char *name)
{
    for (size_t i = 0; i < call->match.n_params; i++) {
        const struct gw_http_param *p = &call->match.params[i];
        if (strlen(name) == p->name_len && memcmp(p->name, name, p->name_len) == 0)
            return p->value;
    }
    assert(false); /* the route has no such parameter */
    return "";
}

const char *gw_http_call_query_text(const struct gw_http_call *call)
{
    return call->target.query_text;
}

const char *gw_http_call_query(const struct gw_http_call *call, const char *name)
{
    for (size_t i = 0; i < call->target.n_queries; i++) {
        if (strcmp(call->target.queries[i].name, name) == 0)
            return call->target.queries[i].value;
    }
    return NULL;
}

int gw_http_call_query_u64(const struct gw_http_call *call, const char *name, uint64_t *ret,
                           struct gw_error *err)
{
    const char *text = gw_http_call_query(call, name);
    char *end = NULL;
    if (text == NULL)
        return 0;
    errno = 0;
    unsigned long long v = text[0] >= '0' && text[0] <= '9' ? strtoull(text, &end, 10) : 0;
    if (end == NULL || *end != '\0' || errno != 0)
        return gw_error_set(err, -EINVAL, "query parameter \"%s\": \"%.64s\" is not a number", name,
                            text);
    *ret = v;
    return 0;
}

int gw_http_call_query_bool(const struct gw_http_call *call, const char *name, bool *ret,
                            struct gw_error *err)
{
    const char *text = gw_http_call_query(call, name);
    if (text == NULL)
        return 0;
    bool yes = text[0] == '\0' || strcmp(text, "true") == 0;
    if (!yes && strcmp(text, "false") != 0)
        return gw_error_set(err, -EINVAL, "query parameter \"%s\": neither true nor false", name);
    *ret = yes;
    return 0;
}

/* The loop does not touch the connection while its handler runs. */
const char *gw_http_call_header(const struct gw_http_call *call, const char *name)
{
    return MHD_lookup_connection_value(call->conn->mhd, MHD_HEADER_KIND, name);
}

json_t *gw_http_call_json(const struct gw_http_call *call)
{
    return call->json;
}

const char *gw_http_call_body(const struct gw_http_call *call, size_t *ret_len)
{
    *ret_len = (size_t)call->received_bytes;
    return call->body != NULL ? call->body : "";
}

const char *gw_http_call_content_type(const struct gw_http_call *call)
{
    return call->content_type;
}

uint64_t gw_http_call_arrived_boot_ns(const struct gw_http_call *call)
{
    return call->arrived_boot_ns;
}

uint64_t gw_http_call_arrived_wall_ns(const struct gw_http_call *call)
{
    return call->arrived_wall_ns;
}

/* Whether the client closed, or the server stops. Waits up to ms for that. */
static bool wait_gone(const struct gw_http_call *call, unsigned ms)
{
    uint64_t end_ns = gw_boot_ns() + ms * GW_NS_PER_MS;
    for (;;) {
        uint64_t now_ns = gw_boot_ns();
        int left_ms =
            now_ns < end_ns ? (int)((end_ns - now_ns + GW_NS_PER_MS - 1) / GW_NS_PER_MS) : 0;
        struct pollfd fds[2] = { { .fd = call->conn->fd, .events = POLLRDHUP },
                                 { .fd = call->server->stop_fd, .events = POLLIN } };
        if (poll(fds, 2, left_ms) > 0)
            return true;
        if (left_ms == 0)
            return false;
    }
}

bool gw_http_call_gone(struct gw_http_call *call)
{
    if (!call->gone)
        call->gone = wait_gone(call, 0);
    return call->gone;
}

int gw_http_call_wait(struct gw_http_call *call, unsigned ms)
{
    if (!call->gone)
        call->gone = wait_gone(call, ms);
    return call->gone ? -ECONNABORTED : 0;
}

int gw_http_reply_events(struct gw_http_call *call, struct gw_http_events *hub, const char *topic,
                         struct gw_error *err)
{
    const char *after = gw_http_call_header(call, "Last-Event-ID");
    char *end = NULL;
    if (after == NULL)
        after = gw_http_call_query(call, "after");
    bool has_last = after != NULL && after[0] != '\0';
    uint64_t last_id = has_last ? strtoull(after, &end, 10) : 0;
    if (has_last && (after[0] < '0' || after[0] > '9' || *end != '\0'))
        return gw_error_set(err, -EINVAL, "Last-Event-ID \"%.32s\" is not a number", after);
    struct gw_http_feed *feed;
    int r = gw_http_feed_new(hub, topic, has_last, last_id, &feed, err);
    if (r < 0)
        return r;
    gw_http_reply_empty(call, 200);
    call->reply.feed = feed;
    memcpy(call->reply.content_type, "text/event-stream", sizeof "text/event-stream");
    return 0;
}
