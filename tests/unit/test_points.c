// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "engine/bundle.h"
#include "engine/points.h"
#include "memdisk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define MIB (1024u * 1024u)
#define ROOT_BYTES (3u * MIB)
#define DATA_BYTES (MIB + 5000u) /* odd */

/* ---- a plan with two volumes ----------------------------------------------------------------- */

struct world {
    struct gw_io *io;
    struct memdisk *disk; /* NULL: real files */
    char dir[256];
    struct gw_file *volume[2];
    uint64_t bytes[2];
};

/* root: data at 0-64K, zeros written at 1 MiB, data in the last block; data: all but a hole. */
static void fill_volumes(struct world *w, uint8_t version)
{
    uint8_t *buf = malloc(64 * 1024);
    memset(buf, version, 64 * 1024);
    assert_int_equal(gw_io_pwrite(w->volume[0], buf, 64 * 1024, 0), 0);
    assert_int_equal(gw_io_pwrite(w->volume[0], buf, 4096, ROOT_BYTES - 4096), 0);
    assert_int_equal(gw_io_pwrite(w->volume[1], buf, 4096, 0), 0);
    assert_int_equal(gw_io_pwrite(w->volume[1], buf, 904, DATA_BYTES - 904), 0);
    memset(buf, 0, 64 * 1024);
    assert_int_equal(gw_io_pwrite(w->volume[0], buf, 64 * 1024, MIB), 0);
    free(buf);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(gw_io_datasync(w->volume[i]), 0);
}

static void open_volumes(struct world *w, unsigned flags)
{
    static const char *const name[2] = { "root.raw", "data.raw" };
    w->bytes[0] = ROOT_BYTES;
    w->bytes[1] = DATA_BYTES;
    for (unsigned i = 0; i < 2; i++) {
        char path[300];
        snprintf(path, sizeof path, "%s/%s", w->dir, name[i]);
        assert_int_equal(gw_io_open(w->io, path, flags, &w->volume[i]), 0);
        assert_int_equal(gw_io_truncate(w->volume[i], w->bytes[i]), 0);
    }
}

static void close_volumes(struct world *w)
{
    for (unsigned i = 0; i < 2; i++) {
        gw_file_close(w->volume[i]);
        w->volume[i] = NULL;
    }
}

static void world_memory(struct world *w)
{
    *w = (struct world){ .disk = memdisk_new(), .dir = "/plan" };
    w->io = memdisk_io(w->disk);
    assert_int_equal(gw_io_mkdir(w->io, w->dir), 0);
    assert_int_equal(gw_io_sync_dir(w->io, "/"), 0);
    open_volumes(w, GW_OPEN_CREATE);
    assert_int_equal(gw_io_sync_dir(w->io, w->dir), 0);
    fill_volumes(w, 1);
}

static void remove_tree(const char *dir)
{
    char command[600];
    snprintf(command, sizeof command, "chattr -R -i '%s' 2>/dev/null; rm -rf '%s'", dir, dir);
    if (system(command) != 0)
        print_message("cannot remove %s\n", dir);
}

/* A failed test jumps out: what it made outside of memory is removed at the end all the same. */
static char made[16][256];
static unsigned n_made;

static void make_temp(char *template)
{
    assert_non_null(mkdtemp(template));
    assert_true(n_made < 16);
    snprintf(made[n_made++], sizeof made[0], "%s", template);
}

static void remove_made(void)
{
    while (n_made-- > 0) {
        struct stat st;
        umount2(made[n_made], MNT_DETACH); /* the newest first: worlds lie inside of mounts */
        if (lstat(made[n_made], &st) == 0)
            remove_tree(made[n_made]);
    }
}

static void world_real(struct world *w, const char *parent)
{
    *w = (struct world){ .io = gw_io_posix() };
    snprintf(w->dir, sizeof w->dir, "%s/godwit-points-XXXXXX", parent);
    make_temp(w->dir);
    open_volumes(w, GW_OPEN_CREATE);
    fill_volumes(w, 1);
}

static void world_done(struct world *w)
{
    close_volumes(w);
    if (w->disk != NULL)
        memdisk_free(w->disk);
    else
        remove_tree(w->dir);
}

static struct gw_point *point(const char *id)
{
    static struct gw_point p;
    p = (struct gw_point){
        .tag = "before upgrade",
        .kind = GW_POINT_COPY,
        .seq = 7,
        .chain = 8,
        .journal_pos = 9,
        .reigns = 2,
        .wall_ns = 10,
        .n_volumes = 2,
        .volume = { { { { 1 } }, ROOT_BYTES, "root" }, { { { 2 } }, DATA_BYTES, "data" } },
    };
    snprintf(p.id, sizeof p.id, "%s", id);
    struct gw_incarnation e = { .epoch = 1, .uuid = { { 9 } }, .birth = GW_BIRTH_CREATION };
    gw_lineage_append(&p.lineage, &e);
    return &p;
}

