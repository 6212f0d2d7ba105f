// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The headline: the words, and the first row that holds. */
#include "core/phase_internal.h"

static const struct {
    const char *name, *meaning;
    enum gw_status status;
} phases[GW_PHASE_MAX] = {
    [GW_PHASE_DEFINED] = { "DEFINED", "stored, not activated", GW_STATUS_STOPPED },
    [GW_PHASE_SEEDING] = { "SEEDING", "first full copy", GW_STATUS_DEGRADED },
    [GW_PHASE_PROTECTED] = { "PROTECTED",
                             "active at home, the standby is consistent, lag within the RPO",
                             GW_STATUS_ACTIVE },
    [GW_PHASE_PROTECTED_SWAPPED] = { "PROTECTED_SWAPPED",
                                     "the same, active at dr and replicating home",
                                     GW_STATUS_ACTIVE },
    [GW_PHASE_DEGRADED] = { "DEGRADED", "protected, but with reasons", GW_STATUS_DEGRADED },
    [GW_PHASE_SUSPECT] = { "SUSPECT", "the active site looks dead; evidence is being gathered",
                           GW_STATUS_DEGRADED },
    [GW_PHASE_AWAITING_APPROVAL] = { "AWAITING_APPROVAL", "a decision waits for a person",
                                     GW_STATUS_DEGRADED },
    [GW_PHASE_FAILING_OVER] = { "FAILING_OVER", "a failover is in progress", GW_STATUS_FAILED },
    [GW_PHASE_FAILED_OVER] = { "FAILED_OVER",
                               "running at the site that took over, not committed: the recovery "
                               "point can still be changed",
                               GW_STATUS_DEGRADED },
    [GW_PHASE_EXPOSED] = { "EXPOSED", "running after a role change, without a standby",
                           GW_STATUS_DEGRADED },
    [GW_PHASE_REVERSE_SYNC] = { "REVERSE_SYNC",
                                "the old site came back fenced, was assessed, and is being "
                                "brought up to date",
                                GW_STATUS_DEGRADED },
    [GW_PHASE_READY_TO_FAIL_BACK] = { "READY_TO_FAIL_BACK",
                                      "lag within the cut-over budget, and home's preflight is "
                                      "green",
                                      GW_STATUS_ACTIVE },
    [GW_PHASE_SWITCHING] = { "SWITCHING", "a switchover is in progress", GW_STATUS_DEGRADED },
    [GW_PHASE_FAILING_BACK] = { "FAILING_BACK", "a failback is in progress", GW_STATUS_DEGRADED },
    [GW_PHASE_CANCELLING] = { "CANCELLING", "going back to the state before the run",
                              GW_STATUS_DEGRADED },
    [GW_PHASE_REVERTING] = { "REVERTING", "going back to the state before the run",
                             GW_STATUS_DEGRADED },
    [GW_PHASE_SPLIT_BRAIN] = { "SPLIT_BRAIN",
                               "both sites accepted writes in different epochs; both histories "
                               "are kept",
                               GW_STATUS_FAILED },
    [GW_PHASE_HANDOVER_IN_DOUBT] = { "HANDOVER_IN_DOUBT",
                                     "the release was sent and no answer came: neither side "
                                     "serves until it is resolved",
                                     GW_STATUS_FAILED },
    [GW_PHASE_HALTED] = { "HALTED", "a person must decide", GW_STATUS_FAILED },
    [GW_PHASE_UNKNOWN] = { "UNKNOWN",
                           "this site's memory is older than what it sees; it rebuilds read-only",
                           GW_STATUS_FAILED },
    [GW_PHASE_RETIRED] = { "RETIRED", "deleted; evidence is kept", GW_STATUS_STOPPED },
};

static const char *const status_names[GW_STATUS_MAX] = {
    [GW_STATUS_ACTIVE] = "ACTIVE",
    [GW_STATUS_DEGRADED] = "DEGRADED",
    [GW_STATUS_FAILED] = "FAILED",
    [GW_STATUS_STOPPED] = "STOPPED",
};

const char *gw_phase_name(enum gw_phase_word p)
{
    return (unsigned)p < GW_PHASE_MAX ? phases[p].name : "invalid";
}

const char *gw_phase_meaning(enum gw_phase_word p)
{
    return (unsigned)p < GW_PHASE_MAX ? phases[p].meaning : "invalid";
}

enum gw_status gw_phase_status(enum gw_phase_word p)
{
    return (unsigned)p < GW_PHASE_MAX ? phases[p].status : GW_STATUS_FAILED;
}

const char *gw_status_name(enum gw_status s)
{
    return (unsigned)s < GW_STATUS_MAX ? status_names[s] : "invalid";
}

/* I5. The phases in which a loss can still be answered by a failover; everything else waits for a
 * person. Lag is that of the last word. */
static bool auto_allowed(const struct gw_phase_facts *f, const struct gw_phase *p)
{
    if (f->mode != GW_MODE_AUTO || !gw_follows(f->repl) || !gw_yes(f->synced) ||
        !gw_no(f->memory_older) || gw_run_is_on(f) || !gw_yes(f->lag_ok))
        return false;
    if (p->phase != GW_PHASE_PROTECTED && p->phase != GW_PHASE_PROTECTED_SWAPPED &&
        p->phase != GW_PHASE_READY_TO_FAIL_BACK && p->phase != GW_PHASE_SUSPECT &&
        p->phase != GW_PHASE_DEGRADED)
        return false;
    for (unsigned r = 0; r < GW_REASON_MAX; r++) {
        if ((p->reasons & 1u << r) != 0 && gw_reason_row((enum gw_reason)r)->forbids_auto)
            return false;
    }
    return true;
}

void gw_phase_of(const struct gw_phase_facts *f, struct gw_phase *ret)
{
    unsigned i = 0;
    while (!gw_phase_row(i)->holds(f)) /* the last one does */
        i++;
    const struct gw_phase_row *row = gw_phase_row(i);
    *ret = (struct gw_phase){
        .phase = row->phase,
        .status = gw_phase_status(row->phase),
        .sentence = row->sentence,
        .next = row->next,
        .row = i,
    };
    if (i == 0) /* damaged: nothing else can be said of these numbers */
        return;
    /* A plan that is not on has no reasons. */
    if (row->phase != GW_PHASE_DEFINED && row->phase != GW_PHASE_RETIRED)
        ret->reasons = gw_reasons_of(f, &ret->unknown);
    ret->auto_allowed = auto_allowed(f, ret);
}
