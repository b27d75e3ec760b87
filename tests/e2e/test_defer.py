#!/usr/bin/python3
"""An agent puts a ticket off and gives the customer his word: it comes back before that, to him, or when the customer writes; what
was not kept in time is listed, told and counted. All of it survives kill -9, and an audit agrees."""

import sys
import time

from aswolk_test import Messages, audit, check, equal, problem, rfc3339, run, seconds_of, status, until


def defer(api, lease, in_s, what="news of your bag"):
    return api.act(lease, "defer", {"until": rfc3339(time.time() + in_s), "reason": "commitment", "what": what})


def deferred_soon(api, lease, what, reason="commitment"):
    """As soon as this machine can. Returns what was asked for, and the answer."""
    in_s = 0.5
    while True:
        body = {"until": rfc3339(time.time() + in_s), "reason": reason, "what": what}
        response = api.act(lease, "defer", body)
        if response.status == 200:
            return body, response.value
        problem(response, 400, "bad-value", "until")
        in_s *= 2


def deferred(api, lease, in_s, what="news of your bag"):
    return status(defer(api, lease, in_s, what), 200, "defer").value


def ticket_of(api, ticket):
    return status(api.get("/v1/tickets/" + ticket), 200, "ticket").value


def listed(api, query=""):
    return api.every("/v1/commitments" + query)


def counted(api):
    stats = status(api.get("/v1/stats"), 200, "stats").value
    return {name: count for name, count in stats.items() if name.startswith(("deferred", "commitments"))}


def test_comes_back_by_itself(t):
    """Held until half of the time is over, also over a restart; then for who put it off; his answer keeps the word."""
    server = t.server()
    ann, bob = server.api("ann"), server.api("bob")
    receipt = ann.receipt(Messages().next(text="where is my bag?"))
    lease = ann.lease()
    body, done = deferred_soon(ann, lease, "the handler is asked", "third_party")
    equal((done["state"], done["ticket"], done["duplicate"]), ("held", lease["ticket"], False), "put off")
    ticket = ticket_of(ann, receipt["ticket"])
    word = ticket["commitment"]
    equal(word["by"], "ann", "whose word")
    if ticket["state"] == "held":
        equal((ticket["deferred"], ticket["held_until"]), (True, done["held_until"]), "the ticket")
    equal((word["reason"], word["due_at"]), ("third_party", body["until"]), "the word")
    equal([note["text"] for note in ticket["notes"]], ["the handler is asked"], "what was promised")
    half = (seconds_of(word["made_at"]) + seconds_of(word["due_at"])) / 2
    check(abs(seconds_of(done["held_until"]) - half) < 0.01, "half of the time", (done, word))
    server.restart()
    ann, bob = server.api("ann"), server.api("bob")
    equal(status(ann.act(lease, "defer", body), 200, "again").value, dict(done, duplicate=True), "the first answer")
    problem(ann.act(lease, "defer", dict(body, what="another word")), 409, "lease-lost")
    again = ann.lease(wait_s=50)
    equal((again["ticket"], again["opened_at"]), (lease["ticket"], lease["opened_at"]), "it is back")
    equal(again["commitment"]["by"], "ann", "with the word")
    status(bob.pull(wait_s=0), 204, "nobody else had it")
    ann.receipt(Messages().next(source_id="late", customer="late"))
    deferred(ann, ann.lease(), 3600)
    ann.receipt(Messages().next(source_id="later", customer="late", text="never mind"))
    kept = ann.lease()
    check(kept["commitment"]["due_at"] > word["due_at"] and not kept["commitment"]["broken"], "time enough", kept)
    status(ann.act(kept, "complete"), 200, "complete")
    equal(counted(ann)["commitments_kept"], 1, "kept")
    audit(server)


def test_the_customer_writes(t):
    """A follow-up brings it back at once; one that the agent has not seen keeps him from putting it off."""
    server = t.server()
    ann = server.api("ann")
    make = Messages()
    ann.receipt(make.next(customer="kim", text="my bag?"))
    lease = ann.lease()
    ann.receipt(make.next(customer="kim", text="and my coat?"))
    refused = problem(defer(ann, lease, 3600), 409, "new-messages")
    equal([message["text"] for message in refused["messages"]], ["and my coat?"], "what was not seen")
    deferred(ann, lease, 3600)
    receipt = ann.receipt(make.next(customer="kim", text="found it"))
    check(receipt["folded"], "joins", receipt)
    again = ann.lease(wait_s=50)
    equal((again["ticket"], again["attempt"], again["messages_total"]), (lease["ticket"], 2, 3), "back with it")
    kinds = [event["type"] for event in status(ann.get("/v1/tickets/%s/history" % lease["ticket"]), 200, "history").value["items"]]
    equal(kinds.count("aswolk.ticket.deferred"), 1, "told once")
    equal(kinds.count("aswolk.ticket.shown"), 1, "that it was refused before")
    # A supervisor's hold goes before the deferral, and the word stands.
    deferred(ann, again, 3600)
    status(ann.send("PATCH", "/v1/tickets/" + lease["ticket"], {"hold": True}), 200, "hold")
    ticket = ticket_of(ann, lease["ticket"])
    equal((ticket["state"], "deferred" in ticket, ticket["held_until"]), ("held", False, None), "held by a person")
    event = status(ann.get("/v1/tickets/%s/history" % lease["ticket"]), 200, "history").value["items"][-1]
    equal((event["type"], event["data"]["deferral_over"]), ("aswolk.ticket.held", True), "and it is said")
    ann.receipt(make.next(customer="kim", text="hello?"))
    equal(ticket_of(ann, lease["ticket"])["state"], "held", "as any that a person holds")
    equal(counted(ann)["commitments"], 1, "the word stands")
    status(ann.send("POST", "/v1/tickets/%s/cancel" % lease["ticket"], {}), 200, "cancel")
    equal(counted(ann), dict(counted(ann), commitments=0, commitments_kept=0, commitments_broken=0), "nobody kept or broke it")


