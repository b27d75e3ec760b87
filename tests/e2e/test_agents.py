#!/usr/bin/python3
"""What agents are set to: lanes of a pull that names none, also of one that waits meanwhile; units that hold whatever races; gentle
tickets that are for agents marked gentle first; all of it as it was after kill -9, and nobody spins."""

import sys
import time

from aswolk_test import Messages, check, equal, problem, run, status, until

A_MOMENT_S = 0.5  # Long enough that a spinning pull would show in the counters, by thousands.


def until_parked(server, count):
    until("%d pulls are parked" % count, lambda: server.metrics().get("aswolk_parked_pulls") == count)


def work(server):
    """What a spinning pull would drive up."""
    metrics = server.metrics()
    return {name: metrics.get("aswolk_" + name) for name in ("pulls_total", "woken_in_vain_total", "stale_choices_total")}


def check_quiet(server):
    before = work(server)
    time.sleep(A_MOMENT_S)
    after = work(server)
    for name, value in before.items():
        check(after[name] - value <= 2, "%s: %d, then %d" % (name, value, after[name]))


def test_set(t):
    """PUT, GET and the list: the whole is replaced, versions guard it, a dry run changes nothing."""
    server = t.server()
    sue = server.api("sue")
    problem(sue.get("/v1/agents/ann"), 404, "not-found")
    status(sue.put_lane("nl"), 201, "a lane")
    want = {"lanes": ["nl", "main", "nl"], "gentle": True, "units": {"web": 3, "mail": 0}, "units_total": 5}
    tried = status(sue.put_agent("ann", dict(want, dry_run=True)), 200, "dry run").value
    equal((tried["dry_run"], tried["version"], tried["units"], tried["lanes"]), (True, 0, want["units"], ["main", "nl"]), "dry run")
    problem(sue.get("/v1/agents/ann"), 404, "not-found")
    made = status(sue.put_agent("ann", want), 201, "set")
    equal(made.value["lanes"], ["main", "nl"], "lanes, each once")
    equal((made.value["gentle"], made.value["units"], made.value["units_total"]), (True, want["units"], 5), "as asked")
    equal((made.value["leases"], made.value["held"], made.value["version"]), (0, {"web": 0, "mail": 0}, 1), "and now")
    same = status(sue.put_agent("ann", want), 200, "the same again")
    equal(same.fields["etag"], made.fields["etag"], "the same version")
    problem(sue.put_agent("ann", {}, if_match='"0"'), 412, "precondition-failed")
    problem(sue.put_agent("new", {}, if_match="*"), 412, "precondition-failed")
    plain = status(sue.put_agent("ann", {}, if_match=made.fields["etag"]), 200, "back to the defaults").value
    equal(plain["lanes"], None, "all lanes")
    equal((plain["gentle"], plain["units"], plain["units_total"], plain["version"]), (False, {}, None, 2), "the whole is replaced")
    equal(sue.agent_of("ann"), plain, "as GET tells it")
    status(sue.put_agent("Ann%20Lee", {"gentle": True}), 201, "a name as people have them")
    equal(sue.agent_of("Ann%20Lee")["agent"], "Ann Lee", "her name")
    for number in range(30):
        status(sue.put_agent("a%d" % number), 201, "one of many")
    names = [agent["agent"] for agent in sue.every("/v1/agents")]
    equal(names, ["ann", "Ann Lee"] + ["a%d" % number for number in range(30)], "the list, page by page")


def test_refused(t):
    server = t.server("--agents-max", "16")
    sue = server.api("sue")
    problem(sue.put_agent("ann", {"lanes": ["nowhere"]}), 404, "not-found", "lanes")
    problem(sue.put_agent("ann", {"units": {"web": 101}}), 400, "bad-value", "units.web")
    problem(sue.put_agent("ann", {"units": {"Web": 1}}), 400, "bad-value", "units.Web")
    problem(sue.put_agent("ann", {"units": {"web": "1"}}), 400, "bad-value", "units.web")
    problem(sue.put_agent("ann", {"units": {"c%d" % n: 1 for n in range(16)}}), 400, "bad-value", "units")
    problem(sue.put_agent("ann", {"units_total": 1501}), 400, "bad-value", "units_total")
    problem(sue.put_agent("ann", {"lane": "main"}), 400, "unknown-field", "lane")
    problem(sue.put_agent("a%01n"), 400, "bad-value")
    status(sue.put_agent("ann", {"units": {"c%d" % n: 1 for n in range(15)}}), 201, "as many channels as have numbers")
    problem(sue.put_agent("bob", {"units": {"more": 1}}), 507, "table-full")
    for name in ["cas"] + ["a%d" % number for number in range(14)]:
        status(sue.put_agent(name), 201, "another")
    problem(sue.put_agent("dan"), 507, "table-full")
    problem(sue.put_agent("dan", if_match="*"), 412, "precondition-failed")
    status(sue.put_agent("cas", {"gentle": True}), 200, "those that are there can be changed")


