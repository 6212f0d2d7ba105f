// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The log of a hot set: blocks, creation, recovery. */
#include "engine/hotset_internal.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/cleanup.h"
#include "base/hash.h"
#include "engine/sync_parent.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC 0x54485747u /* "GWHT" */
#define HEADER_BYTES 88u
#define HASH_AT (GW_HOT_BLOCK_BYTES - 8u)
#define BLOCKS (GW_HOT_SLOTS * GW_HOT_SLOT_BLOCKS)

static_assert(HEADER_BYTES + GW_HOT_ENTRIES_PER_BLOCK * 8 == HASH_AT, "layout of a block");

/* ---- blocks ---------------------------------------------------------------------------------- */

uint64_t gw_hot_block_offset(uint64_t generation, unsigned index)
{
    return ((generation % GW_HOT_SLOTS) * GW_HOT_SLOT_BLOCKS + index) * GW_HOT_BLOCK_BYTES;
}

uint64_t gw_hot_plan_hash(const struct gw_uuid *plan)
{
    return gw_hash64(plan->b, sizeof plan->b, 0);
}

void gw_hot_block_encode(const struct gw_hot_block *b, uint8_t *data)
{
    struct gw_writer w = gw_writer(data, GW_HOT_BLOCK_BYTES);
    gw_put_u32(&w, MAGIC);
    gw_put_u16(&w, b->count);
    gw_put_u16(&w, b->index);
    gw_put_u64(&w, b->generation);
    gw_put_u64(&w, b->txn);
    gw_put_u64(&w, b->oldest);
    gw_put_bytes(&w, b->cleared_uuid.b, sizeof b->cleared_uuid.b);
    gw_put_u64(&w, b->cleared_seq);
    gw_put_u64(&w, b->plan_hash);
    gw_put_u64(&w, b->oldest_txn);
    gw_put_u64(&w, b->batch_txn);
    gw_put_u16(&w, GW_HOT_FORMAT);
    gw_put_u16(&w, GW_HOT_BLOCK_BYTES);
    gw_put_zeros_to(&w, HEADER_BYTES);
    assert(b->count <= GW_HOT_ENTRIES_PER_BLOCK);
    for (unsigned i = 0; i < b->count; i++)
        gw_put_u64(&w, b->key[i]); /* volume u16, extent u48 */
    gw_put_zeros_to(&w, HASH_AT);
    gw_put_u64(&w, gw_hash64(data, HASH_AT, 0));
    assert(!w.failed);
}

int gw_hot_block_decode(const uint8_t *data, struct gw_hot_block *ret)
{
    static const uint8_t zeros[GW_HOT_BLOCK_BYTES];
    struct gw_reader tail = gw_reader(data + HASH_AT, GW_HOT_BLOCK_BYTES - HASH_AT);
    struct gw_reader r = gw_reader(data, HASH_AT);
    if (gw_get_u32(&r) != MAGIC)
        return memcmp(data, zeros, sizeof zeros) == 0 ? 0 : -EBADMSG;
    if (gw_get_u64(&tail) != gw_hash64(data, HASH_AT, 0))
        return -EBADMSG;
    struct gw_hot_block b = { 0 };
    b.count = gw_get_u16(&r);
    b.index = gw_get_u16(&r);
    b.generation = gw_get_u64(&r);
    b.txn = gw_get_u64(&r);
    b.oldest = gw_get_u64(&r);
    gw_get_bytes(&r, b.cleared_uuid.b, sizeof b.cleared_uuid.b);
    b.cleared_seq = gw_get_u64(&r);
    b.plan_hash = gw_get_u64(&r);
    b.oldest_txn = gw_get_u64(&r);
    b.batch_txn = gw_get_u64(&r);
    if (gw_get_u16(&r) > GW_HOT_FORMAT)
        return -ENOTSUP;
    uint16_t length = gw_get_u16(&r);
    gw_get_view(&r, HEADER_BYTES - r.pos);
    if (length != GW_HOT_BLOCK_BYTES || b.count > GW_HOT_ENTRIES_PER_BLOCK || b.txn == 0 ||
        b.oldest > b.generation || b.oldest_txn > b.batch_txn || b.batch_txn > b.txn)
        return -EBADMSG;
    for (unsigned i = 0; i < b.count; i++)
        b.key[i] = gw_get_u64(&r);
    if (r.failed)
        return -EBADMSG;
    *ret = b;
    return 1;
}

