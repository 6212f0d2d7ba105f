// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The inside of a replica, shared by replica*.c. */
#pragma once

#include "base/cleanup.h"
#include "engine/apply.h"
#include "engine/assessed.h"
#include "engine/frame.h"
#include "engine/journal.h"
#include "engine/plan.h"
#include "engine/replica.h"
#include "engine/undo.h"

#include <pthread.h>

struct gw_replica_session {
    struct gw_conn *conn;
    bool live;    /* frames may be sent on it */
    bool started; /* START was answered */
    bool dead;
    enum gw_session_mode mode;
    bool sync, session_numbers;
    struct gw_hello hello; /* the source's */
    struct gw_verdict verdict;
    struct gw_uuid uuid; /* incarnation that names the records */
    uint64_t seed;
    uint64_t start_addr; /* journal address of its first record */
    /* Sizes of the volumes as both sides had them at START: a SHAPE ends the session. */
    uint64_t volume_bytes[GW_VOLUMES_MAX];
    bool finished, token_matched;
    bool barrier;
    uint64_t echo_ns;
    struct gw_bitmap *own_fine[GW_VOLUMES_MAX]; /* assess: this side's set */
    bool fork;                                  /* assess: the source has the state at the fork */
};

struct gw_replica {
    struct gw_plan *plan;
    pthread_mutex_t *mu; /* = &plan->mu: guards everything below; never held over bulk I/O */
    struct gw_replica_config cfg;
    char listen[256];
    pthread_cond_t cv_session, cv_sync, cv_apply, cv_change;
    pthread_t accept_thread, session_thread, sync_thread, apply_thread;
    bool running, stop;
    int stop_fd;
    uint64_t changes;
    pthread_mutex_t send_mu; /* one frame at a time on the connection; taken without mu */

    struct gw_listener *listener;
    struct gw_conn *waiting; /* accepted, hello read, not taken over yet */
    struct gw_hello waiting_hello;
    uint64_t newest_caller; /* the greeter's number of the last one taken over */

    struct gw_journal *journal;
    struct gw_applier *applier;
    /* positions: received >= durable >= applied. Addresses are journal addresses. */
    uint64_t received_addr, durable_addr, applied_addr;
    uint64_t received_seq, durable_seq, applied_seq;
    uint64_t received_chain, durable_chain;
    uint64_t numberings; /* times that these began anew (gw_replica_number) */
    uint64_t shape_addr; /* journal address behind the last SHAPE that was received */
    uint64_t unsynced_since_ns;
    bool need_room; /* the journal could not grow: what is applied gives way */

    struct gw_replica_session ses;
    enum gw_replica_state state;
    char reason[GW_ERROR_MSG_MAX];
    bool failed;

    struct gw_point *point_wanted; /* a control request, made by the applier */
    bool point_serving, point_done;
    int point_result;
    struct gw_error point_error;
    struct gw_bitmap *tail[GW_VOLUMES_MAX]; /* found by the last assess; kept after it */
    struct gw_assessed assessed;            /* whose tail that is */
    struct gw_recent *recent;               /* received, not yet applied */
    uint8_t *rx;                            /* in it: batch header room + GW_FRAME_BYTES_MAX */
    uint8_t *zx;                            /* compressed frames */
    struct gw_replica_status st;
};

/* Position and chain of what comes next; nothing of it is received yet. mu held. */
void gw_replica_number(struct gw_replica *r, uint64_t seq, uint64_t chain);
void gw_replica_wait(struct gw_replica *r, pthread_cond_t *cv, unsigned ms);
void gw_replica_changed(struct gw_replica *r);
void gw_replica_set_reason(struct gw_replica *r, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* A local error that needs a person (R20). mu held. */
void gw_replica_fail(struct gw_replica *r, const struct gw_error *err);

void *gw_replica_accept_main(void *arg);
void *gw_replica_session_main(void *arg);
void *gw_replica_sync_main(void *arg);
void *gw_replica_apply_main(void *arg);

/* Frames; without mu. */
int gw_replica_send(struct gw_replica *r, enum gw_frame_type type, const void *payload, size_t len,
                    struct gw_error *err);
void gw_replica_goodbye(struct gw_replica *r, enum gw_goodbye_reason reason, const char *sentence);
int gw_replica_send_ack(struct gw_replica *r, struct gw_error *err);

/* Wait until all that was received is durable and applied, and marked in meta. Without mu. */
int gw_replica_settle(struct gw_replica *r, struct gw_error *err);
/* The volumes are synced and marked (apply thread): make the point. Without mu. */
int gw_replica_make_point(struct gw_replica *r, struct gw_point *p, struct gw_error *err);
/* replica_prepare.c: exchange sets, become a target. Without mu. */
int gw_replica_prepare(struct gw_replica *r, const struct gw_start *start, struct gw_error *err);
/* replica_assess.c. The peer went back behind what it had acknowledged to this side: its set says
 * nothing of what this side holds alone. mu held. */
bool gw_replica_was_rewound(const struct gw_replica *r);
/* This side's own set, before it is compared; mu held. */
void gw_replica_begin_assess(struct gw_replica *r, const struct gw_start *start);
/* Answer hashes, without journal. Without mu. */
int gw_replica_assess(struct gw_replica *r, const uint8_t *records, size_t len,
                      struct gw_error *err);
/* What is about to be signed, if it is exactly the tail, outlives this process. -EPERM: it was not
 * counted to its end. Without mu. */
int gw_replica_save_assessed(struct gw_replica *r, struct gw_error *err);