static int create(struct world *w, const char *id)
{
    struct gw_error err = { 0 };
    int r = gw_point_create(w->io, w->dir, w->volume, GW_POINT_AUTO, 0, point(id), &err);
    if (r < 0)
        assert_int_equal(err.code, r);
    return r;
}

/* Is `file` what fill_volumes(version) makes? */
static void check_content(struct gw_file *f, unsigned volume, uint64_t bytes, uint8_t version)
{
    uint8_t *got = malloc(bytes), *want = calloc(1, bytes);
    assert_int_equal(gw_io_pread(f, got, bytes, 0), 0);
    memset(want, version, volume == 0 ? 64 * 1024 : 4096);
    size_t tail = volume == 0 ? 4096 : 904;
    memset(want + bytes - tail, version, tail);
    assert_memory_equal(got, want, bytes);
    free(got);
    free(want);
}

static void check_point(struct world *w, const char *id, uint8_t version)
{
    struct gw_point *p = malloc(sizeof *p);
    assert_int_equal(gw_point_load(w->io, w->dir, id, p, NULL), 0);
    for (unsigned i = 0; i < 2; i++) {
        struct gw_file *f = NULL;
        assert_int_equal(gw_point_open_volume(w->io, w->dir, p, i, &f, NULL), 0);
        check_content(f, i, p->volume[i].bytes, version);
        gw_file_close(f);
    }
    free(p);
}

static int count_point(void *arg, const struct gw_point *p)
{
    (*(unsigned *)arg)++;
    return 0;
}

static unsigned listed(struct world *w)
{
    unsigned n = 0;
    assert_int_equal(gw_point_list(w->io, w->dir, count_point, &n, NULL), 0);
    return n;
}

static bool exists(struct world *w, const char *name)
{
    char path[400];
    snprintf(path, sizeof path, "%s/points/%s", w->dir, name);
    if (w->disk != NULL)
        return memdisk_exists(w->disk, path);
    struct stat st;
    return lstat(path, &st) == 0;
}

/* ---- manifest -------------------------------------------------------------------------------- */

static void test_manifest(void **state)
{
    static uint8_t buf[GW_POINT_MANIFEST_BYTES_MAX];
    static struct gw_point back;
    struct gw_point *p = point("p1");
    size_t len = gw_point_encode(p, buf, sizeof buf);
    assert_true(len > 0);
    assert_true(gw_point_decode(buf, len, &back));
    assert_string_equal(back.id, "p1");
    assert_string_equal(back.tag, "before upgrade");
    assert_int_equal(back.kind, GW_POINT_COPY);
    assert_int_equal(back.seq, 7);
    assert_int_equal(back.chain, 8);
    assert_int_equal(back.journal_pos, 9);
    assert_int_equal(back.reigns, 2);
    assert_int_equal(back.wall_ns, 10);
    assert_int_equal(back.lineage.n, 1);
    assert_int_equal(back.n_volumes, 2);
    assert_string_equal(back.volume[1].name, "data");
    assert_int_equal(back.volume[1].bytes, DATA_BYTES);
    for (size_t i = 0; i < len; i++) {
        buf[i] ^= 4;
        assert_false(gw_point_decode(buf, len, &back));
        buf[i] ^= 4;
        assert_false(gw_point_decode(buf, i, &back));
    }
    assert_int_equal(gw_point_encode(p, buf, len - 1), 0);
    p->kind = 0;
    assert_int_equal(gw_point_encode(p, buf, sizeof buf), 0);
    p = point(".hidden");
    assert_int_equal(gw_point_encode(p, buf, sizeof buf), 0);
    p = point("p1");
    strcpy(p->volume[0].name, "../x");
    assert_int_equal(gw_point_encode(p, buf, sizeof buf), 0);
}

/* ---- making ---------------------------------------------------------------------------------- */

