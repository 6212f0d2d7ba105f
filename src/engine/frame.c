// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Frame headers. The payloads are in frame_payload.c, HELLO in hello.c. */
#include "engine/frame.h"

#include "base/hash.h"

#include <assert.h>
#include <errno.h>

static_assert(GW_FRAME_HEADER_BYTES == 4 + 1 + 1 + 2 + 4 + 4 + 8 + 8, "frame header layout");

/* What a peer may make us allocate, by type; 0 means that the type is unknown. */
static bool payload_limit(uint8_t type, uint32_t *ret_bytes)
{
    switch ((enum gw_frame_type)type) {
    case GW_FRAME_HELLO:
        *ret_bytes = GW_HELLO_BYTES_MAX;
        return true;
    case GW_FRAME_VERDICT:
        *ret_bytes = GW_VERDICT_BYTES_MAX;
        return true;
    case GW_FRAME_START:
        *ret_bytes = GW_START_BYTES;
        return true;
    case GW_FRAME_MAP:
        *ret_bytes = GW_MAP_BYTES;
        return true;
    case GW_FRAME_READY:
        *ret_bytes = GW_READY_BYTES;
        return true;
    case GW_FRAME_DATA:
        *ret_bytes = GW_FRAME_BYTES_MAX;
        return true;
    case GW_FRAME_ACK:
        *ret_bytes = GW_ACK_BYTES;
        return true;
    case GW_FRAME_DIFF:
        *ret_bytes = GW_DIFF_BYTES;
        return true;
    case GW_FRAME_HEARTBEAT:
        *ret_bytes = GW_HEARTBEAT_BYTES;
        return true;
    case GW_FRAME_GOODBYE:
        *ret_bytes = GW_GOODBYE_BYTES_MAX;
        return true;
    case GW_FRAME_RESULT:
        *ret_bytes = GW_RESULT_BYTES_MAX;
        return true;
    case GW_FRAME_MAP_END:
    case GW_FRAME_BARRIER:
        *ret_bytes = 0;
        return true;
    case GW_FRAME_TYPE_MAX:
        break;
    }
    return false;
}

/* Records of an uncompressed DATA frame carry their own checksums: one pass over the bytes less. */
static bool carries_hash(const struct gw_frame *f)
{
    return f->type != GW_FRAME_DATA || (f->flags & GW_FRAME_ZSTD) != 0;
}

void gw_frame_encode(const struct gw_frame *f, uint8_t ret[GW_FRAME_HEADER_BYTES])
{
    struct gw_writer w = gw_writer(ret, GW_FRAME_HEADER_BYTES);
    gw_put_u32(&w, GW_FRAME_MAGIC);
    gw_put_u8(&w, (uint8_t)f->type);
    gw_put_u8(&w, f->flags);
    gw_put_u16(&w, f->version);
    gw_put_u32(&w, f->bytes);
    gw_put_u32(&w, f->raw_bytes);
    gw_put_u64(&w, f->payload_hash);
    gw_put_u64(&w, gw_hash64(ret, GW_FRAME_HEADER_BYTES - 8, 0));
}

/* Is what the header says possible at all? */
static bool header_ok(const struct gw_frame *f, uint32_t bytes_max)
{
    bool compressed = (f->flags & GW_FRAME_ZSTD) != 0;

    if (f->bytes > bytes_max || f->raw_bytes > bytes_max)
        return false;
    if ((f->flags & ~GW_FRAME_ZSTD) != 0)
        return false;
    if (compressed && (f->type != GW_FRAME_DATA || f->bytes == 0 || f->raw_bytes == 0))
        return false;
    if (!compressed && f->raw_bytes != f->bytes)
        return false;
    return carries_hash(f) || f->payload_hash == 0;
}

int gw_frame_decode(const uint8_t data[GW_FRAME_HEADER_BYTES], struct gw_frame *ret)
{
    struct gw_reader r = gw_reader(data, GW_FRAME_HEADER_BYTES);
    uint32_t magic = gw_get_u32(&r);
    uint8_t type = gw_get_u8(&r);
    struct gw_frame f = { 0 };
    uint32_t bytes_max;

    f.flags = gw_get_u8(&r);
    f.version = gw_get_u16(&r);
    f.bytes = gw_get_u32(&r);
    f.raw_bytes = gw_get_u32(&r);
    f.payload_hash = gw_get_u64(&r);
    uint64_t hash = gw_get_u64(&r);
    if (magic != GW_FRAME_MAGIC || hash != gw_hash64(data, GW_FRAME_HEADER_BYTES - 8, 0))
        return -EBADMSG;
    if (!payload_limit(type, &bytes_max))
        return -EBADMSG;
    f.type = (enum gw_frame_type)type;
    if (!header_ok(&f, bytes_max))
        return -EBADMSG;
    *ret = f;
    return 0;
}

uint64_t gw_frame_payload_hash(const struct gw_frame *f, const uint8_t *payload)
{
    return carries_hash(f) ? gw_hash64(payload, f->bytes, 0) : 0;
}

bool gw_frame_payload_ok(const struct gw_frame *f, const uint8_t *payload)
{
    return !carries_hash(f) || f->payload_hash == gw_hash64(payload, f->bytes, 0);
}
