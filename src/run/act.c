// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Doing, observing and undoing a step: intent, effect, outcome, each durable before the next. */
#include "run/driver.h"

#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct gw_run_call make_call(const struct gw_run_driver *d, uint32_t i, uint32_t attempt)
{
    const struct gw_run_log *log = &d->log;
    const struct gw_step *s = &log->op->steps[i];
    return (struct gw_run_call){ .run = &log->run,
                                 .op = log->op,
                                 .step = s,
                                 .index = i,
                                 .attempt = attempt,
                                 .epoch = log->v.epoch,
                                 .dry = log->v.dry,
                                 .here = s->place == GW_PLACE_COORD ? log->me
                                                                    : (enum gw_run_side)s->place };
}

static bool crash(struct gw_run_driver *d, enum gw_run_moment moment,
                  const struct gw_run_call *call)
{
    const struct gw_run_env *env = d->log.env;
    if (env->world->crash && env->world->crash(env->world_ctx, moment, call, false))
        d->dead = true;
    return d->dead;
}

static void pause_after_failure(struct gw_run_driver *d)
{
    d->not_before_ns = gw_run_now(d) + GW_RUN_POLL_MS * GW_NS_PER_MS;
}

/* An entry about a step, appended and sent. */
static int record(struct gw_run_driver *d, enum gw_entry_kind kind, const struct gw_run_call *call,
                  uint32_t flags, const char *detail, uint64_t took_ns, bool share,
                  struct gw_error *err)
{
    struct gw_run_entry e = gw_run_log_next(&d->log, kind, call->index);
    e.core.attempt = call->attempt;
    e.core.flags = flags;
    if (took_ns != 0)
        e.took_ns = took_ns;
    snprintf(e.detail, sizeof e.detail, "%s", detail);
    int r = gw_run_log_append(&d->log, &e, 1, 0, err);
    if (r < 0 || !share || d->dead)
        return r;
    return d->peer == GW_PEER_SILENT && gw_run_now(d) < d->peer_next_ns
               ? 0
               : gw_run_share(d, NULL, err);
}

static int carry_out(struct gw_run_driver *d, enum gw_run_message_kind kind,
                     const struct gw_run_call *call, struct gw_run_outcome *ret,
                     struct gw_error *err)
{
    const struct gw_run_env *env = d->log.env;
    *ret = (struct gw_run_outcome){ .outcome = GW_OUTCOME_UNKNOWN };
    if (gw_step_is_remote(call->step, &d->log.v, d->log.me))
        return gw_run_remote(d, kind, call, ret, err);
    if (!gw_run_at_work_enter(env->at_work, call->run->id)) {
        snprintf(ret->detail, sizeof ret->detail, "another step of the run is under way here");
        if (kind != GW_RUN_OBSERVE)
            ret->outcome = GW_OUTCOME_EARLIER;
        return 0;
    }
    if (kind == GW_RUN_EFFECT)
        env->world->effect(env->world_ctx, call, ret);
    else if (kind == GW_RUN_UNDO)
        env->world->undo(env->world_ctx, call, ret);
    else
        env->world->observe(env->world_ctx, call, ret);
    gw_run_at_work_leave(env->at_work, call->run->id);
    return 0;
}

static enum gw_entry_kind outcome_of_effect(enum gw_outcome o)
{
    switch (o) {
    case GW_OUTCOME_DONE:
        return GW_ENTRY_DONE;
    case GW_OUTCOME_FAILED:
        return GW_ENTRY_FAILED;
    case GW_OUTCOME_WAITING:
        return GW_ENTRY_WAITING;
    case GW_OUTCOME_EARLIER:
        return GW_ENTRY_NOTHING;
    case GW_OUTCOME_UNKNOWN:
    case GW_OUTCOME_DESIRED:
    case GW_OUTCOME_NEITHER:
    case GW_OUTCOME_MAX:
        break;
    }
    return GW_ENTRY_UNKNOWN;
}

