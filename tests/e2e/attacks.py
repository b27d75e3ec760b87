"""Attacks on the protocol as a list of cases, and the peers of both kinds: one that says any bytes, and a good one beside it.

A case is a function that is given an open raw peer and does its worst; the table at the end says how that must end. The good client
is a process of its own, so that this interpreter's work is not taken for the server's. Run alone it is that client:
`attacks.py HOST:PORT h2c|tls` posts messages and prints when each was sent, how long its answer took, and its status.
"""

import os
import socket
import struct
import subprocess
import sys
import threading
import time

import hpack

from aswolk_test import JSON, PATIENCE_S, SLOW, Api, Connection, Gone, Messages, address_of, check, status, tls_context, until

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED = 1, 1, 4, 8
NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR, SETTINGS_TIMEOUT, STREAM_CLOSED = 0, 1, 2, 3, 4, 5
FRAME_SIZE_ERROR, REFUSED_STREAM, CANCEL, COMPRESSION_ERROR, ENHANCE_YOUR_CALM = 6, 7, 8, 9, 11
MAX_FRAMES = 30000  # More than any limit lets through: who is not ended by then is not ended at all.


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def setting(number, value):
    return struct.pack(">HI", number, value)


def integer(prefix_bits, first, value):
    """An HPACK integer (RFC 7541, 5.1)."""
    most = (1 << prefix_bits) - 1
    if value < most:
        return bytes([first | value])
    out, value = bytes([first | most]), value - most
    while value >= 128:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def literal(name, value):
    """A field that enters no table."""
    name, value = name.encode(), value.encode()
    return b"\0" + integer(7, 0, len(name)) + name + integer(7, 0, len(value)) + value


def block(method, path, *fields):
    head = [(":method", method), (":scheme", "http"), (":authority", "localhost"), (":path", path)]
    return b"".join(literal(name, value) for name, value in head + list(fields))


def headers(stream, method, path, *fields, end=True):
    return frame(HEADERS, END_HEADERS | (END_STREAM if end else 0), stream, block(method, path, *fields))


def get(stream, path="/healthz", *fields):
    return headers(stream, "GET", path, ("aswolk-agent", "mallory"), *fields)


def post_head(stream, *fields):
    return headers(stream, "POST", "/v1/messages", ("aswolk-agent", "mallory"), ("content-type", JSON), *fields, end=False)


def poll(stream):
    """A pull that waits, on a lane where nothing comes (prepare() makes it)."""
    body = b'{"max":1,"wait_s":25,"lanes":["nowhere"]}'
    head = headers(stream, "POST", "/v1/leases", ("aswolk-agent", "mallory"), ("content-type", JSON), end=False)
    return head + frame(DATA, END_STREAM, stream, body)


