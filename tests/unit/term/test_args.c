// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Command lines, right and wrong, over a table; and what a whole run of a program makes of them. */
#include "base/checked.h"
#include "program.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define WORDS_MAX 200

struct line {
    char text[4096];
    char *argv[WORDS_MAX + 2];
    int argc;
};

/* "look --dir=x" as argv; words are parted by blanks, "_" stands for an empty one. */
static void split(struct line *l, const char *text)
{
    l->argc = 0;
    l->argv[l->argc++] = (char *)(uintptr_t) "test-tool";
    snprintf(l->text, sizeof l->text, "%s", text);
    for (char *save, *w = strtok_r(l->text, " ", &save); w != NULL;
         w = strtok_r(NULL, " ", &save)) {
        assert_true(l->argc < WORDS_MAX);
        if (strcmp(w, "_") == 0)
            *w = '\0';
        l->argv[l->argc++] = w;
    }
    l->argv[l->argc] = NULL;
}

static int parse(const char *text, struct line *l, struct gw_term_args *a, struct gw_error *err)
{
    *err = (struct gw_error){ 0 };
    split(l, text);
    int r = gw_term_args_parse(&program, l->argc, l->argv, a, err);
    assert_int_equal(r, err->code);
    return r;
}

static void test_right_ones(void **state)
{
    static const struct {
        const char *line, *command, *operand, *tag, *dir;
    } rows[] = {
        { "look --dir here", "look", NULL, NULL, "here" },
        { "-d here look", "look", NULL, NULL, "here" },
        { "--dir=here look -j", "look", NULL, NULL, "here" },
        { "look --dir here --", "look", NULL, NULL, "here" },
        { "thing create --at / apple", "thing create", "apple", NULL, NULL },
        { "thing --json create apple --at / -t tag", "thing create", "apple", "tag", NULL },
        { "thing create --at=/ -- -apple", "thing create", "-apple", NULL, NULL },
        { "thing create --tag=_= --at / -", "thing create", "-", "_=", NULL },
        { "thing create --at / --at /x a 1", "thing create", "a", NULL, NULL },
        { "free", "free", NULL, NULL, NULL },
    };
    (void)state;
    for (size_t i = 0; i < GW_ARRAY_SIZE(rows); i++) {
        struct line l;
        struct gw_term_args a;
        struct gw_error err;
        assert_int_equal(parse(rows[i].line, &l, &a, &err), 0);
        assert_string_equal(a.command->name, rows[i].command);
        if (rows[i].operand != NULL)
            assert_string_equal(a.operand[0], rows[i].operand);
        if (rows[i].tag != NULL)
            assert_string_equal(gw_term_arg(&a, "tag"), rows[i].tag);
        if (rows[i].dir != NULL)
            assert_string_equal(gw_term_arg(&a, "dir"), rows[i].dir);
    }
}

static void test_repeated(void **state)
{
    struct line l;
    struct gw_term_args a;
    struct gw_error err;
    (void)state;
    assert_int_equal(parse("thing create --at 1 x --at=2", &l, &a, &err), 0);
    assert_string_equal(gw_term_arg_nth(&a, "at", 0), "1");
    assert_string_equal(gw_term_arg_nth(&a, "at", 1), "2");
    assert_null(gw_term_arg_nth(&a, "at", 2));
    assert_null(gw_term_arg(&a, "tag"));
    assert_false(gw_term_flag(&a, "json"));
}

static void test_help_and_version(void **state)
{
    struct line l;
    struct gw_term_args a;
    struct gw_error err;
    (void)state;
    assert_int_equal(parse("--help", &l, &a, &err), 0);
    assert_true(a.help && a.command == NULL && a.group == NULL);
    assert_int_equal(parse("thing --help", &l, &a, &err), 0);
    assert_true(a.help && a.command == NULL);
    assert_string_equal(a.group, "thing");
    for (size_t i = 0; i < 3; i++) {
        static const char *const lines[] = { "thing create -h", "help thing create",
                                             "-h thing create" };
        assert_int_equal(parse(lines[i], &l, &a, &err), 0);
        assert_true(a.help);
        assert_string_equal(a.command->name, "thing create");
    }
    assert_int_equal(parse("--version", &l, &a, &err), 0);
    assert_true(a.version);
    assert_int_equal(parse("-V", &l, &a, &err), 0);
    assert_true(a.version);
    /* Behind "--" it is an operand. */
    assert_int_equal(parse("free -- --help", &l, &a, &err), 0);
    assert_false(a.help);
    assert_string_equal(a.operand[0], "--help");
}

