// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The next thing to do. Rules D1 to D10: decide.h. */
#include "core/decide.h"

struct deciding {
    const struct gw_operation *op;
    const struct gw_run_view *v;
    const struct gw_run_facts *f;
    struct gw_action *ret;
};

static void act(struct deciding *d, enum gw_act a, uint32_t step, const char *why)
{
    d->ret->act = a;
    d->ret->step = step;
    d->ret->why = why;
}

static void wait_for(struct deciding *d, enum gw_wait_for w, uint32_t step, const char *why)
{
    act(d, GW_ACT_WAIT, step, why);
    d->ret->wait = w;
}

static void finish(struct deciding *d, enum gw_run_state end, const char *why)
{
    act(d, GW_ACT_FINISH, GW_NO_STEP, why);
    d->ret->end = end;
}

bool gw_step_is_remote(const struct gw_step *step, const struct gw_run_view *v, enum gw_run_side me)
{
    (void)v;
    return step->place != GW_PLACE_COORD && (unsigned)step->place != (unsigned)me;
}

static bool is_release(const struct gw_step *s)
{
    return s->class == GW_CLASS_ONCE && (s->flags & GW_STEP_PONR);
}

static bool is_open(enum gw_step_state s)
{
    return s == GW_STEP_INTENT || s == GW_STEP_UNKNOWN || s == GW_STEP_NEITHER;
}

/* D5, D6. true: something has to be done before the next effect. */
static bool must_tell(struct deciding *d)
{
    const struct gw_run_view *v = d->v;
    if (v->decision <= d->f->peer_has || v->decision <= v->alone)
        return false;
    if (d->f->peer != GW_PEER_SILENT) {
        act(d, GW_ACT_TELL, GW_NO_STEP, "the decision must be durable at both sites");
    } else if (v->exposed && v->back) {
        if (v->state == GW_RUN_IN_DOUBT)
            wait_for(d, GW_FOR_DOUBT, GW_NO_STEP,
                     "the release was not done, but the other site must hear so before service "
                     "returns here: it might have been told to take over");
        else
            act(d, GW_ACT_DOUBT, GW_NO_STEP,
                "the other site does not answer, and knows of the "
                "release that was begun");
    } else if (d->op->alone_ok || v->back || v->overridden || v->ponr_passed) {
        act(d, GW_ACT_ALONE, GW_NO_STEP, "the other site does not answer");
    } else if (d->f->late) {
        act(d, GW_ACT_REVERT, GW_NO_STEP, "the other site does not answer");
    } else {
        wait_for(d, GW_FOR_PEER, GW_NO_STEP, "the other site does not answer");
    }
    return true;
}

/* The step will not succeed by itself any more (D7). */
static void failed(struct deciding *d, uint32_t i, const char *why)
{
    const struct gw_step *s = &d->op->steps[i];
    switch (s->on_failure) {
    case GW_FAILURE_CONTINUE:
        act(d, GW_ACT_CONTINUE, i, why);
        return;
    case GW_FAILURE_REVERT:
        if (!d->v->ponr_passed) {
            act(d, GW_ACT_REVERT, i, why);
            return;
        }
        break;
    case GW_FAILURE_HALT:
    case GW_STEP_FAILURE_MAX:
        break;
    }
    if ((s->flags & GW_STEP_HEALTH) && d->f->return_on_unhealthy && d->v->ponr_passed && !d->v->dry)
        act(d, GW_ACT_GIVE_UP, i, "not healthy, and the plan says: return");
    else
        act(d, GW_ACT_HALT, i, why);
}

/* A step that is not begun, or may be begun again. */
static void begin(struct deciding *d, uint32_t i)
{
    const struct gw_step *s = &d->op->steps[i];
    const struct gw_step_view *st = &d->v->step[i];
    if (s->class == GW_CLASS_ONCE && st->attempts > 0) { /* D2 */
        failed(d, i,
               st->state == GW_STEP_FAILED ? "the step failed"
                                           : "the step was cut short before it happened");
        return;
    }
    if ((st->state == GW_STEP_FAILED || (st->state == GW_STEP_NOTHING && st->timed_out)) &&
        st->fails > s->retries) {
        failed(d, i,
               st->state == GW_STEP_FAILED ? "the step failed"
                                           : "the step's time ran out, and it did not happen");
        return;
    }
    if (st->tries >= GW_STEP_TRIES_MAX) {
        failed(d, i, "the step was begun too often");
        return;
    }
    if (must_tell(d))
        return;
    bool needs_peer = gw_step_is_remote(s, d->v, d->f->me) || (is_release(s) && !d->v->dry);
    if (needs_peer && d->f->peer == GW_PEER_SILENT) {
        if (d->f->late)
            failed(d, i, "the other site does not answer");
        else
            wait_for(d, GW_FOR_PEER, i, "the other site does not answer");
        return;
    }
    act(d, GW_ACT_DO, i, "");
}

