// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The hashes of a recovery point: our own, because fs-verity is not where reflinks are. */
#include "engine/points.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "base/hash.h"
#include "engine/bundle.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HASH_MAGIC "GWHASH\0\1"
#define PAGE_BYTES 4096u
#define HASHES_PER_PAGE 255u
#define CHUNK_BYTES GW_EXTENT_BYTES

static_assert(HASHES_PER_PAGE * 16 + 16 == PAGE_BYTES, "a page is full");

/* The file of hashes, read or written one after the other. */
struct hashes {
    struct gw_file *f;
    struct gw_path path;
    uint64_t count; /* in the file */
    uint64_t at;    /* next hash */
    uint8_t page[PAGE_BYTES];
};

static uint64_t chunks_of(const struct gw_point *p)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < p->n_volumes; i++)
        n += (p->volume[i].bytes + CHUNK_BYTES - 1) / CHUNK_BYTES;
    return n;
}

static uint64_t page_offset(uint64_t hash)
{
    return PAGE_BYTES * (1 + hash / HASHES_PER_PAGE);
}

/* ---- file ------------------------------------------------------------------------------------ */

static void header_encode(const struct gw_point *p, uint8_t page[PAGE_BYTES])
{
    struct gw_writer w = gw_writer(page, PAGE_BYTES);
    gw_put_bytes(&w, HASH_MAGIC, 8);
    gw_put_u32(&w, GW_FORMAT);
    gw_put_u32(&w, CHUNK_BYTES);
    gw_put_u64(&w, chunks_of(p));
    gw_put_text(&w, p->id, GW_ID_MAX);
    gw_put_zeros_to(&w, PAGE_BYTES - 8);
    gw_put_u64(&w, gw_hash64(page, PAGE_BYTES - 8, 0));
}

static int write_page(struct hashes *h, uint64_t off, struct gw_error *err)
{
    int r = gw_io_pwrite(h->f, h->page, PAGE_BYTES, off);
    return r < 0 ? gw_error_errno(err, r, "cannot write %s at %llu", h->path.text,
                                  (unsigned long long)off)
                 : 0;
}

static int put_hash(struct hashes *h, struct gw_hash128 hash, struct gw_error *err)
{
    size_t i = h->at % HASHES_PER_PAGE;
    if (i == 0)
        memset(h->page, 0, PAGE_BYTES);
    struct gw_writer w = gw_writer(h->page + i * 16, 16);
    gw_put_u64(&w, hash.lo);
    gw_put_u64(&w, hash.hi);
    h->at++;
    if (h->at % HASHES_PER_PAGE != 0 && h->at != h->count)
        return 0;
    uint64_t number = (h->at - 1) / HASHES_PER_PAGE;
    w = gw_writer(h->page + PAGE_BYTES - 16, 16);
    gw_put_u64(&w, number);
    gw_put_u64(&w, gw_hash64(h->page, PAGE_BYTES - 8, 0));
    return write_page(h, page_offset(h->at - 1), err);
}

static int read_page(struct hashes *h, uint64_t off, struct gw_error *err)
{
    int r = gw_io_pread(h->f, h->page, PAGE_BYTES, off);
    if (r < 0)
        return gw_error_errno(err, r, "cannot read %s at %llu", h->path.text,
                              (unsigned long long)off);
    struct gw_reader sum = gw_reader(h->page + PAGE_BYTES - 8, 8);
    if (gw_get_u64(&sum) != gw_hash64(h->page, PAGE_BYTES - 8, 0))
        return gw_error_set(err, -EBADMSG,
                            "%s is damaged at %llu: the point cannot be checked; remove the file "
                            "and hash the point anew if you trust it",
                            h->path.text, (unsigned long long)off);
    return 0;
}

static int get_hash(struct hashes *h, struct gw_hash128 *ret, struct gw_error *err)
{
    size_t i = h->at % HASHES_PER_PAGE;
    uint64_t off = page_offset(h->at);
    int r = i == 0 ? read_page(h, off, err) : 0;
    if (r < 0)
        return r;
    struct gw_reader number = gw_reader(h->page + PAGE_BYTES - 16, 8);
    if (gw_get_u64(&number) != h->at / HASHES_PER_PAGE)
        return gw_error_set(err, -EBADMSG, "%s has a page in the wrong place at %llu", h->path.text,
                            (unsigned long long)off);
    struct gw_reader r16 = gw_reader(h->page + i * 16, 16);
    ret->lo = gw_get_u64(&r16);
    ret->hi = gw_get_u64(&r16);
    h->at++;
    return 0;
}

