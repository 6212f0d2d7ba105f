// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Inside the layer: a command of a plan, with what struct gw_work says about children applied. */
#pragma once

#include "work/env.h"
#include "work/work.h"

struct gw_work_command {
    const char *what; /* "start of \"pg\"" */
    const char *const *argv;
    const struct gw_env *env; /* beside that of struct gw_work; may be NULL */
    unsigned timeout_ms;
    bool only_looks; /* not put on record */
};

/* As gw_child_run. */
int gw_command_run(const struct gw_work_command *c, const struct gw_work *w,
                   struct gw_child_result *ret, struct gw_error *err);

/* 0: exit code 0. Else the sentence says what happened, and: -ETIMEDOUT, -ECANCELED (the effect is
 * unknown), -EIO (it said no, or was killed), or why it could not be started. */
int gw_command_must(const struct gw_work_command *c, const struct gw_work *w, struct gw_error *err);
/* The same of a result that is there already. */
int gw_command_verdict(const char *what, const struct gw_child_result *result,
                       struct gw_error *err);

/* What is left until the deadline, in ms, at least 1 (0 would mean the default). */
unsigned gw_left_ms(uint64_t deadline_ns);
/* Is it complete? "start is missing" */
int gw_argv_check(const char *const *argv, const char *name, struct gw_error *err);
