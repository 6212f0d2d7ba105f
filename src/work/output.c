// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The first HEAD bytes go to `head`. What follows goes round in `tail`: byte number i of the whole
 * is at tail[(i - HEAD) % TAIL], so the last TAIL bytes are always there.
 */
#include "work/output.h"

#include "base/checked.h"
#include "base/cleanup.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEAD GW_OUTPUT_HEAD_BYTES
#define TAIL GW_OUTPUT_TAIL_BYTES
#define SHA256_BYTES 32

int gw_output_init(struct gw_output *o, struct gw_error *err)
{
    struct gw_output fresh = { .total_bytes = 0 };
    gnutls_hash_hd_t hash;
    fresh.head = malloc(HEAD);
    if (fresh.head == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    if (gnutls_hash_init(&hash, GNUTLS_DIG_SHA256) < 0) {
        free(fresh.head);
        return gw_error_set(err, -ENOMEM, "cannot compute SHA-256");
    }
    fresh.hash = hash;
    *o = fresh;
    return 0;
}

void gw_output_done(struct gw_output *o)
{
    if (o->hash != NULL)
        gnutls_hash_deinit(o->hash, NULL);
    free(o->head);
    free(o->tail);
    free(o->text);
    *o = (struct gw_output){ .total_bytes = 0 };
}

static void add_tail(struct gw_output *o, const char *data, size_t len)
{
    if (o->tail == NULL && (o->tail = malloc(TAIL)) == NULL)
        return;                            /* counted and hashed all the same */
    uint64_t from = o->total_bytes - HEAD; /* the number of data[0] among what follows the head */
    if (len > TAIL) {
        from += len - TAIL;
        data += len - TAIL;
        len = TAIL;
    }
    size_t at = (size_t)(from % TAIL), first = GW_MIN(len, TAIL - at);
    memcpy(o->tail + at, data, first);
    memcpy(o->tail, data + first, len - first);
}

void gw_output_add(struct gw_output *o, const void *data, size_t len)
{
    const char *p = data;
    if (len == 0)
        return;
    gnutls_hash(o->hash, p, len);
    if (o->total_bytes < HEAD) {
        size_t n = GW_MIN(len, (size_t)(HEAD - o->total_bytes));
        memcpy(o->head + o->total_bytes, p, n);
        o->total_bytes += n;
        p += n;
        len -= n;
    }
    if (len > 0)
        add_tail(o, p, len);
    o->total_bytes += len;
}

/* ---- text ------------------------------------------------------------------------------------ */

/* The length of the valid UTF-8 sequence at p, 0 if there is none (RFC 3629: no overlong forms,
 * no surrogates, nothing above U+10FFFF). */
static size_t utf8_len(const uint8_t *p, size_t left)
{
    static const struct {
        uint8_t from, to, second_from, second_to, len;
    } rows[] = {
        { 0x00, 0x7f, 0, 0, 1 },       { 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 },
        { 0xe1, 0xec, 0x80, 0xbf, 3 }, { 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 },
        { 0xf0, 0xf0, 0x90, 0xbf, 4 }, { 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
    };
    for (size_t i = 0; i < GW_ARRAY_SIZE(rows); i++) {
        if (p[0] < rows[i].from || p[0] > rows[i].to)
            continue;
        if (rows[i].len > left)
            return 0;
        if (rows[i].len > 1 && (p[1] < rows[i].second_from || p[1] > rows[i].second_to))
            return 0;
        for (size_t k = 2; k < rows[i].len; k++) {
            if ((p[k] & 0xc0) != 0x80)
                return 0;
        }
        return rows[i].len;
    }
    return 0;
}

static void clean(char *ret, const uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len;) {
        size_t n = utf8_len(p + i, len - i);
        bool control = n == 1 && ((p[i] < 0x20 && p[i] != '\n' && p[i] != '\t') || p[i] == 0x7f);
        if (n == 0 || control) {
            ret[i++] = '?';
            continue;
        }
        memcpy(ret + i, p + i, n);
        i += n;
    }
    ret[len] = '\0';
}

char *gw_output_clean(const void *data, size_t len)
{
    char *s = malloc(len + 1);
    if (s != NULL)
        clean(s, data, len);
    return s;
}

void gw_output_scrub(char *text)
{
    size_t len = strlen(text);
    char copy[8];
    for (size_t i = 0; i < len;) { /* one character at a time: clean() wants two places */
        size_t n = utf8_len((const uint8_t *)text + i, len - i);
        size_t take = n > 0 ? n : 1;
        clean(copy, (const uint8_t *)text + i, take);
        memcpy(text + i, copy, take);
        i += take;
    }
}

/* The end of what was said, in its order. */
static size_t copy_tail(const struct gw_output *o, char *ret)
{
    uint64_t after = o->total_bytes - HEAD;
    size_t n = (size_t)GW_MIN(after, (uint64_t)TAIL);
    size_t at = (size_t)((after - n) % TAIL), first = GW_MIN(n, TAIL - at);
    memcpy(ret, o->tail + at, first);
    memcpy(ret + first, o->tail, n - first);
    return n;
}

static char *whole_text(const struct gw_output *o)
{
    size_t n_head = (size_t)GW_MIN(o->total_bytes, (uint64_t)HEAD), n_tail = 0;
    CLEANUP_FREE char *raw = malloc(HEAD + TAIL);
    if (raw == NULL)
        return NULL;
    memcpy(raw, o->head, n_head);
    if (o->total_bytes > HEAD && o->tail != NULL)
        n_tail = copy_tail(o, raw + n_head);
    uint64_t left_out = o->total_bytes - n_head - n_tail;
    if (left_out == 0)
        return gw_output_clean(raw, n_head + n_tail);
    CLEANUP_FREE char *head = gw_output_clean(raw, n_head);
    CLEANUP_FREE char *tail = gw_output_clean(raw + n_head, n_tail);
    char *text = NULL;
    if (head == NULL || tail == NULL ||
        asprintf(&text, "%s\n[... %" PRIu64 " bytes left out ...]\n%s", head, left_out, tail) < 0)
        return NULL;
    return text;
}

int gw_output_finish(struct gw_output *o, struct gw_error *err)
{
    uint8_t digest[SHA256_BYTES];
    char *text = whole_text(o);
    if (text == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    o->text = text;
    gnutls_hash_deinit(o->hash, digest);
    o->hash = NULL;
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(o->sha256 + 2 * i, 3, "%02x", digest[i]);
    free(o->head);
    free(o->tail);
    o->head = o->tail = NULL;
    return 0;
}

void gw_output_last_line(const struct gw_output *o, char *ret, size_t cap)
{
    const char *text = o->text != NULL ? o->text : "", *end = text + strlen(text);
    while (end > text && strchr(" \t\n", end[-1]) != NULL)
        end--;
    const char *line = end;
    while (line > text && line[-1] != '\n')
        line--;
    while (line < end && strchr(" \t", *line) != NULL)
        line++;
    size_t n = GW_MIN((size_t)(end - line), cap - 1);
    while (n > 0 && line + n < end && ((uint8_t)line[n] & 0xc0) == 0x80)
        n--; /* not in the middle of a character */
    memcpy(ret, line, n);
    ret[n] = '\0';
}
