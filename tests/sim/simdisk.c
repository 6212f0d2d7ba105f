// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "simdisk.h"

#include "fibers.h"
#include "holds.h"
#include "simnet.h"
#include "subsets.h"

#include <stdlib.h>
#include <string.h>

#define PAGE 4096u
#define POINTS_MAX 128u
#define SURVIVORS_MAX 8u

struct disk {
    struct memdisk *mem;
    struct gw_io *io;
    struct gw_io_ops base;
    uint64_t boot_at_ns, wall_skew_ns, write_ns, sync_ns;
    struct gw_uuid boot_id;
    unsigned fail_ops, fail_in;
    int fail_code;
    int armed; /* index of the crash point, or -1 */
    unsigned armed_nth;
    enum simdisk_crash armed_kind;
    unsigned reached[POINTS_MAX];
    bool chosen, rest; /* what survives the next power loss is chosen */
    struct survivor survivor[SURVIVORS_MAX];
    unsigned n_survivors;
    struct memdisk_backup *backup;
};

static struct disk disk[2];
static struct gw_io_ops ops;
static simdisk_crash_fn *on_crash;
static simdisk_look_fn *on_look;

static struct disk *of_io(const struct gw_io *io)
{
    return io == disk[0].io ? &disk[0] : &disk[1];
}

static int site_of(const struct disk *d)
{
    return d == &disk[1];
}

static struct gw_uuid random_uuid(void)
{
    struct gw_uuid u;
    for (unsigned i = 0; i < sizeof u.b; i++)
        u.b[i] = (uint8_t)sim_chance_random();
    u.b[6] = (uint8_t)((u.b[6] & 0x0f) | 0x40);
    u.b[8] = (uint8_t)((u.b[8] & 0x3f) | 0x80);
    return u;
}

/* Before an operation: it takes time, others run; 0, or its failure. */
static int before(struct disk *d, unsigned op, uint64_t ns_max)
{
    if (ns_max > 0 && fiber_current() && sim_chance_one_in(2))
        sched_sleep(1 + sim_chance_below(ns_max));
    else
        sched_point();
    sched_digest_add(op);
    if ((d->fail_ops & op) && --d->fail_in == 0) {
        d->fail_ops = 0;
        sim_trace("site%d: an operation on the disk fails (%d)", site_of(d), d->fail_code);
        return d->fail_code;
    }
    return 0;
}

/* ---- operations on files --------------------------------------------------------------------- */

/* The memory disk's own locks are no place where others run: a killed holder would keep them. */
#define ATOMIC(call)                                                                               \
    (__extension__({                                                                               \
        sched_atomic(true);                                                                        \
        int r_ = (call);                                                                           \
        sched_atomic(false);                                                                       \
        r_;                                                                                        \
    }))

static int do_pread(struct gw_file *f, void *buf, size_t len, uint64_t off)
{
    struct disk *d = of_io(f->io);
    hold_file(site_of(d), MEMDISK_READ, f, off, len);
    int r = before(d, MEMDISK_READ, 0);
    return r < 0 ? r : ATOMIC(d->base.pread(f, buf, len, off));
}

/* Page by page, so that a process can die in the middle. */
static int write_pages(struct disk *d, struct gw_file *f, const uint8_t *buf, size_t len,
                       uint64_t off)
{
    for (size_t done = 0; done < len;) {
        size_t n = PAGE - (off + done) % PAGE;
        if (sim_chance_one_in(4))
            n += PAGE * sim_chance_below(16);
        n = n < len - done ? n : len - done;
        int r = ATOMIC(d->base.pwrite(f, buf + done, n, off + done));
        if (r < 0)
            return r;
        done += n;
        if (done < len)
            sched_point();
    }
    return 0;
}

static int do_pwrite(struct gw_file *f, const void *buf, size_t len, uint64_t off)
{
    struct disk *d = of_io(f->io);
    hold_file(site_of(d), MEMDISK_WRITE, f, off, len);
    int r = before(d, MEMDISK_WRITE, d->write_ns);
    return r < 0 ? r : write_pages(d, f, buf, len, off);
}

