// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "base/bytes.h"

#include <string.h>

static const uint8_t *reader_take(struct gw_reader *r, size_t n)
{
    if (r->failed || n > r->len - r->pos) {
        r->failed = true;
        return NULL;
    }
    const uint8_t *p = r->data + r->pos;
    r->pos += n;
    return p;
}

static uint64_t get_le(struct gw_reader *r, size_t n)
{
    const uint8_t *p = reader_take(r, n);
    uint64_t v = 0;
    for (size_t i = 0; p != NULL && i < n; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

uint8_t gw_get_u8(struct gw_reader *r)
{
    return (uint8_t)get_le(r, 1);
}

uint16_t gw_get_u16(struct gw_reader *r)
{
    return (uint16_t)get_le(r, 2);
}

uint32_t gw_get_u32(struct gw_reader *r)
{
    return (uint32_t)get_le(r, 4);
}

uint64_t gw_get_u64(struct gw_reader *r)
{
    return get_le(r, 8);
}

void gw_get_bytes(struct gw_reader *r, void *ret, size_t n)
{
    const uint8_t *p = reader_take(r, n);
    if (p != NULL)
        memcpy(ret, p, n);
    else
        memset(ret, 0, n);
}

const uint8_t *gw_get_view(struct gw_reader *r, size_t n)
{
    return reader_take(r, n);
}

static uint8_t *writer_take(struct gw_writer *w, size_t n)
{
    if (w->failed || n > w->len - w->pos) {
        w->failed = true;
        return NULL;
    }
    uint8_t *p = w->data + w->pos;
    w->pos += n;
    return p;
}

static void put_le(struct gw_writer *w, uint64_t v, size_t n)
{
    uint8_t *p = writer_take(w, n);
    for (size_t i = 0; p != NULL && i < n; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

void gw_put_u8(struct gw_writer *w, uint8_t v)
{
    put_le(w, v, 1);
}

void gw_put_u16(struct gw_writer *w, uint16_t v)
{
    put_le(w, v, 2);
}

void gw_put_u32(struct gw_writer *w, uint32_t v)
{
    put_le(w, v, 4);
}

void gw_put_u64(struct gw_writer *w, uint64_t v)
{
    put_le(w, v, 8);
}

void gw_put_bytes(struct gw_writer *w, const void *data, size_t n)
{
    uint8_t *p = writer_take(w, n);
    if (p != NULL && n > 0)
        memcpy(p, data, n);
}

void gw_put_zeros_to(struct gw_writer *w, size_t pos)
{
    if (pos < w->pos) {
        w->failed = true;
        return;
    }
    size_t n = pos - w->pos;
    uint8_t *p = writer_take(w, n);
    if (p != NULL)
        memset(p, 0, n);
}

void gw_get_text(struct gw_reader *r, char *ret, size_t n)
{
    const uint8_t *p = reader_take(r, n);
    if (p == NULL || memchr(p, '\0', n) == NULL) {
        r->failed = true;
        if (n > 0)
            ret[0] = '\0';
        return;
    }
    memcpy(ret, p, n);
}

void gw_put_text(struct gw_writer *w, const char *text, size_t n)
{
    size_t len = strlen(text);
    if (len >= n) {
        w->failed = true;
        return;
    }
    uint8_t *p = writer_take(w, n);
    if (p == NULL)
        return;
    memcpy(p, text, len);
    memset(p + len, 0, n - len);
}
