// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Headers of a POSIX tar (ustar): just what a backup needs of them. Pure. */
#include "site/archive.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Where the fields of a header are. */
#define MODE_AT 100
#define UID_AT 108
#define GID_AT 116
#define SIZE_AT 124
#define SIZE_DIGITS 11
#define TIME_AT 136
#define SUM_AT 148
#define SUM_DIGITS 6
#define SUM_BYTES 8
#define TYPE_AT 156
#define MAGIC_AT 257
#define PREFIX_AT 345

static const char peers[] = "peers/";

bool site_archive_name_valid(const char *name)
{
    if (strncmp(name, peers, sizeof peers - 1) == 0)
        name += sizeof peers - 1;
    size_t len = strlen(name);
    if (len == 0 || len + sizeof peers > SITE_ARCHIVE_NAME_MAX || name[0] == '.')
        return false;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)name[i];
        if (c >= 0x80 || (!isalnum(c) && strchr("._-", c) == NULL))
            return false;
    }
    return true;
}

/* The sum of all bytes, those of the sum itself taken as blanks. */
static unsigned sum_of(const uint8_t block[SITE_ARCHIVE_BLOCK])
{
    unsigned sum = 0;
    for (unsigned i = 0; i < SITE_ARCHIVE_BLOCK; i++)
        sum += i >= SUM_AT && i < SUM_AT + SUM_BYTES ? ' ' : block[i];
    return sum;
}

static void put_octal(uint8_t *at, unsigned digits, uint64_t value)
{
    at[digits] = '\0';
    while (digits-- > 0) {
        at[digits] = (uint8_t)('0' + (value & 7));
        value >>= 3;
    }
}

/* Digits, then a blank, a NUL or the end of the field. */
static bool get_octal(const uint8_t *at, unsigned digits, uint64_t *ret)
{
    uint64_t value = 0;
    unsigned n = 0;
    for (; n < digits && at[n] >= '0' && at[n] <= '7'; n++)
        value = value << 3 | (uint64_t)(at[n] - '0');
    if (n == 0 || (n < digits && at[n] != ' ' && at[n] != '\0'))
        return false;
    *ret = value;
    return true;
}

void site_archive_header_write(const struct site_archive_member *m, uint8_t ret[SITE_ARCHIVE_BLOCK])
{
    memset(ret, 0, SITE_ARCHIVE_BLOCK);
    memcpy(ret, m->name, strnlen(m->name, SITE_ARCHIVE_NAME_MAX - 1));
    put_octal(ret + MODE_AT, 7, 0600);
    put_octal(ret + UID_AT, 7, 0);
    put_octal(ret + GID_AT, 7, 0);
    put_octal(ret + SIZE_AT, SIZE_DIGITS, m->bytes);
    put_octal(ret + TIME_AT, SIZE_DIGITS, 0);
    ret[TYPE_AT] = '0';
    memcpy(ret + MAGIC_AT,
           "ustar\0"
           "00",
           8);
    put_octal(ret + SUM_AT, SUM_DIGITS, sum_of(ret));
    ret[SUM_AT + SUM_DIGITS + 1] = ' ';
}

static bool all_zeros(const uint8_t block[SITE_ARCHIVE_BLOCK])
{
    for (unsigned i = 0; i < SITE_ARCHIVE_BLOCK; i++) {
        if (block[i] != 0)
            return false;
    }
    return true;
}

int site_archive_header_read(const uint8_t block[SITE_ARCHIVE_BLOCK],
                             struct site_archive_member *ret, struct gw_error *err)
{
    struct site_archive_member m = { .bytes = 0 };
    uint64_t sum;
    if (all_zeros(block))
        return 0;
    if (memcmp(block + MAGIC_AT, "ustar", 5) != 0)
        return gw_error_set(err, -EBADMSG, "it is not a backup of a site: no tar file");
    if (!get_octal(block + SUM_AT, SUM_DIGITS + 1, &sum) || sum != sum_of(block))
        return gw_error_set(err, -EBADMSG, "a header is damaged");
    memcpy(m.name, block, sizeof m.name);
    if (m.name[sizeof m.name - 1] != '\0' || !site_archive_name_valid(m.name) ||
        block[PREFIX_AT] != '\0' || (block[TYPE_AT] != '0' && block[TYPE_AT] != '\0'))
        return gw_error_set(err, -EBADMSG, "it has a member that no backup of a site has");
    if (!get_octal(block + SIZE_AT, SIZE_DIGITS, &m.bytes) || m.bytes > SITE_ARCHIVE_BYTES_MAX)
        return gw_error_set(err, -EBADMSG, "'%s' has an impossible length", m.name);
    *ret = m;
    return 1;
}