def test_broken(t):
    """A word that is due is broken in any state, once, over kill -9; it is listed until the customer hears."""
    server = t.server("--kept-transfer-s", "0")
    ann, bob = server.api("ann"), server.api("bob smith")
    make = Messages()
    ann.receipt(make.next())
    deferred_soon(ann, ann.lease(), "the first")
    status(ann.send("PUT", "/v1/lanes/second", {}), 201, "a lane")
    ann.receipt(make.next(lane="second"))
    deferred_soon(bob, bob.lease(lanes=["second"]), "the second")
    bob.lease(wait_s=50)
    server.restart()
    ann, bob = server.api("ann"), server.api("bob smith")
    until("both are due", lambda: counted(ann)["commitments_overdue"] == 2)
    broken = sorted((item["what"], item["commitment"]["broken"]) for item in listed(ann))
    equal(broken, [("the first", True), ("the second", True)], "all")
    equal([item["what"] for item in listed(ann, "?agent=bob%20smith&broken=true")], ["the second"], "bob's")
    events = status(ann.get("/v1/events?after=0&type=aswolk.commitment", accept="application/x-ndjson"), 200, "events").lines
    equal([event["type"] for event in events], ["aswolk.commitment.broken"] * 2, "told once each")
    server.restart()
    ann, bob = server.api("ann"), server.api("bob smith")
    equal(counted(ann)["commitments_broken"], 2, "counted once")
    for item in listed(ann):
        if item["state"] == "leased":
            leases = [lease for lease in bob.held() + ann.held() if lease["ticket"] == item["ticket"]]
            status((bob if item["holder"] == "bob smith" else ann).act(leases[0], "complete"), 200, "late")
        else:
            status(ann.act(ann.lease(), "complete"), 200, "late")
    equal((listed(ann), counted(ann)["commitments_kept"]), ([], 0), "late is not kept")


def test_refused_and_listed(t):
    """Bad input is refused by field, a full table with 507 and the lease runs on; a long list comes page by page, by time."""
    server = t.server("--commitments-max", "120")
    ann, bob = server.api("ann"), server.api("bob")
    ann.receipts(Messages().many(121))
    leases = [lease for _ in range(3) for lease in ann.leases(max=50)]
    good = {"until": rfc3339(time.time() + 3600), "reason": "customer", "what": "a call"}
    for change, code, field in (({"until": rfc3339(time.time() - 1)}, "bad-value", "until"),
                                ({"until": rfc3339(time.time() + 400 * 86400)}, "bad-value", "until"),
                                ({"until": "friday"}, "bad-value", "until"), ({"reason": "lunch"}, "bad-value", "reason"),
                                ({"what": ""}, "bad-value", "what"), ({"what": "x" * 1025}, "bad-value", "what"),
                                ({"why": "x"}, "unknown-field", "why")):
        problem(ann.act(leases[0], "defer", dict(good, **change)), 400, code, field)
    for name in good:
        problem(ann.act(leases[0], "defer", {key: value for key, value in good.items() if key != name}), 400, "bad-value", name)
    problem(bob.act(leases[0], "defer", good), 403, "forbidden")
    problem(ann.act("nonsense", "defer", good), 404, "not-found")
    for number, lease in enumerate(leases[:120]):
        deferred(ann, lease, 7200 + number * 37 % 120 * 10, "word %d" % number)
    problem(defer(ann, leases[120], 3600), 507, "table-full")
    equal(ticket_of(ann, leases[120]["ticket"])["state"], "leased", "the lease runs on")
    items = listed(ann)
    due = [item["commitment"]["due_at"] for item in items]
    equal((len(items), due), (120, sorted(due)), "each once, by time")
    equal({item["what"] for item in items}, {"word %d" % number for number in range(120)}, "what each is")
    page = ann.get("/v1/commitments?agent=ann&broken=false")
    check("agent=ann&broken=false&cursor=" in page.fields["link"], "the next page keeps what was asked for", page.fields["link"])
    equal(listed(ann, "?broken=true"), [], "none is broken")
    problem(ann.get("/v1/commitments?broken=maybe"), 400, "bad-value", "broken")
    problem(ann.get("/v1/commitments?who=ann"), 400, "unknown-field", "who")
    status(ann.act(leases[120], "complete"), 200, "complete")


if __name__ == "__main__":
    sys.exit(run(globals()))
