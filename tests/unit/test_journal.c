// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The journal over a memory disk that loses what was not synced, and with threads on a real one. */
#include "base/checked.h"
#include "base/hash.h"
#include "engine/journal.h"
#include "memdisk.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>

#include <cmocka.h>

#define SEGMENT GW_SEGMENT_BYTES
#define START GW_JOURNAL_SEGMENT_HEADER_BYTES /* of the first batch */
#define BATCH_MAX 65536u

static const struct gw_uuid plan = { { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 } };
static const struct gw_uuid reign = { { 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1 } };

static struct memdisk *disk;
static struct gw_io *io;
static struct gw_error err;

static int setup(void **state)
{
    disk = memdisk_new();
    io = memdisk_io(disk);
    err = (struct gw_error){ 0 };
    assert_int_equal(gw_io_mkdir(io, "/p"), 0);
    assert_int_equal(gw_io_sync_dir(io, "/"), 0);
    assert_int_equal(gw_journal_create(io, "/p", &err), 0);
    return 0;
}

static int teardown(void **state)
{
    memdisk_free(disk);
    return 0;
}

static const char *segment(unsigned n)
{
    static char path[64];
    snprintf(path, sizeof path, "/p/journal/%016x", n);
    return path;
}

/* ---- batches --------------------------------------------------------------------------------- */

/* `salt` tells apart what was written under the same seqs in different lives. */
static uint8_t fill_byte(uint64_t seq, uint64_t salt, uint32_t i)
{
    return (uint8_t)(seq * 31 + salt * 7 + i + 1);
}

/* Build a batch with room for its header; returns its length. */
static size_t build(uint8_t *buf, uint64_t first_seq, uint32_t records, uint32_t payload,
                    uint64_t salt, struct gw_journal_batch *ret)
{
    size_t at = GW_JOURNAL_BATCH_HEADER_BYTES;
    for (uint32_t n = 0; n < records; n++) {
        struct gw_record rec = { .type = GW_RECORD_WRITE,
                                 .payload_bytes = payload,
                                 .length = payload,
                                 .seq = first_seq + n };
        uint8_t *p = buf + at + GW_RECORD_HEADER_BYTES;
        memset(p, 0, (payload + 7) & ~7u);
        for (uint32_t i = 0; i < payload; i++)
            p[i] = fill_byte(rec.seq, salt, i);
        rec.payload_hash = gw_hash64(p, payload, rec.seq);
        gw_record_encode(&rec, gw_record_seed(&reign), buf + at);
        at += gw_record_bytes(payload);
    }
    *ret = (struct gw_journal_batch){ .uuid = reign,
                                      .first_seq = first_seq,
                                      .last_seq = first_seq + records - 1,
                                      .records = records };
    return at;
}

static int try_append(struct gw_journal *j, uint64_t seq, uint32_t records, uint32_t payload,
                      uint64_t salt, uint64_t *ret_address)
{
    static uint8_t buf[BATCH_MAX];
    struct gw_journal_batch b;
    size_t len = build(buf, seq, records, payload, salt, &b);
    assert_true(len <= sizeof buf);
    return gw_journal_append(j, buf, len, &b, ret_address, &err);
}

static uint64_t append(struct gw_journal *j, uint64_t seq, uint32_t payload)
{
    uint64_t address = 0;
    assert_int_equal(try_append(j, seq, 1, payload, 0, &address), 0);
    return address;
}

#define BATCH_OF(payload) (GW_JOURNAL_BATCH_HEADER_BYTES + gw_record_bytes(payload))

static uint64_t sync_all(struct gw_journal *j)
{
    uint64_t durable = 0;
    assert_int_equal(gw_journal_sync(j, &durable, &err), 0);
    return durable;
}

/* Read the batch at *address, check every byte of it, and go on. Returns its first seq. */
static uint64_t read_next(struct gw_journal *j, uint64_t *address, uint64_t salt)
{
    static uint8_t buf[BATCH_MAX];
    struct gw_journal_batch b;
    size_t len = 0, at = 0;
    int r = gw_journal_read(j, *address, buf, sizeof buf, &len, &b, address, &err);
    if (r < 0)
        fail_msg("read: %s", err.msg);
    assert_true(gw_uuid_equal(&b.uuid, &reign));
    assert_int_equal(b.bytes, len + GW_JOURNAL_BATCH_HEADER_BYTES);
    for (uint32_t n = 0; n < b.records; n++) {
        struct gw_record rec;
        int64_t bytes = gw_record_decode(buf + at, len - at, gw_record_seed(&reign), true, &rec);
        assert_true(bytes > 0);
        assert_int_equal(rec.seq, b.first_seq + n);
        for (uint32_t i = 0; i < rec.payload_bytes; i++) {
            if (buf[at + GW_RECORD_HEADER_BYTES + i] != fill_byte(rec.seq, salt, i))
                fail_msg("seq %llu is of another life", (unsigned long long)rec.seq);
        }
        at += (size_t)bytes;
    }
    assert_int_equal(at, len);
    assert_int_equal(b.last_seq, b.first_seq + b.records - 1);
    return b.first_seq;
}

static int read_code(struct gw_journal *j, uint64_t address)
{
    static uint8_t buf[BATCH_MAX];
    struct gw_journal_batch b;
    size_t len;
    uint64_t next;
    return gw_journal_read(j, address, buf, sizeof buf, &len, &b, &next, &err);
}

