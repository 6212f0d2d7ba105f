# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""Procedure: home hangs, or its line is dead: nothing answers, and nothing refuses."""
import os
import signal

from daemons import manual, wait_for  # noqa: F401


def test_failover_does_not_wait_for_a_silent_site(manual):
    """Each call of a silent site takes its whole time-out; a run makes three a step."""
    pair = manual.protected()
    home, dr, plan = pair.home, pair.dr, pair.plan
    plan.kill_service(home.name)
    stopped = [home.program.pid, home.unit_pid()]
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        wait_for("lisbon to notice", lambda: any(
            s["health"] == "UNREACHABLE" for s in dr.get("sites")["sites"]))
        run = dr.godwit("failover", "shop", "--confirm-site-down", "madrid").json["run"]
        assert run["state"] == "DONE"
        log = dr.log(run["id"])
        effects_s = sum(e["took_ns"] for e in log) / 1e9
        whole_s = (log[-1]["wall_ns"] - log[0]["wall_ns"]) / 1e9
        # One call that times out is 5 s at the least.
        assert whole_s - effects_s < 5, (whole_s, effects_s)
        assert [e for e in log if e["kind"] == "alone"], log  # and the evidence says so
        plan.until_acknowledged(dr.name)
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
