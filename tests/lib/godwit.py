# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""Real godwit processes on private directories, sockets and ports, for tests.

    def test_something(world):                          # the fixture of tests/scenario/conftest.py
        pair = world.pair(volumes={"data": "16MiB"})    # two sites, created; home active, dr blank
        pair.start()                                    # replica at dr, source at home, following
        pair.home.write("data", 0, b"x" * 4096)
        pair.drain()                                    # all of it is durable at the peer
        assert pair.home.ctl("verify", "--wait")["verify"]["differing_blocks"] == 0

Layers, each usable alone:

    run_ctl(...)   godwit-ctl as a person would call it -> Result (code, out, err, json)
    Program        one process: started, awaited, stopped or killed by its pid; its log
    Site           one plan directory, its volumes, its replica or source, an NBD client for it
    Pair           home and dr
    World          the root directory of a test; stops every process and looks into every log

Nothing here sleeps for a fixed time: wait_for() looks again until something holds or its deadline
has passed, and says what it last saw. A log that shows a sanitizer's report fails the test.

The programs are those of GODWIT_BUILD (a meson build directory; default build/test).
"""
import ctypes
import functools
import hashlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import nbd

REPO = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get("GODWIT_BUILD", os.path.join(REPO, "build", "test")))
CTL = os.path.join(BUILD, "src/ctl/godwit-ctl")
REPLICA = os.path.join(BUILD, "src/replica/godwit-replica")
PLUGIN = os.path.join(BUILD, "src/plugin/nbdkit-godwit-plugin.so")

TIMEOUT_S = 60  # for anything that normally takes well under a second
BLOCK = 4096
FOLLOWING = ("async", "sync")

# Exit codes of godwit-ctl.
OK, FAILED, USAGE, REFUSED, WAITING, CANCELLED, UNKNOWN = range(7)


# ---- waiting ---------------------------------------------------------------------------------

def wait_for(what, probe, timeout=TIMEOUT_S, retry=()):
    """The first true value of probe(). Exceptions of `retry` count as not yet."""
    deadline = time.monotonic() + timeout
    while True:
        seen = None
        try:
            seen = probe()
            if seen:
                return seen
        except retry as e:
            seen = e
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout} s for {what}; last seen: {seen!r}")
        time.sleep(0.02)  # between two looks; nothing depends on its length


def free_port():
    """A loopback port below the range from which the kernel takes ports for others."""
    while True:
        port = random.SystemRandom().randrange(20000, 32000)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


# ---- programs --------------------------------------------------------------------------------

@functools.lru_cache(None)
def _build_options():
    with open(os.path.join(BUILD, "meson-info/intro-buildoptions.json"), encoding="utf-8") as f:
        return {o["name"]: o["value"] for o in json.load(f)}


@functools.lru_cache(None)
def sanitizer_env(loads_plugin):
    """What a program needs in its environment. nbdkit is not built with sanitizers, so that the
    runtime of a plugin that is (gcc's; clang links it in) must be there before it."""
    env = {"UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1"}
    if "address" not in str(_build_options().get("b_sanitize", "")) or not loads_plugin:
        return env
    with open(os.path.join(BUILD, "compile_commands.json"), encoding="utf-8") as f:
        if "clang" in json.load(f)[0]["command"].split()[0]:
            return env
    lib = subprocess.run(["gcc", "-print-file-name=libasan.so"], check=True, text=True,
                         stdout=subprocess.PIPE).stdout.strip()
    # The runtime starts inside another library's locale call and leaves the locale lock taken, so
    # that exit() hangs, unless something small makes it start before (asan_first.c).
    first = os.path.join(BUILD, "tests/scenario/asan_first.so")
    lib += ":" + first if os.path.exists(first) else ""
    # nbdkit itself leaks what it does not care to free at its end.
    return {**env, "LD_PRELOAD": lib, "ASAN_OPTIONS": "detect_leaks=0"}


def _die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class Program:
    """One process. `log` collects its standard output and error."""

    SICK = ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "runtime error:",
            "WARNING: ThreadSanitizer", "Assertion `")

    def __init__(self, name, argv, log, env=None, loads_plugin=False):
        self.name, self.log, self.sick = name, log, None
        with open(log, "ab") as f:
            f.write(f"--- {' '.join(argv)}\n".encode())
            f.flush()
            self.begin = f.tell()
            self.process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=f, stderr=f, preexec_fn=_die_with_parent,
                env={**os.environ, **sanitizer_env(loads_plugin), **(env or {})})

    @property
    def pid(self):
        return self.process.pid

    def alive(self):
        return self.process.poll() is None

    def output(self):
        """What it has said since it was started."""
        with open(self.log, "rb") as f:
            f.seek(self.begin)
            return f.read().decode(errors="replace")

    def wait(self, timeout=TIMEOUT_S):
        """Its exit code (negative: the signal)."""
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} (pid {self.pid}) did not end:\n{self.output()}")
        self.check()
        return code

    def stop(self, timeout=TIMEOUT_S):
        if self.alive():
            self.process.send_signal(signal.SIGTERM)
        return self.wait(timeout)

    def kill(self):
        """As if it had crashed."""
        if self.alive():
            self.process.kill()
        return self.wait()

    def check(self):
        text = self.output()
        assert not any(s in text for s in self.SICK), f"{self.name}: {text}"

    def wait_output(self, text, timeout=TIMEOUT_S):
        def probe():
            if not self.alive() and text not in self.output():
                raise AssertionError(f"{self.name} ended with {self.process.returncode}:\n"
                                     f"{self.output()}")
            return text in self.output()
        wait_for(f"{self.name} to say {text!r}", probe, timeout)


