#!/usr/bin/python3
"""Long polls: thousands of them wait for next to nothing, the longest-waiting is served first and at once, and no ticket is lost
with a client that went away.

ASWOLK_PARK  how many pulls are parked at once (default 10,000)
"""

import os
import signal
import sys
import time

import h2.settings

from aswolk_test import PATIENCE_S, SLOW, Api, Gone, Messages, check, equal, program, problem, pump_all, run, status, until

PARKED = int(os.environ.get("ASWOLK_PARK", "10000"))
POLLS_PER_CONNECTION = 50  # Half of the streams of a connection may be polls.
WAKE_S_MAX = 0.1 * SLOW  # From post to lease, in the usual case.
LOST_S = 10 * SLOW  # Beyond that it is no busy machine any more: a wake that is lost takes the whole wait of 50 s.


def park(server, count, per_connection=POLLS_PER_CONNECTION, **pull):
    """`count` pulls in a known order of registration: one connection is all parked before the next begins."""
    apis, parked = [], []
    for first in range(0, count, per_connection):
        api = server.api("agent-%d" % (first // per_connection))
        apis.append(api)
        for _ in range(min(per_connection, count - first)):
            parked.append((api, api.begin_pull(wait_s=50, **pull)))
        until_parked(server, len(parked))
    return apis, parked


def until_parked(server, count):
    until("%d pulls are parked" % count, lambda: server.metrics().get("aswolk_parked_pulls") == count)


def memory_bytes(server):
    with open("/proc/%d/statm" % server.process.pid) as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def cpu_seconds(server):
    with open("/proc/%d/stat" % server.process.pid) as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def pump_until(apis, what, holds, patience_s=None):
    """Like until, while reading from many connections."""
    end = time.monotonic() + (patience_s or PATIENCE_S)
    while not holds():
        check(time.monotonic() < end, "in time: " + what)
        pump_all([api.connection for api in apis], 0.05)


def test_ten_thousand_parked(t):
    """They cost little and wait quietly; a burst of tickets goes to the longest-waiting of them, one each, at once."""
    server = t.server("--forecast-every-s", "0")  # whose tables, touched once somebody waits, are no pull's
    make = Messages()
    server.metrics()
    before = memory_bytes(server)
    apis = []
    parked = []
    for number in range(PARKED // POLLS_PER_CONNECTION):
        api = server.api("agent-%d" % number)
        apis.append(api)
        parked += [api.begin_pull(wait_s=50) for _ in range(POLLS_PER_CONNECTION)]
        if number == 0:
            until_parked(server, POLLS_PER_CONNECTION)  # So the first connection's are the longest-waiting.
    until_parked(server, len(parked))
    each = (memory_bytes(server) - before) / len(parked)
    used, began = cpu_seconds(server), time.monotonic()
    pump_until(apis, "a second of nothing", lambda: time.monotonic() - began > 1)
    idle = (cpu_seconds(server) - used) / (time.monotonic() - began)
    poster = server.api("gateway")
    sent = time.monotonic()
    receipts = poster.receipts(make.many(POLLS_PER_CONNECTION))
    pump_until(apis[:1], "the longest-waiting are served", lambda: all(poll.done for poll in parked[:POLLS_PER_CONNECTION]))
    latest = max(poll.at for poll in parked[:POLLS_PER_CONNECTION]) - sent
    pump_all([api.connection for api in apis], 0.05)
    equal(sum(poll.ended for poll in parked), POLLS_PER_CONNECTION, "pulls that were answered")
    got = [status(poll, 200, "woken").value["leases"][0]["ticket"] for poll in parked[:POLLS_PER_CONNECTION]]
    equal(sorted(got), sorted(receipt["ticket"] for receipt in receipts), "a ticket each")
    check(latest < LOST_S, "%d tickets reached %d agents in time" % (len(got), len(got)), latest)
    check(each < 8192 * SLOW, "memory of a parked pull with its share of a connection", each)
    t.note("%d parked, %.0f bytes each, %.1f %% of a core when idle, burst of %d within %.0f ms" % (
        len(parked), each, idle * 100, len(got), latest * 1000))
    for api in apis:
        api.connection.close()


def test_parked_pulls_leave_places(t):
    """As many idle agents as may wait: one more is turned away, and who posts, extends and completes does not notice."""
    server = t.server("--requests-max", "1024", io_threads=1)
    make = Messages()
    api = server.api()
    api.receipt(make.next())
    lease = api.lease()
    apis, parked = park(server, 512)
    problem(server.api("late").pull(wait_s=50), 503, "overloaded")
    status(api.act(lease, "extend"), 200, "extend")
    api.receipts(make.many(3))
    pump_until(apis, "three got work", lambda: sum(poll.done for _, poll in parked) == 3)
    api.completed(lease)


def test_longest_waiting_first(t):
    """Tickets one by one go to the pulls in the order in which those began, over connections and threads, within 100 ms: by the
    median, since on a busy machine this client too is kept waiting now and then."""
    server = t.server(io_threads=2)
    make = Messages()
    apis, parked = park(server, 40, per_connection=5)
    poster = server.api("gateway")
    took = []
    for number, (api, poll) in enumerate(parked):
        sent = time.monotonic()
        receipt = poster.receipt(make.next())
        answer = status(api.connection.wait(poll), 200, "pull %d" % number).value
        took.append(poll.at - sent)
        equal(answer["leases"][0]["ticket"], receipt["ticket"], "ticket of pull %d" % number)
        equal(sum(poll.ended for _, poll in parked), number + 1, "nobody else was answered")
    took.sort()
    check(took[len(took) // 2] < WAKE_S_MAX, "post to lease at the waiting agent", took)
    check(took[-1] < LOST_S, "post to lease at its slowest", took)
    t.note("post to lease %.1f ms by the median, at most %.1f ms" % (took[len(took) // 2] * 1000, took[-1] * 1000))


def test_eligible_only(t):
    """A ticket of a lane wakes the longest-waiting pull of that lane, not an older one that may not take it."""
    server = t.server()
    make = Messages()
    sue = server.api("sue")
    for lane in ("red", "blue"):
        sue.put_lane(lane)
    red, blue, both = server.api("r"), server.api("b"), server.api("x")
    in_red = red.begin_pull(lanes=["red"], wait_s=50)
    until_parked(server, 1)
    in_blue = blue.begin_pull(lanes=["blue"], wait_s=50)
    until_parked(server, 2)
    in_both = both.begin_pull(wait_s=50)
    until_parked(server, 3)
    sue.receipt(make.next(lane="blue"))
    status(blue.connection.wait(in_blue), 200, "the one in blue")
    sue.receipt(make.next(lane="blue"))
    status(both.connection.wait(in_both), 200, "then the one of all lanes")
    red.connection.pump(0.1)
    check(not in_red.ended, "the one in red waits on")
    sue.receipt(make.next(lane="red"))
    status(red.connection.wait(in_red), 200, "until there is something in red")


def test_released_ticket_reaches_a_waiting_agent(t):
    """Whatever makes a ticket visible wakes a pull: release, and a lease's end is tested in test_slice."""
    server = t.server()
    make = Messages()
    ann, bob = server.api("ann"), server.api("bob")
    ann.receipt(make.next())
    lease = ann.lease()
    poll = bob.begin_pull(wait_s=50)
    until_parked(server, 1)
    status(ann.act(lease, "release", {"reason": "other shift"}), 200, "release")
    equal(status(bob.connection.wait(poll), 200, "bob").value["leases"][0]["ticket"], lease["ticket"], "the released one")


def test_wait_for_one_take_many(t):
    """A long poll ends with the first ticket and takes what is there, up to max."""
    server = t.server()
    make = Messages()
    api = server.api()
    poll = api.begin_pull(max=100, wait_s=50)
    until_parked(server, 1)
    server.api("gateway").receipts(make.many(60))
    first = len(status(api.connection.wait(poll), 200, "pull").value["leases"])
    rest = len(api.leases(max=100)) if first < 60 else 0
    equal(first + rest, 60, "tickets altogether")
    check(first > 1, "one commit's tickets come together", first)


def test_closed_stream_gives_back(t):
    """A pull whose stream closed before its answer left gives its leases back; nobody waits for them to expire. With a window of
    nothing the answer can't leave, so the client goes while the ticket is in the queue, in a commit, or in an answer held back."""
    server = t.server()
    make = Messages()
    poster, good = server.api("gateway"), server.api("good")
    worst = 0
    moments = {"before an answer": 0, "with an answer": 0}
    for number in range(60):
        bad = Api(server.connect(settings={h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 0}), "bad")
        poll = bad.begin_pull(wait_s=50, lease_s=3600)
        until_parked(server, 1)
        post = poster.begin_post(make.next())
        if number % 3 == 0:
            pump_until([bad], "the head of the answer", lambda: poll.status == 200)
        else:
            bad.connection.pump(number % 10 / 2000.0 * SLOW)
        moments["with an answer" if poll.status else "before an answer"] += 1
        equal(poll.body, b"", "what left of the answer")
        if number % 2:
            bad.connection.reset(poll)
        else:
            bad.connection.close()
        began = time.monotonic()
        ticket = status(poster.connection.wait(post), 202, "post").value["ticket"]
        lease = good.lease(wait_s=20)
        worst = max(worst, time.monotonic() - began)
        equal(lease["ticket"], ticket, "the ticket comes to somebody else")
        good.completed(lease)
        if number % 2:
            equal(bad.connection.closed, False, "a reset ends the stream, not the connection")
            bad.connection.close()
    for moment, count in moments.items():
        check(count > 0, "clients went " + moment, moments)
    check(worst < LOST_S, "it comes back at once", worst)
    t.note("%r, back within %.0f ms" % (moments, worst * 1000))


def test_drain(t):
    """SIGTERM ends long polls at once with 204, answers what is in flight, says two GOAWAYs and exits 0."""
    server = t.server()
    make = Messages()
    apis, parked = park(server, 200)
    poster = server.api("gateway")
    receipts = []
    posts = [poster.begin_post(message) for message in make.many(50)]
    began = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    pump_until(apis + [poster], "everything is answered", lambda: all(p.ended for _, p in parked) and all(p.ended for p in posts))
    took = time.monotonic() - began
    check(took < LOST_S, "polls end at once", took)
    for api, poll in parked:
        check(poll.status in (204, 200), "a poll's answer while draining", poll.status)
    taken = sum(len(poll.value["leases"]) for _, poll in parked if poll.status == 200)
    for post in posts:
        check(post.status in (202, 503), "a post's answer while draining", post.status)
        if post.status == 202:
            receipts.append(post.value)
    pump_until(apis, "connections end", lambda: all(api.connection.closed for api in apis), PATIENCE_S)
    for api in apis:
        equal(len(api.connection.goaways), 2, "GOAWAYs of a connection")
        first, second = api.connection.goaways
        equal((first[:2], second[1]), ((0x7FFFFFFF, 0), 0), "the first names no stream, both are graceful")
        check(second[0] >= 99, "the second names the last stream", second)
    equal(server.exit_code(), 0, "exit code")
    check(time.monotonic() - began < 30 * SLOW, "exits within 30 s")
    server.start()
    api = server.api("agent-0")
    waiting = api.leases(max=100)
    equal(len(waiting) + taken, len(receipts), "every acknowledged post is waiting or leased after a start")
    t.note("200 polls ended within %.0f ms" % (took * 1000))


def test_posts_while_draining(t):
    """A connection that posts on into a drain gets answers, or a GOAWAY that tells which were not looked at: none is in between."""
    server = t.server()
    make = Messages()
    api = server.api("gateway")
    sent = []
    deadline = time.monotonic() + PATIENCE_S
    told_at = None
    while not api.connection.closed:
        check(time.monotonic() < deadline, "the connection ends", len(sent))
        if told_at is None and sum(response.done for _, response in sent) >= 50:
            server.process.send_signal(signal.SIGTERM)
            told_at = time.monotonic()
            deadline = told_at + PATIENCE_S  # A connection that does not stop by itself is ended in bounded time.
        if len(api.connection.responses) < 50:
            message = make.next()
            try:
                sent.append((message, api.begin_post(message)))
            except Gone:
                break
        api.connection.pump(0.001)
    ended = time.monotonic() - told_at
    equal(server.exit_code(), 0, "exit code")
    last = api.connection.goaways[-1][0] if api.connection.goaways else 0
    server.start()
    again = server.api("gateway")
    answers = []
    for first in range(0, len(sent), 1000):
        answers += status(again.post_many([message for message, _ in sent[first : first + 1000]]), 200, "all again").lines
    acknowledged = 0
    for (message, response), answer in zip(sent, answers):
        equal(answer["status"], 202, "posted again")
        if response.done and response.status == 202:
            acknowledged += 1
            check(answer["duplicate"], "an acknowledged one is there", message)
        elif response.status == 503 or response.stream > last:
            check(not answer["duplicate"], "one that was not looked at is not there", (message, response.stream, last))
    check(acknowledged >= 50, "what was acknowledged before the drain", (acknowledged, len(sent)))
    t.note("%d posts, %d acknowledged; the connection ended after %.1f s" % (len(sent), acknowledged, ended))


def test_stop_reaches_the_committer(t):
    """The word to stop may come at any moment of the committer's way to sleep. Its clock is made slow, so that this way is long."""
    library = program("libaw_slow_clock.so")
    check(os.path.exists(library), "the library of the slow clock is built", library)
    env = {"LD_PRELOAD": library, "ASWOLK_SLOW_THREAD": "committer", "ASWOLK_SLOW_US": "3000"}
    server = t.server(env=env)
    make = Messages()
    for _ in range(12):
        api = server.api("gateway")
        api.receipt(make.next())
        api.begin_pull(max=2, wait_s=50)
        api.connection.close()
        time.sleep(t.random.uniform(0, 0.02))
        server.stop()
        server.start()


if __name__ == "__main__":
    sys.exit(run(globals()))
