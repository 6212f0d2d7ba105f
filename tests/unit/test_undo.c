// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "engine/bundle.h"
#include "engine/undo.h"
#include "memdisk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIR "/plan"
#define DATA "/plan/undo/u1/data"
#define ENTRY 40u
#define FULL (ENTRY + GW_BLOCK_BYTES)
#define BLOCKS0 64u
#define ODD_BYTES 1000u /* the last block of volume 1 */

/* ---- material -------------------------------------------------------------------------------- */

static struct gw_undo_manifest *manifest(void)
{
    static struct gw_undo_manifest m;
    m = (struct gw_undo_manifest){
        .seq = 17,
        .chain = 18,
        .wall_ns = 19,
        .source = { { 5 } },
        .fork_seq = 12,
        .reigns = 3,
        .diverged = true,
        .signed_by = "Ada Lovelace",
        .signed_wall_ns = 20,
        .n_volumes = 2,
        .volume = { { { { 1 } }, BLOCKS0 * GW_BLOCK_BYTES, "root" },
                    { { { 2 } }, 3 * GW_BLOCK_BYTES + ODD_BYTES, "data" } },
    };
    struct gw_incarnation e = { .epoch = 1, .uuid = { { 9 } }, .birth = GW_BIRTH_CREATION };
    gw_lineage_append(&m.lineage, &e);
    return &m;
}

/* The old content of a block; every third one is zeros. */
static void content_of(unsigned volume, uint64_t block, uint8_t buf[GW_BLOCK_BYTES])
{
    memset(buf, 0, GW_BLOCK_BYTES);
    for (unsigned i = 0; block % 3 != 0 && i < GW_BLOCK_BYTES; i++)
        buf[i] = (uint8_t)(i * 7 + block * 13 + volume * 101 + (i >> 8));
}

static size_t len_of(unsigned volume, uint64_t block)
{
    return volume == 1 && block == 3 ? ODD_BYTES : GW_BLOCK_BYTES;
}

static int save(struct gw_undo *u, unsigned volume, uint64_t block)
{
    uint8_t buf[GW_BLOCK_BYTES];
    content_of(volume, block, buf);
    return gw_undo_save(u, volume, block, buf, len_of(volume, block), NULL);
}

struct seen {
    unsigned n;
    bool block[2][BLOCKS0];
    struct {
        unsigned volume;
        uint64_t block;
    } order[2 * BLOCKS0];
};

/* Every content that comes back is right, and each comes once. */
static int see(void *arg, unsigned volume, uint64_t block, const uint8_t *content, size_t len,
               struct gw_error *err)
{
    struct seen *s = arg;
    uint8_t want[GW_BLOCK_BYTES];
    assert_true(volume < 2 && block < BLOCKS0);
    content_of(volume, block, want);
    assert_int_equal(len, len_of(volume, block));
    assert_memory_equal(content, want, len);
    assert_false(s->block[volume][block]);
    s->block[volume][block] = true;
    s->order[s->n].volume = volume;
    s->order[s->n].block = block;
    s->n++;
    return 0;
}

static struct memdisk *disk(void)
{
    struct memdisk *d = memdisk_new();
    struct gw_io *io = memdisk_io(d);
    assert_int_equal(gw_io_mkdir(io, DIR), 0);
    assert_int_equal(gw_io_sync_dir(io, "/"), 0);
    return d;
}

static struct gw_undo *open_undo(struct memdisk *d, bool read_only)
{
    struct gw_undo *u = NULL;
    struct gw_error err = { 0 };
    int r = gw_undo_open(memdisk_io(d), DIR, "u1", read_only, &u, NULL, &err);
    if (r < 0)
        fail_msg("open: %s", err.msg);
    return u;
}

/* A disk with an undo file of these blocks of volume 0, synced one by one. */
static struct memdisk *disk_with(unsigned first, unsigned n)
{
    struct memdisk *d = disk();
    assert_int_equal(gw_undo_create(memdisk_io(d), DIR, "u1", manifest(), NULL), 0);
    struct gw_undo *u = open_undo(d, false);
    for (unsigned b = first; b < first + n; b++) {
        assert_int_equal(save(u, 0, b), 0);
        assert_int_equal(gw_undo_sync(u, NULL), 0);
    }
    gw_undo_close(u);
    return d;
}

