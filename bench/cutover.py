# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""Promotion and cut-over: how long nobody serves, through the tools that a person uses."""
import os
import time

import nbd

import lab as bench
from lab import GIB, MIB, Result, fio, measure, spread


def busy_pair(lab, amount, size=GIB):
    pair = lab.pair(size)
    lab.start(pair)
    fio(pair.home.uri("data"), rw="randwrite", bs="4k", iodepth=16, size=size, io_size=amount,
        norandommap=True)
    return pair


def first_write(site):
    """As soon as somebody answers there."""
    def try_it():
        if not os.path.exists(site.socket):
            return False
        try:
            h = site.connect("data")
        except nbd.Error:
            return False
        h.pwrite(b"first" + bytes(4091), 0)
        h.shutdown()
        return True
    return bench.poll("the first write at " + site.name, try_it)[1]


def serve(site, peer):
    site.start_source(peer, wait=False)
    return first_write(site)


@measure("promotion", "Promotion")
def promotion(lab):
    rounds = lab.rounds
    seen = {"answer": [], "ended": [], "write": []}
    for _ in range(rounds):
        pair = busy_pair(lab, 64 * MIB)
        pair.home.wait_status("applied", lambda s: s["applied_seq"] == s["seq"])
        lab.settle()
        pair.home.kill()
        begin = time.monotonic()
        pair.dr.ctl("promote", "--yes")
        seen["answer"].append((time.monotonic() - begin) * 1000)
        assert pair.dr.program.wait() == 0
        seen["ended"].append((time.monotonic() - begin) * 1000)
        seen["write"].append((serve(pair.dr, pair.home) - begin) * 1000)
        lab.drop(pair)
    result = Result(f"""64 MiB of random writes on a volume of 1 GiB, all of it applied at the
        standby; the source is killed; then `godwit-ctl promote`, and nbdkit is started on the
        promoted side. {rounds} rounds.""")
    result.table(["from the command to", "ms"], [
        ["its answer: the new reign is durable", spread(seen["answer"])],
        ["the end of the replica's process", spread(seen["ended"])],
        ["the first write that is answered there", spread(seen["write"])]])
    result.figure("promotion with an applied journal", seen["answer"], "ms", ("<=", 200))
    return result


@measure("cut-over", "Cut-over")
def cut_over(lab):
    rounds = lab.rounds
    seen = {"quiesced": [], "handover": [], "promote": [], "write": []}
    for _ in range(rounds):
        pair = busy_pair(lab, 64 * MIB)
        home, dr = pair.home, pair.dr
        lab.settle()
        # Writes until the last moment: the peer does not have them yet.
        fio(home.uri("data"), rw="randwrite", bs="4k", iodepth=16, size=GIB, io_size=8 * MIB,
            norandommap=True)
        begin = time.monotonic()
        answer = home.ctl("handover", "--yes")
        seen["quiesced"].append(answer["quiesced_ms"])
        seen["handover"].append((time.monotonic() - begin) * 1000)
        dr.ctl("promote", "--yes")
        assert dr.program.wait() == 0
        seen["promote"].append((time.monotonic() - begin) * 1000)
        seen["write"].append((serve(dr, home) - begin) * 1000)
        lab.drop(pair)
    result = Result(f"""A planned move of a volume of 1 GiB, 8 MiB of random writes just before it:
        `godwit-ctl handover` at home (quiesce, prove equality, release), `godwit-ctl promote` at
        the other side, nbdkit is started there, a client connects and its first write is answered.
        The clock starts before the first command. {rounds} rounds.""")
    result.table(["from the command to", "ms"], [
        ["no write in flight", spread(seen["quiesced"], "{:.1f}")],
        ["the handover's answer: released", spread(seen["handover"])],
        ["the end of the promoted replica's process", spread(seen["promote"])],
        ["the first write that is answered at the other side", spread(seen["write"])]])
    result.figure("cut-over: from the command to the first write at the other side", seen["write"],
                  "ms", ("<=", 300))
    return result
