// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "engine/dirtymap.h"

#include "memdisk.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/hash.h"

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PATH "/d/vol"
#define PAGE 4096u
/* Three fine pages (the last partial) and one coarse page. */
#define BLOCKS (2u * GW_BITMAP_PAGE_BITS + 1000u)
#define BYTES ((uint64_t)BLOCKS * GW_BLOCK_BYTES - 100u)
#define EXTENTS ((BLOCKS + GW_BLOCKS_PER_EXTENT - 1) / GW_BLOCKS_PER_EXTENT)
#define FINE_AT (2u * PAGE)
#define COARSE_AT (5u * PAGE)

static const struct gw_uuid volume = { { 1, 2, 3 } }, epoch_a = { { 7 } }, epoch_b = { { 8 } };
static uint64_t seed = 12345;

static unsigned rnd(unsigned below)
{
    return memdisk_pick_random(&seed, below);
}

static struct memdisk *disk_new(void)
{
    struct memdisk *d = memdisk_new();
    struct gw_io *io = memdisk_io(d);
    assert_int_equal(gw_io_mkdir(io, "/d"), 0);
    assert_int_equal(gw_io_sync_dir(io, "/"), 0);
    return d;
}

static struct memdisk *disk_with_map(void)
{
    struct memdisk *d = disk_new();
    struct gw_error err = { 0 };
    if (gw_dirtymap_create(memdisk_io(d), PATH, &volume, BYTES, &err) < 0)
        fail_msg("%s", err.msg);
    return d;
}

static struct gw_dirtymap *open_damaged(struct memdisk *d, uint64_t *damaged)
{
    struct gw_dirtymap *m = NULL;
    struct gw_error err = { 0 };
    if (gw_dirtymap_open(memdisk_io(d), PATH, &volume, BYTES, false, NULL, &m, damaged, &err) < 0)
        fail_msg("%s", err.msg);
    return m;
}

static struct gw_dirtymap *open_map(struct memdisk *d)
{
    uint64_t damaged = 99;
    struct gw_dirtymap *m = open_damaged(d, &damaged);
    assert_int_equal(damaged, 0);
    return m;
}

static void persist(struct gw_dirtymap *m)
{
    struct gw_error err = { 0 };
    if (gw_dirtymap_persist(m, &err) < 0)
        fail_msg("%s", err.msg);
    assert_false(gw_dirtymap_unsaved(m));
}

static void mark_block(struct gw_dirtymap *m, uint64_t block)
{
    gw_dirtymap_mark(m, block * GW_BLOCK_BYTES, 1);
}

static bool fine(const struct gw_dirtymap *m, uint64_t block)
{
    return gw_bitmap_test(gw_dirtymap_fine(m), block);
}

static bool coarse(const struct gw_dirtymap *m, uint64_t extent)
{
    return gw_bitmap_test(gw_dirtymap_coarse(m), extent);
}

/* ---- states ---------------------------------------------------------------------------------- */

static void test_rounding(void **state)
{
    struct memdisk *d = disk_with_map();
    struct gw_dirtymap *m = open_map(d);
    assert_true(gw_dirtymap_empty(m));
    assert_int_equal(gw_bitmap_size(gw_dirtymap_fine(m)), BLOCKS);
    assert_int_equal(gw_bitmap_size(gw_dirtymap_coarse(m)), EXTENTS);
    gw_dirtymap_mark(m, 4095, 2);
    assert_int_equal(gw_bitmap_run(gw_dirtymap_fine(m), 0, 9), 2);
    gw_dirtymap_mark(m, 8192, 0);
    gw_dirtymap_mark(m, BYTES, 1);
    gw_dirtymap_mark(m, UINT64_MAX, UINT64_MAX);
    assert_int_equal(gw_bitmap_count(gw_dirtymap_fine(m)), 2);
    gw_dirtymap_mark(m, BYTES - 1, UINT64_MAX); /* clipped */
    assert_true(fine(m, BLOCKS - 1));
    gw_dirtymap_mark_coarse(m, GW_EXTENT_BYTES - 1, 2);
    assert_int_equal(gw_bitmap_count(gw_dirtymap_coarse(m)), 2);
    gw_dirtymap_mark_all_coarse(m);
    assert_int_equal(gw_bitmap_count(gw_dirtymap_coarse(m)), EXTENTS);
    gw_dirtymap_close(m);
    gw_dirtymap_close(NULL);
    memdisk_free(d);
}

static void test_states(void **state)
{
    struct memdisk *d = disk_with_map();
    struct gw_dirtymap *m = open_map(d);
    gw_dirtymap_mark(m, 10 * GW_BLOCK_BYTES, 3 * GW_BLOCK_BYTES);
    gw_dirtymap_inject(m, 10, 3);
    assert_int_equal(gw_dirtymap_in_flight(m), 3);
    assert_int_equal(gw_bitmap_count(gw_dirtymap_fine(m)), 0);
    assert_false(gw_dirtymap_empty(m));

    mark_block(m, 11); /* marked again: the acknowledgement clears nothing (R3) */
    assert_true(fine(m, 11));
    assert_int_equal(gw_dirtymap_in_flight(m), 2);
    gw_dirtymap_acked(m, 10, 3);
    assert_int_equal(gw_dirtymap_in_flight(m), 0);
    assert_true(fine(m, 11));
    assert_int_equal(gw_bitmap_count(gw_dirtymap_fine(m)), 1);

    gw_dirtymap_inject(m, 11, 1);
    gw_dirtymap_acked(m, 11, 1);
    assert_true(gw_dirtymap_empty(m));

    gw_dirtymap_mark(m, 0, 5 * GW_BLOCK_BYTES);
    gw_dirtymap_inject(m, 1, 2);
    gw_dirtymap_requeue(m);
    assert_int_equal(gw_dirtymap_in_flight(m), 0);
    assert_int_equal(gw_bitmap_run(gw_dirtymap_fine(m), 0, 9), 5);
    gw_dirtymap_acked(m, 1, 2); /* of nothing that is in flight */
    assert_int_equal(gw_bitmap_count(gw_dirtymap_fine(m)), 5);

    gw_dirtymap_mark_coarse(m, 0, 2 * GW_EXTENT_BYTES);
    gw_dirtymap_compared(m, 1);
    assert_true(coarse(m, 0));
    assert_false(coarse(m, 1));
    gw_dirtymap_inject(m, 0, 1);
    gw_dirtymap_clear_all(m);
    assert_true(gw_dirtymap_empty(m));
    gw_dirtymap_close(m);
    memdisk_free(d);
}

