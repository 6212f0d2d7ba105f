// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Names, clocks and the ways to stop of a memory disk. */
#include "memdisk_internal.h"

#include "base/checked.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- stopping and failing -------------------------------------------------------------------- */

int memdisk_allow(struct memdisk *d, const struct mem_file *f, unsigned op, bool changes)
{
    if (d->stopped || (f && f->life != d->life))
        return -EIO;
    if (changes && f && f->read_only)
        return -EBADF;
    if (d->fail_times > 0 && (d->fail_ops & op) && d->fail_skip-- == 0) {
        d->fail_skip = 0;
        d->fail_times--;
        return d->fail_code;
    }
    if (!changes)
        return 0;
    if (d->left == 0) {
        d->stopped = true;
        return -EIO;
    }
    d->left -= d->left != UINT_MAX;
    d->done++;
    return 0;
}

void memdisk_call_hook(struct memdisk *d)
{
    if (!d->hook || d->in_hook)
        return;
    d->in_hook = true;
    d->hook(d->hook_arg);
    d->in_hook = false;
}

unsigned memdisk_ops(const struct memdisk *d)
{
    return d->done;
}

void memdisk_stop_after(struct memdisk *d, unsigned n)
{
    d->left = n;
}

void memdisk_stop_at(struct memdisk *d, const char *crash_point, unsigned nth)
{
    snprintf(d->stop_at, sizeof d->stop_at, "%s", crash_point);
    d->stop_nth = nth;
}

bool memdisk_stopped(const struct memdisk *d)
{
    return d->stopped;
}

static unsigned *reached(struct memdisk *d, const char *name)
{
    unsigned i = 0;
    while (d->reached[i][0] && strcmp(d->reached[i], name) != 0)
        i++;
    assert(i < 63);
    snprintf(d->reached[i], sizeof d->reached[i], "%s", name);
    return &d->reached_n[i];
}

unsigned memdisk_reached(const struct memdisk *d, const char *crash_point)
{
    for (unsigned i = 0; d->reached[i][0]; i++) {
        if (strcmp(d->reached[i], crash_point) == 0)
            return d->reached_n[i];
    }
    return 0;
}

static void op_crash_point(struct gw_io *io, const char *name)
{
    struct memdisk *d = (struct memdisk *)io;
    LOCK_SCOPE(&d->mu);
    ++*reached(d, name);
    if (strcmp(d->stop_at, name) == 0 && --d->stop_nth == 0)
        d->stopped = true;
}

void memdisk_fail(struct memdisk *d, unsigned ops, unsigned nth, int code)
{
    memdisk_fail_times(d, ops, nth, 1, code);
}

void memdisk_fail_times(struct memdisk *d, unsigned ops, unsigned nth, unsigned times, int code)
{
    d->fail_ops = ops;
    d->fail_skip = nth - 1;
    d->fail_times = times;
    d->fail_code = code;
}

void memdisk_capacity(struct memdisk *d, uint64_t blocks)
{
    d->capacity = blocks;
}

uint64_t memdisk_blocks(const struct memdisk *d)
{
    return d->blocks;
}

void memdisk_hook(struct memdisk *d, void (*fn)(void *arg), void *arg)
{
    d->hook = fn;
    d->hook_arg = arg;
}

void memdisk_can_clone(struct memdisk *d, bool can)
{
    d->clones = can;
}

void memdisk_pass(struct memdisk *d, uint64_t ns)
{
    d->boot_ns += ns;
    d->wall_ns += ns;
}

unsigned memdisk_pick_old(void *arg, unsigned n)
{
    return 0;
}

unsigned memdisk_pick_new(void *arg, unsigned n)
{
    return n - 1;
}

