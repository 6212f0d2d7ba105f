// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Contents of volumes: read and changed through an export, and compared as raw images. */
#pragma once

#include "demo/process.h"

#include <stdbool.h>
#include <stdint.h>

#define VOLUME_BLOCK_BYTES 4096u

/* nbdcopy: the export as it is now into a sparse file. */
int volume_read(struct processes *ps, const char *socket, const char *export, const char *file,
                struct gw_error *err);
/*
 * Write the blocks in which `after` differs from `before` to the export, and flush: what a mounted
 * filesystem does in the end. `before` is what the export holds.
 */
int volume_change(const char *socket, const char *export, const char *before, const char *after,
                  uint64_t *ret_blocks, struct gw_error *err);

/* Blocks in which two images of one size differ. */
int volume_compare(const char *a, const char *b, uint64_t *ret_differing, struct gw_error *err);
/* cp: holes stay holes. */
int volume_copy(struct processes *ps, const char *from, const char *to, struct gw_error *err);
/* Put the ranges of one volume of an exported tail (ranges.txt, VOLUME.tail) over an image. */
int volume_overlay(const char *image, const char *tail_dir, const char *volume, uint64_t *ret_bytes,
                   struct gw_error *err);
