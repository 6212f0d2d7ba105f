# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""Procedure: the disk of a site's state directory, catalog and all, is full. What cannot be recorded
is not done: a request is refused, a run stands still, and each says which disk. Nobody serves twice,
nothing is lost, and it goes on by itself once there is room."""
import random

import pytest

from daemons import FAILED, manual, torture  # noqa: F401

NO_ROOM = "no room left on the disk of"


def fill(pair):
    pair.disk.fill(0, random.Random(1))


def stands_still(pair, run, site):
    """The plan and the run say so, at both sites, and the disk is named."""
    for asked in pair.sites:
        said = asked.until("the disk to be named", lambda s: NO_ROOM in s["sentence"])
        assert said["phase"] == "HALTED" and said["status"] == "FAILED", said
        assert "CAPACITY" in said["reasons"], said
        row = asked.until_run(run, "HALTED")
        assert NO_ROOM in row["sentence"] and site.name in row["sentence"], row
        assert site.state in row["sentence"], row
    pair.plan.ledger.check_never_two()


@pytest.mark.parametrize("where, moment, kind", [
    ("madrid", "quiesce.after_effect", "tmpfs"),
    pytest.param("madrid", "stop.before_effect", "ext4", marks=torture),
    pytest.param("madrid", "equal.after_record", "tmpfs", marks=torture),
    pytest.param("madrid", "handover.after_effect", "tmpfs", marks=torture),
    pytest.param("lisbon", "promote.before_effect", "tmpfs", marks=torture),
    pytest.param("lisbon", "promote.after_effect", "ext4", marks=torture),
    pytest.param("lisbon", "start.after_effect", "tmpfs", marks=torture),
    pytest.param("lisbon", "route.after_record", "tmpfs", marks=torture),
])
def test_the_disk_of_the_coordinator_is_full_in_a_move(manual, where, moment, kind):
    pair = manual.protected(small=(where, kind))
    site = pair.home if where == "madrid" else pair.dr
    gate = site.trial(moment, "wait")
    run = pair.home.begin("switchover", "shop")
    gate.wait_reached()
    fill(pair)
    gate.open()
    stands_still(pair, run, site)
    pair.disk.free()
    assert pair.home.until_run(run)["state"] == "DONE"
    pair.until_phase("READY_TO_FAIL_BACK")
    pair.check_serves_at(pair.dr)
    pair.check_once(run, "handover", "notify")
    pair.check_history()


@torture
@pytest.mark.parametrize("moment", ["revoke.after_record", "promote.after_effect",
                                    "start.before_effect"])
def test_the_disk_of_the_survivor_is_full_in_a_failover(manual, moment):
    pair = manual.protected(small=("lisbon", "tmpfs"))
    pair.home.kill_site()
    pair.dr.until("madrid is silent", lambda s: not s["sites"]["madrid"]["reachable"])
    gate = pair.dr.trial(moment, "wait")
    run = pair.dr.begin("failover", "shop", "--confirm-site-down", "madrid")
    gate.wait_reached()
    fill(pair)
    gate.open()
    said = pair.dr.until("the disk to be named", lambda s: NO_ROOM in s["sentence"])
    assert said["phase"] == "HALTED", said
    pair.disk.free()
    assert pair.dr.until_run(run)["state"] == "DONE"
    pair.plan.until_acknowledged("lisbon")
    pair.plan.ledger.check_never_two()


@torture
def test_the_disk_of_the_other_site_is_full_before_the_handover(manual):
    """What must be known at both sites before it is done is not done: service returns, and the run
    says why."""
    pair = manual.protected(small=("lisbon", "tmpfs"))
    gate = pair.home.trial("stop.after_record", "wait")
    run = pair.home.begin("switchover", "shop")
    gate.wait_reached()
    fill(pair)
    gate.open()
    pair.home.until_run(run, "REVERTING", "REVERTED", "HALTED", timeout=180)
    pair.plan.until_acknowledged("madrid", timeout=180)
    assert any(NO_ROOM in e["detail"] for e in pair.home.log(run)), pair.home.log(run)
    pair.plan.ledger.check_never_two()
    pair.disk.free()
    assert pair.home.until_run(run, timeout=180)["state"] == "REVERTED"
    pair.until_phase("PROTECTED")
    pair.check_serves_at(pair.home)
    pair.check_history()


@torture
@pytest.mark.parametrize("kind", ["tmpfs", "ext4"])
def test_the_disk_is_full_while_nothing_goes_on(manual, kind):
    """Requests are refused, service and what can be seen go on; a daemon that dies meanwhile starts."""
    pair = manual.protected(small=("madrid", kind))
    fill(pair)
    for s in pair.sites:
        s.until("the full disk to be told", lambda x: "CAPACITY" in x["reasons"])
    answer = pair.home.godwit("switchover", "shop", code=FAILED)
    assert NO_ROOM in answer.err and pair.home.state in answer.err, answer
    pair.home.kill()
    pair.home.start()
    pair.home.until("the full disk to be told again", lambda x: "CAPACITY" in x["reasons"])
    pair.plan.until_acknowledged("madrid", 1)
    pair.disk.free()
    pair.home.until("room", lambda x: "CAPACITY" not in x["reasons"])
    pair.home.godwit("switchover", "shop")
    pair.check_serves_at(pair.dr)
    pair.check_history()