static int do_pwrite_durable(struct gw_file *f, const void *buf, size_t len, uint64_t off)
{
    struct disk *d = of_io(f->io);
    hold_file(site_of(d), MEMDISK_WRITE, f, off, len);
    int r = before(d, MEMDISK_WRITE, d->write_ns);
    if (r == 0)
        r = write_pages(d, f, buf, len, off);
    if (r == 0)
        r = before(d, MEMDISK_SYNC, d->sync_ns);
    return r < 0 ? r : ATOMIC(d->base.pwrite_durable(f, buf, len, off));
}

static int do_datasync(struct gw_file *f)
{
    struct disk *d = of_io(f->io);
    hold_file(site_of(d), MEMDISK_SYNC, f, 0, UINT64_MAX);
    bool early = sim_chance_one_in(2);
    int r = early ? ATOMIC(d->base.datasync(f)) : 0;
    if (r < 0)
        return r;
    r = before(d, MEMDISK_SYNC, d->sync_ns);
    if (r < 0) {
        /* What was not settled stays in doubt for good (memdisk.h). */
        memdisk_fail(d->mem, MEMDISK_SYNC, 1, r);
        return ATOMIC(d->base.datasync(f));
    }
    return early ? 0 : ATOMIC(d->base.datasync(f));
}

static int do_truncate(struct gw_file *f, uint64_t bytes)
{
    struct disk *d = of_io(f->io);
    int r = before(d, MEMDISK_TRUNCATE, d->write_ns);
    return r < 0 ? r : ATOMIC(d->base.truncate(f, bytes));
}

static int do_allocate(struct gw_file *f, uint64_t off, uint64_t len)
{
    struct disk *d = of_io(f->io);
    int r = before(d, MEMDISK_ALLOCATE, d->write_ns);
    return r < 0 ? r : ATOMIC(d->base.allocate(f, off, len));
}

static int do_zero(struct gw_file *f, uint64_t off, uint64_t len, unsigned flags)
{
    struct disk *d = of_io(f->io);
    hold_file(site_of(d), MEMDISK_ZERO, f, off, len);
    int r = before(d, MEMDISK_ZERO, d->write_ns);
    if ((flags & GW_ZERO_FAST) && r == 0 && sim_chance_one_in(4))
        r = -EOPNOTSUPP;
    return r < 0 ? r : ATOMIC(d->base.zero(f, off, len, flags));
}

static int do_clone(struct gw_file *dst, struct gw_file *src)
{
    struct disk *d = of_io(dst->io);
    int r = before(d, MEMDISK_CLONE, d->write_ns);
    return r < 0 ? r : ATOMIC(d->base.clone(dst, src));
}

/* ---- operations on names --------------------------------------------------------------------- */

static int do_open(struct gw_io *io, const char *path, unsigned flags, struct gw_file **ret)
{
    struct disk *d = of_io(io);
    int r = before(d, MEMDISK_OPEN, 0);
    if (r == 0)
        r = ATOMIC(d->base.open(io, path, flags, ret));
    if (r == 0)
        hold_opened(*ret, path);
    return r;
}

static void do_close(struct gw_file *f)
{
    hold_closed(f);
    of_io(f->io)->base.close(f);
}

static int do_lock(struct gw_io *io, const char *path, struct gw_file **ret)
{
    struct disk *d = of_io(io);
    int r = before(d, MEMDISK_OPEN, 0);
    return r < 0 ? r : ATOMIC(d->base.lock(io, path, ret));
}

static int do_rename(struct gw_io *io, const char *from, const char *to)
{
    struct disk *d = of_io(io);
    int r = before(d, MEMDISK_NAME, d->write_ns);
    return r < 0 ? r : ATOMIC(d->base.rename(io, from, to));
}

static int do_unlink(struct gw_io *io, const char *path)
{
    struct disk *d = of_io(io);
    int r = before(d, MEMDISK_NAME, d->write_ns);
    return r < 0 ? r : ATOMIC(d->base.unlink(io, path));
}

