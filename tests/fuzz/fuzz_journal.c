// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Recovery of a journal from whatever is on the disk.
 *
 * An input is a small program that lays out segments of a journal on a memory disk, and then opens
 * it. u8 options (bit 0 read-only first, bit 1 an empty second segment), u8 where `from` is (which
 * batch; 255: the raw u16 that follows is the offset), then operations until the end:
 *
 *     0 sound batch    u8 records (1-4), u16 payload of each, u8 synced: 0 nothing, else through it
 *     1 sealed batch   u8 n, u8 flags, u8 synced, u8 first seq, u8 last seq, u8 records;
 *                      n raw bytes as records
 *     2 raw bytes      u8 n, n bytes
 *     3 next segment   (at most 3)
 *     4 zeros          u8 n * 8
 *     5 damage         u16 back from the end, u8 xor
 *     6 header damage  u16 offset in the present segment's header, u8 xor
 *
 * What must hold: no journal that cannot be opened is changed by trying; one that can be gives
 * exactly the batches it reported, whole, and loses nothing that a batch still on the disk says was
 * durable; opening it again gives the same without a torn tail; and a batch that is appended then
 * is the next one.
 */
#include "engine/journal_internal.h"
#include "fuzz.h"
#include "memdisk.h"

#include <errno.h>

#define SEGMENTS 3u
#define SPACE 65536u /* of a segment that a program may fill */
#define OPERATIONS_MAX 64u

static const struct gw_uuid plan = { { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 } };
static const struct gw_uuid reign = { { 9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 1, 2, 3, 4, 5, 6 } };

struct layout {
    uint8_t space[SEGMENTS][SPACE]; /* with the header */
    uint32_t end[SEGMENTS];
    unsigned segment, n_segments;
    struct sound {
        uint64_t address, synced;
        uint32_t bytes;
        uint64_t hash;
    } batch[OPERATIONS_MAX];
    unsigned n_batches;
    uint64_t seq;
};

static struct layout l;

static uint64_t address_now(void)
{
    return l.segment * GW_SEGMENT_BYTES + l.end[l.segment];
}

/* Batches begin at multiples of 8, whatever is before them. */
static void align(void)
{
    l.end[l.segment] = (l.end[l.segment] + 7) & ~7u;
}

static uint32_t room_now(void)
{
    return SPACE - l.end[l.segment];
}

/* As journal_format.c writes it; there it is behind the making of a file. */
static void begin_segment(uint64_t previous_end)
{
    uint8_t *p = l.space[l.segment];
    struct gw_writer w = gw_writer(p, GW_JOURNAL_SEGMENT_HEADER_BYTES);
    gw_put_bytes(&w, "GWJOURN\1", 8);
    gw_put_u32(&w, 1);
    gw_put_u32(&w, (uint32_t)GW_SEGMENT_BYTES);
    gw_put_bytes(&w, plan.b, sizeof plan.b);
    gw_put_u64(&w, l.segment);
    gw_put_u64(&w, previous_end);
    gw_put_zeros_to(&w, GW_JOURNAL_SEGMENT_HEADER_BYTES);
    fuzz_seal(p, GW_JOURNAL_SEGMENT_HEADER_BYTES, 0);
    l.end[l.segment] = GW_JOURNAL_SEGMENT_HEADER_BYTES;
    l.n_segments = l.segment + 1;
}

static size_t put_record(uint8_t *p, uint64_t seq, uint32_t payload)
{
    struct gw_record rec = { .type = GW_RECORD_WRITE,
                             .payload_bytes = payload,
                             .length = payload,
                             .seq = seq,
                             .offset = seq % 64 * GW_BLOCK_BYTES };
    size_t bytes = gw_record_bytes(payload);
    memset(p, 0, bytes);
    for (uint32_t i = 0; i < payload; i++)
        p[GW_RECORD_HEADER_BYTES + i] = (uint8_t)(seq * 31 + i + 1);
    rec.payload_hash = gw_hash64(p + GW_RECORD_HEADER_BYTES, payload, seq);
    gw_record_encode(&rec, gw_record_seed(&reign), p);
    return bytes;
}

static void seal_batch(uint64_t address, struct journal_header *h)
{
    h->batch.uuid = reign;
    journal_header_encode(h, address, &plan, l.space[l.segment] + l.end[l.segment]);
    l.end[l.segment] += h->batch.bytes;
}