/* Marked, sent, marked, sent again before the first acknowledgement: that one clears nothing. */
static void test_sent_twice(void **state)
{
    struct memdisk *d = disk_with_map();
    struct gw_dirtymap *m = open_map(d);
    mark_block(m, 7);
    for (int i = 0; i < 5; i++) {
        gw_dirtymap_inject(m, 7, 1);
        mark_block(m, 7);
    }
    gw_dirtymap_inject(m, 7, 1);
    for (int i = 0; i < 5; i++) {
        gw_dirtymap_acked(m, 7, 1);
        assert_int_equal(gw_dirtymap_in_flight(m), 1);
    }
    gw_dirtymap_acked(m, 7, 1);
    assert_true(gw_dirtymap_empty(m));

    /* A lost link voids what was owed. */
    mark_block(m, 7);
    gw_dirtymap_inject(m, 7, 1);
    mark_block(m, 7);
    gw_dirtymap_requeue(m);
    gw_dirtymap_inject(m, 7, 1);
    gw_dirtymap_acked(m, 7, 1);
    assert_true(gw_dirtymap_empty(m));
    gw_dirtymap_close(m);
    memdisk_free(d);
}

/* ---- file ------------------------------------------------------------------------------------ */

static void test_create(void **state)
{
    struct memdisk *d = disk_with_map();
    struct gw_io *io = memdisk_io(d);
    struct gw_error err = { 0 };
    struct gw_dirtymap *m = NULL;
    assert_int_equal(gw_dirtymap_create(io, PATH, &volume, BYTES, &err), -EEXIST);
    assert_non_null(strstr(err.msg, PATH));
    assert_int_equal(gw_dirtymap_create(io, "/d/x", &volume, 0, &err), -EINVAL);
    assert_int_equal(gw_dirtymap_create(io, "/d/x", &volume, UINT64_MAX, &err), -EINVAL);

    assert_int_equal(gw_dirtymap_open(io, "/d/none", &volume, BYTES, false, NULL, &m, NULL, &err),
                     -ENOENT);
    assert_int_equal(gw_dirtymap_open(io, PATH, &epoch_a, BYTES, false, NULL, &m, NULL, &err),
                     -EINVAL);
    assert_int_equal(gw_dirtymap_open(io, PATH, &volume, BYTES - 1, false, NULL, &m, NULL, &err),
                     -EINVAL);
    assert_null(m);
    memdisk_power_loss(d, PAGE, memdisk_pick_old, NULL); /* created means durable */
    m = open_map(d);
    assert_true(gw_dirtymap_empty(m));
    assert_false(gw_dirtymap_unsaved(m));
    gw_dirtymap_close(m);

    memdisk_capacity(d, memdisk_blocks(d) + 1);
    assert_int_equal(gw_dirtymap_create(io, "/d/x", &volume, BYTES, &err), -ENOSPC);
    assert_false(memdisk_exists(d, "/d/x"));
    memdisk_free(d);
}

static void test_reopen(void **state)
{
    struct memdisk *d = disk_with_map();
    struct gw_dirtymap *m = open_map(d);
    mark_block(m, 3);
    mark_block(m, BLOCKS - 1);
    mark_block(m, GW_BITMAP_PAGE_BITS);
    gw_dirtymap_inject(m, 3, 1);
    gw_dirtymap_mark_coarse(m, 9ull * GW_EXTENT_BYTES, 1);
    gw_dirtymap_cleared_through(m, &epoch_a, 55);
    assert_true(gw_dirtymap_unsaved(m));
    persist(m);
    unsigned ops = memdisk_ops(d);
    persist(m); /* nothing to do, nothing done */
    assert_int_equal(memdisk_ops(d), ops);
    gw_dirtymap_requeue(m);
    assert_false(gw_dirtymap_unsaved(m));
    gw_dirtymap_close(m);
    memdisk_power_loss(d, PAGE, memdisk_pick_old, NULL);

    m = open_map(d);
    assert_true(fine(m, 3)); /* in flight is dirty after a crash */
    assert_true(fine(m, BLOCKS - 1) && fine(m, GW_BITMAP_PAGE_BITS) && coarse(m, 9));
    assert_int_equal(gw_bitmap_count(gw_dirtymap_fine(m)), 3);
    assert_int_equal(gw_bitmap_count(gw_dirtymap_coarse(m)), 1);
    struct gw_uuid uuid;
    uint64_t seq;
    gw_dirtymap_get_cleared(m, &uuid, &seq);
    assert_true(gw_uuid_equal(&uuid, &epoch_a));
    assert_int_equal(seq, 55);
    gw_dirtymap_cleared_through(m, &epoch_a, 55); /* did not move */
    assert_false(gw_dirtymap_unsaved(m));

    gw_dirtymap_clear_all(m);
    assert_true(gw_dirtymap_unsaved(m));
    persist(m);
    assert_int_equal(memdisk_blocks(d), 2); /* the headers: clear pages are holes again */
    gw_dirtymap_close(m);
    m = open_map(d);
    assert_true(gw_dirtymap_empty(m));
    gw_dirtymap_close(m);
    memdisk_free(d);
}

static void test_read_only(void **state)
{
    struct memdisk *d = disk_with_map();
    struct gw_dirtymap *m = open_map(d);
    struct gw_error err = { 0 };
    mark_block(m, 3);
    persist(m);
    gw_dirtymap_close(m);
    unsigned ops = memdisk_ops(d);
    assert_int_equal(
        gw_dirtymap_open(memdisk_io(d), PATH, &volume, BYTES, true, NULL, &m, NULL, &err), 0);
    assert_true(fine(m, 3));
    assert_int_equal(gw_dirtymap_persist(m, &err), 0);
    mark_block(m, 4);
    assert_int_equal(gw_dirtymap_persist(m, &err), -EROFS);
    assert_int_equal(memdisk_ops(d), ops);
    gw_dirtymap_close(m);
    memdisk_free(d);
}

/* Bits that a dead process had written but not synced are seen, and are durable from the open on:
 * otherwise the owner would forget the hot set on the strength of page cache. */
static void test_open_makes_durable(void **state)
{
    struct memdisk *d = disk_with_map();
    struct gw_dirtymap *m = open_map(d);
    struct gw_error err = { 0 };
    mark_block(m, 3);
    memdisk_stop_after(d, 1); /* the page is written, not synced */
    assert_int_equal(gw_dirtymap_persist(m, &err), -EIO);
    gw_dirtymap_close(m);
    memdisk_process_loss(d);
    m = open_map(d);
    assert_true(fine(m, 3));
    assert_false(gw_dirtymap_unsaved(m));
    gw_dirtymap_close(m);
    memdisk_power_loss(d, PAGE, memdisk_pick_old, NULL);
    m = open_map(d);
    assert_true(fine(m, 3));
    gw_dirtymap_close(m);
    memdisk_free(d);
}