/* ---- manifest -------------------------------------------------------------------------------- */

static void test_manifest(void **state)
{
    static uint8_t buf[GW_UNDO_MANIFEST_BYTES_MAX];
    static struct gw_undo_manifest back;
    struct gw_undo_manifest *m = manifest();
    size_t len = gw_undo_manifest_encode(m, buf, sizeof buf);
    assert_true(len > 0);
    assert_true(gw_undo_manifest_decode(buf, len, &back));
    assert_int_equal(back.seq, 17);
    assert_int_equal(back.chain, 18);
    assert_int_equal(back.wall_ns, 19);
    assert_int_equal(back.source.b[0], 5);
    assert_int_equal(back.fork_seq, 12);
    assert_int_equal(back.reigns, 3);
    assert_true(back.diverged);
    assert_string_equal(back.signed_by, "Ada Lovelace");
    assert_int_equal(back.signed_wall_ns, 20);
    assert_int_equal(back.n_volumes, 2);
    assert_string_equal(back.volume[1].name, "data");
    assert_int_equal(back.volume[1].bytes, 3 * GW_BLOCK_BYTES + ODD_BYTES);
    assert_int_equal(back.lineage.n, 1);
    assert_int_equal(back.lineage.e[0].uuid.b[0], 9);

    for (size_t i = 0; i < len; i++) {
        buf[i] ^= 0x40;
        assert_false(gw_undo_manifest_decode(buf, len, &back));
        buf[i] ^= 0x40;
        assert_false(gw_undo_manifest_decode(buf, i, &back));
    }
    assert_false(gw_undo_manifest_decode(buf, len + 1, &back));
    assert_int_equal(gw_undo_manifest_encode(m, buf, len - 1), 0);
}

static void test_manifest_names(void **state)
{
    static uint8_t buf[GW_UNDO_MANIFEST_BYTES_MAX];
    static const char *const bad[] = { "", "../etc", "a/b", ".hidden", "root" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct gw_undo_manifest *m = manifest();
        strcpy(m->volume[1].name, bad[i]); /* "root" is taken by volume 0 */
        assert_int_equal(gw_undo_manifest_encode(m, buf, sizeof buf), 0);
    }
    struct gw_undo_manifest *m = manifest();
    m->volume[0].bytes = GW_VOLUME_BYTES_MAX + 1;
    assert_int_equal(gw_undo_manifest_encode(m, buf, sizeof buf), 0);
    m = manifest();
    m->n_volumes = GW_VOLUMES_MAX + 1;
    assert_int_equal(gw_undo_manifest_encode(m, buf, sizeof buf), 0);
}

static void test_manifest_newer(void **state)
{
    struct memdisk *d = disk_with(1, 1);
    uint8_t format = GW_FORMAT + 1;
    assert_true(memdisk_damage(d, "/plan/undo/u1/manifest", 8, &format, 1));
    struct gw_undo *u = NULL;
    struct gw_error err = { 0 };
    assert_int_equal(gw_undo_open(memdisk_io(d), DIR, "u1", true, &u, NULL, &err),
                     -EPROTONOSUPPORT);
    assert_non_null(strstr(err.msg, "newer godwit"));
    assert_null(u);
    memdisk_free(d);
}

static void test_ids(void **state)
{
    static const char *const bad[] = {
        "",    ".",        "..",
        ".x",  "a/b",      "a b",
        "a\n", "\xc3\xa4", "0123456789012345678901234567890123456789012345678901234567890123"
    };
    struct memdisk *d = disk();
    struct gw_io *io = memdisk_io(d);
    struct gw_undo *u = NULL;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(gw_undo_create(io, DIR, bad[i], manifest(), NULL), -EINVAL);
        assert_int_equal(gw_undo_open(io, DIR, bad[i], true, &u, NULL, NULL), -EINVAL);
        assert_int_equal(gw_undo_finish(io, DIR, bad[i], NULL), -EINVAL);
        assert_int_equal(gw_undo_remove(io, DIR, bad[i], NULL), -EINVAL);
        assert_false(gw_undo_is_finished(io, DIR, bad[i]));
    }
    assert_int_equal(gw_undo_create(io, DIR, "A-z_0.9", manifest(), NULL), 0);
    memdisk_free(d);
}

