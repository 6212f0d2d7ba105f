// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The two formats of a dirty map's file: header page and page of bits. Pure. */
#include "engine/dirtymap_internal.h"

#include "base/bytes.h"
#include "base/hash.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define PAGE_MAGIC 0x50445747u /* "GWDP" */
#define PAGE_HEAD (GW_DIRTYMAP_PAGE_BYTES - GW_BITMAP_PAGE_BYTES)
#define HASH_BYTES 8u

static const uint8_t header_magic[8] = { 'G', 'W', 'D', 'I', 'R', 'T', 'Y', 1 };

static_assert(PAGE_HEAD == 64, "the header of a page of bits has 64 bytes");

/* Of everything but the checksum, which ends the 64 bytes. */
static uint64_t page_hash(const uint8_t *page)
{
    uint64_t head = gw_hash64(page, PAGE_HEAD - HASH_BYTES, 0);
    return gw_hash64(page + PAGE_HEAD, GW_BITMAP_PAGE_BYTES, head);
}

static void page_head(uint8_t *page, int kind, uint64_t number, const struct gw_uuid *volume)
{
    struct gw_writer w = gw_writer(page, PAGE_HEAD - HASH_BYTES);
    gw_put_u32(&w, PAGE_MAGIC);
    gw_put_u8(&w, (uint8_t)kind);
    gw_put_u8(&w, GW_DIRTYMAP_FORMAT);
    gw_put_u16(&w, GW_DIRTYMAP_PAGE_BYTES);
    gw_put_u64(&w, number);
    gw_put_bytes(&w, volume->b, sizeof volume->b);
    gw_put_zeros_to(&w, PAGE_HEAD - HASH_BYTES);
    assert(!w.failed);
}

void gw_dirtymap_page_seal(uint8_t *page, int kind, uint64_t number, const struct gw_uuid *volume)
{
    page_head(page, kind, number, volume);
    struct gw_writer w = gw_writer(page + PAGE_HEAD - HASH_BYTES, HASH_BYTES);
    gw_put_u64(&w, page_hash(page));
}

enum gw_dirtymap_seen gw_dirtymap_page_check(const uint8_t *page, int kind, uint64_t number,
                                             const struct gw_uuid *volume)
{
    if (gw_dirtymap_zeros(page, GW_DIRTYMAP_PAGE_BYTES))
        return GW_DIRTYMAP_CLEAR;
    /* A page of another place or volume has a good checksum and another head. */
    uint8_t head[PAGE_HEAD];
    page_head(head, kind, number, volume);
    if (memcmp(page, head, PAGE_HEAD - HASH_BYTES) != 0)
        return GW_DIRTYMAP_BAD;
    struct gw_reader r = gw_reader(page + PAGE_HEAD - HASH_BYTES, HASH_BYTES);
    return gw_get_u64(&r) == page_hash(page) ? GW_DIRTYMAP_GOOD : GW_DIRTYMAP_BAD;
}

void gw_dirtymap_header_encode(const struct gw_dirtymap_header *h, uint8_t *page)
{
    struct gw_writer w = gw_writer(page, GW_DIRTYMAP_PAGE_BYTES);
    gw_put_bytes(&w, header_magic, sizeof header_magic);
    gw_put_u32(&w, GW_DIRTYMAP_FORMAT);
    gw_put_u32(&w, GW_DIRTYMAP_PAGE_BYTES);
    gw_put_u64(&w, h->generation);
    gw_put_bytes(&w, h->volume.b, sizeof h->volume.b);
    gw_put_u64(&w, h->bytes);
    gw_put_u32(&w, GW_BLOCK_BYTES);
    gw_put_u32(&w, GW_EXTENT_BYTES);
    gw_put_bytes(&w, h->cleared_uuid.b, sizeof h->cleared_uuid.b);
    gw_put_u64(&w, h->cleared_seq);
    gw_put_zeros_to(&w, GW_DIRTYMAP_PAGE_BYTES - HASH_BYTES);
    gw_put_u64(&w, gw_hash64(page, GW_DIRTYMAP_PAGE_BYTES - HASH_BYTES, 0));
    assert(!w.failed);
}

int gw_dirtymap_header_decode(const uint8_t *page, struct gw_dirtymap_header *ret,
                              struct gw_error *err)
{
    struct gw_reader tail = gw_reader(page + GW_DIRTYMAP_PAGE_BYTES - HASH_BYTES, HASH_BYTES);
    struct gw_reader r = gw_reader(page, GW_DIRTYMAP_PAGE_BYTES);
    const uint8_t *magic = gw_get_view(&r, sizeof header_magic);
    if (memcmp(magic, header_magic, sizeof header_magic) != 0 ||
        gw_get_u64(&tail) != gw_hash64(page, GW_DIRTYMAP_PAGE_BYTES - HASH_BYTES, 0))
        return 0;
    uint32_t format = gw_get_u32(&r);
    if (format > GW_DIRTYMAP_FORMAT)
        return gw_error_set(err, -ENOTSUP,
                            "it has format %u and this program knows formats up to %u; use the "
                            "newer program",
                            format, GW_DIRTYMAP_FORMAT);
    uint32_t length = gw_get_u32(&r);
    struct gw_dirtymap_header h = { .generation = gw_get_u64(&r) };
    gw_get_bytes(&r, h.volume.b, sizeof h.volume.b);
    h.bytes = gw_get_u64(&r);
    uint32_t block = gw_get_u32(&r), extent = gw_get_u32(&r);
    gw_get_bytes(&r, h.cleared_uuid.b, sizeof h.cleared_uuid.b);
    h.cleared_seq = gw_get_u64(&r);
    if (r.failed || length != GW_DIRTYMAP_PAGE_BYTES)
        return 0;
    if (format == 0 || block != GW_BLOCK_BYTES || extent != GW_EXTENT_BYTES)
        return gw_error_set(err, -ENOTSUP,
                            "it was made for blocks of %u and extents of %u bytes, this program "
                            "uses %u and %u",
                            block, extent, GW_BLOCK_BYTES, GW_EXTENT_BYTES);
    *ret = h;
    return 1;
}
