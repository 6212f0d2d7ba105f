// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The replica: the side that receives a plan's stream, keeps it durable, applies it in order.
 *
 * Calling sequence
 *     gw_plan_open -> gw_replica_new -> gw_replica_start (replays the journal, then listens) ->
 *     gw_replica_stop -> gw_replica_free -> gw_plan_close
 *
 * A stream record goes receive -> journal (received) -> group fdatasync (durable) -> apply (R13).
 * A crash at any point: replay from the applied mark; re-applying is idempotent.
 *
 * Invariants
 *   T1 Nothing is applied that is not durable in the journal (R13).
 *   T2 The image marked consistent is exactly the records up to meta.seq of meta's lineage, once
 *      the journal is replayed.
 *   T3 While a resync runs (meta.pending = RESYNC) the image is not consistent, and the old content
 *      of every overwritten block is durable in the undo file before the overwrite.
 *   T4 The identity of the source is adopted in one durable step, at FIN or when standing exactly
 *      at the fork (R8).
 *
 * Threads: accept (connections and hello), session (receives, journals), sync (group fdatasync,
 * acknowledges), apply (the only one that touches the volumes). All functions may be called from
 * any thread.
 */
#pragma once

#include "engine/frame.h"
#include "engine/plan.h"
#include "engine/points.h"
#include "engine/transport.h"

struct gw_replica_config {
    const char *listen; /* "host:port" or "unix:PATH" (transport.h) */
    struct gw_tls *tls;
    uint64_t journal_bytes;       /* limit of the whole journal */
    uint64_t point_reserve_bytes; /* free space that a point must leave */
    unsigned link_timeout_ms;
};
void gw_replica_config_init(struct gw_replica_config *c);

struct gw_replica;

int gw_replica_new(struct gw_plan *plan, const struct gw_replica_config *config,
                   struct gw_replica **ret, struct gw_error *err);
/* Replays the journal first; an error leaves everything as it was on disk. */
int gw_replica_start(struct gw_replica *r, struct gw_error *err);
/* Ends the session, makes what was received durable, applies it and marks it. */
void gw_replica_stop(struct gw_replica *r);
void gw_replica_free(struct gw_replica *r);

/* The address really bound (port 0 in the configuration takes a free one). */
const char *gw_replica_address(const struct gw_replica *r);

/* A recovery point here and now (R15). *p: id and tag are the caller's; the rest is filled. */
int gw_replica_point(struct gw_replica *r, struct gw_point *p, struct gw_error *err);
/* A named person signs the disposition of this side's divergent tail: it is kept (undo file), and
 * the resync may begin. -EPERM as long as no assess has counted it to its end. */
int gw_replica_sign(struct gw_replica *r, const char *by, struct gw_error *err);
/* Row 13: a named person chooses the surviving incarnation. */
int gw_replica_choose(struct gw_replica *r, const struct gw_uuid *survivor, const char *by,
                      struct gw_error *err);

enum gw_replica_state {
    GW_REPLICA_LISTENING, /* no session */
    GW_REPLICA_STREAMING,
    GW_REPLICA_RESYNC, /* target: not consistent until FIN */
    GW_REPLICA_SEEDING,
    GW_REPLICA_ASSESSING, /* being compared; a tail may wait for its signature */
    GW_REPLICA_REFUSED,   /* the last verdict made no session; `reason` says why */
    GW_REPLICA_FAILED,    /* a local error; restart after mending it */
};
const char *gw_replica_state_name(enum gw_replica_state s);

struct gw_replica_tail { /* found by the last assess: blocks of this side's own set that differ */
    bool known;          /* an assess has compared at least one block */
    bool complete;       /* it has compared all */
    bool exact;          /* and nothing in it was written by the survivor alone: else a superset */
    uint64_t blocks;
};

struct gw_replica_status {
    enum gw_replica_state state;
    char reason[GW_ERROR_MSG_MAX];
    bool have_verdict;
    struct gw_verdict verdict;
    char peer[128];
    uint64_t received_seq, durable_seq, applied_seq;
    uint64_t received_bytes; /* on the wire, since start */
    uint64_t journal_used_bytes, journal_max_bytes, journal_backlog_bytes; /* not applied */
    uint64_t undo_blocks, undo_bytes;
    struct gw_heartbeat heartbeat; /* the last of the source */
    uint64_t heartbeat_ns;         /* boot time when it came; 0 = none */
    uint64_t bad_frames;           /* damaged or malformed, since start */
    uint64_t verify_differences;
    struct gw_replica_tail tail;
};
/* The ranges of that tail, merged, in order; fn returns false to end. Called with the plan's mutex
 * held: fn only takes note. */
void gw_replica_each_tail(struct gw_replica *r,
                          bool (*fn)(void *arg, unsigned volume, uint64_t offset, uint64_t length),
                          void *arg);
void gw_replica_get_status(struct gw_replica *r, struct gw_replica_status *ret);
void gw_replica_wait_change(struct gw_replica *r, unsigned timeout_ms);
