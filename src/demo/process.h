// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The programs that the demo runs: started, awaited, killed by their process id, and never left
 * behind.
 *
 *     processes_new(&ps)
 *     process_start(ps, &spec, &p, err)    a server: runs until it is stopped
 *         process_read_line(p, ...)        ready: what it says on standard output
 *         process_await_file(p, ...)       ready: a file that it makes
 *         process_kill(p, SIGKILL); process_wait(p, ...)
 *     process_run(ps, argv, ...)           a command: runs to its end, output collected
 *     processes_free(ps)                   ends all that still run
 *
 * All waits end early with -ECANCELED when the demo is interrupted, and with -ECHILD when the
 * awaited process is gone. A process has a process group of its own (Ctrl-C does not reach it) and
 * is killed by the kernel should the demo itself die.
 *
 * Threads: one, the one that called processes_new (the kernel's death signal is bound to it).
 */
#pragma once

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define PROCESS_ARGS_MAX 64

struct processes;
struct process;

struct process_spec {
    const char *name;        /* for sentences: "home source" */
    const char *const *argv; /* ends with NULL; argv[0] is the program's path */
    const char *log;         /* standard error, and output unless `lines`, are appended here */
    const char *preload;     /* LD_PRELOAD of the child; may be NULL */
    bool lines;              /* standard output is read with process_read_line */
};

int processes_new(struct processes **ret, struct gw_error *err);
void processes_free(struct processes *ps);

int process_start(struct processes *ps, const struct process_spec *spec, struct process **ret,
                  struct gw_error *err);
pid_t process_id(const struct process *p);
/* 0, or -ECHILD if one that was started has ended and nobody has waited for it: its last words. */
int processes_alive(const struct processes *ps, struct gw_error *err);
/* One line without its end; what does not fit into cap is left out. */
int process_read_line(struct process *p, char *ret, size_t cap, unsigned timeout_ms,
                      struct gw_error *err);
/* Until `path` (a name in the current directory, made after the start) was written and closed. */
int process_await_file(struct process *p, const char *path, unsigned timeout_ms,
                       struct gw_error *err);
/* To this process only, and only while it runs. */
void process_kill(struct process *p, int signal);
/* Until it has ended; *ret_status is as of waitpid. The process object is gone when this
 * returns 0. */
int process_wait(struct process *p, unsigned timeout_ms, int *ret_status, struct gw_error *err);

struct process_output {
    int code;  /* exit code; 128 + N: ended by signal N */
    char *out; /* standard output, NUL-terminated; free() */
    char *err; /* standard error, the same */
};

void process_output_done(struct process_output *o);
/* An exit code that is not 0 is no error here; not to be started, killed by time or interrupted
 * is. argv[0] is looked for on the PATH if it has no slash. */
int process_run(struct processes *ps, const char *const *argv, unsigned timeout_ms,
                struct process_output *ret, struct gw_error *err);
/* process_run of something that must succeed: else -EIO and what it said last. *ret_out may be
 * NULL. */
int process_must(struct processes *ps, const char *const *argv, unsigned timeout_ms, char **ret_out,
                 struct gw_error *err);
