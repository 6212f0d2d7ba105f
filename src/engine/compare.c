// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "engine/compare.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/hash.h"

#include <string.h>

int gw_read_sparse(struct gw_file *f, uint64_t off, uint32_t len, uint8_t *buf, bool *ret_zero)
{
    uint64_t start;
    int r = gw_io_next_data(f, off, off + len, &start, NULL);
    if (r < 0)
        return r;
    if (start >= off + len) {
        memset(buf, 0, len);
        *ret_zero = true;
        return 0;
    }
    r = gw_io_pread(f, buf, len, off);
    if (r < 0)
        return r;
    *ret_zero = buf[0] == 0 && memcmp(buf, buf + 1, len - 1) == 0;
    return 0;
}

uint64_t gw_compare_seed(const struct gw_uuid *stream, unsigned volume, uint64_t offset)
{
    return gw_hash64(stream->b, sizeof stream->b, offset ^ (uint64_t)volume << 52);
}

void gw_hash_blocks(const uint8_t *buf, uint32_t len, uint64_t seed, bool zero, uint8_t *ret)
{
    struct gw_writer w = gw_writer(ret, gw_hashes_bytes(len));
    struct gw_hash128 h = { 0, 0 };
    for (uint32_t at = 0; at < len; at += GW_BLOCK_BYTES) {
        uint32_t n = GW_MIN(len - at, GW_BLOCK_BYTES);
        if (!zero || at == 0 || n != GW_BLOCK_BYTES)
            h = gw_hash128(buf + at, n, seed);
        gw_put_u64(&w, h.lo);
        gw_put_u64(&w, h.hi);
    }
}

int gw_compare_blocks(struct gw_file *f, const struct gw_record *rec, const uint8_t *hashes,
                      uint64_t seed, uint8_t *buf, uint8_t *differs, uint64_t *ret_found)
{
    bool zero;
    uint8_t mine[GW_BLOCKS_PER_EXTENT * 16];
    int r = gw_read_sparse(f, rec->offset, rec->length, buf, &zero);
    if (r < 0)
        return r;
    gw_hash_blocks(buf, rec->length, seed, zero, mine);
    uint32_t blocks = gw_hashes_bytes(rec->length) / 16;
    *ret_found = 0;
    for (uint32_t i = 0; i < blocks; i++) {
        if (memcmp(mine + 16 * i, hashes + 16 * i, 16) == 0)
            continue;
        differs[i / 8] = (uint8_t)(differs[i / 8] | 1u << (i % 8));
        (*ret_found)++;
    }
    return 0;
}
