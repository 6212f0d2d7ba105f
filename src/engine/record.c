// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "engine/record.h"

#include "base/hash.h"

#include <assert.h>
#include <errno.h>

#define HASHED_BYTES 40u     /* of the header, before its own checksum */
#define BLOCK_HASH_BYTES 16u /* XXH3-128 of a block in HASH and VERIFY */

static_assert(GW_EXTENT_BYTES / GW_BLOCK_BYTES * BLOCK_HASH_BYTES <= GW_RECORD_PAYLOAD_MAX,
              "the hashes of an extent fit into a record");

uint64_t gw_record_seed(const struct gw_uuid *incarnation)
{
    struct gw_reader r = gw_reader(incarnation->b + 8, 8);
    return gw_get_u64(&r);
}

void gw_record_encode(struct gw_record *rec, uint64_t seed, uint8_t ret[GW_RECORD_HEADER_BYTES])
{
    struct gw_writer w = gw_writer(ret, GW_RECORD_HEADER_BYTES);
    gw_put_u32(&w, GW_RECORD_MAGIC);
    gw_put_u8(&w, (uint8_t)rec->type);
    gw_put_u8(&w, 0);
    gw_put_u16(&w, rec->volume);
    gw_put_u32(&w, rec->payload_bytes);
    gw_put_u32(&w, rec->length);
    gw_put_u64(&w, rec->seq);
    gw_put_u64(&w, rec->offset);
    gw_put_u64(&w, rec->payload_hash);
    assert(w.pos == HASHED_BYTES);
    rec->header_hash = gw_hash64(ret, HASHED_BYTES, seed);
    gw_put_u64(&w, rec->header_hash);
    assert(!w.failed && w.pos == GW_RECORD_HEADER_BYTES);
}

/* A range of a volume, not empty, inside the largest volume. */
static bool range_ok(const struct gw_record *rec, uint64_t length_max)
{
    return rec->length > 0 && rec->length <= length_max && rec->offset <= GW_VOLUME_BYTES_MAX &&
           rec->length <= GW_VOLUME_BYTES_MAX - rec->offset;
}

static bool inside_extent(const struct gw_record *rec)
{
    return range_ok(rec, GW_EXTENT_BYTES) &&
           rec->offset % GW_EXTENT_BYTES + rec->length <= GW_EXTENT_BYTES;
}

static bool shape_ok(const struct gw_record *rec)
{
    uint32_t blocks;
    switch (rec->type) {
    case GW_RECORD_WRITE:
    case GW_RECORD_INJECT:
        return inside_extent(rec) && rec->payload_bytes == rec->length;
    case GW_RECORD_ZERO:
    case GW_RECORD_INJECT_ZERO:
        return range_ok(rec, GW_ZERO_BYTES_MAX) && rec->payload_bytes == 0;
    case GW_RECORD_HASH:
    case GW_RECORD_HASH_FORK:
    case GW_RECORD_VERIFY:
        /* Starts at a block; the last block of an odd volume may be short. */
        if (!inside_extent(rec) || rec->offset % GW_BLOCK_BYTES != 0)
            return false;
        blocks = (rec->length + GW_BLOCK_BYTES - 1) / GW_BLOCK_BYTES;
        return rec->payload_bytes == blocks * BLOCK_HASH_BYTES;
    case GW_RECORD_FIN:
    case GW_RECORD_HANDOVER:
    case GW_RECORD_POINT:
    case GW_RECORD_SHAPE:
        return rec->volume == 0 && rec->length == 0 && rec->offset == 0;
    case GW_RECORD_TYPE_MAX:
        break;
    }
    return false; /* a number that is no type of ours */
}

/* All that can be judged from the header alone. */
static int header_decode(const uint8_t *data, uint64_t seed, struct gw_record *ret)
{
    struct gw_reader r = gw_reader(data, GW_RECORD_HEADER_BYTES);
    uint32_t magic = gw_get_u32(&r);
    uint8_t type = gw_get_u8(&r), flags = gw_get_u8(&r);
    struct gw_record rec = { .type = (enum gw_record_type)type };
    rec.volume = gw_get_u16(&r);
    rec.payload_bytes = gw_get_u32(&r);
    rec.length = gw_get_u32(&r);
    rec.seq = gw_get_u64(&r);
    rec.offset = gw_get_u64(&r);
    rec.payload_hash = gw_get_u64(&r);
    rec.header_hash = gw_get_u64(&r);
    if (r.failed || magic != GW_RECORD_MAGIC ||
        rec.header_hash != gw_hash64(data, HASHED_BYTES, seed))
        return -EBADMSG;
    /* The checksum is right, yet a peer may be wrong: nothing of it is believed. */
    if (flags != 0 || rec.volume >= GW_VOLUMES_MAX || rec.payload_bytes > GW_RECORD_PAYLOAD_MAX ||
        (rec.payload_bytes == 0 && rec.payload_hash != 0) || !shape_ok(&rec))
        return -EBADMSG;
    *ret = rec;
    return 0;
}

int64_t gw_record_decode(const uint8_t *data, size_t len, uint64_t seed, bool check_payload,
                         struct gw_record *ret)
{
    if (len < GW_RECORD_HEADER_BYTES)
        return -EAGAIN;
    struct gw_record rec;
    int r = header_decode(data, seed, &rec);
    if (r < 0)
        return r;
    uint64_t bytes = gw_record_bytes(rec.payload_bytes);
    if (len < bytes)
        return -EAGAIN;
    const uint8_t *payload = data + GW_RECORD_HEADER_BYTES;
    /* No checksum covers the padding: it has one value only. */
    for (uint64_t i = rec.payload_bytes; i < bytes - GW_RECORD_HEADER_BYTES; i++) {
        if (payload[i] != 0)
            return -EBADMSG;
    }
    if (check_payload && rec.payload_bytes > 0 &&
        gw_hash64(payload, rec.payload_bytes, rec.seq) != rec.payload_hash)
        return -EBADMSG;
    *ret = rec;
    return (int64_t)bytes;
}

uint64_t gw_chain_next(uint64_t chain, uint64_t header_hash)
{
    uint8_t pair[16];
    struct gw_writer w = gw_writer(pair, sizeof pair);
    gw_put_u64(&w, chain);
    gw_put_u64(&w, header_hash);
    return gw_hash64(pair, sizeof pair, 0);
}
