// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/dirtymap.h"
#include "engine/tail.h"
#include "memdisk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIR "/plan"
#define ROOT_BLOCKS 1024u /* four extents */
#define DATA_BYTES (3u * GW_BLOCK_BYTES + 1000u)

/* A plan whose resync has overwritten blocks: `old` was there, `now` is in the volume. */
struct world {
    struct memdisk *d;
    struct gw_io *io;
    struct gw_file *volume[2];
    struct gw_dirtymap *own[2];
    struct gw_undo *undo;
    struct gw_undo_manifest m;
};

static size_t len_of(unsigned volume, uint64_t block)
{
    return volume == 1 && block == 3 ? 1000 : GW_BLOCK_BYTES;
}

static void world_new(struct world *w)
{
    *w = (struct world){ .d = memdisk_new() };
    w->io = memdisk_io(w->d);
    w->m = (struct gw_undo_manifest){
        .source = { { 5 } },
        .diverged = true,
        .n_volumes = 2,
        .volume = { { { { 1 } }, ROOT_BLOCKS * GW_BLOCK_BYTES, "root" },
                    { { { 2 } }, DATA_BYTES, "data" } },
    };
    struct gw_incarnation e = { .epoch = 1, .uuid = { { 9 } }, .birth = GW_BIRTH_CREATION };
    gw_lineage_append(&w->m.lineage, &e);
    assert_int_equal(gw_io_mkdir(w->io, DIR), 0);
    for (unsigned i = 0; i < 2; i++) {
        const struct gw_side_volume *v = &w->m.volume[i];
        char path[64];
        snprintf(path, sizeof path, DIR "/%s.raw", v->name);
        assert_int_equal(gw_io_open(w->io, path, GW_OPEN_CREATE, &w->volume[i]), 0);
        assert_int_equal(gw_io_truncate(w->volume[i], v->bytes), 0);
        snprintf(path, sizeof path, DIR "/%s.dirty", v->name);
        assert_int_equal(gw_dirtymap_create(w->io, path, &v->uuid, v->bytes, NULL), 0);
        assert_int_equal(
            gw_dirtymap_open(w->io, path, &v->uuid, v->bytes, false, NULL, &w->own[i], NULL, NULL),
            0);
    }
    assert_int_equal(gw_undo_create(w->io, DIR, "u1", &w->m, NULL), 0);
    assert_int_equal(gw_undo_open(w->io, DIR, "u1", false, &w->undo, NULL, NULL), 0);
}

/* The block held `old` (every byte) before and holds `now` after the resync. */
static void overwrite(struct world *w, unsigned volume, uint64_t block, uint8_t old, uint8_t now)
{
    uint8_t buf[GW_BLOCK_BYTES];
    memset(buf, old, sizeof buf);
    assert_int_equal(gw_undo_save(w->undo, volume, block, buf, len_of(volume, block), NULL), 0);
    memset(buf, now, sizeof buf);
    assert_int_equal(
        gw_io_pwrite(w->volume[volume], buf, len_of(volume, block), block * GW_BLOCK_BYTES), 0);
}

static void own(struct world *w, unsigned volume, uint64_t block)
{
    gw_dirtymap_mark(w->own[volume], block * GW_BLOCK_BYTES, GW_BLOCK_BYTES);
}

/* The resync is through: own sets and undo file are on the disk. */
static void finish(struct world *w)
{
    assert_int_equal(gw_undo_sync(w->undo, NULL), 0);
    gw_undo_close(w->undo);
    w->undo = NULL;
    for (unsigned i = 0; i < 2; i++) {
        char path[64];
        snprintf(path, sizeof path, DIR "/undo/u1/own-%u", i);
        assert_int_equal(gw_dirtymap_save_copy(w->own[i], w->io, path, NULL), 0);
    }
}

static void world_done(struct world *w)
{
    for (unsigned i = 0; i < 2; i++) {
        gw_dirtymap_close(w->own[i]);
        gw_file_close(w->volume[i]);
    }
    gw_undo_close(w->undo);
    memdisk_free(w->d);
}

static struct gw_tail find(struct world *w)
{
    struct gw_tail t = { 0 };
    struct gw_error err = { 0 };
    if (gw_tail_find(w->io, DIR, "u1", w->volume, &t, &err) < 0)
        fail_msg("find: %s", err.msg);
    return t;
}

static void check_range(const struct gw_tail *t, size_t i, unsigned volume, uint64_t offset,
                        uint64_t length)
{
    assert_true(i < t->n);
    assert_int_equal(t->range[i].volume, volume);
    assert_int_equal(t->range[i].offset, offset);
    assert_int_equal(t->range[i].length, length);
}

