#!/usr/bin/python3
"""What goes wrong under the server: a disk that fails or is full, a folder that is taken, closed to it, or from another time."""

import hashlib
import json
import os
import struct
import subprocess
import sys

from aswolk_test import (
    NDJSON,
    PATIENCE_S,
    Api,
    Faults,
    Gone,
    Messages,
    Server,
    check,
    equal,
    problem,
    problem_value,
    program,
    pump_all,
    run,
    status,
    until,
)

MIB = 1 << 20


def logged(server):
    return "\n".join(server.logs)


def refuses_to_start(server, words, what):
    """The process ends by itself, not with 0, and says one of these."""
    server.spawn()
    code = server.exit_code()
    check(code > 0, what + ": exit code", code)
    text = logged(server).lower()
    check(any(word in text for word in words), what + ": a clear message with one of %r" % (words,), text[-600:])


def fingerprint(folder):
    """Names and contents of all files, but for lock files, which hold no data."""
    result = {}
    for name in sorted(os.listdir(folder)):
        if not name.endswith("lock") and not name.endswith("lock.mdb"):
            with open(os.path.join(folder, name), "rb") as file:
                result[name] = hashlib.sha256(file.read()).hexdigest()
    return result


# --- no room ------------------------------------------------------------------------------------------------------------------


SMALL = ["--store-bytes-max", str(24 * MIB), "--store-reserve-bytes", str(8 * MIB)]
LARGE = ["--store-bytes-max", str(400 * MIB), "--store-reserve-bytes", str(8 * MIB)]


def fill(api, make):
    """Posts until the store says that it is full; returns the tickets."""
    acked = []
    while True:
        response = api.post(make.next(text=os.urandom(15000).hex()))
        if response.status != 202:
            problem(response, 507, "store-full")
            check(int(response.fields["retry-after"]) > 0, "Retry-After", response.fields)
            return acked
        acked.append(response.value["ticket"])
        check(len(acked) < 2000, "the store becomes full")


def fill_some(api, make, count):
    return [api.receipt(make.next(text=os.urandom(15000).hex()))["ticket"] for _ in range(count)]


def drain_many(api):
    drained = []
    while True:
        leases = api.leases(max=100)
        if not leases:
            return drained
        drained += [lease["ticket"] for lease in leases]
        lines = [{"lease": lease["lease"]} for lease in leases]
        answers = status(api.post_many(lines, path="/v1/leases/complete"), 200, "complete many").lines
        equal([answer["status"] for answer in answers], [200] * len(lines), "completes")


def test_store_full(t):
    """507 with Retry-After while pulls, extends and completes go on; so also after kill -9; with more room posts work again."""
    server = t.server(*SMALL)
    make = Messages()
    api = server.api()
    acked = fill(api, make)
    check(len(acked) > 100, "posts before the store was full", len(acked))
    answers = status(api.post_many(make.many(3, text="x" * 60000)), 200, "batch").lines
    for answer in answers:
        problem_value(answer, 507, "store-full")
    status(api.get("/readyz"), 200, "ready to drain")
    equal(api.get("/readyz?for=intake").status, 503, "not ready to take in")
    metrics = server.metrics()
    check(metrics.get("aswolk_store_bytes", kind="used") <= 24 * MIB, "used stays below the limit")
    drained = []
    kept = api.lease(lease_s=3600)
    drained.append(kept["ticket"])
    for number in range(40):
        lease = api.lease(lease_s=60)
        status(api.act(lease, "extend", {"lease_s": 600}), 200, "extend while full")
        if number % 10 == 9:
            status(api.act(lease, "release", {"reason": "full"}), 200, "release while full")
        else:
            api.completed(lease)
            drained.append(lease["ticket"])
    status(api.patch_ticket(acked[-1], {"hold": True}), 200, "hold while full")
    status(api.patch_ticket(acked[-1], {"hold": False}), 200, "unhold while full")
    word = "w" * 8192  # what colleagues tell each other takes nothing of the reserve
    notes = (api.send("POST", "/v1/tickets/%s/notes" % acked[-1], {"text": word}) for _ in range(500))
    problem(next(answer for answer in notes if answer.status != 200), 507, "store-full")
    transfer = None
    while transfer is None or transfer.status == 200:  # A checkpoint that ends may leave room for some.
        lease = api.lease(lease_s=60, lanes=["main"])
        transfer = api.act(lease, "transfer", {"lane": "listening", "note": word})
    problem(transfer, 507, "store-full")
    status(api.act(lease, "transfer", {"lane": "listening"}), 200, "transfer while full")
    server.restart()
    api = server.api()
    status(api.act(kept, "extend", {"lease_s": 3600}), 200, "a held token after a start of a full store")
    problem(api.post(make.next(text="x" * 60000)), 507, "store-full")
    server.kill()
    server.args = LARGE
    server.start()
    api = server.api()
    receipt = api.receipt(make.next(text="room again"))
    status(api.get("/readyz?for=intake"), 200, "ready to take in")
    api.completed(kept)
    drained += drain_many(api)
    equal(sorted(drained), sorted(acked + [receipt["ticket"]]), "each acknowledged ticket was drained once")
    t.note("%d messages of 30 kB fit above the reserve" % len(acked))


