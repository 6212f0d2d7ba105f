// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Checksums and content hashes: XXH3 of the xxHash library.
 *
 * gw_hash64 guards headers and payloads of records, pages and frames against damage.
 * gw_hash128 compares contents of two sites (seeded per session, so that nobody can prepare two
 * blocks that collide in advance).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct gw_hash128 {
    uint64_t lo, hi;
};

uint64_t gw_hash64(const void *data, size_t len, uint64_t seed);
struct gw_hash128 gw_hash128(const void *data, size_t len, uint64_t seed);
