#!/usr/bin/python3
"""kill -9 under load, again and again, by turns at random moments and in front of one of the store's next writes or flushes, with
an audit after each start: every acknowledged message is there exactly once, no ticket has two leases, the tokens that agents hold
are still theirs, and a replay of the journal gives the same state.

ASWOLK_CRASH_CYCLES  how many times (default 20), or which: 350-1000 goes on behind the 350th, where an earlier run was stopped.
                     There is a new store after 50, for each audit goes through all that was ever posted
"""

import collections
import json
import os
import random
import shutil
import subprocess
import sys
import threading
import time

from aswolk_test import (
    MSGPACK,
    PATIENCE_S,
    SEED,
    SLOW,
    Failed,
    Faults,
    Gone,
    check,
    equal,
    problem,
    program,
    run,
    status,
)

FIRST, CYCLES = map(int, ("0-" + os.environ.get("ASWOLK_CRASH_CYCLES", "20")).split("-")[-2:])
ROUND = 50  # cycles on one store, at most
POINTS_MAX = 200  # calls on the store, up to the one that a kill is in front of
GATEWAYS = 3
AGENTS = 3
LEASE_S = 3600  # Nothing expires here: a lease that is gone was lost.


class Book:
    """What the clients know: what was acknowledged to them, and what they sent without learning its fate."""

    def __init__(self):
        self.lock = threading.Lock()
        self.messages = {}  # source id -> the message as posted
        self.acked = {}  # source id -> (message id, ticket)
        self.unsure = set()  # source ids that were sent and not answered
        self.held = {}  # token -> (agent, ticket)
        self.completing = {}  # token -> (agent, ticket): sent and not answered
        self.completed = {}  # token -> (agent, ticket)
        self.shown = {}  # message id -> ticket, of completed leases
        self.counts = {}
        self.points = set()  # (call, number) that a kill was in front of

    def count(self, what, by=1):
        with self.lock:
            self.counts[what] = self.counts.get(what, 0) + by

    def posted(self, message, answer):
        """An answer to a post: the first, or the same again."""
        check(answer["status"] == 202, "a post is accepted", answer)
        source = message["source_id"]
        with self.lock:
            known = self.acked.get(source)
            got = (answer["message"], answer["ticket"])
            if known is not None:
                check(answer["duplicate"], "an acknowledged message is there: " + source, answer)
                equal(got, known, "the first answer for " + source)
            self.acked[source] = got
            self.unsure.discard(source)

    def leased(self, who, lease):
        """An answer to a pull. A complete of the ticket's last lease may still be on its way back; nobody may hold another one."""
        ticket = lease["ticket"]
        with self.lock:
            for token, (other, held) in self.held.items():
                check(held != ticket or token in self.completing, "one valid lease a ticket", (ticket, token, other, who))
            check(lease["lease"] not in self.held and lease["lease"] not in self.completed, "a token is given once", lease)
            self.held[lease["lease"]] = (who, ticket)

    def held_by(self, who):
        with self.lock:
            return [token for token, (owner, _) in self.held.items() if owner == who]


class Gateway(threading.Thread):
    """Posts new messages, one or many at once, until the server is gone."""

    def __init__(self, book, server, number, cycle):
        super().__init__(daemon=True)
        self.book = book
        self.api = server.api("gateway-%d" % number, form=MSGPACK if number == 0 else "application/json")
        self.prefix = "%d-%d" % (cycle, number)
        self.random = random.Random("%d/%s" % (SEED, self.prefix))
        # Some in a flood, where many share a commit; most at ease, or the account at the end grows beyond all measure.
        self.pace = self.random.choice((0, 0.01, 0.03, 0.03))
        self.error = None

    def message(self, number):
        # One in three comes from a small circle of customers who write again and again.
        customer = self.random.randrange(20) if self.random.random() < 0.3 else "%s-%d" % (self.prefix, number)
        message = {
            "channel": "web",
            "source_id": "%s-%d" % (self.prefix, number),
            "customer": "c-%s" % customer,
            "text": "Where is my flight? " + "please " * self.random.randrange(30),
        }
        if self.random.random() < 0.02:
            message["care"] = ["medical"]
        return message

    def run(self):
        number = 0
        try:
            while True:
                count = self.random.choice((1, 1, 5, 20))
                messages = [self.message(number + i) for i in range(count)]
                number += count
                with self.book.lock:
                    for message in messages:
                        self.book.messages[message["source_id"]] = message
                        self.book.unsure.add(message["source_id"])
                if count == 1:
                    answers = [dict(status(self.api.post(messages[0]), 202, "post").value, status=202)]
                else:
                    answers = status(self.api.post_many(messages), 200, "post many").lines
                equal(len(answers), count, "an answer for each message")
                for message, answer in zip(messages, answers):
                    equal(answer["duplicate"], False, "a message that was never posted before")
                    self.book.posted(message, answer)
                self.book.count("posts acknowledged", count)
                time.sleep(self.pace)
        except Gone:
            pass
        except Exception as error:  # Shown by the test: a thread has nobody to raise to.
            self.error = error


