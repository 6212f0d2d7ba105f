# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""Procedure: a failback at a given time, and one that is given up when it takes too long."""
import time

from daemons import USAGE, manual  # noqa: F401


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
