# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""Procedure: a failback that people have to approve; and two who ask for one at once."""
import http.client
import threading

import pytest

from daemons import FAILED, REFUSED, WAITING, manual  # noqa: F401


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


def test_the_same_key_finds_its_run_though_the_answer_was_lost(manual):
    """The daemon dies between the run's creation and its answer. The request is sent again: the
    run that it began goes on, and there is no second one."""
    pair = manual.protected()
    pair.home.trial("action.after_create", "kill")
    ask = ("plans/shop/actions/switchover", {"reason": "maintenance"}, "key-1")
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        pair.home.post(*ask)
    pair.home.wait_dead()
    pair.home.start()
    begun = [r["id"] for r in pair.home.get("runs?plan=shop")["runs"]
             if r["operation"] == "switchover"]
    assert len(begun) == 1
    for _ in range(2):
        status, answer = pair.home.post(*ask)
        assert (status, answer["run"]["id"]) == (202, begun[0]), answer
    pair.home.until_run(begun[0], "DONE")
    status, answer = pair.home.post(*ask)  # long after; asked at the other site it is another's key
    assert (status, answer["run"]["id"]) == (202, begun[0]), answer
    assert [r["id"] for r in pair.home.get("runs?plan=shop")["runs"]
            if r["operation"] == "switchover"] == begun
    pair.check_serves_at(pair.dr)


def test_both_press_failback_at_once(manual):
    """Two operators, two sites, one run."""
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
    assert bad.code in (FAILED, REFUSED) and bad.err, bad
    pair.home.until_run(good[0].json["run"]["id"], "DONE")
    moves = [r for r in pair.home.get("runs?plan=shop")["runs"] if r["operation"] == "failback"]
    assert len(moves) == 1
    pair.check_serves_at(pair.home)