class Result:
    """One call of godwit-ctl."""

    def __init__(self, argv, code, out, err):
        self.argv, self.code, self.out, self.err = argv, code, out, err

    @property
    def json(self):
        return json.loads(self.out)

    def __repr__(self):
        return f"{' '.join(self.argv)}: exit {self.code}\n{self.out}{self.err}"


class CtlError(AssertionError):
    def __init__(self, result):
        super().__init__(repr(result))
        self.result = result


def run_ctl(*args, stdin="", timeout=TIMEOUT_S, env=None):
    """godwit-ctl with exactly these arguments, without a terminal."""
    argv = [CTL, *map(str, args)]
    p = subprocess.run(argv, input=stdin, text=True, stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, timeout=timeout,
                       env={**os.environ, **sanitizer_env(False), **(env or {})})
    r = Result(argv, p.returncode, p.stdout, p.stderr)
    assert not any(s in r.err for s in Program.SICK), r
    assert 0 <= r.code <= UNKNOWN, r
    return r


# ---- a site ----------------------------------------------------------------------------------

class Site:
    """One side of one plan: DIR/plan, DIR/<volume>.img, sockets and logs beside them."""

    def __init__(self, root, name):
        self.name = name
        self.dir = os.path.join(root, name)
        os.mkdir(self.dir)
        self.plan = os.path.join(self.dir, "plan")
        self.control = os.path.join(self.dir, "control")
        self.socket = os.path.join(self.dir, "nbd")
        self.port = free_port()
        self.program = None  # its replica or source
        self.programs = []
        self._nbd = {}

    @property
    def address(self):
        """Where its replica listens, before and after every start."""
        return f"127.0.0.1:{self.port}"

    def image(self, volume):
        return os.path.join(self.dir, volume + ".img")

    # -- the tool

    def create(self, volumes, plan="shop", peer=None, active=False, second=False, like=None,
               adopt_data=False):
        """Make the plan directory; `volumes` is {name: size} or, with `like` (a description), names.
        Returns what godwit-ctl says."""
        args = ["create", self.plan, "--json", "--active" if active else "--standby"]
        if like is not None:
            file = os.path.join(self.dir, "like.json")
            with open(file, "w", encoding="utf-8") as f:
                json.dump(like, f)
            args += ["--like", file, "--site", self.name]
            args += [a for v in volumes for a in ("--volume", f"{v}={self.image(v)}")]
        else:
            args += ["--plan", plan, "--site", self.name, "--peer", peer]
            args += ["--second"] if second else []
            args += [a for v, size in volumes.items()
                     for a in ("--volume", f"{v}={self.image(v)},{size}")]
        return self._checked(run_ctl(*args, *(["--adopt-data"] if adopt_data else [])))

    @staticmethod
    def _checked(result):
        if result.code != OK:
            raise CtlError(result)
        return result.json

    def describe(self):
        return self._checked(run_ctl("describe", self.plan))

    def ctl_result(self, *args, offline=None, timeout=TIMEOUT_S):
        """Call godwit-ctl with --json on this site: on the running process, or (offline, or when
        there is none) on the directory."""
        if offline is None:
            offline = self.program is None or not self.program.alive()
        target = ("--dir", self.plan) if offline else ("--socket", self.control)
        return run_ctl(*args, *target, "--json", timeout=timeout)

    def ctl(self, *args, offline=None, timeout=TIMEOUT_S):
        """The same; anything but success is a CtlError. Returns the answer."""
        return self._checked(self.ctl_result(*args, offline=offline, timeout=timeout))

    def status(self):
        return self.ctl("status")

    def inspect(self):
        """The directory's own word, also beside a process; damage does not fail it."""
        return run_ctl("inspect", "--dir", self.plan, "--json").json

    def wait_status(self, what, probe, timeout=TIMEOUT_S):
        """The first status for which probe(status) is true."""
        def look():
            s = self.status()
            look.last = {k: s.get(k) for k in ("service", "replication", "state", "reason")}
            return s if probe(s) else None
        look.last = None
        try:
            return wait_for(f"{self.name}: {what}", look, timeout, retry=(CtlError,))
        except AssertionError as e:
            raise AssertionError(f"{e}; last status {look.last}\n{self.log_tail()}")

    # -- processes

    def _start(self, kind, argv, env, loads_plugin):
        assert self.program is None or not self.program.alive(), f"{self.name} runs already"
        self.program = Program(f"{self.name}'s {kind}", argv, os.path.join(self.dir, kind + ".log"),
                               env, loads_plugin)
        self.programs.append(self.program)
        return self.program

    def start_replica(self, *options, env=None, wait=True):
        """godwit-replica on the directory, on self.address; returns when it listens."""
        p = self._start("replica", [REPLICA, "--dir", self.plan, "--listen", self.address,
                                    "--control", self.control, "--plain", *options], env, False)
        if wait:
            p.wait_output("listening on ")
        return p

    def start_source(self, peer=None, env=None, wait=True, **params):
        """nbdkit with the plugin; peer is a Site, "host:port" or None. Returns when its control
        socket answers, which is before the verdict lets it serve. Parameters of the plugin are
        given with underscores (sync="yes", link_timeout_ms=1000)."""
        words = {"dir": self.plan, "control": self.control, "plain": "yes"}
        if peer is not None:
            words["peer"] = peer.address if isinstance(peer, Site) else peer
        words.update({k.replace("_", "-"): str(v) for k, v in params.items()})
        if os.path.exists(self.socket):
            os.unlink(self.socket)  # of one that was killed
        p = self._start("source", ["nbdkit", "-f", "-U", self.socket, PLUGIN,
                                   *(f"{k}={v}" for k, v in words.items())], env, True)
        if wait:
            def answers():
                assert p.alive(), f"{p.name} ended with {p.process.returncode}:\n{p.output()}"
                return self.ctl_result("status", offline=False).code == OK and \
                    os.path.exists(self.socket)
            wait_for(f"{p.name} to answer", answers)
        return p

    def wait_serving(self, timeout=TIMEOUT_S):
        return self.wait_status("serves", lambda s: s["service"] == "serving", timeout)

    def wait_following(self, timeout=TIMEOUT_S):
        """The source's peer follows its stream."""
        return self.wait_status("is followed by its peer",
                                lambda s: s["replication"] in FOLLOWING, timeout)

    def drain(self, timeout=TIMEOUT_S):
        """Everything written until now is durable at the peer, and nothing is dirty."""
        return self.wait_status(
            "has everything at its peer",
            lambda s: s["replication"] in FOLLOWING and s["durable_seq"] == s["seq"] and
            s["dirty_blocks"] == s["coarse_extents"] == 0, timeout)

    def stop(self):
        """Clean; the exit code (None if nothing ran)."""
        self.hang_up()
        return self.program.stop() if self.program else None

    def kill(self):
        self.hang_up()
        return self.program.kill() if self.program else None

    def log_tail(self, lines=60):
        if not self.program:
            return ""
        return "\n".join([f"--- {self.program.name}:"] +
                         self.program.output().splitlines()[-lines:])

    # -- clients

    def uri(self, volume=""):
        return f"nbd+unix:///{volume}?socket={self.socket}"

    def connect(self, volume=""):
        """A new libnbd handle; the caller's."""
        h = nbd.NBD()
        h.set_export_name(volume)
        h.connect_unix(self.socket)
        return h

    def client(self, volume):
        """A handle that is kept until the site is stopped or killed."""
        if volume not in self._nbd:
            self._nbd[volume] = self.connect(volume)
        return self._nbd[volume]

    def write(self, volume, offset, data, fua=False):
        self.client(volume).pwrite(data, offset, nbd.CMD_FLAG_FUA if fua else 0)

    def read(self, volume, offset, length):
        return bytes(self.client(volume).pread(length, offset))

    def flush(self, volume):
        self.client(volume).flush()

    def hang_up(self):
        """Close the kept handles: nbdkit ends when its last client has gone."""
        handles, self._nbd = self._nbd, {}
        for h in handles.values():
            try:
                h.shutdown()
            except nbd.Error:
                pass  # it is gone already

    # -- the volumes, behind everybody's back

    def image_bytes(self, volume, offset, length):
        with open(self.image(volume), "rb") as f:
            f.seek(offset)
            return f.read(length)

    def spoil(self, volume, offset, data):
        """Change a volume as a failing disk would."""
        with open(self.image(volume), "r+b") as f:
            f.seek(offset)
            f.write(data)

    def image_hash(self, volume):
        with open(self.image(volume), "rb") as f:
            return hashlib.file_digest(f, "sha256").hexdigest()


