// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The ledger's client: a thread that appends records over NBD all the time, one after the other,
 * and never forgets what was acknowledged to it. It is the witness of the whole demo.
 *
 *     ledger_new("ledger", bytes, &l, err)
 *     ledger_target(l, "home", "home.nbd")   from now on, or as soon as the connection it has fails
 *     ledger_wait(l, 500, ...)               until 500 records are acknowledged
 *     ledger_pause(l, ...)                   flushed, nothing on its way, and disconnected
 *     ledger_book(l, &book, err)             what it remembers; ledger_reader.h compares
 *     ledger_stop(l); end the server; ledger_free(l)      a request may be waiting there
 *
 * A record is acknowledged when the server has answered its write with success. One whose answer
 * did not come is in doubt: it may be there or not, and is never sent again under its number. After
 * every connect the client looks where the ledger ends at that site and goes on behind it.
 *
 * Threads: one inside; the functions may be called from any thread.
 */
#pragma once

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LEDGER_STINTS_MAX 8

struct ledger;

int ledger_new(const char *export, uint64_t volume_bytes, struct ledger **ret,
               struct gw_error *err);
/* Nothing is begun any more. Does not wait; NULL is allowed. */
void ledger_stop(struct ledger *l);
void ledger_free(struct ledger *l);

void ledger_target(struct ledger *l, const char *site, const char *socket);
/* Until `records` are acknowledged in all. -ETIMEDOUT: not within timeout_ms. */
int ledger_wait(struct ledger *l, uint64_t records, unsigned timeout_ms, struct gw_error *err);
/* Until the connection it had is gone. */
int ledger_wait_cut_off(struct ledger *l, unsigned timeout_ms, struct gw_error *err);
int ledger_pause(struct ledger *l, unsigned timeout_ms, struct gw_error *err);

struct ledger_stint { /* a connected time at one site */
    char site[32];
    uint64_t acknowledged;
    uint64_t first_ns, last_ns; /* boot time of its first and last acknowledgement */
};

struct ledger_status {
    uint64_t issued, acknowledged;
    unsigned n_stints;
    struct ledger_stint stint[LEDGER_STINTS_MAX];
};
void ledger_get_status(struct ledger *l, struct ledger_status *ret);

struct ledger_entry {
    uint64_t sum; /* of the record (ledger_record.h) */
    bool acknowledged;
};

struct ledger_book {
    uint64_t n;
    struct ledger_entry *entry; /* entry[i] is number i + 1 */
};
int ledger_book(struct ledger *l, struct ledger_book *ret, struct gw_error *err);
void ledger_book_done(struct ledger_book *b);
