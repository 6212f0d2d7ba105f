// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The sites that this one is paired with. */
#pragma once

#include "catalog/catalog.h"

struct gw_catalog_peer {
    const char *site;
    const char *link_address, *data_address; /* host:port */
    const char *fingerprint;                 /* SHA-256 of the certificate, hex */
    const char *certificate;                 /* PEM */
    uint64_t paired_wall_ns;
    const char *paired_by;
    uint64_t seen_wall_ns;   /* last answer; 0: never */
    int64_t clock_offset_ns; /* its wall clock minus ours, as last measured */
    uint64_t rtt_ns;
    const char *instance; /* its identity as last seen; "" never */
    uint64_t generation;
};

/* Add the peer, or replace what is known of it (paired anew). */
int gw_catalog_peer_put(struct gw_catalog *c, const struct gw_catalog_peer *row,
                        struct gw_error *err);
/* -ENOENT: not paired. */
int gw_catalog_peer_get(struct gw_catalog *c, const char *site, struct gw_catalog_mem *mem,
                        struct gw_catalog_peer *ret, struct gw_error *err);
/* By site. */
int gw_catalog_peer_list(struct gw_catalog *c, struct gw_catalog_mem *mem,
                         struct gw_catalog_peer **ret_rows, size_t *ret_n, struct gw_error *err);
/* After an answer of the peer: seen, clock offset, rtt, instance, generation of `row` are kept. */
int gw_catalog_peer_seen(struct gw_catalog *c, const struct gw_catalog_peer *row,
                         struct gw_error *err);
int gw_catalog_peer_delete(struct gw_catalog *c, const char *site, struct gw_error *err);
