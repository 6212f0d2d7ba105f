// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The file of a backup: what is written comes back; what was damaged does not. */
#include "site/archive.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct place {
    char dir[64], file[128], out[128];
    struct gw_error err;
};

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void remove_tree(const char *dir)
{
    assert_int_equal(nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

static int setup(void **state)
{
    struct place *p = calloc(1, sizeof *p);
    assert_non_null(p);
    snprintf(p->dir, sizeof p->dir, "%s", "/tmp/gw-archive-XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    snprintf(p->file, sizeof p->file, "%s/backup", p->dir);
    snprintf(p->out, sizeof p->out, "%s/out", p->dir);
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct place *p = *state;
    remove_tree(p->dir);
    free(p);
    return 0;
}

/* Members of 0, 511, 512, 513 and 200000 bytes. */
static const size_t sizes[] = { 0, 511, 512, 513, 200000 };

static void write_archive(struct place *p)
{
    struct site_archive *a = NULL;
    static uint8_t bytes[200000];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 7 + i / 251);
    assert_int_equal(site_archive_begin(p->file, &a, &p->err), 0);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char name[32];
        snprintf(name, sizeof name, i == 1 ? "peers/m%zu.pem" : "m%zu", i);
        assert_int_equal(site_archive_add(a, name, bytes, sizes[i], &p->err), 0);
    }
    assert_int_equal(access(p->file, F_OK), -1); /* it has its name when it is whole */
    assert_int_equal(site_archive_end(a, json_pack("{s:s}", "site", "madrid"), &p->err), 0);
    site_archive_free(a);
}

static int extract(struct place *p, json_t **ret)
{
    struct stat st;
    if (stat(p->out, &st) == 0)
        remove_tree(p->out);
    assert_int_equal(mkdir(p->out, 0700), 0);
    p->err = (struct gw_error){ 0 };
    return site_archive_extract(p->file, p->out, ret, &p->err);
}

static void test_round_trip(void **state)
{
    struct place *p = *state;
    struct site_archive *a = NULL;
    json_t *manifest = NULL;
    struct stat st;
    write_archive(p);
    assert_int_equal(stat(p->file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(st.st_size % 512, 0);
    assert_int_equal(extract(p, &manifest), 0);
    assert_string_equal(json_string_value(json_object_get(manifest, "site")), "madrid");
    assert_int_equal(json_array_size(json_object_get(manifest, "members")), 5);
    json_decref(manifest);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char path[160];
        snprintf(path, sizeof path, i == 1 ? "%s/peers/m%zu.pem" : "%s/m%zu", p->out, i);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_size, sizes[i]);
        assert_int_equal(st.st_mode & 0777, 0600);
    }
    /* What is there is not overwritten, not even by what was begun before it was. */
    assert_int_equal(site_archive_begin(p->file, &a, &p->err), -EEXIST);
    assert_int_equal(unlink(p->file), 0);
    assert_int_equal(site_archive_begin(p->file, &a, &p->err), 0);
    close(open(p->file, O_WRONLY | O_CREAT, 0600));
    assert_true(site_archive_end(a, json_object(), &p->err) < 0);
    site_archive_free(a);
    assert_int_equal(stat(p->file, &st), 0);
    assert_int_equal(st.st_size, 0);
}

/* An archive that is given up leaves nothing. */
static void test_given_up(void **state)
{
    struct place *p = *state;
    struct site_archive *a = NULL;
    char temp[160];
    assert_int_equal(site_archive_begin(p->file, &a, &p->err), 0);
    assert_int_equal(site_archive_add(a, "../escape", "x", 1, &p->err), -E2BIG);
    site_archive_free(a);
    snprintf(temp, sizeof temp, "%s.new", p->file);
    assert_int_equal(access(p->file, F_OK), -1);
    assert_int_equal(access(temp, F_OK), -1);
}

/* One bit anywhere, but in what is padding and in fields that mean nothing to us: found. */
static void test_every_bit_counts(void **state)
{
    struct place *p = *state;
    struct stat st;
    write_archive(p);
    assert_int_equal(stat(p->file, &st), 0);
    unsigned tried = 0, found = 0;
    for (off_t at = 0; at < st.st_size - 1024; at += 397, tried++) {
        uint8_t byte, other;
        json_t *manifest = NULL;
        int fd = open(p->file, O_RDWR);
        assert_int_equal(pread(fd, &byte, 1, at), 1);
        other = byte ^ 0x10;
        assert_int_equal(pwrite(fd, &other, 1, at), 1);
        int r = extract(p, &manifest);
        found += r < 0;
        if (r < 0)
            assert_true(r == -EBADMSG);
        json_decref(manifest);
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
        close(fd);
    }
    /* Padding: about 512 + 1 + 511 + 192 bytes, and the manifest's own and its blanks. */
    assert_true(tried > 500 && found >= tried - 8);
}

static void test_cut_off(void **state)
{
    struct place *p = *state;
    struct stat st;
    json_t *manifest = NULL;
    write_archive(p);
    assert_int_equal(stat(p->file, &st), 0);
    for (off_t len = st.st_size - 1024 - 512; len > 0; len -= 4000) {
        assert_int_equal(truncate(p->file, len), 0);
        assert_int_equal(extract(p, &manifest), -EBADMSG);
        assert_non_null(strstr(p->err.msg, p->file));
    }
    assert_int_equal(truncate(p->file, 0), 0);
    assert_int_equal(extract(p, &manifest), -EBADMSG);
}

/* ---- headers --------------------------------------------------------------------------------- */

static void test_names(void **state)
{
    static const char *const good[] = { "catalog.db", "site.key", "peers/lisbon.pem", "a",
                                        "A-1_b" };
    static const char *const bad[] = { "",          "/etc/passwd", "../x",     "peers/../x",
                                       "peers/",    "peers/.x",    ".x",       "other/x",
                                       "peers/a/b", "a b",         "\xc3\xa9", "peers//x" };
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(site_archive_name_valid(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (site_archive_name_valid(bad[i]))
            fail_msg("'%s' was taken", bad[i]);
    }
}

static void test_headers(void **state)
{
    struct site_archive_member m = { .name = "peers/lisbon.pem", .bytes = 123456789 }, got;
    uint8_t block[SITE_ARCHIVE_BLOCK], zeros[SITE_ARCHIVE_BLOCK] = { 0 };
    struct gw_error err;
    (void)state;
    site_archive_header_write(&m, block);
    assert_int_equal(site_archive_header_read(block, &got, &err), 1);
    assert_string_equal(got.name, m.name);
    assert_int_equal(got.bytes, m.bytes);
    assert_int_equal(site_archive_header_read(zeros, &got, &err), 0);
    /* A link, a folder, a device: no member of ours. */
    for (const char *type = "1234567xg"; *type != '\0'; type++) {
        site_archive_header_write(&m, block);
        unsigned sum = 0;
        block[156] = (uint8_t)*type;
        memset(block + 148, ' ', 8);
        for (unsigned i = 0; i < sizeof block; i++)
            sum += block[i];
        snprintf((char *)block + 148, 8, "%06o", sum);
        assert_int_equal(site_archive_header_read(block, &got, &err), -EBADMSG);
        assert_non_null(strstr(err.msg, "no backup"));
    }
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_round_trip),           T(test_given_up),
        T(test_every_bit_counts),     T(test_cut_off),
        cmocka_unit_test(test_names), cmocka_unit_test(test_headers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