static void test_wrong_ones(void **state)
{
    static const struct {
        const char *line, *says;
    } rows[] = {
        { "", "name a command; see test-tool --help" },
        { "_", "unknown command ''" },
        { "lok", "unknown command 'lok'; did you mean 'look'?" },
        { "xyzzy", "unknown command 'xyzzy'; see test-tool --help" },
        { "thing", "thing what? See test-tool thing --help" },
        { "thing creat", "unknown command of thing 'creat'; did you mean 'create'?" },
        { "help thing creat", "did you mean 'create'?" },
        { "thing xyzzy", "see test-tool thing --help" },
        { "look", "look needs --socket PATH or --dir DIR" },
        { "stop", "stop needs --socket PATH" },
        { "look -s a -d b", "--socket or --dir, not both" },
        { "stop --dir a", "stop works on a socket" },
        { "thing remove a --socket a", "thing remove works on a directory" },
        { "free --dir a", "free has no option --dir; see test-tool free --help" },
        { "look --dir a --yes", "look has no option --yes" },
        { "look --dir a --jsno", "unknown option '--jsno'; did you mean '--json'?" },
        { "look --dir a --xyzzy", "unknown option '--xyzzy'; see test-tool look --help" },
        { "look --dir a -q", "unknown option '-q'" },
        { "look --dir a -jj", "write short options one by one" },
        { "look --dir a --json=yes", "--json takes no value" },
        { "look --dir", "--dir needs a value: --dir DIR" },
        { "look --dir a --dir b", "--dir is given twice" },
        { "look --dir a more", "look: unexpected 'more'" },
        { "thing create --at /", "thing create needs NAME [SIZE]" },
        { "thing create a", "thing create needs --at PATH (where)" },
        { "thing create a b c --at /", "unexpected 'c'" },
        { "thing create a b c d --at /", "unexpected 'd'" },
        { "man --json", "man has no option --json" },
    };
    (void)state;
    for (size_t i = 0; i < GW_ARRAY_SIZE(rows); i++) {
        struct line l;
        struct gw_term_args a;
        struct gw_error err;
        int r = parse(rows[i].line, &l, &a, &err);
        if (r != -EINVAL || strstr(err.msg, rows[i].says) == NULL)
            fail_msg("'%s': %d, \"%s\"; expected \"%s\"", rows[i].line, r, err.msg, rows[i].says);
    }
}

static void test_too_many_options(void **state)
{
    struct gw_term_args a;
    struct gw_error err = { 0 };
    static char *argv[2 * GW_TERM_GIVEN_MAX + 8];
    int argc = 0;
    (void)state;
    argv[argc++] = (char *)(uintptr_t) "test-tool";
    argv[argc++] = (char *)(uintptr_t) "thing";
    argv[argc++] = (char *)(uintptr_t) "create";
    argv[argc++] = (char *)(uintptr_t) "x";
    for (int i = 0; i < GW_TERM_GIVEN_MAX; i++)
        argv[argc++] = (char *)(uintptr_t) "--at=/";
    assert_int_equal(gw_term_args_parse(&program, argc, argv, &a, &err), 0);
    argv[argc++] = (char *)(uintptr_t) "--at=/";
    assert_int_equal(gw_term_args_parse(&program, argc, argv, &a, &err), -EINVAL);
    assert_non_null(strstr(err.msg, "too many options"));
}

/* ---- whole runs -------------------------------------------------------------------------------
 */

struct run {
    struct line l;
    int code;
};

static void do_run(void *arg)
{
    struct run *r = arg;
    r->code = gw_term_main(&program, r->l.argc, r->l.argv, NULL);
}

static void check_run(const char *line, int code, const char *says)
{
    struct run r;
    split(&r.l, line);
    char *said = printed(do_run, &r);
    if (r.code != code || strcmp(said, says) != 0)
        fail_msg("'%s': exit code %d, \"%s\"; expected %d, \"%s\"", line, r.code, said, code, says);
    free(said);
}

static void test_exit_codes(void **state)
{
    (void)state;
    check_run("free", GW_EXIT_OK, "free ran\n");
    check_run("free --json", GW_EXIT_OK, "{\n  \"ok\": true,\n  \"ran\": \"free\"\n}\n");
    check_run("free !", GW_EXIT_REFUSED, "");
    check_run("free ! --json", GW_EXIT_REFUSED,
              "{\n  \"ok\": false,\n  \"error\": \"it is busy\\u001B[31m\"\n}\n");
    check_run("free ?", GW_EXIT_USAGE, "");
    check_run("fre", GW_EXIT_USAGE, "");
    check_run("--version", GW_EXIT_OK, "test-tool 1.2\n");
}

static void test_confirm_without_a_terminal(void **state)
{
    (void)state;
    int saved = dup(STDIN_FILENO);
    assert_true(saved >= 0);
    assert_non_null(freopen("/dev/null", "r", stdin));
    check_run("free =x", GW_EXIT_USAGE, "");
    check_run("free =x --yes", GW_EXIT_OK, "");
    assert_true(dup2(saved, STDIN_FILENO) >= 0);
    close(saved);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_right_ones),
        cmocka_unit_test(test_repeated),
        cmocka_unit_test(test_help_and_version),
        cmocka_unit_test(test_wrong_ones),
        cmocka_unit_test(test_too_many_options),
        cmocka_unit_test(test_exit_codes),
        cmocka_unit_test(test_confirm_without_a_terminal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
