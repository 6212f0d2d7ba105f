// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The table. A row a kind of entry, a column a state, in the order of enum gw_run_state:
 *
 *   NEW APPR SCHED | RUN WAIT | CANCELLING REVERTING | HALTED IN_DOUBT | DONE FAILED CANCELLED
 *   REVERTED ABORTED
 *
 * A cell is a state's name, or K kept, B back to the state before, R refused, X impossible.
 */
#include "core/run_state.h"

#include <string.h>

enum cell { K = 100, B, R, X };
#define APPR GW_RUN_WAITING_APPROVAL
#define SCHED GW_RUN_SCHEDULED
#define RUN GW_RUN_RUNNING
#define WAITS GW_RUN_WAITING
#define CANC GW_RUN_CANCELLING
#define REVT GW_RUN_REVERTING
#define HALT GW_RUN_HALTED
#define DOUBT GW_RUN_IN_DOUBT
#define ENDED(c) c, c, c, c, c

/* clang-format off */
static const unsigned char table[GW_ENTRY_KIND_MAX][GW_RUN_STATE_MAX] = {
    /*                          NEW   APPR             SCHED    RUN    WAIT   CANC   REVT   HALT   DOUBT */
    [GW_ENTRY_CREATED]      = { APPR, X,               X,       X,     X,     X,     X,     X,     X,     ENDED(X) },
    [GW_ENTRY_APPROVED]     = { X,    K,               R,       R,     R,     R,     R,     R,     R,     ENDED(R) },
    [GW_ENTRY_READY]        = { X,    SCHED,           X,       X,     X,     X,     X,     X,     X,     ENDED(X) },
    [GW_ENTRY_STARTED]      = { X,    RUN,             RUN,     X,     X,     X,     X,     X,     X,     ENDED(X) },
    [GW_ENTRY_INTENT]       = { X,    X,               X,       K,     X,     X,     X,     X,     X,     ENDED(X) },
    [GW_ENTRY_DONE]         = { X,    X,               X,       K,     RUN,   X,     X,     X,     K,     ENDED(X) },
    [GW_ENTRY_FAILED]       = { X,    X,               X,       K,     RUN,   X,     X,     X,     K,     ENDED(X) },
    [GW_ENTRY_UNKNOWN]      = { X,    X,               X,       K,     RUN,   X,     X,     X,     K,     ENDED(X) },
    [GW_ENTRY_NOTHING]      = { X,    X,               X,       K,     RUN,   X,     X,     X,     K,     ENDED(X) },
    [GW_ENTRY_NEITHER]      = { X,    X,               X,       K,     RUN,   X,     X,     X,     K,     ENDED(X) },
    [GW_ENTRY_WAITING]      = { X,    X,               X,       WAITS, K,     X,     X,     X,     X,     ENDED(X) },
    [GW_ENTRY_CONTINUED]    = { X,    X,               X,       K,     X,     X,     X,     X,     X,     ENDED(X) },
    [GW_ENTRY_SKIPPED]      = { X,    R,               R,       R,     R,     R,     R,     B,     R,     ENDED(R) },
    [GW_ENTRY_RETRY]        = { X,    R,               R,       R,     R,     R,     R,     B,     R,     ENDED(R) },
    [GW_ENTRY_RESUME]       = { X,    R,               R,       R,     R,     R,     R,     B,     R,     ENDED(R) },
    [GW_ENTRY_CANCEL]       = { X,    CANC,            CANC,    CANC,  CANC,  R,     R,     CANC,  R,     ENDED(R) },
    [GW_ENTRY_REVERT]       = { X,    X,               X,       REVT,  REVT,  R,     R,     REVT,  X,     ENDED(R) },
    [GW_ENTRY_UNDO]         = { X,    X,               X,       X,     X,     K,     K,     X,     X,     ENDED(X) },
    [GW_ENTRY_UNDONE]       = { X,    X,               X,       X,     X,     K,     K,     X,     X,     ENDED(X) },
    [GW_ENTRY_UNDO_FAILED]  = { X,    X,               X,       X,     X,     K,     K,     X,     X,     ENDED(X) },
    [GW_ENTRY_UNDO_SKIPPED] = { X,    R,               R,       R,     R,     R,     R,     B,     R,     ENDED(R) },
    [GW_ENTRY_HALT]         = { X,    X,               X,       HALT,  HALT,  HALT,  HALT,  X,     X,     ENDED(X) },
    [GW_ENTRY_DOUBT]        = { X,    X,               X,       DOUBT, X,     DOUBT, DOUBT, X,     X,     ENDED(X) },
    [GW_ENTRY_CLEAR]        = { X,    X,               X,       X,     X,     X,     X,     X,     B,     ENDED(X) },
    [GW_ENTRY_OVERRIDE]     = { X,    R,               R,       K,     R,     R,     R,     R,     B,     ENDED(R) },
    [GW_ENTRY_TAKEN_OVER]   = { X,    X,               X,       K,     X,     X,     X,     X,     B,     ENDED(X) },
    [GW_ENTRY_ALONE]        = { X,    K,               K,       K,     K,     K,     K,     K,     K,     ENDED(X) },
    [GW_ENTRY_GIVE_UP]      = { X,    X,               X,       K,     X,     X,     X,     X,     X,     ENDED(X) },
    [GW_ENTRY_REFUSED]      = { X,    K,               K,       K,     K,     K,     K,     K,     K,     ENDED(X) },
    [GW_ENTRY_END_DONE]     = { X,    X,               X,       GW_RUN_DONE, X, X,   X,     X,     X,     ENDED(X) },
    [GW_ENTRY_END_FAILED]   = { X,    X,               X,       GW_RUN_FAILED, X, X, GW_RUN_FAILED, X, X, ENDED(X) },
    [GW_ENTRY_END_CANCELLED] = { X,   X,               X,       X,     X,     GW_RUN_CANCELLED, X, X, X,  ENDED(X) },
    [GW_ENTRY_END_REVERTED] = { X,    X,               X,       X,     X,     X,     GW_RUN_REVERTED, X, X, ENDED(X) },
    [GW_ENTRY_ABORT]        = { X,    R,               R,       R,     R,     R,     R,     GW_RUN_ABORTED, R, ENDED(R) },
    [GW_ENTRY_SUPERSEDED]   = { X, GW_RUN_ABORTED, GW_RUN_ABORTED, GW_RUN_ABORTED, GW_RUN_ABORTED,
                                GW_RUN_ABORTED, GW_RUN_ABORTED, GW_RUN_ABORTED, GW_RUN_ABORTED, ENDED(X) },
};

