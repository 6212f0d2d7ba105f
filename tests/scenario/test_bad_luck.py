# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""Damage, strangers, wrong certificates, full disks, kills. In every case a sentence says which
file (and where in it), why and what to do; nothing that was acknowledged is lost; and the way out
that the sentence names is the way out."""
import contextlib
import ctypes
import hashlib
import json
import os
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time

import nbd
import pytest

import godwit
from godwit import FAILED, OK, run_ctl, wait_for

MIB = 1 << 20
META_SLOT_BYTES = 16384
SEGMENT = "journal/0000000000000000"


# ---- files, behind everybody's back ----------------------------------------------------------

@pytest.fixture(scope="module")
def xxh3():
    try:
        lib = ctypes.CDLL("libxxhash.so.0")
    except OSError:
        pytest.skip("libxxhash.so.0 is not there to make checksums with")
    lib.XXH3_64bits.restype = ctypes.c_uint64
    lib.XXH3_64bits.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
    return lambda data: lib.XXH3_64bits(data, len(data))


def read(path, offset=0, n=-1):
    with open(path, "rb") as f:
        f.seek(offset)
        return f.read(n)


def patch(path, offset, data):
    with open(path, "r+b") as f:
        f.seek(offset)
        f.write(data)


def flip(path, offset, n=4):
    patch(path, offset, bytes(b ^ 0xff for b in read(path, offset, n)))


def seal(xxh3, path, offset, n):
    """Make right the checksum that ends a part of a file."""
    patch(path, offset + n - 8, struct.pack("<Q", xxh3(read(path, offset, n - 8))))


def newest_slot(site):
    path = os.path.join(site.plan, "meta")
    generation = [struct.unpack("<Q", read(path, i * META_SLOT_BYTES + 16, 8))[0] for i in (0, 1)]
    return 0 if generation[0] > generation[1] else 1


def batches(path):
    """Offsets and lengths of the batches of a journal segment."""
    data, at, found = read(path), 4096, []
    while data[at:at + 4] == b"GWJB":
        n, = struct.unpack("<I", data[at + 4:at + 8])
        found.append((at, n))
        at += n
    return found


def fingerprint(site):
    """Everything that is on the site's disk, but for the times and the logs."""
    found = {}
    for base, _, files in os.walk(site.dir):
        for name in files:
            path = os.path.join(base, name)
            if name not in ("lock", "like.json") and not name.endswith(".log") and \
                    os.path.isfile(path):
                with open(path, "rb") as f:
                    found[path] = hashlib.file_digest(f, "sha256").hexdigest()
    return found


def says(text, *parts):
    for part in parts:
        assert part in text, f"{part!r} is not in:\n{text}"


def refused(site, kind, **options):
    """The program does not start, and has changed nothing. What it said."""
    before = fingerprint(site)
    start = site.start_replica if kind == "replica" else site.start_source
    program = start(wait=False, **options)
    code = program.wait()
    assert code != 0, program.output()
    assert fingerprint(site) == before
    text = program.output()
    assert "Assertion" not in text and "Sanitizer" not in text
    return text


def following(world, volumes=None, **params):
    pair = world.pair(volumes=volumes or {"data": "16MiB"})
    pair.start(**params)
    pair.source.write("data", 0, random.Random(1).randbytes(2 * MIB))
    applied(pair)
    return pair


def ask(site, cmd, **args):
    """One control command, without the cost of a program for it."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(godwit.TIMEOUT_S)
        s.connect(site.control)
        s.sendall(json.dumps({"cmd": cmd, **args}).encode() + b"\n")
        answer = json.loads(s.makefile().readline())
    assert answer["ok"], answer
    return answer


def applied(pair):
    """All that was written is in the replica's volumes too."""
    def all_there():
        here, there = ask(pair.source, "status"), ask(pair.replica, "status")
        return here["replication"] in godwit.FOLLOWING and \
            here["dirty_blocks"] == here["coarse_extents"] == 0 and \
            there["applied_seq"] >= here["seq"] == here["durable_seq"]
    wait_for("the replica to apply all", all_there)


def finish(pair):
    """After all: both follow, stop cleanly, and are equal."""
    applied(pair)
    pair.stop()
    assert pair.differing_volumes() == []


# ---- the journal -----------------------------------------------------------------------------

def with_unapplied_journal(pair, rounds=6):
    """The replica is killed; its journal holds batches that its meta says are not applied, as if it
    had died before the applier's mark. They are acknowledged as durable."""
    meta = os.path.join(pair.dr.plan, "meta")
    applied(pair)
    wait_for("the applier's mark", lambda: pair.dr.inspect()["journal"]["unapplied_batches"] == 0)
    before = read(meta)
    for i in range(rounds):
        pair.home.write("data", i * 70000, bytes([i + 1]) * 70000)
        applied(pair)
    pair.dr.kill()
    patch(meta, 0, before)
    assert pair.dr.inspect()["journal"]["unapplied_batches"] >= rounds
    return os.path.join(pair.dr.plan, SEGMENT)


def test_a_damaged_journal_tail_is_cut_off(world):
    """The last batch has no later one that says it was durable: it looks like a torn write, though
    here it had been acknowledged. So the other side compares (R5)."""
    pair = following(world)
    segment = with_unapplied_journal(pair)
    at, n = batches(segment)[-1]
    flip(segment, at + n - 100)
    shown = pair.dr.inspect()
    assert shown["problems"] == [] and shown["journal"]["torn_bytes"] >= n - 8
    program = pair.dr.start_replica()
    says(program.output(), "cut off a torn journal tail of ", f" at {at}")
    pair.home.write("data", 9 * MIB, b"life goes on")
    finish(pair)


def test_garbage_after_the_journals_end_is_cut_off(world):
    pair = following(world)
    segment = with_unapplied_journal(pair)
    at, n = batches(segment)[-1]
    patch(segment, at + n, b"GWJB" + os.urandom(5000))
    program = pair.dr.start_replica()
    says(program.output(), "cut off a torn journal tail of ", f" at {at + n}")
    finish(pair)


