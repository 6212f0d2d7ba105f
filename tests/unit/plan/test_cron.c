// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Cron expressions: what matches, the next start, windows; over changes of clocks. */
#include "plan/cron.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

/* Madrid without the zone's file: an hour is left out on the last Sunday of March, doubled on that
 * of October. */
#define MADRID "CET-1CEST,M3.5.0,M10.5.0/3"

static void set_zone(const char *tz)
{
    setenv("TZ", tz, 1);
    tzset();
}

/* "2026-03-29 01:30" in UTC. */
static int64_t utc(const char *text)
{
    struct tm tm = { 0 };
    const char *end =
        strptime(text, strlen(text) > 16 ? "%Y-%m-%d %H:%M:%S" : "%Y-%m-%d %H:%M", &tm);
    assert_true(end != NULL && *end == '\0');
    return (int64_t)timegm(&tm);
}

static struct gw_cron cron(const char *text)
{
    struct gw_cron c;
    struct gw_error err = { 0 };
    if (gw_cron_parse(text, &c, &err) < 0)
        fail_msg("%s: %s", text, err.msg);
    return c;
}

static void assert_time(int64_t at_s, const char *expected)
{
    char text[32];
    time_t t = (time_t)at_s;
    struct tm tm;
    gmtime_r(&t, &tm);
    strftime(text, sizeof text, "%Y-%m-%d %H:%M", &tm);
    assert_string_equal(text, expected);
}

static void next(const char *expression, enum gw_cron_zone zone, const char *from,
                 const char *expected)
{
    struct gw_cron c = cron(expression);
    int64_t at_s = 0;
    assert_true(gw_cron_next(&c, utc(from), zone, &at_s));
    assert_time(at_s, expected);
}

