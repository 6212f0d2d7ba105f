// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "control/message.h"

#include "base/cleanup.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define ERRNO_MAX 4095

/*
 * A look at the brackets before the JSON library sees the line: it recurses once a level and takes
 * about a hundred bytes a value, so both are bounded first. Unbalanced text is left to the library.
 */
static int check_shape(const char *line, size_t len, unsigned values_max, struct gw_error *err)
{
    unsigned depth = 0, values = 1;
    bool in_text = false;
    for (size_t i = 0; i < len; i++) {
        char c = line[i];
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
        if (depth > GW_CONTROL_DEPTH_MAX)
            return gw_error_set(err, -EBADMSG, "nested deeper than %u levels at byte %zu",
                                GW_CONTROL_DEPTH_MAX, i);
        if (values > values_max)
            return gw_error_set(err, -EBADMSG, "more than %u values at byte %zu", values_max, i);
    }
    return 0;
}

static int parse_object(const char *line, size_t len, unsigned values_max, json_t **ret,
                        struct gw_error *err)
{
    if (len >= GW_CONTROL_LINE_BYTES_MAX)
        return gw_error_set(err, -EMSGSIZE, "a line of more than %u bytes",
                            GW_CONTROL_LINE_BYTES_MAX);
    int r = check_shape(line, len, values_max, err);
    if (r < 0)
        return r;
    json_error_t why;
    json_t *j = json_loadb(line, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);
    if (j == NULL)
        return gw_error_set(err, -EBADMSG, "not JSON: %s (byte %d)", why.text, why.position);
    if (!json_is_object(j)) {
        json_decref(j);
        return gw_error_set(err, -EINVAL, "not a JSON object");
    }
    *ret = j;
    return 0;
}

int gw_control_request_parse(const char *line, size_t len, json_t **ret, struct gw_error *err)
{
    CLEANUP_JSON json_t *j = NULL;
    struct gw_error why = { 0 };
    int r = parse_object(line, len, GW_CONTROL_VALUES_MAX, &j, &why);
    if (r < 0)
        return gw_error_set(err, r, "bad request: %s", why.msg);
    if (!json_is_string(json_object_get(j, "cmd")))
        return gw_error_set(err, -EINVAL, "bad request: no text \"cmd\" that names a command");
    *ret = json_incref(j);
    return 0;
}

int gw_control_answer_parse(const char *line, size_t len, bool *ret_garbage, json_t **ret,
                            struct gw_error *err)
{
    CLEANUP_JSON json_t *j = NULL;
    struct gw_error why = { 0 };
    *ret_garbage = true;
    /* Our own server is not held to the number of values: long lists are its business. */
    if (parse_object(line, len, GW_CONTROL_LINE_BYTES_MAX, &j, &why) < 0)
        return gw_error_set(err, -EPROTO, "bad answer: %s", why.msg);
    const json_t *ok = json_object_get(j, "ok");
    if (json_is_true(ok) || (ok == NULL && json_is_object(json_object_get(j, "progress")))) {
        *ret_garbage = false;
        *ret = json_incref(j);
        return 0;
    }
    const json_t *error = json_object_get(j, "error");
    const char *code = json_string_value(json_object_get(error, "code"));
    const char *message = json_string_value(json_object_get(error, "message"));
    if (!json_is_false(ok) || code == NULL || message == NULL)
        return gw_error_set(err, -EPROTO, "bad answer: neither a result, an error nor progress");
    *ret_garbage = false;
    return gw_error_set(err, gw_control_code_parse(code), "%s", message);
}

