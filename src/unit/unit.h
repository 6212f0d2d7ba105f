// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Units: the supervised data-plane processes of a site, one for each plan that runs.
 *
 *     gw_units_new(&config, &units, &err)
 *     gw_units_start(units, &spec, &err)     it shall run: adopt it if it does, else start it
 *     gw_units_wait_ready(units, plan, ms, &err)
 *     gw_units_let_end(units, plan)          it is about to be told to end (promote): do not
 * restart gw_units_wait_end(units, plan, ms, &err) gw_units_stop(units, plan, ms, &err)   it shall
 * not run: control `stop`, SIGTERM, SIGKILL gw_units_free(units)                   the processes go
 * on
 *
 * A process is started detached: a session of its own, standard input /dev/null, output to the
 * plan's log, nothing else open. It outlives this process: after a restart of ours (or `kill -9`)
 * gw_units_start finds it by its record and takes it over again. Files in config.dir:
 *
 *     PLAN.unit    the record: who it is (unit/record.h), durable before the process may begin
 *     PLAN.lock    flocked by the process itself for as long as it lives
 *     PLAN.log     its output (PLAN.log.1: the one before), rotated at a start
 *
 * Rules, and what keeps them
 *   U1 Never two processes of one plan. The started process holds PLAN.lock from before its first
 *      instruction to its end; who does not get the lock does not start. (The plan directory's own
 *      lock stands behind that.)
 *   U2 A process that may serve is on record. It waits for a word that is sent only when the record
 *      is durable; if we die before that it ends without having begun.
 *   U3 A record is believed only if pid, start time and boot id fit a live process. A number that
 *      was given to somebody else is never signalled: signals go through pidfds.
 *   U4 What ended without being asked to is started again: after 1 s, 2 s, ... 60 s; the count
 *      begins anew once a process has run for 60 s. GW_UNIT_LOOP_STARTS quick ends in a row are a
 *      crash loop, which is a fact to show; it is still tried every 60 s.
 *   U5 What was up and ended cleanly (exit status 0: it was told to stop, or promoted) stays down,
 * with state ENDED, until gw_units_start says otherwise: a change of role is a change of process,
 * and a person with godwit-ctl may have made it. Of an adopted process there is no exit status:
 * there a control socket that was taken away is a clean end.
 *
 * Where systemd runs the units godwit-source@PLAN and godwit-replica@PLAN do the same
 * (unit/systemd.h); restarts and back-off are its work then, the rest of this interface holds.
 *
 * Threads: any may call; calls about one plan are made one after another by the caller (a run, or
 * the reconciler, never both). One thread of its own watches all processes. config.changed is
 * called from it and from callers of start and stop, without locks: it may look (gw_units_get), and
 * must not start, stop or wait. Nobody else in the process may wait for any child (waitpid(-1)):
 * exit statuses would be lost. Plan names have no '/', and at most GW_UNIT_PLAN_MAX - 1 bytes.
 */
#pragma once

#include "base/error.h"
#include "unit/command.h"

#include <sys/types.h>

#define GW_UNIT_PLAN_MAX 64
#define GW_UNITS_MAX 1024u
#define GW_UNIT_BACKOFF_MS_MIN 1000u
#define GW_UNIT_BACKOFF_MS_MAX 60000u
#define GW_UNIT_HEALTHY_MS 60000u
#define GW_UNIT_LOOP_STARTS 4u
#define GW_UNIT_LOG_BYTES_MAX (4u * 1024u * 1024u) /* rotated at a start when longer */
#define GW_UNIT_WORDS_MAX 1024                     /* last words that are told */
#define GW_UNIT_STOP_MS 8000u                      /* before SIGTERM, and before SIGKILL */

enum gw_unit_state {
    GW_UNIT_DOWN,     /* it does not run and shall not */
    GW_UNIT_STARTING, /* started, its control socket has not answered yet (gw_units_wait_ready) */
    GW_UNIT_UP,       /* it answered */
    GW_UNIT_STOPPING,
    GW_UNIT_BACKOFF, /* it ended by itself, and will be started again */
    GW_UNIT_ENDED,   /* it ended cleanly although it should run: somebody must decide */
};
const char *gw_unit_state_name(enum gw_unit_state s);

