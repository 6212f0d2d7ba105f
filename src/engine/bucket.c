// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "engine/bucket.h"

#include "base/clock.h"
#include "engine/limits.h"

static double burst(const struct gw_bucket *b)
{
    double tenth = (double)b->rate_bytes / 10;
    return tenth > GW_BATCH_BYTES ? tenth : GW_BATCH_BYTES;
}

static void refill(struct gw_bucket *b, uint64_t now_ns)
{
    if (now_ns > b->last_ns)
        b->tokens += (double)b->rate_bytes * (double)(now_ns - b->last_ns) / (double)GW_NS_PER_S;
    b->last_ns = now_ns;
    if (b->tokens > burst(b))
        b->tokens = burst(b);
}

void gw_bucket_init(struct gw_bucket *b, uint64_t rate_bytes, uint64_t now_ns)
{
    *b = (struct gw_bucket){ .rate_bytes = rate_bytes, .last_ns = now_ns };
    b->tokens = burst(b);
}

void gw_bucket_rate(struct gw_bucket *b, uint64_t rate_bytes, uint64_t now_ns)
{
    refill(b, now_ns);
    b->rate_bytes = rate_bytes;
    if (b->tokens > burst(b))
        b->tokens = burst(b);
    if (b->tokens < 0)
        b->tokens = 0;
}

uint64_t gw_bucket_take(struct gw_bucket *b, uint64_t n, uint64_t now_ns)
{
    if (b->rate_bytes == 0)
        return 0;
    refill(b, now_ns);
    b->tokens -= (double)n;
    if (b->tokens >= 0)
        return 0;
    return (uint64_t)(-b->tokens * (double)GW_NS_PER_S / (double)b->rate_bytes);
}
