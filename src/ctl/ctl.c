// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "ctl/ctl.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What an interruption means right now. Both are written before the handler can run. */
static volatile sig_atomic_t interrupt_exit = CTL_CANCELLED;
static const char *volatile interrupt_text = "interrupted; nothing was done";

static void interrupted(int number)
{
    (void)number;
    const char *text = interrupt_text;
    /* Nothing can be done if this fails. */
    if (write(STDERR_FILENO, "\ngodwit-ctl: ", 13) < 0 ||
        write(STDERR_FILENO, text, strlen(text)) < 0 || write(STDERR_FILENO, "\n", 1) < 0)
        _exit(interrupt_exit);
    _exit(interrupt_exit);
}

void ctl_on_interrupt(int code, const char *sentence)
{
    interrupt_text = sentence;
    interrupt_exit = code;
    struct sigaction a = { .sa_handler = interrupted };
    sigaction(SIGINT, &a, NULL);
    sigaction(SIGTERM, &a, NULL);
}

int ctl_exit_of(const struct ctl *c, int code)
{
    if (c->asked && gw_control_outcome_unknown(code))
        return CTL_UNKNOWN;
    switch (-code) {
    case EPERM:           /* the state does not allow it */
    case EUCLEAN:         /* the image is not consistent, or there is none */
    case EBUSY:           /* served by another process */
    case EALREADY:        /* done or under way */
    case ENOTCONN:        /* needs a streaming peer */
    case EEXIST:          /* would overwrite what is there */
    case EPROTONOSUPPORT: /* written by a newer godwit */
        return CTL_REFUSED;
    default: /* errno values are not an enum of ours */
        return CTL_FAILED;
    }
}

int ctl_usage(struct ctl *c, const char *fmt, ...)
{
    c->err.code = -EINVAL;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(c->err.msg, sizeof c->err.msg, fmt, ap);
    va_end(ap);
    return CTL_USAGE;
}

int ctl_no_memory(struct ctl *c)
{
    gw_error_set(&c->err, -ENOMEM, "out of memory");
    return -ENOMEM;
}

static const char *common(const struct ctl *c, const char *name, unsigned flag)
{
    return (c->args.command->flags & flag) != 0 ? ctl_arg(&c->args, name) : NULL;
}

const char *ctl_socket(const struct ctl *c)
{
    return common(c, "socket", CTL_SOCKET);
}

const char *ctl_dir(const struct ctl *c)
{
    return common(c, "dir", CTL_DIR);
}

int ctl_timeout(struct ctl *c, unsigned default_ms, unsigned *ret_ms)
{
    uint64_t ms = default_ms;
    if ((c->args.command->flags & CTL_TIMEOUT) != 0 &&
        ctl_arg_ms(&c->args, "timeout", &ms, &c->err) < 0)
        return CTL_USAGE;
    *ret_ms = (unsigned)ms;
    return 0;
}

int ctl_call(struct ctl *c, json_t *request, unsigned timeout_ms, json_t **ret)
{
    CLEANUP_JSON json_t *owned = request;
    if (owned == NULL)
        return ctl_no_memory(c);
    ctl_on_interrupt(CTL_UNKNOWN,
                     "interrupted before the answer came; the outcome is UNKNOWN, look at "
                     "the status before deciding anything");
    c->asked = true;
    int r = gw_control_call(ctl_socket(c), owned, timeout_ms, NULL, NULL, ret, &c->err);
    ctl_on_interrupt(CTL_CANCELLED, "interrupted");
    if (r == -ENOSYS)
        return gw_error_wrap(&c->err,
                             "this process does not do that (a source and a replica have different "
                             "commands)");
    return r;
}

int ctl_ask(struct ctl *c, json_t *request, json_t **ret)
{
    unsigned ms;
    int r = ctl_timeout(c, CTL_TIMEOUT_MS_DEFAULT, &ms);
    if (r == 0)
        return ctl_call(c, request, ms, ret);
    json_decref(request);
    return r;
}

int ctl_status(struct ctl *c, json_t **ret)
{
    int r = ctl_call(c, json_pack("{s:s}", "cmd", "status"), CTL_TIMEOUT_MS_DEFAULT, ret);
    c->asked = false; /* a question leaves nothing open */
    return r;
}

int ctl_plan_open(struct ctl *c, unsigned flags, struct gw_plan **ret)
{
    return gw_plan_open(gw_io_posix(), ctl_dir(c), flags, ret, &c->err);
}

int ctl_confirm(struct ctl *c, const char *plan, const char *consequence)
{
    if (ctl_flag(&c->args, "yes"))
        return 0;
    if (isatty(STDIN_FILENO) != 1)
        return ctl_usage(c,
                         "%s cannot be taken back, and there is no terminal to ask at; say --yes",
                         c->args.command->name);
    ctl_on_interrupt(CTL_CANCELLED, "interrupted; nothing was done");
    fprintf(stderr, "%s\nType the plan's name (%s) to go on: ", consequence, plan);
    fflush(stderr);
    char line[256];
    if (fgets(line, sizeof line, stdin) == NULL)
        line[0] = '\0';
    line[strcspn(line, "\n")] = '\0';
    if (strcmp(line, plan) == 0 && plan[0] != '\0')
        return 0;
    gw_error_set(&c->err, -ECANCELED, "not confirmed; nothing was done");
    return CTL_CANCELLED;
}

int ctl_readable(struct ctl *c, const char *what, const char *text, size_t bytes_max)
{
    CLEANUP_JSON json_t *utf8 = json_string(text);
    if (utf8 == NULL)
        return ctl_usage(c, "%s: not valid UTF-8", what);
    if (text[strspn(text, " ")] == '\0' || strlen(text) > bytes_max)
        return ctl_usage(c, "%s: a text of 1 to %zu bytes", what, bytes_max);
    for (const char *p = text; *p != '\0'; p++) {
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            return ctl_usage(c, "%s: no control characters", what);
    }
    return 0;
}

int ctl_person(struct ctl *c, const char **ret)
{
    *ret = ctl_arg(&c->args, "by");
    return ctl_readable(c, "--by", *ret, GW_PERSON_MAX - 1);
}
