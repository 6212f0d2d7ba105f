// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "link/serve.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "http/json.h"
#include "link/pair_message.h"
#include "link/peer.h"
#include "link/probe.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct gw_link {
    struct gw_link_config config;
    char *version;
    struct gw_http_server *server;
};

/* ---- one call -------------------------------------------------------------------------------- */

int gw_link_request_read(json_t *body, struct gw_link_request *ret, struct gw_error *err)
{
    struct gw_link_request q = { 0 };
    uint64_t protocol = 0;
    int r = gw_http_json_members(body, "from protocol request params", err);
    if (r == 0)
        r = gw_http_json_u64(body, "protocol", true, &protocol, err);
    if (r == 0 && (protocol < GW_LINK_PROTOCOL_MIN || protocol > GW_LINK_PROTOCOL + 1))
        r = gw_error_set(err, -EPROTONOSUPPORT,
                         "the calling site speaks link protocol %" PRIu64 ", this one %d to %d: "
                         "upgrade the older one",
                         protocol, GW_LINK_PROTOCOL_MIN, GW_LINK_PROTOCOL);
    if (r == 0)
        r = gw_http_json_text(body, "from", true, &q.from, err);
    if (r == 0)
        r = gw_http_json_text(body, "request", true, &q.id, err);
    if (r == 0)
        r = gw_http_json_object(body, "params", true, &q.params, err);
    if (r < 0)
        return r;
    q.protocol = (int)protocol;
    *ret = q;
    return 0;
}

static int reply(struct gw_link *l, struct gw_http_call *call, json_t *result)
{
    return gw_http_reply_json(
        call, 200,
        json_pack("{s:s, s:i, s:o}", "from", gw_identity_site(l->config.identity), "protocol",
                  GW_LINK_PROTOCOL, "result", result != NULL ? result : json_object()));
}

static int ping(struct gw_link *l, const struct gw_link_request *q, json_t **ret,
                struct gw_error *err)
{
    *ret =
        json_pack("{s:s, s:s, s:I, s:I}", "site", gw_identity_site(l->config.identity), "version",
                  l->version, "received_ns", (json_int_t)gw_http_call_arrived_wall_ns(q->call),
                  "answered_ns", (json_int_t)gw_wall_ns());
    return *ret != NULL ? 0 : gw_error_set(err, -ENOMEM, "out of memory");
}

/* The caller wants to know whether we reach it. */
static int probe(struct gw_link *l, const struct gw_link_request *q, json_t **ret,
                 struct gw_error *err)
{
    const char *port = NULL, *address = NULL;
    uint64_t timeout_ms = GW_PROBE_MS;
    struct gw_probe_port found;
    int r = gw_http_json_text(q->params, "port", true, &port, err);
    if (r == 0)
        r = gw_http_json_text(q->params, "address", true, &address, err);
    if (r == 0)
        r = gw_http_json_u64(q->params, "timeout_ms", false, &timeout_ms, err);
    if (r < 0)
        return r;
    const struct gw_probe_target target = {
        .identity = l->config.identity,
        .site = q->from,
        .pin = gw_http_call_peer(q->call)->fingerprint,
        .address = address,
        .timeout_ms = (unsigned)(timeout_ms < GW_PROBE_MS ? timeout_ms : GW_PROBE_MS),
    };
    if (strcmp(port, "link") == 0)
        gw_probe_link(&target, &found);
    else if (strcmp(port, "data") == 0)
        gw_probe_data(&target, &found);
    else
        return gw_error_set(err, -EINVAL, "\"port\" is neither \"link\" nor \"data\"");
    *ret = gw_probe_port_json(&found);
    return *ret != NULL ? 0 : gw_error_set(err, -ENOMEM, "out of memory");
}

static const struct gw_link_method *find_method(const struct gw_link *l, const char *name)
{
    for (size_t i = 0; i < l->config.n_methods; i++) {
        if (strcmp(l->config.methods[i].name, name) == 0)
            return &l->config.methods[i];
    }
    return NULL;
}

