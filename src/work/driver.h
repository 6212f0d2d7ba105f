// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Workload instances: started, stopped, looked at, whatever they are. A driver is a vtable of three
 * actions; what is common (look first, ask, look until it is so, give up in time) is here.
 *
 *     struct gw_work_instance pg = { .name = "pg", .driver = "exec", .start = ..., };
 *     gw_instance_check(&pg, err)                 is it complete? (when a plan is checked)
 *     gw_instance_start(&pg, &work, &report)      blocks
 *     gw_instance_stop(&pg, &work, &report)
 *     gw_instance_status(&pg, &work, &report)
 *
 * Success is what was observed, never what a command claimed: `start` is over when status says
 * RUNNING, `stop` when it says STOPPED. What runs already is not started, what is stopped is not
 * stopped again. A timeout is UNKNOWN, not FAILED: it may still be coming up.
 *
 * Driver `exec`: three commands. start and stop: exit code 0 is success; start must return (a
 * daemon that it starts has to leave: own session; its output is read away for as long as it
 * lives). status: its exit code says RUNNING (default 0), STOPPED (default 3, as in the LSB) or
 * FAILED (none by default); every other code, a timeout or a missing program is UNKNOWN.
 *
 * Threads: any; an instance is acted on by one at a time. The specification stays the caller's.
 */
#pragma once

#include "work/work.h"

#include <stdbool.h>
#include <stdint.h>

enum gw_instance_state {
    GW_INSTANCE_UNKNOWN, /* nobody could tell */
    GW_INSTANCE_STOPPED,
    GW_INSTANCE_RUNNING,
    GW_INSTANCE_FAILED, /* not running, and in need of somebody */
    GW_INSTANCE_STATE_MAX,
};
const char *gw_instance_state_name(enum gw_instance_state state);

struct gw_exit_codes {
    unsigned n; /* 0: the default */
    uint8_t code[GW_EXIT_CODES_MAX];
};

struct gw_work_instance {
    const char *name;
    const char *group;      /* for sentences and GODWIT_GROUP; may be NULL */
    const char *driver;     /* NULL: "exec" */
    const char *const *env; /* beside that of struct gw_work; may be NULL */
    unsigned start_timeout_ms, stop_timeout_ms, status_timeout_ms, poll_ms; /* 0: limits.h */
    /* driver exec */
    const char *const *start, *const *stop, *const *status;
    struct gw_exit_codes running, stopped, failed;
};

enum gw_work_outcome {
    GW_WORK_NOT_BEGUN, /* what comes before it went wrong, or all was cancelled */
    GW_WORK_DONE,      /* and seen to be so */
    GW_WORK_ALREADY,   /* it was so before */
    GW_WORK_FAILED,    /* it is not so */
    GW_WORK_UNKNOWN,   /* timeout, or cancelled half-way: look again */
    GW_WORK_MAX,
};
const char *gw_work_outcome_name(enum gw_work_outcome outcome);
static inline bool gw_work_outcome_ok(enum gw_work_outcome o)
{
    return o == GW_WORK_DONE || o == GW_WORK_ALREADY;
}

struct gw_instance_report {
    char group[GW_WORK_NAME_MAX], name[GW_WORK_NAME_MAX];
    enum gw_work_outcome outcome;
    enum gw_instance_state state; /* as last seen */
    bool cancelled;
    uint64_t seen_boot_ns; /* when; 0: never */
    uint64_t took_ns;
    char text[GW_WORK_TEXT_MAX]; /* a sentence: what was seen, what went wrong */
};

/* The functions of a driver get the instance, the caller's wishes and a deadline (boot time). */
struct gw_work_driver {
    const char *name;
    /* Is the specification complete? */
    int (*check)(const struct gw_work_instance *i, struct gw_error *err);
    /* Ask. 0: accepted. -ETIMEDOUT: nobody knows; -ECANCELED; else refused. */
    int (*start)(const struct gw_work_instance *i, const struct gw_work *w, uint64_t deadline_ns,
                 struct gw_error *err);
    int (*stop)(const struct gw_work_instance *i, const struct gw_work *w, uint64_t deadline_ns,
                struct gw_error *err);
    /* Look. What it saw, in a sentence, goes to `text`. */
    enum gw_instance_state (*status)(const struct gw_work_instance *i, const struct gw_work *w,
                                     uint64_t deadline_ns, char text[GW_WORK_TEXT_MAX]);
};

/* The drivers there are; ends with NULL. */
extern const struct gw_work_driver *const gw_drivers[];
const struct gw_work_driver *gw_driver_find(const char *name);

int gw_instance_check(const struct gw_work_instance *i, struct gw_error *err);
void gw_instance_start(const struct gw_work_instance *i, const struct gw_work *w,
                       struct gw_instance_report *ret);
void gw_instance_stop(const struct gw_work_instance *i, const struct gw_work *w,
                      struct gw_instance_report *ret);
/* Once. The outcome is DONE if anything was seen, else UNKNOWN. */
void gw_instance_status(const struct gw_work_instance *i, const struct gw_work *w,
                        struct gw_instance_report *ret);
