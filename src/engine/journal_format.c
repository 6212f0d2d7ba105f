// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Layout of the journal on disk: names, segment headers, batch headers. */
#include "base/hash.h"
#include "engine/journal_internal.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEGMENT_FORMAT 1u
#define SEGMENT_HASHED_BYTES (GW_JOURNAL_SEGMENT_HEADER_BYTES - 8)
#define BATCH_MAGIC 0x424a5747u /* "GWJB" */
#define BATCH_HASHED_BYTES 56u
#define BATCH_FLAGS_KNOWN GW_BATCH_SESSION
#define SEGMENT_RECYCLED 1u
#define SPARE ".spare"

static const uint8_t segment_magic[8] = { 'G', 'W', 'J', 'O', 'U', 'R', 'N', 1 };

static_assert(GW_SEGMENT_BYTES <= UINT32_MAX, "the length of a batch is 32 bits");
static_assert(GW_SEGMENT_BYTES - GW_JOURNAL_SEGMENT_HEADER_BYTES >= 2ull * GW_FRAME_BYTES_MAX,
              "the largest frame fits into an empty segment");

void journal_segment_path(const char *dir, uint64_t number, char ret[JOURNAL_PATH_MAX])
{
    int n = snprintf(ret, JOURNAL_PATH_MAX, "%s/%0*" PRIx64, dir, JOURNAL_NAME_DIGITS, number);
    assert(n > 0 && n < JOURNAL_PATH_MAX); /* open checks that there is room */
}

void journal_spare_path(const char *dir, uint64_t number, char ret[JOURNAL_PATH_MAX])
{
    int n =
        snprintf(ret, JOURNAL_PATH_MAX, "%s/%0*" PRIx64 SPARE, dir, JOURNAL_NAME_DIGITS, number);
    assert(n > 0 && n < JOURNAL_PATH_MAX);
}

static bool number_before(const char *name, const char *rest, uint64_t *ret)
{
    if (strspn(name, "0123456789abcdef") != JOURNAL_NAME_DIGITS ||
        strcmp(name + JOURNAL_NAME_DIGITS, rest) != 0)
        return false;
    uint64_t number = strtoull(name, NULL, 16);
    if (number > INT64_MAX / GW_SEGMENT_BYTES) /* its addresses would overflow */
        return false;
    *ret = number;
    return true;
}

bool journal_segment_number(const char *name, uint64_t *ret)
{
    return number_before(name, "", ret);
}

bool journal_spare_number(const char *name, uint64_t *ret)
{
    return number_before(name, SPARE, ret);
}

/*
 *   0 magic  8 u32 format  12 u32 segment bytes  16 plan uuid  32 u64 number
 *  40 u64 address where the batches before this segment end  48 u32 flags (1 recycled)  52 zeros
 *  4088 u64 XXH3-64 (seed 0)
 */
static void segment_encode(const struct gw_uuid *plan, uint64_t number,
                           const struct journal_segment *s,
                           uint8_t ret[GW_JOURNAL_SEGMENT_HEADER_BYTES])
{
    struct gw_writer w = gw_writer(ret, GW_JOURNAL_SEGMENT_HEADER_BYTES);
    gw_put_bytes(&w, segment_magic, sizeof segment_magic);
    gw_put_u32(&w, SEGMENT_FORMAT);
    gw_put_u32(&w, (uint32_t)GW_SEGMENT_BYTES);
    gw_put_bytes(&w, plan->b, sizeof plan->b);
    gw_put_u64(&w, number);
    gw_put_u64(&w, s->previous_end);
    gw_put_u32(&w, s->recycled ? SEGMENT_RECYCLED : 0);
    gw_put_zeros_to(&w, SEGMENT_HASHED_BYTES);
    gw_put_u64(&w, gw_hash64(ret, SEGMENT_HASHED_BYTES, 0));
    assert(!w.failed && w.pos == GW_JOURNAL_SEGMENT_HEADER_BYTES);
}

static int segment_decode(const uint8_t data[GW_JOURNAL_SEGMENT_HEADER_BYTES],
                          const struct gw_uuid *plan, uint64_t number, const char *path,
                          struct journal_segment *ret, struct gw_error *err)
{
    struct gw_reader r = gw_reader(data, GW_JOURNAL_SEGMENT_HEADER_BYTES);
    uint8_t magic[sizeof segment_magic];
    struct gw_uuid owner;
    gw_get_bytes(&r, magic, sizeof magic);
    uint32_t format = gw_get_u32(&r), bytes = gw_get_u32(&r);
    gw_get_bytes(&r, owner.b, sizeof owner.b);
    uint64_t own_number = gw_get_u64(&r), previous_end = gw_get_u64(&r);
    uint32_t flags = gw_get_u32(&r);
    (void)gw_get_view(&r, SEGMENT_HASHED_BYTES - r.pos);
    uint64_t hash = gw_get_u64(&r);

