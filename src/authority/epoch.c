// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Epochs: who takes which numbers (P1). */
#include "authority/epoch.h"

#include <string.h>

static const char *const names[GW_SEAT_MAX] = { "first", "second", "none" };

bool gw_epoch_is_of(uint64_t epoch, enum gw_seat seat)
{
    return epoch != 0 && (epoch % 2 == 1) == (seat == GW_SEAT_FIRST);
}

uint64_t gw_authority_next_number(uint64_t highest, enum gw_seat seat)
{
    const uint64_t next = highest + 1;
    return gw_epoch_is_of(next, seat) ? next : next + 1;
}

const char *gw_seat_name(enum gw_seat s)
{
    return (unsigned)s < GW_SEAT_MAX ? names[s] : "invalid";
}

bool gw_seat_parse(const char *word, enum gw_seat *ret)
{
    for (unsigned i = 0; i < GW_SEAT_MAX; i++) {
        if (strcmp(word, names[i]) == 0) {
            *ret = (enum gw_seat)i;
            return true;
        }
    }
    return false;
}
