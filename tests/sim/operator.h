// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The person on duty, by the book (docs/operations.md): starts what should run, signs, chooses,
 * finishes what was interrupted, until one side serves and the other follows. */
#pragma once

#include "site.h"

/* One look at everything, and what follows from it. */
void operator_tend(void);
/* One side serves, the other streams from it. */
bool operator_is_well(void);
bool operator_settle(uint64_t timeout_ns);
/* Writers pause until the standby holds everything; then both images are compared. False: it did
 * not come to rest in time (a fault struck). */
bool operator_rest(uint64_t timeout_ns);
struct site *operator_source(void); /* the site that runs as source; NULL: none, or both */
/* What is going on, for a failure's message (static). */
const char *operator_report(void);
