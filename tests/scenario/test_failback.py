# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""Planned moves: handover, and what happens when one is called off or interrupted. Split brains and
copies that were restored from an older time."""
import threading
import time

import nbd
import pytest
from sites import (BLOCK, DOWN, UP, Failed, Gone, Load, MiB, Refused, assessed, caught_up, check_same,
                   check_undo, disconnected, following, read_file, rng, serving,
                   sites)  # noqa: F401 (fixtures)


def check_no_resync_needed(pair, source, target, undo_before):
    s = pair.settle(source)
    assert (s["verdict"]["row"], s["verdict"]["action"]) in ((8, "stream"), (6, "in-sync")), \
        s["verdict"]
    assert s["resync"]["sent_bytes"] == 0
    assert target.undo_ids() == undo_before


def test_handover(sites, rng):
    """There and back: equal each time, and no block is copied twice."""
    pair = sites()
    pair.start()
    load = Load(pair.home.client("data"), rng)
    load.run(60)
    load.drain()
    src, dst = pair.home, pair.dr
    for turn in range(4):
        src.close_clients()
        answer = src.call("handover")
        assert answer["token"]["epoch"] == turn + 1
        assert answer["released_ms"] < 10000
        s = src.status()
        assert s["service"] == "released" and s["role"] == "standby"
        pair.check_equal()  # proven by the token, and so it is
        src.stop()
        promotion = dst.promote()
        assert promotion["handover"] and promotion["epoch"] == turn + 2
        dst.source()
        src.replica()
        load = Load(dst.client("data"), rng)
        load.run(30)
        load.drain()
        check_no_resync_needed(pair, dst, src, [])
        pair.check_equal()
        src, dst = dst, src


def test_unquiesce_does_not_lift_a_fence(sites, rng):
    """A fence that comes while a cancelled handover waits for the target stays."""
    pair = sites({"data": 4 * MiB})
    pair.start()
    pair.home.client().write(0, b"before")
    pair.settle(pair.home)
    pair.home.close_clients()
    pair.home.call("quiesce")
    pair.home.call("equal")
    pair.dr.freeze()
    said = []

    def cancel():
        try:
            said.append(pair.home.call("unquiesce", timeout_ms=20000))
        except Refused as e:
            said.append(e.value if hasattr(e, "value") else e)
    waits = threading.Thread(target=cancel)
    waits.start()
    time.sleep(0.3)  # it waits for dr
    pair.home.call("fence", reason="test")
    pair.dr.thaw()
    waits.join()
    assert isinstance(said[0], Refused) and "no longer quiesced" in said[0].message, said
    s = pair.home.status()
    assert s["service"] == "fenced" and s["role"] == "fenced"


def test_handover_under_load(sites, rng):
    """Every write that was acknowledged before is at the other side."""
    pair = sites()
    pair.start()
    load = Load(pair.home.client("data"), rng, depth=16)
    load.run(100)
    answer = pair.home.call("handover")
    load.take_answers()
    pair.home.close_clients()
    assert not load.lost(pair.dr.images()["data"])
    pair.home.stop()
    promotion = pair.dr.promote()
    assert promotion["handover"]
    pair.check_equal()
    assert not load.lost(pair.dr.images()["data"])


def test_released_side_never_serves(sites):
    pair = sites()
    pair.start()
    c = pair.home.client()
    pair.home.call("handover")
    with pytest.raises(Failed):
        c.write(0, b"too late")
    with pytest.raises(Failed):
        c.read(0, 512)
    pair.home.stop()
    assert "role is standby" in pair.home.refuses(pair.home.source)
    assert "role is standby" in pair.home.refuses(pair.home.source, isolated_start="yes")


def test_handover_step_by_step(sites, rng):
    pair = sites()
    pair.start()
    c = pair.home.client()
    with pytest.raises(Refused):
        pair.home.call("equal")
    with pytest.raises(Refused):
        pair.home.call("release")
    pair.home.call("quiesce")
    with pytest.raises(Refused):
        pair.home.call("release")  # nothing is proven yet
    op = c.submit("pwrite", b"waits", 0)
    c.stays_unanswered(op, 0.2)
    c.read(0, 100)  # reads harm nothing
    token = pair.home.call("equal")["token"]
    assert pair.home.call("equal")["token"] == token
    d = pair.dr.until(lambda d: d["token"] is not None)
    assert d["token"] == token
    c.stays_unanswered(op, 0.1)
    # Called off: the token is void before a write is taken.
    pair.home.call("unquiesce")
    c.wait(op)
    assert op.ok()
    assert pair.dr.status()["token"] is None
    with pytest.raises(Refused):
        pair.home.call("release")
    pair.settle(pair.home)
    pair.check_equal()
    pair.home.kill()
    assert not pair.dr.promote()["handover"]


def test_handover_called_off_when_the_peer_is_away(sites, rng):
    """equal times out; service goes on as if nothing had been."""
    pair = sites()
    pair.start(link_timeout_ms=500)
    load = Load(pair.home.client("data"), rng)
    load.run(20)
    pair.link.cut()
    load.run(5)
    with pytest.raises(Refused) as e:
        pair.home.call("handover", timeout_ms=600)
    assert "nothing was handed over" in e.value.message
    assert serving(pair.home.status())
    load.run(20)
    load.drain()
    pair.link.restore()
    pair.settle(pair.home)
    pair.check_equal()
    answer = pair.home.call("handover")  # and the next one is good
    assert answer["token"]["seq"] > 0
    pair.check_equal()


def test_token_is_not_voided_when_the_target_cannot_be_told(sites, rng):
    """P2: UNSYNC is durable at the old source before a cancelled handover takes a write."""
    pair = sites()
    pair.start(link_timeout_ms=500)
    c = pair.home.client()
    pair.home.call("quiesce")
    pair.home.call("equal")
    pair.link.cut()
    pair.home.until(disconnected)
    pair.home.call("unquiesce", timeout_ms=300)
    assert pair.home.status()["recorded"] == "unsync"
    c.write(0, b"after the token")
    pair.home.kill()
    # dr still has the token: true for its own moment. Its promotion is a failover all the same.
    pair.dr.promote()
    pair.dr.source()
    pair.link.restore()
    pair.home.replica()
    s = pair.dr.until(assessed)
    assert s["verdict"]["diverged"]  # the write is not silently dropped
    pair.home.call("sign", by="eva")
    pair.settle(pair.dr)
    pair.check_equal()


def test_token_is_void_after_a_new_session_wrote(sites, rng):
    """The link is lost after equal, the handover is called off, writes go on, the link is back."""
    pair = sites()
    pair.start(link_timeout_ms=500)
    pair.home.call("quiesce")
    pair.home.call("equal")
    pair.link.drop()
    pair.home.until(lambda s: pair.link.accepted >= 2 and caught_up(s))
    pair.home.call("unquiesce")
    pair.home.client().write(0, b"more")
    pair.settle(pair.home)
    assert pair.dr.status()["token"] is None
    pair.check_equal()


def test_token_is_void_once_the_old_source_calls_again(sites, rng):
    """R17: called off while dr could not be told. From its next hello on home goes on with dr, so the
    token is void before anything is written: what is answered then may be lost with the link."""
    pair = sites()
    pair.start(link_timeout_ms=500)
    pair.home.call("quiesce")
    pair.home.call("equal")
    assert pair.dr.status()["token"] is not None
    pair.link.cut()
    pair.home.until(disconnected)
    pair.home.call("unquiesce", timeout_ms=300)
    pair.link.restore()
    pair.home.until(following)
    assert pair.dr.status()["token"] is None
    pair.link.stall(UP)
    pair.home.client().write(0, b"answered, and never sent")
    pair.home.kill()
    assert not pair.dr.promote()["handover"]


def test_token_is_proven_to_the_session_that_asked(sites, rng):
    """R17: dr dies with the question received and not looked at. It answers nobody at its next start:
    who asked has gone on meanwhile."""
    pair = sites()
    pair.start(link_timeout_ms=500)
    Load(pair.home.client("data"), rng).complete(10)
    pair.settle(pair.home)
    pair.dr.stop()
    pair.dr.replica(crash="journal.sync.after")
    pair.home.until(following)
    pair.home.call("quiesce")
    with pytest.raises(Refused):
        pair.home.call("equal", timeout_ms=1000)
    pair.dr.crashed()
    pair.link.cut()
    pair.home.call("unquiesce", timeout_ms=300)
    pair.home.client().write(0, b"answered alone")
    pair.dr.replica()
    assert pair.dr.status()["token"] is None
    pair.home.kill()
    assert not pair.dr.promote()["handover"]


def test_target_crashes_in_the_handover(sites, rng):
    pair = sites()
    pair.start(link_timeout_ms=1000)
    Load(pair.home.client("data"), rng).complete(10)
    pair.settle(pair.home)
    pair.dr.stop()
    pair.dr.replica(crash="replica.token")
    pair.settle(pair.home)
    c = pair.home.client("ledger")
    with pytest.raises(Refused) as e:
        pair.home.call("handover", timeout_ms=1500)
    assert "nothing was handed over" in e.value.message
    pair.dr.crashed()
    assert serving(pair.home.status())
    pair.dr.replica()
    c.write(9000, b"life goes on")
    pair.settle(pair.home)
    pair.check_equal()
    assert pair.dr.status()["token"] is None
    pair.home.close_clients()
    pair.hand_over(pair.home, pair.dr)
    check_no_resync_needed(pair, pair.dr, pair.home, pair.home.undo_ids())
    pair.check_equal()


def test_source_crashes_before_the_release(sites, rng):
    """It comes back as the active one: the token never became an authority."""
    pair = sites()
    pair.dr.replica()
    pair.home.source(crash="source.release.before")
    Load(pair.home.client("data"), rng).complete(20)
    pair.settle(pair.home)
    pair.home.close_clients()
    with pytest.raises(Gone):
        pair.home.call("handover")
    pair.home.crashed()
    pair.home.source()
    pair.home.until(serving)
    pair.home.client().write(0, b"again")
    pair.settle(pair.home)
    pair.check_equal()
    assert pair.dr.status()["token"] is None


def test_source_crashes_before_the_release_and_the_target_takes_over(sites, rng):
    """Or the other is promoted with the token it has: home has no tail, nothing is lost."""
    pair = sites()
    pair.dr.replica()
    pair.home.source(crash="source.release.before")
    Load(pair.home.client("data"), rng).complete(20)
    pair.settle(pair.home)
    pair.home.close_clients()
    with pytest.raises(Gone):
        pair.home.call("handover")
    pair.home.crashed()
    assert pair.dr.promote()["handover"]
    pair.check_equal()
    pair.dr.source()
    Load(pair.dr.client("data"), rng).complete(10)
    pair.home.replica()
    s = pair.dr.until(lambda s: assessed(s) or caught_up(s))
    if s["replication"] == "assessing":
        pair.home.call("sign", by="eva")
    pair.settle(pair.dr)
    pair.check_equal()


def test_source_crashes_after_the_release(sites, rng):
    """The release was durable: it never serves again, and dr takes over without a loss."""
    pair = sites()
    pair.dr.replica()
    pair.home.source(crash="source.release.after")
    load = Load(pair.home.client("data"), rng)
    load.run(20)
    load.drain()
    pair.settle(pair.home)
    pair.home.close_clients()
    with pytest.raises(Gone):
        pair.home.call("handover")
    pair.home.crashed()
    pair.home.refuses(pair.home.source)
    assert pair.dr.promote()["handover"]
    pair.dr.source()
    pair.home.replica()
    life = Load(pair.dr.client("data"), rng)
    life.run(20)
    life.drain()
    check_no_resync_needed(pair, pair.dr, pair.home, [])
    pair.check_equal()


@pytest.mark.parametrize("crash", ["stop.datasync", "stop.bits", "stop.role", "hot.forget.before",
                                   "hot.forget.after", "dirty.before", "dirty.header",
                                   "meta.before:2"])
def test_source_crashes_while_it_stops(sites, rng, crash):
    """With a link that is away, so that there are bits to keep (R12)."""
    pair = sites()
    pair.start()
    pair.home.stop()
    pair.link.cut()
    pair.home.source(crash=crash, isolated_start="yes")
    load = Load(pair.home.client("data"), rng)
    load.run(30)
    load.drain()
    pair.home.close_clients()
    pair.home.program.process.terminate()
    pair.home.crashed()
    pair.link.restore()
    pair.home.source()
    pair.settle(pair.home)
    assert not load.lost(read_file(pair.home.image("data")))
    pair.check_equal()


@pytest.mark.parametrize("crash", ["write.before:25", "write.after:25", "hot.before:3", "hot.after:3",
                                   "meta.before:2", "meta.after:2", "dirty.before", "dirty.after",
                                   "source.union", "source.fin"])
def test_source_crashes_under_load(sites, rng, crash):
    pair = sites()
    pair.dr.replica()
    pair.home.source(crash=crash, wait=False)
    load = None
    try:
        pair.home.until_answers()
        load = Load(pair.home.client("data"), rng)
        load.run(until=lambda: not pair.home.running)
    except (Gone, AssertionError, nbd.Error):
        pass  # it died before it could be spoken to
    pair.home.crashed()
    if load:
        load.abandon()
    pair.home.close_clients()
    pair.home.source()
    pair.settle(pair.home)
    assert not load or not load.lost(read_file(pair.home.image("data")))
    pair.check_equal()


# ---- split brain ------------------------------------------------------------------------------

def split_brain(pair, rng):
    """Both sides were promoted and wrote. Home serves, dr's replica listens."""
    pair.start()
    Load(pair.home.client("data"), rng).complete(30)
    pair.settle(pair.home)
    pair.link.cut()
    pair.home.kill()
    pair.dr.stop()
    assert pair.home.promote_offline("--confirm-alone")[0] == 0
    assert pair.dr.promote_offline()[0] == 0
    pair.dr.source()
    load = Load(pair.dr.client("data"), rng)
    load.run(20)
    load.drain()
    pair.dr.stop()
    pair.home.source()
    load = Load(pair.home.client("data"), rng)
    load.run(20)
    load.drain()
    pair.dr.replica()
    pair.link.restore()