/* ---- creation -------------------------------------------------------------------------------- */

int gw_hot_wipe(struct gw_file *file, struct gw_error *err)
{
    CLEANUP_FREE uint8_t *zeros = calloc(1, GW_HOT_SLOT_BLOCKS * GW_HOT_BLOCK_BYTES);
    if (!zeros)
        return gw_error_set(err, -ENOMEM, "out of memory");
    int r = 0;
    for (unsigned slot = 0; r == 0 && slot < GW_HOT_SLOTS; slot++)
        r = gw_io_pwrite(file, zeros, GW_HOT_SLOT_BLOCKS * GW_HOT_BLOCK_BYTES,
                         gw_hot_block_offset(slot, 0));
    if (r == 0)
        r = gw_io_datasync(file);
    return r < 0 ? gw_error_errno(err, r, "cannot write it") : 0;
}

/* The first block goes last: a log without a block is a damaged one, whatever made it so. */
static int create_blocks(struct gw_file *file, const struct gw_uuid *plan, struct gw_error *err)
{
    int r = gw_hot_wipe(file, err);
    if (r < 0)
        return r;
    uint8_t data[GW_HOT_BLOCK_BYTES];
    struct gw_hot_block b = { .generation = 1, .oldest = 1, .plan_hash = gw_hot_plan_hash(plan) };
    b.txn = b.oldest_txn = b.batch_txn = 1;
    gw_hot_block_encode(&b, data);
    r = gw_io_pwrite(file, data, sizeof data, gw_hot_block_offset(1, 0));
    if (r == 0)
        r = gw_io_datasync(file);
    return r < 0 ? gw_error_errno(err, r, "cannot write its first block") : 0;
}

int gw_hotset_create(struct gw_io *io, const char *path, const struct gw_uuid *plan,
                     struct gw_error *err)
{
    CLEANUP_FILE struct gw_file *file = NULL;
    int r = gw_io_open(io, path, GW_OPEN_CREATE | GW_OPEN_EXCL, &file);
    if (r < 0)
        return gw_error_errno(err, r, "cannot create hot-extent log %s", path);
    r = gw_io_allocate(file, 0, GW_HOT_FILE_BYTES);
    if (r < 0)
        gw_error_errno(err, r, "no space for its %llu bytes",
                       (unsigned long long)GW_HOT_FILE_BYTES);
    else
        r = create_blocks(file, plan, err);
    if (r == 0) {
        r = gw_io_sync_parent(io, path);
        if (r < 0)
            gw_error_errno(err, r, "cannot make its name durable");
    }
    if (r < 0) {
        gw_error_wrap(err, "cannot create hot-extent log %s", path);
        gw_io_unlink(io, path);
    }
    return r;
}

/* ---- recovery -------------------------------------------------------------------------------- */

struct scan {
    struct gw_file *file;
    uint64_t plan_hash;
    uint8_t *data;
    uint64_t txn[BLOCKS];       /* of the good block in each place; 0: none */
    struct gw_hot_block newest; /* txn 0: none yet */
    uint64_t generation;        /* the highest of all good blocks */
    bool cut;                   /* the file is shorter than it was made */
};

/* 1: a good block in its place; 0: none there (zeros); -EBADMSG. */
static int block_at(const struct scan *s, uint64_t place, struct gw_hot_block *ret)
{
    int r = gw_hot_block_decode(s->data + place * GW_HOT_BLOCK_BYTES, ret);
    if (r == 1 && gw_hot_block_offset(ret->generation, ret->index) != place * GW_HOT_BLOCK_BYTES)
        return -EBADMSG;
    return r;
}

