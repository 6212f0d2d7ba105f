// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "catalog/audit_head.h"

#include "base/cleanup.h"
#include "base/hash.h"
#include "catalog/audit.h"
#include "catalog/files.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

size_t gw_audit_head_encode(const struct gw_audit_head *head, char ret[GW_AUDIT_HEAD_BYTES])
{
    int n =
        snprintf(ret, GW_AUDIT_HEAD_BYTES, "godwit audit head 1\ncount %" PRIu64 "\nhash %.64s\n",
                 head->count, head->hash);
    uint64_t check = gw_hash64(ret, (size_t)n, 0);
    n += snprintf(ret + n, GW_AUDIT_HEAD_BYTES - (size_t)n, "check %016" PRIx64 "\n", check);
    return (size_t)n;
}

/* Digits up to the end of the line, without signs, blanks or leading zeros. */
static bool number(const char **p, const char *end, uint64_t *ret)
{
    uint64_t v = 0;
    const char *q = *p;
    for (; q < end && *q >= '0' && *q <= '9'; q++) {
        if (v > (INT64_MAX - 9) / 10)
            return false;
        v = v * 10 + (uint64_t)(*q - '0');
    }
    if (q == *p)
        return false;
    *p = q;
    *ret = v;
    return true;
}

static bool word(const char **p, const char *end, const char *text)
{
    size_t n = strlen(text);
    if ((size_t)(end - *p) < n || memcmp(*p, text, n) != 0)
        return false;
    *p += n;
    return true;
}

bool gw_audit_head_decode(const char *data, size_t len, struct gw_audit_head *ret)
{
    struct gw_audit_head head = { 0 };
    char again[GW_AUDIT_HEAD_BYTES];
    const char *p = data, *end = data + len;
    if (len >= GW_AUDIT_HEAD_BYTES || !word(&p, end, "godwit audit head 1\ncount ") ||
        !number(&p, end, &head.count) || !word(&p, end, "\nhash ") ||
        (size_t)(end - p) < GW_CATALOG_HASH_TEXT - 1)
        return false;
    memcpy(head.hash, p, GW_CATALOG_HASH_TEXT - 1);
    if (strspn(head.hash, "0123456789abcdef") != GW_CATALOG_HASH_TEXT - 1)
        return false;
    /* There is one way to write it: what is left is right if writing it again gives the same. */
    if (gw_audit_head_encode(&head, again) != len || memcmp(again, data, len) != 0)
        return false;
    *ret = head;
    return true;
}

int gw_audit_head_load(const char *dir, struct gw_audit_head *ret, struct gw_error *err)
{
    char path[GW_PATH_BYTES], data[GW_AUDIT_HEAD_BYTES];
    int r = gw_path_join(path, dir, GW_AUDIT_HEAD_FILE, err);
    if (r < 0)
        return r;
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return gw_error_set(err, -ENOENT, "%s is missing", path);
    ssize_t n = fd < 0 ? -1 : read(fd, data, sizeof data);
    if (n < 0)
        return gw_error_errno(err, -errno, "cannot read %s", path);
    if (!gw_audit_head_decode(data, (size_t)n, ret))
        return gw_error_set(err, -EUCLEAN, "%s is damaged", path);
    return 0;
}

int gw_audit_head_store(const char *dir, const struct gw_audit_head *head, struct gw_error *err)
{
    char path[GW_PATH_BYTES], data[GW_AUDIT_HEAD_BYTES];
    int r = gw_path_join(path, dir, GW_AUDIT_HEAD_FILE, err);
    return r < 0 ? r : gw_file_replace(path, data, gw_audit_head_encode(head, data), err);
}
