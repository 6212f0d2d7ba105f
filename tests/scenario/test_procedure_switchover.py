# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""Procedure: planned switchover and failback. Both sites are up; nothing is lost."""
import json

from daemons import OK, REFUSED, manual  # noqa: F401


def test_protect_switch_over_and_come_home(manual):
    pair = manual.applied()
    home, dr, plan = pair.home, pair.dr, pair.plan
    assert home.status()["phase"] == "DEFINED"

    # Protect: both sides are made, the service starts, the standby is seeded.
    home.godwit("plan", "activate", "shop")
    pair.until_phase("PROTECTED")
    s = home.status()
    assert (s["status"], s["active"], s["epoch"]) == ("ACTIVE", "madrid", 1)
    pair.check_serves_at(home)

    # Look ahead, change nothing.
    forecast = home.godwit("forecast", "shop").json
    assert "madrid -> lisbon" in forecast["direction"], forecast
    before = [c for c in plan.ledger.calls() if c[1] in ("start", "stop")]
    run = home.godwit("switchover", "shop", "--dry-run").json["run"]
    assert run["mode"] == "dry-run" and run["state"] == "DONE"
    assert before == [c for c in plan.ledger.calls() if c[1] in ("start", "stop")]
    pair.check_serves_at(home)

    # Move.
    run = home.godwit("switchover", "shop").json["run"]
    assert run["state"] == "DONE"
    assert all(step["state"] == "done" for step in run["steps"]), run
    pair.until_phase("PROTECTED_SWAPPED", "READY_TO_FAIL_BACK")
    pair.check_serves_at(dr)
    s = dr.status()
    assert (s["active"], s["epoch"]) == ("lisbon", 2)
    assert not plan.ledger.lost()

    # Come home.
    pair.until_phase("READY_TO_FAIL_BACK")
    run = dr.godwit("failback", "shop").json["run"]
    assert run["state"] == "DONE" and run["coordinator"] == "madrid"
    pair.until_phase("PROTECTED")
    pair.check_serves_at(home)
    pair.check_once(run["id"], "handover", "notify")
    pair.check_history()


def test_the_evidence_says_when_and_how_long(manual):
    pair = manual.swapped()
    run = pair.dr.begin("failback", "shop")
    pair.home.until_run(run, "DONE")
    with open("%s/evidence/%s.json" % (pair.home.state, run)) as f:
        kept = json.load(f)
    times = kept["timestamps"]
    order = ["created", "started", "stopped", "quiesced", "equal", "released", "promoted",
             "serving", "started_services", "verified", "routed", "reprotected"]
    stamps = [times[name]["wall_ns"] for name in order]
    assert stamps == sorted(stamps), times
    assert 0 < kept["measured"]["outage_ms"] < 60000
    # What the service itself saw between its last record there and its first here.
    old, new = pair.plan.ledger.instances()[-2:]
    assert (old.site, new.site) == ("lisbon", "madrid")
    outage_ms = (new.first_sent - old.last_acked) / 1e6
    assert outage_ms <= kept["measured"]["outage_ms"] + 1000, kept["measured"]
    # Both sites have the same log, entry by entry.
    logs = [[(e["seq"], e["hash"]) for e in s.log(run)] for s in pair.sites]
    n = min(map(len, logs))
    assert logs[0][:n] == logs[1][:n] and n > 20


def test_both_sites_are_compared_while_in_use(manual):
    """Asked at either; it says what it did when it is through."""
    pair = manual.protected()
    for site in pair.sites:
        v = site.godwit("verify", "shop").json["verify"]
        assert v["done"] and v["total_bytes"] == v["checked_bytes"] == pair.plan.bytes, v
        assert v["differing_blocks"] == 0 and v["seconds"] > 0, v
    pair.check_serves_at(pair.home)


def test_a_forecast_says_what_it_goes_by(manual):
    pair = manual.protected()
    before = pair.home.get("plans/shop/forecast?to=lisbon")
    assert (before["outage"]["basis"], before["outage"]["runs"]) == ("targets", 0), before
    assert any("target times: nothing was measured yet" in s for s in before["sentences"]), before
    pair.swapped()
    pair.dr.godwit("failback", "shop")
    pair.until_phase("PROTECTED")
    after = pair.home.get("plans/shop/forecast?to=lisbon")["outage"]
    assert after["runs"] == 1 and after["basis"] in ("history", "both"), after


def test_asked_at_either_site_done_where_it_belongs(manual):
    pair = manual.protected()
    run = pair.dr.godwit("switchover", "shop").json["run"]  # asked at the standby
    assert run["state"] == "DONE" and run["old_site"] == "madrid"
    pair.until_phase("READY_TO_FAIL_BACK")
    pair.check_serves_at(pair.dr)


def test_what_makes_no_sense_is_refused_with_the_way_out(manual):
    pair = manual.protected()
    for words in (("failback", "shop"), ("revert", "shop"), ("commit", "shop")):
        answer = pair.home.godwit(*words, code=REFUSED)
        assert "guard" in answer.out + answer.err, answer
    answer = pair.dr.godwit("reverse", "shop", code=REFUSED)  # it goes the right way already
    assert "lisbon follows madrid already" in answer.out + answer.err, answer
    assert "godwit switchover shop" in answer.out + answer.err, answer
    assert not pair.home.get("runs?plan=shop&unfinished=true")["runs"]
    pair.check_serves_at(pair.home)
    assert pair.home.godwit("plan", "activate", "shop", code=None).code != OK