static void test_create(void **state)
{
    struct world w;
    world_memory(&w);
    assert_int_equal(listed(&w), 0);
    uint64_t before = memdisk_blocks(w.disk);
    struct gw_point *p = point("p1");
    p->kind = 0;
    assert_int_equal(gw_point_create(w.io, w.dir, w.volume, GW_POINT_AUTO, 0, p, NULL), 0);
    assert_int_equal(p->kind, GW_POINT_COPY);
    /* 17 + 2 blocks of data (the zeros stay a hole), and a manifest. */
    assert_int_equal(memdisk_blocks(w.disk) - before, 17 + 2 + 1);
    fill_volumes(&w, 2);
    check_point(&w, "p1", 1);
    assert_int_equal(create(&w, "p1"), -EEXIST);
    check_point(&w, "p1", 1);

    memdisk_can_clone(w.disk, true);
    p = point("p2");
    assert_int_equal(gw_point_create(w.io, w.dir, w.volume, GW_POINT_CLONE_ONLY, 0, p, NULL), 0);
    assert_int_equal(p->kind, GW_POINT_CLONE);
    check_point(&w, "p2", 2);
    assert_int_equal(listed(&w), 2);

    assert_int_equal(gw_point_remove(w.io, w.dir, "p1", NULL), 0);
    assert_int_equal(listed(&w), 1);
    assert_false(exists(&w, "p1"));
    assert_int_equal(gw_point_remove(w.io, w.dir, "p1", NULL), -ENOENT);
    static struct gw_point back;
    assert_int_equal(gw_point_load(w.io, w.dir, "p1", &back, NULL), -ENOENT);
    assert_int_equal(gw_point_load(w.io, w.dir, "p2", &back, NULL), 0);
    struct gw_file *f = NULL;
    assert_int_equal(gw_point_open_volume(w.io, w.dir, &back, 2, &f, NULL), -EINVAL);
    assert_true(memdisk_cut(w.disk, "/plan/points/p2/data.img", DATA_BYTES - 1));
    assert_int_equal(gw_point_open_volume(w.io, w.dir, &back, 1, &f, NULL), -EBADMSG);
    world_done(&w);
}

static void test_ids(void **state)
{
    static const char *const bad[] = { "", ".", "..", ".x", "a/b", "../x", "a b", "a\n" };
    struct world w;
    world_memory(&w);
    static struct gw_point back;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(create(&w, bad[i]), -EINVAL);
        assert_int_equal(gw_point_load(w.io, w.dir, bad[i], &back, NULL), -EINVAL);
        assert_int_equal(gw_point_remove(w.io, w.dir, bad[i], NULL), -EINVAL);
    }
    struct gw_point *p = point("p1");
    strcpy(p->volume[1].name, "root");
    assert_int_equal(gw_point_create(w.io, w.dir, w.volume, GW_POINT_AUTO, 0, p, NULL), -EINVAL);
    assert_int_equal(listed(&w), 0);
    world_done(&w);
}

static void test_clone_only(void **state)
{
    struct world w;
    struct gw_error err = { 0 };
    world_memory(&w);
    assert_int_equal(
        gw_point_create(w.io, w.dir, w.volume, GW_POINT_CLONE_ONLY, 0, point("p1"), &err),
        -EOPNOTSUPP);
    assert_non_null(strstr(err.msg, "reflinks"));
    assert_false(exists(&w, "p1"));
    world_done(&w);
}

static void test_volume_too_small(void **state)
{
    struct world w;
    world_memory(&w);
    memdisk_can_clone(w.disk, true);
    struct gw_point *p = point("p1");
    p->volume[0].bytes += 4096;
    assert_int_equal(gw_point_create(w.io, w.dir, w.volume, GW_POINT_AUTO, 0, p, NULL), -EINVAL);
    assert_false(exists(&w, "p1"));
    world_done(&w);
}

/* ---- space ----------------------------------------------------------------------------------- */

static void test_reserve(void **state)
{
    struct world w;
    world_memory(&w);
    struct gw_error err = { 0 };
    memdisk_capacity(w.disk, memdisk_blocks(w.disk) + 100);
    struct gw_file *const *v = w.volume;
    /* data in root: 64 KiB, 64 KiB of zeros, 4 KiB; in data: 4 KiB and 1 or 2 blocks */
    uint64_t free_now = 100 * 4096, copy;
    static struct gw_meta m;
    m.n_volumes = 2;
    memcpy(m.volume, point("x")->volume, sizeof m.volume);
    struct gw_point_cost cost;
    assert_int_equal(gw_point_cost(w.io, w.dir, &m, v, &cost, NULL), 0);
    copy = cost.copy_bytes;
    assert_int_equal(cost.kind, GW_POINT_COPY);
    assert_int_equal(cost.free_bytes, free_now);
    assert_in_range(copy, 33 * 4096 + 4096 + 904, 33 * 4096 + 3 * 4096);

    assert_int_equal(
        gw_point_create(w.io, w.dir, v, GW_POINT_AUTO, free_now - copy + 1, point("p1"), &err),
        -ENOSPC);
    char number[32];
    snprintf(number, sizeof number, "needs %llu", (unsigned long long)copy);
    assert_non_null(strstr(err.msg, number));
    assert_non_null(strstr(err.msg, "409600"));
    assert_false(exists(&w, "p1"));
    assert_int_equal(
        gw_point_create(w.io, w.dir, v, GW_POINT_AUTO, UINT64_MAX - 1, point("p1"), &err), -ENOSPC);
    /* A clone costs nothing now, but the reserve has to be there. */
    memdisk_can_clone(w.disk, true);
    assert_int_equal(
        gw_point_create(w.io, w.dir, v, GW_POINT_AUTO, free_now + 1, point("p1"), &err), -ENOSPC);
    assert_int_equal(gw_point_create(w.io, w.dir, v, GW_POINT_AUTO, free_now, point("p1"), &err),
                     0);
    world_done(&w);
}

