// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * OP: the run that is on. One at a time; only a test makes way for a failover. What has to hold
 * for a run besides is in guard.c.
 */
#include "core/rows.h"

static const char *const value_names[GW_OPERATION_ID_MAX] = {
    /* as gw_operation_name() */
    [GW_OPERATION_NONE] = "none",
    [GW_OPERATION_ACTIVATE] = "activate",
    [GW_OPERATION_DEACTIVATE] = "deactivate",
    [GW_OPERATION_SWITCHOVER] = "switchover",
    [GW_OPERATION_FAILBACK] = "failback",
    [GW_OPERATION_FAILOVER] = "failover",
    [GW_OPERATION_REVERSE] = "reverse",
    [GW_OPERATION_REVERT] = "revert",
    [GW_OPERATION_TEST] = "test",
    [GW_OPERATION_REHEARSAL] = "rehearsal",
    [GW_OPERATION_RECONCILE] = "reconcile",
};

static const char *const event_names[GW_OP_EVENT_MAX] = {
    [GW_OP_BEGIN_ACTIVATE] = "begin activate",
    [GW_OP_BEGIN_DEACTIVATE] = "begin deactivate",
    [GW_OP_BEGIN_SWITCHOVER] = "begin switchover",
    [GW_OP_BEGIN_FAILOVER] = "begin failover",
    [GW_OP_BEGIN_REVERSE] = "begin reverse",
    [GW_OP_BEGIN_FAILBACK] = "begin failback",
    [GW_OP_BEGIN_REVERT] = "begin revert",
    [GW_OP_BEGIN_TEST] = "begin test",
    [GW_OP_BEGIN_REHEARSAL] = "begin rehearsal",
    [GW_OP_BEGIN_RECONCILE] = "begin reconcile",
    [GW_OP_CONVERT] = "convert",
    [GW_OP_END] = "end",
};

#define NO GW_OPERATION_NONE
#define MOVES IN2(GW_OPERATION_SWITCHOVER, GW_OPERATION_FAILBACK)
#define BESIDE IN2(GW_OPERATION_TEST, GW_OPERATION_REHEARSAL)
#define OTHERS                                                                                     \
    (IN3(GW_OPERATION_ACTIVATE, GW_OPERATION_DEACTIVATE, GW_OPERATION_FAILOVER) |                  \
     IN3(GW_OPERATION_REVERSE, GW_OPERATION_REVERT, GW_OPERATION_RECONCILE))
/* Runs whose coordinator may be at the site that a failover replaces. */
#define LOSABLE ((MOVES | OTHERS) & ~IN1(GW_OPERATION_FAILOVER))
#define RUNS (MOVES | BESIDE | OTHERS)

static const char one[] = "another run of this plan is on: see it with godwit run list; wait for "
                          "it, or cancel it";
static const char begins[] = "the run begins";
static const char not_active[] = "the plan is not activated: godwit plan activate {plan}";
static const char end_test[] = "a test is on: end it first, godwit test end {plan}";
static const char other_for_failover[] = "another run of this plan is on: cancel it first; if the "
                                         "site that leads it is lost, say so with "
                                         "--confirm-site-down";

/* An operation that needs nothing of OP but that no other is on, and an activated plan. */
#define BEGINS(event, value)                                                                       \
    ROW(IN1(NO), event, ACTIVATED, TO(value, RECORD, begins)),                                     \
        ROW(IN1(NO), event, ALWAYS, REFUSE(not_active)),                                           \
        ROW(MOVES | OTHERS, event, ALWAYS, REFUSE(one)),                                           \
        ROW(BESIDE, event, ALWAYS, REFUSE(end_test))

