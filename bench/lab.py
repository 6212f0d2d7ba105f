# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""What every measure needs: a place to work in, clocks, costs, fio, and the form of a result.

A measure is a function with a name, taken up by @measure:

    @measure("promotion", "Promotion", where=("tmpfs",))
    def run(lab):
        result = Result("What is measured, under which conditions.")
        result.figure("command to answer", ms, "ms", goal=("<=", 200))
        result.table(["step", "ms"], rows)
        return result

It works in lab.root, which is removed afterwards, and ends every process that it started. A figure is
the median of its values, with the smallest and the largest beside it; one with a goal is judged in the
report. Nothing here knows how results are shown: that is report.py.
"""
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

REPO = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(REPO, "tests", "lib"))
import godwit  # noqa: E402

KIB, MIB, GIB, TIB = 1 << 10, 1 << 20, 1 << 30, 1 << 40
HERTZ = os.sysconf("SC_CLK_TCK")
DRAIN_S = 300  # a slow peer may have a lot to catch up with

TMPFS, DISK = "tmpfs", "disk"


# ---- measures and results ---------------------------------------------------------------------

class Measure:
    def __init__(self, name, title, where, run):
        self.name, self.title, self.where, self.run = name, title, where, run


MEASURES = []


def measure(name, title, where=(TMPFS, DISK)):
    def register(run):
        MEASURES.append(Measure(name, title, where, run))
        return run
    return register


class Result:
    def __init__(self, text):
        self.data = {"text": " ".join(text.split()), "figures": [], "tables": [], "notes": []}

    def figure(self, what, values, unit, goal=None):
        """values: a number or one for each round. goal: (">=" or "<=", number)."""
        values = values if isinstance(values, (list, tuple)) else [values]
        self.data["figures"].append({
            "what": what, "value": statistics.median(values), "low": min(values),
            "high": max(values), "rounds": len(values), "unit": unit,
            "goal": list(goal) if goal else None})

    def table(self, columns, rows, title=""):
        self.data["tables"].append({"title": title, "columns": columns, "rows": rows})

    def note(self, text):
        self.data["notes"].append(" ".join(text.split()))


def spread(values, form="{:.0f}"):
    """For a cell: the median, and the range where there is one."""
    text = form.format(statistics.median(values))
    if len(values) > 1:
        text += " (" + form.format(min(values)) + "-" + form.format(max(values)) + ")"
    return text


# ---- the place --------------------------------------------------------------------------------

class Skipped(Exception):
    """This measure cannot be taken here; says why."""


class Lab:
    """One run of one measure at one place."""

    def __init__(self, where, args):
        self.where, self.quick = where, args.quick
        self.rounds = args.rounds or (1 if args.quick else 5)
        self.seconds = args.seconds or (1 if args.quick else 2)
        base = "/dev/shm" if where == TMPFS else tempfile.gettempdir()
        if where == DISK and filesystem(base)[0] == "tmpfs":
            raise Skipped(f"{base} is no disk but tmpfs; set TMPDIR to a directory on a disk")
        self.root = tempfile.mkdtemp(prefix="godwit-bench-", dir=base)
        tempfile.tempdir = self.root  # where World puts its sites
        self.worlds, self.programs = [], []

    def size(self, full, quick):
        return quick if self.quick else full

    def path(self, name):
        return os.path.join(self.root, name)

    def pair(self, size, replica_options=(), **params):
        """Two sites of one volume; not started."""
        world = godwit.World()
        self.worlds.append(world)
        pair = world.pair(volumes={"data": str(size)}, **params)
        pair.replica_options = replica_options
        return pair

    def start(self, pair):
        pair.dr.start_replica(*pair.replica_options)
        pair.home.start_source(pair.dr, **pair.params)
        pair.home.wait_following()

    def drop(self, pair):
        """Its directory too: room for the next."""
        for site in (pair.home, pair.dr):
            if site.program is not None:
                site.stop()
        world = next(w for w in self.worlds if pair.home in w.sites)
        self.worlds.remove(world)
        world.close()

    def program(self, name, argv):
        p = godwit.Program(name, argv, self.path(name + ".log"))
        self.programs.append(p)
        return p

    def image(self, name, size):
        path = self.path(name)
        with open(path, "wb") as f:
            f.truncate(size)
        return path

    def settle(self):
        """Nothing of what was written here before is still on its way to the disk."""
        if self.where != DISK:
            return
        for folder, _, files in os.walk(self.root):
            for path in (os.path.join(folder, name) for name in files):
                if os.path.isfile(path):  # not a socket
                    fd = os.open(path, os.O_RDONLY)
                    os.fsync(fd)
                    os.close(fd)

    def close(self):
        for p in self.programs:
            if p.alive():
                p.process.kill()
                p.process.wait()
        for w in self.worlds:
            w.close()
        tempfile.tempdir = None
        shutil.rmtree(self.root, ignore_errors=True)


def filesystem(path):
    """Its type and what it is on."""
    out = subprocess.run(["findmnt", "-n", "-o", "FSTYPE,SOURCE", "-T", path], check=True,
                         capture_output=True, text=True).stdout.split()
    return out[0], out[1]


# ---- processes --------------------------------------------------------------------------------

def cpu_seconds(pids):
    """User and system time of processes that run."""
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
            fields = f.read().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / HERTZ


def peak_mib(pid):
    """The most memory that it ever had (VmHWM)."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as f:
        for line in f:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    raise AssertionError(f"process {pid} shows no VmHWM")


