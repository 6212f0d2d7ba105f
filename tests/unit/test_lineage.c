// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/lineage.h"

#include <string.h>

static struct gw_uuid id(unsigned n)
{
    struct gw_uuid u = { { 0 } };
    u.b[0] = (uint8_t)n;
    u.b[1] = (uint8_t)(n >> 8);
    u.b[15] = 0x5a;
    return u;
}

static struct gw_incarnation born(enum gw_birth birth, unsigned uuid, unsigned parent,
                                  uint64_t epoch)
{
    return (struct gw_incarnation){
        .epoch = epoch,
        .uuid = id(uuid),
        .parent = parent == 0 ? (struct gw_uuid){ { 0 } } : id(parent),
        .fork_seq = 100 * uuid,
        .had_seq = 90 * uuid,
        .wall_ns = 1700000000000000000ull + uuid,
        .site = (uint8_t)((epoch + 1) & 1),
        .birth = birth,
    };
}

static void add(struct gw_lineage *l, enum gw_birth birth, unsigned uuid, unsigned parent,
                uint64_t epoch)
{
    struct gw_incarnation e = born(birth, uuid, parent, epoch);
    gw_lineage_append(l, &e);
}

/* creation 1 (epoch 1), restart 2, promotion 3 (epoch 2), restart 4 */
static struct gw_lineage sample(void)
{
    struct gw_lineage l = { 0 };
    add(&l, GW_BIRTH_CREATION, 1, 0, 1);
    add(&l, GW_BIRTH_RESTART, 2, 1, 1);
    add(&l, GW_BIRTH_PROMOTION, 3, 2, 2);
    add(&l, GW_BIRTH_RESTART, 4, 3, 2);
    return l;
}

static void test_blank(void **state)
{
    struct gw_lineage l = { 0 }, other = sample();
    struct gw_uuid none = { { 0 } };
    int b = 77;
    assert_null(gw_lineage_current(&l));
    struct gw_uuid u = gw_lineage_uuid(&l);
    assert_true(gw_uuid_is_none(&u));
    assert_int_equal(gw_lineage_epoch(&l), 0);
    assert_int_equal(gw_lineage_newest_promotion(&l), 0);
    assert_int_equal(gw_lineage_find(&l, &none), -1);
    assert_int_equal(gw_lineage_find(&other, &none), -1);
    other.e[1].uuid = none; /* none is no name, wherever it stands */
    assert_int_equal(gw_lineage_find(&other, &none), -1);
    other = sample();
    assert_int_equal(gw_lineage_common(&l, &other, &b), -1);
    assert_int_equal(gw_lineage_common(&other, &l, &b), -1);
    assert_int_equal(b, 77);
    assert_false(gw_lineage_promoted_after(&l, -1));
    assert_false(gw_lineage_gap_after(&l, -1));
}

static void test_queries(void **state)
{
    struct gw_lineage l = sample();
    struct gw_uuid u = id(3), x = id(99), cur = gw_lineage_uuid(&l), four = id(4);
    assert_ptr_equal(gw_lineage_current(&l), &l.e[3]);
    assert_true(gw_uuid_equal(&cur, &four));
    assert_int_equal(gw_lineage_epoch(&l), 2);
    assert_int_equal(gw_lineage_find(&l, &u), 2);
    assert_int_equal(gw_lineage_find(&l, &x), -1);
    assert_int_equal(gw_lineage_newest_promotion(&l), 2);
    assert_true(gw_lineage_promoted_after(&l, -1));
    assert_true(gw_lineage_promoted_after(&l, 1));
    assert_false(gw_lineage_promoted_after(&l, 2));
    l.n = 2; /* a restart does not count as a promotion */
    assert_int_equal(gw_lineage_newest_promotion(&l), 1);
    assert_false(gw_lineage_promoted_after(&l, 0));
}

