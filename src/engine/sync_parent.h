// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Make a name durable: sync_dir of the directory that `path` is in. 0 or a negative errno value. */
#pragma once

#include "engine/io.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

static inline int gw_io_sync_parent(struct gw_io *io, const char *path)
{
    const char *slash = strrchr(path, '/');
    char dir[PATH_MAX];
    if (!slash)
        return gw_io_sync_dir(io, ".");
    if (slash == path)
        return gw_io_sync_dir(io, "/");
    if ((size_t)(slash - path) >= sizeof dir)
        return -ENAMETOOLONG;
    memcpy(dir, path, (size_t)(slash - path));
    dir[slash - path] = '\0';
    return gw_io_sync_dir(io, dir);
}
