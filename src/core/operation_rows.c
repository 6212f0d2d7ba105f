// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The tables of the operations. A row: id, place, class, what a failure means, and by name what is
 * not as usual (a probe in a dry run, no retries, nothing to undo, no wait).
 */
#include "core/operation.h"

#include "base/checked.h"

#include <stddef.h>

#define S 1000u
#define MIN (60u * S)
#define HOUR (60u * MIN)

#define STEP(ID, PLACE, CLASS, FAILURE, TIMEOUT_MS, TARGET_MS, ...)                                \
    {                                                                                              \
        .id = GW_STEP_##ID, .place = GW_PLACE_##PLACE, .class = GW_CLASS_##CLASS,                  \
        .on_failure = GW_FAILURE_##FAILURE, .timeout_ms = (TIMEOUT_MS), .target_ms = (TARGET_MS),  \
        __VA_ARGS__                                                                                \
    }
#define PROBE .dry = GW_DRY_PROBE
#define SKIP .dry = GW_DRY_SKIP
#define UNDO .undo = true
#define TRIES(n) .retries = (n)

/* Until the release, taken back by OLD. From there on NEW goes forward. A failback is the same. */
static const struct gw_step switchover[] = {
    STEP(PRECHECK, COORD, IDEMPOTENT, REVERT, 1 * MIN, 2 * S),
    STEP(FORECAST, COORD, IDEMPOTENT, REVERT, 1 * MIN, 1 * S),
    STEP(NOTIFY, OLD, ONCE, REVERT, 10 * MIN, 5 * S, SKIP, .flags = GW_STEP_SKIPPABLE),
    STEP(STOP, OLD, IDEMPOTENT, REVERT, 5 * MIN, 15 * S, PROBE, UNDO),
    STEP(QUIESCE, OLD, IDEMPOTENT, REVERT, 30 * S, 1 * S, PROBE, UNDO),
    STEP(FINAL_SYNC, OLD, IDEMPOTENT, REVERT, 2 * MIN, 5 * S, PROBE),
    STEP(EQUAL, OLD, IDEMPOTENT, REVERT, 1 * MIN, 1 * S, SKIP),
    STEP(HANDOVER, OLD, ONCE, REVERT, 30 * S, 1 * S, SKIP, UNDO, .flags = GW_STEP_PONR),
    STEP(DEMOTE, OLD, IDEMPOTENT, CONTINUE, 5 * S, 1 * S, PROBE),
    STEP(PROMOTE, NEW, OBSERVE, HALT, 2 * MIN, 2 * S, PROBE, TRIES(1), .flags = GW_STEP_ASKS_PEER),
    STEP(SERVE, NEW, IDEMPOTENT, HALT, 1 * MIN, 2 * S, PROBE, TRIES(2)),
    STEP(START, NEW, IDEMPOTENT, HALT, 15 * MIN, 30 * S, PROBE, TRIES(1),
         .flags = GW_STEP_SKIPPABLE | GW_STEP_HEALTH),
    STEP(VERIFY, NEW, OBSERVE, HALT, 10 * MIN, 10 * S, SKIP,
         .flags = GW_STEP_SKIPPABLE | GW_STEP_HEALTH),
    STEP(ROUTE, NEW, IDEMPOTENT, HALT, 2 * MIN, 5 * S, PROBE, TRIES(2), .flags = GW_STEP_SKIPPABLE),
    STEP(FOLLOW, OLD, IDEMPOTENT, HALT, 2 * MIN, 5 * S, PROBE, TRIES(2),
         .flags = GW_STEP_SKIPPABLE | GW_STEP_ON_RETURN),
    STEP(REVERSE_OK, NEW, IDEMPOTENT, HALT, 0, 30 * S, SKIP, .wait = GW_WAIT_SYNC,
         .flags = GW_STEP_SKIPPABLE | GW_STEP_ON_RETURN),
    STEP(REPORT, COORD, IDEMPOTENT, HALT, 1 * MIN, 1 * S, TRIES(2),
         .flags = GW_STEP_SKIPPABLE | GW_STEP_ON_RETURN),
};

