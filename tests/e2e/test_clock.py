#!/usr/bin/python3
"""The machine's clock is set while the server runs, forward and back: leases, waits and promises last as long as they were said to,
and no time or number that was told ever goes back."""

import mmap
import os
import struct
import sys
import time

from aswolk_test import NDJSON, Messages, audit, check, equal, program, run, seconds_of, status, until

HOUR_S = 3600
DAY_S = 24 * HOUR_S
STEPS_S = (HOUR_S, -2 * HOUR_S, 30 * DAY_S, 0)
SHORT_S = 5  # the shortest lease that there is


class Clock:
    """What the server takes for the wall clock (tests/preload/ahead_clock.c)."""

    def __init__(self, t):
        library = program("libaw_ahead_clock.so")
        check(os.path.exists(library), "the library of the clock ahead is built", library)
        path = os.path.join(t.folder, "ahead")
        with open(path, "wb") as file:
            file.write(bytes(8))
        with open(path, "r+b") as file:
            self.memory = mmap.mmap(file.fileno(), 8)
        self.env = {"LD_PRELOAD": library, "ASWOLK_AHEAD_FILE": path}

    def set(self, ahead_s):
        self.memory[:8] = struct.pack("<q", ahead_s)


class Told:
    """What the server said so far: it never goes back."""

    def __init__(self):
        self.seq, self.at = 0, 0.0

    def take(self, events):
        for event in events:
            seq, at = int(event["id"]), seconds_of(event["time"])
            check(seq > self.seq, "numbers ascend", event)
            check(at >= self.at, "record time never goes back", (event, self.at))
            self.seq, self.at = seq, at


def events_after(api, seq):
    return status(api.connection.request("GET", "/v1/events?after=%d" % seq, [("accept", NDJSON)]), 200, "events").lines


def promise_is_sane(promise):
    made = seconds_of(promise["made_at"])
    half, most = seconds_of(promise["half_by"]) - made, seconds_of(promise["nine_of_ten_by"]) - made
    check(0 < half <= most <= DAY_S, "a promise as any other", promise)


def test_clock_is_set(t):
    """By an hour, by days, and back again, with work going on."""
    clock = Clock(t)
    server = t.server("--forecast-every-s", "1", env=clock.env)
    make, told = Messages(), Told()
    api, gateway = server.api("ann"), server.api("gateway")
    gateway.receipts(make.many(20))
    kept = api.lease(lease_s=3600)
    until("a promise is made", lambda: gateway.receipt(make.next())["promise"] is not None)
    status(api.put_lane("nobody"), 201, "a lane without a ticket")
    began = time.monotonic()
    short = api.lease(lease_s=SHORT_S)
    waiting = server.api("bob")
    poll = waiting.begin_pull(wait_s=2, lanes=["nobody"])
    for step_s in STEPS_S:
        clock.set(step_s)
        receipt = gateway.receipt(make.next())
        promise_is_sane(receipt["promise"])
        check(kept["lease"] in {lease["lease"] for lease in api.held()}, "a lease is held on")
        expires = seconds_of(status(api.act(kept, "extend", {"lease_s": 3600}), 200, "extend").value["expires_at"])
        told.take(events_after(gateway, told.seq))
        check(abs(expires - told.at - 3600) < 60, "an hour from now, in the time that records have", (expires, told.at))
        looks = server.metrics().get("aswolk_forecasts_total")
        until("the forecaster goes on", lambda: server.metrics().get("aswolk_forecasts_total") > looks)
    equal(waiting.connection.wait(poll).status, 204, "a long poll ends")
    check(poll.at - began > 1.9, "and not before its time", poll.at - began)
    until("a lease runs out", lambda: short["lease"] not in {lease["lease"] for lease in api.held()})
    check(time.monotonic() - began > SHORT_S * 0.9, "and not before its time", time.monotonic() - began)
    server.kill()
    clock.set(-HOUR_S)
    server.start()
    gateway, api = server.api("gateway"), server.api("ann")
    gateway.receipt(make.next())
    status(api.act(kept, "extend", {"lease_s": 60}), 200, "a held token, after a start an hour before")
    told.take(events_after(gateway, told.seq))
    judged = audit(server)
    equal(judged["judged"], judged["leases"], "every lease is judged")
    t.note("%d events, record time never back" % told.seq)


if __name__ == "__main__":
    sys.exit(run(globals()))
