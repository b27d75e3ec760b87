#!/usr/bin/python3
"""What a supervisor does to one ticket on the real server: class, lane and hold in one change, against pulls and restarts."""

import sys
import threading
import time

from aswolk_test import MSGPACK, Messages, check, equal, problem, rfc3339, run, status

MINUTE = 60
HOUR = 3600


def flight(number, lead_h):
    return {"number": number, "departs_at": rfc3339(time.time() + lead_h * HOUR)}


def pulled(api, count):
    """The tickets in the order in which a pull gives them; they go back."""
    leases = api.leases(max=count)
    for lease in leases:
        status(api.act(lease, "release", {"reason": "looked"}), 200, "release")
    return [lease["ticket"] for lease in leases]


# --- class and lane -----------------------------------------------------------------------------------------------------------


def test_class_and_lane(t):
    """A class stands over rules and restarts and says who gave it; a move keeps the age; one change, one version."""
    server = t.server()
    make = Messages()
    api = server.api()
    now = time.time()
    status(api.put_lane("dutch"), 201, "lane")
    old = api.receipt(make.next(received_at=rfc3339(now - 20 * MINUTE)))["ticket"]
    young = api.receipt(make.next(received_at=rfc3339(now - 10 * MINUTE)))["ticket"]
    tag = status(api.ticket(young), 200, "ticket").fields["etag"]
    tried = status(api.patch_ticket(young, {"class": "care", "lane": "dutch", "dry_run": True}), 200, "dry run")
    equal((tried.value["class"], tried.value["lane"], tried.value["dry_run"]), ("care", "dutch", True), "what would be")
    equal((tried.fields["etag"], api.ticket(young).value["class"]), (tag, "general"), "nothing changed")
    equal(pulled(api, 2), [old, young], "by age")
    problem(api.patch_ticket(young, {"class": "care"}, if_match='"999999"'), 412, "precondition-failed")
    tag = api.ticket(young).fields["etag"]
    sam = server.api(who="sam", form=MSGPACK)
    done = status(sam.patch_ticket(young, {"class": "care", "reason": "a call"}, if_match=tag), 200, "care")
    equal((done.value["state"], done.value["class"], done.value["lane"]), ("waiting", "care", "main"), "care")
    problem(api.patch_ticket(young, {"class": "other"}, if_match=tag), 412, "precondition-failed")
    equal(pulled(api, 2), [young, old], "care first")
    status(api.patch_ticket(young, {"class": "other", "lane": "dutch"}), 200, "down and away")
    server.restart()
    api = server.api()
    seen = api.ticket(young).value
    equal((seen["class"], seen["lane"], seen["class_by_person"]), ("other", "dutch", True), "after a restart")
    equal(seen["reasons"][:2], ["set to other by ann", "set to care by sam"], "who said so")
    equal(api.ticket(old).value["class_by_person"], False, "the other one")
    equal([lease["ticket"] for lease in api.leases(lanes=["dutch"])], [young], "it moved")
    lease = api.held()[0]
    equal(lease["age_from"], seen["age_from"], "with its age")
    check("set to other by ann" in lease["reasons"], "the agent is told", lease["reasons"])


def test_what_counts_after_a_person(t):
    """Words that were there do not raise it again, new ones do; a departure that gets near does; imminent needs one."""
    server = t.server()
    make = Messages()
    api = server.api()
    first = api.receipt(make.next(customer="eve", care=["medical"]))
    equal(first["class"], "care", "at first")
    status(api.patch_ticket(first["ticket"], {"class": "general"}), 200, "a person looked")
    again = api.receipt(make.next(customer="eve", care=["medical"]))
    equal((again["ticket"], again["class"]), (first["ticket"], "general"), "the same words again")
    near = api.receipt(make.next(customer="eve", flights=[flight("KL1", 3)]))
    equal((near["ticket"], near["class"]), (first["ticket"], "imminent"), "a new flight is news")
    status(api.patch_ticket(first["ticket"], {"class": "other"}), 200, "a person knows of it")
    equal(api.receipt(make.next(customer="eve", text="hello?"))["class"], "other", "and it stays")
    none = api.receipt(make.next(customer="bob"))["ticket"]
    equal(status(api.patch_ticket(none, {"class": "imminent"}), 200, "imminent").value["class"], "disrupted", "without a departure")
    far = api.receipt(make.next(customer="cyd", flights=[flight("KL2", 20)]))
    check(far["class"] != "imminent", "far away", far["class"])
    equal(status(api.patch_ticket(far["ticket"], {"class": "imminent"}), 200, "imminent").value["class"], "imminent", "with one")
    status(api.cancel_ticket(first["ticket"], {"dry_run": True}), 200, "cancel, tried")
    equal(api.ticket(first["ticket"]).value["state"], "waiting", "nothing changed")