static int scan_all(struct scan *s, struct gw_error *err)
{
    uint64_t size;
    int r = gw_io_size(s->file, &size);
    if (r == 0)
        r = gw_io_pread(s->file, s->data, GW_HOT_FILE_BYTES, 0);
    if (r < 0)
        return gw_error_errno(err, r, "cannot read it");
    s->cut = size < GW_HOT_FILE_BYTES;
    for (uint64_t i = 0; i < BLOCKS; i++) {
        struct gw_hot_block b;
        r = block_at(s, i, &b);
        if (r == -ENOTSUP)
            return gw_error_set(err, -ENOTSUP,
                                "block %llu has a newer format than this program knows (%u); use "
                                "the newer program",
                                (unsigned long long)i, GW_HOT_FORMAT);
        if (r != 1)
            continue;
        if (b.plan_hash != s->plan_hash)
            return gw_error_set(err, -EINVAL,
                                "it belongs to another plan; put the right file back");
        if (b.txn > s->newest.txn)
            s->newest = b;
        s->generation = GW_MAX(s->generation, b.generation);
        s->txn[i] = b.txn;
    }
    return 0;
}

/* Entries of a good block of a live generation. False: an extent that cannot be. */
static bool take_entries(const struct gw_hot_block *b, unsigned n_volumes, const uint64_t *extents,
                         struct gw_hot_keys *keys)
{
    for (unsigned i = 0; i < b->count; i++) {
        uint64_t volume = b->key[i] & 0xffff, extent = b->key[i] >> 16;
        if (volume < n_volumes && extents[volume] == 0)
            continue; /* of a volume that was removed since */
        if (volume >= n_volumes || extent >= extents[volume])
            return false;
        gw_hot_keys_push(keys, b->key[i]);
    }
    return true;
}

/*
 * A block of the last transaction is missing. Torn: what was in its place before is there still, or
 * nothing readable and nothing of the transaction behind it. Else damage.
 */
static bool is_torn(const struct scan *s, uint64_t txn)
{
    const struct gw_hot_block *last = &s->newest;
    uint64_t back = last->txn - txn;
    struct gw_hot_block there;
    if (back > last->index)
        return false;
    uint64_t place = gw_hot_block_offset(last->generation, (unsigned)(last->index - back));
    return block_at(s, place / GW_HOT_BLOCK_BYTES, &there) >= 0;
}

/*
 * The newest block says from which txn on blocks are live, and where the last transaction began.
 * All between must be there; of the last transaction any may have been torn off, for it had not
 * become durable and nobody was told that its extents are hot.
 */
static bool collect(const struct scan *s, unsigned n_volumes, const uint64_t *extents,
                    struct gw_hot_keys *keys)
{
    const struct gw_hot_block *last = &s->newest;
    if (last->txn == 0 || last->txn - last->oldest_txn >= BLOCKS ||
        last->generation - last->oldest >= GW_HOT_SLOTS)
        return false;
    uint64_t n = last->txn - last->oldest_txn + 1;
    CLEANUP_FREE bool *seen = calloc(n, sizeof *seen);
    if (!seen)
        abort();
    for (uint64_t i = 0; i < BLOCKS; i++) {
        struct gw_hot_block b;
        if (s->txn[i] < last->oldest_txn || block_at(s, i, &b) != 1)
            continue;
        if (seen[b.txn - last->oldest_txn] || b.generation < last->oldest ||
            b.generation > last->generation || !take_entries(&b, n_volumes, extents, keys))
            return false;
        seen[b.txn - last->oldest_txn] = true;
    }
    for (uint64_t i = 0; i < n; i++) {
        uint64_t txn = last->oldest_txn + i;
        if (!seen[i] && (txn < last->batch_txn || !is_torn(s, txn)))
            return false;
    }
    return true;
}

int gw_hot_recover(struct gw_file *file, const struct gw_uuid *plan, unsigned n_volumes,
                   const uint64_t *extents, struct gw_hot_found *ret, struct gw_error *err)
{
    CLEANUP_FREE uint8_t *data = malloc(GW_HOT_FILE_BYTES);
    CLEANUP_FREE struct scan *s = calloc(1, sizeof *s);
    if (!data || !s)
        return gw_error_set(err, -ENOMEM, "out of memory");
    s->file = file;
    s->data = data;
    s->plan_hash = gw_hot_plan_hash(plan);
    int r = scan_all(s, err);
    if (r < 0)
        return r;
    struct gw_hot_found f = { .generation = s->generation, .txn = s->newest.txn };
    f.unknown = s->cut || !collect(s, n_volumes, extents, &f.keys);
    if (f.unknown) {
        f.keys.n = 0;
    } else {
        f.cleared_uuid = s->newest.cleared_uuid;
        f.cleared_seq = s->newest.cleared_seq;
    }
    *ret = f;
    return 0;
}