/* ---- saving and reading ---------------------------------------------------------------------- */

static void test_save_and_read(void **state)
{
    struct memdisk *d = disk();
    assert_int_equal(gw_undo_create(memdisk_io(d), DIR, "u1", manifest(), NULL), 0);
    assert_int_equal(gw_undo_create(memdisk_io(d), DIR, "u1", manifest(), NULL), -EEXIST);
    struct gw_undo *u = open_undo(d, false);
    assert_int_equal(gw_undo_blocks(u), 0);
    assert_int_equal(save(u, 0, 5), 0);
    assert_int_equal(save(u, 1, 1), 0);
    assert_true(gw_undo_has(u, 0, 5) && gw_undo_has(u, 1, 1));
    assert_false(gw_undo_has(u, 1, 5) || gw_undo_has(u, 0, 1) || gw_undo_has(u, 7, 1));
    assert_int_equal(gw_undo_sync(u, NULL), 0);
    assert_int_equal(gw_undo_file_bytes(u), 2 * FULL + ENTRY); /* the mark */
    assert_int_equal(save(u, 0, 2), 0);
    struct seen s = { 0 };
    assert_int_equal(gw_undo_each(u, see, &s, NULL), 0); /* what is queued, too */
    assert_int_equal(s.n, 3);
    assert_int_equal(s.order[0].block, 5);
    assert_int_equal(s.order[1].volume, 1);
    assert_int_equal(s.order[2].block, 2);
    assert_int_equal(gw_undo_sync(u, NULL), 0);
    gw_undo_close(u);

    struct gw_undo_manifest *m = calloc(1, sizeof *m);
    u = NULL;
    assert_int_equal(gw_undo_open(memdisk_io(d), DIR, "u1", false, &u, m, NULL), 0);
    assert_int_equal(m->seq, 17);
    free(m);
    assert_int_equal(gw_undo_blocks(u), 3);
    assert_true(gw_undo_has(u, 0, 5) && gw_undo_has(u, 1, 1) && gw_undo_has(u, 0, 2));
    assert_int_equal(gw_undo_damage(u, NULL), 0);
    gw_undo_close(u);
    memdisk_free(d);
}

static void test_zeros_and_odd(void **state)
{
    struct memdisk *d = disk();
    assert_int_equal(gw_undo_create(memdisk_io(d), DIR, "u1", manifest(), NULL), 0);
    struct gw_undo *u = open_undo(d, false);
    assert_int_equal(save(u, 0, 3), 0); /* zeros */
    assert_int_equal(gw_undo_file_bytes(u), ENTRY);
    assert_int_equal(save(u, 1, 3), 0); /* zeros and odd */
    assert_int_equal(gw_undo_file_bytes(u), 2 * ENTRY);
    uint8_t odd[GW_BLOCK_BYTES] = { 1 };
    struct gw_error err = { 0 };
    assert_int_equal(gw_undo_save(u, 1, 3, odd, GW_BLOCK_BYTES, &err), -EINVAL);
    assert_int_equal(gw_undo_save(u, 1, 4, odd, GW_BLOCK_BYTES, &err), -EINVAL);
    assert_int_equal(gw_undo_save(u, 2, 0, odd, GW_BLOCK_BYTES, &err), -EINVAL);
    assert_int_equal(gw_undo_save(u, 0, UINT64_MAX / 4096 + 1, odd, GW_BLOCK_BYTES, &err), -EINVAL);
    assert_int_equal(gw_undo_save(u, 0, 1, odd, GW_BLOCK_BYTES - 1, &err), -EINVAL);
    assert_non_null(strstr(err.msg, DATA));
    struct seen s = { 0 };
    assert_int_equal(gw_undo_each(u, see, &s, NULL), 0);
    assert_int_equal(s.n, 2);
    /* A flush of zeros alone still has to be synced. */
    unsigned before = memdisk_reached(d, "undo.sync.before");
    assert_int_equal(gw_undo_sync(u, NULL), 0);
    assert_int_equal(memdisk_reached(d, "undo.sync.before"), before + 1);
    assert_int_equal(gw_undo_sync(u, NULL), 0); /* and nothing costs nothing */
    assert_int_equal(memdisk_reached(d, "undo.sync.before"), before + 1);
    gw_undo_close(u);
    u = open_undo(d, true);
    assert_int_equal(gw_undo_blocks(u), 2);
    assert_int_equal(gw_undo_save(u, 0, 1, odd, GW_BLOCK_BYTES, &err), -EROFS);
    gw_undo_close(u);
    memdisk_free(d);
}

