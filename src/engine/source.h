// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The source: the side that serves a plan's volumes and replicates every write to its peer.
 *
 * Calling sequence
 *     gw_plan_open -> gw_source_new -> gw_source_start (threads) ->
 *         gw_source_read/write/zero/flush from any number of threads ->
 *     gw_source_stop (clean stop, R12) -> gw_source_free -> gw_plan_close
 *
 * Service states and who moves them
 *
 *     WAITING --verdict or authorised--> SERVING --quiesce--> QUIESCED --release--> RELEASED
 *        |                                 |  ^---unquiesce------+
 *        +---verdict: I am not the source--+--> FENCED        any --I/O error--> FAILED
 *
 *   WAITING   may not serve yet: a side that restarts first speaks to its peer. Requests wait.
 *   SERVING   requests are served (while the grant's deadline has not passed).
 *   QUIESCED  no new write begins; those in flight have ended. Requests wait.
 *   RELEASED  handed over: requests fail.   FENCED  deposed or superseded: requests fail.
 *   FAILED    a local flush or the plan's own files failed (R20): requests fail; restart.
 *
 * Replication states (enum gw_repl_state) are what an operator is shown: see names there.
 *
 * Writes (the order is the whole point):
 *   1 range lock; 2 the extent is in the hot set (R1); 3 write the volume; 4 take the seq and room
 *   in the ring, unlock; 5 copy into the ring; 6 acknowledge: async now, sync when *received*.
 *
 * Invariants
 *   S1 A write that was acknowledged is in the ring, or its bits are marked, or it is durable at
 *      the peer.
 *   S2 seq order = order of local writes for any two overlapping requests.
 *   S3 No request is answered with success after the deadline, or after the state left SERVING.
 *   S4 A bit is cleared only by an in-order durable acknowledgement under the current uuid (R3,
 * R4).
 *
 * Threads: all functions may be called from any thread; none may be called while holding a lock
 * that a callback of the embedding program takes. Internal threads: link (connects, sends),
 * receive (acknowledgements), hot (hot-extent log), keeper (retires extents, persists maps, meta).
 */
#pragma once

#include "engine/plan.h"
#include "engine/transport.h"

enum gw_service_state {
    GW_SERVICE_WAITING,
    GW_SERVICE_SERVING,
    GW_SERVICE_QUIESCED,
    GW_SERVICE_RELEASED,
    GW_SERVICE_FENCED,
    GW_SERVICE_FAILED,
    GW_SERVICE_STOPPED,
};
const char *gw_service_state_name(enum gw_service_state s);

enum gw_repl_state {
    GW_REPL_DISCONNECTED, /* no session; writes are kept in the ring, then as bits */
    GW_REPL_ASSESSING,    /* comparing, nothing is written; a tail waits for its signature */
    GW_REPL_SEEDING,
    GW_REPL_RESYNC,
    GW_REPL_ASYNC, /* following */
    GW_REPL_SYNC,  /* every acknowledged write is at the peer */
};
const char *gw_repl_state_name(enum gw_repl_state s);

enum gw_link_loss {
    GW_LINK_LOSS_CONTINUE, /* sync mode: record UNSYNC, then go on alone */
    GW_LINK_LOSS_SUSPEND,  /* sync mode: writes wait for the peer */
};

struct gw_source_config {
    const char *peer;   /* "host:port" of the replica; NULL: alone */
    const char *listen; /* "host:port" or "unix:PATH" (transport.h) where the other side may call
                           (source_guard.c); NULL: it cannot, and two serving sides would not learn
                           of each other */
    struct gw_tls *tls; /* NULL: plain TCP (loopback only) */
    bool sync;          /* acknowledge on received */
    enum gw_link_loss on_link_loss;
    bool heal_only;      /* no clients: heal the peer from this side (verdict rows 4, 9, 11) */
    bool isolated_start; /* serve without having spoken to the peer */
    bool granted;        /* serve only until the deadline given by gw_source_grant */
    uint64_t ring_bytes;
    uint64_t bandwidth_bytes;  /* per second; 0 = no limit */
    int zstd_level;            /* 0 = none */
    unsigned throttle_ms;      /* how long a full ring may hold a writer before falling behind */
    unsigned unsync_ms;        /* sync: how long a lost link holds writers before UNSYNC */
    unsigned wait_ms_max;      /* how long a request waits (not serving, deadline) before it fails;
                                  0 = for ever */
    bool (*interrupted)(void); /* asked by a request that waits: should it give up (shutdown)? May
                                  be NULL; called with the plan's mutex held, must not block */
    unsigned link_timeout_ms;  /* silence after which a link is lost */
};
void gw_source_config_init(struct gw_source_config *c); /* the defaults */

struct gw_source;

/* The plan stays the caller's and must outlive the source. */
int gw_source_new(struct gw_plan *plan, const struct gw_source_config *config,
                  struct gw_source **ret, struct gw_error *err);
int gw_source_start(struct gw_source *s, struct gw_error *err);
/* Ends all requests, drains the ring for at most drain_ms, makes everything durable (R12). */
void gw_source_stop(struct gw_source *s, unsigned drain_ms);
void gw_source_free(struct gw_source *s);

/* ---- client I/O: 0 or a negative errno value ------------------------------------------------- */

enum gw_write_flags {
    GW_WRITE_FUA = 1,
    GW_WRITE_MAY_TRIM = 2, /* zero: the range may become a hole */
    GW_WRITE_FAST = 4,     /* zero: fail with -EOPNOTSUPP rather than write zeros */
};

int gw_source_read(struct gw_source *s, unsigned volume, void *buf, uint64_t len, uint64_t off);
int gw_source_write(struct gw_source *s, unsigned volume, const void *buf, uint64_t len,
                    uint64_t off, unsigned flags);
int gw_source_zero(struct gw_source *s, unsigned volume, uint64_t len, uint64_t off,
                   unsigned flags);
/* Covers every write answered before the call, on all connections. */
int gw_source_flush(struct gw_source *s, unsigned volume);

/* ---- volumes -------------------------------------------------------------------------------- */

/* A client's use of a volume, by its name: its slot, for the functions above. While anybody uses it
 * a volume is not removed. -ENOENT: no such volume, or it is being removed. */
int gw_source_volume_open(struct gw_source *s, const char *name, unsigned *ret, uint64_t *ret_bytes,
                          struct gw_error *err);
void gw_source_volume_close(struct gw_source *s, unsigned volume);
/* Volume number `i` of those that there are now, in the order of their slots; false: no more. */
bool gw_source_volume_name(struct gw_source *s, unsigned i, char ret[GW_VOLUME_NAME_MAX]);

/*
 * Change the volumes (reshape.h): prepared at both sides before. At the target first; when this
 * returns 0 it is so at both. Asked again it goes on where it is; what is so already is a success.
 * -EBUSY: the volume to be removed is in use. -ETIMEDOUT: not known yet, ask again.
 */
int gw_source_change(struct gw_source *s, const struct gw_reshape *c, unsigned timeout_ms,
                     struct gw_error *err);

/* Could it begin now? 0 also for what is so already, or under way. */
int gw_source_check_change(struct gw_source *s, const struct gw_reshape *c, struct gw_error *err);

/* ---- control --------------------------------------------------------------------------------- */

/* Serve until this CLOCK_BOOTTIME instant (20-authority: grant). An earlier one shortens. */
int gw_source_grant(struct gw_source *s, uint64_t deadline_boot_ns, struct gw_error *err);
/* No new writes; returns when those in flight ended. timeout: -ETIMEDOUT, still quiescing. */
int gw_source_quiesce(struct gw_source *s, unsigned timeout_ms, struct gw_error *err);
/* R17, P2: voids the token at the target durably first, or records UNSYNC here. */
int gw_source_unquiesce(struct gw_source *s, unsigned timeout_ms, struct gw_error *err);
/*
 * Quiesced: everything durable at the peer, both sets empty, then the HANDOVER record; returns
 * when the target has proven that it holds exactly this stream, durable. *ret: the token.
 */
int gw_source_equal(struct gw_source *s, unsigned timeout_ms, struct gw_token *ret,
                    struct gw_error *err);
/* After equal: drop the authority durably. The point of no return. */
int gw_source_release(struct gw_source *s, struct gw_error *err);
/* Stop serving for good (R11): writes in flight end without an answer, bits durable, role FENCED.
 */
int gw_source_fence(struct gw_source *s, const char *why, struct gw_error *err);
/* Compare all data online, by hashes in the stream. rate: bytes per second read, 0 = no limit. */
int gw_source_verify(struct gw_source *s, uint64_t rate_bytes, struct gw_error *err);
/* End the session and resync what is dirty now. all: compare everything. */
int gw_source_resync(struct gw_source *s, bool all, struct gw_error *err);
/* Ask the peer for a recovery point exactly here in the stream. */
int gw_source_point(struct gw_source *s, const char *id, const char *tag, unsigned timeout_ms,
                    struct gw_error *err);
void gw_source_bandwidth(struct gw_source *s, uint64_t bytes_per_s);
/*
 * The peer is another machine from now on: its address, and credentials that believe it (NULL:
 * plain; a reference is taken). A session that is on ends. Who may serve is not changed by it: the
 * next verdict says what the new one holds. -ENAMETOOLONG.
 */
int gw_source_set_peer(struct gw_source *s, const char *address, struct gw_tls *tls,
                       struct gw_error *err);

struct gw_verify_status {
    bool running, done;          /* neither, and begun: its session ended before it was through */
    uint64_t begun_wall_ns;      /* its name; 0: there was none */
    uint64_t begun_ns, ended_ns; /* boot time; 0: it runs */
    uint64_t checked_bytes, total_bytes; /* holes are compared too */
    uint64_t differing_blocks;
};

struct gw_source_status {
    enum gw_service_state service;
    enum gw_repl_state repl;
    char reason[GW_ERROR_MSG_MAX]; /* why it is not better than it is; "" = nothing to say */
    bool have_verdict;
    struct gw_verdict verdict; /* the last */
    uint64_t seq, received_seq, durable_seq, applied_seq;
    uint64_t pending_bytes; /* in the ring: acknowledged here, not durable there */
    uint64_t ring_bytes;
    bool attached; /* writes go to the ring; false: only bits */
    uint64_t dirty_blocks, coarse_extents, hot_extents;
    uint64_t in_flight;                                     /* requests */
    uint64_t sent_bytes, sent_raw_bytes, resync_sent_bytes; /* on the wire, since start */
    uint64_t resync_total_bytes, resync_left_bytes;
    uint64_t resync_started_ns, resync_ended_ns;        /* boot time; of the last one */
    uint64_t compared_bytes, compared_differing_blocks; /* of the last assess or compare */
    uint64_t tail_blocks;                               /* of the last assess */
    bool assessed;
    uint64_t rtt_ns;
    uint64_t fell_behind; /* times */
    uint64_t writes, write_bytes, flushes;
    uint64_t deadline_ns; /* 0 = not granted mode */
    bool token_matched;
    bool healed; /* heal_only: the peer is consistent and equal */
    struct gw_verify_status verify;
};
void gw_source_get_status(struct gw_source *s, struct gw_source_status *ret);
/* Wait until the status changes in a way worth looking at, or timeout. */
void gw_source_wait_change(struct gw_source *s, unsigned timeout_ms);
