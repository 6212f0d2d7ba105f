# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""The active site is lost: promotion of the other, and what becomes of the tail."""
import os

import pytest
from sites import (BLOCK, Load, MiB, Refused, assessed, block_differences, blocks_of, check_same,
                   check_undo, disconnected, lose_home_with_a_tail, make_point, read_file, rng,
                   sites)  # noqa: F401 (fixtures)


def test_failover_with_a_tail(sites, rng):
    pair = sites()
    pair.start()
    at_dr = Load(pair.home.client("data"), rng)
    at_dr.run(40)
    at_dr.drain()
    tail = lose_home_with_a_tail(pair, rng)
    home_before = pair.home.images()
    assert not tail.lost(home_before["data"])
    answer = pair.fail_over(pair.dr)
    assert answer["epoch"] == 2 and not answer["handover"] and answer["rewound_blocks"] == 0
    assert answer["fork_seq"] == pair.dr.status()["seq"]
    # What was there before the cut is there; the tail is not.
    assert len(tail.lost(pair.dr.images()["data"])) > 0

    life = Load(pair.dr.client("data"), rng)
    life.run(50)
    life.drain()
    dr_now = pair.dr.images()

    # Home returns: compared, nothing overwritten before a person has signed.
    pair.link.restore()
    pair.home.replica()
    s = pair.dr.until(assessed)
    assert s["verdict"]["row"] == 12 and s["verdict"]["diverged"] and s["verdict"]["source"] == "dr"
    assert "sign" in s["reason"], s["reason"]
    h = pair.home.status()
    assert h["state"] == "assessing" and h["role"] == "active"
    assert s["assess"]["differing_blocks"] == block_differences(home_before, dr_now)
    lost = {b for b in blocks_of(tail)
            if home_before["data"][b * BLOCK:][:BLOCK] != dr_now["data"][b * BLOCK:][:BLOCK]}
    assert len(lost) <= s["assess"]["tail_blocks"] <= s["assess"]["differing_blocks"]
    assert h["tail_blocks"] == s["assess"]["tail_blocks"]
    life.run(30)  # life goes on at dr meanwhile
    life.drain()
    for v, was in home_before.items():
        check_same(was, pair.home.image(v), "home's %s before the signature" % v)
    assert pair.home.undo_ids() == []

    pair.home.call("sign", by="eva")
    life.run(60)
    life.drain()
    s = pair.settle(pair.dr)
    assert s["resync"]["done"]
    pair.check_equal()
    assert not life.lost(read_file(pair.home.image("data")))
    h = pair.home.status()
    assert h["role"] == "standby" and h["consistent"] and h["epoch"] == 2 and h["pending"] == "none"

    # Every block that changed is kept as it was; the lost writes are among them.
    undo, = pair.home.undo_ids(finished=True)
    kept = check_undo(pair.home, undo, home_before, [life])
    assert {("data", b) for b in lost} <= set(kept)
    life.run(20)
    life.drain()
    pair.settle(pair.dr)
    pair.check_equal()


def test_tail_is_listed_and_exported(sites, rng):
    pair = sites()
    pair.start()
    tail = lose_home_with_a_tail(pair, rng)
    before = pair.home.images()
    pair.fail_over(pair.dr)
    pair.link.restore()
    pair.home.replica()
    pair.dr.until(assessed)
    pair.home.call("sign", by="eva")
    pair.settle(pair.dr)
    pair.home.stop()
    listed = pair.home.ctl("divergence", "list")["undo"]
    assert len(listed) == 1 and listed[0]["signed_by"] == "eva" and listed[0]["diverged"]
    undo = listed[0]["id"]
    shown = pair.home.ctl("divergence", "show", undo, "--ranges", "100000")
    inside = lambda b: any(r["volume"] == "data" and
                           r["offset"] <= b * BLOCK < r["offset"] + r["length"]
                           for r in shown["ranges"])
    now = pair.home.images()["data"]
    lost = [b for b in blocks_of(tail) if before["data"][b * BLOCK:][:BLOCK] != now[b * BLOCK:][:BLOCK]]
    assert lost and all(inside(b) for b in lost)
    out = os.path.join(pair.root, "out")
    pair.home.ctl("divergence", "export", undo, out)
    exported = read_file(os.path.join(out, "data.tail"))
    assert len(exported) == pair.volumes["data"]
    for u, want in tail.acked.items():
        if u * tail.align // BLOCK in set(lost):
            assert exported[u * tail.align:][:tail.align] == want


