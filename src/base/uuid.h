// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * 128-bit identifiers (RFC 9562 version 4) of plans, volumes and incarnations.
 * The all-zero value is "none".
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define GW_UUID_TEXT 37 /* with the NUL */

struct gw_uuid {
    uint8_t b[16];
};

/* From the kernel's random source; aborts if there is none (our own environment is broken). */
struct gw_uuid gw_uuid_new(void);
void gw_uuid_format(const struct gw_uuid *u, char ret[GW_UUID_TEXT]);
/* Lower or upper case, 36 characters. Returns false and leaves *ret alone if it is not one. */
bool gw_uuid_parse(const char *text, struct gw_uuid *ret);

static inline bool gw_uuid_equal(const struct gw_uuid *a, const struct gw_uuid *b)
{
    return memcmp(a->b, b->b, sizeof a->b) == 0;
}

static inline int gw_uuid_compare(const struct gw_uuid *a, const struct gw_uuid *b)
{
    return memcmp(a->b, b->b, sizeof a->b);
}

static inline bool gw_uuid_is_none(const struct gw_uuid *u)
{
    static const struct gw_uuid none = { { 0 } };
    return gw_uuid_equal(u, &none);
}
