// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The world of the model: two sites with their disks, durable files and processes, one link, and
 * what nobody in the real world can see: which image every position of every incarnation means, and
 * which writes were answered. README.md says what is modelled and what is not.
 *
 * godwit.pml decides what happens next; the functions here say what may happen (may_x) and what it
 * does (x). Each x is one durable step of the engine, or several between which a crash leaves
 * nothing that one of the two ends of the step does not leave as well. The verdict is not modelled:
 * it is the engine's own (gw_verdict_decide), evaluated on the statements of both sites.
 *
 * The state is flat and without padding, because spin compares it byte by byte: what is not in use
 * is zero.
 */
#pragma once

#include "engine/verdict.h"

#include <stdbool.h>
#include <stdint.h>

#define SITES 2
#define BLOCKS 2  /* each an extent, and a volume, of its own */
#define ALL 3     /* the set of all blocks */
#define VALUES 3  /* writes of clients */
#define RING 5    /* records */
#define JOURNAL 6 /* records */
#define INCS 6    /* incarnations; uuid 0 is none, from SESSION on it is one session's */
#define SESSION 8
#define STEPS 9 /* numbers of one incarnation, and how many are reserved at a time */

/* One block is four bits of an image. Value 0 is what both sites were created with. */
static inline uint8_t block_of(uint8_t image, unsigned b)
{
    return (image >> (4 * b)) & 15;
}
static inline uint8_t with_block(uint8_t image, unsigned b, unsigned value)
{
    return (uint8_t)((image & ~(15u << (4 * b))) | (value << (4 * b)));
}

enum record_type { REC_NONE, REC_WRITE, REC_INJECT, REC_FIN, REC_HANDOVER, REC_VOID };

struct record {
    uint8_t type : 3, block : 1, value : 4; /* FIN: value is the uuid to adopt */
    uint8_t seq;
};

enum service { SV_NONE, SV_WAITING, SV_SERVING, SV_QUIESCED };
enum pending { PEND_NONE, PEND_RESYNC, PEND_REWIND, PEND_ROLLBACK };

struct site {
    /* volumes: what the disk has, and what a read returns (page cache) */
    uint8_t disk, eff;

    /* meta */
    uint8_t cur, seq, reserved, highest, reigns;
    uint8_t role, pending, recorded;
    uint8_t clean : 1, consistent : 1, may_serve : 1, token : 1, confirmed : 1;
    uint8_t sync_boot, active_boot, survivor, signed_cur;
    uint8_t token_uuid, token_seq;
    uint8_t reached_uuid, reached_seq;

    /* undo file of a pending resync: the old lineage and seq are those of meta (R8) */
    uint8_t undo_mask, undo, undo_diverged;

    /* maps: memory (dirty, in flight) and disk; cleared-through likewise; hot log */
    uint8_t set, flight, dset, hot;
    uint8_t cl_uuid, cl_seq, dcl_uuid, dcl_seq;

    /* process */
    uint8_t up, boot, service;
    uint8_t attached : 1, sync_on : 1, sync_recorded : 1, op : 1, op_block : 1, op_claimed : 1;
    uint8_t op_value;
    uint8_t nseq;  /* the last number taken */
    uint8_t acked; /* everything up to here left the ring */
    uint8_t nring;
    struct record ring[RING];

    /* replica: journal entries from the mark on: [0, applied) [applied, durable) [durable, n) */
    uint8_t nj, jd, ja;
    uint8_t rseq, dseq, aseq; /* received, durable, applied */
    uint8_t jstream, fin_seq;
    uint8_t found; /* entries found at start and not applied yet (only without R14 or R15) */
    struct record journal[JOURNAL];

    /* a recovery point, and an old copy of all of this side (a backup) */
    uint8_t p_have, p_cur, p_seq, p_img, p_reigns, p_since;
    uint8_t b_have, b_img, b_cur, b_seq, b_set, b_cl_uuid, b_cl_seq, b_reached_uuid, b_reached_seq,
        b_highest;

