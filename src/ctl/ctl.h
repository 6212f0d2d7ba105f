// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * What the commands of godwit-ctl are made from, beside term/term.h: processes behind their control
 * sockets, and plan directories.
 */
#pragma once

#include "base/cleanup.h"
#include "control/client.h"
#include "control/describe.h"
#include "ctl/command.h"
#include "term/out.h"
#include "term/progress.h"
#include "term/term.h"

/* The exit code of an error; which errno values are a guard's refusal is decided here. */
int ctl_exit_of(const struct gw_term *c, int code);
/* {"ok":false,...} */
json_t *ctl_error_json(const struct gw_term *c);

/* The value of --socket or --dir. */
const char *ctl_socket(const struct gw_term *c); /* NULL: not given */
const char *ctl_dir(const struct gw_term *c);

#define CTL_TIMEOUT_MS_DEFAULT 10000u
#define CTL_TIMEOUT_MARGIN_MS 10000u /* what a process may need beyond the time it was given */

/* --timeout, or the default. */
int ctl_timeout(struct gw_term *c, unsigned default_ms, unsigned *ret_ms);
/*
 * Send a request (taken over; NULL is lack of memory) to the process at --socket and wait for the
 * answer at most timeout_ms (0: for ever). An interruption from now on ends the program with
 * GW_EXIT_UNKNOWN; the request may still be carried out.
 */
int ctl_call(struct gw_term *c, json_t *request, unsigned timeout_ms, json_t **ret);
/* ctl_call with --timeout or the default as the time for the answer. */
int ctl_ask(struct gw_term *c, json_t *request, json_t **ret);
/* The process's status. */
int ctl_status(struct gw_term *c, json_t **ret);

/* Open the plan at --dir; GW_PLAN_READ_ONLY works beside a running process. */
int ctl_plan_open(struct gw_term *c, unsigned flags, struct gw_plan **ret);
static inline void ctl_cleanup_plan(struct gw_plan **p)
{
    gw_plan_close(*p);
}
#define CLEANUP_PLAN __attribute__((cleanup(ctl_cleanup_plan)))

/* --by, checked by gw_term_readable. */
int ctl_person(struct gw_term *c, const char **ret);

/* All sound recovery points, oldest first; a damaged one makes err->code non-zero. */
json_t *ctl_points(const struct gw_meta *m, const char *dir, struct gw_error *err);
/* All kept undo files as gw_describe_undo says them, each with "damage" (text or null). */
json_t *ctl_undos(const struct gw_meta *m, const char *dir, struct gw_error *err);