/* A dry run: the checks as they are, of the rest what its observe says, or nothing. */
static int do_dry(struct gw_run_driver *d, const struct gw_run_call *call, struct gw_error *err)
{
    struct gw_run_outcome o = { .outcome = GW_OUTCOME_DONE };
    enum gw_entry_kind kind = GW_ENTRY_DONE;
    uint32_t flags = 0;
    int r = 0;
    if (call->step->dry == GW_DRY_SKIP) {
        snprintf(o.detail, sizeof o.detail, "dry run: passed over");
    } else {
        bool probe = call->step->dry == GW_DRY_PROBE;
        r = carry_out(d, probe ? GW_RUN_OBSERVE : GW_RUN_EFFECT, call, &o, err);
        kind = probe ? GW_ENTRY_DONE : outcome_of_effect(o.outcome);
        flags = probe && o.outcome == GW_OUTCOME_UNKNOWN ? GW_ENTRY_UNSEEN : 0;
        if (kind == GW_ENTRY_WAITING)
            kind = GW_ENTRY_DONE;
    }
    return r < 0 ? r : record(d, kind, call, flags, o.detail, 0, true, err);
}

/* Is the last entry still our intent? The exchange may have brought what a higher epoch wrote. */
static bool intended(const struct gw_run_driver *d, const struct gw_run_call *call)
{
    const struct gw_run_log *log = &d->log;
    const struct gw_entry_core *last = &log->entries[log->n - 1].core;
    return !d->superseded && log->v.coordinator == log->me && log->v.epoch == call->epoch &&
           last->step == call->index && last->attempt == call->attempt &&
           last->kind == (call->undo ? GW_ENTRY_UNDO : GW_ENTRY_INTENT);
}

/*
 * D5: the intent of the point of no return is at both sites, or it does not happen. 1: go on.
 * Was it not sent for certain, the other site cannot act upon it (D6).
 */
static int secure(struct gw_run_driver *d, const struct gw_run_call *call, struct gw_error *err)
{
    bool not_sent = false;
    int r = gw_run_share(d, &not_sent, err);
    if (r < 0 || !intended(d, call))
        return r;
    if (d->peer_has >= d->log.n)
        return 1;
    if (d->log.op->alone_ok) {
        struct gw_run_entry e = gw_run_log_next(&d->log, GW_ENTRY_ALONE, call->index);
        snprintf(e.detail, sizeof e.detail, "the other site does not answer");
        r = gw_run_log_append(&d->log, &e, 1, 0, err);
        return r < 0 ? r : 1;
    }
    return record(d, GW_ENTRY_NOTHING, call, not_sent ? GW_ENTRY_NOT_SENT : 0,
                  "not begun: the other site does not answer", 0, false, err);
}

/* Before a redo of a step that changes who may serve. 1: the run is still ours. */
static int still_ours(struct gw_run_driver *d, struct gw_error *err)
{
    uint32_t n = d->log.n;
    int r = gw_run_pull(d, err);
    return r < 0 ? r : !d->superseded && d->log.n == n;
}

static int effect_and_outcome(struct gw_run_driver *d, const struct gw_run_call *call,
                              struct gw_error *err)
{
    struct gw_run_outcome o;
    if (crash(d, GW_MOMENT_BEFORE_EFFECT, call))
        return 0;
    uint64_t began_ns = gw_run_now(d);
    int r = carry_out(d, GW_RUN_EFFECT, call, &o, err);
    if (r < 0 || crash(d, GW_MOMENT_AFTER_EFFECT, call))
        return r;
    enum gw_entry_kind kind = outcome_of_effect(o.outcome);
    if (kind != GW_ENTRY_DONE && kind != GW_ENTRY_WAITING)
        pause_after_failure(d);
    r = record(d, kind, call, 0, o.detail, gw_run_now(d) - began_ns, false, err);
    if (r < 0 || crash(d, GW_MOMENT_AFTER_RECORD, call))
        return r;
    return gw_run_share(d, NULL, err);
}

