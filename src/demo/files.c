// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "demo/files.h"

#include "base/checked.h"
#include "base/hash.h"
#include "demo/tree.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LETTERS 420u
#define BOOKS 72u
#define PICTURES 40u
#define ARCHIVES 4u
#define ARCHIVE_BYTES (6u << 20)

/* Contents come from the name alone, so that every run has the same files. */
struct source {
    uint64_t x;
};

static struct source source(const char *name, uint64_t version)
{
    return (struct source){ gw_hash64(name, strlen(name), version) | 1 };
}

static uint64_t next(struct source *s)
{
    s->x ^= s->x >> 12;
    s->x ^= s->x << 25;
    s->x ^= s->x >> 27;
    return s->x * 2685821657736338717ull;
}

static uint64_t between(struct source *s, uint64_t low, uint64_t high)
{
    return low + next(s) % (high - low + 1);
}

/* ---- contents ------------------------------------------------------------------------------ */

static void write_letter(FILE *f, struct source *s)
{
    static const char *const words[] = { "the",     "invoice", "of",     "your",    "delivery",
                                         "we",      "thank",   "please", "order",   "receipt",
                                         "shipped", "balance", "and",    "account", "regards",
                                         "harbour", "godwit",  "season", "before",  "noon" };
    uint64_t n = between(s, 60, 1500);
    for (uint64_t i = 0; i < n; i++)
        fprintf(f, "%s%s", words[next(s) % GW_ARRAY_SIZE(words)], i % 12 == 11 ? "\n" : " ");
    fprintf(f, "\n");
}

static void write_book(FILE *f, struct source *s)
{
    uint64_t n = between(s, 400, 1600);
    fprintf(f, "day;account;amount;balance\n");
    for (uint64_t i = 0, balance = 100000; i < n; i++) {
        uint64_t amount = between(s, 1, 99999);
        balance += amount;
        fprintf(f, "%u;%u;%u.%02u;%llu\n", (unsigned)(i * 31 / n + 1),
                (unsigned)between(s, 1000, 9999), (unsigned)(amount / 100),
                (unsigned)(amount % 100), (unsigned long long)balance);
    }
}

static void write_random(FILE *f, struct source *s, uint64_t bytes)
{
    uint64_t block[512];
    while (bytes > 0) {
        for (size_t i = 0; i < GW_ARRAY_SIZE(block); i++)
            block[i] = next(s);
        size_t n = GW_MIN(bytes, (uint64_t)sizeof block);
        fwrite(block, 1, n, f);
        bytes -= n;
    }
}

enum kind { LETTER, BOOK, PICTURE, ARCHIVE, EMPTY };

/* bytes: of kinds that do not choose for themselves. */
static int make_file(const char *tree, const char *name, enum kind kind, uint64_t version,
                     uint64_t bytes, struct gw_error *err)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", tree, name);
    FILE *f = fopen(path, "we");
    if (f == NULL)
        return gw_error_errno(err, -errno, "cannot create \"%s\"", path);
    struct source s = source(name, version);
    switch (kind) {
    case LETTER:
        write_letter(f, &s);
        break;
    case BOOK:
        write_book(f, &s);
        break;
    case PICTURE:
        write_random(f, &s, bytes != 0 ? bytes : between(&s, 150000, 420000));
        break;
    case ARCHIVE:
        write_random(f, &s, bytes);
        break;
    case EMPTY:
        break;
    }
    bool bad = ferror(f) != 0;
    if (fclose(f) != 0 || bad)
        return gw_error_errno(err, errno != 0 ? -errno : -EIO, "cannot write \"%s\"", path);
    return 0;
}

/* ---- the tree ------------------------------------------------------------------------------ */

