#!/usr/bin/python3
"""Tickets that not every agent may take now: declined ones keep their place and go to others, a reopened one comes to who closed it
first. They lie in no queue, and yet no pull overtakes them; nobody spins; all of it survives kill -9."""

import sys
import time

from aswolk_test import Messages, check, equal, problem, rfc3339, run, status, until

A_MOMENT_S = 0.5  # Long enough that a spinning pull would show in the counters, by thousands.


def decline(api, lease, reason="not my language"):
    return api.act(lease, "decline", {"reason": reason})


def until_parked(server, count):
    until("%d pulls are parked" % count, lambda: server.metrics().get("aswolk_parked_pulls") == count)


def work(server):
    """What a spinning pull would drive up."""
    metrics = server.metrics()
    return {name: metrics.get("aswolk_" + name) for name in ("pulls_total", "woken_in_vain_total", "stale_choices_total")}


def test_decline(t):
    """A declined ticket keeps class and age; it is not offered to that agent again, but to any other, in its place of the order."""
    server = t.server()
    make = Messages()
    ann, bob = server.api("ann"), server.api("bob")
    first = ann.receipt(make.next())
    lease = ann.lease()
    equal(lease["ticket"], first["ticket"], "the only ticket")
    answer = status(decline(ann, lease), 200, "decline").value
    equal((answer["ticket"], answer["state"], answer["duplicate"]), (first["ticket"], "waiting", False), "what was declined")
    again = status(decline(ann, lease), 200, "the same decline again").value
    equal(again["duplicate"], True, "a repeat")
    problem(decline(ann, lease, "another reason"), 409, "lease-lost")
    problem(ann.act(lease, "release", {"reason": "no"}), 409, "lease-lost")
    status(ann.pull(wait_s=0), 204, "nothing for who declined it")
    second = ann.receipt(make.next())
    equal(ann.lease()["ticket"], second["ticket"], "another ticket for who declined the first")
    third = ann.receipt(make.next())
    got = bob.leases(max=2)
    equal([lease["ticket"] for lease in got], [first["ticket"], third["ticket"]], "both for somebody else, the older one first")
    equal(got[0]["opened_at"], lease["opened_at"], "its age")


def test_place_of_many(t):
    """A pull for several gets the declined one in its place among them, and what it displaced goes to the next."""
    server = t.server()
    make = Messages()
    ann, bob, cas = server.api("ann"), server.api("bob"), server.api("cas")
    tickets = [ann.receipt(make.next())["ticket"]]
    lease = ann.lease()
    for _ in range(4):
        time.sleep(0.15)  # Order is exact to a tick of 100 ms.
        tickets.append(ann.receipt(make.next())["ticket"])
    status(decline(ann, lease), 200, "decline")
    equal([lease["ticket"] for lease in bob.leases(max=3)], tickets[:3], "the three oldest")
    equal([lease["ticket"] for lease in cas.leases(max=10)], tickets[3:], "the rest, each once")


def test_wakes_another(t):
    """A parked pull of another agent is woken for a declined ticket; that of the decliner is not, whoever waits longer."""
    server = t.server()
    make = Messages()
    ann, bob = server.api("ann"), server.api("bob")
    ann.receipt(make.next())
    lease = ann.lease()
    mine = ann.begin_pull(wait_s=50)
    until_parked(server, 1)
    other = bob.begin_pull(wait_s=50)
    until_parked(server, 2)
    status(decline(ann, lease), 200, "decline")
    equal(status(bob.connection.wait(other), 200, "bob").value["leases"][0]["ticket"], lease["ticket"], "to the other one")
    check(not mine.ended, "the decliner waits on")
    new = bob.receipt(make.next())
    equal(status(ann.connection.wait(mine), 200, "ann").value["leases"][0]["ticket"], new["ticket"], "until there is something")


def test_lone_agent_rests(t):
    """An agent alone with what it declined waits, and costs nothing meanwhile: no wake, no choice, no pull is counted."""
    server = t.server()
    make = Messages()
    ann = server.api("ann")
    ann.receipts(make.many(20))
    for lease in ann.leases(max=20):
        status(decline(ann, lease), 200, "decline")
    poll = ann.begin_pull(wait_s=50, max=100)
    until_parked(server, 1)
    before = work(server)
    time.sleep(A_MOMENT_S)
    equal(work(server), before, "work while it waits")
    check(not poll.ended, "it waits")
    bob = server.api("bob")
    equal(len(bob.leases(max=100)), 20, "all are there for another agent")
    equal(server.metrics().get("aswolk_woken_in_vain_total"), 0, "wakes in vain")


