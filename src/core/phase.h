// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The headline: the one word that people see of a plan, and why.
 *
 * gw_phase_of() is a *total* function of the tables' values and of what is known beside them. It
 * tries the rows of a table in order (gw_phase_row(), printed in docs/lifecycle.md); the last row
 * holds always and is HALTED: a combination that nobody thought of is never a good state. Facts
 * are three-valued and zero is "not known", so an empty struct is not PROTECTED.
 *
 * Sentences and commands have {words} in them; gw_phase_expand() puts the plan's names there.
 *
 * Calling sequence:
 *     struct gw_phase_facts f = { .holder = GW_HOLDER_HOME, ... };
 *     struct gw_phase p;
 *     gw_phase_of(&f, &p);
 *     gw_phase_expand(p.sentence, &names, text, sizeof text);
 *
 * Rules that hold whatever the facts are (test_phase walks them):
 *   H1 two sites that accept writes are SPLIT_BRAIN or HALTED, never anything else
 *   H2 ACTIVE needs: a holder whose service is known to run, and no service at the other site; a
 *      consistent sync since the last role change; replication that follows, lag known to be
 *      within the RPO; link and peer known to be there; a memory that was compared
 *   H3 without a holder, or while the release is in doubt, nothing is ACTIVE
 *   H4 a run that is halted, in doubt or asks a person is what the headline says
 *   H5 nothing automatic from UNSYNC, RESYNC, SEEDING, DIVERGED, SUSPENDED or from not knowing (I5)
 *   H6 every headline but the quiet ones says what to do next
 *
 * Pure, any thread.
 */
#pragma once

#include "core/run_state.h"
#include "core/values.h"

#include <stddef.h>
#include <stdint.h>

enum gw_phase_word {
    GW_PHASE_DEFINED = 0,
    GW_PHASE_SEEDING,
    GW_PHASE_PROTECTED,
    GW_PHASE_PROTECTED_SWAPPED,
    GW_PHASE_DEGRADED,
    GW_PHASE_SUSPECT,
    GW_PHASE_AWAITING_APPROVAL,
    GW_PHASE_FAILING_OVER,
    GW_PHASE_FAILED_OVER,
    GW_PHASE_EXPOSED,
    GW_PHASE_REVERSE_SYNC,
    GW_PHASE_READY_TO_FAIL_BACK,
    GW_PHASE_SWITCHING,
    GW_PHASE_FAILING_BACK,
    GW_PHASE_CANCELLING,
    GW_PHASE_REVERTING,
    GW_PHASE_SPLIT_BRAIN,
    GW_PHASE_HANDOVER_IN_DOUBT,
    GW_PHASE_HALTED,
    GW_PHASE_UNKNOWN,
    GW_PHASE_RETIRED,
    GW_PHASE_MAX,
};
const char *gw_phase_name(enum gw_phase_word p); /* "PROTECTED_SWAPPED" */
const char *gw_phase_meaning(enum gw_phase_word p);

enum gw_status {
    GW_STATUS_ACTIVE = 0,
    GW_STATUS_DEGRADED,
    GW_STATUS_FAILED,
    GW_STATUS_STOPPED,
    GW_STATUS_MAX,
};
const char *gw_status_name(enum gw_status s); /* "ACTIVE" */
enum gw_status gw_phase_status(enum gw_phase_word p);

/* Why it is not better than it is. */
enum gw_reason {
    GW_REASON_LINK_DOWN = 0,
    GW_REASON_LAGGING,
    GW_REASON_RESYNCING,
    GW_REASON_WITNESS_LOST,
    GW_REASON_PEER_DOWN,
    GW_REASON_FENCE_STALE,
    GW_REASON_DRIFT,
    GW_REASON_CAPACITY,
    GW_REASON_JOURNAL_FULL,
    GW_REASON_TEST_OVERDUE,
    GW_REASON_CLOCK_SUSPECT,
    GW_REASON_RESOURCE_MISSING,
    GW_REASON_SERVICE_UNHEALTHY, /* the service at the active site: a check is red, or it starts */
    GW_REASON_SERVICE_DOWN,      /* ... does not run, or nobody knows */
    GW_REASON_TAIL_UNSIGNED,     /* a site has writes of its own and nobody signed for them */
    GW_REASON_UNSYNC,            /* acknowledged writes are at one site only */
    GW_REASON_STANDBY_UNKNOWN,   /* the other site answers, and cannot tell what its service does */
    GW_REASON_MAX,
};

