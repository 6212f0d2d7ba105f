// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Starting one process of a unit, detached (rules U1, U2 of unit/unit.h).
 *
 *     parent                                child
 *     flock PLAN.lock
 *     fork                                  new session, own descriptors, lock kept
 *     record: pid, start time, boot         waits for the word
 *     record durable, says the word   --->  exec; or, if the parent is gone, ends
 *     reads why exec failed, or its end
 *
 * Threads: no state; any thread may call. The child is the caller's process's; who waits for it is
 * unit/unit.c's business.
 */
#pragma once

#include "unit/record.h"

struct gw_launch {
    const char *dir; /* STATE/units */
    const char *plan;
    enum gw_unit_kind kind;
    char *const *argv, *const *env; /* env: in addition to ours, replacing what is there */
    const char *control;
    const char *nbd; /* NULL, or a socket to remove before */
    uint64_t command_hash;
};

/* DIR/PLAN.SUFFIX. -ENAMETOOLONG. */
int gw_unit_file(const char *dir, const char *plan, const char *suffix, char ret[PATH_MAX],
                 struct gw_error *err);
uint64_t gw_unit_command_hash(enum gw_unit_kind kind, char *const *argv, char *const *env);

/* -EBUSY: somebody holds the plan's lock. Others: nothing runs. */
int gw_launch(const struct gw_launch *l, struct gw_unit_record *ret_record, int *ret_pidfd,
              struct gw_error *err);
/* Take the plan's lock for ourselves, to close again: -EBUSY: a process of the plan lives. */
int gw_unit_lock(const char *dir, const char *plan, int *ret_fd, struct gw_error *err);
