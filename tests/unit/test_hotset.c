// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "engine/hotset.h"

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

#define PATH "/hot"
#define VOLUMES 2u
#define EXTENTS 5000u
#define BLOCK GW_HOT_BLOCK_BYTES
#define FULL GW_HOT_EXTENTS_PER_GENERATION

static const struct gw_uuid plan = { { 1, 2, 3 } }, epoch_a = { { 7 } };
static const uint64_t extents[VOLUMES] = { EXTENTS, EXTENTS };
static uint64_t seed = 4711;

static unsigned rnd(unsigned below)
{
    return memdisk_pick_random(&seed, below);
}

/* What a recovery found. */
struct found {
    struct gw_hot_recovered r;
    uint8_t hot[VOLUMES][EXTENTS];
    unsigned n;
};

static void note(void *arg, unsigned volume, uint64_t extent)
{
    struct found *f = arg;
    assert_true(volume < VOLUMES && extent < EXTENTS);
    f->n += !f->hot[volume][extent];
    f->hot[volume][extent] = 1;
}

static struct memdisk *disk_with_log(void)
{
    struct memdisk *d = memdisk_new();
    struct gw_error err = { 0 };
    if (gw_hotset_create(memdisk_io(d), PATH, &plan, &err) < 0)
        fail_msg("%s", err.msg);
    return d;
}

static struct gw_hotset *open_found(struct memdisk *d, struct found *f)
{
    struct gw_hotset *h = NULL;
    struct gw_error err = { 0 };
    *f = (struct found){ 0 };
    if (gw_hotset_open(memdisk_io(d), PATH, &plan, false, VOLUMES, extents, note, f, &h, &f->r,
                       &err) < 0)
        fail_msg("%s", err.msg);
    assert_int_equal(f->r.any, f->n > 0);
    return h;
}

static struct gw_hotset *open_clean(struct memdisk *d)
{
    static struct found f;
    struct gw_hotset *h = open_found(d, &f);
    assert_false(f.r.any || f.r.unknown);
    return h;
}

/* Open only to look. */
static void look(struct memdisk *d, struct found *f)
{
    gw_hotset_close(open_found(d, f));
}

static int txn(struct gw_hotset *h)
{
    int r = gw_hotset_begin(h);
    if (r > 0)
        r = gw_hotset_write(h, NULL);
    gw_hotset_end(h, r);
    return r;
}

static void txn_all(struct gw_hotset *h)
{
    while (gw_hotset_has_work(h))
        assert_int_equal(txn(h), 0);
}

/* Extents first .. first + n - 1 of volume 0 become hot. */
static void make_hot(struct gw_hotset *h, uint64_t first, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        gw_hotset_ask(h, 0, first + i);
    txn_all(h);
    for (uint64_t i = 0; i < n; i++)
        assert_true(gw_hotset_ask(h, 0, first + i));
}

static void retire(struct gw_hotset *h)
{
    assert_true(gw_hotset_previous_carried(h));
    gw_hotset_retire(h, &epoch_a, 9);
}

/* ---- states ---------------------------------------------------------------------------------- */

static void test_hot_wanted_cold(void **state)
{
    struct memdisk *d = disk_with_log();
    struct gw_hotset *h = open_clean(d);
    assert_false(gw_hotset_has_work(h));
    assert_int_equal(txn(h), 0); /* nothing to do is no error */
    assert_false(gw_hotset_ask(h, 0, 5));
    assert_true(gw_hotset_has_work(h));
    /* R1: the second and later writers wait too, until the entry is durable. */
    assert_false(gw_hotset_ask(h, 0, 5));
    assert_int_equal(gw_hotset_begin(h), 1);
    assert_false(gw_hotset_ask(h, 0, 5));
    assert_false(gw_hotset_ask(h, 1, 5)); /* came too late for this transaction */
    assert_int_equal(gw_hotset_write(h, NULL), 0);
    assert_false(gw_hotset_ask(h, 0, 5));
    gw_hotset_end(h, 0);
    assert_true(gw_hotset_ask(h, 0, 5));
    assert_false(gw_hotset_ask(h, 1, 5));
    assert_true(gw_hotset_has_work(h));
    txn_all(h);
    assert_true(gw_hotset_ask(h, 1, 5));
    assert_int_equal(gw_hotset_count(h), 2);
    assert_false(gw_hotset_is_full(h));
    gw_hotset_close(h);
    gw_hotset_close(NULL);
    memdisk_free(d);
}

