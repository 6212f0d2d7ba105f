// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "site/shape.h"

#include "base/cleanup.h"
#include "http/json.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NAMES_MAX 1024

struct word {
    char name[48], type[48];
    bool optional, nullable, list, map;
    size_t bytes_max; /* of a text; 0: any */
};

/* The next word; false at the end. */
static bool next(const char **at, struct word *ret)
{
    const char *p = *at + strspn(*at, " ");
    size_t len = strcspn(p, " "), name = strcspn(p, ":");
    if (len == 0)
        return false;
    *at = p + len;
    *ret = (struct word){ .optional = false };
    const char *type = p + name + 1, *end = p + len;
    assert(name < len && type < end);
    ret->optional = p[name - 1] == '?';
    snprintf(ret->name, sizeof ret->name, "%.*s", (int)(name - ret->optional), p);
    ret->nullable = end[-1] == '?';
    end -= ret->nullable;
    ret->list = *type == '[';
    ret->map = *type == '{';
    type += ret->list || ret->map;
    end -= ret->list || ret->map;
    snprintf(ret->type, sizeof ret->type, "%.*s", (int)(end - type), type);
    if (strncmp(ret->type, "text", 4) == 0 && isdigit((unsigned char)ret->type[4])) {
        ret->bytes_max = strtoul(ret->type + 4, NULL, 10);
        ret->type[4] = '\0';
    }
    return true;
}

const struct site_shape *site_shape_find(const char *name)
{
    for (size_t i = 0; i < site_n_shapes; i++) {
        if (strcmp(site_shapes[i].name, name) == 0)
            return &site_shapes[i];
    }
    return NULL;
}

/* ---- checking ---------------------------------------------------------------------------------
 */

static const char *kind_of(const json_t *v)
{
    static const char *const names[] = {
        [JSON_OBJECT] = "an object", [JSON_ARRAY] = "a list",  [JSON_STRING] = "a text",
        [JSON_INTEGER] = "a number", [JSON_REAL] = "a number", [JSON_TRUE] = "true",
        [JSON_FALSE] = "false",      [JSON_NULL] = "null"
    };
    return names[json_typeof(v)];
}

static int check_text(const char *name, const json_t *v, size_t bytes_max, struct gw_error *err)
{
    const char *text = json_string_value(v);
    if (bytes_max > 0 && strlen(text) > bytes_max)
        return gw_error_set(err, -EINVAL, "%s: at most %zu bytes, this has %zu", name, bytes_max,
                            strlen(text));
    for (const char *c = text; bytes_max > 0 && *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            return gw_error_set(err, -EINVAL, "%s: control characters are not possible", name);
    }
    return 0;
}

static int check_value(const char *name, const struct word *w, const json_t *v,
                       struct gw_error *err)
{
    static const struct {
        const char *type, *wanted;
    } wants[] = { { "text", "a text" },  { "time", "a time" },     { "bool", "true or false" },
                  { "int", "a number" }, { "number", "a number" }, { "object", "an object" } };
    bool is[] = { json_is_string(v),  json_is_string(v), json_is_boolean(v),
                  json_is_integer(v), json_is_number(v), json_is_object(v) };
    for (size_t i = 0; i < sizeof wants / sizeof *wants; i++) {
        if (strcmp(w->type, wants[i].type) != 0)
            continue;
        if (!is[i] && i == 3 && json_is_real(v))
            return gw_error_set(err, -EINVAL, "%s: a whole number is wanted", name);
        if (!is[i])
            return gw_error_set(err, -EINVAL, "%s: %s is wanted, this is %s", name, wants[i].wanted,
                                kind_of(v));
        if (i == 3 && json_integer_value(v) < 0)
            return gw_error_set(err, -EINVAL, "%s: a number below 0 is not possible", name);
        return json_is_string(v) ? check_text(name, v, w->bytes_max, err) : 0;
    }
    return 0; /* another shape, or anything: whoever reads it looks */
}

