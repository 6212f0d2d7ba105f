// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Bounds-checked little-endian reading and writing over a span of bytes.
 *
 * All durable and wire formats are encoded and decoded with these: no pointer casts onto bytes.
 * A reader or writer that runs past its end becomes `failed` and stays so; reads then give zeros
 * and writes are dropped. Check once, at the end.
 *
 * The memory belongs to the caller and must outlive the reader or writer.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gw_reader {
    const uint8_t *data;
    size_t len, pos;
    bool failed;
};

struct gw_writer {
    uint8_t *data;
    size_t len, pos;
    bool failed;
};

static inline struct gw_reader gw_reader(const void *data, size_t len)
{
    return (struct gw_reader){ .data = data, .len = len };
}

static inline struct gw_writer gw_writer(void *data, size_t len)
{
    return (struct gw_writer){ .data = data, .len = len };
}

uint8_t gw_get_u8(struct gw_reader *r);
uint16_t gw_get_u16(struct gw_reader *r);
uint32_t gw_get_u32(struct gw_reader *r);
uint64_t gw_get_u64(struct gw_reader *r);
/* Copies n bytes to ret (zeros on failure). */
void gw_get_bytes(struct gw_reader *r, void *ret, size_t n);
/* A view of n bytes inside the reader's memory; NULL on failure. */
const uint8_t *gw_get_view(struct gw_reader *r, size_t n);
static inline size_t gw_reader_left(const struct gw_reader *r)
{
    return r->failed ? 0 : r->len - r->pos;
}

void gw_put_u8(struct gw_writer *w, uint8_t v);
void gw_put_u16(struct gw_writer *w, uint16_t v);
void gw_put_u32(struct gw_writer *w, uint32_t v);
void gw_put_u64(struct gw_writer *w, uint64_t v);
void gw_put_bytes(struct gw_writer *w, const void *data, size_t n);
/* Zeros up to position `pos` (not before the current one). */
void gw_put_zeros_to(struct gw_writer *w, size_t pos);

/*
 * A fixed-width, NUL-padded text field of n bytes. The reader fails unless the text is
 * NUL-terminated inside the field. `ret` must have room for n bytes.
 */
void gw_get_text(struct gw_reader *r, char *ret, size_t n);
void gw_put_text(struct gw_writer *w, const char *text, size_t n);
