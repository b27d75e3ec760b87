#!/usr/bin/python3
"""An agent's stream: tickets come as units get free, follow-ups, warnings and losses are told, and whoever joins again finds what
it holds. Each event is one that openapi.json has.

ASWOLK_STREAMS, ASWOLK_JOIN_S  how many agents join within how many seconds, before 40 % of them are gone (default 100 within 1)
"""

import json
import os
import signal
import sys
import time

import h2.settings
import msgpack

import contract
from aswolk_test import MSGPACK_SEQ, PATIENCE_S, Api, Messages, audit, check, equal, problem, pump_all, run, status, until

STREAMS = int(os.environ.get("ASWOLK_STREAMS", "100"))
JOIN_S = float(os.environ.get("ASWOLK_JOIN_S", "1"))
SSE = "text/event-stream"
NO_WINDOW = {h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 0}


def pump_until(connections, what, holds):
    """Like until, while reading."""
    until(what, lambda: (pump_all(connections, 0.01), holds())[1])


class Stream:
    """One open stream, and what it told so far."""

    def __init__(self, server, who="ann", query="", form=SSE, settings=None):
        self.form = form
        self.connection = server.connect(settings=settings)
        self.response = self.connection.begin("GET", "/v1/stream" + query, [("aswolk-agent", who), ("accept", form)])
        self.looked_at = 0

    def events(self):
        """All so far, as {event, id, data}."""
        if self.form == SSE:
            frames = self.response.body.decode("utf-8").split("\n\n")[:-1]
            lines = [dict(line.split(": ", 1) for line in frame.split("\n") if ": " in line) for frame in frames]
            events = [dict(line, data=json.loads(line["data"])) for line in lines if line]
        else:
            unpacker = msgpack.Unpacker(strict_map_key=False)
            unpacker.feed(self.response.body)
            events = [value for value in unpacker if value is not None]
        for event in events[self.looked_at :]:
            contract.check(contract.DOCUMENT["components"]["schemas"]["StreamEvent"], event, "event")
        self.looked_at = len(events)
        ids = [int(event["id"]) for event in events]
        equal(ids, sorted(ids), "ids never go back")
        return events

    def of(self, name):
        return [event["data"] for event in self.events() if event["event"] == name]

    def until(self, name, count=1):
        """The data of the first `count` events of that name, the last one alone."""

        def there():
            self.connection.pump(0.02)
            return len(self.of(name)) >= count

        until("%d of %s; there is %r" % (count, name, [event["event"] for event in self.events()]), there)
        return self.of(name)[count - 1]

    def join(self):
        self.until("held")
        status(self.response, 200, "stream")
        equal((self.response.content_type, self.response.fields["cache-control"]), (self.form, "no-store"), "head")
        equal(self.events()[0]["event"], "held", "first event")
        return self

    def settle(self, api):
        """Whatever was caused before this is told: a follow-up of a ticket that the stream holds comes after it."""
        while self.connection.pump(0.05):
            pass
        return [event["event"] for event in self.events()]

    def close(self):
        self.connection.close()


def join(server, *args, **more):
    return Stream(server, *args, **more).join()


def test_what_is_taken_back(t):
    """Each withdrawal of a message of a ticket that it holds is told; with the last one the ticket is lost."""
    server = t.server()
    make = Messages()
    api = server.api()
    stream = join(server)
    messages = [make.next(customer="kim", source_id=number) for number in ("one", "two", "three")]
    receipts = [api.receipt(message) for message in messages]
    lease = stream.until("lease")
    for number, message in enumerate(messages, 1):
        source = {name: message[name] for name in ("channel", "source_id")}
        status(api.send("POST", "/v1/messages/withdraw", source), 200, "withdraw")
        if number < 3:
            equal(stream.until("withdrawn", number)["withdrawn"], number, "told")
    lost = stream.until("lost")
    equal((lost["lease"], lost["state"]), (lease["lease"], "closed"), "nothing is left")
    equal((len(stream.of("withdrawn")), lost["ticket"]), (2, receipts[0]["ticket"]), "and no more")


