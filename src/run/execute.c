// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "run/driver.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int check_new(const struct gw_run_log *log, struct gw_error *err)
{
    const struct gw_run *run = &log->run;
    if (run->id[0] == '\0' || run->plan[0] == '\0' || run->requester[0] == '\0')
        return gw_error_set(err, -EINVAL, "a run needs an id, a plan and a requester");
    if (strncmp(run->site[GW_SIDE_OLD], run->site[GW_SIDE_NEW], GW_RUN_NAME_MAX) == 0)
        return gw_error_set(err, -EINVAL, "run \"%s\": both sides are \"%s\"", run->id,
                            run->site[GW_SIDE_OLD]);
    if (log->me != log->op->starts)
        return gw_error_set(err, -EINVAL, "a %s is begun at site \"%s\"",
                            gw_operation_name(run->operation), run->site[log->op->starts]);
    if (run->supersedes[0] && !log->op->supersedes)
        return gw_error_set(err, -EINVAL, "a %s does not take the place of another run",
                            gw_operation_name(run->operation));
    return 0;
}

/* The run whose place is taken must be older, and not over. */
static int open_superseded(const struct gw_run_env *env, const struct gw_run *run,
                           struct gw_run_log *ret, struct gw_error *err)
{
    int r = gw_run_log_open(ret, env, run->supersedes, err);
    if (r < 0)
        return r;
    if (strncmp(ret->run.plan, run->plan, GW_RUN_NAME_MAX) != 0 ||
        gw_run_state_ended(ret->v.state) || ret->v.epoch >= run->epoch)
        r = gw_error_set(err, -EINVAL,
                         "run \"%s\" cannot take the place of \"%s\": it is of another plan, over, "
                         "or not of an older epoch",
                         run->id, run->supersedes);
    if (r < 0)
        gw_run_log_done(ret);
    return r;
}

int gw_run_create(const struct gw_run_env *env, const struct gw_run *run, struct gw_error *err)
{
    struct gw_run_log log, ends = { 0 };
    int r = gw_run_log_begin(&log, env, run, err);
    if (r == 0)
        r = check_new(&log, err);
    if (r == 0 && run->supersedes[0])
        r = open_superseded(env, run, &ends, err);
    if (r < 0)
        return r;
    struct gw_run_entry e = gw_run_log_next(&log, GW_ENTRY_CREATED, GW_NO_STEP);
    e.core.epoch = run->epoch;
    e.core.flags = run->dry_run ? GW_ENTRY_DRY : 0;
    snprintf(e.by, sizeof e.by, "%s", run->requester);
    snprintf(e.detail, sizeof e.detail, "%s", run->reason);
    gw_run_entry_seal(&e, run, NULL);
    r = gw_run_log_create(&log, &e, run->supersedes[0] ? &ends : NULL, err);
    gw_run_log_done(&log);
    gw_run_log_done(&ends);
    return r < 0 ? gw_error_wrap(err, "cannot begin a %s of plan \"%s\"",
                                 gw_operation_name(run->operation), run->plan)
                 : 0;
}

static int check_approval(const struct gw_run_log *log, const struct gw_run_request *request,
                          struct gw_error *err)
{
    if (gw_run_same_person(log->run.requester, request->by))
        return gw_error_set(err, -EPERM, "\"%s\" asked for this run: somebody else approves it",
                            request->by);
    for (uint32_t i = 0; i < log->n; i++)
        if (log->entries[i].core.kind == GW_ENTRY_APPROVED &&
            gw_run_same_person(log->entries[i].by, request->by))
            return gw_error_set(err, -EPERM, "\"%s\" has approved it already", request->by);
    return 0;
}

int gw_run_ask(const struct gw_run_env *env, const char *run, const struct gw_run_request *request,
               struct gw_error *err)
{
    struct gw_run_log log;
    const char *why = "";
    if (request->by[0] == '\0')
        return gw_error_set(err, -EINVAL, "who asks?");
    int r = gw_run_log_open(&log, env, run, err);
    if (r < 0)
        return r;
    struct gw_run_facts f = { .me = log.me };
    if (gw_run_may(log.op, &log.v, &f, request->choice, &why) == GW_MAY_NOT)
        r = gw_error_set(err, -EPERM, "cannot %s run \"%s\": %s", gw_choice_name(request->choice),
                         run, why);
    if (r == 0 && request->choice == GW_CHOICE_APPROVE)
        r = check_approval(&log, request, err);
    gw_run_log_done(&log);
    return r < 0 ? r : env->store->request_put(env->store_ctx, run, request, err);
}

int gw_run_execute(const struct gw_run_env *env, const char *run, enum gw_run_end *ret,
                   struct gw_error *err)
{
    struct gw_run_driver *d = NULL;
    enum gw_run_advance advance = GW_ADVANCE_AGAIN;
    uint64_t until = 0;
    int r = gw_run_open(env, run, &d, err);
    while (r == 0 && advance != GW_ADVANCE_END) {
        r = gw_run_advance(d, &advance, &until, ret, err);
        if (r == 0 && advance == GW_ADVANCE_WAIT)
            env->world->wait(env->world_ctx, run, until);
    }
    gw_run_close(d);
    return r;
}

int gw_run_resume_all(const struct gw_run_env *env, int (*start)(void *ctx, const char *run),
                      void *ctx, struct gw_error *err)
{
    return env->store->each_open(env->store_ctx, start, ctx, err);
}

int gw_run_look(const struct gw_run_env *env, const char *run, bool peer_silent,
                struct gw_run_look *ret, struct gw_error *err)
{
    struct gw_run_log log;
    int r = gw_run_log_open(&log, env, run, err);
    if (r < 0)
        return r;
    struct gw_run_facts f = { .me = log.me,
                              .peer = peer_silent ? GW_PEER_SILENT : GW_PEER_UNKNOWN };
    *ret = (struct gw_run_look){ .run = log.run,
                                 .view = log.v,
                                 .shown = gw_run_shown_state(&log.v, &f),
                                 .me = log.me,
                                 .current = gw_run_state_ended(log.v.state)
                                                ? GW_NO_STEP
                                                : gw_run_current(log.op, &log.v),
                                 .choices = gw_run_choices(log.op, &log.v, &f) };
    gw_run_log_done(&log);
    return 0;
}
