// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The value of a plan's register at the witness: who holds the authority, and what the other site's
 * copy is worth. One key holds all of it, so that every change is one compare-and-swap.
 *
 * Its text is one JSON object, written and read here and nowhere else. Reading is strict: unknown
 * or missing members, other versions, numbers out of range and records that contradict themselves
 * are refused with a sentence. What a register holds that cannot be read is *unknown*, never empty.
 *
 * Pure (no I/O); any thread. Structs are plain values.
 */
#pragma once

#include "authority/epoch.h"
#include "base/error.h"
#include "base/uuid.h"

#include <stddef.h>

#define GW_TENURE_VERSION 1
#define GW_TENURE_TEXT_MAX 2048        /* a longer text is refused before it is parsed */
#define GW_TENURE_NUMBER_MAX INT64_MAX /* JSON integers of the library are signed */

/* What the copy at the other site is worth. */
enum gw_copy {
    GW_COPY_NONE = 0, /* nothing is known: seeding, resync, diverged, or no replication */
    GW_COPY_SYNC,     /* it has every acknowledged write, while its boot id is the named one */
    GW_COPY_ASYNC,    /* it follows: it has all through the watermark, lag as stated */
    GW_COPY_UNSYNC,   /* writes were acknowledged that it does not have */
    GW_COPY_MAX,
};

struct gw_copy_state {
    enum gw_copy kind;
    struct gw_uuid replica_boot; /* SYNC: of the replica that has everything; else none */
    uint64_t watermark;          /* ASYNC, UNSYNC: it has everything through this seq */
    uint64_t lag_ms;             /* ASYNC: how old the oldest write is that it does not have */
    uint64_t at_s;               /* ASYNC, UNSYNC: wall time of this statement, for people */
};

struct gw_tenure {
    uint64_t epoch;
    enum gw_seat holder;
    uint64_t beat;              /* grows by one with each change of the record */
    struct gw_uuid incarnation; /* of the holder's present lease */
    enum gw_seat released_to;   /* the holder let go in favour of this site; none: it did not */
    bool enforced;              /* the lease is enforced in the holder's write path: its lapse is
                                 * proof. False in policy `availability`, or not attested. */
    struct gw_copy_state copy;
    uint8_t voters;               /* a set of GW_VOTER_x */
    uint8_t maintenance;          /* voters that are away, declared; the set of GW_VOTER_x */
    uint64_t maintenance_until_s; /* wall time, for people; the holder's clock ends it */
    uint64_t since_s;             /* wall time of the epoch's beginning, for people */
};

/* Returns 0, or -EINVAL and a sentence if the record contradicts itself. */
int gw_tenure_check(const struct gw_tenure *r, struct gw_error *err);
bool gw_tenure_equal(const struct gw_tenure *a, const struct gw_tenure *b);
bool gw_copy_equal(const struct gw_copy_state *a, const struct gw_copy_state *b);
const char *gw_copy_name(enum gw_copy c);
bool gw_copy_parse(const char *word, enum gw_copy *ret);

/* The text, with a NUL. A record that fails gw_tenure_check is refused. */
int gw_tenure_encode(const struct gw_tenure *r, char ret[static GW_TENURE_TEXT_MAX],
                     struct gw_error *err);
/* Returns 0, or -EINVAL (not a record), -EPROTO (a later version: upgrade), -ENOMEM. */
int gw_tenure_decode(const char *text, size_t len, struct gw_tenure *ret, struct gw_error *err);
