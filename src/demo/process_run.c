// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Commands that run to their end, with what they said. */
#include "demo/process_internal.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "demo/interrupt.h"
#include "demo/programs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#define OUTPUT_BYTES_MAX (16u << 20)

struct text {
    char *s;
    size_t n, cap;
};

void process_output_done(struct process_output *o)
{
    free(o->out);
    free(o->err);
    *o = (struct process_output){ .code = 0 };
}

/* Appends what can be read; closes *fd at its end. */
static int collect(int *fd, struct text *t, struct gw_error *err)
{
    if (t->n + 65536 > t->cap) {
        size_t cap = t->cap == 0 ? 131072 : t->cap * 2;
        char *s = cap <= OUTPUT_BYTES_MAX ? realloc(t->s, cap) : NULL;
        if (s == NULL)
            return gw_error_set(err, -ENOMEM, "the output is too long");
        t->s = s;
        t->cap = cap;
    }
    ssize_t n = read(*fd, t->s + t->n, t->cap - t->n - 1);
    if (n < 0 && errno != EINTR)
        return gw_error_errno(err, -errno, "cannot read the output");
    if (n == 0) {
        close(*fd);
        *fd = -1;
    }
    t->n += n > 0 ? (size_t)n : 0;
    t->s[t->n] = '\0';
    return 0;
}

/* Until both pipes are closed and the process has ended. */
static int attend(struct process *p, uint64_t end_ns, struct text text[2], struct gw_error *err)
{
    for (bool ended = false; p->out_fd >= 0 || p->err_fd >= 0 || !ended;) {
        uint64_t now = gw_boot_ns();
        if (now >= end_ns)
            return gw_error_set(err, -ETIMEDOUT, "%s took too long", p->name);
        struct pollfd f[4] = { { .fd = p->out_fd, .events = POLLIN },
                               { .fd = p->err_fd, .events = POLLIN },
                               { .fd = ended ? -1 : p->pidfd, .events = POLLIN },
                               { .fd = interrupt_fd(), .events = POLLIN } };
        int n = poll(f, 4, (int)((end_ns - now) / GW_NS_PER_MS) + 1);
        if (n < 0 && errno != EINTR)
            return gw_error_errno(err, -errno, "cannot wait for %s", p->name);
        if (n <= 0)
            continue;
        if (f[3].revents != 0)
            return interrupt_error(err);
        ended = ended || f[2].revents != 0;
        int r = f[0].revents != 0 ? collect(&p->out_fd, &text[0], err) : 0;
        if (r == 0 && f[1].revents != 0)
            r = collect(&p->err_fd, &text[1], err);
        if (r < 0)
            return gw_error_wrap(err, "%s", p->name);
    }
    return 0;
}

static int start(struct processes *ps, const char *const *argv, struct process **ret,
                 struct gw_error *err)
{
    int out[2], errors[2];
    if (pipe2(out, O_CLOEXEC) < 0)
        return gw_error_errno(err, -errno, "cannot make a pipe");
    if (pipe2(errors, O_CLOEXEC) < 0) {
        int r = gw_error_errno(err, -errno, "cannot make a pipe");
        close(out[0]);
        close(out[1]);
        return r;
    }
    const char *name = strrchr(argv[0], '/');
    const struct process_files files = { .out = out[1], .err = errors[1] };
    struct process *p = NULL;
    int r = process_spawn(ps, name != NULL ? name + 1 : argv[0], argv, NULL, files, &p, err);
    close(out[1]);
    close(errors[1]);
    if (p == NULL) {
        close(out[0]);
        close(errors[0]);
        return r;
    }
    p->out_fd = out[0];
    p->err_fd = errors[0];
    *ret = p;
    return 0;
}

static char *or_empty(char *s)
{
    return s != NULL ? s : strdup("");
}

int process_run(struct processes *ps, const char *const *argv, unsigned timeout_ms,
                struct process_output *ret, struct gw_error *err)
{
    char path[PATH_MAX];
    const char *args[PROCESS_ARGS_MAX + 1] = { NULL };
    if (!program_on_path(argv[0], path))
        return gw_error_set(err, -ENOENT, "the program \"%s\" is not installed", argv[0]);
    args[0] = path;
    for (int i = 1; argv[i] != NULL; i++) {
        if (i == PROCESS_ARGS_MAX)
            return gw_error_set(err, -E2BIG, "too many arguments for \"%s\"", argv[0]);
        args[i] = argv[i];
    }
    struct process *p = NULL;
    int r = start(ps, args, &p, err);
    if (p == NULL)
        return r;
    struct text text[2] = { { .s = NULL }, { .s = NULL } };
    r = attend(p, gw_boot_ns() + timeout_ms * GW_NS_PER_MS, text, err);
    if (r < 0)
        process_kill(p, SIGKILL);
    int status = 0;
    while (waitpid(p->pid, &status, 0) < 0 && errno == EINTR)
        ;
    process_forget(p);
    struct process_output o = { .out = or_empty(text[0].s), .err = or_empty(text[1].s) };
    o.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    if (r == 0 && (o.out == NULL || o.err == NULL))
        r = gw_error_set(err, -ENOMEM, "out of memory");
    if (r < 0) {
        process_output_done(&o);
        return r;
    }
    *ret = o;
    return 0;
}

static const char *last_line(char *text)
{
    size_t n = strlen(text);
    while (n > 0 && text[n - 1] == '\n')
        text[--n] = '\0';
    const char *nl = strrchr(text, '\n');
    return nl != NULL ? nl + 1 : text;
}

int process_must(struct processes *ps, const char *const *argv, unsigned timeout_ms, char **ret_out,
                 struct gw_error *err)
{
    struct process_output o;
    int r = process_run(ps, argv, timeout_ms, &o, err);
    if (r < 0)
        return r;
    if (o.code != 0) {
        const char *why = last_line(o.err);
        if (why[0] == '\0')
            why = last_line(o.out);
        r = gw_error_set(err, -EIO, "%s%s%s failed with exit code %d: %.300s", argv[0],
                         argv[1] != NULL ? " " : "", argv[1] != NULL ? argv[1] : "", o.code, why);
    } else if (ret_out != NULL) {
        *ret_out = o.out;
        o.out = NULL;
    }
    process_output_done(&o);
    return r;
}
