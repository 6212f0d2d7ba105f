# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""The plugin as NBD clients see it: nbdinfo, libnbd, nbdcopy, qemu-img, qemu-io, fio, nbdfuse.

Most tests share one pair of sites (`shared`); when they are done, both sites must be byte-equal.
"""
import contextlib
import errno
import hashlib
import json
import os
import random
import shutil
import socket
import struct
import subprocess
import threading
import time

import nbd
import pytest

import godwit
from godwit import BLOCK, run_ctl, wait_for

MIB = 1 << 20
DATA_BYTES = 160 * MIB
ODD_BYTES = 1000003  # neither of sectors nor of blocks
HOLE_ZERO = nbd.STATE_HOLE | nbd.STATE_ZERO


def tool(*argv, code=0, timeout=godwit.TIMEOUT_S):
    """Run a client; its standard output."""
    if shutil.which(argv[0]) is None:
        pytest.skip(f"{argv[0]} is not installed")
    p = subprocess.run([str(a) for a in argv], text=True, stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, timeout=timeout)
    assert code is None or p.returncode == code, (argv, p.returncode, p.stdout, p.stderr)
    return p.stdout


@pytest.fixture(scope="module")
def shared():
    world = godwit.World()
    try:
        pair = world.pair(volumes={"data": DATA_BYTES, "odd": ODD_BYTES})
        pair.start()
        yield pair
        pair.drain()
        answer = pair.source.ctl("verify", "--wait")
        assert answer["verify"]["differing_blocks"] == 0
        pair.stop()
        assert pair.differing_volumes() == []
    finally:
        world.close()


@pytest.fixture
def home(shared):
    assert shared.home.program.alive(), shared.home.log_tail()
    return shared.home


@pytest.fixture
def rng(request):
    seed = int(os.environ.get("GODWIT_SEED", random.SystemRandom().randrange(1 << 32)))
    print("GODWIT_SEED=%d" % seed)
    return random.Random(seed)


OPEN = []  # handles of the test that runs


@pytest.fixture(autouse=True)
def hang_up():
    """A traceback, or a cycle, may keep a handle longer than its test."""
    yield
    while OPEN:
        with contextlib.suppress(nbd.Error):
            OPEN.pop().shutdown()


def handle(site, volume, strict=True):
    h = nbd.NBD()
    OPEN.append(h)
    h.add_meta_context("base:allocation")
    h.set_export_name(volume)
    if not strict:
        h.set_strict_mode(0)
    h.connect_unix(site.socket)
    return h


def extents(h, count, offset):
    """[(length, flags)], neighbours of one kind joined, exactly `count` bytes."""
    found = []
    end = offset + count
    while offset < end:
        entries = []
        h.block_status(end - offset, offset, lambda context, at, e, error: entries.extend(e) or 0)
        assert entries
        for length, flags in zip(entries[::2], entries[1::2]):
            length = min(length, end - offset)  # the last one may go on beyond what was asked
            offset += length
            if found and found[-1][1] == flags:
                length += found.pop()[0]
            if length:
                found.append((length, flags))
    return found


def error_of(call, *args):
    with pytest.raises(nbd.Error) as e:
        call(*args)
    return e.value.errnum


# ---- what it says of itself ------------------------------------------------------------------

def test_nbdinfo_lists_every_volume(home):
    info = json.loads(tool("nbdinfo", "--list", "--json", home.uri()))
    assert info["protocol"] == "newstyle-fixed"
    assert [e["export-name"] for e in info["exports"]] == ["data", "odd"]
    assert [e["export-size"] for e in info["exports"]] == [DATA_BYTES, ODD_BYTES]


def test_nbdinfo_says_what_the_plugin_can(home):
    export = json.loads(tool("nbdinfo", "--json", home.uri("data")))["exports"][0]
    assert export["description"] == "volume data of plan shop"
    assert export["is_read_only"] is False and export["is_rotational"] is False
    for can in ("flush", "fua", "multi_conn", "trim", "zero", "fast_zero", "cache", "df"):
        assert export["can_" + can] is True, can
    assert "base:allocation" in export["contexts"]
    # Any byte may be written; a block is what is cheap.
    assert (export["block_size_minimum"], export["block_size_preferred"]) == (1, BLOCK)


def test_the_first_volume_is_the_default(home):
    assert int(tool("nbdinfo", "--size", home.uri())) == DATA_BYTES
    assert int(tool("nbdinfo", "--size", home.uri("odd"))) == ODD_BYTES
    assert handle(home, "").get_size() == DATA_BYTES


def test_an_unknown_export_is_refused(home):
    h = nbd.NBD()
    h.set_export_name("nothing")
    with pytest.raises(nbd.Error):
        h.connect_unix(home.socket)
    assert "the plan has no volume 'nothing'" in home.program.output()
    tool("nbdinfo", home.uri("../data"), code=1)
    handle(home, "data")  # it serves on


def test_volumes_do_not_mix(home):
    data, odd = handle(home, "data"), handle(home, "odd")
    data.pwrite(b"d" * 5000, 7000)
    odd.pwrite(b"o" * 5000, 7000)
    assert data.pread(5000, 7000) == b"d" * 5000 and odd.pread(5000, 7000) == b"o" * 5000
    data.zero(5000, 7000)
    assert odd.pread(5000, 7000) == b"o" * 5000


# ---- sizes of requests -----------------------------------------------------------------------

class Raw:
    """A client that sends what libnbd would not."""
    READ, WRITE, DISC, FLUSH, TRIM, CACHE, ZERO = range(7)

    def __init__(self, site, export):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.settimeout(godwit.TIMEOUT_S)
        self.s.connect(site.socket)
        assert self.take(16) == b"NBDMAGICIHAVEOPT"
        assert struct.unpack(">H", self.take(2))[0] & 3 == 3
        self.s.sendall(struct.pack(">I", 3) + b"IHAVEOPT" +
                       struct.pack(">II", 1, len(export)) + export.encode())
        self.size, self.flags = struct.unpack(">QH", self.take(10))

    def take(self, n):
        got = b""
        while len(got) < n:
            more = self.s.recv(n - len(got))
            if not more:
                raise ConnectionError("closed by the server")
            got += more
        return got

    def ask(self, kind, offset, length, payload=b"", flags=0, answer_bytes=0):
        """(error, data)"""
        self.s.sendall(struct.pack(">IHHQQI", 0x25609513, flags, kind, 7, offset, length) + payload)
        magic, error, cookie = struct.unpack(">IIQ", self.take(16))
        assert magic == 0x67446698 and cookie == 7
        return error, self.take(answer_bytes) if error == 0 else b""

    def close(self):
        self.s.close()


def test_zero_length_requests_harm_nothing(home):
    h = handle(home, "odd")
    h.pwrite(b"keep", 100)
    raw = Raw(home, "odd")
    for kind in (Raw.READ, Raw.WRITE, Raw.TRIM, Raw.ZERO, Raw.CACHE):
        for offset in (0, 100, ODD_BYTES):
            error, _ = raw.ask(kind, offset, 0)
            assert error in (0, errno.EINVAL, errno.ENOSPC), (kind, offset, error)
    assert raw.ask(Raw.READ, 100, 4, answer_bytes=4) == (0, b"keep")
    raw.close()


def test_requests_of_32_mib(home, rng):
    h = handle(home, "data")
    data = rng.randbytes(32 * MIB)
    h.pwrite(data, 40 * MIB + 513)  # across 33 extents, none of them whole at the ends
    assert h.pread(32 * MIB, 40 * MIB + 513) == data
    h.zero(32 * MIB, 40 * MIB + 513, nbd.CMD_FLAG_NO_HOLE)
    assert h.pread(32 * MIB, 40 * MIB + 513) == bytes(32 * MIB)


def test_the_largest_request_and_one_byte_more(home, rng):
    """64 MiB is what nbdkit takes; more is refused, and the connection goes on."""
    most = 64 * MIB
    data = rng.randbytes(4096) * (most // 4096)
    raw = Raw(home, "data")
    assert raw.ask(Raw.WRITE, 8192, most, data) == (0, b"")
    error, back = raw.ask(Raw.READ, 8192, most, answer_bytes=most)
    assert error == 0 and back == data
    for kind, payload in ((Raw.READ, b""), (Raw.WRITE, bytes(most + 1))):
        error, _ = raw.ask(kind, 8192, most + 1, payload)
        assert error in (errno.ENOMEM, errno.EINVAL, errno.EOVERFLOW), error
    assert raw.ask(Raw.READ, 8192 + most - 4, 4, answer_bytes=4) == (0, data[-4:])
    # What carries no payload may be larger.
    assert raw.ask(Raw.ZERO, 0, DATA_BYTES) == (0, b"")
    assert raw.ask(Raw.READ, 8192, 4096, answer_bytes=4096) == (0, bytes(4096))
    raw.close()


def test_every_offset_and_length(home, rng):
    """Against a model in memory: single bytes, across blocks, across extents."""
    h = handle(home, "data")
    begin, size = 90 * MIB, 3 * MIB
    model = bytearray(rng.randbytes(size))
    h.pwrite(bytes(model), begin)
    for _ in range(300):
        n = rng.choice((1, 2, 511, 512, 513, 4095, 4096, 4097, rng.randrange(1, 300000)))
        at = rng.choice((MIB, 2 * MIB, rng.randrange(size))) + rng.randrange(-n, n + 1)
        at = max(min(at, size - n), 0)
        what = rng.randrange(4)
        if what == 0:
            h.zero(n, begin + at, rng.choice((0, nbd.CMD_FLAG_NO_HOLE)))
            model[at:at + n] = bytes(n)
        elif what == 1:
            h.trim(n, begin + at)
            model[at:at + n] = bytes(n)
        else:
            data = rng.randbytes(n)
            h.pwrite(data, begin + at, rng.choice((0, nbd.CMD_FLAG_FUA)))
            model[at:at + n] = data
        assert h.pread(min(n + 20, size - at), begin + at) == model[at:at + n + 20]
    assert h.pread(size, begin) == model
    assert home.image_bytes("data", begin, size) == model


def test_the_last_byte_of_an_odd_volume(home):
    h = handle(home, "odd")
    last = ODD_BYTES - 1
    for write in (lambda: h.pwrite(b"Z", last), lambda: h.pwrite(b"x" * 9000 + b"Z", last - 9000)):
        write()
        assert h.pread(1, last) == b"Z"
        h.zero(1, last)
        assert h.pread(1, last) == b"\0"
        write()
        h.trim(3, last - 2)
        assert h.pread(3, last - 2) == bytes(3)
    h.pwrite(b"end", last - 2, nbd.CMD_FLAG_FUA)
    assert os.path.getsize(home.image("odd")) == ODD_BYTES
    assert home.image_bytes("odd", last - 2, 10) == b"end"
    assert sum(n for n, _ in extents(h, ODD_BYTES, 0)) == ODD_BYTES


def test_out_of_range_is_refused(home):
    h = handle(home, "odd", strict=False)
    h.pwrite(b"stay", ODD_BYTES - 4)
    for offset, n in ((ODD_BYTES, 1), (ODD_BYTES - 3, 4), (1 << 62, 512)):
        assert error_of(h.pread, n, offset) == errno.EINVAL
        assert error_of(h.pwrite, bytes(n), offset) in (errno.EINVAL, errno.ENOSPC)
        assert error_of(h.zero, n, offset) in (errno.EINVAL, errno.ENOSPC)
        assert error_of(h.trim, n, offset) in (errno.EINVAL, errno.ENOSPC)
        assert error_of(h.block_status, n, offset, lambda *a: 0) == errno.EINVAL
    assert h.pread(4, ODD_BYTES - 4) == b"stay"
    assert os.path.getsize(home.image("odd")) == ODD_BYTES


def test_nonsense_costs_one_connection(home):
    handle(home, "odd").pwrite(b"fine", 0)
    for nonsense in (b"GET / HTTP/1.0\r\n\r\n", b"\xff" * 100, b""):  # less than, and a request
        raw = Raw(home, "odd")
        raw.s.sendall(nonsense)
        raw.s.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionError):
            while raw.s.recv(4096):
                pass
        raw.close()
    raw = Raw(home, "odd")
    assert raw.ask(99, 0, 0)[0] == errno.EINVAL
    raw.close()
    assert handle(home, "odd").pread(4, 0) == b"fine"


# ---- zeros and holes -------------------------------------------------------------------------

def fill(h, offset, n):
    h.pwrite(b"\xaa" * n, offset)
    assert extents(h, n, offset) == [(n, 0)]


def test_a_trimmed_range_reads_zeros_and_is_a_hole(home):
    h = handle(home, "data")
    at, n = 4 * MIB, 2 * MIB
    fill(h, at, n)
    h.trim(MIB, at + BLOCK)
    assert h.pread(n, at) == b"\xaa" * BLOCK + bytes(MIB) + b"\xaa" * (n - MIB - BLOCK)
    assert extents(h, n, at) == [(BLOCK, 0), (MIB, HOLE_ZERO), (n - MIB - BLOCK, 0)]


def test_the_neighbours_of_a_trim_stay(home):
    h = handle(home, "data")
    at = 8 * MIB
    for start, n in ((1, 1), (100, 4096), (4095, 4098), (0, 4095), (4096, 1), (300, 70000)):
        fill(h, at, 100000)
        h.trim(n, at + start)
        assert h.pread(100000, at) == b"\xaa" * start + bytes(n) + b"\xaa" * (100000 - start - n)


@pytest.mark.parametrize("flags", [0, nbd.CMD_FLAG_NO_HOLE, nbd.CMD_FLAG_FAST_ZERO,
                                   nbd.CMD_FLAG_FUA, nbd.CMD_FLAG_FAST_ZERO | nbd.CMD_FLAG_FUA,
                                   nbd.CMD_FLAG_FAST_ZERO | nbd.CMD_FLAG_NO_HOLE])
def test_zeroed_ranges_read_zeros(home, flags):
    h = handle(home, "data")
    at, n = 12 * MIB, 3 * MIB
    fill(h, at, n)
    try:
        h.zero(MIB + 17, at + 4000, flags)
    except nbd.Error as e:
        # "Not fast" is an answer, and then nothing may have been changed.
        assert flags & nbd.CMD_FLAG_FAST_ZERO and e.errnum == errno.ENOTSUP
        assert h.pread(n, at) == b"\xaa" * n
        return
    assert h.pread(n, at) == b"\xaa" * 4000 + bytes(MIB + 17) + b"\xaa" * (n - MIB - 4017)
    inside = extents(h, MIB // 2, at + 2 * BLOCK)
    assert all(f & nbd.STATE_ZERO for _, f in inside) or flags & nbd.CMD_FLAG_NO_HOLE
    if flags & nbd.CMD_FLAG_NO_HOLE:
        assert not any(f & nbd.STATE_HOLE for _, f in inside)


def test_what_is_a_hole_here_is_one_at_the_peer(shared, home):
    h = handle(home, "data")
    h.pwrite(b"\x55" * (16 * MIB), 100 * MIB)
    shared.drain()
    before = os.stat(shared.dr.image("data")).st_blocks
    h.trim(16 * MIB, 100 * MIB)
    shared.drain()
    wait_for("the peer to apply", lambda: shared.dr.status()["applied_seq"] >=
             home.status()["seq"])
    assert os.stat(shared.dr.image("data")).st_blocks <= before - 16 * MIB // 512 * 9 // 10


def test_block_status_is_the_truth(home, rng):
    """Wherever it says zeros, zeros are read; wherever data was written last, it says data."""
    h = handle(home, "data")
    begin, n = 120 * MIB, 8 * MIB
    h.trim(n, begin)
    written = [False] * (n // BLOCK)
    for _ in range(60):
        first = rng.randrange(n // BLOCK)
        count = min(rng.randrange(1, 40), n // BLOCK - first)
        if rng.random() < 0.6:
            h.pwrite(b"\x11" * (count * BLOCK), begin + first * BLOCK)
        else:
            h.trim(count * BLOCK, begin + first * BLOCK)
            count = -count
        for i in range(first, first + abs(count)):
            written[i] = count > 0
    at = begin
    for length, flags in extents(h, n, begin):
        if flags & nbd.STATE_ZERO:
            assert h.pread(length, at) == bytes(length)
        blocks = written[(at - begin) // BLOCK:(at - begin + length) // BLOCK]
        assert all(blocks) if flags == 0 else not any(blocks)
        at += length
    # From the middle of a block, and for one extent only.
    one = []
    h.block_status(n - 777, begin + 777, lambda c, o, e, err: one.extend(e) or 0,
                   nbd.CMD_FLAG_REQ_ONE)
    assert len(one) == 2 and 0 < one[0] <= n - 777


# ---- several connections ---------------------------------------------------------------------

def test_a_flush_covers_every_connection(world):
    """multi-conn: written through A, flushed through B, then kill -9."""
    pair = world.pair(volumes={"data": "16MiB"})
    pair.start(sync="yes")
    a, b = handle(pair.home, "data"), handle(pair.home, "data")
    assert a.can_multi_conn()
    flushes = pair.home.status()["flushes"]
    for i in range(8):
        a.pwrite(bytes([i + 1]) * 70000, i * MIB + 333)
    b.flush()
    status = pair.home.status()
    assert status["flushes"] == flushes + 1
    # Sync mode: a flush is answered when both sites have it durable.
    assert status["durable_seq"] == status["seq"]
    pair.home.kill()
    pair.dr.kill()
    pair.dr.start_replica()
    pair.dr.stop()
    for site in (pair.home, pair.dr):
        for i in range(8):
            assert site.image_bytes("data", i * MIB + 333, 70000) == bytes([i + 1]) * 70000
    assert pair.differing_volumes() == []


def test_a_fua_write_survives_kill_9(world):
    pair = world.pair(volumes={"data": "16MiB"})
    pair.start(sync="yes")
    h = handle(pair.home, "data")
    h.pwrite(b"fua" * 30000, 2 * MIB - 4444, nbd.CMD_FLAG_FUA)
    status = pair.home.status()
    assert status["durable_seq"] == status["seq"]
    h.zero(5000, 3 * MIB, nbd.CMD_FLAG_FUA)
    h.trim(5000, 4 * MIB, nbd.CMD_FLAG_FUA)
    pair.home.kill()
    pair.dr.kill()
    pair.dr.start_replica()
    pair.dr.stop()
    for site in (pair.home, pair.dr):
        assert site.image_bytes("data", 2 * MIB - 4444, 90000) == b"fua" * 30000


def test_async_what_was_flushed_is_here_after_kill_9(world):
    site = world.site("home")
    site.create({"data": "16MiB"}, peer="dr", active=True)
    site.start_source()
    a, b = handle(site, "data"), handle(site, "data")
    a.pwrite(b"w" * 100000, 1000)
    b.flush()
    a.pwrite(b"f" * 5000, 5 * MIB, nbd.CMD_FLAG_FUA)
    site.kill()
    assert site.image_bytes("data", 1000, 100000) == b"w" * 100000
    assert site.image_bytes("data", 5 * MIB, 5000) == b"f" * 5000
    assert site.status()["crashed_active"] is True


def test_overlapping_writes_in_flight(shared, home, rng):
    """Many writes to the same few blocks at once, through five connections. Which one wins is
    nobody's business, but it must be the same one at both sites (S2)."""
    begin, span = 60 * MIB, 3 * BLOCK

    def work(seed):
        mine = random.Random(seed)
        h = handle(home, "data")
        flying = 0
        done = []

        def completed(error):
            done.append(error.value)  # raising here would end the interpreter
            return 1

        for _ in range(400):
            n = mine.randrange(1, span)
            at = begin + mine.randrange(span - n + 1)
            kind = mine.randrange(8)
            if kind == 0:
                h.aio_zero(n, at, completed)
            elif kind == 1:
                h.aio_trim(n, at, completed)
            else:
                buf = nbd.Buffer.from_bytearray(bytearray(mine.randbytes(1) * n))
                h.aio_pwrite(buf, at, completed)
            flying += 1
            while flying - len(done) >= 16:
                h.poll(-1)
        while len(done) < flying:
            h.poll(-1)
        errors.extend(e for e in done if e != 0)
        finished.append(seed)

    finished, errors = [], []
    seeds = [rng.randrange(1 << 30) for _ in range(5)]
    threads = [threading.Thread(target=work, args=(s,)) for s in seeds]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sorted(finished) == sorted(seeds) and errors == []
    status = shared.drain()
    wait_for("the peer to apply", lambda: shared.dr.status()["applied_seq"] >= status["seq"])
    here, there = (s.image_bytes("data", begin, span) for s in (shared.home, shared.dr))
    assert here == there
    assert handle(home, "data").pread(span, begin) == here