static void sound_batch(struct gw_reader *r)
{
    align();
    uint32_t records = fuzz_u8(r) % 4 + 1, payload = fuzz_u16(r) % 5000 + 1;
    uint64_t address = address_now(), bytes = gw_record_bytes(payload) * records;
    bytes += GW_JOURNAL_BATCH_HEADER_BYTES;
    struct journal_header h = { .synced = fuzz_u8(r) != 0 ? address : 0 };
    if (bytes > room_now())
        return;
    uint8_t *p = l.space[l.segment] + l.end[l.segment] + GW_JOURNAL_BATCH_HEADER_BYTES;
    h.batch.first_seq = l.seq + 1;
    for (uint32_t i = 0; i < records; i++)
        p += put_record(p, ++l.seq, payload);
    h.batch.last_seq = l.seq;
    h.batch.records = records;
    h.batch.bytes = (uint32_t)bytes;
    seal_batch(address, &h);
    l.batch[l.n_batches++] = (struct sound){
        .address = address,
        .synced = h.synced,
        .bytes = h.batch.bytes,
        .hash = gw_hash64(l.space[l.segment] + address % GW_SEGMENT_BYTES, h.batch.bytes, 0),
    };
}

static void sealed_batch(struct gw_reader *r)
{
    size_t n = fuzz_u8(r);
    struct journal_header h = { .batch = { .flags = fuzz_u8(r) } };
    align();
    uint64_t address = address_now();
    h.synced = address + fuzz_u8(r) - 64; /* also beyond itself */
    h.batch.first_seq = fuzz_u8(r);
    h.batch.last_seq = fuzz_u8(r);
    h.batch.records = fuzz_u8(r);
    const uint8_t *raw = fuzz_bytes(r, n, &n);
    h.batch.bytes = (uint32_t)(GW_JOURNAL_BATCH_HEADER_BYTES + n);
    if (h.batch.bytes > room_now())
        return;
    memcpy(l.space[l.segment] + l.end[l.segment] + GW_JOURNAL_BATCH_HEADER_BYTES, raw, n);
    seal_batch(address, &h);
}

static void put_raw(const uint8_t *p, size_t n)
{
    n = n < room_now() ? n : room_now();
    if (p != NULL)
        memcpy(l.space[l.segment] + l.end[l.segment], p, n);
    l.end[l.segment] += (uint32_t)n;
}

static void operation(struct gw_reader *r)
{
    size_t n;
    uint32_t at;
    switch (fuzz_u8(r) % 7) {
    case 0:
        sound_batch(r);
        break;
    case 1:
        sealed_batch(r);
        break;
    case 2: {
        n = fuzz_u8(r);
        const uint8_t *raw = fuzz_bytes(r, n, &n);
        put_raw(raw, n);
        break;
    }
    case 3:
        if (l.segment + 1 < SEGMENTS) {
            uint64_t end = address_now();
            l.segment++;
            begin_segment(end);
        }
        break;
    case 4:
        put_raw(NULL, fuzz_u8(r) * (size_t)8);
        break;
    case 5:
        at = fuzz_u16(r);
        at = at < l.end[l.segment] ? l.end[l.segment] - at - 1 : 0;
        l.space[l.segment][at] ^= fuzz_u8(r);
        break;
    case 6:
        at = fuzz_u16(r) % GW_JOURNAL_SEGMENT_HEADER_BYTES;
        l.space[l.segment][at] ^= fuzz_u8(r);
        break;
    }
}

/* Durable on the word of a batch that no damage has hit: it may not be cut off. */
static uint64_t durable_through(void)
{
    uint64_t through = 0;
    for (unsigned i = 0; i < l.n_batches; i++) {
        const struct sound *b = &l.batch[i];
        const uint8_t *p = l.space[b->address / GW_SEGMENT_BYTES] + b->address % GW_SEGMENT_BYTES;
        if (gw_hash64(p, b->bytes, 0) == b->hash && b->synced > through)
            through = b->synced;
    }
    return through;
}

static const char *segment_path(unsigned n)
{
    static char path[64];
    snprintf(path, sizeof path, "/p/journal/%016x", n);
    return path;
}

static void put_on_disk(struct gw_io *io)
{
    struct gw_error err;
    FUZZ_CHECK(gw_io_mkdir(io, "/p") == 0 && gw_journal_create(io, "/p", &err) == 0);
    for (unsigned i = 0; i < l.n_segments; i++) {
        struct gw_file *f = NULL;
        FUZZ_CHECK(gw_io_open(io, segment_path(i), GW_OPEN_CREATE, &f) == 0);
        FUZZ_CHECK(gw_io_pwrite(f, l.space[i], l.end[i], 0) == 0);
        FUZZ_CHECK(gw_io_allocate(f, 0, GW_SEGMENT_BYTES) == 0 && gw_io_datasync(f) == 0);
        gw_file_close(f);
    }
}

