# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""Two sites of one plan, as real processes, for scenario tests.

    pair = Pair(tmp_path, {"data": 10 * MiB + 1536})     plan directories and volumes, nothing runs
    pair.dr.replica(); pair.home.source()                processes; the link goes through pair.link
    c = pair.home.client("data"); c.write(0, b"...")     NBD client, all calls have deadlines
    pair.home.until(following)                           waits for a status, fails with it
    pair.settle(pair.home); pair.check_equal()
    pair.close()                                         ends all; fails on a sanitizer's report

The programs are found in $GODWIT_BUILD (the meson build directory; default build/test).

Nothing here sleeps for a fixed time: everything waits for a state, with a deadline.
"""
import errno
import fcntl
import json
import os
import random
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time

import nbd
import pytest

from proxy import Proxy

MiB = 1024 * 1024
BLOCK = 4096
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get("GODWIT_BUILD", os.path.join(ROOT, "build", "test")))
PLUGIN = os.path.join(BUILD, "src/plugin/nbdkit-godwit-plugin.so")
REPLICA = os.path.join(BUILD, "src/replica/godwit-replica")
CTL = os.path.join(BUILD, "src/ctl/godwit-ctl")
DEADLINE_S = float(os.environ.get("GODWIT_TEST_DEADLINE", "30"))


class Refused(Exception):
    """A control command was answered with an error."""

    def __init__(self, error):
        super().__init__(error["message"])
        self.code, self.message = error["code"], error["message"]


class Gone(Exception):
    """A control connection ended without an answer: the process died."""


# ---- fixtures: a test module imports them -------------------------------------------------------

@pytest.fixture
def sites():
    """sites(volumes, ...) gives a Pair in a private directory; all of it ends with the test."""
    made = []

    def make(volumes=None, **options):
        root = tempfile.mkdtemp(prefix="gw-")
        made.append((root, Pair(root, volumes, **options)))
        return made[-1][1]

    yield make
    try:
        for _, pair in made:
            pair.close()
    finally:
        for root, _ in made:
            if "GODWIT_TEST_KEEP" not in os.environ:
                # Images of recovery points may be immutable.
                subprocess.run(["chattr", "-R", "-i", root], stderr=subprocess.DEVNULL)
                shutil.rmtree(root, ignore_errors=True)


@pytest.fixture
def rng(request):
    """Random, and the same at every run of the same test."""
    return random.Random(request.node.name)


# ---- sanitizers -------------------------------------------------------------------------------

def _preload():
    """The sanitizer's runtime that nbdkit must have before it loads an instrumented plugin."""
    needed = subprocess.run(["readelf", "-dW", PLUGIN], capture_output=True, text=True).stdout
    for lib in ("libasan", "libtsan"):
        if lib in needed:
            return subprocess.run(["gcc", "-print-file-name=%s.so" % lib], capture_output=True,
                                  text=True).stdout.strip()
    symbols = subprocess.run(["nm", "-D", "-u", PLUGIN], capture_output=True, text=True).stdout
    for word, lib in (("__asan_init", "asan"), ("__tsan_init", "tsan")):
        if word in symbols:
            return subprocess.run(["clang", "-print-file-name=libclang_rt.%s-x86_64.so" % lib],
                                  capture_output=True, text=True).stdout.strip()
    return None


_PRELOAD = _preload() if os.path.exists(PLUGIN) else None
_REPORT = re.compile(r"ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:|Assertion|"
                     r"SUMMARY: \w+Sanitizer")


