// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * struct gw_io over the real machine: regular files and block devices.
 *
 * Every call is repeated after EINTR and after a short transfer. No file position is used, so a
 * file object serves many threads.
 */
#include "engine/io.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>

struct posix_file {
    struct gw_file file;
    int fd;
    bool is_block, is_lock;
};

/* Of the call that just failed; never 0, whatever it left behind. */
static int sys_error(void)
{
    return errno > 0 ? -errno : -EIO;
}

static int fd_of(struct gw_file *f)
{
    return ((struct posix_file *)f)->fd; /* file is the first member */
}

static bool is_block(struct gw_file *f)
{
    return ((struct posix_file *)f)->is_block;
}

/* The kernel counts in signed 64 bits; anything beyond is our caller's arithmetic gone wrong. */
static int check_range(uint64_t off, uint64_t len)
{
    uint64_t end;
    return ckd_add(&end, off, len) || end > INT64_MAX ? -EFBIG : 0;
}

static int open_retry(const char *path, int flags)
{
    int fd;
    do
        fd = open(path, flags | O_CLOEXEC | O_NOCTTY, 0600);
    while (fd < 0 && errno == EINTR);
    return fd < 0 ? sys_error() : fd;
}

static struct gw_file *file_new(struct gw_io *io, int fd, bool block)
{
    struct posix_file *f = malloc(sizeof *f);
    if (f == NULL)
        return NULL;
    *f = (struct posix_file){ .file = { io }, .fd = fd, .is_block = block };
    return (struct gw_file *)f; /* &f->file makes gcc 12 -fanalyzer see a leak */
}

static int lock_file(struct posix_file *f)
{
    int r;
    do
        r = flock(f->fd, LOCK_EX | LOCK_NB);
    while (r < 0 && errno == EINTR);
    if (r < 0)
        return sys_error();
    f->is_lock = true;
    return 0;
}

/* A block device is asked for as its only user: not one that is mounted, or that another took so.
 */
static int is_exclusive(const char *path, unsigned flags)
{
    struct stat st;
    return (flags & GW_OPEN_LOCK) != 0 && stat(path, &st) == 0 && S_ISBLK(st.st_mode) ? O_EXCL : 0;
}

static int posix_open(struct gw_io *io, const char *path, unsigned flags, struct gw_file **ret)
{
    int mode = (flags & GW_OPEN_RDONLY) != 0 ? O_RDONLY : O_RDWR;
    if ((flags & GW_OPEN_CREATE) != 0)
        mode |= (flags & GW_OPEN_EXCL) != 0 ? O_CREAT | O_EXCL : O_CREAT;
    else
        mode |= is_exclusive(path, flags);
    CLEANUP_CLOSE int fd = open_retry(path, mode);
    if (fd < 0)
        return fd;
    struct stat st;
    if (fstat(fd, &st) < 0)
        return sys_error();
    if (S_ISDIR(st.st_mode))
        return -EISDIR;
    if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
        return -EINVAL;
    struct gw_file *f = file_new(io, fd, S_ISBLK(st.st_mode));
    if (f == NULL)
        return -ENOMEM;
    fd = -1;
    int r = (flags & GW_OPEN_LOCK) != 0 ? lock_file((struct posix_file *)f) : 0;
    if (r < 0) {
        gw_file_close(f);
        return r;
    }
    *ret = f;
    return 0;
}

static void posix_close(struct gw_file *file)
{
    struct posix_file *f = (struct posix_file *)file;
    /* A child between fork and exec still has the descriptor: closing ours would not unlock. */
    if (f->is_lock)
        flock(f->fd, LOCK_UN);
    close(f->fd); /* nothing to learn here: what has to be durable was datasynced */
    free(f);
}

