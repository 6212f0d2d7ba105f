// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * REPL: what flows from the active site to the other.
 *
 * I3: SYNC is left only by recording UNSYNC first, by holding writes, or by a role change. I8: no
 * copy overwrites what is not kept. Who was UNSYNC is not following again before the map is copied.
 */
#include "core/rows.h"

static const char *const value_names[GW_LIFE_REPL_MAX] = {
    "none", "seeding", "sync", "async", "unsync", "resync", "suspended", "diverged",
};

static const char *const event_names[GW_LIFE_REPL_EVENT_MAX] = {
    [GW_LIFE_REPL_SEED] = "seed",
    [GW_LIFE_REPL_FOLLOW_ASYNC] = "follow async",
    [GW_LIFE_REPL_FOLLOW_SYNC] = "follow sync",
    [GW_LIFE_REPL_LINK_LOST] = "link lost",
    [GW_LIFE_REPL_OVERRUN] = "overrun",
    [GW_LIFE_REPL_COPY] = "copy",
    [GW_LIFE_REPL_DIVERGE] = "diverge",
    [GW_LIFE_REPL_SIGN] = "sign",
    [GW_LIFE_REPL_SUSPEND] = "suspend",
    [GW_LIFE_REPL_RESUME] = "resume",
    [GW_LIFE_REPL_TURN] = "turn",
    [GW_LIFE_REPL_STOP] = "stop",
};

#define NONE GW_LIFE_REPL_NONE
#define SEEDING GW_LIFE_REPL_SEEDING
#define SYNC GW_LIFE_REPL_SYNC
#define ASYNC GW_LIFE_REPL_ASYNC
#define UNSYNC GW_LIFE_REPL_UNSYNC
#define RESYNC GW_LIFE_REPL_RESYNC
#define SUSPENDED GW_LIFE_REPL_SUSPENDED
#define DIVERGED GW_LIFE_REPL_DIVERGED
#define COPYING IN2(SEEDING, RESYNC)
#define FOLLOWING IN2(SYNC, ASYNC)
#define EVERY (IN2(NONE, UNSYNC) | COPYING | FOLLOWING | IN2(SUSPENDED, DIVERGED))

static const char first[] = "the standby is consistent";
static const char follows[] = "the standby follows";
static const char only_marked[] = "writes are only in the dirty map: they have to be copied first";
static const char not_signed[] =
    "the target has writes of its own: they are copied over only after a named person signed "
    "(godwit divergence sign)";
static const char not_kept[] = "what the copy would overwrite is not kept: make room at the target";
static const char not_suspended[] = "no write waits for the peer";

