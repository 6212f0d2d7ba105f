// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The open journal: append, sync, read, trim. Invariants: journal_internal.h. */
#include "base/cleanup.h"
#include "engine/journal_internal.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

struct positions {
    uint64_t first, next, end, durable;
};

static int positions_get(struct gw_journal *j, struct positions *ret)
{
    LOCK_SCOPE(&j->lock);
    *ret = (struct positions){ j->first, j->next, j->end, j->durable };
    return j->failed;
}

/* After a failed write or sync nothing that was not durable is known any more (R20). */
static int fail(struct gw_journal *j, int code)
{
    LOCK_SCOPE(&j->lock);
    if (j->failed == 0)
        j->failed = code;
    return code;
}

static int failed_already(struct gw_journal *j, int code, struct gw_error *err)
{
    return gw_error_errno(
        err, code,
        "journal \"%s\" had an I/O error and takes nothing more: restart to recover "
        "what is on disk",
        j->dir);
}

static bool spare_take(struct gw_journal *j, uint64_t *ret)
{
    LOCK_SCOPE(&j->lock);
    if (j->n_spares == 0)
        return false;
    *ret = j->spare[--j->n_spares];
    return true;
}

static unsigned spares(struct gw_journal *j)
{
    LOCK_SCOPE(&j->lock);
    return j->n_spares;
}

/* The appender only takes them, so there is still the room that the trimmer has seen. */
static void spare_give(struct gw_journal *j, uint64_t number)
{
    LOCK_SCOPE(&j->lock);
    assert(j->n_spares < JOURNAL_SPARES_MAX);
    j->spare[j->n_spares++] = number;
}

/* Go on in a new segment. -ENOSPC leaves everything as it was. Segments and spares together keep to
 * the limit: a file is added only where there is no spare, or somebody removed it to make room. */
static int segment_add(struct gw_journal *j, struct positions *p, struct gw_error *err)
{
    uint64_t spare, bytes = (p->next - p->first + 1) * GW_SEGMENT_BYTES;
    if (bytes > j->max_bytes)
        return gw_error_set(err, -ENOSPC,
                            "journal \"%s\" is full: %" PRIu64
                            " segments of %llu bytes, the limit is "
                            "%" PRIu64 " bytes: it goes on when records were applied and trimmed",
                            j->dir, p->next - p->first, GW_SEGMENT_BYTES, j->max_bytes);
    CLEANUP_FREE struct journal_unsynced *left = malloc(sizeof *left);
    if (left == NULL)
        return gw_error_errno(err, -ENOMEM, "cannot add a segment to journal \"%s\"", j->dir);
    struct gw_file *file = NULL;
    bool recycle = spare_take(j, &spare);
    int r = -ENOENT;
    if (recycle)
        r = journal_segment_make(j, p->next, p->end, &spare, &file, err);
    if (r == -ENOENT)
        r = journal_segment_make(j, p->next, p->end, NULL, &file, err);
    if (r < 0)
        return gw_no_room(r) ? -ENOSPC : fail(j, r);

    LOCK_SCOPE(&j->lock);
    if (j->tail != NULL) { /* the syncer closes it when it is durable */
        *left = (struct journal_unsynced){ .next = j->unsynced, .file = j->tail };
        j->unsynced = left;
        left = NULL;
    }
    j->tail = file;
    j->end = journal_segment_start(j->next);
    j->next++;
    p->next = j->next;
    p->end = j->end;
    return 0;
}

static int check_batch(const uint8_t *buf, size_t len, const struct gw_journal_batch *b,
                       struct gw_error *err)
{
    if (len == b->bytes && journal_batch_shape_ok(b) &&
        journal_records_match(buf + GW_JOURNAL_BATCH_HEADER_BYTES, b))
        return 0;
    return gw_error_set(err, -EINVAL,
                        "a batch of %zu bytes, %" PRIu32 " records, seq %" PRIu64 " to %" PRIu64
                        " does not match its records; it was not written",
                        len, b->records, b->first_seq, b->last_seq);
}

int gw_journal_append(struct gw_journal *j, uint8_t *buf, size_t len,
                      const struct gw_journal_batch *batch, uint64_t *ret_address,
                      struct gw_error *err)
{
    assert(!j->read_only);
    struct journal_header h = { .batch = *batch };
    h.batch.bytes = len <= UINT32_MAX ? (uint32_t)len : 0;
    int r = check_batch(buf, len, &h.batch, err);
    if (r < 0)
        return r;
    struct positions p;
    r = positions_get(j, &p);
    if (r < 0)
        return failed_already(j, r, err);
    uint64_t room = p.next > p.first ? p.next * GW_SEGMENT_BYTES - p.end : 0;
    if (len > room) {
        r = segment_add(j, &p, err);
        if (r < 0)
            return r;
    }
    h.synced = p.durable;
    journal_header_encode(&h, p.end, &j->plan, buf);
    gw_crash_point(j->io, "journal.append.before");
    r = gw_io_pwrite(j->tail, buf, len, p.end % GW_SEGMENT_BYTES);
    if (r < 0) {
        gw_error_errno(err, r, "cannot write %zu bytes to journal \"%s\" at %" PRIu64, len, j->dir,
                       p.end);
        return gw_no_room(r) ? -ENOSPC : fail(j, r);
    }
    gw_crash_point(j->io, "journal.append.after");
    LOCK_SCOPE(&j->lock);
    j->end = p.end + len;
    *ret_address = p.end;
    return 0;
}