static void count_previous(void *arg, unsigned volume, uint64_t extent)
{
    ++*(unsigned *)arg;
    assert_true(extent != 7); /* was carried */
}

static void test_generations(void **state)
{
    struct memdisk *d = disk_with_log();
    struct gw_hotset *h = open_clean(d);
    gw_hotset_rotate(h); /* of nothing: nothing */
    assert_false(gw_hotset_has_previous(h));
    make_hot(h, 0, FULL / 2 - 1);
    assert_false(gw_hotset_wants_rotation(h));
    make_hot(h, FULL, 1);
    assert_true(gw_hotset_wants_rotation(h));
    gw_hotset_rotate(h);
    assert_true(gw_hotset_has_previous(h));
    assert_false(gw_hotset_wants_rotation(h));
    assert_true(gw_hotset_previous_carried(h));

    /* A write to the previous one goes on at once, and is carried. */
    assert_true(gw_hotset_ask(h, 0, 7));
    assert_false(gw_hotset_previous_carried(h));
    assert_int_equal(gw_hotset_begin(h), 1);
    assert_true(gw_hotset_ask(h, 0, 7));
    assert_false(gw_hotset_previous_carried(h));
    assert_int_equal(gw_hotset_write(h, NULL), 0);
    gw_hotset_end(h, 0);
    assert_true(gw_hotset_previous_carried(h));
    unsigned n = 0;
    gw_hotset_each_previous(h, count_previous, &n);
    assert_int_equal(n, FULL / 2 - 1);
    assert_int_equal(gw_hotset_count(h), FULL / 2);

    retire(h);
    assert_true(gw_hotset_has_work(h)); /* to say so */
    assert_false(gw_hotset_has_previous(h));
    assert_int_equal(gw_hotset_count(h), 1);
    assert_true(gw_hotset_ask(h, 0, 7));
    assert_false(gw_hotset_ask(h, 0, 8)); /* cold again */
    gw_hotset_close(h);

    /* Not in the log yet: both generations count. */
    static struct found f;
    look(d, &f);
    assert_int_equal(f.n, FULL / 2);
    assert_true(gw_uuid_is_none(&f.r.cleared_uuid));
    memdisk_free(d);
}

static void test_retired_durably(void **state)
{
    static struct found f;
    struct memdisk *d = disk_with_log();
    struct gw_hotset *h = open_clean(d);
    make_hot(h, 0, 100);
    gw_hotset_rotate(h);
    assert_true(gw_hotset_ask(h, 0, 3));
    txn_all(h);
    retire(h);
    txn_all(h); /* a block without entries */
    assert_false(gw_hotset_has_work(h));
    gw_hotset_close(h);
    memdisk_power_loss(d, 512, memdisk_pick_old, NULL);
    h = open_found(d, &f);
    assert_int_equal(f.n, 1);
    assert_true(f.hot[0][3]);
    assert_true(gw_uuid_equal(&f.r.cleared_uuid, &epoch_a));
    assert_int_equal(f.r.cleared_seq, 9);
    assert_int_equal(gw_hotset_count(h), 1);

    assert_int_equal(gw_hotset_forget(h, NULL), 0);
    assert_int_equal(gw_hotset_count(h), 0);
    gw_hotset_close(h);
    memdisk_power_loss(d, 512, memdisk_pick_old, NULL);
    look(d, &f);
    assert_false(f.r.any || f.r.unknown);
    assert_int_equal(f.r.cleared_seq, 9); /* R5: is not forgotten */
    memdisk_free(d);
}