def test_tickets_as_units_get_free(t):
    """Two units: two tickets; each complete brings the next; most urgent first; the agent's own pulls count too."""
    server = t.server()
    make = Messages()
    api = server.api()
    stream = join(server, query="?units=2&lease_s=60")
    equal(stream.of("held"), [{"items": [], "next": None}], "it holds nothing")
    tickets = [api.receipt(make.next())["ticket"] for _ in range(2)]
    leases = [stream.until("lease", number) for number in (1, 2)]
    equal([lease["ticket"] for lease in leases], tickets, "in order")
    check(0 < leases[0]["expires_in_s"] <= 60, "lease_s", leases[0])
    api.receipts(make.many(3))
    urgent = api.receipt(make.next(care=["medical"]))["ticket"]
    equal(len(stream.of("lease")), 2, "no unit is free")
    api.completed(leases[0])
    equal(stream.until("lease", 3)["ticket"], urgent, "the most urgent")
    equal(sorted(lease["ticket"] for lease in api.held()), sorted([tickets[1], urgent]), "what it holds")
    api.completed(leases[1])
    stream.until("lease", 4)
    mine = api.lease()  # beyond the units of the stream, as the agent asks for it
    equal(stream.until("lease", 5)["lease"], mine["lease"], "a lease that the agent pulled is told as well")
    api.completed(stream.of("lease")[2])
    api.receipt(make.next(customer="m-customer-1"))
    equal(len(stream.of("lease")), 5, "two are held still")
    api.completed(mine)
    stream.until("lease", 6)
    equal(stream.of("lost"), [], "what the agent completed is not lost")
    equal(server.metrics().get("aswolk_agent_streams"), 1, "streams")
    equal(server.metrics().get("aswolk_woken_in_vain_total"), 0, "nobody was woken in vain")


def test_follow_ups(t):
    """They are told once, count as seen, and stay out of a second telling by extend; those of a lease that is just begun too."""
    for form in (SSE, MSGPACK_SEQ):
        server = t.server(data="data-" + form.split("/")[1])
        make = Messages()
        api = server.api()
        stream = join(server, form=form)
        api.receipt(make.next(customer="cora"))
        lease = stream.until("lease")
        equal([message["text"] for message in lease["messages"]], ["My flight is gone, what now? (1)"], "thread")
        more = api.receipt(make.next(customer="cora", text="It is KL1234."))["message"]
        told = stream.until("messages")
        equal((told["lease"], told["ticket"], told["messages_total"]), (lease["lease"], lease["ticket"], 2), "whose")
        news = [(message["message"], message["text"]) for message in told["messages"]]
        equal(news, [(more, "It is KL1234.")], "only the new one")
        equal(status(api.act(lease, "extend"), 200, "extend").value.get("messages", []), [], "seen")
        burst = [api.receipt(make.next(customer="cora"))["message"] for _ in range(20)]

        def all_told():
            stream.connection.pump(0.02)
            return len(sum((data["messages"] for data in stream.of("messages")), [])) >= 21

        until("all are told", all_told)
        told = [message["message"] for data in stream.of("messages") for message in data["messages"]]
        equal(told, [more] + burst, "each once, in order")
        api.completed(lease)  # nothing is unseen
        stream.close()
        api.receipt(make.next(customer="dan"))
        lease = api.lease()
        api.receipt(make.next(customer="dan", text="while nobody looked"))
        again = join(server, form=form)
        equal(len(again.of("held")[0]["items"][0]["messages"]), 2, "the thread is whole")
        pump_until([again.connection], "it waits", lambda: server.metrics().get("aswolk_parked_pulls") == 1)
        api.completed(lease)  # what `held` showed counts as seen
        equal(again.of("messages"), [], "and not told again")


def test_warned_and_lost(t):
    """`ending` before a lease ends, once; `lost` with its state; neither for what the agent ends itself."""
    server = t.server()
    make = Messages()
    api = server.api()
    stream = join(server, query="?units=4&lease_s=600&ending_s=1")
    api.receipts(make.many(4))
    stream.until("lease", 4)
    expires, cancelled, released, extended = stream.of("lease")
    status(api.cancel_ticket(cancelled["ticket"]), 200, "cancel")
    equal(stream.until("lost"), {"lease": cancelled["lease"], "ticket": cancelled["ticket"], "state": "closed"}, "cancelled")
    status(api.act(released, "decline", {"reason": "not mine"}), 200, "decline")
    ends = status(api.act(expires, "extend", {"lease_s": 5}), 200, "extend").value["expires_at"]
    warned = stream.until("ending")
    equal((warned["lease"], warned["ticket"]), (expires["lease"], expires["ticket"]), "whose")
    check(warned["expires_in_s"] <= 1 and warned["expires_at"] == ends, "when", warned)
    equal(stream.until("lost", 2), {"lease": expires["lease"], "ticket": expires["ticket"], "state": "expired"}, "its time is over")
    equal(len(stream.of("ending")), 1, "once, and not for the one that has time")
    equal(stream.until("lease", 5)["ticket"], expires["ticket"], "it comes again, as it is the agent's turn")


