# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""Two sites of one plan for tests of what goes wrong between them: over godwit.py, with a link that can
be broken (proxy.py), control commands sent straight to the socket, and NBD clients whose requests may
stay unanswered.

    pair = sites({"data": 10 * MiB + 1536})              plan directories and volumes, nothing runs
    pair.dr.replica(); pair.home.source()                processes; the link goes through pair.link
    c = pair.home.client("data"); c.write(0, b"...")     NBD client, all calls have deadlines
    pair.home.until(following)                           waits for a status, fails with it
    pair.settle(pair.home); pair.check_equal()

`sites` is a fixture (a test module imports it); it ends all processes and fails on a sanitizer's report.
Nothing here sleeps for a fixed time: everything waits for a state, with a deadline.
"""
import errno
import json
import os
import random
import select
import shutil
import signal
import socket
import struct
import subprocess
import time

import godwit
import nbd
import pytest
from godwit import BLOCK, CTL, PLUGIN, REPLICA, sanitizer_env  # noqa: F401 (for tests)
from proxy import DOWN, UP, Proxy  # noqa: F401

MiB = 1024 * 1024
DEADLINE_S = float(os.environ.get("GODWIT_TEST_DEADLINE", "30"))


class Refused(Exception):
    """A control command was answered with an error."""

    def __init__(self, error):
        super().__init__(error["message"])
        self.code, self.message = error["code"], error["message"]


class Gone(Exception):
    """A control connection ended without an answer: the process died."""


# ---- fixtures ----------------------------------------------------------------------------------

@pytest.fixture
def sites(world):
    """sites(volumes, ...) gives a Pair; its links are closed at the end, the rest by the world."""
    made = []

    def make(volumes=None, **options):
        made.append(Pair(world, volumes, **options))
        return made[-1]

    yield make
    for pair in made:
        pair.link.close()


@pytest.fixture
def rng(request):
    """Random, and the same at every run of the same test."""
    return random.Random(request.node.name)


# ---- processes --------------------------------------------------------------------------------

def crash_at(name):
    """name: a crash point, "NAME:N" the N-th time that it is reached; None: none."""
    return {"GODWIT_CRASH_POINT": name} if name else {}


def control_call(socket_path, cmd, timeout=DEADLINE_S, **args):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
        s.settimeout(timeout)
        try:
            s.connect(socket_path)
            s.sendall(json.dumps(dict(args, cmd=cmd)).encode() + b"\n")
            with s.makefile("rb") as lines:
                for line in lines:
                    answer = json.loads(line)
                    if "ok" not in answer:
                        continue  # progress
                    if not answer["ok"]:
                        raise Refused(answer["error"])
                    return answer
        except (ConnectionError, FileNotFoundError) as e:
            raise Gone("%s: %s" % (cmd, e))
    raise Gone(cmd)


class Site(godwit.Site):
    def __init__(self, pair, root, name):
        super().__init__(root, name)
        self.pair = pair
        self.disk = self.dir  # where the plan and the volumes are
        self.clients = []

    def image(self, volume):
        return os.path.join(self.disk, volume + ".img")

    def use_disk(self, path):
        """Put the plan and the volumes there (before they are made)."""
        os.mkdir(path)
        self.disk = path
        self.plan = os.path.join(path, "plan")

    @property
    def running(self):
        return self.program is not None and self.program.alive()

    # ---- start and end

    def source(self, crash=None, peer=True, wait=True, **params):
        """nbdkit with the plugin; parameters by the plugin's names, "_" for "-"."""
        self.forget_control()
        if self.pair.tls:
            params = {**self.pair.tls.of(self), "plain": "no", **params}
        self.start_source(self.pair.link.address if peer else None, crash_at(crash), wait=False,
                          **params)
        if wait:
            self.until_answers()
        return self.program

    def replica(self, crash=None, wait=True, **options):
        """godwit-replica; the link leads to it."""
        self.forget_control()
        if self.pair.tls:
            options = {**self.pair.tls.of(self), **options}
        args = [a for k, v in options.items() for a in ("--" + k.replace("_", "-"), str(v))]
        p = self._start("replica", [REPLICA, "--dir", self.plan, "--listen", self.address,
                                    "--control", self.control,
                                    *([] if "tls_ca" in options else ["--plain"]), *args],
                        crash_at(crash), False)
        if wait:
            p.wait_output("listening on ")
        self.pair.link.target = self.address
        return self.program

    def replica_that_crashes(self, at):
        """It may die while it starts already. True: it listens."""
        p = self.replica(crash=at, wait=False)
        godwit.wait_for("a replica that listens or dies",
                        lambda: "listening on" in p.output() or not p.alive())
        return "listening on" in p.output()

    def heal(self, timeout=DEADLINE_S):
        """Be the source without clients until the peer is healed."""
        argv = [REPLICA, "--dir", self.plan, "--heal", self.pair.link.address, "--plain"]
        return subprocess.run(argv, env={**os.environ, **sanitizer_env(False)}, timeout=timeout,
                              capture_output=True, text=True)

    def kill(self):
        """kill -9; what was in flight gets no answer."""
        super().kill()
        self.close_clients()

    def crashed(self):
        """Wait until a crash point has ended it."""
        assert self.program.wait(DEADLINE_S) == -signal.SIGKILL, self.log_tail()
        self.close_clients()

    def stop(self):
        """The clean end; its exit code must be 0."""
        self.close_clients()
        p = self.program
        if not self.running:
            return
        p.process.terminate()
        code = p.wait(DEADLINE_S)
        assert code == 0, "%s ended with %d\n%s" % (p.name, code, self.log_tail())

    def refuses(self, start, **options):
        """It ends with an error by itself; gives what it said."""
        p = start(wait=False, **options)
        assert p.wait() == 1, p.output()
        return p.output()

    def freeze(self):
        """SIGSTOP, and every thread has stopped."""
        self.program.process.send_signal(signal.SIGSTOP)
        base = "/proc/%d/task" % self.program.pid

        def stopped():
            for t in os.listdir(base):
                with open(os.path.join(base, t, "stat")) as f:
                    if f.read().rsplit(")", 1)[1].split()[0] != "T":
                        return False
            return True
        godwit.wait_for("all threads to stop", stopped)

    def thaw(self):
        self.program.process.send_signal(signal.SIGCONT)

    def forget_control(self):
        assert not self.running
        if os.path.exists(self.control):
            os.unlink(self.control)  # of one that was killed

    def until_answers(self):
        def answers():
            try:
                return self.status()
            except Gone:
                assert self.program.alive(), self.log_tail()
                return None
        return godwit.wait_for("%s to answer" % self.program.name, answers)

    # ---- talking to it

    def call(self, cmd, **args):
        return control_call(self.control, cmd, **args)

    def status(self):
        return self.call("status")

    def until(self, condition, timeout=DEADLINE_S):
        """Wait until condition(status) holds; gives the status."""
        end = time.monotonic() + timeout
        while True:
            status = self.status()
            if condition(status):
                return status
            assert time.monotonic() < end, "%s: never %s: %s\n%s" % (
                self.name, condition.__name__, json.dumps(status), self.log_tail())
            time.sleep(0.01)

    def log_text(self):
        return "".join(p.output() for p in self.programs)

    def until_log(self, text):
        godwit.wait_for("%s to say %r" % (self.name, text), lambda: text in self.log_text(),
                        DEADLINE_S)

    def promote(self, **args):
        """Over the replica's control socket; the process ends by itself."""
        answer = self.call("promote", **args)
        assert self.program.wait() == 0, self.log_tail()
        return answer

    def promote_offline(self, *options, crash=None):
        """Gives (exit code, JSON answer or None, stderr)."""
        argv = [CTL, "promote", "--dir", self.plan, "--json", "--yes", *options]
        r = subprocess.run(argv, env={**os.environ, **sanitizer_env(False), **crash_at(crash)},
                           capture_output=True, text=True, timeout=DEADLINE_S)
        return r.returncode, json.loads(r.stdout) if r.returncode == 0 else None, r.stderr

    def client(self, volume=None, **options):
        godwit.wait_for("the NBD socket", lambda: os.path.exists(self.socket))
        c = Client(self.socket, volume or self.pair.first, **options)
        self.clients.append(c)
        return c

    def close_clients(self):
        for c in self.clients:
            c.close()
        self.clients = []

    # ---- what is on its disk

    def undo_ids(self, finished=None):
        base = os.path.join(self.plan, "undo")
        ids = sorted(i for i in os.listdir(base) if os.path.exists(os.path.join(base, i, "manifest")))
        if finished is None:
            return ids
        return [i for i in ids if os.path.exists(os.path.join(base, i, "done")) == finished]

    def images(self):
        return {v: read_file(self.image(v)) for v in self.pair.volumes}

    def save(self, name):
        """Copy the plan directory and the images aside (nothing runs)."""
        to = os.path.join(self.pair.root, "%s.%s" % (self.name, name))
        os.mkdir(to)
        subprocess.run(["cp", "-a", "--sparse=always", self.plan,
                        *[self.image(v) for v in self.pair.volumes], to], check=True)
        return to

    def restore(self, saved):
        # Images of recovery points may be immutable.
        subprocess.run(["chattr", "-R", "-i", self.plan], check=False, stderr=subprocess.DEVNULL)
        shutil.rmtree(self.plan)
        subprocess.run(["cp", "-a", "--sparse=always", os.path.join(saved, "plan"), self.disk],
                       check=True)
        for v in self.pair.volumes:
            with open(os.path.join(saved, v + ".img"), "rb") as f, open(self.image(v), "r+b") as g:
                shutil.copyfileobj(f, g, MiB)


