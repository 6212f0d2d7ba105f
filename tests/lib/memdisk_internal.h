// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Inside of memdisk.c and memdisk_names.c. */
#pragma once

#include "memdisk.h"

#include "base/cleanup.h"

#define MEM_PAGE 4096u
#define MEM_CHUNK 64u /* pages that are kept together; a sparse file has few chunks */

struct mem_page {
    uint8_t *durable; /* content at the last sync; NULL: zeros */
    uint8_t **version;
    unsigned n;
    bool in_doubt; /* a sync of these versions failed: no later one settles them */
    bool listed;   /* in the inode's list of unsettled pages */
};

struct mem_inode {
    struct mem_page **chunk; /* [n_pages / MEM_CHUNK]; NULL: nothing there */
    uint64_t n_pages, size, durable_size;
    uint64_t *unsettled; /* pages written since they were last made durable */
    size_t n_unsettled, room_unsettled;
    uint64_t reserved; /* the first so many pages count as blocks, whatever is in them */
    uint64_t blocks;   /* that it counts for */
    bool gone;         /* no name leads to it now: its blocks are free */
    bool directory, locked;
    struct mem_inode *next; /* of all that ever were */
};

struct mem_name {
    char *path;
    struct mem_inode *now, *durable;
};

/* A change of up to two names that no sync_dir has settled. */
struct mem_change {
    char *path[2];
    struct mem_inode *inode[2];
    bool settled[2];
};

struct mem_file {
    struct gw_file file;
    struct memdisk *d;
    struct mem_inode *inode;
    unsigned life;
    bool locks, read_only;
};

struct memdisk {
    struct gw_io io;
    struct gw_io_ops ops;
    pthread_mutex_t mu;
    struct mem_inode *inodes;
    struct mem_name *name;
    size_t n_names;
    struct mem_change *change;
    size_t n_changes;
    uint64_t blocks, capacity;
    uint64_t boot_ns, wall_ns, uuids;
    struct gw_uuid boot_id;
    unsigned life; /* grows at each loss: older files are stale */
    bool clones;

    unsigned done, left;
    bool stopped;
    char stop_at[64];
    unsigned stop_nth;
    unsigned fail_ops, fail_skip, fail_times;
    int fail_code;
    void (*hook)(void *arg);
    void *hook_arg;
    bool in_hook;
    char reached[64][64];
    unsigned reached_n[64];
};

extern const struct gw_io_ops memdisk_file_ops;

void *memdisk_must(void *p);
/* Is the operation carried out? `changes`: it counts and may stop the world. Call locked. */
int memdisk_allow(struct memdisk *d, const struct mem_file *f, unsigned op, bool changes);
void memdisk_call_hook(struct memdisk *d);
struct mem_inode *memdisk_find(struct memdisk *d, const char *path);
void memdisk_inode_settle(struct mem_inode *inode, uint64_t off, uint64_t len);
void memdisk_inode_lose(struct memdisk *d, struct mem_inode *inode, const char *path,
                        unsigned granule, memdisk_pick_at_fn *pick, void *arg);
void memdisk_inode_each_unsynced(const struct mem_inode *inode, const char *path, unsigned granule,
                                 void (*fn)(void *arg, const char *path, uint64_t off), void *arg);
/* A name of the inode now; "": none. */
const char *memdisk_path_of(const struct memdisk *d, const struct mem_inode *inode);
/* Durable at once, a new file or one that is there. */
struct mem_inode *memdisk_make(struct memdisk *d, const char *path, struct mem_inode *inode);
void memdisk_put_page(struct memdisk *d, struct mem_inode *inode, uint64_t i, const uint8_t *data);
void memdisk_new_life(struct memdisk *d);
void memdisk_inode_free(struct mem_inode *inode);
/* Its blocks are free (or, after a power loss, in use again). */
void memdisk_inode_gone(struct memdisk *d, struct mem_inode *inode, bool gone);
