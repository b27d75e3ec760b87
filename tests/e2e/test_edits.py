#!/usr/bin/python3
"""What a channel lets a customer take back: an edited message is shown as such, and what was withdrawn is not shown to anybody."""

import sys

from aswolk_test import NDJSON, Messages, check, equal, problem, run, status


def shown(messages):
    """Which message each was edited into, by their texts."""
    texts = {message["message"]: message["text"] for message in messages}
    return {message["text"]: texts.get(message.get("replaced_by")) for message in messages}


def test_edits(t):
    """An edit joins the ticket; what it replaces is shown with it, after a restart too. Nobody edits what others wrote."""
    server = t.server()
    ann = server.api("ann")
    make = Messages()
    first = ann.receipt(make.next(customer="kim", source_id="1", text="to oslo", channel="whatsapp"))
    for message in ({"source_id": "2", "replaces": "1", "text": "to Oslo"}, {"source_id": "3", "text": "please"},
                    {"source_id": "4", "replaces": "2", "text": "to Rome"}, {"source_id": "5", "replaces": "nothing", "text": "?"}):
        receipt = ann.receipt(make.next(customer="kim", channel="whatsapp", **message))
        equal((receipt["ticket"], receipt["folded"]), (first["ticket"], True), "joins")
    phone = [{"kind": "phone", "value": "+31600000001"}]
    ann.receipt(make.next(customer="kim", channel="whatsapp", source_id="6", text="me", identities=phone))
    lee = make.next(customer="lee", channel="whatsapp", source_id="7", text="not you", replaces="3", identities=phone)
    equal(ann.receipt(lee)["ticket"], first["ticket"], "another customer of the same ticket")
    want = {"to oslo": "to Oslo", "please": None, "to Oslo": "to Rome", "to Rome": None, "?": None, "me": None, "not you": None}
    lease = ann.lease()
    equal(shown(lease["messages"]), want, "of the lease")
    server.restart()
    ann = server.api("ann")
    thread = status(ann.get("/v1/tickets/" + first["ticket"]), 200, "ticket").value
    equal(shown(thread["messages"]), want, "of the ticket")
    alone = status(ann.get("/v1/messages/" + first["message"]), 200, "message").value
    check("replaced_by" not in alone, "one alone is as it was posted", alone)


def withdraw(api, source_id, **more):
    return api.send("POST", "/v1/messages/withdraw", dict({"channel": "web", "source_id": source_id}, **more))


def withdrawn(api, source_id):
    return status(withdraw(api, source_id), 200, "withdraw").value


def texts(messages):
    for message in messages:
        check(("withdrawn_at" in message) != ("text" in message), "shown, or withdrawn", message)
    return [message.get("text") for message in messages]


def test_withdraw(t):
    """Not shown to anybody from then on, over a restart; the rest of the ticket stays. A repeat is one."""
    server = t.server()
    ann, gateway = server.api("ann"), server.api("gateway")
    make = Messages()
    more = {"class": "general"}  # a hint is a reason
    receipts = [ann.receipt(make.next(customer="kim", source_id=number, text=number, **more)) for number in ("one", "two", "three")]
    check(receipts[1]["reasons"], "reasons", receipts[1])
    ticket = receipts[0]["ticket"]
    done = withdrawn(gateway, "two")
    want = {"message": receipts[1]["message"], "ticket": ticket, "state": "waiting", "duplicate": False}
    equal({name: done[name] for name in want}, want, "what is answered")
    equal(withdrawn(gateway, "two"), dict(done, duplicate=True), "the same again")
    for _ in range(2):
        lease = ann.lease()
        equal(texts(lease["messages"]), ["one", None, "three"], "of the lease")
        equal((lease["messages_total"], lease["customer"]), (3, "kim"), "the rest of it")
        status(ann.act(lease, "release", {"reason": "x"}), 200, "release")
        equal(texts(status(ann.get("/v1/tickets/" + ticket), 200, "ticket").value["messages"]), ["one", None, "three"], "of it")
        shown = status(ann.get("/v1/messages/" + receipts[1]["message"]), 200, "message").value
        check("withdrawn_at" in shown and "text" not in shown, "alone", shown)
        equal(shown["receipt"]["reasons"], [], "nor the words that made its class")
        equal(status(ann.get("/v1/messages/" + receipts[0]["message"]), 200, "message").value["text"], "one", "another")
        server.restart()
        ann, gateway = server.api("ann"), server.api("gateway")
    problem(ann.send("POST", "/v1/tickets/%s/unfold" % ticket, {"messages": [receipts[1]["message"]]}), 400, "bad-value")
    kinds = [event["type"] for event in status(ann.get("/v1/tickets/%s/history" % ticket), 200, "history").value["items"]]
    equal(kinds.count("aswolk.message.withdrawn"), 1, "told once")
    problem(withdraw(gateway, "nine"), 404, "not-found")
    problem(withdraw(gateway, "two", account="other"), 404, "not-found")
    problem(withdraw(gateway, "two", text="x"), 400, "unknown-field", "text")
    problem(gateway.send("POST", "/v1/messages/withdraw", {"channel": "web"}), 400, "bad-value", "source_id")


def test_nothing_is_left(t):
    """A ticket of which all was taken back closes, whoever holds it; a later message reopens it without what was."""
    server = t.server()
    ann = server.api("ann")
    make = Messages()
    first = ann.receipt(make.next(customer="kim", source_id="one", text="one"))
    lease = ann.lease()
    equal(withdrawn(ann, "one")["state"], "closed", "nothing is left")
    equal(problem(ann.act(lease, "complete"), 409, "lease-lost")["state"], "closed", "its holder")
    again = ann.receipt(make.next(customer="kim", source_id="two", text="two"))
    equal((again["ticket"], again.get("reopened")), (first["ticket"], True), "reopens")
    lease = ann.lease(wait_s=50)
    equal(texts(lease["messages"]), [None, "two"], "what is shown")
    ann.completed(lease)
    equal(withdrawn(ann, "two")["state"], "closed", "of a closed one")
    thread = status(ann.get("/v1/tickets/" + first["ticket"]), 200, "ticket").value
    equal(texts(thread["messages"]), [None, None], "not shown either")
    equal(server.metrics().get("aswolk_messages_withdrawn_total"), 2, "counted")


def test_many(t):
    """A line for each, in order, also more than are looked up at once."""
    server = t.server()
    ann = server.api("ann")
    make = Messages()
    messages = make.many(450)
    receipts = ann.receipts(messages)
    lines = [{"channel": message["channel"], "source_id": message["source_id"]} for message in messages]
    lines[7:7] = [{"channel": "web", "source_id": "nobody knows"}, {"source_id": 7}]
    answers = status(ann.post_many(lines, NDJSON, "/v1/messages/withdraw"), 200, "many").lines
    equal([answer["status"] for answer in answers[5:11]], [200, 200, 404, 400, 200, 200], "each for itself")
    equal([answer["line"] for answer in answers], list(range(1, 453)), "in order")
    done = [answer for answer in answers if answer["status"] == 200]
    equal([answer["message"] for answer in done], [receipt["message"] for receipt in receipts], "all of them")
    equal({answer["state"] for answer in done}, {"closed"}, "and nothing is left")
    status(ann.pull(), 204, "nor waits")


if __name__ == "__main__":
    sys.exit(run(globals()))
