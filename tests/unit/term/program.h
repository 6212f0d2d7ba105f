// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* A small program with one of each: groups, targets, options of every kind. */
#pragma once

#include "term/term.h"

enum { ON_SOCKET = GW_TERM_FLAG_OWN, ON_DIR = 2 * GW_TERM_FLAG_OWN };

extern const struct gw_term_program program;

/* What fn(arg) prints on standard output. To be freed. */
char *printed(void (*fn)(void *arg), void *arg);
