# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""Procedure: what people ask for, and what is taken at its word: who they are, times, recovery
points, holds, and requests that cannot be carried out."""
import json
import os
import re
import sqlite3
import threading
import time

import pytest
from duo import Duo, protected, run_of, swapped
from godwit import FAILED, REFUSED, USAGE, WAITING, wait_for


@pytest.fixture
def duo():
    with Duo() as d:
        yield d


def lost(d):
    d.a.lose()
    d.b.wait_status("madrid is out of sight", lambda s: "PEER_DOWN" in s["reasons"])


FAILOVER = ("failover", "shop", "--yes", "--confirm-site-down", "madrid")

# ---- persons -----------------------------------------------------------------------------------


def test_a_person_is_the_same_at_both_sites(duo):
    """Asked for at lisbon, carried out at madrid: who asked does not approve, and who has approved
    at one site does not count again at the other."""
    protected(duo, approvals=2)
    run = run_of(duo.b.cli("switchover", "shop", "--yes", "--no-wait", "--by", "anna", code=WAITING))
    wait_for("the run is known at madrid", lambda: duo.a.api("GET", "/runs/" + run)[0] == 200)
    assert duo.a.get("/runs/" + run)["requester"] == "anna"
    for site, name in ((duo.a, "anna"), (duo.b, "anna"), (duo.a, "Anna"), (duo.a, "anna@lisbon")):
        p = site.cli("run", "approve", run, "--by", name, "--no-wait", code=FAILED)
        assert "somebody else approves it" in p.stderr, p.said
    duo.a.cli("run", "approve", run, "--by", "bert", "--no-wait", code=None)
    wait_for("one approval", lambda: duo.a.get("/runs/" + run)["approvals"] == 1)
    for site, name in ((duo.b, "bert"), (duo.a, "bert@lisbon")):
        p = site.cli("run", "approve", run, "--by", name, "--no-wait", code=FAILED)
        assert "has approved it already" in p.stderr, p.said
    assert duo.a.get("/runs/" + run)["state"] == "WAITING_APPROVAL"
    for name in ("@lisbon", "@", " anna", "anna "):
        status, _, _ = duo.a.api("POST", "/runs/%s/approve" % run, {"by": name})
        assert status == 400, name
    log = [e for e in duo.a.get("/audit?action=switchover")["audit"]]
    assert [(e["who"], e["origin"]) for e in log] == [("anna", "link lisbon")]
    duo.b.cli("run", "cancel", run)

# ---- times -------------------------------------------------------------------------------------


def test_times_out_of_range_are_refused(duo):
    """... at both doors, and nothing is begun."""
    swapped(duo)
    for at in ("2999-01-01T00:00:00Z", "2026-02-30T00:00:00Z", "2261-01-01T00:00:00Z", "+9000d",
               "2027-02-30 10:00", "2001-01-01T00:00:00Z"):
        p = duo.b.cli("failback", "shop", "--yes", "--no-wait", "--at", at, code=None)
        assert p.returncode in (FAILED, USAGE), (at, p.said)
    action = "/plans/shop/actions/failback"
    for body in ({"at": "2999-01-01T00:00:00Z"}, {"at": "2027-02-29T00:00:00Z"},
                 {"at": "9999999-01-01T00:00:00Z"}, {"abort_by_ms": 1 << 62},
                 {"abort_by_ms": (1 << 63) - 1}, {"abort_by_ms": 400 * 86400 * 1000}):
        status, _, answer = duo.b.api("POST", action, body)
        assert status == 400, (body, answer)
    assert duo.b.get("/runs?unfinished=true")["runs"] == []
    soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
    status, _, answer = duo.b.api("POST", action, {"at": soon, "abort_by_ms": 1000})
    assert status == 202, answer
    duo.b.cli("run", "cancel", answer["run"]["id"])


def test_a_run_that_cannot_be_read_harms_no_other(duo):
    """A row of the catalog is damaged: it is shown as that, and closed by a word."""
    protected(duo)
    good = duo.a.get("/runs")["runs"][0]["id"]
    duo.a.stop()
    bad = "7" + good[1:]
    db = sqlite3.connect(os.path.join(duo.a.dir, "catalog.db"))
    fixed, row, plan = db.execute("SELECT fixed, row, plan FROM runs WHERE id = ?",
                                  (good,)).fetchone()
    fixed = json.dumps(dict(json.loads(fixed), id=bad, start_wall_ns=-1))
    db.execute("INSERT INTO runs (id, plan, fixed, row, open) VALUES (?, ?, ?, ?, 1)",
               (bad, plan, fixed, row))
    db.commit()
    db.close()
    duo.a.start()
    duo.a.wait_phase("PROTECTED")
    runs = {r["id"]: r["state"] for r in duo.a.get("/runs")["runs"]}
    assert runs[bad] == "DAMAGED" and runs[good] == "DONE", runs
    assert "damaged" in duo.a.get("/runs/" + bad)["sentence"]
    duo.a.cli("run", "list")
    p = duo.a.cli("switchover", "shop", "--yes", code=REFUSED)
    assert bad in p.stderr and "no-other-run" in p.stderr, p.said
    duo.a.cli("run", "abort", bad, "--yes", "--no-wait", code=None)
    duo.a.cli("switchover", "shop", "--yes")

# ---- recovery points ---------------------------------------------------------------------------


@pytest.mark.parametrize("point", ["never-made", "2999-01-01T00:00:00Z", "2001-01-01T00:00:00Z"])
def test_a_point_that_is_not_there_is_refused_before_anything(duo, point):
    protected(duo)
    duo.a.cli("points", "create", "shop", "--tag", "one")
    there = duo.b.json("points", "list", "shop")["points"][0]["id"]
    lost(duo)
    for more in (("--dry-run",), ()):
        p = duo.b.cli(*FAILOVER, "--point", point, *more, code=FAILED)
        assert there in p.stderr or "latest" in p.stderr, p.said
    assert duo.b.get("/runs?unfinished=true")["runs"] == []
    assert duo.b.status()["phase"] != "HALTED"
    duo.b.cli(*FAILOVER)  # the replica still waits to be promoted


def test_a_point_by_its_time_is_recorded_by_its_id(duo):
    protected(duo)
    duo.a.cli("points", "create", "shop", "--tag", "one")
    there = duo.b.json("points", "list", "shop")["points"][0]
    wait_for("the second of its time to pass", lambda: time.strftime(
        "%Y-%m-%dT%H:%M:%SZ", time.gmtime()) > there["time"])
    after = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    lost(duo)
    duo.b.cli(*FAILOVER, "--point", after)
    run = duo.b.get("/runs")["runs"][0]
    assert (run["operation"], run["state"]) == ("failover", "DONE"), run
    assert (run["params"]["point"], run["params"]["point_asked"]) == (there["id"], after), run


def test_latest_is_the_newest_state(duo):
    protected(duo)
    lost(duo)
    duo.b.cli(*FAILOVER, "--point", "latest", "--dry-run")
    duo.b.cli(*FAILOVER, "--point", "latest")
    assert duo.b.status()["phase"] in ("FAILED_OVER", "EXPOSED")

# ---- hooks -------------------------------------------------------------------------------------


HOOK = """#!/bin/bash
echo "$1 ${GODWIT_RECOVERY_POINT:-none} ${GODWIT_RECOVERY_TIME:-none} $GODWIT_SITE" >> %(root)s/hooks
[ ! -e %(root)s/red.$1 ]
"""


def with_hooks(d):
    path = os.path.join(d.root, "hook.sh")
    with open(path, "w", encoding="utf-8") as f:
        f.write(HOOK % {"root": d.root})
    os.chmod(path, 0o755)
    hooks = "    hooks:\n" + "".join("      %s: [{exec: [%s, %s]}]\n" % (n, path, n) for n in
                                     ("pre_failover", "post_recover"))
    text = d.plan_text().replace("        attach: {volume: data}\n",
                                 "        attach: {volume: data}\n" + hooks)
    assert hooks in text
    protected(d, text=text)


def hooks_said(d):
    try:
        with open(os.path.join(d.root, "hooks"), encoding="utf-8") as f:
            return [line.split() for line in f]
    except FileNotFoundError:
        return []


def test_hooks_of_a_failover(duo):
    """pre_failover runs at dr before anything is revoked; both know what is recovered."""
    with_hooks(duo)
    lost(duo)
    duo.b.cli(*FAILOVER)
    said = hooks_said(duo)
    assert [(x[0], x[1], x[3]) for x in said] == [("pre_failover", "latest", "lisbon"),
                                                  ("post_recover", "latest", "lisbon")], said
    assert re.match(r"20\d\d-\d\d-\d\dT", said[0][2]) and said[0][2] == said[1][2], said


def test_a_pre_failover_hook_that_fails_halts_before_anything(duo):
    """... and only what is offered is named; the rest goes on without it by a person's word."""
    with_hooks(duo)
    with open(os.path.join(duo.root, "red.pre_failover"), "w", encoding="utf-8"):
        pass
    lost(duo)
    p = duo.b.cli(*FAILOVER, code=FAILED)
    run = duo.b.get("/runs?unfinished=true")["runs"][0]
    s = duo.b.wait_status("it is halted", lambda s: s["phase"] == "HALTED")
    assert run["state"] == "HALTED" and s["run"]["step"] == "notify", p.said
    offered = [c["choice"] for c in run["choices"]]
    assert s["next"].endswith("the choices: " + ", ".join(offered)), (s["next"], offered)
    assert {"skip", "abort", "revert"} <= set(offered), offered
    assert duo.b.status()["epoch"] == 1  # nothing was promoted
    duo.b.cli("run", "revert", run["id"], "--yes", code=FAILED)  # there was nothing to take back
    assert duo.b.get("/runs/" + run["id"])["state"] == "FAILED"
    duo.b.cli(*FAILOVER, code=FAILED)
    run = duo.b.get("/runs?unfinished=true")["runs"][0]
    duo.b.cli("run", "skip", run["id"], "--yes")
    assert duo.b.status()["phase"] in ("FAILED_OVER", "EXPOSED")
    assert [x[0] for x in hooks_said(duo)] == ["pre_failover", "pre_failover", "post_recover"]