/* clang-format on */

struct words {
    const char *name, *sentence, *refused;
};

static const struct words kinds[GW_ENTRY_KIND_MAX] = {
    [GW_ENTRY_CREATED] = { "created", "the run is stored; nothing has happened yet", NULL },
    [GW_ENTRY_APPROVED] = { "approved", "a person approved it",
                            "it does not wait for an approval" },
    [GW_ENTRY_READY] = { "ready", "approved; it waits for its time", NULL },
    [GW_ENTRY_STARTED] = { "started", "it begins", NULL },
    [GW_ENTRY_INTENT] = { "intent", "a step is about to begin", NULL },
    [GW_ENTRY_DONE] = { "done", "the step is done", NULL },
    [GW_ENTRY_FAILED] = { "failed", "the step failed", NULL },
    [GW_ENTRY_UNKNOWN] = { "unknown", "the outcome of the step is not known; it will be observed",
                           NULL },
    [GW_ENTRY_NOTHING] = { "nothing", "the step has not happened", NULL },
    [GW_ENTRY_NEITHER] = { "neither", "neither the earlier state nor the desired one is there",
                           NULL },
    [GW_ENTRY_WAITING] = { "waiting", "the step has begun and waits", NULL },
    [GW_ENTRY_CONTINUED] = { "continued", "the step failed; the run goes on without it", NULL },
    [GW_ENTRY_SKIPPED] = { "skipped", "a person skipped the step",
                           "only a halted step can be skipped" },
    [GW_ENTRY_RETRY] = { "retry", "a person wants the step again",
                         "only a halted run can be retried" },
    [GW_ENTRY_RESUME] = { "resume", "a person lets the run look again and go on",
                          "only a halted run can be resumed" },
    [GW_ENTRY_CANCEL] = { "cancel", "it goes back: cancelled",
                          "it goes back already, or cannot any more" },
    [GW_ENTRY_REVERT] = { "revert", "it goes back: a step failed, or a person said so",
                          "it goes back already, or has ended" },
    [GW_ENTRY_UNDO] = { "undo", "a step is about to be taken back", NULL },
    [GW_ENTRY_UNDONE] = { "undone", "the step is taken back", NULL },
    [GW_ENTRY_UNDO_FAILED] = { "undo_failed", "the step could not be taken back", NULL },
    [GW_ENTRY_UNDO_SKIPPED] = { "undo_skipped",
                                "a person says that the step need not be taken back",
                                "only a halted step can be skipped" },
    [GW_ENTRY_HALT] = { "halt", "it halts: a person decides", NULL },
    [GW_ENTRY_DOUBT] = { "doubt",
                         "in doubt: neither side serves until it is known what the other "
                         "side did",
                         NULL },
    [GW_ENTRY_CLEAR] = { "clear", "the doubt is over", NULL },
    [GW_ENTRY_OVERRIDE] = { "override", "a person resolved the doubt", "it is not in doubt" },
    [GW_ENTRY_TAKEN_OVER] = { "taken_over", "the new site coordinates from here on", NULL },
    [GW_ENTRY_ALONE] = { "alone",
                         "the other site is silent: decisions are durable at one place only",
                         NULL },
    [GW_ENTRY_GIVE_UP] = { "give_up",
                           "not healthy at the new site: only what a switch back needs "
                           "follows",
                           NULL },
    [GW_ENTRY_REFUSED] = { "refused", "a person's request was refused", NULL },
    [GW_ENTRY_END_DONE] = { "end_done", "done", NULL },
    [GW_ENTRY_END_FAILED] = { "end_failed", "failed; what was done is said above", NULL },
    [GW_ENTRY_END_CANCELLED] = { "end_cancelled", "cancelled: it is as it was before", NULL },
    [GW_ENTRY_END_REVERTED] = { "end_reverted", "reverted: it is as it was before", NULL },
    [GW_ENTRY_ABORT] = { "abort", "a person ended it as it stands",
                         "only a halted run can be aborted" },
    [GW_ENTRY_SUPERSEDED] = { "superseded", "a newer run of the plan took its place", NULL },
};

