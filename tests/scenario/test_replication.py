# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""One direction, home to dr: seeding, streaming, falling behind, a link that misbehaves."""
import os
import socket
import subprocess
import time

import godwit
import pytest
from proxy import DOWN, UP
from sites import (BLOCK, PLUGIN, Load, MiB, caught_up, disconnected, following,
                   read_file, rng, sanitizer_env, serving, sites)  # noqa: F401 (fixtures)


def test_seed(sites):
    pair = sites({"data": 10 * MiB + 1536, "tiny": 512, "ledger": 4 * MiB + 1})
    pair.dr.replica()
    assert pair.dr.status()["blank"]
    pair.home.source()
    s = pair.settle(pair.home)
    assert s["verdict"]["row"] == 5 and s["verdict"]["action"] == "full", s["verdict"]
    d = pair.dr.until(lambda d: d["consistent"])
    assert not d["blank"] and d["pending"] == "none" and d["uuid"] == s["uuid"]
    pair.check_equal()
    # What is a hole at home costs nothing at dr.
    data_at_home = sum(os.stat(pair.home.image(v)).st_blocks for v in pair.volumes)
    data_at_dr = sum(os.stat(pair.dr.image(v)).st_blocks for v in pair.volumes)
    assert data_at_dr <= data_at_home + 64


def test_stream(sites, rng):
    pair = sites()
    pair.start()
    c, ledger = pair.home.client("data"), pair.home.client("ledger")
    load = Load(c, rng)
    load.run(150)
    ledger.write(0, b"first", fua=True)
    ledger.write(4 * MiB - 1, b"x")  # the last byte
    load.drain()
    c.trim(BLOCK * 3, BLOCK * 70)
    c.zero(1 * MiB + 100, 3 * MiB + 77)
    c.write(2 * MiB, rng.randbytes(2 * MiB + 333))  # crosses extents
    c.write(c.size - 1536, rng.randbytes(1536))
    c.flush()
    ledger.flush()
    s = pair.settle(pair.home)
    assert s["replication"] == "async" and s["recorded"] == "async"
    pair.check_equal()
    assert c.read(1 * MiB + 100, 1000) == bytes(1000)
    assert pair.dr.undo_ids() == []
    pair.home.stop()
    pair.dr.stop()
    pair.check_equal()


def no_resync_happened(pair, before):
    """The link's trouble was healed by streaming: the image of dr was consistent all the time."""
    d = pair.dr.status()
    assert pair.dr.undo_ids() == []
    assert d["pending"] == "none" and d["consistent"]
    assert pair.home.status()["resync"]["sent_bytes"] == before["resync"]["sent_bytes"]
    assert pair.dr.call("lineage")["lineage"] == pair.home.call("lineage")["lineage"]


def reconnected(pair, since):
    def a_new_session_follows(s):
        return pair.link.accepted > since and caught_up(s)
    return a_new_session_follows


def test_short_link_loss_resumes_the_stream(sites, rng):
    pair = sites()
    pair.start()
    c = pair.home.client()
    load = Load(c, rng)
    load.run(40)
    before = pair.home.status()
    pair.link.cut()
    pair.home.until(disconnected)
    load.run(60)
    load.drain()
    c.flush()  # async: the link's absence holds nobody
    s = pair.home.status()
    assert s["attached"] and s["pending_bytes"] > 0 and s["seq"] > s["durable_seq"]
    pair.link.restore()
    s = pair.settle(pair.home)
    assert (s["verdict"]["row"], s["verdict"]["action"]) == (7, "stream"), s["verdict"]
    assert s["fell_behind"] == before["fell_behind"]
    no_resync_happened(pair, before)
    pair.check_equal()


@pytest.mark.parametrize("fault", ["drop", "reset", "reset-back", "stall", "half-stall"])
def test_broken_link_resumes_the_stream(sites, rng, fault):
    pair = sites()
    pair.start(link_timeout_ms=600, replica_options={"link-timeout-ms": 600})
    c = pair.home.client()
    load = Load(c, rng)
    load.run(20)
    before, since = pair.home.status(), pair.link.accepted
    if fault == "drop":
        pair.link.drop()
        load.run(40)
    elif fault == "reset":
        for _ in range(4):  # somewhere inside of a frame, each time
            pair.link.reset_after(rng.randint(1, 60000))
            load.run(until=lambda: pair.link.pending_faults() == 0)
    elif fault == "reset-back":
        pair.link.reset_after(rng.randint(1, 40), DOWN)
        load.run(until=lambda: pair.link.pending_faults(DOWN) == 0)
    else:
        pair.link.stall(*([DOWN] if fault == "half-stall" else [UP, DOWN]))
        load.run(40)
        pair.home.until(disconnected)
        pair.dr.until(lambda d: d["state"] == "listening")
        pair.link.resume()
    load.drain()
    s = pair.home.until(reconnected(pair, since))
    # Where only the acknowledgements were lost both may stand at the same place already (row 6).
    assert s["verdict"]["row"] in (6, 7), s["verdict"]
    assert s["fell_behind"] == before["fell_behind"]
    no_resync_happened(pair, before)
    pair.check_equal()


