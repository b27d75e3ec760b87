#!/usr/bin/python3
"""Tickets by what they are, on the real server: filters, pages, and what changes while a search goes on."""

import sys
import threading
import time

from aswolk_test import MSGPACK, Messages, check, equal, problem, rfc3339, run, status, until

MINUTE = 60


def found(api, query=""):
    return status(api.get("/v1/tickets" + query), 200, "search " + query).value


def ids(api, query=""):
    return [item["ticket"] for item in api.every("/v1/tickets" + query)]


def test_filters(t):
    """Each filter alone and with others; oldest first; the same in both encodings."""
    server = t.server()
    make = Messages()
    api = server.api()
    now = time.time()
    status(api.put_lane("dutch"), 201, "lane")
    flights = [{"number": "KL77", "date": "2031-05-01", "from": "AMS", "to": "JFK"}]
    young = api.receipt(make.next(customer="eve", channel="whatsapp", flights=flights))["ticket"]
    old = api.receipt(make.next(received_at=rfc3339(now - 90 * MINUTE), care=["medical"], airports=["JFK"]))["ticket"]
    moved = api.receipt(make.next(customer="eve", account="sales", channel="whatsapp"))["ticket"]
    status(api.patch_ticket(moved, {"lane": "dutch", "hold": True}), 200, "move and hold")
    closed = api.receipt(make.next())["ticket"]
    status(api.cancel_ticket(closed), 200, "cancel")
    everything = found(api)
    equal([item["ticket"] for item in everything["items"]], [old, young, moved], "what is open, oldest first")
    equal((everything["total"], everything["next"], everything["exact"]), (3, None, True), "all of it")
    packed = found(server.api(form=MSGPACK))
    equal(packed, dict(everything, as_of=packed["as_of"]), "msgpack")
    equal(ids(api, "?state=closed"), [closed], "closed")
    equal(ids(api, "?state=held,closed"), [moved, closed], "held or closed")
    equal(ids(api, "?class=care"), [old], "class")
    equal(ids(api, "?lane=dutch"), [moved], "lane")
    equal(ids(api, "?customer=eve&channel=whatsapp"), [young], "customer")
    equal(ids(api, "?customer=eve&channel=whatsapp&account=sales"), [moved], "of another account")
    equal(ids(api, "?customer=eve&channel=whatsapp&state=closed"), [], "customer, but not so")
    equal(ids(api, "?channel=whatsapp"), [young, moved], "channel")
    equal(ids(api, "?flight=KL77/2031-05-01"), [young], "flight")
    equal(ids(api, "?flight=KL77%2F2031-05-01&airport=JFK"), [young], "flight and airport")
    equal(ids(api, "?airport=JFK"), [old, young], "airport")
    booked = api.receipt(make.next(booking="qx7k2p", flights=flights))["ticket"]
    equal(ids(api, "?booking=QX7K2P"), [booked], "booking, which has no case")
    equal(ids(api, "?booking=qx7k2p&airport=JFK"), [booked], "booking and airport")
    equal(ids(api, "?booking=KL77"), [], "another one")
    status(api.cancel_ticket(booked), 200, "cancel what was booked")
    equal(ids(api, "?older_than_s=3600"), [old], "older than")
    equal(ids(api, "?agent=eve&state=leased"), [], "nobody of that name")
    lease = server.api(who="bob smith").lease()
    held = found(api, "?agent=bob+smith")["items"]
    equal([(item["ticket"], item["holder"], item["state"]) for item in held], [(lease["ticket"], "bob smith", "leased")], "agent")
    equal(held[0]["channel"], "web", "with its channel")
    server.restart()
    equal(ids(server.api()), [old, young, moved], "after a restart")


