// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "base/hash.h"

#include <xxhash.h>

uint64_t gw_hash64(const void *data, size_t len, uint64_t seed)
{
    return XXH3_64bits_withSeed(data, len, seed);
}

struct gw_hash128 gw_hash128(const void *data, size_t len, uint64_t seed)
{
    XXH128_hash_t h = XXH3_128bits_withSeed(data, len, seed);
    return (struct gw_hash128){ .lo = h.low64, .hi = h.high64 };
}
