// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "base/clock.h"

#include <stdio.h>
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
