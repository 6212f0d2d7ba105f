// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The life of one command.
 *
 *     RUN --deadline, stop--> TERM --grace--> KILL
 *      |                       |               |
 *      +-----> ended <---------+---------------+
 *
 * "Ended" is the process itself: its pidfd says so, and it is waited for only at the very end, so
 * that until then its number, and that of its process group, cannot be anybody else's. Its output
 * is over at the end of the pipe, or a moment after it has ended if somebody else keeps the pipe.
 */
#include "work/child.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "work/child_internal.h"
#include "work/stop.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define READ_BYTES 65536
#define LAST_READS 32 /* of what is in the pipe when nothing more is waited for */

enum phase {
    PHASE_RUN,
    PHASE_TERM,
    PHASE_KILL,
};

struct life {
    const struct gw_child_spec *spec;
    struct child child;
    struct gw_child_result *result;
    enum phase phase;
    uint64_t phase_end_ns;  /* then the next phase begins */
    uint64_t settle_end_ns; /* the process has ended: so long for the rest of its output */
    bool cancelled, ended;
};

const char *gw_child_end_name(enum gw_child_end end)
{
    static const char *const names[GW_CHILD_END_MAX] = {
        [GW_CHILD_EXITED] = "exited",           [GW_CHILD_SIGNALLED] = "signalled",
        [GW_CHILD_TIMED_OUT] = "timed-out",     [GW_CHILD_CANCELLED] = "cancelled",
        [GW_CHILD_NOT_STARTED] = "not-started",
    };
    return names[end];
}

/* ---- attending ------------------------------------------------------------------------------- */

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void next_phase(struct life *l)
{
    const unsigned grace_ms = l->spec->grace_ms > 0 ? l->spec->grace_ms : GW_CHILD_GRACE_MS;
    const uint64_t now = gw_boot_ns();
    l->phase = l->phase == PHASE_RUN ? PHASE_TERM : PHASE_KILL;
    l->phase_end_ns = now + (l->phase == PHASE_TERM ? grace_ms : GW_CHILD_KILL_MS) * GW_NS_PER_MS;
    (void)child_signal(l->child.pid, l->phase == PHASE_TERM ? SIGTERM : SIGKILL);
}

/* True: there may be more. */
static bool read_output(struct life *l)
{
    char buf[READ_BYTES];
    ssize_t n = read(l->child.out_fd, buf, sizeof buf);
    if (n > 0)
        gw_output_add(&l->result->output, buf, (size_t)n);
    else if (n == 0 || (errno != EAGAIN && errno != EINTR))
        close_fd(&l->child.out_fd);
    return n > 0;
}

/* The command was executed (end of file), or the child says why not. */
static void read_sync(struct life *l)
{
    struct child_failure f;
    ssize_t n = recv(l->child.sync_fd, &f, sizeof f, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n == sizeof f) {
        static const char *const stages[] = {
            [CHILD_STAGE_SETUP] = "cannot set up the process",
            [CHILD_STAGE_DIR] = "cannot change to the directory",
            [CHILD_STAGE_EXEC] = "cannot execute",
        };
        const char *what = f.what == CHILD_STAGE_DIR ? l->spec->dir : l->spec->argv[0];
        const char *why = f.code == ENOENT && f.what == CHILD_STAGE_EXEC
                              ? "it, or the interpreter that it names, is not there"
                          : f.code == ENOEXEC ? "neither a program nor a script with a #! line"
                                              : strerrordesc_np(f.code);
        l->result->end = GW_CHILD_NOT_STARTED;
        l->result->failed_errno = f.code;
        snprintf(l->result->failed_text, sizeof l->result->failed_text, "%s \"%.120s\": %s",
                 stages[f.what], what, why);
    }
    close_fd(&l->child.sync_fd);
}

/* Over: nothing more will come, or nothing more is waited for. */
static bool over(struct life *l, uint64_t now)
{
    if (l->ended && l->child.out_fd < 0)
        return true;
    if (l->ended)
        return now >= l->settle_end_ns;
    return l->phase == PHASE_KILL && now >= l->phase_end_ns;
}

static void look(struct life *l, const struct pollfd f[4])
{
    if (f[0].revents != 0)
        read_output(l);
    if (f[1].revents != 0)
        read_sync(l);
    if (f[2].revents != 0) {
        l->ended = true;
        l->settle_end_ns = gw_boot_ns() + GW_CHILD_SETTLE_MS * GW_NS_PER_MS;
    }
    if (f[3].revents != 0 && !l->ended) {
        l->cancelled = true;
        next_phase(l);
    }
}

