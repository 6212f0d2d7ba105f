// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Wire frames. A session is two byte streams (usually TLS 1.3 over TCP) of frames:
 *
 *      0 u32 magic "GWF1"     4 u8 type, 5 u8 flags, 6 u16 protocol version
 *      8 u32 payload bytes   12 u32 raw bytes (DATA: before compression; else = payload bytes)
 *     16 u64 XXH3-64 of the payload, seed 0 (0 for uncompressed DATA: its records carry their own)
 *     24 u64 XXH3-64 of bytes 0..23, seed 0
 *     32 payload
 *
 * A session:
 *
 *     source (connects)                     target (listens)
 *     HELLO  side, versions, seed        -> <- HELLO
 *     VERDICT                            -> <- VERDICT        equal, or GOODBYE and close
 *   stream:
 *     START  STREAM, first seq, chain    ->
 *                                           <- READY
 *   resync, assess, full:
 *     START  RESYNC | ASSESS | FULL      -> <- MAP* MAP_END   the target's own set
 *     MAP* MAP_END    the union          ->    (not for ASSESS: the target keeps its set as it is)
 *                                           <- READY          union durable, target inconsistent
 *   then:
 *     DATA | HEARTBEAT | BARRIER         -> <- ACK | DIFF | RESULT
 *     GOODBYE reason                     -> <- GOODBYE reason
 *
 * Every decoder here is pure and checks everything; they return false on malformed input.
 */
#pragma once

#include "base/bytes.h"
#include "base/uuid.h"
#include "engine/bitmap.h"
#include "engine/meta.h"
#include "engine/verdict.h"

#define GW_FRAME_MAGIC 0x31465747u
#define GW_FRAME_HEADER_BYTES 32u
#define GW_PROTOCOL_MIN 1u
#define GW_PROTOCOL_MAX 2u /* 2: SHAPE records */
#define GW_PROTOCOL_SHAPE 2u

enum gw_frame_type {
    GW_FRAME_HELLO = 1,
    GW_FRAME_VERDICT = 2,
    GW_FRAME_START = 3,
    GW_FRAME_MAP = 4,
    GW_FRAME_MAP_END = 5,
    GW_FRAME_READY = 6,
    GW_FRAME_DATA = 7,
    GW_FRAME_ACK = 8,
    GW_FRAME_BARRIER = 9, /* make everything received durable now; no payload */
    GW_FRAME_DIFF = 10,
    GW_FRAME_HEARTBEAT = 11,
    GW_FRAME_GOODBYE = 12,
    GW_FRAME_RESULT = 13, /* target: what became of a POINT record */
    GW_FRAME_TYPE_MAX,
};

#define GW_FRAME_ZSTD 1u /* flag: the payload is one zstd frame */

struct gw_frame {
    enum gw_frame_type type;
    uint8_t flags;
    uint16_t version;
    uint32_t bytes, raw_bytes;
    uint64_t payload_hash;
};

void gw_frame_encode(const struct gw_frame *f, uint8_t ret[GW_FRAME_HEADER_BYTES]);
/*
 * Checks magic, checksum, type, flags and the limit of the type (GW_FRAME_BYTES_MAX for DATA, the
 * size of its codec for another, nothing for MAP_END and BARRIER). -EBADMSG or 0. The version is
 * left to the session: that of HELLO is not agreed yet.
 */
int gw_frame_decode(const uint8_t data[GW_FRAME_HEADER_BYTES], struct gw_frame *ret);
/* What belongs into payload_hash, by type, flags and bytes: 0 for uncompressed DATA; a frame
 * without payload carries the hash of nothing, which is not 0. */
uint64_t gw_frame_payload_hash(const struct gw_frame *f, const uint8_t *payload);
/* Does the payload match the header (always true for uncompressed DATA)? */
bool gw_frame_payload_ok(const struct gw_frame *f, const uint8_t *payload);

