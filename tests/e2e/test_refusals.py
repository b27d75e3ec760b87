#!/usr/bin/python3
"""Every limit and refusal, spoken to the real server: what is wrong is named, nothing of it is stored, and nobody else suffers."""

import json
import socket
import ssl
import sys
import time

import msgpack

from aswolk_test import (
    JSON,
    MSGPACK,
    MSGPACK_SEQ,
    NDJSON,
    PATIENCE_S,
    PROBLEM_JSON,
    PROBLEM_MSGPACK,
    SLOW,
    Api,
    Failed,
    Gone,
    Messages,
    check,
    encode,
    encode_many,
    equal,
    problem,
    problem_value,
    run,
    status,
    until,
)

MIB = 1 << 20
KIB = 1 << 10


def raw_post(api, body, content_type=JSON, path="/v1/messages", **more):
    if content_type in (NDJSON, MSGPACK_SEQ):
        more.setdefault("accept", content_type)
    return api.connection.request("POST", path, api.fields(content_type, **more), body)


def stored(server):
    """Messages that the server ever accepted."""
    return server.metrics().get("aswolk_posts_total")


# --- bodies -------------------------------------------------------------------------------------------------------------------


def test_large_bodies(t):
    """1 MiB is the end: refused by content-length before a byte of body, or the moment that the limit is passed."""
    server = t.server()
    make = Messages()
    api = server.api()
    early = api.connection.begin("POST", "/v1/messages", api.fields(JSON, content_length=str(MIB + 1)), end=False)
    problem(api.connection.wait(early), 413, "body-too-large")
    late = api.connection.begin("POST", "/v1/messages", api.fields(JSON), end=False)
    sent = api.connection.send_body(late, b" " * (2 * MIB))
    problem(api.connection.wait(late), 413, "body-too-large")
    check(sent < 2 * MIB, "refused before all of it was sent", sent)
    equal(raw_post(api, b" " * MIB).status, 400, "1 MiB of blanks is malformed, not too large")
    lines = encode_many(make.many(3)) * 2000
    problem(raw_post(api, lines + b" " * (MIB + 1 - len(lines)) if len(lines) <= MIB else lines, NDJSON), 413, "body-too-large")
    status(api.post(make.next()), 202, "the connection goes on")
    equal(stored(server), 1, "nothing else was stored")


def test_large_batches(t):
    """At most 10,000 lines; the whole body is refused above."""
    server = t.server()
    api = server.api()

    def lines(count):
        return b'{"channel":"web","source_id":"x","customer":"y","text":"z"}\n' * count

    check(len(lines(10001)) < MIB, "lines, not bytes, are over the limit here")
    problem(raw_post(api, lines(10001), NDJSON), 413, "body-too-large")
    equal(stored(server), 0, "nothing was stored")
    answers = status(raw_post(api, lines(10000), NDJSON), 200, "10,000 lines").lines
    equal(len(answers), 10000, "a line each")
    equal(sum(not answer["duplicate"] for answer in answers), 1, "one message")


def test_large_fields(t):
    """Texts of 64 KiB are taken and come out whole; longer ones, and messages over 128 KiB in all, are refused by name."""
    server = t.server()
    make = Messages()
    api = server.api()
    text = "é" * (32 * KIB)
    api.receipt(make.next(text=text))
    equal(api.lease()["messages"][0]["text"], text, "the text of a lease")
    problem(api.post(make.next(text=text + "x")), 400, "bad-value", "text")
    problem(api.post(make.next(customer="c" * 257)), 400, "bad-value", "customer")
    problem(api.post(make.next(customer="")), 400, "bad-value", "customer")
    problem(api.post(make.next(tags=["t"] * 17)), 400, "bad-value", "tags")
    problem(api.post(make.next(tags=["ok", "t" * 65])), 400, "bad-value", "tags[1]")
    problem(api.post(make.next(meta={"k": "v" * 1025})), 400, "bad-value", "meta.k")
    attachments = [{"kind": "image", "ref": "r" * 2048} for _ in range(32)]
    response = api.post(make.next(text=text, attachments=attachments))
    problem(response, 413, "body-too-large")
    equal(stored(server), 1, "nothing else was stored")


