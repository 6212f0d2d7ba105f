// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "program.h"

#include "base/checked.h"
#include "term/pages.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static const struct gw_term_common_option common[] = {
    { { "socket", 's', "PATH", "the process" },
      ON_SOCKET,
      "works on a directory, not on a socket" },
    { { "dir", 'd', "DIR", "the directory" }, ON_DIR, "works on a socket, not on a directory" },
    { { "yes", 'y', NULL, "do not ask" }, GW_TERM_DESTRUCTIVE, NULL },
    { { "json", 'j', NULL, "as JSON" }, 0, NULL },
    { { "help", 'h', NULL, "explain" }, 0, NULL },
};

/* Prints what it was given; fails the way its first operand says. */
static int run(struct gw_term *t)
{
    const char *what = t->args.n_operands > 0 ? t->args.operand[0] : "";
    t->result = json_pack("{s:s}", "ran", t->args.command->name);
    if (what[0] == '!')
        return gw_error_set(&t->err, -EBUSY, "it is busy\x1b[31m");
    if (what[0] == '?')
        return gw_term_usage(t, "%s is not a thing", what);
    if (what[0] == '=')
        return gw_term_confirm(t, "thing", what, "It is gone then.");
    if (!t->json)
        printf("%s ran\n", t->args.command->name);
    return GW_EXIT_OK;
}

static const struct gw_term_command commands[] = {
    { "look", NULL, ON_SOCKET | ON_DIR, "look at it", "It is looked at.", NULL, run, "Things" },
    { "thing create", "NAME [SIZE]", 0, "make one", "It is made.\n\nTwice.",
      GW_TERM_OPTIONS({ "tag", 't', "TEXT", "what it is for" },
                      { "at", 0, "PATH", "where", .required = true, .repeat = true }),
      run, NULL },
    { "thing remove", "NAME", ON_DIR | GW_TERM_DESTRUCTIVE, "remove one", ".It is 'gone'.", NULL,
      run, NULL },
    { "stop", NULL, ON_SOCKET, "end it", "It ends.", NULL, run, "Others" },
    { "free", "[WHAT]", GW_TERM_DESTRUCTIVE, "needs nothing", "Really.", NULL, run, NULL },
    { "man", NULL, GW_TERM_PLAIN, "print the man page", "As man(7).", NULL, gw_term_cmd_man, NULL },
    { "completion", "SHELL", GW_TERM_PLAIN, "print the completion", "SHELL is bash.", NULL,
      gw_term_cmd_completion, NULL },
};

static int exit_of(const struct gw_term *t, int code)
{
    (void)t;
    return code == -EBUSY ? GW_EXIT_REFUSED : GW_EXIT_FAILED;
}

static json_t *error_json(const struct gw_term *t)
{
    return json_pack("{s:b, s:s}", "ok", 0, "error", t->err.msg);
}

static const struct gw_term_operand operands[] = {
    { "NAME", "echo apple pear" },
    { NULL, NULL },
};

static const struct gw_term_section sections[] = {
    { "SEE ALSO", ".BR true (1)" },
    { NULL, NULL },
};

const struct gw_term_program program = {
    .name = "test-tool",
    .version = "1.2",
    .summary = "try the machinery",
    .usage = "COMMAND [OPTION]...",
    .synopsis = "[\\fIOPTION\\fR]...",
    .about = "Tries the machinery.",
    .text = "Tries - it.\n\n'Really'.",
    .exits = { "done", "failed", "wrong line", "refused", "waiting", "cancelled", "unknown" },
    .commands = commands,
    .n_commands = GW_ARRAY_SIZE(commands),
    .common = common,
    .n_common = GW_ARRAY_SIZE(common),
    .operands = operands,
    .sections = sections,
    .exit_of = exit_of,
    .error_json = error_json,
};

char *printed(void (*fn)(void *arg), void *arg)
{
    FILE *file = tmpfile();
    assert_non_null(file);
    fflush(stdout);
    int saved = dup(STDOUT_FILENO);
    assert_true(saved >= 0 && dup2(fileno(file), STDOUT_FILENO) >= 0);
    fn(arg);
    fflush(stdout);
    assert_true(dup2(saved, STDOUT_FILENO) >= 0);
    close(saved);
    long size = lseek(fileno(file), 0, SEEK_END);
    assert_true(size >= 0);
    char *text = calloc(1, (size_t)size + 1);
    assert_non_null(text);
    assert_int_equal(pread(fileno(file), text, (size_t)size, 0), size);
    fclose(file);
    return text;
}
