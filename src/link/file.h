// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Small files that hold state: read, and replaced as a whole. Inside of this folder. */
#pragma once

#include "base/error.h"

#include <stddef.h>
#include <sys/types.h>

#define GW_LINK_FILE_BYTES_MAX 65536u

/* The whole file with a NUL behind it, to be freed. -ENOENT; -EFBIG. */
int gw_link_file_read(const char *path, char **ret, size_t *ret_len, struct gw_error *err);
/* Temp file beside it, fdatasync, rename, sync of the directory. A crash leaves the old or the new
 * one. */
int gw_link_file_replace(const char *path, mode_t mode, const char *data, size_t len,
                         struct gw_error *err);
/* Remove, durably. A file that is not there is fine. */
int gw_link_file_remove(const char *path, struct gw_error *err);