def test_media_types(t):
    """Another content type or encoding is 415; an answer that nobody accepts is 406 and changes nothing."""
    server = t.server()
    make = Messages()
    api = server.api()
    body = encode(make.next())
    for content_type in ("text/plain", "application/xml", "application/jsonx", "multipart/form-data"):
        problem(raw_post(api, body, content_type), 415, "unsupported-media-type")
    problem(api.connection.request("POST", "/v1/messages", api.fields(), body), 415, "unsupported-media-type")
    problem(raw_post(api, body, JSON, content_encoding="gzip"), 415, "unsupported-media-type")
    problem(raw_post(api, body, NDJSON, path="/v1/lanes/x"), 405, "method-not-allowed")
    fields = [("aswolk-agent", "ann"), ("content-type", JSON), ("accept", "text/html")]
    problem(api.connection.request("POST", "/v1/messages", fields, body), 406, "not-acceptable")
    equal(stored(server), 0, "nothing was stored")
    for content_type in ("application/json; charset=utf-8", "Application/JSON"):
        status(raw_post(api, encode(make.next()), content_type), 202, content_type)
    for accept in ("*/*", "application/*", "text/html, application/json;q=0.5"):
        fields = [("aswolk-agent", "ann"), ("content-type", JSON), ("accept", accept)]
        response = status(api.connection.request("POST", "/v1/messages", fields, encode(make.next())), 202, accept)
        equal(response.content_type, JSON, "type of the answer to " + accept)
    fields = [("aswolk-agent", "ann"), ("content-type", JSON), ("accept", MSGPACK)]
    response = status(api.connection.request("POST", "/v1/messages", fields, encode(make.next())), 202, "JSON in, MessagePack out")
    equal(response.content_type, MSGPACK, "type of the answer")


def test_slow_bodies(t):
    """A body that drips gets 408 however long each byte is waited for; the connection and an upload that moves go on."""
    server = t.server()
    make = Messages()
    api = server.api()
    slow = api.connection.begin("POST", "/v1/messages", api.fields(JSON, content_length="1000"), end=False)

    def drip():
        if not slow.ended:
            api.connection.h2.send_data(slow.stream, b" ")
            api.connection.flush()
        api.connection.pump(0.5)
        return slow.ended

    until("it is told", drip, PATIENCE_S * 2)
    problem(slow, 408, "body-too-slow")
    status(api.post(make.next()), 202, "the connection goes on")
    equal(stored(server), 1, "nothing else was stored")


def test_early_data(t):
    """What may be a replay of TLS early data (RFC 8470) changes nothing; looking is harmless."""
    server = t.server()
    make = Messages()
    api = server.api()
    problem(api.post(make.next(), early_data="1"), 425, "too-early")
    status(api.get("/v1/lanes", early_data="1"), 200, "GET")
    equal(stored(server), 0, "nothing was stored")


# --- what stands in them ------------------------------------------------------------------------------------------------------


def test_unknown_fields(t):
    """Refused by name, at every depth and on every path; with `Prefer: handling=lenient` moved to meta."""
    server = t.server()
    make = Messages()
    for form in (JSON, MSGPACK):
        api = server.api(form=form)
        problem(api.post(make.next(colour="red")), 400, "unknown-field", "colour")
        message = make.next(flights=[{"number": "KL1"}, {"number": "KL2", "gate": "D7"}])
        problem(api.post(message), 400, "unknown-field", "flights[1].gate")
        problem(api.send("POST", "/v1/leases", {"maximum": 3}), 400, "unknown-field", "maximum")
        problem(api.put_lane("x", {"match": {"colours": ["red"]}}), 400, "unknown-field", "match.colours")
        answer = problem(api.post(make.next(**{"e\u0301tage\u2028": 1})), 400, "unknown-field")
        check(answer["field"], "a strange name is still a name", answer)
    api = server.api()
    message = make.next(colour="red", meta={"shop": "7"})
    receipt = status(api.post(message, prefer="handling=lenient"), 202, "lenient").value
    shown = api.get("/v1/messages/" + receipt["message"]).value
    equal(shown["meta"], {"shop": "7", "colour": "red"}, "moved to meta")
    problem(api.post(make.next(text=1), prefer="handling=lenient"), 400, "bad-value", "text")
    equal(stored(server), 1, "only the lenient one was stored")


def test_missing_fields(t):
    """Each required field by name; a message without text and attachments has no content."""
    server = t.server()
    make = Messages()
    for form in (JSON, MSGPACK):
        api = server.api(form=form)
        for name in ("channel", "source_id", "customer"):
            problem(api.post(make.next(**{name: None})), 400, "bad-value", name)
        problem(api.post(make.next(text=None)), 400, "bad-value", "text")
        problem(api.post(make.next(text="", attachments=[])), 400, "bad-value", "text")
        problem(api.post(make.next(attachments=[{"ref": "x"}])), 400, "bad-value", "attachments[0].kind")
        problem(api.post(make.next(flights=[{"date": "2026-04-15"}])), 400, "bad-value", "flights[0].number")
        problem(api.post({}), 400, "bad-value")
        api.receipt(make.next(text=None, attachments=[{"kind": "image", "ref": "x"}]))
    equal(stored(server), 2, "only those with content were stored")


