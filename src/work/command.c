// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "work/command.h"

#include "base/checked.h"
#include "base/clock.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

struct told { /* to the caller: child_ended follows child_started only */
    const struct gw_work_command *command;
    const struct gw_work *work;
    bool started;
};

static int started(void *ctx, const struct gw_child_record *record, struct gw_error *err)
{
    struct told *t = ctx;
    if (t->command->only_looks)
        return 0;
    if (t->work->child_started != NULL) {
        int r = t->work->child_started(t->work->ctx, t->command->what, record, err);
        if (r < 0)
            return r;
    }
    t->started = true;
    return 0;
}

int gw_command_run(const struct gw_work_command *c, const struct gw_work *w,
                   struct gw_child_result *ret, struct gw_error *err)
{
    struct gw_env *env = NULL;
    struct told told = { .command = c, .work = w };
    struct gw_child_result result;
    int r = gw_env_new(&env, err);
    if (r == 0)
        r = gw_env_add(env, w->env, err);
    if (r == 0 && c->env != NULL)
        r = gw_env_add(env, gw_env_list(c->env), err);
    if (r == 0) {
        const struct gw_child_spec spec = { .name = c->what,
                                            .argv = c->argv,
                                            .env = gw_env_list(env),
                                            .timeout_ms = c->timeout_ms,
                                            .stop_fd = w->stop_fd,
                                            .started = started,
                                            .ctx = &told };
        r = gw_child_run(&spec, &result, err);
    }
    gw_env_free(env);
    if (r < 0)
        return r;
    if (told.started && w->child_ended != NULL)
        w->child_ended(w->ctx, c->what, &result);
    *ret = result;
    return 0;
}

int gw_command_verdict(const char *what, const struct gw_child_result *result, struct gw_error *err)
{
    char text[GW_WORK_TEXT_MAX];
    if (gw_child_ok(result))
        return 0;
    gw_child_result_text(result, text, sizeof text);
    int code = -EIO;
    switch (result->end) {
    case GW_CHILD_EXITED:
    case GW_CHILD_SIGNALLED:
        break;
    case GW_CHILD_TIMED_OUT:
        code = -ETIMEDOUT;
        break;
    case GW_CHILD_CANCELLED:
        code = -ECANCELED;
        break;
    case GW_CHILD_NOT_STARTED:
        code = -result->failed_errno;
        break;
    case GW_CHILD_END_MAX:
        abort();
    }
    return gw_error_set(err, code, "%s: %s", what, text);
}

int gw_command_must(const struct gw_work_command *c, const struct gw_work *w, struct gw_error *err)
{
    struct gw_child_result result;
    int r = gw_command_run(c, w, &result, err);
    if (r < 0)
        return r;
    r = gw_command_verdict(c->what, &result, err);
    gw_child_result_done(&result);
    return r;
}

unsigned gw_left_ms(uint64_t deadline_ns)
{
    uint64_t now = gw_boot_ns();
    uint64_t ms = deadline_ns > now ? (deadline_ns - now) / GW_NS_PER_MS : 0;
    return (unsigned)GW_MIN(GW_MAX(ms, (uint64_t)1), (uint64_t)UINT_MAX);
}

int gw_argv_check(const char *const *argv, const char *name, struct gw_error *err)
{
    if (argv == NULL || argv[0] == NULL || argv[0][0] == '\0')
        return gw_error_set(err, -EINVAL, "%s is missing", name);
    if (strchr(argv[0], '/') != NULL && argv[0][0] != '/')
        return gw_error_set(err, -EINVAL, "%s: \"%s\" is neither an absolute path nor a plain name",
                            name, argv[0]);
    return 0;
}
