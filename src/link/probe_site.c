// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The whole of a site test: both ports, both directions, and the figures. */
#include "link/probe.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "http/json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define PINGS 9u
#define REMOTE_EXTRA_MS 5000u /* what the peer may take besides its own timeout */

static bool is_given(const char *text)
{
    return text != NULL && text[0] != '\0';
}

/* A way that was not tried, and why. */
static void skip(struct gw_probe_port *p, const char *from, const char *to, const char *port,
                 const char *address, enum gw_probe_state state, const char *why)
{
    *p = (struct gw_probe_port){ .port = port, .n_layers = 1 };
    snprintf(p->from, sizeof p->from, "%s", from);
    snprintf(p->to, sizeof p->to, "%s", to);
    snprintf(p->address, sizeof p->address, "%s", address != NULL ? address : "");
    snprintf(p->layers[0].layer, sizeof p->layers[0].layer, "asked");
    p->layers[0].state = state;
    snprintf(p->layers[0].text, sizeof p->layers[0].text, "%s", why);
}

/* Ask the peer to try the way to us. */
static void probe_back(struct gw_peer *peer, const struct gw_probe_config *c, const char *port,
                       const char *address, struct gw_probe_port *ret)
{
    const char *own = gw_identity_site(c->identity);
    const unsigned timeout_ms = c->timeout_ms != 0 ? c->timeout_ms : GW_PROBE_MS;
    struct gw_error err = { 0 };
    CLEANUP_HTTP_JSON json_t *result = NULL;
    CLEANUP_HTTP_JSON json_t *params = json_pack("{s:s, s:s, s:I}", "port", port, "address",
                                                 address, "timeout_ms", (json_int_t)timeout_ms);
    int r = gw_peer_call(peer, "probe", params, 2 * timeout_ms + REMOTE_EXTRA_MS, &result, NULL,
                         NULL, &err);
    if (r == 0)
        r = gw_probe_port_read(result, ret, &err);
    if (r < 0)
        skip(ret, c->site, own, port, address, GW_PROBE_FAILED, err.msg);
}

static void way_there(const struct gw_probe_config *c, const char *port, const char *address,
                      void (*probe)(const struct gw_probe_target *target,
                                    struct gw_probe_port *ret),
                      struct gw_probe_port *ret)
{
    const struct gw_probe_target target = { .identity = c->identity,
                                            .site = c->site,
                                            .pin = c->pin,
                                            .address = address,
                                            .timeout_ms = c->timeout_ms };
    if (is_given(address))
        probe(&target, ret);
    else
        skip(ret, gw_identity_site(c->identity), c->site, port, address, GW_PROBE_SKIPPED,
             "the address is not known");
}

static void way_back(struct gw_peer *peer, const struct gw_probe_config *c, bool reached,
                     const char *port, const char *address, struct gw_probe_port *ret)
{
    if (reached && peer != NULL && is_given(address))
        probe_back(peer, c, port, address, ret);
    else
        skip(ret, c->site, gw_identity_site(c->identity), port, address, GW_PROBE_SKIPPED,
             reached ? "our own address, as the other site shall reach it, is not known"
                     : "the other site cannot be asked");
}

static void measure(struct gw_peer *peer, const struct gw_probe_config *c,
                    struct gw_probe_report *ret)
{
    const unsigned timeout_ms = c->timeout_ms != 0 ? c->timeout_ms : GW_PROBE_MS;
    struct gw_error err = { 0 };
    ret->has_hello = gw_peer_ping(peer, PINGS, timeout_ms, &ret->hello, NULL, &err) == 0;
    if (c->throughput_bytes > 0)
        ret->has_throughput = gw_peer_throughput(peer, c->throughput_bytes, c->throughput_ms,
                                                 &ret->throughput_bytes_per_s, &err) == 0;
}

/* The first thing that is wrong, in words. */
static void conclude(struct gw_probe_report *ret)
{
    const struct gw_probe_port *skipped = NULL;
    ret->connected = true;
    snprintf(ret->sentence, sizeof ret->sentence, "CONNECTED");
    for (size_t i = 0; i < 4; i++) {
        const struct gw_probe_port *p = &ret->ways[i];
        ret->connected = ret->connected && p->ok;
        if (p->ok)
            continue;
        for (size_t k = 0; k < p->n_layers; k++) {
            if (p->layers[k].state != GW_PROBE_FAILED)
                continue;
            snprintf(ret->sentence, sizeof ret->sentence, "%s > %s, %s port, %s: %.300s", p->from,
                     p->to, p->port, p->layers[k].layer, p->layers[k].text);
            return;
        }
        skipped = skipped != NULL ? skipped : p;
    }
    if (skipped != NULL)
        snprintf(ret->sentence, sizeof ret->sentence, "%s > %s, %s port was not tried: %.300s",
                 skipped->from, skipped->to, skipped->port, skipped->layers[0].text);
}

void gw_probe_site(const struct gw_probe_config *config, struct gw_probe_report *ret)
{
    const struct gw_probe_config *c = config;
    struct gw_peer *peer = NULL;
    const struct gw_peer_config peer_config = { .identity = c->identity,
                                                .site = c->site,
                                                .address = c->link,
                                                .pin = c->pin,
                                                .connect_ms = c->timeout_ms };
    *ret = (struct gw_probe_report){ 0 };
    way_there(c, "link", c->link, gw_probe_link, &ret->ways[0]);
    way_there(c, "data", c->data, gw_probe_data, &ret->ways[1]);
    bool reached = ret->ways[0].ok && gw_peer_new(&peer_config, &peer, NULL) == 0;
    way_back(peer, c, reached, "link", c->own_link, &ret->ways[2]);
    way_back(peer, c, reached, "data", c->own_data, &ret->ways[3]);
    if (reached)
        measure(peer, c, ret);
    gw_peer_free(peer);
    conclude(ret);
}
