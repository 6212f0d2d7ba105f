# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""zstd on the link: bytes saved, processor time paid."""
from lab import DRAIN_S, GIB, MIB, Result, cpu_seconds, fill, fio, measure, spread

LEVELS = [0, 1, 3]
SHARES = [0, 50, 80]  # percent of the data that compress away


@measure("zstd", "zstd on the link", where=("tmpfs",))
def zstd(lab):
    size = lab.size(512, 64) * MIB
    pairs = {}
    for level in LEVELS:
        pairs[level] = lab.pair(size, zstd=level)
        lab.start(pairs[level])
        fill(pairs[level].home.uri("data"), size)
        pairs[level].home.drain(DRAIN_S)
    seen = {}
    for _ in range(lab.rounds):
        for share in SHARES:
            for level, pair in pairs.items():
                seen.setdefault((share, level), []).append(one(pair, size, share))
    for pair in pairs.values():
        pair.stop()
        assert pair.differing_volumes() == [], "the sites differ"
        lab.drop(pair)
    result = Result(f"""64 KiB random writes, depth 8, {size // MIB} MiB a run, of which fio makes a
        part compressible (`buffer_compress_percentage`). Bytes on the wire and CPU seconds of each
        process a GiB written; {lab.rounds} rounds. A batch that does not shrink by a sixteenth is
        sent as it is.""")
    columns = ["compressible", "zstd=", "on the wire, GiB a GiB", "source CPU s/GiB",
               "replica CPU s/GiB", "MiB/s"]
    result.table(columns, [[f"{share} %", str(level)] +
                           [spread([r[k] for r in runs], form) for k, form in
                            (("wire", "{:.2f}"), ("source", "{:.1f}"), ("replica", "{:.1f}"),
                             ("mib", "{:.0f}"))]
                           for (share, level), runs in seen.items()])
    for level in LEVELS[1:]:
        result.figure(f"zstd={level}, half of the data compressible: bytes on the wire",
                      [r["wire"] for r in seen[50, level]], "of 1")
        result.figure(f"zstd={level}, half of the data compressible: CPU, both sites, over none",
                      [r["source"] + r["replica"] - n["source"] - n["replica"]
                       for r, n in zip(seen[50, level], seen[50, 0])], "s/GiB")
    return result


def one(pair, size, share):
    home = pair.home
    pids = {"source": home.program.pid, "replica": pair.dr.program.pid}
    sent = home.status()["sent_bytes"]
    before = {k: cpu_seconds([pid]) for k, pid in pids.items()}
    run = fio(home.uri("data"), rw="randwrite", bs="64k", iodepth=8, size=size, io_size=size,
              norandommap=True, refill_buffers=True, buffer_compress_percentage=share)
    home.drain(DRAIN_S)
    gib = run["bytes"] / GIB
    return {"wire": (home.status()["sent_bytes"] - sent) / run["bytes"], "mib": run["mib"],
            **{k: (cpu_seconds([pid]) - before[k]) / gib for k, pid in pids.items()}}
