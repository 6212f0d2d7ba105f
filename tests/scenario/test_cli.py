# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""godwit, the command: what it asks, what it prints, how it ends. godwitd is a fake here."""
import contextlib
import glob
import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import time

import pytest

import godwit
from fake_godwitd import FakeGodwitd
from godwit import CANCELLED, FAILED, OK, REFUSED, UNKNOWN, USAGE, WAITING

CLI = os.path.join(godwit.BUILD, "src/cli/godwit")
API = "/api/v1"
RUN = "01J9ZZZZZZZZZZZZZZZZZZZZZZ"


class Result:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    @property
    def json(self):
        return json.loads(self.out)

    def __repr__(self):
        return f"exit code {self.code}\n--- out\n{self.out}\n--- err\n{self.err}"


def run(*args, socket=None, stdin=subprocess.DEVNULL, env=None):
    command = [CLI, *args] + (["--socket", socket] if socket else [])
    p = subprocess.run(command, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                       text=True, timeout=60, check=False,
                       env={**os.environ, "TZ": "UTC", **godwit.sanitizer_env(False), **(env or {})})
    r = Result(p.returncode, p.stdout, p.stderr)
    assert "Sanitizer" not in r.err and "runtime error" not in r.err, r
    return r


@pytest.fixture
def daemon(world):
    with FakeGodwitd(world.path("api.sock")) as d:
        d.run = lambda *args, **kw: run(*args, socket=d.path, **kw)
        yield d


@contextlib.contextmanager
def started(*args):
    """The program in the background; gone in the end."""
    p = subprocess.Popen([CLI, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                         env={**os.environ, **godwit.sanitizer_env(False)})
    try:
        yield p
    finally:
        p.kill()
        p.communicate()


COMMANDS = [" ".join(w) for w in re.findall(r"^  ([a-z]+(?: [a-z]+)?)(?=(?: \[?[A-Z]| {2,}|$))",
                                            run("--help").out, re.M) for w in [w.split()]]


# ---- the table -------------------------------------------------------------------------------

def test_the_table_has_all_commands():
    groups = {
        "site": "list show pair test replace backup restore",
        "plan": "apply check list show status explain activate deactivate delete",
        "volume": "list grow add remove",
        "run": "list show watch log approve cancel resume retry skip revert abort override",
        "points": "list create", "divergence": "list show sign", "audit": "show verify"}
    wanted = {f"{g} {w}" for g, words in groups.items() for w in words.split()}
    wanted |= set("forecast failover switchover reverse failback commit revert adopt hold release "
                  "verify events demo man completion".split())
    assert set(COMMANDS) == wanted


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command):
    r = run(*command.split(), "--help")
    assert r.code == OK and r.out.startswith(f"usage: godwit {command}"), r
    assert "--json" in r.out or command in ("man", "completion")
    assert all(len(line) < 80 for line in r.out.splitlines()), r


LATER = ("test",)  # rows of the lifecycle's tables that nothing reaches before there are tests


def test_commands_in_the_sentences_of_the_core_exist():
    """What an operator is told to type at night is there."""
    seen = 0
    for path in sorted(glob.glob(os.path.join(godwit.REPO, "src/core/*.c"))):
        with open(path, encoding="utf-8") as f:
            text = re.sub(r'"\s*\n\s*"', "", f.read())
        for literal in re.findall(r'"((?:[^"\\\n]|\\.)*)"', text):
            for words in re.findall(r"\bgodwit ([a-z]+(?: [a-z]+)?)", literal):
                group = words.split()[0]
                if group in LATER:
                    continue
                assert any(words == c or group == c or words == c.split()[0] for c in COMMANDS), \
                    (path, literal)
                seen += 1
    assert seen > 20


