#!/usr/bin/python3
"""How fast a gateway may post: what is refused says when it will be taken, and then it is; nobody and nothing else is slowed."""

import os
import re
import signal
import sys
import time

import h2.settings

from aswolk_test import (
    MSGPACK,
    MSGPACK_SEQ,
    NDJSON,
    Messages,
    check,
    encode_many,
    equal,
    problem,
    run,
    status,
    until,
)
from test_faults import Faults

POLICY = re.compile(r'^"messages";q=(\d+);w=(\d+)$')
STATE = re.compile(r'^"messages";r=(\d+);t=(\d+)$')


def numbers(pattern, text):
    match = pattern.match(text or "")
    check(match, "a field of RateLimit", text)
    return tuple(int(number) for number in match.groups())


def refused(response):
    """Checks a refusal and returns after how long it may be tried again."""
    value = problem(response, 429, "rate-limited")
    wait_s = int(response.fields["retry-after"])
    equal(value["retry_after_s"], wait_s, "the body says the same")
    check(wait_s > 0, "a time to wait", wait_s)
    numbers(STATE, response.fields["ratelimit"])
    return wait_s


def counted(server, gateway, outcome):
    return server.metrics().get("aswolk_gateway_messages_total", gateway=gateway, outcome=outcome)


def test_rate(t):
    """One at a time until it is too much; after the wait that was named the next one passes."""
    server = t.server("--gateway-rate", "2", "--gateway-burst", "20")
    fast, make = server.api("fast"), Messages()
    began, taken = time.monotonic(), 0
    while True:
        response = fast.post(make.next())
        equal(numbers(POLICY, response.fields["ratelimit-policy"]), (20, 10), "the policy")
        if response.status == 429:
            break
        status(response, 202, "post")
        taken += 1
        check(numbers(STATE, response.fields["ratelimit"])[0] < 20, "a token less")
        check(taken <= 20 + 2 * (time.monotonic() - began), "no more than burst and rate", taken)
    check(taken >= 20, "the whole burst", taken)
    wait_s = refused(response)
    # Somebody else, in the other encoding, and all that is no post.
    other = server.api("other", form=MSGPACK)
    other.receipt(make.next())
    for lease in fast.leases(max=taken + 1):
        fast.completed(lease)
    status(fast.send("POST", "/v1/replies/leases", {"accounts": [{"channel": "web"}], "max": 1, "wait_s": 0}), 204, "replies")
    time.sleep(wait_s)
    fast.receipt(make.next())
    equal(counted(server, "fast", "taken"), taken + 1, "counted")
    equal(counted(server, "fast", "refused"), 1, "and what was refused")
    equal(counted(server, "other", "taken"), 1, "by gateway")


def test_batches(t):
    """All of a batch or nothing. One above the burst is let in by a full bucket, and owes what was too much."""
    server = t.server("--gateway-rate", "100", "--gateway-burst", "100")
    api, make = server.api("mail"), Messages()
    equal(len(api.receipts(make.many(300))), 300, "above the burst, from a full bucket")
    taken = 300
    while True:
        response = api.post_many(make.many(50), MSGPACK_SEQ)
        if response.status == 429:
            break
        taken += len(status(response, 200, "a machine so slow that the debt was paid meanwhile").lines)
    wait_s = refused(response)
    check(wait_s <= 3, "300 tokens of debt and 50 more, less the burst", wait_s)
    equal(server.metrics().get("aswolk_posts_total"), taken, "nothing of it was taken")
    time.sleep(wait_s)
    equal(len(api.receipts(make.many(50), MSGPACK_SEQ)), 50, "after the wait")


def test_connections_share_a_bucket(t):
    """Many connections over all threads, one gateway: together no more than one bucket holds."""
    server = t.server("--gateway-rate", "1", "--gateway-burst", "40", io_threads=4)
    apis, make = [server.api("many") for _ in range(16)], Messages()
    began = time.monotonic()
    answers = [api.begin_post(make.next()) for _ in range(5) for api in apis]
    for number, answer in enumerate(answers):
        apis[number % len(apis)].connection.wait(answer)
    taken = sum(answer.status == 202 for answer in answers)
    check(40 <= taken <= 41 + (time.monotonic() - began), "as many as the bucket holds", taken)


def test_turns(t):
    """While two gateways post, bodies of many messages are read in pieces: their lines are answered in order all the same, first
    receipts included, and clients that leave while they wait for their turn, or in the middle of it, stop nobody."""
    server = t.server(io_threads=1)
    rival, make = server.api("rival"), Messages("r")
    bulk = [server.api("bulk") for _ in range(6)]
    mine = [Messages("b%d" % number) for number in range(len(bulk))]
    first = [messages.many(150) for messages in mine]
    for turn in range(4):
        rival.receipt(make.next())
        bodies = [[*(first[i] if turn % 2 else []), *(first[i] if turn == 0 else mine[i].many(200)), {"channel": "web"}]
                  for i in range(len(bulk))]
        fields = [("aswolk-agent", "bulk"), ("accept", NDJSON), ("content-type", NDJSON)]
        answers = [api.connection.begin_with("POST", "/v1/messages", fields, encode_many(body)) for api, body in zip(bulk, bodies)]
        if turn == 2:
            for gone in (0, 3):
                bulk[gone].connection.reset(answers[gone])
        for i, (api, answer) in enumerate(zip(bulk, answers)):
            if turn == 2 and i in (0, 3):
                continue
            rival.receipt(make.next())
            lines = status(api.connection.wait(answer), 200, "bulk").lines
            equal([line["line"] for line in lines], list(range(1, len(bodies[i]) + 1)), "each line, in order")
            equal([line["status"] for line in lines], [202] * (len(lines) - 1) + [400], "taken, but for the last")
            again = [line for line in lines[:-1] if line["duplicate"]]
            equal(len(again), 150 if turn % 2 else 0, "what was posted before gets its first receipt")


