#!/usr/bin/python3
"""What the server asks of the machine fails, one call after the other, while it starts and while it serves: writes and flushes,
descriptors, memory. Nothing that was not durable is acknowledged, who must know is told, and it goes on or is started again.

ASWOLK_FAULT_CALLS  up to the so-manieth call of each kind (default 4); above 4 none is left out
"""

import json
import mmap
import os
import resource
import signal
import socket
import struct
import subprocess
import sys
import time

from aswolk_test import (
    PATIENCE_S,
    Faults,
    Gone,
    Messages,
    Metrics,
    check,
    equal,
    problem,
    program,
    run,
    status,
    until,
)
from test_faults import MIB, drain_many, expect_broken, fill_some

# --- any call that fails ------------------------------------------------------------------------------------------------------


CALLS = int(os.environ.get("ASWOLK_FAULT_CALLS", "4"))
STRIDE = 1 if CALLS > 4 else 3
KINDS = (("write", "EIO"), ("fdatasync", "EIO"), ("write", "SHORT"), ("fdatasync", "ENOSPC"), ("write", "ENOSPC"))
CHECKPOINTS = ["--checkpoint-bytes", "65536", "--checkpoint-step-bytes", "65536"]


def keys_of(server):
    return os.path.join(os.path.dirname(server.folder), "store.keys")


class Account:
    """What was posted, what was acknowledged of it, and what was completed, over many servers that break."""

    def __init__(self, busy=("store-broken",)):
        self.make = Messages()
        self.busy = busy  # what a 503 may say
        self.acked, self.unsure = {}, []
        self.completed = set()

    def is_refused(self, value):
        check(value["status"] == 503 and value["type"] in ["urn:aswolk:" + name for name in self.busy], "a refusal", value)

    def post(self, api, count=3):
        """Several at once, answered one by one. False when one of them was refused."""
        messages = self.make.many(count, text="w" * 3000)
        try:
            response = api.post_many(messages)
        except Gone:
            self.unsure += messages
            raise
        if response.status == 503:
            self.is_refused(response.value)
            self.unsure += messages
            return False
        answers = status(response, 200, "post many").lines
        for message, answer in zip(messages, answers):
            if answer["status"] == 202:
                self.acked[message["source_id"]] = (message, answer["message"])
            else:
                self.is_refused(answer)
                self.unsure.append(message)
        return all(answer["status"] == 202 for answer in answers)

    def complete(self, api):
        """One ticket. False when it was refused."""
        pulled = api.pull()
        if pulled.status == 503:
            self.is_refused(pulled.value)
            return False
        if pulled.status == 204:
            return True
        [lease] = status(pulled, 200, "pull").value["leases"]
        check(lease["ticket"] not in self.completed, "a completed ticket stays completed", lease)
        answer = api.complete(lease)
        if answer.status == 503:
            self.is_refused(answer.value)
            return False
        status(answer, 200, "complete")
        self.completed.add(lease["ticket"])
        return True

    def audit(self, server):
        """All that was acknowledged is there, once; the journal is sound and replays."""
        api = server.api("auditor")
        known = list(self.acked.values())
        for begin in range(0, len(known), 100):
            some = known[begin : begin + 100]
            for (message, first), answer in zip(some, api.receipts([message for message, _ in some])):
                equal((answer["duplicate"], answer["message"]), (True, first), "acknowledged: %r" % message["source_id"])
        for begin in range(0, len(self.unsure), 100):
            api.receipts(self.unsure[begin : begin + 100])
        command = [program("aswolk"), "journal", server.folder, "--verify", "--json", "--keys", keys_of(server)]
        done = subprocess.run(command, capture_output=True, timeout=PATIENCE_S * 5)
        equal(done.returncode, 0, "exit code of journal --verify: %r %r" % (done.stdout[-400:], done.stderr[-400:]))
        equal(json.loads(done.stdout)["messages"], len(self.acked) + len(self.unsure), "messages in the journal")


def break_at(server, account, faults, rule):
    """Lets one call fail while it serves: from then on nothing is acknowledged. Its next start is as if nothing had been."""
    faults.clear()
    server.start()
    api = server.api("gateway")
    account.post(api)
    faults.set(rule)
    for _ in range(300):
        if not account.post(api) or not account.complete(api):
            break
    equal((api.get("/readyz").value["role"]), "broken", rule + ": the role")
    problem(api.post(account.make.next()), 503, "store-broken")
    problem(api.pull(), 503, "store-broken")
    equal(server.metrics().get("aswolk_role", aswolk_role="broken"), 1, rule + ": the metric")
    until(rule + ": the log", lambda: said(server, "the store failed"))
    server.close_all()
    server.process.send_signal(signal.SIGTERM)
    equal(server.exit_code(), 1, rule + ": the exit code")
    server.logs.clear()


