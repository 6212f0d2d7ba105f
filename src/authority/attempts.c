// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* One automatic attempt, then a person. */
#include "authority/attempts.h"

#include "base/checked.h"

#include <string.h>

static uint64_t passed(uint64_t then, uint64_t now)
{
    return now > then ? now - then : 0;
}

/* How many began within the window, and when the oldest of them leaves it. */
static unsigned spent(const struct gw_attempts_budget *b, uint64_t now_s, uint64_t *ret_free_s)
{
    unsigned n = 0;
    for (unsigned i = 0; i < b->n; i++) {
        if (passed(b->at_s[i], now_s) >= GW_ATTEMPTS_WINDOW_S)
            continue;
        if (n++ == 0)
            *ret_free_s = b->at_s[i] + GW_ATTEMPTS_WINDOW_S;
    }
    return n;
}

enum gw_attempts_verdict gw_attempts_judge(const struct gw_attempts *a,
                                           const struct gw_attempts_budget *b, uint32_t block_s,
                                           unsigned budget, uint64_t now_s, uint64_t *ret_free_s)
{
    uint64_t free_s = 0;
    *ret_free_s = 0;
    if (a->halted)
        return GW_ATTEMPTS_HALTED;
    if (a->last_s != 0 && !a->acknowledged && passed(a->last_s, now_s) < block_s) {
        *ret_free_s = a->last_s + block_s;
        return GW_ATTEMPTS_BLOCKED;
    }
    if (spent(b, now_s, &free_s) >= GW_MIN(budget, GW_ATTEMPTS_BUDGET_MAX)) {
        *ret_free_s = free_s;
        return GW_ATTEMPTS_SPENT;
    }
    return GW_ATTEMPTS_FREE;
}

void gw_attempts_begin(struct gw_attempts *a, struct gw_attempts_budget *b, uint64_t now_s)
{
    *a = (struct gw_attempts){ .last_s = now_s };
    if (b->n == GW_ATTEMPTS_BUDGET_MAX)
        memmove(b->at_s, b->at_s + 1, --b->n * sizeof b->at_s[0]);
    b->at_s[b->n++] = now_s;
}

void gw_attempts_failed(struct gw_attempts *a)
{
    a->halted = true;
}

void gw_attempts_acknowledge(struct gw_attempts *a)
{
    a->acknowledged = true;
    a->halted = false;
}

const char *gw_attempts_text(enum gw_attempts_verdict v)
{
    static const char *const texts[GW_ATTEMPTS_MAX] = {
        [GW_ATTEMPTS_FREE] = "an automatic failover may begin",
        [GW_ATTEMPTS_HALTED] = "the last automatic failover failed, and there is no second try: "
                               "resolve it and acknowledge",
        [GW_ATTEMPTS_BLOCKED] = "the last automatic failover is too recent: acknowledge it, or "
                                "fail over by hand",
        [GW_ATTEMPTS_SPENT] = "this site has taken over as many plans as it may in ten minutes",
    };
    return (unsigned)v < GW_ATTEMPTS_MAX ? texts[v] : "invalid";
}