static void test_failure_is_sticky(void **state)
{
    static const struct {
        unsigned op;
        int code, later;
    } cases[] = { { MEMDISK_WRITE, -EIO, -EIO },
                  { MEMDISK_SYNC, -EIO, -EIO },
                  { MEMDISK_SYNC, -ENOSPC, -EIO } };
    for (size_t i = 0; i < GW_ARRAY_SIZE(cases); i++) {
        struct memdisk *d = disk_with_map();
        struct gw_dirtymap *m = open_map(d);
        struct gw_error err = { 0 };
        mark_block(m, 3);
        memdisk_fail(d, cases[i].op, 1, cases[i].code);
        assert_int_equal(gw_dirtymap_persist(m, &err), cases[i].code);
        assert_non_null(strstr(err.msg, PATH));
        assert_true(gw_dirtymap_unsaved(m));
        unsigned ops = memdisk_ops(d);
        assert_int_equal(gw_dirtymap_persist(m, &err), cases[i].later);
        assert_int_equal(memdisk_ops(d), ops); /* not even tried */
        gw_dirtymap_close(m);
        memdisk_free(d);
    }
}

/* A full disk passes: what was to be saved still is, and is saved when there is room. */
static void test_no_room_passes(void **state)
{
    static const int codes[] = { -ENOSPC, -EDQUOT };
    for (size_t i = 0; i < GW_ARRAY_SIZE(codes); i++) {
        struct memdisk *d = disk_with_map();
        struct gw_dirtymap *m = open_map(d);
        struct gw_error err = { 0 };
        mark_block(m, 3);
        mark_block(m, 4);
        persist(m);
        gw_dirtymap_cleared_through(m, &epoch_a, 9);
        gw_dirtymap_inject(m, 3, 1);
        gw_dirtymap_acked(m, 3, 1);
        mark_block(m, 5);
        memdisk_fail_times(d, MEMDISK_WRITE, 1, 3, codes[i]);
        for (unsigned again = 0; again < 3; again++) {
            assert_int_equal(gw_dirtymap_persist(m, &err), codes[i]);
            assert_non_null(strstr(err.msg, "free space"));
            assert_true(gw_dirtymap_unsaved(m));
        }
        persist(m);
        gw_dirtymap_close(m);
        memdisk_power_loss(d, PAGE, memdisk_pick_old, NULL);
        m = open_map(d);
        struct gw_uuid uuid;
        uint64_t seq;
        gw_dirtymap_get_cleared(m, &uuid, &seq);
        assert_true(!fine(m, 3) && fine(m, 4) && fine(m, 5) && seq == 9);
        gw_dirtymap_close(m);
        memdisk_free(d);
    }
}

/* Only pages that changed are written; a map of 16 TiB costs nothing where nothing is set. */
static void test_sparse(void **state)
{
    struct memdisk *d = disk_new();
    uint64_t bytes = 16ull << 40;
    struct gw_error err = { 0 };
    struct gw_dirtymap *m = NULL;
    assert_int_equal(gw_dirtymap_create(memdisk_io(d), PATH, &volume, bytes, &err), 0);
    assert_int_equal(memdisk_blocks(d), 2);
    assert_int_equal(
        gw_dirtymap_open(memdisk_io(d), PATH, &volume, bytes, false, NULL, &m, NULL, &err), 0);
    mark_block(m, bytes / GW_BLOCK_BYTES - 1);
    mark_block(m, 5);
    unsigned ops = memdisk_ops(d);
    persist(m);
    assert_int_equal(memdisk_ops(d) - ops, 3); /* two pages, one sync */
    assert_int_equal(memdisk_blocks(d), 4);
    mark_block(m, 6);
    mark_block(m, 5);
    ops = memdisk_ops(d);
    persist(m);
    assert_int_equal(memdisk_ops(d) - ops, 2);
    mark_block(m, 6); /* set already */
    assert_false(gw_dirtymap_unsaved(m));
    /* Neighbouring pages go in one write: 40 pages are two batches and a sync. */
    gw_dirtymap_mark(m, 1ull << 40, 39ull * GW_BITMAP_PAGE_BITS * GW_BLOCK_BYTES);
    ops = memdisk_ops(d);
    persist(m);
    assert_int_equal(memdisk_ops(d) - ops, 3);
    gw_dirtymap_close(m);
    assert_int_equal(
        gw_dirtymap_open(memdisk_io(d), PATH, &volume, bytes, false, NULL, &m, NULL, &err), 0);
    assert_int_equal(gw_bitmap_count(gw_dirtymap_fine(m)), 3 + 39ull * GW_BITMAP_PAGE_BITS);
    gw_dirtymap_close(m);
    memdisk_free(d);
}

/* ---- damage ---------------------------------------------------------------------------------- */

static struct memdisk *disk_with_bits(void)
{
    struct memdisk *d = disk_with_map();
    struct gw_dirtymap *m = open_map(d);
    mark_block(m, 3);
    mark_block(m, GW_BITMAP_PAGE_BITS + 4);
    gw_dirtymap_mark_coarse(m, 0, 1);
    gw_dirtymap_cleared_through(m, &epoch_a, 55);
    persist(m);
    gw_dirtymap_close(m);
    return d;
}

static void test_damaged_page(void **state)
{
    static const uint64_t offsets[] = { 0, 4, 8, 20, 40, 60, 64, 2000, 4095 };
    for (size_t i = 0; i < GW_ARRAY_SIZE(offsets); i++) {
        struct memdisk *d = disk_with_bits();
        uint64_t damaged = 0;
        assert_true(memdisk_damage(d, PATH, FINE_AT + PAGE + offsets[i], "\xa5", 1));
        struct gw_dirtymap *m = open_damaged(d, &damaged);
        assert_int_equal(damaged, 1);
        assert_int_equal(gw_bitmap_run(gw_dirtymap_fine(m), GW_BITMAP_PAGE_BITS, BLOCKS),
                         GW_BITMAP_PAGE_BITS); /* all dirty, for its range */
        assert_int_equal(gw_bitmap_count(gw_dirtymap_fine(m)), 1 + GW_BITMAP_PAGE_BITS);
        assert_int_equal(gw_bitmap_count(gw_dirtymap_coarse(m)), 1);
        assert_true(gw_dirtymap_unsaved(m));
        persist(m);
        gw_dirtymap_close(m);
        m = open_map(d); /* mended */
        assert_int_equal(gw_bitmap_count(gw_dirtymap_fine(m)), 1 + GW_BITMAP_PAGE_BITS);
        gw_dirtymap_close(m);
        memdisk_free(d);
    }
}

