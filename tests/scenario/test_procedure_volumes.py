# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""Procedure: grow, add and remove volumes of a plan that is protected. Service goes on, the standby
changes first, and whatever dies in the middle, what the plan says is brought about."""
import os
import shutil

import pytest

from daemons import FAILED, MiB, manual, torture  # noqa: F401
from godwit import wait_for
from sites import Client

GROWN = 24 * MiB


def at(pair, name):
    return {s.name: s.image(name) for s in pair.sites}


def document(pair, volumes, **changes):
    """The plan with these volumes: {name: bytes}."""
    return pair.plan.document(pair.home, pair.dr, volumes=[
        {"name": n, "size": size, "at": at(pair, n)} for n, size in volumes.items()], **changes)


def apply(pair, volumes, at_site=None, **options):
    file = pair.plan.write(document(pair, volumes))
    return (at_site or pair.home).godwit("plan", "apply", "-f", file, **options)


def sizes(site):
    """Of the data plane's volumes; None: it does not say."""
    status = wait_for("the data plane of %s" % site.name, lambda: dataplane(site))
    return {v["name"]: v["bytes"] for v in status["volumes"]}


def dataplane(site):
    from sites import Gone, control_call
    try:
        return control_call(os.path.join(site.state, "run", "shop.sock"), "status")
    except Gone:
        return None


def until_sizes(pair, volumes):
    wait_for("both sites to have %s" % volumes,
             lambda: all(sizes(s) == volumes for s in pair.sites), 30)


def client(site, volume):
    return Client(os.path.join(site.state, "run", "shop.nbd"), volume)


def check_equal(pair, *volumes):
    """The plan is deactivated: both sites hold the same."""
    for v in volumes:
        with open(pair.home.image(v), "rb") as f, open(pair.dr.image(v), "rb") as g:
            assert f.read() == g.read(), v


def test_volumes_change_under_load(manual):
    pair = manual.protected()
    pair.home.godwit("volume", "grow", "shop", "data", "24MiB")
    pair.home.godwit("volume", "add", "shop", "log", "8MiB",
                     *[w for s, p in at(pair, "log").items() for w in ("--at", "%s=%s" % (s, p))])
    assert sizes(pair.home) == sizes(pair.dr) == {"data": GROWN, "log": 8 * MiB}
    pair.plan.until_acknowledged("madrid")  # the service has not noticed
    c = client(pair.home, "data")
    assert c.size == GROWN
    c.write(GROWN - 4096, b"the new end " * 300)
    log = client(pair.home, "log")
    log.write(3 * MiB, b"log " * 1024)
    log.flush()
    c.close()
    log.close()
    s = pair.home.status()
    assert s["phase"] == "PROTECTED" and s["version"] == 3, s
    assert {v["name"]: (v["bytes"], v["changing"]) for v in s["volumes"]} == \
        {"data": (GROWN, None), "log": (8 * MiB, None)}
    pair.swapped()
    log = client(pair.dr, "log")
    assert log.read(3 * MiB, 4096) == b"log " * 1024
    log.write(0, b"lisbon " * 500)
    log.close()
    apply(pair, {"data": GROWN, "log": 8 * MiB, "late": MiB}, pair.dr)  # where it is active now
    pair.dr.godwit("failback", "shop")
    pair.until_phase("PROTECTED")
    pair.plan.until_acknowledged("madrid")
    log = client(pair.home, "log")
    assert log.read(0, 3500) == b"lisbon " * 500
    log.close()
    apply(pair, {"data": GROWN, "log": 8 * MiB})
    assert sizes(pair.home) == sizes(pair.dr) == {"data": GROWN, "log": 8 * MiB}
    assert os.path.getsize(pair.home.image("late")) == MiB  # its file is left alone
    pair.check_history()
    check_equal(pair, "data", "log", "late")
    who = [e["action"] for e in pair.home.get("audit?limit=200")["audit"]]
    assert {"volume-grow", "volume-add"} <= set(who)