static int do_mkdir(struct gw_io *io, const char *path)
{
    struct disk *d = of_io(io);
    int r = before(d, MEMDISK_NAME, d->write_ns);
    return r < 0 ? r : ATOMIC(d->base.mkdir(io, path));
}

static int do_rmdir(struct gw_io *io, const char *path)
{
    struct disk *d = of_io(io);
    int r = before(d, MEMDISK_NAME, d->write_ns);
    return r < 0 ? r : ATOMIC(d->base.rmdir(io, path));
}

static int do_sync_dir(struct gw_io *io, const char *path)
{
    struct disk *d = of_io(io);
    int r = before(d, MEMDISK_SYNC_DIR, d->sync_ns);
    return r < 0 ? r : ATOMIC(d->base.sync_dir(io, path));
}

/* ---- the machine ----------------------------------------------------------------------------- */

static uint64_t do_boot_ns(struct gw_io *io)
{
    return SIM_NS_PER_S + sched_now() - of_io(io)->boot_at_ns;
}

static uint64_t do_wall_ns(struct gw_io *io)
{
    return 1700000000ull * SIM_NS_PER_S + of_io(io)->wall_skew_ns + sched_now();
}

static struct gw_uuid do_new_uuid(struct gw_io *io)
{
    (void)io;
    return random_uuid();
}

static struct gw_uuid do_boot_id(struct gw_io *io)
{
    return of_io(io)->boot_id;
}

static void do_crash_point(struct gw_io *io, const char *name)
{
    struct disk *d = of_io(io);
    unsigned i = 0;
    while (gw_crash_points[i] && strcmp(gw_crash_points[i], name) != 0)
        i++;
    if (!gw_crash_points[i])
        sim_fail("crash point '%s' is not in crashpoints.def", name);
    d->reached[i]++;
    if (on_look)
        on_look(site_of(d), name);
    hold_crash_point(site_of(d), name);
    if (d->armed == (int)i && --d->armed_nth == 0) {
        d->armed = -1;
        sim_trace("site%d: %s at crash point %s", site_of(d),
                  d->armed_kind == SIMDISK_POWER ? "power loss" : "process death", name);
        on_crash(site_of(d), d->armed_kind);
    }
    sched_point();
}

static void disk_init(int site)
{
    struct disk *d = &disk[site];
    *d = (struct disk){ .armed = -1 };
    d->mem = memdisk_new();
    d->io = memdisk_io(d->mem);
    d->base = *d->io->ops;
    d->boot_id = random_uuid();
    d->wall_skew_ns = sim_chance_below(100) * SIM_NS_PER_S;
    memdisk_can_clone(d->mem, true);
    if (site == 0) {
        ops = d->base;
        ops.close = do_close;
        ops.pread = do_pread;
        ops.pwrite = do_pwrite;
        ops.pwrite_durable = do_pwrite_durable;
        ops.datasync = do_datasync;
        ops.truncate = do_truncate;
        ops.allocate = do_allocate;
        ops.zero = do_zero;
        ops.clone = do_clone;
        ops.open = do_open;
        ops.lock = do_lock;
        ops.rename = do_rename;
        ops.unlink = do_unlink;
        ops.mkdir = do_mkdir;
        ops.rmdir = do_rmdir;
        ops.sync_dir = do_sync_dir;
        ops.boot_ns = do_boot_ns;
        ops.wall_ns = do_wall_ns;
        ops.new_uuid = do_new_uuid;
        ops.boot_id = do_boot_id;
        ops.crash_point = do_crash_point;
    }
    d->io->ops = &ops;
}

void simdisk_init(simdisk_crash_fn *crash, simdisk_look_fn *look)
{
    on_crash = crash;
    on_look = look;
    disk_init(0);
    disk_init(1);
}

struct memdisk *simdisk_memdisk(int site)
{
    return disk[site].mem;
}

struct gw_io *simdisk_io(int site)
{
    return disk[site].io;
}

static unsigned pick(void *arg, unsigned n)
{
    (void)arg;
    return (unsigned)sim_chance_below(n);
}

