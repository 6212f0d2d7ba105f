# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""Who uses the volumes all the time, whatever happens to the server.

    writer = Writer(ledger, sizes, rng)   a thread: writes of many sizes at a depth, entered in the ledger
    fio = Fio(volume, directory, rng)     fio, started anew whenever the server was gone; reads back and
                                          checks what it wrote

Both: attach(site) when a process serves or will; lost() when it was killed; detach() before it ends in
order; close(). The writer's flow(n, seconds) waits for n more answers, at most for so long.
"""
import os
import re
import subprocess
import threading
import time

import godwit
import ledger as books
import nbd
from sites import Client

SIZE_MAX = 64 * 1024


class Writer(threading.Thread):
    """One thread does all that happens to the handles and to the ledger. `lock` guards what others ask
    of it; nobody else may touch the ledger but between lost() or detach() and attach()."""

    def __init__(self, ledger, sizes, rng, depth=8):
        super().__init__(daemon=True)
        self.ledger, self.rng, self.depth = ledger, rng, depth
        self.units = [size // books.UNIT for size in sizes]
        self.lock = threading.Condition()
        self.socket = None    # where to connect
        self.idle = True      # has let go of everything
        self.broken = False   # the connections ended; what was under way may still be, in the server
        self.ending = False
        self.failure = None
        self.answers = self.errors = 0
        self.clients = {}
        self.flying = []      # (op, write, volume, first unit, n)
        self.start()

    # ---- what the test asks for

    def attach(self, site):
        self._ask(site.socket)

    def lost(self):
        self._ask(None)
        self._until_idle()

    def detach(self):
        """Takes the answers that come soon. What gets none may still be under way in the server: attach
        to its next process only."""
        self.lost()

    def flow(self, n, seconds):
        end = time.monotonic() + seconds
        with self.lock:
            goal = self.answers + n
            while self.answers < goal and self.failure is None:
                left = end - time.monotonic()
                if left <= 0:
                    break
                self.lock.wait(left)
        self.check()

    def check(self):
        if self.failure is not None:
            raise self.failure

    def close(self):
        with self.lock:
            self.ending, self.socket = True, None
            self.lock.notify_all()
        self.join()

    def _ask(self, socket):
        with self.lock:
            self.socket = socket
            if socket is not None:
                self.idle = self.broken = False
            self.lock.notify_all()

    def _until_idle(self):
        with self.lock:
            while not self.idle:
                self.lock.wait()
        self.check()

    # ---- the thread

    def run(self):
        try:
            while not self.ending:
                self._turn()
        except BaseException as e:  # pylint: disable=broad-except
            self.failure = e
        self._let_go()
        with self.lock:
            self.idle = True
            self.lock.notify_all()

    def _turn(self):
        with self.lock:
            socket = self.socket
        if socket is None:
            self._let_go()
            with self.lock:
                self.idle = self.socket is None
                self.lock.notify_all()
                if self.idle and not self.ending:
                    self.lock.wait()
            return
        errors = self.errors
        if self.broken or not self._connected(socket):
            self._rest(0.02)
            return
        while len(self.flying) < self.depth and self._submit():
            pass
        for c in self.clients.values():
            c.pump(0.005)
        self._collect()
        if self.errors > errors:
            self._rest(0.05)  # a server that fails or is full answers fast

    def _rest(self, seconds):
        with self.lock:
            self.lock.wait(seconds)

    def _connected(self, socket):
        if not all(c.alive() for c in self.clients.values()):
            self._let_go()
            self.broken = True
            return False
        if not self.clients:
            try:
                for volume, name in enumerate(self.ledger.names):
                    self.clients[volume] = Client(socket, name, timeout=2)
            except nbd.Error:
                self._let_go()
        return bool(self.clients)

    def _let_go(self):
        for c in self.clients.values():
            c.close()
        self.clients = {}
        self._collect()
        self.flying = []

    def _pick(self, volume):
        rng, units = self.rng, self.units[volume]
        for _ in range(20):
            n = rng.choice([1, 3, 8, 8, 8, 16, 32, rng.randint(1, SIZE_MAX // books.UNIT)])
            if rng.random() < 0.5:  # the same places again and again
                first = rng.randrange(16) * (units // 16)
            else:
                first = rng.randrange(units)
            first -= first % 8 if rng.random() < 0.8 else 0
            n = min(n, units - first)
            if not any(v == volume and first < f + m and f < first + n
                       for _, _, v, f, m in self.flying):
                return first, n
        return None

    def _submit(self):
        volume = self.rng.randrange(len(self.units))
        picked = self._pick(volume)
        if picked is None:
            return False
        first, n = picked
        zeros = self.rng.random() < 0.04
        w = self.ledger.sent(volume, first, n, zeros)
        at, length = first * books.UNIT, n * books.UNIT
        client = self.clients[volume]
        if zeros:
            op = client.submit(self.rng.choice(["trim", "zero"]), length, at)
        else:
            fua = nbd.CMD_FLAG_FUA if self.rng.random() < 0.02 else 0
            op = client.submit("pwrite", books.write_bytes(w.number, volume, first, n), at, flags=fua)
        self.flying.append((op, w, volume, first, n))
        return True

    def _collect(self):
        still, answers = [], 0
        for item in self.flying:
            op, w = item[:2]
            if not op.done:
                still.append(item)
            elif op.error is None:
                self.ledger.answered(w)
                answers += 1
            else:
                self.errors += 1
        self.flying = still
        if answers:
            with self.lock:
                self.answers += answers
                self.lock.notify_all()


class Fio:
    """One fio after another. That it gets errors from a server that dies is no failure; that it reads
    something else than it wrote is one."""

    WRONG = re.compile(r"verify(?: failed|: bad)", re.I)

    def __init__(self, volume, directory, rng, size):
        self.volume, self.directory, self.rng, self.size = volume, directory, rng, size
        self.log = os.path.join(directory, "fio.log")
        self.lock = threading.Condition()
        self.process = None
        self.site = None
        self.ending = False
        self.runs = self.whole = 0
        self.failure = None
        self.thread = threading.Thread(target=self._main, daemon=True)
        self.thread.start()

    def attach(self, site):
        with self.lock:
            self.site = site
            self.lock.notify_all()

    def lost(self):
        self._let_go(0.3)

    def detach(self):
        """In order: it ends when what is under way is answered. nbdkit may abort when a client is gone in
        the middle of a reply, so the server is there until then."""
        self._let_go(20)

    def _let_go(self, seconds):
        with self.lock:
            self.site = None
            if self.process is not None:
                self.process.terminate()
            end = time.monotonic() + seconds
            while self.process is not None and time.monotonic() < end:
                self.lock.wait(0.1)
            if self.process is not None:
                self.process.kill()
            while self.process is not None:
                self.lock.wait()
        self.check()

    def check(self):
        if self.failure is not None:
            raise self.failure

    def close(self):
        self.lost()
        with self.lock:
            self.ending = True
            self.lock.notify_all()
        self.thread.join()

    # ---- the thread

    def _argv(self, site):
        part = self.size // 4
        return ["fio", "--name=torture", "--thread", "--ioengine=nbd", "--uri=" + site.uri(self.volume),
                "--rw=randrw", "--rwmixread=20", "--bs=8k", "--iodepth=16", "--rate_iops=300",
                "--offset=%d" % (part * self.rng.randrange(4)), "--size=%d" % part, "--fsync=128",
                "--verify=crc32c", "--verify_backlog=64", "--verify_fatal=1", "--verify_state_save=0",
                "--randseed=%d" % self.rng.getrandbits(31)]

    def _main(self):
        try:
            while self._one():
                pass
        except BaseException as e:  # pylint: disable=broad-except
            self.failure = e
        with self.lock:
            self.process = None
            self.lock.notify_all()

    def _one(self):
        with self.lock:
            while self.site is None and not self.ending:
                self.lock.wait()
            if self.ending:
                return False
            if not os.path.exists(self.site.socket):
                self.lock.wait(0.05)
                return True
            with open(self.log, "ab") as log:
                begin = log.tell()
                self.process = subprocess.Popen(
                    self._argv(self.site), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                    cwd=self.directory, preexec_fn=godwit._die_with_parent)
        code = self.process.wait()
        with open(self.log, "rb") as log:
            log.seek(begin)
            said = log.read().decode(errors="replace")
        with self.lock:
            self.runs += 1
            self.whole += code == 0
            self.process = None
            if self.WRONG.search(said):
                self.failure = books.Wrong("fio read something else than it wrote:\n" + said)
            self.lock.notify_all()
            if code != 0:
                self.lock.wait(0.2)  # the server is not there, or not yet
        return self.failure is None