class Agent(threading.Thread):
    """Pulls, keeps some, completes some, releases a few, until the server is gone."""

    def __init__(self, book, server, number, cycle):
        super().__init__(daemon=True)
        self.book = book
        self.who = "agent-%d" % number
        self.api = server.api(self.who)
        self.random = random.Random("%d/%d/%s" % (SEED, cycle, self.who))
        self.error = None

    def complete(self, token):
        with self.book.lock:
            owner = self.book.held[token]
            self.book.completing[token] = owner
        response = self.api.complete(token)
        if response.status == 409 and response.value["type"] == "urn:aswolk:new-messages":
            response = self.api.complete(token)  # Now it has seen them; yet another may have come since: then the lease goes on.
        if response.status == 409 and response.value["type"] == "urn:aswolk:new-messages":
            with self.book.lock:
                del self.book.completing[token]
            return
        status(response, 200, "complete")
        with self.book.lock:
            self.book.completed[token] = self.book.held.pop(token)
            del self.book.completing[token]
        self.book.count("completes acknowledged")

    def run(self):
        try:
            while True:
                for lease in self.api.leases(max=self.random.choice((1, 5, 20)), wait_s=1, lease_s=LEASE_S):
                    self.book.leased(self.who, lease)
                    self.book.count("leases acknowledged")
                mine = self.book.held_by(self.who)
                for token in self.random.sample(mine, min(len(mine), self.random.randrange(8))):
                    self.complete(token)
                mine = self.book.held_by(self.who)
                if len(mine) > 60:
                    for token in mine[:30]:
                        self.complete(token)
        except Gone:
            pass
        except Exception as error:
            self.error = error


