# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""Judges what ledger_service.py did at two sites: who acknowledged when, and what became of it.

    ledger = Ledger(folder)
    ledger.check_never_two()              no two sites acknowledged in overlapping time
    ledger.check_kept(image_bytes)        every acknowledged record is on the volume
    ledger.check_kept(image_bytes, lost)  ... except these, which nobody denies
    ledger.lost(at_home, at_dr)           what a failover left behind, from the service's own words

An *instance* is one life of the service at one site. It begins where the volume ended that it found,
so that the first number of the next one says what the next one had.
"""
import os
import re

from ledger_service import BLOCK, parse


class Instance:
    def __init__(self, site, ident):
        self.site, self.ident = site, ident
        self.numbers, self.first_sent, self.last_acked = [], None, 0

    def add(self, number, sent, acked):
        self.numbers.append(number)
        self.first_sent = sent if self.first_sent is None else self.first_sent
        self.last_acked = acked

    def __repr__(self):
        return "%s %d..%d" % (self.site, self.numbers[0], self.numbers[-1])


class Ledger:
    def __init__(self, folder):
        self.dir = folder

    def path(self, name):
        return os.path.join(self.dir, name)

    def instances(self):
        """All that acknowledged anything, by time."""
        found = {}
        for name in os.listdir(self.dir):
            site = re.match(r"acks\.(.*)", name)
            if not site:
                continue
            with open(self.path(name)) as f:
                for line in f:
                    number, ident, sent, acked = map(int, line.split())
                    found.setdefault(ident, Instance(site[1], ident)).add(number, sent, acked)
        return sorted(found.values(), key=lambda i: i.first_sent)

    def count(self, site=None):
        return sum(len(i.numbers) for i in self.instances() if site in (None, i.site))

    def calls(self):
        """[(site, verb, operation, word)] of what the plan's commands were called for."""
        if not os.path.exists(self.path("calls")):
            return []
        with open(self.path("calls")) as f:
            return [tuple((line.rstrip("\n") + "   ").split(" ")[:4]) for line in f]

    # ---- judging

    def check_never_two(self):
        """I2, by the clients themselves."""
        past = []
        for i in self.instances():
            for p in past:
                assert p.site == i.site or p.last_acked < i.first_sent, \
                    "%s acknowledged until %d, %s from %d on" % (p, p.last_acked, i, i.first_sent)
            past.append(i)

    def expected(self):
        """{number: instance} that must be on the volume: a later instance covers an earlier one."""
        out = {}
        for i in self.instances():
            out = {n: ident for n, ident in out.items() if n < i.numbers[0]}
            out.update((n, i.ident) for n in i.numbers)
        return out

    def lost(self):
        """Acknowledged numbers that the next instance did not find."""
        out, past = set(), []
        for i in self.instances():
            out |= {n for p in past for n in p.numbers if n >= i.numbers[0]}
            past.append(i)
        return out

    def check_gap(self):
        """What is on a volume that an instance of it began on, and nobody acknowledged: at most the
        one record that was under way when its writer was killed."""
        end = None
        for i in self.instances():
            assert end is None or i.numbers[0] <= end + 2, "%s begins after %d" % (i, end)
            end = i.numbers[-1]

    def check_kept(self, image, lost=frozenset()):
        found = self.lost()
        assert found == set(lost), "lost %d records, expected %d: %s" % (
            len(found), len(lost), sorted(found)[:8])
        self.check_gap()
        for number, ident in self.expected().items():
            seen = parse(image[number * BLOCK:(number + 1) * BLOCK])
            assert seen is not None and seen[0] == number and seen[2] == ident, \
                "record %d of instance %d: %s is there" % (number, ident, seen)