static int posix_pread(struct gw_file *f, void *buf, size_t len, uint64_t off)
{
    int r = check_range(off, len);
    if (r < 0)
        return r;
    uint8_t *at = buf;
    while (len > 0) {
        ssize_t n = pread(fd_of(f), at, len, (off_t)off);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return sys_error();
        if (n == 0) {
            memset(at, 0, len);
            return 0;
        }
        at += n;
        off += (uint64_t)n;
        len -= (size_t)n;
    }
    return 0;
}

static int write_all(struct gw_file *f, const void *buf, size_t len, uint64_t off, int flags)
{
    int r = check_range(off, len);
    if (r < 0)
        return r;
    const uint8_t *at = buf;
    while (len > 0) {
        /* pwritev2 only reads the vector's memory; struct iovec cannot say const. */
        struct iovec v = { .iov_len = len };
        memcpy(&v.iov_base, &at, sizeof at);
        ssize_t n = flags == 0 ? pwrite(fd_of(f), at, len, (off_t)off)
                               : pwritev2(fd_of(f), &v, 1, (off_t)off, flags);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return sys_error();
        if (n == 0)
            return -EIO;
        at += n;
        off += (uint64_t)n;
        len -= (size_t)n;
    }
    return 0;
}

static int posix_pwrite(struct gw_file *f, const void *buf, size_t len, uint64_t off)
{
    return write_all(f, buf, len, off, 0);
}

static int posix_datasync(struct gw_file *f)
{
    int r;
    do
        r = fdatasync(fd_of(f));
    while (r < 0 && errno == EINTR);
    return r < 0 ? sys_error() : 0;
}

static int posix_pwrite_durable(struct gw_file *f, const void *buf, size_t len, uint64_t off)
{
    int r = write_all(f, buf, len, off, RWF_DSYNC);
    if (r != -EOPNOTSUPP && r != -ENOSYS)
        return r;
    r = write_all(f, buf, len, off, 0);
    return r < 0 ? r : posix_datasync(f);
}

static int posix_size(struct gw_file *f, uint64_t *ret_bytes)
{
    if (is_block(f)) {
        uint64_t bytes = 0;
        if (ioctl(fd_of(f), BLKGETSIZE64, &bytes) < 0)
            return sys_error();
        *ret_bytes = bytes;
        return 0;
    }
    struct stat st;
    if (fstat(fd_of(f), &st) < 0)
        return sys_error();
    *ret_bytes = (uint64_t)st.st_size;
    return 0;
}

static int posix_truncate(struct gw_file *f, uint64_t bytes)
{
    int r = check_range(bytes, 0);
    if (r < 0)
        return r;
    do
        r = ftruncate(fd_of(f), (off_t)bytes);
    while (r < 0 && errno == EINTR);
    return r < 0 ? sys_error() : 0;
}

static int fallocate_retry(struct gw_file *f, int mode, uint64_t off, uint64_t len)
{
    int r;
    do
        r = fallocate(fd_of(f), mode, (off_t)off, (off_t)len);
    while (r < 0 && errno == EINTR);
    return r < 0 ? sys_error() : 0;
}

/* "This file cannot do that" in its many spellings, as against "it failed". */
static bool is_unsupported(int r)
{
    return r == -EOPNOTSUPP || r == -ENOSYS || r == -EINVAL || r == -ENOTTY || r == -ENODEV;
}

static int posix_allocate(struct gw_file *f, uint64_t off, uint64_t len)
{
    int r = check_range(off, len);
    if (r < 0 || len == 0)
        return r;
    if (is_block(f)) {
        uint64_t bytes = 0;
        r = posix_size(f, &bytes);
        return r < 0 ? r : off + len <= bytes ? 0 : -ENOSPC;
    }
    r = fallocate_retry(f, 0, off, len);
    if (r != -EOPNOTSUPP && r != -ENOSYS)
        return r;
    /* The C library touches every block: slow, but the promise of the space is kept. */
    return -posix_fallocate(fd_of(f), (off_t)off, (off_t)len);
}