BAD_VALUES = (
    ("text", 7),
    ("text", None),
    ("text", ["a"]),
    ("text", "a\u0000b"),
    ("customer", "a\nb"),
    ("channel", "Twitter"),
    ("channel", "a b"),
    ("lang", "e n"),
    ("received_at", "yesterday"),
    ("received_at", "2026-02-30T00:00:00Z"),
    ("received_at", 1700000000),
    ("visibility", "secret"),
    ("addressed", True),
    ("class", "urgent"),
    ("care", "medical"),
    ("care[0]", ["headache"]),
    ("care[1]", ["medical", 1]),
    ("airports[0]", ["ams"]),
    ("airports[1]", ["AMS", "AMST"]),
    ("flights", {"number": "KL1"}),
    ("flights[0]", ["KL1"]),
    ("flights[0].number", [{"number": "?"}]),
    ("flights[0].date", [{"number": "KL1", "date": "2026-13-01"}]),
    ("flights[0].from", [{"number": "KL1", "from": "Amsterdam"}]),
    ("flights[0].departs_at", [{"number": "KL1", "departs_at": "10:20"}]),
    ("attachments[0].bytes", [{"kind": "image", "bytes": -1}]),
    ("attachments[0].bytes", [{"kind": "image", "bytes": 1.5}]),
    ("identities[0].value", [{"kind": "phone", "value": 31}]),
    ("meta", ["a"]),
    ("meta.a", {"a": 1}),
    ("meta.a", {"a": {"b": "c"}}),
)


def test_bad_values(t):
    """Wrong types and values outside of what is allowed, each with the path of its field."""
    server = t.server()
    make = Messages()
    for form in (JSON, MSGPACK):
        api = server.api(form=form)
        for field, value in BAD_VALUES:
            message = make.next()
            message[field.split("[")[0].split(".")[0]] = value
            problem(api.post(message), 400, "bad-value", field)
    equal(stored(server), 0, "nothing was stored")


def test_malformed_json(t):
    """What is no JSON, or not one object, or ambiguous."""
    server = t.server()
    api = server.api()
    good = b'{"channel":"web","source_id":"a","customer":"b","text":"c"}'
    for body, name in (
        (b"", "malformed"),
        (b"{", "malformed"),
        (good[:-1], "malformed"),
        (good + b"x", "malformed"),
        (good + good, "malformed"),
        (good.replace(b'"c"', b"'c'"), "malformed"),
        (good.replace(b'"c"', b'"\xff\xfe"'), "malformed"),
        (good.replace(b'"c"', b'"\xc0\xaf"'), "malformed"),
        (good.replace(b'"c"', b'"\xed\xa0\x80"'), "malformed"),
        (good.replace(b'"c"', b'"\\ud800"'), "malformed"),
        (good.replace(b'"c"', b'"c\nd"'), "malformed"),
        (good.replace(b'"c"', b"NaN"), "malformed"),
        (b"\xef\xbb\xbf" + good, "malformed"),
        (good[:-1] + b',"text":"d"}', "malformed"),
        (good[:-1] + b',"meta":{"a":"1","a":"2"}}', "malformed"),
        (b"[" * 5000 + b"]" * 5000, "malformed"),
        (good[:-1] + b',"meta":' + b'{"a":' * 40 + b"1" + b"}" * 40 + b"}", "malformed"),
        (b"[" + good + b"]", "bad-value"),
        (b'"text"', "bad-value"),
        (b"null", "bad-value"),
    ):
        response = raw_post(api, body)
        problem(response, 400, response.value["type"].split(":")[-1])
        check(response.value["type"].split(":")[-1] in (name, "malformed"), "%r" % body[:60], response.value)
    answer = problem(raw_post(api, good[:-1] + b',"text":"d"}'), 400, "malformed")
    equal(answer["field"], "text", "the key that stands twice")
    equal(stored(server), 0, "nothing was stored")
    status(raw_post(api, b" \n" + good + b"\n "), 202, "blanks around it")


