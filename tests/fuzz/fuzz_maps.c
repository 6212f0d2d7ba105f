// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Dirty map and hot-extent log as found on the disk. First byte: even a map, odd a log. Then edits
 * of a sound file until the input ends: u8 how, u8 page (or block), u16 offset in it, u8 n, n bytes
 * to xor. Odd `how` seals a header (or block) again; 255 cuts the map's file in that page.
 *
 * What must hold: a damaged map has at least the bits that the sound one had, or says that it
 * counts as all dirty; a damaged log loses no hot extent without saying "unknown".
 */
#include "engine/dirtymap_internal.h"
#include "engine/hotset_internal.h"
#include "fuzz.h"
#include "memdisk.h"

#include <errno.h>

#define VOLUME_BYTES (300ull << 20)
#define EXTENTS 300u
#define HOT_BLOCKS 6u
#define EDITS_MAX 8u

static const struct gw_uuid volume = { { 1, 2, 3 } }, plan = { { 4, 5, 6 } };
static const uint32_t marked_blocks[] = { 0, 1, 4095, 33000, 76799 };
static const uint32_t marked_extents[] = { 0, 7, 299 };
static bool touched;                 /* by an edit that changed something */
static bool damaged[HOT_BLOCKS + 2]; /* blocks of the log */

/* What the sound file holds. Returns the open file. */
static struct gw_file *sound_map(struct gw_io *io)
{
    struct gw_error err;
    struct gw_dirtymap *m = NULL;
    FUZZ_CHECK(gw_dirtymap_create(io, "/map", &volume, VOLUME_BYTES, &err) == 0);
    FUZZ_CHECK(gw_dirtymap_open(io, "/map", &volume, VOLUME_BYTES, false, NULL, &m, NULL, &err) ==
               0);
    for (unsigned i = 0; i < 5; i++)
        gw_dirtymap_mark(m, (uint64_t)marked_blocks[i] * GW_BLOCK_BYTES, 1);
    for (unsigned i = 0; i < 3; i++)
        gw_dirtymap_mark_coarse(m, (uint64_t)marked_extents[i] * GW_EXTENT_BYTES, 1);
    gw_dirtymap_cleared_through(m, &plan, 77);
    FUZZ_CHECK(gw_dirtymap_persist(m, &err) == 0);
    gw_dirtymap_close(m);
    struct gw_file *f = NULL;
    FUZZ_CHECK(gw_io_open(io, "/map", 0, &f) == 0);
    return f;
}

static void edit(struct gw_reader *r, uint8_t *page, uint32_t page_bytes, uint8_t *ret_how,
                 uint8_t *ret_page)
{
    size_t n;
    *ret_how = fuzz_u8(r);
    *ret_page = fuzz_u8(r);
    uint32_t at = fuzz_u16(r) % page_bytes;
    n = fuzz_u8(r);
    const uint8_t *raw = fuzz_bytes(r, n, &n);
    n = n < page_bytes - at ? n : page_bytes - at;
    for (size_t i = 0; i < n; i++)
        page[at + i] ^= raw[i];
}

/* False: the file was cut; to go on would fill its end with zeros, which say "clear". */
static bool edit_map(struct gw_reader *r, struct gw_file *f)
{
    uint8_t before[GW_DIRTYMAP_PAGE_BYTES], page[GW_DIRTYMAP_PAGE_BYTES], how, which;
    struct gw_reader ahead = *r;
    (void)fuzz_u8(&ahead);
    uint64_t at = fuzz_u8(&ahead) % 6u; /* two headers, three fine pages, one coarse */
    FUZZ_CHECK(gw_io_pread(f, before, sizeof before, at * sizeof page) == 0);
    memcpy(page, before, sizeof page);
    edit(r, page, sizeof page, &how, &which);
    if ((how & 1) && at < GW_DIRTYMAP_HEADERS)
        fuzz_seal(page, sizeof page, 0);
    FUZZ_CHECK(gw_io_pwrite(f, page, sizeof page, at * sizeof page) == 0);
    touched = touched || memcmp(page, before, sizeof page) != 0;
    if (how != 0xff)
        return true;
    FUZZ_CHECK(gw_io_truncate(f, at * sizeof page + which) == 0);
    touched = true;
    return false;
}

static void check_map(struct gw_io *io)
{
    struct gw_error err = { 0 };
    struct gw_dirtymap *m = NULL;
    uint64_t bad = 0, again = 0;
    int r = gw_dirtymap_open(io, "/map", &volume, VOLUME_BYTES, false, NULL, &m, &bad, &err);
    if (r < 0) {
        FUZZ_CHECK_ERROR(r, &err);
        FUZZ_CHECK((r == -EINVAL || r == -ENOTSUP) && strstr(err.msg, "/map") != NULL && touched);
        return;
    }
    bool all = gw_bitmap_count(gw_dirtymap_coarse(m)) == EXTENTS;
    for (unsigned i = 0; i < 5; i++)
        FUZZ_CHECK(all || gw_bitmap_test(gw_dirtymap_fine(m), marked_blocks[i]));
    for (unsigned i = 0; i < 3; i++)
        FUZZ_CHECK(all || gw_bitmap_test(gw_dirtymap_coarse(m), marked_extents[i]));
    FUZZ_CHECK(touched || bad == 0);
    uint64_t fine = gw_bitmap_count(gw_dirtymap_fine(m));
    FUZZ_CHECK(gw_dirtymap_persist(m, &err) == 0);
    gw_dirtymap_close(m);
    /* What was mended is sound, and no smaller. */
    FUZZ_CHECK(gw_dirtymap_open(io, "/map", &volume, VOLUME_BYTES, false, NULL, &m, &again, &err) ==
               0);
    FUZZ_CHECK(again == 0 && gw_bitmap_count(gw_dirtymap_fine(m)) == fine);
    FUZZ_CHECK(!all || gw_bitmap_count(gw_dirtymap_coarse(m)) == EXTENTS);
    gw_dirtymap_close(m);
}

