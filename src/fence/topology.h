// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Which devices fence a site, and in which order: levels, as the field has them. The levels are
 * tried in ascending order; of a level all devices are needed (two power supplies), and they are
 * worked at side by side; the first level that passes ends it. A level passes when each of its
 * devices is VERIFIED; only UNVERIFIED ones are as good as a person's word, and go on to the next
 * level if there is one.
 *
 *     struct gw_fence_outcome outcome;
 *     r = gw_fence_site(devices, n, &how, reports, &outcome, err);
 *
 * Threads: any; blocks.
 */
#pragma once

#include "fence/device.h"

#define GW_FENCE_DEVICES_MAX 16u

struct gw_fence_member {
    struct gw_fence_device device;
    unsigned level; /* from 1 */
};

struct gw_fence_outcome {
    enum gw_fence_verdict verdict; /* VERIFIED: a level passed. Else the best that a level gave */
    unsigned level;                /* that one; 0: there is no device */
    char text[GW_FENCE_TEXT_MAX];
};

/*
 * reports[i] is of member[i]; one that was not tried has began_wall_ns 0. Always says what is
 * known: an error of one device (a missing secret) is its report's UNKNOWN and text.
 */
void gw_fence_site(const struct gw_fence_member *member, size_t n, const struct gw_fence_how *how,
                   struct gw_fence_report *reports, struct gw_fence_outcome *ret);
