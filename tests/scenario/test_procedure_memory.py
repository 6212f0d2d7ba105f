# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""Procedure: what a site remembers is backed up, restored, lost, and made anew from the other site."""
import glob
import os
import shutil
import stat
import subprocess
import tarfile

import pytest
from daemons import FAILED, GODWITD, REFUSED, manual, program_env  # noqa: F401
from godwit import wait_for


def fails_to_start(site, *options):
    """godwitd ends by itself, and says why."""
    p = subprocess.run([GODWITD, "-c", site.config, *options], text=True, capture_output=True,
                       timeout=60, env={**os.environ, **program_env()})
    assert p.returncode == 1, p
    return p.stderr


def lose_catalog(site):
    """The daemon has ended; its data plane and the service go on."""
    for path in glob.glob(os.path.join(site.state, "catalog.db*")):
        os.unlink(path)


def until_event(site, kind):
    wait_for("%s of %s" % (kind, site.name),
             lambda: any(e["kind"] == kind
                         for e in site.get("events?follow=no&limit=1000")["events"]),
             retry=(ConnectionError, FileNotFoundError))


def until_compared(site):
    until_event(site, "site.compared")


def fingerprint(at, of):
    return {s["site"]: s["fingerprint"] for s in at.get("sites")["sites"]}[of]


# ---- backup and restore ------------------------------------------------------------------------

def test_a_backup_that_is_older_than_the_world_serves_nothing(manual):
    """Home is backed up while it is active, then service moves to dr, then home loses its catalog and
    is restored. By its memory it is active: it asks first, and stands by."""
    pair = manual.protected()
    home, dr, plan = pair.home, pair.dr, pair.plan
    file = os.path.join(pair.root, "madrid.backup")
    home.godwit("site", "backup", file)
    assert stat.S_IMODE(os.stat(file).st_mode) == 0o600
    with tarfile.open(file) as tar:
        assert {"catalog.db", "site.key", "site.pem", "peers/lisbon.pem"} < set(tar.getnames())
    pair.swapped()

    home.stop()
    lose_catalog(home)
    home.start(False, "--restore", file)
    until_compared(home)
    pair.until_phase("READY_TO_FAIL_BACK", "PROTECTED_SWAPPED")
    assert home.status()["active"] == "lisbon"
    pair.check_serves_at(dr)
    assert any(e["action"] == "catalog-restored" or "restore" in e["action"]
               for e in home.get("audit")["audit"])
    run = dr.godwit("failback", "shop").json["run"]
    assert run["state"] == "DONE", run
    pair.check_serves_at(home)
    pair.check_history()


