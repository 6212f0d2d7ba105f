// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Batches that were just received, kept in memory until they are applied, so that the applier need
 * not read them back from the journal and verify them a second time.
 *
 * The receive buffer is a circle: a frame is received into it, appended to the journal from it, and
 * stays there. What is not yet applied when its place is needed is forgotten; the applier then
 * reads it from the journal, as after a restart. So it is a cache, never the only place.
 *
 *     reserve -> receive, append -> put        (one receiver)
 *                 take -> apply -> done        (one applier)
 *
 * When nothing is kept the circle begins anew: an applier that keeps up works in the processor's
 * cache.
 *
 * Threads: one receiver, one applier; all calls take an internal mutex, never held over a copy.
 */
#pragma once

#include "engine/journal.h"

struct gw_recent;

/* -ENOMEM. */
int gw_recent_new(struct gw_recent **ret, struct gw_error *err);
void gw_recent_free(struct gw_recent *c);

/* Room for GW_JOURNAL_BATCH_HEADER_BYTES + GW_FRAME_BYTES_MAX, valid until the next reserve. Never
 * fails: while the applier holds what is in the way, a buffer outside of the circle. */
uint8_t *gw_recent_reserve(struct gw_recent *c);
/* What was reserved now holds a batch of `len` bytes (with its header's room) that is in the
 * journal at `address`, its records verified. */
void gw_recent_put(struct gw_recent *c, uint64_t address, size_t len,
                   const struct gw_journal_batch *batch);

/* The records of the batch at `address`, verified, or NULL. Batches before it are forgotten. What
 * is returned stays until gw_recent_done. *ret_next: the journal address after it. */
const uint8_t *gw_recent_take(struct gw_recent *c, uint64_t address, size_t *ret_len,
                              struct gw_journal_batch *ret, uint64_t *ret_next);
void gw_recent_done(struct gw_recent *c);
