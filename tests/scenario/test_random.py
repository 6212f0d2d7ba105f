# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""Random histories of two sites: the test is the authority (never two sides may serve), fate is a seed.

After each history both images are equal and hold what was acknowledged, as far as no failover has
dropped it; in sync mode a failover drops nothing. GODWIT_SEEDS="1000-1050" plays other histories;
GODWIT_TORTURE_MINUTES says for how long new ones are played.
"""
import os
import random
import re
import signal
import time

import godwit
import nbd
import pytest
from sites import (DOWN, UP, Failed, Gone, Load, MiB, Pair, Refused, assessed, caught_up, rng, serving,
                   sites)  # noqa: F401 (fixtures)

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
with open(os.path.join(ROOT, "src/engine/crashpoints.def")) as f:
    CRASH_POINTS = re.findall(r'X\("([^"]+)"\)', f.read())


def seeds():
    first, _, last = os.environ.get("GODWIT_SEEDS", "1-2").partition("-")
    return range(int(first), int(last or first) + 1)


class History:
    def __init__(self, pair, rng, sync, crashes=False):
        self.pair, self.rng, self.sync, self.crashes = pair, rng, sync, False
        self.active, self.standby = pair.home, pair.dr
        self.params = {"ring": "4M", "throttle_ms": 20, "link_timeout_ms": 1500, "unsync_ms": 100}
        if sync:
            self.params["sync"] = "yes"
        self.steps, self.points = [], 0
        self.saved, self.restored = {}, False
        pair.start(**self.params)
        self.crashes = crashes
        self.forget()

    def forget(self):
        """What is known of the content: from here on."""
        self.client = {}
        self.load = {v: None for v in self.pair.volumes}

    # ---- processes, which may have a crash point ahead

    def a_crash(self):
        if not self.crashes or self.rng.random() < 0.5:
            return None
        return "%s:%d" % (self.rng.choice(CRASH_POINTS), self.rng.choice([1, 1, 2, 3, 5, 8, 20]))

    def start_active(self):
        crash = self.a_crash()
        self.steps.append("source(%s)" % crash)
        try:
            self.active.source(crash=crash, **self.params)
        except AssertionError:
            assert crash and self.died(self.active)
            self.start_active()

    def start_standby(self):
        crash = self.a_crash()
        self.steps.append("replica(%s)" % crash)
        if crash is None:
            self.standby.replica()
        elif not self.standby.replica_that_crashes(crash):
            assert self.died(self.standby)

    @staticmethod
    def died(site):
        """Has a crash point struck (and not something else)?"""
        if site.running:
            return False
        assert site.program.process.returncode == -signal.SIGKILL, site.log_tail()
        site.program.check()
        return True

    def end(self, site):
        try:
            site.stop()
        except AssertionError:
            assert self.crashes and self.died(site)

    def reap(self):
        """The active side is there after each step; whatever it was, what it acknowledged is too."""
        if not self.active.running:
            self.abandon()
            self.check_content(self.active)
            self.start_active()

    # ---- the client

    def write(self, n):
        if not self.active.running or not serving(self.active.status()):
            return
        for v in self.pair.volumes:
            if v not in self.client:
                self.client[v] = self.active.client(v)
            if self.load[v] is None:
                self.load[v] = Load(None, self.rng, size_max=64 * 1024)
            self.load[v].client = self.client[v]
            self.load[v].run(n)

    def rest(self):
        """Nothing is in flight; the clients are closed."""
        for v, load in self.load.items():
            if load and load.flying:
                load.take_answers()
        self.hang_up()

    def hang_up(self):
        self.client = {}
        self.active.close_clients()

    def abandon(self):
        for load in self.load.values():
            if load:
                load.abandon()
        self.hang_up()

    def check_content(self, site):
        for v, load in self.load.items():
            if load:
                lost = load.lost(site.images()[v])
                assert not lost, "%s of %s lost %d units, first %s" % (v, site.name, len(lost),
                                                                      lost[:5])

    # ---- what happens

    def step_write(self):
        self.write(self.rng.randint(1, 25))

    def step_write_much(self):
        self.write(60)

    def step_trim(self):
        if not self.active.running or not serving(self.active.status()):
            return
        self.rest()
        v = self.rng.choice(list(self.pair.volumes))
        c = self.active.client(v)
        n = self.rng.randint(1, 2000) * 512
        off = self.rng.randrange((c.size - n) // 512) * 512
        getattr(c, self.rng.choice(["trim", "zero"]))(off, n)
        load = self.load[v]
        if load:
            for u in range(off // load.align, (off + n) // load.align):
                load.acked[u] = bytes(load.align)
                load.unsure.pop(u, None)

    def step_cut(self):
        self.pair.link.cut()

    def step_restore(self):
        self.pair.link.restore()
        self.pair.link.resume()

    def step_drop(self):
        self.pair.link.drop()

    def step_stall(self):
        self.pair.link.stall(*self.rng.choice([[UP], [DOWN], [UP, DOWN]]))

    def step_flip(self):
        self.pair.link.flip_bit(self.rng.randint(0, 200000), self.rng.choice([UP, UP, DOWN]))

    def step_reset(self):
        self.pair.link.reset_after(self.rng.randint(1, 300000))

    def step_standby_ends(self):
        if self.standby.running:
            self.standby.kill() if self.rng.random() < 0.6 else self.end(self.standby)

    def step_standby_starts(self):
        if not self.standby.running:
            self.start_standby()

    def step_active_crashes(self):
        if self.active.running:
            self.active.program.kill()
            self.abandon()
            self.check_content(self.active)
            self.start_active()

    def step_active_restarts(self):
        if self.active.running:
            self.rest()
            self.end(self.active)
            self.check_content(self.active)
            self.start_active()

    def step_save_standby(self):
        if self.standby.running:
            self.end(self.standby)
        self.saved[self.standby] = self.standby.save("%d" % len(self.steps))

    def step_restore_standby(self):
        """The machine goes back to an older snapshot. Nobody promotes that before it is healed."""
        if self.standby in self.saved:
            self.standby.kill()
            self.standby.restore(self.saved[self.standby])
            self.restored = True
            self.start_standby()

    def step_verify(self):
        try:
            self.active.call("verify")
        except Refused:
            pass

    def step_resync(self):
        try:
            self.active.call("resync", all=self.rng.random() < 0.5)
        except Refused:
            pass

    def step_point(self):
        self.points += 1
        try:
            self.active.call("point", id="p%d" % self.points, timeout_ms=2000)
        except Refused:
            pass

    def step_sign(self):
        if self.standby.running and self.standby.status()["state"] == "assessing":
            self.sign()

    def sign(self):
        try:
            self.standby.call("sign", by="fate")
        except Refused:
            pass  # the session that itemised it has just ended

    def step_hand_over(self):
        if not self.standby.running or not serving(self.active.status()):
            return
        self.rest()
        try:
            self.active.call("handover", timeout_ms=3000)
        except Gone:
            assert self.active.program.wait() == -signal.SIGKILL
            if self.active.inspect()["role"] == "active":
                return  # it comes back; the token was never an authority
        except Refused as e:
            assert "nothing was handed over" in e.message, e.message
            assert serving(self.active.status())
            return
        if self.active.running:
            self.end(self.active)
        self.promote({})
        self.swap()
        self.check_content(self.active)

    def promote(self, how):
        """Over the socket; if the process dies of it, as often as it takes on the directory."""
        if self.standby.running:
            try:
                return self.standby.promote(**how)
            except Gone:
                assert self.died(self.standby)
        options = (["--point", how["point"]] if "point" in how else []) + (
            ["--roll-back"] if "roll_back" in how else [])
        code, _, said = self.standby.promote_offline(*options, crash=self.a_crash())
        if code != 0:
            code, _, said = self.standby.promote_offline(*options)
        assert code == 0 or "promoted already" in said, said

    def swap(self):
        self.active, self.standby = self.standby, self.active
        self.start_active()
        if self.rng.random() < 0.7:
            self.start_standby()

    def step_fail_over(self):
        """The active side is lost; the other takes over if it can: now, at a point, or undone."""
        if self.restored:
            return
        if not self.standby.running:
            self.start_standby()
        promised = self.sync and self.active.status()["recorded"] == "sync"
        if self.rng.random() < 0.7:
            self.active.program.kill()
            self.abandon()
        else:
            self.rest()
            promised = self.sync and self.active.status()["recorded"] == "sync"
            self.end(self.active)
        promised = promised and self.active.inspect()["recorded"] == "sync"
        how = {}
        # What the source had sent is received, and what was to be decided is decided.
        status = self.standby.until(lambda d: d["state"] in ("listening", "refused"))
        if status["role"] == "active" or status["blank"] or (
                not status["consistent"] and status["pending_id"] is None):
            # It was the active one before and is not healed yet, or never held an image.
            self.start_active()
            return
        if not status["consistent"]:
            how = {"roll_back": True}
        elif self.rng.random() < 0.3:
            points = self.standby.call("points")["points"]
            if points:
                how = {"point": self.rng.choice(points)["id"]}
        try:
            self.promote(how)
        except Refused as e:
            assert how.get("point"), e.message
            self.promote({})
            how = {"point": "refused"}
        if promised and not how:
            self.check_content(self.standby)
        else:
            self.forget()
        self.swap()

    WEIGHTS = {
        step_write: 10, step_write_much: 3, step_trim: 3, step_cut: 2, step_restore: 5, step_drop: 2,
        step_stall: 1, step_flip: 2, step_reset: 2, step_standby_ends: 2, step_standby_starts: 5,
        step_active_crashes: 1, step_active_restarts: 1, step_verify: 1, step_resync: 1,
        step_point: 2, step_sign: 3, step_hand_over: 1, step_fail_over: 2,
        step_save_standby: 1, step_restore_standby: 1,
    }

    def go(self, n):
        for _ in range(n):
            step, = self.rng.choices(list(self.WEIGHTS), self.WEIGHTS.values())
            self.steps.append(step.__name__[5:])
            try:
                step(self)
            except (Gone, Failed, nbd.Error):
                assert self.crashes
                self.someone_died()
            self.reap()
        self.steps.append("settle")
        crashes = self.crashes
        self.end_well()
        self.crashes = crashes

    def someone_died(self):
        godwit.wait_for("a process that dies", lambda: not self.active.running or
                        not self.standby.running)

    def end_well(self):
        self.step_restore()
        if self.crashes:  # none ahead from here on
            self.crashes = False
            self.standby.kill()
            self.active.program.kill()
            self.abandon()
            self.start_active()
        self.step_standby_starts()

        def signed_and_caught_up(s):
            if assessed(s):
                self.sign()
            if s["verdict"] and s["verdict"]["action"] == "split-brain":
                # Promoted although it had never followed the other's last reign: both went on.
                self.standby.call("choose", survivor=s["uuid"], by="fate")
            return caught_up(s)
        self.active.until(signed_and_caught_up)
        self.write(5)
        self.rest()
        self.active.until(signed_and_caught_up)
        self.pair.check_equal()
        self.check_content(self.active)
        assert self.standby.status()["consistent"]
        self.restored = False


def play(h, rounds, n):
    try:
        for _ in range(rounds):
            h.go(n)
    except BaseException:
        print("history: " + " ".join(h.steps))
        raise


VOLUMES = {"data": 12 * MiB + 512, "ledger": 2 * MiB}


def history(pair, rng, sync, crashes):
    if crashes:
        play(History(pair, rng, sync, crashes=True), 2, 12)
    else:
        play(History(pair, rng, sync), 3, 12)


@pytest.mark.parametrize("sync", [False, True], ids=["async", "sync"])
@pytest.mark.parametrize("seed", seeds())
def test_history(sites, rng, seed, sync):
    history(sites(VOLUMES), rng, sync, crashes=False)


@pytest.mark.parametrize("sync", [False, True], ids=["async", "sync"])
@pytest.mark.parametrize("seed", seeds())
def test_history_with_crash_points(sites, rng, seed, sync):
    """The same, and processes die at named steps of whatever they do."""
    history(sites(VOLUMES), rng, sync, crashes=True)


@pytest.mark.skipif(not os.environ.get("GODWIT_TORTURE"), reason="for make torture")
def test_for_as_long_as_asked():
    """New seeds, each in a world of its own. What fails says how the two tests above replay it."""
    end = time.monotonic() + 60 * float(os.environ.get("GODWIT_TORTURE_MINUTES", "10"))
    seed = played = random.SystemRandom().randrange(1 << 30)
    while time.monotonic() < end:
        for crashes in (False, True):
            for sync in (False, True):
                if time.monotonic() < end:
                    play_alone(seed, sync, crashes)
        seed += 1
    print("%d seeds from %d, each in four ways" % (seed - played, played))


def play_alone(seed, sync, crashes):
    name = "test_history%s[%d-%s]" % ("_with_crash_points" if crashes else "", seed,
                                      "sync" if sync else "async")
    world = godwit.World()
    pair = None
    try:
        pair = Pair(world, VOLUMES)
        history(pair, random.Random(name), sync, crashes)
    except BaseException:
        print(world.logs())
        print("replay: GODWIT_SEEDS=%d pytest-3 'tests/scenario/test_random.py::%s'" % (seed, name))
        raise
    finally:
        if pair:
            pair.link.close()
        world.close()