    /* ghost: the image may hold more than seq says (it was a crashed active's) */
    uint8_t fuzzy, undo_fuzzy, p_fuzzy;
};

struct inc { /* immutable once made; a lineage is the chain of parents */
    uint8_t epoch, parent, fork, had, site, birth;
};

struct value { /* ghost: write number v */
    uint8_t uuid, seq, block, acked, synced, boot;
};

struct session {
    uint8_t up, source, mode;
    uint8_t numbers; /* uuid of the numbers: the source's, or one of this session only */
    uint8_t received, fin_queued, finished, token_seq, token_matched, sync_from;
};
enum { MODE_STREAM, MODE_PREPARE, MODE_RESYNC };

struct world {
    struct site s[SITES];
    struct session ses;
    uint8_t incs, sessions, writes;
    uint8_t crashes, losses, connects, promotions, points, handovers, restores, stops;
    uint8_t split; /* the last verdict asked for a survivor */
    uint8_t broken;
    struct inc inc[INCS + 1];
    struct value value[VALUES + 1];
    uint8_t image[INCS + 1][STEPS]; /* ghost */
};

/* What can go wrong; 0 is nothing. The texts are in invariants.c. */
enum broken {
    OK,
    NOT_PREFIX,
    NOT_COVERED,
    STREAM_DIFFERS,
    TAIL_MISSED,
    SYNC_LOST,
    INCONSISTENT_SOURCE,
    EPOCH_TWICE,
    WRONGLY_DEPOSED,
    POINT_NOT_PREFIX,
    TOKEN_STALE,
    BAD_UNDO,
    SECOND_ACTIVE,
    BROKEN_MAX
};
extern const char *const broken_text[BROKEN_MAX];

/* Rules that can be left out: GODWIT_WITHOUT=R1, or R3-durable,R5. */
enum rule {
    R1,
    R2_FSYNC,
    R2_PEER,
    R2_OPEN,
    R3_DURABLE,
    R3_AGAIN,
    R3_FIN,
    R4,
    R5,
    R5_STREAM,
    R6_MARK,
    R6_SET,
    R7,
    R8,
    R9,
    R10,
    R10_INJECTED,
    R10_REIGN,
    R11,
    R12,
    R13,
    R14,
    R15,
    R16,
    R17_FSYNC,
    R17_VOID,
    R17_HELLO,
    R17_SESSION,
    R17_RECORD,
    R18,
    R19,
    UNDO_FIRST,
    UNDO_MARKS,
    NEW_UUID,
    EPOCH_ABOVE,
    EPOCH_PARITY,
    EPOCH_RESTART,
    SPEAK_FIRST,
    UNSYNC_FIRST,
    DETACH,
    ROW_4,
    ROW_7,
    ROW_9,
    RULE_MAX
};
bool on(enum rule r);

struct bounds { /* from the environment: GODWIT_WRITES=2 and so on */
    unsigned writes, crashes, losses, connects, promotions, points, handovers, restores, stops;
    unsigned sync, power, blocks;
    unsigned eager; /* the replica makes durable, applies and marks at once: fewer histories */
};
extern struct bounds bound;
extern bool telling; /* a counter-example is replayed: say what happens */
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void tell_state(const struct world *w);

/* world.c */
void world_init(struct world *w);
void violated(struct world *w, enum broken what);
unsigned incarnation_new(struct world *w, unsigned site, enum gw_birth birth, unsigned epoch,
                         unsigned fork, unsigned had);
uint8_t *image_at(struct world *w, unsigned uuid, unsigned seq); /* NULL: no such position */
bool has_room(const struct world *w, unsigned s);                /* for another number */
unsigned take_number(struct world *w, unsigned s);
bool serving(const struct site *s);
bool crashed_active(const struct site *s);
bool holds(const struct world *w, unsigned s, unsigned v); /* by its lineage and position */
void judge(const struct world *w, struct gw_verdict *ret);

