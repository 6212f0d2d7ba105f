// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* What the parts of the decoder share: single values (decode.c), the rest (decode_object.c).
 */
#pragma once

#include "plan/decode.h"

extern const struct gw_schema gw_command_schema; /* struct gw_command */

/* Is `node` of this kind? If not, says so. */
bool gw_decode_kind(struct gw_decode *d, const struct gw_node *node, enum gw_node_kind kind,
                    const char *what, const char *path);
/* One value from a text into *at; f->type is that of a single value. */
void gw_decode_text(struct gw_decode *d, const struct gw_field *f, const char *text,
                    enum gw_scalar scalar, const char *path, void *at);
/* A single value from a node. */
void gw_decode_scalar(struct gw_decode *d, const struct gw_field *f, const struct gw_node *node,
                      const char *path, void *at);
/* Memory of the arena; NULL, with d->exhausted, if there is none. */
void *gw_decode_array(struct gw_decode *d, size_t n, size_t size);
bool gw_field_is_scalar(enum gw_field_type type);

/* The path of a member, of an item. */
void gw_decode_path_key(char ret[GW_PLAN_PATH_TEXT], const char *path, const char *key);
void gw_decode_path_index(char ret[GW_PLAN_PATH_TEXT], const char *path, size_t i);

void gw_decode_texts(struct gw_decode *d, const struct gw_node *node, const char *path,
                     struct gw_texts *at);
void gw_decode_urls(struct gw_decode *d, const struct gw_node *node, const char *path,
                    struct gw_texts *at);
void gw_decode_argv(struct gw_decode *d, const struct gw_node *node, const char *path,
                    struct gw_texts *at);
void gw_decode_pairs(struct gw_decode *d, const struct gw_node *node, const char *path,
                     struct gw_pairs *at);
void gw_decode_at_paths(struct gw_decode *d, const struct gw_node *node, const char *path,
                        struct gw_at_path *at);
void gw_decode_at_texts(struct gw_decode *d, const struct gw_node *node, const char *path,
                        struct gw_at_texts *at);
/* Is this key the name of that site (NULL: it is not known)? */
bool gw_decode_is_site(const char *site, const char *key);