@pytest.mark.parametrize("args, says", [
    ([], "name a command"),
    (["failovr", "shop"], "did you mean 'failover'?"),
    (["plan"], "plan what?"),
    (["plan", "aply"], "did you mean 'apply'?"),
    (["plan", "apply"], "needs --file FILE"),
    (["plan", "status"], "needs PLAN"),
    (["failover", "shop", "--overide", "x"], "did you mean '--override'?"),
    (["failover", "shop", "--override", "link-up", "--yes"], "--override needs --reason TEXT"),
    (["failover", "shop"], "no terminal to ask at; say --yes"),
    (["failback", "shop", "--at", "noon"], "is not a time"),
    (["failback", "shop", "--at", "+5x"], "is not a time"),
    (["failback", "shop", "--abort-by", "5"], "no terminal"),
    (["failback", "shop", "--abort-by", "soon"], "is not a duration"),
    (["volume", "grow", "shop", "data", "20GB"], 'did you mean "20GiB"?'),
    (["volume", "add", "shop", "data", "1GiB"], "needs --at SITE=PATH"),
    (["volume", "add", "shop", "data", "1GiB", "--at", "home=x"], "absolute path"),
    (["volume", "add", "shop", "d", "1GiB", "--at", "a=/x", "--at", "a=/y"], "given twice"),
    (["divergence", "sign", "shop"], "needs --by NAME"),
    (["divergence", "sign", "shop", "--by", "a\nb"], "no control characters"),
    (["site", "pair", "CODE"], "needs the link address"),
    (["site", "restore"], "needs one of FILE, --from-peer"),
    (["run", "abort", "x"], "no terminal"),
    (["completion", "zsh"], "bash only"),
])
def test_wrong_command_lines(daemon, args, says):
    r = daemon.run(*args) if args and args[0] not in ("completion",) else run(*args)
    assert r.code == USAGE and says in r.err, r
    assert [q for q in daemon.requests if q.method != "GET"] == []


def test_man_page_has_everything_and_is_sound():
    page = run("man").out
    for command in COMMANDS:
        assert f'.SS "{command}'.replace("-", "\\-") in page
    with open(os.path.join(godwit.BUILD, "src/cli/godwit.1"), encoding="utf-8") as f:
        assert f.read() == page
    if shutil.which("groff"):
        r = subprocess.run(["groff", "-ww", "-man", "-z"], input=page, text=True, check=True,
                           stderr=subprocess.PIPE)
        assert r.stderr == ""


@pytest.mark.parametrize("line, expected", [
    ("godwit fail", {"failover", "failback"}),
    ("godwit plan de", {"deactivate", "delete"}),
    ("godwit failover ", {"shop", "erp"}),
    ("godwit run show ", {RUN}),
    ("godwit failover --dry", {"--dry-run"}),
])
def test_completion(daemon, world, line, expected):
    daemon.answer("GET", API + "/plans", {"plans": [{"plan": "shop"}, {"plan": "erp"}]})
    daemon.answer("GET", API + "/runs", {"runs": [{"id": RUN}]})
    words = line.split(" ")
    bin_dir = world.path("bin")
    os.mkdir(bin_dir)
    os.symlink(CLI, os.path.join(bin_dir, "godwit"))
    script = run("completion", "bash").out + (
        f"COMP_WORDS=({' '.join(repr(w) for w in words)}); COMP_CWORD={len(words) - 1}\n"
        '_godwit; printf "%s\\n" "${COMPREPLY[@]}"\n')
    r = subprocess.run(["bash", "-c", script], text=True, check=True, stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, env={
                           **os.environ, "GODWIT_SOCKET": daemon.path,
                           **godwit.sanitizer_env(False), "PATH": bin_dir + ":" + os.environ["PATH"]})
    assert set(r.stdout.split()) == expected and r.stderr == ""


# ---- godwitd does not answer -----------------------------------------------------------------

def test_nobody_there(world):
    r = run("plan", "list", socket=world.path("none.sock"))
    assert r.code == FAILED and "is godwitd running" in r.err, r
    r = run("hold", "shop", "--json", socket=world.path("none.sock"))
    assert r.code == FAILED and r.json["ok"] is False and "nothing was done" in r.json["error"][
        "message"], r


def test_the_socket_of_the_environment(daemon):
    daemon.answer("GET", API + "/plans", {"plans": []})
    r = run("plan", "list", env={"GODWIT_SOCKET": daemon.path})
    assert r.code == OK and "There is no plan" in r.out, r


def test_an_answer_that_does_not_come_is_asked_for_again_with_the_same_key(daemon):
    path = API + "/plans/shop/actions/hold"
    daemon.answer("POST", path, None)
    daemon.answer("POST", path, {"plan": "shop"})
    r = daemon.run("hold", "shop", "--reason", "maintenance")
    assert r.code == OK and "Held" in r.out, r
    first, second = daemon.requests
    assert first.headers["Idempotency-Key"] == second.headers["Idempotency-Key"]
    assert first.json == second.json and first.json["reason"] == "maintenance"
    r = daemon.run("hold", "shop")
    assert daemon.requests[-1].headers["Idempotency-Key"] != first.headers["Idempotency-Key"]
    daemon.run("hold", "shop", "--key", "mine")
    assert daemon.requests[-1].headers["Idempotency-Key"] == "mine"


