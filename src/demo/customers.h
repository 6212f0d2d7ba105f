// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The customers: they book all the time, over HTTP, and never forget what was acknowledged to them.
 * They are the witness of the whole story. One goes where the route leads; and at each site stands
 * one who tries that site all the time, whatever the route says: if two sites ever served at the
 * same time, they would know.
 *
 *     customers_new(dir, port, &c, err)
 *     customers_wait(c, 500, ...)      until 500 bookings are acknowledged
 *     customers_book(c, &book, err)    what they remember; ledger_reader.h compares
 *     customers_stop(c)                nothing is on its way any more
 *
 * A booking is acknowledged when the answer says so, with the site and the record's sum. One whose
 * answer did not come is in doubt, and is never sent again under its number.
 *
 * Threads: one a customer; the functions may be called from any thread.
 */
#pragma once

#include "demo/ledger.h"
#include "demo/ledger_record.h"

struct customers;

#define CUSTOMERS 3 /* each has one booking on its way at most */

int customers_new(const char *dir, unsigned port, struct customers **ret, struct gw_error *err);
/* They go home: returns when the last answer came. NULL is allowed. */
void customers_stop(struct customers *c);
void customers_free(struct customers *c);

#define CUSTOMERS_STINTS_MAX 64

struct customers_stint { /* a time in which only one site acknowledged */
    char site[LEDGER_SITE_MAX];
    uint64_t acknowledged;
    uint64_t first_ns, last_ns;               /* boot time of its first and last acknowledgement */
    uint64_t routed_first_ns, routed_last_ns; /* ... to the customer who follows the route; 0 */
};

struct customers_status {
    uint64_t issued, acknowledged;
    unsigned wrong; /* answers with another site or record than what was asked for */
    unsigned n_stints;
    struct customers_stint stint[CUSTOMERS_STINTS_MAX];
};
void customers_get_status(struct customers *c, struct customers_status *ret);
/* Until `bookings` are acknowledged in all. -ETIMEDOUT: not within timeout_ms. */
int customers_wait(struct customers *c, uint64_t bookings, unsigned timeout_ms,
                   struct gw_error *err);

/* As ledger_book(). */
int customers_book(struct customers *c, struct ledger_book *ret, struct gw_error *err);
/* When number i + 1 of the book was acknowledged, boot time; 0: it was not. */
uint64_t customers_acknowledged_ns(struct customers *c, uint64_t i);
