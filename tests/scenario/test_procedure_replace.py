# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""Procedure: home is lost for good. New hardware takes its name, is seeded in full, and service comes
home to it."""
import os
import shutil

from daemons import FAILED, REFUSED, manual  # noqa: F401


def lose_home_for_good(pair):
    """The machine burns: processes, state directory and disks."""
    pair.home.kill_site()
    shutil.rmtree(pair.home.state)
    os.unlink(pair.home.image())
    pair.dr.until("madrid is silent", lambda s: not s["sites"]["madrid"]["reachable"])


def fail_over(pair):
    run = pair.dr.godwit("failover", "shop", "--confirm-site-down", "madrid").json["run"]
    assert run["state"] == "DONE", run
    pair.plan.until_acknowledged("lisbon")


def new_hardware(site):
    """Another machine, under the old name: another identity, nothing in its state directory."""
    site.start(init=True)
    return site.godwit("site", "pair").json["code"]


def fingerprint(at, of):
    return {s["site"]: s["fingerprint"] for s in at.get("sites")["sites"]}[of]


def come_home(pair):
    pair.until_phase("READY_TO_FAIL_BACK")
    run = pair.dr.godwit("failback", "shop").json["run"]
    assert run["state"] == "DONE", run
    pair.until_phase("PROTECTED")
    pair.check_serves_at(pair.home)


def test_a_lost_home_is_replaced_and_service_comes_home(manual):
    pair = manual.protected()
    home, dr, plan = pair.home, pair.dr, pair.plan
    old = fingerprint(dr, "madrid")
    first = dr.get("runs?plan=shop")["runs"]
    lose_home_for_good(pair)
    fail_over(pair)

    code = new_hardware(home)
    served = plan.ledger.count("lisbon")
    run = dr.godwit("site", "replace", "madrid", "--code", code, "--link", home.link, "--yes").json["run"]
    assert (run["operation"], run["state"]) == ("reverse", "DONE"), run

    # The old certificate is believed no more; the service at lisbon did not notice.
    assert fingerprint(dr, "madrid") == fingerprint(home, "madrid") != old
    plan.until_acknowledged("lisbon", plan.ledger.count("lisbon") - served)
    assert not plan.service_runs("madrid")
    assert home.status()["active"] == "lisbon"
    # What was recorded of the time before is still there.
    kept = {r["id"] for r in dr.get("runs?plan=shop")["runs"]}
    assert {r["id"] for r in first} < kept
    assert any(e["action"] == "site-replace" for e in dr.get("audit")["audit"])
    come_home(pair)
    pair.check_history(plan.ledger.lost())


def test_a_code_of_the_survivor_does_the_same(manual):
    pair = manual.protected()
    lose_home_for_good(pair)
    fail_over(pair)
    offer = pair.dr.godwit("site", "replace", "madrid", "--yes").json
    pair.home.start(init=True)
    pair.home.godwit("site", "pair", offer["code"], offer["link"])
    pair.dr.until("the seed to begin", lambda s: s["phase"] != "FAILED_OVER")
    seeding = next(r for r in pair.dr.get("runs?plan=shop")["runs"] if r["operation"] == "reverse")
    assert pair.dr.until_run(seeding["id"])["state"] == "DONE"
    come_home(pair)


def test_who_lost_the_active_side_fails_over_first(manual):
    """The surviving site only stands by: to seed the new one from it would be to decide that alone."""
    pair = manual.protected()
    lose_home_for_good(pair)
    old = fingerprint(pair.dr, "madrid")
    code = new_hardware(pair.home)
    answer = pair.dr.godwit("site", "replace", "madrid", "--code", code, "--link", pair.home.link,
                            "--yes", code=REFUSED)
    assert "failover" in answer.out + answer.err, answer
    assert fingerprint(pair.dr, "madrid") == old
    assert {s["site"] for s in pair.home.get("sites")["sites"]} == {"madrid"}
    # And the other way round: no code that would replace it is given out either.
    pair.dr.godwit("site", "replace", "madrid", "--yes", code=REFUSED)


def test_a_code_of_another_site_replaces_nothing(manual):
    pair = manual.protected()
    lose_home_for_good(pair)
    fail_over(pair)
    old = fingerprint(pair.dr, "madrid")
    porto = manual.third_site(pair, "porto")
    code = porto.godwit("site", "pair").json["code"]
    answer = pair.dr.godwit("site", "replace", "madrid", "--code", code, "--link", porto.link, "--yes",
                            code=FAILED)
    assert "porto" in answer.out + answer.err
    assert fingerprint(pair.dr, "madrid") == old
    assert {s["site"] for s in pair.dr.get("sites")["sites"]} == {"madrid", "lisbon"}


def test_a_lost_standby_is_replaced_under_a_service_that_goes_on(manual):
    """Home serves and lives; the machine at dr burns. Clients at home notice nothing."""
    pair = manual.protected()
    home, dr, plan = pair.home, pair.dr, pair.plan
    source = home.unit_pid()
    dr.kill_site()
    shutil.rmtree(dr.state)
    os.unlink(dr.image())
    home.until("lisbon is silent", lambda s: not s["sites"]["lisbon"]["reachable"])
    code = new_hardware(dr)
    run = home.godwit("site", "replace", "lisbon", "--code", code, "--link", dr.link, "--yes").json["run"]
    assert run["state"] == "DONE", run
    pair.until_phase("PROTECTED")
    assert home.unit_pid() == source, "the source is still the process that it was"
    plan.until_acknowledged("madrid")
    plan.ledger.check_never_two()
    pair.swapped()
