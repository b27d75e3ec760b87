#!/usr/bin/python3
"""The order of pulls: another order or other targets count from a SIGHUP on, for all threads, without a connection dropped or a
ticket moved, and after a restart; settings that are wrong leave those in use. Channels that close. Hundreds of lanes in one pull,
and all of them."""

import os
import signal
import sys
import time

from aswolk_test import Messages, check, equal, problem, rfc3339, run, status, until

CONFIG = "order = %s\ntarget-disrupted-min = %d\n# the rest is as it was\ndrain-s = %d\n"


def ago(minutes):
    return rfc3339(time.time() - 60 * minutes)


def write_config(path, order="ratio", disrupted_min=60, drain_s=10):
    """As an editor does that saves by renaming."""
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write(CONFIG % (order, disrupted_min, drain_s))
    os.rename(path + ".new", path)


def reload(server, message="settings reloaded"):
    server.process.send_signal(signal.SIGHUP)
    return server.wait_log(message)


def first_of(api):
    """The class of what a pull gets; it goes back."""
    lease = api.lease(lanes=["main"])
    equal(api.act(lease, "release", {"reason": "only looking"}).status, 200, "release")
    return lease["class"]


def changes_to(api, class_):
    """Each io thread changes over by itself, some time after the signal; from then on it stays so."""
    until("a pull gets %s" % class_, lambda: first_of(api) == class_)
    for _ in range(5):
        equal(first_of(api), class_, "what a pull gets from now on")


def test_live_order(t):
    config = os.path.join(t.folder, "aswolkd.conf")
    write_config(config)
    server = t.server("--config", config)
    desks, messages = [server.api("desk-%d" % i) for i in range(4)], Messages()
    api = desks[0]
    status(api.put_lane("quiet", {}), 201, "a lane for a pull that waits")
    api.receipt(messages.next(**{"class": "general"}, received_at=ago(1200)))  # 5 times its target
    api.receipt(messages.next(**{"class": "disrupted"}, received_at=ago(30)))  # half of it
    waiting = desks[1].begin_pull(lanes=["quiet"], wait_s=50)
    for desk in desks:
        equal(first_of(desk), "general", "by ratio the longest wait for its class")

    write_config(config, order="strict", drain_s=11)
    event = reload(server)
    equal((event["order"], event["after_restart"]), ("strict", "drain-s"), "what the log says")
    for desk in desks:
        changes_to(desk, "disrupted")
    write_config(config, order="ratio")
    equal(reload(server)["after_restart"], "", "nothing waits for a restart")
    for desk in desks:
        changes_to(desk, "general")
    write_config(config, disrupted_min=1)  # thirty times its target now
    equal(reload(server)["disrupted_min"], 1, "the target")
    for desk in desks:
        changes_to(desk, "disrupted")

    # What can't be used changes nothing.
    write_config(config, order="chaos")
    event = reload(server, "the settings were not reloaded; the old ones stay")
    check("chaos" in event["why"], "why", event)
    for desk in desks:
        equal(first_of(desk), "disrupted", "the old target is in use")

    # Nobody was disconnected, and who waited still does, unless this took longer than a pull may wait.
    late = api.receipt(messages.next(lane="quiet"))
    answer = desks[1].connection.wait(waiting)
    leases = answer.value["leases"] if answer.status != 204 else desks[1].leases(lanes=["quiet"])
    equal([lease["ticket"] for lease in leases], [late["ticket"]], "what the pull gets that waited all the while")

    # A restart reads the file as it is then.
    write_config(config, order="strict")
    server.restart()
    equal(first_of(server.api()), "disrupted", "strict after the restart")
    write_config(config, order="ratio")
    server.restart()
    equal(first_of(server.api()), "general", "ratio after the next")


def test_many_reloads(t):
    """Signals faster than the threads take notice: the last one counts, everywhere."""
    config = os.path.join(t.folder, "aswolkd.conf")
    write_config(config)
    server = t.server("--config", config, io_threads=4)
    desks, messages = [server.api("desk-%d" % i) for i in range(8)], Messages()
    desks[0].receipt(messages.next(**{"class": "general"}, received_at=ago(1200)))
    desks[0].receipt(messages.next(**{"class": "disrupted"}, received_at=ago(30)))
    for turn in range(40):
        write_config(config, order=("strict", "ratio")[turn % 2])
        server.process.send_signal(signal.SIGHUP)
    write_config(config, order="strict", disrupted_min=59)
    while reload(server)["disrupted_min"] != 59:
        pass
    for desk in desks:
        changes_to(desk, "disrupted")


# --- channels that close ----------------------------------------------------------------------------------------------------------


