// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Groups of instances: started in ascending priority, members side by side, each priority gated by
 * the health of its groups; stopped in descending priority.
 *
 *     gw_groups_start(groups, n, &work, &report, err)
 *     gw_groups_stop(groups, n, &work, go_on, &report, err)
 *     gw_groups_status(groups, n, &work, &report, err)       each member and check once
 *     gw_groups_report_done(&report)
 *
 * Groups of one priority are one wave: their members run side by side. What went wrong in a wave
 * keeps the next from beginning; its members are then reported NOT_BEGUN. With `go_on` (a site that
 * must not serve) stopping goes on whatever happened. Cancelling (work.stop_fd) ends a call early
 * with a report that is as complete as any: each member DONE, ALREADY, FAILED, UNKNOWN, or
 * NOT_BEGUN. All calls are idempotent: calling again after a crash or a cancel is how to go on.
 *
 * Hooks are not run here: they belong to steps of a run (hook.h).
 */
#pragma once

#include "work/driver.h"
#include "work/health.h"

struct gw_work_group {
    const char *name;
    int priority;
    const struct gw_work_instance *instance;
    size_t n_instances;
    const struct gw_work_check *check;
    size_t n_checks;
    unsigned health_timeout_ms; /* 0: limits.h */
};

struct gw_group_report {
    char name[GW_WORK_NAME_MAX];
    int priority;
    enum gw_work_outcome outcome; /* the worst of its members and its health */
    size_t n_instances;
    struct gw_instance_report *instance; /* in the order of the specification */
    struct gw_health health;             /* n == 0 if it was not asked */
    char text[GW_WORK_TEXT_MAX];
};

struct gw_groups_report {
    enum gw_work_outcome outcome; /* DONE, ALREADY: all of them; FAILED; UNKNOWN */
    bool cancelled;
    uint64_t took_ns;
    size_t n;
    struct gw_group_report *group;      /* in the order of the specification */
    char text[GW_WORK_TEXT_MAX];        /* the first thing that went wrong, or "" */
    struct gw_instance_report *members; /* private: memory of all of them */
};

/* Negative only if it could not be tried at all (-ENOMEM, -EINVAL with the reason). */
int gw_groups_start(const struct gw_work_group *groups, size_t n, const struct gw_work *w,
                    struct gw_groups_report *ret, struct gw_error *err);
int gw_groups_stop(const struct gw_work_group *groups, size_t n, const struct gw_work *w,
                   bool go_on, struct gw_groups_report *ret, struct gw_error *err);
/* The outcome is DONE if every member's state was seen. Checks are asked only where all members of
 * the group run. */
int gw_groups_status(const struct gw_work_group *groups, size_t n, const struct gw_work *w,
                     struct gw_groups_report *ret, struct gw_error *err);
/* The health of all groups, once (validation of the service). */
int gw_groups_health(const struct gw_work_group *groups, size_t n, const struct gw_work *w,
                     struct gw_groups_report *ret, struct gw_error *err);
void gw_groups_report_done(struct gw_groups_report *r);
/* Of a report of gw_groups_status: is each member in that state? False if there are none. */
bool gw_groups_all(const struct gw_groups_report *r, enum gw_instance_state state);
/* Of a report of gw_groups_status: is any member not known to be stopped? */
bool gw_groups_may_run(const struct gw_groups_report *r);
