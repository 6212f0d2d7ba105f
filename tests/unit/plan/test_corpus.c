// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The corpus of plan files: tests/plans/good is taken, tests/plans/bad is refused with exactly the
 * sentences of NAME.expect, all of them, in the order of the document.
 */
#include "plans.h"

#include <dirent.h>
#include <errno.h>

#define BAD_FILES_MIN 200

static bool ends_with(const char *name, const char *end)
{
    size_t n = strlen(name), m = strlen(end);
    return n >= m && strcmp(name + n - m, end) == 0;
}

/* Calls fn for each plan in a directory of the corpus; returns how many there were. */
static unsigned each(const char *dir, void (*fn)(const char *path, const char *bytes, size_t len))
{
    char whole[512];
    struct dirent **names = NULL;
    unsigned n = 0;
    source_path(whole, dir);
    int found = scandir(whole, &names, NULL, alphasort);
    assert_in_range(found, 1, 100000);
    for (int i = 0; i < found; i++) {
        if (ends_with(names[i]->d_name, ".yaml") || ends_with(names[i]->d_name, ".json")) {
            char path[512];
            size_t len = 0;
            snprintf(path, sizeof path, "%s/%.200s", dir, names[i]->d_name);
            char *bytes = read_source(path, &len);
            fn(path, bytes, len);
            free(bytes);
            n++;
        }
        free(names[i]);
    }
    free(names);
    return n;
}

/* All sentences of a document, a line each; "" if it was taken. Freed by the caller. */
static char *sentences(const char *path, const char *bytes, size_t len)
{
    struct gw_plan_errors errors = { 0 };
    struct gw_planfile *plan = NULL;
    struct gw_error err = { 0 };
    char *text = NULL, line[GW_PLAN_ERROR_TEXT];
    size_t text_len = 0;
    int r = gw_planfile_parse("NAME", bytes, len, gw_doc_format_of(path), &errors, &plan, &err);
    assert_int_equal(err.code, r);
    assert_int_equal(r<0, errors.n> 0);
    assert_int_equal(r < 0, plan == NULL);
    FILE *out = open_memstream(&text, &text_len);
    assert_non_null(out);
    for (size_t i = 0; i < errors.n; i++) {
        gw_plan_error_format("NAME", &errors.item[i], line);
        if (i == 0)
            assert_memory_equal(err.msg, line,
                                GW_PLAN_QUOTE_TEXT < strlen(line) ? 60 : strlen(line));
        fprintf(out, "%s\n", line + sizeof "NAME:" - 1);
    }
    fclose(out);
    gw_plan_errors_done(&errors);
    gw_planfile_free(plan);
    return text;
}

static unsigned wrong;

static void check_bad(const char *path, const char *bytes, size_t len)
{
    char expected_path[600];
    size_t expected_len = 0;
    snprintf(expected_path, sizeof expected_path, "%s.expect", path);
    char *expected = read_source(expected_path, &expected_len);
    char *got = sentences(path, bytes, len);
    if (expected_len == 0 || strlen(got) != expected_len ||
        memcmp(got, expected, expected_len) != 0) {
        print_error("%s\n  expected:\n%.*s  got:\n%s", path, (int)expected_len, expected, got);
        wrong++;
    }
    free(got);
    free(expected);
}

static void test_bad(void **state)
{
    (void)state;
    unsigned n = each("tests/plans/bad", check_bad);
    assert_in_range(n, BAD_FILES_MIN, 100000);
    assert_int_equal(wrong, 0);
}

/* Parses, written canonically, parses to the same in both notations. */
static void check_good(const char *path, const char *bytes, size_t len)
{
    struct gw_planfile *plan = NULL;
    struct gw_error err = { 0 };
    char *text = NULL, hash[GW_PLANFILE_HASH_TEXT];
    if (gw_planfile_parse(path, bytes, len, gw_doc_format_of(path), NULL, &plan, &err) < 0)
        fail_msg("%s", err.msg);
    assert_int_equal(gw_planfile_canonical(plan, &text, &err), 0);
    assert_int_equal(gw_planfile_hash(text, hash, &err), 0);
    assert_int_equal(strspn(hash, "0123456789abcdef"), 64);
    for (int format = GW_DOC_YAML; format <= GW_DOC_JSON; format++) {
        struct gw_planfile *again = NULL;
        char *twice = NULL;
        int r = gw_planfile_parse("canonical", text, strlen(text), (enum gw_doc_format)format, NULL,
                                  &again, &err);
        if (r < 0)
            fail_msg("%s: %s", path, err.msg);
        assert_int_equal(gw_planfile_canonical(again, &twice, &err), 0);
        assert_string_equal(twice, text);
        free(twice);
        gw_planfile_free(again);
    }
    free(text);
    gw_planfile_free(plan);
}

static void test_good(void **state)
{
    (void)state;
    assert_in_range(each("tests/plans/good", check_good), 4, 100000);
}

/* Whatever comes, a decision and no damage: every good plan cut everywhere, and bent. */
static void check_cut(const char *path, const char *bytes, size_t len)
{
    for (size_t cut = 0; cut<len; cut += len> 2000 ? 7 : 1) {
        char *copy = malloc(cut + (cut == 0));
        assert_non_null(copy);
        memcpy(copy, bytes, cut);
        free(sentences(path, copy, cut));
        if (cut > 0) {
            copy[cut - 1] ^= 0x20;
            free(sentences(path, copy, cut));
        }
        free(copy);
    }
}

static void test_cut(void **state)
{
    (void)state;
    each("tests/plans/good", check_cut);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
