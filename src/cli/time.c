// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Times as people write them, and as the API does. */
#include "base/checked.h"
#include "base/clock.h"
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define S_PER_DAY 86400
#define AHEAD_MS (366ull * S_PER_DAY * 1000) /* nothing is planned further ahead */

static void put(time_t at, char ret[CLI_TIME_TEXT])
{
    struct tm tm;
    gmtime_r(&at, &tm);
    strftime(ret, CLI_TIME_TEXT, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

static double seconds(uint64_t wall_ns)
{
    return (double)wall_ns / (double)GW_NS_PER_S;
}

/* mktime makes 2 March of 30 February: the calendar has to say the same again. An hour that summer
 * time leaves out is moved, and meant. */
static bool to_time(struct tm *tm, time_t *ret)
{
    const int day = tm->tm_mday, month = tm->tm_mon;
    *ret = mktime(tm);
    return *ret != (time_t)-1 && tm->tm_mday == day && tm->tm_mon == month;
}

/* A local time: with a date, or the next time that the clock shows it. */
static bool parse_local(const char *text, time_t now, time_t *ret)
{
    static const char *const dated[] = { "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M" };
    for (size_t i = 0; i < GW_ARRAY_SIZE(dated); i++) {
        struct tm tm = { .tm_isdst = -1 };
        const char *end = strptime(text, dated[i], &tm);
        if (end != NULL && *end == '\0')
            return to_time(&tm, ret);
    }
    struct tm tm;
    localtime_r(&now, &tm);
    const char *end = strptime(text, "%H:%M", &tm);
    if (end == NULL || *end != '\0')
        return false;
    tm.tm_sec = 0;
    tm.tm_isdst = -1;
    *ret = mktime(&tm);
    if (*ret <= now) {
        tm.tm_mday++;
        tm.tm_isdst = -1;
        *ret = mktime(&tm);
    }
    return true;
}

bool cli_time_parse(const char *text, uint64_t now_wall_ns, char ret[CLI_TIME_TEXT])
{
    time_t now = (time_t)(now_wall_ns / GW_NS_PER_S), at;
    uint64_t ms, wall_ns;
    if (text[0] == '+') {
        if (!gw_term_duration_parse(text + 1, &ms) || ms > AHEAD_MS)
            return false;
        at = now + (time_t)(ms / 1000);
    } else if (gw_time_parse(text, &wall_ns)) {
        at = (time_t)(wall_ns / GW_NS_PER_S);
    } else if (!parse_local(text, now, &at)) {
        return false;
    }
    put(at, ret);
    return true;
}

bool cli_between(const char *begin, const char *end, double *ret_seconds)
{
    uint64_t a, b;
    if (!gw_time_parse(begin, &a) || !gw_time_parse(end, &b))
        return false;
    *ret_seconds = b > a ? seconds(b - a) : 0;
    return true;
}
