// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Crash points: their names, and the one of the environment at which this process ends. */
#include "engine/io.h"

#include "base/cleanup.h"
#include "base/log.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

const char *const gw_crash_points[] = {
#define X(name) name,
#include "engine/crashpoints.def"
#undef X
    NULL,
};

enum crash_state {
    CRASH_UNKNOWN, /* the environment was not looked at yet */
    CRASH_OFF,
    CRASH_ARMED,
};
static _Atomic int crash_state = CRASH_UNKNOWN;
static char crash_name[64];     /* valid when armed */
static _Atomic long crash_left; /* times that the point may still be reached */
static pthread_once_t crash_once = PTHREAD_ONCE_INIT;

static void crash_check_known(const char *name)
{
    for (const char *const *p = gw_crash_points; *p != NULL; p++) {
        if (strcmp(*p, name) == 0)
            return;
    }
    gw_log(GW_LOG_ERROR, "no crash point has the name \"%s\" (GODWIT_CRASH_POINT)", name);
    abort(); /* a fault test that never strikes would pass and prove nothing */
}

static void crash_init(void)
{
    const char *env = getenv("GODWIT_CRASH_POINT");
    if (env == NULL || env[0] == '\0') {
        atomic_store(&crash_state, CRASH_OFF);
        return;
    }
    long times = 1;
    const char *colon = strchr(env, ':');
    size_t len = colon != NULL ? (size_t)(colon - env) : strlen(env);
    if (colon != NULL) {
        char *end = NULL;
        times = strtol(colon + 1, &end, 10);
        if (end == colon + 1 || *end != '\0' || times < 1)
            len = sizeof crash_name; /* not a count: refuse the whole text as a name */
    }
    if (len >= sizeof crash_name)
        crash_check_known(env);
    else
        snprintf(crash_name, sizeof crash_name, "%.*s", (int)len, env);
    crash_check_known(crash_name);
    atomic_store(&crash_left, times);
    atomic_store(&crash_state, CRASH_ARMED);
}

void gw_crash_point_env(const char *name)
{
    int state = atomic_load_explicit(&crash_state, memory_order_acquire);
    if (state == CRASH_OFF)
        return;
    if (state == CRASH_UNKNOWN)
        pthread_once(&crash_once, crash_init);
    if (atomic_load(&crash_state) != CRASH_ARMED)
        return;
    crash_check_known(name);
    if (strcmp(name, crash_name) != 0 || atomic_fetch_sub(&crash_left, 1) != 1)
        return;
    kill(getpid(), SIGKILL);
    for (;;)
        pause(); /* nothing more may happen in this thread, whoever delivers the signal */
}
