// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "run/at_work.h"

#include "base/cleanup.h"
#include "run/run.h"

#include <stdio.h>
#include <string.h>

/* Effects at the same time in one daemon: one a plan. */
#define AT_WORK_MAX 1024u

struct gw_run_at_work {
    pthread_mutex_t mu;
    char run[AT_WORK_MAX][GW_RUN_ID_MAX]; /* "" is free */
};

struct gw_run_at_work *gw_run_at_work_new(void)
{
    struct gw_run_at_work *w = calloc(1, sizeof *w);
    if (!w)
        abort();
    pthread_mutex_init(&w->mu, NULL);
    return w;
}

void gw_run_at_work_free(struct gw_run_at_work *w)
{
    if (w)
        pthread_mutex_destroy(&w->mu);
    free(w);
}

/* The place of that run, or NULL. */
static char *place(struct gw_run_at_work *w, const char *run)
{
    for (unsigned i = 0; i < AT_WORK_MAX; i++)
        if (strncmp(w->run[i], run, GW_RUN_ID_MAX) == 0)
            return w->run[i];
    return NULL;
}

bool gw_run_at_work_enter(struct gw_run_at_work *w, const char *run)
{
    LOCK_SCOPE(&w->mu);
    char *free_place = place(w, run) ? NULL : place(w, "");
    if (free_place)
        snprintf(free_place, GW_RUN_ID_MAX, "%s", run);
    return free_place != NULL;
}

void gw_run_at_work_leave(struct gw_run_at_work *w, const char *run)
{
    LOCK_SCOPE(&w->mu);
    char *p = place(w, run);
    if (p)
        p[0] = '\0';
}
