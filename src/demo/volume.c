// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "demo/volume.h"

#include "base/checked.h"
#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <libnbd.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TOOL_MS 120000u
#define CHUNK_BYTES (1u << 20)

int volume_read(struct processes *ps, const char *socket, const char *export, const char *file,
                struct gw_error *err)
{
    char uri[PATH_MAX];
    snprintf(uri, sizeof uri, "nbd+unix:///%s?socket=%s", export, socket);
    const char *argv[] = { "nbdcopy", uri, file, NULL };
    unlink(file);
    return process_must(ps, argv, TOOL_MS, NULL, err);
}

int volume_copy(struct processes *ps, const char *from, const char *to, struct gw_error *err)
{
    const char *argv[] = { "cp", "--sparse=always", from, to, NULL };
    return process_must(ps, argv, TOOL_MS, NULL, err);
}

/* ---- two images side by side --------------------------------------------------------------- */

typedef int differ_fn(void *arg, uint64_t offset, const uint8_t *after, size_t len,
                      struct gw_error *err);

static int read_full(const char *file, int fd, uint8_t *buf, size_t len, off_t at,
                     struct gw_error *err)
{
    for (size_t n = 0; n < len;) {
        ssize_t r = pread(fd, buf + n, len - n, at + (off_t)n);
        if (r < 0)
            return gw_error_errno(err, -errno, "cannot read \"%s\" at %lld", file, (long long)at);
        if (r == 0)
            return gw_error_set(err, -EIO, "\"%s\" ends too early", file);
        n += (size_t)r;
    }
    return 0;
}

/* Neighbouring blocks that differ come as one. */
static int chunk_differences(const uint8_t *a, const uint8_t *b, size_t len, uint64_t offset,
                             differ_fn *fn, void *arg, struct gw_error *err)
{
    if (memcmp(a, b, len) == 0)
        return 0;
    size_t begin = 0;
    bool in = false;
    for (size_t at = 0; at <= len; at += VOLUME_BLOCK_BYTES) {
        size_t n = at < len ? GW_MIN(len - at, (size_t)VOLUME_BLOCK_BYTES) : 0;
        bool differs = n > 0 && memcmp(a + at, b + at, n) != 0;
        if (differs && !in)
            begin = at;
        if (!differs && in) {
            int r = fn(arg, offset + begin, b + begin, at - begin, err);
            if (r < 0)
                return r;
        }
        in = differs;
    }
    return 0;
}