def test_malformed_msgpack(t):
    """The same for MessagePack: cut short, lengths that lie, other types, binary texts, double keys, depth."""
    server = t.server()
    api = server.api(form=MSGPACK)
    good = msgpack.packb({"channel": "web", "source_id": "a", "customer": "b", "text": "c"})
    for body in (
        b"",
        good[:-1],
        good + b"\x00",
        good + good,
        b"\xc1",
        b"\xdf\xff\xff\xff\xff",
        b"\xdd\xff\xff\xff\xff",
        b"\xdb\xff\xff\xff\xffabc",
        b"\xc9\xff\xff\xff\xff\x01",
        b"\x91" * 5000 + b"\x00",
        good.replace(b"\xa1c", b"\xa1\xff"),
        msgpack.packb({"channel": "web", "source_id": "a", "customer": "b", 1: "c"}),
        b"\x82\xa4text\xa1c\xa4text\xa1d",
        msgpack.packb([1, 2]),
        msgpack.packb(None),
        msgpack.packb({"channel": "web", "source_id": "a", "customer": "b", "text": b"c"}),
    ):
        response = raw_post(api, body, MSGPACK)
        equal(response.status, 400, "status for %r" % body[:40])
        equal(response.content_type, PROBLEM_MSGPACK, "type of the problem")
        check(response.value["type"] in ("urn:aswolk:malformed", "urn:aswolk:bad-value"), "%r" % body[:40], response.value)
    equal(stored(server), 0, "nothing was stored")
    status(raw_post(api, good, MSGPACK), 202, "the good one")


def test_bad_lines_in_a_batch(t):
    """A bad line is refused alone, with its number and field; the others are stored, in order."""
    server = t.server()
    make = Messages()
    api = server.api()
    good = make.many(3)
    body = (
        encode(good[0]) + b"\n{\n\n" + encode(make.next(colour="red")) + b"\r\n" + encode(good[1]) + b"\n   \n"
        + encode(make.next(text=None)) + b"\n\xff\n" + encode(good[2])
    )
    answers = status(raw_post(api, body, NDJSON), 200, "batch").lines
    equal([answer["status"] for answer in answers], [202, 400, 400, 202, 400, 400, 202], "statuses")
    equal([answer["line"] for answer in answers], [1, 2, 4, 5, 7, 8, 9], "numbers of lines, blank ones counted")
    problem_value(answers[1], 400, "malformed")
    problem_value(answers[2], 400, "unknown-field", "colour")
    problem_value(answers[4], 400, "bad-value", "text")
    problem_value(answers[5], 400, "malformed")
    leases = api.leases(max=10)
    equal([m["source_id"] for l in leases for m in l["messages"]], [m["source_id"] for m in good], "what is stored")
    good = make.many(2)
    values = [good[0], {"channel": "web"}, 7, dict(make.next(), colour="red"), good[1]]
    answers = status(api.post_many(values, MSGPACK_SEQ), 200, "sequence").lines
    equal([answer["status"] for answer in answers], [202, 400, 400, 400, 202], "statuses of the sequence")
    equal([answer["line"] for answer in answers], [1, 2, 3, 4, 5], "numbers of the sequence")
    broken = encode_many(make.many(2), MSGPACK_SEQ) + b"\xdb\xff\xff\xff\xffabc"
    answers = status(raw_post(api, broken, MSGPACK_SEQ), 200, "broken sequence").lines
    equal([answer["status"] for answer in answers], [202, 202, 400], "what cannot be framed ends the sequence")
    equal(stored(server), 7, "all good ones")
    for empty in (b"", b"\n\n \n"):
        response = raw_post(api, empty, NDJSON)
        check((response.status, response.body) == (200, b"") or response.status == 400, "an empty batch", response.status)


def test_ranges(t):
    """max, wait_s and lease_s: their ends are in, what lies beyond is 400 with the field."""
    server = t.server()
    make = Messages()
    api = server.api()
    api.receipts(make.many(101))
    for field, values in (
        ("max", (0, 101, -1, 1.5, "1", True, 1 << 40, 10**30)),
        ("wait_s", (-1, 51, 0.5, "0", 1 << 64)),
        ("lease_s", (4, 3601, 0, -5, None)),
    ):
        for value in values:
            answer = problem(api.send("POST", "/v1/leases", {"wait_s": 0, field: value}), 400, "bad-value", field)
            check(answer["detail"], "a detail", answer)
    equal(api.held(), [], "nothing was leased by a refused pull")
    lease = api.lease(lease_s=5)
    problem(api.act(lease, "extend", {"lease_s": 4}), 400, "bad-value", "lease_s")
    problem(api.act(lease, "extend", {"lease_s": 3601}), 400, "bad-value", "lease_s")
    status(api.act(lease, "extend", {"lease_s": 3600}), 200, "extend to the end of the range")
    equal(len(api.leases(max=100, lease_s=3600)), 100, "100 at once")
    equal(api.leases(max=1, wait_s=0), [], "nothing left")
    problem(api.act(lease, "release"), 400, "bad-value", "reason")
    problem(api.act(lease, "complete", {"disposition": "d" * 65}), 400, "bad-value", "disposition")
    problem(api.put_lane("x", {"pause": "maybe"}), 400, "bad-value", "pause")
    problem(api.patch_ticket(lease["ticket"], {}), 400, "bad-value", "class")
    until_then = {"hold": False, "hold_until": "2030-01-01T00:00:00Z"}
    problem(api.patch_ticket(lease["ticket"], until_then), 400, "bad-value", "hold_until")


