#!/usr/bin/python3
"""How long it takes, as told: the server looks every so often who waits and who works, promises accordingly, says when that will
not be kept, and keeps all of it over kill -9."""

import os
import subprocess
import sys
import time

from aswolk_test import PATIENCE_S, Messages, check, equal, problem, program, run, seconds_of, status, until

OFTEN = ("--forecast-every-s", "1")
STEP_S = 300


def looks(server):
    return server.metrics().get("aswolk_forecasts_total")


def until_looked(server, times=2):
    """So many looks from now on: the last of them has seen all that is there now."""
    before = looks(server)
    until("the forecaster has looked %d times" % times, lambda: looks(server) >= before + times)


def told(promise):
    made_at = seconds_of(promise["made_at"])
    return seconds_of(promise["half_by"]) - made_at, seconds_of(promise["nine_of_ten_by"]) - made_at


def test_promise(t):
    """Nobody works: nobody is promised anything. Somebody works: who comes behind a queue is told longer than who came first."""
    server = t.server(*OFTEN)
    make = Messages()
    ann = server.api("ann")
    equal(ann.receipt(make.next())["promise"], None, "nobody works yet")
    lease = ann.lease()
    equal(lease["promise"], None, "of a ticket that was promised nothing")
    until("a promise is made", lambda: ann.receipt(make.next())["promise"] is not None)
    near = ann.receipt(make.next())
    check(told(near["promise"])[0] % STEP_S == 0 and told(near["promise"])[1] % STEP_S == 0, "whole steps", near["promise"])
    ann.receipts(make.many(300))
    until_looked(server)
    message = make.next()
    far = ann.receipt(message)
    check(told(far["promise"])[0] > 3600, "one agent, and hundreds before it", far["promise"])
    check(told(far["promise"])[1] >= told(far["promise"])[0], "nine of ten wait longer", far["promise"])
    equal(ann.receipt(message)["promise"], far["promise"], "the first receipt again")
    follow_up = ann.receipt(make.next(customer=message["customer"]))
    equal((follow_up["ticket"], follow_up["promise"]), (far["ticket"], far["promise"]), "what joins keeps it")
    server.kill()
    server.start()
    ann = server.api("ann")
    equal(ann.ticket(far["ticket"]).value["promise"], far["promise"], "kept over kill -9")
    listened = ann.receipt(make.next(addressed="about_us"))
    equal(listened["promise"], None, "who only talks about us is promised nothing")


def general_in_main(server):
    return ask(server, "/v1/response-time?lane=main").value["items"][0]["classes"]["general"]


def test_who_waits_works(t):
    """Somebody waits for his first ticket ever, in one lane: there it is known how long it takes. Behind a restart that stays so
    until agents had time to come back, and no promise of before moves."""
    server = t.server(*OFTEN)
    make = Messages()
    ann = server.api("ann")
    status(ann.put_lane("refunds", {}), 201, "a lane that nobody serves")
    pull = ann.begin_pull(wait_s=50, lanes=["main"])
    until("a lane is told", lambda: general_in_main(server) is not None)
    before = general_in_main(server)
    equal(ask(server, "/v1/response-time?lane=refunds").value["items"][0]["classes"]["general"], None, "nobody waits there")
    ann.receipt(make.next())
    status(ann.connection.wait(pull), 200, "what was waited for")
    promised = ann.receipt(make.next())
    check(promised["promise"] is not None, "he works", promised)
    server.kill()
    server.start()
    ann = server.api("ann")
    time.sleep(2.5)  # looks that would see nobody
    check(ann.receipt(make.next())["promise"] is not None, "nobody is back, and what was published counts on")
    equal(ann.ticket(promised["ticket"]).value["promise"], promised["promise"], "has not moved")
    check(before is not None and general_in_main(server) is not None, "told to everybody too")


def ask(server, path="/v1/response-time", accept="application/json", **fields):
    more = [(name.replace("_", "-"), value) for name, value in fields.items()]
    return server.connect().request("GET", path, [("accept", accept)] + more)