static int hashes_open(struct gw_io *io, struct hashes *h, const struct gw_point *p,
                       struct gw_error *err)
{
    int r = gw_io_open(io, h->path.text, GW_OPEN_RDONLY, &h->f);
    if (r == -ENOENT)
        return gw_error_set(err, r, "it has no hashes yet: hash it first");
    if (r < 0)
        return gw_error_errno(err, r, "cannot open %s", h->path.text);
    r = read_page(h, 0, err);
    if (r < 0)
        return r;
    struct gw_reader head = gw_reader(h->page, PAGE_BYTES);
    const uint8_t *magic = gw_get_view(&head, 8);
    uint32_t format = gw_get_u32(&head), chunk = gw_get_u32(&head);
    h->count = gw_get_u64(&head);
    char id[GW_ID_MAX];
    gw_get_text(&head, id, sizeof id);
    if (magic != NULL && memcmp(magic, HASH_MAGIC, 8) == 0 && format > GW_FORMAT)
        return gw_error_set(err, -EPROTONOSUPPORT,
                            "%s was written by a newer godwit (format %u, this one knows %u): use "
                            "the newer version",
                            h->path.text, format, GW_FORMAT);
    if (magic == NULL || memcmp(magic, HASH_MAGIC, 8) != 0 || format == 0 || head.failed ||
        chunk != CHUNK_BYTES || h->count != chunks_of(p) || strcmp(id, p->id) != 0)
        return gw_error_set(err, -EBADMSG, "%s does not belong to this point", h->path.text);
    return 0;
}

/* ---- images ---------------------------------------------------------------------------------- */

typedef int chunk_fn(struct hashes *h, const struct gw_point *p, unsigned volume, uint64_t off,
                     struct gw_hash128 hash, struct gw_error *err);

