#!/usr/bin/python3
"""The command `aswolk` against a real server: what it prints, what it sends, and its exit codes, which scripts rely on."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

from aswolk_test import MSGPACK, PATIENCE_S, SLOW, Messages, check, equal, program, run, status, until

OK, FAILED, USAGE, UNREACHED, PARTLY = range(5)


class Done:
    def __init__(self, code, out, err):
        self.code = code
        self.out = out.decode()
        self.err = err.decode()

    @property
    def json(self):
        return json.loads(self.out)

    @property
    def lines(self):
        return [json.loads(line) for line in self.out.splitlines()]


def start(server, *args, stdin=subprocess.DEVNULL):
    env = dict(os.environ, ASWOLK_SERVER="http://%s:%d" % server.address, ASWOLK_AGENT="ann")
    pipe = subprocess.PIPE
    return subprocess.Popen([program("aswolk"), *args], stdin=stdin, stdout=pipe, stderr=pipe, env=env)


def aswolk(server, *args, stdin=b"", code=OK):
    process = start(server, *args, stdin=subprocess.PIPE)
    out, err = process.communicate(stdin, timeout=PATIENCE_S * 3)
    done = Done(process.returncode, out, err)
    equal(done.code, code, "exit code of aswolk %s: %s%s" % (ascii(args), done.out[-500:], done.err[-500:]))
    return done


def write_lines(t, name, values):
    path = os.path.join(t.folder, name)
    with open(path, "w") as file:
        for value in values:
            file.write(value if isinstance(value, str) else json.dumps(value) + "\n")
    return path


class Nowhere:
    address = ("127.0.0.1", 1)


# --- the command line ---------------------------------------------------------------------------------------------------------


def test_help_and_usage(t):
    """Every command has help; a wrong command line is exit code 2 and says what is wrong; nothing is asked of a server."""
    overview = aswolk(Nowhere, "help").out
    commands = "post work transfer note ticket tickets bulk message lanes agents journal verify backup restore"
    commands += " audit health events history token whoami"
    for command in commands.split():
        check(" %s " % command in overview, "the overview names " + command)
        text = aswolk(Nowhere, "help", command).out
        check(text.startswith("Usage: aswolk " + command), "help of " + command, text[:60])
        equal(aswolk(Nowhere, command, "--help").out, text, "--help of " + command)
    wrong = (
        ([], "Usage"),
        (["frob"], "frob"),
        (["help", "frob"], "frob"),
        (["post"], "FILE"),
        (["post", "--frob", "x"], "--frob"),
        (["post", "--batch", "0", "x"], "--batch"),
        (["post", "--text", "x"], "--customer"),
        (["post", "--customer", "x", "-"], "--text"),
        (["work", "extra"], "argument"),
        (["work", "--max", "101"], "--max"),
        (["transfer", "t0"], "--lane or --to"),
        (["transfer", "t0", "--lane", "a", "--to", "b"], "--lane or --to"),
        (["transfer", "t/0", "--lane", "a"], "ticket or lease"),
        (["note", "t0"], "text"),
        (["ticket"], "ticket id"),
        (["ticket", "t/../x"], "ticket id"),
        (["ticket", "t0", "--hold", "--cancel"], "exclude"),
        (["ticket", "t0", "--hold", "--why"], "alone"),
        (["tickets", "t0"], "no arguments"),
        (["tickets", "--customer", "x" * 5000], "more than a request"),
        (["bulk", "--hold"], "--all"),
        (["bulk", "t0", "--all", "--hold"], "--all"),
        (["bulk", "--all", "--lane", "x", "--hold"], "--all"),
        (["bulk", "--all"], "--cancel"),
        (["bulk", "--all", "--cancel", "--hold"], "--cancel"),
        (["bulk", "--all", "--hold", "--unhold"], "--cancel"),
        (["audit"], "data folder"),
        (["ticket", "t0", "--class", "care", "--cancel"], "exclude"),
        (["lanes", "--pause", "in"], "put NAME"),
        (["agents", "--gentle", "yes"], "set NAME"),
        (["agents", "set", "x", "--gentle", "maybe"], "yes or no"),
        (["lanes", "put", "x", "--overflow", "main"], "NAME:SECONDS"),
        (["lanes", "put", "x", "--overflow", "main:5x"], "NAME:SECONDS"),
        (["lanes", "put", "x", "--overflow", os.fsdecode(b"main:5,\xff:9")], "--overflow"),
        (["journal"], "folder"),
        (["events", "extra"], "argument"),
        (["events", "--after", "x"], "--after"),
        (["events", "--type", "a&b"], "--type"),
        (["events", "--lane", "a/b"], "lane"),
        (["history"], "ticket id"),
        (["history", "t/../x"], "ticket id"),
        (["lanes", "put", "x", "--langs", os.fsdecode(b"nl,\xff")], "--langs"),
        (["health", "--server", "127.0.0.1:8480"], "http://"),
    )
    for args, words in wrong:
        done = aswolk(Nowhere, *args, code=USAGE)
        check(words in done.err, "aswolk %a says %r" % (args, words), done.err)


def test_nobody_there(t):
    """No server: exit code 3, and the words that help."""
    for args in (["health"], ["post", "--text", "x", "--customer", "c"], ["work", "--once"], ["ticket", "t0"], ["lanes"]):
        done = aswolk(Nowhere, *args, code=UNREACHED)
        check("aswolkd --dev --data" in done.err, "how to start a server", done.err)
    done = aswolk(Nowhere, "post", "-", stdin=b'{"channel":"web"}\n', code=UNREACHED)
    check("1 not taken" in done.out, "the line is accounted for", done.out)


def test_health(t):
    """Alive and ready over both ports; a wrong scheme and an unknown certificate are explained."""
    server = t.server()
    check("ready" in aswolk(server, "health").out, "ready")
    equal(aswolk(server, "health", "--json").json, {"ready": True, "intake": True, "role": "active"}, "as JSON")
    tls = "https://%s:%d" % server.tls_address
    check("--cacert" in aswolk(server, "health", "--server", tls, code=UNREACHED).err, "how to trust")
    aswolk(server, "health", "--server", tls, "--insecure")
    aswolk(server, "health", "--server", tls, "--cacert", os.path.join(server.folder, "dev-cert.pem"))
    plain_to_tls = "http://%s:%d" % server.tls_address
    check("https://" in aswolk(server, "health", "--server", plain_to_tls, code=UNREACHED).err, "the other scheme")
    tls_to_plain = "https://%s:%d" % server.address
    check("http://" in aswolk(server, "health", "--server", tls_to_plain, code=UNREACHED).err, "the other scheme")


# --- many tickets -------------------------------------------------------------------------------------------------------------


def test_tickets_and_bulk(t):
    """Tickets are found and changed many at once; what is refused is said, and counted in the exit code."""
    server = t.server()
    make = Messages()
    api = server.api()
    status(api.put_lane("night"), 201, "lane")
    tickets = [receipt["ticket"] for receipt in api.receipts(list(make.many(230)))]
    other = api.receipt(make.next(customer="ann & co", lane="night", channel="mail", care=["medical"]))["ticket"]
    shown = aswolk(server, "tickets", "--lane", "night").out.splitlines()
    equal([line.split()[:4] for line in shown[1:]], [[other, "waiting", "care", "night"]], "one of that lane")
    equal(len(aswolk(server, "tickets", "--state", "waiting", "--count", "0", "--json").lines), 231, "over three pages")
    few = aswolk(server, "tickets", "--count", "2").out.splitlines()
    check(len(few) == 4 and "--count 0" in few[-1], "and more", few)
    found = aswolk(server, "tickets", "--customer", "ann & co", "--channel", "mail", "--json").lines
    equal([line["ticket"] for line in found], [other], "what needs encoding")
    check("bad-value" in aswolk(server, "tickets", "--state", "open", code=FAILED).err, "no such state")
    check("bad-value" in aswolk(server, "tickets", "--older-than", "1h", code=FAILED).err, "no number")
    equal(aswolk(server, "tickets", "--deferred", "yes", "--json").lines, [], "nobody put any off")
    check("bad-value" in aswolk(server, "bulk", "--deferred", "maybe", "--cancel", code=FAILED).err, "no flag")
    tried = aswolk(server, "bulk", "--lane", "main", "--to-lane", "night", "--hold", "--dry-run").out.splitlines()
    equal((len(tried), tried[-1]), (231, "230 would be changed, 0 refused"), "tried out")
    check("would be now held, general in night" in tried[0], "in words", tried[0])
    done = aswolk(server, "bulk", "--lane", "main", "--older-than", "0", "--to-lane", "night", "--hold", "--json").lines
    equal(done[-1], {"done": 230, "failed": 0}, "done")
    partly = aswolk(server, "bulk", tickets[0], other, "t0000000zz", "--unhold", "--reason", "go on", code=PARTLY).out.splitlines()
    equal(partly[0], "%s is now waiting, general in night" % tickets[0], "one was held")
    check("409 wrong-state" in partly[1] and "404 not-found" in partly[2], "two could not be", partly)
    equal(partly[3], "1 done, 2 refused", "counted")
    none = aswolk(server, "bulk", *tickets[:2], "--unhold", "--atomic", code=FAILED).out
    check("none-done" in none and "0 done, 2 refused" in none, "all or none", none)
    check("not-found" in aswolk(server, "bulk", "--lane", "nowhere", "--cancel", code=FAILED).err, "no such lane")
    equal(aswolk(server, "bulk", "--all", "--cancel").out.splitlines()[-1], "231 done, 0 refused", "all")


# --- events -------------------------------------------------------------------------------------------------------------------


def test_events(t):
    """Followed over a kill of the server, each event once; exported; the history of one ticket; a stop is exit code 0."""
    server = t.server()
    server.keep_address()
    make = Messages()
    follower = start(server, "events", "--json", "--after", "0", "--type", "ticket,server.started")
    lines = []
    reader = threading.Thread(target=lambda: lines.extend(iter(follower.stdout.readline, b"")))
    reader.start()
    ticket = server.api().receipt(make.next())["ticket"]
    until("the ticket is told", lambda: b'"aswolk.ticket.opened"' in b"".join(lines))
    server.kill()
    server.start()
    lease = server.api().lease()
    server.api().completed(lease)
    until("the end is told", lambda: b'"aswolk.ticket.completed"' in b"".join(lines))
    follower.send_signal(signal.SIGINT)
    equal(follower.wait(PATIENCE_S), OK, "exit code of a stopped follower")
    reader.join(PATIENCE_S)
    follower.stdout.close()
    follower.stderr.close()
    told = [json.loads(line) for line in lines]
    types = ["server.started", "ticket.opened", "server.started", "ticket.leased", "ticket.completed"]
    equal([event["type"] for event in told], ["aswolk." + name for name in types], "what was told")
    whole = aswolk(server, "events", "--all", "--json").lines
    equal([int(event["id"]) for event in whole], list(range(1, len(whole) + 1)), "the export")
    last = aswolk(server, "events", "--all", "--json", "--type", "ticket", "--after", told[-2]["id"]).lines
    equal(last, told[-1:], "the last one of a ticket")  # behind it a forecast may have come
    equal(aswolk(server, "history", "--json", ticket).lines, [event for event in told if "subject" in event], "the ticket's")
    text = aswolk(server, "history", ticket).out
    check("ticket.completed %s" % ticket in text and 'by="ann"' in text, "for people", text)
    equal(aswolk(server, "events", "--all", "--ticket", ticket).out, text, "the same")
    check("not-found" in aswolk(server, "history", "t0000000001", code=FAILED).err, "no such ticket")
    check("bad-value" in aswolk(server, "events", "--after", "9999", code=FAILED).err, "not yet")
    check("bad-value" in aswolk(server, "events", "--type", "frob", code=FAILED).err, "no such type")


# --- post ---------------------------------------------------------------------------------------------------------------------


def counts(done):
    total = done.json
    keys = ("lines", "accepted", "opened", "folded", "duplicates", "refused", "unsent", "unanswered")
    return tuple(total[key] for key in keys)


def test_post_files(t):
    """Every line of every file is accounted for, also when posted again."""
    server = t.server()
    make = Messages()
    first = write_lines(t, "first", make.many(1200))
    second = write_lines(t, "second", make.many(7))
    equal(counts(aswolk(server, "post", "--json", "--batch", "100", first, second)), (1207, 1207, 1207, 0, 0, 0, 0, 0), "first")
    equal(counts(aswolk(server, "post", "--json", first)), (1200, 0, 0, 0, 1200, 0, 0, 0), "again")
    equal(server.metrics().get("aswolk_tickets", state="waiting"), 1207, "tickets")
    check("1207 lines: 0 accepted" in aswolk(server, "post", first, second).out, "for people")
    aswolk(server, "post", first, os.path.join(t.folder, "nowhere"), code=PARTLY)
    aswolk(server, "post", os.path.join(t.folder, "nowhere"), code=FAILED)
    aswolk(server, "post", t.folder, code=FAILED)


def test_post_bad_lines(t):
    """A bad line is refused alone and named with its number in the input, blank lines and batches notwithstanding."""
    server = t.server()
    make = Messages()
    good = make.many(5)
    lines = [good[0], "\n", dict(good[1], colour=1), "no JSON\n", "  \r\n", good[2], "x" * (1 << 20) + "\n", good[3]]
    lines.append(json.dumps(good[4]))  # without a line end
    path = write_lines(t, "lines", lines)
    done = aswolk(server, "post", "--json", "--batch", "2", path, code=PARTLY)
    equal(counts(done), (7, 4, 4, 0, 0, 3, 0, 0), "counts")
    for number, word in ((3, "colour"), (4, "malformed"), (7, "1 MiB")):
        told = [line for line in done.err.splitlines() if line.startswith("line %d:" % number)]
        check(len(told) == 1 and word in told[0], "line %d is named with %r" % (number, word), done.err)
    receipts = aswolk(server, "post", "--receipts", "--batch", "3", path, code=PARTLY).lines
    got = [(line["line"], line["status"]) for line in receipts]
    equal(got, [(1, 202), (3, 400), (4, 400), (6, 202), (8, 202), (9, 202)], "receipts")
    aswolk(server, "post", "-", stdin=b"no JSON\n", code=FAILED)
    many = aswolk(server, "post", "-", stdin=b"no JSON\n" * 30, code=FAILED)
    check("and 20 more" in many.err and "30 refused" in many.out, "none is passed over in silence", many.err)


def test_post_one_text(t):
    """A message from the command line."""
    server = t.server()
    args = ["--text", "Ma valise ?", "--customer", "c1", "--channel", "mail", "--lang", "fr"]
    args += ["--care", "medical,safety", "--tags", "a,b"]
    receipt = aswolk(server, "post", "--json", *args, "--source-id", "s1").json
    equal((receipt["class"], receipt["duplicate"]), ("care", False), "receipt")
    equal(aswolk(server, "post", "--json", *args, "--source-id", "s1").json["duplicate"], True, "again")
    equal(aswolk(server, "post", "--json", *args).json["folded"], True, "another, with an id of its own")
    posted = aswolk(server, "message", receipt["message"], "--json").json
    want = {"channel": "mail", "customer": "c1", "lang": "fr", "text": "Ma valise ?", "tags": ["a", "b"]}
    want["care"] = ["medical", "safety"]
    equal({key: posted.get(key) for key in want}, want, "what was sent")
    refused = aswolk(server, "post", "--text", "x", "--customer", "c", "--class", "huge", code=FAILED)
    check("must be one of" in refused.err, "refused", refused.err)


def tweet(number, **fields):
    value = {
        "received_at": "2015-02-17T07:43:%02d.496Z" % (number % 60),
        "channel": "twitter",
        "customer": "c%d" % number,
        "lang": "en",
        "text": "Late Flightr than ever",
        "airline": "Example",
        "to": "example",
        "source_id": "e-%d" % number,
        "label": {"sentiment": "negative"},
    }
    value.update(fields)
    return {key: value for key, value in value.items() if value is not None}


def test_post_tweets(t):
    """Lines of the data set: what is mapped, and what is never sent."""
    server = t.server()
    lines = [tweet(1, text_repaired="Later than ever"), tweet(2, to=None), tweet(3, customer=None), tweet(4, text=7), "[]\n"]
    done = aswolk(server, "post", "--tweets", "--receipts", write_lines(t, "tweets", lines), code=PARTLY)
    check("label" in done.err, "says what is mapped", done.err)
    equal([line["line"] for line in done.lines], [1, 2], "accepted lines")
    first, second = [aswolk(server, "message", line["message"], "--json").json for line in done.lines]
    want = {
        "channel": "twitter",
        "account": "example",
        "source_id": "e-1",
        "customer": "c1",
        "text": "Later than ever",
        "received_at": "2015-02-17T07:43:01.496Z",
        "lang": "en",
    }
    equal({key: value for key, value in first.items() if key not in ("message", "accepted_at", "receipt")}, want, "the first")
    equal((second.get("account"), second["text"]), (None, "Late Flightr than ever"), "the second")
    receipts = aswolk(server, "post", "--tweets", "--now", "--receipts", write_lines(t, "now", [tweet(9)])).lines
    posted = aswolk(server, "message", receipts[0]["message"], "--json").json
    check("received_at" not in posted, "--now leaves the time out", posted)


def test_post_waits_for_a_paused_lane(t):
    """Refused for now: tried again after Retry-After until --retry-s is over."""
    server = t.server()
    api = server.api()
    status(api.put_lane("main", {"pause": "in"}), 200, "pause")
    make = Messages()
    refused = aswolk(server, "post", "--json", "--retry-s", "0", write_lines(t, "a", make.many(3)), code=FAILED)
    equal(counts(refused), (3, 0, 0, 0, 0, 3, 0, 0), "without patience")
    patient = start(server, "post", "--json", "--retry-s", "60", write_lines(t, "b", make.many(5)))
    time.sleep(0.5)
    status(api.put_lane("main", {"pause": "none"}), 200, "go on")
    out, err = patient.communicate(timeout=PATIENCE_S * 3)
    equal(patient.returncode, OK, "exit code: %s" % err)
    equal(counts(Done(0, out, err)), (5, 5, 5, 0, 0, 0, 0, 0), "with patience")


def test_post_through_a_restart(t):
    """The server is killed and started again under a post: every line ends up stored once."""
    server = t.server()
    server.keep_address()
    make = Messages()
    path = write_lines(t, "lines", make.many(20000))
    posting = start(server, "post", "--json", "--batch", "20", "--retry-s", "120", path)
    for stored in (3000, 6000, 9000):
        until("it is under way", lambda: server.metrics().get("aswolk_tickets", state="waiting") >= stored)
        equal(posting.poll(), None, "the post goes on")
        server.restart()
    out, err = posting.communicate(timeout=PATIENCE_S * 6)
    equal(posting.returncode, OK, "exit code: %s" % err[-500:])
    total = json.loads(out)
    equal(total["accepted"] + total["duplicates"], 20000, "lines that are stored")
    check(total["duplicates"] <= total["repeated"], "duplicates only where a batch was sent again", total)
    equal(server.metrics().get("aswolk_tickets", state="waiting"), 20000, "tickets")
    t.note("%d lines sent again" % total["repeated"])


# --- work ---------------------------------------------------------------------------------------------------------------------


def test_work_by_itself(t):
    """--auto: one, some, all; each ticket once."""
    server = t.server()
    api = server.api()
    receipts = api.receipts(Messages().many(250))
    done = aswolk(server, "work", "--once", "--auto", "--json").lines
    equal([line["event"] for line in done], ["lease", "completed", "end"], "events of one pull")
    equal(done[0]["ticket"], receipts[0]["ticket"], "the oldest first")
    done = aswolk(server, "work", "--tickets", "9", "--max", "4", "--auto", "--json").lines
    equal(done[-1]["completed"], 9, "--tickets")
    done = aswolk(server, "work", "--drain", "--max", "100", "--wait-s", "0", "--auto", "--disposition", "rebooked", "--json").lines
    got = [line["ticket"] for line in done if line["event"] == "lease"]
    equal(got, [receipt["ticket"] for receipt in receipts[10:]], "the rest")
    equal(done[-1], {"event": "end", "completed": 240, "released": 0, "lost": 0, "failed": 0}, "the end")
    equal(aswolk(server, "work", "--once", "--wait-s", "0", "--json").lines[-1]["completed"], 0, "nothing left: exit code 0")
    check("240" not in aswolk(server, "work", "--drain", "--wait-s", "0", "--auto").out, "nothing for people either")


class Hand:
    """A program that drives `aswolk work --json` over pipes."""

    def __init__(self, server, *args):
        self.process = start(server, "work", "--json", *args, stdin=subprocess.PIPE)

    def event(self, want):
        line = json.loads(self.process.stdout.readline() or "{}")
        equal(line.get("event"), want, "event %r" % line)
        return line

    def say(self, text):
        self.process.stdin.write(text.encode() + b"\n")
        self.process.stdin.flush()

    def end(self, code=OK):
        self.process.stdin.close()
        self.process.wait(PATIENCE_S)
        equal(self.process.returncode, code, "exit code: %s" % self.process.stderr.read()[-300:])
        self.process.stdout.close()
        self.process.stderr.close()


def test_work_by_hand(t):
    """Commands over a pipe: complete, release, extend, and a customer who writes meanwhile."""
    server = t.server()
    api = server.api()
    make = Messages()
    first, second = make.next(), make.next()
    api.receipts([first, second])
    hand = Hand(server, "--wait-s", "1")
    lease = hand.event("lease")
    equal(lease["messages"][0]["source_id"], first["source_id"], "the oldest")
    hand.say("extend 600")
    hand.event("extended")
    api.receipt(make.next(customer=first["customer"], text="And my bag?"))
    hand.say("complete rebooked")
    told = hand.event("new-messages")
    equal([message["text"] for message in told["messages"]], ["And my bag?"], "what came meanwhile")
    hand.say("complete rebooked")
    equal(hand.event("completed")["ticket"], lease["ticket"], "then it is done")
    lease = hand.event("lease")
    hand.say("r not mine")
    hand.event("released")
    equal(hand.event("lease")["ticket"], lease["ticket"], "and it is back")
    hand.say("quit")
    hand.event("released")
    equal(hand.event("end")["completed"], 1, "the end")
    hand.end()
    equal(api.ticket(lease["ticket"]).value["state"], "waiting", "what was held is back")


def test_work_leaves_nothing_held(t):
    """The end of the input, Ctrl-C while a ticket is held, Ctrl-C in a long poll: nothing stays leased."""
    server = t.server()
    api = server.api()
    ticket = api.receipt(Messages().next())["ticket"]
    aswolk(server, "work", "--once")
    equal(api.ticket(ticket).value["state"], "waiting", "after the end of the input")
    hand = Hand(server)
    hand.event("lease")
    hand.process.send_signal(signal.SIGINT)
    hand.event("released")
    hand.event("end")
    hand.end()
    equal(api.ticket(ticket).value["state"], "waiting", "after Ctrl-C")
    aswolk(server, "work", "--once", "--auto")
    hand = Hand(server, "--wait-s", "50")
    until("the pull is parked", lambda: server.metrics().get("aswolk_parked_pulls") == 1)
    began = time.monotonic()
    hand.process.send_signal(signal.SIGTERM)
    hand.event("end")
    hand.end()
    check(time.monotonic() - began < 20 * SLOW, "a signal ends the wait of 50 s")


def test_work_lost_lease(t):
    """A ticket that ended under the agent: said, exit code 1."""
    server = t.server()
    api = server.api()
    ticket = api.receipt(Messages().next())["ticket"]
    hand = Hand(server, "--once")
    hand.event("lease")
    status(api.cancel_ticket(ticket, {"reason": "spam"}), 200, "cancel")
    hand.say("complete")
    equal(hand.event("lost")["type"], "urn:aswolk:lease-lost", "why")
    hand.event("end")
    hand.end(FAILED)


# --- looking and steering -----------------------------------------------------------------------------------------------------


def test_ticket_and_message(t):
    """Show, class and lane, hold, unhold, cancel."""
    server = t.server()
    receipt_customer = "who writes twice"
    receipt = server.api().receipt(Messages().next(text="line one\nline \x1b[31mtwo", customer=receipt_customer))
    shown = aswolk(server, "ticket", receipt["ticket"]).out
    check(receipt["ticket"] in shown and "line one" in shown, "for people", shown)
    check("\x1b" not in shown, "a customer's control characters stay out of the terminal", shown)
    equal(aswolk(server, "ticket", receipt["ticket"], "--json").json["state"], "waiting", "as JSON")
    steers = "\u009b2J \x7f \u202egnp.exe \u2066 \u061c \u2028"  # each that moves the cursor, or turns the text around
    other = server.api().receipt(Messages("steers").next(text="é漢🛫 " + steers))["ticket"]
    for more in ([], ["--json"]):
        out = aswolk(server, "ticket", other, *more).out
        check("é漢🛫" in out and not any(sign in out for sign in ["\u009b", "\x7f"] + ["\u202e", "\u2066", "\u061c", "\u2028"]),
              "signs that steer a terminal stay out of it", ascii(out))
    check(steers in aswolk(server, "ticket", other, "--json").json["messages"][0]["text"], "as JSON they are there, by escapes")
    check(receipt["message"] in aswolk(server, "message", receipt["message"]).out, "the message")
    named = server.api().receipt(Messages("\u202eid").next(account="desk\u2066"))
    out = aswolk(server, "message", named["message"]).out + aswolk(server, "tickets").out
    check("desk" in out and "\u202e" not in out and "\u2066" not in out, "nor do names have them", ascii(out))
    placed = aswolk(server, "ticket", receipt["ticket"], "--class", "care", "--lane", "listening", "--dry-run").out
    check("would be now waiting, care in listening" in placed, "--dry-run", placed)
    placed = aswolk(server, "ticket", receipt["ticket"], "--class", "disrupted", "--json").json
    equal((placed["class"], placed["lane"]), ("disrupted", "main"), "--class")
    aswolk(server, "ticket", receipt["ticket"], "--lane", "nowhere", code=FAILED)
    why = aswolk(server, "ticket", receipt["ticket"], "--why").out
    check("wait in its lane; before it go: care 0" in why and "order ratio" in why, "--why", why)
    check("messages)" not in why, "it has none to show", why)
    equal(aswolk(server, "ticket", receipt["ticket"], "--why", "--json").json["part"], "ratio", "--why --json")
    second = server.api().receipt(dict(Messages("again").next(), customer=receipt_customer))
    equal(second["ticket"], receipt["ticket"], "folded")
    tried = aswolk(server, "ticket", receipt["ticket"], "--unfold", second["message"], "--dry-run").out
    check("a new ticket, taken out of %s, would be now waiting" % receipt["ticket"] in tried, "--unfold --dry-run", tried)
    taken = aswolk(server, "ticket", receipt["ticket"], "--unfold", second["message"], "--json").json
    equal((taken["from"], taken["state"]), (receipt["ticket"], "waiting"), "--unfold")
    aswolk(server, "ticket", receipt["ticket"], "--unfold", second["message"], code=FAILED)
    hold = ["--hold", "--until", "2099-01-01T00:00:00Z", "--reason", "asks the crew", "--json"]
    equal(aswolk(server, "ticket", receipt["ticket"], *hold).json["state"], "held", "--hold")
    check("is now waiting" in aswolk(server, "ticket", receipt["ticket"], "--unhold").out, "--unhold")
    aswolk(server, "ticket", receipt["ticket"], "--unhold", code=FAILED)
    check("is now closed" in aswolk(server, "ticket", receipt["ticket"], "--cancel").out, "--cancel")
    aswolk(server, "ticket", "t0", code=FAILED)
    aswolk(server, "message", "m0", code=FAILED)


def test_transfer_and_note(t):
    """What an agent holds goes on, by its ticket or its lease; notes are shown in their places."""
    server = t.server()
    api, make = server.api("ann"), Messages()
    first = api.receipt(make.next(text="my bag", customer="kim"))
    ticket = first["ticket"]
    aswolk(server, "transfer", ticket, "--lane", "listening", "--agent", "ann", code=FAILED)
    api.leases(max=5)
    done = aswolk(server, "note", ticket, "seen \x1b[31m before", "--agent", "bob")
    check(done.out.endswith("of %s\n" % ticket), "a note", done.out)
    api.receipt(make.next(text="it is blue", customer="kim"))
    moved = aswolk(server, "transfer", ticket, "--lane", "listening", "--note", "bags are yours", "--agent", "ann").out
    equal(moved, "%s waits in listening\n" % ticket, "transferred by its ticket")
    shown = aswolk(server, "ticket", ticket).out
    check("\x1b" not in shown, "an agent's control characters stay out of the terminal", shown)
    places = [shown.index(words) for words in ("my bag", "note by bob", "seen", "it is blue", "note by ann", "bags are yours")]
    equal(places, sorted(places), "in their places")
    lease = api.lease(lanes=["listening"])
    aswolk(server, "transfer", lease["lease"], "--to", "nobody", "--agent", "ann", code=FAILED)
    aswolk(server, "agents", "set", "bob")
    given = aswolk(server, "transfer", lease["lease"], "--to", "bob", "--agent", "ann", "--json").json
    equal((given["kept_for"], given["duplicate"]), ("bob", False), "transferred by its lease")
    aswolk(server, "note", "t0", "nothing", code=FAILED)


def test_check(t):
    server = t.server()
    equal(aswolk(server, "check", "You are on AW441 now.").out, "clean\n", "nothing wrong with it")
    told = aswolk(server, "check", "--public", "-", stdin=b"Booking QX7K2P: call us\n", code=FAILED)
    equal([line.split()[0] for line in told.out.splitlines()], ["booking", "phone"], "what must not go out")
    check("booking  bytes 8 to 14, rule all.reveal.booking: QX7K2P\n" in told.out, "where, and by which rule", told.out)
    spans = aswolk(server, "check", "--json", "--channel", "phone", "ring +31 20 555 01 43, call us", code=FAILED).json["spans"]
    equal([span["words"] for span in spans], ["call us"], "the channel's own way")
    check("takes one text" in aswolk(server, "check", "call", "us", code=USAGE).err, "said")
    check("at most 65536 bytes" in aswolk(server, "check", "-", stdin=b"a" * 65537, code=USAGE).err, "too long")
    check("channel" in aswolk(server, "check", "--channel", "A B", "x", code=FAILED).err, "the server's words")


def test_agents(t):
    """agents: set changes what its options name and keeps the rest, whatever the name; the list shows what each holds."""
    server = t.server()
    api = server.api("mia van Dijk")
    aswolk(server, "lanes", "put", "dutch")
    aswolk(server, "agents", "set", "mia van Dijk", "--lanes", "main,dutch", "--units", "web=3,phone=0", "--gentle", "yes")
    agent = aswolk(server, "agents", "set", "mia van Dijk", "--units-total", "4", "--json").json
    equal((agent["lanes"], agent["gentle"], agent["units_total"]), (["main", "dutch"], True, 4), "kept, and one more")
    equal(agent["units"], {"web": 3, "phone": 0}, "units")
    api.receipt(Messages().next())
    api.lease()
    line = [line for line in aswolk(server, "agents").out.splitlines() if line.startswith("mia van Dijk")]
    equal(" ".join(line[0].split()), "mia van Dijk 1 gentle web=1/3 phone=0/0 total=4 lanes=main,dutch", "in the list")
    agent = aswolk(server, "agents", "set", "mia van Dijk", "--units", "", "--units-total", "", "--lanes", "", "--json").json
    equal((agent["lanes"], agent["units"], agent["units_total"], agent["gentle"]), (None, {}, None, True), "taken off again")
    aswolk(server, "agents", "nobody", code=FAILED)
    aswolk(server, "agents", "set", "x", "--units", "web", code=USAGE)
    aswolk(server, "agents", "set", "x", "--units-total", "many", code=USAGE)
    refused = aswolk(server, "agents", "set", "x", "--lanes", "nowhere", code=FAILED)
    check("no lane by that name" in refused.err, "the problem", refused.err)


def test_top(t):
    """top: what waits, by class and lane; rates from the second look on; --json is what the server says."""
    server = t.server()
    api = server.api("mia")
    aswolk(server, "lanes", "put", "dutch", "--langs", "nl")
    [empty] = aswolk(server, "top", "-n", "1", "--json").lines
    equal((empty["messages_per_ticket"], empty["classes"]["care"]["oldest_s"]), (None, None), "nothing yet")
    make = Messages()
    api.receipts(make.many(3, lang="nl") + [make.next(care=["medical"])])
    api.lease()
    [stats] = aswolk(server, "top", "-n", "1", "--json").lines
    care, other = stats["classes"]["care"], {name: of["waiting"] for name, of in stats["classes"].items() if name != "care"}
    equal((care["waiting"], care["leased"], care["kappa"], sum(other.values())), (0, 1, 0, 3), "care is leased, three wait")
    equal((stats["messages"], stats["opened"], stats["messages_per_ticket"], stats["leases"]), (4, 4, 1.0, 1), "counted")
    looks = aswolk(server, "top", "-n", "2", "--every", "1").out
    equal((looks.count("role active"), looks.count("a second ")), (2, 1), "rates need two looks")
    rows = [line.split() for line in looks.splitlines()]
    check(["dutch", "3", "0"] in rows and ["main", "0", "1"] in rows, "lanes, most waiting first", looks)
    check("dutch" not in aswolk(server, "top", "-n", "1", "--lanes", "0").out, "no lanes")
    equal(server.api(form=MSGPACK).get("/v1/stats").value["opened"], 4, "as MessagePack")
    aswolk(server, "top", "now", code=USAGE)


def test_lanes(t):
    """put changes what it names and keeps the rest."""
    server = t.server()
    aswolk(server, "lanes", "put", "dutch", "--langs", "nl,nl-BE", "--pause", "out")
    aswolk(server, "lanes", "put", "dutch", "--channels", "mail", "--tags", "vip")
    lane = aswolk(server, "lanes", "put", "dutch", "--pause", "none", "--tags", "", "--json").json
    equal(lane["pause"], "none", "pause")
    equal(lane["match"], {"langs": ["nl", "nl-BE"], "channels": ["mail"], "accounts": [], "tags": []}, "match")
    aswolk(server, "post", "--text", "hallo", "--customer", "c", "--channel", "mail", "--lang", "nl")
    line = [line for line in aswolk(server, "lanes").out.splitlines() if line.startswith("dutch")]
    check(len(line) == 1 and line[0].split()[1] == "1", "one waits there", line)
    names = [item["lane"] for item in aswolk(server, "lanes", "--json").json["items"]]
    check("main" in names and "dutch" in names, "all lanes", names)
    overflow = [{"lane": "main", "after_s": 600}, {"lane": "listening", "after_s": 3600}]
    lane = aswolk(server, "lanes", "put", "dutch", "--overflow", "main:600,listening:3600", "--json").json
    equal((lane["overflow"], lane["match"]["langs"]), (overflow, ["nl", "nl-BE"]), "who helps, and what was kept")
    check("overflow=main:600,listening:3600" in aswolk(server, "lanes", "dutch").out, "who helps, for people")
    equal(aswolk(server, "lanes", "put", "dutch", "--pause", "in", "--json").json["overflow"], overflow, "kept")
    equal(aswolk(server, "lanes", "put", "dutch", "--overflow", "", "--json").json["overflow"], [], "nobody any more")
    refused = aswolk(server, "lanes", "put", "dutch", "--overflow", "dutch:5", code=FAILED)
    check("help itself" in refused.err, "why not", refused.err)
    aswolk(server, "lanes", "nowhere", code=FAILED)
    refused = aswolk(server, "lanes", "put", "dutch", "--pause", "sideways", code=FAILED)
    check("none, in, out, both" in refused.err, "what is allowed", refused.err)


# --- journal ------------------------------------------------------------------------------------------------------------------


def damage(path, mark, offset):
    """Flips a bit `offset` bytes behind every place where `mark` is (older copies of a page may lie about)."""
    with open(path, "rb") as file:
        data = bytearray(file.read())
    at = data.find(mark)
    check(at >= 0, "the mark is in the file")
    while at >= 0:
        if at // 4096 == (at + offset) // 4096:
            data[at + offset] ^= 1
        at = data.find(mark, at + len(mark))
    with open(path, "wb") as file:
        file.write(data)


def test_journal(t):
    """Printed and verified beside the running server and after it; no text of a message is shown."""
    server = t.server()
    api = server.api()
    receipts = api.receipts(Messages().many(100, text="SECRET"))
    aswolk(server, "work", "--tickets", "10", "--max", "10", "--auto", "-d", "sorted")
    text = aswolk(server, "journal", server.folder).out
    check("SECRET" not in text, "no message text")
    lines = aswolk(server, "journal", server.folder, "--json").lines
    equal(len(lines), len(text.splitlines()), "as many lines")
    equal([line["seq"] for line in lines], list(range(1, len(lines) + 1)), "each record once, in order")
    equal([line["message"] for line in lines if line["kind"] == "message"], [r["message"] for r in receipts], "messages")
    equal(len([line for line in lines if line["kind"] == "complete" and line["words"] == "sorted"]), 10, "completions")
    some = aswolk(server, "journal", server.folder, "--json", "--from", "5", "--to", "9", "--kind", "message").lines
    want = [line["seq"] for line in lines if 5 <= line["seq"] <= 9 and line["kind"] == "message"]
    equal([line["seq"] for line in some], want, "a part")
    verified = aswolk(server, "journal", server.folder, "--verify", "--json").json
    equal((verified["ok"], verified["messages"], verified["bodies"]), (True, 100, 100), "verified while running")
    server.stop()
    check("sound" in aswolk(Nowhere, "journal", server.folder, "--verify").out, "verified after the stop")
    aswolk(Nowhere, "journal", t.folder, code=FAILED)
    aswolk(Nowhere, "journal", os.path.join(t.folder, "nowhere"), code=FAILED)


def test_journal_damage(t):
    """One flipped bit in a stored record or body: exit code 1, and where it is."""
    server = t.server("--keys", "none")  # to find them in the file
    api = server.api()
    make = Messages()
    api.receipts(make.many(20))
    api.receipt(make.next(text="THE BODY", lang="tlh"))
    api.receipts(make.many(20))
    server.stop()
    path = os.path.join(server.folder, "data.mdb")
    with open(path, "rb") as file:
        sound = file.read()
    lines = aswolk(Nowhere, "journal", server.folder, "--json").lines
    [seq] = [line["seq"] for line in lines if line.get("lang") == "tlh"]
    for mark, offset, words in ((b"\x03tlh", 1, "behind record %d" % (seq - 1)), (b"THE BODY", 3, "body of record %d" % seq)):
        damage(path, mark, offset)
        done = aswolk(Nowhere, "journal", server.folder, "--verify", code=FAILED)
        check(words in done.err, "says %r" % words, done.err)
        done = aswolk(Nowhere, "journal", server.folder, "--verify", "--json", code=FAILED)
        equal(done.json["ok"], False, "as JSON")
        with open(path, "wb") as file:
            file.write(sound)
    aswolk(Nowhere, "journal", server.folder, "--verify")


def test_templates(t):
    """Shown, tried, set by language and turned off; what is no text of a template is refused."""
    server = t.server()
    check("acknowledgement: off" in aswolk(server, "template").out, "all of them")
    words = ["en=We have it, {name|guest}.", "nl=We hebben het, {name|reiziger}."]
    tried = aswolk(server, "template", "set", "acknowledgement", "--dry-run", *words).out
    check("We hebben het, Robin." in tried, "rendered", tried)
    check("off" in aswolk(server, "template", "acknowledgement").out, "nothing was set")
    aswolk(server, "template", "set", "acknowledgement", *words)
    aswolk(server, "template", "set", "acknowledgement", "de=Es ist da.", "nl=")
    texts = aswolk(server, "template", "acknowledgement", "--json").json["texts"]
    equal([text["lang"] for text in texts], ["en", "de"], "languages")
    told = aswolk(server, "template", "set", "acknowledgement", "en={nme}", code=FAILED).err
    check("{nme}: there is no such field" in told, "said", told)
    aswolk(server, "template", "set", "acknowledgement", "hello", code=USAGE)
    aswolk(server, "template", "set", "nothing", "en=x", code=FAILED)
    check("off" in aswolk(server, "template", "off", "acknowledgement").out, "off again")


def test_defer_and_commitments(t):
    """Put off by ticket; what was promised is listed, for people and for programs."""
    server = t.server()
    ann = server.api("ann")
    ann.receipt(Messages().next())
    ticket = ann.lease()["ticket"]
    for words in (["--in", "2h"], ["--what", "x"], ["--what", "x", "--in", "soon"], ["--what", "x", "--in", "2h", "--until", "x"]):
        aswolk(server, "defer", ticket, *words, code=USAGE)
    told = aswolk(server, "defer", ticket, "--in", "2h", "--reason", "customer", "--what", "her voucher").out
    check(told.startswith(ticket + " comes back at "), "when", told)
    text = aswolk(server, "commitments").out
    check("ann" in text and "her voucher" in text and "customer" in text and ticket in text, "for people", text)
    equal([item["what"] for item in aswolk(server, "commitments", "--json", "--of", "ann").lines], ["her voucher"], "for programs")
    equal(aswolk(server, "commitments", "--of", "bob").out + aswolk(server, "commitments", "--broken").out, "", "no others")
    aswolk(server, "defer", ticket, "--in", "2h", "--what", "x", code=FAILED)


if __name__ == "__main__":
    sys.exit(run(globals()))
