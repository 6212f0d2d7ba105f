// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* src/base: bytes, uuid, size, error, hash, log, clock; and the token bucket's rates. */
#include "base/bytes.h"
#include "base/checked.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/size.h"
#include "base/uuid.h"
#include "engine/bucket.h"
#include "engine/limits.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>
#include <xxhash.h>

static void test_bytes_round_trip(void **state)
{
    uint8_t buf[64];
    memset(buf, 0xee, sizeof buf);
    struct gw_writer w = gw_writer(buf, sizeof buf);
    gw_put_u8(&w, 0x12);
    gw_put_u16(&w, 0x3456);
    gw_put_u32(&w, 0x789abcde);
    gw_put_u64(&w, 0x0123456789abcdefull);
    gw_put_bytes(&w, "xyz", 3);
    gw_put_text(&w, "name", 8);
    gw_put_zeros_to(&w, 30);
    gw_put_bytes(&w, NULL, 0);
    assert_false(w.failed);
    assert_int_equal(w.pos, 30);
    static const uint8_t want[] = { 0x12, 0x56, 0x34, 0xde, 0xbc, 0x9a, 0x78, 0xef,
                                    0xcd, 0xab, 0x89, 0x67, 0x45, 0x23, 0x01, 'x',
                                    'y',  'z',  'n',  'a',  'm',  'e',  0,    0,
                                    0,    0,    0,    0,    0,    0,    0xee };
    assert_memory_equal(buf, want, sizeof want);

    struct gw_reader r = gw_reader(buf, 30);
    char xyz[3], name[8];
    assert_int_equal(gw_get_u8(&r), 0x12);
    assert_int_equal(gw_get_u16(&r), 0x3456);
    assert_int_equal(gw_get_u32(&r), 0x789abcde);
    assert_int_equal(gw_get_u64(&r), 0x0123456789abcdefull);
    gw_get_bytes(&r, xyz, 3);
    assert_memory_equal(xyz, "xyz", 3);
    gw_get_text(&r, name, sizeof name);
    assert_string_equal(name, "name");
    assert_int_equal(gw_reader_left(&r), 4);
    assert_ptr_equal(gw_get_view(&r, 4), buf + 26);
    assert_int_equal(gw_reader_left(&r), 0);
    assert_false(r.failed);
}

static void test_reader_stays_failed(void **state)
{
    const uint8_t data[7] = { 1, 2, 3, 4, 5, 6, 7 };
    struct gw_reader r = gw_reader(data, sizeof data);
    assert_int_equal(gw_get_u32(&r), 0x04030201);
    assert_int_equal(gw_get_u32(&r), 0); /* one byte too few */
    assert_true(r.failed);
    assert_int_equal(gw_get_u8(&r), 0); /* though three bytes are left */
    assert_int_equal(gw_reader_left(&r), 0);
    assert_null(gw_get_view(&r, 0));
    uint8_t out[2] = { 9, 9 };
    gw_get_bytes(&r, out, 2);
    assert_int_equal(out[0] + out[1], 0);

    r = gw_reader(data, sizeof data);
    assert_null(gw_get_view(&r, SIZE_MAX));
    assert_true(r.failed);
}

static void test_writer_stays_failed(void **state)
{
    uint8_t buf[8];
    memset(buf, 0xee, sizeof buf);
    struct gw_writer w = gw_writer(buf, 6);
    gw_put_u32(&w, 1);
    gw_put_u32(&w, 2);
    assert_true(w.failed);
    gw_put_u8(&w, 3);
    assert_int_equal(w.pos, 4);
    assert_int_equal(buf[4], 0xee);
    w = gw_writer(buf, 6);
    gw_put_u32(&w, 1);
    gw_put_zeros_to(&w, 3); /* backwards */
    assert_true(w.failed);
    w = gw_writer(buf, 6);
    gw_put_zeros_to(&w, 7);
    assert_true(w.failed);
}

static void test_text(void **state)
{
    uint8_t buf[4];
    char text[4] = "???";
    struct gw_writer w = gw_writer(buf, sizeof buf);
    gw_put_text(&w, "abcd", 4); /* no room for the NUL */
    assert_true(w.failed);
    struct gw_reader r = gw_reader("abcd", 4);
    gw_get_text(&r, text, 4);
    assert_true(r.failed);
    assert_string_equal(text, "");
    r = gw_reader("abc", 4);
    gw_get_text(&r, text, 4);
    assert_false(r.failed);
    assert_string_equal(text, "abc");
}

