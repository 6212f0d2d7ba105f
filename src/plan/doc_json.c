// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* JSON by the letter of RFC 8259, with places. The bytes are known to be UTF-8 without NUL. */
#include "plan/doc_internal.h"

#include "base/cleanup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct json {
    struct gw_doc_build *b;
    const uint8_t *p, *end;
    unsigned line, column;
    char *text; /* room for the longest text there can be */
};

static int peek(const struct json *j)
{
    return j->p < j->end ? *j->p : -1;
}

static void advance(struct json *j)
{
    if (*j->p == '\n') {
        j->line++;
        j->column = 0;
    }
    j->column += (j->p[0] & 0xc0) != 0x80; /* characters, not bytes */
    j->p++;
}

static void blanks(struct json *j)
{
    while (peek(j) == ' ' || peek(j) == '\t' || peek(j) == '\n' || peek(j) == '\r')
        advance(j);
}

static int refuse(struct json *j, const char *expected)
{
    char found[32] = "the end";
    if (j->p < j->end) {
        unsigned n = gw_utf8_len(j->p, (size_t)(j->end - j->p));
        snprintf(found, sizeof found, "'%.*s'", (int)n, (const char *)j->p);
        if (*j->p < 0x20)
            snprintf(found, sizeof found, "a line break or a tab");
    }
    return gw_doc_refuse(j->b, j->line, j->column, "not JSON: expected %s, found %s at column %u",
                         expected, found, j->column);
}

static int take(struct json *j, char c, const char *expected)
{
    if (peek(j) != c)
        return refuse(j, expected);
    advance(j);
    return 0;
}

static int hex4(struct json *j, uint32_t *ret)
{
    uint32_t n = 0;
    for (int i = 0; i < 4; i++) {
        int c = peek(j);
        if (c >= '0' && c <= '9')
            n = n * 16 + (uint32_t)(c - '0');
        else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f' && c > 0)
            n = n * 16 + (uint32_t)((c | 0x20) - 'a') + 10;
        else
            return refuse(j, "four hexadecimal digits");
        advance(j);
    }
    *ret = n;
    return 0;
}

