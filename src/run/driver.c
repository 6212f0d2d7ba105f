// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "run/driver.h"

#include "base/checked.h"
#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint64_t gw_run_now(const struct gw_run_driver *d)
{
    return d->log.env->world->boot_ns(d->log.env->world_ctx);
}

/* ---- facts ----------------------------------------------------------------------------------- */

static bool start_due(const struct gw_run_driver *d)
{
    const struct gw_run_env *env = d->log.env;
    uint64_t start_ns = d->log.run.start_wall_ns;
    return start_ns == 0 || env->world->wall_ns(env->world_ctx) >= start_ns;
}

/*
 * The time to abort by is a duration, counted by boot time from the moment that the run may begin.
 * A time of the day says only when that is. Wall time is looked at once more where a daemon takes
 * up a run that another began: what remains is then never more than was given, however the clock is
 * set.
 */
static void count_down(struct gw_run_driver *d, bool taken_up)
{
    const struct gw_run *run = &d->log.run;
    enum gw_run_state state = d->log.v.state;
    bool begun = start_due(d) || (state != GW_RUN_SCHEDULED && state != GW_RUN_WAITING_APPROVAL);
    if (run->abort_by_wall_ns == 0 || d->abort_ns != 0 || !begun)
        return;
    uint64_t from = run->start_wall_ns != 0 ? run->start_wall_ns : run->created_wall_ns;
    uint64_t now = d->log.env->world->wall_ns(d->log.env->world_ctx), left = 0, given = 0;
    if (ckd_sub(&given, run->abort_by_wall_ns, from))
        given = 0;
    if (ckd_sub(&left, run->abort_by_wall_ns, now))
        left = 0;
    d->abort_ns = gw_run_now(d) + (taken_up ? GW_MIN(left, given) : given) + 1;
}

/*
 * Services are stopped from the first intent of `stop` on. A daemon that takes the run up knows
 * only by wall time when that was: not more than all of it is left, however the clock is set.
 */
static void count_outage(struct gw_run_driver *d)
{
    const struct gw_run_log *log = &d->log;
    const struct gw_run_world *world = log->env->world;
    uint32_t stop = gw_operation_find(log->op, GW_STEP_STOP), i = 0;
    if (d->outage_ns != 0 || world->outage_ms == NULL || log->v.dry ||
        stop >= gw_operation_ponr(log->op) || gw_operation_ponr(log->op) >= log->op->n_steps)
        return;
    while (i < log->n &&
           (log->entries[i].core.kind != GW_ENTRY_INTENT || log->entries[i].core.step != stop))
        i++;
    if (i == log->n)
        return;
    uint64_t may_ms = world->outage_ms(log->env->world_ctx, &log->run), may_ns = 0, past_ns = 0;
    if (may_ms == 0 || ckd_mul(&may_ns, may_ms, GW_NS_PER_MS))
        return;
    if (i < d->opened_n &&
        ckd_sub(&past_ns, world->wall_ns(log->env->world_ctx), log->entries[i].wall_ns))
        past_ns = 0;
    d->outage_ns = gw_run_now(d) + may_ns - GW_MIN(past_ns, may_ns);
}

uint64_t gw_run_until(struct gw_run_driver *d, uint32_t step)
{
    count_outage(d);
    if (d->log.v.ponr_passed || d->log.v.back || step >= gw_operation_ponr(d->log.op))
        return 0;
    if (d->abort_ns == 0 || d->outage_ns == 0)
        return GW_MAX(d->abort_ns, d->outage_ns);
    return GW_MIN(d->abort_ns, d->outage_ns);
}

/* Since when has nothing come of the step at hand? */
static bool is_late(struct gw_run_driver *d)
{
    const struct gw_run_view *v = &d->log.v;
    uint32_t i = gw_run_current(d->log.op, v);
    uint32_t attempt = 0;
    uint64_t limit_ms = GW_STEP_PATIENCE_MS;
    if (i != GW_NO_STEP) {
        attempt = v->step[i].attempts + v->step[i].undo_attempts;
        if (d->log.op->steps[i].timeout_ms > 0)
            limit_ms = d->log.op->steps[i].timeout_ms;
    }
    bool halted = v->state == GW_RUN_HALTED;
    if (i != d->at_step || attempt != d->at_attempt || v->back != d->at_back || halted) {
        d->at_step = i;
        d->at_attempt = attempt;
        d->at_back = v->back;
        d->since_ns = gw_run_now(d);
    }
    return gw_run_now(d) - d->since_ns >= limit_ms * GW_NS_PER_MS;
}

