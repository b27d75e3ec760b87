#!/usr/bin/python3
"""A real server, days later: old batches are gone, an open ticket is as it was, and the tool finds the store sound.

The days go by between two starts: the second one finds a wall clock that stands ahead (tests/preload/ahead_clock.c).
"""

import json
import os
import subprocess
import sys

from aswolk_test import NDJSON, PATIENCE_S, Messages, audit, check, equal, program, run, status, until

DAY_S = 24 * 3600


def ahead(days):
    library = program("libaw_ahead_clock.so")
    check(os.path.exists(library), "the library of the clock ahead is built", library)
    return {"LD_PRELOAD": library, "ASWOLK_AHEAD_S": str(int(days * DAY_S))}


def journal(folder, *args, code=0):
    done = subprocess.run([program("aswolk"), "journal", folder, *args], capture_output=True, text=True, check=False)
    equal(done.returncode, code, "exit code of aswolk journal: " + done.stderr)
    return done.stdout


def later(server, days):
    server.stop()
    server.env = ahead(days)
    server.start()


def verified(server):
    return json.loads(journal(server.folder, "--verify", "--json"))


def test_days_later(t):
    server = t.server("--checkpoint-bytes", "65536")
    make = Messages()
    gateway, agent = server.api("gateway"), server.api("ann")
    kept = [make.next(customer="patient", text="first word"), make.next(customer="patient", text="second word")]
    receipts = [gateway.receipt(message) for message in kept]
    ticket = receipts[0]["ticket"]
    equal(receipts[1]["ticket"], ticket, "one ticket")
    status(agent.patch_ticket(ticket, {"hold": True}), 200, "held, so that nobody pulls it")
    for _ in range(4):
        gateway.receipts(make.many(200))
        while True:
            leases = agent.leases(max=100)
            if not leases:
                break
            for lease in leases:
                agent.completed(lease)
    before = verified(server)
    equal(before["anchor"], 0, "nothing is trimmed on the first day")
    judged = audit(server)
    equal((judged["first_record"], judged["judged"]), (1, judged["leases"]), "every lease is judged")

    later(server, 9)
    until("old batches are gone", lambda: server.metrics().get("aswolk_journal_first_seq") > 1000, 3 * PATIENCE_S)
    until("what is needed is kept", lambda: server.metrics().get("aswolk_kept", kind="bodies") == 2, 3 * PATIENCE_S)
    running = verified(server)  # beside the running server
    check(running["anchor"] > 0 and running["first_record"] > 1000, "an anchor", running)
    equal(running["kept_bodies"], 2, "bodies kept")
    check(running["kept_records"] >= 3, "two messages and a hold", running)
    api = server.api("ann")
    thread = status(api.ticket(ticket), 200, "the open ticket").value["messages"]
    equal([message["text"] for message in thread], ["first word", "second word"], "its whole thread")
    looked = status(api.get("/v1/messages/" + receipts[0]["message"]), 200, "its first message").value
    equal(looked["text"], "first word", "the text of a kept message")
    status(api.patch_ticket(ticket, {"hold": False}), 200, "let go")
    events = status(api.connection.request("GET", "/v1/events", [("accept", NDJSON)]), 200, "export").lines
    gap, first = events[0], running["first_record"]
    equal((gap["type"], gap["data"]["from"]), ("aswolk.events.gap", 1), "what is gone is told")
    check(gap["data"]["to"] >= first - 1, "at least up to what was the first then: trimming goes on", (gap, first))
    check(int(events[1]["id"]) > gap["data"]["to"], "and what is told lies behind", events[1])
    last = server.metrics().get("aswolk_journal_seq")
    equal([int(event["id"]) for event in events[1:]][-1], last, "up to the newest")
    kinds = [item["type"] for item in status(api.get("/v1/tickets/%s/history" % ticket), 200, "history").value["items"]]
    equal(kinds, ["aswolk.ticket." + kind for kind in ("opened", "joined", "held", "resumed")], "its history is kept")
    lease = api.lease()
    equal(lease["ticket"], ticket, "it can be leased")
    equal(len(lease["messages"]), 2, "with its messages")

    server.restart()
    api = server.api("ann")
    equal(api.held()[0]["ticket"], ticket, "a start on the trimmed store keeps the lease")
    api.completed(lease)
    server.stop()
    check("trimmed up to batch" in journal(server.folder, "--verify"), "the verdict names the anchor")
    again = audit(server)
    check(again["first_record"] > 1 and again["leases"] < judged["leases"], "from the checkpoint on", again)
    first = json.loads(journal(server.folder, "--json").split("\n")[0])
    equal(first["seq"], verified(server)["first_record"], "the first record printed is the first that is left")

    server.env = ahead(11)
    server.start()
    until("the copies are gone", lambda: server.metrics().get("aswolk_kept", kind="records") == 0, 3 * PATIENCE_S)
    server.stop()
    equal(verified(server)["kept_bodies"], 0, "no body is kept")
    server.start()
    t.note("%d records of %d trimmed" % (running["first_record"] - 1, before["records"]))


if __name__ == "__main__":
    sys.exit(run(globals()))
