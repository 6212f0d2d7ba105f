// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "plan/encode.h"

#include "plan/cron.h"
#include "plan/decode_internal.h"
#include "plan/value.h"

#include <string.h>

static json_t *encode_texts(const struct gw_texts *t)
{
    json_t *list = json_array();
    for (size_t i = 0; i < t->n; i++) {
        if (json_array_append_new(list, json_string(t->item[i])) < 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *encode_objects(const struct gw_schema *s, const char *items, size_t n,
                              const struct gw_encode_sites *sites)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) {
        if (json_array_append_new(list, gw_encode(s, items + i * s->bytes, sites)) < 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *encode_pairs(const struct gw_pairs *p)
{
    json_t *map = json_object();
    for (size_t i = 0; i < p->n; i++) {
        if (json_object_set_new(map, p->item[i].key, json_string(p->item[i].value)) < 0) {
            json_decref(map);
            return NULL;
        }
    }
    return map;
}

/* {home: a, dr: b}; takes both references. */
static json_t *by_site(const struct gw_encode_sites *sites, json_t *home, json_t *dr)
{
    json_t *map = json_object();
    int r = 0;
    if (home != NULL)
        r |= json_object_set_new(map, sites->home, home);
    if (dr != NULL)
        r |= json_object_set_new(map, sites->dr, dr);
    if (r < 0) {
        json_decref(map);
        return NULL;
    }
    return map;
}

static json_t *encode_quantity(const struct gw_field *f, uint64_t value)
{
    char text[GW_VALUE_TEXT];
    if (f->type == GW_FIELD_SIZE)
        gw_size_format_exact(value, text);
    else if (f->type == GW_FIELD_RATE)
        gw_rate_format(value, text);
    else
        gw_duration_format(value, text);
    return json_string(text);
}

static json_t *encode_scalar(const struct gw_field *f, const void *at, bool *ret_absent)
{
    int word = 0;
    switch ((int)f->type) {
    case GW_FIELD_SIZE:
    case GW_FIELD_RATE:
    case GW_FIELD_DURATION:
        *ret_absent = *(const uint64_t *)at == 0 && f->fallback == NULL;
        return *ret_absent ? NULL : encode_quantity(f, *(const uint64_t *)at);
    case GW_FIELD_NUMBER:
        *ret_absent = *(const uint32_t *)at == 0 && f->fallback == NULL;
        return *ret_absent ? NULL : json_integer(*(const uint32_t *)at);
    case GW_FIELD_FLAG:
        return json_boolean(*(const bool *)at);
    case GW_FIELD_WORD:
        memcpy(&word, at, sizeof word);
        return json_string(f->words[word]);
    case GW_FIELD_CRON: {
        const char *text = ((const struct gw_cron *)at)->text;
        *ret_absent = text[0] == '\0';
        return *ret_absent ? NULL : json_string(text);
    }
    }
    const char *text = *(const char *const *)at;
    *ret_absent = text == NULL;
    return text == NULL ? NULL : json_string(text);
}

static json_t *encode_after(uint64_t ms)
{
    char text[GW_VALUE_TEXT];
    if (ms == 0)
        return json_string("manual");
    gw_duration_format(ms, text);
    return json_pack("{s:s}", "after", text);
}

static json_t *encode_at_texts(const struct gw_at_texts *at, const struct gw_encode_sites *sites)
{
    return by_site(sites, at->home.n > 0 ? encode_texts(&at->home) : NULL,
                   at->dr.n > 0 ? encode_texts(&at->dr) : NULL);
}

static json_t *encode_at_paths(const struct gw_at_path *at, const struct gw_encode_sites *sites)
{
    return by_site(sites, at->home != NULL ? json_string(at->home) : NULL,
                   at->dr != NULL ? json_string(at->dr) : NULL);
}

/* An object of which nothing is left is left out. */
static json_t *encode_object(const struct gw_schema *s, const void *at,
                             const struct gw_encode_sites *sites, bool *ret_absent)
{
    json_t *map = gw_encode(s, at, sites);
    *ret_absent = map != NULL && json_object_size(map) == 0;
    if (*ret_absent) {
        json_decref(map);
        return NULL;
    }
    return map;
}

json_t *gw_encode_field(const struct gw_field *f, const void *base,
                        const struct gw_encode_sites *sites, bool *ret_absent)
{
    const char *at = (const char *)base + f->offset;
    size_t n = 0;
    *ret_absent = false;
    switch ((int)f->type) {
    case GW_FIELD_MANUAL_OR_AFTER:
        return encode_after(*(const uint64_t *)(const void *)at);
    case GW_FIELD_TEXTS:
    case GW_FIELD_URLS:
    case GW_FIELD_ARGV:
        *ret_absent = ((const struct gw_texts *)(const void *)at)->n == 0;
        return *ret_absent ? NULL : encode_texts((const void *)at);
    case GW_FIELD_PAIRS:
        *ret_absent = ((const struct gw_pairs *)(const void *)at)->n == 0;
        return *ret_absent ? NULL : encode_pairs((const void *)at);
    case GW_FIELD_COMMANDS: {
        const struct gw_commands *c = (const void *)at;
        *ret_absent = c->n == 0;
        return *ret_absent ? NULL
                           : encode_objects(&gw_command_schema, (const char *)c->item, c->n, sites);
    }
    case GW_FIELD_AT_PATHS:
        return encode_at_paths((const void *)at, sites);
    case GW_FIELD_AT_TEXTS:
        return encode_at_texts((const void *)at, sites);
    case GW_FIELD_OBJECT:
        return encode_object(f->sub, at, sites, ret_absent);
    case GW_FIELD_OPTION:
        at = *(const char *const *)(const void *)at;
        *ret_absent = at == NULL;
        return at == NULL ? NULL : gw_encode(f->sub, at, sites);
    case GW_FIELD_LIST:
        n = *(const size_t *)(const void *)((const char *)base + f->offset_n);
        *ret_absent = n == 0;
        return n == 0 ? NULL
                      : encode_objects(f->sub, *(const char *const *)(const void *)at, n, sites);
    }
    return encode_scalar(f, at, ret_absent);
}

json_t *gw_encode(const struct gw_schema *schema, const void *base,
                  const struct gw_encode_sites *sites)
{
    json_t *map = json_object();
    for (size_t i = 0; map != NULL && i < schema->n; i++) {
        bool absent = false;
        json_t *value = gw_encode_field(&schema->field[i], base, sites, &absent);
        if (absent)
            continue;
        if (json_object_set_new(map, schema->field[i].key, value) < 0) { /* NULL fails too */
            json_decref(map);
            return NULL;
        }
    }
    return map;
}