def test_no_answer_at_all_is_an_unknown_outcome(daemon):
    daemon.answer("POST", API + "/plans/shop/actions/hold", None)
    r = daemon.run("hold", "shop")
    assert r.code == UNKNOWN and len(daemon.requests) == 3, r
    assert len({q.headers["Idempotency-Key"] for q in daemon.requests}) == 1
    daemon.answer("GET", API + "/plans", None)
    r = daemon.run("plan", "list")
    assert r.code == FAILED, r  # a question leaves nothing open


# ---- refusals --------------------------------------------------------------------------------

REFUSAL = {"type": "urn:godwit:problem:refused", "title": "Refused", "status": 409,
           "detail": "lisbon cannot be reached", "guard": "peer-reachable", "forceable": True,
           "way_out": "godwit site test lisbon"}


def test_a_guard_refuses(daemon):
    daemon.answer("POST", API + "/plans/shop/actions/switchover", REFUSAL, status=409)
    r = daemon.run("switchover", "shop", "--yes")
    assert r.code == REFUSED and r.out == "", r
    assert r.err.splitlines() == [
        "godwit: lisbon cannot be reached", "  guard    peer-reachable",
        "  way out  godwit site test lisbon",
        "  or       --override peer-reachable --reason TEXT, if you take that on yourself"]
    r = daemon.run("switchover", "shop", "--yes", "--json")
    assert r.code == REFUSED and r.json["ok"] is False, r
    assert r.json["error"]["guard"] == "peer-reachable"
    assert r.json["error"]["message"] == "lisbon cannot be reached"


def test_what_is_not_there(daemon):
    r = daemon.run("plan", "status", "shp")
    assert r.code == FAILED and "there is no" in r.err, r


@pytest.mark.parametrize("body, kind", [
    (b"<html>oops</html>", "text/html"), (b"", "application/json"), (b"[]", "application/json"),
    (b'{"plans": 7}', "application/json"), (b'{"plans": [7, null, {"plan": 5}]}', "application/json"),
    (b'{"plans"', "application/json"), (b"\xff\xfe", "application/json"),
])
def test_odd_answers_break_nothing(daemon, body, kind):
    daemon.answer("GET", API + "/plans", body, kind=kind)
    for args in (["plan", "list"], ["plan", "list", "--names"], ["plan", "list", "--json"]):
        r = daemon.run(*args)
        assert r.code in (OK, FAILED), r


def test_what_a_terminal_would_obey_is_not_printed(daemon):
    daemon.answer("GET", API + "/plans", {"plans": [{"plan": "a\x1b[2Jb", "status": "x\u009by"}]})
    r = daemon.run("plan", "list")
    assert "\x1b" not in r.out and "\x9b" not in r.out and "a?[2Jb" in r.out, r
    daemon.answer("POST", API + "/plans/shop/actions/hold",
                  {**REFUSAL, "detail": "\x1b]0;evil\x07", "way_out": "\x1bc"}, status=409)
    r = daemon.run("hold", "shop")
    assert "\x1b" not in r.err and "\x07" not in r.err, r


# ---- plans -----------------------------------------------------------------------------------

def test_apply_sends_the_bytes_and_says_what_changed(daemon, world):
    path, text = world.path("shop.yaml"), "# ours\nplan: shop # the web shop\nhome: a\n"
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    daemon.answer("PUT", API + "/plans/shop", {
        "plan": "shop", "version": 2, "hash": "abc", "changes": [{"path": "volumes", "sentence": "volume log added"}]})
    r = daemon.run("plan", "apply", "-f", path, "--if-match", "old")
    assert r.code == OK and r.out == "Plan shop, version 2:\n  volume log added\n", r
    q = daemon.requests[0]
    assert q.body == text.encode() and q.headers["Content-Type"] == "application/yaml"
    assert q.headers["If-Match"] == '"old"'
    with open(path, "w", encoding="utf-8") as f:
        f.write('{"home": "a", "plan": "shop"}')
    r = daemon.run("plan", "apply", "-f", path, "--json")
    assert r.json["version"] == 2 and daemon.requests[1].headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("text, plan", [
    ("plan: shop\n", "shop"), ("plan: 'shop'\n", "shop"), ('plan: "my shop"\r\n', "my%20shop"),
    ("home: x\n---\nplan:   shop\t# y", "shop"), ("plans: x\n", None), ("", None), (" plan: x", None),
])
def test_which_plan_a_file_is(daemon, world, text, plan):
    path = world.path("file")
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    r = daemon.run("plan", "apply", "-f", path)
    if plan is None:
        assert r.code == FAILED and 'no line "plan: NAME"' in r.err and daemon.requests == [], r
        return
    assert daemon.requests[0].path == API + "/plans/" + plan, r


