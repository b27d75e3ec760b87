#!/usr/bin/python3
"""What a channel lets a customer take back: an edited message is shown as such, whoever looks."""

import sys

from aswolk_test import Messages, check, equal, run, status


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


if __name__ == "__main__":
    sys.exit(run(globals()))
