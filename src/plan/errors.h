// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * What is wrong with a document: all of it, not only the first thing.
 *
 *     struct gw_plan_errors errors = { 0 };
 *     if (gw_planfile_parse(name, bytes, len, format, &errors, &plan, &err) < 0)
 *         for (size_t i = 0; i < errors.n; i++) {
 *             char line[GW_PLAN_ERROR_TEXT];
 *             gw_plan_error_format(name, &errors.item[i], line);
 *         }
 *     gw_plan_errors_done(&errors);
 *
 * reads: shop.yaml:14: volumes[0].size: "20GB" is not a size; did you mean "20GiB"?
 *
 * Items are in the order of the document. At most GW_PLAN_ERRORS_MAX are kept; `dropped` counts the
 * rest. Texts of the document are shortened and stripped of control characters before they are
 * quoted, so that a sentence can be printed as it is.
 *
 * Ownership: the caller owns the struct, gw_plan_errors_done() empties it. Threads: none of its
 * own.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define GW_PLAN_ERRORS_MAX 100u
#define GW_PLAN_PATH_TEXT 256
#define GW_PLAN_SENTENCE_TEXT 768
#define GW_PLAN_ERROR_TEXT (GW_PLAN_PATH_TEXT + GW_PLAN_SENTENCE_TEXT + 320)

struct gw_plan_error {
    unsigned line, column; /* from 1; 0: nowhere in particular */
    char *path;            /* "volumes[0].size"; "" is the whole document */
    char *sentence;
};

struct gw_plan_errors {
    size_t n, dropped;
    struct gw_plan_error *item;
};

void gw_plan_errors_done(struct gw_plan_errors *errors);
/* `errors` may be NULL: nothing is kept. Out of memory: counted as dropped. */
void gw_plan_errors_add(struct gw_plan_errors *errors, unsigned line, unsigned column,
                        const char *path, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
/* In the order of the document; those of one place keep theirs. */
void gw_plan_errors_sort(struct gw_plan_errors *errors);
size_t gw_plan_errors_count(const struct gw_plan_errors *errors); /* with those dropped */

/* "NAME:14: volumes[0].size: ..."; without a line "NAME: path: ...". */
void gw_plan_error_format(const char *name, const struct gw_plan_error *e,
                          char ret[GW_PLAN_ERROR_TEXT]);
/* Returns ret: a text of the document made fit to be quoted: at most 60 bytes, whole characters,
 * control characters as '?'. */
#define GW_PLAN_QUOTE_TEXT 72
const char *gw_plan_quote(const char *text, size_t len, char ret[GW_PLAN_QUOTE_TEXT]);