def test_response_time(t):
    """What everybody is told: nothing while nobody works, then what receipts say too, in five languages, by lane; cacheable."""
    server = t.server(*OFTEN)
    make = Messages()
    ann = server.api("ann")
    status(ann.put_lane("nederlands", {"match": {"langs": ["nl", "nl-BE"]}}), 201, "a lane of its own")
    nothing = status(ask(server), 200, "nobody works").value
    equal([item["lane"] for item in nothing["items"]], ["main", "listening", "nederlands"], "every lane")
    check(all(time is None for item in nothing["items"] for time in item["classes"].values()), "nothing is known", nothing)
    equal(sorted(nothing["items"][0]["sentences"]), ["de", "en", "es", "fr", "nl"], "languages")
    ann.receipts(make.many(200, **{"class": "disrupted"}))
    equal(ann.pull(lanes=["main"]).status, 200, "ann works in main alone")
    main = "/v1/response-time?lane=main&class=disrupted"
    until("main is forecast", lambda: ask(server, main).value["items"][0]["classes"]["care"] is not None)
    until_looked(server)
    item = ask(server, main).value["items"][0]
    receipt = ann.receipt(make.next(**{"class": "disrupted"}))
    equal(receipt["class"], "disrupted", "a class")
    told_now = item["classes"][receipt["class"]]
    equal(told(receipt["promise"]), (told_now["half_s"], told_now["nine_of_ten_s"]), "the receipt says what the page says")
    check(item["classes"]["care"]["half_s"] < told_now["half_s"], "who is in need waits less", item["classes"])
    check(item["classes"]["imminent"]["half_s"] < told_now["half_s"], "who can still make it as well", item["classes"])
    check("within" in item["sentences"]["en"] and "binnen" in item["sentences"]["nl"], "ready sentences", item["sentences"])
    dutch = ask(server, "/v1/response-time?lang=nl-BE").value
    equal([(one["lane"], list(one["sentences"])) for one in dutch["items"]], [("nederlands", ["nl"])], "where it would go")
    equal(dutch["items"][0]["classes"]["other"], None, "nobody works there")
    problem(ask(server, "/v1/response-time?lane=nowhere"), 404, "not-found")
    problem(ask(server, "/v1/response-time?class=vip"), 400, "bad-value", "class")
    problem(ask(server, "/v1/response-time?colour=red"), 400, "unknown-field", "colour")
    first = status(ask(server, "/v1/response-time?lane=nederlands"), 200, "to be cached")
    for word in ("public", "max-age=", "stale-while-revalidate=", "stale-if-error="):
        check(word in first.fields["cache-control"], word, first.fields)
    badge = status(ask(server, "/v1/response-time.svg?lane=main&lang=fr&class=disrupted", "*/*"), 200, "a badge")
    equal(badge.fields["content-type"], "image/svg+xml", "an image")
    check("temps de réponse" in badge.body.decode() and "50 %" in badge.body.decode(), "what it says", badge.body)
    line = [program("aswolk"), "response-time", "--lane", "main", "--class", "disrupted"]
    env = dict(os.environ, ASWOLK_SERVER="http://%s:%d" % server.address)
    out = subprocess.run(line, env=env, capture_output=True, check=True, timeout=PATIENCE_S).stdout.decode()
    check("disrupted" in out and "nine of ten within" in out and item["sentences"]["de"] in out, "the command line", out)


def test_a_promise_that_breaks(t):
    """Who was told an hour and finds hundreds put before him is told so, once; it is listed as an event, and counted as broken."""
    server = t.server(*OFTEN)
    make = Messages()
    ann = server.api("ann")
    ann.receipt(make.next())
    ann.lease()
    until("a promise is made", lambda: ann.receipt(make.next())["promise"] is not None)
    poor = ann.receipt(make.next())
    ann.receipts(make.many(300, care=["medical"]))
    until("it moves", lambda: ann.ticket(poor["ticket"]).value["promise"] != poor["promise"])
    moved = ann.ticket(poor["ticket"]).value["promise"]
    check(moved["nine_of_ten_by"] > poor["promise"]["nine_of_ten_by"], "later than it was", (poor["promise"], moved))
    until_looked(server)
    equal(ann.ticket(poor["ticket"]).value["promise"], moved, "not again so soon")
    history = status(ann.get("/v1/tickets/%s/history" % poor["ticket"]), 200, "history").value["items"]
    kinds = [event["type"] for event in history]
    equal(kinds.count("aswolk.promise.moving"), 1, "told once")
    equal(history[kinds.index("aswolk.promise.moving")]["data"]["nine_of_ten_by"], moved["nine_of_ten_by"], "what it says")
    check(server.metrics().get("aswolk_promises_moved_total") >= 1, "counted")
    server.kill()
    server.start()
    equal(server.api("ann").ticket(poor["ticket"]).value["promise"], moved, "kept over kill -9")


if __name__ == "__main__":
    sys.exit(run(globals()))
