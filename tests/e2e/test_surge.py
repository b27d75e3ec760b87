#!/usr/bin/python3
"""The load program against the real server: messages go in on schedule while agents drain, and its audit must find each one that
was acknowledged in exactly one completed lease, or still waiting; also when the server is killed in between. Afterwards
`aswolk audit` must find that no pull passed over anything more urgent."""

import json
import os
import subprocess
import sys
import threading
import time

from aswolk_test import PATIENCE_S, ROOT, SLOW, audit, check, equal, program, run

MADE_UP = os.path.join(ROOT, "tests", "data", "messages.ndjson")
REAL = os.path.join(os.path.dirname(ROOT), "shared", "data", "airline-tweets-dev.jsonl")

# A ticket that is kept for one agent is handed out by the committer, which the audit does not judge.
JUDGED = ("--kept-s", "0", "--kept-gentle-s", "0")


def report_of(t, server, *args):
    """Runs surge to its end; returns its report."""
    report = os.path.join(t.folder, "report.json")
    command = [program("surge")] + list(args) + ["--url", "http://%s:%d" % server.address, "--json", report]
    done = subprocess.run(command, capture_output=True, timeout=PATIENCE_S * 15)
    text = (done.stdout + done.stderr).decode("utf-8", "replace")
    equal(done.returncode, 0, "exit code of surge: " + text[-2000:])
    with open(report, encoding="utf-8") as file:
        return json.load(file)


def surge(t, server, *args):
    """The same; its audit passed, and that of the server."""
    report = report_of(t, server, *args)
    equal(report["audit"]["passed"], True, "audit of %r" % report["audit"])
    equal(set(report["audit"]["breaches"].values()), {0}, "breaches %r" % report["audit"]["breaches"])
    judged = audit(server)
    equal(judged["judged"], judged["leases"], "every lease was chosen by a pull")
    check(judged["judged"] > 0, "leases", judged)
    t.note("%d leases, held for at most %.1f ms" % (judged["judged"], judged["held_us"]["max"] / 1000))
    return report


AGENTS = ("--agents", "8", "--max", "10", "--bulk", "--drain")


def replay(t, path, count, *args):
    server = t.server(*JUDGED, rules="")
    report = surge(t, server, "replay", path, "--received-at", "--times", "2", *AGENTS, *args)
    posts, audit = report["posts"], report["audit"]
    equal((posts["accepted"], posts["duplicates"], posts["refused"]), (count, count, {}), "posts")
    equal((audit["acknowledged"], audit["in_a_completed_lease"], audit["open"]), (count, count, 0), "audit")
    equal(server.metrics().get("aswolk_tickets", state="waiting"), 0, "tickets left")
    t.note("%d posts/s, p99 %.1f ms" % (posts["per_second"], posts["latency_ms"]["p99"]))


def test_replay_made_up(t):
    """The project's own messages, as fast as answers come, twice: all accepted once, all drained."""
    replay(t, MADE_UP, 300, "--speed", "max")


def test_replay_real(t):
    """The real ones, when the file is there, 100,000 times as fast as they came."""
    if not os.path.exists(REAL):
        t.note("the file of real messages is not here: not run")
        return
    replay(t, REAL, 8635, "--speed", "100000", "--handling-ms", "2")


def test_synthetic_surge(t):
    """A minute of the week-in-an-hour, a hundred times its size."""
    server = t.server(*JUDGED, rules="")
    schedule = ("--level", "W100", "--hours", "0.02", "--speed", str(20 / SLOW), "--seed", "7", "--limit", "8000")
    report = surge(t, server, "synth", *schedule, *AGENTS)
    posts = report["posts"]
    check(posts["accepted"] > 500, "a surge", posts)
    equal(posts["refused"], {}, "refused")
    t.note("%d accepted, %d duplicates, %d folded" % (posts["accepted"], posts["duplicates"], posts["folded"]))


DESK = ("--tickets", "3000", "--lanes", "5", "--quiet-lanes", "25", "--agents", "40", "--agent-connections", "4")


