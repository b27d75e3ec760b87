#!/usr/bin/python3
"""Whether the right ticket was next, judged from the journal of the real server: several agents with lanes of their own pull while
gateways post and supervisors meddle, leases run out and the server is killed. Beside the running server and after its end."""

import os
import subprocess
import sys
import time

from aswolk_test import MSGPACK, PATIENCE_S, Messages, audit, check, equal, problem, program, rfc3339, run, status, until
from crowd import Crowd

HOUR = 3600
DATE = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 24 * HOUR))
LANES = ["main", "nl", "en", "late"]
CLASSES = ["care", "imminent", "disrupted", "general", "other"]
WHYS_AT_ONCE = 8  # of one io thread (AW_IO_LOOKS_MAX)


def some_message(make, number):
    fields = {"lane": LANES[number * 7 % 4], "received_at": rfc3339(time.time() - number * 13 % 3000)}
    if number % 29 == 0:
        fields["care"] = ["medical"]
    if number % 3 == 0:
        departs_at = rfc3339(time.time() + 600 + number * 97 % (5 * HOUR))
        fields["flights"] = [
            {"number": "KL%d" % (1000 + number % 10), "date": DATE, "from": "AMS", "to": "JFK", "departs_at": departs_at}
        ]
    else:
        fields["class"] = CLASSES[2 + number % 3]
    return make.next(**fields)


def agent(crowd, number):
    lanes = [None, ["main"], ["nl", "en"], ["late", "en", "main"], LANES, None][number % 6]
    turn = [0]

    def work(api):
        for lease in api.leases(max=1 + number % 3, wait_s=1, lease_s=5, lanes=lanes):
            turn[0] += 1
            if turn[0] % 17 == 0:
                continue  # it runs out
            if turn[0] % 11 == 0:
                api.act(lease, "release", {"reason": "not mine"})
            elif turn[0] % 13 == 0:
                api.act(lease, "decline", {"reason": "not for me"})
            elif api.complete(lease).status == 200:
                crowd.completed += 1
            time.sleep(0.002 * (number % 4))

    return work


def gateway(make):
    number = [0]

    def work(api):
        number[0] += 60
        answers = status(api.post_many([some_message(make, number[0] - i) for i in range(60)]), 200, "post many")
        check(all(line["status"] in (202, 409) for line in answers.lines), "posted, or its lane was paused")
        time.sleep(0.05)

    return work


def supervisor(crowd):
    step = [0]

    def work(api):
        step[0] += 1
        flight = "/v1/flights/KL%d/%s" % (1000 + step[0] % 10, DATE)
        state = {"state": "cancelled"} if step[0] % 2 else {"state": "scheduled"}
        check(api.send("PUT", flight, state).status in (200, 201), "a flight")
        if step[0] % 5 == 0:
            closed = {"state": "closed", "from": rfc3339(time.time()), "until": rfc3339(time.time() + HOUR)}
            opened = {"state": "open"}
            check(api.send("PUT", "/v1/airports/AMS", closed if step[0] % 10 else opened).status in (200, 201), "an airport")
        check(api.put_lane("late", {"pause": "out" if step[0] % 3 == 0 else "none"}).status == 200, "a lane")
        for lease in api.leases(max=3, lanes=["main"]):
            api.act(lease, "release", {"reason": "to be held"})
            if api.patch_ticket(lease["ticket"], {"hold": True}).status == 200 and step[0] % 2:
                api.patch_ticket(lease["ticket"], {"hold": False})
        time.sleep(0.05)

    return work


def test_a_crowd(t):
    server = t.server()
    server.keep_address()
    for lane in LANES[1:]:
        status(server.api().put_lane(lane), 201, "a lane")
    crowd = Crowd(server)
    crowd.start("gateway", gateway(Messages()))
    for number in range(9):
        crowd.start("agent-%d" % number, agent(crowd, number))
    crowd.start("supervisor", supervisor(crowd))
    until("much is done", lambda: crowd.has(300))
    crowd.restart()
    until("more is done", lambda: crowd.has(600))
    result = audit(server)
    check(result["judged"] > 600, "beside the running server", result)
    crowd.restart()
    until("a lease ran out", lambda: crowd.has(0) and server.metrics().get("aswolk_leases_expired_total") > 0)
    until("still more is done", lambda: crowd.has(900))
    crowd.end()
    server.stop()
    result = audit(server)
    check(result["leases"] >= result["judged"], "the committer may have handed out what waited aside", result)
    check(result["judged"] > 900, "after its end", result)
    t.note("%d leases, held for %.1f ms at the median, %.1f at most; before %d something came meanwhile"
           % (result["judged"], result["held_us"]["median"] / 1e3, result["held_us"]["max"] / 1e3, result["late_ms"]["count"]))


def test_what_it_prints(t):
    server = t.server()
    api, make = server.api(), Messages()

    def lines(*args, code=0):
        done = subprocess.run([program("aswolk"), "audit", *args], capture_output=True, timeout=PATIENCE_S)
        equal(done.returncode, code, "exit code: %s%s" % (done.stdout, done.stderr))
        return (done.stdout + done.stderr).decode().splitlines()

    equal(lines(server.folder), ["records 1 to %d: 0 leases, 0 of them chosen by a pull" % server.ready["seq"]], "of an empty one")
    api.receipts(make.many(5))
    for lease in api.leases(max=5):
        api.completed(lease)
    said = lines(server.folder)
    check(said[0].endswith(": 5 leases, 5 of them chosen by a pull"), "five leases", said)
    check("from choice to journal" in said[1] and said[-1] == "  passed over: nothing", "what it says", said)
    check("data folder" in lines(code=2)[0], "without a folder")
    check("DIR is what" in lines(os.path.join(t.folder, "nowhere"), code=1)[0], "no store there")