static const struct gw_step activate[] = {
    STEP(PRECHECK, COORD, IDEMPOTENT, REVERT, 1 * MIN, 2 * S),
    STEP(CREATE_HOME, OLD, OBSERVE, REVERT, 2 * MIN, 2 * S, PROBE),
    STEP(CREATE_DR, NEW, OBSERVE, REVERT, 2 * MIN, 2 * S, PROBE),
    STEP(START_STANDBY, NEW, IDEMPOTENT, REVERT, 1 * MIN, 2 * S, PROBE, UNDO, TRIES(1)),
    STEP(SERVE, OLD, IDEMPOTENT, REVERT, 1 * MIN, 2 * S, PROBE, UNDO, TRIES(1)),
    STEP(START, OLD, IDEMPOTENT, HALT, 15 * MIN, 30 * S, PROBE, UNDO, TRIES(1),
         .flags = GW_STEP_SKIPPABLE),
    STEP(REPORT, COORD, IDEMPOTENT, HALT, 1 * MIN, 1 * S, TRIES(2), .flags = GW_STEP_SKIPPABLE),
};

static const struct gw_step deactivate[] = {
    STEP(PRECHECK, COORD, IDEMPOTENT, REVERT, 1 * MIN, 2 * S),
    STEP(STOP, OLD, IDEMPOTENT, REVERT, 5 * MIN, 15 * S, PROBE, UNDO),
    STEP(QUIESCE, OLD, IDEMPOTENT, REVERT, 30 * S, 1 * S, PROBE, UNDO),
    STEP(OFF_SOURCE, OLD, IDEMPOTENT, REVERT, 1 * MIN, 2 * S, PROBE, UNDO, TRIES(1)),
    STEP(OFF_REPLICA, NEW, IDEMPOTENT, HALT, 1 * MIN, 2 * S, PROBE, UNDO, TRIES(1),
         .flags = GW_STEP_SKIPPABLE),
    STEP(REPORT, COORD, IDEMPOTENT, HALT, 1 * MIN, 1 * S, TRIES(2), .flags = GW_STEP_SKIPPABLE),
};

static const struct gw_step failover[] = {
    STEP(PRECHECK, COORD, IDEMPOTENT, REVERT, 1 * MIN, 2 * S),
    STEP(NOTIFY, NEW, ONCE, HALT, 10 * MIN, 5 * S, SKIP, .flags = GW_STEP_SKIPPABLE),
    STEP(REVOKE, NEW, IDEMPOTENT, HALT, 1 * MIN, 5 * S, PROBE, UNDO, TRIES(1),
         .flags = GW_STEP_UNDO_AT_PEER),
    STEP(ESTIMATE, NEW, IDEMPOTENT, HALT, 30 * S, 1 * S, TRIES(1), .flags = GW_STEP_SKIPPABLE),
    STEP(PROMOTE, NEW, OBSERVE, HALT, 10 * MIN, 5 * S, PROBE, UNDO, TRIES(1),
         .flags = GW_STEP_ASKS_PEER),
    STEP(SERVE, NEW, IDEMPOTENT, HALT, 1 * MIN, 2 * S, PROBE, UNDO, TRIES(2)),
    STEP(START, NEW, IDEMPOTENT, HALT, 15 * MIN, 30 * S, PROBE, UNDO, TRIES(1),
         .flags = GW_STEP_SKIPPABLE),
    STEP(VERIFY, NEW, OBSERVE, HALT, 10 * MIN, 10 * S, SKIP, .flags = GW_STEP_SKIPPABLE),
    STEP(ROUTE, NEW, IDEMPOTENT, HALT, 2 * MIN, 5 * S, PROBE, TRIES(2),
         .flags = GW_STEP_PONR | GW_STEP_SKIPPABLE),
    STEP(REPORT, COORD, IDEMPOTENT, HALT, 1 * MIN, 1 * S, TRIES(2), .flags = GW_STEP_SKIPPABLE),
};