static int read_odd(void *arg, unsigned volume, uint64_t block, const uint8_t *content, size_t len,
                    struct gw_error *err)
{
    assert_int_equal(len, ODD_BYTES);
    assert_int_equal(content[0], 7);
    assert_int_equal(content[ODD_BYTES - 1], 7);
    return 42;
}

static void test_odd_content(void **state)
{
    struct memdisk *d = disk();
    assert_int_equal(gw_undo_create(memdisk_io(d), DIR, "u1", manifest(), NULL), 0);
    struct gw_undo *u = open_undo(d, false);
    uint8_t odd[ODD_BYTES];
    memset(odd, 7, sizeof odd);
    assert_int_equal(gw_undo_save(u, 1, 3, odd, sizeof odd, NULL), 0);
    assert_int_equal(gw_undo_each(u, read_odd, NULL, NULL), 42);
    gw_undo_close(u);
    memdisk_free(d);
}

/* R16: a resumed attempt sees new, half-copied content and must not take it for old. */
static void test_first_image_wins(void **state)
{
    struct memdisk *d = disk_with(4, 1);
    struct gw_undo *u = open_undo(d, false);
    uint8_t newer[GW_BLOCK_BYTES];
    memset(newer, 0xee, sizeof newer);
    uint64_t bytes = gw_undo_file_bytes(u);
    assert_int_equal(gw_undo_save(u, 0, 4, newer, sizeof newer, NULL), 0);
    assert_int_equal(gw_undo_sync(u, NULL), 0);
    assert_int_equal(gw_undo_file_bytes(u), bytes);
    struct seen s = { 0 };
    assert_int_equal(gw_undo_each(u, see, &s, NULL), 0);
    assert_int_equal(s.n, 1);
    gw_undo_close(u);
    memdisk_free(d);
}

/* More than the queue and the window of the walk hold. */
static void test_many(void **state)
{
    struct memdisk *d = disk();
    struct gw_undo_manifest *m = manifest();
    m->volume[0].bytes = 300 * GW_BLOCK_BYTES;
    assert_int_equal(gw_undo_create(memdisk_io(d), DIR, "u1", m, NULL), 0);
    struct gw_undo *u = open_undo(d, false);
    for (unsigned b = 0; b < 300; b++)
        assert_int_equal(save(u, 0, b), 0);
    assert_int_equal(gw_undo_sync(u, NULL), 0);
    assert_int_equal(gw_undo_file_bytes(u), 200 * FULL + 100 * ENTRY + ENTRY);
    gw_undo_close(u);
    u = open_undo(d, false);
    assert_int_equal(gw_undo_blocks(u), 300);
    for (unsigned b = 0; b < 300; b++)
        assert_true(gw_undo_has(u, 0, b));
    gw_undo_close(u);
    memdisk_free(d);
}

/* ---- torn and damaged ------------------------------------------------------------------------ */

static void test_torn_tail(void **state)
{
    for (unsigned kept = 0; kept < FULL; kept += kept < 80 ? 1 : 997) {
        struct memdisk *d = disk_with(1, 2);
        struct gw_undo *u = open_undo(d, false);
        assert_int_equal(save(u, 0, 4), 0);
        struct seen s = { 0 };
        assert_int_equal(gw_undo_each(u, see, &s, NULL), 0); /* written, not synced: no mark */
        uint64_t start = gw_undo_file_bytes(u) - FULL;
        gw_undo_close(u);
        assert_true(memdisk_cut(d, DATA, start + kept));

        u = open_undo(d, true);
        assert_int_equal(gw_undo_blocks(u), 2);
        assert_int_equal(gw_undo_file_bytes(u), start);
        gw_undo_close(u);
        struct gw_file *f = NULL;
        uint64_t size = 0;
        assert_int_equal(gw_io_open(memdisk_io(d), DATA, GW_OPEN_RDONLY, &f), 0);
        assert_int_equal(gw_io_size(f, &size), 0);
        assert_int_equal(size, start + kept); /* reading cuts nothing */

        u = open_undo(d, false);
        assert_int_equal(gw_io_size(f, &size), 0);
        assert_int_equal(size, start);
        gw_file_close(f);
        assert_false(gw_undo_has(u, 0, 4));
        assert_int_equal(save(u, 0, 4), 0);
        assert_int_equal(gw_undo_sync(u, NULL), 0);
        s = (struct seen){ 0 };
        assert_int_equal(gw_undo_each(u, see, &s, NULL), 0);
        assert_int_equal(s.n, 3);
        gw_undo_close(u);
        memdisk_free(d);
    }
}

