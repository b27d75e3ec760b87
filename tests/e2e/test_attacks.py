#!/usr/bin/python3
"""HTTP/2 under attack: each case against the real server, in plain text and over TLS, while a good client posts beside it. The
server ends the attacker by the right code and counts why, the good client is answered every time, and memory stays bounded.

Times are told, not judged. ASWOLK_ATTACK_S=2 keeps each flood up for so long, on new connections one after the other, and prints
a table (server/adr/0003-http2-edge.md has what came out): what the good client saw meanwhile, as a multiple of what it saw alone.
"""

import os
import sys
import threading
import time

import attacks
from aswolk_test import check, run, until

LONG_S = float(os.environ.get("ASWOLK_ATTACK_S", "0"))
GROWTH_MIB_MAX = 64


class Watch:
    """What the server should have counted and kept since it was made."""

    def __init__(self, server):
        self.server = server
        self.mib = attacks.anonymous_mib(server)
        self.due = {}

    def expect(self, case, count):
        if case.causes:
            self.due[case.causes] = self.due.get(case.causes, 0) + count

    def growth_mib(self):
        return 0 if self.mib is None else attacks.anonymous_mib(self.server) - self.mib

    def check_growth(self, case):
        check(self.growth_mib() <= GROWTH_MIB_MAX, "%s: memory grew by" % case.name, self.growth_mib())

    def check_counts(self):
        """The server began with zeros. A case of several causes may be any of them, so these are due together."""
        for causes in self.due:
            due = sum(count for others, count in self.due.items() if set(others) <= set(causes))
            until("%d are counted as %s" % (due, " or ".join(causes)), lambda: self.counted(causes) >= due)

    def counted(self, causes):
        metrics = self.server.metrics()
        return sum(metrics.get("aswolk_limits_total", cause=cause) for cause in causes)


def flood(watch, case, tls, good):
    """One case; when they are to be long, again and again on new connections."""
    alone = good.answers_more(int(1 + 100 * LONG_S))
    began = time.monotonic()
    count, frames, codes = 0, 0, set()
    while count == 0 or time.monotonic() - began < LONG_S:
        peer = attacks.attack(case, watch.server, tls)
        count, frames = count + 1, max(frames, peer.sent)
        codes.add("-" if peer.code is None else str(peer.code))
    watch.expect(case, count)
    watch.check_growth(case)
    if LONG_S:
        meanwhile = good.between(began, time.monotonic()) or good.answers_more(1)
        half, most = (attacks.percentile(meanwhile, share) / attacks.percentile(alone, share) for share in (0.5, 0.99))
        print("| %s | %s | %s | %s | %d | %d | %.1f | %.1f | %.0f | %.1f |" % (
            case.name, "TLS" if tls else "h2c", " ".join(sorted(codes)), " or ".join(case.causes) or "-", count, frames, half, most,
            meanwhile[-1] * 1000, watch.growth_mib()), flush=True)


def run_floods(t, tls):
    server = t.server()
    attacks.prepare(server)
    good = attacks.GoodClient(server, tls)
    good.answers_more(20)
    alone = good.answers_more(20)
    if LONG_S:
        print("| case | port | GOAWAY | counted as | connections | frames each | median x | p99 x | worst ms | MiB |")
        print("|---|---|---|---|---|---|---|---|---|---|")
    watch = Watch(server)
    cases = [case for case in attacks.FLOODS if tls in case.tls]
    for case in cases:
        flood(watch, case, tls, good)
    good.answers_more(1)
    good.stop()
    watch.check_counts()
    t.note("%d cases; the good client's worst: alone %.0f ms, beside them %.0f ms" % (
        len(cases), alone[-1] * 1000, max(took for _, took in good.times) * 1000))


def test_floods(t):
    run_floods(t, tls=False)


def test_floods_over_tls(t):
    run_floods(t, tls=True)


def test_buckets_are_settings(t):
    """Fewer frames than by default, and each of three kinds is ended."""
    few = [word for kind in ("resets", "glitches", "controls")
           for word in ("--http-%s-burst" % kind, "30", "--http-%s-per-s" % kind, "1")]
    server = t.server(*few)
    for many in (lambda p: attacks.get(p.next()) + attacks.frame(attacks.RST, 0, p.stream, bytes(4)),
                 lambda p: attacks.frame(attacks.DATA, 0, 1), lambda p: attacks.frame(attacks.PING, 0, 0, bytes(8))):
        peer = attacks.Peer(server)
        peer.send(attacks.post_head(peer.next()))
        peer.send(b"".join(many(peer) for _ in range(60)))
        peer.until(lambda: peer.ended)
        check(peer.code == attacks.CALM, "ended", peer.goaways)
        peer.close()


def test_stalls(t):
    """All at once: the slow, the silent and the stalled, each ended at its own deadline, however it trickles."""
    server = t.server(*attacks.DEADLINES)
    attacks.prepare(server)
    watch = Watch(server)
    good = attacks.GoodClient(server, False)
    good.answers_more(1)
    failed = []

    def one(case, tls):
        try:
            attacks.attack(case, server, tls)
        except Exception as error:  # told below, in the thread that may fail
            failed.append("%s, %s: %s" % (case.name, "tls" if tls else "h2c", error))

    threads = [threading.Thread(target=one, args=(case, tls)) for case in attacks.STALLS for tls in case.tls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check(not failed, "%d ended otherwise" % len(failed), failed)
    for case in attacks.STALLS:
        watch.expect(case, len(case.tls))
        watch.check_growth(case)
    good.answers_more(1)
    good.stop()
    watch.check_counts()
    t.note("%d cases; the good client's worst: %.0f ms" % (len(threads), max(took for _, took in good.times) * 1000))


if __name__ == "__main__":
    sys.exit(run(globals()))
