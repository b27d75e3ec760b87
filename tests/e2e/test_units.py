#!/usr/bin/python3
"""Agents with units by channel get the most urgent ticket among the channels in which they have a unit free: against a list of all
tickets, in races, while a channel's tickets move to a shelf of their own, after kill -9; nobody spins, nobody is woken in vain."""

import json
import random
import subprocess
import sys
import time

from aswolk_test import Messages, audit, check, equal, program, rfc3339, run, status, until
from crowd import Crowd

CHANNELS = ["chat", "mail", "web", "sms", "app", "fax"]


def until_parked(server, count):
    until("%d pulls are parked" % count, lambda: server.metrics().get("aswolk_parked_pulls") == count)


class Desk:
    """All that waits, oldest first, and what one agent may still take of it: the rule for tickets of one class."""

    def __init__(self, units):
        self.units = dict(units)
        self.waiting = []  # (ticket, channel)
        self.held = {}

    def take(self, count):
        taken = []
        for ticket, channel in list(self.waiting):
            if len(taken) < count and self.units.get(channel, 1) > 0:
                self.units[channel] = self.units.get(channel, 100) - 1
                self.held[ticket] = channel
                self.waiting.remove((ticket, channel))
                taken.append(ticket)
        return taken

    def done(self, ticket):
        self.units[self.held.pop(ticket)] += 1


def helped(api):
    """Tickets of lane a that wait in another one too."""
    return status(api.get("/v1/lanes/a"), 200, "lane").value["helped"]


def leases_in(server):
    """The records of all leases."""
    done = subprocess.run([program("aswolk"), "journal", "--json", "--kind", "lease", server.folder], capture_output=True)
    equal(done.returncode, 0, "exit code of aswolk journal")
    return [json.loads(line) for line in done.stdout.splitlines()]


def post_old(api, make, now, age_s, channel):
    """A ticket of this age: order is exact to 100 ms."""
    message = make.next(channel=channel, received_at=rfc3339(now - age_s), **{"class": "general"})
    return api.receipt(message)["ticket"]


