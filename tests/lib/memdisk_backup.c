// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* A memory disk as it was: what a machine has that is restored from a backup or a snapshot. */
#include "memdisk_internal.h"

#include <stdlib.h>
#include <string.h>

struct saved {
    char *path;
    const struct mem_inode *was; /* two names of one file stay two names of one file */
    uint64_t size, pages;
    uint8_t **page; /* NULL: zeros */
};

struct memdisk_backup {
    struct saved *file;
    size_t n;
};

static void save(struct saved *to, const char *path, const struct mem_inode *inode)
{
    *to = (struct saved){ .path = memdisk_must(strdup(path)),
                          .was = inode,
                          .size = inode->size,
                          .pages = (inode->size + MEM_PAGE - 1) / MEM_PAGE };
    to->page = memdisk_must(calloc(to->pages + 1, sizeof *to->page));
    for (uint64_t i = 0; i < to->pages; i++) {
        const uint8_t *now = memdisk_page(inode, i);
        if (now)
            to->page[i] = memcpy(memdisk_must(malloc(MEM_PAGE)), now, MEM_PAGE);
    }
}

struct memdisk_backup *memdisk_backup(struct memdisk *d)
{
    LOCK_SCOPE(&d->mu);
    struct memdisk_backup *b = memdisk_must(calloc(1, sizeof *b));
    b->file = memdisk_must(calloc(d->n_names, sizeof *b->file));
    for (size_t i = 0; i < d->n_names; i++) {
        const struct mem_inode *inode = d->name[i].now;
        if (inode && !inode->directory)
            save(&b->file[b->n++], d->name[i].path, inode);
    }
    return b;
}

static struct mem_inode *restore(struct memdisk *d, const struct saved *s)
{
    struct mem_inode *inode = memdisk_make(d, s->path, NULL);
    inode->size = s->size;
    for (uint64_t i = 0; i < s->pages; i++) {
        if (s->page[i])
            memdisk_put_page(d, inode, i, s->page[i]);
    }
    memdisk_inode_settle(inode, 0, s->pages * MEM_PAGE);
    return inode;
}

static void forget_files(struct memdisk *d)
{
    for (size_t i = 0; i < d->n_names; i++) {
        struct mem_inode *now = d->name[i].now;
        if (now && now->directory) {
            d->name[i].durable = now;
            continue;
        }
        if (now)
            memdisk_inode_gone(d, now, true);
        d->name[i].now = d->name[i].durable = NULL;
    }
    for (size_t i = 0; i < d->n_changes; i++) {
        free(d->change[i].path[0]);
        free(d->change[i].path[1]);
    }
    d->n_changes = 0;
}

void memdisk_restore(struct memdisk *d, const struct memdisk_backup *b)
{
    LOCK_SCOPE(&d->mu);
    forget_files(d);
    struct mem_inode **made = memdisk_must(calloc(b->n + 1, sizeof *made));
    for (size_t i = 0; i < b->n; i++) {
        for (size_t k = 0; k < i && !made[i]; k++) {
            if (b->file[k].was == b->file[i].was)
                made[i] = memdisk_make(d, b->file[i].path, made[k]);
        }
        if (!made[i])
            made[i] = restore(d, &b->file[i]);
    }
    free(made);
    memdisk_new_life(d);
}

void memdisk_backup_free(struct memdisk_backup *b)
{
    if (!b)
        return;
    for (size_t i = 0; i < b->n; i++) {
        for (uint64_t p = 0; p < b->file[i].pages; p++)
            free(b->file[i].page[p]);
        free(b->file[i].page);
        free(b->file[i].path);
    }
    free(b->file);
    free(b);
}
