// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Environments, placeholders, captured output. */
#include "work/env.h"
#include "work/output.h"
#include "work/template.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_env(void **state)
{
    struct gw_error err = { 0 };
    struct gw_env *e;
    assert_int_equal(gw_env_new(&e, &err), 0);
    assert_int_equal(gw_env_set(e, &err, "A", "%d", 1), 0);
    assert_int_equal(gw_env_set(e, &err, "AB", "x=y"), 0);
    assert_int_equal(gw_env_set(e, &err, "A", "2"), 0);
    assert_string_equal(gw_env_get(e, "A"), "2");
    assert_string_equal(gw_env_get(e, "AB"), "x=y");
    assert_null(gw_env_get(e, "B"));
    assert_string_equal(gw_env_list(e)[0], "A=2");
    assert_null(gw_env_list(e)[2]);

    assert_int_equal(gw_env_set(e, &err, "1A", "x"), -EINVAL);
    assert_int_equal(gw_env_set(e, &err, "A-B", "x"), -EINVAL);
    assert_int_equal(gw_env_set(e, &err, "", "x"), -EINVAL);
    const char *const list[] = { "C=3", "hunter2", NULL };
    assert_int_equal(gw_env_add(e, list, &err), -EINVAL);
    assert_null(strstr(err.msg, "hunter2")); /* it might be a secret */
    assert_string_equal(gw_env_get(e, "C"), "3");
    gw_env_free(e);
}

static void test_env_limits(void **state)
{
    struct gw_error err = { 0 };
    struct gw_env *e;
    char *big = malloc(GW_ENV_BYTES_MAX + 2);
    assert_non_null(big);
    memset(big, 'x', GW_ENV_BYTES_MAX + 1);
    big[GW_ENV_BYTES_MAX + 1] = '\0';
    assert_int_equal(gw_env_new(&e, &err), 0);
    assert_int_equal(gw_env_set(e, &err, "BIG", "%s", big), -E2BIG);
    big[GW_ENV_BYTES_MAX] = '\0';
    assert_int_equal(gw_env_set(e, &err, "BIG", "%s", big), 0);
    for (unsigned i = 1; i < GW_ENV_MAX; i++) {
        char name[16];
        snprintf(name, sizeof name, "V%u", i);
        assert_int_equal(gw_env_set(e, &err, name, "x"), 0);
    }
    assert_int_equal(gw_env_set(e, &err, "ONE_MORE", "x"), -E2BIG);
    assert_int_equal(gw_env_set(e, &err, "BIG", "small again"), 0);
    gw_env_free(e);
    free(big);
}

static void test_template(void **state)
{
    const struct gw_template_value values[] = { { "site", "lisbon" },
                                                { "volume:pgdata", "/run/{site}" },
                                                { NULL, NULL } };
    static const struct {
        const char *text, *expanded;
    } good[] = {
        { "", "" },
        { "plain", "plain" },
        { "{site}", "lisbon" },
        { "--to={site}.example", "--to=lisbon.example" },
        { "{site}{site}", "lisbonlisbon" },
        { "{volume:pgdata}", "/run/{site}" }, /* not replaced a second time */
        { "{\"site\": 1}", "{\"site\": 1}" },
        { "{}", "{}" },
        { "{{site}", "{site}" },
        { "{{{site}", "{lisbon" },
        { "a{", "a{" },
        { "a{{", "a{" },
        { "{site", "{site" },
        { "}{", "}{" },
    };
    struct gw_error err = { 0 };
    char *text = NULL;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_int_equal(gw_template_text(good[i].text, values, &text, &err), 0);
        assert_string_equal(text, good[i].expanded);
        free(text);
    }
    assert_int_equal(gw_template_text("to {stie}", values, &text, &err), -EINVAL);
    assert_non_null(strstr(err.msg, "{stie}"));
    assert_non_null(strstr(err.msg, "{site}, {volume:pgdata}"));

    const char *const argv[] = { "set", "{site}", NULL };
    const char *const bad[] = { "set", "{site}", "{sites}", NULL };
    char **expanded = NULL;
    assert_int_equal(gw_template_argv(argv, values, &expanded, &err), 0);
    assert_string_equal(expanded[1], "lisbon");
    assert_null(expanded[2]);
    gw_template_argv_free(expanded);
    assert_int_equal(gw_template_argv(bad, values, &expanded, &err), -EINVAL);
    assert_non_null(strstr(err.msg, "argument 2"));
}

static void test_template_bound(void **state)
{
    struct gw_error err = { 0 };
    char *huge = malloc(GW_TEMPLATE_BYTES_MAX + 2), *text = NULL;
    assert_non_null(huge);
    memset(huge, 'x', GW_TEMPLATE_BYTES_MAX + 1);
    huge[GW_TEMPLATE_BYTES_MAX + 1] = '\0';
    const struct gw_template_value values[] = { { "big", huge }, { NULL, NULL } };
    assert_int_equal(gw_template_text("{big}", values, &text, &err), -E2BIG);
    huge[GW_TEMPLATE_BYTES_MAX] = '\0';
    assert_int_equal(gw_template_text("{big}", values, &text, &err), 0);
    free(text);
    free(huge);
}

