// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Volumes and sites by what they mean; everything else by comparing the canonical documents. */
#include "plan/planfile_diff.h"

#include "base/cleanup.h"
#include "plan/arena.h"
#include "plan/encode.h"
#include "plan/planfile_schema.h"
#include "plan/value.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHOWN_BYTES_MAX 100 /* of a value in a sentence */
#define CHANGES_BYTES_MAX (16u * 1024u * 1024u)

struct diff {
    const struct gw_planfile *old, *new;
    struct gw_planfile_changes found;
    size_t room; /* of found.item */
    bool no_memory;
};

void gw_planfile_changes_done(struct gw_planfile_changes *changes)
{
    gw_arena_free(changes->arena); /* with all of them in it */
    *changes = (struct gw_planfile_changes){ 0 };
}

/* Room for one more; false: out of memory. */
static bool make_room(struct gw_planfile_changes *all, size_t *room)
{
    if (all->n < *room)
        return true;
    size_t more = *room * 2 + 16;
    struct gw_planfile_change *item = gw_arena_array(all->arena, more, sizeof *item);
    if (item == NULL)
        return false;
    for (size_t i = 0; i < all->n; i++)
        item[i] = all->item[i];
    all->item = item;
    *room = more;
    return true;
}

/* The new entry, to be completed, or NULL. */
static struct gw_planfile_change *add(struct diff *d, enum gw_planfile_change_kind kind,
                                      const char *path, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

static struct gw_planfile_change *add(struct diff *d, enum gw_planfile_change_kind kind,
                                      const char *path, const char *fmt, ...)
{
    struct gw_planfile_changes *all = &d->found;
    char text[GW_PLAN_SENTENCE_TEXT];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    char *path_copy = gw_arena_text(all->arena, path, strlen(path));
    char *sentence = gw_arena_text(all->arena, text, strlen(text));
    if (path_copy == NULL || sentence == NULL || !make_room(all, &d->room)) {
        d->no_memory = true;
        return NULL;
    }
    struct gw_planfile_change *item = &all->item[all->n++];
    *item = (struct gw_planfile_change){ .kind = kind, .path = path_copy, .sentence = sentence };
    all->n_refused += kind == GW_CHANGE_REFUSED;
    return item;
}

/* ---- sites --------------------------------------------------------------------------------------
 */

static void diff_sites(struct diff *d)
{
    const struct gw_planfile *o = d->old, *n = d->new;
    if (strcmp(o->plan, n->plan) != 0)
        add(d, GW_CHANGE_REFUSED, "plan", "plan %s cannot be renamed to %s: make a new plan",
            o->plan, n->plan);
    if (strcmp(o->home, n->dr) == 0 && strcmp(o->dr, n->home) == 0) {
        add(d, GW_CHANGE_REFUSED, "home",
            "home and dr cannot be swapped by an edit: after a failover \"godwit adopt %s\" does "
            "it; \"godwit switchover %s\" changes only where it runs",
            o->plan, o->plan);
        return;
    }
    if (strcmp(o->home, n->home) != 0)
        add(d, GW_CHANGE_REFUSED, "home",
            "home cannot change from %s to %s by an edit: new hardware is \"godwit site replace "
            "%s\", another site is a new plan",
            o->home, n->home, o->home);
    if (strcmp(o->dr, n->dr) != 0)
        add(d, GW_CHANGE_REFUSED, "dr",
            "dr cannot change from %s to %s by an edit: new hardware is \"godwit site replace "
            "%s\", another site is a new plan",
            o->dr, n->dr, o->dr);
}

/* ---- volumes ------------------------------------------------------------------------------------
 */

/* Name and sizes of the entry that was just made. */
static void of_volume(struct diff *d, struct gw_planfile_change *c, const char *name,
                      uint64_t old_bytes, uint64_t new_bytes)
{
    if (c == NULL)
        return;
    c->name = gw_arena_text(d->found.arena, name, strlen(name));
    d->no_memory = d->no_memory || c->name == NULL;
    c->old_bytes = old_bytes;
    c->new_bytes = new_bytes;
}

static void diff_size(struct diff *d, const struct gw_planfile_volume *o,
                      const struct gw_planfile_volume *n)
{
    char path[GW_PLAN_PATH_TEXT], from[GW_VALUE_TEXT], to[GW_VALUE_TEXT];
    snprintf(path, sizeof path, "volumes.%s.size", o->name);
    gw_size_format_exact(o->size_bytes, from);
    gw_size_format_exact(n->size_bytes, to);
    struct gw_planfile_change *c = NULL;
    if (n->size_bytes == o->size_bytes)
        return;
    if (n->size_bytes > o->size_bytes)
        c = add(d, GW_CHANGE_VOLUME_GROWN, path, "volume %s grows from %s to %s", o->name, from,
                to);
    else
        c = add(d, GW_CHANGE_REFUSED, path,
                "volume %s cannot shrink from %s to %s: what is behind the new end would be lost; "
                "add a smaller volume and copy",
                o->name, from, to);
    of_volume(d, c, o->name, o->size_bytes, n->size_bytes);
}

static void diff_path(struct diff *d, const struct gw_planfile_volume *o,
                      const struct gw_planfile_volume *n, const char *site)
{
    const char *from = gw_planfile_path(d->old, o, site), *to = gw_planfile_path(d->new, n, site);
    char path[GW_PLAN_PATH_TEXT];
    if (from == NULL || to == NULL || strcmp(from, to) == 0)
        return; /* another site: said there */
    snprintf(path, sizeof path, "volumes.%s.at.%s", o->name, site);
    struct gw_planfile_change *c =
        add(d, GW_CHANGE_REFUSED, path,
            "volume %s cannot move from %.200s to %.200s at %s by an edit: remove it from the plan "
            "and add it again, or leave a link at the old path",
            o->name, from, to, site);
    of_volume(d, c, o->name, o->size_bytes, n->size_bytes);
}

/* A volume of the old plan that is gone from the new one and had a path that `n` has now. */
static const struct gw_planfile_volume *renamed_from(const struct diff *d,
                                                     const struct gw_planfile_volume *n)
{
    for (size_t i = 0; i < d->old->n_volumes; i++) {
        const struct gw_planfile_volume *o = &d->old->volumes[i];
        if (gw_planfile_volume(d->new, o->name) == NULL &&
            (strcmp(o->at.home, n->at.home) == 0 || strcmp(o->at.dr, n->at.dr) == 0))
            return o;
    }
    return NULL;
}

static void added(struct diff *d, const struct gw_planfile_volume *n)
{
    char path[GW_PLAN_PATH_TEXT], size[GW_VALUE_TEXT];
    const struct gw_planfile_volume *o = renamed_from(d, n);
    struct gw_planfile_change *c = NULL;
    snprintf(path, sizeof path, "volumes.%s", n->name);
    gw_size_format_exact(n->size_bytes, size);
    if (o != NULL)
        c = add(d, GW_CHANGE_REFUSED, path,
                "volume %s cannot be renamed to %s, whose path it has: remove it in one edit and "
                "add it in the next",
                o->name, n->name);
    else
        c = add(d, GW_CHANGE_VOLUME_ADDED, path, "volume %s (%s) is added", n->name, size);
    of_volume(d, c, n->name, 0, n->size_bytes);
}

/* The same volumes, and nothing but their order is new. */
static void diff_order(struct diff *d)
{
    for (size_t i = 0; i < d->old->n_volumes && d->old->n_volumes == d->new->n_volumes; i++) {
        if (strcmp(d->old->volumes[i].name, d->new->volumes[i].name) != 0) {
            add(d, GW_CHANGE_SETTING, "volumes", "volumes are in another order");
            return;
        }
    }
}

static void diff_volumes(struct diff *d)
{
    char path[GW_PLAN_PATH_TEXT];
    size_t before = d->found.n;
    for (size_t i = 0; i < d->old->n_volumes; i++) {
        const struct gw_planfile_volume *o = &d->old->volumes[i];
        const struct gw_planfile_volume *n = gw_planfile_volume(d->new, o->name);
        if (n != NULL) {
            diff_size(d, o, n);
            diff_path(d, o, n, d->old->home);
            diff_path(d, o, n, d->old->dr);
            continue;
        }
        snprintf(path, sizeof path, "volumes.%s", o->name);
        of_volume(d,
                  add(d, GW_CHANGE_VOLUME_REMOVED, path,
                      "volume %s is removed from the plan: its data stays where it is, unprotected",
                      o->name),
                  o->name, o->size_bytes, 0);
    }
    for (size_t i = 0; i < d->new->n_volumes; i++) {
        if (gw_planfile_volume(d->old, d->new->volumes[i].name) == NULL)
            added(d, &d->new->volumes[i]);
    }
    if (d->found.n == before)
        diff_order(d);
}

/* ---- everything else
 * ------------------------------------------------------------------------------ */

static void compare(struct diff *d, const json_t *o, const json_t *n, const char *path);

static void show(const json_t *value, char ret[SHOWN_BYTES_MAX + 8])
{
    char quote[GW_PLAN_QUOTE_TEXT];
    CLEANUP_FREE char *text = json_is_string(value)
                                  ? strdup(json_string_value(value))
                                  : json_dumps(value, JSON_ENCODE_ANY | JSON_SORT_KEYS);
    snprintf(ret, SHOWN_BYTES_MAX + 8, "%s",
             text == NULL ? "?" : gw_plan_quote(text, strlen(text), quote));
}

/* Neither has parts to look into, or one of them is not there. */
static void change(struct diff *d, const json_t *o, const json_t *n, const char *path)
{
    char from[SHOWN_BYTES_MAX + 8], to[SHOWN_BYTES_MAX + 8];
    show(o, from);
    show(n, to);
    if (o == NULL)
        add(d, GW_CHANGE_SETTING, path, "%s is added: %s", path, to);
    else if (n == NULL)
        add(d, GW_CHANGE_SETTING, path, "%s is removed (it was %s)", path, from);
    else
        add(d, GW_CHANGE_SETTING, path, "%s changes from %s to %s", path, from, to);
}

static void below(char ret[GW_PLAN_PATH_TEXT], const char *path, const char *key)
{
    snprintf(ret, GW_PLAN_PATH_TEXT, "%.150s%s%.100s", path, path[0] != '\0' ? "." : "", key);
}

static const char *name_of(const json_t *item)
{
    return json_string_value(json_object_get(item, "name"));
}

static const json_t *by_name(const json_t *list, const char *name)
{
    size_t i;
    const json_t *item;
    json_array_foreach((json_t *)(uintptr_t)list, i, item)
    {
        const char *other = name_of(item);
        if (other != NULL && strcmp(other, name) == 0)
            return item;
    }
    return NULL;
}

/* All items have a name, and no two the same one. */
static bool is_named(const json_t *list)
{
    size_t i;
    const json_t *item;
    json_array_foreach((json_t *)(uintptr_t)list, i, item)
    {
        if (name_of(item) == NULL || by_name(list, name_of(item)) != item)
            return false;
    }
    return json_array_size(list) > 0;
}

static void compare_lists(struct diff *d, const json_t *o, const json_t *n, const char *path)
{
    size_t i;
    const json_t *item;
    char where[GW_PLAN_PATH_TEXT];
    size_t before = d->found.n;
    if (!is_named(o) || !is_named(n)) {
        change(d, o, n, path);
        return;
    }
    json_array_foreach((json_t *)(uintptr_t)o, i, item)
    {
        below(where, path, name_of(item));
        const json_t *twin = by_name(n, name_of(item));
        if (twin == NULL || !json_equal(item, twin))
            compare(d, item, twin, where);
    }
    json_array_foreach((json_t *)(uintptr_t)n, i, item)
    {
        below(where, path, name_of(item));
        if (by_name(o, name_of(item)) == NULL)
            change(d, NULL, item, where);
    }
    if (d->found.n == before)
        add(d, GW_CHANGE_SETTING, path, "%s are in another order", path);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The keys of both, sorted, each once. */
static void compare_maps(struct diff *d, const json_t *o, const json_t *n, const char *path)
{
    size_t max = json_object_size(o) + json_object_size(n), k = 0;
    CLEANUP_FREE const char **keys = calloc(max + 1, sizeof *keys);
    const char *key;
    const json_t *value;
    if (keys == NULL) {
        d->no_memory = true;
        return;
    }
    json_object_foreach((json_t *)(uintptr_t)o, key, value) keys[k++] = key;
    json_object_foreach((json_t *)(uintptr_t)n, key, value)
    {
        if (json_object_get(o, key) == NULL)
            keys[k++] = key;
    }
    qsort(keys, k, sizeof *keys, by_text);
    for (size_t i = 0; i < k; i++) {
        char where[GW_PLAN_PATH_TEXT];
        below(where, path, keys[i]);
        compare(d, json_object_get(o, keys[i]), json_object_get(n, keys[i]), where);
    }
}

/* The depth is that of our own tables. */
static void compare(struct diff *d, const json_t *o, const json_t *n, const char *path)
{
    if (o != NULL && n != NULL && json_equal(o, n))
        return;
    if (json_is_object(o) && json_is_object(n))
        compare_maps(d, o, n, path);
    else if (json_is_array(o) && json_is_array(n))
        compare_lists(d, o, n, path);
    else
        change(d, o, n, path);
}

/* The canonical document without what is compared by its meaning. */
static json_t *rest_of(const struct gw_planfile *plan)
{
    static const char *const done[] = { "plan", "home", "dr", "volumes" };
    struct gw_encode_sites sites = { plan->home, plan->dr };
    json_t *map = gw_encode(&gw_planfile_schema, plan, &sites);
    for (size_t i = 0; map != NULL && i < sizeof done / sizeof done[0]; i++)
        json_object_del(map, done[i]);
    return map;
}

int gw_planfile_diff(const struct gw_planfile *old, const struct gw_planfile *new,
                     struct gw_planfile_changes *ret, struct gw_error *err)
{
    struct diff d = { .old = old, .new = new, .found.arena = gw_arena_new(CHANGES_BYTES_MAX) };
    json_t *o = rest_of(old), *n = rest_of(new);
    d.no_memory = o == NULL || n == NULL || d.found.arena == NULL;
    if (!d.no_memory) {
        diff_sites(&d);
        diff_volumes(&d);
        compare(&d, o, n, "");
    }
    json_decref(o);
    json_decref(n);
    if (d.no_memory) {
        gw_planfile_changes_done(&d.found);
        return gw_error_set(err, -ENOMEM, "out of memory");
    }
    *ret = d.found;
    return 0;
}
