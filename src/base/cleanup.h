// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Scope cleanup: CLEANUP_FREE char *p = NULL; LOCK_SCOPE(&mutex); CLEANUP_CLOSE int fd = -1; */
#pragma once

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

static inline void gw_cleanup_free(void *pp)
{
    free(*(void **)pp);
}

static inline void gw_cleanup_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static inline void gw_cleanup_unlock(pthread_mutex_t **m)
{
    pthread_mutex_unlock(*m);
}

static inline pthread_mutex_t *gw_lock(pthread_mutex_t *m)
{
    pthread_mutex_lock(m);
    return m;
}

#define CLEANUP_FREE __attribute__((cleanup(gw_cleanup_free)))
#define CLEANUP_CLOSE __attribute__((cleanup(gw_cleanup_close)))
#define GW_CAT2(a, b) a##b
#define GW_CAT(a, b) GW_CAT2(a, b)
#define LOCK_SCOPE(m)                                                                              \
    __attribute__((cleanup(gw_cleanup_unlock), unused)) pthread_mutex_t *GW_CAT(                   \
        gw_lock_, __LINE__) = gw_lock(m)