/* Part of an unsynced batch is missing, later parts reached the disk: still only a torn tail. */
static void test_torn_inside_batch(void **state)
{
    struct memdisk *d = disk_with(1, 1);
    struct gw_undo *u = open_undo(d, false);
    uint64_t start = gw_undo_file_bytes(u);
    for (unsigned b = 10; b < 20; b++)
        assert_int_equal(save(u, 0, b), 0);
    struct seen s = { 0 };
    assert_int_equal(gw_undo_each(u, see, &s, NULL), 0);
    gw_undo_close(u);
    uint8_t zeros[512] = { 0 };
    assert_true(memdisk_damage(d, DATA, start + FULL + 100, zeros, sizeof zeros));
    u = open_undo(d, false);
    assert_true(gw_undo_has(u, 0, 1) && gw_undo_has(u, 0, 10));
    assert_int_equal(gw_undo_blocks(u), 2);
    assert_int_equal(gw_undo_file_bytes(u), start + FULL + ENTRY);
    gw_undo_close(u);
    memdisk_free(d);
}

static void check_damaged(struct memdisk *d, uint64_t at, unsigned left)
{
    struct gw_error err = { 0 };
    struct gw_undo *u = NULL;
    assert_int_equal(gw_undo_open(memdisk_io(d), DIR, "u1", false, &u, NULL, &err), -EBADMSG);
    assert_null(u);
    char text[64];
    snprintf(text, sizeof text, DATA " is damaged at %llu", (unsigned long long)at);
    assert_non_null(strstr(err.msg, text));

    u = open_undo(d, true);
    assert_int_equal(gw_undo_damage(u, &err), -EBADMSG);
    assert_int_equal(gw_undo_blocks(u), left);
    struct seen s = { 0 };
    assert_int_equal(gw_undo_each(u, see, &s, &err), -EBADMSG);
    assert_non_null(strstr(err.msg, text));
    assert_int_equal(s.n, left);
    gw_undo_close(u);
}

/* Blocks 1 and 2 of a synced file take {FULL, mark} each; any damage before a mark is one. */
static void test_damage(void **state)
{
    static const uint64_t places[] = { 0, 5, 7, 12, 20, 30, 39, 40, 4000, FULL - 1 };
    for (unsigned entry = 0; entry < 2; entry++) {
        for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
            struct memdisk *d = disk_with(1, 2);
            uint64_t start = entry * (FULL + ENTRY);
            uint8_t byte = 0xf0;
            assert_true(memdisk_damage(d, DATA, start + places[i], &byte, 1));
            check_damaged(d, start, 1);
            memdisk_free(d);
        }
    }
}

/* A mark is lost, the next one vouches for all: nothing is missing, but something is wrong. */
static void test_damaged_mark(void **state)
{
    struct memdisk *d = disk_with(1, 2);
    uint8_t byte = 0xf0;
    assert_true(memdisk_damage(d, DATA, FULL + 8, &byte, 1));
    check_damaged(d, FULL, 2);
    memdisk_free(d);
}

/* The old content is an undo file of a machine inside the volume, or even this one. */
static int count_blocks(void *arg, unsigned volume, uint64_t block, const uint8_t *content,
                        size_t len, struct gw_error *err)
{
    (*(unsigned *)arg)++;
    assert_true(block != 1);
    return 0;
}

