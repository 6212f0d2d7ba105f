// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "base/cleanup.h"
#include "unit/dataport.h"
#include "unit/dataport_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct gw_probes {
    void (*probe)(void *arg, int fd);
    void *arg;
    pthread_t thread;
    pthread_mutex_t mu; /* guards the rest */
    pthread_cond_t cv;
    bool stop;
    int waiting[GW_DATAPORT_PROBES_MAX];
    unsigned n;
    int now_fd; /* a second descriptor of the one being answered, to cut it off; -1 */
};

/* The callee is plain code: calls that block, and end by themselves. */
static void make_blocking(int fd)
{
    const struct timeval limit = { .tv_sec = GW_DATAPORT_PROBE_MS / 1000 };

    fcntl(fd, F_SETFL, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

static void *probes_main(void *arg)
{
    struct gw_probes *p = arg;

    pthread_mutex_lock(&p->mu);
    for (;;) {
        while (!p->stop && p->n == 0)
            pthread_cond_wait(&p->cv, &p->mu);
        if (p->stop)
            break;
        int fd = p->waiting[0];
        p->n--;
        for (unsigned i = 0; i < p->n; i++)
            p->waiting[i] = p->waiting[i + 1];
        p->now_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
        pthread_mutex_unlock(&p->mu);
        make_blocking(fd);
        p->probe(p->arg, fd);
        pthread_mutex_lock(&p->mu);
        if (p->now_fd >= 0)
            close(p->now_fd);
        p->now_fd = -1;
    }
    pthread_mutex_unlock(&p->mu);
    return NULL;
}

int gw_probes_new(void (*probe)(void *arg, int fd), void *arg, struct gw_probes **ret,
                  struct gw_error *err)
{
    struct gw_probes *p = calloc(1, sizeof *p);

    if (p == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory for probes");
    p->probe = probe;
    p->arg = arg;
    p->now_fd = -1;
    pthread_mutex_init(&p->mu, NULL);
    pthread_cond_init(&p->cv, NULL);
    int r = pthread_create(&p->thread, NULL, probes_main, p);
    if (r != 0) {
        pthread_cond_destroy(&p->cv);
        pthread_mutex_destroy(&p->mu);
        free(p);
        return gw_error_errno(err, -r, "no thread for probes");
    }
    *ret = p;
    return 0;
}

bool gw_probes_put(struct gw_probes *p, int fd)
{
    LOCK_SCOPE(&p->mu);
    if (p->n == GW_DATAPORT_PROBES_MAX)
        return false;
    p->waiting[p->n++] = fd;
    pthread_cond_signal(&p->cv);
    return true;
}

void gw_probes_free(struct gw_probes *p)
{
    if (p == NULL)
        return;
    pthread_mutex_lock(&p->mu);
    p->stop = true;
    if (p->now_fd >= 0)
        shutdown(p->now_fd, SHUT_RDWR);
    pthread_cond_signal(&p->cv);
    pthread_mutex_unlock(&p->mu);
    pthread_join(p->thread, NULL);
    while (p->n > 0)
        close(p->waiting[--p->n]);
    pthread_cond_destroy(&p->cv);
    pthread_mutex_destroy(&p->mu);
    free(p);
}
