// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Which guards a request has. Firm ones keep an invariant; a forceable one is about what a person
 * may take on: a longer outage, a red check, a site that nobody can ask.
 */
#include "core/guard_rows.h"

#include "base/checked.h"

#define FIRM(g)                                                                                    \
    {                                                                                              \
        GW_GUARD_##g, GW_GUARD_FIRM                                                                \
    }
#define CAN(g)                                                                                     \
    {                                                                                              \
        GW_GUARD_##g, GW_GUARD_CAN_FORCE                                                           \
    }
#define WAITS(g)                                                                                   \
    {                                                                                              \
        GW_GUARD_##g, GW_GUARD_CAN_WAIT                                                            \
    }

static const struct gw_guard_row activate[] = {
    FIRM(NOT_RETIRED),    FIRM(NOT_ACTIVATED),  FIRM(NO_OTHER_RUN),
    FIRM(MEMORY_CURRENT), FIRM(PEER_REACHABLE), FIRM(PLANS_EQUAL),
    FIRM(DRIVERS_KNOWN),  CAN(PLAN_CHECKED),    CAN(ROOM),
    CAN(CERTIFICATES),    CAN(CLOCKS),
};
/* It stops the service, so that a lost standby must not be in its way. */
static const struct gw_guard_row deactivate[] = {
    FIRM(NOT_RETIRED), FIRM(ACTIVATED),     FIRM(NO_OTHER_RUN),  FIRM(NO_SPLIT_BRAIN),
    CAN(NOT_HELD),     CAN(MEMORY_CURRENT), CAN(PEER_REACHABLE),
};
static const struct gw_guard_row switchover[] = {
    FIRM(NOT_RETIRED),
    FIRM(ACTIVATED),
    FIRM(NO_OTHER_RUN),
    FIRM(NOT_HELD),
    FIRM(MEMORY_CURRENT),
    FIRM(NO_SPLIT_BRAIN),
    FIRM(HOLDER_KNOWN),
    FIRM(NOT_ACTIVE_THERE),
    FIRM(COMMITTED),
    FIRM(PEER_REACHABLE),
    FIRM(LINK_UP),
    FIRM(PLANS_EQUAL),
    FIRM(TAIL_SIGNED),
    FIRM(SYNCED_SINCE_CHANGE),
    FIRM(STANDBY_CONSISTENT),
    FIRM(DRIVERS_KNOWN),
    CAN(LAG_IN_BUDGET),
    CAN(PREFLIGHT),
    CAN(SERVICE_HEALTHY),
    CAN(CLOCKS),
    CAN(WITNESS),
    WAITS(APPROVED),
};
static const struct gw_guard_row failback[] = {
    FIRM(NOT_RETIRED),
    FIRM(ACTIVATED),
    FIRM(NO_OTHER_RUN),
    FIRM(NOT_HELD),
    FIRM(MEMORY_CURRENT),
    FIRM(NO_SPLIT_BRAIN),
    FIRM(HOLDER_KNOWN),
    FIRM(ACTIVE_AT_DR),
    FIRM(COMMITTED),
    FIRM(PEER_REACHABLE),
    FIRM(LINK_UP),
    FIRM(PLANS_EQUAL),
    FIRM(TAIL_SIGNED),
    FIRM(SYNCED_SINCE_CHANGE),
    FIRM(STANDBY_CONSISTENT),
    FIRM(DRIVERS_KNOWN),
    CAN(LAG_IN_BUDGET),
    CAN(PREFLIGHT),
    CAN(SERVICE_HEALTHY),
    CAN(CLOCKS),
    CAN(WITNESS),
    CAN(IN_WINDOW),
    WAITS(APPROVED),
};
/* With the active site gone most things cannot be asked: a person takes that on, by name. */
static const struct gw_guard_row failover[] = {
    FIRM(NOT_RETIRED),      FIRM(ACTIVATED),      CAN(NOT_ACTIVE_THERE),
    FIRM(ASKED_AT_STANDBY), FIRM(NO_SPLIT_BRAIN), FIRM(STANDBY_CONSISTENT),
    CAN(OLD_STOPPED),       CAN(OLD_SILENT),      CAN(NO_OTHER_RUN),
    CAN(NOT_HELD),          CAN(MEMORY_CURRENT),  CAN(TAIL_SIGNED),
    CAN(PREFLIGHT),         CAN(DRIVERS_KNOWN),   CAN(WITNESS),
    WAITS(APPROVED),
};
static const struct gw_guard_row reverse[] = {
    FIRM(NOT_RETIRED),    FIRM(ACTIVATED),    FIRM(NO_OTHER_RUN),   FIRM(MEMORY_CURRENT),
    FIRM(NO_SPLIT_BRAIN), FIRM(HOLDER_KNOWN), FIRM(NOT_FOLLOWING),  FIRM(PEER_REACHABLE),
    FIRM(PLANS_EQUAL),    CAN(NOT_HELD),      CAN(SERVICE_HEALTHY), CAN(ROOM),
    CAN(PREFLIGHT),       CAN(CLOCKS),
};
static const struct gw_guard_row revert[] = {
    FIRM(NOT_RETIRED),  FIRM(ACTIVATED),      FIRM(NO_OTHER_RUN),   FIRM(FAILOVER_OPEN),
    FIRM(BEFORE_ROUTE), FIRM(MEMORY_CURRENT), FIRM(NO_SPLIT_BRAIN), FIRM(PEER_REACHABLE),
    CAN(NOT_HELD),      CAN(PREFLIGHT),       WAITS(APPROVED),
};
static const struct gw_guard_row commit[] = {
    FIRM(NOT_RETIRED),   FIRM(ACTIVATED), FIRM(NO_OTHER_RUN),
    FIRM(FAILOVER_OPEN), CAN(NOT_HELD),   CAN(SERVICE_HEALTHY),
};
static const struct gw_guard_row adopt[] = {
    FIRM(NOT_RETIRED),    FIRM(ACTIVATED),   FIRM(NO_OTHER_RUN),
    FIRM(MEMORY_CURRENT), FIRM(COMMITTED),   FIRM(ACTIVE_AT_DR),
    FIRM(PEER_REACHABLE), FIRM(PLANS_EQUAL), CAN(NOT_HELD),
};
static const struct gw_guard_row hold[] = { FIRM(NOT_RETIRED), FIRM(NOT_HELD) };
static const struct gw_guard_row release[] = { FIRM(NOT_RETIRED), FIRM(HELD),
                                               FIRM(PEER_REACHABLE) };