class Peer:
    """A connection that says what it is told, and notes what comes."""

    def __init__(self, server, tls=False, hello=True, deaf=False, settings=b"", ack=True, pong=True):
        self.socket = socket.create_connection(server.tls_address if tls else server.address, timeout=PATIENCE_S)
        if deaf:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        if tls:
            self.socket = tls_context().wrap_socket(self.socket, server_hostname="localhost")
        self.server = server
        self.deaf = deaf
        self.ack = ack
        self.pong = pong
        self.closed = False
        self.goaways = []
        self.statuses = {}
        self.resets = {}
        self.sent = 0  # frames
        self.stream = -1
        self._in = b""
        self._decoder = hpack.Decoder()
        if hello:
            self.send(PREFACE + frame(SETTINGS, 0, 0, settings), 1)

    def next(self):
        self.stream += 2
        return self.stream

    # Sending.

    def send(self, data, frames=1):
        """False once the server has closed."""
        if self.closed:
            return False
        view = memoryview(data)
        end = time.monotonic() + PATIENCE_S
        try:
            self.socket.settimeout(0.05)
            while view:
                try:
                    view = view[self.socket.send(view):]
                except socket.timeout:
                    # A server that has stopped reading: is there a word about it, or is it slow?
                    if self.deaf or time.monotonic() > end:
                        return False
                    self.read(0)
                    if self.closed or self.ended:
                        return False
        except OSError:
            self.read(0.5)
            self.closed = True
            return False
        self.sent += frames
        return True

    def pause(self, seconds=0.3):
        """Lets time pass, and takes what comes meanwhile."""
        end = time.monotonic() + seconds
        while not self.ended and time.monotonic() < end:
            self.read(end - time.monotonic())

    def flood(self, make, frames_each=1, most=MAX_FRAMES, at_once=20, is_each_reset=False, over=lambda: False):
        """make() again and again, until the server ends it. Looks what came after each `at_once`; when each stream is reset by the
        server it waits for that, or it would have more streams open than it may."""
        while self.sent < most and not self.ended and not over():
            if not self.send(b"".join(make() for _ in range(at_once)), frames_each * at_once):
                return
            if is_each_reset:
                self.until(lambda: self.ended or len(self.resets) * frames_each >= self.sent - 1)
            elif not self.deaf:
                self.read(0)

    # Receiving.

    @property
    def ended(self):
        """The server has said its last word, which a graceful GOAWAY (2^31-1) is not."""
        return self.closed or any(last != 0x7FFFFFFF or code != NO_ERROR for last, code in self.goaways)

    @property
    def code(self):
        return self.goaways[-1][1] if self.goaways else None

    def read(self, patience_s=0.0):
        """Takes what is there, waiting for the first byte that long."""
        while not self.closed:
            try:
                self.socket.settimeout(max(patience_s, 0.000001))
                data = self.socket.recv(1 << 18)
            except (socket.timeout, BlockingIOError):
                return
            except OSError as error:
                if "timed out" in str(error) or "did not complete" in str(error):
                    return
                data = b""
            if not data:
                self.closed = True
                return
            self._in += data
            self._frames()
            patience_s = 0

    def _frames(self):
        while len(self._in) >= 9 and not self._in.startswith(b"HTTP/"):
            length = 9 + int.from_bytes(self._in[:3], "big")
            if len(self._in) < length:
                return
            one, self._in = self._in[:length], self._in[length:]
            kind, flags, stream = struct.unpack(">BBI", one[3:9])
            self._take(kind, flags, stream, one[9:])

    def _take(self, kind, flags, stream, payload):
        if kind == GOAWAY:
            last, code = struct.unpack(">II", payload[:8])
            self.goaways.append((last & 0x7FFFFFFF, code))
        elif kind == RST:
            self.resets[stream] = struct.unpack(">I", payload)[0]
        elif kind == HEADERS:
            code = int(dict(self._decoder.decode(payload)).get(":status", 0))
            if code >= 200:
                self.statuses[stream] = code
        elif kind == SETTINGS and not flags & ACK and self.ack:
            self._reply(frame(SETTINGS, ACK, 0))
        elif kind == PING and not flags & ACK and self.pong:
            self._reply(frame(PING, ACK, 0, payload))

    def _reply(self, data):
        try:
            self.socket.settimeout(PATIENCE_S)
            self.socket.sendall(data)
        except OSError:
            pass

    def until(self, holds, patience_s=None):
        """Reads until it holds or the connection is closed."""
        end = time.monotonic() + (patience_s or PATIENCE_S)
        while not holds() and not self.closed and time.monotonic() < end:
            self.read(0.05)
        return holds()

    def answered(self, stream):
        return self.until(lambda: stream in self.statuses or stream in self.resets)

    def close(self):
        self.socket.close()


def hold_bodies(p, count):
    """Uploads of which each stops where its window does."""
    streams = [p.next() for _ in range(count)]
    p.send(b"".join(post_head(stream) for stream in streams), count)
    for stream in streams:
        p.send(frame(DATA, 0, stream, bytes(16000)) * 4, 4)
        p.read(0)


# --- floods -------------------------------------------------------------------------------------------------------------------
# Each is given an open peer and sends until it is ended, or has sent what must not end it.


def rapid_reset(p):
    def one():
        stream = p.next()
        return get(stream) + frame(RST, 0, stream, struct.pack(">I", CANCEL))

    p.flood(one, 2)


def rapid_reset_of_polls(p):
    def one():
        stream = p.next()
        return poll(stream) + frame(RST, 0, stream, struct.pack(">I", CANCEL))

    p.flood(one, 3)


def rapid_reset_of_uploads(p):
    def one():
        stream = p.next()
        return post_head(stream) + frame(DATA, 0, stream, b"x" * 100) + frame(RST, 0, stream, struct.pack(">I", CANCEL))

    p.flood(one, 3)


def made_you_reset(p):
    """The window of a parked poll's stream is overflowed: the server itself resets it."""

    def one():
        stream = p.next()
        return poll(stream) + frame(WINDOW, 0, stream, struct.pack(">I", 0x7FFFFFFF))

    p.flood(one, 3, is_each_reset=True)


def malformed_heads(p):
    p.flood(lambda: headers(p.next(), "GET", "/healthz", ("Upper", "x")), is_each_reset=True)


