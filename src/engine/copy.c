// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "engine/points.h"

#include "base/checked.h"
#include "base/cleanup.h"

#include <errno.h>
#include <string.h>

#define CHUNK_BYTES GW_BATCH_BYTES

struct copy {
    struct gw_file *dst, *src;
    bool dst_is_new;
    uint8_t *buf;
};

static bool is_zero(const uint8_t *p, size_t len)
{
    return len == 0 || (p[0] == 0 && memcmp(p, p + 1, len - 1) == 0);
}

/* [off, off + len) of dst reads as zeros. */
static int make_zero(struct copy *c, uint64_t off, uint64_t len, struct gw_error *err)
{
    if (c->dst_is_new || len == 0)
        return 0;
    int r = gw_io_zero(c->dst, off, len, GW_ZERO_PUNCH);
    return r < 0 ? gw_error_errno(err, r, "cannot zero %llu bytes at %llu", (unsigned long long)len,
                                  (unsigned long long)off)
                 : 0;
}

/* Blocks of zeros that the source holds as data become holes: the content is the same. */
static int write_chunk(struct copy *c, uint64_t off, size_t len, struct gw_error *err)
{
    for (size_t pos = 0; pos < len;) {
        bool zero = is_zero(c->buf + pos, GW_MIN(len - pos, (size_t)GW_BLOCK_BYTES));
        size_t stop = pos;
        while (stop < len) {
            size_t block = GW_MIN(len - stop, (size_t)GW_BLOCK_BYTES);
            if (is_zero(c->buf + stop, block) != zero)
                break;
            stop += block;
        }
        int r;
        if (zero) {
            r = make_zero(c, off + pos, stop - pos, err);
            if (r < 0)
                return r;
        } else {
            r = gw_io_pwrite(c->dst, c->buf + pos, stop - pos, off + pos);
            if (r < 0)
                return gw_error_errno(err, r, "cannot write the copy at %llu",
                                      (unsigned long long)(off + pos));
        }
        pos = stop;
    }
    return 0;
}

static int copy_run(struct copy *c, uint64_t off, uint64_t stop, struct gw_error *err)
{
    while (off < stop) {
        /* Chunks end at multiples of their size, so that blocks stay whole. */
        size_t len = (size_t)GW_MIN(stop - off, CHUNK_BYTES - off % CHUNK_BYTES);
        int r = gw_io_pread(c->src, c->buf, len, off);
        if (r < 0)
            return gw_error_errno(err, r, "cannot read the original at %llu",
                                  (unsigned long long)off);
        r = write_chunk(c, off, len, err);
        if (r < 0)
            return r;
        off += len;
    }
    return 0;
}

/* A new file has the size at once; a target that is too short grows. */
static int fit(struct copy *c, uint64_t bytes, struct gw_error *err)
{
    uint64_t size = 0;
    int r = gw_io_size(c->dst, &size);
    if (r < 0)
        return gw_error_errno(err, r, "cannot find the size of the copy");
    if (size >= bytes)
        return 0;
    r = gw_io_truncate(c->dst, bytes);
    return r < 0 ? gw_error_errno(err, r, "cannot give the copy its size of %llu bytes",
                                  (unsigned long long)bytes)
                 : 0;
}

int gw_copy_sparse(struct gw_file *dst, struct gw_file *src, uint64_t bytes, bool dst_is_new,
                   struct gw_error *err)
{
    CLEANUP_FREE uint8_t *buf = malloc(CHUNK_BYTES);
    if (buf == NULL)
        return gw_error_errno(err, -ENOMEM, "cannot copy");
    struct copy c = { .dst = dst, .src = src, .dst_is_new = dst_is_new, .buf = buf };
    int r = fit(&c, bytes, err);
    for (uint64_t off = 0; r == 0 && off < bytes;) {
        uint64_t start = 0, stop = 0;
        r = gw_io_next_data(src, off, bytes, &start, &stop);
        if (r < 0)
            return gw_error_errno(err, r, "cannot find the data of the original at %llu",
                                  (unsigned long long)off);
        r = make_zero(&c, off, start - off, err);
        if (r == 0)
            r = copy_run(&c, start, stop, err);
        off = stop;
    }
    return r;
}
