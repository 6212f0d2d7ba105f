# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""Procedure: home is lost. DR takes over; home returns fenced, is brought up to date, and service
comes home. What was lost is itemised and signed."""
import fcntl
import json
import os
import subprocess

from daemons import APP, REFUSED, fresh_port, manual, manual_with_clones, torture, wait_for  # noqa: F401

DEADLINE_S = 60


def lose_home(pair, records=20):
    """The link goes first, so that records are acknowledged that dr never gets; then the power."""
    pair.cut()
    pair.plan.until_acknowledged("madrid", records)
    pair.home.kill_site()


def fail_over(pair):
    pair.dr.until("madrid is silent", lambda s: not s["sites"]["madrid"]["reachable"])
    run = pair.dr.godwit("failover", "shop", "--confirm-site-down", "madrid").json["run"]
    assert run["state"] == "DONE", run
    return run


def bring_home_back(pair):
    """Its machine is repaired; it comes up, and must not serve."""
    pair.restore()
    pair.home.start()
    pair.home.until("lisbon is known as active", lambda s: s["active"] == "lisbon")


def test_home_is_lost_returns_fenced_and_service_comes_home(manual):
    pair = manual.protected(proxies=True)
    home, dr, plan = pair.home, pair.dr, pair.plan
    lose_home(pair)

    # Without somebody's word that home is down nothing happens.
    answer = dr.godwit("failover", "shop", code=REFUSED)
    assert "--confirm-site-down" in answer.out
    assert not plan.service_runs("lisbon")

    # Take over.
    run = fail_over(pair)
    s = dr.until_phase("FAILED_OVER")
    assert (s["active"], s["committed"]) == ("lisbon", False)
    plan.until_acknowledged("lisbon")
    assert plan.route() == "lisbon"
    steps = {step["step"]: step for step in run["steps"]}
    assert steps["revoke"]["evidence"]["enforcement"] == "a person's word"
    lost = plan.ledger.lost()
    assert len(lost) >= 20

    # Home returns, and does not serve.
    before = plan.ledger.count("madrid")
    bring_home_back(pair)
    assert not plan.service_runs("madrid") and plan.ledger.count("madrid") == before

    # Reverse: the tail is itemised, and waits for a signature.
    run = dr.begin("reverse", "shop")
    s = home.until("a tail waits", lambda s: s["divergence"] is not None)
    # All lost records; where volumes cannot be cloned (no reflinks) it may be more than these.
    assert s["divergence"]["blocks"] >= len(lost), s["divergence"]
    assert dr.run(run)["state"] == "WAITING"
    assert s["phase"] == "REVERSE_SYNC"
    home.godwit("divergence", "sign", "shop", "--by", "eva")
    dr.until_run(run, "DONE")
    kept = json.dumps(home.get("plans/shop/divergence"))
    assert "eva" in kept

    # Come home.
    pair.until_phase("READY_TO_FAIL_BACK")
    assert dr.godwit("failback", "shop").json["run"]["state"] == "DONE"
    pair.until_phase("PROTECTED")
    pair.check_serves_at(home)
    pair.check_history(lost)


def blocks_of_tail(site):
    """The numbers of the blocks that wait for a signature."""
    tail = site.godwit("divergence", "show", "shop", "--ranges", "10000").json
    assert tail["ranges"] and all(r["volume"] == "data" for r in tail["ranges"]), tail
    return {n for r in tail["ranges"]
            for n in range(r["offset"] // 4096, (r["offset"] + r["bytes"]) // 4096)}


def test_the_tail_is_exactly_what_was_lost(manual_with_clones):
    """Block by block, where the file system can keep the state at the fork; to be skipped without."""
    pair = manual_with_clones.protected(proxies=True)
    lose_home(pair)
    fail_over(pair)
    pair.plan.until_acknowledged("lisbon", 40)  # it writes over what home had written
    lost = pair.plan.ledger.lost()
    bring_home_back(pair)
    run = pair.dr.begin("reverse", "shop")
    pair.home.until("a tail waits", lambda s: s["divergence"] is not None)
    tail = blocks_of_tail(pair.home)
    # One more may have been under way when the power went.
    assert lost <= tail and len(tail) <= len(lost) + 1, (len(lost), len(tail))
    pair.home.godwit("divergence", "sign", "shop", "--by", "eva")
    pair.dr.until_run(run, "DONE")
    pair.until_phase("READY_TO_FAIL_BACK")
    pair.check_history(lost)


def test_the_tail_can_be_signed_as_soon_as_it_is_counted(manual):
    """The replica's own word counts, not what the other daemon said of it last, or never said."""
    pair = manual.protected(proxies=True)
    lose_home(pair, records=5)
    fail_over(pair)
    bring_home_back(pair)
    run = pair.dr.begin("reverse", "shop")
    wait_for("the tail to be counted", lambda: pair.home.ask_data_plane("tail").get("complete"))
    pair.dr.kill()
    pair.home.until("lisbon is silent", lambda s: not s["sites"]["lisbon"]["reachable"])
    pair.home.godwit("divergence", "sign", "shop", "--by", "eva")
    pair.dr.start()
    pair.dr.until_run(run, "DONE")


