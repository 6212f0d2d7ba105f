// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Routes: whatever leads clients to a site. A driver applies a site and observes which one it is;
 * what is common (look first, apply, look until it is so) is here.
 *
 *     struct gw_work_route r = { .name = "www", .set = set_argv, .status = status_argv };
 *     gw_route_check(&r, err)                       is it complete? (when a plan is checked)
 *     gw_route_apply(&r, "lisbon", &work, &report)  blocks
 *     gw_route_observe(&r, &work, &report)          report.site
 *
 * Driver `exec`: `set` with {site} replaced (template.h), exit code 0 is success; `status` prints
 * the site's name as its first and only line, with exit code 0. Any other output, exit code or a
 * timeout: nobody knows. Both also get GODWIT_ROUTE and GODWIT_ROUTE_SITE.
 *
 * A route counts as applied when it was observed to be so (invariant 10), never because a command
 * said so.
 */
#pragma once

#include "work/driver.h"

struct gw_work_route {
    const char *name;
    const char *driver;           /* NULL: "exec" */
    unsigned timeout_ms, poll_ms; /* 0: limits.h */
    /* driver exec */
    const char *const *set, *const *status;
};

struct gw_route_report {
    char name[GW_WORK_NAME_MAX];
    enum gw_work_outcome outcome;
    bool cancelled;
    char site[GW_ROUTE_SITE_MAX]; /* as last observed; "" if nobody knows */
    uint64_t seen_boot_ns, took_ns;
    char text[GW_WORK_TEXT_MAX];
};

struct gw_route_driver {
    const char *name;
    int (*check)(const struct gw_work_route *r, struct gw_error *err);
    int (*apply)(const struct gw_work_route *r, const char *site, const struct gw_work *w,
                 uint64_t deadline_ns, struct gw_error *err);
    /* 0: ret_site is set. Negative: nobody knows, and why. */
    int (*observe)(const struct gw_work_route *r, const struct gw_work *w, uint64_t deadline_ns,
                   char ret_site[GW_ROUTE_SITE_MAX], struct gw_error *err);
};

/* The drivers there are; ends with NULL. */
extern const struct gw_route_driver *const gw_route_drivers[];
const struct gw_route_driver *gw_route_driver_find(const char *name);

int gw_route_check(const struct gw_work_route *r, struct gw_error *err);
void gw_route_apply(const struct gw_work_route *r, const char *site, const struct gw_work *w,
                    struct gw_route_report *ret);
/* The outcome is DONE if it is known, else UNKNOWN. */
void gw_route_observe(const struct gw_work_route *r, const struct gw_work *w,
                      struct gw_route_report *ret);
