// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The decider of a run: pure. What is known in, the next thing to do out.
 *
 *     struct gw_run_view v = { 0 };
 *     for each entry e of the log:
 *         gw_run_view_add(&v, op, &e, &why)     the state of the run is the fold of its log
 *     gw_decide(op, &v, &facts, &action)        the one next action; never two, never none
 *
 * The executor (layer run) obeys, appends what came of it to the log, folds, and asks again. What a
 * crash leaves is a log; nothing else is remembered, so a restart is the ordinary case.
 *
 * Rules, each kept here and named where it is kept:
 *   D1  INTENT without an outcome, and UNKNOWN, are observed; nothing is assumed.
 *   D2  A ONCE step has one INTENT at most, whoever asks for more.
 *   D3  Before the point of no return a run goes back in reverse order; after it, only forward.
 *   D4  A cancel is honoured between steps only (and while a step waits).
 *   D5  A decision (creation, approvals, intent of the point of no return, going back, override) is
 *       durable at the other site before its effect; where the operation allows it and the other
 *       site is silent, at one place, and the log says so.
 *   D6  Once the other site may know of the intent of a ONCE point of no return, this side does
 *       not go back before the other has heard so: it might have been told to take over. Until
 *       then the run is IN_DOUBT.
 *   D7  Retries and redos are bounded; what cannot go on halts with the choices listed. An attempt
 *       whose time ran out, and that is then seen not to have happened, has failed: it is begun
 *       again as often as the step's retries say, like any other. (A crash is no failure.)
 *   D8  After the end nothing is done.
 *   D9  Only the coordinator acts. The other site follows its copy of the log; it takes over when
 *       that log says that the release is done, or a person overrides.
 *   D10 The services are not stopped for longer than the plan allows before the point of no
 *       return: past it the run goes back (as after its time to abort by).
 *
 * The view is plain memory; any thread, one at a time.
 */
#pragma once

#include "core/operation.h"
#include "core/run_state.h"

#include <stddef.h>

/* Begun at most so often without a person's word, whatever the reason (D7). */
#define GW_STEP_TRIES_MAX 8u
#define GW_UNDO_TRIES_MAX 5u
/* An effect whose step has no time limit (it waits): how long a silent site is waited for. */
#define GW_STEP_PATIENCE_MS 60000u

enum gw_entry_flag {
    GW_ENTRY_DRY = 1 << 0,      /* CREATED: a dry run */
    GW_ENTRY_OBSERVED = 1 << 1, /* an outcome that was observed, not returned */
    /* NOTHING: the other site has certainly not seen the intent (D6 does not hold). */
    GW_ENTRY_NOT_SENT = 1 << 2,
    GW_ENTRY_UNSEEN = 1 << 3, /* DONE, in a dry run: what is there could not be seen */
    GW_ENTRY_FLAGS_ALL = 15,
};

/* The part of a log entry that decides. */
struct gw_entry_core {
    enum gw_entry_kind kind;
    uint32_t flags;
    uint32_t step;         /* index in the operation, GW_NO_STEP where none is meant */
    uint32_t attempt;      /* INTENT and its outcome, UNDO and its outcome: 1, 2, ... */
    uint64_t epoch;        /* of the coordinator that wrote it; never falls */
    enum gw_run_side side; /* who wrote it */
};
#define GW_NO_STEP UINT32_MAX

enum gw_step_state {
    GW_STEP_IDLE = 0, /* not begun, or a person wants it again */
    GW_STEP_INTENT,   /* begun, no outcome */
    GW_STEP_DONE,
    GW_STEP_FAILED,
    GW_STEP_UNKNOWN,
    GW_STEP_NOTHING,
    GW_STEP_NEITHER,
    GW_STEP_WAITS,
    GW_STEP_CONTINUED,
    GW_STEP_SKIPPED,
    GW_STEP_UNDOING,
    GW_STEP_UNDO_FAILED,
    GW_STEP_UNDONE,
    GW_STEP_STATE_MAX,
};
const char *gw_step_state_name(enum gw_step_state state);

