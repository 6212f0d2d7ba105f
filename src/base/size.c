// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "base/size.h"

#include "base/checked.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool gw_size_parse(const char *text, uint64_t *ret_bytes)
{
    if (!isdigit((unsigned char)text[0]))
        return false;
    char *end = NULL;
    unsigned long long n = strtoull(text, &end, 10);
    if (n == ~0ull)
        return false;
    static const char letters[] = "kmgt";
    unsigned shift = 0;
    if (*end != '\0' && strcasecmp(end, "b") != 0) {
        const char *at = strchr(letters, tolower((unsigned char)*end));
        if (at == NULL || (end[1] != '\0' && strcasecmp(end + 1, "ib") != 0))
            return false;
        shift = 10u * ((unsigned)(at - letters) + 1);
    }
    uint64_t bytes;
    if (ckd_mul(&bytes, (uint64_t)n, 1ull << shift))
        return false;
    *ret_bytes = bytes;
    return true;
}

void gw_size_format(uint64_t bytes, char ret[GW_SIZE_TEXT])
{
    static const char *const unit[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB" };
    double v = (double)bytes;
    size_t u = 0;
    while (v >= 1024 && u + 1 < GW_ARRAY_SIZE(unit)) {
        v /= 1024;
        u++;
    }
    snprintf(ret, GW_SIZE_TEXT, u == 0 ? "%.0f %s" : "%.1f %s", v, unit[u]);
}
