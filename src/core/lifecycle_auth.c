// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * AUTH: who may be active, and the lease that limits it in time.
 *
 * I1: at most one holder in an epoch. Every edge to a holder takes a later epoch than any seen, and
 * rests on a durable release, a verified fence of the other site, or a person's recorded word.
 */
#include "core/rows.h"

#include <string.h>

static const char *const value_names[GW_HOLDER_MAX] = { "none", "home", "dr" };

static const char *const event_names[GW_AUTH_EVENT_MAX] = {
    [GW_AUTH_CREATE] = "create",
    [GW_AUTH_RELEASE] = "release",
    [GW_AUTH_TAKE_HOME] = "take home",
    [GW_AUTH_TAKE_DR] = "take dr",
    [GW_AUTH_SEIZE_HOME] = "seize home",
    [GW_AUTH_SEIZE_DR] = "seize dr",
    [GW_AUTH_RECLAIM_HOME] = "reclaim home",
    [GW_AUTH_RECLAIM_DR] = "reclaim dr",
    [GW_AUTH_LEARN_HOME] = "learn home",
    [GW_AUTH_LEARN_DR] = "learn dr",
    [GW_AUTH_SWAP] = "swap labels",
    [GW_AUTH_RETIRE] = "retire",
};

#define NONE GW_HOLDER_NONE
#define HOME GW_HOLDER_HOME
#define DR GW_HOLDER_DR

static const char taken[] = "a recorded release is taken: service may start here";
static const char no_release[] =
    "no release is known: let the active site hand over, or confirm that it is down";
static const char first_release[] =
    "the active site has released nothing: switch over, or fail over if it is down";
static const char seized[] =
    "taken over: the other site is fenced, and is compared before it may serve again";
static const char seized_word[] =
    "taken over on a person's word that the other site is down: it comes back fenced";
static const char not_fenced[] = "the other site may be serving: fence it, or confirm that it is "
                                 "down with --confirm-site-down";
static const char alone[] = "confirmed in isolation: a new epoch, like a promotion";
static const char alone_how[] =
    "this site holds the authority already; to serve without having spoken to the other site a "
    "person has to confirm that it is down";
static const char back[] = "the release was not taken: the old site serves on, in a new epoch";
static const char back_word[] = "the release is taken back on a person's word that nobody took it";
static const char maybe_taken[] =
    "the other site may have taken the release: wait for it to answer, or confirm that it did not";
static const char nothing_back[] = "this site holds the authority: there is nothing to take back";
static const char too_late[] = "the other site has taken it: come back by a switchover";
static const char older[] = "the claim is not of a later epoch: it counts for nothing";
static const char obeyed[] = "the other site was promoted in a later epoch: it rules";
static const char two[] = "two holders in one epoch: both sites are stopped until a person decides";

