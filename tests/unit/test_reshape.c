// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/checked.h"
#include "engine/limits.h"
#include "engine/reshape.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MIB (1024ull * 1024)

static struct gw_uuid id(uint8_t n)
{
    return (struct gw_uuid){ { n, 1 } };
}

static struct gw_reshape change(enum gw_reshape_kind kind, uint8_t uuid, const char *name,
                                uint64_t bytes)
{
    struct gw_reshape c = { .kind = kind, .volume = { .uuid = id(uuid), .bytes = bytes } };
    snprintf(c.volume.name, sizeof c.volume.name, "%s", name);
    return c;
}

struct table {
    struct gw_side_volume v[GW_VOLUMES_MAX];
    uint32_t n;
};

static struct table two(void)
{
    struct table t = { .n = 2 };
    t.v[0] = (struct gw_side_volume){ .uuid = id(1), .bytes = 4 * MIB, .name = "data" };
    t.v[1] = (struct gw_side_volume){ .uuid = id(2), .bytes = 2 * MIB, .name = "log" };
    return t;
}

static int check(const struct table *t, struct gw_reshape c, const char *says)
{
    struct gw_error err = { 0 };
    int r = gw_reshape_check(t->v, t->n, &c, &err);
    if (says != NULL)
        assert_non_null(strstr(err.msg, says));
    return r;
}

static void apply(struct table *t, struct gw_reshape c)
{
    assert_true(check(t, c, NULL) >= 0);
    gw_reshape_apply(t->v, &t->n, &c);
}

static void test_grow(void **state)
{
    struct table t = two();
    assert_int_equal(check(&t, change(GW_RESHAPE_GROW, 1, "data", MIB), "cannot shrink from"),
                     -EINVAL);
    assert_int_equal(check(&t, change(GW_RESHAPE_GROW, 3, "none", MIB), "no volume 'none'"),
                     -ENOENT);
    assert_int_equal(check(&t, change(GW_RESHAPE_GROW, 1, "data", UINT64_MAX), "impossible"),
                     -EINVAL);
    apply(&t, change(GW_RESHAPE_GROW, 2, "log", 3 * MIB + 512));
    assert_int_equal(t.v[1].bytes, 3 * MIB + 512);
    assert_int_equal(check(&t, change(GW_RESHAPE_GROW, 2, "log", 3 * MIB + 512), "already"),
                     -EALREADY);
}

/* V: slots never move; a new volume takes the next one, also where one is empty. */
static void test_slots(void **state)
{
    struct table t = two();
    apply(&t, change(GW_RESHAPE_ADD, 3, "new", MIB));
    assert_int_equal(gw_slot_by_name(t.v, t.n, "new"), 2);
    apply(&t, change(GW_RESHAPE_REMOVE, 1, "data", 4 * MIB));
    assert_int_equal(t.n, 3);
    assert_true(gw_slot_is_empty(&t.v[0]));
    assert_int_equal(gw_slot_by_name(t.v, t.n, "data"), -1);
    assert_int_equal(gw_slot_by_uuid(t.v, t.n, &t.v[0].uuid), -1); /* "none" is nobody's */
    assert_int_equal(gw_slot_by_name(t.v, t.n, t.v[0].name), -1);
    assert_false(gw_volume_name_ok(t.v[0].name));      /* nobody can ask for it */
    apply(&t, change(GW_RESHAPE_ADD, 1, "data", MIB)); /* the name is free again */
    assert_int_equal(gw_slot_by_name(t.v, t.n, "data"), 3);
    assert_int_equal(gw_slot_by_name(t.v, t.n, "log"), 1);
}

