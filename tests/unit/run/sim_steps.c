// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* What each step does at a site of the simulation. */
#include "sim.h"

#include <stdio.h>
#include <string.h>

static void say(struct gw_run_outcome *ret, enum gw_outcome outcome, const char *detail)
{
    ret->outcome = outcome;
    snprintf(ret->detail, sizeof ret->detail, "%s", detail);
}

#define DONE(...) say(ret, GW_OUTCOME_DONE, "" __VA_ARGS__)
#define FAILED(why) say(ret, GW_OUTCOME_FAILED, why)

/* ---- faults of the effect itself ------------------------------------------------------------- */

static bool faulty(struct sim *s, const struct gw_run_call *call, enum sim_fault_kind kind,
                   bool undo)
{
    for (unsigned i = 0; i < s->n_faults; i++) {
        struct sim_fault *f = &s->fault[i];
        if (f->kind == kind && f->step == call->index && f->undo == undo && !f->healed) {
            if (!f->fired)
                f->at_ns = s->now_ns;
            f->fired = true;
            if (kind == SIM_EFFECT_UNKNOWN)
                f->healed = true;
            return true;
        }
    }
    return false;
}

/* ---- steps that take more than a line -------------------------------------------------------- */

static void final_sync(struct sim *s, struct sim_site *site, struct gw_run_outcome *ret)
{
    struct sim_site *other = sim_other(site);
    if (!sim_connected(s, site)) {
        FAILED("not connected");
        return;
    }
    sim_replicate(s, site, other, SIM_WRITES_MAX);
    if (sim_same(site, other))
        DONE("lag 0");
    else
        FAILED("does not come to an end");
}

static void equal(struct sim *s, struct sim_site *site, struct gw_run_outcome *ret)
{
    if (!site->quiesced || !sim_connected(s, site) || !sim_same(site, sim_other(site))) {
        FAILED("not equal");
        return;
    }
    site->token = true;
    DONE("token");
}

static void handover(struct sim *s, struct sim_site *site, struct gw_run_outcome *ret)
{
    if (site->role != SIM_ACTIVE || !site->quiesced || !site->token) {
        FAILED("no token");
        return;
    }
    s->released++;
    site->role = SIM_STANDBY;
    DONE("released");
}

static void promote(struct sim *s, struct sim_site *site, struct gw_run_outcome *ret)
{
    struct sim_site *other = sim_other(site);
    uint32_t reign = site->reign > other->reign ? site->reign : other->reign;
    if (site->role != SIM_ACTIVE) {
        if (other->role == SIM_ACTIVE && !site->revoked && !s->overridden)
            sim_blame(s, "promoted without a release, a revocation or an override (I4)");
        site->role = SIM_ACTIVE;
        site->reign = reign + 1;
        sim_unit_stop(site);
    }
    DONE("new reign");
}

static void revoke(struct sim *s, struct sim_site *site, struct gw_run_outcome *ret)
{
    struct sim_site *other = sim_other(site);
    if (s->link && other->daemon) {
        other->workload = other->workload_want = false;
        other->role = SIM_FENCED;
        sim_unit_stop(other);
    } else if (!s->confirmed_down) {
        FAILED("nobody has confirmed that the other site is down");
        return;
    }
    site->revoked = true;
    DONE("revoked");
}

static void start(struct sim_site *site, struct gw_run_outcome *ret)
{
    site->workload_want = true;
    if (!sim_exported(site)) {
        FAILED("the volume is not served");
        return;
    }
    site->workload = true;
    DONE("healthy");
}

static void verify(struct sim_site *site, struct gw_run_outcome *ret)
{
    if (!sim_serving(site)) {
        FAILED("the service does not answer");
        return;
    }
    site->verified = true;
    DONE("valid");
}

static void serve(struct sim_site *site, struct gw_run_outcome *ret)
{
    if (site->role != SIM_ACTIVE) {
        FAILED("not the active site");
        return;
    }
    sim_unit_start(site, SIM_SOURCE);
    site->authorised = true;
    DONE("serving");
}

static void follow(struct sim_site *site, struct gw_run_outcome *ret)
{
    struct sim_site *other = sim_other(site);
    if (site->role == SIM_ACTIVE && other->role == SIM_ACTIVE && other->reign > site->reign)
        site->role = SIM_FENCED; /* it learns that it was replaced */
    sim_unit_start(site, SIM_REPLICA);
    DONE("follows");
}

