// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "crashes.h"
#include "runner.h"

#include "fibers.h"
#include "subsets.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct crashes {
    const struct crashes_options *o;
    unsigned points;
    uint64_t runs, struck, struck_twice, subsets;
    unsigned *hit; /* [point]: runs in which the crash struck there */
};

/* job -> point, site, kind, story */
static bool next_crash(void *arg, uint64_t i, uint64_t *ret_seed, struct story_options *ret)
{
    struct crashes *c = arg;
    if (i >= (uint64_t)c->points * 4 * c->o->stories)
        return false;
    unsigned point = (unsigned)(i % c->points), how = (unsigned)(i / c->points % 4);
    uint64_t story = i / c->points / 4, x = sim_mix(i + 1);
    *ret_seed = i;
    ret->quick = true;
    ret->subsets = c->o->subsets;
    ret->crash_point[0] = gw_crash_points[point];
    ret->crash_site[0] = how & 1;
    ret->crash_kind[0] = how & 2 ? SIMDISK_POWER : SIMDISK_PROCESS;
    ret->crash_nth[0] = story % 2 == 0 ? 1 : 1 + (unsigned)(x % 5);
    if (c->o->pairs) {
        x = sim_mix(x);
        ret->crash_point[1] = gw_crash_points[x % c->points];
        ret->crash_site[1] = x >> 20 & 1;
        ret->crash_kind[1] = x >> 21 & 1 ? SIMDISK_POWER : SIMDISK_PROCESS;
        ret->crash_nth[1] = 1 + (x >> 22) % 2;
    }
    return true;
}

int crashes_one(const struct crashes_options *given, uint64_t job)
{
    struct crashes c = { .o = given, .points = simdisk_points() };
    struct story_options o = { .quick = false };
    struct story_result r;
    uint64_t seed;
    if (!next_crash(&c, job, &seed, &o))
        return 2;
    printf("crash point %s, the %u. time at site%d, %s\n", o.crash_point[0], o.crash_nth[0],
           o.crash_site[0], o.crash_kind[0] == SIMDISK_POWER ? "power" : "process");
    fflush(stdout);
    story_run(seed, &o, &r);
    printf("job %llu is fine: %u crashes struck\n", (unsigned long long)job, r.crashed);
    fflush(stdout);
    _exit(0); /* what the simulated processes left behind is no leak */
}

static void crash_done(void *arg, uint64_t i, bool ok, const struct story_result *r)
{
    struct crashes *c = arg;
    c->runs++;
    if (!ok) {
        unsigned how = (unsigned)(i / c->points % 4);
        printf("  (job %llu: crash point %s, at site%u, %s; replay: --crash-%s %u%s --job %llu)\n",
               (unsigned long long)i, gw_crash_points[i % c->points], how & 1,
               how & 2 ? "power" : "process", c->o->pairs ? "pairs" : "points", c->o->stories,
               c->o->subsets == SUBSETS_NONE ? "" : " --subsets", (unsigned long long)i);
        return;
    }
    c->struck += r->crashed > 0;
    c->struck_twice += r->crashed > 1;
    c->subsets += r->subsets;
    c->hit[i % c->points] += r->crashed > 0;
}

int crashes_run(const struct crashes_options *o)
{
    struct crashes c = { .o = o, .points = simdisk_points() };
    c.hit = calloc(c.points, sizeof *c.hit);
    if (!c.hit)
        abort();
    uint64_t failed = runner_pool(o->jobs, false, next_crash, crash_done, &c);
    unsigned never = 0;
    for (unsigned i = 0; i < c.points; i++) {
        if (c.hit[i] > 0)
            continue;
        never++;
        printf("crash point %s was never crashed at\n", gw_crash_points[i]);
    }
    printf("%llu runs, %u crash points, %llu crashes struck, %llu twice, %u points never crashed "
           "at, %llu failed\n",
           (unsigned long long)c.runs, c.points, (unsigned long long)c.struck,
           (unsigned long long)c.struck_twice, never, (unsigned long long)failed);
    if (o->subsets != SUBSETS_NONE)
        printf("%llu runs were of one subset of two unsynced granules\n",
               (unsigned long long)c.subsets);
    free(c.hit);
    return failed > 0 || never > 0;
}
