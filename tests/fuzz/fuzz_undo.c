// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The data of an undo file, as found on the disk. An input is a small program that lays it out:
 *
 *     0 sound block    u8 volume, u8 block, u8 content (0: zeros)
 *     1 mark
 *     2 raw bytes      u8 n, n bytes
 *     3 damage         u16 back from the end, u8 xor
 *     4 cut            u16 bytes off the end
 *     5 stale block    as 0, but sealed for another offset
 *
 * What must hold: what cannot be opened is left as it was; what can be gives each block it says it
 * has exactly once, with the content that was saved first and nothing that was never saved; and
 * opening again gives the same.
 */
#include "engine/undo.h"
#include "engine/undo_entry.h"
#include "fuzz.h"
#include "memdisk.h"

#include <errno.h>

#define BLOCKS 256u
#define LAST_BYTES 1000u /* of volume 1's last block */
#define SPACE (512u * 1024u)

static struct gw_undo_manifest manifest;
static uint8_t space[SPACE];
static uint32_t end;

static struct gw_undo_shape shape(void)
{
    uint8_t text[40];
    struct gw_uuid own = gw_lineage_uuid(&manifest.lineage);
    struct gw_writer w = gw_writer(text, sizeof text);
    gw_put_bytes(&w, manifest.source.b, sizeof manifest.source.b);
    gw_put_bytes(&w, own.b, sizeof own.b);
    gw_put_u64(&w, manifest.wall_ns);
    struct gw_undo_shape s = { .seed = gw_hash64(text, sizeof text, 0), .n_volumes = 2 };
    for (unsigned i = 0; i < 2; i++)
        s.volume_bytes[i] = manifest.volume[i].bytes;
    return s;
}

static void init_manifest(void)
{
    manifest = (struct gw_undo_manifest){ .wall_ns = 7, .n_volumes = 2 };
    struct gw_incarnation e = { .epoch = 1, .uuid = { { 5 } }, .birth = GW_BIRTH_CREATION };
    gw_lineage_append(&manifest.lineage, &e);
    manifest.source = (struct gw_uuid){ { 6 } };
    manifest.volume[0] = (struct gw_side_volume){ .uuid = { { 1 } },
                                                  .bytes = (uint64_t)BLOCKS * GW_BLOCK_BYTES,
                                                  .name = "data" };
    manifest.volume[1] = (struct gw_side_volume){
        .uuid = { { 2 } },
        .bytes = (uint64_t)(BLOCKS - 1) * GW_BLOCK_BYTES + LAST_BYTES,
        .name = "ledger",
    };
}

static size_t content_of(const struct gw_undo_shape *s, unsigned volume, uint64_t block,
                         uint8_t fill, uint8_t ret[GW_BLOCK_BYTES])
{
    memset(ret, fill, GW_BLOCK_BYTES);
    return gw_undo_block_bytes(s, volume, block);
}

static void entry(struct gw_reader *r, const struct gw_undo_shape *s, bool mark, bool stale)
{
    uint8_t content[GW_BLOCK_BYTES];
    if (SPACE - end < GW_UNDO_ENTRY_MAX)
        return;
    if (mark) {
        end += (uint32_t)gw_undo_entry_encode(s, end, GW_UNDO_MARK, 0, end, NULL, 0, space + end);
        return;
    }
    unsigned volume = fuzz_u8(r) % 2;
    uint64_t block = fuzz_u8(r);
    size_t len = content_of(s, volume, block, fuzz_u8(r), content);
    end += (uint32_t)gw_undo_entry_encode(s, stale ? end + 8u : end, GW_UNDO_BLOCK, volume, block,
                                          content, len, space + end);
}

static void operation(struct gw_reader *r, const struct gw_undo_shape *s)
{
    size_t n;
    const uint8_t *raw;
    uint32_t back;
    uint8_t op = fuzz_u8(r) % 6;
    switch (op) {
    case 0:
    case 1:
    case 5:
        entry(r, s, op == 1, op == 5);
        break;
    case 2:
        n = fuzz_u8(r);
        raw = fuzz_bytes(r, n, &n);
        n = n < SPACE - end ? n : SPACE - end;
        memcpy(space + end, raw, n);
        end += (uint32_t)n;
        break;
    case 3:
        back = fuzz_u16(r);
        if (back < end)
            space[end - back - 1] ^= fuzz_u8(r);
        break;
    case 4:
        back = fuzz_u16(r);
        end -= back < end ? back : end;
        memset(space + end, 0, SPACE - end);
        break;
    }
}

