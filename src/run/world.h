// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * What a run acts upon: the site's own code, the other site, clocks. A table of functions; the
 * daemon fills it, and so does the simulator of the tests.
 *
 * effect, undo, observe act at this site. They are called by the coordinator's thread for its own
 * side, and by gw_run_receive for the other's; never two of one run at the same time.
 *   - They fill *ret and cannot fail otherwise: what they do not know is UNKNOWN.
 *   - effect: the step at call->here. It keeps within call->step->timeout_ms and kills what it
 *     started; a time-out is UNKNOWN.
 *   - undo: "make sure that it is as before"; may be called for a step whose effect never began,
 * and again after a crash.
 *   - observe: changes nothing. Only what it has seen with its own eyes is DESIRED or EARLIER. Of a
 *     step that waits it says WAITING as long as it does.
 *   - call->dry: change nothing.
 *
 * peer: send to the other site's daemon, which gives it to gw_run_receive. 0 and *ret, or
 *   -ENOTCONN  certainly not delivered (not connected; answer at once when the link is known down)
 *   other      no answer: it may have been delivered, or be under way
 */
#pragma once

#include "run/at_work.h"
#include "run/run.h"
#include "run/store.h"

enum gw_run_message_kind {
    GW_RUN_COPY = 0, /* here are entries */
    GW_RUN_PULL,     /* what have you got from `have` on? */
    GW_RUN_EFFECT,
    GW_RUN_UNDO,
    GW_RUN_OBSERVE,
    GW_RUN_MESSAGE_MAX,
};
const char *gw_run_message_name(enum gw_run_message_kind kind);

struct gw_run_message {
    enum gw_run_message_kind kind;
    struct gw_run run; /* all of it: the receiver may not know the run yet */
    uint64_t epoch;    /* of the sender's view */
    enum gw_run_side from;
    uint32_t have; /* COPY: number of the first entry sent; PULL: entries held */
    const struct gw_run_entry *entries; /* COPY */
    unsigned n;
    uint32_t step, attempt; /* EFFECT, UNDO, OBSERVE */
    bool dry;
};

enum gw_run_answer {
    GW_ANSWER_OK = 0,
    GW_ANSWER_OLD_EPOCH, /* a newer epoch of the plan is known here */
    GW_ANSWER_ENDED,     /* the run has ended here */
    GW_ANSWER_AHEAD,     /* COPY: this site's log goes another way, in a higher epoch: pull it */
    GW_ANSWER_GAP,       /* send entries from number `have` on first */
    GW_ANSWER_BUSY,      /* another run of the plan has not ended here */
    GW_ANSWER_CONFLICT,  /* COPY: another way in the same epoch: a person overrode at both sites */
    GW_ANSWER_INVALID,   /* does not decode into a log */
    GW_ANSWER_MAX,
};
const char *gw_run_answer_name(enum gw_run_answer answer);

struct gw_run_reply {
    enum gw_run_answer answer;
    uint32_t have;                 /* entries held of this run */
    uint64_t epoch;                /* the highest known of the plan */
    struct gw_run_outcome outcome; /* EFFECT, UNDO, OBSERVE */
    struct gw_run_entry *entries;  /* PULL; malloc'ed, gw_run_reply_done frees */
    unsigned n;
    char busy[GW_RUN_ID_MAX];        /* BUSY: with this run */
    char sentence[GW_ERROR_MSG_MAX]; /* when not OK */
};
void gw_run_reply_done(struct gw_run_reply *reply);

/* Where a crash is worth trying: the tests stop or kill there. */
enum gw_run_moment {
    GW_MOMENT_BEFORE_EFFECT = 0, /* the intent is durable */
    GW_MOMENT_AFTER_EFFECT,      /* its outcome is not recorded */
    GW_MOMENT_AFTER_RECORD,
    GW_RUN_MOMENT_MAX,
};
const char *gw_run_moment_name(enum gw_run_moment moment);

struct gw_run_world {
    void (*effect)(void *ctx, const struct gw_run_call *call, struct gw_run_outcome *ret);
    void (*undo)(void *ctx, const struct gw_run_call *call, struct gw_run_outcome *ret);
    void (*observe)(void *ctx, const struct gw_run_call *call, struct gw_run_outcome *ret);
    int (*peer)(void *ctx, const struct gw_run_message *m, struct gw_run_reply *ret,
                struct gw_error *err);
    uint64_t (*boot_ns)(void *ctx);
    uint64_t (*wall_ns)(void *ctx);
    /* How long services may be stopped before the point of no return (D10), from the plan that the
     * run is pinned to; 0: for ever. NULL is fine. */
    uint64_t (*outage_ms)(void *ctx, const struct gw_run *run);
    /* Sleep until boot time `until`, or less: a request came, the link came up, the daemon stops.
     */
    void (*wait)(void *ctx, const char *run, uint64_t until_boot_ns);
    bool (*stopping)(void *ctx);
    /* After each append and copy. For events and progress; NULL is fine. */
    void (*changed)(void *ctx, const struct gw_run *run, const struct gw_run_view *v,
                    const struct gw_run_entry *last);
    /* true: act as if killed here (the call returns, nothing more is written). NULL is fine.
     * `remote`: asked at the receiving side. */
    bool (*crash)(void *ctx, enum gw_run_moment moment, const struct gw_run_call *call,
                  bool remote);
};

struct gw_run_env {
    const struct gw_run_store *store;
    void *store_ctx;
    const struct gw_run_world *world;
    void *world_ctx;
    const char *site;               /* this site's name: says which side of a run it is */
    struct gw_run_at_work *at_work; /* of this daemon */
    /* For tests that break a rule on purpose; NULL: gw_decide, gw_operation_get. */
    gw_decide_fn *decide;
    const struct gw_operation *(*operation)(enum gw_operation_id id);
};