static void test_next(void **state)
{
    (void)state;
    static const struct {
        const char *cron, *from, *next;
    } rows[] = {
        { "* * * * *", "2026-11-22 10:00", "2026-11-22 10:00" },
        { "* * * * *", "2026-11-22 10:00:01", "2026-11-22 10:01" },
        { "*/15 * * * *", "2026-11-22 10:01", "2026-11-22 10:15" },
        { "5/20 * * * *", "2026-11-22 10:26", "2026-11-22 10:45" },
        { "0 2 * * 0", "2026-11-22 02:00", "2026-11-22 02:00" },
        { "0 2 * * 0", "2026-11-22 02:01", "2026-11-29 02:00" },
        { "0 2 * * 7", "2026-11-22 02:01", "2026-11-29 02:00" },
        { "0 2 * * sun", "2026-11-22 02:01", "2026-11-29 02:00" },
        { "0 2 * * Mon-Fri", "2026-11-20 02:01", "2026-11-23 02:00" },
        { "30 8-18 * * 1-5", "2026-11-22 10:00", "2026-11-23 08:30" },
        { "0 0 1 jan *", "2026-11-22 10:00", "2027-01-01 00:00" },
        { "0 0 31 * *", "2026-11-22 10:00", "2026-12-31 00:00" },
        { "59 23 31 12 *", "2026-12-31 23:59:30", "2027-12-31 23:59" },
        { "0 0 29 2 *", "2026-11-22 10:00", "2028-02-29 00:00" },
        { "0 0 29 2 *", "2097-01-01 00:00", "2104-02-29 00:00" },  /* 2100 has none */
        { "0 0 13 * 5", "2026-11-22 10:00", "2026-11-27 00:00" },  /* either will do */
        { "0 0 */2 * 5", "2026-11-22 10:00", "2026-11-27 00:00" }, /* both: it begins with '*' */
        { "1,2,40-42 3 * * *", "2026-11-22 03:03", "2026-11-22 03:40" },
        { "@daily", "2026-11-22 00:01", "2026-11-23 00:00" },
        { "@hourly", "2026-11-22 00:01", "2026-11-22 01:00" },
        { "@weekly", "2026-11-22 00:01", "2026-11-29 00:00" },
        { "@monthly", "2026-11-22 00:01", "2026-12-01 00:00" },
        { "@yearly", "2026-11-22 00:01", "2027-01-01 00:00" },
        { "0 12 * * *", "1969-12-31 11:00", "1969-12-31 12:00" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        next(rows[i].cron, GW_CRON_UTC, rows[i].from, rows[i].next);
}

/* Whatever next() says matches, and nothing before it does. */
static void test_next_is_first(void **state)
{
    (void)state;
    static const char *const expressions[] = { "7 3 * * *", "*/9 1,5 * 3,10 *", "0 0 1-7 * 1",
                                               "30 2 * * 0" };
    for (size_t i = 0; i < sizeof expressions / sizeof expressions[0]; i++) {
        struct gw_cron c = cron(expressions[i]);
        int64_t from_s = utc("2026-02-27 22:13"), at_s = 0;
        for (unsigned n = 0; n < 20; n++) {
            assert_true(gw_cron_next(&c, from_s, GW_CRON_UTC, &at_s));
            assert_true(gw_cron_matches(&c, at_s, GW_CRON_UTC));
            for (int64_t s = from_s; s < at_s; s += 60)
                assert_false(gw_cron_matches(&c, s, GW_CRON_UTC));
            from_s = at_s + 60;
        }
    }
}

static void test_change_of_clocks(void **state)
{
    (void)state;
    set_zone(MADRID);
    /* Winter is UTC+1, summer UTC+2. */
    next("0 2 * * 0", GW_CRON_LOCAL, "2026-11-22 00:00", "2026-11-22 01:00");
    next("0 2 * * 0", GW_CRON_LOCAL, "2026-07-01 00:00", "2026-07-05 00:00");
    /* 29 March, 02:00 to 03:00 is left out: what falls in there happens at 03:00 local. */
    next("30 2 * * *", GW_CRON_LOCAL, "2026-03-28 12:00", "2026-03-29 01:00");
    next("30 2 * * *", GW_CRON_LOCAL, "2026-03-29 01:01", "2026-03-30 00:30");
    next("30 2 * * 0", GW_CRON_LOCAL, "2026-03-28 12:00", "2026-03-29 01:00");
    next("30 3 * * *", GW_CRON_LOCAL, "2026-03-28 12:00", "2026-03-29 01:30");
    /* 25 October, 02:00 to 03:00 is there twice: the first time counts. */
    next("30 2 * * *", GW_CRON_LOCAL, "2026-10-24 12:00", "2026-10-25 00:30");
    next("30 2 * * *", GW_CRON_LOCAL, "2026-10-25 00:31", "2026-10-26 01:30");
    /* What names no hour goes on in both. */
    next("*/30 * * * *", GW_CRON_LOCAL, "2026-10-25 01:01", "2026-10-25 01:30");
    struct gw_cron c = cron("* 2 * * *");
    assert_true(gw_cron_matches(&c, utc("2026-10-25 00:10"), GW_CRON_LOCAL));
    assert_true(gw_cron_matches(&c, utc("2026-10-25 01:10"), GW_CRON_LOCAL));
    assert_false(gw_cron_matches(&c, utc("2026-10-25 02:10"), GW_CRON_LOCAL));
    set_zone("UTC0");
}

static void window(const char *expression, uint64_t length_s, const char *at, bool open,
                   const char *start, const char *end)
{
    struct gw_cron c = cron(expression);
    int64_t start_s = 0, end_s = 0;
    bool is_open = !open;
    assert_int_equal(gw_cron_window(&c, length_s, utc(at), GW_CRON_UTC, &is_open, &start_s, &end_s),
                     0);
    assert_int_equal(is_open, open);
    assert_time(start_s, start);
    assert_time(end_s, end);
}

static void test_window(void **state)
{
    (void)state;
    window("0 2 * * 0", 7200, "2026-11-22 01:59:59", false, "2026-11-22 02:00", "2026-11-22 04:00");
    window("0 2 * * 0", 7200, "2026-11-22 02:00", true, "2026-11-22 02:00", "2026-11-22 04:00");
    window("0 2 * * 0", 7200, "2026-11-22 03:59:59", true, "2026-11-22 02:00", "2026-11-22 04:00");
    window("0 2 * * 0", 7200, "2026-11-22 04:00", false, "2026-11-29 02:00", "2026-11-29 04:00");
    /* Over midnight, and two that overlap. */
    window("0 23 * * *", 7200, "2026-11-22 00:30", true, "2026-11-21 23:00", "2026-11-22 01:00");
    window("0 2,3 * * *", 5400, "2026-11-22 02:10", true, "2026-11-22 02:00", "2026-11-22 04:30");
    struct gw_cron none = { 0 };
    bool open;
    int64_t a, b;
    assert_int_equal(gw_cron_window(&none, 60, 0, GW_CRON_UTC, &open, &a, &b), -ENOENT);
    assert_false(gw_cron_matches(&none, 0, GW_CRON_UTC));
    struct gw_cron c = cron("* * * * *");
    assert_false(gw_cron_next(&c, INT64_MAX, GW_CRON_UTC, &a));
}

static void test_text(void **state)
{
    (void)state;
    assert_string_equal(cron("  0\t2  * *   0 ").text, "0 2 * * 0");
    struct gw_cron c;
    struct gw_error err = { 0 };
    char longest[GW_CRON_TEXT + 20];
    memset(longest, '1', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    assert_int_equal(gw_cron_parse(longest, &c, &err), -EINVAL);
    static const char *const bad[] = { "",
                                       "*",
                                       "0 2 * *",
                                       "0 2 * * 0 0",
                                       "-1 * * * *",
                                       "0-60 * * * *",
                                       "* * 0 * *",
                                       "* * * 0 *",
                                       "*/60 * * * *",
                                       "1-2-3 * * * *",
                                       "1,,2 * * * *",
                                       "1, * * * *",
                                       "*,",
                                       "** * * * *",
                                       "0 0 30 feb *",
                                       "0 0 31 4,6,9,11 *",
                                       "@never",
                                       "99999999999 * * * *",
                                       "* * * * mond" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        err = (struct gw_error){ 0 };
        if (gw_cron_parse(bad[i], &c, &err) != -EINVAL || err.msg[0] == '\0')
            fail_msg("\"%s\" was taken", bad[i]);
    }
    cron("0 0 31 2 1"); /* happens on Mondays */
}

int main(void)
{
    set_zone("UTC0");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_next),
        cmocka_unit_test(test_next_is_first),
        cmocka_unit_test(test_change_of_clocks),
        cmocka_unit_test(test_window),
        cmocka_unit_test(test_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
