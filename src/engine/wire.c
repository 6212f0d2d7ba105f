// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "engine/wire.h"

#include <string.h>

size_t gw_wire_done(const struct gw_writer *w)
{
    return w->failed ? 0 : w->pos;
}

bool gw_wire_at_end(const struct gw_reader *r)
{
    return !r->failed && r->pos == r->len;
}

bool gw_wire_text_ok(const char *text)
{
    for (const char *p = text; *p != '\0'; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            return false;
    return true;
}

void gw_wire_put_sentence(struct gw_writer *w, const char *text, size_t max)
{
    size_t n = strnlen(text, max - 1);

    gw_put_u16(w, (uint16_t)n);
    for (size_t i = 0; i < n; i++) {
        uint8_t c = (uint8_t)text[i];
        gw_put_u8(w, c < 0x20 || c == 0x7f ? ' ' : c);
    }
}

void gw_wire_get_sentence(struct gw_reader *r, char *ret, size_t max)
{
    size_t n = gw_get_u16(r);

    if (n >= max)
        r->failed = true;
    const uint8_t *p = gw_get_view(r, n);
    ret[0] = '\0';
    if (p == NULL)
        return;
    memcpy(ret, p, n);
    ret[n] = '\0';
    if (strlen(ret) != n || !gw_wire_text_ok(ret))
        r->failed = true;
}

uint8_t gw_wire_get_flags(struct gw_reader *r, uint8_t known)
{
    uint8_t flags = gw_get_u8(r);

    if ((flags & ~known) != 0)
        r->failed = true;
    return flags;
}

void gw_wire_get_zeros(struct gw_reader *r, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (gw_get_u8(r) != 0)
            r->failed = true;
}
