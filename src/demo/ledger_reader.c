// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "demo/ledger_reader.h"

#include "base/cleanup.h"
#include "demo/ledger_record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READ_BYTES (256u * 1024)

typedef void slot_fn(void *arg, uint64_t slot, const struct ledger_record *record);

static int read_data(const char *file, int fd, off_t at, off_t stop, uint8_t *buf, slot_fn *fn,
                     void *arg, struct gw_error *err)
{
    struct ledger_record r;
    while (at < stop) {
        ssize_t n = pread(fd, buf, READ_BYTES, at);
        if (n < 0)
            return gw_error_errno(err, -errno, "cannot read \"%s\" at %lld", file, (long long)at);
        size_t whole = (size_t)n / LEDGER_RECORD_BYTES;
        if (whole == 0)
            return 0;
        for (size_t i = 0; i < whole; i++) {
            if (ledger_record_decode(buf + i * LEDGER_RECORD_BYTES, &r))
                fn(arg, (uint64_t)at / LEDGER_RECORD_BYTES + i, &r);
        }
        at += (off_t)(whole * LEDGER_RECORD_BYTES);
    }
    return 0;
}

/* Every record in a file, in the order of slots; holes are skipped. */
static int each_record(const char *file, slot_fn *fn, void *arg, struct gw_error *err)
{
    CLEANUP_CLOSE int fd = open(file, O_RDONLY | O_CLOEXEC);
    CLEANUP_FREE uint8_t *buf = malloc(READ_BYTES);
    if (fd < 0)
        return gw_error_errno(err, -errno, "cannot open \"%s\"", file);
    if (buf == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    for (off_t at = 0;;) {
        off_t data = lseek(fd, at, SEEK_DATA);
        if (data < 0)
            return errno == ENXIO ? 0 : gw_error_errno(err, -errno, "cannot seek in \"%s\"", file);
        off_t hole = lseek(fd, data, SEEK_HOLE);
        if (hole < 0)
            return gw_error_errno(err, -errno, "cannot seek in \"%s\"", file);
        off_t begin = data - data % (off_t)LEDGER_RECORD_BYTES;
        int r = read_data(file, fd, begin, hole, buf, fn, arg, err);
        if (r < 0)
            return r;
        at = hole;
    }
}

/* ---- audit --------------------------------------------------------------------------------- */

struct audit_state {
    const struct ledger_book *book;
    struct ledger_audit *audit;
    bool *found;
    uint64_t next_slot, last_number;
};

static void audit_record(void *arg, uint64_t slot, const struct ledger_record *r)
{
    struct audit_state *s = arg;
    struct ledger_audit *a = s->audit;
    if (r->number > s->book->n)
        return; /* came after the book */
    if (r->number == 0 || s->book->entry[r->number - 1].sum != r->sum) {
        a->foreign++;
        return;
    }
    if (slot != s->next_slot || r->number <= s->last_number)
        a->whole = false;
    s->next_slot = slot + 1;
    s->last_number = r->number;
    s->found[r->number - 1] = true;
    a->records++;
    a->in_doubt += !s->book->entry[r->number - 1].acknowledged;
}

int ledger_audit(const char *file, const struct ledger_book *book, struct ledger_audit *ret,
                 struct gw_error *err)
{
    CLEANUP_FREE bool *found = calloc(book->n + 1, sizeof *found);
    struct ledger_audit a = { .whole = true, .prefix = true, .n = book->n };
    a.absent = calloc(book->n + 1, sizeof *a.absent);
    if (found == NULL || a.absent == NULL) {
        free(a.absent);
        return gw_error_set(err, -ENOMEM, "out of memory");
    }
    struct audit_state s = { .book = book, .audit = &a, .found = found };
    int r = each_record(file, audit_record, &s, err);
    if (r < 0) {
        free(a.absent);
        return r;
    }
    for (uint64_t i = 0; i < book->n; i++) {
        a.acknowledged += book->entry[i].acknowledged;
        a.absent[i] = book->entry[i].acknowledged && !found[i];
        a.missing += a.absent[i];
        if (found[i] && a.missing > 0)
            a.prefix = false;
    }
    *ret = a;
    return 0;
}

void ledger_audit_done(struct ledger_audit *a)
{
    free(a->absent);
    *a = (struct ledger_audit){ .n = 0 };
}

/* ---- search -------------------------------------------------------------------------------- */

struct search_state {
    const struct ledger_book *book;
    const struct ledger_audit *lost;
    bool *found;
    uint64_t n;
};

static void search_record(void *arg, uint64_t slot, const struct ledger_record *r)
{
    struct search_state *s = arg;
    (void)slot;
    if (r->number == 0 || r->number > s->lost->n || r->number > s->book->n)
        return;
    uint64_t i = r->number - 1;
    if (!s->lost->absent[i] || s->found[i] || s->book->entry[i].sum != r->sum)
        return;
    s->found[i] = true;
    s->n++;
}

int ledger_search(const char *file, const struct ledger_book *book, const struct ledger_audit *lost,
                  uint64_t *ret_found, struct gw_error *err)
{
    CLEANUP_FREE bool *found = calloc(lost->n + 1, sizeof *found);
    if (found == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    struct search_state s = { .book = book, .lost = lost, .found = found };
    int r = each_record(file, search_record, &s, err);
    if (r < 0)
        return r;
    *ret_found = s.n;
    return 0;
}

void ledger_absent_format(const struct ledger_audit *a, char *ret, size_t cap)
{
    size_t n = 0;
    snprintf(ret, cap, "none");
    for (uint64_t i = 0; i < a->n && n < cap; i++) {
        if (!a->absent[i])
            continue;
        uint64_t first = i;
        while (i + 1 < a->n && a->absent[i + 1])
            i++;
        const char *comma = n > 0 ? ", " : "";
        int w = first == i
                    ? snprintf(ret + n, cap - n, "%s%llu", comma, (unsigned long long)first + 1)
                    : snprintf(ret + n, cap - n, "%s%llu-%llu", comma,
                               (unsigned long long)first + 1, (unsigned long long)i + 1);
        n += (size_t)w;
    }
}