/* A run has its plan pinned: an edit during one is for the next. */
static const struct gw_guard_row plan_edit[] = {
    FIRM(NOT_RETIRED),     FIRM(MEMORY_CURRENT), FIRM(PEER_REACHABLE),
    FIRM(VERSION_CURRENT), FIRM(NO_SPLIT_BRAIN), CAN(PLAN_CHECKED),
};
static const struct gw_guard_row plan_delete[] = {
    FIRM(NOT_RETIRED), FIRM(NOT_ACTIVATED), FIRM(NO_OTHER_RUN), FIRM(NOT_HELD), CAN(PEER_REACHABLE),
};
static const struct gw_guard_row volume_add[] = {
    FIRM(NOT_RETIRED),     FIRM(NO_OTHER_RUN), FIRM(MEMORY_CURRENT), FIRM(PEER_REACHABLE),
    FIRM(VERSION_CURRENT), FIRM(PLANS_EQUAL),  FIRM(NO_SPLIT_BRAIN), CAN(ROOM),
};
static const struct gw_guard_row volume_grow[] = {
    FIRM(NOT_RETIRED),    FIRM(NO_OTHER_RUN),    FIRM(MEMORY_CURRENT),
    FIRM(PEER_REACHABLE), FIRM(VERSION_CURRENT), FIRM(PLANS_EQUAL),
    FIRM(NO_SPLIT_BRAIN), FIRM(SIZE_GROWS),      CAN(ROOM),
};
static const struct gw_guard_row volume_remove[] = {
    FIRM(NOT_RETIRED),     FIRM(NO_OTHER_RUN), FIRM(MEMORY_CURRENT), FIRM(PEER_REACHABLE),
    FIRM(VERSION_CURRENT), FIRM(PLANS_EQUAL),  FIRM(NO_SPLIT_BRAIN), FIRM(VOLUME_UNUSED),
};
static const struct gw_guard_row site_replace[] = {
    FIRM(NOT_RETIRED),  FIRM(NO_OTHER_RUN),  FIRM(NOT_THE_ACTIVE),
    FIRM(NAMED_PERSON), CAN(NO_SPLIT_BRAIN),
};
static const struct gw_guard_row divergence_sign[] = {
    FIRM(NOT_RETIRED),
    FIRM(TAIL_WAITS),
    FIRM(NAMED_PERSON),
};
static const struct gw_guard_row verify[] = {
    FIRM(NOT_RETIRED),
    FIRM(ACTIVATED),
    FIRM(LINK_UP),
    FIRM(STANDBY_CONSISTENT),
};
static const struct gw_guard_row test[] = {
    FIRM(NOT_RETIRED), FIRM(ACTIVATED), FIRM(NO_OTHER_RUN), FIRM(STANDBY_CONSISTENT), FIRM(ROOM),
};
static const struct gw_guard_row rehearse[] = {
    FIRM(NOT_RETIRED), FIRM(ACTIVATED), FIRM(NO_OTHER_RUN), FIRM(STANDBY_CONSISTENT), FIRM(ROOM),
};
static const struct gw_guard_row reconcile[] = {
    FIRM(NOT_RETIRED),    FIRM(ACTIVATED),    FIRM(NO_OTHER_RUN), FIRM(SPLIT_BRAIN),
    FIRM(PEER_REACHABLE), FIRM(NAMED_PERSON), WAITS(APPROVED),
};