static void test_common(void **state)
{
    struct gw_lineage a = sample(), b = sample();
    int j = -5;
    assert_int_equal(gw_lineage_common(&a, &b, &j), 3);
    assert_int_equal(j, 3);
    b.n = 2;
    add(&b, GW_BIRTH_PROMOTION, 20, 2, 3);
    assert_int_equal(gw_lineage_common(&a, &b, &j), 1);
    assert_int_equal(j, 1);
    assert_int_equal(gw_lineage_common(&b, &a, NULL), 1);
}

static void test_epoch_next(void **state)
{
    /* P1: the first site takes odd numbers for ever, the other even ones. */
    assert_int_equal(gw_epoch_next(0, 0), 1);
    assert_int_equal(gw_epoch_next(1, 0), 2);
    assert_int_equal(gw_epoch_next(0, 1), 3);
    assert_int_equal(gw_epoch_next(1, 1), 2);
    assert_int_equal(gw_epoch_next(0, 2), 3);
    assert_int_equal(gw_epoch_next(1, 2), 4);
    for (uint64_t h = 0; h < 100; h++) {
        uint64_t x = gw_epoch_next(0, h), y = gw_epoch_next(1, h);
        assert_true(x > h && x <= h + 2 && x % 2 == 1);
        assert_true(y > h && y <= h + 2 && y % 2 == 0);
    }
    assert_int_equal(gw_epoch_next(1, UINT64_MAX), 0);
    assert_int_equal(gw_epoch_next(0, UINT64_MAX), 0);
    assert_int_equal(gw_epoch_next(0, UINT64_MAX - 1), UINT64_MAX);
}

static struct gw_lineage full(unsigned entries)
{
    struct gw_lineage l = { 0 };
    add(&l, GW_BIRTH_CREATION, 1, 0, 1);
    for (unsigned i = 2; i <= entries; i++)
        add(&l, GW_BIRTH_PROMOTION, i, i - 1, i);
    return l;
}

static void test_trim_keeps_the_root(void **state)
{
    struct gw_lineage l = full(GW_LINEAGE_MAX);
    assert_int_equal(l.n, GW_LINEAGE_MAX);
    assert_false(gw_lineage_gap_after(&l, -1));
    add(&l, GW_BIRTH_RESTART, 500, GW_LINEAGE_MAX, GW_LINEAGE_MAX);
    assert_int_equal(l.n, GW_LINEAGE_MAX);
    struct gw_uuid one = id(1), two = id(2), three = id(3), last = id(500);
    assert_int_equal(gw_lineage_find(&l, &one), 0);
    assert_int_equal(gw_lineage_find(&l, &two), -1);
    assert_int_equal(gw_lineage_find(&l, &three), 1);
    assert_int_equal(gw_lineage_find(&l, &last), GW_LINEAGE_MAX - 1);
    assert_true(gw_lineage_gap_after(&l, 0));
    assert_true(gw_lineage_gap_after(&l, -1));
    assert_false(gw_lineage_gap_after(&l, 1));
    gw_lineage_append(&l, &l.e[1]); /* an entry of the lineage itself: copied before it moves */
    assert_true(gw_uuid_equal(&l.e[GW_LINEAGE_MAX - 1].uuid, &three));
}

static uint8_t buffer[GW_LINEAGE_BYTES_MAX];

static size_t encode(const struct gw_lineage *l)
{
    struct gw_writer w = gw_writer(buffer, sizeof buffer);
    gw_lineage_encode(&w, l);
    assert_false(w.failed);
    assert_int_equal(w.pos, 8 + l->n * GW_INCARNATION_BYTES);
    return w.pos;
}

static bool decodes(size_t len, struct gw_lineage *ret)
{
    struct gw_reader r = gw_reader(buffer, len);
    bool ok = gw_lineage_decode(&r, ret);
    assert_int_equal(ok, !r.failed);
    if (!ok)
        assert_int_equal(ret->n, 0);
    return ok;
}

