// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Lists and mappings of single values; what differs by site. */
#include "plan/decode.h"
#include "plan/decode_internal.h"
#include "plan/near.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct gw_field text_field = { .key = "", .type = GW_FIELD_TEXT };
static const struct gw_field url_field = { .key = "", .type = GW_FIELD_URL };
static const struct gw_field path_field = { .key = "", .type = GW_FIELD_PATH };

void gw_decode_path_key(char ret[GW_PLAN_PATH_TEXT], const char *path, const char *key)
{
    char quote[GW_PLAN_QUOTE_TEXT];
    gw_plan_quote(key, strlen(key), quote);
    snprintf(ret, GW_PLAN_PATH_TEXT, "%.180s%s%s", path, path[0] != '\0' ? "." : "", quote);
}

void gw_decode_path_index(char ret[GW_PLAN_PATH_TEXT], const char *path, size_t i)
{
    snprintf(ret, GW_PLAN_PATH_TEXT, "%.230s[%zu]", path, i);
}

/* ---- lists of single values ----------------------------------------------------------------- */

static void texts_of(struct gw_decode *d, const struct gw_field *item, const struct gw_node *node,
                     const char *path, struct gw_texts *at)
{
    struct gw_node alone = { 0 };
    if (node->kind == GW_NODE_SCALAR && node->scalar != GW_SCALAR_NOTHING) {
        alone = (struct gw_node){ .kind = GW_NODE_LIST, .n = 1, .first = NULL };
    } else if (!gw_decode_kind(d, node, GW_NODE_LIST, "a list of texts", path)) {
        return;
    }
    size_t n = alone.n == 1 ? 1 : node->n;
    if (n == 0 || n > GW_ARGV_MAX) {
        gw_decode_error(d, path,
                        n == 0 ? "the list is empty; fill it or leave the key out"
                               : "more than 256 items");
        return;
    }
    const char **list = gw_decode_array(d, n + 1, sizeof *list);
    if (list == NULL)
        return;
    const struct gw_node *child = alone.n == 1 ? node : node->first;
    bool ok = true;
    for (size_t i = 0; i < n && child != NULL; i++, child = child->next) {
        char where[GW_PLAN_PATH_TEXT];
        gw_decode_path_index(where, path, i);
        gw_decode_scalar(d, item, child, alone.n == 1 ? path : where, &list[i]);
        ok = ok && list[i] != NULL;
    }
    if (ok)
        *at = (struct gw_texts){ .n = n, .item = list };
}

/* A shell line where a program and its arguments are expected. */
static void shell_line(struct gw_decode *d, const char *text, const char *path)
{
    char words[GW_PLAN_SENTENCE_TEXT / 2] = "", copy[128];
    size_t len = 0;
    if (strlen(text) >= sizeof copy || strpbrk(text, "\"'\\$|&;<>`*\n\t") != NULL) {
        gw_decode_error(d, path,
                        "expected a program and its arguments as a list, found one text; "
                        "for a shell line write [\"/bin/sh\", \"-c\", \"...\"]");
        return;
    }
    snprintf(copy, sizeof copy, "%s", text);
    char *rest = copy;
    for (char *word; (word = strsep(&rest, " ")) != NULL;) {
        if (word[0] != '\0' && len < sizeof words - 1)
            len += (size_t)snprintf(words + len, sizeof words - len, "%s\"%s\"",
                                    len > 0 ? ", " : "", word);
    }
    gw_decode_error(d, path,
                    "expected a program and its arguments as a list, found one text; did "
                    "you mean [%s]?",
                    words);
}

void gw_decode_argv(struct gw_decode *d, const struct gw_node *node, const char *path,
                    struct gw_texts *at)
{
    if (node->kind == GW_NODE_SCALAR && node->scalar != GW_SCALAR_NOTHING) {
        shell_line(d, node->text, path);
        return;
    }
    texts_of(d, &text_field, node, path, at);
}

static int pair_order(const void *a, const void *b)
{
    return strcmp(((const struct gw_pair *)a)->key, ((const struct gw_pair *)b)->key);
}