# --- paths, methods, heads ----------------------------------------------------------------------------------------------------


def test_paths_and_methods(t):
    """Unknown paths are 404 whatever the method; known ones say which methods they take."""
    server = t.server()
    api = server.api()
    for path in ("/v1", "/v1/", "/v1/message", "/v1/messages/", "/v1/%6dessages", "/v1/../healthz", "/V1/messages", "//healthz"):
        for method in ("GET", "POST"):
            body = b"{}" if method == "POST" else None
            fields = api.fields(JSON if body else None)
            problem(api.connection.request(method, path, fields, body), 404, "not-found")
    for method, path, allowed in (
        ("DELETE", "/v1/messages", {"POST"}),
        ("GET", "/v1/messages", {"POST"}),
        ("PUT", "/v1/leases", {"GET", "POST"}),
        ("POST", "/v1/lanes", {"GET"}),
        ("POST", "/healthz", {"GET"}),
        ("DELETE", "/metrics", {"GET"}),
    ):
        body = b"{}" if method in ("PUT", "POST") else None
        response = api.connection.request(method, path, api.fields(JSON if body else None), body)
        problem(response, 405, "method-not-allowed")
        allow = {word.strip() for word in response.fields.get("allow", "").split(",")}
        check(allowed <= allow and method not in allow, "Allow of %s" % path, response.fields.get("allow"))
    problem(api.connection.request("BREW", "/healthz", api.fields()), 405, "method-not-allowed")
    packed = server.api(form=MSGPACK)
    for method in ("DELETE", "BREW"):
        refused = packed.connection.request(method, "/healthz", packed.fields())
        equal(refused.content_type, PROBLEM_MSGPACK, "a problem for who reads MessagePack")
        problem(refused, 405, "method-not-allowed")
    head = api.connection.request("HEAD", "/healthz", api.fields())
    equal((head.status, head.body), (200, b""), "HEAD is GET without a body")


def test_unknown_tokens(t):
    """A lease that never was, or that somebody changed, is not found; what is no token at all neither, and never 5xx."""
    server = t.server()
    make = Messages()
    api = server.api()
    api.receipt(make.next())
    token = api.lease()["lease"]
    forged = token[:-1] + ("A" if token[-1] != "A" else "B")
    for text in (forged, token[:-1], token + "A", token.upper(), "l", "x" * 60, "t000000000zzzz", "%00", "l" + "A" * 300):
        for verb, body in (("extend", {}), ("complete", {}), ("release", {"reason": "x"})):
            response = api.act(text, verb, body)
            check(response.status in (400, 404), "%s with %r" % (verb, text), response.status)
            equal(response.content_type, PROBLEM_JSON, "a problem")
    api.completed(token)


def test_who(t):
    """A pull without a name is 401; a name has a length and an alphabet."""
    server = t.server()
    api = server.api()
    connection = api.connection
    plain = [("accept", JSON), ("content-type", JSON)]
    nameless = connection.request("POST", "/v1/leases", plain, b'{"wait_s":0}')
    problem(nameless, 401, "unauthorized")
    equal(nameless.fields.get("www-authenticate"), "Bearer", "RFC 9110 section 11.6.1")
    problem(connection.request("GET", "/v1/leases", plain[:1]), 401, "unauthorized")
    for name in ("a" * 65, "a\tb", ""):
        response = connection.request("POST", "/v1/leases", plain + [("aswolk-agent", name)], b'{"wait_s":0}')
        check(response.status in (400, 401), "agent %r" % name, response.status)


def test_idempotency_keys(t):
    """A key is 1 to 255 visible characters, once."""
    server = t.server()
    make = Messages()
    api = server.api()
    ticket = api.receipt(make.next())["ticket"]
    for key in ("", "k" * 256, "a\x80b", "a\tb"):
        for refused in (api.cancel_ticket(ticket, {}, idempotency_key=key), api.pull(idempotency_key=key)):
            found = problem(refused, 400, "bad-value")
            check("idempotency-key" in found["detail"], "the field is named", found)
    fields = api.fields(JSON) + [("idempotency-key", "a"), ("idempotency-key", "b")]
    problem(api.connection.request("POST", "/v1/tickets/%s/cancel" % ticket, fields, b"{}"), 400, "malformed")
    equal(api.ticket(ticket).value["state"], "waiting", "nothing was carried out")
    status(api.cancel_ticket(ticket, {}, idempotency_key="k" * 255), 200, "the longest")
    api.receipt(make.next(), idempotency_key="")