/* Batches seq, seq + 1, .. of one record each from `address` to the end. */
static void check_rest(struct gw_journal *j, uint64_t address, uint64_t seq, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        assert_int_equal(read_next(j, &address, 0), seq + i);
    assert_int_equal(read_code(j, address), -ERANGE);
}

static struct gw_journal *open_at(uint64_t from, struct gw_journal_report *ret)
{
    struct gw_journal *j = NULL;
    int r = gw_journal_open(io, "/p", &plan, from, 4 * SEGMENT, false, &j, ret, &err);
    if (r < 0)
        fail_msg("open: %s", err.msg);
    return j;
}

static struct gw_journal *open_empty(void)
{
    struct gw_journal_report rep;
    return open_at(0, &rep);
}

static int open_code(uint64_t from)
{
    struct gw_journal *j = NULL;
    struct gw_journal_report rep;
    int r = gw_journal_open(io, "/p", &plan, from, 4 * SEGMENT, false, &j, &rep, &err);
    gw_journal_close(j);
    return r;
}

/* A journal with `room` bytes left in segment 0: the next batches soon need segment 1. */
static struct gw_journal *open_near_end(uint64_t room)
{
    struct gw_journal *j = open_empty();
    append(j, 1, 8);
    sync_all(j);
    gw_journal_close(j);
    struct gw_journal_report rep;
    j = open_at(SEGMENT - room, &rep);
    assert_int_equal(rep.end, SEGMENT - room);
    return j;
}

static void peek(const char *path, uint64_t off, void *buf, size_t len)
{
    struct gw_file *f = NULL;
    assert_int_equal(gw_io_open(io, path, GW_OPEN_RDONLY, &f), 0);
    assert_int_equal(gw_io_pread(f, buf, len, off), 0);
    gw_file_close(f);
}

static bool exists(const char *path)
{
    struct gw_file *f = NULL;
    int r = gw_io_open(io, path, GW_OPEN_RDONLY, &f);
    gw_file_close(f);
    return r == 0;
}

#define STALE_BYTES 16384u
#define SPARE "/p/journal/0000000000000000.spare"

/* What a trimmed segment 0 holds: batches from its first byte on, whole and valid, but there. */
static void stale_content(uint8_t ret[STALE_BYTES])
{
    struct gw_journal *j = open_empty();
    for (uint64_t seq = 100; gw_journal_end(j) < STALE_BYTES; seq++)
        append(j, seq, 300);
    gw_journal_close(j);
    peek(segment(0), 0, ret, STALE_BYTES);
    assert_int_equal(gw_io_unlink(io, segment(0)), 0);
}

static void put_spare(const uint8_t content[STALE_BYTES])
{
    struct gw_file *f = NULL;
    assert_int_equal(gw_io_open(io, SPARE, GW_OPEN_CREATE, &f), 0);
    assert_int_equal(gw_io_allocate(f, 0, SEGMENT), 0);
    assert_int_equal(gw_io_pwrite(f, content, STALE_BYTES, 0), 0);
    assert_int_equal(gw_io_datasync(f), 0);
    gw_file_close(f);
    assert_int_equal(gw_io_sync_dir(io, "/p/journal"), 0);
}

