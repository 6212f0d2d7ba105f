# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""One round: two sites on real file systems, clients that write all the time, and a fate that kills, cuts,
stalls, reorders, fills and fails over. The test is the authority: never may two sides serve.

    r = Round(world, seed, kinds, steps)
    r.play()          fails with what is wrong; r.told is the history, r.counts what happened how often
    r.close()

After every kill of the active side, at every promotion and at the end the ledger is held against the
image; at the end both sides are equal, by the verify of the programs and byte by byte.
"""
import collections
import json
import os
import random
import subprocess
import threading
import time

import godwit
from clients import Fio, Writer
from disks import MiB, Disk
from ledger import NEVER, Ledger, Wrong
from sites import (DOWN, UP, Gone, Pair, Refused, assessed, caught_up, check_same, following, read_file,
                   serving, undo_blocks)

PATIENCE_S = 180  # for what normally takes a second or two: the machine may be slow, and its disk
JOURNAL_MAX = "256MiB"
VOLUMES = {"alpha": 8 * MiB, "beta": 4 * MiB + 1536, "fio": 24 * MiB}
LEDGER = ("alpha", "beta")
ROOM = ("space", "room")


def speaks_of_room(text):
    return any(word in text for word in ROOM)


def in_sync(status):
    return status["replication"] == "sync"


class Round:
    def __init__(self, world, seed, kinds, steps):
        self.seed, self.steps = seed, steps
        self.rng = rng = random.Random(seed)
        self.counts = collections.Counter()
        self.told, self.begin = [], time.monotonic()
        self.disks = {}
        self.writer = self.fio = None
        self.sync = rng.random() < 0.3
        self.params = {"ring": "4M", "throttle_ms": 50, "link_timeout_ms": 1500, "unsync_ms": 200}
        if self.sync:
            self.params["sync"] = "yes"
        self.replica_params = {"journal_max": JOURNAL_MAX, "link_timeout_ms": 1500}
        self.kinds = kinds
        self.pair = None
        self.world = world
        self.points, self.n_points = {}, 0   # id: (tick of the question, tick of the answer)
        self.branch = {}    # an old active: the ledger as it was when it was lost
        self.tails = []     # (site, volume, unit, content) that only an old active had
        self.budget = {}    # a full disk: steps until it is freed
        self.was_full = set()
        self.meant = set()  # sites whose process should run
        self.excuses = set()  # what was said for want of room
        self.waited = 0     # steps for which the source has not served

    def tell(self, what):
        self.told.append("%7.2f %s" % (time.monotonic() - self.begin, what))

    # ---- the world

    def set_up(self):
        def prepare(pair):
            self.pair = pair  # so that close() finds it
            for site, kind in zip((pair.home, pair.dr), self.kinds):
                disk = self.disks[site] = Disk.make(kind, os.path.join(site.dir, "fs"))
                site.use_disk(os.path.join(disk.path, "site"))
        self.tell("%s over %s and %s" % ("sync" if self.sync else "async", *self.kinds))
        self.pair = Pair(self.world, VOLUMES, fill=False, prepare=prepare)
        self.active, self.standby = self.pair.home, self.pair.dr
        self.ledger = Ledger(LEDGER)
        sizes = [VOLUMES[v] for v in LEDGER]
        self.writer = Writer(self.ledger, sizes, random.Random(self.rng.random()))
        self.fio = Fio("fio", self.pair.root, random.Random(self.rng.random()), VOLUMES["fio"])
        self.start_standby()
        self.start_active()

    def close(self):
        """Whatever happened: nothing is left."""
        if self.pair:
            self.pair.link.close()
            for site in (self.pair.home, self.pair.dr):
                if site.running:
                    site.program.process.kill()
                    site.program.process.wait()
        for client in (self.writer, self.fio):
            if client:
                try:
                    client.close()
                except Wrong:
                    pass  # it was told already, or something worse was
        for site, disk in self.disks.items():
            subprocess.run(["chattr", "-R", "-i", site.disk], check=False, stderr=subprocess.DEVNULL)
            disk.close()

    def tight(self, site):
        return site in self.was_full

    # ---- processes

    def start_active(self):
        while True:
            self.active.source(wait=False, **self.params)
            p = self.active.program

            def answers():
                if not p.alive():
                    return "died"
                try:
                    return self.active.status()
                except Gone:
                    return None
            if godwit.wait_for("the source to answer", answers, PATIENCE_S) != "died":
                break
            self.want_of_room(self.active)
        self.meant.add(self.active)
        self.writer.attach(self.active)
        self.fio.attach(self.active)

    def start_standby(self):
        while True:
            p = self.standby.replica(wait=False, **self.replica_params)
            godwit.wait_for("a replica that listens or dies", lambda: "listening on" in p.output() or
                            not p.alive(), PATIENCE_S)
            if p.alive():
                self.meant.add(self.standby)
                return
            self.want_of_room(self.standby)

    def want_of_room(self, site):
        """Its process has ended, or has failed. Only a full disk excuses it, and it has to say so."""
        status = self.ask(site, "status") if site.running else None
        said = (status or {}).get("reason", "") + site.log_tail(15)
        assert self.tight(site) and speaks_of_room(said), "%s is out of service: %s %s" % (
            site.name, json.dumps(status), said)
        self.tell("%s is out of service for want of room" % site.name)
        self.excuses.add(self.disks[site].kind + ": " + (
            (status or {}).get("reason") or site.log_tail(1).split("\n")[-1]))
        self.counts["failed for want of room"] += 1
        self.free(site)
        self.kill(site)
        if site is self.active:
            self.lost_active("that failed")

    def kill(self, site):
        self.meant.discard(site)
        site.kill()

    def ask(self, site, cmd, **args):
        try:
            return site.call(cmd, timeout=PATIENCE_S, **args)
        except (Gone, Refused):
            return None

    def tend(self):
        """Who failed for want of room gets it, and is started again; nobody else may be gone."""
        self.writer.check()
        self.fio.check()
        for site, budget in list(self.budget.items()):
            self.budget[site] = budget - 1
            if budget <= 0:
                self.free(site)
        status = self.ask(self.active, "status")
        if status is None or status["service"] == "failed":
            self.want_of_room(self.active)
            self.start_active()
        elif status["service"] == "waiting":
            self.waited += 1  # nothing is written while it may not serve: not for long
            if self.waited > 2:
                self.step_heal_link()
                self.step_standby_again()
        elif status["service"] == "serving":
            self.waited = 0
        else:
            raise Wrong("the active side is %s: %s" % (status["service"], status["reason"]))
        if self.standby in self.meant:
            status = self.ask(self.standby, "status")
            if status is None or status["state"] == "failed":
                self.want_of_room(self.standby)
                self.start_standby()

    def images(self, site):
        return {v: read_file(site.image(v)) for v in LEDGER}

    def lost_active(self, how):
        """Its process is gone: what it acknowledged is there."""
        self.writer.lost()
        self.fio.lost()
        self.ledger.check(self.images(self.active), "%s, %s" % (self.active.name, how), complete=True)

    def flow(self):
        """The clients go on for a moment; a moment is counted in answers."""
        self.writer.flow(self.rng.choice([1, 10, 50, 150, 400]), self.rng.uniform(0.02, 0.8))

    # ---- what happens: processes

    def step_kill_active(self):
        self.kill(self.active)
        self.lost_active("killed")
        self.counts["kill -9 of the source"] += 1
        self.start_active()

    def step_kill_standby(self):
        if self.standby.running:
            self.kill(self.standby)
            self.counts["kill -9 of the replica"] += 1

    def step_standby_again(self):
        if not self.standby.running:
            self.start_standby()

    def step_kill_and_restart_standby(self):
        self.step_kill_standby()
        if self.rng.random() < 0.5:
            self.flow()
        self.step_standby_again()

    def step_kill_both(self):
        first, second = self.rng.sample([self.active, self.standby], 2)
        for site in (first, second):
            if site.running:
                self.kill(site)
        self.lost_active("killed with its peer")
        self.counts["kill -9 of both"] += 1
        if self.rng.random() < 0.5:
            self.start_standby()
        self.start_active()

    def step_restart_active(self):
        self.stop_active()
        self.lost_active("stopped")
        self.start_active()

    def stop_active(self):
        """In order, if it serves: else clients would wait for ever."""
        if not serving(self.active.status()):
            self.kill(self.active)
            return
        self.writer.detach()
        self.fio.detach()
        self.end(self.active)

    def step_restart_standby(self):
        if self.standby.running:
            self.end(self.standby)
        self.start_standby()

    def end(self, site):
        """In order; a disk that is full excuses an end that is not."""
        self.meant.discard(site)
        site.program.process.terminate()
        code = site.program.wait(PATIENCE_S)
        if code != 0:
            assert self.tight(site) and speaks_of_room(site.log_tail(15)), site.log_tail()
            self.counts["did not end in order for want of room"] += 1
            self.excuses.add(self.disks[site].kind + ": " + site.log_tail(1).split("\n")[-1])

    def step_freeze(self):
        """Longer than the link's patience, sometimes."""
        site = self.rng.choice([self.active, self.standby])
        if site.running:
            site.freeze()
            self.writer.flow(1 << 30, self.rng.choice([0.3, 2.5]))
            site.thaw()
            self.counts["SIGSTOP"] += 1

    # ---- what happens: the link

    def step_cut(self):
        self.pair.link.cut()
        self.counts["link cut"] += 1

    def step_drop(self):
        self.pair.link.drop()
        self.counts["link cut"] += 1

    def step_stall(self):
        self.pair.link.stall(*self.rng.choice([[UP], [DOWN], [UP, DOWN]]))
        self.counts["link stalled"] += 1

    def step_flip(self):
        self.pair.link.flip_bit(self.rng.randint(0, 200000), self.rng.choice([UP, UP, DOWN]))
        self.counts["bit flipped"] += 1

    def step_reset(self):
        self.pair.link.reset_after(self.rng.randint(1, 300000), self.rng.choice([UP, UP, DOWN]))
        self.counts["reset mid frame"] += 1

    def step_limit(self):
        self.pair.link.limit(int(10 ** self.rng.uniform(5, 7)), UP)
        self.counts["rate limited"] += 1

    def step_delay(self):
        for way in (UP, DOWN):
            self.pair.link.delay(self.rng.choice([0, 0.002, 0.02, 0.1]), way)
        self.counts["delayed"] += 1

    def step_hold_next(self):
        """The next connection says hello, and is heard after the one that follows it."""
        self.pair.link.hold_next()
        self.pair.link.drop()
        self.counts["connections reordered"] += 1

    def step_hold_open(self):
        """What the old connection said last is heard after the hello of the new one."""
        self.pair.link.hold_open()
        self.counts["connections reordered"] += 1

    def step_heal_link(self):
        link = self.pair.link
        link.restore()
        link.resume()
        for way in (UP, DOWN):
            link.delay(0, way)
            link.limit(0, way)

    # ---- what happens: disks

    def fill(self, site):
        if not self.disks[site].mounted:
            return
        leave = self.rng.choice([0, 0, 64 * 1024, MiB, 4 * MiB, 20 * MiB])
        self.was_full.add(site)
        self.disks[site].fill(leave, self.rng)
        self.budget[site] = self.rng.randint(1, 6)
        self.tell("%s is full but for %d KiB" % (site.name, leave // 1024))
        self.counts["disk full"] += 1

    def free(self, site):
        self.disks[site].free()
        self.budget.pop(site, None)

    def step_fill_active(self):
        self.fill(self.active)

    def step_fill_standby(self):
        self.fill(self.standby)

    def step_free(self):
        for site in list(self.budget):
            self.free(site)

    # ---- what happens: people

    def step_verify(self):
        self.ask(self.active, "verify")

    def step_resync(self):
        self.ask(self.active, "resync", all=self.rng.random() < 0.3)

    def step_point(self):
        self.perhaps_follow()
        self.n_points += 1
        name = "p%d" % self.n_points
        asked = self.ledger.clock.now
        done = self.ask(self.active, "point", id=name, timeout_ms=3000)
        self.points[name] = asked, self.ledger.clock.now if done else NEVER
        self.counts["points"] += done is not None

    def step_sign(self):
        status = self.ask(self.active, "status")
        if status and assessed(status):
            self.ask(self.standby, "sign", by="fate")

    def step_follow(self):
        """A good while: the peer is healed, signed for, and follows."""
        self.step_heal_link()
        self.step_free()
        self.step_standby_again()
        self.until(following)

    def perhaps_follow(self):
        if self.rng.random() < 0.7:
            self.step_follow()

    def until(self, condition):
        end = time.monotonic() + PATIENCE_S
        while True:
            status = self.ask(self.active, "status")
            if status:
                if condition(status):
                    return
                if assessed(status):
                    self.ask(self.standby, "sign", by="fate")
                if status["verdict"] and status["verdict"]["action"] == "split-brain":
                    # Promoted although it had never followed the other's last reign.
                    self.ask(self.standby, "choose", survivor=status["uuid"], by="fate")
            assert time.monotonic() < end, "%s: never %s: %s\npeer: %s" % (
                self.active.name, condition.__name__, json.dumps(status),
                json.dumps(self.ask(self.standby, "status")))
            self.writer.flow(20, 0.1)
            self.tend()

    # ---- what happens: promotions

    def step_hand_over(self):
        """Under load, and sometimes one of both dies of it."""
        self.perhaps_follow()
        if not self.standby.running or not serving(self.active.status()):
            return
        victim = self.rng.choice([None, None, self.active, self.standby])
        answer = []

        def call():
            try:
                answer.append(self.active.call("handover", timeout=PATIENCE_S, timeout_ms=5000))
            except (Gone, Refused) as e:
                answer.append(e)
        t = threading.Thread(target=call)
        t.start()
        if victim:
            t.join(self.rng.uniform(0, 0.3))
            self.kill(victim)
            self.counts["kill -9 in a handover"] += 1
        t.join()
        if not self.active.running or isinstance(answer[0], Exception):
            if self.active.running and isinstance(answer[0], Refused):
                assert victim or "nothing was handed over" in answer[0].message or \
                    self.tight(self.active), answer[0].message
            elif self.active.running:
                self.want_of_room(self.active)
            else:
                self.lost_active("gone in a handover")
            if self.active.inspect()["role"] == "active":
                if not self.active.running:
                    self.start_active()
                return
        self.writer.detach()
        self.fio.detach()
        if self.active.running:
            self.end(self.active)
        self.promote({})
        self.counts["handovers"] += 1
        for v in VOLUMES:
            check_same(self.active.image(v), self.standby.image(v), "handed over: " + v)
        self.new_reign(complete=True)

    def promote(self, how):
        """As often as it takes: over the socket, or on the directory, where it may be killed."""
        options = (["--point", how["point"]] if "point" in how else []) + (
            ["--roll-back"] if "roll_back" in how else [])
        if self.standby.running and self.rng.random() < 0.5:
            try:
                return self.standby.call("promote", timeout=PATIENCE_S, **how)
            except (Gone, Refused) as e:
                self.room_or_fail(self.standby, str(e))
        if self.standby.running:
            self.kill(self.standby)
        if self.rng.random() < 0.5:
            p = self.start_ctl(self.standby, "promote", "--yes", *options)
            try:
                p.communicate(timeout=self.rng.uniform(0, 0.4))
            except subprocess.TimeoutExpired:
                p.kill()
                p.communicate()
                self.counts["kill -9 in a promotion"] += 1
        for last in (False, True):
            p = self.start_ctl(self.standby, "promote", "--yes", *options)
            said = p.communicate(timeout=PATIENCE_S)[1]
            if p.returncode == 0 or "promoted already" in said:
                return None
            assert not last, said
            self.room_or_fail(self.standby, said)

    def room_or_fail(self, site, said):
        assert self.tight(site) and speaks_of_room(said), said
        self.tell("%s: %s" % (site.name, said.strip()))
        self.excuses.add(self.disks[site].kind + ": " + said.strip())
        self.counts["promotions without room"] += 1
        self.free(site)

    @staticmethod
    def start_ctl(site, *args):
        return subprocess.Popen([godwit.CTL, *args, "--dir", site.plan, "--json"], text=True,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE,
                                env={**os.environ, **godwit.sanitizer_env(False)})

    def step_fail_over(self):
        """The active side is lost; the other takes over if it can: now, at a point, or rolled back."""
        if self.rng.random() < 0.5:
            self.step_follow()
            if self.sync:
                self.until(in_sync)
            if self.rng.random() < 0.5:  # so that more is under way
                self.pair.link.delay(self.rng.choice([0.01, 0.05]), UP)
            self.flow()
        if self.rng.random() < 0.7:
            self.kill(self.active)
        else:
            self.stop_active()
        self.lost_active("lost")
        facts = self.active.inspect()
        promised = self.sync and facts["recorded"] == "sync"
        if self.rng.random() < 0.7:
            self.pair.link.resume()  # else what is under way never arrives
        if not self.standby.running:
            self.start_standby()
        status = self.settled_standby()
        if status["role"] == "active" or status["blank"] or (
                not status["consistent"] and status["pending_id"] is None):
            self.counts["failovers that could not be"] += 1
            self.start_active()  # the other was the active one before and is not healed, or has nothing
            return
        own_past = self.standby in self.branch and status["epoch"] != facts["epoch"]
        how, since, until = {}, 0, NEVER
        if not status["consistent"]:
            how = {"roll_back": True}
        elif self.rng.random() < 0.3:
            made = self.ask(self.standby, "points")
            here = [p["id"] for p in made["points"] if p["id"] in self.points] if made else []
            if here and not own_past:
                how = {"point": self.rng.choice(here)}
                since, until = self.points[how["point"]]
        self.tell("promote %s %s%s" % (self.standby.name, how or "", " (own past)" if own_past else ""))
        self.promote(how)
        self.counts["failovers"] += 1
        self.counts["failovers that lose nothing"] += promised and not how
        self.counts["failovers to a point"] += "point" in how
        self.counts["failovers rolled back"] += "roll_back" in how
        lost = self.ledger
        self.branch[self.active] = lost.copy()
        if own_past:
            # It was the active one, and goes on from what it had when it was lost.
            lost.history = self.branch[self.standby].copy().history
            self.tails = [t for t in self.tails if t[0] is not self.standby]
        self.new_reign((promised and not how) or own_past, since, until)

    def settled_standby(self):
        """What the source had sent is received, and what was to be decided is decided."""
        def look():
            status = self.ask(self.standby, "status")
            if status is None or status["state"] == "failed":
                self.want_of_room(self.standby)
                self.start_standby()
                return None
            return status if status["state"] in ("listening", "refused") else None
        return godwit.wait_for("the standby to settle", look, PATIENCE_S)

    def new_reign(self, complete, since=0, until=NEVER):
        """The standby was promoted. What its image may be, and what is given up by it."""
        if self.standby.running:
            assert self.standby.program.wait(PATIENCE_S) == 0, self.standby.log_tail()
        old, new = self.active, self.standby
        self.meant.clear()
        images = self.images(new)
        found = self.ledger.check(images, new.name + ", promoted", complete, since, until)
        n, units = self.ledger.go_on_from(images, found)
        self.counts["writes given up"] += n
        had = self.images(old)
        for v, u in units:
            content = had[v][u * 512:(u + 1) * 512]
            if content != images[v][u * 512:(u + 1) * 512]:
                self.tails.append((old, v, u, content))
        self.branch.pop(new, None)
        self.points = {}
        self.active, self.standby = new, old
        self.start_active()
        if self.rng.random() < 0.7:
            self.start_standby()

    # ---- the whole

    WEIGHTS = {
        step_kill_active: 4, step_kill_standby: 3, step_standby_again: 4,
        step_kill_and_restart_standby: 3, step_kill_both: 1, step_restart_active: 1,
        step_restart_standby: 1, step_freeze: 1,
        step_cut: 2, step_drop: 2, step_stall: 2, step_flip: 2, step_reset: 2, step_limit: 2,
        step_delay: 2, step_hold_next: 2, step_hold_open: 2, step_heal_link: 6,
        step_fill_active: 2, step_fill_standby: 3, step_free: 3,
        step_verify: 1, step_resync: 1, step_point: 3, step_sign: 3, step_follow: 4,
        step_hand_over: 3, step_fail_over: 4,
    }

    def play(self):
        self.set_up()
        self.until(following)
        for _ in range(self.steps):
            self.flow()
            self.tend()
            step, = self.rng.choices(list(self.WEIGHTS), self.WEIGHTS.values())
            self.tell(step.__name__[5:])
            step(self)
        self.tell("settle")
        self.settle()
        self.tell("fine")

    def settle(self):
        self.pair.link.calm()
        self.step_follow()
        self.writer.flow(100, 2)
        self.tend()
        self.writer.detach()
        self.fio.detach()
        self.check_verify()
        self.ledger.check(self.images(self.active), self.active.name, complete=True)
        assert self.standby.status()["consistent"]
        for site in (self.active, self.standby):
            self.end(site)
        for v in VOLUMES:
            check_same(self.active.image(v), self.standby.image(v), "volume " + v)
        self.check_tails()
        self.counts["writes acknowledged"] = self.ledger.acknowledged
        self.counts["fio runs"], self.counts["fio whole runs"] = self.fio.runs, self.fio.whole
        self.counts["connections overtaken"] = self.pair.link.overtaken
        assert self.ledger.acknowledged > 0

    def check_verify(self):
        for _ in range(5):  # a connection that was held until now may still take the session over
            self.until(caught_up)
            r = godwit.run_ctl("verify", "--wait", "--socket", self.active.control, "--json",
                               timeout=PATIENCE_S)
            if r.code == 0 or r.json["error"]["code"] != "ENOLINK":
                break
        assert r.code == 0 and r.json["verify"]["differing_blocks"] == 0, r

    def check_tails(self):
        """What only an old active had is kept by it."""
        if not self.tails:
            return
        kept = {}
        for site in (self.active, self.standby):
            kept[site] = [undo_blocks(site, i) for i in site.undo_ids()]
        for site, v, u, content in self.tails:
            block, at = u // 8, u % 8 * 512
            olds = [k[v, block][at:at + 512] for k in kept[site] if (v, block) in k]
            if content not in olds:
                raise Wrong("%s had acknowledged %s unit %d alone, and no undo file holds it (%d hold "
                            "something else)" % (site.name, v, u, len(olds)))
        self.counts["units of tails kept"] += len(self.tails)
