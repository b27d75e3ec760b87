#!/usr/bin/python3
"""Flight and airport events on the real server: who moves, what is refused, undo, dry runs, repeats, kill -9 in between."""

import json
import sys
import threading
import time

from aswolk_test import MSGPACK, NDJSON, Messages, check, equal, problem, rfc3339, run, status, until

HOUR = 3600
DATE = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 24 * HOUR))  # one that is over is soon forgotten


def flight(number, lead_h, **fields):
    return dict({"number": number, "date": DATE, "departs_at": rfc3339(time.time() + lead_h * HOUR)}, **fields)


def put_flight(api, number, body, date=DATE, **more):
    return api.send("PUT", "/v1/flights/%s/%s" % (number, date), body, **more)


def put_airport(api, airport, body, **more):
    return api.send("PUT", "/v1/airports/" + airport, body, **more)


def undo(api, change, body=None, **more):
    return api.send("POST", "/v1/changes/%s/undo" % change, {} if body is None else body, **more)


def class_of(api, receipt):
    return api.ticket(receipt["ticket"]).value["class"]


def becomes(api, receipt, name):
    until("%s becomes %s" % (receipt["ticket"], name), lambda: class_of(api, receipt) == name)


def test_a_cancelled_flight(t):
    """Its tickets are disrupted, those posted before and after, over kill -9; the undo gives all back."""
    server = t.server()
    make = Messages()
    api = server.api()
    near = api.receipt(make.next(flights=[flight("KL1234", 3)]))
    other = api.receipt(make.next(flights=[flight("KL1235", 3)]))
    equal((near["class"], other["class"]), ("imminent", "imminent"), "at first")
    problem(api.get("/v1/flights/KL1234/" + DATE), 404, "not-found")
    tried = status(put_flight(api, "KL1234", {"state": "cancelled", "dry_run": True}), 200, "a dry run").value
    equal((tried["tickets"], tried["dry_run"], tried["state"]), (1, True, "cancelled"), "a dry run counts")
    problem(api.get("/v1/flights/KL1234/" + DATE), 404, "not-found")
    made = status(put_flight(api, "KL1234", {"state": "cancelled"}), 201, "PUT")
    equal((made.value["tickets"], made.value["dry_run"], made.value["version"]), (1, False, 1), "what it did")
    server.restart()
    api = server.api()
    becomes(api, near, "disrupted")
    equal(class_of(api, other), "imminent", "another flight")
    later = api.receipt(make.next(flights=[flight("KL1234", 3)]))
    equal(later["class"], "disrupted", "posted later")
    order = [lease["ticket"] for lease in api.leases(max=3)]
    equal(order, [other["ticket"], near["ticket"], later["ticket"]], "who goes first")
    for lease in api.every_lease():
        status(api.act(lease["lease"], "release", {"reason": "test"}), 200, "release")
    seen = status(api.get("/v1/flights/KL1234/" + DATE), 200, "GET").value
    equal((seen["number"], seen["date"], seen["state"]), ("KL1234", DATE, "cancelled"), "GET")
    equal(seen["change"], made.value["change"], "its change")
    back = status(undo(api, made.value["change"]), 200, "undo").value
    equal((back["tickets"], back["change"]), (2, None), "the undo")
    server.restart()
    api = server.api()
    becomes(api, near, "imminent")
    becomes(api, later, "imminent")
    problem(undo(api, made.value["change"]), 409, "change-overtaken")
    problem(api.get("/v1/flights/KL1234/" + DATE), 404, "not-found")


def test_delay_and_if_match(t):
    """A new departure moves tickets; If-Match guards it; an overtaken change can't be undone."""
    server = t.server()
    make = Messages()
    api = server.api(form=MSGPACK)
    age = rfc3339(time.time() - 60)  # the same: only the departure tells them apart
    first = api.receipt(make.next(flights=[flight("KL1", 2)], received_at=age))
    second = api.receipt(make.next(flights=[flight("KL2", 3)], received_at=age))
    made = status(put_flight(api, "KL1", {"state": "delayed", "departs_at": rfc3339(time.time() + 4 * HOUR)}), 201, "delay")
    tag = made.fields["etag"]

    def departs(receipt):
        return api.ticket(receipt["ticket"]).value["departs_at"]

    until("the order turns", lambda: departs(first) > departs(second))
    equal([lease["ticket"] for lease in api.leases(max=2)], [second["ticket"], first["ticket"]], "by departure")
    problem(put_flight(api, "KL1", {"state": "scheduled"}, if_match='"77"'), 412, "precondition-failed")
    changed = status(put_flight(api, "KL1", {"state": "scheduled"}, if_match=tag), 200, "PUT with its ETag")
    check(changed.fields["etag"] != tag, "another ETag", tag)
    same = status(put_flight(api, "KL1", {"state": "scheduled"}), 200, "the same again").value
    equal((same["version"], same["change"]), (changed.value["version"], changed.value["change"]), "nothing changed")
    problem(undo(api, made.value["change"]), 409, "change-overtaken")
    problem(put_flight(api, "KL3", {"state": "scheduled"}, if_match="*"), 412, "precondition-failed")


