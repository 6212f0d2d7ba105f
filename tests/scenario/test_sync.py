# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""Sync mode: what was acknowledged is at both sites. And granted mode: nothing is acknowledged past
the deadline."""
import time

import pytest
from sites import (BLOCK, Failed, Load, MiB, Refused, assessed, caught_up, disconnected, read_file,
                   rng, sites)  # noqa: F401 (fixtures)


def in_sync(s):
    return s["replication"] == "sync" and s["recorded"] == "sync"


def start_in_sync(pair, **options):
    pair.start(sync="yes", **options)
    pair.home.until(in_sync)


@pytest.mark.parametrize("seed", range(3))
def test_no_acknowledged_write_is_lost(sites, rng, seed):
    """kill -9 under load, promotion: every acknowledged write is at dr, all of it."""
    pair = sites()
    start_in_sync(pair)
    load = Load(pair.home.client("data"), rng, depth=16)
    ledger = Load(pair.home.client("ledger"), rng, depth=1, size_max=512)
    ledger.run(5)
    load.run(150 + seed * 37)
    ledger.run(20)
    load.run(3)
    pair.home.program.kill()
    for x in (load, ledger):
        x.abandon()
    pair.fail_over(pair.dr)
    assert not load.lost(pair.dr.images()["data"])
    assert not ledger.lost(pair.dr.images()["ledger"])
    life = Load(pair.dr.client("data"), rng)
    life.run(30)
    life.drain()
    pair.home.close_clients()
    # Home may hold writes that nobody was told of: they are assessed like any tail.
    pair.home.replica()
    s = pair.dr.until(lambda s: assessed(s) or caught_up(s))
    if s["replication"] == "assessing":
        pair.home.call("sign", by="eva")
    pair.settle(pair.dr)
    pair.check_equal()


def test_no_acknowledged_write_is_lost_when_both_processes_die(sites, rng):
    """Received means in the journal file: it survives the replica's process, too."""
    pair = sites()
    start_in_sync(pair)
    load = Load(pair.home.client("data"), rng, depth=16)
    load.run(150)
    pair.dr.kill()
    pair.home.kill()
    load.abandon()
    code, answer, said = pair.dr.promote_offline()
    assert code == 0, said
    assert not load.lost(pair.dr.images()["data"])


def test_row_9_is_not_for_a_mere_process(sites, rng):
    """The crashed home has the boot id it had: it is source (row 10), with all it acknowledged."""
    pair = sites()
    start_in_sync(pair)
    load = Load(pair.home.client("data"), rng)
    load.run(50)
    pair.home.kill()
    load.abandon()
    pair.home.source(sync="yes")
    pair.settle(pair.home)
    pair.home.until_log("verdict row 10")
    pair.home.until(in_sync)
    assert not load.lost(read_file(pair.home.image("data")))
    pair.check_equal()


def test_link_loss_continue(sites, rng):
    """UNSYNC is durable before the first acknowledgement that only this side has."""
    pair = sites()
    start_in_sync(pair, on_link_loss="continue", unsync_ms=400)
    c = pair.home.client()
    c.write(0, b"both")
    pair.link.cut()
    pair.home.until(disconnected)
    op = c.submit("pwrite", b"home", BLOCK)
    c.stays_unanswered(op, 0.1)
    assert pair.home.status()["recorded"] == "sync"
    c.wait(op)
    assert op.ok()
    assert pair.home.inspect()["recorded"] == "unsync"
    s = pair.home.status()
    assert "UNSYNC" in s["reason"], s["reason"]
    load = Load(c, rng)
    load.run(40)
    load.drain()
    pair.link.restore()
    s = pair.home.until(in_sync)
    assert s["verdict"]["row"] == 7
    pair.settle(pair.home)
    pair.check_equal()
    # And the promise holds again.
    load.run(20)
    pair.home.program.kill()
    load.abandon()
    pair.dr.promote()
    assert not load.lost(pair.dr.images()["data"])


def test_link_loss_continue_crash_before_unsync_is_recorded(sites, rng):
    pair = sites()
    start_in_sync(pair)
    pair.home.stop()
    pair.home.source(sync="yes", unsync_ms=200, crash="source.unsync")
    pair.home.until(in_sync)
    load = Load(pair.home.client("data"), rng, depth=4)
    load.run(30)
    pair.link.cut()
    load.run(until=lambda: not pair.home.running)
    pair.home.crashed()
    load.abandon()
    assert pair.home.inspect()["recorded"] == "sync"
    pair.dr.promote()
    assert not load.lost(pair.dr.images()["data"])


