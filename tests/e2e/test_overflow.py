#!/usr/bin/python3
"""Lanes that help others: a ticket that has waited long goes to whoever is first, agents of its own lane or of those that help.
Nobody gets one twice, none is passed over, pauses and changes count at once, nobody spins, and all of it survives kill -9."""

import sys
import threading
import time

from aswolk_test import Messages, audit, check, equal, problem, rfc3339, run, seconds_of, status, until

A_MOMENT_S = 0.5  # Long enough that a spinning pull would show in the counters, by thousands.
LONG_AGO_S = 700  # Of a ticket that others help with at once.


def old(make, **fields):
    return make.next(received_at=rfc3339(time.time() - LONG_AGO_S), **fields)


def helped(server):
    return server.metrics().get("aswolk_tickets_helped")


def until_helped(server, count):
    until("%d tickets are helped" % count, lambda: helped(server) == count)


def until_parked(server, count):
    until("%d pulls are parked" % count, lambda: server.metrics().get("aswolk_parked_pulls") == count)


def desk(t, overflow=(("german", 600),), **args):
    """The lane dutch, which others help."""
    server = t.server(**args)
    api = server.api("supervisor")
    for lane in ("german", "night"):
        status(api.put_lane(lane), 201, lane)
    set_overflow(api, overflow, 201)
    return server, api


def set_overflow(api, overflow, want=200, **more):
    body = {"overflow": [{"lane": lane, "after_s": after_s} for lane, after_s in overflow], **more}
    return status(api.put_lane("dutch", body), want, "overflow of dutch").value


def reasons_of(view):
    return [reason for reason in view["reasons"] if reason.startswith("overflow")]


def test_setting(t):
    """What is set is shown, is kept over a restart, and goes when it is left out; what makes no sense is refused by name."""
    server, api = desk(t, (("german", 600), ("night", 600)))
    want = [{"lane": "german", "after_s": 600}, {"lane": "night", "after_s": 600}]
    server.kill()
    server.start()
    api = server.api("supervisor")
    lane = status(api.get("/v1/lanes/dutch"), 200, "dutch").value
    equal((lane["overflow"], lane["helped"]), (want, 0), "dutch")
    equal([item["overflow"] for item in api.every("/v1/lanes")], [[], [], [], [], want], "all lanes")
    same = status(api.put_lane("dutch", {"overflow": want}), 200, "the same again").value
    equal(same["version"], lane["version"], "nothing changed")
    wrong = (
        ([("nowhere", 5)], "overflow[0].lane"),
        ([("german", 5), ("dutch", 6)], "overflow[1].lane"),
        ([("german", 5), ("german", 6)], "overflow[1].lane"),
        ([("german", 5), ("night", 4)], "overflow[1].after_s"),
        ([("german", 0)], "overflow[0].after_s"),
        ([("german", 604801)], "overflow[0].after_s"),
        ([("l%d" % i, 5) for i in range(5)], "overflow"),
    )
    for overflow, field in wrong:
        body = {"overflow": [{"lane": name, "after_s": after_s} for name, after_s in overflow]}
        problem(api.put_lane("dutch", body), 400, "bad-value", field)
    problem(api.put_lane("new", {"overflow": [{"lane": "new", "after_s": 5}]}), 400, "bad-value", "overflow[0].lane")
    equal(status(api.get("/v1/lanes/dutch"), 200, "dutch").value["overflow"], want, "what was refused changed nothing")
    equal(status(api.put_lane("dutch", {}), 200, "left out").value["overflow"], [], "nobody helps any more")


