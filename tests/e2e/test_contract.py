#!/usr/bin/python3
"""openapi.json is what the server does: every path, method and status in it is met here, in both encodings; and the harness, which
looks at all answers of all tests, is shown to see what is wrong.
"""

import sys
import time

import contract
from aswolk_test import (
    CONTRACT,
    JSON,
    MSGPACK,
    MSGPACK_SEQ,
    NDJSON,
    Messages,
    Response,
    check,
    encode,
    equal,
    rfc3339,
    run,
    seconds_of,
    status,
    until,
)

DATE = "2031-04-15"


# --- the checker --------------------------------------------------------------------------------------------------------------


def answer(method, path, code, value, content_type=JSON):
    response = Response(1, method, path)
    response.status = code
    response.fields = {"content-type": content_type}
    response.body = value if isinstance(value, bytes) else encode(value, content_type)
    return response


def breaches_of(*args):
    own = contract.Contract()
    own.take(answer(*args))
    return own.take_breaches()


def test_the_checker_bites(t):
    """Each way in which an answer can differ from the document is seen."""
    del t
    done = {"ticket": "t1", "state": "closed", "duplicate": False}
    path = "/v1/tickets/t1/cancel"
    equal(breaches_of("POST", path, 200, done), [], "a good one")
    for bad in (
        dict(done, colour="red"),
        dict(done, state="open"),
        dict(done, duplicate="no"),
        dict(done, version=-1),
        dict(done, held_until="2026-04-15 08:00"),
        dict(done, held_until="2026-04-15T08:00:00+02:00"),
        dict(done, messages=[{"accepted_at": "2026-04-15T08:00:00Z"}]),
        {"ticket": "t1", "state": "closed"},
        [done],
    ):
        equal(len(breaches_of("POST", path, 200, bad)), 1, "a breach in %r" % bad)
    equal(len(breaches_of("POST", path, 201, done)), 1, "a status that is not there")
    equal(len(breaches_of("POST", path, 200, done, "text/plain")), 1, "a content type that is not there")
    equal(len(breaches_of("GET", "/v1/nowhere", 200, done)), 1, "a path that is not there")
    equal(len(breaches_of("POST", "/v1/leases", 204, b"x")), 1, "a body with 204")
    problem = {"status": 404, "type": "urn:aswolk:not-found", "title": "nothing"}
    equal(breaches_of("GET", "/v1/nowhere", 404, problem, "application/problem+json"), [], "a problem anywhere")
    equal(len(breaches_of("GET", "/v1/nowhere", 405, problem, "application/problem+json")), 1, "another status inside")
    equal(len(breaches_of("GET", "/v1/nowhere", 404, problem)), 1, "a problem as plain JSON")


# --- every call ---------------------------------------------------------------------------------------------------------------


def post_and_work(api, make, sequence):
    """A message and its ticket, from the post to the end."""
    message = make.next(flights=[{"number": "KL1", "date": DATE}], care=["medical"], meta={"a": "b"}, tags=["x"])
    receipt = api.receipt(message)
    api.receipts(make.many(4), sequence)
    status(api.get("/v1/messages/" + receipt["message"]), 200, "GET a message")
    gone = make.next()
    api.receipt(gone)
    source = {name: gone[name] for name in ("channel", "source_id")}
    status(api.send("POST", "/v1/messages/withdraw", source), 200, "withdraw")
    status(api.post_many([source], sequence, "/v1/messages/withdraw"), 200, "withdraw many")
    leases = api.leases(max=5)
    equal(len(leases), 5, "leases")
    equal(len(api.held()), 5, "GET leases")
    status(api.get("/v1/tickets/" + receipt["ticket"]), 200, "GET a ticket that is leased")
    status(api.act(leases[0], "extend", {"lease_s": 60}), 200, "extend")
    api.completed(leases[0])
    status(api.act(leases[1], "release", {"reason": "not mine"}), 200, "release")
    for verb, rest in (("extend", leases[2:4]), ("complete", leases[2:4])):
        tokens = [{"lease": lease["lease"]} for lease in rest]
        status(api.send("POST", "/v1/leases/" + verb, {"lease": leases[4]["lease"]}), 200, verb + " of one")
        status(api.post_many(tokens + [{}], sequence, "/v1/leases/" + verb), 200, verb + " of many")
    status(api.pull(max=100), 200, "the released one")
    status(api.pull(), 204, "nothing more")
    status(api.get("/v1/tickets/" + receipt["ticket"]), 200, "GET a ticket that is closed")


def leave_alone(api, sequence):
    """Who only talks about us."""
    who = {"channel": "twitter", "customer": "kim"}
    for verb in ("out", "in"):
        status(api.send("POST", "/v1/contacts/opt-" + verb, who), 200, "opt " + verb)
        status(api.post_many([who, {}], sequence, "/v1/contacts/opt-" + verb), 200, "opt many " + verb)
    status(api.get("/v1/contacts?channel=twitter&customer=kim"), 200, "what is known")