def test_split_brain_touches_nothing(sites, rng):
    pair = sites()
    split_brain(pair, rng)
    s = pair.home.until(lambda s: s["verdict"] is not None)
    assert (s["verdict"]["row"], s["verdict"]["action"]) == (13, "split-brain"), s["verdict"]
    before = pair.dr.images()
    d = pair.dr.until(lambda d: d["state"] == "refused")
    assert "survivor" in d["reason"], d["reason"]
    # No verdict stops a serving site, except that of a later promotion that serves as well (row 1).
    s = pair.home.status()
    assert s["service"] == "serving"
    pair.home.client().write(0, b"home goes on")
    for v in before:
        check_same(before[v], pair.dr.image(v), "dr's " + v)


def test_split_brain_the_serving_side_survives(sites, rng):
    pair = sites()
    split_brain(pair, rng)
    s = pair.home.until(lambda s: s["verdict"] is not None)
    before = pair.dr.images()
    pair.dr.until(lambda d: d["state"] == "refused")
    pair.dr.call("choose", survivor=s["uuid"], by="eva")
    s = pair.home.until(assessed)
    assert s["verdict"]["row"] == 13 and s["verdict"]["source"] == "home"
    for v in before:
        check_same(before[v], pair.dr.image(v), "dr's " + v)
    pair.dr.call("sign", by="eva")
    load = Load(pair.home.client("data"), rng)
    load.run(10)
    load.drain()
    pair.settle(pair.home)
    pair.check_equal()
    check_undo(pair.dr, pair.dr.undo_ids()[-1], before, [load])


