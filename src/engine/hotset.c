// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The states of a hot set. See hotset.h for what they mean.
 *
 * Invariants
 *  H1 ask says true only for an entry that is durable in a live generation (R1); of the previous
 *     one only if its carry has room in the current one.
 *  H2 The previous generation is not retired while a carry that was promised to a writer is not
 *     durable (n_uncarried).
 *  H3 What has room (QUEUED) can always be written into the current generation: its blocks are kept
 *     free. So the queue always drains, then the previous generation retires, then the
 *     current one rotates: nobody waits for ever.
 *  H4 Each generation takes COLD_MIN extents that were in none, however many were carried: extents
 *     that are always busy cannot keep the others out. And what is live goes on (a request needs
 *     all its extents hot at one time).
 */
#include "engine/hotset_internal.h"

#include "base/checked.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BLOCKS_KEPT 4u          /* for transactions without entries */
#define COLD_MIN 64u            /* as many as the largest request has extents */
#define UNKNOWN_TXNS (1u << 20) /* after damage: above any number that the damaged blocks held */
#define UNKNOWN_GENERATIONS 8u

static bool entry_has_room(const struct gw_hotset *h, const struct gw_hot_entry *e)
{
    uint64_t pending = h->queue.n + h->txn.n;
    uint64_t blocks = h->queue.n / GW_HOT_ENTRIES_PER_BLOCK + 2; /* the queue, with this one */
    if (h->index + h->txn.blocks + blocks + BLOCKS_KEPT > GW_HOT_SLOT_BLOCKS)
        return false;
    if (e->previous || h->n_cold < COLD_MIN)
        return true;
    return h->n_current + pending < GW_HOT_EXTENTS_PER_GENERATION &&
           h->n_live + pending < GW_HOT_LIVE_MAX;
}

static void entry_queue(struct gw_hotset *h, struct gw_hot_entry *e)
{
    e->want = GW_HOT_QUEUED;
    h->n_uncarried += e->previous;
    h->n_cold += !e->previous;
    gw_hot_keys_push(&h->queue, e->key);
}

/* Those who wait get room, first come first. */
static void admit(struct gw_hotset *h)
{
    uint64_t n = 0;
    for (; n < h->waiting.n; n++) {
        struct gw_hot_entry *e = gw_hot_table_find(&h->table, h->waiting.key[n]);
        assert(e && e->want == GW_HOT_WAITING);
        if (!entry_has_room(h, e))
            break;
        entry_queue(h, e);
    }
    gw_hot_keys_drop(&h->waiting, n);
}

bool gw_hotset_ask(struct gw_hotset *h, unsigned volume, uint64_t extent)
{
    assert(!h->read_only && !h->forget_due);
    assert(volume < GW_VOLUMES_MAX && extent < 1ull << 48);
    if (h->failed)
        return false;
    uint64_t key = extent << 16 | volume;
    struct gw_hot_entry *e = gw_hot_table_find(&h->table, key);
    if (e && e->current)
        return true;
    if (!e)
        e = gw_hot_table_add(&h->table, key);
    if (e->want == GW_HOT_IDLE && entry_has_room(h, e)) {
        entry_queue(h, e);
    } else if (e->want == GW_HOT_IDLE) {
        e->want = GW_HOT_WAITING;
        gw_hot_keys_push(&h->waiting, key);
    }
    return e->previous && e->want != GW_HOT_WAITING;
}

bool gw_hotset_has_work(const struct gw_hotset *h)
{
    return !h->failed && (h->queue.n > 0 || h->retire_due);
}

bool gw_hotset_is_full(const struct gw_hotset *h)
{
    return h->waiting.n > 0;
}

bool gw_hotset_failed(const struct gw_hotset *h)
{
    return h->failed;
}

uint64_t gw_hotset_count(const struct gw_hotset *h)
{
    return h->n_live + h->recovered;
}