static void test_page_of_another_place(void **state)
{
    struct memdisk *d = disk_with_bits();
    uint8_t page[PAGE];
    struct gw_file *f = NULL;
    assert_int_equal(gw_io_open(memdisk_io(d), PATH, 0, &f), 0);
    assert_int_equal(gw_io_pread(f, page, PAGE, FINE_AT), 0);
    gw_file_close(f);
    assert_true(memdisk_damage(d, PATH, FINE_AT + PAGE, page, PAGE));
    assert_true(memdisk_damage(d, PATH, COARSE_AT, page, PAGE));
    uint64_t damaged = 0;
    struct gw_dirtymap *m = open_damaged(d, &damaged);
    assert_int_equal(damaged, 2);
    assert_int_equal(gw_bitmap_count(gw_dirtymap_coarse(m)), EXTENTS);
    gw_dirtymap_close(m);
    memdisk_free(d);
}

static void test_unreadable_page(void **state)
{
    struct memdisk *d = disk_with_bits();
    uint64_t damaged = 0;
    struct gw_dirtymap *m = NULL;
    struct gw_error err = { 0 };
    memdisk_fail_times(d, MEMDISK_READ, 2, 1, -EIO); /* the second header: the first one serves */
    m = open_damaged(d, &damaged);
    assert_int_equal(damaged, 0);
    assert_true(gw_dirtymap_unsaved(m));
    gw_dirtymap_close(m);
    memdisk_fail_times(d, MEMDISK_READ, 3, 1,
                       -EIO); /* the read of both fine pages, then each by itself */
    m = open_damaged(d, &damaged);
    assert_int_equal(damaged, 0);
    assert_int_equal(gw_bitmap_count(gw_dirtymap_fine(m)), 2);
    gw_dirtymap_close(m);
    memdisk_fail_times(d, MEMDISK_READ, 3, 2, -EIO); /* the first of them cannot be read */
    m = open_damaged(d, &damaged);
    assert_int_equal(damaged, 1);
    assert_int_equal(gw_bitmap_count(gw_dirtymap_fine(m)), 1 + GW_BITMAP_PAGE_BITS);
    gw_dirtymap_close(m);
    memdisk_fail_times(d, MEMDISK_READ, 3, 2, -ENOMEM); /* that is no damage */
    assert_int_equal(
        gw_dirtymap_open(memdisk_io(d), PATH, &volume, BYTES, false, NULL, &m, NULL, &err),
        -ENOMEM);
    memdisk_free(d);
}

static void check_all_lost(struct memdisk *d)
{
    uint64_t damaged = 0, seq = 1;
    struct gw_uuid uuid;
    struct gw_dirtymap *m = open_damaged(d, &damaged);
    assert_true(damaged > 0);
    assert_int_equal(gw_bitmap_count(gw_dirtymap_coarse(m)), EXTENTS);
    gw_dirtymap_get_cleared(m, &uuid, &seq);
    assert_true(gw_uuid_is_none(&uuid));
    assert_int_equal(seq, 0);
    gw_dirtymap_close(m);
}

static void test_damaged_headers(void **state)
{
    for (unsigned one = 0; one < 2; one++) {
        struct memdisk *d = disk_with_bits();
        assert_true(memdisk_damage(d, PATH, one * PAGE + 70, "\xa5", 1));
        struct gw_dirtymap *m = open_map(d);
        struct gw_uuid uuid;
        uint64_t seq;
        gw_dirtymap_get_cleared(m, &uuid, &seq);
        assert_int_equal(seq, 55); /* rot of one copy never brings an older mark back (R5) */
        assert_int_equal(gw_bitmap_count(gw_dirtymap_coarse(m)), 1);
        persist(m);
        gw_dirtymap_close(m);
        assert_true(memdisk_damage(d, PATH, (1 - one) * PAGE + 70, "\xa5", 1));
        gw_dirtymap_close(open_map(d)); /* the bad copy was mended */
        assert_true(memdisk_damage(d, PATH, one * PAGE + 70, "\xa5", 1));
        check_all_lost(d);
        memdisk_free(d);
    }
}

/* A crash while the bad copy is mended leaves the good one. */
static void test_mending_crash(void **state)
{
    bool finished = false;
    for (unsigned stop = 0; !finished; stop++) {
        for (unsigned round = 0; round < 16; round++) {
            struct memdisk *d = disk_with_bits();
            assert_true(memdisk_damage(d, PATH, (round & 1) * PAGE + 70, "\xa5", 1));
            struct gw_dirtymap *m = open_map(d);
            gw_dirtymap_cleared_through(m, &epoch_a, 66);
            memdisk_stop_after(d, stop);
            finished = gw_dirtymap_persist(m, NULL) == 0;
            gw_dirtymap_close(m);
            memdisk_power_loss(d, 512, memdisk_pick_random, &seed);
            m = open_map(d);
            assert_int_equal(gw_bitmap_count(gw_dirtymap_coarse(m)), 1);
            gw_dirtymap_close(m);
            memdisk_free(d);
        }
    }
}

/* However a persist after the loss of both headers ends, what was lost is not believed clean. */
static void test_lost_headers_crash(void **state)
{
    for (unsigned cut = 0; cut < 2; cut++) {
        bool finished = false;
        for (unsigned stop = 0; !finished; stop++) {
            for (unsigned round = 0; round < 16; round++) {
                struct memdisk *d = disk_with_bits();
                if (cut)
                    assert_true(memdisk_cut(d, PATH, FINE_AT + PAGE + 10));
                else
                    assert_true(memdisk_damage(d, PATH, 0, (uint8_t[2 * PAGE]){ 0 }, 2 * PAGE));
                struct gw_dirtymap *m = NULL;
                memdisk_stop_after(d, stop);
                if (gw_dirtymap_open(memdisk_io(d), PATH, &volume, BYTES, false, NULL, &m, NULL,
                                     NULL) == 0)
                    finished = gw_dirtymap_persist(m, NULL) == 0;
                gw_dirtymap_close(m);
                memdisk_power_loss(d, round % 2 ? PAGE : 512, memdisk_pick_random, &seed);
                uint64_t damaged;
                m = open_damaged(d, &damaged);
                assert_int_equal(gw_bitmap_count(gw_dirtymap_coarse(m)), EXTENTS);
                gw_dirtymap_close(m);
                memdisk_free(d);
            }
        }
    }
}

