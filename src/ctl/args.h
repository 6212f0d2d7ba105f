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
#include "ctl/command.h"

#include <stdint.h>

#define CTL_GIVEN_MAX 160
#define CTL_OPERANDS_MAX 2
#define CTL_WORD_MAX 48 /* names longer than this have no suggestions */

struct ctl_given {
    const struct ctl_option *option;
    const char *value; /* "" without one */
};

struct ctl_args {
    const struct ctl_command *command; /* NULL: none was named */
    const char *group;                 /* only the first word of two-word commands was given */
    bool help, version;
    struct ctl_given given[CTL_GIVEN_MAX];
    unsigned n_given;
    const char *operand[CTL_OPERANDS_MAX];
    unsigned n_operands;
};

/* 0, or -EINVAL with the sentence. What was understood until then is in *ret in either case. With
 * `help` nothing else is checked. */
int ctl_args_parse(int argc, char **argv, struct ctl_args *ret, struct gw_error *err);

/* The value of an option (the i-th of a repeated one), or NULL if it was not given. The command
 * must have the option. */
const char *ctl_arg(const struct ctl_args *a, const char *name);
const char *ctl_arg_nth(const struct ctl_args *a, const char *name, unsigned i);
bool ctl_flag(const struct ctl_args *a, const char *name);

/* 0 with *ret set (to what it was if the option was not given), or -EINVAL. */
int ctl_arg_size(const struct ctl_args *a, const char *name, uint64_t *ret, struct gw_error *err);
int ctl_arg_number(const struct ctl_args *a, const char *name, uint64_t *ret, struct gw_error *err);
int ctl_arg_ms(const struct ctl_args *a, const char *name, uint64_t *ret, struct gw_error *err);

/* "30s", "500ms", "5m", "2h", "1d"; a bare number is seconds. */
bool ctl_duration_parse(const char *text, uint64_t *ret_ms);
/* "20GB" -> "; did you mean \"20GiB\"?"; "" if there is nothing to say. */
void ctl_size_hint(const char *text, char *ret, size_t cap);
/* The nearest of `words` (ended by NULL) to `word`, or NULL if none is near. */
const char *ctl_nearest(const char *word, const char *const *words);