static int run_method(struct gw_link *l, const struct gw_link_request *q, json_t **ret,
                      struct gw_error *err)
{
    if (strcmp(q->method, "ping") == 0)
        return ping(l, q, ret, err);
    if (strcmp(q->method, "probe") == 0)
        return probe(l, q, ret, err);
    const struct gw_link_method *m = find_method(l, q->method);
    if (m == NULL)
        return gw_error_set(err, -ENOSYS,
                            "this site knows no link method \"%.64s\": it may run an older version",
                            q->method);
    if (m->params == NULL || strcmp(m->params, "*") != 0) {
        int r = gw_http_json_members(q->params, m->params, err);
        if (r < 0)
            return r;
    }
    return m->fn(l->config.ctx, q, ret, err);
}

static int on_method(struct gw_http_call *call, struct gw_error *err)
{
    struct gw_link *l = gw_http_call_ctx(call);
    struct gw_link_request q;
    CLEANUP_HTTP_JSON json_t *result = NULL;
    int r = gw_link_request_read(gw_http_call_json(call), &q, err);
    if (r < 0)
        return r;
    if (strcmp(q.from, gw_http_call_peer(call)->name) != 0)
        return gw_error_set(err, -EPERM,
                            "the request is of site \"%.64s\", its certificate of \"%s\"", q.from,
                            gw_http_call_peer(call)->name);
    q.call = call;
    q.method = gw_http_call_param(call, "method");
    r = run_method(l, &q, &result, err);
    if (gw_http_reply_status(call) != 0)
        return 0;
    return r < 0 ? r : reply(l, call, json_incref(result));
}

/* ---- the other routes ------------------------------------------------------------------------ */

static int on_sink(struct gw_http_call *call, struct gw_error *err)
{
    size_t bytes;
    gw_http_call_body(call, &bytes);
    return gw_http_reply_json(call, 200, json_pack("{s:I}", "bytes", (json_int_t)bytes));
}

static int on_pair(struct gw_http_call *call, struct gw_error *err)
{
    struct gw_link *l = gw_http_call_ctx(call);
    if (l->config.book == NULL)
        return gw_error_set(err, -EPERM, "this site does not pair");
    return gw_pair_serve(l->config.book, call, err);
}

/* For strangers: nothing but that pairing is spoken here. */
static int on_pair_hello(struct gw_http_call *call, struct gw_error *err)
{
    return gw_http_reply_json(call, 200, json_pack("{s:i}", "version", GW_PAIR_MESSAGE_VERSION));
}

static const struct gw_http_route routes[] = {
    { "GET", GW_PAIR_PATH, on_pair_hello, GW_HTTP_ANYONE, NULL, "which pairing is spoken" },
    { "POST", GW_PAIR_PATH, on_pair, GW_HTTP_ANYONE, NULL, "pair with a one-time code" },
    { "POST", GW_LINK_PATH "sink", on_sink, GW_HTTP_DISCARD, NULL, "measure the throughput" },
    { "POST", GW_LINK_PATH "{method}", on_method, 0, NULL, "call a method" },
};

/* ---- life ------------------------------------------------------------------------------------ */

static int identify(void *ctx, const struct gw_http_peer *peer, char ret_name[GW_CERT_NAME_MAX],
                    struct gw_error *err)
{
    const struct gw_link *l = ctx;
    return gw_trust_identify(l->config.trust, peer, ret_name, err);
}

int gw_link_open(const struct gw_link_config *config, struct gw_link **ret, struct gw_error *err)
{
    struct gw_link *l = calloc(1, sizeof *l);
    if (l == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    l->config = *config;
    l->version = strdup(config->version != NULL ? config->version : "");
    const struct gw_http_config http = {
        .name = "link",
        .address = config->address,
        .cert_file = gw_identity_cert_file(config->identity),
        .key_file = gw_identity_key_file(config->identity),
        .routes = routes,
        .n_routes = sizeof routes / sizeof routes[0],
        .ctx = l,
        .identify = identify,
    };
    int r = l->version != NULL ? gw_http_start(&http, &l->server, err)
                               : gw_error_set(err, -ENOMEM, "out of memory");
    if (r < 0) {
        gw_link_close(l);
        return r;
    }
    *ret = l;
    return 0;
}

const char *gw_link_address(const struct gw_link *link)
{
    return gw_http_address(link->server);
}

void gw_link_close(struct gw_link *link)
{
    if (link == NULL)
        return;
    gw_http_stop(link->server);
    free(link->version);
    free(link);
}
