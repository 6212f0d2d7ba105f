# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""Strangers at a port: they connect, say a part of something or nothing, stall, and when they are sent away
they are back at once.

    with Strangers("127.0.0.1:7000", 64, words=[b"", b"GWF1"]) as strangers:
        ...                                   # strangers.calls: how often they came
"""
import errno
import os
import selectors
import socket
import ssl
import threading
import time

DRIP_S = 0.3


def client_hello():
    """What a TLS 1.3 client says first."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    said = ssl.MemoryBIO()
    try:
        context.wrap_bio(ssl.MemoryBIO(), said, server_hostname="nobody").do_handshake()
    except ssl.SSLWantReadError:
        pass
    return said.read()


class Strangers:
    """`words`: what each says and then stalls, in turn; a list: a byte now and then, for ever."""

    def __init__(self, address, n, words):
        host, port = address.rsplit(":", 1)
        self.to = (host, int(port))
        self.words = [words[i % len(words)] for i in range(n)]
        self.calls = self.sent_away = 0
        self.failure = None
        self.stopping = threading.Event()
        self.at = {}  # socket: which stranger, how much it has said

    def __enter__(self):
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.thread.join()
        if self.failure:
            raise self.failure

    def run(self):
        with selectors.DefaultSelector() as self.selector:
            try:
                for i in range(len(self.words)):
                    self.call(i)
                while not self.stopping.is_set():
                    self.turn()
            except Exception as e:  # pylint: disable=broad-except
                self.failure = e
            for s in self.at:
                s.close()

    def call(self, i):
        s = socket.socket()
        s.setblocking(False)
        r = s.connect_ex(self.to)
        assert r in (0, errno.EINPROGRESS), os.strerror(r)
        self.at[s] = [i, 0, time.monotonic()]
        self.selector.register(s, selectors.EVENT_READ | selectors.EVENT_WRITE)
        self.calls += 1

    def turn(self):
        for key, events in self.selector.select(0.05):
            s = key.fileobj
            try:
                if events & selectors.EVENT_READ and not s.recv(65536):
                    self.again(s)
                elif events & selectors.EVENT_WRITE:
                    self.say(s)
            except OSError:
                self.again(s)
        for s, (i, said, since) in list(self.at.items()):
            if isinstance(self.words[i], list) and said and time.monotonic() > since + DRIP_S:
                try:
                    self.say(s)
                except OSError:
                    self.again(s)

    def say(self, s):
        i, said, _ = self.at[s]
        word = self.words[i]
        if isinstance(word, list):
            s.send(word[0][said:said + 1])
        elif not said:
            s.send(word)
        self.at[s] = [i, said + 1, time.monotonic()]
        self.selector.modify(s, selectors.EVENT_READ)

    def again(self, s):
        i = self.at.pop(s)[0]
        self.selector.unregister(s)
        s.close()
        self.sent_away += 1
        self.call(i)
