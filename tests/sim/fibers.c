// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "fibers.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define SIM_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SIM_ASAN 1
#endif
#endif
#ifdef SIM_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

#define STACK_BYTES (768u * 1024u)
#define FIBERS_MAX 256u
#define SWITCHES_MAX 6000000ull           /* then the run is a livelock */
#define TIME_MAX (3600ull * SIM_NS_PER_S) /* virtual */

enum fiber_state { FIBER_READY, FIBER_WAITING, FIBER_ENDED, FIBER_KILLED };

struct fiber {
    ucontext_t ctx;
    void *stack;
    enum fiber_state state;
    uint64_t id, deadline, rank;
    bool timed_out;
    struct waitq *on;
    struct fiber *prev, *next;
    struct waitq joiners;
    struct proc *proc;
    char name[24];
    void *(*fn)(void *);
    void *arg, *result;
#ifdef SIM_ASAN
    void *fake_stack;
#endif
};

struct proc {
    char name[24];
    int site;
    bool dead;
};

/* How this seed picks the next fiber. */
enum policy { POLICY_RANDOM, POLICY_RANKED, POLICY_MAX };

static struct {
    uint64_t seed, digest;
    uint64_t now, switches, ids, next_deadline;
    struct fiber *all[FIBERS_MAX], *ready[FIBERS_MAX];
    unsigned n_all, n_ready;
    struct fiber *current;
    ucontext_t root;
    void *spare_stack[FIBERS_MAX];
    unsigned n_spare, atomic;
    void *dead_stack; /* of the fiber that was just left for good */
    enum policy policy;
    uint64_t yield_mask, stall_in, tick_ns;
    void (*main_fn)(void *arg);
    void *main_arg;
#ifdef SIM_ASAN
    void *root_fake;
    const void *root_bottom;
    size_t root_size;
#endif
} w;

bool sim_tracing;

/* ---- telling --------------------------------------------------------------------------------- */

__attribute__((format(printf, 2, 0))) static void say(FILE *f, const char *fmt, va_list ap)
{
    char text[2048];
    vsnprintf(text, sizeof text, fmt, ap);
    fprintf(f, "[%12.6f %-14s] %s\n", (double)w.now / 1e9, w.current ? w.current->name : "-", text);
}

void sim_trace(const char *fmt, ...)
{
    if (!sim_tracing)
        return;
    va_list ap;
    va_start(ap, fmt);
    say(stderr, fmt, ap);
    va_end(ap);
}

void sim_fail(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fflush(stderr);
    printf("FAILED seed %llu: ", (unsigned long long)w.seed);
    say(stdout, fmt, ap);
    va_end(ap);
    fflush(stdout);
    _exit(1);
}

uint64_t sched_seed(void)
{
    return w.seed;
}

uint64_t sched_now(void)
{
    return w.now;
}

uint64_t sched_switches(void)
{
    return w.switches;
}

uint64_t sched_digest(void)
{
    return w.digest;
}

void sched_digest_add(uint64_t x)
{
    w.digest = sim_mix(w.digest ^ x) + 1;
}

/* ---- stacks and switches --------------------------------------------------------------------- */

static void *stack_take(void)
{
    if (w.n_spare > 0)
        return w.spare_stack[--w.n_spare];
    void *p = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED || mprotect(p, 4096, PROT_NONE) != 0)
        abort();
    return p;
}

static void stack_give(void *p)
{
#ifdef SIM_ASAN
    __asan_unpoison_memory_region((char *)p + 4096, STACK_BYTES - 4096);
#endif
    if (w.n_spare < FIBERS_MAX)
        w.spare_stack[w.n_spare++] = p;
}

static void arrived(void)
{
#ifdef SIM_ASAN
    bool first = !w.root_bottom; /* what was left is the real stack */
    __sanitizer_finish_switch_fiber(w.current ? w.current->fake_stack : w.root_fake,
                                    first ? &w.root_bottom : NULL, first ? &w.root_size : NULL);
#endif
    if (w.dead_stack && (!w.current || w.current->stack != w.dead_stack)) {
        stack_give(w.dead_stack);
        w.dead_stack = NULL;
    }
}

/* To `to` (NULL: the root) from the current fiber; `leave`: for good. */
static void go(struct fiber *to, bool leave)
{
    struct fiber *from = w.current;
    if (to == from)
        return;
    w.current = to;
    ucontext_t *a = from ? &from->ctx : &w.root, *b = to ? &to->ctx : &w.root;
#ifdef SIM_ASAN
    void **save = from ? &from->fake_stack : &w.root_fake;
    const void *bottom = to ? to->stack : w.root_bottom;
    __sanitizer_start_switch_fiber(leave ? NULL : save, bottom, to ? STACK_BYTES : w.root_size);
#endif
    if (leave && from)
        w.dead_stack = from->stack;
    if (swapcontext(a, b) != 0)
        abort();
    arrived();
}

