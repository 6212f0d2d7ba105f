# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""Every command of `godwit` against two real godwitd: table output, --json, exit codes.

The tests of a module share two sites and go on from where the one before left them: each says what
it needs. The bodies, the shapes and the refusals of the API are in test_api.py, the command line
without a daemon in test_cli.py.
"""
import json
import os
import re
import signal
import subprocess

import pytest

import duo
from duo import Duo
from godwit import CANCELLED, FAILED, OK, REFUSED, UNKNOWN, USAGE, WAITING, sanitizer_env, wait_for


@pytest.fixture(scope="module")
def two():
    with Duo() as d:
        d.apply()
        d.activate()
        yield d


@pytest.fixture(autouse=True)
def logs_of_failures(request, two):
    failed = request.session.testsfailed
    yield
    if request.session.testsfailed > failed:
        print(two.logs())


def lines(p):
    return [line.split() for line in p.stdout.splitlines()]


def at_home(two):
    """Serving at madrid, following at lisbon, whatever was before."""
    if two.a.status()["active"] != "madrid":
        two.a.cli("failback", "shop", "--yes")
    two.a.wait_phase("PROTECTED")


# ---- sites ------------------------------------------------------------------------------------

def test_site_list_and_show(two):
    rows = lines(two.a.cli("site", "list"))
    assert rows[0][:3] == ["SITE", "HEALTH", "THIS"]
    assert [r[:3] for r in rows[1:]] == [["madrid", "HEALTHY", "yes"], ["lisbon", "HEALTHY", "no"]]
    assert two.a.cli("site", "list", "--names").stdout == "madrid\nlisbon\n"
    sites = two.a.json("site", "list")["sites"]
    assert sites[1]["link"] == two.b.link and sites[1]["rtt_ms"] >= 0
    assert two.a.json("site", "show", "lisbon")["data"] == two.b.data
    assert re.search(r"^health +HEALTHY$", two.a.cli("site", "show", "lisbon").stdout, re.M)
    assert "rome" in two.a.cli("site", "show", "rome", code=FAILED).stderr


def test_site_test_names_every_layer_of_all_four_ways(two):
    p = two.a.cli("site", "test", "lisbon")
    assert p.stdout.splitlines()[-1] == "CONNECTED: lisbon", p.said
    o = two.a.json("site", "test", "lisbon")
    assert o["connected"] and {x["way"] for x in o["layers"]} == {
        "madrid > lisbon link", "madrid > lisbon data",
        "lisbon > madrid link", "lisbon > madrid data"}
    assert all(x["ok"] for x in o["layers"]) and o["throughput_bytes"] > 0
    assert "this site" in two.a.cli("site", "test", "madrid", code=FAILED).stderr


def test_site_pair_makes_a_code(two):
    p = two.a.cli("site", "pair", "--link", "vpn.madrid:7001", "--data", "vpn.madrid:7000")
    code = p.stdout.split()[0]
    assert "godwit site pair %s vpn.madrid:7001" % code in p.stdout
    assert two.a.json("site", "pair")["link"] == two.a.link
    r = two.b.cli("site", "pair", code[:-1] + ("0" if code[-1] != "0" else "1"), two.a.link,
                  code=FAILED)
    assert "code" in r.stderr, r.said
    assert "needs the link address" in two.b.cli("site", "pair", code, code=USAGE).stderr


def test_site_test_names_what_fails(two):
    two.b.stop()
    try:
        p = two.a.cli("site", "test", "lisbon", code=FAILED)
        assert re.search(r"^FAILED +madrid > lisbon link: port ", p.stdout, re.M), p.said
        assert "is godwitd running there" in p.stdout and "skipped" in p.stdout
    finally:
        two.b.start()
    two.a.wait_phase("PROTECTED")


# ---- plans ------------------------------------------------------------------------------------

def test_plan_check(two):
    p = two.a.cli("plan", "check", "-f", two.plan_file())
    assert p.stdout.endswith("is in order.\n") and "volume data" in p.stdout, p.said
    bad = two.plan_file("bad", text=two.plan_text("bad").replace("8MiB", "8MB").replace(
        "rpo: 30s", "rpo: soon"))
    p = two.a.cli("plan", "check", "-f", bad, code=FAILED)
    assert re.search(r"bad\.yaml:5: rpo: ", p.stdout), p.said
    assert re.search(r'bad\.yaml:8: volumes\[0\]\.size: "8MB" is not a size', p.stdout), p.said
    o = two.a.json("plan", "check", "-f", bad, code=FAILED)
    assert o["error"]["message"] and len(o["errors"]) == 2


def test_plan_apply_refuses_with_all_lines(two):
    bad = two.plan_file("bad", text=two.plan_text("bad").replace("8MiB", "8MB").replace(
        "rpo: 30s", "rpo: soon"))
    p = two.a.cli("plan", "apply", "-f", bad, code=FAILED)
    assert len(re.findall(r"^\S*bad\.yaml:\d+: ", p.stderr, re.M)) == 2, p.said
    assert two.a.cli("plan", "show", "bad", code=FAILED).stderr.startswith("godwit: ")


def test_plan_apply_changes_and_if_match(two):
    at_home(two)
    text = two.plan_text()
    p = two.a.cli("plan", "apply", "-f", two.plan_file())
    assert p.stdout == "Plan shop, version 1\n" or "nothing changed" in p.stdout, p.said
    path = two.plan_file(text=text.replace("rpo: 30s", "rpo: 25s"))
    p = two.a.cli("plan", "apply", "-f", path, "--if-match", "0" * 64, code=FAILED)
    assert "it was changed by somebody else" in p.stderr, p.said
    p = two.a.cli("plan", "apply", "-f", path, "--if-match", two.a.json("plan", "show", "shop")["hash"])
    assert re.match(r"Plan shop, version 2:\n  .*rpo", p.stdout), p.said
    p = two.a.cli("plan", "apply", "-f", path)
    assert p.stdout == "Plan shop, version 2: nothing changed\n", p.said
    wait_for("lisbon has it", lambda: two.b.get("/plans/shop")["version"] == 2)
    assert two.b.cli("plan", "show", "shop").stdout == text.replace("rpo: 30s", "rpo: 25s")


def test_plan_list_show_status(two):
    at_home(two)
    rows = lines(two.a.cli("plan", "list"))
    assert rows[0][:3] == ["PLAN", "STATUS", "PHASE"]
    assert rows[1][:4] == ["shop", "ACTIVE", "PROTECTED", "madrid"]
    assert two.b.cli("plan", "list", "--names").stdout == "shop\n"
    assert two.a.cli("plan", "show", "shop").stdout.startswith("# the plan of the tests\n")
    s = two.a.cli("plan", "status", "shop").stdout
    for row in (r"^phase +PROTECTED$", r"^active site +madrid$", r"^lag +\d+ ms, 0 B$",
                r"^RPO +\d+ s, ", r"^at madrid +active, service serving, process up",
                r"^at lisbon +standby, service streaming, process up", r"^last run +",
                r"^next +nothing to do$", r"^data +8.0 MiB +0 B$"):
        assert re.search(row, s, re.M), (row, s)
    o = two.b.json("plan", "status", "shop")
    assert o["seen_from"] == "lisbon" and o["active"] == "madrid" and o["last_run"]["state"] == "DONE"
    assert "shop" in two.a.cli("plan", "status", "shp", code=FAILED).stderr  # the near miss


def test_the_time_within_the_rpo_is_measured(two):
    at_home(two)
    s = two.a.wait_status("a share of the time", lambda s: s["rpo_within_percent"] is not None)
    assert 0 < s["rpo_within_percent"] <= 100
    other = two.b.wait_status("the same at lisbon", lambda s: s["rpo_within_percent"] is not None)
    assert 0 < other["rpo_within_percent"] <= 100


def test_plan_status_watch(two):
    p = two.a.cli("plan", "status", "shop", "--watch", "--every", "100ms", "--count", "2")
    assert len(p.stdout.splitlines()) == 2 and " shop ACTIVE " in p.stdout


def test_plan_explain(two):
    at_home(two)
    p = two.a.cli("plan", "explain", "shop")
    assert re.search(r"^switchover: possible$", p.stdout, re.M), p.said
    assert re.search(r"^failback: refused$", p.stdout, re.M)
    o = two.a.json("plan", "explain", "shop", "--operation", "failback")["operations"]
    assert len(o) == 1 and not o[0]["allowed"]
    bad = [g for g in o[0]["guards"] if g["verdict"] == "failed"]
    assert [g["guard"] for g in bad] == ["active-at-dr"] and bad[0]["way_out"]
    assert "fly" in two.a.cli("plan", "explain", "shop", "--operation", "fly", code=FAILED).stderr


def test_forecast(two):
    at_home(two)
    p = two.a.cli("forecast", "shop", "--to", "lisbon")
    assert re.match(r"direction: .*lisbon.*\nto copy: .*\noutage: ", p.stdout), p.said
    assert two.a.json("forecast", "shop", "--to", "lisbon")["operation"] == "switchover"
    assert "active at madrid already" in two.a.cli("forecast", "shop", "--to", "madrid",
                                                   code=FAILED).stderr


# ---- volumes, points --------------------------------------------------------------------------

def test_volumes(two):
    rows = lines(two.a.cli("volume", "list", "shop"))
    assert rows[1][:3] == ["data", "8.0", "MiB"]
    assert two.a.json("volume", "list", "shop")["volumes"][0]["path"].endswith("shop-home.img")


def test_points(two):
    at_home(two)
    p = two.b.cli("points", "create", "shop", "--tag", "before the sale")  # passed on to madrid
    point = re.search(r"^point +(\S+)$", p.stdout, re.M).group(1)
    for site in (two.a, two.b):
        rows = site.json("points", "list", "shop")["points"]
        assert [(r["id"], r["site"], r["tag"]) for r in rows] == [(point, "lisbon", "before the sale")]
    assert point in two.a.cli("points", "list", "shop").stdout
    two.a.wait_status("the last point", lambda s: (s["last_point"] or {}).get("id") == point)


# ---- hold, verify -----------------------------------------------------------------------------

def test_hold_and_release(two):
    at_home(two)
    assert two.a.cli("hold", "shop", "--reason", "works on the line").stdout.startswith("Held")
    s = two.a.wait_status("held", lambda s: s["mode"] == "held")
    assert s["held_reason"] == "works on the line"
    p = two.a.cli("switchover", "shop", "--yes", code=REFUSED)
    assert "guard    not-held" in p.stderr and "way out  godwit release shop" in p.stderr, p.said
    assert two.a.cli("release", "shop").stdout == "Released.\n"
    two.a.wait_status("released", lambda s: s["mode"] == "manual")
    assert "not-held" not in two.a.cli("release", "shop", code=REFUSED).stderr


def test_verify(two):
    at_home(two)
    assert two.a.cli("verify", "shop", "--rate", "64MiB").stdout.startswith("Compared: 8.0 MiB")
    s = two.a.wait_status("the verify", lambda s: (s["verify"] or {}).get("done"))
    assert s["verify"]["differing_blocks"] == 0 and s["verify"]["checked_bytes"] == 8 << 20
    assert re.search(r"^verify +8.0 MiB of 8.0 MiB compared, done, 0 blocks differed$",
                     two.a.cli("plan", "status", "shop").stdout, re.M)


# ---- moves and runs ---------------------------------------------------------------------------

def test_dry_run_changes_nothing(two):
    at_home(two)
    p = two.a.cli("switchover", "shop", "--dry-run")
    assert "(dry run)" in p.stdout and p.stdout.endswith("A dry run: nothing was changed.\n"), p.said
    assert two.a.status()["active"] == "madrid"


def test_switchover_and_failback(two):
    at_home(two)
    p = two.a.cli("switchover", "shop", "--yes", "--reason", "a new roof")
    assert p.stdout.endswith("shop serves at lisbon, and replicates to madrid.\n"), p.said
    run = re.match(r"Run (\S+): switchover of shop, madrid -> lisbon\n", p.stdout).group(1)
    two.a.wait_phase("PROTECTED_SWAPPED", "READY_TO_FAIL_BACK")
    # Asked where it is not coordinated: passed on, and found here at once.
    o = two.a.json("failback", "shop", "--yes")
    assert o["run"]["state"] == "DONE" and o["run"]["coordinator"] == "madrid"
    rows = lines(two.b.cli("run", "list", "--plan", "shop", "--limit", "2"))
    assert [r[2:5] for r in rows[1:]] == [["failback", "real", "DONE"], ["switchover", "real", "DONE"]]
    assert two.a.json("run", "list", "--unfinished")["runs"] == []
    shown = two.a.cli("run", "show", run[:12]).stdout
    assert re.search(r"^reason +a new roof$", shown, re.M) and "hand the authority over" in shown
    assert two.a.cli("run", "watch", run).stdout.endswith(" replicates to madrid.\n")
    log = [x.split() for x in two.a.cli("run", "log", run).stdout.splitlines()]
    assert log[0][0] == "0" and log[0][2] == "created" and log[-1][2] == "end_done"
    assert "no run" in two.a.cli("run", "show", "01zzzz", code=FAILED).stderr
    assert run in two.a.cli("run", "list", "--names").stdout


def test_refused_by_a_guard_is_3(two):
    at_home(two)
    p = two.a.cli("failback", "shop", "--yes", code=REFUSED)
    assert "guard    active-at-dr" in p.stderr and "way out" in p.stderr, p.said
    o = two.a.json("failback", "shop", "--yes", code=REFUSED)["error"]
    assert o["guard"] == "active-at-dr" and not o["forceable"]
    p = two.b.cli("failover", "shop", "--yes", code=REFUSED)
    assert "guard    old-stopped" in p.stderr and "--confirm-site-down madrid" in p.stderr, p.said
    for command in ("commit", "revert", "adopt"):
        two.a.cli(command, "shop", "--yes", code=REFUSED)
    assert "not-activated" in two.a.cli("plan", "activate", "shop", code=REFUSED).stderr
    assert "not-activated" in two.a.cli("plan", "delete", "shop", "--yes", code=REFUSED).stderr


def test_usage_is_2_and_failure_is_1(two):
    two.a.cli("failback", "shop", "--at", "soon", code=USAGE)
    two.a.cli("switchover", "shop", "--override", "clocks", "--yes", code=USAGE)  # no --reason
    assert "no plan" in two.a.cli("switchover", "nope", "--yes", code=FAILED).stderr
    p = two.a.cli("switchover", "shop", "--override", "nonsense", "--reason", "x", "--yes", code=FAILED)
    assert "there is no guard 'nonsense'" in p.stderr


def approvals(two, n):
    two.a.cli("plan", "apply", "-f", two.plan_file(approvals=n))
    wait_for("both sites have it", lambda: two.a.get("/plans/shop")["hash"] ==
             two.b.get("/plans/shop")["hash"])
    two.a.wait_phase("PROTECTED")


def test_waiting_for_approval_is_4(two):
    at_home(two)
    approvals(two, 1)
    p = two.a.cli("switchover", "shop", "--yes", "--by", "anna", code=WAITING)
    run = re.match(r"Run (\S+):", p.stdout).group(1)
    assert "godwit run approve %s" % run in p.stderr, p.said
    assert two.a.status()["phase"] == "AWAITING_APPROVAL"
    p = two.a.cli("run", "approve", run, "--by", "anna", code=None)
    assert p.returncode != OK and "anna" in p.stderr, p.said  # never who asked for it
    two.a.cli("run", "cancel", run, "--by", "anna")
    two.a.cli("run", "watch", run, code=CANCELLED)
    two.a.wait_phase("PROTECTED")
    run = two.a.json("switchover", "shop", "--yes", "--by", "anna", code=WAITING)["run"]["id"]
    p = two.b.cli("run", "approve", run, "--by", "bert", "--reason", "agreed")  # at the other site
    assert "shop serves at lisbon" in p.stdout, p.said
    run = two.a.json("failback", "shop", "--yes", "--by", "anna", code=WAITING)["run"]["id"]
    two.a.cli("run", "approve", run, "--by", "bert")
    approvals(two, 0)


def test_cancel_is_5_for_who_watches(two):
    at_home(two)
    slow = os.path.join(two.root, "slow.lisbon")
    when = two.a.json("failback", "shop", "--at", "+1h", "--yes", code=REFUSED)
    assert when["error"]["guard"] == "active-at-dr"
    two.a.cli("switchover", "shop", "--yes")
    two.a.wait_phase("PROTECTED_SWAPPED", "READY_TO_FAIL_BACK")
    p = two.a.cli("failback", "shop", "--at", "+1h", "--yes")
    run = re.match(r"Run (\S+):", p.stdout).group(1)
    assert "Scheduled for 20" in p.stdout and "godwit run cancel %s" % run in p.stdout, p.said
    two.a.cli("run", "cancel", run)
    p = two.a.cli("run", "watch", run, code=CANCELLED)
    assert "service is where it was" in p.stderr, p.said
    assert two.a.status()["active"] == "lisbon" and not os.path.exists(slow)


def test_interrupted_watching_is_6_and_the_run_goes_on(two):
    at_home(two)
    slow = os.path.join(two.root, "slow.lisbon")
    open(slow, "w").close()
    p = subprocess.Popen([duo.CLI, "switchover", "shop", "--yes", "--socket", two.a.socket],
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         text=True, env={**os.environ, **sanitizer_env(False)})
    try:
        s = two.b.wait_status("it starts", lambda s: (s["run"] or {}).get("step") == "start")
        p.send_signal(signal.SIGINT)
        out, err = p.communicate(timeout=30)
        assert p.returncode == UNKNOWN and "the run goes on" in err, (p.returncode, out, err)
    finally:
        os.unlink(slow)
        if p.poll() is None:
            p.kill()
    two.b.cli("run", "watch", s["run"]["id"])
    assert two.b.status()["active"] == "lisbon"


def test_halted_run_lists_its_choices(two):
    at_home(two)
    broken = os.path.join(two.root, "broken.lisbon")
    open(broken, "w").close()
    p = two.a.cli("switchover", "shop", "--yes", code=FAILED)
    run = re.match(r"Run (\S+):", p.stdout).group(1)
    assert "is halted" in p.stderr and "godwit run retry %s" % run in p.stdout, p.said
    two.b.wait_phase("HALTED")
    o = two.b.json("run", "show", run)
    assert o["state"] == "HALTED" and "app1" in o["sentence"], o["sentence"]
    assert "retry" in [c["choice"] for c in o["choices"]]
    p = two.b.cli("run", "override", run, "--reason", "x", "--yes", code=None)
    assert p.returncode != OK, p.said  # it is not in doubt
    os.unlink(broken)
    assert two.b.cli("run", "retry", run).stdout.endswith("replicates to madrid.\n")


def test_the_same_key_is_one_run(two):
    at_home(two)
    first = two.a.json("switchover", "shop", "--yes", "--key", "roof-1")["run"]["id"]
    again = two.a.json("switchover", "shop", "--yes", "--key", "roof-1")["run"]["id"]
    assert first == again
    p = two.a.cli("switchover", "shop", "--yes", "--key", "roof-1", "--reason", "other", code=FAILED)
    assert "used for another request" in p.stderr, p.said


# ---- failover, divergence ---------------------------------------------------------------------

def test_failover_divergence_and_home(two):
    """Home is lost with a write that DR never had; it is itemised, signed, kept."""
    at_home(two)
    two.b.lose()
    h = two.a.nbd()
    h.pwrite(b"only at home" * 1024, 2 << 20)
    h.flush()
    h.shutdown()
    two.a.lose()
    two.b.start()
    two.b.wait_status("lisbon sees that it is alone", lambda s: not s["sites"]["madrid"]["reachable"])
    p = two.b.cli("failover", "shop", "--confirm-site-down", "madrid", "--yes", "--by", "eva")
    assert "shop serves at lisbon. When madrid is back: godwit reverse shop." in p.stdout, p.said
    assert two.b.status()["active"] == "lisbon"
    two.a.start()
    s = two.a.wait_status("home is fenced", lambda s: s["active"] == "lisbon" and
                          "fenced" in s["sites"]["madrid"]["detail"])
    assert s["epoch"] >= 2
    wait_for("lisbon knows the clock of madrid",
             lambda: two.b.get("/sites/madrid")["clock_offset_ms"] is not None)
    run = two.b.json("reverse", "shop", "--yes", "--no-wait")["run"]["id"]
    two.b.wait_status("a signature is waited for", lambda s: s["divergence"] and s["divergence"]["done"])
    for site in (two.a, two.b):
        tails = site.json("divergence", "list", "shop")["divergence"]
        assert [(t["id"], t["site"], t["state"]) for t in tails] == [
            ("pending", "madrid", "waits for a signature")], tails
        o = site.json("divergence", "show", "shop")
        assert {"volume": "data", "offset": 2 << 20, "bytes": 12288} in o["ranges"], o
    assert "waits for a signature" in two.a.cli("divergence", "list", "shop").stdout
    assert re.search(r"^data +2097152 +12.0 KiB$", two.b.cli("divergence", "show", "shop").stdout, re.M)
    live = two.b.json("run", "show", run)
    waits = [x for x in live["steps"] if x["state"] == "waiting"]
    assert live["state"] == "WAITING" and "godwit divergence sign shop" in waits[0]["detail"], live
    p = two.b.cli("divergence", "sign", "shop", "--by", "Eva Olsson", "--reason", "test data")
    assert p.stdout.startswith("Signed."), p.said
    assert two.b.cli("run", "watch", run).stdout.endswith("madrid follows lisbon again.\n")
    kept, = two.b.json("divergence", "list", "shop")["divergence"]
    assert kept["site"] == "madrid" and kept["signed_by"] == "Eva Olsson" and kept["bytes"] == 12288
    assert two.a.json("divergence", "show", "shop", kept["id"])["n_ranges"] == 1
    assert "no tail" in two.a.cli("divergence", "show", "shop", code=FAILED).stderr
    two.b.wait_phase("READY_TO_FAIL_BACK", "PROTECTED_SWAPPED")
    two.b.cli("failback", "shop", "--yes")
    two.a.wait_phase("PROTECTED")


# ---- records ----------------------------------------------------------------------------------

def test_events(two):
    p = two.a.cli("events", "--plan", "shop", "--limit", "5")
    assert len(p.stdout.splitlines()) == 5 and " shop " in p.stdout
    events = two.a.json("events", "--after", "0", "--limit", "3")["events"]
    assert [e["kind"] for e in events][:2] == ["site.started", "site.paired"]
    last = two.a.json("events", "--limit", "1")["events"]
    assert len(last) == 1 and last[0]["id"] > events[-1]["id"]


def test_events_follow(two):
    p = subprocess.Popen([duo.CLI, "events", "--follow", "--json", "--plan", "shop", "--socket",
                          two.a.socket], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, text=True,
                         env={**os.environ, **sanitizer_env(False)})
    try:
        wait_for("the stream", lambda: two.a.cli("hold", "shop").returncode == OK and
                 two.a.cli("release", "shop").returncode == OK and
                 "plan.action" in os.read(p.stdout.fileno(), 65536).decode())
    finally:
        p.kill()
        p.communicate()


def test_audit(two):
    rows = lines(two.a.cli("audit", "show", "--limit", "3"))
    assert rows[0] == ["SEQ", "TIME", "WHO", "FROM", "ACTION", "OBJECT", "OUTCOME"]
    assert [r[0] for r in rows[1:]] == ["1", "2", "3"]
    by_anna = two.a.json("audit", "show", "--who", "anna")["audit"]
    assert by_anna and {e["who"] for e in by_anna} == {"anna"}
    assert {e["action"] for e in two.a.json("audit", "show", "--action", "hold")["audit"]} == {"hold"}
    assert " entries, unbroken; the last one is " in two.a.cli("audit", "verify").stdout


# ---- the end of a plan ------------------------------------------------------------------------

def test_deactivate_and_delete(two):
    at_home(two)
    p = two.a.cli("plan", "deactivate", "shop", "--yes")
    assert "no longer protected" in p.stdout, p.said
    two.a.wait_phase("DEFINED")
    two.a.cli("plan", "activate", "shop")
    two.a.wait_phase("PROTECTED")
    two.a.cli("plan", "deactivate", "shop", "--yes")
    two.a.wait_phase("DEFINED")
    assert two.a.cli("plan", "delete", "shop", "--yes").stdout.startswith("Deleted.")
    assert two.a.json("plan", "list")["plans"] == []
    wait_for("gone at lisbon", lambda: two.b.json("plan", "list")["plans"] == [])