def test_an_airport_closes(t):
    """Departures from and to it inside the time are disrupted; so are tickets that name nothing but the airport."""
    server = t.server()
    make = Messages()
    api = server.api()
    inside = api.receipt(make.next(flights=[flight("KL10", 2, **{"from": "AMS", "to": "JFK"})]))
    landing = api.receipt(make.next(flights=[flight("KL11", 2, **{"from": "JFK", "to": "AMS"})]))
    after = api.receipt(make.next(flights=[flight("KL12", 5, **{"from": "AMS", "to": "JFK"})]))
    only = api.receipt(make.next(airports=["AMS"]))
    elsewhere = api.receipt(make.next(airports=["LHR"]))
    equal((only["class"], elsewhere["class"]), ("general", "general"), "at first")
    body = {"state": "closed", "until": rfc3339(time.time() + 4 * HOUR)}
    made = status(put_airport(api, "AMS", body), 201, "close").value
    equal((made["airport"], made["state"], made["tickets"]), ("AMS", "closed", 4), "what it did")
    for receipt in (inside, landing, only):
        becomes(api, receipt, "disrupted")
    equal((class_of(api, after), class_of(api, elsewhere)), ("imminent", "general"), "others stay")
    equal(api.receipt(make.next(airports=["AMS"]))["class"], "disrupted", "posted later")
    server.restart()
    api = server.api()
    equal(status(api.get("/v1/airports/AMS"), 200, "GET").value["change"], made["change"], "after a restart")
    equal(undo(api, made["change"], {"dry_run": True}).value["tickets"], 5, "a dry run of the undo")
    equal(status(undo(api, made["change"]), 200, "undo").value["state"], "open", "undone")
    for receipt, name in ((inside, "imminent"), (landing, "imminent"), (only, "general")):
        becomes(api, receipt, name)


def test_many_flights(t):
    """Many at once: a result for each line, a bad one alone is refused; the same again under its key changes nothing."""
    server = t.server()
    api = server.api()
    lines = [
        {"number": "KL1", "date": DATE, "state": "cancelled"},
        {"number": "KL2", "date": DATE, "state": "delayed"},
        {"number": "kl3", "date": DATE, "state": "cancelled"},
        {"number": "KL4", "date": "2026-02-30", "state": "cancelled"},
        {"number": "KL5", "date": DATE, "state": "gone"},
        {"number": "KL6", "date": DATE, "state": "cancelled", "why": "ash"},
        {"number": "KL7", "date": DATE, "state": "rebooked"},
    ]
    body = "".join(json.dumps(line) + "\n" for line in lines).encode()
    fields = [("aswolk-agent", "sam"), ("content-type", NDJSON), ("accept", NDJSON), ("idempotency-key", "ash-1")]
    first = status(api.connection.request("POST", "/v1/flights", fields, body), 200, "POST").lines
    equal([line["status"] for line in first], [201, 400, 400, 400, 400, 400, 201], "status by line")
    equal([line.get("field") for line in first[1:6]], ["departs_at", "number", "date", "state", "why"], "what was wrong")
    status(put_flight(api, "KL1", {"state": "scheduled"}), 200, "a change between")
    again = status(api.connection.request("POST", "/v1/flights", fields, body), 200, "the same again").lines
    equal((again[0]["duplicate"], again[0]["state"]), (True, "cancelled"), "as the first time")
    equal(again[0]["change"], first[0]["change"], "its change")
    equal(api.get("/v1/flights/KL1/" + DATE).value["state"], "scheduled", "it stays")
    other = api.connection.request("POST", "/v1/flights", fields, body.replace(b"KL7", b"KL8"))
    equal([line["status"] for line in other.lines][0], 422, "another body under the key")
    for number in range(100, 230):
        status(put_flight(api, "KL%d" % number, {"state": "cancelled"}), 201, "PUT")
    every = api.every("/v1/flights")
    equal(len(every), 132, "all pages")
    equal(len({item["number"] for item in every}), 132, "each once")
    equal(len(api.get("/v1/flights").value["items"]), 100, "a page")


