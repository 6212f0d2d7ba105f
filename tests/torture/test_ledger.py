# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""The judge of the torture is judged: images that are right pass, and each kind of wrong one does not."""
import os
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "lib")]

from ledger import UNIT, Ledger, Wrong, write_bytes  # noqa: E402

UNITS = 32


class World:
    """Two volumes, and their images after each write; each is answered before the next is sent."""

    def __init__(self):
        self.ledger = Ledger(["a", "b"])
        self.now = {v: bytearray(UNITS * UNIT) for v in "ab"}
        self.past = [self.images()]
        self.writes = []

    def images(self):
        return {v: bytes(i) for v, i in self.now.items()}

    def write(self, volume, first, n, zeros=False, answer=True):
        w = self.ledger.sent("ab".index(volume), first, n, zeros)
        data = bytes(n * UNIT) if zeros else write_bytes(w.number, "ab".index(volume), first, n)
        self.now[volume][first * UNIT:(first + n) * UNIT] = data
        if answer:
            self.ledger.answered(w)
        self.past.append(self.images())
        self.writes.append(w)
        return w

    def wrong(self, images, says, **how):
        with pytest.raises(Wrong) as e:
            self.ledger.check(images, "it", **how)
        assert says in str(e.value)


@pytest.fixture
def history():
    w = World()
    w.write("a", 0, 8)
    w.write("b", 4, 3)
    w.write("a", 2, 4)
    w.write("b", 4, 1)
    w.write("a", 20, 8)
    return w


def test_every_past_is_a_prefix(history):
    for images in history.past:
        history.ledger.check(images, "it")
    history.ledger.check(history.past[-1], "it", complete=True)


def test_what_was_acknowledged_is_missing(history):
    history.wrong(history.past[-2], "8 units lost", complete=True)


def test_a_hole_in_the_order_of_two_volumes(history):
    """The last write is there, and one on the other volume that was answered before it was sent is not."""
    images = dict(history.past[-1], b=history.past[2]["b"])
    history.wrong(images, "1 units lost")


def test_an_older_write_on_top_of_a_newer_one(history):
    images = history.images()
    old = history.past[1]["a"][2 * UNIT:6 * UNIT]
    images["a"] = images["a"][:2 * UNIT] + old + images["a"][6 * UNIT:]
    history.wrong(images, "4 units lost")


def test_unknown_fate(history):
    """In the image or not: both may be. But not half of what came after."""
    before = history.images()
    history.write("b", 10, 2, answer=False)
    history.ledger.check(before, "it", complete=True)
    history.ledger.check(history.images(), "it", complete=True)


def test_damage(history):
    images = history.images()
    for at in (20 * UNIT, 20 * UNIT + 300):
        spoilt = bytearray(images["a"])
        spoilt[at] ^= 1
        history.wrong(dict(images, a=bytes(spoilt)), "damaged")


def test_data_where_nothing_was_written(history):
    images = history.images()
    spoilt = bytearray(images["b"])
    spoilt[30 * UNIT + 17] = 1
    history.wrong(dict(images, b=bytes(spoilt)), "damaged")


def test_another_places_data(history):
    images = history.images()
    moved = bytearray(images["a"])
    moved[21 * UNIT:22 * UNIT] = moved[20 * UNIT:21 * UNIT]
    history.wrong(dict(images, a=bytes(moved)), "holds unit 20")
    history.wrong(dict(images, b=images["a"]), "holds unit")


def test_trims(history):
    history.write("a", 0, 2, zeros=True)
    history.ledger.check(history.images(), "it", complete=True)
    history.wrong(history.past[-2], "2 units lost", complete=True)
    images = history.images()
    images["a"] = images["a"][:3 * UNIT] + bytes(UNIT) + images["a"][4 * UNIT:]
    history.wrong(images, "1 units lost")  # zero, as at the beginning


def test_what_was_given_up_does_not_come_back(history):
    lost = history.images()
    images = history.past[2]
    found = history.ledger.check(images, "it")
    n, units = history.ledger.go_on_from(images, found)
    assert n == 3
    assert units == {("a", u) for u in [*range(2, 6), *range(20, 28)]} | {("b", 4)}
    history.ledger.check(images, "it", complete=True)
    history.wrong(lost, "given up")


def test_bounds_of_a_point(history):
    second, last = history.writes[1], history.writes[-1]
    history.ledger.check(history.past[3], "it", since=second.answered, until=last.sent)
    history.wrong(history.past[1], "lost", since=second.answered + 1)
    history.wrong(history.past[-1], "sent at", until=last.sent - 1)
