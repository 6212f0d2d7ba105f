// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Folding a log into the view of a run. Whatever a log may say that no executor of ours writes is
 * refused here, so that damage and a broken decider are found before anything is done.
 */
#include "core/decide.h"

#include <errno.h>

static bool fail(const char *why, const char **ret_why)
{
    if (ret_why)
        *ret_why = why;
    return false;
}

static bool completed(enum gw_step_state s)
{
    return s == GW_STEP_DONE || s == GW_STEP_CONTINUED || s == GW_STEP_SKIPPED;
}

/* Undoing means "make sure that", so only what certainly never began is left out. */
static bool to_undo(const struct gw_step *step, const struct gw_step_view *st)
{
    enum gw_step_state s = st->state;
    if (!step->undo || s == GW_STEP_IDLE || s == GW_STEP_UNDONE)
        return false;
    if (s == GW_STEP_NOTHING)
        return st->begun;
    return !(step->class == GW_CLASS_ONCE && s == GW_STEP_FAILED);
}

uint32_t gw_run_current(const struct gw_operation *op, const struct gw_run_view *v)
{
    if (v->back) {
        for (uint32_t i = v->dry ? 0 : op->n_steps; i-- > 0;)
            if (to_undo(&op->steps[i], &v->step[i]))
                return i;
        return GW_NO_STEP;
    }
    for (uint32_t i = 0; i < op->n_steps; i++) {
        if (v->returning && !(op->steps[i].flags & GW_STEP_ON_RETURN))
            continue;
        if (!completed(v->step[i].state))
            return i;
    }
    return GW_NO_STEP;
}

static bool unresolved(enum gw_step_state s)
{
    return s == GW_STEP_INTENT || s == GW_STEP_UNKNOWN || s == GW_STEP_NEITHER;
}

/* D2, D3: which intents a log may hold. */
static bool add_intent(struct gw_run_view *v, const struct gw_operation *op,
                       const struct gw_entry_core *e, const char **why)
{
    const struct gw_step *s = &op->steps[e->step];
    struct gw_step_view *st = &v->step[e->step];
    if (v->back || e->step != gw_run_current(op, v))
        return fail("an intent of a step that is not next", why);
    if (e->attempt != st->attempts + 1)
        return fail("an intent with a wrong attempt", why);
    if (s->class == GW_CLASS_ONCE && st->attempts > 0)
        return fail("a second intent of a step that is done once", why);
    if (st->state != GW_STEP_IDLE && st->state != GW_STEP_NOTHING && st->state != GW_STEP_FAILED)
        return fail("an intent of a step that has no outcome yet", why);
    st->state = GW_STEP_INTENT;
    st->timed_out = false;
    st->attempts++;
    st->tries++;
    if ((s->flags & GW_STEP_PONR) && !v->dry) {
        v->decision = v->entries + 1;
        if (s->class == GW_CLASS_ONCE)
            v->ponr_intent = v->exposed = true;
        else
            v->ponr_passed = true;
    }
    return true;
}

static bool add_outcome(struct gw_run_view *v, const struct gw_operation *op,
                        const struct gw_entry_core *e, enum gw_step_state to, const char **why)
{
    const struct gw_step *s = &op->steps[e->step];
    struct gw_step_view *st = &v->step[e->step];
    if (!unresolved(st->state) && st->state != GW_STEP_WAITS)
        return fail("an outcome of a step that was not begun", why);
    if (e->attempt != st->attempts)
        return fail("an outcome of another attempt", why);
    if (to == GW_STEP_UNKNOWN && !(e->flags & GW_ENTRY_OBSERVED))
        st->timed_out = true;
    if (to == GW_STEP_FAILED || (to == GW_STEP_NOTHING && st->timed_out)) /* D7 */
        st->fails++;
    st->state = to;
    if (s->class == GW_CLASS_IDEMPOTENT && !(e->flags & GW_ENTRY_NOT_SENT))
        st->begun = true;
    if (!(s->flags & GW_STEP_PONR) || v->dry)
        return true;
    if (s->class == GW_CLASS_ONCE && to == GW_STEP_DONE)
        v->ponr_passed = v->released = true;
    if (s->class != GW_CLASS_ONCE && to == GW_STEP_NOTHING)
        v->ponr_passed = false;
    if (to == GW_STEP_NOTHING && (e->flags & GW_ENTRY_NOT_SENT))
        v->exposed = false;
    return true;
}

