# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""Procedure: the handover is in doubt. The link went between the release and its answer: neither
site serves until that is known, or a person says what is so."""
from daemons import manual, torture  # noqa: F401

REASON = ("--reason", "seen with my own eyes")


def release_and_cut(pair):
    """A failback; dr releases, and the link goes before anybody hears of it. The run."""
    gate = pair.dr.trial("handover.after_effect", "wait")
    run = pair.dr.begin("failback", "shop")
    gate.wait_reached()
    pair.cut()
    gate.open()
    return run


def die_before_the_release(pair):
    """A failback; the daemon of dr dies when the intent to release is durable at both sites, and comes
    back to find that the link has gone. The run."""
    gate = pair.dr.trial("handover.before_effect", "wait")
    run = pair.dr.begin("failback", "shop")
    gate.wait_reached()
    pair.cut()
    pair.dr.kill()
    gate.open()
    pair.dr.start()
    return run


def check_neither_serves(pair):
    assert not pair.plan.service_runs("madrid") and not pair.plan.service_runs("lisbon")


def until_in_doubt(site):
    s = site.until_phase("HANDOVER_IN_DOUBT")
    assert s["status"] == "FAILED" and s["next"], s
    return s


def test_released_and_the_link_returns(manual):
    """The new site learns from the old one that it was released, and goes on."""
    pair = manual.swapped(proxies=True)
    run = release_and_cut(pair)
    until_in_doubt(pair.home)
    check_neither_serves(pair)
    pair.restore()
    pair.home.until_run(run, "DONE")
    pair.check_serves_at(pair.home)
    pair.check_once(run, "handover")
    pair.check_history()


@torture
def test_not_released_and_the_link_returns(manual):
    """The old daemon dies just before the release; it returns, alone: no service before the new site
    has heard that there was no release. Then service is back where it was."""
    pair = manual.swapped(proxies=True)
    run = die_before_the_release(pair)
    until_in_doubt(pair.dr)
    until_in_doubt(pair.home)
    check_neither_serves(pair)
    pair.restore()
    assert pair.dr.until_run(run)["state"] in ("REVERTED", "FAILED", "CANCELLED")
    pair.check_serves_at(pair.dr)
    pair.check_once(run, "handover")
    pair.until_phase("READY_TO_FAIL_BACK")
    pair.check_history()


@torture
def test_a_person_decides_at_the_new_site(manual):
    """override at home, on the word that dr will not serve: nothing is lost, for both were equal. dr
    obeys when it is heard of again."""
    pair = manual.swapped(proxies=True)
    run = release_and_cut(pair)
    until_in_doubt(pair.home)
    pair.home.godwit("run", "override", run, *REASON, "--no-wait")
    pair.plan.until_acknowledged("madrid")
    assert not pair.plan.service_runs("lisbon")
    pair.restore()
    pair.home.until_run(run, "DONE")
    pair.check_serves_at(pair.home)
    audit = pair.home.godwit("audit", "show").json["audit"]
    assert any(e["action"] == "override" and e["detail"]["reason"] == REASON[1] for e in audit)
    pair.check_history()


def test_a_person_decides_at_the_old_site(manual):
    """override at dr before any release, on the word that home will not take over: service returns to
    dr at once, and home agrees when it is heard of again."""
    pair = manual.swapped(proxies=True)
    run = die_before_the_release(pair)
    until_in_doubt(pair.dr)
    pair.dr.godwit("run", "override", run, *REASON, "--no-wait")
    pair.plan.until_acknowledged("lisbon")
    pair.restore()
    pair.dr.until_run(run)
    pair.home.until_run(run)
    pair.check_serves_at(pair.dr)
    pair.until_phase("READY_TO_FAIL_BACK")
    pair.check_history()
