// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* What a person may ask of a run, and why not. */
#include "core/decide.h"

#include <string.h>

struct word {
    const char *name, *sentence;
};

static const struct word words[GW_CHOICE_MAX] = {
    [GW_CHOICE_NONE] = { "none", "" },
    [GW_CHOICE_APPROVE] = { "approve", "let it begin" },
    [GW_CHOICE_CANCEL] = { "cancel", "go back to how it was before the run" },
    [GW_CHOICE_RESUME] = { "resume", "look again at the step, and go on" },
    [GW_CHOICE_RETRY] = { "retry", "do the step again" },
    [GW_CHOICE_SKIP] = { "skip", "you say that the step is done, or not needed: go on" },
    [GW_CHOICE_REVERT] = { "revert", "take back what was done" },
    [GW_CHOICE_ABORT] = { "abort", "end the run as things stand; what is stopped stays stopped" },
    [GW_CHOICE_OVERRIDE] = { "override", "you say that the other site will not serve: go on here" },
};

const char *gw_choice_name(enum gw_choice choice)
{
    return (unsigned)choice < GW_CHOICE_MAX ? words[choice].name : "invalid";
}

const char *gw_choice_sentence(enum gw_choice choice)
{
    return (unsigned)choice < GW_CHOICE_MAX ? words[choice].sentence : "";
}

bool gw_choice_parse(const char *word, enum gw_choice *ret_choice)
{
    for (unsigned i = 1; i < GW_CHOICE_MAX; i++)
        if (strcmp(words[i].name, word) == 0) {
            *ret_choice = (enum gw_choice)i;
            return true;
        }
    return false;
}

enum gw_entry_kind gw_choice_entry(const struct gw_run_view *v, enum gw_choice choice)
{
    switch (choice) {
    case GW_CHOICE_APPROVE:
        return GW_ENTRY_APPROVED;
    case GW_CHOICE_CANCEL:
        return GW_ENTRY_CANCEL;
    case GW_CHOICE_RESUME:
        return GW_ENTRY_RESUME;
    case GW_CHOICE_RETRY:
        return GW_ENTRY_RETRY;
    case GW_CHOICE_SKIP:
        return v->back ? GW_ENTRY_UNDO_SKIPPED : GW_ENTRY_SKIPPED;
    case GW_CHOICE_REVERT:
        return GW_ENTRY_REVERT;
    case GW_CHOICE_ABORT:
        return GW_ENTRY_ABORT;
    case GW_CHOICE_OVERRIDE:
        return GW_ENTRY_OVERRIDE;
    case GW_CHOICE_NONE:
    case GW_CHOICE_MAX:
        break;
    }
    return GW_ENTRY_KIND_MAX;
}

static enum gw_may refuse(const char *why, const char **ret_why)
{
    *ret_why = why;
    return GW_MAY_NOT;
}

/* Would going back need the other site, which is silent? */
static bool stranded(const struct gw_operation *op, const struct gw_run_view *v,
                     const struct gw_run_facts *f)
{
    if (f->peer != GW_PEER_SILENT || v->dry)
        return false;
    for (uint32_t i = 0; i < op->n_steps; i++) {
        const struct gw_step *s = &op->steps[i];
        if (s->undo && v->step[i].attempts > 0 &&
            (v->step[i].state != GW_STEP_NOTHING || v->step[i].begun) &&
            ((s->flags & GW_STEP_UNDO_AT_PEER) || gw_step_is_remote(s, v, f->me)))
            return true;
    }
    return false;
}

static enum gw_may may_go_back(const struct gw_operation *op, const struct gw_run_view *v,
                               const struct gw_run_facts *f, const char **why)
{
    if (v->back)
        return refuse("it goes back already", why);
    if (v->ponr_passed || v->released)
        return refuse(
            "it is past the point of no return: it can only go forward. Going back is a new "
            "run",
            why);
    if (stranded(op, v, f))
        return refuse("going back needs the other site, which does not answer", why);
    return GW_MAY;
}

static enum gw_may may_cancel(const struct gw_operation *op, const struct gw_run_view *v,
                              const struct gw_run_facts *f, const char **why)
{
    if (v->state == GW_RUN_IN_DOUBT)
        return refuse("it is in doubt whether the other site took over: bring the link back, or "
                      "override",
                      why);
    enum gw_may m = may_go_back(op, v, f, why);
    if (m != GW_MAY || v->state == GW_RUN_HALTED)
        return m;
    uint32_t cur = gw_run_current(op, v);
    enum gw_step_state st = cur == GW_NO_STEP ? GW_STEP_IDLE : v->step[cur].state;
    if (st == GW_STEP_INTENT || st == GW_STEP_UNKNOWN || st == GW_STEP_NEITHER) {
        *why = "after the present step";
        return GW_MAY_LATER; /* D4 */
    }
    return GW_MAY;
}

