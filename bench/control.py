# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""What godwitd adds to the data plane: failover, failback and the cost of a step, end to end."""
import time

import lab as bench
from cutover import busy_pair, serve
from lab import MIB, Result, fio, measure, spread
from control_sites import Sites, bare, served, start_command_ms, steps_of

START_S = 1  # what the workload itself takes
LOAD_IOPS = 10000


# ---- failover ---------------------------------------------------------------------------------

def lose_by_kill(sites):
    sites.kill_home()


def lose_by_silence(sites):
    """It answers nothing any more and closes nothing, as a machine that hangs or a cable that was
    pulled; the other site has had the time to notice."""
    sites.hang_home()
    bench.poll("the other site to notice", lambda: any(
        s["health"] == "UNREACHABLE" for s in sites.dr.get("sites")["sites"]), every_s=0.02)


def fail_over(lab, lose, seen):
    sites = Sites(lab)
    sites.protect(served(sites, "shop", start_s=START_S))
    service = sites.services["shop"]
    service.write_since("madrid", 0)
    lab.settle()
    lose(sites)
    log, began, ended = sites.dr.move("failover", "shop", "--confirm-site-down", "madrid")
    steps = {s.name: s for s in steps_of(log)}
    own = start_command_ms(log)
    since = {
        "first": steps["precheck"].began_ns, "promoted": steps["promote"].ended_ns,
        "serves": steps["serve"].ended_ns, "healthy": steps["start"].ended_ns,
        "routed": steps["route"].ended_ns, "answer": ended.wall_ns}
    for name, ns in since.items():
        seen.setdefault(name, []).append((ns - began.wall_ns) / 1e6)
    seen.setdefault("own", []).append(own)
    seen.setdefault("added", []).append(seen["healthy"][-1] - own)
    first = service.write_since("lisbon", began.mono_ns)
    seen.setdefault("write", []).append((first - began.mono_ns) / 1e6)
    sites.drop()


FAILOVER_ROWS = [
    ("first", "the run's first step"), ("promoted", "the standby promoted: a new reign, durable"),
    ("serves", "the volume served there"), ("write", "the service's first acknowledged write"),
    ("healthy", "the service healthy"), ("routed", "the route set: the end of the failover"),
    ("answer", "the command's own end"), ("own", "of it the workload's own start command"),
    ("added", "healthy, without that")]


@measure("control-failover", "Failover by command")
def failover(lab):
    killed, silent = {}, {}
    for _ in range(lab.rounds):
        fail_over(lab, lose_by_kill, killed)
        fail_over(lab, lose_by_silence, silent)
    result = Result(f"""Two godwitd, a plan of one volume of 16 MiB with a service that writes all the
        time, whose start command takes {START_S} s before it starts it, a health check over HTTP and a
        route by command, all with the product's defaults. Home is lost, then `godwit failover
        --confirm-site-down`. *Killed*: daemon, data plane and service at home get SIGKILL, so that the
        other site's calls are refused at once. *Silent*: they stand still (SIGSTOP), so that nothing
        answers and nothing is refused. {lab.rounds} rounds; times in ms from the command.""")
    result.table(["from the command to", "home killed", "home silent"],
                 [[text, spread(killed[k]), spread(silent[k])] for k, text in FAILOVER_ROWS])
    result.figure("failover, home killed: from the command to the healthy service", killed["healthy"],
                  "ms")
    result.figure("failover, home killed: to healthy, without the workload's own start",
                  killed["added"], "ms")
    result.figure("failover, home silent: from the command to the healthy service",
                  silent["healthy"], "ms")
    return result


# ---- failback ---------------------------------------------------------------------------------

def loaded(sites, name, size):
    """A second instance writes at random above the first 64 MiB until both are stopped at once."""
    plan = served(sites, name, size)
    lock = f"{sites.services[name].dir}/fio.$GODWIT_SITE"  # it runs while it holds this
    start = (f"exec 9>{lock}; flock -w 2 9 || exit 0; setsid fio --name=load --thread --ioengine=nbd "
             "--uri=\"nbd+unix:///data?socket=$GODWIT_VOLUME_data_SOCKET\" --rw=randwrite --bs=4k "
             "--iodepth=16 --time_based --runtime=3600 --offset=64m --refill_buffers "
             f"--rate_iops={LOAD_IOPS} </dev/null >{lock}.log 2>&1 & echo $! >{lock}.pid")
    stop = f"flock -n -s {lock} true || kill -KILL $(cat {lock}.pid); flock -s {lock} true"
    status = f"flock -n -s {lock} true && exit 3; exit 0"
    plan["groups"][0]["instances"].append({
        "name": "load", "driver": "exec", "attach": {"volume": "data"},
        "start": ["/bin/sh", "-c", start], "stop": ["/bin/sh", "-c", stop],
        "status": ["/bin/sh", "-c", status]})
    return plan


