// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "base/error.h"
#include "http/route.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* What is decoded so far: bytes of store, each text with its NUL. */
struct decoder {
    struct gw_http_target *to;
    size_t used;
    struct gw_error *err;
};

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Length of the UTF-8 sequence at p, which has n bytes; 0: it is none. */
static size_t utf8_length(const unsigned char *p, size_t n)
{
    static const uint32_t least[5] = { 0, 0, 0x80, 0x800, 0x10000 };
    size_t len = p[0] < 0x80             ? 1
                 : (p[0] & 0xe0) == 0xc0 ? 2
                 : (p[0] & 0xf0) == 0xe0 ? 3
                 : (p[0] & 0xf8) == 0xf0 ? 4
                                         : 0;
    if (len == 0 || len > n)
        return 0;
    uint32_t v = len == 1 ? p[0] : p[0] & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        v = v << 6 | (p[i] & 0x3f);
    }
    return v < least[len] || v > 0x10ffff || (v >= 0xd800 && v < 0xe000) ? 0 : len;
}

static bool text_is_fit(const char *text, size_t len)
{
    for (size_t i = 0; i < len;) {
        unsigned char c = (unsigned char)text[i];
        size_t n = utf8_length((const unsigned char *)text + i, len - i);
        if (n == 0 || c < 0x20 || c == 0x7f)
            return false;
        i += n;
    }
    return true;
}

/* Decode len bytes into the store; *ret is the text there. */
static int decode(struct decoder *d, const char *from, size_t len, bool plus, const char **ret)
{
    char *to = d->to->store + d->used, *begin = to;
    for (size_t i = 0; i < len; i++) { /* never longer than it was, and the store is twice as big */
        char c = from[i];
        if (c == '%') {
            int high = i + 2 < len ? hex(from[i + 1]) : -1;
            int low = high >= 0 ? hex(from[i + 2]) : -1;
            if (low < 0)
                return gw_error_set(d->err, -EINVAL, "bad percent-encoding in the path or query");
            c = (char)(high * 16 + low);
            i += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        *to++ = c;
    }
    if (!text_is_fit(begin, (size_t)(to - begin)))
        return gw_error_set(d->err, -EINVAL,
                            "the path or query has control characters or is not UTF-8");
    *to++ = '\0';
    d->used += (size_t)(to - begin);
    *ret = begin;
    return 0;
}

static int take_segment(struct decoder *d, const char *from, size_t len)
{
    struct gw_http_target *t = d->to;
    const char *text;
    if (t->n_segments == GW_HTTP_SEGMENTS_MAX)
        return gw_error_set(d->err, -EINVAL, "the path has more than %u parts",
                            GW_HTTP_SEGMENTS_MAX);
    int r = decode(d, from, len, false, &text);
    if (r < 0)
        return r;
    if (text[0] == '\0' || strcmp(text, ".") == 0 || strcmp(text, "..") == 0)
        return gw_error_set(d->err, -EINVAL, "the path has a part that is \"%s\"", text);
    t->segments[t->n_segments++] = text;
    return 0;
}

static int take_query(struct decoder *d, const char *from, size_t len)
{
    struct gw_http_target *t = d->to;
    const char *equals = memchr(from, '=', len);
    size_t name_len = equals != NULL ? (size_t)(equals - from) : len;
    const char *name, *value = "";
    if (len == 0)
        return 0;
    if (t->n_queries == GW_HTTP_QUERIES_MAX)
        return gw_error_set(d->err, -EINVAL, "more than %u query parameters", GW_HTTP_QUERIES_MAX);
    int r = decode(d, from, name_len, true, &name);
    if (r == 0 && equals != NULL)
        r = decode(d, equals + 1, len - name_len - 1, true, &value);
    if (r < 0)
        return r;
    for (size_t i = 0; i < t->n_queries; i++) {
        if (strcmp(t->queries[i].name, name) == 0)
            return gw_error_set(d->err, -EINVAL, "the query parameter \"%.64s\" is given twice",
                                name);
    }
    t->queries[t->n_queries++] = (struct gw_http_query){ name, value };
    return 0;
}

/* Each piece between separators goes to `take`. */
static int split(struct decoder *d, const char *from, size_t len, char separator,
                 int (*take)(struct decoder *d, const char *from, size_t len))
{
    for (;;) {
        const char *end = memchr(from, separator, len);
        size_t n = end != NULL ? (size_t)(end - from) : len;
        int r = take(d, from, n);
        if (r < 0 || end == NULL)
            return r;
        from += n + 1;
        len -= n + 1;
    }
}

int gw_http_target_parse(const char *target, size_t len, struct gw_http_target *ret,
                         struct gw_error *err)
{
    ret->n_segments = ret->n_queries = 0;
    ret->path[0] = '\0';
    ret->query_text = "";
    if (len >= GW_HTTP_TARGET_BYTES_MAX)
        return gw_error_set(err, -ENAMETOOLONG, "a path and query of more than %u bytes",
                            GW_HTTP_TARGET_BYTES_MAX - 1);
    if (len == 0 || target[0] != '/')
        return gw_error_set(err, -EINVAL, "the path does not begin with \"/\"");
    struct decoder d = { .to = ret, .err = err };
    const char *mark = memchr(target, '?', len);
    size_t path_len = mark != NULL ? (size_t)(mark - target) : len;
    if (!text_is_fit(target, len))
        return gw_error_set(err, -EINVAL,
                            "the path or query has control characters or is not UTF-8");
    memcpy(ret->path, target, len);
    ret->path[path_len] = ret->path[len] = '\0';
    ret->query_text = mark != NULL ? ret->path + path_len + 1 : "";
    int r = path_len > 1 ? split(&d, target + 1, path_len - 1, '/', take_segment) : 0;
    if (r == 0 && mark != NULL)
        r = split(&d, mark + 1, len - path_len - 1, '&', take_query);
    return r;
}
