// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Many runs, each in a process of its own, a few at a time. */
#pragma once

#include "story.h"

struct runner_options {
    uint64_t first, last;
    bool given;     /* the seeds were named */
    double minutes; /* > 0: from `first` on, without a last, for so long */
    unsigned jobs;  /* 0: one a processor */
    bool twice;
};

/* Exit status. */
int runner_one(uint64_t seed);
int runner_many(const struct runner_options *o);

/* Called for job i; fills options and returns the seed, or false: there are no more. */
typedef bool runner_next_fn(void *arg, uint64_t i, uint64_t *ret_seed, struct story_options *ret);
/* Called when a run has ended; ok: it did not fail. */
typedef void runner_done_fn(void *arg, uint64_t i, bool ok, const struct story_result *r);
/* Number of runs that failed. */
uint64_t runner_pool(unsigned jobs, bool twice, runner_next_fn *next, runner_done_fn *done,
                     void *arg);
