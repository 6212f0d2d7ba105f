// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Everything that is written from the table of commands, on standard output. */
#pragma once

#include "term/command.h"

struct gw_term_args;

/* --help: of a command, of a group, or the general one, whatever the arguments name. */
void gw_term_help(const struct gw_term_args *a);

/* The man page, man(7). */
void gw_term_man(const struct gw_term_program *program);
/* A script for bash. */
void gw_term_completion_bash(const struct gw_term_program *program);

/* Both as rows of the table: `man`, and `completion SHELL`. */
int gw_term_cmd_man(struct gw_term *t);
int gw_term_cmd_completion(struct gw_term *t);