static int check_member(const struct word *w, const json_t *body, struct gw_error *err)
{
    const json_t *v = json_object_get(body, w->name);
    if (v == NULL || json_is_null(v))
        return w->optional ? 0 : gw_error_set(err, -EINVAL, "%s: is missing", w->name);
    if (w->map) /* only answers have these */
        return 0;
    if (!w->list)
        return check_value(w->name, w, v, err);
    if (!json_is_array(v))
        return gw_error_set(err, -EINVAL, "%s: a list is wanted, this is %s", w->name, kind_of(v));
    for (size_t i = 0; i < json_array_size(v); i++) {
        char name[80];
        snprintf(name, sizeof name, "%s[%zu]", w->name, i);
        int r = check_value(name, w, json_array_get(v, i), err);
        if (r < 0)
            return r;
    }
    return 0;
}

int site_shape_check(const struct site_shape *shape, const json_t *body, struct gw_error *err)
{
    char names[NAMES_MAX] = "";
    size_t len = 0;
    struct word w;
    for (const char *at = shape->words; next(&at, &w);)
        len +=
            (size_t)snprintf(names + len, sizeof names - len, "%s%s", len > 0 ? " " : "", w.name);
    assert(len < sizeof names);
    int r = gw_http_json_members(body, names, err);
    for (const char *at = shape->words; r == 0 && next(&at, &w);)
        r = check_member(&w, body, err);
    return r;
}

/* ---- schemas ----------------------------------------------------------------------------------
 */

static json_t *type_schema(const struct word *w)
{
    const char *t = w->type;
    if (strcmp(t, "text") == 0)
        return w->bytes_max > 0 ? json_pack("{s:s, s:I}", "type", "string", "maxLength",
                                            (json_int_t)w->bytes_max)
                                : json_pack("{s:s}", "type", "string");
    if (strcmp(t, "time") == 0)
        return json_pack("{s:s, s:s}", "type", "string", "format", "date-time");
    if (strcmp(t, "bool") == 0)
        return json_pack("{s:s}", "type", "boolean");
    if (strcmp(t, "int") == 0)
        return json_pack("{s:s}", "type", "integer");
    if (strcmp(t, "number") == 0 || strcmp(t, "object") == 0)
        return json_pack("{s:s}", "type", t);
    if (strcmp(t, "any") == 0)
        return json_object();
    assert(site_shape_find(t) != NULL);
    return json_pack("{s:o}", "$ref", json_sprintf("#/components/schemas/%s", t));
}

static json_t *member_schema(const struct word *w)
{
    json_t *o = type_schema(w);
    if (w->list)
        o = json_pack("{s:s, s:o}", "type", "array", "items", o);
    if (w->map)
        o = json_pack("{s:s, s:o}", "type", "object", "additionalProperties", o);
    if (w->nullable)
        o = json_pack("{s:[o, {s:s}]}", "anyOf", o, "type", "null");
    return o;
}

char *site_shape_schema(const struct site_shape *shape)
{
    struct word w;
    json_t *properties = json_object(), *required = json_array();
    for (const char *at = shape->words; next(&at, &w);) {
        json_object_set_new(properties, w.name, member_schema(&w));
        if (!w.optional)
            json_array_append_new(required, json_string(w.name));
    }
    CLEANUP_HTTP_JSON json_t *o = json_pack("{s:s, s:o, s:o}", "type", "object", "properties",
                                            properties, "required", required);
    if (o != NULL && shape->about != NULL)
        json_object_set_new(o, "description", json_string(shape->about));
    return o != NULL ? json_dumps(o, JSON_COMPACT) : NULL;
}

void site_shape_print(const struct site_shape *shape, FILE *to)
{
    struct word w;
    for (const char *at = shape->words; next(&at, &w);) {
        char most[40] = "";
        if (w.bytes_max > 0)
            snprintf(most, sizeof most, ", at most %zu bytes", w.bytes_max);
        fprintf(to, "| `%s` | %s%s%s%s | %s |\n", w.name,
                w.list  ? "list of "
                : w.map ? "by name: "
                        : "",
                w.type, most, w.nullable ? ", or null" : "", w.optional ? "may be absent" : "");
    }
}
