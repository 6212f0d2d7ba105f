# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""godwitd with many plans: failing all of them over, what it costs idle, how soon its API answers."""
import http.client
import socket
import time

import lab as bench
from control import START_S
from lab import KIB, MIB, Result, cpu_seconds, measure, spread
from control_sites import Sites, bare, light, served, start_command_ms, steps_of

PLANS, IDLE_PLANS = 50, 200
WATCH_S = 20
SETTLE_S = 15  # after the last activation
API_S = 5


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


# ---- failing over many ------------------------------------------------------------------------

def over(sites, name):
    """One failover by command: ms until its workload was healthy, and until the command ended."""
    log, began, ended = sites.dr.move("failover", name, "--confirm-site-down", "madrid")
    steps = {s.name: s for s in steps_of(log)}
    return ((steps["start"].ended_ns - began.wall_ns) / 1e6 - start_command_ms(log),
            (ended.mono_ns - began.mono_ns) / 1e6)


def all_at_once(sites, names):
    """s from the first command until the last run is through."""
    began = time.monotonic()
    runs = [sites.dr.begin("failover", n, "--confirm-site-down", "madrid") for n in names]
    asked = time.monotonic() - began
    for run in runs:
        bench.poll(run, lambda run=run: sites.dr.run(run)["state"] == "DONE", every_s=0.05)
    return asked, time.monotonic() - began


@measure("control-many", "Failover of one plan among many, and of all of them")
def many(lab):
    plans = lab.size(PLANS, 6)
    few = Sites(lab)
    few.protect(served(few, "shop", start_s=START_S))
    few.kill_home()
    one_of_one = over(few, "shop")[0]
    few.drop()
    sites = Sites(lab)
    names = [f"p{i:02}" for i in range(plans - 1)]
    began = time.monotonic()
    sites.protect(served(sites, "shop", start_s=START_S), *(light(sites, n) for n in names))
    protected = time.monotonic() - began
    lab.settle()
    sites.kill_home()
    one_of_many = over(sites, "shop")[0]
    half = len(names) // 2
    began = time.monotonic()
    each = [over(sites, n)[1] for n in names[:half]]
    in_turn = time.monotonic() - began
    asked, through = all_at_once(sites, names[half:])
    sites.drop()
    result = Result(f"""{plans} plans on the same two sites, one of them that of
        [control-failover](#failover-by-command), the others with a workload that is a command that makes
        a file. Home is killed. First that one is failed over, then {half} others by one command after the
        other, then the other {len(names) - half} at once. Once.""")
    result.table(["", ""], [
        [f"from {plans} plan files to all of them protected", f"{protected:.1f} s"],
        ["failover to healthy, without the workload's own start, the only plan", f"{one_of_one:.0f} ms"],
        [f"... one of {plans} plans", f"{one_of_many:.0f} ms"],
        [f"{half} plans, one command after the other: each", spread(each) + " ms"],
        ["... all of them", f"{in_turn:.1f} s"],
        [f"{len(names) - half} plans at once: all commands accepted", f"{asked:.1f} s"],
        ["... all of them through", f"{through:.1f} s"]])
    result.figure(f"failover, one of {plans} plans: to healthy, without the workload's own start",
                  one_of_many, "ms")
    result.figure(f"failover of one plan after the other, of {plans}: each command", each, "ms")
    return result


# ---- idle -------------------------------------------------------------------------------------