static const struct gw_life_row rows[] = {
    ROW(IN1(NO), GW_OP_BEGIN_ACTIVATE, NOT_ACTIVATED, TO(GW_OPERATION_ACTIVATE, RECORD, begins)),
    ROW(IN1(NO), GW_OP_BEGIN_ACTIVATE, ALWAYS, REFUSE("the plan is active already")),
    ROW(MOVES | OTHERS, GW_OP_BEGIN_ACTIVATE, ALWAYS, REFUSE(one)),
    ROW(BESIDE, GW_OP_BEGIN_ACTIVATE, ALWAYS, REFUSE(end_test)),

    BEGINS(GW_OP_BEGIN_DEACTIVATE, GW_OPERATION_DEACTIVATE),

    BEGINS(GW_OP_BEGIN_SWITCHOVER, GW_OPERATION_SWITCHOVER),

    ROW(IN1(NO), GW_OP_BEGIN_FAILOVER, ACTIVATED, TO(GW_OPERATION_FAILOVER, RECORD, begins)),
    ROW(IN1(NO), GW_OP_BEGIN_FAILOVER, ALWAYS, REFUSE(not_active)),
    ROW(BESIDE, GW_OP_BEGIN_FAILOVER, ACTIVATED,
        TO(GW_OPERATION_FAILOVER, END_TEST, "the test is torn down, and the failover begins")),
    ROW(BESIDE, GW_OP_BEGIN_FAILOVER, ALWAYS, REFUSE(not_active)),
    ROW(LOSABLE, GW_OP_BEGIN_FAILOVER, OVERRIDE,
        TO(GW_OPERATION_FAILOVER, RECORD,
           "the site that led the other run is lost: the failover takes its place")),
    ROW(LOSABLE, GW_OP_BEGIN_FAILOVER, ALWAYS, FORCE(other_for_failover)),
    ROW(IN1(GW_OPERATION_FAILOVER), GW_OP_BEGIN_FAILOVER, ALWAYS, REFUSE(one)),

    BEGINS(GW_OP_BEGIN_REVERSE, GW_OPERATION_REVERSE),

    BEGINS(GW_OP_BEGIN_FAILBACK, GW_OPERATION_FAILBACK),

    ROW(IN1(NO), GW_OP_BEGIN_REVERT, UNCOMMITTED, TO(GW_OPERATION_REVERT, RECORD, begins)),
    ROW(IN1(NO), GW_OP_BEGIN_REVERT, ALWAYS,
        REFUSE("no failover is open: there is nothing to revert; go back by reverse and failback")),
    ROW(MOVES | OTHERS, GW_OP_BEGIN_REVERT, ALWAYS, REFUSE(one)),
    ROW(BESIDE, GW_OP_BEGIN_REVERT, ALWAYS, REFUSE(end_test)),

    BEGINS(GW_OP_BEGIN_TEST, GW_OPERATION_TEST),

    BEGINS(GW_OP_BEGIN_REHEARSAL, GW_OPERATION_REHEARSAL),

    ROW(IN1(NO), GW_OP_BEGIN_RECONCILE, SPLIT_BRAIN, TO(GW_OPERATION_RECONCILE, RECORD, begins)),
    ROW(IN1(NO), GW_OP_BEGIN_RECONCILE, ALWAYS,
        REFUSE("the sites have one history: there is nothing to reconcile")),
    ROW(MOVES | OTHERS, GW_OP_BEGIN_RECONCILE, ALWAYS, REFUSE(one)),
    ROW(BESIDE, GW_OP_BEGIN_RECONCILE, ALWAYS, REFUSE(end_test)),

    ROW(MOVES, GW_OP_CONVERT, BEFORE_RETURN,
        TO(GW_OPERATION_FAILOVER, RECORD, "the old site is lost: the move becomes a failover")),
    ROW(MOVES, GW_OP_CONVERT, ALWAYS,
        REFUSE("the release may be made: the new site goes on, it does not start over")),
    ROW(IN1(NO), GW_OP_CONVERT, ALWAYS, NEVER("no run is on that could become a failover")),
    ROW(OTHERS | BESIDE, GW_OP_CONVERT, ALWAYS,
        REFUSE("only a switchover or a failback becomes a failover")),

    ROW(RUNS, GW_OP_END, ALWAYS, TO(NO, RECORD, "the run has ended")),
    ROW(IN1(NO), GW_OP_END, ALWAYS, NEVER("a run ended that nobody began")),
};

const struct gw_life_table gw_op_table = TABLE("op", "the run that is on");
