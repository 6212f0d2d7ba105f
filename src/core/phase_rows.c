// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The headline's table. Rows are tried from top to bottom: what nobody may do, what nobody knows,
 * the run that is on, the service, and only then how well the plan is protected. Each row may rely
 * on all rows above it not to hold; the last one holds always.
 */
#include "core/phase_internal.h"

#include "base/checked.h"

#define FACTS const struct gw_phase_facts *f

bool gw_run_is_on(FACTS)
{
    return f->op != GW_OPERATION_NONE && !gw_op_is_beside(f->op) && f->run != GW_RUN_NEW &&
           f->run != GW_RUN_SCHEDULED && !gw_run_state_ended(f->run);
}

static bool in(FACTS, enum gw_run_state state)
{
    return gw_run_is_on(f) && f->run == state;
}

static bool goes_on(FACTS, enum gw_operation_id op)
{
    return f->op == op && (in(f, GW_RUN_RUNNING) || in(f, GW_RUN_WAITING));
}

static bool tri_valid(enum gw_tri t)
{
    return (unsigned)t < GW_TRI_MAX;
}

static bool damaged(FACTS)
{
    return (unsigned)f->holder >= GW_HOLDER_MAX || (unsigned)f->dir_from >= GW_HOLDER_MAX ||
           (unsigned)f->lease >= GW_LEASE_MAX || (unsigned)f->repl >= GW_LIFE_REPL_MAX ||
           (unsigned)f->svc[GW_LABEL_HOME] >= GW_SVC_MAX ||
           (unsigned)f->svc[GW_LABEL_DR] >= GW_SVC_MAX || (unsigned)f->op >= GW_OPERATION_ID_MAX ||
           (unsigned)f->run >= GW_RUN_STATE_MAX || (unsigned)f->mode >= GW_MODE_MAX ||
           !tri_valid(f->retired) || !tri_valid(f->activated) || !tri_valid(f->committed);
}

static bool two_serve(FACTS)
{
    return gw_svc_serves(f->svc[GW_LABEL_HOME]) && gw_svc_serves(f->svc[GW_LABEL_DR]);
}

/* Clients may reach it, and what they write is in no history. */
static bool stray(FACTS)
{
    return two_serve(f) && gw_yes(f->stray);
}

static bool split(FACTS)
{
    return gw_yes(f->split_brain);
}

static bool something_runs(FACTS)
{
    for (unsigned l = 0; l < GW_LABEL_MAX; l++) {
        if (gw_svc_serves(f->svc[l]) || f->svc[l] == GW_SVC_QUIESCING)
            return true;
    }
    return f->repl != GW_LIFE_REPL_NONE;
}

static bool retired_and_runs(FACTS)
{
    return gw_yes(f->retired) && (something_runs(f) || gw_run_is_on(f));
}

static bool retired(FACTS)
{
    return gw_yes(f->retired);
}

static bool behind(FACTS)
{
    return gw_yes(f->memory_older);
}

static bool forgotten(FACTS)
{
    return f->activated == GW_TRI_UNKNOWN;
}

static bool run_of_nothing(FACTS)
{
    return f->op == GW_OPERATION_NONE && f->run != GW_RUN_NEW && !gw_run_state_ended(f->run);
}

static bool usurped(FACTS)
{
    return (gw_svc_serves(f->svc[GW_LABEL_HOME]) && f->holder != GW_HOLDER_HOME) ||
           (gw_svc_serves(f->svc[GW_LABEL_DR]) && f->holder != GW_HOLDER_DR);
}

static bool in_doubt(FACTS)
{
    return in(f, GW_RUN_IN_DOUBT);
}

static bool run_halted(FACTS)
{
    return in(f, GW_RUN_HALTED);
}

static bool asks(FACTS)
{
    return in(f, GW_RUN_WAITING_APPROVAL);
}

static bool cancelling(FACTS)
{
    return in(f, GW_RUN_CANCELLING);
}

static bool reverting(FACTS)
{
    return in(f, GW_RUN_REVERTING) || goes_on(f, GW_OPERATION_REVERT);
}

static bool failing_over(FACTS)
{
    return goes_on(f, GW_OPERATION_FAILOVER);
}

