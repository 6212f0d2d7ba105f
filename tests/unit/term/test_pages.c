// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Help, man page and completion have all that the table has. */
#include "program.h"
#include "term/pages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void help(void *arg)
{
    gw_term_help(arg);
}

static void man(void *arg)
{
    (void)arg;
    gw_term_man(&program);
}

static void completion(void *arg)
{
    (void)arg;
    gw_term_completion_bash(&program);
}

static void has(const char *text, const char *part)
{
    if (strstr(text, part) != NULL)
        return;
    print_error("in:\n");
    print_error("%s", text);
    fail_msg("there is no \"%s\"", part);
}

static void no_line_is_long(const char *text)
{
    while (*text != '\0') {
        size_t n = strcspn(text, "\n");
        assert_true(n < 80);
        text += n + (text[n] == '\n');
    }
}

static void test_help(void **state)
{
    struct gw_term_args a = { .program = &program };
    (void)state;
    char *text = printed(help, &a);
    has(text, "usage: test-tool COMMAND [OPTION]...\n");
    has(text, "\nThings:\n  look ");
    has(text, "\n\nOthers:\n  stop ");
    for (size_t i = 0; i < program.n_commands; i++)
        has(text, program.commands[i].summary);
    has(text, "  6  unknown\n");
    no_line_is_long(text);
    free(text);
    a.group = "thing";
    text = printed(help, &a);
    has(text, "  thing create NAME [SIZE]");
    has(text, "  thing remove NAME");
    assert_null(strstr(text, "look"));
    free(text);
    for (size_t i = 0; i < program.n_commands; i++) {
        a.command = &program.commands[i];
        text = printed(help, &a);
        has(text, a.command->summary[0] != '\0' ? a.command->name : "");
        no_line_is_long(text);
        free(text);
    }
    a.command = &program.commands[0];
    text = printed(help, &a);
    has(text, "usage: test-tool look (--socket PATH | --dir DIR) [OPTION]...\n");
    free(text);
    a.command = &program.commands[1];
    text = printed(help, &a);
    has(text, "usage: test-tool thing create NAME [SIZE] [OPTION]...\n\nIt is made.\n\nTwice.\n");
    has(text, "  -t, --tag TEXT");
    assert_null(strstr(text, "--socket"));
    free(text);
}

static void test_man(void **state)
{
    (void)state;
    char *text = printed(man, NULL);
    has(text, ".TH TEST-TOOL 1 \"\" \"godwit 1.2\"");
    has(text, ".SH NAME\ntest\\-tool \\- try the machinery\n");
    has(text, "Tries \\- it.\n.PP\n\\&'Really'.\n"); /* no request of roff by accident */
    has(text, ".SH THINGS\n.SS \"look\"\nWith \\fB\\-\\-socket\\fR or \\fB\\-\\-dir\\fR: look");
    has(text, ".SH OTHERS\n");
    has(text, ".SS \"thing create NAME [SIZE]\"\n");
    has(text, "\\fB\\-t\\fR, \\fB\\-\\-tag\\fR \\fITEXT\\fR\nwhat it is for\n");
    has(text, "where (required)\n");
    has(text, "\\&.It is 'gone'. Asks to type the name");
    has(text, ".SH EXIT STATUS\n.TP\n.B 0\ndone\n");
    has(text, ".SH SEE ALSO\n.BR true (1)\n");
    free(text);
}

static void complete(const char *script, const char *words, const char *says)
{
    char path[] = "/tmp/gw-completion-XXXXXX", command[1024], said[256] = "";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    FILE *f = fdopen(fd, "w");
    fprintf(f,
            "%s\nCOMP_WORDS=(%s); COMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n"
            "compopt() { :; }\n_test_tool; echo -n \"${COMPREPLY[*]}\"\n",
            script, words);
    fclose(f);
    snprintf(command, sizeof command, "bash %s 2>&1", path);
    FILE *p = popen(command, "r");
    assert_non_null(p);
    size_t n = fread(said, 1, sizeof said - 1, p);
    said[n] = '\0';
    pclose(p);
    remove(path);
    if (strcmp(said, says) != 0)
        fail_msg("test-tool %s completes to \"%s\", not \"%s\"", words, said, says);
}

static void test_completion(void **state)
{
    (void)state;
    char *text = printed(completion, NULL);
    complete(text, "test-tool ''", "look thing stop free man completion");
    complete(text, "test-tool lo", "look");
    complete(text, "test-tool thing ''", "create remove");
    complete(text, "test-tool -s sock thing c", "create");
    complete(text, "test-tool thing create --", "--tag --at --json --help");
    complete(text, "test-tool thing remove ''", "apple pear");
    complete(text, "test-tool thing remove p", "pear");
    complete(text, "test-tool thing create --tag ''", "");
    complete(text, "test-tool completion ''", "bash");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_help),
        cmocka_unit_test(test_man),
        cmocka_unit_test(test_completion),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