static void test_full(void **state)
{
    struct memdisk *d = disk_with_log();
    struct gw_hotset *h = open_clean(d);
    make_hot(h, 0, FULL);
    assert_false(gw_hotset_is_full(h));
    assert_false(gw_hotset_ask(h, 1, 1));
    assert_true(gw_hotset_is_full(h));
    assert_false(gw_hotset_has_work(h)); /* it does not fit */
    assert_true(gw_hotset_ask(h, 0, 1)); /* the others go on */
    gw_hotset_rotate(h);
    assert_false(gw_hotset_is_full(h));
    assert_true(gw_hotset_has_work(h)); /* nobody has to ask again for that */
    txn_all(h);
    assert_true(gw_hotset_ask(h, 1, 1));

    /* The whole previous generation is carried, besides as many new ones as fit: no deadlock. */
    for (unsigned i = 0; i < FULL; i++)
        assert_true(gw_hotset_ask(h, 0, i));
    for (unsigned i = 0; i < FULL; i++)
        gw_hotset_ask(h, 1, i);
    assert_true(gw_hotset_is_full(h));
    txn_all(h);
    assert_true(gw_hotset_previous_carried(h));
    assert_true(gw_hotset_count(h) <= 2 * FULL + 64);
    retire(h);
    gw_hotset_rotate(h);
    txn_all(h);
    retire(h);
    gw_hotset_rotate(h);
    txn_all(h);
    assert_false(gw_hotset_is_full(h));
    assert_true(gw_hotset_ask(h, 1, FULL - 1));
    gw_hotset_close(h);
    memdisk_free(d);
}

/* Each carry in a transaction, so in a block, of its own: the slot suffices. */
static void test_slot_suffices(void **state)
{
    struct memdisk *d = disk_with_log();
    struct gw_hotset *h = open_clean(d);
    for (unsigned g = 0; g < 3; g++) {
        for (unsigned i = 0; i < FULL; i++) {
            gw_hotset_ask(h, 1, g * FULL + i);
            assert_int_equal(txn(h), 0);
        }
        for (unsigned i = 0; g > 0 && i < FULL; i++) {
            gw_hotset_ask(h, 1, (g - 1) * FULL + i);
            assert_int_equal(txn(h), 0);
        }
        assert_true(gw_hotset_count(h) <= 2 * FULL + 3 * 64);
        if (gw_hotset_has_previous(h))
            retire(h);
        txn_all(h);
        gw_hotset_rotate(h);
    }
    gw_hotset_close(h);
    static struct found f;
    look(d, &f);
    assert_false(f.r.unknown);
    memdisk_free(d);
}

/*
 * Writers that each need several extents at once, over far more extents than fit, and others that
 * never stop writing to the same two thousand: everybody gets on, in a bounded number of rounds.
 */
static void test_nobody_starves(void **state)
{
    struct memdisk *d = disk_with_log();
    struct gw_hotset *h = open_clean(d);
    struct {
        uint64_t first, n;
        unsigned waited;
    } writer[12] = { 0 };
    unsigned worst = 0, served = 0;
    for (unsigned round = 0; round < 400; round++) {
        for (unsigned i = 0; i < 2100; i++) /* the busy ones */
            gw_hotset_ask(h, 1, i);
        for (unsigned i = 0; i < GW_ARRAY_SIZE(writer); i++) {
            if (writer[i].n == 0) {
                writer[i].n = 1 + rnd(32);
                writer[i].first = rnd(EXTENTS - 32);
                writer[i].waited = 0;
            }
            bool all = true;
            for (uint64_t e = 0; e < writer[i].n; e++)
                all = gw_hotset_ask(h, 0, writer[i].first + e) && all;
            worst = GW_MAX(worst, ++writer[i].waited);
            if (all)
                writer[i].n = 0;
            served += all;
        }
        txn(h);
        if (round % 3 == 0 && gw_hotset_has_previous(h) && gw_hotset_previous_carried(h))
            retire(h);
        if (gw_hotset_wants_rotation(h))
            gw_hotset_rotate(h);
    }
    assert_true(served > 100);
    assert_true(worst < 60);
    gw_hotset_close(h);
    memdisk_free(d);
}

/* ---- failures -------------------------------------------------------------------------------- */