static void gather(struct gw_run_driver *d, const struct gw_run_request *asked,
                   struct gw_run_facts *ret)
{
    const struct gw_run *run = &d->log.run;
    count_down(d, false);
    count_outage(d);
    *ret = (struct gw_run_facts){
        .me = d->log.me,
        .peer = d->peer,
        .peer_has = d->peer_has,
        .approvals_needed = run->approvals,
        .start_due = start_due(d),
        .abort_by_passed = d->abort_ns != 0 && gw_run_now(d) >= d->abort_ns,
        .outage_passed = d->outage_ns != 0 && gw_run_now(d) >= d->outage_ns,
        .late = is_late(d),
        .superseded = d->superseded,
        .return_on_unhealthy = run->return_on_unhealthy,
        .choice = asked->choice,
    };
}

/* ---- recording ------------------------------------------------------------------------------- */

/* What went wrong last, for whoever has to decide. */
static const char *last_detail(const struct gw_run_log *log, uint32_t step)
{
    for (uint32_t i = log->n; i-- > 0;)
        if (log->entries[i].core.step == step && log->entries[i].detail[0] &&
            strcmp(log->entries[i].detail, "{}") != 0)
            return log->entries[i].detail;
    return "";
}

static int note(struct gw_run_driver *d, enum gw_entry_kind kind, const struct gw_action *a,
                struct gw_error *err)
{
    struct gw_run_entry e = gw_run_log_next(&d->log, kind, a->step);
    const char *more =
        a->step == GW_NO_STEP || kind < GW_ENTRY_INTENT ? "" : last_detail(&d->log, a->step);
    /* "Does not answer" is what it comes to; a full disk there is what a person can mend. */
    if (d->peer == GW_PEER_SILENT && d->peer_why[0] &&
        (kind == GW_ENTRY_REVERT || kind == GW_ENTRY_HALT || kind == GW_ENTRY_DOUBT))
        more = d->peer_why;
    if (kind == GW_ENTRY_SUPERSEDED)
        more = d->superseded_by;
    if (kind == GW_ENTRY_TAKEN_OVER)
        e.core.epoch++;
    snprintf(e.detail, sizeof e.detail, "%.500s%s%.1500s", a->why, a->why[0] && more[0] ? ": " : "",
             more);
    int r = gw_run_log_append(&d->log, &e, 1, 0, err);
    if (r < 0 || kind == GW_ENTRY_SUPERSEDED || d->superseded ||
        (d->peer == GW_PEER_SILENT && gw_run_now(d) < d->peer_next_ns))
        return r;
    return gw_run_share(d, NULL, err);
}

/* The same person approving twice is one approval, however the two requests came. */
static bool approved_before(const struct gw_run_log *log, const char *by)
{
    for (uint32_t i = 0; i < log->n; i++)
        if (log->entries[i].core.kind == GW_ENTRY_APPROVED &&
            gw_run_same_person(log->entries[i].by, by))
            return true;
    return false;
}

static int answer(struct gw_run_driver *d, const struct gw_action *a,
                  const struct gw_run_request *asked, struct gw_error *err)
{
    bool refuse = a->act == GW_ACT_REFUSE;
    const char *why = a->why;
    if (asked->choice == GW_CHOICE_APPROVE && approved_before(&d->log, asked->by)) {
        refuse = true;
        why = "this person has approved it already";
    }
    if (refuse && d->log.me != d->log.v.coordinator) /* only the coordinator writes */
        return gw_run_log_append(&d->log, NULL, 0, asked->id, err);
    enum gw_entry_kind kind = refuse ? GW_ENTRY_REFUSED : gw_choice_entry(&d->log.v, asked->choice);
    struct gw_run_entry e = gw_run_log_next(&d->log, kind, refuse ? GW_NO_STEP : a->step);
    if (kind == GW_ENTRY_OVERRIDE)
        e.core.epoch++;
    snprintf(e.by, sizeof e.by, "%s", asked->by);
    if (refuse)
        snprintf(e.detail, sizeof e.detail, "%s: %s", gw_choice_name(asked->choice), why);
    else
        snprintf(e.detail, sizeof e.detail, "%s", asked->reason);
    int r = gw_run_log_append(&d->log, &e, 1, asked->id, err);
    d->since_ns = gw_run_now(d);
    d->not_before_ns = 0;
    return r < 0 || d->peer == GW_PEER_SILENT ? r : gw_run_share(d, NULL, err);
}