struct gw_unit_status {
    char plan[GW_UNIT_PLAN_MAX];
    enum gw_unit_kind kind;
    bool wanted;
    enum gw_unit_state state;
    pid_t pid;         /* 0: it does not run */
    uint64_t since_ns; /* boot time of the last change of state */
    uint64_t started_wall_ns;
    bool adopted;        /* it was running when we came */
    bool outdated;       /* adopted with another command line than it would be started with now */
    unsigned restarts;   /* by itself, since gw_units_start */
    unsigned quick_ends; /* in a row */
    bool crash_loop;
    uint64_t next_start_ns; /* BACKOFF: boot time */
    bool have_end;          /* it ended at least once; then: */
    int last_code;          /* exit status; 128 + N: signal N; -1: not known (adopted) */
    uint64_t last_end_wall_ns;
    char words[GW_UNIT_WORDS_MAX]; /* the last lines of its log, when it last ended */
};

struct gw_units;

enum gw_units_by { GW_UNITS_BY_AUTO, GW_UNITS_BY_OURSELVES, GW_UNITS_BY_SYSTEMD };

struct gw_units_config {
    const char *dir; /* STATE/units; must exist */
    enum gw_units_by by;
    const char *systemctl; /* NULL: "systemctl" of the PATH */
    /* Of U4; 0: the constants above. Tests want less. */
    unsigned backoff_ms_min, backoff_ms_max, healthy_ms;
    void *arg;
    void (*changed)(void *arg, const char *plan); /* may be NULL */
};

struct gw_unit_spec { /* all copied */
    const char *plan;
    enum gw_unit_kind kind;
    const struct gw_unit_command *command;
    const char *control; /* its control socket */
    const char *nbd; /* source: its NBD socket (removed before a start, awaited by wait_ready) */
};

int gw_units_new(const struct gw_units_config *config, struct gw_units **ret, struct gw_error *err);
void gw_units_free(struct gw_units *u); /* NULL is fine */

/*
 * This plan's process shall run, as this kind. If one of this kind runs already (started by us or
 * before us) it is taken over, also if its command line is another (`outdated`). Else it is
 * started; 0 means that the program was executed, not that it is ready. -EBUSY: a process of the
 * other kind, or one that nobody knows, holds the plan's lock: stop it first. Other errors of the
 * start: the sentence says which; nothing runs then, and nothing will be tried again.
 */
int gw_units_start(struct gw_units *u, const struct gw_unit_spec *spec, struct gw_error *err);
/*
 * Is a process of this plan on record, from before us or not, and alive? For who comes up and asks
 * what runs before deciding what shall. 1: yes, *ret_kind and *ret_pid are set; 0: no. An error: a
 * process holds the lock and is on no record.
 */
int gw_units_find(struct gw_units *u, const char *plan, enum gw_unit_kind *ret_kind, pid_t *ret_pid,
                  struct gw_error *err);
/* Its control socket answers (and its NBD socket is there). -ECHILD: it ended, with its last words.
 * -ETIMEDOUT. -ENOENT: no such unit. */
int gw_units_wait_ready(struct gw_units *u, const char *plan, unsigned timeout_ms,
                        struct gw_error *err);
/* From now on an end is expected: it is not started again. Call it before telling it to end. */
void gw_units_let_end(struct gw_units *u, const char *plan);
/* 0: it does not run. -ETIMEDOUT. */
int gw_units_wait_end(struct gw_units *u, const char *plan, unsigned timeout_ms,
                      struct gw_error *err);
/*
 * It shall not run: told over its control socket to stop, after timeout_ms (0: GW_UNIT_STOP_MS) by
 * SIGTERM, after the same time again by SIGKILL, each logged. Returns when it has ended: 0. Also
 * stops what was found on record and never started by us. -ETIMEDOUT: not even SIGKILL ended it (it
 * hangs in the kernel).
 */
int gw_units_stop(struct gw_units *u, const char *plan, unsigned timeout_ms, struct gw_error *err);

/* -ENOENT: no such unit. */
int gw_units_get(struct gw_units *u, const char *plan, struct gw_unit_status *ret);
/* Names of all units: n texts and a NULL, in one piece that the caller free()s. */
int gw_units_list(struct gw_units *u, char ***ret, unsigned *ret_n, struct gw_error *err);
/* Forget a unit that does not run, and remove its files (a plan is deleted). -EBUSY: it runs. */
int gw_units_forget(struct gw_units *u, const char *plan, struct gw_error *err);

/* The last lines of a log file, at most cap - 1 bytes, whole lines if possible. Empty if there is
 * none. */
void gw_unit_log_tail(const char *path, char *ret, size_t cap);