def memory_mib(pid):
    """Resident, and of that its own (not shared with others of the same program)."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="utf-8") as f:
        kib = {w[0][:-1]: int(w[1]) for w in map(str.split, f) if len(w) == 3}
    return kib["Rss"] * KIB / MIB, kib["Pss"] * KIB / MIB


def watch(sites):
    """Of idle sites, one after the other: {daemon CPU %, MiB; data plane CPU %, MiB}."""
    pids = [([s.program.pid], s.units()) for s in sites]
    before = [list(map(cpu_seconds, p)) for p in pids]
    began = time.monotonic()
    time.sleep(WATCH_S)  # what is measured is how much is done in this time
    after = [list(map(cpu_seconds, p)) for p in pids]
    seconds = time.monotonic() - began
    return [{"cpu": (a[0] - b[0]) / seconds * 100, "units_cpu": (a[1] - b[1]) / seconds * 100,
             "rss": memory_mib(daemon[0])[0], "units": len(units),
             "units_mib": sum(memory_mib(u)[1] for u in units)}
            for (daemon, units), b, a in zip(pids, before, after)]


@measure("control-idle", "Idle plans", where=("disk",))
def idle(lab):
    rows = []
    for plans in (1, lab.size(IDLE_PLANS, 6)):
        sites = Sites(lab)
        sites.protect(*(light(sites, f"p{i:03}") for i in range(plans)))
        time.sleep(lab.size(SETTLE_S, 1))
        active, standby = watch(sites.both)
        for name, seen in (("active", active), ("standby", standby)):
            rows.append([str(plans), name, f"{seen['cpu']:.1f}", f"{seen['rss']:.0f}",
                         str(seen["units"]), f"{seen['units_cpu']:.1f}",
                         f"{seen['units_mib']:.0f}"])
        sites.drop()
    result = Result(f"""Activated plans of one volume of 1 MiB, all active at one site, with a workload of
        one instance whose status is looked at, and nothing written. Processor time of godwitd over
        {WATCH_S} s, in percent of one processor (the status commands it starts are not in it), and its
        resident memory; the data plane, a process for each plan and site, is counted beside it (memory:
        proportional set size).""")
    result.table(["plans", "site", "godwitd CPU %", "godwitd MiB", "data plane processes",
                  "their CPU %", "their MiB"], rows)
    result.figure(f"godwitd, {plans} idle plans: CPU of the active site", active["cpu"], "% of one")
    result.figure(f"godwitd, {plans} idle plans: memory of the active site", active["rss"], "MiB")
    return result


# ---- the API ----------------------------------------------------------------------------------

class Unix(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=bench.DRAIN_S)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


def ask_ms(site, path):
    """A connection, a question and its answer, as the command line does it."""
    began = time.monotonic()
    c = Unix(site.socket)
    c.request("GET", "/api/v1/" + path)
    answer = c.getresponse()
    body = answer.read()
    c.close()
    assert answer.status == 200, body
    return (time.monotonic() - began) * 1000


def latencies(site, seconds, busy):
    """{path: [ms]} while busy() holds."""
    seen = {"plans/shop/status": [], "plans": []}
    until = time.monotonic() + seconds
    while time.monotonic() < until and busy():
        for path, values in seen.items():
            values.append(ask_ms(site, path))
    return seen


def add(seen, more):
    for path, values in more.items():
        seen.setdefault(path, []).extend(values)


def while_moving(sites, rounds):
    """The API of the site that begins the run and of the one that ends it, while it is on."""
    seen, site, word = {}, sites.home, "switchover"
    for _ in range(2 * rounds):
        site.until_plan("shop", "PROTECTED", "READY_TO_FAIL_BACK")
        p = site.spawn(word, "shop", "--yes")
        add(seen, latencies(site, bench.DRAIN_S, lambda p=p: p.poll() is None))
        out, err = p.communicate()
        assert p.returncode == 0, out + err
        site, word = (sites.dr, "failback") if site is sites.home else (sites.home, "switchover")
    return seen


@measure("control-api", "The API while a run is on", where=("disk",))
def api(lab):
    rows, kept = [], {}
    for plans in (1, lab.size(PLANS, 3)):
        sites = Sites(lab)
        sites.protect(bare(sites, "shop"), *(light(sites, f"p{i:02}") for i in range(plans - 1)))
        quiet = latencies(sites.home, lab.size(API_S, 1), lambda: True)
        moving = while_moving(sites, lab.rounds)
        for when, seen in (("no run", quiet), ("a run is on", moving)):
            for path, values in seen.items():
                kept[plans, when, path] = values
                rows.append([str(plans), when, "GET " + path, str(len(values))] +
                            [f"{percentile(values, q):.2f}" for q in (0.5, 0.99)] +
                            [f"{max(values):.1f}"])
        sites.drop()
    result = Result(f"""Latency of one question over the unix socket, a connection each, from a Python
        client on the same machine: of a plan that is switched over and back {lab.rounds} times, and of
        the list of all plans, at the site where the command was given; ms.""")
    result.table(["plans", "", "", "asked", "p50", "p99", "most"], rows)
    for path in ("plans/shop/status", "plans"):
        values = kept[plans, "a run is on", path]
        result.figure(f"API, {plans} plans, a run is on: GET {path}, p99", percentile(values, 0.99),
                      "ms")
    return result
