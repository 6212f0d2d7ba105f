# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""Requests that are nearly right, and those that are not at all, for a server that runs.

    fuzz = Fuzz(connect, bases, seed)      # connect() gives a new stream; bases: requests that are right
    fuzz.case(i)                           # sends one; raises Wrong if the answer is not as it must be
    fuzz.counts                            # {"400": n, "closed": n, ...}

What must hold: an answer below 500; one of 400 and more is a problem document that says the same, but for
what is no HTTP, which the library under the server refuses itself; a request that never became whole
may be answered or not. The case is made from seed and number alone,
so that it can be had again.
"""
import collections
import http.client
import json
import random
import socket
import ssl

TIMEOUT_S = 20  # for an answer; half a request is waited for longer
WORDS = [b"", b"\0", b"%00", b"%", b"%zz", b"%2f..%2f", b"..", b"//", b"?", b"#", b" ", b"\xff\xfe", b"'",
         b"\"", b"{", b"\r\n", b"shop", b"nope", b"a" * 300, b"a" * 5000, b"\xe2\x98\x83", b"-1", b"0",
         b"18446744073709551616", b"1e999", b"null", b"*"]
JSON_WORDS = [b"null", b"true", b"-1", b"1e308", b"1e999", b"18446744073709551616", b"\"\"", b"[]", b"{}",
              b"\"\\u0000\"", b"\"\\ud800\"", b"\"" + b"x" * 70000 + b"\"", b"[" * 100, b"{\"a\":" * 50,
              b"\xff", b"\"\xc3\x28\"", b"nan", b"01", b"'x'", b"{\"a\":1,\"a\":2}"]
# Not DELETE, which would be right where a GET is.
METHODS = [b"GET", b"POST", b"PUT", b"HEAD", b"OPTIONS", b"PATCH", b"TRACE", b"CONNECT", b"get",
           b"BREW", b"G\0T", b"A" * 3000]
HEADERS = [
    (b"Content-Type", [b"", b"text/plain", b"application/json; charset=latin-1", b"application/x-yaml"]),
    (b"Content-Length", [b"-1", b"1x", b"", b"99999999999999999999", b"+5"]),
    (b"Transfer-Encoding", [b"chunked", b"gzip", b"chunked, chunked", b"identity"]),
    (b"Idempotency-Key", [b"", b"k" * 500, b"one two", b"\xff", b"same", b"same"]),
    (b"If-Match", [b"", b"*", b"\"1\"", b"W/\"1\"", b"1", b"\"1\", \"2\"", b"\"" * 100]),
    (b"Expect", [b"100-continue", b"the unexpected"]),
    (b"Connection", [b"close", b"keep-alive", b"Upgrade", b"close, keep-alive"]),
    (b"Last-Event-ID", [b"-1", b"x", b"99999999999999999999999"]),
    (b"Host", [b"", b"[", b"a" * 300]),
    (b"Accept", [b"text/event-stream", b""]),
    (b"Authorization", [b"Bearer x", b"Basic ="]),
    (b"Cookie", [b"a=" + b"b" * 9000, b";;;=", b"\xff=1"]),
]


# What libmicrohttpd itself says, before it is a request: malformed, too long, another HTTP.
NO_HTTP = (400, 413, 414, 431, 505)


class Wrong(AssertionError):
    pass


class Request:
    def __init__(self, method, target, body=None, headers=()):
        self.method, self.target, self.version = method.encode(), target.encode(), b"HTTP/1.1"
        self.headers = [(b"Host", b"godwitd"), *headers]
        self.body = b""
        if body is not None:
            self.body = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.headers.append((b"Content-Type", b"application/json"))
        self.length, self.whole, self.tail = True, True, b""

    def copy(self):
        other = Request("GET", "/")
        other.__dict__.update(self.__dict__)
        other.headers = list(self.headers)
        return other

    def bytes(self):
        names = [n.lower() for n, _ in self.headers]
        head = b"%s %s %s\r\n" % (self.method, self.target, self.version)
        head += b"".join(b"%s: %s\r\n" % h for h in self.headers)
        if self.length and self.body and b"content-length" not in names and \
                b"transfer-encoding" not in names:
            head += b"Content-Length: %d\r\n" % len(self.body)
        return head + b"\r\n" + self.body


# ---- what is done to a request ------------------------------------------------------------------

def scar(rng, text, words):
    """A byte turned, a piece gone, doubled, or a word put in."""
    at = rng.randrange(len(text) + 1)
    to = min(len(text), at + rng.choice((1, 1, 2, 4, 16)))
    what = rng.randrange(4)
    if what == 0 and at < len(text):
        return text[:at] + bytes([text[at] ^ 1 << rng.randrange(8)]) + text[at + 1:]
    if what == 1:
        return text[:at] + text[to:]
    if what == 2:
        return text[:to] + text[at:]
    return text[:at] + rng.choice(words) + text[at:]


def hurt_method(rng, q):
    q.method = rng.choice(METHODS)


def hurt_target(rng, q):
    for _ in range(rng.choice((1, 1, 2, 5))):
        q.target = scar(rng, q.target, WORDS)
    if rng.randrange(8) == 0:
        q.target += b"?" + b"&".join(b"a%d=%s" % (i, rng.choice(WORDS)) for i in range(rng.choice((1, 40))))
    if rng.randrange(30) == 0:
        q.target = b"/" + b"x/" * rng.choice((20, 3000, 20000))


def hurt_headers(rng, q):
    name, values = rng.choice(HEADERS)
    q.headers.append((name, rng.choice(values)))
    q.whole &= name not in (b"Content-Length", b"Transfer-Encoding", b"Expect")


def hurt_head(rng, q):
    what = rng.randrange(6)
    if what == 0:
        q.headers.append((b"X-Long", b"a" * rng.choice((9000, 33000, 70000))))
    elif what == 1:
        q.headers += [(b"X-%d" % i, b"y") for i in range(rng.choice((50, 600)))]
    elif what == 2:
        q.headers.append((scar(rng, b"X-Name", WORDS), scar(rng, b"value", WORDS)))
        q.whole = False  # it may end the head, or swallow a length
    elif what == 3:
        q.headers = [h for h in q.headers if h[0] != b"Host"]
    elif what == 4:
        q.version = rng.choice((b"HTTP/1.0", b"HTTP/0.9", b"HTTP/2.0", b"HTTP/1.1 ", b"", b"http/1.1"))
        q.whole = False
    else:
        rng.shuffle(q.headers)


def hurt_body(rng, q):
    q.whole &= q.length  # chunks that are hurt may wait for more
    if rng.randrange(3) == 0:
        q.body = rng.choice(JSON_WORDS)
    for _ in range(rng.choice((1, 1, 3, 10))):
        q.body = scar(rng, q.body, JSON_WORDS)
    if rng.randrange(40) == 0:
        q.body = b"[" + b"1," * 700000 + b"1]"


def chunk(rng, q):
    parts, left = [], q.body
    while left:
        n = rng.randrange(1, len(left) + 1)
        parts.append(b"%x\r\n%s\r\n" % (n, left[:n]))
        left = left[n:]
    q.body, q.length = b"".join(parts) + b"0\r\n\r\n", False
    q.headers.append((b"Transfer-Encoding", b"chunked"))
    if rng.randrange(2):
        q.body, q.whole = scar(rng, q.body, [b"ffffffffffffffffff", b"-1", b";x=", b"\n", b"0\r\n"]), False


def halve(rng, q):
    q.whole = False
    q.tail = None
    q.cut = rng.random()


def pipeline(rng, q):
    q.tail = b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n" * rng.randrange(1, 4)


HURTS = (hurt_method, hurt_target, hurt_target, hurt_headers, hurt_headers, hurt_head, hurt_body, hurt_body,
         chunk, halve, pipeline)


# ---- sending it ---------------------------------------------------------------------------------

class Fuzz:
    def __init__(self, connect, bases, seed, also=()):
        """also: statuses from 500 on that are meant."""
        self.connect, self.bases, self.seed, self.also = connect, bases, seed, also
        self.counts = collections.Counter()

    def make(self, number):
        rng = random.Random("%s/%d" % (self.seed, number))
        q = rng.choice(self.bases).copy()
        for _ in range(rng.choice((1, 1, 2, 3))):
            rng.choice(HURTS)(rng, q)
        text = q.bytes()
        if q.tail is None:
            text = text[:int(len(text) * q.cut)]
        else:
            text += q.tail
        return rng, q, text

    def send(self, rng, stream, text):
        """In one piece, in a few, or a byte at a time."""
        n = rng.choice((len(text), len(text), 1 + len(text) // 3, 1 if len(text) < 400 else 200))
        for at in range(0, len(text), max(n, 1)):
            stream.sendall(text[at:at + max(n, 1)])

    def case(self, number):
        rng, q, text = self.make(number)
        try:
            with self.connect() as stream:
                stream.settimeout(TIMEOUT_S)
                gone = False
                try:
                    self.send(rng, stream, text)
                except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
                    gone = True  # it has heard enough; what it said about it is still there
                if not q.whole and not gone:
                    self.peek(number, q, text, stream)
                    return
                try:
                    self.judge(number, q, text, stream)
                except TimeoutError:
                    raise Wrong("no answer to case %d of seed %s: %r" % (number, self.seed, text[:600]))
        except (ConnectionResetError, BrokenPipeError, ssl.SSLError, ssl.SSLEOFError) as e:
            self.counts["closed"] += 1
            if q.whole and isinstance(e, ssl.SSLError) and "alert" not in str(e).lower():
                self.counts["tls"] += 1

    def peek(self, number, q, text, stream):
        """Of what may not be whole: an answer if it comes at once."""
        stream.settimeout(0.02)
        try:
            self.judge(number, q, text, stream)
        except (socket.timeout, TimeoutError):
            self.counts["left"] += 1

    def judge(self, number, q, text, stream):
        answer = http.client.HTTPResponse(stream, method=q.method.decode("latin-1").upper())
        try:
            answer.begin()
            kind = answer.getheader("Content-Type", "")
            events = kind.startswith("text/event-stream")
            body = b"" if events else answer.read()
        except (http.client.HTTPException, ConnectionResetError):
            self.counts["closed"] += 1
            return  # nothing, or no HTTP/1: the connection was closed, which is an answer as well
        status = answer.status
        self.counts[str(status)] += 1
        where = "case %d of seed %s: %r... answered %d %r" % (number, self.seed, text[:300], status,
                                                              body[:300])
        if status in NO_HTTP and b"<html><head><title>Request" in body:
            self.counts["no HTTP"] += 1
            return
        if status >= 500 and status not in self.also:
            raise Wrong(where)
        if status < 400 or q.method.upper() == b"HEAD":
            return
        if not kind.startswith("application/problem+json"):
            raise Wrong("no problem document: " + where)
        problem = json.loads(body)
        if problem["status"] != status or not problem["detail"] or not problem["type"]:
            raise Wrong("a problem document that says something else: " + where)