static void test_failure_is_sticky(void **state)
{
    static const unsigned ops[] = { MEMDISK_WRITE, MEMDISK_SYNC };
    for (unsigned i = 0; i < 2; i++) {
        struct memdisk *d = disk_with_log();
        struct gw_hotset *h = open_clean(d);
        struct gw_error err = { 0 };
        make_hot(h, 0, 3);
        assert_false(gw_hotset_ask(h, 0, 9));
        assert_int_equal(gw_hotset_begin(h), 1);
        memdisk_fail(d, ops[i], 1, -EIO);
        int r = gw_hotset_write(h, &err);
        assert_int_equal(r, -EIO);
        assert_non_null(strstr(err.msg, PATH));
        gw_hotset_end(h, r);
        assert_true(gw_hotset_failed(h));
        assert_false(gw_hotset_ask(h, 0, 1)); /* not even what was hot */
        assert_false(gw_hotset_ask(h, 0, 9));
        assert_false(gw_hotset_has_work(h));
        assert_false(gw_hotset_wants_rotation(h));
        assert_int_equal(gw_hotset_begin(h), -EIO);
        assert_int_equal(gw_hotset_forget(h, &err), -EIO);
        gw_hotset_close(h);
        static struct found f;
        look(d, &f);
        assert_true(f.hot[0][0] && f.hot[0][1] && f.hot[0][2] && !f.r.unknown);
        memdisk_free(d);
    }
}

static void test_create_and_refuse(void **state)
{
    static struct found f;
    struct memdisk *d = disk_with_log();
    struct gw_io *io = memdisk_io(d);
    struct gw_hotset *h = NULL;
    struct gw_error err = { 0 };
    struct gw_uuid other = { { 9 } };
    assert_int_equal(gw_hotset_create(io, PATH, &plan, &err), -EEXIST);
    assert_int_equal(
        gw_hotset_open(io, "/no", &plan, false, VOLUMES, extents, note, &f, &h, &f.r, &err),
        -ENOENT);
    assert_int_equal(
        gw_hotset_open(io, PATH, &other, false, VOLUMES, extents, note, &f, &h, &f.r, &err),
        -EINVAL);
    assert_non_null(strstr(err.msg, "another plan"));
    memdisk_power_loss(d, 512, memdisk_pick_old, NULL); /* created means durable */
    look(d, &f);
    assert_false(f.r.any || f.r.unknown);

    memdisk_capacity(d, memdisk_blocks(d) + 10);
    assert_int_equal(gw_hotset_create(io, "/two", &plan, &err), -ENOSPC);
    assert_false(memdisk_exists(d, "/two"));
    memdisk_free(d);
}

/* Reading only: found, and nothing is written. */
static void test_read_only(void **state)
{
    static struct found f;
    struct memdisk *d = disk_with_log();
    struct gw_hotset *h = open_clean(d);
    make_hot(h, 0, 3);
    gw_hotset_close(h);
    unsigned ops = memdisk_ops(d);
    f = (struct found){ 0 };
    assert_int_equal(gw_hotset_open(memdisk_io(d), PATH, &plan, true, VOLUMES, extents, note, &f,
                                    &h, &f.r, NULL),
                     0);
    assert_int_equal(f.n, 3);
    assert_int_equal(gw_hotset_count(h), 3);
    assert_int_equal(memdisk_ops(d), ops);
    gw_hotset_close(h);
    memdisk_free(d);
}

/* ---- damage ---------------------------------------------------------------------------------- */

/* Generations 2 (three blocks, by two transactions) and 3 (two blocks). */
static struct memdisk *disk_with_blocks(void)
{
    struct memdisk *d = disk_with_log();
    struct gw_hotset *h = open_clean(d);
    make_hot(h, 0, 60);
    make_hot(h, 100, 10);
    gw_hotset_rotate(h);
    make_hot(h, 200, 10);
    make_hot(h, 300, 10);
    gw_hotset_close(h);
    return d;
}

static uint64_t at(unsigned generation, unsigned index)
{
    return (uint64_t)(generation % GW_HOT_SLOTS * GW_HOT_SLOT_BLOCKS + index) * BLOCK;
}