def test_if_match(t):
    """RFC 9110 section 13.1.1: a list of tags, `*`, and weak tags, which never match."""
    server = t.server()
    make = Messages()
    api = server.api()
    ticket = api.receipt(make.next())["ticket"]

    def tag():
        return api.ticket(ticket).fields["etag"]

    hold = {"hold": True}
    for bad in ("", "x", '"1" "2"', '"1', "W/1", '*, "1"', '"1", *', ", ,", ", ".join(['"1"'] * 17)):
        problem(api.patch_ticket(ticket, hold, if_match=bad), 400, "malformed")
    for other in ('"999"', "W/" + tag(), '"a", "b"', '"0"', '"18446744073709551615"', '"4294967297"', '""', 'W/"1", W/"2"'):
        problem(api.patch_ticket(ticket, hold, if_match=other), 412, "precondition-failed")
    equal(api.ticket(ticket).value["state"], "waiting", "still as it was")
    for good in (tag(), "*"):
        status(api.patch_ticket(ticket, hold, if_match=good), 200, "If-Match: " + good)
    for form in ('"999", %s', '%s,"999"', ', W/"1" ,, %s ,', '"opaque, with a comma", %s'):
        status(api.patch_ticket(ticket, hold, if_match=form % tag()), 200, "If-Match: " + form)
    fields = api.fields(JSON) + [("if-match", '"999"'), ("if-match", tag())]
    answer = api.connection.request("PATCH", "/v1/tickets/" + ticket, fields, encode(hold))
    status(answer, 200, "two header fields are one list")
    problem(api.patch_ticket("t000000000zzzz", hold, if_match="*"), 404, "not-found")
    problem(api.put_lane("fresh", {}, if_match="*"), 412, "precondition-failed")
    problem(api.put_lane("fresh", {}, if_match='"1"'), 412, "precondition-failed")
    problem(api.get("/v1/lanes/fresh"), 404, "not-found")
    status(api.put_lane("fresh", {}), 201, "made")
    status(api.put_lane("fresh", {"pause": "in"}, if_match="*"), 200, "any version")
    status(api.put_lane("fresh", {}, if_match='"7", "2"'), 200, "one of two")


def test_head(t):
    """HEAD answers what GET answers, without the content."""
    server = t.server()
    make = Messages()
    api = server.api()
    receipt = api.receipt(make.next())
    paths = ["/v1/tickets/" + receipt["ticket"], "/v1/messages/" + receipt["message"], "/v1/lanes", "/v1/lanes/main"]
    for path in paths + ["/v1/leases", "/healthz", "/readyz", "/openapi.json", "/", "/v1/tickets/none", "/nowhere"]:
        got = api.get(path)
        head = api.connection.request("HEAD", path, api.fields())
        equal(head.status, got.status, "status of HEAD " + path)
        equal(head.body, b"", "no content of HEAD " + path)
        check(got.body, "GET has content " + path)
        for name in ("content-type", "content-length", "etag"):
            equal(head.fields.get(name), got.fields.get(name), "%s of HEAD %s" % (name, path))
    for path, allow in (
        ("/v1/leases", "POST, GET, HEAD"),
        ("/v1/lanes/main", "GET, HEAD, PUT"),
        ("/v1/tickets/x", "GET, HEAD, PATCH"),
        ("/v1/messages", "POST"),
    ):
        refused = api.connection.request("DELETE", path, api.fields())
        problem(refused, 405, "method-not-allowed")
        equal(refused.fields["allow"], allow, "Allow of " + path)


def test_large_heads(t):
    """32 KiB or 100 fields of head are 431 and a path of 2 KiB too; the connection goes on."""
    server = t.server()
    make = Messages()
    api = server.api()
    count = range(101)
    for fields in ([("x-big", "v" * 33000)], [("x-%d" % i, "v") for i in count], [("cookie", "c=%d" % i) for i in count]):
        problem(api.connection.request("GET", "/healthz", api.fields() + fields), 431, "header-fields-too-large")
    problem(api.connection.request("GET", "/healthz?" + "q" * 2100, api.fields()), 431, "header-fields-too-large")
    for fields in ([("host", "elsewhere.example")], [("authorization", "Bearer a"), ("authorization", "Bearer b")]):
        problem(api.connection.request("GET", "/healthz", api.fields() + fields), 400, "malformed")
    status(api.post(make.next()), 202, "the connection goes on")