void simdisk_process_loss(int site)
{
    sched_atomic(true);
    memdisk_process_loss(disk[site].mem);
    sched_atomic(false);
    disk[site].fail_ops = 0;
}

static unsigned pick_chosen(void *arg, const char *path, uint64_t off, unsigned n)
{
    const struct disk *d = arg;
    bool keep = d->rest;
    for (unsigned i = 0; i < d->n_survivors; i++) {
        const struct survivor *s = &d->survivor[i];
        if (off >= s->from && off < s->to && strstr(path, s->path))
            keep = !d->rest;
    }
    return keep ? n - 1 : 0;
}

static unsigned pick_by_seed(void *arg, const char *path, uint64_t off, unsigned n)
{
    memdisk_pick_fn *fn = *(memdisk_pick_fn **)arg;
    unsigned chosen, seed = fn(NULL, n);
    return subset_picks(path, off, n, &chosen) ? chosen : seed;
}

void simdisk_power_loss(int site)
{
    struct disk *d = &disk[site];
    unsigned how = (unsigned)sim_chance_below(6);
    memdisk_pick_fn *fn = how == 0 ? memdisk_pick_old : how == 1 ? memdisk_pick_new : pick;
    unsigned granule = sim_chance_one_in(2) ? 512 : PAGE;
    sched_atomic(true);
    if (d->chosen) {
        memdisk_power_loss_at(d->mem, PAGE, pick_chosen, d);
    } else {
        subset_begin(d->mem, granule);
        memdisk_power_loss_at(d->mem, granule, pick_by_seed, &fn);
        subset_end();
    }
    sched_atomic(false);
    d->chosen = false;
    d->fail_ops = 0;
    d->boot_id = random_uuid();
    d->boot_at_ns = sched_now();
}

void simdisk_survive(int site, bool rest, const struct survivor *s, unsigned n)
{
    struct disk *d = &disk[site];
    if (n > SURVIVORS_MAX)
        abort();
    d->chosen = true;
    d->rest = rest;
    d->n_survivors = n;
    for (unsigned i = 0; i < n; i++)
        d->survivor[i] = s[i];
}

void simdisk_backup(int site)
{
    memdisk_backup_free(disk[site].backup);
    disk[site].backup = memdisk_backup(disk[site].mem);
}

void simdisk_restore(int site)
{
    memdisk_restore(disk[site].mem, disk[site].backup);
}

void simdisk_speed(int site, uint64_t write_ns, uint64_t sync_ns)
{
    disk[site].write_ns = write_ns;
    disk[site].sync_ns = sync_ns;
}

void simdisk_fail(int site, unsigned which, unsigned nth, int code)
{
    disk[site].fail_ops = which;
    disk[site].fail_in = nth;
    disk[site].fail_code = code;
}

void simdisk_room(int site, uint64_t blocks)
{
    struct memdisk *m = disk[site].mem;
    memdisk_capacity(m, blocks == UINT64_MAX ? blocks : memdisk_blocks(m) + blocks);
}

struct gw_uuid simdisk_boot_id(int site)
{
    return disk[site].boot_id;
}

void simdisk_arm(int site, const char *crash_point, unsigned nth, enum simdisk_crash kind)
{
    struct disk *d = &disk[site];
    d->armed = -1;
    for (unsigned i = 0; crash_point && gw_crash_points[i]; i++) {
        if (strcmp(gw_crash_points[i], crash_point) == 0)
            d->armed = (int)i;
    }
    d->armed_nth = nth;
    d->armed_kind = kind;
}

bool simdisk_is_armed(int site)
{
    return disk[site].armed >= 0;
}

unsigned simdisk_reached(int site, unsigned point)
{
    return disk[site].reached[point];
}

unsigned simdisk_points(void)
{
    unsigned n = 0;
    while (gw_crash_points[n])
        n++;
    return n;
}

bool simdisk_link(int site, const char *target, const char *name)
{
    sched_atomic(true);
    bool ok = memdisk_alias(disk[site].mem, target, name);
    sched_atomic(false);
    return ok;
}