/* D10. What is open is looked at once (D1) before it is taken back; what became of a release is
 * not known without the other site. */
static bool out_too_long(const struct deciding *d, const struct gw_step *s, enum gw_step_state st)
{
    if (!d->f->outage_passed || d->v->ponr_passed)
        return false;
    return !is_open(st) || (!is_release(s) && st != GW_STEP_INTENT);
}

static void forward(struct deciding *d)
{
    const struct gw_run_view *v = d->v;
    uint32_t i = gw_run_current(d->op, v);
    if (v->overridden && !v->ponr_passed) {
        act(d, GW_ACT_REVERT, i, "a person said that the other site will not take over");
        return;
    }
    if (i == GW_NO_STEP) {
        if (v->returning)
            finish(d, GW_RUN_FAILED, "not healthy at the new site: a run back follows");
        else
            finish(d, GW_RUN_DONE, "");
        return;
    }
    const struct gw_step *s = &d->op->steps[i];
    enum gw_step_state st = v->step[i].state;
    if (d->f->abort_by_passed && !v->ponr_passed && !is_open(st)) { /* D4 */
        act(d, GW_ACT_CANCEL, i, "its time to abort by has passed");
        return;
    }
    if (out_too_long(d, s, st)) {
        act(d, GW_ACT_REVERT, i, "the services were stopped for as long as the plan allows");
        return;
    }
    if (st == GW_STEP_WAITS) {
        act(d, GW_ACT_POLL, i, "");
    } else if (st == GW_STEP_NEITHER || (is_open(st) && d->f->late)) {
        const char *why = st == GW_STEP_NEITHER
                              ? "what is there is neither the state before the step nor after it"
                              : "what became of the step cannot be seen";
        if (is_release(s))
            act(d, GW_ACT_DOUBT, i, why);
        else if (s->on_failure == GW_FAILURE_CONTINUE)
            failed(d, i, why);
        else
            act(d, GW_ACT_HALT, i, why);
    } else if (is_open(st)) {
        act(d, GW_ACT_OBSERVE, i, ""); /* D1 */
    } else {
        begin(d, i);
    }
}

static void go_back(struct deciding *d)
{
    const struct gw_run_view *v = d->v;
    if (must_tell(d))
        return;
    uint32_t i = gw_run_current(d->op, v);
    if (i == GW_NO_STEP) {
        bool undone = false;
        for (uint32_t k = 0; k < d->op->n_steps; k++)
            undone |= v->step[k].state == GW_STEP_UNDONE;
        finish(d,
               v->state == GW_RUN_CANCELLING ? GW_RUN_CANCELLED
               : undone                      ? GW_RUN_REVERTED
                                             : GW_RUN_FAILED,
               "");
        return;
    }
    const struct gw_step *s = &d->op->steps[i];
    if (v->step[i].undo_tries >= GW_UNDO_TRIES_MAX) {
        act(d, GW_ACT_HALT, i, "the step could not be taken back");
        return;
    }
    bool needs_peer = gw_step_is_remote(s, v, d->f->me) || (s->flags & GW_STEP_UNDO_AT_PEER);
    if (needs_peer && d->f->peer == GW_PEER_SILENT) {
        if (d->f->late)
            act(d, GW_ACT_HALT, i, "taking it back needs the other site, which does not answer");
        else
            wait_for(d, GW_FOR_PEER, i, "taking it back needs the other site");
        return;
    }
    act(d, GW_ACT_UNDO, i, "");
}

/* In doubt, as the coordinator: until it is seen what became of the release, and the other site has
 * heard (D6). */
static void doubt(struct deciding *d)
{
    uint32_t i = gw_operation_ponr(d->op);
    if (!d->v->back && is_open(d->v->step[i].state)) {
        act(d, GW_ACT_POLL, i, "what became of the release cannot be seen");
        return;
    }
    if (d->v->back && must_tell(d))
        return;
    act(d, GW_ACT_CLEAR, GW_NO_STEP, "");
}

/* D9 */
static void follow(struct deciding *d)
{
    const struct gw_run_view *v = d->v;
    if (d->f->me != GW_SIDE_NEW || v->dry) {
        act(d, GW_ACT_PASSIVE, GW_NO_STEP, "");
        return;
    }
    if (v->released) {
        act(d, GW_ACT_TAKE_OVER, GW_NO_STEP, "");
        return;
    }
    if (v->ponr_intent && !v->ponr_passed && !v->back &&
        is_open(v->step[gw_operation_ponr(d->op)].state)) {
        act(d, GW_ACT_ASK, GW_NO_STEP, "the release was begun at the other site");
        return;
    }
    act(d, GW_ACT_PASSIVE, GW_NO_STEP, "");
}