static int write_zeros(struct gw_file *f, uint64_t off, uint64_t len)
{
    static const uint8_t zeros[64 * 1024];
    while (len > 0) {
        size_t n = (size_t)GW_MIN(len, (uint64_t)sizeof zeros);
        int r = posix_pwrite(f, zeros, n, off);
        if (r < 0)
            return r;
        off += n;
        len -= n;
    }
    return 0;
}

static int posix_zero(struct gw_file *f, uint64_t off, uint64_t len, unsigned flags)
{
    int r = check_range(off, len);
    if (r < 0)
        return r;
    uint64_t bytes = 0;
    r = posix_size(f, &bytes);
    if (r < 0)
        return r;
    if (off >= bytes || len == 0)
        return 0; /* the size is kept, and past the end everything reads as zeros */
    len = GW_MIN(len, bytes - off);
    r = -EOPNOTSUPP;
    if ((flags & GW_ZERO_PUNCH) != 0)
        r = fallocate_retry(f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, off, len);
    if (is_unsupported(r) && !is_block(f))
        r = fallocate_retry(f, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, off, len);
    if (!is_unsupported(r))
        return r;
    if ((flags & GW_ZERO_FAST) != 0)
        return -EOPNOTSUPP; /* BLKZEROOUT may write, too: the kernel does not tell */
    if (is_block(f)) {
        uint64_t range[2] = { off, len };
        r = ioctl(fd_of(f), BLKZEROOUT, range) < 0 ? sys_error() : 0;
        if (!is_unsupported(r)) /* unaligned is EINVAL */
            return r;
    }
    return write_zeros(f, off, len);
}

/* lseek to the next data or hole: `none` if there is none up to the end of the file, `unknown` if
 * the filesystem does not know holes. */
static int seek(struct gw_file *f, uint64_t off, int whence, uint64_t unknown, uint64_t none,
                uint64_t *ret)
{
    off_t at = lseek(fd_of(f), (off_t)off, whence);
    if (at < 0 && errno != EINVAL && errno != ENXIO)
        return sys_error();
    *ret = at >= 0 ? (uint64_t)at : errno == EINVAL ? unknown : none;
    return 0;
}

static int posix_next_data(struct gw_file *f, uint64_t off, uint64_t end, uint64_t *ret_start,
                           uint64_t *ret_stop)
{
    int r = check_range(GW_MAX(off, end), 0);
    if (r < 0)
        return r;
    uint64_t start = GW_MIN(off, end), stop = end;
    while (start < end && !is_block(f)) {
        r = seek(f, start, SEEK_DATA, start, end, &start);
        if (r < 0)
            return r;
        if (start >= end || ret_stop == NULL)
            break;
        r = seek(f, start, SEEK_HOLE, end, end, &stop);
        if (r < 0)
            return r;
        if (stop > start)
            break; /* else the data was punched out between the two questions: ask again */
    }
    *ret_start = GW_MIN(start, end);
    if (ret_stop != NULL)
        *ret_stop = start >= end ? end : GW_MIN(stop, end);
    return 0;
}

static int posix_clone(struct gw_file *dst, struct gw_file *src)
{
    int r;
    do
        r = ioctl(fd_of(dst), FICLONE, fd_of(src)) < 0 ? sys_error() : 0;
    while (r == -EINTR);
    return is_unsupported(r) || r == -EXDEV ? -EOPNOTSUPP : r;
}

static int posix_rename(struct gw_io *io, const char *from, const char *to)
{
    return rename(from, to) < 0 ? sys_error() : 0;
}

static int posix_unlink(struct gw_io *io, const char *path)
{
    return unlink(path) < 0 ? sys_error() : 0;
}

static int posix_mkdir(struct gw_io *io, const char *path)
{
    return mkdir(path, 0700) < 0 ? sys_error() : 0;
}

static int posix_rmdir(struct gw_io *io, const char *path)
{
    return rmdir(path) < 0 ? sys_error() : 0;
}

