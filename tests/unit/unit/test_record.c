// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "unit/record.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const struct gw_unit_record sample = {
    .plan = "shop",
    .kind = GW_UNIT_REPLICA,
    .id = { .pid = 4711, .start_ticks = 8812345, .boot = { { 1, 2, 3 } } },
    .command_hash = 0xfedcba9876543210,
    .began_wall_ns = 1763806980000000000,
    .control = "/var/lib/godwit/run/shop.sock",
};

static void assert_same(const struct gw_unit_record *a, const struct gw_unit_record *b)
{
    assert_string_equal(a->plan, b->plan);
    assert_int_equal(a->kind, b->kind);
    assert_int_equal(a->id.pid, b->id.pid);
    assert_int_equal(a->id.start_ticks, b->id.start_ticks);
    assert_true(gw_uuid_equal(&a->id.boot, &b->id.boot));
    assert_int_equal(a->command_hash, b->command_hash);
    assert_int_equal(a->began_wall_ns, b->began_wall_ns);
    assert_string_equal(a->control, b->control);
}

static void there_and_back(void **state)
{
    (void)state;
    char text[GW_UNIT_RECORD_BYTES_MAX];
    struct gw_unit_record r;
    struct gw_error err;
    size_t n = gw_unit_record_encode(&sample, text);
    assert_true(n > 0);
    assert_int_equal(gw_unit_record_decode(text, n, &r, &err), 0);
    assert_same(&r, &sample);
    struct gw_unit_record source = sample;
    source.kind = GW_UNIT_SOURCE;
    n = gw_unit_record_encode(&source, text);
    assert_int_equal(gw_unit_record_decode(text, n, &r, &err), 0);
    assert_int_equal(r.kind, GW_UNIT_SOURCE);
}

/* Cut anywhere, or one byte changed: it is not believed. */
static void damaged(void **state)
{
    (void)state;
    char text[GW_UNIT_RECORD_BYTES_MAX];
    struct gw_unit_record r = { .plan = "untouched" };
    struct gw_error err;
    size_t n = gw_unit_record_encode(&sample, text);
    for (size_t i = 0; i < n; i++) {
        char *cut = malloc(i + 1);
        assert_non_null(cut);
        memcpy(cut, text, i);
        assert_int_equal(gw_unit_record_decode(cut, i, &r, &err), -EBADMSG);
        free(cut);
        text[i] ^= 1;
        assert_int_equal(gw_unit_record_decode(text, n, &r, &err), -EBADMSG);
        text[i] ^= 1;
    }
    text[n] = '\n';
    assert_int_equal(gw_unit_record_decode(text, n + 1, &r, &err), -EBADMSG);
    assert_string_equal(r.plan, "untouched");
}

static void names_of_plans(void **state)
{
    (void)state;
    static const char *const bad[] = { "", ".", "..", ".x", "a/b", "a b", "a\nb", "a\x7f" };
    char longest[GW_UNIT_PLAN_MAX + 1], text[GW_UNIT_RECORD_BYTES_MAX];
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct gw_unit_record r = sample;
        assert_false(gw_unit_plan_valid(bad[i]));
        snprintf(r.plan, sizeof r.plan, "%s", bad[i]);
        assert_int_equal(gw_unit_record_encode(&r, text), 0);
    }
    memset(longest, 'a', sizeof longest);
    longest[GW_UNIT_PLAN_MAX] = '\0';
    assert_false(gw_unit_plan_valid(longest));
    longest[GW_UNIT_PLAN_MAX - 1] = '\0';
    assert_true(gw_unit_plan_valid(longest));
    assert_true(gw_unit_plan_valid("shop-2.eu_west"));
}

static void files(void **state)
{
    (void)state;
    char dir[64] = "/tmp/godwit-record-XXXXXX", path[96], temp[112];
    struct gw_unit_record r;
    struct gw_error err;
    struct stat st;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/shop.unit", dir);
    snprintf(temp, sizeof temp, "%s.new", path);
    assert_int_equal(gw_unit_record_read(path, &r, &err), -ENOENT);
    assert_int_equal(gw_unit_record_write(path, &sample, &err), 0);
    assert_int_equal(gw_unit_record_write(path, &sample, &err), 0);
    assert_int_equal(gw_unit_record_read(path, &r, &err), 0);
    assert_same(&r, &sample);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(access(temp, F_OK), -1);
    int fd = open(path, O_WRONLY | O_APPEND);
    assert_int_equal(write(fd, "x", 1), 1);
    close(fd);
    assert_int_equal(gw_unit_record_read(path, &r, &err), -EBADMSG);
    assert_non_null(strstr(err.msg, path));
    unlink(path);
    rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(damaged),
        cmocka_unit_test(names_of_plans),
        cmocka_unit_test(files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