def test_a_backup_takes_the_place_of_nothing_that_is_worth_something(manual):
    pair = manual.applied()
    home, dr = pair.home, pair.dr
    file = os.path.join(pair.root, "madrid.backup")
    home.godwit("site", "backup", file)
    home.godwit("site", "backup", file, code=FAILED)  # it is there
    home.godwit("site", "restore", file, "--yes", code=FAILED)  # this site has a plan
    home.stop()
    assert "plans (shop" in fails_to_start(home, "--restore", file)
    dr.stop()
    lose_catalog(dr)
    assert "it is of site 'madrid'" in fails_to_start(dr, "--restore", file)

    with open(file, "rb") as f:
        whole = f.read()
    lose_catalog(home)
    at = whole.index(b"SQLite format 3") + 5000
    for name, damaged in (("flipped", whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1:]),
                          ("short", whole[:len(whole) // 2]), ("empty", b""),
                          ("else", b"not a backup" * 100)):
        bad = os.path.join(pair.root, name)
        with open(bad, "wb") as f:
            f.write(damaged)
        assert "cannot restore" in fails_to_start(home, "--restore", bad), name
    assert not glob.glob(os.path.join(home.state, "catalog.db"))
    home.start(False, "--restore", file)
    # Neither site can tell the other what it does not know itself: a person says whose word counts.
    dr.start(False, "--rebuild")
    for site in pair.sites:
        until_event(site, "site.fenced")
    home.godwit("site", "restore", "--alone", "--by", "alice", "--yes")
    for site in pair.sites:
        until_compared(site)
        site.until_phase("DEFINED")
    pair.activate()


def test_a_new_machine_with_the_identity_of_a_backup(manual):
    """The machine burned, its backup did not. Restored, it is believed; its disks are seeded anew."""
    pair = manual.protected()
    home, dr, plan = pair.home, pair.dr, pair.plan
    file = os.path.join(pair.root, "madrid.backup")
    home.godwit("site", "backup", file)
    old = fingerprint(dr, "madrid")
    home.kill_site()
    shutil.rmtree(home.state)
    os.unlink(home.image())
    dr.until("madrid is silent", lambda s: not s["sites"]["madrid"]["reachable"])
    dr.godwit("failover", "shop", "--confirm-site-down", "madrid")
    plan.until_acknowledged("lisbon")

    home.start(init=True)
    new = fingerprint(home, "madrid")
    home.godwit("site", "restore", file, "--yes")
    wait_for("madrid to be who it was",
             lambda: fingerprint(home, "madrid") == old, retry=(ConnectionError, FileNotFoundError))
    assert new != old
    until_compared(home)
    assert home.until("its disks are known to be gone", lambda s: s["active"] == "lisbon")
    assert not plan.service_runs("madrid")
    code = home.godwit("site", "pair").json["code"]
    run = dr.godwit("site", "replace", "madrid", "--code", code, "--link", home.link, "--yes").json["run"]
    assert run["state"] == "DONE", run
    pair.until_phase("READY_TO_FAIL_BACK", "PROTECTED_SWAPPED")
    assert dr.godwit("failback", "shop").json["run"]["state"] == "DONE"
    pair.check_serves_at(home)


# ---- a catalog that is lost --------------------------------------------------------------------

@pytest.mark.parametrize("how", ["missing", "damaged"])
def test_a_lost_catalog_is_made_anew_under_a_service_that_goes_on(manual, how):
    pair = manual.protected()
    home, dr, plan = pair.home, pair.dr, pair.plan
    source = home.unit_pid()
    home.stop()
    lose_catalog(home)
    if how == "damaged":
        with open(os.path.join(home.state, "catalog.db"), "wb") as f:
            f.write(b"SQLite format 3\0" + b"\0" * 5000)
    for options in ((), ("--init",)):
        said = fails_to_start(home, *options)
        assert "--rebuild" in said and "--restore" in said, said
    plan.until_acknowledged("madrid")

    home.start(False, "--rebuild")
    until_compared(home)
    pair.until_phase("PROTECTED")
    assert home.unit_pid() == source, "the source is still the process that it was"
    pair.check_serves_at(home)
    if how == "damaged":
        assert glob.glob(os.path.join(home.state, "catalog.db.damaged-1"))
    # Its memory is worth as much as before.
    home.restart()
    pair.swapped()
    assert dr.godwit("failback", "shop").json["run"]["state"] == "DONE"
    pair.check_history()


def test_a_standby_that_lost_its_catalog_stands_by_again(manual):
    pair = manual.protected()
    pair.dr.stop()
    pair.dr.kill_data_plane()
    lose_catalog(pair.dr)
    pair.dr.start(False, "--rebuild")
    until_compared(pair.dr)
    pair.until_phase("PROTECTED")
    pair.swapped()


def test_fenced_as_long_as_nobody_can_be_asked(manual):
    """The other site is away: what happened meanwhile only it knows. The data plane goes on; nothing is
    decided. Once it answers, the fence falls."""
    pair = manual.protected(proxies=True)
    home, dr, plan = pair.home, pair.dr, pair.plan
    home.stop()
    lose_catalog(home)
    pair.cut()
    home.start(False, "--rebuild")
    until_event(home, "site.fenced")
    plan.until_acknowledged("madrid")
    assert home.get("plans")["plans"] == []
    home.godwit("plan", "apply", "-f", plan.file, code=FAILED)
    home.restart()  # it is not forgotten
    home.godwit("plan", "apply", "-f", plan.file, code=FAILED)
    pair.restore()
    until_compared(home)
    pair.until_phase("PROTECTED")
    pair.check_serves_at(home)


def test_a_home_that_was_deposed_and_lost_its_memory_does_not_serve(manual):
    """Home dies with all of its processes, dr takes over; home comes back without a catalog. Its plan
    directory says active, and is older than the world."""
    pair = manual.protected()
    home, dr, plan = pair.home, pair.dr, pair.plan
    home.kill_site()
    dr.until("madrid is silent", lambda s: not s["sites"]["madrid"]["reachable"])
    dr.godwit("failover", "shop", "--confirm-site-down", "madrid")
    plan.until_acknowledged("lisbon")
    lose_catalog(home)
    home.start(False, "--rebuild")
    until_compared(home)
    s = home.until("lisbon is known as active", lambda s: s["active"] == "lisbon")
    assert "reverse" in s["sites"]["madrid"]["fenced"], s["sites"]
    assert home.unit_pid() == 0 and not plan.service_runs("madrid")
    plan.until_acknowledged("lisbon")
    run = dr.begin("reverse", "shop")
    s = dr.until("a tail waits, or none is there",
                 lambda s: s["divergence"] is not None or s["run"] is None)
    if s["divergence"] is not None:
        home.godwit("divergence", "sign", "shop", "--by", "eva")
    assert dr.until_run(run)["state"] == "DONE"
    pair.until_phase("READY_TO_FAIL_BACK", "PROTECTED_SWAPPED")
    assert dr.godwit("failback", "shop").json["run"]["state"] == "DONE"
    pair.check_serves_at(home)


@pytest.mark.parametrize("who", ["madrid", "lisbon"])
def test_a_run_goes_on_with_a_site_that_lost_its_memory(manual, who):
    """In the middle of a switchover a site dies and loses its catalog: the one that coordinates, or the
    other. The run is gone on with from the other's copy of its log."""
    pair = manual.protected()
    home, dr, plan = pair.home, pair.dr, pair.plan
    loser = home if who == "madrid" else dr
    if who == "madrid":
        home.trial("quiesce.after_record", "kill")
        run = home.begin("switchover", "shop")
        home.wait_dead()
    else:
        gate = home.trial("quiesce.after_record", "wait")
        run = home.begin("switchover", "shop")
        gate.wait_reached()
        dr.kill()
    lose_catalog(loser)
    for path in glob.glob(os.path.join(loser.trials, "*")):
        os.unlink(path)
    loser.start(False, "--rebuild")
    until_compared(loser)
    if who == "lisbon":
        gate.open()
    assert dr.until_run(run)["state"] in ("DONE", "REVERTED")
    pair.check_once(run, "handover", "notify")
    active = dr if dr.run(run)["state"] == "DONE" else home
    pair.check_serves_at(active)
    pair.check_history()