static void test_cost(void **state)
{
    struct world w;
    world_memory(&w);
    static struct gw_meta m;
    m.n_volumes = 2;
    memcpy(m.volume, point("x")->volume, sizeof m.volume);
    struct gw_point_cost cost = { 0 };
    memdisk_can_clone(w.disk, true);
    assert_int_equal(gw_point_cost(w.io, w.dir, &m, w.volume, &cost, NULL), 0);
    assert_int_equal(cost.kind, GW_POINT_CLONE);
    assert_int_equal(cost.copy_bytes, 0);
    assert_false(exists(&w, ".probe"));
    /* A probe that crashed is in nobody's way, and goes. */
    memdisk_stop_after(w.disk, 2);
    assert_true(gw_point_cost(w.io, w.dir, &m, w.volume, &cost, NULL) < 0);
    close_volumes(&w);
    memdisk_process_loss(w.disk);
    open_volumes(&w, 0);
    assert_int_equal(create(&w, "p1"), 0);
    assert_false(exists(&w, ".probe"));
    world_done(&w);
}

/* The disk fills in the middle of the copy, although there was room when it began. */
static void test_enospc(void **state)
{
    for (unsigned nth = 1; nth <= 4; nth++) {
        struct world w;
        world_memory(&w);
        struct gw_error err = { 0 };
        memdisk_fail(w.disk, MEMDISK_WRITE, nth, -ENOSPC);
        assert_int_equal(
            gw_point_create(w.io, w.dir, w.volume, GW_POINT_AUTO, 0, point("p1"), &err), -ENOSPC);
        assert_non_null(strstr(err.msg, "p1"));
        assert_false(exists(&w, "p1"));
        assert_int_equal(create(&w, "p1"), 0);
        world_done(&w);
    }
}

/* ---- crashes --------------------------------------------------------------------------------- */

static void lose(struct world *w, unsigned round, uint64_t *seed)
{
    close_volumes(w);
    if (round % 4 == 0)
        memdisk_process_loss(w->disk);
    else
        memdisk_power_loss(w->disk, round % 2 ? 512 : 4096, memdisk_pick_random, seed);
    open_volumes(w, 0);
}

static void test_crash_in_create(void **state)
{
    uint64_t seed = 11;
    for (unsigned round = 0;; round++) {
        struct world w;
        world_memory(&w);
        memdisk_can_clone(w.disk, round % 3 == 0);
        memdisk_stop_after(w.disk, round / 3);
        int r = create(&w, "p1");
        bool stopped = memdisk_stopped(w.disk);
        lose(&w, round, &seed);
        if (r == 0)
            assert_int_equal(listed(&w), 1);
        if (listed(&w) == 1)
            check_point(&w, "p1", 1);
        fill_volumes(&w, 2);
        assert_int_equal(create(&w, "p2"), 0);
        check_point(&w, "p2", 2);
        if (listed(&w) == 2)
            check_point(&w, "p1", 1);
        else
            assert_false(exists(&w, "p1")); /* half made: gone with the next create */
        world_done(&w);
        if (!stopped && round % 3 == 2)
            break;
        assert_true(round < 1000);
    }
}

static void test_crash_points(void **state)
{
    static const char *const names[] = { "point.cloned", "point.synced", "point.done" };
    for (unsigned i = 0; i < 3; i++) {
        struct world w;
        world_memory(&w);
        memdisk_stop_at(w.disk, names[i], 1);
        create(&w, "p1");
        assert_true(memdisk_stopped(w.disk));
        close_volumes(&w);
        memdisk_power_loss(w.disk, 512, memdisk_pick_old, NULL);
        open_volumes(&w, 0);
        assert_int_equal(listed(&w), i == 2);
        world_done(&w);
    }
}

/* The manifest's name may survive by itself; the images have to be there then. */
static void test_crash_at_rename(void **state)
{
    uint64_t seed = 1;
    unsigned complete = 0;
    for (unsigned round = 0; round < 24; round++) {
        struct world w;
        world_memory(&w);
        memdisk_stop_at(w.disk, "replace.renamed", 1);
        assert_int_equal(create(&w, "p1"), -EIO);
        lose(&w, 4 * round + 1, &seed);
        complete += listed(&w);
        if (listed(&w) == 1)
            check_point(&w, "p1", 1);
        world_done(&w);
    }
    assert_in_range(complete, 1, 23);
}

