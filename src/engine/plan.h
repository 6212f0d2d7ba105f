// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * A plan directory, open: everything durable that one side knows of one plan.
 *
 *     DIR/lock            held (flock) by the process that serves the plan; ends with it
 *     DIR/meta            role, lineage, positions (meta.h)
 *     DIR/volumes/<name>  symbolic link to the raw file or block device, adopted in place
 *     DIR/dirty/<name>    dirty map (dirtymap.h);  DIR/dirty/hot  hot-extent log (hotset.h)
 *     DIR/journal/        received records (journal.h)
 *     DIR/points/<id>/    recovery points (points.h)
 *     DIR/undo/<id>/      undo files of resyncs (undo.h)
 *
 * gw_plan_open replays the hot-extent log: every extent that was hot when the side stopped is
 * marked coarse-dirty durably, and only then the log starts anew (R2).
 *
 * Threads: `mu` guards meta, maps and hot set. gw_plan_store_meta is called with mu held and keeps
 * it over its small write: the identity of a side must not change under a reader's feet.
 */
#pragma once

#include "engine/dirtymap.h"
#include "engine/hotset.h"
#include "engine/io.h"
#include "engine/meta.h"
#include "engine/verdict.h"

#include <limits.h>
#include <pthread.h>

struct gw_plan {
    struct gw_io *io;
    char dir[PATH_MAX];
    struct gw_file *lock;
    bool read_only;

    pthread_mutex_t persist_mu; /* one persist at a time, and no change of the volumes during it or
                                   during their fdatasync; taken before mu */
    pthread_mutex_t prepare_mu; /* one gw_plan_prepare_change at a time; taken before mu */
    pthread_mutex_t mu;
    struct gw_metafile *metafile;
    struct gw_meta meta;
    bool slot_lost;         /* a meta slot was damaged when the plan was opened (R20) */
    bool reshape_failed;    /* a change of volumes is in meta and not in memory */
    bool confirmed;         /* a crashed active was confirmed in this process's life */
    uint64_t map_damaged;   /* map pages found damaged, now all dirty */
    uint64_t hot_recovered; /* extents found hot at open */
    bool hot_unknown;       /* the hot log was damaged: everything is compared */
    /* By slot (reshape.h). An empty one has no file, and a map in which nothing ever is. */
    struct gw_dirtymap *map[GW_VOLUMES_MAX];
    struct gw_hotset *hot;
    struct gw_file *vol[GW_VOLUMES_MAX];
};

struct gw_plan_volume_spec {
    char name[GW_VOLUME_NAME_MAX];
    char path[PATH_MAX]; /* raw file or block device */
    uint64_t bytes;      /* 0: take the size of what is there */
    struct gw_uuid uuid; /* none: make one (first side) */
    bool empty;          /* no volume: the peer's is an empty slot (reshape.h) */
};

struct gw_plan_spec {
    char plan_name[GW_PLAN_NAME_MAX];
    char site_name[2][GW_SITE_NAME_MAX];
    uint8_t site;
    struct gw_uuid plan; /* none: make one */
    bool active;         /* true: the side that holds the data now; false: a blank standby */
    bool adopt_data;     /* standby: the volumes may hold data already; compare before copying */
    uint32_t n_volumes;
    struct gw_plan_volume_spec volume[GW_VOLUMES_MAX];
};

/*
 * Make a plan directory (must not exist or be empty). Volumes: existing files and devices are
 * adopted in place, missing files are created sparse (0600) when `bytes` is given. A standby's
 * volume that exists and holds data is refused unless adopt_data.
 */
int gw_plan_create(struct gw_io *io, const char *dir, struct gw_plan_spec *spec,
                   struct gw_error *err);

enum gw_plan_open_flags {
    GW_PLAN_READ_ONLY = 1, /* no lock, no replay, nothing written: for inspection at any time */
};

int gw_plan_open(struct gw_io *io, const char *dir, unsigned flags, struct gw_plan **ret,
                 struct gw_error *err);