# ---- hold --------------------------------------------------------------------------------------


def test_a_hold_holds_both_sites(duo):
    protected(duo)
    duo.b.cli("hold", "shop", "--reason", "works on the line")
    for command in (("switchover", "shop"), ("plan", "deactivate", "shop")):
        p = duo.a.cli(*command, "--yes", code=REFUSED)
        assert "not-held" in p.stderr, p.said
    duo.a.wait_status("the reason", lambda s: s["held_reason"] == "works on the line")
    duo.b.stop()
    duo.a.wait_status("lisbon is out of sight", lambda s: not s["sites"]["lisbon"]["reachable"])
    p = duo.a.cli("release", "shop", code=REFUSED)  # lisbon would hold it still
    assert "peer-reachable" in p.stderr, p.said
    duo.a.stop()
    duo.a.start()
    assert duo.a.status()["mode"] == "held"  # it is durable here too
    duo.b.start()
    for site in (duo.a, duo.b):
        site.wait_status("both are there", lambda s: s["phase"] == "PROTECTED")
    duo.a.cli("release", "shop")
    duo.b.cli("switchover", "shop", "--yes")


def test_a_hold_that_was_not_heard_is_told_on_return(duo):
    protected(duo)
    duo.b.stop()
    duo.a.cli("hold", "shop", "--reason", "works on the line")
    duo.b.start()
    duo.b.wait_status("lisbon is held", lambda s: s["sites"]["lisbon"].get("held") == "works on the line")
    duo.b.cli("switchover", "shop", "--yes", code=REFUSED)
    duo.b.cli("release", "shop")
    for site in (duo.a, duo.b):
        site.wait_status("released", lambda s: s["mode"] != "held" and s["held_reason"] is None)
    duo.a.cli("switchover", "shop", "--yes")