static const struct gw_step reverse[] = {
    STEP(PRECHECK, COORD, IDEMPOTENT, REVERT, 1 * MIN, 2 * S),
    STEP(DATA_CHECK, OLD, IDEMPOTENT, HALT, 1 * HOUR, 1 * MIN, SKIP, .flags = GW_STEP_SKIPPABLE),
    STEP(FOLLOW, NEW, IDEMPOTENT, HALT, 2 * MIN, 5 * S, PROBE, UNDO, TRIES(2)),
    STEP(ASSESS, OLD, IDEMPOTENT, HALT, 0, 1 * MIN, SKIP, .wait = GW_WAIT_SIGNATURE),
    STEP(SYNC, OLD, IDEMPOTENT, HALT, 0, 10 * MIN, SKIP, .wait = GW_WAIT_SYNC),
    STEP(REPORT, COORD, IDEMPOTENT, HALT, 1 * MIN, 1 * S, TRIES(2), .flags = GW_STEP_SKIPPABLE),
};

static const struct gw_step revert[] = {
    STEP(PRECHECK, COORD, IDEMPOTENT, REVERT, 1 * MIN, 2 * S),
    STEP(STOP, OLD, IDEMPOTENT, REVERT, 5 * MIN, 15 * S, PROBE, UNDO),
    STEP(KEEP, OLD, IDEMPOTENT, REVERT, 5 * MIN, 5 * S, PROBE, UNDO),
    STEP(PROMOTE, NEW, OBSERVE, HALT, 2 * MIN, 2 * S, PROBE, TRIES(1),
         .flags = GW_STEP_PONR | GW_STEP_ASKS_PEER),
    STEP(SERVE, NEW, IDEMPOTENT, HALT, 1 * MIN, 2 * S, PROBE, TRIES(2)),
    STEP(START, NEW, IDEMPOTENT, HALT, 15 * MIN, 30 * S, PROBE, TRIES(1),
         .flags = GW_STEP_SKIPPABLE),
    STEP(VERIFY, NEW, OBSERVE, HALT, 10 * MIN, 10 * S, SKIP, .flags = GW_STEP_SKIPPABLE),
    STEP(REPORT, COORD, IDEMPOTENT, HALT, 1 * MIN, 1 * S, TRIES(2), .flags = GW_STEP_SKIPPABLE),
};

#define OPERATION(ID, STEPS, ...)                                                                  \
    [GW_OPERATION_##ID] = {                                                                        \
        .id = GW_OPERATION_##ID, .steps = (STEPS), .n_steps = GW_ARRAY_SIZE(STEPS), __VA_ARGS__    \
    }

static const struct gw_operation operations[GW_OPERATION_ID_MAX] = {
    OPERATION(ACTIVATE, activate,
              .title = "protect: begin to replicate the plan's volumes to the standby",
              .starts = GW_SIDE_OLD),
    OPERATION(DEACTIVATE, deactivate,
              .title = "stop the services and end the replication of the plan",
              .starts = GW_SIDE_OLD),
    OPERATION(SWITCHOVER, switchover,
              .title = "move the service to the other site, in order, with nothing lost",
              .starts = GW_SIDE_OLD),
    OPERATION(FAILBACK, switchover, .title = "bring the service home, in order, with nothing lost",
              .starts = GW_SIDE_OLD),
    OPERATION(FAILOVER, failover,
              .title = "the standby takes over: the active site is lost or declared lost",
              .starts = GW_SIDE_NEW, .alone_ok = true, .supersedes = true),
    OPERATION(REVERSE, reverse,
              .title = "replicate the other way: bring the returning site up to date",
              .starts = GW_SIDE_OLD),
    OPERATION(REVERT, revert, .title = "take a failover back that has not been routed",
              .starts = GW_SIDE_OLD),
};

const struct gw_operation *gw_operation_get(enum gw_operation_id id)
{
    return (unsigned)id < GW_OPERATION_ID_MAX && operations[id].n_steps > 0 ? &operations[id]
                                                                            : NULL;
}