# ---- conditions -------------------------------------------------------------------------------

def following(s):
    return s["replication"] in ("async", "sync")


def caught_up(s):
    return (s["replication"] in ("async", "sync") and s["attached"] and s["dirty_blocks"] == 0 and
            s["coarse_extents"] == 0 and s["applied_seq"] == s["seq"] == s["durable_seq"])


def disconnected(s):
    return s["replication"] == "disconnected"


def assessed(s):
    return s["replication"] == "assessing" and s["assess"]["done"]


def serving(s):
    return s["service"] == "serving"


def row(n):
    def verdict_row(s):
        return s["verdict"] is not None and s["verdict"]["row"] == n
    verdict_row.__name__ = "verdict of row %d" % n
    return verdict_row


# ---- the pair ---------------------------------------------------------------------------------

class Pair:
    def __init__(self, world, volumes=None, fill=True, prepare=None):
        """fill: home's volumes hold data before. prepare(pair) is called before anything is made."""
        self.root = world.root if not world.sites else world.path("pair%d" % len(world.sites))
        os.makedirs(self.root, exist_ok=True)
        self.world = world
        self.volumes = volumes or {"data": 10 * MiB + 1536, "ledger": 4 * MiB}
        self.first = next(iter(self.volumes))
        self.link = Proxy()
        self.tls = None  # certificates: something with of(site) -> parameters
        self.home, self.dr = self.site("home"), self.site("dr")
        if prepare:
            prepare(self)
        for v, size in self.volumes.items():
            if fill:
                write_file(self.home.image(v), pattern(v, size))
        self.home.create(self.volumes, peer="dr", active=True)
        self.dr.create(self.volumes, like=self.home.describe())

    def site(self, name):
        s = Site(self, self.root, name)
        self.world.sites.append(s)
        return s

    def start(self, seeded=True, replica_options=None, **params):
        """Replica at dr, source at home, seeded."""
        self.dr.replica(**(replica_options or {}))
        self.home.source(**params)
        if seeded:
            self.settle(self.home)

    def settle(self, source, timeout=DEADLINE_S):
        """Everything that the source has is at its peer, applied."""
        return source.until(caught_up, timeout)

    def check_equal(self):
        for v in self.volumes:
            check_same(self.home.image(v), self.dr.image(v), "volume " + v)

    def twin_of_home(self):
        """A copy of home as it is now, with images of its own, as of a machine that was cloned."""
        twin = self.site("twin")
        subprocess.run(["cp", "-a", "--sparse=always", self.home.plan,
                        *[self.home.image(v) for v in self.volumes], twin.dir], check=True)
        for v in self.volumes:
            link = os.path.join(twin.plan, "volumes", v)
            os.unlink(link)
            os.symlink(twin.image(v), link)
        return twin

    def fail_over(self, to, **params):
        """`to` is a replica whose source is gone: promote it and serve there."""
        answer = to.promote()
        to.source(**params)
        to.until(serving)
        return answer

    def hand_over(self, src, dst, **params):
        """The planned move; afterwards dst serves and src receives."""
        answer = src.call("handover")
        src.stop()
        promotion = dst.promote()
        assert promotion["handover"], promotion
        dst.source(**params)
        src.replica()
        return answer


