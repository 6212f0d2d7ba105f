// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* A batch of records. First byte: bit 0 sealed, bit 1 check the payloads; then the records. */
#include "engine/record.h"
#include "fuzz.h"

#include <errno.h>

#define SEED 0x1122334455667788ull

static uint32_t u32_at(const uint8_t *p)
{
    struct gw_reader r = gw_reader(p, 4);
    return gw_get_u32(&r);
}

static uint64_t u64_at(const uint8_t *p)
{
    struct gw_reader r = gw_reader(p, 8);
    return gw_get_u64(&r);
}

static void put_u64_at(uint8_t *p, uint64_t v)
{
    struct gw_writer w = gw_writer(p, 8);
    gw_put_u64(&w, v);
}

/* Magic and checksums of what stands where records could. */
static void seal(uint8_t *data, size_t len)
{
    size_t at = 0;
    while (len - at >= GW_RECORD_HEADER_BYTES) {
        uint8_t *p = data + at;
        struct gw_writer w = gw_writer(p, 4);
        gw_put_u32(&w, GW_RECORD_MAGIC);
        uint64_t payload = u32_at(p + 8), left = len - at - GW_RECORD_HEADER_BYTES;
        if (payload <= left)
            put_u64_at(
                p + 32,
                payload == 0 ? 0 : gw_hash64(p + GW_RECORD_HEADER_BYTES, payload, u64_at(p + 16)));
        put_u64_at(p + 40, gw_hash64(p, 40, SEED));
        uint64_t bytes = gw_record_bytes((uint32_t)payload);
        if (bytes > len - at)
            return;
        at += bytes;
    }
}

static void check(const struct gw_record *rec, const uint8_t *data, int64_t used, size_t left)
{
    FUZZ_CHECK(used >= (int64_t)GW_RECORD_HEADER_BYTES && (size_t)used <= left && used % 8 == 0);
    FUZZ_CHECK((uint64_t)used == gw_record_bytes(rec->payload_bytes));
    FUZZ_CHECK(rec->volume < GW_VOLUMES_MAX && rec->payload_bytes <= GW_RECORD_PAYLOAD_MAX);
    if (gw_record_has_range(rec->type)) {
        FUZZ_CHECK(rec->length > 0 && rec->offset + rec->length <= GW_VOLUME_BYTES_MAX);
        FUZZ_CHECK(gw_record_is_zero(rec->type) ||
                   rec->offset / GW_EXTENT_BYTES ==
                       (rec->offset + rec->length - 1) / GW_EXTENT_BYTES);
    }
    struct gw_record again = *rec;
    uint8_t head[GW_RECORD_HEADER_BYTES];
    gw_record_encode(&again, SEED, head);
    FUZZ_CHECK(memcmp(head, data, sizeof head) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    size_t len = size - 1;
    uint8_t *batch = fuzz_copy(data + 1, len);
    if (data[0] & 1)
        seal(batch, len);
    uint64_t chain = 0;
    for (size_t at = 0; at < len;) {
        struct gw_record rec;
        int64_t used = gw_record_decode(batch + at, len - at, SEED, (data[0] & 2) != 0, &rec);
        if (used < 0) {
            FUZZ_CHECK(used == -EBADMSG || used == -EAGAIN);
            break;
        }
        check(&rec, batch + at, used, len - at);
        chain = gw_chain_next(chain, rec.header_hash);
        at += (size_t)used;
    }
    free(batch);
    return 0;
}