def test_every_call_fails(t):
    """The 1st, 2nd, ... write or flush fails under load, in between checkpoints and in them: nothing that was not durable is
    acknowledged, everybody is told, and the next start has all that was."""
    faults = Faults(t)
    server = t.server(*CHECKPOINTS, env=faults.env, start=False)
    server.args += ["--keys", keys_of(server)]
    account = Account()
    rules = ["%s:%d:%s" % (call, number, error) for number in range(1, CALLS + 1) for call, error in KINDS]
    if CALLS <= 4:  # each call with one error or the other
        rules = rules[:: len(KINDS) - 1]
    for rule in rules:
        break_at(server, account, faults, rule)
    faults.clear()
    server.start()
    account.audit(server)
    t.note("%d calls, %d acknowledged, %d not, %d completed" % (
        len(rules), len(account.acked), len(account.unsure), len(account.completed)))


def test_start_fails_at_every_call(t):
    """The 1st, 2nd, ... call that a start makes on the store, its keys or their folders fails: it says so and ends, or it serves;
    what was there before is there after, and of a store that was not made nothing is in the way."""
    faults = Faults(t)
    server = t.server(env=faults.env, start=False)
    server.args += ["--keys", keys_of(server)]
    account = Account()
    refused = [refuse_starts(t, server, faults, lambda: make_nothing(server))]
    faults.clear()
    server.start()
    account.post(server.api("gateway"))
    server.kill()
    refused.append(refuse_starts(t, server, faults, lambda: None))
    faults.clear()
    server.start()
    account.audit(server)
    t.note("starts that failed while a new store was made: %d, while one was opened: %d" % tuple(refused))


def make_nothing(server):
    """What the last start has left is gone, but for each third time: then it is what this one finds."""
    server.starts = getattr(server, "starts", 0) + 1
    if server.starts % 3 != 0:
        for path in [server.folder, os.path.dirname(server.folder)]:
            for name in os.listdir(path):
                if name.startswith(("data.mdb", "lock", "store.keys")):
                    os.unlink(os.path.join(path, name))


def refuse_starts(t, server, faults, prepare):
    """Until a start makes fewer calls than it would take; returns how many starts failed."""
    number, failed = t.random.randrange(STRIDE), 0
    while True:
        number += 1
        prepare()
        faults.set("any@all:%d:%s" % (number, t.random.choice(("EIO", "ENOSPC", "EMFILE"))))
        check(number < 200, "a start makes fewer calls")
        server.logs.clear()
        server.spawn()
        until("it serves or ends", lambda: server.process.poll() is not None or any('"ready"' in line for line in server.logs))
        if server.process.poll() is not None:
            check(server.exit_code() > 0, "exit code of a start whose call %d failed" % number)
            failed += 1
            number += STRIDE - 1
            check(any('"stopped"' in line and '"why"' in line for line in server.logs), "it says why", server.logs[-3:])
            continue
        if not faults.was_met():
            break
        server.kill()  # It can do without what that call was for.
        number += STRIDE - 1
    server.kill()
    return failed


def test_flushes_of_a_start(t):
    """How often a start waits for the disk, however large the store: once for what a dead process left in memory, three times for
    its keys (the file, its folder, and blocks for the next one), once for its first record."""
    faults = Faults(t)
    server = t.server("--forecast-every-s", "0", env=faults.env, start=False)
    server.args += ["--keys", keys_of(server)]
    server.start()
    server.api().receipts(Messages().many(50))
    server.kill()
    for rule, met in (("fdatasync:2", True), ("fdatasync:3", False), ("fsync@all:3", True), ("fsync@all:4", False)):
        faults.set(rule + ":EIO")
        server.logs.clear()
        server.spawn()
        until("it serves or ends", lambda: server.process.poll() is not None or any('"ready"' in line for line in server.logs))
        equal(faults.was_met(), met, rule)
        server.kill()


def test_room_that_breaks(t):
    """The disk fails, and is not full, when the file grows: that is no full store, and it is said."""
    faults = Faults(t)
    server = t.server("--store-reserve-bytes", str(4 * MIB), env=faults.env)
    api, make = server.api(), Messages()
    acked = fill_some(api, make, 10)
    faults.set("fallocate:1:EIO")
    while True:
        response = api.post_many(make.many(15, text="x" * 60000))
        if response.status != 200:
            break
        acked += [line["ticket"] for line in response.lines if line["status"] == 202]
        if any(line["status"] != 202 for line in response.lines):
            break
        check(len(acked) < 3000, "the file grows")
    problem(api.post(make.next()), 503, "store-broken")
    expect_broken(server, api)
    faults.clear()
    server.restart()
    equal(len(drain_many(server.api())), len(acked), "what was acknowledged")


