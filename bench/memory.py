# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""Memory of each side with a large volume, at its worst: a ring that was full, a map without a gap."""
from lab import DRAIN_S, TIB, Result, change_blocks, fio, measure, peak_mib, spread

LIMIT_MIB = 96 + 32  # and 32 for each TiB


@measure("memory", "Memory of each side", where=("tmpfs",))
def memory(lab):
    writes = lab.size(100000, 5000)
    pair = lab.pair(TIB)
    lab.start(pair)
    home, dr = pair.home, pair.dr
    stages, peaks = [], {"source": 0, "replica": 0}

    def look(stage):
        now = {"source": peak_mib(home.program.pid), "replica": peak_mib(dr.program.pid)}
        for side in peaks:
            peaks[side] = max(peaks[side], now[side])
        stages.append([stage] + [spread([now[side]], "{:.0f}") for side in peaks])

    look("started, idle")
    fio(home.uri("data"), rw="randwrite", bs="4k", iodepth=32, size=TIB, number_ios=writes,
        norandommap=True)
    home.drain(DRAIN_S)
    look(f"{writes} random writes, followed by the peer")
    dr.stop()
    change_blocks(home.uri("data"), TIB, writes, 1)
    dr.start_replica()
    home.wait_following(DRAIN_S)
    home.drain(DRAIN_S)
    look(f"{writes} more without a peer, and their resync")
    lab.drop(pair)
    result = Result(f"""A sparse volume of 1 TiB. {writes} 4 KiB writes all over it with the peer
        following, then as many while it is away, so that every page of the dirty map is in use,
        then the resync. The highest resident memory of each process (VmHWM): nbdkit with the
        plugin, and godwit-replica.""")
    result.table(["after", "source MiB", "replica MiB"], stages)
    for side, mib in peaks.items():
        result.figure(f"memory, 1 TiB: {side}", mib, "MiB", ("<=", LIMIT_MIB))
    return result
