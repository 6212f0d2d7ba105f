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
 *     data        appended entries: {magic u32 "GWU1", volume u16, kind u16, content bytes u32,
 *                 pad u32, block u64, XXH3 of the stored content (seed: block), XXH3 of the 32
 *                 bytes before (seed: of this undo file, plus the offset)} = 40 bytes, then the
 *                 content, padded to 8. All-zero content is stored as 0 bytes. Kind 0 is a block;
 *                 kind 1 a mark {volume 0, no content, block = its own offset}: it is written
 *                 after a sync succeeded and says that all before it was durable.
 *     own-<i>     the target's own set of volume i before the union (gw_dirtymap_save_copy)
 *     done        present when the resync finished (FIN adopted): the image moved on
 *
 * First image wins: a block that is in the file is not stored again, also over resumed attempts
 * (R16). A torn entry at the end (no mark follows it) is cut off at open, with what lies behind it:
 * their blocks were not overwritten yet.
 * A damaged entry before a mark was durable once, so its block may have been overwritten: opening
 * to go on fails with -EBADMSG, file and offset, because the index would miss that block and could
 * take half-copied content for old (R16). Opened read-only the rest stays readable, and
 * gw_undo_damage tells.
 *
 *     gw_undo_create(io, dir, id, &manifest, err);      once, before the resync
 *     gw_undo_open(io, dir, id, false, &u, &m, err);    at every attempt
 *     for each batch of records:
 *         if (!gw_undo_has(u, v, b)) gw_undo_save(u, v, b, old, len, err);
 *         gw_undo_sync(u, err);                         always: costs nothing if nothing is queued
 *         overwrite
 *     gw_undo_finish(io, dir, id, err);                 at FIN
 *
 * The names of the volumes become names of files: not empty, no slash, not starting with a dot, not
 * twice the same; anything else does not encode.
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
    struct gw_uuid source; /* incarnation that heals us */
    uint64_t fork_seq;     /* where the image left the source's lineage */
    uint64_t reigns;       /* gw_meta.reigns at creation */
    bool diverged;         /* the verdict said DIVERGED: there is a tail */
    char signed_by[GW_PERSON_MAX];
    uint64_t signed_wall_ns;
    uint32_t n_volumes;
    struct gw_side_volume volume[GW_VOLUMES_MAX];
};

/* Durable (directories included) when it returns 0; data is empty. -EEXIST if it is there.
 * Removes what crashed creates and removes have left behind. Crash point undo.create. */
int gw_undo_create(struct gw_io *io, const char *dir, const char *id,
                   const struct gw_undo_manifest *m, struct gw_error *err);
/* Opens, verifies and indexes what is there (reads it all). read_only: a torn tail is ignored, not
 * cut; else what it found is durable when it returns. */
int gw_undo_open(struct gw_io *io, const char *dir, const char *id, bool read_only,
                 struct gw_undo **ret, struct gw_undo_manifest *ret_manifest, struct gw_error *err);
void gw_undo_close(struct gw_undo *u);

/* 0, or -EBADMSG with the sentence: rolling back would not give a consistent image. */
int gw_undo_damage(const struct gw_undo *u, struct gw_error *err);
/* *err says why the undo file of an unfinished resync cannot be opened. If it is lost, the sentence
 * gets the way out: the site is made anew. Returns err->code. */
int gw_undo_way_out(const char *site, const char *peer, struct gw_error *err);

/* Stored or queued. */
bool gw_undo_has(const struct gw_undo *u, unsigned volume, uint64_t block);
/* Queue one old block; len is GW_BLOCK_BYTES, or less for the last block of an odd volume. A block
 * that gw_undo_has is left as it is (first image wins). */
int gw_undo_save(struct gw_undo *u, unsigned volume, uint64_t block, const uint8_t *content,
                 size_t len, struct gw_error *err);
/* Everything queued is durable when it returns 0. Only then may the blocks be overwritten.
 * Failure (of a save, too) is sticky: every later save and sync fails, also with nothing queued;
 * close and open again. Crash points undo.sync.before, undo.sync.after. */
int gw_undo_sync(struct gw_undo *u, struct gw_error *err);

uint64_t gw_undo_blocks(const struct gw_undo *u);
uint64_t gw_undo_file_bytes(const struct gw_undo *u);
/*
 * In file order; content (len bytes, zeros spelled out) is valid during the call; a non-zero result
 * of fn ends it and is returned. Includes what is queued. With damage everything sound is visited,
 * then -EBADMSG is returned: ask gw_undo_damage before volumes are changed.
 */
int gw_undo_each(struct gw_undo *u,
                 int (*fn)(void *arg, unsigned volume, uint64_t block, const uint8_t *content,
                           size_t len, struct gw_error *err),
                 void *arg, struct gw_error *err);

/* FIN was adopted: mark done, durably. Idempotent. Crash point undo.finish. */
int gw_undo_finish(struct gw_io *io, const char *dir, const char *id, struct gw_error *err);
bool gw_undo_is_finished(struct gw_io *io, const char *dir, const char *id);
/* Remove it all; the manifest goes last (but for `done`), so that a crash leaves something that is
 * still listed and can be removed again. -ENOENT if there is nothing. */
int gw_undo_remove(struct gw_io *io, const char *dir, const char *id, struct gw_error *err);
/* Ids (with a manifest) in no order. fn may remove the one it is given; a non-zero result of fn
 * ends it and is returned. */
int gw_undo_list(struct gw_io *io, const char *dir, int (*fn)(void *arg, const char *id), void *arg,
                 struct gw_error *err);

/* Manifest codec, pure (fuzzed). Encode returns bytes or 0. */
#define GW_UNDO_MANIFEST_BYTES_MAX 16384u
size_t gw_undo_manifest_encode(const struct gw_undo_manifest *m, uint8_t *buf, size_t cap);
bool gw_undo_manifest_decode(const uint8_t *buf, size_t len, struct gw_undo_manifest *ret);
