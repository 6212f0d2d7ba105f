// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "http/workers.h"

#include "base/cleanup.h"

#include <errno.h>
#include <stdlib.h>

struct gw_http_workers {
    gw_http_job_fn *fn;
    unsigned threads_max, waiting_max;
    pthread_mutex_t lock; /* innermost; all below */
    pthread_cond_t changed;
    struct gw_http_job *first, **last;
    unsigned waiting, idle, n_threads;
    bool stopping;
    pthread_t threads[];
};

int gw_http_workers_new(unsigned threads_max, unsigned waiting_max, gw_http_job_fn *fn,
                        struct gw_http_workers **ret, struct gw_error *err)
{
    struct gw_http_workers *w = calloc(1, sizeof *w + threads_max * sizeof w->threads[0]);
    if (w == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory for threads");
    w->fn = fn;
    w->threads_max = threads_max;
    w->waiting_max = waiting_max;
    w->last = &w->first;
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->changed, NULL);
    *ret = w;
    return 0;
}

/* The next job, or NULL at the end. Under the lock. */
static struct gw_http_job *take(struct gw_http_workers *w)
{
    w->idle++;
    while (w->first == NULL && !w->stopping)
        pthread_cond_wait(&w->changed, &w->lock);
    w->idle--;
    struct gw_http_job *job = w->first;
    if (job == NULL)
        return NULL;
    w->first = job->next;
    if (w->first == NULL)
        w->last = &w->first;
    w->waiting--;
    return job;
}

static void *worker_main(void *arg)
{
    struct gw_http_workers *w = arg;
    for (;;) {
        pthread_mutex_lock(&w->lock);
        struct gw_http_job *job = take(w);
        bool stopped = w->stopping;
        pthread_mutex_unlock(&w->lock);
        if (job == NULL)
            return NULL;
        w->fn(job, stopped);
    }
}

bool gw_http_workers_submit(struct gw_http_workers *w, struct gw_http_job *job)
{
    LOCK_SCOPE(&w->lock);
    if (w->stopping)
        return false;
    /* One that is idle may already have been promised to a job that waits. */
    if (w->idle <= w->waiting && w->n_threads < w->threads_max &&
        pthread_create(&w->threads[w->n_threads], NULL, worker_main, w) == 0)
        w->n_threads++;
    else if (w->n_threads == 0 || (w->idle <= w->waiting && w->waiting >= w->waiting_max + w->idle))
        return false;
    job->next = NULL;
    *w->last = job;
    w->last = &job->next;
    w->waiting++;
    pthread_cond_signal(&w->changed);
    return true;
}

void gw_http_workers_stop(struct gw_http_workers *w)
{
    pthread_mutex_lock(&w->lock);
    w->stopping = true;
    pthread_cond_broadcast(&w->changed);
    unsigned n = w->n_threads;
    pthread_mutex_unlock(&w->lock);
    for (unsigned i = 0; i < n; i++)
        pthread_join(w->threads[i], NULL);
    w->n_threads = 0;
}

void gw_http_workers_free(struct gw_http_workers *w)
{
    if (w == NULL)
        return;
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->lock);
    free(w);
}
