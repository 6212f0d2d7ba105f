// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Site test: is the way to the other site open, layer by layer, on both ports and in both
 * directions? The first layer that fails is named, with what to look at; those above it are
 * skipped.
 *
 * Firewalls that let one direction through are why the peer is asked to do the same towards us.
 *
 * Threads: no state; each blocks for as long as its timeouts.
 */
#pragma once

#include "base/error.h"
#include "link/identity.h"
#include "link/pair.h"
#include "link/peer.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define GW_PROBE_SERVER_NAME "probe.godwit" /* TLS server name: the data port answers it itself */
#define GW_PROBE_MS 10000u                  /* for one port */
#define GW_PROBE_LAYERS_MAX 8u

enum gw_probe_state { GW_PROBE_OK, GW_PROBE_FAILED, GW_PROBE_SKIPPED };

/*
 * Layers, in order: "name" (resolved), "route" (packets get there), "port" (something listens),
 * "tls", "certificate" (the pinned one, valid now); then on the link "http" (it answers, and knows
 * us), "version", "clock"; on the data port "service" (it is godwit, and knows us).
 *
 * A clock that is off by more than GW_PROBE_CLOCK_MS_MAX is shown as failed, but the way is open.
 */
#define GW_PROBE_CLOCK_MS_MAX 5000u

struct gw_probe_layer {
    char layer[16];
    enum gw_probe_state state;
    uint64_t took_ns;
    char text[GW_ERROR_MSG_MAX]; /* what was found, a sentence */
};

/* One port in one direction. */
struct gw_probe_port {
    char from[GW_CERT_NAME_MAX], to[GW_CERT_NAME_MAX];
    const char *port; /* "link", "data" */
    char address[GW_PAIR_ADDRESS_MAX];
    bool ok;
    size_t n_layers;
    struct gw_probe_layer layers[GW_PROBE_LAYERS_MAX];
};

struct gw_probe_target {
    const struct gw_identity *identity; /* ours */
    const char *site;                   /* theirs */
    struct gw_cert_fingerprint pin;
    const char *address;
    unsigned timeout_ms; /* 0: GW_PROBE_MS */
};

/* Try a port. Never fails as a function: what was found is in *ret. */
void gw_probe_link(const struct gw_probe_target *target, struct gw_probe_port *ret);
void gw_probe_data(const struct gw_probe_target *target, struct gw_probe_port *ret);

struct gw_probe_config {
    const struct gw_identity *identity;
    const char *site; /* theirs */
    struct gw_cert_fingerprint pin;
    const char *link, *data; /* their addresses */
    /* Ours, as they shall reach us; "" or NULL: the ways back are skipped, and it says so. */
    const char *own_link, *own_data;
    uint64_t throughput_bytes; /* 0: not measured */
    unsigned throughput_ms;    /* at most */
    unsigned timeout_ms;       /* of a port; 0: GW_PROBE_MS */
};

struct gw_probe_report {
    bool connected;               /* all four ways are open */
    struct gw_probe_port ways[4]; /* link there, data there, link back, data back */
    bool has_hello, has_throughput;
    struct gw_peer_hello hello;
    uint64_t throughput_bytes_per_s;
    char sentence[GW_ERROR_MSG_MAX]; /* "CONNECTED", or which way fails in which layer and why */
};
void gw_probe_site(const struct gw_probe_config *config, struct gw_probe_report *ret);

/*
 * As the API serves it: {"connected", "sentence", "layers":[{"way":"madrid > lisbon link", "layer",
 * "ok", "state", "detail", "ms"}], "rtt_ms", "clock_offset_ms", "clock_uncertain_ms",
 * "throughput_bytes", "version", "protocol"}. NULL: no memory.
 */
json_t *gw_probe_report_json(const struct gw_probe_report *report);
/* One way as JSON, and back: how the peer's findings come over the link. -EINVAL. */
json_t *gw_probe_port_json(const struct gw_probe_port *port);
int gw_probe_port_read(const json_t *object, struct gw_probe_port *ret, struct gw_error *err);

/*
 * The other end of gw_probe_data: fd is a connection to the data port whose ClientHello (not taken
 * from it) asks for GW_PROBE_SERVER_NAME. Shakes hands, says which site this is, and closes fd. For
 * the data port's listener; blocks up to timeout_ms. -EPERM: the caller is not in `trust`.
 */
struct gw_trust;
int gw_probe_answer(int fd, const struct gw_identity *identity, struct gw_trust *trust,
                    unsigned timeout_ms, struct gw_error *err);
