// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * SVC: the service at one site; each site has its own value.
 *
 * I2 is kept here and in AUTH: service starts only where the authority is known to be. A service
 * that is seen elsewhere is IMPOSSIBLE, not a new fact to get used to.
 */
#include "core/rows.h"

static const char *const value_names[GW_SVC_MAX] = {
    "unknown", "stopped", "starting", "running", "degraded", "quiescing", "fenced",
};

static const char *const event_names[GW_SVC_EVENT_MAX] = {
    [GW_SVC_START] = "start",         [GW_SVC_HEALTHY] = "healthy",
    [GW_SVC_UNHEALTHY] = "unhealthy", [GW_SVC_QUIESCE] = "quiesce",
    [GW_SVC_UNQUIESCE] = "unquiesce", [GW_SVC_STOP] = "stop",
    [GW_SVC_ENDED] = "ended",         [GW_SVC_FENCE] = "fence",
    [GW_SVC_CLEAR] = "clear",         [GW_SVC_LOST] = "lost",
};

#define UNKNOWN GW_SVC_UNKNOWN
#define STOPPED GW_SVC_STOPPED
#define STARTING GW_SVC_STARTING
#define RUNNING GW_SVC_RUNNING
#define DEGRADED GW_SVC_DEGRADED
#define QUIESCING GW_SVC_QUIESCING
#define FENCED GW_SVC_FENCED
#define SERVING (IN3(STARTING, RUNNING, DEGRADED) | IN1(QUIESCING))
#define EVERY (IN3(UNKNOWN, STOPPED, FENCED) | SERVING)

static const char look[] = "nothing is known of the service there: look first (godwit site test)";
static const char elsewhere[] = "a service answers at a site that does not hold the authority";
static const char fenced_answers[] = "a service answers at a site that is fenced";
static const char is_fenced[] = "this site is fenced: it is compared with the other one first";
static const char not_here[] = "this site does not hold the authority: service starts at the one "
                               "that does";