    if (r.failed || memcmp(magic, segment_magic, sizeof magic) != 0 ||
        hash != gw_hash64(data, SEGMENT_HASHED_BYTES, 0))
        return gw_error_set(
            err, -EBADMSG,
            "journal segment \"%s\": the header at offset 0 is damaged; nothing was "
            "changed: restore the file, or resynchronise this site from its peer",
            path);
    if (format != SEGMENT_FORMAT || bytes != GW_SEGMENT_BYTES || (flags & ~SEGMENT_RECYCLED) != 0)
        return gw_error_set(err, -EPROTONOSUPPORT,
                            "journal segment \"%s\" has format %" PRIu32
                            " with segments of %" PRIu32
                            " bytes, this version reads format %u with %llu: use the version that "
                            "wrote it",
                            path, format, bytes, SEGMENT_FORMAT, GW_SEGMENT_BYTES);
    if (!gw_uuid_equal(&owner, plan) || own_number != number ||
        previous_end > number * GW_SEGMENT_BYTES)
        return gw_error_set(err, -EBADMSG,
                            "journal segment \"%s\" is segment %" PRIx64 " of %s plan: the file is "
                            "not at its place; nothing was changed",
                            path, own_number, gw_uuid_equal(&owner, plan) ? "this" : "another");
    *ret = (struct journal_segment){ previous_end, (flags & SEGMENT_RECYCLED) != 0 };
    return 0;
}

/* A file of a segment's size, all allocated, under its temporary name. */
static int segment_file(struct gw_journal *j, const char *temp, const uint64_t *spare,
                        struct gw_file **ret, struct gw_error *err)
{
    int r = gw_io_unlink(j->io, temp);
    if (r < 0 && r != -ENOENT)
        return gw_error_errno(err, r, "cannot remove the left-over \"%s\"", temp);
    if (spare != NULL) {
        char path[JOURNAL_PATH_MAX];
        journal_spare_path(j->dir, *spare, path);
        r = gw_io_rename(j->io, path, temp);
        if (r < 0)
            return gw_error_errno(err, r, "cannot rename \"%s\" to \"%s\"", path, temp);
    }
    CLEANUP_FILE struct gw_file *f = NULL;
    r = gw_io_open(j->io, temp, spare != NULL ? 0 : GW_OPEN_CREATE | GW_OPEN_EXCL, &f);
    if (r < 0)
        return gw_error_errno(err, r, "cannot create \"%s\"", temp);
    r = spare != NULL ? 0 : gw_io_allocate(f, 0, GW_SEGMENT_BYTES);
    if (r < 0)
        return gw_error_errno(err, r, "cannot reserve %llu bytes for journal segment \"%s\"",
                              GW_SEGMENT_BYTES, temp);
    *ret = f;
    f = NULL;
    return 0;
}

/* The same, with its header: space and header are durable when it returns 0. */
static int segment_make_temp(struct gw_journal *j, const char *temp, uint64_t number,
                             const struct journal_segment *s, const uint64_t *spare,
                             struct gw_file **ret, struct gw_error *err)
{
    CLEANUP_FILE struct gw_file *f = NULL;
    int r = segment_file(j, temp, spare, &f, err);
    if (r < 0)
        return r;
    assert(f != NULL);
    uint8_t header[GW_JOURNAL_SEGMENT_HEADER_BYTES];
    segment_encode(&j->plan, number, s, header);
    r = gw_io_pwrite(f, header, sizeof header, 0);
    if (r == 0)
        r = gw_io_datasync(f);
    if (r < 0)
        return gw_error_errno(err, r, "cannot write the header of \"%s\"", temp);
    *ret = f;
    f = NULL;
    return 0;
}

int journal_segment_make(struct gw_journal *j, uint64_t number, uint64_t previous_end,
                         const uint64_t *spare, struct gw_file **ret, struct gw_error *err)
{
    char path[JOURNAL_PATH_MAX], temp[JOURNAL_PATH_MAX + 8];
    journal_segment_path(j->dir, number, path);
    snprintf(temp, sizeof temp, "%s.new", path);
    const struct journal_segment s = { previous_end, spare != NULL };
    CLEANUP_FILE struct gw_file *f = NULL;
    int r = segment_make_temp(j, temp, number, &s, spare, &f, err);
    if (r < 0) {
        gw_io_unlink(j->io, temp);
        return r;
    }
    r = gw_io_rename(j->io, temp, path);
    if (r < 0) {
        gw_io_unlink(j->io, temp);
        return gw_error_errno(err, r, "cannot rename \"%s\" to \"%s\"", temp, path);
    }
    r = gw_io_sync_dir(j->io, j->dir);
    if (r < 0) {
        gw_io_unlink(j->io, path);
        return gw_error_errno(err, r, "cannot make the directory \"%s\" durable", j->dir);
    }
    gw_crash_point(j->io, "journal.segment");
    *ret = f;
    f = NULL;
    return 0;
}