def lengths_that_lie(p):
    def one():
        stream = p.next()
        return post_head(stream, ("content-length", "5")) + frame(DATA, END_STREAM, stream, b"123")

    p.flood(one, 2, is_each_reset=True)


def empty_data(p):
    p.send(post_head(p.next()))
    p.flood(lambda: frame(DATA, 0, 1))


def padding_alone(p):
    p.send(post_head(p.next()))
    p.flood(lambda: frame(DATA, PADDED, 1, b"\xff" + bytes(255)))


def tiny_data(p):
    p.send(post_head(p.next()))
    p.flood(lambda: frame(DATA, 0, 1, b"x"))


def pings(p):
    p.flood(lambda: frame(PING, 0, 0, b"12345678"))


def ping_acks(p):
    p.flood(lambda: frame(PING, ACK, 0, b"12345678"))


def settings_flood(p):
    p.flood(lambda: frame(SETTINGS, 0, 0, setting(4, 65535)))


def settings_with_33_entries(p):
    p.send(frame(SETTINGS, 0, 0, setting(4, 65535) * 33))


def window_updates(p):
    p.flood(lambda: frame(WINDOW, 0, 0, struct.pack(">I", 1)))


def priorities(p):
    p.flood(lambda: frame(PRIORITY, 0, p.next() + 1000, struct.pack(">IB", 0, 15)))


def priority_updates(p):
    p.flood(lambda: frame(0x10, 0, 0, struct.pack(">I", 1) + b"u=1"))


def unknown_frames(p):
    p.flood(lambda: frame(0x42, 0xFF, 0, b"whatever this may be"))


def continuations(p):
    p.send(frame(HEADERS, 0, p.next(), block("GET", "/healthz")))
    p.flood(lambda: frame(CONTINUATION, 0, 1))


def continuations_with_fields(p):
    p.send(frame(HEADERS, 0, p.next(), block("GET", "/healthz")))
    p.flood(lambda: frame(CONTINUATION, 0, 1, literal("x-more", "y" * 1000) * 16))


def reset_stream(p):
    """A stream that the server has reset; what comes on it is ignored by the library."""
    p.send(headers(p.next(), "POST", "/v1/messages", ("Upper", "x"), end=False))
    p.until(lambda: 1 in p.resets)


def data_on_a_closed_stream(p):
    reset_stream(p)
    p.flood(lambda: frame(DATA, 0, 1, b"x" * 1000))


def heads_on_a_closed_stream(p):
    reset_stream(p)
    p.flood(lambda: headers(1, "GET", "/healthz"))


def pings_of_the_deaf(p):
    """It sends and never reads: acknowledgements pile up until the library's queue is full of them."""
    p.flood(lambda: frame(PING, 0, 0, b"12345678"), most=MAX_FRAMES * 10, at_once=500)


def number_passed_over(p):
    p.send(get(5) + get(3))


def streams_over_the_limit(p):
    p.until(lambda: False, 0.2)  # our SETTINGS are acknowledged
    p.send(b"".join(post_head(p.next()) for _ in range(101)), 101)


def window_overrun(p):
    """Bodies are held until there is no room for more; one of them sends on regardless of its window."""
    hold_bodies(p, 50)
    p.flood(lambda: frame(DATA, 0, 1, bytes(16000)), most=1000, at_once=1, over=lambda: 1 in p.resets)
    check(p.resets.get(1) == FLOW_CONTROL_ERROR, "the stream is reset", p.resets)


def frame_too_large(p):
    p.send(post_head(p.next()) + frame(DATA, 0, 1, bytes(16385)))


def garbage(p):
    p.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200))


