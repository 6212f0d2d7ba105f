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
#define YEARS_MS (100ull * 366 * S_PER_DAY * 1000) /* nothing is planned further ahead */

static void put(time_t at, char ret[CLI_TIME_TEXT])
{
    struct tm tm;
    gmtime_r(&at, &tm);
    strftime(ret, CLI_TIME_TEXT, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

/* "2026-11-22T02:00:00Z", also with a fraction; false: another format. */
static bool parse_rfc3339(const char *text, double *ret_s)
{
    struct tm tm = { 0 };
    const char *end = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    double fraction = 0;
    int n = 0;
    if (end == NULL)
        return false;
    if (end[0] == '.' && sscanf(end, "%lf%n", &fraction, &n) == 1)
        end += n;
    if (strcmp(end, "Z") != 0)
        return false;
    *ret_s = (double)timegm(&tm) + fraction;
    return true;
}

/* A local time: with a date, or the next time that the clock shows it. */
static bool parse_local(const char *text, time_t now, time_t *ret)
{
    static const char *const dated[] = { "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M" };
    for (size_t i = 0; i < GW_ARRAY_SIZE(dated); i++) {
        struct tm tm = { .tm_isdst = -1 };
        const char *end = strptime(text, dated[i], &tm);
        if (end != NULL && *end == '\0') {
            *ret = mktime(&tm);
            return true;
        }
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
    double s;
    uint64_t ms;
    if (text[0] == '+') {
        if (!gw_term_duration_parse(text + 1, &ms) || ms > YEARS_MS)
            return false;
        at = now + (time_t)(ms / 1000);
    } else if (parse_rfc3339(text, &s)) {
        at = (time_t)s;
    } else if (!parse_local(text, now, &at)) {
        return false;
    }
    put(at, ret);
    return true;
}

bool cli_between(const char *begin, const char *end, double *ret_seconds)
{
    double a, b;
    if (!parse_rfc3339(begin, &a) || !parse_rfc3339(end, &b))
        return false;
    *ret_seconds = b > a ? b - a : 0;
    return true;
}
