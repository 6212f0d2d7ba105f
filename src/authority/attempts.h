// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * How often a failover may begin by itself: once, then a person.
 *
 * An automatic failover blocks the next one of its plan for `block`, unless a person acknowledges
 * it. One that failed leaves the plan HALTED: there is no second try. And a site takes over only so
 * many plans in ten minutes, so that one bad judgement is not forty.
 *
 * Seconds are wall time: what they protect from is measured in hours and has to outlive restarts. A
 * clock that went backward counts as no time passed, which blocks. Pure; any thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define GW_ATTEMPTS_BLOCK_S_DEFAULT 86400u
#define GW_ATTEMPTS_WINDOW_S 600u
#define GW_ATTEMPTS_BUDGET_DEFAULT 10u
#define GW_ATTEMPTS_BUDGET_MAX 64u

struct gw_attempts {   /* of a plan; durable */
    uint64_t last_s;   /* when the last automatic failover began; 0: never */
    bool acknowledged; /* a person has seen it */
    bool halted;       /* it failed: a person has to clear it */
};

struct gw_attempts_budget { /* of a site; the newest last */
    unsigned n;
    uint64_t at_s[GW_ATTEMPTS_BUDGET_MAX];
};

enum gw_attempts_verdict {
    GW_ATTEMPTS_FREE = 0,
    GW_ATTEMPTS_HALTED,  /* the one attempt failed */
    GW_ATTEMPTS_BLOCKED, /* so soon after the last one, which nobody acknowledged */
    GW_ATTEMPTS_SPENT,   /* the site took over as many plans as it may in ten minutes */
    GW_ATTEMPTS_MAX,
};

/* *ret_free_s: when it will be free by itself (0: it is, or never by itself). */
enum gw_attempts_verdict gw_attempts_judge(const struct gw_attempts *a,
                                           const struct gw_attempts_budget *b, uint32_t block_s,
                                           unsigned budget, uint64_t now_s, uint64_t *ret_free_s);
void gw_attempts_begin(struct gw_attempts *a, struct gw_attempts_budget *b, uint64_t now_s);
void gw_attempts_failed(struct gw_attempts *a);
/* A person has seen it: the block ends, and so does HALTED. */
void gw_attempts_acknowledge(struct gw_attempts *a);
const char *gw_attempts_text(enum gw_attempts_verdict v);
