// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The values and events of the lifecycle's tables (lifecycle.h). The values of OP are
 * enum gw_operation_id. Names are stable words of the API.
 */
#pragma once

#include "core/operation.h"
#include "core/words.h"

enum gw_holder {
    GW_HOLDER_NONE = 0, /* never claimed, or released and not yet taken */
    GW_HOLDER_HOME,
    GW_HOLDER_DR,
    GW_HOLDER_MAX,
};

static inline enum gw_holder gw_holder_of(enum gw_label l)
{
    return l == GW_LABEL_HOME ? GW_HOLDER_HOME : GW_HOLDER_DR;
}

enum gw_auth_event {
    GW_AUTH_CREATE = 0, /* activation: home claims the first epoch */
    GW_AUTH_RELEASE,    /* the holder durably lets go, after EQUAL */
    GW_AUTH_TAKE_HOME,  /* home takes what was released: the next epoch */
    GW_AUTH_TAKE_DR,
    GW_AUTH_SEIZE_HOME, /* home takes it without a release: failover, or alone by a person's word */
    GW_AUTH_SEIZE_DR,
    GW_AUTH_RECLAIM_HOME, /* home takes back what it released and nobody took */
    GW_AUTH_RECLAIM_DR,
    GW_AUTH_LEARN_HOME, /* a claim of home was seen, in the other site's memory or the witness */
    GW_AUTH_LEARN_DR,
    GW_AUTH_SWAP, /* adopt: the labels change places */
    GW_AUTH_RETIRE,
    GW_AUTH_EVENT_MAX,
};

enum gw_lease {
    GW_LEASE_NOT_USED = 0, /* pair mode */
    GW_LEASE_VALID,
    GW_LEASE_EXPIRING, /* a renewal is late */
    GW_LEASE_LAPSED,   /* the write path is closed */
    GW_LEASE_MAX,
};

enum gw_lease_event {
    GW_LEASE_ENABLE = 0, /* a witness was configured */
    GW_LEASE_DISABLE,
    GW_LEASE_ACQUIRE, /* a new compare-and-swap with a new id won */
    GW_LEASE_RENEW,
    GW_LEASE_LATE,
    GW_LEASE_EXPIRE,
    GW_LEASE_EVENT_MAX,
};

enum gw_repl {
    GW_LIFE_REPL_NONE = 0,  /* nothing flows: no source runs, or it knows no peer */
    GW_LIFE_REPL_SEEDING,   /* first full copy */
    GW_LIFE_REPL_SYNC,      /* every acknowledged write is at the peer */
    GW_LIFE_REPL_ASYNC,     /* follows within the journal */
    GW_LIFE_REPL_UNSYNC,    /* writes are acknowledged that are only in the dirty map */
    GW_LIFE_REPL_RESYNC,    /* dirty blocks are copied; the target is a mixture */
    GW_LIFE_REPL_SUSPENDED, /* writes wait for the peer */
    GW_LIFE_REPL_DIVERGED,  /* the target has writes of its own, or both went on alone */
    GW_LIFE_REPL_MAX,
};

enum gw_repl_event {
    GW_LIFE_REPL_SEED = 0, /* a full copy begins */
    GW_LIFE_REPL_FOLLOW_ASYNC,
    GW_LIFE_REPL_FOLLOW_SYNC,
    GW_LIFE_REPL_LINK_LOST,
    GW_LIFE_REPL_OVERRUN, /* acknowledged writes are only marked from here on */
    GW_LIFE_REPL_COPY,    /* a delta copy begins */
    GW_LIFE_REPL_DIVERGE, /* the comparison found a tail, or two histories */
    GW_LIFE_REPL_SIGN,    /* a named person signed what becomes of the tail */
    GW_LIFE_REPL_SUSPEND,
    GW_LIFE_REPL_RESUME, /* writes go on without the peer */
    GW_LIFE_REPL_TURN,   /* the other site was promoted: the direction turns */
    GW_LIFE_REPL_STOP,
    GW_LIFE_REPL_EVENT_MAX,
};

