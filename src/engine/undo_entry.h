// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Entries of an undo file's `data`, and walking them past damage. Used by undo.c only; the layout
 * and its reasons are in engine/undo.h.
 *
 * Threads: none of its own.
 */
#pragma once

#include "base/error.h"
#include "engine/io.h"
#include "engine/limits.h"

#define GW_UNDO_ENTRY_BYTES 40u
#define GW_UNDO_ENTRY_MAX (GW_UNDO_ENTRY_BYTES + GW_BLOCK_BYTES)

enum gw_undo_kind {
    GW_UNDO_BLOCK = 0,
    GW_UNDO_MARK = 1, /* all before this offset was durable when it was written */
};

struct gw_undo_entry {
    enum gw_undo_kind kind;
    uint16_t volume;
    uint32_t content_bytes; /* as stored: 0 for zeros */
    uint64_t block;         /* of a mark: its own offset */
    uint64_t content_hash;
};

/* What an entry may be: blocks of these volumes. */
struct gw_undo_shape {
    uint64_t seed; /* of header checksums; the entry's offset is added */
    uint32_t n_volumes;
    uint64_t volume_bytes[GW_VOLUMES_MAX];
};

/* Length of a block: GW_BLOCK_BYTES, less for the last one of an odd volume, 0 outside. */
size_t gw_undo_block_bytes(const struct gw_undo_shape *shape, unsigned volume, uint64_t block);

/* Writes header, content and padding to ret (GW_UNDO_ENTRY_MAX); returns the bytes. Content of
 * zeros, and no content at all (a mark), is stored as 0 bytes. */
size_t gw_undo_entry_encode(const struct gw_undo_shape *shape, uint64_t offset,
                            enum gw_undo_kind kind, unsigned volume, uint64_t block,
                            const uint8_t *content, size_t len, uint8_t *ret);
static inline uint64_t gw_undo_entry_bytes(const struct gw_undo_entry *e)
{
    return GW_UNDO_ENTRY_BYTES + (((uint64_t)e->content_bytes + 7) & ~7ull);
}

/*
 * Called for each sound entry at its offset, with its content in full (zeros spelled out), and for
 * each place where soundness ends (e == NULL). A non-zero result ends the walk and is returned.
 */
typedef int gw_undo_walk_fn(void *arg, uint64_t offset, const struct gw_undo_entry *e,
                            const uint8_t *content, size_t len, struct gw_error *err);

/*
 * Walk [from, end) of the file. After damage it goes on at the next place where a sound entry
 * begins. Returns 0, fn's result, or the error of a read (a sentence with `path`).
 */
int gw_undo_walk(struct gw_file *f, const char *path, const struct gw_undo_shape *shape,
                 uint64_t from, uint64_t end, gw_undo_walk_fn *fn, void *arg, struct gw_error *err);
