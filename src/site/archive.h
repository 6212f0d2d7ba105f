// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The file of a backup: a POSIX tar (`tar tvf` lists it) whose last member, MANIFEST, is one JSON
 * object with the SHA-256 and length of every other member. A file without it is cut off.
 *
 *     site_archive_begin(path, &a, err)        PATH.new, mode 0600
 *     site_archive_add(a, "site.key", ...)     any number
 *     site_archive_end(a, head, err)           MANIFEST, durable, then it is called PATH
 *     site_archive_free(a)                     not ended: PATH.new goes away
 *
 * What is read is believed only as far as it was checked: names of a fixed form, plain files, no
 * member twice, lengths within limits, hashes of the manifest. Nothing is written outside of the
 * directory that is given.
 *
 * Threads: an archive belongs to one; the rest has no state.
 */
#pragma once

#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SITE_ARCHIVE_BLOCK 512u
#define SITE_ARCHIVE_NAME_MAX 100 /* with the NUL */
#define SITE_ARCHIVE_MEMBERS_MAX 256u
#define SITE_ARCHIVE_BYTES_MAX (4ull << 30) /* of a member */
#define SITE_ARCHIVE_MANIFEST "MANIFEST"

struct site_archive;

/* -EEXIST: there is something called `path`. */
int site_archive_begin(const char *path, struct site_archive **ret, struct gw_error *err);
int site_archive_add(struct site_archive *a, const char *name, const void *bytes, size_t len,
                     struct gw_error *err);
int site_archive_add_file(struct site_archive *a, const char *name, const char *path,
                          struct gw_error *err);
/* `head` (taken over) becomes the manifest, with the members added. */
int site_archive_end(struct site_archive *a, json_t *head, struct gw_error *err);
void site_archive_free(struct site_archive *a); /* NULL is fine */

/*
 * Check the archive `file` whole and put its members into `dir`, which exists and is empty; peers/
 * is made in it. Each file is durable. *ret_manifest is new. -EBADMSG: it is not a backup, or was
 * damaged; the sentence says where. Members may lie in `dir` after an error.
 */
int site_archive_extract(const char *file, const char *dir, json_t **ret_manifest,
                         struct gw_error *err);

/* ---- the pure parts ---- */

struct site_archive_member {
    char name[SITE_ARCHIVE_NAME_MAX];
    uint64_t bytes;
};
/* "catalog.db", "peers/lisbon.pem": letters, digits, "._-", one folder at most, which is peers. */
bool site_archive_name_valid(const char *name);
void site_archive_header_write(const struct site_archive_member *m,
                               uint8_t ret[SITE_ARCHIVE_BLOCK]);
/* 1: a member; 0: the end (a block of zeros); -EBADMSG. */
int site_archive_header_read(const uint8_t block[SITE_ARCHIVE_BLOCK],
                             struct site_archive_member *ret, struct gw_error *err);