static size_t put_utf8(char *at, uint32_t c)
{
    if (c < 0x80) {
        at[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        at[0] = (char)(0xc0 | c >> 6);
        at[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        at[0] = (char)(0xe0 | c >> 12);
        at[1] = (char)(0x80 | (c >> 6 & 0x3f));
        at[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    at[0] = (char)(0xf0 | c >> 18);
    at[1] = (char)(0x80 | (c >> 12 & 0x3f));
    at[2] = (char)(0x80 | (c >> 6 & 0x3f));
    at[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}

/* Behind "\u". The second half of a pair must follow the first. */
static int unicode(struct json *j, size_t *len)
{
    uint32_t c = 0, low = 0;
    int r = hex4(j, &c);
    if (r < 0)
        return r;
    if (c >= 0xdc00 && c <= 0xdfff)
        return refuse(j, "the first half of a surrogate pair before the second");
    if (c >= 0xd800 && c <= 0xdbff) {
        if ((r = take(j, '\\', "the second half of a surrogate pair")) < 0 ||
            (r = take(j, 'u', "the second half of a surrogate pair")) < 0 ||
            (r = hex4(j, &low)) < 0)
            return r;
        if (low < 0xdc00 || low > 0xdfff)
            return refuse(j, "the second half of a surrogate pair");
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
    }
    *len += put_utf8(j->text + *len, c);
    return 0;
}

static int escape(struct json *j, size_t *len)
{
    static const char letters[] = "\"\\/bfnrt", means[] = "\"\\/\b\f\n\r\t";
    advance(j); /* the backslash */
    int c = peek(j);
    if (c == 'u') {
        advance(j);
        return unicode(j, len);
    }
    const char *at = c > 0 ? strchr(letters, c) : NULL;
    if (at == NULL)
        return refuse(j, "an escape such as \\n");
    j->text[(*len)++] = means[at - letters];
    advance(j);
    return 0;
}

/* Into j->text; never longer than the bytes it was read from. */
static int text(struct json *j, size_t *ret_len)
{
    size_t len = 0;
    int r = take(j, '"', "a text");
    while (r == 0 && peek(j) != '"') {
        int c = peek(j);
        if (c < 0x20) {
            r = refuse(j, "'\"' at the end of a text");
        } else if (c == '\\') {
            r = escape(j, &len);
        } else {
            j->text[len++] = (char)c;
            advance(j);
        }
    }
    if (r == 0)
        advance(j);
    *ret_len = len;
    return r;
}

static bool digits(struct json *j)
{
    const uint8_t *from = j->p;
    while (peek(j) >= '0' && peek(j) <= '9')
        advance(j);
    return j->p > from;
}

/* A number, true, false or null. */
static int plain(struct json *j)
{
    static const char *const words[] = { "true", "false", "null", NULL };
    unsigned line = j->line, column = j->column;
    const char *from = (const char *)j->p;
    size_t left = (size_t)(j->end - j->p);
    for (size_t i = 0; words[i] != NULL; i++) {
        size_t n = strlen(words[i]);
        if (left < n || memcmp(from, words[i], n) != 0)
            continue;
        for (size_t k = 0; k < n; k++)
            advance(j);
        return gw_doc_scalar(j->b, i == 2 ? GW_SCALAR_NOTHING : GW_SCALAR_PLAIN, from, n, line,
                             column);
    }
    if (peek(j) == '-')
        advance(j);
    bool zero = peek(j) == '0';
    const uint8_t *first = j->p;
    if (!digits(j) || (zero && j->p - first > 1))
        return refuse(j, "a value");
    if (peek(j) == '.') {
        advance(j);
        if (!digits(j))
            return refuse(j, "a digit");
    }
    if (peek(j) == 'e' || peek(j) == 'E') {
        advance(j);
        if (peek(j) == '+' || peek(j) == '-')
            advance(j);
        if (!digits(j))
            return refuse(j, "a digit");
    }
    return gw_doc_scalar(j->b, GW_SCALAR_PLAIN, from, (size_t)((const char *)j->p - from), line,
                         column);
}

static int value(struct json *j);

static int member(struct json *j, bool map)
{
    size_t len = 0;
    unsigned line = j->line, column = j->column;
    int r = 0;
    if (map) {
        if (peek(j) != '"')
            return refuse(j, "a key in double quotes");
        if ((r = text(j, &len)) < 0 || (r = gw_doc_key(j->b, j->text, len, line, column)) < 0)
            return r;
        blanks(j);
        if ((r = take(j, ':', "':'")) < 0)
            return r;
        blanks(j);
    }
    return value(j);
}

/* "{...}" or "[...]". The depth is bounded by gw_doc_open(). */
static int children(struct json *j, bool map)
{
    char close = map ? '}' : ']';
    int r = gw_doc_open(j->b, map ? GW_NODE_MAP : GW_NODE_LIST, j->line, j->column);
    if (r < 0)
        return r;
    advance(j);
    blanks(j);
    if (peek(j) != close) {
        for (;;) {
            if ((r = member(j, map)) < 0)
                return r;
            blanks(j);
            if (peek(j) != ',')
                break;
            advance(j);
            blanks(j);
        }
    }
    if ((r = take(j, close, map ? "',' or '}'" : "',' or ']'")) < 0)
        return r;
    gw_doc_close(j->b);
    return 0;
}

static int value(struct json *j)
{
    unsigned line = j->line, column = j->column;
    size_t len = 0;
    switch (peek(j)) {
    case '{':
        return children(j, true);
    case '[':
        return children(j, false);
    case '"': {
        int r = text(j, &len);
        return r < 0 ? r : gw_doc_scalar(j->b, GW_SCALAR_QUOTED, j->text, len, line, column);
    }
    default:
        return plain(j);
    }
}

int gw_doc_json(struct gw_doc_build *b, const uint8_t *bytes, size_t len)
{
    CLEANUP_FREE char *room = malloc(len + 1);
    if (room == NULL)
        return gw_error_set(b->err, -ENOMEM, "out of memory");
    struct json j = {
        .b = b, .p = bytes, .end = bytes + len, .line = 1, .column = 1, .text = room
    };
    blanks(&j);
    if (j.p == j.end)
        return 0;
    int r = value(&j);
    if (r < 0)
        return r;
    blanks(&j);
    return j.p < j.end ? refuse(&j, "the end") : 0;
}
