// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "work/template.h"

#include "base/cleanup.h"
#include "work/limits.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr(":_.-", c) != NULL);
}

/* The length of the name of a placeholder that begins after `text`, a '{'; 0: it is none. */
static size_t placeholder(const char *text)
{
    size_t n = 0;
    while (name_char(text[1 + n]))
        n++;
    return text[1 + n] == '}' ? n : 0;
}

static int unknown(const char *name, size_t len, const struct gw_template_value *values,
                   struct gw_error *err)
{
    char there[GW_WORK_TEXT_MAX] = "";
    size_t n = 0;
    for (size_t i = 0; values[i].name != NULL && n < sizeof there; i++)
        n += (size_t)snprintf(there + n, sizeof there - n, "%s{%s}", i > 0 ? ", " : "",
                              values[i].name);
    return gw_error_set(err, -EINVAL, "there is no {%.*s} here (there is: %s; {{ is a plain {)",
                        (int)(len < 64 ? len : 64), name, there[0] != '\0' ? there : "none");
}

static const char *value_of(const char *name, size_t len, const struct gw_template_value *values)
{
    for (size_t i = 0; values[i].name != NULL; i++) {
        if (strncmp(values[i].name, name, len) == 0 && values[i].name[len] == '\0')
            return values[i].value;
    }
    return NULL;
}

static bool append(FILE *f, size_t *n, const char *what, size_t len)
{
    *n += len;
    return *n <= GW_TEMPLATE_BYTES_MAX && fwrite(what, 1, len, f) == len;
}

static int expand(FILE *f, const char *text, const struct gw_template_value *values,
                  struct gw_error *err)
{
    size_t written = 0;
    for (const char *p = text; *p != '\0';) {
        size_t plain = strcspn(p, "{");
        size_t name = p[plain] == '{' ? placeholder(p + plain) : 0;
        const char *value = name > 0 ? value_of(p + plain + 1, name, values) : "";
        if (value == NULL)
            return unknown(p + plain + 1, name, values, err);
        if (name == 0 && p[plain] == '{')
            plain++; /* the brace stands for itself */
        if (!append(f, &written, p, plain) || !append(f, &written, value, strlen(value)))
            return gw_error_set(err, -E2BIG, "an argument has more than %u bytes",
                                GW_TEMPLATE_BYTES_MAX);
        p += plain + (name > 0 ? name + 2 : 0);
        if (name == 0 && p > text && p[-1] == '{' && p[0] == '{')
            p++; /* "{{" */
    }
    return 0;
}

int gw_template_text(const char *text, const struct gw_template_value *values, char **ret,
                     struct gw_error *err)
{
    char *s = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&s, &len);
    if (f == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    int r = expand(f, text, values, err);
    if (fclose(f) != 0 && r == 0)
        r = gw_error_set(err, -ENOMEM, "out of memory");
    if (r < 0) {
        free(s);
        return r;
    }
    *ret = s;
    return 0;
}

int gw_template_argv(const char *const *argv, const struct gw_template_value *values, char ***ret,
                     struct gw_error *err)
{
    size_t n = 0;
    while (argv[n] != NULL)
        n++;
    char **out = calloc(n + 1, sizeof *out);
    if (out == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    for (size_t i = 0; i < n; i++) {
        int r = gw_template_text(argv[i], values, &out[i], err);
        if (r < 0) {
            gw_template_argv_free(out);
            return gw_error_wrap(err, "argument %zu (\"%.100s\")", i, argv[i]);
        }
    }
    *ret = out;
    return 0;
}

void gw_template_argv_free(char **argv)
{
    for (size_t i = 0; argv != NULL && argv[i] != NULL; i++)
        free(argv[i]);
    free(argv);
}
