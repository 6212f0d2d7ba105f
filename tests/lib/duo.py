# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""Two godwitd in one directory, paired, with a small plan; the CLI and the API of both.

    with Duo() as d:                      # madrid (d.a) and lisbon (d.b), paired
        d.apply(); d.activate()           # plan shop, one volume, one workload
        r = d.a.cli("plan", "status", "shop")
        status, headers, body = d.b.api("GET", "/plans/shop/status")

What a daemon leaves running when it ends (the processes of plans, the workload) is ended by the
pids that are recorded in its directory.
"""
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import nbd

import godwit
from godwit import Program, free_port, sanitizer_env, wait_for

DAEMON = os.path.join(godwit.BUILD, "src/site/godwitd")
CLI = os.path.join(godwit.BUILD, "src/cli/godwit")
LONG_S = 60

# A workload: a process of its own, recorded by pid. It must not die with who starts it.
APP = """#!/bin/bash
f=%(root)s/app.$GODWIT_SITE
case $1 in
start) while [ -e %(root)s/slow.$GODWIT_SITE ]; do sleep 0.05; done
       [ -e %(root)s/broken.$GODWIT_SITE ] && { echo "it will not start"; exit 1; }
       setsid sleep 100000 </dev/null >/dev/null 2>&1 & echo $! > $f ;;
stop) [ -f $f ] && kill $(cat $f) 2>/dev/null; rm -f $f; true ;;
status) [ -f $f ] && kill -0 $(cat $f) 2>/dev/null && exit 0; exit 3 ;;
esac
"""

PLAN = """# the plan of the tests
plan: %(plan)s
home: madrid
dr: lisbon
rpo: 30s
rto: 5m
volumes:
  - {name: data, size: %(size)s, at: {madrid: %(root)s/%(plan)s-home.img, lisbon: %(root)s/%(plan)s-dr.img}}
groups:
  - name: app
    priority: 1
    instances:
      - name: app1
        driver: exec
        start: [%(root)s/app.sh, start]
        stop: [%(root)s/app.sh, stop]
        status: [%(root)s/app.sh, status]
        attach: {volume: data}
