# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""What was said first arrives last: an older connection gets through after the one that replaced it."""
from sites import Load, MiB, caught_up, following, rng, sites  # noqa: F401 (fixtures)

PARAMS = {"link_timeout_ms": 1000}


def test_hello_heard_after_a_newer_one(sites, rng):
    """The old hello is of nobody. Its connection reaches the replica last, so that it takes the place
    of the real session; that is noticed, and the real one comes back. (What was accepted first and
    heard last takes nobody's place: tests/unit/test_greeter.c.)"""
    pair = sites({"data": 4 * MiB})
    pair.start(**PARAMS)
    load = Load(pair.home.client(), rng)
    load.run(50)
    pair.link.hold_next()
    pair.link.drop()
    load.run(until=lambda: pair.link.overtaken > 0)
    load.run(50)
    load.drain()
    pair.settle(pair.home)
    pair.check_equal()


def test_data_heard_after_a_newer_hello(sites, rng):
    """Records of a session that is over are not taken, although they are sound."""
    pair = sites({"data": 4 * MiB})
    pair.start(**PARAMS)
    load = Load(pair.home.client(), rng)
    load.run(50)
    assert pair.link.hold_open() == 1
    load.run(until=lambda: pair.link.overtaken > 0)
    load.run(50)
    load.drain()
    pair.settle(pair.home)
    pair.check_equal()
    assert not load.lost(pair.dr.images()["data"])


def test_source_is_restarted_while_its_hello_is_under_way(sites, rng):
    """The hello that arrives late is of a process that was killed since."""
    pair = sites({"data": 4 * MiB})
    pair.start(**PARAMS)
    load = Load(pair.home.client(), rng)
    load.run(50)
    pair.link.hold_next()
    pair.link.drop()
    load.run(until=lambda: pair.link.held() > 0)
    pair.home.kill()
    load.abandon()
    pair.home.source(**PARAMS)
    pair.home.until(following)
    assert pair.link.overtaken > 0
    pair.home.until(caught_up)
    assert not load.lost(pair.home.images()["data"])
    pair.check_equal()