def test_key_file_fails(t):
    """Each step of replacing the key file fails, while a text is to be erased: that is told, the file is one or the other, and with
    the next try it is done."""
    servers = []
    for number, rule in enumerate(("open@keys:1:EMFILE", "write@keys:1:ENOSPC", "ftruncate@keys:1:EIO", "fsync@keys:1:EIO",
                                   "rename@keys:1:EIO", "fsync@folder:1:EIO")):
        faults = Faults(t, "rule-%d" % number)
        server = t.server("--keys", os.path.join(t.folder, "%d.keys" % number), data="data-%d" % number, env=faults.env)
        api, make = server.api(), Messages()
        messages = make.many(2)
        api.receipts(messages)
        faults.set(rule)
        which = {key: messages[0][key] for key in ("channel", "source_id")}
        status(api.send("POST", "/v1/messages/withdraw", which), 200, "withdrawn")
        servers.append((server, faults, rule, messages))
    for server, faults, rule, messages in servers:
        until(rule + " is met", faults.was_met)
        until(rule + ": it is said", lambda: said(server, "texts that are to be erased are still there") == 1)
        until(rule + ": done", lambda: server.metrics().get("aswolk_erasures_pending") == 0)
        equal(server.metrics().get("aswolk_erasures_stuck"), 0, rule + ": no more to do")
        faults.clear()
        server.restart()
        [lease] = server.api().leases(max=2)
        equal([message.get("text") for message in lease["messages"]], [messages[1]["text"]], rule + ": the other one")


# --- no descriptors, no memory ------------------------------------------------------------------------------------------------


def descriptors(server, most=None):
    """From now on descriptors have numbers below that; by default those that it may have at all."""
    _, hard = resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (hard if most is None else most, hard))


def lowest_free(server):
    used = {int(name) for name in os.listdir("/proc/%d/fd" % server.process.pid)}
    return next(number for number in range(len(used) + 1) if number not in used)


def said(server, words):
    return sum(words in line for line in server.logs)


CANNOT = "connections can't be accepted"


def test_no_descriptors(t):
    """The process may open nothing more: who is connected goes on, the listener rests instead of spinning, what is to be read anew
    stays as it was and says so; with descriptors again all of it mends by itself."""
    server = t.server()
    make, api, monitor = Messages(), server.api("ann"), server.connect()
    api.receipt(make.next())
    status(monitor.request("GET", "/healthz"), 200, "before")

    def metric(name):
        return Metrics(monitor.request("GET", "/metrics", [("accept", "*/*")])).get(name)

    descriptors(server, lowest_free(server))
    began = time.monotonic()
    early = [socket.create_connection(server.address) for _ in range(4)]
    until("it rests", lambda: metric("aswolk_accept_rests_total") >= 3)
    api.receipts(make.many(20))
    api.completed(api.lease())
    check(metric("aswolk_accept_rests_total") <= (time.monotonic() - began) / 0.1 + 2, "it does not spin")
    server.process.send_signal(signal.SIGHUP)
    until("the certificate stays as it was", lambda: metric("aswolk_certificate_stale") == 1)
    until("and the rules", lambda: said(server, "the rules were not reloaded") == 1)
    equal(said(server, CANNOT), 1, "it is said once")
    descriptors(server)
    late = server.api("bob")
    late.completed(late.lease())
    until("it is said that it is over", lambda: said(server, "connections are accepted again") == 1)
    server.process.send_signal(signal.SIGHUP)
    until("the certificate is read", lambda: metric("aswolk_certificate_stale") == 0)
    until("and the rules", lambda: said(server, "rules reloaded") == 1)
    for connection in early:
        connection.close()
    equal(len(drain_many(api)), 19, "all that was posted meanwhile")


def test_no_descriptors_anywhere(t):
    """The machine has no descriptor or no memory for a connection: it waits in the listener's queue until there is."""
    faults = Faults(t)
    server = t.server(env=faults.env)
    make, api, monitor = Messages(), server.api("ann"), server.connect()
    api.receipt(make.next())

    def rests():
        metrics = Metrics(monitor.request("GET", "/metrics", [("accept", "*/*")]))
        return metrics.get("aswolk_accept_rests_total")

    for error in ("ENOMEM", "ENFILE"):
        before = rests()
        faults.set("accept:1+:" + error)
        waiting = server.connect()
        until("it rests", lambda: rests() >= before + 3)
        api.receipts(make.many(5))
        faults.clear()
        try:
            status(waiting.request("GET", "/healthz"), 200, "who waited is served")
        except Gone:
            equal(error, "ENFILE", "one that is turned away")
        status(server.connect().request("GET", "/healthz"), 200, "and so are others")
    equal(said(server, CANNOT), 2, "each time it is said once")
    until("and when it is over", lambda: said(server, "connections are accepted again") == 2)


