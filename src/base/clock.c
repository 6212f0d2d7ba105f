// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "base/clock.h"

#include "base/checked.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static uint64_t clock_ns(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts); /* cannot fail for these two clocks */
    return (uint64_t)ts.tv_sec * GW_NS_PER_S + (uint64_t)ts.tv_nsec;
}

uint64_t gw_boot_ns(void)
{
    return clock_ns(CLOCK_BOOTTIME);
}

uint64_t gw_wall_ns(void)
{
    return clock_ns(CLOCK_REALTIME);
}

void gw_time_format(uint64_t wall_ns, char ret[GW_TIME_TEXT])
{
    time_t s = (time_t)(wall_ns / GW_NS_PER_S);
    struct tm tm;
    gmtime_r(&s, &tm);
    strftime(ret, GW_TIME_TEXT, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

/* ".25": nanoseconds; what is finer is cut off. */
static const char *take_fraction(const char *at, uint64_t *ret_ns)
{
    uint64_t unit = GW_NS_PER_S / 10;
    *ret_ns = 0;
    if (*at != '.' || !isdigit((unsigned char)at[1]))
        return at;
    for (at++; isdigit((unsigned char)*at); at++, unit /= 10)
        *ret_ns += (uint64_t)(*at - '0') * unit;
    return at;
}

bool gw_time_parse(const char *text, uint64_t *ret_wall_ns)
{
    struct tm tm = { 0 }, again;
    uint64_t fraction_ns, ns;
    const char *end = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    if (end == NULL || strcmp(take_fraction(end, &fraction_ns), "Z") != 0)
        return false;
    /* timegm makes 2 March of 30 February: the calendar has to say the same again. */
    struct tm asked = tm;
    time_t s = timegm(&tm);
    if (s < 0 || gmtime_r(&s, &again) == NULL || again.tm_mday != asked.tm_mday ||
        again.tm_mon != asked.tm_mon || again.tm_year != asked.tm_year ||
        again.tm_hour != asked.tm_hour || again.tm_min != asked.tm_min ||
        again.tm_sec != asked.tm_sec)
        return false;
    if (ckd_mul(&ns, (uint64_t)s, GW_NS_PER_S) || ckd_add(&ns, ns, fraction_ns) || ns > INT64_MAX)
        return false;
    *ret_wall_ns = ns;
    return true;
}
