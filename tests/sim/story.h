// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* A run: two sites are made and seeded, things happen to them, and in the end all must be well. */
#pragma once

#include "simdisk.h"

struct history;

struct story_options {
    const struct history *history; /* play that instead of a story */
    /* A crash to bring about, as early as the story allows; NULL: random ones only. A second one is
     * armed as soon as the first has struck. */
    const char *crash_point[2];
    unsigned crash_nth[2];
    int crash_site[2];
    enum simdisk_crash crash_kind[2];
    int subsets; /* at the first of these crashes, if it is a power loss (subsets.h) */
    bool quick;  /* crash-point runs: a fixed round through everything, no other faults */
};

struct story_result {
    uint64_t switches, ops, promotions, resyncs, handovers, kills, digest, virtual_ns;
    unsigned crashed;         /* of the two that were asked for */
    unsigned subsets;         /* that this run went on with */
    unsigned reached[2][128]; /* crash points, by site */
};

/* Runs in this process; ends it with status 1 if the run fails. */
void story_run(uint64_t seed, const struct story_options *o, struct story_result *ret);
