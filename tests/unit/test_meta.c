// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/hash.h"
#include "engine/meta.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SLOT GW_META_SLOT_BYTES

static char dir[256], path[300];
static uint8_t slots[2 * SLOT], image[2 * SLOT];
static struct gw_meta one, two, got;

/* The real I/O with a write that can be made to fail. */
static struct gw_io_ops ops;
static struct gw_io io = { .ops = &ops };
static int fail_write;

static int open_here(struct gw_io *self, const char *name, unsigned flags, struct gw_file **ret)
{
    int r = gw_io_posix()->ops->open(gw_io_posix(), name, flags, ret);
    if (r == 0)
        (*ret)->io = self;
    return r;
}

static int write_or_fail(struct gw_file *f, const void *buf, size_t len, uint64_t off)
{
    return fail_write != 0 ? fail_write : gw_io_posix()->ops->pwrite_durable(f, buf, len, off);
}

static int setup(void **state)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(dir, sizeof dir, "%s/gw-meta-XXXXXX", tmp != NULL ? tmp : "/tmp");
    if (mkdtemp(dir) == NULL)
        return -1;
    snprintf(path, sizeof path, "%s/meta", dir);
    ops = *gw_io_posix()->ops;
    ops.open = open_here;
    ops.pwrite_durable = write_or_fail;
    fail_write = 0;
    return 0;
}

static int teardown(void **state)
{
    unlink(path);
    return rmdir(dir);
}

static struct gw_uuid id(unsigned n)
{
    struct gw_uuid u = { { 0 } };
    u.b[3] = (uint8_t)n;
    u.b[9] = (uint8_t)(n >> 8);
    u.b[15] = 1;
    return u;
}

/* Every field differs from zero and from its neighbours. */
static struct gw_meta sample(void)
{
    struct gw_meta m = {
        .generation = 5,
        .plan_name = "shop",
        .site_name = { "home", "dr" },
        .plan = id(1),
        .site = 1,
        .role = GW_ROLE_FENCED,
        .clean = true,
        .consistent = true,
        .seed_compare = true,
        .unverified = true,
        .n_volumes = 2,
        .volume = { { id(2), 1 << 20, "root" }, { id(3), 1 << 21, "data" } },
        .seq = 11,
        .chain = 12,
        .journal_pos = 13,
        .seq_reserved = 14,
        .highest_epoch = 15,
        .reigns = 16,
        .recorded = GW_RECORDED_UNSYNC,
        .sync_boot = id(4),
        .recorded_seq = 17,
        .recorded_wall_ns = 18,
        .active_boot = id(5),
        .pending = GW_PENDING_ROLLBACK,
        .pending_id = "undo-7",
        .resync_source = id(6),
        .token_valid = true,
        .token = { id(7), 19, 20, 21 },
        .released = true,
        .survivor = id(8),
        .survivor_by = "Ada",
        .signed_tail = id(9),
        .signed_wall_ns = 22,
        .signed_by = "Grace",
    };
    m.lineage.n = 2;
    m.lineage.e[0] =
        (struct gw_incarnation){ .epoch = 1, .uuid = id(30), .birth = GW_BIRTH_CREATION };
    m.lineage.e[1] = (struct gw_incarnation){ .epoch = 2,
                                              .uuid = id(31),
                                              .parent = id(30),
                                              .fork_seq = 9,
                                              .had_seq = 8,
                                              .site = 1,
                                              .birth = GW_BIRTH_PROMOTION };
    return m;
}