static int make_directories(const char *tree, struct gw_error *err)
{
    static const char *const names[] = { "letters", "books", "pictures", "archive/old" };
    char path[PATH_MAX];
    for (size_t i = 0; i < GW_ARRAY_SIZE(names); i++) {
        snprintf(path, sizeof path, "%s/%s", tree, names[i]);
        int r = tree_make(path, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static void book_name(unsigned i, char ret[FILES_NAME_MAX])
{
    snprintf(ret, FILES_NAME_MAX, "books/%u-%02u.csv", 2020 + i / 12, i % 12 + 1);
}

int files_make(const char *tree, struct gw_error *err)
{
    char name[FILES_NAME_MAX];
    int r = make_directories(tree, err);
    for (unsigned i = 0; i < LETTERS && r == 0; i++) {
        snprintf(name, sizeof name, "letters/letter-%03u.txt", i);
        r = make_file(tree, name, LETTER, 0, 0, err);
    }
    for (unsigned i = 0; i < BOOKS && r == 0; i++) {
        book_name(i, name);
        r = make_file(tree, name, BOOK, 0, 0, err);
    }
    for (unsigned i = 0; i < PICTURES && r == 0; i++) {
        snprintf(name, sizeof name, "pictures/picture-%02u.raw", i);
        r = make_file(tree, name, PICTURE, 0, 0, err);
    }
    for (unsigned i = 0; i < ARCHIVES && r == 0; i++) {
        snprintf(name, sizeof name, "archive/old/archive-%u.bin", i);
        r = make_file(tree, name, ARCHIVE, 0, ARCHIVE_BYTES + i * 1001, err);
    }
    return r < 0 ? r : make_file(tree, "archive/empty", EMPTY, 0, 0, err);
}

/* ---- work ---------------------------------------------------------------------------------- */

void files_letter_name(const struct files_work *work, unsigned i, char ret[FILES_NAME_MAX])
{
    snprintf(ret, FILES_NAME_MAX, "letters/%.40s-%02u.txt", work->who, i);
}

void files_picture_name(const struct files_work *work, char ret[FILES_NAME_MAX])
{
    snprintf(ret, FILES_NAME_MAX, "pictures/%.40s.raw", work->who);
}

/* debugfs takes a plain name in its current directory as the target. */
static void say_write(FILE *script, const char *tree, const char *name, bool replace)
{
    const char *slash = strchr(name, '/');
    fprintf(script, "cd /%.*s\n", (int)(slash - name), name);
    if (replace)
        fprintf(script, "rm %s\n", slash + 1);
    fprintf(script, "write %s/%s %s\n", tree, name, slash + 1);
}

static int work_letters(const char *tree, FILE *script, const struct files_work *w,
                        struct gw_error *err)
{
    char name[FILES_NAME_MAX];
    uint64_t version = gw_hash64(w->who, strlen(w->who), 1);
    int r = 0;
    for (unsigned i = 0; i < w->added && r == 0; i++) {
        files_letter_name(w, i, name);
        r = make_file(tree, name, LETTER, version, 0, err);
        say_write(script, tree, name, false);
    }
    for (unsigned i = 0; i < w->rewritten && r == 0; i++) {
        snprintf(name, sizeof name, "letters/letter-%03u.txt", (w->from + i) % LETTERS);
        r = make_file(tree, name, LETTER, version, 0, err);
        say_write(script, tree, name, true);
    }
    return r;
}

static int work_all(const char *tree, FILE *script, const struct files_work *w,
                    struct gw_error *err)
{
    char name[FILES_NAME_MAX], path[PATH_MAX];
    int r = work_letters(tree, script, w, err);
    for (unsigned i = 0; i < w->removed && r == 0; i++) {
        book_name((w->from + i) % BOOKS, name);
        snprintf(path, sizeof path, "%s/%s", tree, name);
        if (unlink(path) < 0 && errno != ENOENT)
            r = gw_error_errno(err, -errno, "cannot remove \"%s\"", path);
        fprintf(script, "cd /\nrm %s\n", name);
    }
    if (w->picture_bytes != 0 && r == 0) {
        files_picture_name(w, name);
        r = make_file(tree, name, PICTURE, 0, w->picture_bytes, err);
        say_write(script, tree, name, false);
    }
    return r;
}

int files_do_work(const char *tree, const char *script, const struct files_work *work,
                  struct gw_error *err)
{
    int r = make_directories(tree, err);
    if (r < 0)
        return r;
    FILE *f = fopen(script, "we");
    if (f == NULL)
        return gw_error_errno(err, -errno, "cannot create \"%s\"", script);
    r = work_all(tree, f, work, err);
    if (fclose(f) != 0 && r == 0)
        r = gw_error_errno(err, -errno, "cannot write \"%s\"", script);
    return r;
}