def test_the_turn_goes_on_when_the_rival_is_quiet(t):
    """Those that wait for their turn get it, too, when nobody else posts any more, and nothing of the one before them is left to
    submit."""
    faults = Faults(t)
    server = t.server(env=faults.env, io_threads=1)
    rival, bulk, make = server.api("rival"), server.api("bulk"), Messages()
    rival.receipt(make.next())
    faults.set("any:1+:HANG")  # what is submitted from here on stays with the committer
    rival.begin_post(make.next())
    fields = [("aswolk-agent", "bulk"), ("accept", NDJSON), ("content-type", NDJSON)]
    bodies = [[*make.many(64), {"channel": "web"}]] + [make.many(count) for count in (3, 200, 5)]
    answers = [bulk.connection.begin_with("POST", "/v1/messages", fields, encode_many(body)) for body in bodies]
    status(bulk.get("/healthz"), 200, "all of them are read")
    time.sleep(1.1)  # a rival is one that posted within the last second
    faults.clear()
    for body, answer in zip(bodies, answers):
        lines = status(bulk.connection.wait(answer), 200, "bulk").lines
        equal([line["status"] for line in lines], [202 if "text" in line else 400 for line in body], "each line")


def test_what_waits_waits_as_bytes(t):
    """Forty bodies of 1,500 lines at once: decoded together they would take several times the memory that there is, so each is
    taken only because what waits for its turn waits as it came. What is beside them is answered meanwhile."""
    server = t.server("--memory-bytes-max", str(48 << 20), io_threads=1)
    bulk, rival, make = [server.api("bulk") for _ in range(6)], server.api("rival"), Messages("w")
    fields = [("aswolk-agent", "bulk"), ("accept", NDJSON), ("content-type", NDJSON)]
    bodies = [encode_many([{"channel": "web", "source_id": "%d-%d" % (body, line), "customer": "c%d" % line, "text": "t"}
                           for line in range(1500)]) for body in range(40)]
    answers = [bulk[i % 6].connection.begin_with("POST", "/v1/messages", fields, body) for i, body in enumerate(bodies)]
    rival.receipt(make.next())
    for i, answer in enumerate(answers):
        lines = status(bulk[i % 6].connection.wait(answer), 200, "there was memory for it").lines
        equal([line["status"] for line in lines], [202] * 1500, "each line")
    equal(counted(server, "bulk", "taken"), 40 * 1500, "all are counted once")


def test_answers_that_nobody_reads(t):
    """Bodies refused whole, on a connection whose client reads no answer: the next bodies of its gateway are looked at all the
    same."""
    server = t.server("--gateway-rate", "1", "--gateway-burst", "8", "--http-rate-window-ms", "60000", io_threads=1)
    mail, make = server.api("mail"), Messages()
    mail.receipts(make.many(100))  # owed for longer than this test takes
    deaf = server.connect(settings={h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 0})
    fields = [("aswolk-agent", "mail"), ("content-type", NDJSON)]
    unread = [deaf.begin_with("POST", "/v1/messages", fields, encode_many(make.many(20))) for _ in range(6)]
    until("they are refused", lambda: deaf.pump(0.05) or all(answer.status == 429 for answer in unread))
    check(not any(answer.ended for answer in unread), "but not read")
    refused(mail.post_many(make.many(20)))


def test_change_by_signal(t):
    """SIGHUP brings another limit, and none; nobody's connection ends."""
    config = os.path.join(t.folder, "aswolkd.conf")

    def configure(rate):
        with open(config, "w", encoding="utf-8") as file:
            file.write("gateway-rate = %d\ngateway-burst = 3\n" % rate)

    configure(0)
    server = t.server("--config", config)
    api, make = server.api("mail"), Messages()
    response = api.post_many(make.many(100))
    check("ratelimit" not in response.fields, "no limit, no field", response.fields)
    configure(1)
    server.process.send_signal(signal.SIGHUP)
    until("the limit holds", lambda: api.post(make.next()).status == 429)
    configure(0)
    server.process.send_signal(signal.SIGHUP)
    until("it is gone", lambda: api.post(make.next()).status == 202)
    equal(len(api.receipts(make.many(100))), 100, "as many as one likes")


def test_without_a_name(t):
    """Who names himself not is his address."""
    server = t.server("--gateway-rate", "1", "--gateway-burst", "2")
    connection, make = server.connect(), Messages()
    bodies = b'{"channel":"web","source_id":"%d","customer":"c","text":"t"}'
    fields = [("content-type", "application/json")]
    until("the limit holds", lambda: connection.request("POST", "/v1/messages", fields, bodies % time.monotonic_ns()).status == 429)
    server.api("named").receipt(make.next())
    check(counted(server, "::ffff:127.0.0.1", "taken") >= 2, "counted as the address")


if __name__ == "__main__":
    sys.exit(run(globals()))
