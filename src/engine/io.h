// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The engine's only way to the outside: files, clocks, identity of the machine, crash points.
 *
 * Everything durable goes through a struct gw_io. Production uses gw_io_posix(); the simulator
 * stands behind the same table with a disk that forgets, tears and fills.
 *
 * Rules every implementation keeps:
 *  - pread and pwrite transfer everything or fail; reading past the end of a file gives zeros.
 *  - A write is durable after a later datasync of the same file returned 0, not before.
 *    After a failed datasync nothing written before it may be assumed durable (sticky at callers).
 *  - A created, renamed or unlinked name is durable after sync_dir of its directory.
 *  - A file object may be used by many threads at once.
 *
 * Return values: 0 or a count, or a negative errno value. No gw_error here: the caller knows the
 * name and says the sentence (gw_error_errno).
 */
#pragma once

#include "base/error.h"
#include "base/uuid.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gw_io;
struct gw_file; /* one open file; made by an implementation */

enum gw_open_flags {
    GW_OPEN_RDONLY = 1,
    GW_OPEN_CREATE = 2, /* create if missing, mode 0600 */
    GW_OPEN_EXCL = 4,   /* with CREATE: fail with -EEXIST if it is there */
    GW_OPEN_LOCK = 8, /* exclusive as long as it is open: -EWOULDBLOCK, or -EBUSY of a block device,
                         if it is already, in this process or another */
};

enum gw_zero_flags {
    GW_ZERO_PUNCH = 1, /* the range may become a hole */
    GW_ZERO_FAST = 2,  /* fail with -EOPNOTSUPP rather than write zeros */
};

struct gw_io_ops {
    int (*open)(struct gw_io *io, const char *path, unsigned flags, struct gw_file **ret);
    void (*close)(struct gw_file *f);
    int (*pread)(struct gw_file *f, void *buf, size_t len, uint64_t off);
    int (*pwrite)(struct gw_file *f, const void *buf, size_t len, uint64_t off);
    /* Write and be durable before returning, for this range only (RWF_DSYNC). */
    int (*pwrite_durable)(struct gw_file *f, const void *buf, size_t len, uint64_t off);
    int (*datasync)(struct gw_file *f);
    int (*size)(struct gw_file *f, uint64_t *ret_bytes); /* also of a block device */
    int (*truncate)(struct gw_file *f, uint64_t bytes);
    int (*allocate)(struct gw_file *f, uint64_t off, uint64_t len); /* -ENOSPC now, not later */
    /* Make the range read as zeros; never changes the size. */
    int (*zero)(struct gw_file *f, uint64_t off, uint64_t len, unsigned flags);
    /*
     * The first run of data at or after off and before end: [*ret_start, *ret_stop). None:
     * start = stop = end. Where holes are unknown everything is data. ret_stop may be NULL: to find
     * the end of a run costs a walk over all of it on some filesystems.
     */
    int (*next_data)(struct gw_file *f, uint64_t off, uint64_t end, uint64_t *ret_start,
                     uint64_t *ret_stop);
    /* Make dst an instant copy-on-write copy of src; -EOPNOTSUPP where that cannot be. */
    int (*clone)(struct gw_file *dst, struct gw_file *src);

    int (*rename)(struct gw_io *io, const char *from, const char *to);
    int (*unlink)(struct gw_io *io, const char *path);
    int (*mkdir)(struct gw_io *io, const char *path); /* 0700; -EEXIST if there */
    int (*rmdir)(struct gw_io *io, const char *path);
    int (*sync_dir)(struct gw_io *io, const char *path);
    /* Calls fn for each name but . and ..; a non-zero result of fn ends it and is returned. */
    int (*list)(struct gw_io *io, const char *path, int (*fn)(void *arg, const char *name),
                void *arg);
    int (*free_bytes)(struct gw_io *io, const char *path, uint64_t *ret_bytes);
    /* Exclusive lock (the file is created) that ends with the close or the process; -EWOULDBLOCK
     * if another holds it. No program that the process starts inherits it. */
    int (*lock)(struct gw_io *io, const char *path, struct gw_file **ret);

    uint64_t (*boot_ns)(struct gw_io *io); /* CLOCK_BOOTTIME */
    uint64_t (*wall_ns)(struct gw_io *io);
    struct gw_uuid (*new_uuid)(struct gw_io *io);
    /* Changes with each boot of the machine. Aborts if it cannot be known, as gw_uuid_new does. */
    struct gw_uuid (*boot_id)(struct gw_io *io);
    /* A named durable step was reached; a test may end the process or the world here. */
    void (*crash_point)(struct gw_io *io, const char *name);
};