def test_all_errors_of_a_plan_are_printed_with_their_lines(daemon, world):
    path = world.path("shop.yaml")
    with open(path, "w", encoding="utf-8") as f:
        f.write("plan: shop\n")
    errors = [{"line": 14, "path": "volumes[0].size",
               "message": '"20GB" is not a size; did you mean "20GiB"?'},
              {"path": "", "line": 0, "message": "no home"}]
    daemon.answer("PUT", API + "/plans/shop", {
        "type": "urn:godwit:problem:invalid-plan", "status": 422, "detail": "2 errors in the plan",
        "errors": errors}, status=422)
    r = daemon.run("plan", "apply", "-f", path)
    lines = [f'{path}:14: volumes[0].size: "20GB" is not a size; did you mean "20GiB"?',
             f"{path}: no home"]
    assert r.code == FAILED and r.err.splitlines() == ["godwit: 2 errors in the plan", *lines], r
    daemon.answer("POST", API + "/plan-check", {"errors": errors, "findings": [
        {"check": "path", "site": "a", "ok": False, "value": "missing", "fix": "make it"}]})
    r = daemon.run("plan", "check", "-f", path)
    assert r.code == FAILED and r.out.splitlines()[:2] == lines and "make it" in r.out, r
    assert "2 errors" in r.err and "1 findings" in r.err


def test_a_file_that_is_no_plan_file(daemon, world):
    r = daemon.run("plan", "apply", "-f", world.path("none"))
    assert r.code == FAILED and "No such file" in r.err, r
    with open(world.path("big"), "wb") as f:
        f.truncate((1 << 20) + 1)
    r = daemon.run("plan", "apply", "-f", world.path("big"))
    assert r.code == FAILED and "larger than" in r.err, r
    r = daemon.run("plan", "apply", "-f", world.root)
    assert r.code == FAILED and "cannot read" in r.err, r
    assert daemon.requests == []


STATUS = {
    "plan": "shop", "status": "DEGRADED", "phase": "REVERSE_SYNC", "reasons": ["RESYNCING"],
    "sentence": "madrid is being brought up to date.", "next": "wait, then: godwit failback shop",
    "active": "lisbon", "holder": "lisbon", "epoch": 2, "direction": "lisbon -> madrid",
    "replication": "RESYNC", "lag_seconds": 2.5, "lag_bytes": 5 << 20, "rpo_seconds": 30,
    "rpo_within_percent": 99.25, "last_point": {"id": "p1", "time": "2026-11-22T01:00:00Z"},
    "sync": {"done_bytes": 1 << 30, "total_bytes": 4 << 30, "rate": 100 << 20, "eta_seconds": 31},
    "volumes": [{"name": "pgdata", "bytes": 20 << 30, "dirty_bytes": 3 << 30}],
    "sites": {"madrid": {"reachable": False, "role": "standby", "service": "not known",
                         "process": "not known", "last_heard": "2026-11-22T01:00:05Z"},
              "lisbon": {"reachable": True, "role": "active", "service": "RUNNING",
                         "unit": {"state": "up"}}},
    "run": {"id": RUN, "operation": "reverse", "state": "RUNNING", "step": "sync"},
    "last_run": {"id": "x", "operation": "failover", "state": "DONE"},
    "divergence": {"site": "madrid", "bytes": 4096, "signed": False}}


def test_status_has_all_that_an_operator_needs(daemon):
    daemon.answer("GET", API + "/plans/shop/status", STATUS)
    r = daemon.run("plan", "status", "shop")
    assert r.code == OK, r
    for row in (r"plan +shop", r"status +DEGRADED", r"phase +REVERSE_SYNC \(RESYNCING\)",
                r" +madrid is being brought up to date\.", r"active site +lisbon", r"epoch +2",
                r"direction +lisbon -> madrid", r"replication +RESYNC", r"lag +2\.5 s, 5\.0 MiB",
                r"RPO +30 s, 99\.25 % of the time within it", r"last point +p1 of 2026-11-22T01:00:00Z",
                r"sync +25 %, 1\.0 GiB of 4\.0 GiB, 100\.0 MiB/s, 31 s left",
                r"at madrid +NOT REACHABLE, standby, service and process not known "
                r"\(last heard 2026-11-22T01:00:05Z\)",
                r"divergence +4\.0 KiB of madrid, NOT signed",
                rf"run +reverse {RUN}, RUNNING, at sync", r"last run +failover x, DONE",
                r"next +wait, then: godwit failback shop", r"pgdata +20\.0 GiB +3\.0 GiB"):
        assert re.search(rf"^(?:{row})$", r.out, re.M), (row, r)
    assert daemon.run("plan", "status", "shop", "--json").json == {"ok": True, **STATUS}


