// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "history.h"

#include "runner.h"
#include "script.h"
#include "subsets.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct history all[] = {
#define H(function, name, without, what) { name, without, what, history_##function },
#include "histories.def"
#undef H
};
#define N_ALL (sizeof all / sizeof all[0])

const struct history *history_find(const char *name)
{
    for (size_t i = 0; i < N_ALL; i++) {
        if (strcmp(all[i].name, name) == 0)
            return &all[i];
    }
    return NULL;
}

void history_main(void *arg)
{
    const struct history *h = arg;
    h->play();
    sim_trace("---- the history ends");
    mend();
}

/* ---- many ------------------------------------------------------------------------------------ */

struct many {
    const struct history *first;
    size_t n;
    uint64_t seed, seeds, runs;
    uint64_t failed[N_ALL];
};

static const struct history *of_job(const struct many *m, uint64_t i)
{
    return &m->first[i / m->seeds];
}

static bool next_run(void *arg, uint64_t i, uint64_t *ret_seed, struct story_options *ret)
{
    struct many *m = arg;
    if (i >= m->n * m->seeds)
        return false;
    *ret_seed = m->seed + i % m->seeds;
    ret->history = of_job(m, i);
    return true;
}

static void run_done(void *arg, uint64_t i, bool ok, const struct story_result *r)
{
    struct many *m = arg;
    (void)r;
    m->runs++;
    if (ok)
        return;
    m->failed[i / m->seeds]++;
    printf("  (history %s; replay: --history %s --seed %llu --trace)\n", of_job(m, i)->name,
           of_job(m, i)->name, (unsigned long long)(m->seed + i % m->seeds));
}

int history_run(const char *name, uint64_t first, uint64_t last, unsigned jobs, bool twice)
{
    const struct history *one = name ? history_find(name) : NULL;
    if (name && !one) {
        fprintf(stderr, "no history is named %s\n", name);
        return 2;
    }
    struct many m = {
        .first = one ? one : all, .n = one ? 1 : N_ALL, .seed = first, .seeds = last - first + 1
    };
    uint64_t failed = runner_pool(jobs, twice, next_run, run_done, &m);
    for (size_t i = 0; i < m.n; i++) {
        if (m.failed[i] > 0)
            printf("history %s failed with %llu of %llu seeds: %s\n", m.first[i].name,
                   (unsigned long long)m.failed[i], (unsigned long long)m.seeds, m.first[i].what);
    }
    printf("%zu histories, each with %llu seeds, %llu runs, %llu failed\n", m.n,
           (unsigned long long)m.seeds, (unsigned long long)m.runs, (unsigned long long)failed);
    return failed > 0;
}

int history_one(const char *name, uint64_t seed)
{
    struct story_options o = { .history = history_find(name), .subsets = SUBSETS_NONE };
    struct story_result r;
    if (!o.history) {
        fprintf(stderr, "no history is named %s\n", name);
        return 2;
    }
    story_run(seed, &o, &r);
    printf("history %s is fine with seed %llu: %.1f virtual seconds, %llu switches\n", name,
           (unsigned long long)seed, (double)r.virtual_ns / 1e9, (unsigned long long)r.switches);
    fflush(stdout);
    _exit(0); /* what the simulated processes left behind is no leak */
}
