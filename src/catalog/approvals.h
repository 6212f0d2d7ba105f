// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Approvals of runs: never the requester's, never two of one person, pinned to the plan and epoch
 * that the person saw.
 */
#pragma once

#include "catalog/catalog.h"

struct gw_catalog_approval {
    const char *run, *who;
    uint64_t wall_ns;
    const char *plan_hash;
    uint64_t epoch;
    uint64_t expires_wall_ns; /* 0: with the run */
    const char *reason;       /* or NULL */
};

/*
 * -EPERM: the requester; -EEXIST: has approved already; -ESTALE: the run is finished, or another
 * plan hash or epoch than the run's; -ENOENT: no such run. The same row again is fine (a copy from
 * the peer).
 */
int gw_catalog_approval_add(struct gw_catalog *c, const struct gw_catalog_approval *row,
                            struct gw_error *err);
/* How many count now: plan hash and epoch are the run's, not expired. */
int gw_catalog_approval_count(struct gw_catalog *c, const char *run, uint64_t now_wall_ns,
                              uint64_t *ret_n, struct gw_error *err);
int gw_catalog_approval_list(struct gw_catalog *c, const char *run, struct gw_catalog_mem *mem,
                             struct gw_catalog_approval **ret_rows, size_t *ret_n,
                             struct gw_error *err);