static void assert_same(const struct gw_lineage *a, const struct gw_lineage *b)
{
    assert_int_equal(a->n, b->n);
    for (uint32_t i = 0; i < a->n; i++) {
        const struct gw_incarnation *x = &a->e[i], *y = &b->e[i];
        assert_int_equal(x->epoch, y->epoch);
        assert_true(gw_uuid_equal(&x->uuid, &y->uuid));
        assert_true(gw_uuid_equal(&x->parent, &y->parent));
        assert_int_equal(x->fork_seq, y->fork_seq);
        assert_int_equal(x->had_seq, y->had_seq);
        assert_int_equal(x->wall_ns, y->wall_ns);
        assert_int_equal(x->site, y->site);
        assert_int_equal(x->birth, y->birth);
    }
}

static void test_codec(void **state)
{
    struct gw_lineage back, l = { 0 };
    assert_true(decodes(encode(&l), &back));
    assert_same(&l, &back);
    l = sample();
    assert_true(decodes(encode(&l), &back));
    assert_same(&l, &back);
    l = full(GW_LINEAGE_MAX + 7); /* with a gap */
    assert_true(decodes(encode(&l), &back));
    assert_same(&l, &back);

    struct gw_writer w = gw_writer(buffer, 8 + 2 * GW_INCARNATION_BYTES - 1);
    l = full(2);
    gw_lineage_encode(&w, &l);
    assert_true(w.failed);
}

static void test_short_input(void **state)
{
    struct gw_lineage l = sample(), back;
    size_t len = encode(&l);
    for (size_t n = 0; n < len; n++)
        assert_false(decodes(n, &back));
}

static bool refused(struct gw_lineage l)
{
    struct gw_lineage back;
    return !decodes(encode(&l), &back);
}

static void test_refuses_nonsense(void **state)
{
    struct gw_lineage back, l = sample();
    encode(&l);
    buffer[0] = GW_LINEAGE_MAX + 1;
    assert_false(decodes(sizeof buffer, &back));
    encode(&l);
    buffer[4] = 1; /* reserved */
    assert_false(decodes(sizeof buffer, &back));
    encode(&l);
    buffer[8 + GW_INCARNATION_BYTES - 1] = 1; /* padding */
    assert_false(decodes(sizeof buffer, &back));

    l = sample(), l.e[0].birth = GW_BIRTH_PROMOTION;
    assert_true(refused(l));
    l = sample(), l.e[0].parent = id(9);
    assert_true(refused(l));
    l = sample(), l.e[2].birth = GW_BIRTH_CREATION;
    assert_true(refused(l));
    l = sample(), l.e[2].birth = (enum gw_birth)0;
    assert_true(refused(l));
    l = sample(), l.e[2].birth = (enum gw_birth)4;
    assert_true(refused(l));
    l = sample(), l.e[1].site = 2;
    assert_true(refused(l));
    l = sample(), l.e[2].epoch = l.e[3].epoch = 1; /* a promotion must grow */
    assert_true(refused(l));
    l = sample(), l.e[3].epoch = 3; /* a restart must not */
    assert_true(refused(l));
    l = sample(), l.e[0].epoch = 0;
    assert_true(refused(l));
    l = sample(), l.e[3].parent = id(2); /* not its neighbour */
    assert_true(refused(l));
    l = sample(), l.e[1].parent = id(77); /* a gap in a lineage that was never full */
    assert_true(refused(l));
    l = sample(), l.e[3].uuid = id(1);
    assert_true(refused(l));
    l = sample(), l.e[3].uuid = (struct gw_uuid){ { 0 } };
    assert_true(refused(l));
    l = full(GW_LINEAGE_MAX + 3), l.e[2].parent = id(1); /* a gap elsewhere */
    assert_true(refused(l));
    l = full(GW_LINEAGE_MAX + 3), l.e[1].parent = (struct gw_uuid){ { 0 } };
    assert_true(refused(l));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blank),
        cmocka_unit_test(test_queries),
        cmocka_unit_test(test_common),
        cmocka_unit_test(test_epoch_next),
        cmocka_unit_test(test_trim_keeps_the_root),
        cmocka_unit_test(test_codec),
        cmocka_unit_test(test_short_input),
        cmocka_unit_test(test_refuses_nonsense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