static int each_difference(const char *before, const char *after, differ_fn *fn, void *arg,
                           struct gw_error *err)
{
    CLEANUP_CLOSE int a = open(before, O_RDONLY | O_CLOEXEC);
    CLEANUP_CLOSE int b = open(after, O_RDONLY | O_CLOEXEC);
    CLEANUP_FREE uint8_t *buf = malloc(2 * (size_t)CHUNK_BYTES);
    struct stat sa, sb;
    if (a < 0 || b < 0 || fstat(a, &sa) < 0 || fstat(b, &sb) < 0)
        return gw_error_errno(err, -errno, "cannot open \"%s\" and \"%s\"", before, after);
    if (buf == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    if (sa.st_size != sb.st_size || sa.st_size % (off_t)VOLUME_BLOCK_BYTES != 0)
        return gw_error_set(err, -EINVAL, "\"%s\" and \"%s\" have sizes that do not fit", before,
                            after);
    for (off_t at = 0; at < sa.st_size; at += (off_t)CHUNK_BYTES) {
        size_t len = (size_t)GW_MIN(sa.st_size - at, (off_t)CHUNK_BYTES);
        int r = read_full(before, a, buf, len, at, err);
        if (r == 0)
            r = read_full(after, b, buf + CHUNK_BYTES, len, at, err);
        if (r == 0)
            r = chunk_differences(buf, buf + CHUNK_BYTES, len, (uint64_t)at, fn, arg, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int count_difference(void *arg, uint64_t offset, const uint8_t *after, size_t len,
                            struct gw_error *err)
{
    uint64_t *blocks = arg;
    (void)offset;
    (void)after;
    (void)err;
    *blocks += len / VOLUME_BLOCK_BYTES;
    return 0;
}

int volume_compare(const char *a, const char *b, uint64_t *ret_differing, struct gw_error *err)
{
    uint64_t blocks = 0;
    int r = each_difference(a, b, count_difference, &blocks, err);
    if (r == 0)
        *ret_differing = blocks;
    return r;
}

/* ---- changing through the export ----------------------------------------------------------- */

struct change {
    struct nbd_handle *nbd;
    uint64_t blocks;
};

static int nbd_failed(struct gw_error *err)
{
    const char *why = nbd_get_error();
    return gw_error_set(err, -EIO, "%s", why != NULL ? why : "NBD failed");
}

static int write_difference(void *arg, uint64_t offset, const uint8_t *after, size_t len,
                            struct gw_error *err)
{
    struct change *c = arg;
    c->blocks += len / VOLUME_BLOCK_BYTES;
    return nbd_pwrite(c->nbd, after, len, offset, 0) < 0 ? nbd_failed(err) : 0;
}

int volume_change(const char *socket, const char *export, const char *before, const char *after,
                  uint64_t *ret_blocks, struct gw_error *err)
{
    struct change c = { .nbd = nbd_create() };
    int r = 0;
    if (c.nbd == NULL || nbd_set_export_name(c.nbd, export) < 0 ||
        nbd_connect_unix(c.nbd, socket) < 0)
        r = nbd_failed(err);
    if (r == 0)
        r = each_difference(before, after, write_difference, &c, err);
    if (r == 0 && (nbd_flush(c.nbd, 0) < 0 || nbd_shutdown(c.nbd, 0) < 0))
        r = nbd_failed(err);
    nbd_close(c.nbd);
    if (r == 0)
        *ret_blocks = c.blocks;
    return r < 0 ? gw_error_wrap(err, "cannot change \"%s\"", export) : 0;
}

/* ---- an exported tail ---------------------------------------------------------------------- */

static int overlay_range(const char *tail, int from, int to, uint64_t offset, uint64_t length,
                         struct gw_error *err)
{
    CLEANUP_FREE uint8_t *buf = malloc(CHUNK_BYTES);
    if (buf == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    while (length > 0) {
        size_t n = (size_t)GW_MIN(length, (uint64_t)CHUNK_BYTES);
        int r = read_full(tail, from, buf, n, (off_t)offset, err);
        if (r < 0)
            return r;
        if (pwrite(to, buf, n, (off_t)offset) != (ssize_t)n)
            return gw_error_set(err, -EIO, "cannot write the overlay at %llu",
                                (unsigned long long)offset);
        offset += n;
        length -= n;
    }
    return 0;
}

static int overlay_ranges(FILE *ranges, const char *volume, const char *tail, int from, int to,
                          uint64_t *ret_bytes, struct gw_error *err)
{
    char name[128];
    unsigned long long offset, length;
    uint64_t bytes = 0;
    while (fscanf(ranges, "%127s %llu %llu", name, &offset, &length) == 3) {
        if (strcmp(name, volume) != 0)
            continue;
        int r = overlay_range(tail, from, to, offset, length, err);
        if (r < 0)
            return r;
        bytes += length;
    }
    *ret_bytes = bytes;
    return 0;
}

int volume_overlay(const char *image, const char *tail_dir, const char *volume, uint64_t *ret_bytes,
                   struct gw_error *err)
{
    char list[PATH_MAX], tail[PATH_MAX];
    snprintf(list, sizeof list, "%s/ranges.txt", tail_dir);
    snprintf(tail, sizeof tail, "%s/%s.tail", tail_dir, volume);
    CLEANUP_CLOSE int from = open(tail, O_RDONLY | O_CLOEXEC);
    CLEANUP_CLOSE int to = open(image, O_WRONLY | O_CLOEXEC);
    if (from < 0 || to < 0)
        return gw_error_errno(err, -errno, "cannot put \"%s\" over \"%s\"", tail, image);
    FILE *ranges = fopen(list, "re");
    if (ranges == NULL)
        return gw_error_errno(err, -errno, "cannot open \"%s\"", list);
    int r = overlay_ranges(ranges, volume, tail, from, to, ret_bytes, err);
    fclose(ranges);
    return r;
}
