// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The inside of a source, shared by source*.c. See source.h for the states and invariants. */
#pragma once

#include "base/cleanup.h"
#include "engine/bucket.h"
#include "engine/frame.h"
#include "engine/plan.h"
#include "engine/rangelock.h"
#include "engine/ring.h"
#include "engine/source.h"
#include "engine/source_fork.h"

#include <pthread.h>

/* One run of blocks or one extent read for the stream at a time. */
#define GW_INJECT_BLOCKS_MAX 64u

enum gw_retire_step {
    GW_RETIRE_NONE,
    GW_RETIRE_WAIT_OPS, /* writes that began before the rotation are still in flight */
    GW_RETIRE_DATASYNC, /* the volumes are being made durable */
    GW_RETIRE_PEER,     /* records not durable at the peer, bits not durable here */
};

/* A session with the peer. Everything but conn and buffers is guarded by the plan's mutex. */
#define GW_HASHES_IN_FLIGHT_MAX 64u

struct gw_session {
    struct gw_conn *conn;      /* NULL: none */
    bool up;                   /* START was answered: frames flow */
    bool dead;                 /* to be torn down */
    struct gw_goodbye goodbye; /* what to tell the peer; reason 0 = it is gone anyway */
    enum gw_session_mode mode;
    bool session_numbers, target_zero;
    struct gw_side peer;
    struct gw_verdict verdict;
    bool peer_rewound;     /* gw_side_was_rewound(peer) */
    uint64_t generation;   /* of our meta when the hello was sent (row 0) */
    uint16_t peer_version; /* the highest that it speaks */
    uint64_t received, durable, applied;
    uint64_t sent_seq;    /* last seq handed to the connection */
    bool barrier;         /* ask the target to be durable at once */
    uint64_t pressed_seq; /* sent when it was last asked for by pressed() */
    bool fin_queued, finished;
    uint64_t fin_chain; /* the chain after FIN: chosen at START */
    bool token_matched;
    struct gw_result result; /* the last RESULT: of a POINT record */
    uint64_t token_seq;      /* of the HANDOVER record in the stream; 0 = none */
    uint64_t last_heard_ns, next_beat_ns;
    /* resync and assess */
    unsigned scan_volume; /* next place to look for bits */
    uint64_t scan_block;
    bool scan_wrapped;
    uint64_t hashes_sent, diffs_received;
    struct gw_bitmap *asked[GW_VOLUMES_MAX];     /* extents with a HASH on its way */
    struct gw_bitmap *peer_fine[GW_VOLUMES_MAX]; /* the target's own set (assess) */
    struct gw_bitmap *peer_coarse[GW_VOLUMES_MAX];
    /* assess with the state at the fork: ranges whose differences are to be looked at again */
    struct gw_fork fork;
    struct {
        unsigned volume;
        uint64_t off;
        uint32_t len;
    } again[GW_HASHES_IN_FLIGHT_MAX];
    unsigned n_again;
    uint64_t assess_end_seq; /* of the record that says that all is compared */
    uint8_t *read_buf;       /* GW_EXTENT_BYTES, of the link thread */
    uint8_t *frame_buf;      /* GW_FRAME_BYTES_MAX + header, of the link thread (compression) */
};

/* A request that waits for the peer, in its caller's frame; on the list while it waits. */
struct gw_answer {
    uint64_t seq;
    bool durable; /* else received */
    pthread_cond_t cv;
    struct gw_answer *next;
};

#define GW_PEER_ADDRESS_MAX 256u

struct gw_source {
    struct gw_plan *plan;
    pthread_mutex_t *mu; /* = &plan->mu: guards everything below; never held over I/O or a copy,
                            except the small meta store */
    struct gw_source_config cfg;
    char peer_address[GW_PEER_ADDRESS_MAX];
    struct gw_tls *new_tls;   /* of gw_source_set_peer; cfg.tls is this one, or the caller's */
    pthread_cond_t cv_write;  /* writers: hot set, ring, service */
    pthread_cond_t cv_range;  /* writers: a range was released; each request does, few wait */
    pthread_cond_t cv_link;   /* the sender: something to send */
    pthread_cond_t cv_hot;    /* the hot thread: something to log */
    pthread_cond_t cv_keeper; /* the keeper */
    pthread_cond_t cv_ack;    /* acknowledgements came (handover, quiesce; answers: their own) */
    pthread_cond_t cv_change; /* whoever watches */
    pthread_t link_thread, hot_thread, keeper_thread, guard_thread;
    struct gw_listener *guard; /* NULL: nobody can call */
    bool threads_running;
    bool stop;
    bool park, hot_parked, keeper_parked; /* see gw_source_park */
    int stop_fd;                          /* eventfd: readable when stopping, wakes connects */
    uint64_t changes;

    enum gw_service_state service;
    char reason[GW_ERROR_MSG_MAX];
    bool io_failed; /* a datasync or a plan file failed: sticky (R20) */

    /* By slot. Sizes are read without mu, by requests; a slot's file and map are there before. */
    _Atomic uint64_t volume_bytes[GW_VOLUMES_MAX];
    unsigned volume_users[GW_VOLUMES_MAX]; /* gw_source_volume_open */
    int leaving;                           /* slot of the volume that is being removed; -1: none */
    bool changing;                         /* one gw_source_change at a time */
    uint64_t shape_seq;                    /* of the SHAPE in the stream; 0: none that counts */
    bool shape_agreed;                     /* the target has made the change */
    struct gw_error shape_error;           /* why the last one was not made */