static void test_newer_format(void **state)
{
    struct memdisk *d = disk_with_bits();
    struct gw_dirtymap *m = NULL;
    struct gw_error err = { 0 };
    /* A newer program's header: another number, and its checksum is right. */
    uint8_t page[PAGE];
    struct gw_file *f = NULL;
    assert_int_equal(gw_io_open(memdisk_io(d), PATH, 0, &f), 0);
    assert_int_equal(gw_io_pread(f, page, PAGE, 0), 0);
    gw_file_close(f);
    page[8] = 2;
    struct gw_writer w = gw_writer(page + PAGE - 8, 8);
    gw_put_u64(&w, gw_hash64(page, PAGE - 8, 0));
    assert_true(memdisk_damage(d, PATH, 0, page, PAGE));
    assert_int_equal(
        gw_dirtymap_open(memdisk_io(d), PATH, &volume, BYTES, false, NULL, &m, NULL, &err),
        -ENOTSUP);
    assert_non_null(strstr(err.msg, "newer"));
    memdisk_free(d);
}

/* ---- crashes --------------------------------------------------------------------------------- */

/* The map at a moment: three fine pages and the coarse one. */
struct snap {
    uint8_t page[4][GW_BITMAP_PAGE_BYTES];
    uint64_t cleared;
};

static void snap_take(const struct gw_dirtymap *m, struct snap *s)
{
    struct gw_uuid uuid;
    for (unsigned i = 0; i < 3; i++)
        gw_dirtymap_get_page(m, GW_MAP_FINE, i, s->page[i]);
    gw_dirtymap_get_page(m, GW_MAP_COARSE, 0, s->page[3]);
    gw_dirtymap_get_cleared(m, &uuid, &s->cleared);
}

static bool covers(const struct snap *disk, const struct snap *s)
{
    uint8_t missing = 0;
    for (unsigned p = 0; p < 4; p++) {
        for (unsigned i = 0; i < GW_BITMAP_PAGE_BYTES; i++)
            missing |= s->page[p][i] & (uint8_t)~disk->page[p][i];
    }
    return missing == 0;
}

/* Numbers of injected runs, acknowledged in order, as a peer would. */
struct world {
    struct gw_dirtymap *m;
    struct {
        uint64_t first, n;
    } sent[64];
    unsigned n_sent;
    uint64_t seq;
};

/* Few blocks, so that states meet; on both sides of page borders. */
static uint64_t some_block(void)
{
    static const uint64_t near[] = { 0, GW_BITMAP_PAGE_BITS - 4, 2 * GW_BITMAP_PAGE_BITS - 4,
                                     BLOCKS - 8 };
    return near[rnd(4)] + rnd(8);
}

static void step_ack(struct world *w)
{
    if (w->n_sent == 0)
        return;
    gw_dirtymap_cleared_through(w->m, &epoch_a, ++w->seq);
    gw_dirtymap_acked(w->m, w->sent[0].first, w->sent[0].n);
    memmove(w->sent, w->sent + 1, --w->n_sent * sizeof w->sent[0]);
}

static void step_inject(struct world *w)
{
    uint64_t b = gw_bitmap_next(gw_dirtymap_fine(w->m), some_block());
    if (b == UINT64_MAX || w->n_sent == 64)
        return;
    uint64_t n = gw_bitmap_run(gw_dirtymap_fine(w->m), b, 1 + rnd(3));
    gw_dirtymap_inject(w->m, b, n);
    w->sent[w->n_sent].first = b;
    w->sent[w->n_sent++].n = n;
}

/* An extent is compared: some of its blocks differ; its coarse bit goes. */
static void step_compare(struct world *w)
{
    uint64_t e = gw_bitmap_next(gw_dirtymap_coarse(w->m), rnd(EXTENTS));
    if (e == UINT64_MAX)
        return;
    for (unsigned i = 0; i < 3; i++)
        gw_dirtymap_mark(w->m, e * GW_EXTENT_BYTES + rnd(GW_EXTENT_BYTES), 1);
    gw_dirtymap_compared(w->m, e);
}

static void step(void *arg)
{
    struct world *w = arg;
    switch (rnd(14)) {
    case 0 ... 3:
        gw_dirtymap_mark(w->m, some_block() * GW_BLOCK_BYTES, 1 + rnd(3 * GW_BLOCK_BYTES));
        break;
    case 4 ... 6:
        step_inject(w);
        break;
    case 7 ... 9:
        step_ack(w);
        break;
    case 10:
        gw_dirtymap_mark_coarse(w->m, (uint64_t)rnd(EXTENTS) * GW_EXTENT_BYTES, 1);
        break;
    case 11 ... 12:
        step_compare(w);
        break;
    case 13:
        if (rnd(8) == 0) {
            gw_dirtymap_requeue(w->m);
            w->n_sent = 0;
        }
        break;
    }
}

static void hook_steps(void *arg)
{
    for (unsigned n = rnd(6); n > 0; n--)
        step(arg);
}

/*
 * Persists with changes between and *while* they run. The second may find no room at its nth write;
 * the power fails after each write of the last, any mixture of unsynced pages surviving. What the
 * disk then says covers, whole, the map as it was at the cut of one of them, and has its
 * cleared-through (D3); if the last one was through, that of the last.
 */
static void crash_once(unsigned full_at, unsigned stop, unsigned granule, bool *ret_finished)
{
    static struct snap cut[3], disk;
    struct memdisk *d = disk_with_map();
    struct world w = { .m = open_map(d) };
    unsigned n = 0;
    memdisk_hook(d, hook_steps, &w);
    for (unsigned persists = full_at > 0 ? 3 : 2; n < persists; n++) {
        for (unsigned i = n == 0 ? 60 : rnd(60); i > 0; i--)
            step(&w);
        snap_take(w.m, &cut[n]);
        bool last = n + 1 == persists;
        memdisk_fail(d, n == 1 && !last ? MEMDISK_WRITE | MEMDISK_ZERO : 0, full_at, -ENOSPC);
        if (last)
            memdisk_stop_after(d, stop);
        int r = gw_dirtymap_persist(w.m, NULL);
        assert_true(r == 0 || n > 0);
        *ret_finished = r == 0;
    }
    gw_dirtymap_close(w.m);
    memdisk_power_loss(d, granule, memdisk_pick_random, &seed);
    uint64_t damaged;
    struct gw_dirtymap *m = open_damaged(d, &damaged);
    snap_take(m, &disk);
    assert_true(granule == 512 || damaged == 0);
    bool good = false;
    for (unsigned i = *ret_finished ? n - 1 : 0; i < n; i++)
        good |= covers(&disk, &cut[i]) && disk.cleared >= cut[i].cleared;
    assert_true(good);
    gw_dirtymap_close(m);
    memdisk_free(d);
}