def test_a_damaged_journal_middle_is_refused(world):
    pair = following(world)
    segment = with_unapplied_journal(pair)
    at, n = batches(segment)[-4]
    flip(segment, at + 64 + 48 + 1000)
    text = refused(pair.dr, "replica")
    says(text, segment, f"damaged at offset {at}", "was durable up to", "nothing was changed",
         "restore the file, or resynchronise this site from its peer")
    (problem,) = [p for p in pair.dr.inspect()["problems"] if "journal" in p]
    says(problem, segment, f"damaged at offset {at}")
    # Home serves on; and the first way out is one.
    pair.home.write("data", 9 * MIB, b"life goes on")
    assert pair.home.status()["service"] == "serving"
    flip(segment, at + 64 + 48 + 1000)
    pair.dr.start_replica()
    finish(pair)


def test_a_site_whose_journal_is_lost_is_seeded_again(world):
    """The other way out: the directory is made anew over the volumes that are there."""
    pair = following(world)
    segment = with_unapplied_journal(pair)
    at, _ = batches(segment)[-4]
    flip(segment, at + 10)
    refused(pair.dr, "replica")
    shutil.rmtree(pair.dr.plan)
    pair.dr.create(["data"], like=pair.home.describe(), adopt_data=True)
    pair.dr.start_replica()
    finish(pair)


@pytest.mark.parametrize("damage, parts", [
    ("header", ("the header at offset 0 is damaged", "restore the file, or resynchronise")),
    ("missing", ("is missing", "restore the file, or resynchronise")),
    ("foreign", ("of another plan", "not at its place")),
])
def test_a_damaged_journal_segment_is_refused(world, damage, parts):
    pair = following(world)
    segment = with_unapplied_journal(pair)
    good = read(segment, 0, 4096)
    if damage == "header":
        flip(segment, 100)
    elif damage == "missing":
        os.rename(segment, segment + ".away")
    else:
        elsewhere = godwit.World()
        other = elsewhere.pair(plan="other")
        other.start()
        other.home.write("data", 0, b"x" * 4096)
        other.drain()
        other.stop()
        patch(segment, 0, read(os.path.join(other.dr.plan, SEGMENT), 0, 4096))
        elsewhere.close()
    says(refused(pair.dr, "replica"), segment, *parts)
    if damage == "missing":
        os.rename(segment + ".away", segment)
    else:
        patch(segment, 0, good)
    pair.dr.start_replica()
    finish(pair)


# ---- meta ------------------------------------------------------------------------------------

@pytest.mark.parametrize("newest", [True, False])
def test_with_a_damaged_meta_slot_the_active_does_not_serve_alone(world, newest):
    """R20: the lost slot may have been the one that said "active, not clean" or "released"."""
    pair = following(world)
    pair.stop()
    meta = os.path.join(pair.home.plan, "meta")
    slot = newest_slot(pair.home) if newest else 1 - newest_slot(pair.home)
    flip(meta, slot * META_SLOT_BYTES + 100)
    assert pair.home.status()["meta_slot_lost"] is True
    says("\n".join(pair.home.inspect()["problems"]), "one of the two copies of meta is damaged")
    pair.home.start_source(pair.dr, isolated_start="yes")
    h = pair.home.connect("data")
    answered = []
    h.aio_pread(nbd.Buffer(4096), 0, lambda error: answered.append(error.value) or 1)
    status = pair.home.status()
    assert status["service"] == "waiting" and status["crashed_active"] is True
    assert re.search("before serving|no link", status["reason"]), status["reason"]
    assert h.poll(300) == 0 and not answered  # it waits
    pair.dr.start_replica()
    pair.home.wait_serving()
    wait_for("the read to be answered", lambda: (h.poll(100), answered)[1])
    assert answered == [0]
    h.shutdown()
    pair.home.write("data", MIB, b"and on")
    finish(pair)
    assert pair.home.inspect()["problems"] == []


@pytest.mark.parametrize("newest", [True, False])
def test_with_a_damaged_meta_slot_the_standby_goes_on(world, newest):
    pair = following(world)
    pair.dr.stop()
    meta = os.path.join(pair.dr.plan, "meta")
    slot = newest_slot(pair.dr) if newest else 1 - newest_slot(pair.dr)
    flip(meta, slot * META_SLOT_BYTES + 5000)
    pair.dr.start_replica()
    pair.home.write("data", MIB, b"and on")
    finish(pair)
    assert pair.dr.inspect()["problems"] == []


@pytest.mark.parametrize("kind", ["replica", "source"])
def test_both_meta_slots_damaged(world, kind):
    pair = following(world)
    pair.stop()
    site = pair.dr if kind == "replica" else pair.home
    meta = os.path.join(site.plan, "meta")
    good = read(meta)
    patch(meta, 0, b"#!/bin/sh\n")
    flip(meta, META_SLOT_BYTES + 40)
    text = refused(site, kind)
    says(text, meta, "both copies of the plan's state are damaged",
         "slot 0: this is not the state of a plan", "slot 1: checksum mismatch",
         "restore the file from a backup", "replace this site and seed it from the other")
    r = run_ctl("status", "--dir", site.plan)
    assert r.code == FAILED and "both copies" in r.err
    patch(meta, 0, good)
    pair.start()
    finish(pair)


# ---- formats of a newer godwit ---------------------------------------------------------------

NEWER = {
    # file: (offset of the format, its bytes, offset and length of what is sealed)
    "meta": (8, 4, 0, META_SLOT_BYTES),
    "dirty/data": (8, 4, 0, 4096),
    "dirty/hot": (80, 2, 0, 512),
    SEGMENT: (8, 4, 0, 4096),
}


