// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Rows, tables, durations: what people read. */
#include "program.h"
#include "term/out.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void check(void (*fn)(void *arg), void *arg, const char *says)
{
    char *said = printed(fn, arg);
    assert_string_equal(said, says);
    free(said);
}

static void test_members(void **state)
{
    (void)state;
    json_t *o = json_pack("{s:{s:{s:s, s:i, s:i, s:f, s:b}}, s:n}", "a", "b", "text", "x", "n", 7,
                          "minus", -7, "real", 2.5, "true", 1, "null");
    assert_string_equal(gw_term_text(o, "a.b.text"), "x");
    assert_int_equal(gw_term_number(o, "a.b.n"), 7);
    assert_int_equal(gw_term_number(o, "a.b.minus"), 0);
    assert_int_equal(gw_term_number(o, "a.b.real"), 2);
    assert_true(gw_term_real(o, "a.b.real") == 2.5);
    assert_true(gw_term_true(o, "a.b.true"));
    /* What is not there, or is something else. */
    assert_string_equal(gw_term_text(o, "a.b.n"), "");
    assert_string_equal(gw_term_text(o, "a.x.text"), "");
    assert_string_equal(gw_term_text(o, "a.b.text.more"), "");
    assert_string_equal(gw_term_text(NULL, "a"), "");
    assert_int_equal(gw_term_number(o, "null"), 0);
    assert_false(gw_term_true(o, "a.b.n"));
    assert_null(gw_term_at(o, ""));
    char long_path[200];
    memset(long_path, 'a', sizeof long_path - 1);
    long_path[sizeof long_path - 1] = '\0';
    assert_null(gw_term_at(o, long_path));
    json_decref(o);
}

static void rows(void *arg)
{
    (void)arg;
    gw_term_row("lag", "%d s", 3);
    gw_term_row("a label that is long", "x");
    gw_term_row("evil", "a\x1b[2Jb\nc\x7f\xc2\x9b");
    gw_term_say("one\ntwo\x07");
}

static void test_rows(void **state)
{
    (void)state;
    check(rows, NULL,
          "lag            3 s\n"
          "a label that is long x\n"
          "evil           a?[2Jb?c???\n"
          "one\ntwo?\n");
}

static void table(void *arg)
{
    static const struct gw_term_column columns[] = {
        { "name", "NAME", GW_TERM_TEXT },    { "n.n", "N", GW_TERM_NUMBER },
        { "size", "SIZE", GW_TERM_BYTES },   { "ok", "OK", GW_TERM_BOOL },
        { "took", "TOOK", GW_TERM_SECONDS }, { "id", "ID", GW_TERM_UUID },
        { "why", "WHY", GW_TERM_LIST },
    };
    gw_term_table(columns, sizeof columns / sizeof columns[0], arg);
}

static void test_table(void **state)
{
    (void)state;
    json_t *list = json_pack(
        "[{s:s, s:{s:i}, s:i, s:b, s:f, s:s, s:[s,s]}, {s:s, s:{s:i}, s:n, s:s}, {s:{s:f}}]",
        "name", "caf\xc3\xa9", "n", "n", 5, "size", 1 << 20, "ok", 1, "took", 90.0, "id",
        "01234567-89ab", "why", "LINK_DOWN", "LAGGING", "name", "\x1b", "n", "n", 12345, "size",
        "id", "x", "n", "n", 1.25);
    assert_non_null(list);
    check(table, list,
          "NAME      N     SIZE  OK         TOOK  ID        WHY\n"
          "caf\xc3\xa9      5  1.0 MiB  yes  1 min 30 s  01234567  LINK_DOWN, LAGGING\n"
          "?     12345        -  -             -  x         -\n"
          "-       1.2        -  -             -  -         -\n");
    json_decref(list);
    json_t *empty = json_array();
    check(table, empty, "");
    check(table, NULL, "");
    json_decref(empty);
}

static void long_table(void *arg)
{
    static const struct gw_term_column columns[] = { { "t", "T", GW_TERM_TEXT } };
    gw_term_table(columns, 1, arg);
}

/* The end of a sentence is its way out: it is never cut. */
static void test_long_cell(void **state)
{
    char text[2000], expected[2010];
    (void)state;
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    json_t *list = json_pack("[{s:s}]", "t", text);
    snprintf(expected, sizeof expected, "T\n%s\n", text);
    check(long_table, list, expected);
    json_decref(list);
}

static void test_durations(void **state)
{
    static const struct {
        double s;
        const char *text;
    } all[] = {
        { 0, "0 ms" },          { 0.35, "350 ms" },        { 1, "1 s" },
        { 59.4, "59 s" },       { 60, "1 min 0 s" },       { 3599, "59 min 59 s" },
        { 4800, "1 h 20 min" }, { 360000, "100 h 0 min" }, { -1, "0 ms" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        char text[GW_TERM_DURATION_TEXT];
        gw_term_duration_format(all[i].s, text);
        assert_string_equal(text, all[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_members),   cmocka_unit_test(test_rows),
        cmocka_unit_test(test_table),     cmocka_unit_test(test_long_cell),
        cmocka_unit_test(test_durations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
