// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Opening a journal: which bytes after `from` are records, which are a torn tail, which are damage.
 *
 *     list     segments on disk, and that none is missing at or after `from`
 *     walk     read and verify batches from `from` on, until one does not verify: `at`
 *     search   look at every place after `at` for a batch header that claims that something beyond
 *              `at` was durable when it was written: then durable bytes are damaged, and that is
 *              the end of it. Nothing was changed up to here.
 *     cut      zero what is left after `at`, remove the later segments
 *     sync     R14: what was seen may be page cache only
 *
 * Cutting matters: a batch of the torn tail that was persisted while one before it was not would
 * become part of the journal again as soon as new batches had filled the hole in front of it.
 * The cost is that of the bytes after `from`; segments before it are listed, not read.
 *
 * Past its batches a recycled segment holds those of an earlier use. They are of lower addresses,
 * so that they are no batches where they lie now, and nothing that is written can make them any.
 * There the torn tail ends with the last batch header that is one at its place; elsewhere with the
 * last byte that is not zero.
 */
#include "base/checked.h"
#include "base/cleanup.h"
#include "engine/journal_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEARCH_BYTES (1024u * 1024u)

struct recovery {
    struct gw_io *io;
    const char *dir;
    const struct gw_uuid *plan;
    bool read_only;
    struct gw_error *err;

    uint64_t *number; /* of the segments, ascending */
    size_t n, cap;
    uint64_t from;
    uint64_t first, next; /* [first, next) is there without a gap, and holds `from` */

    uint64_t at;      /* everything in [from, at) verifies */
    uint64_t segment; /* of `at` */
    uint64_t batches, bytes;
    uint64_t last_dirty; /* address after the last byte beyond `at` of the torn tail; 0 = none */
    uint64_t dirty_end;  /* the same, in the segment of `at` only */

    uint8_t *buf;
    size_t buf_bytes;
};

static const char *path_of(const struct recovery *v, uint64_t number, char path[JOURNAL_PATH_MAX])
{
    journal_segment_path(v->dir, number, path);
    return path;
}

static int segment_open(const struct recovery *v, uint64_t number, struct gw_file **ret,
                        struct journal_segment *ret_segment)
{
    return journal_segment_open(v->io, v->dir, v->plan, number, v->read_only, ret, ret_segment,
                                v->err);
}

static int buf_reserve(struct recovery *v, size_t bytes)
{
    if (bytes <= v->buf_bytes)
        return 0;
    uint8_t *p = realloc(v->buf, bytes);
    if (p == NULL)
        return gw_error_errno(v->err, -ENOMEM, "cannot read journal \"%s\"", v->dir);
    v->buf = p;
    v->buf_bytes = bytes;
    return 0;
}

static int list_name(void *arg, const char *name)
{
    struct recovery *v = arg;
    uint64_t number;
    if (!journal_segment_number(name, &number))
        return 0;
    if (v->n == v->cap) {
        size_t cap = v->cap == 0 ? 64 : v->cap * 2;
        uint64_t *p = realloc(v->number, cap * sizeof *p);
        if (p == NULL)
            return -ENOMEM;
        v->number = p;
        v->cap = cap;
    }
    v->number[v->n++] = number;
    return 0;
}

