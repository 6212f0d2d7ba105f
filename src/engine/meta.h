// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Meta: the durable state of a plan at one side, in two alternating slots of one file.
 *
 * `DIR/meta` is 2 * GW_META_SLOT_BYTES. A store writes the slot that does not hold the newest
 * generation and is durable before it returns, so that a torn write leaves the other slot. At load
 * the valid slot of the higher generation counts. One bad slot is normal after a crash *during* a
 * store; it is reported (slot_lost), and a side that was active then counts as crashed and never
 * serves alone (R20). Two bad slots: refuse, with the way out in the sentence.
 *
 * Slot layout (little endian): magic "GWMETA\0\1", u32 format, u32 length, u64 generation, fields
 * in the order of the struct, zero padding, u64 XXH3 of all before it in the last 8 bytes.
 * A format newer than GW_META_FORMAT_MAX is refused with a sentence, also if only one of the slots
 * has it: a newer godwit has been here, and what it wrote last must not be passed over.
 *
 * Format 2 is written by a plan whose volumes were changed, or are about to be (`reshapes`): its
 * journal may hold SHAPE records and its table empty slots, which an older godwit does not know.
 * All others stay at format 1, which an older godwit reads.
 *
 * Threads: none of its own. The owner (struct gw_plan) serialises.
 */
#pragma once

#include "base/error.h"
#include "engine/io.h"
#include "engine/reshape.h"
#include "engine/verdict.h"

#define GW_FORMAT 1u /* of all else in the directory, and in a HELLO */
#define GW_META_FORMAT_MAX 2u
#define GW_META_SLOT_BYTES 16384u

/* What a crash may find half done (R8, R9): resumed at the next open. */
enum gw_pending {
    GW_PENDING_NONE = 0,
    GW_PENDING_RESYNC = 1,   /* target of a resync; undo id in pending_id, may be empty (seeding) */
    GW_PENDING_REWIND = 2,   /* rewinding the volumes to the point pending_id */
    GW_PENDING_ROLLBACK = 3, /* rolling the undo file pending_id back */
    GW_PENDING_MAX,
};

#define GW_ID_MAX 64u /* text of an undo or point id, with the NUL */
#define GW_PERSON_MAX 128u

struct gw_token { /* handover: equality at one seq, proven to the target */
    struct gw_uuid uuid;
    uint64_t epoch, seq, chain;
};

struct gw_meta {
    uint64_t generation; /* set by store */
    char plan_name[GW_PLAN_NAME_MAX];
    char site_name[2][GW_SITE_NAME_MAX]; /* [0] takes odd epochs */
    struct gw_uuid plan;
    uint8_t site; /* which of the two this directory is */
    enum gw_role role;
    bool clean; /* an active side: stopped cleanly; seq and chain are exact */
    bool consistent;
    bool blank, seed_me;
    bool seed_compare; /* the blank target may hold data: compare before copying */
    bool unverified;   /* R20: a verify found a difference that is not repaired yet */
    struct gw_lineage lineage;
    uint32_t n_volumes;
    struct gw_side_volume volume[GW_VOLUMES_MAX];

    uint64_t seq, chain;    /* standby: applied through; active: exact when clean */
    uint64_t journal_pos;   /* standby: applied through here, journal address */
    uint64_t seq_reserved;  /* active: numbers below this may have been used */
    uint64_t highest_epoch; /* ever seen, grows only (kept outside points and undo files) */
    uint64_t reigns;        /* times this side became active: tells if a point is older */
    struct gw_uuid
        reached_uuid;     /* standby: durably received through this position of any stream, */
    uint64_t reached_seq; /*     also of a resync that is not finished (R5) */
    bool may_serve;       /* promoted and not started yet: the next start need not ask the peer */
    enum gw_recorded recorded;
    struct gw_uuid sync_boot;
    uint64_t recorded_seq, recorded_wall_ns; /* watermark of the record */
    struct gw_uuid active_boot;              /* boot id under which this side was last active */

    enum gw_pending pending;
    char pending_id[GW_ID_MAX];
    struct gw_uuid resync_source; /* incarnation that heals us */

    bool token_valid; /* target: a handover token was matched and is not voided (R17) */
    struct gw_token token;
    bool released; /* old source: released `token` durably: must not serve */

    struct gw_uuid survivor; /* recorded choice of row 13 */
    char survivor_by[GW_PERSON_MAX];
    struct gw_uuid signed_tail; /* incarnation whose tail was signed here */
    uint64_t signed_wall_ns;
    char signed_by[GW_PERSON_MAX];

    /* format 2 */
    uint64_t reshapes;               /* changes of volumes that were begun here */
    struct gw_reshape pending_shape; /* of a source: in the stream, perhaps (reshape.h, V3) */
};

/* Pure codec; `slot` is GW_META_SLOT_BYTES. Decode refuses with the sentence: -EBADMSG damaged,
 * -EPROTONOSUPPORT a newer format. *ret is untouched on failure. */
int gw_meta_encode(const struct gw_meta *m, uint8_t *slot, struct gw_error *err);
int gw_meta_decode(const uint8_t *slot, struct gw_meta *ret, struct gw_error *err);

struct gw_metafile; /* DIR/meta, open */

/* Create with generation 1 in slot 0 (and the same in slot 1), whole and durable or not at all
 * (gw_io_replace); -EEXIST if DIR/meta exists. */
int gw_metafile_create(struct gw_io *io, const char *dir, const struct gw_meta *m,
                       struct gw_error *err);
/* -ENOENT: no plan here; -EBADMSG: both slots are bad; -EPROTONOSUPPORT: written by a newer godwit.
 * `ret_slot_lost` may be NULL. With read_only, store fails with -EROFS. */
int gw_metafile_open(struct gw_io *io, const char *dir, bool read_only, struct gw_metafile **ret,
                     struct gw_meta *ret_meta, bool *ret_slot_lost, struct gw_error *err);
/* Durable when it returns 0. A failure is sticky: every later store fails too (R20).
 * Crash points meta.before, meta.after. */
int gw_metafile_store(struct gw_metafile *f, struct gw_meta *m, struct gw_error *err);
/* 0, or the error of a store that failed since it was opened: what is on the disk is then unknown
 * until it is read again, and nothing may go on from what is in memory. */
int gw_metafile_check(const struct gw_metafile *f, struct gw_error *err);
void gw_metafile_close(struct gw_metafile *f);