static void test_crash_at_each_write(void **state)
{
    for (unsigned round = 0; round < 60; round++) {
        bool finished = false;
        for (unsigned stop = 0; !finished; stop++) {
            assert_true(stop < 40);
            crash_once(0, stop, round % 3 ? PAGE : 512, &finished);
        }
    }
}

static void test_crash_after_no_room(void **state)
{
    for (unsigned round = 0; round < 120; round++) {
        bool finished = false;
        for (unsigned stop = 0; !finished; stop++) {
            assert_true(stop < 40);
            crash_once(1 + round % 8, stop, round % 3 ? 512 : PAGE, &finished);
        }
    }
}

/* The short and exact case of it: compared, its fine bits and its coarse bit in one persist. */
static void test_compared_crash(void **state)
{
    bool finished = false;
    for (unsigned stop = 0; !finished; stop++) {
        for (unsigned round = 0; round < 12; round++) {
            struct memdisk *d = disk_with_map();
            struct gw_dirtymap *m = open_map(d);
            gw_dirtymap_mark_coarse(m, 5ull * GW_EXTENT_BYTES, 1);
            persist(m);
            mark_block(m, 5 * GW_BLOCKS_PER_EXTENT + 3);
            gw_dirtymap_compared(m, 5);
            gw_dirtymap_mark_coarse(m, 8ull * GW_EXTENT_BYTES,
                                    1); /* the coarse page has news too */
            memdisk_stop_after(d, stop);
            finished = gw_dirtymap_persist(m, NULL) == 0;
            gw_dirtymap_close(m);
            memdisk_power_loss(d, PAGE, memdisk_pick_random, &seed);
            m = open_map(d);
            assert_true(coarse(m, 5) || fine(m, 5 * GW_BLOCKS_PER_EXTENT + 3));
            gw_dirtymap_close(m);
            memdisk_free(d);
        }
    }
}

/* What is set while a persist runs stays unsaved, and the next one saves it. */
static void mark_late(void *arg)
{
    assert_true(gw_dirtymap_unsaved(arg)); /* not durable before persist is through */
    mark_block(arg, 77);
}

static void test_set_during_persist(void **state)
{
    struct memdisk *d = disk_with_map();
    struct gw_dirtymap *m = open_map(d);
    mark_block(m, GW_BITMAP_PAGE_BITS); /* another page, so that 77's page is not in this one */
    memdisk_hook(d, mark_late, m);
    assert_int_equal(gw_dirtymap_persist(m, NULL), 0);
    assert_true(gw_dirtymap_unsaved(m));
    persist(m);
    gw_dirtymap_close(m);
    memdisk_power_loss(d, PAGE, memdisk_pick_old, NULL);
    m = open_map(d);
    assert_true(fine(m, 77));
    gw_dirtymap_close(m);
    memdisk_free(d);
}

static void test_crash_points(void **state)
{
    static const char *const points[] = { "dirty.before", "dirty.header", "dirty.after" };
    for (unsigned i = 0; i < 3; i++) {
        struct memdisk *d = disk_with_bits();
        struct gw_dirtymap *m = open_map(d);
        gw_dirtymap_inject(m, 3, 1);
        gw_dirtymap_acked(m, 3, 1);
        mark_block(m, 9);
        gw_dirtymap_cleared_through(m, &epoch_b, 66);
        memdisk_stop_at(d, points[i], 1);
        gw_dirtymap_persist(m, NULL);
        assert_true(memdisk_stopped(d));
        gw_dirtymap_close(m);
        memdisk_power_loss(d, PAGE, memdisk_pick_old, NULL);
        m = open_map(d);
        struct gw_uuid uuid;
        uint64_t seq;
        gw_dirtymap_get_cleared(m, &uuid, &seq);
        assert_int_equal(seq, i == 0 ? 55 : 66);
        assert_int_equal(fine(m, 9), i > 0);
        assert_int_equal(fine(m, 3), i < 2);
        gw_dirtymap_close(m);
        memdisk_free(d);
    }
}

/* ---- pages and copies ------------------------------------------------------------------------ */

static void test_pages(void **state)
{
    struct memdisk *d = disk_with_map();
    struct gw_dirtymap *m = open_map(d);
    uint8_t bits[GW_BITMAP_PAGE_BYTES] = { 0x15 };
    assert_int_equal(gw_dirtymap_or_page(m, GW_MAP_FINE, 3, bits), -EINVAL);
    assert_int_equal(gw_dirtymap_or_page(m, GW_MAP_COARSE, 1, bits), -EINVAL);
    assert_int_equal(gw_dirtymap_or_page(m, 2, 0, bits), -EINVAL);
    assert_int_equal(gw_dirtymap_or_page(m, -1, 0, bits), -EINVAL);
    assert_int_equal(gw_dirtymap_or_page(m, GW_MAP_FINE, 0, bits), 0);
    assert_true(fine(m, 0) && fine(m, 2) && fine(m, 4) && !fine(m, 1));
    assert_true(gw_dirtymap_unsaved(m));
    persist(m);
    assert_int_equal(gw_dirtymap_or_page(m, GW_MAP_FINE, 0, bits), 0);
    assert_false(gw_dirtymap_unsaved(m)); /* no news */

    gw_dirtymap_inject(m, 2, 1);
    bits[0] = 0xff;
    assert_true(gw_dirtymap_get_page(m, GW_MAP_FINE, 0, bits));
    assert_int_equal(bits[0], 0x15); /* with what is in flight */
    bits[0] = 0x0c;
    assert_int_equal(gw_dirtymap_or_page(m, GW_MAP_FINE, 0, bits), 0); /* marks it again */
    gw_dirtymap_acked(m, 2, 1);
    assert_true(fine(m, 2) && fine(m, 3));
    assert_false(gw_dirtymap_get_page(m, GW_MAP_COARSE, 0, bits));
    assert_int_equal(bits[0], 0);

    memset(bits, 0xff, sizeof bits);
    assert_int_equal(gw_dirtymap_or_page(m, GW_MAP_COARSE, 0, bits), 0);
    assert_int_equal(gw_bitmap_count(gw_dirtymap_coarse(m)), EXTENTS);
    gw_dirtymap_close(m);
    memdisk_free(d);
}