def test_backup_without_descriptors(t):
    """A backup that may open too few files beside a server says so and leaves nothing behind; with one more it may be whole."""
    server = t.server()
    server.api().receipts(Messages().many(50))
    target = os.path.join(t.folder, "backup")
    refused = 0
    for most in range(5, 32):
        done = subprocess.run(
            [program("aswolk"), "backup", server.folder, target],
            capture_output=True,
            timeout=PATIENCE_S * 5,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (most, most)),
        )
        if done.returncode == 0:
            break
        check(b"Too many open files" in done.stderr, "says why", done.stderr[-300:])
        equal([name for name in os.listdir(t.folder) if name.startswith("backup")], [], "nothing is left")
        refused += 1
    check(refused > 0 and done.returncode == 0, "some are too few, and some are enough", (refused, done.stderr[-300:]))
    command = [program("aswolk"), "verify", target, "--keys", server.folder + ".keys"]
    done = subprocess.run(command, capture_output=True, timeout=PATIENCE_S * 5)
    equal(done.returncode, 0, "the backup is sound: %r" % done.stderr[-300:])


class Memory:
    """Calls for memory that fail (tests/preload/memory.c)."""

    def __init__(self, t):
        library, path = program("libaw_memory.so"), os.path.join(t.folder, "memory")
        check(os.path.exists(library), "the library is built", library)
        with open(path, "wb") as file:
            file.write(bytes(48))
        with open(path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), 48)
        self.env = {"LD_PRELOAD": library, "ASWOLK_MEMORY": path}

    def set(self, thread, at=0):
        """The call number `at` of this thread fails from now on; 0: they are only counted."""
        self.map[:16] = bytes(16)
        self.map[16:] = struct.pack("<QQQQ", at, 1 if at > 0 else 0, 0, 0)
        self.map[:16] = thread.encode().ljust(16, b"\0")

    @property
    def calls(self):
        return struct.unpack_from("<Q", self.map, 32)[0]

    @property
    def failed(self):
        return struct.unpack_from("<Q", self.map, 40)[0] > 0


def visit(server, account):
    """Somebody comes, posts, takes a ticket and completes it, and looks around. False: not all of it was answered as it should."""
    try:
        api = server.api("ann", tls=True)
    except (Gone, OSError):
        return False
    try:
        ok = account.post(api, 5) and account.complete(api)
        answers = [api.get(path) for path in ("/v1/tickets", "/v1/leases", "/v1/lanes", "/v1/whoami")]
        for answer in answers:
            check(answer.status in (200, 503), "an answer", (answer.status, answer.body[:200]))
        return ok and all(answer.status == 200 for answer in answers)
    except Gone:
        return False
    finally:
        api.connection.close()


def test_no_memory(t):
    """A call for memory fails, in each kind of thread: that request or connection ends, or the store is said to be broken; nothing
    that was acknowledged is lost, the process lives, and serves the next one."""
    with open(program("aswolkd"), "rb") as file:
        if b"__asan_init" in file.read():
            t.note("left out: the sanitizer brings these calls itself")
            return
    memory = Memory(t)
    server = t.server(*CHECKPOINTS, env=memory.env, io_threads=1, start=False)
    server.args += ["--keys", keys_of(server)]
    account, notes = Account(busy=("store-broken", "overloaded", "out-of-memory")), []
    for thread, most in (("io0", CALLS * 6), ("reader", CALLS * 2), ("aswolkd", CALLS), ("committer", CALLS)):
        server.start()
        if thread != "reader":  # Those make room at their first reads, and no more.
            visit(server, account)
        memory.set(thread)
        visit(server, account)
        calls, met, spoilt = memory.calls, 0, 0
        check(calls > 0, "calls for memory in " + thread)
        for at in sorted(set(t.random.sample(range(1, calls + 1), min(most, calls)))):
            if thread == "reader":
                memory.set("")
                server.restart()
            memory.set(thread, at)
            spoilt += not visit(server, account)
            met += memory.failed  # It may be one call fewer than when they were counted.
            memory.set("")
            equal(server.process.poll(), None, "the process lives behind call %d of %s" % (at, thread))
            if server.api().get("/readyz").value["role"] == "broken":
                equal(thread, "committer", "who meets a store that breaks")
                expect_broken(server, server.api())
                server.restart()
            check(visit(server, account), "the next one is served, behind call %d of %s" % (at, thread))
        check(met > 0, "calls of %s failed" % thread)
        notes.append("%s: %d of %d calls failed, %d visits were spoilt" % (thread, met, calls, spoilt))
        server.kill()
    server.start()
    account.audit(server)
    t.note("; ".join(notes))


if __name__ == "__main__":
    sys.exit(run(globals()))