/* source.c: the active side */
bool may_write(const struct world *w, unsigned s, unsigned b, bool claim);
void write_local(struct world *w, unsigned s, unsigned b, bool claim);
bool may_number(const struct world *w, unsigned s);
void write_number(struct world *w, unsigned s);
bool may_answer(const struct world *w, unsigned v);
void write_answer(struct world *w, unsigned v);
bool may_fsync(const struct world *w, unsigned s);
void volumes_fsync(struct world *w, unsigned s);
bool may_evict(const struct world *w, unsigned s, unsigned b);
void hot_evict(struct world *w, unsigned s, unsigned b);
bool may_save(const struct world *w, unsigned s);
void maps_save(struct world *w, unsigned s);
bool may_fall_behind(const struct world *w, unsigned s);
void fall_behind(struct world *w, unsigned s);
void promise_nothing(struct world *w, unsigned s);
void ring_to_set(struct world *w, unsigned s);
void begin_serving(struct world *w, unsigned s);
bool may_serve_alone(const struct world *w, unsigned s);
void serve_alone(struct world *w, unsigned s);
bool may_record(const struct world *w, unsigned s);
void record_sync(struct world *w, unsigned s);
bool may_go_alone(const struct world *w, unsigned s);
void go_alone(struct world *w, unsigned s);
void fence(struct world *w, unsigned s);
bool may_stop(const struct world *w, unsigned s);
void out_of_service(struct site *x);
void stop_clean(struct world *w, unsigned s);

/* resync.c: the source of a copy, and the handover */
bool may_inject(const struct world *w, unsigned b);
void inject(struct world *w, unsigned b);
bool may_fin(const struct world *w);
void fin(struct world *w);
bool may_ack(const struct world *w);
void ack(struct world *w);
bool may_hand_over(const struct world *w, unsigned s);
void hand_over(struct world *w, unsigned s);
bool may_release(const struct world *w, unsigned s);
void release(struct world *w, unsigned s);
bool may_void(const struct world *w, unsigned s);
void void_token(struct world *w, unsigned s);
bool may_unquiesce(const struct world *w, unsigned s, bool told);
void unquiesce(struct world *w, unsigned s, bool told);

/* replica.c: the standby side */
bool may_receive(const struct world *w);
void receive(struct world *w);
bool may_journal_sync(const struct world *w, unsigned s);
void journal_sync(struct world *w, unsigned s);
bool may_apply(const struct world *w, unsigned s);
void apply(struct world *w, unsigned s);
bool may_mark(const struct world *w, unsigned s);
void mark(struct world *w, unsigned s);
void settle(struct world *w, unsigned s);
uint8_t settled(const struct world *w, unsigned s); /* the image once the journal is applied */
bool may_point(const struct world *w, unsigned s);
void point(struct world *w, unsigned s);
bool may_backup(const struct world *w, unsigned s);
void backup(struct world *w, unsigned s);

/* link.c */
bool may_connect(const struct world *w);
void connect_sites(struct world *w);
bool may_prepare(const struct world *w);
void prepare(struct world *w);
bool may_lose_link(const struct world *w);
void lose_link(struct world *w);
void session_over(struct world *w);
bool may_choose(const struct world *w, unsigned s);
void choose(struct world *w, unsigned s);

/* site.c */
bool may_crash(const struct world *w, unsigned s, bool power, unsigned kept, unsigned journal);
void crash(struct world *w, unsigned s, bool power, unsigned kept, unsigned journal);
bool may_restart(const struct world *w, unsigned s);
void restart(struct world *w, unsigned s);
enum promotion { TO_NEWEST, TO_POINT, CONFIRM_ALONE };
enum dies { DIES_NOT, DIES_BETWEEN_VOLUMES, DIES_BEFORE_REIGN };
bool may_promote(const struct world *w, unsigned s, enum promotion how, enum dies dies);
void promote(struct world *w, unsigned s, enum promotion how, enum dies dies);
bool may_restore(const struct world *w, unsigned s);
void restore(struct world *w, unsigned s);

/* invariants.c */
void check_flow(struct world *w, const struct gw_verdict *v);
void check_union(struct world *w);
void check_promotion(struct world *w, unsigned s, bool newest);
void check_world(struct world *w);
