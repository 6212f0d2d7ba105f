// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Sites and epochs. The site that the plan names first takes odd numbers for ever, the other even
 * ones, whatever is called home later: so two sites can never promote themselves to the same number
 * (P1). Zero is "never". Pure; any thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum gw_seat {
    GW_SEAT_FIRST = 0, /* the site that the plan names first: odd epochs */
    GW_SEAT_SECOND,    /* the other: even epochs */
    GW_SEAT_NONE,      /* nobody */
    GW_SEAT_MAX,
};

/* Voters, as a set. */
#define GW_VOTER_FIRST (1u << GW_SEAT_FIRST)
#define GW_VOTER_SECOND (1u << GW_SEAT_SECOND)
#define GW_VOTER_WITNESS (1u << 2)
#define GW_VOTERS_ALL (GW_VOTER_FIRST | GW_VOTER_SECOND | GW_VOTER_WITNESS)

#define GW_EPOCH_MAX (UINT64_MAX / 4) /* far from the end, so that +2 never wraps */

static inline enum gw_seat gw_seat_other(enum gw_seat s)
{
    return s == GW_SEAT_FIRST ? GW_SEAT_SECOND : GW_SEAT_FIRST;
}

/* P1: may this site have taken this number? */
bool gw_epoch_is_of(uint64_t epoch, enum gw_seat seat);
/* P1: the next number of this site above the highest that was seen. */
uint64_t gw_authority_next_number(uint64_t highest, enum gw_seat seat);

const char *gw_seat_name(enum gw_seat s);
bool gw_seat_parse(const char *word, enum gw_seat *ret);