def test_joined_again(t):
    """A stream that broke keeps its leases, over a kill of the server too; the tokens stay. A later stream replaces the earlier."""
    server = t.server()
    make = Messages()
    api = server.api()
    first = join(server, query="?units=2")
    api.receipts(make.many(2))
    first.until("lease", 2)
    leases = first.of("lease")
    second = join(server, query="?units=3")
    first.until("replaced")
    first.connection.wait(first.response)
    equal([lease["lease"] for lease in second.of("held")[0]["items"]], [lease["lease"] for lease in leases], "tokens stay")
    api.receipt(make.next())
    second.until("lease")
    second.close()
    server.restart()
    api = server.api()
    third = join(server, query="?units=3")
    held = third.of("held")[0]["items"]
    leases += second.of("lease")
    equal([lease["lease"] for lease in held], [lease["lease"] for lease in leases], "after a kill")
    for lease in held:
        api.completed(lease)
    equal(third.of("lost"), [], "nothing is lost")


def test_not_delivered(t):
    """A lease whose event did not leave goes back when the stream ends; one that left stays."""
    server = t.server()
    make = Messages()
    poster = server.api("gateway")
    deaf = Stream(server, "deaf", query="?units=3", settings=NO_WINDOW)
    pump_until([deaf.connection], "it waits", lambda: server.metrics().get("aswolk_parked_pulls") == 1)
    tickets = [poster.receipt(make.next())["ticket"] for _ in range(3)]
    until("they are leased", lambda: server.metrics().get("aswolk_leases_granted_total") == 3)
    hears = join(server, "hears", query="?units=3")
    equal(hears.of("lease"), [], "they are the other's")
    deaf.connection.reset(deaf.response)
    hears.until("lease", 3)
    equal(sorted(lease["ticket"] for lease in hears.of("lease")), sorted(tickets), "all of them")
    equal(server.metrics().get("aswolk_leases_given_back_total"), 3, "given back")
    hears.connection.reset(hears.response)
    until("it is gone", lambda: server.metrics().get("aswolk_agent_streams") == 0)
    equal(len(server.api("hears").held()), 3, "what it was told stays")


def test_slow_reader(t):
    """An event larger than what is kept for a stream waits for its reader, whole; others are served meanwhile."""
    server = t.server()
    make = Messages()
    api = server.api()
    for _ in range(4):
        api.receipt(make.next(customer="cora", text="x" * 60000))
    stream = Stream(server, settings={h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 16384})
    lease = stream.join().until("lease")
    equal([len(message["text"]) for message in lease["messages"]], [60000] * 4, "whole")
    api.receipt(make.next(customer="cora"))
    stream.until("messages")


def test_settings_are_followed(t):
    """Lanes, units by channel and a pause, changed while the stream waits; lanes that it names count for it alone."""
    server = t.server()
    make = Messages()
    api = server.api()
    status(api.put_lane("vip"), 201, "lane")
    status(api.put_agent("ann", {"lanes": ["vip"], "units": {"web": 0}}), 201, "agent")
    own = join(server, query="?units=9")
    named = join(server, "bob", query="?units=1&lanes=main%2Cvip")
    api.receipt(make.next())
    named.until("lease")
    api.receipt(make.next(channel="mail"))
    vip = api.receipt(make.next(channel="mail", lane="vip"))["ticket"]
    equal(own.until("lease")["ticket"], vip, "of its lane, and a channel in which it has units")
    status(api.put_agent("ann", {"units": {"web": 0}}), 200, "all lanes")
    own.until("lease", 2)
    web = api.receipt(make.next())["ticket"]
    status(api.put_lane("main", {"pause": "out"}), 200, "pause")
    status(api.put_agent("ann", {}), 200, "no bounds")
    other = api.receipt(make.next(lane="vip"))["ticket"]
    equal(own.until("lease", 3)["ticket"], other, "nothing of a lane that is paused")
    status(api.put_lane("main", {}), 200, "open")
    equal(own.until("lease", 4)["ticket"], web, "open again")