static struct gw_meta largest(void)
{
    struct gw_meta m = sample();
    m.lineage.n = 0;
    for (unsigned i = 0; i < GW_LINEAGE_MAX; i++) {
        struct gw_incarnation e = { .epoch = i + 1, .uuid = id(1000 + i), .fork_seq = i };
        e.birth = i == 0 ? GW_BIRTH_CREATION : GW_BIRTH_PROMOTION;
        if (i > 0)
            e.parent = id(1000 + i - 1);
        gw_lineage_append(&m.lineage, &e);
    }
    m.n_volumes = GW_VOLUMES_MAX;
    for (unsigned i = 0; i < GW_VOLUMES_MAX; i++) {
        m.volume[i] = (struct gw_side_volume){ .uuid = id(2000 + i), .bytes = GW_VOLUME_BYTES_MAX };
        memset(m.volume[i].name, 'v', GW_VOLUME_NAME_MAX - 1);
    }
    memset(m.plan_name, 'p', sizeof m.plan_name - 1);
    memset(m.site_name[0], 's', sizeof m.site_name[0] - 1);
    memset(m.pending_id, 'i', sizeof m.pending_id - 1);
    memset(m.signed_by, 'g', sizeof m.signed_by - 1);
    memset(m.survivor_by, 'w', sizeof m.survivor_by - 1);
    return m;
}

/* Equal in every field: they encode to the same bytes. */
static void assert_same(const struct gw_meta *a, const struct gw_meta *b)
{
    static uint8_t x[SLOT], y[SLOT];
    assert_int_equal(gw_meta_encode(a, x, NULL), 0);
    assert_int_equal(gw_meta_encode(b, y, NULL), 0);
    assert_memory_equal(x, y, SLOT);
}

static void sum(uint8_t *slot)
{
    struct gw_writer w = gw_writer(slot + SLOT - 8, 8);
    gw_put_u64(&w, gw_hash64(slot, SLOT - 8, 0));
}

static void test_round_trip(void **state)
{
    struct gw_error err = { 0 };
    one = sample();
    assert_int_equal(gw_meta_encode(&one, slots, &err), 0);
    assert_int_equal(gw_meta_decode(slots, &got, &err), 0);
    assert_same(&one, &got);
    /* The encoding is not trusted with its own comparison: fields by hand. */
    assert_string_equal(got.plan_name, "shop");
    assert_string_equal(got.site_name[1], "dr");
    assert_int_equal(got.generation, 5);
    assert_int_equal(got.role, GW_ROLE_FENCED);
    assert_true(got.clean && got.consistent && got.seed_compare && got.unverified);
    assert_false(got.blank || got.seed_me);
    assert_int_equal(got.lineage.e[1].had_seq, 8);
    assert_string_equal(got.volume[1].name, "data");
    assert_int_equal(got.seq, 11);
    assert_int_equal(got.chain, 12);
    assert_int_equal(got.journal_pos, 13);
    assert_int_equal(got.seq_reserved, 14);
    assert_int_equal(got.highest_epoch, 15);
    assert_int_equal(got.reigns, 16);
    assert_int_equal(got.recorded, GW_RECORDED_UNSYNC);
    assert_int_equal(got.recorded_wall_ns, 18);
    assert_int_equal(got.pending, GW_PENDING_ROLLBACK);
    assert_string_equal(got.pending_id, "undo-7");
    assert_int_equal(got.token.chain, 21);
    assert_true(got.token_valid && got.released);
    assert_string_equal(got.survivor_by, "Ada");
    assert_string_equal(got.signed_by, "Grace");
    one = largest();
    assert_int_equal(gw_meta_encode(&one, slots, &err), 0);
    assert_int_equal(gw_meta_decode(slots, &got, &err), 0);
    assert_same(&one, &got);
}

static void test_encode_refuses(void **state)
{
    struct gw_error err = { 0 };
    one = sample(), one.site = 2;
    assert_int_equal(gw_meta_encode(&one, slots, &err), -EINVAL);
    one = sample(), one.role = GW_ROLE_MAX;
    assert_int_equal(gw_meta_encode(&one, slots, &err), -EINVAL);
    one = sample(), one.pending = GW_PENDING_MAX;
    assert_int_equal(gw_meta_encode(&one, slots, &err), -EINVAL);
    one = sample(), one.n_volumes = GW_VOLUMES_MAX + 1;
    assert_int_equal(gw_meta_encode(&one, slots, &err), -EINVAL);
    one = sample(), memset(one.signed_by, 'x', sizeof one.signed_by);
    assert_int_equal(gw_meta_encode(&one, slots, &err), -EINVAL);
    assert_true(err.msg[0] != '\0');
}

