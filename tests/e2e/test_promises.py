#!/usr/bin/python3
"""How long it takes, as told: the server looks every so often who waits and who works, promises accordingly, says when that will
not be kept, and keeps all of it over kill -9."""

import sys

from aswolk_test import Messages, check, equal, problem, run, seconds_of, status, until

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


if __name__ == "__main__":
    sys.exit(run(globals()))