def test_bad_input(t):
    """Each with the field that is wrong; nothing is stored."""
    server = t.server()
    api = server.api()
    time_text = rfc3339(time.time() + HOUR)
    for path, body, name, field in (
        ("/v1/flights/KL12345/" + DATE, {"state": "cancelled"}, "bad-value", "number"),
        ("/v1/flights/KL1/2026-13-01", {"state": "cancelled"}, "bad-value", "date"),
        ("/v1/flights/KL1/" + DATE, {}, "bad-value", "state"),
        ("/v1/flights/KL1/" + DATE, {"state": "delayed"}, "bad-value", "departs_at"),
        ("/v1/flights/KL1/" + DATE, {"state": "cancelled", "departs_at": time_text}, "bad-value", "departs_at"),
        ("/v1/flights/KL1/" + DATE, {"state": "cancelled", "number": "KL1"}, "unknown-field", "number"),
        ("/v1/airports/AMSX", {"state": "open"}, "bad-value", "airport"),
        ("/v1/airports/ams", {"state": "open"}, "bad-value", "airport"),
        ("/v1/airports/AMS", {"state": "closed"}, "bad-value", "until"),
        ("/v1/airports/AMS", {"state": "closed", "until": "2020-01-01T00:00:00Z"}, "bad-value", "until"),
        ("/v1/airports/AMS", {"state": "closed", "from": time_text, "until": time_text}, "bad-value", "until"),
        ("/v1/airports/AMS", {"state": "open", "from": time_text}, "bad-value", "from"),
        ("/v1/airports/AMS", {"state": "closed", "until": time_text, "reason": "ash"}, "unknown-field", "reason"),
    ):
        problem(api.send("PUT", path, body), 400, name, field)
    problem(undo(api, "cf0100000001"), 404, "not-found")
    problem(undo(api, "x"), 404, "not-found")
    problem(api.get("/v1/flights/KL1"), 404, "not-found")
    problem(api.send("DELETE", "/v1/airports/AMS", {}), 405, "method-not-allowed")
    equal(api.get("/v1/flights").value, {"items": [], "next": None}, "no flight")
    equal(api.get("/v1/airports").value, {"items": [], "next": None}, "no airport")


def test_ten_thousand_tickets(t):
    """An airport closes over 10,000 tickets while an agent pulls: all move, and the undo brings all back. Tells the times."""
    server = t.server()
    make = Messages()
    api = server.api()
    trip = flight("KL1", 3, **{"from": "AMS", "to": "JFK"})
    for _ in range(10):
        api.receipts(make.many(1000, flights=[trip]))
    api.receipts(make.many(100))
    stop, took = threading.Event(), []

    def pull():
        agent = server.api("bob")
        while not stop.is_set():
            began = time.monotonic()
            (lease,) = agent.leases(max=1)
            took.append((began, time.monotonic() - began))
            status(agent.act(lease["lease"], "release", {"reason": "test"}), 200, "release")

    def waiting(name):
        return api.get("/v1/lanes/main").value["waiting"][name]

    puller = threading.Thread(target=pull)
    puller.start()
    until("pulls", lambda: len(took) > 100)
    began = time.monotonic()
    made = status(put_airport(api, "AMS", {"state": "closed", "until": rfc3339(time.time() + 9 * HOUR)}), 201, "close").value
    answered = time.monotonic() - began
    until("all moved", lambda: waiting("imminent") == 0)
    moved = time.monotonic() - began
    until("a pull begun after it", lambda: took[-1][0] > began + moved)
    stop.set()
    puller.join()
    equal(made["tickets"], 10000, "tickets")
    equal((waiting("imminent"), waiting("disrupted")), (0, 10000), "waiting")
    worst = max(seconds for at, seconds in took if at + seconds >= began)
    began = time.monotonic()
    status(undo(api, made["change"]), 200, "undo")
    until("all back", lambda: waiting("imminent") == 10000)
    back = time.monotonic() - began
    figures = tuple(1000 * seconds for seconds in (answered, moved, worst, back))
    t.note("answered in %.0f ms, all moved in %.0f ms, slowest pull from then on %.0f ms, all back in %.0f ms" % figures)


if __name__ == "__main__":
    sys.exit(run(globals()))