def test_a_status_that_knows_nothing(daemon):
    """What is not known is never printed as zero."""
    daemon.answer("GET", API + "/plans/shop/status", {"plan": "shop", "lag_seconds": None})
    r = daemon.run("plan", "status", "shop")
    assert r.code == OK and re.search(r"^lag +not known, not known$", r.out, re.M), r
    assert "active site    none" in r.out and "no data flows" in r.out, r


def test_a_status_of_a_silent_site(daemon):
    daemon.answer("GET", API + "/plans/shop/status", {
        "plan": "shop", "lag_seconds": None, "lag_unknown_since": "2026-11-22T01:00:05Z",
        "sites": {"lisbon": {"reachable": False}}})
    r = daemon.run("plan", "status", "shop")
    assert re.search(r"^lag +not known since 2026-11-22T01:00:05Z$", r.out, re.M), r
    assert re.search(r"^at lisbon +NOT REACHABLE, service and process not known \(never heard of\)$",
                     r.out, re.M), r


def test_watch_prints_lines_where_there_is_no_terminal(daemon):
    daemon.answer("GET", API + "/plans/shop/status", STATUS)
    daemon.answer("GET", API + "/plans/shop/status", {**STATUS, "run": None, "sync": None})
    args = ["plan", "status", "shop", "--watch", "--every", "10ms", "--count", "2"]
    r = daemon.run(*args)
    first, second = r.out.splitlines()
    assert "shop DEGRADED REVERSE_SYNC RESYNCING  lisbon -> madrid  lag" in first, r
    assert first.endswith("sync 25 %, reverse at sync") and second.endswith("5.0 MiB"), r
    r = daemon.run(*args, "--json")
    assert [json.loads(x)["plan"] for x in r.out.splitlines()] == ["shop", "shop"]


def test_watch_goes_on_while_godwitd_is_away(world):
    r = run("plan", "status", "shop", "--watch", "--every", "10ms", "--count", "2",
            socket=world.path("none.sock"))
    assert r.code == OK and r.out.count("is godwitd running") == 2, r


# ---- actions and their runs ------------------------------------------------------------------

def a_run(state, *steps, **more):
    return {"id": RUN, "plan": "shop", "operation": "failback", "state": state,
            "old_site": "lisbon", "new_site": "madrid", "created": "2026-11-22T02:00:00Z",
            "steps": [{"step": s, "title": s, "site": "madrid", "state": st, "attempt": 1,
                       "started": "2026-11-22T02:00:00Z", "ended": "2026-11-22T02:00:01.500Z"
                       if st != "RUNNING" else None} for s, st in steps], **more}


def begin(daemon, action="failback", state="RUNNING"):
    daemon.answer("POST", f"{API}/plans/shop/actions/{action}", {"run": a_run(state)}, status=202)


def test_a_run_is_followed_to_its_end(daemon):
    begin(daemon)
    path = f"{API}/runs/{RUN}"
    daemon.answer("GET", path, a_run("RUNNING", ("precheck", "RUNNING"), ("promote", "PENDING")))
    daemon.answer("GET", path, a_run("RUNNING", ("precheck", "DONE"), ("promote", "RUNNING")))
    daemon.answer("GET", path, a_run("DONE", ("precheck", "DONE"), ("promote", "DONE"),
                                     result={"outage_seconds": 1.5}))
    r = daemon.run("failback", "shop", "--yes")
    assert r.code == OK, r
    lines = [re.sub(r" +", " ", x).strip() for x in r.out.splitlines()]
    assert lines == [
        f"Run {RUN}: failback of shop, lisbon -> madrid", "02:00:00 running precheck madrid",
        "02:00:01 done precheck madrid 1.5 s", "02:00:00 running promote madrid",
        "02:00:01 done promote madrid 1.5 s", "Done.", "outage 1.5 s"], r


@pytest.mark.parametrize("state, code, says", [
    ("DONE", OK, ""), ("FAILED", FAILED, "failed: it burnt"), ("HALTED", FAILED, "is halted"),
    ("ABORTED", FAILED, "was aborted"), ("CANCELLED", CANCELLED, "service is where it was"),
    ("REVERTED", CANCELLED, "service is where it was"), ("IN_DOUBT", UNKNOWN, "in doubt"),
    ("WAITING_APPROVAL", WAITING, f"godwit run approve {RUN}"), ("SCHEDULED", OK, ""),
])
def test_exit_codes_of_runs(daemon, state, code, says):
    begin(daemon)
    daemon.answer("GET", f"{API}/runs/{RUN}", a_run(
        state, reason="it burnt", choices=["resume", {"choice": "skip", "text": "go on without"}]))
    r = daemon.run("failback", "shop", "--yes")
    assert r.code == code and says in r.err, r
    if state == "HALTED":
        assert f"godwit run resume {RUN}" in r.out and "go on without" in r.out, r
    r = daemon.run("failback", "shop", "--yes", "--json")
    assert r.code == code and r.json["run"]["state"] == state and r.json["ok"] is (code == OK), r