def test_split_brain_the_serving_side_is_given_up(sites, rng):
    """While home serves that is a question; once it has stopped it is healed from dr."""
    pair = sites()
    split_brain(pair, rng)
    pair.home.until(lambda s: s["verdict"] is not None)
    dr = pair.dr.status()
    pair.dr.call("choose", survivor=dr["uuid"], by="eva")
    s = pair.home.until(lambda s: s["verdict"]["action"] == "question")
    assert s["service"] == "serving"
    pair.home.client().write(0, b"still mine")
    pair.home.stop()
    pair.dr.stop()
    before = pair.home.images()
    pair.home.replica()
    pair.dr.source()
    s = pair.dr.until(lambda s: assessed(s) or s["service"] == "fenced")
    assert s["verdict"]["source"] == "dr", s["verdict"]
    pair.home.call("sign", by="eva")
    pair.settle(pair.dr)
    pair.check_equal()
    check_undo(pair.home, pair.home.undo_ids()[-1], before)


# ---- older copies -----------------------------------------------------------------------------

@pytest.mark.parametrize("home", ["running", "restarted", "crashed"])
def test_replica_restored_from_an_older_copy(sites, rng, home):
    """What home cleared since is not in its map: everything is compared (R5)."""
    pair = sites()
    pair.start()
    load = Load(pair.home.client("data"), rng)
    load.run(30)
    load.drain()
    pair.settle(pair.home)
    pair.dr.stop()
    old = pair.dr.save("old")
    pair.dr.replica()
    load.run(60)
    load.drain()
    pair.settle(pair.home)
    pair.dr.stop()
    pair.home.until(disconnected)
    if home == "restarted":
        pair.home.stop()
    if home == "crashed":
        pair.home.kill()
    pair.dr.restore(old)
    pair.dr.replica()
    if home != "running":
        pair.home.source()
    s = pair.settle(pair.home)
    # Or, after a crash so early that home has not forgotten anything on disk yet: its hot extents,
    # which then cover all that was ever written.
    all_of_it = sum(pair.volumes.values())
    if home == "crashed":
        touched = {unit * load.align >> 20 for unit in load.written}
        all_of_it = sum(min(1 << 20, pair.volumes["data"] - (e << 20)) for e in touched)
    assert s["verdict"]["compare_all"] or s["assess"]["compared_bytes"] >= all_of_it
    pair.check_equal()


