// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The files of a memory disk; memdisk_names.c holds its names and its ways to stop. */
#include "memdisk_internal.h"

#include "base/checked.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A page of zeros that was written (no hole) costs no memory: all of them are this one. */
static uint8_t zero_page[MEM_PAGE];

/* Versions of a page kept apart between two syncs; of more, a middle one is forgotten. */
#define VERSIONS_MAX 6u

void *memdisk_must(void *p)
{
    if (!p)
        abort();
    return p;
}

/* ---- pages ----------------------------------------------------------------------------------- */

static void page_free(uint8_t *content)
{
    if (content != zero_page)
        free(content);
}

static const uint8_t *page_now(const struct mem_page *p)
{
    return p->n ? p->version[p->n - 1] : p->durable;
}

/* NULL: nothing was ever written there. */
static struct mem_page *page_peek(const struct mem_inode *inode, uint64_t i)
{
    if (i >= inode->n_pages || !inode->chunk[i / MEM_CHUNK])
        return NULL;
    return &inode->chunk[i / MEM_CHUNK][i % MEM_CHUNK];
}

static struct mem_page *page_at(struct mem_inode *inode, uint64_t i)
{
    if (i >= inode->n_pages) {
        uint64_t n = GW_MAX(i / MEM_CHUNK + 1, inode->n_pages / MEM_CHUNK * 2);
        uint64_t old = inode->n_pages / MEM_CHUNK;
        inode->chunk = memdisk_must(realloc(inode->chunk, n * sizeof *inode->chunk));
        memset(inode->chunk + old, 0, (n - old) * sizeof *inode->chunk);
        inode->n_pages = n * MEM_CHUNK;
    }
    struct mem_page **c = &inode->chunk[i / MEM_CHUNK];
    if (!*c)
        *c = memdisk_must(calloc(MEM_CHUNK, sizeof **c));
    return &(*c)[i % MEM_CHUNK];
}

static struct mem_page *unsettled_page(const struct mem_inode *inode, size_t k)
{
    return memdisk_must(page_peek(inode, inode->unsettled[k]));
}

static const uint8_t *now_at(const struct mem_inode *inode, uint64_t i)
{
    const struct mem_page *p = page_peek(inode, i);
    return p ? page_now(p) : NULL;
}

static void count_blocks(struct memdisk *d, struct mem_inode *inode, int64_t change)
{
    inode->blocks += (uint64_t)change;
    if (!inode->gone)
        d->blocks += (uint64_t)change;
}

void memdisk_inode_gone(struct memdisk *d, struct mem_inode *inode, bool gone)
{
    if (inode->gone != gone)
        d->blocks += gone ? -inode->blocks : inode->blocks;
    inode->gone = gone;
}

static void list_unsettled(struct mem_inode *inode, struct mem_page *p, uint64_t i)
{
    if (p->listed)
        return;
    p->listed = true;
    if (inode->n_unsettled == inode->room_unsettled) {
        inode->room_unsettled = inode->room_unsettled * 2 + 16;
        inode->unsettled = memdisk_must(
            realloc(inode->unsettled, inode->room_unsettled * sizeof *inode->unsettled));
    }
    inode->unsettled[inode->n_unsettled++] = i;
}

static int page_push(struct memdisk *d, struct mem_inode *inode, uint64_t i, uint8_t *content)
{
    struct mem_page *p = page_at(inode, i);
    bool had = page_now(p) != NULL;
    if (i >= inode->reserved) {
        if (!had && content && d->blocks >= d->capacity) {
            page_free(content);
            return -ENOSPC;
        }
        count_blocks(d, inode, (!had && content) - (had && !content));
    }
    if (p->n == VERSIONS_MAX) {
        page_free(p->version[1]);
        memmove(p->version + 1, p->version + 2, (VERSIONS_MAX - 2) * sizeof *p->version);
        p->n--;
    }
    if (!p->version)
        p->version = memdisk_must(malloc(VERSIONS_MAX * sizeof *p->version));
    p->version[p->n++] = content;
    p->in_doubt = false;
    list_unsettled(inode, p, i);
    return 0;
}

/* Make content the durable one. */
static void page_settle(struct mem_page *p, uint8_t *content)
{
    for (unsigned i = 0; i < p->n; i++) {
        if (p->version[i] != content)
            page_free(p->version[i]);
    }
    if (p->durable != content)
        page_free(p->durable);
    free(p->version);
    *p = (struct mem_page){ .durable = content, .listed = p->listed };
}

