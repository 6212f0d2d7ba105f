// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * One run of a command-line program: parse, help or run, print the result, say the error, give the
 * exit code. A command is a function over struct gw_term:
 *
 *     int cmd_thing(struct gw_term *t)
 *     {
 *         int r = ask(gw_term_arg(&t->args, "name"), &t->result, &t->err);
 *         if (r == 0 && !t->json)
 *             gw_term_say("The thing is %s.", gw_term_text(t->result, "state"));
 *         return r;
 *     }
 *
 * It fills t->result (an object; with --json it is printed, "ok" added) and, without --json,
 * prints something for people. It returns an exit code, or a negative errno value with t->err,
 * which becomes the exit code by the program's exit_of. A non-zero exit code may come with a
 * sentence in t->err, too; the sentence goes to standard error.
 *
 * Threads: one. Signals: SIGPIPE is ignored; SIGINT and SIGTERM do what gw_term_on_interrupt said
 * last, or end the program as they always do.
 */
#pragma once

#include "base/error.h"
#include "term/args.h"

struct gw_term {
    struct gw_term_args args;
    bool json;  /* --json was given, and the command has it */
    bool asked; /* a request was handed to a process: some errors leave the outcome open */
    struct gw_error err;
    json_t *result; /* owned; gw_term_main gives it back */
    void *own;      /* the program's; it owns it */
};

/* All of main(). The exit code, once standard output is known to be written. */
int gw_term_main(const struct gw_term_program *program, int argc, char **argv, void *own);

/* t->err, and GW_EXIT_USAGE to return. */
int gw_term_usage(struct gw_term *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int gw_term_no_memory(struct gw_term *t); /* -ENOMEM, with its sentence */

/*
 * What an interruption means from now on: it ends the program with this code and sentence, both
 * said by the signal handler. The sentence must stay where it is.
 */
void gw_term_on_interrupt(int code, const char *sentence);

/*
 * Before something that cannot be taken back: 0 with --yes, or when the name of the `kind` ("plan")
 * was typed. GW_EXIT_CANCELLED if another was, GW_EXIT_USAGE where there is no terminal to ask at.
 */
int gw_term_confirm(struct gw_term *t, const char *kind, const char *name, const char *consequence);

/* A text that others will read (`what` names the argument): not blank, valid UTF-8, no control
 * characters, at most so many bytes. 0 or GW_EXIT_USAGE. */
int gw_term_readable(struct gw_term *t, const char *what, const char *text, size_t bytes_max);

/* Pretty JSON on standard output, and on one line. */
void gw_term_print_json(const json_t *o);
void gw_term_print_json_line(const json_t *o);