static void test_uuid(void **state)
{
    struct gw_uuid a = gw_uuid_new(), b = gw_uuid_new(), c = { { 0 } };
    assert_true(gw_uuid_is_none(&c));
    assert_false(gw_uuid_is_none(&a));
    assert_false(gw_uuid_equal(&a, &b));
    assert_int_equal(a.b[6] >> 4, 4); /* RFC 9562: version, variant */
    assert_int_equal(a.b[8] >> 6, 2);
    char text[GW_UUID_TEXT];
    gw_uuid_format(&a, text);
    assert_int_equal(strlen(text), 36);
    assert_true(gw_uuid_parse(text, &c));
    assert_true(gw_uuid_equal(&a, &c));
    assert_true(gw_uuid_parse("00112233-4455-6677-8899-AAbbCCddEEff", &c));
    gw_uuid_format(&c, text);
    assert_string_equal(text, "00112233-4455-6677-8899-aabbccddeeff");
    assert_true((gw_uuid_compare(&a, &b) < 0) == (gw_uuid_compare(&b, &a) > 0));
    assert_int_equal(gw_uuid_compare(&a, &a), 0);

    static const char *const bad[] = {
        "",
        "00112233-4455-6677-8899-aabbccddeef",
        "00112233-4455-6677-8899-aabbccddeeff0",
        "0011223344556677-8899-aabbccddeeff-00",
        "00112233-4455-6677-8899-aabbccddeefg",
        "00112233-4455-6677-8899_aabbccddeeff",
        "-0112233-4455-6677-8899-aabbccddeeff",
    };
    struct gw_uuid before = c;
    for (size_t i = 0; i < GW_ARRAY_SIZE(bad); i++) {
        if (gw_uuid_parse(bad[i], &c))
            fail_msg("\"%s\" was accepted", bad[i]);
        assert_true(gw_uuid_equal(&before, &c));
    }
}

static void test_size_parse(void **state)
{
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {
        { "0", 0 },
        { "4096", 4096 },
        { "12B", 12 },
        { "512k", 512 << 10 },
        { "512KiB", 512 << 10 },
        { "64MiB", 64 << 20 },
        { "64m", 64 << 20 },
        { "20GiB", 20ull << 30 },
        { "3TiB", 3ull << 40 },
        { "16777215T", 16777215ull << 40 },
        { "18446744073709551614", UINT64_MAX - 1 },
    };
    for (size_t i = 0; i < GW_ARRAY_SIZE(good); i++) {
        uint64_t bytes = 1;
        assert_true(gw_size_parse(good[i].text, &bytes));
        assert_int_equal(bytes, good[i].bytes);
    }
    static const char *const bad[] = { "",      "k",    "-1",        "+1",
                                       " 1",    "1 k",  "1kB",       "1MB",
                                       "1KiBs", "1.5G", "1x",        "0x10",
                                       "1kib ", "1bb",  "16777216T", "99999999999999999999" };
    for (size_t i = 0; i < GW_ARRAY_SIZE(bad); i++) {
        uint64_t bytes = 77;
        if (gw_size_parse(bad[i], &bytes))
            fail_msg("\"%s\" was accepted", bad[i]);
        assert_int_equal(bytes, 77);
    }
}

static void test_size_format(void **state)
{
    static const struct {
        uint64_t bytes;
        const char *text;
    } cases[] = {
        { 0, "0 B" },
        { 1023, "1023 B" },
        { 1024, "1.0 KiB" },
        { 41ull << 20, "41.0 MiB" },
        { (3ull << 30) / 2, "1.5 GiB" },
        { 1ull << 50, "1.0 PiB" },
        { UINT64_MAX, "16384.0 PiB" },
    };
    for (size_t i = 0; i < GW_ARRAY_SIZE(cases); i++) {
        char text[GW_SIZE_TEXT];
        gw_size_format(cases[i].bytes, text);
        assert_string_equal(text, cases[i].text);
    }
}