/* data NULL: zeros; a whole page of them becomes a hole. */
static int put(struct memdisk *d, struct mem_inode *inode, const uint8_t *data, uint64_t len,
               uint64_t off)
{
    for (uint64_t done = 0; done < len;) {
        uint64_t at = off + done, in = at % MEM_PAGE;
        uint64_t n = GW_MIN(len - done, MEM_PAGE - in);
        const uint8_t *now = now_at(inode, at / MEM_PAGE);
        if (data || (now && n < MEM_PAGE)) {
            uint8_t *copy = memdisk_must(malloc(MEM_PAGE));
            if (now)
                memcpy(copy, now, MEM_PAGE);
            else
                memset(copy, 0, MEM_PAGE);
            if (data)
                memcpy(copy + in, data + done, n);
            else
                memset(copy + in, 0, n);
            if (memcmp(copy, zero_page, MEM_PAGE) == 0) {
                free(copy);
                copy = zero_page;
            }
            int r = page_push(d, inode, at / MEM_PAGE, copy);
            if (r < 0)
                return r;
        } else if (now) {
            page_push(d, inode, at / MEM_PAGE, NULL);
        }
        done += n;
    }
    return 0;
}

static void forget_settled(struct mem_inode *inode)
{
    size_t n = 0;
    for (size_t k = 0; k < inode->n_unsettled; k++) {
        struct mem_page *p = unsettled_page(inode, k);
        p->listed = p->n > 0;
        if (p->listed)
            inode->unsettled[n++] = inode->unsettled[k];
    }
    inode->n_unsettled = n;
}

void memdisk_inode_settle(struct mem_inode *inode, uint64_t off, uint64_t len)
{
    inode->durable_size = inode->size;
    for (size_t k = 0; k < inode->n_unsettled; k++) {
        uint64_t i = inode->unsettled[k];
        struct mem_page *p = unsettled_page(inode, k);
        if (i >= off / MEM_PAGE && i * MEM_PAGE < off + len && p->n && !p->in_doubt)
            page_settle(p, p->version[p->n - 1]);
    }
    forget_settled(inode);
}

static void inode_doubt(struct mem_inode *inode)
{
    for (size_t k = 0; k < inode->n_unsettled; k++)
        unsettled_page(inode, k)->in_doubt = true;
}

static void page_lose(struct mem_page *p, const char *path, uint64_t at, unsigned granule,
                      memdisk_pick_at_fn *pick, void *arg)
{
    uint8_t *mix = memdisk_must(calloc(1, MEM_PAGE));
    for (unsigned g = 0; g < MEM_PAGE; g += granule) {
        unsigned v = pick(arg, path, at + g, p->n + 1);
        const uint8_t *from = v == 0 ? p->durable : p->version[v - 1];
        if (from)
            memcpy(mix + g, from + g, granule);
    }
    page_settle(p, mix);
}

void memdisk_inode_lose(struct memdisk *d, struct mem_inode *inode, const char *path,
                        unsigned granule, memdisk_pick_at_fn *pick, void *arg)
{
    if (inode->size != inode->durable_size && pick(arg, path, MEMDISK_NO_PLACE, 2) == 0)
        inode->size = inode->durable_size;
    inode->durable_size = inode->size;
    for (size_t k = 0; k < inode->n_unsettled; k++) {
        struct mem_page *p = unsettled_page(inode, k);
        if (p->n)
            page_lose(p, path, inode->unsettled[k] * MEM_PAGE, granule, pick, arg);
    }
    forget_settled(inode);
    uint64_t blocks = inode->reserved;
    for (uint64_t i = 0; i < inode->n_pages; i++) {
        struct mem_page *p = page_peek(inode, i);
        if (!p) {
            i |= MEM_CHUNK - 1;
            continue;
        }
        if (i * MEM_PAGE >= inode->size)
            page_settle(p, NULL);
        blocks += i >= inode->reserved && p->durable;
    }
    count_blocks(d, inode, (int64_t)(blocks - inode->blocks));
}

void memdisk_inode_each_unsynced(const struct mem_inode *inode, const char *path, unsigned granule,
                                 void (*fn)(void *arg, const char *path, uint64_t off), void *arg)
{
    for (size_t k = 0; k < inode->n_unsettled; k++) {
        const struct mem_page *p = unsettled_page(inode, k);
        const uint8_t *now = page_now(p), *then = p->durable;
        if (p->n == 0 || now == then)
            continue;
        now = now ? now : zero_page;
        then = then ? then : zero_page;
        for (unsigned g = 0; g < MEM_PAGE; g += granule) {
            if (memcmp(now + g, then + g, granule) != 0)
                fn(arg, path, inode->unsettled[k] * MEM_PAGE + g);
        }
    }
}

void memdisk_put_page(struct memdisk *d, struct mem_inode *inode, uint64_t i, const uint8_t *data)
{
    put(d, inode, data, MEM_PAGE, i * MEM_PAGE);
}

