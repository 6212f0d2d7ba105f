// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "site/runs_live.h"

#include <stdio.h>
#include <string.h>

/* The steps that wait for the replication, and the one that may take long before it begins to. */
static bool watches_replication(enum gw_step_id id)
{
    return id == GW_STEP_ASSESS || id == GW_STEP_SYNC || id == GW_STEP_REVERSE_OK ||
           id == GW_STEP_FINAL_SYNC;
}

static void say(const struct gw_run_look *look, const json_t *dp, struct site_run_live *ret)
{
    const char *repl = site_text(dp, "replication"), *reason = site_text(dp, "reason");
    const json_t *assess = site_at(dp, "assess");
    uint64_t tail = site_number(assess, "tail_blocks");
    if (strcmp(repl, "assessing") == 0 && site_true(assess, "done") && tail > 0)
        snprintf(ret->waits_for, sizeof ret->waits_for,
                 "%s has %llu blocks of its own that were never replicated: a person signs, godwit "
                 "divergence sign %s --by NAME",
                 look->run.site[GW_SIDE_NEW], (unsigned long long)tail, look->run.plan);
    else if (repl[0] != '\0')
        snprintf(ret->waits_for, sizeof ret->waits_for, "replication is %s%s%.300s", repl,
                 reason[0] != '\0' ? ": " : "", reason);
}

void site_run_live(struct site *s, const struct gw_run_look *look, struct site_run_live *ret)
{
    const struct gw_operation *op = gw_operation_get(look->run.operation);
    struct site_plan *p;
    struct gw_error none = { 0 };
    *ret = (struct site_run_live){ .progress = NULL };
    if (op == NULL || gw_run_state_ended(look->shown) || look->current >= op->n_steps ||
        !watches_replication(op->steps[look->current].id) ||
        site_plan_find(s, look->run.plan, &p, &none) < 0)
        return;
    CLEANUP_VIEW struct site_view v;
    site_view_make(s, p, &v);
    if (v.holder == GW_HOLDER_NONE)
        return;
    const json_t *dp = site_view_dp(&v, v.holder == GW_HOLDER_HOME ? GW_LABEL_HOME : GW_LABEL_DR);
    if (look->shown == GW_RUN_WAITING)
        say(look, dp, ret);
    ret->progress = site_view_sync(dp);
}

void site_run_live_done(struct site_run_live *l)
{
    json_decref(l->progress);
    l->progress = NULL;
}

void site_run_result(const struct gw_run_look *look, char *ret, size_t size)
{
    const char *plan = look->run.plan, *old = look->run.site[GW_SIDE_OLD],
               *new = look->run.site[GW_SIDE_NEW];
    ret[0] = '\0';
    if (look->run.dry_run) {
        snprintf(ret, size, "A dry run: nothing was changed.");
        return;
    }
    switch (look->run.operation) {
    case GW_OPERATION_ACTIVATE:
        snprintf(ret, size, "%s serves at %s; %s is being seeded, which goes on by itself.", plan,
                 old, new);
        return;
    case GW_OPERATION_DEACTIVATE:
        snprintf(ret, size, "%s is no longer protected; its data is where it was.", plan);
        return;
    case GW_OPERATION_SWITCHOVER:
    case GW_OPERATION_FAILBACK:
        snprintf(ret, size, "%s serves at %s, and replicates to %s.", plan, new, old);
        return;
    case GW_OPERATION_FAILOVER:
        snprintf(ret, size, "%s serves at %s. When %s is back: godwit reverse %s.", plan, new, old,
                 plan);
        return;
    case GW_OPERATION_REVERSE:
        snprintf(ret, size, "%s follows %s again.", new, old);
        return;
    case GW_OPERATION_REVERT:
        snprintf(ret, size, "%s serves at %s again; what %s wrote is kept.", plan, new, old);
        return;
    case GW_OPERATION_NONE: /* and those of a later release: the state says it */
    case GW_OPERATION_TEST:
    case GW_OPERATION_REHEARSAL:
    case GW_OPERATION_RECONCILE:
    case GW_OPERATION_ID_MAX:
        return;
    }
}