void gw_plan_close(struct gw_plan *p);

/* Durable when it returns 0. Call with p->mu held. */
int gw_plan_store_meta(struct gw_plan *p, struct gw_error *err);
/* 0, or the error of a store (or of a change of volumes) that failed: memory may be ahead of the
 * disk or behind it, and only the next open can tell (R20). A side that sees it fails, whatever it
 * was doing. p->mu held. */
int gw_plan_check_store(const struct gw_plan *p, struct gw_error *err);
/* A peer knows of this epoch: it is never taken here (P1), also after a crash. p->mu held. */
int gw_plan_saw_epoch(struct gw_plan *p, uint64_t epoch, struct gw_error *err);
/* Persist all dirty maps. Call without p->mu. */
int gw_plan_persist_maps(struct gw_plan *p, struct gw_error *err);
/* fdatasync all volumes. A failure is for good (R20): the caller fails the side. Takes persist_mu:
 * no volume comes or goes meanwhile. Call without p->mu. */
int gw_plan_sync_volumes(struct gw_plan *p, struct gw_error *err);

/* This side was active, did not stop cleanly, and nobody has confirmed it since. */
bool gw_plan_crashed_active(const struct gw_plan *p);
/* The side's own statement but for what only a running source knows. Call with mu held. */
void gw_plan_side(const struct gw_plan *p, struct gw_side *ret);

/*
 * Did the peer get more of this side's writes than the fork it was promoted at (an older point)?
 * Then its bits were cleared here on its word, and what is divergent is not in this side's own set
 * alone.
 */
bool gw_side_was_rewound(const struct gw_side *side, uint64_t fork_seq);

/* R5, of the first volume that is one; all move together. mu held. */
void gw_plan_cleared(const struct gw_plan *p, struct gw_uuid *ret_uuid, uint64_t *ret_seq);

/* ---- changing volumes: reshape_plan.c; the rules are in reshape.h ------------------------------
 */

/*
 * The first step, at either side, for as often as anybody likes: the volume's file is there, as
 * long as the change wants it and zeros where it adds to it (a file that is too short is extended;
 * nothing else is written to); a new volume has its link and its map. Durable when it returns 0,
 * and the meta is one that an older godwit refuses. `path`: of a new volume's file. Without mu.
 */
int gw_plan_prepare_change(struct gw_plan *p, const struct gw_reshape *c, const char *path,
                           struct gw_error *err);
/*
 * The change, in one store of meta; `with` (may be NULL) adds to the same store, mu held. A refusal
 * (*ret_refused) has changed nothing; another failure leaves the outcome to the next open. Called
 * by the one thread that uses maps and volumes without mu. Takes persist_mu and mu.
 */
int gw_plan_reshape(struct gw_plan *p, const struct gw_reshape *c, void (*with)(void *arg),
                    void *arg, bool *ret_refused, struct gw_error *err);
/*
 * V3: what the peer's hello says of a change that is pending here. `in_flight`: SHAPE is still on
 * its way. *ret_adopted: the table is another one now. Called as gw_plan_reshape.
 */
int gw_plan_reconcile_shape(struct gw_plan *p, const struct gw_side *peer, bool in_flight,
                            bool *ret_adopted, struct gw_error *err);
/* Durable: no change is pending. mu held. */
int gw_plan_forget_shape(struct gw_plan *p, struct gw_error *err);

/* Sums over all maps; with mu held. */
uint64_t gw_plan_dirty_blocks(const struct gw_plan *p);
uint64_t gw_plan_coarse_extents(const struct gw_plan *p);
bool gw_plan_maps_empty(const struct gw_plan *p);
uint64_t gw_plan_volume_bytes(const struct gw_plan *p);

/* A number above every epoch seen, of this site's parity (P1). */
uint64_t gw_plan_next_epoch(const struct gw_plan *p);

/* path = DIR/sub[/name]; false if it does not fit. */
bool gw_plan_path(const struct gw_plan *p, char ret[PATH_MAX], const char *sub, const char *name);