void memdisk_inode_free(struct mem_inode *inode)
{
    for (uint64_t i = 0; i < inode->n_pages; i++) {
        struct mem_page *p = page_peek(inode, i);
        if (p)
            page_settle(p, NULL);
    }
    for (uint64_t c = 0; c < inode->n_pages / MEM_CHUNK; c++)
        free(inode->chunk[c]);
    free(inode->chunk);
    free(inode->unsettled);
    free(inode);
}

/* ---- operations on files --------------------------------------------------------------------- */

static void op_close(struct gw_file *file)
{
    struct mem_file *f = (struct mem_file *)file;
    struct memdisk *d = f->d;
    LOCK_SCOPE(&d->mu);
    if (f->locks && f->life == d->life)
        f->inode->locked = false;
    free(f);
}

static int op_pread(struct gw_file *file, void *buf, size_t len, uint64_t off)
{
    struct mem_file *f = (struct mem_file *)file;
    LOCK_SCOPE(&f->d->mu);
    int r = memdisk_allow(f->d, f, MEMDISK_READ, false);
    if (r < 0)
        return r;
    memset(buf, 0, len);
    for (uint64_t done = 0; done < len && off + done < f->inode->size;) {
        uint64_t at = off + done, in = at % MEM_PAGE;
        uint64_t n = GW_MIN(len - done, MEM_PAGE - in);
        n = GW_MIN(n, f->inode->size - at);
        const uint8_t *now = now_at(f->inode, at / MEM_PAGE);
        if (now)
            memcpy((uint8_t *)buf + done, now + in, n);
        done += n;
    }
    return 0;
}

static int op_pwrite(struct gw_file *file, const void *buf, size_t len, uint64_t off)
{
    struct mem_file *f = (struct mem_file *)file;
    memdisk_call_hook(f->d);
    LOCK_SCOPE(&f->d->mu);
    int r = memdisk_allow(f->d, f, MEMDISK_WRITE, true);
    if (r == 0)
        r = put(f->d, f->inode, buf, len, off);
    if (r == 0)
        f->inode->size = GW_MAX(f->inode->size, off + len);
    return r;
}

static int op_pwrite_durable(struct gw_file *file, const void *buf, size_t len, uint64_t off)
{
    struct mem_file *f = (struct mem_file *)file;
    memdisk_call_hook(f->d);
    LOCK_SCOPE(&f->d->mu);
    /* Two steps, so that the world can stop between the write and its durability. */
    int r = memdisk_allow(f->d, f, MEMDISK_WRITE, true);
    if (r == 0)
        r = put(f->d, f->inode, buf, len, off);
    if (r < 0)
        return r;
    f->inode->size = GW_MAX(f->inode->size, off + len);
    r = memdisk_allow(f->d, f, MEMDISK_SYNC, true);
    if (r == 0)
        memdisk_inode_settle(f->inode, off, len);
    else if (!f->d->stopped)
        inode_doubt(f->inode);
    return r;
}

static int op_datasync(struct gw_file *file)
{
    struct mem_file *f = (struct mem_file *)file;
    memdisk_call_hook(f->d);
    LOCK_SCOPE(&f->d->mu);
    int r = memdisk_allow(f->d, f, MEMDISK_SYNC, true);
    if (r == 0)
        memdisk_inode_settle(f->inode, 0, f->inode->n_pages * MEM_PAGE);
    else if (!f->d->stopped)
        inode_doubt(f->inode);
    return r;
}

static int op_size(struct gw_file *file, uint64_t *ret)
{
    struct mem_file *f = (struct mem_file *)file;
    LOCK_SCOPE(&f->d->mu);
    int r = memdisk_allow(f->d, f, 0, false);
    if (r == 0)
        *ret = f->inode->size;
    return r;
}

static int op_truncate(struct gw_file *file, uint64_t bytes)
{
    struct mem_file *f = (struct mem_file *)file;
    memdisk_call_hook(f->d);
    LOCK_SCOPE(&f->d->mu);
    int r = memdisk_allow(f->d, f, MEMDISK_TRUNCATE, true);
    if (r < 0)
        return r;
    uint64_t end = f->inode->n_pages * MEM_PAGE;
    if (bytes < end)
        put(f->d, f->inode, NULL, end - bytes, bytes);
    f->inode->size = bytes;
    return 0;
}