static void test_every_byte_counts(void **state)
{
    struct gw_error err;
    one = sample();
    assert_int_equal(gw_meta_encode(&one, slots, NULL), 0);
    two = sample(), two.seq = 999;
    got = two;
    for (size_t i = 0; i < SLOT; i++) {
        slots[i] ^= (uint8_t)(1u << (i % 8));
        assert_int_equal(gw_meta_decode(slots, &got, &err), -EBADMSG);
        slots[i] ^= (uint8_t)(1u << (i % 8));
    }
    assert_same(&got, &two); /* untouched on failure */
    assert_int_equal(gw_meta_decode(slots, &got, &err), 0);
}

/* With a right checksum the fields are still checked. */
static void test_fields_are_checked(void **state)
{
    struct gw_error err;
    const size_t site_at = 24 + 64 + 128 + 16;
    static const uint8_t bad[] = { 2, GW_ROLE_MAX, 2, 2, 2, 2, 2, 2 }; /* site, role, six flags */
    one = sample();
    for (size_t i = 0; i < sizeof bad; i++) {
        assert_int_equal(gw_meta_encode(&one, slots, NULL), 0);
        slots[site_at + i] = bad[i];
        sum(slots);
        assert_int_equal(gw_meta_decode(slots, &got, &err), -EBADMSG);
    }
    assert_int_equal(gw_meta_encode(&one, slots, NULL), 0);
    slots[12] ^= 8; /* length */
    sum(slots);
    assert_int_equal(gw_meta_decode(slots, &got, &err), -EBADMSG);
    assert_int_equal(gw_meta_encode(&one, slots, NULL), 0);
    memset(slots + 24, 'x', 64); /* the name has no end */
    sum(slots);
    assert_int_equal(gw_meta_decode(slots, &got, &err), -EBADMSG);
    assert_int_equal(gw_meta_encode(&one, slots, NULL), 0);
    memset(slots + site_at + 8, 0xff, 4); /* lineage.n */
    sum(slots);
    assert_int_equal(gw_meta_decode(slots, &got, &err), -EBADMSG);
}

static void newer(uint8_t *slot)
{
    struct gw_writer w = gw_writer(slot + 8, 4);
    gw_put_u32(&w, GW_META_FORMAT_MAX + 1);
    sum(slot);
}

static void test_newer_format(void **state)
{
    struct gw_error err = { 0 };
    one = sample();
    assert_int_equal(gw_meta_encode(&one, slots, NULL), 0);
    newer(slots);
    assert_int_equal(gw_meta_decode(slots, &got, &err), -EPROTONOSUPPORT);
    assert_non_null(strstr(err.msg, "newer godwit"));
}

static uint32_t format_of(const uint8_t *slot)
{
    struct gw_reader r = gw_reader(slot + 8, 4);
    return gw_get_u32(&r);
}

/* A plan whose volumes never changed is one that an older godwit reads; any other is not. */
static void test_changed_volumes(void **state)
{
    struct gw_error err = { 0 };
    one = sample();
    assert_int_equal(gw_meta_encode(&one, slots, &err), 0);
    assert_int_equal(format_of(slots), 1);
    one.pending_shape =
        (struct gw_reshape){ .kind = GW_RESHAPE_GROW,
                             .volume = { .uuid = id(7), .bytes = 1 << 20, .name = "data" } };
    assert_int_equal(gw_meta_encode(&one, slots, &err), -EINVAL); /* of no format */
    one.reshapes = 3;
    assert_int_equal(gw_meta_encode(&one, slots, &err), 0);
    assert_int_equal(format_of(slots), 2);
    assert_int_equal(gw_meta_decode(slots, &got, &err), 0);
    assert_int_equal(got.reshapes, 3);
    assert_int_equal(got.pending_shape.kind, GW_RESHAPE_GROW);
    assert_string_equal(got.pending_shape.volume.name, "data");
    assert_int_equal(got.pending_shape.volume.bytes, 1 << 20);
    assert_true(gw_uuid_equal(&got.pending_shape.volume.uuid, &one.pending_shape.volume.uuid));
    one.pending_shape = (struct gw_reshape){ .kind = GW_RESHAPE_NONE };
    assert_int_equal(gw_meta_encode(&one, slots, &err), 0);
    assert_int_equal(format_of(slots), 2); /* its journal may hold SHAPE records for ever */
    struct gw_writer w = gw_writer(slots + 8, 4);
    gw_put_u32(&w, 1); /* the same bytes as an older format: they are too many */
    sum(slots);
    assert_int_equal(gw_meta_decode(slots, &got, &err), -EBADMSG);
}

