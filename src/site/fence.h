// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * This side of a plan taken out of service because the other one takes over, and put back when that
 * came to nothing. Between the two nothing of this side serves, whatever dies and restarts: the
 * catalog says why, and the engine has it in the plan's directory.
 *
 * Threads: any; plan_mu is taken, except by the one that says "locked".
 */
#pragma once

#include "site/documents.h"

#define SITE_FENCE_ORDERED "the other site takes over: its failover was ordered"

/*
 * This side must not serve: recorded, its source fenced, its workload stopped. 0: it does not serve
 * any more. Called by the peer's revoke, and when the source was deposed.
 */
int site_fence_plan(struct site *s, struct site_plan *p, const char *reason, struct gw_error *err);
int site_fence_plan_locked(struct site *s, struct site_plan *p, const char *reason,
                           struct gw_error *err);

/* Is this side's directory one that reigns or did, while the catalog knows of a later epoch of the
 * other site? Row `home | learn dr | its epoch is later` of the lifecycle: it obeys. */
bool site_fence_deposed(const struct site *s, const json_t *ours);
/* The source alone, at once, without plan_mu, which a step may hold for minutes: its fence is
 * durable in the plan's directory, and site_fence_plan makes the rest true. 0: it serves nothing.
 */
int site_fence_source(struct site *s, struct site_plan *p, const char *reason,
                      struct gw_error *err);

/* Why service returns, and what the other side has become meanwhile. */
struct site_unfence {
    const char *run;      /* that is taken back; its commands are on record under this name */
    uint64_t above_epoch; /* the highest that the other side knows */
    bool promoted;        /* it began a reign, which ends with this: what it wrote is its tail */
};

/*
 * The failover is taken back: this side begins a reign above all that the other one has seen, for
 * the old one is fenced for good (P1), and its source and its workload run again. May be called
 * again after whatever came between: what is so already is left alone. 0: service is here, healthy.
 */
int site_unfence_plan(struct site *s, struct site_plan *p, const struct site_unfence *why,
                      struct gw_error *err);
