#!/usr/bin/python3
"""No room: 200 gateways fill the store to its last page, and all of it is drained. Posts are refused, nothing else is; what was
accepted comes out, once; with room again posts are accepted without a restart."""

import collections
import ctypes
import errno
import json
import os
import subprocess
import sys
import time

from aswolk_test import (
    PATIENCE_S,
    Messages,
    check,
    equal,
    problem,
    program,
    pump_all,
    run,
    status,
    until,
)

MIB = 1 << 20
GATEWAYS = 200
SIZES = (3000, 700, 100, 1)  # of texts, for whom a longer one was refused
AGENTS = 8
CHECKPOINTS = ["--checkpoint-bytes", "65536", "--checkpoint-step-bytes", "65536"]


class Gateway:
    """One connection with one post under way, of ever shorter texts, until the shortest has no room."""

    def __init__(self, server, number, make):
        self.api = server.api("gateway-%d" % number)
        self.make = make
        self.size = 0
        self.next()

    def next(self):
        self.post = self.api.begin_post(self.make.next(text="x" * SIZES[self.size])) if self.size < len(SIZES) else None

    def took(self, acked):
        """True when there is an answer."""
        if not self.post.done:
            return 0
        if self.post.status == 202:
            acked.append(self.post.value["ticket"])
        else:
            problem(self.post, 507, "store-full")
            check(int(self.post.fields["retry-after"]) > 0, "Retry-After", self.post.fields)
            self.size += 1
        self.next()


def flood(server, make):
    """Returns the tickets of all posts that were accepted, and how many were refused."""
    acked = []
    gateways = [Gateway(server, number, make) for number in range(GATEWAYS)]
    connections = [gateway.api.connection for gateway in gateways]
    while any(gateway.post is not None for gateway in gateways):
        check(pump_all(connections, PATIENCE_S), "posts are answered")
        for gateway in gateways:
            if gateway.post is not None:
                gateway.took(acked)
    server.close_all()
    return acked, GATEWAYS * len(SIZES)


def fill_with_small(server, make):
    """Many at once, until nothing more comes in: the more tickets, the more there is to drain."""
    api = server.api("archive")
    acked, refused, rounds = [], 0, 0
    while rounds < 3:
        lines = status(api.post_many(make.many(300, text="x")), 200, "many").lines
        taken = [line["ticket"] for line in lines if line["status"] == 202]
        acked += taken
        refused += len(lines) - len(taken)
        rounds = 0 if taken else rounds + 1
        if not taken:
            time.sleep(0.3)  # A full disk is asked for more four times a second.
    server.close_all()
    return acked, refused


def drain(server, most):
    """Agents lease and complete one ticket after the other, until there is none or so many were drained."""
    drained = []
    agents = [server.api("agent-%d" % number) for number in range(AGENTS)]
    while len(drained) < most:
        pulls = [agent.begin_pull(wait_s=0) for agent in agents]
        leases = []
        for agent, pull in zip(agents, pulls):
            if agent.connection.wait(pull).status != 204:
                leases += [(agent, lease) for lease in status(pull, 200, "a pull while full").value["leases"]]
        if not leases:
            break
        ends = [(agent, lease, agent.begin("POST", "/v1/leases/%s/complete" % lease["lease"], {})) for agent, lease in leases]
        for agent, lease, end in ends:
            status(agent.connection.wait(end), 200, "a complete while full")
            drained.append(lease["ticket"])
    return drained


def still_works(server, ticket):
    """What does not take a customer's message in goes on."""
    api = server.api("desk")
    equal(api.get("/readyz").value["role"], "full", "role")
    status(api.get("/readyz"), 200, "ready to drain")
    equal(api.get("/readyz?for=intake").status, 503, "not ready to take in")
    lease = api.lease(lease_s=60)
    status(api.act(lease, "extend", {"lease_s": 600}), 200, "extend")
    status(api.act(lease, "release", {"reason": "full"}), 200, "release")
    status(api.patch_ticket(ticket, {"hold": True}), 200, "hold")
    status(api.patch_ticket(ticket, {"hold": False}), 200, "unhold")


