// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Histories by name: each is the shortest way in which something goes wrong when one rule is left
 * out (histories.def). With all rules each ends well. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct history {
    const char *name, *without, *what;
    void (*play)(void);
};

const struct history *history_find(const char *name); /* NULL: there is none */
/* The first fiber of the world: plays it, and mends what it left. */
void history_main(void *arg);

/* Each (name NULL: all) with the seeds first to last, each run in a process of its own. Exit
 * status. */
int history_run(const char *name, uint64_t first, uint64_t last, unsigned jobs, bool twice);
int history_one(const char *name, uint64_t seed); /* in this process */

#define H(function, name, without, what) void history_##function(void);
#include "histories.def"
#undef H
