#!/usr/bin/python3
"""Incidents on the real server: who is part of one, by what people say and by what tickets are about, earlier and later ones; what
is proposed; what is refused; kill -9 in between."""

import os
import subprocess
import sys
import threading
import time

from aswolk_test import Messages, check, equal, problem, program, run, status, until

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


def test_by_booking(t):
    """As by flight: who was there and who comes later, over a restart; PATCH changes the keys, an empty list clears them."""
    server = t.server()
    make = Messages()
    api = server.api()
    early = api.receipt(make.next(booking="QX7K2P"))
    other = api.receipt(make.next(booking="ZZZZZZ", flights=[flight("KL641")]))
    made = make_incident(api, bookings=["QX7K2P"])
    incident = made["incident"]
    equal((made["bookings"], made["flights"], made["airports"]), (["QX7K2P"], [], []), "made")
    becomes(api, early, incident)
    equal(incident_of(api, other), None, "another booking")
    server.restart()
    api = server.api()
    equal(get(api, incident)["bookings"], ["QX7K2P"], "after kill -9")
    equal(incident_of(api, api.receipt(make.next(booking="qx7k2p"))), incident, "who comes later, in small letters")
    path = "/v1/incidents/" + incident
    problem(api.send("PATCH", path, {"bookings": ["QX7K2P", "qx7k2p"]}), 400, "bad-value")
    tried = status(api.send("PATCH", path, {"bookings": ["zzzzzz"], "dry_run": True}), 200, "dry run").value
    equal((tried["bookings"], get(api, incident)["bookings"]), (["zzzzzz"], ["QX7K2P"]), "what it would be")
    equal(status(api.send("PATCH", path, {"title": "more"}), 200, "PATCH").value["bookings"], ["QX7K2P"], "which it does not name")
    status(api.send("PATCH", path, {"bookings": ["zzzzzz"]}), 200, "PATCH")
    becomes(api, other, incident)
    now = status(api.send("PATCH", path, {"flights": []}), 200, "clear").value
    equal((now["flights"], now["airports"], now["bookings"]), ([], [], []), "no key is left")
    equal(incident_of(api, api.receipt(make.next(booking="ZZZZZZ"))), None, "nobody is claimed any more")
    equal(incident_of(api, other), incident, "who is part stays")


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


def test_many_by_hand(t):
    """More than one piece of a request that names tickets."""
    server = t.server()
    api = server.api()
    tickets = [receipt["ticket"] for receipt in api.receipts(Messages().many(300))]
    made = make_incident(api, tickets=tickets + ["t0"])
    equal((made["linked"], made["open"], len(made["refused"])), (300, 300, 1), "each is told of")
    path = "/v1/incidents/%s/unlink" % made["incident"]
    equal(status(api.send("POST", path, {"tickets": tickets}), 200, "unlink").value["open"], 0, "all are out")


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


TEXTS = [
    {"lang": "en", "text": "Dear {name|guest}, your flight {flight} now leaves on {new_departure}. ({ticket})"},
    {"lang": "nl", "text": "Beste {name|gast}, uw vlucht {flight} vertrekt nu op {new_departure}."},
]


def answer(api, incident, want=200, texts=None, **fields):
    body = dict({"texts": TEXTS if texts is None else texts}, **fields)
    response = api.send("POST", "/v1/incidents/%s/answer" % incident, body)
    return status(response, want, "POST answer").value if want < 300 else response


def answered(api, incident):
    until("it is answered", lambda: not get(api, incident)["answering"])
    return get(api, incident)


def take_replies(api, account="main"):
    """All replies that wait, as a gateway sends them."""
    taken = []
    while True:
        body = {"accounts": [{"channel": "twitter", "account": account}], "max": 100, "wait_s": 0}
        response = api.send("POST", "/v1/replies/leases", body)
        if response.status == 204:
            return taken
        for reply in status(response, 200, "replies").value["replies"]:
            report = {"state": "sent", "lease": reply["lease"], "provider_id": "p" + reply["reply"]}
            status(api.send("POST", "/v1/replies/%s/status" % reply["reply"], report), 200, "sent")
            taken.append(reply)


def delayed(api, number, hours):
    leaves = time.strftime("%Y-%m-%dT%H:%M:00.000Z", time.gmtime(time.time() + hours * HOUR))
    response = api.send("PUT", "/v1/flights/%s/%s" % (number, DATE), {"state": "delayed", "departs_at": leaves})
    equal(response.status in (200, 201), True, "the flight is delayed")
    return leaves


def page_of(api, incident, **fields):
    """All items of a dry run, page by page; and what the first page says."""
    first = page = answer(api, incident, dry_run=True, **fields)
    items = list(page["items"])
    while page["next"]:
        page = answer(api, incident, dry_run=True, cursor=page["next"], **fields)
        items += page["items"]
    return first, items


