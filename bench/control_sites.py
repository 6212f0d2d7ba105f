# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""Two real godwitd with their data planes, and plans for them.

    sites = Sites(lab)                          # "madrid" and "lisbon", paired
    sites.protect(shop(sites, "shop"))          # applied, activated, following
    run, begun_ns = sites.home.move("switchover", "shop")
    steps_of(run)                               # what each step cost, from the run's own log

The daemons, their command line and API come from tests/lib/daemons.py; a plan here is either *served*
(tests/lib/ledger_service.py writes one record after the other and keeps its own record of when each
was acknowledged) or *light*, a command that makes a file.
"""
import json
import os
import signal
import subprocess
import time

import lab as bench
from lab import MIB

import daemons
from ledger import Ledger

AT_A_TIME = 10  # plans that are activated together
SLOW_START = 'sleep "$0"; exec "$@"'
LIGHT = {"start": 'sleep "$1"; : > "$0.$GODWIT_SITE"', "stop": 'rm -f "$0.$GODWIT_SITE"',
         "status": '[ -e "$0.$GODWIT_SITE" ] || exit 3'}


# ---- plans ------------------------------------------------------------------------------------

class Service:
    """Where the service of a plan keeps what it acknowledged."""

    def __init__(self, folder):
        os.makedirs(folder)
        self.dir, self.port = folder, daemons.free_port()
        self.ledger = Ledger(folder)

    def app(self, *words):
        return [daemons.APP, self.dir, str(self.port), *words]

    def acked(self, site):
        """When its writes were acknowledged there, ns of CLOCK_MONOTONIC."""
        try:
            with open(os.path.join(self.dir, "acks." + site), encoding="utf-8") as f:
                return [int(line.split()[3]) for line in f if line.endswith("\n")]
        except FileNotFoundError:
            return []

    def write_since(self, site, since_ns):
        """When the first write after that moment was acknowledged there."""
        def look():
            return next((t for t in self.acked(site) if t > since_ns), None)
        return bench.poll("a write at " + site, look)[0]

    def pid(self, site):
        """Of the service there, 0 if there is none."""
        try:
            with open(os.path.join(self.dir, "pid." + site), encoding="utf-8") as f:
                pid = int(f.read())
        except FileNotFoundError:
            return 0
        return pid if any(self.dir in word for word in daemons.command_line(pid)) else 0

    def kill(self, site):
        pid = self.pid(site)
        if pid:
            daemons.end_process(pid, self.dir)


def document(sites, name, size, **more):
    at = {s.name: os.path.join(s.dir, name + ".img") for s in sites.both}
    return {"plan": name, "home": sites.home.name, "dr": sites.dr.name, "rpo": "30s", "rto": "5m",
            "volumes": [{"name": "data", "size": f"{size // MIB}MiB", "at": at}],
            "failover": {"mode": "manual", "approvals": 0}, "failback": {"approvals": 0}, **more}


def group(instance, **more):
    return [{"name": "app", "priority": 1, "instances": [{
        "name": "app", "driver": "exec", "attach": {"volume": "data"}, **instance}], **more}]


def served(sites, name, size=16 * MIB, start_s=0):
    """A plan with a real service: started in so many seconds, checked over HTTP, routed to."""
    service = Service(os.path.join(sites.root, name))
    sites.services[name] = service
    app = service.app
    start = app("start")
    if start_s:
        start = ["/bin/sh", "-c", SLOW_START, str(start_s), *start]
    return document(
        sites, name, size,
        groups=group({"start": start, "stop": app("stop"), "status": app("status")},
                     health=[{"http": {"url": f"http://127.0.0.1:{service.port}/", "body": "ok"}}]),
        routes=[{"exec": {"set": app("route-set", "{site}"), "status": app("route-status")}}])


def light(sites, name, start_s=0, size=MIB):
    """A plan whose workload costs nothing but the processes that start, stop and look."""
    base = os.path.join(sites.root, "light." + name)

    def command(verb):
        return ["/bin/sh", "-c", LIGHT[verb], base, str(start_s)]
    return document(sites, name, size, groups=group({v: command(v) for v in LIGHT}))


def bare(sites, name, size=16 * MIB):
    """No workload, no route: the steps for them have nothing to do."""
    return document(sites, name, size)


# ---- the sites --------------------------------------------------------------------------------

class Daemon(daemons.Daemon):
    def __init__(self, root, name):
        super().__init__(root, name, None)

    def units(self):
        """Pids of the data plane's processes that live."""
        folder = os.path.join(self.state, "units")
        found = []
        for name in os.listdir(folder) if os.path.isdir(folder) else []:
            if not name.endswith(".unit"):
                continue
            with open(os.path.join(folder, name), encoding="utf-8") as f:
                pid = int(dict(line.rstrip("\n").partition(" ")[::2] for line in f).get("pid", 0))
            if any(self.state in word for word in daemons.command_line(pid)):
                found.append(pid)
        return found

    def kill_units(self):
        pids = self.units()
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        for pid in pids:
            daemons.end_process(pid, self.state)

    def phase(self, plan):
        return self.get(f"plans/{plan}/status")["phase"]

    def until_plan(self, plan, *phases, timeout=bench.DRAIN_S):
        return bench.poll(f"{plan} at {self.name} to be {' or '.join(phases)}",
                          lambda: self.phase(plan) in phases, timeout, 0.02)[1]

    def spawn(self, *words):
        """The command line, in the background."""
        return subprocess.Popen([daemons.CLI, *words, "--socket", self.socket, "--json"],
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)

    def move(self, *words):
        """A command that moves a plan and waits for the end of its run: the run's log, the moments
        before the command and after it (ns, of both clocks)."""
        began = Moment()
        p = self.spawn(*words, "--yes")
        out, err = p.communicate(timeout=bench.DRAIN_S)
        ended = Moment()
        assert p.returncode == 0, f"{' '.join(words)}: exit {p.returncode}\n{out}{err}"
        return self.log(json.loads(out)["run"]["id"]), began, ended


