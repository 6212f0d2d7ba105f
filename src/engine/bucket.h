// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Token bucket for a bandwidth limit. Pure: time comes in as CLOCK_BOOTTIME nanoseconds.
 * The burst is 100 ms of the rate, at least one batch.
 */
#pragma once

#include <stdint.h>

struct gw_bucket {
    uint64_t rate_bytes; /* per second; 0 = no limit */
    double tokens;
    uint64_t last_ns;
};

void gw_bucket_init(struct gw_bucket *b, uint64_t rate_bytes, uint64_t now_ns);
/* Change the rate; keeps what has been saved up to the new burst, forgets a debt. */
void gw_bucket_rate(struct gw_bucket *b, uint64_t rate_bytes, uint64_t now_ns);
/* Take n bytes now (the balance may become negative); returns ns until it is
 * not negative. With n 0: how long to wait before the next may be sent. */
uint64_t gw_bucket_take(struct gw_bucket *b, uint64_t n, uint64_t now_ns);
