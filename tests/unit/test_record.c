// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "base/hash.h"
#include "engine/record.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

static const struct gw_uuid uuid = { { 0xff, 0xff, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8 } };
#define SEED 0x0807060504030201ull

/* A record with a payload of its bytes, encoded into new memory of exactly *ret_len bytes. */
static uint8_t *make(struct gw_record *rec, size_t *ret_len)
{
    *ret_len = gw_record_bytes(rec->payload_bytes);
    uint8_t *buf = calloc(1, *ret_len);
    uint8_t *payload = buf + GW_RECORD_HEADER_BYTES;
    for (uint32_t i = 0; i < rec->payload_bytes; i++)
        payload[i] = (uint8_t)(i * 7 + 1);
    if (rec->payload_bytes > 0)
        rec->payload_hash = gw_hash64(payload, rec->payload_bytes, rec->seq);
    gw_record_encode(rec, SEED, buf);
    return buf;
}

static void check_equal(const struct gw_record *a, const struct gw_record *b)
{
    assert_int_equal(a->type, b->type);
    assert_int_equal(a->volume, b->volume);
    assert_int_equal(a->payload_bytes, b->payload_bytes);
    assert_int_equal(a->length, b->length);
    assert_int_equal(a->seq, b->seq);
    assert_int_equal(a->offset, b->offset);
    assert_int_equal(a->payload_hash, b->payload_hash);
    assert_int_equal(a->header_hash, b->header_hash);
}

static int64_t decode_made(struct gw_record rec)
{
    size_t len;
    uint8_t *buf = make(&rec, &len);
    struct gw_record got;
    int64_t r = gw_record_decode(buf, len, SEED, true, &got);
    if (r >= 0)
        check_equal(&got, &rec);
    free(buf);
    return r;
}

#define WRITE_13                                                                                   \
    {                                                                                              \
        .type = GW_RECORD_WRITE, .volume = 3, .payload_bytes = 13, .length = 13,                   \
        .seq = 0x1122334455667788, .offset = 0x99000                                               \
    }

static void test_layout(void **state)
{
    assert_int_equal(gw_record_seed(&uuid), SEED);
    struct gw_record rec = WRITE_13;
    size_t len;
    uint8_t *buf = make(&rec, &len);
    assert_int_equal(len, 48 + 16);
    static const uint8_t want[] = {
        'G',  'W',  'R',  '1',  1,    0,    3,    0,    13, 0,    0, 0, 13, 0, 0, 0,
        0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 0,  0x90, 9, 0, 0,  0, 0, 0,
    };
    assert_memory_equal(buf, want, sizeof want);
    struct gw_reader r = gw_reader(buf + 32, 16);
    assert_int_equal(gw_get_u64(&r), gw_hash64(buf + 48, 13, rec.seq));
    uint64_t header_hash = gw_get_u64(&r);
    assert_int_equal(header_hash, gw_hash64(buf, 40, SEED));
    assert_int_equal(header_hash, rec.header_hash);
    free(buf);
}