static void test_crash_in_remove(void **state)
{
    uint64_t seed = 5;
    for (unsigned round = 0;; round++) {
        struct world w;
        world_memory(&w);
        assert_int_equal(create(&w, "p1"), 0);
        memdisk_stop_after(w.disk, round / 6);
        int r = gw_point_remove(w.io, w.dir, "p1", NULL);
        bool stopped = memdisk_stopped(w.disk);
        lose(&w, round, &seed);
        if (r == 0)
            assert_int_equal(listed(&w), 0);
        if (listed(&w) == 1)
            check_point(&w, "p1", 1); /* never one without its images */
        else
            assert_int_equal(create(&w, "p1"), 0);
        world_done(&w);
        if (!stopped && round % 6 == 5)
            break;
        assert_true(round < 1000);
    }
}

/* ---- what else is in the directory ----------------------------------------------------------- */

static void test_foreign_names(void **state)
{
    struct world w;
    world_memory(&w);
    assert_int_equal(gw_io_mkdir(w.io, "/plan/points"), 0);
    assert_int_equal(gw_io_mkdir(w.io, "/plan/points/lost+found"), 0);
    assert_int_equal(gw_io_replace(w.io, "/plan/points", "notes.txt", "x", 1, NULL), 0);
    assert_int_equal(create(&w, "p1"), 0);
    assert_true(exists(&w, "lost+found"));
    assert_true(exists(&w, "notes.txt"));
    assert_int_equal(listed(&w), 1);
    world_done(&w);
}

static void test_list_damaged(void **state)
{
    struct world w;
    world_memory(&w);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(create(&w, (const char *[]){ "p0", "p1", "p2" }[i]), 0);
    uint8_t byte = 0xff;
    assert_true(memdisk_damage(w.disk, "/plan/points/p1/manifest", 100, &byte, 1));
    unsigned n = 0;
    struct gw_error err = { 0 };
    assert_int_equal(gw_point_list(w.io, w.dir, count_point, &n, &err), -EBADMSG);
    assert_int_equal(n, 2);
    assert_non_null(strstr(err.msg, "p1"));
    /* A damaged manifest is not a missing one: nothing is swept. */
    assert_int_equal(create(&w, "p3"), 0);
    assert_true(exists(&w, "p1"));
    world_done(&w);
}

static void test_renamed(void **state)
{
    struct world w;
    world_real(&w, "/tmp");
    assert_int_equal(create(&w, "p1"), 0);
    char from[300], to[300];
    snprintf(from, sizeof from, "%s/points/p1", w.dir);
    snprintf(to, sizeof to, "%s/points/p2", w.dir);
    assert_int_equal(rename(from, to), 0);
    static struct gw_point back;
    struct gw_error err = { 0 };
    assert_int_equal(gw_point_load(w.io, w.dir, "p2", &back, &err), -EBADMSG);
    assert_non_null(strstr(err.msg, "renamed"));
    world_done(&w);
}

/* ---- hashes ---------------------------------------------------------------------------------- */

static void test_hashes(void **state)
{
    struct world w;
    world_memory(&w);
    struct gw_error err = { 0 };
    struct gw_point *p = point("p1");
    assert_int_equal(create(&w, "p1"), 0);
    assert_int_equal(gw_point_check(w.io, w.dir, p, &err), -ENOENT);
    assert_int_equal(gw_point_hash(w.io, w.dir, p, &err), 0);
    assert_int_equal(gw_point_check(w.io, w.dir, p, &err), 0);

    uint8_t byte = 0x55;
    assert_true(memdisk_damage(w.disk, "/plan/points/p1/root.img", 2 * MIB + 77, &byte, 1));
    assert_int_equal(gw_point_check(w.io, w.dir, p, &err), -EBADMSG);
    assert_non_null(strstr(err.msg, "volume root"));
    assert_non_null(strstr(err.msg, "2097152"));
    assert_int_equal(gw_point_hash(w.io, w.dir, p, &err), 0); /* kept, not made anew */
    assert_int_equal(gw_point_check(w.io, w.dir, p, &err), -EBADMSG);
    byte = 0;
    assert_true(memdisk_damage(w.disk, "/plan/points/p1/root.img", 2 * MIB + 77, &byte, 1));
    assert_int_equal(gw_point_check(w.io, w.dir, p, &err), 0);
    byte = 0x55;
    assert_true(memdisk_damage(w.disk, "/plan/points/p1/data.img", DATA_BYTES - 1, &byte, 1));
    assert_int_equal(gw_point_check(w.io, w.dir, p, &err), -EBADMSG);
    assert_non_null(strstr(err.msg, "volume data"));
    assert_non_null(strstr(err.msg, "1048576"));
    byte = 1;
    assert_true(memdisk_damage(w.disk, "/plan/points/p1/data.img", DATA_BYTES - 1, &byte, 1));
    assert_int_equal(gw_point_check(w.io, w.dir, p, &err), 0);
    static const uint64_t places[] = { 0, 9, 13, 30, 4090, 4096, 4097, 8190 };
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        uint8_t old, bad;
        struct gw_file *f = NULL;
        assert_int_equal(gw_io_open(w.io, "/plan/points/p1/hashes", GW_OPEN_RDONLY, &f), 0);
        assert_int_equal(gw_io_pread(f, &old, 1, places[i]), 0);
        gw_file_close(f);
        bad = (uint8_t)~old;
        assert_true(memdisk_damage(w.disk, "/plan/points/p1/hashes", places[i], &bad, 1));
        assert_int_equal(gw_point_check(w.io, w.dir, p, &err), -EBADMSG);
        assert_true(memdisk_damage(w.disk, "/plan/points/p1/hashes", places[i], &old, 1));
    }
    assert_int_equal(gw_point_check(w.io, w.dir, p, &err), 0);
    world_done(&w);
}

