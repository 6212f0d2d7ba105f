# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""Procedure: something dies in the middle of a planned move. All comes back; the run goes on, goes
back, or halts with its choices listed. Service ends up at one site, nothing acknowledged is lost,
what happens once happened once.

A case: a step and a moment of it, and what happens there. Cases follow each other on one pair, each
moves service to the other site or not. make test has time for some; GODWIT_TORTURE=1 tries a dozen,
GODWIT_TORTURE=all every step, moment and victim."""
import os

import pytest

import daemons

KILLS = ("coordinator", "peer", "old data plane", "new data plane", "link")
STEPS = ("precheck", "forecast", "notify", "stop", "quiesce", "final_sync", "equal", "handover",
         "demote", "promote", "serve", "start", "verify", "route", "follow", "reverse_ok", "report")
MOMENTS = ("before_effect", "after_effect", "after_record")

# What is always tried: around the point of no return, each victim at least once.
QUICK = [
    ("quiesce", "after_effect", "old data plane"),
    ("handover", "after_effect", "coordinator"),
    ("promote", "before_effect", "peer"),
    ("serve", "after_effect", "new data plane"),
    ("follow", "before_effect", "link"),
]
DOZEN = QUICK + [
    ("stop", "after_effect", "coordinator"),
    ("equal", "after_record", "new data plane"),
    ("handover", "before_effect", "coordinator"),
    ("handover", "after_effect", "link"),
    ("promote", "after_effect", "coordinator"),
    ("start", "after_effect", "coordinator"),
    ("reverse_ok", "before_effect", "old data plane"),
]
ALL = [(s, m, k) for s in STEPS for m in MOMENTS for k in KILLS]
CASES = {"": QUICK, "all": ALL}.get(os.environ.get("GODWIT_TORTURE", ""), DOZEN)
BEFORE_PONR = STEPS[:STEPS.index("handover")]


class Stage:
    """The pair of all cases; a new one after a case that failed."""

    def __init__(self):
        self.manual = self.pair = None
        self.sound = False
        self.lost = frozenset()  # what a failover was known to lose

    def nearly_full(self):
        """The ledger fills its volume: a record a block."""
        return sum(self.pair.plan.ledger.count(s.name) for s in self.pair.sites) > \
            self.pair.plan.bytes // 4096 // 2

    def get(self):
        if self.sound and self.nearly_full():
            self.pair.check_history(self.lost)
            self.sound = False
        if not self.sound:
            self.close()
            self.manual = daemons.Manual()
            self.pair = self.manual.protected(proxies=True)
            self.lost = frozenset()
        self.sound = False
        return self.pair

    def logs(self):
        return self.manual.logs() if self.manual else ""

    def close(self):
        manual, self.manual = self.manual, None
        if manual:
            manual.close()


@pytest.fixture(scope="module")
def stage():
    s = Stage()
    yield s
    s.close()


def strike(pair, victim, coordinator, peer, old, new):
    """It happens now; what comes back later is given as functions."""
    if victim == "coordinator":
        coordinator.kill()
        return [coordinator.start]
    if victim == "peer":
        peer.kill()
        return [peer.start]
    if victim == "link":
        pair.cut()
        return [pair.restore]
    (old if victim == "old data plane" else new).kill_data_plane()  # its daemon starts it again
    return []


def settle(pair, run, at=None):
    """The run's end, by the way out that a person would take: a halted run is asked to go on. at: the
    only site that is there."""
    for _ in range(4):
        site = at or (pair.home if pair.home.run(run)["coordinator"] == "madrid" else pair.dr)
        row = site.until_run(run, *daemons.ENDED, "HALTED")
        if row["state"] != "HALTED":
            return row
        choices = [c["choice"] for c in row["choices"]]
        assert choices, row
        site.godwit("run", "retry" if "retry" in choices else "resume", run, "--no-wait")
    raise AssertionError("halted again and again: %s" % row)


def until_allowed(site, operation):
    """What the case before killed may only now be missed: until nothing is in the way."""
    def refused():
        answer = site.get("plans/shop/guards?operation=" + operation)
        return [g["guard"] for o in answer["operations"] for g in o["guards"]
                if g["verdict"] not in ("passed", "waits")]
    daemons.wait_for("no guard to refuse a " + operation, lambda: not refused())


@pytest.mark.parametrize("step, moment, victim", CASES, ids=["-".join(c) for c in CASES])
def test_a_move_survives(stage, step, moment, victim):
    pair = stage.get()
    old = pair.home if pair.home.status()["active"] == "madrid" else pair.dr
    new = pair.other(old)
    coordinator = old if step in BEFORE_PONR + ("handover",) else new
    peer = pair.other(coordinator)
    before = pair.plan.ledger.count(old.name)

    gate = coordinator.trial("%s.%s" % (step, moment), "wait")
    operation = "switchover" if old is pair.home else "failback"
    until_allowed(old, operation)
    run = old.begin(operation, "shop")
    gate.wait_reached()
    back = strike(pair, victim, coordinator, peer, old, new)
    gate.open()
    for come_back in back:
        come_back()
    row = settle(pair, run)

    # Where service is now: with the run, or where it was.
    at = new if row["state"] == "DONE" else old
    if row["state"] != "DONE":
        assert step in BEFORE_PONR + ("handover",), row
    pair.until_phase("PROTECTED", "READY_TO_FAIL_BACK", "PROTECTED_SWAPPED")
    pair.check_serves_at(at)
    assert pair.plan.ledger.count(old.name) >= before
    assert not pair.plan.ledger.lost()
    for site in pair.sites:
        assert site.until_run(run)["state"] == row["state"]
    pair.check_once(run, "handover", "notify")
    stage.sound = True


def test_and_at_the_end_the_history_is_whole(stage):
    pair = stage.get()
    pair.check_history()