@torture
def test_a_clean_loss_has_no_tail(manual_with_clones):
    """Nothing is written any more when home dies: nothing is lost, and nobody has to sign."""
    pair = manual_with_clones.protected(proxies=True)
    pair.plan.kill_service("madrid")
    pair.home.until("all of it is at lisbon", lambda s: s["lag_bytes"] == 0)
    pair.home.kill_site()
    pair.cut()
    fail_over(pair)
    pair.plan.until_acknowledged("lisbon")
    assert not pair.plan.ledger.lost()
    bring_home_back(pair)
    assert pair.dr.godwit("reverse", "shop").json["run"]["state"] == "DONE"
    pair.until_phase("READY_TO_FAIL_BACK")
    pair.check_history()


def test_home_lives_and_is_told_to_stop(manual):
    """A failover while home answers: it fences itself first, so that no two serve."""
    pair = manual.protected()
    run = pair.dr.godwit("failover", "shop", "--confirm-site-down", "madrid", code=None)
    if run.code == REFUSED:
        assert "switchover" in run.out, run
        return
    assert run.json["run"]["state"] == "DONE", run
    steps = {step["step"]: step for step in run.json["run"]["steps"]}
    assert steps["revoke"]["evidence"]["enforcement"] == "the old site fenced itself"
    pair.plan.until_acknowledged("lisbon")
    assert not pair.plan.service_runs("madrid")
    pair.plan.ledger.check_never_two()


def test_a_failover_is_reverted(manual):
    """Nobody was routed to dr yet: service goes back to home, which had fenced itself."""
    pair = manual.protected(routes=[])
    pair.settle_writer()
    pair.dr.godwit("failover", "shop", "--confirm-site-down", "madrid")
    pair.plan.until_acknowledged("lisbon")
    assert pair.dr.godwit("revert", "shop").json["run"]["state"] == "DONE"
    pair.check_serves_at(pair.home, status="DEGRADED")
    assert pair.home.status()["epoch"] == 3
    lost = pair.plan.ledger.lost()
    assert lost, "what dr acknowledged is not at home"
    run = pair.home.begin("reverse", "shop")
    pair.dr.until("a tail waits", lambda s: s["divergence"] is not None)
    pair.dr.godwit("divergence", "sign", "shop", "--by", "eva")
    pair.home.until_run(run, "DONE")
    pair.until_phase("PROTECTED")
    pair.check_history(lost)


@torture
def test_nobody_serves_at_a_fenced_site_by_hand(manual):
    """Somebody starts the service at the returned home: no write of it is acknowledged."""
    pair = manual.protected(proxies=True)
    lose_home(pair, records=5)
    fail_over(pair)
    bring_home_back(pair)
    before = pair.plan.ledger.count("madrid")
    by_hand = subprocess.Popen(
        [APP, pair.plan.dir, str(fresh_port()), "start"], stdin=subprocess.DEVNULL,
        env={**os.environ, "GODWIT_SITE": "madrid", "GODWIT_VOLUME_data_SOCKET":
             os.path.join(pair.home.state, "run", "shop.nbd")})
    pair.plan.until_acknowledged("lisbon", 100)
    assert pair.plan.ledger.count("madrid") == before
    pair.plan.kill_service("madrid")
    by_hand.wait(DEADLINE_S)
    pair.plan.ledger.check_never_two()


def test_a_service_that_somebody_started_at_the_standby_is_seen(manual):
    """It has no volume of the plan. Both sites say where it is and what to do, and that it is gone."""
    pair = manual.protected()
    with open(os.path.join(pair.plan.dir, "lock.lisbon"), "w") as by_hand:
        fcntl.flock(by_hand, fcntl.LOCK_EX)  # its status command says: it runs
        for site in pair.sites:
            s = site.until_phase("HALTED")
            assert "runs at lisbon too" in s["sentence"] and "stop it at lisbon" in s["next"], s
            assert s["active"] == "madrid"
    pair.until_phase("PROTECTED")
    pair.check_serves_at(pair.home)


@torture
def test_roles_stay_after_adopt(manual):
    """adopt: the DR site becomes home, and the old home its DR site."""
    pair = manual.protected(proxies=True)
    lose_home(pair, records=5)
    fail_over(pair)
    bring_home_back(pair)
    run = pair.dr.begin("reverse", "shop")
    pair.home.until("a tail waits", lambda s: s["divergence"] is not None)
    lost = pair.plan.ledger.lost()
    pair.home.godwit("divergence", "sign", "shop", "--by", "eva")
    pair.dr.until_run(run, "DONE")
    pair.dr.godwit("adopt", "shop")
    pair.until_phase("PROTECTED")
    assert all(s.status()["home"] == "lisbon" for s in pair.sites)
    pair.check_serves_at(pair.dr)
    pair.check_history(lost)
