// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Lineage: the ancestry of an image, and positions in it.
 *
 * An *epoch* is the reign of one active side; its number grows at every promotion, and the site
 * first named in the plan (site 0) takes odd numbers, the other even ones (P1), so that two
 * promotions never share a number. An *incarnation* (uuid) is a stretch of writing with one
 * sequence counter; a promotion and a confirmed restart after a crash each begin a new one.
 *
 * Entries are ordered oldest first; the last is the image's current identity. A record is named by
 * (uuid of its incarnation, seq). Numbers go on over births: an incarnation is born at position
 * fork_seq (a creation at 0) and its first record is fork_seq + 1.
 *
 *   fork_seq  position in the parent incarnation from which this one goes on: a record of the
 *             parent with seq > fork_seq is not in this image (promotion), or the last number that
 *             the parent could have used (restart: its counter was in memory, so the durable
 *             reservation bounds it)
 *   had_seq   highest seq of the parent that this image is *known* to hold or, after a promotion to
 *             an older point, to have held: what it rewound is in its set (R9, R10)
 *
 * Pure: no I/O, no allocation. Plain memory, copied by assignment.
 */
#pragma once

#include "base/bytes.h"
#include "base/uuid.h"
#include "engine/limits.h"

enum gw_birth {
    GW_BIRTH_CREATION = 1,
    GW_BIRTH_PROMOTION = 2,
    GW_BIRTH_RESTART = 3,
};

struct gw_incarnation {
    uint64_t epoch;
    struct gw_uuid uuid;
    struct gw_uuid parent; /* none for a creation */
    uint64_t fork_seq, had_seq;
    uint64_t wall_ns; /* for people */
    uint8_t site;     /* 0 or 1 */
    enum gw_birth birth;
};

struct gw_lineage {
    uint32_t n; /* 0: a blank side that has no image yet */
    struct gw_incarnation e[GW_LINEAGE_MAX];
};

/* NULL when blank. */
const struct gw_incarnation *gw_lineage_current(const struct gw_lineage *l);
struct gw_uuid gw_lineage_uuid(const struct gw_lineage *l); /* none when blank */
uint64_t gw_lineage_epoch(const struct gw_lineage *l);      /* 0 when blank */

/* Index of the incarnation, or -1. */
int gw_lineage_find(const struct gw_lineage *l, const struct gw_uuid *uuid);

/*
 * Append. When full, the second-oldest entry goes (the creation stays, so that two images of one
 * plan always share their root; what is between is then compared by hash).
 */
void gw_lineage_append(struct gw_lineage *l, const struct gw_incarnation *e);

/* The next epoch number that `site` may take: of its parity, above `highest_seen` (P1). 0: there is
 * none left, which only damaged input can bring about. */
uint64_t gw_epoch_next(uint8_t site, uint64_t highest_seen);

/* Index in a of the last incarnation that both hold (same uuid), or -1. *ret_b: its index in b,
 * untouched if there is none. */
int gw_lineage_common(const struct gw_lineage *a, const struct gw_lineage *b, int *ret_b);

/* True if entries were trimmed away somewhere after index `after`. */
bool gw_lineage_gap_after(const struct gw_lineage *l, int after);

/* True if an entry after index `after` was born by a promotion. */
bool gw_lineage_promoted_after(const struct gw_lineage *l, int after);
/* Epoch number of the newest promotion or creation in it; 0 when blank. */
uint64_t gw_lineage_newest_promotion(const struct gw_lineage *l);

#define GW_INCARNATION_BYTES 80u
#define GW_LINEAGE_BYTES_MAX (8u + GW_LINEAGE_MAX * GW_INCARNATION_BYTES)
/* Encoded size is 8 + n * GW_INCARNATION_BYTES. The decoder checks every field (births, site,
 * n, growing epochs, parent chain of neighbours, no uuid twice) and sets r->failed; *ret is then
 * empty. A gap is accepted only where trimming leaves one: after the creation of a full lineage. */
void gw_lineage_encode(struct gw_writer *w, const struct gw_lineage *l);
bool gw_lineage_decode(struct gw_reader *r, struct gw_lineage *ret);
