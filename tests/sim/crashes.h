// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Every crash point, one by one, by process death and by power loss; and in pairs. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct crashes_options {
    unsigned stories; /* for each point, kind and site */
    bool pairs;       /* a second crash is armed when the first has struck */
    int subsets;      /* at each power loss at a point: subsets.h */
    unsigned jobs;
};

/* Exit status: 1 if a run failed, or a point was never reached. */
int crashes_run(const struct crashes_options *o);
/* One of these runs, in this process. */
int crashes_one(const struct crashes_options *o, uint64_t job);
