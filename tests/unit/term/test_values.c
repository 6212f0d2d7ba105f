// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Durations, sizes, numbers, and words that are nearly right. */
#include "program.h"

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_durations(void **state)
{
    static const struct {
        const char *text;
        uint64_t ms;
    } rows[] = { { "30", 30000 },    { "500ms", 500 },  { "30s", 30000 }, { "5m", 300000 },
                 { "5min", 300000 }, { "2h", 7200000 }, { "0", 0 },       { "1d", 86400000 } };
    static const char *const bad[] = { "",
                                       "s",
                                       "-5s",
                                       "5x",
                                       " 5s",
                                       "5 s",
                                       "5s ",
                                       "1e3",
                                       "0x5",
                                       "5.5",
                                       "99999999999999999999",
                                       "18446744073709551615d" };
    uint64_t ms;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_true(gw_term_duration_parse(rows[i].text, &ms));
        assert_int_equal(ms, rows[i].ms);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (gw_term_duration_parse(bad[i], &ms))
            fail_msg("'%s' was taken for a duration", bad[i]);
    }
}

static void hint(const char *text, const char *says)
{
    char got[64] = "x";
    gw_term_size_hint(text, got, sizeof got);
    assert_string_equal(got, says);
}

static void test_size_hints(void **state)
{
    (void)state;
    hint("20GB", "; did you mean \"20GiB\"?");
    hint("5mb", "; did you mean \"5MiB\"?");
    hint("5kB", "; did you mean \"5KiB\"?");
    hint("20GiB", "");
    hint("GB", "");
    hint("20XB", "");
    hint("", "");
    /* Cut, and still a text. */
    hint("1111111111111111111111111111111111111111111111111111111111GB",
         "; did you mean \"11111111111111111111GiB\"?");
}

static void test_nearest(void **state)
{
    static const char *const words[] = { "failover", "failback", "forecast", "hold", NULL };
    static const char *const none[] = { NULL };
    char long_word[4 * GW_TERM_WORD_MAX];
    (void)state;
    assert_string_equal(gw_term_nearest("failovr", words), "failover");
    assert_string_equal(gw_term_nearest("failbakc", words), "failback");
    assert_string_equal(gw_term_nearest("forec", words), "forecast");
    assert_string_equal(gw_term_nearest("hodl", words), "hold");
    assert_null(gw_term_nearest("xyzzy", words));
    assert_null(gw_term_nearest("hold", none));
    memset(long_word, 'h', sizeof long_word - 1);
    long_word[sizeof long_word - 1] = '\0';
    assert_null(gw_term_nearest(long_word, words));
}

/* Values of options, as given behind --tag. */
static struct gw_term_args with_tag(const char *value)
{
    struct gw_term_args a = { .program = &program, .command = &program.commands[1] };
    assert_string_equal(a.command->options[0].name, "tag");
    a.given[0] = (struct gw_term_given){ &a.command->options[0], value };
    a.n_given = 1;
    return a;
}

static void test_options(void **state)
{
    struct gw_error err = { 0 };
    uint64_t n = 7;
    (void)state;
    struct gw_term_args a = { .program = &program, .command = &program.commands[1] };
    assert_int_equal(gw_term_arg_number(&a, "tag", &n, &err), 0);
    assert_int_equal(gw_term_arg_size(&a, "tag", &n, &err), 0);
    assert_int_equal(gw_term_arg_ms(&a, "tag", &n, &err), 0);
    assert_int_equal(n, 7); /* not given: as it was */
    a = with_tag("9223372036854775807");
    assert_int_equal(gw_term_arg_number(&a, "tag", &n, &err), 0);
    assert_true(n == INT64_MAX);
    static const char *const bad[] = { "9223372036854775808", "-1", "", "1k", "0x1", " 1" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        a = with_tag(bad[i]);
        assert_int_equal(gw_term_arg_number(&a, "tag", &n, &err), -EINVAL);
        assert_non_null(strstr(err.msg, "is not a number"));
    }
    a = with_tag("20GB");
    assert_int_equal(gw_term_arg_size(&a, "tag", &n, &err), -EINVAL);
    assert_non_null(strstr(err.msg, "did you mean \"20GiB\"?"));
    a = with_tag("20KiB");
    assert_int_equal(gw_term_arg_size(&a, "tag", &n, &err), 0);
    assert_int_equal(n, 20480);
    a = with_tag("0");
    assert_int_equal(gw_term_arg_ms(&a, "tag", &n, &err), -EINVAL);
    a = with_tag("25d"); /* more than 32 bits of milliseconds */
    assert_int_equal(gw_term_arg_ms(&a, "tag", &n, &err), -EINVAL);
    a = with_tag("24d");
    assert_int_equal(gw_term_arg_ms(&a, "tag", &n, &err), 0);
}

static void test_readable(void **state)
{
    struct gw_term t = { 0 };
    (void)state;
    assert_int_equal(gw_term_readable(&t, "--by", "Eva Example \xc3\xa9", 64), 0);
    assert_int_equal(gw_term_readable(&t, "--by", "  ", 64), GW_EXIT_USAGE);
    assert_int_equal(gw_term_readable(&t, "--by", "", 64), GW_EXIT_USAGE);
    assert_int_equal(gw_term_readable(&t, "--by", "abcde", 4), GW_EXIT_USAGE);
    assert_int_equal(gw_term_readable(&t, "--by", "a\nb", 64), GW_EXIT_USAGE);
    assert_int_equal(gw_term_readable(&t, "--by", "a\x7f", 64), GW_EXIT_USAGE);
    assert_int_equal(gw_term_readable(&t, "--by", "a\xff", 64), GW_EXIT_USAGE);
    assert_string_equal(t.err.msg, "--by: not valid UTF-8");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_durations), cmocka_unit_test(test_size_hints),
        cmocka_unit_test(test_nearest),   cmocka_unit_test(test_options),
        cmocka_unit_test(test_readable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