static const struct gw_life_row rows[] = {
    ROW(IN1(STOPPED), GW_SVC_START, HOLDER, TO(STARTING, START, "service is started")),
    ROW(IN1(STOPPED), GW_SVC_START, ALWAYS, REFUSE(not_here)),
    ROW(IN3(STARTING, RUNNING, DEGRADED), GW_SVC_START, ALWAYS,
        STAY(NOTHING, "service is started already")),
    ROW(IN1(QUIESCING), GW_SVC_START, ALWAYS, REFUSE("it is being stopped: unquiesce, or wait")),
    ROW(IN1(FENCED), GW_SVC_START, ALWAYS, REFUSE(is_fenced)),
    ROW(IN1(UNKNOWN), GW_SVC_START, ALWAYS, REFUSE(look)),

    ROW(IN3(STARTING, RUNNING, DEGRADED), GW_SVC_HEALTHY, ALWAYS,
        TO(RUNNING, NOTHING, "service runs, all checks are green")),
    ROW(IN1(QUIESCING), GW_SVC_HEALTHY, ALWAYS, STAY(NOTHING, "still answers while it is stopped")),
    ROW(IN2(STOPPED, UNKNOWN), GW_SVC_HEALTHY, HOLDER,
        TO(RUNNING, ALERT, "service runs, and was not started by a run")),
    ROW(IN2(STOPPED, UNKNOWN), GW_SVC_HEALTHY, ALWAYS, NEVER(elsewhere)),
    ROW(IN1(FENCED), GW_SVC_HEALTHY, ALWAYS, NEVER(fenced_answers)),

    ROW(IN2(RUNNING, DEGRADED), GW_SVC_UNHEALTHY, ALWAYS,
        TO(DEGRADED, ALERT, "service runs, a health check is red")),
    ROW(IN1(STARTING), GW_SVC_UNHEALTHY, ALWAYS, STAY(NOTHING, "not healthy yet")),
    ROW(IN1(QUIESCING), GW_SVC_UNHEALTHY, ALWAYS, STAY(NOTHING, "is being stopped")),
    ROW(IN2(STOPPED, UNKNOWN), GW_SVC_UNHEALTHY, HOLDER,
        TO(DEGRADED, ALERT, "something runs that was not started by a run, a check is red")),
    ROW(IN2(STOPPED, UNKNOWN), GW_SVC_UNHEALTHY, ALWAYS, NEVER(elsewhere)),
    ROW(IN1(FENCED), GW_SVC_UNHEALTHY, ALWAYS, NEVER(fenced_answers)),

    ROW(IN2(RUNNING, DEGRADED), GW_SVC_QUIESCE, ALWAYS,
        TO(QUIESCING, STOP, "writes are held, service is stopped")),
    ROW(IN1(STARTING), GW_SVC_QUIESCE, ALWAYS, REFUSE("service is starting: wait, or stop it")),
    ROW(IN1(QUIESCING), GW_SVC_QUIESCE, ALWAYS, STAY(NOTHING, "writes are held already")),
    ROW(IN2(STOPPED, FENCED), GW_SVC_QUIESCE, ALWAYS, STAY(NOTHING, "nothing writes here")),
    ROW(IN1(UNKNOWN), GW_SVC_QUIESCE, ALWAYS, REFUSE(look)),

    ROW(IN1(QUIESCING), GW_SVC_UNQUIESCE, NOT_RELEASED,
        TO(RUNNING, START, "writes go on as if nothing had happened")),
    ROW(IN1(QUIESCING), GW_SVC_UNQUIESCE, ALWAYS,
        REFUSE("a release may be recorded: the other site is asked first")),
    ROW(IN3(STARTING, RUNNING, DEGRADED), GW_SVC_UNQUIESCE, ALWAYS,
        STAY(NOTHING, "writes are not held")),
    ROW(IN1(STOPPED), GW_SVC_UNQUIESCE, ALWAYS, REFUSE("service is stopped: start it")),
    ROW(IN1(FENCED), GW_SVC_UNQUIESCE, ALWAYS, REFUSE(is_fenced)),
    ROW(IN1(UNKNOWN), GW_SVC_UNQUIESCE, ALWAYS, REFUSE(look)),

    ROW(SERVING, GW_SVC_STOP, ALWAYS, TO(QUIESCING, STOP, "service is stopped")),
    ROW(IN2(STOPPED, FENCED), GW_SVC_STOP, ALWAYS, STAY(NOTHING, "nothing runs here")),
    ROW(IN1(UNKNOWN), GW_SVC_STOP, ALWAYS, STAY(STOP, "stopped, if it runs; then it is looked at")),

    ROW(IN1(QUIESCING), GW_SVC_ENDED, ALWAYS, TO(STOPPED, NOTHING, "nothing runs here any more")),
    ROW(IN3(STARTING, RUNNING, DEGRADED), GW_SVC_ENDED, ALWAYS,
        TO(STOPPED, ALERT, "service ended by itself")),
    ROW(IN1(UNKNOWN), GW_SVC_ENDED, ALWAYS, TO(STOPPED, NOTHING, "seen: nothing runs here")),
    ROW(IN2(STOPPED, FENCED), GW_SVC_ENDED, ALWAYS, STAY(NOTHING, "nothing runs here")),

    ROW(IN2(STOPPED, FENCED) | SERVING, GW_SVC_FENCE, ALWAYS,
        TO(FENCED, STOP, "fenced: it does not serve before it was compared")),
    ROW(IN1(UNKNOWN), GW_SVC_FENCE, OTHER_FENCED, TO(FENCED, RECORD, "the fence was verified")),
    ROW(IN1(UNKNOWN), GW_SVC_FENCE, ALWAYS,
        REFUSE("a fence that nobody verified counts for nothing")),

    ROW(IN1(FENCED), GW_SVC_CLEAR, COMPARED, TO(STOPPED, RECORD, "compared: the fence is off")),
    ROW(IN1(FENCED), GW_SVC_CLEAR, OVERRIDE,
        TO(STOPPED, RECORD, "the fence is taken off on a person's word")),
    ROW(IN1(FENCED), GW_SVC_CLEAR, ALWAYS,
        FORCE("it was not compared with the other site: let them talk, or confirm that the other "
              "one is down")),
    ROW(EVERY & ~IN1(FENCED), GW_SVC_CLEAR, ALWAYS, REFUSE("this site is not fenced")),

    ROW(IN1(FENCED), GW_SVC_LOST, OTHER_FENCED,
        STAY(NOTHING, "out of sight, and held by its fence")),
    ROW(EVERY, GW_SVC_LOST, ALWAYS, TO(UNKNOWN, ALERT, "nothing is known of the service there")),
};

const struct gw_life_table gw_svc_table = TABLE("svc", "the service, at each site");

const char *gw_svc_name(enum gw_svc s)
{
    return (unsigned)s < GW_SVC_MAX ? value_names[s] : "invalid";
}
