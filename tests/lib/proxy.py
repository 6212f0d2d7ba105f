# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""A link between two sites that a test can break.

A Proxy listens on a free loopback port and forwards each connection to `target` ("host:port"; None:
nobody is there). Per direction (UP: from who connects to the target, DOWN: the way back) it can

    cut()              close what is open, refuse what comes (restore() ends it)
    stall()            take nothing more, close nothing (resume() ends it)
    reset_after(n)     pass n more bytes, then reset the connection in the middle of whatever it is
    flip_bit(n)        change one bit of the n-th byte from now
    delay(seconds)     every chunk waits
    limit(bytes/s)     pass no more than that

Threads: one that accepts, two for each connection; `lock` guards all state. Everything ends with
close(), which also closes what is open.
"""
import socket
import struct
import threading
import time

UP, DOWN = 0, 1
CHUNK = 256 * 1024


class _Way:
    """One direction: what shall happen to its bytes, over all connections."""

    def __init__(self):
        self.passed = 0  # bytes, since the start
        self.stalled = False
        self.reset_at = None
        self.flips = []  # positions in `passed`
        self.delay_s = 0.0
        self.rate = 0
        self.ready_at = 0.0  # token bucket: when the next byte may pass


class _Link:
    """One connection that is passed on; under the proxy's lock."""

    def __init__(self, a, b):
        self.a, self.b = a, b
        self.pumps = 2
        self.dead = self.reset = False
        for s in (a, b):
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def shut(self, how):
        self.dead = True
        for s in (self.a, self.b):
            try:
                s.shutdown(how)
            except OSError:
                pass

    def reset_both(self):
        """A RST both ways, once both pumps have let go: closing with SO_LINGER 0."""
        self.reset = True
        for s in (self.a, self.b):
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.shut(socket.SHUT_RD)


class Proxy:
    def __init__(self, target=None):
        self.target = target
        self.lock = threading.Condition()
        self.way = (_Way(), _Way())
        self.is_cut = False
        self.closed = False
        self.accepted = 0
        self.open = set()
        self.listener = socket.create_server(("127.0.0.1", 0))
        # Small: what a stalled or slow link holds back shall be held back at the sender.
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 128 * 1024)
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.threads = []
        self._start(self._accept)

    # ---- what a test asks for

    def cut(self):
        with self.lock:
            self.is_cut = True
            self._close_open()

    def restore(self):
        with self.lock:
            self.is_cut = False
            self.lock.notify_all()

    def drop(self):
        """Close what is open; who connects again gets through."""
        with self.lock:
            self._close_open()

    def stall(self, *ways):
        with self.lock:
            for w in ways or (UP, DOWN):
                self.way[w].stalled = True

    def resume(self):
        with self.lock:
            for w in self.way:
                w.stalled = False
            self.lock.notify_all()

    def reset_after(self, n, way=UP):
        with self.lock:
            self.way[way].reset_at = self.way[way].passed + n

    def flip_bit(self, n, way=UP):
        with self.lock:
            self.way[way].flips.append(self.way[way].passed + n)

    def delay(self, seconds, way=UP):
        with self.lock:
            self.way[way].delay_s = seconds

    def limit(self, bytes_per_s, way=UP):
        with self.lock:
            self.way[way].rate = bytes_per_s

    def pending_faults(self, way=UP):
        """Flips and resets that have not struck yet."""
        with self.lock:
            w = self.way[way]
            return len(w.flips) + (w.reset_at is not None)

    def passed(self, way=UP):
        with self.lock:
            return self.way[way].passed

    def close(self):
        with self.lock:
            self.closed = True
            self._close_open()
            self.lock.notify_all()
        # accept() is not woken by closing the socket under it.
        try:
            socket.create_connection(self.listener.getsockname(), 1).close()
        except OSError:
            pass
        self.listener.close()
        for t in self.threads:
            t.join(5)

    # ---- inside

    def _start(self, fn, *args):
        t = threading.Thread(target=fn, args=args, daemon=True)
        t.start()
        self.threads.append(t)

    def _close_open(self):
        for link in self.open:
            link.shut(socket.SHUT_RDWR)
        self.lock.notify_all()

    def _connect(self):
        with self.lock:
            if self.is_cut or self.target is None:
                return None
            host, port = self.target.rsplit(":", 1)
        try:
            s = socket.create_connection((host, int(port)), 5)
        except OSError:
            return None
        s.settimeout(None)
        return s

    def _accept(self):
        while True:
            try:
                a, _ = self.listener.accept()
            except OSError:
                return
            b = self._connect()
            with self.lock:
                if b is None or self.is_cut or self.closed:
                    for s in filter(None, (a, b)):
                        s.close()
                    if self.closed:
                        return
                    continue
                link = _Link(a, b)
                self.open.add(link)
                self.accepted += 1
            self._start(self._pump, link, a, b, self.way[UP])
            self._start(self._pump, link, b, a, self.way[DOWN])

    def _pump(self, link, src, dst, way):
        try:
            while self._pass_chunk(link, src, dst, way):
                pass
        except OSError:
            pass
        with self.lock:
            link.shut(socket.SHUT_RD if link.reset else socket.SHUT_RDWR)
            self.lock.notify_all()
            link.pumps -= 1
            if link.pumps == 0:
                self.open.discard(link)
                link.a.close()
                link.b.close()

    def _pass_chunk(self, link, src, dst, way):
        size = CHUNK if way.rate == 0 else max(1024, min(CHUNK, way.rate // 20))
        data = bytearray(src.recv(size))
        if not data:
            return False
        with self.lock:
            while way.stalled and not link.dead:
                self.lock.wait()
            if link.dead:
                return False
            reset = way.reset_at is not None and way.passed + len(data) >= way.reset_at
            if reset:
                del data[max(0, way.reset_at - way.passed):]
                way.reset_at = None
            for at in [f for f in way.flips if f < way.passed + len(data)]:
                way.flips.remove(at)
                data[max(0, at - way.passed)] ^= 0x10
            way.passed += len(data)
            wait = way.delay_s
            if way.rate > 0:
                now = time.monotonic()
                way.ready_at = max(way.ready_at, now) + len(data) / way.rate
                wait = max(wait, way.ready_at - now)
        if wait > 0:
            time.sleep(wait)  # the link's slowness, not a test's waiting
        dst.sendall(data)
        if reset:
            with self.lock:
                link.reset_both()
        return not reset
