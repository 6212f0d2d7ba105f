# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""A link between two sites that a test can break.

A Proxy listens on a free loopback port (or at `address`) and forwards each connection to `target`
("host:port"; None: nobody is there). Per direction (UP: from who connects to the target, DOWN: the way back) it can

    cut()              close what is open, refuse what comes (restore() ends it)
    stall()            take nothing more, close nothing (resume() ends it)
    reset_after(n)     pass n more bytes, then reset the connection in the middle of whatever it is
    flip_bit(n)        change one bit of the n-th byte from now
    delay(seconds)     every chunk waits
    limit(bytes/s)     pass no more than that

and of whole connections, so that what was said first arrives last:

    hold_next()        the next one that comes waits here, with all that it says ...
    hold_open()        nothing more of what is open now gets through ...
    release()          ... until this, or until a newer one has been answered; then it goes where it was
                       going when it came, also if whoever opened it has long gone

    calm()             none of all this any more; what is held or stalled is closed

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
        self.ready_at = 0.0  # token bucket: when the next byte may pass
        self.calm()

    def calm(self):
        self.stalled = False
        self.reset_at = None
        self.flips = []  # positions in `passed`
        self.delay_s = 0.0
        self.rate = 0


class _Link:
    """One connection that is passed on; under the proxy's lock."""

    def __init__(self, number, a, b):
        self.number, self.a, self.b = number, a, b
        self.pumps = 2
        self.dead = self.reset = self.held = False
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
    def __init__(self, target=None, address="127.0.0.1:0"):
        self.target = target
        self.lock = threading.Condition()
        self.way = (_Way(), _Way())
        self.is_cut = False
        self.closed = False
        self.came = self.accepted = 0  # connections: how many came, and how many got through
        self.open = set()
        self.hold_next_one = False
        self.waiting = {}  # number: the socket of one that is not passed on yet
        self.overtaken = 0  # connections that were let go after a newer one
        host, port = address.rsplit(":", 1)
        self.listener = socket.create_server((host, int(port)))
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

    def hold_next(self):
        with self.lock:
            self.hold_next_one = True

    def hold_open(self):
        """How many that are."""
        with self.lock:
            for link in self.open:
                link.held = True
            return len(self.open)

    def release(self):
        with self.lock:
            self._let_go(self.came)

    def calm(self):
        with self.lock:
            self.is_cut = self.hold_next_one = False
            stalled = any(w.stalled for w in self.way)
            for link in self.open:
                if link.held or stalled:
                    link.shut(socket.SHUT_RDWR)
            self._close_waiting()
            for w in self.way:
                w.calm()
            self.lock.notify_all()

    def held(self):
        with self.lock:
            return len(self.waiting) + sum(link.held and not link.dead for link in self.open)

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
        self._close_waiting()
        self.lock.notify_all()

    def _close_waiting(self):
        for a, _ in self.waiting.values():
            a.close()
        self.waiting.clear()

    def _let_go(self, newest):
        """What is held of the connections up to that number. How many that were."""
        due = [n for n in self.waiting if n <= newest]
        links = [link for link in self.open if link.held and link.number <= newest]
        for number in due:
            self._start(self._pass_on, number, *self.waiting.pop(number))
        for link in links:
            link.held = False
        self.lock.notify_all()
        return len(due) + len(links)

    def _accept(self):
        while True:
            try:
                a, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                if self.closed or self.is_cut or self.target is None:
                    a.close()
                    if self.closed:
                        return
                    continue
                self.came += 1
                number, target = self.came, self.target
                hold, self.hold_next_one = self.hold_next_one, False
                if hold:
                    self.waiting[number] = a, target
                    continue
            self._pass_on(number, a, target)

    def _pass_on(self, number, a, target):
        host, port = target.rsplit(":", 1)
        try:
            b = socket.create_connection((host, int(port)), 5)
        except OSError:
            a.close()
            return
        b.settimeout(None)
        with self.lock:
            if self.is_cut or self.closed:
                a.close()
                b.close()
                return
            link = _Link(number, a, b)
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
            while (way.stalled or link.held) and not link.dead:
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
        if way is self.way[DOWN]:
            with self.lock:
                self.overtaken += self._let_go(link.number - 1)
        if reset:
            with self.lock:
                link.reset_both()
        return not reset
