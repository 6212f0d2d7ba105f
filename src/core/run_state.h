// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The states of a run, and what each kind of log entry does to them: one table, every pair in it.
 *
 *   WAITING_APPROVAL -> SCHEDULED -> RUNNING <-> WAITING          -> DONE
 *                                    |  |  \--> CANCELLING        -> CANCELLED
 *                                    |  \-----> REVERTING         -> REVERTED | FAILED
 *                                    |--> IN_DOUBT --> before
 *                                    \--> HALTED ----> before     -> ABORTED
 *
 * An entry of the step log is the only event there is: the state of a run is the fold of its log,
 * so that two sites with the same log say the same. A pair is one of a state        it goes there
 *   KEPT           it stays
 *   BEFORE         back to the state in which it halted, or doubt began
 *   REFUSED        a person asked for what does not fit now; nothing is written
 *   IMPOSSIBLE     no executor of ours writes this: the log is damaged, or of a newer version
 *
 * Pure; any thread.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

enum gw_run_state {
    GW_RUN_NEW = 0, /* no entry yet */
    GW_RUN_WAITING_APPROVAL,
    GW_RUN_SCHEDULED,
    GW_RUN_RUNNING,
    GW_RUN_WAITING, /* a step has begun and waits: for bytes, for a signature */
    GW_RUN_CANCELLING,
    GW_RUN_REVERTING,
    GW_RUN_HALTED,
    GW_RUN_IN_DOUBT, /* of the point of no return: neither side serves until it is resolved */
    GW_RUN_DONE,
    GW_RUN_FAILED, /* nothing had to be taken back */
    GW_RUN_CANCELLED,
    GW_RUN_REVERTED,
    GW_RUN_ABORTED, /* a person ended it as it stands, or a newer run took its place */
    GW_RUN_STATE_MAX,
};

/* What the log is made of (docs of each: gw_entry_kind_sentence). */
enum gw_entry_kind {
    GW_ENTRY_CREATED = 0,
    GW_ENTRY_APPROVED, /* by a person */
    GW_ENTRY_READY,    /* approvals complete, its time has not come */
    GW_ENTRY_STARTED,
    GW_ENTRY_INTENT, /* durable before the effect */
    GW_ENTRY_DONE,   /* outcomes: */
    GW_ENTRY_FAILED,
    GW_ENTRY_UNKNOWN,
    GW_ENTRY_NOTHING,   /* observed, or certain: the effect has not happened */
    GW_ENTRY_NEITHER,   /* observed: neither the earlier state nor the desired one */
    GW_ENTRY_WAITING,   /* begun; its observe says when it is through */
    GW_ENTRY_CONTINUED, /* failed, and the run goes on without it */
    GW_ENTRY_SKIPPED,   /* by a person */
    GW_ENTRY_RETRY,     /* by a person */
    GW_ENTRY_RESUME,    /* by a person */
    GW_ENTRY_CANCEL,    /* decision to go back: asked for by a person, or abort-by */
    GW_ENTRY_REVERT,    /* decision to go back: a step failed, or a person at a halt */
    GW_ENTRY_UNDO,      /* intent of taking a step back */
    GW_ENTRY_UNDONE,
    GW_ENTRY_UNDO_FAILED,
    GW_ENTRY_UNDO_SKIPPED, /* by a person */
    GW_ENTRY_HALT,
    GW_ENTRY_DOUBT,
    GW_ENTRY_CLEAR,      /* doubt is over */
    GW_ENTRY_OVERRIDE,   /* by a person: resolves a doubt */
    GW_ENTRY_TAKEN_OVER, /* NEW coordinates from here on, in the next epoch */
    GW_ENTRY_ALONE,   /* the decisions so far are durable at one place only: the peer is silent */
    GW_ENTRY_GIVE_UP, /* unhealthy at NEW, policy `return`: only what a switch back needs follows */
    GW_ENTRY_REFUSED, /* a person's request that was refused, and why */
    GW_ENTRY_END_DONE,
    GW_ENTRY_END_FAILED,
    GW_ENTRY_END_CANCELLED,
    GW_ENTRY_END_REVERTED,
    GW_ENTRY_ABORT,      /* by a person, at a halt */
    GW_ENTRY_SUPERSEDED, /* a run of a newer epoch took its place */
    GW_ENTRY_KIND_MAX,
};

enum gw_run_edge {
    GW_EDGE_TO = 0,
    GW_EDGE_KEPT,
    GW_EDGE_BEFORE,
    GW_EDGE_REFUSED,
    GW_EDGE_IMPOSSIBLE,
    GW_RUN_EDGE_MAX,
};

struct gw_run_next {
    enum gw_run_edge edge;
    enum gw_run_state to; /* TO: the state; KEPT: `from`; else GW_RUN_STATE_MAX */
    const char *sentence; /* for the operator, or why not */
};

/* Total: every state and kind below their MAX has a row. */
struct gw_run_next gw_run_next(enum gw_run_state from, enum gw_entry_kind kind);

const char *gw_run_state_name(enum gw_run_state state); /* "HALTED" */
bool gw_run_state_parse(const char *word, enum gw_run_state *ret_state);
const char *gw_run_state_sentence(enum gw_run_state state);
const char *gw_entry_kind_name(enum gw_entry_kind kind); /* "intent" */
bool gw_entry_kind_parse(const char *word, enum gw_entry_kind *ret_kind);
const char *gw_entry_kind_sentence(enum gw_entry_kind kind);

/* The whole table as Markdown: a row an entry, a column a state. */
void gw_run_state_dump(FILE *out);

static inline bool gw_run_state_ended(enum gw_run_state state)
{
    return state >= GW_RUN_DONE && state < GW_RUN_STATE_MAX;
}