# --- other protocols ----------------------------------------------------------------------------------------------------------


def http1(address, text):
    with socket.create_connection(address, PATIENCE_S) as client:
        client.sendall(text)
        answer = b""
        while True:
            piece = client.recv(65536)
            if not piece:
                return answer
            answer += piece


def test_http1(t):
    """HTTP/1.x gets a whole HTTP/1.1 505 answer that tells how to connect, and the connection ends."""
    server = t.server()
    for text in (
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}",
        b"GET /healthz HTTP/1.0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n",
    ):
        head, _, body = http1(server.address, text).partition(b"\r\n\r\n")
        lines = head.decode("ascii").split("\r\n")
        equal(lines[0].split(" ")[:2], ["HTTP/1.1", "505"], "status line")
        fields = dict(line.lower().split(": ", 1) for line in lines[1:])
        equal(int(fields["content-length"]), len(body), "content-length")
        equal(fields["connection"], "close", "connection")
        check(b"HTTP/2" in body and b"http2-prior-knowledge" in body, "tells how to connect", body)
    answer = http1(server.address, b"\x16\x03\x01 this is no HTTP at all \x00\x01\r\n\r\n")
    check(b"HTTP/1." not in answer, "garbage gets no HTTP/1.1", answer)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.wrap_socket(socket.create_connection(server.tls_address, PATIENCE_S))
        raise Failed("TLS without h2 in its ALPN was accepted")
    except ssl.SSLError as error:
        check("alert no application protocol" in str(error).replace("_", " ").lower(), "the alert says why", str(error))


# --- clients that go away -----------------------------------------------------------------------------------------------------


