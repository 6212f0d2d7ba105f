// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "plan/errors.h"

#include "base/checked.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_TEXT_MAX 300
#define QUOTED_BYTES_MAX 60u

void gw_plan_errors_done(struct gw_plan_errors *errors)
{
    for (size_t i = 0; i < errors->n; i++) {
        free(errors->item[i].path);
        free(errors->item[i].sentence);
    }
    free(errors->item);
    *errors = (struct gw_plan_errors){ 0 };
}

/* Is there room for one more? */
static bool has_room(struct gw_plan_errors *errors)
{
    if (errors->item == NULL)
        errors->item = calloc(GW_PLAN_ERRORS_MAX, sizeof *errors->item);
    return errors->item != NULL && errors->n < GW_PLAN_ERRORS_MAX;
}

void gw_plan_errors_add(struct gw_plan_errors *errors, unsigned line, unsigned column,
                        const char *path, const char *fmt, ...)
{
    if (errors == NULL)
        return;
    if (!has_room(errors)) {
        errors->dropped++;
        return;
    }
    char *sentence = NULL, *path_copy = NULL;
    va_list ap;
    va_start(ap, fmt);
    int r = vasprintf(&sentence, fmt, ap);
    va_end(ap);
    if (r < 0 || asprintf(&path_copy, "%s", path) < 0) {
        if (r >= 0)
            free(sentence);
        errors->dropped++;
        return;
    }
    errors->item[errors->n++] = (struct gw_plan_error){
        .line = line, .column = column, .path = path_copy, .sentence = sentence
    };
}

static bool before(const struct gw_plan_error *a, const struct gw_plan_error *b)
{
    return a->line != b->line ? a->line < b->line : a->column < b->column;
}

void gw_plan_errors_sort(struct gw_plan_errors *errors)
{
    if (errors == NULL)
        return;
    for (size_t i = 1; i < errors->n; i++) { /* stable, and of at most a hundred */
        struct gw_plan_error e = errors->item[i];
        size_t k = i;
        for (; k > 0 && before(&e, &errors->item[k - 1]); k--)
            errors->item[k] = errors->item[k - 1];
        errors->item[k] = e;
    }
}

size_t gw_plan_errors_count(const struct gw_plan_errors *errors)
{
    return errors->n + errors->dropped;
}

void gw_plan_error_format(const char *name, const struct gw_plan_error *e,
                          char ret[GW_PLAN_ERROR_TEXT])
{
    char line[24] = "";
    if (e->line > 0)
        snprintf(line, sizeof line, ":%u", e->line);
    snprintf(ret, GW_PLAN_ERROR_TEXT, "%.*s%s: %s%s%s", NAME_TEXT_MAX, name, line, e->path,
             e->path[0] != '\0' ? ": " : "", e->sentence);
}

const char *gw_plan_quote(const char *text, size_t len, char ret[GW_PLAN_QUOTE_TEXT])
{
    size_t n = GW_MIN(len, (size_t)QUOTED_BYTES_MAX);
    while (n < len && n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
        n--; /* not in the middle of a character */
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        bool c1 = c >= 0x80 && c <= 0x9f && i > 0 && text[i - 1] == '\xc2';
        ret[i] = c < 0x20 || c == 0x7f ? '?' : (char)c;
        if (c1) /* two bytes of one: both are replaced */
            ret[i - 1] = ret[i] = '?';
    }
    memcpy(ret + n, "...", 4);
    if (n == len)
        ret[n] = '\0';
    return ret;
}
