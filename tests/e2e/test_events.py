#!/usr/bin/python3
"""What happens, told as a stream by the real server: every event once, in order, over kills and to slow readers; bad input."""

import json
import signal
import sys

import msgpack

from aswolk_test import MSGPACK, MSGPACK_SEQ, NDJSON, Gone, Messages, check, equal, problem, run, status, until

SSE = "text/event-stream"


class Stream:
    """An open stream and what it told so far."""

    def __init__(self, server, query="", form=SSE, settings=None, **fields):
        self.connection = server.connect(settings=settings)
        self.form = form
        self.response = self.connection.begin(
            "GET", "/v1/events" + query, [("accept", form)] + [(name.replace("_", "-"), value) for name, value in fields.items()]
        )

    def pump(self):
        self.connection.pump(0.05)
        return self

    def open(self):
        until("the stream begins", lambda: self.pump().response.status)
        status(self.response, 200, "stream")
        return self

    @property
    def frames(self):
        """Of server-sent events, each a map of its fields; the last one may not be whole yet."""
        blocks = self.response.body.decode("utf-8").split("\n\n")[:-1]
        return [dict(line.split(": ", 1) for line in block.split("\n") if ": " in line) for block in blocks]

    @property
    def events(self):
        if self.form == SSE:
            return [json.loads(frame["data"]) for frame in self.frames if "data" in frame]
        unpacker = msgpack.Unpacker(strict_map_key=False)
        unpacker.feed(self.response.body)
        return [value for value in unpacker if value is not None]

    def until_id(self, last):
        until("event %s is told" % last, lambda: any(event["id"] == str(last) for event in self.pump().events))
        return self.events

    def close(self):
        self.connection.close()


def export(api, query=""):
    return status(api.connection.request("GET", "/v1/events" + query, [("accept", NDJSON)]), 200, "export").lines


def ids(events):
    return [int(event["id"]) for event in events]


def types(events):
    return [event["type"].replace("aswolk.", "") for event in events]


def test_told_once_over_kills(t):
    """A live stream, resumed behind what it told last over two kills, in both forms: the same events as the export, none twice."""
    server = t.server()
    make = Messages()
    told = {SSE: [], MSGPACK_SEQ: []}
    for form in told:
        told[form] += Stream(server, "?after=0", form).open().until_id(2)  # epoch and settings
    for _ in range(3):
        streams = {form: Stream(server, form=form, last_event_id=told[form][-1]["id"]).open() for form in told}
        api = server.api()
        api.receipts(make.many(50))
        lease = api.lease()
        status(api.act(lease, "extend", {"lease_s": 60}), 200, "extend")
        api.completed(lease)
        last = ids(export(api))[-1]
        for form, stream in streams.items():
            told[form] += stream.until_id(last)
        server.kill()
        server.start()
    whole = export(server.api())
    for form in told:
        told[form] += Stream(server, "?after=%s" % told[form][-1]["id"], form).open().until_id(whole[-1]["id"])
    equal(ids(whole), list(range(1, len(whole) + 1)), "each record is an event")
    equal(told[SSE], whole, "as server-sent events")
    for event, other in zip(told[MSGPACK_SEQ], whole):
        equal(event, dict(other, datacontenttype="application/msgpack"), "as MessagePack")
    equal(len(told[MSGPACK_SEQ]), len(whole), "how many as MessagePack")
    equal(types(whole).count("server.started"), 4, "starts")