static void unsynced_close(struct journal_unsynced *list)
{
    while (list != NULL) {
        struct journal_unsynced *next = list->next;
        gw_file_close(list->file);
        free(list);
        list = next;
    }
}

/* Everything below `target` is durable: publish it, and let go of the segments in `list`. */
static void sync_publish(struct gw_journal *j, uint64_t target, struct journal_unsynced *list)
{
    {
        LOCK_SCOPE(&j->lock);
        j->durable = target;
        struct journal_unsynced **at = &j->unsynced;
        while (*at != list) /* what the appender left meanwhile is in front of it, and stays */
            at = &(*at)->next;
        *at = NULL;
    }
    unsynced_close(list);
}

int gw_journal_sync(struct gw_journal *j, uint64_t *ret_durable, struct gw_error *err)
{
    assert(!j->read_only);
    uint64_t target, durable;
    struct gw_file *tail;
    struct journal_unsynced *list;
    int r;
    {
        LOCK_SCOPE(&j->lock);
        r = j->failed;
        target = j->end;
        durable = j->durable;
        tail = j->tail;
        list = j->unsynced;
    }
    if (r < 0)
        return failed_already(j, r, err);
    if (durable == target) {
        if (ret_durable != NULL)
            *ret_durable = durable;
        return 0;
    }
    assert(tail != NULL); /* `end` moves with a segment only */
    gw_crash_point(j->io, "journal.sync.before");
    for (struct journal_unsynced *u = list; r == 0 && u != NULL; u = u->next)
        r = gw_io_datasync(u->file);
    if (r == 0)
        r = gw_io_datasync(tail);
    if (r < 0) {
        gw_error_errno(err, r, "cannot make journal \"%s\" durable up to %" PRIu64, j->dir, target);
        return fail(j, r);
    }
    sync_publish(j, target, list);
    gw_crash_point(j->io, "journal.sync.after");
    if (ret_durable != NULL)
        *ret_durable = target;
    return 0;
}

/* Make read_file that of `number`, and read_limit where its batches end. */
static int reader_seek(struct gw_journal *j, uint64_t number, uint64_t next, struct gw_error *err)
{
    struct journal_segment segment;
    if (j->read_file == NULL || j->read_segment != number) {
        gw_file_close(j->read_file);
        j->read_file = NULL;
        j->read_limit = 0;
        int r = journal_segment_open(j->io, j->dir, &j->plan, number, true, &j->read_file, &segment,
                                     err);
        if (r < 0)
            return r;
        j->read_segment = number;
    }
    if (j->read_limit != 0 || number + 1 == next)
        return 0;
    CLEANUP_FILE struct gw_file *f = NULL;
    int r = journal_segment_open(j->io, j->dir, &j->plan, number + 1, true, &f, &segment, err);
    j->read_limit = r < 0 ? 0 : segment.previous_end;
    return r;
}

/* Find segment and limit of `address`; goes on to the next segment where one ends. */
static int read_locate(struct gw_journal *j, uint64_t *address, uint64_t *ret_limit,
                       struct gw_error *err)
{
    struct positions p;
    (void)positions_get(j, &p); /* what is below `end` can be read, also after a failure */
    for (;;) {
        *address = journal_address_normal(*address);
        uint64_t number = journal_segment_of(*address);
        if (*address >= p.end)
            return -ERANGE; /* the usual end of reading: no sentence */
        if (number < p.first)
            return gw_error_set(err, -ESTALE,
                                "journal \"%s\": address %" PRIu64
                                " was trimmed, the oldest kept is "
                                "%" PRIu64,
                                j->dir, *address, journal_segment_start(p.first));
        int r = reader_seek(j, number, p.next, err);
        if (r == -ENOENT) /* read_only: the process that owns it went on */
            return gw_error_set(err, -ESTALE, "journal \"%s\": address %" PRIu64 " was trimmed",
                                j->dir, *address);
        if (r < 0)
            return r;
        *ret_limit = number + 1 == p.next ? p.end : j->read_limit;
        if (number + 1 == p.next || *address != j->read_limit)
            return 0;
        *address = journal_segment_start(number + 1);
    }
}

static int damaged(struct gw_journal *j, uint64_t address, struct gw_error *err)
{
    char path[JOURNAL_PATH_MAX];
    journal_segment_path(j->dir, journal_segment_of(address), path);
    return gw_error_set(
        err, -EBADMSG,
        "journal segment \"%s\" has no valid batch at offset %llu: resynchronise this "
        "site from its peer",
        path, (unsigned long long)(address % GW_SEGMENT_BYTES));
}

