# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""First figures of the engine, each beside its reference in the same run.

    make bench                        everything, volumes on tmpfs and once more on the disk
    make bench ARGS="--rounds 1 --seconds 2 --only write --where tmpfs"
    make bench ARGS=--write           also write docs/benchmarks.md

Writes: fio's nbd engine against nbdkit's own file plugin (unprotected), against the godwit plugin in
async mode and in sync mode, with a real replica on the same machine, taken in turn. Every round does
all three; a figure is the median of the rounds, a ratio the median of the rounds' ratios.

Delta resync: an image of 1 % random changed 4 KiB blocks is brought up to date by godwit (after a
fall-behind: the dirty map is known, as after an outage), by `rsync --inplace --no-whole-file`, and
by a whole copy with nbdcopy.
"""
import argparse
import json
import os
import platform
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

REPO = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(REPO, "tests", "lib"))
import godwit  # noqa: E402

MIB = 1 << 20
JOBS = [
    ("4 KiB random, depth 32", dict(rw="randwrite", bs="4k", iodepth=32), "iops"),
    ("4 KiB random, depth 1", dict(rw="randwrite", bs="4k", iodepth=1), "iops"),
    ("1 MiB sequential, depth 8", dict(rw="write", bs="1m", iodepth=8), "mib"),
]


def fio(uri, seconds, size, **job):
    argv = ["fio", "--name=w", "--ioengine=nbd", f"--uri={uri}", "--output-format=json",
            "--norandommap", "--time_based", f"--runtime={seconds}", f"--size={size}"]
    argv += [f"--{k}={v}" for k, v in job.items()]
    out = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
    w = json.loads(out[out.index("{"):])["jobs"][0]["write"]
    return {"iops": w["iops"], "mib": w["bw"] / 1024, "mean_us": w["lat_ns"]["mean"] / 1000,
            "p99_us": w["clat_ns"]["percentile"]["99.000000"] / 1000}


class Plain:
    """nbdkit's file plugin on a volume of the same size: nobody replicates anything."""

    def __init__(self, root, size):
        self.image = os.path.join(root, "plain.img")
        self.socket = os.path.join(root, "plain.nbd")
        with open(self.image, "wb") as f:
            f.truncate(size)
        self.program = godwit.Program("unprotected nbdkit", ["nbdkit", "-f", "-U", self.socket,
                                      "file", self.image], os.path.join(root, "plain.log"))
        godwit.wait_for("nbdkit", lambda: os.path.exists(self.socket))

    def uri(self):
        return f"nbd+unix:///?socket={self.socket}"


def pair(world, size, **params):
    p = world.pair(volumes={"data": str(size)}, **params)
    p.start()
    return p


def fill(uri, size):
    """Blocks allocated before anything is measured, on every volume alike."""
    fio(uri, 1, size, rw="write", bs="1m", iodepth=4, time_based=0, runtime=0)


def writes(world, root, args, where, report):
    size = args.size_mib * MIB
    plain = Plain(root, size)
    sides = {"unprotected": plain.uri()}
    pairs = {}
    for mode in ("async", "sync"):
        w = godwit.World()
        pairs[mode] = (w, pair(w, size, **({"sync": "yes"} if mode == "sync" else {})))
        if mode == "sync":
            pairs[mode][1].home.wait_status("sync", lambda s: s["replication"] == "sync")
        sides[mode] = pairs[mode][1].home.uri("data")
    for uri in sides.values():
        fill(uri, size)
    for name, job, key in JOBS:
        seen = {s: [] for s in sides}
        for _ in range(args.rounds):
            for side, uri in sides.items():
                seen[side].append(fio(uri, args.seconds, size, **job))
                if side != "unprotected":
                    pairs[side][1].drain()
        row = {"measure": name, "where": where, "unit": "IOPS" if key == "iops" else "MiB/s"}
        for side, runs in seen.items():
            values = [r[key] for r in runs]
            row[side] = statistics.median(values)
            row[side + "_spread"] = [min(values), max(values)]
            row[side + "_mean_us"] = statistics.median(r["mean_us"] for r in runs)
            row[side + "_p99_us"] = statistics.median(r["p99_us"] for r in runs)
            row[side + "_ratio"] = statistics.median(
                r[key] / u[key] for r, u in zip(runs, seen["unprotected"]))
        report.append(row)
        print(f"{where:6} {name:28} unprotected {row['unprotected']:9.0f} {row['unit']:5}  "
              f"async {row['async_ratio']:.2f}  sync {row['sync_ratio']:.2f}  "
              f"(latency, mean: {row['unprotected_mean_us']:.0f} / {row['async_mean_us']:.0f} / "
              f"{row['sync_mean_us']:.0f} us)", flush=True)
    for w, p in pairs.values():
        p.stop()
        assert p.differing_volumes() == [], "the sites differ after the benchmark"
        w.close()
    plain.program.stop()
    os.unlink(plain.image)


