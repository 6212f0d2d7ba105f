# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""The divergent tail, exactly: with the state at the fork pinned (reflinks) the list is what home
acknowledged alone, and nothing that DR wrote since."""
import os
import subprocess

import pytest
from sites import (BLOCK, Load, MiB, Refused, assessed, blocks_of, disconnected, lose_home_with_a_tail,
                   rng, sites)  # noqa: F401 (fixtures)


@pytest.fixture
def xfs():
    """xfs(site): the site's plan and volumes are on a file system with reflinks."""
    made = []

    def use(site):
        site.use_disk(os.path.join(site.dir, "disk"))
        image = os.path.join(site.dir, "disk.xfs")
        with open(image, "wb") as f:
            f.truncate(320 * MiB)
        for argv in (["mkfs.xfs", "-q", "-m", "reflink=1", image],
                     ["mount", "-o", "loop", image, site.disk]):
            r = subprocess.run(argv, capture_output=True, text=True)
            if r.returncode != 0:
                pytest.skip("cannot mount a file system with reflinks: " + r.stderr.strip())
        made.append(site)

    yield use
    for site in made:
        if site.running:
            site.kill()
        subprocess.run(["umount", site.disk], check=True)


def blocks_in(ranges, volume):
    return {b for r in ranges if r["volume"] == volume
            for b in range(r["offset"] // BLOCK, (r["offset"] + r["length"] + BLOCK - 1) // BLOCK)}


def lost_home(sites, rng, prepare):
    """A failover with a tail, and life at DR among the same blocks. Gives pair, tail, promotion."""
    pair = sites({"data": 8 * MiB + 512}, prepare=prepare)
    pair.start()
    tail = lose_home_with_a_tail(pair, rng, writes=30)
    promotion = pair.fail_over(pair.dr)
    load = Load(pair.dr.client("data"), rng)
    load.run(150)
    load.drain()
    pair.link.restore()
    pair.home.replica()
    pair.dr.until(assessed)
    return pair, blocks_of(tail), promotion


def test_exact_tail(sites, rng, xfs):
    pair, lost, promotion = lost_home(sites, rng, lambda p: xfs(p.dr))
    assert promotion["fork_point"] is True
    tail = pair.home.call("tail")
    assert tail["known"] and tail["complete"] and tail["exact"]
    assert blocks_in(tail["ranges"], "data") == lost and tail["blocks"] == len(lost)
    status = pair.dr.status()
    assert status["assess"]["tail_blocks"] == len(lost)
    assert "at most" not in status["reason"]
    assert status["assess"]["differing_blocks"] > len(lost)  # what DR wrote
    # The list outlives the process that found it.
    pair.link.cut()
    pair.dr.until(disconnected)
    assert pair.home.ctl("divergence", "sign", "--by", "eva")
    pair.home.stop()
    pair.home.replica()
    pair.link.restore()
    pair.settle(pair.dr)
    pair.check_equal()
    pair.home.stop()
    kept, = pair.home.ctl("divergence", "list", offline=True)["undo"]
    shown = pair.home.ctl("divergence", "show", kept["id"], offline=True)
    assert shown["exact"] and blocks_in(shown["ranges"], "data") == lost
    assert not [n for n in os.listdir(pair.home.plan) if n.startswith("tail-")]


def test_a_tail_without_the_fork(sites, rng):
    """No reflinks: a superset, and it says so."""
    pair, lost, promotion = lost_home(sites, rng, None)
    assert promotion["fork_point"] is False
    tail = pair.home.call("tail")
    assert tail["complete"] and not tail["exact"]
    found = blocks_in(tail["ranges"], "data")
    assert lost < found  # home's hot extents are coarse: what DR wrote in them is in the list
    assert "at most" in pair.dr.status()["reason"]
    pair.home.call("sign", by="eva")
    pair.settle(pair.dr)
    pair.home.stop()
    kept, = pair.home.ctl("divergence", "list", offline=True)["undo"]
    shown = pair.home.ctl("divergence", "show", kept["id"], offline=True)
    assert not shown["exact"] and lost <= blocks_in(shown["ranges"], "data")


def test_a_fork_point_of_another_state_is_not_used(sites, rng, xfs):
    """What is not exactly the state at the fork makes no exact list."""
    pair = sites({"data": 8 * MiB}, prepare=lambda p: xfs(p.dr))
    pair.start()
    lose_home_with_a_tail(pair, rng, writes=10)
    promotion = pair.fail_over(pair.dr)
    point = "fork-%d" % promotion["epoch"]
    pair.dr.stop()
    pair.dr.ctl("point", "delete", point, "--yes", offline=True)
    pair.dr.source()
    pair.link.restore()
    pair.home.replica()
    pair.dr.until(assessed)
    assert not pair.home.call("tail")["exact"]


def test_nobody_signs_what_was_not_counted(sites, rng):
    pair = sites({"data": 4 * MiB})
    pair.start()
    with pytest.raises(Refused) as e:
        pair.dr.call("sign", by="eva")  # a standby that follows
    assert "nothing waits for a signature" in e.value.message
    lose_home_with_a_tail(pair, rng, writes=10)
    pair.fail_over(pair.dr)
    pair.home.replica()
    with pytest.raises(Refused) as e:
        pair.home.call("sign", by="eva")  # dr did not call yet
    assert "nothing waits for a signature" in e.value.message
    pair.link.restore()
    pair.dr.until(assessed)
    pair.home.call("sign", by="eva")
    pair.settle(pair.dr)
    with pytest.raises(Refused) as e:
        pair.home.call("sign", by="eva")  # it is over
    assert "nothing waits for a signature" in e.value.message
    pair.check_equal()