struct gw_step_view {
    enum gw_step_state state;
    unsigned attempts;      /* INTENTs, all */
    unsigned undo_attempts; /* UNDOs, all */
    unsigned tries;         /* since a person last said retry or resume */
    unsigned fails;         /* attempts that failed, or timed out without an effect (D7) */
    bool timed_out;         /* the present attempt said itself that its outcome is unknown */
    unsigned undo_tries;
    /* Of an idempotent step: an INTENT of it may have begun to take effect. Seen as before the step
     * it may still be half done (wanted, and not there yet): going back takes it back as well. */
    bool begun;
};

struct gw_run_view {
    enum gw_run_state state;
    enum gw_run_state before; /* HALTED, IN_DOUBT: where it goes on */
    enum gw_run_side coordinator;
    uint64_t epoch;
    uint32_t entries; /* folded so far */
    uint32_t approvals;
    uint32_t decision; /* entries up to here must be at both places (D5); 0: none */
    uint32_t alone;    /* ... but up to here the log says: at one place */
    bool dry;
    bool back;        /* going back: CANCEL or REVERT is in the log */
    bool ponr_intent; /* a ONCE point of no return was begun */
    bool ponr_passed; /* D3 */
    bool exposed;     /* D6: the other site may know of that intent */
    bool released;    /* the handover is done and NEW has not taken over yet */
    bool returning;   /* GIVE_UP */
    bool overridden;
    uint32_t halted_at; /* the step, or GW_NO_STEP */
    struct gw_step_view step[GW_OPERATION_STEPS_MAX];
};

/*
 * Fold one entry. 0, or -EPROTO with *ret_why: the entry does not fit (its state says refused or
 * impossible, a step that is not there, an epoch that falls, a second INTENT of a ONCE step, an
 * undo past the point of no return); the view is then unchanged.
 */
int gw_run_view_add(struct gw_run_view *v, const struct gw_operation *op,
                    const struct gw_entry_core *e, const char **ret_why);

/* ---- persons --------------------------------------------------------------------------------- */

enum gw_choice {
    GW_CHOICE_NONE = 0,
    GW_CHOICE_APPROVE,
    GW_CHOICE_CANCEL,
    GW_CHOICE_RESUME,   /* look again, go on */
    GW_CHOICE_RETRY,    /* do it again */
    GW_CHOICE_SKIP,     /* a person says that it is done, or not needed */
    GW_CHOICE_REVERT,   /* go back */
    GW_CHOICE_ABORT,    /* end the run as things stand */
    GW_CHOICE_OVERRIDE, /* in doubt. At OLD: NEW will not take over. At NEW: OLD will not serve */
    GW_CHOICE_MAX,
};
const char *gw_choice_name(enum gw_choice choice); /* "approve", ... */
bool gw_choice_parse(const char *word, enum gw_choice *ret_choice);
const char *gw_choice_sentence(enum gw_choice choice); /* what choosing it means */
enum gw_entry_kind gw_choice_entry(const struct gw_run_view *v, enum gw_choice choice);

/* ---- deciding -------------------------------------------------------------------------------- */

enum gw_peer_contact {
    GW_PEER_UNKNOWN = 0, /* not tried yet */
    GW_PEER_THERE,
    GW_PEER_SILENT,
    GW_PEER_MAX,
};

struct gw_run_facts {
    enum gw_run_side me;
    enum gw_peer_contact peer;
    uint32_t peer_has; /* entries that the other site is known to hold */
    unsigned approvals_needed;
    bool start_due;
    bool abort_by_passed;
    bool outage_passed; /* the services are stopped for as long as they may be (D10) */
    bool late;          /* the current step's time is up: silent, or not to be observed */
    bool superseded;    /* a newer epoch of this plan exists */
    bool return_on_unhealthy;
    enum gw_choice choice; /* the oldest one not answered */
};