def test_what_becomes_of_them(t):
    """Put off or not, part of an incident, and what was promised."""
    server = t.server()
    make = Messages()
    api = server.api()
    flight = {"number": "KL88", "date": "2031-05-01"}
    grounded = api.receipt(make.next(flights=[flight]))["ticket"]
    lease = api.lease()
    body = {"until": rfc3339(time.time() + 3600), "reason": "commitment", "what": "news"}
    status(api.act(lease, "defer", body), 200, "defer")
    other = api.receipt(make.next())["ticket"]
    status(api.patch_ticket(other, {"hold": True}), 200, "hold")
    declared = api.send("POST", "/v1/incidents", {"title": "ash", "flights": [flight]})
    incident = status(declared, 201, "incident").value["incident"]
    put_off = found(api, "?state=held&deferred=true")["items"]
    equal([(item["ticket"], item["deferred"]) for item in put_off], [(grounded, True)], "put off")
    equal(ids(api, "?state=held&deferred=false"), [other], "held by a person")
    until("it is part of the incident", lambda: ids(api, "?incident=" + incident) == [grounded])
    equal(found(api, "?incident=" + incident)["items"][0]["incident"], incident, "named")
    equal(ids(api, "?promise=breaking"), [], "none was told that it takes longer")
    lines, _ = api.bulk({"filter": {"incident": incident, "deferred": True}, "class": "disrupted", "dry_run": True})
    equal([line["ticket"] for line in lines], [grounded], "for a change too")
    problem(api.get("/v1/tickets?incident=frob"), 400, "bad-value", "incident")
    problem(api.get("/v1/tickets?deferred=maybe"), 400, "bad-value", "deferred")
    problem(api.get("/v1/tickets?promise=kept"), 400, "bad-value", "promise")


def test_pages(t):
    """Page by page each ticket once; Link keeps the filter; what comes and goes meanwhile moves nothing else."""
    server = t.server()
    make = Messages()
    api = server.api()
    tickets = [receipt["ticket"] for receipt in api.receipts(list(make.many(230)))]
    equal(sorted(ids(api, "?state=waiting")), sorted(tickets), "in pages of a hundred")
    first = found(api, "?state=waiting&limit=7")
    equal((len(first["items"]), first["total"]), (7, 230), "a page")
    status(api.cancel_ticket(first["items"][0]["ticket"]), 200, "cancel one of the first page")
    status(api.cancel_ticket(tickets[-1]), 200, "and one of the last")
    rest = ids(api, "?state=waiting&limit=7&cursor=" + first["next"])
    seen = [item["ticket"] for item in first["items"]] + rest
    equal((len(seen), len(set(seen))), (229, 229), "none twice, none missing")
    equal(len(server.api(who="<s>").leases(max=3)), 3, "leases")
    link = status(api.get("/v1/tickets?agent=<s>&limit=1"), 200, "a query as no client should write it").fields["link"]
    check(link.startswith("</v1/tickets?agent=%3Cs%3E&limit=1&cursor="), "Link is well-formed", link)
    equal(len(ids(api, "?agent=%3Cs%3E&limit=1")), 3, "page by page")


