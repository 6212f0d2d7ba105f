# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""Thousands of bad requests at a godwitd that runs: at its API's socket, and at the port of the site
link, as a stranger and as the paired site itself. It answers each as it must, goes on serving, has
lost no memory at its end, and what it knows is what it knew.

GODWIT_FUZZ_CASES: how many (default a few seconds' worth); GODWIT_FUZZ_SEED: another sequence."""
import os
import socket
import ssl

import pytest

from daemons import manual  # noqa: F401
from http_fuzz import Fuzz, Request

CASES = int(os.environ.get("GODWIT_FUZZ_CASES", 40000 if os.environ.get("GODWIT_TORTURE") else 600))
SEED = os.environ.get("GODWIT_FUZZ_SEED", "1")


@pytest.fixture
def pair(manual):
    p = manual.pair()
    for s in p.sites:
        s.stop()
        # No plan's process is started here, whose leaks would be nbdkit's own.
        s.environment = {"ASAN_OPTIONS": "detect_leaks=1"}
        s.start()
    p.home.until_paired()
    p.apply()
    return p


def known(site):
    """What must not change."""
    plan = site.get("plans/shop")
    status = site.status()
    return {"plan": (plan["version"], plan["hash"]), "mode": status["mode"], "phase": status["phase"],
            "plans": sorted(p["plan"] for p in site.get("plans")["plans"]),
            "runs": site.get("runs")["runs"],
            "sites": sorted((s["site"], s["link"]) for s in site.get("sites")["sites"])}


def api_requests(pair):
    """Of every kind; what would change something is asked of a plan or a run that is not there, or is
    refused."""
    document = pair.plan.document(pair.home, pair.dr)
    v1 = "/api/v1"
    bases = [Request("GET", v1 + p) for p in (
        "/openapi.json", "/sites", "/sites/lisbon", "/plans", "/plans/shop", "/plans/shop/versions",
        "/plans/shop/status", "/plans/shop/guards?operation=failback",
        "/plans/shop/forecast?operation=failover&to=lisbon", "/plans/shop/volumes",
        "/plans/shop/points", "/plans/shop/divergence", "/plans/shop/divergence/pending?ranges=yes",
        "/runs?plan=shop&limit=5&unfinished=yes", "/runs/nope", "/runs/nope/steps",
        "/runs/nope/log?from=3", "/runs/nope/evidence", "/events?follow=no&after=0&limit=3",
        "/audit?after=0&limit=3&who=root", "/audit/verify")]
    key = [(b"Idempotency-Key", b"one")]
    bases += [Request("POST", v1 + "/plans/nope/actions/" + action,
                      {"by": "eva", "reason": "because", "override": ["clocks"], "dry_run": True,
                       "at": "2030-01-01T02:00:00Z", "abort_by_ms": 1000}, key)
              for action in ("failover", "failback", "switchover", "hold", "commit", "activate")]
    bases += [Request("POST", v1 + "/runs/nope/" + choice, {"by": "eva", "reason": "because"}, key)
              for choice in ("approve", "cancel", "skip")]
    bases += [
        Request("PUT", v1 + "/plans/shop", document, [(b"If-Match", b"\"77\"")] + key),
        Request("POST", v1 + "/plan-check", document),
        Request("POST", v1 + "/plans/nope/volumes", {"name": "x", "size": "1GiB"}, key),
        Request("POST", v1 + "/plans/nope/volumes/x/grow", {"size": "2GiB"}, key),
        Request("DELETE", v1 + "/plans/nope", {"by": "eva"}, key),
        Request("POST", v1 + "/plans/nope/points", {"tag": "x"}, key),
        Request("POST", v1 + "/plans/nope/divergence/sign", {"by": "eva"}, key),
        Request("POST", v1 + "/sites", {"code": "godwit-1-nonsense", "link": "127.0.0.1:1"}),
    ]
    return bases


def link_requests():
    def call(method, params, **more):
        return Request("POST", "/link/v1/" + method,
                       {"from": "madrid", "protocol": 1,
                        "request": "0b0e5a0c-6a3e-4a7e-9d0e-1f6a1c1c7a11", "params": params, **more})
    run = {"kind": "copy", "run": {"id": "01m81rbycbvkxnqt4ra1gm3gvv", "plan": "nope"}, "epoch": 3,
           "have": 0, "entries": []}
    return [call("ping", {}), call("ping", {}, protocol=99), call("beat", {"sides": [], "wall_ns": 1}),
            call("run", run), call("fence", {"plan": "nope", "uuid": "x", "reason": "y"}),
            call("nothing", {}), call("probe", {"port": "data", "address": "127.0.0.1:1"}),
            Request("GET", "/link/v1/ping"), Request("GET", "/api/v1/plans")]


def unix(site):
    def connect():
        s = socket.socket(socket.AF_UNIX)
        s.connect(site.socket)
        return s
    return connect


def tls(site, identity=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    if identity:
        context.load_cert_chain(os.path.join(identity.state, "site.pem"),
                                os.path.join(identity.state, "site.key"))
    host, port = site.link.rsplit(":", 1)

    def connect():
        return context.wrap_socket(socket.create_connection((host, int(port))))
    return connect


def plain(site):
    host, port = site.link.rsplit(":", 1)
    return lambda: socket.create_connection((host, int(port)))


def run(fuzz, site, cases):
    for number in range(cases):
        fuzz.case(number)
        assert site.program.alive(), (number, fuzz.make(number)[2][:2000], site.program.output()[-3000:])
    print(dict(fuzz.counts))


def test_bad_requests_by_the_thousand(pair):
    before = [known(s) for s in pair.sites]
    api = Fuzz(unix(pair.home), api_requests(pair), SEED)
    run(api, pair.home, CASES)
    assert api.counts["404"] and api.counts["400"] and api.counts["200"], api.counts
    # 501: a method that this version does not know, and another may.
    friend = Fuzz(tls(pair.dr, pair.home), link_requests(), SEED, also=(501,))
    run(friend, pair.dr, CASES // 4)
    assert friend.counts["200"] and friend.counts["400"], friend.counts
    stranger = Fuzz(tls(pair.dr), link_requests(), SEED)
    run(stranger, pair.dr, CASES // 10)
    assert not stranger.counts["200"], stranger.counts
    noise = Fuzz(plain(pair.dr), link_requests(), SEED)
    run(noise, pair.dr, CASES // 10)
    assert not noise.counts["200"], noise.counts
    assert [known(s) for s in pair.sites] == before
    assert pair.home.godwit("site", "test", "lisbon").json["connected"]
    for s in pair.sites:
        assert s.godwit("audit", "verify").json["intact"]
        s.stop()  # and now the sanitizer looks for what was lost
