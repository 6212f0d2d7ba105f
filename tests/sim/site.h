// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The two sites: which process runs at each, its plan, and what a person may ask of it. One process
 * a site at a time, as shipped: nbdkit with the plugin (SOURCE), godwit-replica (REPLICA, or HEAL:
 * a source without clients), godwit-ctl for a promotion (PROMOTE).
 *
 * All functions are called by the world's own fiber, except where said. Requests run in a fiber of
 * the site's process, so that they die with it.
 */
#pragma once

#include "fibers.h"
#include "model.h"
#include "simdisk.h"

#include "engine/promote.h"
#include "engine/replica_internal.h"
#include "engine/source_internal.h"

enum run { RUN_NONE, RUN_SOURCE, RUN_REPLICA, RUN_HEAL, RUN_PROMOTE };

#define SITE_SNAPSHOTS_MAX 16u
#define SITE_GUESTS_MAX 64u

struct snapshot { /* what a recovery point must give back */
    struct gw_uuid uuid;
    uint64_t seq;
    struct image image;
};

struct site {
    int id;
    enum run run;
    struct proc *proc;
    bool started, ended, stop_wanted; /* of the process */
    int result;                       /* its start (or promotion): 0 or an error */
    struct gw_error err;
    struct waitq change;
    struct gw_plan *plan; /* open in the process; the memory stays when it is killed */
    struct gw_source *source;
    struct gw_replica *replica;
    struct timeline *timeline;            /* SOURCE: of its reign */
    struct fiber *guest[SITE_GUESTS_MAX]; /* SOURCE: requests of a script, until they are joined */
    unsigned n_guests;
    struct gw_promote_options promote;
    char point[GW_ID_MAX];

    struct gw_meta meta; /* as on disk, while nothing runs */
    bool meta_known, slot_lost;
    /* Target of a resync: what it held before the last one that began, and at its FIN. */
    bool in_resync, have_before, have_after;
    unsigned resyncs; /* begun here: the snapshots are of the last one */
    struct snapshot before;
    uint64_t before_epoch;
    char before_undo[GW_ID_MAX];
    struct image after;
    bool rewound;     /* a promotion to an older state was begun: it may lack what it once had */
    bool unconfirmed; /* lost its power while it was active, has not served since */
    struct snapshot snapshot[SITE_SNAPSHOTS_MAX];
    unsigned n_snapshots;
};

struct world {
    struct site site[2];
    struct gw_source_config config;
    struct gw_replica_config replica_config;
    unsigned clients;
    bool load; /* clients work */
    uint64_t think_ns;
    unsigned big_one_in; /* writes of several extents */
    bool crowded;        /* everybody writes to the same few blocks */
    unsigned pace_ops;   /* the more, the longer clients go on at their first speed */
    bool heavy;          /* whole extents, without a pause: to fill a journal */
    bool wide;           /* a volume of many extents */
    uint64_t promotions, resyncs, handovers, kills;
};
extern struct world world;

void site_init(int active);
/* Both plans, made on empty disks; `adopt`: the standby's volumes hold something already. */
void site_create(int active, bool adopt);

/* Start and wait until it is started, has failed (site->result) or died (false). */
bool site_start(struct site *s, enum run run);
bool site_promote(struct site *s, const char *point, bool roll_back, bool alone);
/* Clean end; returns when it is over (or it was killed on the way). */
void site_stop(struct site *s);
/* From any fiber; does not return if it is of the site's process. */
void site_kill(struct site *s, enum simdisk_crash kind);
bool site_runs(const struct site *s); /* a process that has started and not ended */

/* Run fn(arg) in the site's process and wait. False: the process died meanwhile. */
bool site_call(struct site *s, int (*fn)(struct site *s, struct gw_error *err), int *ret);
/* The same, not waited for. */
void site_spawn(struct site *s, int (*fn)(struct site *s, struct gw_error *err));

/* Down: read meta; new promotions found there are checked and become timelines. */
void site_look(struct site *s);
/* Take note of what the running source knows of its peer. */
void site_sample(struct site *s);
struct site *site_peer(const struct site *s);

/* client.c: a client's connection, a fiber of the source's process; and one request of it, of which
 * the oracle is told. */
void *client_main(void *arg);
int client_request(struct site *s, enum op_kind kind, unsigned volume, uint64_t off, uint64_t len,
                   unsigned flags, struct op **ret);
/* watch.c: what is checked at crash points, and after a promotion. */
void watch_crash_point(int site, const char *name);
void watch_promotion(struct site *s);
/* No two promotions have one number. */
void watch_lineage(const struct gw_lineage *l);
/* Both sites run, equal and at rest: images, undo files, points. */
void watch_equal(void);
void watch_tail(struct site *s);