def test_no_wait(daemon):
    begin(daemon)
    r = daemon.run("failback", "shop", "--yes", "--no-wait")
    assert r.code == OK and RUN in r.out and len(daemon.requests) == 1, r


def test_no_wait_still_says_that_it_waits_for_approval(daemon):
    begin(daemon, state="WAITING_APPROVAL")
    r = daemon.run("failback", "shop", "--yes", "--no-wait", "--json")
    assert r.code == WAITING and r.json["run"]["id"] == RUN, r


def test_options_of_a_move(daemon):
    begin(daemon, "failover", "SCHEDULED")
    begin(daemon, "failback", "SCHEDULED")
    daemon.run("failover", "shop", "--yes", "--no-wait", "--point", "latest", "--confirm-site-down",
               "madrid", "--override", "link-up", "--override", "clocks", "--reason", "fire",
               "--by", "Eva")
    assert daemon.requests[0].json == {
        "by": "Eva", "point": "latest", "confirm_site_down": "madrid", "reason": "fire",
        "override": ["link-up", "clocks"]}
    daemon.run("failback", "shop", "--yes", "--no-wait", "--at", "2026-11-22 02:00", "--abort-by",
               "2h", "--by", "Eva")
    assert daemon.requests[1].json == {"by": "Eva", "at": "2026-11-22T02:00:00Z",
                                       "abort_by_ms": 7200000}
    daemon.run("failback", "shop", "--dry-run", "--no-wait", "--by", "Eva")  # nobody is asked
    assert daemon.requests[2].json == {"by": "Eva", "dry_run": True}
    for text in ("02:00", "+90m", "2026-11-22T02:00:00Z"):
        r = daemon.run("failback", "shop", "--yes", "--no-wait", "--at", text)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", daemon.requests[-1].json["at"]), r


def test_names_with_odd_letters_are_encoded(daemon):
    daemon.run("plan", "status", "a/../b?c")
    assert daemon.requests[0].path == API + "/plans/a%2F..%2Fb%3Fc/status"


def test_cancel_is_done_when_the_run_was_taken_back(daemon):
    daemon.answer("POST", f"{API}/runs/{RUN}/cancel", {"run": a_run("CANCELLING")}, status=202)
    daemon.answer("GET", f"{API}/runs/{RUN}", a_run("CANCELLING"))
    daemon.answer("GET", f"{API}/runs/{RUN}", a_run("CANCELLED"))
    assert daemon.run("run", "cancel", RUN, "--reason", "no").code == OK
    daemon.answer("GET", f"{API}/runs/{RUN}", a_run("DONE"))
    r = daemon.run("run", "cancel", RUN)
    assert r.code == OK  # the answer before is given once more
    r = daemon.run("run", "cancel", RUN)
    assert r.code == FAILED and "was done before that" in r.err, r


class Terminal:
    """The program with a terminal as standard input and output."""

    def __init__(self, *args):
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen([CLI, *args], stdin=slave, stdout=slave, stderr=slave,
                                        start_new_session=True,
                                        env={**os.environ, **godwit.sanitizer_env(False)})
        os.close(slave)
        self.said = b""

    def wait_for(self, text, timeout=30):
        deadline = time.monotonic() + timeout
        while text not in self.said:
            left = deadline - time.monotonic()
            assert left > 0, (text, self.said)
            if select.select([self.master], [], [], left)[0]:
                try:
                    data = os.read(self.master, 65536)
                except OSError:
                    data = b""
                assert data, (text, self.said)
                self.said += data

    def type(self, text):
        os.write(self.master, text.encode())

    def end(self):
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        while select.select([self.master], [], [], 0)[0]:
            try:
                data = os.read(self.master, 65536)
            except OSError:
                break
            if not data:
                break
            self.said += data
        os.close(self.master)
        return self.process.returncode


def test_the_plans_name_is_typed(daemon):
    begin(daemon)
    daemon.answer("GET", f"{API}/runs/{RUN}", a_run("DONE", ("promote", "DONE")))
    t = Terminal("failback", "shop", "--socket", daemon.path)
    t.wait_for(b"Type the plan's name (shop) to go on: ")
    t.type("shp\n")
    assert t.end() == CANCELLED and daemon.requests == [], t.said
    t = Terminal("failback", "shop", "--socket", daemon.path)
    t.wait_for(b"to go on: ")
    t.type("shop\n")
    assert t.end() == OK and b"Done." in t.said, t.said