def test_helps_in_time(t):
    """An agent of the helping lane waits; the ticket comes when it has waited that long, and says so. Its lane stays its own."""
    server, api = desk(t, (("german", 1),))
    gerd, nina = server.api("gerd"), server.api("nina")
    poll = gerd.begin_pull(wait_s=50, lanes=["german"])
    until_parked(server, 1)
    ticket = api.receipt(Messages().next(lane="dutch"))["ticket"]
    lease = status(gerd.connection.wait(poll), 200, "gerd").value["leases"][0]
    equal((lease["ticket"], lease["lane"]), (ticket, "dutch"), "what he helps with")
    equal(reasons_of(lease), ["overflow: helped by lane german after 1 s"], "why")
    granted = seconds_of(lease["expires_at"]) - 300
    check(granted - seconds_of(lease["opened_at"]) >= 1, "not before its time", lease)
    equal(gerd.held()[0]["reasons"], lease["reasons"], "the same when he looks again")
    equal(reasons_of(status(nina.ticket(ticket), 200, "the ticket").value), reasons_of(lease), "and to others")
    for lane, reasons in (("german", []), ("main", []), ("dutch", lease["reasons"])):
        status(api.patch_ticket(ticket, {"lane": lane}), 200, "moved under his hands")
        equal(reasons_of(gerd.held()[0]), reasons, "help, if it is of that lane: " + lane)
    status(gerd.act(lease, "release", {"reason": "no dutch"}), 200, "release")
    until_helped(server, 1)
    equal(server.api("daan").lease(lanes=["dutch"])["ticket"], ticket, "back, also for its own lane")
    equal(helped(server), 0, "who is leased is helped no more")


def test_why(t):
    """A waiting ticket tells who helps by now, and why; who is not helped tells of nobody."""
    server, api = desk(t, (("german", 600), ("night", 3600)))
    ticket = api.receipt(old(Messages(), lane="dutch"))["ticket"]
    until_helped(server, 1)
    why = status(api.get("/v1/tickets/%s/why" % ticket), 200, "why").value
    equal(why["helped_by"], [{"lane": "german", "after_s": 600}], "who helps")
    equal(reasons_of(why), ["overflow: helped by lane german after 600 s"], "reasons")
    equal(status(api.get("/v1/lanes/dutch"), 200, "dutch").value["helped"], 1, "of the lane")
    new = api.receipt(Messages("new").next(lane="german"))["ticket"]
    why = status(api.get("/v1/tickets/%s/why" % new), 200, "why of another").value
    equal((why["helped_by"], why["in_lane"], sum(why["ahead"].values())), ([], 2, 1), "what its agents help with goes before")


def test_order(t):
    """For who helps, a ticket has its place by age and class among those of his own lane."""
    server, api = desk(t)
    make = Messages()
    gerd = server.api("gerd")
    first = api.receipt(make.next(lane="german", care=["medical"]))["ticket"]
    last = api.receipt(make.next(lane="german"))["ticket"]
    second = api.receipt(old(make, lane="dutch"))["ticket"]
    until_helped(server, 1)
    equal([lease["ticket"] for lease in gerd.leases(max=3, lanes=["german"])], [first, second, last], "care, then by age")
    audit(server)


def test_not_for_others(t):
    """Help of help does not count, and a lane helps nobody who did not name it."""
    server, api = desk(t)
    status(api.put_lane("german", {"overflow": [{"lane": "night", "after_s": 1}]}), 200, "night helps german")
    ticket = api.receipt(old(Messages(), lane="dutch"))["ticket"]
    until_helped(server, 1)
    for lane in ("night", "main"):
        status(server.api("nina").pull(lanes=[lane]), 204, "nothing for " + lane)
    equal(server.api("gerd").lease(lanes=["german"])["ticket"], ticket, "but for german")