def test_lanes_and_states(t):
    """Unknown and paused lanes; held, leased and closed tickets; hold beside a class."""
    server = t.server()
    make = Messages()
    api = server.api()
    status(api.put_lane("night", {"pause": "in"}), 201, "lane")
    status(api.put_lane("day", {"pause": "out"}), 201, "lane")
    ticket = api.receipt(make.next())["ticket"]
    problem(api.patch_ticket(ticket, {"lane": "nowhere"}), 404, "not-found", "lane")
    problem(api.patch_ticket(ticket, {"class": "care", "lane": "night"}), 503, "lane-paused")
    equal(api.ticket(ticket).value["class"], "general", "all or nothing")
    tag = api.ticket(ticket).fields["etag"]
    equal(status(api.patch_ticket(ticket, {"lane": "main"}), 200, "where it is").fields["etag"], tag, "nothing to change")
    held = status(api.patch_ticket(ticket, {"class": "disrupted", "lane": "day", "hold": True}), 200, "all at once").value
    equal((held["state"], held["class"], held["lane"]), ("held", "disrupted", "day"), "all at once")
    status(api.patch_ticket(ticket, {"class": "care"}), 200, "held")
    equal(api.ticket(ticket).value["state"], "held", "it stays held")
    status(api.patch_ticket(ticket, {"lane": "main", "hold": False}), 200, "back")
    lease = api.lease()
    equal((lease["ticket"], lease["class"]), (ticket, "care"), "pulled")
    equal(problem(api.patch_ticket(ticket, {"class": "other", "hold": True}), 409, "wrong-state")["state"], "leased", "no hold")
    done = status(api.patch_ticket(ticket, {"class": "other", "lane": "day"}), 200, "while an agent has it").value
    equal((done["state"], done["class"], done["lane"]), ("leased", "other", "day"), "for when it comes back")
    status(api.act(lease, "extend", {"lease_s": 60}), 200, "the lease goes on")
    status(api.act(lease, "release", {"reason": "back"}), 200, "release")
    equal(api.leases(), [], "it is where nothing is given out")
    status(api.put_lane("day"), 200, "open")
    lease = api.lease()
    equal((lease["ticket"], lease["class"], lease["lane"]), (ticket, "other", "day"), "there")
    api.completed(lease)
    problem(api.patch_ticket(ticket, {"class": "care"}), 409, "wrong-state")
    problem(api.patch_ticket("t000000000zzzz", {"class": "care"}), 404, "not-found")


def test_moves_against_pulls(t):
    """Tickets are re-ranked and moved to and fro while agents pull: each is given out once, in one of its lanes, none is lost."""
    server = t.server()
    make = Messages()
    api = server.api()
    status(api.put_lane("other"), 201, "lane")
    tickets = [receipt["ticket"] for receipt in api.receipts(list(make.many(400)))]
    got, failed = [], []

    def agent(name):
        try:
            mine = server.api(who=name)
            while len(got) < len(tickets):
                for lease in mine.leases(max=3, wait_s=1):
                    if lease["attempt"] < 5:
                        status(mine.act(lease, "release", {"reason": "not yet"}), 200, "release")
                        continue
                    mine.completed(lease)
                    got.append(lease["ticket"])
        except Exception as err:  # shown by the main thread
            failed.append(err)

    agents = [threading.Thread(target=agent, args=("agent-%d" % i,)) for i in range(4)]
    for one in agents:
        one.start()
    moved = refused = 0
    for i, ticket in enumerate(tickets[::-1] * 3):
        body = {"lane": ("other", "main")[i % 2]} if i % 3 else {"class": ("care", "disrupted", "other")[i % 7 % 3]}
        answer = api.patch_ticket(ticket, body)
        if len(got) == len(tickets):
            break
        check(answer.status in (200, 409), "moved, or closed by then", answer.status)
        moved, refused = moved + (answer.status == 200), refused + (answer.status == 409)
    for one in agents:
        one.join()
    check(not failed, "an agent failed", failed)
    equal(sorted(got), sorted(tickets), "each once")
    check(moved > 0, "some were moved", (moved, refused))
    t.note("%d changes done, %d refused as closed" % (moved, refused))


