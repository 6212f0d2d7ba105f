// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Mappings and lists. */
#include "base/checked.h"
#include "plan/decode.h"
#include "plan/decode_internal.h"
#include "plan/near.h"
#include "plan/reference.h"
#include "plan/value.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEYS_MAX 40u /* of one schema, with the names of two sites */
#define KEYS_TEXT 384

static const struct gw_field command_fields[] = {
    { .key = "exec",
      .type = GW_FIELD_ARGV,
      .offset = offsetof(struct gw_command, exec),
      .required = true,
      .help = "Program and arguments" },
    { .key = "timeout",
      .type = GW_FIELD_DURATION,
      .offset = offsetof(struct gw_command, timeout_ms),
      .fallback = GW_COMMAND_TIMEOUT_DEFAULT,
      .min = 1,
      .max = 7ull * 86400000,
      .help = "It is ended after this" },
};
const struct gw_schema gw_command_schema = { "a command", sizeof(struct gw_command), NULL,
                                             command_fields, GW_ARRAY_SIZE(command_fields) };
static const struct gw_field after_field = {
    .key = "after", .type = GW_FIELD_DURATION, .min = 1000, .max = 365ull * 86400000
};

/* ---- lists of objects -------------------------------------------------------------------------
 */

static void objects(struct gw_decode *d, const struct gw_schema *s, const struct gw_node *node,
                    size_t max, const char *path, void **ret, size_t *ret_n)
{
    bool alone = node->kind == GW_NODE_MAP;
    size_t n = alone ? 1 : node->n;
    if (n > max) {
        gw_decode_error(d, path, "%zu items; at most %zu are allowed", n, max);
        return;
    }
    char *list = n > 0 ? gw_decode_array(d, n, s->bytes) : NULL;
    if (list == NULL)
        return;
    const struct gw_node *c = alone ? node : node->first;
    for (size_t i = 0; i < n && c != NULL; i++, c = c->next) {
        char where[GW_PLAN_PATH_TEXT];
        gw_decode_path_index(where, path, i);
        gw_decode(d, s, c, alone ? path : where, list + i * s->bytes);
    }
    *ret = list;
    *ret_n = n;
}

static void object_list(struct gw_decode *d, const struct gw_field *f, const struct gw_node *node,
                        const char *path, char *base)
{
    char what[GW_FIELD_TEXT_MAX];
    void *list = NULL;
    size_t n = 0;
    gw_field_describe(f, what);
    if (!(f->alone && node->kind == GW_NODE_MAP) &&
        !gw_decode_kind(d, node, GW_NODE_LIST, what, path))
        return;
    if (f->required && node->n == 0) {
        gw_decode_error(d, path, "the list is empty: at least %s is needed", f->sub->what);
        return;
    }
    objects(d, f->sub, node, f->max != 0 ? f->max : GW_LIST_MAX, path, &list, &n);
    *(void **)(base + f->offset) = list;
    *(size_t *)(base + f->offset_n) = n;
}

static void commands(struct gw_decode *d, const struct gw_node *node, const char *path,
                     struct gw_commands *at)
{
    void *list = NULL;
    size_t n = 0;
    bool one =
        node->kind == GW_NODE_SCALAR ||
        (node->kind == GW_NODE_LIST && (node->n == 0 || node->first->kind == GW_NODE_SCALAR));
    if (!one) {
        objects(d, &gw_command_schema, node, GW_LIST_MAX, path, &list, &n);
        *at = (struct gw_commands){ .n = n, .item = list };
        return;
    }
    struct gw_command *c = gw_decode_array(d, 1, sizeof *c);
    if (c == NULL)
        return;
    gw_decode(d, &gw_command_schema, NULL, path, c);
    gw_decode_argv(d, node, path, &c->exec);
    if (c->exec.n > 0)
        *at = (struct gw_commands){ .n = 1, .item = c };
}

static void manual_or_after(struct gw_decode *d, const struct gw_node *node, const char *path,
                            uint64_t *at)
{
    char where[GW_PLAN_PATH_TEXT], quote[GW_PLAN_QUOTE_TEXT];
    if (node->kind == GW_NODE_SCALAR && node->scalar != GW_SCALAR_NOTHING) {
        if (strcmp(node->text, "manual") != 0)
            gw_decode_error(d, path, "\"%s\" is neither manual nor {after: DURATION}",
                            gw_plan_quote(node->text, node->len, quote));
        return;
    }
    if (!gw_decode_kind(d, node, GW_NODE_MAP, "manual or {after: 1h}", path))
        return;
    const struct gw_node *after = gw_node_get(node, "after");
    if (after == NULL || node->n != 1) {
        gw_decode_error(d, path, "expected {after: 1h} and no other key");
        return;
    }
    gw_decode_path_key(where, path, "after");
    gw_decode_scalar(d, &after_field, after, where, at);
}