def test_a_stop_does_not_wait_for_an_idle_client(world):
    """A guest that stays connected must not keep a source from its clean stop (R12)."""
    pair = world.pair(volumes={"data": "16MiB"})
    pair.start()
    h = handle(pair.home, "data")
    h.pwrite(b"last word", 4096)
    pair.home.program.process.terminate()
    assert pair.home.program.wait(timeout=20) == 0
    assert pair.home.status()["clean"] is True
    pair.dr.stop()
    assert pair.differing_volumes() == []


# ---- programs people use ---------------------------------------------------------------------

def sha(path):
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


@pytest.fixture
def image(shared, tmp_path, rng):
    """A raw image of the size of "data": data, zeros, holes."""
    path = tmp_path / "image.raw"
    with open(path, "wb") as f:
        f.truncate(DATA_BYTES)
        for _ in range(12):
            f.seek(rng.randrange(DATA_BYTES - 2 * MIB))
            f.write(rng.randbytes(rng.randrange(1, 2 * MIB)))
        f.seek(30 * MIB)
        f.write(bytes(MIB))
    return str(path)


def test_nbdcopy_there_and_back(home, image, tmp_path):
    back = tmp_path / "back.raw"
    tool("nbdcopy", "--connections=4", "--requests=32", "--flush", image, home.uri("data"))
    tool("nbdcopy", "--connections=4", home.uri("data"), back)
    assert sha(back) == sha(image) == home.image_hash("data")
    # Holes come back as holes.
    assert os.stat(back).st_blocks * 512 < DATA_BYTES / 2


