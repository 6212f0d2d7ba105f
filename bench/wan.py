# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""A long, narrow line between two sites: a rate in the way up, a delay in both.

What is taken from the sender waits in a queue until its moment has come, so that as much is on its way as
the line holds (rate x delay), and nothing more is taken than the rate allows: the rest stays at the sender.
No loss, and no congestion control of a real TCP over a real distance: both connections end here.

    with Wan("127.0.0.1:7000", rate=20_000_000, round_trip_s=0.2) as wan:
        ...connect to wan.address...
        wan.passed()                      # bytes that were let through upwards

Threads: one accepts; two for each way of a connection, one takes, one delivers.
"""
import collections
import socket
import threading
import time

CHUNK_S = 0.002  # of the line's rate in one piece
CHUNK_MIN, CHUNK_MAX = 4096, 256 * 1024


class _Way:
    """One direction of one connection."""

    def __init__(self, wan, source, target, rate):
        self.wan, self.source, self.target, self.rate = wan, source, target, rate
        self.chunk = max(CHUNK_MIN, min(CHUNK_MAX, int(rate * CHUNK_S))) if rate else CHUNK_MAX
        self.queue = collections.deque()  # (when it arrives, bytes); None: the end
        self.changed = threading.Condition()

    def take(self):
        free_at = 0.0
        while True:
            try:
                data = self.source.recv(self.chunk)
            except OSError:
                data = b""
            now = time.monotonic()
            if data and self.rate:
                # Owed time is kept through short idling of this thread, never saved up for a burst.
                free_at = max(free_at, now - CHUNK_S) + len(data) / self.rate
                if free_at > now:
                    time.sleep(free_at - now)
                self.wan.count(len(data))
            with self.changed:
                self.queue.append((max(now, free_at) + self.wan.delay_s, data))
                self.changed.notify()
            if not data:
                return

    def deliver(self):
        while True:
            with self.changed:
                while not self.queue:
                    self.changed.wait()
                at, data = self.queue.popleft()
            wait = at - time.monotonic()
            if wait > 0:
                time.sleep(wait)
            try:
                if not data:
                    self.target.shutdown(socket.SHUT_WR)
                    return
                self.target.sendall(data)
            except OSError:
                for s in (self.source, self.target):
                    try:
                        s.shutdown(socket.SHUT_RDWR)
                    except OSError:
                        pass
                return


class Wan:
    def __init__(self, target, rate, round_trip_s):
        self.target, self.rate, self.delay_s = target, rate, round_trip_s / 2
        self.lock = threading.Lock()
        self.n_passed = 0
        self.sockets = []
        self.threads = []
        self.closed = False
        self.listener = socket.create_server(("127.0.0.1", 0))
        # Small: what the line does not take shall stay at the sender.
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self._start(self._accept)

    def count(self, n):
        with self.lock:
            self.n_passed += n

    def passed(self):
        with self.lock:
            return self.n_passed

    def _start(self, fn):
        t = threading.Thread(target=fn, daemon=True)
        t.start()
        self.threads.append(t)

    def _accept(self):
        while True:
            a, _ = self.listener.accept()
            if self.closed:
                a.close()
                return
            host, port = self.target.rsplit(":", 1)
            try:
                b = socket.create_connection((host, int(port)), 5)
            except OSError:
                a.close()  # nobody is there
                continue
            b.settimeout(None)
            for s in (a, b):
                s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                self.sockets += [a, b]
            for way in (_Way(self, a, b, self.rate), _Way(self, b, a, 0)):
                self._start(way.take)
                self._start(way.deliver)

    def close(self):
        self.closed = True
        with self.lock:
            for s in self.sockets:
                try:
                    s.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass  # it had ended by itself
        # accept() is not woken by closing the socket under it.
        socket.create_connection(self.listener.getsockname(), 5).close()
        for t in self.threads:
            t.join(10)
        for s in self.sockets:
            s.close()
        self.listener.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