static void test_damage(void **state)
{
    static const struct {
        unsigned generation, index;
        bool unknown;
        unsigned n;
    } cases[] = {
        { 1, 0, false, 90 }, /* not live any more */
        { 2, 0, true, 0 },   { 2, 1, true, 0 },
        { 2, 2, true, 0 },                        /* the last of its generation */
        { 3, 0, true, 0 },   { 3, 1, false, 80 }, /* looks like a torn append */
        { 3, 2, false, 90 }, { 0, 0, false, 90 }, /* beyond */
    };
    static const unsigned offsets[] = { 0, 5, 16, 70, 100, 503, 511 };
    static struct found f;
    for (size_t i = 0; i < GW_ARRAY_SIZE(cases); i++) {
        struct memdisk *d = disk_with_blocks();
        uint8_t old[BLOCK];
        struct gw_file *file = NULL;
        uint64_t off = at(cases[i].generation, cases[i].index);
        assert_int_equal(gw_io_open(memdisk_io(d), PATH, 0, &file), 0);
        assert_int_equal(gw_io_pread(file, old, BLOCK, off), 0);
        gw_file_close(file);
        for (size_t k = 0; k < GW_ARRAY_SIZE(offsets); k++) {
            uint8_t bad = (uint8_t)(old[offsets[k]] ^ 0x10);
            assert_true(memdisk_damage(d, PATH, off + offsets[k], &bad, 1));
            look(d, &f);
            assert_int_equal(f.r.unknown, cases[i].unknown);
            assert_int_equal(f.n, cases[i].n);
            assert_true(memdisk_damage(d, PATH, off, old, BLOCK));
        }
        /* As if it had never been written (a lost write), too. */
        assert_true(memdisk_damage(d, PATH, off, (uint8_t[BLOCK]){ 0 }, BLOCK));
        look(d, &f);
        assert_int_equal(f.r.unknown, cases[i].unknown);
        memdisk_free(d);
    }
}

/* Unknown stays unknown until it is forgotten, however that ends; and then all is well. */
static void test_forget_after_damage(void **state)
{
    static struct found f;
    bool finished = false;
    for (unsigned stop = 0; !finished; stop++) {
        struct memdisk *d = disk_with_blocks();
        assert_true(memdisk_damage(d, PATH, at(2, 1) + 100, "\xa5", 1));
        struct gw_hotset *h = open_found(d, &f);
        assert_true(f.r.unknown);
        gw_hotset_close(h);
        h = open_found(d, &f);
        assert_true(f.r.unknown && f.n == 0);
        memdisk_stop_after(d, stop);
        finished = gw_hotset_forget(h, NULL) == 0;
        memdisk_stop_after(d, UINT_MAX);
        if (finished)
            make_hot(h, 40, 2);
        gw_hotset_close(h);
        memdisk_power_loss(d, 512, memdisk_pick_random, &seed);
        h = open_found(d, &f);
        if (finished)
            assert_true(!f.r.unknown && f.n == 2 && f.hot[0][40] && f.hot[0][41]);
        assert_int_equal(gw_hotset_forget(h, NULL), 0);
        gw_hotset_close(h);
        look(d, &f);
        assert_false(f.r.unknown || f.r.any);
        memdisk_free(d);
    }
}

static void test_cut_and_foreign(void **state)
{
    static struct found f;
    struct memdisk *d = disk_with_blocks();
    assert_true(memdisk_cut(d, PATH, at(3, 1)));
    look(d, &f);
    assert_true(f.r.unknown);
    assert_true(memdisk_cut(d, PATH, 0));
    struct gw_hotset *h = open_found(d, &f);
    assert_true(f.r.unknown);
    assert_int_equal(gw_hotset_forget(h, NULL), 0);
    gw_hotset_close(h);
    look(d, &f);
    assert_false(f.r.unknown);
    memdisk_free(d);

    /* An extent that cannot be. */
    d = disk_with_blocks();
    const uint64_t few[VOLUMES] = { 305, 305 };
    struct gw_error err = { 0 };
    assert_int_equal(
        gw_hotset_open(memdisk_io(d), PATH, &plan, true, VOLUMES, few, note, &f, &h, &f.r, &err),
        0);
    assert_true(f.r.unknown);
    gw_hotset_close(h);

    /* A newer program's block. */
    uint8_t block[BLOCK];
    struct gw_file *file = NULL;
    assert_int_equal(gw_io_open(memdisk_io(d), PATH, 0, &file), 0);
    assert_int_equal(gw_io_pread(file, block, BLOCK, at(3, 0)), 0);
    gw_file_close(file);
    block[80] = 2;
    struct gw_writer w = gw_writer(block + BLOCK - 8, 8);
    gw_put_u64(&w, gw_hash64(block, BLOCK - 8, 0));
    assert_true(memdisk_damage(d, PATH, at(3, 0), block, BLOCK));
    assert_int_equal(gw_hotset_open(memdisk_io(d), PATH, &plan, true, VOLUMES, extents, note, &f,
                                    &h, &f.r, &err),
                     -ENOTSUP);
    assert_non_null(strstr(err.msg, "newer"));
    memdisk_free(d);
}

