// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Who this site is: one row, made by gw_catalog_create.
 *
 * `instance` and `generation` tell a peer that this catalog's memory may be older than what the
 * peer has seen: a restore and a rebuild draw a new instance and raise the generation, and the
 * peer keeps the last it saw of either (peers.h).
 */
#pragma once

#include "catalog/catalog.h"

struct gw_catalog_identity {
    const char *site;
    uint64_t created_wall_ns;
    const char *instance; /* uuid of this catalog's life */
    uint64_t generation;  /* 1, and one more with each restore or rebuild */
    const char *boot_id;  /* of the machine when the daemon last ran; "" before the first time */
    bool fenced;          /* nothing is served until lineages are compared with the peer */
    const char *fenced_reason; /* or NULL */
};

int gw_catalog_identity_get(struct gw_catalog *c, struct gw_catalog_mem *mem,
                            struct gw_catalog_identity *ret, struct gw_error *err);
/* Everything but site and created. */
int gw_catalog_identity_set(struct gw_catalog *c, const struct gw_catalog_identity *row,
                            struct gw_error *err);
/* Fence or lift the fence; the reason is for people. */
int gw_catalog_identity_fence(struct gw_catalog *c, bool fenced, const char *reason,
                              struct gw_error *err);
/* Record the machine's boot. *ret_changed: it is another one than last time (also the first). */
int gw_catalog_identity_boot(struct gw_catalog *c, const char *boot_id, bool *ret_changed,
                             struct gw_error *err);