def test_what_is_told(t):
    """Who did what, by whom, and where the ticket went; nothing of the text."""
    server = t.server()
    make = Messages()
    api = server.api()
    status(api.put_lane("dutch"), 201, "lane")
    stream = Stream(server).open()
    ticket = api.receipt(make.next(customer="mia", text="a word that is secret"))["ticket"]
    api.receipt(make.next(customer="mia", care=["medical"], text="that is secret too"))
    status(api.act(api.lease(), "release", {"reason": "lunch"}), 200, "release")
    status(api.act(api.lease(), "decline", {"reason": "kin"}), 200, "decline")
    status(api.patch_ticket(ticket, {"lane": "dutch", "class": "general", "reason": "a call"}), 200, "place")
    status(api.patch_ticket(ticket, {"hold": True}), 200, "hold")
    status(api.cancel_ticket(ticket, {"reason": "spam"}), 200, "cancel")
    last = ids(export(api))[-1]
    events = stream.until_id(last)
    names = ["opened", "joined", "leased", "released", "leased", "declined", "placed", "held", "cancelled"]
    equal(types(events), ["ticket." + name for name in names], "types")
    equal({event["subject"] for event in events}, {ticket}, "subject")
    data = [event["data"] for event in events]
    equal((data[1]["class"], data[1]["class_before"]), ("care", "general"), "the second message raised it")
    equal((data[3]["by"], data[3]["reason"], data[3]["state_before"]), ("ann", "lunch", "leased"), "a release")
    equal((data[6]["lane"], data[6]["lane_before"], data[6]["class"]), ("dutch", "main", "general"), "a place")
    equal((data[8]["state"], data[8]["state_before"], data[8]["reason"]), ("closed", "held", "spam"), "a cancel")
    check("secret" not in stream.response.body.decode("utf-8"), "no text")
    frames = [frame for frame in stream.frames if "data" in frame]
    equal([frame["id"] for frame in frames], [event["id"] for event in events], "the id of a server-sent event is the event's")
    equal(int(stream.frames[0]["id"]), int(events[0]["id"]) - 1, "and the first thing told is where it begins")
    # Filters.
    equal(export(api, "?ticket=" + ticket), events, "of the ticket")
    equal(types(export(api, "?type=aswolk.ticket.held,aswolk.lane")), ["lane.set", "ticket.held"], "of two kinds")
    equal(types(export(api, "?lane=dutch")), ["lane.set", "ticket.placed", "ticket.held", "ticket.cancelled"], "of a lane")
    equal(ids(export(api, "?after=%d&until=%d" % (last - 3, last - 1))), [last - 2, last - 1], "a stretch")
    equal(export(api, "?after=%d" % last), [], "nothing is left")


def history(api, ticket, limit=None):
    """All of it, page by page."""
    path, items, query = "/v1/tickets/%s/history" % ticket, [], "" if limit is None else "?limit=%d" % limit
    while True:
        response = status(api.get(path + query), 200, "history")
        items += response.value["items"]
        cursor = response.value["next"]
        check(len(response.value["items"]) <= (limit or 100), "a page", len(response.value["items"]))
        query = "?cursor=%s&limit=%d" % (cursor, limit or 100)
        equal(response.fields.get("link"), cursor and '<%s%s>; rel="next"' % (path, query), "Link")
        if cursor is None:
            return items


def test_history(t):
    """Who did what to a ticket, oldest first: the same events as in the stream, also of one that is forgotten."""
    server = t.server("--reopen-h", "0")
    make = Messages()
    api = server.api()
    ticket = api.receipt(make.next(customer="mia"))["ticket"]
    api.receipts(make.many(20))
    second = api.receipt(make.next(customer="mia"))["message"]
    api.receipt(make.next(customer="mia"))
    done = status(api.send("POST", "/v1/tickets/%s/unfold" % ticket, {"messages": [second]}), 200, "unfold").value
    status(api.patch_ticket(ticket, {"class": "care", "reason": "a call"}), 200, "care")
    lease = api.lease()
    equal(lease["ticket"], ticket, "the ticket")
    for _ in range(120):
        status(api.act(lease, "extend", {"lease_s": 60}), 200, "extend")
    whole = export(api, "?ticket=" + ticket)
    equal(history(api, ticket), whole, "more than a page")
    names = ["opened", "joined", "joined", "unfolded", "placed", "leased"] + ["extended"] * 120
    equal(types(whole), ["ticket." + name for name in names], "types")
    for limit in (1, 7, 100):
        equal(history(api, ticket, limit), whole, "in pages of %d" % limit)
    equal(types(history(api, done["ticket"])), ["ticket.unfolded"], "of the one that was taken out")
    equal(history(api, done["ticket"])[0]["data"]["opened"], done["ticket"], "which it names")
    other = server.api(form=MSGPACK)
    equal([dict(item, datacontenttype="application/json") for item in history(other, ticket)], whole, "as MessagePack")
    api.completed(lease)
    until("its place is another's", lambda: api.receipts(make.many(20)) and api.ticket(ticket).status == 404)
    whole = export(api, "?ticket=" + ticket)
    equal(types(whole)[-1], "ticket.completed", "the end")
    for _ in range(2):
        equal(history(api, ticket), whole, "of a forgotten one")
        equal(history(api, ticket, 50), whole, "in pages")
        server.restart()
        api = server.api()
    path = "/v1/tickets/%s/history" % ticket
    problem(api.get("/v1/tickets/t1/history"), 404, "not-found")
    message = int(whole[0]["id"]) + 1  # a record that begins another ticket
    problem(api.get("/v1/tickets/%s/history" % (ticket[:-1] + "0123456789"[message % 10])), 404, "not-found")
    problem(api.get(path + "?limit=0"), 400, "bad-value", "limit")
    problem(api.get(path + "?limit=101"), 400, "bad-value", "limit")
    problem(api.get(path + "?cursor=x"), 400, "bad-value", "cursor")
    problem(api.get(path + "?page=2"), 400, "unknown-field", "page")
    problem(api.connection.request("GET", path, [("accept", SSE)]), 406, "not-acceptable")


