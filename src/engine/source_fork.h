// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The state at the fork, as the promotion pinned it (recovery point `fork-<epoch>`): what a source
 * compares a diverged peer with, so that what it wrote itself since is not taken for the peer's
 * tail.
 */
#pragma once

#include "engine/plan.h"

struct gw_fork {
    bool open;
    struct gw_file *volume[GW_VOLUMES_MAX];
};

/*
 * Open the point at which `peer` (its current incarnation) was left, at fork_seq, by this plan's
 * lineage. False: there is none that is exactly that state; then the tail's list is a superset.
 */
bool gw_fork_open(struct gw_fork *f, struct gw_plan *p, const struct gw_lineage *peer,
                  uint64_t fork_seq);
void gw_fork_close(struct gw_fork *f);
