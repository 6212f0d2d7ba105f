// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The send ring: records taken but not yet durable at the peer, in order.
 *
 * Two parts: a byte buffer that holds each record exactly as it goes over the wire, and a queue of
 * slots that say what each record is (so that a lost link turns slots into dirty bits without
 * reading the bytes). A record is contiguous in the buffer; what is left at its end is skipped.
 *
 *     acked            sent              head
 *       |--- in flight ---|--- to send ---|
 *
 * Usage, the owner's lock = L:
 *     L: gw_ring_claim(bytes)          promise room before the local write
 *     L: gw_ring_reserve(record)       take the room, in seq order; the slot is not filled
 *        gw_ring_fill(slot, payload)   copy and hash; no lock
 *     L: gw_ring_batch()               the filled records after `sent`, contiguous bytes
 *        ... send the bytes; no lock
 *     L: gw_ring_sent(), gw_ring_ack(seq)
 *
 * Memory is taken from the system as it is first touched and given back by gw_ring_reset.
 */
#pragma once

#include "engine/record.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gw_slot {
    struct gw_record rec; /* header_hash valid once filled */
    uint64_t pos;         /* of the header in the buffer */
    uint32_t bytes;       /* with padding */
    uint32_t skip;        /* bytes skipped in front of it (end of the buffer) */
    _Atomic bool filled;
};

struct gw_ring;

/* NULL if out of memory. */
struct gw_ring *gw_ring_new(uint64_t bytes);
void gw_ring_free(struct gw_ring *r);

/* Forget everything; nobody may be filling or sending. */
void gw_ring_reset(struct gw_ring *r);

/* Promise room for one record with this payload; false if there is none now. */
bool gw_ring_claim(struct gw_ring *r, uint32_t payload_bytes);
/* Give a promise back unused. */
void gw_ring_unclaim(struct gw_ring *r, uint32_t payload_bytes);
/* Use a promise. rec->type .. offset are the caller's. */
struct gw_slot *gw_ring_reserve(struct gw_ring *r, const struct gw_record *rec);
/* Encode header and payload; publishes the slot. `seed`: gw_record_seed of the incarnation. */
void gw_ring_fill(struct gw_ring *r, struct gw_slot *s, const void *payload, uint64_t seed);
/* Where the payload of a reserved slot goes, to be read into directly; then fill with NULL. */
uint8_t *gw_ring_payload(struct gw_ring *r, const struct gw_slot *s);

/* Filled records from the send cursor on, contiguous in memory, at most max bytes (at least one
 * record). Returns the number of records; 0: nothing to send. */
unsigned gw_ring_batch(struct gw_ring *r, size_t max, const uint8_t **ret_data, size_t *ret_bytes);
/* Slot i of that batch (0-based from the send cursor). */
const struct gw_slot *gw_ring_unsent(const struct gw_ring *r, unsigned i);
void gw_ring_sent(struct gw_ring *r, unsigned records);
/* Send again from the first record with seq > seq. */
void gw_ring_rewind(struct gw_ring *r, uint64_t seq);

/* Oldest unacknowledged record, or NULL. */
const struct gw_slot *gw_ring_oldest(const struct gw_ring *r);
/* Drop the oldest (must be sent and filled). */
void gw_ring_pop(struct gw_ring *r);
/* Call fn for each record from oldest to head; filled or not. */
void gw_ring_each(const struct gw_ring *r, void (*fn)(void *arg, const struct gw_slot *s),
                  void *arg);

bool gw_ring_empty(const struct gw_ring *r);
uint64_t gw_ring_used_bytes(const struct gw_ring *r); /* with claims */
uint64_t gw_ring_size_bytes(const struct gw_ring *r);
bool gw_ring_all_filled(const struct gw_ring *r);
uint64_t gw_ring_claims(const struct gw_ring *r); /* promises out */
