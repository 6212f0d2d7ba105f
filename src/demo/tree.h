// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Directories of files on this machine. */
#pragma once

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

/* Regular files below path, and their bytes. */
int tree_count(const char *path, uint64_t *ret_files, uint64_t *ret_bytes, struct gw_error *err);
/* With all that is in it; nothing if it does not exist. Follows no link. */
int tree_remove(const char *path, struct gw_error *err);
/* mkdir -p, private (0700). */
int tree_make(const char *path, struct gw_error *err);
bool tree_is_empty(const char *path);