/* ---- one field ---------------------------------------------------------------------------------
 */

static void option(struct gw_decode *d, const struct gw_field *f, const struct gw_node *node,
                   const char *path, void **at)
{
    void *p = gw_decode_array(d, 1, f->sub->bytes);
    if (p == NULL)
        return;
    gw_decode(d, f->sub, node, path, p);
    *at = p;
}

static void field(struct gw_decode *d, const struct gw_field *f, const struct gw_node *node,
                  const char *path, char *base)
{
    void *at = base + f->offset;
    switch ((int)f->type) {
    case GW_FIELD_MANUAL_OR_AFTER:
        manual_or_after(d, node, path, at);
        return;
    case GW_FIELD_TEXTS:
        gw_decode_texts(d, node, path, at);
        return;
    case GW_FIELD_URLS:
        gw_decode_urls(d, node, path, at);
        return;
    case GW_FIELD_ARGV:
        gw_decode_argv(d, node, path, at);
        return;
    case GW_FIELD_COMMANDS:
        commands(d, node, path, at);
        return;
    case GW_FIELD_PAIRS:
        gw_decode_pairs(d, node, path, at);
        return;
    case GW_FIELD_AT_PATHS:
        gw_decode_at_paths(d, node, path, at);
        return;
    case GW_FIELD_AT_TEXTS:
        gw_decode_at_texts(d, node, path, at);
        return;
    case GW_FIELD_OBJECT:
        gw_decode(d, f->sub, node, path, at);
        return;
    case GW_FIELD_OPTION:
        option(d, f, node, path, at);
        return;
    case GW_FIELD_LIST:
        object_list(d, f, node, path, base);
        return;
    }
    gw_decode_scalar(d, f, node, path, at);
}

static void fall_back(struct gw_decode *d, const struct gw_field *f, char *base)
{
    if (f->type == GW_FIELD_OBJECT) {
        gw_decode(d, f->sub, NULL, "", base + f->offset);
    } else if (f->fallback != NULL) {
        assert(gw_field_is_scalar(f->type));
        enum gw_scalar scalar = f->type == GW_FIELD_NUMBER || f->type == GW_FIELD_FLAG
                                    ? GW_SCALAR_PLAIN
                                    : GW_SCALAR_QUOTED;
        gw_decode_text(d, f, f->fallback, scalar, f->key, base + f->offset);
    }
}

/* ---- keys ---------------------------------------------------------------------------------------
 */

static const struct gw_field *sites_field(const struct gw_schema *s)
{
    for (size_t i = 0; i < s->n; i++) {
        if (s->field[i].sites)
            return &s->field[i];
    }
    return NULL;
}

static const struct gw_field *find(const struct gw_schema *s, const char *key)
{
    for (size_t i = 0; i < s->n; i++) {
        if (strcmp(s->field[i].key, key) == 0)
            return &s->field[i];
    }
    return NULL;
}

/* How often a key is known below `s`; *where is one of the places. */
static unsigned count_key(const struct gw_schema *s, const char *key, const char *path, char *where)
{
    unsigned n = 0;
    for (size_t i = 0; i < s->n; i++) {
        const struct gw_field *f = &s->field[i];
        if (strcmp(f->key, key) == 0) {
            snprintf(where, GW_PLAN_PATH_TEXT, "%s", path);
            n++;
        }
        if (f->sub == NULL)
            continue;
        char below[GW_PLAN_PATH_TEXT];
        gw_decode_path_key(below, path, f->key);
        n += count_key(f->sub, key, below, where);
    }
    return n;
}

