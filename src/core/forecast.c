// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* How long: rates, time to sync, outage from history. */
#include "core/forecast.h"

#include "base/checked.h"

#include <stdlib.h>

#define MS_PER_S 1000u

__extension__ typedef unsigned __int128 wide; /* what 64 bits times 64 bits is */

/* a * b / c with all of a * b, cut off at GW_FORECAST_LONG_MS. c is not 0. */
static uint64_t scaled(uint64_t a, uint64_t b, uint64_t c)
{
    wide n = (wide)a * b / c;
    return n < GW_FORECAST_LONG_MS ? (uint64_t)n : GW_FORECAST_LONG_MS;
}

static uint64_t add_ms(uint64_t a, uint64_t b)
{
    uint64_t sum;
    if (ckd_add(&sum, a, b))
        return GW_FORECAST_LONG_MS;
    return GW_MIN(sum, (uint64_t)GW_FORECAST_LONG_MS);
}

uint64_t gw_forecast_rate(uint64_t bytes, uint64_t ms)
{
    if (bytes == GW_NOT_KNOWN || ms == GW_NOT_KNOWN || ms < GW_FORECAST_RATE_MS_MIN)
        return GW_NOT_KNOWN;
    wide rate = (wide)bytes * MS_PER_S / ms;
    return rate < GW_NOT_KNOWN ? (uint64_t)rate : GW_NOT_KNOWN - 1;
}

void gw_forecast_sync(uint64_t bytes, uint64_t rate_bytes_s, uint64_t inflow_bytes_s,
                      struct gw_forecast_time *ret)
{
    *ret = (struct gw_forecast_time){ .kind = GW_FORECAST_UNKNOWN };
    if (bytes == GW_NOT_KNOWN)
        return;
    if (bytes == 0) {
        ret->kind = GW_FORECAST_KNOWN;
        return;
    }
    if (rate_bytes_s == GW_NOT_KNOWN)
        return;
    uint64_t inflow = inflow_bytes_s == GW_NOT_KNOWN ? 0 : inflow_bytes_s;
    if (rate_bytes_s <= inflow) {
        ret->kind = GW_FORECAST_NEVER;
        return;
    }
    ret->ms = scaled(bytes, MS_PER_S, rate_bytes_s - inflow);
    ret->kind = inflow_bytes_s == GW_NOT_KNOWN ? GW_FORECAST_AT_LEAST : GW_FORECAST_KNOWN;
    if (ret->ms >= GW_FORECAST_LONG_MS)
        *ret = (struct gw_forecast_time){ .kind = GW_FORECAST_NEVER };
}

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Nearest rank: the smallest value with at least `percent` of all at or below it. */
static uint64_t rank(const uint64_t *sorted, size_t n, unsigned percent)
{
    size_t at = n / 100 * percent + (n % 100 * percent + 99) / 100;
    return sorted[GW_MAX(at, (size_t)1) - 1];
}

void gw_forecast_quantiles(uint64_t *ms, size_t n, uint64_t *ret_median_ms, uint64_t *ret_p90_ms)
{
    if (n > 0)
        qsort(ms, n, sizeof *ms, by_size);
    *ret_median_ms = n > 0 ? rank(ms, n, 50) : GW_NOT_KNOWN;
    *ret_p90_ms = n > 0 ? rank(ms, n, 90) : GW_NOT_KNOWN;
}

void gw_forecast_outage(const struct gw_forecast_step *steps, size_t n,
                        struct gw_forecast_outage *ret)
{
    struct gw_forecast_outage o = { .typical.kind = GW_FORECAST_KNOWN,
                                    .cautious.kind = GW_FORECAST_KNOWN };
    for (size_t i = 0; i < n; i++) {
        const struct gw_forecast_step *s = &steps[i];
        if (!s->in_outage)
            continue;
        o.steps++;
        uint64_t typical = s->median_ms != GW_NOT_KNOWN ? s->median_ms : s->target_ms;
        uint64_t cautious = s->p90_ms != GW_NOT_KNOWN ? s->p90_ms : typical;
        if (typical == GW_NOT_KNOWN) {
            o.missing++;
            o.typical.kind = o.cautious.kind = GW_FORECAST_AT_LEAST;
            continue;
        }
        o.guessed += s->median_ms == GW_NOT_KNOWN;
        o.typical.ms = add_ms(o.typical.ms, typical);
        o.cautious.ms = add_ms(o.cautious.ms, GW_MAX(cautious, typical));
    }
    if (o.steps == o.missing) /* nothing to add up is not "no time" */
        o.typical.kind = o.cautious.kind = GW_FORECAST_UNKNOWN;
    *ret = o;
}
