// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Documents: places, limits, both notations. Sentences about bad ones: test_corpus.c. */
#include "plans.h"

#include <errno.h>

static struct gw_doc *doc_of(const char *text, enum gw_doc_format format)
{
    struct gw_doc *doc = NULL;
    struct gw_error err = { 0 };
    char *copy = malloc(strlen(text) + 1);
    assert_non_null(copy);
    memcpy(copy, text, strlen(text));
    if (gw_doc_parse(copy, strlen(text), format, NULL, &doc, &err) < 0)
        fail_msg("%s", err.msg);
    free(copy); /* the document keeps nothing of it */
    return doc;
}

static void assert_place(const struct gw_doc *doc, const char *path, const char *text,
                         unsigned line, unsigned column)
{
    const struct gw_node *node = gw_node_walk(gw_doc_root(doc), path);
    assert_int_equal(node->kind, GW_NODE_SCALAR);
    assert_string_equal(node->text, text);
    assert_int_equal(node->len, strlen(text));
    assert_int_equal(node->line, line);
    assert_int_equal(node->column, column);
}

static void test_yaml_places(void **state)
{
    (void)state;
    struct gw_doc *doc =
        doc_of("a: 1\nlist:\n  - {x: 'q', y: ~}\n  - \"é\" # no\n  - |\n    two\n    "
               "lines\nend: >-\n  folded\n  text\n",
               GW_DOC_YAML);
    assert_place(doc, "a", "1", 1, 4);
    assert_place(doc, "list[0].x", "q", 3, 9);
    assert_place(doc, "list[1]", "é", 4, 5);
    assert_place(doc, "list[2]", "two\nlines\n", 5, 5);
    assert_place(doc, "end", "folded text", 8, 6);
    const struct gw_node *map = gw_node_walk(gw_doc_root(doc), "list[0]");
    assert_int_equal(gw_node_get(map, "x")->scalar, GW_SCALAR_QUOTED);
    assert_int_equal(gw_node_get(map, "y")->scalar, GW_SCALAR_NOTHING);
    assert_int_equal(gw_node_get(map, "y")->key_column, 14);
    assert_int_equal(gw_node_get(gw_doc_root(doc), "a")->scalar, GW_SCALAR_PLAIN);
    assert_null(gw_node_get(map, "z"));
    assert_null(gw_node_at(gw_node_get(gw_doc_root(doc), "list"), 3));
    /* A path that leads nowhere leads to the deepest thing on the way. */
    assert_ptr_equal(gw_node_walk(gw_doc_root(doc), "list[0].z.w"), map);
    assert_ptr_equal(gw_node_walk(gw_doc_root(doc), "list[9"),
                     gw_node_get(gw_doc_root(doc), "list"));
    gw_doc_free(doc);
}

static void test_json_places(void **state)
{
    (void)state;
    struct gw_doc *doc =
        doc_of("{\"a\":1e3,\n \"é\": [true, \"\\u00e9\\ud83d\\ude00\\n\\/\", null,\t{}]}\r\n",
               GW_DOC_JSON);
    assert_place(doc, "a", "1e3", 1, 6);
    assert_place(doc, "é[0]", "true", 2, 8);
    assert_place(doc, "é[1]", "é😀\n/", 2, 14);
    const struct gw_node *list = gw_node_get(gw_doc_root(doc), "é");
    assert_int_equal(list->n, 4);
    assert_int_equal(gw_node_at(list, 2)->scalar, GW_SCALAR_NOTHING);
    assert_int_equal(gw_node_at(list, 3)->kind, GW_NODE_MAP);
    gw_doc_free(doc);
}

static void test_json_numbers(void **state)
{
    (void)state;
    static const char *const good[] = { "0", "-0", "10", "1.5", "-1.25e+10", "0e0", "1E-2", NULL };
    static const char *const bad[] = { "01",  "+1",  ".5",       "1.",  "1e",  "1e+",  "-",
                                       "0x1", "1_0", "Infinity", "tru", "nul", "TRUE", NULL };
    struct gw_doc *doc = NULL;
    for (size_t i = 0; good[i] != NULL; i++)
        gw_doc_free(doc_of(good[i], GW_DOC_JSON));
    for (size_t i = 0; bad[i] != NULL; i++) {
        if (gw_doc_parse(bad[i], strlen(bad[i]), GW_DOC_JSON, NULL, &doc, NULL) != -EINVAL)
            fail_msg("%s was taken", bad[i]);
    }
}

/* Nested `depth` deep, in brackets. */
static int nested(unsigned depth, enum gw_doc_format format)
{
    char text[256];
    struct gw_doc *doc = NULL;
    memset(text, '[', depth);
    memset(text + depth, ']', depth);
    int r = gw_doc_parse(text, (size_t)depth * 2, format, NULL, &doc, NULL);
    gw_doc_free(doc);
    return r;
}