static void save_copy_once(unsigned stop, bool *ret_finished)
{
    struct memdisk *d = disk_with_bits();
    struct gw_io *io = memdisk_io(d);
    struct gw_dirtymap *m = open_map(d), *copy = NULL;
    gw_dirtymap_inject(m, 3, 1);
    memdisk_stop_after(d, stop);
    *ret_finished = gw_dirtymap_save_copy(m, io, "/d/own", NULL) == 0;
    gw_dirtymap_close(m);
    memdisk_power_loss(d, PAGE, memdisk_pick_random, &seed);
    struct gw_error err = { 0 };
    uint64_t damaged = 0;
    if (*ret_finished)
        assert_true(memdisk_exists(d, "/d/own"));
    if (memdisk_exists(d, "/d/own")) { /* then it is whole */
        assert_int_equal(
            gw_dirtymap_open(io, "/d/own", &volume, BYTES, true, NULL, &copy, &damaged, &err), 0);
        assert_int_equal(damaged, 0);
        assert_true(fine(copy, 3) && fine(copy, GW_BITMAP_PAGE_BITS + 4) && coarse(copy, 0));
        gw_dirtymap_close(copy);
    }
    m = open_map(d);
    int want = memdisk_exists(d, "/d/own") ? -EEXIST : 0; /* half a try is not in the way */
    assert_int_equal(gw_dirtymap_save_copy(m, io, "/d/own", &err), want);
    gw_dirtymap_close(m);
    memdisk_free(d);
}

static void test_save_copy(void **state)
{
    for (unsigned round = 0; round < 8; round++) {
        bool finished = false;
        for (unsigned stop = 0; !finished; stop++)
            save_copy_once(stop, &finished);
    }
}

/* ---- threads --------------------------------------------------------------------------------- */

struct marker {
    struct gw_dirtymap *m;
    pthread_mutex_t *mu;
};

static void *mark_many(void *arg)
{
    struct marker *k = arg;
    for (uint64_t i = 0; i < 3000; i++) {
        pthread_mutex_lock(k->mu);
        mark_block(k->m, i * 20);
        pthread_mutex_unlock(k->mu);
    }
    return NULL;
}

/* ---- growing --------------------------------------------------------------------------------- */

#define LARGER (BYTES * 40 + 512)

static void check_grown(struct gw_dirtymap *m)
{
    assert_int_equal(gw_bitmap_size(gw_dirtymap_fine(m)),
                     (LARGER + GW_BLOCK_BYTES - 1) / GW_BLOCK_BYTES);
    assert_int_equal(gw_bitmap_count(gw_dirtymap_fine(m)), 2);
    assert_true(gw_bitmap_test(gw_dirtymap_fine(m), 1));
    assert_true(gw_bitmap_test(gw_dirtymap_fine(m), BLOCKS - 1));
    assert_int_equal(gw_bitmap_count(gw_dirtymap_coarse(m)), 1);
    struct gw_uuid uuid;
    uint64_t seq;
    gw_dirtymap_get_cleared(m, &uuid, &seq);
    assert_true(gw_uuid_equal(&uuid, &epoch_a));
    assert_int_equal(seq, 9);
}

static struct gw_dirtymap *open_larger(struct memdisk *d, bool read_only)
{
    struct gw_error err = { 0 };
    struct gw_dirtymap *m = NULL;
    uint64_t damaged = 1;
    assert_int_equal(
        gw_dirtymap_open(memdisk_io(d), PATH, &volume, LARGER, read_only, NULL, &m, &damaged, &err),
        0);
    assert_int_equal(damaged, 0);
    return m;
}

static struct memdisk *disk_to_grow(void)
{
    struct memdisk *d = disk_with_map();
    struct gw_dirtymap *m = open_map(d);
    gw_dirtymap_mark(m, GW_BLOCK_BYTES, 1);
    gw_dirtymap_mark(m, BYTES - 1, 1);
    gw_dirtymap_mark_coarse(m, 0, 1);
    gw_dirtymap_cleared_through(m, &epoch_a, 9);
    persist(m);
    gw_dirtymap_close(m);
    return d;
}

static void test_grow(void **state)
{
    struct memdisk *d = disk_to_grow();
    struct gw_error err = { 0 };
    struct gw_dirtymap *m = open_map(d);
    const struct gw_dirtymap *same = m;
    assert_int_equal(gw_dirtymap_grow(m, LARGER, &err), 0);
    assert_ptr_equal(m, same);
    check_grown(m);
    assert_false(gw_dirtymap_unsaved(m));
    memdisk_power_loss(d, PAGE, memdisk_pick_old, NULL);
    gw_dirtymap_close(m);
    m = open_larger(d, false); /* it was durable */
    check_grown(m);
    gw_dirtymap_mark(m, LARGER - 1, 1); /* the new end has a bit */
    persist(m);
    gw_dirtymap_close(m);
    m = open_larger(d, false);
    assert_int_equal(gw_bitmap_count(gw_dirtymap_fine(m)), 3);
    gw_dirtymap_close(m);
    assert_int_equal(
        gw_dirtymap_open(memdisk_io(d), PATH, &volume, BYTES, false, NULL, &m, NULL, &err),
        -EINVAL); /* no way back */
    memdisk_free(d);
}

/* Meta says that the volume grew, and a crash came before the map did. */
static void test_grown_by_the_next_open(void **state)
{
    struct memdisk *d = disk_to_grow();
    struct gw_dirtymap *m = open_larger(d, true);
    check_grown(m);
    gw_dirtymap_close(m);
    gw_dirtymap_close(open_map(d)); /* who only looks changes nothing */
    m = open_larger(d, false);
    check_grown(m);
    gw_dirtymap_close(m);
    m = open_larger(d, false);
    check_grown(m);
    gw_dirtymap_close(m);
    memdisk_free(d);
}

static void test_grow_without_room(void **state)
{
    struct memdisk *d = disk_to_grow();
    struct gw_error err = { 0 };
    struct gw_dirtymap *m = open_map(d);
    memdisk_capacity(d, memdisk_blocks(d) + 1);
    assert_int_equal(gw_dirtymap_grow(m, LARGER, &err), -ENOSPC);
    assert_int_equal(gw_bitmap_size(gw_dirtymap_fine(m)), BLOCKS); /* as it was */
    memdisk_capacity(d, UINT64_MAX);
    assert_int_equal(gw_dirtymap_grow(m, LARGER, &err), 0);
    check_grown(m);
    gw_dirtymap_close(m);
    memdisk_free(d);
}

