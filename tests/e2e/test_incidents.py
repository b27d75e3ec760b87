#!/usr/bin/python3
"""Incidents on the real server: who is part of one, by what people say and by what tickets are about, earlier and later ones; what
is proposed; what is refused; kill -9 in between."""

import sys
import time

from aswolk_test import Messages, equal, problem, run, status, until

HOUR = 3600
DATE = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 24 * HOUR))


def flight(number):
    return {"number": number, "date": DATE}


def make_incident(api, want=201, **fields):
    return status(api.send("POST", "/v1/incidents", dict({"title": "ash over Europe"}, **fields)), want, "POST /v1/incidents").value


def get(api, incident):
    return status(api.get("/v1/incidents/" + incident), 200, "GET").value


def listed(api, state):
    return status(api.get("/v1/incidents?state=" + state), 200, "GET /v1/incidents").value["items"]


def incident_of(api, receipt):
    return status(api.ticket(receipt["ticket"]), 200, "GET a ticket").value["incident"]


def becomes(api, receipt, incident):
    until("%s is part of %s" % (receipt["ticket"], incident), lambda: incident_of(api, receipt) == incident)


def test_by_flight(t):
    """Tickets that were there and later ones, over kill -9; a lease and the history tell it, a closed one takes nobody."""
    server = t.server()
    make = Messages()
    api = server.api()
    early = api.receipt(make.next(flights=[flight("KL641")]))
    other = api.receipt(make.next(flights=[flight("KL643")]))
    made = make_incident(api, flights=[flight("KL641")], airports=["JFK"])
    incident = made["incident"]
    equal((made["state"], made["flights"], made["airports"], made["follow"]), ("open", [flight("KL641")], ["JFK"], True), "made")
    becomes(api, early, incident)
    server.restart()
    api = server.api()
    later = api.receipt(make.next(airports=["JFK"]))
    equal(incident_of(api, later), incident, "who comes later")
    equal(incident_of(api, other), None, "another flight")
    lease = api.leases(max=1)[0]
    equal((lease["ticket"], lease["incident"]), (early["ticket"], incident), "its lease")
    history = status(api.get("/v1/tickets/%s/history" % early["ticket"]), 200, "history").value["items"]
    equal([event["data"].get("incident") for event in history], [None, incident, incident], "its history")
    equal(history[1]["type"], "aswolk.ticket.linked", "how it was linked")
    now = get(api, incident)
    equal((now["tickets"], now["open"], now["linking"]), (2, 2, False), "how many")
    status(api.send("PATCH", "/v1/incidents/" + incident, {"state": "closed"}), 200, "close")
    equal(get(api, incident)["state"], "closed", "closed")
    equal(incident_of(api, api.receipt(make.next(flights=[flight("KL641")]))), None, "when it is closed")
    equal([item["incident"] for item in listed(api, "closed")], [incident], "listed as closed")
    equal(listed(api, "open"), [], "nothing is open")


def test_by_hand(t):
    """A ticket is part of one; who has it is told, the others are linked; taken out it stays out."""
    server = t.server()
    make = Messages()
    api = server.api()
    tickets = [api.receipt(make.next(flights=[flight("KL641")]))["ticket"] for _ in range(3)]
    first = make_incident(api, tickets=tickets[:1] + ["t0000"], follow=False)
    equal(first["linked"], 1, "one of two")
    equal(first["refused"], [{"ticket": "t0000", "type": "urn:aswolk:not-found"}], "and why not the other")
    second = make_incident(api, title="another", tickets=tickets)
    equal((second["linked"], second["open"]), (2, 2), "the others")
    has_it = {"ticket": tickets[0], "type": "urn:aswolk:other-incident", "incident": first["incident"]}
    equal(second["refused"], [has_it], "who has it")
    path = "/v1/incidents/%s/" % first["incident"]
    out = status(api.send("POST", path + "unlink", {"tickets": tickets[:1]}), 200, "unlink").value
    equal((out["linked"], out["tickets"], out["open"]), (1, 0, 0), "taken out")
    status(api.send("PATCH", "/v1/incidents/" + first["incident"], {"flights": [flight("KL641")]}), 200, "PATCH")
    until("the round is over", lambda: not get(api, first["incident"])["linking"])
    equal(status(api.ticket(tickets[0]), 200, "GET").value["incident"], None, "it stays out")
    back = status(api.send("POST", path + "link", {"tickets": tickets}), 200, "link").value
    equal((back["linked"], len(back["refused"])), (1, 2), "by hand it comes back")


def test_refusals(t):
    """Bad bodies, unknown ids, versions, keys."""
    server = t.server()
    api = server.api()
    problem(api.send("POST", "/v1/incidents", {}), 400, "bad-value", field="title")
    flights = [{"number": "KL1"}]
    problem(api.send("POST", "/v1/incidents", {"title": "x", "flights": flights}), 400, "bad-value", field="flights[0].date")
    problem(api.send("POST", "/v1/incidents", {"title": "x", "airports": ["AMS", "AMS"]}), 400, "bad-value")
    problem(api.send("POST", "/v1/incidents", {"title": "x", "color": "red"}), 400, "unknown-field")
    problem(api.get("/v1/incidents/nonsense"), 404, "not-found")
    problem(api.get("/v1/incidents?state=half"), 400, "bad-value", field="state")
    tried = make_incident(api, want=200, dry_run=True, airports=["AMS"])
    equal((tried["incident"], tried["dry_run"], tried["airports"]), (None, True, ["AMS"]), "a dry run")
    equal(listed(api, "open"), [], "made nothing")
    made = status(api.send("POST", "/v1/incidents", {"title": "x"}, idempotency_key="k1"), 201, "with a key").value
    again = status(api.send("POST", "/v1/incidents", {"title": "x"}, idempotency_key="k1"), 201, "again").value
    equal((again["incident"], again["duplicate"]), (made["incident"], True), "is the same one")
    problem(api.send("POST", "/v1/incidents", {"title": "y"}, idempotency_key="k1"), 422, "idempotency-key-reused")
    path = "/v1/incidents/" + made["incident"]
    problem(api.send("PATCH", path, {"title": "z"}, if_match='"7"'), 412, "precondition-failed")
    dry = status(api.send("PATCH", path, {"title": "z", "dry_run": True}), 200, "dry").value
    equal((dry["title"], get(api, made["incident"])["title"]), ("z", "x"), "a dry run of a change")
    problem(api.send("POST", path + "/link", {}), 400, "bad-value", field="tickets")
    problem(api.send("DELETE", path, {}), 405, "method-not-allowed")


def test_proposals(t):
    """Five tickets on a flight propose an incident: it is listed, an event tells it, and a click makes it."""
    server = t.server()
    make = Messages()
    api = server.api()
    receipts = [api.receipt(make.next(flights=[flight("KL641")])) for _ in range(5)]
    until("an incident is proposed", lambda: listed(api, "proposed"))
    found = listed(api, "proposed")[0]
    equal((found["title"], found["flights"], found["open"]), ("KL641 " + DATE, [flight("KL641")], 0), "what is proposed")
    equal(incident_of(api, receipts[0]), None, "nobody is part of it yet")
    server.restart()
    api = server.api()
    equal([item["incident"] for item in listed(api, "proposed")], [found["incident"]], "it survives")
    status(api.send("PATCH", "/v1/incidents/" + found["incident"], {"state": "open"}), 200, "a click")
    for receipt in receipts:
        becomes(api, receipt, found["incident"])
    equal(listed(api, "proposed"), [], "it is no proposal any more")


if __name__ == "__main__":
    sys.exit(run(globals()))
