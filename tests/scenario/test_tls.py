# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""The link as it is meant to be: TLS 1.3, both sides with a certificate."""
import os
import subprocess

import godwit
import pytest
from sites import (DOWN, Load, caught_up, following, rng, serving, sites)  # noqa: F401 (fixtures)
from strangers import Strangers, client_hello


class Certificates:
    """A CA, and certificates signed by it, as a person would make them."""

    def __init__(self, root):
        self.root = str(root)
        self.authority("ca")
        self.authority("stranger")
        for name in ("home", "dr"):
            self.sign(name, "ca")
            self.sign(name, "stranger", "strange-" + name)
        self.sign("dr", "ca", "late-dr", days=-1)
        self.ca = {"home": "ca", "dr": "ca"}
        self.cert = {"home": "home", "dr": "dr"}
        self.peer = {}

    def run(self, *words):
        subprocess.run(["openssl", *words], cwd=self.root, check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, timeout=30)

    def key(self, name):
        self.run("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out",
                 name + ".key")

    def authority(self, name):
        self.key(name)
        self.run("req", "-x509", "-key", name + ".key", "-subj", "/CN=" + name, "-days", "3", "-out",
                 name + ".pem", "-addext", "basicConstraints=critical,CA:TRUE", "-addext",
                 "keyUsage=critical,keyCertSign")

    def sign(self, name, authority, file=None, days=2):
        file = file or name
        self.key(file)
        with open(os.path.join(self.root, file + ".ext"), "w") as f:
            f.write("subjectAltName=DNS:%s\nextendedKeyUsage=serverAuth,clientAuth\n" % name)
        self.run("req", "-new", "-key", file + ".key", "-subj", "/CN=" + name, "-out", file + ".csr")
        self.run("x509", "-req", "-in", file + ".csr", "-CA", authority + ".pem", "-CAkey",
                 authority + ".key", "-CAcreateserial", "-days", str(days), "-extfile",
                 file + ".ext", "-out", file + ".pem")

    def of(self, site):
        path = lambda x: os.path.join(self.root, x)
        cert = self.cert[site.name]
        out = {"tls_ca": path(self.ca[site.name] + ".pem"), "tls_cert": path(cert + ".pem"),
               "tls_key": path(cert + ".key")}
        if site.name in self.peer:
            out["tls_peer"] = self.peer[site.name]
        return out


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return Certificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def certificates(made):
    made.ca = {"home": "ca", "dr": "ca"}
    made.cert = {"home": "home", "dr": "dr"}
    made.peer = {"home": "dr", "dr": "home"}
    return made


def test_round_trip_over_tls(sites, rng, certificates):
    pair = sites()
    pair.tls = certificates
    pair.start(zstd=1)
    load = Load(pair.home.client("data"), rng)
    load.run(60)
    pair.link.drop()
    load.run(20)
    load.drain()
    s = pair.settle(pair.home)
    assert s["verdict"]["row"] in (6, 7)
    pair.check_equal()
    pair.hand_over(pair.home, pair.dr)
    load = Load(pair.dr.client("data"), rng)
    load.run(30)
    load.drain()
    s = pair.settle(pair.dr)
    assert s["verdict"]["row"] in (6, 8)
    pair.check_equal()


def test_changed_bits_end_the_session(sites, rng, certificates):
    pair = sites()
    pair.tls = certificates
    pair.start()
    load = Load(pair.home.client("data"), rng)
    for way in (0, DOWN, 0, DOWN):
        since = pair.link.accepted
        pair.link.flip_bit(rng.randint(0, 500 if way == DOWN else 20000), way)
        load.run(until=lambda: pair.link.accepted > since)
        pair.home.until(following)
    load.drain()
    pair.settle(pair.home)
    assert pair.dr.undo_ids() == []
    pair.check_equal()


@pytest.mark.parametrize("wrong, word", [
    ("home's authority", "certificate"), ("dr's authority", "certificate"),
    ("home's name", "somebody"), ("dr's name", "somebody"), ("dr's is too old", "expired")])
