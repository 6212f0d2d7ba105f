// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Runs: an operation of a plan, carried out step by step so that any process may die at any moment.
 *
 *     gw_run_create(env, &run, err)         durable, at this site; nothing has happened yet
 *     gw_run_execute(env, id, &end, err)    in a thread of its own, until the run ends, goes to the
 *                                           other site, or the daemon stops
 *     gw_run_ask(env, id, &request, err)    a person's word: durable, taken at the next boundary
 *     gw_run_receive(env, message, ...)     what the other site asks of this one (run/receive.h)
 *     gw_run_resume_all(env, start, ...)    at the daemon's start
 *
 * The state of a run is its log (run/entry.h) and nothing else. The executor is a loop: read the
 * log, ask the pure decider (core/decide.h), do that one thing, append what came of it. A restart
 * is the ordinary case; there is no recovery code. One thread a run at a site: the caller sees to
 * that (gw_run_execute of one run from two threads is caught: -ESTALE leads to a look at the log
 * again, and an effect is preceded by an append; but waits would be double).
 *
 * Both sites hold the log. Only the coordinator writes; the other site's copy is brought up by
 * COPY messages. At the release NEW goes on from its copy: its first own entry is TAKEN_OVER, in
 * the next epoch. Where two sites wrote at the same place (a person overrode), the higher epoch
 * wins and the other's entries are set aside, not deleted.
 *
 * Epochs: a run begins with run.epoch. The caller gives the plan's present epoch for an operation
 * that the holder coordinates, and the next one for a failover. TAKEN_OVER and OVERRIDE take the
 * next. The store remembers the highest epoch of each plan; older messages are refused.
 *
 * The layer knows no JSON, SQL or HTTP: details and parameters are opaque text.
 */
#pragma once

#include "base/error.h"
#include "core/decide.h"
#include "run/entry.h"

#include <stdbool.h>
#include <stdint.h>

#define GW_RUN_ID_MAX 40u
#define GW_RUN_NAME_MAX 64u /* plans, sites, people; with the NUL */
#define GW_RUN_HASH_MAX 65u /* SHA-256 in hex */
#define GW_RUN_REASON_MAX 256u
#define GW_RUN_PARAMS_MAX 2048u
/* A peer that was silent is asked again after so long; waits are polled so often. */
#define GW_RUN_POLL_MS 1000u
/* A step here that waits (a first sync, mostly short) is looked at this often at first: */
#define GW_RUN_POLL_SOON_MS 100u
#define GW_RUN_POLLS_SOON 300u
/* A log that grows past this is a loop: the run is halted by refusing to append (-EFBIG). Persons'
 * retries count too; a run of 20 steps needs about 60. */
#define GW_RUN_ENTRIES_MAX 4000u
/* Entries in one COPY or PULL; more follow in the next. */
#define GW_RUN_COPY_MAX 64u

/* Fixed at creation, the same at both sites, covered by the log's hash chain. */
struct gw_run {
    char id[GW_RUN_ID_MAX];
    char plan[GW_RUN_NAME_MAX];
    enum gw_operation_id operation;
    char site[GW_RUN_SIDE_MAX][GW_RUN_NAME_MAX]; /* names of OLD and NEW */
    char requester[GW_RUN_NAME_MAX];
    char reason[GW_RUN_REASON_MAX];
    char plan_hash[GW_RUN_HASH_MAX]; /* pins the plan: edits apply to the next run */
    uint64_t epoch;
    uint64_t created_wall_ns;
    uint64_t start_wall_ns;    /* 0: now */
    uint64_t abort_by_wall_ns; /* 0: never. Passed before the point of no return: it goes back */
    uint32_t approvals;        /* persons needed; the requester never counts */
    bool dry_run;
    bool return_on_unhealthy;       /* failback.on_unhealthy: return */
    char supersedes[GW_RUN_ID_MAX]; /* "": none. Only where the operation allows it */
    char params[GW_RUN_PARAMS_MAX]; /* the caller's: recovery point, overrides, ... */
};

/* What a row about the run shows; derived from the log with each append. */
struct gw_run_row {
    enum gw_run_state state;
    enum gw_run_side coordinator;
    uint64_t epoch;
    uint32_t entries;
    uint32_t step;              /* index, or GW_NO_STEP */
    unsigned choices;           /* bits 1 << gw_choice */
    char why[GW_ERROR_MSG_MAX]; /* of a halt, a wait */
};

/*
 * Are two names the same person? What stands behind an '@' is where they were when they said it, or
 * their mail's domain, and upper case is a matter of taste: "anna", "Anna" and "anna@lisbon" are
 * one. Rather too often than once too few: four eyes are the point of it.
 */
bool gw_run_same_person(const char *a, const char *b);

/* A person's word. */
struct gw_run_request {
    uint64_t id; /* of the store, ascending; 0 before it is stored */
    enum gw_choice choice;
    char by[GW_RUN_NAME_MAX];
    char reason[GW_RUN_REASON_MAX];
};

/* What an effect, an undo or an observe says. */
enum gw_outcome {
    /* Effects and undos. FAILED of a ONCE step means: certainly not done. */
    GW_OUTCOME_DONE = 0,
    GW_OUTCOME_FAILED,
    GW_OUTCOME_WAITING, /* begun, and its observe will tell; observe: still waits */
    GW_OUTCOME_UNKNOWN, /* a time-out is this. Observes: cannot be seen now */
    /* Observes. */
    GW_OUTCOME_DESIRED,
    GW_OUTCOME_EARLIER, /* as before the step */
    GW_OUTCOME_NEITHER,
    GW_OUTCOME_MAX,
};
const char *gw_outcome_name(enum gw_outcome outcome);

struct gw_run_outcome {
    enum gw_outcome outcome;
    char detail[GW_RUN_DETAIL_MAX]; /* evidence: token, loss, hash of an output, the error's
                                       sentence */
};

/* What every effect is called with, and what a receiver checks (rule 4 of the executor). */
struct gw_run_call {
    const struct gw_run *run;
    const struct gw_operation *op;
    const struct gw_step *step;
    uint32_t index;   /* of the step */
    uint32_t attempt; /* of the effect or of the undo */
    uint64_t epoch;   /* of the coordinator */
    /* An effect before the point of no return ends what it waits for by then (boot time), and says
     * UNKNOWN, whatever time its step still has. 0: nothing presses. */
    uint64_t until_boot_ns;
    bool undo;
    bool dry;              /* change nothing */
    enum gw_run_side here; /* the side where it happens */
};
