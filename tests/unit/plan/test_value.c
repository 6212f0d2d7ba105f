// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Single values: parsed, written back, guessed; near misses. */
#include "base/size.h"
#include "plan/near.h"
#include "plan/value.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void test_durations(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t ms;
        const char *back;
    } rows[] = { { "0", 0, "0s" },
                 { "0s", 0, "0s" },
                 { "1ms", 1, "1ms" },
                 { "1500ms", 1500, "1500ms" },
                 { "30s", 30000, "30s" },
                 { "60s", 60000, "1m" },
                 { "90s", 90000, "90s" },
                 { "24h", 86400000, "1d" },
                 { "14d", 1209600000, "14d" } };
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint64_t ms = 7;
        char back[GW_VALUE_TEXT];
        assert_true(gw_duration_parse(rows[i].text, &ms));
        assert_int_equal(ms, rows[i].ms);
        gw_duration_format(ms, back);
        assert_string_equal(back, rows[i].back);
    }
    static const char *const bad[] = { "",
                                       "s",
                                       "5",
                                       "-5s",
                                       "5 s",
                                       "5S",
                                       "1.5h",
                                       "5sec",
                                       "1h30m",
                                       "18446744073709551616ms",
                                       "18446744073709551615d",
                                       "+5s",
                                       "0x5s" };
    for (size_t i = 0; i < COUNT(bad); i++) {
        uint64_t ms = 7;
        assert_false(gw_duration_parse(bad[i], &ms));
        assert_int_equal(ms, 7);
    }
}

static void test_sizes_and_rates(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {
        0,           1,          1023,       1024,       4096,
        1025 * 1024, 1ull << 30, 3ull << 40, 1ull << 50, (1ull << 50) + 4096,
        UINT64_MAX
    };
    for (size_t i = 0; i < COUNT(sizes); i++) {
        char text[GW_VALUE_TEXT];
        uint64_t back = 7;
        gw_size_format_exact(sizes[i], text);
        if (sizes[i] == UINT64_MAX)
            continue; /* base/size.h does not read that one back */
        assert_true(gw_size_parse(text, &back));
        assert_int_equal(back, sizes[i]);
        gw_rate_format(sizes[i], text);
        assert_true(gw_rate_parse(text, &back));
        assert_int_equal(back, sizes[i]);
    }
    char text[GW_VALUE_TEXT];
    gw_rate_format(200ull << 20, text);
    assert_string_equal(text, "200MiB/s");
    uint64_t rate;
    assert_false(gw_rate_parse("200MiB", &rate));
    assert_false(gw_rate_parse("/s", &rate));
    assert_false(gw_rate_parse("200MB/s", &rate));
}

typedef bool ok_fn(const char *text);

static bool address(const char *text)
{
    return gw_address_ok(text, false);
}

static bool listening(const char *text)
{
    return gw_address_ok(text, true);
}

static void check(ok_fn *fn, const char *const *good, const char *const *bad)
{
    for (; *good != NULL; good++) {
        if (!fn(*good))
            fail_msg("\"%s\" was refused", *good);
    }
    for (; *bad != NULL; bad++) {
        if (fn(*bad))
            fail_msg("\"%s\" was taken", *bad);
    }
}

