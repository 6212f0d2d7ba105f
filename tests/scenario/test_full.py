# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""A full disk at either side: nothing is lost, and it goes on when there is room."""
import os
import subprocess

import pytest
from sites import (Failed, Load, MiB, Refused, assessed, check_same, lose_home_with_a_tail, read_file,
                   rng, serving, sites)  # noqa: F401 (fixtures)


@pytest.fixture
def small():
    """small(site, MiB): the site's plan and volumes are on a file system of that size."""
    made = []

    def use(site, mib):
        site.use_disk(os.path.join(site.dir, "disk"))
        r = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%dm" % mib, "godwit-test", site.disk],
                           capture_output=True, text=True)
        if r.returncode != 0:
            pytest.skip("cannot mount a small file system: " + r.stderr.strip())
        made.append(site)

    yield use
    for site in made:
        if site.running:
            site.kill()
        subprocess.run(["umount", site.disk], check=True)


def fill_up(directory, leave):
    """Take all space but `leave` bytes."""
    free = os.statvfs(directory)
    n = free.f_bavail * free.f_frsize - leave
    path = os.path.join(directory, "ballast")
    with open(path, "wb") as f:
        os.posix_fallocate(f.fileno(), 0, n)
    return path


def test_no_room_for_the_standbys_image(sites, small, rng):
    """It receives and keeps the records, says what it waits for, and goes on by itself."""
    pair = sites(prepare=lambda p: small(p.dr, 180), volumes={"data": 24 * MiB}, fill=False)
    pair.start()
    ballast = fill_up(pair.dr.disk, 3 * MiB)
    load = Load(pair.home.client(), rng, size_max=128 * 1024)
    load.run(150)  # home is not held up
    load.drain()
    d = pair.dr.until(lambda d: d["reason"] != "")
    assert "room" in d["reason"], d["reason"]
    assert serving(pair.home.status())
    os.unlink(ballast)
    pair.settle(pair.home)
    pair.check_equal()


def test_standby_killed_while_its_disk_is_full(sites, small, rng):
    pair = sites(prepare=lambda p: small(p.dr, 180), volumes={"data": 24 * MiB}, fill=False)
    pair.start()
    ballast = fill_up(pair.dr.disk, 3 * MiB)
    load = Load(pair.home.client(), rng, size_max=128 * 1024)
    load.run(150)
    pair.dr.until(lambda d: d["reason"] != "")
    pair.dr.kill()
    load.run(20)
    load.drain()
    os.unlink(ballast)
    pair.dr.replica()
    pair.settle(pair.home)
    pair.check_equal()


def test_no_room_for_the_journal(sites, small, rng):
    """The next segment cannot be made: home falls behind, and a resync follows when there is room."""
    pair = sites(prepare=lambda p: small(p.dr, 240), volumes={"data": 16 * MiB}, fill=False)
    pair.start(ring="4M", throttle_ms=20)
    ballast = fill_up(pair.dr.disk, 18 * MiB)  # the image, and not 64 MiB more
    load = Load(pair.home.client(), rng, size_max=512 * 1024)
    load.fall_behind(pair.home, timeout=60)
    load.run(20)
    load.drain()
    assert serving(pair.home.status())
    assert pair.dr.running
    os.unlink(ballast)
    pair.settle(pair.home)
    pair.check_equal()


def test_no_room_for_the_undo_file(sites, small, rng):
    """Fail closed: what could not be kept is not overwritten."""
    pair = sites(prepare=lambda p: small(p.home, 200))
    pair.start()
    lose_home_with_a_tail(pair, rng)
    before = pair.home.images()
    pair.fail_over(pair.dr)
    Load(pair.dr.client("data"), rng).complete(60)
    pair.link.restore()
    pair.home.replica()
    pair.dr.until(assessed)
    ballast = fill_up(pair.home.disk, 64 * 1024)
    pair.home.call("sign", by="eva")
    pair.home.until(lambda h: "space" in h["reason"] or "room" in h["reason"])
    for v in before:
        check_same(before[v], pair.home.image(v), "home's " + v)
    os.unlink(ballast)
    pair.settle(pair.dr)
    pair.check_equal()


def test_no_room_for_a_point(sites, small, rng):
    pair = sites(prepare=lambda p: small(p.dr, 180), volumes={"data": 16 * MiB})
    pair.start()
    ballast = fill_up(pair.dr.disk, 8 * MiB)
    with pytest.raises(Refused) as e:
        pair.dr.call("point", id="one")
    assert "room" in e.value.message
    assert pair.dr.call("points")["points"] == []
    load = Load(pair.home.client(), rng)
    load.run(20)
    load.drain()
    pair.settle(pair.home)  # replication is not held up
    os.unlink(ballast)
    pair.dr.call("point", id="one")
    pair.check_equal()


def test_home_is_full(sites, small, rng):
    """A client's write fails; what it left is copied like everything else; service goes on."""
    pair = sites({"data": 48 * MiB}, fill=False, prepare=lambda p: small(p.home, 120))
    pair.start()
    c = pair.home.client()
    c.write(0, rng.randbytes(MiB))
    ballast = fill_up(pair.home.disk, 4 * MiB)
    with pytest.raises(Failed) as e:
        for k in range(1, 40):
            c.write(k * MiB, rng.randbytes(MiB))
    assert "space" in str(e.value).lower()
    assert serving(pair.home.status())
    c.write(100, b"there is room for this")
    os.unlink(ballast)
    for k in range(1, 40):
        c.write(k * MiB, rng.randbytes(MiB))
    c.flush()
    pair.home.call("resync")
    pair.settle(pair.home)
    pair.check_equal()


def test_home_is_full_and_dies(sites, small, rng):
    pair = sites({"data": 48 * MiB}, fill=False, prepare=lambda p: small(p.home, 120))
    pair.start()
    ballast = fill_up(pair.home.disk, 3 * MiB)
    load = Load(pair.home.client(), rng, size_max=256 * 1024)
    load.run(until=lambda: load.unsure)
    pair.home.kill()
    load.abandon()
    os.unlink(ballast)
    pair.home.source()
    pair.settle(pair.home)
    assert not load.lost(read_file(pair.home.image("data")))
    pair.check_equal()