@pytest.mark.parametrize("name", NEWER)
def test_a_newer_format_is_refused(world, xxh3, name):
    pair = following(world)
    with_unapplied_journal(pair)
    path = os.path.join(pair.dr.plan, name)
    at, width, start, n = NEWER[name]
    if name == "dirty/hot":  # the first block is in the slot of its generation
        data = read(path)
        start = next(i for i in range(0, len(data), 512) if data[i:i + 4] == b"GWHT")
    good = read(path, start, n)
    patch(path, start + at, (77).to_bytes(width, "little"))
    seal(xxh3, path, start, n)
    text = refused(pair.dr, "replica")
    says(text, path)
    assert re.search(r"format 77|newer format", text), text
    assert re.search(r"start the newer one|use the newer program|use the version that wrote it",
                     text), text
    inspection = run_ctl("inspect", "--dir", pair.dr.plan)
    assert inspection.code == FAILED and path in inspection.out
    patch(path, start, good)
    pair.dr.start_replica()
    finish(pair)


@pytest.mark.parametrize("name, parts", [
    ("dirty/data", ("belongs to another volume", "put the right file back")),
    ("dirty/hot", ("belongs to another plan", "put the right file back")),
])
def test_a_file_of_another_plan_is_refused(world, name, parts):
    pair = following(world)
    pair.stop()
    other = world.site("other")
    other.create({"data": "16MiB"}, plan="other", peer="dr", active=True)
    for site, kind in ((pair.home, "source"), (pair.dr, "replica")):
        path = os.path.join(site.plan, name)
        os.rename(path, path + ".own")
        shutil.copy(os.path.join(other.plan, name), path)
        says(refused(site, kind), path, *parts)
        os.rename(path + ".own", path)
    pair.start()
    finish(pair)


# ---- volumes ---------------------------------------------------------------------------------

@pytest.mark.parametrize("bytes_now", [16 * MIB - 4096, 16 * MIB - 1])
def test_a_volume_that_shrank_is_refused(world, bytes_now):
    pair = following(world)
    pair.stop()
    for site, kind in ((pair.home, "source"), (pair.dr, "replica")):
        os.truncate(site.image("data"), bytes_now)
        says(refused(site, kind), "volume 'data'", f"has {bytes_now} bytes",
             f"the plan says {16 * MIB}", site.plan + "/volumes/data", "restore its size")
        os.truncate(site.image("data"), 16 * MIB)
    pair.start()
    finish(pair)


def test_a_volume_that_grew_is_as_large_as_the_plan_says(world):
    """Grown on purpose, and the plan is told later: what is beyond its size is nobody's yet."""
    pair = following(world)
    pair.stop()
    for site in (pair.home, pair.dr):
        os.truncate(site.image("data"), 16 * MIB + 8192)
    pair.start()
    assert pair.home.client("data").get_size() == 16 * MIB
    pair.stop()
    for site in (pair.home, pair.dr):
        os.truncate(site.image("data"), 16 * MIB)
    pair.start()
    finish(pair)


def test_a_missing_volume_is_refused(world):
    pair = following(world)
    pair.stop()
    for site, kind in ((pair.home, "source"), (pair.dr, "replica")):
        os.rename(site.image("data"), site.image("away"))
        says(refused(site, kind), "volume 'data'", os.path.join(site.plan, "volumes/data"),
             "No such file or directory")
        os.rename(site.image("away"), site.image("data"))
    pair.start()
    finish(pair)


def test_sites_of_different_sizes_do_not_replicate(world):
    home, dr = world.site("home"), world.site("dr")
    home.create({"data": "16MiB"}, peer="dr", active=True)
    like = home.describe()
    like["volumes"][0]["bytes"] = 8 * MIB
    dr.create(["data"], like=like)
    dr.start_replica()
    home.start_source(dr)
    home.write("data", 12 * MIB, b"only here")
    status = home.wait_status("was refused", lambda s: s["verdict"] and s["verdict"]["row"] == 0)
    says(status["verdict"]["sentence"], 'volume "data"', str(16 * MIB), str(8 * MIB),
         "make the sizes equal")
    assert status["service"] == "serving" and home.read("data", 12 * MIB, 9) == b"only here"
    home.stop()
    dr.stop()
    assert not any(dr.image_bytes("data", 0, 8 * MIB))


# ---- one directory, two processes ------------------------------------------------------------

def test_one_process_serves_a_directory(world):
    pair = following(world)
    for site in (pair.home, pair.dr):
        lock = os.path.join(site.plan, "lock")
        for argv, loads in (([godwit.REPLICA, "--dir", site.plan, "--listen", "127.0.0.1:0",
                              "--plain"], False),
                            (["nbdkit", "-f", "-U", world.path("second"), godwit.PLUGIN,
                              "dir=" + site.plan], True)):
            second = godwit.Program("second", argv, world.path("second.log"), loads_plugin=loads)
            assert second.wait() != 0
            says(second.output(), "another process serves this plan", lock, "stop it first",
                 "control socket")
        r = run_ctl("promote", "--dir", site.plan, "--yes")
        assert r.code != OK and "process" in r.err, r
    pair.home.write("data", MIB, b"undisturbed")
    finish(pair)


def test_one_process_writes_a_volume(world):
    """Also where the plan directory was copied, or another plan names the file: the data has one
    writer. Nothing that is asked at the door disturbs the one that is there."""
    pair = following(world)
    copy = pair.home.plan + "-copied"
    subprocess.run(["cp", "-a", pair.home.plan, copy], check=True)
    image = os.path.realpath(os.path.join(copy, "volumes/data"))
    for argv, loads in (([godwit.REPLICA, "--dir", copy, "--listen", "127.0.0.1:0", "--plain"],
                         False),
                        (["nbdkit", "-f", "-U", world.path("second"), godwit.PLUGIN, "dir=" + copy,
                          "peer=" + pair.dr.address, "plain=yes"], True)):
        second = godwit.Program("second", argv, world.path("second.log"), loads_plugin=loads)
        assert second.wait() != 0
        says(second.output(), "volume 'data' is in use", copy + "/volumes/data", "another process")
    r = run_ctl("create", world.path("other"), "--plan", "other", "--site", "a", "--peer", "b",
                "--active", "--volume", "data=" + image)
    assert r.code != OK
    says(r.err, "volume 'data'", image, "in use by another plan")
    finish(pair)


