# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""Two real godwitd and a plan with a real service, for the procedures of tests/scenario.

    def test_switchover(manual):                    # a fixture: from daemons import manual
        pair = manual.protected()                   # paired, plan applied, activated, following
        pair.home.godwit("switchover", "shop")      # the CLI as a person types it; --json, --yes
        pair.until_phase("PROTECTED_SWAPPED")
        pair.check_history()                        # the service's own record of it all

Layers, each usable alone:

    Daemon    one godwitd: its site file, state directory and CLI; start, stop, kill -9
    Plan      the plan file; the ledger (ledger.py) that its service keeps, and troubles for it
    Pair      home "madrid" and dr "lisbon", paired; the links between them can lead through proxies
    Manual    makes pairs and cleans up after them

Processes of the data plane and services are detached: they outlive the daemon, and a test that kills
it. They are ended at the end of the test by the pid that their record names, which must be theirs.

Trials: pair.home.trial("handover.before_effect", "kill") makes the daemon die, or with "wait" stand
still, at that moment of a run (src/site/trial.h).

Nothing sleeps for a fixed time; wait_for looks again until it holds. The programs are those of
GODWIT_BUILD (default build/test).
"""
import contextlib
import fcntl
import http.client
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import tempfile

import pytest

import disks
from godwit import BUILD, Program, free_port, sanitizer_env, wait_for
from ledger import Ledger
from proxy import Proxy

GODWITD = os.path.join(BUILD, "src/site/godwitd")
CLI = os.path.join(BUILD, "src/cli/godwit")
APP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "ledger_app.sh")
CLOCK_SHIFT = os.path.join(BUILD, "tests/scenario/clock_shift.so")
MiB = 1024 * 1024
SMALL = 512 * MiB  # a disk that a test fills; a plan wants half of that free
TIMEOUT_S = 60

# For tests that make test has no time for.
torture = pytest.mark.skipif(not os.environ.get("GODWIT_TORTURE"), reason="takes long: make torture")

# Exit codes of godwit.
OK, FAILED, USAGE, REFUSED, WAITING, CANCELLED, UNKNOWN = range(7)
ENDED = ("DONE", "FAILED", "CANCELLED", "REVERTED", "ABORTED")


def program_env():
    """What godwitd needs, and what nbdkit needs that it starts."""
    env = dict(sanitizer_env(False))
    preload = sanitizer_env(True).get("LD_PRELOAD")
    if preload:
        env.update(GODWIT_NBDKIT_PRELOAD=preload, ASAN_OPTIONS="detect_leaks=0")
    return env


_ports = set()


def fresh_port():
    """A free port that nobody here was given before, though it may not listen yet."""
    while True:
        port = free_port()
        if port not in _ports:
            _ports.add(port)
            return port


def command_line(pid):
    try:
        with open("/proc/%d/cmdline" % pid, "rb") as f:
            return f.read().decode(errors="replace").split("\0")
    except OSError:
        return []


def end_process(pid, mark):
    """SIGKILL to a process that is no child of ours, if its command line says that it is the one;
    returns once it is gone."""
    try:
        fd = os.pidfd_open(pid)
    except OSError:
        return
    try:
        if any(mark in word for word in command_line(pid)):
            signal.pidfd_send_signal(fd, signal.SIGKILL)
            wait_for("process %d to end" % pid, lambda: mark not in "".join(command_line(pid)))
    except ProcessLookupError:
        pass
    finally:
        os.close(fd)


class Refusal(AssertionError):
    """The CLI ended otherwise than the test expects."""


class Answer:
    def __init__(self, argv, process):
        self.argv, self.code, self.out, self.err = argv, process.returncode, process.stdout, \
            process.stderr

    @property
    def json(self):
        return json.loads(self.out)

    def __repr__(self):
        return "godwit %s: exit %d\n%s%s" % (" ".join(self.argv), self.code, self.out, self.err)


class UnixHTTP(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=TIMEOUT_S)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


# ---- a site ----------------------------------------------------------------------------------

class Daemon:
    """godwitd of one site."""

    def __init__(self, root, name, plan):
        self.name, self.plan = name, plan
        self.dir = os.path.join(root, name)
        self.state = os.path.join(self.dir, "state")
        self.trials = os.path.join(self.dir, "trials")
        os.makedirs(self.trials)
        self.config = os.path.join(self.dir, "site.json")
        self.socket = os.path.join(self.state, "api.sock")
        self.link = "127.0.0.1:%d" % fresh_port()
        self.data = "127.0.0.1:%d" % fresh_port()
        self.environment = {}
        self.shift = os.path.join(self.dir, "clock")
        self.program = None
        self.programs = []

    def image(self, volume="data"):
        return os.path.join(self.dir, volume + ".img")

    # ---- the daemon

    def start(self, init=False, *options):
        with open(self.config, "w", encoding="utf-8") as f:
            json.dump({"site": self.name, "state_dir": self.state,
                       "listen": {"api": "unix:" + self.socket, "link": self.link,
                                  "data": self.data}}, f)
        argv = [GODWITD, "-c", self.config, *(["--init"] if init else []), *options]
        self.program = Program("godwitd of " + self.name, argv, os.path.join(self.dir, "log"),
                               {**program_env(), "GODWIT_RUN_TRIALS": self.trials,
                                **self.clock_env(), **self.environment})
        self.programs.append(self.program)
        self.program.wait_output("ready: site")

    # ---- its wall clock (clock_shift.c)

    def own_clock(self):
        """Before start(): the daemon gets a wall clock that can be set."""
        self.set_clock(0)

    def set_clock(self, seconds):
        """So far ahead of everybody else's from now on. What the machine's boot clock says, and what
        the daemon's children see, stays."""
        with open(self.shift, "r+b" if os.path.exists(self.shift) else "wb") as f:
            f.write(struct.pack("=q", int(seconds * 1e9)))

    def clock_env(self):
        if not os.path.exists(self.shift):
            return {}
        runtime = sanitizer_env(True).get("LD_PRELOAD", "").split(":")[0]  # must come first
        return {"GODWIT_CLOCK_SHIFT": self.shift,
                "LD_PRELOAD": ":".join(filter(None, [runtime, CLOCK_SHIFT]))}

    def stop(self):
        """The clean end: exit code 0; the data plane goes on."""
        code = self.program.stop()
        assert code == 0, "%s ended with %d\n%s" % (self.program.name, code, self.program.output())

    def kill(self):
        self.program.kill()

    def restart(self):
        self.stop()
        self.start()

    def wait_dead(self):
        """A trial has killed it."""
        assert self.program.wait() == -signal.SIGKILL, self.program.output()

    def trial(self, moment, word):
        """word: "kill" or "wait"; moment: "equal.after_record", "undo_stop.before_effect", ..."""
        new = os.path.join(self.dir, "trial.new")
        with open(new, "w", encoding="utf-8") as f:
            f.write(word)
        os.rename(new, os.path.join(self.trials, moment))
        return Gate(os.path.join(self.trials, moment))

    # ---- the data plane

    def unit_record(self):
        """{} when there was none yet."""
        try:
            with open(os.path.join(self.state, "units", self.plan.name + ".unit")) as f:
                return dict(line.rstrip("\n").partition(" ")[::2] for line in f)
        except FileNotFoundError:
            return {}

    def unit_pid(self):
        """Of the plan's process here, if it lives; else 0."""
        pid = int(self.unit_record().get("pid", 0))
        return pid if any(self.state in word for word in command_line(pid)) else 0

    def kill_data_plane(self):
        pid = self.unit_pid()
        if pid:
            end_process(pid, self.state)
        return pid

    def kill_site(self):
        """The power fails: daemon, data plane and service at once, as far as one can."""
        self.plan.kill_service(self.name)
        self.kill_data_plane()
        self.kill()
        self.kill_data_plane()  # what it started meanwhile

    def ask_data_plane(self, command):
        """{} while its process does not answer."""
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
                s.settimeout(TIMEOUT_S)
                s.connect(os.path.join(self.state, "run", self.plan.name + ".sock"))
                s.sendall(json.dumps({"cmd": command}).encode() + b"\n")
                with s.makefile() as f:
                    return json.loads(f.readline())
        except (ConnectionError, FileNotFoundError):
            return {}

    # ---- the command line and the API

    def godwit(self, *args, code=OK, timeout=TIMEOUT_S):
        """The CLI; `code` None: whatever. --yes goes without saying where it is known."""
        words = [str(a) for a in args]
        argv = [*words, "--socket", self.socket, "--json"]
        if words[0] in MOVES or " ".join(words[:2]) in MOVES:
            argv.append("--yes")
        p = subprocess.run([CLI, *argv], text=True, capture_output=True, timeout=timeout,
                           stdin=subprocess.DEVNULL,
                           env={**os.environ, **sanitizer_env(False)})
        answer = Answer(argv, p)
        assert not any(s in answer.err for s in Program.SICK), answer
        if code is not None and answer.code != code:
            raise Refusal("expected exit %d: %r" % (code, answer))
        return answer

    def begin(self, *args, **options):
        """An action that is not waited for; the run's id."""
        return self.godwit(*args, "--no-wait", **options).json["run"]["id"]

    def get(self, path):
        """GET /api/v1/PATH. ConnectionError and FileNotFoundError when the daemon is away,
        LookupError when it does not know what is asked for (a run may come a moment later)."""
        with contextlib.closing(UnixHTTP(self.socket)) as c:
            c.request("GET", "/api/v1/" + path)
            response = c.getresponse()
            body = json.loads(response.read())
        if response.status == 404:
            raise LookupError(body)
        assert response.status == 200, body
        return body

    def post(self, path, body, key):
        """POST with this Idempotency-Key: status, body. ConnectionError when the daemon dies."""
        with contextlib.closing(UnixHTTP(self.socket)) as c:
            c.request("POST", "/api/v1/" + path, json.dumps(body),
                      {"Content-Type": "application/json", "Idempotency-Key": key})
            response = c.getresponse()
            return response.status, json.loads(response.read())

    def status(self):
        return self.get("plans/%s/status" % self.plan.name)

    def run(self, run):
        return self.get("runs/" + run)

    def log(self, run):
        return self.get("runs/%s/log" % run)["log"]

    def until(self, what, condition, timeout=TIMEOUT_S):
        """The first status for which condition(status) holds."""
        last = {}

        def look():
            s = self.status()
            last.update({k: s[k] for k in ("phase", "reasons", "sentence", "replication", "run")})
            return s if condition(s) else None
        try:
            return wait_for("%s: %s" % (self.name, what), look, timeout,
                            retry=(ConnectionError, FileNotFoundError))
        except AssertionError as e:
            raise AssertionError("%s; last: %s" % (e, json.dumps(last)))

    def until_phase(self, *phases, timeout=TIMEOUT_S):
        return self.until("phase " + " or ".join(phases), lambda s: s["phase"] in phases, timeout)

    def until_paired(self):
        wait_for("%s to hear of the other site" % self.name,
                 lambda: all(x["health"] == "HEALTHY" for x in self.get("sites")["sites"]))

    def until_run(self, run, *states, timeout=TIMEOUT_S):
        """The run in one of these states (default: ended)."""
        states = states or ENDED
        last = {}

        def look():
            r = self.run(run)
            last.update({k: r[k] for k in ("state", "sentence", "coordinator")})
            assert r["state"] in states or r["state"] not in ENDED, r
            return r if r["state"] in states else None
        try:
            return wait_for("%s: run %s is %s" % (self.name, run, " or ".join(states)), look,
                            timeout, retry=(ConnectionError, FileNotFoundError, LookupError))
        except AssertionError as e:
            raise AssertionError("%s; last: %s" % (e, json.dumps(last)))