def test_qemu_img(home, image, tmp_path):
    qcow = tmp_path / "image.qcow2"
    tool("qemu-img", "convert", "-O", "qcow2", image, qcow)
    tool("qemu-img", "convert", "-n", "-W", "-m", "8", "-f", "qcow2", "-O", "raw", qcow,
         home.uri("data"))
    info = json.loads(tool("qemu-img", "info", "--output=json", "-f", "raw", home.uri("data")))
    assert info["virtual-size"] == DATA_BYTES
    tool("qemu-img", "compare", "-f", "raw", "-F", "raw", image, home.uri("data"))
    extents_of = json.loads(tool("qemu-img", "map", "--output=json", "-f", "raw", home.uri("data")))
    assert sum(e["length"] for e in extents_of) == DATA_BYTES
    assert any(e["data"] for e in extents_of) and any(e["zero"] for e in extents_of)
    assert home.image_hash("data") == sha(image)
    # And one that differs is found.
    handle(home, "data").pwrite(b"!", 50 * MIB + 3)
    tool("qemu-img", "compare", "-f", "raw", "-F", "raw", image, home.uri("data"), code=1)


def test_qcow2_inside_of_an_export(home):
    """A format that allocates as it goes, with its own metadata, checked afterwards."""
    tool("qemu-img", "create", "-f", "qcow2", home.uri("data"), "100M")
    tool("qemu-io", "-f", "qcow2", home.uri("data"),
         "-c", "write -P 0x5a 0 1M", "-c", "write -P 0xa5 37M 777k", "-c", "write -z 512k 256k",
         "-c", "discard 0 64k", "-c", "flush", "-c", "read -P 0xa5 37M 777k",
         "-c", "read -P 0 512k 256k")
    report = json.loads(tool("qemu-img", "check", "--output=json", "-f", "qcow2",
                             home.uri("data")))
    assert report["check-errors"] == 0 and report.get("leaks", 0) == 0
    assert report.get("corruptions", 0) == 0


