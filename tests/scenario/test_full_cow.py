# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""A full disk where overwriting needs room too: btrfs writes nothing in place. A plan's own state can then not
be stored either; that is said, nothing is lost, and with room and a restart everything goes on."""
import os
import subprocess

import pytest
from disks import Disk, Impossible
from sites import Load, MiB, read_file, rng, serving, sites  # noqa: F401 (fixtures)

NO_ROOM = "No space left on device"


@pytest.fixture
def cow():
    """cow(site): the site's plan and volumes are on btrfs. Gives the disk."""
    made = []

    def use(site):
        try:
            disk = Disk.make("btrfs", os.path.join(site.dir, "fs"))
        except Impossible as e:
            pytest.skip("cannot mount btrfs: %s" % e)
        made.append((site, disk))
        site.use_disk(os.path.join(disk.path, "site"))
        return disk

    yield use
    for site, disk in made:
        if site.running:
            site.kill()
        subprocess.run(["chattr", "-R", "-i", site.disk], check=False, stderr=subprocess.DEVNULL)
        disk.close()


def full_pair(sites, cow, which):
    """A pair that follows, every block of it written; the disk of one side."""
    disks = {}
    pair = sites({"data": 16 * MiB}, prepare=lambda p: disks.update(it=cow(getattr(p, which))))
    pair.start()
    return pair, disks["it"]


def test_home_is_full(sites, cow, rng):
    """A client hears of it; whether home serves on or has failed, it says why."""
    pair, disk = full_pair(sites, cow, "home")
    load = Load(pair.home.client(), rng)
    load.run(50)
    disk.fill(0, rng)
    load.run(until=lambda: load.unsure)
    load.take_answers()
    s = pair.home.status()
    assert serving(s) or s["service"] == "failed" and NO_ROOM in s["reason"], s
    disk.free()
    if not serving(s):
        pair.home.kill()
        load.abandon()
        assert not load.lost(read_file(pair.home.image("data")))
        pair.home.source()
    pair.home.client().write(0, b"there is room again")
    pair.home.call("resync")
    pair.settle(pair.home)
    images = pair.home.images()["data"]
    assert images[:19] == b"there is room again"
    pair.check_equal()


def test_standby_is_full(sites, cow, rng):
    """What is in the volume already is overwritten: on another file system that needs no room."""
    pair, disk = full_pair(sites, cow, "dr")
    load = Load(pair.home.client(), rng, size_max=128 * 1024)
    load.run(20)
    disk.fill(0, rng)
    load.run(until=lambda: "room" in pair.dr.status()["reason"] or NO_ROOM in pair.dr.status()["reason"])
    load.take_answers()
    assert serving(pair.home.status()) and not load.unsure  # home is not held up
    disk.free()
    if pair.dr.status()["state"] == "failed":
        pair.dr.kill()
        pair.dr.replica()
    pair.settle(pair.home)
    assert not load.lost(pair.dr.images()["data"])
    pair.check_equal()


def test_promotion_without_room(sites, cow, rng):
    """It is refused with the reason, and the same command finishes it when there is room."""
    pair, disk = full_pair(sites, cow, "dr")
    load = Load(pair.home.client(), rng)
    load.complete(50)
    pair.settle(pair.home)
    pair.home.kill()
    pair.dr.stop()
    disk.fill(0, rng)
    code, _, said = pair.dr.promote_offline()
    assert code != 0 and NO_ROOM in said, said
    assert pair.dr.inspect()["role"] == "standby"
    disk.free()
    code, _, said = pair.dr.promote_offline()
    assert code == 0, said
    assert not load.lost(pair.dr.images()["data"])
    pair.dr.source()
    pair.dr.until(serving)
    pair.dr.client().write(0, b"a new reign")
