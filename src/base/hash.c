// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "base/hash.h"

#include <xxhash.h>
/* The library's own choice of the widest vectors that this processor has: three times as fast on
 * 4 KiB as its baseline, with the same result. Under these names it replaces the functions above.
 */
#if defined __x86_64__ && __has_include(<xxh_x86dispatch.h>)
#include <xxh_x86dispatch.h>

/* It chooses at the first call, and says nothing of threads: so that call is before there are any.
 */
__attribute__((constructor)) static void choose(void)
{
    static const uint8_t zeros[1024];
    (void)XXH3_64bits_withSeed(zeros, sizeof zeros, 1);
    (void)XXH3_128bits_withSeed(zeros, sizeof zeros, 1);
}
#endif

uint64_t gw_hash64(const void *data, size_t len, uint64_t seed)
{
    return XXH3_64bits_withSeed(data, len, seed);
}

struct gw_hash128 gw_hash128(const void *data, size_t len, uint64_t seed)
{
    XXH128_hash_t h = XXH3_128bits_withSeed(data, len, seed);
    return (struct gw_hash128){ .lo = h.low64, .hi = h.high64 };
}