#define LIST(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void test_words(void **state)
{
    (void)state;
    char longest[65];
    memset(longest, 'a', sizeof longest);
    longest[64] = '\0';
    assert_false(gw_name_ok(longest));
    longest[63] = '\0';
    assert_true(gw_name_ok(longest));
    check(gw_name_ok, LIST("a", "0", "shop-2", "a-"),
          LIST("", "-a", "A", "a_b", "a.b", "a b", "é", "a/"));
    check(address, LIST("a:1", "10.0.0.1:65535", "[::1]:80", "db-1.example:5432", "a_b:1"),
          LIST("", "a", "a:", ":1", "a:0", "a:65536", "a:1x", "::1:80", "[::1]", "[::1:80", "[x]:1",
               "[]:1", "a b:1", "-a:1", "a:-1", "é:1"));
    check(listening, LIST("0.0.0.0:0", "[::]:0"), LIST("0.0.0.0", "*:1"));
    check(gw_unix_address_ok, LIST("unix:/a", "unix:/run/godwit/api.sock"),
          LIST("/a", "unix:a", "unix:", "unix:/"));
    check(gw_url_ok,
          LIST("http://a", "https://a.example:8443/x?y#z", "http://[::1]:80/", "http://[::1]/",
               "http://10.0.0.1/"),
          LIST("", "a", "http://", "ftp://a", "http:///x", "http://u:p@a/", "http://a b/",
               "http://a/\n", "http://a:0/", "http://a:x/", "http://é/"));
    check(gw_abs_path_ok, LIST("/a", "/a/b.c", "/a/..b", "/ a"),
          LIST("", "/", "a", "/a/", "//a", "/a//b", "/a/.", "/a/../b", "/a\nb", "./a"));
    check(gw_cidr_ok, LIST("10.0.0.1/24", "10.0.0.1/0", "::1/128", "fd00::5/64"),
          LIST("", "10.0.0.1", "10.0.0.1/33", "10.0.0/24", "::1/129", "/24", "a/1", "10.0.0.1/-1",
               "10.0.0.1/1x"));
}

static void test_guesses(void **state)
{
    (void)state;
    static const struct {
        void (*guess)(const char *text, char ret[GW_HINT_TEXT]);
        const char *text, *expected;
    } rows[] = {
        { gw_size_guess, "20GB", "20GiB" },
        { gw_size_guess, "20 gb", "20GiB" },
        { gw_size_guess, "20 GiB", "20GiB" },
        { gw_size_guess, "1.5GiB", "1536MiB" },
        { gw_size_guess, "1,5 TB", "1536GiB" },
        { gw_size_guess, "7 megabytes", "7MiB" },
        { gw_size_guess, "20", "" },
        { gw_size_guess, "big", "" },
        { gw_size_guess, "9999999999999GB", "" },
        { gw_size_guess, "20XB", "" },
        { gw_duration_guess, "30", "30s" },
        { gw_duration_guess, "5 min", "5m" },
        { gw_duration_guess, "1h30m", "90m" },
        { gw_duration_guess, "1h 30m", "90m" },
        { gw_duration_guess, "2w", "14d" },
        { gw_duration_guess, "2 weeks", "14d" },
        { gw_duration_guess, "1.5h", "90m" },
        { gw_duration_guess, "0.5s", "500ms" },
        { gw_duration_guess, "soon", "" },
        { gw_duration_guess, "5 fortnights", "" },
        { gw_rate_guess, "200MB/s", "200MiB/s" },
        { gw_rate_guess, "200MiB", "200MiB/s" },
        { gw_rate_guess, "200MBps", "200MiB/s" },
        { gw_rate_guess, "1 GB/sec", "1GiB/s" },
        { gw_rate_guess, "400Mbit/s", "" },
        { gw_rate_guess, "fast", "" },
        { gw_name_guess, "Shop DB", "shop-db" },
        { gw_name_guess, "__a__", "a" },
        { gw_name_guess, "é", "" },
        { gw_name_guess, "", "" },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        char got[GW_HINT_TEXT];
        rows[i].guess(rows[i].text, got);
        assert_string_equal(got, rows[i].expected);
    }
}

static void test_near(void **state)
{
    (void)state;
    static const char *const words[] = { "name", "size", "at", "approvals", "auto", "async", NULL };
    static const struct {
        const char *word, *near;
    } rows[] = {
        { "sise", "size" },     { "sizes", "size" },
        { "nmae", "name" },     { "approvls", "approvals" },
        { "app", "approvals" }, { "automatic", "auto" },
        { "asynch", "async" },  { "mode", NULL },
        { "x", NULL },          { "", NULL },
        { "at", "at" },         { "a-word-that-is-longer-than-any-of-ours-can-be", NULL }
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        const char *near = gw_near_miss(rows[i].word, words);
        if (rows[i].near == NULL)
            assert_null(near);
        else
            assert_string_equal(near, rows[i].near);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_durations), cmocka_unit_test(test_sizes_and_rates),
        cmocka_unit_test(test_words),     cmocka_unit_test(test_guesses),
        cmocka_unit_test(test_near),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
