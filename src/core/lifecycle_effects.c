// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The steps' meaning to the lifecycle, one row an event. */
#include "core/lifecycle_effects.h"

#include "base/checked.h"

#define LOOKS(op, id)                                                                              \
    {                                                                                              \
        .operation = GW_OPERATION_##op, .step = GW_STEP_##id                                       \
    }
#define AUTH(op, id, who, what)                                                                    \
    {                                                                                              \
        .operation = GW_OPERATION_##op, .step = GW_STEP_##id, .table = &gw_auth_table,             \
        .side = GW_SIDE_##who, .event = GW_AUTH_##what                                             \
    }
#define SVC(op, id, who, what)                                                                     \
    {                                                                                              \
        .operation = GW_OPERATION_##op, .step = GW_STEP_##id, .table = &gw_svc_table,              \
        .side = GW_SIDE_##who, .event = GW_SVC_##what                                              \
    }
#define REPL(op, id, what)                                                                         \
    {                                                                                              \
        .operation = GW_OPERATION_##op, .step = GW_STEP_##id, .table = &gw_repl_table,             \
        .event = GW_LIFE_REPL_##what                                                               \
    }
#define MAYBE_SVC(op, id, who, what)                                                               \
    {                                                                                              \
        .operation = GW_OPERATION_##op, .step = GW_STEP_##id, .table = &gw_svc_table,              \
        .side = GW_SIDE_##who, .event = GW_SVC_##what, .maybe = true                               \
    }
#define MAYBE_REPL(op, id, what)                                                                   \
    {                                                                                              \
        .operation = GW_OPERATION_##op, .step = GW_STEP_##id, .table = &gw_repl_table,             \
        .event = GW_LIFE_REPL_##what, .maybe = true                                                \
    }

static const struct gw_life_effect effects[] = {
    LOOKS(ACTIVATE, PRECHECK),
    AUTH(ACTIVATE, CREATE_HOME, OLD, CREATE),
    LOOKS(ACTIVATE, CREATE_DR),
    LOOKS(ACTIVATE, START_STANDBY),
    SVC(ACTIVATE, SERVE, OLD, START),
    REPL(ACTIVATE, SERVE, SEED),
    SVC(ACTIVATE, START, OLD, HEALTHY),
    LOOKS(ACTIVATE, REPORT),

    LOOKS(DEACTIVATE, PRECHECK),
    SVC(DEACTIVATE, STOP, OLD, STOP),
    SVC(DEACTIVATE, QUIESCE, OLD, QUIESCE),
    SVC(DEACTIVATE, OFF_SOURCE, OLD, ENDED),
    REPL(DEACTIVATE, OFF_SOURCE, STOP),
    LOOKS(DEACTIVATE, OFF_REPLICA),
    LOOKS(DEACTIVATE, REPORT),

    LOOKS(SWITCHOVER, PRECHECK),
    LOOKS(SWITCHOVER, FORECAST),
    LOOKS(SWITCHOVER, NOTIFY),
    SVC(SWITCHOVER, STOP, OLD, STOP),
    SVC(SWITCHOVER, QUIESCE, OLD, QUIESCE),
    LOOKS(SWITCHOVER, FINAL_SYNC),
    LOOKS(SWITCHOVER, EQUAL),
    AUTH(SWITCHOVER, HANDOVER, OLD, RELEASE),
    REPL(SWITCHOVER, HANDOVER, STOP),
    SVC(SWITCHOVER, DEMOTE, OLD, ENDED),
    AUTH(SWITCHOVER, PROMOTE, NEW, TAKE_HOME),
    REPL(SWITCHOVER, PROMOTE, TURN),
    SVC(SWITCHOVER, SERVE, NEW, START),
    SVC(SWITCHOVER, START, NEW, HEALTHY),
    LOOKS(SWITCHOVER, VERIFY),
    LOOKS(SWITCHOVER, ROUTE),
    LOOKS(SWITCHOVER, FOLLOW),
    REPL(SWITCHOVER, REVERSE_OK, FOLLOW_ASYNC),
    LOOKS(SWITCHOVER, REPORT),

    LOOKS(FAILOVER, PRECHECK),
    LOOKS(FAILOVER, NOTIFY),
    MAYBE_SVC(FAILOVER, REVOKE, OLD, FENCE), /* a person's word fences nothing */
    LOOKS(FAILOVER, ESTIMATE),
    AUTH(FAILOVER, PROMOTE, NEW, SEIZE_HOME),
    REPL(FAILOVER, PROMOTE, TURN),
    SVC(FAILOVER, SERVE, NEW, START),
    SVC(FAILOVER, START, NEW, HEALTHY),
    LOOKS(FAILOVER, VERIFY),
    LOOKS(FAILOVER, ROUTE),
    LOOKS(FAILOVER, REPORT),

    LOOKS(REVERSE, PRECHECK),
    LOOKS(REVERSE, DATA_CHECK),
    MAYBE_SVC(REVERSE, FOLLOW, NEW, FENCE), /* it comes back as a replica, and not cleared */
    MAYBE_REPL(REVERSE, ASSESS, DIVERGE),
    MAYBE_REPL(REVERSE, ASSESS, SIGN),
    SVC(REVERSE, ASSESS, NEW, CLEAR),
    REPL(REVERSE, SYNC, COPY),
    REPL(REVERSE, SYNC, FOLLOW_ASYNC),
    LOOKS(REVERSE, REPORT),

    LOOKS(REVERT, PRECHECK),
    SVC(REVERT, STOP, OLD, STOP),
    SVC(REVERT, KEEP, OLD, FENCE),
    REPL(REVERT, KEEP, STOP),
    AUTH(REVERT, PROMOTE, NEW, SEIZE_HOME),
    REPL(REVERT, PROMOTE, TURN),
    MAYBE_SVC(REVERT, PROMOTE, NEW, CLEAR),
    SVC(REVERT, SERVE, NEW, START),
    SVC(REVERT, START, NEW, HEALTHY),
    LOOKS(REVERT, VERIFY),
    LOOKS(REVERT, REPORT),
};

const struct gw_life_effect *gw_life_effect(unsigned i)
{
    return i < GW_ARRAY_SIZE(effects) ? &effects[i] : NULL;
}

static bool has_two_labels(unsigned event)
{
    return event == GW_AUTH_TAKE_HOME || event == GW_AUTH_SEIZE_HOME ||
           event == GW_AUTH_RECLAIM_HOME || event == GW_AUTH_LEARN_HOME;
}

_Static_assert(GW_AUTH_TAKE_DR == GW_AUTH_TAKE_HOME + 1 &&
                   GW_AUTH_SEIZE_DR == GW_AUTH_SEIZE_HOME + 1,
               "the event of dr follows that of home");

unsigned gw_life_effect_event(const struct gw_life_effect *e, enum gw_label new_label)
{
    if (e->table != &gw_auth_table || !has_two_labels(e->event))
        return e->event;
    enum gw_label who = e->side == GW_SIDE_NEW ? new_label : gw_label_other(new_label);
    return e->event + (who == GW_LABEL_DR ? 1 : 0);
}
