// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "link/peer.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/uuid.h"
#include "http/json.h"
#include "http/limits.h"
#include "http/route.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SINK_FIRST_BYTES (256u * 1024u)

struct gw_peer {
    const struct gw_identity *identity;
    char *site, *address, *whom;
    struct gw_http_client *client;
};

static int open_client(struct gw_peer *p, const struct gw_peer_config *config, struct gw_error *err)
{
    if (asprintf(&p->whom, "site %s", config->site) < 0)
        p->whom = NULL;
    p->site = strdup(config->site);
    p->address = strdup(config->address);
    if (p->whom == NULL || p->site == NULL || p->address == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    const struct gw_http_client_config client = {
        .address = config->address,
        .cert_file = gw_identity_cert_file(config->identity),
        .key_file = gw_identity_key_file(config->identity),
        .pin = config->pin,
        .peer = p->whom,
        .connect_ms = config->connect_ms,
    };
    return gw_http_client_new(&client, &p->client, err);
}

int gw_peer_new(const struct gw_peer_config *config, struct gw_peer **ret, struct gw_error *err)
{
    struct gw_peer *p = calloc(1, sizeof *p);
    if (p == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    p->identity = config->identity;
    int r = open_client(p, config, err);
    if (r < 0) {
        gw_peer_free(p);
        return r;
    }
    *ret = p;
    return 0;
}

void gw_peer_free(struct gw_peer *p)
{
    if (p == NULL)
        return;
    gw_http_client_free(p->client);
    free(p->site);
    free(p->address);
    free(p->whom);
    free(p);
}

void gw_peer_cancel(struct gw_peer *p)
{
    gw_http_client_cancel(p->client);
}

const char *gw_peer_site(const struct gw_peer *p)
{
    return p->site;
}

const char *gw_peer_address(const struct gw_peer *p)
{
    return p->address;
}

/* ---- calls ----------------------------------------------------------------------------------- */

/* The envelope of an answer: is it of who we think, and in a protocol that we know? */
static int open_answer(const struct gw_peer *p, const json_t *answer, json_t **ret_result,
                       int *ret_protocol, struct gw_error *err)
{
    const char *from = NULL;
    uint64_t protocol = 0;
    json_t *result = NULL;
    int r = gw_http_json_text(answer, "from", true, &from, err);
    if (r == 0)
        r = gw_http_json_u64(answer, "protocol", true, &protocol, err);
    if (r == 0)
        r = gw_http_json_object(answer, "result", true, &result, err);
    if (r < 0)
        return gw_error_set(err, -EPROTO, "%s: bad answer: %s; its outcome is UNKNOWN", p->whom,
                            err != NULL ? err->msg : "");
    if (protocol < GW_LINK_PROTOCOL_MIN || protocol > GW_LINK_PROTOCOL + 1)
        return gw_error_set(err, -EPROTONOSUPPORT,
                            "%s speaks link protocol %" PRIu64 ", this site %d to %d: upgrade the "
                            "older one",
                            p->whom, protocol, GW_LINK_PROTOCOL_MIN, GW_LINK_PROTOCOL);
    if (strcmp(from, p->site) != 0)
        return gw_error_set(err, -EPROTO, "%s calls itself \"%.64s\"; its outcome is UNKNOWN",
                            p->whom, from);
    *ret_result = result;
    *ret_protocol = (int)protocol;
    return 0;
}

static json_t *make_request(const struct gw_peer *p, const json_t *params)
{
    char id[GW_UUID_TEXT];
    const struct gw_uuid uuid = gw_uuid_new();
    gw_uuid_format(&uuid, id);
    /* The library's format takes a reference, for which the value must not be const. */
    json_t *own = params != NULL ? json_incref((json_t *)(uintptr_t)params) : json_object();
    return json_pack("{s:s, s:i, s:s, s:o}", "from", gw_identity_site(p->identity), "protocol",
                     GW_LINK_PROTOCOL, "request", id, "params", own);
}

/* One call. response is given back by the caller in either case. */
static int call(struct gw_peer *p, const char *method, const json_t *params, unsigned timeout_ms,
                struct gw_http_response *response, json_t **ret_result, int *ret_protocol,
                struct gw_error *err)
{
    CLEANUP_FREE char *path = gw_http_path(GW_LINK_PATH "{}", method);
    CLEANUP_HTTP_JSON json_t *body = make_request(p, params);
    *response = (struct gw_http_response){ .outcome = GW_HTTP_NOT_SENT };
    if (path == NULL || body == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory; nothing was sent");
    const struct gw_http_request request = {
        .method = "POST", .path = path, .json = body, .timeout_ms = timeout_ms
    };
    int r = gw_http_client_call(p->client, &request, response, err);
    if (r < 0)
        return r;
    r = open_answer(p, response->json, ret_result, ret_protocol, err);
    if (r < 0)
        response->outcome = GW_HTTP_UNKNOWN;
    return r;
}

int gw_peer_call(struct gw_peer *p, const char *method, const json_t *params, unsigned timeout_ms,
                 json_t **ret_result, enum gw_http_outcome *ret_outcome, json_t **ret_problem,
                 struct gw_error *err)
{
    struct gw_http_response response;
    json_t *result = NULL;
    int protocol = 0;
    int r = call(p, method, params, timeout_ms, &response, &result, &protocol, err);
    if (r == 0 && ret_result != NULL)
        *ret_result = json_incref(result);
    if (ret_outcome != NULL)
        *ret_outcome = response.outcome;
    if (ret_problem != NULL)
        *ret_problem = response.outcome == GW_HTTP_REFUSED ? json_incref(response.json) : NULL;
    gw_http_response_done(&response);
    return r;
}

/* ---- measuring ------------------------------------------------------------------------------- */

bool gw_clock_estimate(uint64_t sent_ns, uint64_t received_ns, uint64_t answered_ns,
                       uint64_t back_ns, struct gw_clock_sample *ret)
{
    if (back_ns < sent_ns || answered_ns < received_ns ||
        back_ns - sent_ns < answered_ns - received_ns)
        return false;
    ret->rtt_ns = (back_ns - sent_ns) - (answered_ns - received_ns);
    ret->uncertain_ns = ret->rtt_ns / 2;
    /* Differences of unsigned numbers, as signed ones: right for clocks up to 292 years apart. */
    ret->offset_ns = ((int64_t)(received_ns - sent_ns) + (int64_t)(answered_ns - back_ns)) / 2;
    return true;
}

static int read_ping(const struct gw_http_response *response, const json_t *result,
                     struct gw_peer_hello *hello, struct gw_clock_sample *ret_sample,
                     struct gw_error *err)
{
    const char *version = "";
    uint64_t received_ns = 0, answered_ns = 0;
    int r = gw_http_json_text(result, "version", true, &version, err);
    if (r == 0)
        r = gw_http_json_u64(result, "received_ns", true, &received_ns, err);
    if (r == 0)
        r = gw_http_json_u64(result, "answered_ns", true, &answered_ns, err);
    if (r < 0)
        return r;
    snprintf(hello->version, sizeof hello->version, "%s", version);
    /* Our own clock may be set in between: its end is the beginning and the time that passed. */
    if (!gw_clock_estimate(response->send_wall_ns, received_ns, answered_ns,
                           response->send_wall_ns + response->took_ns, ret_sample))
        return gw_error_set(err, -EPROTO, "its clock was set while it was asked");
    return 0;
}

static int compare_u64(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

int gw_peer_ping(struct gw_peer *p, unsigned n, unsigned timeout_ms, struct gw_peer_hello *ret,
                 enum gw_http_outcome *ret_outcome, struct gw_error *err)
{
    struct gw_peer_hello hello = { .clock.rtt_ns = UINT64_MAX };
    uint64_t rtts[GW_LINK_PINGS_MAX];
    unsigned done = 0;
    n = n == 0 ? 1 : n > GW_LINK_PINGS_MAX ? GW_LINK_PINGS_MAX : n;
    snprintf(hello.site, sizeof hello.site, "%s", p->site);
    while (done < n) {
        struct gw_http_response response;
        struct gw_clock_sample sample;
        json_t *result = NULL;
        int r = call(p, "ping", NULL, timeout_ms, &response, &result, &hello.protocol, err);
        if (r == 0)
            r = read_ping(&response, result, &hello, &sample, err);
        if (ret_outcome != NULL)
            *ret_outcome = response.outcome;
        gw_http_response_done(&response);
        if (r < 0)
            return r;
        rtts[done++] = sample.rtt_ns;
        if (sample.rtt_ns < hello.clock.rtt_ns)
            hello.clock = sample;
    }
    qsort(rtts, done, sizeof rtts[0], compare_u64);
    hello.rtt_median_ns = rtts[done / 2];
    *ret = hello;
    return 0;
}

/* Send zeros, which the peer counts and drops. */
static int sink(struct gw_peer *p, uint64_t bytes, unsigned timeout_ms, uint64_t *ret_took_ns,
                struct gw_error *err)
{
    struct gw_http_response response;
    uint64_t counted = 0;
    const struct gw_http_request request = { .method = "POST",
                                             .path = GW_LINK_PATH "sink",
                                             .zeros_bytes = bytes,
                                             .content_type = "application/octet-stream",
                                             .timeout_ms = timeout_ms };
    int r = gw_http_client_call(p->client, &request, &response, err);
    if (r == 0)
        r = gw_http_json_u64(response.json, "bytes", true, &counted, err);
    if (r == 0 && counted != bytes)
        r = gw_error_set(err, -EPROTO, "%s counted %" PRIu64 " bytes of %" PRIu64, p->whom, counted,
                         bytes);
    *ret_took_ns = response.took_ns;
    gw_http_response_done(&response);
    return r;
}

int gw_peer_throughput(struct gw_peer *p, uint64_t bytes, unsigned time_ms,
                       uint64_t *ret_bytes_per_s, struct gw_error *err)
{
    const uint64_t begin_ns = gw_boot_ns();
    uint64_t left = bytes < GW_HTTP_DISCARD_BYTES_MAX ? bytes : GW_HTTP_DISCARD_BYTES_MAX;
    uint64_t piece = SINK_FIRST_BYTES, best = 0;
    time_ms = time_ms < GW_LINK_MEASURE_MS_MAX ? time_ms : GW_LINK_MEASURE_MS_MAX;
    if (left == 0 || time_ms == 0)
        return gw_error_set(err, -EINVAL, "nothing to measure with");
    /* Pieces that grow: a slow line is known after the first, a fast one is filled by the last. */
    while (left > 0) {
        uint64_t used_ms = (gw_boot_ns() - begin_ns) / GW_NS_PER_MS, took_ns = 0;
        if (best > 0) {
            if (used_ms >= time_ms)
                break;
            uint64_t fits = best * (time_ms - used_ms) / 1000;
            if (fits < SINK_FIRST_BYTES)
                break;
            piece = fits < piece * 4 ? fits : piece * 4;
        }
        piece = piece < left ? piece : left;
        /* The first is waited for in any case, for without it nothing is known. */
        int r = sink(p, piece, best == 0 ? GW_LINK_MEASURE_MS_MAX : time_ms + 1000, &took_ns, err);
        if (r < 0)
            return r;
        uint64_t rate = piece * 1000000 / (took_ns / 1000 + 1);
        best = rate > best ? rate : best;
        left -= piece;
    }
    *ret_bytes_per_s = best;
    return 0;
}