static void begin_run(struct deciding *d)
{
    if (d->f->abort_by_passed) {
        act(d, GW_ACT_CANCEL, GW_NO_STEP, "its time to abort by has passed");
    } else if (d->v->state == GW_RUN_WAITING_APPROVAL && d->v->approvals < d->f->approvals_needed) {
        wait_for(d, GW_FOR_APPROVAL, GW_NO_STEP, "waits for approval");
    } else if (d->f->start_due) {
        act(d, GW_ACT_START, GW_NO_STEP, "");
    } else if (d->v->state == GW_RUN_WAITING_APPROVAL) {
        act(d, GW_ACT_READY, GW_NO_STEP, "");
    } else {
        wait_for(d, GW_FOR_TIME, GW_NO_STEP, "waits for its time");
    }
}

/* true: the person's word is answered first. */
static bool person(struct deciding *d)
{
    const char *why = "";
    if (d->f->choice == GW_CHOICE_NONE)
        return false;
    switch (gw_run_may(d->op, d->v, d->f, d->f->choice, &why)) {
    case GW_MAY:
        act(d, GW_ACT_RECORD, d->v->halted_at, "");
        return true;
    case GW_MAY_NOT:
        act(d, GW_ACT_REFUSE, GW_NO_STEP, why);
        return true;
    case GW_MAY_LATER:
        break;
    }
    return false;
}

static void coordinate(struct deciding *d)
{
    switch (d->v->state) {
    case GW_RUN_WAITING_APPROVAL:
    case GW_RUN_SCHEDULED:
        begin_run(d);
        return;
    case GW_RUN_RUNNING:
    case GW_RUN_WAITING:
        forward(d);
        return;
    case GW_RUN_CANCELLING:
    case GW_RUN_REVERTING:
        go_back(d);
        return;
    case GW_RUN_HALTED:
        wait_for(d, GW_FOR_PERSON, d->v->halted_at, "a person must decide");
        return;
    case GW_RUN_IN_DOUBT:
        doubt(d);
        return;
    case GW_RUN_NEW:
    case GW_RUN_DONE:
    case GW_RUN_FAILED:
    case GW_RUN_CANCELLED:
    case GW_RUN_REVERTED:
    case GW_RUN_ABORTED:
    case GW_RUN_STATE_MAX:
        break;
    }
    act(d, GW_ACT_PASSIVE, GW_NO_STEP, "");
}

void gw_decide(const struct gw_operation *op, const struct gw_run_view *v,
               const struct gw_run_facts *facts, struct gw_action *ret)
{
    struct deciding d = { op, v, facts, ret };
    *ret = (struct gw_action){
        .act = GW_ACT_PASSIVE, .step = GW_NO_STEP, .end = GW_RUN_STATE_MAX, .why = ""
    };
    if (v->entries == 0 || gw_run_state_ended(v->state)) /* D8 */
        return;
    if (facts->superseded)
        act(&d, GW_ACT_SUPERSEDE, GW_NO_STEP, "a newer epoch of the plan exists");
    else if (person(&d))
        return;
    else if (facts->me != v->coordinator)
        follow(&d);
    else if (v->released)
        act(&d, GW_ACT_HAND_OVER, GW_NO_STEP, "released: the new site is told");
    else
        coordinate(&d);
}

static const char *const act_names[GW_ACT_MAX] = {
    [GW_ACT_WAIT] = "wait",           [GW_ACT_START] = "start",
    [GW_ACT_READY] = "ready",         [GW_ACT_DO] = "do",
    [GW_ACT_OBSERVE] = "observe",     [GW_ACT_POLL] = "poll",
    [GW_ACT_UNDO] = "undo",           [GW_ACT_CONTINUE] = "continue",
    [GW_ACT_GIVE_UP] = "give up",     [GW_ACT_CANCEL] = "cancel",
    [GW_ACT_REVERT] = "revert",       [GW_ACT_HALT] = "halt",
    [GW_ACT_DOUBT] = "doubt",         [GW_ACT_CLEAR] = "clear",
    [GW_ACT_TELL] = "tell",           [GW_ACT_ALONE] = "alone",
    [GW_ACT_RECORD] = "record",       [GW_ACT_REFUSE] = "refuse",
    [GW_ACT_HAND_OVER] = "hand over", [GW_ACT_ASK] = "ask",
    [GW_ACT_TAKE_OVER] = "take over", [GW_ACT_SUPERSEDE] = "supersede",
    [GW_ACT_FINISH] = "finish",       [GW_ACT_PASSIVE] = "passive",
};

const char *gw_act_name(enum gw_act a)
{
    return (unsigned)a < GW_ACT_MAX ? act_names[a] : "invalid";
}