static bool reads_as_zeros(const char *path, uint64_t off, size_t len)
{
    static uint8_t buf[STALE_BYTES], zeros[STALE_BYTES];
    assert_true(len <= sizeof buf);
    peek(path, off, buf, len);
    return memcmp(buf, zeros, len) == 0;
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void test_append_read(void **state)
{
    assert_int_equal(gw_journal_create(io, "/p", &err), -EEXIST);
    struct gw_journal_report rep;
    struct gw_journal *j = open_at(0, &rep);
    assert_int_equal(rep.batches + rep.bytes + rep.torn_bytes + rep.end, 0);
    assert_int_equal(read_code(j, 0), -ERANGE);
    assert_int_equal(gw_journal_used_bytes(j), 0);
    assert_int_equal(gw_journal_max_bytes(j), 4 * SEGMENT);
    assert_int_equal(sync_all(j), 0);

    uint64_t a = append(j, 10, 100), b = 0;
    assert_int_equal(a, START);
    assert_int_equal(try_append(j, 11, 7, 33, 0, &b), 0);
    assert_int_equal(b, START + BATCH_OF(100));
    assert_int_equal(gw_journal_durable(j), 0); /* appended is not durable */
    uint64_t at = 0;
    assert_int_equal(read_next(j, &at, 0), 10); /* address 0 means the first batch */
    assert_int_equal(at, b);
    assert_int_equal(read_next(j, &at, 0), 11);
    assert_int_equal(at, gw_journal_end(j));
    assert_int_equal(read_code(j, at), -ERANGE);
    assert_int_equal(read_code(j, a + 8), -EBADMSG); /* not a batch's address */
    assert_int_equal(sync_all(j), at);
    assert_int_equal(gw_journal_durable(j), at);
    assert_int_equal(gw_journal_oldest(j), START);
    assert_int_equal(gw_journal_used_bytes(j), at);
    uint8_t small[8];
    size_t len = 77;
    struct gw_journal_batch batch;
    assert_int_equal(gw_journal_read(j, a, small, sizeof small, &len, &batch, &at, &err), -ENOBUFS);
    assert_int_equal(len, 77);
    assert_true(memdisk_reached(disk, "journal.segment") == 1);
    assert_true(memdisk_reached(disk, "journal.append.after") == 2);
    assert_true(memdisk_reached(disk, "journal.sync.after") == 1);
    gw_journal_close(j);
    gw_journal_close(NULL);

    j = open_at(b, &rep);
    assert_int_equal(rep.batches, 1);
    assert_int_equal(rep.end, at);
    assert_int_equal(rep.bytes, at - b);
    assert_int_equal(gw_journal_durable(j), at);
    assert_int_equal(append(j, 18, 5), at);
    check_rest(j, at, 18, 1);
    gw_journal_close(j);
}

static void test_bad_batch(void **state)
{
    struct gw_journal *j = open_empty();
    uint8_t buf[1024];
    struct gw_journal_batch good, b;
    size_t len = build(buf, 5, 3, 40, 0, &good);
    uint64_t address;
    b = good, b.records = 2;
    assert_int_equal(gw_journal_append(j, buf, len, &b, &address, &err), -EINVAL);
    b = good, b.records = 4;
    assert_int_equal(gw_journal_append(j, buf, len, &b, &address, &err), -EINVAL);
    b = good, b.first_seq = 4;
    assert_int_equal(gw_journal_append(j, buf, len, &b, &address, &err), -EINVAL);
    b = good, b.last_seq = 8;
    assert_int_equal(gw_journal_append(j, buf, len, &b, &address, &err), -EINVAL);
    b = good, b.flags = 2;
    assert_int_equal(gw_journal_append(j, buf, len, &b, &address, &err), -EINVAL);
    assert_int_equal(gw_journal_append(j, buf, len - 8, &good, &address, &err), -EINVAL);
    assert_int_equal(gw_journal_append(j, buf, len + 8, &good, &address, &err), -EINVAL);
    assert_int_equal(gw_journal_append(j, buf, 64, &good, &address, &err), -EINVAL);
    good.flags = GW_BATCH_SESSION;
    assert_int_equal(gw_journal_append(j, buf, len, &good, &address, &err), 0);
    assert_int_equal(address, START);
    gw_journal_close(j);
}

static void test_rollover(void **state)
{
    uint64_t from = SEGMENT - 1000;
    struct gw_journal *j = open_near_end(1000);
    for (uint64_t seq = 2; seq < 12; seq++)
        append(j, seq, 300);
    uint64_t end = gw_journal_end(j);
    assert_true(end > SEGMENT + START && end < SEGMENT + 8000);
    check_rest(j, from, 2, 10);
    assert_int_equal(sync_all(j), end);
    gw_journal_close(j);
    struct gw_journal_report rep;
    j = open_at(from, &rep);
    assert_int_equal(rep.batches, 10);
    assert_int_equal(rep.end, end);
    assert_int_equal(rep.torn_bytes, 0);
    check_rest(j, from, 2, 10);
    gw_journal_close(j);
    /* A new segment that is still empty is no torn tail. */
    j = open_at(2 * SEGMENT - 504, &rep);
    append(j, 12, 200);
    memdisk_stop_at(disk, "journal.segment", 1);
    uint64_t address;
    assert_int_equal(try_append(j, 13, 1, 300, 0, &address), -EIO);
    gw_journal_close(j);
    memdisk_power_loss(disk, 512, memdisk_pick_new, NULL);
    j = open_at(2 * SEGMENT - 504, &rep);
    assert_int_equal(rep.batches, 1);
    assert_int_equal(rep.torn_bytes, 0);
    assert_int_equal(rep.end, 2 * SEGMENT + START);
    assert_int_equal(append(j, 13, 300), 2 * SEGMENT + START);
    check_rest(j, 2 * SEGMENT - 504, 12, 2);
    gw_journal_close(j);
}

static void test_exact_fill(void **state)
{
    uint64_t len = BATCH_OF(400), from = SEGMENT - len;
    struct gw_journal *j = open_near_end(len);
    assert_int_equal(append(j, 2, 400), from);
    assert_int_equal(gw_journal_end(j), SEGMENT);
    assert_int_equal(sync_all(j), SEGMENT);
    gw_journal_close(j);
    struct gw_journal_report rep;
    j = open_at(SEGMENT, &rep); /* applied through the last byte; segment 1 was never made */
    assert_int_equal(rep.end, SEGMENT);
    assert_int_equal(gw_journal_oldest(j), START);
    assert_int_equal(append(j, 3, 400), SEGMENT + START);
    check_rest(j, from, 2, 2);
    gw_journal_close(j);
    j = open_at(from, &rep);
    assert_int_equal(rep.batches, 2);
    gw_journal_close(j);
}

/* Batches 1 (durable), 2, 3, 4: the file's bytes from 2 on, and where each begins. */
struct tail4 {
    uint64_t at[4]; /* of 2, 3, 4, and the end */
    size_t len;
    uint8_t data[2048];
};

static void make_tail4(struct tail4 *t)
{
    struct gw_journal *j = open_empty();
    append(j, 1, 64);
    sync_all(j);
    t->at[0] = append(j, 2, 13);
    t->at[1] = append(j, 3, 100);
    t->at[2] = append(j, 4, 29);
    t->at[3] = gw_journal_end(j);
    t->len = t->at[3] - t->at[0];
    gw_journal_close(j);
    peek(segment(0), t->at[0], t->data, t->len);
}

/* Open with this tail on disk; batches 2..(1 + want) survive, and a second open finds no tail. */
static void check_tail4(const struct tail4 *t, const uint8_t *data, unsigned want)
{
    struct gw_journal_report rep;
    assert_true(memdisk_damage(disk, segment(0), t->at[0], data, t->len));
    struct gw_journal *j = open_at(0, &rep);
    assert_int_equal(rep.batches, 1 + want);
    assert_int_equal(rep.end, t->at[want]);
    check_rest(j, 0, 1, 1 + want);
    gw_journal_close(j);
    uint8_t rest[2048] = { 0 }, zeros[2048] = { 0 };
    peek(segment(0), rep.end, rest, t->at[3] - rep.end + 64);
    assert_memory_equal(rest, zeros, sizeof rest); /* cut off as a whole */
    j = open_at(t->at[0], &rep);
    assert_int_equal(rep.end, t->at[want]);
    assert_int_equal(rep.torn_bytes, 0);
    gw_journal_close(j);
}

static unsigned batch_of(const struct tail4 *t, size_t i)
{
    return t->at[0] + i >= t->at[2] ? 2 : t->at[0] + i >= t->at[1] ? 1 : 0;
}

static void test_torn_every_cut(void **state)
{
    struct tail4 t = { 0 };
    make_tail4(&t);
    for (size_t cut = 0; cut <= t.len; cut++) {
        uint8_t data[2048] = { 0 };
        memcpy(data, t.data, cut);
        size_t lost = cut; /* the first byte that is not what it was */
        while (lost < t.len && t.data[lost] == 0)
            lost++;
        check_tail4(&t, data, lost == t.len ? 3 : batch_of(&t, lost));
    }
}

static void test_torn_every_byte(void **state)
{
    struct tail4 t = { 0 };
    make_tail4(&t);
    for (size_t i = 0; i < t.len; i++) {
        uint8_t data[2048];
        memcpy(data, t.data, t.len);
        data[i] ^= 0x10;
        check_tail4(&t, data, batch_of(&t, i)); /* later, valid ones were never promised */
    }
}

/* A later batch that was persisted out of order must not come back behind new ones. */
static void test_no_revival(void **state)
{
    struct tail4 t = { 0 };
    make_tail4(&t);
    uint8_t data[2048] = { 0 };
    memcpy(data + (t.at[1] - t.at[0]), t.data + (t.at[1] - t.at[0]), t.at[3] - t.at[1]);
    check_tail4(&t, data, 0);
    struct gw_journal_report rep;
    struct gw_journal *j = open_at(0, &rep);
    assert_int_equal(append(j, 2, 13), t.at[0]);
    assert_int_equal(gw_journal_end(j), t.at[1]); /* exactly where the old 3 began */
    gw_journal_close(j);
    j = open_at(0, &rep);
    assert_int_equal(rep.end, t.at[1]);
    gw_journal_close(j);
}

static void test_torn_across_segments(void **state)
{
    uint64_t from = SEGMENT - 1000;
    struct gw_journal *j = open_near_end(1000);
    append(j, 2, 300);
    sync_all(j);
    uint64_t lost = append(j, 3, 300);
    append(j, 4, 300); /* in segment 1 */
    append(j, 5, 300);
    assert_true(exists(segment(1)));
    gw_journal_close(j);
    assert_true(memdisk_damage(disk, segment(0), lost, "hole", 4));
    struct gw_journal_report rep;
    j = open_at(from, &rep);
    assert_int_equal(rep.end, lost);
    assert_true(rep.torn_bytes > SEGMENT - lost);
    assert_false(exists(segment(1)));
    append(j, 3, 300);
    append(j, 4, 100);
    check_rest(j, from, 2, 3);
    gw_journal_close(j);
    j = open_at(from, &rep);
    assert_int_equal(rep.batches, 3); /* 5 is gone for good */
    gw_journal_close(j);
}

static void check_damaged(uint64_t from, const char *path, uint64_t off, const char *word)
{
    uint8_t was, now;
    peek(path, off, &was, 1);
    now = was ^ 4;
    assert_true(memdisk_damage(disk, path, off, &now, 1));
    unsigned before = memdisk_ops(disk);
    assert_int_equal(open_code(from), -EBADMSG);
    assert_int_equal(memdisk_ops(disk), before); /* nothing was changed */
    assert_non_null(strstr(err.msg, word));
    assert_non_null(strstr(err.msg, "nothing was changed"));
    assert_true(memdisk_damage(disk, path, off, &was, 1));
}

static void test_damage_of_durable(void **state)
{
    uint64_t from = SEGMENT - 1000;
    struct gw_journal *j = open_near_end(1000);
    uint64_t at[5];
    at[0] = append(j, 2, 16);
    at[1] = append(j, 3, 16);
    sync_all(j);
    at[2] = append(j, 4, 500); /* says that 2 and 3 are durable */
    at[3] = append(j, 5, 300); /* in segment 1 */
    sync_all(j);
    at[4] = append(j, 6, 300);
    gw_journal_close(j);
    for (uint64_t off = at[0]; off < at[2]; off++)
        check_damaged(from, segment(0), off, "is damaged at offset");
    check_damaged(from, segment(0), at[2] + 100, segment(0));
    check_damaged(from, segment(1), at[3] % SEGMENT + 30, segment(1));
    check_damaged(from, segment(1), 20, "header at offset 0");
    check_damaged(at[2], segment(0), at[2] + 8, "is damaged at offset");
    /* Before `from` nothing is read: the cost is that of the bytes after it. */
    assert_true(memdisk_damage(disk, segment(0), at[0], "x", 1));
    struct gw_journal_report rep;
    j = open_at(at[2], &rep);
    assert_int_equal(rep.batches, 3);
    gw_journal_close(j);
    j = open_at(at[4], &rep);
    assert_int_equal(rep.batches, 1);
    gw_journal_close(j);
    /* The newest batch: nobody says that it was durable. */
    assert_true(memdisk_damage(disk, segment(1), at[4] % SEGMENT + 80, "x", 1));
    j = open_at(at[4], &rep);
    assert_int_equal(rep.batches, 0);
    assert_int_equal(rep.torn_bytes, BATCH_OF(300));
    gw_journal_close(j);
}

static void test_refused(void **state)
{
    struct gw_journal *j = open_near_end(1000);
    for (uint64_t seq = 2; seq < 8; seq++)
        append(j, seq, 300);
    sync_all(j);
    uint64_t end = gw_journal_end(j);
    gw_journal_close(j);
    struct gw_journal_report rep;
    j = NULL;
    assert_int_equal(gw_journal_open(io, "/p", &reign, 0, SEGMENT, false, &j, &rep, &err),
                     -EBADMSG);
    assert_non_null(strstr(err.msg, "another plan"));
    assert_int_equal(open_code(UINT64_MAX), -EINVAL);
    assert_int_equal(open_code(SEGMENT - 8), -EBADMSG);        /* segment 0 ended before that */
    assert_int_equal(open_code(3 * SEGMENT + 5000), -EBADMSG); /* lost segment */
    assert_non_null(strstr(err.msg, "is missing"));

    /* A segment is bound to its number, a batch to its address. */
    uint8_t *copy = malloc(65536);
    peek(segment(1), 0, copy, 65536);
    struct gw_file *f = NULL;
    assert_int_equal(gw_io_open(io, segment(2), GW_OPEN_CREATE, &f), 0);
    assert_int_equal(gw_io_pwrite(f, copy, 65536, 0), 0);
    gw_file_close(f);
    assert_int_equal(open_code(SEGMENT - 1000), -EBADMSG);
    assert_non_null(strstr(err.msg, "not at its place"));
    assert_int_equal(gw_io_unlink(io, segment(2)), 0);
    assert_true(memdisk_damage(disk, segment(1), end % SEGMENT, copy + START, 2048));
    j = open_at(SEGMENT - 1000, &rep);
    assert_int_equal(rep.end, end);
    assert_true(rep.torn_bytes > 0);
    gw_journal_close(j);

    copy[8] = 9; /* a format of the future, with a right checksum */
    struct gw_writer w = gw_writer(copy + 4088, 8);
    gw_put_u64(&w, gw_hash64(copy, 4088, 0));
    assert_true(memdisk_damage(disk, segment(1), 0, copy, 4096));
    assert_int_equal(open_code(SEGMENT - 1000), -EPROTONOSUPPORT);
    free(copy);
    assert_int_equal(gw_io_unlink(io, segment(0)), 0);
    assert_int_equal(open_code(SEGMENT - 1000), -EBADMSG);
}

static void test_trim(void **state)
{
    struct gw_journal *j = open_near_end(1000);
    for (uint64_t seq = 2; seq < 8; seq++)
        append(j, seq, 300);
    sync_all(j);
    uint64_t end = gw_journal_end(j);
    uint64_t at = SEGMENT - 1000;
    assert_int_equal(read_next(j, &at, 0), 2);
    assert_int_equal(gw_journal_trim(j, SEGMENT - 1, &err), 0); /* still needed */
    assert_int_equal(read_next(j, &at, 0), 3);
    assert_int_equal(gw_journal_trim(j, end, &err), 0);
    assert_int_equal(memdisk_reached(disk, "journal.trim"), 1);
    assert_false(exists(segment(0)));
    assert_true(exists(segment(1))); /* the last one stays */
    assert_int_equal(read_code(j, 0), -ESTALE);
    assert_int_equal(read_code(j, at), -ESTALE);
    assert_int_equal(gw_journal_oldest(j), SEGMENT + START);
    assert_int_equal(gw_journal_used_bytes(j), end - SEGMENT);
    assert_int_equal(gw_journal_trim(j, 9 * SEGMENT, &err), 0);
    assert_true(exists(segment(1)));
    assert_int_equal(append(j, 8, 300), end);
    gw_journal_close(j);
    memdisk_power_loss(disk, 512, memdisk_pick_old, NULL);
    assert_false(exists(segment(0)));
    struct gw_journal_report rep;
    j = open_at(end, &rep);
    assert_int_equal(gw_journal_oldest(j), SEGMENT + START);
    gw_journal_close(j);
}

/* A trimmed segment becomes the next new one; what it held stays in it, and is no batch there. */
static void test_recycled(void **state)
{
    static uint8_t stale[STALE_BYTES];
    struct gw_journal_report rep;
    uint64_t from = SEGMENT - 1000, at[8] = { 0 };
    stale_content(stale);
    gw_journal_close(open_near_end(1000));
    put_spare(stale);
    struct gw_journal *j = open_at(from, &rep);
    for (uint64_t seq = 2; seq < 8; seq++)
        at[seq] = append(j, seq, 300);
    assert_true(at[5] > SEGMENT);
    assert_false(exists(SPARE));
    uint64_t end = gw_journal_end(j);
    assert_false(reads_as_zeros(segment(1), end % SEGMENT, 4096));
    check_rest(j, from, 2, 6);
    gw_journal_close(j);
    j = open_at(from, &rep);
    assert_int_equal(rep.end, end);
    assert_int_equal(rep.torn_bytes, 0);
    gw_journal_close(j);

    /* The last but one is torn, and the last must not come back behind a new one. */
    assert_true(memdisk_damage(disk, segment(1), at[6] % SEGMENT + 200, "torn", 4));
    j = open_at(from, &rep);
    assert_int_equal(rep.end, at[6]);
    assert_int_equal(rep.torn_bytes, end - at[6]);
    assert_int_equal(append(j, 6, 300), at[6]);
    assert_int_equal(gw_journal_end(j), at[7]);
    gw_journal_close(j);
    j = open_at(from, &rep);
    assert_int_equal(rep.end, at[7]);
    assert_int_equal(rep.torn_bytes, 0);
    check_rest(j, from, 2, 5);
    gw_journal_close(j);
    assert_false(reads_as_zeros(segment(1), end % SEGMENT, 4096));
}

/* Only a spare of a lower number: the batches of another may be true once more. */
static void test_spare_of_a_torn_tail(void **state)
{
    static uint8_t stale[STALE_BYTES];
    stale_content(stale);
    put_spare(stale);
    gw_journal_close(open_empty());
    assert_false(exists(SPARE));
}

/* Trimming keeps two and gives the rest back; segments and spares together keep to the limit. */
static void test_spares(void **state)
{
    uint64_t seq = 2;
    struct gw_journal_report rep;
    struct gw_journal *j = open_near_end(1000);
    for (unsigned number = 1; number < 4; number++) {
        while (!exists(segment(number)))
            append(j, seq++, 300);
        sync_all(j);
        gw_journal_close(j);
        j = open_at((number + 1ull) * SEGMENT - 1000, &rep);
        append(j, seq++, 300);
    }
    sync_all(j);
    assert_int_equal(gw_journal_trim(j, gw_journal_end(j), &err), 0);
    for (unsigned number = 0; number < 3; number++)
        assert_false(exists(segment(number)));
    assert_true(exists(SPARE));
    assert_true(exists("/p/journal/0000000000000001.spare"));
    assert_false(exists("/p/journal/0000000000000002.spare"));
    gw_journal_close(j);
    j = open_at(4 * SEGMENT - 1000, &rep); /* taken over */
    while (!exists(segment(4)))
        append(j, seq++, 300);
    assert_true(exists(SPARE) != exists("/p/journal/0000000000000001.spare"));
    /* Somebody who makes room may remove one. */
    (void)gw_io_unlink(io, SPARE);
    (void)gw_io_unlink(io, "/p/journal/0000000000000001.spare");
    sync_all(j);
    gw_journal_close(j);
    put_spare((uint8_t[STALE_BYTES]){ 0 });
    j = open_at(5 * SEGMENT - 1000, &rep);
    assert_int_equal(gw_io_unlink(io, SPARE), 0);
    while (!exists(segment(5)))
        append(j, seq++, 300);
    gw_journal_close(j);
}

static void test_journal_full(void **state)
{
    struct gw_journal *j = open_near_end(1000);
    gw_journal_close(j);
    struct gw_journal_report rep;
    assert_int_equal(
        gw_journal_open(io, "/p", &plan, SEGMENT - 1000, SEGMENT, false, &j, &rep, &err), 0);
    append(j, 2, 700);
    uint64_t end = gw_journal_end(j), address;
    for (int i = 0; i < 3; i++)
        assert_int_equal(try_append(j, 3, 1, 300, 0, &address), -ENOSPC);
    assert_non_null(strstr(err.msg, "is full"));
    assert_int_equal(gw_journal_end(j), end);
    assert_false(exists(segment(1)));
    assert_int_equal(sync_all(j), end);
    assert_int_equal(append(j, 3, 8), end); /* what fits is taken */
    gw_journal_close(j);

    j = open_at(SEGMENT - 1000, &rep);
    append(j, 4, 300); /* now in segment 1 */
    gw_journal_close(j);
    assert_int_equal(
        gw_journal_open(io, "/p", &plan, 2 * SEGMENT - 200, 2 * SEGMENT, false, &j, &rep, &err), 0);
    assert_int_equal(try_append(j, 5, 1, 300, 0, &address), -ENOSPC);
    assert_int_equal(gw_journal_trim(j, gw_journal_end(j), &err), 0);
    assert_int_equal(append(j, 5, 300), 2 * SEGMENT + START);
    check_rest(j, 2 * SEGMENT - 200, 5, 1);
    gw_journal_close(j);
}

static void test_disk_full(void **state)
{
    struct gw_journal *j = open_near_end(1000);
    uint64_t address, end = gw_journal_end(j);
    memdisk_fail(disk, MEMDISK_WRITE, 1, -ENOSPC);
    assert_int_equal(try_append(j, 2, 1, 300, 0, &address), -ENOSPC);
    memdisk_fail(disk, MEMDISK_ALLOCATE, 1, -EDQUOT);
    assert_int_equal(try_append(j, 2, 1, 2000, 0, &address), -ENOSPC);
    assert_false(exists("/p/journal/0000000000000001.new"));
    memdisk_fail(disk, MEMDISK_WRITE, 1, -ENOSPC); /* of the new header */
    assert_int_equal(try_append(j, 2, 1, 2000, 0, &address), -ENOSPC);
    assert_int_equal(gw_journal_end(j), end);
    assert_int_equal(append(j, 2, 300), end);
    assert_int_equal(append(j, 3, 2000), SEGMENT + START);
    sync_all(j);
    check_rest(j, end, 2, 2);
    gw_journal_close(j);
}

static void test_failure_is_sticky(void **state)
{
    struct gw_journal *j = open_empty();
    uint64_t address, durable;
    append(j, 1, 300);
    sync_all(j);
    append(j, 2, 300);
    memdisk_fail(disk, MEMDISK_SYNC, 1, -EIO);
    assert_int_equal(gw_journal_sync(j, &durable, &err), -EIO);
    assert_int_equal(gw_journal_sync(j, &durable, &err), -EIO);
    assert_int_equal(try_append(j, 3, 1, 300, 0, &address), -EIO);
    assert_non_null(strstr(err.msg, "restart"));
    assert_int_equal(gw_journal_durable(j), START + BATCH_OF(300));
    check_rest(j, 0, 1, 2); /* reading goes on */
    gw_journal_close(j);

    struct gw_journal_report rep;
    j = open_at(0, &rep);
    memdisk_fail(disk, MEMDISK_WRITE, 1, -EIO);
    assert_int_equal(try_append(j, 3, 1, 300, 0, &address), -EIO);
    assert_int_equal(try_append(j, 3, 1, 300, 0, &address), -EIO);
    gw_journal_close(j);
    memdisk_fail(disk, MEMDISK_SYNC, 1, -EIO); /* R14 */
    assert_int_equal(open_code(0), -EIO);
}

static void test_read_only(void **state)
{
    struct tail4 t = { 0 };
    make_tail4(&t);
    assert_true(memdisk_damage(disk, segment(0), t.at[1], "x", 1));
    unsigned before = memdisk_ops(disk);
    struct gw_journal *j = NULL;
    struct gw_journal_report rep;
    assert_int_equal(gw_journal_open(io, "/p", &plan, 0, SEGMENT, true, &j, &rep, &err), 0);
    assert_int_equal(rep.batches, 2);
    assert_int_equal(rep.end, t.at[1]);
    assert_int_equal(rep.torn_bytes, t.at[3] - t.at[1]);
    check_rest(j, 0, 1, 2);
    gw_journal_close(j);
    assert_int_equal(memdisk_ops(disk), before);
}

/* R14: what an open has seen survives a power loss right after it. */
static void test_open_makes_durable(void **state)
{
    struct gw_journal *j = open_near_end(1000);
    for (uint64_t seq = 2; seq < 8; seq++)
        append(j, seq, 300);
    uint64_t end = gw_journal_end(j);
    gw_journal_close(j);
    memdisk_process_loss(disk); /* nothing was synced, all is in the page cache */
    struct gw_journal_report rep;
    j = open_at(SEGMENT - 1000, &rep);
    assert_int_equal(rep.end, end);
    assert_int_equal(gw_journal_durable(j), end);
    gw_journal_close(j);
    memdisk_power_loss(disk, 512, memdisk_pick_old, NULL);
    j = open_at(SEGMENT - 1000, &rep);
    assert_int_equal(rep.end, end);
    gw_journal_close(j);
}

/* ---- power losses at random places ----------------------------------------------------------- */

struct model {
    struct {
        uint64_t address, seq, salt, end;
    } batch[4096];
    size_t n;
    uint64_t durable; /* known to the user of the journal */
    uint64_t from;    /* applied: a boundary at or below durable */
    uint64_t rng;
    uint8_t stale[STALE_BYTES];
};

static unsigned pick(struct model *m, unsigned n)
{
    return memdisk_pick_random(&m->rng, n);
}

/* What is there must be a prefix of what was appended, and hold all that was durable. */
static void model_check(struct model *m, struct gw_journal *j, uint64_t end)
{
    if (end < m->durable)
        fail_msg("ends at %llx, durable was %llx, from %llx", (unsigned long long)end,
                 (unsigned long long)m->durable, (unsigned long long)m->from);
    size_t i = 0;
    while (i < m->n && m->batch[i].address < m->from)
        i++;
    uint64_t at = m->from;
    for (; i < m->n && m->batch[i].end <= end; i++) {
        assert_int_equal(read_next(j, &at, m->batch[i].salt), m->batch[i].seq);
        assert_int_equal(at, m->batch[i].end);
    }
    m->n = i;
    assert_int_equal(read_code(j, at), -ERANGE);
}

static void model_life(struct model *m, uint64_t salt)
{
    struct gw_journal *j = NULL;
    struct gw_journal_report rep;
    if (pick(m, 2) == 0 && exists(segment(0)))
        put_spare(m->stale);
    if (pick(m, 4) == 0)
        memdisk_stop_after(disk, pick(m, 6)); /* while opening */
    int r = gw_journal_open(io, "/p", &plan, m->from, 64 * SEGMENT, false, &j, &rep, &err);
    if (r < 0 && !memdisk_stopped(disk))
        fail_msg("open: %s", err.msg);
    if (r < 0)
        return;
    model_check(m, j, rep.end);
    m->durable = GW_MAX(m->durable, rep.end);
    memdisk_stop_after(disk, pick(m, 25));
    while (!memdisk_stopped(disk) && m->n < GW_ARRAY_SIZE(m->batch)) {
        uint64_t seq = m->n == 0 ? 1 : m->batch[m->n - 1].seq + 1;
        uint64_t address = 0, durable = 0;
        if (pick(m, 3) == 0) {
            if (gw_journal_sync(j, &durable, &err) == 0)
                m->durable = durable;
            continue;
        }
        r = try_append(j, seq, 1, 1 + pick(m, 3) * 700, salt, &address);
        if (r == 0) {
            m->batch[m->n].address = address;
            m->batch[m->n].seq = seq;
            m->batch[m->n].salt = salt;
            m->batch[m->n].end = gw_journal_end(j);
            m->n++;
        }
        if (pick(m, 10) == 0 && m->n > 0) { /* the applier comes along */
            size_t i = pick(m, (unsigned)m->n);
            if (m->batch[i].end <= m->durable)
                m->from = GW_MAX(m->from, m->batch[i].end);
        }
        if (pick(m, 30) == 0)
            (void)gw_journal_trim(j, m->from, &err);
    }
    gw_journal_close(j);
}

static void test_power_losses(void **state)
{
    static struct model m;
    const char *env = getenv("GODWIT_TEST_SEEDS"); /* more of them for a long run */
    uint64_t seeds = env != NULL ? strtoull(env, NULL, 10) : 60;
    uint64_t rolled = 0, recycled = 0;
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        teardown(NULL);
        setup(NULL);
        m = (struct model){ .rng = seed, .from = SEGMENT - 6000, .durable = SEGMENT - 6000 };
        stale_content(m.stale);
        gw_journal_close(open_near_end(6000));
        for (uint64_t life = 1; life <= 12; life++) {
            model_life(&m, life);
            if (pick(&m, 4) == 0)
                memdisk_process_loss(disk);
            else
                memdisk_power_loss(disk, 512, memdisk_pick_random, &m.rng);
        }
        rolled += exists(segment(1));
        recycled += exists(segment(1)) && !reads_as_zeros(segment(1), 12288, 4096);
    }
    assert_true(rolled > seeds / 5); /* the interesting part was reached */
    assert_true(recycled > seeds / 10);
}

