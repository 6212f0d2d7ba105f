// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Placeholders in arguments: {site}, {volume:pgdata}.
 *
 *     const struct gw_template_value values[] = { { "site", "lisbon" }, { NULL, NULL } };
 *     gw_template_argv(argv, values, &expanded, err);
 *     ...
 *     gw_template_argv_free(expanded);
 *
 * A placeholder is '{', a name of lower-case letters, digits, and any of ":_.-", '}'. One that is
 * not in the table is an error that says which there are: a typing error in a route is found when
 * the plan is checked, not when the site burns. "{{" stands for '{'; any other brace (JSON in an
 * argument) is left as it is. There is no shell and no second round of replacing.
 */
#pragma once

#include "base/error.h"

struct gw_template_value { /* ends with a NULL name */
    const char *name, *value;
};

/* *ret is malloc'ed. */
int gw_template_text(const char *text, const struct gw_template_value *values, char **ret,
                     struct gw_error *err);
int gw_template_argv(const char *const *argv, const struct gw_template_value *values, char ***ret,
                     struct gw_error *err);
void gw_template_argv_free(char **argv);