def test_a_desk_at_work(t):
    """Agents of one to all lanes pull at set rates while a backlog waits: pulls of both kinds are told, the audit passes."""
    server = t.server(*JUDGED)
    rates = (100 / SLOW, 200 / SLOW)
    more = ("--seconds", "2", "--wait-s", "1", "--pull-rates", "%g,%g" % rates, "--floor", t.folder)
    report = surge(t, server, "pulls", *DESK, *more)
    work = report["work"]
    equal((work["backlog"], work["lanes"], work["lanes_least"], work["lanes_most"]), (3000, 30, 1, 30), "the desk")
    equal([step["name"] for step in work["steps"]], ["warm-up", "rate", "rate"], "steps")
    for step in work["steps"]:
        check(step["waiting_ms"]["count"] > 0, "pulls while tickets wait", step)
    check(sum(step["parked_ms"]["count"] for step in work["steps"]) > 0, "pulls that waited", work)
    check(sum(step["commits"] for step in work["steps"]) > 0, "the server's commits", work)
    check(work["floor_before_ms"]["count"] > 0 and work["floor_afterwards_ms"]["count"] > 0, "the disk", work)
    agents = report["agents"]
    equal((agents["leases"], agents["refused"], agents["without_answer"]), (agents["completed"], {}, {}), "leases")
    equal(report["audit"]["acknowledged"], 3000 + report["posts"]["accepted"], "the audit knows the backlog, too")
    t.note("p99 %s ms" % ", ".join("%.1f" % step["waiting_ms"]["p99"] for step in work["steps"]))


def test_an_airport_closes_over_a_desk(t):
    """It closes and opens again, twice, over a third of what waits: nobody who is grounded is leased, and the order comes back."""
    server = t.server(*JUDGED)
    more = ("--grounded", "1000", "--cycles", "2", "--seconds", "2", "--wait-s", "1", "--pull-rates", "%g" % (100 / SLOW))
    ground = surge(t, server, "ground", *DESK, *more)["work"]["ground"]
    equal(ground["tickets"], 1000, "tickets that it closed over")
    equal((ground["grounded_leases"], ground["displaced"]), (0, 0), "grounded and leased, displaced")
    equal(ground["order_before"], ground["order_after"], "digests of the order")
    check(ground["compared"] > 1000, "tickets compared", ground)
    t.note("in effect after %.0f ms, undone after %.0f ms" % (ground["close_effective_ms"], ground["undo_effective_ms"]))


def test_parked_pulls(t):
    """Three thousand pulls wait; nothing comes, then tickets one by one: each ends one pull, none ends otherwise before its time,
    the server does not work for those that wait, and all end when it is told to stop."""
    server = t.server()
    more = ("--pulls", "3000", "--rate", "%g" % (100 / SLOW), "--seconds", "2", "--pid", str(server.process.pid), "--drain")
    park = report_of(t, server, "park", *more)["park"]
    equal(park["passed"], True, "what surge saw: %r" % park)
    posts = int(100 / SLOW * 2)
    equal((park["pulls"], park["connections"]), (3000, 60), "half of the streams of each connection wait")
    equal((park["posts"], park["acknowledged"], park["woken"]), (posts, posts, posts), "a pull ended for each post")
    equal((park["wake_ms"]["count"], park["receipt_ms"]["count"]), (posts, posts), "measured")
    equal(park["drain_ended"], 3000, "pulls that the end of the server ended")
    check(park["bytes_a_pull"] > 0, "the server's memory was looked at", park)
    equal(server.exit_code(), 0, "exit code")
    server.start()
    equal(server.metrics().get("aswolk_leases"), posts, "leases after a start: as many as posts")
    t.note("%.0f bytes a pull, drained within %.2f s, woken in vain %d" % (
        park["bytes_together"], park["drain_s"], park["woken_in_vain"]))


def test_kills_under_load(t):
    """kill -9 and a start, three times under an even load whose clients come back by themselves: nothing acknowledged is lost."""
    server = t.server(*JUDGED)
    server.keep_address()
    errors = []

    def trouble():
        try:
            for _ in range(3):
                time.sleep(0.8)
                server.restart()
        except Exception as error:  # Shown below: a thread has nobody to raise to.
            errors.append(error)

    killer = threading.Thread(target=trouble, daemon=True)
    killer.start()
    schedule = ("--rate", str(int(1000 / SLOW)), "--seconds", "4", "--customers", "500")
    posting = ("--connections", "4", "--streams", "20", "--retry", "--timeout-s", "60")
    report = surge(t, server, "flood", *schedule, *posting, *AGENTS)
    killer.join(PATIENCE_S)
    equal(errors, [], "restarts")
    posts = report["posts"]
    equal(posts["without_answer"], {}, "posts without an answer in the end")
    check(posts["connections_lost"] > 0, "connections were lost", posts)
    t.note("%d accepted, %d posted again, %d of them stored before" % (
        posts["accepted"], posts["posted_again"], posts["stored_already"]))


if __name__ == "__main__":
    sys.exit(run(globals()))
