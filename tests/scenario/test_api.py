# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""The API of godwitd: its document against its answers, bad requests with their sentences, keys and
entity tags, who may do what, the stream of events. What the commands make of it: test_godwit.py.
"""
import json
import os
import re
import socket
import subprocess
import sys
import time

import pytest

from duo import Duo, UnixConnection
from godwit import wait_for

NOBODY = 65534
ROOT = os.geteuid() == 0


@pytest.fixture(scope="module")
def two():
    with Duo(options=("api_group: nogroup\n", "")) as d:
        os.chmod(d.root, 0o755)  # the second person reaches the socket through it
        d.apply()
        d.activate()
        d.a.cli("points", "create", "shop", "--tag", "one")
        yield d


@pytest.fixture(autouse=True)
def logs_of_failures(request, two):
    failed = request.session.testsfailed
    yield
    if request.session.testsfailed > failed:
        print(two.logs())


@pytest.fixture(scope="module")
def document(two):
    return two.a.get("/openapi.json")


def sentence(answer, status=None, name=None):
    """The detail of a problem document, whose members must be as promised."""
    code, headers, body = answer
    assert headers["Content-Type"] == "application/problem+json", (code, body)
    assert body["status"] == code and body["type"].startswith("urn:godwit:problem:"), body
    assert status is None or code == status, body
    assert name is None or body["type"] == "urn:godwit:problem:" + name, body
    assert body["title"] and body["detail"], body
    return body["detail"]


# ---- the document -----------------------------------------------------------------------------

def check(schema, value, document, path="answer"):
    """A JSON Schema as far as the document uses it. Members that it does not name are not there."""
    if "$ref" in schema:
        return check(document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]], value,
                     document, path)
    if "anyOf" in schema:
        assert value is None or schema["anyOf"][1] == {"type": "null"}, path
        return None if value is None else check(schema["anyOf"][0], value, document, path)
    types = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int,
             "number": (int, float)}
    if "type" in schema:
        right = isinstance(value, types[schema["type"]])
        assert right and (schema["type"] == "boolean" or not isinstance(value, bool)), \
            "%s: %r is not of type %s" % (path, value, schema["type"])
    if schema.get("format") == "date-time":
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", value), (path, value)
    for i, item in enumerate(value if isinstance(value, list) else []):
        check(schema["items"], item, document, "%s[%d]" % (path, i))
    if isinstance(value, dict) and "additionalProperties" in schema:
        for name, item in value.items():
            check(schema["additionalProperties"], item, document, path + "." + name)
    elif isinstance(value, dict) and "properties" in schema:
        missing = set(schema["required"]) - set(value)
        assert not missing, "%s has no %s" % (path, sorted(missing))
        unknown = set(value) - set(schema["properties"])
        assert not unknown, "%s has %s, which the document does not name" % (path, sorted(unknown))
        for name, item in value.items():
            check(schema["properties"][name], item, document, path + "." + name)
    return None


def answer_schema(document, path, method, status):
    return document["paths"][path][method]["responses"][str(status)]["content"][
        "application/json"]["schema"]


def test_every_route_of_the_page_is_in_the_document(document):
    page = subprocess.run([os.path.join(os.environ.get("GODWIT_BUILD", ""), "src/site/godwitd"),
                           "--dump-api"], stdout=subprocess.PIPE, check=True, text=True).stdout
    rows = re.findall(r"^\| (GET|POST|PUT|DELETE) \| `([^`?]+)`", page, re.M)
    served = {(m.upper(), p) for p, item in document["paths"].items() for m in item
              if m in ("get", "post", "put", "delete")}
    assert {(m, "/api/v1" + p) for m, p in rows} == served and len(rows) == len(served) >= 28


def test_every_get_answers_what_the_document_says(two, document):
    run = two.a.get("/runs")["runs"][0]["id"]
    names = {"site": "lisbon", "plan": "shop", "run": run}
    skipped = []
    for path, item in document["paths"].items():
        if "get" not in item:
            continue
        here = re.sub(r"\{(\w+)\}", lambda m: names.get(m.group(1), m.group(0)), path)
        if "{" in here or path in ("/api/v1/openapi.json", "/api/v1/events"):
            skipped.append(path)
            continue
        status, _, body = two.a.api("GET", here)
        assert status == 200, (path, body)
        check(answer_schema(document, path, "get", 200), body, document, path)
    assert sorted(skipped) == ["/api/v1/events", "/api/v1/openapi.json",
                               "/api/v1/plans/{plan}/divergence/{tail}"]
    for other in (two.a, two.b):
        for s in (other.get("/plans/shop/status"), *other.get("/plans")["plans"]):
            check({"$ref": "#/components/schemas/Status"}, s, document)


def test_what_is_sent_and_what_comes_back(two, document):
    plain = [("POST", "/sites/pair-code", {"site": "rome"}, 200),
             ("POST", "/sites/{site}/test", {}, 200),
             ("POST", "/plans/{plan}/points", {"tag": "t", "id": "by-hand"}, 200),
             ("POST", "/plans/{plan}/actions/{action}", {"dry_run": True}, 202),
             ("POST", "/plans/{plan}/actions/{action}", {"reason": "x"}, 200)]
    for method, path, body, status in plain:
        here = path.format(site="lisbon", plan="shop",
                           action="hold" if status == 200 else "switchover")
        got, headers, answer = two.a.api(method, here, body)
        assert got == status, (path, answer)
        doc = document["paths"]["/api/v1" + path][method.lower()]
        said = doc["responses"][str(202 if "actions" in path else 200)]
        check(said["content"]["application/json"]["schema"], answer, document, path)
        check(doc["requestBody"]["content"]["application/json"]["schema"], body, document, path)
        if status == 202:
            assert headers["Location"] == "/api/v1/runs/" + answer["run"]["id"]
            wait_for("the dry run", lambda r=answer["run"]["id"]: two.a.get("/runs/" + r)["ended"])
    assert two.a.api("POST", "/plans/shop/actions/release", {})[0] == 200


# ---- what is not there, not allowed, too much -------------------------------------------------

def test_404_405_413_415(two):
    assert "did you mean /api/v1/plans/shop/status" in sentence(
        two.a.api("GET", "/plans/shop/statsu"), 404, "not-found")
    assert "no plan" in sentence(two.a.api("GET", "/plans/nope/status"), 404, "not-found")
    code = two.a.api("DELETE", "/plans", {})
    assert code[1]["Allow"] == "GET, HEAD"
    sentence(code, 405, "method-not-allowed")
    big = b'{"reason": "' + b"x" * (1 << 20) + b'"}'
    sentence(two.a.api("POST", "/plans/shop/actions/hold", raw=big), 413, "too-large")
    assert "application/json" in sentence(
        two.a.api("POST", "/plans/shop/actions/hold", raw=b"reason: x", kind="application/yaml"),
        415, "media-type")
    assert two.a.api("HEAD", "/plans")[0] == 200


# Method, path, body (bytes: as they are), status, words of the sentence.
A, P, R = "/plans/shop/actions/", "/plans/shop/", "/runs/RUN/"
BAD = [
    ("POST", A + "hold", b"{", 400, "not JSON"),
    ("POST", A + "hold", b"[]", 400, "object"),
    ("POST", A + "hold", b'"x"', 400, "object"),
    ("POST", A + "hold", b"\xff\xfe", 400, "not JSON"),
    ("POST", A + "hold", b'{"a":1,"a":2}', 400, "not JSON"),
    ("POST", A + "hold", b'{"reason":"a\\u0000b"}', 400, "not JSON"),
    ("POST", A + "hold", b'{"reason":' + b"[" * 64 + b"]" * 64 + b"}", 400, "deep"),
    ("POST", A + "hold", {"reasn": "x"}, 400, 'unknown member "reasn"; did you mean "reason"?'),
    ("POST", A + "hold", {"reason": 7}, 400, "reason: a text is wanted, this is a number"),
    ("POST", A + "hold", {"reason": ["x"]}, 400, "reason: a text is wanted, this is a list"),
    ("POST", A + "hold", {"reason": {}}, 400, "reason: a text is wanted, this is an object"),
    ("POST", A + "hold", {"reason": True}, 400, "reason: a text is wanted, this is true"),
    ("POST", A + "hold", {"reason": "x" * 256}, 400, "reason: at most 255 bytes, this has 256"),
    ("POST", A + "hold", {"reason": "a\nb"}, 400, "reason: control characters"),
    ("POST", A + "hold", {"by": "x" * 64}, 400, "by: at most 63 bytes"),
    ("POST", A + "hold", {"by": "a\x1b[2Jb"}, 400, "by: control characters"),
    ("POST", A + "hold", {"at": "2030-01-01T00:00:00Z"}, 400, 'hold: unknown member "at"'),
    ("POST", A + "hold", {"point": "latest"}, 400, 'hold: unknown member "point"'),
    ("POST", A + "fly", {}, 404, "there is no action 'fly'"),
    ("POST", A + "plan-delete", {}, 404, "there is no action 'plan-delete'"),
    ("POST", A + "switchover", {"override": "clocks"}, 400, "override: a list is wanted"),
    ("POST", A + "switchover", {"override": [1]}, 400, "override[0]: a text is wanted"),
    ("POST", A + "switchover", {"override": ["nonsense"], "reason": "x"}, 400,
     "there is no guard 'nonsense'"),
    ("POST", A + "switchover", {"override": ["clocks"]}, 400, "an override needs a reason"),
    ("POST", A + "switchover", {"override": ["committed"], "reason": "x"}, 400,
     "guard 'committed' of switchover cannot be overridden"),
    ("POST", A + "switchover", {"dry_run": "yes"}, 400,
     "dry_run: true or false is wanted, this is a text"),
    ("POST", A + "switchover", {"dry_run": 1}, 400, "dry_run: true or false is wanted"),
    ("POST", A + "switchover", {"abort_by_ms": "5m"}, 400,
     "abort_by_ms: a number is wanted, this is a text"),
    ("POST", A + "switchover", {"abort_by_ms": -1}, 400, "abort_by_ms: a number below 0"),
    ("POST", A + "switchover", {"abort_by_ms": 1.5}, 400, "abort_by_ms: a whole number is wanted"),
    ("POST", A + "switchover", {"at": "tomorrow"}, 400, "at: 'tomorrow' is not a time"),
    ("POST", A + "switchover", {"at": "2001-01-01T00:00:00Z"}, 400, "is in the past"),
    ("POST", A + "switchover", {"at": 5}, 400, "at: a time is wanted, this is a number"),
    ("POST", A + "switchover", {"confirm_site_down": "madrid"}, 400,
     'unknown member "confirm_site_down"'),
    ("POST", A + "verify", {"rate_bytes": "1MiB"}, 400, "rate_bytes: a number is wanted"),
    ("POST", A + "commit", {"dry_run": True}, 400, 'commit: unknown member "dry_run"'),
    ("POST", P + "points", {"tag": "x" * 64}, 400, "tag: at most 63 bytes"),
    ("POST", P + "points", {"id": "../../etc"}, 400, "id"),
    ("POST", P + "points", {"name": "x"}, 400, 'unknown member "name"'),
    ("POST", P + "divergence/sign", {}, 400, "by: is missing"),
    ("POST", P + "divergence/sign", {"by": None}, 400, "by: is missing"),
    ("POST", P + "divergence/sign", {"by": 1}, 400, "by: a text is wanted"),
    ("POST", P + "volumes", {"name": "log", "size_bytes": 4096}, 400, "at: is missing"),
    ("POST", P + "volumes/data/grow", {"size_bytes": "8MiB"}, 400, "size_bytes: a number is wanted"),
    ("POST", P + "volumes/data/grow", {"size_bytes": 4096}, 403, "cannot shrink"),
    ("POST", P + "volumes/none/grow", {"size_bytes": 4096}, 404, "no volume 'none'"),
    ("DELETE", P + "volumes/none", {}, 404, "no volume 'none'"),
    ("DELETE", P + "volumes/data", {"volume": "data"}, 400, 'unknown member "volume"'),
    ("DELETE", "/plans/shop", {"yes": True}, 400, 'unknown member "yes"'),
    ("POST", "/sites", {}, 400, "code: is missing"),
    ("POST", "/sites", {"code": "ABC"}, 400, "link: is missing"),
    ("POST", "/sites", {"code": "ABC", "link": "127.0.0.1:1"}, 400, "code"),
    ("POST", "/sites", {"code": 1, "link": "x"}, 400, "code: a text is wanted"),
    ("POST", "/sites/pair-code", {"replace": "yes"}, 400, "replace: true or false is wanted"),
    ("POST", "/sites/pair-code", {"site": "No Site"}, 400, "is not a name for a site"),
    ("POST", "/sites/lisbon/test", {"quick": True}, 400, "possible are: none"),
    ("POST", "/sites/rome/test", {}, 404, "rome"),
    ("POST", R + "fly", {}, 404, "there is no choice 'fly'"),
    ("POST", R + "cancel", {"why": "x"}, 400, 'unknown member "why"'),
    ("POST", R + "approve", {"by": 5}, 400, "by: a text is wanted"),
    ("POST", "/runs/zzzzzz/cancel", {}, 404, "there is no run 'zzzzzz'"),
    ("POST", "/runs/zz/cancel", {}, 404, "too short"),
    ("GET", "/runs?limit=many", None, 400, "limit"),
    ("GET", "/runs?limit=0", None, 400, "limit: 1 to 200"),
    ("GET", "/runs?state=DONE", None, 400, "state"),
    ("GET", "/events?follow=maybe", None, 400, "follow: yes (a stream) or no"),
    ("GET", "/events?follow=no&limit=100000", None, 400, "limit: 1 to 1000"),
    ("GET", "/events?follow=no&after=-1", None, 400, "after"),
    ("GET", "/audit?after=x", None, 400, "after"),
    ("GET", P + "guards?operation=fly", None, 400, "operation: there is no 'fly'"),
    ("GET", P + "forecast?operation=fly", None, 400, "operation: there is no 'fly'"),
    ("GET", P + "forecast?to=rome", None, 400, "to: 'rome' is neither madrid nor lisbon"),
    ("GET", P + "divergence/nope", None, 404, "has no tail 'nope'"),
    ("GET", P + "divergence/pending?ranges=1000000", None, 400, "ranges: at most"),
    ("GET", "/sites/rome", None, 404, "rome"),
    ("PUT", "/plans/shop", b"", 422, ""),
    ("PUT", "/plans/shop", b"plan: [", 422, ""),
    ("PUT", "/plans/other", b"plan: shop\nhome: madrid\n", 422, ""),
]


@pytest.mark.parametrize("method, path, body, status, words", BAD,
                         ids=["%d %s %s" % (i, b[0], b[1]) for i, b in enumerate(BAD)])
def test_bad_requests(two, method, path, body, status, words):
    run = two.a.get("/runs")["runs"][0]["id"]
    before = two.a.status()
    raw = body if isinstance(body, bytes) else None
    answer = two.a.api(method, path.replace("RUN", run), None if raw is not None else body, raw=raw,
                       kind="application/yaml" if method == "PUT" else "application/json")
    said = sentence(answer, status)
    assert words in said, said
    after = two.a.status()
    assert (after["version"], after["mode"], after["run"]) == (
        before["version"], before["mode"], before["run"])


def test_a_plan_file_with_errors_is_422_with_all_of_them(two):
    text = two.plan_text("bad").replace("8MiB", "8MB").replace("rpo: 30s", "rpo: soon")
    status, _, body = two.a.api("PUT", "/plans/bad?name=bad.yaml", raw=text.encode(),
                                kind="application/yaml")
    assert status == 422 and body["type"] == "urn:godwit:problem:plan-file", body
    assert [(e["line"], e["path"]) for e in body["errors"]] == [(5, "rpo"), (8, "volumes[0].size")]
    assert two.a.api("GET", "/plans/bad")[0] == 404


# ---- keys and entity tags ---------------------------------------------------------------------

def test_etag_and_if_match(two):
    _, headers, plan = two.a.api("GET", "/plans/shop")
    assert headers["ETag"] == '"%s"' % plan["hash"]
    assert two.a.api("GET", "/plans/shop", headers={"If-None-Match": headers["ETag"]})[0] == 304
    text = two.plan_text().replace("rto: 5m", "rto: 6m").encode()
    put = dict(raw=text, kind="application/yaml")
    r = two.a.api("PUT", "/plans/shop", headers={"If-Match": '"old"'}, **put)
    assert plan["hash"] in sentence(r, 412, "precondition-failed") and r[1]["ETag"] == headers["ETag"]
    sentence(two.a.api("PUT", "/plans/shop", headers={"If-Match": "old"}, **put), 400)
    sentence(two.a.api("PUT", "/plans/none", headers={"If-Match": "*"}, **put), 412)
    status, _, body = two.a.api("PUT", "/plans/shop", headers={"If-Match": headers["ETag"]}, **put)
    assert status == 200 and body["version"] == plan["version"] + 1, body
    # Who read it before and edits now would undo that without knowing.
    sentence(two.a.api("PUT", "/plans/shop", headers={"If-Match": headers["ETag"]}, **put), 412)
    wait_for("lisbon has it", lambda: two.b.get("/plans/shop")["hash"] == body["hash"])


def test_idempotency_key(two):
    def ask(key, body):
        return two.a.api("POST", A + "switchover", body, headers={"Idempotency-Key": key})
    first = ask("k1", {"dry_run": True})
    assert first[0] == 202 and "Idempotent-Replay" not in first[1], first
    again = ask("k1", {"dry_run": True})
    assert again[0] == 202 and again[1]["Idempotent-Replay"] == "true", again
    assert again[2]["run"]["id"] == first[2]["run"]["id"]
    assert again[1]["Location"] == first[1]["Location"]
    assert "used for another request" in sentence(ask("k1", {"dry_run": True, "reason": "x"}), 422,
                                                  "key-reused")
    wait_for("the dry run", lambda: two.a.get("/runs/" + first[2]["run"]["id"])["ended"])
    runs = two.a.get("/runs")["runs"]
    assert len([r for r in runs if r["id"] == first[2]["run"]["id"]]) == 1
    # A refusal is not remembered: the same key may be tried again.
    key = {"Idempotency-Key": "k2"}
    assert two.a.api("POST", A + "release", {}, headers=key)[0] == 409
    assert two.a.api("POST", A + "hold", {})[0] == 200
    assert two.a.api("POST", A + "release", {}, headers=key)[0] == 200
    for bad in ("", "a b", "x" * 129, "\x7f"):
        sentence(ask(bad, {"dry_run": True}), 400)


def test_a_key_survives_the_daemon(two):
    key = {"Idempotency-Key": "over-the-restart"}
    made = two.a.api("POST", P + "points", {"id": "kept", "tag": "k"}, headers=key)
    assert made[0] == 200, made
    two.a.kill()
    two.a.start()
    again = two.a.api("POST", P + "points", {"id": "kept", "tag": "k"}, headers=key)
    assert again[0] == 200 and again[1]["Idempotent-Replay"] == "true" and again[2] == made[2]
    two.a.wait_phase("PROTECTED")


# ---- who --------------------------------------------------------------------------------------

AS_NOBODY = ["setpriv", "--reuid=%d" % NOBODY, "--regid=%d" % NOBODY, "--clear-groups"]
ASK = """
import http.client, json, socket, sys
path, method, target, body = sys.argv[1:]
c = http.client.HTTPConnection("godwitd")
c.sock = socket.socket(socket.AF_UNIX)
c.sock.connect(path)
c.request(method, "/api/v1" + target, body, {"Content-Type": "application/json"})
r = c.getresponse()
print(json.dumps([r.status, json.loads(r.read())]))
"""


def as_nobody(site, method, path, body=None):
    p = subprocess.run(AS_NOBODY + [sys.executable, "-c", ASK, site.socket, method, path,
                                    json.dumps(body if body is not None else {})],
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if p.returncode != 0:
        return None, p.stderr.strip().splitlines()[-1]
    return tuple(json.loads(p.stdout))


@pytest.mark.skipif(not ROOT, reason="another user is needed: run as root")
def test_another_user_may_look_and_approve(two):
    assert as_nobody(two.b, "GET", "/plans")[0] is None  # no api_group there
    status, plans = as_nobody(two.a, "GET", "/plans")
    assert status == 200 and plans["plans"][0]["plan"] == "shop"
    for method, path, body in (("POST", A + "switchover", {"dry_run": True}),
                               ("POST", A + "hold", {}), ("DELETE", "/plans/shop", {}),
                               ("POST", "/sites/pair-code", {}), ("POST", P + "points", {})):
        status, body = as_nobody(two.a, method, path, body)
        assert status == 403 and "may look and approve, not act" in body["detail"], (path, body)
    text = two.plan_text(approvals=1).encode()
    assert two.a.api("PUT", "/plans/shop", raw=text, kind="application/yaml")[0] == 200
    wait_for("lisbon has it", lambda: two.b.get("/plans/shop")["hash"] ==
             two.a.get("/plans/shop")["hash"])
    two.a.wait_phase("PROTECTED")
    status, _, body = two.a.api("POST", A + "switchover", {"by": "anna"})
    run = body["run"]["id"]
    assert status == 202 and body["run"]["requester"] == "anna"
    two.a.wait_phase("AWAITING_APPROVAL")
    status, body = as_nobody(two.a, "POST", "/runs/%s/cancel" % run)
    assert status == 403, body
    status, body = as_nobody(two.a, "POST", "/runs/%s/approve" % run, {"by": "bert"})
    assert status == 403 and "only root names another person" in body["detail"], body
    sentence(two.a.api("POST", "/runs/%s/approve" % run, {"by": "anna"}), 403)
    status, body = as_nobody(two.a, "POST", "/runs/%s/approve" % run, {"reason": "seen"})
    assert status == 200, body
    wait_for("the run", lambda: two.a.get("/runs/" + run)["state"] == "DONE", 60)
    audit = two.a.get("/audit?action=approve")["audit"]
    assert audit[-1]["uid"] == NOBODY and audit[-1]["who"] == "nobody"
    log = two.a.get("/runs/%s/log" % run)["log"]
    assert [e["by"] for e in log if e["kind"] == "approved"] == ["nobody"]


# ---- events -----------------------------------------------------------------------------------

class Stream:
    """Server-sent events, read as they come."""

    def __init__(self, site, path="/api/v1/events", last_id=None):
        self.c = UnixConnection(site.socket, timeout=30)
        self.c.request("GET", path, headers={} if last_id is None else {"Last-Event-ID": last_id})
        self.r = self.c.getresponse()
        assert self.r.status == 200 and self.r.headers["Content-Type"].startswith("text/event-stream")

    def next(self):
        event = {}
        while True:
            line = self.r.readline().decode().rstrip("\n")
            if line.startswith(":"):
                continue
            if line == "" and event:
                return int(event["id"]), event["event"], json.loads(event["data"])
            name, _, value = line.partition(": ")
            if name:
                event[name] = value

    def close(self):
        self.c.close()


def test_events_go_on_behind_the_last_one(two):
    s = Stream(two.a, "/api/v1/events?plan=shop")
    assert two.a.api("POST", A + "hold", {})[0] == 200
    first = s.next()
    s.close()
    assert first[2]["plan"] == "shop" and first[2]["id"] == first[0]
    assert two.a.api("POST", A + "release", {})[0] == 200
    assert two.a.api("POST", A + "hold", {})[0] == 200
    assert two.a.api("POST", A + "release", {})[0] == 200
    s = Stream(two.a, "/api/v1/events?plan=shop", last_id=str(first[0]))
    got = []
    while len([e for e in got if e[1] == "plan.action"]) < 3:
        got.append(s.next())
    s.close()
    listed = [e["id"] for e in two.a.get("/events?follow=no&plan=shop&after=%d" % first[0])["events"]]
    assert [e[0] for e in got] == listed[:len(got)]  # each once, in order, no gap
    everything = [e["id"] for e in two.a.get("/events?follow=no&after=0&limit=1000")["events"]]
    assert everything == sorted(set(everything)) and everything[0] == 1


def test_a_stream_tells_over_a_restart(two):
    last = two.a.get("/events?follow=no&limit=1")["events"][0]["id"]
    two.a.stop()
    two.a.start()
    s = Stream(two.a, last_id=str(last))
    got = [s.next()]
    while got[-1][1] != "site.started":
        got.append(s.next())
    s.close()
    assert got[0][0] == last + 1 and len(got) <= 10, got


def test_half_a_request_is_not_carried_out(two):
    c = socket.socket(socket.AF_UNIX)
    c.connect(two.a.socket)
    c.sendall(b"POST /api/v1/plans/shop/actions/hold HTTP/1.1\r\nHost: x\r\n"
              b"Content-Type: application/json\r\nContent-Length: 20\r\n\r\n{\"reason\":")
    c.close()
    before = time.monotonic()
    assert two.a.get("/plans/shop/status")["mode"] == "manual" and time.monotonic() - before < 20


# ---- addresses --------------------------------------------------------------------------------

def test_who_listens_everywhere_has_to_say_where():
    with Duo(paired=False) as d:
        d.a.stop()
        d.a.link = "0.0.0.0:" + d.a.link.split(":")[1]
        d.a.start()
        assert "godwit site pair ... --link HOST:PORT" in sentence(
            d.a.api("POST", "/sites/pair-code", {}), 400)
        made = d.a.api("POST", "/sites/pair-code", {"our_link": "10.9.9.9:7001"})[2]
        assert made["link"] == "10.9.9.9:7001"
        d.a.stop()
        d.a.options = "advertise: {link: \"127.0.0.1:%s\", data: \"%s\"}\n" % (
            d.a.link.split(":")[1], d.a.data)
        d.a.start()
        made = d.a.api("POST", "/sites/pair-code", {})[2]
        assert made["link"] == "127.0.0.1:" + d.a.link.split(":")[1]
        status, _, body = d.b.api("POST", "/sites", {"code": made["code"], "link": made["link"]})
        assert status == 200 and body == {"site": "madrid", "link": made["link"], "data": d.a.data}
        report = d.a.api("POST", "/sites/lisbon/test", {})[2]
        assert report["connected"], report["sentence"]
