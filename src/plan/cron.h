// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Cron expressions: windows ("0 2 * * 0", two hours) and schedules ("* 8-18 * * 1-5").
 *
 * Five fields: minute, hour, day of month, month, day of week (0 and 7 are Sunday); each `*`, a
 * number, a range `8-18`, either with a step `/15`, or several with commas; months and days also by
 * their English names of three letters. If day of month and day of week both say something, either
 * will do, as in every cron. @hourly, @daily, @weekly, @monthly and @yearly are understood.
 *
 * As a *predicate* (gw_cron_matches) an expression holds in each minute that it names. As a *start*
 * (gw_cron_next, gw_cron_window) it names instants, and an expression that names hours happens once
 * on each day: what falls into the hour that a change of clocks leaves out happens when that hour
 * is over, and of the hour that there is twice, in the first.
 *
 * Times are seconds since 1970 (wall time; windows are for people). Pure but for the time zone of
 * the machine with GW_CRON_LOCAL. Threads: safe.
 */
#pragma once

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

#define GW_CRON_TEXT 128
#define GW_CRON_YEARS_MAX 9 /* no expression that ever happens waits longer: 29 February */

enum gw_cron_zone { GW_CRON_UTC, GW_CRON_LOCAL };

struct gw_cron {
    char text[GW_CRON_TEXT]; /* as written, blanks as one; "": none */
    uint64_t minutes;        /* bit sets */
    uint32_t hours, days, months, weekdays;
    bool any_hour, any_day, any_weekday; /* the field was '*' or began with it */
};

/* -EINVAL with a sentence that names the field. What can never happen (30 February) is refused. */
int gw_cron_parse(const char *text, struct gw_cron *ret, struct gw_error *err);
bool gw_cron_matches(const struct gw_cron *c, int64_t at_s, enum gw_cron_zone zone);
/* The first start at or after from_s. False: none within GW_CRON_YEARS_MAX years. */
bool gw_cron_next(const struct gw_cron *c, int64_t from_s, enum gw_cron_zone zone, int64_t *ret_s);

/* A window of `length_s` from each start: is at_s in one? *ret_start_s, *ret_end_s: of the one that
 * is open, else of the next. Windows that overlap are one. -ENOENT: there is no next. */
int gw_cron_window(const struct gw_cron *c, uint64_t length_s, int64_t at_s, enum gw_cron_zone zone,
                   bool *ret_open, int64_t *ret_start_s, int64_t *ret_end_s);
