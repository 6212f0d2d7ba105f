// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The sites that this one is paired with, and the codes that pair.
 *
 * A code is stored as a hash and is judged by boot time, so that setting the clock back does not
 * lengthen its life; a reboot voids it.
 */
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

struct gw_catalog_pair_code {
    const char *hash; /* of the code; never the code */
    const char *made_by;
    uint64_t created_wall_ns;
    const char *boot_id;
    uint64_t expires_boot_ns;
    uint64_t tries_left;
    uint64_t used_wall_ns; /* 0: not yet */
    const char *used_by;   /* the site that used it, or NULL */
};

/* Also forgets codes that are used up or of another boot. */
int gw_catalog_pair_code_add(struct gw_catalog *c, const struct gw_catalog_pair_code *row,
                             struct gw_error *err);
/* All that could be used now: this boot, not expired, not used, tries left. */
int gw_catalog_pair_code_list(struct gw_catalog *c, const char *boot_id, uint64_t now_boot_ns,
                              struct gw_catalog_mem *mem, struct gw_catalog_pair_code **ret_rows,
                              size_t *ret_n, struct gw_error *err);
/* A wrong proof was shown: one try less of every code that could be used. */
int gw_catalog_pair_code_wrong(struct gw_catalog *c, struct gw_error *err);
/*
 * Use it, once. -ENOENT unknown, -EALREADY used before, -ETIME expired or of another boot, -EACCES
 * no tries left.
 */
int gw_catalog_pair_code_use(struct gw_catalog *c, const char *hash, const char *site,
                             const char *boot_id, uint64_t now_boot_ns, uint64_t wall_ns,
                             struct gw_error *err);