static int hash_volume(struct gw_io *io, const char *dir, const struct gw_point *p, unsigned i,
                       uint8_t *buf, struct hashes *h, chunk_fn *fn, struct gw_error *err)
{
    CLEANUP_FILE struct gw_file *f = NULL;
    int r = gw_point_open_volume(io, dir, p, i, &f, err);
    if (r < 0)
        return r;
    uint64_t bytes = p->volume[i].bytes, data = 0, stop = 0;
    memset(buf, 0, CHUNK_BYTES);
    struct gw_hash128 hole = gw_hash128(buf, CHUNK_BYTES, 0);
    for (uint64_t off = 0; off < bytes; off += CHUNK_BYTES) {
        size_t len = (size_t)GW_MIN(bytes - off, (uint64_t)CHUNK_BYTES);
        struct gw_hash128 hash = hole;
        if (off >= stop) {
            r = gw_io_next_data(f, off, bytes, &data, &stop);
            if (r < 0)
                return gw_error_errno(err, r, "cannot find the data of volume %s at %llu",
                                      p->volume[i].name, (unsigned long long)off);
        }
        if (data < off + len || len < CHUNK_BYTES) {
            r = gw_io_pread(f, buf, len, off);
            if (r < 0)
                return gw_error_errno(err, r, "cannot read volume %s at %llu", p->volume[i].name,
                                      (unsigned long long)off);
            hash = gw_hash128(buf, len, 0);
        }
        r = fn(h, p, i, off, hash, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int hash_images(struct gw_io *io, const char *dir, const struct gw_point *p,
                       struct hashes *h, chunk_fn *fn, struct gw_error *err)
{
    CLEANUP_FREE uint8_t *buf = malloc(CHUNK_BYTES);
    if (buf == NULL)
        return gw_error_errno(err, -ENOMEM, "cannot read its images");
    int r = 0;
    for (uint32_t i = 0; r == 0 && i < p->n_volumes; i++)
        r = hash_volume(io, dir, p, i, buf, h, fn, err);
    return r;
}

/* ---- storing and checking -------------------------------------------------------------------- */

static int store_chunk(struct hashes *h, const struct gw_point *p, unsigned volume, uint64_t off,
                       struct gw_hash128 hash, struct gw_error *err)
{
    return put_hash(h, hash, err);
}

static int check_chunk(struct hashes *h, const struct gw_point *p, unsigned volume, uint64_t off,
                       struct gw_hash128 hash, struct gw_error *err)
{
    struct gw_hash128 stored = { 0 };
    int r = get_hash(h, &stored, err);
    if (r < 0)
        return r;
    if (stored.lo == hash.lo && stored.hi == hash.hi)
        return 0;
    return gw_error_set(err, -EBADMSG,
                        "the image of volume %s differs from its hash in the MiB at %llu: the "
                        "point is damaged; choose another one",
                        p->volume[volume].name, (unsigned long long)off);
}

static int store_all(struct gw_io *io, const char *dir, const struct gw_point *p, struct hashes *h,
                     struct gw_error *err)
{
    int r = gw_io_unlink(io, h->path.text); /* of a crash */
    if (r < 0 && r != -ENOENT)
        return gw_error_errno(err, r, "cannot remove %s", h->path.text);
    r = gw_io_open(io, h->path.text, GW_OPEN_CREATE | GW_OPEN_EXCL, &h->f);
    if (r < 0)
        return gw_error_errno(err, r, "cannot make %s", h->path.text);
    h->count = chunks_of(p);
    header_encode(p, h->page);
    r = write_page(h, 0, err);
    if (r == 0)
        r = hash_images(io, dir, p, h, store_chunk, err);
    if (r < 0)
        return r;
    r = gw_io_datasync(h->f);
    return r < 0 ? gw_error_errno(err, r, "cannot make %s durable", h->path.text) : 0;
}

static void cleanup_hashes(struct hashes **h)
{
    if (*h != NULL)
        gw_file_close((*h)->f);
    free(*h);
}
#define CLEANUP_HASHES __attribute__((cleanup(cleanup_hashes)))

int gw_point_hash(struct gw_io *io, const char *dir, const struct gw_point *p, struct gw_error *err)
{
    struct gw_path path, final;
    CLEANUP_HASHES struct hashes *h = calloc(1, sizeof *h);
    if (h == NULL)
        return gw_error_errno(err, -ENOMEM, "cannot hash recovery point %s", p->id);
    int r;
    if ((r = gw_path(&path, err, "%s/points/%s", dir, p->id)) < 0 ||
        (r = gw_path(&final, err, "%s/hashes", path.text)) < 0 ||
        (r = gw_path(&h->path, err, "%s/hashes.tmp", path.text)) < 0)
        return r;
    r = gw_file_exists(io, final.text);
    if (r > 0)
        return 0;
    if (r < 0)
        return gw_error_errno(err, r, "cannot look at %s", final.text);
    r = store_all(io, dir, p, h, err);
    if (r == 0 && (r = gw_io_rename(io, h->path.text, final.text)) < 0)
        gw_error_errno(err, r, "cannot rename %s", h->path.text);
    if (r < 0) {
        gw_io_unlink(io, h->path.text);
        return gw_error_wrap(err, "cannot hash recovery point %s", p->id), r;
    }
    r = gw_io_sync_dir(io, path.text);
    return r < 0 ? gw_error_errno(err, r, "cannot sync directory %s", path.text) : 0;
}

int gw_point_check(struct gw_io *io, const char *dir, const struct gw_point *p,
                   struct gw_error *err)
{
    CLEANUP_HASHES struct hashes *h = calloc(1, sizeof *h);
    if (h == NULL)
        return gw_error_errno(err, -ENOMEM, "cannot check recovery point %s", p->id);
    int r = gw_path(&h->path, err, "%s/points/%s/hashes", dir, p->id);
    if (r == 0)
        r = hashes_open(io, h, p, err);
    if (r == 0)
        r = hash_images(io, dir, p, h, check_chunk, err);
    return r < 0 ? gw_error_wrap(err, "cannot vouch for recovery point %s", p->id), r : 0;
}