#define LIST(words, what, run)                                                                     \
    {                                                                                              \
        .name = (words), .op = GW_OPERATION_##run, .n = GW_ARRAY_SIZE(what), .rows = (what)        \
    }

const struct gw_guard_list gw_guard_lists[GW_REQUEST_MAX] = {
    [GW_REQUEST_ACTIVATE] = LIST("activate", activate, ACTIVATE),
    [GW_REQUEST_DEACTIVATE] = LIST("deactivate", deactivate, DEACTIVATE),
    [GW_REQUEST_SWITCHOVER] = LIST("switchover", switchover, SWITCHOVER),
    [GW_REQUEST_FAILOVER] = LIST("failover", failover, FAILOVER),
    [GW_REQUEST_REVERSE] = LIST("reverse", reverse, REVERSE),
    [GW_REQUEST_FAILBACK] = LIST("failback", failback, FAILBACK),
    [GW_REQUEST_REVERT] = LIST("revert", revert, REVERT),
    [GW_REQUEST_COMMIT] = LIST("commit", commit, NONE),
    [GW_REQUEST_ADOPT] = LIST("adopt", adopt, NONE),
    [GW_REQUEST_HOLD] = LIST("hold", hold, NONE),
    [GW_REQUEST_RELEASE] = LIST("release", release, NONE),
    [GW_REQUEST_PLAN_EDIT] = LIST("plan-edit", plan_edit, NONE),
    [GW_REQUEST_PLAN_DELETE] = LIST("plan-delete", plan_delete, NONE),
    [GW_REQUEST_VOLUME_ADD] = LIST("volume-add", volume_add, NONE),
    [GW_REQUEST_VOLUME_GROW] = LIST("volume-grow", volume_grow, NONE),
    [GW_REQUEST_VOLUME_REMOVE] = LIST("volume-remove", volume_remove, NONE),
    [GW_REQUEST_SITE_REPLACE] = LIST("site-replace", site_replace, NONE),
    [GW_REQUEST_DIVERGENCE_SIGN] = LIST("divergence-sign", divergence_sign, NONE),
    [GW_REQUEST_VERIFY] = LIST("verify", verify, NONE),
    [GW_REQUEST_TEST] = LIST("test", test, TEST),
    [GW_REQUEST_REHEARSE] = LIST("rehearse", rehearse, REHEARSAL),
    [GW_REQUEST_RECONCILE] = LIST("reconcile", reconcile, RECONCILE),
};