static void make_ready(struct fiber *f)
{
    f->state = FIBER_READY;
    f->deadline = SIM_FOR_EVER;
    w.ready[w.n_ready++] = f;
}

static void unready(struct fiber *f)
{
    for (unsigned i = 0; i < w.n_ready; i++) {
        if (w.ready[i] == f) {
            w.ready[i] = w.ready[--w.n_ready];
            return;
        }
    }
}

static void unlink_waiter(struct fiber *f)
{
    struct waitq *q = f->on;
    if (!q)
        return;
    *(f->prev ? &f->prev->next : &q->head) = f->next;
    *(f->next ? &f->next->prev : &q->tail) = f->prev;
    f->on = NULL;
    f->prev = f->next = NULL;
}

static void forget(struct fiber *f)
{
    for (unsigned i = 0; i < w.n_all; i++) {
        if (w.all[i] == f) {
            w.all[i] = w.all[--w.n_all];
            return;
        }
    }
}

static void wake_late(void)
{
    if (w.now < w.next_deadline)
        return;
    uint64_t next = SIM_FOR_EVER;
    for (unsigned i = 0; i < w.n_all; i++) {
        struct fiber *f = w.all[i];
        if (f->state != FIBER_WAITING)
            continue;
        if (f->deadline <= w.now) {
            unlink_waiter(f);
            f->timed_out = true;
            make_ready(f);
        } else if (f->deadline < next) {
            next = f->deadline;
        }
    }
    w.next_deadline = next;
}

static struct fiber *pick(void)
{
    unsigned best = 0;
    if (w.n_ready > 1 && w.policy == POLICY_RANDOM) {
        best = (unsigned)sim_chance_below(w.n_ready);
    } else if (w.n_ready > 1) {
        for (unsigned i = 1; i < w.n_ready; i++) {
            if (w.ready[i]->rank > w.ready[best]->rank)
                best = i;
        }
        if (sim_chance_one_in(16))
            w.ready[best]->rank = sim_chance_random() % 1000;
    }
    struct fiber *f = w.ready[best];
    w.ready[best] = w.ready[--w.n_ready];
    return f;
}

/* Run whoever is next. The current fiber was put where it belongs. */
static void dispatch(bool leave)
{
    w.now += 1 + sim_chance_random() % w.tick_ns;
    if (++w.switches > SWITCHES_MAX)
        sim_fail("livelock: %llu switches", (unsigned long long)w.switches);
    wake_late();
    while (w.n_ready == 0) { /* the next deadline may be of one that was woken before it */
        if (w.next_deadline == SIM_FOR_EVER)
            sim_fail("deadlock: every fiber waits for ever");
        w.now = w.next_deadline;
        if (w.now > TIME_MAX)
            sim_fail("virtual time runs away");
        wake_late();
    }
    struct fiber *f = pick();
    if (w.switches > SWITCHES_MAX - 40) /* who spins? */
        sim_trace("-> %s (fiber %llu)", f->name, (unsigned long long)f->id);
    sched_digest_add(f->id ^ w.now << 8);
    go(f, leave);
}

/* ---- fibers ---------------------------------------------------------------------------------- */

static void leave_for_good(enum fiber_state state)
{
    struct fiber *f = w.current;
    f->state = state;
    forget(f);
    waitq_wake_all(&f->joiners);
    dispatch(true);
    abort();
}

static void fiber_main(void)
{
    arrived();
    struct fiber *f = w.current;
    f->result = f->fn(f->arg);
    leave_for_good(FIBER_ENDED);
}

struct fiber *fiber_new(struct proc *p, const char *name, void *(*fn)(void *), void *arg)
{
    struct fiber *f = calloc(1, sizeof *f);
    if (!f || w.n_all == FIBERS_MAX)
        abort();
    f->id = ++w.ids;
    f->proc = p;
    f->fn = fn;
    f->arg = arg;
    f->rank = sim_chance_random() % 1000;
    snprintf(f->name, sizeof f->name, "%s", name);
    f->stack = stack_take();
    getcontext(&f->ctx);
    f->ctx.uc_stack.ss_sp = (char *)f->stack + 4096;
    f->ctx.uc_stack.ss_size = STACK_BYTES - 4096;
    f->ctx.uc_link = NULL;
    makecontext(&f->ctx, fiber_main, 0);
    w.all[w.n_all++] = f;
    make_ready(f);
    return f;
}

struct fiber *fiber_current(void)
{
    return w.current;
}

const char *fiber_name(const struct fiber *f)
{
    return f->name;
}

bool fiber_ended(const struct fiber *f)
{
    return f->state == FIBER_ENDED || f->state == FIBER_KILLED;
}