def test_progress_on_a_terminal_and_ctrl_c_leaves_the_run_alone(daemon):
    begin(daemon)
    daemon.answer("GET", f"{API}/runs/{RUN}", a_run(
        "RUNNING", ("final sync", "RUNNING"), progress={
            "done_bytes": 1 << 30, "total_bytes": 4 << 30, "rate": 1 << 20, "eta_seconds": 3072}))
    t = Terminal("failback", "shop", "--yes", "--socket", daemon.path)
    t.wait_for(b" 25 %  1.0 GiB of 4.0 GiB  1.0 MiB/s  51 min 12 s left")
    t.process.send_signal(signal.SIGINT)
    assert t.end() == UNKNOWN and f"godwit run watch {RUN}".encode() in t.said, t.said
    assert [q.method for q in daemon.requests if q.method != "GET"] == ["POST"]


def test_the_status_is_drawn_in_place(daemon):
    daemon.answer("GET", API + "/plans/shop/status", STATUS)
    t = Terminal("plan", "status", "shop", "--watch", "--every", "10ms", "--count", "2", "--socket",
                 daemon.path)
    assert t.end() == OK and t.said.count(b"\x1b[H\x1b[J") == 2, t.said


def test_a_run_is_followed_over_a_restart_of_godwitd(daemon):
    path = f"{API}/runs/{RUN}"
    daemon.answer("GET", path, a_run("RUNNING", ("sync", "RUNNING")))
    daemon.answer("GET", path, a_run("RUNNING", ("sync", "RUNNING")))
    daemon.answer("GET", path, None)  # the kept connection ends with the process ...
    daemon.answer("GET", path, None)  # ... and so does a new one
    daemon.answer("GET", path, a_run("DONE", ("sync", "DONE")))
    r = daemon.run("run", "watch", RUN)
    assert r.code == OK and "Done." in r.out and len(daemon.requests) == 5, r


# ---- sites, records --------------------------------------------------------------------------

def test_pairing(daemon):
    daemon.answer("POST", API + "/sites/pair-code", {"code": "GW1-ABCD", "expires": "soon",
                                                     "link": "10.0.0.1:7001"}, status=201)
    daemon.answer("POST", API + "/sites", {"site": "lisbon"}, status=201)
    r = daemon.run("site", "pair")
    assert r.code == OK and "godwit site pair GW1-ABCD 10.0.0.1:7001" in r.out, r
    r = daemon.run("site", "pair", "GW1-ABCD", "10.0.0.1:7001", "--link", "10.0.0.2:7001")
    assert r.code == OK and "Paired with lisbon" in r.out, r
    assert daemon.requests[1].json == {"code": "GW1-ABCD", "link": "10.0.0.1:7001",
                                       "our_link": "10.0.0.2:7001"}


def test_site_test_names_the_layer(daemon):
    layers = [{"layer": "route", "ok": True, "detail": "1 ms"},
              {"layer": "port", "ok": False, "detail": "closed", "fix": "open TCP 7000"},
              {"layer": "tls", "ok": False, "skipped": True, "detail": ""}]
    daemon.answer("POST", API + "/sites/lisbon/test", {"layers": layers, "rtt_ms": 1.25})
    r = daemon.run("site", "test", "lisbon")
    assert r.code == FAILED and "FAILED  port" in r.out and "open TCP 7000" in r.out, r
    assert "1 of 3 layers" in r.err and "CONNECTED" not in r.out, r
    daemon.answer("POST", API + "/sites/lisbon/test", {
        "layers": layers[:1], "rtt_ms": 1.25, "clock_offset_ms": -3, "throughput_bytes": 1 << 30})
    daemon.run("site", "test", "lisbon")
    r = daemon.run("site", "test", "lisbon")
    assert r.code == OK and "CONNECTED: lisbon" in r.out and "1.0 GiB/s" in r.out, r


def test_relative_backup_files_are_those_of_who_types(daemon):
    daemon.answer("POST", API + "/site/backup", {"file": "x", "bytes": 5})
    assert daemon.run("site", "backup", "b.tar").code == OK
    assert daemon.requests[0].json == {"file": os.path.join(os.getcwd(), "b.tar")}


# ---- verify ----------------------------------------------------------------------------------