def http1(p):
    p.send(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
    p.until(lambda: p.closed)
    check(p._in.startswith(b"HTTP/1.1 505 "), "HTTP/1.1 gets its own answer", p._in[:60])


# What ends no connection: the stream gets its answer, and the connection goes on.


def answers(p, streams, wanted):
    for stream in streams:
        p.answered(stream)
        got = p.statuses.get(stream, "reset %s" % p.resets.get(stream))
        check(got in wanted, "stream %d is answered with one of %s" % (stream, wanted), got)


def fields_over_the_limit(p):
    p.send(frame(HEADERS, END_HEADERS | END_STREAM, p.next(), block("GET", "/healthz") + b"\x90" * 97))
    p.send(frame(HEADERS, END_HEADERS | END_STREAM, p.next(), block("GET", "/healthz") + b"\xa0" * 97))
    p.send(get(p.next(), "/" + "p" * 2048))
    p.send(get(p.next(), "/healthz", ("x", "v" * 16000)))
    answers(p, (1, 3, 5), (431,))
    answers(p, (7,), (200,))


def compression_bomb(p):
    """One large value in the dynamic table, referred to by one byte each time."""
    p.send(frame(HEADERS, END_HEADERS | END_STREAM, p.next(),
                 block("GET", "/healthz") + b"\x40\x01x" + integer(7, 0, 4000) + b"b" * 4000))
    answers(p, (1,), (200,))
    for _ in range(40):
        p.send(frame(HEADERS, END_HEADERS | END_STREAM, p.next(), block("GET", "/healthz") + b"\xbe" * 15000))
    p.until(lambda: len(p.resets) == 40)
    check(len(p.resets) == 40, "each is reset", len(p.resets))


def bodies_too_large(p):
    p.send(post_head(p.next(), ("content-length", str(1 << 30))))
    answers(p, (1,), (413,))
    p.send(frame(WINDOW, 0, 0, struct.pack(">I", 1 << 20)))


def polls_over_their_share(p):
    p.send(b"".join(poll(p.next()) for _ in range(60)), 120)
    p.until(lambda: len(p.statuses) == 10)
    check(sorted(p.statuses.values()) == [429] * 10, "50 of 60 are parked", p.statuses)


def requests_that_lie(p):
    first = p.stream + 2
    p.send(headers(p.next(), "CONNECT", "/healthz"))
    p.send(headers(p.next(), "BREW", "/healthz"))
    p.send(headers(p.next(), "GET", "/healthz", ("host", "elsewhere")))
    p.send(headers(p.next(), "GET", "/v1/../healthz"))
    p.send(headers(p.next(), "GET", "/%68ealthz"))
    p.send(headers(p.next(), "GET", "/healthz", ("authorization", "Bearer a"), ("authorization", "Bearer b")))
    p.send(headers(p.next(), "POST", "/v1/messages", ("content-encoding", "gzip"), ("content-type", JSON)))
    p.until(lambda: all(s in p.statuses or s in p.resets for s in range(first, first + 14, 2)))
    got = [p.statuses.get(s) or "reset" for s in range(first, first + 14, 2)]
    check(got[1:] == [405, 400, 404, 404, 400, 415] and got[0] in (405, "reset"), "each is refused", got)


def half_bodies_given_up(p):
    """100 uploads broken off half-way: their bytes come back to the connection's window, so a last one passes."""
    for _ in range(100):
        stream = p.next()
        p.send(post_head(stream) + frame(DATA, 0, stream, bytes(16384)) + frame(RST, 0, stream, struct.pack(">I", CANCEL)), 3)
        p.read(0)
    stream = p.next()
    body = b'{"channel":"web","source_id":"m-%d","customer":"m","text":"after all that"}' % time.monotonic_ns()
    p.send(post_head(stream) + frame(DATA, END_STREAM, stream, body), 2)
    answers(p, (stream,), (202,))


def half_bodies_held(p):
    """90 uploads of which each stops at its window: what they hold is bounded, and one that ends is answered."""
    hold_bodies(p, 90)
    stream = p.next()
    body = b'{"channel":"web","source_id":"h-%d","customer":"m","text":"beside all that"}' % time.monotonic_ns()
    p.send(post_head(stream) + frame(DATA, END_STREAM, stream, body), 2)
    answers(p, (stream,), (202, 503))


# --- the slow -----------------------------------------------------------------------------------------------------------------
# Each runs until the server's deadline ends it; nothing that trickles prolongs one.


def silent(p):
    pass


def no_settings(p):
    p.send(PREFACE, 0)


def no_ack(p):
    while not p.ended:
        p.send(get(p.next()))
        p.pause()


def dripped_head(p):
    p.pause()  # an acknowledgement of ours must not come in its middle
    p.send(frame(HEADERS, END_HEADERS, p.next(), bytes(1000))[:9])
    while not p.ended and p.send(b"\x90", 0):
        p.pause()


def head_without_end(p):
    p.pause()  # an acknowledgement of ours must not come between its frames
    p.send(frame(HEADERS, 0, p.next(), block("GET", "/healthz")))
    p.until(lambda: p.ended)


def dripped_body(p):
    p.send(post_head(p.next()))
    while 1 not in p.statuses and not p.ended and p.send(frame(DATA, 0, 1, b"x")):
        p.pause()
    answers(p, (1,), (408,))


def body_that_stops(p):
    p.send(post_head(p.next(), ("content-length", "1000")) + frame(DATA, 0, 1, b"x" * 999))
    answers(p, (1,), (408,))


def window_shut(p):
    p.send(get(p.next(), "/metrics", ("accept", "*/*")))
    p.until(lambda: 1 in p.resets)
    check(p.resets.get(1) == CANCEL, "the stream is cancelled", p.resets)


def window_dripped(p):
    p.send(get(p.next(), "/metrics", ("accept", "*/*")))
    end = time.monotonic() + PATIENCE_S
    while 1 not in p.resets and not p.ended and time.monotonic() < end:
        p.send(frame(WINDOW, 0, 1, struct.pack(">I", 1)))
        p.pause()
    check(p.resets.get(1) == CANCEL, "the stream is cancelled", p.resets)


def answers_unread(p):
    """Windows wide open, 90 large answers, and nobody reads the socket."""
    p.send(frame(WINDOW, 0, 0, struct.pack(">I", 1 << 30)))
    p.send(b"".join(get(p.next(), "/metrics", ("accept", "*/*")) for _ in range(90)), 90)
    until("the socket is given up", lambda: p.server.metrics().get("aswolk_limits_total", cause="socket_slow"))
    p.until(lambda: p.closed)


def idle(p):
    while not p.ended:
        p.send(frame(PING, 0, 0, b"12345678"))
        p.pause()


def stalled_polls(p):
    """Polls of a client that is gone without a word: it acknowledges no PING."""
    p.send(b"".join(poll(p.next()) for _ in range(50)), 100)
    p.until(lambda: p.ended)


class Case:
    """`end`: the code of the GOAWAY by which the server ends the connection, None when it ends none, CLOSE without a word."""

    def __init__(self, run, end, cause, tls=(False, True), **peer):
        self.run = run
        self.name = run.__name__.replace("_", " ")
        self.end = end if isinstance(end, tuple) else (end,)
        self.causes = cause if isinstance(cause, tuple) else (cause,) if cause else ()
        self.tls = tls
        self.peer = peer


CLOSE = "close"
PLAIN = (False,)
CALM = ENHANCE_YOUR_CALM
WIDE = setting(4, 0x7FFFFFFF)
SHUT = setting(4, 0)

FLOODS = (
    Case(rapid_reset, CALM, "reset"),
    Case(rapid_reset_of_polls, CALM, "reset"),
    Case(rapid_reset_of_uploads, CALM, "reset"),
    Case(made_you_reset, (CALM, NO_ERROR), "glitch"),
    Case(malformed_heads, (CALM, NO_ERROR), "glitch"),
    Case(lengths_that_lie, (CALM, NO_ERROR), "glitch"),
    Case(empty_data, (CALM, NO_ERROR), "glitch"),
    Case(padding_alone, (CALM, NO_ERROR), "glitch"),
    Case(tiny_data, CALM, "control"),
    Case(pings, CALM, ("control", "outbound")),
    Case(ping_acks, CALM, "control"),
    Case(settings_flood, CALM, ("control", "outbound")),
    Case(settings_with_33_entries, CALM, "protocol"),
    Case(window_updates, CALM, "control"),
    Case(priorities, CALM, "control"),
    Case(priority_updates, CALM, "control"),
    Case(unknown_frames, CALM, "control"),
    Case(continuations, CALM, "continuation"),
    Case(continuations_with_fields, CALM, "continuation"),
    Case(data_on_a_closed_stream, CALM, "control"),
    Case(heads_on_a_closed_stream, (CALM, NO_ERROR), "glitch"),
    Case(pings_of_the_deaf, (CALM, CLOSE), "outbound", deaf=True),
    Case(number_passed_over, PROTOCOL_ERROR, "protocol"),
    Case(streams_over_the_limit, PROTOCOL_ERROR, "protocol"),
    Case(window_overrun, None, "bodies"),
    Case(frame_too_large, FRAME_SIZE_ERROR, "protocol"),
    Case(garbage, PROTOCOL_ERROR, "garbage", PLAIN, hello=False),
    Case(http1, CLOSE, "http1", PLAIN, hello=False),
    Case(fields_over_the_limit, None, "headers"),
    Case(compression_bomb, None, "headers"),
    Case(bodies_too_large, None, "body_large"),
    Case(polls_over_their_share, None, "polls"),
    Case(requests_that_lie, None, "request"),
    Case(half_bodies_given_up, None, None),
    Case(half_bodies_held, None, None),
)

# With the deadlines of DEADLINES.
STALLS = (
    Case(silent, SETTINGS_TIMEOUT, "hello", hello=False),
    Case(no_settings, SETTINGS_TIMEOUT, "hello", hello=False, ack=False),
    Case(no_ack, SETTINGS_TIMEOUT, "settings", ack=False),
    Case(dripped_head, CALM, "frame_slow"),
    Case(head_without_end, CALM, "frame_slow"),
    Case(dripped_body, None, "body_slow"),
    Case(body_that_stops, None, "body_slow"),
    Case(window_shut, None, "answer_slow", settings=SHUT),
    Case(window_dripped, None, "answer_slow", settings=SHUT),
    Case(answers_unread, CLOSE, "socket_slow", deaf=True, settings=WIDE),
    Case(idle, NO_ERROR, "idle"),
    Case(stalled_polls, NO_ERROR, "ping", pong=False),
)
DEADLINE_MS = int(2000 * SLOW)
DEADLINES = [
    argument
    for name, times in (("hello", 1), ("settings-ack", 2), ("frame", 1), ("rate-window", 1), ("idle", 2), ("quiet", 1),
                        ("ping-ack", 1))
    for argument in ("--http-%s-ms" % name, str(DEADLINE_MS * times))
]


# --- the good client ----------------------------------------------------------------------------------------------------------


class GoodClient:
    """A process that posts one message after the other; `times` are (when sent, how long) of each answer."""

    PAUSE_S = 0.003

    def __init__(self, server, tls):
        address = server.tls_address if tls else server.address
        command = [sys.executable, os.path.abspath(__file__), "%s:%d" % address, "tls" if tls else "h2c"]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        self.times = []
        self.lost = []
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            at, took, answer = line.split()
            self.times.append((float(at), float(took)))
            if answer != b"202":
                self.lost.append(answer.decode())

    def between(self, begin, end):
        return sorted(took for at, took in list(self.times) if begin <= at <= end)

    def answers_more(self, count):
        """Waits for that many more answers, and returns what they took."""
        begin, end = time.monotonic(), time.monotonic() + PATIENCE_S
        while len(self.between(begin, end)) < count:
            check(self.process.poll() is None and time.monotonic() < end, "the good client is answered", self.lost)
            time.sleep(0.01)
        return self.between(begin, end)

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.reader.join(PATIENCE_S)
        self.process.stdout.close()
        check(not self.lost, "each of its messages is accepted", self.lost)


def be_good(address, tls):
    api = Api(Connection(address_of(address), tls), "good")
    make = Messages("good-%d" % os.getpid())
    while True:
        began = time.monotonic()
        try:
            answer = api.post(make.next()).status
        except (Gone, OSError):
            answer = 0
        print("%.6f %.6f %d" % (began, time.monotonic() - began, answer), flush=True)
        if answer == 0:
            return
        time.sleep(GoodClient.PAUSE_S)


# --- running them -------------------------------------------------------------------------------------------------------------


def prepare(server):
    status(server.api().put_lane("nowhere"), 201, "a lane for polls")


def anonymous_mib(server):
    """Memory that is the process's own; None under a sanitizer, which keeps what was freed."""
    with open("/proc/%d/status" % server.process.pid) as lines:
        lines = dict(line.split(":", 1) for line in lines)
    if int(lines["VmSize"].split()[0]) > 8 << 30:  # KiB: nothing but a sanitizer's shadow takes 8 TiB of addresses
        return None
    return int(lines["RssAnon"].split()[0]) / 1024


def end_of(case, peer):
    """How the server ended it: a code, CLOSE, or None."""
    if None in case.end:
        peer.read(0)
        return peer.code if peer.goaways or peer.closed else None
    peer.until(lambda: peer.closed)
    return peer.code if peer.goaways else CLOSE if peer.closed else None


def attack(case, server, tls):
    """One go: the end is as it must be. Returns the peer, closed."""
    peer = Peer(server, tls, **case.peer)
    try:
        case.run(peer)
        got = end_of(case, peer)
        check(got in case.end, "%s, %s: ends by one of %r" % (case.name, "tls" if tls else "h2c", case.end), (got, peer.goaways))
        return peer
    finally:
        peer.close()


def percentile(times, share):
    return times[min(len(times) - 1, int(len(times) * share))]


if __name__ == "__main__":
    try:
        be_good(sys.argv[1], sys.argv[2] == "tls")
    except (KeyboardInterrupt, BrokenPipeError):
        pass