def test_what_a_hello_acknowledged_is_remembered(sites, rng):
    """dr's word that it has everything was lost with the link, and its hello said it instead. What home
    forgot on that counts as cleared too (R5): an older copy of dr is compared in full."""
    pair = sites()
    pair.start()
    load = Load(pair.home.client("data"), rng)
    load.complete(20)
    pair.settle(pair.home)
    pair.dr.stop()
    old = pair.dr.save("old")
    pair.dr.replica()
    pair.settle(pair.home)
    pair.link.stall(DOWN)
    load.complete(30)
    seq = pair.home.status()["seq"]
    pair.dr.until(lambda s: s["durable_seq"] >= seq)
    pair.link.cut()
    s = pair.home.until(disconnected)
    assert s["durable_seq"] < seq and s["attached"]
    pair.link.resume()
    pair.link.restore()
    s = pair.home.until(lambda s: following(s) and s["durable_seq"] == seq)
    assert s["verdict"]["row"] in (6, 7), s["verdict"]
    pair.dr.stop()
    pair.home.until(disconnected)
    pair.dr.restore(old)
    pair.dr.replica()
    s = pair.settle(pair.home)
    assert s["verdict"]["compare_all"] or s["assess"]["compared_bytes"] >= sum(pair.volumes.values())
    pair.check_equal()


