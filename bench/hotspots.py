# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""Where the time goes: what perf sees in each process while it replicates small random writes."""
import shutil
import subprocess

import sides
from lab import MIB, Result, Skipped, fill, fio, measure

ROWS = 16


@measure("profile", "Where the time goes", where=("tmpfs",))
def profile(lab):
    if shutil.which("perf") is None:
        raise Skipped("there is no perf (package linux-perf)")
    size, seconds = lab.size(512, 64) * MIB, lab.size(8, 2)
    side = sides.Protected(lab, size, "async")
    fill(side.uri(), size)
    side.drain()
    recorders = []
    for who, pid in zip(("source (nbdkit)", "replica"), side.pids()):
        data = lab.path(who.split()[0] + ".perf")
        # A clock, not a counter: virtual machines often have none.
        recorders.append((who, data, lab.program("perf of the " + who, [
            "perf", "record", "-q", "-e", "cpu-clock", "-F", "997", "-p", str(pid), "-o", data,
            "--", "sleep", str(seconds)])))
    run = fio(side.uri(), rw="randwrite", bs="4k", iodepth=32, size=size, time_based=True,
              runtime=seconds + 1, norandommap=True)
    result = Result(f"""perf, sampling on the CPU clock, of both processes for {seconds} s of 4 KiB
        random writes, depth 32, async ({run['iops']:.0f} IOPS while it looked on). Shares are of
        the samples of one process.""")
    for who, data, recorder in recorders:
        if recorder.wait() != 0:
            raise Skipped("perf may not record here: " + recorder.output().strip()[-200:])
        rows, objects = report(data)
        result.table(["%", "symbol", "in"], rows, f"{who}: {objects}")
    side.close()
    return result


def report(data):
    """Rows of the largest symbols, and the share of each object."""
    p = subprocess.run(["perf", "report", "-q", "--stdio", "--no-children", "-i", data, "-F",
                        "overhead,sym,dso", "-t", ";"], capture_output=True, text=True, check=False)
    symbols, objects = {}, {}
    for line in p.stdout.splitlines():
        cells = [c.strip() for c in line.split(";")]
        if len(cells) != 3 or not cells[0].rstrip("%").replace(".", "", 1).isdigit():
            continue
        share, dso = float(cells[0].rstrip("%")), cells[2].strip("[]").replace("kernel.kallsyms", "kernel")
        symbol = cells[1].partition("] ")[2]
        if symbol.startswith("0x"):
            symbol = "(no symbols)"  # of a library without: its parts are one
        symbols[symbol, dso] = symbols.get((symbol, dso), 0) + share
        objects[dso] = objects.get(dso, 0) + share
    if not symbols:
        raise Skipped("perf reported nothing: " + (p.stderr.strip() or "no samples")[-200:])
    rows = [[f"{share:.1f}", f"`{symbol}`", dso] for (symbol, dso), share in largest(symbols)[:ROWS]]
    return rows, ", ".join(f"{dso} {share:.0f} %" for dso, share in largest(objects)[:5])


def largest(shares):
    return sorted(shares.items(), key=lambda item: -item[1])