def change_blocks(path_or_uri, size, share, seed):
    """Change `share` of the 4 KiB blocks at random places; through libnbd."""
    import nbd
    h = nbd.NBD()
    h.connect_uri(path_or_uri)
    r = random.Random(seed)
    blocks = r.sample(range(size // 4096), int(size // 4096 * share))
    for b in blocks:
        h.pwrite(r.randbytes(4096), b * 4096)
    h.flush()
    h.shutdown()
    return len(blocks) * 4096


def resync(world, root, args, where, report):
    size = args.resync_mib * MIB
    p = pair(world, size, ring="8MiB")  # so that the outage does not fit into it
    home, dr = p.home, p.dr
    subprocess.run(["fio", "--name=f", "--ioengine=nbd", f"--uri={home.uri('data')}", "--rw=write",
                    "--bs=1m", "--iodepth=4", f"--size={size}", "--refill_buffers=1"], check=True,
                   capture_output=True)
    p.drain()
    dr.stop()
    # The replica's image as it is now, for rsync and nbdcopy to bring up to date.
    old = os.path.join(root, "old.img")
    subprocess.run(["cp", "--sparse=always", dr.image("data"), old], check=True)
    changed = change_blocks(home.uri("data"), size, 0.01, 1)
    before = home.status()["sent_bytes"]
    t = time.monotonic()
    dr.start_replica()
    home.wait_following()
    home.drain()
    godwit_s = time.monotonic() - t
    s = home.status()
    p.stop()
    assert p.differing_volumes() == [], "the sites differ after the resync"
    new = home.image("data")
    t = time.monotonic()
    subprocess.run(["rsync", "--ignore-times", "--inplace", "--no-whole-file", new, old], check=True)
    rsync_s = time.monotonic() - t
    copy = os.path.join(root, "copy.img")
    with open(copy, "wb") as f:
        f.truncate(size)
    t = time.monotonic()
    subprocess.run(["nbdcopy", "--allocated", new, copy], check=True)
    copy_s = time.monotonic() - t
    row = {"measure": f"delta resync, {args.resync_mib} MiB image, {changed / MIB:.1f} MiB changed",
           "where": where, "godwit_s": godwit_s, "engine_s": s["resync"]["seconds"],
           "verdict_row": s["verdict"]["row"], "sent_bytes": s["sent_bytes"] - before,
           "rsync_s": rsync_s, "copy_s": copy_s, "rsync_ratio": rsync_s / godwit_s,
           "copy_ratio": copy_s / godwit_s}
    report.append(row)
    print(f"{where:6} {row['measure']}: godwit {godwit_s:.2f} s (row {row['verdict_row']}, "
          f"{row['sent_bytes'] / MIB:.1f} MiB sent), rsync {rsync_s:.2f} s = "
          f"{row['rsync_ratio']:.0f}x, nbdcopy {copy_s:.2f} s = {row['copy_ratio']:.1f}x",
          flush=True)
    for f in (old, copy):
        os.unlink(f)


def version(argv):
    try:
        return subprocess.run(argv, capture_output=True, text=True).stdout.splitlines()[0].strip()
    except (OSError, IndexError):
        return "?"


def machine():
    cpu = "?"
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        for line in f:
            if line.startswith("model name"):
                cpu = line.split(":", 1)[1].strip()
                break
    return {"cpu": cpu, "cores": os.cpu_count(), "kernel": platform.release(),
            "nbdkit": version(["nbdkit", "--version"]), "fio": version(["fio", "--version"]),
            "rsync": version(["rsync", "--version"]), "nbdcopy": version(["nbdcopy", "--version"])}


def markdown(m, args, report):
    out = ["# Benchmarks: first figures", "",
           "Written by `make bench ARGS=--write`. Both sites, the client and the reference run on "
           "one machine; a ratio is taken within a round and is the median of the rounds. Absolute "
           "figures of such a machine mean little; the ratios are what is compared.", "",
           f"Machine: {m['cpu']}, {m['cores']} cores, Linux {m['kernel']}; {m['nbdkit']}, "
           f"{m['fio']}, {m['rsync']}. {args.rounds} rounds of {args.seconds} s, volume of "
           f"{args.size_mib} MiB.", "",
           "| writes | volumes on | unprotected (nbdkit file) | async / unprotected | sync / "
           "unprotected | mean latency us: unprotected, async, sync | goal async, sync |",
           "|---|---|---|---|---|---|---|"]
    goals = {JOBS[0][0]: "0.60, 0.35", JOBS[1][0]: "latency <= 1.15 x", JOBS[2][0]: "0.50, -"}
    for r in (r for r in report if "async_ratio" in r):
        lo, hi = r["unprotected_spread"]
        out.append(f"| {r['measure']} | {r['where']} | {r['unprotected']:.0f} {r['unit']} "
                   f"({lo:.0f}-{hi:.0f}) | {r['async_ratio']:.2f} | {r['sync_ratio']:.2f} | "
                   f"{r['unprotected_mean_us']:.0f}, {r['async_mean_us']:.0f}, "
                   f"{r['sync_mean_us']:.0f} | {goals[r['measure']]} |")
    out += ["", "| delta resync | volumes on | godwit s (sent MiB) | rsync s | ratio (goal 50) | "
            "nbdcopy s | ratio (goal 8) |", "|---|---|---|---|---|---|---|"]
    for r in (r for r in report if "rsync_ratio" in r):
        out.append(f"| {r['measure']} | {r['where']} | {r['godwit_s']:.2f} "
                   f"({r['sent_bytes'] / MIB:.1f}) | {r['rsync_s']:.2f} | {r['rsync_ratio']:.1f} | "
                   f"{r['copy_s']:.2f} | {r['copy_ratio']:.1f} |")
    return "\n".join(out) + "\n"


def main():
    a = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--rounds", type=int, default=3)
    a.add_argument("--seconds", type=int, default=4, help="of each fio run")
    a.add_argument("--size-mib", type=int, default=1024, help="volume of the write benchmarks")
    a.add_argument("--resync-mib", type=int, default=4096, help="image of the delta resync")
    a.add_argument("--only", choices=("write", "resync"))
    a.add_argument("--where", choices=("tmpfs", "disk"))
    a.add_argument("--json", metavar="FILE", help="all figures")
    a.add_argument("--write", action="store_true", help="write docs/benchmarks.md")
    args = a.parse_args()
    report = []
    for where in [args.where] if args.where else ["tmpfs", "disk"]:
        base = "/dev/shm" if where == "tmpfs" else tempfile.gettempdir()
        root = tempfile.mkdtemp(prefix="godwit-bench-", dir=base)
        tempfile.tempdir = root  # where World puts its sites
        try:
            if args.only != "resync":
                writes(None, root, args, where, report)
            if args.only != "write":
                world = godwit.World()
                resync(world, root, args, where, report)
                world.close()
        finally:
            tempfile.tempdir = None
            shutil.rmtree(root, ignore_errors=True)
    m = machine()
    if args.json:
        with open(args.json, "w", encoding="utf-8") as f:
            json.dump({"machine": m, "figures": report}, f, indent=1)
    if args.write:
        with open(os.path.join(REPO, "docs", "benchmarks.md"), "w", encoding="utf-8") as f:
            f.write(markdown(m, args, report))


if __name__ == "__main__":
    main()