static const struct gw_life_row rows[] = {
    ROW(IN1(NONE), GW_AUTH_CREATE, NOT_RELEASED,
        TO(HOME, RECORD, "home is the active site, epoch 1")),
    ROW(IN1(NONE), GW_AUTH_CREATE, ALWAYS,
        REFUSE("the authority was released, or it is not known whether it was: it is taken, not "
               "created")),
    ROW(IN2(HOME, DR), GW_AUTH_CREATE, ALWAYS, REFUSE("the plan has an active site already")),

    ROW(IN1(NONE), GW_AUTH_RELEASE, ALWAYS,
        REFUSE("nobody holds the authority: nothing to release")),
    ROW(IN2(HOME, DR), GW_AUTH_RELEASE, TOKEN_EQUAL,
        TO(NONE, RECORD, "released: this site never serves this epoch again")),
    ROW(IN2(HOME, DR), GW_AUTH_RELEASE, ALWAYS,
        REFUSE("the other site has not matched the token: wait for the final sync")),

    ROW(IN1(NONE), GW_AUTH_TAKE_HOME, RELEASED, TO(HOME, NEXT_EPOCH, taken)),
    ROW(IN1(NONE), GW_AUTH_TAKE_HOME, OVERRIDE, TO(HOME, SEIZE, seized_word)),
    ROW(IN1(NONE), GW_AUTH_TAKE_HOME, ALWAYS, FORCE(no_release)),
    ROW(IN1(HOME), GW_AUTH_TAKE_HOME, ALWAYS, STAY(NOTHING, "home has taken it already")),
    ROW(IN1(DR), GW_AUTH_TAKE_HOME, ALWAYS, REFUSE(first_release)),

    ROW(IN1(NONE), GW_AUTH_TAKE_DR, RELEASED, TO(DR, NEXT_EPOCH, taken)),
    ROW(IN1(NONE), GW_AUTH_TAKE_DR, OVERRIDE, TO(DR, SEIZE, seized_word)),
    ROW(IN1(NONE), GW_AUTH_TAKE_DR, ALWAYS, FORCE(no_release)),
    ROW(IN1(DR), GW_AUTH_TAKE_DR, ALWAYS, STAY(NOTHING, "dr has taken it already")),
    ROW(IN1(HOME), GW_AUTH_TAKE_DR, ALWAYS, REFUSE(first_release)),

    ROW(IN2(NONE, DR), GW_AUTH_SEIZE_HOME, OTHER_FENCED, TO(HOME, SEIZE, seized)),
    ROW(IN2(NONE, DR), GW_AUTH_SEIZE_HOME, OVERRIDE, TO(HOME, SEIZE, seized_word)),
    ROW(IN2(NONE, DR), GW_AUTH_SEIZE_HOME, ALWAYS, FORCE(not_fenced)),
    ROW(IN1(HOME), GW_AUTH_SEIZE_HOME, OVERRIDE, TO(HOME, SEIZE, alone)),
    ROW(IN1(HOME), GW_AUTH_SEIZE_HOME, ALWAYS, FORCE(alone_how)),

    ROW(IN2(NONE, HOME), GW_AUTH_SEIZE_DR, OTHER_FENCED, TO(DR, SEIZE, seized)),
    ROW(IN2(NONE, HOME), GW_AUTH_SEIZE_DR, OVERRIDE, TO(DR, SEIZE, seized_word)),
    ROW(IN2(NONE, HOME), GW_AUTH_SEIZE_DR, ALWAYS, FORCE(not_fenced)),
    ROW(IN1(DR), GW_AUTH_SEIZE_DR, OVERRIDE, TO(DR, SEIZE, alone)),
    ROW(IN1(DR), GW_AUTH_SEIZE_DR, ALWAYS, FORCE(alone_how)),

    ROW(IN1(NONE), GW_AUTH_RECLAIM_HOME, NOT_TAKEN, TO(HOME, NEXT_EPOCH, back)),
    ROW(IN1(NONE), GW_AUTH_RECLAIM_HOME, OVERRIDE, TO(HOME, SEIZE, back_word)),
    ROW(IN1(NONE), GW_AUTH_RECLAIM_HOME, ALWAYS, FORCE(maybe_taken)),
    ROW(IN1(HOME), GW_AUTH_RECLAIM_HOME, ALWAYS, REFUSE(nothing_back)),
    ROW(IN1(DR), GW_AUTH_RECLAIM_HOME, ALWAYS, REFUSE(too_late)),

    ROW(IN1(NONE), GW_AUTH_RECLAIM_DR, NOT_TAKEN, TO(DR, NEXT_EPOCH, back)),
    ROW(IN1(NONE), GW_AUTH_RECLAIM_DR, OVERRIDE, TO(DR, SEIZE, back_word)),
    ROW(IN1(NONE), GW_AUTH_RECLAIM_DR, ALWAYS, FORCE(maybe_taken)),
    ROW(IN1(DR), GW_AUTH_RECLAIM_DR, ALWAYS, REFUSE(nothing_back)),
    ROW(IN1(HOME), GW_AUTH_RECLAIM_DR, ALWAYS, REFUSE(too_late)),

    ROW(IN1(NONE), GW_AUTH_LEARN_HOME, EPOCH_NEWER, TO(HOME, RECORD, "home has taken it")),
    ROW(IN1(NONE), GW_AUTH_LEARN_HOME, ALWAYS, REFUSE(older)),
    ROW(IN1(HOME), GW_AUTH_LEARN_HOME, ALWAYS, STAY(RECORD, "home is the active site")),
    ROW(IN1(DR), GW_AUTH_LEARN_HOME, EPOCH_NEWER, TO(HOME, OBEY, obeyed)),
    ROW(IN1(DR), GW_AUTH_LEARN_HOME, EPOCH_EQUAL, NEVER(two)),
    ROW(IN1(DR), GW_AUTH_LEARN_HOME, ALWAYS, REFUSE(older)),

    ROW(IN1(NONE), GW_AUTH_LEARN_DR, EPOCH_NEWER, TO(DR, RECORD, "dr has taken it")),
    ROW(IN1(NONE), GW_AUTH_LEARN_DR, ALWAYS, REFUSE(older)),
    ROW(IN1(DR), GW_AUTH_LEARN_DR, ALWAYS, STAY(RECORD, "dr is the active site")),
    ROW(IN1(HOME), GW_AUTH_LEARN_DR, EPOCH_NEWER, TO(DR, OBEY, obeyed)),
    ROW(IN1(HOME), GW_AUTH_LEARN_DR, EPOCH_EQUAL, NEVER(two)),
    ROW(IN1(HOME), GW_AUTH_LEARN_DR, ALWAYS, REFUSE(older)),

    ROW(IN1(NONE), GW_AUTH_SWAP, ALWAYS,
        REFUSE("nobody holds the authority: the labels stay until somebody does")),
    ROW(IN1(HOME), GW_AUTH_SWAP, ALWAYS, REFUSE("home is the active site: nothing to adopt")),
    ROW(IN1(DR), GW_AUTH_SWAP, ALWAYS,
        TO(HOME, RELABEL,
           "the roles stay as they are: the active site is called home from now on")),

    ROW(IN3(NONE, HOME, DR), GW_AUTH_RETIRE, NOT_ACTIVATED,
        TO(NONE, RECORD, "the plan is retired; its evidence is kept")),
    ROW(IN3(NONE, HOME, DR), GW_AUTH_RETIRE, ALWAYS,
        REFUSE("the plan is active: deactivate it first")),
};

const struct gw_life_table gw_auth_table = TABLE("auth", "who may be active");

const char *gw_holder_name(enum gw_holder h)
{
    return (unsigned)h < GW_HOLDER_MAX ? value_names[h] : "invalid";
}

bool gw_holder_parse(const char *word, enum gw_holder *ret_holder)
{
    for (unsigned i = 0; i < GW_HOLDER_MAX; i++) {
        if (strcmp(word, value_names[i]) == 0) {
            *ret_holder = (enum gw_holder)i;
            return true;
        }
    }
    return false;
}
