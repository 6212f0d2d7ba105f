// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "base/checked.h"
#include "base/hash.h"
#include "engine/dirtymap.h"
#include "engine/frame.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* One buffer for all payloads; the largest is HELLO. */
static uint8_t buf[GW_HELLO_BYTES_MAX];

typedef bool (*decoder)(const uint8_t *data, size_t len);

/* Decode from memory of exactly this size, so that ASan sees a read past it. */
static bool decode_exact(decoder decode, const uint8_t *data, size_t len)
{
    uint8_t *copy = malloc(len + 1);
    assert_non_null(copy);
    uint8_t *exact = realloc(copy, len == 0 ? 1 : len);
    assert_non_null(exact);
    memcpy(exact, data, len);
    bool ok = decode(exact, len);
    free(exact);
    return ok;
}

/* All of it is accepted; less or more is refused. */
static void check_lengths(decoder decode, const uint8_t *data, size_t len)
{
    assert_true(decode_exact(decode, data, len));
    for (size_t n = 0; n < len; n++)
        if (decode_exact(decode, data, n))
            fail_msg("accepted %zu of %zu bytes", n, len);
    uint8_t *more = calloc(1, len + 1);
    assert_non_null(more);
    memcpy(more, data, len);
    assert_false(decode_exact(decode, more, len + 1));
    free(more);
}

/* Of the 256 values at `pos`, those from first to last are accepted and no other. */
static void check_byte(decoder decode, uint8_t *data, size_t len, size_t pos, int first, int last)
{
    const uint8_t saved = data[pos];

    for (int v = 0; v < 256; v++) {
        data[pos] = (uint8_t)v;
        if (decode_exact(decode, data, len) != (v >= first && v <= last))
            fail_msg("value %d at %zu is wrongly %s", v, pos,
                     v >= first && v <= last ? "refused" : "accepted");
    }
    data[pos] = saved;
}

/* No encoder writes into less room than it needs. */
static void check_room(size_t (*encode)(const void *, uint8_t *, size_t), const void *v, size_t len)
{
    for (size_t cap = 0; cap < len; cap++) {
        uint8_t *room = malloc(cap == 0 ? 1 : cap);
        assert_non_null(room);
        assert_int_equal(encode(v, room, cap), 0);
        free(room);
    }
}

static struct gw_uuid uuid_of(uint8_t seed)
{
    struct gw_uuid u;

    for (uint8_t i = 0; i < sizeof u.b; i++)
        u.b[i] = (uint8_t)(seed * 16 + i + 1);
    return u;
}

/* ---- headers --------------------------------------------------------------------------------- */

static struct gw_frame sample_header(enum gw_frame_type type)
{
    struct gw_frame f = { .type = type, .version = 1, .payload_hash = 0x1122334455667788 };

    switch (type) {
    case GW_FRAME_DATA:
        f.bytes = f.raw_bytes = GW_FRAME_BYTES_MAX;
        f.payload_hash = 0;
        break;
    case GW_FRAME_BARRIER:
    case GW_FRAME_MAP_END:
        break;
    case GW_FRAME_HELLO:
    case GW_FRAME_VERDICT:
    case GW_FRAME_START:
    case GW_FRAME_MAP:
    case GW_FRAME_READY:
    case GW_FRAME_ACK:
    case GW_FRAME_DIFF:
    case GW_FRAME_HEARTBEAT:
    case GW_FRAME_GOODBYE:
    case GW_FRAME_RESULT:
    case GW_FRAME_TYPE_MAX:
        f.bytes = f.raw_bytes = 16;
        break;
    }
    return f;
}

static int recode(const struct gw_frame *f, struct gw_frame *ret)
{
    uint8_t h[GW_FRAME_HEADER_BYTES];

    gw_frame_encode(f, h);
    return gw_frame_decode(h, ret);
}

static void header_round_trip(void **state)
{
    for (int t = 1; t < GW_FRAME_TYPE_MAX; t++) {
        struct gw_frame f = sample_header((enum gw_frame_type)t), got;
        assert_int_equal(recode(&f, &got), 0);
        assert_int_equal(got.type, t);
        assert_int_equal(got.version, 1);
        assert_int_equal(got.bytes, f.bytes);
        assert_int_equal(got.raw_bytes, f.raw_bytes);
        assert_true(got.payload_hash == f.payload_hash);
    }
    struct gw_frame z = { .type = GW_FRAME_DATA,
                          .flags = GW_FRAME_ZSTD,
                          .version = 77,
                          .bytes = 100,
                          .raw_bytes = 5000,
                          .payload_hash = 9 },
                    got;
    assert_int_equal(recode(&z, &got), 0);
    assert_int_equal(got.flags, GW_FRAME_ZSTD);
    assert_int_equal(got.version, 77);
    assert_int_equal(got.raw_bytes, 5000);
}

static void header_layout(void **state)
{
    struct gw_frame f = { .type = GW_FRAME_ACK,
                          .version = 0x0102,
                          .bytes = 72,
                          .raw_bytes = 72,
                          .payload_hash = 0x0807060504030201 };
    uint8_t h[GW_FRAME_HEADER_BYTES];
    const uint8_t want[24] = { 'G', 'W', 'F', '1', 8, 0, 2, 1, 72, 0, 0, 0,
                               72,  0,   0,   0,   1, 2, 3, 4, 5,  6, 7, 8 };

    gw_frame_encode(&f, h);
    assert_memory_equal(h, want, sizeof want);
}