static void check_unchanged(struct gw_io *io)
{
    static uint8_t now[SPACE];
    for (unsigned i = 0; i < l.n_segments; i++) {
        struct gw_file *f = NULL;
        FUZZ_CHECK(gw_io_open(io, segment_path(i), GW_OPEN_RDONLY, &f) == 0);
        FUZZ_CHECK(gw_io_pread(f, now, l.end[i], 0) == 0);
        FUZZ_CHECK(memcmp(now, l.space[i], l.end[i]) == 0);
        gw_file_close(f);
    }
}

/* Every batch from `from` on, whole; their number. */
static uint64_t read_all(struct gw_journal *j, uint64_t from)
{
    static uint8_t buf[SPACE];
    struct gw_error err;
    uint64_t n = 0, at = from;
    for (;; n++) {
        struct gw_journal_batch b;
        size_t len = 0, done = 0;
        uint64_t next = 0;
        int r = gw_journal_read(j, at, buf, sizeof buf, &len, &b, &next, &err);
        if (r == -ERANGE)
            return n;
        FUZZ_CHECK(r == 0 && next > at && b.records > 0);
        for (uint32_t i = 0; i < b.records; i++) {
            struct gw_record rec;
            int64_t used =
                gw_record_decode(buf + done, len - done, gw_record_seed(&b.uuid), true, &rec);
            FUZZ_CHECK(used > 0);
            done += (size_t)used;
        }
        FUZZ_CHECK(done == len);
        at = next;
    }
}

static struct gw_journal *open_journal(struct gw_io *io, uint64_t from, bool read_only,
                                       struct gw_journal_report *ret)
{
    struct gw_journal *j = NULL;
    struct gw_error err = { 0 };
    int r = gw_journal_open(io, "/p", &plan, from, GW_JOURNAL_BYTES_MIN, read_only, &j, ret, &err);
    if (r < 0) {
        FUZZ_CHECK_ERROR(r, &err);
        FUZZ_CHECK(r == -EBADMSG || r == -EPROTONOSUPPORT);
        FUZZ_CHECK(strstr(err.msg, "/p/journal") != NULL); /* says which file */
        return NULL;
    }
    FUZZ_CHECK(read_all(j, from) == ret->batches);
    return j;
}

static void append_one(struct gw_journal *j)
{
    static uint8_t buf[SPACE];
    struct gw_error err;
    size_t len = GW_JOURNAL_BATCH_HEADER_BYTES;
    len += put_record(buf + len, 1ull << 40, 100);
    struct gw_journal_batch b = {
        .uuid = reign, .first_seq = 1ull << 40, .last_seq = 1ull << 40, .records = 1
    };
    uint64_t address = 0, durable = 0;
    FUZZ_CHECK(gw_journal_append(j, buf, len, &b, &address, &err) == 0);
    FUZZ_CHECK(gw_journal_sync(j, &durable, &err) == 0 && durable > address);
}

static void try_all(struct gw_io *io, uint64_t from, bool look_first)
{
    struct gw_journal_report seen = { 0 }, first, second, third;
    struct gw_journal *j = look_first ? open_journal(io, from, true, &seen) : NULL;
    bool could_look = j != NULL;
    gw_journal_close(j);
    if (look_first)
        check_unchanged(io);

    j = open_journal(io, from, false, &first);
    if (look_first)
        FUZZ_CHECK(could_look == (j != NULL)); /* an inspection says what the replica would */
    if (j == NULL) {
        check_unchanged(io);
        return;
    }
    FUZZ_CHECK(!look_first || seen.batches == first.batches);
    FUZZ_CHECK(first.end >= durable_through());
    gw_journal_close(j);

    j = open_journal(io, from, false, &second);
    FUZZ_CHECK(j != NULL && second.batches == first.batches && second.bytes == first.bytes);
    FUZZ_CHECK(second.torn_bytes == 0 && second.end == first.end);
    append_one(j);
    gw_journal_close(j);

    j = open_journal(io, from, false, &third);
    FUZZ_CHECK(j != NULL && third.batches == first.batches + 1 && third.torn_bytes == 0);
    gw_journal_close(j);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gw_reader r = gw_reader(data, size);
    l = (struct layout){ .seq = 0 };
    uint8_t options = fuzz_u8(&r), which = fuzz_u8(&r);
    uint64_t from = which == 255 ? fuzz_u16(&r) & ~7u : 0;
    begin_segment(0);
    for (unsigned i = 0; i < OPERATIONS_MAX && gw_reader_left(&r) > 0; i++)
        operation(&r);
    if (which != 255 && l.n_batches > 0)
        from = l.batch[which % l.n_batches].address;
    if ((options & 2) && l.segment + 1 < SEGMENTS) {
        uint64_t end = address_now();
        l.segment++;
        begin_segment(end);
    }
    struct memdisk *d = memdisk_new();
    put_on_disk(memdisk_io(d));
    try_all(memdisk_io(d), from, (options & 1) != 0);
    memdisk_free(d);
    return 0;
}