static void stop(struct sim_site *site, struct gw_run_outcome *ret)
{
    site->workload = site->workload_want = false;
    DONE("stopped");
}

static void quiesce(struct sim_site *site, struct gw_run_outcome *ret)
{
    if (site->unit != SIM_SOURCE) {
        FAILED("the source does not run");
        return;
    }
    site->quiesced = true;
    DONE("quiesced");
}

/* Is the data of `to` there, and a tail signed? */
static enum gw_outcome assessed(struct sim *s, struct sim_site *site)
{
    if (!sim_connected(s, site))
        return GW_OUTCOME_WAITING;
    if (!sim_diverged(site, sim_other(site)) || s->signed_tail)
        return GW_OUTCOME_DONE;
    if (s->tail_since_ns == 0)
        s->tail_since_ns = s->now_ns;
    return GW_OUTCOME_WAITING;
}

static enum gw_outcome synced(struct sim *s, struct sim_site *site)
{
    return sim_connected(s, site) && sim_other(site)->role == SIM_STANDBY &&
                   !sim_diverged(site, sim_other(site)) &&
                   sim_other(site)->n_data + 4 >= site->n_data
               ? GW_OUTCOME_DONE
               : GW_OUTCOME_WAITING;
}

static void keep(struct sim *s, struct sim_site *site, struct gw_run_outcome *ret)
{
    sim_keep(s, site, 0);
    site->role = SIM_FENCED;
    sim_unit_stop(site);
    DONE("kept");
}

static void change(struct sim *s, struct sim_site *site, const struct gw_run_call *call,
                   struct gw_run_outcome *ret)
{
    switch (call->step->id) {
    case GW_STEP_PRECHECK:
        if (s->link && sim_other(site)->daemon)
            DONE();
        else if (call->run->operation == GW_OPERATION_FAILOVER && s->confirmed_down)
            DONE("confirmed down");
        else
            FAILED("the other site does not answer");
        return;
    case GW_STEP_CREATE_HOME:
        if (site->role == SIM_NONE)
            site->role = SIM_ACTIVE, site->reign = 1;
        DONE();
        return;
    case GW_STEP_CREATE_DR:
        if (site->role == SIM_NONE)
            site->role = SIM_STANDBY;
        DONE();
        return;
    case GW_STEP_NOTIFY:
        s->notified++;
        site->notified = true;
        DONE("told");
        return;
    case GW_STEP_START_STANDBY:
    case GW_STEP_FOLLOW:
        follow(site, ret);
        return;
    case GW_STEP_STOP:
        stop(site, ret);
        return;
    case GW_STEP_QUIESCE:
        quiesce(site, ret);
        return;
    case GW_STEP_FINAL_SYNC:
        final_sync(s, site, ret);
        return;
    case GW_STEP_EQUAL:
        equal(s, site, ret);
        return;
    case GW_STEP_HANDOVER:
        handover(s, site, ret);
        return;
    case GW_STEP_DEMOTE:
    case GW_STEP_OFF_SOURCE:
    case GW_STEP_OFF_REPLICA:
        sim_unit_stop(site);
        DONE();
        return;
    case GW_STEP_REVOKE:
        revoke(s, site, ret);
        return;
    case GW_STEP_PROMOTE:
        promote(s, site, ret);
        return;
    case GW_STEP_SERVE:
        serve(site, ret);
        return;
    case GW_STEP_START:
        start(site, ret);
        return;
    case GW_STEP_VERIFY:
        verify(site, ret);
        return;
    case GW_STEP_ROUTE:
        s->route = (int)site->number;
        DONE();
        return;
    case GW_STEP_ASSESS:
        say(ret, assessed(s, site), "a tail waits for a signature, or the link");
        return;
    case GW_STEP_SYNC:
    case GW_STEP_REVERSE_OK:
        say(ret, synced(s, site), "copying");
        return;
    case GW_STEP_KEEP:
        keep(s, site, ret);
        return;
    case GW_STEP_FORECAST:
    case GW_STEP_ESTIMATE:
    case GW_STEP_DATA_CHECK:
    case GW_STEP_REPORT:
        DONE();
        return;
    case GW_STEP_ID_MAX:
        break;
    }
    FAILED("no such step");
}

