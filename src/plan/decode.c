// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Single values. */
#include "plan/decode.h"

#include "base/checked.h"
#include "base/size.h"
#include "plan/cron.h"
#include "plan/decode_internal.h"
#include "plan/near.h"
#include "plan/reference.h"
#include "plan/value.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define TEXT_BYTES_MAX 4096u
#define WORDS_TEXT 256

void gw_decode_error(struct gw_decode *d, const char *path, const char *fmt, ...)
{
    char text[GW_PLAN_SENTENCE_TEXT];
    d->failed = true;
    if (d->errors == NULL)
        return;
    if (d->errors->n >= GW_PLAN_ERRORS_MAX) { /* looking up its place would be for nothing */
        d->errors->dropped++;
        return;
    }
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    const struct gw_node *node = gw_node_walk(gw_doc_root(d->doc), path);
    bool member = node->key != NULL;
    gw_plan_errors_add(d->errors, member ? node->key_line : node->line,
                       member ? node->key_column : node->column, path, "%s", text);
}

void *gw_decode_array(struct gw_decode *d, size_t n, size_t size)
{
    void *p = gw_arena_array(d->arena, n, size);
    if (p == NULL)
        d->failed = d->exhausted = true;
    return p;
}

bool gw_field_is_scalar(enum gw_field_type type)
{
    return type < GW_FIELD_MANUAL_OR_AFTER;
}

bool gw_decode_kind(struct gw_decode *d, const struct gw_node *node, enum gw_node_kind kind,
                    const char *what, const char *path)
{
    if (node->kind == kind && !(kind == GW_NODE_SCALAR && node->scalar == GW_SCALAR_NOTHING))
        return true;
    if (node->kind == GW_NODE_SCALAR && node->scalar == GW_SCALAR_NOTHING)
        gw_decode_error(d, path, "has no value; expected %s", what);
    else
        gw_decode_error(d, path, "expected %s, found %s", what, gw_node_what(node));
    return false;
}

/* "is not a size; did you mean ..." */
static void not_one(struct gw_decode *d, const struct gw_field *f, const char *text,
                    const char *guess, const char *path)
{
    char quote[GW_PLAN_QUOTE_TEXT], what[GW_FIELD_TEXT_MAX];
    gw_plan_quote(text, strlen(text), quote);
    gw_field_describe(f, what);
    if (guess[0] != '\0' && strcmp(guess, text) != 0)
        gw_decode_error(d, path, "\"%s\" is not %s; did you mean \"%s\"?", quote,
                        gw_field_noun(f->type), guess);
    else if (f->type == GW_FIELD_SITE)
        gw_decode_error(d, path, "\"%s\" is not a site of this plan, which are \"%s\" and \"%s\"",
                        quote, d->home, d->dr);
    else
        gw_decode_error(d, path, "\"%s\" is not %s", quote, what);
}

/* A value of a field in the notation of people, for limits. */
static void show(const struct gw_field *f, uint64_t value, char ret[GW_VALUE_TEXT])
{
    if (f->type == GW_FIELD_SIZE)
        gw_size_format_exact(value, ret);
    else if (f->type == GW_FIELD_RATE)
        gw_rate_format(value, ret);
    else if (f->type == GW_FIELD_DURATION)
        gw_duration_format(value, ret);
    else
        snprintf(ret, GW_VALUE_TEXT, "%" PRIu64, value);
}

/* False, with a sentence, outside of the field's limits. */
static bool limits_ok(struct gw_decode *d, const struct gw_field *f, uint64_t value,
                      const char *text, const char *path)
{
    char limit[GW_VALUE_TEXT], unit[GW_VALUE_TEXT], below[GW_VALUE_TEXT], above[GW_VALUE_TEXT];
    char quote[GW_PLAN_QUOTE_TEXT];
    gw_plan_quote(text, strlen(text), quote);
    if (value < f->min) {
        show(f, f->min, limit);
        gw_decode_error(d, path, "%s is too small: at least %s", quote, limit);
        return false;
    }
    if (f->max != 0 && value > f->max) {
        show(f, f->max, limit);
        gw_decode_error(d, path, "%s is too large: at most %s", quote, limit);
        return false;
    }
    if (f->multiple != 0 && value % f->multiple != 0) {
        show(f, f->multiple, unit);
        show(f, value / f->multiple * f->multiple, below);
        show(f, (value / f->multiple + 1) * f->multiple, above);
        gw_decode_error(d, path, "%s is not a multiple of %s; the next ones are %s and %s", quote,
                        unit, below, above);
        return false;
    }
    return true;
}