/* An append of several blocks, torn into any subset: not damage, and nothing older is lost. */
static void test_torn_append(void **state)
{
    static struct found f;
    for (unsigned round = 0; round < 14; round++) {
        struct memdisk *d = disk_with_log();
        struct gw_hotset *h = open_clean(d);
        /* Round about the slots, so that old blocks lie where new ones go. */
        for (unsigned g = 0; g < round % 7; g++) {
            make_hot(h, 1000 + 100 * g, 100);
            gw_hotset_rotate(h);
            retire(h);
        }
        make_hot(h, 0, 60);
        for (unsigned i = 0; i < 300; i++)
            gw_hotset_ask(h, 1, i);
        memdisk_stop_after(d, 1); /* written, not synced */
        assert_int_equal(txn(h), -EIO);
        gw_hotset_close(h);
        memdisk_power_loss(d, 512, memdisk_pick_random, &seed);
        h = open_found(d, &f);
        assert_false(f.r.unknown);
        for (unsigned i = 0; i < 60; i++)
            assert_true(f.hot[0][i]);
        assert_int_equal(gw_hotset_forget(h, NULL), 0);
        make_hot(h, 2000, 5);
        gw_hotset_close(h);
        look(d, &f);
        assert_true(!f.r.unknown && f.n == 5);
        memdisk_free(d);
    }
}

static void read_block(struct memdisk *d, unsigned generation, unsigned index, uint8_t *ret)
{
    struct gw_file *file = NULL;
    assert_int_equal(gw_io_open(memdisk_io(d), PATH, 0, &file), 0);
    assert_int_equal(gw_io_pread(file, ret, BLOCK, at(generation, index)), 0);
    gw_file_close(file);
}

/* Inside the last append, what was never written is torn off; what is unreadable is damage. */
static void test_damaged_append(void **state)
{
    static struct found f;
    struct memdisk *d = disk_with_log();
    struct gw_hotset *h = open_clean(d);
    make_hot(h, 0, 150);
    gw_hotset_close(h);
    uint8_t old[BLOCK];
    read_block(d, 2, 1, old);
    assert_true(memdisk_damage(d, PATH, at(2, 1) + 99, "\xa5", 1));
    look(d, &f);
    assert_true(f.r.unknown);
    assert_true(memdisk_damage(d, PATH, at(2, 1), (uint8_t[BLOCK]){ 0 }, BLOCK));
    look(d, &f);
    assert_true(!f.r.unknown && f.n == 98);
    memdisk_free(d);
}

/* A forget of a live set writes where nothing live is: it can be torn and harm nothing. */
static void test_forget_elsewhere(void **state)
{
    struct memdisk *d = disk_with_log();
    struct gw_hotset *h = open_clean(d);
    uint8_t before[BLOCK], after[BLOCK];
    make_hot(h, 0, 3);
    read_block(d, 2, 0, before);
    assert_int_equal(gw_hotset_forget(h, NULL), 0);
    read_block(d, 2, 0, after);
    assert_memory_equal(before, after, BLOCK);
    gw_hotset_close(h);
    memdisk_free(d);
}

/* The same, torn inside its last block: still an append that never ended. */
static void test_torn_block(void **state)
{
    static struct found f;
    struct memdisk *d = disk_with_blocks();
    assert_true(memdisk_damage(d, PATH, at(3, 2), "GWHT half a block", 17));
    look(d, &f);
    assert_true(!f.r.unknown && f.n == 90);
    memdisk_free(d);
}