/* ---- output ---- */

static void test_output_small(void **state)
{
    struct gw_error err = { 0 };
    struct gw_output o;
    char line[32];
    assert_int_equal(gw_output_init(&o, &err), 0);
    gw_output_add(&o, "abc", 3);
    assert_int_equal(gw_output_finish(&o, &err), 0);
    assert_string_equal(o.text, "abc");
    assert_int_equal(o.total_bytes, 3);
    assert_string_equal(o.sha256,
                        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    gw_output_last_line(&o, line, sizeof line);
    assert_string_equal(line, "abc");
    gw_output_done(&o);
}

/* Whatever the sizes of the pieces: the beginning, the end, and how much is missing. */
static void test_output_cut(void **state)
{
    struct gw_error err = { 0 };
    const size_t keep = GW_OUTPUT_HEAD_BYTES + GW_OUTPUT_TAIL_BYTES;
    const size_t totals[] = { GW_OUTPUT_HEAD_BYTES, GW_OUTPUT_HEAD_BYTES + 1, keep, keep + 1,
                              5 * keep + 77 };
    const size_t pieces[] = { 1000, 65536, 300000 };
    for (size_t t = 0; t < 5; t++) {
        char *all = malloc(totals[t]), marker[64] = "";
        assert_non_null(all);
        for (size_t i = 0; i < totals[t]; i++)
            all[i] = (char)('a' + (i * 7 + i / 1000) % 26);
        for (size_t k = 0; k < 3; k++) {
            struct gw_output o;
            assert_int_equal(gw_output_init(&o, &err), 0);
            for (size_t i = 0; i < totals[t]; i += pieces[k])
                gw_output_add(&o, all + i, totals[t] - i < pieces[k] ? totals[t] - i : pieces[k]);
            assert_int_equal(gw_output_finish(&o, &err), 0);
            assert_int_equal(o.total_bytes, totals[t]);
            if (totals[t] > keep)
                snprintf(marker, sizeof marker, "\n[... %zu bytes left out ...]\n",
                         totals[t] - keep);
            size_t kept = totals[t] < keep ? totals[t] : keep;
            size_t head = kept < GW_OUTPUT_HEAD_BYTES ? kept : GW_OUTPUT_HEAD_BYTES;
            assert_int_equal(strlen(o.text), kept + strlen(marker));
            assert_memory_equal(o.text, all, head);
            assert_memory_equal(o.text + head, marker, strlen(marker));
            assert_memory_equal(o.text + head + strlen(marker), all + totals[t] - (kept - head),
                                kept - head);
            gw_output_done(&o);
        }
        free(all);
    }
}

static void test_clean(void **state)
{
    static const struct {
        const char *bytes, *text;
    } rows[] = {
        { "tab\tand\nline", "tab\tand\nline" },
        { "\x1b[31mred\r", "?[31mred?" },
        { "\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\xa6", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\xa6" },
        { "\xc3", "?" },
        { "\xe2\x82", "??" },
        { "\xc0\xaf", "??" },           /* overlong */
        { "\xe0\x80\x80", "???" },      /* overlong */
        { "\xed\xa0\x80", "???" },      /* a surrogate */
        { "\xf4\x90\x80\x80", "????" }, /* above U+10FFFF */
        { "\xff\xfe"
          "a\x7f",
          "??a?" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *text = gw_output_clean(rows[i].bytes, strlen(rows[i].bytes)), copy[32];
        assert_string_equal(text, rows[i].text);
        free(text);
        snprintf(copy, sizeof copy, "%s", rows[i].bytes);
        gw_output_scrub(copy);
        assert_string_equal(copy, rows[i].text);
    }
    char *text = gw_output_clean("a\0b", 3);
    assert_string_equal(text, "a?b");
    free(text);
}

static void test_last_line(void **state)
{
    static const struct {
        const char *text, *line;
    } rows[] = {
        { "", "" },
        { "\n\n \n", "" },
        { "one", "one" },
        { "one\ntwo\n\n", "two" },
        { "one\n  two  ", "two" },
        { "a\n1234567\xc3\xa4", "1234567" }, /* cut before a character */
    };
    struct gw_error err = { 0 };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct gw_output o;
        char line[9];
        assert_int_equal(gw_output_init(&o, &err), 0);
        gw_output_add(&o, rows[i].text, strlen(rows[i].text));
        assert_int_equal(gw_output_finish(&o, &err), 0);
        gw_output_last_line(&o, line, sizeof line);
        assert_string_equal(line, rows[i].line);
        gw_output_done(&o);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_env),          cmocka_unit_test(test_env_limits),
        cmocka_unit_test(test_template),     cmocka_unit_test(test_template_bound),
        cmocka_unit_test(test_output_small), cmocka_unit_test(test_output_cut),
        cmocka_unit_test(test_clean),        cmocka_unit_test(test_last_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
