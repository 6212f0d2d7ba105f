// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "run/receive.h"

#include "base/checked.h"
#include "run/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct receiving {
    const struct gw_run_env *env;
    const struct gw_run_message *m;
    struct gw_run_reply *ret;
    struct gw_run_log log;
    bool known; /* the run is stored here */
};

static int reply(struct receiving *x, enum gw_run_answer answer, const char *sentence)
{
    x->ret->answer = answer;
    snprintf(x->ret->sentence, sizeof x->ret->sentence, "%s", sentence);
    return 0;
}

/* ---- entries --------------------------------------------------------------------------------- */

/* A run that is not known here: its first entry makes it. */
static int take_new_run(struct receiving *x, struct gw_error *err)
{
    const struct gw_run_env *env = x->env;
    struct gw_run_log ends = { 0 };
    char busy[GW_RUN_ID_MAX] = "";
    struct gw_run_entry first;
    if (x->m->have > 0 || x->m->n == 0)
        return reply(x, GW_ANSWER_GAP, "this site does not know the run");
    first = x->m->entries[0];
    if (first.core.kind != GW_ENTRY_CREATED || first.core.epoch != x->m->run.epoch ||
        !gw_run_entry_valid(&first, &x->m->run, NULL))
        return reply(x, GW_ANSWER_INVALID, "the first entry does not belong to the run");
    int r = env->store->current(env->store_ctx, x->m->run.plan, busy, err);
    if (r > 0)
        r = gw_run_log_open(&ends, env, busy, err);
    if (r < 0)
        return r;
    if (busy[0] && ends.v.epoch >= x->m->epoch) {
        gw_run_log_done(&ends);
        snprintf(x->ret->busy, sizeof x->ret->busy, "%s", busy);
        return reply(x, GW_ANSWER_BUSY, "another run of the plan is not over");
    }
    r = gw_run_log_create(&x->log, &first, busy[0] ? &ends : NULL, err);
    gw_run_log_done(&ends);
    if (r == -EBUSY || r == -ESTALE || r == -EEXIST)
        return reply(x, GW_ANSWER_GAP, "something else came first: again");
    if (r == -EBADMSG || r == -EPROTO)
        return reply(x, GW_ANSWER_INVALID, "the first entry does not begin a run");
    x->known = r == 0;
    return r;
}

static int on_copy(struct receiving *x, struct gw_error *err)
{
    enum gw_run_answer answer = GW_ANSWER_OK;
    int r = x->known ? 0 : take_new_run(x, err);
    if (r < 0 || !x->known)
        return r;
    do {
        r = gw_run_log_merge(&x->log, x->m->have, x->m->entries, x->m->n, &answer, err);
        if (r == -ESTALE && gw_run_log_refresh(&x->log, NULL, err) < 0)
            return -EIO;
    } while (r == -ESTALE);
    if (r < 0)
        return r;
    static const char *const sentences[GW_ANSWER_MAX] = {
        [GW_ANSWER_OK] = "",
        [GW_ANSWER_OLD_EPOCH] = "a newer epoch of the plan is known here",
        [GW_ANSWER_ENDED] = "the run is over here",
        [GW_ANSWER_AHEAD] = "this site's log goes on in a higher epoch",
        [GW_ANSWER_GAP] = "entries are missing here",
        [GW_ANSWER_BUSY] = "",
        [GW_ANSWER_CONFLICT] = "both sites went on by themselves in the same epoch",
        [GW_ANSWER_INVALID] = "these entries do not continue the run's log",
    };
    if (answer != GW_ANSWER_OK && answer != GW_ANSWER_GAP && x->m->epoch < x->ret->epoch &&
        gw_run_state_ended(x->log.v.state))
        answer = GW_ANSWER_OLD_EPOCH;
    x->ret->have = answer == GW_ANSWER_GAP && x->m->have <= x->log.n ? 0 : x->log.n;
    return reply(x, answer, sentences[answer]);
}

static int on_pull(struct receiving *x, struct gw_error *err)
{
    uint32_t from = GW_MIN(x->m->have, x->log.n);
    uint32_t n = GW_MIN(x->log.n - from, GW_RUN_COPY_MAX);
    if (n == 0)
        return 0;
    x->ret->entries = malloc(n * sizeof *x->ret->entries);
    if (!x->ret->entries)
        return gw_error_errno(err, -ENOMEM, "run \"%s\"", x->m->run.id);
    memcpy(x->ret->entries, x->log.entries + from, n * sizeof *x->ret->entries);
    x->ret->n = n;
    return 0;
}

