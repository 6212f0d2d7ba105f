// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The inequalities, checked when a plan is loaded; and the two measures of time that passed. */
#include "authority/clock_law.h"

#include "base/checked.h"
#include "base/clock.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

struct gw_authority_limits gw_authority_limits_default(void)
{
    return (struct gw_authority_limits){
        .rho_ppm = 100000, /* chrony slews by up to 8.3 % */
        .renew_ms = 3000,
        .reply_ms = 2000,
        .tries = 3,
        .stop_ms = 6000,
        .hold_ms = 18000,
        .promise_ms = 22000,
        .delay_ms = 5000,
        .io_ms = 5000,
        .watchdog_ms = 16000,
    };
}

struct faults {
    struct gw_authority_fault *list;
    size_t n;
};

static void fault(struct faults *f, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static void fault(struct faults *f, const char *name, const char *fmt, ...)
{
    va_list ap;
    if (f->n == GW_AUTHORITY_FAULTS_MAX)
        return;
    struct gw_authority_fault *one = &f->list[f->n++];
    one->name = name;
    va_start(ap, fmt);
    vsnprintf(one->text, sizeof one->text, fmt, ap);
    va_end(ap);
}

static void check_range(struct faults *f, const char *name, uint32_t value, uint32_t min,
                        uint32_t max, const char *unit)
{
    if (value < min || value > max)
        fault(f, name, "%s is %" PRIu32 " %s: it has to be between %" PRIu32 " and %" PRIu32, name,
              value, unit, min, max);
}

static void check_ranges(const struct gw_authority_limits *l, struct faults *f)
{
    check_range(f, "rho", l->rho_ppm, 0, GW_AUTHORITY_RHO_PPM_MAX, "ppm");
    check_range(f, "renew", l->renew_ms, 1, GW_AUTHORITY_MS_MAX, "ms");
    check_range(f, "reply", l->reply_ms, 1, GW_AUTHORITY_MS_MAX, "ms");
    check_range(f, "tries", l->tries, 1, GW_AUTHORITY_TRIES_MAX, "tries");
    check_range(f, "stop", l->stop_ms, 1, GW_AUTHORITY_MS_MAX, "ms");
    check_range(f, "hold", l->hold_ms, 1, GW_AUTHORITY_MS_MAX, "ms");
    check_range(f, "promise", l->promise_ms, 1, GW_AUTHORITY_MS_MAX, "ms");
    check_range(f, "delay", l->delay_ms, 1, GW_AUTHORITY_MS_MAX, "ms");
    check_range(f, "io", l->io_ms, 0, GW_AUTHORITY_MS_MAX, "ms");
    check_range(f, "watchdog", l->watchdog_ms, 0, GW_AUTHORITY_MS_MAX, "ms");
}

/* H (1 + rho) <= T_g (1 - rho), in whole numbers. */
static void check_hold(const struct gw_authority_limits *l, struct faults *f)
{
    const uint64_t holder = (uint64_t)l->hold_ms * (GW_AUTHORITY_PPM + l->rho_ppm);
    const uint64_t voter = (uint64_t)l->promise_ms * (GW_AUTHORITY_PPM - l->rho_ppm);
    if (holder <= voter)
        return;
    const uint64_t hold_max = voter / (GW_AUTHORITY_PPM + l->rho_ppm);
    const uint64_t divisor = GW_AUTHORITY_PPM - l->rho_ppm;
    const uint64_t promise_min = (holder + divisor - 1) / divisor;
    fault(f, "hold",
          "hold H = %" PRIu32 " ms is too long for promise T_g = %" PRIu32 " ms: with clocks that "
          "may be %.1f %% wrong H may be %" PRIu64 " ms at most, %" PRIu64
          " ms less; shorten hold, "
          "or make promise at least %" PRIu64 " ms",
          l->hold_ms, l->promise_ms, l->rho_ppm / 10000.0, hold_max, l->hold_ms - hold_max,
          promise_min);
}

/* r + n R <= H - S */
static void check_tries(const struct gw_authority_limits *l, struct faults *f)
{
    const int64_t need = (int64_t)l->renew_ms + (int64_t)l->tries * l->reply_ms;
    const int64_t have = (int64_t)l->hold_ms - l->stop_ms;
    if (need > have)
        fault(f, "tries",
              "renew r + tries n x reply R = %" PRId64 " ms does not fit into hold H - stop S = "
              "%" PRId64 " ms, by %" PRId64 " ms: the self-fence would begin before all tries are "
              "made; renew more often, try less often, or make hold (and promise) longer",
              need, have, need - have);
}

/* watchdog <= H - R */
static void check_watchdog(const struct gw_authority_limits *l, struct faults *f)
{
    const int64_t have = (int64_t)l->hold_ms - l->reply_ms;
    if ((int64_t)l->watchdog_ms > have)
        fault(f, "watchdog",
              "watchdog = %" PRIu32 " ms is longer than hold H - reply R = %" PRId64 " ms, by "
              "%" PRId64 " ms: a site that hangs would outlive its lease; shorten watchdog",
              l->watchdog_ms, have, l->watchdog_ms - have);
}

static void check_delay(const struct gw_authority_limits *l, struct faults *f)
{
    if (l->delay_ms < l->io_ms)
        fault(f, "delay",
              "delay A_x = %" PRIu32 " ms is shorter than the longest I/O, %" PRIu32 " ms, by "
              "%" PRIu32 " ms: a write that is in flight could land after the takeover; make delay "
              "longer",
              l->delay_ms, l->io_ms, l->io_ms - l->delay_ms);
}

size_t gw_authority_limits_check(const struct gw_authority_limits *l,
                                 struct gw_authority_fault ret[static GW_AUTHORITY_FAULTS_MAX])
{
    struct faults f = { .list = ret };
    check_ranges(l, &f);
    if (f.n > 0) /* the inequalities mean nothing for what is out of range */
        return f.n;
    check_hold(l, &f);
    check_tries(l, &f);
    check_watchdog(l, &f);
    check_delay(l, &f);
    return f.n;
}

uint64_t gw_authority_wait_ns(const struct gw_authority_limits *l)
{
    return ((uint64_t)l->promise_ms + l->delay_ms) * GW_NS_PER_MS;
}

static uint64_t passed(uint64_t then, uint64_t now)
{
    return now > then ? now - then : 0;
}

uint64_t gw_instant_passed_max(const struct gw_instant *then, const struct gw_instant *now)
{
    return GW_MAX(passed(then->boot_ns, now->boot_ns), passed(then->raw_ns, now->raw_ns));
}

uint64_t gw_instant_passed_min(const struct gw_instant *then, const struct gw_instant *now)
{
    return GW_MIN(passed(then->boot_ns, now->boot_ns), passed(then->raw_ns, now->raw_ns));
}