static bool add_continued(struct gw_run_view *v, const struct gw_operation *op,
                          const struct gw_entry_core *e, const char **why)
{
    if (v->back || e->step != gw_run_current(op, v) ||
        op->steps[e->step].on_failure != GW_FAILURE_CONTINUE)
        return fail("a step is passed over that must not be", why);
    v->step[e->step].state = GW_STEP_CONTINUED;
    return true;
}

/* A person's word at a halt. */
static bool add_word(struct gw_run_view *v, const struct gw_operation *op,
                     const struct gw_entry_core *e, const char **why)
{
    if (e->step != v->halted_at || e->step >= op->n_steps)
        return fail("a word about another step than the halted one", why);
    const struct gw_step *s = &op->steps[e->step];
    struct gw_step_view *st = &v->step[e->step];
    st->tries = st->fails = st->undo_tries = 0;
    if (e->kind == GW_ENTRY_UNDO_SKIPPED) {
        if (!v->back)
            return fail("nothing is being undone", why);
        st->state = GW_STEP_UNDONE;
    } else if (e->kind == GW_ENTRY_SKIPPED) {
        if (v->back || !(s->flags & GW_STEP_SKIPPABLE))
            return fail("this step cannot be skipped", why);
        st->state = GW_STEP_SKIPPED;
        if ((s->flags & GW_STEP_PONR) && !v->dry)
            v->ponr_passed = true;
    } else if (e->kind == GW_ENTRY_RETRY && !v->back) {
        if (s->class == GW_CLASS_ONCE && st->attempts > 0)
            return fail("this step is done once", why);
        st->state = GW_STEP_IDLE;
    } else if (!v->back && st->attempts > 0 && st->state != GW_STEP_NOTHING &&
               st->state != GW_STEP_WAITS) {
        st->state = GW_STEP_UNKNOWN;
    }
    return true;
}

static bool add_back(struct gw_run_view *v, const char **why)
{
    if (v->ponr_passed || v->released) /* D3 */
        return fail("going back after the point of no return", why);
    v->back = true;
    v->decision = v->dry ? 0 : v->entries + 1;
    return true;
}

static bool add_undo(struct gw_run_view *v, const struct gw_operation *op,
                     const struct gw_entry_core *e, const char **why)
{
    struct gw_step_view *st = &v->step[e->step];
    if (!v->back || v->ponr_passed || e->step != gw_run_current(op, v))
        return fail("a step is undone that is not next", why);
    if (e->attempt != st->undo_attempts + 1)
        return fail("an undo with a wrong attempt", why);
    st->state = GW_STEP_UNDOING;
    st->undo_attempts++;
    st->undo_tries++;
    return true;
}

static bool add_undo_outcome(struct gw_run_view *v, const struct gw_entry_core *e, const char **why)
{
    struct gw_step_view *st = &v->step[e->step];
    if (st->state != GW_STEP_UNDOING || e->attempt != st->undo_attempts)
        return fail("an outcome of an undo that was not begun", why);
    st->state = e->kind == GW_ENTRY_UNDONE ? GW_STEP_UNDONE : GW_STEP_UNDO_FAILED;
    return true;
}

static bool add_override(struct gw_run_view *v, const struct gw_operation *op,
                         const struct gw_entry_core *e, const char **why)
{
    unsigned ponr = gw_operation_ponr(op);
    if (e->epoch <= v->epoch)
        return fail("an override that takes no new epoch", why);
    if (e->side == v->coordinator) {
        if (v->state != GW_RUN_IN_DOUBT || v->ponr_passed)
            return fail("an override without a doubt", why);
        v->exposed = false;
    } else {
        if (!v->ponr_intent || v->ponr_passed || v->back || !unresolved(v->step[ponr].state))
            return fail("an override without a doubt", why);
        v->step[ponr].state = GW_STEP_DONE;
        v->ponr_passed = true;
        v->coordinator = e->side;
    }
    v->overridden = true;
    v->decision = v->entries + 1;
    return true;
}