static void attend(struct life *l)
{
    for (;;) {
        uint64_t now = gw_boot_ns();
        if (over(l, now))
            return;
        struct pollfd f[4] = {
            { .fd = l->child.out_fd, .events = POLLIN },
            { .fd = l->child.sync_fd, .events = POLLIN },
            { .fd = l->ended ? -1 : l->child.pidfd, .events = POLLIN },
            { .fd = l->phase == PHASE_RUN ? l->spec->stop_fd : -1, .events = POLLIN },
        };
        uint64_t until = l->ended ? l->settle_end_ns : l->phase_end_ns;
        uint64_t ms = until > now ? (until - now) / GW_NS_PER_MS + 1 : 0;
        if (poll(f, 4, (int)GW_MIN(ms, 60000ull)) > 0)
            look(l, f);
        if (!l->ended && now >= l->phase_end_ns) /* also after a last look */
            next_phase(l);
    }
}

/* ---- the end --------------------------------------------------------------------------------- */

static void set_end(struct life *l, int status, bool known)
{
    struct gw_child_result *r = l->result;
    if (known && WIFEXITED(status))
        r->code = WEXITSTATUS(status);
    else if (known && WIFSIGNALED(status))
        r->signal = WTERMSIG(status);
    if (r->end == GW_CHILD_NOT_STARTED)
        return;
    if (l->phase != PHASE_RUN)
        r->end = l->cancelled ? GW_CHILD_CANCELLED : GW_CHILD_TIMED_OUT;
    else
        r->end = r->signal != 0 ? GW_CHILD_SIGNALLED : GW_CHILD_EXITED;
}

/* What is left of the group: it has what is left of the grace. Its number is ours until the process
 * is waited for. */
static void end_group(struct life *l)
{
    uint64_t now = gw_boot_ns();
    uint64_t left = l->phase == PHASE_TERM && l->phase_end_ns > now ? l->phase_end_ns - now : 0;
    if (l->ended)
        (void)gw_child_end(&l->result->record, (unsigned)(left / GW_NS_PER_MS), NULL);
    (void)child_signal(l->child.pid, SIGKILL); /* also those that have not kept the token */
}

static void finish(struct life *l)
{
    int status = 0;
    if (l->phase != PHASE_RUN)
        end_group(l);
    if (l->child.sync_fd >= 0)
        read_sync(l); /* its failure may have been seen after its end */
    for (int i = 0; i < LAST_READS && l->child.out_fd >= 0 && read_output(l); i++)
        ;
    if (l->child.out_fd >= 0) {
        l->result->drained = true;
        child_drain(l->child.out_fd);
    }
    /* One that hangs in the kernel is not waited for: it stays a zombie when it ends at last. */
    int flags = l->ended ? 0 : WNOHANG;
    pid_t pid;
    while ((pid = waitpid(l->child.pid, &status, flags)) < 0 && errno == EINTR)
        ;
    set_end(l, status, pid == l->child.pid);
    close_fd(&l->child.out_fd);
    close_fd(&l->child.sync_fd);
    close_fd(&l->child.pidfd);
}

/* It has not run and shall not: without a word on its socket it ends by itself. */
static void dismiss(struct child *c)
{
    close_fd(&c->sync_fd);
    while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    close_fd(&c->out_fd);
    close_fd(&c->pidfd);
}

/* ---- run ------------------------------------------------------------------------------------- */

static int environment(const struct gw_child_spec *spec, const struct gw_uuid *token,
                       struct gw_env *env, struct gw_error *err)
{
    static const char *const inherited[] = { "PATH", "HOME",   "USER", "LOGNAME",
                                             "LANG", "LC_ALL", "TZ",   "TMPDIR" };
    char text[GW_UUID_TEXT];
    int r = gw_env_set(env, err, "PATH", "%s", DEFAULT_PATH);
    for (size_t i = 0; r == 0 && i < GW_ARRAY_SIZE(inherited); i++) {
        const char *value = getenv(inherited[i]);
        if (value != NULL)
            r = gw_env_set(env, err, inherited[i], "%s", value);
    }
    if (r == 0)
        r = gw_env_add(env, spec->env, err);
    gw_uuid_format(token, text);
    if (r == 0)
        r = gw_env_set(env, err, "GODWIT_CHILD", "%s", text);
    return r;
}

static int check_argv(const struct gw_child_spec *spec, struct gw_error *err)
{
    size_t n = 0;
    while (spec->argv != NULL && spec->argv[n] != NULL)
        n++;
    if (n == 0 || spec->argv[0][0] == '\0')
        return gw_error_set(err, -EINVAL, "%s: the command is empty", spec->name);
    if (n > GW_CHILD_ARGS_MAX)
        return gw_error_set(err, -EINVAL, "%s: more than %u arguments", spec->name,
                            GW_CHILD_ARGS_MAX);
    return 0;
}

/* Held, on record, let go, attended, ended. */
static int run_child(const struct gw_child_spec *spec, const struct child_command *command,
                     const struct gw_uuid *token, struct gw_child_result *result,
                     struct gw_error *err)
{
    struct life l = { .spec = spec, .result = result };
    int r = child_spawn(command, &l.child, err);
    if (r < 0)
        return gw_error_wrap(err, "%s", spec->name);
    r = child_record_of(l.child.pid, token, &result->record, err);
    if (r == 0 && spec->started != NULL)
        r = spec->started(spec->ctx, &result->record, err);
    if (r < 0) {
        dismiss(&l.child);
        return gw_error_wrap(err, "%s was not started", spec->name);
    }
    const uint64_t begun = gw_boot_ns();
    l.phase_end_ns = begun + result->timeout_ms * GW_NS_PER_MS;
    /* Should somebody have killed it meanwhile, that is seen below. */
    (void)!send(l.child.sync_fd, "", 1, MSG_NOSIGNAL);
    attend(&l);
    finish(&l);
    result->took_ns = gw_boot_ns() - begun;
    return 0;
}

