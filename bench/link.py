# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""A link that is slower than the writer: is all of it used, and what does the writer feel?

  1. until the ring is full: nothing, in async mode
  2. ring full, default policy: the writer goes at the speed of the link
  3. ring full and no patience (throttle-ms=1): the source falls behind, the writer goes at its own speed,
     and the resync afterwards uses the link
"""
import socket
import threading
import time

import lab as bench
import wan
from lab import MIB, Result, ask, fio, measure, spread

RATE = 20 * 1000 * 1000
ROUND_TRIPS_MS = [50, 200]
VOLUME = 256 * MIB
RING = 256 * MIB
PLAIN_S = 3
SETTLED_S = 1  # until the line is full


def plain_stream(round_trip_s, seconds):
    """What one TCP stream gets through the same line: bytes a second at the far end."""
    server = socket.create_server(("127.0.0.1", 0))
    got = []

    def receive():
        conn, _ = server.accept()
        with conn:
            first = None
            total = 0
            while data := conn.recv(1 << 18):
                now = time.monotonic()
                if first is None:
                    first = now
                elif now > first + SETTLED_S:
                    if not got:
                        got.append(now)
                    total += len(data)
                    got[1:] = [now, total]
    receiver = threading.Thread(target=receive, daemon=True)
    receiver.start()
    line = wan.Wan("127.0.0.1:%d" % server.getsockname()[1], RATE, round_trip_s)
    with line, socket.create_connection(line.address.split(":")) as s:
        until = time.monotonic() + seconds + SETTLED_S
        while time.monotonic() < until:
            s.sendall(bytes(1 << 16))
        s.shutdown(socket.SHUT_WR)
        receiver.join(30)
    server.close()
    return got[2] / (got[1] - got[0])


class Watch:
    """How much of the line was used while something went on."""

    def __init__(self, line):
        self.line = line
        self.at, self.passed = time.monotonic(), line.passed()

    def share(self):
        return (self.line.passed() - self.passed) / RATE / (time.monotonic() - self.at)


def source_over(lab, line_s, **params):
    """A pair whose source calls through a line. -> pair, line."""
    pair = lab.pair(VOLUME, **params)
    pair.dr.start_replica()
    line = wan.Wan(pair.dr.address, RATE, line_s)
    pair.home.start_source(line.address, **params)
    pair.home.wait_following(bench.DRAIN_S)
    return pair, line


def drop(lab, pair, line):
    pair.home.drain(bench.DRAIN_S)
    pair.home.stop()
    line.close()
    pair.dr.stop()
    assert pair.differing_volumes() == [], "the sites differ"
    lab.drop(pair)


def fell_behind(site):
    return ask(site, "status")["fell_behind"]


def until_full(lab, uri):
    """Latency of a writer that fills half of a ring."""
    return fio(uri, rw="randwrite", bs="4k", iodepth=1, size=VOLUME, norandommap=True,
               io_size=lab.size(RING // 2, RING // 16))


def throttled(pair, line, seconds, uri):
    """Writers in front of a full ring, and the line's use from when it is full."""
    home = pair.home
    used = []
    begun_with = fell_behind(home)

    def watch():
        bench.await_status("a ring that fills", home, lambda s: s["pending_bytes"] > 32 * MIB)
        w = Watch(line)
        time.sleep(max(1, seconds - SETTLED_S))  # the length of the window, not a wait for something
        used.append(w.share())
    watcher = threading.Thread(target=watch)
    watcher.start()
    run = fio(uri, rw="randwrite", bs="4k", iodepth=32, size=VOLUME, norandommap=True,
              time_based=True, runtime=seconds + 2)
    watcher.join()
    return run, used[0], fell_behind(home) - begun_with


def behind(lab, pair, line, uri):
    """A writer past a full ring; the line's use in the resync, from when it copies."""
    home = pair.home
    begun_with = fell_behind(home)
    run = fio(uri, rw="randwrite", bs="4k", iodepth=1, size=64 * MIB, norandommap=True,
              io_size=lab.size(256, 64) * MIB)
    fell = fell_behind(home) - begun_with
    begin = time.monotonic()
    status, _ = bench.await_status("the resync", home, lambda s: s["replication"] == "resync")
    left = status["resync"]["left_bytes"]
    watch = Watch(line)
    bench.poll("most of the resync", lambda: line.passed() - watch.passed > left * 0.8)
    share = watch.share()
    home.drain(bench.DRAIN_S)
    return run, share, fell, time.monotonic() - begin


