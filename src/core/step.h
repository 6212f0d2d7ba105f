// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * One step of an operation, as data: where it happens, what may be assumed after a crash, what
 * takes it back, and the words for whoever reads the runbook at night.
 *
 * The tables of operations are in core/operation.h. Who does a step is not here: the executor
 * (layer run) calls a world that knows the sites. A step is named by its id; the same id in two
 * operations is the same work at another place (`start` at OLD in activate, at NEW in a
 * switchover), so an effect looks at {id, place}. Names are stable: they are on disk and in hooks'
 * environment.
 *
 * Pure data and lookups; any thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum gw_step_id {
    GW_STEP_PRECHECK = 0, /* the guards of the operation, at both sites as far as they answer */
    GW_STEP_CREATE_HOME,
    GW_STEP_CREATE_DR,
    GW_STEP_START_STANDBY, /* the replica's process at NEW, before anything serves */
    GW_STEP_FORECAST,
    GW_STEP_NOTIFY, /* contacts; hooks pre_failback, pre_failover */
    GW_STEP_STOP,   /* workloads, descending priority */
    GW_STEP_QUIESCE,
    GW_STEP_FINAL_SYNC,
    GW_STEP_EQUAL,
    GW_STEP_HANDOVER, /* the durable release */
    GW_STEP_DEMOTE,   /* the released source's process off */
    GW_STEP_REVOKE,
    GW_STEP_ESTIMATE,
    GW_STEP_PROMOTE,
    GW_STEP_SERVE, /* the source's process on */
    GW_STEP_START, /* workloads, ascending priority, health gated */
    GW_STEP_VERIFY,
    GW_STEP_ROUTE,
    GW_STEP_FOLLOW, /* the replica's process on at the site that is not active */
    GW_STEP_REVERSE_OK,
    GW_STEP_DATA_CHECK,
    GW_STEP_ASSESS,
    GW_STEP_SYNC,
    GW_STEP_KEEP,        /* what DR wrote is kept, and DR steps back */
    GW_STEP_OFF_SOURCE,  /* deactivate: the source's process at OLD */
    GW_STEP_OFF_REPLICA, /* deactivate: the replica's process at NEW */
    GW_STEP_REPORT,
    GW_STEP_ID_MAX,
};

/* Sides of a run. OLD is active when the run starts; NEW shall be active, or shall be brought up.
 */
enum gw_run_side {
    GW_SIDE_OLD = 0,
    GW_SIDE_NEW = 1,
    GW_RUN_SIDE_MAX,
};

enum gw_step_place {
    GW_PLACE_OLD = 0,
    GW_PLACE_NEW,
    GW_PLACE_COORD, /* whoever coordinates at that moment */
    GW_STEP_PLACE_MAX,
};

/*
 * What a crash between intent and outcome allows. In all three the step's observe is asked first.
 *   IDEMPOTENT  doing it again is the same as having done it once
 *   OBSERVE     may be done again only when the earlier state has been seen
 *   ONCE        is never begun a second time, whoever asks
 */
enum gw_step_class {
    GW_CLASS_IDEMPOTENT = 0,
    GW_CLASS_OBSERVE,
    GW_CLASS_ONCE,
    GW_STEP_CLASS_MAX,
};

/* When it failed and its retries are used up. REVERT after the point of no return is HALT. */
enum gw_step_failure {
    GW_FAILURE_REVERT = 0, /* take back what was done, in reverse order */
    GW_FAILURE_HALT,       /* a person decides */
    GW_FAILURE_CONTINUE,   /* recorded; the next step goes on (a later step makes up for it) */
    GW_STEP_FAILURE_MAX,
};

/* What an effect may wait for once it has begun. The wait has no time limit of its own. */
enum gw_step_wait {
    GW_WAIT_NONE = 0,
    GW_WAIT_SYNC,      /* bytes to copy: progress is shown */
    GW_WAIT_SIGNATURE, /* a named person signs the divergent tail */
    GW_STEP_WAIT_MAX,
};

enum gw_step_dry {
    GW_DRY_RUN = 0, /* changes nothing: done as in a real run */
    GW_DRY_PROBE,   /* only its observe */
    GW_DRY_SKIP,    /* passed over, and said so */
    GW_STEP_DRY_MAX,
};

enum gw_step_flag {
    /* The point of no return. Passed when the outcome is DONE if the step is ONCE (the durable
     * release), else already with the intent (clients may have come). */
    GW_STEP_PONR = 1 << 0,
    GW_STEP_SKIPPABLE = 1 << 1, /* a person may skip it when the run is halted */
    GW_STEP_ASKS_PEER = 1 << 2, /* a redo first asks the peer whether the run is still its own */
    /* A switch back needs it too (on_unhealthy: return). Without the flag it is passed over then.
     */
    GW_STEP_ON_RETURN = 1 << 3,
    GW_STEP_HEALTH = 1 << 4,       /* its failure means: the workload is not healthy at NEW */
    GW_STEP_UNDO_AT_PEER = 1 << 5, /* taking it back works only with the other site */
};

struct gw_step {
    enum gw_step_id id;
    enum gw_step_place place;
    enum gw_step_class class;
    enum gw_step_failure on_failure;
    enum gw_step_wait wait;
    enum gw_step_dry dry;
    unsigned flags;   /* enum gw_step_flag */
    bool undo;        /* there is something to take back; must be idempotent ("make sure that") */
    unsigned retries; /* after a failure, without asking; 0 for ONCE */
    uint64_t timeout_ms; /* how long it may take, and how long a silent site is waited for */
    uint64_t target_ms;  /* what the runbook promises; they add up to the RTO */
};

/* Words of a step, for log, runbook and documentation. Never NULL; undo is "" where there is none.
 */
struct gw_step_text {
    const char *title;    /* "stop the services" */
    const char *does;     /* what it does */
    const char *expected; /* what is true afterwards */
    const char *verify;   /* how to see that with one's own eyes */
    const char *if_fails; /* what to do */
    const char *undo;     /* what taking it back does */
};

const char *gw_step_name(enum gw_step_id id); /* "final_sync" */
bool gw_step_parse(const char *word, enum gw_step_id *ret_step);
const struct gw_step_text *gw_step_text(enum gw_step_id id);
const char *gw_run_side_name(enum gw_run_side side);       /* "old", "new" */
const char *gw_step_place_name(enum gw_step_place place);  /* "OLD", "NEW", "COORD" */
const char *gw_step_class_name(enum gw_step_class class);  /* "idempotent", ... */
const char *gw_step_failure_name(enum gw_step_failure on); /* "revert", ... */
const char *gw_step_wait_name(enum gw_step_wait wait);     /* "none", "sync", "signature" */
const char *gw_step_dry_name(enum gw_step_dry dry);        /* "run", ... */
