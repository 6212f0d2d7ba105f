// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* What process.c (life) and process_run.c (commands) share. */
#pragma once

#include "demo/process.h"

#define PROCESSES_MAX 24
#define PROCESS_LINE_BYTES 65536u

struct process {
    struct processes *all;
    char name[48];
    char log[128];
    pid_t pid; /* 0: this place is free */
    int pidfd;
    int out_fd; /* `lines`: read end of its standard output; else -1 */
    int err_fd; /* a command's standard error; else -1 */
    char *line; /* `lines`: what was read and not given out yet; PROCESS_LINE_BYTES */
    size_t n_line;
};

struct processes {
    struct process p[PROCESSES_MAX];
};

struct process_files { /* the child's descriptors 1 and 2 */
    int out, err;
};

/* Fork and exec. The caller keeps (and closes) the descriptors. */
int process_spawn(struct processes *ps, const char *name, const char *const *argv,
                  const char *preload, struct process_files files, struct process **ret,
                  struct gw_error *err);
/* Reaped: close what is open and free the place. */
void process_forget(struct process *p);