static void test_error(void **state)
{
    struct gw_error err = { 0 };
    assert_int_equal(gw_error_set(&err, -EBADMSG, "checksum mismatch at %d", 4096), -EBADMSG);
    assert_int_equal(gw_error_wrap(&err, "journal segment %d", 17), -EBADMSG);
    assert_int_equal(gw_error_wrap(&err, "cannot open plan %s", "shop"), -EBADMSG);
    assert_int_equal(err.code, -EBADMSG);
    assert_string_equal(err.msg,
                        "cannot open plan shop: journal segment 17: checksum mismatch at 4096");
    assert_int_equal(gw_error_errno(&err, -ENOENT, "cannot open \"%s\"", "x"), -ENOENT);
    assert_string_equal(err.msg, "cannot open \"x\": No such file or directory");
    /* Its own sentence may be an argument. */
    gw_error_set(&err, -EIO, "again: %s", err.msg);
    assert_string_equal(err.msg, "again: cannot open \"x\": No such file or directory");

    assert_int_equal(gw_error_set(NULL, -EIO, "x"), -EIO);
    assert_int_equal(gw_error_errno(NULL, -EPERM, "x"), -EPERM);
    assert_int_equal(gw_error_wrap(NULL, "x"), -EIO);

    char *lots = calloc(1, 5000);
    memset(lots, 'a', 4999);
    gw_error_errno(&err, -ENOSPC, "%s", lots);
    assert_non_null(strstr(err.msg, "No space left on device")); /* the cause is never cut off */
    gw_error_wrap(&err, "%s", lots);
    assert_true(strlen(err.msg) < sizeof err.msg);
    assert_int_equal(err.code, -ENOSPC);
    /* What fits is whole: the way out is at the end. */
    gw_error_set(&err, -EIO, "%.450s: mend it", lots);
    gw_error_wrap(&err, "cannot promote");
    assert_string_equal(err.msg + strlen(err.msg) - 9, ": mend it");
    free(lots);
}

/* The vectors that this processor has give what the portable code gives: formats depend on it. */
static void test_hash_is_xxh3(void **state)
{
    static uint8_t data[100003];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 131 + i / 251);
    for (size_t len = 0; len <= sizeof data; len = len < 1100 ? len + 1 : len * 3 / 2 + 1) {
        for (uint64_t seed = 0; seed < 3; seed++) {
            uint64_t salt = seed * 0x9e3779b97f4a7c15ull;
            XXH128_hash_t want = XXH3_128bits_withSeed(data, len, salt);
            struct gw_hash128 got = gw_hash128(data, len, salt);
            assert_int_equal(gw_hash64(data, len, salt), XXH3_64bits_withSeed(data, len, salt));
            assert_int_equal(got.lo, want.low64);
            assert_int_equal(got.hi, want.high64);
        }
    }
}

static void test_hash(void **state)
{
    /* Published values of XXH3: the format on disk depends on them. */
    assert_int_equal(gw_hash64("", 0, 0), 0x2d06800538d394c2ull);
    struct gw_hash128 h = gw_hash128("", 0, 0);
    assert_int_equal(h.hi, 0x99aa06d3014798d8ull);
    assert_int_equal(h.lo, 0x6001c324468d497full);
    assert_int_not_equal(gw_hash64("a", 1, 0), gw_hash64("a", 1, 1));
    assert_int_not_equal(gw_hash64("a", 1, 0), gw_hash64("b", 1, 0));
}

static char logged[256];
static int logged_n;

static void log_keep(enum gw_log_level level, const char *line)
{
    snprintf(logged, sizeof logged, "%d %s", (int)level, line);
    logged_n++;
}

static void test_log(void **state)
{
    gw_log_sink(log_keep);
    gw_log_level_max(GW_LOG_NOTICE);
    gw_log(GW_LOG_WARNING, "link of \"%s\" is down, retrying in %d ms", "shop", 100);
    assert_string_equal(logged, "4 link of \"shop\" is down, retrying in 100 ms");
    gw_log(GW_LOG_INFO, "nobody sees this");
    assert_int_equal(logged_n, 1);
    gw_log_level_max(GW_LOG_DEBUG);
    gw_log(GW_LOG_DEBUG, "but this");
    assert_int_equal(logged_n, 2);
    gw_log_sink(NULL);
}

static void test_clock(void **state)
{
    uint64_t a = gw_boot_ns();
    assert_true(gw_boot_ns() >= a);
    assert_true(gw_wall_ns() > 1700000000 * GW_NS_PER_S);
    char text[GW_TIME_TEXT];
    gw_time_format(1795301823 * GW_NS_PER_S + 999999999, text);
    assert_string_equal(text, "2026-11-21T22:57:03Z");
}

static void test_time_parse(void **state)
{
    static const char *const bad[] = {
        "2026-02-30T00:00:00Z",
        "2026-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-04-31T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:00:60Z",
        "1969-12-31T23:59:59Z",
        "2999-01-01T00:00:00Z",
        "2262-04-12T00:00:00Z",
        "2026-01-01T00:00:00",
        "2026-01-01T00:00:00.Z",
        "2026-01-01",
        "",
        "Z",
    };
    char text[GW_TIME_TEXT];
    uint64_t at = 7;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(gw_time_parse(bad[i], &at));
        assert_int_equal(at, 7);
    }
    assert_true(gw_time_parse("2024-02-29T23:59:59Z", &at));
    gw_time_format(at, text);
    assert_string_equal(text, "2024-02-29T23:59:59Z");
    assert_true(gw_time_parse("1970-01-01T00:00:01.0250000000009Z", &at));
    assert_int_equal(at, GW_NS_PER_S + 25 * GW_NS_PER_MS);
}

