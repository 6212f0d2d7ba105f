// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The hot set: extents that may hold data whose dirty bits are not durable, in `DIR/dirty/hot`.
 *
 * After a crash every extent in it counts as dirty. R1: an extent's entry is durable before data of
 * that extent can reach a disk, also for the second and later writes while the first entry is on
 * its way. R2: entries leave in whole *generations*, so that one fdatasync retires a thousand.
 *
 * States of an extent for a writer:
 *     hot      its entry is durable in a live generation: go on
 *     wanted   its entry is being written: wait
 *     cold     nobody asked: ask (it becomes wanted), wait
 *
 * Two generations are live: current and previous. A write to an extent of the *previous* one goes
 * on at once and asks for a carry into the current one; the previous generation cannot retire
 * before its carries are durable. When the current one is full (GW_HOT_EXTENTS_PER_GENERATION), it
 * becomes previous as soon as the old previous is retired; until then writers of cold extents wait.
 * Carries may go beyond that number, and each generation takes at least 64 cold extents whatever
 * was carried, so that busy extents cannot keep the others out: the set has about 2,048 extents,
 * more if more than that are written in every generation. Only when a slot runs out of blocks do
 * writers of the previous generation wait too.
 *
 *     fill current -> full --(previous retired)--> rotate: current = new, previous = old current
 *     previous: wait for writes in flight when the rotation happened -> fdatasync volumes ->
 *               its records durable at the peer, or their bits durable (the owner's work)
 *               -> retire (one durable log write)
 *
 * The file: GW_HOT_SLOTS slots of GW_HOT_SLOT_BLOCKS blocks of 512 bytes, written once, in order,
 * within a generation; generation g uses slot g % GW_HOT_SLOTS. Block: {magic u32, count u16, index
 * in the slot u16, generation u64, txn u64 (grows by one a block, over all generations), oldest
 * live generation u64, cleared uuid, cleared seq (R5), plan uuid's hash u64, txn of the oldest live
 * generation's first block u64, txn of the first block of this transaction u64, format u16, length
 * u16, zeros, count entries {volume u16, extent u48}, XXH3 in the last 8 bytes}. The blocks are
 * allocated and zeroed at creation, so that an append is a pure data write. A block is never
 * rewritten within a generation: a torn append can harm nothing that was durable.
 *
 * Recovery: the highest txn tells the oldest live generation; the hot set is every entry of a valid
 * block of a live generation. Every txn from the first block of that generation on must be there,
 * but for blocks of the last transaction, whose write a crash may have torn into any subset. A
 * block that is missing before that, or a bad one within it with a valid later one, is damage: the
 * set is unknown and *everything* counts as coarse-dirty (reported). So is a file without any
 * block, or one that was cut. (Damage of the very last block alone looks like a torn append.)
 *
 * Threads: this is a state machine without a lock. The owner serialises all calls, except that
 * gw_hotset_write() (the I/O) runs without the owner's lock between _begin and _end; one at a time.
 */
#pragma once

#include "engine/io.h"
#include "engine/limits.h"

struct gw_hotset;

#define GW_HOT_BLOCK_BYTES 512u
#define GW_HOT_ENTRIES_PER_BLOCK 52u
#define GW_HOT_SLOT_BLOCKS 2048u
#define GW_HOT_SLOTS 4u

int gw_hotset_create(struct gw_io *io, const char *path, const struct gw_uuid *plan,
                     struct gw_error *err);

struct gw_hot_recovered {
    bool unknown; /* damage: every extent of every volume must be compared */
    bool any;     /* at least one extent was hot */
    struct gw_uuid cleared_uuid;
    uint64_t cleared_seq;
};

/*
 * Open. For each extent found hot `fn` is called (the owner marks it coarse). The recovered
 * generations stay live in the file until gw_hotset_forget(), which has to come before the first
 * ask if anything was found (any or unknown). extents[i] is the number of extents of volume i; 0:
 * it was removed, and what the log says of it is passed over. fn
 * may be called twice for an extent, and is not called when the set is unknown.
 */
int gw_hotset_open(struct gw_io *io, const char *path, const struct gw_uuid *plan, bool read_only,
                   unsigned n_volumes, const uint64_t *extents,
                   void (*fn)(void *arg, unsigned volume, uint64_t extent), void *arg,
                   struct gw_hotset **ret, struct gw_hot_recovered *ret_found,
                   struct gw_error *err);
void gw_hotset_close(struct gw_hotset *h);

/*
 * Everything recovered is durable in the dirty maps (or the side stopped cleanly, R12): start with
 * an empty set; what was asked for is forgotten too. Durable when it returns 0; a failure is
 * sticky. Also used by R11, R12 at a stop. I/O inside: call where no writer and no transaction
 * runs. Crash points hot.forget.before, hot.forget.after.
 */
int gw_hotset_forget(struct gw_hotset *h, struct gw_error *err);

/* A writer asks for one extent. True: hot, go on now. False: wait until a later ask says true; what
 * was asked for once stays wanted. Wake the waiting after _end, _rotate and _retire. */
bool gw_hotset_ask(struct gw_hotset *h, unsigned volume, uint64_t extent);

/* Is there something to log (wanted or carried entries that fit into the current generation)? */
bool gw_hotset_has_work(const struct gw_hotset *h);
/* Writers wait for room: a transaction will not help them, a retirement or rotation will. */
bool gw_hotset_is_full(const struct gw_hotset *h);

/* One log transaction: begin (under the lock) takes what is wanted; write (no lock) does the I/O
 * and datasync, crash points hot.before, hot.after; end (under the lock) makes them hot.
 * begin returns the number of blocks to write; 0: nothing to do (write and end then do nothing);
 * -EIO: failed. A transaction takes at most 1,664 entries: look at has_work again after it. On an
 * I/O error the set is failed for good: asks never say true again. */
int gw_hotset_begin(struct gw_hotset *h);
int gw_hotset_write(struct gw_hotset *h, struct gw_error *err);
void gw_hotset_end(struct gw_hotset *h, int result);
bool gw_hotset_failed(const struct gw_hotset *h);

/* True if the current generation is at least half full, or somebody waits for room, and the
 * previous one is retired: the owner should rotate. */
bool gw_hotset_wants_rotation(const struct gw_hotset *h);
/* Current becomes previous. Only when the previous one is retired and no transaction runs. Does
 * nothing while the current one is empty. */
void gw_hotset_rotate(struct gw_hotset *h);
/* A previous generation exists; the owner works to retire it. */
bool gw_hotset_has_previous(const struct gw_hotset *h);
/* Carries out of the previous generation are all durable. */
bool gw_hotset_previous_carried(const struct gw_hotset *h);
/*
 * R2 is fulfilled for the previous generation: forget it. previous_carried() must be true under the
 * same hold of the lock (it may have been true, and a writer come since). The next log transaction
 * says so (has_work becomes true); until that is durable its extents still count after a crash,
 * which is safe.
 * cleared_* is R5's mark, made durable by the same transaction.
 */
void gw_hotset_retire(struct gw_hotset *h, const struct gw_uuid *cleared_uuid,
                      uint64_t cleared_seq);

uint64_t gw_hotset_count(const struct gw_hotset *h); /* live extents, for status */
/* Calls fn for every extent of the previous generation that was not carried. */
void gw_hotset_each_previous(const struct gw_hotset *h,
                             void (*fn)(void *arg, unsigned volume, uint64_t extent), void *arg);
