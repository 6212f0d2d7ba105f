// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The dirty map of one volume, in memory and in `DIR/dirty/<volume>`: which blocks may differ from
 * the peer. A superset always, a subset never.
 *
 * Two maps share the file: *fine* (one bit a 4 KiB block: known to have changed, is sent) and
 * *coarse* (one bit a 1 MiB extent: may have changed, is compared by hash first).
 *
 * A fine bit is in one of three states while a resync runs (R3):
 *     clear --mark--> dirty --inject--> in flight --durable ack--> clear
 *                       ^                  |
 *                       +---- mark --------+   (marked again: the ack clears nothing)
 *                       +---- link lost ---+
 * What is durable is dirty | in flight. A block that is marked while in flight is dirty at once, so
 * that it is sent again before the end is; its older acknowledgement, which comes first because
 * acknowledgements are in order, is swallowed. So each inject is followed by exactly one acked of
 * the same blocks, in the same order, or by a requeue, after which none of the older ones counts.
 *
 * Invariants
 *  D1 A set bit is on disk before persist() returns 0.
 *  D2 A bit cleared in memory may stay set on disk for a while; never the reverse.
 *  D3 cleared-through {uuid, seq} (R5) is on disk before the first cleared bit of that clear, and
 *     so is every set made before it (an extent that was compared loses its coarse bit only when
 *     the fine bits of its differences are durable). The owner moves cleared-through and clears
 *     under one hold of the lock, or cleared-through first.
 *  D4 A page that is damaged on disk counts as all dirty (R20), and is reported.
 *
 * File: header page {magic "GWDIRTY\1", format, volume uuid, volume bytes, block bytes, extent
 * bytes, cleared uuid, cleared seq, XXH3}, two copies (page 0 and page 1, with a generation number;
 * both are written, the second only when the first is durable); then fine pages, then coarse pages.
 * A page is {magic u32, kind u8, format u8, length u16, page number u64, volume uuid, zeros, XXH3
 * of all the rest} 64 bytes, then 4032 bytes of bits. A page of zeros (a hole) is all clear; a file
 * shorter than its full size was cut and counts as one without headers.
 *
 * Threads: the owner locks around every call but persist, which takes a snapshot of the dirty pages
 * under `lock` (given at open) and writes outside it.
 */
#pragma once

#include "engine/bitmap.h"
#include "engine/io.h"
#include "engine/limits.h"

#include <pthread.h>

struct gw_dirtymap;

/* Create an empty file; fails if it exists. */
int gw_dirtymap_create(struct gw_io *io, const char *path, const struct gw_uuid *volume,
                       uint64_t bytes, struct gw_error *err);
/*
 * Open and load. `lock` is the owner's mutex (may be NULL in single-threaded use). With
 * read_only, persist fails if there is something to save. *ret_damaged: pages that were damaged
 * (or cannot be read) and now count as all dirty (NULL to ignore). A damaged pair of headers makes
 * everything coarse-dirty and cleared-through none; one bad copy is what a crash leaves, and is
 * mended by the next persist. What was loaded is durable when this returns (not with read_only).
 */
int gw_dirtymap_open(struct gw_io *io, const char *path, const struct gw_uuid *volume,
                     uint64_t bytes, bool read_only, pthread_mutex_t *lock,
                     struct gw_dirtymap **ret, uint64_t *ret_damaged, struct gw_error *err);
/* The map of an empty slot: nothing is ever in it, and it has no file. */
struct gw_dirtymap *gw_dirtymap_none(void);
/*
 * The volume has grown: what is new is clear. The file is made anew, whole and durable, then takes
 * the name. The owner's lock is held over that, and no persist runs (the owner's duty); nothing is
 * in flight. A map that a crash left at the smaller size is grown by the next open.
 */
int gw_dirtymap_grow(struct gw_dirtymap *m, uint64_t bytes, struct gw_error *err);
void gw_dirtymap_close(struct gw_dirtymap *m);

/* Bytes; rounded out to whole blocks or extents. */
void gw_dirtymap_mark(struct gw_dirtymap *m, uint64_t off, uint64_t len);
void gw_dirtymap_mark_coarse(struct gw_dirtymap *m, uint64_t off, uint64_t len);
void gw_dirtymap_mark_all_coarse(struct gw_dirtymap *m);

/* A block (or run) is being sent: dirty -> in flight. Only blocks that are dirty may be named. */
void gw_dirtymap_inject(struct gw_dirtymap *m, uint64_t first_block, uint64_t n);
/* Durable at the peer: in flight -> clear, unless marked again. */
void gw_dirtymap_acked(struct gw_dirtymap *m, uint64_t first_block, uint64_t n);
/* The link is gone: everything in flight is dirty again. */
void gw_dirtymap_requeue(struct gw_dirtymap *m);
/* An extent was compared: its differing blocks have been marked; the coarse bit goes. */
void gw_dirtymap_compared(struct gw_dirtymap *m, uint64_t extent);
/* FIN was adopted by the target, or this side became equal to its source: forget everything. */
void gw_dirtymap_clear_all(struct gw_dirtymap *m);

/* R5. Only moves what persist() will write. */
void gw_dirtymap_cleared_through(struct gw_dirtymap *m, const struct gw_uuid *uuid, uint64_t seq);
void gw_dirtymap_get_cleared(const struct gw_dirtymap *m, struct gw_uuid *ret_uuid,
                             uint64_t *ret_seq);

/* Dirty, not in flight. */
const struct gw_bitmap *gw_dirtymap_fine(const struct gw_dirtymap *m);
const struct gw_bitmap *gw_dirtymap_coarse(const struct gw_dirtymap *m);
uint64_t gw_dirtymap_in_flight(const struct gw_dirtymap *m); /* blocks */
bool gw_dirtymap_empty(const struct gw_dirtymap *m); /* fine, in flight and coarse all clear */
/* True if memory holds set bits, clears or a cleared-through that are not durable yet. */
bool gw_dirtymap_unsaved(const struct gw_dirtymap *m);

/*
 * Make everything set until now durable (and cleared bits, D3). Takes and releases `lock` itself:
 * call without it. One persist at a time per map (the caller's duty). Order of a file's writes:
 * pages with new set bits, and the header if cleared-through moved -> datasync -> cleared pages ->
 * datasync. What changes while it runs is left to the next one. Crash points dirty.before,
 * dirty.header (the first sync is done), dirty.after; none when nothing is unsaved. A failure is
 * sticky, but for a write that found no room (-ENOSPC, -EDQUOT): everything that was to be saved
 * still is, and the next persist tries it again.
 */
int gw_dirtymap_persist(struct gw_dirtymap *m, struct gw_error *err);

/* ---- sets on the wire and in files: pages of a bitmap ---------------------------------------- */

#define GW_MAP_FINE 0
#define GW_MAP_COARSE 1

/* OR a page of bits received from the peer into fine or coarse; -EINVAL if out of range. */
int gw_dirtymap_or_page(struct gw_dirtymap *m, int kind, uint64_t page, const uint8_t *bits);
/* Copy page `page` (fine includes in flight) to bits; false if all clear. */
bool gw_dirtymap_get_page(const struct gw_dirtymap *m, int kind, uint64_t page,
                          uint8_t bits[GW_BITMAP_PAGE_BYTES]);
/* Save the present set (dirty | in flight, coarse) to a new file of the same format, durable:
 * the target's own set, before the union with its peer's. All or nothing (path.tmp, renamed);
 * -EEXIST if it is there. */
int gw_dirtymap_save_copy(const struct gw_dirtymap *m, struct gw_io *io, const char *path,
                          struct gw_error *err);