def test_link_loss_suspend(sites, rng):
    """Writes wait as long as it takes; reads go on; nothing is recorded as lost."""
    pair = sites()
    start_in_sync(pair, on_link_loss="suspend", unsync_ms=100)
    c = pair.home.client()
    c.write(0, b"both")
    pair.link.cut()
    pair.home.until(disconnected)
    ops = [c.submit("pwrite", b"waits", k * BLOCK) for k in range(1, 9)] + [c.submit("flush")]
    for op in ops:
        c.stays_unanswered(op, 0.05)
    c.stays_unanswered(ops[0], 0.5)
    s = pair.home.until(lambda s: "suspend" in s["reason"])
    assert s["recorded"] == "sync" and s["service"] == "serving"
    other = pair.home.client()
    assert other.read(0, 4) == b"both"
    pair.link.restore()
    c.wait(*ops)
    assert all(op.ok() for op in ops)
    s = pair.home.until(in_sync)
    pair.settle(pair.home)
    pair.check_equal()


def test_a_cancelled_handover_does_not_lift_suspend(sites, rng):
    """The target is gone and its token cannot be voided: what the plan says of writes still holds."""
    pair = sites()
    start_in_sync(pair, on_link_loss="suspend", unsync_ms=100)
    pair.home.call("quiesce")
    pair.home.call("equal")
    pair.dr.kill()
    pair.home.call("unquiesce")
    c = pair.home.client()
    op = c.submit("pwrite", b"alone", 0)
    c.stays_unanswered(op, 0.5)
    pair.dr.replica()
    c.wait(op)
    assert op.ok()
    pair.home.until(in_sync)
    pair.settle(pair.home)
    pair.check_equal()


def test_a_hole_is_answered_when_the_peer_has_it(sites, rng):
    """Zeroing what is a hole changes nothing here; what made the hole may not be at dr yet."""
    pair = sites({"data": 4 * MiB})
    start_in_sync(pair)
    c = pair.home.client()
    c.write(0, rng.randbytes(128 * 1024))
    pair.dr.freeze()
    first = c.submit("trim", 64 * 1024, 0)
    c.stays_unanswered(first, 0.2)
    again = [c.submit("trim", 64 * 1024, 0), c.submit("trim", 1024 * 1024, 0),
             c.submit("zero", 32 * 1024, 4096)]
    for op in again:
        c.stays_unanswered(op, 0.1)
    pair.dr.thaw()
    c.wait(first, *again)
    assert first.ok() and all(op.ok() for op in again)
    pair.settle(pair.home)
    pair.check_equal()
    fresh = c.submit("trim", 1024 * 1024, 2 * MiB)  # a hole from the beginning: nothing to wait for
    c.wait(fresh)
    assert fresh.ok()


def test_suspended_writes_end_with_the_process(sites):
    """A stop wakes what waits; it is answered with an error, never with success."""
    pair = sites()
    start_in_sync(pair, on_link_loss="suspend")
    c = pair.home.client()
    pair.link.cut()
    pair.home.until(disconnected)
    op = c.submit("pwrite", b"waits", 0)
    c.stays_unanswered(op, 0.1)
    pair.home.program.process.terminate()
    try:
        c.wait(op, timeout=10)
    except Failed:
        pass
    assert not op.ok()
    pair.home.stop()


def test_stalled_link_in_sync_mode(sites, rng):
    """Nothing comes back: writes wait until the silence counts as a loss."""
    pair = sites()
    start_in_sync(pair, unsync_ms=100, link_timeout_ms=700)
    c = pair.home.client()
    pair.link.stall()
    op = c.submit("pwrite", rng.randbytes(10000), 0)
    c.stays_unanswered(op, 0.3)
    c.wait(op)
    assert op.ok() and pair.home.inspect()["recorded"] == "unsync"
    pair.link.resume()
    pair.home.until(in_sync)
    pair.settle(pair.home)
    pair.check_equal()


def test_replica_killed_in_sync_mode(sites, rng):
    pair = sites()
    start_in_sync(pair, on_link_loss="suspend")
    load = Load(pair.home.client("data"), rng, depth=8)
    for _ in range(3):
        load.run(30)
        pair.dr.kill()
        pair.dr.replica()
    load.run(30)
    load.drain()
    pair.home.until(in_sync)
    pair.settle(pair.home)
    pair.check_equal()


def test_resync_in_sync_mode(sites, rng):
    """Fell behind, resynced under load, in sync again."""
    pair = sites({"data": 24 * MiB + 512})
    start_in_sync(pair, unsync_ms=50, ring="4M", throttle_ms=20)
    pair.link.cut()
    load = Load(pair.home.client(), rng, size_max=256 * 1024)
    load.fall_behind(pair.home)
    pair.link.restore()
    load.run(60)
    pair.home.until(in_sync)
    load.run(20)
    pair.home.program.kill()
    load.abandon()
    pair.dr.promote()
    assert not load.lost(pair.dr.images()["data"])


# ---- granted mode -----------------------------------------------------------------------------

