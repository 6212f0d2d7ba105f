// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * A deterministic world of fibers: cooperative, virtual time, one seed = one run.
 *
 * Every thread that the engine makes is a fiber (wrap.c puts pthread_* on top of this). At each
 * sched_point() - locks, condition variables, I/O, network - the seed decides whether somebody else
 * runs now, so that interleavings are explored. Time moves by a little at each switch, and to the
 * next deadline when everybody waits. Nothing here looks at the real clock.
 *
 * A *process* is a group of fibers that dies as one: its fibers are never run again, and what they
 * held in memory is lost (leaked: each seed runs in a process of its own, see main.c).
 *
 * Threads: one real thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIM_NS_PER_MS 1000000ull
#define SIM_NS_PER_S 1000000000ull
#define SIM_FOR_EVER UINT64_MAX

struct proc;
struct fiber;

struct waitq {
    struct fiber *head, *tail;
};

/* ---- chance ---------------------------------------------------------------------------------- */

/* One stream for the story, one for the schedule and faults: a change in one part of the simulator
 * leaves the other's decisions where they are as long as it can. */
void sim_chance_init(uint64_t seed); /* by sched_run */
uint64_t sim_random(void);           /* story */
uint64_t sim_chance_random(void);    /* schedule, latencies, faults */
uint64_t sim_below(uint64_t n);      /* [0, n) of the story; n > 0 */
uint64_t sim_chance_below(uint64_t n);
bool sim_one_in(uint64_t n); /* story; 0: never */
bool sim_chance_one_in(uint64_t n);
uint64_t sim_between(uint64_t lo, uint64_t hi); /* story, both included */
uint64_t sim_mix(uint64_t x);

/* ---- life ------------------------------------------------------------------------------------ */

/* Run `fn` as the first fiber (of no process) until it returns. */
void sched_run(uint64_t seed, void (*fn)(void *arg), void *arg);
uint64_t sched_seed(void);
uint64_t sched_now(void); /* ns of virtual time since the start of the world */
uint64_t sched_switches(void);
uint64_t sched_digest(void); /* of every decision so far: equal runs have equal digests */
void sched_digest_add(uint64_t x);

/* The run has failed: say so with seed and time, end this process with status 1. */
void sim_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
/* A line of the story, with --trace. */
void sim_trace(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
extern bool sim_tracing;

/* ---- fibers ---------------------------------------------------------------------------------- */

struct proc *proc_new(const char *name, int site);
/* Its fibers never run again. Does not return if the caller is one of them. */
void proc_kill(struct proc *p);
bool proc_alive(const struct proc *p);
int proc_site(const struct proc *p);
struct proc *proc_current(void); /* NULL: the world's own fibers */

struct fiber *fiber_new(struct proc *p, const char *name, void *(*fn)(void *), void *arg);
struct fiber *fiber_current(void);
const char *fiber_name(const struct fiber *f);
/* Waits until it ended. False: it was killed. */
bool fiber_join(struct fiber *f, void **ret);
bool fiber_ended(const struct fiber *f); /* or was killed */

/* Somebody else may run here. */
void sched_point(void);
void sched_yield_now(void);
void sched_sleep(uint64_t ns);
/* No sched_point in between has an effect. Nests. */
void sched_atomic(bool on);

/* False: the deadline (virtual time) passed. */
bool waitq_wait(struct waitq *q, uint64_t deadline_ns);
void waitq_wake_one(struct waitq *q); /* any one of them */
void waitq_wake_all(struct waitq *q);
unsigned waitq_length(const struct waitq *q);