static void unknown_key(struct gw_decode *d, const struct gw_schema *s, const char *key,
                        const char *path)
{
    const char *words[KEYS_MAX + 1] = { NULL };
    char keys[KEYS_TEXT] = "", where[GW_PLAN_PATH_TEXT] = "";
    size_t n = 0, len = 0;
    for (size_t i = 0; i < s->n && n < KEYS_MAX - 2; i++)
        words[n++] = s->field[i].key;
    if (sites_field(s) != NULL && d->home != NULL && d->dr != NULL) {
        words[n++] = d->home;
        words[n++] = d->dr;
    }
    for (size_t i = 0; i < n && len < sizeof keys - 1; i++)
        len += (size_t)snprintf(keys + len, sizeof keys - len, "%s%s", i > 0 ? ", " : "", words[i]);
    const char *near = gw_near_miss(key, words);
    unsigned places = near == NULL && d->root != NULL ? count_key(d->root, key, "", where) : 0;
    if (near != NULL)
        gw_decode_error(d, path, "unknown key; did you mean \"%s\"? (allowed: %s)", near, keys);
    else if (places == 1)
        gw_decode_error(d, path, "unknown key here; it belongs %s%s",
                        where[0] != '\0' ? "under " : "at the top", where);
    else
        gw_decode_error(d, path, "unknown key (allowed: %s)", keys);
}

/* A key that no row has: the name of a site, or a mistake. */
static void other_key(struct gw_decode *d, const struct gw_schema *s, const struct gw_node *c,
                      const char *path, char *base)
{
    const struct gw_field *f = sites_field(s);
    if (f != NULL && (gw_decode_is_site(d->home, c->key) || gw_decode_is_site(d->dr, c->key))) {
        struct gw_at_texts *at = (struct gw_at_texts *)(void *)(base + f->offset);
        gw_decode_texts(d, c, path, gw_decode_is_site(d->home, c->key) ? &at->home : &at->dr);
        return;
    }
    unknown_key(d, s, c->key, path);
}

static void check_one_of(struct gw_decode *d, const struct gw_schema *s, const struct gw_node *node,
                         const char *path)
{
    char keys[KEYS_TEXT] = "";
    size_t len = 0, n = 0;
    for (size_t i = 0; s->one_of[i] != NULL && len < sizeof keys - 1; i++) {
        len += (size_t)snprintf(keys + len, sizeof keys - len, "%s%s", i > 0 ? ", " : "",
                                s->one_of[i]);
        n += gw_node_get(node, s->one_of[i]) != NULL;
    }
    bool unknown = false;
    for (const struct gw_node *c = node->first; c != NULL; c = c->next)
        unknown = unknown || find(s, c->key) == NULL;
    if (n == 0 && !unknown)
        gw_decode_error(d, path, "%s needs one of %s", s->what, keys);
    else if (n > 1)
        gw_decode_error(d, path, "%s has only one of %s, not %zu of them", s->what, keys, n);
}

/* Is there an unknown key that was meant to be this one? */
static bool misspelt(const struct gw_schema *s, const struct gw_node *node, const char *key)
{
    const char *const words[] = { key, NULL };
    for (const struct gw_node *c = node->first; c != NULL; c = c->next) {
        if (find(s, c->key) == NULL && gw_near_miss(c->key, words) != NULL)
            return true;
    }
    return false;
}

static void missing(struct gw_decode *d, const struct gw_schema *s, const struct gw_field *f,
                    const struct gw_node *node, const char *path)
{
    char what[GW_FIELD_TEXT_MAX];
    if (misspelt(s, node, f->key))
        return; /* said there */
    gw_field_describe(f, what);
    gw_decode_error(d, path, "\"%s\" is missing: %s", f->key, what);
}

void gw_decode(struct gw_decode *d, const struct gw_schema *schema, const struct gw_node *node,
               const char *path, void *ret)
{
    char what[96], where[GW_PLAN_PATH_TEXT];
    snprintf(what, sizeof what, "a mapping of keys (%s)", schema->what);
    if (node != NULL && !gw_decode_kind(d, node, GW_NODE_MAP, what, path))
        node = NULL;
    for (size_t i = 0; i < schema->n; i++) {
        const struct gw_field *f = &schema->field[i];
        const struct gw_node *c = node != NULL ? gw_node_get(node, f->key) : NULL;
        if (c == NULL) {
            fall_back(d, f, ret);
            if (f->required && node != NULL)
                missing(d, schema, f, node, path);
            continue;
        }
        gw_decode_path_key(where, path, f->key);
        field(d, f, c, where, ret);
    }
    for (const struct gw_node *c = node != NULL ? node->first : NULL; c != NULL; c = c->next) {
        gw_decode_path_key(where, path, c->key);
        if (find(schema, c->key) == NULL)
            other_key(d, schema, c, where, ret);
    }
    if (schema->one_of != NULL && node != NULL)
        check_one_of(d, schema, node, path);
}
