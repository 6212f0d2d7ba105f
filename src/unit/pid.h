// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Which process is meant: a number alone is given to somebody else one day. Number, start time and
 * boot together are one process for ever.
 *
 * Threads: no state.
 */
#pragma once

#include "base/error.h"
#include "base/uuid.h"

#include <stddef.h>
#include <sys/types.h>

struct gw_pid {
    pid_t pid;
    uint64_t start_ticks; /* since boot, as in /proc/PID/stat */
    struct gw_uuid boot;
};

/* -ESRCH: there is no such process, or it has ended and is not waited for yet. */
int gw_pid_of(pid_t pid, struct gw_pid *ret, struct gw_error *err);
/* A pidfd of exactly this process: readable when it ends, and the only way to signal it. -ESRCH:
 * it has ended. */
int gw_pid_open(const struct gw_pid *id, int *ret_pidfd, struct gw_error *err);
/* Has it ended? */
bool gw_pid_ended(int pidfd);
/* 0, or -ESRCH when it has ended. */
int gw_pid_signal(int pidfd, int signal);

/* Start time of a line of /proc/PID/stat; false: it is none, or the process has ended. Pure. */
bool gw_pid_parse_stat(const char *text, size_t len, uint64_t *ret_start_ticks);