def hand_on(api, make):
    """What else an agent does with a ticket."""
    ticket = api.receipt(make.next())["ticket"]
    status(api.act(api.lease(), "transfer", {"lane": "listening", "note": "who knows?"}), 200, "transfer")
    status(api.send("POST", "/v1/tickets/%s/notes" % ticket, {"text": "I do"}), 200, "a note")
    lease = api.lease()
    equal(lease["notes_total"], 2, "the notes")
    word = {"until": rfc3339(time.time() + 3600), "reason": "third_party", "what": "the crew is asked"}
    status(api.act(lease, "defer", word), 200, "defer")
    equal(status(api.get("/v1/commitments?agent=" + api.who), 200, "commitments").value["items"][0]["what"], word["what"], "a word")
    status(api.get("/v1/tickets/" + ticket), 200, "GET a ticket that was put off")
    status(api.send("PATCH", "/v1/tickets/" + ticket, {"hold": False}), 200, "let go")
    lease = api.lease()
    equal(lease["commitment"]["by"], api.who, "whose word")
    status(api.send("POST", "/v1/replies/check", {"text": "call us", "channel": "web"}), 200, "words that are not sent yet")
    status(api.get("/v1/tickets/" + ticket), 200, "GET a ticket with a note")
    api.completed(lease)


def decide(api, make, channel):
    """Replies that wait for a colleague."""
    name = "vol." + channel
    status(api.put_agent(name, {"approval": True, "classes": ["general", "other"]}), 201, "who needs approval")
    for verb, said in (("approve", {"note": "well done"}), ("refuse", {"reason": "too short"})):
        api.receipt(make.next(channel=channel, **{"class": "general"}))
        lease = status(api.pull(aswolk_agent=name), 200, "a lease").value["leases"][0]
        word = {"until": rfc3339(time.time() + 3600), "reason": "customer", "what": "an answer"}
        ticket = status(api.act(lease, "defer", word, aswolk_agent=name), 200, "a word").value["ticket"]
        status(api.send("PATCH", "/v1/tickets/" + ticket, {"hold": False}), 200, "let go")
        lease = status(api.pull(aswolk_agent=name), 200, "a lease").value["leases"][0]
        done = status(api.act(lease, "complete", {"reply": {"text": "hi"}}, aswolk_agent=name), 200, "complete").value
        path = "/v1/replies/" + done["reply"]
        listed = status(api.get("/v1/replies?state=pending&channel=" + channel), 200, "those that wait").value["items"]
        equal([one["reply"] for one in listed], [done["reply"]], "the list")
        words = status(api.get("/v1/commitments?agent=" + name), 200, "what waits for the reply").value["items"]
        equal([(one["ticket"], one["state"]) for one in words], [(ticket, "closed")], "completed, and the customer did not hear")
        status(api.send("POST", path + "/" + verb, said), 200, verb)
    status(api.send("POST", path + "/approve", {}), 409, "refused already")
    lease = status(api.pull(aswolk_agent=name), 200, "it is open again").value["leases"][0]
    status(api.act(lease, "complete", {}, aswolk_agent=name), 200, "complete")


def write_back(api, make):
    """Replies, from the agent to the customer."""
    name = api.form.split("/")[-1]
    channel = "/v1/channels/" + name
    status(api.send("PUT", channel, {"accounts": [{"replies": 9, "slice_s": 1}], "dry_run": True}), 200, "a channel, tried out")
    status(api.send("PUT", channel, {"accounts": [{"replies": 9, "slice_s": 1}]}), 201, "a channel")
    status(api.send("PUT", channel, {}), 200, "a changed one")
    status(api.get(channel), 200, "one channel")
    template = "/v1/templates/promise_moved"
    texts = [{"lang": "en", "text": "By {half_by}"}]
    status(api.send("PUT", template, {"texts": texts, "dry_run": True}), 200, "a template, tried out")
    status(api.send("PUT", template, {}), 200, "a template that is off")
    status(api.get(template), 200, "one template")
    wanted = {"accounts": [{"channel": name}], "wait_s": 0, "max": 2}
    status(api.send("POST", "/v1/replies/leases", wanted), 204, "no reply yet")
    ticket = api.receipt(make.next(channel=name))["ticket"]
    lease = api.lease()
    first = status(api.act(lease, "reply", {"text": "one moment"}), 200, "a reply").value["reply"]
    api.completed(lease, reply={"template": "done", "fields": {"who": "you"}, "actions": [{"kind": "link", "url": "a"}]})
    given = status(api.send("POST", "/v1/replies/leases", wanted), 200, "replies").value["replies"]
    for one, said in zip(given, ({"state": "sent", "provider_id": "p"}, {"state": "failed", "code": "403"})):
        status(api.send("POST", "/v1/replies/%s/status" % one["reply"], dict(said, lease=one["lease"])), 200, "report")
    status(api.send("POST", "/v1/replies/redrive", {"dry_run": True}), 200, "a redrive, tried out")
    status(api.send("POST", "/v1/replies/redrive", {}), 200, "a redrive")
    status(api.get("/v1/replies/" + first), 200, "GET a reply")
    decide(api, make, name)
    status(api.get("/v1/tickets/" + ticket), 200, "GET a ticket with replies")