# --- folding ------------------------------------------------------------------------------------------------------------------


def unfold(api, ticket, messages, **more):
    fields = {name: more.pop(name) for name in ("dry_run", "reason") if name in more}
    return api.send("POST", "/v1/tickets/%s/unfold" % ticket, dict(fields, messages=messages), **more)


def messages_of(api, ticket):
    return [message["message"] for message in api.ticket(ticket).value["messages"]]


PHONE = [{"kind": "phone", "value": "+31 6 1234"}]


def two_people(api, make, **fields):
    """Two people whom a shared phone folded into one ticket: their receipts."""
    now = time.time()
    first = api.receipt(make.next(customer="ann-m", identities=PHONE, received_at=rfc3339(now - 30 * MINUTE)))
    second = api.receipt(make.next(customer="bob-m", identities=PHONE, received_at=rfc3339(now - 20 * MINUTE), **fields))
    equal((second["ticket"], second["folded"]), (first["ticket"], True), "folded")
    return first, second


def test_unfold(t):
    """A message becomes a ticket of its own, with its age and class; what it had told goes with it; kill -9 changes nothing."""
    server = t.server()
    make = Messages()
    api = server.api()
    first, second = two_people(api, make, care=["medical"], flights=[flight("KL77", 30)])
    ticket = first["ticket"]
    third = api.receipt(make.next(customer="ann-m"))
    equal(api.ticket(ticket).value["class"], "care", "what one said counts for both")
    tried = status(unfold(api, ticket, [second["message"]], dry_run=True), 200, "dry run").value
    equal((tried["class"], tried["lane"], tried["dry_run"], "ticket" in tried), ("care", "main", True, False), "what would be")
    equal(api.ticket(ticket).value["messages_total"], 3, "nothing changed")
    key = {"idempotency_key": "unfold-1"}
    done = status(unfold(api, ticket, [second["message"]], reason="two people", **key), 200, "unfold").value
    new = done["ticket"]
    equal((done["from"], done["state"], done["class"], done["duplicate"]), (ticket, "waiting", "care", False), "what it did")
    check(new != ticket, "another ticket", new)

    def look():
        equal(messages_of(api, ticket), [first["message"], third["message"]], "what is left")
        equal(messages_of(api, new), [second["message"]], "what was taken out")
        left, taken = api.ticket(ticket).value, api.ticket(new).value
        equal((left["messages_total"], taken["messages_total"]), (2, 1), "how many")
        equal((left["related"], taken["related"]), ([new], [ticket]), "related")
        equal((left["class"], taken["class"]), ("general", "care"), "classes of their own")
        equal((left["departs_at"], taken["departs_at"] is None), (None, False), "departures of their own")
        check(left["age_from"] < taken["age_from"], "ages of their own", (left["age_from"], taken["age_from"]))
        again = status(unfold(api, ticket, [second["message"]], reason="two people", **key), 200, "the same again").value
        equal(again, dict(done, duplicate=True), "the first answer")
        problem(unfold(api, ticket, [third["message"]], **key), 422, "idempotency-key-reused")

    look()
    server.kill()
    server.start()
    api = server.api()
    look()
    bob = api.receipt(make.next(customer="bob-m"))
    equal((bob["ticket"], bob["folded"]), (new, True), "his next message joins his ticket")
    both = api.receipt(make.next(customer="bob-m", identities=PHONE))
    equal((both["ticket"], both["related"]), (ticket, new), "the phone is both's: the older ticket, and the other is shown")
    equal(status(api.get("/v1/messages/" + second["message"]), 200, "message").value["receipt"]["ticket"], ticket, "as it was told")
    equal([lease["ticket"] for lease in api.leases(max=2)], [new, ticket], "care first")