/* Every reason to be in the tail, and every reason not to be. */
static void make_tail(struct world *w)
{
    overwrite(w, 0, 11, 'b', 'x'); /* out of order: the list is sorted */
    overwrite(w, 0, 10, 'a', 'x');
    overwrite(w, 0, 20, 'c', 'c');  /* own, but the survivor has the same */
    overwrite(w, 0, 30, 'd', 'x');  /* not its own: the survivor's write */
    overwrite(w, 0, 600, 'e', 'x'); /* in an own coarse extent */
    overwrite(w, 0, 40, 'f', 0);
    overwrite(w, 0, 50, 0, 'x');
    overwrite(w, 1, 3, 'g', 'x');                                /* the odd end of a volume */
    static const uint64_t blocks[] = { 10, 11, 20, 40, 50, 60 }; /* 60: never overwritten */
    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++)
        own(w, 0, blocks[i]);
    own(w, 1, 3);
    gw_dirtymap_mark_coarse(w->own[0], 2 * GW_EXTENT_BYTES, 1);
    finish(w);
}

static void test_find(void **state)
{
    struct world w;
    world_new(&w);
    make_tail(&w);
    struct gw_tail t = find(&w);
    assert_int_equal(t.n, 5);
    check_range(&t, 0, 0, 10 * GW_BLOCK_BYTES, 2 * GW_BLOCK_BYTES);
    check_range(&t, 1, 0, 40 * GW_BLOCK_BYTES, GW_BLOCK_BYTES);
    check_range(&t, 2, 0, 50 * GW_BLOCK_BYTES, GW_BLOCK_BYTES);
    check_range(&t, 3, 0, 600 * GW_BLOCK_BYTES, GW_BLOCK_BYTES);
    check_range(&t, 4, 1, 3 * GW_BLOCK_BYTES, 1000);
    assert_int_equal(t.blocks, 6);
    assert_int_equal(t.bytes, 5 * GW_BLOCK_BYTES + 1000);
    assert_false(t.exact || t.damaged);
    gw_tail_done(&t);
    assert_null(t.range);
    gw_tail_done(&t);
    world_done(&w);
}

static void test_no_tail(void **state)
{
    struct world w;
    world_new(&w);
    overwrite(&w, 0, 1, 'a', 'b');
    finish(&w);
    struct gw_tail t = find(&w);
    assert_int_equal(t.n, 0);
    assert_int_equal(t.blocks, 0);
    assert_int_equal(t.bytes, 0);
    assert_int_equal(gw_tail_export(w.io, DIR, "u1", &t, "/out", NULL), 0);
    assert_true(memdisk_exists(w.d, "/out/ranges.txt"));
    assert_false(memdisk_exists(w.d, "/out/root.tail"));
    gw_tail_done(&t);
    world_done(&w);
}

/* An own set that is lost is everything; one that is damaged is at least what it was. */
static void test_lost_own_set(void **state)
{
    struct world w;
    world_new(&w);
    make_tail(&w);
    assert_int_equal(gw_io_unlink(w.io, DIR "/undo/u1/own-0"), 0);
    struct gw_tail t = find(&w);
    assert_int_equal(t.blocks, 7); /* and block 30 */
    gw_tail_done(&t);
    world_done(&w);

    world_new(&w);
    make_tail(&w);
    uint8_t junk[3 * 4096];
    memset(junk, 0x5a, sizeof junk);
    assert_true(memdisk_damage(w.d, DIR "/undo/u1/own-0", 0, junk, sizeof junk));
    t = find(&w);
    assert_int_equal(t.blocks, 7);
    gw_tail_done(&t);
    world_done(&w);
}

static void test_damaged_undo(void **state)
{
    struct world w;
    world_new(&w);
    make_tail(&w);
    uint8_t byte = 0xff;
    assert_true(memdisk_damage(w.d, DIR "/undo/u1/data", 100, &byte, 1)); /* block 11 */
    struct gw_tail t = find(&w);
    assert_true(t.damaged);
    assert_int_equal(t.blocks, 5);
    check_range(&t, 0, 0, 10 * GW_BLOCK_BYTES, GW_BLOCK_BYTES);
    assert_int_equal(gw_tail_export(w.io, DIR, "u1", &t, "/out", NULL), 0);
    gw_tail_done(&t);
    world_done(&w);
}

/* A read error is not damage that one can look past. */
static void test_read_error(void **state)
{
    struct world w;
    world_new(&w);
    make_tail(&w);
    for (unsigned nth = 1; nth < 20; nth++) {
        struct gw_tail t = { .n = 77 };
        memdisk_fail(w.d, MEMDISK_READ, nth, -EIO);
        int r = gw_tail_find(w.io, DIR, "u1", w.volume, &t, NULL);
        if (r == 0) {
            assert_true(t.damaged || t.blocks >= 6); /* a map may have become a superset */
            gw_tail_done(&t);
        } else {
            assert_int_equal(t.n, 77);
        }
    }
    world_done(&w);
}

static void read_file(struct world *w, const char *path, uint8_t *buf, size_t len, uint64_t off,
                      uint64_t *ret_size)
{
    struct gw_file *f = NULL;
    assert_int_equal(gw_io_open(w->io, path, GW_OPEN_RDONLY, &f), 0);
    assert_int_equal(gw_io_size(f, ret_size), 0);
    assert_int_equal(gw_io_pread(f, buf, len, off), 0);
    gw_file_close(f);
}

