# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""Procedure: cancel a failback. At every step before the point of no return service is back at DR,
nothing is lost, and the reverse replication goes on as if nothing had happened."""
import pytest

import daemons
from daemons import CANCELLED, FAILED, wait_for

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
