// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The operations: what a run of each consists of, step after step.
 *
 *     const struct gw_operation *op = gw_operation_get(GW_OPERATION_FAILBACK);
 *     for (unsigned i = 0; i < op->n_steps; i++)
 *         ... op->steps[i].id ...
 *
 * A failback is a switchover whose NEW site is the plan's home: the same steps. Test, rehearsal and
 * reconcile are names without steps; gw_operation_get gives NULL for them.
 *
 * Pure data; any thread.
 */
#pragma once

#include "core/step.h"

#include <stdio.h>

enum gw_operation_id {
    GW_OPERATION_NONE = 0,
    GW_OPERATION_ACTIVATE,
    GW_OPERATION_DEACTIVATE,
    GW_OPERATION_SWITCHOVER,
    GW_OPERATION_FAILBACK,
    GW_OPERATION_FAILOVER,
    GW_OPERATION_REVERSE,
    GW_OPERATION_REVERT,
    GW_OPERATION_TEST,
    GW_OPERATION_REHEARSAL,
    GW_OPERATION_RECONCILE,
    GW_OPERATION_ID_MAX,
};

#define GW_OPERATION_STEPS_MAX 24u

struct gw_operation {
    enum gw_operation_id id;
    const char *title; /* one line for people */
    /* Who coordinates at the start: the holder; in a failover the standby. */
    enum gw_run_side starts;
    /* The other site may be lost: decisions are durable at one place if it is silent, and the log
     * says so. Else a decision waits for the other site. */
    bool alone_ok;
    /* May end the unfinished run of an older epoch (the run whose coordinator is lost). */
    bool supersedes;
    unsigned n_steps; /* at most GW_OPERATION_STEPS_MAX */
    const struct gw_step *steps;
};

const char *gw_operation_name(enum gw_operation_id id); /* "none", "activate", ... */
bool gw_operation_parse(const char *word, enum gw_operation_id *ret_id);
const struct gw_operation *gw_operation_get(enum gw_operation_id id); /* NULL: has no steps */
/* Index of the first step with that id, or n_steps. */
unsigned gw_operation_find(const struct gw_operation *op, enum gw_step_id id);
/* Index of the point of no return, or n_steps when there is none. */
unsigned gw_operation_ponr(const struct gw_operation *op);

/* All operations as Markdown tables, for docs and `godwitd --dump-operations`. */
void gw_operation_dump(FILE *out);
/* One operation in words, step by step: the generic runbook. */
void gw_operation_print_runbook(const struct gw_operation *op, FILE *out);
