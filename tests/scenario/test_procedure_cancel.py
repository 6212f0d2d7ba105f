# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""Procedure: cancel. A failback, at every step before the point of no return: service is back at DR,
nothing is lost, and the reverse replication goes on as if nothing had happened. A failover, before
clients are routed to DR: service is back at home, which had fenced itself."""
import pytest

import daemons
from daemons import CANCELLED, FAILED, manual, wait_for  # noqa: F401

BEFORE = ("precheck", "forecast", "notify", "stop", "quiesce", "final_sync", "equal")


@pytest.fixture(scope="module")
def pair():
    """One pair for all cases: each leaves it as it was."""
    m = daemons.Manual()
    try:
        yield m.swapped()
    finally:
        m.close()


def check_back_at_dr(pair, processes):
    pair.until_phase("READY_TO_FAIL_BACK", "PROTECTED_SWAPPED")
    pair.check_serves_at(pair.dr)
    assert pair.dr.status()["replication"] in ("async", "sync")
    assert processes == [s.unit_pid() for s in pair.sites], "a process was replaced"
    assert not pair.plan.ledger.lost()


@pytest.mark.parametrize("step", BEFORE)
def test_cancelled_after_a_step(pair, step):
    processes = [s.unit_pid() for s in pair.sites]
    gate = pair.dr.trial(step + ".after_record", "wait")
    run = pair.dr.begin("failback", "shop")
    gate.wait_reached()
    pair.dr.godwit("run", "cancel", run, "--no-wait")
    gate.open()
    ended = pair.dr.until_run(run)
    assert ended["state"] == "CANCELLED", ended
    assert all(s["state"] != "done" for s in ended["steps"] if s["step"] == "handover")
    check_back_at_dr(pair, processes)
    pair.home.until_run(run, "CANCELLED")


def test_who_waits_for_it_learns_that_service_is_where_it_was(pair):
    """The exit code of the failback's own command is 5."""
    processes = [s.unit_pid() for s in pair.sites]
    gate = pair.dr.trial("quiesce.after_record", "wait")
    run = pair.dr.begin("failback", "shop")
    gate.wait_reached()
    pair.home.godwit("run", "cancel", run, "--no-wait")  # asked at the other site
    gate.open()
    assert pair.dr.godwit("run", "watch", run, code=CANCELLED)
    check_back_at_dr(pair, processes)


def test_past_the_point_of_no_return_it_is_refused(pair):
    """... and the run goes on to its end. (The last case: service is at home afterwards.)"""
    gate = pair.home.trial("promote.before_effect", "wait")
    run = pair.dr.begin("failback", "shop")
    gate.wait_reached()
    answer = pair.home.godwit("run", "cancel", run, "--no-wait", code=FAILED)
    assert "point of no return" in answer.err, answer
    gate.open()
    pair.home.until_run(run, "DONE")
    pair.check_serves_at(pair.home)
    wait_for("lisbon to know", lambda: pair.dr.run(run)["state"] == "DONE")
    pair.check_history()


# ---- a failover ------------------------------------------------------------------------------

def cancel_failover(pair, moment):
    """Home lives and fences itself; somebody thinks better of it at that moment."""
    gate = pair.dr.trial(moment, "wait")
    run = pair.dr.begin("failover", "shop", "--confirm-site-down", "madrid")
    gate.wait_reached()
    assert not pair.plan.service_runs("madrid")
    pair.dr.godwit("run", "cancel", run, "--no-wait")
    gate.open()
    ended = pair.dr.until_run(run)
    assert ended["state"] == "CANCELLED", ended
    pair.home.until_run(run, "CANCELLED")


@pytest.mark.parametrize("step", ("revoke", "estimate"))
def test_a_failover_cancelled_before_dr_was_promoted(manual, step):
    """Home takes an epoch above the run's and serves; DR goes on to follow it."""
    pair = manual.protected()
    before = pair.home.status()["epoch"]
    cancel_failover(pair, step + ".after_record")
    pair.check_serves_at(pair.home)
    pair.until_phase("PROTECTED")
    assert pair.home.status()["epoch"] > before + 1, "not above the epoch that DR would have taken"
    # It is a plan like any other: it moves, and comes home.
    pair.home.godwit("switchover", "shop")
    pair.until_phase("READY_TO_FAIL_BACK", "PROTECTED_SWAPPED")
    pair.dr.godwit("failback", "shop")
    pair.until_phase("PROTECTED")
    pair.check_history()


@pytest.mark.parametrize("step", ("promote", "start"))
def test_a_failover_cancelled_after_dr_was_promoted(manual, step):
    """Service is back at home; what DR wrote is kept, and ends when home's history is chosen."""
    pair = manual.protected()
    pair.settle_writer()
    cancel_failover(pair, step + ".after_record")
    pair.check_serves_at(pair.home, status="DEGRADED")
    assert pair.home.status()["epoch"] > 2
    assert "reverse" in pair.home.status()["next"], pair.home.status()
    written = pair.plan.ledger.count("lisbon")
    assert (written > 0) == (step == "start")
    lost = pair.plan.ledger.lost()
    run = pair.home.begin("reverse", "shop")
    pair.home.until("it follows, or a tail waits", lambda s: s["divergence"] is not None or
                    pair.home.run(run)["state"] == "DONE")
    if pair.home.run(run)["state"] != "DONE":
        pair.dr.godwit("divergence", "sign", "shop", "--by", "eva")
    pair.home.until_run(run, "DONE")
    pair.until_phase("PROTECTED")
    pair.check_serves_at(pair.home)
    pair.check_history(lost)


def test_home_dies_while_a_failover_is_taken_back(manual):
    """... in the middle of starting its services. The word reaches it once more when it lives."""
    pair = manual.protected()
    gate = pair.dr.trial("revoke.after_record", "wait")
    run = pair.dr.begin("failover", "shop", "--confirm-site-down", "madrid")
    gate.wait_reached()
    starts = pair.plan.trouble("madrid", "start", "wait")
    pair.dr.godwit("run", "cancel", run, "--no-wait")
    gate.open()
    starts.wait_reached()
    pair.home.kill()
    starts.open()
    pair.home.start()
    pair.dr.until_run(run, "CANCELLED")
    pair.check_serves_at(pair.home)
    pair.until_phase("PROTECTED")
    pair.check_history()