def resolve(api, make):
    """One answer for many."""
    name = api.form.split("/")[-1]
    wanted = {"title": name, "airports": ["CDG"], "flights": [{"number": "KL5", "date": DATE}]}
    status(api.send("POST", "/v1/incidents", dict(wanted, dry_run=True)), 200, "an incident, tried out")
    made = status(api.send("POST", "/v1/incidents", wanted), 201, "an incident").value["incident"]
    path = "/v1/incidents/" + made
    status(api.send("PATCH", path, {"title": "closed airport"}), 200, "a change of it")
    ticket = api.receipt(make.next(channel=name))["ticket"]
    status(api.send("POST", path + "/link", {"tickets": [ticket, "t0"]}), 200, "link")
    status(api.send("POST", path + "/unlink", {"tickets": [ticket]}), 200, "unlink")
    status(api.send("POST", path + "/link", {"tickets": [ticket]}), 200, "link again")
    status(api.get(path), 200, "one incident")
    status(api.get("/v1/incidents?state=open"), 200, "incidents")
    texts = [{"lang": "en", "text": "It is closed."}]
    tried = status(api.send("POST", path + "/answer", {"texts": texts, "dry_run": True}), 200, "an answer, tried out").value
    equal(tried["goes"], 1, "the ticket goes")
    status(api.send("POST", path + "/answer", {"texts": texts, "digest": tried["digest"]}), 200, "approved")
    until("it is answered", lambda: not status(api.get(path), 200, "GET").value["answering"])
    status(api.send("PATCH", path, {"state": "closed"}), 200, "closed")


def steer(api, make, sequence):
    """What a supervisor does."""
    ticket = api.receipt(make.next(airports=["AMS"]))["ticket"]
    then = rfc3339(seconds_of(DATE + "T00:00:00Z"))
    status(api.patch_ticket(ticket, {"hold": True, "hold_until": then, "reason": "a day"}), 200, "hold")
    status(api.get("/v1/tickets/" + ticket), 200, "GET a ticket that is held")
    status(api.get("/v1/tickets/%s/why" % ticket), 200, "why")
    found = status(api.get("/v1/tickets?state=held,waiting"), 200, "a search").value
    equal([item["ticket"] for item in found["items"]], [ticket], "found")
    lines, _ = api.bulk({"filter": {"state": ["held"]}, "hold": False, "dry_run": True})
    equal([line["status"] for line in lines], [200], "let go, tried out")
    again = api.receipt(dict(make.next(), customer="who writes twice in " + api.form))
    twice = api.receipt(dict(make.next(), customer="who writes twice in " + api.form))
    equal(twice["ticket"], again["ticket"], "folded")
    taken = status(api.send("POST", "/v1/tickets/%s/unfold" % twice["ticket"], {"messages": [twice["message"]]}), 200, "unfold")
    status(api.get("/v1/tickets/" + taken.value["ticket"]), 200, "GET a ticket that was taken out")
    status(api.act(api.lease(), "decline", {"reason": "not mine"}), 200, "decline")
    status(api.cancel_ticket(ticket, {"reason": "a test"}), 200, "cancel")
    name = api.form.split("/")[-1]
    status(api.put_lane(name, {"match": {"langs": ["nl"]}}), 201, "a new lane")
    status(api.put_lane(name, {"pause": "both"}), 200, "a changed one")
    status(api.get("/v1/lanes"), 200, "all lanes")
    status(api.get("/v1/lanes/" + name), 200, "one lane")
    wanted = {"lanes": [name], "gentle": True, "units": {"web": 3}, "units_total": 5}
    status(api.put_agent(name + "-agent", dict(wanted, dry_run=True)), 200, "an agent, tried out")
    status(api.put_agent(name + "-agent", wanted), 201, "an agent")
    status(api.put_agent(name + "-agent", {}), 200, "a changed one")
    status(api.get("/v1/agents"), 200, "all agents")
    status(api.get("/v1/agents/%s-agent" % name), 200, "one agent")
    number = "KL%d" % len(name)
    flight = "/v1/flights/%s/%s" % (number, DATE)
    status(api.send("PUT", flight, {"state": "cancelled"}), 201, "a flight")
    change = status(api.send("PUT", flight, {"state": "delayed", "departs_at": then}), 200, "again").value["change"]
    status(api.send("POST", "/v1/changes/%s/undo" % change, {}), 200, "undo")
    one = {"number": "LH%d" % len(name), "date": DATE, "state": "rebooked"}
    for code in (201, 200):
        status(api.send("POST", "/v1/flights", one), code, "one flight by POST")
    status(api.post_many([one, {}], sequence, "/v1/flights"), 200, "many flights")
    status(api.get("/v1/flights"), 200, "all flights")
    status(api.get(flight), 200, "one flight")
    airport = "/v1/airports/%s" % ("AMS" if api.form == JSON else "RTM")
    for code in (201, 200):
        status(api.send("PUT", airport, {"state": "closed", "until": then}), code, "an airport")
    status(api.get("/v1/airports"), 200, "all airports")
    status(api.get(airport), 200, "one airport")
    status(api.get("/v1/tickets/%s/history" % ticket), 200, "history")
    status(api.send("PUT", "/v1/agents/eve/presence", {"presence": "ready"}), 200, "presence")
    for form in (MSGPACK_SEQ, "text/event-stream"):  # The first one ends as the second one replaces it.
        streams = [api.connection.begin("GET", "/v1/stream", [("aswolk-agent", "eve"), ("accept", form)]) for _ in range(2)]
        status(api.connection.wait(streams[0]), 200, "a stream as " + form)
        api.connection.reset(streams[1])
    for form, query in ((sequence, ""), ("text/event-stream", "&type=aswolk.settings")):
        path = "/v1/events?after=0&until=40" + query
        status(api.connection.request("GET", path, [("accept", form)]), 200, "events as " + form)