def environment(extra=None, preload=False):
    env = dict(os.environ, UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1")
    env.pop("GODWIT_CRASH_POINT", None)
    if preload and _PRELOAD:
        # nbdkit itself frees nothing at its end.
        env.update(LD_PRELOAD=_PRELOAD, ASAN_OPTIONS="detect_leaks=0")
    env.update(extra or {})
    return env


def crash_at(name):
    """name: a crash point, "NAME:N" the N-th time that it is reached; None: none."""
    return {"GODWIT_CRASH_POINT": name} if name else None


# ---- processes --------------------------------------------------------------------------------

class Process:
    """A process of a site: its control socket, its log, its end."""

    def __init__(self, site, kind, argv, env, control):
        self.site, self.kind, self.control = site, kind, control
        self.log_path = site.log_path
        self.log = open(self.log_path, "ab")
        self.log.write(b"---- %s\n" % " ".join(argv).encode())
        self.log.flush()
        self.popen = subprocess.Popen(argv, env=env, stdin=subprocess.DEVNULL,
                                      stdout=subprocess.PIPE, stderr=self.log,
                                      start_new_session=True)
        self.pid = self.popen.pid

    def alive(self):
        return self.popen.poll() is None

    def wait_end(self, timeout=DEADLINE_S):
        self.popen.wait(timeout)
        self.popen.stdout.close()
        self.log.close()
        if self.site.process is self:
            self.site.process = None
        return self.popen.returncode

    def signal(self, number):
        self.popen.send_signal(number)

    def kill(self):
        """kill -9."""
        if self.alive():
            self.popen.send_signal(signal.SIGCONT)
            self.popen.kill()
        return self.wait_end()

    def _unloaded(self):
        """The plan is closed: only nbdkit's own end is missing."""
        with open(os.path.join(self.site.dir, "lock")) as f:
            try:
                fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return False
        return len(os.listdir("/proc/%d/task" % self.pid)) == 1

    def stop(self):
        """The clean end; its exit code must be 0."""
        self.popen.terminate()
        try:
            code = self.wait_end(2 if self.kind == "source" and _PRELOAD else DEADLINE_S)
        except subprocess.TimeoutExpired:
            # With libasan in it nbdkit (also with its own memory plugin) may hang in exit() after
            # it has printed an error: freelocale waits for a lock of libc that nobody holds.
            if not self._unloaded():
                raise
            self.kill()
            code = 0
        assert code == 0, "%s of %s ended with %d\n%s" % (self.kind, self.site.name, code,
                                                          self.site.tail_of_log())

    def crashed(self, timeout=DEADLINE_S):
        """Wait until a crash point has ended it."""
        assert self.wait_end(timeout) == -signal.SIGKILL, self.site.tail_of_log()

    def call(self, cmd, timeout=DEADLINE_S, **args):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
            s.settimeout(timeout)
            try:
                s.connect(self.control)
                s.sendall(json.dumps(dict(args, cmd=cmd)).encode() + b"\n")
                with s.makefile("rb") as lines:
                    for line in lines:
                        answer = json.loads(line)
                        if "ok" not in answer:
                            continue
                        if not answer["ok"]:
                            raise Refused(answer["error"])
                        return answer
            except (ConnectionError, FileNotFoundError) as e:
                raise Gone("%s: %s" % (cmd, e))
        raise Gone(cmd)


class Site:
    def __init__(self, pair, name):
        self.pair, self.name = pair, name
        self.dir = os.path.join(pair.root, name)
        self.image = {v: os.path.join(pair.root, "%s.%s.img" % (name, v)) for v in pair.volumes}
        self.log_path = os.path.join(pair.root, name + ".log")
        self.process = None
        self.clients = []

    @property
    def peer(self):
        return self.pair.dr if self is self.pair.home else self.pair.home

    # ---- start and end

    def source(self, crash=None, peer=True, wait=True, **options):
        """nbdkit with the plugin; options by the plugin's names, "_" for "-"."""
        assert self.process is None
        control, sock = self._socket("ctl"), self._socket("nbd")
        argv = ["nbdkit", "-f", "-U", sock, PLUGIN, "dir=" + self.dir, "control=" + control]
        if peer:
            argv += ["peer=" + self.pair.link.address, "plain=yes"]
        argv += ["%s=%s" % (k.replace("_", "-"), v) for k, v in options.items()]
        env = environment(crash_at(crash), True)
        self.process = Process(self, "source", argv, env, control)
        self.nbd_socket = sock
        if wait:
            self.until_answers()
        return self.process

    def replica(self, crash=None, wait=True, linked=True, **options):
        """godwit-replica on a free port; the link leads to it."""
        assert self.process is None
        control = self._socket("ctl")
        argv = [REPLICA, "--dir", self.dir, "--listen", "127.0.0.1:0", "--control", control,
                "--plain"]
        for k, v in options.items():
            argv += ["--" + k.replace("_", "-"), str(v)]
        env = environment(crash_at(crash))
        p = self.process = Process(self, "replica", argv, env, control)
        if wait:
            line = self._first_line(p)
            assert line.startswith("listening on "), (line, self.tail_of_log())
            p.address = line.split()[-1]
            if linked:
                self.pair.link.target = p.address
        return p

    def replica_that_crashes(self, at):
        """It may die while it starts already. True: it listens."""
        p = self.replica(crash=at, wait=False)
        line = self._first_line(p)
        if not line.startswith("listening on "):
            return False
        self.pair.link.target = line.split()[-1]
        return True

    def heal(self, timeout=DEADLINE_S):
        """Be the source without clients until the peer is healed."""
        argv = [REPLICA, "--dir", self.dir, "--heal", self.pair.link.address, "--plain"]
        return subprocess.run(argv, env=environment(), capture_output=True, text=True,
                              timeout=timeout)

    def kill(self):
        self.close_clients()
        if self.process is not None:
            self.process.kill()

    def stop(self):
        self.close_clients()
        if self.process is not None:
            self.process.stop()

    def _socket(self, kind):
        path = os.path.join(self.pair.root, "%s.%s" % (self.name, kind))
        if os.path.exists(path):
            os.unlink(path)
        return path

    def _first_line(self, p):
        ready, _, _ = select.select([p.popen.stdout], [], [], DEADLINE_S)
        return p.popen.stdout.readline().decode() if ready else "nothing came"

    def until_answers(self):
        until = time.monotonic() + DEADLINE_S
        while True:
            try:
                return self.process.call("status")
            except Gone:
                assert self.process.alive() and time.monotonic() < until, self.tail_of_log()
                time.sleep(0.01)

    # ---- talking to it

    def call(self, cmd, **args):
        return self.process.call(cmd, **args)

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
                self.name, condition.__name__, json.dumps(status), self.tail_of_log(15))
            time.sleep(0.01)

    def until_log(self, text, timeout=DEADLINE_S, after=0):
        end = time.monotonic() + timeout
        while text not in self.log_text()[after:]:
            assert time.monotonic() < end, "%s never said %r\n%s" % (self.name, text,
                                                                     self.tail_of_log())
            time.sleep(0.01)

    def log_text(self):
        with open(self.log_path, errors="replace") as f:
            return f.read()

    def tail_of_log(self, lines=40):
        if not os.path.exists(self.log_path):
            return ""
        return "".join("%s| %s\n" % (self.name, x) for x in self.log_text().splitlines()[-lines:])

    def ctl(self, *words):
        """godwit-ctl on the directory; the JSON answer."""
        return json.loads(run(CTL, *words, "--dir", self.dir, "--json"))

    def promote(self, **args):
        """Over the replica's control socket; the process ends by itself."""
        p = self.process
        answer = p.call("promote", **args)
        assert p.wait_end() == 0, self.tail_of_log()
        return answer

    def promote_offline(self, *options, crash=None):
        """godwit-ctl promote --dir. Gives (exit code, JSON answer or None, stderr)."""
        env = environment(crash_at(crash))
        r = subprocess.run([CTL, "promote", "--dir", self.dir, "--json", "--yes",
                            *options], env=env, capture_output=True, text=True,
                           timeout=DEADLINE_S)
        with open(self.log_path, "a") as log:
            log.write("---- promote offline %s: %d %s%s\n" % (options, r.returncode, r.stdout,
                                                              r.stderr))
        return r.returncode, json.loads(r.stdout) if r.returncode == 0 else None, r.stderr

    def client(self, volume=None, **options):
        c = Client(self.nbd_socket, volume or next(iter(self.pair.volumes)), **options)
        self.clients.append(c)
        return c

    def close_clients(self):
        for c in self.clients:
            c.close()
        self.clients = []

    # ---- what is on its disk

    def undo_ids(self, finished=None):
        base = os.path.join(self.dir, "undo")
        ids = sorted(i for i in os.listdir(base) if os.path.exists(os.path.join(base, i, "manifest")))
        if finished is None:
            return ids
        return [i for i in ids if os.path.exists(os.path.join(base, i, "done")) == finished]

    def images(self):
        return {v: read_file(p) for v, p in self.image.items()}

    def save(self, name):
        """Copy the plan directory and the images aside (nothing runs)."""
        to = os.path.join(self.pair.root, "%s.%s" % (self.name, name))
        os.mkdir(to)
        subprocess.run(["cp", "-a", "--sparse=always", self.dir, *self.image.values(), to],
                       check=True)
        return to

    def restore(self, saved):
        shutil.rmtree(self.dir)
        subprocess.run(["cp", "-a", "--sparse=always", os.path.join(saved, self.name),
                        self.pair.root], check=True)
        for p in self.image.values():
            with open(os.path.join(saved, os.path.basename(p)), "rb") as f, open(p, "r+b") as g:
                shutil.copyfileobj(f, g, MiB)