def verify(server):
    done = subprocess.run(
        [program("aswolk"), "journal", server.folder, "--verify", "--json"], capture_output=True, timeout=PATIENCE_S * 5
    )
    equal(done.returncode, 0, "exit code of journal --verify: %r %r" % (done.stdout[-400:], done.stderr[-400:]))
    return json.loads(done.stdout)


def fill_and_drain(t, server, make, first=([], 0), fill_disk=None, free_disk=None):
    """Fills, drains a third, is killed and filled again, drains the rest; returns how many were accepted."""
    acked, refused = flood(server, make)
    acked, refused = first[0] + acked, first[1] + refused
    still_works(server, acked[-1])
    drained = drain(server, len(acked) // 3)
    server.kill()
    if fill_disk is not None:
        fill_disk()
    server.start()
    more, refused_then = flood(server, make)
    acked += more
    refused += refused_then
    drained += drain(server, len(acked) * 2)
    twice = [ticket for ticket, count in collections.Counter(drained).items() if count > 1]
    equal(twice, [], "tickets that were drained twice")
    equal(sorted(drained), sorted(acked), "each ticket that was accepted was drained")
    equal(server.metrics().get("aswolk_tickets", state="waiting"), 0, "tickets left")
    if free_disk is not None:
        free_disk()
    until("it takes posts in again, without a restart", lambda: server.api().get("/readyz?for=intake").status == 200)
    after = server.api().receipts(make.many(20))
    server.close_all()
    told = verify(server)
    equal((told["ok"], told["messages"]), (True, len(acked) + len(after)), "messages in the journal")
    check(server.metrics().get("aswolk_checkpoints_total") > 0, "checkpoints were written meanwhile")
    t.note("%d accepted (%d of them after a kill), %d refused, %d drained, %d accepted after; 0 lost, 0 twice" % (
        len(acked), len(more), refused, len(drained), len(after)))
    return len(acked)


def test_full_store(t):
    """The smallest store that there may be, at its limit."""
    server = t.server("--store-bytes-max", str(16 * MIB), "--store-reserve-bytes", str(4 * MIB), *CHECKPOINTS)
    check(fill_and_drain(t, server, Messages()) > 1000, "posts before the store was full")


CLONE_NEWNS = 0x00020000


def small_disk(t, size):
    """A disk of our own; None where we may not mount."""
    path = t.data_folder("disk")
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNS) != 0:
        return None
    for command in (["--make-rprivate", "/"], ["-t", "tmpfs", "-o", "size=%d" % size, "none", path]):
        if subprocess.run(["mount"] + command, stdin=subprocess.DEVNULL, capture_output=True).returncode != 0:
            return None
    return path


def fill(path):
    """Takes the disk's last block."""
    with open(path, "wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError as error:
            equal(error.errno, errno.ENOSPC, "error of a full disk")


def test_full_disk(t):
    """The disk is full, long before the store's limit, with many small tickets, all of which have to be leased and completed; then
    somebody makes room on it."""
    disk = small_disk(t, 22 * MIB)
    if disk is None:
        t.note("left out: nothing may be mounted here")
        return
    try:
        ballast = os.path.join(disk, "ballast")
        with open(ballast, "wb") as file:
            file.write(bytes(2 * MIB))
        rest = os.path.join(disk, "rest")
        server = t.server("--store-reserve-bytes", str(4 * MIB), *CHECKPOINTS, data="disk/data")
        make = Messages()
        first = fill_with_small(server, make)
        accepted = fill_and_drain(t, server, make, first, lambda: fill(rest), lambda: os.unlink(ballast))
        check(accepted > 1000, "posts before the disk was full", accepted)
        server.check_pools()
        server.stop()
    finally:
        for server in t.servers:
            if server.running:
                server.kill()
        subprocess.run(["umount", "-l", disk], stdin=subprocess.DEVNULL, capture_output=True)


if __name__ == "__main__":
    sys.exit(run(globals()))
