// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The undo file of a resync: the old content of every block that the resync overwrites, durable
 * before the overwrite. It restores the target's last consistent state, and it *is* the kept
 * divergent tail.
 *
 * `DIR/undo/<id>/`:
 *     manifest    what the image was: lineage, seq, chain, times, the source that healed it;
 *                 written as a whole (temp, sync, rename, sync_dir) when the undo is created
 *     data        appended entries: {magic u32 "GWU1", volume u16, pad, content bytes u32, pad,
 *                 block u64, XXH3 of the content (seed: block), XXH3 of the 32 bytes before} =
 *                 40 bytes, then the content, padded to 8. All-zero content is stored as 0 bytes.
 *     own-<i>     the target's own set of volume i before the union (gw_dirtymap_save_copy)
 *     done        present when the resync finished (FIN adopted): the image moved on
 *
 * First image wins: a block that is in the file is not stored again, also over resumed attempts
 * (R16). A torn entry at the end is cut off at open: its block was not overwritten yet.
 * A damaged entry before the end: -EBADMSG with file and offset; the rest stays readable.
 *
 * Threads: none; one user (the applier).
 */
#pragma once

#include "engine/io.h"
#include "engine/meta.h"

struct gw_undo;

struct gw_undo_manifest {
    struct gw_lineage lineage; /* of the image that is being overwritten */
    uint64_t seq, chain;
    uint64_t wall_ns;
    struct gw_uuid source;      /* incarnation that heals us */
    uint64_t fork_seq;          /* where the image left the source's lineage */
    uint64_t reigns;            /* gw_meta.reigns at creation */
    bool diverged;              /* the verdict said DIVERGED: there is a tail */
    char signed_by[GW_PERSON_MAX];
    uint64_t signed_wall_ns;
    uint32_t n_volumes;
    struct gw_side_volume volume[GW_VOLUMES_MAX];
};

/* Durable (directories included) when it returns 0; data is empty. */
int gw_undo_create(struct gw_io *io, const char *dir, const char *id,
                   const struct gw_undo_manifest *m, struct gw_error *err);
/* Opens, verifies and indexes what is there. read_only: a torn tail is ignored, not cut. */
int gw_undo_open(struct gw_io *io, const char *dir, const char *id, bool read_only,
                 struct gw_undo **ret, struct gw_undo_manifest *ret_manifest, struct gw_error *err);
void gw_undo_close(struct gw_undo *u);

bool gw_undo_has(const struct gw_undo *u, unsigned volume, uint64_t block);
/* Queue one old block; len is GW_BLOCK_BYTES, or less for the last block of an odd volume. */
int gw_undo_save(struct gw_undo *u, unsigned volume, uint64_t block, const uint8_t *content,
                 size_t len, struct gw_error *err);
/* Everything queued is durable when it returns 0. Only then may the blocks be overwritten.
 * Failure is sticky. Crash points undo.sync.before, undo.sync.after. */
int gw_undo_sync(struct gw_undo *u, struct gw_error *err);

uint64_t gw_undo_blocks(const struct gw_undo *u);
uint64_t gw_undo_file_bytes(const struct gw_undo *u);
/* In file order; content is valid during the call; a non-zero result of fn ends it. */
int gw_undo_each(struct gw_undo *u,
                 int (*fn)(void *arg, unsigned volume, uint64_t block, const uint8_t *content,
                           size_t len, struct gw_error *err),
                 void *arg, struct gw_error *err);

/* FIN was adopted: mark done, durably. Idempotent. */
int gw_undo_finish(struct gw_io *io, const char *dir, const char *id, struct gw_error *err);
bool gw_undo_is_finished(struct gw_io *io, const char *dir, const char *id);
/* Remove it all; the manifest goes last, so that a crash leaves something recognisable. */
int gw_undo_remove(struct gw_io *io, const char *dir, const char *id, struct gw_error *err);
/* Ids in no order. */
int gw_undo_list(struct gw_io *io, const char *dir, int (*fn)(void *arg, const char *id), void *arg,
                 struct gw_error *err);

/* Manifest codec, pure (fuzzed). Encode returns bytes or 0. */
#define GW_UNDO_MANIFEST_BYTES_MAX 16384u
size_t gw_undo_manifest_encode(const struct gw_undo_manifest *m, uint8_t *buf, size_t cap);
bool gw_undo_manifest_decode(const uint8_t *buf, size_t len, struct gw_undo_manifest *ret);
