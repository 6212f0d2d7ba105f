# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""Procedure: somebody sets the wall clock of a site, by an hour, while something goes on. Durations
do not follow it; what was asked for at a time of the day does, once; both sites see the offset, name
it, and refuse a move until it is mended or a person says that it does not matter."""
import time

import pytest

from daemons import REFUSED, manual, torture  # noqa: F401

HOUR = 3600
A_RUN_MS = 10 * 60 * 1000  # no run here takes as long; a clock that is set would


def offset_s(site):
    other = next(s for s in site.get("sites")["sites"] if s["site"] != site.name)
    return (other["clock_offset_ms"] or 0) / 1000


def until_offset(site, seconds):
    site.until("an offset of %d s" % seconds, lambda _: abs(offset_s(site) - seconds) < 60)


def check_durations(pair, run):
    for site in pair.sites:
        shown = site.godwit("run", "show", run).json
        measured = site.get("runs/%s/evidence" % run)["measured"]
        for name in ("rto_ms", "outage_ms"):
            assert 0 < measured[name] < A_RUN_MS, (site.name, name, measured)
        for step in shown["steps"]:
            assert 0 <= step["ms"] < A_RUN_MS, (site.name, step)


def check_records(pair):
    """Events are in their order, the audit log is whole, whatever their times say."""
    for site in pair.sites:
        ids = [e["id"] for e in site.godwit("events", "--after", "0").json["events"]]
        assert len(ids) > 5 and ids == sorted(ids), ids
        assert site.godwit("audit", "verify").json["intact"]


@pytest.mark.parametrize("where, seconds, moment", [
    ("lisbon", -HOUR, "stop.after_record"),
    pytest.param("lisbon", HOUR, "stop.before_effect", marks=torture),
    pytest.param("madrid", -HOUR, "equal.after_effect", marks=torture),
    pytest.param("madrid", HOUR, "handover.before_effect", marks=torture),
])
def test_a_clock_is_set_in_the_middle_of_a_failback(manual, where, seconds, moment):
    pair = manual.swapped(clocks=True)
    site = pair.home if where == "madrid" else pair.dr
    gate = pair.dr.trial(moment, "wait")
    run = pair.dr.begin("failback", "shop", "--abort-by", "30m")
    gate.wait_reached()
    site.set_clock(seconds)
    for s in pair.sites:
        until_offset(s, seconds if s is not site else -seconds)
    gate.open()
    assert pair.home.until_run(run)["state"] == "DONE"
    pair.check_serves_at(pair.home, "DEGRADED")
    check_durations(pair, run)
    check_records(pair)

    # Both sites say what is wrong, and how much.
    for s in pair.sites:
        s.until("the clocks to be told", lambda x: "CLOCK_SUSPECT" in x["reasons"])
    test = pair.home.godwit("site", "test", "lisbon", code=None).json
    expected = seconds if where == "lisbon" else -seconds
    assert abs(test["clock_offset_ms"] / 1000 - expected) < 60, test
    answer = pair.home.godwit("switchover", "shop", code=REFUSED)
    assert "clock" in answer.err, answer

    # Set right, all is as before.
    site.set_clock(0)
    pair.until_phase("PROTECTED")
    check_records(pair)
    pair.check_history()


@torture
def test_a_failback_at_a_time_goes_by_the_wall_once(manual):
    """Set forward to its time, the clock begins it, once; set back again it does not begin twice."""
    pair = manual.swapped(clocks=True)
    run = pair.dr.godwit("failback", "shop", "--at", "+1h", "--abort-by", "10m", "--override",
                         "clocks", "--reason", "a test of the clocks").json["run"]["id"]
    gate = pair.dr.trial("stop.after_record", "wait")
    pair.dr.set_clock(HOUR)
    gate.wait_reached()
    pair.dr.set_clock(0)
    gate.open()
    assert pair.home.until_run(run)["state"] == "DONE"
    pair.until_phase("PROTECTED")
    for site in pair.sites:
        assert len([e for e in site.log(run) if e["kind"] == "started"]) == 1
    assert len(pair.home.get("runs")["runs"]) == len(pair.dr.get("runs")["runs"])
    pair.check_serves_at(pair.home)
    pair.check_history()


@torture
def test_the_time_to_abort_by_begins_with_the_run(manual):
    """A failback that waits for its time, and whose time is put off by the clock, is not given up
    meanwhile."""
    pair = manual.swapped(clocks=True)
    run = pair.dr.godwit("failback", "shop", "--at", "+3s", "--abort-by", "1s", "--override",
                         "clocks", "--reason", "a test of the clocks").json["run"]["id"]
    pair.dr.set_clock(-HOUR)
    over = time.monotonic() + 5
    pair.dr.until("what was its time to pass", lambda _: time.monotonic() > over)
    assert pair.dr.run(run)["state"] == "SCHEDULED"
    gate = pair.dr.trial("stop.after_record", "wait")
    pair.dr.set_clock(0)
    gate.wait_reached()
    # A clock that is set back does not prolong it.
    pair.dr.set_clock(-HOUR)
    over = time.monotonic() + 2
    pair.dr.until("its time to pass", lambda _: time.monotonic() > over)
    gate.open()
    assert pair.dr.until_run(run)["state"] == "CANCELLED"
    pair.check_serves_at(pair.dr, "DEGRADED")


@torture
def test_a_clock_commits_no_failover(manual):
    """... and a site is not heard of because time passed: both go by boot time."""
    pair = manual.protected(clocks=True, failover={"mode": "manual", "approvals": 0,
                                                   "commit": {"after": "1h"}})
    pair.home.kill_site()
    pair.dr.until("madrid is silent", lambda s: not s["sites"]["madrid"]["reachable"])
    gate = pair.dr.trial("precheck.after_record", "wait")
    run = pair.dr.begin("failover", "shop", "--confirm-site-down", "madrid")
    gate.wait_reached()
    pair.dr.set_clock(HOUR)
    gate.open()
    assert pair.dr.until_run(run)["state"] == "DONE"
    pair.dr.until_phase("FAILED_OVER")
    pair.dr.set_clock(3 * HOUR)
    count = pair.plan.ledger.count("lisbon")
    pair.plan.until_acknowledged("lisbon", 300)  # the monitor looks many times meanwhile
    assert pair.dr.status()["phase"] == "FAILED_OVER", count
    check_records_at(pair.dr)


def check_records_at(site):
    assert site.godwit("audit", "verify").json["intact"]