static bool switching(FACTS)
{
    return goes_on(f, GW_OPERATION_SWITCHOVER);
}

static bool failing_back(FACTS)
{
    return goes_on(f, GW_OPERATION_FAILBACK);
}

static bool reconciling(FACTS)
{
    return goes_on(f, GW_OPERATION_RECONCILE);
}

static bool activating(FACTS)
{
    return goes_on(f, GW_OPERATION_ACTIVATE);
}

static bool deactivating(FACTS)
{
    return goes_on(f, GW_OPERATION_DEACTIVATE);
}

static bool inactive_and_runs(FACTS)
{
    return gw_no(f->activated) && something_runs(f);
}

static bool inactive(FACTS)
{
    return gw_no(f->activated);
}

static bool nobody_holds(FACTS)
{
    return f->holder == GW_HOLDER_NONE;
}

/* A released source is on its way out during a move; without one it has no business there. */
static bool left_over(FACTS)
{
    return gw_standby_svc(f) == GW_SVC_QUIESCING;
}

static bool wrong_way(FACTS)
{
    return f->repl == GW_LIFE_REPL_NONE ? f->dir_from != GW_HOLDER_NONE : f->dir_from != f->holder;
}

static bool lapsed(FACTS)
{
    return f->lease == GW_LEASE_LAPSED;
}

static bool suspect(FACTS)
{
    return gw_yes(f->suspect) ||
           (gw_active_svc(f) == GW_SVC_UNKNOWN && gw_no(f->peer_reachable) && !gw_no(f->suspect));
}

static bool active_fenced(FACTS)
{
    return gw_active_svc(f) == GW_SVC_FENCED;
}

static bool writes_held(FACTS)
{
    return gw_active_svc(f) == GW_SVC_QUIESCING;
}

static bool down(FACTS)
{
    return gw_active_svc(f) == GW_SVC_STOPPED;
}

static bool out_of_sight(FACTS)
{
    return gw_active_svc(f) == GW_SVC_UNKNOWN;
}

static bool uncommitted(FACTS)
{
    return gw_no(f->committed);
}

static bool never_synced_tail(FACTS)
{
    return !gw_yes(f->synced) && gw_no(f->role_changed) && f->repl == GW_LIFE_REPL_DIVERGED;
}

static bool never_synced(FACTS)
{
    return !gw_yes(f->synced) && gw_no(f->role_changed);
}

static bool tail_waits(FACTS)
{
    return !gw_yes(f->synced) && f->repl == GW_LIFE_REPL_DIVERGED && !gw_no(f->tail_unsigned);
}

static bool coming_back(FACTS)
{
    return !gw_yes(f->synced) &&
           (gw_copies(f->repl) || gw_follows(f->repl) || f->repl == GW_LIFE_REPL_DIVERGED ||
            goes_on(f, GW_OPERATION_REVERSE));
}

static bool exposed(FACTS)
{
    return !gw_yes(f->synced);
}

static bool has_reasons(FACTS)
{
    uint32_t unknown;
    return gw_reasons_of(f, &unknown) != 0;
}

/* From here on everything is as it should be, if the memory that says so is true. */
static bool not_compared(FACTS)
{
    return !gw_no(f->memory_older) || !gw_no(f->retired) ||
           !(gw_yes(f->committed) || gw_no(f->role_changed));
}

static bool ready(FACTS)
{
    return f->holder == GW_HOLDER_DR && gw_yes(f->cutover_ok) && gw_yes(f->preflight_ok);
}

static bool swapped(FACTS)
{
    return f->holder == GW_HOLDER_DR;
}

static bool at_home(FACTS)
{
    return f->holder == GW_HOLDER_HOME;
}

static bool always(FACTS)
{
    (void)f;
    return true;
}

#define ROW(word, test, words, text, todo)                                                         \
    {                                                                                              \
        .phase = GW_PHASE_##word, .when = (words), .sentence = (text), .next = (todo),             \
        .holds = (test)                                                                            \
    }

