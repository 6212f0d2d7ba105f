// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * How much of the time a plan was within its RPO: measured at the active site, at each look of the
 * monitor, from the first consistent state after a change of roles on. Kept in memory, and in the
 * plan's facts once a minute ({"rpo": {"epoch", "total_ms", "within_ms"}}), so that a restart of
 * the daemon loses a minute of it, not the month.
 *
 * The time of a look counts as what the look found, up to SITE_RPO_GAP_MS back: nobody knows what
 * was between two looks that lie further apart, and it is not counted.
 */
#pragma once

#include "site/documents.h"

#define SITE_RPO_KEEP_MS 60000u
#define SITE_RPO_GAP_MS 10000u

/* A look. Pure. within: the RPO holds now; counts: there is something to measure. */
void site_rpo_look(struct site_rpo *r, uint64_t epoch, bool counts, bool within, uint64_t now_ns);
/* 0 to 100; negative: nothing was measured yet. Pure. */
double site_rpo_percent(const struct site_rpo *r);

/* Look at our side (side.h), which gets {"rpo": {"epoch", "total_ms", "within_ms", "percent"}} as a
 * member; now and then it is written down. In the monitor's thread. */
void site_rpo_measure(struct site *s, struct site_plan *p, json_t *side);