def a_verify(begun, checked, **more):
    return {"verify": {"running": checked < 8 << 20, "done": checked == 8 << 20,
                       "begun_wall_ns": begun, "seconds": 2.5, "checked_bytes": checked,
                       "total_bytes": 8 << 20, "differing_blocks": 0, "rate": 1 << 20,
                       "eta_seconds": 6.0, **more}}


def verify(daemon, *states, args=()):
    daemon.forget()
    daemon.answer("POST", API + "/plans/shop/actions/verify", {
        "done": True, "action": "verify", "plan": "shop", **a_verify(2000, 0)})
    for s in states:
        daemon.answer("GET", API + "/plans/shop/status", {**STATUS, **s})
    return daemon.run("verify", "shop", *args)


def test_verify_is_followed_to_its_end(daemon):
    """What the status has of the one before it is no news."""
    states = a_verify(1000, 8 << 20), a_verify(2000, 2 << 20), a_verify(2000, 8 << 20)
    r = verify(daemon, *states)
    assert r.code == OK, r
    assert r.out == "Compared: 8.0 MiB, 2048 blocks, in 2.5 s; 0 differ.\n", r
    r = verify(daemon, *states, args=["--json"])
    assert r.code == OK and r.json["plan"] == "shop" and not r.err, r
    assert (r.json["verify"]["total_bytes"], r.json["verify"]["seconds"]) == (8 << 20, 2.5), r


def test_verify_that_finds_something_or_does_not_end_well(daemon):
    r = verify(daemon, a_verify(2000, 8 << 20, differing_blocks=3))
    assert r.code == FAILED and "3 of 2048 blocks differed" in r.err and "3 differ" in r.out, r
    r = verify(daemon, a_verify(2000, 4 << 20), a_verify(2000, 4 << 20, running=False))
    assert r.code == FAILED and "without having compared everything" in r.err, r
    r = verify(daemon, a_verify(2000, 4 << 20), {"verify": None})
    assert r.code == FAILED and "started anew" in r.err, r
    r = verify(daemon, a_verify(3000, 4 << 20))
    assert r.code == UNKNOWN and "another one was begun since" in r.err, r


def test_verify_that_is_not_waited_for(daemon):
    r = verify(daemon, args=["--no-wait"])
    assert r.code == OK and r.out.startswith("Begun: ") and len(daemon.requests) == 1, r


def test_audit_verify(daemon):
    daemon.answer("GET", API + "/audit/verify", {"intact": True, "count": 7, "head": "abc"})
    assert daemon.run("audit", "verify").out == "7 entries, unbroken; the last one is abc.\n"
    daemon.answer("GET", API + "/audit/verify", {"intact": False, "count": 7, "bad_seq": 3,
                                                 "what": "edited"})
    daemon.run("audit", "verify")
    r = daemon.run("audit", "verify")
    assert r.code == FAILED and "entry 3 of 7: edited" in r.err, r


def test_events(daemon):
    event = {"id": 5, "time": "2026-11-22T02:00:00Z", "plan": "shop", "kind": "run-begun",
             "severity": "warning", "text": "failback"}
    daemon.answer("GET", API + "/events", {"events": [event]})
    r = daemon.run("events", "--plan", "shop", "--limit", "3")
    assert r.out == "2026-11-22T02:00:00Z  shop run-begun warning  failback\n", r
    assert daemon.requests[0].query == "follow=no&plan=shop&limit=3"


def test_events_are_followed_from_the_last_one_seen(daemon):
    data = json.dumps({"id": 5, "time": "t", "plan": "shop", "kind": "k", "text": "one"})
    daemon.stream(API + "/events", f"id: 5\nevent: k\ndata: {data}\n\n", ": alive\n\n",
                  "id: 6\nevent: k\ndata: not json\n\n")
    with started("events", "--follow", "--socket", daemon.path) as p:
        godwit.wait_for("a second connection", lambda: len(daemon.requests) >= 2)
        p.send_signal(signal.SIGTERM)
        out, _ = p.communicate(timeout=30)
    first, second = out.splitlines()[:2]
    assert first.split() == ["t", "shop", "k", "one"] and "not JSON" in second
    assert daemon.requests[1].headers["Last-Event-ID"] == "6"


def test_run_log(daemon):
    daemon.answer("GET", f"{API}/runs/{RUN}/log", {"log": [
        {"seq": 1, "time": "t", "kind": "INTENT", "step": "precheck", "site": "a", "detail": {"x": 1}}]})
    r = daemon.run("run", "log", RUN)
    assert re.fullmatch(r" +1 +t +INTENT +precheck +a +\{\"x\":1\}\n", r.out), r
    daemon.answer("GET", f"{API}/runs/{RUN}", a_run("DONE"))
    assert daemon.run("run", "log", RUN, "--follow").out == r.out
