#!/usr/bin/python3
"""Power cuts: what reaches the disk of a running server is recorded, with what it tells its clients, and the store is started from
every state in which the disk may have been at any moment. Whatever was acknowledged by then is there, once, and nothing else is.

tests/preload/record.c records; tests/power/ makes the states, with the key file that belongs to each, and starts the engine and the
recovery of the server on them; some are drawn for the server itself. Where a state differs from one before it only in what no start
reads (power/seen.h), the engine opens it with all its checks, and its records are not compared again.

ASWOLK_POWER_COMMITS  how many commits are recorded (default 12; the whole: 2000)
ASWOLK_POWER_SAMPLES  how many states the server itself starts on (default 3)
"""

import base64
import json
import os
import struct
import subprocess
import sys

from aswolk_test import (
    PATIENCE_S,
    SEED,
    SLOW,
    Gone,
    Messages,
    Server,
    check,
    equal,
    problem,
    program,
    run,
    status,
)
from journal_model import DIGITS

COMMITS = int(os.environ.get("ASWOLK_POWER_COMMITS", "12"))
SAMPLES = int(os.environ.get("ASWOLK_POWER_SAMPLES", "3"))
RANDOM = 4  # random states in front of each flush
RESERVE = ["--store-reserve-bytes", str(8 << 20), "--store-bytes-max", str(512 << 20)]
CHECKPOINTS = ["--checkpoint-bytes", "65536", "--checkpoint-step-bytes", "65536"]


# --- the log ------------------------------------------------------------------------------------------------------------------


class Sent:
    """One connection's answers, out of what the server wrote to it: HTTP/2 in clear, of which only the bodies are of interest."""

    DATA, END_STREAM = 0, 1

    def __init__(self):
        self.bytes = b""
        self.bodies = {}

    def take(self, data):
        """More bytes; gives the bodies that are whole now."""
        self.bytes += data
        whole = []
        while len(self.bytes) >= 9:
            length, kind, flags = int.from_bytes(self.bytes[:3], "big"), self.bytes[3], self.bytes[4]
            if len(self.bytes) < 9 + length:
                break
            stream = int.from_bytes(self.bytes[5:9], "big")
            if kind == self.DATA:
                body = self.bodies.pop(stream, b"") + self.bytes[9 : 9 + length]
                if flags & self.END_STREAM:
                    whole.append(body)
                else:
                    self.bodies[stream] = body
            self.bytes = self.bytes[9 + length :]
        return whole


class Recording:
    """What preload/record.h tells, as far as clients are concerned."""

    HEAD = struct.Struct("<IIQQQ")
    SENDING, SENT = 11, 12

    def __init__(self, path):
        self.facts = []  # (place in the log, "message"/"lease"/"complete", its seq or fence)
        with open(path, "rb") as file:
            self.log = file.read()
        self.connections = {}
        sending = {}
        at = 0
        while at + self.HEAD.size <= len(self.log):
            kind, size, file, where, length = self.HEAD.unpack_from(self.log, at)
            if kind == self.SENDING:
                sending[at] = (file, self.log[at + self.HEAD.size : at + self.HEAD.size + size])
            elif kind == self.SENT:
                socket, data = sending.pop(where)
                self._take(where, socket, data[:length])
            at += self.HEAD.size + size
        for place, (socket, data) in sending.items():  # The server was killed: they may have gone out.
            self._take(place, socket, data)
        self.facts.sort()

    def _take(self, place, socket, data):
        for body in self.connections.setdefault(socket, Sent()).take(data):
            for line in body.split(b"\n"):
                try:
                    value = json.loads(line)
                except ValueError:
                    continue
                if isinstance(value, dict):
                    self._note(place, value)

    def _note(self, place, value):
        if "duplicate" in value and "message" in value:
            self.facts.append((place, "message", seq_of(value["message"])))
        for lease in value.get("leases", ()):
            self.facts.append((place, "lease", fence_of(lease["lease"])))
        if value.get("state") == "closed":
            self.facts.append((place, "complete", fence_of(value["lease"])))

    def told(self, what):
        return {number for _, kind, number in self.facts if kind == what}


def seq_of(message):
    """Of an id: m, two digits of the shard, then the record."""
    seq = 0
    for digit in message[3:]:
        seq = seq * 32 + DIGITS.index(digit)
    return seq


def fence_of(token):
    data = base64.urlsafe_b64decode(token[1:] + "=" * (-len(token[1:]) % 4))
    return int.from_bytes(data[5:13], "big")