int gw_control_line_format(const json_t *object, char **ret, size_t *ret_len, struct gw_error *err)
{
    CLEANUP_FREE char *text = object == NULL ? NULL : json_dumps(object, JSON_COMPACT);
    if (text == NULL)
        return gw_error_set(err, -ENOMEM, "cannot encode a line: out of memory, or not UTF-8");
    size_t len = strlen(text);
    if (len >= GW_CONTROL_LINE_BYTES_MAX)
        return gw_error_set(err, -EMSGSIZE, "a line of %zu bytes is longer than the %u allowed",
                            len + 1, GW_CONTROL_LINE_BYTES_MAX);
    text[len] = '\n'; /* in the place of the NUL: the length counts from here on */
    *ret = text;
    text = NULL;
    *ret_len = len + 1;
    return 0;
}

json_t *gw_control_error_json(int code, const char *message)
{
    char reason[128];
    if (message[0] == '\0')
        message = strerror_r(-code, reason, sizeof reason);
    return json_pack("{s:b, s:{s:s, s:o}}", "ok", 0, "error", "code", gw_control_code_name(code),
                     "message", gw_control_text(message));
}

json_t *gw_control_text(const char *text)
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

const char *gw_control_code_name(int code)
{
    const char *name = code < 0 && code >= -ERRNO_MAX ? strerrorname_np(-code) : NULL;
    return name != NULL ? name : "EIO";
}

int gw_control_code_parse(const char *name)
{
    for (int i = 1; i <= ERRNO_MAX; i++) {
        const char *known = strerrorname_np(i);
        if (known != NULL && strcmp(known, name) == 0)
            return -i;
    }
    return -EIO;
}

/* The argument or NULL; *ret_r is what to return if it is NULL. */
static const json_t *find_arg(const json_t *request, const char *name, bool required, int *ret_r,
                              struct gw_error *err)
{
    const json_t *j = json_object_get(request, name);
    if (j != NULL && !json_is_null(j))
        return j;
    *ret_r = required ? gw_error_set(err, -EINVAL, "argument \"%s\" is missing", name) : 0;
    return NULL;
}

int gw_control_arg_text(const json_t *request, const char *name, bool required, const char **ret,
                        struct gw_error *err)
{
    int r = 0;
    const json_t *j = find_arg(request, name, required, &r, err);
    if (j == NULL)
        return r;
    if (!json_is_string(j))
        return gw_error_set(err, -EINVAL, "argument \"%s\": not a text", name);
    *ret = json_string_value(j);
    return 0;
}

int gw_control_arg_u64(const json_t *request, const char *name, bool required, uint64_t *ret,
                       struct gw_error *err)
{
    int r = 0;
    const json_t *j = find_arg(request, name, required, &r, err);
    if (j == NULL)
        return r;
    if (!json_is_integer(j) || json_integer_value(j) < 0)
        return gw_error_set(err, -EINVAL, "argument \"%s\": not a whole number of 0 or more", name);
    *ret = (uint64_t)json_integer_value(j);
    return 0;
}

int gw_control_arg_bool(const json_t *request, const char *name, bool required, bool *ret,
                        struct gw_error *err)
{
    int r = 0;
    const json_t *j = find_arg(request, name, required, &r, err);
    if (j == NULL)
        return r;
    if (!json_is_boolean(j))
        return gw_error_set(err, -EINVAL, "argument \"%s\": neither true nor false", name);
    *ret = json_is_true(j);
    return 0;
}

static bool has_word(const char *words, const char *word)
{
    size_t len = strlen(word);
    for (const char *p = words; *p != '\0';) {
        size_t n = strcspn(p, " ");
        if (n == len && n > 0 && memcmp(p, word, n) == 0)
            return true;
        p += n;
        p += strspn(p, " ");
    }
    return false;
}

int gw_control_args_check(json_t *request, const char *args, struct gw_error *err)
{
    const char *key;
    json_t *value;
    json_object_foreach(request, key, value)
    {
        if (strcmp(key, "cmd") == 0 || has_word(args != NULL ? args : "", key))
            continue;
        return gw_error_set(
            err, -EINVAL, "command \"%.64s\" has no argument \"%.64s\"; it takes: %s",
            json_string_value(json_object_get(request, "cmd")), key, args != NULL ? args : "none");
    }
    return 0;
}