int journal_segment_open(struct gw_io *io, const char *dir, const struct gw_uuid *plan,
                         uint64_t number, bool read_only, struct gw_file **ret,
                         struct journal_segment *ret_segment, struct gw_error *err)
{
    char path[JOURNAL_PATH_MAX];
    journal_segment_path(dir, number, path);
    CLEANUP_FILE struct gw_file *f = NULL;
    int r = gw_io_open(io, path, read_only ? GW_OPEN_RDONLY : 0, &f);
    if (r < 0)
        return gw_error_errno(err, r, "cannot open journal segment \"%s\"", path);
    uint8_t header[GW_JOURNAL_SEGMENT_HEADER_BYTES];
    r = gw_io_pread(f, header, sizeof header, 0);
    if (r < 0)
        return gw_error_errno(err, r, "cannot read journal segment \"%s\" at offset 0", path);
    r = segment_decode(header, plan, number, path, ret_segment, err);
    if (r < 0)
        return r;
    *ret = f;
    f = NULL;
    return 0;
}

/* A batch is bound to its place: bytes of an earlier use of the disk, or moved ones, do not pass.
 */
static uint64_t batch_seed(uint64_t address, const struct gw_uuid *plan)
{
    return address ^ gw_record_seed(plan);
}

void journal_header_encode(const struct journal_header *h, uint64_t address,
                           const struct gw_uuid *plan, uint8_t ret[GW_JOURNAL_BATCH_HEADER_BYTES])
{
    struct gw_writer w = gw_writer(ret, GW_JOURNAL_BATCH_HEADER_BYTES);
    gw_put_u32(&w, BATCH_MAGIC);
    gw_put_u32(&w, h->batch.bytes);
    gw_put_bytes(&w, h->batch.uuid.b, sizeof h->batch.uuid.b);
    gw_put_u64(&w, h->batch.first_seq);
    gw_put_u64(&w, h->batch.last_seq);
    gw_put_u64(&w, h->synced);
    gw_put_u32(&w, h->batch.records);
    gw_put_u32(&w, h->batch.flags);
    assert(w.pos == BATCH_HASHED_BYTES);
    gw_put_u64(&w, gw_hash64(ret, BATCH_HASHED_BYTES, batch_seed(address, plan)));
    assert(!w.failed && w.pos == GW_JOURNAL_BATCH_HEADER_BYTES);
}

bool journal_header_decode(const uint8_t data[GW_JOURNAL_BATCH_HEADER_BYTES], uint64_t address,
                           const struct gw_uuid *plan, struct journal_header *ret)
{
    struct gw_reader r = gw_reader(data, GW_JOURNAL_BATCH_HEADER_BYTES);
    struct journal_header h;
    uint32_t magic = gw_get_u32(&r);
    if (magic != BATCH_MAGIC)
        return false; /* before the hash: recovery asks at every place of a torn tail */
    h.batch.bytes = gw_get_u32(&r);
    gw_get_bytes(&r, h.batch.uuid.b, sizeof h.batch.uuid.b);
    h.batch.first_seq = gw_get_u64(&r);
    h.batch.last_seq = gw_get_u64(&r);
    h.synced = gw_get_u64(&r);
    h.batch.records = gw_get_u32(&r);
    h.batch.flags = gw_get_u32(&r);
    uint64_t hash = gw_get_u64(&r);
    if (r.failed || hash != gw_hash64(data, BATCH_HASHED_BYTES, batch_seed(address, plan)))
        return false;
    if (!journal_batch_shape_ok(&h.batch) || h.synced > address)
        return false;
    *ret = h;
    return true;
}

bool journal_batch_shape_ok(const struct gw_journal_batch *b)
{
    return b->bytes >= GW_JOURNAL_BATCH_HEADER_BYTES + GW_RECORD_HEADER_BYTES &&
           b->bytes % 8 == 0 && b->bytes <= GW_SEGMENT_BYTES - GW_JOURNAL_SEGMENT_HEADER_BYTES &&
           b->records > 0 && b->first_seq <= b->last_seq && (b->flags & ~BATCH_FLAGS_KNOWN) == 0;
}

bool journal_records_match(const uint8_t *records, const struct gw_journal_batch *b)
{
    size_t left = b->bytes - GW_JOURNAL_BATCH_HEADER_BYTES;
    uint64_t seq = 0;
    for (uint32_t i = 0; i < b->records; i++) {
        struct gw_reader r = gw_reader(records, left);
        (void)gw_get_view(&r, 8);
        uint32_t payload_bytes = gw_get_u32(&r);
        (void)gw_get_u32(&r);
        seq = gw_get_u64(&r);
        uint64_t bytes = gw_record_bytes(payload_bytes);
        if (r.failed || bytes > left || (i == 0 && seq != b->first_seq))
            return false;
        records += bytes;
        left -= bytes;
    }
    return left == 0 && seq == b->last_seq;
}