int gw_run_do(struct gw_run_driver *d, uint32_t i, struct gw_error *err)
{
    struct gw_run_call call = make_call(d, i, d->log.v.step[i].attempts + 1);
    int r = 1;
    if ((call.step->flags & GW_STEP_ASKS_PEER) && call.attempt > 1)
        r = still_ours(d, err);
    if (r > 0)
        r = record(d, GW_ENTRY_INTENT, &call, 0, "", 0, !(call.step->flags & GW_STEP_PONR), err);
    else
        return r;
    if (r < 0 || !intended(d, &call))
        return r;
    if (d->log.v.dry)
        return do_dry(d, &call, err);
    if (call.step->flags & GW_STEP_PONR) {
        r = secure(d, &call, err);
        if (r <= 0)
            return r;
    }
    call.until_boot_ns = gw_run_until(d, i);
    return effect_and_outcome(d, &call, err);
}

/* The kind to record, or GW_ENTRY_KIND_MAX: nothing new. */
static enum gw_entry_kind news(const struct gw_run_driver *d, uint32_t i, enum gw_outcome o)
{
    enum gw_step_state st = d->log.v.step[i].state;
    switch (o) {
    case GW_OUTCOME_DESIRED:
        return GW_ENTRY_DONE;
    case GW_OUTCOME_EARLIER:
        return GW_ENTRY_NOTHING;
    case GW_OUTCOME_FAILED:
        return GW_ENTRY_FAILED;
    case GW_OUTCOME_NEITHER:
        return st == GW_STEP_NEITHER ? GW_ENTRY_KIND_MAX : GW_ENTRY_NEITHER;
    case GW_OUTCOME_WAITING:
        return st == GW_STEP_WAITS || !d->log.op->steps[i].wait ? GW_ENTRY_KIND_MAX
                                                                : GW_ENTRY_WAITING;
    case GW_OUTCOME_UNKNOWN:
    case GW_OUTCOME_DONE:
    case GW_OUTCOME_MAX:
        break;
    }
    return st == GW_STEP_INTENT ? GW_ENTRY_UNKNOWN : GW_ENTRY_KIND_MAX;
}

int gw_run_observe(struct gw_run_driver *d, uint32_t i, bool *ret_news, struct gw_error *err)
{
    struct gw_run_call call = make_call(d, i, d->log.v.step[i].attempts);
    struct gw_run_outcome o;
    *ret_news = false;
    int r = carry_out(d, GW_RUN_OBSERVE, &call, &o, err);
    enum gw_entry_kind kind = news(d, i, o.outcome);
    if (r < 0 || d->superseded || kind == GW_ENTRY_KIND_MAX)
        return r;
    *ret_news = true;
    return record(d, kind, &call, GW_ENTRY_OBSERVED, o.detail, 0, true, err);
}

int gw_run_undo(struct gw_run_driver *d, uint32_t i, struct gw_error *err)
{
    struct gw_run_call call = make_call(d, i, d->log.v.step[i].undo_attempts + 1);
    struct gw_run_outcome o;
    call.undo = true;
    int r = record(d, GW_ENTRY_UNDO, &call, 0, "", 0, true, err);
    if (r < 0 || !intended(d, &call) || crash(d, GW_MOMENT_BEFORE_EFFECT, &call))
        return r;
    uint64_t began_ns = gw_run_now(d);
    r = carry_out(d, GW_RUN_UNDO, &call, &o, err);
    if (r < 0 || crash(d, GW_MOMENT_AFTER_EFFECT, &call))
        return r;
    bool done = o.outcome == GW_OUTCOME_DONE;
    if (!done)
        pause_after_failure(d);
    r = record(d, done ? GW_ENTRY_UNDONE : GW_ENTRY_UNDO_FAILED, &call, 0, o.detail,
               gw_run_now(d) - began_ns, false, err);
    if (r < 0 || crash(d, GW_MOMENT_AFTER_RECORD, &call))
        return r;
    return gw_run_share(d, NULL, err);
}
