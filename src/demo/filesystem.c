// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "demo/filesystem.h"

#include "base/cleanup.h"
#include "demo/tree.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TOOL_MS 120000u

int filesystem_make(struct processes *ps, const char *tree, const char *image, uint64_t bytes,
                    struct gw_error *err)
{
    char size[32];
    snprintf(size, sizeof size, "%lluk", (unsigned long long)(bytes / 1024));
    const char *argv[] = { "mke2fs", "-q", "-t", "ext4", "-b", "4096", "-L",
                           "office", "-d", tree, image,  size, NULL };
    return process_must(ps, argv, TOOL_MS, NULL, err);
}

int filesystem_edit(struct processes *ps, const char *image, const char *script,
                    struct gw_error *err)
{
    const char *argv[] = { "debugfs", "-w", "-f", script, image, NULL };
    return process_must(ps, argv, TOOL_MS, NULL, err);
}

int filesystem_get(struct processes *ps, const char *image, const char *name, const char *to,
                   struct gw_error *err)
{
    char command[2 * PATH_MAX];
    snprintf(command, sizeof command, "dump /%s %s", name, to);
    const char *argv[] = { "debugfs", "-R", command, image, NULL };
    unlink(to);
    int r = process_must(ps, argv, TOOL_MS, NULL, err);
    if (r < 0)
        return r;
    /* debugfs tells a file that it does not find in words only. */
    return access(to, R_OK) == 0
               ? 0
               : gw_error_set(err, -ENOENT, "there is no \"%s\" in %s", name, image);
}

int filesystem_sums(struct processes *ps, const char *tree, const char *sums, struct gw_error *err)
{
    static const char script[] =
        "set -e; exec >\"$2\"; cd \"$1\"; find . -type f -print0 | sort -z | xargs -0 sha256sum";
    const char *argv[] = { "sh", "-c", script, "sums", tree, sums, NULL };
    return process_must(ps, argv, TOOL_MS, NULL, err);
}

static int fsck(struct processes *ps, const char *image, struct filesystem_verdict *v,
                struct gw_error *err)
{
    const char *argv[] = { "e2fsck", "-fn", image, NULL };
    struct process_output o;
    int r = process_run(ps, argv, TOOL_MS, &o, err);
    if (r < 0)
        return r;
    v->clean = o.code == 0;
    if (!v->clean)
        snprintf(v->words, sizeof v->words, "e2fsck: exit code %d: %.200s", o.code, o.out);
    process_output_done(&o);
    return 0;
}

/* Lines of the list; every line is a file. */
static int count_lines(const char *path, uint64_t *ret, struct gw_error *err)
{
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return gw_error_errno(err, -errno, "cannot open \"%s\"", path);
    uint64_t n = 0;
    for (int c; (c = getc(f)) != EOF;)
        n += c == '\n';
    fclose(f);
    *ret = n;
    return 0;
}

static int compare(struct processes *ps, const char *copy, const char *sums,
                   struct filesystem_verdict *v, struct gw_error *err)
{
    static const char script[] = "cd \"$1\" && exec sha256sum --check --quiet --strict - <\"$2\"";
    char list[PATH_MAX], *absolute = realpath(sums, list);
    if (absolute == NULL)
        return gw_error_errno(err, -errno, "cannot find \"%s\"", sums);
    const char *argv[] = { "sh", "-c", script, "check", copy, absolute, NULL };
    struct process_output o;
    uint64_t expected = 0, bytes = 0;
    int r = count_lines(sums, &expected, err);
    if (r == 0)
        r = tree_count(copy, &v->files, &bytes, err);
    if (r == 0)
        r = process_run(ps, argv, TOOL_MS, &o, err);
    if (r < 0)
        return r;
    v->whole = o.code == 0 && v->files == expected;
    if (o.code != 0)
        snprintf(v->words, sizeof v->words, "%.240s", o.out);
    else if (!v->whole)
        snprintf(v->words, sizeof v->words, "%llu files instead of %llu",
                 (unsigned long long)v->files, (unsigned long long)expected);
    process_output_done(&o);
    return 0;
}

int filesystem_check(struct processes *ps, const char *image, const char *sums,
                     struct filesystem_verdict *ret, struct gw_error *err)
{
    static const char copy[] = "copied-out";
    struct filesystem_verdict v = { .clean = false };
    char command[64];
    snprintf(command, sizeof command, "rdump / %s", copy);
    const char *argv[] = { "debugfs", "-R", command, image, NULL };
    int r = fsck(ps, image, &v, err);
    if (r == 0 && v.clean) {
        r = tree_remove(copy, err);
        if (r == 0)
            r = tree_make(copy, err);
        if (r == 0)
            r = process_must(ps, argv, TOOL_MS, NULL, err);
        if (r == 0)
            r = compare(ps, copy, sums, &v, err);
        if (r == 0)
            r = tree_remove(copy, err);
    }
    if (r == 0)
        *ret = v;
    return r;
}