static void read_file(uint8_t *ret)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(read(fd, ret, 2 * SLOT), 2 * SLOT);
    close(fd);
}

static void write_file(const uint8_t *data)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, data, 2 * SLOT, 0), 2 * SLOT);
    close(fd);
}

static struct gw_metafile *open_file(bool *ret_lost)
{
    struct gw_metafile *f = NULL;
    struct gw_error err = { 0 };
    if (gw_metafile_open(&io, dir, false, &f, &got, ret_lost, &err) < 0)
        fail_msg("%s", err.msg);
    return f;
}

static void test_create_and_store(void **state)
{
    struct gw_error err = { 0 };
    struct gw_metafile *f = NULL;
    struct stat st;
    bool lost = true;
    assert_int_equal(gw_metafile_open(&io, dir, false, &f, &got, &lost, &err), -ENOENT);
    assert_null(f);

    one = sample();
    assert_int_equal(gw_metafile_create(&io, dir, &one, &err), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, 2 * SLOT);
    read_file(image);
    assert_memory_equal(image, image + SLOT, SLOT);
    assert_int_equal(gw_metafile_create(&io, dir, &one, &err), -EEXIST);

    f = open_file(&lost);
    assert_false(lost);
    assert_int_equal(got.generation, 1);
    for (uint64_t g = 2; g < 9; g++) {
        got.seq = 1000 * g;
        assert_int_equal(gw_metafile_store(f, &got, &err), 0);
        assert_int_equal(got.generation, g);
        /* Only the slot that was not the newest has changed. */
        read_file(slots);
        size_t kept = g % 2 == 0 ? 0 : SLOT;
        assert_memory_equal(slots + kept, image + kept, SLOT);
        assert_memory_not_equal(slots + SLOT - kept, image + SLOT - kept, SLOT);
        memcpy(image, slots, sizeof image);
    }
    gw_metafile_close(f);
    f = open_file(&lost);
    assert_false(lost);
    assert_int_equal(got.generation, 8);
    assert_int_equal(got.seq, 8000);
    gw_metafile_close(f);

    assert_int_equal(gw_metafile_open(&io, dir, true, &f, &got, NULL, &err), 0);
    assert_int_equal(gw_metafile_store(f, &got, &err), -EROFS);
    gw_metafile_close(f);
    gw_metafile_close(NULL);
}

/* Generation 3 in slot 0, 2 in slot 1; `image` is the file. */
static void make_file(void)
{
    one = sample();
    assert_int_equal(gw_metafile_create(&io, dir, &one, NULL), 0);
    struct gw_metafile *f = open_file(NULL);
    for (uint64_t g = 2; g <= 3; g++) {
        got.seq = 100 * g;
        assert_int_equal(gw_metafile_store(f, &got, NULL), 0);
    }
    gw_metafile_close(f);
    read_file(image);
}

static void test_torn_store(void **state)
{
    make_file();
    struct gw_metafile *f = open_file(NULL);
    got.seq = 400;
    memset(got.signed_by, 'z', sizeof got.signed_by - 1); /* reaches the last sector with content */
    assert_int_equal(gw_metafile_store(f, &got, NULL), 0);
    gw_metafile_close(f);
    static uint8_t after[2 * SLOT], torn[2 * SLOT];
    read_file(after);
    /* Generation 4 goes to slot 1. The first n bytes of it landed, or all but them. */
    for (size_t n = 0; n <= SLOT; n += 512) {
        for (int tail_first = 0; tail_first < 2; tail_first++) {
            memcpy(torn, tail_first ? after : image, sizeof torn);
            memcpy(torn + SLOT, (tail_first ? image : after) + SLOT, n);
            bool old = memcmp(torn, image, sizeof torn) == 0;
            bool new = memcmp(torn, after, sizeof torn) == 0;
            bool lost = false;
            write_file(torn);
            f = open_file(&lost);
            assert_int_equal(lost, !old && !new);
            assert_int_equal(got.generation, new ? 4 : 3);
            assert_int_equal(got.seq, new ? 400 : 300);
            /* The next store heals it, and never touches the slot that was good. */
            got.seq = 500;
            assert_int_equal(gw_metafile_store(f, &got, NULL), 0);
            gw_metafile_close(f);
            f = open_file(&lost);
            assert_false(lost);
            assert_int_equal(got.seq, 500);
            gw_metafile_close(f);
        }
    }
}

