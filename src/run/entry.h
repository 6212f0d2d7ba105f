// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Entries of a run's log. Numbered from 0, hash-chained: the log is also the evidence.
 *
 *     hash(0)   = SHA-256(the run's fixed fields, entry 0)
 *     hash(n+1) = SHA-256(hash(n), entry n+1)
 *
 * over a canonical encoding (little-endian numbers, texts with their length), so that both sites
 * and an auditor compute the same. Entries are plain memory, a few KiB each.
 *
 * Any thread.
 */
#pragma once

#include "core/decide.h"

#define GW_RUN_DETAIL_MAX 2048u
#define GW_ENTRY_HASH_BYTES 32u
#define GW_ENTRY_BY_MAX 64u

struct gw_run;

struct gw_run_entry {
    uint32_t number;
    struct gw_entry_core core;
    uint64_t wall_ns; /* for people, by the clock of the site that wrote it */
    /* By boot time; 0: unknown. Outcomes: since the intent. Intents and undos: since the entry
     * before. */
    uint64_t took_ns;
    char by[GW_ENTRY_BY_MAX]; /* the person, or "" */
    char detail[GW_RUN_DETAIL_MAX];
    uint8_t hash[GW_ENTRY_HASH_BYTES];
};

/* Set e->hash. prev: the entry before, NULL for entry 0 (the run's fields are its root). */
void gw_run_entry_seal(struct gw_run_entry *e, const struct gw_run *run,
                       const struct gw_run_entry *prev);
/* Does e follow prev with its right number, fields within their limits, and hash? */
bool gw_run_entry_valid(const struct gw_run_entry *e, const struct gw_run *run,
                        const struct gw_run_entry *prev);
bool gw_run_entry_equal(const struct gw_run_entry *a, const struct gw_run_entry *b);