def declare(api):
    """A surge, and what was done today."""
    notice = [{"text": "busy"}, {"lang": "nl", "text": "druk"}]
    policy = {"order": "strict", "targets_s": {"care": 60}, "receipt": {"notice": notice}}
    scope = {"lanes": ["main"], "channels": ["web"], "flights": [{"number": "KL1", "date": DATE}], "airports": ["AMS"]}
    status(api.get("/v1/surge"), 200, "GET a surge")
    check(api.send("PUT", "/v1/surge", {"state": "on"}).status in (200, 201), "PUT a surge")
    status(api.send("PUT", "/v1/surge", {"state": "on", "scope": scope, "policy": policy, "reason": "ash"}), 200, "PUT again")
    status(api.get("/v1/surge"), 200, "GET what is declared")
    ended = status(api.send("PUT", "/v1/surge", {"state": "off"}), 200, "the end").value
    status(api.send("POST", "/v1/changes/%s/undo" % ended["change"], {}), 200, "its undo")
    status(api.send("PUT", "/v1/surge", {"state": "off"}), 200, "the end after all")
    status(api.get("/v1/agents/%s/day" % api.who), 200, "a day")


def steer_by_times(api):
    """What everybody is told of how long it takes."""
    for path in ("/v1/response-time", "/v1/response-time.svg"):
        fields = [("accept", "*/*" if path.endswith(".svg") else api.form)]
        first = status(api.connection.request("GET", path, fields), 200, path)
        again = fields + [("if-none-match", first.fields["etag"])]
        equal(status(api.connection.request("GET", path, again), 304, "the same").body, b"", "of what has not changed")


def erase(api, want):
    customer = {"channel": "web", "customer": "gone"}
    status(api.send("POST", "/v1/customers/erase", customer), want, "erase")


def test_every_call(t):
    """No path, method or status of the document that the server does not give."""
    server = t.server()
    make = Messages()
    for form, sequence in ((JSON, NDJSON), (MSGPACK, MSGPACK_SEQ)):
        api = server.api(form.split("/")[-1], form)
        post_and_work(api, make, sequence)
        leave_alone(api, sequence)
        hand_on(api, make)
        write_back(api, make)
        steer(api, make, sequence)
        resolve(api, make)
        declare(api)
        steer_by_times(api)
        erase(api, 200)
    erase(t.server("--keys", "none", data="without").api(), 202)  # there is no key to cut
    api = server.api()
    for path in ("/v1/stats", "/v1/whoami", "/healthz", "/readyz", "/metrics", "/openapi.json", "/"):
        status(api.connection.request("GET", path, [("accept", "*/*")]), 200, path)
    status(api.put_lane("main", {"pause": "in"}), 200, "nothing more comes in")
    status(api.get("/readyz?for=intake"), 503, "not ready for it")
    missing = [
        "%s %s -> %s" % (method.upper(), path, code)
        for path, operations in contract.DOCUMENT["paths"].items()
        for method, operation in operations.items()
        for code in operation["responses"]
        if code != "default" and (method.upper(), path, int(code)) not in CONTRACT.seen
    ]
    check(not missing, "all of the document was met", missing)


if __name__ == "__main__":
    sys.exit(run(globals()))