static const struct gw_phase_row rows[] = {
    ROW(HALTED, damaged, "a value is outside its table",
        "what is recorded of {plan} is damaged, or was written by a newer version",
        "start the newer godwit, or rebuild this site's memory: godwit site restore"),
    ROW(HALTED, stray, "a service runs at the standby, where no volume of the plan is served",
        "a service of {plan} runs at {standby} too, started by somebody else than godwit: it has "
        "none of the plan's volumes, and what it writes is replicated nowhere",
        "stop it at {standby}; service at {active} is not touched"),
    ROW(SPLIT_BRAIN, two_serve, "both sites accept writes",
        "both sites accept writes for {plan}: their histories part now",
        "stop the service at one site; then name the survivor: godwit divergence list {plan}"),
    ROW(SPLIT_BRAIN, reconciling, "a reconcile runs",
        "both sites went on alone; the chosen history is being restored",
        "watch: godwit run show {run}"),
    ROW(SPLIT_BRAIN, split, "both accepted writes in different epochs",
        "both sites went on alone; both histories are kept",
        "compare them and name the survivor: godwit divergence list {plan}"),
    ROW(HALTED, retired_and_runs, "retired, and something of it runs",
        "{plan} is deleted, and something of it still runs",
        "look at both sites and stop it: godwit plan show {plan}"),
    ROW(RETIRED, retired, "retired", "{plan} is deleted; its evidence is kept", ""),
    ROW(UNKNOWN, behind, "this site remembers less than what it sees",
        "this site's memory of {plan} is older than what it sees; it is rebuilding, and does "
        "nothing",
        "wait for both sites to answer; if its catalog was restored: godwit site restore"),
    ROW(UNKNOWN, forgotten, "it is not known whether the plan is activated",
        "this site does not know yet what became of {plan}",
        "wait for both sites to answer: godwit site list"),
    ROW(HALTED, run_of_nothing, "a run goes on that has no operation",
        "a run of {plan} is recorded that is no run of anything", "look at it: godwit run list"),
    ROW(HALTED, usurped, "a site serves that does not hold the authority",
        "service runs at a site that does not hold the authority",
        "stop it there, unless it is the one that should live: godwit plan status {plan} at both "
        "sites"),
    ROW(HANDOVER_IN_DOUBT, in_doubt, "the release was sent and no answer came",
        "{plan} was released and the other site did not answer: neither side serves",
        "wait for the link; if the other site is lost: godwit run show {run} lists the ways out"),
    ROW(HALTED, run_halted, "the run is halted", "{op} stopped at {step} and a person must decide",
        "godwit run show {run} says why; the choices: {choices}"),
    ROW(AWAITING_APPROVAL, asks, "the run asks for approval", "{op} waits for approval",
        "godwit run show {run}, then godwit run approve {run}"),
    ROW(CANCELLING, cancelling, "the run is being cancelled",
        "{op} is being taken back: service returns to where it was",
        "watch: godwit run show {run}"),
    ROW(REVERTING, reverting, "the run is being reverted, or is a revert",
        "going back to the state before {op}", "watch: godwit run show {run}"),
    ROW(FAILING_OVER, failing_over, "a failover runs", "failing over, at {step}",
        "watch: godwit run show {run}"),
    ROW(SWITCHING, switching, "a switchover runs", "switching over, at {step}",
        "watch: godwit run show {run}; before handover: godwit run cancel {run}"),
    ROW(FAILING_BACK, failing_back, "a failback runs", "failing back to {home}, at {step}",
        "watch: godwit run show {run}; before handover: godwit run cancel {run}"),
    ROW(SEEDING, activating, "an activation runs", "{plan} is being activated, at {step}",
        "watch: godwit run show {run}"),
    ROW(DEGRADED, deactivating, "a deactivation runs", "{plan} is being deactivated, at {step}",
        "watch: godwit run show {run}"),
    ROW(HALTED, inactive_and_runs, "not activated, and something of it runs",
        "{plan} is not activated, and something of it still runs",
        "stop it, or activate the plan: godwit plan activate {plan}"),
    ROW(DEFINED, inactive, "not activated", "{plan} is stored and not activated",
        "godwit plan activate {plan}"),
    ROW(HALTED, nobody_holds, "nobody holds the authority, and no run is on",
        "neither site holds the authority, and no run is bringing one up",
        "look at the last run: godwit run list; then godwit failover {plan} to the site that shall "
        "serve"),
    ROW(HALTED, left_over, "writes are held at the site that is not active",
        "a service at {standby}, which is not active, was left half stopped",
        "look at it there, and stop it: godwit plan status {plan} at {standby}"),
    ROW(HALTED, wrong_way, "data flows from a site that is not active",
        "replication does not go from the active site to the other",
        "look at both sites: godwit plan status {plan} at both"),
    ROW(HALTED, lapsed, "the lease has lapsed", "the lease of {active} has lapsed: its writes wait",
        "bring the witness or the other site back"),
    ROW(SUSPECT, suspect, "the active site looks dead",
        "{active} looks dead; evidence is being gathered",
        "look at {active}; if it is lost: godwit failover {plan} --confirm-site-down {active}"),
    ROW(HALTED, active_fenced, "the active site is fenced",
        "{active} came back and is fenced until it has spoken to {standby}",
        "bring the link back; if {standby} is lost for good: godwit failover {plan} "
        "--confirm-site-down {standby} at {active}"),
    ROW(HALTED, writes_held, "writes are held, and no run is on",
        "writes at {active} are held, and no run is on that will let them go",
        "look at the last run: godwit run list"),
    ROW(HALTED, down, "service is stopped, and no run is on", "service at {active} does not run",
        "look why, and start it there; if {active} cannot carry it: godwit failover {plan} at "
        "{standby}"),
    ROW(DEGRADED, out_of_sight, "nothing is known of the service",
        "nothing is known of the service at {active}",
        "look there: godwit plan status {plan} at {active}"),
    ROW(FAILED_OVER, uncommitted, "a failover is open",
        "running at {active} after a failover that is not committed",
        "check the application; then godwit commit {plan}, or go on with godwit reverse {plan}"),
    ROW(DEGRADED, never_synced_tail, "never synced, and the standby has writes of its own",
        "{standby} holds writes that nobody else has: the first copy waits",
        "godwit divergence list {plan}, then godwit divergence sign {plan}"),
    ROW(SEEDING, never_synced, "not synced since the activation",
        "the first full copy to {standby} is not complete",
        "wait: godwit plan status {plan} --watch"),
    ROW(REVERSE_SYNC, tail_waits, "the returning site's own writes wait for a signature",
        "{standby} has writes that nobody else has: nothing is copied before a person signed",
        "godwit divergence list {plan}, then godwit divergence sign {plan}"),
    ROW(REVERSE_SYNC, coming_back, "not synced since the role change, and on the way",
        "{standby} is being brought up to date from {active}",
        "wait: godwit plan status {plan} --watch"),
    ROW(EXPOSED, exposed, "not synced since the role change",
        "running at {active} without a standby",
        "bring {standby} back, then godwit reverse {plan}; if its disks are lost: godwit site "
        "replace {standby}"),
    ROW(DEGRADED, has_reasons, "a reason holds", "protected, with reasons",
        "godwit plan explain {plan} lists each reason and its way out"),
    ROW(UNKNOWN, not_compared, "all looks well, and its memory was not compared yet",
        "all looks well, but this site has not compared its memory with the other's yet",
        "wait for both sites to answer: godwit site list"),
    ROW(READY_TO_FAIL_BACK, ready, "at dr, and home could take over",
        "running at {active}; {home} is up to date and ready",
        "godwit failback {plan}, now or --at a time"),
    ROW(PROTECTED_SWAPPED, swapped, "at dr, home is the consistent standby",
        "running at {active} and replicating to {standby}, lag within the RPO", ""),
    ROW(PROTECTED, at_home, "at home, dr is the consistent standby",
        "running at {active} and replicating to {standby}, lag within the RPO", ""),
    ROW(HALTED, always, "none of the above",
        "{plan} is in a state that has no name: nothing is done with it",
        "report this with the output of godwit plan show {plan} --json"),
};

const struct gw_phase_row *gw_phase_row(unsigned i)
{
    return i < GW_ARRAY_SIZE(rows) ? &rows[i] : NULL;
}