struct seen {
    uint8_t fill[2][BLOCKS]; /* of the first image visited */
    bool have[2][BLOCKS];
    uint64_t blocks;
};

static int visit(void *arg, unsigned volume, uint64_t block, const uint8_t *content, size_t len,
                 struct gw_error *err)
{
    struct seen *s = arg;
    (void)err;
    FUZZ_CHECK(volume < 2 && block < BLOCKS);
    FUZZ_CHECK(len == (volume == 1 && block == BLOCKS - 1 ? LAST_BYTES : GW_BLOCK_BYTES));
    for (size_t i = 1; i < len; i++)
        FUZZ_CHECK(content[i] == content[0]); /* only whole images were ever saved */
    if (!s->have[volume][block]) {
        s->have[volume][block] = true;
        s->fill[volume][block] = content[0];
        s->blocks++;
    }
    return 0;
}

static struct gw_undo *open_undo(struct gw_io *io, bool read_only, struct seen *ret)
{
    struct gw_undo *u = NULL;
    struct gw_error err = { 0 };
    *ret = (struct seen){ .blocks = 0 };
    int r = gw_undo_open(io, "/p", "u", read_only, &u, NULL, &err);
    if (r < 0) {
        FUZZ_CHECK_ERROR(r, &err);
        FUZZ_CHECK(!read_only && r == -EBADMSG && strstr(err.msg, "/p/undo/u/data") != NULL);
        return NULL;
    }
    r = gw_undo_each(u, visit, ret, &err);
    FUZZ_CHECK(r == 0 || (read_only && r == -EBADMSG && gw_undo_damage(u, &err) == r));
    FUZZ_CHECK(gw_undo_blocks(u) == ret->blocks);
    for (unsigned v = 0; v < 2; v++) {
        for (unsigned b = 0; b < BLOCKS; b++)
            FUZZ_CHECK(gw_undo_has(u, v, b) == ret->have[v][b]);
    }
    return u;
}

static void check_unchanged(struct gw_io *io)
{
    static uint8_t now[SPACE];
    struct gw_file *f = NULL;
    FUZZ_CHECK(gw_io_open(io, "/p/undo/u/data", GW_OPEN_RDONLY, &f) == 0);
    uint64_t bytes = 0;
    FUZZ_CHECK(gw_io_size(f, &bytes) == 0 && bytes == end);
    FUZZ_CHECK(gw_io_pread(f, now, end, 0) == 0 && memcmp(now, space, end) == 0);
    gw_file_close(f);
}

static void try_all(struct gw_io *io)
{
    static struct seen looked, first, second;
    struct gw_error err;
    gw_undo_close(open_undo(io, true, &looked));
    check_unchanged(io);
    struct gw_undo *u = open_undo(io, false, &first);
    if (u == NULL) {
        check_unchanged(io);
        return;
    }
    FUZZ_CHECK(memcmp(&looked, &first, sizeof first) == 0);
    uint8_t content[GW_BLOCK_BYTES];
    memset(content, 0xee, sizeof content);
    FUZZ_CHECK(gw_undo_save(u, 0, 3, content, sizeof content, &err) == 0);
    FUZZ_CHECK(gw_undo_sync(u, &err) == 0);
    gw_undo_close(u);

    if (!first.have[0][3]) { /* else the first image wins */
        first.have[0][3] = true;
        first.fill[0][3] = 0xee;
        first.blocks++;
    }
    u = open_undo(io, false, &second);
    FUZZ_CHECK(u != NULL && memcmp(&first, &second, sizeof first) == 0);
    gw_undo_close(u);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gw_reader r = gw_reader(data, size);
    init_manifest();
    struct gw_undo_shape s = shape();
    memset(space, 0, sizeof space);
    end = 0;
    for (unsigned i = 0; i < 64 && gw_reader_left(&r) > 0; i++)
        operation(&r, &s);

    struct memdisk *d = memdisk_new();
    struct gw_io *io = memdisk_io(d);
    struct gw_error err;
    FUZZ_CHECK(gw_io_mkdir(io, "/p") == 0 && gw_undo_create(io, "/p", "u", &manifest, &err) == 0);
    struct gw_file *f = NULL;
    FUZZ_CHECK(gw_io_open(io, "/p/undo/u/data", 0, &f) == 0);
    FUZZ_CHECK(gw_io_pwrite(f, space, end, 0) == 0 && gw_io_datasync(f) == 0);
    gw_file_close(f);
    try_all(io);
    memdisk_free(d);
    return 0;
}