static const struct gw_life_row rows[] = {
    ROW(IN1(SEEDING), GW_LIFE_REPL_SEED, ALWAYS, STAY(NOTHING, "the first copy goes on")),
    ROW(EVERY & ~IN1(SEEDING), GW_LIFE_REPL_SEED, PEER_BLANK,
        TO(SEEDING, NOTHING, "a full copy to a blank site has begun")),
    ROW(EVERY & ~IN1(SEEDING), GW_LIFE_REPL_SEED, ALWAYS,
        REFUSE(
            "the target holds data, or nobody knows: replace the site, or compare (adopt-data)")),

    ROW(COPYING, GW_LIFE_REPL_FOLLOW_ASYNC, ALWAYS, TO(ASYNC, CONSISTENT, first)),
    ROW(IN1(NONE) | FOLLOWING | IN1(SUSPENDED), GW_LIFE_REPL_FOLLOW_ASYNC, ALWAYS,
        TO(ASYNC, CONSISTENT, follows)),
    ROW(IN1(UNSYNC), GW_LIFE_REPL_FOLLOW_ASYNC, MAPS_EMPTY, TO(ASYNC, CONSISTENT, follows)),
    ROW(IN1(UNSYNC), GW_LIFE_REPL_FOLLOW_ASYNC, ALWAYS, NEVER(only_marked)),
    ROW(IN1(DIVERGED), GW_LIFE_REPL_FOLLOW_ASYNC, ALWAYS, NEVER(not_signed)),

    ROW(COPYING, GW_LIFE_REPL_FOLLOW_SYNC, ALWAYS, TO(SYNC, CONSISTENT, first)),
    ROW(IN1(NONE) | FOLLOWING | IN1(SUSPENDED), GW_LIFE_REPL_FOLLOW_SYNC, ALWAYS,
        TO(SYNC, CONSISTENT, "every acknowledged write is at the standby")),
    ROW(IN1(UNSYNC), GW_LIFE_REPL_FOLLOW_SYNC, MAPS_EMPTY,
        TO(SYNC, CONSISTENT, "every acknowledged write is at the standby")),
    ROW(IN1(UNSYNC), GW_LIFE_REPL_FOLLOW_SYNC, ALWAYS, NEVER(only_marked)),
    ROW(IN1(DIVERGED), GW_LIFE_REPL_FOLLOW_SYNC, ALWAYS, NEVER(not_signed)),

    ROW(IN1(SYNC), GW_LIFE_REPL_LINK_LOST, CONTINUES,
        TO(UNSYNC, UNSYNC, "the link is lost: the active site goes on alone")),
    ROW(IN1(SYNC), GW_LIFE_REPL_LINK_LOST, ALWAYS,
        TO(SUSPENDED, ALERT, "the link is lost: writes wait for the standby (on_link_loss)")),
    ROW(IN1(ASYNC), GW_LIFE_REPL_LINK_LOST, ALWAYS,
        STAY(ALERT, "the link is lost: writes are kept for the standby until the journal is full")),
    ROW(COPYING, GW_LIFE_REPL_LINK_LOST, ALWAYS,
        STAY(ALERT, "the link is lost: the copy goes on when it is back")),
    ROW(IN3(NONE, UNSYNC, SUSPENDED) | IN1(DIVERGED), GW_LIFE_REPL_LINK_LOST, ALWAYS,
        STAY(NOTHING, "the link is lost")),

    ROW(IN2(NONE, ASYNC), GW_LIFE_REPL_OVERRUN, ALWAYS,
        TO(UNSYNC, UNSYNC, "writes are only marked: a resync follows when the standby is back")),
    ROW(COPYING | IN2(UNSYNC, DIVERGED), GW_LIFE_REPL_OVERRUN, ALWAYS,
        STAY(NOTHING, "writes are marked and copied later")),
    ROW(IN1(SYNC), GW_LIFE_REPL_OVERRUN, ALWAYS,
        NEVER("SYNC is recorded and a write was acknowledged that the standby does not have")),
    ROW(IN1(SUSPENDED), GW_LIFE_REPL_OVERRUN, ALWAYS,
        NEVER("writes are suspended and one was acknowledged")),

    ROW(IN1(RESYNC), GW_LIFE_REPL_COPY, ALWAYS, STAY(NOTHING, "the copy goes on")),
    ROW(EVERY & ~IN1(RESYNC), GW_LIFE_REPL_COPY, UNDO_MISSING, REFUSE(not_kept)),
    ROW(IN1(DIVERGED), GW_LIFE_REPL_COPY, TAIL_SIGNED,
        TO(RESYNC, NOTHING, "the difference is copied; the target's own writes are kept aside")),
    ROW(IN1(DIVERGED), GW_LIFE_REPL_COPY, ALWAYS, REFUSE(not_signed)),
    ROW(EVERY & ~IN2(RESYNC, DIVERGED), GW_LIFE_REPL_COPY, ALWAYS,
        TO(RESYNC, NOTHING, "the difference is copied")),

    ROW(EVERY, GW_LIFE_REPL_DIVERGE, ALWAYS,
        TO(DIVERGED, ASK,
           "the other site has writes that nobody else has: look at them, and sign")),

    ROW(IN1(DIVERGED), GW_LIFE_REPL_SIGN, TAIL_SIGNED,
        STAY(RECORD, "signed: the difference may be copied")),
    ROW(IN1(DIVERGED), GW_LIFE_REPL_SIGN, ALWAYS, REFUSE("a signature needs the name of a person")),
    ROW(EVERY & ~IN1(DIVERGED), GW_LIFE_REPL_SIGN, ALWAYS, REFUSE("nothing waits for a signature")),

    ROW(IN1(SYNC), GW_LIFE_REPL_SUSPEND, ALWAYS,
        TO(SUSPENDED, ALERT, "writes wait for the standby")),
    ROW(IN1(SUSPENDED), GW_LIFE_REPL_SUSPEND, ALWAYS, STAY(NOTHING, "writes wait already")),
    ROW(IN3(NONE, ASYNC, UNSYNC) | COPYING | IN1(DIVERGED), GW_LIFE_REPL_SUSPEND, ALWAYS,
        REFUSE("only writes of a plan in SYNC wait for the standby")),

    ROW(IN1(SUSPENDED), GW_LIFE_REPL_RESUME, OVERRIDE,
        TO(UNSYNC, UNSYNC, "writes go on alone, on a person's word")),
    ROW(IN1(SUSPENDED), GW_LIFE_REPL_RESUME, ALWAYS,
        FORCE("from here on a failover would lose writes: a person has to say so")),
    ROW(EVERY & ~IN1(SUSPENDED), GW_LIFE_REPL_RESUME, ALWAYS, REFUSE(not_suspended)),

    ROW(IN3(NONE, UNSYNC, SUSPENDED) | FOLLOWING, GW_LIFE_REPL_TURN, ALWAYS,
        TO(UNSYNC, TURN, "the direction turned: nothing is protected before the first sync since")),
    ROW(IN1(RESYNC), GW_LIFE_REPL_TURN, ROLLED_BACK,
        TO(UNSYNC, TURN, "promoted at the state before the copy")),
    ROW(IN1(RESYNC), GW_LIFE_REPL_TURN, ALWAYS,
        REFUSE("the target is a mixture of two states: it has to be rolled back first")),
    ROW(IN1(SEEDING), GW_LIFE_REPL_TURN, ALWAYS,
        REFUSE("the target never had a whole copy: there is nothing to promote")),
    ROW(IN1(DIVERGED), GW_LIFE_REPL_TURN, OVERRIDE,
        TO(UNSYNC, TURN, "promoted with a history of its own, on a person's word")),
    ROW(IN1(DIVERGED), GW_LIFE_REPL_TURN, ALWAYS,
        FORCE("the target has a history of its own: a person has to choose it")),

    ROW(EVERY, GW_LIFE_REPL_STOP, ALWAYS, TO(NONE, NOTHING, "the source ended")),
};

const struct gw_life_table gw_repl_table = TABLE("repl", "what flows to the other site");

const char *gw_life_repl_name(enum gw_repl r)
{
    return (unsigned)r < GW_LIFE_REPL_MAX ? value_names[r] : "invalid";
}
