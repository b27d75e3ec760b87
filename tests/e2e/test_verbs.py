#!/usr/bin/python3
"""What an agent does with a ticket besides answering it: hands it on to another lane or to a colleague, with a note. Age and
thread stay; nothing goes back and forth for ever; all of it survives kill -9, and an audit agrees."""

import sys

from aswolk_test import Messages, audit, check, equal, problem, run, status


def transfer(api, lease, **body):
    return api.act(lease, "transfer", body)


def handed_on(api, lease, **body):
    return status(transfer(api, lease, **body), 200, "transfer").value


def make_lanes(api, *names):
    for name in names:
        status(api.send("PUT", "/v1/lanes/" + name, {}), 201, "a lane")


def ticket_of(api, ticket):
    return status(api.get("/v1/tickets/" + ticket), 200, "ticket").value


def check_audit(server):
    """Every lease is judged, and none passed over what had come another way than by a message."""
    result = audit(server)
    equal(result["judged"], result["leases"], "all leases can be judged")


def texts(notes):
    return [(note["by"], note["text"]) for note in notes]


def test_transfer_to_a_lane(t):
    """Age, thread and class go with it; the note is there for who takes it; a repeat gets the first answer, however late."""
    server = t.server()
    ann, bob = server.api("ann"), server.api("bob")
    make_lanes(ann, "refunds", "german")
    make = Messages()
    receipt = ann.receipt(make.next(customer="kim", text="my money", lane="main", **{"class": "disrupted"}))
    lease = ann.lease(lanes=["main"])
    done = handed_on(ann, lease, lane="refunds", note="paid by voucher")
    want = {"ticket": receipt["ticket"], "state": "waiting", "lane": "refunds", "class": "disrupted", "duplicate": False}
    equal({name: done[name] for name in want}, want, "where it is")
    check("kept_for" not in done, "for all of the lane", done)
    status(bob.pull(lanes=["main"], wait_s=0), 204, "not where it was")
    second = bob.lease(lanes=["refunds"])
    equal((second["ticket"], second["opened_at"], second["attempt"]), (lease["ticket"], lease["opened_at"], 2), "with its age")
    equal((second["notes_total"], texts(second["notes"])), (1, [("ann", "paid by voucher")]), "the note")
    equal(second["notes"][0]["after"], receipt["message"], "its place in the thread")
    equal([message["text"] for message in second["messages"]], ["my money"], "a note is no message")
    status(bob.act(second, "complete"), 200, "a note keeps nobody from completing")
    for _ in range(2):
        again = handed_on(ann, lease, lane="refunds", note="paid by voucher")
        equal(again, dict(done, duplicate=True), "the first answer, after the ticket went on")
        server.restart()
        ann = server.api("ann")
    problem(transfer(ann, lease, lane="refunds", note="another one"), 409, "lease-lost")
    problem(transfer(ann, lease, lane="german"), 409, "lease-lost")
    ticket = ticket_of(ann, receipt["ticket"])
    equal((texts(ticket["notes"]), ticket["transferred_from"]), ([("ann", "paid by voucher")], ["main"]), "of the ticket")
    check_audit(server)


def test_transfer_refused(t):
    """Not back, not a third time, to nobody unknown, nor into a lane that is shut: the lease runs on. A supervisor may."""
    server = t.server()
    ann, bob = server.api("ann"), server.api("bob")
    make_lanes(ann, "refunds", "german", "shut", "other")
    status(ann.send("PUT", "/v1/lanes/shut", {"pause": "both"}), 200, "shut")
    status(ann.send("PUT", "/v1/agents/bob", {"lanes": ["german"]}), 201, "bob's lanes")
    ticket = ann.receipt(Messages().next(lane="main"))["ticket"]
    lease = ann.lease()
    for body, code, name, field in (({}, 400, "bad-value", "lane"), ({"lane": "a", "agent": "b"}, 400, "bad-value", "lane"),
                                    ({"agent": "a\nb"}, 400, "bad-value", "agent"), ({"agent": "ann"}, 400, "bad-value", "agent"),
                                    ({"lane": "nowhere"}, 404, "not-found", "lane"),
                                    ({"agent": "nobody"}, 404, "not-found", "agent"),
                                    ({"lane": "refunds", "note": ""}, 400, "bad-value", "note"),
                                    ({"lane": "refunds", "note": "x" * 8193}, 400, "bad-value", "note"),
                                    ({"lane": "main"}, 409, "transfer-refused", "lane"),
                                    ({"agent": "bob"}, 409, "transfer-refused", "agent"),
                                    ({"lane": "shut"}, 503, "lane-paused", None)):
        problem(transfer(ann, lease, **body), code, name, field)
    problem(transfer(bob, lease, lane="refunds"), 403, "forbidden")
    problem(transfer(ann, "nonsense", lane="refunds"), 404, "not-found")
    handed_on(ann, lease, lane="refunds")
    lease = ann.lease()
    problem(transfer(ann, lease, lane="main"), 409, "transfer-refused", "lane")
    handed_on(ann, lease, lane="german")
    lease = bob.lease()
    for body in ({"lane": "other"}, {"agent": "ann"}, {"lane": "refunds"}):
        problem(transfer(bob, lease, **body), 409, "transfer-refused")
    status(ann.send("PATCH", "/v1/tickets/" + ticket, {"lane": "main"}), 200, "a supervisor")
    handed_on(bob, lease, lane="german")
    equal(ticket_of(ann, ticket)["transferred_from"], ["main"], "agents begin anew")