static int number_compare(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* Fill first, next: the run of segments around that of `from`. */
static int list(struct recovery *v)
{
    int r = gw_io_list(v->io, v->dir, list_name, v);
    if (r < 0)
        return gw_error_errno(v->err, r, "cannot list journal \"%s\"", v->dir);
    if (v->n > 0)
        qsort(v->number, v->n, sizeof v->number[0], number_compare);
    uint64_t want = journal_segment_of(v->from);
    v->first = v->next = want;
    size_t i = 0;
    for (; i < v->n && v->number[i] < want; i++) /* the run that ends just below */
        v->first = i > 0 && v->number[i - 1] + 1 == v->number[i] ? v->first : v->number[i];
    if (i > 0 && v->number[i - 1] + 1 != want)
        v->first = want; /* a gap that trimming cannot leave: what is before it is not ours */
    for (; i < v->n && v->number[i] == v->next; i++)
        v->next++;
    bool at_start = v->from <= journal_segment_start(want);
    if (i == v->n && (v->next > want || at_start))
        return 0;
    char path[JOURNAL_PATH_MAX];
    return gw_error_set(
        v->err, -EBADMSG,
        "journal segment \"%s\" is missing, and what it held was not applied; nothing "
        "was changed: restore the file, or resynchronise this site from its peer",
        path_of(v, v->next, path));
}

/* The records of a batch, payloads included. */
static bool records_ok(const uint8_t *records, const struct gw_journal_batch *b)
{
    if (!journal_records_match(records, b))
        return false;
    size_t left = b->bytes - GW_JOURNAL_BATCH_HEADER_BYTES;
    uint64_t seed = gw_record_seed(&b->uuid);
    while (left > 0) {
        struct gw_record rec;
        int64_t n = gw_record_decode(records, left, seed, true, &rec);
        if (n <= 0)
            return false;
        records += n;
        left -= (size_t)n;
    }
    return true;
}

/* 1: there is a whole batch at v->at that ends at or before `limit`; 0: there is none. */
static int batch_verify(struct recovery *v, struct gw_file *f, uint64_t limit, uint32_t *ret_bytes)
{
    if (limit - v->at < GW_JOURNAL_BATCH_HEADER_BYTES)
        return 0;
    uint64_t off = v->at % GW_SEGMENT_BYTES;
    uint8_t head[GW_JOURNAL_BATCH_HEADER_BYTES];
    struct journal_header h = { 0 };
    int r = gw_io_pread(f, head, sizeof head, off);
    if (r == 0 &&
        (!journal_header_decode(head, v->at, v->plan, &h) || h.batch.bytes > limit - v->at))
        return 0;
    size_t len = 0;
    if (r == 0) {
        len = h.batch.bytes - sizeof head;
        r = buf_reserve(v, len);
        if (r < 0)
            return r;
        r = gw_io_pread(f, v->buf, len, off + sizeof head);
    }
    if (r < 0)
        return gw_error_errno(v->err, r, "cannot read journal \"%s\" at %" PRIu64, v->dir, v->at);
    if (!records_ok(v->buf, &h.batch))
        return 0;
    *ret_bytes = h.batch.bytes;
    return 1;
}

/* The batches of segment v->segment from v->at on. *ret_left: it was left for the next one there.
 */
static int walk_segment(struct recovery *v, bool *ret_left)
{
    CLEANUP_FILE struct gw_file *f = NULL;
    CLEANUP_FILE struct gw_file *after = NULL;
    struct journal_segment own, next = { .previous_end = (v->segment + 1) * GW_SEGMENT_BYTES };
    bool last = v->segment + 1 == v->next;
    int r = segment_open(v, v->segment, &f, &own);
    if (r == 0 && !last)
        r = segment_open(v, v->segment + 1, &after, &next);
    if (r < 0)
        return r;
    uint64_t limit = next.previous_end;
    if (v->at > limit)
        return gw_error_set(v->err, -EBADMSG,
                            "journal \"%s\": position %" PRIu64 " is not in it, segment %" PRIx64
                            " ends at %" PRIu64 "; nothing was changed",
                            v->dir, v->at, v->segment, limit);
    for (;;) {
        *ret_left = !last && v->at == limit;
        if (*ret_left)
            return 0;
        uint32_t bytes = 0;
        r = batch_verify(v, f, limit, &bytes);
        if (r <= 0)
            return r;
        v->at += bytes;
        v->batches++;
        v->bytes += bytes;
    }
}

static int walk(struct recovery *v)
{
    v->segment = journal_segment_of(v->from);
    v->at = v->from;
    v->batches = v->bytes = 0;
    if (v->next == v->segment) { /* not made yet: the one before it was filled to its last byte */
        v->at = v->segment * GW_SEGMENT_BYTES;
        return 0;
    }
    for (;;) {
        v->at = journal_address_normal(v->at);
        bool left = false;
        int r = walk_segment(v, &left);
        if (r < 0 || !left)
            return r;
        v->segment++;
        v->at = journal_segment_start(v->segment);
    }
}

static int durable_damaged(struct recovery *v, uint64_t claimer, uint64_t synced)
{
    char path[JOURNAL_PATH_MAX];
    return gw_error_set(v->err, -EBADMSG,
                        "journal segment \"%s\" is damaged at offset %llu: a batch at %" PRIu64
                        " says that it was durable up to %" PRIu64
                        "; nothing was changed: restore the "
                        "file, or resynchronise this site from its peer",
                        path_of(v, v->segment, path),
                        (unsigned long long)(v->at % GW_SEGMENT_BYTES), claimer, synced);
}

/* v->buf holds `len` bytes of address `base`, and a header's length more to look ahead. */
static int search_buffer(struct recovery *v, uint64_t base, size_t len, bool recycled)
{
    static const uint8_t zeros[8];
    for (size_t i = 0; i < len; i += 8) {
        if (memcmp(v->buf + i, zeros, 8) == 0)
            continue;
        uint64_t address = base + i;
        struct journal_header h;
        bool header = journal_header_decode(v->buf + i, address, v->plan, &h);
        if (header && h.synced > v->at)
            return durable_damaged(v, address, h.synced);
        if (header)
            v->last_dirty = GW_MAX(v->last_dirty, address + h.batch.bytes);
        else if (!recycled)
            v->last_dirty = GW_MAX(v->last_dirty, address + 8);
    }
    return 0;
}

/* Look at all data of a segment from offset `off` on; batches start at multiples of 8. */
static int search_segment(struct recovery *v, uint64_t number, uint64_t off)
{
    CLEANUP_FILE struct gw_file *f = NULL;
    uint64_t base = number * GW_SEGMENT_BYTES;
    struct journal_segment segment;
    int r = segment_open(v, number, &f, &segment);
    if (r == 0)
        r = buf_reserve(v, SEARCH_BYTES + GW_JOURNAL_BATCH_HEADER_BYTES);
    if (r < 0)
        return r;
    while (off < GW_SEGMENT_BYTES) {
        uint64_t start, stop;
        r = gw_io_next_data(f, off, GW_SEGMENT_BYTES, &start, &stop);
        if (r < 0)
            break;
        off = GW_MAX(off, start & ~7ull);
        stop = GW_MIN((stop + 7) & ~7ull, GW_SEGMENT_BYTES);
        while (off < stop) {
            size_t len = (size_t)GW_MIN(stop - off, (uint64_t)SEARCH_BYTES);
            r = gw_io_pread(f, v->buf, len + GW_JOURNAL_BATCH_HEADER_BYTES, off);
            if (r < 0)
                break;
            r = search_buffer(v, base + off, len, segment.recycled);
            if (r < 0)
                return r;
            off += len;
        }
        if (r < 0)
            break;
    }
    if (r < 0)
        return gw_error_errno(v->err, r, "cannot read journal \"%s\" at %" PRIu64, v->dir,
                              base + off);
    return 0;
}

static int search(struct recovery *v)
{
    if (v->next == v->segment)
        return 0;
    v->last_dirty = 0;
    uint64_t off = v->at - v->segment * GW_SEGMENT_BYTES;
    for (uint64_t number = v->segment; number < v->next; number++) {
        int r = search_segment(v, number, number == v->segment ? off : 0);
        if (r < 0)
            return r;
        if (number == v->segment)
            v->dirty_end = GW_MIN(v->last_dirty, (number + 1) * GW_SEGMENT_BYTES);
    }
    return 0;
}

static int remove_later_segments(struct recovery *v)
{
    for (; v->next > v->segment + 1; v->next--) {
        char path[JOURNAL_PATH_MAX];
        int r = gw_io_unlink(v->io, path_of(v, v->next - 1, path));
        if (r == 0) /* the last one first, one at a time: a power loss never leaves a gap */
            r = gw_io_sync_dir(v->io, v->dir);
        if (r < 0)
            return gw_error_errno(v->err, r, "cannot cut off the torn tail \"%s\"", path);
    }
    return 0;
}

/* Zero the torn tail and sync every segment that was read. */
static int cut_and_sync(struct recovery *v)
{
    int r = remove_later_segments(v);
    for (uint64_t number = journal_segment_of(v->from); r == 0 && number < v->next; number++) {
        CLEANUP_FILE struct gw_file *f = NULL;
        struct journal_segment segment;
        r = segment_open(v, number, &f, &segment);
        if (r < 0)
            return r;
        if (number == v->segment && v->dirty_end > v->at)
            r = gw_io_zero(f, v->at - number * GW_SEGMENT_BYTES, v->dirty_end - v->at, 0);
        if (r == 0)
            r = gw_io_datasync(f);
        if (r < 0)
            gw_error_errno(v->err, r, "cannot make journal segment %" PRIx64 " of \"%s\" durable",
                           number, v->dir);
    }
    if (r < 0)
        return r;
    r = gw_io_sync_dir(v->io, v->dir); /* the name of a segment may be as volatile as its bytes */
    if (r < 0)
        return gw_error_errno(v->err, r, "cannot make the directory \"%s\" durable", v->dir);
    return 0;
}

/*
 * A live journal (read_only beside its owner) may grow between walk and search: what did not
 * verify then may verify now. So damage is believed only when a new walk comes no further.
 */
static int recover(struct recovery *v)
{
    for (;;) {
        int r = walk(v);
        if (r < 0)
            return r;
        uint64_t at = v->at;
        r = search(v);
        if (r != -EBADMSG || !v->read_only)
            return r;
        int again = walk(v);
        if (again < 0 || v->at == at)
            return again < 0 ? again : r;
    }
}

static void recovery_done(struct recovery *v)
{
    free(v->number);
    free(v->buf);
}

/* What a crash left of a segment that was being made. */
static int remove_half_made(struct gw_journal *j, uint64_t number, struct gw_error *err)
{
    char path[JOURNAL_PATH_MAX], temp[JOURNAL_PATH_MAX + 8];
    journal_segment_path(j->dir, number, path);
    snprintf(temp, sizeof temp, "%s.new", path);
    int r = gw_io_unlink(j->io, temp);
    if (r < 0 && r != -ENOENT)
        return gw_error_errno(err, r, "cannot remove the left-over \"%s\"", temp);
    return 0;
}

static int list_spare(void *arg, const char *name)
{
    struct gw_journal *j = arg;
    uint64_t number;
    char path[JOURNAL_PATH_MAX];
    if (!journal_spare_number(name, &number))
        return 0;
    if (j->n_spares < JOURNAL_SPARES_MAX && number < j->next) {
        j->spare[j->n_spares++] = number;
        return 0;
    }
    journal_spare_path(j->dir, number, path);
    return gw_io_unlink(j->io, path);
}

static int adopt_spares(struct gw_journal *j, struct gw_error *err)
{
    int r = gw_io_list(j->io, j->dir, list_spare, j);
    return r < 0 ? gw_error_errno(err, r, "cannot look for spares in journal \"%s\"", j->dir) : 0;
}

static int open_recovered(struct gw_journal *j, const struct recovery *v,
                          struct gw_journal_report *ret_report, struct gw_error *err)
{
    j->first = v->first;
    /* read_only: a torn tail was not cut, and is not ours to see. */
    j->next = GW_MIN(v->next, v->segment + 1);
    j->end = j->durable = v->at;
    if (!j->read_only) {
        int r = remove_half_made(j, j->next, err);
        struct journal_segment segment;
        if (r == 0 && j->next > j->first)
            r = journal_segment_open(j->io, j->dir, &j->plan, j->next - 1, false, &j->tail,
                                     &segment, err);
        if (r == 0)
            r = adopt_spares(j, err);
        if (r < 0)
            return r;
    }
    *ret_report = (struct gw_journal_report){
        .batches = v->batches,
        .bytes = v->bytes,
        .torn_bytes = v->last_dirty > v->at ? v->last_dirty - v->at : 0,
        .end = v->at,
    };
    return 0;
}

static struct gw_journal *journal_new(struct gw_io *io, const char *dir, const struct gw_uuid *plan,
                                      uint64_t max_bytes, bool read_only)
{
    struct gw_journal *j = calloc(1, sizeof *j);
    if (j == NULL)
        return NULL;
    if (asprintf(&j->dir, "%s/journal", dir) < 0) {
        free(j);
        return NULL;
    }
    j->io = io;
    j->plan = *plan;
    j->max_bytes = max_bytes;
    j->read_only = read_only;
    pthread_mutex_init(&j->lock, NULL);
    return j;
}

int gw_journal_open(struct gw_io *io, const char *dir, const struct gw_uuid *plan, uint64_t from,
                    uint64_t max_bytes, bool read_only, struct gw_journal **ret,
                    struct gw_journal_report *ret_report, struct gw_error *err)
{
    if (strlen(dir) + sizeof "/journal/0123456789abcdef" > JOURNAL_PATH_MAX)
        return gw_error_set(err, -ENAMETOOLONG, "the path of the plan directory is too long");
    if (from % 8 != 0 || from > INT64_MAX - 2 * GW_SEGMENT_BYTES)
        return gw_error_set(err, -EINVAL, "%" PRIu64 " is not a position in a journal", from);
    struct gw_journal *j = journal_new(io, dir, plan, max_bytes, read_only);
    if (j == NULL)
        return gw_error_errno(err, -ENOMEM, "cannot open the journal of \"%s\"", dir);
    struct recovery v = {
        .io = io,
        .dir = j->dir,
        .plan = &j->plan,
        .read_only = read_only,
        .err = err,
        .from = from,
    };
    int r = list(&v);
    if (r == 0)
        r = recover(&v);
    if (r == 0 && !read_only)
        r = cut_and_sync(&v);
    if (r == 0)
        r = open_recovered(j, &v, ret_report, err);
    recovery_done(&v);
    if (r < 0) {
        gw_journal_close(j);
        return r;
    }
    *ret = j;
    return 0;
}

int gw_journal_create(struct gw_io *io, const char *dir, struct gw_error *err)
{
    CLEANUP_FREE char *path = NULL;
    if (asprintf(&path, "%s/journal", dir) < 0) {
        path = NULL;
        return gw_error_errno(err, -ENOMEM, "cannot create the journal of \"%s\"", dir);
    }
    int r = gw_io_mkdir(io, path);
    if (r < 0)
        return gw_error_errno(err, r, "cannot create journal \"%s\"", path);
    r = gw_io_sync_dir(io, dir);
    if (r < 0)
        return gw_error_errno(err, r, "cannot make the directory \"%s\" durable", dir);
    return 0;
}