def one_round(lab, line_s, seen):
    pair, line = source_over(lab, line_s, ring=RING)
    status, _ = bench.await_status("a heartbeat's echo", pair.home, lambda s: s["rtt_ms"] > 0)
    seen["rtt"].append(status["rtt_ms"])
    begun_with = fell_behind(pair.home)
    seen["free"].append(until_full(lab, pair.home.uri("data"))["mean_us"])
    assert fell_behind(pair.home) == begun_with, "the ring was full"
    drop(lab, pair, line)
    pair, line = source_over(lab, line_s)
    run, used, fell = throttled(pair, line, lab.size(8, 3), pair.home.uri("data"))
    # What went into the ring before it was full did not wait for the line.
    seen["throttled_mb"].append(
        (run["bytes"] - ask(pair.home, "status")["ring_bytes"]) / run["seconds"] / 1e6)
    seen["throttled_used"].append(used)
    seen["throttled_fell"].append(fell)
    seen["throttled_max_ms"].append(run["max_us"] / 1000)
    drop(lab, pair, line)
    pair, line = source_over(lab, line_s, throttle_ms=1, **({"ring": "8MiB"} if lab.quick else {}))
    run, used, fell, left_s = behind(lab, pair, line, pair.home.uri("data"))
    seen["behind_us"].append(run["mean_us"])
    seen["behind_fell"].append(fell)
    seen["behind_used"].append(used)
    seen["behind_s"].append(left_s)
    drop(lab, pair, line)


def near(lab):
    """The same writer with the peer beside it."""
    pair = lab.pair(VOLUME, ring=RING)
    lab.start(pair)
    mean_us = until_full(lab, pair.home.uri("data"))["mean_us"]
    pair.home.drain(bench.DRAIN_S)
    lab.drop(pair)
    return mean_us


@measure("slow-link", "A link slower than the writer", where=("tmpfs",))
def slow_link(lab):
    keys = ("free", "near", "throttled_mb", "throttled_used", "throttled_fell", "throttled_max_ms",
            "behind_us", "behind_fell", "behind_used", "behind_s", "plain",
            "rtt")
    seen = {ms: {k: [] for k in keys} for ms in lab.size(ROUND_TRIPS_MS, ROUND_TRIPS_MS[:1])}
    rounds = min(lab.rounds, 3)
    for _ in range(rounds):
        for ms, s in seen.items():
            s["plain"].append(plain_stream(ms / 1000, lab.size(PLAIN_S, 1)) / RATE)
            s["near"].append(near(lab))
            one_round(lab, ms / 1000, s)
    result = Result(f"""Between the sites an emulated line of {RATE // 1000000} MB/s with a round
        trip of 50 or 200 ms ([bench/wan.py](../bench/wan.py): bytes on their way are kept on their
        way; no loss). *Link used* is what passed of what could have passed. Ring: {RING // MIB} MiB
        in the first case, else the default. {rounds} rounds.""")
    rows = []
    for ms, s in seen.items():
        rows += [[f"{ms} ms", "one plain TCP stream", "", spread(s["plain"], "{:.3f}"), ""],
                 [f"{ms} ms", "ring not full, depth 1", spread(s["free"]) +
                  " us; peer beside it: " + spread(s["near"]) + " us", "", ""],
                 [f"{ms} ms", "ring full, default policy, depth 32",
                  spread(s["throttled_mb"], "{:.1f}") + " MB/s; longest wait " +
                  spread(s["throttled_max_ms"]) + " ms", spread(s["throttled_used"], "{:.3f}"),
                  spread(s["throttled_fell"])],
                 [f"{ms} ms", "ring full, throttle-ms=1, depth 1; then the resync",
                  spread(s["behind_us"]) + " us; equal after " +
                  spread(s["behind_s"], "{:.1f}") + " s", spread(s["behind_used"], "{:.3f}"),
                  spread(s["behind_fell"])]]
    result.table(["round trip", "", "the writer", "link used", "fell behind"], rows)
    result.note("Round trips as the source measured them on the idle line: " + ", ".join(
        spread(s["rtt"]) + " ms" for s in seen.values()) + ".")
    for ms, s in seen.items():
        result.figure(f"slow link, {ms} ms: link used, ring full", s["throttled_used"], "of 1",
                      (">=", 0.9))
        result.figure(f"slow link, {ms} ms: link used, resync", s["behind_used"], "of 1",
                      (">=", 0.9))
        result.figure(f"slow link, {ms} ms: writer's latency until the ring is full / peer beside it",
                      [a / b for a, b in zip(s["free"], s["near"])], "x", ("<=", 1.15))
    return result