def test_each_once(t):
    """Agents of both lanes and of all pull for the same tickets at the same time: each goes to one of them."""
    server, api = desk(t, (("german", 600), ("night", 600)), io_threads=2)
    tickets = [receipt["ticket"] for receipt in api.receipts([old(Messages("m%d" % i), lane="dutch") for i in range(300)])]
    until_helped(server, 300)
    got, failed = [], []

    def work(name, lanes, count):
        try:
            agent = server.api(name)
            while True:
                leases = agent.leases(max=count, lanes=lanes)
                if not leases:
                    return
                got.extend(lease["ticket"] for lease in leases)
        except Exception as error:  # Told by the main thread.
            failed.append(error)

    workers = [threading.Thread(target=work, args=args)
               for args in (("daan", ["dutch"], 1), ("gerd", ["german"], 1), ("nina", ["night", "german"], 3), ("ada", None, 2))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    equal(failed, [], "failures")
    equal(sorted(got), sorted(tickets), "each ticket once")
    equal(helped(server), 0, "nothing waits")
    audit(server)


def test_pauses(t):
    """A paused lane's tickets are not given by others either, a helping lane that is paused gives none; who waits costs nothing,
    and gets them when it is open again."""
    server, api = desk(t)
    gerd = server.api("gerd")
    tickets = [api.receipt(old(Messages("m%d" % i), lane="dutch"))["ticket"] for i in range(20)]
    until_helped(server, 20)
    overflow = (("german", 600),)
    set_overflow(api, overflow, pause="out")
    status(gerd.pull(max=100, lanes=["german"]), 204, "nothing while dutch is paused")
    until_helped(server, 0)
    poll = gerd.begin_pull(wait_s=50, max=100, lanes=["german"])
    until_parked(server, 1)
    before = server.metrics().get("aswolk_stale_choices_total"), server.metrics().get("aswolk_woken_in_vain_total")
    time.sleep(A_MOMENT_S)
    after = server.metrics().get("aswolk_stale_choices_total"), server.metrics().get("aswolk_woken_in_vain_total")
    equal(after, before, "work while he waits")
    set_overflow(api, overflow)
    leases = status(gerd.connection.wait(poll), 200, "gerd").value["leases"]
    for lease in leases:
        status(gerd.act(lease, "release", {"reason": "all of them"}), 200, "release")
    until_helped(server, 20)
    status(api.put_lane("german", {"pause": "both"}), 200, "pause german")
    status(gerd.pull(lanes=["german"]), 204, "nothing while german is paused")
    equal(server.api("daan").lease(lanes=["dutch"])["ticket"] in tickets, True, "dutch itself gives")
    poll = gerd.begin_pull(wait_s=50, max=100, lanes=["german"])
    until_parked(server, 1)
    status(api.put_lane("german", {"pause": "in"}), 200, "german gives, and takes nothing")
    check(len(status(gerd.connection.wait(poll), 200, "gerd").value["leases"]) > 0, "help goes on")
    audit(server)


def test_taken_out(t):
    """A lane taken out of overflow gives nothing from then on, the tickets stay where they are, and another one begins to help."""
    server, api = desk(t)
    tickets = [api.receipt(old(Messages("m%d" % i), lane="dutch"))["ticket"] for i in range(20)]
    until_helped(server, 20)
    set_overflow(api, (("night", 600),))
    status(server.api("gerd").pull(max=100, lanes=["german"]), 204, "german helps no more")
    nina = server.api("nina")
    got = []
    until("night has helped with all", lambda: got.extend(lease["ticket"] for lease in nina.leases(max=100, lanes=["night"]))
          or len(got) == 20)
    equal(sorted(got), sorted(tickets), "all, each once")
    audit(server)


def test_changes_under_load(t):
    """Who helps is changed over and over while agents of all lanes pull: no ticket is lost, none goes out twice."""
    server, api = desk(t, io_threads=2)
    make = Messages()
    api.receipts([old(make, lane="dutch") for _ in range(400)])
    got, failed, stop = [], [], threading.Event()

    def work(name, lanes):
        try:
            agent = server.api(name)
            while not stop.is_set():
                got.extend(lease["ticket"] for lease in agent.leases(max=2, lanes=lanes))
        except Exception as error:  # Told by the main thread.
            failed.append(error)

    workers = [threading.Thread(target=work, args=args)
               for args in (("gerd", ["german"]), ("nina", ["night"]), ("ada", ["german", "night"]))]
    for worker in workers:
        worker.start()
    for round_ in range(30):
        set_overflow(api, ((("german", 600),), (("night", 600),), (), (("night", 1), ("german", 2)))[round_ % 4],
                     pause="out" if round_ % 7 == 3 else "none")
    set_overflow(api, (("german", 1), ("night", 1)))
    until("all are given out", lambda: len(got) >= 400 or failed)
    stop.set()
    for worker in workers:
        worker.join()
    equal(failed, [], "failures")
    equal((len(got), len(set(got))), (400, 400), "each ticket once")
    audit(server)


def test_lone_agent_rests(t):
    """With tickets that wait for their time, or that were taken elsewhere, who waits in a helping lane costs nothing."""
    server, api = desk(t)
    gerd, daan = server.api("gerd"), server.api("daan")
    make = Messages()
    api.receipts(make.many(50, lane="dutch") + [old(make, lane="dutch") for _ in range(50)])
    until_helped(server, 50)
    equal(len(daan.leases(max=100, lanes=["dutch"])), 100, "dutch took all")
    poll = gerd.begin_pull(wait_s=50, lanes=["german"])
    until_parked(server, 1)
    before = [server.metrics().get("aswolk_" + name) for name in ("woken_in_vain_total", "stale_choices_total")]
    time.sleep(A_MOMENT_S)
    equal([server.metrics().get("aswolk_" + name) for name in ("woken_in_vain_total", "stale_choices_total")], before, "work")
    check(not poll.ended, "he waits")
    ticket = api.receipt(old(make, lane="dutch"))["ticket"]
    equal(status(gerd.connection.wait(poll), 200, "gerd").value["leases"][0]["ticket"], ticket, "what comes next")


def test_aside(t):
    """What was declined is offered to agents of helping lanes too, parked or not, and says that it was."""
    server, api = desk(t)
    daan, gerd = server.api("daan"), server.api("gerd")
    ticket = api.receipt(old(Messages(), lane="dutch"))["ticket"]
    lease = daan.lease(lanes=["dutch"])
    poll = gerd.begin_pull(wait_s=50, lanes=["german"])
    until_parked(server, 1)
    status(daan.act(lease, "decline", {"reason": "no dutch"}), 200, "decline")
    lease = status(gerd.connection.wait(poll), 200, "gerd").value["leases"][0]
    equal(lease["ticket"], ticket, "offered to who waits in the helping lane")
    equal([reason for reason in lease["reasons"] if reason.startswith(("overflow", "declined"))],
          ["overflow: helped by lane german after 600 s", "declined by 1 agent"], "why")
    status(gerd.act(lease, "decline", {"reason": "no dutch either"}), 200, "decline")
    until_helped(server, 1)
    status(gerd.pull(lanes=["german"]), 204, "nothing for who declined it")
    equal(server.api("gina").lease(lanes=["german"])["ticket"], ticket, "but for a colleague of his")


def test_kept(t):
    """A reopened ticket that is kept for one agent says for whom."""
    server, api = desk(t)
    ann = server.api("ann")
    ticket = api.receipt(Messages().next(customer="kim"))["ticket"]
    ann.completed(ann.lease())
    api.receipt(Messages("again").next(customer="kim"))
    check("kept for ann" in status(api.ticket(ticket), 200, "ticket").value["reasons"], "for whom")
    check("kept for ann" in ann.lease()["reasons"], "why she got it")


def test_moves(t):
    """A ticket that is moved to another lane takes nobody's help with it; held and let go it is helped again."""
    server, api = desk(t)
    ticket = api.receipt(old(Messages(), lane="dutch"))["ticket"]
    until_helped(server, 1)
    status(api.patch_ticket(ticket, {"hold": True}), 200, "hold")
    status(server.api("gerd").pull(lanes=["german"]), 204, "not while held")
    status(api.patch_ticket(ticket, {"hold": False}), 200, "let go")
    until_helped(server, 1)
    status(api.patch_ticket(ticket, {"lane": "main"}), 200, "move")
    equal(helped(server), 0, "nobody helps main")
    status(server.api("gerd").pull(lanes=["german"]), 204, "nor gives it")
    status(api.patch_ticket(ticket, {"lane": "dutch"}), 200, "and back")
    until_helped(server, 1)
    equal(server.api("gerd").lease(lanes=["german"])["ticket"], ticket, "helped again")


def test_killed(t):
    """After kill -9 those who helped help, also with what waits aside; who got a ticket through which lane is known."""
    server, api = desk(t)
    make = Messages()
    first, second, third = [api.receipt(old(make, lane="dutch"))["ticket"] for _ in range(3)]
    until_helped(server, 3)
    gerd = server.api("gerd")
    lease = gerd.lease(lanes=["german"])
    equal(lease["ticket"], first, "the first")
    server.kill()
    server.start()
    equal(helped(server), 2, "at once")
    gerd = server.api("gerd")
    equal(gerd.held()[0]["reasons"], lease["reasons"], "through which lane")
    equal([lease["ticket"] for lease in gerd.leases(max=10, lanes=["german"])], [second, third], "the others")
    audit(server)


if __name__ == "__main__":
    sys.exit(run(globals()))
