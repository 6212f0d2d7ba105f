# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""A reference: qemu-storage-daemon with a mirror job to the other site.

    client - NBD -> qemu-storage-daemon -> local file
                                        -> NBD over TCP -> nbdkit file plugin -> file of the other site

copy-mode background: a write is answered when it is in the local file; dirty clusters follow.
copy-mode write-blocking: answered when it is on both sides. Neither keeps an order of writes, a journal or
a record of what is missing after a crash.
"""
import json
import os
import socket

import lab as bench
from lab import godwit


class Monitor:
    """QMP, as much of it as is needed."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        self.socket.connect(path)
        self.lines = self.socket.makefile("rb")
        json.loads(self.lines.readline())  # the greeting
        self("qmp_capabilities")

    def __call__(self, command, **arguments):
        request = {"execute": command, "arguments": arguments}
        self.socket.sendall(json.dumps(request).encode() + b"\n")
        for line in self.lines:
            answer = json.loads(line)
            if "event" in answer:
                continue
            assert "return" in answer, (request, answer)
            return answer["return"]
        raise AssertionError("qemu-storage-daemon closed its monitor")

    def close(self):
        self.lines.close()
        self.socket.close()


class Mirror:
    def __init__(self, lab, size, copy_mode):
        self.name = f"qemu {copy_mode}"
        stem = "qemu-" + copy_mode
        self.socket = lab.path(stem + ".nbd")
        monitor = lab.path(stem + ".qmp")
        port = godwit.free_port()
        self.images = [lab.image(stem + "-source.img", size), lab.image(stem + "-target.img", size)]
        self.target = lab.program(stem + "-target", [
            "nbdkit", "-f", "-i", "127.0.0.1", "-p", str(port), "file", self.images[1]])
        godwit.wait_for("nbdkit of the other site", lambda: can_connect(port))
        self.daemon = lab.program(stem, [
            "qemu-storage-daemon",
            "--blockdev", f"driver=file,node-name=file,filename={self.images[0]}",
            "--blockdev", "driver=raw,node-name=source,file=file",
            "--nbd-server", f"addr.type=unix,addr.path={self.socket}",
            "--export", "type=nbd,id=export,node-name=source,name=data,writable=on",
            "--chardev", f"socket,id=monitor,path={monitor},server=on,wait=off",
            "--monitor", "chardev=monitor"])
        godwit.wait_for("qemu-storage-daemon", lambda: os.path.exists(monitor))
        self.monitor = Monitor(monitor)
        self.monitor("blockdev-add", driver="nbd", **{"node-name": "target"},
                     server={"type": "inet", "host": "127.0.0.1", "port": str(port)})
        self.monitor("blockdev-mirror", **{"job-id": "mirror", "device": "source", "sync": "full",
                                           "target": "target", "copy-mode": copy_mode})
        self.drain()

    def uri(self):
        return f"nbd+unix:///data?socket={self.socket}"

    def pids(self):
        return [self.daemon.pid, self.target.pid]

    def drain(self):
        """All that was written is at the other site."""
        def done():
            job, = self.monitor("query-block-jobs")
            return job["ready"] and job["offset"] == job["len"]
        bench.poll("the mirror to be even", done)

    def remark(self):
        return ""

    def close(self):
        """Both images equal, or it was no mirror."""
        self.drain()
        self.monitor("block-job-cancel", device="mirror")
        self.monitor.close()
        self.daemon.stop()
        self.target.stop()
        with open(self.images[0], "rb") as a, open(self.images[1], "rb") as b:
            while chunk := a.read(bench.MIB):
                assert chunk == b.read(bench.MIB), f"{self.name}: the copies differ"
        for path in self.images:
            os.unlink(path)


def can_connect(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0