def test_refused(manual):
    pair = manual.pair(proxies=True)
    before = {"data": 16 * MiB, "log": 4 * MiB}
    with open(pair.home.image("log"), "wb") as f:
        f.truncate(4 * MiB)
    apply(pair, before)
    pair.activate()
    def without(*names, **more):
        return {**{n: b for n, b in before.items() if n not in names}, **more}


    def refused(answer, text):
        assert answer.code != 0 and text in answer.err + answer.out, answer
        assert all(s.status()["version"] == 1 for s in pair.sites)
        assert sizes(pair.home) == sizes(pair.dr) == before

    refused(apply(pair, without(data=8 * MiB), code=None), "cannot shrink")
    refused(pair.home.godwit("volume", "grow", "shop", "data", "8MiB", code=None), "cannot shrink")
    refused(apply(pair, without(data=GROWN), pair.dr, code=None), "is edited at madrid")
    with open(pair.dr.image("full"), "wb") as f:
        f.write(b"somebody's" * 1000)
    refused(apply(pair, without(full=MiB), code=None), "holds data")
    c = client(pair.home, "log")
    refused(apply(pair, without("log"), code=None), "in use by 1 client")
    c.close()
    gate = pair.home.trial("stop.before_effect", "wait")
    run = pair.home.begin("switchover", "shop")
    gate.wait_reached()
    refused(pair.home.godwit("volume", "grow", "shop", "data", "24MiB", code=None), "no run is on")
    pair.home.godwit("run", "cancel", run, "--no-wait")
    gate.open()
    pair.home.until_run(run)
    pair.home.until("madrid serves", lambda s: s["active"] == "madrid" and s["run"] is None)
    pair.until_phase("PROTECTED")
    pair.cut()
    pair.home.until("lisbon is silent", lambda s: not s["sites"]["lisbon"]["reachable"])
    answer = pair.home.godwit("volume", "grow", "shop", "data", "24MiB", code=None)
    assert answer.code != 0 and "does not answer" in answer.err, answer
    pair.restore()
    pair.until_phase("PROTECTED")
    pair.home.godwit("volume", "grow", "shop", "data", "24MiB")
    assert sizes(pair.home) == sizes(pair.dr) == without(data=GROWN)


AFTER = {"data": GROWN, "log": 4 * MiB}


@pytest.mark.parametrize("moment", ["prepared", "stored", "made"])
@pytest.mark.parametrize("victim", ["madrid", "lisbon"])
def test_a_daemon_dies_in_the_middle(manual, moment, victim):
    if (moment, victim) not in (("stored", "madrid"), ("made", "lisbon")):
        if not os.environ.get("GODWIT_TORTURE"):
            pytest.skip("takes long: make torture")
    pair = manual.protected()
    site = pair.home if victim == "madrid" else pair.dr
    gate = pair.home.trial("volumes." + moment, "kill" if site is pair.home else "wait")
    if site is pair.home:
        apply(pair, AFTER, code=None)
        site.wait_dead()
    else:
        process = begin_apply(pair, AFTER)
        gate.wait_reached()
        site.kill()
        gate.open()
        process.communicate(timeout=120)
    site.start()
    pair.until_phase("PROTECTED")
    if moment == "prepared" and site is pair.home:  # nothing was stored: asked again
        assert sizes(pair.home) == sizes(pair.dr) == {"data": 16 * MiB}
        apply(pair, AFTER)
    until_sizes(pair, AFTER)
    for s in pair.sites:
        s.until("version 2", lambda x: x["version"] == 2)
    pair.plan.until_acknowledged("madrid")
    pair.check_history()
    check_equal(pair, "data", "log")


def begin_apply(pair, volumes):
    import subprocess
    from daemons import CLI
    file = pair.plan.write(document(pair, volumes))
    return subprocess.Popen([CLI, "plan", "apply", "-f", file, "--socket", pair.home.socket],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@pytest.mark.parametrize("victim", ["madrid", "lisbon"])
def test_the_data_plane_dies_in_the_middle(manual, victim):
    pair = manual.protected()
    site = pair.home if victim == "madrid" else pair.dr
    gate = pair.home.trial("volumes.made", "wait")
    process = begin_apply(pair, AFTER)
    gate.wait_reached()  # the first of two is made
    site.kill_data_plane()
    gate.open()
    process.communicate(timeout=120)
    until_sizes(pair, AFTER)
    pair.home.until("everything follows", lambda s: s["replication"] in ("async", "sync"))
    assert all(v["changing"] is None for v in pair.home.until(
        "the change is over", lambda s: not any(v["changing"] for v in s["volumes"]))["volumes"])
    pair.home.godwit("plan", "deactivate", "shop")
    check_equal(pair, "data", "log")


@torture
def test_new_hardware_gets_the_slots_that_there_are(manual):
    """A volume was removed and another added: a new standby has them in the same places."""
    pair = manual.pair()
    for n in ("old", "log"):
        with open(pair.home.image(n), "wb") as f:
            f.truncate(4 * MiB)
    apply(pair, {"old": 4 * MiB, "data": 16 * MiB, "log": 4 * MiB})
    pair.activate()
    apply(pair, {"new": 2 * MiB, "log": 4 * MiB, "data": 16 * MiB})  # in another order, too
    c = client(pair.home, "new")
    c.write(MiB, b"new " * 1024)
    c.close()
    pair.dr.kill_site()
    shutil.rmtree(pair.dr.state)
    for n in ("data", "log", "new", "old"):
        os.unlink(pair.dr.image(n))
    pair.home.until("lisbon is silent", lambda s: not s["sites"]["lisbon"]["reachable"])
    pair.dr.start(init=True)
    code = pair.dr.godwit("site", "pair").json["code"]
    pair.home.godwit("site", "replace", "lisbon", "--code", code, "--link", pair.dr.link, "--yes")
    pair.until_phase("PROTECTED")
    assert sizes(pair.dr) == {"data": 16 * MiB, "log": 4 * MiB, "new": 2 * MiB}
    pair.home.godwit("volume", "grow", "shop", "new", "3MiB")
    pair.check_history()
    check_equal(pair, "data", "log", "new")
