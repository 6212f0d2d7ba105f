// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The send ring against a plain list of what was put in, and the range locks. */
#include "base/hash.h"
#include "engine/rangelock.h"
#include "engine/ring.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define RING_BYTES (4u * 1024 * 1024)

static const uint64_t seed = 42;

static struct gw_slot *put(struct gw_ring *r, uint64_t seq, enum gw_record_type type, uint32_t len)
{
    static uint8_t payload[GW_RECORD_PAYLOAD_MAX];
    if (!gw_ring_claim(r, len))
        return NULL;
    struct gw_record rec = { .type = type, .payload_bytes = len, .length = len, .seq = seq };
    memset(payload, (int)seq & 0xff, len);
    struct gw_slot *s = gw_ring_reserve(r, &rec);
    gw_ring_fill(r, s, payload, seed);
    return s;
}

/* What goes out is every record, in order, whole and decodable, through many wraps of the buffer.
 */
static void in_order_through_wraps(void **state)
{
    (void)state;
    struct gw_ring *r = gw_ring_new(RING_BYTES);
    uint64_t put_seq = 0, got_seq = 0;
    unsigned random = 1;
    while (got_seq < 20000) {
        uint32_t len =
            1 + (uint32_t)rand_r(&random) % (rand_r(&random) % 100 == 0 ? 1048576 : 9000);
        while (put(r, put_seq + 1, GW_RECORD_WRITE, len) != NULL) {
            put_seq++;
            len = 1 + (uint32_t)rand_r(&random) % 9000;
            if (rand_r(&random) % 64 == 0)
                break;
        }
        const uint8_t *data;
        size_t bytes;
        unsigned n = gw_ring_batch(r, GW_BATCH_BYTES, &data, &bytes);
        size_t at = 0;
        for (unsigned i = 0; i < n; i++) {
            struct gw_record rec;
            int64_t used = gw_record_decode(data + at, bytes - at, seed, true, &rec);
            assert_true(used > 0);
            assert_int_equal(rec.seq, ++got_seq);
            assert_int_equal(gw_ring_unsent(r, i)->rec.header_hash, rec.header_hash);
            assert_int_equal(data[at + GW_RECORD_HEADER_BYTES], got_seq & 0xff);
            at += (size_t)used;
        }
        assert_int_equal(at, bytes);
        gw_ring_sent(r, n);
        while (gw_ring_oldest(r) != NULL && gw_ring_oldest(r)->rec.seq <= got_seq &&
               rand_r(&random) % 50 != 0)
            gw_ring_pop(r);
    }
    gw_ring_free(r);
}

/* A claim is a promise: whatever the position, a reserve after it fits. */
static void claims_hold(void **state)
{
    (void)state;
    struct gw_ring *r = gw_ring_new(RING_BYTES);
    for (unsigned round = 0; round < 200; round++) {
        unsigned claims = 0;
        while (claims < 64 && gw_ring_claim(r, 1000 * (round % 60 + 1)))
            claims++;
        assert_true(claims > 0);
        for (unsigned i = 0; i < claims; i++) {
            struct gw_record rec = { .type = GW_RECORD_WRITE,
                                     .payload_bytes = 1000 * (round % 60 + 1),
                                     .seq = round * 64 + i + 1 };
            rec.length = rec.payload_bytes;
            gw_ring_fill(r, gw_ring_reserve(r, &rec), NULL, seed);
        }
        const uint8_t *data;
        size_t bytes;
        unsigned n;
        while ((n = gw_ring_batch(r, GW_BATCH_BYTES, &data, &bytes)) > 0)
            gw_ring_sent(r, n);
        while (!gw_ring_empty(r))
            gw_ring_pop(r);
    }
    assert_int_equal(gw_ring_used_bytes(r), 0);
    gw_ring_free(r);
}

