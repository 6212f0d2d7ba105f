// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Looking things up in an operation's table (operation_rows.c). */
#include "core/operation.h"

#include <string.h>

static const char *const names[GW_OPERATION_ID_MAX] = {
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

const char *gw_operation_name(enum gw_operation_id id)
{
    return (unsigned)id < GW_OPERATION_ID_MAX ? names[id] : "invalid";
}

bool gw_operation_parse(const char *word, enum gw_operation_id *ret_id)
{
    for (unsigned i = 0; i < GW_OPERATION_ID_MAX; i++)
        if (strcmp(names[i], word) == 0) {
            *ret_id = (enum gw_operation_id)i;
            return true;
        }
    return false;
}

unsigned gw_operation_find(const struct gw_operation *op, enum gw_step_id id)
{
    unsigned i = 0;
    while (i < op->n_steps && op->steps[i].id != id)
        i++;
    return i;
}

unsigned gw_operation_ponr(const struct gw_operation *op)
{
    unsigned i = 0;
    while (i < op->n_steps && !(op->steps[i].flags & GW_STEP_PONR))
        i++;
    return i;
}
