// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "plan/doc.h"

#include "plan/doc_internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MEMBERS_MAX 1000u /* keys of one map: they are compared with each other */
#define BYTES_PER_NODE 256u

enum gw_doc_format gw_doc_format_of(const char *name)
{
    size_t n = strlen(name);
    return n >= 5 && strcmp(name + n - 5, ".json") == 0 ? GW_DOC_JSON : GW_DOC_YAML;
}

int gw_doc_refuse(struct gw_doc_build *b, unsigned line, unsigned column, const char *fmt, ...)
{
    char text[GW_ERROR_MSG_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    gw_plan_errors_add(b->errors, line, column, "", "%s", text);
    return gw_error_set(b->err, -EINVAL, "%s", text);
}

static int no_memory(struct gw_doc_build *b)
{
    return gw_error_set(b->err, -ENOMEM, "out of memory");
}

unsigned gw_utf8_len(const uint8_t *p, size_t left)
{
    uint32_t c;
    unsigned n;
    if (p[0] < 0x80)
        return 1;
    if (p[0] >= 0xc2 && p[0] <= 0xdf)
        n = 2, c = p[0] & 0x1fu;
    else if (p[0] >= 0xe0 && p[0] <= 0xef)
        n = 3, c = p[0] & 0x0fu;
    else if (p[0] >= 0xf0 && p[0] <= 0xf4)
        n = 4, c = p[0] & 0x07u;
    else
        return 0;
    if (n > left)
        return 0;
    for (unsigned i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (p[i] & 0x3fu);
    }
    bool overlong = (n == 3 && c < 0x800) || (n == 4 && c < 0x10000);
    return overlong || (c >= 0xd800 && c <= 0xdfff) || c > 0x10ffff ? 0 : n;
}

/* Would this character do something to a terminal? Line breaks and tabs are not meant. */
static bool is_control(const uint8_t *p, size_t left)
{
    if (*p == '\n' || *p == '\t')
        return false;
    return *p < 0x20 || *p == 0x7f || (*p == 0xc2 && left > 1 && p[1] >= 0x80 && p[1] <= 0x9f);
}

/* Both formats are UTF-8 text: say where it is not, before a parser says it in its own words. */
static int check_bytes(struct gw_doc_build *b, const uint8_t *bytes, size_t len)
{
    unsigned line = 1, column = 1;
    for (size_t i = 0; i < len;) {
        unsigned n = gw_utf8_len(bytes + i, len - i);
        if (n == 0)
            return gw_doc_refuse(b, line, column, "not UTF-8: byte 0x%02x", bytes[i]);
        if (bytes[i] != '\r' && is_control(bytes + i, len - i))
            return gw_doc_refuse(b, line, column, "a control character (0x%02x)", bytes[i + n - 1]);
        column++;
        if (bytes[i] == '\n') {
            line++;
            column = 1;
        }
        i += n;
    }
    return 0;
}

int gw_doc_key(struct gw_doc_build *b, const char *text, size_t len, unsigned line, unsigned column)
{
    char quote[GW_PLAN_QUOTE_TEXT];
    gw_plan_quote(text, len, quote);
    const struct gw_node *map = b->open[b->depth - 1];
    if (len == 0)
        return gw_doc_refuse(b, line, column, "a key without a name");
    if (len > GW_DOC_KEY_MAX)
        return gw_doc_refuse(b, line, column, "the key \"%s\" is longer than %u bytes", quote,
                             GW_DOC_KEY_MAX);
    for (size_t i = 0; i < len; i++) {
        if (is_control((const uint8_t *)text + i, len - i) || text[i] == '\n' || text[i] == '\t')
            return gw_doc_refuse(b, line, column, "a control character in the key \"%s\"", quote);
    }
    if (map->n >= MEMBERS_MAX)
        return gw_doc_refuse(b, line, column, "more than %u keys in one mapping", MEMBERS_MAX);
    char *key = gw_arena_text(b->doc->arena, text, len);
    if (key == NULL)
        return no_memory(b);
    const struct gw_node *twin = gw_node_get(map, key);
    if (twin != NULL)
        return gw_doc_refuse(b, line, column, "the key \"%s\" is here twice (first in line %u)",
                             quote, twin->key_line);
    b->key = key;
    b->key_line = line;
    b->key_column = column;
    return 0;
}

/* A new node in its place. */
static int place(struct gw_doc_build *b, enum gw_node_kind kind, unsigned line, unsigned column,
                 struct gw_node **ret)
{
    if (++b->nodes > GW_DOC_NODES_MAX)
        return gw_doc_refuse(b, line, column, "more than %u values", GW_DOC_NODES_MAX);
    struct gw_node *node = gw_arena_alloc(b->doc->arena, sizeof *node);
    if (node == NULL)
        return no_memory(b);
    node->kind = kind;
    node->line = line;
    node->column = column;
    struct gw_node *parent = b->depth > 0 ? b->open[b->depth - 1] : NULL;
    if (parent == NULL) {
        b->doc->root = node;
    } else {
        if (parent->kind == GW_NODE_MAP) {
            node->key = b->key;
            node->key_line = b->key_line;
            node->key_column = b->key_column;
            b->key = NULL;
        }
        if (parent->last == NULL)
            parent->first = node;
        else
            parent->last->next = node;
        parent->last = node;
        parent->n++;
    }
    *ret = node;
    return 0;
}

int gw_doc_scalar(struct gw_doc_build *b, enum gw_scalar scalar, const char *text, size_t len,
                  unsigned line, unsigned column)
{
    struct gw_node *node = NULL;
    int r = place(b, GW_NODE_SCALAR, line, column, &node);
    if (node == NULL)
        return r;
    for (size_t i = 0; i < len; i++) { /* escapes can make what the bytes must not have */
        const uint8_t *p = (const uint8_t *)text + i;
        if (is_control(p, len - i))
            return gw_doc_refuse(b, line, column, "a control character (0x%02x) in a text",
                                 *p == 0xc2 ? p[1] : *p);
    }
    node->scalar = scalar;
    node->text = gw_arena_text(b->doc->arena, text, len);
    node->len = len;
    return node->text == NULL ? no_memory(b) : 0;
}

int gw_doc_open(struct gw_doc_build *b, enum gw_node_kind kind, unsigned line, unsigned column)
{
    struct gw_node *node = NULL;
    if (b->depth >= GW_DOC_DEPTH_MAX)
        return gw_doc_refuse(b, line, column, "nested deeper than %u levels", GW_DOC_DEPTH_MAX);
    int r = place(b, kind, line, column, &node);
    if (node != NULL)
        b->open[b->depth++] = node;
    return r;
}

void gw_doc_close(struct gw_doc_build *b)
{
    b->depth--;
}

int gw_doc_parse(const void *bytes, size_t len, enum gw_doc_format format,
                 struct gw_plan_errors *errors, struct gw_doc **ret, struct gw_error *err)
{
    static const uint8_t mark[] = { 0xef, 0xbb, 0xbf }; /* that editors put before UTF-8 */
    struct gw_error why = { 0 };
    struct gw_doc *doc = calloc(1, sizeof *doc);
    if (doc == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    struct gw_doc_build b = { .doc = doc, .errors = errors, .err = &why };
    doc->format = format;
    doc->arena = gw_arena_new((size_t)GW_DOC_NODES_MAX * BYTES_PER_NODE + 4 * GW_DOC_BYTES_MAX);
    int r = doc->arena == NULL ? no_memory(&b) : 0;
    if (r == 0 && len > GW_DOC_BYTES_MAX) {
        gw_doc_refuse(&b, 0, 0, "larger than %u bytes", GW_DOC_BYTES_MAX);
        r = why.code = -EMSGSIZE;
    }
    const uint8_t *text = bytes;
    if (len >= sizeof mark && memcmp(text, mark, sizeof mark) == 0) {
        text += sizeof mark;
        len -= sizeof mark;
    }
    if (r == 0)
        r = check_bytes(&b, text, len);
    if (r == 0)
        r = format == GW_DOC_JSON ? gw_doc_json(&b, text, len) : gw_doc_yaml(&b, text, len);
    if (r == 0 && (doc->root == NULL ||
                   (doc->root->kind == GW_NODE_SCALAR && doc->root->scalar == GW_SCALAR_NOTHING)))
        r = gw_doc_refuse(&b, 1, 1, "there is nothing in it");
    if (r < 0) {
        gw_doc_free(doc);
        return gw_error_set(err, r, "%s", why.msg);
    }
    *ret = doc;
    return 0;
}

void gw_doc_free(struct gw_doc *doc)
{
    if (doc == NULL)
        return;
    gw_arena_free(doc->arena);
    free(doc);
}

const struct gw_node *gw_doc_root(const struct gw_doc *doc)
{
    return doc->root;
}

enum gw_doc_format gw_doc_format(const struct gw_doc *doc)
{
    return doc->format;
}

const struct gw_node *gw_node_get(const struct gw_node *map, const char *key)
{
    if (map->kind != GW_NODE_MAP)
        return NULL;
    const struct gw_node *node = map->first;
    while (node != NULL && strcmp(node->key, key) != 0)
        node = node->next;
    return node;
}

const struct gw_node *gw_node_at(const struct gw_node *list, size_t index)
{
    const struct gw_node *node = list->kind == GW_NODE_LIST ? list->first : NULL;
    for (; node != NULL && index > 0; index--)
        node = node->next;
    return node;
}

/* One step of a path: "[3]", ".name" or "name"; moves *path behind it. */
static const struct gw_node *step(const struct gw_node *node, const char **path)
{
    const char *p = *path;
    if (*p == '[') {
        char *end = NULL;
        unsigned long index = strtoul(p + 1, &end, 10);
        *path = *end == ']' ? end + 1 : end + strlen(end);
        return gw_node_at(node, index);
    }
    char key[GW_DOC_KEY_MAX + 1];
    p += *p == '.';
    size_t n = strcspn(p, ".[");
    *path = p + n;
    if (n >= sizeof key)
        return NULL;
    memcpy(key, p, n);
    key[n] = '\0';
    return gw_node_get(node, key);
}

const struct gw_node *gw_node_walk(const struct gw_node *root, const char *path)
{
    const struct gw_node *node = root;
    while (*path != '\0') {
        const struct gw_node *next = step(node, &path);
        if (next == NULL)
            break;
        node = next;
    }
    return node;
}

const char *gw_node_what(const struct gw_node *node)
{
    switch (node->kind) {
    case GW_NODE_LIST:
        return "a list";
    case GW_NODE_MAP:
        return "a mapping";
    case GW_NODE_SCALAR:
        break;
    }
    return node->scalar == GW_SCALAR_NOTHING ? "nothing" : "a single value";
}
