// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The command line, taken apart by the table of commands.
 *
 * Options may stand anywhere after the words of the command, the common ones before them too; "--"
 * ends them. A value is the next word or follows "=". What is wrong is said with what is near:
 * "unknown option --rat; did you mean --rate?".
 *
 * Nothing is allocated: values point into argv.
 */
#pragma once

#include "base/error.h"
#include "term/command.h"

#include <stdint.h>

#define GW_TERM_GIVEN_MAX 160
#define GW_TERM_OPERANDS_MAX 3
#define GW_TERM_WORD_MAX 48 /* names longer than this have no suggestions */
#define GW_TERM_COMMANDS_MAX 128

struct gw_term_given {
    const struct gw_term_option *option;
    const char *value; /* "" without one */
};

struct gw_term_args {
    const struct gw_term_program *program;
    const struct gw_term_command *command; /* NULL: none was named */
    const char *group;                     /* the first word, if it is that of two-word commands */
    bool help, version;
    struct gw_term_given given[GW_TERM_GIVEN_MAX];
    unsigned n_given;
    const char *operand[GW_TERM_OPERANDS_MAX];
    unsigned n_operands;
};

/* 0, or -EINVAL with the sentence. What was understood until then is in *ret in either case. With
 * `help` or `version` nothing else is checked. */
int gw_term_args_parse(const struct gw_term_program *program, int argc, char **argv,
                       struct gw_term_args *ret, struct gw_error *err);

/* The value of an option (the i-th of a repeated one), or NULL if it was not given. The command
 * must have the option. */
const char *gw_term_arg(const struct gw_term_args *a, const char *name);
const char *gw_term_arg_nth(const struct gw_term_args *a, const char *name, unsigned i);
bool gw_term_flag(const struct gw_term_args *a, const char *name);

/* 0 with *ret set (to what it was if the option was not given), or -EINVAL. */
int gw_term_arg_size(const struct gw_term_args *a, const char *name, uint64_t *ret_bytes,
                     struct gw_error *err);
int gw_term_arg_number(const struct gw_term_args *a, const char *name, uint64_t *ret,
                       struct gw_error *err);
int gw_term_arg_ms(const struct gw_term_args *a, const char *name, uint64_t *ret_ms,
                   struct gw_error *err);

/* "30s", "500ms", "5m", "2h", "1d"; a bare number is seconds. */
bool gw_term_duration_parse(const char *text, uint64_t *ret_ms);
/* "20GB" -> "; did you mean \"20GiB\"?"; "" if there is nothing to say. */
void gw_term_size_hint(const char *text, char *ret, size_t cap);
/* The nearest of `words` (ended by NULL) to `word`, or NULL if none is near. */
const char *gw_term_nearest(const char *word, const char *const *words);