def test_flipped_bits_are_refused(sites, rng):
    """A bad frame closes the link and is counted; nothing of it is stored; the stream goes on."""
    pair = sites()
    pair.start(ring="512MiB")  # whatever is written while the link is closed stays in it
    c = pair.home.client()
    load = Load(c, rng)
    load.run(10)
    before = pair.home.status()
    for k in range(8):
        pair.link.flip_bit(rng.randint(0, 50000))
        load.run(until=lambda: pair.link.pending_faults() == 0)
        pair.home.until(following)
    load.drain()
    s = pair.settle(pair.home)
    # Some may have hit what was still on its way when the link had been closed already.
    assert pair.dr.status()["bad_frames"] >= 4
    assert s["verdict"]["row"] in (6, 7)
    no_resync_happened(pair, before)
    pair.check_equal()


def test_flipped_acknowledgements_are_refused(sites, rng):
    pair = sites()
    pair.start()
    c = pair.home.client()
    load = Load(c, rng)
    for k in range(4):
        since = pair.link.accepted
        pair.link.flip_bit(rng.randint(0, 100), DOWN)
        load.run(until=lambda: pair.link.pending_faults(DOWN) == 0)
        load.run(until=lambda: pair.link.accepted > since)
    load.drain()
    pair.settle(pair.home)
    pair.check_equal()


def test_delayed_link(sites, rng):
    pair = sites()
    pair.link.delay(0.02)
    pair.link.delay(0.02, DOWN)
    pair.start(sync="yes")
    c = pair.home.client()
    load = Load(c, rng, depth=16)
    load.run(50)
    load.drain()
    s = pair.home.until(lambda s: s["rtt_ms"] > 0)
    assert s["rtt_ms"] >= 35, s["rtt_ms"]
    pair.settle(pair.home)
    pair.check_equal()


@pytest.mark.parametrize("how", ["stalled", "slow", "away"])
def test_fall_behind_and_catch_up(sites, rng, how):
    """A ring of 4 MiB and a link that does not take it: writers go on, bits are kept, a resync
    follows while writes go on."""
    pair = sites({"data": 24 * MiB + 512, "ledger": 1 * MiB})
    pair.start(ring="4M", throttle_ms=50, link_timeout_ms=30000)
    c = pair.home.client()
    load = Load(c, rng, depth=4, size_max=256 * 1024)
    if how == "stalled":
        pair.link.stall()
    elif how == "slow":
        pair.link.limit(1 * MiB)
    else:
        pair.link.cut()
    load.fall_behind(pair.home)
    load.run(40)
    pair.link.limit(0)
    pair.link.resume()
    pair.link.restore()
    load.run(40)
    load.drain()
    s = pair.settle(pair.home)
    assert (s["verdict"]["row"], s["verdict"]["action"]) in ((10, "resync"), (4, "resync"))
    assert s["verdict"]["source"] == "home" and not s["verdict"]["compare_all"]
    d = pair.dr.status()
    assert d["consistent"] and d["pending"] == "none" and not d["dirty_blocks"]
    assert pair.dr.undo_ids() == []  # nobody's writes were overwritten: nothing is kept
    pair.check_equal()
    # Following again is real.
    load.run(20)
    load.drain()
    pair.settle(pair.home)
    pair.check_equal()


