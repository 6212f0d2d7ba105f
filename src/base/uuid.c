// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "base/uuid.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

struct gw_uuid gw_uuid_new(void)
{
    struct gw_uuid u;
    size_t got = 0;
    while (got < sizeof u.b) {
        ssize_t n = getrandom(u.b + got, sizeof u.b - got, 0);
        if (n <= 0)
            abort();
        got += (size_t)n;
    }
    u.b[6] = (uint8_t)((u.b[6] & 0x0f) | 0x40);
    u.b[8] = (uint8_t)((u.b[8] & 0x3f) | 0x80);
    return u;
}

void gw_uuid_format(const struct gw_uuid *u, char ret[GW_UUID_TEXT])
{
    const uint8_t *b = u->b;
    snprintf(ret, GW_UUID_TEXT,
             "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
             b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
             b[15]);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool gw_uuid_parse(const char *text, struct gw_uuid *ret)
{
    if (strlen(text) != GW_UUID_TEXT - 1)
        return false;
    struct gw_uuid u;
    size_t i = 0;
    for (const char *p = text; *p != '\0';) {
        size_t at = (size_t)(p - text);
        if (at == 8 || at == 13 || at == 18 || at == 23) {
            if (*p++ != '-')
                return false;
            continue;
        }
        int hi = hex_digit(p[0]), lo = hex_digit(p[1]);
        if (hi < 0 || lo < 0)
            return false;
        u.b[i++] = (uint8_t)(hi << 4 | lo);
        p += 2;
    }
    *ret = u;
    return true;
}
