// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The table of commands of godwit-ctl. The parser, --help, the man page, the completion and the
 * near-miss suggestions all read it; nothing else knows what commands and options there are.
 *
 * A command's name may have two words ("point create"). Besides its own options each has the common
 * ones that its flags ask for (ctl_common_options).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct ctl;

/* Exit codes; ctl_exits says them for people. */
enum ctl_exit {
    CTL_OK = 0,
    CTL_FAILED = 1,
    CTL_USAGE = 2,
    CTL_REFUSED = 3,
    CTL_WAITING = 4,
    CTL_CANCELLED = 5,
    CTL_UNKNOWN = 6,
    CTL_EXIT_MAX,
};
extern const char *const ctl_exits[CTL_EXIT_MAX];

enum ctl_flags {
    CTL_SOCKET = 1,      /* speaks to a process: --socket */
    CTL_DIR = 2,         /* works on a plan directory: --dir */
    CTL_DESTRUCTIVE = 4, /* asks to type the plan's name: --yes */
    CTL_TIMEOUT = 8,     /* --timeout */
    CTL_PLAIN = 16,      /* prints text for other programs: no --json */
};

struct ctl_option {
    const char *name; /* without the dashes */
    char letter;      /* 0: none */
    const char *arg;  /* word for its value; NULL: it has none */
    const char *help;
    bool required, repeat;
};

struct ctl_command {
    const char *name;
    const char *operands; /* "DIR", "ID DIR", "[ID]"; NULL: none */
    unsigned flags;
    const char *summary;              /* one line, no full stop */
    const char *text;                 /* sentences; blank line = new paragraph */
    const struct ctl_option *options; /* its own, ends with a NULL name; may be NULL */
    /* An exit code, or a negative errno value with c->err filled. */
    int (*run)(struct ctl *c);
};

extern const struct ctl_command ctl_commands[];
extern const size_t ctl_n_commands;

/* Options that commands share; `flags` of those that need one of a command's flags. */
struct ctl_common_option {
    struct ctl_option option;
    unsigned flags; /* 0: every command */
};
extern const struct ctl_common_option ctl_common_options[];
extern const size_t ctl_n_common_options;

/* Does the command have this common option? */
bool ctl_command_has(const struct ctl_command *command, const struct ctl_common_option *option);

/* ---- what the commands do, one cmd-*.c a group ---------------------------------------------- */

int ctl_cmd_create(struct ctl *c);
int ctl_cmd_describe(struct ctl *c);
int ctl_cmd_status(struct ctl *c);
int ctl_cmd_watch(struct ctl *c);
int ctl_cmd_inspect(struct ctl *c);
int ctl_cmd_lineage(struct ctl *c);
int ctl_cmd_promote(struct ctl *c);
int ctl_cmd_choose(struct ctl *c);
int ctl_cmd_quiesce(struct ctl *c);
int ctl_cmd_unquiesce(struct ctl *c);
int ctl_cmd_equal(struct ctl *c);
int ctl_cmd_release(struct ctl *c);
int ctl_cmd_handover(struct ctl *c);
int ctl_cmd_grant(struct ctl *c);
int ctl_cmd_fence(struct ctl *c);
int ctl_cmd_bandwidth(struct ctl *c);
int ctl_cmd_stop(struct ctl *c);
int ctl_cmd_resync(struct ctl *c);
int ctl_cmd_verify(struct ctl *c);
int ctl_cmd_point_create(struct ctl *c);
int ctl_cmd_point_list(struct ctl *c);
int ctl_cmd_point_delete(struct ctl *c);
int ctl_cmd_point_check(struct ctl *c);
int ctl_cmd_divergence_list(struct ctl *c);
int ctl_cmd_divergence_show(struct ctl *c);
int ctl_cmd_divergence_pending(struct ctl *c);
int ctl_cmd_divergence_export(struct ctl *c);
int ctl_cmd_divergence_sign(struct ctl *c);
int ctl_cmd_divergence_discard(struct ctl *c);
int ctl_cmd_man(struct ctl *c);
int ctl_cmd_completion(struct ctl *c);