failover: {mode: manual, approvals: 0}
failback: {approvals: %(approvals)d}
"""


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout=LONG_S):
        super().__init__("godwitd", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Site:
    """One daemon. Its directory stays over restarts."""

    def __init__(self, duo, name):
        self.duo, self.name = duo, name
        self.dir = os.path.join(duo.root, name)
        self.socket = os.path.join(duo.root, name + ".sock")
        self.config = os.path.join(duo.root, name + ".yaml")
        self.link, self.data = "127.0.0.1:%d" % free_port(), "127.0.0.1:%d" % free_port()
        self.program, self.options = None, ""

    def start(self, *args):
        with open(self.config, "w", encoding="utf-8") as f:
            f.write('site: %s\nstate_dir: %s\nlisten: {api: "unix:%s", link: "%s", data: "%s"}\n%s'
                    % (self.name, self.dir, self.socket, self.link, self.data, self.options))
        env = sanitizer_env(True)
        preload = env.pop("LD_PRELOAD", "")
        env["ASAN_OPTIONS"] = "detect_leaks=0"
        if preload:
            env["GODWIT_NBDKIT_PRELOAD"] = preload
        self.program = Program("godwitd of " + self.name,
                               [DAEMON, "--config", self.config, "--init", "--programs",
                                godwit.BUILD, *args], os.path.join(self.duo.root, self.name + ".log"),
                               env=env)
        self.program.wait_output("ready: ", LONG_S)

    def api(self, method, path, body=None, headers=None, raw=None, kind="application/json"):
        """(status, headers, decoded body) of a request to /api/v1 + path."""
        c = UnixConnection(self.socket)
        data = raw if raw is not None else json.dumps(body).encode() if body is not None else None
        head = dict(headers or {})
        if data is not None and kind:
            head.setdefault("Content-Type", kind)
        try:
            c.request(method, path if path.startswith("/api") else "/api/v1" + path, data, head)
            r = c.getresponse()
            text = r.read()
        finally:
            c.close()
        return r.status, r.headers, json.loads(text) if text else None

    def get(self, path):
        status, _, body = self.api("GET", path)
        assert status == 200, (path, status, body)
        return body

    def cli(self, *args, code=0, stdin=None, env=None, command=CLI):
        """Run the CLI against this site; asserts the exit code (None: any)."""
        argv = command if isinstance(command, list) else [command]
        p = subprocess.run(argv + list(args) + ["--socket", self.socket], input=stdin, text=True,
                           stdin=subprocess.DEVNULL if stdin is None else None,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120, check=False,
                           env={**os.environ, "TZ": "UTC", **sanitizer_env(False), **(env or {})})
        said = "godwit %s: exit code %d\n--- out\n%s--- err\n%s" % (" ".join(args), p.returncode,
                                                                    p.stdout, p.stderr)
        assert "Sanitizer" not in p.stderr and "runtime error" not in p.stderr, said
        assert code is None or p.returncode == code, said
        p.said = said
        return p

    def json(self, *args, code=0):
        return json.loads(self.cli(*args, "--json", code=code).stdout)

    def status(self, plan="shop"):
        return self.get("/plans/%s/status" % plan)

    def wait_status(self, what, probe, plan="shop", timeout=LONG_S):
        """Wait until probe(status) is true; the last status is in the failure."""
        last = {}

        def look():
            last.clear()
            last.update(self.status(plan))
            return probe(last)
        try:
            wait_for(what, look, timeout)
        except AssertionError as e:
            raise AssertionError("%s; the last status was %s" % (e, json.dumps(last, indent=1)))
        return last

    def wait_phase(self, *phases, plan="shop"):
        return self.wait_status("phase " + "/".join(phases), lambda s: s["phase"] in phases, plan)

    def stop(self):
        if self.program is not None and self.program.alive():
            assert self.program.stop(LONG_S) == 0, self.program.output()[-3000:]

    def kill(self):
        self.program.kill()

    def data_plane(self, plan="shop"):
        """The pid of the plan's process here."""
        with open(os.path.join(self.dir, "units", plan + ".unit"), encoding="utf-8") as f:
            return int(re.search(r"^pid (\d+)$", f.read(), re.M).group(1))

    def lose(self, plan="shop"):
        """As when the machine loses its power: daemon, plan's process and workload are gone."""
        self.kill()
        pids = [self.data_plane(plan)]
        try:
            with open(os.path.join(self.duo.root, "app." + self.name), encoding="utf-8") as f:
                pids.append(int(f.read()))
        except OSError:
            pass
        for pid in pids:
            if self.duo.ours(pid):
                os.kill(pid, signal.SIGKILL)
        wait_for("the processes of %s are gone" % self.name,
                 lambda: not any(self.duo.ours(p) for p in pids))

    def nbd(self, plan="shop", volume="data"):
        """A client of the volume that is served here."""
        h = nbd.NBD()
        h.connect_uri("nbd+unix:///%s?socket=%s" % (volume, os.path.join(self.dir, "run",
                                                                       plan + ".nbd")))
        return h

    def log(self):
        return self.program.output() if self.program else ""