def test_unfold_refused(t):
    """What can't be taken out, each with a clear problem; nothing changed by it."""
    server = t.server()
    make = Messages()
    api = server.api()
    first, second = two_people(api, make)
    ticket = first["ticket"]
    other = api.receipt(make.next())
    problem(unfold(api, ticket, [first["message"], other["message"]]), 404, "not-found", "messages[1]")
    problem(unfold(api, ticket, ["m0nonsense"]), 404, "not-found", "messages[0]")
    problem(unfold(api, ticket, [second["message"]] * 2), 400, "bad-value", "messages[1]")
    problem(unfold(api, ticket, [first["message"], second["message"]]), 400, "bad-value", "messages")
    problem(unfold(api, other["ticket"], [other["message"]]), 400, "bad-value", "messages")
    problem(unfold(api, ticket, []), 400, "bad-value", "messages")
    problem(unfold(api, ticket, ["m"] * 17), 400, "bad-value", "messages")
    problem(unfold(api, "t000000000zzzz", [first["message"]]), 404, "not-found")
    problem(unfold(api, ticket, [second["message"]], if_match='"999999"'), 412, "precondition-failed")
    problem(unfold(api, ticket, ["m0nonsense"], idempotency_key="k"), 404, "not-found", "messages[0]")
    equal(messages_of(api, ticket), [first["message"], second["message"]], "all is there")
    tag = api.ticket(ticket).fields["etag"]
    status(unfold(api, ticket, [second["message"]], if_match=tag, idempotency_key="k"), 200, "a refusal took no key")
    problem(unfold(api, ticket, [second["message"]]), 404, "not-found", "messages[0]")
    lease = api.lease()
    api.completed(lease)
    third = api.receipt(make.next(customer="cyd"))
    fourth = api.receipt(make.next(customer="cyd"))
    status(api.cancel_ticket(third["ticket"]), 200, "cancel")
    refused = problem(unfold(api, third["ticket"], [fourth["message"]]), 409, "wrong-state")
    equal(refused["state"], "closed", "a closed ticket stays as it was answered")


def test_unfold_while_leased(t):
    """What an agent was given only he takes out; what he was not given goes without him, and he is not asked to read it."""
    server = t.server()
    make = Messages()
    api = server.api(who="eve")
    first, second = two_people(api, make)
    ticket = first["ticket"]
    lease = api.lease()
    sam = server.api(who="sam")
    equal(problem(unfold(sam, ticket, [second["message"]]), 409, "wrong-state")["state"], "leased", "it is in her hands")
    later = sam.receipt(make.next(customer="bob-m", identities=PHONE))
    equal(later["ticket"], ticket, "folded while leased")
    new = status(unfold(sam, ticket, [later["message"]]), 200, "what she was not given").value["ticket"]
    equal(status(api.act(lease, "extend", {"lease_s": 60}), 200, "extend").value.get("messages", []), [], "nothing new for her")
    own = status(unfold(api, ticket, [second["message"]]), 200, "she may").value["ticket"]
    equal(messages_of(api, ticket), [first["message"]], "what is left to her")
    equal(api.ticket(ticket).value["state"], "leased", "her lease goes on")
    server.restart()
    api = server.api(who="eve")
    equal([message["message"] for message in api.held()[0]["messages"]], [first["message"]], "what a reload shows")
    api.completed(lease)
    got = api.leases(max=3)
    equal([one["ticket"] for one in got], [own, new], "by their ages")
    equal([[message["message"] for message in one["messages"]] for one in got], [[second["message"]], [later["message"]]], "theirs")
    more = api.receipt(make.next(customer="bob-m"))
    equal(more["ticket"], new, "of his two the one that was opened first")
    problem(api.complete(got[1]), 409, "new-messages")
    for one in got:
        api.completed(one)
    again = api.receipt(make.next(customer="bob-m"))
    check(again.get("reopened") and again["ticket"] in (own, new), "reopens his, not hers", again)