def test_refusals(t):
    """What is no filter."""
    server = t.server()
    api = server.api()
    problem(api.get("/v1/tickets?colour=red"), 400, "unknown-field", "colour")
    problem(api.get("/v1/tickets?state=open"), 400, "bad-value", "state[0]")
    problem(api.get("/v1/tickets?state=waiting,"), 400, "bad-value", "state[1]")
    problem(api.get("/v1/tickets?state=held&state=closed"), 400, "malformed", "state")
    problem(api.get("/v1/tickets?class=urgent"), 400, "bad-value", "class[0]")
    problem(api.get("/v1/tickets?lane=nowhere"), 404, "not-found", "lane")
    problem(api.get("/v1/tickets?customer=eve"), 400, "bad-value", "channel")
    problem(api.get("/v1/tickets?account=main"), 400, "bad-value", "account")
    problem(api.get("/v1/tickets?flight=KL77"), 400, "bad-value", "flight")
    problem(api.get("/v1/tickets?flight=77/2031-05-01"), 400, "bad-value", "flight")
    problem(api.get("/v1/tickets?airport=jfk"), 400, "bad-value", "airport")
    problem(api.get("/v1/tickets?older_than_s=-1"), 400, "bad-value", "older_than_s")
    problem(api.get("/v1/tickets?older_than_s=1h"), 400, "bad-value", "older_than_s")
    problem(api.get("/v1/tickets?agent="), 400, "bad-value", "agent")
    problem(api.get("/v1/tickets?agent=%ff"), 400, "malformed", "agent")
    problem(api.get("/v1/tickets?%ff=1"), 400, "malformed")
    problem(api.get("/v1/tickets?limit=0"), 400, "bad-value", "limit")
    problem(api.get("/v1/tickets?limit=101"), 400, "bad-value", "limit")
    problem(api.get("/v1/tickets?cursor=1"), 400, "bad-value", "cursor")
    problem(api.get("/v1/tickets?limit=1&limit=2"), 400, "unknown-field", "limit")
    problem(api.get("/v1/tickets?" + "&".join("a%d=1" % i for i in range(40))), 400, "bad-value")
    problem(api.send("POST", "/v1/tickets", {}), 405, "method-not-allowed")
    empty = found(api)
    equal((empty["items"], empty["total"], empty["next"]), ([], 0, None), "and there is nothing yet")


def test_beside_pulls(t):
    """Searches see every ticket that waits all the time while others are posted, pulled and given back; who leaves stops his."""
    server = t.server()
    make = Messages()
    api = server.api()
    status(api.put_lane("still"), 201, "lane")
    still = sorted(receipt["ticket"] for receipt in api.receipts(list(make.many(60, lane="still"))))
    done, failed = [], []

    def work():
        try:
            mine = server.api(who="worker")
            others = Messages("w")
            while not done:
                mine.receipts(list(others.many(20)))
                for lease in mine.leases(max=20, lanes=["main"]):
                    status(mine.act(lease, "release", {"reason": "looked"}), 200, "release")
        except Exception as err:  # shown by the main thread
            failed.append(err)

    worker = threading.Thread(target=work)
    worker.start()
    try:
        for _ in range(30):
            answer = found(api, "?lane=still&limit=60")
            equal((sorted(item["ticket"] for item in answer["items"]), answer["total"]), (still, 60), "all of them")
            busy = found(api, "?lane=main&state=waiting&limit=100")
            check(all(item["state"] == "waiting" for item in busy["items"]), "only what fits", busy)
            leaver = server.connect()
            leaver.begin("GET", "/v1/tickets?lane=main")
            leaver.close()
    finally:
        done.append(True)
        worker.join()
    check(not failed, "the worker failed", failed)


# --- many at once -------------------------------------------------------------------------------------------------------------


def states(api, tickets):
    return [api.ticket(ticket).value["state"] for ticket in tickets]


def history(api, ticket):
    return [event["type"] for event in api.every("/v1/tickets/%s/history" % ticket)]


