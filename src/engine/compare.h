// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Comparing two sites by content hashes: XXH3-128 of each 4 KiB block, seeded. The same
 * offset is compared on both sides, so a false "equal" has probability 2^-128 per differing block;
 * a 32-bit CRC would skip a stale block with 6 % chance per TiB that differs.
 */
#pragma once

#include "base/uuid.h"
#include "engine/io.h"
#include "engine/limits.h"
#include "engine/record.h"

/* Bytes of hashes for a range. */
static inline uint32_t gw_hashes_bytes(uint32_t len)
{
    return (len + GW_BLOCK_BYTES - 1) / GW_BLOCK_BYTES * 16;
}

/*
 * Read [off, off + len) into buf; a hole is not read but known. *ret_zero: all of it is zeros.
 * 0 or a negative errno value.
 */
int gw_read_sparse(struct gw_file *f, uint64_t off, uint32_t len, uint8_t *buf, bool *ret_zero);

/*
 * Seed of the hashes of a range: from the incarnation that names the stream and the place, so that
 * a record that is sent again in a later session still means the same, and nobody who does not know
 * the incarnation can prepare two blocks that collide.
 */
uint64_t gw_compare_seed(const struct gw_uuid *stream, unsigned volume, uint64_t offset);

/* Hashes of the blocks of buf; `zero` (all of it is zeros) hashes one block only. */
void gw_hash_blocks(const uint8_t *buf, uint32_t len, uint64_t seed, bool zero, uint8_t *ret);

/*
 * Compare the range of a HASH or VERIFY record with the file: bit i of differs
 * (GW_BLOCKS_PER_EXTENT bits) for block i. buf is GW_EXTENT_BYTES of scratch.
 */
int gw_compare_blocks(struct gw_file *f, const struct gw_record *rec, const uint8_t *hashes,
                      uint64_t seed, uint8_t *buf, uint8_t *differs, uint64_t *ret_found);
