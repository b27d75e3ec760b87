#!/usr/bin/python3
"""Tickets by what they are, on the real server: filters, pages, and what changes while a search goes on."""

import sys
import threading
import time

from aswolk_test import MSGPACK, Messages, check, equal, problem, rfc3339, run, status

MINUTE = 60


def found(api, query=""):
    return status(api.get("/v1/tickets" + query), 200, "search " + query).value


def ids(api, query=""):
    return [item["ticket"] for item in api.every("/v1/tickets" + query)]


def test_filters(t):
    """Each filter alone and with others; oldest first; the same in both encodings."""
    server = t.server()
    make = Messages()
    api = server.api()
    now = time.time()
    status(api.put_lane("dutch"), 201, "lane")
    flights = [{"number": "KL77", "date": "2031-05-01", "from": "AMS", "to": "JFK"}]
    young = api.receipt(make.next(customer="eve", channel="whatsapp", flights=flights))["ticket"]
    old = api.receipt(make.next(received_at=rfc3339(now - 90 * MINUTE), care=["medical"], airports=["JFK"]))["ticket"]
    moved = api.receipt(make.next(customer="eve", account="sales", channel="whatsapp"))["ticket"]
    status(api.patch_ticket(moved, {"lane": "dutch", "hold": True}), 200, "move and hold")
    closed = api.receipt(make.next())["ticket"]
    status(api.cancel_ticket(closed), 200, "cancel")
    everything = found(api)
    equal([item["ticket"] for item in everything["items"]], [old, young, moved], "what is open, oldest first")
    equal((everything["total"], everything["next"], everything["exact"]), (3, None, True), "all of it")
    packed = found(server.api(form=MSGPACK))
    equal(packed, dict(everything, as_of=packed["as_of"]), "msgpack")
    equal(ids(api, "?state=closed"), [closed], "closed")
    equal(ids(api, "?state=held,closed"), [moved, closed], "held or closed")
    equal(ids(api, "?class=care"), [old], "class")
    equal(ids(api, "?lane=dutch"), [moved], "lane")
    equal(ids(api, "?customer=eve&channel=whatsapp"), [young], "customer")
    equal(ids(api, "?customer=eve&channel=whatsapp&account=sales"), [moved], "of another account")
    equal(ids(api, "?customer=eve&channel=whatsapp&state=closed"), [], "customer, but not so")
    equal(ids(api, "?channel=whatsapp"), [young, moved], "channel")
    equal(ids(api, "?flight=KL77/2031-05-01"), [young], "flight")
    equal(ids(api, "?flight=KL77%2F2031-05-01&airport=JFK"), [young], "flight and airport")
    equal(ids(api, "?airport=JFK"), [old, young], "airport")
    equal(ids(api, "?older_than_s=3600"), [old], "older than")
    equal(ids(api, "?agent=eve&state=leased"), [], "nobody of that name")
    lease = server.api(who="bob smith").lease()
    held = found(api, "?agent=bob+smith")["items"]
    equal([(item["ticket"], item["holder"], item["state"]) for item in held], [(lease["ticket"], "bob smith", "leased")], "agent")
    equal(held[0]["channel"], "web", "with its channel")
    server.restart()
    equal(ids(server.api()), [old, young, moved], "after a restart")


def test_pages(t):
    """Page by page each ticket once; Link keeps the filter; what comes and goes meanwhile moves nothing else."""
    server = t.server()
    make = Messages()
    api = server.api()
    tickets = [receipt["ticket"] for receipt in api.receipts(list(make.many(230)))]
    equal(sorted(ids(api, "?state=waiting")), sorted(tickets), "in pages of a hundred")
    first = found(api, "?state=waiting&limit=7")
    equal((len(first["items"]), first["total"]), (7, 230), "a page")
    status(api.cancel_ticket(first["items"][0]["ticket"]), 200, "cancel one of the first page")
    status(api.cancel_ticket(tickets[-1]), 200, "and one of the last")
    rest = ids(api, "?state=waiting&limit=7&cursor=" + first["next"])
    seen = [item["ticket"] for item in first["items"]] + rest
    equal((len(seen), len(set(seen))), (229, 229), "none twice, none missing")