def test_qemu_io_patterns(home):
    out = tool("qemu-io", "-f", "raw", "-t", "writeback", home.uri("data"),
               "-c", "write -P 1 512 64k", "-c", "writev -P 2 100k 4096 8192 512",
               "-c", "write -f -P 3 1M 1M", "-c", "write -z -u 1M 4k", "-c", "write -z 1028k 4k",
               "-c", "discard 1032k 4k",
               "-c", "aio_write -P 4 3M 2M", "-c", "aio_write -P 5 5M 2M", "-c", "aio_flush",
               "-c", "flush",
               "-c", "read -P 1 512 64k", "-c", "read -P 2 100k 12800", "-c", "read -P 0 1M 12k",
               "-c", "read -P 3 1036k 1012k", "-c", "read -P 4 3M 2M", "-c", "read -P 5 5M 2M")
    assert "Pattern verification failed" not in out


def test_fio_verifies_its_checksums(home):
    out = tool("fio", "--name=v", "--ioengine=nbd", "--uri=" + home.uri("data"), "--rw=randwrite",
               "--bsrange=512-64k", "--bs_unaligned=0", "--iodepth=32", "--size=24m",
               "--offset=10m", "--verify=crc32c", "--verify_fatal=1", "--do_verify=1",
               "--randrepeat=0", "--output-format=json", "--trim_percentage=0")
    job = json.loads(out[out.index("{"):])["jobs"][0]
    assert job["error"] == 0 and job["read"]["total_ios"] > 0


