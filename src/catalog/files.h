// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Files that are replaced as a whole, and moved. Used inside the catalog only. */
#pragma once

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

#define GW_PATH_BYTES 4096

/* DIR/NAME; -ENAMETOOLONG. */
int gw_path_join(char ret[GW_PATH_BYTES], const char *dir, const char *name, struct gw_error *err);
/* NAMESUFFIX; -ENAMETOOLONG. */
int gw_path_add(char ret[GW_PATH_BYTES], const char *path, const char *suffix,
                struct gw_error *err);
/* Make the names in the directory of `path` durable. */
int gw_sync_dir_of(const char *path, struct gw_error *err);
/* Replace `path`: temp file, fdatasync, rename, sync of the directory. */
int gw_file_replace(const char *path, const void *data, size_t len, struct gw_error *err);
/* An empty file of mode 0600 in place of whatever had this name. */
int gw_file_fresh(const char *path, struct gw_error *err);
/* Durable content. */
int gw_file_sync(const char *path, struct gw_error *err);
/* Rename durably. -EEXIST: there is something called `to` and `replace` is false. */
int gw_file_move(const char *from, const char *to, bool replace, struct gw_error *err);