# ---- two sites -------------------------------------------------------------------------------

class Pair:
    """Two sites of one plan: home is active and first, dr is blank. `source` and `replica` are the
    sites that play these parts now; the methods that change roles keep them."""

    def __init__(self, world, volumes, plan, source_params):
        self.volumes, self.params = list(volumes), source_params
        self.home, self.dr = world.site("home"), world.site("dr")
        self.home.create(volumes, plan=plan, peer="dr", active=True)
        self.dr.create(self.volumes, like=self.home.describe())
        self.source, self.replica = self.home, self.dr

    def start(self, wait=True, **params):
        """Replica and source; returns when the peer follows."""
        self.replica.start_replica()
        self.source.start_source(self.replica, **{**self.params, **params})
        if wait:
            self.source.wait_serving()
            self.source.wait_following()

    def drain(self, timeout=TIMEOUT_S):
        return self.source.drain(timeout)

    def stop(self):
        """Both, the source first, so that all it has is at the replica."""
        self.source.stop()
        self.replica.stop()

    def promote_replica(self, *options):
        """Promote the replica over its socket; its process ends. Returns the promotion. It becomes
        `source`, not started yet."""
        site = self.replica
        result = site.ctl("promote", "--yes", *options)
        assert site.program.wait() == 0, site.log_tail()
        self.source, self.replica = site, self.source
        return result

    def fail_over(self, *options):
        """The source is lost without a word; the replica takes over and serves alone."""
        self.source.kill()
        result = self.promote_replica(*options)
        self.source.start_source(self.replica, **self.params)
        self.source.wait_serving()
        return result

    def hand_over(self):
        """The planned way: the same, and afterwards the old source follows."""
        answer = self.source.ctl("handover", "--yes")
        self.source.stop()
        answer["promotion"] = self.promote_replica()
        self.start()
        return answer

    def differing_volumes(self):
        """Volumes whose images are not equal. Look only when nothing is written."""
        return [v for v in self.volumes if self.home.image_hash(v) != self.dr.image_hash(v)]


class World:
    """Everything of one test, under one short path (a socket's has at most 107 bytes)."""

    def __init__(self):
        self.root = tempfile.mkdtemp(prefix="gw-")
        self.sites = []

    def site(self, name):
        s = Site(self.root, name)
        self.sites.append(s)
        return s

    def pair(self, volumes=None, plan="shop", **source_params):
        return Pair(self, volumes or {"data": "16MiB"}, plan, source_params)

    def path(self, name):
        return os.path.join(self.root, name)

    def logs(self):
        return "\n".join(f"--- {p.name} (pid {p.pid}, exit {p.process.poll()})\n{p.output()[-8000:]}"
                         for s in self.sites for p in s.programs)

    def close(self):
        """Ends what still runs, removes the directory, and fails if a log shows a sanitizer's
        report."""
        programs = [p for s in self.sites for p in s.programs]
        for p in programs:
            if p.alive():
                p.process.kill()
                p.process.wait()
        try:
            for p in programs:
                p.check()
        finally:
            # Images of recovery points may be immutable.
            if shutil.which("chattr"):
                subprocess.run(["chattr", "-R", "-i", self.root], check=False,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            shutil.rmtree(self.root)