/* ---- crashes --------------------------------------------------------------------------------- */

/* What is owed: extents that ask said true for, and that were not retired since. */
struct world {
    struct memdisk *d;
    struct gw_hotset *h;
    uint8_t told[VOLUMES][EXTENTS];
    unsigned range;
};

static void ask(struct world *w)
{
    unsigned v = rnd(VOLUMES), e = rnd(w->range);
    if (gw_hotset_ask(w->h, v, e))
        w->told[v][e] = 1;
}

static void not_told(void *arg, unsigned volume, uint64_t extent)
{
    struct world *w = arg;
    w->told[volume][extent] = 0;
}

static void hook_asks(void *arg)
{
    for (unsigned i = rnd(30); i > 0; i--)
        ask(arg);
}

/* One round of an owner's life. */
static void live(struct world *w)
{
    for (unsigned i = rnd(200); i > 0; i--)
        ask(w);
    int r = gw_hotset_begin(w->h);
    if (r > 0)
        r = gw_hotset_write(w->h, NULL); /* writers ask meanwhile: the hook */
    gw_hotset_end(w->h, r);
    if (gw_hotset_failed(w->h))
        return;
    for (unsigned i = rnd(100); i > 0; i--)
        ask(w);
    if (gw_hotset_wants_rotation(w->h) || rnd(6) == 0) {
        if (!gw_hotset_has_previous(w->h))
            gw_hotset_rotate(w->h);
    }
    if (gw_hotset_has_previous(w->h) && gw_hotset_previous_carried(w->h) && rnd(3) == 0) {
        gw_hotset_each_previous(w->h, not_told, w); /* the owner: R2 is fulfilled */
        gw_hotset_retire(w->h, &epoch_a, 1);
    }
    if (rnd(40) == 0) { /* a clean stop: nothing is hot for the owner */
        memset(w->told, 0, sizeof w->told);
        gw_hotset_forget(w->h, NULL);
    }
}

static void crash_once(struct world *w, unsigned stop)
{
    static struct found f;
    memdisk_hook(w->d, hook_asks, w);
    memdisk_stop_after(w->d, stop);
    for (unsigned i = 0; i < 300 && !memdisk_stopped(w->d); i++)
        live(w);
    gw_hotset_close(w->h);
    if (rnd(4))
        memdisk_power_loss(w->d, 512, memdisk_pick_random, &seed);
    else
        memdisk_process_loss(w->d);
    w->h = open_found(w->d, &f);
    assert_false(f.r.unknown);
    for (unsigned v = 0; v < VOLUMES; v++) {
        for (unsigned e = 0; e < EXTENTS; e++) {
            if (w->told[v][e] && !f.hot[v][e])
                fail_msg("extent %u of volume %u was hot and is lost (stop %u)", e, v, stop);
        }
    }
}

/* One log through many crashes, each at another write. */
static void test_crash_at_each_write(void **state)
{
    struct world w = { .d = disk_with_log() };
    w.h = open_clean(w.d);
    for (unsigned round = 0; round < 32; round++) {
        w.range = (unsigned[]){ 20, 300, 900, EXTENTS }[round % 4];
        crash_once(&w, round < 16 ? round : rnd(60));
        if (rnd(5) == 0) { /* crashes again before anything is forgotten */
            static struct found f;
            gw_hotset_close(w.h);
            memdisk_power_loss(w.d, 512, memdisk_pick_random, &seed);
            w.h = open_found(w.d, &f);
        }
        memset(w.told, 0, sizeof w.told); /* the owner has marked what was found, durably */
        assert_int_equal(gw_hotset_forget(w.h, NULL), 0);
    }
    gw_hotset_close(w.h);
    memdisk_free(w.d);
}

/* The crash of a forget leaves all of it or nothing. */
static void test_forget_crash(void **state)
{
    static struct found f;
    bool finished = false;
    for (unsigned stop = 0; !finished; stop++) {
        for (unsigned round = 0; round < 4; round++) {
            struct memdisk *d = disk_with_blocks();
            struct gw_hotset *h = open_found(d, &f);
            memdisk_stop_after(d, stop);
            finished = gw_hotset_forget(h, NULL) == 0;
            gw_hotset_close(h);
            memdisk_power_loss(d, 512, memdisk_pick_random, &seed);
            look(d, &f);
            assert_false(f.r.unknown);
            assert_true(f.n == 0 || (f.n == 90 && !finished));
            memdisk_free(d);
        }
    }
}

