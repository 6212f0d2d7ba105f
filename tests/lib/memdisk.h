// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * A struct gw_io over memory, with a disk that forgets, for tests.
 *
 * What survives a power loss
 *   - Of every granule (512 or 4096 bytes) the content of the last datasync, or of any write since:
 *     the test's `pick` chooses. So any subset of unsynced writes survives, in any order.
 *   - Of each file's size: the synced one or the present one.
 *   - Of names: what was synced with sync_dir; each later create, rename (as one step) and unlink
 *     survives or not, by itself.
 *   - A datasync that was made to fail settles nothing, and what was written before it stays in
 *     doubt for good, also after a later datasync that succeeds.
 *
 * Ways to stop the world: after a number of changing operations (memdisk_stop_after), or at a crash
 * point (memdisk_stop_at). From then on every operation fails with -EIO and changes nothing, so
 * that the code under test runs out by itself; then memdisk_power_loss() or memdisk_process_loss()
 * and open again. Files that were open before are stale: they can be closed and nothing else.
 *
 * A changing operation is: open that creates, pwrite, pwrite_durable, datasync, truncate, allocate,
 * zero, clone, rename, unlink, mkdir, rmdir, sync_dir.
 *
 * Paths are absolute; the root "/" exists. Threads: one mutex inside.
 */
#pragma once

#include "engine/io.h"

enum memdisk_op {
    MEMDISK_OPEN = 1u << 0,
    MEMDISK_READ = 1u << 1,
    MEMDISK_WRITE = 1u << 2, /* pwrite and pwrite_durable */
    MEMDISK_SYNC = 1u << 3,  /* datasync and pwrite_durable */
    MEMDISK_TRUNCATE = 1u << 4,
    MEMDISK_ALLOCATE = 1u << 5,
    MEMDISK_ZERO = 1u << 6,
    MEMDISK_CLONE = 1u << 7,
    MEMDISK_NAME = 1u << 8, /* rename, unlink, mkdir, rmdir */
    MEMDISK_SYNC_DIR = 1u << 9,
};

struct memdisk;

struct memdisk *memdisk_new(void);
void memdisk_free(struct memdisk *d);
struct gw_io *memdisk_io(struct memdisk *d);

/* Changing operations so far: to find out how many there are to stop at. */
unsigned memdisk_ops(const struct memdisk *d);
/* The next n changing operations are carried out, then the world stops. UINT_MAX: never. */
void memdisk_stop_after(struct memdisk *d, unsigned n);
/* The world stops when this crash point is reached for the nth time (1: the first). */
void memdisk_stop_at(struct memdisk *d, const char *crash_point, unsigned nth);
bool memdisk_stopped(const struct memdisk *d);
/* How often a crash point was reached. */
unsigned memdisk_reached(const struct memdisk *d, const char *crash_point);

/* The nth next operation (1: the next) of these kinds fails once with this code (a negative errno
 * value); with _times, so many do, beginning with the nth. Replaces what was asked for before. */
void memdisk_fail(struct memdisk *d, unsigned ops, unsigned nth, int code);
void memdisk_fail_times(struct memdisk *d, unsigned ops, unsigned nth, unsigned times, int code);
/* Data blocks (4 KiB) that all files together may have, allocate()d ones included, unlinked files
 * not; more: -ENOSPC. */
void memdisk_capacity(struct memdisk *d, uint64_t blocks);
uint64_t memdisk_blocks(const struct memdisk *d); /* in use */
/* Called before every changing operation, without the mutex: the moment to play another thread. */
void memdisk_hook(struct memdisk *d, void (*fn)(void *arg), void *arg);
/* clone() fails with -EOPNOTSUPP unless this was called with true. */
void memdisk_can_clone(struct memdisk *d, bool can);

/* Chooses one of n (> 1) states; 0 is the oldest (synced) one, n - 1 the newest. */
typedef unsigned memdisk_pick_fn(void *arg, unsigned n);
memdisk_pick_fn memdisk_pick_old, memdisk_pick_new;
/* arg: uint64_t *, a seed that moves on. */
memdisk_pick_fn memdisk_pick_random;

/* The same by place: the granule at `off` of the file, or MEMDISK_NO_PLACE for its size or a change
 * of its name. A file without a name is "". */
#define MEMDISK_NO_PLACE UINT64_MAX
typedef unsigned memdisk_pick_at_fn(void *arg, const char *path, uint64_t off, unsigned n);

/* All start the world again and forget stops, failures and hooks. */
void memdisk_power_loss(struct memdisk *d, unsigned granule, memdisk_pick_fn *pick, void *arg);
void memdisk_power_loss_at(struct memdisk *d, unsigned granule, memdisk_pick_at_fn *pick,
                           void *arg);
void memdisk_process_loss(struct memdisk *d); /* nothing is lost; locks and open files are */
/* Granules whose newest content is not the synced one, in the order in which they would be lost. */
void memdisk_each_unsynced(struct memdisk *d, unsigned granule,
                           void (*fn)(void *arg, const char *path, uint64_t off), void *arg);

/* Everything that is there now, synced or not; and the disk as it was then (whatever was open is
 * stale, as after a loss). Directories made since stay. */
struct memdisk_backup;
struct memdisk_backup *memdisk_backup(struct memdisk *d);
void memdisk_restore(struct memdisk *d, const struct memdisk_backup *b);
void memdisk_backup_free(struct memdisk_backup *b);

/* Change bytes of a file durably behind everyone's back. False if it is not there. */
bool memdisk_damage(struct memdisk *d, const char *path, uint64_t off, const void *data,
                    size_t len);
bool memdisk_cut(struct memdisk *d, const char *path, uint64_t bytes); /* same, its size */
bool memdisk_exists(struct memdisk *d, const char *path);
/* For a world that stands still (not locked): a file by its name (NULL: there is none), and page
 * (4 KiB) `index` of it as a reader sees it now; NULL: zeros. Valid until the next change. */
struct mem_inode *memdisk_file(struct memdisk *d, const char *path);
const uint8_t *memdisk_page(const struct mem_inode *file, uint64_t index);
/* A second name, durable, for what `path` leads to: what a symbolic link is to its readers. */
bool memdisk_alias(struct memdisk *d, const char *path, const char *name);
/* Move both clocks forward. */
void memdisk_pass(struct memdisk *d, uint64_t ns);
