// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * A document into a C struct, by a table (plan/schema.h).
 *
 *     struct gw_decode d = { .doc = doc, .arena = arena, .errors = &errors, .home = ..., .dr = ...
 * }; gw_decode(&d, &schema, gw_doc_root(doc), "", plan); if (d.failed) ...
 *
 * Goes on after an error, so that all of them are found; members that were wrong are left as if
 * they had not been given. Every default that the table names is filled in. Threads: none of its
 * own.
 */
#pragma once

#include "plan/arena.h"
#include "plan/doc.h"
#include "plan/schema.h"

struct gw_decode {
    const struct gw_doc *doc;
    struct gw_arena *arena;
    struct gw_plan_errors *errors;
    const struct gw_schema *root; /* to say where a misplaced key belongs */
    const char *home, *dr;        /* the plan's sites as far as they are known; NULL: not */
    bool failed;                  /* something was wrong */
    bool exhausted;               /* ... and it was memory */
};

/* ret: zeroed memory of schema->bytes. node NULL: all defaults. */
void gw_decode(struct gw_decode *d, const struct gw_schema *schema, const struct gw_node *node,
               const char *path, void *ret);
/* A sentence about a place: the deepest node that `path` leads to. */
void gw_decode_error(struct gw_decode *d, const char *path, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