def move_and_back(sites, seen):
    """Out, and home again: what the service itself saw of the way home."""
    service = sites.services["shop"]
    sites.home.until_plan("shop", "PROTECTED")
    _, began, _ = sites.home.move("switchover", "shop")
    service.write_since("lisbon", began.mono_ns)
    sites.dr.until_plan("shop", "READY_TO_FAIL_BACK")
    sites.lab.settle()
    log, began, ended = sites.dr.move("failback", "shop")
    first = service.write_since("madrid", began.mono_ns)
    last = service.acked("lisbon")[-1]
    steps = {s.name: s for s in steps_of(log)}
    seen.setdefault("outage", []).append((first - last) / 1e6)
    seen.setdefault("own", []).append(start_command_ms(log))
    seen.setdefault("command", []).append((ended.mono_ns - began.mono_ns) / 1e6)
    for name, step in steps.items():
        seen.setdefault(name, []).append(step.took_ms)
    between = ("stop", "quiesce", "final_sync", "equal", "handover", "demote", "promote", "serve")
    seen.setdefault("around", []).append(sum(steps[n].around_ms for n in between))


def failbacks(lab, make, size):
    sites = Sites(lab)
    sites.protect(make(sites, "shop", size))
    seen = {}
    for _ in range(lab.rounds):
        move_and_back(sites, seen)
    sites.services["shop"].ledger.check_never_two()
    sites.drop()
    return seen


def engine_alone(lab, size):
    """The same hand-over by godwit-ctl, as the measure of cut-overs does it."""
    seen = []
    for _ in range(lab.rounds):
        pair = busy_pair(lab, 16 * MIB, size)
        lab.settle()
        fio(pair.home.uri("data"), rw="randwrite", bs="4k", iodepth=16, size=size, io_size=MIB,
            norandommap=True)
        begin = time.monotonic()
        pair.home.ctl("handover", "--yes")
        pair.dr.ctl("promote", "--yes")
        assert pair.dr.program.wait() == 0
        seen.append((serve(pair.dr, pair.home) - begin) * 1000)
        lab.drop(pair)
    return seen


FAILBACK_ROWS = [
    ("stop", "services stopped at DR"), ("quiesce", "no write in flight"),
    ("final_sync", "the last of it sent"), ("equal", "equality proved"),
    ("handover", "authority released"), ("demote", "the old source ended"),
    ("promote", "promoted at home"), ("serve", "the volume served at home"),
    ("around", "between these: entries durable at both sites"),
    ("own", "the services' own start commands"),
    ("outage", "last acknowledged write at DR to the first at home"),
    ("command", "the command, from its begin to its end")]


@measure("control-failback", "Failback by command")
def failback(lab):
    size = lab.size(512 * MIB, 128 * MIB)
    idle, busy = failbacks(lab, served, size), failbacks(lab, loaded, size)
    alone = engine_alone(lab, size)
    result = Result(f"""`godwit failback` of a plan with a volume of {size // MIB} MiB and a service that
        appends a record each 10 ms; the outage is what this client saw, from its last acknowledged write
        at DR to its first at home. *Loaded*: fio writes to the same volume all the time, 4 KiB random,
        depth 16, {LOAD_IOPS} a second, as a second instance of the workload that is stopped and started
        at the same time. {lab.rounds} rounds; ms. What a step took is from the run's own log. The engine alone is
        `godwit-ctl handover`, `godwit-ctl promote`, nbdkit and the first write, as in
        [cut-over](#cut-over), of a volume of the same size.""")
    result.table(["", "idle", "loaded"],
                 [[text, spread(idle[k], "{:.1f}"), spread(busy[k], "{:.1f}")]
                  for k, text in FAILBACK_ROWS])
    result.figure("failback: outage as the writing client saw it, idle", idle["outage"], "ms")
    result.figure("failback: outage as the writing client saw it, loaded", busy["outage"], "ms")
    result.figure("failback: the same hand-over by the engine alone", alone, "ms")
    return result


# ---- steps ------------------------------------------------------------------------------------

@measure("control-steps", "What a step costs")
def steps(lab):
    sites = Sites(lab)
    sites.protect(bare(sites, "shop"))
    seen, whole = {}, []
    for _ in range(lab.rounds):
        for site, words, there in ((sites.home, "switchover", sites.dr),
                                   (sites.dr, "failback", sites.home)):
            site.until_plan("shop", "PROTECTED", "READY_TO_FAIL_BACK")
            log, began, ended = site.move(words, "shop")
            whole.append((ended.mono_ns - began.mono_ns) / 1e6)
            for s in steps_of(log):
                took, around = seen.setdefault(s.name, ([], []))
                took.append(s.took_ms)
                around.append(s.around_ms)
            there.until_plan("shop", "PROTECTED", "READY_TO_FAIL_BACK")
    sites.drop()
    result = Result(f"""A plan without workload and route is switched over and back, {lab.rounds} times:
        what each step's effect took, and what the executor added around it: the intent durable here
        and at the other site before the effect, the outcome durable at both after it (a transaction of
        the catalog each). From the run's own log; ms.""")
    result.table(["step", "effect", "around it"],
                 [[name, spread(took, "{:.2f}"), spread(around, "{:.2f}")]
                  for name, (took, around) in seen.items()])
    idle = [n for n in ("notify", "stop", "start", "verify", "route") if n in seen]
    result.figure("overhead of a step with nothing to do",
                  [sum(x) for n in idle for x in zip(*seen[n])], "ms")
    result.figure("a whole switchover with nothing to start or stop, as the command sees it", whole,
                  "ms")
    return result