static bool add_taken_over(struct gw_run_view *v, const struct gw_entry_core *e, const char **why)
{
    if (!v->released || e->side == v->coordinator || e->epoch <= v->epoch)
        return fail("taken over without a release", why);
    v->released = false;
    v->decision = 0; /* what OLD decided is here */
    v->coordinator = e->side;
    return true;
}

static bool add_end(struct gw_run_view *v, const struct gw_operation *op,
                    const struct gw_entry_core *e, const char **why)
{
    if (e->kind != GW_ENTRY_ABORT && e->kind != GW_ENTRY_SUPERSEDED &&
        gw_run_current(op, v) != GW_NO_STEP)
        return fail("an end before everything is through", why);
    if (e->kind == GW_ENTRY_END_FAILED && !v->back && !v->returning)
        return fail("an end as failed of what did not fail", why);
    if (e->kind == GW_ENTRY_END_DONE && v->returning)
        return fail("an end as done of what was given up", why);
    return true;
}

static bool add_created(struct gw_run_view *v, const struct gw_operation *op,
                        const struct gw_entry_core *e, const char **why)
{
    if (e->side != op->starts)
        return fail("created by the wrong side", why);
    v->coordinator = e->side;
    v->dry = e->flags & GW_ENTRY_DRY;
    v->decision = v->dry ? 0 : 1;
    v->halted_at = GW_NO_STEP;
    return true;
}

/* What the kind does besides the state. */
static bool apply(struct gw_run_view *v, const struct gw_operation *op,
                  const struct gw_entry_core *e, const char **why)
{
    switch (e->kind) {
    case GW_ENTRY_CREATED:
        return add_created(v, op, e, why);
    case GW_ENTRY_APPROVED:
        v->approvals++;
        v->decision = v->dry ? 0 : v->entries + 1;
        return true;
    case GW_ENTRY_INTENT:
        return add_intent(v, op, e, why);
    case GW_ENTRY_DONE:
        return add_outcome(v, op, e, GW_STEP_DONE, why);
    case GW_ENTRY_FAILED:
        return add_outcome(v, op, e, GW_STEP_FAILED, why);
    case GW_ENTRY_UNKNOWN:
        return add_outcome(v, op, e, GW_STEP_UNKNOWN, why);
    case GW_ENTRY_NOTHING:
        return add_outcome(v, op, e, GW_STEP_NOTHING, why);
    case GW_ENTRY_NEITHER:
        return add_outcome(v, op, e, GW_STEP_NEITHER, why);
    case GW_ENTRY_WAITING:
        return add_outcome(v, op, e, GW_STEP_WAITS, why);
    case GW_ENTRY_CONTINUED:
        return add_continued(v, op, e, why);
    case GW_ENTRY_SKIPPED:
    case GW_ENTRY_RETRY:
    case GW_ENTRY_RESUME:
    case GW_ENTRY_UNDO_SKIPPED:
        return add_word(v, op, e, why);
    case GW_ENTRY_CANCEL:
    case GW_ENTRY_REVERT:
        return add_back(v, why);
    case GW_ENTRY_UNDO:
        return add_undo(v, op, e, why);
    case GW_ENTRY_UNDONE:
    case GW_ENTRY_UNDO_FAILED:
        return add_undo_outcome(v, e, why);
    case GW_ENTRY_OVERRIDE:
        return add_override(v, op, e, why);
    case GW_ENTRY_TAKEN_OVER:
        return add_taken_over(v, e, why);
    case GW_ENTRY_ALONE:
        v->alone = v->entries + 1;
        return true;
    case GW_ENTRY_GIVE_UP:
        v->returning = true;
        return true;
    case GW_ENTRY_END_DONE:
    case GW_ENTRY_END_FAILED:
    case GW_ENTRY_END_CANCELLED:
    case GW_ENTRY_END_REVERTED:
    case GW_ENTRY_ABORT:
    case GW_ENTRY_SUPERSEDED:
        return add_end(v, op, e, why);
    case GW_ENTRY_HALT:
        v->halted_at = e->step;
        return true;
    case GW_ENTRY_READY:
    case GW_ENTRY_STARTED:
    case GW_ENTRY_DOUBT:
    case GW_ENTRY_CLEAR:
    case GW_ENTRY_REFUSED:
    case GW_ENTRY_KIND_MAX:
        return true;
    }
    return true;
}

