// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* What a plan says that nothing acts on yet: rows of the table are marked, this walks them. */
#include "base/cleanup.h"
#include "plan/arena.h"
#include "plan/decode.h"
#include "plan/encode.h"
#include "plan/planfile.h"
#include "plan/planfile_schema.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define DEFAULTS_BYTES_MAX (64u * 1024u)

struct walk {
    const struct gw_encode_sites *sites;
    struct gw_plan_errors *ret;
};

/* A key of our own table. */
static const struct gw_field *field_of(const struct gw_schema *s, const char *key)
{
    size_t i = 0;
    while (i < s->n && strcmp(s->field[i].key, key) != 0)
        i++;
    assert(i < s->n);
    return &s->field[i];
}

/* Does the field say something else than if it were left out? */
static bool is_said(const struct walk *w, const struct gw_schema *s, const struct gw_field *f,
                    const void *base)
{
    bool absent = false, absent_default = false, said = true;
    struct gw_arena *arena = gw_arena_new(DEFAULTS_BYTES_MAX);
    void *defaults = arena == NULL ? NULL : gw_arena_alloc(arena, s->bytes);
    if (defaults != NULL) {
        struct gw_decode d = { .arena = arena };
        gw_decode(&d, s, NULL, "", defaults);
        json_t *a = gw_encode_field(f, base, w->sites, &absent);
        json_t *b = gw_encode_field(f, defaults, w->sites, &absent_default);
        said = absent != absent_default || (!absent && !json_equal(a, b));
        json_decref(a);
        json_decref(b);
    }
    gw_arena_free(arena);
    return said;
}

static void walk(const struct walk *w, const struct gw_schema *s, const char *base,
                 const char *path);

static void walk_below(const struct walk *w, const struct gw_field *f, const char *base,
                       const char *path)
{
    const char *at = base + f->offset;
    char where[GW_PLAN_PATH_TEXT];
    if (f->type == GW_FIELD_OBJECT) {
        walk(w, f->sub, at, path);
    } else if (f->type == GW_FIELD_OPTION) {
        at = *(const char *const *)(const void *)at;
        if (at != NULL)
            walk(w, f->sub, at, path);
    } else if (f->type == GW_FIELD_LIST) {
        const char *items = *(const char *const *)(const void *)at;
        size_t n = *(const size_t *)(const void *)(base + f->offset_n);
        for (size_t i = 0; i < n; i++) {
            snprintf(where, sizeof where, "%.230s[%zu]", path, i);
            walk(w, f->sub, items + i * f->sub->bytes, where);
        }
    }
}

static void walk(const struct walk *w, const struct gw_schema *s, const char *base,
                 const char *path)
{
    for (size_t i = 0; i < s->n; i++) {
        const struct gw_field *f = &s->field[i];
        char where[GW_PLAN_PATH_TEXT];
        snprintf(where, sizeof where, "%.180s%s%s", path, path[0] != '\0' ? "." : "", f->key);
        if (f->later) {
            if (is_said(w, s, f, base))
                gw_plan_errors_add(w->ret, 0, 0, where,
                                   "is kept, but this release does not act "
                                   "on it yet");
            continue;
        }
        if (f->words_later != 0) {
            int word = 0;
            memcpy(&word, base + f->offset, sizeof word);
            if ((f->words_later >> word & 1) != 0)
                gw_plan_errors_add(w->ret, 0, 0, where,
                                   "\"%s\" is kept, but this release does "
                                   "not act on it yet",
                                   f->words[word]);
        }
        walk_below(w, f, base, where);
    }
}

void gw_planfile_later(const struct gw_planfile *plan, struct gw_plan_errors *ret)
{
    struct gw_encode_sites sites = { plan->home, plan->dr };
    struct walk w = { .sites = &sites, .ret = ret };
    walk(&w, &gw_planfile_schema, (const char *)plan, "");
}

/* ---- drivers and routes ---- */

static const struct gw_schema *below(const struct gw_schema *s, const char *key)
{
    return field_of(s, key)->sub;
}

static const struct gw_field *driver_field(void)
{
    return field_of(below(below(&gw_planfile_schema, "groups"), "instances"), "driver");
}

const char *gw_driver_name(enum gw_driver driver)
{
    return driver_field()->words[driver];
}

bool gw_driver_supported(enum gw_driver driver)
{
    return (driver_field()->words_later >> driver & 1) == 0;
}

const char *gw_route_name(const struct gw_planfile_route *route)
{
    return route->dns != NULL       ? "dns"
           : route->haproxy != NULL ? "haproxy"
           : route->address != NULL ? "address"
                                    : "exec";
}

bool gw_route_supported(const struct gw_planfile_route *route)
{
    return !field_of(below(&gw_planfile_schema, "routes"), gw_route_name(route))->later;
}