/* A dead process had written but not synced: seen, so durable from the open on. */
static void test_open_makes_durable(void **state)
{
    static struct found f;
    struct memdisk *d = disk_with_log();
    struct gw_hotset *h = open_clean(d);
    make_hot(h, 0, 10);
    gw_hotset_rotate(h);
    retire(h);
    memdisk_stop_after(d, 1); /* the block that says so is written, not synced */
    assert_int_equal(txn(h), -EIO);
    gw_hotset_close(h);
    memdisk_process_loss(d);
    look(d, &f);
    assert_int_equal(f.n, 0);
    memdisk_power_loss(d, 512, memdisk_pick_old, NULL);
    look(d, &f);
    assert_int_equal(f.n, 0); /* does not come back, and R5's mark does not go back */
    assert_int_equal(f.r.cleared_seq, 9);
    memdisk_free(d);
}

static void test_crash_points(void **state)
{
    static const char *const points[] = { "hot.before", "hot.after", "hot.forget.before",
                                          "hot.forget.after" };
    static struct found f;
    for (unsigned i = 0; i < 4; i++) {
        struct memdisk *d = disk_with_log();
        struct gw_hotset *h = open_clean(d);
        make_hot(h, 0, 1);
        memdisk_stop_at(d, points[i], 1);
        gw_hotset_ask(h, 0, 1);
        if (txn(h) == 0)
            gw_hotset_forget(h, NULL);
        assert_true(memdisk_stopped(d));
        gw_hotset_close(h);
        memdisk_power_loss(d, 512, memdisk_pick_old, NULL);
        look(d, &f);
        static const unsigned want[] = { 1, 2, 2, 0 };
        assert_int_equal(f.n, want[i]);
        memdisk_free(d);
    }
}

/* Once with real files. */
static void test_real_file(void **state)
{
    static struct found f;
    char dir[200], path[220];
    const char *tmp = getenv("TMPDIR");
    snprintf(dir, sizeof dir, "%s/godwit-hotset-XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/hot", dir);
    struct gw_io *io = gw_io_posix();
    struct gw_hotset *h = NULL;
    assert_int_equal(gw_hotset_create(io, path, &plan, NULL), 0);
    for (unsigned i = 0; i < 3; i++) {
        f = (struct found){ 0 };
        assert_int_equal(
            gw_hotset_open(io, path, &plan, false, VOLUMES, extents, note, &f, &h, &f.r, NULL), 0);
        assert_false(f.r.unknown);
        assert_int_equal(f.n, i * 70);
        if (f.r.any)
            assert_int_equal(gw_hotset_forget(h, NULL), 0);
        make_hot(h, 0, 70 * (i + 1));
        gw_hotset_close(h);
    }
    assert_int_equal(gw_io_unlink(io, path), 0);
    assert_int_equal(gw_io_rmdir(io, dir), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hot_wanted_cold),     cmocka_unit_test(test_generations),
        cmocka_unit_test(test_retired_durably),     cmocka_unit_test(test_full),
        cmocka_unit_test(test_slot_suffices),       cmocka_unit_test(test_nobody_starves),
        cmocka_unit_test(test_failure_is_sticky),   cmocka_unit_test(test_create_and_refuse),
        cmocka_unit_test(test_read_only),           cmocka_unit_test(test_damage),
        cmocka_unit_test(test_forget_after_damage), cmocka_unit_test(test_cut_and_foreign),
        cmocka_unit_test(test_torn_append),         cmocka_unit_test(test_torn_block),
        cmocka_unit_test(test_damaged_append),      cmocka_unit_test(test_forget_elsewhere),
        cmocka_unit_test(test_real_file),           cmocka_unit_test(test_crash_at_each_write),
        cmocka_unit_test(test_forget_crash),        cmocka_unit_test(test_open_makes_durable),
        cmocka_unit_test(test_crash_points),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
