// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Reading a ledger's image, and comparing it with what its client remembers.
 *
 * A book is taken before the image: every record acknowledged then must be in it. Records with
 * numbers above the book's came meanwhile and are left out.
 */
#pragma once

#include "demo/ledger.h"

struct ledger_audit {
    uint64_t records;      /* of the book, found in the image */
    uint64_t in_doubt;     /* ... of which were never acknowledged */
    uint64_t acknowledged; /* by the book */
    uint64_t missing;      /* acknowledged, and not found */
    uint64_t foreign;      /* found with a content that the client never wrote */
    bool whole;            /* slot after slot without a gap, numbers ascending, none twice */
    bool prefix;           /* whatever is missing is newer than all that is there */
    uint64_t n;            /* numbers in `absent` */
    bool *absent;          /* [i]: number i + 1 was acknowledged and is missing */
};

/* The image of the volume, from its first slot to its last record. */
int ledger_audit(const char *file, const struct ledger_book *book, struct ledger_audit *ret,
                 struct gw_error *err);
void ledger_audit_done(struct ledger_audit *a);

/* How many of the absent records are in this file (an exported tail), each as it was written. */
int ledger_search(const char *file, const struct ledger_book *book, const struct ledger_audit *lost,
                  uint64_t *ret_found, struct gw_error *err);

/* "1201-1950, 1980" of the absent numbers; "none". */
void ledger_absent_format(const struct ledger_audit *a, char *ret, size_t cap);