bool fiber_join(struct fiber *f, void **ret)
{
    while (!fiber_ended(f))
        waitq_wait(&f->joiners, SIM_FOR_EVER);
    if (ret)
        *ret = f->result;
    return f->state == FIBER_ENDED;
}

void sched_yield_now(void)
{
    if (!w.current || w.atomic > 0)
        return;
    w.ready[w.n_ready++] = w.current;
    dispatch(false);
}

void sched_sleep(uint64_t ns)
{
    struct waitq q = { .head = NULL };
    waitq_wait(&q, w.now + ns);
}

void sched_point(void)
{
    if (!w.current || w.atomic > 0)
        return;
    uint64_t r = sim_chance_random();
    if (r & w.yield_mask)
        return;
    r >>= 16;
    if (w.stall_in > 0 && r % w.stall_in == 0)
        sched_sleep(1000ull << sim_chance_below(16)); /* up to 32 ms: a thread that lags behind */
    else
        sched_yield_now();
}

void sched_atomic(bool on)
{
    w.atomic += on ? 1 : -1;
}

bool waitq_wait(struct waitq *q, uint64_t deadline_ns)
{
    struct fiber *f = w.current;
    f->state = FIBER_WAITING;
    f->timed_out = false;
    f->deadline = deadline_ns;
    if (deadline_ns < w.next_deadline)
        w.next_deadline = deadline_ns;
    f->on = q;
    f->prev = q->tail;
    f->next = NULL;
    *(q->tail ? &q->tail->next : &q->head) = f;
    q->tail = f;
    unsigned atomic = w.atomic;
    w.atomic = 0;
    dispatch(false);
    w.atomic = atomic;
    return !f->timed_out;
}

unsigned waitq_length(const struct waitq *q)
{
    unsigned n = 0;
    for (const struct fiber *f = q->head; f; f = f->next)
        n++;
    return n;
}

void waitq_wake_one(struct waitq *q)
{
    unsigned n = waitq_length(q);
    if (n == 0)
        return;
    uint64_t at = n > 1 ? sim_chance_below(n) : 0;
    struct fiber *f = q->head;
    while (at-- > 0)
        f = f->next;
    unlink_waiter(f);
    make_ready(f);
}

void waitq_wake_all(struct waitq *q)
{
    while (q->head) {
        struct fiber *f = q->head;
        unlink_waiter(f);
        make_ready(f);
    }
}

/* ---- processes ------------------------------------------------------------------------------- */

struct proc *proc_new(const char *name, int site)
{
    struct proc *p = calloc(1, sizeof *p);
    if (!p)
        abort();
    snprintf(p->name, sizeof p->name, "%s", name);
    p->site = site;
    return p;
}

bool proc_alive(const struct proc *p)
{
    return p && !p->dead;
}

int proc_site(const struct proc *p)
{
    return p->site;
}

struct proc *proc_current(void)
{
    return w.current ? w.current->proc : NULL;
}

void proc_kill(struct proc *p)
{
    p->dead = true;
    bool self = false;
    for (unsigned i = 0; i < w.n_all;) {
        struct fiber *f = w.all[i];
        if (f->proc != p) {
            i++;
            continue;
        }
        if (f == w.current) {
            self = true;
            i++;
            continue;
        }
        if (f->state == FIBER_READY)
            unready(f);
        unlink_waiter(f);
        f->state = FIBER_KILLED;
        waitq_wake_all(&f->joiners);
        stack_give(f->stack);
        forget(f);
    }
    if (self) {
        w.atomic = 0;
        leave_for_good(FIBER_KILLED);
    }
}

/* ---- the world ------------------------------------------------------------------------------- */

static void *first_main(void *arg)
{
    (void)arg;
    w.main_fn(w.main_arg);
    go(NULL, true);
    return NULL;
}

void sched_run(uint64_t seed, void (*fn)(void *arg), void *arg)
{
    w.seed = seed;
    sim_chance_init(seed);
    w.next_deadline = SIM_FOR_EVER;
    w.policy = sim_chance_one_in(3) ? POLICY_RANKED : POLICY_RANDOM;
    static const uint64_t masks[] = { 3, 7, 15, 31, 127 };
    w.yield_mask = masks[sim_chance_below(sizeof masks / sizeof masks[0])];
    static const uint64_t stalls[] = { 0, 0, 1000, 300, 50 };
    w.stall_in = stalls[sim_chance_below(sizeof stalls / sizeof stalls[0])];
    w.tick_ns = sim_chance_one_in(4) ? 20000 : 1000;
    w.main_fn = fn;
    w.main_arg = arg;
    fiber_new(NULL, "world", first_main, NULL);
    struct fiber *f = pick();
    go(f, false);
}