static void test_entries_inside_content(void **state)
{
    struct memdisk *d = disk_with(1, 1);
    struct gw_io *io = memdisk_io(d);
    struct gw_file *f = NULL;
    uint8_t inner[GW_BLOCK_BYTES];
    assert_int_equal(gw_io_open(io, DATA, GW_OPEN_RDONLY, &f), 0);
    assert_int_equal(gw_io_pread(f, inner + 16, sizeof inner - 16, 0), 0);
    memset(inner, 1, 16);
    memcpy(inner + 3000 / 8 * 8, inner + 16, ENTRY); /* a header, and room for its mark */
    gw_file_close(f);

    struct gw_undo *u = open_undo(d, false);
    uint64_t start = gw_undo_file_bytes(u);
    assert_int_equal(gw_undo_save(u, 0, 7, inner, sizeof inner, NULL), 0);
    assert_int_equal(save(u, 0, 8), 0);
    assert_int_equal(gw_undo_sync(u, NULL), 0);
    gw_undo_close(u);
    uint8_t byte = 0xff;
    assert_true(memdisk_damage(d, DATA, start + 1, &byte, 1)); /* the header before it */
    assert_true(memdisk_damage(d, DATA, 1, &byte, 1));         /* and the true block 1 */
    u = open_undo(d, true);
    unsigned n = 0;
    assert_int_equal(gw_undo_each(u, count_blocks, &n, NULL), -EBADMSG);
    assert_int_equal(n, 1);
    gw_undo_close(u);
    memdisk_free(d);
}

/* ---- failures -------------------------------------------------------------------------------- */

static void test_sticky(void **state)
{
    static const unsigned ops[] = { MEMDISK_WRITE, MEMDISK_SYNC };
    static const int codes[] = { -ENOSPC, -EIO };
    for (unsigned i = 0; i < 2; i++) {
        struct memdisk *d = disk_with(1, 1);
        struct gw_undo *u = open_undo(d, false);
        struct gw_error err = { 0 };
        assert_int_equal(save(u, 0, 2), 0);
        memdisk_fail(d, ops[i], 1, codes[i]);
        assert_int_equal(gw_undo_sync(u, &err), codes[i]);
        assert_non_null(strstr(err.msg, DATA));
        for (unsigned again = 0; again < 2; again++) {
            assert_int_equal(gw_undo_sync(u, &err), codes[i]);
            assert_int_equal(save(u, 0, 1), codes[i]);
        }
        gw_undo_close(u);
        memdisk_free(d);
    }
}

/* The data is durable but the mark cannot be written: this sync is good, the next one fails. */
static void test_mark_fails(void **state)
{
    struct memdisk *d = disk_with(1, 1);
    struct gw_undo *u = open_undo(d, false);
    assert_int_equal(save(u, 0, 2), 0);
    memdisk_fail(d, MEMDISK_WRITE, 2, -ENOSPC);
    assert_int_equal(gw_undo_sync(u, NULL), 0);
    assert_int_equal(gw_undo_sync(u, NULL), -ENOSPC);
    gw_undo_close(u);
    memdisk_power_loss(d, 512, memdisk_pick_old, NULL);
    u = open_undo(d, false);
    assert_true(gw_undo_has(u, 0, 2));
    gw_undo_close(u);
    memdisk_free(d);
}

/* What open found is durable, although its writer was killed before its sync, or its sync failed
 * (and left the page cache clean). */
static void test_open_makes_durable(void **state)
{
    for (unsigned failed = 0; failed < 2; failed++) {
        struct memdisk *d = disk_with(1, 1);
        struct gw_undo *u = open_undo(d, false);
        assert_int_equal(save(u, 0, 2), 0);
        if (failed) {
            memdisk_fail(d, MEMDISK_SYNC, 1, -EIO);
            assert_int_equal(gw_undo_sync(u, NULL), -EIO);
        } else {
            struct seen s = { 0 };
            assert_int_equal(gw_undo_each(u, see, &s, NULL), 0); /* flushes */
            memdisk_process_loss(d);
        }
        gw_undo_close(u);
        u = open_undo(d, false);
        assert_true(gw_undo_has(u, 0, 2));
        gw_undo_close(u);
        memdisk_power_loss(d, 512, memdisk_pick_old, NULL);
        u = open_undo(d, false);
        assert_true(gw_undo_has(u, 0, 2));
        gw_undo_close(u);
        memdisk_free(d);
    }
}

/* ---- crashes --------------------------------------------------------------------------------- */

