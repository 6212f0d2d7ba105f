// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Tables of keys in words: for messages, and as a page of the manual. */
#pragma once

#include "plan/schema.h"

/* "a size", "a list of texts". */
const char *gw_field_noun(enum gw_field_type type);
/* A value of a field in words: "a size (20GiB, 512MiB)", "one of async, sync". */
#define GW_FIELD_TEXT_MAX 256
void gw_field_describe(const struct gw_field *f, char ret[GW_FIELD_TEXT_MAX]);
/* How such a value is written: "20GiB, 512MiB". */
const char *gw_field_notation(enum gw_field_type type);

/* Markdown: a table of keys for `schema` and for each one below it. Freed by the caller; NULL: out
 * of memory. */
char *gw_schema_reference(const struct gw_schema *schema, const char *title, const char *intro);
