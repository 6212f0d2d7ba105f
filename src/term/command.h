// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The table of commands of a program. The parser (term/args.h), --help, the man page, the shell
 * completion and the near-miss suggestions (term/pages.h) all read it; nothing else knows what
 * commands and options there are.
 *
 *     static const struct gw_term_command commands[] = {
 *         { "point create", "[ID]", MY_FLAGS, "make a recovery point", "Here and now. ...",
 *           options, cmd_point_create }, ...
 *     };
 *     static const struct gw_term_program program = { .name = "godwit-ctl", ... };
 *     int main(int argc, char **argv) { return gw_term_main(&program, argc, argv, NULL); }
 *
 * A command's name may have two words ("point create"): the first is a group. All commands of a
 * group stand together in the table. Besides its own options a command has those common ones of
 * the program that its flags ask for.
 *
 * All of it is constant data that outlives the run. No threads of its own.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct gw_term; /* term/term.h */

/* Exit codes of all programs; a program says them for people in `exits`. */
enum gw_exit {
    GW_EXIT_OK = 0,
    GW_EXIT_FAILED = 1,
    GW_EXIT_USAGE = 2,
    GW_EXIT_REFUSED = 3,   /* by a guard, which the message names */
    GW_EXIT_WAITING = 4,   /* for approval */
    GW_EXIT_CANCELLED = 5, /* or reverted: everything is as it was */
    GW_EXIT_UNKNOWN = 6,   /* the outcome is not known */
    GW_EXIT_MAX,
};

/* Flags of a command. A program's own begin at GW_TERM_FLAG_OWN. */
enum gw_term_flags {
    GW_TERM_DESTRUCTIVE = 1, /* asks to type a name (gw_term_confirm) unless --yes */
    GW_TERM_PLAIN = 2,       /* prints text for other programs: no --json */
    GW_TERM_FLAG_OWN = 16,
};

struct gw_term_option {
    const char *name; /* without the dashes */
    char letter;      /* 0: none */
    /* Word for its value; NULL: it has none. PATH, DIR and FILE are completed as paths. */
    const char *arg;
    const char *help;
    bool required, repeat;
};

struct gw_term_command {
    const char *name;
    const char *operands; /* "DIR", "ID DIR", "[ID]"; NULL: none */
    unsigned flags;
    const char *summary;                  /* one line, no full stop */
    const char *text;                     /* sentences; blank line = new paragraph */
    const struct gw_term_option *options; /* its own, ends with a NULL name; may be NULL */
    /* An exit code, or a negative errno value with t->err filled (see term/term.h). */
    int (*run)(struct gw_term *t);
    const char *heading; /* begins a section of the help and the man page; NULL: goes on in it */
};

/* Options that commands share. */
struct gw_term_common_option {
    struct gw_term_option option;
    unsigned flags; /* commands with any of these have it; 0: every command */
    /*
     * It names what the command works on: a command that has targets is given exactly one of them.
     * The text is said, behind the command's name, when a target is given to a command that has
     * only another. NULL: an ordinary option.
     */
    const char *target;
};

/* A section at the end of the man page; `roff` is printed as it is. */
struct gw_term_section {
    const char *title, *roff;
};

/* How bash completes an operand: a word of `operands` and a command that prints the words. */
struct gw_term_operand {
    const char *word;    /* "PLAN" */
    const char *command; /* "godwit plan list --names"; NULL: a path */
};

struct gw_term_program {
    const char *name;     /* as it is typed */
    const char *version;  /* "0.1.0" */
    const char *summary;  /* of NAME in the man page: one line, no full stop */
    const char *usage;    /* behind the name in the general help: "COMMAND [OPTION]..." */
    const char *synopsis; /* of the man page, roff, behind the name and COMMAND */
    const char *about;    /* sentences at the head of the general help */
    const char *text;     /* DESCRIPTION of the man page; blank line = new paragraph */
    const char *exits[GW_EXIT_MAX];
    const struct gw_term_command *commands;
    size_t n_commands;
    const struct gw_term_common_option *common;
    size_t n_common;
    const struct gw_term_operand *operands; /* ends with a NULL word; may be NULL */
    const struct gw_term_section *sections; /* ends with a NULL title; may be NULL */
    /* The exit code of a negative errno value that a command returned. */
    int (*exit_of)(const struct gw_term *t, int code);
    /* What --json prints for t->err: a new object, or NULL. */
    json_t *(*error_json)(const struct gw_term *t);
    /* What is said on standard error behind the sentence; NULL: nothing. */
    void (*explain)(const struct gw_term *t);
};

/* Does the command have this common option? */
bool gw_term_command_has(const struct gw_term_command *command,
                         const struct gw_term_common_option *option);
/* Length of the first word of a command's name if it has two, else 0. */
size_t gw_term_group_len(const struct gw_term_command *command);

/* For the tables. */
#define GW_TERM_OPTIONS(...)                                                                       \
    (const struct gw_term_option[])                                                                \
    {                                                                                              \
        __VA_ARGS__,                                                                               \
        {                                                                                          \
            .name = NULL                                                                           \
        }                                                                                          \
    }
