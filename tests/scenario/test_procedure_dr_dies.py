# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""Procedure: the DR site dies in the middle of a failback, or home dies again while it is brought up
to date. The run gives way to a failover."""
import pytest

from daemons import manual, torture  # noqa: F401


def dr_dies(pair, moment):
    """... at that moment of a failback. Nothing of it can be asked any more. The run."""
    gate = pair.dr.trial(moment, "wait")
    run = pair.dr.begin("failback", "shop")
    gate.wait_reached()
    pair.cut()
    pair.dr.kill_site()
    gate.open()
    pair.home.until("lisbon is silent", lambda s: not s["sites"]["lisbon"]["reachable"])
    return run


@pytest.mark.parametrize("moment", [
    "equal.after_record",
    pytest.param("stop.before_effect", marks=torture),
])
def test_dr_dies_before_the_release(manual, moment):
    """Home takes over by a person's word. After EQUAL nothing is lost; before it what the loss says."""
    pair = manual.swapped(proxies=True)
    dr_dies(pair, moment)
    taken = pair.home.godwit("failover", "shop", "--confirm-site-down", "lisbon").json["run"]
    assert taken["state"] == "DONE", taken
    pair.plan.until_acknowledged("madrid")
    lost = pair.plan.ledger.lost()
    if moment.startswith("equal"):
        assert not lost

    # dr returns: it learns that it was replaced, in the middle of a failback of its own.
    pair.restore()
    pair.dr.start()
    pair.dr.until("madrid is known as active", lambda s: s["active"] == "madrid")
    run = pair.home.begin("reverse", "shop")
    pair.home.until("the end of the assess", lambda s: s["divergence"] is not None or
                    pair.home.run(run)["state"] == "DONE")
    if pair.home.run(run)["state"] != "DONE":
        pair.dr.until("a tail waits", lambda s: s["divergence"] is not None)
        pair.dr.godwit("divergence", "sign", "shop", "--by", "eva")
    pair.home.until_run(run, "DONE")
    pair.until_phase("PROTECTED")
    pair.check_serves_at(pair.home)
    pair.check_history(lost)


@torture
def test_home_dies_again_while_it_is_brought_up_to_date(manual):
    """The reverse waits for it, and ends when it is back."""
    pair = manual.protected(proxies=True)
    pair.cut()
    pair.plan.until_acknowledged("madrid", 20)
    pair.home.kill_site()
    pair.dr.until("madrid is silent", lambda s: not s["sites"]["madrid"]["reachable"])
    pair.dr.godwit("failover", "shop", "--confirm-site-down", "madrid")
    pair.plan.until_acknowledged("lisbon")
    lost = pair.plan.ledger.lost()
    pair.restore()
    pair.home.start()
    run = pair.dr.begin("reverse", "shop")
    pair.home.until("a tail waits", lambda s: s["divergence"] is not None)
    pair.home.kill_site()
    pair.dr.until("home is missed", lambda s: s["divergence"] is None)
    pair.plan.until_acknowledged("lisbon")
    pair.home.start()
    for site in (pair.dr, pair.home):
        site.until("the tail waits again", lambda s: s["divergence"] is not None)
    pair.home.godwit("divergence", "sign", "shop", "--by", "eva")
    pair.dr.until_run(run, "DONE")
    pair.until_phase("READY_TO_FAIL_BACK")
    pair.check_serves_at(pair.dr)
    pair.check_history(lost)