def test_bulk_named(t):
    """Named tickets: one that fails says so and the others are done; dry_run changes nothing; a key makes it safe to repeat."""
    server = t.server()
    make = Messages()
    status(server.api().put_lane("night"), 201, "lane")
    for form in (None, MSGPACK):
        api = server.api(who="sam", form=form) if form else server.api(who="sam")
        tickets = [receipt["ticket"] for receipt in api.receipts(list(make.many(4)))]
        status(api.cancel_ticket(tickets[1]), 200, "one is closed")
        named = tickets + ["t0000000zz", "what?"]
        tried, end = api.bulk({"tickets": named, "hold": True, "dry_run": True})
        equal([line["status"] for line in tried], [200, 409, 200, 200, 404, 404], "what would be")
        equal((tried[0]["state"], tried[0]["dry_run"], end["dry_run"]), ("held", True, True), "tried out")
        equal(states(api, tickets), ["waiting", "closed", "waiting", "waiting"], "nothing changed")
        body = {"tickets": named, "hold": True, "class": "disrupted", "lane": "night", "reason": "till tomorrow"}
        lines, end = api.bulk(body, idempotency_key="k")
        equal([(line.get("ticket"), line["status"]) for line in lines], list(zip(named, [200, 409, 200, 200, 404, 404])), "each")
        equal((lines[0]["state"], lines[0]["class"], lines[0]["lane"]), ("held", "disrupted", "night"), "done")
        equal((lines[1]["type"], lines[1]["state"]), ("urn:aswolk:wrong-state", "closed"), "refused")
        equal(history(api, tickets[0])[1:], ["aswolk.ticket.placed"], "it is told as any other")
        again, _ = api.bulk(body, idempotency_key="k")
        equal([(line["status"], line.get("duplicate")) for line in again[:3]], [(200, True), (409, None), (200, True)], "repeated")
        lines, _ = api.bulk(dict(body, reason="else"), idempotency_key="k")
        equal(lines[0]["type"], "urn:aswolk:idempotency-key-reused", "another request under the key")
        equal(states(api, tickets)[0], "held", "and nothing changed")
        lines, _ = api.bulk({"tickets": tickets[2:], "hold": False})
        equal([line["state"] for line in lines], ["waiting"] * 2, "let go")
        lines, _ = api.bulk({"tickets": tickets, "cancel": True, "reason": "a test"})
        equal([line["status"] for line in lines], [200, 409, 200, 200], "closed")


def test_bulk_filter(t):
    """By filter, piece by piece: all that fit when it began and no others, a holder keeps what he was given meanwhile."""
    server = t.server()
    make = Messages()
    api = server.api()
    status(api.put_lane("far"), 201, "lane")
    tickets = [receipt["ticket"] for receipt in api.receipts(list(make.many(600)))]
    held = api.leases(max=3)
    tried, _ = api.bulk({"filter": {"state": ["waiting"]}, "lane": "far", "dry_run": True})
    equal(len(tried), 597, "those that would be moved")
    response = api.begin_bulk({"filter": {"state": ["waiting"], "lane": "main"}, "lane": "far", "class": "disrupted"})
    later = server.api().receipt(make.next())["ticket"]
    lines = api.connection.wait(response).lines
    moved = [line["ticket"] for line in lines[:-1] if line["status"] == 200]
    check(set(tickets) - {lease["ticket"] for lease in held} <= set(moved), "all that waited", len(moved))
    check(not {lease["ticket"] for lease in held} & set(moved), "what is leased does not fit")
    equal(found(api, "?lane=far")["total"], len(moved), "they are there")
    check(api.ticket(later).value["lane"] == ("far" if later in moved else "main"), "what came meanwhile is as it is told")
    lines, end = api.bulk({"filter": {"flight": "KL1/2031-01-01"}, "cancel": True})
    equal((lines, end), ([], {"done": 0, "failed": 0}), "none fits")
    server.kill()
    server.start()
    equal(found(server.api(), "?lane=far&class=disrupted")["total"], len(moved), "and it is on disk")
    leaver = server.api()
    leaver.begin_bulk({"filter": {"lane": "far"}, "hold": True})
    leaver.connection.close()
    last = server.api()
    until("who leaves is in nobody's way", lambda: last.bulk({"filter": {"lane": "far"}, "cancel": True})[1]["failed"] == 0)
    equal(states(last, moved), ["closed"] * len(moved), "all of them")
    equal(server.api().bulk({"tickets": [moved[0]], "hold": True})[1]["failed"], 1, "closed by now")
    metrics = server.metrics()
    check(metrics.get("aswolk_bulk_changed_total") >= len(moved) and metrics.get("aswolk_bulk_refused_total") >= 1, "counted")
    equal(metrics.get("aswolk_searches_total"), 1, "since the start")


