// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "demo/stage.h"

#include "demo/tree.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOG_BYTES 2500

static int named_dir(const char *dir, struct stage *st, struct gw_error *err)
{
    if (mkdir(dir, 0700) == 0)
        st->made = true;
    else if (errno != EEXIST)
        return gw_error_errno(err, -errno, "cannot make the directory \"%s\"", dir);
    else if (!tree_is_empty(dir))
        return gw_error_set(err, -ENOTEMPTY,
                            "\"%s\" is not an empty directory; name a new or an empty one", dir);
    if (realpath(dir, st->path) == NULL)
        return gw_error_errno(err, -errno, "cannot find \"%s\"", dir);
    return 0;
}

static int private_dir(struct stage *st, struct gw_error *err)
{
    const char *tmp = getenv("TMPDIR");
    int n = snprintf(st->path, sizeof st->path, "%s/godwit-demo-XXXXXX",
                     tmp != NULL && tmp[0] == '/' ? tmp : "/tmp");
    if (n >= (int)sizeof st->path || mkdtemp(st->path) == NULL) {
        st->path[0] = '\0';
        return gw_error_errno(err, -errno, "cannot make a directory in %s",
                              tmp != NULL ? tmp : "/tmp");
    }
    st->made = true;
    return 0;
}

int stage_set(const struct demo_options *o, struct stage *st, struct gw_error *err)
{
    int r = o->dir != NULL ? named_dir(o->dir, st, err) : private_dir(st, err);
    if (r < 0)
        return r;
    if (chdir(st->path) < 0)
        return gw_error_errno(err, -errno, "cannot enter \"%s\"", st->path);
    return tree_make("log", err);
}

void stage_clear(const struct stage *st, const struct demo_options *o, struct story *story)
{
    struct gw_error err;
    if (st->path[0] == '\0')
        return;
    if (o->keep) {
        story_say(story, "Kept: %s", st->path);
        return;
    }
    int r = chdir("/") < 0 ? gw_error_errno(&err, -errno, "cannot leave \"%s\"", st->path)
                           : tree_remove(st->path, &err);
    if (r == 0 && !st->made)
        r = tree_make(st->path, &err);
    if (r < 0)
        story_error(story, "%s", err.msg);
}

void stage_show_log(struct story *story, const char *path)
{
    char buf[LOG_BYTES];
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return;
    fseek(f, 0, SEEK_END);
    long size = ftell(f), begin = size > (long)sizeof buf - 1 ? size - (long)sizeof buf + 1 : 0;
    fseek(f, begin, SEEK_SET);
    size_t n = fread(buf, 1, sizeof buf - 1, f);
    fclose(f);
    buf[n] = '\0';
    const char *first = begin > 0 ? strchr(buf, '\n') : NULL;
    fprintf(story->out, "\n--- the end of %s\n%s\n", path, first != NULL ? first + 1 : buf);
}