/* One attempt is carried out once, however often it is asked for. */
static void judge(struct sim_site *site, const struct gw_run_call *call)
{
    struct sim *s = site->sim;
    char key[sizeof s->last_effect[0]];
    snprintf(key, sizeof key, "%s step %u attempt %u%s", call->run->id, call->index, call->attempt,
             call->undo ? " undo" : "");
    if (strcmp(key, s->last_effect[site->number]) == 0)
        sim_blame(s, "%s was carried out twice", key);
    memcpy(s->last_effect[site->number], key, sizeof key);
}

static void judge_after(struct sim *s)
{
    if (sim_exported(&s->site[0]) && sim_exported(&s->site[1]))
        sim_blame(s, "both sites serve");
    if (s->notified > 1 || s->released > 1)
        sim_blame(s, "what is done once was done twice");
}

void sim_effect(void *ctx, const struct gw_run_call *call, struct gw_run_outcome *ret)
{
    struct sim_site *site = ctx;
    struct sim *s = site->sim;
    judge(site, call);
    if (call->dry)
        say(ret, GW_OUTCOME_DONE, "dry");
    else if (faulty(s, call, SIM_EFFECT_FAILS, false))
        FAILED("it fails");
    else
        change(s, site, call, ret);
    if (ret->outcome == GW_OUTCOME_DONE && faulty(s, call, SIM_EFFECT_UNKNOWN, false))
        say(ret, GW_OUTCOME_UNKNOWN, "timed out");
    judge_after(s);
    sim_trace(s, "%u: %s: %s %s", site->number, gw_step_name(call->step->id),
              gw_outcome_name(ret->outcome), ret->detail);
}

/* ---- undo ------------------------------------------------------------------------------------ */

static void take_back_revocation(struct sim *s, struct sim_site *site, struct gw_run_outcome *ret)
{
    struct sim_site *other = sim_other(site);
    if (!s->link || !other->daemon) {
        FAILED("the other site does not answer");
        return;
    }
    site->revoked = false;
    if (other->role != SIM_ACTIVE) {
        other->role = SIM_ACTIVE;
        other->reign = (site->reign > other->reign ? site->reign : other->reign) + 1;
    }
    serve(other, ret);
    start(other, ret);
}

static void change_back(struct sim *s, struct sim_site *site, const struct gw_run_call *call,
                        struct gw_run_outcome *ret)
{
    DONE("undone");
    switch (call->step->id) {
    case GW_STEP_STOP:
        start(site, ret);
        return;
    case GW_STEP_QUIESCE:
    case GW_STEP_OFF_SOURCE:
        serve(site, ret);
        site->quiesced = site->token = false;
        return;
    case GW_STEP_HANDOVER:
    case GW_STEP_KEEP:
        site->role = SIM_ACTIVE;
        site->reign++;
        serve(site, ret);
        return;
    case GW_STEP_REVOKE:
        take_back_revocation(s, site, ret);
        return;
    case GW_STEP_PROMOTE: /* of a failover: what was written is kept */
        sim_keep(s, site, 0);
        if (site->role == SIM_ACTIVE)
            site->role = SIM_FENCED;
        sim_unit_start(site, SIM_REPLICA);
        return;
    case GW_STEP_SERVE:
    case GW_STEP_START_STANDBY:
    case GW_STEP_FOLLOW:
        sim_unit_stop(site);
        return;
    case GW_STEP_START:
        stop(site, ret);
        return;
    case GW_STEP_OFF_REPLICA:
        sim_unit_start(site, SIM_REPLICA);
        return;
    case GW_STEP_PRECHECK:
    case GW_STEP_CREATE_HOME:
    case GW_STEP_CREATE_DR:
    case GW_STEP_FORECAST:
    case GW_STEP_NOTIFY:
    case GW_STEP_FINAL_SYNC:
    case GW_STEP_EQUAL:
    case GW_STEP_DEMOTE:
    case GW_STEP_ESTIMATE:
    case GW_STEP_VERIFY:
    case GW_STEP_ROUTE:
    case GW_STEP_REVERSE_OK:
    case GW_STEP_DATA_CHECK:
    case GW_STEP_ASSESS:
    case GW_STEP_SYNC:
    case GW_STEP_REPORT:
    case GW_STEP_ID_MAX:
        FAILED("nothing to undo");
        return;
    }
}