def test_grant_and_deadline(sites, rng):
    pair = sites()
    pair.dr.replica()
    pair.home.source(granted="yes")
    c = pair.home.client()
    op = c.submit("pwrite", b"no grant yet", 0)
    rd = c.submit("pread", 512, 0)
    c.stays_unanswered(op, 0.2)
    assert not rd.done  # reads wait as well
    pair.home.call("grant", for_ms=60000)
    c.wait(op, rd)
    assert op.ok() and rd.ok()
    pair.home.call("grant", for_ms=1)  # an earlier one shortens
    pair.home.until(lambda s: s["deadline_ns"] < time.clock_gettime_ns(time.CLOCK_BOOTTIME))
    op = c.submit("pwrite", b"too late", BLOCK)
    c.stays_unanswered(op, 0.3)
    pair.home.call("grant", for_ms=60000)
    c.wait(op)
    assert op.ok()
    pair.settle(pair.home)
    pair.check_equal()


def test_without_a_grant_requests_fail_in_the_end(sites):
    pair = sites()
    pair.home.source(peer=False, granted="yes", wait_ms=300)
    c = pair.home.client()
    op = c.submit("pwrite", b"never", 0)
    c.wait(op)
    assert not op.ok()
    pair.home.call("grant", for_ms=60000)
    c.write(0, b"now")
    pair.home.kill()


def test_grant_needs_granted_mode(sites):
    pair = sites()
    pair.home.source(peer=False)
    with pytest.raises(Refused) as e:
        pair.home.call("grant", for_ms=1000)
    assert "granted" in e.value.message


def test_stopped_past_the_deadline_acknowledges_nothing(sites, rng):
    """SIGSTOP, the deadline passes, SIGCONT: the clock is read before an answer is given."""
    pair = sites()
    pair.dr.replica()
    pair.home.source(granted="yes")
    pair.home.call("grant", for_ms=60000)
    pair.settle(pair.home)
    c = pair.home.client()
    for turn in range(3):
        c.write(0, b"in time")
        pair.home.call("grant", for_ms=250)
        deadline = pair.home.status()["deadline_ns"]
        pair.home.freeze()
        ops = [c.submit("pwrite", rng.randbytes(5000), k * 8192) for k in range(8)]
        while time.clock_gettime_ns(time.CLOCK_BOOTTIME) <= deadline:
            c.stays_unanswered(ops[0], 0.02)
        pair.home.thaw()
        for op in ops:
            c.stays_unanswered(op, 0.05)
        pair.home.call("grant", for_ms=60000)
        c.wait(*ops)
        assert all(op.ok() for op in ops)
    pair.settle(pair.home)
    pair.check_equal()


def test_write_in_flight_at_the_deadline_waits(sites, rng):
    """Sync: the peer's word comes after the deadline; the client hears of it after a new grant."""
    pair = sites()
    pair.dr.replica()
    pair.home.source(granted="yes", sync="yes", on_link_loss="suspend", link_timeout_ms=20000)
    pair.home.call("grant", for_ms=60000)
    pair.home.until(in_sync)
    c = pair.home.client()
    pair.link.stall()
    op = c.submit("pwrite", b"in flight", 0)
    pair.home.until(lambda s: s["requests_in_flight"] == 0 and s["seq"] > s["durable_seq"])
    pair.home.call("grant", for_ms=1)
    c.stays_unanswered(op, 0.1)
    pair.link.resume()
    pair.home.until(lambda s: s["received_seq"] == s["seq"])
    c.stays_unanswered(op, 0.3)
    pair.home.call("grant", for_ms=60000)
    c.wait(op)
    assert op.ok()
    pair.settle(pair.home)
    pair.check_equal()


@pytest.mark.parametrize("kind", ["pwrite", "trim", "flush"])
def test_a_fence_answers_nothing_that_waits(sites, rng, kind):
    """S3: what was in flight when the fence came is answered with an error, whatever the local disk
    did: the other side may serve by now, and does not have it."""
    pair = sites()
    start_in_sync(pair)
    c = pair.home.client()
    c.write(0, rng.randbytes(128 * 1024))
    pair.dr.freeze()
    if kind == "pwrite":
        op = c.submit("pwrite", b"only here", 4096)
    elif kind == "trim":
        op = c.submit("trim", 64 * 1024, 0)
    else:
        c.submit("pwrite", b"only here", 4096)
        op = c.submit("flush")
    c.stays_unanswered(op, 0.2)
    pair.home.call("fence", reason="the other side takes over")
    c.wait(op)
    assert not op.ok()
    pair.dr.thaw()


def test_fenced_by_hand(sites, rng):
    pair = sites()
    pair.start()
    load = Load(pair.home.client("data"), rng)
    load.run(30)
    load.drain()
    pair.home.call("fence", reason="the other side takes over")
    c = pair.home.client()
    op = c.submit("pwrite", b"never", 0)
    c.wait(op)
    assert not op.ok()
    s = pair.home.status()
    assert s["service"] == "fenced" and s["role"] == "fenced"
    pair.home.kill()
    pair.home.refuses(pair.home.source)  # also after a restart
    pair.fail_over(pair.dr)
    Load(pair.dr.client("data"), rng).complete(10)
    pair.home.replica()
    s = pair.dr.until(lambda s: assessed(s) or caught_up(s))
    if s["replication"] == "assessing":
        pair.home.call("sign", by="eva")
    pair.settle(pair.dr)
    pair.check_equal()
