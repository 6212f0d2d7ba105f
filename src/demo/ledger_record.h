// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * A record of the ledger, 512 bytes in a slot of its own:
 *
 *     magic u64 "GWLEDGER", number u64, wall time in ns u64, site text[32], entry text[448],
 *     XXH3 of the 504 bytes before u64
 *
 * Numbers are never used twice. Slots are: what a failover lost leaves its slots to what comes
 * after.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LEDGER_RECORD_BYTES 512u
#define LEDGER_SITE_MAX 32u

struct ledger_record {
    uint64_t number, wall_ns;
    char site[LEDGER_SITE_MAX]; /* where it was written */
    uint64_t sum;               /* tells it from any other */
};

/* Sets r->sum. */
void ledger_record_encode(struct ledger_record *r, uint8_t buf[LEDGER_RECORD_BYTES]);
/* False: this is not a record, or a damaged one. */
bool ledger_record_decode(const uint8_t buf[LEDGER_RECORD_BYTES], struct ledger_record *ret);