/* ---- effects --------------------------------------------------------------------------------- */

static int answer_outcome(struct receiving *x, enum gw_outcome outcome, const char *text)
{
    x->ret->outcome.outcome = outcome;
    snprintf(x->ret->outcome.detail, sizeof x->ret->outcome.detail, "%s", text);
    return 0;
}

static bool crash(struct receiving *x, enum gw_run_moment moment, const struct gw_run_call *call)
{
    const struct gw_run_world *w = x->env->world;
    return w->crash && w->crash(x->env->world_ctx, moment, call, true);
}

/* 1: do it now, and it is noted as begun. 0: answered. */
static int dedupe(struct receiving *x, const struct gw_run_inbox *in, struct gw_error *err)
{
    const struct gw_run_env *env = x->env;
    struct gw_run_inbox other;
    int r = env->store->inbox_get(env->store_ctx, in->run, in->step, in->attempt, in->undo, &other,
                                  err);
    if (r > 0 && !other.begun_only) {
        x->ret->outcome = other.outcome;
        return 0;
    }
    if (r > 0)
        return answer_outcome(x, GW_OUTCOME_UNKNOWN, "begun before, and cut short");
    if (r == 0)
        r = env->store->inbox_put(env->store_ctx, in, err);
    return r < 0 ? r : 1;
}

static int do_once(struct receiving *x, const struct gw_run_call *call, struct gw_error *err)
{
    const struct gw_run_env *env = x->env;
    struct gw_run_inbox in = {
        .step = call->index, .attempt = call->attempt, .undo = call->undo, .begun_only = true
    };
    snprintf(in.run, sizeof in.run, "%s", call->run->id);
    int r = dedupe(x, &in, err);
    if (r <= 0)
        return r;
    in.outcome.outcome = GW_OUTCOME_UNKNOWN;
    if (crash(x, GW_MOMENT_BEFORE_EFFECT, call))
        return gw_error_set(err, -ECANCELED, "stopped");
    if (call->undo)
        env->world->undo(env->world_ctx, call, &in.outcome);
    else
        env->world->effect(env->world_ctx, call, &in.outcome);
    if (crash(x, GW_MOMENT_AFTER_EFFECT, call))
        return gw_error_set(err, -ECANCELED, "stopped");
    in.begun_only = false;
    r = env->store->inbox_put(env->store_ctx, &in, err);
    if (r < 0)
        return r;
    if (crash(x, GW_MOMENT_AFTER_RECORD, call))
        return gw_error_set(err, -ECANCELED, "stopped");
    x->ret->outcome = in.outcome;
    return 0;
}

/* Nothing of a run beside what is under way here: an answer may have been lost, not the work. */
static int on_effect(struct receiving *x, const struct gw_run_call *call, struct gw_error *err)
{
    struct gw_run_at_work *w = x->env->at_work;
    if (!gw_run_at_work_enter(w, call->run->id))
        return answer_outcome(x, GW_OUTCOME_UNKNOWN, "a step of the run is under way here");
    int r = do_once(x, call, err);
    gw_run_at_work_leave(w, call->run->id);
    return r;
}

static int on_observe(struct receiving *x, const struct gw_run_call *call)
{
    const struct gw_run_env *env = x->env;
    if (!gw_run_at_work_enter(env->at_work, call->run->id))
        return answer_outcome(x, GW_OUTCOME_UNKNOWN, "a step of the run is under way here");
    env->world->observe(env->world_ctx, call, &x->ret->outcome);
    gw_run_at_work_leave(env->at_work, call->run->id);
    return 0;
}

/* Is this a call that the log here allows? 1: yes; 0: answered. */
static int check_call(struct receiving *x)
{
    const struct gw_run_message *m = x->m;
    const struct gw_run_view *v = &x->log.v;
    if (!x->known || m->epoch > v->epoch)
        return reply(x, GW_ANSWER_GAP, "entries are missing here");
    if (gw_run_state_ended(v->state))
        return reply(x, GW_ANSWER_ENDED, "the run is over here");
    if (m->epoch < v->epoch || m->from != v->coordinator)
        return reply(x, GW_ANSWER_OLD_EPOCH,
                     "the other site does not coordinate this run any more");
    if (m->step >= x->log.op->n_steps ||
        (unsigned)x->log.op->steps[m->step].place != (unsigned)x->log.me)
        return reply(x, GW_ANSWER_INVALID, "no such step at this site");
    const struct gw_step_view *st = &v->step[m->step];
    if (m->kind != GW_RUN_OBSERVE &&
        m->attempt != (m->kind == GW_RUN_UNDO ? st->undo_attempts : st->attempts))
        return reply(x, GW_ANSWER_GAP, "the intent is missing here");
    return 1;
}