static void test_of_an_empty_slot(void **state)
{
    struct gw_error err = { 0 };
    struct gw_dirtymap *m = gw_dirtymap_none();
    gw_dirtymap_mark(m, 0, 4096);
    gw_dirtymap_mark_all_coarse(m);
    gw_dirtymap_cleared_through(m, &epoch_a, 5);
    assert_true(gw_dirtymap_empty(m));
    assert_false(gw_dirtymap_unsaved(m));
    assert_int_equal(gw_dirtymap_persist(m, &err), 0);
    gw_dirtymap_requeue(m);
    gw_dirtymap_clear_all(m);
    gw_dirtymap_close(m);
}

static void test_threads(void **state)
{
    struct memdisk *d = disk_with_map();
    pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
    struct gw_dirtymap *m = NULL;
    assert_int_equal(
        gw_dirtymap_open(memdisk_io(d), PATH, &volume, BYTES, false, &mu, &m, NULL, NULL), 0);
    struct marker k = { m, &mu };
    pthread_t t;
    assert_int_equal(pthread_create(&t, NULL, mark_many, &k), 0);
    for (int i = 0; i < 20; i++)
        assert_int_equal(gw_dirtymap_persist(m, NULL), 0);
    pthread_join(t, NULL);
    persist(m);
    gw_dirtymap_close(m);
    memdisk_power_loss(d, PAGE, memdisk_pick_old, NULL);
    m = open_map(d);
    assert_int_equal(gw_bitmap_count(gw_dirtymap_fine(m)), 3000);
    gw_dirtymap_close(m);
    memdisk_free(d);
}

/* Against a naive array: states, counts and what a clean reopen gives. */
static void test_model(void **state)
{
    enum { CLEAR, DIRTY, FLIGHT };
    static uint8_t model[BLOCKS];
    static struct snap now, again;
    struct memdisk *d = disk_with_map();
    struct world w = { .m = open_map(d) };
    memset(model, CLEAR, sizeof model);
    unsigned owed[BLOCKS / 8 + 1] = { 0 };
    for (unsigned i = 0; i < 4000; i++) {
        uint64_t b = some_block() % (BLOCKS / 8);
        if (model[b] != DIRTY && rnd(2)) {
            owed[b] += model[b] == FLIGHT;
            model[b] = DIRTY;
            mark_block(w.m, b);
        } else if (model[b] == DIRTY && w.n_sent < 64) {
            model[b] = FLIGHT;
            gw_dirtymap_inject(w.m, b, 1);
            w.sent[w.n_sent].first = b;
            w.sent[w.n_sent++].n = 1;
        } else if (w.n_sent > 0) {
            uint64_t a = w.sent[0].first;
            if (owed[a] > 0)
                owed[a]--;
            else if (model[a] == FLIGHT)
                model[a] = CLEAR;
            step_ack(&w);
        }
        uint64_t flight = 0;
        for (uint64_t k = 0; i % 50 == 0 && k < BLOCKS; k++) {
            assert_int_equal(fine(w.m, k), model[k] == DIRTY);
            flight += model[k] == FLIGHT;
        }
        if (i % 50 == 0)
            assert_int_equal(gw_dirtymap_in_flight(w.m), flight);
        if (rnd(20) == 0)
            persist(w.m);
    }
    persist(w.m);
    snap_take(w.m, &now);
    gw_dirtymap_close(w.m);
    w.m = open_map(d);
    snap_take(w.m, &again);
    assert_memory_equal(&now, &again, sizeof now); /* exact when all is saved */
    gw_dirtymap_close(w.m);
    memdisk_free(d);
}

/* Once with real files: holes are found and made. */
static void test_real_file(void **state)
{
    char dir[200], path[220];
    const char *tmp = getenv("TMPDIR");
    snprintf(dir, sizeof dir, "%s/godwit-dirtymap-XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/vol", dir);
    struct gw_io *io = gw_io_posix();
    struct gw_dirtymap *m = NULL;
    struct gw_error err = { 0 };
    uint64_t bytes = 4ull << 40, far = bytes - 1, damaged = 1;
    assert_int_equal(gw_dirtymap_create(io, path, &volume, bytes, &err), 0);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(
            gw_dirtymap_open(io, path, &volume, bytes, false, NULL, &m, &damaged, &err), 0);
        assert_int_equal(damaged, 0);
        assert_int_equal(gw_bitmap_count(gw_dirtymap_fine(m)), i % 2 ? 2 : 0);
        assert_int_equal(gw_bitmap_count(gw_dirtymap_coarse(m)), i % 2);
        if (i % 2) {
            gw_dirtymap_clear_all(m);
            gw_dirtymap_cleared_through(m, &epoch_a, i);
        } else {
            gw_dirtymap_mark(m, 0, 1);
            gw_dirtymap_mark(m, far, 1);
            gw_dirtymap_mark_coarse(m, far, 1);
        }
        persist(m);
        gw_dirtymap_close(m);
    }
    assert_int_equal(gw_io_unlink(io, path), 0);
    assert_int_equal(gw_io_rmdir(io, dir), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rounding),
        cmocka_unit_test(test_states),
        cmocka_unit_test(test_sent_twice),
        cmocka_unit_test(test_create),
        cmocka_unit_test(test_reopen),
        cmocka_unit_test(test_read_only),
        cmocka_unit_test(test_open_makes_durable),
        cmocka_unit_test(test_failure_is_sticky),
        cmocka_unit_test(test_no_room_passes),
        cmocka_unit_test(test_sparse),
        cmocka_unit_test(test_damaged_page),
        cmocka_unit_test(test_page_of_another_place),
        cmocka_unit_test(test_unreadable_page),
        cmocka_unit_test(test_damaged_headers),
        cmocka_unit_test(test_mending_crash),
        cmocka_unit_test(test_lost_headers_crash),
        cmocka_unit_test(test_newer_format),
        cmocka_unit_test(test_crash_at_each_write),
        cmocka_unit_test(test_crash_after_no_room),
        cmocka_unit_test(test_compared_crash),
        cmocka_unit_test(test_set_during_persist),
        cmocka_unit_test(test_crash_points),
        cmocka_unit_test(test_pages),
        cmocka_unit_test(test_save_copy),
        cmocka_unit_test(test_grow),
        cmocka_unit_test(test_grown_by_the_next_open),
        cmocka_unit_test(test_grow_without_room),
        cmocka_unit_test(test_of_an_empty_slot),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_model),
        cmocka_unit_test(test_real_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