# --- the run ------------------------------------------------------------------------------------------------------------------


class Desk:
    """Two gateways and an agent, who keep some requests under way at once."""

    def __init__(self, t, commits):
        self.random = t.random
        self.commits = commits
        self.make = Messages("p")
        self.posted = {}  # source id -> message
        self.acked = {}  # source id -> message id
        self.held, self.completed = [], []
        self.commit = 0

    def connect(self, server):
        self.gateways = [server.api("gateway-%d" % number) for number in range(2)]
        self.agent = server.api("agent")

    def next(self):
        customer = "c-%d" % self.random.randrange(30)
        message = self.make.next(customer=customer, text="Where is it? " + "x" * self.random.choice((1, 200, 200, 3000, 12000)))
        self.posted[message["source_id"]] = message
        return message

    def took(self, message, value):
        self.acked[message["source_id"]] = value["message"]
        if value.get("commit"):
            self.commit = max(self.commit, value["commit"]["index"])

    def step(self):
        """Some requests at once, then their answers."""
        posts = [(gateway, message, gateway.begin_post(message)) for gateway in self.gateways for message in [self.next()]]
        many = [self.next() for _ in range(self.random.choice((0, 0, 0, 0, 12)))]
        pull = self.agent.begin_pull(max=5, wait_s=0, lease_s=3600) if self.random.random() < 0.3 else None
        done = [lease for lease in self.held if self.random.random() < 0.4]
        completing = [(lease, self.agent.begin("POST", "/v1/leases/%s/complete" % lease["lease"], {})) for lease in done]
        for gateway, message, post in posts:
            self.took(message, status(gateway.connection.wait(post), 202, "post").value)
        if many:
            for message, value in zip(many, self.gateways[0].receipts(many)):
                self.took(message, value)
        if pull is not None and self.agent.connection.wait(pull).status == 200:
            self.held += pull.value["leases"]
        for lease, response in completing:
            if self.agent.connection.wait(response).status == 200:
                self.completed.append(lease)
                self.held.remove(lease)
            else:
                problem(response, 409, "new-messages")

    def work(self, server, kills):
        """Until there are enough commits; the server is killed in the middle so many times."""
        self.connect(server)
        at = [self.commits * (number + 1) // (kills + 1) for number in range(kills)]
        while self.commit < self.commits:
            self.step()
            if at and self.commit >= at[0]:
                at.pop(0)
                for _ in range(20):
                    self.gateways[0].begin_post(self.next())
                server.restart()
                self.connect(server)
                again = list(self.posted.values())
                self.held = self.agent.every_lease()
                for first in range(0, len(again), 100):
                    for message, value in zip(again[first : first + 100], self.gateways[0].receipts(again[first : first + 100])):
                        equal(value["message"], self.acked.get(message["source_id"], value["message"]), "the same after a kill")
                        self.took(message, value)


def journal(folder, *args):
    done = subprocess.run(
        [program("aswolk"), "journal", folder, "--json"] + list(args), capture_output=True, timeout=PATIENCE_S * 5
    )
    equal(done.returncode, 0, "exit code of journal: %r %r" % (done.stdout[-400:], done.stderr[-400:]))
    return [json.loads(line) for line in done.stdout.splitlines()]


def record(t, commits, kills):
    """A run under the recorder, from the store's creation to a drain. Returns its folder, its desk, and where its files are."""
    folder = os.path.join(os.path.realpath(t.folder), "data")
    log = os.path.join(t.folder, "log")
    library = program("libaw_record.so")
    check(os.path.exists(library), "the recorder is built", library)
    env = {"LD_PRELOAD": library, "ASWOLK_RECORD_FOLDER": folder, "ASWOLK_RECORD": log}
    server = t.server(*RESERVE, *CHECKPOINTS, start=False, env=env)
    os.rmdir(folder)  # The server makes it.
    server.start()
    desk = Desk(t, commits)
    desk.work(server, kills)
    server.check_pools()
    server.stop()
    return folder, desk, log


def write_acks(t, folder, desk, log):
    """From where in the log on which record must be there. On the way: what clients were told is what the journal has."""
    recording = Recording(log)
    records = journal(folder)
    completes = {record["fence"]: record["seq"] for record in records if record["kind"] == "complete"}
    messages = [record["message"] for record in records if record["kind"] == "message"]
    equal(sorted(messages), sorted(desk.acked.values()), "messages in the journal: each that was posted, once")
    equal(recording.told("message"), {seq_of(message) for message in messages}, "receipts in the log")
    check({fence_of(lease["lease"]) for lease in desk.completed} <= recording.told("complete"), "completes in the log")
    path = os.path.join(t.folder, "acks")
    with open(path, "w") as file:
        for place, what, number in recording.facts:
            file.write("%d %d\n" % (place, completes[number] if what == "complete" else number))
    return path


def in_memory(folder, command):
    """The command with `folder` in memory, where one may mount: states are made and taken back by the thousand."""
    probe = ["unshare", "--mount", "mount", "-t", "tmpfs", "none", folder]
    if subprocess.run(probe, stdin=subprocess.DEVNULL, capture_output=True).returncode != 0:
        os.mkdir(os.path.join(folder, "data"))
        return command
    return ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none "$0" && mkdir "$0/data" && exec "$@"', folder] + command


def try_states(t, folder, log, acks, *more, want=0):
    """Returns what tests/power says of all states, and the samples that it made."""
    work, samples = t.data_folder("work"), t.data_folder("samples")
    command = [program("power_states"), "--log", log, "--acks", acks, "--reference", folder]
    command += ["--work", os.path.join(work, "data")]
    command += ["--seed", str(SEED), "--random", str(RANDOM), "--samples-to", samples] + list(more)
    done = subprocess.run(in_memory(work, command), capture_output=True, timeout=max(600, COMMITS * 4) * SLOW)
    equal(done.returncode, want, "exit code of power_states: %s%s" % (done.stdout[-1000:], done.stderr[-3000:]))
    *made, result = [json.loads(line) for line in done.stdout.splitlines()]
    return result, made


def boot_sample(t, desk, sample):
    """The server starts on a state: what it has is a beginning of what was posted, and what is posted again is there once."""
    server = Server(sample["sample"], RESERVE + CHECKPOINTS)
    t.servers.append(server)
    server.start()
    api = server.api()
    messages = list(desk.posted.values())
    kept = 0
    for first in range(0, len(messages), 100):
        some = messages[first : first + 100]
        for message, value in zip(some, api.receipts(some)):
            before = desk.acked[message["source_id"]]
            if seq_of(before) <= sample["acknowledged"]:
                check(value["duplicate"], "an acknowledged message is there", (sample, message["source_id"]))
            if value["duplicate"]:
                equal(value["message"], before, "the first receipt, in " + sample["state"])
                kept += 1
    [told] = journal(server.folder, "--verify")
    equal((told["ok"], told["messages"]), (True, len(messages)), "each message once")
    server.check_pools()
    server.kill()
    t.servers.remove(server)
    return kept


def test_every_state(t):
    """Every state of a recorded run: of its creation, of each commit, of checkpoints, of starts after kill -9."""
    folder, desk, log = record(t, COMMITS, kills=2 if COMMITS >= 100 else 1)
    acks = write_acks(t, folder, desk, log)
    result, samples = try_states(t, folder, log, acks, "--samples", str(SAMPLES))
    check(result["batches"] >= COMMITS and result["torn"] > 0 and result["random"] > 0, "states of all shapes", result)
    equal((result["refused"], result["lost"], result["other"]), (0, 0, 0), "states that are not fine")
    check(result["whole"] >= result["batches"], "each batch was the last of a start that was looked at whole", result)
    check(result["key_files"] > 0, "states in the middle of a key file's replacement", result)
    kept = [boot_sample(t, desk, sample) for sample in samples]
    t.note("%d batches, %d MB of log, %d states before %d flushes (%d beginnings, %d all but one, %d one, %d torn, %d random), %d "
           "of them looked at whole; 0 refused, 0 lost, 0 doubled, 0 invented; the server started on %d of them" % (
               result["batches"], os.path.getsize(log) >> 20, result["states"], result["flushes"], result["beginning"],
               result["all_but_one"], result["one"], result["torn"], result["random"], result["whole"], len(kept)))


def test_a_disk_that_lies(t):
    """The same with a disk that says of a flush that it is done, one flush too early: it is found, in many states."""
    folder, desk, log = record(t, 1, kills=0)
    acks = write_acks(t, folder, desk, log)
    result, _ = try_states(t, folder, log, acks, "--late-flushes", want=1)
    check(result["lost"] > 0 and result["lost"] + result["refused"] + result["other"] < result["states"], "found", result)
    t.note("of %d states %d lost what was acknowledged, %d did not start" % (result["states"], result["lost"], result["refused"]))


if __name__ == "__main__":
    sys.exit(run(globals()))