/* A list of n numbers. */
static int long_list(unsigned n, enum gw_doc_format format)
{
    char *text = malloc((size_t)n * 2 + 2);
    struct gw_doc *doc = NULL;
    assert_non_null(text);
    text[0] = '[';
    for (unsigned i = 0; i < n; i++)
        memcpy(text + 1 + 2 * i, "1,", 2);
    text[2 * n] = ']';
    int r = gw_doc_parse(text, (size_t)2 * n + 1, format, NULL, &doc, NULL);
    gw_doc_free(doc);
    free(text);
    return r;
}

static void test_limits(void **state)
{
    (void)state;
    for (int format = GW_DOC_YAML; format <= GW_DOC_JSON; format++) {
        enum gw_doc_format f = (enum gw_doc_format)format;
        assert_int_equal(nested(GW_DOC_DEPTH_MAX, f), 0);
        assert_int_equal(nested(GW_DOC_DEPTH_MAX + 1, f), -EINVAL);
        assert_int_equal(nested(120, f), -EINVAL);
        assert_int_equal(long_list(GW_DOC_NODES_MAX - 1, f), 0);
        assert_int_equal(long_list(GW_DOC_NODES_MAX, f), -EINVAL);
        struct gw_doc *doc = NULL;
        char *large = malloc(GW_DOC_BYTES_MAX + 1);
        assert_non_null(large);
        memset(large, ' ', GW_DOC_BYTES_MAX + 1);
        large[0] = '"';
        large[GW_DOC_BYTES_MAX - 1] = '"';
        assert_int_equal(gw_doc_parse(large, GW_DOC_BYTES_MAX, f, NULL, &doc, NULL), 0);
        gw_doc_free(doc);
        doc = NULL;
        assert_int_equal(gw_doc_parse(large, GW_DOC_BYTES_MAX + 1, f, NULL, &doc, NULL), -EMSGSIZE);
        assert_null(doc);
        free(large);
    }
}

static void test_format_of(void **state)
{
    (void)state;
    assert_int_equal(gw_doc_format_of("a.json"), GW_DOC_JSON);
    assert_int_equal(gw_doc_format_of("a.yaml"), GW_DOC_YAML);
    assert_int_equal(gw_doc_format_of("json"), GW_DOC_YAML);
    assert_int_equal(gw_doc_format_of(""), GW_DOC_YAML);
}

/* Texts of a document cannot write over a terminal, and are cut between characters. */
static void test_quote(void **state)
{
    (void)state;
    char ret[GW_PLAN_QUOTE_TEXT], text[101] = "";
    assert_string_equal(gw_plan_quote("a\x1b[2J\n", 6, ret), "a?[2J?");
    for (unsigned i = 0; i < 50; i++)
        memcpy(text + 2 * i + (i > 0), i == 0 ? "xé" : "é", i == 0 ? 3 : 2);
    gw_plan_quote(text, 59 + 2, ret);
    assert_int_equal(strlen(ret), 59 + 3);
    assert_string_equal(ret + 57, "é...");
}

static void test_error_list(void **state)
{
    (void)state;
    struct gw_plan_errors errors = { 0 };
    for (unsigned i = 0; i < GW_PLAN_ERRORS_MAX + 7; i++)
        gw_plan_errors_add(&errors, 1000 - i / 2, 1, "p", "number %u", i);
    assert_int_equal(errors.n, GW_PLAN_ERRORS_MAX);
    assert_int_equal(errors.dropped, 7);
    assert_int_equal(gw_plan_errors_count(&errors), GW_PLAN_ERRORS_MAX + 7);
    gw_plan_errors_sort(&errors);
    char text[GW_PLAN_ERROR_TEXT];
    gw_plan_error_format("f.yaml", &errors.item[0], text);
    assert_string_equal(text,
                        "f.yaml:951: p: number 98"); /* the last line, in the order they came */
    gw_plan_error_format("f.yaml", &errors.item[1], text);
    assert_string_equal(text, "f.yaml:951: p: number 99");
    gw_plan_errors_done(&errors);
    gw_plan_errors_add(&errors, 0, 0, "", "alone");
    gw_plan_error_format("f.yaml", &errors.item[0], text);
    assert_string_equal(text, "f.yaml: alone");
    gw_plan_errors_done(&errors);
    gw_plan_errors_add(NULL, 0, 0, "", "nowhere");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_yaml_places),  cmocka_unit_test(test_json_places),
        cmocka_unit_test(test_json_numbers), cmocka_unit_test(test_limits),
        cmocka_unit_test(test_format_of),    cmocka_unit_test(test_quote),
        cmocka_unit_test(test_error_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