def test_a_file_is_one_volume(world):
    r = run_ctl("create", world.path("plan"), "--plan", "shop", "--site", "a", "--peer", "b",
                "--active", "--volume", f"one={world.path('same')},1M",
                "--volume", f"two={world.path('same')},1M")
    assert r.code != OK
    says(r.err, "volume 'two'", world.path("same"), "another volume of this plan")


def test_reading_beside_a_running_process(world):
    """Inspection looks at a directory that changes under its hands and finds no damage in it."""
    pair = following(world)
    stop = threading.Event()
    rng = random.Random(7)
    h = pair.home.connect("data")

    def write():
        while not stop.is_set():
            h.pwrite(rng.randbytes(rng.randrange(1, 60000)), rng.randrange(15 * MIB))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(12):
            for site in (pair.home, pair.dr):
                shown = site.inspect()
                assert shown["problems"] == [], site.name
                assert shown["served_by"] == site.program.pid
                run_ctl("status", "--dir", site.plan)
    finally:
        stop.set()
        writer.join()
    h.shutdown()
    finish(pair)


# ---- strangers at the door -------------------------------------------------------------------

def frame(xxh3, kind, payload=b"", length=None, version=1):
    """A wire frame with the right checksums (engine/frame.h)."""
    n = len(payload) if length is None else length
    head = struct.pack("<IBBHIIQ", 0x31465747, kind, 0, version, n, n, xxh3(payload))
    return head + struct.pack("<Q", xxh3(head)) + payload


def talk(address, data):
    """Send it and read until the other side has had enough."""
    host, port = address.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=godwit.TIMEOUT_S) as s:
        got = b""
        with contextlib.suppress(OSError):  # it may have had enough before the end
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
            while more := s.recv(65536):
                got += more
        return got


def test_strangers_at_the_replica_cost_nothing(world, xxh3):
    pair = following(world)
    session = ask(pair.home, "status")["verdict"]
    hello = frame(xxh3, 1, b"\x01\x00\x01\x00" + bytes(300))
    for name, data, sentence in (
            ("noise", random.Random(3).randbytes(4096), "does not speak godwit's protocol"),
            ("http", b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n" * 3,
             "does not speak godwit's protocol"),
            ("tls", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
             "does not speak godwit's protocol"),
            ("a hello of zeros", hello, "the hello is malformed"),
            ("another frame first", frame(xxh3, 9), "frame type 9 instead of its hello"),
            ("a huge frame", frame(xxh3, 1, length=0xffffff00), "does not speak godwit's protocol"),
            ("half a frame", hello[:40], "closed the connection")):
        before = len(pair.dr.program.output())
        bad = ask(pair.dr, "status")["bad_frames"]
        answer = talk(pair.dr.address, data)
        wait_for("the replica to count it",
                 lambda: ask(pair.dr, "status")["bad_frames"] == bad + 1)
        said = pair.dr.program.output()[before:]
        says(name + ": " + said, "refused a connection from 127.0.0.1:", sentence)
        assert answer == b"" or sentence.encode() in answer  # the reason, to whom it concerns
    # The session that is there was not disturbed.
    pair.home.write("data", MIB, b"undisturbed")
    applied(pair)
    assert ask(pair.home, "status")["verdict"] == session
    finish(pair)


def test_a_stranger_who_says_nothing_does_not_keep_the_source_out(world):
    """A connection that stalls in the middle of its first frame costs a moment."""
    pair = following(world)
    pair.home.stop()
    host, port = pair.dr.address.rsplit(":", 1)
    strangers = [socket.create_connection((host, int(port))) for _ in range(3)]
    strangers[0].sendall(b"GWF1\x01\x00")
    began = time.monotonic()
    pair.home.start_source(pair.dr)
    pair.home.wait_following()
    assert time.monotonic() - began < 12
    for s in strangers:
        s.close()
    finish(pair)


def test_the_source_of_another_plan_is_refused(world):
    pair = following(world)
    stranger = world.site("stranger")
    stranger.create({"data": "16MiB"}, plan="other", peer="dr", active=True)
    stranger.start_source(pair.dr)
    stranger.write("data", 0, b"not for you")
    status = stranger.wait_status("was refused", lambda s: "belongs to plan" in s["reason"])
    says(status["reason"], "the source serves plan " + stranger.inspect()["plan_uuid"],
         "this directory belongs to plan " + pair.dr.inspect()["plan_uuid"])
    assert status["service"] == "serving"
    pair.dr.program.wait_output("this directory belongs to plan")
    stranger.stop()
    pair.home.write("data", MIB, b"undisturbed")
    finish(pair)


class Impostor:
    """Listens where the replica should, and answers each connection in its own way."""

    def __init__(self, port, answer):
        self.s = socket.socket()
        self.s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.s.bind(("127.0.0.1", port))
        self.s.listen()
        self.answer, self.held = answer, []
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            try:
                c, _ = self.s.accept()
            except OSError:
                return
            self.held.append(c)
            with contextlib.suppress(OSError):
                c.recv(32)
                if self.answer is not None:
                    c.sendall(self.answer)
                    c.shutdown(socket.SHUT_WR)

    def close(self):
        self.s.shutdown(socket.SHUT_RDWR)
        self.s.close()
        self.thread.join()
        for c in self.held:
            c.close()


@pytest.mark.parametrize("answer, sentence", [
    (b"HTTP/1.0 400 Bad Request\r\n\r\n<html></html>", "does not speak godwit's protocol"),
    (b"\0" * 64, "does not speak godwit's protocol"),
    (b"GWF1\x01\x00\x01\x00", "closed the connection"),
    (None, "nothing could be received for 700 ms"),
], ids=["http", "zeros", "half a frame", "silence"])
def test_a_peer_that_is_no_replica(world, answer, sentence):
    """Clients are served all the while; when the right one listens, it goes on."""
    pair = following(world)
    pair.dr.stop()
    impostor = Impostor(pair.dr.port, answer)
    pair.home.stop()
    pair.home.start_source(pair.dr, isolated_start="yes", link_timeout_ms=700)
    pair.home.wait_serving()
    pair.home.write("data", 3 * MIB, b"alone")
    status = pair.home.wait_status("says what it met", lambda s: re.search(sentence, s["reason"]))
    says(status["reason"], pair.dr.address)
    impostor.close()
    pair.dr.start_replica()
    finish(pair)


