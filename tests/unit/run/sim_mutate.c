// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Rules broken on purpose, from outside: a table, the decider, the store or the world of the
 * executor is replaced by one that is wrong in one point.
 */
#include "sim.h"

#include <assert.h>
#include <string.h>

enum sim_mutation sim_mutation;

const char *sim_mutation_name(enum sim_mutation m)
{
    static const char *const names[SIM_MUTATION_MAX] = {
        [SIM_SOUND] = "sound",
        [SIM_REDO_ONCE] = "redo-once",
        [SIM_SKIP_OBSERVE] = "skip-observe",
        [SIM_OBSERVE_NOTHING] = "assume-nothing-happened",
        [SIM_NO_PEER_DURABILITY] = "no-peer-durability",
        [SIM_UNDO_AFTER_PONR] = "undo-after-point-of-no-return",
        [SIM_NO_INBOX] = "no-dedupe",
        [SIM_NO_EXPOSURE] = "go-back-untold",
        [SIM_TELL_NOBODY] = "decide-alone",
        [SIM_LOST_LOG] = "log-not-durable",
        [SIM_FORGET_REPLICATION] = "done-before-protected",
        [SIM_FORGET_UNDO] = "forget-an-undo",
        [SIM_TIMEOUT_IS_DONE] = "time-out-is-success",
        [SIM_TIMEOUT_IS_FAILURE] = "time-out-is-failure",
        [SIM_NO_TAKE_OVER] = "never-take-over",
        [SIM_HEALTH_IGNORED] = "health-ignored",
        [SIM_CANCEL_IGNORED] = "cancel-ignored",
        [SIM_ENDLESS_WAIT] = "endless-wait",
    };
    return names[m];
}

/* ---- tables ---------------------------------------------------------------------------------- */

static struct gw_operation tables[GW_OPERATION_ID_MAX];
static struct gw_step rows[GW_OPERATION_ID_MAX][GW_OPERATION_STEPS_MAX];

static void spoil(struct gw_step *s)
{
    if (sim_mutation == SIM_REDO_ONCE && s->id == GW_STEP_NOTIFY)
        s->class = GW_CLASS_IDEMPOTENT;
    if (sim_mutation == SIM_UNDO_AFTER_PONR && s->id != GW_STEP_HANDOVER)
        s->flags &= ~(unsigned)GW_STEP_PONR;
    if (sim_mutation == SIM_FORGET_UNDO && s->id == GW_STEP_STOP)
        s->undo = false;
}

static const struct gw_operation *spoilt_table(enum gw_operation_id id)
{
    const struct gw_operation *op = gw_operation_get(id);
    assert(op);
    tables[id] = *op;
    memcpy(rows[id], op->steps, op->n_steps * sizeof *op->steps);
    tables[id].steps = rows[id];
    for (unsigned i = 0; i < op->n_steps; i++)
        spoil(&rows[id][i]);
    unsigned follow = gw_operation_find(op, GW_STEP_FOLLOW);
    if (sim_mutation == SIM_FORGET_REPLICATION && id != GW_OPERATION_REVERSE &&
        follow < op->n_steps)
        tables[id].n_steps = follow;
    return &tables[id];
}

/* ---- the decider ----------------------------------------------------------------------------- */

static void spoilt_decide(const struct gw_operation *op, const struct gw_run_view *v,
                          const struct gw_run_facts *facts, struct gw_action *ret)
{
    struct gw_run_view w = *v;
    struct gw_run_facts f = *facts;
    if (sim_mutation == SIM_NO_EXPOSURE)
        w.exposed = false;
    if (sim_mutation == SIM_TELL_NOBODY && v->back)
        w.decision = 0;
    if (sim_mutation == SIM_CANCEL_IGNORED && f.choice == GW_CHOICE_CANCEL)
        f.choice = GW_CHOICE_NONE;
    if (sim_mutation == SIM_ENDLESS_WAIT)
        f.late = false;
    gw_decide(op, &w, &f, ret);
    if (sim_mutation == SIM_NO_TAKE_OVER && ret->act == GW_ACT_TAKE_OVER)
        ret->act = GW_ACT_PASSIVE;
}

/* ---- the world ------------------------------------------------------------------------------- */

static const struct gw_run_world *sound;
static struct gw_run_world spoilt;

static void spoilt_effect(void *ctx, const struct gw_run_call *call, struct gw_run_outcome *ret)
{
    sound->effect(ctx, call, ret);
    if (sim_mutation == SIM_TIMEOUT_IS_DONE && ret->outcome == GW_OUTCOME_UNKNOWN)
        ret->outcome = GW_OUTCOME_DONE;
    if (sim_mutation == SIM_TIMEOUT_IS_FAILURE && ret->outcome == GW_OUTCOME_UNKNOWN)
        ret->outcome = GW_OUTCOME_FAILED;
    if (sim_mutation == SIM_HEALTH_IGNORED && ret->outcome == GW_OUTCOME_FAILED &&
        (call->step->id == GW_STEP_START || call->step->id == GW_STEP_VERIFY))
        ret->outcome = GW_OUTCOME_DONE;
}

static void spoilt_observe(void *ctx, const struct gw_run_call *call, struct gw_run_outcome *ret)
{
    sound->observe(ctx, call, ret);
    if (sim_mutation == SIM_SKIP_OBSERVE)
        ret->outcome = GW_OUTCOME_DESIRED;
    if (sim_mutation == SIM_OBSERVE_NOTHING)
        ret->outcome = GW_OUTCOME_EARLIER;
}

static int spoilt_peer(void *ctx, const struct gw_run_message *m, struct gw_run_reply *ret,
                       struct gw_error *err)
{
    int r = 0;
    if (sim_mutation == SIM_NO_PEER_DURABILITY && m->kind == GW_RUN_COPY)
        *ret = (struct gw_run_reply){ .have = m->have + m->n };
    else
        r = sound->peer(ctx, m, ret, err);
    if (r < 0 && m->kind == GW_RUN_EFFECT && sim_mutation == SIM_TIMEOUT_IS_DONE) {
        *ret = (struct gw_run_reply){ .outcome = { .outcome = GW_OUTCOME_DONE } };
        return 0;
    }
    return r;
}

void sim_mutate(struct sim_site *site)
{
    memstore_no_inbox = sim_mutation == SIM_NO_INBOX;
    if (sim_mutation == SIM_SOUND)
        return;
    sound = site->env.world;
    spoilt = *sound;
    spoilt.effect = spoilt_effect;
    spoilt.observe = spoilt_observe;
    spoilt.peer = spoilt_peer;
    site->env.world = &spoilt;
    site->env.decide = spoilt_decide;
    site->env.operation = spoilt_table;
}
