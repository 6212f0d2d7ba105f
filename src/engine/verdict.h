// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The handshake verdict: given what two sides say of themselves, which row holds, who is source.
 *
 * One pure function of the unordered pair. Both sides evaluate it on the same two statements and
 * exchange the result; a difference drops the link, except that a verdict that deposes is obeyed.
 * Rows are tried in order; exactly one holds. The table with its sentences is gw_verdict_rows,
 * from which help and docs are made.
 *
 * | # | condition | verdict |
 * | 0 | plan, volumes (uuid, size, order) or format differ | REFUSE with the sentence |
 * | 1 | both serving; newest promotion numbers differ | the lower is DEPOSED |
 * | 2 | both serving otherwise | SPLIT_BRAIN |
 * | 3 | one serves or crashed while active ("the active"), and the other knows an incarnation of
 *       the active's reign that the active does not, or, in the same incarnation, a seq beyond the
 *       active's durable reservation (beyond its exact seq, if it stopped cleanly) | ROLLED_BACK |
 * | 4 | none consistent (and not blank): REFUSE. Exactly one consistent, the other inconsistent and
 *       not blank: the consistent one is source, set D (a resumed resync) |
 * | 5 | one blank: FULL from the other (the blank one must say `seed_me`); both blank: REFUSE |
 * | 6 | same uuid, both sets empty, same seq | IN_SYNC |
 * | 7 | same uuid; one is the active, its ring has no gap and reaches down to the other's seq, no
 *       bit is dirty but its own records', chain not contradicted | STREAM from there |
 * | 8 | the standby stands exactly at the fork of the active's newest incarnation, which is a
 *       promotion, clean; the ring holds all since, the active's set is empty but for its own
 *       records | STREAM (adopt in-band) |
 * | 9 | same uuid; the crashed active had recorded SYNC naming the other's present boot id, and its
 *       own boot id has changed since it crashed, and the other was not restored from an older copy
 *       (R5) | the standby is source |
 * |10 | same uuid; one is active, or crashed while active | it is source, union |
 * |11 | same uuid otherwise | the higher durable seq is source, union; equal: the site of the
 *       incarnation is source (fixed tie-break) |
 * |12 | one lineage is a prefix of the other, or after the common ancestor only one side has a
 *       promotion | that side (the longer lineage) is source, set D; the other has no tail if it is
 *       clean and its last seq <= the fork, else DIVERGED |
 * |13 | both have a promotion after the common ancestor, or both go on without one | SPLIT_BRAIN;
 *       with a recorded choice of a consistent survivor it is source (set D if the maps reach the
 *       fork, else all compared) |
 * |14 | nothing common | REFUSE: unrelated |
 *
 * "The active" is the one side that serves; if none does, the one whose role is ACTIVE or that
 * crashed while active. If both are that, neither is *the* active.
 *
 * Except by row 1 no verdict stops a serving side: where a row would make a *serving* side the
 * target, the verdict is QUESTION (a person decides), source none.
 *
 * When the maps do not cover the difference, IN_SYNC and STREAM become RESYNC and compare_all is
 * set, in the same row: one side lies below what the other has cleared (R5), or runs on an older
 * copy of what it wrote itself, or the common ancestor is behind a trimmed gap, or two equal
 * positions have different chains. In row 4 the target's position is not known (R8: it keeps its
 * old one until FIN), so there only the source is held against what the target has cleared.
 */
#pragma once

#include "base/uuid.h"
#include "engine/lineage.h"

enum gw_role {
    GW_ROLE_STOPPED = 0,
    GW_ROLE_ACTIVE = 1,
    GW_ROLE_STANDBY = 2,
    GW_ROLE_FENCED = 3,
    GW_ROLE_MAX,
};
const char *gw_role_name(enum gw_role role); /* "active", ... */

/* What the active last recorded about its acknowledgements (20-authority: SYNC, ASYNC, UNSYNC). */
enum gw_recorded {
    GW_RECORDED_NONE = 0,
    GW_RECORDED_SYNC = 1, /* every acknowledged write is at the peer that runs under sync_boot */
    GW_RECORDED_ASYNC = 2,
    GW_RECORDED_UNSYNC = 3, /* writes acknowledged that only this side has */
    GW_RECORDED_MAX,
};