def outside(*argv):
    """A program that is expected to refuse; what it said."""
    p = subprocess.run(argv, text=True, capture_output=True, timeout=godwit.TIMEOUT_S,
                       env={**os.environ, **godwit.sanitizer_env(False)})
    assert p.returncode == 1, (argv, p.returncode, p.stdout, p.stderr)
    return p.stderr


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A directory with ca.pem, cert.pem and its key.pem, and stranger.pem, the key of none of them.
    What does not fit between two sites is test_tls.py's."""
    if shutil.which("certtool") is None:
        pytest.skip("certtool is not installed")
    root = tmp_path_factory.mktemp("certificate")
    (root / "template").write_text("cn = home\ndns_name = home\nca\ncert_signing_key\n"
                                   "tls_www_server\ntls_www_client\nexpiration_days = 2\n")
    for key in ("key.pem", "stranger.pem"):
        subprocess.run(["certtool", "--generate-privkey", "--key-type=ecdsa", "--outfile", key],
                       cwd=root, check=True, capture_output=True)
    subprocess.run(["certtool", "--generate-self-signed", "--load-privkey=key.pem",
                    "--template=template", "--outfile=cert.pem"], cwd=root, check=True,
                   capture_output=True)
    shutil.copy(root / "cert.pem", root / "ca.pem")
    return root


@pytest.mark.parametrize("damage", ["missing", "nonsense", "empty", "another's"])
@pytest.mark.parametrize("file", ["tls-ca", "tls-cert", "tls-key"])
def test_a_certificate_file_of_no_use_is_named(world, certificate, file, damage):
    site = world.site("home")
    site.create({"data": "1MiB"}, peer="dr", active=True)
    files = {"tls-ca": str(certificate / "ca.pem"), "tls-cert": str(certificate / "cert.pem"),
             "tls-key": str(certificate / "key.pem")}
    bad = world.path(file + ".pem")
    if damage == "another's":
        if file != "tls-key":
            return  # that is what a verdict on the certificate says, later
        shutil.copy(certificate / "stranger.pem", bad)
    elif damage != "missing":
        with open(bad, "w", encoding="ascii") as f:
            f.write("-----BEGIN CERTIFICATE-----\nbm8=\n" if damage == "nonsense" else "")
    files[file] = bad
    words = [x for k, v in files.items() for x in ("--" + k, v)]
    says(outside(godwit.REPLICA, "--dir", site.plan, "--listen", "127.0.0.1:0", *words), bad)
    says(refused(site, "source", peer="127.0.0.1:1", plain="no",
                 **{k.replace("-", "_"): v for k, v in files.items()}), bad)


def test_without_tls_only_loopback(world):
    site = world.site("home")
    site.create({"data": "1MiB"}, peer="dr", active=True)
    says(outside(godwit.REPLICA, "--dir", site.plan, "--listen", "0.0.0.0:0", "--plain"),
         "0.0.0.0:0", "without TLS", "this machine only", "configure certificates")


# ---- maps, hot log, undo file ----------------------------------------------------------------

def changed_alone(pair):
    """Home has gone on without its peer, and has stopped cleanly with a set of changed blocks."""
    pair.dr.stop()
    for i in range(12):
        pair.home.write("data", i * MIB + 5000, bytes([i + 1]) * 20000)
    pair.home.wait_status("lost its peer", lambda s: s["replication"] == "disconnected")
    pair.home.stop()
    assert pair.home.inspect()["dirty_blocks"] > 0


def test_a_damaged_map_page_counts_as_dirty(world):
    pair = following(world)
    changed_alone(pair)
    path = os.path.join(pair.home.plan, "dirty/data")
    flip(path, 2 * 4096 + 64, 600)  # the first page of bits
    shown = pair.home.inspect()
    says("\n".join(shown["problems"]), "1 pages of the dirty maps are damaged and count as dirty")
    pair.home.start_source(pair.dr)
    says(pair.home.program.output(), "1 damaged pages in", path, "counting them as all dirty")
    pair.dr.start_replica()
    finish(pair)


@pytest.mark.parametrize("damage", ["headers", "cut", "zeros"])
def test_a_map_of_no_use_means_compare_everything(world, damage):
    pair = following(world)
    changed_alone(pair)
    path = os.path.join(pair.home.plan, "dirty/data")
    if damage == "headers":
        flip(path, 8, 100)
        flip(path, 4096 + 8, 100)
    elif damage == "cut":
        os.truncate(path, 5000)
    else:
        patch(path, 0, bytes(os.path.getsize(path)))
    pair.home.start_source(pair.dr)
    says(pair.home.program.output(), "damaged pages in", path)
    assert ask(pair.home, "status")["coarse_extents"] == 16
    pair.dr.start_replica()
    finish(pair)


def test_a_missing_map_is_refused(world):
    pair = following(world)
    changed_alone(pair)
    path = os.path.join(pair.home.plan, "dirty/data")
    os.rename(path, path + ".away")
    says(refused(pair.home, "source"), path, "nobody knows what differs", "restore the file",
         "make the replica anew", "No such file or directory")
    os.rename(path + ".away", path)
    pair.start()
    finish(pair)


