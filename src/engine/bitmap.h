// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * A sparse bitmap: one bit a block, memory only where bits are set.
 *
 * Pages of GW_BITMAP_PAGE_BITS bits are allocated when their first bit is set and freed when their
 * last is cleared, so that an idle map of many TiB costs a pointer per page.
 *
 * Threads: none; the owner locks. Setting a bit allocates; allocation failure aborts (the map may
 * never lose a bit).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define GW_BITMAP_PAGE_BYTES 4032u /* 4 KiB on disk less a 64-byte header */
#define GW_BITMAP_PAGE_BITS (GW_BITMAP_PAGE_BYTES * 8u)

struct gw_bitmap;

struct gw_bitmap *gw_bitmap_new(uint64_t bits);
void gw_bitmap_free(struct gw_bitmap *b);
uint64_t gw_bitmap_size(const struct gw_bitmap *b);  /* bits */
uint64_t gw_bitmap_count(const struct gw_bitmap *b); /* bits set; O(1) */
bool gw_bitmap_test(const struct gw_bitmap *b, uint64_t bit);
/* Both return how many bits changed. [first, first + n) is clipped to the size. */
uint64_t gw_bitmap_set(struct gw_bitmap *b, uint64_t first, uint64_t n);
uint64_t gw_bitmap_clear(struct gw_bitmap *b, uint64_t first, uint64_t n);
/* First set bit >= from, or UINT64_MAX. Skips absent pages. */
uint64_t gw_bitmap_next(const struct gw_bitmap *b, uint64_t from);
/* Length of the run of set bits that starts at `first`, at most `max`. */
uint64_t gw_bitmap_run(const struct gw_bitmap *b, uint64_t first, uint64_t max);
/* a |= b; both of one size. */
void gw_bitmap_or(struct gw_bitmap *a, const struct gw_bitmap *b);

uint64_t gw_bitmap_pages(const struct gw_bitmap *b); /* how many there could be */
/* The bytes of page p (bit i of the page is byte i/8, bit i%8), or NULL if all clear. */
const uint8_t *gw_bitmap_page(const struct gw_bitmap *b, uint64_t p);
/* page |= data (GW_BITMAP_PAGE_BYTES); bits past the size are ignored. */
void gw_bitmap_page_or(struct gw_bitmap *b, uint64_t p, const uint8_t *data);
uint64_t gw_bitmap_bytes(const struct gw_bitmap *b); /* memory used */
