# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""Procedure: a failback at a given time, and one that is given up when it takes too long."""
import os
import time

from daemons import USAGE, manual, wait_for  # noqa: F401


def test_a_failback_at_a_time(manual):
    pair = manual.swapped()
    begun = time.time()
    answer = pair.dr.godwit("failback", "shop", "--at", "+3s")
    run = answer.json["run"]["id"]
    assert answer.json["run"]["state"] == "SCHEDULED"
    pair.check_serves_at(pair.dr)
    ended = pair.home.until_run(run, "DONE")
    # The time is given in whole seconds.
    first = min(e["wall_ns"] for e in pair.home.log(run) if e["kind"] == "started") / 1e9
    assert 2 <= first - begun < 10, ended
    pair.check_serves_at(pair.home)


def test_a_scheduled_failback_is_taken_back(manual):
    pair = manual.swapped()
    run = pair.dr.godwit("failback", "shop", "--at", "+1h").json["run"]["id"]
    pair.dr.restart()  # it outlives the daemon
    assert pair.dr.run(run)["state"] == "SCHEDULED"
    pair.dr.godwit("run", "cancel", run)
    assert pair.dr.run(run)["state"] == "CANCELLED"
    pair.check_serves_at(pair.dr)
    answer = pair.dr.godwit("failback", "shop", "--at", "yesterday", code=USAGE)
    assert "not a time" in answer.err


def test_too_long_at_dr_is_told_once(manual):
    """An event and a notice to the contacts, for each stay; a restart does not tell it again."""
    pair = manual.applied(max_dr_time="1s", contacts=[
        {"name": "ops", "command": ["/bin/sh", "-c", 'echo "$GODWIT_NOTICE" >> "$0"',
                                    os.path.join(manual.root, "notices")]}])
    pair.activate()
    pair.swapped()

    def told(site=pair.dr):
        events = site.get("events?follow=no&plan=shop&after=0&limit=1000")["events"]
        return [e for e in events if e["kind"] == "plan.dr_time"]
    wait_for("the event", told)
    assert "godwit failback shop" in str(told()[0]), told()

    def notices():
        with open(os.path.join(manual.root, "notices")) as f:
            return f.read()
    wait_for("the notice", lambda: "max_dr_time" in notices(), retry=(FileNotFoundError,))
    pair.dr.restart()
    pair.until_phase("READY_TO_FAIL_BACK", "PROTECTED_SWAPPED")
    pair.check_serves_at(pair.dr)
    assert len(told()) == 1
    assert not told(pair.home)


def test_returned_when_the_handover_is_not_reached_in_time(manual):
    """--abort-by: something takes too long; service returns by itself."""
    pair = manual.swapped()
    gate = pair.dr.trial("equal.after_record", "wait")
    run = pair.dr.begin("failback", "shop", "--abort-by", "2s")
    gate.wait_reached()
    reached = pair.dr.run(run)
    assert reached["state"] == "RUNNING"
    limit = reached["created_wall_ns"] / 1e9 + 2
    pair.dr.until("its time to pass", lambda _: time.time() > limit)
    gate.open()
    assert pair.dr.until_run(run)["state"] == "CANCELLED"
    pair.check_serves_at(pair.dr)
    pair.until_phase("READY_TO_FAIL_BACK")