def test_unfold_against_pulls_and_posts(t):
    """Agents pull and complete, customers write, a supervisor unfolds, all at once: every message is in one ticket, and seen."""
    server = t.server()
    make = Messages()
    api = server.api()
    receipts, seen, failed, over = [], {}, [], threading.Event()

    def guarded(work):
        def body():
            try:
                work()
            except Exception as err:  # shown by the main thread
                failed.append(err)
                over.set()

        return threading.Thread(target=body)

    def post():
        mine = server.api(who="gate")
        for _ in range(60):
            receipts.extend(mine.receipts([make.next(customer="c%d" % (i % 7)) for i in range(20)]))

    def pull(name):
        mine = server.api(who=name)
        while True:
            last = over.is_set()
            leases = mine.leases(max=2, wait_s=0 if last else 1)
            if last and not leases:
                return
            for lease in leases:
                while True:
                    for message in lease["messages"]:
                        seen.setdefault(message["message"], set()).add(lease["ticket"])
                    answer = mine.complete(lease)
                    if answer.status == 200:
                        break
                    equal((answer.status, answer.value["type"]), (409, "urn:aswolk:new-messages"), "complete")
                    lease = dict(lease, messages=answer.value["messages"])

    poster = guarded(post)
    pullers = [guarded(lambda name=name: pull(name)) for name in ("p1", "p2")]
    for thread in [poster] + pullers:
        thread.start()
    done = {}
    while poster.is_alive() or not done:
        for receipt in receipts[-40:]:
            answer = unfold(api, receipt["ticket"], [receipt["message"]])
            check(answer.status in (200, 400, 404, 409), "unfolded or refused", (answer.status, answer.value))
            if answer.status == 200:
                done[receipt["message"]] = answer.value["ticket"]
    poster.join()
    over.set()
    for thread in pullers:
        thread.join()
    check(not failed, "a thread failed", failed)
    missing = [receipt["message"] for receipt in receipts if receipt["message"] not in seen]
    equal(missing, [], "every message was given to an agent")
    for message, ticket in done.items():
        check(ticket in seen[message], "in its new ticket", (message, ticket, seen[message]))
    server.restart()
    t.note("%d messages, %d taken out, all of them seen" % (len(receipts), len(done)))


def test_posting_again_changes_no_rank(t):
    """1,000 messages by one customer, singly and in batches: one ticket, in the same place."""
    server = t.server()
    make = Messages()
    api = server.api()
    now = time.time()
    before = [api.receipt(make.next(received_at=rfc3339(now - (20 - i) * MINUTE)))["ticket"] for i in range(10)]
    loud = api.receipt(make.next(customer="loud", received_at=rfc3339(now - 15.5 * MINUTE)))["ticket"]
    order = pulled(api, 11)
    place = order.index(loud)
    equal(order, before[:5] + [loud] + before[5:], "by age")
    tag = api.ticket(loud).fields["etag"]
    for _ in range(4):
        receipts = api.receipts(list(make.many(250, customer="loud", text="AGAIN! Answer me!!")))
        equal({(receipt["ticket"], receipt["folded"]) for receipt in receipts}, {(loud, True)}, "folded")
    equal(api.ticket(loud).value["messages_total"], 1001, "all are there")
    equal(api.ticket(loud).fields["etag"], tag, "it did not move")
    equal(pulled(api, 11), order, "nobody's place changed")
    t.note("place %d of 11 before and after 1,000 messages more" % (place + 1))


def test_a_late_redelivery_takes_the_places_of_its_ages(t):
    """A channel that was down for six hours delivers 10,000 messages at once: they go where their ages belong, among others. Ages
    are further apart than a tick."""
    server = t.server()
    make = Messages()
    api = server.api()
    now = time.time()
    ages = {}
    fresh = [dict(make.next(), received_at=rfc3339(now - i * 36)) for i in range(1000)]  # the last ten hours
    late = [dict(make.next(), received_at=rfc3339(now - 6 * HOUR - 0.2 - i * 0.4)) for i in range(10000)]
    for batch in [fresh] + [late[i : i + 1000] for i in range(0, 10000, 1000)]:
        for message, receipt in zip(batch, api.receipts(batch)):
            ages[receipt["ticket"]] = message["received_at"]
    got = []
    while len(got) < len(ages):
        leases = api.leases(max=100)
        check(leases, "there are more", len(got))
        got += [lease["ticket"] for lease in leases]
    by_age = sorted(ages.values())
    equal([ages[ticket] for ticket in got], by_age, "oldest first, late ones among the others")
    t.note("11,000 tickets pulled in the order of their ages, 10,000 of them six hours late")


if __name__ == "__main__":
    sys.exit(run(globals()))
