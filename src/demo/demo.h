// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * godwit demo: two sites on this machine, a failover, and the way home by delta; told as a story,
 * with every claim checked. Two stories: an application under a plan of two godwitd (shop.h), and
 * the data plane alone (world.h).
 *
 * It drives the shipped programs (godwitd and godwit, resp. nbdkit with the plugin, godwit-replica
 * and godwit-ctl) and holds no second implementation of anything they do. It needs no privilege and
 * leaves nothing behind.
 */
#pragma once

#include <stdbool.h>

struct demo_options {
    bool engine;          /* the data plane alone, without godwitd */
    bool sync;            /* sync mode: home is killed without the cut, and nothing may be lost */
    bool json;            /* results on standard output as JSON; the story goes to standard error */
    bool keep;            /* leave the directory */
    double seconds;       /* how long each part of life with writes lasts */
    const char *dir;      /* NULL: a new private one */
    const char *programs; /* NULL: beside this executable, or installed */
};
#define DEMO_SECONDS_DEFAULT 4.0
#define DEMO_SECONDS_FAST 0.5
#define DEMO_SECONDS_MAX 20.0

/* The exit code: 0 only if every check held; 130 when interrupted. */
int demo_run(const struct demo_options *options);
