# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""Promotion, rewind, resync and roll-back, each interrupted at its named steps (GODWIT_CRASH_POINT):
the process dies there; the same command, or a restart, finishes."""
import pytest
from sites import (Gone, Load, MiB, Refused, assessed, caught_up, check_same, check_undo, disconnected,
                   kept_tail, lose_home_with_a_tail, make_point, return_home, rng, serving,
                   sites)  # noqa: F401 (fixtures)


@pytest.mark.parametrize("crash", ["promote.replayed", "promote.meta", "meta.before", "meta.after",
                                   "promote.done"])
def test_promotion_crashes(sites, rng, crash):
    pair = sites()
    pair.start()
    tail = lose_home_with_a_tail(pair, rng, 10)
    want = pair.dr.images()
    pair.dr.stop()
    code, _, _ = pair.dr.promote_offline(crash=crash)
    assert code == -9
    code, answer, said = pair.dr.promote_offline()
    if code != 0:  # it had been promoted when it crashed
        assert crash in ("promote.done", "meta.after") and "promoted already" in said, said
    else:
        assert answer["epoch"] == 2
    for v in want:
        check_same(want[v], pair.dr.image(v), "dr's " + v)
    pair.dr.source()
    pair.dr.until(serving)
    return_home(pair, rng)


@pytest.mark.parametrize("crash", ["promote.rewind.begin", "promote.rewind.volume",
                                   "promote.rewind.volume:2", "promote.rewind.done", "dirty.header",
                                   "dirty.after:2", "meta.before:2", "meta.after:2", "meta.after:3",
                                   "promote.done"])
def test_rewind_crashes(sites, rng, crash):
    """Between two volumes, too: the same command finishes it."""
    pair = sites()
    pair.start()
    wanted = make_point(pair, rng, "good")
    load = Load(pair.home.client("data"), rng)
    load.run(40)
    load.drain()
    pair.home.client("ledger").write(1 * MiB, rng.randbytes(MiB))
    pair.settle(pair.home)
    pair.home.kill()
    pair.dr.stop()
    code, _, _ = pair.dr.promote_offline("--point=good", crash=crash)
    assert code == -9, "the crash point was not reached"
    code, answer, said = pair.dr.promote_offline("--point=good")
    if code != 0:
        assert "promoted already" in said, said
    for v in wanted:
        check_same(wanted[v], pair.dr.image(v), "dr's %s at the point" % v)
    pair.dr.source()
    pair.dr.until(serving)
    return_home(pair, rng)


def test_interrupted_rewind_serves_nobody(sites, rng):
    pair = sites()
    pair.start()
    make_point(pair, rng, "good")
    Load(pair.home.client("data"), rng).complete(20)
    pair.settle(pair.home)
    pair.home.kill()
    pair.dr.stop()
    assert pair.dr.promote_offline("--point=good", crash="promote.rewind.volume")[0] == -9
    for start in (pair.dr.replica, pair.dr.source):
        assert "rewind" in pair.dr.refuses(start)


@pytest.mark.parametrize("crash", ["undo.create", "replica.prepared", "undo.sync.before",
                                   "undo.sync.after", "replica.apply.before", "replica.apply.after",
                                   "replica.adopt.before", "replica.adopt.after", "undo.finish",
                                   "journal.append.before:2", "journal.append.after",
                                   "journal.sync.before", "journal.sync.after", "meta.before:2",
                                   "meta.after:2", "meta.after:3", "dirty.before", "dirty.header",
                                   "dirty.after", "replace.renamed", "replace.synced"])
def test_target_of_the_resync_crashes(sites, rng, crash):
    """Home dies in the middle of being healed, and comes again."""
    pair = sites()
    pair.start()
    lose_home_with_a_tail(pair, rng)
    before = pair.home.images()
    pair.fail_over(pair.dr)
    life = Load(pair.dr.client("data"), rng)
    life.run(30)
    pair.link.restore()
    if pair.home.replica_that_crashes(crash):
        pair.dr.until(lambda s: assessed(s) or not pair.home.running)
        try:
            pair.home.call("sign", by="eva")
        except Gone:
            pass
    pair.home.crashed()
    life.run(10)
    pair.home.replica()
    pair.dr.until(lambda s: assessed(s) or caught_up(s))
    if pair.dr.status()["replication"] == "assessing":  # it died before it had signed
        pair.home.call("sign", by="eva")
    life.run(10)
    life.drain()
    pair.settle(pair.dr)
    pair.check_equal()
    check_undo(pair.home, kept_tail(pair.home), before, [life])
    assert pair.home.undo_ids(finished=False) == []


@pytest.mark.parametrize("crash", ["source.union", "source.fin", "dirty.header", "dirty.after",
                                   "hot.after:2", "write.before:30", "write.after:30"])
def test_source_of_the_resync_crashes(sites, rng, crash):
    pair = sites()
    pair.start()
    lose_home_with_a_tail(pair, rng)
    before = pair.home.images()
    pair.dr.promote()
    pair.dr.source(crash=crash)
    life = Load(pair.dr.client("data"), rng)
    pair.link.restore()
    pair.home.replica()
    signed = []

    def until():
        if not pair.dr.running:
            return True
        if not signed and pair.home.status()["state"] == "assessing" and \
                pair.home.call("tail")["complete"]:
            pair.home.call("sign", by="eva")
            signed.append(1)
        return False
    life.run(until=until)
    pair.dr.crashed()
    pair.dr.close_clients()
    life.abandon()
    pair.dr.source()
    pair.dr.until(lambda s: assessed(s) or caught_up(s))
    if pair.dr.status()["replication"] == "assessing":
        pair.home.call("sign", by="eva")
    more = Load(pair.dr.client("data"), rng)
    more.run(10)
    more.drain()
    pair.settle(pair.dr)
    pair.check_equal()
    check_undo(pair.home, kept_tail(pair.home), before, [life, more])


def mid_resync(pair, rng):
    """Home is half healed by dr when dr dies. Gives home's images of before."""
    lose_home_with_a_tail(pair, rng, 120)
    before = pair.home.images()
    pair.fail_over(pair.dr)
    load = Load(pair.dr.client("data"), rng, size_max=128 * 1024)
    load.run(60)
    load.drain()
    pair.link.restore()
    pair.home.replica()
    pair.dr.until(assessed)
    pair.dr.call("bandwidth", bytes_per_second=512 * 1024)
    pair.home.call("sign", by="eva")
    pair.home.until(lambda h: h["undo_blocks"] > 40)
    Load(pair.dr.client("data"), rng).complete(5)
    assert not pair.home.status()["consistent"]
    pair.dr.kill()
    pair.home.until(lambda h: h["state"] == "listening")
    return before