def test_time_is_over(t):
    """After decline-s the ticket goes back to its queue, also for who declined it: nobody is left with a ticket that none wants."""
    server = t.server("--decline-s", "1")
    make = Messages()
    ann = server.api("ann")
    first = ann.receipt(make.next())
    status(decline(ann, ann.lease()), 200, "decline")
    poll = ann.begin_pull(wait_s=50)
    equal(status(ann.connection.wait(poll), 200, "ann").value["leases"][0]["ticket"], first["ticket"], "it comes back")
    equal(server.metrics().get("aswolk_table_rows", table="asides"), 0, "nothing is remembered any more")


def test_two_race(t):
    """Two agents pull for a declined ticket over and over: one gets it each time, never both, and the other gets nothing."""
    server = t.server(io_threads=2)
    make = Messages()
    ann, bob, cas = server.api("ann"), server.api("bob"), server.api("cas")
    for number in range(30):
        ticket = ann.receipt(make.next())["ticket"]
        status(decline(ann, ann.lease()), 200, "decline")
        polls = [(api, api.begin_pull(wait_s=0)) for api in (bob, cas)]
        answers = [api.connection.wait(poll) for api, poll in polls]
        equal(sorted(answer.status for answer in answers), [200, 204], "round %d" % number)
        (api, answer), = [(api, answer) for (api, _), answer in zip(polls, answers) if answer.status == 200]
        equal(answer.value["leases"][0]["ticket"], ticket, "which ticket")
        api.completed(answer.value["leases"][0])


def test_pause(t):
    """What is declined in a lane that is paused waits, and is offered when the lane opens."""
    server = t.server()
    make = Messages()
    ann, bob = server.api("ann"), server.api("bob")
    ann.put_lane("red")
    ticket = ann.receipt(make.next(lane="red"))["ticket"]
    lease = ann.lease()
    status(ann.put_lane("red", {"pause": "out"}), 200, "pause")
    status(decline(ann, lease), 200, "decline")
    status(bob.pull(wait_s=0), 204, "nothing while paused")
    poll = bob.begin_pull(wait_s=50)
    until_parked(server, 1)
    status(ann.put_lane("red", {"pause": "none"}), 200, "open")
    equal(status(bob.connection.wait(poll), 200, "bob").value["leases"][0]["ticket"], ticket, "when it opens")


def test_hold_and_cancel(t):
    """A hold takes a declined ticket from everybody; the decline counts when it comes back. A cancelled one is gone."""
    server = t.server()
    make = Messages()
    ann, bob = server.api("ann"), server.api("bob")
    ticket = ann.receipt(make.next())["ticket"]
    status(decline(ann, ann.lease()), 200, "decline")
    status(ann.patch_ticket(ticket, {"hold": True}), 200, "hold")
    status(bob.pull(wait_s=0), 204, "nothing while held")
    status(ann.patch_ticket(ticket, {"hold": False}), 200, "and back")
    status(ann.pull(wait_s=0), 204, "still not for who declined it")
    status(ann.cancel_ticket(ticket), 200, "cancel")
    status(bob.pull(wait_s=0), 204, "nothing is left")
    equal(server.metrics().get("aswolk_table_rows", table="asides"), 0, "rows")


def test_limit(t):
    """At asides-max a decline is refused with 507 and the lease runs on; a release always works."""
    server = t.server("--asides-max", "16")
    make = Messages()
    ann = server.api("ann")
    ann.receipts(make.many(17))
    leases = ann.leases(max=17)
    for lease in leases[:16]:
        status(decline(ann, lease), 200, "decline")
    problem(decline(ann, leases[16]), 507, "table-full")
    status(decline(ann, leases[0]), 200, "a repeat needs no room")
    status(ann.act(leases[16], "release", {"reason": "no room to decline"}), 200, "release")
    equal(ann.lease()["ticket"], leases[16]["ticket"], "the released one comes again")


