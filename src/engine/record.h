// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Records: what the ordered stream of a plan is made of. One layout in the send ring, on the wire
 * and in the journal, so that a byte is copied once and hashed while it is hot.
 *
 * A record is a 48-byte header, then `payload_bytes` of payload, then zero padding to a multiple
 * of 8. Header, little endian:
 *
 *      0 u32 magic "GWR1"      4 u8 type, 5 u8 flags (0), 6 u16 volume index
 *      8 u32 payload bytes    12 u32 range length in bytes
 *     16 u64 seq              24 u64 offset in the volume
 *     32 u64 XXH3-64 of the payload (seed: seq); 0 without payload
 *     40 u64 XXH3-64 of bytes 0..39, seed: low 64 bits of the incarnation's uuid
 *                                    (its bytes 8..15, little endian)
 *
 * The header's checksum covers seq and offset and is seeded by the incarnation, so that a stale or
 * misplaced record does not pass. The *chain* of a stream is h(n) = XXH3-64({h(n-1), header
 * checksum of n}, seed 0): equal chains mean equal streams.
 */
#pragma once

#include "base/bytes.h"
#include "base/uuid.h"
#include "engine/limits.h"

#define GW_RECORD_HEADER_BYTES 48u
#define GW_RECORD_MAGIC 0x31525747u

enum gw_record_type {
    GW_RECORD_WRITE = 1,       /* payload: the data; length = payload bytes */
    GW_RECORD_ZERO = 2,        /* range reads as zeros; no payload */
    GW_RECORD_INJECT = 3,      /* resync data, as WRITE */
    GW_RECORD_INJECT_ZERO = 4, /* resync zeros, as ZERO */
    GW_RECORD_HASH = 5, /* resync compare: 16 bytes XXH3-128 (gw_compare_seed) per 4 KiB block of
                           the range; the target answers with a DIFF frame */
    GW_RECORD_HASH_FORK = 6, /* assess: the same, of the state that the source pinned at the fork */
    GW_RECORD_VERIFY = 7,    /* as HASH, for an online verify */
    GW_RECORD_FIN =
        8, /* end of a resync: payload gw_fin; of an assess: no payload, all is compared */
    GW_RECORD_HANDOVER = 9, /* payload: gw_token; the last record of a reign */
    GW_RECORD_POINT = 10,   /* make a recovery point here; payload: id text, NUL, tag text, NUL */
    GW_RECORD_SHAPE = 11,   /* the volumes change here; payload: gw_reshape (reshape.h) */
    GW_RECORD_TYPE_MAX,
};

struct gw_record {
    enum gw_record_type type;
    uint16_t volume; /* index in the plan's volume table; 0 for records without a range */
    uint32_t payload_bytes;
    uint32_t length; /* of the range, bytes */
    uint64_t seq;
    uint64_t offset;
    uint64_t payload_hash;
    uint64_t header_hash; /* filled by encode and decode */
};

/* Header + payload + padding. */
static inline uint64_t gw_record_bytes(uint32_t payload_bytes)
{
    return GW_RECORD_HEADER_BYTES + (((uint64_t)payload_bytes + 7) & ~7ull);
}

/* Seed of header checksums for an incarnation. */
uint64_t gw_record_seed(const struct gw_uuid *incarnation);
/* Writes the 48 bytes and sets rec->header_hash; payload_hash is the caller's. */
void gw_record_encode(struct gw_record *rec, uint64_t seed, uint8_t ret[GW_RECORD_HEADER_BYTES]);

/*
 * Decode one record at the start of [data, data + len): checks magic, header checksum, type,
 * limits, the relation of lengths (WRITE/INJECT: length == payload; HASH*, VERIFY: 16 bytes a
 * block; a data record stays inside one extent; ZERO: no payload; the rest: volume, offset and
 * length 0) and that all of it, padding (zeros) included, is there. With check_payload the
 * payload's checksum as well. Returns bytes used, -EBADMSG if damaged, -EAGAIN if more bytes are
 * needed.
 */
int64_t gw_record_decode(const uint8_t *data, size_t len, uint64_t seed, bool check_payload,
                         struct gw_record *ret);

uint64_t gw_chain_next(uint64_t chain, uint64_t header_hash);

/*
 * FIN, HANDOVER, POINT and SHAPE are the last record of their batch: what they make durable at the
 * target is a position between two batches.
 */
static inline bool gw_record_ends_batch(enum gw_record_type t)
{
    return t >= GW_RECORD_FIN;
}

/* True for records that change a volume. */
static inline bool gw_record_changes(enum gw_record_type t)
{
    return t >= GW_RECORD_WRITE && t <= GW_RECORD_INJECT_ZERO;
}
static inline bool gw_record_is_zero(enum gw_record_type t)
{
    return t == GW_RECORD_ZERO || t == GW_RECORD_INJECT_ZERO;
}
static inline bool gw_record_has_range(enum gw_record_type t)
{
    return t >= GW_RECORD_WRITE && t <= GW_RECORD_VERIFY;
}
