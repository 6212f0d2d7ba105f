# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""Procedure: the line between the sites is cut in part, and somebody orders a failover all the same."""
import contextlib
import re

import nbd
import pytest
from duo import Duo
from godwit import wait_for
from proxy import Proxy


class Lines:
    """A duo whose four lines can be cut one by one: (from, what)."""

    def __init__(self, d):
        self.d = d
        self.of = {("lisbon", "link"): Proxy(d.a.link), ("lisbon", "data"): Proxy(d.a.data),
                   ("madrid", "link"): Proxy(d.b.link), ("madrid", "data"): Proxy(d.b.data)}
        for site, peer in ((d.a, "lisbon"), (d.b, "madrid")):
            site.stop()
            site.options = 'advertise: {link: "%s", data: "%s"}\n' % (
                self.of[peer, "link"].address, self.of[peer, "data"].address)
            site.start()
        made = d.a.api("POST", "/sites/pair-code", {})[2]
        status, _, body = d.b.api("POST", "/sites", {"code": made["code"], "link": made["link"]})
        assert status == 200, body
        for here, there in ((d.a, "lisbon"), (d.b, "madrid")):
            wait_for("%s sees %s" % (here.name, there),
                     lambda h=here, t=there: self.health(h, t)[0] == "HEALTHY")
        d.apply()
        d.activate()
        d.b.wait_phase("PROTECTED")

    def cut(self, *lines):
        for line in lines:
            self.of[line].cut()

    def health(self, here, there):
        s = next(x for x in here.get("/sites")["sites"] if x["site"] == there)
        return s["health"], s.get("why", "")

    def until_health(self, here, there, health):
        wait_for("%s calls %s %s" % (here.name, there, health),
                 lambda: self.health(here, there)[0] == health)
        return self.health(here, there)[1]

    def close(self):
        for p in self.of.values():
            p.close()


@pytest.fixture
def lines():
    with Duo(paired=False) as d, contextlib.closing(Lines(d)) as made:
        yield made


def refuses_writes(client):
    try:
        client.pwrite(b"h" * 512, 0)
        return False
    except nbd.Error:
        return True


def steps_of(site, p, step):
    run = re.search(r"^Run ([0-9a-z]+)", p.stdout, re.M).group(1)
    return [e for e in site.get("/runs/%s/log" % run)["log"] if e["step"] == step]


ALL = [(s, w) for s in ("lisbon", "madrid") for w in ("link", "data")]


def test_a_line_cut_in_one_direction_is_told(lines):
    a, b = lines.d.a, lines.d.b
    lines.cut(("lisbon", "link"))
    assert "cannot connect to it" in lines.until_health(b, "madrid", "DEGRADED")
    assert "cannot connect to us" in lines.until_health(a, "lisbon", "DEGRADED")
    for site, word in ((a, "cannot connect to us"), (b, "cannot connect to it")):
        s = site.wait_status("it is told", lambda s: "PEER_DOWN" in s["reasons"])
        assert s["phase"] == "DEGRADED"
        said = [r["sentence"] for r in s["reason_details"] if r["reason"] == "PEER_DOWN"]
        assert word in said[0], said
    lines.of["lisbon", "link"].restore()
    for here, there in ((a, "lisbon"), (b, "madrid")):
        lines.until_health(here, there, "HEALTHY")
        here.wait_phase("PROTECTED")


def test_a_site_that_can_only_call_is_asked_in_the_answers(lines):
    """Lisbon cannot call, and no data flows; madrid's beats come: it is asked with their answers."""
    a, b = lines.d.a, lines.d.b
    at_home = a.nbd()
    at_home.pwrite(b"x" * 512, 0)
    lines.cut(*[x for x in ALL if x != ("madrid", "link")])
    b.wait_status("the data link is seen as down", lambda s: "LINK_DOWN" in s["reasons"])
    p = b.cli("failover", "shop", "--yes", "--confirm-site-down", "madrid")
    assert refuses_writes(at_home)  # before lisbon began
    revoked = [e for e in steps_of(b, p, "revoke") if e["kind"] == "done"]
    assert revoked[0]["detail"]["enforcement"] == "the old site fenced itself", revoked
    a.wait_status("the services are stopped", lambda s: s["sites"]["madrid"]["svc"] in
                  ("fenced", "stopped"))
    assert a.status()["active"] == b.status()["active"] == "lisbon"


def test_a_later_epoch_is_obeyed_from_whatever_is_heard(lines):
    """All is cut, and a wrong word makes two; with the first message that passes there is one."""
    a, b = lines.d.a, lines.d.b
    at_home = a.nbd()
    lines.cut(*ALL)
    b.wait_status("madrid is out of sight", lambda s: "PEER_DOWN" in s["reasons"])
    b.cli("failover", "shop", "--yes", "--confirm-site-down", "madrid")
    at_home.pwrite(b"x" * 512, 0)  # pair mode without a fence: nobody has told it
    lines.of["madrid", "link"].restore()
    wait_for("madrid, which hears that lisbon reigns, stops serving",
             lambda: refuses_writes(at_home))
    s = a.wait_status("madrid is fenced", lambda s: s["sites"]["madrid"].get("fenced"))
    assert "lisbon reigns in epoch 2" in s["sites"]["madrid"]["fenced"], s
    a.wait_status("its services are stopped", lambda s: s["sites"]["madrid"]["svc"] in
                  ("fenced", "stopped"))
    a.stop()  # and it stays so
    a.start()
    s = a.wait_status("madrid is fenced", lambda s: s["sites"]["madrid"].get("fenced"))
    assert s["active"] == "lisbon"


def test_data_speak_against_the_word(lines):
    """The daemons do not reach each other, and madrid's data come: it lives, and cannot be asked."""
    a, b = lines.d.a, lines.d.b
    at_home = a.nbd()
    lines.cut(("lisbon", "link"), ("madrid", "link"))
    b.wait_status("madrid is out of sight", lambda s: "PEER_DOWN" in s["reasons"])
    command = ("failover", "shop", "--yes", "--confirm-site-down", "madrid")
    p = b.cli(*command, code=3)
    assert "old-silent" in p.stderr, p.said
    at_home.pwrite(b"x" * 512, 0)
    b.cli(*command, "--override", "old-silent", code=2)  # a reason is asked for
    p = b.cli(*command, "--override", "old-silent", "--reason", "its switch is off")
    revoked = [e["detail"] for e in steps_of(b, p, "revoke") if e["kind"] == "done"]
    assert revoked[0]["overridden"] == "old-silent", revoked
    assert revoked[0]["sign_of_life"].startswith("data of madrid came"), revoked
