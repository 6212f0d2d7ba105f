// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Recovery points: consistent copies of all volumes of a plan at one seq, `DIR/points/<id>/`.
 *
 *     manifest       what it is: id, tag, lineage, seq, chain, journal address, reigns, times,
 *                    kind, volumes; written last of all (temp, sync, rename, sync_dir): a directory
 *                    without one is a half-made point and is removed at the next create
 *     <volume>.img   the copy: instant by FICLONE where the filesystem can, else a sparse copy
 *     hashes         16 bytes XXH3-128 (seed 0) per 1 MiB chunk of each volume in order, made by
 *                    gw_point_hash (reads all data; not in the path of replication). A header page
 *                    {magic "GWHASH\0\1", u32 format, u32 chunk bytes, u64 chunks, id text, zeros,
 *                    XXH3 of all before}, then pages of 255 hashes {u64 lo, u64 hi}, u64 page
 *                    number, XXH3 of all before; 4 KiB each
 *
 * The names of the volumes become names of files: not empty, no slash, not starting with a dot, not
 * twice the same; anything else is refused.
 *
 * Threads: none of its own; one user at a time creates and removes in one plan directory.
 *
 * The caller stops the applier between two records and has fdatasynced the volumes (R15: only a
 * consistent image whose journal is replayed). Free space is checked first: a point that does not
 * leave `reserve` bytes is refused with the numbers.
 * When the images are durable and every writable descriptor is closed they are made read-only (mode
 * 0400) and, where permitted, immutable; then the manifest is written. That is a guard rail against
 * accidents, not against root; a volume with a point is never reached through the point's files.
 */
#pragma once

#include "engine/io.h"
#include "engine/meta.h"

enum gw_point_kind {
    GW_POINT_CLONE = 1, /* shares blocks with the volume */
    GW_POINT_COPY = 2,  /* sparse copy: costs the space of the data */
    GW_POINT_KIND_MAX,
};

enum gw_point_how {
    GW_POINT_AUTO,       /* clone if it can be, else copy */
    GW_POINT_CLONE_ONLY, /* fail rather than copy */
};

struct gw_point {
    char id[GW_ID_MAX];
    char tag[GW_ID_MAX];
    enum gw_point_kind kind;
    struct gw_lineage lineage;
    uint64_t seq, chain, journal_pos, reigns;
    uint64_t wall_ns;
    uint32_t n_volumes;
    struct gw_side_volume volume[GW_VOLUMES_MAX];
};

struct gw_point_cost {
    enum gw_point_kind kind;
    uint64_t copy_bytes; /* data that a copy would write; 0 for a clone */
    uint64_t free_bytes;
};

/* What making a point now would cost: really tries to clone each volume into the points directory
 * (the probe is removed again) and counts the data of those that would have to be copied. */
int gw_point_cost(struct gw_io *io, const char *dir, const struct gw_meta *m,
                  struct gw_file *const *volumes, struct gw_point_cost *ret, struct gw_error *err);

/*
 * Make a point of the volumes that there are. p->id, tag, lineage, seq, chain, journal_pos, reigns,
 * wall_ns, volumes are the caller's; kind is filled (COPY if any volume had to be copied). Ids are
 * 1-63 of [A-Za-z0-9._-], not starting with a dot. Half-made points, also one that fails here, are
 * removed. -EEXIST: the id is taken; -ENOSPC: it would not leave `reserve`; -EOPNOTSUPP: CLONE_ONLY
 * and no clone is possible. Crash points point.cloned, point.synced, point.done.
 */
int gw_point_create(struct gw_io *io, const char *dir, struct gw_file *const *volumes,
                    enum gw_point_how how, uint64_t reserve, struct gw_point *p,
                    struct gw_error *err);
int gw_point_load(struct gw_io *io, const char *dir, const char *id, struct gw_point *ret,
                  struct gw_error *err);
/* Complete points only, oldest first. fn may remove the one it is given; a non-zero result of fn
 * ends it and is returned. A damaged manifest does not hide the others: all sound ones are visited,
 * then its error is returned. */
int gw_point_list(struct gw_io *io, const char *dir, int (*fn)(void *arg, const struct gw_point *p),
                  void *arg, struct gw_error *err);
/* The manifest goes first, so that a crash leaves a half-made point, never one without images.
 * -ENOENT if there is nothing. */
int gw_point_remove(struct gw_io *io, const char *dir, const char *id, struct gw_error *err);
/* Open image i of a point for reading. */
int gw_point_open_volume(struct gw_io *io, const char *dir, const struct gw_point *p, unsigned i,
                         struct gw_file **ret, struct gw_error *err);
/*
 * gw_point_hash computes and stores the hashes; hashes that are there are kept, without reading
 * (a later damage must not be blessed). gw_point_check compares with the stored ones: -EBADMSG
 * names volume and offset; -ENOENT: none were stored.
 */
int gw_point_hash(struct gw_io *io, const char *dir, const struct gw_point *p,
                  struct gw_error *err);
int gw_point_check(struct gw_io *io, const char *dir, const struct gw_point *p,
                   struct gw_error *err);

/* Copy the data of [0, bytes) of src to dst, holes and blocks of zeros as holes; dst reads as zeros
 * there already if `dst_is_new`, else they are zeroed. A dst that is shorter grows. Not durable
 * until the caller's datasync. Shared with full restores. */
int gw_copy_sparse(struct gw_file *dst, struct gw_file *src, uint64_t bytes, bool dst_is_new,
                   struct gw_error *err);

#define GW_POINT_MANIFEST_BYTES_MAX 16384u
size_t gw_point_encode(const struct gw_point *p, uint8_t *buf, size_t cap);
bool gw_point_decode(const uint8_t *buf, size_t len, struct gw_point *ret);
