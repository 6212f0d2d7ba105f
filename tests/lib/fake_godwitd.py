# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""A godwitd that says what a test tells it to: HTTP on a unix socket, one answer after the other.

    with FakeGodwitd(path) as d:
        d.answer("GET", "/api/v1/plans/shop/status", {"plan": "shop", ...})
        d.answer("POST", "/api/v1/plans/shop/actions/failover", problem, status=409)
        ... run the program ...
        assert d.requests[0].json == {...}

Several answers for the same request are given in turn; the last one stays. An answer may be a
function of the request, which gives (status, body), or None: hang up without an answer.
"""
import collections
import http.server
import json
import os
import socket
import socketserver
import threading

Request = collections.namedtuple("Request", "method path query headers body json")


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    request_queue_size = 32


class FakeGodwitd:
    def __init__(self, path):
        self.path, self.requests, self.streams, self.connections = path, [], {}, []
        self._answers, self._lock = {}, threading.Lock()
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self):
                super().setup()
                owner.connections.append(self.connection)

            def handle_any(self):
                owner.handle(self)

            do_GET = do_POST = do_PUT = do_DELETE = handle_any

            def address_string(self):
                return "unix"

            def log_message(self, *args):
                pass

        self._server = _Server(path, Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exc):
        self._server.shutdown()
        self._thread.join()
        for c in self.connections:  # the end of a process ends those that are kept, too
            try:
                c.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self._server.server_close()
        os.unlink(self.path)

    def answer(self, method, path, body, status=200, kind=None, headers=None):
        if kind is None:
            kind = "application/json" if status < 400 else "application/problem+json"
        with self._lock:
            self._answers.setdefault((method, path), []).append((body, status, kind, headers or {}))

    def forget(self):
        """Of all that was told to answer; the last of each is repeated otherwise."""
        with self._lock:
            self._answers.clear()

    def stream(self, path, *texts):
        """Answer with an event stream that has these, and ends."""
        self.streams[path] = texts

    def handle(self, h):
        path, _, query = h.path.partition("?")
        body = h.rfile.read(int(h.headers.get("Content-Length") or 0))
        try:
            decoded = json.loads(body) if body else None
        except ValueError:
            decoded = None
        request = Request(h.command, path, query, dict(h.headers), body, decoded)
        with self._lock:
            self.requests.append(request)
            answers = self._answers.get((h.command, path), [])
            answer = answers[0] if answers else None
            if len(answers) > 1:
                answers.pop(0)
        if h.command == "GET" and path in self.streams and "follow=no" not in query:
            self._send(h, 200, "".join(self.streams[path]).encode(), "text/event-stream", {})
            return
        if answer is None:
            self._send(h, 404, json.dumps({
                "type": "urn:godwit:problem:not-found", "title": "Not found", "status": 404,
                "detail": "there is no %s" % h.path}).encode(), "application/problem+json", {})
            return
        reply, status, kind, headers = answer
        if callable(reply):
            status, reply = reply(request)
        if reply is None:
            h.close_connection = True
            h.connection.close()
            return
        data = reply if isinstance(reply, bytes) else json.dumps(reply).encode()
        self._send(h, status, data, kind, headers)

    @staticmethod
    def _send(h, status, data, kind, headers):
        h.send_response(status)
        h.send_header("Content-Type", kind)
        h.send_header("Content-Length", str(len(data)))
        for name, value in headers.items():
            h.send_header(name, value)
        h.end_headers()
        h.wfile.write(data)
