// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * A document as a tree that remembers where everything stood: YAML from a file, JSON from the API.
 *
 *     r = gw_doc_parse(bytes, len, GW_DOC_YAML, &errors, &doc, &err);
 *     gw_doc_root(doc) ... gw_node_get(map, "volumes") ...
 *     gw_doc_free(doc);
 *
 * What is refused, with line and column: more than GW_DOC_BYTES_MAX, GW_DOC_DEPTH_MAX levels or
 * GW_DOC_NODES_MAX values; bytes that are not UTF-8, NUL and other control characters; a key twice;
 * keys that are not texts; a second document; in YAML anchors, aliases and tags (nothing in a plan
 * needs them, and they are how small files become large ones). JSON is taken by the letter of RFC
 * 8259.
 *
 * YAML knows no types here: the reader of a value decides what `20GiB` or `true` is. A scalar keeps
 * whether it was quoted.
 *
 * Ownership: all nodes belong to the document. Threads: none of its own; a finished document may be
 * read by many.
 */
#pragma once

#include "base/error.h"
#include "plan/errors.h"

#include <stdbool.h>
#include <stddef.h>

#define GW_DOC_BYTES_MAX (1024u * 1024u)
#define GW_DOC_DEPTH_MAX 24u
#define GW_DOC_NODES_MAX 20000u
#define GW_DOC_KEY_MAX 128u /* bytes of a key */

enum gw_doc_format { GW_DOC_YAML, GW_DOC_JSON };

enum gw_node_kind { GW_NODE_SCALAR, GW_NODE_LIST, GW_NODE_MAP };

enum gw_scalar {
    GW_SCALAR_PLAIN,   /* YAML: as it stands; JSON: a number, true or false */
    GW_SCALAR_QUOTED,  /* a text for sure */
    GW_SCALAR_NOTHING, /* null, ~, or nothing at all */
};

struct gw_node {
    enum gw_node_kind kind;
    enum gw_scalar scalar; /* of a scalar */
    unsigned line, column; /* where it begins, from 1 */
    const char *text;      /* of a scalar: NUL-terminated UTF-8 without NUL inside */
    size_t len;
    const char *key;                     /* of a member of a map; NULL in a list */
    unsigned key_line, key_column;       /* where the key stood */
    size_t n;                            /* items or members */
    struct gw_node *first, *last, *next; /* children in order; the next sibling */
};

struct gw_doc;

/* GW_DOC_JSON for names that end in ".json", else YAML. */
enum gw_doc_format gw_doc_format_of(const char *name);

/* -EINVAL: what is wrong is in `errors` (may be NULL) with its place, and in `err` without;
 * -EMSGSIZE too large, -ENOMEM. */
int gw_doc_parse(const void *bytes, size_t len, enum gw_doc_format format,
                 struct gw_plan_errors *errors, struct gw_doc **ret, struct gw_error *err);
void gw_doc_free(struct gw_doc *doc);
const struct gw_node *gw_doc_root(const struct gw_doc *doc);
enum gw_doc_format gw_doc_format(const struct gw_doc *doc);

const struct gw_node *gw_node_get(const struct gw_node *map, const char *key); /* NULL: none */
const struct gw_node *gw_node_at(const struct gw_node *list, size_t index);    /* NULL: none */
/* Walk "volumes[0].at.madrid" as far as it leads: the deepest node on the way, never NULL. */
const struct gw_node *gw_node_walk(const struct gw_node *root, const char *path);
/* "a list", "a mapping", "a text". */
const char *gw_node_what(const struct gw_node *node);
