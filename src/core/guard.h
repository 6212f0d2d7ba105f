// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Guards: what is looked at before a request is accepted, and again in the PRECHECK of its run.
 *
 * For each request a list of guards; each is met, not met, or not known (which is not met). A guard
 * that is not met refuses the request, unless the guard is forceable and a person named it in an
 * override with a reason. An override names the guard: there is no "force everything", and one for
 * a guard that cannot be forced counts for nothing.
 *
 * Calling sequence:
 *     struct gw_guard_facts f = { .ok = { [GW_GUARD_LINK_UP] = GW_TRI_YES, ... } };
 *     struct gw_guard_check checks[GW_GUARD_MAX];
 *     size_t n = gw_guards_check(GW_REQUEST_FAILBACK, &f, checks);
 *     const struct gw_guard_check *no = gw_guards_refusal(checks, n);
 *     if (no != NULL) ... exit code 3: gw_guard_name(no->guard), no->sentence, no->way_out
 *
 * Sentences have the {words} of gw_phase_expand() in them.
 *
 * Pure, any thread; strings are constants, the caller owns the array.
 */
#pragma once

#include "core/operation.h"
#include "core/words.h"

#include <stddef.h>
#include <stdint.h>

/* What a person (or a timer) can ask for. */
enum gw_request {
    GW_REQUEST_ACTIVATE = 0,
    GW_REQUEST_DEACTIVATE,
    GW_REQUEST_SWITCHOVER,
    GW_REQUEST_FAILOVER,
    GW_REQUEST_REVERSE,
    GW_REQUEST_FAILBACK,
    GW_REQUEST_REVERT,
    GW_REQUEST_COMMIT,
    GW_REQUEST_ADOPT,
    GW_REQUEST_HOLD,
    GW_REQUEST_RELEASE,
    GW_REQUEST_PLAN_EDIT,
    GW_REQUEST_PLAN_DELETE,
    GW_REQUEST_VOLUME_ADD,
    GW_REQUEST_VOLUME_GROW,
    GW_REQUEST_VOLUME_REMOVE,
    GW_REQUEST_SITE_REPLACE,
    GW_REQUEST_DIVERGENCE_SIGN,
    GW_REQUEST_VERIFY,
    GW_REQUEST_TEST,
    GW_REQUEST_REHEARSE,
    GW_REQUEST_RECONCILE,
    GW_REQUEST_MAX,
};
const char *gw_request_name(enum gw_request r); /* "volume-add", ... */
bool gw_request_parse(const char *word, enum gw_request *ret_request);
/* The run that it starts; NONE: it is done at once. */
enum gw_operation_id gw_request_op(enum gw_request r);