/* More than a page of hashes; a sparse volume is not read where it has holes. */
static void test_hashes_many(void **state)
{
    struct world w;
    world_memory(&w);
    struct gw_point *p = point("big");
    p->n_volumes = 1;
    p->volume[0].bytes = 600ull * MIB + 1;
    assert_int_equal(gw_io_truncate(w.volume[0], p->volume[0].bytes), 0);
    uint8_t text[] = "hello";
    assert_int_equal(gw_io_pwrite(w.volume[0], text, sizeof text, 400ull * MIB - 2), 0);
    assert_int_equal(gw_point_create(w.io, w.dir, w.volume, GW_POINT_AUTO, 0, p, NULL), 0);
    assert_int_equal(gw_point_hash(w.io, w.dir, p, NULL), 0);
    assert_int_equal(gw_point_check(w.io, w.dir, p, NULL), 0);
    static const uint64_t places[] = {
        0, 254ull * MIB, 255ull * MIB, 399ull * MIB, 400ull * MIB, 599ull * MIB, 600ull * MIB
    };
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        struct gw_error err = { 0 };
        uint8_t byte = 3, zero = 0;
        char number[32];
        snprintf(number, sizeof number, "at %llu:", (unsigned long long)places[i]);
        assert_true(memdisk_damage(w.disk, "/plan/points/big/root.img",
                                   places[i] == 600ull * MIB ? places[i] : places[i] + MIB / 2,
                                   &byte, 1));
        assert_int_equal(gw_point_check(w.io, w.dir, p, &err), -EBADMSG);
        if (strstr(err.msg, number) == NULL)
            fail_msg("%s is not in: %s", number, err.msg);
        assert_true(memdisk_damage(w.disk, "/plan/points/big/root.img",
                                   places[i] == 600ull * MIB ? places[i] : places[i] + MIB / 2,
                                   &zero, 1));
    }
    assert_int_equal(gw_point_check(w.io, w.dir, p, NULL), 0);
    world_done(&w);
}

/* ---- copying --------------------------------------------------------------------------------- */

static void test_copy(void **state)
{
    for (unsigned is_new = 0; is_new < 2; is_new++) {
        struct memdisk *d = memdisk_new();
        struct gw_io *io = memdisk_io(d);
        struct gw_file *src = NULL, *dst = NULL;
        assert_int_equal(gw_io_open(io, "/src", GW_OPEN_CREATE, &src), 0);
        assert_int_equal(gw_io_open(io, "/dst", GW_OPEN_CREATE, &dst), 0);
        uint64_t bytes = 3 * MIB + 123;
        uint8_t *want = calloc(1, bytes + 5000), *got = malloc(bytes + 5000);
        uint64_t seed = 42;
        for (unsigned i = 0; i < 60; i++) { /* ragged pieces, some of zeros */
            uint64_t off = seed % bytes, len = seed / 7 % 20000;
            len = off + len > bytes ? bytes - off : len;
            memset(want + off, i % 4 == 0 ? 0 : (int)i, len);
            assert_int_equal(gw_io_pwrite(src, want + off, len, off), 0);
            seed = seed * 6364136223846793005ull + 1442695040888963407ull;
            seed ^= seed >> 33;
        }
        assert_int_equal(gw_io_truncate(src, bytes), 0);
        if (!is_new) { /* old content, longer than what is copied: its end stays */
            memset(got, 0xaa, bytes + 5000);
            assert_int_equal(gw_io_pwrite(dst, got, bytes + 5000, 0), 0);
            memset(want + bytes, 0xaa, 5000);
        }
        assert_int_equal(gw_copy_sparse(dst, src, bytes, is_new != 0, NULL), 0);
        uint64_t size = 0;
        assert_int_equal(gw_io_size(dst, &size), 0);
        assert_int_equal(size, is_new ? bytes : bytes + 5000);
        assert_int_equal(gw_io_pread(dst, got, size, 0), 0);
        assert_memory_equal(got, want, size);
        gw_file_close(src);
        gw_file_close(dst);
        free(want);
        free(got);
        memdisk_free(d);
    }
}