static int op_allocate(struct gw_file *file, uint64_t off, uint64_t len)
{
    struct mem_file *f = (struct mem_file *)file;
    memdisk_call_hook(f->d);
    LOCK_SCOPE(&f->d->mu);
    int r = memdisk_allow(f->d, f, MEMDISK_ALLOCATE, true);
    if (r < 0)
        return r;
    uint64_t end = (off + len + MEM_PAGE - 1) / MEM_PAGE, more = 0;
    for (uint64_t i = f->inode->reserved; i < end; i++)
        more += now_at(f->inode, i) == NULL;
    if (f->d->blocks + more > f->d->capacity)
        return -ENOSPC;
    if (off / MEM_PAGE <= f->inode->reserved) { /* else it is not known apart: no promise */
        count_blocks(f->d, f->inode, (int64_t)more);
        f->inode->reserved = GW_MAX(f->inode->reserved, end);
    }
    f->inode->size = GW_MAX(f->inode->size, off + len);
    return 0;
}

static int op_zero(struct gw_file *file, uint64_t off, uint64_t len, unsigned flags)
{
    struct mem_file *f = (struct mem_file *)file;
    memdisk_call_hook(f->d);
    LOCK_SCOPE(&f->d->mu);
    int r = memdisk_allow(f->d, f, MEMDISK_ZERO, true);
    if (r < 0)
        return r;
    if (off >= f->inode->size)
        return 0;
    return put(f->d, f->inode, NULL, GW_MIN(len, f->inode->size - off), off);
}

static int op_next_data(struct gw_file *file, uint64_t off, uint64_t end, uint64_t *ret_start,
                        uint64_t *ret_stop)
{
    struct mem_file *f = (struct mem_file *)file;
    LOCK_SCOPE(&f->d->mu);
    int r = memdisk_allow(f->d, f, 0, false);
    if (r < 0)
        return r;
    uint64_t limit = GW_MIN(end, f->inode->size), at = off;
    uint64_t ignored;
    if (!ret_stop)
        ret_stop = &ignored;
    *ret_start = *ret_stop = end;
    while (at < limit) {
        uint64_t next = (at / MEM_PAGE + 1) * MEM_PAGE;
        if (!page_peek(f->inode, at / MEM_PAGE) && *ret_start == end &&
            at / MEM_PAGE < f->inode->n_pages && !f->inode->chunk[at / MEM_PAGE / MEM_CHUNK])
            next = (at / MEM_PAGE / MEM_CHUNK + 1) * (uint64_t)MEM_CHUNK * MEM_PAGE;
        else if (at / MEM_PAGE >= f->inode->n_pages)
            next = limit;
        bool data = now_at(f->inode, at / MEM_PAGE) != NULL;
        if (data && *ret_start == end)
            *ret_start = at;
        if (!data && *ret_start != end)
            break;
        at = next;
    }
    if (*ret_start != end)
        *ret_stop = GW_MIN(at, limit);
    return 0;
}

static int op_clone(struct gw_file *dst, struct gw_file *src)
{
    struct mem_file *to = (struct mem_file *)dst, *from = (struct mem_file *)src;
    memdisk_call_hook(to->d);
    LOCK_SCOPE(&to->d->mu);
    if (!to->d->clones)
        return -EOPNOTSUPP;
    int r = memdisk_allow(to->d, to, MEMDISK_CLONE, true);
    for (uint64_t i = 0; r == 0 && i < from->inode->n_pages; i++)
        r = put(to->d, to->inode, now_at(from->inode, i), MEM_PAGE, i * MEM_PAGE);
    if (r == 0)
        to->inode->size = from->inode->size;
    return r;
}

const struct gw_io_ops memdisk_file_ops = {
    .close = op_close,
    .pread = op_pread,
    .pwrite = op_pwrite,
    .pwrite_durable = op_pwrite_durable,
    .datasync = op_datasync,
    .size = op_size,
    .truncate = op_truncate,
    .allocate = op_allocate,
    .zero = op_zero,
    .next_data = op_next_data,
    .clone = op_clone,
};

bool memdisk_damage(struct memdisk *d, const char *path, uint64_t off, const void *data, size_t len)
{
    LOCK_SCOPE(&d->mu);
    struct mem_inode *inode = memdisk_find(d, path);
    if (!inode || put(d, inode, data, len, off) < 0)
        return false;
    memdisk_inode_settle(inode, off, len);
    return true;
}

bool memdisk_cut(struct memdisk *d, const char *path, uint64_t bytes)
{
    LOCK_SCOPE(&d->mu);
    struct mem_inode *inode = memdisk_find(d, path);
    if (!inode)
        return false;
    if (bytes < inode->n_pages * MEM_PAGE)
        put(d, inode, NULL, inode->n_pages * MEM_PAGE - bytes, bytes);
    inode->size = bytes;
    memdisk_inode_settle(inode, 0, inode->n_pages * MEM_PAGE);
    return true;
}

struct mem_inode *memdisk_file(struct memdisk *d, const char *path)
{
    return memdisk_find(d, path);
}

const uint8_t *memdisk_page(const struct mem_inode *file, uint64_t index)
{
    return now_at(file, index);
}