def test_a_trickle_is_no_dead_link(sites, rng):
    """A batch that takes longer than the link's time-out at this rate: heartbeats go on, and a limit
    that is lifted is lifted at once."""
    pair = sites({"data": 4 * MiB})
    pair.start(link_timeout_ms=1500)
    pair.home.call("bandwidth", bytes_per_second=8 * 1024)
    c = pair.home.client()
    for k in range(4):
        c.write(k * MiB // 2, rng.randbytes(256 * 1024))
    accepted = pair.link.accepted
    time.sleep(4)  # more than two time-outs; the debt of the first batch is not paid by then
    s = pair.home.status()
    assert following(s) and s["lag_records"] > 0 and pair.link.accepted == accepted
    pair.home.call("bandwidth", bytes_per_second=0)
    pair.settle(pair.home)
    pair.check_equal()


def test_bandwidth_limit(sites, rng):
    pair = sites({"data": 8 * MiB})
    pair.start(zstd=1)
    sent = pair.home.status()["sent_bytes"]
    pair.home.call("bandwidth", bytes_per_second=256 * 1024)
    c = pair.home.client()
    c.write(0, rng.randbytes(1 * MiB))
    s = pair.home.until(lambda s: s["sent_bytes"] > sent)
    assert s["seq"] > s["durable_seq"]
    pair.home.call("bandwidth", bytes_per_second=0)
    pair.settle(pair.home)
    pair.check_equal()


def test_zstd(sites, rng):
    pair = sites()
    pair.start(zstd=3)
    c = pair.home.client()
    sent = pair.home.status()
    for i in range(40):
        c.write(i * 100000, b"all work and no play " * 3000)
    c.write(5 * MiB, rng.randbytes(MiB))
    s = pair.settle(pair.home)
    assert s["sent_bytes"] - sent["sent_bytes"] < (s["sent_raw_bytes"] - sent["sent_raw_bytes"]) / 2
    pair.check_equal()


# ---- crashes ----------------------------------------------------------------------------------

def test_replica_killed_in_the_stream(sites, rng):
    pair = sites()
    pair.start()
    load = Load(pair.home.client(), rng)
    before = pair.home.status()
    for _ in range(3):
        load.run(30)
        pair.dr.kill()
        load.run(20)
        pair.dr.replica()
        load.run(20)
        pair.home.until(following)
    load.drain()
    s = pair.settle(pair.home)
    assert s["verdict"]["row"] == 7, s["verdict"]
    no_resync_happened(pair, before)
    pair.check_equal()


def births(site):
    return [e["birth"] for e in site.call("lineage")["lineage"]]


def test_source_killed_and_restarted(sites, rng):
    """Row 10: it is source, under a restart incarnation; what was hot is compared."""
    pair = sites()
    pair.start()
    old = pair.home.status()
    load = Load(pair.home.client(), rng)
    load.run(80)
    pair.home.kill()
    load.abandon()
    pair.home.source()
    assert not load.lost(read_file(pair.home.image("data")))
    s = pair.settle(pair.home)
    pair.home.until_log("verdict row 10")
    assert births(pair.home) == ["creation", "restart"] == births(pair.dr)
    assert s["epoch"] == old["epoch"] and s["uuid"] != old["uuid"]
    assert s["seq"] >= old["seq_reserved"]  # numbers are never reused
    d = pair.dr.status()
    assert d["consistent"] and d["uuid"] == s["uuid"]
    pair.check_equal()
    load = Load(pair.home.client(), rng)
    load.run(20)
    load.drain()
    pair.settle(pair.home)
    pair.check_equal()


def test_restarted_source_waits_for_its_peer(sites, rng):
    pair = sites()
    pair.start()
    pair.home.client().write(0, b"before")
    pair.link.cut()
    pair.home.kill()
    pair.home.source()
    assert pair.home.status()["service"] == "waiting"
    c = pair.home.client()
    op = c.submit("pwrite", b"after", BLOCK)
    c.stays_unanswered(op, 0.3)
    pair.link.restore()
    c.wait(op)
    assert op.ok()
    pair.settle(pair.home)
    pair.check_equal()


def test_restarted_source_may_be_told_to_serve_alone(sites, rng):
    pair = sites()
    pair.start()
    pair.link.cut()
    pair.home.kill()
    pair.home.source(isolated_start="yes")
    pair.home.client().write(0, rng.randbytes(100000))
    pair.link.restore()
    s = pair.settle(pair.home)
    pair.check_equal()


def test_both_killed(sites, rng):
    pair = sites()
    pair.start()
    for _ in range(2):
        load = Load(pair.home.client(), rng)
        load.run(60)
        pair.home.kill()
        pair.dr.kill()
        load.abandon()
        pair.dr.replica()
        pair.home.source()
        pair.settle(pair.home)
        assert not load.lost(read_file(pair.home.image("data")))
        pair.check_equal()
    assert births(pair.dr) == ["creation", "restart", "restart"]


def test_killed_while_seeding(sites, rng):
    pair = sites({"data": 32 * MiB})
    pair.dr.replica()
    pair.home.source(bandwidth=16 * MiB)
    pair.dr.until(lambda d: d["received_seq"] > 20)
    pair.dr.kill()
    pair.dr.replica()
    pair.home.until(lambda s: s["replication"] == "seeding")
    pair.home.call("bandwidth", bytes_per_second=0)
    pair.settle(pair.home)
    pair.check_equal()


@pytest.mark.parametrize("crash", ["replica.adopt.before", "replica.adopt.after", "replica.prepared",
                                   "journal.sync.after", "replica.apply.after", "meta.after:2"])
def test_blank_target_crashes_while_seeding(sites, rng, crash):
    """Nothing is written meanwhile: at the end both may stand at the same place (row 6)."""
    pair = sites()
    pair.dr.replica(crash=crash)
    pair.home.source()
    pair.dr.crashed()
    pair.dr.replica()
    pair.settle(pair.home)
    pair.check_equal()
    load = Load(pair.home.client("data"), rng)
    load.run(20)
    load.drain()
    pair.settle(pair.home)
    pair.check_equal()


def test_clean_restarts_need_no_resync(sites, rng):
    pair = sites()
    pair.start()
    load = Load(pair.home.client(), rng)
    load.run(30)
    load.drain()
    pair.settle(pair.home)
    uuid = pair.home.status()["uuid"]
    pair.home.stop()
    pair.dr.stop()
    pair.dr.replica()
    pair.home.source()
    s = pair.settle(pair.home)
    assert s["verdict"]["row"] in (6, 7) and s["uuid"] == uuid
    assert pair.dr.undo_ids() == []
    load = Load(pair.home.client(), rng)
    load.run(30)
    load.drain()
    pair.settle(pair.home)
    pair.check_equal()
    # Stopped cleanly with a peer that is away: the bits are durable (R12).
    pair.link.cut()
    load.run(30)
    load.drain()
    pair.home.stop()
    pair.link.restore()
    pair.home.source()
    s = pair.settle(pair.home)
    assert s["verdict"]["row"] == 10 and s["uuid"] == uuid
    pair.check_equal()


@pytest.mark.parametrize("end", ["stop", "fence"])
@pytest.mark.parametrize("wait_ms", [0, 120, 240])
def test_end_while_a_session_opens(sites, rng, end, wait_ms):
    """Wherever in the opening of a resync the source is stopped or fenced: its position stays."""
    pair = sites({"data": 2 * MiB})
    pair.start()
    pair.home.client().write(0, rng.randbytes(100000))
    seq = pair.settle(pair.home)["seq"]
    for way in (UP, DOWN):
        pair.link.delay(0.06, way)
    since = pair.link.accepted
    pair.home.call("resync", all=True)
    pair.home.until(lambda s: pair.link.accepted > since)
    at = pair.link.passed(UP)
    godwit.wait_for("the handshake", lambda: pair.link.passed(UP) > at, 10)
    time.sleep(wait_ms / 1000)  # a place in the handshake, not a state to wait for
    if end == "fence":
        pair.home.call("fence", reason="test")
    pair.home.stop()
    meta = pair.home.inspect()
    assert meta["seq"] >= seq, "the position is lost"
    pair.link.delay(0, UP)
    pair.link.delay(0, DOWN)
    if end == "fence":
        return
    pair.home.source()
    s = pair.settle(pair.home)
    assert s["verdict"]["action"] != "rolled-back"
    pair.check_equal()


# ---- peers that do not fit --------------------------------------------------------------------

def test_garbage_at_the_replica(sites, rng):
    pair = sites()
    pair.start()
    host, port = pair.dr.address.rsplit(":", 1)
    before = pair.home.status()
    for garbage in (b"GET / HTTP/1.0\r\n\r\n" * 10, rng.randbytes(5000), b"", b"\0" * 100):
        with socket.create_connection((host, int(port))) as s:
            s.settimeout(10)
            try:
                s.sendall(garbage)
                s.shutdown(socket.SHUT_WR)
                while s.recv(4096):
                    pass
            except OSError:
                pass  # it hung up first
    assert pair.dr.status()["bad_frames"] >= 4
    Load(pair.home.client(), rng).complete(20)
    s = pair.settle(pair.home)
    assert s["verdict"] == before["verdict"]  # the session was not disturbed
    pair.check_equal()


def test_two_processes_on_one_directory(sites):
    pair = sites()
    pair.start()
    code, _, said = pair.home.promote_offline()
    assert code != 0 and "process" in said, said
    second = subprocess.run(["nbdkit", "-f", "-U", pair.root + "/second", PLUGIN,
                             "dir=" + pair.home.plan],
                            env={**os.environ, **sanitizer_env(True)}, capture_output=True, text=True, timeout=30)
    assert second.returncode == 1 and "process" in second.stderr, second.stderr
    pair.home.client().write(0, b"still here")
    pair.settle(pair.home)
    pair.check_equal()


def test_another_plan(sites):
    pair, other = sites(), sites()
    other.dr.replica()
    pair.link.target = other.dr.address
    pair.home.source()
    s = pair.home.until(lambda s: "plan" in s["reason"])
    assert serving(s) and other.dr.status()["blank"]
    assert not any(other.dr.images()["data"])