int gw_journal_read(struct gw_journal *j, uint64_t address, uint8_t *buf, size_t cap,
                    size_t *ret_len, struct gw_journal_batch *ret, uint64_t *ret_next,
                    struct gw_error *err)
{
    uint64_t limit = 0;
    int r = read_locate(j, &address, &limit, err);
    if (r == -ERANGE)
        return gw_error_set(err, r, "journal \"%s\" ends at %" PRIu64, j->dir, address);
    if (r < 0)
        return r;
    uint8_t head[GW_JOURNAL_BATCH_HEADER_BYTES];
    uint64_t off = address % GW_SEGMENT_BYTES;
    r = gw_io_pread(j->read_file, head, sizeof head, off);
    if (r < 0)
        return gw_error_errno(err, r, "cannot read journal \"%s\" at %" PRIu64, j->dir, address);
    struct journal_header h;
    if (address > limit || !journal_header_decode(head, address, &j->plan, &h) ||
        h.batch.bytes > limit - address)
        return damaged(j, address, err);
    size_t len = h.batch.bytes - GW_JOURNAL_BATCH_HEADER_BYTES;
    if (len > cap)
        return gw_error_set(err, -ENOBUFS,
                            "journal \"%s\": the batch at %" PRIu64
                            " has %zu bytes, there is room for "
                            "%zu",
                            j->dir, address, len, cap);
    r = gw_io_pread(j->read_file, buf, len, off + GW_JOURNAL_BATCH_HEADER_BYTES);
    if (r < 0)
        return gw_error_errno(err, r, "cannot read journal \"%s\" at %" PRIu64, j->dir, address);
    *ret_len = len;
    *ret = h.batch;
    *ret_next = address + h.batch.bytes;
    return 0;
}

uint64_t gw_journal_end(struct gw_journal *j)
{
    LOCK_SCOPE(&j->lock);
    return j->end;
}

uint64_t gw_journal_durable(struct gw_journal *j)
{
    LOCK_SCOPE(&j->lock);
    return j->durable;
}

uint64_t gw_journal_oldest(struct gw_journal *j)
{
    LOCK_SCOPE(&j->lock);
    return j->next > j->first ? journal_segment_start(j->first) : j->end;
}

uint64_t gw_journal_used_bytes(struct gw_journal *j)
{
    LOCK_SCOPE(&j->lock);
    return j->next > j->first ? j->end - j->first * GW_SEGMENT_BYTES : 0;
}

uint64_t gw_journal_max_bytes(struct gw_journal *j)
{
    return j->max_bytes;
}

/* One segment goes, as a spare or altogether; durable when it returns 0. */
static int segment_remove(struct gw_journal *j, uint64_t number, struct gw_error *err)
{
    char path[JOURNAL_PATH_MAX], spare[JOURNAL_PATH_MAX];
    journal_segment_path(j->dir, number, path);
    journal_spare_path(j->dir, number, spare);
    bool keep = spares(j) < JOURNAL_SPARES_MAX;
    int r = keep ? gw_io_rename(j->io, path, spare) : gw_io_unlink(j->io, path);
    if (r == -ENOENT) { /* by an earlier try that failed below */
        keep = false;
        r = 0;
    }
    if (r < 0)
        return gw_error_errno(err, r, "cannot remove journal segment \"%s\"", path);
    gw_crash_point(j->io, "journal.trim");
    /* One at a time: a power loss never leaves a gap. And before a spare is used: its name would
     * come back with another segment's content. */
    r = gw_io_sync_dir(j->io, j->dir);
    if (r < 0)
        return gw_error_errno(err, r, "cannot make the directory \"%s\" durable", j->dir);
    if (keep)
        spare_give(j, number);
    return 0;
}

int gw_journal_trim(struct gw_journal *j, uint64_t keep_from, struct gw_error *err)
{
    assert(!j->read_only);
    struct positions p;
    (void)positions_get(j, &p); /* trimming is what helps a full disk: also after a failure */
    /* The last segment stays: it is where the next batch goes, and it carries the position. */
    while (p.first + 1 < p.next && (p.first + 1) * GW_SEGMENT_BYTES <= keep_from) {
        if (j->read_file != NULL && j->read_segment == p.first) {
            gw_file_close(j->read_file);
            j->read_file = NULL;
        }
        int r = segment_remove(j, p.first, err);
        if (r < 0)
            return r;
        p.first++;
        LOCK_SCOPE(&j->lock);
        j->first = p.first;
    }
    return 0;
}

void gw_journal_close(struct gw_journal *j)
{
    if (j == NULL)
        return;
    unsynced_close(j->unsynced);
    gw_file_close(j->tail);
    gw_file_close(j->read_file);
    pthread_mutex_destroy(&j->lock);
    free(j->dir);
    free(j);
}
