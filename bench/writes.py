# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""Writes: what protection costs, beside a server without it and beside QEMU's mirror.

A shared machine is not the same from one second to the next. So the unprotected server is measured before
and after every other run, and a ratio is that of a run to the mean of these two.
"""
import statistics

import sides
from lab import GIB, MIB, Result, cpu_seconds, fill, fio, measure, spread

TEXT = """fio's nbd engine, {job}, for {seconds} s a run against a volume of {size} MiB that is allocated
before; {rounds} rounds. *Unprotected* is nbdkit's file plugin, measured before and after each other run: a
ratio is that of a run to the mean of these two. Godwit and QEMU each copy to a second process over loopback
TCP, all of it on the same processors. CPU is that of the servers of both sites, from the first write until
the other site has everything, a GiB written. {more}"""


def one(lab, side, job):
    lab.settle()
    before = cpu_seconds(side.pids())
    run = fio(side.uri(), time_based=True, runtime=lab.seconds, norandommap=True, **job)
    side.drain()
    run["cpu"] = (cpu_seconds(side.pids()) - before) / (run["bytes"] / GIB)
    return run


def take_rounds(lab, plain, others, job):
    """{name: runs}; a run of the others carries `plain`, the two of the unprotected server beside it."""
    seen = {s.name: [] for s in [plain] + others}
    beside = one(lab, plain, job)
    for r in range(lab.rounds):
        for side in others if r % 2 == 0 else others[::-1]:
            run = one(lab, side, job)
            run["plain"] = [beside, one(lab, plain, job)]
            beside = run["plain"][1]
            seen[side.name].append(run)
            seen[plain.name].append(beside)
    return seen


def ratios(seen, name, other, key):
    """Of each round. Two protected ones are compared by what each is of the unprotected server."""
    def relative(side):
        return [r[key] / statistics.mean(p[key] for p in r["plain"]) for r in seen[side]]
    if other == "unprotected":
        return relative(name)
    return [a / b for a, b in zip(relative(name), relative(other))]


def compare(lab, what, job, key, goals, more=""):
    size = lab.size(512, 64) * MIB
    job = {**job, "size": size}
    plain, *others = servers = sides.all_of_them(lab, size)
    for side in servers:
        fill(side.uri(), size)
        side.drain()
    seen = take_rounds(lab, plain, others, job)
    remarks = {s.name: s.remark() for s in servers}
    for side in servers:
        side.close()
    result = Result(TEXT.format(job=what, seconds=lab.seconds, size=size // MIB, rounds=lab.rounds,
                                more=more))
    unit = "IOPS" if key == "iops" else "MiB/s"
    rows = []
    for name, runs in seen.items():
        rows.append([name, spread([r[key] for r in runs]),
                     spread(ratios(seen, name, plain.name, key), "{:.2f}") if name != plain.name
                     else "1",
                     spread([r["mean_us"] for r in runs]),
                     "{:.0f}".format(statistics.median(r["p99_us"] for r in runs)),
                     "{:.1f}".format(statistics.median(r["cpu"] for r in runs)), remarks[name]])
    result.table(["writes to", unit, "of unprotected", "mean latency us", "99 % us", "CPU s/GiB", ""],
                 rows)
    for name, other, which, goal in goals:
        result.figure(f"{what}: {name} / {other}" + (" (latency)" if which == "mean_us" else ""),
                      ratios(seen, name, other, which), "x", goal)
    return result


@measure("writes-4k-d32", "4 KiB random writes, depth 32")
def deep(lab):
    return compare(lab, "4 KiB random, depth 32", dict(rw="randwrite", bs="4k", iodepth=32), "iops", [
        ("async", "unprotected", "iops", (">=", 0.60)),
        ("async, peer discards", "unprotected", "iops", (">=", 0.75)),
        ("sync", "unprotected", "iops", (">=", 0.35)),
        ("sync", "qemu write-blocking", "iops", (">=", 2)),
        ("async", "qemu background", "iops", None),
    ], """*Peer discards*: a peer that acknowledges what comes and keeps nothing
    ([bench/discard.c](../bench/discard.c)); what is left is the active site's own cost.""")


@measure("writes-4k-d1", "4 KiB random writes, depth 1")
def shallow(lab):
    return compare(lab, "4 KiB random, depth 1", dict(rw="randwrite", bs="4k", iodepth=1), "iops", [
        ("async", "unprotected", "mean_us", ("<=", 1.15)),
        ("sync", "unprotected", "mean_us", None),
        ("sync", "qemu write-blocking", "mean_us", None),
    ])


@measure("writes-1m", "1 MiB sequential writes")
def sequential(lab):
    return compare(lab, "1 MiB sequential, depth 8", dict(rw="write", bs="1m", iodepth=8), "mib", [
        ("async", "unprotected", "mib", (">=", 0.50)),
        ("qemu background", "unprotected", "mib", None),
        ("sync", "unprotected", "mib", None),
    ])