/* ---- threads --------------------------------------------------------------------------------- */

#define THREAD_BATCHES 600u

struct threads {
    struct gw_journal *j;
    uint64_t from;
    atomic_bool appended;
};

static void *thread_append(void *arg)
{
    struct threads *t = arg;
    for (uint64_t seq = 2; seq < 2 + THREAD_BATCHES; seq++)
        append(t->j, seq, 1000);
    atomic_store(&t->appended, true);
    return NULL;
}

static void *thread_sync(void *arg)
{
    struct threads *t = arg;
    bool last;
    do {
        last = atomic_load(&t->appended);
        uint64_t durable = sync_all(t->j);
        assert_true(gw_journal_durable(t->j) >= durable);
    } while (!last);
    return NULL;
}

static void *thread_read(void *arg)
{
    struct threads *t = arg;
    uint64_t at = t->from;
    for (uint64_t seq = 2; seq < 2 + THREAD_BATCHES;) {
        if (at < gw_journal_durable(t->j) && read_code(t->j, at) != -ERANGE)
            assert_int_equal(read_next(t->j, &at, 0), seq++);
    }
    return NULL;
}

static int remove_file(void *arg, const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", (const char *)arg, name);
    return unlink(path);
}

static void test_threads(void **state)
{
    const char *tmp = getenv("TMPDIR");
    char dir[256], sub[300];
    snprintf(dir, sizeof dir, "%s/godwit-journal-XXXXXX", tmp != NULL ? tmp : "/tmp");
    assert_non_null(mkdtemp(dir));
    snprintf(sub, sizeof sub, "%s/journal", dir);
    struct gw_io *real = gw_io_posix();
    struct threads t = { .from = SEGMENT - 100000 };
    struct gw_journal_report rep;
    assert_int_equal(gw_journal_create(real, dir, &err), 0);
    assert_int_equal(gw_journal_open(real, dir, &plan, 0, 4 * SEGMENT, false, &t.j, &rep, &err), 0);
    append(t.j, 1, 8);
    gw_journal_close(t.j);
    assert_int_equal(
        gw_journal_open(real, dir, &plan, t.from, 4 * SEGMENT, false, &t.j, &rep, &err), 0);

    pthread_t thread[3];
    assert_int_equal(pthread_create(&thread[0], NULL, thread_append, &t), 0);
    assert_int_equal(pthread_create(&thread[1], NULL, thread_sync, &t), 0);
    assert_int_equal(pthread_create(&thread[2], NULL, thread_read, &t), 0);
    for (int i = 0; i < 3; i++)
        pthread_join(thread[i], NULL);
    uint64_t end = gw_journal_end(t.j);
    assert_true(end > SEGMENT);
    assert_int_equal(gw_journal_durable(t.j), end);
    gw_journal_close(t.j);
    assert_int_equal(
        gw_journal_open(real, dir, &plan, t.from, 4 * SEGMENT, false, &t.j, &rep, &err), 0);
    assert_int_equal(rep.batches, THREAD_BATCHES);
    assert_int_equal(rep.end, end);
    assert_int_equal(rep.torn_bytes, 0);
    gw_journal_close(t.j);
    assert_int_equal(gw_io_list(real, sub, remove_file, sub), 0);
    assert_int_equal(rmdir(sub), 0);
    assert_int_equal(rmdir(dir), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_append_read),
        T(test_bad_batch),
        T(test_rollover),
        T(test_exact_fill),
        T(test_torn_every_cut),
        T(test_torn_every_byte),
        T(test_no_revival),
        T(test_torn_across_segments),
        T(test_damage_of_durable),
        T(test_refused),
        T(test_trim),
        T(test_recycled),
        T(test_spare_of_a_torn_tail),
        T(test_spares),
        T(test_journal_full),
        T(test_disk_full),
        T(test_failure_is_sticky),
        T(test_read_only),
        T(test_open_makes_durable),
        T(test_power_losses),
        T(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