static void test_refused(void **state)
{
    struct table t = two();
    assert_int_equal(check(&t, change(GW_RESHAPE_ADD, 3, "log", MIB), "another volume 'log'"),
                     -EEXIST);
    assert_int_equal(check(&t, change(GW_RESHAPE_ADD, 2, "log", MIB), "another volume"), -EEXIST);
    assert_int_equal(check(&t, change(GW_RESHAPE_ADD, 2, "log", 2 * MIB), "already"), -EALREADY);
    assert_int_equal(check(&t, change(GW_RESHAPE_ADD, 3, "hot", MIB), "not a volume name"),
                     -EINVAL);
    assert_int_equal(check(&t, change(GW_RESHAPE_ADD, 3, "x", 0), "impossible"), -EINVAL);
    assert_int_equal(check(&t, change(GW_RESHAPE_REMOVE, 3, "x", 0), "no volume"), -EALREADY);
    assert_int_equal(check(&t, change(GW_RESHAPE_NONE, 1, "data", MIB), "no change"), -EINVAL);
    apply(&t, change(GW_RESHAPE_REMOVE, 2, "log", 2 * MIB));
    assert_int_equal(check(&t, change(GW_RESHAPE_REMOVE, 1, "data", 4 * MIB), "only volume"),
                     -EINVAL);
    while (t.n < GW_VOLUMES_MAX) {
        char name[16];
        snprintf(name, sizeof name, "v%u", t.n);
        apply(&t, change(GW_RESHAPE_ADD, (uint8_t)(100 + t.n), name, MIB));
    }
    assert_int_equal(check(&t, change(GW_RESHAPE_ADD, 9, "more", MIB), "at most 64"), -ENOSPC);
}

static void test_equal(void **state)
{
    struct table a = two(), b = two();
    assert_true(gw_shape_equal(a.v, a.n, b.v, b.n));
    snprintf(b.v[0].name, sizeof b.v[0].name, "other"); /* as row 0: by uuid and size */
    assert_true(gw_shape_equal(a.v, a.n, b.v, b.n));
    b.v[0].bytes++;
    assert_false(gw_shape_equal(a.v, a.n, b.v, b.n));
    b = two();
    apply(&b, change(GW_RESHAPE_REMOVE, 2, "log", 2 * MIB));
    assert_false(gw_shape_equal(a.v, a.n, b.v, b.n));
    a.n = 1; /* an empty slot is not the same as none: what follows would be in another place */
    assert_false(gw_shape_equal(a.v, a.n, b.v, b.n));
}

static bool decodes(const uint8_t *buf, size_t n, struct gw_reshape *ret)
{
    struct gw_reader r = gw_reader(buf, n);
    gw_reshape_get(&r, ret);
    return !r.failed && r.pos == n;
}

static void test_codec(void **state)
{
    uint8_t buf[GW_RESHAPE_BYTES];
    struct gw_reshape c = change(GW_RESHAPE_ADD, 5, "data", 7 * MIB), got;
    struct gw_writer w = gw_writer(buf, sizeof buf);
    gw_reshape_put(&w, &c);
    assert_false(w.failed);
    assert_int_equal(w.pos, GW_RESHAPE_BYTES);
    assert_true(decodes(buf, sizeof buf, &got));
    assert_int_equal(got.kind, c.kind);
    assert_memory_equal(&got.volume, &c.volume, sizeof c.volume);
    assert_false(decodes(buf, sizeof buf - 1, &got));
    static const struct {
        size_t at;
        uint8_t value;
    } bad[] = {
        { 0, GW_RESHAPE_MAX }, { 0, GW_RESHAPE_NONE }, { 3, 1 }, { 30, 0xff }, { 32, '/' }
    };
    for (size_t i = 0; i < GW_ARRAY_SIZE(bad); i++) {
        uint8_t copy[sizeof buf];
        memcpy(copy, buf, sizeof copy);
        copy[bad[i].at] = bad[i].value;
        assert_false(decodes(copy, sizeof copy, &got));
    }
    static const uint8_t none[GW_RESHAPE_BYTES];
    assert_true(decodes(none, sizeof none, &got));
    assert_int_equal(got.kind, GW_RESHAPE_NONE);
}

/* Both sites make it without asking each other; and it is what plans of today have. */
static void test_uuid(void **state)
{
    struct gw_uuid plan = id(9), other = id(8), a = gw_volume_uuid(&plan, "data");
    struct gw_uuid b = gw_volume_uuid(&plan, "data"), c = gw_volume_uuid(&plan, "log");
    struct gw_uuid d = gw_volume_uuid(&other, "data");
    assert_true(gw_uuid_equal(&a, &b));
    assert_false(gw_uuid_equal(&a, &c));
    assert_false(gw_uuid_equal(&a, &d));
    assert_int_equal(a.b[6] & 0xf0, 0x80);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grow),  cmocka_unit_test(test_slots), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_equal), cmocka_unit_test(test_codec), cmocka_unit_test(test_uuid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
