// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "engine/bitmap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BITS (2 * GW_BITMAP_PAGE_BITS + 777) /* three pages, the last one partial */
#define NONE UINT64_MAX

static uint64_t rng_state = 88172645463325252ull;

static uint64_t rnd(uint64_t below)
{
    rng_state ^= rng_state << 13;
    rng_state ^= rng_state >> 7;
    rng_state ^= rng_state << 17;
    return rng_state % below;
}

static void test_empty(void **state)
{
    struct gw_bitmap *b = gw_bitmap_new(BITS);
    assert_int_equal(gw_bitmap_size(b), BITS);
    assert_int_equal(gw_bitmap_count(b), 0);
    assert_int_equal(gw_bitmap_pages(b), 3);
    assert_true(gw_bitmap_next(b, 0) == NONE);
    assert_int_equal(gw_bitmap_run(b, 0, 10), 0);
    assert_null(gw_bitmap_page(b, 2));
    assert_false(gw_bitmap_test(b, BITS));
    assert_int_equal(gw_bitmap_clear(b, 0, NONE), 0);
    gw_bitmap_free(b);
    gw_bitmap_free(NULL);

    b = gw_bitmap_new(0);
    assert_int_equal(gw_bitmap_set(b, 0, 5), 0);
    assert_true(gw_bitmap_next(b, 0) == NONE);
    gw_bitmap_free(b);
}

static void test_across_pages(void **state)
{
    struct gw_bitmap *b = gw_bitmap_new(BITS);
    uint64_t first = GW_BITMAP_PAGE_BITS - 3;
    assert_int_equal(gw_bitmap_set(b, first, 7), 7);
    assert_int_equal(gw_bitmap_set(b, first + 2, 6), 1);
    assert_int_equal(gw_bitmap_count(b), 8);
    assert_int_equal(gw_bitmap_next(b, 0), first);
    assert_int_equal(gw_bitmap_run(b, first, NONE), 8);
    assert_int_equal(gw_bitmap_run(b, first, 5), 5);
    assert_int_equal(gw_bitmap_run(b, first + 1, NONE - 1), 7);
    assert_true(gw_bitmap_next(b, first + 8) == NONE);

    /* Layout of a page: bit i is byte i/8, bit i%8. */
    const uint8_t *page = gw_bitmap_page(b, 0);
    assert_int_equal(page[GW_BITMAP_PAGE_BYTES - 1], 0xe0);
    assert_int_equal(gw_bitmap_page(b, 1)[0], 0x1f);

    assert_int_equal(gw_bitmap_clear(b, first, 3), 3);
    assert_null(gw_bitmap_page(b, 0)); /* freed with its last bit */
    assert_int_equal(gw_bitmap_clear(b, 0, NONE), 5);
    assert_null(gw_bitmap_page(b, 1));
    gw_bitmap_free(b);
}

static void test_clipped(void **state)
{
    struct gw_bitmap *b = gw_bitmap_new(BITS);
    assert_int_equal(gw_bitmap_set(b, BITS - 2, NONE), 2);
    assert_int_equal(gw_bitmap_set(b, BITS, 1), 0);
    assert_int_equal(gw_bitmap_set(b, NONE, NONE), 0);
    assert_int_equal(gw_bitmap_run(b, BITS - 2, NONE), 2);
    assert_int_equal(gw_bitmap_run(b, BITS, 4), 0);

    uint8_t ones[GW_BITMAP_PAGE_BYTES];
    memset(ones, 0xff, sizeof ones);
    gw_bitmap_page_or(b, 2, ones); /* bits past the size are ignored */
    assert_int_equal(gw_bitmap_count(b), 777);
    assert_int_equal(gw_bitmap_page(b, 2)[777 / 8], 0xff >> (8 - 777 % 8));
    assert_int_equal(gw_bitmap_page(b, 2)[777 / 8 + 1], 0);

    memset(ones, 0, sizeof ones);
    gw_bitmap_page_or(b, 0, ones); /* nothing: no page comes to be */
    assert_null(gw_bitmap_page(b, 0));
    gw_bitmap_free(b);
}

static void test_or(void **state)
{
    struct gw_bitmap *a = gw_bitmap_new(BITS), *b = gw_bitmap_new(BITS);
    gw_bitmap_set(a, 10, 5);
    gw_bitmap_set(b, 12, 8);
    gw_bitmap_set(b, BITS - 1, 1);
    gw_bitmap_or(a, b);
    assert_int_equal(gw_bitmap_count(a), 11);
    assert_int_equal(gw_bitmap_run(a, 10, NONE), 10);
    assert_true(gw_bitmap_test(a, BITS - 1));
    assert_int_equal(gw_bitmap_count(b), 9);
    gw_bitmap_free(a);
    gw_bitmap_free(b);
}

/* An idle map of 16 TiB costs a pointer per page, and a scan of one bit does not walk its bits. */
static void test_sparse(void **state)
{
    uint64_t bits = 16ull << 40 >> 12;
    struct gw_bitmap *b = gw_bitmap_new(bits);
    uint64_t idle = gw_bitmap_bytes(b);
    assert_true(idle < (bits / GW_BITMAP_PAGE_BITS + 2) * 8 + 100);
    gw_bitmap_set(b, bits - 5, 2);
    gw_bitmap_set(b, bits / 2, 1);
    assert_true(gw_bitmap_bytes(b) <= idle + 2 * 4096);
    assert_int_equal(gw_bitmap_next(b, 0), bits / 2);
    assert_int_equal(gw_bitmap_next(b, bits / 2 + 1), bits - 5);
    gw_bitmap_clear(b, 0, bits);
    assert_int_equal(gw_bitmap_bytes(b), idle);
    gw_bitmap_free(b);
}

static void check_against(const struct gw_bitmap *b, const uint8_t *model)
{
    uint64_t count = 0;
    for (uint64_t i = 0; i < BITS; i++) {
        if (gw_bitmap_test(b, i) != (bool)model[i])
            fail_msg("bit %lu differs", (unsigned long)i);
        count += model[i];
    }
    assert_int_equal(gw_bitmap_count(b), count);
}

static uint64_t model_next(const uint8_t *model, uint64_t from)
{
    while (from < BITS && !model[from])
        from++;
    return from < BITS ? from : NONE;
}

static void test_model(void **state)
{
    struct gw_bitmap *b = gw_bitmap_new(BITS);
    uint8_t *model = calloc(BITS, 1);
    for (int step = 0; step < 3000; step++) {
        uint64_t at = rnd(4) ? rnd(BITS) : GW_BITMAP_PAGE_BITS * rnd(3) + rnd(64);
        uint64_t n = rnd(3) ? rnd(130) : rnd(BITS), changed = 0;
        bool set = rnd(2);
        for (uint64_t i = at; i < at + n && i < BITS; i++) {
            changed += model[i] != set;
            model[i] = set;
        }
        assert_int_equal(set ? gw_bitmap_set(b, at, n) : gw_bitmap_clear(b, at, n), changed);
        uint64_t from = rnd(BITS + 2), next = model_next(model, from), run = 0, max = rnd(5000);
        assert_true(gw_bitmap_next(b, from) == next);
        for (uint64_t i = at; i < BITS && run < max && model[i]; i++)
            run++;
        assert_int_equal(gw_bitmap_run(b, at, max), run);
        if (step % 100 == 0)
            check_against(b, model);
    }
    check_against(b, model);
    gw_bitmap_free(b);
    free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),   cmocka_unit_test(test_across_pages),
        cmocka_unit_test(test_clipped), cmocka_unit_test(test_or),
        cmocka_unit_test(test_sparse),  cmocka_unit_test(test_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
