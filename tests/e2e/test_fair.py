#!/usr/bin/python3
"""What `surge fair` tells: each kind of spell is there, and the poster keeps its rate. How fast anything is, is no test."""

import json
import subprocess
import sys

from aswolk_test import PATIENCE_S, check, equal, program, run

SECONDS = 1
RATE = 200


def url(server):
    return "http://127.0.0.1:%d" % server.address[1]


def fair(server, *more):
    done = subprocess.run([program("surge"), "fair", "--url", url(server), "--connections", "2", "--streams", "2",
                           "--rounds", "1", "--seconds", str(SECONDS), "--json", "-", *more],
                          capture_output=True, text=True, timeout=PATIENCE_S * 4, check=False)
    equal(done.returncode, 0, "exit code of surge: %s%s" % (done.stdout[-1500:], done.stderr[-500:]))
    return json.loads(done.stdout[done.stdout.index("{"):])["sizes"]


def test_kinds(t):
    """Alone, beside a flood here, elsewhere and under a limit, and the flood alone; posts come at random moments, whatever the
    flood does."""
    here, elsewhere = t.server(), t.server(data="elsewhere")
    limited = t.server("--gateway-rate", "1000", "--gateway-burst", "1000", data="limited")
    sizes = fair(here, "--batches", "1,50", "--rate", str(RATE), "--baseline", url(elsewhere), "--limited", url(limited))
    equal([size["batch"] for size in sizes], [1, 50], "sizes of the flood")
    for size in sizes:
        for kind in ("alone", "beside", "elsewhere", "limited"):
            figures = size[kind]
            check(0 < figures["posts"] <= RATE * SECONDS + 8 * (RATE * SECONDS) ** 0.5, "as many posts as were due " + kind, size)
            check(figures["p99_ms"] >= figures["p50_ms"] > 0, "how long they took " + kind, size)
            check(kind == "alone" or figures["to_alone"]["median"] > 0, "a ratio " + kind, size)
        for kind in ("beside", "elsewhere", "flood_alone"):
            check(size[kind]["flood_per_second"] > 0, "there is a flood " + kind, size)


def test_when_answered(t):
    """Without a rate the next one goes when the last was answered."""
    (size,) = fair(t.server(), "--batches", "1")
    check(size["alone"]["posts"] > 0 and size["beside"]["flood_per_second"] > 0, "posts and a flood", size)


if __name__ == "__main__":
    sys.exit(run(globals()))