struct gw_hello {
    uint16_t version_min, version_max;
    uint64_t hash_seed; /* random, of this connection; content hashes are seeded by stream and
                           place (compare.h), so that nothing depends on it */
    uint64_t changes;   /* grows whenever the side's statement changes: row 0 "changed since" */
    struct gw_side side;
};
#define GW_HELLO_BYTES_MAX 16384u
/* Bytes written, or 0 if it does not fit. */
size_t gw_hello_encode(const struct gw_hello *h, uint8_t *buf, size_t cap);
/* What follows the known fields is ignored if the peer's version_max is above ours. */
bool gw_hello_decode(const uint8_t *buf, size_t len, struct gw_hello *ret);

#define GW_VERDICT_BYTES_MAX 512u
size_t gw_verdict_encode(const struct gw_verdict *v, uint8_t *buf, size_t cap);
bool gw_verdict_decode(const uint8_t *buf, size_t len, struct gw_verdict *ret);

enum gw_session_mode {
    GW_SESSION_STREAM = 1,
    GW_SESSION_RESYNC = 2,
    GW_SESSION_ASSESS = 3, /* compare only: how much differs, what is the tail; writes nothing */
    GW_SESSION_FULL = 4,   /* seeding */
    GW_SESSION_MODE_MAX,
};

struct gw_start {
    enum gw_session_mode mode;
    bool session_numbers; /* the source is not active: seqs are of this session only */
    bool target_zero;     /* FULL: the target's volumes are all zeros: holes are not sent */
    bool sync;            /* the source acknowledges writes on RECEIVED: acknowledge at once */
    bool fork;            /* ASSESS: blocks that may be of a tail are compared with the fork, too */
    struct gw_uuid uuid;  /* incarnation that names the records that follow */
    uint64_t first_seq;   /* the first record's seq */
    uint64_t chain;       /* chain before the first record */
};
#define GW_START_BYTES 48u
size_t gw_start_encode(const struct gw_start *s, uint8_t *buf, size_t cap);
bool gw_start_decode(const uint8_t *buf, size_t len, struct gw_start *ret);

struct gw_map_page {
    uint16_t volume;
    uint8_t kind; /* GW_MAP_FINE, GW_MAP_COARSE */
    uint64_t page;
    const uint8_t *bits; /* GW_BITMAP_PAGE_BYTES; points into the decoded buffer */
};
#define GW_MAP_BYTES (16u + GW_BITMAP_PAGE_BYTES)
size_t gw_map_encode(const struct gw_map_page *m, uint8_t *buf, size_t cap);
bool gw_map_decode(const uint8_t *buf, size_t len, struct gw_map_page *ret);

/* READY: the target is prepared. */
struct gw_ready {
    uint64_t dirty_blocks, coarse_extents; /* of the union at the target; both sides must agree */
};
#define GW_READY_BYTES 16u
size_t gw_ready_encode(const struct gw_ready *r, uint8_t *buf, size_t cap);
bool gw_ready_decode(const uint8_t *buf, size_t len, struct gw_ready *ret);

struct gw_ack {
    struct gw_uuid uuid; /* R4: of the incarnation whose seqs these are */
    uint64_t received, durable, applied;
    uint64_t chain;     /* running hash at `durable`: the source compares it with its own */
    bool finished;      /* FIN was adopted: the target is consistent at `durable` */
    bool token_matched; /* the HANDOVER record was applied, chain equal, token durable */
    uint64_t journal_used_bytes, journal_max_bytes;
    uint64_t echo_ns; /* boot_ns of the last heartbeat, as received: round-trip time */
};
#define GW_ACK_BYTES 80u
size_t gw_ack_encode(const struct gw_ack *a, uint8_t *buf, size_t cap);
bool gw_ack_decode(const uint8_t *buf, size_t len, struct gw_ack *ret);