/* ---- real files ------------------------------------------------------------------------------ */

/* -1: the filesystem has no flags */
static int is_immutable(struct world *w, const char *name)
{
    char path[400];
    snprintf(path, sizeof path, "%s/points/%s", w->dir, name);
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    int flags = 0;
    assert_true(fd >= 0);
    if (ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0)
        return -1;
    return (flags & FS_IMMUTABLE_FL) != 0;
}

static void check_real(struct world *w, enum gw_point_kind kind)
{
    struct gw_point *p = point("p1");
    struct gw_error err = { 0 };
    if (gw_point_create(w->io, w->dir, w->volume, GW_POINT_AUTO, 0, p, &err) < 0)
        fail_msg("create: %s", err.msg);
    assert_int_equal(p->kind, kind);
    fill_volumes(w, 2);
    check_point(w, "p1", 1); /* on a reflink filesystem: blocks are shared no more */
    assert_int_equal(gw_point_hash(w->io, w->dir, p, NULL), 0);
    assert_int_equal(gw_point_check(w->io, w->dir, p, NULL), 0);

    char path[400];
    struct stat st;
    snprintf(path, sizeof path, "%s/points/p1/root.img", w->dir);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0400);
    int immutable = is_immutable(w, "p1/root.img");
    if (geteuid() == 0 && immutable >= 0) {
        struct gw_file *f = NULL;
        assert_int_equal(immutable, 1);
        assert_int_equal(is_immutable(w, "p1/data.img"), 1);
        assert_int_equal(gw_io_open(w->io, path, 0, &f), -EPERM);
        assert_int_equal(unlink(path), -1);
    }
    /* Half made again: the next create lifts the guard and removes it. */
    snprintf(path, sizeof path, "%s/points/p1/manifest", w->dir);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(create(w, "p2"), 0);
    assert_false(exists(w, "p1"));
    check_point(w, "p2", 2);
    assert_int_equal(gw_point_remove(w->io, w->dir, "p2", NULL), 0);
    assert_false(exists(w, "p2"));
}

static void test_real_files(void **state)
{
    const char *parent = getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp";
    struct world w;
    world_real(&w, parent);
    static struct gw_meta m;
    m.n_volumes = 2;
    memcpy(m.volume, point("x")->volume, sizeof m.volume);
    struct gw_point_cost cost;
    assert_int_equal(gw_point_cost(w.io, w.dir, &m, w.volume, &cost, NULL), 0);
    print_message("here a point is a %s\n", cost.kind == GW_POINT_CLONE ? "clone" : "copy");
    check_real(&w, cost.kind);
    world_done(&w);
}

/* ---- real filesystems ------------------------------------------------------------------------ */

/* A private mount namespace: whatever happens to this process, no mount is left behind. */
static bool private_mounts(void)
{
    static int state = -1;
    if (state < 0) {
        errno = EPERM;
        state = geteuid() == 0 && unshare(CLONE_NEWNS) == 0 &&
                mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
        if (!state)
            print_message("no private mount namespace (not root?): %s\n", strerror(errno));
    }
    return state;
}

/* Bind a free loop device to the file; it lets go of it by itself when it is unmounted. */
static int loop_attach(int file, char *ret, size_t size)
{
    CLEANUP_CLOSE int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
    for (unsigned try = 0; control >= 0 && try < 20; try++) {
        int n = ioctl(control, LOOP_CTL_GET_FREE);
        if (n < 0)
            break;
        snprintf(ret, size, "/dev/loop%d", n);
        int fd = open(ret, O_RDWR | O_CLOEXEC);
        struct loop_config config = { .fd = (unsigned)file, .info.lo_flags = LO_FLAGS_AUTOCLEAR };
        if (fd >= 0 && ioctl(fd, LOOP_CONFIGURE, &config) == 0)
            return fd;
        if (fd >= 0)
            close(fd);
        if (fd < 0 || errno != EBUSY)
            break;
    }
    return -1;
}

static bool run(const char *const argv[])
{
    pid_t pid;
    int status;
    posix_spawn_file_actions_t quiet;
    posix_spawn_file_actions_init(&quiet);
    posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&quiet, 2, "/dev/null", O_WRONLY, 0);
    char *args[8] = { NULL };
    for (unsigned i = 0; argv[i] != NULL; i++)
        args[i] = strdup(argv[i]);
    int r = posix_spawnp(&pid, args[0], &quiet, NULL, args, environ);
    posix_spawn_file_actions_destroy(&quiet);
    for (unsigned i = 0; args[i] != NULL; i++)
        free(args[i]);
    return r == 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
           WEXITSTATUS(status) == 0;
}