static enum gw_entry_kind end_kind(enum gw_run_state end)
{
    switch (end) {
    case GW_RUN_FAILED:
        return GW_ENTRY_END_FAILED;
    case GW_RUN_CANCELLED:
        return GW_ENTRY_END_CANCELLED;
    case GW_RUN_REVERTED:
        return GW_ENTRY_END_REVERTED;
    case GW_RUN_NEW:
    case GW_RUN_WAITING_APPROVAL:
    case GW_RUN_SCHEDULED:
    case GW_RUN_RUNNING:
    case GW_RUN_WAITING:
    case GW_RUN_CANCELLING:
    case GW_RUN_REVERTING:
    case GW_RUN_HALTED:
    case GW_RUN_IN_DOUBT:
    case GW_RUN_DONE:
    case GW_RUN_ABORTED:
    case GW_RUN_STATE_MAX:
        break;
    }
    return GW_ENTRY_END_DONE;
}

/* ---- the loop -------------------------------------------------------------------------------- */

static bool peer_due(const struct gw_run_driver *d)
{
    return gw_run_now(d) >= d->peer_next_ns;
}

/* Exchange with the other site, at most once a poll. */
static int exchange(struct gw_run_driver *d, bool pull, enum gw_run_advance *ret,
                    struct gw_error *err)
{
    if (!peer_due(d)) {
        *ret = GW_ADVANCE_WAIT;
        return 0;
    }
    uint32_t n = d->log.n, has = d->peer_has;
    int r = pull ? 0 : gw_run_share(d, NULL, err);
    if (r == 0 && (pull || d->log.v.released))
        r = gw_run_pull(d, err);
    d->peer_next_ns = gw_run_now(d) + GW_RUN_POLL_MS * GW_NS_PER_MS;
    *ret =
        d->log.n != n || d->peer_has != has || d->superseded ? GW_ADVANCE_AGAIN : GW_ADVANCE_WAIT;
    return r;
}

static int perform(struct gw_run_driver *d, const struct gw_action *a,
                   const struct gw_run_request *asked, enum gw_run_advance *ret,
                   enum gw_run_end *ret_end, struct gw_error *err)
{
    bool news = true;
    int r = 0;
    switch (a->act) {
    case GW_ACT_WAIT:
        *ret = GW_ADVANCE_WAIT;
        return 0;
    case GW_ACT_START:
        return note(d, GW_ENTRY_STARTED, a, err);
    case GW_ACT_READY:
        return note(d, GW_ENTRY_READY, a, err);
    case GW_ACT_DO:
        return gw_run_do(d, a->step, err);
    case GW_ACT_OBSERVE:
    case GW_ACT_POLL:
        r = gw_run_observe(d, a->step, &news, err);
        *ret = news ? GW_ADVANCE_AGAIN : GW_ADVANCE_WAIT;
        return r;
    case GW_ACT_UNDO:
        return gw_run_undo(d, a->step, err);
    case GW_ACT_CONTINUE:
        return note(d, GW_ENTRY_CONTINUED, a, err);
    case GW_ACT_GIVE_UP:
        return note(d, GW_ENTRY_GIVE_UP, a, err);
    case GW_ACT_CANCEL:
        return note(d, GW_ENTRY_CANCEL, a, err);
    case GW_ACT_REVERT:
        return note(d, GW_ENTRY_REVERT, a, err);
    case GW_ACT_HALT:
        return note(d, GW_ENTRY_HALT, a, err);
    case GW_ACT_DOUBT:
        return note(d, GW_ENTRY_DOUBT, a, err);
    case GW_ACT_CLEAR:
        return note(d, GW_ENTRY_CLEAR, a, err);
    case GW_ACT_TELL:
    case GW_ACT_HAND_OVER:
        return exchange(d, false, ret, err);
    case GW_ACT_ALONE:
        return note(d, GW_ENTRY_ALONE, a, err);
    case GW_ACT_RECORD:
    case GW_ACT_REFUSE:
        return answer(d, a, asked, err);
    case GW_ACT_ASK:
        return exchange(d, true, ret, err);
    case GW_ACT_TAKE_OVER:
        return note(d, GW_ENTRY_TAKEN_OVER, a, err);
    case GW_ACT_SUPERSEDE:
        return note(d, GW_ENTRY_SUPERSEDED, a, err);
    case GW_ACT_FINISH:
        return note(d, end_kind(a->end), a, err);
    case GW_ACT_PASSIVE:
    case GW_ACT_MAX:
        break;
    }
    /* The end may have passed us by; or the other site, which still has the run open. */
    bool ended = gw_run_state_ended(d->log.v.state);
    if ((!ended || d->over) && !d->pulled) {
        d->pulled = true;
        return ended ? gw_run_share(d, NULL, err) : gw_run_pull(d, err);
    }
    *ret = GW_ADVANCE_END;
    *ret_end = ended ? GW_RUN_ENDED : GW_RUN_PASSIVE;
    return 0;
}

