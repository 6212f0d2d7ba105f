# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""Procedure: the workload does not become healthy at home after the handover."""
from daemons import manual  # noqa: F401

QUICK = {"health": {"within": "1500ms"}}


def test_unhealthy_at_home_halts_for_a_person(manual):
    """on_unhealthy: halt, the default. The choices are listed; once it is green, retry goes on."""
    pair = manual.swapped(**QUICK)
    pair.plan.red("madrid")
    run = pair.dr.begin("failback", "shop")
    halted = pair.home.until_run(run, "HALTED")
    choices = {c["choice"] for c in halted["choices"]}
    assert {"retry", "skip", "abort"} <= choices and "revert" not in choices, halted
    s = pair.home.until_phase("HALTED")
    assert s["status"] == "FAILED"
    pair.plan.red("madrid", False)
    pair.home.godwit("run", "retry", run)
    assert pair.home.run(run)["state"] == "DONE"
    pair.check_serves_at(pair.home)
    pair.check_history()


def test_unhealthy_at_home_returns_by_itself(manual):
    """on_unhealthy: return. A new run with its own token brings service back to DR; what home
    acknowledged meanwhile is there."""
    pair = manual.swapped(failback={"approvals": 0, "on_unhealthy": "return"}, **QUICK)
    pair.plan.red("madrid")
    run = pair.dr.begin("failback", "shop")
    assert pair.home.until_run(run)["state"] == "FAILED"
    pair.dr.until("service to be back at lisbon", lambda s: s["active"] == "lisbon")
    pair.until_phase("READY_TO_FAIL_BACK")
    pair.check_serves_at(pair.dr)
    assert not pair.plan.service_runs("madrid")
    pair.plan.red("madrid", False)
    pair.check_history()