def test_replica_restored_while_nothing_else_was_written(sites, rng):
    """The older copy stands where the ring begins: that is no reason to compare all, but the images
    must end equal."""
    pair = sites()
    pair.start()
    load = Load(pair.home.client("data"), rng)
    load.run(30)
    load.drain()
    pair.settle(pair.home)
    pair.dr.stop()
    old = pair.dr.save("old")
    load.run(10)
    load.drain()
    pair.dr.restore(old)
    pair.dr.replica()
    s = pair.settle(pair.home)
    assert s["verdict"]["row"] == 7
    pair.check_equal()


def test_active_side_restored_from_an_older_copy(sites, rng):
    """Row 3: dr has seen numbers or incarnations that home cannot have used: nothing is copied."""
    pair = sites()
    pair.start()
    Load(pair.home.client("data"), rng).complete(20)
    pair.settle(pair.home)
    pair.home.stop()
    old = pair.home.save("old")
    pair.home.source()
    pair.home.until(following)
    Load(pair.home.client("data"), rng).complete(20)
    pair.settle(pair.home)
    pair.home.kill()
    pair.home.source()  # a restart incarnation that the older copy does not know
    pair.settle(pair.home)
    pair.home.stop()
    at_dr = pair.dr.images()
    pair.home.restore(old)
    pair.home.source()
    s = pair.home.until(lambda s: s["verdict"] is not None)
    assert (s["verdict"]["row"], s["verdict"]["action"]) == (3, "rolled-back"), s["verdict"]
    assert s["service"] != "serving"
    for v in at_dr:
        check_same(at_dr[v], pair.dr.image(v), "dr's " + v)