def look(api, count):
    """What one pull gets, in its order; all of it goes back."""
    leases = api.leases(max=count + 1)
    for lease in leases:
        status(api.act(lease, "release", {"reason": "only looking"}), 200, "release")
    return leases


def test_channels_that_close(t):
    """Who can soon not be answered any more goes before those who have waited longer, found deep in a queue; who can't be answered
    in time gains nothing; who writes again neither gains nor loses; a restart changes nothing."""
    server = t.server()
    api, messages = server.api(), Messages()
    posts = [
        ("old", 1400, None),
        ("older than most", 1300, None),
        ("too late", 1250, ago(-2)),  # handling takes six minutes
        ("closing", 1200, ago(-60)),  # 20 times what it may wait
        ("closing later", 1100, ago(-120)),  # 9 times
        ("far", 1000, ago(-600)),
    ]
    tickets, wrote = {}, {}
    for name, waited, reply_by in posts:
        wrote[name] = messages.next(received_at=ago(waited), **{"class": "general"})
        if reply_by:
            wrote[name]["reply_by"] = reply_by
        tickets[api.receipt(wrote[name])["ticket"]] = name
    wanted = ["closing", "closing later", "old", "older than most", "too late", "far"]
    leases = look(api, len(posts))
    equal([tickets[lease["ticket"]] for lease in leases], wanted, "one pull of all")
    equal(leases[0]["reply_to"]["reply_by"][:16], wrote["closing"]["reply_by"][:16], "until when")
    again = api.receipt(messages.next(customer=wrote["closing"]["customer"], reply_by=ago(-1400)))
    equal((tickets[again["ticket"]], again["folded"]), ("closing", True), "who writes again")
    equal([tickets[lease["ticket"]] for lease in look(api, len(posts))], wanted, "after that")
    server.restart()
    api = server.api()
    equal([tickets[lease["ticket"]] for lease in look(api, len(posts))], wanted, "after a restart")
    api.receipt(messages.next(customer=wrote["far"]["customer"], reply_by=ago(-30)))
    equal([tickets[lease["ticket"]] for lease in look(api, len(posts))], ["far"] + wanted[:5], "a channel that closes sooner")


# --- lanes of an agent ----------------------------------------------------------------------------------------------------------


def make_lanes(api, names):
    puts = [api.begin("PUT", "/v1/lanes/" + name, {}) for name in names]
    for put in puts:
        status(api.connection.wait(put), 201, "a new lane")


def drain(api, lanes=None):
    """All tickets that pulls of these lanes get, in their order."""
    tickets = []
    while True:
        leases = api.leases(max=37, lanes=lanes)
        tickets += [lease["ticket"] for lease in leases]
        if not leases:
            return tickets


def test_hundreds_of_lanes(t):
    """One queue over all lanes of a pull, wherever its tickets lie; who names none has all; others' lanes are left alone."""
    server = t.server("--lanes-max", "2000")
    api, messages = server.api(), Messages()
    names = ["team-%03d" % i for i in range(400)]
    for first in range(0, len(names), 50):
        make_lanes(api, names[first : first + 50])
    mine, seen = names[:300], t.random.sample(range(1, 100000), 700)
    posts = [messages.next(lane=t.random.choice(names), received_at=ago(wait / 100), **{"class": "general"}) for wait in seen]
    receipts = api.receipts(posts)
    by_age = [receipt for _, receipt in sorted(zip(seen, receipts), key=lambda pair: -pair[0])]
    # An empty lane, one twice, and some hundred with tickets; then what is left, for somebody of all lanes.
    got = drain(api, mine + ["main", mine[7]])
    equal(got, [r["ticket"] for r in by_age if r["lane"] in mine], "tickets of its lanes, the oldest first")
    late = api.receipt(messages.next(care=["medical"], lane=names[399]))
    equal(
        drain(server.api("all")),
        [late["ticket"]] + [r["ticket"] for r in by_age if r["lane"] not in mine],
        "tickets of all other lanes, care first, then the oldest",
    )
    # A pull that waits in hundreds of lanes is woken by each of them, and by no other.
    for lane in (mine[0], mine[299], mine[150]):
        waiting = api.begin_pull(lanes=mine, wait_s=50)
        other = api.receipt(messages.next(lane=names[350]))
        wanted = api.receipt(messages.next(lane=lane))
        answer = api.connection.wait(waiting)
        leases = answer.value["leases"] if answer.status != 204 else api.leases(lanes=mine)
        equal([lease["ticket"] for lease in leases], [wanted["ticket"]], "what the pull gets that waited")
        equal(drain(server.api("all")), [other["ticket"]], "what was not for it")
    problem(api.pull(lanes=["team-%04d" % i for i in range(1025)]), 400, "bad-value")


if __name__ == "__main__":
    sys.exit(run(globals()))
