// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * A table of environment variables that grows, for commands.
 *
 *     struct gw_env *e;  gw_env_new(&e, err)
 *     gw_env_set(e, err, "GODWIT_EPOCH", "%llu", epoch)
 *     spec.env = gw_env_list(e)       "NAME=value" ..., NULL; valid until the next set, or free
 *     gw_env_free(e)
 *
 * Environment and files are the only places for secrets: arguments are seen by every user of the
 * machine, the environment by the owner of the process alone. Nothing of it is ever logged.
 *
 * Names are letters, digits and _; a value has at most GW_ENV_BYTES_MAX bytes. Setting a name again
 * replaces it. One thread at a time; a finished table may be read by many.
 */
#pragma once

#include "base/error.h"

struct gw_env;

int gw_env_new(struct gw_env **ret, struct gw_error *err);
void gw_env_free(struct gw_env *e);
int gw_env_set(struct gw_env *e, struct gw_error *err, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* All of a list "NAME=value" ..., NULL. */
int gw_env_add(struct gw_env *e, const char *const *list, struct gw_error *err);
const char *const *gw_env_list(const struct gw_env *e);
/* NULL if it is not there. */
const char *gw_env_get(const struct gw_env *e, const char *name);
