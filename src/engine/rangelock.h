// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Range locks of one volume: two overlapping operations never hold their ranges at the same time,
 * so that {write the local volume, take the seq} happens in one order for both sites.
 *
 * A holder's struct lives in its caller's frame while it is held. There are as many holders as
 * requests in flight (tens), so a list is the right structure. The owner's lock guards it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gw_range {
    uint64_t off, len;
    struct gw_range *next;
};

struct gw_rangelock {
    struct gw_range *held;
};

/* Take [off, off + len) unless it overlaps one that is held. */
static inline bool gw_rangelock_try(struct gw_rangelock *l, struct gw_range *r, uint64_t off,
                                    uint64_t len)
{
    for (const struct gw_range *h = l->held; h != NULL; h = h->next) {
        if (off < h->off + h->len && h->off < off + len)
            return false;
    }
    r->off = off;
    r->len = len;
    r->next = l->held;
    l->held = r;
    return true;
}

static inline void gw_rangelock_release(struct gw_rangelock *l, struct gw_range *r)
{
    struct gw_range **at = &l->held;
    while (*at != r)
        at = &(*at)->next;
    *at = r->next;
}