struct gw_io {
    const struct gw_io_ops *ops;
};

struct gw_file {
    struct gw_io *io;
};

/*
 * The real one; static, never freed. With the environment variable GODWIT_CRASH_POINT=NAME[:N] the
 * process kills itself (SIGKILL) the Nth time (default first) that crash point NAME is reached:
 * that is how tests take a process away exactly there. A name that is not in crashpoints.def aborts
 * at the first crash point that is reached.
 */
struct gw_io *gw_io_posix(void);

/* Every crash point, for tests that walk them all; ends with NULL. See crashpoints.def. */
extern const char *const gw_crash_points[];
/* What gw_io_posix does at a crash point; one load where the variable is not set. */
void gw_crash_point_env(const char *name);

#define gw_io_open(io, path, flags, ret) ((io)->ops->open((io), (path), (flags), (ret)))
#define gw_io_pread(f, buf, len, off) ((f)->io->ops->pread((f), (buf), (len), (off)))
#define gw_io_pwrite(f, buf, len, off) ((f)->io->ops->pwrite((f), (buf), (len), (off)))
#define gw_io_pwrite_durable(f, buf, len, off)                                                     \
    ((f)->io->ops->pwrite_durable((f), (buf), (len), (off)))
#define gw_io_datasync(f) ((f)->io->ops->datasync(f))
#define gw_io_size(f, ret) ((f)->io->ops->size((f), (ret)))
#define gw_io_truncate(f, bytes) ((f)->io->ops->truncate((f), (bytes)))
#define gw_io_allocate(f, off, len) ((f)->io->ops->allocate((f), (off), (len)))
#define gw_io_zero(f, off, len, flags) ((f)->io->ops->zero((f), (off), (len), (flags)))
#define gw_io_next_data(f, off, end, start, stop)                                                  \
    ((f)->io->ops->next_data((f), (off), (end), (start), (stop)))
#define gw_io_clone(dst, src) ((dst)->io->ops->clone((dst), (src)))
#define gw_io_rename(io, from, to) ((io)->ops->rename((io), (from), (to)))
#define gw_io_unlink(io, path) ((io)->ops->unlink((io), (path)))
#define gw_io_mkdir(io, path) ((io)->ops->mkdir((io), (path)))
#define gw_io_rmdir(io, path) ((io)->ops->rmdir((io), (path)))
#define gw_io_sync_dir(io, path) ((io)->ops->sync_dir((io), (path)))
#define gw_io_list(io, path, fn, arg) ((io)->ops->list((io), (path), (fn), (arg)))
#define gw_io_free_bytes(io, path, ret) ((io)->ops->free_bytes((io), (path), (ret)))
#define gw_io_lock(io, path, ret) ((io)->ops->lock((io), (path), (ret)))
#define gw_io_boot_ns(io) ((io)->ops->boot_ns(io))
#define gw_io_wall_ns(io) ((io)->ops->wall_ns(io))
#define gw_io_new_uuid(io) ((io)->ops->new_uuid(io))
#define gw_io_boot_id(io) ((io)->ops->boot_id(io))
#define gw_crash_point(io, name) ((io)->ops->crash_point((io), (name)))

/* A result that says that there was no room: unlike every other failure, it may pass. */
static inline bool gw_no_room(int r)
{
    return r == -ENOSPC || r == -EDQUOT;
}

/* NULL-safe close. */
void gw_file_close(struct gw_file *f);
static inline void gw_cleanup_file(struct gw_file **f)
{
    gw_file_close(*f);
}
#define CLEANUP_FILE __attribute__((cleanup(gw_cleanup_file)))

/*
 * Replace a small file as a whole: temp file beside it, datasync, rename, sync_dir.
 * Crash points replace.temp (written), replace.synced, replace.renamed, replace.done.
 * One writer of DIR/name at a time. If only the last step (sync_dir) failed, the new content is in
 * place but may be lost with the power.
 */
int gw_io_replace(struct gw_io *io, const char *dir, const char *name, const void *data, size_t len,
                  struct gw_error *err);
/* Read a whole file of at most max bytes into new memory (*ret freed by the caller). */
int gw_io_read_all(struct gw_io *io, const char *path, size_t max, uint8_t **ret, size_t *ret_len,
                   struct gw_error *err);