static int posix_sync_dir(struct gw_io *io, const char *path)
{
    CLEANUP_CLOSE int fd = open_retry(path, O_RDONLY | O_DIRECTORY);
    if (fd < 0)
        return fd;
    int r;
    do
        r = fsync(fd);
    while (r < 0 && errno == EINTR);
    return r < 0 ? sys_error() : 0;
}

static void cleanup_dir(DIR **d)
{
    if (*d != NULL)
        closedir(*d);
}

static int posix_list(struct gw_io *io, const char *path, int (*fn)(void *arg, const char *name),
                      void *arg)
{
    __attribute__((cleanup(cleanup_dir))) DIR *d = opendir(path);
    if (d == NULL)
        return sys_error();
    for (;;) {
        errno = 0;
        struct dirent *e = readdir(d);
        if (e == NULL)
            return errno == 0 ? 0 : sys_error();
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        int r = fn(arg, e->d_name);
        if (r != 0)
            return r;
    }
}

static int posix_free_bytes(struct gw_io *io, const char *path, uint64_t *ret_bytes)
{
    struct statvfs st;
    int r;
    do
        r = statvfs(path, &st);
    while (r < 0 && errno == EINTR);
    if (r < 0)
        return sys_error();
    *ret_bytes = (uint64_t)st.f_bavail * st.f_frsize; /* what is reserved for root is not ours */
    return 0;
}

static int posix_lock(struct gw_io *io, const char *path, struct gw_file **ret)
{
    return posix_open(io, path, GW_OPEN_CREATE | GW_OPEN_LOCK, ret);
}

static uint64_t posix_boot_ns(struct gw_io *io)
{
    return gw_boot_ns();
}

static uint64_t posix_wall_ns(struct gw_io *io)
{
    return gw_wall_ns();
}

static struct gw_uuid posix_new_uuid(struct gw_io *io)
{
    return gw_uuid_new();
}

static struct gw_uuid boot_id;
static pthread_once_t boot_id_once = PTHREAD_ONCE_INIT;

/*
 * Aborts if there is none, as gw_uuid_new does: with a made-up or empty one the question "did this
 * machine lose what was only in memory" (R18) would be answered wrongly, one way or the other.
 */
static void boot_id_read(void)
{
    static const char path[] = "/proc/sys/kernel/random/boot_id";
    char text[GW_UUID_TEXT] = "";
    CLEANUP_CLOSE int fd = open_retry(path, O_RDONLY);
    ssize_t n = fd < 0 ? -1 : read(fd, text, GW_UUID_TEXT - 1);
    if (n != GW_UUID_TEXT - 1 || !gw_uuid_parse(text, &boot_id)) {
        gw_log(GW_LOG_ERROR, "cannot read the boot id of this machine from %s", path);
        abort();
    }
}

static struct gw_uuid posix_boot_id(struct gw_io *io)
{
    pthread_once(&boot_id_once, boot_id_read);
    return boot_id;
}

static void posix_crash_point(struct gw_io *io, const char *name)
{
    gw_crash_point_env(name);
}

static const struct gw_io_ops posix_ops = {
    .open = posix_open,
    .close = posix_close,
    .pread = posix_pread,
    .pwrite = posix_pwrite,
    .pwrite_durable = posix_pwrite_durable,
    .datasync = posix_datasync,
    .size = posix_size,
    .truncate = posix_truncate,
    .allocate = posix_allocate,
    .zero = posix_zero,
    .next_data = posix_next_data,
    .clone = posix_clone,
    .rename = posix_rename,
    .unlink = posix_unlink,
    .mkdir = posix_mkdir,
    .rmdir = posix_rmdir,
    .sync_dir = posix_sync_dir,
    .list = posix_list,
    .free_bytes = posix_free_bytes,
    .lock = posix_lock,
    .boot_ns = posix_boot_ns,
    .wall_ns = posix_wall_ns,
    .new_uuid = posix_new_uuid,
    .boot_id = posix_boot_id,
    .crash_point = posix_crash_point,
};

struct gw_io *gw_io_posix(void)
{
    static struct gw_io io = { &posix_ops };
    return &io;
}