def test_bulk_atomic(t):
    """All or none: one that fails keeps the others from it, each says why; a thousand at once, over a restart."""
    server = t.server()
    make = Messages()
    api = server.api()
    tickets = [receipt["ticket"] for receipt in api.receipts(list(make.many(1000)))]
    lease = api.lease()
    lines, end = api.bulk({"tickets": tickets[:5], "hold": True, "atomic": True})
    equal(end, {"done": 0, "failed": 5}, "none")
    equal(sorted({line["type"] for line in lines}), ["urn:aswolk:none-done", "urn:aswolk:wrong-state"], "why")
    equal([line["state"] for line in lines if "state" in line], ["leased"], "it is leased")
    equal(states(api, tickets[1:5]), ["waiting"] * 4, "nothing changed")
    lines, end = api.bulk({"tickets": tickets[1:4] + ["t0000000zz"], "cancel": True, "atomic": True})
    equal([line["status"] for line in lines], [409, 409, 409, 404], "an unknown one")
    api.completed(lease)
    body = {"filter": {"state": ["waiting"]}, "hold": True, "atomic": True, "reason": "a flood"}
    lines, end = api.bulk(dict(body, dry_run=True))
    equal((end, found(api, "?state=held")["total"]), ({"done": 999, "failed": 0, "dry_run": True}, 0), "tried out")
    lines, end = api.bulk(body)
    equal(end, {"done": 999, "failed": 0}, "all")
    server.kill()
    server.start()
    api = server.api()
    equal(found(api, "?state=held")["total"], 999, "after kill -9")
    api.receipts(list(make.many(2)))
    refused = api.connection.wait(api.begin_bulk(dict(body, filter={})))
    problem(refused, 400, "bad-value", "atomic")
    body = {"tickets": tickets[1:], "hold": True, "atomic": True, "reason": "x" * 256}
    lines, end = api.bulk(body)
    equal((end["done"], {line["type"] for line in lines}), (0, {"urn:aswolk:body-too-large"}), "more than a batch takes")
    lines, end = api.bulk(dict(body, reason="x"), idempotency_key="all")
    equal(end, {"done": 999, "failed": 0}, "held longer")
    lines, end = api.bulk(dict(body, reason="x"), idempotency_key="all")
    check(all(line["duplicate"] for line in lines), "all of them known")


def test_bulk_refusals(t):
    """What is no change of many tickets."""
    server = t.server()
    api = server.api()
    for body, field in (
        ({"cancel": True}, "tickets"),
        ({"tickets": [], "cancel": True}, "tickets"),
        ({"tickets": ["t1"], "filter": {}, "cancel": True}, "tickets"),
        ({"filter": {}}, "cancel"),
        ({"filter": {}, "cancel": True, "class": "care"}, "cancel"),
        ({"filter": {}, "cancel": True, "hold": False}, "cancel"),
        ({"filter": {}, "hold": False, "hold_until": "2040-01-01T00:00:00Z"}, "hold_until"),
        ({"filter": {}, "hold": True, "hold_until": "2020-01-01T00:00:00Z"}, "hold_until"),
        ({"tickets": ["t1", "t2", "t1"], "cancel": True}, "tickets"),
        ({"tickets": ["t%d" % i for i in range(1001)], "cancel": True, "atomic": True}, "atomic"),
        ({"filter": {"state": ["open"]}, "cancel": True}, "filter.state[0]"),
        ({"filter": {"customer": "eve"}, "cancel": True}, "channel"),
    ):
        problem(api.connection.wait(api.begin_bulk(body)), 400, "bad-value", field)
    unknown = api.begin_bulk({"filter": {"colour": "red"}, "cancel": True})
    problem(api.connection.wait(unknown), 400, "unknown-field", "filter.colour")
    problem(api.connection.wait(api.begin_bulk({"filter": {"lane": "nowhere"}, "cancel": True})), 404, "not-found", "lane")
    problem(api.send("POST", "/v1/tickets/bulk", {"filter": {}, "cancel": True}), 406, "not-acceptable")
    api.who = ""
    problem(api.connection.wait(api.begin_bulk({"filter": {}, "cancel": True})), 401, "unauthorized")


if __name__ == "__main__":
    sys.exit(run(globals()))
