// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "demo/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fts.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* fts_open wants its list not const and does not change it. */
static FTS *walk(const char *path)
{
    union {
        const char *given;
        char *wanted;
    } root = { .given = path };
    char *const list[] = { root.wanted, NULL };
    return fts_open(list, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
}

int tree_count(const char *path, uint64_t *ret_files, uint64_t *ret_bytes, struct gw_error *err)
{
    uint64_t files = 0, bytes = 0;
    FTS *w = walk(path);
    if (w == NULL)
        return gw_error_errno(err, -errno, "cannot read \"%s\"", path);
    for (FTSENT *e; (e = fts_read(w)) != NULL;) {
        if (e->fts_info != FTS_F)
            continue;
        files++;
        bytes += (uint64_t)e->fts_statp->st_size;
    }
    fts_close(w);
    *ret_files = files;
    *ret_bytes = bytes;
    return 0;
}

int tree_remove(const char *path, struct gw_error *err)
{
    struct stat st;
    if (lstat(path, &st) < 0 && errno == ENOENT)
        return 0;
    FTS *w = walk(path);
    if (w == NULL)
        return gw_error_errno(err, -errno, "cannot remove \"%s\"", path);
    int r = 0;
    for (FTSENT *e; (e = fts_read(w)) != NULL;) {
        bool enter = e->fts_info == FTS_D;
        bool leave = e->fts_info == FTS_DP || e->fts_info == FTS_DNR;
        if (enter) /* a directory copied out of a volume may not be ours to search */
            chmod(e->fts_accpath, 0700);
        else if ((leave ? rmdir(e->fts_accpath) : unlink(e->fts_accpath)) < 0 && r == 0)
            r = gw_error_errno(err, -errno, "cannot remove \"%s\"", e->fts_path);
    }
    fts_close(w);
    return r;
}

int tree_make(const char *path, struct gw_error *err)
{
    char part[PATH_MAX];
    if (snprintf(part, sizeof part, "%s", path) >= (int)sizeof part)
        return gw_error_set(err, -ENAMETOOLONG, "the path \"%s\" is too long", path);
    for (char *slash = strchr(part + 1, '/');; slash = strchr(slash + 1, '/')) {
        if (slash != NULL)
            *slash = '\0';
        if (mkdir(part, 0700) < 0 && errno != EEXIST)
            return gw_error_errno(err, -errno, "cannot make the directory \"%s\"", part);
        if (slash == NULL)
            return 0;
        *slash = '/';
    }
}

bool tree_is_empty(const char *path)
{
    DIR *d = opendir(path);
    if (d == NULL)
        return false;
    bool empty = true;
    for (const struct dirent *e; (e = readdir(d)) != NULL;) {
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            empty = false;
    }
    closedir(d);
    return empty;
}
