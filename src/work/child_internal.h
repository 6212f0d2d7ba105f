// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* What child.c (a command's life), child_spawn.c (its birth) and child_proc.c (what /proc knows)
 * share. */
#pragma once

#include "work/child.h"
#include "work/env.h"

#include <limits.h>

/* ---- child_spawn.c --------------------------------------------------------------------------- */

struct child {
    pid_t pid;
    int pidfd;
    int out_fd;  /* reading end of its output, not blocking */
    int sync_fd; /* until it has executed the command: a byte lets it, an answer says why not */
};

struct child_failure { /* from the child, through sync_fd */
    int what;          /* enum child_stage */
    int code;          /* positive errno */
};

enum child_stage {
    CHILD_STAGE_SETUP,
    CHILD_STAGE_DIR,
    CHILD_STAGE_EXEC,
};

struct child_command {
    const char *path; /* as found */
    const char *const *argv, *const *env;
    const char *dir;
    int in_fd; /* standard input; -1: /dev/null */
    bool mute; /* standard error goes to /dev/null */
};

/* Fork. The child holds still until a byte is written to sync_fd; should that be closed first, it
 * ends without having done anything. */
int child_spawn(const struct child_command *c, struct child *ret, struct gw_error *err);
/* A descriptor from which `text` is read, and then the end. */
int child_input(const char *text, int *ret_fd, struct gw_error *err);
/* A process that reads `fd` away for as long as somebody writes, and that nobody needs to wait
 * for. Best effort. */
void child_drain(int fd);
/* Where argv[0] is. Returns 0, or a positive errno. */
int child_find_program(const char *name, const char *search_path, char ret[PATH_MAX]);

/* ---- child_proc.c ---------------------------------------------------------------------------- */

/* To a whole process group, by its leader, which is known to be (a child of ours, or looked at just
 * now) or of which a member is. As kill(). */
int child_signal(pid_t leader, int signal);

/* Of a process that certainly exists (our own child, not yet waited for). */
int child_record_of(pid_t pid, const struct gw_uuid *token, struct gw_child_record *ret,
                    struct gw_error *err);
