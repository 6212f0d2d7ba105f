# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""What a client can write to: the same volume, unprotected and protected in each way.

Each has a name, a uri(), the pids() of the servers at both sites, drain() (all of it is at the other
site), remark() (what the reader of a figure should know) and close(), which also proves that the sites
are equal.
"""
import os

import qemu
from lab import DRAIN_S, REPO, godwit

DISCARD = os.path.join(godwit.BUILD, "bench/godwit-bench-discard")


class Unprotected:
    """nbdkit's file plugin: nobody replicates anything."""

    name = "unprotected"

    def __init__(self, lab, size):
        self.image = lab.image("plain.img", size)
        self.socket = lab.path("plain.nbd")
        self.program = lab.program("plain", ["nbdkit", "-f", "-U", self.socket, "file", self.image])
        godwit.wait_for("nbdkit", lambda: os.path.exists(self.socket))

    def uri(self):
        return f"nbd+unix:///?socket={self.socket}"

    def pids(self):
        return [self.program.pid]

    def drain(self):
        pass

    def remark(self):
        return ""

    def close(self):
        self.program.stop()
        os.unlink(self.image)


class Protected:
    """godwit with a real replica, each with its defaults."""

    def __init__(self, lab, size, mode):
        self.lab, self.name, self.mode = lab, mode, mode
        self.pair = lab.pair(size, **({"sync": "yes"} if mode == "sync" else {}))
        lab.start(self.pair)
        self.home, self.peer = self.pair.home, self.pair.dr.program
        if mode == "sync":
            self.home.wait_status("sync", lambda s: s["replication"] == "sync")
        self.begun_with = self.home.status()["fell_behind"]  # the seeding counts as one

    def uri(self):
        return self.home.uri("data")

    def pids(self):
        return [self.home.program.pid, self.peer.pid]

    def drain(self):
        self.home.drain(DRAIN_S)

    def remark(self):
        """A source that fell behind did not replicate while it was measured: that is to be seen."""
        n = self.home.status()["fell_behind"] - self.begun_with
        return f"fell behind {n} times" if n else ""

    def close(self):
        self.drain()
        self.pair.stop()
        assert self.pair.differing_volumes() == [], f"{self.name}: the sites differ"
        self.lab.drop(self.pair)


class Discard(Protected):
    """A peer that acknowledges and keeps nothing: what the active site alone costs."""

    def __init__(self, lab, size):
        assert os.path.exists(DISCARD), f"build with -Dbench=true: no {os.path.relpath(DISCARD, REPO)}"
        self.lab, self.name = lab, "async, peer discards"
        self.pair = lab.pair(size)
        self.home, dr = self.pair.home, self.pair.dr
        self.peer = lab.program("discard", [DISCARD, dr.plan, dr.address])
        self.peer.wait_output("listening on ")
        self.home.start_source(dr)
        self.home.wait_following()
        self.begun_with = self.home.status()["fell_behind"]

    def close(self):
        self.drain()
        self.home.stop()
        self.peer.kill()
        self.lab.drop(self.pair)


def all_of_them(lab, size):
    return [Unprotected(lab, size), Protected(lab, size, "async"), Discard(lab, size),
            Protected(lab, size, "sync"), qemu.Mirror(lab, size, "background"),
            qemu.Mirror(lab, size, "write-blocking")]
