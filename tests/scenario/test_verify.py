# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""Verify finds what differs and a resync mends it; and the peer is healed from the side that has it."""
import pytest
from sites import (BLOCK, Load, MiB, Refused, caught_up, disconnected, following, rng,
                   sites)  # noqa: F401 (fixtures)


def verified(s):
    return s["verify"]["done"] and not s["verify"]["running"]


def spoil(site, volume, offset):
    """One byte changes behind everybody's back."""
    with open(site.image(volume), "r+b") as f:
        f.seek(offset)
        old = f.read(1)
        f.seek(offset)
        f.write(bytes([old[0] ^ 0x40]))


def test_verify_of_equal_images_under_load(sites, rng):
    pair = sites()
    pair.start()
    load = Load(pair.home.client("data"), rng)
    load.run(20)
    pair.home.call("verify")
    load.run(until=lambda: verified(pair.home.status()))
    load.drain()
    s = pair.home.status()
    assert s["verify"]["differing_blocks"] == 0
    assert s["verify"]["checked_bytes"] == sum(pair.volumes.values())
    pair.settle(pair.home)
    assert not pair.dr.status()["unverified"]
    pair.check_equal()


def test_verify_finds_a_flipped_byte_and_a_resync_mends_it(sites, rng):
    pair = sites()
    pair.start()
    size = pair.volumes["data"]
    places = [0, 5 * MiB + 77, size - 1]
    for at in places:
        spoil(pair.dr, "data", at)
    spoil(pair.dr, "ledger", 1 * MiB)
    load = Load(pair.home.client("ledger"), rng, size_max=4096)
    pair.home.call("verify")
    s = pair.home.until(verified)
    assert s["verify"]["differing_blocks"] == 4
    assert s["dirty_blocks"] == 4
    d = pair.dr.status()
    assert d["unverified"] and d["verify_differences"] == 4 and d["dirty_blocks"] == 4
    pair.home.call("resync")
    s = pair.home.until(lambda s: caught_up(s) and s["resync"]["done"])
    pair.check_equal()
    d = pair.dr.status()
    assert not d["unverified"] and d["dirty_blocks"] == 0
    pair.home.call("verify")
    s = pair.home.until(verified)
    assert s["verify"]["differing_blocks"] == 0


def test_promotion_of_an_unverified_side_says_so(sites):
    pair = sites()
    pair.start()
    spoil(pair.dr, "data", 123)
    pair.home.call("verify")
    pair.home.until(verified)
    pair.home.kill()
    assert pair.dr.promote()["unverified"]


def test_difference_survives_the_link(sites, rng):
    """Dirty on both sides, durably enough: whatever ends the session, the next one mends it."""
    pair = sites()
    pair.start()
    spoil(pair.dr, "data", 2 * MiB)
    pair.home.call("verify")
    pair.home.until(verified)
    pair.link.drop()
    s = pair.home.until(lambda s: pair.link.accepted > 1 and caught_up(s))
    assert s["verdict"]["row"] == 10, s["verdict"]
    pair.check_equal()
    assert not pair.dr.status()["unverified"]


def test_difference_survives_a_crash_of_the_replica(sites, rng):
    pair = sites()
    pair.start()
    spoil(pair.dr, "data", 2 * MiB)
    pair.home.call("verify")
    pair.home.until(verified)
    pair.dr.kill()
    pair.dr.replica()
    pair.settle(pair.home)
    pair.check_equal()


def test_verify_is_limited_and_refused_without_a_peer(sites):
    pair = sites()
    pair.start()
    pair.home.call("verify", rate_bytes=1 * MiB)
    with pytest.raises(Refused):
        pair.home.call("verify")
    pair.link.cut()
    pair.home.until(disconnected)
    assert not pair.home.status()["verify"]["running"]
    with pytest.raises(Refused):
        pair.home.call("verify")


@pytest.mark.parametrize("end", ["drop", "replica"])
def test_verify_cut_off_by_the_link_finds_nothing_that_is_not_there(sites, rng, end):
    """Its records stay in the ring and are sent again in the next session, whose seed is another."""
    pair = sites()
    pair.start(link_timeout_ms=60000)
    pair.link.stall()
    seq = pair.home.status()["seq"]
    pair.home.call("verify")
    pair.home.until(lambda s: s["seq"] >= seq + 10)
    if end == "replica":
        pair.dr.kill()
        pair.dr.replica()
    since = pair.link.accepted
    pair.link.drop()
    pair.link.resume()
    s = pair.home.until(lambda s: pair.link.accepted > since and following(s) and
                        s["applied_seq"] == s["seq"])
    assert s["verdict"]["row"] == 7
    assert s["verify"]["differing_blocks"] == 0 and s["dirty_blocks"] == 0
    assert not pair.dr.status()["unverified"]
    pair.home.call("verify")
    s = pair.home.until(verified)
    assert s["verify"]["differing_blocks"] == 0
    assert s["verify"]["checked_bytes"] == sum(pair.volumes.values())


def test_resync_all_compares_everything(sites):
    """Damage that no map knows: everything is compared by hash, only what differs is sent."""
    pair = sites()
    pair.start()
    spoil(pair.dr, "data", 3 * MiB)
    spoil(pair.dr, "ledger", 7)
    pair.home.call("resync", all=True)
    s = pair.home.until(lambda s: caught_up(s) and s["resync"]["done"] and
                        s["assess"]["compared_bytes"] > 0)
    assert s["assess"]["compared_bytes"] == sum(pair.volumes.values())
    assert s["assess"]["differing_blocks"] == 2
    assert s["resync"]["sent_bytes"] < MiB
    pair.check_equal()


def test_delta_resync_sends_the_delta(sites, rng):
    """A few blocks of a large sparse volume: what is sent does not depend on its size."""
    pair = sites({"data": 64 * MiB}, fill=False)
    pair.start(ring="4M", throttle_ms=10)
    c = pair.home.client()
    c.write(0, rng.randbytes(MiB))
    pair.settle(pair.home)
    pair.link.cut()
    pair.home.until(disconnected)
    for k in range(30):
        c.write(k * 2 * MiB, rng.randbytes(BLOCK))
    for _ in range(40):
        c.write(32 * MiB, rng.randbytes(128 * 1024))  # the same place: the ring does not hold it
    assert pair.home.status()["fell_behind"] >= 1
    pair.link.restore()
    s = pair.home.until(lambda s: caught_up(s) and s["resync"]["done"])
    assert s["resync"]["sent_bytes"] <= 30 * BLOCK + 256 * 1024
    pair.check_equal()


def test_heal_without_clients(sites, rng):
    """godwit-replica --heal: a crashed home is not served, but mends its peer."""
    pair = sites()
    pair.start()
    Load(pair.home.client("data"), rng).complete(40)
    pair.link.cut()
    Load(pair.home.client("data"), rng).complete(40)
    pair.home.kill()
    pair.link.restore()
    r = pair.home.heal()
    assert r.returncode == 0 and "healed" in r.stdout, (r.stdout, r.stderr)
    pair.check_equal()
    d = pair.dr.status()
    assert d["consistent"] and d["pending"] == "none"
    # The numbers of the healing session are not dr's position.
    assert d["durable_seq"] == d["applied_seq"] == d["seq"]
    r = pair.home.heal()  # nothing is left to heal
    assert r.returncode == 0, (r.stdout, r.stderr)
    pair.check_equal()
    # Home comes back as source, and nothing is left to do but to follow.
    pair.home.source()
    load = Load(pair.home.client("data"), rng)
    load.run(20)
    load.drain()
    pair.settle(pair.home)
    pair.check_equal()
