// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * New hardware in place of a lost site, under its old name: `godwit site replace`.
 *
 *     check     this side must hold the authority of every plan that it shares with the site, and
 *               no run may be open: who lost the active side fails over first
 *     pair      with a one-time code; only that replaces the old pin. In the same transaction as
 *               the new address every plan is marked as replaced, and as not synced
 *     run       once the new site has the plan's document, the monitor begins a `reverse` of each
 *               marked plan: the first step at the new site makes a blank directory, a full seed
 *               follows. A mark stays until the first full sync, so that a run which was halted or
 *               aborted is simply ordered again (godwit reverse)
 *
 * A crash at any moment leaves either the old pairing or the new one with its marks. What was
 * recorded of the plans and of the old site's runs stays.
 *
 * Threads: any.
 */
#pragma once

#include "site/actions.h"

struct site_replacement {
    const char *code; /* made at the new machine; "": a code is made here, to be typed there */
    const char *link; /* its link address; needed with a code */
    const char *data; /* its data address; "": as it says itself */
};

/* May the site be replaced, by all plans? -EPERM: not; `no` (may be NULL) has the guard. */
int site_replace_check(struct site *s, const char *site, struct site_refusal *no,
                       struct gw_error *err);

/*
 * *ret: {"code","expires",...} when a code was made; else {"replaced", "plans": [{"plan","run"}]},
 * and "run" with the whole run if it is one. -EPERM with no->guard: a guard refuses.
 */
int site_replace(struct site *s, const char *site, const struct site_replacement *how,
                 const struct site_person *who, json_t **ret, struct site_refusal *no,
                 struct gw_error *err);

/* Mark all active plans shared with the site, in the caller's transaction. */
int site_replace_mark(struct site *s, const char *site, const char *by, struct gw_error *err);

/* The monitor: begin the run of a marked plan when that is possible. */
void site_replace_go_on(struct site *s, struct site_plan *p, const json_t *ours,
                        const json_t *theirs);

/* A peer has another address or certificate: running sources of its plans are told. */
void site_replace_repoint(struct site *s, const char *site);
