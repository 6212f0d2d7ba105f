// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "work/env.h"

#include "base/cleanup.h"
#include "work/limits.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct gw_env {
    size_t n;
    char *var[GW_ENV_MAX + 1]; /* "NAME=value"; ends with NULL */
};

int gw_env_new(struct gw_env **ret, struct gw_error *err)
{
    struct gw_env *e = calloc(1, sizeof *e);
    if (e == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    *ret = e;
    return 0;
}

void gw_env_free(struct gw_env *e)
{
    if (e == NULL)
        return;
    for (size_t i = 0; i < e->n; i++)
        free(e->var[i]);
    free(e);
}

static bool name_ok(const char *name, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char c = name[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!letter && (i == 0 || c < '0' || c > '9'))
            return false;
    }
    return len > 0;
}

static bool is_name(const char *var, const char *name, size_t len)
{
    return strncmp(var, name, len) == 0 && var[len] == '=';
}

/* Takes the string over, also when it fails. */
static int put(struct gw_env *e, char *var, size_t name_len, struct gw_error *err)
{
    for (size_t i = 0; i < e->n; i++) {
        if (is_name(e->var[i], var, name_len)) {
            free(e->var[i]);
            e->var[i] = var;
            return 0;
        }
    }
    if (e->n == GW_ENV_MAX) {
        free(var);
        return gw_error_set(err, -E2BIG, "more than %u variables", GW_ENV_MAX);
    }
    e->var[e->n++] = var;
    return 0;
}

int gw_env_set(struct gw_env *e, struct gw_error *err, const char *name, const char *fmt, ...)
{
    size_t len = strlen(name);
    if (!name_ok(name, len))
        return gw_error_set(err, -EINVAL, "\"%s\" is not a name of a variable", name);
    CLEANUP_FREE char *value = NULL;
    va_list ap;
    va_start(ap, fmt);
    int n = vasprintf(&value, fmt, ap);
    va_end(ap);
    if (n < 0) {
        value = NULL;
        return gw_error_set(err, -ENOMEM, "out of memory");
    }
    if ((unsigned)n > GW_ENV_BYTES_MAX)
        return gw_error_set(err, -E2BIG, "the variable %s has more than %u bytes", name,
                            GW_ENV_BYTES_MAX);
    char *var = NULL;
    if (asprintf(&var, "%s=%s", name, value) < 0)
        return gw_error_set(err, -ENOMEM, "out of memory");
    return put(e, var, len, err);
}

int gw_env_add(struct gw_env *e, const char *const *list, struct gw_error *err)
{
    for (size_t i = 0; list != NULL && list[i] != NULL; i++) {
        const char *equals = strchr(list[i], '=');
        size_t len = equals != NULL ? (size_t)(equals - list[i]) : 0;
        /* The text is not shown: what stands where a name should be may be a secret. */
        if (!name_ok(list[i], len))
            return gw_error_set(err, -EINVAL, "variable %zu is not NAME=value", i + 1);
        if (strlen(list[i]) - len - 1 > GW_ENV_BYTES_MAX)
            return gw_error_set(err, -E2BIG, "the variable %.*s has more than %u bytes", (int)len,
                                list[i], GW_ENV_BYTES_MAX);
        char *var = strdup(list[i]);
        if (var == NULL)
            return gw_error_set(err, -ENOMEM, "out of memory");
        int r = put(e, var, len, err);
        if (r < 0)
            return r;
    }
    return 0;
}

const char *const *gw_env_list(const struct gw_env *e)
{
    return (const char *const *)e->var;
}

const char *gw_env_get(const struct gw_env *e, const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < e->n; i++) {
        if (is_name(e->var[i], name, len))
            return e->var[i] + len + 1;
    }
    return NULL;
}
