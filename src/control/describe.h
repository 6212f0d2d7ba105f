// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The engine's state as JSON, once for all programs: what status, inspect and lineage print. Keys
 * are stable; numbers are in the unit that their name ends with. Every function gives a new
 * reference (NULL when out of memory).
 */
#pragma once

#include "engine/plan.h"
#include "engine/points.h"
#include "engine/promote.h"
#include "engine/replica.h"
#include "engine/source.h"
#include "engine/tail.h"
#include "engine/undo.h"

#include <jansson.h>

json_t *gw_describe_uuid(const struct gw_uuid *u); /* null when none */
json_t *gw_describe_time(uint64_t wall_ns);        /* "2026-11-21T22:57:03Z", null when 0 */

/* [{epoch, uuid, parent, fork_seq, had_seq, site, birth, time}] oldest first */
json_t *gw_describe_lineage(const struct gw_meta *m, const struct gw_lineage *l);
/* {row, action, source, target, diverged, compare_all, fork_seq, sentence}; sites by name */
json_t *gw_describe_verdict(const struct gw_meta *m, const struct gw_verdict *v);
/* [{name, uuid, bytes, slot}] */
json_t *gw_describe_volumes(const struct gw_side_volume *v, uint32_t n);
/* What meta says of a plan directory: plan, plan_uuid, site, peer_site, role, clean, consistent,
 * blank, epoch, uuid, seq, journal_pos, recorded, pending, token, released, volumes, ... */
json_t *gw_describe_meta(const struct gw_meta *m);
/* meta, and what the maps and the hot log say: dirty_blocks, coarse_extents, per volume too.
 * Takes plan->mu. */
json_t *gw_describe_plan(struct gw_plan *p);
json_t *gw_describe_point(const struct gw_meta *m, const struct gw_point *p);
/* {id, epoch, seq, time, diverged, signed_by, finished, blocks, bytes} */
json_t *gw_describe_undo(const struct gw_meta *m, const char *id, const struct gw_undo_manifest *u,
                         bool finished, uint64_t blocks, uint64_t file_bytes);
/* {exact, blocks, bytes, ranges: [{volume, offset, length}]}; at most max_ranges of them. */
json_t *gw_describe_tail(const struct gw_undo_manifest *u, const struct gw_tail *t,
                         size_t max_ranges);
json_t *gw_describe_promotion(const struct gw_promote_result *r);
json_t *gw_describe_token(const struct gw_token *t);
/* {service, replication, reason, verdict, seq, ...}: merged into the plan's description */
json_t *gw_describe_source(const struct gw_meta *m, const struct gw_source_status *s);
json_t *gw_describe_replica(const struct gw_meta *m, const struct gw_replica_status *s);