def test_fio_several_jobs_at_once(home):
    out = tool("fio", "--name=m", "--ioengine=nbd", "--uri=" + home.uri("data"), "--rw=randrw",
               "--bs=4k", "--iodepth=8", "--size=4m", "--numjobs=4", "--offset_increment=4m",
               "--fsync=32", "--verify=crc32c", "--verify_fatal=1", "--output-format=json")
    assert all(j["error"] == 0 for j in json.loads(out[out.index("{"):])["jobs"])


# ---- a filesystem ----------------------------------------------------------------------------

@contextlib.contextmanager
def fuse_file(site, volume, directory):
    """The export as a plain file, by nbdfuse."""
    if shutil.which("nbdfuse") is None or not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("no nbdfuse, or /dev/fuse cannot be opened by this user")
    os.makedirs(directory, exist_ok=True)
    path = os.path.join(directory, "disk")
    with open(path, "wb"):
        pass
    p = subprocess.Popen(["nbdfuse", path, site.uri(volume)], stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT)
    try:
        def mounted():
            return os.path.getsize(path) > 0 or p.poll() is not None
        wait_for("nbdfuse to mount", mounted)
        if p.poll() is not None:
            pytest.skip("nbdfuse cannot mount here: " + p.stdout.read().decode())
        yield path
    finally:
        subprocess.run(["fusermount3", "-u", path], check=False, stderr=subprocess.DEVNULL)
        try:
            p.wait(godwit.TIMEOUT_S)
        except subprocess.TimeoutExpired:
            p.kill()
            p.wait()
        p.stdout.close()