static void test_round_trip(void **state)
{
    static const struct gw_record good[] = {
        { .type = GW_RECORD_WRITE, .payload_bytes = 1, .length = 1, .seq = 1 },
        { .type = GW_RECORD_WRITE, .payload_bytes = 8, .length = 8, .seq = 1, .offset = 4095 },
        { .type = GW_RECORD_INJECT,
          .volume = GW_VOLUMES_MAX - 1,
          .payload_bytes = GW_EXTENT_BYTES,
          .length = GW_EXTENT_BYTES,
          .seq = UINT64_MAX,
          .offset = GW_VOLUME_BYTES_MAX - GW_EXTENT_BYTES },
        { .type = GW_RECORD_ZERO, .length = GW_ZERO_BYTES_MAX, .seq = 2, .offset = 1 },
        { .type = GW_RECORD_INJECT_ZERO, .length = 1, .seq = 2, .offset = GW_VOLUME_BYTES_MAX - 1 },
        { .type = GW_RECORD_HASH, .payload_bytes = 16, .length = 1, .offset = 4096 },
        { .type = GW_RECORD_VERIFY, .payload_bytes = 4096, .length = GW_EXTENT_BYTES },
        { .type = GW_RECORD_FIN, .payload_bytes = 100, .seq = 4 },
        { .type = GW_RECORD_FIN, .payload_bytes = 100, .seq = 4 },
        { .type = GW_RECORD_HANDOVER, .payload_bytes = 40, .seq = 4 },
        { .type = GW_RECORD_POINT, .payload_bytes = 4, .seq = 4 },
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_int_equal(decode_made(good[i]), gw_record_bytes(good[i].payload_bytes));
}

/* Right checksums, wrong meaning: a peer that is wrong or hostile. */
static void test_refused_shapes(void **state)
{
    static const struct gw_record bad[] = {
        { .type = 0, .seq = 1 },
        { .type = GW_RECORD_TYPE_MAX, .seq = 1 },
        { .type = 255, .seq = 1 },
        { .type = GW_RECORD_WRITE, .seq = 1 }, /* empty */
        { .type = GW_RECORD_WRITE, .payload_bytes = 8, .length = 9 },
        { .type = GW_RECORD_WRITE, .payload_bytes = 2, .length = 2, .offset = GW_EXTENT_BYTES - 1 },
        { .type = GW_RECORD_WRITE, .payload_bytes = 8, .length = 8, .volume = GW_VOLUMES_MAX },
        { .type = GW_RECORD_WRITE, .payload_bytes = 8, .length = 8, .offset = GW_VOLUME_BYTES_MAX },
        { .type = GW_RECORD_WRITE, .payload_bytes = 8, .length = 8, .offset = UINT64_MAX - 3 },
        { .type = GW_RECORD_INJECT,
          .payload_bytes = GW_EXTENT_BYTES + 8,
          .length = GW_EXTENT_BYTES + 8 },
        { .type = GW_RECORD_ZERO },
        { .type = GW_RECORD_ZERO, .length = GW_ZERO_BYTES_MAX + 1 },
        { .type = GW_RECORD_ZERO, .length = 8, .payload_bytes = 8 },
        { .type = GW_RECORD_ZERO, .length = 2, .offset = GW_VOLUME_BYTES_MAX - 1 },
        { .type = GW_RECORD_ZERO, .length = 8, .payload_hash = 1 },
        { .type = GW_RECORD_HASH, .length = 4097, .payload_bytes = 16 },
        { .type = GW_RECORD_HASH, .length = 4096, .payload_bytes = 16, .offset = 512 },
        { .type = GW_RECORD_HASH, .length = 0, .payload_bytes = 0 },
        { .type = GW_RECORD_VERIFY, .length = 8192, .payload_bytes = 32, .offset = 255 * 4096 },
        { .type = GW_RECORD_FIN, .length = 1 },
        { .type = GW_RECORD_FIN, .offset = 1 },
        { .type = GW_RECORD_POINT, .volume = 1 },
        { .type = GW_RECORD_POINT, .payload_bytes = GW_RECORD_PAYLOAD_MAX + 1 },
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (decode_made(bad[i]) != -EBADMSG)
            fail_msg("shape %zu was accepted", i);
    }
}

static void test_flags_refused(void **state)
{
    struct gw_record rec = WRITE_13, got;
    size_t len;
    uint8_t *buf = make(&rec, &len);
    buf[5] = 1;
    struct gw_writer w = gw_writer(buf + 40, 8);
    gw_put_u64(&w, gw_hash64(buf, 40, SEED));
    assert_int_equal(gw_record_decode(buf, len, SEED, true, &got), -EBADMSG);
    free(buf);
}

static void test_cut(void **state)
{
    struct gw_record rec = WRITE_13, got = { .seq = 99 };
    size_t len;
    uint8_t *buf = make(&rec, &len);
    for (size_t n = 0; n < len; n++) {
        uint8_t *part = malloc(n + 1); /* reading past n is an ASan error but for one byte */
        memcpy(part, buf, n);
        assert_int_equal(gw_record_decode(part, n, SEED, true, &got), -EAGAIN);
        free(part);
    }
    assert_int_equal(got.seq, 99); /* untouched on failure */
    assert_int_equal(gw_record_decode(buf, len, SEED, true, &got), len);
    free(buf);
}

static void test_damage(void **state)
{
    struct gw_record rec = WRITE_13, got;
    size_t len;
    uint8_t *buf = make(&rec, &len);
    for (size_t bit = 0; bit < len * 8; bit++) {
        buf[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(gw_record_decode(buf, len, SEED, true, &got), -EBADMSG);
        /* Without the payload's checksum only the 13 payload bytes are free. */
        bool payload = bit / 8 >= 48 && bit / 8 < 48 + 13;
        int64_t r = gw_record_decode(buf, len, SEED, false, &got);
        assert_int_equal(r, payload ? (int64_t)len : -EBADMSG);
        buf[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_int_equal(gw_record_decode(buf, len, SEED, true, &got), len);
    assert_int_equal(gw_record_decode(buf, len, SEED + 1, true, &got), -EBADMSG); /* another uuid */
    free(buf);
}

static void test_chain(void **state)
{
    uint8_t pair[16] = { 1, 0, 0, 0, 0, 0, 0, 0, 2 };
    assert_int_equal(gw_chain_next(1, 2), gw_hash64(pair, 16, 0));
    assert_int_not_equal(gw_chain_next(1, 2), gw_chain_next(2, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layout),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_refused_shapes),
        cmocka_unit_test(test_flags_refused),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_chain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
