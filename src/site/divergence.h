// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Divergent tails of a plan: what only one site ever had. The one that waits for a signature
 * ("pending") is known by the replica that was assessed; those that were kept are undo files of the
 * site's plan directory. Each site knows its own; the other one is asked over the link.
 *
 * Threads: any.
 */
#pragma once

#include "site/documents.h"

#define SITE_RANGES_MAX 10000u

/*
 * Tails of this site, [{id, site, state, bytes, signed_by, time, damage}]. With an id ("pending",
 * or of an undo file) only that one, with {exact, n_ranges, ranges: [{volume, offset, bytes}]}, at
 * most ranges_max. An empty list: there is none here.
 */
int site_divergence_here(struct site *s, struct site_plan *p, const char *id, uint64_t ranges_max,
                         json_t **ret, struct gw_error *err);
/* {"divergence": [...]} of both; a site that does not answer is named in "missing". */
int site_divergence(struct site *s, struct site_plan *p, json_t **ret, struct gw_error *err);
/* One of them, wherever it is. -ENOENT. */
int site_divergence_one(struct site *s, struct site_plan *p, const char *id, uint64_t ranges_max,
                        json_t **ret, struct gw_error *err);
