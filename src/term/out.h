// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * What people read: aligned rows, sentences and tables on standard output; and the JSON that they
 * are made from.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Members by path ("verify.running"). Absent, null or of another type: NULL, "", 0, 0, false. */
const json_t *gw_term_at(const json_t *o, const char *path);
const char *gw_term_text(const json_t *o, const char *path);
uint64_t gw_term_number(const json_t *o, const char *path); /* negative ones are 0, too */
double gw_term_real(const json_t *o, const char *path);
bool gw_term_true(const json_t *o, const char *path);

/* "label          text" */
void gw_term_row(const char *label, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void gw_term_say(const char *fmt, ...) __attribute__((format(printf, 1, 2))); /* a sentence */
void gw_term_note(const char *fmt, ...)
    __attribute__((format(printf, 1, 2))); /* ... on standard error */
/* What a terminal would take for a command becomes '?': texts come from hooks, plans and peers. All
 * of the above and tables do it. `lines`: a newline may stay. */
void gw_term_harmless(char *text, bool lines);

enum gw_term_kind {
    GW_TERM_TEXT,
    GW_TERM_NUMBER,
    GW_TERM_BYTES,
    GW_TERM_BOOL,    /* "yes", "no" */
    GW_TERM_UUID,    /* the first group */
    GW_TERM_SECONDS, /* a duration as people say it */
    GW_TERM_LIST,    /* texts of an array, joined by ", " */
};

struct gw_term_column {
    const char *key, *header;
    enum gw_term_kind kind;
};

#define GW_TERM_COLUMNS_MAX 12

/* An array of objects, one a line; numbers to the right. Nothing if it is empty. */
void gw_term_table(const struct gw_term_column *columns, size_t n, const json_t *rows);

#define GW_TERM_DURATION_TEXT 32
/* "1 h 20 min", "12 s". */
void gw_term_duration_format(double seconds, char ret[GW_TERM_DURATION_TEXT]);
