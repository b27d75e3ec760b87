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