class Duo:
    def __init__(self, paired=True, options=("", "")):
        self.root = tempfile.mkdtemp(prefix="gw-duo-")
        self.a, self.b = Site(self, "madrid"), Site(self, "lisbon")
        self.sites = {"madrid": self.a, "lisbon": self.b}
        path = os.path.join(self.root, "app.sh")
        with open(path, "w", encoding="utf-8") as f:
            f.write(APP % {"root": self.root})
        os.chmod(path, 0o755)
        self.plans = []
        for site, text in zip((self.a, self.b), options):
            site.options = text
        try:
            self.a.start()
            self.b.start()
            if paired:
                self.pair()
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def pair(self):
        made = self.a.api("POST", "/sites/pair-code", {})[2]
        status, _, body = self.b.api("POST", "/sites", {"code": made["code"], "link": made["link"]})
        assert status == 200, body
        for here, there in ((self.a, "lisbon"), (self.b, "madrid")):
            wait_for("%s sees %s" % (here.name, there), lambda h=here, t=there: any(
                x["site"] == t and x["health"] == "HEALTHY" for x in h.get("/sites")["sites"]))

    def plan_text(self, plan="shop", approvals=0, size="8MiB"):
        return PLAN % {"plan": plan, "root": self.root, "approvals": approvals, "size": size}

    def plan_file(self, plan="shop", text=None, **kw):
        path = os.path.join(self.root, plan + ".yaml")
        with open(path, "w", encoding="utf-8") as f:
            f.write(text if text is not None else self.plan_text(plan, **kw))
        return path

    def volume(self, plan="shop", size=8 << 20):
        """The home volume: data that is there before the plan is."""
        path = os.path.join(self.root, plan + "-home.img")
        if not os.path.exists(path):
            with open(path, "wb") as f:
                f.write(os.urandom(1 << 20))
                f.truncate(size)

    def apply(self, plan="shop", **kw):
        self.volume(plan)
        self.a.cli("plan", "apply", "-f", self.plan_file(plan, **kw))
        self.plans.append(plan)

    def activate(self, plan="shop"):
        self.a.cli("plan", "activate", plan)
        self.a.wait_phase("PROTECTED", plan=plan)

    def pids(self):
        """Of what godwitd leaves running: plans' processes and workloads, as recorded."""
        found = []
        for site in self.sites.values():
            units = os.path.join(site.dir, "units")
            for name in os.listdir(units) if os.path.isdir(units) else []:
                if not name.endswith(".unit"):
                    continue
                with open(os.path.join(units, name), encoding="utf-8", errors="replace") as f:
                    found += [int(line.split()[1]) for line in f if line.startswith("pid ")]
            try:
                with open(os.path.join(self.root, "app." + site.name), encoding="utf-8") as f:
                    found.append(int(f.read()))
            except (OSError, ValueError):
                pass
        return found

    def ours(self, pid):
        """Has a process this directory on its command line, or is it the workload's sleep? A zombie
        has none any more."""
        try:
            with open("/proc/%d/cmdline" % pid, "rb") as f:
                said = f.read()
        except OSError:
            return False
        return self.root.encode() in said or said == b"sleep\x00100000\x00"

    def close(self):
        errors = []
        for site in self.sites.values():
            try:
                site.stop()
            except AssertionError as e:
                errors.append(str(e))
                if site.program is not None:
                    site.program.process.kill()
                    site.program.process.wait()
        for pid in self.pids():
            if self.ours(pid):
                os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + 10
        while any(self.ours(p) for p in self.pids()) and time.monotonic() < deadline:
            time.sleep(0.01)
        subprocess.run(["chattr", "-R", "-i", self.root], stderr=subprocess.DEVNULL, check=False)
        if os.environ.get("GODWIT_KEEP") is None:
            shutil.rmtree(self.root, ignore_errors=True)
        assert not errors, "\n".join(errors)

    def logs(self):
        return "\n".join("=== %s\n%s" % (s.name, s.log()[-6000:]) for s in self.sites.values())


def protected(d, **kw):
    """A plan that serves at madrid and is followed at lisbon."""
    d.apply(**kw)
    d.activate()
    d.b.wait_phase("PROTECTED")


def swapped(d, **kw):
    """The same the other way round."""
    protected(d, **kw)
    d.a.cli("switchover", "shop", "--yes")
    d.b.wait_phase("PROTECTED_SWAPPED", "READY_TO_FAIL_BACK")


def run_of(p):
    """The id of the run that a command says it began."""
    return re.search(r"^Run ([0-9a-z]+)", p.stdout, re.M).group(1)