/* Batches of blocks; true in `durable` means that the volume may have been overwritten. */
static void fill_until_stopped(struct memdisk *d, bool durable[BLOCKS0])
{
    struct gw_undo *u = NULL;
    if (gw_undo_open(memdisk_io(d), DIR, "u1", false, &u, NULL, NULL) < 0)
        return;
    for (unsigned b = 0; b < 24; b += 4) {
        for (unsigned i = b; i < b + 4; i++) {
            if (!gw_undo_has(u, 0, i) && save(u, 0, i) < 0)
                goto out;
        }
        if (gw_undo_sync(u, NULL) < 0)
            goto out;
        for (unsigned i = b; i < b + 4; i++)
            durable[i] = true;
    }
out:
    gw_undo_close(u);
}

static void check_after_crash(struct memdisk *d, const bool durable[BLOCKS0])
{
    struct gw_undo *u = open_undo(d, false); /* a crash is never damage */
    struct seen s = { 0 };
    assert_int_equal(gw_undo_each(u, see, &s, NULL), 0);
    for (unsigned b = 0; b < BLOCKS0; b++) {
        assert_int_equal(gw_undo_has(u, 0, b), s.block[0][b]);
        if (durable[b])
            assert_true(s.block[0][b]);
    }
    gw_undo_close(u);
}

static void test_crash_anywhere(void **state)
{
    uint64_t seed = 1;
    for (unsigned round = 0; round < 200; round++) {
        struct memdisk *d = disk();
        bool durable[BLOCKS0] = { false };
        assert_int_equal(gw_undo_create(memdisk_io(d), DIR, "u1", manifest(), NULL), 0);
        unsigned stop = round % 26;
        for (unsigned crash = 0; crash < 3; crash++) {
            memdisk_stop_after(d, stop);
            fill_until_stopped(d, durable);
            memdisk_power_loss(d, round % 2 ? 512 : 4096, memdisk_pick_random, &seed);
            check_after_crash(d, durable);
            stop = (stop * 7 + 3) % 23;
        }
        fill_until_stopped(d, durable);
        for (unsigned b = 0; b < 24; b++)
            assert_true(durable[b]);
        check_after_crash(d, durable);
        memdisk_free(d);
    }
}

static unsigned n_listed;

static int count_id(void *arg, const char *id)
{
    assert_string_equal(id, "u1");
    n_listed++;
    return 0;
}

static unsigned listed(struct memdisk *d)
{
    n_listed = 0;
    assert_int_equal(gw_undo_list(memdisk_io(d), DIR, count_id, NULL, NULL), 0);
    return n_listed;
}

static void test_crash_in_create(void **state)
{
    uint64_t seed = 7;
    for (unsigned round = 0;; round++) {
        unsigned stop = round / 8; /* each with eight choices of what survives */
        struct memdisk *d = disk();
        struct gw_io *io = memdisk_io(d);
        memdisk_stop_after(d, stop);
        int r = gw_undo_create(io, DIR, "u1", manifest(), NULL);
        bool stopped = memdisk_stopped(d);
        memdisk_power_loss(d, 512, memdisk_pick_random, &seed);
        if (r == 0)
            assert_int_equal(listed(d), 1);
        if (listed(d) == 0) /* what is half made is in nobody's way */
            assert_int_equal(gw_undo_create(io, DIR, "u1", manifest(), NULL), 0);
        struct gw_undo *u = open_undo(d, false);
        assert_int_equal(gw_undo_blocks(u), 0);
        gw_undo_close(u);
        memdisk_free(d);
        if (!stopped)
            break;
        assert_true(stop < 100);
    }
}

/* A create that fails removes what it made itself, and never the undo file that is there. */
static void test_create_fails(void **state)
{
    static const unsigned ops[] = { MEMDISK_NAME, MEMDISK_SYNC_DIR, MEMDISK_OPEN, MEMDISK_WRITE,
                                    MEMDISK_SYNC };
    for (unsigned i = 0; i < sizeof ops / sizeof ops[0]; i++) {
        struct memdisk *d = disk_with(1, 1);
        memdisk_fail(d, ops[i], 1, -EIO);
        assert_true(gw_undo_create(memdisk_io(d), DIR, "u1", manifest(), NULL) < 0);
        memdisk_fail(d, 0, 1, -EIO);
        struct gw_undo *u = open_undo(d, false);
        assert_int_equal(gw_undo_blocks(u), 1);
        gw_undo_close(u);
        memdisk_free(d);

        d = disk();
        assert_int_equal(gw_undo_create(memdisk_io(d), DIR, "other", manifest(), NULL), 0);
        memdisk_fail(d, ops[i], 3, -EIO);
        int r = gw_undo_create(memdisk_io(d), DIR, "u1", manifest(), NULL);
        memdisk_fail(d, 0, 1, -EIO);
        assert_int_equal(memdisk_exists(d, DIR "/undo/u1"), r == 0);
        assert_true(memdisk_exists(d, DIR "/undo/other/manifest"));
        memdisk_free(d);
    }
}