static bool parse_number(const char *text, uint64_t *ret)
{
    uint64_t n = 0;
    for (const char *c = text; *c != '\0'; c++) {
        if (*c < '0' || *c > '9' || ckd_mul(&n, n, 10) || ckd_add(&n, n, (uint64_t)(*c - '0')))
            return false;
    }
    *ret = n;
    return text[0] != '\0';
}

/* Sizes, rates, durations, numbers. */
static void quantity(struct gw_decode *d, const struct gw_field *f, const char *text,
                     const char *path, void *at)
{
    char guess[GW_HINT_TEXT] = "";
    uint64_t value = 0;
    bool ok = false;
    if (f->type == GW_FIELD_SIZE) {
        ok = gw_size_parse(text, &value);
        gw_size_guess(text, guess);
    } else if (f->type == GW_FIELD_RATE) {
        ok = gw_rate_parse(text, &value);
        gw_rate_guess(text, guess);
    } else if (f->type == GW_FIELD_DURATION) {
        ok = gw_duration_parse(text, &value);
        gw_duration_guess(text, guess);
    } else {
        ok = parse_number(text, &value);
    }
    if (!ok) {
        not_one(d, f, text, guess, path);
        return;
    }
    if (!limits_ok(d, f, value, text, path))
        return;
    if (f->type == GW_FIELD_NUMBER)
        *(uint32_t *)at = (uint32_t)GW_MIN(value, (uint64_t)UINT32_MAX);
    else
        *(uint64_t *)at = value;
}

static void flag(struct gw_decode *d, const char *text, enum gw_scalar scalar, const char *path,
                 bool *at)
{
    static const char *const yes[] = {
        "yes", "on", "True", "TRUE", "Yes", "On", "1", "true", NULL
    };
    static const char *const no[] = {
        "no", "off", "False", "FALSE", "No", "Off", "0", "false", NULL
    };
    char quote[GW_PLAN_QUOTE_TEXT];
    const char *means = NULL;
    if (scalar == GW_SCALAR_PLAIN && (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)) {
        *at = text[0] == 't';
        return;
    }
    for (size_t i = 0; yes[i] != NULL; i++)
        means = strcmp(text, yes[i]) == 0 ? "true" : means;
    for (size_t i = 0; no[i] != NULL; i++)
        means = strcmp(text, no[i]) == 0 ? "false" : means;
    gw_plan_quote(text, strlen(text), quote);
    if (means != NULL)
        gw_decode_error(d, path, "\"%s\" is neither true nor false; did you mean %s%s?", quote,
                        means, scalar == GW_SCALAR_QUOTED ? ", without quotes" : "");
    else
        gw_decode_error(d, path, "\"%s\" is neither true nor false", quote);
}

static void word(struct gw_decode *d, const struct gw_field *f, const char *text, const char *path,
                 void *at)
{
    char quote[GW_PLAN_QUOTE_TEXT], words[WORDS_TEXT] = "";
    size_t len = 0;
    for (int i = 0; f->words[i] != NULL; i++) {
        if (strcmp(text, f->words[i]) == 0) {
            memcpy(at, &i, sizeof i);
            return;
        }
        len += (size_t)snprintf(words + len, sizeof words - len, "%s%s", i > 0 ? ", " : "",
                                f->words[i]);
        len = GW_MIN(len, sizeof words - 1);
    }
    const char *near = gw_near_miss(text, f->words);
    gw_plan_quote(text, strlen(text), quote);
    if (f->words[1] == NULL)
        gw_decode_error(d, path, "\"%s\" is not allowed: %s", quote, f->help);
    else if (near != NULL)
        gw_decode_error(d, path, "\"%s\" is not one of %s; did you mean \"%s\"?", quote, words,
                        near);
    else
        gw_decode_error(d, path, "\"%s\" is not one of %s", quote, words);
}

