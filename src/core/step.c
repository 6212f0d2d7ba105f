// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The names of steps and of what is said about them. */
#include "core/step.h"

#include <string.h>

static const char *const step_names[GW_STEP_ID_MAX] = {
    [GW_STEP_PRECHECK] = "precheck",
    [GW_STEP_CREATE_HOME] = "create_home",
    [GW_STEP_CREATE_DR] = "create_dr",
    [GW_STEP_START_STANDBY] = "start_standby",
    [GW_STEP_FORECAST] = "forecast",
    [GW_STEP_NOTIFY] = "notify",
    [GW_STEP_STOP] = "stop",
    [GW_STEP_QUIESCE] = "quiesce",
    [GW_STEP_FINAL_SYNC] = "final_sync",
    [GW_STEP_EQUAL] = "equal",
    [GW_STEP_HANDOVER] = "handover",
    [GW_STEP_DEMOTE] = "demote",
    [GW_STEP_REVOKE] = "revoke",
    [GW_STEP_ESTIMATE] = "estimate",
    [GW_STEP_PROMOTE] = "promote",
    [GW_STEP_SERVE] = "serve",
    [GW_STEP_START] = "start",
    [GW_STEP_VERIFY] = "verify",
    [GW_STEP_ROUTE] = "route",
    [GW_STEP_FOLLOW] = "follow",
    [GW_STEP_REVERSE_OK] = "reverse_ok",
    [GW_STEP_DATA_CHECK] = "data_check",
    [GW_STEP_ASSESS] = "assess",
    [GW_STEP_SYNC] = "sync",
    [GW_STEP_KEEP] = "keep",
    [GW_STEP_OFF_SOURCE] = "off_source",
    [GW_STEP_OFF_REPLICA] = "off_replica",
    [GW_STEP_REPORT] = "report",
};
static const char *const side_names[GW_RUN_SIDE_MAX] = { "old", "new" };
static const char *const place_names[GW_STEP_PLACE_MAX] = { "OLD", "NEW", "COORD" };
static const char *const class_names[GW_STEP_CLASS_MAX] = { "idempotent", "observe", "once" };
static const char *const failure_names[GW_STEP_FAILURE_MAX] = { "revert", "halt", "continue" };
static const char *const wait_names[GW_STEP_WAIT_MAX] = { "none", "sync", "signature" };
static const char *const dry_names[GW_STEP_DRY_MAX] = { "run", "probe", "skip" };

static const char *pick(const char *const *names, unsigned n, unsigned i)
{
    return i < n ? names[i] : "invalid";
}

const char *gw_step_name(enum gw_step_id id)
{
    return pick(step_names, GW_STEP_ID_MAX, id);
}

bool gw_step_parse(const char *word, enum gw_step_id *ret_step)
{
    for (unsigned i = 0; i < GW_STEP_ID_MAX; i++)
        if (strcmp(step_names[i], word) == 0) {
            *ret_step = (enum gw_step_id)i;
            return true;
        }
    return false;
}

const char *gw_run_side_name(enum gw_run_side side)
{
    return pick(side_names, GW_RUN_SIDE_MAX, side);
}

const char *gw_step_place_name(enum gw_step_place place)
{
    return pick(place_names, GW_STEP_PLACE_MAX, place);
}

const char *gw_step_class_name(enum gw_step_class class)
{
    return pick(class_names, GW_STEP_CLASS_MAX, class);
}

const char *gw_step_failure_name(enum gw_step_failure on)
{
    return pick(failure_names, GW_STEP_FAILURE_MAX, on);
}

const char *gw_step_wait_name(enum gw_step_wait wait)
{
    return pick(wait_names, GW_STEP_WAIT_MAX, wait);
}

const char *gw_step_dry_name(enum gw_step_dry dry)
{
    return pick(dry_names, GW_STEP_DRY_MAX, dry);
}
