# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""Procedure: a hook before the failback fails, hangs, or never ends what it has to say."""
from daemons import manual, torture  # noqa: F401


def with_hook(pair, word, timeout="60s"):
    """A plan whose pre_failback hook gets this trouble at dr."""
    hook = {"exec": pair.plan.app("hook", "pre_failback"), "timeout": timeout}
    pair.apply(group={"hooks": {"pre_failback": [hook]}})
    pair.activate()
    pair.swapped()
    pair.plan.trouble("lisbon", "hook", word)
    return pair


def test_a_hook_that_fails_stops_the_failback(manual):
    pair = with_hook(manual.pair(), "fail")
    run = pair.dr.begin("failback", "shop")
    ended = pair.dr.until_run(run)
    assert ended["state"] in ("FAILED", "REVERTED") and "told to fail" in str(ended), ended
    pair.check_serves_at(pair.dr)
    assert len([c for c in pair.plan.ledger.calls() if c[1] == "hook"]) == 1  # once


def test_a_hook_that_hangs_is_ended(manual):
    pair = with_hook(manual.pair(), "hang", timeout="1s")
    run = pair.dr.begin("failback", "shop")
    ended = pair.dr.until_run(run, "FAILED", "REVERTED", "HALTED")
    pair.check_serves_at(pair.dr)
    assert "time" in str(ended["sentence"]), ended["sentence"]
    assert len([c for c in pair.plan.ledger.calls() if c[1] == "hook"]) == 1


@torture
def test_a_hook_that_writes_megabytes_harms_nobody(manual):
    pair = with_hook(manual.pair(), "flood")
    run = pair.dr.begin("failback", "shop")
    pair.home.until_run(run, "DONE")
    assert len(str(pair.home.log(run))) < 200000
    pair.check_serves_at(pair.home)
