# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""The hot set: what it costs when it misses all the time, and what it gives back after a crash."""
import os
import random
import signal
import time

import lab as bench
import sides
from lab import GIB, MIB, Result, ask, fio, measure, spread

VOLUME = 100 * GIB
CRASHED = [10 * GIB, 100 * GIB]
EXTENTS = 2048  # what the hot set can hold


@measure("hot-set-misses", "Random writes that miss the hot set")
def misses(lab):
    """Two windows on the same sparse volume: one that the hot set holds, and all of it."""
    amount = lab.size(192, 16) * MIB
    windows = {"1 GiB of it": GIB, "all of it": VOLUME}
    servers = [sides.Unprotected(lab, VOLUME), sides.Protected(lab, VOLUME, "async")]
    seen = {(w, s.name): [] for w in windows for s in servers}
    for r in range(lab.rounds):
        for window, size in windows.items():
            for side in servers if r % 2 == 0 else servers[::-1]:
                if size == GIB:  # what the hot set holds is hot
                    fio(side.uri(), rw="write", bs="4k", iodepth=32, size=size, zonemode="strided",
                        zonesize=4096, zonerange=MIB,
                        number_ios=1024)
                    side.drain()
                lab.settle()
                seen[window, side.name].append(fio(
                    side.uri(), rw="randwrite", bs="4k", iodepth=32, size=size, io_size=amount,
                    norandommap=True, randseed=1000 + r))
                side.drain()
    remarks = servers[1].remark()
    servers[1].pair.stop()  # 100 GiB of holes: not read byte by byte to compare
    servers[0].close()
    lab.drop(servers[1].pair)
    result = Result(f"""4 KiB random writes, depth 32, {amount // MIB} MiB a run, on a sparse volume
        of 100 GiB: in a window of 1 GiB, whose 1,024 extents the hot set holds, and over all of its
        102,400 extents, so that almost every write asks for an extent that is cold and waits for a
        durable write of the hot log (and, a thousand extents later, for a generation to retire).
        {lab.rounds} rounds.""")
    rows, cost, ratio = [], {}, {}
    for window in windows:
        plain = [x["iops"] for x in seen[window, "unprotected"]]
        mine = [x["iops"] for x in seen[window, "async"]]
        ratio[window] = [b / a for a, b in zip(plain, mine)]
        cost[window] = [1e6 / b - 1e6 / a for a, b in zip(plain, mine)]
        rows.append([window, spread(plain), spread(mine), spread(ratio[window], "{:.3f}"),
                     spread(cost[window], "{:.1f}"),
                     spread([x["mean_us"] for x in seen[window, "async"]])])
    result.table(["window", "unprotected IOPS", "async IOPS", "of unprotected",
                  "added, us of elapsed time a write", "async mean latency us"], rows)
    log_us = [b - a for a, b in zip(cost["1 GiB of it"], cost["all of it"])]
    result.figure("random over 100 GiB: async / unprotected", ratio["all of it"], "x")
    result.figure("cost of the hot-extent log where it misses", log_us, "us a write")
    if remarks:
        result.note("The source " + remarks + ".")
    return result


def write_extents(home, extents, length):
    """So much data in each."""
    h = home.connect("data")
    data = random.Random(1).randbytes(length)
    for e in extents:
        h.aio_pwrite(data, e * MIB)
        while h.aio_in_flight() >= 4:
            h.poll(-1)
    while h.aio_in_flight() > 0:
        h.poll(-1)
    h.shutdown()


def fill_hot_set(pair, extents):
    """No extent leaves the set while its records are not durable at the peer: that is made to stand still.
    -> how many are in it."""
    home, replica = pair.home, pair.dr.program
    os.kill(replica.pid, signal.SIGSTOP)
    writer = home.connect("data")
    # Those that are hot already come first: what is written twice is not counted twice.
    for e in reversed(extents):
        writer.aio_pwrite(bytes(4096), e * MIB)
    hot = []

    def is_full():
        while writer.poll(0):
            pass
        hot.append(ask(home, "status")["hot_extents"])
        return len(hot) > 1000 and hot[-1] == hot[-1000]  # writers wait for room
    bench.poll("a full hot set", is_full, 8)
    home.kill()
    os.kill(replica.pid, signal.SIGCONT)
    return hot[-1]


def crash(pair, extents):
    """-> hot extents, then seconds from the start of the new process: it answers, it serves, both sides have
    the set, the sites are equal."""
    home = pair.home
    hot = fill_hot_set(pair, extents)
    begin = time.monotonic()
    home.start_source(pair.dr, wait=False, **pair.params)
    moments = []
    for what, probe in (
            ("an answer", lambda s: True),
            ("service", lambda s: s["service"] == "serving"),
            ("the set on both sides", lambda s: s["replication"] in ("resync", "async")),
            ("equality", bench.is_equal)):
        moments.append(bench.await_status(what, home, probe)[1] - begin)
    bench.poll("the NBD socket", lambda: os.path.exists(home.socket))
    return [hot] + moments


@measure("crash-hot-set", "The copy set after a crash")
def after_a_crash(lab):
    seen = {}
    for size in CRASHED:
        pair = lab.pair(size, ("--journal-max", "1GiB"))
        lab.start(pair)
        # A hundred more: the last of them wait for room.
        extents = random.Random(1).sample(range(size // MIB), EXTENTS + 100)
        write_extents(pair.home, extents, lab.size(MIB, 4096))
        pair.home.drain(bench.DRAIN_S)
        seen[size] = [crash(pair, extents) for _ in range(lab.rounds)]
        lab.drop(pair)
    result = Result(f"""{EXTENTS + 100} extents of 1 MiB, at random places of a sparse volume, hold
        data. Then a block in each is written while the replica stands still, so that none can leave
        the hot set, until writers wait for room in it (two generations, the older one rotated at
        half); the source is killed with SIGKILL and started again, and the replica goes on. Times
        are from the start of the new process. What was hot is compared by hash with the peer;
        nothing else is looked at. {lab.rounds} rounds.""")
    result.table(["volume", "hot extents at the kill", "hot log replayed, answers (ms)", "serves (ms)",
                  "set on both sides (ms)", "compared, equal (ms)"],
                 [[f"{size // GIB} GiB", spread([x[0] for x in runs])] +
                  [spread([x[i] * 1000 for x in runs]) for i in range(1, 5)]
                  for size, runs in seen.items()])
    small, large = (seen[s] for s in CRASHED)
    result.figure("crash with the hot set full: set known on both sides, 100 GiB",
                  [x[3] * 1000 for x in large], "ms")
    result.figure("crash with the hot set full: equal again, 100 GiB", [x[4] * 1000 for x in large],
                  "ms")
    result.figure("crash with the hot set full: equal again, 100 GiB / 10 GiB",
                  [b[4] / a[4] for a, b in zip(small, large)], "x")
    return result
