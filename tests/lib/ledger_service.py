#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""A small real service for tests: a ledger on a plan's volume, with a page that says how it is.

    ledger_service.py SOCKET EXPORT DIR SITE PORT

Appends one record a block, forever: {number, site, instance, time}. A record counts as acknowledged
when the NBD write with FUA was answered; only then a line goes to DIR/acks.SITE:

    number instance sent_ns acked_ns        CLOCK_MONOTONIC, the same for all processes of a machine

It begins after the last record that it finds on the volume, as any database would. When the
connection is lost (its server was killed, and comes back) it connects anew and sends the same record
again. SIGTERM ends it after the record at hand. tests/lib/ledger.py judges what came of it all.

http://127.0.0.1:PORT/ answers 200 while records are acknowledged, 503 when none was for STALE_S, or
while DIR/red.SITE exists. "ready" on standard output once it serves.
"""
import hashlib
import http.server
import os
import signal
import struct
import sys
import threading
import time

import nbd

BLOCK = 4096
HEAD = struct.Struct("<4sQ32sQQ")
MAGIC = b"LEDG"
PAUSE_S = 0.01
STALE_S = 3.0


def record(number, site, instance, sent_ns):
    head = HEAD.pack(MAGIC, number, site.encode(), instance, sent_ns)
    body = hashlib.sha256(head).digest()
    return (head + body * (BLOCK // len(body) + 1))[:BLOCK]


def parse(block):
    """(number, site, instance, sent_ns), None for a block that holds no whole record."""
    if block[:4] != MAGIC:
        return None
    _, number, site, instance, sent_ns = HEAD.unpack_from(block)
    site = site.rstrip(b"\0").decode(errors="replace")
    return (number, site, instance, sent_ns) if record(number, site, instance, sent_ns) == block \
        else None


class Service:
    def __init__(self, socket, export, folder, site, port):
        self.socket, self.export, self.dir, self.site, self.port = socket, export, folder, site, port
        self.instance = time.monotonic_ns()
        self.last_ack = time.monotonic()
        self.over = False
        self.acks = os.open(os.path.join(folder, "acks." + site),
                            os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def connect(self):
        h = nbd.NBD()
        h.set_export_name(self.export)
        h.connect_unix(self.socket)
        return h

    def next_number(self, h):
        size, number = h.get_size(), 0
        while number * BLOCK < size:
            chunk = bytes(h.pread(min(1 << 20, size - number * BLOCK), number * BLOCK))
            for at in range(0, len(chunk), BLOCK):
                if chunk[at:at + 4] == b"\0\0\0\0":
                    return number
                found = parse(chunk[at:at + BLOCK])
                if found is None or found[0] != number:
                    raise SystemExit("block %d holds no record of that number" % number)
                number += 1
        raise SystemExit("the ledger is full")

    def healthy(self):
        return (time.monotonic() - self.last_ack < STALE_S and
                not os.path.exists(os.path.join(self.dir, "red." + self.site)))

    def serve_page(self):
        service = self

        class Page(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                good = service.healthy()
                body = ("ok %s\n" if good else "red %s\n") % service.site
                self.send_response(200 if good else 503)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Page)
        threading.Thread(target=server.serve_forever, daemon=True).start()

    def append(self, h, number):
        """The handle that is good afterwards; None: it is over."""
        while not self.over:
            sent = time.monotonic_ns()
            try:
                h = h or self.connect()
                h.pwrite(record(number, self.site, self.instance, sent), number * BLOCK,
                         nbd.CMD_FLAG_FUA)
            except nbd.Error:
                h = None
                time.sleep(0.05)  # a client's pause before it tries again
                continue
            acked = time.monotonic_ns()
            os.write(self.acks, b"%d %d %d %d\n" % (number, self.instance, sent, acked))
            self.last_ack = time.monotonic()
            return h
        return None

    def run(self):
        signal.signal(signal.SIGTERM, self.end)
        h = self.connect()
        number = self.next_number(h)
        self.serve_page()
        print("ready", flush=True)
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 1)
        while not self.over:
            h = self.append(h, number)
            number += 1
            time.sleep(PAUSE_S)

    def end(self, *_):
        self.over = True


if __name__ == "__main__":
    Service(*sys.argv[1:5], int(sys.argv[5])).run()
