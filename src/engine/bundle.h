// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Bundles: directories that a manifest makes complete (`DIR/undo/<id>`, `DIR/points/<id>`).
 *
 * What undo files and recovery points have in common: ids that are safe as names, paths, the
 * envelope and the volume table of a manifest, and removing what a crash left half made.
 *
 * A bundle is complete if and only if it holds `manifest`, which is written last of all when it is
 * made. A directory without one is a leftover; gw_bundle_sweep removes it.
 *
 * Envelope of a manifest, little endian: magic (8 bytes), u32 format, u32 length of everything,
 * fields, u64 XXH3 of all before.
 *
 * Threads: none of its own.
 */
#pragma once

#include "base/bytes.h"
#include "base/error.h"
#include "engine/io.h"
#include "engine/verdict.h"

#include <limits.h>

#define GW_BUNDLE_MANIFEST "manifest"
#define GW_BUNDLE_MAGIC_BYTES 8u
#define GW_UNDO_MAGIC "GWUNDO\0\1"
#define GW_POINT_MAGIC "GWPOINT\1"

/* 1-63 of [A-Za-z0-9._-], not starting with a dot: safe as the name of a directory. */
bool gw_bundle_id_ok(const char *id);
/* The same as a sentence; `what` is "an undo file" or "a recovery point". 0 or -EINVAL. */
int gw_bundle_id_check(const char *what, const char *id, struct gw_error *err);

struct gw_path {
    char text[PATH_MAX];
};
/* -ENAMETOOLONG with a sentence if it does not fit. */
int gw_path(struct gw_path *ret, struct gw_error *err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* All names of a directory, taken at once, so that it may be changed while they are walked. */
struct gw_names {
    char **name;
    size_t n;
};
/* A directory that is not there has no names. Free with gw_names_done. */
int gw_names_list(struct gw_io *io, const char *path, struct gw_names *ret, struct gw_error *err);
void gw_names_done(struct gw_names *names);
#define CLEANUP_NAMES __attribute__((cleanup(gw_names_done)))

/* Is there a file of this name? 1, 0 or a negative errno value. */
int gw_file_exists(struct gw_io *io, const char *path);
/* mkdir of a bundle; its name is durable before anything is put into it, so that what a crash
 * leaves behind can be found. -EEXIST if it is there. */
int gw_bundle_make_dir(struct gw_io *io, const char *parent, const char *path,
                       struct gw_error *err);
/* mkdir of DIR/<kind> if it is not there, durable in DIR. */
int gw_bundle_make_parent(struct gw_io *io, const char *dir, const char *kind,
                          struct gw_error *err);
/*
 * Remove every file of the flat directory `path`, then the directory. `before`, if not NULL, is
 * called with the path of each file first (to lift its protection). The caller syncs the parent.
 */
int gw_bundle_remove_dir(struct gw_io *io, const char *path,
                         void (*before)(struct gw_io *io, const char *path), struct gw_error *err);
/* Remove the bundles of DIR/<kind> that have no manifest; names that are no ids are left alone. */
int gw_bundle_sweep(struct gw_io *io, const char *dir, const char *kind,
                    void (*before)(struct gw_io *io, const char *path), struct gw_error *err);

/* Envelope: begin, put the fields, end. End returns the bytes used, or 0 if it did not fit. */
struct gw_writer gw_bundle_begin(uint8_t *buf, size_t cap, const char *magic);
size_t gw_bundle_end(struct gw_writer *w);
/* True if magic, format, length and checksum are right; *ret then reads the fields. */
bool gw_bundle_check(const uint8_t *buf, size_t len, const char *magic, struct gw_reader *ret);
/*
 * Read DIR/<kind>/<id>/manifest into new memory (*ret freed by the caller). Says what is wrong if
 * it is missing (-ENOENT), from a newer godwit (-EPROTONOSUPPORT) or damaged (-EBADMSG).
 */
int gw_bundle_read(struct gw_io *io, const char *dir, const char *kind, const char *id,
                   const char *magic, size_t max, uint8_t **ret, size_t *ret_len,
                   struct gw_error *err);

/* Volume names become file names: not empty, no slash, not starting with a dot, none twice. */
bool gw_volumes_ok(const struct gw_side_volume *v, uint32_t n);
void gw_volumes_put(struct gw_writer *w, const struct gw_side_volume *v, uint32_t n);
/* Fails the reader unless gw_volumes_ok. */
void gw_volumes_get(struct gw_reader *r, struct gw_side_volume *ret, uint32_t *ret_n);