def test_bad_input(t):
    server = t.server()
    api = server.api()

    def ask(query, accept=NDJSON, **fields):
        more = [(name.replace("_", "-"), value) for name, value in fields.items()]
        return api.connection.request("GET", "/v1/events" + query, [("accept", accept)] + more)

    problem(ask("?after=x"), 400, "bad-value", "after")
    problem(ask("?after=-1"), 400, "bad-value", "after")
    problem(ask("?until=18446744073709551616"), 400, "bad-value", "until")
    problem(ask("?after=1000"), 400, "bad-value", "after")  # not yet
    problem(ask("", last_event_id="1000"), 400, "bad-value", "after")
    problem(ask("", last_event_id="gap-1-2"), 400, "bad-value", "last-event-id")
    problem(ask("?type=aswolk.ticket.open"), 400, "bad-value", "type")
    problem(ask("?type=aswolk.ticket,,"), 400, "bad-value", "type")
    problem(ask("?ticket=t1"), 400, "bad-value", "ticket")
    problem(ask("?lane=nowhere"), 404, "not-found", "lane")
    problem(ask("?color=red"), 400, "unknown-field", "color")
    problem(ask("?%ff=1"), 400, "unknown-field")
    problem(ask("", accept="application/json"), 406, "not-acceptable")
    problem(api.connection.request("POST", "/v1/events", [("accept", NDJSON)], b""), 405, "method-not-allowed")
    head = status(api.connection.request("HEAD", "/v1/events", [("accept", SSE)]), 200, "HEAD")
    equal((head.content_type, head.body), (SSE, b""), "only the head")


def test_limits_and_end(t):
    """One stream too many is told so; a stream that left makes room; signs of life; a drain ends it cleanly."""
    server = t.server("--event-streams-max", "2", "--event-comment-s", "1", io_threads=1)
    first, second = Stream(server).open(), Stream(server, form=MSGPACK_SEQ).open()
    refused = Stream(server)
    until("it is answered", lambda: refused.pump().response.done)
    value = problem(refused.response, 429, "too-many-requests")
    check(value["retry_after_s"] >= 1 and refused.response.fields.get("retry-after"), "when to come back", value)
    equal(server.metrics().get("aswolk_event_streams"), 2, "streams")
    second.connection.reset(second.response)
    until("its place is free", lambda: server.metrics().get("aswolk_event_streams") == 1)
    third = Stream(server, form=MSGPACK_SEQ).open()
    until("comments", lambda: first.pump().response.body.startswith(2 * b":\nid: 2\n\n"))
    until("a nil", lambda: third.pump().response.body.startswith(b"\xc0"))
    equal(first.events, [], "nothing happened")
    second.close()
    refused.close()
    server.process.send_signal(signal.SIGTERM)
    until("they end as answers do", lambda: all([stream.pump().response.done for stream in (first, third)]))
    first.close()
    third.close()
    equal(server.exit_code(), 0, "exit code after SIGTERM")
    server.start()


def test_slow_reader(t):
    """Who does not read holds up neither posts nor other streams, and is told everything later."""
    server = t.server()
    make = Messages()
    api = server.api()
    slow, live = Stream(server, "?after=0").open(), Stream(server, "?after=0").open()
    for _ in range(5):  # ten windows of a stream
        api.receipts(make.many(300))
        last = ids(export(api, "?after=%d" % (len(live.events) or 0)))[-1]
        live.until_id(last)
    try:
        slow.until_id(last)
        equal(slow.events, live.events, "the same")
    except Gone:  # on a slow machine it was reset meanwhile: it goes on behind what it has
        pass
    slow = Stream(server, last_event_id="7").open()
    equal(ids(slow.until_id(last)), list(range(8, last + 1)), "from there on")


sys.exit(run(globals()))
