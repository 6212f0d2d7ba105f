# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""Damage, strangers, wrong certificates, full disks, kills. In every case a sentence says which file
(and where in it), why and what to do; nothing that was acknowledged is lost; and the way out that the
sentence names is the way out."""
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
import ssl
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
    """The last batch has no later one that says it was durable: it looks like a torn write, although
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
    says(status["reason"], "before serving" if status["reason"].startswith("waiting") else "no link")
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

@pytest.mark.parametrize("bytes_now", [16 * MIB - 4096, 16 * MIB + 1])
def test_a_volume_of_another_size_is_refused(world, bytes_now):
    pair = following(world)
    pair.stop()
    for site, kind in ((pair.home, "source"), (pair.dr, "replica")):
        os.truncate(site.image("data"), bytes_now)
        says(refused(site, kind), "volume 'data'", f"has {bytes_now} bytes",
             f"the plan says {16 * MIB}", os.path.join(site.plan, "volumes/data"), "restore its size")
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