static void test_finish(void **state)
{
    for (unsigned stop = 0;; stop++) {
        struct memdisk *d = disk_with(1, 1);
        struct gw_io *io = memdisk_io(d);
        assert_false(gw_undo_is_finished(io, DIR, "u1"));
        memdisk_stop_after(d, stop);
        int r = gw_undo_finish(io, DIR, "u1", NULL);
        bool stopped = memdisk_stopped(d);
        memdisk_power_loss(d, 512, memdisk_pick_old, NULL);
        assert_int_equal(gw_undo_is_finished(io, DIR, "u1"), r == 0);
        assert_int_equal(gw_undo_finish(io, DIR, "u1", NULL), 0);
        assert_int_equal(gw_undo_finish(io, DIR, "u1", NULL), 0);
        assert_true(gw_undo_is_finished(io, DIR, "u1"));
        memdisk_free(d);
        if (!stopped)
            break;
    }
}

static void test_remove(void **state)
{
    uint64_t seed = 3;
    for (unsigned round = 0;; round++) {
        unsigned stop = round / 8;
        struct memdisk *d = disk_with(1, 1);
        struct gw_io *io = memdisk_io(d);
        assert_int_equal(gw_undo_finish(io, DIR, "u1", NULL), 0);
        assert_int_equal(gw_io_replace(io, DIR "/undo/u1", "own-0", "x", 1, NULL), 0);
        memdisk_stop_after(d, stop);
        int r = gw_undo_remove(io, DIR, "u1", NULL);
        bool stopped = memdisk_stopped(d);
        memdisk_power_loss(d, 512, memdisk_pick_random, &seed);
        if (r == 0)
            assert_int_equal(listed(d), 0);
        /* The manifest outlives the data. */
        if (!memdisk_exists(d, DIR "/undo/u1/manifest"))
            assert_false(memdisk_exists(d, DATA));
        /* Listed: it can be removed again, and never looks as if a resync were under way. */
        if (listed(d) == 1) {
            assert_true(gw_undo_is_finished(io, DIR, "u1"));
            assert_int_equal(gw_undo_remove(io, DIR, "u1", NULL), 0);
        }
        assert_int_equal(gw_undo_create(io, DIR, "u1", manifest(), NULL), 0);
        assert_false(gw_undo_is_finished(io, DIR, "u1"));
        assert_false(memdisk_exists(d, DIR "/undo/u1/own-0"));
        memdisk_free(d);
        if (!stopped)
            break;
    }
    struct memdisk *d = disk();
    assert_int_equal(gw_undo_remove(memdisk_io(d), DIR, "u1", NULL), -ENOENT);
    assert_int_equal(listed(d), 0);
    memdisk_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_manifest),
        cmocka_unit_test(test_manifest_names),
        cmocka_unit_test(test_manifest_newer),
        cmocka_unit_test(test_ids),
        cmocka_unit_test(test_save_and_read),
        cmocka_unit_test(test_zeros_and_odd),
        cmocka_unit_test(test_odd_content),
        cmocka_unit_test(test_first_image_wins),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_torn_tail),
        cmocka_unit_test(test_torn_inside_batch),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_damaged_mark),
        cmocka_unit_test(test_entries_inside_content),
        cmocka_unit_test(test_sticky),
        cmocka_unit_test(test_mark_fails),
        cmocka_unit_test(test_open_makes_durable),
        cmocka_unit_test(test_crash_anywhere),
        cmocka_unit_test(test_crash_in_create),
        cmocka_unit_test(test_create_fails),
        cmocka_unit_test(test_finish),
        cmocka_unit_test(test_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