/* ---- transactions ---------------------------------------------------------------------------- */

/* A block that comes next in the log; the oldest live generation is what it is in memory. */
static struct gw_hot_block next_block(const struct gw_hotset *h)
{
    struct gw_hot_block b = { .generation = h->generation,
                              .txn = h->next_txn,
                              .oldest = h->generation - h->has_previous,
                              .batch_txn = h->next_txn,
                              .cleared_uuid = h->cleared_uuid,
                              .cleared_seq = h->cleared_seq,
                              .plan_hash = h->plan_hash,
                              .index = (uint16_t)h->index };
    b.oldest_txn = h->index > 0 ? h->first_txn : h->next_txn;
    if (h->has_previous)
        b.oldest_txn = h->previous_txn;
    return b;
}

int gw_hotset_begin(struct gw_hotset *h)
{
    struct gw_hot_txn *t = &h->txn;
    assert(t->blocks == 0 && !h->read_only);
    if (h->failed)
        return -EIO;
    if (!gw_hotset_has_work(h))
        return 0;
    t->n = GW_MIN(h->queue.n, (uint64_t)GW_HOT_TXN_ENTRIES);
    t->blocks = (unsigned)(t->n / GW_HOT_ENTRIES_PER_BLOCK);
    t->blocks += t->n % GW_HOT_ENTRIES_PER_BLOCK != 0 || t->n == 0;
    assert(h->index + t->blocks <= GW_HOT_SLOT_BLOCKS); /* H3 */
    t->head = next_block(h);
    for (uint64_t i = 0; i < t->n; i++) {
        t->key[i] = h->queue.key[i];
        gw_hot_table_find(&h->table, t->key[i])->want = GW_HOT_WRITING;
    }
    gw_hot_keys_drop(&h->queue, t->n);
    h->retire_due = false;
    return (int)t->blocks;
}

static int write_durable(struct gw_hotset *h, const uint8_t *data, size_t len, uint64_t off,
                         struct gw_error *err)
{
    int r = gw_io_pwrite_durable(h->file, data, len, off);
    if (r < 0)
        return gw_error_errno(err, r,
                              "cannot write hot-extent log %s at %llu (no write can be begun "
                              "without it; repair its disk, then restart the plan)",
                              h->path, (unsigned long long)off);
    return 0;
}

int gw_hotset_write(struct gw_hotset *h, struct gw_error *err)
{
    const struct gw_hot_txn *t = &h->txn;
    uint8_t data[GW_HOT_TXN_BLOCKS * GW_HOT_BLOCK_BYTES];
    if (t->blocks == 0)
        return 0;
    gw_crash_point(h->io, "hot.before");
    for (unsigned i = 0; i < t->blocks; i++) {
        struct gw_hot_block b = t->head;
        uint64_t first = (uint64_t)i * GW_HOT_ENTRIES_PER_BLOCK;
        uint64_t n = GW_MIN(t->n - first, (uint64_t)GW_HOT_ENTRIES_PER_BLOCK);
        b.txn += i;
        b.index = (uint16_t)(b.index + i);
        b.count = (uint16_t)n;
        memcpy(b.key, t->key + first, n * sizeof b.key[0]);
        gw_hot_block_encode(&b, data + i * GW_HOT_BLOCK_BYTES);
    }
    int r = write_durable(h, data, t->blocks * GW_HOT_BLOCK_BYTES,
                          gw_hot_block_offset(t->head.generation, t->head.index), err);
    if (r == 0)
        gw_crash_point(h->io, "hot.after");
    return r;
}