def test_answer(t):
    """Shown, approved, each ticket once; who is held out and why; over kill -9 in the middle; who writes again has a person."""
    server = t.server()
    make = Messages()
    api = server.api()
    own = {"channel": "twitter", "visibility": "private", "flights": [flight("KL641")]}
    plain = [api.receipt(make.next(lang="nl" if n % 2 else "en", meta={"name": "Robin"}, **own))["ticket"] for n in range(30)]
    care = api.receipt(make.next(care=["medical"], **own))["ticket"]
    several = api.receipt(make.next(**dict(own, flights=[flight("KL641"), flight("KL9")])))["ticket"]
    plain.append(api.receipt(make.next(lang="en", **dict(own, visibility="public")))["ticket"])
    equal(api.lease(lease_s=300)["ticket"], care, "care goes first")
    leased = api.lease(lease_s=300)["ticket"]
    incident = make_incident(api, flights=[flight("KL641")])["incident"]
    until("all are linked", lambda: get(api, incident)["open"] == 33)
    tried, items = page_of(api, incident, limit=7)
    equal((tried["goes"], tried["held_out"]["facts"]), (0, 30), "nobody knows when it leaves")
    delayed(api, "KL641", 30)
    tried, items = page_of(api, incident, limit=7)
    equal(len(items), 33, "every ticket is told")
    held = {item["ticket"]: item["held_out"] for item in items if "held_out" in item}
    equal(held, {care: "leased", leased: "leased", several: "several"}, "who is held out")
    equal(tried["goes"], 33 - len(held), "how many go")
    texts = {item["ticket"]: item for item in items if "text" in item}
    goes = [ticket for ticket in plain if ticket != leased]
    shown = texts[plain[2]]
    equal((shown["lang"], shown["text"].startswith("Dear Robin, your flight KL641 now leaves on ")), ("en", True), "its words")
    equal(texts[plain[1]]["lang"], "nl", "in his language")

    problem(answer(api, incident, want=412, digest=tried["digest"], texts=TEXTS[:1]), 412, "precondition-failed")
    problem(answer(api, incident, want=400), 400, "bad-value", field="digest")
    page = answer(api, incident, dry_run=True, limit=1)
    other = answer(api, incident, want=412, texts=TEXTS[:1], dry_run=True, limit=1, cursor=page["next"])
    problem(other, 412, "precondition-failed")
    leaves = delayed(api, "KL641", 31)
    problem(answer(api, incident, want=412, dry_run=True, limit=1, cursor=page["next"]), 412, "precondition-failed")
    problem(answer(api, incident, want=412, digest=tried["digest"]), 412, "precondition-failed")
    until("the tickets follow", lambda: all(status(api.ticket(one), 200, "GET").value["departs_at"] == leaves for one in goes))
    tried, items = page_of(api, incident)
    texts = {item["ticket"]: item["text"] for item in items if "text" in item}
    now = answer(api, incident, digest=tried["digest"])
    equal(now["answered_at"] is not None, True, "when")
    server.restart()
    api = server.api()
    now = answered(api, incident)
    equal((now["answered"], now["open"]), (tried["goes"], 33 - tried["goes"]), "all of them")
    replies = take_replies(api)
    equal(sorted(reply["ticket"] for reply in replies), sorted(texts), "each ticket one reply")
    equal({reply["ticket"]: reply["content"]["text"] for reply in replies}, texts, "in the words that were shown")
    problem(api.send("POST", "/v1/incidents/%s/answer" % incident, {"texts": []}), 400, "bad-value", field="texts")

    closed = status(api.ticket(goes[0]), 200, "GET").value
    equal((closed["state"], closed["incident"]), ("closed", incident), "closed, and still told")
    reply = [reply for reply in replies if reply["ticket"] == goes[0]][0]
    back = api.receipt(make.next(in_reply_to="p" + reply["reply"], channel="twitter", visibility="private"))
    equal((back["ticket"], back["reopened"]), (goes[0], True), "who writes again comes back")
    reopened = status(api.ticket(goes[0]), 200, "GET").value
    equal(reopened["opened_at"], closed["opened_at"], "with his age")
    tried, items = page_of(api, incident)
    held = {item["ticket"]: item.get("held_out") for item in items}
    equal(held[goes[0]], "answered", "and is for a person now")
    equal(tried["goes"], 0, "nobody is answered twice")