def offline_meta(site):
    """What the plan directory itself says, beside a running process."""
    return json.loads(run(CTL, "inspect", "--dir", site.dir, "--json"))


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
    def __init__(self, root, volumes=None, fill=True):
        self.root = str(root)
        self.volumes = volumes or {"data": 10 * MiB + 1536, "ledger": 4 * MiB}
        self.link = Proxy()
        self.home, self.dr = Site(self, "home"), Site(self, "dr")
        self.sites = (self.home, self.dr)
        for v, size in self.volumes.items():
            if fill:
                write_file(self.home.image[v], pattern(v, size))
        create_pair(self)

    def start(self, seeded=True, replica_options=None, **options):
        """Replica at dr, source at home, seeded."""
        self.dr.replica(**(replica_options or {}))
        self.home.source(**options)
        if seeded:
            self.settle(self.home)

    def settle(self, source, timeout=DEADLINE_S):
        """Everything that the source has is at its peer, applied."""
        return source.until(caught_up, timeout)

    def check_equal(self):
        for v in self.volumes:
            check_same(self.home.image[v], self.dr.image[v], "volume " + v)

    def twin_of_home(self):
        """A copy of home as it is now, with images of its own, as of a machine that was cloned."""
        twin = Site(self, "home")
        base = os.path.join(self.root, "twin")
        os.mkdir(base)
        subprocess.run(["cp", "-a", "--sparse=always", self.home.dir, *self.home.image.values(),
                        base], check=True)
        twin.dir = os.path.join(base, "home")
        twin.log_path = os.path.join(self.root, "twin.log")
        twin.image = {v: os.path.join(base, os.path.basename(p)) for v, p in twin.image.items()}
        twin.name = "twin"
        for v, p in twin.image.items():
            link = os.path.join(twin.dir, "volumes", v)
            os.unlink(link)
            os.symlink(p, link)
        self.sites += (twin,)
        return twin

    def fail_over(self, to, **options):
        """`to` is a replica whose source is gone: promote it and serve there."""
        answer = to.promote()
        to.source(**options)
        to.until(serving)
        return answer

    def hand_over(self, src, dst, **options):
        """The planned move; afterwards dst serves and src receives."""
        answer = src.call("handover")
        src.stop()
        promotion = dst.promote()
        assert promotion["handover"], promotion
        dst.source(**options)
        src.replica()
        return answer

    def close(self):
        for site in self.sites:
            for c in site.clients:
                c.close()
            if site.process is not None:
                site.process.kill()
        self.link.close()
        found = []
        for site in self.sites:
            if os.path.exists(site.log_path):
                text = site.log_text()
                cut = text if len(text) < 20000 else text[:6000] + "\n[...]\n" + text[-12000:]
                print("==== %s\n%s" % (site.name, cut))
                found += [x for x in text.splitlines() if _REPORT.search(x)]
        assert not found, found


def create_pair(pair):
    home, dr = pair.sites

    def volumes(site):
        return [x for v, size in pair.volumes.items()
                for x in ("--volume", "%s=%s,%d" % (v, site.image[v], size))]

    run(CTL, "create", home.dir, "--plan", "shop", "--site", "home", "--peer", "dr", "--active",
        *volumes(home))
    like = os.path.join(pair.root, "plan.json")
    with open(like, "w") as f:
        f.write(run(CTL, "describe", home.dir))
    run(CTL, "create", dr.dir, "--like", like, "--standby", *volumes(dr))


def run(*argv):
    r = subprocess.run(argv, env=environment(), capture_output=True, text=True,
                       timeout=DEADLINE_S)
    assert r.returncode == 0, (argv, r.stdout, r.stderr)
    return r.stdout


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
        """Takes the answers that come, then says goodbye: a nbdkit under AddressSanitizer that finds
        a client gone in the middle of a reply hangs when it ends (its own doing, not godwit's)."""
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
    data = read_file(os.path.join(site.dir, "undo", undo_id, "data"))
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
