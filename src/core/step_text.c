// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The words of the runbook: for whoever is on call and has never done it. */
#include "core/step.h"

static const struct gw_step_text texts[GW_STEP_ID_MAX] = {
    [GW_STEP_PRECHECK] = {
        .title = "check that it can be done",
        .does = "evaluates the guards of the operation at both sites: link, lag, consistency, room, "
                "workload definitions, approvals, no other run",
        .expected = "every guard passes, or is overridden by name and reason",
        .verify = "godwit plan explain PLAN",
        .if_fails = "nothing was changed. Mend what the failed guard names and start again",
        .undo = "",
    },
    [GW_STEP_CREATE_HOME] = {
        .title = "make the plan directory of the active site",
        .does = "creates the engine's plan directory over the volumes that hold the data now",
        .expected = "the plan directory exists with the volumes of the plan, role active",
        .verify = "godwit-ctl inspect --dir DIR at the active site",
        .if_fails = "read the sentence: a path, a size, a file in use. Nothing was written to a volume",
        .undo = "",
    },
    [GW_STEP_CREATE_DR] = {
        .title = "make the plan directory of the standby",
        .does = "creates the other half of the plan at the standby; volumes that hold data are refused "
                "unless the plan says that they are to be adopted",
        .expected = "the plan directory exists, role standby, blank",
        .verify = "godwit-ctl inspect --dir DIR at the standby",
        .if_fails = "read the sentence: no room, a volume that holds data. Nothing was overwritten",
        .undo = "",
    },
    [GW_STEP_START_STANDBY] = {
        .title = "start the standby's replica",
        .does = "starts godwit-replica at the standby",
        .expected = "the replica listens and its control socket answers",
        .verify = "godwit plan status PLAN: the standby's unit runs",
        .if_fails = "read the last lines of the unit's log at the standby",
        .undo = "stops the replica",
    },
    [GW_STEP_FORECAST] = {
        .title = "record the forecast",
        .does = "records direction, bytes that differ, time to sync, expected outage",
        .expected = "the numbers are in the run's log",
        .verify = "godwit run show RUN",
        .if_fails = "nothing was changed. godwit forecast PLAN says what cannot be known",
        .undo = "",
    },
    [GW_STEP_NOTIFY] = {
        .title = "tell the contacts, run the hooks before",
        .does = "tells the plan's contacts what begins; runs the hooks pre_failback of a failback, at "
                "the site that is left, or pre_failover of a failover, at the site that takes over",
        .expected = "every hook ended with 0",
        .verify = "the hooks' output and its hash are in godwit run log RUN",
        .if_fails = "nothing was stopped yet. A hook said no, or hung: read its output. If it was cut "
                    "short nobody knows how far it came: look, then skip; or take the run back (a switchover: "
                    "revert) or end it (a failover: abort)",
        .undo = "",
    },
    [GW_STEP_STOP] = {
        .title = "stop the services",
        .does = "stops the instances of all groups, highest priority number first, and waits until no "
                "client is connected to a volume",
        .expected = "no instance runs, no client is connected",
        .verify = "godwit plan status PLAN: services STOPPED at the site",
        .if_fails = "an instance does not stop: stop it by hand and retry, or revert",
        .undo = "starts the instances again in priority order, health gated",
    },
    [GW_STEP_QUIESCE] = {
        .title = "hold all writes",
        .does = "the source takes no new writes and waits for those in flight",
        .expected = "service quiesced",
        .verify = "godwit-ctl status at the active site: service quiesced",
        .if_fails = "revert: the source serves on",
        .undo = "voids a token and serves again; starts the source if it has died",
    },
    [GW_STEP_FINAL_SYNC] = {
        .title = "last delta",
        .does = "waits until the other site has everything that was acknowledged",
        .expected = "lag 0 bytes, nothing dirty",
        .verify = "godwit plan status PLAN: lag 0",
        .if_fails = "the link is too slow or gone: revert, and look at it in peace",
        .undo = "",
    },
    [GW_STEP_EQUAL] = {
        .title = "prove that both sites are equal",
        .does = "obtains the handover token {epoch, seq, chain hash} and has it matched there",
        .expected = "the token is in the log of the run",
        .verify = "godwit run show RUN: token",
        .if_fails = "they are not equal, or it could not be shown: revert, then godwit verify PLAN",
        .undo = "",
    },
    [GW_STEP_HANDOVER] = {
        .title = "hand the authority over",
        .does = "the old site durably releases the plan, and tells the new one, which goes on from here",
        .expected = "released at OLD; the run is coordinated at NEW",
        .verify = "godwit-ctl inspect --dir DIR at OLD: role standby",
        .if_fails = "in doubt while the sites cannot speak: neither serves. Bring the link back. Only if "
                    "a site is lost for good: override at the other, by name and reason",
        .undo = "takes the authority back at OLD (only by an override of a doubt)",
    },
    [GW_STEP_DEMOTE] = {
        .title = "end the old source",
        .does = "ends the process of the released source",
        .expected = "no source process at OLD",
        .verify = "godwit plan status PLAN: no source unit at OLD",
        .if_fails = "the run goes on: what is released cannot serve. A later step makes up for it",
        .undo = "",
    },
    [GW_STEP_REVOKE] = {
        .title = "revoke the authority of the lost site",
        .does = "claims the next epoch; a reachable site is fenced and its services are stopped, of an "
                "unreachable one the confirmation by a person is recorded",
        .expected = "the old site cannot serve, or a person has said so",
        .verify = "look at the site itself: power, network, console",
        .if_fails = "do not go on before you are certain that the old site does not serve",
        .undo = "gives the authority back: promotes at the old site, serves and starts the services "
                "there",
    },
    [GW_STEP_ESTIMATE] = {
        .title = "estimate the loss",
        .does = "records the last position and time received, and the bytes known to be at risk",
        .expected = "the estimate is in the run's log",
        .verify = "godwit run show RUN",
        .if_fails = "the replica does not answer: godwit-ctl inspect --dir DIR",
        .undo = "",
    },
    [GW_STEP_PROMOTE] = {
        .title = "promote",
        .does = "begins a new reign at the chosen point; the replica's process ends",
        .expected = "role active, new epoch",
        .verify = "godwit-ctl inspect --dir DIR at NEW: role active",
        .if_fails = "run it again: an interrupted promotion is finished by the same command",
        .undo = "keeps what was written meanwhile as a recovery point and steps back to standby",
    },
    [GW_STEP_SERVE] = {
        .title = "serve the volumes",
        .does = "starts the source's process; the volumes are exported over NBD",
        .expected = "service serving",
        .verify = "godwit-ctl status: service serving",
        .if_fails = "read the last lines of the unit's log; retry",
        .undo = "stops the source's process",
    },
    [GW_STEP_START] = {
        .title = "start the services",
        .does = "starts the groups in ascending priority, members in parallel, each group gated by its "
                "health checks",
        .expected = "every health check is green",
        .verify = "godwit plan status PLAN: services RUNNING",
        .if_fails = "read which instance or check failed; mend it and retry, or skip if it is not needed",
        .undo = "stops the instances, highest priority number first",
    },
    [GW_STEP_VERIFY] = {
        .title = "validate the service",
        .does = "runs the hooks after and the service validation",
        .expected = "all passed",
        .verify = "use the application as its users do",
        .if_fails = "decide: mend and retry, skip, or go back with a new run",
        .undo = "",
    },
    [GW_STEP_ROUTE] = {
        .title = "send the clients there",
        .does = "changes the routes of the plan: DNS, load balancer, address",
        .expected = "every route points to the new site",
        .verify = "resolve the name, open the address from outside",
        .if_fails = "set the route by hand, then retry or skip",
        .undo = "",
    },
    [GW_STEP_FOLLOW] = {
        .title = "let the other site follow",
        .does = "makes sure that no source runs there, and starts its replica",
        .expected = "the replica listens and the source is connected to it",
        .verify = "godwit plan status PLAN: replication connected",
        .if_fails = "the service runs, unprotected. Bring the other site back, then retry",
        .undo = "stops the replica",
    },
    [GW_STEP_REVERSE_OK] = {
        .title = "see that it is protected again",
        .does = "waits for the first consistent state at the other site since the change",
        .expected = "replication sync or async, lag within the RPO",
        .verify = "godwit plan status PLAN: phase PROTECTED or PROTECTED_SWAPPED",
        .if_fails = "the service runs, unprotected. Look at the link and at the replica; retry",
        .undo = "",
    },
    [GW_STEP_DATA_CHECK] = {
        .title = "check the data of the active site",
        .does = "runs checks.data of the plan on a clone",
        .expected = "every check ended with 0",
        .verify = "the checks' output is in godwit run log RUN",
        .if_fails = "the data may be damaged: do not copy it over the other site's before you know. "
                    "Skip if the check itself was wrong",
        .undo = "",
    },
    [GW_STEP_ASSESS] = {
        .title = "compare what both sites know",
        .does = "compares lineages; itemises what only the returning site has, and waits for the "
                "signature of a named person when there is such a tail",
        .expected = "the verdict names the source, and there is no tail or it is signed",
        .verify = "godwit divergence list PLAN",
        .if_fails = "read the verdict. Split brain and rollback are decided by a person",
        .undo = "",
    },
    [GW_STEP_SYNC] = {
        .title = "bring it up to date",
        .does = "copies what differs while the service runs; the old content is kept aside",
        .expected = "replication sync or async",
        .verify = "godwit plan status PLAN --watch",
        .if_fails = "nothing is lost: it goes on where it was when the sites see each other",
        .undo = "",
    },
    [GW_STEP_KEEP] = {
        .title = "keep what was written, step back",
        .does = "keeps what this site wrote since its promotion as a recovery point, fences the source "
                "and ends it",
        .expected = "this site does not serve; the point is listed",
        .verify = "godwit points list PLAN",
        .if_fails = "nothing is thrown away. Look for room, retry",
        .undo = "promotes this site again and serves",
    },
    [GW_STEP_OFF_SOURCE] = {
        .title = "end the source",
        .does = "stops the source's process",
        .expected = "no process; the volumes are plain files again",
        .verify = "godwit plan status PLAN",
        .if_fails = "clients still connected? stop them, retry",
        .undo = "starts it again",
    },
    [GW_STEP_OFF_REPLICA] = {
        .title = "end the replica",
        .does = "stops the replica's process",
        .expected = "no process at the standby",
        .verify = "godwit plan status PLAN",
        .if_fails = "the site is not reachable: retry when it is, or skip and stop it there",
        .undo = "starts it again",
    },
    [GW_STEP_REPORT] = {
        .title = "write the report",
        .does = "writes the evidence of the run: measured times and losses against targets",
        .expected = "the evidence exists",
        .verify = "godwit run show RUN --json",
        .if_fails = "the operation itself is through. Look for room on the disk, retry",
        .undo = "",
    },
};

const struct gw_step_text *gw_step_text(enum gw_step_id id)
{
    static const struct gw_step_text none = { "invalid", "", "", "", "", "" };
    return (unsigned)id < GW_STEP_ID_MAX ? &texts[id] : &none;
}