static bool mount_xfs(const char *at)
{
    char image[300], device[64];
    snprintf(image, sizeof image, "%s.image", at);
    CLEANUP_CLOSE int file = open(image, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(file >= 0);
    assert_int_equal(ftruncate(file, 320ll * MIB), 0);
    bool formatted = run((const char *const[]){ "mkfs.xfs", "-q", "-m", "reflink=1", image, NULL });
    unlink(image);
    if (!formatted) {
        print_message("no mkfs.xfs with reflink\n");
        return false;
    }
    CLEANUP_CLOSE int loop = loop_attach(file, device, sizeof device);
    if (loop < 0 || mount(device, at, "xfs", 0, "") < 0) {
        print_message("cannot mount an xfs over a loop device: %s\n", strerror(errno));
        return false;
    }
    return true;
}

static void test_xfs(void **state)
{
    char at[] = "/tmp/godwit-xfs-XXXXXX";
    if (!private_mounts())
        skip();
    make_temp(at);
    if (!mount_xfs(at)) {
        rmdir(at);
        skip();
    }
    struct world w, other;
    world_real(&w, at);
    world_real(&other, "/dev/shm");
    static struct gw_meta m;
    m.n_volumes = 2;
    memcpy(m.volume, point("x")->volume, sizeof m.volume);
    struct gw_point_cost cost;
    assert_int_equal(gw_point_cost(w.io, w.dir, &m, w.volume, &cost, NULL), 0);
    assert_int_equal(cost.kind, GW_POINT_CLONE);
    assert_int_equal(cost.copy_bytes, 0);
    assert_true(cost.free_bytes > 100ull * MIB && cost.free_bytes < 320ull * MIB);
    assert_false(exists(&w, ".probe"));
    check_real(&w, GW_POINT_CLONE);

    /* One volume in another filesystem: that one is copied, or nothing is made. */
    fill_volumes(&other, 2);
    struct gw_file *mixed[2] = { w.volume[0], other.volume[1] };
    struct gw_point *p = point("mixed");
    assert_int_equal(gw_point_create(w.io, w.dir, mixed, GW_POINT_CLONE_ONLY, 0, p, NULL),
                     -EOPNOTSUPP);
    assert_false(exists(&w, "mixed"));
    assert_int_equal(gw_point_cost(w.io, w.dir, &m, mixed, &cost, NULL), 0);
    assert_int_equal(cost.kind, GW_POINT_COPY);
    assert_in_range(cost.copy_bytes, 4096 + 904, 3 * 4096);
    assert_int_equal(gw_point_create(w.io, w.dir, mixed, GW_POINT_AUTO, 0, p, NULL), 0);
    assert_int_equal(p->kind, GW_POINT_COPY);
    check_point(&w, "mixed", 2);
    world_done(&other);
    world_done(&w);
    assert_int_equal(umount2(at, 0), 0);
    assert_int_equal(rmdir(at), 0);
}

static void test_tmpfs(void **state)
{
    char at[] = "/tmp/godwit-tmpfs-XXXXXX";
    if (!private_mounts())
        skip();
    make_temp(at);
    assert_int_equal(mount("tmpfs", at, "tmpfs", 0, "size=2m"), 0);
    struct world w;
    world_real(&w, at);
    check_real(&w, GW_POINT_COPY);
    /* Really full: 2 MiB less what is there do not hold another 1.5 MiB. */
    uint8_t *buf = malloc(1536 * 1024);
    memset(buf, 3, 1536 * 1024);
    assert_int_equal(gw_io_pwrite(w.volume[0], buf, 1536 * 1024, 0), 0);
    free(buf);
    assert_int_equal(create(&w, "p3"), -ENOSPC);
    assert_false(exists(&w, "p3"));
    world_done(&w);
    assert_int_equal(umount2(at, 0), 0);
    assert_int_equal(rmdir(at), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_manifest),
        cmocka_unit_test(test_create),
        cmocka_unit_test(test_ids),
        cmocka_unit_test(test_clone_only),
        cmocka_unit_test(test_volume_too_small),
        cmocka_unit_test(test_reserve),
        cmocka_unit_test(test_cost),
        cmocka_unit_test(test_enospc),
        cmocka_unit_test(test_crash_in_create),
        cmocka_unit_test(test_crash_points),
        cmocka_unit_test(test_crash_at_rename),
        cmocka_unit_test(test_crash_in_remove),
        cmocka_unit_test(test_foreign_names),
        cmocka_unit_test(test_list_damaged),
        cmocka_unit_test(test_renamed),
        cmocka_unit_test(test_hashes),
        cmocka_unit_test(test_hashes_many),
        cmocka_unit_test(test_copy),
        cmocka_unit_test(test_real_files),
        cmocka_unit_test(test_xfs),
        cmocka_unit_test(test_tmpfs),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    remove_made();
    return failed;
}
