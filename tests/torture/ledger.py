# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""What a client of several volumes wrote, what was acknowledged, and what an image may therefore hold.

Every write has a number. Each unit of 512 bytes that it covers says the number, the volume and the unit,
and the rest follows from these: whoever reads an image knows of every unit which write it is from, or that
it is damaged. Trims are zeros, and zeros have no number: they count as whichever trim suits best.

Two ticks of one clock belong to a write: when it was sent, and when its answer was taken. If the answer of
a was taken before b was sent, then a is older than b, on whichever volumes (docs/engine.md, "Why a prefix
is consistent"). Hence what an image may be:

    complete   every unit holds the last acknowledged write, or one of unknown fate that was sent later
    a prefix   the newest write in the image, over all volumes, was sent at T: complete as of T
    between    a prefix, and complete as of a given tick, and without anything that was sent after another

No image may hold a write that is not in the ledger: it is of a past that a promotion has given up.
"""
import struct

UNIT = 512
HEAD = struct.Struct("<8sQQI4x")
MAGIC = b"gwLEDGER"
TABLE_BYTES = 1 << 16
NEVER = float("inf")


def _table():
    import random
    return random.Random("ledger").randbytes(TABLE_BYTES + UNIT)


TABLE = _table()
ZEROS = bytes(UNIT)


def unit_bytes(number, volume, unit):
    at = (number * 7919 + unit * 104729 + volume * 31) % TABLE_BYTES
    return HEAD.pack(MAGIC, number, unit, volume) + TABLE[at:at + UNIT - HEAD.size]


def write_bytes(number, volume, first, n):
    return b"".join(unit_bytes(number, volume, u) for u in range(first, first + n))


class Wrong(AssertionError):
    """An image holds what it must not hold."""


class Write:
    __slots__ = ("number", "sent", "answered", "zeros")

    def __init__(self, number, sent, zeros):
        self.number, self.sent, self.answered, self.zeros = number, sent, None, zeros


BEGINNING = Write(0, 0, True)  # volumes are zeros at first
BEGINNING.answered = 0


class Clock:
    """Ticks and numbers; shared by all branches of a ledger."""

    def __init__(self):
        self.now = self.last_number = 0

    def tick(self):
        self.now += 1
        return self.now

    def number(self):
        self.last_number += 1
        return self.last_number


class Ledger:
    def __init__(self, names, clock=None):
        self.names = list(names)
        self.clock = clock or Clock()
        self.history = [{} for _ in self.names]  # of each volume: unit -> writes, oldest first
        self.acknowledged = 0

    def copy(self):
        other = Ledger(self.names, self.clock)
        other.history = [{u: list(h) for u, h in volume.items()} for volume in self.history]
        return other

    # ---- what a client does

    def sent(self, volume, first, n, zeros=False):
        w = Write(self.clock.number(), self.clock.tick(), zeros)
        for u in range(first, first + n):
            self.history[volume].setdefault(u, [BEGINNING]).append(w)
        return w

    def answered(self, w):
        w.answered = self.clock.tick()
        self.acknowledged += 1

    # ---- what an image says

    def _held(self, volume, unit, data):
        """Where in its history the unit stands, and the write."""
        history = self.history[volume].get(unit, [BEGINNING])
        if data == ZEROS:
            for k in range(len(history) - 1, -1, -1):
                if history[k].zeros:
                    return k, history[k]
            raise Wrong("%s: unit %d is zero, and never was" % (self.names[volume], unit))
        magic, number, u, v = HEAD.unpack_from(data)
        if magic != MAGIC or data != unit_bytes(number, v, u):
            raise Wrong("%s: unit %d is damaged: %s ..." % (self.names[volume], unit, data[:48].hex()))
        if (v, u) != (volume, unit):
            raise Wrong("%s: unit %d holds unit %d of %s, write %d" % (
                self.names[volume], unit, u, self.names[v], number))
        for k in range(len(history) - 1, -1, -1):
            if history[k].number == number:
                return k, history[k]
        raise Wrong("%s: unit %d holds write %d, which was given up or is not of this place; known: %s" % (
            self.names[volume], unit, number, [w.number for w in history[-4:]]))

    def read(self, images):
        """[{unit: (place in its history, write)}] of every unit that was ever written, and a look at
        all others: they must be zeros."""
        found = []
        for volume, name in enumerate(self.names):
            image, known = images[name], self.history[volume]
            found.append({u: self._held(volume, u, image[u * UNIT:(u + 1) * UNIT]) for u in known})
            step = 64
            for first in range(0, len(image) // UNIT, step):
                part = image[first * UNIT:(first + step) * UNIT]
                if part.count(0) == len(part):
                    continue
                for u in range(first, min(first + step, len(image) // UNIT)):
                    if u not in known:
                        self._held(volume, u, image[u * UNIT:(u + 1) * UNIT])
        return found

    @staticmethod
    def newest(found):
        """When the newest write that an image shows was sent."""
        return max((w.sent for volume in found for _, w in volume.values() if not w.zeros), default=0)

    def _complete(self, found, until):
        """Units whose last write that was acknowledged before `until` is not there."""
        lost = []
        for volume, units in enumerate(found):
            for u, (k, _) in units.items():
                history = self.history[volume][u]
                for w in history[:k:-1]:
                    if w.answered is not None and w.answered < until:
                        lost.append((volume, u, w))
                        break
        return lost

    def check(self, images, what, complete=False, since=0, until=NEVER):
        """complete: nothing that was acknowledged is missing. Else a prefix: between two ticks."""
        found = self.read(images)
        newest = self.newest(found)
        if newest > until:
            raise Wrong("%s: holds a write sent at %d, after %d" % (what, newest, until))
        bound = NEVER if complete else max(newest, since)
        lost = self._complete(found, bound)
        if lost:
            volume, u, w = lost[0]
            raise Wrong("%s: %d units lost what was acknowledged, first %s unit %d: write %d (sent %d, "
                        "answered %d) is missing, there is %d; the image's newest was sent at %d, now %d" %
                        (what, len(lost), self.names[volume], u, w.number, w.sent, w.answered,
                         found[volume][u][1].number, newest, self.clock.now))
        return found

    def go_on_from(self, images, found):
        """A new reign began from this image: what it does not hold is given up. What that was: the
        acknowledged writes, and {(volume's name, unit)} that held them."""
        given_up, units_given_up = set(), set()
        for volume, units in enumerate(found):
            for u, (k, w) in units.items():
                later = [x for x in self.history[volume][u][k + 1:] if x.answered is not None]
                if later:
                    given_up.update(x.number for x in later)
                    units_given_up.add((self.names[volume], u))
                base = Write(w.number, w.sent, w.zeros)
                base.answered = 0
                self.history[volume][u] = [base]
        return len(given_up), units_given_up