/* A silent site is greeted now and then, so that it is noticed when it is there again. */
static int greet(struct gw_run_driver *d, struct gw_error *err)
{
    const struct gw_run_view *v = &d->log.v;
    bool wanted = d->peer == GW_PEER_SILENT || d->peer_has < d->log.n;
    if (!wanted || !peer_due(d) || d->log.me != v->coordinator || d->superseded ||
        gw_run_state_ended(v->state))
        return 0;
    int r = gw_run_share(d, NULL, err);
    d->peer_next_ns = gw_run_now(d) + GW_RUN_POLL_MS * GW_NS_PER_MS;
    return r;
}

static int decide_and_perform(struct gw_run_driver *d, enum gw_run_advance *ret,
                              enum gw_run_end *ret_end, struct gw_error *err)
{
    const struct gw_run_env *env = d->log.env;
    struct gw_run_request asked = { .choice = GW_CHOICE_NONE };
    struct gw_run_facts facts;
    struct gw_action a;
    int r = gw_run_log_refresh(&d->log, NULL, err);
    if (r == 0)
        r = env->store->request_next(env->store_ctx, d->log.run.id, &asked, err);
    if (r >= 0)
        r = greet(d, err);
    if (r < 0)
        return r;
    gather(d, &asked, &facts);
    (env->decide ? env->decide : gw_decide)(d->log.op, &d->log.v, &facts, &a);
    if (a.act != GW_ACT_RECORD && a.act != GW_ACT_REFUSE && gw_run_now(d) < d->not_before_ns) {
        *ret = GW_ADVANCE_WAIT;
        return 0;
    }
    *ret = GW_ADVANCE_AGAIN;
    bool waits_here =
        a.act == GW_ACT_POLL && !gw_step_is_remote(&d->log.op->steps[a.step], &d->log.v, d->log.me);
    d->polls = waits_here ? d->polls + 1 : 0;
    return perform(d, &a, &asked, ret, ret_end, err);
}

int gw_run_advance(struct gw_run_driver *d, enum gw_run_advance *ret, uint64_t *ret_until,
                   enum gw_run_end *ret_end, struct gw_error *err)
{
    const struct gw_run_env *env = d->log.env;
    *ret_until = gw_run_now(d) + GW_RUN_POLL_MS * GW_NS_PER_MS;
    if (!d->dead && env->world->stopping && env->world->stopping(env->world_ctx))
        d->dead = true;
    int r = d->dead ? 0 : decide_and_perform(d, ret, ret_end, err);
    if (r == -ESTALE) { /* somebody else appended: look again */
        *ret = GW_ADVANCE_AGAIN;
        r = 0;
    }
    if (d->polls > 0 && d->polls <= GW_RUN_POLLS_SOON)
        *ret_until = gw_run_now(d) + GW_RUN_POLL_SOON_MS * GW_NS_PER_MS;
    if (d->dead) {
        *ret = GW_ADVANCE_END;
        *ret_end = GW_RUN_STOPPED;
        return 0;
    }
    return r < 0 ? r : 0;
}

int gw_run_open(const struct gw_run_env *env, const char *run, struct gw_run_driver **ret,
                struct gw_error *err)
{
    struct gw_run_driver *d = calloc(1, sizeof *d);
    if (!d)
        return gw_error_errno(err, -ENOMEM, "run \"%s\"", run);
    int r = gw_run_log_open(&d->log, env, run, err);
    if (r < 0) {
        free(d);
        return r;
    }
    d->over = gw_run_state_ended(d->log.v.state);
    d->opened_n = d->log.n;
    d->at_step = GW_NO_STEP;
    d->since_ns = gw_run_now(d);
    count_down(d, true);
    *ret = d;
    return 0;
}

void gw_run_close(struct gw_run_driver *d)
{
    if (d)
        gw_run_log_done(&d->log);
    free(d);
}