def test_certificate_that_does_not_fit(sites, certificates, wrong, word):
    """No data flows; home serves on alone; the sentence says what is wrong."""
    c = certificates
    if wrong == "home's authority":
        c.cert["home"] = "strange-home"
    elif wrong == "dr's authority":
        c.cert["dr"] = "strange-dr"
    elif wrong == "home's name":
        c.peer["dr"] = "somebody"
    elif wrong == "dr's name":
        c.peer["home"] = "somebody"
    else:
        c.cert["dr"] = "late-dr"
    pair = sites()
    pair.tls = c
    pair.start(seeded=False)
    s = pair.home.until(lambda s: s["reason"] != "")
    assert "certificate" in s["reason"], s["reason"]
    # In TLS 1.3 the one refused may hear of it first: both logs together say what is wrong.
    godwit.wait_for("the sentence", lambda: word in pair.home.log_text() + pair.dr.log_text())
    pair.home.client().write(0, b"alone")
    assert serving(pair.home.status())
    d = pair.dr.status()
    assert d["blank"] and not any(pair.dr.images()["data"])


@pytest.mark.parametrize("plain", ["home", "dr"])
def test_plain_meets_tls(sites, certificates, plain):
    pair = sites()
    pair.tls = certificates if plain == "home" else None
    pair.dr.replica()
    pair.tls = certificates if plain == "dr" else None
    pair.home.source(link_timeout_ms=1000)
    pair.home.until(lambda s: s["reason"] != "")
    pair.home.client().write(0, b"alone")
    assert pair.dr.until(lambda d: d["bad_frames"] > 0)["blank"]


# ---- strangers at the door ---------------------------------------------------------------------

def held(program):
    """Its threads, and its descriptors."""
    return tuple(len(os.listdir("/proc/%d/%s" % (program.pid, x))) for x in ("task", "fd"))


def half_said(tls):
    """What a stranger may begin with: nothing, a part, all of a first message but no second; a list
    comes byte by byte."""
    if tls:
        hello = client_hello()
        return [b"", hello[:100], hello, [hello]]
    head = b"GWF1\x01\x00\x01\x00"
    return [b"", head[:3], head, [head * 10]]


STRANGERS = 100  # more than are greeted at once


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_strangers_who_stall_and_come_again_do_not_keep_the_source_out(sites, rng, certificates,
                                                                       tls):
    pair = sites()
    pair.tls = certificates if tls else None
    pair.start()
    pair.home.stop()
    pair.dr.until(lambda s: s["state"] == "listening")
    before = held(pair.dr.program)
    with Strangers(pair.dr.address, STRANGERS, half_said(tls)) as strangers:
        godwit.wait_for("the strangers to be sent away", lambda: strangers.sent_away > STRANGERS)
        pair.home.source()
        pair.home.until(following)
        load = Load(pair.home.client("data"), rng)
        for _ in range(3):
            load.run(10)
            pair.link.drop()
            pair.home.until(lambda s: not following(s))
            pair.home.until(following)
            # Who keeps the door greets them all in its one thread.
            assert held(pair.dr.program)[0] <= before[0] + 1
        load.drain()
        pair.settle(pair.home)
    pair.home.stop()
    assert pair.dr.status()["bad_frames"] >= strangers.sent_away > STRANGERS
    # Told one by one only so often: neither a stranger nor its lines may fill the disk.
    assert pair.dr.log_text().count("refused a connection from ") < STRANGERS
    godwit.wait_for("the last stranger to be forgotten", lambda: all(
        now <= then for now, then in zip(held(pair.dr.program), before)))
    pair.dr.stop()
    pair.check_equal()


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_strangers_do_not_keep_a_newer_reign_from_being_heard(sites, rng, certificates, tls):
    """The guard of an old active that serves on: the promoted side calls, and deposes it (row 1)."""
    pair = sites()
    pair.tls = certificates if tls else None
    pair.dr.replica()
    guard = "127.0.0.1:%d" % godwit.free_port()
    pair.home.source(listen=guard)
    pair.settle(pair.home)
    before = held(pair.home.program)
    pair.link.cut()
    pair.home.until(lambda s: not following(s))
    with Strangers(guard, STRANGERS, half_said(tls)) as strangers:
        godwit.wait_for("the strangers to be sent away", lambda: strangers.sent_away > STRANGERS)
        pair.dr.promote()
        params = {**certificates.of(pair.dr), "plain": "no"} if tls else {}
        pair.dr.forget_control()
        pair.dr.start_source(guard, **params)
        pair.home.until(lambda s: s["service"] == "fenced")
    assert serving(pair.dr.status())
    godwit.wait_for("the last stranger to be forgotten", lambda: all(
        now <= then for now, then in zip(held(pair.home.program), before)))
