// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "plan/parse.h"

#include "base/checked.h"
#include "plan/value.h"

#include <errno.h>
#include <string.h>

/* A node of the document becomes at most one of the largest structs. */
#define FILE_BYTES_MAX (GW_DOC_NODES_MAX * 512u + 4 * GW_DOC_BYTES_MAX)

/* What home and dr say, before anything else is decoded: other keys are named after them. */
static const char *site_of(const struct gw_doc *doc, const char *key)
{
    const struct gw_node *node = gw_node_get(gw_doc_root(doc), key);
    bool ok = node != NULL && node->kind == GW_NODE_SCALAR && gw_name_ok(node->text);
    return ok ? node->text : NULL;
}

/* The first sentence, and how many more. */
static int first_error(const char *name, const struct gw_plan_errors *errors, int r,
                       struct gw_error *err)
{
    char text[GW_PLAN_ERROR_TEXT];
    size_t n = gw_plan_errors_count(errors);
    if (errors->n == 0)
        return gw_error_set(err, r, "%.300s: out of memory", name);
    gw_plan_error_format(name, &errors->item[0], text);
    if (n == 1)
        return gw_error_set(err, r, "%s", text);
    return gw_error_set(err, r, "%.440s (and %zu more)", text, n - 1);
}

static int decode_into(struct gw_decode *d, gw_parse_check_fn *check, void **ret)
{
    void *file = gw_arena_alloc(d->arena, d->root->bytes);
    if (file == NULL)
        return -ENOMEM;
    gw_decode(d, d->root, gw_doc_root(d->doc), "", file);
    if (check != NULL && gw_doc_root(d->doc)->kind == GW_NODE_MAP)
        check(d, file);
    if (d->exhausted)
        return -ENOMEM;
    *ret = file;
    return d->failed ? -EINVAL : 0;
}

int gw_parse_file(const char *name, const void *bytes, size_t len, enum gw_doc_format format,
                  const struct gw_schema *schema, gw_parse_check_fn *check,
                  struct gw_plan_errors *errors, struct gw_arena **ret_arena, void **ret,
                  struct gw_error *err)
{
    struct gw_plan_errors own = { 0 };
    struct gw_doc *doc = NULL;
    struct gw_arena *arena = gw_arena_new(FILE_BYTES_MAX);
    void *file = NULL;
    if (errors == NULL)
        errors = &own;
    int r = arena == NULL ? -ENOMEM : gw_doc_parse(bytes, len, format, errors, &doc, NULL);
    if (r == 0) {
        struct gw_decode d = { .doc = doc,
                               .arena = arena,
                               .errors = errors,
                               .root = schema,
                               .home = site_of(doc, "home"),
                               .dr = site_of(doc, "dr") };
        r = decode_into(&d, check, &file);
    }
    gw_plan_errors_sort(errors);
    if (r < 0) {
        r = first_error(name, errors, r, err);
        gw_arena_free(arena);
    } else {
        *ret_arena = arena;
        *ret = file;
    }
    gw_doc_free(doc);
    gw_plan_errors_done(&own);
    return r;
}