def test_larger_tables(t):
    """A store whose server has larger tables than it has without an option is as sound as any other."""
    server = t.server("--lanes-max", "5000")
    api = server.api()
    for first in range(0, 4200, 60):
        puts = [api.begin("PUT", "/v1/lanes/lane-%d" % lane, {}) for lane in range(first, first + 60)]
        for put in puts:
            status(api.connection.wait(put), 201, "a lane")
    api.receipt(Messages().next(lane="lane-4199"))
    api.completed(api.leases(lanes=["lane-4199"])[0])
    server.stop()
    equal(audit(server)["judged"], 1, "its lease is judged")
    done = subprocess.run([program("aswolk"), "journal", "--verify", server.folder], capture_output=True, timeout=PATIENCE_S)
    equal(done.returncode, 0, "verified: %s%s" % (done.stdout, done.stderr))


def why(api, receipt):
    return status(api.get("/v1/tickets/%s/why" % receipt["ticket"]), 200, "why").value


def total(answer):
    return sum(answer["ahead"].values())


def test_why(t):
    """Who goes before whom is the order in which a pull gives them; what is not waiting says where it is."""
    server = t.server()
    for form in ("application/json", MSGPACK):
        api, make = server.api(form=form), Messages(form[-4:])
        lane = form[-4:]
        status(api.put_lane(lane), 201, "a lane")
        posted = [api.receipt(some_message(make, number) | {"lane": lane}) for number in range(1, 41)]
        answers = {receipt["ticket"]: why(api, receipt) for receipt in posted}
        order = [lease["ticket"] for lease in api.leases(max=100, lanes=[lane])]
        equal(sorted(answers), sorted(order), "all of them")
        for place, ticket in enumerate(order):
            answer = answers[ticket]
            equal((answer["state"], answer["in_lane"], answer["exact"]), ("waiting", 40, True), "its queue")
            equal((total(answer), answer["order"], answer["lane_paused"]), (place, "ratio", False), "how many go before it")
            before = list(reversed(order[:place]))[:10]
            equal([other["ticket"] for other in answer["nearest"]], before, "which ones")
            check(answer["part"] in ("care", "departure", "ratio") and answer["allowed_s"] >= 60, "the rule", answer)
        held = why(api, posted[0])
        equal((held["state"], held["holder"], "ahead" in held), ("leased", "ann", False), "a leased one")
        check(held["expires_at"] > held["as_of"], "when its lease ends", held)
    server.restart()
    api = server.api()
    for lease in api.every_lease():
        status(api.act(lease, "release", {"reason": "test"}), 200, "release")
    status(api.put_lane(lane, {"pause": "out"}), 200, "a pause")
    equal(why(api, posted[0])["lane_paused"], True, "a lane that is paused")
    status(api.patch_ticket(posted[0]["ticket"], {"hold": True}), 200, "hold")
    equal(why(api, posted[0])["held_until"], None, "a held one")
    status(api.cancel_ticket(posted[0]["ticket"]), 200, "cancel")
    check(why(api, posted[0])["closed_at"] is not None, "a closed one")
    problem(api.get("/v1/tickets/t000/why"), 404, "not-found")


def begin_whys(api, receipt, count):
    """So many in one write: the server has read them all before it answers one."""
    path = "/v1/tickets/%s/why" % receipt["ticket"]
    asked = [api.connection.begin("GET", path, api.fields(), flush=False) for _ in range(count)]
    api.connection.flush()
    return asked


def test_why_in_a_long_queue(t):
    """Counted in steps, beside other work: several at once, and while others post. A crowd that asks is told to come again, and who
    leaves is not counted for."""
    server = t.server()
    api, make = server.api(), Messages()
    last = None
    for _ in range(10):
        last = api.receipts(make.many(1000, **{"class": "general"}))[-1]
    asked = begin_whys(api, last, 24)
    api.receipts(make.many(100, **{"class": "disrupted"}))
    answers = [api.connection.wait(response) for response in asked]
    found = [response for response in answers if response.status == 200]
    for response in found:
        answer = response.value
        check(10000 <= answer["in_lane"] <= 10100, "in its lane", answer["in_lane"])
        check(total(answer) >= 9999 and answer["ahead"]["general"] == 9999, "before it", answer["ahead"])
        equal(answer["exact"], False, "said that it took several steps")
    for response in answers:
        if response.status != 200:
            equal(problem(response, 503, "overloaded")["retry_after_s"], 1, "when to come again")
    check(WHYS_AT_ONCE <= len(found) < len(answers), "a bound", len(found))
    for response in begin_whys(api, last, WHYS_AT_ONCE):
        api.connection.reset(response)
    gone = server.api()
    begin_whys(gone, last, WHYS_AT_ONCE)
    gone.connection.close()
    until("there is room to ask again", lambda: api.get("/v1/tickets/%s/why" % last["ticket"]).status == 200)


if __name__ == "__main__":
    sys.exit(run(globals()))