static const struct words states[GW_RUN_STATE_MAX] = {
    [GW_RUN_NEW] = { "NEW", "nothing is recorded", NULL },
    [GW_RUN_WAITING_APPROVAL] = { "WAITING_APPROVAL",
                                  "waits for approval; nothing has happened yet", NULL },
    [GW_RUN_SCHEDULED] = { "SCHEDULED", "waits for its time; nothing has happened yet", NULL },
    [GW_RUN_RUNNING] = { "RUNNING", "runs", NULL },
    [GW_RUN_WAITING] = { "WAITING", "a step has begun and waits", NULL },
    [GW_RUN_CANCELLING] = { "CANCELLING", "goes back to how it was: cancelled", NULL },
    [GW_RUN_REVERTING] = { "REVERTING", "goes back to how it was: a step failed", NULL },
    [GW_RUN_HALTED] = { "HALTED", "a person must decide", NULL },
    [GW_RUN_IN_DOUBT] = { "IN_DOUBT",
                          "the release was begun and its outcome is not known at both "
                          "sites: neither serves",
                          NULL },
    [GW_RUN_DONE] = { "DONE", "done", NULL },
    [GW_RUN_FAILED] = { "FAILED", "failed", NULL },
    [GW_RUN_CANCELLED] = { "CANCELLED", "cancelled; as it was before", NULL },
    [GW_RUN_REVERTED] = { "REVERTED", "reverted; as it was before", NULL },
    [GW_RUN_ABORTED] = { "ABORTED", "ended as it stood", NULL },
};

struct gw_run_next gw_run_next(enum gw_run_state from, enum gw_entry_kind kind)
{
    struct gw_run_next n = { GW_EDGE_IMPOSSIBLE, GW_RUN_STATE_MAX,
                             "the log does not allow it here: damaged, or of a newer version" };
    if ((unsigned)from >= GW_RUN_STATE_MAX || (unsigned)kind >= GW_ENTRY_KIND_MAX)
        return n;
    unsigned cell = table[kind][from];
    if (cell == X)
        return n;
    if (cell == R) {
        n.edge = GW_EDGE_REFUSED;
        n.sentence = kinds[kind].refused;
        return n;
    }
    n.sentence = kinds[kind].sentence;
    n.edge = cell == K ? GW_EDGE_KEPT : cell == B ? GW_EDGE_BEFORE : GW_EDGE_TO;
    if (cell < K)
        n.to = (enum gw_run_state)cell;
    else if (cell == K)
        n.to = from;
    return n;
}

const char *gw_run_state_name(enum gw_run_state state)
{
    return (unsigned)state < GW_RUN_STATE_MAX ? states[state].name : "invalid";
}

const char *gw_run_state_sentence(enum gw_run_state state)
{
    return (unsigned)state < GW_RUN_STATE_MAX ? states[state].sentence : "invalid";
}

bool gw_run_state_parse(const char *word, enum gw_run_state *ret_state)
{
    for (unsigned i = 0; i < GW_RUN_STATE_MAX; i++)
        if (strcmp(states[i].name, word) == 0) {
            *ret_state = (enum gw_run_state)i;
            return true;
        }
    return false;
}

const char *gw_entry_kind_name(enum gw_entry_kind kind)
{
    return (unsigned)kind < GW_ENTRY_KIND_MAX ? kinds[kind].name : "invalid";
}

const char *gw_entry_kind_sentence(enum gw_entry_kind kind)
{
    return (unsigned)kind < GW_ENTRY_KIND_MAX ? kinds[kind].sentence : "invalid";
}

bool gw_entry_kind_parse(const char *word, enum gw_entry_kind *ret_kind)
{
    for (unsigned i = 0; i < GW_ENTRY_KIND_MAX; i++)
        if (strcmp(kinds[i].name, word) == 0) {
            *ret_kind = (enum gw_entry_kind)i;
            return true;
        }
    return false;
}