enum gw_svc {
    GW_SVC_UNKNOWN = 0,
    GW_SVC_STOPPED,
    GW_SVC_STARTING,
    GW_SVC_RUNNING,
    GW_SVC_DEGRADED, /* runs, a health check is red */
    GW_SVC_QUIESCING,
    GW_SVC_FENCED, /* may not serve before it is cleared */
    GW_SVC_MAX,
};

/* May clients' writes be accepted in this state? Not known is not yes; quiescing holds them. */
static inline bool gw_svc_serves(enum gw_svc s)
{
    return s == GW_SVC_STARTING || s == GW_SVC_RUNNING || s == GW_SVC_DEGRADED;
}

enum gw_svc_event {
    GW_SVC_START = 0,
    GW_SVC_HEALTHY,   /* seen: all checks green */
    GW_SVC_UNHEALTHY, /* seen: runs, a check is red */
    GW_SVC_QUIESCE,
    GW_SVC_UNQUIESCE,
    GW_SVC_STOP,
    GW_SVC_ENDED, /* seen: nothing runs */
    GW_SVC_FENCE,
    GW_SVC_CLEAR, /* the fence is taken off */
    GW_SVC_LOST,  /* nothing is known any more */
    GW_SVC_EVENT_MAX,
};

/* The event that begins operation n is n - 1. */
enum gw_op_event {
    GW_OP_BEGIN_ACTIVATE = 0,
    GW_OP_BEGIN_DEACTIVATE,
    GW_OP_BEGIN_SWITCHOVER,
    GW_OP_BEGIN_FAILBACK,
    GW_OP_BEGIN_FAILOVER,
    GW_OP_BEGIN_REVERSE,
    GW_OP_BEGIN_REVERT,
    GW_OP_BEGIN_TEST,
    GW_OP_BEGIN_REHEARSAL,
    GW_OP_BEGIN_RECONCILE,
    GW_OP_CONVERT, /* the old site died before EQUAL: the switchover becomes a failover */
    GW_OP_END,     /* done, cancelled, reverted or aborted */
    GW_OP_EVENT_MAX,
};

static inline enum gw_op_event gw_op_begin(enum gw_operation_id op)
{
    return (enum gw_op_event)((int)op - 1);
}

/* A test or a rehearsal runs beside the plan's state and never changes AUTH. */
static inline bool gw_op_is_beside(enum gw_operation_id op)
{
    return op == GW_OPERATION_TEST || op == GW_OPERATION_REHEARSAL;
}

enum gw_mode {
    GW_MODE_APPROVE = 0, /* a detected loss asks a person (default) */
    GW_MODE_AUTO,
    GW_MODE_MANUAL,       /* only what is typed */
    GW_MODE_OBSERVE_ONLY, /* evaluates and logs, does nothing */
    GW_MODE_HELD,         /* nothing begins by itself until released */
    GW_MODE_MAX,
};

enum gw_mode_event {
    GW_MODE_SET_AUTO = 0,
    GW_MODE_SET_APPROVE,
    GW_MODE_SET_MANUAL,
    GW_MODE_SET_OBSERVE,
    GW_MODE_HOLD,
    GW_MODE_RELEASE,
    GW_MODE_FLAP, /* three suspicions in an hour */
    GW_MODE_EVENT_MAX,
};

const char *gw_holder_name(enum gw_holder h);  /* "none", "home", "dr" */
const char *gw_lease_name(enum gw_lease l);    /* "not-used", ... */
const char *gw_life_repl_name(enum gw_repl r); /* "seeding", "sync", ... */
const char *gw_svc_name(enum gw_svc s);
const char *gw_mode_name(enum gw_mode m); /* "approve", "auto", "manual", "observe", "held" */
bool gw_holder_parse(const char *word, enum gw_holder *ret_holder);
bool gw_mode_parse(const char *word, enum gw_mode *ret_mode);