@pytest.mark.parametrize("damage", ["block", "all", "cut"])
def test_a_damaged_hot_log_means_compare_everything(world, damage):
    """Home is killed while extents are hot; its log is then not to be trusted."""
    pair = following(world)
    applied(pair)
    pair.dr.kill()
    for i in range(3):
        pair.home.write("data", i * 4 * MIB, b"hot" * 1000)
    pair.home.kill()
    path = os.path.join(pair.home.plan, "dirty/hot")
    data = read(path)
    blocks = [i for i in range(0, len(data), 512) if data[i:i + 4] == b"GWHT"]
    if damage == "block":  # one that later ones rest on
        flip(path, blocks[-2] + 100)
    elif damage == "all":
        patch(path, 0, bytes(len(data)))
    else:
        os.truncate(path, 1000)
    shown = pair.home.inspect()
    assert shown["hot"]["unknown"] is True
    says("\n".join(shown["problems"]), "hot-extent log is damaged")
    pair.dr.start_replica()
    pair.home.start_source(pair.dr)
    says(pair.home.program.output(), path, "is damaged, everything will be compared")
    pair.home.wait_serving()
    for i in range(3):
        assert pair.home.read("data", i * 4 * MIB, 3000) == b"hot" * 1000
    finish(pair)
    assert pair.home.inspect()["problems"] == []


def diverged(world, env=None):
    """Home went on without its peer and died; dr was promoted and serves; home is back and its tail
    is signed. Returns with the resync begun, or with home dead at a crash point (env)."""
    pair = following(world)
    pair.dr.kill()
    tail = {i: bytes([200 + i]) * 9000 for i in range(8)}
    for i, data in tail.items():
        pair.home.write("data", MIB + i * 12288, data)
    pair.home.kill()
    pair.dr.start_replica()
    pair.promote_replica()
    pair.source.start_source(pair.replica)
    pair.source.wait_serving()
    pair.source.write("data", 6 * MIB, b"new reign" * 5000)
    pair.replica.start_replica(env=env)
    pair.source.wait_status("has assessed", lambda s: s["replication"] == "assessing" and
                            s["assess"]["done"])
    pair.replica.ctl("divergence", "sign", "--by", "eva")
    return pair, tail


def undo_of(site):
    """Its id, its data, and the offset of the first entry that is a block with content."""
    (found,) = os.listdir(os.path.join(site.plan, "undo"))
    path = os.path.join(site.plan, "undo", found, "data")
    data, at = read(path), 0
    while struct.unpack_from("<I", data, at + 8)[0] == 0:  # marks, and blocks of zeros
        at += 40
    return found, path, at


def test_a_damaged_undo_file_keeps_what_is_sound(world):
    """After the resync the undo file is the kept tail: damage costs the block, not the rest."""
    pair, tail = diverged(world)
    finish(pair)
    undo, path, at = undo_of(pair.home)
    whole = pair.home.ctl("divergence", "show", undo)
    assert whole["blocks"] >= sum(len(d) // 4096 for d in tail.values())
    flip(path, at + 40 + 100)
    (listed,) = pair.home.inspect()["undo"]
    says(listed["damage"], path, f"is damaged at {at}", "at least one old block is lost",
         "what is sound can still be read")
    r = run_ctl("divergence", "show", undo, "--dir", pair.home.plan)
    says(r.out + r.err, path, f"damaged at {at}")
    out = world.path("kept")
    r = run_ctl("divergence", "export", undo, out, "--dir", pair.home.plan, "--json")
    assert r.json["damaged"] is True and 0 < r.json["bytes"] < whole["bytes"], r
    flip(path, at + 40 + 100)
    assert pair.home.ctl("divergence", "show", undo)["blocks"] == whole["blocks"]


def test_a_resync_does_not_go_on_over_a_damaged_undo_file(world):
    """R16: what was half copied would be taken for old content. Fail closed; mended, it goes on."""
    pair, _ = diverged(world, env={"GODWIT_CRASH_POINT": "replica.adopt.before"})
    assert pair.home.program.wait() == -signal.SIGKILL
    assert pair.home.inspect()["pending"] == "resync"
    _, path, at = undo_of(pair.home)
    flip(path, at + 40 + 100)
    pair.source.write("data", 7 * MIB, b"meanwhile")
    text = refused(pair.home, "replica")
    says(text, f"{path} is damaged at {at} (checksum mismatch)", "at least one old block is lost",
         "the resync can neither go on nor be rolled back", "restore the file from a backup")
    r = pair.home.ctl_result("promote", "--roll-back", "--yes", offline=True)
    assert r.code != OK, r
    says(r.out + r.err, f"{path} is damaged at {at} (checksum mismatch)",
         "the resync can neither go on nor be rolled back", "restore the file from a backup")
    flip(path, at + 40 + 100)
    pair.home.start_replica()
    finish(pair)


@pytest.mark.parametrize("damage", ["an entry", "the manifest", "no data"])
def test_a_site_whose_undo_file_is_lost_is_seeded_again(world, damage):
    """The way out without a backup, as the sentence says it: what is sound of the tail is exported,
    the last consistent state given up, the site made anew."""
    pair, tail = diverged(world, env={"GODWIT_CRASH_POINT": "replica.adopt.before"})
    assert pair.home.program.wait() == -signal.SIGKILL
    undo, path, at = undo_of(pair.home)
    if damage == "an entry":
        flip(path, at + 40 + 100)
    elif damage == "the manifest":
        path = os.path.join(os.path.dirname(path), "manifest")
        flip(path, 100)
    else:
        os.unlink(path)
    r = pair.home.ctl_result("promote", "--roll-back", "--yes", offline=True)
    assert r.code == FAILED
    for text in (r.err, refused(pair.home, "replica")):
        says(text, path, "restore the file from a backup, or export what is sound "
                         "(godwit-ctl divergence export), move the plan directory away and make it "
                         "anew over its volumes (godwit-ctl create DIR ")
        (command, source) = re.search(r"\((godwit-ctl create DIR .*); FILE: (.*) at dr\)",
                                      text).groups()
    out = world.path("kept")
    r = run_ctl("divergence", "export", undo, out, "--dir", pair.home.plan, "--json")
    if damage == "an entry":
        assert r.code == OK and r.json["damaged"] is True
        kept = read(os.path.join(out, "data.tail"))
        there = [i for i, data in tail.items()
                 if kept[MIB + i * 12288:][:len(data)] == data]
        assert len(there) in (len(tail), len(tail) - 1), there
    else:
        assert r.code == FAILED
        says(r.err, path)
    os.rename(pair.home.plan, pair.home.plan + ".away")
    file = world.path("description")
    described = run_ctl(*source.split()[1:], pair.dr.plan)
    assert described.code == OK, described
    with open(file, "w", encoding="utf-8") as f:
        f.write(described.out)
    words = {"DIR": pair.home.plan, "FILE": file, "NAME=PATH": "data=" + pair.home.image("data")}
    r = run_ctl(*(words.get(w, w) for w in command.split()[1:]))
    assert r.code == OK, r
    pair.home.start_replica()
    finish(pair)


@pytest.mark.parametrize("kind", ["undo", "points"])
def test_a_damaged_or_newer_manifest_hides_nothing_else(world, xxh3, kind):
    if kind == "undo":
        pair, _ = diverged(world)
        site, names = pair.home, ("divergence", "list")
        applied(pair)
    else:
        pair = following(world)
        site, names = pair.dr, ("point", "list")
        for i in ("one", "two"):
            pair.dr.ctl("point", "create", i)
    found = sorted(os.listdir(os.path.join(site.plan, kind)))
    path = os.path.join(site.plan, kind, found[0], "manifest")
    good = read(path)
    if kind == "points":  # images are protected, manifests are too
        subprocess.run(["chattr", "-i", path], check=False, stderr=subprocess.DEVNULL)
        with contextlib.suppress(OSError):
            os.chmod(path, 0o600)
    for damage in ("checksum", "newer"):
        if damage == "checksum":
            flip(path, len(good) // 2)
        else:
            patch(path, 0, good)
            patch(path, 8, struct.pack("<I", 2))
            seal(xxh3, path, 0, len(good))
        r = run_ctl(*names, "--dir", site.plan, "--json")
        says(r.out + r.err, path, "newer" if damage == "newer" else "damaged")
        inspection = run_ctl("inspect", "--dir", site.plan)
        assert inspection.code == FAILED
        says(inspection.out, path)
        if kind == "points":
            assert r.code == FAILED and found[1] in inspection.out or found[1] in r.out
    patch(path, 0, good)
    assert run_ctl(*names, "--dir", site.plan).code == OK
    finish(pair)


# ---- full disks, read-only disks -------------------------------------------------------------

@pytest.fixture(scope="module")
def private_mounts():
    """Mounts that nobody else sees, and that end with this process. For root only."""
    if os.geteuid() != 0:
        pytest.skip("not root: no small disk can be mounted")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(0x00020000) != 0:  # CLONE_NEWNS
        pytest.skip("no mount namespace of one's own here: " + os.strerror(ctypes.get_errno()))
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)


@contextlib.contextmanager
def on_a_small_disk(site, size):
    """The site's plan and volumes on a disk of their own, of `size` (as mount takes it); its logs
    and sockets are not on it. Gives the mount point."""
    disk = os.path.join(site.dir, "disk")
    os.mkdir(disk)
    p = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=" + size, "none", disk], text=True,
                       stderr=subprocess.PIPE)
    if p.returncode != 0:
        pytest.skip("tmpfs cannot be mounted here: " + p.stderr.strip())
    site.plan = os.path.join(disk, "plan")
    site.image = lambda volume: os.path.join(disk, volume + ".img")
    try:
        yield disk
    finally:
        site.kill()
        # Lazily: the mount namespace ends with this process anyway.
        subprocess.run(["umount", "-l", disk], check=True)