def test_channel_that_closes(t):
    """A ticket whose channel soon closes goes before one that has waited more of its target, whichever of the two is aside."""
    server = t.server()
    make = Messages()
    ann, bob = server.api("ann"), server.api("bob")
    now = time.time()
    long = {"class": "general", "received_at": rfc3339(now - 2 * 3600)}
    soon = {"class": "other", "received_at": rfc3339(now - 5 * 3600), "reply_by": rfc3339(now + 3600)}
    for aside, queued, first in ((long, soon, 1), (soon, long, 0)):
        tickets = [ann.receipt(make.next(**aside))["ticket"]]
        status(decline(ann, ann.lease()), 200, "decline")
        tickets.append(ann.receipt(make.next(**queued))["ticket"])
        equal(bob.lease()["ticket"], tickets[first], "the one whose channel closes")
        equal(bob.lease()["ticket"], tickets[1 - first], "the other")


def test_no_lease_is_left(t):
    """With all leases given out, who may not have the only ticket that waits finds nothing, which is no fault."""
    server = t.server("--leases-max", "100")
    make = Messages()
    ann, bob = server.api("ann"), server.api("bob")
    ann.receipt(make.next())
    for agent in (ann, bob):
        status(decline(agent, agent.lease()), 200, "decline")
    ann.receipts(make.many(100))
    equal(len(bob.leases(max=100)), 100, "all leases")
    status(ann.pull(wait_s=0), 204, "nothing for who declined it")
    problem(server.api("cas").pull(wait_s=0), 507, "table-full")


def test_same_agent(t):
    """A customer who writes again finds the same agent, if that one is there; a gentle one as well; care waits for nobody."""
    server = t.server()
    make = Messages()
    ann, bob = server.api("ann"), server.api("bob")
    first = ann.receipt(make.next(customer="kim"))
    ann.completed(ann.lease())
    waiting = bob.begin_pull(wait_s=50)
    until_parked(server, 1)
    reopened = ann.receipt(make.next(customer="kim"))
    equal(reopened["ticket"], first["ticket"], "it reopens")
    equal(ann.lease()["ticket"], first["ticket"], "ann has it again")
    check(not waiting.ended, "bob waits on")
    ann.completed(ann.held()[0])
    poll = ann.begin_pull(wait_s=50)
    until_parked(server, 2)
    ann.receipt(make.next(customer="kim"))
    equal(status(ann.connection.wait(poll), 200, "ann").value["leases"][0]["ticket"], first["ticket"], "woken for it, not bob")
    ann.completed(ann.held()[0])
    ann.receipt(make.next(customer="kim", care=["medical"]))
    got = status(bob.connection.wait(waiting), 200, "bob").value["leases"][0]
    equal(got["ticket"], first["ticket"], "care goes to whoever waits")


def test_kept_for_a_while(t):
    """When the agent does not come, the ticket goes to its queue after kept-s, and to whoever waits there."""
    server = t.server("--kept-s", "1")
    make = Messages()
    ann, bob = server.api("ann"), server.api("bob")
    first = ann.receipt(make.next(customer="kim"))
    ann.completed(ann.lease())
    ann.receipt(make.next(customer="kim"))
    poll = bob.begin_pull(wait_s=50)
    equal(status(bob.connection.wait(poll), 200, "bob").value["leases"][0]["ticket"], first["ticket"], "after its time")


def test_killed(t):
    """After kill -9 a decline is still one, a kept ticket is still kept, and both are there for those who may take them."""
    server = t.server()
    make = Messages()
    ann, bob = server.api("ann"), server.api("bob")
    kept = ann.receipt(make.next(customer="kim"))["ticket"]
    ann.completed(ann.lease())
    declined = ann.receipt(make.next())["ticket"]
    lease = ann.lease()
    status(decline(ann, lease), 200, "decline")
    ann.receipt(make.next(customer="kim"))
    server.kill()
    server.start()
    ann, bob = server.api("ann"), server.api("bob")
    equal(status(decline(ann, lease), 200, "the same decline again").value["duplicate"], True, "a repeat")
    equal([lease["ticket"] for lease in ann.leases(max=10)], [kept], "ann: what was kept, not what she declined")
    equal([lease["ticket"] for lease in bob.leases(max=10)], [declined], "bob: the other way round")


if __name__ == "__main__":
    sys.exit(run(globals()))
