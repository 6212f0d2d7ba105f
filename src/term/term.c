// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "term/term.h"

#include "term/out.h"
#include "term/pages.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- interruptions ----------------------------------------------------------------------------
 */

/* What an interruption means right now. All are written before the handler can run. */
static volatile sig_atomic_t interrupt_exit;
static const char *volatile interrupt_text;
static const char *volatile interrupt_name = "godwit";

static bool put(const char *text)
{
    return write(STDERR_FILENO, text, strlen(text)) >= 0;
}

static void interrupted(int number)
{
    (void)number;
    /* Nothing can be done if a write fails. */
    (void)(put("\n") && put(interrupt_name) && put(": ") && put(interrupt_text) && put("\n"));
    _exit(interrupt_exit);
}

void gw_term_on_interrupt(int code, const char *sentence)
{
    interrupt_text = sentence;
    interrupt_exit = code;
    struct sigaction a = { .sa_handler = interrupted };
    sigaction(SIGINT, &a, NULL);
    sigaction(SIGTERM, &a, NULL);
}

/* ---- what commands are made from --------------------------------------------------------------
 */

int gw_term_usage(struct gw_term *t, const char *fmt, ...)
{
    t->err.code = -EINVAL;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(t->err.msg, sizeof t->err.msg, fmt, ap);
    va_end(ap);
    return GW_EXIT_USAGE;
}

int gw_term_no_memory(struct gw_term *t)
{
    return gw_error_set(&t->err, -ENOMEM, "out of memory");
}

int gw_term_confirm(struct gw_term *t, const char *kind, const char *name, const char *consequence)
{
    if (gw_term_flag(&t->args, "yes"))
        return 0;
    if (isatty(STDIN_FILENO) != 1)
        return gw_term_usage(
            t, "%s cannot be taken back, and there is no terminal to ask at; say --yes",
            t->args.command->name);
    gw_term_on_interrupt(GW_EXIT_CANCELLED, "interrupted; nothing was done");
    fprintf(stderr, "%s\nType the %s's name (%s) to go on: ", consequence, kind, name);
    fflush(stderr);
    char line[256];
    if (fgets(line, sizeof line, stdin) == NULL)
        line[0] = '\0';
    line[strcspn(line, "\n")] = '\0';
    if (strcmp(line, name) == 0 && name[0] != '\0')
        return 0;
    gw_error_set(&t->err, -ECANCELED, "not confirmed; nothing was done");
    return GW_EXIT_CANCELLED;
}

int gw_term_readable(struct gw_term *t, const char *what, const char *text, size_t bytes_max)
{
    json_t *utf8 = json_string(text);
    if (utf8 == NULL)
        return gw_term_usage(t, "%s: not valid UTF-8", what);
    json_decref(utf8);
    if (text[strspn(text, " ")] == '\0' || strlen(text) > bytes_max)
        return gw_term_usage(t, "%s: a text of 1 to %zu bytes", what, bytes_max);
    for (const char *p = text; *p != '\0'; p++) {
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            return gw_term_usage(t, "%s: no control characters", what);
    }
    return 0;
}

/* ---- the run ----------------------------------------------------------------------------------
 */

void gw_term_print_json(const json_t *o)
{
    json_dumpf(o, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    putchar('\n');
}

void gw_term_print_json_line(const json_t *o)
{
    json_dumpf(o, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
    putchar('\n');
}

/* The answer of a command as JSON: its result, or its error. */
static void print_result(const struct gw_term *t)
{
    json_t *o = NULL;
    if (t->err.code != 0) {
        o = t->args.program->error_json(t);
    } else if (t->result != NULL) {
        o = json_pack("{s:b}", "ok", 1);
        json_object_update(o, t->result);
    }
    if (o != NULL)
        gw_term_print_json(o);
    json_decref(o);
}

static int run(struct gw_term *t)
{
    const struct gw_term_command *command = t->args.command;
    t->json = (command->flags & GW_TERM_PLAIN) == 0 && gw_term_flag(&t->args, "json");
    int r = command->run(t);
    int code = r < 0 ? t->args.program->exit_of(t, r) : r;
    if (r < 0 && t->err.code == 0) /* our own omission: still say that it failed */
        gw_error_errno(&t->err, r, "%s", command->name);
    if (code == GW_EXIT_OK)
        t->err.code = 0;
    if (t->json)
        print_result(t);
    fflush(stdout); /* before the sentence that explains it, where both are the same terminal */
    if (t->err.code != 0) {
        gw_term_note("%s: %s", t->args.program->name, t->err.msg);
        if (t->args.program->explain != NULL)
            t->args.program->explain(t);
    }
    json_decref(t->result);
    t->result = NULL;
    return code;
}

int gw_term_main(const struct gw_term_program *program, int argc, char **argv, void *own)
{
    interrupt_name = program->name;
    signal(SIGPIPE, SIG_IGN); /* a closed pipe is an error of writing, not the end in mid-request */
    struct gw_term *t = calloc(1, sizeof *t);
    if (t == NULL)
        return GW_EXIT_FAILED;
    t->own = own;
    int code = GW_EXIT_OK;
    if (gw_term_args_parse(program, argc, argv, &t->args, &t->err) < 0) {
        gw_term_note("%s: %s", program->name, t->err.msg);
        code = GW_EXIT_USAGE;
    } else if (t->args.help) {
        gw_term_help(&t->args);
    } else if (t->args.version) {
        printf("%s %s\n", program->name, program->version);
    } else {
        code = run(t);
    }
    free(t);
    if ((fflush(stdout) != 0 || ferror(stdout)) && code == GW_EXIT_OK) {
        fprintf(stderr, "%s: cannot write to standard output\n", program->name);
        code = GW_EXIT_FAILED;
    }
    return code;
}
