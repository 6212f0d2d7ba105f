# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""Procedure: home is lost, and something more dies while DR takes over, and again while home is
brought up to date. Each case is a whole round: failover, reverse, failback. Service ends up at home,
nothing is lost but what the loss says, and never do two serve.

The moves between sound sites are tried by test_procedure_crashes.py. GODWIT_TORTURE=1 tries some
rounds, GODWIT_TORTURE=all every step, moment and victim of a failover, and of a reverse."""
import itertools
import os

import pytest

from daemons import manual, torture, wait_for  # noqa: F401
from test_procedure_crashes import settle, stage, strike  # noqa: F401

MOMENTS = ("before_effect", "after_effect", "after_record")
# A source that is killed while home is away waits for a person (isolated_start), as it must: what
# dies of the data plane dies before it serves.
FAILOVER = list(itertools.product(
    ("precheck", "revoke", "estimate", "promote", "serve", "start", "verify", "route", "report"),
    MOMENTS, ("coordinator",))) + list(itertools.product(
        ("precheck", "revoke", "estimate"), MOMENTS, ("new data plane",)))
REVERSE = list(itertools.product(
    ("precheck", "data_check", "follow", "assess", "sync", "report"), MOMENTS,
    ("coordinator", "peer", "old data plane", "new data plane", "link")))
QUICK = [(("promote", "after_effect", "coordinator"), ("follow", "after_effect", "peer"))]
SOME = QUICK + [
    (("revoke", "after_effect", "coordinator"), ("assess", "before_effect", "coordinator")),
    (("serve", "before_effect", "coordinator"), ("sync", "before_effect", "link")),
    (("estimate", "after_record", "new data plane"), ("follow", "before_effect", "old data plane")),
    (("route", "before_effect", "coordinator"), ("report", "before_effect", "new data plane")),
]
ALL = list(zip(itertools.cycle(FAILOVER), REVERSE)) if len(REVERSE) > len(FAILOVER) else \
    list(zip(FAILOVER, itertools.cycle(REVERSE)))
CASES = {"": QUICK, "all": ALL}.get(os.environ.get("GODWIT_TORTURE", ""), SOME)


def sign(pair):
    """If home has a tail that waits for it. As a rule it does not."""
    if pair.home.status()["divergence"] is not None:
        pair.home.godwit("divergence", "sign", "shop", "--by", "eva", code=None)


def crash(pair, site, begin, case, coordinator, peer, old, new):
    """The run that begin() begins meets its misfortune; its id."""
    step, moment, victim = case
    gate = site.trial("%s.%s" % (step, moment), "wait")
    run = begin()

    def reached():
        if step in ("sync", "report") and pair.home.program.alive():
            sign(pair)
        return os.path.exists(gate.path + ".reached")
    wait_for("the run to reach " + gate.path, reached)
    back = strike(pair, victim, coordinator, peer, old, new)
    gate.open()
    for come_back in back:
        come_back()
    return run


def signed(pair, run):
    """Whoever has a tail signs for it, until the run is through or stands."""
    def look(_):
        sign(pair)
        return pair.dr.run(run)["state"] in ("DONE", "HALTED", "FAILED", "REVERTED", "CANCELLED")
    pair.dr.until("the end of the reverse", look)
    return pair.dr.run(run)["state"]


@pytest.mark.parametrize("taking, returning", CASES,
                         ids=["%s+%s" % ("-".join(a), "-".join(b)) for a, b in CASES])
def test_a_round(stage, taking, returning):
    pair = stage.get()
    home, dr = pair.home, pair.dr
    home.kill_site()
    dr.until("madrid is silent", lambda s: not s["sites"]["madrid"]["reachable"])
    run = crash(pair, dr, lambda: dr.begin("failover", "shop", "--confirm-site-down", "madrid"),
                taking, dr, home, home, dr)
    row = settle(pair, run, dr)
    assert row["state"] == "DONE", row
    pair.plan.until_acknowledged("lisbon")
    stage.lost |= pair.plan.ledger.lost()

    home.start()
    dr.until("madrid is back, and its clock known", lambda s: s["sites"]["madrid"]["reachable"] and all(
        x["site"] == "lisbon" or x["clock_offset_ms"] is not None for x in dr.get("sites")["sites"]))
    run = crash(pair, dr, lambda: dr.begin("reverse", "shop"), returning, dr, home, dr, home)
    for _ in range(4):
        state = signed(pair, run)
        if state == "DONE":
            break
        if state == "HALTED":
            choices = [c["choice"] for c in dr.run(run)["choices"]]
            dr.godwit("run", "retry" if "retry" in choices else "resume", run, "--no-wait")
        else:  # it took itself back: asked for once more
            run = dr.begin("reverse", "shop")
    assert state == "DONE", dr.run(run)
    pair.until_phase("READY_TO_FAIL_BACK")

    assert dr.godwit("failback", "shop").json["run"]["state"] == "DONE"
    pair.until_phase("PROTECTED")
    pair.check_serves_at(home)
    assert pair.plan.ledger.lost() <= stage.lost
    stage.sound = True


@torture
def test_service_that_waits_for_a_person_is_said_to_be_down(manual):
    """The source dies at the only site that there is, and does not serve again by itself: home might."""
    pair = manual.protected()
    pair.home.kill_site()
    pair.dr.until("madrid is silent", lambda s: not s["sites"]["madrid"]["reachable"])
    pair.dr.godwit("failover", "shop", "--confirm-site-down", "madrid")
    pair.plan.until_acknowledged("lisbon")
    pair.dr.kill_data_plane()
    s = pair.dr.until("it to be said", lambda x: "SERVICE_UNHEALTHY" in x["reasons"], timeout=20)
    assert s["phase"] == "FAILED_OVER" and s["status"] == "DEGRADED", s


def test_and_at_the_end_the_history_is_whole(stage):
    stage.get().check_history(stage.lost)