def test_failover_after_the_link_was_lost_long_before(sites, rng):
    """Home fell behind (bits instead of a ring) before it died."""
    pair = sites({"data": 24 * MiB + 512})
    pair.start(ring="4M", throttle_ms=20)
    pair.link.cut()
    pair.home.until(disconnected)
    tail = Load(pair.home.client(), rng, size_max=256 * 1024)
    tail.fall_behind(pair.home)
    tail.run(40)
    tail.drain()
    pair.home.kill()
    before = pair.home.images()
    pair.fail_over(pair.dr)
    Load(pair.dr.client(), rng).complete(30)
    pair.link.restore()
    pair.home.replica()
    s = pair.dr.until(assessed)
    assert s["assess"]["differing_blocks"] == block_differences(before, pair.dr.images())
    pair.home.call("sign", by="eva")
    pair.settle(pair.dr)
    pair.check_equal()
    check_undo(pair.home, pair.home.undo_ids()[0], before)


def test_failover_without_a_tail_after_a_clean_stop(sites, rng):
    """Nothing was lost and nothing is signed: home stands at the fork."""
    pair = sites()
    pair.start()
    load = Load(pair.home.client(), rng)
    load.run(60)
    load.drain()
    pair.settle(pair.home)
    pair.home.stop()
    pair.fail_over(pair.dr)
    assert not load.lost(pair.dr.images()["data"])
    life = Load(pair.dr.client(), rng)
    life.run(30)
    life.drain()
    pair.home.replica()
    s = pair.settle(pair.dr)
    assert (s["verdict"]["row"], s["verdict"]["action"]) == (8, "stream"), s["verdict"]
    assert pair.home.undo_ids() == []
    pair.check_equal()


def test_clean_home_behind_a_restarted_dr_needs_no_signature(sites, rng):
    """dr's ring is gone, so that changed blocks are copied; home has no tail."""
    pair = sites()
    pair.start()
    pair.home.client().write(0, b"one")
    pair.settle(pair.home)
    pair.home.stop()
    pair.fail_over(pair.dr)
    load = Load(pair.dr.client(), rng)
    load.run(30)
    pair.dr.kill()
    load.abandon()
    pair.dr.source(isolated_start="yes")
    load = Load(pair.dr.client(), rng)
    load.run(30)
    load.drain()
    pair.home.replica()
    s = pair.settle(pair.dr)
    assert s["verdict"]["row"] == 12 and not s["verdict"]["diverged"]
    pair.check_equal()
    assert pair.home.undo_ids() == []


def test_old_source_is_not_served_after_a_promotion(sites, rng):
    """Home restarts as if nothing had happened: it waits, and is fenced when it hears of dr."""
    pair = sites()
    pair.start()
    lose_home_with_a_tail(pair, rng, 10)
    before = pair.home.images()
    pair.fail_over(pair.dr)
    pair.dr.client().write(0, rng.randbytes(100000))
    pair.link.restore()
    pair.home.source()
    c = pair.home.client()
    op = c.submit("pwrite", b"never", 0)
    pair.home.until(lambda s: s["reason"] != "")
    c.stays_unanswered(op, 0.2)
    pair.dr.stop()
    pair.dr.replica()  # dr's directory, now listening
    pair.home.until(lambda s: s["service"] == "fenced" and "from dr to home" in s["reason"])
    c.wait(op)
    assert not op.ok()
    for v in before:
        check_same(before[v], pair.home.image(v), "home's " + v)


def test_old_source_that_serves_alone_overwrites_nothing(sites, rng):
    """isolated-start at the wrong moment: a question for a person; nobody is overwritten."""
    pair = sites()
    pair.start()
    lose_home_with_a_tail(pair, rng, 10)
    pair.fail_over(pair.dr)
    pair.dr.client().write(0, rng.randbytes(100000))
    pair.dr.stop()
    at_dr = pair.dr.images()
    pair.link.restore()
    pair.dr.replica()
    pair.home.source(isolated_start="yes")
    c = pair.home.client()
    c.write(0, b"alone")
    s = pair.home.until(lambda s: s["verdict"] is not None)
    assert s["verdict"]["action"] == "question", s["verdict"]
    assert s["service"] == "serving"
    c.write(0, b"still")
    assert pair.dr.until(lambda d: d["reason"] != "")["state"] in ("refused", "listening")
    for v in at_dr:
        check_same(at_dr[v], pair.dr.image(v), "dr's " + v)


