// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "term/out.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "base/size.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LABEL_WIDTH 14

const json_t *gw_term_at(const json_t *o, const char *path)
{
    while (o != NULL) {
        size_t n = strcspn(path, ".");
        char key[64];
        if (n >= sizeof key)
            return NULL;
        memcpy(key, path, n);
        key[n] = '\0';
        o = json_object_get(o, key);
        if (path[n] == '\0')
            break;
        path += n + 1;
    }
    return o;
}

const char *gw_term_text(const json_t *o, const char *path)
{
    const char *s = json_string_value(gw_term_at(o, path));
    return s != NULL ? s : "";
}

uint64_t gw_term_number(const json_t *o, const char *path)
{
    const json_t *v = gw_term_at(o, path);
    if (json_is_real(v))
        return json_real_value(v) > 0 ? (uint64_t)json_real_value(v) : 0;
    return json_integer_value(v) > 0 ? (uint64_t)json_integer_value(v) : 0;
}

bool gw_term_true(const json_t *o, const char *path)
{
    return json_is_true(gw_term_at(o, path));
}

double gw_term_real(const json_t *o, const char *path)
{
    return json_number_value(gw_term_at(o, path));
}

/* ---- text -------------------------------------------------------------------------------------
 */

void gw_term_harmless(char *text, bool lines)
{
    for (unsigned char *p = (unsigned char *)text; *p != '\0'; p++) {
        if (*p == '\n' && lines)
            continue;
        if (*p < ' ' || *p == 0x7f)
            *p = '?';
        else if (p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0) /* U+0080 to U+009F in UTF-8 */
            p[0] = p[1] = '?';
    }
}

/* Places on the screen, where a character takes one. */
static int width_of(const char *text)
{
    int n = 0;
    for (; *text != '\0'; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

__attribute__((format(printf, 3, 0))) static void print_harmless(FILE *to, bool lines,
                                                                 const char *fmt, va_list ap)
{
    CLEANUP_FREE char *text = NULL;
    if (vasprintf(&text, fmt, ap) < 0) {
        text = NULL;
        return; /* no memory: the row is missing, the rest is said */
    }
    gw_term_harmless(text, lines);
    for (size_t n = strlen(text); n > 0 && text[n - 1] == ' '; n--)
        text[n - 1] = '\0';
    fprintf(to, "%s\n", text);
}

void gw_term_row(const char *label, const char *fmt, ...)
{
    printf("%-*s ", LABEL_WIDTH, label);
    va_list ap;
    va_start(ap, fmt);
    print_harmless(stdout, false, fmt, ap);
    va_end(ap);
}

void gw_term_say(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    print_harmless(stdout, true, fmt, ap);
    va_end(ap);
}

void gw_term_note(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    print_harmless(stderr, true, fmt, ap);
    va_end(ap);
}

/* ---- tables -----------------------------------------------------------------------------------
 */

static char *list_text(const json_t *list)
{
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);
    if (f == NULL)
        return NULL;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *one = json_string_value(json_array_get(list, i));
        fprintf(f, "%s%s", i > 0 ? ", " : "", one != NULL ? one : "?");
    }
    fclose(f);
    return text;
}

/* A text is shown whole, however long: the end of a sentence is its way out. To be freed. */
static char *cell_raw(const struct gw_term_column *c, const json_t *row)
{
    const json_t *v = gw_term_at(row, c->key);
    char *text = NULL, size[GW_SIZE_TEXT], duration[GW_TERM_DURATION_TEXT];
    int r = 0;
    if (v == NULL || json_is_null(v))
        return strdup("-");
    switch (c->kind) {
    case GW_TERM_TEXT:
        return strdup(json_string_length(v) > 0 ? json_string_value(v) : "-");
    case GW_TERM_NUMBER:
        if (json_is_real(v))
            r = asprintf(&text, "%.1f", json_real_value(v));
        else
            r = asprintf(&text, "%llu", (unsigned long long)gw_term_number(row, c->key));
        break;
    case GW_TERM_BYTES:
        gw_size_format(gw_term_number(row, c->key), size);
        return strdup(size);
    case GW_TERM_BOOL:
        return strdup(json_is_true(v) ? "yes" : "no");
    case GW_TERM_UUID:
        r = asprintf(&text, "%.8s", json_is_string(v) ? json_string_value(v) : "?");
        break;
    case GW_TERM_SECONDS:
        gw_term_duration_format(json_number_value(v), duration);
        return strdup(duration);
    case GW_TERM_LIST:
        return json_array_size(v) > 0 ? list_text(v) : strdup("-");
    }
    return r >= 0 ? text : NULL;
}

static char *cell(const struct gw_term_column *c, const json_t *row)
{
    char *text = cell_raw(c, row);
    if (text == NULL)
        text = strdup("?");
    if (text != NULL)
        gw_term_harmless(text, false);
    return text;
}

static void print_cell(const struct gw_term_column *c, const char *text, int width, bool last)
{
    bool right =
        c->kind == GW_TERM_NUMBER || c->kind == GW_TERM_BYTES || c->kind == GW_TERM_SECONDS;
    int blanks = GW_MAX(width - width_of(text), 0);
    if (right)
        printf("%*s%s", blanks, "", text);
    else
        printf("%s%*s", text, last ? 0 : blanks, ""); /* no blanks at the end of a line */
    fputs(last ? "\n" : "  ", stdout);
}

void gw_term_table(const struct gw_term_column *columns, size_t n, const json_t *rows)
{
    int width[GW_TERM_COLUMNS_MAX];
    n = GW_MIN(n, (size_t)GW_TERM_COLUMNS_MAX);
    if (json_array_size(rows) == 0)
        return;
    for (size_t k = 0; k < n; k++) {
        width[k] = width_of(columns[k].header);
        for (size_t i = 0; i < json_array_size(rows); i++) {
            CLEANUP_FREE char *text = cell(&columns[k], json_array_get(rows, i));
            width[k] = GW_MAX(width[k], text != NULL ? width_of(text) : 1);
        }
    }
    for (size_t k = 0; k < n; k++)
        print_cell(&columns[k], columns[k].header, width[k], k + 1 == n);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        for (size_t k = 0; k < n; k++) {
            CLEANUP_FREE char *text = cell(&columns[k], json_array_get(rows, i));
            print_cell(&columns[k], text != NULL ? text : "?", width[k], k + 1 == n);
        }
    }
}

void gw_term_duration_format(double seconds, char ret[GW_TERM_DURATION_TEXT])
{
    unsigned long long s = seconds > 0 && seconds < 1e12 ? (unsigned long long)(seconds + 0.5) : 0;
    if (seconds < 1)
        snprintf(ret, GW_TERM_DURATION_TEXT, "%.0f ms", seconds > 0 ? seconds * 1000 : 0);
    else if (s < 60)
        snprintf(ret, GW_TERM_DURATION_TEXT, "%llu s", s);
    else if (s < 3600)
        snprintf(ret, GW_TERM_DURATION_TEXT, "%llu min %llu s", s / 60, s % 60);
    else
        snprintf(ret, GW_TERM_DURATION_TEXT, "%llu h %llu min", s / 3600, s / 60 % 60);
}
