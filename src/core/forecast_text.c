// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Forecasts in words. */
#include "base/checked.h"
#include "base/size.h"
#include "core/forecast.h"

#include <stdio.h>

typedef unsigned long long ull;

#define MS_PER_S 1000ull
#define S_PER_MIN 60ull
#define S_PER_H 3600ull
#define S_PER_DAY 86400ull
/* Below ten seconds a tenth matters to somebody. */
#define TENTHS_BELOW_MS (10 * MS_PER_S)

static void two(char ret[GW_DURATION_TEXT], ull a, const char *a_unit, ull b, const char *b_unit)
{
    if (b == 0)
        snprintf(ret, GW_DURATION_TEXT, "%llu %s", a, a_unit);
    else
        snprintf(ret, GW_DURATION_TEXT, "%llu %s %llu %s", a, a_unit, b, b_unit);
}

void gw_forecast_duration(uint64_t ms, char ret[GW_DURATION_TEXT])
{
    ull s = ms / MS_PER_S;
    if (ms < MS_PER_S)
        snprintf(ret, GW_DURATION_TEXT, "%llu ms", (ull)ms);
    else if (ms < TENTHS_BELOW_MS)
        snprintf(ret, GW_DURATION_TEXT, "%llu.%llu s", s, (ull)ms % MS_PER_S / 100);
    else if (s < S_PER_MIN)
        snprintf(ret, GW_DURATION_TEXT, "%llu s", s);
    else if (s < S_PER_H)
        two(ret, s / S_PER_MIN, "min", s % S_PER_MIN, "s");
    else if (s < S_PER_DAY)
        two(ret, s / S_PER_H, "h", s % S_PER_H / S_PER_MIN, "min");
    else
        two(ret, s / S_PER_DAY, "d", s % S_PER_DAY / S_PER_H, "h");
}

void gw_forecast_time_text(const struct gw_forecast_time *t, char ret[GW_FORECAST_TEXT_MAX])
{
    char d[GW_DURATION_TEXT];
    gw_forecast_duration(t->ms, d);
    switch (t->kind) {
    case GW_FORECAST_KNOWN:
        snprintf(ret, GW_FORECAST_TEXT_MAX, "%s", d);
        return;
    case GW_FORECAST_AT_LEAST:
        snprintf(ret, GW_FORECAST_TEXT_MAX, "at least %s", d);
        return;
    case GW_FORECAST_NEVER:
        snprintf(ret, GW_FORECAST_TEXT_MAX, "never at this rate");
        return;
    case GW_FORECAST_UNKNOWN:
        break;
    }
    snprintf(ret, GW_FORECAST_TEXT_MAX, "not known");
}

/* "41.0 MiB of the last 3.2 s" */
static void amount(const struct gw_loss *l, char *ret, size_t size)
{
    char bytes[GW_SIZE_TEXT], ms[GW_DURATION_TEXT];
    gw_size_format(l->bytes, bytes);
    gw_forecast_duration(l->ms, ms);
    if (l->ms == GW_NOT_KNOWN || l->ms == 0) /* pending for less than can be told */
        snprintf(ret, size, "%s", bytes);
    else
        snprintf(ret, size, "%s of the last %s", bytes, ms);
}

static void since(const struct gw_loss *l, char *ret, size_t size)
{
    char silent[GW_DURATION_TEXT];
    gw_forecast_duration(l->silent_ms, silent);
    if (l->silent_ms == GW_NOT_KNOWN)
        snprintf(ret, size, "it was never heard of");
    else if (l->silent_ms == 0)
        snprintf(ret, size, "writes that it has not sent are not counted");
    else
        snprintf(ret, size, "not known since %s ago", silent);
}

void gw_forecast_loss_text(const struct gw_loss *l, char ret[GW_FORECAST_TEXT_MAX])
{
    char what[GW_FORECAST_TEXT_MAX / 3], when[GW_FORECAST_TEXT_MAX / 3];
    amount(l, what, sizeof what);
    since(l, when, sizeof when);
    switch (l->kind) {
    case GW_LOSS_NONE:
        snprintf(ret, GW_FORECAST_TEXT_MAX, "nothing is lost");
        return;
    case GW_LOSS_KNOWN:
        snprintf(ret, GW_FORECAST_TEXT_MAX, "%s would be lost", what);
        return;
    case GW_LOSS_AT_LEAST:
        if (l->bytes == 0)
            snprintf(ret, GW_FORECAST_TEXT_MAX,
                     "nothing that it had told of; of what came after: %s", when);
        else
            snprintf(ret, GW_FORECAST_TEXT_MAX, "at least %s; of what came after: %s", what, when);
        return;
    case GW_LOSS_UNKNOWN:
        break;
    }
    snprintf(ret, GW_FORECAST_TEXT_MAX, "how much is lost is not known: %s", when);
}

static const char *site_of(enum gw_holder h, const char *home, const char *dr)
{
    return h == GW_HOLDER_HOME ? home : dr;
}

static void direction_now(const struct gw_direction *d, const char *home, const char *dr,
                          char ret[GW_FORECAST_TEXT_MAX])
{
    const char *old = site_of(d->active, home, dr);
    const char *other = d->active == GW_HOLDER_HOME ? dr : home;
    bool seen = d->seen == GW_TRI_YES;
    if (d->active == GW_HOLDER_NONE)
        snprintf(ret, GW_FORECAST_TEXT_MAX, "neither site is active, and no data flows");
    else if (d->flows == GW_TRI_YES)
        snprintf(ret, GW_FORECAST_TEXT_MAX, "%s is active and data flows %s -> %s", old, old,
                 other);
    else if (d->flows == GW_TRI_NO)
        snprintf(ret, GW_FORECAST_TEXT_MAX,
                 seen ? "%s is active, and no data flows to %s"
                      : "%s was active when it was last heard of, and no data flows to %s",
                 old, other);
    else
        snprintf(ret, GW_FORECAST_TEXT_MAX,
                 seen ? "%s is active; whether data flows to %s is not known"
                      : "%s was active when it was last heard of; whether data flows to %s is not "
                        "known",
                 old, other);
}

void gw_forecast_direction_text(const struct gw_direction *d, enum gw_holder to,
                                enum gw_operation_id op, const char *home, const char *dr,
                                char ret[GW_FORECAST_TEXT_MAX])
{
    char now[GW_FORECAST_TEXT_MAX];
    direction_now(d, home, dr, now);
    if (to == GW_HOLDER_NONE || to == d->active) {
        snprintf(ret, GW_FORECAST_TEXT_MAX, "%s", now);
        return;
    }
    const char *next = site_of(to, home, dr);
    const char *back = to == GW_HOLDER_HOME ? dr : home;
    int n = snprintf(ret, GW_FORECAST_TEXT_MAX, "%s; after the %s %s serves", now,
                     gw_operation_name(op), next);
    if (n < 0 || n >= GW_FORECAST_TEXT_MAX)
        return;
    /* A failover leaves a site behind: nothing flows before it is back. */
    bool alone = op == GW_OPERATION_FAILOVER;
    snprintf(ret + n, GW_FORECAST_TEXT_MAX - (size_t)n,
             alone ? ", and data flows %s -> %s once that is back" : " and data flows %s -> %s",
             next, back);
}