static int on_call(struct receiving *x, struct gw_error *err)
{
    int r = check_call(x);
    if (r <= 0)
        return r;
    const struct gw_run_call call = { .run = &x->log.run,
                                      .op = x->log.op,
                                      .step = &x->log.op->steps[x->m->step],
                                      .index = x->m->step,
                                      .attempt = x->m->attempt,
                                      .epoch = x->m->epoch,
                                      .undo = x->m->kind == GW_RUN_UNDO,
                                      .dry = x->log.v.dry,
                                      .here = x->log.me };
    if (x->m->kind == GW_RUN_OBSERVE)
        return on_observe(x, &call);
    if (call.dry && call.step->dry != GW_DRY_RUN)
        return reply(x, GW_ANSWER_INVALID, "a dry run changes nothing");
    return on_effect(x, &call, err);
}

/* ---- all ------------------------------------------------------------------------------------- */

static int open_log(struct receiving *x, struct gw_error *err)
{
    struct gw_error unknown;
    int r = gw_run_log_open(&x->log, x->env, x->m->run.id, &unknown);
    x->known = r == 0;
    if (r == -ENOENT)
        return gw_run_log_begin(&x->log, x->env, &x->m->run, err);
    return r < 0 ? gw_error_set(err, r, "%s", unknown.msg) : 0;
}

/* gw_run_execute has something to do here: the release was begun or done, or the run came to this
 * side. */
static bool wakes(const struct receiving *x)
{
    const struct gw_run_view *v = &x->log.v;
    if (!x->known || gw_run_state_ended(v->state))
        return false;
    return v->coordinator == x->log.me || (x->log.me == GW_SIDE_NEW && v->ponr_intent && !v->back);
}

static int dispatch(struct receiving *x, struct gw_error *err)
{
    /* A log is taken from whoever coordinated, also when it is over: only a newer run forbids it.
     */
    bool over = x->known && gw_run_state_ended(x->log.v.state);
    if (x->m->epoch < x->ret->epoch && !(x->known && !over) && x->m->kind != GW_RUN_PULL)
        return reply(x, GW_ANSWER_OLD_EPOCH, "a newer epoch of the plan is known here");
    switch (x->m->kind) {
    case GW_RUN_COPY:
        return on_copy(x, err);
    case GW_RUN_PULL:
        return on_pull(x, err);
    case GW_RUN_EFFECT:
    case GW_RUN_UNDO:
    case GW_RUN_OBSERVE:
        return on_call(x, err);
    case GW_RUN_MESSAGE_MAX:
        break;
    }
    return reply(x, GW_ANSWER_INVALID, "no such message");
}

int gw_run_receive(const struct gw_run_env *env, const struct gw_run_message *m,
                   struct gw_run_reply *ret, bool *ret_wake, struct gw_error *err)
{
    struct receiving x = { .env = env, .m = m, .ret = ret };
    enum gw_run_side me;
    *ret = (struct gw_run_reply){ .answer = GW_ANSWER_OK };
    *ret_wake = false;
    int r = gw_run_me(env, &m->run, &me, err);
    if (r == 0 && (unsigned)m->from >= GW_RUN_SIDE_MAX)
        r = gw_error_set(err, -EINVAL, "a message of no side");
    if (r == 0 && me == m->from)
        r = gw_error_set(err, -EINVAL, "a message of this site to itself");
    if (r == 0)
        r = open_log(&x, err);
    if (r == 0)
        r = env->store->plan_epoch(env->store_ctx, m->run.plan, &ret->epoch, err);
    if (r == 0) {
        ret->have = x.known ? x.log.n : 0;
        r = dispatch(&x, err);
        *ret_wake = r == 0 && wakes(&x);
    }
    gw_run_log_done(&x.log);
    if (r < 0)
        gw_run_reply_done(ret);
    return r;
}