void gw_hotset_end(struct gw_hotset *h, int result)
{
    struct gw_hot_txn *t = &h->txn;
    if (result < 0)
        h->failed = true; /* what reached the disk is unknown: never say hot again */
    for (uint64_t i = 0; !h->failed && i < t->n; i++) {
        struct gw_hot_entry *e = gw_hot_table_find(&h->table, t->key[i]);
        assert(e && e->want == GW_HOT_WRITING && !e->current);
        e->want = GW_HOT_IDLE;
        e->current = true;
        h->n_current++;
        h->n_live += !e->previous;
        h->n_uncarried -= e->previous;
    }
    if (!h->failed && t->blocks > 0) {
        if (h->index == 0)
            h->first_txn = h->next_txn;
        h->index += t->blocks;
        h->next_txn += t->blocks;
    }
    t->blocks = 0;
    t->n = 0;
    if (!h->failed)
        admit(h);
}

/* ---- generations ----------------------------------------------------------------------------- */

bool gw_hotset_wants_rotation(const struct gw_hotset *h)
{
    if (h->failed || h->has_previous || h->txn.blocks > 0 || h->n_current == 0)
        return false;
    return h->n_current >= GW_HOT_EXTENTS_PER_GENERATION / 2 || h->waiting.n > 0;
}

void gw_hotset_rotate(struct gw_hotset *h)
{
    assert(!h->has_previous && h->txn.blocks == 0);
    if (h->n_current == 0)
        return; /* nothing that could retire */
    for (uint64_t i = 0; i < h->table.room; i++) {
        struct gw_hot_entry *e = &h->table.e[i];
        if (e->key == GW_HOT_NO_KEY)
            continue;
        e->previous = e->current;
        e->current = false;
    }
    h->has_previous = true;
    h->previous_txn = h->first_txn;
    h->generation++;
    h->index = 0;
    h->n_current = 0;
    h->n_cold = h->queue.n;
    admit(h);
}

bool gw_hotset_has_previous(const struct gw_hotset *h)
{
    return h->has_previous;
}

bool gw_hotset_previous_carried(const struct gw_hotset *h)
{
    return h->n_uncarried == 0;
}

void gw_hotset_retire(struct gw_hotset *h, const struct gw_uuid *cleared_uuid, uint64_t cleared_seq)
{
    assert(h->has_previous && h->n_uncarried == 0); /* R2, H2 */
    for (uint64_t i = 0; i < h->table.room; i++) {
        struct gw_hot_entry *e = &h->table.e[i];
        if (e->key == GW_HOT_NO_KEY || !e->previous)
            continue;
        e->previous = false;
        h->n_live -= !e->current;
    }
    gw_hot_table_sweep(&h->table);
    h->has_previous = false;
    h->retire_due = true;
    h->cleared_uuid = *cleared_uuid;
    h->cleared_seq = cleared_seq;
    admit(h);
}

void gw_hotset_each_previous(const struct gw_hotset *h,
                             void (*fn)(void *arg, unsigned volume, uint64_t extent), void *arg)
{
    for (uint64_t i = 0; i < h->table.room; i++) {
        const struct gw_hot_entry *e = &h->table.e[i];
        if (e->key != GW_HOT_NO_KEY && e->previous && !e->current)
            fn(arg, (unsigned)(e->key & 0xffff), e->key >> 16);
    }
}

/* ---- opening and forgetting ------------------------------------------------------------------ */

static int load(struct gw_hotset *h, const struct gw_uuid *plan, unsigned n_volumes,
                const uint64_t *extents, struct gw_hot_found *ret, struct gw_error *err)
{
    int r = gw_io_open(h->io, h->path, h->read_only ? GW_OPEN_RDONLY : 0, &h->file);
    if (r < 0)
        return gw_error_errno(err, r,
                              "without it nobody knows what a crash left; restore the file, or "
                              "make the replica anew");
    /* What is seen may be only page cache of a process that died; it is acted upon. */
    if (!h->read_only)
        r = gw_io_datasync(h->file);
    if (r < 0)
        return gw_error_errno(err, r, "cannot make it durable");
    return gw_hot_recover(h->file, plan, n_volumes, extents, ret, err);
}