static void test_checked(void **state)
{
    uint64_t u;
    uint32_t v;
    assert_true(ckd_add(&u, UINT64_MAX, 1u));
    assert_false(ckd_add(&u, UINT64_MAX - 1, 1u));
    assert_int_equal(u, UINT64_MAX);
    assert_true(ckd_mul(&v, 65536u, 65536u));
    assert_true(ckd_sub(&u, 1u, 2u));
    assert_int_equal(GW_MIN(3, 5) + GW_MAX(3, 5), 8);
}

/* ---- token bucket ---------------------------------------------------------------------------- */

/* Bytes sent in `ns` by one who waits as told after each piece. */
static uint64_t bucket_run(struct gw_bucket *b, uint64_t *now, uint64_t ns, uint64_t piece)
{
    uint64_t sent = 0, until = *now + ns;
    while (*now < until) {
        *now += gw_bucket_take(b, piece, *now) + 1000; /* sending takes a little time, too */
        sent += piece;
    }
    return sent;
}

static void check_rate(uint64_t sent, uint64_t rate, uint64_t seconds)
{
    uint64_t burst = GW_MAX(rate / 10, (uint64_t)GW_BATCH_BYTES);
    if (sent < rate * seconds || sent > rate * seconds + burst + 2 * (uint64_t)GW_BATCH_BYTES)
        fail_msg("%llu bytes in %llu s at %llu", (unsigned long long)sent,
                 (unsigned long long)seconds, (unsigned long long)rate);
}

static void test_bucket_rates(void **state)
{
    static const uint64_t rates[] = { 100 << 10, 10 << 20, 1ull << 30 };
    for (size_t i = 0; i < GW_ARRAY_SIZE(rates); i++) {
        struct gw_bucket b;
        uint64_t now = 5 * GW_NS_PER_S;
        gw_bucket_init(&b, rates[i], now);
        check_rate(bucket_run(&b, &now, 10 * GW_NS_PER_S, 65536), rates[i], 10);
        /* A pause saves up the burst, not the whole pause. */
        now += 3600 * GW_NS_PER_S;
        check_rate(bucket_run(&b, &now, 10 * GW_NS_PER_S, GW_BATCH_BYTES), rates[i], 10);
    }
}

static void test_bucket_waits(void **state)
{
    struct gw_bucket b;
    gw_bucket_init(&b, 10 << 20, 0);
    assert_int_equal(gw_bucket_take(&b, 1 << 20, 0), 0); /* the burst: 100 ms of the rate */
    uint64_t wait = gw_bucket_take(&b, 10 << 20, 0);
    assert_int_equal(wait, GW_NS_PER_S);
    assert_int_equal(gw_bucket_take(&b, 0, GW_NS_PER_S / 2), GW_NS_PER_S / 2);
    assert_int_equal(gw_bucket_take(&b, 0, GW_NS_PER_S), 0);
    /* Ten times slower: nothing is saved, a tenth of it comes back in a second. */
    gw_bucket_rate(&b, 1 << 20, GW_NS_PER_S);
    assert_int_equal(gw_bucket_take(&b, 1 << 20, 2 * GW_NS_PER_S) / GW_NS_PER_MS, 750);
    /* No limit. */
    gw_bucket_rate(&b, 0, 2 * GW_NS_PER_S);
    assert_int_equal(gw_bucket_take(&b, UINT64_MAX, 2 * GW_NS_PER_S), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_round_trip),
        cmocka_unit_test(test_reader_stays_failed),
        cmocka_unit_test(test_writer_stays_failed),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_uuid),
        cmocka_unit_test(test_size_parse),
        cmocka_unit_test(test_size_format),
        cmocka_unit_test(test_error),
        cmocka_unit_test(test_hash),
        cmocka_unit_test(test_hash_is_xxh3),
        cmocka_unit_test(test_log),
        cmocka_unit_test(test_clock),
        cmocka_unit_test(test_time_parse),
        cmocka_unit_test(test_checked),
        cmocka_unit_test(test_bucket_rates),
        cmocka_unit_test(test_bucket_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