struct gw_reason_row {
    enum gw_reason reason;
    const char *name;  /* "LINK_DOWN" */
    bool forbids_auto; /* no automatic failover while it holds */
    bool core;         /* holds also if it is not known whether it does not: then in `unknown` */
    const char *sentence, *unknown_sentence, *way_out;
};
const struct gw_reason_row *gw_reason_row(enum gw_reason r); /* NULL: no such reason */
const char *gw_reason_name(enum gw_reason r);

struct gw_phase_facts {
    /* The tables. `dir_from` is the site from which data flows; NONE exactly if repl is NONE. */
    enum gw_holder holder, dir_from;
    enum gw_lease lease;
    enum gw_repl repl;
    enum gw_svc svc[GW_LABEL_MAX]; /* by enum gw_label */
    enum gw_operation_id op;       /* of the unfinished run; NONE: there is none */
    enum gw_run_state run;         /* its state; NEW without a run. An ended one counts as none */
    enum gw_mode mode;

    /* The plan's history, from the catalog. */
    enum gw_tri retired;
    enum gw_tri activated;
    enum gw_tri role_changed; /* the active site changed since the activation */
    enum gw_tri synced;       /* a full consistent sync was seen since the last role change; since
                                 the activation if there was none */
    enum gw_tri committed;    /* NO: a failover is open */
    enum gw_tri memory_older; /* what was seen is newer than what this site remembers */
    enum gw_tri split_brain;  /* both accepted writes in different epochs (verdict rows 2, 13) */
    enum gw_tri suspect;      /* the active site looks dead */
    enum gw_tri stray; /* a service runs at the standby without a volume of the plan: nothing there
                          serves them. Somebody started it by hand */

    /* What is seen now. lag_ok: known and within the RPO; cutover_ok: within the cut-over budget.
     */
    enum gw_tri link_up;        /* the data link has a session */
    enum gw_tri peer_reachable; /* the other daemon answers */
    enum gw_tri lag_ok, cutover_ok;
    enum gw_tri preflight_ok;  /* the standby site's checks are green */
    enum gw_tri tail_unsigned; /* a tail was found and waits for a signature */
    enum gw_tri witness_lost, fence_stale, drift, capacity, journal_full, test_overdue,
        clock_suspect, resource_missing;
};

struct gw_phase {
    enum gw_phase_word phase;
    enum gw_status status;
    uint32_t reasons; /* bits 1 << enum gw_reason */
    uint32_t unknown; /* those of `reasons` that hold because nobody knows */
    const char *sentence;
    const char *next;  /* what the operator does, with the command; "" = nothing to do */
    bool auto_allowed; /* mode AUTO, and nothing in the headline forbids an automatic failover */
    unsigned row;      /* which row it was: gw_phase_row(row) */
};

void gw_phase_of(const struct gw_phase_facts *f, struct gw_phase *ret);

/* The table behind it, for dumps and tests; NULL past the end. */
struct gw_phase_row {
    enum gw_phase_word phase;
    const char *when; /* the condition in words */
    const char *sentence, *next;
    bool (*holds)(const struct gw_phase_facts *f);
};
const struct gw_phase_row *gw_phase_row(unsigned i);

/* Names for the {words}: {plan} {home} {dr} {active} {standby} {run} {op} {step}. NULL: "?". */
struct gw_phase_names {
    const char *plan, *home, *dr; /* names of plan and sites */
    const char *run, *step;
    enum gw_holder holder; /* says which of them is {active}; NONE: "neither site" */
    enum gw_operation_id op;
    const char *choices; /* of a halted run: what may be asked of it now; NULL: not known here */
};
#define GW_PHASE_TEXT_MAX 512
/* Always terminated; what does not fit is cut off. */
void gw_phase_expand(const char *pattern, const struct gw_phase_names *names, char *ret,
                     size_t size);