def test_unfinished_resync_is_no_image(sites, rng):
    pair = sites()
    pair.start()
    mid_resync(pair, rng)
    with pytest.raises(Refused) as e:
        pair.home.call("promote")
    assert "unfinished" in e.value.message and "roll-back" in e.value.message


@pytest.mark.parametrize("crash", [None, "promote.rewind.begin", "promote.rewind.done",
                                   "meta.before", "meta.after", "meta.after:2", "promote.done"])
def test_roll_back_of_an_unfinished_resync(sites, rng, crash):
    """dr is lost in the middle of healing home: home goes back to exactly what it was, serves, and
    heals dr later."""
    pair = sites()
    pair.start()
    before = mid_resync(pair, rng)
    dr_before = pair.dr.images()
    if crash is None:
        pair.home.promote(roll_back=True)
    else:
        pair.home.stop()
        assert pair.home.promote_offline("--roll-back", crash=crash)[0] == -9
        code, _, said = pair.home.promote_offline("--roll-back")
        assert code == 0 or "promoted already" in said, said
    for v in before:
        check_same(before[v], pair.home.image(v), "home's %s after the roll-back" % v)
    pair.home.source()
    pair.home.until(serving)
    assert pair.home.status()["epoch"] == 3
    load = Load(pair.home.client("data"), rng)
    load.run(20)
    # dr returns: both were promoted after their common ancestor. A person chooses home.
    pair.dr.replica()
    s = pair.home.until(lambda s: s["verdict"] is not None)
    assert s["verdict"]["row"] == 13 and s["verdict"]["action"] == "split-brain", s["verdict"]
    for v in dr_before:
        check_same(dr_before[v], pair.dr.image(v), "dr's " + v)
    pair.dr.call("choose", survivor=s["uuid"], by="eva")
    pair.home.until(assessed)
    pair.dr.call("sign", by="eva")
    load.run(10)
    load.drain()
    pair.settle(pair.home)
    pair.check_equal()


def test_live_writes_of_a_rolled_back_resync_are_copied(sites, rng):
    """R10: what the undo file takes back is in dr's set, also where home wrote while it healed dr: home
    has forgotten that block, on dr's word that it has it, and dr says that it once came so far."""
    pair = sites()
    pair.start(ring="4M", throttle_ms=20)
    pair.settle(pair.home)
    pair.link.cut()
    pair.home.until(disconnected)
    load = Load(pair.home.client("data"), rng, size_max=256 * 1024)
    load.fall_behind(pair.home)
    load.drain()
    pair.home.call("bandwidth", bytes_per_second=1024 * 1024)
    pair.link.restore()
    pair.dr.until(lambda d: d["undo_blocks"] > 40)
    c = pair.home.client("ledger")
    c.write(8192, b"in no set" * 400)
    seq = pair.home.status()["seq"]
    pair.home.until(lambda s: s["durable_seq"] >= seq)
    pair.dr.until(lambda d: d["applied_seq"] >= seq)
    assert not pair.dr.status()["consistent"]
    pair.home.close_clients()
    pair.home.stop()
    pair.dr.until(lambda d: d["state"] == "listening")
    pair.dr.promote(roll_back=True)
    pair.dr.source()
    pair.home.replica()
    pair.dr.until(lambda s: assessed(s) or caught_up(s))
    if pair.dr.status()["replication"] == "assessing":
        pair.home.call("sign", by="eva")
    pair.settle(pair.dr)
    pair.check_equal()