def test_lanes(t):
    """A pull without lanes goes by the agent's; one that names some, by these; and one that waits goes by what is set meanwhile."""
    server = t.server()
    make = Messages()
    sue, ann = server.api("sue"), server.api("ann")
    for lane in ("red", "blue"):
        status(sue.put_lane(lane), 201, "a lane")
    status(sue.put_agent("ann", {"lanes": ["red"]}), 201, "hers")
    blue = sue.receipt(make.next(lane="blue"))["ticket"]
    status(ann.pull(wait_s=0), 204, "nothing in her lane")
    waits = ann.begin_pull(wait_s=50)
    until_parked(server, 1)
    check_quiet(server)
    red = sue.receipt(make.next(lane="red"))["ticket"]
    equal(status(ann.connection.wait(waits), 200, "red").value["leases"][0]["ticket"], red, "what came into her lane")
    waits = ann.begin_pull(wait_s=50)
    until_parked(server, 1)
    status(sue.put_agent("ann", {"lanes": ["red", "blue"]}), 200, "one more, while she waits")
    equal(status(ann.connection.wait(waits), 200, "blue").value["leases"][0]["ticket"], blue, "what waited there")
    waits = ann.begin_pull(wait_s=50)
    until_parked(server, 1)
    status(sue.put_agent("ann", {"lanes": ["red"]}), 200, "one less, while she waits")
    until_parked(server, 1)
    other = sue.receipt(make.next(lane="blue"))["ticket"]
    check_quiet(server)
    check(not waits.ended, "not hers any more")
    mine = sue.receipt(make.next(lane="red"))["ticket"]
    equal(status(ann.connection.wait(waits), 200, "red").value["leases"][0]["ticket"], mine, "hers still")
    equal(status(ann.pull(lanes=["blue"]), 200, "named").value["leases"][0]["ticket"], other, "a lane that she names herself")
    status(sue.put_agent("ann", {}), 200, "all lanes")
    again = sue.receipt(make.next(lane="blue"))["ticket"]
    equal(ann.lease()["ticket"], again, "from any lane")


def test_classes(t):
    """A volunteer gets no `care`, whatever waits, what is changed while it waits counts at once; it never spins."""
    server = t.server()
    make = Messages()
    sue, vol, ann = server.api("sue"), server.api("vol"), server.api("ann")
    problem(sue.put_agent("vol", {"classes": ["vip"]}), 400, "bad-value", "classes[0]")
    made = status(sue.put_agent("vol", {"classes": ["other", "general", "general"]}), 201, "a volunteer").value
    equal(made["classes"], ["general", "other"], "as set")
    care = sue.receipt(make.next(care=["medical"]))["ticket"]
    disrupted = sue.receipt(make.next(**{"class": "disrupted"}))["ticket"]
    status(vol.pull(wait_s=0), 204, "neither is for a volunteer")
    waits = vol.begin_pull(wait_s=50)
    until_parked(server, 1)
    sue.receipt(make.next(care=["medical"]))
    check_quiet(server)
    check(not waits.ended, "nor is what comes")
    general = sue.receipt(make.next(**{"class": "general"}))["ticket"]
    equal(status(vol.connection.wait(waits), 200, "general").value["leases"][0]["ticket"], general, "this is, behind all others")
    refused = vol.begin_pull(wait_s=50)
    until_parked(server, 1)
    status(sue.put_agent("vol", {"classes": ["disrupted"]}), 200, "while it waits")
    equal(status(vol.connection.wait(refused), 200, "now").value["leases"][0]["ticket"], disrupted, "what waited")
    held = ann.lease()
    equal(held["ticket"], care, "the others see care first")
    problem(ann.act(held, "transfer", {"agent": "vol"}), 409, "transfer-refused", "agent")
    equal(status(sue.put_agent("vol", {"lanes": ["main"]}), 200, "all again").value["classes"], None, "all")
    equal(vol.lease()["class"], "care", "care too")


def test_gentle(t):
    """A gentle ticket is for gentle agents first, while one is there; nobody else is woken for it, and then it is for all."""
    server = t.server("--gentle-first-s", "3")
    make = Messages()
    sue, ann, gia = server.api("sue"), server.api("ann"), server.api("gia")
    status(sue.put_agent("gia", {"gentle": True}), 201, "gentle")
    sue.receipt(make.next())
    first = gia.lease()
    other = ann.begin_pull(wait_s=50)
    until_parked(server, 1)
    hers = gia.begin_pull(wait_s=50)
    until_parked(server, 2)
    sad = sue.receipt(make.next(care=["bereavement"]))["ticket"]
    equal(status(gia.connection.wait(hers), 200, "gia").value["leases"][0]["ticket"], sad, "to her, who waits shorter")
    until_parked(server, 1)
    check(not other.ended, "not to the other")
    late = sue.receipt(make.next(care=["bereavement"]))["ticket"]
    equal(sue.get("/v1/tickets/%s/why" % late).value["aside"], True, "it is for her")
    equal(status(ann.connection.wait(other), 200, "ann").value["leases"][0]["ticket"], late, "then it is for all")
    urgent = sue.receipt(make.next(care=["bereavement", "medical"]))["ticket"]
    equal(ann.lease()["ticket"], urgent, "care waits for nobody")
    gia.completed(first)
    mine = sue.receipt(make.next(care=["bereavement"]))["ticket"]
    status(ann.pull(wait_s=0), 204, "not for ann yet")
    equal(gia.lease()["ticket"], mine, "gia was there a moment ago")