struct gw_side_volume {
    struct gw_uuid uuid;
    uint64_t bytes;
    char name[GW_VOLUME_NAME_MAX];
};

/* One side's statement about itself: everything the verdict looks at. */
struct gw_side {
    struct gw_uuid plan;
    uint32_t format; /* of the plan directory */
    uint8_t site;    /* 0: first named in the plan */
    char site_name[GW_SITE_NAME_MAX];
    enum gw_role role;
    bool serving;          /* answers client I/O right now (suspended for a moment counts) */
    bool consistent;       /* the image is exactly one prefix of its lineage */
    bool blank;            /* never held an image; lineage.n == 0 */
    bool seed_me;          /* blank, and told by an operator's word to take a full copy */
    bool crashed_active;   /* was active, did not stop cleanly, has not been confirmed since */
    bool boot_changed;     /* crashed_active: this machine booted since it was last active */
    bool ring_whole;       /* active: every record after ring_base is in the ring */
    uint64_t ring_base;    /* a peer at seq >= ring_base can be streamed to */
    uint64_t seq;          /* durable position in the current incarnation, exact; serving: the last
                              number taken; crashed_active: a lower bound */
    uint64_t seq_reserved; /* numbers below this may have been used (active) */
    uint64_t chain;        /* running hash at seq; 0 = unknown */
    struct gw_uuid boot_id;
    enum gw_recorded recorded;
    struct gw_uuid sync_boot;    /* RECORDED_SYNC: the boot id of the replica that had it all */
    uint64_t dirty_blocks;       /* fine bits, without those of records still in the ring */
    uint64_t coarse_extents;     /* extents to compare */
    struct gw_uuid cleared_uuid; /* R5: bits were cleared on the word of a peer that had reached */
    uint64_t cleared_seq;        /*     (cleared_uuid, cleared_seq) */
    struct gw_uuid reached_uuid; /* durably received through this position of any stream, also of */
    uint64_t reached_seq;        /*     an unfinished resync: fulfils R5 as well */
    bool seed_compare;           /* blank, but may hold data: compare before copying */
    uint64_t highest_epoch;      /* ever seen */
    struct gw_uuid survivor;     /* row 13: incarnation chosen by a person; none = no choice */
    bool tail_signed;            /* a person has signed the disposition of this side's tail: the
                                    verdict still says `diverged`, the caller may go on */
    struct gw_lineage lineage;
    uint32_t n_volumes;
    struct gw_side_volume volume[GW_VOLUMES_MAX];
};

enum gw_verdict_action {
    GW_VERDICT_REFUSE = 0,
    GW_VERDICT_DEPOSE,      /* `target` stops serving at once, FENCED */
    GW_VERDICT_SPLIT_BRAIN, /* both freeze */
    GW_VERDICT_ROLLED_BACK,
    GW_VERDICT_QUESTION, /* a serving side would become target: a person decides */
    GW_VERDICT_FULL,     /* seed everything */
    GW_VERDICT_IN_SYNC,
    GW_VERDICT_STREAM,
    GW_VERDICT_RESYNC, /* set D: the union of both sets */
    GW_VERDICT_ACTION_MAX,
};
const char *gw_verdict_action_name(enum gw_verdict_action action);

#define GW_VERDICT_SENTENCE_MAX 400

struct gw_verdict {
    int row; /* 0..14 */
    enum gw_verdict_action action;
    int source;        /* site number: FULL, IN_SYNC, STREAM, RESYNC; else -1 */
    int target;        /* site number: as source, and DEPOSE (the deposed one); else -1 */
    bool diverged;     /* the target has a tail: assess, itemise, sign first */
    bool compare_all;  /* the maps do not reach: compare everything by hash */
    uint64_t fork_seq; /* rows 8, 12, 13 with a target: where its lineage left (0: trimmed) */
    char sentence[GW_VERDICT_SENTENCE_MAX]; /* for the operator; names the sites */
};

/* a and b in any order; must be of different sites, else row 0 refuses. */
void gw_verdict_decide(const struct gw_side *a, const struct gw_side *b, struct gw_verdict *ret);

/* Same decision (all but the sentence)? */
bool gw_verdict_equal(const struct gw_verdict *a, const struct gw_verdict *b);

struct gw_verdict_row {
    int row;
    const char *condition, *outcome;
};
extern const struct gw_verdict_row gw_verdict_rows[15];
