// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "engine/server_name.h"

#include <assert.h>
#include <strings.h>

#define PREFIX "p-"
#define SUFFIX ".godwit"
#define DIGITS 32

static_assert(sizeof PREFIX - 1 + DIGITS + sizeof SUFFIX - 1 + 1 == GW_SERVER_NAME_TEXT,
              "the name of a plan fills its room");

void gw_server_name_format(const struct gw_uuid *plan, char ret[GW_SERVER_NAME_TEXT])
{
    static const char hex[] = "0123456789abcdef";
    char *p = ret;

    memcpy(p, PREFIX, sizeof PREFIX - 1);
    p += sizeof PREFIX - 1;
    for (unsigned i = 0; i < sizeof plan->b; i++) {
        *p++ = hex[plan->b[i] >> 4];
        *p++ = hex[plan->b[i] & 15];
    }
    memcpy(p, SUFFIX, sizeof SUFFIX);
}

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool gw_server_name_parse(const char *name, struct gw_uuid *ret)
{
    struct gw_uuid u;
    const char *hex = name + sizeof PREFIX - 1;

    if (strlen(name) != GW_SERVER_NAME_TEXT - 1 ||
        strncasecmp(name, PREFIX, sizeof PREFIX - 1) != 0 || strcasecmp(hex + DIGITS, SUFFIX) != 0)
        return false;
    for (unsigned i = 0; i < sizeof u.b; i++) {
        int high = digit(hex[i * 2]), low = digit(hex[i * 2 + 1]);
        if (high < 0 || low < 0)
            return false;
        u.b[i] = (uint8_t)(high << 4 | low);
    }
    *ret = u;
    return true;
}
