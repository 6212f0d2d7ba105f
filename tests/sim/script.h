// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * A history is a script: who does what, in an order that is written down. What the engine does by
 * itself in between (its threads, in any interleaving) the seed decides; the script waits for
 * events
 * (`until`) and holds threads back (holds.h), it never counts on time. So a history is the same
 * with every seed, and each runs with many.
 *
 * Two kinds of failure: the oracle's (sim_fail: something was promised and is not so), and the
 * script's own: it cannot be played to its end ("the script: ..."), which proves nothing.
 *
 * A is the site that is active first, B its standby. Volumes are of MiBs; `put` writes one block
 * (4 KiB), named by its number; EXTENT(n) is the first block of an extent.
 */
#pragma once

#include "holds.h"
#include "operator.h"
#include "simnet.h"

#define A (&world.site[0])
#define B (&world.site[1])
#define EXTENT(n) ((uint64_t)(n)*GW_BLOCKS_PER_EXTENT)
#define EVERYWHERE 0, UINT64_MAX
#define AT_EXTENT(n) EXTENT(n) * GW_BLOCK_BYTES, EXTENT((n) + 1) * GW_BLOCK_BYTES

/* ---- the stage ------------------------------------------------------------------------------- */

/* Both plans exist, A serves, B follows, both are equal and at rest: every map is empty and saved,
 * nothing is hot, the journal is applied. Change world.config before. */
void stage(unsigned volumes, unsigned mib);
/* The same in sync mode, SYNC recorded. */
void stage_sync(unsigned volumes, unsigned mib);

/* ---- waiting --------------------------------------------------------------------------------- */

#define until(condition)                                                                           \
    do {                                                                                           \
        script_begin_wait();                                                                       \
        while (!(condition))                                                                       \
            script_wait(#condition);                                                               \
    } while (0)
void script_begin_wait(void);
void script_wait(const char *what); /* fails the script after a virtual minute */
/* For what must not happen, and what would have happened by then without the rule. A moment is for
 * where a thread of the engine does not sleep meanwhile. */
void a_while(void);
void a_moment(void);
/* The script cannot go on. */
void script_must(bool ok, const char *what);

/* ---- clients --------------------------------------------------------------------------------- */

struct write {
    struct site *s;
    unsigned volume;
    uint64_t off, len;
    enum op_kind kind;
    struct op *op;
    bool ended;
    int result;
};

/* Answered when it returns. */
struct write *put(struct site *s, unsigned volume, uint64_t block);
/* Only begun. */
struct write *put_later(struct site *s, unsigned volume, uint64_t block);
struct write *put_bytes(struct site *s, unsigned volume, uint64_t off, uint64_t len);
void flush(struct site *s, unsigned volume);
bool answered(const struct write *w);
/* Writes from this extent on until there is no room in the ring for another block: the last one
 * was only marked (or made the source fall behind). */
void fill_ring(struct site *s, unsigned extent);
/* One write into each extent from 1 on, so many that what was hot before leaves the hot set. */
#define HOT_MIB 600u
void crowd_hot_set(struct site *s);

/* ---- sites ----------------------------------------------------------------------------------- */

void serve(struct site *s);
void follow(struct site *s);
void heal(struct site *s);
void stop(struct site *s);
void die(struct site *s);
/* The machine too. What of the unsynced survives: all (`rest`) or nothing, but for the places
 * named, where it is the other way round. */
void lose_power(struct site *s, bool rest, const struct survivor *but, unsigned n);
/* At the nth time that this crash point is reached. */
void die_at(struct site *s, const char *crash_point, unsigned nth);
void lose_power_at(struct site *s, const char *crash_point, bool rest, const struct survivor *but,
                   unsigned n);
/* A person's: `id` NULL, the newest state. Must succeed. */
void promote(struct site *s, const char *id);
void promote_rolled_back(struct site *s);
void make_point(struct site *s, const char *id); /* at a replica, now */
void quiesce(struct site *s);
void unquiesce(struct site *s);
void equal(struct site *s); /* the target has proven it */
void equal_later(struct site *s);
void release(struct site *s);
void hand_over(struct site *from); /* all of it, up to the promotion of the other side */

/* ---- the link -------------------------------------------------------------------------------- */

void cut(void); /* every connection is void, and no new one comes about */
void join(void);
void mute(struct site *from); /* what it says is held back, and nobody notices */
void unmute(struct site *from);

/* ---- what is so ------------------------------------------------------------------------------ */

bool well(void); /* one side serves, the other streams from it */
/* B (say) holds everything in its journal that the source gave a number to, durably; or applied. */
bool all_durable(struct site *source);
bool all_applied(struct site *source);
bool unsaved(struct site *s);

/* ---- what must be so ------------------------------------------------------------------------- */

/* By the book, until all is well and at rest; then both sites are equal, with all that was answered
 * in this reign (operator.h). Every history ends with it. */
void mend(void);
/* The site's volumes show this write. */
void must_show(struct site *s, const struct write *w, const char *why);
/* B stands still. If it holds a valid token, A has answered nothing that B lacks, or recorded
 * that it goes on alone. */
void token_must_be_true(void);