unsigned memdisk_pick_random(void *arg, unsigned n)
{
    uint64_t *s = arg, z = (*s += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return (unsigned)((z ^ (z >> 31)) % n);
}

/* ---- names ----------------------------------------------------------------------------------- */

static struct mem_name *name_of(struct memdisk *d, const char *path, bool add)
{
    for (size_t i = 0; i < d->n_names; i++) {
        if (strcmp(d->name[i].path, path) == 0)
            return &d->name[i];
    }
    if (!add)
        return NULL;
    d->name = memdisk_must(realloc(d->name, (d->n_names + 1) * sizeof *d->name));
    d->name[d->n_names] = (struct mem_name){ .path = memdisk_must(strdup(path)) };
    return &d->name[d->n_names++];
}

struct mem_inode *memdisk_find(struct memdisk *d, const char *path)
{
    struct mem_name *n = name_of(d, path, false);
    return n ? n->now : NULL;
}

const char *memdisk_path_of(const struct memdisk *d, const struct mem_inode *inode)
{
    for (size_t i = 0; i < d->n_names; i++) {
        if (d->name[i].now == inode)
            return d->name[i].path;
    }
    return "";
}

static struct mem_inode *inode_new(struct memdisk *d, bool directory)
{
    struct mem_inode *i = memdisk_must(calloc(1, sizeof *i));
    i->directory = directory;
    i->next = d->inodes;
    d->inodes = i;
    return i;
}

struct mem_inode *memdisk_make(struct memdisk *d, const char *path, struct mem_inode *inode)
{
    struct mem_name *n = name_of(d, path, true);
    n->now = n->durable = inode ? inode : inode_new(d, false);
    return n->now;
}

/* Is `path` directly in `dir`? */
static bool is_in(const char *path, const char *dir)
{
    const char *slash = strrchr(path, '/');
    size_t n = (size_t)(slash - path);
    return slash[1] && (n ? strlen(dir) == n && memcmp(path, dir, n) == 0 : !strcmp(dir, "/"));
}

static bool parent_exists(struct memdisk *d, const char *path)
{
    for (size_t i = 0; i < d->n_names; i++) {
        if (d->name[i].now && d->name[i].now->directory && is_in(path, d->name[i].path))
            return true;
    }
    return false;
}

/* Bind up to two names as one step. */
static void bind_names(struct memdisk *d, const char *a, struct mem_inode *ia, const char *b,
                       struct mem_inode *ib)
{
    struct mem_change c = { .path = { memdisk_must(strdup(a)), b ? memdisk_must(strdup(b)) : NULL },
                            .inode = { ia, ib },
                            .settled = { false, !b } };
    struct mem_inode *was[2] = { memdisk_find(d, a), b ? memdisk_find(d, b) : NULL };
    name_of(d, a, true)->now = ia;
    if (b)
        name_of(d, b, true)->now = ib;
    for (int k = 0; k < 2; k++) {
        if (was[k])
            memdisk_inode_gone(d, was[k], was[k] != ia && was[k] != ib);
    }
    d->change = memdisk_must(realloc(d->change, (d->n_changes + 1) * sizeof *d->change));
    d->change[d->n_changes++] = c;
}

static void change_settle(struct memdisk *d, struct mem_change *c, int i)
{
    if (!c->settled[i])
        name_of(d, c->path[i], true)->durable = c->inode[i];
    c->settled[i] = true;
}

static void changes_drop_settled(struct memdisk *d)
{
    size_t n = 0;
    for (size_t i = 0; i < d->n_changes; i++) {
        struct mem_change *c = &d->change[i];
        if (c->settled[0] && c->settled[1]) {
            free(c->path[0]);
            free(c->path[1]);
        } else {
            d->change[n++] = *c;
        }
    }
    d->n_changes = n;
}

static int op_open(struct gw_io *io, const char *path, unsigned flags, struct gw_file **ret)
{
    struct memdisk *d = (struct memdisk *)io;
    memdisk_call_hook(d);
    LOCK_SCOPE(&d->mu);
    struct mem_inode *inode = memdisk_find(d, path);
    bool creates = !inode && (flags & GW_OPEN_CREATE);
    int r = memdisk_allow(d, NULL, MEMDISK_OPEN, creates);
    if (r < 0)
        return r;
    if (!inode && (!creates || !parent_exists(d, path)))
        return -ENOENT;
    if (inode && (flags & GW_OPEN_CREATE) && (flags & GW_OPEN_EXCL))
        return -EEXIST;
    if (inode && inode->directory)
        return -EISDIR;
    if (inode && inode->locked && (flags & GW_OPEN_LOCK))
        return -EWOULDBLOCK;
    if (!inode) {
        inode = inode_new(d, false);
        bind_names(d, path, inode, NULL, NULL);
    }
    struct mem_file *f = memdisk_must(calloc(1, sizeof *f));
    *f = (struct mem_file){ .file = { io }, .d = d, .inode = inode, .life = d->life };
    f->read_only = flags & GW_OPEN_RDONLY;
    f->locks = flags & GW_OPEN_LOCK;
    inode->locked |= f->locks;
    *ret = &f->file;
    return 0;
}

static int op_lock(struct gw_io *io, const char *path, struct gw_file **ret)
{
    return op_open(io, path, GW_OPEN_CREATE | GW_OPEN_LOCK, ret);
}

static int op_rename(struct gw_io *io, const char *from, const char *to)
{
    struct memdisk *d = (struct memdisk *)io;
    memdisk_call_hook(d);
    LOCK_SCOPE(&d->mu);
    int r = memdisk_allow(d, NULL, MEMDISK_NAME, true);
    if (r < 0)
        return r;
    struct mem_inode *inode = memdisk_find(d, from);
    if (!inode || !parent_exists(d, to))
        return -ENOENT;
    if (inode->directory)
        return -EOPNOTSUPP; /* names below it would have to move: not needed so far */
    bind_names(d, from, NULL, to, inode);
    return 0;
}

static int remove_name(struct gw_io *io, const char *path, bool directory)
{
    struct memdisk *d = (struct memdisk *)io;
    memdisk_call_hook(d);
    LOCK_SCOPE(&d->mu);
    int r = memdisk_allow(d, NULL, MEMDISK_NAME, true);
    if (r < 0)
        return r;
    struct mem_inode *inode = memdisk_find(d, path);
    if (!inode)
        return -ENOENT;
    if (inode->directory != directory)
        return directory ? -ENOTDIR : -EISDIR;
    for (size_t i = 0; directory && i < d->n_names; i++) {
        if (d->name[i].now && is_in(d->name[i].path, path))
            return -ENOTEMPTY;
    }
    bind_names(d, path, NULL, NULL, NULL);
    return 0;
}

static int op_unlink(struct gw_io *io, const char *path)
{
    return remove_name(io, path, false);
}

static int op_rmdir(struct gw_io *io, const char *path)
{
    return remove_name(io, path, true);
}

static int op_mkdir(struct gw_io *io, const char *path)
{
    struct memdisk *d = (struct memdisk *)io;
    memdisk_call_hook(d);
    LOCK_SCOPE(&d->mu);
    int r = memdisk_allow(d, NULL, MEMDISK_NAME, true);
    if (r < 0)
        return r;
    if (memdisk_find(d, path))
        return -EEXIST;
    if (!parent_exists(d, path))
        return -ENOENT;
    bind_names(d, path, inode_new(d, true), NULL, NULL);
    return 0;
}

static int op_sync_dir(struct gw_io *io, const char *path)
{
    struct memdisk *d = (struct memdisk *)io;
    memdisk_call_hook(d);
    LOCK_SCOPE(&d->mu);
    int r = memdisk_allow(d, NULL, MEMDISK_SYNC_DIR, true);
    if (r < 0)
        return r;
    struct mem_inode *inode = memdisk_find(d, path);
    if (!inode || !inode->directory)
        return inode ? -ENOTDIR : -ENOENT;
    for (size_t i = 0; i < d->n_changes; i++) {
        for (int k = 0; k < 2; k++) {
            if (d->change[i].path[k] && is_in(d->change[i].path[k], path))
                change_settle(d, &d->change[i], k);
        }
    }
    changes_drop_settled(d);
    return 0;
}

static int op_list(struct gw_io *io, const char *path, int (*fn)(void *arg, const char *name),
                   void *arg)
{
    struct memdisk *d = (struct memdisk *)io;
    struct mem_inode *inode = memdisk_find(d, path);
    if (d->stopped)
        return -EIO;
    if (!inode || !inode->directory)
        return inode ? -ENOTDIR : -ENOENT;
    for (size_t i = 0; i < d->n_names; i++) { /* fn may add names */
        if (!d->name[i].now || !is_in(d->name[i].path, path))
            continue;
        char name[256];
        snprintf(name, sizeof name, "%s", strrchr(d->name[i].path, '/') + 1);
        int r = fn(arg, name);
        if (r != 0)
            return r;
    }
    return 0;
}

static int op_free_bytes(struct gw_io *io, const char *path, uint64_t *ret)
{
    struct memdisk *d = (struct memdisk *)io;
    LOCK_SCOPE(&d->mu);
    *ret = d->capacity > d->blocks ? (d->capacity - d->blocks) * MEM_PAGE : 0;
    return 0;
}

/* ---- clocks and identity --------------------------------------------------------------------- */

static uint64_t op_boot_ns(struct gw_io *io)
{
    struct memdisk *d = (struct memdisk *)io;
    LOCK_SCOPE(&d->mu);
    return d->boot_ns;
}

static uint64_t op_wall_ns(struct gw_io *io)
{
    struct memdisk *d = (struct memdisk *)io;
    LOCK_SCOPE(&d->mu);
    return d->wall_ns;
}

static struct gw_uuid numbered_uuid(uint64_t n)
{
    struct gw_uuid u = { { 0x6d, 0x65, 0x6d } };
    for (unsigned i = 0; i < 8; i++)
        u.b[8 + i] = (uint8_t)(n >> (8 * i));
    return u;
}

static struct gw_uuid op_new_uuid(struct gw_io *io)
{
    struct memdisk *d = (struct memdisk *)io;
    LOCK_SCOPE(&d->mu);
    return numbered_uuid(++d->uuids);
}

static struct gw_uuid op_boot_id(struct gw_io *io)
{
    struct memdisk *d = (struct memdisk *)io;
    LOCK_SCOPE(&d->mu);
    return d->boot_id;
}

/* ---- the disk -------------------------------------------------------------------------------- */

struct memdisk *memdisk_new(void)
{
    struct memdisk *d = memdisk_must(calloc(1, sizeof *d));
    d->ops = memdisk_file_ops;
    d->ops.open = op_open;
    d->ops.lock = op_lock;
    d->ops.rename = op_rename;
    d->ops.unlink = op_unlink;
    d->ops.mkdir = op_mkdir;
    d->ops.rmdir = op_rmdir;
    d->ops.sync_dir = op_sync_dir;
    d->ops.list = op_list;
    d->ops.free_bytes = op_free_bytes;
    d->ops.boot_ns = op_boot_ns;
    d->ops.wall_ns = op_wall_ns;
    d->ops.new_uuid = op_new_uuid;
    d->ops.boot_id = op_boot_id;
    d->ops.crash_point = op_crash_point;
    d->io.ops = &d->ops;
    pthread_mutex_init(&d->mu, NULL);
    d->capacity = UINT64_MAX;
    d->left = UINT_MAX;
    d->boot_ns = 1000000000;
    d->wall_ns = 1700000000ull * 1000000000;
    d->boot_id = numbered_uuid(++d->uuids);
    struct mem_name *root = name_of(d, "/", true);
    root->now = root->durable = inode_new(d, true);
    return d;
}

void memdisk_free(struct memdisk *d)
{
    if (!d)
        return;
    while (d->inodes) {
        struct mem_inode *next = d->inodes->next;
        memdisk_inode_free(d->inodes);
        d->inodes = next;
    }
    for (size_t i = 0; i < d->n_names; i++)
        free(d->name[i].path);
    for (size_t i = 0; i < d->n_changes; i++) {
        free(d->change[i].path[0]);
        free(d->change[i].path[1]);
    }
    free(d->name);
    free(d->change);
    pthread_mutex_destroy(&d->mu);
    free(d);
}

struct gw_io *memdisk_io(struct memdisk *d)
{
    return &d->io;
}

void memdisk_new_life(struct memdisk *d)
{
    d->life++;
    d->stopped = false;
    d->left = UINT_MAX;
    d->stop_at[0] = '\0';
    d->fail_times = 0;
    d->hook = NULL;
    for (struct mem_inode *i = d->inodes; i; i = i->next)
        i->locked = false;
}

void memdisk_process_loss(struct memdisk *d)
{
    LOCK_SCOPE(&d->mu);
    memdisk_new_life(d);
}

struct anywhere {
    memdisk_pick_fn *pick;
    void *arg;
};

static unsigned pick_anywhere(void *arg, const char *path, uint64_t off, unsigned n)
{
    struct anywhere *a = arg;
    (void)path;
    (void)off;
    return a->pick(a->arg, n);
}

void memdisk_power_loss(struct memdisk *d, unsigned granule, memdisk_pick_fn *pick, void *arg)
{
    struct anywhere a = { pick, arg };
    memdisk_power_loss_at(d, granule, pick_anywhere, &a);
}

void memdisk_power_loss_at(struct memdisk *d, unsigned granule, memdisk_pick_at_fn *pick, void *arg)
{
    LOCK_SCOPE(&d->mu);
    assert(granule && MEM_PAGE % granule == 0);
    for (struct mem_inode *i = d->inodes; i; i = i->next)
        memdisk_inode_lose(d, i, memdisk_path_of(d, i), granule, pick, arg);
    for (size_t i = 0; i < d->n_changes; i++) {
        struct mem_change *c = &d->change[i];
        bool survives = pick(arg, c->path[0], MEMDISK_NO_PLACE, 2) == 1;
        for (int k = 0; k < 2; k++) {
            if (survives)
                change_settle(d, c, k);
            c->settled[k] = true;
        }
    }
    changes_drop_settled(d);
    for (struct mem_inode *i = d->inodes; i; i = i->next)
        memdisk_inode_gone(d, i, true);
    for (size_t i = 0; i < d->n_names; i++) {
        d->name[i].now = d->name[i].durable;
        if (d->name[i].now)
            memdisk_inode_gone(d, d->name[i].now, false);
    }
    d->boot_id = numbered_uuid(++d->uuids);
    d->boot_ns = 1000000000;
    memdisk_new_life(d);
}

void memdisk_each_unsynced(struct memdisk *d, unsigned granule,
                           void (*fn)(void *arg, const char *path, uint64_t off), void *arg)
{
    LOCK_SCOPE(&d->mu);
    for (const struct mem_inode *i = d->inodes; i; i = i->next)
        memdisk_inode_each_unsynced(i, memdisk_path_of(d, i), granule, fn, arg);
}

bool memdisk_exists(struct memdisk *d, const char *path)
{
    LOCK_SCOPE(&d->mu);
    return memdisk_find(d, path) != NULL;
}

bool memdisk_alias(struct memdisk *d, const char *path, const char *name)
{
    LOCK_SCOPE(&d->mu);
    struct mem_inode *inode = memdisk_find(d, path);
    if (!inode)
        return false;
    struct mem_name *n = name_of(d, name, true);
    n->now = n->durable = inode;
    return true;
}
