# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""What is shown to an operator is true, and what is recorded is whole: two real godwitd, and the
cases in which it is easy to say more than is known."""
import json
import os
import re
import threading

import pytest
from duo import Duo, protected, run_of, swapped
from godwit import FAILED, wait_for

STABLE = ("PROTECTED", "PROTECTED_SWAPPED", "READY_TO_FAIL_BACK")


@pytest.fixture
def duo():
    with Duo() as d:
        yield d


# ---- plan check -----------------------------------------------------------------------------------

def findings(site, text):
    status, _, body = site.api("POST", "/plan-check", raw=text.encode(), kind="application/yaml")
    assert status == 200 and body["errors"] == [], body
    return body["findings"]


def bad(site, text):
    """(site, check, value) of what is wrong."""
    return [(f["site"], f["check"], f["value"]) for f in findings(site, text) if not f["ok"]]


def test_check_looks_at_both_sites(duo):
    duo.volume()
    good = duo.plan_text()
    all_found = findings(duo.a, good)
    assert [f for f in all_found if not f["ok"]] == []
    for site in ("madrid", "lisbon"):
        assert {f["check"] for f in all_found if f["site"] == site} >= {
            "volume data", "room", "programs"}, all_found
    p = duo.a.cli("plan", "check", "-f", duo.plan_file())
    assert re.search(r"^yes +lisbon +volume data +'.*-dr\.img' will be made, 8\.0 MiB", p.stdout,
                     re.M), p.said

    (found,) = bad(duo.a, good.replace(duo.root + "/shop-dr.img", "/no/such/x.img"))
    assert found == ("lisbon", "volume data",
                     "'/no/such/x.img' cannot be made in '/no/such': No such file or directory")
    assert duo.a.cli("plan", "check", "-f", duo.plan_file(
        text=good.replace(duo.root + "/shop-dr.img", "/no/such/x.img")), code=FAILED)

    found = bad(duo.b, good.replace("app.sh, start", "nope.sh, start"))
    assert sorted(f[:2] for f in found) == [("lisbon", "start of app1"),
                                            ("madrid", "start of app1")], found
    hooked = good.replace(
        "groups:\n  - name: app\n",
        "groups:\n  - name: app\n    hooks: {pre_failback: [no-such-program]}\n")
    found = bad(duo.a, hooked)
    assert {f[1] for f in found} == {"hook pre_failback of app"}, found

    with open(os.path.join(duo.root, "shop-dr.img"), "wb") as f:
        f.truncate(4 << 20)
    (found,) = bad(duo.a, good)
    assert found[:2] == ("lisbon", "volume data") and "has 4.0 MiB, the plan says 8.0" in found[2]
    os.unlink(os.path.join(duo.root, "shop-dr.img"))

    duo.apply()
    other = duo.plan_text("other").replace(duo.root + "/other-dr.img", duo.root + "/shop-dr.img")
    duo.volume("other")
    (found,) = bad(duo.a, other)
    assert found == ("lisbon", "volume data",
                     "'%s/shop-dr.img' is a volume of plan 'shop'" % duo.root)

    duo.b.stop()
    try:
        (found,) = bad(duo.a, good)
        assert found[:2] == ("madrid", "peer") and "is not known" in found[2]
    finally:
        duo.b.start()


def test_a_pipe_as_volume_is_a_finding(duo):
    """An open of a pipe waits for its other end; the daemon does not."""
    os.mkfifo(os.path.join(duo.root, "pipe"))
    text = duo.plan_text().replace("shop-home.img", "pipe")
    answers = []
    t = threading.Thread(target=lambda: answers.append(bad(duo.a, text)), daemon=True)
    t.start()
    t.join(60)
    if not answers:  # let it go, so that the rest of the test can end
        os.close(os.open(os.path.join(duo.root, "pipe"), os.O_WRONLY | os.O_NONBLOCK))
        t.join()
        pytest.fail("the request was not answered")
    assert answers[0] == [("madrid", "volume data", "'%s/pipe' is neither a file nor a block device"
                           % duo.root)]


# ---- a plan that was never activated ----------------------------------------------------------------

def failed_activation(d):
    """A wrong path at lisbon; madrid has made its directory by then."""
    d.volume()
    wrong = d.plan_text().replace(d.root + "/shop-dr.img", "/no/such/x.img")
    d.a.cli("plan", "apply", "-f", d.plan_file(text=wrong))
    d.plans.append("shop")
    p = d.a.cli("plan", "activate", "shop", code=None)
    assert p.returncode == FAILED and "its directory does not exist" in p.stdout + p.stderr, p.said
    assert os.path.isdir(os.path.join(d.a.dir, "plans", "shop"))


def test_a_path_that_was_never_used_is_corrected(duo):
    failed_activation(duo)
    os.rename(os.path.join(duo.root, "shop-home.img"), os.path.join(duo.root, "moved.img"))
    text = duo.plan_text().replace("shop-home.img", "moved.img").replace("8MiB", "6MiB")
    os.truncate(os.path.join(duo.root, "moved.img"), 6 << 20)
    p = duo.a.cli("plan", "apply", "-f", duo.plan_file(text=text))
    assert "volumes.data.at.madrid is changed: nothing was ever replicated\n" in p.stdout, p.said
    duo.activate()
    with open(os.path.join(duo.root, "moved.img"), "rb") as f:
        data = f.read()
    with open(os.path.join(duo.root, "shop-dr.img"), "rb") as f:
        assert f.read() == data
    # Once it is used, a path is no edit.
    duo.a.cli("plan", "apply", "-f", duo.plan_file(text=text.replace("shop-dr.img", "x.img")),
              code=FAILED)


def test_a_plan_that_was_never_used_is_deleted_and_made_again(duo):
    failed_activation(duo)
    duo.a.cli("plan", "delete", "shop", "--yes")
    assert not os.path.exists(os.path.join(duo.a.dir, "plans", "shop"))
    protected(duo)
    duo.a.cli("plan", "deactivate", "shop", "--yes")
    duo.a.cli("plan", "delete", "shop", "--yes")
    for site in (duo.a, duo.b):
        assert os.path.exists(os.path.join(site.dir, "plans", "shop"))


def test_put_under_another_name_is_refused(duo):
    """The name in the address and the name in the file are one."""
    duo.apply()
    text = duo.plan_text().replace("rpo: 30s", "rpo: 31s").encode()
    status, _, body = duo.a.api("PUT", "/plans/other", raw=text, kind="application/yaml")
    assert status == 400 and "of plan 'shop', and not of plan 'other'" in body["detail"], body
    assert duo.a.get("/plans/shop")["version"] == 1


# ---- the audit log ----------------------------------------------------------------------------------

def audit(site, query=""):
    return site.get("/audit?limit=1000" + query)["audit"]


def pairs(entries):
    """[(begun, its outcome or None)]."""
    ends = {e["detail"]["begun"]: e for e in entries if "begun" in (e["detail"] or {})}
    return [(e, ends.get(e["seq"])) for e in entries if e["outcome"] == "begun"]


def test_every_action_has_its_outcome(duo):
    duo.volume()
    text = duo.plan_text()
    wrong = text.replace("home: madrid", "home: porto").replace("madrid:", "porto:")
    duo.a.cli("plan", "apply", "-f", duo.plan_file(text=wrong), code=FAILED)
    ((_, end),) = pairs(audit(duo.a, "&action=plan-apply"))
    assert end["outcome"] == "refused" and "between 'porto'" in end["detail"]["why"], end

    protected(duo)
    assert pairs(audit(duo.a, "&action=plan-apply"))[1][1]["outcome"] == "done"
    (begun,) = [e for e in audit(duo.a, "&action=activate") if e["outcome"] == "begun"]
    for site in (duo.a, duo.b):
        (end,) = [e for e in audit(site, "&action=activate") if e["outcome"] != "begun"]
        assert end["outcome"] == "done" and end["detail"]["run"] == begun["detail"]["run"], end

    duo.b.cli("hold", "shop", "--reason", "works on the line")
    ((_, end),) = pairs(audit(duo.b, "&action=hold"))
    assert end["outcome"] == "done"
    duo.b.cli("release", "shop")

    for site in (duo.a, duo.b):  # both sides of a pairing
        ((begun, end),) = pairs(audit(site, "&action=pair"))
        assert end["outcome"] == "done", end
        assert site.cli("audit", "verify").stdout.count("unbroken") == 1
    assert [e["origin"] for e in audit(duo.a, "&action=pair")] == ["link lisbon"] * 2

    for site in (duo.a, duo.b):
        open_ones = [b for b, end in pairs(audit(site)) if end is None and "run" not in b["detail"]]
        assert open_ones == [], open_ones


def test_who_spoke_for_whom_is_on_record(duo):
    """Said at lisbon, in the name of anna; the run is at madrid, which is told a name alone."""
    protected(duo)
    run = run_of(duo.b.cli("switchover", "shop", "--yes", "--by", "anna"))
    ((begun, end),) = pairs(audit(duo.b, "&action=switchover"))
    assert begun["uid"] == os.getuid() and begun["who"] == "anna", begun
    assert begun["detail"]["passed_on_to"] == "madrid" and end["detail"]["run"] == run
    (at_madrid,) = [e for e in audit(duo.a, "&action=switchover") if e["outcome"] == "begun"]
    assert at_madrid["detail"]["run"] == run and at_madrid["origin"] == "link lisbon"
    for site in (duo.a, duo.b):
        (ended,) = [e for e in audit(site, "&action=switchover")
                    if e["origin"] == "run" and e["detail"]["run"] == run]
        assert ended["outcome"] == "done", ended


def test_a_run_that_fails_is_recorded_as_failed(duo):
    failed_activation(duo)
    for site in (duo.a, duo.b):
        (end,) = [e for e in audit(site, "&action=activate") if e["origin"] == "run"]
        assert end["outcome"] == "failed", end


def test_a_timed_commit_is_recorded(duo):
    duo.apply(text=duo.plan_text().replace("approvals: 0}\nfailback",
                                           "approvals: 0, commit: {after: 1s}}\nfailback"))
    duo.activate()
    duo.b.wait_phase("PROTECTED")
    duo.a.lose()
    duo.b.wait_status("madrid is out of sight", lambda s: "PEER_DOWN" in s["reasons"])
    duo.b.cli("failover", "shop", "--yes", "--confirm-site-down", "madrid")
    duo.b.wait_status("it is committed", lambda s: s["committed"])
    ((begun, end),) = pairs(audit(duo.b, "&action=commit"))
    assert begun["origin"] == "failover.commit_after" and end["outcome"] == "done", (begun, end)


# ---- what is shown ------------------------------------------------------------------------------------

def lost(d):
    d.a.lose()
    d.b.wait_status("madrid is out of sight", lambda s: "PEER_DOWN" in s["reasons"])


TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"


def test_nothing_is_said_of_a_site_that_is_silent(duo):
    protected(duo)
    s = duo.b.status()
    assert s["direction"] == "madrid is active and data flows madrid -> lisbon"
    assert s["lag_seconds"] is not None and s["lag_unknown_since"] is None
    lost(duo)
    s = duo.b.wait_status("the stream has ended", lambda s: "data flows madrid" not in s["direction"])
    assert s["direction"] == ("madrid was active when it was last heard of, and no data flows to "
                              "lisbon"), json.dumps(s, indent=1)
    assert s["lag_seconds"] is None and s["lag_bytes"] is None and s["lag_unknown_since"]
    there = s["sites"]["madrid"]
    assert (there["service"], there["process"]) == ("not known", "not known"), there
    assert there["last_heard"] and not there["reachable"] and "unit" not in there
    p = duo.b.cli("plan", "status", "shop")
    assert re.search(r"^at madrid +NOT REACHABLE, active, service and process not known "
                     r"\(last heard " + TIME, p.stdout, re.M), p.said
    assert re.search(r"^lag +not known since " + TIME, p.stdout, re.M), p.said

    duo.b.cli("failover", "shop", "--yes", "--confirm-site-down", "madrid")
    s = duo.b.status()
    assert s["direction"] == "lisbon is active, and no data flows to madrid", s["direction"]
    assert s["lag_seconds"] is None and s["lag_bytes"] is None and s["lag_unknown_since"]
    assert s["volumes"][0]["dirty_bytes"] is None, s["volumes"]
    assert s["sites"]["lisbon"]["role"] == "active" and s["sites"]["madrid"]["role"] == "former"


def test_after_a_revert_one_site_is_active(duo):
    protected(duo)
    lost(duo)
    duo.b.cli("failover", "shop", "--yes", "--confirm-site-down", "madrid")
    duo.a.start()
    duo.b.wait_status("madrid is fenced", lambda s: s["sites"]["madrid"].get("fenced"))
    duo.b.cli("revert", "shop", "--yes", "--reason", "the copy is bad")
    s = duo.a.wait_status("madrid is active", lambda s: s["active"] == "madrid")
    assert [n for n, x in s["sites"].items() if x["role"] == "active"] == ["madrid"], s["sites"]


def test_a_status_command_that_says_nothing_is_no_silent_site(duo):
    protected(duo)
    with open(os.path.join(duo.root, "app.sh"), encoding="utf-8") as f:
        text = f.read()
    with open(os.path.join(duo.root, "app.sh"), "w", encoding="utf-8") as f:
        f.write(text.replace("exit 3 ;;", "[ $GODWIT_SITE = lisbon ] && exit 99; exit 3 ;;"))
    s = duo.a.wait_status("lisbon does not know", lambda s: "STANDBY_UNKNOWN" in s["reasons"])
    assert s["reasons"] == ["STANDBY_UNKNOWN"], s["reasons"]
    (said,) = [r for r in s["reason_details"] if r["reason"] == "STANDBY_UNKNOWN"]
    assert said["sentence"] == "it is not known whether a service runs at lisbon", said


def test_where_a_step_ran_is_not_rewritten(duo):
    """The precheck ran at madrid, which coordinated the run until the handover."""
    protected(duo)
    run = run_of(duo.a.cli("switchover", "shop", "--yes"))
    for site in (duo.a, duo.b):
        steps = {x["step"]: x["site"] for x in site.get("/runs/%s/steps" % run)["steps"]}
        assert steps["precheck"] == "madrid" and steps["report"] == "lisbon", steps


# ---- dry runs -------------------------------------------------------------------------------------

def test_a_dry_run_has_times_and_no_more_than_it_saw(duo):
    protected(duo)
    p = duo.a.cli("switchover", "shop", "--dry-run")
    assert re.search(r"^\S+ +checked +stop the services +madrid +about 15 s", p.stdout, re.M), p.said
    assert re.search(r"^\S+ +not_done +", p.stdout, re.M), p.said
    assert not re.search(r"^\S+ +done ", p.stdout, re.M), p.said
    steps = {x["step"]: x for x in duo.a.get("/runs/%s/steps" % run_of(p))["steps"]}
    assert (steps["stop"]["estimate_ms"], steps["stop"]["estimate_from"]) == (15000, "target")

    duo.a.cli("switchover", "shop", "--yes")
    duo.b.wait_phase(*STABLE)
    duo.b.cli("failback", "shop", "--yes")
    duo.a.wait_phase("PROTECTED")
    p = duo.a.cli("switchover", "shop", "--dry-run")
    steps = {x["step"]: x for x in duo.a.get("/runs/%s/steps" % run_of(p))["steps"]}
    assert steps["stop"]["estimate_from"] == "measured" and steps["stop"]["estimate_ms"] < 15000


def test_a_dry_run_that_could_not_look_is_not_green(duo):
    """The status command of madrid answers neither yes nor no from the probe of the first step on."""
    protected(duo)
    path = os.path.join(duo.root, "app.sh")
    with open(path, encoding="utf-8") as f:
        text = f.read()
    with open(path + ".new", "w", encoding="utf-8") as f:
        f.write(text.replace("status) ", "status) [ -n \"$GODWIT_RUN\" ] && exit 99; "))
    os.chmod(path + ".new", 0o755)
    os.rename(path + ".new", path)
    p = duo.a.cli("switchover", "shop", "--dry-run", code=FAILED)
    assert re.search(r"^\S+ +unknown +stop the services +madrid", p.stdout, re.M), p.said
    assert "not everything could be looked at" in p.stderr, p.said


# ---- runs, after the memory was lost --------------------------------------------------------------

def test_runs_are_known_again_after_a_rebuild(duo):
    assert duo.a.cli("run", "list").stdout == "No runs are known at this site.\n"
    protected(duo)
    duo.a.cli("switchover", "shop", "--yes")
    duo.b.wait_phase(*STABLE)
    duo.b.cli("failback", "shop", "--yes")
    duo.a.wait_phase("PROTECTED")
    before = duo.a.get("/runs")["runs"]
    logs = [duo.a.get("/runs/%s/log" % r["id"]) for r in before]
    duo.a.stop()
    for name in os.listdir(duo.a.dir):
        if name.startswith("catalog.db"):
            os.unlink(os.path.join(duo.a.dir, name))
    duo.a.start("--rebuild")
    wait_for("the plan is known again", lambda: duo.a.api("GET", "/plans/shop")[0] == 200)
    duo.a.wait_phase("PROTECTED")
    after = duo.a.get("/runs")["runs"]
    assert [(r["id"], r["operation"], r["state"]) for r in after] == [
        (r["id"], r["operation"], "DONE") for r in before]
    assert [duo.a.get("/runs/%s/log" % r["id"]) for r in after] == logs
    duo.a.cli("switchover", "shop", "--yes")


def test_what_comes_next_of_a_scheduled_failback(duo):
    """The status of a plan that waits for its time does not ask for what is ordered already."""
    swapped(duo)
    run = run_of(duo.b.cli("failback", "shop", "--yes", "--no-wait", "--at", "+2h"))
    for site in (duo.a, duo.b):
        site.wait_status("the failback is scheduled", lambda s: s["run"] is not None)
        p = site.cli("plan", "status", "shop")
        assert "godwit run cancel " + run in p.stdout and "now or --at" not in p.stdout, p.said
    duo.b.cli("run", "cancel", run)