void sim_undo(void *ctx, const struct gw_run_call *call, struct gw_run_outcome *ret)
{
    struct sim_site *site = ctx;
    judge(site, call);
    if (faulty(site->sim, call, SIM_EFFECT_FAILS, true))
        FAILED("it fails");
    else
        change_back(site->sim, site, call, ret);
    if (ret->outcome == GW_OUTCOME_DONE && faulty(site->sim, call, SIM_EFFECT_UNKNOWN, true))
        say(ret, GW_OUTCOME_UNKNOWN, "timed out");
    judge_after(site->sim);
    sim_trace(site->sim, "%u: undo %s: %s %s", site->number, gw_step_name(call->step->id),
              gw_outcome_name(ret->outcome), ret->detail);
}

/* ---- observe --------------------------------------------------------------------------------- */

static enum gw_outcome seen(bool desired)
{
    return desired ? GW_OUTCOME_DESIRED : GW_OUTCOME_EARLIER;
}

static enum gw_outcome look(struct sim *s, struct sim_site *site, enum gw_step_id id)
{
    enum gw_outcome o;
    switch (id) {
    case GW_STEP_CREATE_HOME:
    case GW_STEP_CREATE_DR:
        return seen(site->role != SIM_NONE);
    case GW_STEP_START_STANDBY:
    case GW_STEP_FOLLOW:
        return seen(site->unit == SIM_REPLICA);
    case GW_STEP_NOTIFY: /* hooks: how far did they come? */
        return site->notified ? GW_OUTCOME_NEITHER : GW_OUTCOME_EARLIER;
    case GW_STEP_STOP:
        return seen(!site->workload);
    case GW_STEP_QUIESCE:
        return site->unit == SIM_SOURCE ? seen(site->quiesced) : GW_OUTCOME_UNKNOWN;
    case GW_STEP_EQUAL:
        return seen(site->token);
    case GW_STEP_HANDOVER:
        return seen(site->role != SIM_ACTIVE);
    case GW_STEP_DEMOTE:
    case GW_STEP_OFF_SOURCE:
    case GW_STEP_OFF_REPLICA:
        return seen(site->want == SIM_OFF && site->unit == SIM_OFF);
    case GW_STEP_REVOKE:
        return seen(site->revoked);
    case GW_STEP_PROMOTE:
        return seen(site->role == SIM_ACTIVE);
    case GW_STEP_SERVE:
        return seen(site->unit == SIM_SOURCE && site->authorised);
    case GW_STEP_START:
        return seen(sim_serving(site));
    case GW_STEP_VERIFY:
        return seen(site->verified);
    case GW_STEP_ROUTE:
        return seen(s->route == (int)site->number);
    case GW_STEP_ASSESS:
    case GW_STEP_SYNC:
    case GW_STEP_REVERSE_OK:
        o = id == GW_STEP_ASSESS ? assessed(s, site) : synced(s, site);
        return o == GW_OUTCOME_DONE ? GW_OUTCOME_DESIRED : o;
    case GW_STEP_KEEP:
        return seen(site->role == SIM_FENCED && site->unit == SIM_OFF);
    case GW_STEP_PRECHECK:
    case GW_STEP_FORECAST:
    case GW_STEP_FINAL_SYNC:
    case GW_STEP_ESTIMATE:
    case GW_STEP_DATA_CHECK:
    case GW_STEP_REPORT:
    case GW_STEP_ID_MAX:
        break;
    }
    return GW_OUTCOME_EARLIER; /* nothing to see of it: done again */
}

void sim_observe(void *ctx, const struct gw_run_call *call, struct gw_run_outcome *ret)
{
    struct sim_site *site = ctx;
    struct sim *s = site->sim;
    if (faulty(s, call, SIM_OBSERVE_BLIND, false))
        say(ret, GW_OUTCOME_UNKNOWN, "cannot see");
    else if (faulty(s, call, SIM_OBSERVE_NEITHER, false))
        say(ret, GW_OUTCOME_NEITHER, "strange");
    else
        say(ret, look(s, site, call->step->id), "observed");
    sim_trace(s, "%u: observe %s: %s", site->number, gw_step_name(call->step->id),
              gw_outcome_name(ret->outcome));
}