static void test_damaged_newest(void **state)
{
    make_file();
    for (size_t i = 0; i < SLOT; i += 61) {
        bool lost = false;
        memcpy(slots, image, sizeof slots);
        slots[i] ^= 0x10;
        write_file(slots);
        gw_metafile_close(open_file(&lost));
        assert_true(lost);
        assert_int_equal(got.generation, 2);
        assert_int_equal(got.seq, 200);
    }
}

static void test_both_bad(void **state)
{
    struct gw_error err = { 0 };
    struct gw_metafile *f = NULL;
    make_file();
    memcpy(slots, image, sizeof slots);
    slots[100] ^= 1;
    slots[SLOT + 100] ^= 1;
    write_file(slots);
    assert_int_equal(gw_metafile_open(&io, dir, false, &f, &got, NULL, &err), -EBADMSG);
    assert_null(f);
    assert_non_null(strstr(err.msg, "/meta"));
    assert_non_null(strstr(err.msg, "both copies"));
    assert_non_null(strstr(err.msg, "backup"));
    assert_int_equal(truncate(path, 0), 0);
    assert_int_equal(gw_metafile_open(&io, dir, false, &f, &got, NULL, &err), -EBADMSG);
}

/* An older slot must not be used instead of what a newer godwit has written. */
static void test_newer_in_one_slot(void **state)
{
    struct gw_error err = { 0 };
    struct gw_metafile *f = NULL;
    make_file();
    for (size_t s = 0; s < 2; s++) {
        memcpy(slots, image, sizeof slots);
        newer(slots + s * SLOT);
        write_file(slots);
        assert_int_equal(gw_metafile_open(&io, dir, false, &f, &got, NULL, &err), -EPROTONOSUPPORT);
        assert_non_null(strstr(err.msg, "newer godwit"));
    }
}

static void test_failure_is_sticky(void **state)
{
    struct gw_error err = { 0 };
    make_file();
    struct gw_metafile *f = open_file(NULL);
    got.site = 7; /* our own bug: nothing is written, nothing is in doubt */
    assert_int_equal(gw_metafile_store(f, &got, &err), -EINVAL);
    got.site = 1;
    assert_int_equal(gw_metafile_store(f, &got, &err), 0);
    fail_write = -EIO;
    assert_int_equal(gw_metafile_store(f, &got, &err), -EIO);
    assert_int_equal(got.generation, 4); /* what is surely stored */
    fail_write = 0;
    assert_int_equal(gw_metafile_store(f, &got, &err), -EIO);
    assert_non_null(strstr(err.msg, "restart the plan"));
    assert_int_equal(gw_metafile_check(f, &err), -EIO);
    gw_metafile_close(f);
    gw_metafile_close(open_file(NULL));
    assert_int_equal(got.generation, 4);
}

#define FILE_TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),        cmocka_unit_test(test_encode_refuses),
        cmocka_unit_test(test_every_byte_counts), cmocka_unit_test(test_fields_are_checked),
        cmocka_unit_test(test_newer_format),      cmocka_unit_test(test_changed_volumes),
        FILE_TEST(test_create_and_store),         FILE_TEST(test_torn_store),
        FILE_TEST(test_damaged_newest),           FILE_TEST(test_both_bad),
        FILE_TEST(test_newer_in_one_slot),        FILE_TEST(test_failure_is_sticky),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
