// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Inside of the dirty map: dirtymap.c (the states of a block, in memory), dirtymap_page.c (what a
 * page and a header look like) and dirtymap_file.c (load, persist).
 *
 * What the disk holds may differ from memory in two ways only, and both are noted the moment the
 * bit changes:
 *   fresh  pages with a bit that was set and that the disk may not have
 *   gone   bits that were cleared and that the disk may still have
 *
 * A persist makes a *cut*: under one hold of the lock it takes fresh and gone as they are
 * (fresh_taken, gone_taken) and the cleared-through, and new empty ones collect what happens later.
 * It then copies page after page, each under the lock, while bits go on changing. What it writes is
 *   first   bits | gone | gone_taken   nothing that was set at or before the cut is missing
 *   then    bits | gone                only what was clear at the cut is gone
 * so that at every moment the disk holds a superset of the map as it was at this cut or at the one
 * before, whole; a clear that rests on a set or on a cleared-through that came after the cut is not
 * written before them.
 */
#pragma once

#include "engine/dirtymap.h"

#define GW_DIRTYMAP_FORMAT 1u
#define GW_DIRTYMAP_PAGE_BYTES 4096u
#define GW_DIRTYMAP_HEADERS 2u
#define GW_DIRTYMAP_OWED_SLICES 32

struct gw_dirtymap_kind {
    struct gw_bitmap *bits; /* dirty; of the fine map: and not in flight */
    struct gw_bitmap *gone, *gone_taken;
    struct gw_bitmap *fresh, *fresh_taken; /* one bit a page */
    uint64_t first_page;                   /* where this map begins in the file */
};

struct gw_dirtymap_header {
    uint64_t generation;
    struct gw_uuid volume;
    uint64_t bytes;
    struct gw_uuid cleared_uuid;
    uint64_t cleared_seq;
};

struct gw_dirtymap {
    struct gw_io *io;
    struct gw_file *file;
    char *path;
    struct gw_uuid volume;
    uint64_t bytes;
    bool read_only;
    pthread_mutex_t *lock; /* the owner's; guards all below; NULL: single-threaded */

    struct gw_dirtymap_kind kind[2]; /* by GW_MAP_FINE, GW_MAP_COARSE */
    struct gw_bitmap *flight;
    /*
     * Acknowledgements to come of blocks that were marked again (or injected again) since they were
     * sent: they clear nothing. A number per block in binary: slice i holds bit i of it.
     */
    struct gw_bitmap *owed[GW_DIRTYMAP_OWED_SLICES];
    uint64_t owed_total;

    struct gw_uuid cleared_uuid;
    uint64_t cleared_seq;
    bool header_due;  /* cleared-through moved since the last cut, or a copy is bad */
    bool header_lost; /* both copies were bad: sets go to disk before a good header does */
    unsigned good;    /* the header copy that holds the newest durable one */
    uint64_t generation;

    uint64_t smaller; /* while it is loaded: the file is of a volume of so many bytes */
    bool persisting;
    int failed; /* sticky */
};

static inline void gw_dirtymap_lock(struct gw_dirtymap *m)
{
    if (m->lock)
        pthread_mutex_lock(m->lock);
}

static inline void gw_dirtymap_unlock(struct gw_dirtymap *m)
{
    if (m->lock)
        pthread_mutex_unlock(m->lock);
}

static inline bool gw_dirtymap_zeros(const uint8_t *data, size_t n)
{
    uint8_t any = 0;
    for (size_t i = 0; i < n; i++)
        any |= data[i];
    return any == 0;
}

/* ---- dirtymap.c ------------------------------------------------------------------------------ */

struct gw_dirtymap *gw_dirtymap_alloc(const struct gw_uuid *volume, uint64_t bytes);
/* Set bits of a page that is damaged on disk (D4); the next persist writes it anew. */
void gw_dirtymap_mark_page(struct gw_dirtymap *m, int kind, uint64_t page);

/* ---- dirtymap_page.c: pure ------------------------------------------------------------------- */

enum gw_dirtymap_seen {
    GW_DIRTYMAP_GOOD,
    GW_DIRTYMAP_CLEAR, /* all zeros */
    GW_DIRTYMAP_BAD,
};

/* `page` is GW_DIRTYMAP_PAGE_BYTES; its bits are in place already. */
void gw_dirtymap_page_seal(uint8_t *page, int kind, uint64_t number, const struct gw_uuid *volume);
enum gw_dirtymap_seen gw_dirtymap_page_check(const uint8_t *page, int kind, uint64_t number,
                                             const struct gw_uuid *volume);
static inline uint8_t *gw_dirtymap_page_bits(uint8_t *page)
{
    return page + (GW_DIRTYMAP_PAGE_BYTES - GW_BITMAP_PAGE_BYTES);
}

void gw_dirtymap_header_encode(const struct gw_dirtymap_header *h, uint8_t *page);
/* 1: good; 0: damaged; negative: sound, but not for us (refused with the sentence). */
int gw_dirtymap_header_decode(const uint8_t *page, struct gw_dirtymap_header *ret,
                              struct gw_error *err);

/* ---- dirtymap_file.c ------------------------------------------------------------------------- */

uint64_t gw_dirtymap_file_bytes(const struct gw_dirtymap *m);
/* The header as of now goes to one copy (0 or 1) of `file`; not yet durable. */
int gw_dirtymap_header_write(struct gw_file *file, const char *path, unsigned copy,
                             const struct gw_dirtymap_header *h, struct gw_error *err);
/* "cannot write dirty map PATH at OFFSET: cause" and what to do. Returns code. */
int gw_dirtymap_write_error(struct gw_error *err, int code, const char *path, uint64_t off);