def test_two_sources_one_replica(sites, rng):
    """A copy of home's machine runs, too. Nobody is stopped, and whoever dr says it follows, it is the
    copy of that one and of nothing else."""
    pair = sites()
    pair.start()
    Load(pair.home.client("data"), rng).complete(20)
    pair.settle(pair.home)
    twin = pair.twin_of_home()
    twin.source()
    twin.until(lambda s: s["verdict"] is not None)
    for site in (pair.home, twin, pair.home, twin):
        if serving(site.status()):
            Load(site.client("data"), rng).complete(10)
    assert serving(pair.home.status())
    twin.kill()
    # dr holds what only the twin wrote. Home may refuse to go on, or must find all of it.
    s = pair.home.until(lambda s: caught_up(s) or s["verdict"]["action"] == "rolled-back")
    if caught_up(s):
        pair.check_equal()


def test_two_sources_in_turn(sites, rng):
    """The twin dies in the middle of healing dr, with live writes of its own in dr's image that no set
    of home knows. Home takes the copy up again: all of it must be compared."""
    pair = sites()
    pair.start(link_timeout_ms=60000)
    Load(pair.home.client("data"), rng).complete(20)
    pair.settle(pair.home)
    twin = pair.twin_of_home()
    pair.home.freeze()
    pair.link.cut()
    twin.source(bandwidth=128 * 1024, isolated_start="yes")
    c = twin.client("data")
    c.write(0, rng.randbytes(2 * MiB))  # takes long to copy
    pair.link.restore()
    twin.until(lambda s: s["replication"] == "resync")
    c = twin.client("ledger")  # a place that nobody's hot log names
    for k in range(16):
        c.write(2 * MiB + k * 2 * BLOCK, rng.randbytes(BLOCK))
    seq = twin.status()["seq"]
    twin.until(lambda s: s["applied_seq"] >= seq)
    assert not pair.dr.status()["consistent"], "the twin has healed it already"
    twin.kill()
    pair.home.thaw()
    since = pair.link.accepted
    s = pair.home.until(lambda s: pair.link.accepted > since and
                        (caught_up(s) or s["verdict"]["action"] == "rolled-back"))
    if caught_up(s):
        pair.check_equal()
