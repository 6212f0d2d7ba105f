// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * godwit-sim: see README.md.
 *
 * Each seed runs in a process of its own, forked from this one: what a killed site leaks dies with
 * it, and a crash of the engine is only that seed's.
 */
#include "crashes.h"
#include "history.h"
#include "runner.h"

#include "fibers.h"
#include "subsets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: godwit-sim [--seed N [--trace]] [--seeds A..B] [--jobs N] [--minutes M] [--twice]\n"
    "                  [--crash-points [SEEDS]] [--crash-pairs [SEEDS]] [--subsets]\n"
    "                  [--history NAME] [--histories]\n"
    "  --seed N          one run, in this process; --trace tells the story on stderr\n"
    "  --seeds A..B      the runs A to B, both included (default 1..1000)\n"
    "  --minutes M       new seeds for so long, from the clock on (or from --seeds' A)\n"
    "  --torture         --minutes from GODWIT_TORTURE_MINUTES (10)\n"
    "  --jobs N          so many at a time (default: the processors)\n"
    "  --twice           each run twice: it must be the same run\n"
    "  --crash-points    every crash point, by process death and power loss, each with so many\n"
    "                    stories; --crash-pairs: and a second crash during the recovery\n"
    "  --subsets         there, at each power loss: the run goes on once for each of the four "
    "subsets\n"
    "                    of two unsynced granules that may survive; --subset 0..3: only that one\n"
    "  --job N           of those runs only that one, in this process\n"
    "  --history NAME    this history (histories.def), with the seeds 1..10 or those given\n"
    "  --histories       all of them\n";

int main(int argc, char **argv)
{
    struct runner_options o = { .first = 1, .last = 1000 };
    bool one = false, points = false;
    struct crashes_options crashes = { .stories = 2, .subsets = SUBSETS_NONE };
    const char *job = NULL, *history = NULL;
    bool histories = false;
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        char *end;
        if (strcmp(argv[i], "--trace") == 0) {
            sim_tracing = true;
        } else if (strcmp(argv[i], "--twice") == 0) {
            o.twice = true;
        } else if (strcmp(argv[i], "--seed") == 0 && value) {
            one = true;
            o.first = o.last = strtoull(argv[++i], NULL, 0);
        } else if (strcmp(argv[i], "--seeds") == 0 && value) {
            o.first = o.last = strtoull(argv[++i], &end, 0);
            o.given = true;
            if (strncmp(end, "..", 2) == 0)
                o.last = strtoull(end + 2, NULL, 0);
        } else if (strcmp(argv[i], "--minutes") == 0 && value) {
            o.minutes = strtod(argv[++i], NULL);
        } else if (strcmp(argv[i], "--job") == 0 && value) {
            job = argv[++i];
        } else if (strcmp(argv[i], "--history") == 0 && value) {
            history = argv[++i];
        } else if (strcmp(argv[i], "--histories") == 0) {
            histories = true;
        } else if (strcmp(argv[i], "--torture") == 0) {
            const char *minutes = getenv("GODWIT_TORTURE_MINUTES");
            o.minutes = minutes ? strtod(minutes, NULL) : 10;
        } else if (strcmp(argv[i], "--jobs") == 0 && value) {
            o.jobs = (unsigned)strtoul(argv[++i], NULL, 0);
        } else if (strcmp(argv[i], "--crash-points") == 0 ||
                   strcmp(argv[i], "--crash-pairs") == 0) {
            points = true;
            crashes.pairs = strcmp(argv[i], "--crash-pairs") == 0;
            if (value && value[0] != '-')
                crashes.stories = (unsigned)strtoul(argv[++i], NULL, 0);
        } else if (strcmp(argv[i], "--subsets") == 0) {
            crashes.subsets = SUBSETS_ALL;
        } else if (strcmp(argv[i], "--subset") == 0 && value) {
            crashes.subsets = atoi(argv[++i]) & 3;
        } else {
            fputs(usage, stderr);
            return 2;
        }
    }
    if ((history || histories) && !o.given && !one)
        o.last = 10;
    if (history && one)
        return history_one(history, o.first);
    if (history || histories)
        return history_run(history, o.first, o.last, o.jobs, o.twice);
    crashes.jobs = o.jobs;
    if (points && job)
        return crashes_one(&crashes, strtoull(job, NULL, 0));
    if (points)
        return crashes_run(&crashes);
    return one ? runner_one(o.first) : runner_many(&o);
}