def put_presence(api, who, presence):
    return status(api.send("PUT", "/v1/agents/%s/presence" % who, {"presence": presence}), 200, "presence").value


def test_presence(t):
    """Streams and pulls that wait follow at once, without an error and without work; it outlasts a kill."""
    server = t.server()
    make = Messages()
    api = server.api("sam")
    stream = join(server, "ann", query="?units=2")
    until("the stream waits", lambda: server.metrics().get("aswolk_parked_pulls") == 1)  # first, so that it is served first
    poll = server.api("bob")
    waiting = poll.begin_pull(wait_s=50)
    until("both wait", lambda: server.metrics().get("aswolk_parked_pulls") == 2)
    api.receipt(make.next())
    pump_until([stream.connection], "one is out", lambda: server.metrics().get("aswolk_leases_granted_total") == 1)
    lease = stream.until("lease")
    for who in ("ann", "bob"):
        equal(put_presence(api, who, "break")["presence"], "break", "as told")
    equal(stream.until("presence"), {"presence": "break"}, "told")
    tickets = [api.receipt(make.next())["ticket"] for _ in range(2)]
    late = server.api("bob")
    equal(late.leases(), [], "a pull gets nothing, as if nothing had come")
    metrics = server.metrics()
    equal((metrics.get("aswolk_agents", presence="break"), metrics.get("aswolk_agents", presence="ready")), (2, 0), "counted")
    equal((metrics.get("aswolk_leases_granted_total"), metrics.get("aswolk_woken_in_vain_total")), (1, 0), "nobody got anything")
    equal(metrics.get("aswolk_parked_pulls"), 2, "both wait still")
    put_presence(api, "bob", "ready")
    equal(poll.connection.wait(waiting).value["leases"][0]["ticket"], tickets[0], "at once, when it is ready")
    put_presence(api, "ann", "leaving")
    equal(stream.until("presence", 2), {"presence": "leaving"}, "told")
    server.restart()
    api, ann = server.api("sam"), server.api("ann")
    equal(api.agent_of("ann")["presence"], "leaving", "after a kill")
    stream = join(server, "ann", query="?units=2")
    equal(stream.until("presence"), {"presence": "leaving"}, "told at the start")
    ann.completed(lease)
    equal(stream.until("presence", 2), {"presence": "gone"}, "with its last lease")
    equal(stream.of("lease"), [], "and got nothing new")
    put_presence(api, "ann", "ready")
    equal(stream.until("lease")["ticket"], tickets[1], "back")
    for body, name, field in (
        ({}, "bad-value", "presence"),
        ({"presence": "gone"}, "bad-value", "presence"),
        ({"presence": "ready", "since": 1}, "unknown-field", "since"),
    ):
        problem(api.send("PUT", "/v1/agents/ann/presence", body), 400, name, field)
    problem(api.send("PUT", "/v1/agents/%20/presence", {"presence": "ready"}), 400, "bad-value")
    problem(api.get("/v1/agents/ann/presence"), 405, "method-not-allowed")


def test_waits_quietly(t):
    """Whatever it joins with - settings, units that are taken, tickets that it may not have - it waits, and makes no work."""
    server = t.server()
    make = Messages()
    api = server.api()
    status(api.put_agent("ann", {"units": {"web": 1}}), 201, "agent")
    api.receipts(make.many(3))
    lease = api.lease()
    status(api.act(lease, "extend"), 200, "extend")
    for query in ("", "?units=9", "?units=1&lanes=main"):
        for who in ("ann", "bob"):
            stream = join(server, who, query)
            while who == "bob" and len(stream.of("lease") + stream.of("held")[0]["items"]) < (2 if "9" in query else 1):
                stream.connection.pump(0.02)
            pump_until([stream.connection], "it waits", lambda: server.metrics().get("aswolk_parked_pulls") == 1)
            records = server.metrics().get("aswolk_records_total")
            for _ in range(20):
                metrics = server.metrics()
                equal((metrics.get("aswolk_parked_pulls"), metrics.get("aswolk_records_total")), (1, records), "it waits still")
            equal(metrics.get("aswolk_woken_in_vain_total"), 0, "never woken in vain")
            stream.close()
            until("it is gone", lambda: server.metrics().get("aswolk_agent_streams") == 0)


def first_lease(response):
    """The data of the first `lease` that is there whole; None: none so far."""
    at = response.body.find(b"event: lease\n")
    end = response.body.find(b"\n\n", at) if at >= 0 else -1
    return None if end < 0 else json.loads(response.body[at:end].split(b"data: ", 1)[1])