def pair_of(world, home, dr, volumes):
    """A pair of sites that are there already."""
    home.create(volumes, peer="dr", active=True)
    dr.create(list(volumes), like=home.describe())
    pair = object.__new__(godwit.Pair)
    pair.volumes, pair.params = list(volumes), {}
    pair.source = pair.home = home
    pair.replica = pair.dr = dr
    return pair


def fill(disk):
    """No byte is left; returns what has to go to make room."""
    path = os.path.join(disk, "filler")
    with open(path, "wb", buffering=0) as f:
        with contextlib.suppress(OSError):
            while True:
                f.write(bytes(MIB))
        with contextlib.suppress(OSError):
            while f.write(bytes(512)):
                pass
    return path


def test_a_full_disk_at_the_replica_pauses_applying(world, private_mounts):
    """What is received is safe in the journal's reserved space; it is applied when there is room.
    """
    home, dr = world.site("home"), world.site("dr")
    with on_a_small_disk(dr, "100m") as disk:
        pair = pair_of(world, home, dr, {"data": "48MiB"})
        pair.start()
        home.write("data", 0, b"first" * 100000)
        applied(pair)
        filler = fill(disk)
        data = random.Random(5).randbytes(3 * MIB)
        home.write("data", 20 * MIB, data)
        status = dr.wait_status("pauses", lambda s: "pauses" in s["reason"])
        says(status["reason"], "volume 'data' at ", "No space left on device", "make room",
             "it goes on by itself")
        here = home.wait_status("is durable there", lambda s: s["durable_seq"] == s["seq"])
        assert here["service"] == "serving" and here["replication"] == "async"
        os.unlink(filler)
        applied(pair)
        assert ask(dr, "status")["reason"] == ""
        finish(pair)


def test_a_full_disk_at_the_replica_stops_the_journal(world, private_mounts):
    """No room for another segment: the session ends and says why, home serves on, and when there is
    room it goes on by itself."""
    home, dr = world.site("home"), world.site("dr")
    with on_a_small_disk(dr, "100m") as disk:
        pair = pair_of(world, home, dr, {"data": "8MiB"})
        pair.start()
        for i in range(17):  # 68 MiB of journal
            home.write("data", 0, bytes([i + 1]) * (4 * MIB))
        status = home.wait_status("is told", lambda s: "No space left" in s["reason"])
        says(status["reason"], "64.0 MiB" if "64.0 MiB" in status["reason"] else "67108864 bytes",
             dr.plan + "/journal/0000000000000001")
        assert status["service"] == "serving"
        home.write("data", 5 * MIB, b"unprotected")
        subprocess.run(["mount", "-o", "remount,size=400m", disk], check=True)
        finish(pair)


