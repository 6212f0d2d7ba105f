// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "runner.h"

#include "fibers.h"
#include "subsets.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define JOBS_MAX 64u

struct slot { /* shared with the run's process */
    struct story_result result, again;
};

struct pool {
    struct slot *slot;
    pid_t pid[JOBS_MAX];
    uint64_t job[JOBS_MAX], seed[JOBS_MAX];
    uint64_t failed;
};

/* The real clock: what the linker turned into virtual time is not for the runner. */
static double wall_s(void)
{
    struct timeval tv;
    gettimeofday(&tv, NULL);
    return (double)tv.tv_sec + (double)tv.tv_usec / 1e6;
}

static void compare_twice(uint64_t seed, const struct slot *s)
{
    if (s->result.digest == s->again.digest && s->result.switches == s->again.switches)
        return;
    printf("FAILED seed %llu: two runs of it were not the same (%llu and %llu switches)\n",
           (unsigned long long)seed, (unsigned long long)s->result.switches,
           (unsigned long long)s->again.switches);
    fflush(stdout);
    _exit(1);
}

static _Noreturn void child(struct slot *s, uint64_t seed, const struct story_options *o,
                            bool twice)
{
    /* Memory stays in the heap: to give it back and take it again costs more than the run. */
    mallopt(M_MMAP_THRESHOLD, 1 << 28);
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
    mallopt(M_TOP_PAD, 1 << 22);
    alarm(300); /* a run that hangs is a failure of this one only */
    if (twice) {
        pid_t pid = fork();
        if (pid == 0) {
            story_run(seed, o, &s->again);
            _exit(0);
        }
        int status;
        waitpid(pid, &status, 0);
        if (status != 0)
            _exit(1);
    }
    story_run(seed, o, &s->result);
    if (twice)
        compare_twice(seed, s);
    _exit(0);
}

static bool launch(struct pool *p, unsigned k, uint64_t job, bool twice, runner_next_fn *next,
                   void *arg)
{
    struct story_options o = { .subsets = SUBSETS_NONE };
    p->job[k] = job;
    if (!next(arg, job, &p->seed[k], &o))
        return false;
    fflush(stdout);
    fflush(stderr);
    p->pid[k] = fork();
    if (p->pid[k] == 0)
        child(&p->slot[k], p->seed[k], &o, twice);
    return true;
}

static unsigned reap(struct pool *p, unsigned jobs, runner_done_fn *done, void *arg)
{
    int status;
    pid_t pid = wait(&status);
    for (unsigned k = 0; k < jobs; k++) {
        if (p->pid[k] != pid)
            continue;
        bool ok = WIFEXITED(status) && WEXITSTATUS(status) == 0;
        if (!ok && WIFSIGNALED(status))
            printf("FAILED seed %llu: signal %d\n", (unsigned long long)p->seed[k],
                   WTERMSIG(status));
        else if (!ok && WEXITSTATUS(status) != 1)
            printf("FAILED seed %llu: exit status %d\n", (unsigned long long)p->seed[k],
                   WEXITSTATUS(status));
        p->failed += !ok;
        p->pid[k] = 0;
        done(arg, p->job[k], ok, &p->slot[k].result);
        return k;
    }
    abort();
}

uint64_t runner_pool(unsigned jobs, bool twice, runner_next_fn *next, runner_done_fn *done,
                     void *arg)
{
    struct pool p = { .failed = 0 };
    if (jobs == 0)
        jobs = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
    jobs = jobs > JOBS_MAX ? JOBS_MAX : jobs;
    p.slot = mmap(NULL, jobs * sizeof *p.slot, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                  -1, 0);
    if (p.slot == MAP_FAILED)
        abort();
    uint64_t job = 0;
    unsigned running = 0;
    bool more = true;
    for (unsigned k = 0; k < jobs && more; k++) {
        more = launch(&p, k, job++, twice, next, arg);
        running += more;
    }
    while (running > 0) {
        unsigned k = reap(&p, jobs, done, arg);
        more = more && launch(&p, k, job++, twice, next, arg);
        running -= !more;
    }
    munmap(p.slot, jobs * sizeof *p.slot);
    return p.failed;
}

/* ---- many seeds ------------------------------------------------------------------------------ */

struct many {
    const struct runner_options *o;
    double began, told;
    uint64_t runs, ops, promotions, resyncs, handovers, kills, switches;
    double virtual_s;
};

static bool next_seed(void *arg, uint64_t i, uint64_t *ret_seed, struct story_options *ret)
{
    struct many *m = arg;
    (void)ret;
    *ret_seed = m->o->first + i;
    if (m->o->minutes > 0)
        return wall_s() - m->began < m->o->minutes * 60;
    return *ret_seed <= m->o->last;
}

static void seed_done(void *arg, uint64_t i, bool ok, const struct story_result *r)
{
    struct many *m = arg;
    (void)i;
    m->runs++;
    if (!ok)
        return;
    m->ops += r->ops;
    m->promotions += r->promotions;
    m->resyncs += r->resyncs;
    m->handovers += r->handovers;
    m->kills += r->kills;
    m->switches += r->switches;
    m->virtual_s += (double)r->virtual_ns / 1e9;
}

int runner_many(const struct runner_options *given)
{
    struct runner_options o = *given;
    struct many m = { .o = &o, .began = wall_s() };
    if (o.minutes > 0 && !o.given)
        o.first = (uint64_t)m.began;
    uint64_t failed = runner_pool(o.jobs, o.twice, next_seed, seed_done, &m);
    double s = wall_s() - m.began;
    printf(
        "%llu seeds from %llu in %.1f s (%.1f a second), %llu failed\n"
        "  %.0f virtual seconds, %.1f million switches, %llu requests answered, %llu promotions, "
        "%llu handovers, %llu resyncs, %llu kills\n",
        (unsigned long long)m.runs, (unsigned long long)o.first, s, (double)m.runs / s,
        (unsigned long long)failed, m.virtual_s, (double)m.switches / 1e6,
        (unsigned long long)m.ops, (unsigned long long)m.promotions,
        (unsigned long long)m.handovers, (unsigned long long)m.resyncs,
        (unsigned long long)m.kills);
    return failed > 0;
}

int runner_one(uint64_t seed)
{
    struct story_options o = { .subsets = SUBSETS_NONE };
    struct story_result r;
    double began = wall_s();
    story_run(seed, &o, &r);
    printf("seed %llu is fine: %.1f virtual seconds in %.3f s, %llu switches, %llu requests "
           "answered, %llu promotions, %llu handovers, %llu resyncs, %llu kills; digest %016llx\n",
           (unsigned long long)seed, (double)r.virtual_ns / 1e9, wall_s() - began,
           (unsigned long long)r.switches, (unsigned long long)r.ops,
           (unsigned long long)r.promotions, (unsigned long long)r.handovers,
           (unsigned long long)r.resyncs, (unsigned long long)r.kills,
           (unsigned long long)r.digest);
    fflush(stdout);
    _exit(0); /* what the simulated processes left behind is no leak */
}