static enum gw_may may_at_halt(const struct gw_operation *op, const struct gw_run_view *v,
                               enum gw_choice choice, const char **why)
{
    if (v->state != GW_RUN_HALTED)
        return refuse("the run is not halted", why);
    const struct gw_step *s = v->halted_at < op->n_steps ? &op->steps[v->halted_at] : NULL;
    if (choice == GW_CHOICE_ABORT)
        return GW_MAY;
    if (!s)
        return refuse("it did not halt at a step", why);
    if (choice == GW_CHOICE_RETRY && !v->back && s->class == GW_CLASS_ONCE &&
        v->step[v->halted_at].attempts > 0) /* D2 */
        return refuse(
            "this step is never begun twice: resume looks again, skip says that it is done", why);
    if (choice == GW_CHOICE_SKIP && !v->back && !(s->flags & GW_STEP_SKIPPABLE))
        return refuse("the run makes no sense without this step", why);
    return GW_MAY;
}

/* The release was begun, and this log does not say what came of it. */
static bool release_open(const struct gw_operation *op, const struct gw_run_view *v)
{
    if (!v->ponr_intent || v->ponr_passed || v->back)
        return false;
    enum gw_step_state st = v->step[gw_operation_ponr(op)].state;
    return st == GW_STEP_INTENT || st == GW_STEP_UNKNOWN || st == GW_STEP_NEITHER;
}

static enum gw_may may_override(const struct gw_operation *op, const struct gw_run_view *v,
                                const struct gw_run_facts *f, const char **why)
{
    if (f->me == v->coordinator)
        return v->state == GW_RUN_IN_DOUBT && !v->ponr_passed ? GW_MAY
                                                              : refuse("it is not in doubt", why);
    if (f->me != GW_SIDE_NEW || !release_open(op, v))
        return refuse("it is not in doubt here", why);
    if (f->peer == GW_PEER_THERE)
        return refuse("the other site answers: what became of the release is being asked", why);
    return GW_MAY;
}

enum gw_may gw_run_may(const struct gw_operation *op, const struct gw_run_view *v,
                       const struct gw_run_facts *f, enum gw_choice choice, const char **ret_why)
{
    const char *ignored;
    const char **why = ret_why ? ret_why : &ignored;
    *why = "";
    if (v->entries == 0 || gw_run_state_ended(v->state))
        return refuse("the run has ended", why);
    if (choice == GW_CHOICE_OVERRIDE)
        return may_override(op, v, f, why);
    if (f->me != v->coordinator || v->released)
        return refuse("the other site coordinates this run: ask there", why);
    switch (choice) {
    case GW_CHOICE_APPROVE:
        return v->state == GW_RUN_WAITING_APPROVAL
                   ? GW_MAY
                   : refuse("it does not wait for an approval", why);
    case GW_CHOICE_CANCEL:
        return may_cancel(op, v, f, why);
    case GW_CHOICE_REVERT:
        return v->state == GW_RUN_HALTED ? may_go_back(op, v, f, why)
                                         : refuse("the run is not halted: cancel it", why);
    case GW_CHOICE_RESUME:
    case GW_CHOICE_RETRY:
    case GW_CHOICE_SKIP:
    case GW_CHOICE_ABORT:
        return may_at_halt(op, v, choice, why);
    case GW_CHOICE_OVERRIDE:
    case GW_CHOICE_NONE:
    case GW_CHOICE_MAX:
        break;
    }
    return refuse("no such request", why);
}

unsigned gw_run_choices(const struct gw_operation *op, const struct gw_run_view *v,
                        const struct gw_run_facts *facts)
{
    unsigned bits = 0;
    for (unsigned c = 1; c < GW_CHOICE_MAX; c++)
        if (gw_run_may(op, v, facts, (enum gw_choice)c, NULL) != GW_MAY_NOT)
            bits |= 1u << c;
    return bits;
}

enum gw_run_state gw_run_shown_state(const struct gw_run_view *v, const struct gw_run_facts *f)
{
    bool open = v->ponr_intent && !v->ponr_passed && !v->back;
    if (f->me != v->coordinator && open && f->peer == GW_PEER_SILENT &&
        !gw_run_state_ended(v->state))
        return GW_RUN_IN_DOUBT;
    return v->state;
}