enum gw_guard {
    GW_GUARD_NOT_RETIRED = 0,
    GW_GUARD_ACTIVATED,
    GW_GUARD_NOT_ACTIVATED,
    GW_GUARD_NO_OTHER_RUN, /* failover: one led by a site that is confirmed to be down is none */
    GW_GUARD_NOT_HELD,
    GW_GUARD_HELD,
    GW_GUARD_MEMORY_CURRENT, /* not met: something newer than its memory was seen, or its catalog
                                was restored and not compared since. A silent peer alone is no
                                reason */
    GW_GUARD_NO_SPLIT_BRAIN, /* not met: a split was seen and nobody chose a survivor */
    GW_GUARD_SPLIT_BRAIN,
    GW_GUARD_HOLDER_KNOWN,
    GW_GUARD_ACTIVE_AT_DR,
    GW_GUARD_NOT_ACTIVE_THERE, /* forced: the active site confirms itself, alone (isolated start) */
    GW_GUARD_ASKED_AT_STANDBY, /* the request came to the daemon that would take over */
    GW_GUARD_PEER_REACHABLE,
    GW_GUARD_LINK_UP,
    GW_GUARD_PLANS_EQUAL, /* version and hash of the plan are the same at both sites */
    GW_GUARD_VERSION_CURRENT,
    GW_GUARD_PLAN_CHECKED,
    GW_GUARD_OLD_STOPPED, /* failover: the old site is fenced, or a person confirms that it is down
                           */
    GW_GUARD_OLD_SILENT,  /* failover: no sign of life speaks against that word, or it can be asked
                           */
    GW_GUARD_STANDBY_CONSISTENT, /* failover: the chosen recovery point is */
    GW_GUARD_SYNCED_SINCE_CHANGE,
    GW_GUARD_NOT_FOLLOWING, /* reverse: the standby does not follow yet, or a failover is open */
    GW_GUARD_LAG_IN_BUDGET,
    GW_GUARD_SERVICE_HEALTHY,
    GW_GUARD_PREFLIGHT,
    GW_GUARD_TAIL_SIGNED, /* or no tail is known */
    GW_GUARD_TAIL_WAITS,
    GW_GUARD_FAILOVER_OPEN,
    GW_GUARD_BEFORE_ROUTE,
    GW_GUARD_COMMITTED,
    GW_GUARD_DRIVERS_KNOWN,
    GW_GUARD_ROOM,
    GW_GUARD_NAMED_PERSON,
    GW_GUARD_IN_WINDOW,
    GW_GUARD_CLOCKS,
    GW_GUARD_CERTIFICATES,
    GW_GUARD_WITNESS,        /* or none is configured */
    GW_GUARD_NOT_THE_ACTIVE, /* site replace: the site to be replaced is not the active one */
    GW_GUARD_VOLUME_UNUSED,
    GW_GUARD_SIZE_GROWS,
    GW_GUARD_APPROVED,
    GW_GUARD_MAX,
};
const char *gw_guard_name(enum gw_guard g); /* "peer-reachable": what --override names */
bool gw_guard_parse(const char *word, enum gw_guard *ret_guard);

/* What the caller found. `value` and `limit` are for people ("lag 41.0 MiB", "at most 16.0 MiB"),
 * may be NULL, and must outlive the checks. */
struct gw_guard_facts {
    enum gw_tri ok[GW_GUARD_MAX];
    const char *value[GW_GUARD_MAX];
    const char *limit[GW_GUARD_MAX];
    bool overridden[GW_GUARD_MAX]; /* a recorded override names it */
};

enum gw_guard_verdict {
    GW_GUARD_PASSED = 0,
    GW_GUARD_OVERRIDDEN, /* not met, and a person takes it on */
    GW_GUARD_FAILED,
    GW_GUARD_NOT_KNOWN, /* refuses like FAILED */
    GW_GUARD_WAITS,     /* not met, and does not refuse: the run waits for it (approval, window) */
    GW_GUARD_VERDICT_MAX,
};
const char *gw_guard_verdict_name(enum gw_guard_verdict v);

struct gw_guard_check {
    enum gw_guard guard;
    enum gw_guard_verdict verdict;
    bool forceable;
    const char *looks_at; /* "the data link between the sites" */
    const char *value, *limit;
    const char *sentence; /* why not, for a guard that is not met; else "" */
    const char *way_out;  /* what to do, with the command; if `forceable` there is besides
                             `--override NAME --reason TEXT` */
};

/* Every guard of the request in table order. Returns how many (at most GW_GUARD_MAX); 0 for a
 * request outside the enum, which gw_guards_refusal() refuses as well. */
size_t gw_guards_check(enum gw_request r, const struct gw_guard_facts *f,
                       struct gw_guard_check ret[GW_GUARD_MAX]);

/* The first that refuses; NULL: none does. With n = 0 it is a constant that refuses. */
const struct gw_guard_check *gw_guards_refusal(const struct gw_guard_check *checks, size_t n);

/* Does the request have this guard, and can it be forced there? For help, docs and for refusing an
 * `--override` of a guard that does not apply. */
enum gw_guard_use {
    GW_GUARD_NOT_USED = 0,
    GW_GUARD_FIRM,
    GW_GUARD_CAN_FORCE,
    GW_GUARD_CAN_WAIT, /* the run waits for it */
};
enum gw_guard_use gw_guard_use(enum gw_request r, enum gw_guard g);
const char *gw_guard_looks_at(enum gw_guard g);
const char *gw_guard_sentence(enum gw_guard g);
const char *gw_guard_way_out(enum gw_guard g);
