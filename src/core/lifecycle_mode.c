// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* MODE: how much may happen without a person. Nothing automatic without a witness. */
#include "core/rows.h"

#include <string.h>

static const char *const value_names[GW_MODE_MAX] = {
    [GW_MODE_APPROVE] = "approve",      [GW_MODE_AUTO] = "auto", [GW_MODE_MANUAL] = "manual",
    [GW_MODE_OBSERVE_ONLY] = "observe", [GW_MODE_HELD] = "held",
};

static const char *const event_names[GW_MODE_EVENT_MAX] = {
    [GW_MODE_SET_AUTO] = "set auto",
    [GW_MODE_SET_APPROVE] = "set approve",
    [GW_MODE_SET_MANUAL] = "set manual",
    [GW_MODE_SET_OBSERVE] = "set observe",
    [GW_MODE_HOLD] = "hold",
    [GW_MODE_RELEASE] = "release",
    [GW_MODE_FLAP] = "flap",
};

#define APPROVE GW_MODE_APPROVE
#define AUTO GW_MODE_AUTO
#define MANUAL GW_MODE_MANUAL
#define OBSERVE GW_MODE_OBSERVE_ONLY
#define HELD GW_MODE_HELD
#define FREE (IN3(APPROVE, AUTO, MANUAL) | IN1(OBSERVE))

static const char held[] = "the plan is held: godwit release {plan} first";

static const struct gw_life_row rows[] = {
    ROW(FREE, GW_MODE_SET_AUTO, WITNESS, TO(AUTO, RECORD, "a lost site is replaced automatically")),
    ROW(FREE, GW_MODE_SET_AUTO, ALWAYS,
        REFUSE("an automatic failover needs a witness that answers")),
    ROW(IN1(HELD), GW_MODE_SET_AUTO, ALWAYS, REFUSE(held)),

    ROW(FREE, GW_MODE_SET_APPROVE, ALWAYS, TO(APPROVE, RECORD, "a loss asks a person")),
    ROW(IN1(HELD), GW_MODE_SET_APPROVE, ALWAYS, REFUSE(held)),

    ROW(FREE, GW_MODE_SET_MANUAL, ALWAYS, TO(MANUAL, RECORD, "only what is typed happens")),
    ROW(IN1(HELD), GW_MODE_SET_MANUAL, ALWAYS, REFUSE(held)),

    ROW(FREE, GW_MODE_SET_OBSERVE, ALWAYS, TO(OBSERVE, RECORD, "a loss is evaluated and logged")),
    ROW(IN1(HELD), GW_MODE_SET_OBSERVE, ALWAYS, REFUSE(held)),

    ROW(FREE, GW_MODE_HOLD, ALWAYS, TO(HELD, RECORD, "held: nothing begins by itself")),
    ROW(IN1(HELD), GW_MODE_HOLD, ALWAYS, STAY(NOTHING, "held already")),

    ROW(FREE, GW_MODE_RELEASE, ALWAYS, REFUSE("the plan is not held")),
    ROW(IN1(HELD), GW_MODE_RELEASE, WAS_AUTO, TO(AUTO, RECORD, "released, automatic again")),
    ROW(IN1(HELD), GW_MODE_RELEASE, WAS_MANUAL, TO(MANUAL, RECORD, "released, manual again")),
    ROW(IN1(HELD), GW_MODE_RELEASE, WAS_OBSERVE, TO(OBSERVE, RECORD, "released, observes again")),
    ROW(IN1(HELD), GW_MODE_RELEASE, ALWAYS, TO(APPROVE, RECORD, "released: a loss asks a person")),

    ROW(FREE, GW_MODE_FLAP, ALWAYS,
        TO(HELD, ALERT, "three suspicions in an hour: held until a person has looked")),
    ROW(IN1(HELD), GW_MODE_FLAP, ALWAYS, STAY(NOTHING, "held already")),
};

const struct gw_life_table gw_mode_table = TABLE("mode", "what may happen without a person");

const char *gw_mode_name(enum gw_mode m)
{
    return (unsigned)m < GW_MODE_MAX ? value_names[m] : "invalid";
}

bool gw_mode_parse(const char *word, enum gw_mode *ret_mode)
{
    for (unsigned i = 0; i < GW_MODE_MAX; i++) {
        if (strcmp(word, value_names[i]) == 0) {
            *ret_mode = (enum gw_mode)i;
            return true;
        }
    }
    return false;
}
