// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* AUTH's lease. In pair mode it is not used; a lapsed one is never revived, only acquired anew. */
#include "core/rows.h"

static const char *const value_names[GW_LEASE_MAX] = { "not-used", "valid", "expiring", "lapsed" };

static const char *const event_names[GW_LEASE_EVENT_MAX] = {
    [GW_LEASE_ENABLE] = "enable", [GW_LEASE_DISABLE] = "disable", [GW_LEASE_ACQUIRE] = "acquire",
    [GW_LEASE_RENEW] = "renew",   [GW_LEASE_LATE] = "late",       [GW_LEASE_EXPIRE] = "expire",
};

#define NOT_USED GW_LEASE_NOT_USED
#define VALID GW_LEASE_VALID
#define EXPIRING GW_LEASE_EXPIRING
#define LAPSED GW_LEASE_LAPSED

static const char no_witness[] = "the witness does not answer: look at its address and try again";
static const char stray[] = "no lease is in use: this event belongs to no plan of this kind";

static const struct gw_life_row rows[] = {
    ROW(IN1(NOT_USED), GW_LEASE_ENABLE, WITNESS,
        TO(LAPSED, RECORD, "a witness is in use: the lease has to be acquired")),
    ROW(IN1(NOT_USED), GW_LEASE_ENABLE, ALWAYS, REFUSE(no_witness)),
    ROW(IN3(VALID, EXPIRING, LAPSED), GW_LEASE_ENABLE, ALWAYS,
        STAY(NOTHING, "a witness is in use already")),

    ROW(IN1(NOT_USED), GW_LEASE_DISABLE, ALWAYS, STAY(NOTHING, "no witness is in use")),
    ROW(IN2(VALID, EXPIRING), GW_LEASE_DISABLE, ALWAYS,
        TO(NOT_USED, RECORD, "pair mode: a failover needs a person")),
    ROW(IN1(LAPSED), GW_LEASE_DISABLE, OVERRIDE,
        TO(NOT_USED, RECORD, "pair mode on a person's word that the other site does not serve")),
    ROW(IN1(LAPSED), GW_LEASE_DISABLE, ALWAYS,
        FORCE("the lease has lapsed, the other site may hold one: confirm that it does not serve")),

    ROW(IN1(NOT_USED), GW_LEASE_ACQUIRE, ALWAYS, NEVER(stray)),
    ROW(IN2(VALID, EXPIRING), GW_LEASE_ACQUIRE, ALWAYS, TO(VALID, NOTHING, "the lease is held")),
    ROW(IN1(LAPSED), GW_LEASE_ACQUIRE, WITNESS,
        TO(VALID, NEXT_EPOCH, "a new lease is held: writes go on")),
    ROW(IN1(LAPSED), GW_LEASE_ACQUIRE, ALWAYS, REFUSE(no_witness)),

    ROW(IN1(NOT_USED), GW_LEASE_RENEW, ALWAYS, NEVER(stray)),
    ROW(IN2(VALID, EXPIRING), GW_LEASE_RENEW, ALWAYS, TO(VALID, NOTHING, "renewed")),
    ROW(IN1(LAPSED), GW_LEASE_RENEW, ALWAYS,
        REFUSE("a lapsed lease is never revived: it is acquired anew")),

    ROW(IN1(NOT_USED), GW_LEASE_LATE, ALWAYS, NEVER(stray)),
    ROW(IN1(VALID), GW_LEASE_LATE, ALWAYS,
        TO(EXPIRING, ALERT, "a renewal is late: the write path closes when the lease ends")),
    ROW(IN1(EXPIRING), GW_LEASE_LATE, ALWAYS, STAY(NOTHING, "still late")),
    ROW(IN1(LAPSED), GW_LEASE_LATE, ALWAYS, STAY(NOTHING, "lapsed already")),

    ROW(IN1(NOT_USED), GW_LEASE_EXPIRE, ALWAYS, NEVER(stray)),
    ROW(IN2(VALID, EXPIRING), GW_LEASE_EXPIRE, ALWAYS,
        TO(LAPSED, STOP, "the lease ended without a renewal: writes wait")),
    ROW(IN1(LAPSED), GW_LEASE_EXPIRE, ALWAYS, STAY(NOTHING, "lapsed already")),
};

const struct gw_life_table gw_lease_table = TABLE("lease", "how long it may be, with a witness");

const char *gw_lease_name(enum gw_lease l)
{
    return (unsigned)l < GW_LEASE_MAX ? value_names[l] : "invalid";
}