def test_refusals(t):
    """What is no filter."""
    server = t.server()
    api = server.api()
    problem(api.get("/v1/tickets?colour=red"), 400, "unknown-field", "colour")
    problem(api.get("/v1/tickets?state=open"), 400, "bad-value", "state[0]")
    problem(api.get("/v1/tickets?state=waiting,"), 400, "bad-value", "state[1]")
    problem(api.get("/v1/tickets?state=held&state=closed"), 400, "malformed", "state")
    problem(api.get("/v1/tickets?class=urgent"), 400, "bad-value", "class[0]")
    problem(api.get("/v1/tickets?lane=nowhere"), 404, "not-found", "lane")
    problem(api.get("/v1/tickets?customer=eve"), 400, "bad-value", "channel")
    problem(api.get("/v1/tickets?account=main"), 400, "bad-value", "account")
    problem(api.get("/v1/tickets?flight=KL77"), 400, "bad-value", "flight")
    problem(api.get("/v1/tickets?flight=77/2031-05-01"), 400, "bad-value", "flight")
    problem(api.get("/v1/tickets?airport=jfk"), 400, "bad-value", "airport")
    problem(api.get("/v1/tickets?older_than_s=-1"), 400, "bad-value", "older_than_s")
    problem(api.get("/v1/tickets?older_than_s=1h"), 400, "bad-value", "older_than_s")
    problem(api.get("/v1/tickets?agent="), 400, "bad-value", "agent")
    problem(api.get("/v1/tickets?agent=%ff"), 400, "malformed", "agent")
    problem(api.get("/v1/tickets?%ff=1"), 400, "malformed")
    problem(api.get("/v1/tickets?limit=0"), 400, "bad-value", "limit")
    problem(api.get("/v1/tickets?limit=101"), 400, "bad-value", "limit")
    problem(api.get("/v1/tickets?cursor=1"), 400, "bad-value", "cursor")
    problem(api.get("/v1/tickets?" + "&".join("a%d=1" % i for i in range(40))), 400, "bad-value")
    problem(api.send("POST", "/v1/tickets", {}), 405, "method-not-allowed")
    empty = found(api)
    equal((empty["items"], empty["total"], empty["next"]), ([], 0, None), "and there is nothing yet")


def test_beside_pulls(t):
    """Searches see every ticket that waits all the time while others are posted, pulled and given back; who leaves stops his."""
    server = t.server()
    make = Messages()
    api = server.api()
    status(api.put_lane("still"), 201, "lane")
    still = sorted(receipt["ticket"] for receipt in api.receipts(list(make.many(60, lane="still"))))
    done, failed = [], []

    def work():
        try:
            mine = server.api(who="worker")
            others = Messages("w")
            while not done:
                mine.receipts(list(others.many(20)))
                for lease in mine.leases(max=20, lanes=["main"]):
                    status(mine.act(lease, "release", {"reason": "looked"}), 200, "release")
        except Exception as err:  # shown by the main thread
            failed.append(err)

    worker = threading.Thread(target=work)
    worker.start()
    try:
        for _ in range(30):
            answer = found(api, "?lane=still&limit=60")
            equal((sorted(item["ticket"] for item in answer["items"]), answer["total"]), (still, 60), "all of them")
            busy = found(api, "?lane=main&state=waiting&limit=100")
            check(all(item["state"] == "waiting" for item in busy["items"]), "only what fits", busy)
            leaver = server.connect()
            leaver.begin("GET", "/v1/tickets?lane=main")
            leaver.close()
    finally:
        done.append(True)
        worker.join()
    check(not failed, "the worker failed", failed)


if __name__ == "__main__":
    sys.exit(run(globals()))
