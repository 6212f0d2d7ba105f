// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Building a document: what its two readers (doc_yaml.c, doc_json.c) share. */
#pragma once

#include "plan/arena.h"
#include "plan/doc.h"

#include <stdint.h>

struct gw_doc {
    enum gw_doc_format format;
    struct gw_arena *arena;
    struct gw_node *root;
};

struct gw_doc_build {
    struct gw_doc *doc;
    struct gw_plan_errors *errors;
    struct gw_error *err;
    size_t nodes;
    unsigned depth;                         /* open lists and maps */
    struct gw_node *open[GW_DOC_DEPTH_MAX]; /* from the root down */
    const char *key;                        /* read in the innermost map, its value is next */
    unsigned key_line, key_column;
};

/* Record what is wrong; returns -EINVAL, also in *b->err. */
int gw_doc_refuse(struct gw_doc_build *b, unsigned line, unsigned column, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* A key of the innermost map. */
int gw_doc_key(struct gw_doc_build *b, const char *text, size_t len, unsigned line,
               unsigned column);
/* The next value: into the innermost list or map, or the root. */
int gw_doc_scalar(struct gw_doc_build *b, enum gw_scalar scalar, const char *text, size_t len,
                  unsigned line, unsigned column);
int gw_doc_open(struct gw_doc_build *b, enum gw_node_kind kind, unsigned line, unsigned column);
void gw_doc_close(struct gw_doc_build *b);

/* Bytes of the character at `p`, 0 if it is not UTF-8 (overlong, surrogate, cut off, too large). */
unsigned gw_utf8_len(const uint8_t *p, size_t left);

int gw_doc_yaml(struct gw_doc_build *b, const uint8_t *bytes, size_t len);
int gw_doc_json(struct gw_doc_build *b, const uint8_t *bytes, size_t len);
