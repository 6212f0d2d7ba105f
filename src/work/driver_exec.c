// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The driver `exec`: an instance is three commands. */
#include "base/cleanup.h"
#include "work/command.h"
#include "work/driver_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define CODE_RUNNING 0 /* of a status command, as in the LSB */
#define CODE_STOPPED 3

static int check(const struct gw_work_instance *i, struct gw_error *err)
{
    int r = gw_argv_check(i->start, "start", err);
    if (r == 0)
        r = gw_argv_check(i->stop, "stop", err);
    if (r == 0)
        r = gw_argv_check(i->status, "status", err);
    if (r == 0 && (i->running.n > GW_EXIT_CODES_MAX || i->stopped.n > GW_EXIT_CODES_MAX ||
                   i->failed.n > GW_EXIT_CODES_MAX))
        r = gw_error_set(err, -EINVAL, "more than %u exit codes", GW_EXIT_CODES_MAX);
    return r;
}

static int environment(const struct gw_work_instance *i, struct gw_env **ret, struct gw_error *err)
{
    struct gw_env *e = NULL;
    int r = gw_env_new(&e, err);
    if (r == 0)
        r = gw_env_add(e, i->env, err);
    if (r == 0 && i->group != NULL)
        r = gw_env_set(e, err, "GODWIT_GROUP", "%s", i->group);
    if (r == 0)
        r = gw_env_set(e, err, "GODWIT_INSTANCE", "%s", i->name);
    if (r < 0) {
        gw_env_free(e);
        return r;
    }
    *ret = e;
    return 0;
}

static int run(const struct gw_work_instance *i, const char *verb, const char *const *argv,
               const struct gw_work *w, uint64_t deadline_ns, struct gw_child_result *ret,
               struct gw_error *err)
{
    char what[GW_WORK_NAME_MAX + 32];
    struct gw_env *env = NULL;
    int r = environment(i, &env, err);
    if (r < 0)
        return r;
    snprintf(what, sizeof what, "%s of \"%s\"", verb, i->name);
    const struct gw_work_command c = { .what = what,
                                       .argv = argv,
                                       .env = env,
                                       .timeout_ms = gw_left_ms(deadline_ns),
                                       .only_looks = argv == i->status };
    r = gw_command_run(&c, w, ret, err);
    gw_env_free(env);
    return r;
}

static int act(const struct gw_work_instance *i, const char *verb, const char *const *argv,
               const struct gw_work *w, uint64_t deadline_ns, struct gw_error *err)
{
    struct gw_child_result result;
    int r = run(i, verb, argv, w, deadline_ns, &result, err);
    if (r < 0)
        return r;
    r = gw_command_verdict(verb, &result, err);
    gw_child_result_done(&result);
    return r;
}

static int start(const struct gw_work_instance *i, const struct gw_work *w, uint64_t deadline_ns,
                 struct gw_error *err)
{
    return act(i, "start", i->start, w, deadline_ns, err);
}

static int stop(const struct gw_work_instance *i, const struct gw_work *w, uint64_t deadline_ns,
                struct gw_error *err)
{
    return act(i, "stop", i->stop, w, deadline_ns, err);
}

static bool among(int code, const struct gw_exit_codes *codes, int otherwise)
{
    if (codes->n == 0)
        return code == otherwise;
    for (unsigned i = 0; i < codes->n; i++) {
        if (codes->code[i] == code)
            return true;
    }
    return false;
}

static enum gw_instance_state status(const struct gw_work_instance *i, const struct gw_work *w,
                                     uint64_t deadline_ns, char text[GW_WORK_TEXT_MAX])
{
    struct gw_child_result result;
    struct gw_error err = { 0 };
    if (run(i, "status", i->status, w, deadline_ns, &result, &err) < 0) {
        snprintf(text, GW_WORK_TEXT_MAX, "%.*s", (int)GW_WORK_TEXT_MAX - 1, err.msg);
        return GW_INSTANCE_UNKNOWN;
    }
    enum gw_instance_state state = GW_INSTANCE_UNKNOWN;
    if (result.end == GW_CHILD_EXITED) {
        if (among(result.code, &i->running, CODE_RUNNING))
            state = GW_INSTANCE_RUNNING;
        else if (among(result.code, &i->stopped, CODE_STOPPED))
            state = GW_INSTANCE_STOPPED;
        else if (among(result.code, &i->failed, -1))
            state = GW_INSTANCE_FAILED;
    }
    char how[GW_WORK_TEXT_MAX - 16];
    gw_child_result_text(&result, how, sizeof how);
    snprintf(text, GW_WORK_TEXT_MAX, "status: %s", how);
    gw_child_result_done(&result);
    return state;
}

const struct gw_work_driver gw_driver_exec = {
    .name = "exec", .check = check, .start = start, .stop = stop, .status = status
};
