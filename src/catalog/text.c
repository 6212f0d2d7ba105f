// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "catalog/text.h"

#include "catalog/limits.h"

#include <errno.h>
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define REPLACEMENT "\xef\xbf\xbd"

/* Bytes of the well-formed character at p (RFC 3629), 0 if there is none. */
static size_t character(const unsigned char *p)
{
    static const struct {
        unsigned char first, last, second_first, second_last;
        size_t len;
    } forms[] = {
        { 0x01, 0x7f, 0, 0, 1 },       { 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 },
        { 0xe1, 0xec, 0x80, 0xbf, 3 }, { 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 },
        { 0xf0, 0xf0, 0x90, 0xbf, 4 }, { 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
    };
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        if (p[0] < forms[i].first || p[0] > forms[i].last)
            continue;
        if (forms[i].len > 1 && (p[1] < forms[i].second_first || p[1] > forms[i].second_last))
            return 0;
        for (size_t k = 2; k < forms[i].len; k++)
            if ((p[k] & 0xc0) != 0x80)
                return 0;
        return forms[i].len;
    }
    return 0;
}

bool gw_text_is_utf8(const char *text)
{
    const unsigned char *p = (const unsigned char *)text;
    while (*p != '\0') {
        size_t n = character(p);
        if (n == 0)
            return false;
        p += n;
    }
    return true;
}

const char *gw_text_clean(struct gw_catalog_mem *mem, const char *text)
{
    if (gw_text_is_utf8(text))
        return text;
    size_t len = strlen(text);
    if (len > SIZE_MAX / 4)
        return NULL;
    char *copy = gw_catalog_mem_alloc(mem, len * (sizeof REPLACEMENT - 1) + 1), *to = copy;
    if (copy == NULL)
        return NULL;
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0';) {
        size_t n = character(p);
        if (n == 0) {
            memcpy(to, REPLACEMENT, sizeof REPLACEMENT - 1);
            to += sizeof REPLACEMENT - 1;
            p++;
        } else {
            memcpy(to, p, n);
            to += n;
            p += n;
        }
    }
    *to = '\0';
    return copy;
}

bool gw_text_is_token(const char *text)
{
    size_t n = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789");
    return n > 0 && n <= GW_CATALOG_TOKEN_CHARS_MAX && text[n] == '\0';
}

static int json_read(const char *text, json_t **ret, struct gw_error *err)
{
    json_error_t e;
    json_t *j = json_loads(text, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &e);
    if (j == NULL)
        return gw_error_set(err, -EINVAL, "not JSON at character %d: %s", e.position, e.text);
    *ret = j;
    return 0;
}

/* Canonical text of j, which is given away. */
static int json_write(struct gw_catalog_mem *mem, json_t *j, const char **ret, struct gw_error *err)
{
    char *out = json_dumps(j, JSON_SORT_KEYS | JSON_COMPACT | JSON_ENCODE_ANY);
    json_decref(j);
    char *kept = out == NULL ? NULL : gw_catalog_mem_text(mem, out, strlen(out));
    free(out);
    if (kept == NULL)
        return gw_error_set(err, -ENOMEM, "no memory for a JSON text");
    *ret = kept;
    return 0;
}

int gw_text_json(struct gw_catalog_mem *mem, const char *text, const char **ret,
                 struct gw_error *err)
{
    json_t *j = NULL;
    int r = json_read(text == NULL ? "{}" : text, &j, err);
    return r < 0 ? r : json_write(mem, j, ret, err);
}

/* Both are objects. */
static void merge(json_t *to, json_t *patch, bool keep)
{
    const char *key;
    json_t *value;
    json_object_foreach(patch, key, value)
    {
        if (json_is_null(value))
            json_object_del(to, key);
        else if (!keep || json_object_get(to, key) == NULL)
            json_object_set(to, key, value);
    }
}

int gw_text_json_merge(struct gw_catalog_mem *mem, const char *old, const char *patch, bool keep,
                       const char **ret, struct gw_error *err)
{
    json_t *to = NULL, *from = NULL;
    int r = json_read(old, &to, err);
    if (r >= 0)
        r = json_read(patch, &from, err);
    if (r >= 0 && (!json_is_object(to) || !json_is_object(from)))
        r = gw_error_set(err, -EINVAL, "not a JSON object: %s", json_is_object(to) ? patch : old);
    if (r >= 0) {
        merge(to, from, keep);
        r = json_write(mem, json_incref(to), ret, err);
    }
    json_decref(to);
    json_decref(from);
    return r;
}