# ---- clients ----------------------------------------------------------------------------------

class Failed(Exception):
    """The server answered a request with an error, or is gone."""


class Op:
    def __init__(self, buf=None):
        self.buf = buf
        self.error = None
        self.done = False

    def ok(self):
        return self.done and self.error is None


class Client:
    """An NBD connection. Requests are asynchronous inside, so that a test can watch one that waits,
    and so that the link's threads run meanwhile."""

    def __init__(self, sock, export, timeout=DEADLINE_S):
        self.timeout = timeout
        self.h = nbd.NBD()
        self.h.add_meta_context("base:allocation")
        self.h.set_export_name(export)
        self.h.connect_unix(sock)
        self.size = self.h.get_size()

    def close(self):
        """Takes the answers that come, then says goodbye: Debian's nbdkit may abort when a client is
        gone in the middle of a reply ("raw_send_socket: Assertion `sock >= 0' failed")."""
        h, self.h = self.h, None
        if h is None:
            return
        try:
            end = time.monotonic() + 2
            while h.aio_in_flight() > 0 and time.monotonic() < end and not h.aio_is_dead():
                if select.select([h.aio_get_fd()], [], [], 0.05)[0]:
                    h.aio_notify_read()
                elif h.aio_get_direction() & nbd.AIO_DIRECTION_WRITE:
                    h.aio_notify_write()
            h.shutdown()
        except nbd.Error:
            pass

    # ---- asynchronous

    def submit(self, kind, *args, **flags):
        """kind: pwrite(buf, off), pread(len, off), flush(), zero, trim(len, off)."""
        op = Op()

        def completed(error):
            op.done = True
            op.error = getattr(error, "value", error) or None
            return 1

        try:
            if kind == "pwrite":
                op.buf = nbd.Buffer.from_bytearray(bytearray(args[0]))
                self.h.aio_pwrite(op.buf, args[1], completed, **flags)
            elif kind == "pread":
                op.buf = nbd.Buffer(args[0])
                self.h.aio_pread(op.buf, args[1], completed, **flags)
            else:
                getattr(self.h, "aio_" + kind)(*args, completion=completed, **flags)
        except nbd.Error as e:
            op.done, op.error = True, e.errnum or errno.EIO
        return op

    def pump(self, seconds=0.0):
        """Move what can be moved; waits at most so long for the socket."""
        if not self.alive():
            return
        direction = self.h.aio_get_direction()
        fd = self.h.aio_get_fd()
        rd = [fd] if direction & nbd.AIO_DIRECTION_READ else []
        wr = [fd] if direction & nbd.AIO_DIRECTION_WRITE else []
        can_read, can_write, _ = select.select(rd, wr, [], seconds)
        try:
            if can_read:
                self.h.aio_notify_read()
            elif can_write:
                self.h.aio_notify_write()
        except nbd.Error:
            pass  # the operations have their errors

    def alive(self):
        return not (self.h.aio_is_dead() or self.h.aio_is_closed())

    def wait(self, *ops, timeout=None):
        end = time.monotonic() + (timeout or self.timeout)
        while not all(op.done for op in ops):
            if not self.alive():
                raise Failed("the server is gone")
            if time.monotonic() > end:
                raise TimeoutError("no answer from the NBD server")
            self.pump(0.05)

    def stays_unanswered(self, op, seconds):
        """Watch for so long that op gets no answer."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            assert not op.done, "answered (%s) where it had to wait" % (op.error or "success")
            self.pump(0.02)

    # ---- synchronous

    def run(self, kind, *args, **flags):
        op = self.submit(kind, *args, **flags)
        self.wait(op)
        if op.error:
            raise Failed("%s: %s" % (kind, os.strerror(op.error)))
        return op

    def write(self, off, data, fua=False):
        self.run("pwrite", data, off, flags=nbd.CMD_FLAG_FUA if fua else 0)

    def read(self, off, n):
        return bytes(self.run("pread", n, off).buf.to_bytearray())

    def flush(self):
        self.run("flush")

    def zero(self, off, n, **flags):
        self.run("zero", n, off, **flags)

    def trim(self, off, n):
        self.run("trim", n, off)


class Load:
    """Random writes of many sizes at a depth; remembers what was acknowledged.

    No two writes in flight overlap. After the server died, `may_be(image)` tells which blocks hold
    neither what was acknowledged last nor what was on its way.
    """

    def __init__(self, client, rng, depth=8, size_max=24 * 1024, align=512):
        self.client, self.rng, self.depth = client, rng, depth
        self.size_max, self.align = size_max, align
        self.acked = {}    # unit -> bytes that must be there
        self.unsure = {}   # unit -> list of bytes that may be there instead
        self.written = set()  # units, whatever became of them
        self.flying = []   # (op, units, off, data)
        self.n_acked = 0

    def _pick(self):
        for _ in range(100):
            n = self.align * self.rng.randint(1, self.size_max // self.align)
            off = self.align * self.rng.randrange((self.client.size - n) // self.align + 1)
            units = range(off // self.align, (off + n) // self.align)
            if not any(off < o + len(d) and o < off + n for _, _, o, d in self.flying):
                return off, n, units
        return None

    def _submit(self):
        picked = self._pick()
        if picked is None:
            return False
        off, n, units = picked
        data = self.rng.randbytes(n)
        op = self.client.submit("pwrite", data, off)
        self.written.update(units)
        self.flying.append((op, units, off, data))
        return True

    def _collect(self):
        still = []
        for item in self.flying:
            op, units, off, data = item
            if not op.done:
                still.append(item)
            elif op.error is None:
                self.n_acked += 1
                for k, u in enumerate(units):
                    self.acked[u] = data[k * self.align:(k + 1) * self.align]
                    self.unsure.pop(u, None)
            else:
                self._doubt(item)
        self.flying = still

    def _doubt(self, item):
        _, units, _, data = item
        for k, u in enumerate(units):
            self.unsure.setdefault(u, []).append(data[k * self.align:(k + 1) * self.align])

    def run(self, n=None, until=None, timeout=DEADLINE_S):
        """Until n more writes are acknowledged, or until() holds. False: the server is gone."""
        goal = None if n is None else self.n_acked + n
        end = time.monotonic() + timeout
        while (goal is None or self.n_acked < goal) and not (until and until()):
            assert time.monotonic() < end, "the load of %s stands still at %d" % (n, self.n_acked)
            if not self.client.alive():
                return False
            while len(self.flying) < self.depth and self._submit():
                pass
            self.client.pump(0.02)
            self._collect()
        return True

    def complete(self, n):
        """n more writes; none is in flight afterwards."""
        self.run(n)
        self.drain()

    def fall_behind(self, site, timeout=DEADLINE_S):
        """Until the site gives its ring up, once more: seeding counted as such already."""
        before = site.status()["fell_behind"]
        self.run(until=lambda: site.status()["fell_behind"] > before, timeout=timeout)

    def drain(self):
        self.client.wait(*[f[0] for f in self.flying])
        self._collect()
        assert not self.unsure, "a write failed"

    def take_answers(self, timeout=DEADLINE_S):
        """Of what is in flight, good or bad; nothing new is sent."""
        self.client.wait(*[f[0] for f in self.flying], timeout=timeout)
        self._collect()

    def abandon(self):
        """The server died: what was in flight may be there or not."""
        self._collect()
        for item in self.flying:
            self._doubt(item)
        self.flying = []

    def lost(self, image):
        """Units whose acknowledged content is not in the image (bytes)."""
        a = self.align
        return [u for u, want in self.acked.items()
                if image[u * a:(u + 1) * a] != want and
                image[u * a:(u + 1) * a] not in self.unsure.get(u, [])]


# ---- undo files -------------------------------------------------------------------------------

def undo_blocks(site, undo_id):
    """{(volume name, block): old content} of an undo file: a second reader of its format."""
    out = {}
    data = read_file(os.path.join(site.plan, "undo", undo_id, "data"))
    names = list(site.pair.volumes)
    at = 0
    while at + 40 <= len(data):
        magic, volume, kind, n, _, block, _, _ = struct.unpack_from("<4sHHIIQQQ", data, at)
        assert magic == b"GWU1", (undo_id, at)
        at += 40
        if kind == 0:
            size = min(BLOCK, site.pair.volumes[names[volume]] - block * BLOCK)
            content = data[at:at + n] or bytes(size)
            assert len(content) == size
            assert out.setdefault((names[volume], block), content) is content, "stored twice"
        at += (n + 7) // 8 * 8
    return out


def check_undo(site, undo_id, before, live=()):
    """The undo file holds exactly the content of before, of at least every block that changed.
    `live`: loads on the first volume that may have gone on after the resync (FIN) was over."""
    after_fin = {u * load.align // BLOCK for load in live for u in load.written}
    first = next(iter(before))
    kept = undo_blocks(site, undo_id)
    for (volume, block), content in kept.items():
        at = block * BLOCK
        assert before[volume][at:at + len(content)] == content, (volume, block)
    for volume, now in site.images().items():
        for at in differences(before[volume], now):
            if volume == first and at // BLOCK in after_fin:
                continue
            assert (volume, at // BLOCK) in kept, "%s at %d was overwritten and not kept" % (
                volume, at)
    return kept


# ---- what tests have in common ------------------------------------------------------------------

def lose_home_with_a_tail(pair, rng, writes=40):
    """The link is cut, writes go on, home dies. Gives the load of the tail."""
    load = Load(pair.home.client("data"), rng)
    load.run(60)
    load.drain()
    pair.settle(pair.home)
    pair.link.cut()
    pair.home.until(disconnected)
    tail = Load(pair.home.client("data"), rng)
    tail.run(writes)
    tail.drain()
    pair.home.kill()
    return tail


def blocks_of(load):
    return {u * load.align // BLOCK for u in load.acked}


def kept_tail(site):
    """The one undo file of the first reign that holds something."""
    undo, = [u for u in site.undo_ids() if u.startswith("e1-") and undo_blocks(site, u)]
    return undo


def block_differences(a, b):
    return sum(len(differences(a[v], b[v])) for v in a)


def make_point(pair, rng, name, writes=30):
    """Some writes, then a point exactly after them; gives the images of that moment."""
    load = Load(pair.home.client("data"), rng)
    load.run(writes)
    load.drain()
    pair.home.client("ledger").write(0, name.encode() * 100)
    pair.home.call("point", id=name, tag="before " + name)
    pair.settle(pair.home)
    return pair.dr.images()


def return_home(pair, rng):
    """Home comes back, signs, is healed."""
    load = Load(pair.dr.client("data"), rng)
    load.run(20)
    pair.link.restore()
    pair.home.replica()
    pair.dr.until(lambda s: assessed(s) or caught_up(s))
    if pair.dr.status()["replication"] == "assessing":
        pair.home.call("sign", by="eva")
    load.run(10)
    load.drain()
    pair.settle(pair.dr)
    pair.check_equal()
    assert not load.lost(read_file(pair.home.image("data")))


# ---- files ------------------------------------------------------------------------------------

def pattern(name, size):
    """Data, zeros and holes, the same for the same name."""
    rng = random.Random(name)
    out = bytearray(size)
    at = 0
    while at < size:
        n = min(rng.randint(1, 300000), size - at)
        if rng.random() < 0.6:
            out[at:at + n] = rng.randbytes(n)
        at += n
    return bytes(out)


def read_file(path):
    with open(path, "rb") as f:
        return f.read()


def write_file(path, data):
    with open(path, "wb") as f:
        f.write(data)


def differences(a, b):
    """Offsets of the blocks that differ."""
    if len(a) != len(b):
        return [min(len(a), len(b))]
    if a == b:
        return []
    return [at for at in range(0, len(a), BLOCK) if a[at:at + BLOCK] != b[at:at + BLOCK]]


def check_same(path_a, path_b, what):
    a = path_a if isinstance(path_a, bytes) else read_file(path_a)
    b = path_b if isinstance(path_b, bytes) else read_file(path_b)
    assert len(a) == len(b), "%s: %d and %d bytes" % (what, len(a), len(b))
    d = differences(a, b)
    assert not d, "%s: %d blocks differ, at %s" % (what, len(d), d[:8])
