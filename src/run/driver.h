// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Inside of the layer: one run being carried out at this site.
 *
 * driver.c  the loop: facts, decision, and the decisions that are only recorded
 * act.c     effects, observes, undos
 * peer.c    the other site: copies, what it has, asking
 *
 * All of it belongs to the run's thread.
 */
#pragma once

#include "run/execute.h"
#include "run/log.h"

struct gw_run_driver {
    struct gw_run_log log;
    /* The other site, as far as this thread has noticed. */
    enum gw_peer_contact peer;
    char peer_why[GW_ERROR_MSG_MAX]; /* it does not answer: what was said instead */
    uint32_t peer_has;
    uint64_t peer_next_ns; /* not tried before */
    bool superseded;
    char superseded_by[GW_ERROR_MSG_MAX + 32];
    bool pulled; /* a follower has looked once, or an end was told once more */
    bool over;   /* it had ended when it was opened */
    /* The step at hand: since when nothing has come of it. */
    uint32_t at_step, at_attempt;
    bool at_back;
    uint64_t since_ns;
    uint64_t abort_ns;      /* boot time; 0: never */
    uint64_t outage_ns;     /* D10, the same */
    uint32_t opened_n;      /* entries when it was opened: another began what they say */
    uint64_t not_before_ns; /* a pause after a failure */
    unsigned polls;         /* of a step here that waits, in a row */
    bool dead;              /* world->crash said so */
};

uint64_t gw_run_now(const struct gw_run_driver *d);
/* When an effect of this step has to give up waiting (gw_run_call.until_boot_ns). */
uint64_t gw_run_until(struct gw_run_driver *d, uint32_t step);

/* peer.c ------------------------------------------------------------------------------------- */
/* Send what the other site lacks; at least an empty greeting. d->peer says how it went. Negative
 * only when this site's store fails. *ret_not_sent (may be NULL): nothing of it can have arrived.
 */
int gw_run_share(struct gw_run_driver *d, bool *ret_not_sent, struct gw_error *err);
/* Take what the other site has and this one lacks. */
int gw_run_pull(struct gw_run_driver *d, struct gw_error *err);
/* EFFECT, UNDO or OBSERVE there. Always fills *ret. */
int gw_run_remote(struct gw_run_driver *d, enum gw_run_message_kind kind,
                  const struct gw_run_call *call, struct gw_run_outcome *ret, struct gw_error *err);

/* act.c -------------------------------------------------------------------------------------- */
int gw_run_do(struct gw_run_driver *d, uint32_t step, struct gw_error *err);
/* *ret_news: something was recorded. */
int gw_run_observe(struct gw_run_driver *d, uint32_t step, bool *ret_news, struct gw_error *err);
int gw_run_undo(struct gw_run_driver *d, uint32_t step, struct gw_error *err);
