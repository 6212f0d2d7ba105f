# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""Volumes grow, are added and removed while the plan is protected: the standby first, in one place of
the stream, whatever dies on the way (src/engine/reshape.h)."""
import os
import subprocess
import threading

import godwit
import pytest
from sites import (CTL, BLOCK, Client, Load, MiB, Refused, assessed, caught_up, check_same, following,
                   read_file, rng, serving, sites)  # noqa: F401 (fixtures)

GROWN = 24 * MiB + 4096 + 512  # not a multiple of anything


def arguments(pair, site, change, name, size=None):
    args = {"change": change, "name": name}
    if size is not None:
        args["bytes"] = size
    if change == "add":
        args["path"] = site.image(name)
    return args


def prepare(pair, site, *change):
    site.call("prepare", **arguments(pair, site, *change))


def ask(pair, src, dst, *change):
    """What godwitd does, as often as it must: the standby is made ready, then the source changes."""
    prepare(pair, dst, *change)
    src.call("volume", **arguments(pair, src, *change), timeout_ms=20000)
    note(pair, *change)


def note(pair, change, name, size=None):
    if change == "remove":
        pair.volumes.pop(name, None)
    else:
        pair.volumes[name] = size


def sizes(site):
    return {v["name"]: v["bytes"] for v in site.status()["volumes"]}


def no_resync(site):
    s = site.status()
    assert s["resync"]["sent_bytes"] == 0 and s["fell_behind"] == 1, s["resync"]  # the seeding's


@pytest.mark.parametrize("sync", ["no", "yes"])
def test_grow_add_and_remove_under_load(sites, rng, sync):
    pair = sites({"data": 10 * MiB + 1536, "ledger": 4 * MiB, "old": 2 * MiB}, fill=False)
    pair.start(sync=sync)
    c = pair.home.client("data")
    load = Load(c, rng)
    load.run(100)
    ask(pair, pair.home, pair.dr, "grow", "data", GROWN)
    load.run(50)
    assert c.size == 10 * MiB + 1536  # a client keeps the size that it was told
    big = pair.home.client("data")
    assert big.size == GROWN and big.read(GROWN - 4096, 4096) == bytes(4096)
    more = Load(big, rng, size_max=64 * 1024)
    more.run(50)
    big.write(GROWN - 512, b"\xff" * 512)  # the last bytes
    ask(pair, pair.home, pair.dr, "add", "new", 6 * MiB)
    n = pair.home.client("new")
    assert n.size == 6 * MiB
    fresh = Load(n, rng)
    fresh.run(50)
    ask(pair, pair.home, pair.dr, "remove", "old")
    with pytest.raises(Exception, match="no export named"):
        Client(pair.home.socket, "old")
    for x in (load, more, fresh):
        x.run(30)
        x.drain()
    pair.settle(pair.home)
    assert sizes(pair.home) == sizes(pair.dr) == pair.volumes
    assert pair.home.status()["changing"] is None
    pair.check_equal()
    d = pair.dr.status()
    assert d["consistent"] and pair.dr.undo_ids() == []  # it never stopped being one
    # There, and back.
    pair.home.close_clients()
    pair.hand_over(pair.home, pair.dr)
    pair.dr.until(caught_up)
    m = pair.dr.client("new")
    m.write(5 * MiB, b"from dr" * 512)
    m.flush()
    pair.settle(pair.dr)
    pair.hand_over(pair.dr, pair.home)
    pair.settle(pair.home)
    assert pair.home.client("new").read(5 * MiB, 7) == b"from dr"
    pair.home.stop()
    pair.dr.stop()
    pair.check_equal()


def test_what_is_refused(sites):
    pair = sites({"data": 4 * MiB, "ledger": 4 * MiB})
    pair.start()
    for site in (pair.dr, pair.home):
        with pytest.raises(Refused, match="cannot shrink from 4194304 to 2097152"):
            prepare(pair, site, "grow", "data", 2 * MiB)
        with pytest.raises(Refused, match="no volume 'nope'"):
            prepare(pair, site, "grow", "nope", 8 * MiB)
        with pytest.raises(Refused, match="another volume 'ledger'"):
            prepare(pair, site, "add", "ledger", 8 * MiB)
    with open(pair.dr.image("full"), "wb") as f:
        f.truncate(8 * MiB)
        f.seek(7 * MiB)
        f.write(b"x")
    with pytest.raises(Refused, match="holds data in the bytes"):
        prepare(pair, pair.dr, "add", "full", 8 * MiB)
    assert read_file(pair.dr.image("full"))[7 * MiB:7 * MiB + 1] == b"x"
    c = pair.home.client("ledger")
    with pytest.raises(Refused, match="in use by 1 client: unmount"):
        pair.home.call("volume", change="remove", name="ledger")
    c.write(0, b"still there")
    pair.home.close_clients()
    ask(pair, pair.home, pair.dr, "remove", "ledger")
    ask(pair, pair.home, pair.dr, "remove", "ledger")  # it is so already
    with pytest.raises(Refused, match="only volume"):
        pair.home.call("volume", change="remove", name="data")
    # Not made ready at the standby: it says so, and nothing has changed.
    with pytest.raises(Refused, match="dr: the change was not prepared here"):
        pair.home.call("volume", change="grow", name="data", bytes=8 * MiB)
    assert sizes(pair.home) == sizes(pair.dr) == {"data": 4 * MiB}
    pair.settle(pair.home)
    pair.dr.stop()
    with pytest.raises(Refused, match="the standby first"):
        pair.home.call("volume", change="grow", name="data", bytes=8 * MiB)
    assert pair.home.status()["changing"] is None
    pair.dr.replica()
    pair.settle(pair.home)
    ask(pair, pair.home, pair.dr, "grow", "data", 8 * MiB)
    pair.check_equal()


POINTS = ["reshape.stored", "reshape.before", "reshape.after", "meta.before", "meta.after"]
CHANGES = [("grow", "data", 12 * MiB), ("add", "new", 2 * MiB), ("remove", "ledger")]


def crashes(*more):
    """What make test has no time for is left to make torture."""
    all = [(p, c) for p in [*more, *POINTS] for c in CHANGES]
    if not os.environ.get("GODWIT_TORTURE"):
        all = [(p, c) for p, c in all if p == "reshape.stored" or c[0] == "grow" and p != "meta.after"]
    return [pytest.param(p, c, id=p + "-" + c[0]) for p, c in all]


class Asking(threading.Thread):
    """The command at the source, while things happen to it."""

    def __init__(self, pair, change):
        super().__init__()
        self.pair, self.change, self.error = pair, change, None
        self.start()

    def run(self):
        try:
            self.pair.home.call("volume", **arguments(self.pair, self.pair.home, *self.change),
                                timeout_ms=20000)
        except Refused as e:
            self.error = e


def finish(pair, change):
    """After a crash: asked again until it is so."""
    def made():
        try:
            ask(pair, pair.home, pair.dr, *change)
            return True
        except Refused as e:
            assert e.code in ("ENOTCONN", "ECONNABORTED", "EAGAIN", "EPERM"), e
            return False
    godwit.wait_for("the change", made, 30)


@pytest.mark.parametrize("point, change", crashes())
def test_standby_dies(sites, rng, point, change):
    pair = sites({"data": 4 * MiB, "ledger": 2 * MiB}, fill=False)
    pair.start()
    load = Load(pair.home.client("data"), rng)
    load.run(30)
    prepare(pair, pair.dr, *change)
    pair.settle(pair.home)
    pair.dr.kill()
    pair.dr.replica(crash=point + ":1" if point.startswith("reshape") else point + ":2")
    pair.home.until(following)
    asking = Asking(pair, change)
    godwit.wait_for("the crash, or the change",
                    lambda: not pair.dr.running or not asking.is_alive())
    if pair.dr.running:
        pair.dr.kill()
    pair.dr.replica()
    asking.join()
    assert asking.error is None or asking.error.code in ("ECONNABORTED", "ENOTCONN"), asking.error
    finish(pair, change)
    load.run(30)
    load.drain()
    pair.settle(pair.home)
    assert sizes(pair.home) == sizes(pair.dr) == pair.volumes
    pair.check_equal()


@pytest.mark.parametrize("point, change", crashes("reshape.prepared"))
def test_source_dies(sites, rng, point, change):
    pair = sites({"data": 4 * MiB, "ledger": 2 * MiB}, fill=False)
    pair.start()
    pair.home.client("data").write(0, b"before" * 512)
    pair.settle(pair.home)
    pair.home.stop()
    pair.home.source(crash=point + (":1" if point.startswith("reshape") else ":4"))
    pair.settle(pair.home)
    prepare(pair, pair.dr, *change)
    try:
        pair.home.call("volume", **arguments(pair, pair.home, *change))
        pair.home.kill()
    except Exception:
        pair.home.crashed()
    # What the standby has is an image of one of both shapes, and may be promoted.
    pair.home.source()
    pair.settle(pair.home)
    finish(pair, change)
    pair.settle(pair.home)
    assert sizes(pair.home) == sizes(pair.dr) == pair.volumes
    pair.check_equal()


@pytest.mark.parametrize("change", CHANGES, ids=lambda c: c[0])
def test_failover_in_the_middle(sites, rng, change):
    """The source dies when the standby has the change and it has not; it comes back as the standby."""
    pair = sites({"data": 4 * MiB, "ledger": 2 * MiB}, fill=False)
    pair.start()
    pair.home.client("data").write(0, b"before" * 512)
    pair.settle(pair.home)
    pair.home.stop()
    pair.home.source(crash="reshape.before")
    pair.settle(pair.home)
    prepare(pair, pair.dr, *change)
    with pytest.raises(Exception):
        pair.home.call("volume", **arguments(pair, pair.home, *change))
    pair.home.crashed()
    note(pair, *change)
    assert sizes(pair.dr) == pair.volumes
    pair.fail_over(pair.dr)
    name, size = ("data", 4 * MiB) if change[0] == "remove" else change[1:]
    pair.dr.client(name).write(size - 4096, b"behind" * 600)
    pair.home.replica()
    pair.dr.until(assessed)
    assert sizes(pair.home) == pair.volumes
    pair.home.call("sign", by="op")
    pair.settle(pair.dr)
    pair.check_equal()


def test_points_of_before(sites):
    pair = sites({"data": 4 * MiB, "ledger": 2 * MiB}, fill=False)
    pair.start()
    c = pair.home.client("data")
    c.write(0, b"first" * 800)
    pair.home.call("point", id="before")
    c.write(0, b"later" * 800)
    ask(pair, pair.home, pair.dr, "grow", "data", 8 * MiB)
    pair.home.client("data").write(6 * MiB, b"later" * 800)
    pair.home.close_clients()
    ask(pair, pair.home, pair.dr, "remove", "ledger")
    pair.settle(pair.home)
    pair.home.kill()
    answer = pair.dr.promote(point="before")
    assert answer["compare_all"]
    data = read_file(pair.dr.image("data"))
    assert len(data) == 8 * MiB and data[:4000] == b"first" * 800 and not any(data[4000:])


def test_point_before_an_added_volume(sites):
    pair = sites({"data": 4 * MiB}, fill=False)
    pair.start()
    pair.home.call("point", id="before")
    ask(pair, pair.home, pair.dr, "add", "new", 2 * MiB)
    pair.home.call("point", id="after")
    pair.home.kill()
    with pytest.raises(Refused, match="before volume 'new' was added"):
        pair.dr.promote(point="before")
    pair.dr.program.wait()
    code, answer, _ = pair.dr.promote_offline("--point", "after")
    assert code == 0 and answer["epoch"] == 2


def test_a_crash_leaves_no_trace_of_a_removed_volume(sites, rng):
    """Its extents are in the hot log still: they are passed over, not taken for damage."""
    pair = sites({"data": 4 * MiB, "old": 2 * MiB}, fill=False)
    pair.start()
    pair.home.client("old").write(0, b"x" * 4096)
    pair.home.close_clients()
    pair.settle(pair.home)
    ask(pair, pair.home, pair.dr, "remove", "old")
    assert os.path.getsize(pair.home.image("old")) == 2 * MiB
    with open(pair.home.image("old"), "rb") as f:
        assert f.read(1) == b"x"  # its file is left alone
    pair.home.kill()
    pair.home.source()
    s = pair.settle(pair.home)
    assert s["damaged_map_pages"] == 0 and "damaged" not in pair.home.log_text()
    ask(pair, pair.home, pair.dr, "add", "older", 2 * MiB)
    pair.settle(pair.home)
    pair.home.stop()
    assert subprocess.run([CTL, "inspect", "--dir", pair.home.plan]).returncode == 0