static void put_block(struct gw_file *f, struct gw_hot_block b)
{
    uint8_t data[GW_HOT_BLOCK_BYTES];
    b.plan_hash = gw_hot_plan_hash(&plan);
    gw_hot_block_encode(&b, data);
    FUZZ_CHECK(gw_io_pwrite(f, data, sizeof data, gw_hot_block_offset(b.generation, b.index)) == 0);
}

/* As gw_hotset_create makes it (without writing 4 MiB of zeros), then a generation of six blocks:
 * three transactions of two, one extent each. */
static struct gw_file *sound_log(struct gw_io *io)
{
    struct gw_file *f = NULL;
    FUZZ_CHECK(gw_io_open(io, "/hot", GW_OPEN_CREATE, &f) == 0);
    FUZZ_CHECK(gw_io_truncate(f, GW_HOT_FILE_BYTES) == 0);
    put_block(f, (struct gw_hot_block){
                     .generation = 1, .txn = 1, .oldest = 1, .oldest_txn = 1, .batch_txn = 1 });
    for (unsigned i = 0; i < HOT_BLOCKS; i++) {
        struct gw_hot_block b = { .generation = 2,
                                  .txn = 2 + i,
                                  .oldest = 2,
                                  .oldest_txn = 2,
                                  .batch_txn = 2 + i / 2 * 2,
                                  .index = (uint16_t)i,
                                  .count = 1 };
        b.key[0] = (uint64_t)(i * 10) << 16;
        put_block(f, b);
    }
    return f;
}

static void edit_log(struct gw_reader *r, struct gw_file *f)
{
    uint8_t data[GW_HOT_BLOCK_BYTES], before[GW_HOT_BLOCK_BYTES], how, which;
    struct gw_reader ahead = *r;
    (void)fuzz_u8(&ahead);
    unsigned block = fuzz_u8(&ahead) % (HOT_BLOCKS + 2);
    uint64_t off = gw_hot_block_offset(2, block);
    FUZZ_CHECK(gw_io_pread(f, before, sizeof before, off) == 0);
    memcpy(data, before, sizeof data);
    edit(r, data, sizeof data, &how, &which);
    if (how & 1)
        fuzz_seal(data, sizeof data, 0);
    FUZZ_CHECK(gw_io_pwrite(f, data, sizeof data, off) == 0);
    bool changed = memcmp(data, before, sizeof data) != 0;
    touched = touched || ((how & 1) && changed);
    damaged[block] = damaged[block] || changed;
}

static void hot(void *arg, unsigned v, uint64_t extent)
{
    bool *seen = arg;
    FUZZ_CHECK(v == 0 && extent < EXTENTS);
    seen[extent] = true;
}

static void check_log(struct gw_io *io)
{
    struct gw_error err = { 0 };
    struct gw_hotset *h = NULL;
    struct gw_hot_recovered found = { 0 };
    bool seen[EXTENTS] = { 0 };
    const uint64_t extents[1] = { EXTENTS };
    int r = gw_hotset_open(io, "/hot", &plan, false, 1, extents, hot, seen, &h, &found, &err);
    if (r < 0) {
        FUZZ_CHECK_ERROR(r, &err);
        FUZZ_CHECK(strstr(err.msg, "/hot") != NULL && touched);
        return;
    }
    /* A sealed block is a log somebody else wrote; without one only the end can look torn off: all
     * before the transaction of the last sound block was durable when that was written. */
    unsigned last = HOT_BLOCKS;
    while (last > 0 && damaged[last - 1])
        last--;
    for (unsigned i = 0; !touched && !found.unknown && last > 0 && i < (last - 1) / 2 * 2; i++)
        FUZZ_CHECK(seen[i * 10]);
    FUZZ_CHECK(gw_hotset_forget(h, &err) == 0);
    gw_hotset_close(h);
    FUZZ_CHECK(gw_hotset_open(io, "/hot", &plan, false, 1, extents, hot, seen, &h, &found, &err) ==
               0);
    FUZZ_CHECK(!found.any && !found.unknown);
    gw_hotset_close(h);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gw_reader r = gw_reader(data, size);
    struct memdisk *d = memdisk_new();
    struct gw_io *io = memdisk_io(d);
    bool log = (fuzz_u8(&r) & 1) != 0;
    touched = false;
    memset(damaged, 0, sizeof damaged);
    struct gw_file *f = log ? sound_log(io) : sound_map(io);
    for (unsigned i = 0; i < EDITS_MAX && gw_reader_left(&r) > 0; i++) {
        if (log)
            edit_log(&r, f);
        else if (!edit_map(&r, f))
            break;
    }
    FUZZ_CHECK(gw_io_datasync(f) == 0);
    gw_file_close(f);
    if (log)
        check_log(io);
    else
        check_map(io);
    memdisk_free(d);
    return 0;
}
