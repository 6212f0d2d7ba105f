// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "subsets.h"

#include "fibers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct place {
    char path[64];
    uint64_t off;
};

static struct {
    int wanted;
    bool chosen, under_way; /* a subset was chosen; and this is the power loss it is of */
    int subset;
    struct place two[2];
    uint64_t seen;
} w = { .wanted = SUBSETS_NONE };

void subset_wanted(int which)
{
    w.wanted = which;
}

bool subset_is_chosen(void)
{
    return w.chosen;
}

/* Two of all, each pair as likely, in one pass. */
static void consider(void *arg, const char *path, uint64_t off)
{
    uint64_t at = w.seen++;
    (void)arg;
    if (at >= 2)
        at = sim_chance_below(w.seen);
    if (at >= 2)
        return;
    snprintf(w.two[at].path, sizeof w.two[at].path, "%s", path);
    w.two[at].off = off;
}

static void say(void)
{
    sim_trace("subset %d: of the unsynced granules %s at %llu (%s) and %s at %llu (%s)", w.subset,
              w.two[0].path, (unsigned long long)w.two[0].off, w.subset & 1 ? "kept" : "lost",
              w.two[1].path, (unsigned long long)w.two[1].off, w.subset & 2 ? "kept" : "lost");
}

static bool ended_well(pid_t pid)
{
    int status;
    if (waitpid(pid, &status, 0) != pid)
        abort();
    if (WIFSIGNALED(status))
        printf("FAILED seed %llu: signal %d\n", (unsigned long long)sched_seed(), WTERMSIG(status));
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Returns in each child; not in the process that calls. */
static void go_on_with_each(void)
{
    bool failed = false;
    fflush(stdout);
    fflush(stderr);
    for (int i = 0; i < 4; i++) {
        unsigned left = alarm(0);
        pid_t pid = fork();
        if (pid < 0)
            abort();
        alarm(left);
        if (pid == 0) {
            w.subset = i;
            return;
        }
        bool ok = ended_well(pid);
        if (!ok)
            printf("  (that is subset %d: of the unsynced granules %s at %llu was %s, %s at %llu "
                   "was %s)\n",
                   i, w.two[0].path, (unsigned long long)w.two[0].off, i & 1 ? "kept" : "lost",
                   w.two[1].path, (unsigned long long)w.two[1].off, i & 2 ? "kept" : "lost");
        failed |= !ok;
        fflush(stdout);
    }
    _exit(failed);
}

void subset_begin(struct memdisk *d, unsigned granule)
{
    if (w.wanted == SUBSETS_NONE || w.chosen)
        return;
    w.seen = 0;
    memdisk_each_unsynced(d, granule, consider, NULL);
    if (w.seen < 2)
        return;
    w.chosen = w.under_way = true;
    w.subset = w.wanted;
    if (w.wanted == SUBSETS_ALL)
        go_on_with_each();
    say();
}

void subset_end(void)
{
    w.under_way = false;
    w.wanted = SUBSETS_NONE;
}

bool subset_picks(const char *path, uint64_t off, unsigned n, unsigned *ret)
{
    for (unsigned i = 0; w.under_way && i < 2; i++) {
        if (w.two[i].off != off || strcmp(w.two[i].path, path) != 0)
            continue;
        *ret = w.subset >> i & 1 ? n - 1 : 0;
        return true;
    }
    return false;
}
