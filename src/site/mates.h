// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Mates: the daemons of the other sites. One thread a mate sends a beat every second: our sides of
 * the plans that we share (site/side.h), and gets theirs. What was heard and when is kept in memory
 * only; that a mate is silent is never taken for anything else than that.
 *
 * Threads: any may call. A mate lives until site_stop or until it is paired anew.
 */
#pragma once

#include "http/client.h"
#include "site/site.h"

#define SITE_BEAT_MS 1000u
#define SITE_BEAT_TIMEOUT_MS 5000u
#define SITE_BEAT_SIDES_MAX 32u   /* in one message: a server takes GW_HTTP_VALUES_MAX values */
#define SITE_MATE_SILENT_MS 5000u /* heard nothing for so long: not reachable */

struct site_mate_address {
    char link[GW_PAIR_ADDRESS_MAX], data[GW_PAIR_ADDRESS_MAX];
};
/* -ENOENT: not paired with that site; the sentence says how to. */
int site_mate_address(struct site *s, const char *name, struct site_mate_address *ret,
                      struct gw_error *err);

/* Another machine has its name: nothing that was heard of it counts. */
void site_mates_forget(struct site *s, const char *name);
/* Begin to beat to all peers of the catalog; again after a pairing. */
int site_mates_load(struct site *s, struct gw_error *err);
/* Calls in flight end, and new ones fail at once; then, when nobody calls any more, free. */
void site_mates_stop(struct site *s);
void site_mates_free(struct site *s);

struct site_mate_state {
    /* heard: it answered or beat within SITE_MATE_SILENT_MS. reachable: and our own calls arrive.
     */
    bool paired, heard, reachable;
    uint64_t heard_boot_ns;  /* 0: never since we started */
    uint64_t beaten_boot_ns; /* its last beat to us */
    char one_way[256];       /* heard, and calls arrive in one direction only: which, and why */
    uint64_t rtt_ns;
    int64_t offset_ns; /* its wall clock minus ours */
    bool clock_known;
    char version[32];
    char why[256]; /* not reachable: what the last attempt said */
};
void site_mate_state(struct site *s, const char *name, struct site_mate_state *ret);

/*
 * Call a method of the mate's daemon (rpc.h). As gw_peer_call; params is taken over. -ENOENT: not
 * paired.
 */
int site_mate_call(struct site *s, const char *name, const char *method, json_t *params,
                   unsigned timeout_ms, json_t **ret, enum gw_http_outcome *ret_outcome,
                   struct gw_error *err);

/* A beat that a mate sent to us: its sides are kept; ours are the answer. */
int site_mates_heard(struct site *s, const char *from, const json_t *params, json_t **ret,
                     struct gw_error *err);
/* Our side of a plan, looked at now, as other messages than beats carry it; what came so is kept as
 * if it had come with a beat: whoever reigns is known by whatever is heard first. */
json_t *site_mates_side(struct site *s, struct site_plan *p);
void site_mates_told(struct site *s, const char *mate, const json_t *sides);
/*
 * What the peer of a plan knows of its half, looked at now, for who is about to decide: kept as if
 * it had come with a beat. A peer that is silent, or not as quick as SITE_ASK_MS, is left with what
 * it said last, which counts for as long as it would have.
 */
#define SITE_ASK_MS 2000u
void site_mates_ask(struct site *s, struct site_plan *p);
/* Beat now, so that a change is known there soon. */
void site_mates_wake(struct site *s);
