# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""Procedure: what a failback waits for does not come while its services are stopped."""
import os

import pytest
from daemons import manual  # noqa: F401
from duo import Duo


def intents(site, run, step):
    return [e for e in site.log(run) if e["step"] == step and e["kind"] == "intent"]


def returned(pair, run, state):
    """Service is back where it was, and the steps were begun once."""
    pair.dr.until_run(run, state)
    pair.plan.until_acknowledged("lisbon")
    for step in ("stop", "final_sync", "equal"):
        assert len(intents(pair.dr, run, step)) <= 1, pair.dr.log(run)


def test_the_outage_is_bounded(manual):
    """The link goes after the services are stopped; final_sync alone has two minutes."""
    pair = manual.swapped(proxies=True)
    pair.apply(pair.dr, failback={"approvals": 0, "max_outage": "5s"})
    pair.home.until("the new version", lambda s: s["version"] == pair.dr.status()["version"])
    gate = pair.dr.trial("final_sync.before_effect", "wait")
    run = pair.dr.begin("failback", "shop", "--override", "lag-in-budget", "--reason", "a test")
    gate.wait_reached()
    pair.cut()
    gate.open()
    returned(pair, run, "REVERTED")
    revert = [e for e in pair.dr.log(run) if e["kind"] == "revert"][0]
    assert "for as long as the plan allows" in revert["detail"], revert
    pair.restore()
    pair.home.until_run(run, "REVERTED")
    pair.until_phase("READY_TO_FAIL_BACK")


def test_a_cancel_does_not_wait_for_the_step(manual):
    pair = manual.swapped(proxies=True)
    gate = pair.dr.trial("final_sync.before_effect", "wait")
    run = pair.dr.begin("failback", "shop")
    gate.wait_reached()
    pair.cut()
    gate.open()
    pair.dr.godwit("run", "cancel", run, code=None)  # final_sync would take two minutes
    returned(pair, run, "CANCELLED")


def test_a_cancel_ends_a_stop_that_hangs(manual):
    pair = manual.swapped()
    gate = pair.plan.trouble("lisbon", "stop", "hang")
    run = pair.dr.begin("failback", "shop")
    pair.dr.until("the services are being stopped",
                  lambda _: intents(pair.dr, run, "stop"))
    pair.dr.godwit("run", "cancel", run, code=None)
    returned(pair, run, "CANCELLED")
    gate.open()


HOOK = """#!/bin/bash
echo "$1" >> %(root)s/hooks
sleep 1000
"""


@pytest.mark.parametrize("name", ["post_recover"])
def test_a_hook_that_hangs_is_run_once(name):
    """The step has no retries: its time-out is one, and a person decides."""
    with Duo() as d:
        path = os.path.join(d.root, "hook.sh")
        with open(path, "w", encoding="utf-8") as f:
            f.write(HOOK % {"root": d.root})
        os.chmod(path, 0o755)
        attach = "        attach: {volume: data}\n"
        text = d.plan_text().replace(
            attach, attach + "    hooks:\n      %s: [{exec: [%s, %s], timeout: 1s}]\n"
            % (name, path, name))
        d.apply(text=text)
        d.activate()
        d.b.wait_phase("PROTECTED")
        d.a.cli("switchover", "shop", "--yes", code=1)
        with open(os.path.join(d.root, "hooks"), encoding="utf-8") as f:
            assert f.read().split() == [name]
        assert d.b.status()["phase"] == "HALTED"