/* An unfilled record holds back what comes after it; FIN, HANDOVER and POINT end a batch. */
static void batches_end(void **state)
{
    (void)state;
    struct gw_ring *r = gw_ring_new(RING_BYTES);
    const uint8_t *data;
    size_t bytes;
    put(r, 1, GW_RECORD_WRITE, 100);
    assert_true(gw_ring_claim(r, 8));
    struct gw_record rec = { .type = GW_RECORD_POINT, .payload_bytes = 8, .seq = 2 };
    struct gw_slot *late = gw_ring_reserve(r, &rec);
    put(r, 3, GW_RECORD_WRITE, 100);
    assert_int_equal(gw_ring_batch(r, GW_BATCH_BYTES, &data, &bytes), 1);
    assert_false(gw_ring_all_filled(r));
    gw_ring_fill(r, late, "a\0b\0c\0d", seed);
    assert_int_equal(gw_ring_batch(r, GW_BATCH_BYTES, &data, &bytes), 2);
    gw_ring_sent(r, 2);
    assert_int_equal(gw_ring_batch(r, GW_BATCH_BYTES, &data, &bytes), 1);
    gw_ring_sent(r, 1);
    gw_ring_rewind(r, 2); /* a new session begins after seq 2 */
    assert_int_equal(gw_ring_batch(r, GW_BATCH_BYTES, &data, &bytes), 1);
    assert_int_equal(gw_ring_unsent(r, 0)->rec.seq, 3);
    gw_ring_free(r);
}

static void full_is_refused(void **state)
{
    (void)state;
    struct gw_ring *r = gw_ring_new(RING_BYTES);
    uint64_t n = 0;
    while (put(r, n + 1, GW_RECORD_WRITE, 4096) != NULL)
        n++;
    assert_true(n * 4144 <= RING_BYTES);
    assert_true(n * 4144 > RING_BYTES - 3 * 4144);
    const uint8_t *data;
    size_t bytes;
    gw_ring_sent(r, gw_ring_batch(r, GW_BATCH_BYTES, &data, &bytes));
    gw_ring_pop(r);
    gw_ring_pop(r);
    assert_non_null(put(r, n + 1, GW_RECORD_WRITE, 4096));
    gw_ring_reset(r);
    assert_true(gw_ring_empty(r));
    gw_ring_free(r);
}

static void ranges(void **state)
{
    (void)state;
    struct gw_rangelock l = { NULL };
    struct gw_range a, b, c;
    assert_true(gw_rangelock_try(&l, &a, 100, 50));
    assert_false(gw_rangelock_try(&l, &b, 149, 1));
    assert_false(gw_rangelock_try(&l, &b, 0, 101));
    assert_false(gw_rangelock_try(&l, &b, 90, 500));
    assert_true(gw_rangelock_try(&l, &b, 150, 10));
    assert_true(gw_rangelock_try(&l, &c, 0, 100));
    gw_rangelock_release(&l, &a);
    assert_true(gw_rangelock_try(&l, &a, 120, 30));
    assert_false(gw_rangelock_try(&l, &(struct gw_range){ 0 }, 99, 2));
}

/* A record that ends exactly where the buffer does skips nothing, and yet what follows it does not
 * lie behind it. */
static void a_record_that_ends_at_the_end(void **state)
{
    (void)state;
    const uint32_t len = 4096 - GW_RECORD_HEADER_BYTES;
    const unsigned all = RING_BYTES / 4096;
    struct gw_ring *r = gw_ring_new(RING_BYTES);
    const uint8_t *data;
    size_t bytes;
    unsigned sent = 0, n;
    for (unsigned i = 1; i <= all + 3; i++) {
        while (put(r, i, GW_RECORD_WRITE, len) == NULL) {
            n = gw_ring_batch(r, 3 * 4096, &data, &bytes); /* out of step with the end */
            gw_ring_sent(r, n);
            for (sent += n; n > 0; n--)
                gw_ring_pop(r);
        }
    }
    while (sent < all) {
        n = gw_ring_batch(r, GW_BATCH_BYTES, &data, &bytes);
        assert_int_equal(bytes, n * 4096);
        assert_true(sent + n <= all);
        gw_ring_sent(r, n);
        sent += n;
    }
    assert_int_equal(gw_ring_batch(r, GW_BATCH_BYTES, &data, &bytes), 3);
    struct gw_record rec;
    assert_true(gw_record_decode(data, bytes, seed, true, &rec) > 0);
    assert_int_equal(rec.seq, all + 1);
    gw_ring_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_order_through_wraps),
        cmocka_unit_test(a_record_that_ends_at_the_end),
        cmocka_unit_test(claims_hold),
        cmocka_unit_test(batches_end),
        cmocka_unit_test(full_is_refused),
        cmocka_unit_test(ranges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
