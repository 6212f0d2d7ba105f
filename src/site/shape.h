// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Shapes: what the bodies and answers of the API look like, one line of words each. The decoder of
 * request bodies, the OpenAPI document and docs/api.md come from the same words, so that they
 * cannot differ.
 *
 *     { "Sign", "by:text63 reason?:text255" }
 *
 * A word is NAME:TYPE. `?` behind the name: may be absent. `?` behind the type: may be null.
 * Types: text, textN (at most N bytes, no control characters), time (RFC 3339, UTC), bool, int
 * (not negative), number, object (any), any, another shape by its name, or [TYPE], a list,
 * or {TYPE}, an object with any names.
 *
 * Pure. Threads: no state. Words are our own: what is wrong in them is asserted on.
 */
#pragma once

#include "base/error.h"

#include <jansson.h>
#include <stddef.h>
#include <stdio.h>

struct site_shape {
    const char *name;
    const char *words;
    const char *about; /* one sentence for the reference; NULL: none */
};

/* All of them; see shapes.c. */
extern const struct site_shape site_shapes[];
extern const size_t site_n_shapes;
const struct site_shape *site_shape_find(const char *name); /* NULL: there is none */

/*
 * Is `body` of that shape? -EINVAL with the member and what it has to be: 'by: is missing', 'by: a
 * text is wanted, this is a number'. A member that is null counts as absent.
 */
int site_shape_check(const struct site_shape *shape, const json_t *body, struct gw_error *err);
/* Its JSON Schema, as text; to be freed. NULL: no memory. */
char *site_shape_schema(const struct site_shape *shape);
/* Rows of a Markdown table: member, type, whether it has to be there. */
void site_shape_print(const struct site_shape *shape, FILE *to);
