// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "work/parallel.h"

#include "base/checked.h"
#include "work/limits.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

struct crew {
    size_t n;
    atomic_size_t next;
    void (*fn)(void *ctx, size_t i);
    void *ctx;
};

static void *hand(void *arg)
{
    struct crew *c = arg;
    for (size_t i; (i = atomic_fetch_add(&c->next, 1)) < c->n;)
        c->fn(c->ctx, i);
    return NULL;
}

void gw_parallel(size_t n, void (*fn)(void *ctx, size_t i), void *ctx)
{
    struct crew crew = { .n = n, .fn = fn, .ctx = ctx };
    pthread_t thread[GW_WORK_PARALLEL_MAX];
    size_t wanted = n > 1 ? GW_MIN(n - 1, (size_t)GW_WORK_PARALLEL_MAX - 1) : 0, started = 0;
    sigset_t all, before;
    sigfillset(&all); /* signals are for the threads that wait for them */
    pthread_sigmask(SIG_BLOCK, &all, &before);
    while (started < wanted && pthread_create(&thread[started], NULL, hand, &crew) == 0)
        started++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    hand(&crew);
    for (size_t i = 0; i < started; i++)
        pthread_join(thread[i], NULL);
}