static void header_bit_flips(void **state)
{
    for (int t = 1; t < GW_FRAME_TYPE_MAX; t++) {
        struct gw_frame f = sample_header((enum gw_frame_type)t), got;
        uint8_t h[GW_FRAME_HEADER_BYTES];
        gw_frame_encode(&f, h);
        for (unsigned bit = 0; bit < 8 * sizeof h; bit++) {
            h[bit / 8] ^= (uint8_t)(1u << bit % 8);
            assert_int_equal(gw_frame_decode(h, &got), -EBADMSG);
            h[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        assert_int_equal(gw_frame_decode(h, &got), 0);
    }
}

/* With a right checksum: what the fields say must be possible. */
static void header_refused(void **state)
{
    struct gw_frame got;

    for (int t = 0; t < 256; t++) {
        struct gw_frame f = { .type = (enum gw_frame_type)t, .version = 1 };
        assert_int_equal(recode(&f, &got), t >= 1 && t < GW_FRAME_TYPE_MAX ? 0 : -EBADMSG);
    }
    for (int flags = 0; flags < 256; flags++) {
        struct gw_frame f = {
            .type = GW_FRAME_DATA, .flags = (uint8_t)flags, .bytes = 8, .raw_bytes = 8
        };
        assert_int_equal(recode(&f, &got), flags <= 1 ? 0 : -EBADMSG);
        f.type = GW_FRAME_READY;
        assert_int_equal(recode(&f, &got), flags == 0 ? 0 : -EBADMSG);
    }
    const struct {
        enum gw_frame_type type;
        uint32_t max;
    } limits[] = {
        { GW_FRAME_HELLO, GW_HELLO_BYTES_MAX },
        { GW_FRAME_VERDICT, GW_VERDICT_BYTES_MAX },
        { GW_FRAME_START, GW_START_BYTES },
        { GW_FRAME_MAP, GW_MAP_BYTES },
        { GW_FRAME_MAP_END, 0 },
        { GW_FRAME_READY, GW_READY_BYTES },
        { GW_FRAME_DATA, GW_FRAME_BYTES_MAX },
        { GW_FRAME_ACK, GW_ACK_BYTES },
        { GW_FRAME_BARRIER, 0 },
        { GW_FRAME_DIFF, GW_DIFF_BYTES },
        { GW_FRAME_HEARTBEAT, GW_HEARTBEAT_BYTES },
        { GW_FRAME_GOODBYE, GW_GOODBYE_BYTES_MAX },
        { GW_FRAME_RESULT, GW_RESULT_BYTES_MAX },
    };
    assert_int_equal(GW_ARRAY_SIZE(limits), GW_FRAME_TYPE_MAX - 1);
    for (size_t i = 0; i < GW_ARRAY_SIZE(limits); i++) {
        struct gw_frame f = { .type = limits[i].type };
        f.bytes = f.raw_bytes = limits[i].max;
        assert_int_equal(recode(&f, &got), 0);
        f.bytes = f.raw_bytes = limits[i].max + 1;
        assert_int_equal(recode(&f, &got), -EBADMSG);
        f.bytes = f.raw_bytes = UINT32_MAX;
        assert_int_equal(recode(&f, &got), -EBADMSG);
    }
    struct gw_frame sizes = { .type = GW_FRAME_DATA, .bytes = 8, .raw_bytes = 9 };
    assert_int_equal(recode(&sizes, &got), -EBADMSG); /* differ, but it is not compressed */
    sizes.flags = GW_FRAME_ZSTD;
    assert_int_equal(recode(&sizes, &got), 0);
    sizes.raw_bytes = GW_FRAME_BYTES_MAX + 1; /* would be unpacked into too much */
    assert_int_equal(recode(&sizes, &got), -EBADMSG);
    sizes.raw_bytes = 0;
    assert_int_equal(recode(&sizes, &got), -EBADMSG);
    struct gw_frame hash = { .type = GW_FRAME_DATA, .bytes = 8, .raw_bytes = 8, .payload_hash = 1 };
    assert_int_equal(recode(&hash, &got), -EBADMSG);
}

static void payload_hash(void **state)
{
    uint8_t data[16] = "fifteen letters";
    struct gw_frame f = { .type = GW_FRAME_READY, .bytes = 16, .raw_bytes = 16 };

    f.payload_hash = gw_frame_payload_hash(&f, data);
    assert_true(f.payload_hash == gw_hash64(data, 16, 0));
    assert_true(gw_frame_payload_ok(&f, data));
    data[3] ^= 1;
    assert_false(gw_frame_payload_ok(&f, data));
    struct gw_frame plain = { .type = GW_FRAME_DATA, .bytes = 16, .raw_bytes = 16 };
    assert_true(gw_frame_payload_hash(&plain, data) == 0);
    assert_true(gw_frame_payload_ok(&plain, data));
    plain.flags = GW_FRAME_ZSTD;
    assert_false(gw_frame_payload_ok(&plain, data));
    plain.payload_hash = gw_frame_payload_hash(&plain, data);
    assert_true(gw_frame_payload_ok(&plain, data));
    struct gw_frame barrier = { .type = GW_FRAME_BARRIER };
    barrier.payload_hash = gw_frame_payload_hash(&barrier, NULL);
    assert_true(gw_frame_payload_ok(&barrier, NULL));
}

/* ---- HELLO ----------------------------------------------------------------------------------- */

static bool hello_decode(const uint8_t *data, size_t len)
{
    static struct gw_hello h;
    return gw_hello_decode(data, len, &h);
}

static size_t hello_encode(const void *v, uint8_t *to, size_t cap)
{
    return gw_hello_encode(v, to, cap);
}

static struct gw_lineage sample_lineage(uint32_t n)
{
    struct gw_lineage l = { 0 };

    for (uint32_t i = 0; i < n; i++) {
        struct gw_incarnation e = { .epoch = i + 1,
                                    .uuid = uuid_of((uint8_t)(i + 1)),
                                    .site = (uint8_t)(i % 2),
                                    .wall_ns = 1000 + i,
                                    .birth = i == 0 ? GW_BIRTH_CREATION : GW_BIRTH_PROMOTION };
        if (i > 0) {
            e.parent = l.e[i - 1].uuid;
            e.fork_seq = 50 * i;
            e.had_seq = 40 * i;
        }
        gw_lineage_append(&l, &e);
    }
    assert_int_equal(l.n, n);
    return l;
}

static void sample_hello(struct gw_hello *h, uint32_t volumes, uint32_t lineage)
{
    *h = (struct gw_hello){ .version_min = 1, .version_max = 1, .hash_seed = 11, .changes = 12 };
    struct gw_side *s = &h->side;
    s->plan = uuid_of(1);
    s->format = 1;
    s->site = 1;
    snprintf(s->site_name, sizeof s->site_name, "lyon");
    s->role = GW_ROLE_STANDBY;
    s->recorded = GW_RECORDED_SYNC;
    s->ring_base = 21;
    s->seq = 22;
    s->seq_reserved = 23;
    s->chain = 24;
    s->boot_id = uuid_of(2);
    s->sync_boot = uuid_of(3);
    s->dirty_blocks = 25;
    s->coarse_extents = 26;
    s->cleared_uuid = uuid_of(4);
    s->cleared_seq = 27;
    s->highest_epoch = 28;
    s->reached_uuid = uuid_of(10);
    s->reached_seq = 29;
    s->survivor = uuid_of(5);
    s->lineage = sample_lineage(lineage);
    s->n_volumes = volumes;
    for (uint32_t i = 0; i < volumes; i++) {
        s->volume[i].uuid = uuid_of((uint8_t)(6 + i));
        s->volume[i].bytes = (uint64_t)(i + 1) << 20;
        snprintf(s->volume[i].name, sizeof s->volume[i].name, "volume-%u", i);
    }
}

static void assert_side_equal(const struct gw_side *a, const struct gw_side *b)
{
    assert_true(gw_uuid_equal(&a->plan, &b->plan));
    assert_int_equal(a->format, b->format);
    assert_int_equal(a->site, b->site);
    assert_string_equal(a->site_name, b->site_name);
    assert_int_equal(a->role, b->role);
    assert_int_equal(a->serving, b->serving);
    assert_int_equal(a->consistent, b->consistent);
    assert_int_equal(a->blank, b->blank);
    assert_int_equal(a->seed_me, b->seed_me);
    assert_int_equal(a->crashed_active, b->crashed_active);
    assert_int_equal(a->boot_changed, b->boot_changed);
    assert_int_equal(a->ring_whole, b->ring_whole);
    assert_int_equal(a->tail_signed, b->tail_signed);
    assert_int_equal(a->seed_compare, b->seed_compare);
    assert_int_equal(a->recorded, b->recorded);
    assert_true(a->ring_base == b->ring_base && a->seq == b->seq);
    assert_true(a->seq_reserved == b->seq_reserved && a->chain == b->chain);
    assert_true(gw_uuid_equal(&a->boot_id, &b->boot_id));
    assert_true(gw_uuid_equal(&a->sync_boot, &b->sync_boot));
    assert_true(a->dirty_blocks == b->dirty_blocks && a->coarse_extents == b->coarse_extents);
    assert_true(gw_uuid_equal(&a->cleared_uuid, &b->cleared_uuid));
    assert_true(a->cleared_seq == b->cleared_seq && a->highest_epoch == b->highest_epoch);
    assert_true(gw_uuid_equal(&a->reached_uuid, &b->reached_uuid));
    assert_true(a->reached_seq == b->reached_seq);
    assert_true(gw_uuid_equal(&a->survivor, &b->survivor));
    assert_int_equal(a->lineage.n, b->lineage.n);
    for (uint32_t i = 0; i < a->lineage.n; i++) {
        assert_true(gw_uuid_equal(&a->lineage.e[i].uuid, &b->lineage.e[i].uuid));
        assert_true(a->lineage.e[i].fork_seq == b->lineage.e[i].fork_seq);
    }
    assert_int_equal(a->n_volumes, b->n_volumes);
    for (uint32_t i = 0; i < a->n_volumes; i++) {
        assert_true(gw_uuid_equal(&a->volume[i].uuid, &b->volume[i].uuid));
        assert_true(a->volume[i].bytes == b->volume[i].bytes);
        assert_string_equal(a->volume[i].name, b->volume[i].name);
    }
}

static void hello_round_trip(void **state)
{
    static struct gw_hello h, got;

    /* Each flag on its own, so that none is taken for another. */
    for (int flag = -1; flag < 9; flag++) {
        sample_hello(&h, 3, flag == 2 ? 0 : 2);
        bool *flags[9] = { &h.side.serving,    &h.side.consistent,     &h.side.blank,
                           &h.side.seed_me,    &h.side.crashed_active, &h.side.boot_changed,
                           &h.side.ring_whole, &h.side.tail_signed,    &h.side.seed_compare };
        if (flag >= 0)
            *flags[flag] = true;
        size_t n = gw_hello_encode(&h, buf, sizeof buf);
        assert_true(n > 0);
        memset(&got, 0xaa, sizeof got);
        assert_true(gw_hello_decode(buf, n, &got));
        assert_int_equal(got.version_min, 1);
        assert_int_equal(got.version_max, 1);
        assert_true(got.hash_seed == 11 && got.changes == 12);
        assert_side_equal(&h.side, &got.side);
    }
}

static void hello_largest(void **state)
{
    static struct gw_hello h, got;

    sample_hello(&h, GW_VOLUMES_MAX, 1);
    while (h.side.lineage.n < GW_LINEAGE_MAX) {
        const struct gw_incarnation *last = gw_lineage_current(&h.side.lineage);
        struct gw_incarnation e = { .epoch = last->epoch + 1,
                                    .uuid = gw_uuid_new(),
                                    .parent = last->uuid,
                                    .birth = GW_BIRTH_PROMOTION,
                                    .site = (uint8_t)(last->site ^ 1) };
        gw_lineage_append(&h.side.lineage, &e);
    }
    size_t n = gw_hello_encode(&h, buf, sizeof buf);
    assert_true(n > 0 && n <= GW_HELLO_BYTES_MAX);
    assert_true(gw_hello_decode(buf, n, &got));
    assert_side_equal(&h.side, &got.side);
}

/* Offsets in HELLO: 24 plan, 40 site, role, recorded, zero, 44 flags, 48 site name. */
static void hello_refused(void **state)
{
    static struct gw_hello h;

    sample_hello(&h, 2, 2);
    size_t n = gw_hello_encode(&h, buf, sizeof buf);
    check_lengths(hello_decode, buf, n);
    check_room(hello_encode, &h, n);
    check_byte(hello_decode, buf, n, 40, 0, 1);
    check_byte(hello_decode, buf, n, 41, 0, GW_ROLE_MAX - 1);
    check_byte(hello_decode, buf, n, 42, 0, GW_RECORDED_MAX - 1);
    check_byte(hello_decode, buf, n, 43, 0, 0);
    check_byte(hello_decode, buf, n, 45, 0, 1); /* unknown flags */
    check_byte(hello_decode, buf, n, 46, 0, 0);
    buf[44] |= 4; /* blank, with a lineage */
    assert_false(hello_decode(buf, n));
    buf[44] &= (uint8_t)~4u;
    uint8_t saved = buf[48];
    buf[48] = '\0'; /* no name */
    assert_false(hello_decode(buf, n));
    buf[48] = '\n';
    assert_false(hello_decode(buf, n));
    buf[48] = 0x1b;
    assert_false(hello_decode(buf, n));
    buf[48] = saved;
    memset(buf + 48, 'x', GW_SITE_NAME_MAX); /* not terminated */
    assert_false(hello_decode(buf, n));
}

static void hello_volumes_refused(void **state)
{
    static struct gw_hello h;

    sample_hello(&h, 2, 2);
    size_t n = gw_hello_encode(&h, buf, sizeof buf);
    const size_t volume = 16 + 8 + GW_VOLUME_NAME_MAX, count = n - 2 * volume - 4;
    check_byte(hello_decode, buf, n, count, 2, 2);
    check_byte(hello_decode, buf, n, count + 3, 0, 0);
    buf[n - GW_VOLUME_NAME_MAX] = '\0';
    assert_false(hello_decode(buf, n));
    h.side.volume[1].bytes = GW_VOLUME_BYTES_MAX;
    n = gw_hello_encode(&h, buf, sizeof buf);
    assert_true(hello_decode(buf, n));
    h.side.volume[1].bytes = GW_VOLUME_BYTES_MAX + 1;
    n = gw_hello_encode(&h, buf, sizeof buf);
    assert_false(hello_decode(buf, n));
}

static void hello_versions(void **state)
{
    static struct gw_hello h;
    const struct {
        uint16_t min, max;
        bool ok;
    } cases[] = {
        { 1, 1, true }, { 0, 1, false }, { 2, 1, false }, { 1, 9, true }, { 9, 9, true }
    };

    for (size_t i = 0; i < GW_ARRAY_SIZE(cases); i++) {
        sample_hello(&h, 1, 1);
        h.version_min = cases[i].min;
        h.version_max = cases[i].max;
        size_t n = gw_hello_encode(&h, buf, sizeof buf);
        assert_int_equal(hello_decode(buf, n), cases[i].ok);
        /* Only a later version may say more than we know. */
        buf[n] = 1;
        assert_int_equal(hello_decode(buf, n + 1), cases[i].ok && cases[i].max > GW_PROTOCOL_MAX);
    }
}

/* ---- VERDICT --------------------------------------------------------------------------------- */

static bool verdict_decode(const uint8_t *data, size_t len)
{
    struct gw_verdict v;
    return gw_verdict_decode(data, len, &v);
}

static size_t verdict_encode(const void *v, uint8_t *to, size_t cap)
{
    return gw_verdict_encode(v, to, cap);
}

static void verdict_round_trip(void **state)
{
    struct gw_verdict v = { .row = 12,
                            .action = GW_VERDICT_RESYNC,
                            .source = 1,
                            .target = 0,
                            .fork_seq = 77,
                            .sentence = "paris is healed from lyon" },
                      got;

    for (int i = 0; i < 4; i++) {
        v.diverged = (i & 1) != 0;
        v.compare_all = (i & 2) != 0;
        size_t n = gw_verdict_encode(&v, buf, GW_VERDICT_BYTES_MAX);
        assert_true(gw_verdict_decode(buf, n, &got));
        assert_true(got.row == 12 && got.action == GW_VERDICT_RESYNC);
        assert_true(got.source == 1 && got.target == 0 && got.fork_seq == 77);
        assert_int_equal(got.diverged, v.diverged);
        assert_int_equal(got.compare_all, v.compare_all);
        assert_string_equal(got.sentence, v.sentence);
    }
    v.source = v.target = -1;
    memset(v.sentence, 'x', sizeof v.sentence - 1);
    size_t n = gw_verdict_encode(&v, buf, GW_VERDICT_BYTES_MAX);
    assert_true(gw_verdict_decode(buf, n, &got));
    assert_true(got.source == -1 && got.target == -1);
    assert_string_equal(got.sentence, v.sentence);
}

static void verdict_refused(void **state)
{
    struct gw_verdict v = { .row = 6,
                            .action = GW_VERDICT_IN_SYNC,
                            .source = -1,
                            .target = -1,
                            .sentence = "both are equal" };
    size_t n = gw_verdict_encode(&v, buf, sizeof buf);

    check_lengths(verdict_decode, buf, n);
    check_room(verdict_encode, &v, n);
    check_byte(verdict_decode, buf, n, 0, 0, 14);
    check_byte(verdict_decode, buf, n, 1, 0, GW_VERDICT_ACTION_MAX - 1);
    check_byte(verdict_decode, buf, n, 2, 0, 2);
    check_byte(verdict_decode, buf, n, 3, 0, 2);
    check_byte(verdict_decode, buf, n, 4, 0, 3);
    for (size_t pos = 5; pos < 8; pos++)
        check_byte(verdict_decode, buf, n, pos, 0, 0);
    buf[2] = buf[3] = 1; /* source and target are the same site */
    assert_false(verdict_decode(buf, n));
    buf[2] = 2;
    assert_true(verdict_decode(buf, n));
    buf[20] = '\0'; /* a sentence that ends before its length */
    assert_false(verdict_decode(buf, n));
    buf[20] = '\r';
    assert_false(verdict_decode(buf, n));
}

/* ---- START, MAP, READY ----------------------------------------------------------------------- */

static bool start_decode(const uint8_t *data, size_t len)
{
    struct gw_start v;
    return gw_start_decode(data, len, &v);
}

static size_t start_encode(const void *v, uint8_t *to, size_t cap)
{
    return gw_start_encode(v, to, cap);
}

static void start_codec(void **state)
{
    for (int i = 0; i < 16; i++) {
        struct gw_start v = { .mode = GW_SESSION_ASSESS,
                              .session_numbers = (i & 1) != 0,
                              .target_zero = (i & 2) != 0,
                              .sync = (i & 4) != 0,
                              .fork = (i & 8) != 0,
                              .uuid = uuid_of(1),
                              .first_seq = 5,
                              .chain = 6 },
                        got;
        assert_int_equal(gw_start_encode(&v, buf, sizeof buf), GW_START_BYTES);
        assert_true(gw_start_decode(buf, GW_START_BYTES, &got));
        assert_int_equal(got.mode, GW_SESSION_ASSESS);
        assert_int_equal(got.session_numbers, v.session_numbers);
        assert_int_equal(got.target_zero, v.target_zero);
        assert_int_equal(got.sync, v.sync);
        assert_int_equal(got.fork, v.fork);
        assert_true(gw_uuid_equal(&got.uuid, &v.uuid));
        assert_true(got.first_seq == 5 && got.chain == 6);
    }
    struct gw_start v = { .mode = GW_SESSION_STREAM };
    size_t n = gw_start_encode(&v, buf, sizeof buf);
    check_lengths(start_decode, buf, n);
    check_room(start_encode, &v, n);
    check_byte(start_decode, buf, n, 0, 1, GW_SESSION_MODE_MAX - 1);
    check_byte(start_decode, buf, n, 1, 0, 7);
    for (size_t pos = 2; pos < 8; pos++)
        check_byte(start_decode, buf, n, pos, 0, 0);
    for (size_t pos = 40; pos < 48; pos++)
        check_byte(start_decode, buf, n, pos, 0, 0);
}

static bool map_decode(const uint8_t *data, size_t len)
{
    struct gw_map_page v;
    return gw_map_decode(data, len, &v);
}

static void map_codec(void **state)
{
    uint8_t bits[GW_BITMAP_PAGE_BYTES];
    struct gw_map_page v = { .volume = 63, .kind = GW_MAP_COARSE, .page = 7, .bits = bits }, got;

    for (size_t i = 0; i < sizeof bits; i++)
        bits[i] = (uint8_t)(i * 7);
    assert_int_equal(gw_map_encode(&v, buf, sizeof buf), GW_MAP_BYTES);
    assert_int_equal(gw_map_encode(&v, buf, GW_MAP_BYTES - 1), 0);
    assert_int_equal(gw_map_encode(&v, buf, GW_MAP_BYTES), GW_MAP_BYTES);
    assert_true(gw_map_decode(buf, GW_MAP_BYTES, &got));
    assert_true(got.volume == 63 && got.kind == GW_MAP_COARSE && got.page == 7);
    assert_memory_equal(got.bits, bits, sizeof bits);
    assert_ptr_equal(got.bits, buf + 16);
    check_lengths(map_decode, buf, GW_MAP_BYTES);
    check_byte(map_decode, buf, GW_MAP_BYTES, 0, 0, GW_VOLUMES_MAX - 1);
    check_byte(map_decode, buf, GW_MAP_BYTES, 1, 0, 0);
    check_byte(map_decode, buf, GW_MAP_BYTES, 2, GW_MAP_FINE, GW_MAP_COARSE);
    for (size_t pos = 3; pos < 8; pos++)
        check_byte(map_decode, buf, GW_MAP_BYTES, pos, 0, 0);
    /* The last page of the largest volume, and one more; the coarse map has fewer. */
    const uint64_t last[2] = {
        [GW_MAP_FINE] = (GW_VOLUME_BYTES_MAX / GW_BLOCK_BYTES - 1) / GW_BITMAP_PAGE_BITS,
        [GW_MAP_COARSE] = (GW_VOLUME_BYTES_MAX / GW_EXTENT_BYTES - 1) / GW_BITMAP_PAGE_BITS,
    };
    for (uint8_t kind = 0; kind < 2; kind++) {
        v.kind = kind;
        v.page = last[kind];
        assert_true(map_decode(buf, gw_map_encode(&v, buf, sizeof buf)));
        v.page++;
        assert_false(map_decode(buf, gw_map_encode(&v, buf, sizeof buf)));
        v.page = UINT64_MAX;
        assert_false(map_decode(buf, gw_map_encode(&v, buf, sizeof buf)));
    }
}

static bool ready_decode(const uint8_t *data, size_t len)
{
    struct gw_ready v;
    return gw_ready_decode(data, len, &v);
}

static size_t ready_encode(const void *v, uint8_t *to, size_t cap)
{
    return gw_ready_encode(v, to, cap);
}

static void ready_codec(void **state)
{
    struct gw_ready v = { .dirty_blocks = 3, .coarse_extents = UINT64_MAX }, got;

    assert_int_equal(gw_ready_encode(&v, buf, sizeof buf), GW_READY_BYTES);
    assert_true(gw_ready_decode(buf, GW_READY_BYTES, &got));
    assert_true(got.dirty_blocks == 3 && got.coarse_extents == UINT64_MAX);
    check_lengths(ready_decode, buf, GW_READY_BYTES);
    check_room(ready_encode, &v, GW_READY_BYTES);
}

/* ---- ACK, DIFF, HEARTBEAT -------------------------------------------------------------------- */

static bool ack_decode(const uint8_t *data, size_t len)
{
    struct gw_ack v;
    return gw_ack_decode(data, len, &v);
}

static size_t ack_encode(const void *v, uint8_t *to, size_t cap)
{
    return gw_ack_encode(v, to, cap);
}

static void ack_codec(void **state)
{
    struct gw_ack v = { .uuid = uuid_of(9),
                        .received = 5,
                        .durable = 4,
                        .applied = 3,
                        .chain = 9,
                        .journal_used_bytes = 6,
                        .journal_max_bytes = 7,
                        .echo_ns = 8 },
                  got;

    for (int i = 0; i < 4; i++) {
        v.finished = (i & 1) != 0;
        v.token_matched = (i & 2) != 0;
        assert_int_equal(gw_ack_encode(&v, buf, sizeof buf), GW_ACK_BYTES);
        assert_true(gw_ack_decode(buf, GW_ACK_BYTES, &got));
        assert_true(gw_uuid_equal(&got.uuid, &v.uuid));
        assert_true(got.received == 5 && got.durable == 4 && got.applied == 3);
        assert_int_equal(got.finished, v.finished);
        assert_int_equal(got.token_matched, v.token_matched);
        assert_true(got.journal_used_bytes == 6 && got.journal_max_bytes == 7);
        assert_true(got.echo_ns == 8 && got.chain == 9);
    }
    check_lengths(ack_decode, buf, GW_ACK_BYTES);
    check_room(ack_encode, &v, GW_ACK_BYTES);
    check_byte(ack_decode, buf, GW_ACK_BYTES, 48, 0, 3);
    for (size_t pos = 49; pos < 56; pos++)
        check_byte(ack_decode, buf, GW_ACK_BYTES, pos, 0, 0);
}

static bool diff_decode(const uint8_t *data, size_t len)
{
    struct gw_diff v;
    return gw_diff_decode(data, len, &v);
}

static size_t diff_encode(const void *v, uint8_t *to, size_t cap)
{
    return gw_diff_encode(v, to, cap);
}

static void diff_round_trip(void **state)
{
    struct gw_diff v = { .seq = 77,
                         .volume = 2,
                         .verify = true,
                         .offset = GW_EXTENT_BYTES,
                         .length = GW_EXTENT_BYTES },
                   got;

    memset(v.differs, 0xff, sizeof v.differs);
    assert_int_equal(gw_diff_encode(&v, buf, sizeof buf), GW_DIFF_BYTES);
    assert_true(gw_diff_decode(buf, GW_DIFF_BYTES, &got));
    assert_true(got.seq == 77 && got.volume == 2 && got.verify);
    assert_true(got.offset == GW_EXTENT_BYTES && got.length == GW_EXTENT_BYTES);
    assert_memory_equal(got.differs, v.differs, sizeof v.differs);
    check_lengths(diff_decode, buf, GW_DIFF_BYTES);
    check_room(diff_encode, &v, GW_DIFF_BYTES);
    check_byte(diff_decode, buf, GW_DIFF_BYTES, 8, 0, GW_VOLUMES_MAX - 1);
    check_byte(diff_decode, buf, GW_DIFF_BYTES, 10, 0, 2); /* verify, or fork, not both */
    check_byte(diff_decode, buf, GW_DIFF_BYTES, 11, 0, 0);
}

static void diff_ranges(void **state)
{
    const struct {
        uint64_t offset;
        uint32_t length;
        bool ok;
    } cases[] = {
        { 0, 1, true },
        { 0, 0, false },
        { 4096, 4097, true },
        { 1, 4096, false },
        { 0, GW_EXTENT_BYTES + 1, false },
        { GW_EXTENT_BYTES - 4096, 4096, true },
        { GW_EXTENT_BYTES - 4096, 4097, false }, /* into the next extent */
        { GW_VOLUME_BYTES_MAX - 4096, 4096, true },
        { GW_VOLUME_BYTES_MAX, 4096, false },
        { UINT64_MAX - 4095, 4096, false },
    };
    for (size_t i = 0; i < GW_ARRAY_SIZE(cases); i++) {
        struct gw_diff v = { .offset = cases[i].offset, .length = cases[i].length };
        if (diff_decode(buf, gw_diff_encode(&v, buf, sizeof buf)) != cases[i].ok)
            fail_msg("case %zu", i);
    }
    struct gw_diff v = { .length = 4097, .differs = { 3 } }; /* two blocks */
    assert_true(diff_decode(buf, gw_diff_encode(&v, buf, sizeof buf)));
    v.differs[0] = 4; /* a third one */
    assert_false(diff_decode(buf, gw_diff_encode(&v, buf, sizeof buf)));
    v.differs[0] = 0;
    v.differs[31] = 0x80;
    assert_false(diff_decode(buf, gw_diff_encode(&v, buf, sizeof buf)));
}

static bool heartbeat_decode(const uint8_t *data, size_t len)
{
    struct gw_heartbeat v;
    return gw_heartbeat_decode(data, len, &v);
}

static size_t heartbeat_encode(const void *v, uint8_t *to, size_t cap)
{
    return gw_heartbeat_encode(v, to, cap);
}

static void heartbeat_codec(void **state)
{
    struct gw_heartbeat v = { 1, 2, 3, 4, 5 }, got;

    assert_int_equal(gw_heartbeat_encode(&v, buf, sizeof buf), GW_HEARTBEAT_BYTES);
    assert_true(gw_heartbeat_decode(buf, GW_HEARTBEAT_BYTES, &got));
    assert_memory_equal(&v, &got, sizeof v);
    check_lengths(heartbeat_decode, buf, GW_HEARTBEAT_BYTES);
    check_room(heartbeat_encode, &v, GW_HEARTBEAT_BYTES);
}

/* ---- GOODBYE --------------------------------------------------------------------------------- */

static bool goodbye_decode(const uint8_t *data, size_t len)
{
    struct gw_goodbye v;
    return gw_goodbye_decode(data, len, &v);
}

static size_t goodbye_encode(const void *v, uint8_t *to, size_t cap)
{
    return gw_goodbye_encode(v, to, cap);
}

static void goodbye_codec(void **state)
{
    struct gw_goodbye got;

    for (int reason = 1; reason < GW_GOODBYE_REASON_MAX; reason++) {
        struct gw_goodbye v = { .reason = (enum gw_goodbye_reason)reason, .sentence = "so long" };
        size_t n = gw_goodbye_encode(&v, buf, sizeof buf);
        assert_true(gw_goodbye_decode(buf, n, &got));
        assert_int_equal(got.reason, reason);
        assert_string_equal(got.sentence, "so long");
        assert_string_not_equal(gw_goodbye_name(v.reason), "unknown");
        for (int other = 1; other < reason; other++)
            assert_string_not_equal(gw_goodbye_name(v.reason),
                                    gw_goodbye_name((enum gw_goodbye_reason)other));
    }
    struct gw_goodbye v = { .reason = GW_GOODBYE_REFUSED, .sentence = "because" };
    size_t n = gw_goodbye_encode(&v, buf, sizeof buf);
    check_lengths(goodbye_decode, buf, n);
    check_room(goodbye_encode, &v, n);
    check_byte(goodbye_decode, buf, n, 0, 1, GW_GOODBYE_REASON_MAX - 1);
    check_byte(goodbye_decode, buf, n, 1, 0, 0);
    buf[4] = '\n';
    assert_false(goodbye_decode(buf, n));
    /* A sentence of our own with such a character is made fit. */
    snprintf(v.sentence, sizeof v.sentence, "two\nlines");
    assert_true(gw_goodbye_decode(buf, gw_goodbye_encode(&v, buf, sizeof buf), &got));
    assert_string_equal(got.sentence, "two lines");
    memset(v.sentence, 'x', sizeof v.sentence - 1);
    v.sentence[sizeof v.sentence - 1] = '\0';
    n = gw_goodbye_encode(&v, buf, GW_GOODBYE_BYTES_MAX);
    assert_int_equal(n, 4 + sizeof v.sentence - 1);
    assert_true(gw_goodbye_decode(buf, n, &got));
    assert_string_equal(got.sentence, v.sentence);
    buf[2] = (uint8_t)sizeof v.sentence; /* one more than there is room for */
    buf[3] = (uint8_t)(sizeof v.sentence >> 8);
    buf[n] = 'x';
    assert_false(goodbye_decode(buf, n + 1));
}

/* ---- RESULT ---------------------------------------------------------------------------------- */

static bool result_decode(const uint8_t *data, size_t len)
{
    struct gw_result v;
    return gw_result_decode(data, len, &v);
}

static size_t result_encode(const void *v, uint8_t *to, size_t cap)
{
    return gw_result_encode(v, to, cap);
}

static void result_codec(void **state)
{
    struct gw_result v = { .seq = 1ull << 40, .code = 28, .sentence = "no room" }, got;
    size_t n = gw_result_encode(&v, buf, sizeof buf);
    assert_true(gw_result_decode(buf, n, &got));
    assert_int_equal(got.seq, v.seq);
    assert_int_equal(got.code, 28);
    assert_string_equal(got.sentence, "no room");
    check_lengths(result_decode, buf, n);
    check_room(result_encode, &v, n);
    buf[10] = 1; /* no errno value is as large */
    assert_false(result_decode(buf, n));
}

/* ---- FIN, token ------------------------------------------------------------------------------ */

static bool fin_decode(const uint8_t *data, size_t len)
{
    static struct gw_fin v;
    return gw_fin_decode(data, len, &v);
}

static size_t fin_encode(const void *v, uint8_t *to, size_t cap)
{
    return gw_fin_encode(v, to, cap);
}

static void fin_codec(void **state)
{
    static struct gw_fin v, got;

    v = (struct gw_fin){ .seq = 41, .chain = 42, .lineage = sample_lineage(3) };
    size_t n = gw_fin_encode(&v, buf, GW_FIN_BYTES_MAX);
    assert_int_equal(n, 16 + 8 + 3 * GW_INCARNATION_BYTES);
    assert_true(gw_fin_decode(buf, n, &got));
    assert_true(got.seq == 41 && got.chain == 42 && got.lineage.n == 3);
    assert_true(gw_uuid_equal(&got.lineage.e[2].uuid, &v.lineage.e[2].uuid));
    check_lengths(fin_decode, buf, n);
    check_room(fin_encode, &v, n);
    v.lineage.n = 0; /* no identity to adopt */
    n = gw_fin_encode(&v, buf, GW_FIN_BYTES_MAX);
    assert_false(fin_decode(buf, n));
}

static bool token_decode(const uint8_t *data, size_t len)
{
    struct gw_token v;
    return gw_token_decode(data, len, &v);
}

static size_t token_encode(const void *v, uint8_t *to, size_t cap)
{
    return gw_token_encode(v, to, cap);
}

static void token_codec(void **state)
{
    struct gw_token v = { .uuid = uuid_of(3), .epoch = 4, .seq = 5, .chain = 6 }, got;

    assert_int_equal(gw_token_encode(&v, buf, sizeof buf), GW_TOKEN_BYTES);
    assert_true(gw_token_decode(buf, GW_TOKEN_BYTES, &got));
    assert_true(gw_uuid_equal(&got.uuid, &v.uuid));
    assert_true(got.epoch == 4 && got.seq == 5 && got.chain == 6);
    check_lengths(token_decode, buf, GW_TOKEN_BYTES);
    check_room(token_encode, &v, GW_TOKEN_BYTES);
}

/* What is refused leaves the caller's struct alone. */
static void refused_is_untouched(void **state)
{
    struct gw_ack v = { .received = 5 }, got = { .received = 99 };
    struct gw_frame f = { .type = GW_FRAME_ACK }, header = { .version = 99 };
    uint8_t h[GW_FRAME_HEADER_BYTES];

    size_t n = gw_ack_encode(&v, buf, sizeof buf);
    assert_false(gw_ack_decode(buf, n - 1, &got));
    assert_true(got.received == 99);
    gw_frame_encode(&f, h);
    h[0] ^= 1;
    assert_int_equal(gw_frame_decode(h, &header), -EBADMSG);
    assert_int_equal(header.version, 99);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(header_round_trip),     cmocka_unit_test(header_layout),
        cmocka_unit_test(header_bit_flips),      cmocka_unit_test(header_refused),
        cmocka_unit_test(payload_hash),          cmocka_unit_test(hello_round_trip),
        cmocka_unit_test(hello_largest),         cmocka_unit_test(hello_refused),
        cmocka_unit_test(hello_volumes_refused), cmocka_unit_test(hello_versions),
        cmocka_unit_test(verdict_round_trip),    cmocka_unit_test(verdict_refused),
        cmocka_unit_test(start_codec),           cmocka_unit_test(map_codec),
        cmocka_unit_test(ready_codec),           cmocka_unit_test(ack_codec),
        cmocka_unit_test(diff_round_trip),       cmocka_unit_test(diff_ranges),
        cmocka_unit_test(heartbeat_codec),       cmocka_unit_test(goodbye_codec),
        cmocka_unit_test(result_codec),          cmocka_unit_test(fin_codec),
        cmocka_unit_test(token_codec),           cmocka_unit_test(refused_is_untouched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
