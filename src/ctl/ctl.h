// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * One run of godwit-ctl, and what its commands are made from.
 *
 * A command fills c->result (with --json it is printed, "ok" added) and, without --json, prints
 * something for people. It returns an exit code, or a negative errno value with c->err, which
 * becomes the exit code by ctl_exit_of. A non-zero exit code may come with a sentence in c->err.
 */
#pragma once

#include "base/cleanup.h"
#include "control/client.h"
#include "control/describe.h"
#include "ctl/args.h"
#include "ctl/out.h"

struct ctl {
    struct ctl_args args;
    bool json;
    bool asked; /* a request was handed to a process: some errors leave the outcome open */
    struct gw_error err;
    json_t *result;
};

/* The exit code of an error; which errno values are a guard's refusal is decided here. */
int ctl_exit_of(const struct ctl *c, int code);
/* c->err, and CTL_USAGE to return. */
int ctl_usage(struct ctl *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int ctl_no_memory(struct ctl *c); /* -ENOMEM, with its sentence */

/* The value of --socket or --dir. */
const char *ctl_socket(const struct ctl *c); /* NULL: not given */
const char *ctl_dir(const struct ctl *c);

#define CTL_TIMEOUT_MS_DEFAULT 10000u
#define CTL_TIMEOUT_MARGIN_MS 10000u /* what a process may need beyond the time it was given */

/* --timeout, or the default. */
int ctl_timeout(struct ctl *c, unsigned default_ms, unsigned *ret_ms);
/*
 * Send a request (taken over; NULL is lack of memory) to the process at --socket and wait for the
 * answer at most timeout_ms (0: for ever). An interruption from now on ends the program with
 * CTL_UNKNOWN; the request may still be carried out.
 */
int ctl_call(struct ctl *c, json_t *request, unsigned timeout_ms, json_t **ret);
/* ctl_call with --timeout or the default as the time for the answer. */
int ctl_ask(struct ctl *c, json_t *request, json_t **ret);
/* The process's status. */
int ctl_status(struct ctl *c, json_t **ret);
/* What an interruption means from now on: it ends the program with this code and sentence. */
void ctl_on_interrupt(int code, const char *sentence);

/* Open the plan at --dir; GW_PLAN_READ_ONLY works beside a running process. */
int ctl_plan_open(struct ctl *c, unsigned flags, struct gw_plan **ret);
static inline void ctl_cleanup_plan(struct gw_plan **p)
{
    gw_plan_close(*p);
}
#define CLEANUP_PLAN __attribute__((cleanup(ctl_cleanup_plan)))

/*
 * Before something that cannot be taken back: 0 with --yes, or when the plan's name was typed.
 * CTL_CANCELLED if another was, CTL_USAGE where there is no terminal to ask at.
 */
int ctl_confirm(struct ctl *c, const char *plan, const char *consequence);

/* A text that others will read (`what` names the argument): not blank, valid UTF-8, no control
 * characters, at most so many bytes. 0 or CTL_USAGE. */
int ctl_readable(struct ctl *c, const char *what, const char *text, size_t bytes_max);
/* --by, checked like that. */
int ctl_person(struct ctl *c, const char **ret);

/* All sound recovery points, oldest first; a damaged one makes err->code non-zero. */
json_t *ctl_points(const struct gw_meta *m, const char *dir, struct gw_error *err);
/* All kept undo files as gw_describe_undo says them, each with "damage" (text or null). */
json_t *ctl_undos(const struct gw_meta *m, const char *dir, struct gw_error *err);

/* Text for the terminal from the table of commands. */
void ctl_help_main(void);
void ctl_help_group(const char *group);
void ctl_help_command(const struct ctl_command *command);