void gw_decode_pairs(struct gw_decode *d, const struct gw_node *node, const char *path,
                     struct gw_pairs *at)
{
    if (!gw_decode_kind(d, node, GW_NODE_MAP, "a mapping of keys to texts", path) || node->n == 0)
        return;
    struct gw_pair *list = gw_decode_array(d, node->n, sizeof *list);
    if (list == NULL)
        return;
    size_t n = 0;
    for (const struct gw_node *c = node->first; c != NULL; c = c->next) {
        char where[GW_PLAN_PATH_TEXT];
        gw_decode_path_key(where, path, c->key);
        list[n].value = NULL;
        gw_decode_scalar(d, &text_field, c, where, &list[n].value);
        list[n].key = gw_arena_text(d->arena, c->key, strlen(c->key));
        if (list[n].key == NULL)
            d->failed = d->exhausted = true;
        n += list[n].key != NULL && list[n].value != NULL;
    }
    qsort(list, n, sizeof *list, pair_order);
    *at = (struct gw_pairs){ .n = n, .item = list };
}

void gw_decode_texts(struct gw_decode *d, const struct gw_node *node, const char *path,
                     struct gw_texts *at)
{
    texts_of(d, &text_field, node, path, at);
}

void gw_decode_urls(struct gw_decode *d, const struct gw_node *node, const char *path,
                    struct gw_texts *at)
{
    texts_of(d, &url_field, node, path, at);
}

/* ---- by site -------------------------------------------------------------------------------- */

bool gw_decode_is_site(const char *site, const char *key)
{
    return site != NULL && strcmp(site, key) == 0;
}

/* A key that should name a site and does not. */
static void not_a_site(struct gw_decode *d, const char *key, const char *path)
{
    const char *const sites[] = { d->home, d->dr, NULL };
    if (d->home == NULL || d->dr == NULL)
        return; /* that is wrong already, and this only because of it */
    const char *near = gw_near_miss(key, sites);
    if (near != NULL)
        gw_decode_error(d, path, "not a site of this plan; did you mean \"%s\"?", near);
    else
        gw_decode_error(d, path, "not a site of this plan, which are \"%s\" and \"%s\"", d->home,
                        d->dr);
}

/* Is there a key that was meant to be this site? */
static bool misspelt_site(const struct gw_decode *d, const struct gw_node *node, const char *site)
{
    const char *const words[] = { site, NULL };
    for (const struct gw_node *c = node->first; c != NULL; c = c->next) {
        if (!gw_decode_is_site(d->home, c->key) && !gw_decode_is_site(d->dr, c->key) &&
            gw_near_miss(c->key, words) != NULL)
            return true;
    }
    return false;
}

static void at_missing(struct gw_decode *d, const struct gw_node *node, const char *path)
{
    const char *const sites[] = { d->home, d->dr };
    for (size_t i = 0; d->home != NULL && d->dr != NULL && i < 2; i++) {
        if (gw_node_get(node, sites[i]) == NULL && !misspelt_site(d, node, sites[i]))
            gw_decode_error(d, path, "nothing is said for site \"%s\"", sites[i]);
    }
}

void gw_decode_at_paths(struct gw_decode *d, const struct gw_node *node, const char *path,
                        struct gw_at_path *at)
{
    if (!gw_decode_kind(d, node, GW_NODE_MAP, "a mapping of the two sites to paths", path))
        return;
    for (const struct gw_node *c = node->first; c != NULL; c = c->next) {
        char where[GW_PLAN_PATH_TEXT];
        const char *unused = NULL;
        gw_decode_path_key(where, path, c->key);
        if (gw_decode_is_site(d->home, c->key))
            gw_decode_scalar(d, &path_field, c, where, &at->home);
        else if (gw_decode_is_site(d->dr, c->key))
            gw_decode_scalar(d, &path_field, c, where, &at->dr);
        else {
            gw_decode_scalar(d, &path_field, c, where, &unused);
            not_a_site(d, c->key, where);
        }
    }
    at_missing(d, node, path);
}

void gw_decode_at_texts(struct gw_decode *d, const struct gw_node *node, const char *path,
                        struct gw_at_texts *at)
{
    if (!gw_decode_kind(d, node, GW_NODE_MAP, "a mapping of the two sites to texts", path))
        return;
    for (const struct gw_node *c = node->first; c != NULL; c = c->next) {
        char where[GW_PLAN_PATH_TEXT];
        gw_decode_path_key(where, path, c->key);
        if (gw_decode_is_site(d->home, c->key))
            texts_of(d, &text_field, c, where, &at->home);
        else if (gw_decode_is_site(d->dr, c->key))
            texts_of(d, &text_field, c, where, &at->dr);
        else
            not_a_site(d, c->key, where);
    }
}