# ---- requests that cannot be carried out -------------------------------------------------------


def test_asked_with_the_peer_dead(duo):
    """A refusal with its guard and a way out, whichever site had to do it."""
    swapped(duo)
    duo.b.lose()
    duo.a.wait_status("lisbon is out of sight", lambda s: not s["sites"]["lisbon"]["reachable"])
    for command in ("failback", "reverse", "revert"):
        p = duo.a.cli(command, "shop", "--yes", code=REFUSED)
        assert "peer-reachable" in p.stderr and "--confirm-site-down lisbon" in p.stderr, p.said


def test_two_at_the_same_moment(duo):
    protected(duo)
    answers = []

    def ask():
        answers.append(duo.a.api("POST", "/plans/shop/actions/switchover", {}))
    people = [threading.Thread(target=ask) for _ in range(4)]
    for p in people:
        p.start()
    for p in people:
        p.join()
    assert sorted(a[0] for a in answers) == [202, 409, 409, 409], answers
    for status, _, answer in answers:
        assert status == 202 or (answer["guard"], bool(answer["way_out"])) == ("no-other-run", True)
    duo.b.wait_phase("PROTECTED_SWAPPED", "READY_TO_FAIL_BACK")


def test_what_a_later_release_has(duo):
    duo.apply()
    for action in ("test", "rehearse"):
        status, _, answer = duo.a.api("POST", "/plans/shop/actions/" + action, {})
        assert status == 501 and "later release" in answer["detail"], answer


def test_a_new_plan_is_only_made_where_there_is_none(duo):
    duo.volume()
    text = duo.plan_text().encode()
    put = {"raw": text, "kind": "application/yaml", "headers": {"If-None-Match": "*"}}
    assert duo.a.api("PUT", "/plans/shop", **put)[0] == 201
    assert duo.a.api("PUT", "/plans/shop", **put)[0] == 412