@contextlib.contextmanager
def mounted(file, at):
    """The filesystem in a file, by a loop device; skips where that is not allowed."""
    os.makedirs(at, exist_ok=True)
    p = subprocess.run(["mount", "-o", "loop", file, at], text=True, stderr=subprocess.PIPE)
    if p.returncode != 0:
        pytest.skip("cannot mount a loop device here: " + p.stderr.strip())
    try:
        yield at
    finally:
        subprocess.run(["umount", at], check=True)


def tree_of_files(at, rng):
    """Writes real files; their checksums by name."""
    sums = {}
    for i in range(60):
        d = os.path.join(at, "d%d" % (i % 7))
        os.makedirs(d, exist_ok=True)
        data = rng.randbytes(rng.choice((10, 5000, 200000)))
        with open(os.path.join(d, "f%d" % i), "wb") as f:
            f.write(data)
        sums["d%d/f%d" % (i % 7, i)] = hashlib.sha256(data).hexdigest()
    for i in range(0, 60, 5):
        os.unlink(os.path.join(at, "d%d/f%d" % (i % 7, i)))
        del sums["d%d/f%d" % (i % 7, i)]
    return sums


def test_a_filesystem_by_nbdfuse(world, tmp_path, rng):
    pair = world.pair(volumes={"data": "64MiB"})
    pair.start()
    with fuse_file(pair.home, "data", str(tmp_path / "fuse")) as disk:
        tool("mke2fs", "-q", "-t", "ext4", "-F", disk)
        with mounted(disk, str(tmp_path / "mnt")) as at:
            sums = tree_of_files(at, rng)
        tool("e2fsck", "-fn", disk)
    pair.drain()
    pair.stop()
    assert pair.differing_volumes() == []
    # After it all: the peer's volume, with standard tools and no godwit running.
    tool("e2fsck", "-fn", pair.dr.image("data"))
    with mounted(pair.dr.image("data"), str(tmp_path / "mnt")) as at:
        assert {n: sha(os.path.join(at, n)) for n in sums} == sums