def test_aborted_uploads(t):
    """A body that never became whole stores nothing: reset, disconnected, or shorter than it said."""
    server = t.server()
    make = Messages()
    bodies = encode_many(make.many(100))
    for end in ("reset", "disconnect", "short"):
        api = server.api()
        fields = api.fields(NDJSON, accept=NDJSON, content_length=str(len(bodies)))
        response = api.connection.begin("POST", "/v1/messages", fields, end=False)
        half = bodies[: len(bodies) // 2]
        half = half[: half.rindex(b"\n") + 1]  # Whole lines: none of them may count.
        api.connection.send_body(response, half, end=False)
        if end == "reset":
            api.connection.reset(response)
            status(api.get("/healthz"), 200, "the connection goes on")
        elif end == "disconnect":
            api.connection.close()
        else:
            api.connection.h2.end_stream(response.stream)
            api.connection.flush()
            try:
                equal(api.connection.wait(response).status, 400, "a body shorter than its content-length")
            except Gone:
                pass  # A stream error, which RFC 9113 section 8.1.1 asks for.
    equal(stored(server), 0, "nothing was stored")
    api = server.api()
    answers = status(raw_post(api, bodies, NDJSON), 200, "the whole of it").lines
    equal(sum(answer["duplicate"] for answer in answers), 0, "none of them was there before")


def test_client_gone_in_commit(t):
    """A client that goes away while its messages are in a commit: they stay as one, and re-posting says duplicate."""
    server = t.server()
    make = Messages()
    stayed = never = 0
    for number in range(60):
        api = server.api()
        messages = make.many(200)
        fields = api.fields(NDJSON, accept=NDJSON)
        response = api.connection.begin_with("POST", "/v1/messages", fields, encode_many(messages))
        api.connection.pump(number % 20 / 1000.0 * SLOW)
        gone = not response.ended
        if gone and number % 2:
            api.connection.reset(response)
        else:
            api.connection.close()
        again = server.api()
        answers = status(again.post_many(messages), 200, "re-post").lines
        duplicates = sum(answer["duplicate"] for answer in answers)
        check(duplicates in (0, 200), "all of a request or nothing", duplicates)
        if not gone:
            equal(duplicates, 200, "answered, so it is there")
        stayed += gone and duplicates == 200
        never += gone and duplicates == 0
        again.connection.close()
    check(stayed > 0, "at least one request was in its commit when its client went", (stayed, never))
    equal(stored(server), 60 * 200, "each message once")
    t.note("%d requests committed after their client had gone, %d never began" % (stayed, never))


def test_too_many_polls(t):
    """Half of a connection's streams may be long polls; one more is 429 with Retry-After, and posts still find a stream."""
    server = t.server()
    make = Messages()
    api = server.api()
    polls = [api.begin_pull(wait_s=50) for _ in range(50)]
    refused = api.connection.wait(api.begin_pull(wait_s=50))
    problem(refused, 429, "too-many-requests")
    check(int(refused.fields["retry-after"]) > 0, "Retry-After", refused.fields)
    check(not any(poll.ended for poll in polls), "the others wait on")
    status(api.post(make.next()), 202, "a post beside them")
    until("one poll got it", lambda: sum(poll.done for poll in polls) == 1 or (api.connection.pump(0.05), False)[1])
    api.connection.close()
    t.servers[0].close_all()


def test_waiting_ends_in_204(t):
    """A pull that gets nothing answers 204 when its time is over, neither before nor much later."""
    server = t.server()
    api = server.api()
    for wait in (1, 2):
        began = time.monotonic()
        response = status(api.pull(wait_s=wait), 204, "empty pull")
        took = time.monotonic() - began
        check(wait * 0.85 <= took < wait + PATIENCE_S, "waited %d s" % wait, took)
        equal((response.body, response.fields.get("content-length", "0")), (b"", "0"), "no body")


# --- chance -------------------------------------------------------------------------------------------------------------------


def mutated(random, body):
    body = bytearray(body)
    for _ in range(random.randrange(1, 4)):
        at = random.randrange(len(body))
        kind = random.randrange(4)
        if kind == 0:
            body[at] = random.randrange(256)
        elif kind == 1:
            del body[at : at + random.randrange(1, 9)]
        elif kind == 2:
            body[at:at] = bytes(random.randrange(256) for _ in range(random.randrange(1, 5)))
        else:
            body[at:at] = body[at : at + random.randrange(1, 20)]
        if not body:
            body = bytearray(b"{")
    return bytes(body)


def test_mutated_bodies_never_give_5xx(t):
    """Bodies with random damage are accepted or refused with a problem, on all paths and in all encodings."""
    server = t.server()
    make = Messages()
    random = t.random
    counts = {}
    for form in (JSON, MSGPACK, NDJSON, MSGPACK_SEQ):
        api = server.api()
        many = form in (NDJSON, MSGPACK_SEQ)
        for _ in range(400):
            identities = [{"kind": "a", "value": "b"}]
            full = make.next(flights=[{"number": "KL1"}], care=["medical"], meta={"a": "b"}, identities=identities)
            body = encode_many([full, make.next()], form) if many else encode(full, form)
            response = raw_post(api, mutated(random, body), form)
            check(response.status in ((200,) if many else (202, 400, 413)), "%s body" % form, (response.status, response.body))
            counts[response.status] = counts.get(response.status, 0) + 1
        for _ in range(100):
            body = {"max": 1, "wait_s": 0, "lease_s": 5, "lanes": ["main"]}
            body = mutated(random, encode(body, form)) if not many else b"{}"
            # Damage may make it a pull that waits for as long as a pull may.
            response = api.connection.request("POST", "/v1/leases", api.fields(form), body, PATIENCE_S + 50)
            check(response.status < 500, "%s pull" % form, (response.status, response.body))
    t.note(", ".join("%d times %d" % (count, code) for code, count in sorted(counts.items())))
    status(server.api().get("/readyz"), 200, "still ready")


# --- tables that fit each other -------------------------------------------------------------------------------------------------


def test_few_tickets_many_leases(t):
    """What queues keep free for leases that come back is beside what they have for tickets: few tickets leave room for posts."""
    server = t.server("--tickets-max", "200000", "--leases-max", "200000")
    api = server.api()
    receipt = api.receipt(Messages().next())
    equal(api.completed(api.lease())["ticket"], receipt["ticket"], "what was leased")


def test_more_pulls_than_places(t):
    """An io thread has 4,096 tickets in hand at most. Pulls that ask for more together get fewer each, or wait for the next
    answers: nobody is refused, and each ticket is given once."""
    server = t.server(io_threads=1)
    api, make = server.api(), Messages()
    tickets = {receipt["ticket"] for _ in range(2) for receipt in api.receipts(make.many(5000))}
    apis = [server.api("agent-%d" % number) for number in range(2)]
    pulls = [(each, each.begin_pull(max=100, wait_s=0, lease_s=3600)) for _ in range(60) for each in apis]
    leased = []
    for each, stream in pulls:
        answer = each.connection.wait(stream)
        leased += status(answer, 200, "pull").value["leases"] if answer.status != 204 else []
    while len(leased) < len(tickets):
        more = api.leases(max=100)
        check(more, "who pulls gets what waits", len(leased))
        leased += more
    equal(len(leased), len(tickets), "each once")
    equal({lease["ticket"] for lease in leased}, tickets, "what was leased")


if __name__ == "__main__":
    sys.exit(run(globals()))
