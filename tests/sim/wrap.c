// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * What the engine asks of the C library, answered by the simulated world: the linker turns each
 * call of NAME into __wrap_NAME (meson.build lists them). The engine's objects are the shipped
 * ones.
 *
 * A mutex or condition variable keeps its state in the memory that the engine gave it, so that it
 * dies with its process. Zeros are an unlocked mutex, and a condition variable nobody waits on.
 */
#include "fibers.h"
#include "simdisk.h"
#include "simnet.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MONOTONIC_BASE_NS (1000ull * SIM_NS_PER_S)

struct mutex {
    struct fiber *owner;
    struct waitq waiters;
};
_Static_assert(sizeof(struct mutex) <= sizeof(pthread_mutex_t), "fits");
_Static_assert(sizeof(struct waitq) <= sizeof(pthread_cond_t), "fits");

static struct mutex *mutex_of(pthread_mutex_t *m)
{
    return (struct mutex *)(void *)m;
}

static struct waitq *cond_of(pthread_cond_t *c)
{
    return (struct waitq *)(void *)c;
}

int __wrap_pthread_mutex_init(pthread_mutex_t *m, const pthread_mutexattr_t *a);
int __wrap_pthread_mutex_destroy(pthread_mutex_t *m);
int __wrap_pthread_mutex_lock(pthread_mutex_t *m);
int __wrap_pthread_mutex_trylock(pthread_mutex_t *m);
int __wrap_pthread_mutex_unlock(pthread_mutex_t *m);
int __wrap_pthread_cond_init(pthread_cond_t *c, const pthread_condattr_t *a);
int __wrap_pthread_cond_destroy(pthread_cond_t *c);
int __wrap_pthread_cond_wait(pthread_cond_t *c, pthread_mutex_t *m);
int __wrap_pthread_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m, const struct timespec *t);
int __wrap_pthread_cond_signal(pthread_cond_t *c);
int __wrap_pthread_cond_broadcast(pthread_cond_t *c);
int __wrap_pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*fn)(void *), void *arg);
int __wrap_pthread_join(pthread_t t, void **ret);
int __wrap_clock_gettime(clockid_t id, struct timespec *ts);
int __wrap_eventfd(unsigned value, int flags);
ssize_t __wrap_write(int fd, const void *buf, size_t len);
int __wrap_close(int fd);
int __wrap_symlink(const char *target, const char *name);
char *__wrap_realpath(const char *path, char *resolved);
char *__wrap___realpath_chk(const char *path, char *resolved, size_t len);
ssize_t __real_write(int fd, const void *buf, size_t len);
int __real_close(int fd);

int __wrap_pthread_mutex_init(pthread_mutex_t *m, const pthread_mutexattr_t *a)
{
    (void)a;
    memset(m, 0, sizeof *m);
    return 0;
}

int __wrap_pthread_mutex_destroy(pthread_mutex_t *m)
{
    if (mutex_of(m)->owner || mutex_of(m)->waiters.head)
        sim_fail("a mutex is destroyed while it is in use");
    return 0;
}

static void take(struct mutex *m)
{
    if (m->owner == fiber_current() && m->owner)
        sim_fail("a thread locks a mutex that it holds");
    while (m->owner)
        waitq_wait(&m->waiters, SIM_FOR_EVER);
    m->owner = fiber_current();
}

static void drop(struct mutex *m)
{
    if (m->owner != fiber_current())
        sim_fail("a thread unlocks a mutex that it does not hold");
    m->owner = NULL;
    waitq_wake_one(&m->waiters);
}

int __wrap_pthread_mutex_lock(pthread_mutex_t *m)
{
    sched_point();
    take(mutex_of(m));
    return 0;
}

int __wrap_pthread_mutex_trylock(pthread_mutex_t *m)
{
    sched_point();
    if (mutex_of(m)->owner)
        return EBUSY;
    take(mutex_of(m));
    return 0;
}

int __wrap_pthread_mutex_unlock(pthread_mutex_t *m)
{
    drop(mutex_of(m));
    sched_point();
    return 0;
}

int __wrap_pthread_cond_init(pthread_cond_t *c, const pthread_condattr_t *a)
{
    (void)a;
    memset(c, 0, sizeof *c);
    return 0;
}

int __wrap_pthread_cond_destroy(pthread_cond_t *c)
{
    if (cond_of(c)->head)
        sim_fail("a condition variable is destroyed while '%s' waits on it",
                 fiber_name(cond_of(c)->head));
    return 0;
}

static int cond_wait(pthread_cond_t *c, pthread_mutex_t *m, uint64_t deadline)
{
    if (sim_chance_one_in(256)) { /* POSIX allows it */
        drop(mutex_of(m));
        sched_yield_now();
        take(mutex_of(m));
        return 0;
    }
    drop(mutex_of(m));
    bool woken = waitq_wait(cond_of(c), deadline);
    take(mutex_of(m));
    return woken ? 0 : ETIMEDOUT;
}

int __wrap_pthread_cond_wait(pthread_cond_t *c, pthread_mutex_t *m)
{
    return cond_wait(c, m, SIM_FOR_EVER);
}

int __wrap_pthread_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m, const struct timespec *t)
{
    uint64_t ns = (uint64_t)t->tv_sec * SIM_NS_PER_S + (uint64_t)t->tv_nsec;
    return cond_wait(c, m, ns - MONOTONIC_BASE_NS);
}

int __wrap_pthread_cond_signal(pthread_cond_t *c)
{
    waitq_wake_one(cond_of(c));
    return 0;
}

int __wrap_pthread_cond_broadcast(pthread_cond_t *c)
{
    waitq_wake_all(cond_of(c));
    return 0;
}

int __wrap_pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*fn)(void *), void *arg)
{
    (void)a;
    struct fiber *f = fiber_new(proc_current(), fiber_name(fiber_current()), fn, arg);
    memcpy(t, &f, sizeof f);
    sched_point();
    return 0;
}

int __wrap_pthread_join(pthread_t t, void **ret)
{
    struct fiber *f;
    memcpy(&f, &t, sizeof f);
    fiber_join(f, ret);
    return 0;
}

int __wrap_clock_gettime(clockid_t id, struct timespec *ts)
{
    (void)id;
    uint64_t ns = sched_now() + MONOTONIC_BASE_NS;
    ts->tv_sec = (time_t)(ns / SIM_NS_PER_S);
    ts->tv_nsec = (long)(ns % SIM_NS_PER_S);
    return 0;
}

/* ---- event descriptors, the volumes' links --------------------------------------------------- */

int __wrap_eventfd(unsigned value, int flags)
{
    (void)value;
    (void)flags;
    return simnet_event_new();
}

ssize_t __wrap_write(int fd, const void *buf, size_t len)
{
    if (!simnet_is_event(fd))
        return __real_write(fd, buf, len);
    simnet_event_set(fd);
    return (ssize_t)len;
}

int __wrap_close(int fd)
{
    if (!simnet_is_event(fd))
        return __real_close(fd);
    return 0;
}

/* Names in a simulated disk are their own real path, and a link is a second name. */
int __wrap_symlink(const char *target, const char *name)
{
    return simdisk_link(proc_site(proc_current()), target, name) ? 0 : -1;
}

char *__wrap_realpath(const char *path, char *resolved)
{
    memmove(resolved, path, strlen(path) + 1);
    return resolved;
}

char *__wrap___realpath_chk(const char *path, char *resolved, size_t len)
{
    return strlen(path) < len ? __wrap_realpath(path, resolved) : NULL;
}