class Moment:
    """Now, on the clock of the service's own records and on that of a run's log."""

    def __init__(self):
        self.mono_ns, self.wall_ns = time.monotonic_ns(), time.time_ns()


class Sites:
    """Works in a directory of its own in the lab's; close() ends all of it."""

    def __init__(self, lab):
        self.sites = []  # how Lab knows its worlds
        self.root = os.path.join(lab.root, f"p{len(lab.worlds)}-{time.monotonic_ns() % 100000}")
        os.mkdir(self.root)
        lab.worlds.append(self)
        self.lab, self.services = lab, {}
        self.home, self.dr = Daemon(self.root, "madrid"), Daemon(self.root, "lisbon")
        self.both = (self.home, self.dr)
        for s in self.both:
            s.start(init=True)
        self._pair()

    def _pair(self):
        code = self.home.godwit("site", "pair").json["code"]
        self.dr.godwit("site", "pair", code, self.home.link)
        for s in self.both:
            bench.poll("the other site", lambda s=s: all(
                x["health"] == "HEALTHY" for x in s.get("sites")["sites"]), every_s=0.02)

    def apply(self, plan):
        file = os.path.join(self.root, plan["plan"] + ".json")
        with open(file, "w", encoding="utf-8") as f:
            json.dump(plan, f)
        self.home.godwit("plan", "apply", "-f", file)

    def protect(self, *plans):
        """Some at a time: what is measured comes later."""
        for plan in plans:
            self.apply(plan)
        names = [p["plan"] for p in plans]
        for some in (names[i:i + AT_A_TIME] for i in range(0, len(names), AT_A_TIME)):
            for name in some:  # each site has it, and has heard that the other one has it
                bench.poll(f"{name} at the other site", lambda name=name: self.home.get(
                    f"plans/{name}/guards?operation=activate")["operations"][0]["allowed"],
                    every_s=0.05)
                self.home.begin("plan", "activate", name)
            for name in some:
                for s in self.both:
                    s.until_plan(name, "PROTECTED")

    def kill_home(self):
        """The power fails at home."""
        for service in self.services.values():
            service.kill(self.home.name)
        self.home.kill()
        self.home.kill_units()

    def hang_home(self):
        """Everything there stands still, but the service, whose port the other one needs: both sites
        are on one machine."""
        for service in self.services.values():
            service.kill(self.home.name)
        for pid in [self.home.program.pid, *self.home.units()]:
            os.kill(pid, signal.SIGSTOP)

    def close(self):
        for s in self.both:
            if s.program and s.program.alive():
                s.program.process.kill()
                s.program.process.wait()
        for service in self.services.values():
            for s in self.both:
                service.kill(s.name)
        for s in self.both:
            s.kill_units()

    def drop(self):
        self.lab.worlds.remove(self)
        self.close()


# ---- what a run cost --------------------------------------------------------------------------

class Step:
    """took_ms: the effect, as the executor saw it; around_ms: all the rest until the next step's
    effect could begin (entries made durable here, copied to the other site and durable there)."""

    def __init__(self, name, site, took_ms, around_ms, began_ns, ended_ns):
        self.name, self.site, self.took_ms, self.around_ms = name, site, took_ms, around_ms
        self.began_ns, self.ended_ns = began_ns, ended_ns


def steps_of(log):
    """Of a run that went straight through: each step begins with its intent, and its share ends
    where the next one's begins."""
    intents = [i for i, e in enumerate(log) if e["kind"] == "intent"]
    found = []
    for i, end in zip(intents, intents[1:] + [len(log) - 1]):
        step = log[i]["step"]
        done = next(e for e in log[i:] if e["kind"] == "done" and e["step"] == step)
        whole_ms = (log[end]["wall_ns"] - log[i]["wall_ns"]) / 1e6
        took_ms = done["took_ns"] / 1e6
        found.append(Step(step, log[i]["site"], took_ms, whole_ms - took_ms, log[i]["wall_ns"],
                          done["wall_ns"]))
    return found


def start_command_ms(log):
    """What the workload's own start command took, of the step that starts it."""
    done = next(e for e in log if e["kind"] == "done" and e["step"] == "start")
    return max(i["ms"] for g in done["detail"]["workload"]["groups"] for i in g["instances"])