/* New blocks go into a generation of their own, never behind a tail that may be torn. */
static void start(struct gw_hotset *h, const struct gw_hot_found *f)
{
    h->forget_due = f->unknown || f->keys.n > 0;
    h->wipe_due = f->unknown;
    h->recovered = f->keys.n;
    h->generation = f->generation + (f->unknown ? UNKNOWN_GENERATIONS : 1);
    h->next_txn = f->txn + (f->unknown ? UNKNOWN_TXNS : 1);
    h->cleared_uuid = f->cleared_uuid;
    h->cleared_seq = f->cleared_seq;
}

int gw_hotset_open(struct gw_io *io, const char *path, const struct gw_uuid *plan, bool read_only,
                   unsigned n_volumes, const uint64_t *extents,
                   void (*fn)(void *arg, unsigned volume, uint64_t extent), void *arg,
                   struct gw_hotset **ret, struct gw_hot_recovered *ret_found, struct gw_error *err)
{
    struct gw_hotset *h = calloc(1, sizeof *h);
    if (!h)
        return gw_error_set(err, -ENOMEM, "out of memory");
    struct gw_hot_found f = { 0 };
    h->io = io;
    h->read_only = read_only;
    h->plan_hash = gw_hot_plan_hash(plan);
    gw_hot_table_init(&h->table);
    h->path = strdup(path);
    int r = h->path ? load(h, plan, n_volumes, extents, &f, err)
                    : gw_error_set(err, -ENOMEM, "out of memory");
    if (r < 0) {
        gw_error_wrap(err, "cannot open hot-extent log %s", path);
        gw_hotset_close(h);
        return r;
    }
    start(h, &f);
    for (uint64_t i = 0; i < f.keys.n; i++)
        fn(arg, (unsigned)(f.keys.key[i] & 0xffff), f.keys.key[i] >> 16);
    *ret_found = (struct gw_hot_recovered){ .unknown = f.unknown,
                                            .any = f.keys.n > 0,
                                            .cleared_uuid = f.cleared_uuid,
                                            .cleared_seq = f.cleared_seq };
    free(f.keys.key);
    *ret = h;
    return 0;
}

void gw_hotset_close(struct gw_hotset *h)
{
    if (!h)
        return;
    gw_hot_table_done(&h->table);
    free(h->queue.key);
    free(h->waiting.key);
    gw_file_close(h->file);
    free(h->path);
    free(h);
}

/* One block that says: nothing before me is live. */
static int write_forget(struct gw_hotset *h, struct gw_error *err)
{
    uint8_t data[GW_HOT_BLOCK_BYTES];
    int r = h->wipe_due ? gw_hot_wipe(h->file, err) : 0;
    if (r < 0) {
        gw_error_wrap(err, "hot-extent log %s", h->path);
        return r;
    }
    struct gw_hot_block b = next_block(h);
    gw_hot_block_encode(&b, data);
    return write_durable(h, data, sizeof data, gw_hot_block_offset(b.generation, b.index), err);
}

int gw_hotset_forget(struct gw_hotset *h, struct gw_error *err)
{
    assert(h->txn.blocks == 0 && !h->read_only);
    if (h->failed)
        return gw_error_set(
            err, -EIO, "hot-extent log %s could not be written earlier; restart the plan", h->path);
    gw_hot_table_clear(&h->table);
    h->queue.n = h->waiting.n = 0;
    h->n_current = h->n_cold = h->n_live = h->n_uncarried = h->recovered = 0;
    h->has_previous = h->retire_due = false;
    h->generation++;
    h->index = 0;
    gw_crash_point(h->io, "hot.forget.before");
    int r = write_forget(h, err);
    if (r < 0) {
        h->failed = true;
        return r;
    }
    gw_crash_point(h->io, "hot.forget.after");
    h->first_txn = h->next_txn++;
    h->index = 1;
    h->forget_due = h->wipe_due = false;
    return 0;
}
