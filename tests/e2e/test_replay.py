#!/usr/bin/python3
"""A whole file of messages in, drained by agents, and in again: nothing lost, nothing twice, a ticket for each customer.

Two files: the one that the project wrote itself, and one of real messages, which is not part of the project: that test tells when
the file is not there.
"""

import json
import os
import sys
import time

from aswolk_test import MSGPACK_SEQ, NDJSON, ROOT, check, equal, rfc3339, run, seconds_of, status

MADE_UP = os.path.join(ROOT, "tests", "data", "messages.ndjson")
REAL = os.path.join(os.path.dirname(ROOT), "shared", "data", "airline-tweets-dev.jsonl")


def load_made_up():
    with open(MADE_UP, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def load_real():
    """As a gateway would post them: no labels, and the repaired text where there is one."""
    messages = []
    with open(REAL, encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            message = {name: row[name] for name in ("channel", "source_id", "customer", "received_at", "lang")}
            message["text"] = row.get("text_repaired") or row["text"]
            message["visibility"] = "public"
            messages.append(message)
    return messages


def shifted(messages):
    """The same story, but ending now: its departures lie ahead as they did then."""
    by = time.time() - max(seconds_of(message["received_at"]) for message in messages)

    def shift(text):
        return rfc3339(seconds_of(text) + by)

    moved = []
    for message in messages:
        message = dict(message, received_at=shift(message["received_at"]))
        if "reply_by" in message:
            message["reply_by"] = shift(message["reply_by"])
        if "flights" in message:
            message["flights"] = [
                dict(flight, departs_at=shift(flight["departs_at"])) if "departs_at" in flight else flight
                for flight in message["flights"]
            ]
        moved.append(message)
    return moved


def post_all(api, messages, content_type):
    answers = []
    for first in range(0, len(messages), 250):
        answers += api.receipts(messages[first : first + 250], content_type)
    return answers


def drain(server, count):
    """Agents in turn, each on a connection of its own, pulling in bulk and completing in bulk."""
    agents = [server.api("agent-%d" % number) for number in range(count)]
    completed = []
    idle = 0
    while idle < count:
        api = agents[0]
        agents = agents[1:] + [api]
        leases = api.leases(max=20)
        idle = 0 if leases else idle + 1
        if leases:
            lines = [{"lease": lease["lease"], "disposition": "answered"} for lease in leases]
            answers = status(api.post_many(lines, NDJSON, "/v1/leases/complete"), 200, "complete").lines
            equal([answer["status"] for answer in answers], [200] * len(lines), "completes")
            completed += leases
    return completed


def replay(t, messages, content_type):
    server = t.server(rules="")
    api = server.api("gateway")
    began = time.monotonic()
    first = post_all(api, messages, content_type)
    posted = time.monotonic()
    equal(len({answer["message"] for answer in first}), len(messages), "distinct message ids")
    equal(sum(answer["duplicate"] for answer in first), 0, "duplicates at the first posting")
    customers = {(m["channel"], m.get("account", "main"), m["customer"]) for m in messages}
    equal(len({answer["ticket"] for answer in first}), len(customers), "tickets")
    completed = drain(server, 4)
    drained = time.monotonic()
    equal(len(completed), len(customers), "completed leases")
    equal(len({lease["ticket"] for lease in completed}), len(customers), "their tickets")
    shown = [m for lease in completed for m in lease["messages"]]
    equal(sorted(m["message"] for m in shown), sorted(answer["message"] for answer in first), "each message in one completed lease")
    texts = {answer["message"]: message["text"] for answer, message in zip(first, messages)}
    check(all(m["text"] == texts[m["message"]] for m in shown), "every text as it was posted")
    server.restart()
    again = post_all(server.api("gateway"), messages, content_type)
    for one, two in zip(first, again):
        equal(two, dict(one, duplicate=True), "the first receipt again, after kill -9")
    equal(server.api().leases(max=100), [], "and nothing new to do")
    t.note("%d messages of %d customers; posted in %.2f s, drained in %.2f s; %d duplicates" % (
        len(messages), len(customers), posted - began, drained - posted, len(again)))
    return completed


def test_made_up_messages(t):
    """300 messages of 174 customers in five languages; the urgent ones leave first."""
    completed = replay(t, shifted(load_made_up()), MSGPACK_SEQ)
    classes = [lease["class"] for lease in completed]
    cares = classes.count("care")
    equal(classes[:cares], ["care"] * cares, "care is drained first")
    check(cares >= 10 and classes.count("imminent") >= 5, "classes of the set", {c: classes.count(c) for c in classes})


def test_real_messages(t):
    """8,635 real messages of 4,595 customers, when the file is there."""
    if not os.path.exists(REAL):
        t.note("the file of real messages is not here: not run")
        return
    messages = load_real()
    equal(len(messages), 8635, "messages in the file")
    replay(t, messages, NDJSON)


if __name__ == "__main__":
    sys.exit(run(globals()))
