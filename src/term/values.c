// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Values of options, and words that are nearly right. */
#include "base/checked.h"
#include "base/size.h"
#include "term/args.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Edits that lead from a to b: insert, delete, replace a letter, swap two neighbours. */
static unsigned distance(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b);
    unsigned row[3][GW_TERM_WORD_MAX + 1];
    if (n > GW_TERM_WORD_MAX || m > GW_TERM_WORD_MAX)
        return UINT_MAX;
    for (unsigned j = 0; j <= m; j++)
        row[0][j] = j;
    for (size_t i = 1; i <= n; i++) {
        unsigned *now = row[i % 3], *up = row[(i + 2) % 3], *upper = row[(i + 1) % 3];
        now[0] = (unsigned)i;
        for (size_t j = 1; j <= m; j++) {
            unsigned d = up[j - 1] + (a[i - 1] != b[j - 1]);
            d = GW_MIN(d, up[j] + 1);
            d = GW_MIN(d, now[j - 1] + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                d = GW_MIN(d, upper[j - 2] + 1);
            now[j] = d;
        }
    }
    return row[n % 3][m];
}

const char *gw_term_nearest(const char *word, const char *const *words)
{
    const char *best = NULL;
    unsigned least = (unsigned)strlen(word) / 3 + 1;
    for (; *words != NULL; words++) {
        unsigned d = distance(word, *words);
        if (strncmp(word, *words, strlen(word)) == 0 && strlen(word) >= 3)
            d = 1; /* an abbreviation */
        if (d <= least && (best == NULL || d < least)) {
            best = *words;
            least = d;
        }
    }
    return best;
}

bool gw_term_duration_parse(const char *text, uint64_t *ret_ms)
{
    static const struct {
        const char *unit;
        uint64_t ms;
    } units[] = { { "", 1000 },     { "ms", 1 },      { "s", 1000 },    { "m", 60000 },
                  { "min", 60000 }, { "h", 3600000 }, { "d", 86400000 } };
    if (!isdigit((unsigned char)text[0]))
        return false;
    char *end;
    errno = 0;
    unsigned long long n = strtoull(text, &end, 10);
    for (size_t i = 0; errno == 0 && i < GW_ARRAY_SIZE(units); i++) {
        if (strcmp(end, units[i].unit) == 0)
            return !ckd_mul(ret_ms, (uint64_t)n, units[i].ms);
    }
    return false;
}

void gw_term_size_hint(const char *text, char *ret, size_t cap)
{
    size_t digits = strspn(text, "0123456789");
    const char *unit = text + digits;
    ret[0] = '\0';
    if (digits > 0 && strlen(unit) == 2 && strchr("kKmMgGtT", unit[0]) != NULL &&
        (unit[1] == 'b' || unit[1] == 'B'))
        snprintf(ret, cap, "; did you mean \"%.*s%ciB\"?", (int)GW_MIN(digits, 20u), text,
                 toupper((unsigned char)unit[0]));
}

int gw_term_arg_size(const struct gw_term_args *a, const char *name, uint64_t *ret,
                     struct gw_error *err)
{
    const char *text = gw_term_arg(a, name);
    if (text == NULL || gw_size_parse(text, ret))
        return 0;
    char hint[64];
    gw_term_size_hint(text, hint, sizeof hint);
    return gw_error_set(err, -EINVAL, "--%s: '%s' is not a size (64MiB, 20GiB)%s", name, text,
                        hint);
}

int gw_term_arg_number(const struct gw_term_args *a, const char *name, uint64_t *ret,
                       struct gw_error *err)
{
    const char *text = gw_term_arg(a, name);
    if (text == NULL)
        return 0;
    char *end = NULL;
    errno = 0;
    unsigned long long n = isdigit((unsigned char)text[0]) ? strtoull(text, &end, 10) : 0;
    /* Numbers of the control protocol have 63 bits. */
    if (end == NULL || *end != '\0' || errno != 0 || n > INT64_MAX)
        return gw_error_set(err, -EINVAL, "--%s: '%s' is not a number", name, text);
    *ret = n;
    return 0;
}

int gw_term_arg_ms(const struct gw_term_args *a, const char *name, uint64_t *ret,
                   struct gw_error *err)
{
    const char *text = gw_term_arg(a, name);
    uint64_t ms;
    if (text == NULL)
        return 0;
    /* What waits is counted in 32 bits everywhere below. */
    if (!gw_term_duration_parse(text, &ms) || ms == 0 || ms > INT32_MAX)
        return gw_error_set(err, -EINVAL, "--%s: '%s' is not a duration (500ms, 30s, 5m)", name,
                            text);
    *ret = ms;
    return 0;
}
