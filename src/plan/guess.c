// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* What somebody probably meant by a value that is not quite one. */
#include "base/checked.h"
#include "base/size.h"
#include "plan/value.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define NUMBER_DIGITS_MAX 9 /* of a guess: more is no slip of the pen */

/* "1.5 GB" -> thousandths 1500, unit "gb" in small letters without blanks. */
static bool split(const char *text, uint64_t *ret_thousandths, char ret_unit[16])
{
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > NUMBER_DIGITS_MAX)
        return false;
    uint64_t n = strtoull(text, NULL, 10) * 1000;
    const char *c = text + digits;
    if ((*c == '.' || *c == ',') && isdigit((unsigned char)c[1])) {
        c++;
        for (uint64_t place = 100; isdigit((unsigned char)*c); c++, place /= 10)
            n += place * (uint64_t)(*c - '0');
    }
    c += strspn(c, " _");
    size_t len = strlen(c);
    if (len >= 16)
        return false;
    for (size_t i = 0; i <= len; i++)
        ret_unit[i] = (char)tolower((unsigned char)c[i]);
    *ret_thousandths = n;
    return true;
}

/* "gb", "g", "gib", "gig", "gigabytes", "gbyte" -> 3; -1: no unit of a size. */
static int size_unit(const char *unit)
{
    static const struct {
        const char *letter, *word;
    } units[] = { { "k", "kilo" }, { "m", "mega" }, { "g", "giga" }, { "t", "tera" } };
    static const char *const ends[] = { "", "b", "ib", "ig", "byte", "bytes", "ibyte", "i" };
    for (int u = 0; u < (int)GW_ARRAY_SIZE(units); u++) {
        if (strncmp(unit, units[u].word, 4) == 0)
            return u + 1;
        if (unit[0] != units[u].letter[0])
            continue;
        for (size_t e = 0; e < GW_ARRAY_SIZE(ends); e++) {
            if (strcmp(unit + 1, ends[e]) == 0)
                return u + 1;
        }
    }
    return -1;
}

void gw_size_guess(const char *text, char ret[GW_HINT_TEXT])
{
    uint64_t thousandths;
    char unit[16], exact[GW_VALUE_TEXT];
    ret[0] = '\0';
    if (!split(text, &thousandths, unit))
        return;
    int u = size_unit(unit);
    uint64_t bytes = thousandths;
    if (u < 0 || ckd_mul(&bytes, bytes, 1ull << (10 * (u - 1))) || ckd_mul(&bytes, bytes, 1024ull))
        return;
    bytes /= 1000;
    if (thousandths % 1000 == 0) { /* as written, with the right unit */
        snprintf(ret, GW_HINT_TEXT, "%" PRIu64 "%ciB", thousandths / 1000, "KMGT"[u - 1]);
        return;
    }
    gw_size_format_exact(bytes / 4096 * 4096, exact);
    snprintf(ret, GW_HINT_TEXT, "%s", exact);
}

static const char *duration_unit(const char *unit)
{
    static const struct {
        const char *written, *unit;
    } units[] = { { "", "s" },
                  { "sec", "s" },
                  { "secs", "s" },
                  { "second", "s" },
                  { "seconds", "s" },
                  { "s", "s" },
                  { "m", "m" },
                  { "min", "m" },
                  { "mins", "m" },
                  { "minute", "m" },
                  { "minutes", "m" },
                  { "h", "h" },
                  { "hr", "h" },
                  { "hrs", "h" },
                  { "hour", "h" },
                  { "hours", "h" },
                  { "d", "d" },
                  { "day", "d" },
                  { "days", "d" },
                  { "ms", "ms" },
                  { "msec", "ms" },
                  { "millis", "ms" },
                  { "milliseconds", "ms" } };
    for (size_t i = 0; i < GW_ARRAY_SIZE(units); i++) {
        if (strcmp(unit, units[i].written) == 0)
            return units[i].unit;
    }
    return NULL;
}

/* "1h30m" -> "90m". */
static bool compound(const char *text, uint64_t *ret_ms)
{
    uint64_t sum = 0, ms;
    size_t parts = 0;
    while (*text != '\0') {
        size_t n = strspn(text, "0123456789");
        n += strcspn(text + n, "0123456789");
        char part[GW_VALUE_TEXT];
        if (n >= sizeof part)
            return false;
        memcpy(part, text, n);
        part[n] = '\0';
        part[strcspn(part, " ")] = '\0';
        if (!gw_duration_parse(part, &ms) || ckd_add(&sum, sum, ms))
            return false;
        text += n;
        parts++;
    }
    *ret_ms = sum;
    return parts > 1;
}

void gw_duration_guess(const char *text, char ret[GW_HINT_TEXT])
{
    uint64_t thousandths, ms;
    char unit[16], exact[GW_VALUE_TEXT];
    ret[0] = '\0';
    if (compound(text, &ms)) {
        gw_duration_format(ms, exact);
        snprintf(ret, GW_HINT_TEXT, "%s", exact);
        return;
    }
    if (!split(text, &thousandths, unit))
        return;
    if (strcmp(unit, "w") == 0 || strncmp(unit, "week", 4) == 0) {
        snprintf(ret, GW_HINT_TEXT, "%" PRIu64 "d", thousandths * 7 / 1000);
        return;
    }
    const char *right = duration_unit(unit);
    if (right == NULL)
        return;
    if (thousandths % 1000 == 0) {
        snprintf(ret, GW_HINT_TEXT, "%" PRIu64 "%s", thousandths / 1000, right);
        return;
    }
    char one[8];
    snprintf(one, sizeof one, "1%s", right);
    if (!gw_duration_parse(one, &ms) || ckd_mul(&ms, ms, thousandths) || ms < 1000)
        return;
    gw_duration_format(ms / 1000, exact);
    snprintf(ret, GW_HINT_TEXT, "%s", exact);
}

void gw_rate_guess(const char *text, char ret[GW_HINT_TEXT])
{
    static const char *const ends[] = { "/s", "/sec", "ps", "/second", "" };
    char size[GW_HINT_TEXT], guess[GW_HINT_TEXT];
    uint64_t bytes;
    size_t len = strlen(text);
    ret[0] = '\0';
    /* Bits are another thing by a factor of eight: no guess. */
    if (len >= sizeof size || strcasestr(text, "bit") != NULL)
        return;
    for (size_t i = 0; i < GW_ARRAY_SIZE(ends); i++) {
        size_t n = strlen(ends[i]);
        if (n > len || strcasecmp(text + len - n, ends[i]) != 0)
            continue;
        memcpy(size, text, len - n);
        size[len - n] = '\0';
        gw_size_guess(size, guess);
        if (guess[0] == '\0' && gw_size_parse(size, &bytes))
            snprintf(guess, sizeof guess, "%s", size);
        if (guess[0] != '\0')
            snprintf(ret, GW_HINT_TEXT, "%.90s/s", guess);
        return;
    }
}

void gw_name_guess(const char *text, char ret[GW_HINT_TEXT])
{
    size_t n = 0;
    ret[0] = '\0';
    for (const char *c = text; *c != '\0' && n < GW_NAME_BYTES_MAX; c++) {
        char small = (char)tolower((unsigned char)*c);
        if ((unsigned char)small >= 0x80) {
            ret[0] = '\0';
            return;
        }
        if (isalnum((unsigned char)small))
            ret[n++] = small;
        else if (n > 0 && ret[n - 1] != '-')
            ret[n++] = '-';
    }
    while (n > 0 && ret[n - 1] == '-')
        n--;
    ret[n] = '\0';
}