def ask(site, cmd, **arguments):
    """A request over the control socket, without the time that starting a tool takes."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(DRAIN_S)
        s.connect(site.control)
        s.sendall(json.dumps({"cmd": cmd, **arguments}).encode() + b"\n")
        with s.makefile("rb") as answers:
            for line in answers:
                answer = json.loads(line)
                if "progress" not in answer:
                    assert answer["ok"], answer
                    return answer
    raise AssertionError(f"{site.name} ended before it answered {cmd}")


def poll(what, probe, timeout=DRAIN_S, every_s=0.001):
    """The first true value of probe(), and the moment. Times that are measured so are as exact as it looks
    often; a probe that asks a process costs it and the processors something each time."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            seen = probe()
            if seen:
                return seen, time.monotonic()
        except (OSError, ValueError):
            pass  # not there yet
        assert time.monotonic() < deadline, f"waited {timeout} s for {what}"
        time.sleep(every_s)


def await_status(what, site, probe):
    """The first status for which probe(status) holds, and the moment."""
    def look():
        status = ask(site, "status")
        return probe(status) and status
    return poll(what, look, every_s=0.005)


def is_equal(status):
    return status["replication"] in godwit.FOLLOWING and status["durable_seq"] == status["seq"] and \
        status["dirty_blocks"] == status["coarse_extents"] == 0


# ---- fio --------------------------------------------------------------------------------------

def fio(uri, **options):
    """One job with the nbd engine. Options are fio's; a true one is a flag."""
    argv = ["fio", "--name=w", "--ioengine=nbd", f"--uri={uri}", "--output-format=json"]
    for k, v in options.items():
        argv.append(f"--{k}" if v is True else f"--{k}={v}")
    p = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert p.returncode == 0, f"{' '.join(argv)}\n{p.stdout[-3000:]}{p.stderr[-3000:]}"
    w = json.loads(p.stdout[p.stdout.index("{"):])["jobs"][0]["write"]
    percentiles = w["clat_ns"].get("percentile", {})
    return {"iops": w["iops"], "mib": w["bw_bytes"] / MIB, "bytes": w["io_bytes"],
            "seconds": w["runtime"] / 1000, "mean_us": w["lat_ns"]["mean"] / 1000,
            "p99_us": percentiles.get("99.000000", 0) / 1000,
            "max_us": w["clat_ns"]["max"] / 1000}


def fill(uri, size):
    """Every block allocated before anything is measured, on every volume alike."""
    fio(uri, size=size, rw="write", bs="1m", iodepth=4)


def change_blocks(uri, size, blocks, seed):
    """So many different 4 KiB blocks at random places."""
    fio(uri, size=size, rw="randwrite", bs="4k", iodepth=16, number_ios=blocks, randseed=seed,
        refill_buffers=True)
    return blocks * 4096