/* Answer to a HASH, HASH_FORK or VERIFY record: which blocks of it differ. */
struct gw_diff {
    uint64_t seq; /* of that record */
    uint16_t volume;
    bool verify;
    bool fork; /* of a HASH_FORK: the blocks that are the tail */
    uint64_t offset;
    uint32_t length;
    uint8_t differs[GW_BLOCKS_PER_EXTENT / 8]; /* bit i: block i of the range */
};
#define GW_DIFF_BYTES (24u + GW_BLOCKS_PER_EXTENT / 8)
size_t gw_diff_encode(const struct gw_diff *d, uint8_t *buf, size_t cap);
bool gw_diff_decode(const uint8_t *buf, size_t len, struct gw_diff *ret);

struct gw_heartbeat {
    uint64_t wall_ns, boot_ns;
    uint64_t head_seq;      /* last seq taken */
    uint64_t pending_bytes; /* acknowledged here, not known durable there: at risk */
    uint64_t resync_left_bytes;
};
#define GW_HEARTBEAT_BYTES 40u
size_t gw_heartbeat_encode(const struct gw_heartbeat *h, uint8_t *buf, size_t cap);
bool gw_heartbeat_decode(const uint8_t *buf, size_t len, struct gw_heartbeat *ret);

/* What became of a record that asked for something (POINT). */
struct gw_result {
    uint64_t seq;  /* of that record */
    uint32_t code; /* 0: done; else a positive errno value */
    char sentence[GW_ERROR_MSG_MAX];
};
#define GW_RESULT_BYTES_MAX (16u + GW_ERROR_MSG_MAX)
size_t gw_result_encode(const struct gw_result *v, uint8_t *buf, size_t cap);
bool gw_result_decode(const uint8_t *buf, size_t len, struct gw_result *ret);

enum gw_goodbye_reason {
    GW_GOODBYE_STOPPING = 1,    /* clean stop of a process */
    GW_GOODBYE_RETRY = 2,       /* identity or mode changed: connect again */
    GW_GOODBYE_FELL_BEHIND = 3, /* the ring overflowed: a resync follows */
    GW_GOODBYE_REFUSED = 4,     /* by the verdict or by a check; the sentence says it */
    GW_GOODBYE_NO_SPACE = 5,    /* the target cannot store; the sentence says where */
    GW_GOODBYE_BAD_DATA = 6,    /* checksum, order or protocol violation */
    GW_GOODBYE_SUPERSEDED = 7,  /* a newer connection took over */
    GW_GOODBYE_FAILED = 8,      /* an I/O error at the sender of this frame */
    GW_GOODBYE_REASON_MAX,
};
const char *gw_goodbye_name(enum gw_goodbye_reason reason);
struct gw_goodbye {
    enum gw_goodbye_reason reason;
    /* One printable line: the encoders of sentences write a space for a control character, the
     * decoders refuse them. */
    char sentence[GW_ERROR_MSG_MAX];
};
#define GW_GOODBYE_BYTES_MAX (4u + GW_ERROR_MSG_MAX)
size_t gw_goodbye_encode(const struct gw_goodbye *g, uint8_t *buf, size_t cap);
bool gw_goodbye_decode(const uint8_t *buf, size_t len, struct gw_goodbye *ret);

/* Payload of a FIN record: the source's identity and position, adopted in one step (R8). */
struct gw_fin {
    uint64_t seq, chain; /* position to adopt (not session numbers), and the chain there */
    struct gw_lineage lineage;
};
#define GW_FIN_BYTES_MAX (16u + GW_LINEAGE_BYTES_MAX)
size_t gw_fin_encode(const struct gw_fin *f, uint8_t *buf, size_t cap);
bool gw_fin_decode(const uint8_t *buf, size_t len, struct gw_fin *ret);

#define GW_TOKEN_BYTES 40u
size_t gw_token_encode(const struct gw_token *t, uint8_t *buf, size_t cap);
bool gw_token_decode(const uint8_t *buf, size_t len, struct gw_token *ret);