static void test_export(void **state)
{
    struct world w;
    world_new(&w);
    make_tail(&w);
    struct gw_tail t = find(&w);
    assert_int_equal(gw_tail_export(w.io, DIR, "u1", &t, "/out", NULL), 0);
    memdisk_power_loss(w.d, 512, memdisk_pick_old, NULL); /* all of it is durable */

    uint8_t *got = malloc(ROOT_BLOCKS * GW_BLOCK_BYTES);
    uint8_t *want = calloc(1, ROOT_BLOCKS * GW_BLOCK_BYTES);
    uint64_t size = 0;
    memset(want + 10 * GW_BLOCK_BYTES, 'a', GW_BLOCK_BYTES);
    memset(want + 11 * GW_BLOCK_BYTES, 'b', GW_BLOCK_BYTES);
    memset(want + 40 * GW_BLOCK_BYTES, 'f', GW_BLOCK_BYTES);
    memset(want + 600 * GW_BLOCK_BYTES, 'e', GW_BLOCK_BYTES);
    read_file(&w, "/out/root.tail", got, ROOT_BLOCKS * GW_BLOCK_BYTES, 0, &size);
    assert_int_equal(size, ROOT_BLOCKS * GW_BLOCK_BYTES);
    assert_memory_equal(got, want, size);
    read_file(&w, "/out/data.tail", got, DATA_BYTES, 0, &size);
    assert_int_equal(size, DATA_BYTES);
    memset(want, 0, DATA_BYTES);
    memset(want + 3 * GW_BLOCK_BYTES, 'g', 1000);
    assert_memory_equal(got, want, size);
    static const char text[] = "root 40960 8192\n"
                               "root 163840 4096\n"
                               "root 204800 4096\n"
                               "root 2457600 4096\n"
                               "data 12288 1000\n";
    read_file(&w, "/out/ranges.txt", got, sizeof text - 1, 0, &size);
    assert_int_equal(size, sizeof text - 1);
    assert_memory_equal(got, text, size);
    free(got);
    free(want);

    struct gw_error err = { 0 };
    assert_int_equal(gw_tail_export(w.io, DIR, "u1", &t, "/out", &err), -EEXIST);
    assert_non_null(strstr(err.msg, "/out"));
    assert_true(memdisk_exists(w.d, "/out/ranges.txt"));
    gw_tail_done(&t);
    world_done(&w);
}

/* A failed export leaves nothing that looks like one, and nothing in the way of the next. */
static void test_export_fails(void **state)
{
    static const unsigned ops[] = { MEMDISK_WRITE, MEMDISK_SYNC, MEMDISK_OPEN, MEMDISK_TRUNCATE,
                                    MEMDISK_SYNC_DIR };
    struct world w;
    world_new(&w);
    make_tail(&w);
    struct gw_tail t = find(&w);
    unsigned failures = 0;
    for (unsigned i = 0; i < sizeof ops / sizeof ops[0]; i++) {
        for (unsigned nth = 1; nth < 8; nth++) {
            memdisk_fail(w.d, ops[i], nth, -ENOSPC);
            int r = gw_tail_export(w.io, DIR, "u1", &t, "/out", NULL);
            memdisk_fail(w.d, 0, 1, -EIO);
            assert_int_equal(memdisk_exists(w.d, "/out"), r == 0);
            failures += r < 0;
            if (r == 0) {
                assert_int_equal(gw_io_unlink(w.io, "/out/root.tail"), 0);
                assert_int_equal(gw_io_unlink(w.io, "/out/data.tail"), 0);
                assert_int_equal(gw_io_unlink(w.io, "/out/ranges.txt"), 0);
                assert_int_equal(gw_io_rmdir(w.io, "/out"), 0);
            }
        }
    }
    assert_true(failures > 10);
    gw_tail_done(&t);
    world_done(&w);
}

/* A list that is not of this undo file is refused, not exported as zeros. */
static void test_export_wrong_list(void **state)
{
    struct world w;
    world_new(&w);
    make_tail(&w);
    struct gw_tail_range bad[] = {
        { 2, 0, 4096 },
        { 0, 0, 0 },
        { 0, 100, 4096 },
        { 1, 3 * GW_BLOCK_BYTES, 1001 },
        { 0, UINT64_MAX - 4095, 4096 },
        { 0, 60 * GW_BLOCK_BYTES, 4096 }, /* never overwritten: not in the undo file */
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct gw_tail t = { .n = 1, .range = &bad[i] };
        assert_int_equal(gw_tail_export(w.io, DIR, "u1", &t, "/out", NULL), -EINVAL);
        assert_false(memdisk_exists(w.d, "/out"));
    }
    world_done(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),         cmocka_unit_test(test_no_tail),
        cmocka_unit_test(test_lost_own_set), cmocka_unit_test(test_damaged_undo),
        cmocka_unit_test(test_read_error),   cmocka_unit_test(test_export),
        cmocka_unit_test(test_export_fails), cmocka_unit_test(test_export_wrong_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