def kill(t, server, book, cycle, faults):
    """At a random moment, or in front of a call that writes or flushes the store."""
    if cycle % 2 == 0:
        time.sleep(t.random.uniform(0.02, 0.6) * SLOW)
        server.process.kill()
        book.count("kills at random moments")
        return
    call = t.random.choice(("write", "fdatasync"))
    number = t.random.randint(1, POINTS_MAX if call == "write" else POINTS_MAX // 10)
    book.points.add((call, number))
    faults.set("%s:%d:KILL" % (call, number))
    try:
        server.process.wait(PATIENCE_S * 5)
    except subprocess.TimeoutExpired:
        raise Failed("the server was not killed at a %s" % call)
    faults.clear()
    book.count("kills in front of a " + call)


def load(t, server, book, cycle, faults):
    """Runs gateways and agents, and kills the server meanwhile."""
    threads = [Gateway(book, server, number, cycle) for number in range(GATEWAYS)]
    threads += [Agent(book, server, number, cycle) for number in range(AGENTS)]
    for thread in threads:
        thread.start()
    kill(t, server, book, cycle, faults)
    for thread in threads:
        thread.join(PATIENCE_S)
        check(not thread.is_alive(), "a client learns that the server is gone")
        if thread.error is not None:
            raise thread.error
    server.kill()


def repost(server, book, sources):
    """Posts these again, in batches; the book checks the answers."""
    api = server.api("auditor")
    sources = list(sources)
    for first in range(0, len(sources), 500):
        messages = [book.messages[source] for source in sources[first : first + 500]]
        for message, answer in zip(messages, status(api.post_many(messages), 200, "re-post").lines):
            book.posted(message, answer)


def audit_leases(server, book):
    """Held tokens are valid, completed ones are not, no ticket is leased twice, and what an agent never heard of is in its list."""
    tickets = {}
    for number in range(AGENTS):
        who = "agent-%d" % number
        api = server.api(who)
        listed = all_held(api)
        for lease in listed:
            check(lease["ticket"] not in tickets, "one lease a ticket", (lease["ticket"], tickets.get(lease["ticket"]), who))
            tickets[lease["ticket"]] = who
        tokens = {lease["lease"]: lease["ticket"] for lease in listed}
        equal(set(tokens) & set(book.completed), set(), "acknowledged completes that are undone")
        for token, (owner, ticket) in list(book.held.items()):
            if owner != who:
                continue
            if token in book.completing:
                settle(api, book, token)
            else:
                equal(tokens.get(token), ticket, "a held token of %s is listed" % who)
        known = [token for token, (owner, _) in book.held.items() if owner == who]
        lines = [{"lease": token, "lease_s": LEASE_S} for token in known]
        answers = status(api.post_many(lines, path="/v1/leases/extend"), 200, "extend all").lines if lines else []
        equal(len(answers), len(lines), "answers to extend")
        for line, answer in zip(lines, answers):
            check(answer["status"] == 200, "a held token is valid after the restart", (line, answer))
        for token, ticket in tokens.items():
            if token not in book.held and token not in book.completed:  # Completed: just now, by settle.
                book.held[token] = (who, ticket)
                book.count("answers lost, leases found again")
    tickets = [ticket for _, ticket in book.held.values()]
    equal(len(set(tickets)), len(tickets), "tickets of all held tokens")


def audit_completed(t, server, book):
    """A lease whose complete was acknowledged is over for good."""
    for token in t.random.sample(sorted(book.completed), min(50, len(book.completed))):
        api = server.api(book.completed[token][0])
        problem(api.act(token, "extend", {"lease_s": LEASE_S}), 409, "lease-lost")
        api.connection.close()


def all_held(api):
    """Every lease of the agent, page by page."""
    return api.every_lease()


def settle(api, book, token):
    """A complete whose answer was lost: done or not, the same request again finishes it."""
    owner = book.completing.pop(token)
    for _ in range(3):
        response = api.complete(token)
        if response.status == 409 and response.value["type"] == "urn:aswolk:new-messages":
            continue
        status(response, 200, "complete again")
        book.completed[token] = owner
        book.held.pop(token)
        return
    raise Failed("complete never saw all messages")


def journal(server, *args):
    """What `aswolk journal` prints as JSON, a value a line; a server may be running."""
    command = [program("aswolk"), "journal", server.folder, "--json"] + list(args)
    done = subprocess.run(command, capture_output=True, timeout=PATIENCE_S * 5)
    equal(done.returncode, 0, "exit code of journal %s: %r %r" % (args, done.stdout[-400:], done.stderr[-400:]))
    return [json.loads(line) for line in done.stdout.splitlines()]


def verify(server):
    """Replays the whole journal into an empty state: chain, checksums, bodies; and the digest, which must be the one that the
    server had in front of each batch. The first batch of a start was written on what that start had loaded: so a state that came
    from a checkpoint and the records behind it is compared with one that came from all records."""
    [told] = journal(server, "--verify")
    equal((told["ok"], told["first_batch"], told["without_body"]), (True, 1, 0), "a sound journal from its first batch on")
    return told


def drain(server, book):
    """Completes everything; returns how many messages were shown in completed leases."""
    for token, (who, _) in list(book.held.items()):
        api = server.api(who)
        status(api.act(token, "release", {"reason": "the end"}), 200, "release")
        api.connection.close()
        book.held.pop(token)
    api = server.api("last")
    while True:
        leases = api.leases(max=100)
        if not leases and server.metrics().get("aswolk_tickets", state="waiting") == 0:
            return
        if not leases:  # What waits is kept for an agent who is gone, for --kept-s.
            leases = api.leases(max=100, wait_s=5)
        for lease in leases:
            if lease["messages_total"] <= 200:
                equal(len(lease["messages"]), lease["messages_total"], "messages of a lease")
            for message in lease["messages"]:
                known = book.shown.setdefault(message["message"], lease["ticket"])
                equal(known, lease["ticket"], "the one ticket of message " + message["message"])
        lines = [{"lease": lease["lease"]} for lease in leases]
        answers = status(api.post_many(lines, path="/v1/leases/complete"), 200, "complete many").lines if lines else []
        equal([answer["status"] for answer in answers], [200] * len(lines), "completes")


def kill_and_audit(t, server, book, cycles, faults):
    """The cycles on one store. Returns the slowest start, and how many were from a checkpoint."""
    slowest = checkpoints = 0
    for cycle in cycles:
        load(t, server, book, cycle, faults)
        book.count("in flight at the kill", len(book.unsure) + len(book.completing))
        began = time.monotonic()
        server.start()
        slowest = max(slowest, time.monotonic() - began)
        audit_leases(server, book)
        audit_completed(t, server, book)
        repost(server, book, [s for s in book.messages if s.startswith("%d-" % cycle) or s in book.unsure])
        repost(server, book, t.random.sample(sorted(book.acked), min(200, len(book.acked))))
        equal(book.unsure, set(), "everything is settled")
        told = verify(server)
        equal(told["messages"], len(book.acked), "messages in the journal: none is lost, none is there twice")
        checkpoints += server.ready["checkpoint_seq"] > 0
    return slowest, checkpoints


def audit_all(server, book):
    """The whole account: each acknowledged message is one message of one ticket, and all tickets drain."""
    repost(server, book, sorted(book.messages))
    equal(len(book.acked), len(book.messages), "every message is acknowledged by now")
    ids = [message for message, _ in book.acked.values()]
    equal(len(set(ids)), len(ids), "an id of its own for each message")
    equal(server.metrics().get("aswolk_tickets", state="leased"), len(book.held), "leases that the server counts")
    book.count("messages found in their tickets", check_threads(server, book))
    drain(server, book)
    server.restart()
    equal(server.api("last").leases(max=100), [], "nothing comes back after the last start")
    metrics = server.metrics()
    equal((metrics.get("aswolk_leases"), metrics.get("aswolk_tickets", state="waiting")), (0, 0), "leases and waiting tickets left")
    verify(server)
    listed = [line["message"] for line in journal(server, "--kind", "message")]
    equal(sorted(listed), sorted(ids), "ids of all messages in the journal")


def one_round(t, cycles, faults):
    """A store from its creation to its end. Checkpoints come so often that many a kill falls into one."""
    server = t.server("--checkpoint-bytes", "65536", "--checkpoint-step-bytes", "65536", "--kept-s", "2", "--kept-gentle-s", "2",
                      "--forecast-every-s", "1", data="data-%d" % cycles[0], env=faults.env)
    book = Book()
    slowest, checkpoints = kill_and_audit(t, server, book, cycles, faults)
    audit_all(server, book)
    check(checkpoints > 0, "starts from a checkpoint")
    for what in ("posts", "leases", "completes"):
        check(book.counts.get(what + " acknowledged", 0) > len(cycles), "the load was one: " + what, book.counts)
    server.check_pools()
    server.stop()
    server.check_logs()
    t.servers.remove(server)
    shutil.rmtree(server.folder)
    return book, slowest, checkpoints


def test_kill_cycles(t):
    """The cycles in rounds, and the sum of all."""
    faults = Faults(t)
    counts, points, slowest, checkpoints = collections.Counter(), set(), 0, 0
    began = time.monotonic()
    for first in range(FIRST, CYCLES, ROUND):
        cycles = range(first, min(first + ROUND, CYCLES))
        book, slowest_of, from_checkpoint = one_round(t, cycles, faults)
        counts.update(book.counts)
        points |= book.points
        slowest = max(slowest, slowest_of)
        checkpoints += from_checkpoint
        if CYCLES - FIRST > ROUND:
            print("%d cycles, %.0f s: %s" % (cycles[-1] + 1, time.monotonic() - began, dict(counts)), flush=True)
    t.note("%d kills, in front of %d different calls; slowest start %.2f s, %d from a checkpoint" % (
        CYCLES - FIRST, len(points), slowest, checkpoints))
    t.note(", ".join("%d %s" % (count, what) for what, count in sorted(counts.items())))
    t.note("0 lost, 0 doubled, 0 invented")


def check_threads(server, book):
    """Each acknowledged message is in the ticket that its receipt named, once; each ticket holds nothing else."""
    api = server.api("auditor")
    by_ticket = {}
    for source, (message, ticket) in book.acked.items():
        by_ticket.setdefault(ticket, {})[message] = source
    pending = list(by_ticket)
    found = 0
    while pending:
        some, pending = pending[:50], pending[50:]
        answers = [(ticket, api.connection.begin("GET", "/v1/tickets/" + ticket, api.fields())) for ticket in some]
        for ticket, response in answers:
            value = status(api.connection.wait(response), 200, "ticket").value
            listed = [message["message"] for message in value["messages"]]
            equal(len(set(listed)), len(listed), "no message twice in " + ticket)
            wanted = by_ticket[ticket]
            if value["messages_total"] <= 200:
                equal(set(listed), set(wanted), "messages of " + ticket)
            else:
                equal(value["messages_total"], len(wanted), "number of messages of " + ticket)
                check(set(listed) <= set(wanted), "messages of " + ticket)
            for message in value["messages"]:
                equal(message["source_id"], wanted[message["message"]], "source id of " + message["message"])
            found += len(wanted)
    return found


if __name__ == "__main__":
    if len(sys.argv) == 2 and sys.argv[1].isdigit():
        CYCLES = int(sys.argv.pop())
        FIRST = min(FIRST, CYCLES)
    sys.exit(run(globals()))
