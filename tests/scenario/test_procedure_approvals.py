# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""Procedure: a failback that people have to approve, one that is scheduled, one that has a time limit."""
import time

from daemons import FAILED, WAITING, USAGE, manual  # noqa: F401


def test_two_people_and_never_who_asked(manual):
    pair = manual.swapped()
    dr = pair.dr
    pair.apply(at=dr, failback={"approvals": 2})
    answer = dr.godwit("failback", "shop", "--by", "alice", code=WAITING)
    run = answer.json["run"]["id"]
    assert dr.run(run)["state"] == "WAITING_APPROVAL"
    assert dr.godwit("run", "approve", run, "--by", "alice", "--no-wait", code=None).code != 0
    dr.godwit("run", "approve", run, "--by", "bob", "--no-wait")
    dr.until("one approval", lambda _: dr.run(run)["approvals"] == 1)
    dr.godwit("run", "approve", run, "--by", "bob", "--no-wait", code=None)
    assert dr.run(run)["approvals"] == 1 and dr.run(run)["state"] == "WAITING_APPROVAL"
    pair.check_serves_at(dr, status="DEGRADED")  # for it waits for a person
    pair.home.godwit("run", "approve", run, "--by", "carol", "--no-wait")  # at the other site
    pair.home.until_run(run, "DONE")
    pair.check_serves_at(pair.home)
    log = pair.home.log(run)
    assert len([e for e in log if e["kind"] == "approved"]) == 2
    # Both sites knew of both approvals before anything happened.
    kinds = [e["kind"] for e in pair.home.log(run)]
    assert kinds.index("approved") < kinds.index("started")


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


def test_both_press_failback_at_once(manual):
    """Two operators, two sites, one run."""
    import threading
    pair = manual.swapped()
    answers = []

    def press(site):
        answers.append(site.godwit("failback", "shop", "--no-wait", code=None))
    people = [threading.Thread(target=press, args=(s,)) for s in pair.sites]
    for p in people:
        p.start()
    for p in people:
        p.join()
    good = [a for a in answers if a.code == 0]
    assert len(good) == 1, answers
    bad = next(a for a in answers if a.code != 0)
    assert bad.code in (FAILED, 3) and bad.err, bad
    pair.home.until_run(good[0].json["run"]["id"], "DONE")
    moves = [r for r in pair.home.get("runs?plan=shop")["runs"] if r["operation"] == "failback"]
    assert len(moves) == 1
    pair.check_serves_at(pair.home)