    struct gw_rangelock range[GW_VOLUMES_MAX];
    uint64_t in_flight[2]; /* requests by parity: see the keeper's retire */
    unsigned parity;
    struct gw_answer *answers; /* sync mode: requests that wait for the peer */
    unsigned write_waiters;    /* on cv_write */
    unsigned range_waiters;    /* on cv_range */
    uint64_t detached_ops;     /* writes in flight that will only mark bits */

    /* identity of the stream */
    struct gw_uuid uuid;
    uint64_t seed;
    uint64_t seq;
    uint64_t chain;     /* at acked_seq */
    bool chain_known;   /* false after falling behind: the next START begins a new chain */
    uint64_t acked_seq; /* everything up to here left the ring */
    struct gw_ring *ring;
    bool attached;          /* writes go to the ring */
    bool sender_waits;      /* a filled slot must signal cv_link */
    uint64_t full_since_ns; /* ring full: since when writers wait; 0 = not */

    struct gw_session ses;
    enum gw_repl_state repl;
    bool sync_on;          /* acknowledge only what the peer received */
    bool sync_recorded;    /* meta says SYNC (W2: from before it is stored until UNSYNC is) */
    bool sync_promised;    /* SYNC was recorded once in this reign: `suspend` holds from then on */
    uint64_t sync_from;    /* everything acknowledged before sync_on */
    uint64_t link_lost_ns; /* boot time; 0 = the link is up, or never was */
    bool had_session;

    enum gw_retire_step retire;
    uint64_t retire_seq;

    struct gw_bucket bucket;
    uint64_t deadline_ns;
    bool verify_wanted;
    uint64_t verify_rate;
    unsigned verify_volume;
    uint64_t verify_from; /* its records have higher numbers */
    uint64_t verify_at, verify_sent, verify_answered;
    struct gw_bucket verify_bucket;
    struct gw_token token; /* the last sent */
    bool token_out;        /* it may be held valid by the target (R17) */

    struct gw_source_status st; /* counters; the rest is filled when asked */
};

/* Wait on cv with mu held for at most ms. */
void gw_source_wait(struct gw_source *s, pthread_cond_t *cv, unsigned ms);
/* Is the peer as far as this answer needs it? */
bool gw_source_answered(const struct gw_source *s, const struct gw_answer *a);
/* Something that answers depend on beside acknowledgements has changed: all look again. */
void gw_source_wake_answers(struct gw_source *s);
void gw_source_release_range(struct gw_source *s, unsigned volume, struct gw_range *range);
/* Something an observer may want to know changed (mu held). */
void gw_source_changed(struct gw_source *s);
#define GW_GOING_ON_ALONE "recorded UNSYNC, going on alone" /* sync mode, continue */
void gw_source_set_reason(struct gw_source *s, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* All with mu held unless said otherwise. */

/* R20: a local flush or plan file failed; nothing is assumed written. */
void gw_source_fail(struct gw_source *s, const struct gw_error *err);
/* Begin to serve: crashed sides take a new incarnation first. May store meta. */
int gw_source_begin_serving(struct gw_source *s, struct gw_error *err);
/* Turn records not durable at the peer into bits; writes only mark from now on. */
void gw_source_fall_behind(struct gw_source *s, const char *why);
/* End the session: `reason` 0 = the connection is gone. */
void gw_session_kill(struct gw_source *s, enum gw_goodbye_reason reason, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Is the ring in use and complete for a peer that holds `acked_seq`? */
bool gw_source_streaming(const struct gw_source *s);
/* Put a small control record into the ring; its seq, or 0 if there is no room now. */
uint64_t gw_source_put_record(struct gw_source *s, enum gw_record_type type, const void *payload,
                              uint32_t len);

/* source_volumes.c; the first without mu, by the link thread while no session is up. */
int gw_source_adopt_shape(struct gw_source *s, const struct gw_side *peer, bool *ret_adopted,
                          struct gw_error *err);
/* The session begins without the SHAPE that was in the ring: it is gone. mu held. */
int gw_source_lose_shape(struct gw_source *s, struct gw_error *err);
void gw_source_on_shape_result(struct gw_source *s, const struct gw_result *result);
void gw_source_publish_volumes(struct gw_source *s);

/* source_hot.c */
void *gw_source_hot_main(void *arg);
void *gw_source_keeper_main(void *arg);
/* Before a peer is copied to: UNSYNC durable if SYNC was claimed, or nothing yet (mu held). */
int gw_source_record_unsync(struct gw_source *s, struct gw_error *err);
/* Numbers are reserved durably before use; false: not yet, the keeper was told (mu held). */
bool gw_source_may_number(struct gw_source *s);
void gw_source_park(struct gw_source *s); /* mu held; drops it while waiting */
/* source_link.c */
void *gw_source_link_main(void *arg);
/* source_start.c: hello, verdict, start; conn is up. -ECANCELED: session over, no error. */
int gw_session_open(struct gw_source *s, struct gw_error *err);
/* This side's statement, with what only a running source knows (mu held). */
void gw_source_own_side(const struct gw_source *s, struct gw_side *ret);
/* What a verdict means for a process that can only be a source. 0: it is the source. No lock. */
int gw_source_obey(struct gw_source *s, const struct gw_verdict *v, struct gw_error *err);
/* source_guard.c: answers whoever calls while this side serves or waits. */
void *gw_source_guard_main(void *arg);
/* source_ack.c: what the target says; -errno ends the session. */
int gw_source_on_frame(struct gw_source *s, const struct gw_frame *f, const uint8_t *payload,
                       struct gw_error *err);
/* source_inject.c: put the next thing of a resync, assess or verify into the ring. Called without
 * mu by the link thread. 1: did something; 0: nothing to do now; -errno ends the session. */
int gw_source_inject(struct gw_source *s, struct gw_error *err);