def test_applied_journal_gives_way_to_new(world, private_mounts):
    """Applied segments are kept for promotions to older points while there is room, not longer."""
    home, dr = world.site("home"), world.site("dr")
    with on_a_small_disk(dr, "160m"):  # two segments, not three
        pair = pair_of(world, home, dr, {"data": "8MiB"})
        pair.start()
        for i in range(34):  # 136 MiB of journal
            home.write("data", 0, bytes([i + 1]) * (4 * MIB))
            if i % 8 == 7:
                applied(pair)
        finish(pair)
        assert home.inspect()["dirty_blocks"] == 0


def test_a_full_disk_at_the_source(world, private_mounts):
    """The client is told; what was acknowledged stays; and after there is room all is well, at the
    latest after a restart that the sentence asks for."""
    home, dr = world.site("home"), world.site("dr")
    with on_a_small_disk(home, "24m") as disk:
        pair = pair_of(world, home, dr, {"data": "48MiB"})
        pair.start()
        home.write("data", 0, b"first" * 100000)
        applied(pair)
        filler = fill(disk)
        h = home.connect("data")
        with pytest.raises(nbd.Error) as e:
            h.pwrite(b"x" * MIB, 20 * MIB)
        assert e.value.errnum in (28, 5)  # ENOSPC, EIO
        says(home.program.output(), "No space left on device")
        # What has its space goes on.
        assert bytes(h.pread(5, 0)) == b"first"
        h.pwrite(b"FIRST", 0)
        h.flush()
        assert bytes(h.pread(5, 0)) == b"FIRST"
        os.unlink(filler)
        status = home.wait_status("is well again, or says why not", lambda s: (
            s["service"] == "failed" or s["replication"] == "async" and s["dirty_blocks"] == 0))
        if status["service"] == "failed":
            says(status["reason"], home.plan, "No space left on device", "restart")
            h.shutdown()
            home.stop()
            home.start_source(dr)
            home.wait_serving()
            h = home.connect("data")
        h.pwrite(b"second" * 1000, 20 * MIB)
        h.shutdown()
        finish(pair)
        assert home.image_bytes("data", 0, 10) == b"FIRSTfirst"


@contextlib.contextmanager
def unwritable(path):
    """For root by a read-only mount, for others by permissions."""
    if os.geteuid() != 0:
        subprocess.run(["chmod", "-R", "a-w", path], check=True)
        try:
            yield "Permission denied"
        finally:
            subprocess.run(["chmod", "-R", "u+w", path], check=True)
        return
    subprocess.run(["mount", "--bind", path, path], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", path], check=True)
        yield "Read-only file system"
    finally:
        subprocess.run(["umount", path], check=True)


@pytest.fixture
def can_be_unwritable(request):
    if os.geteuid() == 0:
        request.getfixturevalue("private_mounts")


def test_an_unwritable_directory(world, can_be_unwritable):
    pair = following(world)
    pair.stop()
    for site, kind in ((pair.home, "source"), (pair.dr, "replica")):
        with unwritable(site.plan) as cause:
            says(refused(site, kind), site.plan, cause)
            # To look does not need to write.
            assert site.inspect()["problems"] == []
            r = run_ctl("promote", "--dir", site.plan, "--yes")
            assert r.code != OK and cause in r.err or "nothing" in r.err, r
    pair.start()
    finish(pair)


def test_create_in_an_unwritable_directory(world, can_be_unwritable):
    where = world.path("ro")
    os.mkdir(where)
    with unwritable(where) as cause:
        r = run_ctl("create", where + "/plan", "--plan", "shop", "--site", "home", "--peer", "dr",
                    "--active", "--volume", f"data={world.path('data.img')},1MiB")
        assert r.code != OK
        says(r.err, where + "/plan", cause)
    assert os.listdir(where) == []


def test_a_control_socket_that_cannot_be_made(world):
    site = world.site("home")
    site.create({"data": "1MiB"}, peer="dr", active=True)
    os.mkdir(site.control)
    text = refused(site, "source")
    says(text, site.control)
    os.rmdir(site.control)
    site.start_source()
    site.wait_serving()
    site.stop()


# ---- kill -9 ---------------------------------------------------------------------------------

def test_kill_9_of_any_process_at_any_time(world):
    """Both sides die again and again under writes; what was acknowledged is there after each."""
    seed = int(os.environ.get("GODWIT_SEED", random.SystemRandom().randrange(1 << 32)))
    print("GODWIT_SEED=%d" % seed)
    rng = random.Random(seed)
    pair = following(world)
    acked = {}  # block: its content
    for _ in range(4):
        h = pair.home.connect("data")
        victims = rng.choice(([pair.home], [pair.dr], [pair.home, pair.dr]))
        unsure = set()
        killer = threading.Timer(rng.uniform(0.05, 0.4),
                                 lambda v=victims: [s.program.process.kill() for s in v])
        killer.start()
        end = time.monotonic() + 1.0
        with contextlib.suppress(nbd.Error):
            while time.monotonic() < end:
                block, fill_byte = rng.randrange(4096), rng.randrange(1, 256)
                unsure.add(block)
                h.pwrite(bytes([fill_byte]) * 4096, block * 4096)
                acked[block] = bytes([fill_byte]) * 4096
                unsure.discard(block)
                if rng.random() < 0.05:
                    h.flush()
        killer.join()
        with contextlib.suppress(nbd.Error):
            h.shutdown()
        for site in victims:
            site.kill()
        if pair.dr in victims:
            pair.dr.start_replica()
        if pair.home in victims:
            pair.home.start_source(pair.dr)
        pair.home.wait_serving()
        for block in unsure:  # the one that was on its way: either is right, from now on it stays
            acked[block] = pair.home.read("data", block * 4096, 4096)
        for block, content in acked.items():
            here = pair.home.image_bytes("data", block * 4096, 4096)
            assert here == content, f"seed {seed}, {block}"
    finish(pair)