static bool text_ok(const struct gw_decode *d, const struct gw_field *f, const char *text)
{
    switch ((int)f->type) {
    case GW_FIELD_NAME:
        return gw_name_ok(text);
    case GW_FIELD_SITE:
        return d->home == NULL || d->dr == NULL || strcmp(text, d->home) == 0 ||
               strcmp(text, d->dr) == 0;
    case GW_FIELD_PATH:
        return gw_abs_path_ok(text);
    case GW_FIELD_ADDRESS:
        return gw_address_ok(text, false);
    case GW_FIELD_LISTEN:
        return gw_address_ok(text, true);
    case GW_FIELD_UNIX:
        return gw_unix_address_ok(text);
    case GW_FIELD_URL:
        return gw_url_ok(text);
    case GW_FIELD_CIDR:
        return gw_cidr_ok(text);
    }
    return true;
}

/* Everything that stays a text. */
static void plain_text(struct gw_decode *d, const struct gw_field *f, const char *text,
                       enum gw_scalar scalar, const char *path, void *at)
{
    size_t len = strlen(text), max = f->max != 0 ? f->max : TEXT_BYTES_MAX;
    char guess[GW_HINT_TEXT] = "";
    if (scalar == GW_SCALAR_PLAIN && d->doc != NULL && gw_doc_format(d->doc) == GW_DOC_JSON) {
        gw_decode_error(d, path, "%.40s is not a text; write \"%.40s\"", text, text);
        return;
    }
    if (len > max) {
        gw_decode_error(d, path, "longer than %zu bytes", max);
        return;
    }
    if (f->max != 0 && strpbrk(text, "\n\t") != NULL) {
        gw_decode_error(d, path, "has a line break or a tab in it");
        return;
    }
    if (len == 0) {
        gw_decode_error(d, path, "is empty; give it a value or leave the key out");
        return;
    }
    if (!text_ok(d, f, text)) {
        if (f->type == GW_FIELD_NAME && len <= GW_NAME_BYTES_MAX)
            gw_name_guess(text, guess);
        if (f->type == GW_FIELD_SITE) {
            const char *sites[] = { d->home, d->dr, NULL };
            const char *near = gw_near_miss(text, sites);
            snprintf(guess, sizeof guess, "%s", near != NULL ? near : "");
        }
        not_one(d, f, text, guess, path);
        return;
    }
    char *copy = gw_arena_text(d->arena, text, len);
    if (copy == NULL)
        d->failed = d->exhausted = true;
    *(const char **)at = copy;
}

static void cron(struct gw_decode *d, const char *text, const char *path, struct gw_cron *at)
{
    struct gw_error err = { 0 };
    char quote[GW_PLAN_QUOTE_TEXT];
    if (gw_cron_parse(text, at, &err) < 0)
        gw_decode_error(d, path, "\"%s\" is not a cron expression: %s",
                        gw_plan_quote(text, strlen(text), quote), err.msg);
}

void gw_decode_text(struct gw_decode *d, const struct gw_field *f, const char *text,
                    enum gw_scalar scalar, const char *path, void *at)
{
    char quote[GW_PLAN_QUOTE_TEXT];
    switch ((int)f->type) {
    case GW_FIELD_NUMBER:
        if (scalar == GW_SCALAR_QUOTED && text[0] != '\0' &&
            strspn(text, "0123456789") == strlen(text)) {
            gw_decode_error(d, path, "\"%s\" is a text; did you mean %s, without quotes?",
                            gw_plan_quote(text, strlen(text), quote), quote);
            return;
        }
        quantity(d, f, text, path, at);
        return;
    case GW_FIELD_SIZE:
    case GW_FIELD_RATE:
    case GW_FIELD_DURATION:
        quantity(d, f, text, path, at);
        return;
    case GW_FIELD_FLAG:
        flag(d, text, scalar, path, at);
        return;
    case GW_FIELD_WORD:
        word(d, f, text, path, at);
        return;
    case GW_FIELD_CRON:
        cron(d, text, path, at);
        return;
    }
    plain_text(d, f, text, scalar, path, at);
}

void gw_decode_scalar(struct gw_decode *d, const struct gw_field *f, const struct gw_node *node,
                      const char *path, void *at)
{
    char what[GW_FIELD_TEXT_MAX];
    gw_field_describe(f, what);
    if (gw_decode_kind(d, node, GW_NODE_SCALAR, what, path))
        gw_decode_text(d, f, node->text, node->scalar, path, at);
}
