# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""Procedure: change a plan. While a run is on it keeps the plan that it began with; while the other
site cannot be reached nothing is changed."""
from daemons import manual  # noqa: F401


def apply(pair, code=0, **changes):
    document = pair.plan.document(pair.home, pair.dr, **changes)
    return pair.home.godwit("plan", "apply", "-f", pair.plan.write(document), code=code)


def test_a_run_keeps_the_plan_that_it_began_with(manual):
    pair = manual.protected()
    gate = pair.home.trial("stop.after_record", "wait")
    run = pair.home.begin("switchover", "shop")
    gate.wait_reached()
    before = pair.home.run(run)["plan_hash"]
    # The new version starts with something that does not exist.
    answer = apply(pair, code=None, instance={"start": ["/nonexistent"]})
    gate.open()
    pair.dr.until_run(run, "DONE")
    assert pair.dr.run(run)["plan_hash"] == before
    pair.check_serves_at(pair.dr)
    if answer.code == 0:
        assert pair.home.get("plans/shop")["version"] == 2


def test_an_edit_reaches_both_sites_or_none(manual):
    pair = manual.protected(proxies=True)
    apply(pair, rpo="31s")
    for site in pair.sites:
        assert site.status()["version"] == 2 and site.status()["rpo_seconds"] == 31
    pair.cut()
    pair.home.until("lisbon is silent", lambda s: not s["sites"]["lisbon"]["reachable"])
    answer = apply(pair, code=None, rpo="32s")
    assert answer.code != 0 and "does not answer" in answer.err, answer
    assert all(s.status()["version"] == 2 for s in pair.sites)
    pair.plan.until_acknowledged("madrid")  # service does not depend on it
    pair.restore()
    pair.until_phase("PROTECTED")
    apply(pair, rpo="33s")
    assert all(s.status()["rpo_seconds"] == 33 for s in pair.sites)
    pair.check_history()


def test_a_plan_is_edited_where_it_is_active(manual):
    pair = manual.protected()
    document = pair.plan.document(pair.home, pair.dr, rpo="40s")
    answer = pair.dr.godwit("plan", "apply", "-f", pair.plan.write(document), code=None)
    assert answer.code != 0 and "madrid" in answer.err, answer
    assert pair.home.status()["version"] == 1
