// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Following a stream of events. */
#include "http/client_internal.h"
#include "http/limits.h"
#include "http/problem.h"
#include "http/sse.h"

#include <errno.h>

#define REFUSAL_BYTES_MAX (64u * 1024u)

struct follow {
    gw_http_event_fn *fn;
    void *ctx;
    struct gw_sse *sse;
    int ended; /* what fn returned */
    struct gw_error err;
};

static int on_event(void *ctx, const char *id, const char *kind, const char *data)
{
    struct follow *f = ctx;
    f->ended = f->fn(f->ctx, id, kind, data);
    return f->ended;
}

/* Bytes of the stream; of a refusal its document. */
static int take(struct gw_http_exchange *x, const char *bytes, size_t len)
{
    struct follow *f = x->take_ctx;
    if (gw_http_exchange_status(x) != 200)
        return gw_http_exchange_keep(x, bytes, len);
    return gw_sse_feed(f->sse, bytes, len, &f->err);
}

static int refusal(const struct gw_http_exchange *x, struct gw_error *err)
{
    struct gw_http_problem problem;
    gw_http_problem_read(gw_http_exchange_status(x), x->text, x->text_bytes, &problem, NULL);
    return gw_error_set(err, problem.code, "%s", problem.detail);
}

static int result(const struct gw_http_exchange *x, const struct follow *f, struct gw_error *err)
{
    const char *whom = x->client->peer != NULL ? x->client->peer : x->client->address;
    struct gw_error why = { 0 };
    if (f->ended != 0)
        return f->ended;
    if (f->err.code != 0)
        return gw_error_set(err, f->err.code, "%s: %s", whom, f->err.msg);
    if (x->result == CURLE_OK && gw_http_exchange_status(x) != 200)
        return refusal(x, err);
    if (x->result == CURLE_OK)
        return 0;
    int r = gw_http_exchange_error(x, &why);
    return gw_error_set(err, r, "%s: %s", whom, why.msg);
}

int gw_http_client_events(struct gw_http_client *c, const char *path, const char *last_id,
                          unsigned idle_ms, gw_http_event_fn *fn, void *ctx, struct gw_error *err)
{
    struct follow f = { .fn = fn, .ctx = ctx };
    struct gw_http_exchange x = { .take = take,
                                  .take_ctx = &f,
                                  .text_max = REFUSAL_BYTES_MAX,
                                  .idle_ms = idle_ms != 0 ? idle_ms : 3 * GW_HTTP_FEED_ALIVE_MS };
    f.sse = gw_sse_new(on_event, &f);
    if (f.sse == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory for events");
    int r = gw_http_exchange_begin(&x, c, "GET", path, 0, err);
    if (r == 0)
        r = gw_http_exchange_header(&x, "Accept", "text/event-stream", err);
    if (r == 0 && last_id != NULL && last_id[0] != '\0')
        r = gw_http_exchange_header(&x, "Last-Event-ID", last_id, err);
    if (r == 0) {
        gw_http_exchange_run(&x);
        r = result(&x, &f, err);
    }
    gw_http_exchange_end(&x);
    gw_sse_free(f.sse);
    return r;
}