def test_by_the_rule(t):
    """Each pull of one who pulls for many and completes some gets what a list of all that waits says."""
    server = t.server()
    make = Messages()
    sue, ann = server.api("sue"), server.api("ann")
    chance = random.Random(16)
    units = {"chat": 3, "mail": 1, "fax": 0}
    status(sue.put_agent("ann", {"units": units}), 201, "her units")
    desk = Desk(units)
    now, ages = time.time(), list(range(400))
    chance.shuffle(ages)
    leases, granted, passed = {}, 0, 0
    for _ in range(100):
        for _ in range(chance.randrange(5)):
            if ages:
                age_s, channel = ages.pop(), chance.choice(CHANNELS)
                desk.waiting.append((post_old(sue, make, now, age_s, channel), channel, age_s))
        desk.waiting.sort(key=lambda each: -each[2])
        ordered, desk.waiting = desk.waiting, [each[:2] for each in desk.waiting]
        count = chance.randrange(1, 8)
        want = desk.take(count)
        left = {ticket for ticket, _ in desk.waiting}
        desk.waiting = [each for each in ordered if each[0] in left]
        got = ann.leases(max=count, wait_s=0) if want else status(ann.pull(wait_s=0), 204, "nothing for her") and []
        equal([lease["ticket"] for lease in got or []], want, "what the list says")
        granted += len(want)
        passed += bool(want) and ordered[0][0] not in want
        leases.update((lease["ticket"], lease) for lease in got or [])
        for ticket in chance.sample(sorted(leases), len(leases) // 3):
            ann.completed(leases.pop(ticket))
            desk.done(ticket)
    check(granted > 60, "enough of it", granted)
    check(passed > 20, "pulls for which the oldest was beyond her units", passed)
    result = audit(server)
    equal(result["judged"], result["leases"], "all are judged")
    told = [record for record in leases_in(server) if 3 in record.get("full_channels", [])]
    equal(len(told), result["leases"], "each says that she takes no fax, whose number is the third")


def test_channel_changes(t):
    """Who writes again on another channel keeps the place by age, and is for those who have a unit there."""
    server = t.server()
    make = Messages()
    sue, ann, bob = server.api("sue"), server.api("ann"), server.api("bob")
    for name in ("ann", "bob"):
        status(sue.put_agent(name, {"units": {"chat": 0 if name == "ann" else 1}}), 201, "units")
    who = {"identities": [{"kind": "phone", "value": "+31600000001"}]}
    first = sue.receipt(make.next(channel="mail", **who))["ticket"]
    time.sleep(0.15)
    second = sue.receipt(make.next(channel="mail"))["ticket"]
    again = sue.receipt(make.next(channel="chat", **who))
    equal((again["ticket"], again["folded"]), (first, True), "it folds")
    equal(ann.lease()["ticket"], second, "a chat is not for ann")
    status(ann.pull(wait_s=0), 204, "nothing more")
    equal(sue.receipt(make.next(channel="mail", **who))["ticket"], first, "and back")
    third = sue.receipt(make.next(channel="mail"))["ticket"]
    equal([lease["ticket"] for lease in ann.leases(max=2)], [first, third], "the older one first")
    status(bob.pull(wait_s=0), 204, "nothing for bob")


def test_waits_for_its_own(t):
    """A flood of chats wakes nobody whose units are taken; mail does, and a unit that gets free."""
    server = t.server()
    make = Messages()
    sue, ann = server.api("sue"), server.api("ann")
    status(sue.put_agent("ann", {"units": {"chat": 1}}), 201, "one chat")
    sue.receipt(make.next(channel="chat"))
    lease = ann.lease()
    poll = ann.begin_pull(wait_s=50, max=10)
    until_parked(server, 1)
    chats = [receipt["ticket"] for receipt in sue.receipts(make.many(200, channel="chat"))]
    check(not poll.ended, "she waits")
    before = server.metrics()
    equal((before.get("aswolk_woken_in_vain_total"), before.get("aswolk_stale_choices_total")), (0, 0), "and costs nothing")
    mail = sue.receipt(make.next(channel="mail"))["ticket"]
    equal([got["ticket"] for got in status(ann.connection.wait(poll), 200, "mail").value["leases"]], [mail], "mail alone")
    poll = ann.begin_pull(wait_s=50, max=10)
    until_parked(server, 1)
    ann.completed(lease)
    equal([got["ticket"] for got in status(ann.connection.wait(poll), 200, "chat").value["leases"]], chats[:1], "one chat")
    after = server.metrics()
    equal((after.get("aswolk_woken_in_vain_total"), after.get("aswolk_stale_choices_total")), (0, 0), "nothing in vain")


def test_first_units(t):
    """While agents pull, a channel of which thousands wait gets its first units: each ticket is given out once, and whoever is
    bound gets none beyond."""
    server = t.server(io_threads=2)
    make = Messages()
    sue = server.api("sue")
    for _ in range(10):
        sue.receipts(make.many(250, channel="chat"))
        sue.receipts(make.many(250, channel="mail"))
    ann, bob = server.api("ann"), server.api("bob")
    seen = [lease["ticket"] for lease in bob.leases(max=100)]
    status(sue.put_agent("ann", {"units": {"chat": 0}}), 201, "no chats for her")
    for _ in range(20):
        for lease in ann.leases(max=20):
            equal(lease["messages"][0]["channel"], "mail", "mail alone")
            seen.append(lease["ticket"])
        seen += [lease["ticket"] for lease in bob.leases(max=100)]
    while True:
        answer = bob.pull(max=100, wait_s=0)
        if answer.status == 204:
            break
        seen += [lease["ticket"] for lease in status(answer, 200, "the rest").value["leases"]]
    equal((len(seen), len(set(seen))), (5000, 5000), "each once")
    status(ann.pull(wait_s=0), 204, "nothing is left")
    equal(server.metrics().get("aswolk_table_rows", table="channels"), 2, "channels with a number")


def test_lanes_that_help(t):
    """In a lane that helps another one it is the same: what an agent has no unit for is passed over, also what moves to a shelf."""
    server = t.server()
    make = Messages()
    sue, ann, bob = server.api("sue"), server.api("ann"), server.api("bob")
    status(sue.put_lane("b"), 201, "the lane that helps")
    status(sue.put_lane("a", {"overflow": [{"lane": "b", "after_s": 1}]}), 201, "the lane that is helped")
    chat = sue.receipt(make.next(channel="chat", lane="a"))["ticket"]
    mail = sue.receipt(make.next(channel="mail", lane="a"))["ticket"]
    until("both are in the lane that helps", lambda: helped(sue) == 2)
    status(sue.put_agent("ann", {"units": {"chat": 0}, "lanes": ["b"]}), 201, "no chats for her")
    equal([lease["ticket"] for lease in ann.leases(max=5)], [mail], "mail of the other lane")
    late = sue.receipt(make.next(channel="chat", lane="a"))["ticket"]
    poll = ann.begin_pull(wait_s=50)
    until_parked(server, 1)
    until("both chats are in the lane that helps", lambda: helped(sue) == 2)
    check(not poll.ended, "no chat comes to her")
    equal([lease["ticket"] for lease in bob.leases(max=5, lanes=["b"])], [chat, late], "they are there for bob")
    equal(server.metrics().get("aswolk_woken_in_vain_total"), 0, "nobody was woken in vain")
    mail = sue.receipt(make.next(channel="mail", lane="b"))["ticket"]
    equal(status(ann.connection.wait(poll), 200, "mail").value["leases"][0]["ticket"], mail, "what is for her")


def worker(crowd, number):
    def work(api):
        for lease in api.leases(max=1 + number % 4, wait_s=1):
            if api.complete(lease).status == 200:
                crowd.completed += 1
            time.sleep(0.003 * (number % 3))

    return work


def poster(make):
    number = [0]

    def work(api):
        number[0] += 1
        api.receipts([make.next(channel=CHANNELS[(number[0] + i) % 6]) for i in range(20)])
        time.sleep(0.02)

    return work


def test_crowd(t):
    """Agents with units of all kinds pull at once: the journal says that nobody was passed over."""
    server = t.server(io_threads=2)
    make = Messages()
    sue = server.api("sue")
    for number in range(8):
        units = {channel: (number + i) % 4 for i, channel in enumerate(CHANNELS) if (number + i) % 3 != 0}
        status(sue.put_agent("agent-%d" % number, {"units": units, "units_total": 6}), 201, "units")
    crowd = Crowd(server)
    for number in range(8):
        crowd.start("agent-%d" % number, worker(crowd, number))
    crowd.start("gateway", poster(make))
    until("enough are completed", lambda: crowd.has(500))
    crowd.end()
    result = audit(server)
    check(result["judged"] > 100, "leases were judged", result["judged"])


def test_killed(t):
    """After kill -9 each is on its shelf, and units are as taken as they were."""
    server = t.server()
    make = Messages()
    sue, ann = server.api("sue"), server.api("ann")
    status(sue.put_agent("ann", {"units": {"chat": 2}}), 201, "two chats")
    chats = [receipt["ticket"] for receipt in sue.receipts(make.many(5, channel="chat"))]
    time.sleep(0.15)
    mails = [receipt["ticket"] for receipt in sue.receipts(make.many(2, channel="mail"))]
    held = ann.leases(max=1)
    equal([lease["ticket"] for lease in held], chats[:1], "one chat")
    server.kill()
    server.start()
    ann = server.api("ann")
    equal([lease["ticket"] for lease in ann.leases(max=10)], chats[1:2] + mails, "one more chat, and all mail")
    status(ann.pull(wait_s=0), 204, "no chat beyond")
    ann.completed(held[0])
    equal(ann.lease()["ticket"], chats[2], "a unit is free")


if __name__ == "__main__":
    sys.exit(run(globals()))