enum gw_act {
    GW_ACT_WAIT = 0, /* for `wait`; look again after a while or when something happens */
    GW_ACT_START,    /* record that it starts */
    GW_ACT_READY,    /* record that it waits for its time */
    GW_ACT_DO,       /* INTENT, effect, outcome */
    GW_ACT_OBSERVE,  /* of an INTENT without outcome, of UNKNOWN */
    GW_ACT_POLL,     /* observe a step that waits; record only a change */
    GW_ACT_UNDO,     /* UNDO, undo, outcome */
    GW_ACT_CONTINUE, /* record that the failed step is passed over */
    GW_ACT_GIVE_UP,
    GW_ACT_CANCEL, /* record: abort-by has passed, go back */
    GW_ACT_REVERT, /* record: a step failed, go back */
    GW_ACT_HALT,
    GW_ACT_DOUBT,
    GW_ACT_CLEAR,
    GW_ACT_TELL,      /* a decision must reach the other site first; try */
    GW_ACT_ALONE,     /* record that decisions are at one place only */
    GW_ACT_RECORD,    /* record the person's request */
    GW_ACT_REFUSE,    /* answer the person's request with `why` */
    GW_ACT_HAND_OVER, /* the release is done: tell NEW until it has taken over */
    GW_ACT_ASK,       /* NEW, in doubt: ask OLD what became of the release */
    GW_ACT_TAKE_OVER, /* NEW: record that it coordinates */
    GW_ACT_SUPERSEDE, /* record that a newer run took its place */
    GW_ACT_FINISH,    /* record the end: `end` */
    GW_ACT_PASSIVE,   /* nothing to do at this site */
    GW_ACT_MAX,
};
const char *gw_act_name(enum gw_act act);

enum gw_wait_for {
    GW_FOR_NOTHING = 0,
    GW_FOR_APPROVAL,
    GW_FOR_TIME,
    GW_FOR_PERSON, /* HALTED: see choices */
    GW_FOR_PEER,
    GW_FOR_DOUBT,
    GW_WAIT_FOR_MAX,
};

struct gw_action {
    enum gw_act act;
    uint32_t step; /* DO, OBSERVE, POLL, UNDO, CONTINUE, HALT; else GW_NO_STEP */
    enum gw_wait_for wait;
    enum gw_run_state end; /* FINISH */
    const char *why;       /* a sentence, never NULL */
};

/* Total and pure: the same arguments give the same action. */
void gw_decide(const struct gw_operation *op, const struct gw_run_view *v,
               const struct gw_run_facts *facts, struct gw_action *ret);
typedef void gw_decide_fn(const struct gw_operation *op, const struct gw_run_view *v,
                          const struct gw_run_facts *facts, struct gw_action *ret);

enum gw_may {
    GW_MAY_NOT = 0,
    GW_MAY_LATER, /* after the step that is under way */
    GW_MAY,
};
/* May this be asked for now? *ret_why: a sentence if not. */
enum gw_may gw_run_may(const struct gw_operation *op, const struct gw_run_view *v,
                       const struct gw_run_facts *facts, enum gw_choice choice,
                       const char **ret_why);
/* Bits 1 << gw_choice of what a person may ask for now or after the present step. */
unsigned gw_run_choices(const struct gw_operation *op, const struct gw_run_view *v,
                        const struct gw_run_facts *facts);

/* The step that the run stands at, or GW_NO_STEP: forward the next one, going back the one to undo.
 */
uint32_t gw_run_current(const struct gw_operation *op, const struct gw_run_view *v);
/* The other site of a step: is it not done by `me`? */
bool gw_step_is_remote(const struct gw_step *step, const struct gw_run_view *v,
                       enum gw_run_side me);
/*
 * What to show, at either site. As v->state, but a follower whose log ends with the release begun
 * is IN_DOUBT when the other site is silent.
 */
enum gw_run_state gw_run_shown_state(const struct gw_run_view *v, const struct gw_run_facts *facts);
