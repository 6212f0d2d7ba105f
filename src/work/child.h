// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Commands: run to their end, with a deadline, with everything they said within limits, and so
 * that they can be found again after the caller was killed (executor rule 6).
 *
 *     struct gw_child_spec spec = { .name = "hook pre_failback of \"web\"", .argv = argv,
 *                                   .env = env, .timeout_ms = 60000, .stop_fd = fd,
 *                                   .started = make_it_durable };
 *     struct gw_child_result result;
 *     r = gw_child_run(&spec, &result, err);      blocks; r < 0: it never ran
 *     ...
 *     gw_child_result_done(&result);
 *
 * The child. No shell: argv as it is, argv[0] looked for on the PATH if it has no slash, else an
 * absolute path. A session and process group of its own, standard input /dev/null (or `input`,
 * from memory), standard output and error in one pipe, no other descriptor, signals as after boot,
 * umask 022, directory "/". Its environment is PATH, HOME, USER, LOGNAME, LANG, LC_ALL, TZ and
 * TMPDIR as we have them, then `env`, and GODWIT_CHILD, the token by which its process group is
 * known after a crash. Nothing else of ours is inherited. Secrets go through `env` or files, never
 * through argv.
 *
 * The record. `started` is called with the child's record when the child exists but has not yet
 * executed a single instruction of the command. If it fails, the command never runs. If the caller
 * dies in it, the command never runs. So: whatever ran was on record.
 *
 * The end. At the deadline, or when stop_fd becomes readable, the whole process group gets SIGTERM,
 * after grace_ms SIGKILL. TIMED_OUT and CANCELLED say nothing about what the command achieved: its
 * effect is UNKNOWN and has to be observed. What left the process group (a daemon that the command
 * started) is left alone. If a daemon keeps the output pipe open, nothing waits for it: a small
 * process (cat) takes the reading end over and empties it for as long as the daemon lives, so that
 * the daemon is not killed by its own output, and outlives us.
 *
 * Threads: any; calls are independent. The process must not ignore SIGCHLD nor wait for children
 * that it did not start (waitpid(-1)).
 */
#pragma once

#include "base/error.h"
#include "base/uuid.h"
#include "work/output.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* A process that cannot be confused with another: not by a reused number, not after a reboot. */
struct gw_child_record {
    pid_t pid;            /* also its process group and session */
    uint64_t start_ticks; /* since boot: field 22 of /proc/PID/stat */
    struct gw_uuid boot;  /* /proc/sys/kernel/random/boot_id */
    struct gw_uuid token; /* GODWIT_CHILD in its environment */
};

struct gw_child_spec {
    const char *name;        /* for sentences */
    const char *const *argv; /* ends with NULL */
    const char *const *env;  /* "NAME=value", ends with NULL; may be NULL */
    const char *dir;         /* NULL: "/" */
    const char *input;       /* what it reads from standard input; NULL: nothing */
    bool mute;               /* its standard error is not listened to */
    unsigned timeout_ms;     /* 0: GW_CHILD_TIMEOUT_MS */
    unsigned grace_ms;       /* 0: GW_CHILD_GRACE_MS */
    int stop_fd;             /* -1: none (stop.h) */
    int (*started)(void *ctx, const struct gw_child_record *record, struct gw_error *err);
    void *ctx;
};

enum gw_child_end {
    GW_CHILD_EXITED,      /* by itself: `code` */
    GW_CHILD_SIGNALLED,   /* somebody else killed it: `signal` */
    GW_CHILD_TIMED_OUT,   /* effect unknown */
    GW_CHILD_CANCELLED,   /* by stop_fd; effect unknown */
    GW_CHILD_NOT_STARTED, /* `failed_errno`; not one instruction of it ran */
    GW_CHILD_END_MAX,
};
const char *gw_child_end_name(enum gw_child_end end);

struct gw_child_result {
    enum gw_child_end end;
    int code;         /* EXITED */
    int signal;       /* SIGNALLED; with TIMED_OUT and CANCELLED the one that ended it, or 0 */
    int failed_errno; /* NOT_STARTED: positive */
    char failed_text[GW_WORK_TEXT_MAX]; /* NOT_STARTED: what could not be done, and why */
    unsigned timeout_ms;                /* what it was given */
    bool drained; /* a daemon kept the output open: its later output is not in `output` */
    struct gw_child_record record; /* pid 0: never existed */
    uint64_t started_wall_ns, took_ns;
    struct gw_output output;
};

/*
 * 0: *ret says what became of it, also if it could not be started; free it with
 * gw_child_result_done. Negative: it never ran, and *ret is untouched: -EINVAL (argv), -ENOMEM,
 * -EAGAIN (no process), or what `started` returned.
 */
int gw_child_run(const struct gw_child_spec *spec, struct gw_child_result *ret,
                 struct gw_error *err);
void gw_child_result_done(struct gw_child_result *result);
/* Ended by itself with exit code 0. */
bool gw_child_ok(const struct gw_child_result *result);
/* "exit code 3: <last line>", "timed out after 300 s", "cannot be started: "x": No such file ..."
 */
void gw_child_result_text(const struct gw_child_result *result, char *ret, size_t cap);

/* Could it be executed: is there such a program, found as gw_child_run finds it? 0; -ENOENT,
 * -EACCES, -EINVAL with a sentence. */
int gw_child_findable(const char *program, struct gw_error *err);

/* ---- after a crash: children of a former life ------------------------------------------------ */

/* One line of text, for the catalog; and back (-EINVAL). */
void gw_child_record_format(const struct gw_child_record *record, char ret[GW_CHILD_RECORD_TEXT]);
int gw_child_record_parse(const char *text, struct gw_child_record *ret, struct gw_error *err);

enum gw_child_life {
    GW_CHILD_GONE,    /* nothing of it runs */
    GW_CHILD_ALIVE,   /* that very process runs */
    GW_CHILD_REMAINS, /* it has ended, others of its process group run on: what it left behind, or
                         (a start command) the very service that it started */
};
/* Is that very process still there? Negative errno if /proc cannot tell. */
int gw_child_find(const struct gw_child_record *record, enum gw_child_life *ret,
                  struct gw_error *err);
/* Wait until the process itself has ended; its exit code is not to be had, it is not our child.
 * 0: ended (or long gone). -ETIMEDOUT, -ECANCELED (stop_fd). timeout_ms 0: only look. */
int gw_child_await(const struct gw_child_record *record, unsigned timeout_ms, int stop_fd,
                   struct gw_error *err);
/* End its process group: SIGTERM, after grace_ms SIGKILL (0: at once). 0: nothing of it runs any
 * more. -ETIMEDOUT: it cannot be killed (hangs in the kernel). */
int gw_child_end(const struct gw_child_record *record, unsigned grace_ms, struct gw_error *err);
