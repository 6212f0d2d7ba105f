// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Shared by journal_format.c (layout of segments and batches), journal.c (append, sync, read, trim)
 * and journal_recover.c (open). Invariants of an open journal:
 *
 *  1. Segments [first, next) exist, without a gap; each name was made durable after the segment's
 *     space and header were, so a segment with a bad header is damaged, never half made.
 *  2. oldest <= durable <= end. `end` lies in segment next - 1, or is its very end.
 *  3. The header of segment n + 1 says where the batches of segment n end: nothing is ever appended
 *     to a segment that has a successor.
 *  4. Past `end` the tail segment reads as zeros, but for the bytes of an append that failed and
 *     that the next append overwrites from the same address: no batch header is among them. In a
 *     recycled segment it reads as the one that was trimmed: all of its batches are of lower
 *     addresses than its new place, so none of them is a batch there (journal_header_decode).
 *  5. Spares are trimmed segments, never cut-off ones, which hold batches of addresses to come.
 */
#pragma once

#include "engine/journal.h"

#include <limits.h>
#include <pthread.h>

#define JOURNAL_PATH_MAX PATH_MAX
#define JOURNAL_SPARES_MAX 2u /* trimmed by one mark before the next needs them */

/* A segment that was left by the appender and is not synced since. */
struct journal_unsynced {
    struct journal_unsynced *next;
    struct gw_file *file;
};

struct gw_journal {
    struct gw_io *io;
    char *dir; /* DIR/journal */
    struct gw_uuid plan;
    uint64_t max_bytes;
    bool read_only;

    /* Guards the next block; a leaf, never held over I/O. */
    pthread_mutex_t lock;
    uint64_t first, next;  /* segment numbers kept: [first, next) */
    uint64_t end, durable; /* addresses */
    int failed;            /* sticky negative errno value, 0 = sound (R20) */
    /* File of segment next - 1, or NULL. The appender replaces it; it is closed by the syncer
     * (through `unsynced`) and by close only, so the syncer may use it without the lock. */
    struct gw_file *tail;
    /* Trimmed segments that become new ones: their space is allocated, their pages are warm. */
    uint64_t spare[JOURNAL_SPARES_MAX];
    unsigned n_spares;
    /* Newest first. The appender puts one in front, the syncer takes a rest of the list off. */
    struct journal_unsynced *unsynced;

    /* The reader's own, and trim's, which runs alone. */
    struct gw_file *read_file;
    uint64_t read_segment; /* of read_file */
    uint64_t read_limit;   /* where its batches end; 0 = not known, it had no successor yet */
};

struct journal_header { /* of a batch */
    struct gw_journal_batch batch;
    uint64_t synced; /* address known durable when it was written */
};

static inline uint64_t journal_segment_of(uint64_t address)
{
    return address / GW_SEGMENT_BYTES;
}

/* Address of the first batch of a segment. */
static inline uint64_t journal_segment_start(uint64_t number)
{
    return number * GW_SEGMENT_BYTES + GW_JOURNAL_SEGMENT_HEADER_BYTES;
}

/* An address inside a segment header means the first batch after it. */
static inline uint64_t journal_address_normal(uint64_t address)
{
    uint64_t start = journal_segment_start(journal_segment_of(address));
    return address < start ? start : address;
}

/* journal_format.c */

#define JOURNAL_NAME_DIGITS 16
void journal_segment_path(const char *dir, uint64_t number, char ret[JOURNAL_PATH_MAX]);
/* False if it is not the name of a segment. */
bool journal_segment_number(const char *name, uint64_t *ret);

struct journal_segment {   /* what its header says beside its place */
    uint64_t previous_end; /* address where the batches before this segment end */
    bool recycled;         /* past its last batch it need not read as zeros */
};

/* `<number>.spare` */
void journal_spare_path(const char *dir, uint64_t number, char ret[JOURNAL_PATH_MAX]);
bool journal_spare_number(const char *name, uint64_t *ret);

/* Create segment `number` durably, out of the spare of that number unless it is NULL (it is gone
 * then, also after a failure). `previous_end`: where the batches before it end. */
int journal_segment_make(struct gw_journal *j, uint64_t number, uint64_t previous_end,
                         const uint64_t *spare, struct gw_file **ret, struct gw_error *err);
/* Open and check the header; -EBADMSG with a sentence if it is damaged or another plan's. */
int journal_segment_open(struct gw_io *io, const char *dir, const struct gw_uuid *plan,
                         uint64_t number, bool read_only, struct gw_file **ret,
                         struct journal_segment *ret_segment, struct gw_error *err);

void journal_header_encode(const struct journal_header *h, uint64_t address,
                           const struct gw_uuid *plan, uint8_t ret[GW_JOURNAL_BATCH_HEADER_BYTES]);
/* Pure; false if it is not a batch header written for this address. */
bool journal_header_decode(const uint8_t data[GW_JOURNAL_BATCH_HEADER_BYTES], uint64_t address,
                           const struct gw_uuid *plan, struct journal_header *ret);
/* Pure: could a batch look like this at all? */
bool journal_batch_shape_ok(const struct gw_journal_batch *b);
/* Pure: do the lengths, the count and the first and last seq of the records agree with the batch?
 * Nothing is hashed. The appender asks as well, so that nothing is written that recovery refuses.
 */
bool journal_records_match(const uint8_t *records, const struct gw_journal_batch *b);
