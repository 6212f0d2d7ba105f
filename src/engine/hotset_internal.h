// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Inside of the hot set: hotset.c (states of extents), hotset_table.c (the extents in memory) and
 * hotset_file.c (blocks, creation, recovery).
 *
 * An extent's key is what an entry of a block holds: extent << 16 | volume.
 */
#pragma once

#include "engine/hotset.h"

#define GW_HOT_FORMAT 1u
#define GW_HOT_FILE_BYTES ((uint64_t)GW_HOT_SLOTS * GW_HOT_SLOT_BLOCKS * GW_HOT_BLOCK_BYTES)
#define GW_HOT_LIVE_MAX (2u * GW_HOT_EXTENTS_PER_GENERATION)
#define GW_HOT_TXN_BLOCKS 32u /* one transaction: a write of 16 KiB at most */
#define GW_HOT_TXN_ENTRIES (GW_HOT_TXN_BLOCKS * GW_HOT_ENTRIES_PER_BLOCK)

/* ---- hotset_table.c -------------------------------------------------------------------------- */

enum gw_hot_want {
    GW_HOT_IDLE,
    GW_HOT_WAITING, /* asked for; has no room yet */
    GW_HOT_QUEUED,  /* has room in the current generation; the next transaction takes it */
    GW_HOT_WRITING, /* in the running transaction */
};

struct gw_hot_entry {
    uint64_t key;
    bool current, previous; /* durable in that generation */
    enum gw_hot_want want;
};

struct gw_hot_table {
    struct gw_hot_entry *e; /* open addressing; GW_HOT_NO_KEY: free */
    uint64_t room, n;       /* room: a power of two */
};

#define GW_HOT_NO_KEY UINT64_MAX

void gw_hot_table_init(struct gw_hot_table *t);
void gw_hot_table_done(struct gw_hot_table *t);
void gw_hot_table_clear(struct gw_hot_table *t);
/* NULL if it is not there. Pointers live until the next add, sweep or clear. */
struct gw_hot_entry *gw_hot_table_find(const struct gw_hot_table *t, uint64_t key);
struct gw_hot_entry *gw_hot_table_add(struct gw_hot_table *t, uint64_t key);
/* Drop what is in no generation and wanted by nobody. */
void gw_hot_table_sweep(struct gw_hot_table *t);

struct gw_hot_keys { /* first in, first out */
    uint64_t *key;
    uint64_t n, room;
};

void gw_hot_keys_push(struct gw_hot_keys *k, uint64_t key);
void gw_hot_keys_drop(struct gw_hot_keys *k, uint64_t n); /* the first n */

/* ---- hotset_file.c --------------------------------------------------------------------------- */

struct gw_hot_block {
    uint64_t generation, txn;
    uint64_t oldest;     /* live generation */
    uint64_t oldest_txn; /* its first block: from there on none may be missing ... */
    uint64_t batch_txn;  /* ... but of the last transaction, which began here */
    struct gw_uuid cleared_uuid;
    uint64_t cleared_seq;
    uint64_t plan_hash;
    uint16_t index; /* in its slot */
    uint16_t count;
    uint64_t key[GW_HOT_ENTRIES_PER_BLOCK];
};

/* 1: good; 0: all zeros; -EBADMSG: damaged; -ENOTSUP: sound, of a newer format. Pure. */
int gw_hot_block_decode(const uint8_t *data, struct gw_hot_block *ret);
void gw_hot_block_encode(const struct gw_hot_block *b, uint8_t *data);
uint64_t gw_hot_block_offset(uint64_t generation, unsigned index);
uint64_t gw_hot_plan_hash(const struct gw_uuid *plan);

struct gw_hot_found {
    bool unknown;
    uint64_t generation, txn; /* the highest seen; new ones go above */
    struct gw_uuid cleared_uuid;
    uint64_t cleared_seq;
    struct gw_hot_keys keys; /* the caller frees keys.key */
};

int gw_hot_recover(struct gw_file *file, const struct gw_uuid *plan, unsigned n_volumes,
                   const uint64_t *extents, struct gw_hot_found *ret, struct gw_error *err);
/* Zeros over the whole file, durable. */
int gw_hot_wipe(struct gw_file *file, struct gw_error *err);

/* ---- hotset.c -------------------------------------------------------------------------------- */

/* One append: everything its write needs, so that the write looks at nothing else. */
struct gw_hot_txn {
    struct gw_hot_block head; /* of its first block, without entries */
    unsigned blocks;          /* 0: none is running */
    uint64_t n;
    uint64_t key[GW_HOT_TXN_ENTRIES];
};

struct gw_hotset {
    struct gw_io *io;
    struct gw_file *file;
    char *path;
    uint64_t plan_hash;
    bool read_only, failed;
    bool forget_due;    /* something was recovered: nothing new before forget() */
    bool wipe_due;      /* ... and the file is damaged */
    uint64_t recovered; /* extents, until forget() */

    struct gw_hot_table table;
    struct gw_hot_keys queue;   /* QUEUED, in order */
    struct gw_hot_keys waiting; /* WAITING, in order */
    uint64_t n_current;         /* entries durable in the current generation */
    uint64_t n_cold;            /* of the current one, with the queued: were in none before */
    uint64_t n_live;            /* distinct extents of both generations */
    uint64_t n_uncarried; /* of the previous one, promised to a writer, not yet in the current */

    uint64_t generation; /* the current one */
    unsigned index;      /* its next block */
    uint64_t first_txn;  /* its first block; valid if index > 0 */
    uint64_t next_txn;
    bool has_previous;
    uint64_t previous_txn; /* first block of the previous generation */
    bool retire_due;       /* a retirement is not in the log yet */
    struct gw_uuid cleared_uuid;
    uint64_t cleared_seq;

    struct gw_hot_txn txn;
};
