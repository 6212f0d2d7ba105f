// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * What everything in this layer is told by its caller: the environment of commands, how to stop,
 * whom to tell about children. Shared by all threads of one call, and not changed during it.
 */
#pragma once

#include "base/error.h"
#include "work/child.h"

struct gw_work {
    int stop_fd;            /* -1: none (stop.h) */
    const char *const *env; /* of every command: hook.h makes it; may be NULL */
    /*
     * A command is about to run: make the record durable (child.h). `what` names it: "start of
     * \"pg\"", "hook pre_failback of \"web\"". Not called for what only looks (status commands,
     * health checks). A failure keeps the command from running. May be NULL. Called from several
     * threads at once, as is `child_ended`.
     */
    int (*child_started)(void *ctx, const char *what, const struct gw_child_record *record,
                         struct gw_error *err);
    /* It has ended: for the log and the evidence. Called for each that child_started has seen. */
    void (*child_ended)(void *ctx, const char *what, const struct gw_child_result *result);
    void *ctx;
};

#define GW_WORK_NONE ((struct gw_work){ .stop_fd = -1 })