def test_full_store_drains_to_the_end(t):
    """The reserve is enough to complete every single ticket of a full store, one commit each, over several starts."""
    server = t.server(*SMALL)
    make = Messages()
    acked = fill(server.api(), make)
    drained = []
    for _ in range(3):
        api = server.api()
        for _ in range(len(acked) // 3 + 1):
            leases = api.leases()
            if not leases:
                break
            status(api.act(leases[0], "extend"), 200, "extend")
            api.completed(leases[0])
            drained.append(leases[0]["ticket"])
        server.restart()
    equal(drained, acked, "every ticket, in order")


def test_table_of_tickets_full(t):
    """At the limit of open tickets posts get 507, everything else works, and completed tickets make room."""
    server = t.server("--tickets-max", "1000", "--leases-max", "1000", "--reopen-h", "0")
    make = Messages()
    api = server.api()
    messages = make.many(1200)
    answers = status(api.post_many(messages), 200, "1,200 at once").lines
    codes = [answer["status"] for answer in answers]
    equal(sorted(set(codes)), [202, 507], "statuses")
    taken = codes.count(202)
    check(900 <= taken <= 1000, "about as many as the limit", taken)
    problem_value(answers[-1], 507, "table-full")
    response = api.post(make.next())
    problem(response, 507, "table-full")
    check(int(response.fields["retry-after"]) > 0, "Retry-After", response.fields)
    status(api.post(make.next(customer=messages[0]["customer"])), 202, "a follow-up needs no new ticket")
    for lease in api.leases(max=100):
        api.completed(lease)
    api.receipts(make.many(90))


def test_table_of_ids_full(t):
    """At the limit of remembered source ids posts get 507: an id is never forgotten early, so its repeat is still a duplicate."""
    server = t.server("--ids-max", "1000")
    make = Messages()
    api = server.api()
    messages = make.many(1200)
    answers = status(api.post_many(messages), 200, "1,200 at once").lines
    taken = [(message, answer) for message, answer in zip(messages, answers) if answer["status"] == 202]
    check(900 <= len(taken) <= 1000, "about as many as the limit", len(taken))
    for round_ in range(2):
        again = status(api.post_many([message for message, _ in taken]), 200, "again").lines
        for (_, first), repeat in zip(taken, again):
            equal((repeat["status"], repeat["duplicate"], repeat["message"]), (202, True, first["message"]), "round %d" % round_)
        problem(api.post(make.next()), 507, "table-full")
        if round_ == 0:
            server.restart()
            api = server.api()
    equal(len(drain_many(api)), len(taken), "all of them drain")


def test_tables_that_a_few_fill(t):
    """Leases, agents, lanes and flights have limits too: what would be one more gets 507, the others go on."""
    limits = ("--leases-max", "100", "--agents-max", "16", "--lanes-max", "8", "--flights-max", "16")
    server = t.server(*limits, "--tickets-max", "1000")
    make = Messages()
    api = server.api()
    api.receipts(make.many(130))
    names = ["agent-%d" % number for number in range(16)]
    leases = [server.api(name).lease() for name in names]
    problem(server.api("one-more").pull(), 507, "table-full")
    server.close_all()
    agents = {name: server.api(name) for name in names[:2]}
    equal(len(agents["agent-0"].leases(max=100)), 84, "as many leases as there may be")
    refused = agents["agent-0"].pull()
    problem(refused, 507, "table-full")
    check(int(refused.fields["retry-after"]) > 0, "Retry-After", refused.fields)
    agents["agent-1"].completed(leases[1])
    equal(len(agents["agent-0"].leases()), 1, "there is room again")
    api = server.api()
    lanes = [api.put_lane("lane-%d" % number).status for number in range(8)]
    check(201 in lanes and lanes[-1] == 507, "lanes", lanes)
    problem(api.put_lane("lane-7"), 507, "table-full")
    status(api.put_lane("main", {"pause": "in"}), 200, "those that are there can be changed")
    flights = [
        api.send("PUT", "/v1/flights/KL%d/2031-04-15" % number, {"state": "cancelled"}).status for number in range(1, 18)
    ]
    equal(flights, [201] * 16 + [507], "flights")
    status(api.send("PUT", "/v1/flights/KL1/2031-04-15", {"state": "scheduled"}), 200, "those that are there can be changed")


def test_flood_of_posts_and_a_complete(t):
    """When a slow disk lets posts pile up, these are turned away before who would end a ticket is."""
    faults = Faults(t)
    server = t.server("--requests-max", "1024", env=faults.env, io_threads=1)
    make = Messages()
    api = server.api()
    api.receipts(make.many(2))
    lease, other = api.leases(max=2)
    faults.set("fdatasync:1+:HANG")
    gateways = [server.connect() for _ in range(12)]
    posts = []
    for number in range(1100):
        gateway = Api(gateways[number % 12], "gateway")
        posts.append((gateway.connection, gateway.begin_post(make.next())))

    def turned_away():
        pump_all(gateways, 0.05)
        return [post for _, post in posts if post.done]

    until("what is too much is turned away", lambda: len(turned_away()) >= 1100 - 1024)
    for post in turned_away():
        problem(post, 503, "overloaded")
        check(int(post.fields["retry-after"]) > 0, "Retry-After", post.fields)
    completing = api.begin("POST", "/v1/leases/%s/complete" % lease["lease"], {})
    extending = api.begin("POST", "/v1/leases/%s/extend" % other["lease"], {})
    polling = server.api("bob").begin_pull(wait_s=50)
    status(api.get("/healthz"), 200, "alive")
    check(not completing.ended and not extending.ended and not polling.ended, "these wait", completing.status)
    faults.clear()
    status(api.connection.wait(completing), 200, "complete")
    status(api.connection.wait(extending), 200, "extend")
    for connection, post in posts:
        check((post if post.done else connection.wait(post)).status in (202, 503), "a post", post.status)
    accepted = sum(post.status == 202 for _, post in posts)
    check(0 < accepted < 1024, "posts that had a place", accepted)
    t.note("%d of 1,100 posts had a place" % accepted)


def test_tables_grow(t):
    """A table that was full decides nothing else when it is larger after a restart; a smaller one ends the start and is named."""
    server = t.server("--asides-max", "16")
    make = Messages()
    api = server.api()
    posts = make.many(20, **{"class": "general"})
    api.receipts(posts)
    for lease in api.leases(max=20):
        api.completed(lease)
    api.receipts([dict(post, source_id=post["source_id"] + "-again") for post in posts])  # Each reopens, and would be kept for him.
    equal(server.metrics().get("aswolk_table_rows", table="asides"), 16, "the table is full")
    for kill in (True, False):
        if kill:
            server.kill()
        else:
            server.stop()
        server.args = ["--asides-max", "32" if kill else "64"]
        server.start()
    server.stop()
    server.args = ["--asides-max", "48"]
    server.logs.clear()
    refuses_to_start(server, ("asides-max 64",), "a table that is smaller than it was")
    server.args = ["--asides-max", "64"]
    server.start()
    equal(len(server.api().leases(max=100)), 20, "tickets that wait")


# --- a disk that fails --------------------------------------------------------------------------------------------------------


def expect_broken(server, api):
    """Nothing is acknowledged any more, nothing is read from a state that may not be on disk, and monitors see it."""
    problem(api.post(Messages("late").next()), 503, "store-broken")
    problem(api.pull(), 503, "store-broken")
    problem(api.get("/v1/leases"), 503, "store-broken")
    ready = api.get("/readyz")
    equal((ready.status, ready.value["role"]), (503, "broken"), "readyz")
    equal(api.get("/readyz?for=intake").status, 503, "readyz for intake")
    status(api.get("/healthz"), 200, "healthz: the process lives")
    server.metrics()


def break_store(t, rule, data):
    """Breaks the store under load; no 2xx may come behind the failure, every waiting request gets its 503, a restart mends it."""
    faults = Faults(t)
    faults.clear()
    server = t.server(data=data, env=faults.env)
    make = Messages(data)
    api = server.api("ann")
    first = make.many(20)
    acked = {message["source_id"]: answer["message"] for message, answer in zip(first, api.receipts(first))}
    held = api.lease(lease_s=3600)
    sue = server.api("sue")
    sue.put_lane("empty")
    parked = [sue.begin_pull(lanes=["empty"], wait_s=50) for _ in range(5)]
    until("pulls are parked", lambda: server.metrics().get("aswolk_parked_pulls") == 5)
    watcher = server.connect()
    stream = watcher.begin("GET", "/v1/events?after=0", [("accept", "text/event-stream")])
    gateways = [server.api("gateway-%d" % number) for number in range(4)]

    def has_told_first():
        watcher.pump(0.02)
        return stream.body.count(b"\ndata: ") >= len(first)

    until("the stream has told what came first", has_told_first)
    faults.set(rule)
    posts, unsure = [], []
    completing = None
    while not unsure:  # A rule may let the first flushes pass, and one flush may take many posts.
        check(len(posts) < 2000, "the rule breaks the store", rule)
        burst = []
        for number in range(40):
            message = make.next()
            burst.append((gateways[number % 4], message, gateways[number % 4].begin_post(message)))
        if completing is None:
            completing = api.begin("POST", "/v1/leases/%s/complete" % held["lease"], {})
        for gateway, message, post in burst:
            gateway.connection.wait(post)
            if post.status == 202:  # Its commit came before the failure.
                acked[message["source_id"]] = post.value["message"]
            else:
                problem(post, 503, "store-broken")
                unsure.append(message)
        posts += burst
    completed = api.connection.wait(completing)
    check(completed.status in (200, 503), "complete around the failure", completed.status)
    for poll in parked:
        problem(sue.connection.wait(poll), 503, "store-broken")
    until("the stream of events ends", lambda: stream.ended or watcher.pump(0.05) and stream.ended)
    check(stream.reset is not None, "it is cut off, not ended as if that were all")
    told = [json.loads(line[6:]) for line in stream.body.decode("utf-8").split("\n") if line.startswith("data: ")]
    expect_broken(server, api)
    problem(api.get("/v1/messages/%s" % next(iter(acked.values()))), 503, "store-broken")
    faults.clear()
    expect_broken(server, api)  # A second flush may succeed and still have lost the first: the latch holds until exit.
    server.restart()
    api = server.api("ann")
    whole = status(api.connection.request("GET", "/v1/events", [("accept", NDJSON)]), 200, "all events").lines
    check(len(told) >= len(first) and told == whole[: len(told)], "what was told is what happened", (len(told), len(whole)))
    again = status(api.post_many(first + [message for _, message, _ in posts]), 200, "all again").lines
    for message, answer in zip(first + [message for _, message, _ in posts], again):
        equal(answer["status"], 202, "accepted after the restart")
        if message["source_id"] in acked:
            equal((answer["duplicate"], answer["message"]), (True, acked[message["source_id"]]), "what was acknowledged is there")
    if completed.status == 200:
        equal(problem(api.act(held, "extend"), 409, "lease-lost")["state"], "closed", "the acknowledged complete stands")
    else:
        check(api.complete(held).status == 200, "the complete that was not acknowledged works now, whichever way it went")
    server.check_pools()
    server.stop()
    return len(unsure)


def test_failed_flush(t):
    """fdatasync fails: 503 store-broken for everyone who waits, never a 2xx; the latch holds; a restart recovers all promises."""
    refused = [break_store(t, "fdatasync:1:EIO", "once"), break_store(t, "fdatasync:2+:EIO", "for-ever")]
    t.note("posts that were refused: %r" % refused)


def test_failed_write(t):
    """The same when a write fails, wholly or half-way."""
    refused = [break_store(t, "write:1:EIO", "eio"), break_store(t, "write:1:SHORT", "short")]
    t.note("posts that were refused: %r" % refused)


def test_killed_at_every_write(t):
    """SIGKILL in front of the 1st, 2nd, ... call that writes or flushes the store: what was acknowledged is there after each."""
    faults = Faults(t)
    server = t.server(env=faults.env, start=False)
    make = Messages()
    acked, unsure = {}, []
    kills = 0
    for call in ("write", "fdatasync"):
        for number in range(1, 9):
            faults.clear()
            server.start()
            faults.set("%s:%d:KILL" % (call, number))
            api = server.api()
            for _ in range(200):
                messages = make.many(3)
                try:
                    for message, answer in zip(messages, api.receipts(messages)):
                        acked[message["source_id"]] = (message, answer["message"])
                except Gone:
                    unsure += messages
                    break
            check(api.connection.closed, "the server was killed at call %d of %s" % (number, call))
            server.kill()
            kills += 1
    faults.clear()
    server.start()
    api = server.api()
    for message, answer in zip((m for m, _ in acked.values()), api.receipts([m for m, _ in acked.values()])):
        equal((answer["duplicate"], answer["message"]), (True, acked[message["source_id"]][1]), "an acknowledged message")
    stayed = [answer["duplicate"] for answer in api.receipts(unsure)]
    for first in range(0, len(stayed), 3):
        check(len(set(stayed[first : first + 3])) == 1, "a request is there as a whole or not at all", stayed[first : first + 3])
    equal(len(drain_many(api)), len(acked) + len(unsure), "each message once")
    t.note("%d kills, %d acknowledged, of %d others %d were kept" % (kills, len(acked), len(unsure), sum(stayed)))


def test_flush_that_hangs(t):
    """A disk that does not come back: monitors see it within seconds and are answered; what waits is acknowledged when it comes."""
    faults = Faults(t)
    server = t.server(env=faults.env)
    make = Messages()
    api = server.api()
    api.receipt(make.next())
    faults.set("fdatasync:1+:HANG")
    post = api.begin_post(make.next())
    monitor = server.api("monitor")
    ready = until("not ready", lambda: [r for r in [monitor.get("/readyz")] if r.status == 503])[0]
    check("flush" in ready.value["detail"], "why", ready.value)
    status(monitor.get("/healthz"), 200, "the process lives")
    equal(server.metrics().get("aswolk_tickets"), 0, "what the state would have to say is left out")
    check(not post.ended, "nothing is acknowledged", post.status)
    faults.clear()
    status(api.connection.wait(post), 202, "acknowledged once it is on disk")
    until("ready again", lambda: monitor.get("/readyz").status == 200)
    equal(len(api.leases(max=5)), 2, "both are there")


def test_starting(t):
    """Until its first commit is on disk a server answers monitors, and everybody else that they should come back."""
    faults = Faults(t)
    server = t.server(env=faults.env)
    make = Messages()
    receipt = server.api().receipt(make.next())
    server.keep_address()
    server.kill()
    faults.set("fdatasync:2+:HANG")  # The first is part of opening the store, before anybody listens.
    server.spawn()

    def look():
        try:
            return server.api().get("/readyz")
        except OSError:
            return None  # Nobody listens yet.

    ready = until("it listens", look)
    equal((ready.status, ready.value["role"], ready.value["ready"]), (503, "starting", False), "readyz")
    api = server.api()
    for refused in (api.post(make.next()), api.pull(), api.get("/v1/leases"), api.ticket(receipt["ticket"])):
        problem(refused, 503, "starting")
        check(int(refused.fields["retry-after"]) > 0, "Retry-After", refused.fields)
    status(api.get("/healthz"), 200, "the process lives")
    server.metrics()
    faults.clear()
    server.ready = server.wait_log("ready")
    equal([lease["ticket"] for lease in server.api().leases(max=5)], [receipt["ticket"]], "what was there before")


def test_disk_full(t):
    """The disk, not our limit, is full: posts get 507, the reserve drains, and with room on the disk it goes on by itself."""
    faults = Faults(t)
    server = t.server("--store-reserve-bytes", str(8 * MIB), env=faults.env)
    make = Messages()
    api = server.api()
    api.receipt(make.next())
    faults.set("space:%d:ENOSPC" % os.path.getsize(os.path.join(server.folder, "data.mdb")))
    acked = fill(api, make)
    equal(api.get("/readyz").value["role"], "full", "role")
    equal(api.get("/readyz?for=intake").status, 503, "ready for intake")
    for _ in range(min(100, len(acked))):
        api.completed(api.lease())
    faults.clear()
    until("it is ready for intake by itself, though nobody posts", lambda: api.get("/readyz?for=intake").status == 200)
    api.receipt(make.next(text="x" * 30000))
    t.note("%d messages of 30 kB fit into what was allocated" % len(acked))


def test_start_on_a_full_disk(t):
    """A store that is there starts on a full disk, keeps its promises and drains; a new one is refused with a clear message."""
    faults = Faults(t)
    faults.clear()
    reserve = ["--store-reserve-bytes", str(8 * MIB)]
    server = t.server(*reserve, env=faults.env)
    make = Messages()
    api = server.api()
    acked = fill_some(api, make, 200)
    held = api.lease(lease_s=3600)
    server.kill()
    faults.set("space:%d:ENOSPC" % os.path.getsize(os.path.join(server.folder, "data.mdb")))
    server.start()
    api = server.api()
    status(api.act(held, "extend", {"lease_s": 3600}), 200, "a held token")
    acked += fill(api, make)
    equal(api.get("/readyz").value["role"], "full", "role")
    for _ in range(6):  # A start may find some pages that could not be used before, but soon nothing is left above the reserve.
        server.restart()
        api = server.api()
        more = fill(api, make)
        acked += more
    equal(more, [], "posts that still fit")
    api.completed(held)
    equal(sorted([held["ticket"]] + drain_many(api)), sorted(acked), "every acknowledged ticket was drained once")
    faults.clear()
    until("it takes posts in again", lambda: api.get("/readyz?for=intake").status == 200)
    api.receipt(make.next(text="x" * 30000))
    faults.set("space:%d:ENOSPC" % MIB)
    new = t.server(*reserve, data="new", env=faults.env, start=False)
    refuses_to_start(new, ("no space left on device", "no room on the disk"), "a new store on a full disk")
    faults.clear()
    new.logs.clear()
    new.start()  # Nothing half-made is in the way.
    new.api().receipt(make.next())


# --- folders ------------------------------------------------------------------------------------------------------------------


def test_folder_in_use(t):
    """A second server on the same folder ends with a clear message, and the first one does not notice."""
    server = t.server()
    make = Messages()
    receipt = server.api().receipt(make.next())
    second = t.server(start=False)
    refuses_to_start(second, ("process id %d uses it" % server.process.pid,), "a folder in use")
    equal(server.api().lease()["ticket"], receipt["ticket"], "the first goes on")
    server.kill()
    second.logs.clear()
    second.start()  # A lock dies with its holder: no file has to be removed by hand.
    equal(len(second.api().held()), 1, "the second takes over after the first was killed")


def without_right_to_everything(command):
    """root may write anywhere; without this capability it is held to the modes of files like anybody else."""
    if os.geteuid() != 0:
        return command
    return ["setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override"] + command


def test_folder_not_writable(t):
    """A folder that can't be written, or is none, ends the start with its name and the reason."""
    folder = t.data_folder("closed")
    os.chmod(folder, 0o500)
    done = subprocess.run(
        without_right_to_everything(Server(folder).command()),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=PATIENCE_S,
    )
    text = (done.stdout + done.stderr).decode()
    os.chmod(folder, 0o700)
    check(done.returncode > 0, "exit code", done.returncode)
    check(folder in text and "denied" in text.lower(), "names the folder and the reason", text[-600:])
    equal(os.listdir(folder), [], "nothing was left there")
    path = os.path.join(t.folder, "file")
    with open(path, "w") as file:
        file.write("not a folder\n")
    refuses_to_start(t_server_at(t, path), ("not a directory", "not a folder"), "a file instead of a folder")
    with open(path) as file:
        equal(file.read(), "not a folder\n", "the file is untouched")


def t_server_at(t, path):
    server = Server(path)
    t.servers.append(server)
    return server


# --- stores from another time -------------------------------------------------------------------------------------------------


def crc32c(data, crc=0):
    crc ^= 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


class StoreFile:
    """The bytes of data.mdb, to damage them with care. The layouts are told in store/value.h, store/lmdb_open.c
    and model/record.c."""

    HEAD = struct.Struct("<III")  # bytes, count and CRC in front of a value
    AT_COUNT, AT_INDEX, AT_FIRST_SEQ, HEADER_BYTES = 28, 40, 64, 160

    def __init__(self, folder):
        self.path = os.path.join(folder, "data.mdb")
        with open(self.path, "rb") as file:
            self.bytes = bytearray(file.read())

    def save(self):
        with open(self.path, "wb") as file:
            file.write(self.bytes)

    def last_batches(self):
        """Where the batch with the highest index lies; LMDB may have old copies of its page too."""
        found = {}
        at = self.bytes.find(b"awb1")
        while at >= 0:
            index = struct.unpack_from("<Q", self.bytes, at + self.AT_INDEX)[0]
            found.setdefault(index, []).append(at)
            at = self.bytes.find(b"awb1", at + 4)
        return found[max(found)]

    def seal_value(self, at):
        """Writes the CRC of the value whose bytes begin at `at`."""
        size, count, _ = self.HEAD.unpack_from(self.bytes, at - self.HEAD.size)
        check(size <= 2010, "the batch is in one piece", size)
        first_seq = self.bytes[at + self.AT_FIRST_SEQ : at + self.AT_FIRST_SEQ + 8]
        crc = crc32c(bytes(first_seq) + struct.pack("<I", count) + bytes(self.bytes[at : at + size]))
        self.HEAD.pack_into(self.bytes, at - self.HEAD.size, size, count, crc)

    def change_format(self, number):
        """Another number of the store's format, as a newer build would write it."""
        at = self.bytes.index(b"aswolk store\n")
        while at >= 0:
            struct.pack_into("<I", self.bytes, at + 16, number)
            struct.pack_into("<I", self.bytes, at + 76, crc32c(bytes(self.bytes[at : at + 76])))
            at = self.bytes.find(b"aswolk store\n", at + 80)

    def change_last_record(self, change):
        """Calls change(bytes, at) with the place of the first record of the last batch, then makes all checksums right again."""
        for at in self.last_batches():
            record = at + self.HEADER_BYTES
            size = struct.unpack_from("<I", self.bytes, record)[0]
            change(self.bytes, record)
            struct.pack_into("<I", self.bytes, record + 4, crc32c(bytes(self.bytes[record + 8 : record + size])))
            self.seal_value(at)


def store_with_a_message(t):
    server = t.server("--keys", "none")  # so that a test finds its bytes
    api = server.api()
    receipt = api.receipt(Messages().next())
    server.kill()
    return server, receipt


def test_checksums_are_understood(t):
    """The tools of the next tests: a record rewritten as it was, with checksums made anew, is a good store."""
    server, receipt = store_with_a_message(t)
    store = StoreFile(server.folder)
    before = bytes(store.bytes)
    store.change_last_record(lambda data, at: None)
    check(bytes(store.bytes) == before, "sealing changes nothing in a good store")
    store.save()
    server.start()
    equal(server.api().lease()["ticket"], receipt["ticket"], "its ticket")


def test_unknown_record(t):
    """A record of a version or kind that this build does not know stops the start with a clear message and touches nothing."""
    for offset, what in ((26, "version"), (24, "kind")):
        server, receipt = store_with_a_message(t)
        store = StoreFile(server.folder)
        good = bytes(store.bytes)
        store.change_last_record(lambda data, at: struct.pack_into("<H", data, at + offset, 999))
        store.save()
        before = fingerprint(server.folder)
        server.logs.clear()
        refuses_to_start(server, ("version", "kind"), "unknown " + what)
        check("999" in logged(server), "names the " + what, logged(server)[-600:])
        equal(fingerprint(server.folder), before, "files after the refused start")
        store.bytes = bytearray(good)
        store.save()
        server.start()
        equal([l["ticket"] for l in server.api().leases(max=10)], [receipt["ticket"]], "the build that knows it reads on")
        server.api().completed(server.api().held()[0]["lease"])
        server.kill()
        t.servers.remove(server)
        for name in os.listdir(server.folder):
            os.unlink(os.path.join(server.folder, name))


def test_newer_store(t):
    """A store of a newer format stops the start; its files are as they were."""
    server, _ = store_with_a_message(t)
    store = StoreFile(server.folder)
    store.change_format(99)
    store.save()
    before = fingerprint(server.folder)
    server.logs.clear()
    refuses_to_start(server, ("newer", "version", "format"), "a newer store")
    equal(fingerprint(server.folder), before, "files after the refused start")


def test_damaged_record(t):
    """One flipped bit in the last acknowledged batch stops the start: what was promised is not there, and nobody may act as if."""
    server, _ = store_with_a_message(t)
    store = StoreFile(server.folder)
    for at in store.last_batches():
        store.bytes[at + StoreFile.HEADER_BYTES + 40] ^= 0x10
    store.save()
    before = fingerprint(server.folder)
    server.logs.clear()
    refuses_to_start(server, ("crc", "corrupt", "check"), "a damaged record")
    equal(fingerprint(server.folder), before, "files after the refused start")
    done = subprocess.run([program("aswolk"), "journal", server.folder, "--verify"], capture_output=True, timeout=PATIENCE_S)
    check(done.returncode > 0, "journal --verify finds it too", (done.stdout, done.stderr))


# --- starts that must not be ---------------------------------------------------------------------------------------------------


def test_refused_settings(t):
    """Plain text beyond loopback, no tokens without --dev, a wrong flag or value: each ends the start and is named."""
    folder = t.data_folder()
    for args, words in (
        (["--dev", "--data", folder, "--listen", "0.0.0.0:0"], ("loopback",)),
        (["--data", folder, "--listen", "127.0.0.1:0"], ("token", "--dev")),
        (["--dev", "--data", folder, "--colour", "red"], ("colour",)),
        (["--dev", "--data", folder, "--io-threads", "many"], ("io-threads", "io_threads")),
        (["--dev"], ("--data", "data")),
    ):
        done = subprocess.run([program("aswolkd")] + args, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE_S)
        text = (done.stdout + done.stderr).decode().lower()
        check(done.returncode > 0, "exit code of %r" % args, done.returncode)
        check(any(word in text for word in words), "message of %r" % args, text[-600:])
    equal(os.listdir(folder), [], "no store was made")


def flip(server, mark):
    """Flips a bit of the letter behind every place in the store, under the running server, where `mark` is."""
    path = os.path.join(server.folder, "data.mdb")
    with open(path, "r+b") as file:
        data = file.read()
        at = data.find(mark)
        check(at >= 0, "the mark is in the file", mark)
        while at >= 0:
            file.seek(at + len(mark) - 1)
            file.write(bytes([data[at + len(mark) - 1] ^ 1]))
            at = data.find(mark, at + len(mark))


def test_damaged_head_blocks_nobody(t):
    """What is stored of the next ticket is damaged, its text or its record: it is given out and says so, and those behind it come
    after it. The log and a counter tell."""
    server = t.server("--keys", "none")  # to find them in the file
    api, make = server.api(), Messages()
    texts = [api.receipt(make.next(text="BODY ONE", customer="ann")), api.receipt(make.next(text="still there", customer="ann"))]
    record = api.receipt(make.next(lang="tlh"))
    sound = api.receipt(make.next(text="sound"))
    flip(server, b"BODY ONE")
    flip(server, b"\x03tlh")
    lease = api.lease()
    equal(lease["ticket"], texts[0]["ticket"], "the first")
    equal(lease["messages"][0]["unreadable"], True, "its first message")
    equal("text" in lease["messages"][0], False, "what is damaged is not shown")
    equal((lease["messages"][1]["text"], lease["customer"]), ("still there", "ann"), "the rest of it")
    equal(api.completed(lease)["state"], "closed", "it can be worked on")
    lease = api.lease()
    equal((lease["ticket"], lease["messages_total"]), (record["ticket"], 1), "the second")
    equal(lease["messages"], [{"message": record["message"], "unreadable": True}], "of which not even the record can be read")
    equal([held["messages"] for held in api.held()], [lease["messages"]], "the same again")
    status(api.act(lease, "extend"), 200, "extend")
    equal(api.completed(lease)["state"], "closed", "and closed")
    lease = api.lease()
    equal((lease["ticket"], lease["messages"][0]["text"]), (sound["ticket"], "sound"), "the one behind")
    equal(server.metrics().get("aswolk_unreadable_messages_total"), 2, "counted")
    until("the log says so", lambda: any("that is damaged" in str(line) for line in server.logs))


if __name__ == "__main__":
    sys.exit(run(globals()))