def test_a_site_is_gone(t):
    """Agents join at an even pace while tickets wait: each has its first one soon. Then 40 % are gone at once: their leases come
    back at their end and go to the others, each ticket is answered once, and an audit finds nothing passed over."""
    server = t.server()
    poster = server.api("gateway")
    make = Messages()
    for first in range(0, STREAMS, 1000):
        poster.receipts(make.many(min(1000, STREAMS - first)))
    connections = [server.connect() for _ in range((STREAMS + 39) // 40)]
    path = "/v1/stream?lease_s=600"
    streams, first, began = [], {}, time.monotonic()

    def look():
        pump_all(connections, 0.005)
        for number, (_, response, begun) in enumerate(streams):
            if number not in first and first_lease(response):
                first[number] = time.monotonic() - begun

    while len(streams) < STREAMS:
        if time.monotonic() < began + JOIN_S * len(streams) / STREAMS:
            look()
            continue
        connection = connections[len(streams) % len(connections)]
        fields = [("aswolk-agent", "agent-%d" % len(streams)), ("accept", SSE)]
        streams.append((connection, connection.begin("GET", path, fields), time.monotonic()))
    until("each has a ticket", lambda: (look(), len(first) == STREAMS)[1])
    took = sorted(first.values())
    p50, p99 = took[STREAMS // 2] * 1e3, took[STREAMS * 99 // 100] * 1e3
    t.note("%d streams joined in %.0f s, first ticket p50 %.1f ms, p99 %.1f ms" % (STREAMS, JOIN_S, p50, p99))
    gone = connections[: len(connections) * 2 // 5]
    lost = set()
    for number, (connection, response, _) in enumerate(streams):
        if connection in gone:
            lease = first_lease(response)
            lost.add(lease["ticket"])
            last = Api(poster.connection, "agent-%d" % number).act(lease, "extend", {"lease_s": 5})
            status(last, 200, "the last word of its agent")
    for connection in gone:
        connection.close()
    here = [(number, connection, response) for number, (connection, response, _) in enumerate(streams) if connection not in gone]
    looked_at, answered, waiting = {}, set(), []
    end = time.monotonic() + JOIN_S + PATIENCE_S * 3
    while len(answered) < STREAMS:
        check(time.monotonic() < end, "every ticket is answered", STREAMS - len(answered))
        pump_all(connections, 0.01)
        for number, connection, response in here:
            whole = response.body.rfind(b"\n\n") + 2
            for event in response.body[looked_at.get(number, 0) : whole].split(b"\n\n"):
                if event.startswith(b"event: lease\n"):
                    lease = json.loads(event.split(b"data: ", 1)[1])
                    complete = "/v1/leases/%s/complete" % lease["lease"]
                    who = [("aswolk-agent", "agent-%d" % number)]
                    waiting.append((lease["ticket"], connection.begin("POST", complete, who)))
            looked_at[number] = max(whole, looked_at.get(number, 0))
        for ticket, done in [one for one in waiting if one[1].done]:
            waiting.remove((ticket, done))
            status(done, 200, "complete")
            check(ticket not in answered, "answered once", ticket)
            answered.add(ticket)
    check(lost and lost <= answered, "those of the agents that are gone came back", len(lost))
    equal(server.metrics().get("aswolk_leases_expired_total"), len(lost), "at their end")
    server.kill()
    audit(server)


def test_signs_of_life(t):
    """While nothing happens a comment comes now and then, in MessagePack a nil; no event."""
    server = t.server("--event-comment-s", "1")
    signs = ((join(server, "ann"), b":\n\n"), (join(server, "bob", form=MSGPACK_SEQ), b"\xc0"))
    for stream, sign in signs:
        pump_until([stream.connection], "a second sign", lambda: stream.response.body.endswith(sign * 2))
        equal(len(stream.events()), 1, "no event")


def test_drain(t):
    """SIGTERM ends streams with an event; their leases run on."""
    server = t.server()
    make = Messages()
    api = server.api()
    streams = [join(server, "agent-%d" % number, form=(SSE, MSGPACK_SEQ)[number % 2]) for number in range(10)]
    api.receipts(make.many(3))
    connections = [api.connection] + [stream.connection for stream in streams]
    pump_until(connections, "they flow", lambda: sum(len(stream.of("lease")) for stream in streams) == 3)
    server.process.send_signal(signal.SIGTERM)
    pump_until(connections, "all are closed", lambda: all(connection.closed for connection in connections))
    for stream in streams:
        check(stream.response.done, "ended, not cut off")
        equal(stream.events()[-1]["event"], "draining", "the last event")
    equal(server.exit_code(), 0, "exit code")


def test_places(t):
    """Streams have the places of pulls that wait: half of a connection's streams, half of the server's requests."""
    server = t.server("--requests-max", "1024", io_threads=1)
    api = server.api()
    connections = [server.connect() for _ in range(11)]

    def begin(connection, who):
        return connection.begin("GET", "/v1/stream", [("aswolk-agent", who), ("accept", SSE)])

    def wait(count):
        pump_until(connections, "%d wait" % count, lambda: server.metrics().get("aswolk_parked_pulls") == count)

    for number, connection in enumerate(connections):
        for one in range(50 if number < 10 else 12):
            begin(connection, "agent-%d-%d" % (number, one))
        if number == 0:
            problem(connection.wait(begin(connection, "one-more")), 429, "too-many-requests")
    wait(512)
    problem(connections[10].wait(begin(connections[10], "one-more")), 503, "overloaded")
    problem(server.api("late").pull(wait_s=50), 503, "overloaded")
    api.receipts(Messages().many(3))
    pump_until(connections, "three got work", lambda: server.metrics().get("aswolk_leases_granted_total") == 3)
    equal(server.metrics().get("aswolk_agent_streams"), 512, "streams")
    server.close_all()
    until("all are gone", lambda: server.metrics().get("aswolk_agent_streams") == 0)


def test_bad_input(t):
    server = t.server()
    connection = server.connect()

    def ask(query, who="ann", accept=SSE, method="GET"):
        fields = [("accept", accept)] + ([("aswolk-agent", who)] if who else [])
        return connection.request(method, "/v1/stream" + query, fields)

    for query, field in (
        ("?units=0", "units"),
        ("?units=101", "units"),
        ("?units=two", "units"),
        ("?units=", "units"),
        ("?units=1&units=1", "units"),
        ("?lease_s=4", "lease_s"),
        ("?lease_s=3601", "lease_s"),
        ("?lease_s=30&ending_s=11", "ending_s"),
        ("?ending_s=101", "ending_s"),
    ):
        problem(ask(query), 400, "bad-value", field)
    problem(ask("?max=1"), 400, "unknown-field", "max")
    problem(ask("?%ff=1"), 400, "unknown-field")
    problem(ask("?lanes=nowhere"), 404, "not-found", "lanes")
    problem(ask("?lanes="), 404, "not-found", "lanes")
    problem(ask("?lanes=" + "main," * 300 + "nowhere"), 404, "not-found", "lanes")
    problem(ask("", who=None), 401, "unauthorized")
    problem(ask("", who="a" * 65), 400, "bad-value")
    problem(ask("", accept="application/json"), 406, "not-acceptable")
    problem(ask("", method="POST"), 405, "method-not-allowed")
    head = status(ask("", method="HEAD"), 200, "HEAD")
    equal((head.content_type, head.body), (SSE, b""), "of HEAD")
    equal(server.metrics().get("aswolk_agent_streams"), 0, "none of them was a stream")


def test_incidents(t):
    """Who holds a ticket is told that it became part of an incident, and that it is part of none any more."""
    server = t.server()
    make = Messages()
    api = server.api()
    stream = join(server, query="?units=2")
    ticket = api.receipt(make.next(airports=["AMS"]))["ticket"]
    equal(stream.until("lease")["incident"], None, "at first")
    made = status(api.send("POST", "/v1/incidents", {"title": "ash", "airports": ["AMS"]}), 201, "made").value["incident"]
    told = stream.until("incident")
    equal((told["ticket"], told["incident"]), (ticket, made), "it is told")
    later = api.receipt(make.next(airports=["AMS"]))["ticket"]
    lease = stream.until("lease", 2)
    equal((lease["ticket"], lease["incident"]), (later, made), "a lease tells it by itself")
    status(api.send("POST", "/v1/incidents/%s/unlink" % made, {"tickets": [ticket]}), 200, "taken out")
    told = stream.until("incident", 2)
    equal((told["ticket"], told["incident"]), (ticket, None), "and so is that")
    equal(len(stream.of("incident")), 2, "nothing twice")


if __name__ == "__main__":
    sys.exit(run(globals()))
