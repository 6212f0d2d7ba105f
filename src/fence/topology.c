// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "fence/topology.h"

#include "work/parallel.h"

#include <stdio.h>

struct level {
    const struct gw_fence_member *member;
    const struct gw_fence_how *how;
    struct gw_fence_report *reports;
    size_t at[GW_FENCE_DEVICES_MAX], n; /* its members */
};

static void fence_one(void *ctx, size_t i)
{
    const struct level *l = ctx;
    struct gw_error err = { 0 };
    size_t at = l->at[i];
    (void)gw_fence_off(&l->member[at].device, l->how, &l->reports[at], &err); /* the report says */
}

/* Of devices that are all needed the worst counts. */
static int rank(enum gw_fence_verdict verdict)
{
    switch (verdict) {
    case GW_FENCE_VERIFIED:
        return 3;
    case GW_FENCE_UNVERIFIED:
        return 2;
    case GW_FENCE_UNKNOWN:
        return 1;
    case GW_FENCE_NOT_FENCED:
        return 0;
    }
    return 0;
}

static enum gw_fence_verdict run_level(struct level *l, size_t *ret_worst)
{
    gw_parallel(l->n, fence_one, l);
    *ret_worst = l->at[0];
    for (size_t i = 1; i < l->n; i++) {
        if (rank(l->reports[l->at[i]].verdict) < rank(l->reports[*ret_worst].verdict))
            *ret_worst = l->at[i];
    }
    return l->reports[*ret_worst].verdict;
}

/* The lowest level above `above`; 0: none. */
static unsigned next_level(const struct gw_fence_member *member, size_t n, unsigned above)
{
    unsigned found = 0;
    for (size_t i = 0; i < n; i++) {
        if (member[i].level > above && (found == 0 || member[i].level < found))
            found = member[i].level;
    }
    return found;
}

void gw_fence_site(const struct gw_fence_member *member, size_t n, const struct gw_fence_how *how,
                   struct gw_fence_report *reports, struct gw_fence_outcome *ret)
{
    *ret = (struct gw_fence_outcome){ .verdict = GW_FENCE_UNKNOWN };
    snprintf(ret->text, sizeof ret->text, "there is no fence device for that site");
    for (size_t i = 0; i < n; i++)
        reports[i] = (struct gw_fence_report){ .verdict = GW_FENCE_UNKNOWN };
    for (unsigned number = next_level(member, n, 0); number != 0;
         number = next_level(member, n, number)) {
        struct level l = { .member = member, .how = how, .reports = reports };
        for (size_t i = 0; i < n && l.n < GW_FENCE_DEVICES_MAX; i++) {
            if (member[i].level == number)
                l.at[l.n++] = i;
        }
        size_t worst;
        enum gw_fence_verdict verdict = run_level(&l, &worst);
        if (ret->level != 0 && rank(verdict) <= rank(ret->verdict))
            continue;
        ret->verdict = verdict;
        ret->level = number;
        snprintf(ret->text, sizeof ret->text, "level %u, %.80s: %.150s", number,
                 member[worst].device.name, reports[worst].text);
        if (verdict == GW_FENCE_VERIFIED)
            return;
    }
}
