# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""Delta resync: an outage, a few changed blocks, and the way back to equality.

The clock starts when the replica has the source's call (its log says the verdict) and stops when the source
says that everything is durable at the peer. How long the source waited before it called again is
shown beside it, and is no part of the ratio.
"""
import subprocess
import time

import lab as bench
from lab import GIB, MIB, Result, change_blocks, measure, spread


def outage(lab, pair, size, blocks, seed):
    """The replica is gone; so many blocks change."""
    pair.dr.stop()
    changed = change_blocks(pair.home.uri("data"), size, blocks, seed)
    lab.settle()
    return changed


def come_back(pair):
    """-> seconds of the resync, seconds from the start of the replica, what the source says."""
    home, dr = pair.home, pair.dr
    begin = time.monotonic()
    dr.start_replica(*pair.replica_options)
    log = open(dr.program.log, "rb")
    log.seek(dr.program.begin)
    said = b""

    def verdict():
        nonlocal said
        said += log.read()
        return b"verdict row" in said
    with log:
        _, called = bench.poll("the verdict", verdict)
    status, equal = bench.await_status("equality", home, bench.is_equal)
    return equal - called, equal - begin, status


def timed(argv):
    begin = time.monotonic()
    subprocess.run(argv, check=True, capture_output=True)
    return time.monotonic() - begin


@measure("resync-delta", "Delta resync beside rsync and a whole copy")
def delta(lab):
    size = lab.size(4 * GIB, 256 * MIB)
    blocks = size // 4096 // 100
    # A ring that the outage does not fit into; a journal that leaves room on a tmpfs.
    pair = lab.pair(size, ("--journal-max", "1GiB"), ring="8MiB")
    lab.start(pair)
    home, dr = pair.home, pair.dr
    bench.fio(home.uri("data"), rw="write", bs="1m", iodepth=4, size=size, refill_buffers=True)
    home.drain(bench.DRAIN_S)
    seen = {"resync": [], "wall": [], "sent": [], "rsync": [], "copy": []}
    rounds = min(lab.rounds, 3)  # rsync takes its time
    for r in range(rounds):
        before = home.status()["sent_bytes"]
        changed = outage(lab, pair, size, blocks, 2 * r + 1)
        resync_s, wall_s, status = come_back(pair)
        seen["resync"].append(resync_s)
        seen["wall"].append(wall_s)
        seen["sent"].append((status["sent_bytes"] - before) / MIB)
        # The same again for the others, onto the replica's own image while nobody has it open.
        outage(lab, pair, size, blocks, 2 * r + 2)
        images = [home.image("data"), dr.image("data")]
        seen["rsync"].append(timed(["rsync", "--ignore-times", "--inplace", "--no-whole-file",
                                    *images]))
        lab.settle()
        seen["copy"].append(timed(["nbdcopy", "--allocated", *images]))
        dr.start_replica(*pair.replica_options)
        home.wait_following()
        home.drain(bench.DRAIN_S)
    pair.stop()
    assert pair.differing_volumes() == [], "the sites differ after the resync"
    lab.drop(pair)
    result = Result(f"""An image of {size // MIB} MiB, full of data that does not compress, warm in
        the page cache. During an outage {blocks} of its 4 KiB blocks ({changed / MIB:.0f} MiB, 1 %)
        change at random places. The references bring the same image up to date after the same
        change: `rsync --inplace --no-whole-file` between two local files, and `nbdcopy` of all of
        it. {rounds} rounds.""")
    result.table(["", "seconds"], [
        ["godwit, from the source's call to equality", spread(seen["resync"], "{:.2f}")],
        ["godwit, from the start of the replica's process: with the wait for that call",
         spread(seen["wall"], "{:.2f}")],
        ["rsync", spread(seen["rsync"], "{:.1f}")],
        ["nbdcopy of everything", spread(seen["copy"], "{:.2f}")]])
    result.note(f"Sent: {spread(seen['sent'], '{:.1f}')} MiB for {changed / MIB:.1f} MiB of changes.")
    result.figure("delta resync: rsync / godwit",
                  [a / b for a, b in zip(seen["rsync"], seen["resync"])], "x", (">=", 50))
    result.figure("delta resync: whole copy / godwit",
                  [a / b for a, b in zip(seen["copy"], seen["resync"])], "x", (">=", 8))
    return result


@measure("resync-size", "Delta resync against the size of the volume")
def size_of_volume(lab):
    sizes = [10 * GIB, 100 * GIB]
    blocks = lab.size(10240, 1024)
    pairs = [lab.pair(size, ("--journal-max", "1GiB"), ring="4MiB") for size in sizes]
    for pair in pairs:
        lab.start(pair)
    seen = [[], []]
    rounds = lab.size(2 * lab.rounds + 1, 1)  # they are short
    for r in range(rounds):
        for pair, size, times in zip(pairs, sizes, seen):
            changed = outage(lab, pair, size, blocks, r + 1)
            times.append(come_back(pair)[0])
    for pair in pairs:
        pair.stop()
        lab.drop(pair)
    result = Result(f"""Sparse volumes; during an outage {blocks} blocks of 4 KiB
        ({changed / MIB:.0f} MiB) change at random places all over them. {rounds} rounds.""")
    result.table(["volume", "seconds from the source's call to equality"],
                 [[f"{size // GIB} GiB", spread(times, "{:.2f}")] for size, times in zip(sizes, seen)])
    result.figure("delta resync: 100 GiB / 10 GiB, same delta", [b / a for a, b in zip(*seen)], "x",
                  ("<=", 1.2))
    return result
