// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "http/json.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "http/limits.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define NEAR_WORD_MAX 64u
#define NEAR_EDITS_MAX 3u

/*
 * A look at the brackets before the JSON library sees the text: it recurses once a level and takes
 * about a hundred bytes a value, so both are bounded first. Unbalanced text is left to the library.
 */
static int check_shape(const char *text, size_t len, unsigned values_max, struct gw_error *err)
{
    unsigned depth = 0, values = 1;
    bool in_text = false;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (in_text) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_text = false;
            continue;
        }
        if (c == '"') {
            in_text = true;
        } else if (c == '{' || c == '[') {
            depth++;
            values++;
        } else if ((c == '}' || c == ']') && depth > 0) {
            depth--;
        } else if (c == ',') {
            values++;
        }
        if (depth > GW_HTTP_DEPTH_MAX)
            return gw_error_set(err, -EBADMSG, "nested deeper than %u levels at byte %zu",
                                GW_HTTP_DEPTH_MAX, i);
        if (values_max != 0 && values > values_max)
            return gw_error_set(err, -EBADMSG, "more than %u values at byte %zu", values_max, i);
    }
    return 0;
}

int gw_http_json_parse(const char *text, size_t len, unsigned values_max, json_t **ret,
                       struct gw_error *err)
{
    int r = check_shape(text, len, values_max, err);
    if (r < 0)
        return r;
    json_error_t why;
    json_t *j = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);
    if (j == NULL)
        return gw_error_set(err, -EBADMSG, "not JSON: line %d, column %d: %s", why.line, why.column,
                            why.text);
    *ret = j;
    return 0;
}

/* The member, or NULL; *ret_r is what to return if it is NULL. */
static json_t *find(const json_t *object, const char *name, bool required, int *ret_r,
                    struct gw_error *err)
{
    json_t *j = json_object_get(object, name);
    if (j != NULL && !json_is_null(j))
        return j;
    *ret_r = required ? gw_error_set(err, -EINVAL, "\"%s\" is missing", name) : 0;
    return NULL;
}

int gw_http_json_text(const json_t *object, const char *name, bool required, const char **ret,
                      struct gw_error *err)
{
    int r = 0;
    const json_t *j = find(object, name, required, &r, err);
    if (j == NULL)
        return r;
    if (!json_is_string(j))
        return gw_error_set(err, -EINVAL, "\"%s\": not a text", name);
    *ret = json_string_value(j);
    return 0;
}

int gw_http_json_u64(const json_t *object, const char *name, bool required, uint64_t *ret,
                     struct gw_error *err)
{
    int r = 0;
    const json_t *j = find(object, name, required, &r, err);
    if (j == NULL)
        return r;
    if (!json_is_integer(j) || json_integer_value(j) < 0)
        return gw_error_set(err, -EINVAL, "\"%s\": not a whole number of 0 or more", name);
    *ret = (uint64_t)json_integer_value(j);
    return 0;
}

int gw_http_json_i64(const json_t *object, const char *name, bool required, int64_t *ret,
                     struct gw_error *err)
{
    int r = 0;
    const json_t *j = find(object, name, required, &r, err);
    if (j == NULL)
        return r;
    if (!json_is_integer(j))
        return gw_error_set(err, -EINVAL, "\"%s\": not a whole number", name);
    *ret = json_integer_value(j);
    return 0;
}

int gw_http_json_bool(const json_t *object, const char *name, bool required, bool *ret,
                      struct gw_error *err)
{
    int r = 0;
    const json_t *j = find(object, name, required, &r, err);
    if (j == NULL)
        return r;
    if (!json_is_boolean(j))
        return gw_error_set(err, -EINVAL, "\"%s\": neither true nor false", name);
    *ret = json_is_true(j);
    return 0;
}

int gw_http_json_object(const json_t *object, const char *name, bool required, json_t **ret,
                        struct gw_error *err)
{
    int r = 0;
    json_t *j = find(object, name, required, &r, err);
    if (j == NULL)
        return r;
    if (!json_is_object(j))
        return gw_error_set(err, -EINVAL, "\"%s\": not an object", name);
    *ret = j;
    return 0;
}

int gw_http_json_array(const json_t *object, const char *name, bool required, json_t **ret,
                       struct gw_error *err)
{
    int r = 0;
    json_t *j = find(object, name, required, &r, err);
    if (j == NULL)
        return r;
    if (!json_is_array(j))
        return gw_error_set(err, -EINVAL, "\"%s\": not a list", name);
    *ret = j;
    return 0;
}

/* The next blank-separated word of *words: its length, 0 at the end. *words is moved behind it. */
static size_t next_word(const char **words, const char **ret)
{
    *words += strspn(*words, " ");
    *ret = *words;
    size_t n = strcspn(*words, " ");
    *words += n;
    return n;
}

bool gw_http_has_word(const char *words, const char *word)
{
    const char *w;
    for (size_t n; (n = next_word(&words, &w)) > 0;) {
        if (strlen(word) == n && memcmp(w, word, n) == 0)
            return true;
    }
    return false;
}

/* Edits (insert, delete, change) from a to b; both at most NEAR_WORD_MAX long. */
static unsigned distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    unsigned row[NEAR_WORD_MAX + 1];
    for (unsigned j = 0; j <= b_len; j++)
        row[j] = j;
    for (unsigned i = 1; i <= a_len; i++) {
        unsigned diagonal = row[0];
        row[0] = i;
        for (unsigned j = 1; j <= b_len; j++) {
            unsigned change = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            unsigned shift = GW_MIN(row[j], row[j - 1]) + 1;
            row[j] = GW_MIN(change, shift);
        }
    }
    return row[b_len];
}

bool gw_http_near_miss(const char *word, const char *words, char *ret, size_t ret_size)
{
    const char *w, *best = NULL;
    size_t best_len = 0, len = strlen(word);
    unsigned best_edits = NEAR_EDITS_MAX + 1;
    if (len > NEAR_WORD_MAX)
        return false;
    for (size_t n; (n = next_word(&words, &w)) > 0;) {
        unsigned edits = n <= NEAR_WORD_MAX ? distance(word, len, w, n) : UINT32_MAX;
        /* A word that shares less than half is another word. */
        if (edits < best_edits && edits * 2 <= GW_MAX(len, n)) {
            best = w;
            best_len = n;
            best_edits = edits;
        }
    }
    if (best == NULL || best_len >= ret_size)
        return false;
    memcpy(ret, best, best_len);
    ret[best_len] = '\0';
    return true;
}

int gw_http_json_members(const json_t *object, const char *names, struct gw_error *err)
{
    const char *key;
    json_t *value;
    const char *allowed = names != NULL ? names : "";
    /* The library's macro wants an object that it may change; it does not. */
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        char near[NEAR_WORD_MAX + 1];
        if (gw_http_has_word(allowed, key))
            continue;
        if (gw_http_near_miss(key, allowed, near, sizeof near))
            return gw_error_set(err, -EINVAL, "unknown member \"%.64s\"; did you mean \"%s\"?", key,
                                near);
        return gw_error_set(err, -EINVAL, "unknown member \"%.64s\"; possible are: %s", key,
                            allowed[0] != '\0' ? allowed : "none");
    }
    return 0;
}

json_t *gw_http_json_string(const char *text)
{
    json_t *j = json_string(text);
    if (j != NULL)
        return j;
    CLEANUP_FREE char *ascii = strdup(text);
    if (ascii == NULL)
        return NULL;
    for (char *c = ascii; *c != '\0'; c++) {
        if ((unsigned char)*c >= 0x80)
            *c = '?';
    }
    return json_string(ascii);
}