def test_8_tib_sparse(world, tmp_path):
    """Created, protected, made a filesystem on and trimmed as a whole, each in moments: nothing may
    take time or memory by the size of the volume."""
    began = time.monotonic()
    pair = world.pair(volumes={"big": "8TiB"})
    pair.start()
    pair.drain()
    print("seeded after %.1f s" % (time.monotonic() - began))
    h = handle(pair.home, "big")
    assert h.get_size() == 8 << 40
    h.pwrite(b"far", (8 << 40) - 3)
    h.pwrite(b"middle", 5 << 40)
    if shutil.which("nbdfuse") and os.access("/dev/fuse", os.R_OK | os.W_OK):
        with fuse_file(pair.home, "big", str(tmp_path / "fuse")) as disk:
            # Large clusters: its own tables stay small, so that what is timed is ours.
            tool("mke2fs", "-q", "-t", "ext4", "-F", "-E", "lazy_itable_init=1",
                 "-O", "^has_journal,bigalloc", "-C", "1M", "-N", "65536", disk)
            tool("e2fsck", "-n", disk)
    else:
        print("no /dev/fuse: no filesystem was made on the large volume")
    print("a filesystem after %.1f s" % (time.monotonic() - began))
    step = (4 << 30) - MIB
    for at in range(0, 8 << 40, step):
        h.trim(min(step, (8 << 40) - at), at)
    h.flush()
    print("trimmed after %.1f s" % (time.monotonic() - began))
    assert h.pread(6, 5 << 40) == bytes(6)
    assert extents(h, 1 << 30, 0) == [(1 << 30, HOLE_ZERO)]
    pair.drain()
    h.shutdown()
    pair.stop()
    for site in (pair.home, pair.dr):
        assert os.stat(site.image("big")).st_blocks == 0
    assert time.monotonic() - began < 30


