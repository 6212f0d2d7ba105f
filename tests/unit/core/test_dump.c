// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * docs/lifecycle.md is what the tables say. With --page it is printed instead:
 *     build/test/tests/unit/core/test_dump --page > docs/lifecycle.md
 * With a file's name that file is compared; meson gives docs/lifecycle.md.
 */
#include "core/dump.h"
#include "core/lifecycle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *page_path;

static char *dumped(enum gw_dump_format format, size_t *ret_len)
{
    char *text = NULL;
    FILE *f = open_memstream(&text, ret_len);
    assert_non_null(f);
    gw_lifecycle_dump(f, format);
    assert_int_equal(fclose(f), 0);
    return text;
}

static char *read_page(size_t *ret_len)
{
    char *text = NULL;
    char block[4096];
    size_t n;
    FILE *in = fopen(page_path, "re");
    if (in == NULL)
        fail_msg("cannot open %s", page_path);
    FILE *out = open_memstream(&text, ret_len);
    assert_non_null(out);
    while ((n = fread(block, 1, sizeof block, in)) > 0)
        assert_int_equal(fwrite(block, 1, n, out), n);
    assert_int_equal(ferror(in), 0);
    fclose(in);
    assert_int_equal(fclose(out), 0);
    return text;
}

static void test_page(void **state)
{
    if (page_path == NULL)
        skip();
    size_t want_len, have_len;
    char *want = dumped(GW_DUMP_PAGE, &want_len), *have = read_page(&have_len);
    size_t at = 0;
    unsigned line = 1;
    while (at < want_len && at < have_len && want[at] == have[at])
        line += want[at++] == '\n';
    if (want_len != have_len || at != want_len)
        fail_msg("docs/lifecycle.md, line %u, is not what the tables say; write it anew: "
                 "build/test/tests/unit/core/test_dump --page > docs/lifecycle.md",
                 line);
    free(want);
    free(have);
}

static unsigned count(const char *text, const char *what)
{
    unsigned n = 0;
    for (const char *p = text; (p = strstr(p, what)) != NULL; p += strlen(what))
        n++;
    return n;
}

/* One line at least for every (state, event), beginning with its names. */
static void test_text(void **state)
{
    size_t len;
    char *text = dumped(GW_DUMP_TEXT, &len);
    for (size_t i = 0; i < GW_LIFE_TABLES; i++) {
        const struct gw_life_table *t = gw_life_tables[i];
        for (unsigned v = 0; v < t->n_values; v++) {
            for (unsigned e = 0; e < t->n_events; e++) {
                char line[128];
                snprintf(line, sizeof line, "%s: %s + %s", t->name, t->value_name[v],
                         t->event_name[e]);
                assert_true(count(text, line) > 0);
            }
        }
    }
    free(text);
}

/* Cells hold no bar of their own, a diagram no state that has no edge to or from it. */
static void test_shape(void **state)
{
    size_t len;
    char *page = dumped(GW_DUMP_PAGE, &len), *save = NULL;
    char *copy = strdup(page);
    unsigned bars = 0, tables = 0;
    for (char *line = strtok_r(copy, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        if (strncmp(line, "|---", 4) == 0) {
            bars = count(line, "|");
            tables++;
        } else if (line[0] == '|' && bars != 0 && strstr(line, "| from |") == NULL) {
            if (line[1] == ' ' && count(line, "|") != bars)
                fail_msg("%u bars instead of %u: %s", count(line, "|"), bars, line);
        }
        if (line[0] != '|')
            bars = 0;
    }
    assert_int_equal(tables, GW_LIFE_TABLES + 6);
    assert_int_equal(count(page, "stateDiagram-v2"), GW_LIFE_TABLES);
    free(copy);
    free(page);
    char *dot = dumped(GW_DUMP_DOT, &len);
    assert_int_equal(count(dot, "subgraph"), GW_LIFE_TABLES);
    assert_int_equal(count(dot, "{"), count(dot, "}"));
    free(dot);
    enum gw_dump_format f = GW_DUMP_MAX;
    assert_true(gw_dump_parse("dot", &f));
    assert_int_equal(f, GW_DUMP_DOT);
    assert_false(gw_dump_parse("png", &f));
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--page") == 0) {
        gw_lifecycle_dump(stdout, GW_DUMP_PAGE);
        return fflush(stdout) == 0 ? 0 : 1;
    }
    page_path = argc > 1 ? argv[1] : NULL;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_page),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_shape),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
