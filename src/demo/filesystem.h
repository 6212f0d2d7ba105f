// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * An ext4 filesystem in an image, made, changed and read with the tools of e2fsprogs, so that
 * nobody needs to be root and nothing is mounted.
 */
#pragma once

#include "demo/process.h"

#include <stdbool.h>
#include <stdint.h>

/* mke2fs -d: the filesystem holds a copy of `tree`. `image` is made, sparse. */
int filesystem_make(struct processes *ps, const char *tree, const char *image, uint64_t bytes,
                    struct gw_error *err);
/* debugfs -w: run the script of files_do_work on the image. */
int filesystem_edit(struct processes *ps, const char *image, const char *script,
                    struct gw_error *err);
/* Copy one file out of the image. */
int filesystem_get(struct processes *ps, const char *image, const char *name, const char *to,
                   struct gw_error *err);

/* Write the checksums of all files in `tree` to `sums`, as sha256sum does. */
int filesystem_sums(struct processes *ps, const char *tree, const char *sums, struct gw_error *err);

struct filesystem_verdict {
    bool clean;      /* e2fsck -fn found nothing */
    bool whole;      /* every file of the list is there with its checksum, and no other */
    uint64_t files;  /* found */
    char words[256]; /* what is wrong, if anything is */
};
/* e2fsck -fn, then every file is copied out and compared with `sums`. */
int filesystem_check(struct processes *ps, const char *image, const char *sums,
                     struct filesystem_verdict *ret, struct gw_error *err);