def test_a_block_device_is_adopted_in_place(world, rng):
    if os.geteuid() != 0:
        pytest.skip("not root: no loop device can be made")
    backing = world.path("backing")
    data = rng.randbytes(3 * MIB)
    with open(backing, "wb") as f:
        f.write(data)
        f.truncate(24 * MIB)
    p = subprocess.run(["losetup", "--show", "-f", backing], text=True, stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE)
    if p.returncode != 0:
        pytest.skip("losetup does not work here: " + p.stderr.strip())
    device = p.stdout.strip()
    try:
        home, dr = world.site("home"), world.site("dr")
        r = run_ctl("create", home.plan, "--active", "--plan", "shop", "--site", "home", "--peer",
                    "dr", "--volume", "disk=" + device)
        assert r.code == 0, r
        dr.create(["disk"], like=home.describe())
        dr.start_replica()
        home.start_source(dr)
        home.wait_serving()
        h = handle(home, "disk")
        assert h.get_size() == 24 * MIB
        assert h.pread(len(data), 0) == data  # what was there is there
        home.drain()
        h.pwrite(b"device", 20 * MIB + 1, nbd.CMD_FLAG_FUA)
        h.zero(70000, 1000)
        h.trim(MIB, 2 * MIB)
        h.flush()
        assert h.pread(MIB, 2 * MIB) == bytes(MIB)
        home.drain()
        h.shutdown()
        home.stop()
        dr.stop()
        want = bytearray(data + bytes(21 * MIB))
        want[20 * MIB + 1:20 * MIB + 7] = b"device"
        want[1000:71000] = bytes(70000)
        want[2 * MIB:3 * MIB] = bytes(MIB)
        with open(device, "rb") as f:
            assert f.read() == want
        assert dr.image_bytes("disk", 0, 24 * MIB) == want
    finally:
        for s in world.sites:
            s.kill()
        subprocess.run(["losetup", "-d", device], check=True)
