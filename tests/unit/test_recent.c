// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Recently received batches: what is taken is what was put at that address, or nothing. */
#include "base/checked.h"
#include "engine/recent.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define HEAD GW_JOURNAL_BATCH_HEADER_BYTES

static uint64_t seed = 7;

static uint32_t rnd(uint32_t below)
{
    seed = seed * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(seed >> 33) % below;
}

static struct gw_recent *new_cache(void)
{
    struct gw_recent *c = NULL;
    struct gw_error err = { .code = 0 };
    assert_int_equal(gw_recent_new(&c, &err), 0);
    return c;
}

/* A batch whose content tells its address, at both ends. */
static void receive(struct gw_recent *c, uint64_t address, size_t len)
{
    uint8_t *buf = gw_recent_reserve(c);
    assert_true(len >= HEAD + 16 && len <= HEAD + GW_FRAME_BYTES_MAX);
    memcpy(buf + HEAD, &address, sizeof address);
    memcpy(buf + len - sizeof address, &address, sizeof address);
    gw_recent_put(c, address, len, &(struct gw_journal_batch){ .first_seq = address });
}

/* False: it is not kept. What is kept must be right. */
static bool take(struct gw_recent *c, uint64_t address, size_t len)
{
    size_t got = 0;
    uint64_t next = 0;
    struct gw_journal_batch b = { .records = 0 };
    const uint8_t *data = gw_recent_take(c, address, &got, &b, &next);
    if (data == NULL)
        return false;
    assert_int_equal(got, len - HEAD);
    assert_int_equal(next, address + len);
    assert_int_equal(b.first_seq, address);
    assert_int_equal(b.bytes, len);
    assert_memory_equal(data, &address, sizeof address);
    assert_memory_equal(data + got - sizeof address, &address, sizeof address);
    return true;
}

static void test_in_turn(void **state)
{
    struct gw_recent *c = new_cache();
    assert_false(take(c, 4096, HEAD + 16));
    receive(c, 4096, HEAD + 16);
    receive(c, 4096 + HEAD + 16, HEAD + 100);
    assert_true(take(c, 4096, HEAD + 16));
    gw_recent_done(c);
    assert_true(take(c, 4096, HEAD + 16)); /* it failed, and is tried again */
    gw_recent_done(c);
    assert_true(take(c, 4096 + HEAD + 16, HEAD + 100));
    gw_recent_done(c);
    assert_false(take(c, 4096, HEAD + 16)); /* what is before is forgotten */
    gw_recent_free(c);
}

/* Another segment: an address that was never put. Those before it go, those behind it stay. */
static void test_gap(void **state)
{
    struct gw_recent *c = new_cache();
    receive(c, 1000, HEAD + 16);
    receive(c, 5000, HEAD + 16);
    assert_false(take(c, 3000, HEAD + 16));
    assert_false(take(c, 1000, HEAD + 16));
    assert_true(take(c, 5000, HEAD + 16));
    gw_recent_done(c);
    gw_recent_free(c);
}

/* While the applier works on the oldest, what is received never touches it. */
static void test_held(void **state)
{
    struct gw_recent *c = new_cache();
    size_t len = HEAD + GW_FRAME_BYTES_MAX;
    uint64_t at = 0;
    receive(c, at, len);
    assert_true(take(c, 0, len));
    size_t got;
    uint64_t next;
    struct gw_journal_batch b;
    for (unsigned i = 0; i < 12; i++) /* three times round */
        receive(c, at += len, len);
    gw_recent_done(c);
    assert_true(take(c, 0, len)); /* still whole */
    gw_recent_done(c);
    assert_null(gw_recent_take(c, at, &got, &b, &next)); /* that one had no place */
    gw_recent_free(c);
}

static void test_more_than_it_keeps(void **state)
{
    struct gw_recent *c = new_cache();
    for (uint64_t i = 0; i < 3000; i++)
        receive(c, i * 100, HEAD + 32);
    assert_false(take(c, 0, HEAD + 32));
    assert_true(take(c, 2999 * 100, HEAD + 32));
    gw_recent_done(c);
    gw_recent_free(c);
}

/* A receiver and an applier that lags more or less, for a long time. */
static void test_random(void **state)
{
    struct gw_recent *c = new_cache();
    static size_t len[4096];
    static uint64_t address[4096];
    uint64_t received = 0, applied = 0, at = 64, kept = 0;
    bool held = false;
    for (unsigned i = 0; i < 60000; i++) {
        uint64_t lag_max = i / 5000 % 2 != 0 ? 400 : 20;
        if (received - applied < lag_max && rnd(2) == 0) {
            size_t n = HEAD + 16 + rnd(rnd(20) == 0 ? GW_FRAME_BYTES_MAX - 16 : 300000);
            len[received % 4096] = n;
            address[received++ % 4096] = at;
            receive(c, at, n);
            at += n + (rnd(50) == 0 ? 4096 : 0);
        } else if (held) {
            gw_recent_done(c);
            held = false;
            applied++;
        } else if (applied < received) {
            held = take(c, address[applied % 4096], len[applied % 4096]);
            kept += held;
            applied += !held;
        }
    }
    assert_true(kept > 1000 && kept < received); /* both ways were gone */
    gw_recent_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_turn), cmocka_unit_test(test_gap),
        cmocka_unit_test(test_held),    cmocka_unit_test(test_more_than_it_keeps),
        cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