def test_cli(t):
    """The same by the command line: made, shown, tried, approved."""
    server = t.server()
    make = Messages()
    api = server.api()

    def aswolk(*args, code=0):
        command = [program("aswolk"), "incident", *args, "--server", "http://%s:%d" % server.address, "--agent", "sam"]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False)
        equal(done.returncode, code, done.stdout.decode())
        return done.stdout.decode()

    ticket = api.receipt(make.next(channel="web", airports=["AMS"], meta={"name": "Robin"}))["ticket"]
    other = api.receipt(make.next(channel="web"))["ticket"]
    made = aswolk("make", "ash", "--airports", "AMS", "--flights", "KL641/" + DATE, "--bookings", "QX7K2P")
    check("AMS booking QX7K2P" in made, "its keys", made)
    incident = made.split()[0]
    becomes(api, {"ticket": ticket}, incident)
    check(incident in aswolk("list", "--state", "open"), "listed")
    equal(aswolk("show", incident).split()[:4], [incident, "open", "1", "open"], "shown")
    aswolk("link", incident, other, "t00", code=4)
    aswolk("unlink", incident, other)
    text = "en=Dear {name|guest}, the airport is closed."
    tried = aswolk("answer", incident, text, "--dry-run")
    check("Dear Robin, the airport is closed." in tried and "1 would be answered" in tried, "tried", tried)
    aswolk("answer", incident, text, code=2)
    digest = tried.split("--digest ")[1].split()[0]
    aswolk("answer", incident, text, "--digest", digest)
    equal(answered(api, incident)["answered"], 1, "answered")
    aswolk("close", incident)
    equal(get(api, incident)["state"], "closed", "closed")


def puller(server, number, stop, waits):
    """Pulls and completes one by one, as an agent does; notes how long each pull took."""
    api = server.api(who="agent%d" % number)
    while not stop.is_set():
        began = time.monotonic()
        response = api.pull(max=1, wait_s=0, lanes=["other"])
        waits.append(time.monotonic() - began)
        if response.status == 200:
            api.completed(response.value["leases"][0])


def post_many(api, make, count, airport):
    tickets = []
    while len(tickets) < count:
        some = make.many(min(500, count - len(tickets)), channel="web", airports=[airport])
        tickets += [receipt["ticket"] for receipt in api.receipts(some)]
    return tickets


def test_many(t):
    """One approval over very many tickets while others pull, kill -9 in the middle: each ticket gets one reply.
    With ASWOLK_INCIDENT_TICKETS=10000 it is as large as a surge makes it, and tells how long that took."""
    count = int(os.environ.get("ASWOLK_INCIDENT_TICKETS", "300"))
    server = t.server()
    make = Messages()
    api = server.api()
    status(api.put_lane("other"), 201, "a lane")
    incident = make_incident(api, airports=["AMS"])["incident"]
    posted = post_many(api, make, count, "AMS")
    api.receipts(make.many(min(count, 3000), lane="other"))
    equal(get(api, incident)["open"], count, "all are part of it")
    texts = [{"lang": "en", "text": "Dear {name|guest}, the airport is closed until Friday. ({ticket})"}]
    tried = answer(api, incident, texts=texts, dry_run=True, limit=1)
    equal(tried["goes"], count, "all go")

    stop, waits = threading.Event(), []
    agents = [threading.Thread(target=puller, args=(server, number, stop, waits)) for number in range(2)]
    for agent in agents:
        agent.start()
    until("they pull", lambda: len(waits) > 20)
    before = len(waits)
    began = time.monotonic()
    answer(api, incident, texts=texts, digest=tried["digest"])
    if count > 1000:
        answered(api, incident)
        took = time.monotonic() - began
        pulls = sorted(waits[before:])
        t.note("%d tickets in %.2f s; %d pulls meanwhile, p50 %.1f ms, p99 %.1f ms" % (
            count, took, len(pulls), pulls[len(pulls) // 2] * 1e3, pulls[len(pulls) * 99 // 100] * 1e3))
    stop.set()
    for agent in agents:
        agent.join()
    server.kill()
    server.start()
    api = server.api()
    now = answered(api, incident)
    equal((now["answered"], now["open"]), (count, 0), "all of them, over the crash")
    check_replies(api, posted)

    # Again, with the crash in the very middle.
    second = make_incident(api, title="again", airports=["CDG"])["incident"]
    posted = post_many(api, make, count, "CDG")
    tried = answer(api, second, texts=texts, dry_run=True, limit=1)
    answer(api, second, texts=texts, digest=tried["digest"])
    server.kill()
    server.start()
    api = server.api()
    equal(answered(api, second)["answered"], len(posted), "what was left goes on by itself")
    check_replies(api, posted)


def check_replies(api, tickets):
    """A gateway takes exactly one reply of each."""
    taken = []
    while True:
        body = {"accounts": [{"channel": "web", "account": "main"}], "max": 100, "wait_s": 0, "lease_s": 3600}
        response = api.send("POST", "/v1/replies/leases", body)
        if response.status == 204:
            break
        taken += [reply["ticket"] for reply in status(response, 200, "replies").value["replies"]]
    equal(len(taken), len(tickets), "how many replies")
    equal(sorted(taken), sorted(tickets), "one of each ticket")


if __name__ == "__main__":
    sys.exit(run(globals()))