def test_alone_and_gentle_tickets(t):
    """An agent alone with tickets that are for others waits, and costs nothing."""
    server = t.server("--gentle-first-s", "600")
    make = Messages()
    sue, ann, gia = server.api("sue"), server.api("ann"), server.api("gia")
    status(sue.put_agent("gia", {"gentle": True}), 201, "gentle")
    sue.receipt(make.next())
    gia.lease()
    tickets = [sue.receipt(make.next(care=["bereavement"]))["ticket"] for _ in range(5)]
    waits = ann.begin_pull(wait_s=50)
    until_parked(server, 1)
    check_quiet(server)
    check(not waits.ended, "it waits")
    status(sue.put_agent("ann", {"gentle": True}), 201, "she is gentle too now")
    equal(status(ann.connection.wait(waits), 200, "ann").value["leases"][0]["ticket"], tickets[0], "so she gets the oldest")
    equal([lease["ticket"] for lease in gia.leases(max=10)], tickets[1:], "the others")


def test_units(t):
    """Units hold however pulls race; a freed one brings the next ticket to who waits; what has no bound goes on."""
    server = t.server()
    make = Messages()
    sue, ann = server.api("sue"), server.api("ann")
    status(sue.put_agent("ann", {"units": {"web": 2}}), 201, "two at once")
    web = []
    for _ in range(6):
        web.append(sue.receipt(make.next())["ticket"])
        time.sleep(0.15)  # Order is exact to a tick of 100 ms.
    pulls = [ann.begin_pull(max=3, wait_s=50) for _ in range(4)]
    until_parked(server, 3)
    got = [pull for pull in pulls if pull.ended]
    until("two are held", lambda: ann.agent_of("ann")["held"] == {"web": 2})
    check_quiet(server)
    leases = ann.every_lease()
    equal([lease["ticket"] for lease in leases], web[:2], "the two oldest, and no more")
    mail = sue.receipt(make.next(channel="mail"))["ticket"]
    until("mail has no bound", lambda: mail in [lease["ticket"] for lease in ann.every_lease()])
    ann.completed(leases[0])
    until("the next one", lambda: web[2] in [lease["ticket"] for lease in ann.every_lease()])
    check_quiet(server)
    equal(ann.agent_of("ann")["held"], {"web": 2}, "two again")
    equal(ann.agent_of("ann")["leases"], 3, "in all")
    want = {"units": {"mail": 4, "web": 2, "voice": 1}}
    tried = status(sue.put_agent("ann", dict(want, dry_run=True)), 200, "mail with a bound, tried").value
    equal((tried["held"], tried["leases"]), ({"mail": 1, "web": 2, "voice": 0}, 3), "what it holds counts")
    bob = server.api("bob")
    equal([lease["ticket"] for lease in bob.leases(max=10)], web[3:], "others take the rest")
    check(len(got) <= 2, "at most two pulls for two units")


def test_kill(t):
    """After kill -9 agents are set as they were, hold what they held, and gentle tickets lie where they lay."""
    server = t.server("--gentle-first-s", "600")
    make = Messages()
    sue, ann, gia = server.api("sue"), server.api("ann"), server.api("gia")
    status(sue.put_lane("nl"), 201, "a lane")
    status(sue.put_agent("gia", {"gentle": True, "lanes": ["main"]}), 201, "gentle")
    status(sue.put_agent("ann", {"units": {"web": 1}, "units_total": 3, "classes": ["general", "other"]}), 201, "units")
    sue.receipt(make.next())
    gia.lease()
    sue.receipt(make.next())
    ann.lease()
    sad = sue.receipt(make.next(care=["bereavement"]))["ticket"]
    before = [agent for agent in sue.every("/v1/agents")]
    server.kill()
    server.start()
    sue, ann, gia, bob = (server.api(name) for name in ("sue", "ann", "gia", "bob"))
    equal([agent for agent in sue.every("/v1/agents")], before, "as it was")
    sue.receipt(make.next(lane="nl"))
    status(gia.pull(lanes=["nl"], max=1, wait_s=0), 200, "a lane that she names")
    equal([lease["ticket"] for lease in gia.leases(max=5)], [sad], "what is for her")
    web = sue.receipt(make.next())["ticket"]
    status(ann.pull(wait_s=0), 204, "her unit is in use still")
    equal(bob.lease()["ticket"], web, "another takes it")
    sue.receipt(make.next(channel="mail", care=["medical"]))
    status(ann.pull(wait_s=0), 204, "of no class of hers")


if __name__ == "__main__":
    sys.exit(run(globals()))