# Commands that ask for a confirmation.
MOVES = ("failover", "switchover", "reverse", "failback", "commit", "revert", "adopt",
         "plan deactivate", "plan delete", "run skip", "run revert", "run abort", "run override")


class Gate:
    """Something stands still until it is opened."""

    def __init__(self, path):
        self.path = path

    def wait_reached(self, timeout=TIMEOUT_S):
        wait_for("somebody to reach " + self.path,
                 lambda: os.path.exists(self.path + ".reached"), timeout)
        return self

    def open(self):
        for path in (self.path, self.path + ".reached"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)


# ---- a plan ----------------------------------------------------------------------------------

class Plan:
    """A ledger on one volume, and who keeps it."""

    def __init__(self, root, name="shop", bytes=16 * MiB):
        self.name, self.bytes = name, bytes
        self.dir = os.path.join(root, "service")
        os.mkdir(self.dir)
        self.port = fresh_port()
        self.file = os.path.join(root, name + ".json")
        self.ledger = Ledger(self.dir)

    def app(self, *words):
        return [APP, self.dir, str(self.port), *words]

    def document(self, home, dr, **changes):
        """The plan; `changes` are merged over its top level, those of group, health and instance
        over the only one there is."""
        group, health = changes.pop("group", {}), changes.pop("health", {})
        instance = changes.pop("instance", {})
        return {
            "plan": self.name, "home": home.name, "dr": dr.name, "rpo": "30s", "rto": "5m",
            "volumes": [{"name": "data", "size": "%dMiB" % (self.bytes // MiB),
                         "at": {home.name: home.image(), dr.name: dr.image()}}],
            "groups": [{
                "name": "app", "priority": 1,
                "instances": [{"name": "ledger", "driver": "exec", "start": self.app("start"),
                               "stop": self.app("stop"), "status": self.app("status"),
                               "attach": {"volume": "data"}, **instance}],
                "health": [{"http": {"url": "http://127.0.0.1:%d/" % self.port, "body": "ok"},
                            "interval": "50ms", "timeout": "2s", "within": "5s", **health}],
                **group}],
            "routes": [{"exec": {"set": self.app("route-set", "{site}"),
                                 "status": self.app("route-status")}}],
            "failover": {"mode": "manual", "approvals": 0},
            "failback": {"approvals": 0},
            **changes}

    def write(self, document):
        with open(self.file, "w", encoding="utf-8") as f:
            json.dump(document, f, indent=2)
        return self.file

    # ---- the service

    def route(self):
        with open(os.path.join(self.dir, "route")) as f:
            return f.read().strip()

    def service_runs(self, site):
        try:
            with open(os.path.join(self.dir, "lock." + site)) as f:
                fcntl.flock(f, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    def kill_service(self, site):
        try:
            with open(os.path.join(self.dir, "pid." + site)) as f:
                pid = int(f.read())
        except FileNotFoundError:
            return
        if self.service_runs(site):
            end_process(pid, self.dir)

    def trouble(self, site, verb, word):
        """word: fail, hang, flood, wait (ledger_app.sh)."""
        path = os.path.join(self.dir, "trouble.%s.%s" % (site, verb))
        with open(path + ".new", "w", encoding="utf-8") as f:
            f.write(word + "\n")
        os.rename(path + ".new", path)
        return Gate(path)

    def red(self, site, on=True):
        path = os.path.join(self.dir, "red." + site)
        if on:
            open(path, "w").close()
        else:
            os.unlink(path)

    def until_acknowledged(self, site, more=5, timeout=TIMEOUT_S):
        """So many more records are acknowledged there."""
        least = self.ledger.count(site) + more
        wait_for("%d more records at %s" % (more, site),
                 lambda: self.ledger.count(site) >= least, timeout)

    def close(self):
        for name in os.listdir(self.dir):
            if name.startswith("pid."):
                self.kill_service(name[4:])


# ---- two sites -------------------------------------------------------------------------------

class Pair:
    def __init__(self, root):
        self.root = root
        self.plan = Plan(root)
        self.home, self.dr = Daemon(root, "madrid", self.plan), Daemon(root, "lisbon", self.plan)
        self.sites = (self.home, self.dr)
        self.proxies = []  # link and data port of each site, with use_proxies

    def start(self):
        for s in self.sites:
            s.start(init=True)

    def pair(self):
        code = self.home.godwit("site", "pair").json["code"]
        self.dr.godwit("site", "pair", code, self.home.link)
        for s in self.sites:
            s.until_paired()

    def use_proxies(self):
        """From now on the sites meet through proxies: what they knew as each other's addresses is a
        proxy's, and they listen elsewhere themselves. As if a router had been put between."""
        for s in self.sites:
            s.stop()
        for s in self.sites:
            link, data = Proxy(address=s.link), Proxy(address=s.data)
            s.link = link.target = "127.0.0.1:%d" % fresh_port()
            s.data = data.target = "127.0.0.1:%d" % fresh_port()
            self.proxies += [link, data]
        for s in self.sites:
            s.start()

    def cut(self):
        """Nothing goes from site to site any more, neither calls nor data."""
        for p in self.proxies:
            p.cut()

    def restore(self):
        for p in self.proxies:
            p.restore()

    def apply(self, at=None, **changes):
        """The plan, or another version of it; `at` where it is active."""
        file = self.plan.write(self.plan.document(self.home, self.dr, **changes))
        (at or self.home).godwit("plan", "apply", "-f", file)

    def activate(self):
        self.home.godwit("plan", "activate", self.plan.name)
        self.home.until_phase("PROTECTED")
        self.dr.until_phase("PROTECTED")
        self.plan.until_acknowledged(self.home.name)

    # ---- where things stand

    def other(self, site):
        return self.dr if site is self.home else self.home

    def until_phase(self, *phases, timeout=TIMEOUT_S):
        """Both sites say so."""
        for s in self.sites:
            s.until_phase(*phases, timeout=timeout)

    def swapped(self):
        """Service has moved to dr, as planned, and home is ready to take it back."""
        self.home.godwit("switchover", self.plan.name)
        self.until_phase("READY_TO_FAIL_BACK", "PROTECTED_SWAPPED")
        self.plan.until_acknowledged(self.dr.name)

    def settle_writer(self):
        """Home's service dies, and all that it wrote is at dr: then no record is on one volume only
        that nobody acknowledged, and what is lost later can be told record by record."""
        self.plan.kill_service(self.home.name)
        self.home.until("all of it is at dr", lambda s: s["lag_bytes"] == 0)

    def check_serves_at(self, site, status="ACTIVE"):
        """Service is here and only here, by the plan's own word, the route and the service."""
        site.until("%s at %s" % (status, site.name),
                   lambda s: (s["active"], s["status"]) == (site.name, status))
        self.plan.until_acknowledged(site.name)
        assert not self.plan.service_runs(self.other(site).name)
        if os.path.exists(os.path.join(self.plan.dir, "route")):
            assert self.plan.route() == site.name
        self.plan.ledger.check_never_two()

    def check_history(self, lost=frozenset()):
        """Stop the plan in order; then nothing acknowledged is missing at either site."""
        active = self.home if self.home.status()["active"] == self.home.name else self.dr
        active.until("everything is at the other site",
                     lambda s: s["replication"] in ("async", "sync"))
        active.godwit("plan", "deactivate", self.plan.name)
        self.plan.ledger.check_never_two()
        for site in self.sites:
            with open(site.image(), "rb") as f:
                self.plan.ledger.check_kept(f.read(), lost)
        for site in self.sites:
            verdict = site.godwit("audit", "verify").json
            assert verdict["intact"], verdict

    def check_once(self, run, *steps):
        """Steps that happen once were begun once, in the log of both sites."""
        for site in self.sites:
            for step in steps:
                begun = [e for e in site.log(run) if e["step"] == step and e["kind"] == "intent"]
                assert len(begun) <= 1, (site.name, begun)

    # ---- the end

    def logs(self):
        out = []
        for s in self.sites:
            for what, path, most in (
                    ("godwitd", os.path.join(s.dir, "log"), 12000),
                    ("data plane", os.path.join(s.state, "units", self.plan.name + ".log"), 4000),
                    ("service", os.path.join(self.plan.dir, "service.%s.log" % s.name), 2000)):
                if os.path.exists(path):
                    with open(path, errors="replace") as f:
                        out.append("--- %s of %s\n%s" % (what, s.name, f.read()[-most:]))
        out.append("--- calls of the plan's commands\n" +
                   "\n".join(" ".join(c) for c in self.plan.ledger.calls()))
        out.append("--- " + " ".join("%s runs: %s" % (s.name, self.plan.service_runs(s.name))
                                     for s in self.sites))
        return "\n".join(out)

    def close(self):
        for p in self.proxies:
            p.close()
        for s in self.sites:
            if s.program and s.program.alive():
                s.program.process.kill()
                s.program.process.wait()
        self.plan.close()
        for s in self.sites:
            s.kill_data_plane()

    def check_logs(self):
        """No sanitizer spoke up, in a daemon or in what it started."""
        text = self.logs()
        for word in Program.SICK:
            assert word not in text, text
        for s in self.sites:
            for p in s.programs:
                p.check()


class Manual:
    """Pairs of one test."""

    def __init__(self, kind=None):
        """kind: of the file system that all of it is on (disks.py); Impossible, if it is."""
        self.root = tempfile.mkdtemp(prefix="gw-")
        self.pairs = []
        self.disk = None
        self.small = []
        if kind:
            try:
                disks.private_mounts()
                self.disk = disks.Disk.make(kind, self.root)
            except disks.Impossible:
                shutil.rmtree(self.root)
                raise

    def pair(self, proxies=False, small=None, clocks=False):
        """Two sites that are paired; no plan. small: (name of a site, kind of file system): its state
        directory is on a disk of its own that can be filled, pair.disk. clocks: set_clock() of the sites works."""
        root = os.path.join(self.disk.path if self.disk else self.root, str(len(self.pairs)))
        os.mkdir(root)
        pair = Pair(root)
        self.pairs.append(pair)
        if small:
            pair.disk = self.own_disk(next(s for s in pair.sites if s.name == small[0]), small[1])
        for s in pair.sites if clocks else ():
            s.own_clock()
        pair.start()
        pair.pair()
        if proxies:
            pair.use_proxies()
        return pair

    def own_disk(self, site, kind):
        try:
            if not self.small:
                disks.private_mounts()
            disk = disks.Disk.make(kind, site.dir, SMALL)
        except disks.Impossible as e:
            pytest.skip(str(e))
        self.small.append(disk)
        site.state = os.path.join(disk.path, "state")
        site.socket = os.path.join(site.state, "api.sock")
        return disk

    def third_site(self, pair, name):
        """A daemon that nobody is paired with."""
        site = Daemon(pair.root, name, pair.plan)
        pair.sites += (site,)
        site.start(init=True)
        return site

    def applied(self, proxies=False, small=None, clocks=False, **changes):
        pair = self.pair(proxies, small, clocks)
        pair.apply(**changes)
        return pair

    def protected(self, proxies=False, small=None, clocks=False, **changes):
        pair = self.applied(proxies, small, clocks, **changes)
        pair.activate()
        return pair

    def swapped(self, proxies=False, **changes):
        pair = self.protected(proxies, **changes)
        pair.swapped()
        return pair

    def logs(self):
        return "\n".join(p.logs() for p in self.pairs)

    def close(self):
        for p in self.pairs:
            p.close()
        try:
            for p in self.pairs:
                p.check_logs()
        finally:
            subprocess.run(["chattr", "-R", "-i", self.root], check=False,
                           stderr=subprocess.DEVNULL)
            for disk in self.small + ([self.disk] if self.disk else []):
                wait_for("nobody to use the disk any more", lambda d=disk: not d.busy())
                disk.close()
            shutil.rmtree(self.root)


@pytest.fixture
def manual():
    m = Manual()
    yield m
    m.close()


@pytest.fixture
def manual_with_clones():
    """On a file system that can clone files: recovery points are made at the fork, tails are exact."""
    try:
        m = Manual("xfs")
    except disks.Impossible as e:
        pytest.skip(str(e))
    yield m
    m.close()