def test_failover_there_and_back_and_there(sites, rng):
    """Every site is lost in its turn, with a tail each time."""
    pair = sites()
    pair.start()
    src, dst = pair.home, pair.dr
    for turn in range(3):
        load = Load(src.client("data"), rng)
        load.run(30)
        load.drain()
        pair.settle(src)
        pair.link.cut()
        load.run(15)
        load.drain()
        src.kill()
        before = src.images()
        pair.fail_over(dst)
        life = Load(dst.client("data"), rng)
        life.run(20)
        pair.link.restore()
        src.replica()
        s = dst.until(assessed)
        assert s["epoch"] == turn + 2
        src.call("sign", by="eva")
        life.run(20)
        life.drain()
        pair.settle(dst)
        pair.check_equal()
        check_undo(src, src.undo_ids()[-1], before, [life])
        src, dst = dst, src


# ---- an older point ---------------------------------------------------------------------------

@pytest.mark.parametrize("home_ends", ["killed", "cut-and-killed", "clean"])
def test_promotion_to_an_older_point(sites, rng, home_ends):
    """What was rewound home had already cleared: only the rewound set makes the images equal."""
    pair = sites()
    pair.start()
    make_point(pair, rng, "early")
    wanted = make_point(pair, rng, "good")
    load = Load(pair.home.client("data"), rng)
    load.run(60)
    load.drain()
    pair.home.client("data").trim(2 * MiB, 1 * MiB)
    pair.settle(pair.home)
    assert [p["id"] for p in pair.dr.call("points")["points"]] == ["early", "good"] or \
        sorted(p["id"] for p in pair.dr.call("points")["points"]) == ["early", "good"]
    if home_ends == "cut-and-killed":
        pair.link.cut()
        load.run(20)
        load.drain()
    if home_ends == "clean":
        pair.home.stop()
    else:
        pair.home.kill()
    before = pair.home.images()
    answer = pair.dr.promote(point="good")
    assert answer["rewound_blocks"] > 0 and not answer["compare_all"]
    for v in wanted:
        check_same(wanted[v], pair.dr.image(v), "dr's %s at the point" % v)
    pair.dr.source()
    life = Load(pair.dr.client("data"), rng)
    life.run(20)
    pair.link.restore()
    pair.home.replica()
    s = pair.dr.until(assessed)
    assert s["verdict"]["row"] == 12 and s["verdict"]["diverged"]
    for v in before:
        check_same(before[v], pair.home.image(v), "home's " + v)
    pair.home.call("sign", by="eva")
    life.run(20)
    life.drain()
    pair.settle(pair.dr)
    pair.check_equal()
    check_undo(pair.home, pair.home.undo_ids()[0], before, [life])


def test_promotion_to_a_point_of_before_a_resync(sites, rng):
    """Between the point and now dr was healed by a resync: its blocks are rewound too."""
    pair = sites({"data": 16 * MiB, "ledger": 1 * MiB})
    pair.start(ring="4M", throttle_ms=20)
    wanted = make_point(pair, rng, "good")
    pair.link.cut()
    pair.home.until(disconnected)
    load = Load(pair.home.client("data"), rng, size_max=256 * 1024)
    load.fall_behind(pair.home)
    load.drain()
    pair.link.restore()
    pair.settle(pair.home)
    pair.home.kill()
    pair.dr.promote(point="good")
    for v in wanted:
        check_same(wanted[v], pair.dr.image(v), "dr's %s at the point" % v)
    pair.dr.source()
    pair.home.replica()
    pair.dr.until(assessed)
    pair.home.call("sign", by="eva")
    pair.settle(pair.dr)
    pair.check_equal()


def test_promotion_is_refused(sites):
    pair = sites()
    pair.dr.replica()
    with pytest.raises(Refused) as e:  # blank: nothing to promote
        pair.dr.call("promote")
    assert "blank" in e.value.message
    pair.home.source()
    pair.settle(pair.home)
    with pytest.raises(Refused) as e:
        pair.home.call("promote")  # a source has no such command
    with pytest.raises(Refused) as e:
        pair.dr.call("promote", point="nonsense")
    assert "nonsense" in e.value.message
