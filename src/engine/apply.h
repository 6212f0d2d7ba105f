// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The applier: replays journal records onto the volumes, in order. Used by a running replica, at
 * its start, and by a promotion; so there is one way in which a record becomes data.
 *
 * It keeps the position that the volumes have (address, seq, chain), writes the mark into meta
 * after an fdatasync, keeps the undo file while a resync is pending (T3, R16), adopts the source's
 * identity at FIN (R8), and records a matched handover token (R17).
 *
 * Threads: one user at a time; takes plan->mu where it touches meta or maps.
 */
#pragma once

#include "engine/frame.h"
#include "engine/journal.h"
#include "engine/plan.h"
#include "engine/recent.h"
#include "engine/undo.h"

struct gw_applier;

struct gw_applier_hooks { /* may be NULL: at a replay nobody is listening */
    void *arg;
    /* A HASH or VERIFY record was compared. */
    void (*diff)(void *arg, uint64_t address, const struct gw_diff *d);
    /* FIN was adopted. */
    void (*finished)(void *arg, uint64_t address);
    /* A handover token was matched (true) or voided (false), durably. */
    void (*token)(void *arg, uint64_t address, bool matched);
    /* A POINT record. The volumes are synced and marked; while a resync is pending they are not,
     * and no point can be made (R15). */
    void (*point)(void *arg, uint64_t address, uint64_t seq, const char *id, const char *tag);
    /* A SHAPE record: made (code 0), or durably passed over for this reason. */
    void (*shape)(void *arg, uint64_t address, uint64_t seq, int code, const char *why);
    /* Does the present session wait for the answer to the record at `address`? plan->mu held. */
    bool (*asked)(void *arg, uint64_t address);
};

int gw_applier_new(struct gw_plan *plan, struct gw_journal *journal,
                   const struct gw_applier_hooks *hooks, struct gw_applier **ret,
                   struct gw_error *err);
void gw_applier_free(struct gw_applier *a);
/* Take batches from here where they are kept; the journal has them all. */
void gw_applier_use_recent(struct gw_applier *a, struct gw_recent *c);

/* Apply what lies before `limit` (a durable journal address), at most about 1 MiB of it.
 * Returns 1 if it applied something, 0 if there was nothing. -ENOSPC may be retried. */
int gw_applier_step(struct gw_applier *a, uint64_t limit, struct gw_error *err);
/* fdatasync the volumes and write the position into meta. */
int gw_applier_mark(struct gw_applier *a, struct gw_error *err);
bool gw_applier_marked(const struct gw_applier *a); /* the mark in meta is the position */

/* With plan->mu held. */
uint64_t gw_applier_address(const struct gw_applier *a);
uint64_t gw_applier_seq(const struct gw_applier *a);   /* of the last record applied */
uint64_t gw_applier_chain(const struct gw_applier *a); /* after it */
/* A session begins a stream here: numbers and chain of what follows. */
void gw_applier_begin(struct gw_applier *a, uint64_t seq, uint64_t chain);

/* The undo file of a pending resync; NULL when none. The apply thread's alone. */
const struct gw_undo *gw_applier_undo(const struct gw_applier *a);
/* What it holds; with plan->mu held. */
void gw_applier_undo_size(const struct gw_applier *a, uint64_t *ret_blocks, uint64_t *ret_bytes);
/* A resync was prepared (meta.pending_id names the undo): open it. */
int gw_applier_open_undo(struct gw_applier *a, struct gw_error *err);