int gw_child_findable(const char *program, struct gw_error *err)
{
    char path[PATH_MAX];
    const char *search = getenv("PATH");
    int code = child_find_program(program, search != NULL ? search : DEFAULT_PATH, path);
    return code == 0 ? 0 : gw_error_errno(err, -code, "cannot execute \"%.120s\"", program);
}

static void not_started(struct gw_child_result *result, const char *name, int code, const char *why)
{
    result->end = GW_CHILD_NOT_STARTED;
    result->failed_errno = code;
    snprintf(result->failed_text, sizeof result->failed_text, "cannot execute \"%.120s\": %s", name,
             why);
}

static int run_found(const struct gw_child_spec *spec, struct gw_env *env,
                     struct gw_child_result *result, struct gw_error *err)
{
    char path[PATH_MAX];
    const struct gw_uuid token = gw_uuid_new();
    int r = environment(spec, &token, env, err);
    if (r < 0)
        return gw_error_wrap(err, "%s", spec->name);
    int code = child_find_program(spec->argv[0], gw_env_get(env, "PATH"), path);
    if (code == 0 && gw_stop_wanted(spec->stop_fd))
        code = ECANCELED;
    if (code != 0) {
        not_started(result, spec->argv[0], code,
                    code == EINVAL ? "neither an absolute path nor a plain name"
                                   : strerrordesc_np(code));
        return 0;
    }
    CLEANUP_CLOSE int in_fd = -1;
    r = spec->input != NULL ? child_input(spec->input, &in_fd, err) : 0;
    if (r < 0)
        return gw_error_wrap(err, "%s", spec->name);
    const struct child_command command = { .path = path,
                                           .argv = spec->argv,
                                           .env = gw_env_list(env),
                                           .dir = spec->dir != NULL ? spec->dir : "/",
                                           .in_fd = in_fd,
                                           .mute = spec->mute };
    return run_child(spec, &command, &token, result, err);
}

int gw_child_run(const struct gw_child_spec *spec, struct gw_child_result *ret,
                 struct gw_error *err)
{
    struct gw_child_result result = {
        .timeout_ms = spec->timeout_ms > 0 ? spec->timeout_ms : GW_CHILD_TIMEOUT_MS,
        .started_wall_ns = gw_wall_ns(),
    };
    struct gw_env *env = NULL;
    int r = check_argv(spec, err);
    if (r < 0)
        return r;
    r = gw_output_init(&result.output, err);
    if (r < 0)
        return r;
    r = gw_env_new(&env, err);
    if (r == 0)
        r = run_found(spec, env, &result, err);
    gw_env_free(env);
    /* It has run: that its text is lost (no memory) does not make it unrun. */
    if (r == 0)
        (void)gw_output_finish(&result.output, NULL);
    if (r < 0) {
        gw_child_result_done(&result);
        return r;
    }
    *ret = result;
    return 0;
}

void gw_child_result_done(struct gw_child_result *result)
{
    gw_output_done(&result->output);
}

bool gw_child_ok(const struct gw_child_result *result)
{
    return result->end == GW_CHILD_EXITED && result->code == 0;
}

static void describe(const struct gw_child_result *result, const char *line, char *ret, size_t cap)
{
    const char *colon = line[0] != '\0' ? ": " : "", *name = sigdescr_np(result->signal);
    switch (result->end) {
    case GW_CHILD_EXITED:
        snprintf(ret, cap, "exit code %d%s%s", result->code, colon, line);
        return;
    case GW_CHILD_SIGNALLED:
        snprintf(ret, cap, "killed by signal %d (%s)%s%s", result->signal,
                 name != NULL ? name : "unknown", colon, line);
        return;
    case GW_CHILD_TIMED_OUT:
        snprintf(ret, cap, "ended after %.3g s, the time it was given%s%s",
                 result->timeout_ms / 1000.0, colon, line);
        return;
    case GW_CHILD_CANCELLED:
        snprintf(ret, cap, "ended because it was cancelled%s%s", colon, line);
        return;
    case GW_CHILD_NOT_STARTED:
        snprintf(ret, cap, "%s", result->failed_text);
        return;
    case GW_CHILD_END_MAX:
        break;
    }
    abort();
}

void gw_child_result_text(const struct gw_child_result *result, char *ret, size_t cap)
{
    char line[GW_WORK_TEXT_MAX / 2];
    gw_output_last_line(&result->output, line, sizeof line);
    describe(result, line, ret, cap);
    gw_output_scrub(ret); /* it may have been cut in the middle of a character */
}