def test_transfer_to_a_colleague(t):
    """Only that agent gets it, woken if he waits, and after kill -9 as well; then it is for all. Care waits for no one."""
    server = t.server("--kept-transfer-s", "3600")
    ann, bob, cyd = (server.api(name) for name in ("ann", "bob", "cyd"))
    make = Messages()
    for api in (bob, cyd):
        status(api.send("PUT", "/v1/agents/" + api.who, {}), 201, "an agent")
    first = ann.receipt(make.next())["ticket"]
    lease = ann.lease()
    poll, other = bob.begin_pull(wait_s=50), cyd.begin_pull(wait_s=50)
    done = handed_on(ann, lease, agent="bob", note="knows her")
    equal((done["kept_for"], done["lane"]), ("bob", "main"), "kept")
    got = status(bob.connection.wait(poll), 200, "bob").value["leases"][0]
    equal((got["ticket"], texts(got["notes"])), (first, [("ann", "knows her")]), "bob has it")
    check(not other.ended, "cyd waits on")
    handed_on(bob, got, agent="ann")
    equal(ticket_of(cyd, first)["reasons"][-1], "kept for ann", "why")
    server.restart()
    ann, bob, cyd = (server.api(name) for name in ("ann", "bob", "cyd"))
    status(cyd.pull(wait_s=0), 204, "still kept")
    again = handed_on(bob, got, agent="ann")
    equal((again["duplicate"], again["kept_for"]), (True, "ann"), "the first answer")
    check(again["kept_until"] > done["kept_until"], "its own time", again)
    equal(ann.lease()["ticket"], first, "ann")
    ann.receipt(make.next(care=["medical"]))
    done = handed_on(ann, ann.lease(), agent="bob")
    equal((done["class"], done["kept_for"], done["kept_until"]), ("care", None, None), "care waits for no one")
    equal(cyd.lease()["class"], "care", "whoever is next")
    check_audit(server)


def test_notes(t):
    """Anybody may note something, once by its key; who gets the ticket reads the last ones in order; nothing else changes."""
    server = t.server()
    ann, bob = server.api("ann"), server.api("bob")
    make = Messages()
    first = ann.receipt(make.next(customer="kim", text="one"))
    path = "/v1/tickets/%s/notes" % first["ticket"]
    lease = ann.lease()
    note = status(bob.send("POST", path, {"text": "a regular\n"}, idempotency_key="k1"), 200, "note").value
    equal((note["ticket"], note["state"], note["duplicate"]), (first["ticket"], "leased", False), "of a ticket that is leased")
    again = status(bob.send("POST", path, {"text": "a regular\n"}, idempotency_key="k1"), 200, "again").value
    equal(again, dict(note, duplicate=True), "the same again")
    problem(bob.send("POST", path, {"text": "other"}, idempotency_key="k1"), 422, "idempotency-key-reused")
    for body, field in (({}, "text"), ({"text": ""}, "text"), ({"text": "x" * 8193}, "text"), ({"text": "a", "to": "b"}, "to")):
        problem(bob.send("POST", path, body), 400, "unknown-field" if field == "to" else "bad-value", field)
    problem(bob.send("POST", "/v1/tickets/t0000000001/notes", {"text": "a"}), 404, "not-found")
    second = ann.receipt(make.next(customer="kim", text="two"))
    status(ann.send("POST", path, {"text": "wants a refund"}), 200, "a second one")
    ticket = ticket_of(ann, first["ticket"])
    equal([(note["by"], note["text"], note["after"]) for note in ticket["notes"]],
          [("bob", "a regular\n", first["message"]), ("ann", "wants a refund", second["message"])], "in their places")
    equal(ticket["notes"][0]["note"], note["note"], "its id")
    equal([message["text"] for message in problem(ann.act(lease, "complete"), 409, "new-messages")["messages"]], ["two"],
          "only what the customer wrote is new")
    for number in range(60):
        status(bob.send("POST", path, {"text": "%d" % number}), 200, "many")
    server.restart()
    ann, bob = server.api("ann"), server.api("bob")
    held = ann.held()[0]
    equal((held["notes_total"], [int(note["text"]) for note in held["notes"]]), (62, list(range(10, 60))), "the last fifty")
    equal(len(held["messages"]), 2, "they push out no message")
    status(bob.send("POST", path, {"text": "x" * 8192}), 200, "a long one")
    for _ in range(8):
        status(bob.send("POST", path, {"text": "y" * 8000}), 200, "long ones")
    equal([len(note["text"]) for note in ticket_of(ann, first["ticket"])["notes"]], [8000] * 8, "64 KiB of them")
    ann.completed(held)
    problem(bob.send("POST", path, {"text": "late"}), 409, "wrong-state")


if __name__ == "__main__":
    sys.exit(run(globals()))