static bool names_step(enum gw_entry_kind kind)
{
    return (kind >= GW_ENTRY_INTENT && kind <= GW_ENTRY_CONTINUED) ||
           (kind >= GW_ENTRY_UNDO && kind <= GW_ENTRY_UNDO_FAILED);
}

/* Who may write what, and with which epoch. */
static bool allowed(const struct gw_run_view *v, const struct gw_operation *op,
                    const struct gw_entry_core *e, const char **why)
{
    if ((unsigned)e->kind >= GW_ENTRY_KIND_MAX || (unsigned)e->side >= GW_RUN_SIDE_MAX)
        return fail("an entry of an unknown kind", why);
    if (names_step(e->kind) ? e->step >= op->n_steps
                            : e->step != GW_NO_STEP && e->step >= op->n_steps)
        return fail("an entry of a step that is not there", why);
    if (e->epoch < v->epoch)
        return fail("an entry of an older epoch", why);
    bool takes = e->kind == GW_ENTRY_TAKEN_OVER || e->kind == GW_ENTRY_OVERRIDE ||
                 e->kind == GW_ENTRY_CREATED;
    if (e->epoch > v->epoch && !takes)
        return fail("an entry of a later epoch than its run", why);
    if (e->side != v->coordinator && !takes && e->kind != GW_ENTRY_SUPERSEDED)
        return fail("an entry by a site that does not coordinate", why);
    return true;
}

int gw_run_view_add(struct gw_run_view *v, const struct gw_operation *op,
                    const struct gw_entry_core *e, const char **ret_why)
{
    if (!allowed(v, op, e, ret_why))
        return -EPROTO;
    struct gw_run_next next = gw_run_next(v->state, e->kind);
    if (next.edge == GW_EDGE_IMPOSSIBLE || next.edge == GW_EDGE_REFUSED) {
        fail(next.sentence, ret_why);
        return -EPROTO;
    }
    struct gw_run_view w = *v;
    if (!apply(&w, op, e, ret_why))
        return -EPROTO;
    if (e->kind == GW_ENTRY_HALT || e->kind == GW_ENTRY_DOUBT)
        w.before = v->state == GW_RUN_WAITING ? GW_RUN_RUNNING : v->state;
    else if (v->state == GW_RUN_HALTED && e->kind != GW_ENTRY_REFUSED && e->kind != GW_ENTRY_ALONE)
        w.halted_at = GW_NO_STEP;
    w.state = next.edge == GW_EDGE_BEFORE ? v->before : next.to;
    w.epoch = e->epoch;
    w.entries++;
    *v = w;
    return 0;
}

static const char *const step_states[GW_STEP_STATE_MAX] = {
    [GW_STEP_IDLE] = "pending",
    [GW_STEP_INTENT] = "begun",
    [GW_STEP_DONE] = "done",
    [GW_STEP_FAILED] = "failed",
    [GW_STEP_UNKNOWN] = "unknown",
    [GW_STEP_NOTHING] = "not_done",
    [GW_STEP_NEITHER] = "neither",
    [GW_STEP_WAITS] = "waiting",
    [GW_STEP_CONTINUED] = "passed_over",
    [GW_STEP_SKIPPED] = "skipped",
    [GW_STEP_UNDOING] = "undoing",
    [GW_STEP_UNDO_FAILED] = "undo_failed",
    [GW_STEP_UNDONE] = "undone",
};

const char *gw_step_state_name(enum gw_step_state state)
{
    return (unsigned)state < GW_STEP_STATE_MAX ? step_states[state] : "invalid";
}
