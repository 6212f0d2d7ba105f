# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""Procedure: pair two sites, and see that they can work together."""
from daemons import FAILED, manual  # noqa: F401


def test_two_sites_meet_by_a_one_time_code(manual):
    """godwit site pair at one site makes a code, at the other uses it; then both know each other."""
    pair = manual.pair()
    for site in pair.sites:
        known = {s["site"]: s for s in site.get("sites")["sites"]}
        assert set(known) == {"madrid", "lisbon"}
        assert all(s["health"] == "HEALTHY" for s in known.values())
    # Each has pinned just the certificate that the other one shows.
    shown = {s.name: {x["site"]: x["fingerprint"] for x in s.get("sites")["sites"]}
             for s in pair.sites}
    assert shown["madrid"] == shown["lisbon"]


def test_a_code_is_good_for_one_site_and_only_if_it_is_right(manual):
    pair = manual.pair()
    stranger = manual.third_site(pair, "porto")
    code = pair.home.godwit("site", "pair").json["code"]
    wrong = code[:-1] + ("A" if code[-1] != "A" else "B")
    pair.dr.godwit("site", "pair", wrong, pair.home.link, code=FAILED)
    pair.dr.godwit("site", "pair", code, pair.home.link)
    pair.dr.godwit("site", "pair", code, pair.home.link)  # its answer might have been lost
    stranger.godwit("site", "pair", code, pair.home.link, code=FAILED)
    assert {s["site"] for s in pair.home.get("sites")["sites"]} == {"madrid", "lisbon"}
    assert {s["site"] for s in stranger.get("sites")["sites"]} == {"porto"}


def failed_layers(answer):
    """The first failing one of each way, as "way: layer"; what was not tried after it is skipped."""
    return ["%s: %s" % (row["way"], row["layer"]) for row in answer.json["layers"]
            if row["state"] == "failed"]


def test_each_layer_of_the_link_is_tried(manual):
    """godwit site test: name, route, port, TLS, version; round trip, clock and throughput."""
    pair = manual.pair(proxies=True)
    answer = pair.home.godwit("site", "test", "lisbon", code=None)
    tried = {row["layer"] for row in answer.json["layers"] if row["way"] == "madrid > lisbon link"}
    assert {"name", "route", "port", "tls", "certificate", "version", "clock"} <= tried
    assert not failed_layers(answer)
    assert answer.json["rtt_ms"] < 1000 and abs(answer.json["clock_offset_ms"]) < 1000
    assert answer.json["throughput_bytes"] > 0


def test_a_data_port_behind_a_wall_is_named(manual):
    """The link works, the data port does not: the day-one trap."""
    pair = manual.pair(proxies=True)
    pair.proxies[3].cut()  # lisbon's data port
    answer = pair.home.godwit("site", "test", "lisbon", code=FAILED)
    assert failed_layers(answer) == ["madrid > lisbon data: tls"], answer
    pair.cut()
    answer = pair.home.godwit("site", "test", "lisbon", code=FAILED)
    assert "madrid > lisbon link: tls" in failed_layers(answer), answer
