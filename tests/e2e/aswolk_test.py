"""Harness of the scenario tests: a real server on a folder of its own, and an HTTP/2 client that hides nothing.

A test is a function `test_*(t)`. `t.server()` starts a server; when the function returns, its pools must be empty, it is stopped,
must exit cleanly, and its folder is removed. A test that fails says what it got and what it wanted, and shows the end of the
server's log. Every script ends with `sys.exit(run(globals()))`; names of tests as arguments run only those.

Environment: ASWOLK_BIN   the folder of aswolkd and aswolk (default: the newest build/*/bin)
             ASWOLK_SEED  seed of everything random, printed first
             ASWOLK_SLOW  factor on all patience, for slow machines and sanitizers
"""

import datetime
import glob
import json
import os
import queue
import random
import re
import selectors
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings
import msgpack

import contract

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FEW_RULES = os.path.join(ROOT, "tests", "data", "rules")
SLOW = float(os.environ.get("ASWOLK_SLOW", "1"))
SEED = int(os.environ.get("ASWOLK_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 31)
PATIENCE_S = 20 * SLOW

JSON = "application/json"
MSGPACK = "application/msgpack"
NDJSON = "application/x-ndjson"
MSGPACK_SEQ = "application/vnd.msgpack-seq"
PROBLEM_JSON = "application/problem+json"
PROBLEM_MSGPACK = "application/problem+msgpack"


# Every answer that comes in must be one that proto/openapi.json has.
CONTRACT = contract.Contract()


class Failed(Exception):
    """A check did not hold."""


class Gone(Exception):
    """The connection ended while something was expected of it."""


# --- checks -------------------------------------------------------------------------------------------------------------------


def check(holds, what, got=None):
    if not holds:
        raise Failed(what if got is None else "%s; got %r" % (what, got))


def equal(got, want, what):
    if got != want:
        raise Failed("%s: got %r, want %r" % (what, got, want))


def status(response, want, what):
    if response.status != want:
        raise Failed("%s: status %s, want %s; %s" % (what, response.status, want, response.body[:400]))
    return response


def problem(response, want_status, want_name, field=None):
    """An RFC 9457 problem of the given kind, complete, in the content type that problems have. Returns it."""
    status(response, want_status, "problem " + want_name)
    check(response.content_type in (PROBLEM_JSON, PROBLEM_MSGPACK), "a problem's content type", response.content_type)
    return problem_value(response.value, want_status, want_name, field)


def problem_value(value, want_status, want_name, field=None):
    equal(value.get("type"), "urn:aswolk:" + want_name, "type of the problem %r" % value)
    equal(value.get("status"), want_status, "status inside the problem")
    check(isinstance(value.get("title"), str) and value["title"], "a problem has a title", value)
    check(isinstance(value.get("detail", ""), str), "detail is text", value)
    if field is not None:
        equal(value.get("field"), field, "field of the problem %r" % value)
    return value


def until(what, holds, patience_s=None):
    """Waits until holds() is true and returns what it gave; looks often, so that it costs hardly more than the thing takes."""
    end = time.monotonic() + (patience_s or PATIENCE_S)
    pause = 0.002
    while True:
        value = holds()
        if value:
            return value
        if time.monotonic() > end:
            raise Failed("not within %.0f s: %s" % (patience_s or PATIENCE_S, what))
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)


def rfc3339(seconds):
    """Unix seconds as the API writes times."""
    when = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return when.strftime("%Y-%m-%dT%H:%M:%S.") + "%03dZ" % (when.microsecond // 1000)


def seconds_of(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


# --- the HTTP/2 client --------------------------------------------------------------------------------------------------------


class Response:
    """What came back on one stream, as far as it came."""

    def __init__(self, stream, method, path):
        self.stream = stream
        self.method = method
        self.path = path
        self.status = None
        self.fields = {}
        self.body = b""
        self.done = False  # END_STREAM came
        self.reset = None  # code of the peer's RST_STREAM
        self.at = None  # when END_STREAM came
        self.began_at = time.monotonic()

    @property
    def ended(self):
        return self.done or self.reset is not None

    @property
    def content_type(self):
        return self.fields.get("content-type", "").split(";")[0].strip()

    @property
    def value(self):
        """The body as the content type says."""
        if self.content_type in (MSGPACK, PROBLEM_MSGPACK):
            return msgpack.unpackb(self.body, strict_map_key=False)
        if self.content_type in (JSON, PROBLEM_JSON):
            return json.loads(self.body.decode("utf-8"))
        raise Failed("neither JSON nor MessagePack: %r, %r" % (self.content_type, self.body[:200]))

    @property
    def lines(self):
        """The values of an answer to several."""
        if self.content_type == NDJSON:
            return [json.loads(line) for line in self.body.decode("utf-8").split("\n") if line]
        if self.content_type == MSGPACK_SEQ:
            unpacker = msgpack.Unpacker(strict_map_key=False)
            unpacker.feed(self.body)
            return list(unpacker)
        raise Failed("no sequence: status %s, %r, %r" % (self.status, self.content_type, self.body[:300]))


class Connection:
    """One HTTP/2 connection. Nothing happens in the background: bytes move in wait(), pump() and the sending calls."""

    GOAWAY_FRAME = 7

    def __init__(self, address, tls=False, settings=None):
        self.socket = socket.create_connection(address, timeout=PATIENCE_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:  # or a context of the test's own
            context = tls_context() if tls is True else tls
            self.socket = context.wrap_socket(self.socket, server_hostname="localhost")
            equal(self.socket.selected_alpn_protocol(), "h2", "ALPN")
        self.h2 = h2.connection.H2Connection(
            h2.config.H2Configuration(
                client_side=True,
                header_encoding="utf-8",
                validate_outbound_headers=False,
                normalize_outbound_headers=False,
            )
        )
        if settings:  # Those of the first SETTINGS frame; an update would be a second one.
            initial = dict(self.h2.local_settings.items())
            initial.update(settings)
            self.h2.local_settings = h2.settings.Settings(client=True, initial_values=initial)
        self.scheme = "https" if tls else "http"
        self.authority = "%s:%d" % address
        self.responses = {}
        self.goaways = []  # (last stream, error code, at) of each
        self.closed = False
        self._partial = b""
        self.h2.initiate_connection()
        self.h2.increment_flow_control_window(1 << 24)
        self.flush()

    # Sending.

    def flush(self):
        out = self.h2.data_to_send()
        if out:
            self.send_raw(out)

    def send_raw(self, out):
        """Bytes as they are: for frames that the library would not make."""
        try:
            self.socket.settimeout(PATIENCE_S)
            self.socket.sendall(out)
        except OSError as error:
            self.closed = True
            raise Gone("sending: %s" % error)

    def begin(self, method, path, fields=(), end=True, flush=True):
        """Sends the head of a request; returns its Response, to be filled by wait or pump."""
        head = [(":method", method), (":scheme", self.scheme), (":authority", self.authority), (":path", path)]
        if self.closed:
            raise Gone("the connection is closed")
        stream = self.h2.get_next_available_stream_id()
        response = self.responses[stream] = Response(stream, method, path)
        self.h2.send_headers(stream, head + list(fields), end_stream=end)
        if flush:
            self.flush()
        return response

    def send_body(self, response, body, end=True):
        """All of it, waiting for windows as they are needed. Stops early when the stream is answered meanwhile."""
        at = 0
        deadline = time.monotonic() + PATIENCE_S
        while True:
            if response.ended or self.closed:
                return at
            room = min(self.h2.local_flow_control_window(response.stream), self.h2.max_outbound_frame_size, len(body) - at)
            if room > 0 or at == len(body):
                last = at + room == len(body)
                self.h2.send_data(response.stream, body[at : at + room], end_stream=end and last)
                self.flush()
                at += room
                if last:
                    return at
                self.pump(0)
            else:
                check(time.monotonic() < deadline, "a window for the body opens", at)
                self.pump(0.1)

    def begin_with(self, method, path, fields=(), body=None):
        response = self.begin(method, path, fields, end=body is None)
        if body is not None:
            self.send_body(response, body)
        return response

    def request(self, method, path, fields=(), body=None, patience_s=None):
        return self.wait(self.begin_with(method, path, fields, body), patience_s)

    def reset(self, response, code=h2.errors.ErrorCodes.CANCEL):
        self.h2.reset_stream(response.stream, code)
        self.flush()

    # Receiving.

    def pump(self, patience_s):
        """Reads once what is there within the time; false when nothing came."""
        if self.closed:
            return False
        try:
            self.socket.settimeout(max(patience_s, 0.000001))
            data = self.socket.recv(1 << 18)
        except (socket.timeout, ssl.SSLWantReadError, BlockingIOError):
            return False
        except OSError:
            data = b""
        if not data:
            self.closed = True
            return False
        self._take(data)
        try:
            self.flush()
        except Gone:
            pass
        return True

    def _take(self, data):
        """Frames one by one: h2 takes the first GOAWAY for the end of everything, though open streams go on (RFC 9113, 6.8)."""
        self._partial += data
        whole = b""
        while len(self._partial) >= 9:
            length = 9 + int.from_bytes(self._partial[:3], "big")
            if len(self._partial) < length:
                break
            frame, self._partial = self._partial[:length], self._partial[length:]
            if frame[3] == self.GOAWAY_FRAME:
                last, code = struct.unpack(">II", frame[9:17])
                self.goaways.append((last & 0x7FFFFFFF, code, time.monotonic()))
            else:
                whole += frame
        for event in self.h2.receive_data(whole):
            self._note(event)

    def _note(self, event):
        response = self.responses.get(getattr(event, "stream_id", None))
        if response is None:
            return
        if isinstance(event, h2.events.ResponseReceived):
            response.fields = dict(event.headers)
            response.status = int(response.fields.pop(":status"))
        elif isinstance(event, h2.events.DataReceived):
            response.body += event.data
            self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamEnded):
            response.done = True
            response.at = time.monotonic()
            self.responses.pop(response.stream, None)
            CONTRACT.take(response)
        elif isinstance(event, h2.events.StreamReset) and event.remote_reset and not response.done:
            response.reset = event.error_code
            self.responses.pop(response.stream, None)

    def wait(self, response, patience_s=None):
        """Until the answer is complete. Gone when the connection or the stream ended before."""
        end = time.monotonic() + (patience_s or PATIENCE_S)
        while not response.done:
            if response.reset is not None:
                raise Gone("stream %d reset: %s" % (response.stream, response.reset))
            if self.closed:
                raise Gone("connection closed, GOAWAYs %r" % (self.goaways,))
            left = end - time.monotonic()
            if left <= 0:
                raise Failed("no answer on stream %d within %.0f s" % (response.stream, patience_s or PATIENCE_S))
            self.pump(left)
        return response

    def close(self):
        self.closed = True
        self.socket.close()


def tls_context():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    return context


def pump_all(connections, patience_s):
    """Reads once from every connection of many that has something; false when none had within the time."""
    with selectors.DefaultSelector() as selector:
        for connection in connections:
            if not connection.closed:
                selector.register(connection.socket, selectors.EVENT_READ, connection)
        if not selector.get_map():
            return False
        ready = selector.select(patience_s)
        for key, _ in ready:
            key.data.pump(0)
        return bool(ready)


# --- the API ------------------------------------------------------------------------------------------------------------------


def encode(value, content_type=JSON):
    if content_type == MSGPACK:
        return msgpack.packb(value)
    return json.dumps(value, ensure_ascii=False).encode("utf-8")


def encode_many(values, content_type=NDJSON):
    if content_type == MSGPACK_SEQ:
        return b"".join(msgpack.packb(value) for value in values)
    return b"".join(json.dumps(value, ensure_ascii=False).encode("utf-8") + b"\n" for value in values)


class Api:
    """The API on one connection, as one agent or gateway, in one of the two encodings. With a token `who` is sent only if given."""

    def __init__(self, connection, who="ann", form=JSON, token=None):
        self.connection = connection
        self.who = who
        self.form = form
        self.token = token

    def fields(self, content_type=None, **more):
        who = more.pop("aswolk_agent", self.who)
        fields = [("accept", self.form)]
        if who is not None:
            fields.append(("aswolk-agent", who))
        if self.token is not None:
            fields.append(("authorization", "Bearer " + self.token))
        if content_type:
            fields.append(("content-type", content_type))
        return fields + [(name.replace("_", "-"), value) for name, value in more.items() if value is not None]

    def get(self, path, **more):
        return self.connection.request("GET", path, self.fields(**more))

    def send(self, method, path, value, patience_s=None, **more):
        return self.connection.request(method, path, self.fields(self.form, **more), encode(value, self.form), patience_s)

    def begin(self, method, path, value, **more):
        return self.connection.begin_with(method, path, self.fields(self.form, **more), encode(value, self.form))

    # Gateways.

    def post(self, message, **more):
        return self.send("POST", "/v1/messages", message, **more)

    def begin_post(self, message, **more):
        return self.begin("POST", "/v1/messages", message, **more)

    def post_many(self, messages, content_type=NDJSON, path="/v1/messages"):
        fields = [field for field in self.fields(content_type) if field[0] != "accept"] + [("accept", content_type)]
        return self.connection.request("POST", path, fields, encode_many(messages, content_type))

    def receipt(self, message, **more):
        """Posts and demands that it is accepted."""
        return status(self.post(message, **more), 202, "post").value

    def receipts(self, messages, content_type=NDJSON):
        answers = status(self.post_many(messages, content_type), 200, "post many").lines
        equal(len(answers), len(messages), "a line for each message")
        for number, answer in enumerate(answers, 1):
            equal((answer.get("line"), answer.get("status")), (number, 202), "line and status of %r" % answer)
        return answers

    # Agents.

    def pull(self, max=1, wait_s=0, lease_s=300, lanes=None, **more):
        body = {"max": max, "wait_s": wait_s, "lease_s": lease_s}
        if lanes is not None:
            body["lanes"] = lanes
        return self.send("POST", "/v1/leases", body, patience_s=PATIENCE_S + wait_s, **more)

    def begin_pull(self, max=1, wait_s=25, lease_s=300, lanes=None, **more):
        body = {"max": max, "wait_s": wait_s, "lease_s": lease_s}
        if lanes is not None:
            body["lanes"] = lanes
        return self.begin("POST", "/v1/leases", body, **more)

    def leases(self, max=1, **more):
        """What a pull gives; an empty list for 204."""
        response = self.pull(max=max, **more)
        if response.status == 204:
            equal(response.body, b"", "a 204 has no body")
            return []
        leases = status(response, 200, "pull").value["leases"]
        check(0 < len(leases) <= max, "1 to max leases", len(leases))
        return leases

    def lease(self, **more):
        leases = self.leases(**more)
        equal(len(leases), 1, "one lease")
        return leases[0]

    def held(self):
        """The first page of what this agent holds."""
        return status(self.get("/v1/leases"), 200, "list leases").value["items"]

    def every_lease(self):
        return self.every("/v1/leases")

    def every(self, path):
        """All items of a list, page by page; `next` and the Link field name the same page."""
        items, cursor = [], None
        more = "&".join(part for part in path.replace("?", "&").split("&") if not part.startswith("cursor=")) + "&cursor="
        more = more.replace("&", "?", 1)
        while True:
            response = status(self.get(path if cursor is None else more + cursor), 200, "list " + path)
            items += response.value["items"]
            cursor = response.value["next"]
            link = response.fields.get("link")
            equal(link, None if cursor is None else '<%s>; rel="next"' % (more + cursor), "Link")
            if cursor is None:
                return items
            check(response.value["items"], "a page that is not the last has items")

    def act(self, lease, verb, body=None, **more):
        token = lease if isinstance(lease, str) else lease["lease"]
        return self.send("POST", "/v1/leases/%s/%s" % (token, verb), {} if body is None else body, **more)

    def complete(self, lease, **body):
        return self.act(lease, "complete", body)

    def completed(self, lease, **body):
        return status(self.complete(lease, **body), 200, "complete").value

    # Supervisors.

    def ticket(self, ticket, **more):
        return self.get("/v1/tickets/" + ticket, **more)

    def put_lane(self, lane, body=None, **more):
        return self.send("PUT", "/v1/lanes/" + lane, {} if body is None else body, **more)

    def put_agent(self, agent, body=None, **more):
        return self.send("PUT", "/v1/agents/" + agent, {} if body is None else body, **more)

    def agent_of(self, agent):
        return status(self.get("/v1/agents/" + agent), 200, "agent").value

    def patch_ticket(self, ticket, body, **more):
        return self.send("PATCH", "/v1/tickets/" + ticket, body, **more)

    def begin_bulk(self, body, **more):
        accept = MSGPACK_SEQ if self.form == MSGPACK else NDJSON
        fields = [("accept", accept)] + [field for field in self.fields(self.form, **more) if field[0] != "accept"]
        return self.connection.begin_with("POST", "/v1/tickets/bulk", fields, encode(body, self.form))

    def bulk(self, body, **more):
        """The lines of one change of many tickets, and the last one, which counts them."""
        response = self.connection.wait(self.begin_bulk(body, **more))
        *lines, end = status(response, 200, "bulk").lines
        equal([line["line"] for line in lines], list(range(1, len(lines) + 1)), "each line has its number")
        done = sum(line["status"] == 200 for line in lines)
        equal((end["done"], end["failed"]), (done, len(lines) - done), "they are counted")
        return lines, end

    def cancel_ticket(self, ticket, body=None, **more):
        return self.send("POST", "/v1/tickets/%s/cancel" % ticket, {} if body is None else body, **more)


class Messages:
    """Makes messages that are all different."""

    def __init__(self, prefix="m"):
        self.prefix = prefix
        self.count = 0

    def next(self, **fields):
        self.count += 1
        message = {
            "channel": "web",
            "source_id": "%s-%d" % (self.prefix, self.count),
            "customer": "%s-customer-%d" % (self.prefix, self.count),
            "text": "My flight is gone, what now? (%d)" % self.count,
        }
        message.update(fields)
        return {name: value for name, value in message.items() if value is not None}

    def many(self, count, **fields):
        return [self.next(**fields) for _ in range(count)]


# --- metrics ------------------------------------------------------------------------------------------------------------------

SAMPLE = re.compile(r'^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{([^}]*)\})? (\S+)(?: \S+)?$')
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')


class Metrics:
    """One scrape of /metrics, checked against the shape of OpenMetrics."""

    def __init__(self, response):
        status(response, 200, "metrics")
        equal(response.content_type, "application/openmetrics-text", "content type of metrics")
        text = response.body.decode("utf-8")
        check(text.endswith("# EOF\n"), "OpenMetrics ends with # EOF", text[-80:])
        self.samples = {}
        self.types = {}
        for line in text.split("\n")[:-2]:
            if line.startswith("# TYPE "):
                _, _, name, kind = line.split(" ")
                check(name not in self.types, "one TYPE a family", name)
                self.types[name] = kind
            elif not line.startswith("# "):
                self._sample(line)

    def _sample(self, line):
        match = SAMPLE.match(line)
        check(match, "a sample line", line)
        name, labels, value = match.groups()
        key = (name, tuple(sorted(LABEL.findall(labels or ""))))
        check(key not in self.samples, "one sample a label set", key)
        self.samples[key] = float(value)

    def get(self, name, **labels):
        """The sum over all samples of that name that carry these labels."""
        found = self.find(name, **labels)
        check(found, "metric %s%r" % (name, labels))
        return sum(found)

    def find(self, name, **labels):
        wanted = set(labels.items())
        return [value for (n, l), value in self.samples.items() if n == name and wanted <= set(l)]

    def has(self, name):
        return any(n == name for n, _ in self.samples)


# --- the server ---------------------------------------------------------------------------------------------------------------


def bin_folder():
    folder = os.environ.get("ASWOLK_BIN")
    if folder:
        return folder
    found = glob.glob(os.path.join(ROOT, "build", "*", "bin", "aswolkd"))
    if not found:
        raise Failed("no aswolkd: build it, or set ASWOLK_BIN to its folder")
    return os.path.dirname(max(found, key=os.path.getmtime))


def program(name):
    return os.path.join(bin_folder(), name)


# What may be left of them when all clients are gone: the scrape itself is one request on one connection.
POOLS = (("aswolk_requests_open", 1), ("aswolk_connections", 1), ("aswolk_bodies_bytes", 0), ("aswolk_parked_pulls", 0),
         ("aswolk_event_streams", 0), ("aswolk_agent_streams", 0))

SANITIZER = re.compile(r"(AddressSanitizer|ThreadSanitizer|LeakSanitizer|UndefinedBehaviorSanitizer|runtime error:)")


def audit(server):
    """What `aswolk audit` says of a server's folder, in JSON; whether that server runs or not."""
    done = subprocess.run([program("aswolk"), "audit", "--json", server.folder], capture_output=True, timeout=PATIENCE_S * 15)
    equal(done.returncode, 0, "exit code of aswolk audit: %s%s" % (done.stdout[-2000:], done.stderr[-500:]))
    result = json.loads(done.stdout)
    equal((result["ok"], result["passed_ms"]["count"]), (True, 0), "something was passed over: %r" % result)
    return result


class Server:
    """One aswolkd process after the other on the same data folder."""

    def __init__(self, folder, args=(), env=None, io_threads=2):
        self.folder = folder
        self.args = list(args)
        self.env = dict(env or {})
        self.io_threads = io_threads
        self.process = None
        self.connections = []
        self.logs = []
        self.listen = self.tls_listen = "127.0.0.1:0"
        self.monitor_token = None  # what the metrics are asked for with

    # Life.

    def command(self):
        command = [program("aswolkd"), "--dev", "--data", self.folder, "--listen", self.listen]
        command += ["--tls-listen", self.tls_listen, "--io-threads", str(self.io_threads)] + self.args
        return command if "--rules" in command else command + ["--rules", FEW_RULES]

    def spawn(self):
        """Starts the process without waiting for anything."""
        return self.spawn_command(self.command())

    def spawn_command(self, command, **how):
        check(self.process is None, "one process at a time")
        env = dict(os.environ, **self.env)
        self.lines = queue.Queue()
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=env,
            cwd=os.path.dirname(self.folder),
            **how,
        )
        self.reader = threading.Thread(target=self._read, args=(self.process, self.lines), daemon=True)
        self.reader.start()
        return self

    def _read(self, process, lines):
        for raw in process.stdout:
            line = raw.decode("utf-8", "replace").rstrip("\n")
            self.logs.append(line)
            lines.put(line)
        lines.put(None)

    def wait_log(self, message, patience_s=None):
        """The next event of the log with this msg, as a dict. Failed when the process ends first."""
        end = time.monotonic() + (patience_s or PATIENCE_S * 3)
        while True:
            try:
                line = self.lines.get(timeout=max(0.001, end - time.monotonic()))
            except queue.Empty:
                raise Failed("no log event %r in time" % message)
            if line is None:
                raise Failed("the server ended before %r: exit code %s" % (message, self.process.wait()))
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if isinstance(event, dict) and event.get("msg") == message:
                return event

    def start(self, patience_s=None):
        self.spawn()
        self.ready = self.wait_log("ready", patience_s)
        self.address = address_of(self.ready["listen"]) if self.ready["listen"] else None
        self.tls_address = address_of(self.ready["tls_listen"])
        return self

    def keep_address(self):
        """From now on it is started where it is now: for clients that connect again by themselves."""
        self.listen, self.tls_listen = "%s:%d" % self.address, "%s:%d" % self.tls_address

    def kill(self):
        """kill -9."""
        self.process.kill()
        self._ended()

    def stop(self, patience_s=None):
        """SIGTERM, a drain, exit code 0."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(patience_s or PATIENCE_S * 2)
        except subprocess.TimeoutExpired:
            raise Failed("the server did not end after SIGTERM")
        code = self.process.returncode
        self._ended()
        equal(code, 0, "exit code after SIGTERM")

    def exit_code(self, patience_s=None):
        """Waits for a process that ends by itself."""
        try:
            self.process.wait(patience_s or PATIENCE_S)
        except subprocess.TimeoutExpired:
            raise Failed("the server did not end by itself")
        code = self.process.returncode
        self._ended()
        return code

    def _ended(self):
        self.process.wait()
        self.reader.join(PATIENCE_S)
        self.process.stdout.close()
        self.process = None
        for connection in self.connections:
            connection.close()
        self.connections = []

    def restart(self, **args):
        self.kill()
        return self.start(**args)

    @property
    def running(self):
        return self.process is not None

    # Talking to it.

    def connect(self, tls=False, settings=None):
        connection = Connection(self.tls_address if tls else self.address, tls, settings)
        self.connections.append(connection)
        return connection

    def api(self, who="ann", form=JSON, tls=False):
        return Api(self.connect(tls), who, form)

    def metrics(self):
        return self.metrics_over(Connection(self.address))

    def metrics_over(self, connection):
        try:
            return self.metrics_by(connection)
        finally:
            connection.close()

    def metrics_by(self, connection):
        fields = [("accept", "*/*")]
        if self.monitor_token is not None:
            fields.append(("authorization", "Bearer " + self.monitor_token))
        return Metrics(connection.request("GET", "/metrics", fields))

    # What must hold at the end of every test.

    def close_all(self):
        for connection in self.connections:
            connection.close()
        self.connections = []

    def check_pools(self):
        """Once all clients are gone nothing of theirs is left: no request, no body, no parked pull, no connection."""
        self.close_all()
        last = {}

        def empty():
            try:
                metrics = self.metrics()
            except (OSError, Gone) as error:  # who looks is a client, too, and the place of one who left may not be free yet
                last["metrics"] = repr(error)
                return False
            last.pop("metrics", None)
            for name, most in POOLS:
                last[name] = metrics.get(name)
            return all(last[name] <= most for name, most in POOLS)

        try:
            until("pools are empty", empty, 10 * SLOW)
        except Failed:
            raise Failed("pools are not empty: %r" % last)

    def check_logs(self):
        for line in self.logs:
            check(not SANITIZER.search(line), "a sanitizer complained: " + line)


def address_of(text):
    host, port = text.rsplit(":", 1)
    return host.strip("[]"), int(port)


# --- running tests ------------------------------------------------------------------------------------------------------------


class Faults:
    """Makes calls on the store's file fail in a running server, by the library tests/preload/faults.c; its head tells the rules."""

    def __init__(self, t, name="fault-rule"):
        self.path = os.path.join(t.folder, name)
        library = program("libaw_faults.so")
        check(os.path.exists(library), "the library of faults is built", library)
        self.env = {"LD_PRELOAD": library, "ASWOLK_FAULT_FILE": self.path}

    def set(self, rule):
        if self.was_met():
            os.unlink(self.path + ".met")
        with open(self.path + ".new", "w") as file:
            file.write(rule)
        os.rename(self.path + ".new", self.path)

    def clear(self):
        if os.path.exists(self.path):
            os.unlink(self.path)

    def was_met(self):
        """Whether the rule that was set last let a call fail."""
        return os.path.exists(self.path + ".met")


class Test:
    """What a test function gets: servers and folders that end with it, and a random source of its own."""

    def __init__(self, name):
        self.name = name
        self.random = random.Random("%d/%s" % (SEED, name))
        self.folder = tempfile.mkdtemp(prefix="aswolk-")
        self.servers = []
        self.notes = []

    def data_folder(self, name="data"):
        path = os.path.join(self.folder, name)
        os.makedirs(path, exist_ok=True)
        return path

    def server(self, *args, data="data", start=True, env=None, io_threads=2, rules=FEW_RULES):
        """`rules`: their folder; empty: the built-in ones, which take their time at each start."""
        if rules != FEW_RULES:
            args += ("--rules", rules)
        server = Server(self.data_folder(data), args, env, io_threads)
        self.servers.append(server)
        return server.start() if start else server

    def note(self, text):
        """A figure for the line that tells of this test."""
        self.notes.append(text)

    def end(self):
        for server in self.servers:
            if server.running:
                server.check_pools()
                server.stop()
            server.check_logs()
        breaches = CONTRACT.take_breaches()
        check(not breaches, "%d answers are not as openapi.json has them" % len(breaches), breaches[:5])

    def clean_up(self):
        for server in self.servers:
            if server.running:
                server.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def show_logs(test):
    for server in test.servers:
        print("    the log of %s ends:" % os.path.basename(server.folder))
        for line in server.logs[-25:]:
            print("      " + line[:400])


def run_one(name, function):
    test = Test(name)
    began = time.monotonic()
    try:
        function(test)
        test.end()
    except (Failed, Gone, h2.exceptions.H2Error, OSError, KeyError, ValueError, TypeError) as error:
        print("FAIL %s: %s: %s" % (name, type(error).__name__, error))
        for frame in traceback.extract_tb(error.__traceback__)[1:]:
            print("    %s:%d %s" % (os.path.basename(frame.filename), frame.lineno, frame.line))
        show_logs(test)
        return False
    finally:
        test.clean_up()
        sys.stdout.flush()
    print("ok   %s (%.1f s)%s" % (name, time.monotonic() - began, "".join("; " + note for note in test.notes)))
    sys.stdout.flush()
    return True


def run(names, argv=None):
    """Runs the test functions of a script in the order in which they stand; returns the exit code."""
    tests = [(name, value) for name, value in names.items() if name.startswith("test_") and callable(value)]
    wanted = sys.argv[1:] if argv is None else argv
    for name in wanted:
        if name not in dict(tests):
            print("no test %s; there are: %s" % (name, " ".join(name for name, _ in tests)))
            return 2
    print("seed %d" % SEED)
    failed = [name for name, function in tests if (not wanted or name in wanted) and not run_one(name, function)]
    total = len(wanted) if wanted else len(tests)
    print("%d passed, %d failed%s" % (total - len(failed), len(failed), (": " + " ".join(failed)) if failed else ""))
    return 1 if failed else 0
