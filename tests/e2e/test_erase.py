#!/usr/bin/python3
"""What was withdrawn or erased can't be read any more from any byte of the data folder, with the keys that are left: at once, after
kill -9 at any time, in a backup made later, and in an older one that is put back. What is left can: by the same search. Nor is it
told by any answer, event or tool. Each text names a flight, which a rule quotes as a reason: that counts as the text does."""

import glob
import hashlib
import itertools
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import time

from aswolk_test import MSGPACK, NDJSON, PATIENCE_S, Messages, check, equal, problem, program, run, status, until
from sealed import (GENERATION_BYTES, HEAD, NODE, REST, SEAL_TAG_BYTES, Cipher, files_of, read_keys, readable,
                    values_of)
from test_trim import ahead


def serve(t, *args):
    """With a file that is read through fast."""
    return t.server("--store-reserve-bytes", "4194304", *args)


def stop(server):
    """Clients leave first: the server gives those that are there a second to hear of it."""
    server.close_all()
    server.stop()


def keys_of(server):
    return server.folder + ".keys"


def tool(*args, code=0):
    """What it says, or of what it refuses why."""
    done = subprocess.run([program("aswolk"), *args], capture_output=True, text=True, timeout=PATIENCE_S * 4)
    equal(done.returncode, code, "exit code of aswolk %s: %s%s" % (args, done.stdout[-500:], done.stderr[-900:]))
    return done.stdout if code == 0 else done.stderr


def erased(server):
    until("nothing is pending", lambda: server.metrics().get("aswolk_erasures_pending") == 0)


def marked(number):
    return "QZ70%02dX" % number


def words_of(count):
    return [("the text of number %d. Flight %s" % (number, marked(number))).encode() for number in range(count)]


WORDS = re.compile(rb"(?:the text of number |QZ70)(\d+)[.X]")  # a text, or what a reason quotes of it


def left(server, folder=None, seqs=range(1, 80)):
    """Which of the texts can be read with the keys that are there now, or words of them."""
    found = readable(folder or server.folder, read_keys(keys_of(server)), seqs, WORDS)
    return sorted({int(number) for number in found})


def answered(server, messages=()):
    """Which of them any answer tells, also to these messages posted again; or the journal's tool, or the log."""
    api = server.api("sam")
    events = status(api.connection.request("GET", "/v1/events", [("accept", NDJSON)]), 200, "events")
    said = [events.body, api.get("/v1/replies").body, api.get("/v1/incidents").body]
    said += [api.post(message).body for message in messages]
    items = status(api.get("/v1/tickets?limit=100"), 200, "tickets").value["items"]
    items += status(api.get("/v1/tickets?state=closed&limit=100"), 200, "closed tickets").value["items"]
    for ticket in {item["ticket"] for item in items}:
        seen = api.get("/v1/tickets/" + ticket)
        said += [seen.body, api.get("/v1/tickets/%s/history" % ticket).body, api.get("/v1/tickets/%s/why" % ticket).body]
        said += [api.get("/v1/messages/" + message["message"]).body for message in status(seen, 200, ticket).value["messages"]]
    said += [api.get("/v1/replies/" + one["reply"]).body for one in api.get("/v1/replies").value["items"]]
    keys = ("--keys", keys_of(server)) if os.path.exists(keys_of(server)) else ()
    said += [tool("journal", server.folder, *keys, *more).encode() for more in ((), ("--json",))]
    said += [json.dumps(line).encode() for line in server.logs] + [api.get("/metrics").body]
    return sorted({int(number) for text in said for number in WORDS.findall(text)})


def post(api, make, numbers):
    messages = [make.next(customer="kim", text=words_of(40)[number].decode()) for number in numbers]
    return messages, api.receipts(messages)


def withdraw(api, messages):
    lines = [{"channel": message["channel"], "source_id": message["source_id"]} for message in messages]
    answers = status(api.post_many(lines, path="/v1/messages/withdraw"), 200, "withdrawn").lines
    equal({answer["status"] for answer in answers}, {200}, "each of them")


def test_withdrawn(t):
    """At once, over a restart and in a backup; what it answers stays; the journal verifies, and the ticket is worked on."""
    server = serve(t)
    api, make = server.api("ann"), Messages()
    messages, receipts = post(api, make, range(12))
    equal((left(server), answered(server)), (list(range(12)),) * 2, "the search finds what is there")
    for number, one in enumerate(receipts):
        check("mentions: flight " + marked(number) in one["reasons"], "quoted", one)
    again = api.receipt(dict(messages[3]))
    equal((again["duplicate"], again["reasons"]), (True, receipts[3]["reasons"]), "also to who posts it again")
    older = os.path.join(t.folder, "older")
    tool("backup", server.folder, older, "--keys", keys_of(server))
    withdraw(api, messages[3:7] + messages[11:])
    erased(server)
    want = [0, 1, 2, 7, 8, 9, 10]
    equal(left(server), want, "at once")
    equal(left(server, older), want, "nor in a backup of before")
    equal(answered(server, messages), want, "nor told")
    equal(server.metrics().get("aswolk_texts_erased_total"), 5, "counted")
    lease = api.lease()
    equal([message.get("text", "").encode() for message in lease["messages"]],
          [word if number in want else b"" for number, word in enumerate(words_of(12))], "what is shown")
    done = api.completed(lease, reply={"text": "here you are"})
    equal(done["reply"][0], "r", "answered, though the newest message is gone")
    sent = status(api.send("POST", "/v1/replies/leases", {"accounts": [{"channel": "web"}]}), 200, "taken").value["replies"][0]
    equal((sent["customer"], sent["to"]), ("kim", receipts[11]["message"]), "by the address that another message tells")
    again = api.receipt(dict(messages[3], text=messages[3]["text"]))
    equal((again["duplicate"], again["message"]), (True, receipts[3]["message"]), "a duplicate of it is still one")
    equal(("differs" in again, again["reasons"]), (False, []), "the same one, without the reasons")
    equal(api.receipt(dict(messages[3], text="something else")).get("differs"), True, "which differs from another one")
    server.restart()
    erased(server)
    equal(left(server), want, "after a restart")
    newer = os.path.join(t.folder, "newer")
    tool("backup", server.folder, newer, "--keys", keys_of(server))
    equal(left(server, newer), want, "in a backup of later")
    stop(server)
    tool("verify", server.folder)


def test_search(t):
    """The search opens all that a generation's key seals: a tag, which stays (server/adr/0029-keys.md), is found before and after
    its message was erased, and in what lies beside the texts alone."""
    server = serve(t, "--checkpoint-bytes", "65536")
    api, make = server.api("ann"), Messages()
    tag = re.compile(rb"(QZ71nn)")

    def tags():
        keys, cipher = read_keys(keys_of(server)), Cipher()
        return {word for data in files_of(server.folder) for value in values_of(data, keys, cipher) for word in tag.findall(value)}

    api.receipt(make.next(customer="kim", text=word(1), tags=["QZ71nn"]))
    equal((tags(), left(server)), ({b"QZ71nn"}, [1]), "before")
    erase(api)
    equal((tags(), left(server)), ({b"QZ71nn"}, []), "after")


def test_many_again(t):
    """Many lines in one post: new ones, refused ones, and what was posted before, of which some is shown and some is not. Each gets
    the reasons that its own message may tell; more of them than are asked for at once."""
    server = serve(t)
    api, make = server.api("ann"), Messages()
    flights = ["ZQ%04d" % number for number in range(600)]
    quoted = [make.next(customer="c%d" % number, text="on flight " + flight) for number, flight in enumerate(flights)]
    plain = make.many(40)
    receipts = api.receipts(quoted) + api.receipts(plain)
    first = {receipt["message"]: receipt["reasons"] for receipt in receipts}
    equal([receipt["reasons"] for receipt in receipts[:600]], [["mentions: flight " + one] for one in flights], "its own")
    hidden = quoted[1:600:7] + quoted[250:258] + plain[::3]
    withdraw(api, hidden)
    late = make.next(customer="new", text="on flight ZQ9999")
    lines = []
    for number, message in enumerate(quoted):
        lines += [message] if number % 5 else [{"channel": "web"}, dict(message, text="other"), plain[number // 5 % 40]]
    lines += [late, late, quoted[1], quoted[2], dict(quoted[1], text="z"), plain[0]]
    ids = {message["source_id"] for message in hidden}
    told = status(api.post_many(lines), 200, "posted").lines
    equal(len(told), len(lines), "a line each")
    quotes = 0
    for line, answer in zip(lines, told):
        if "source_id" not in line:
            equal(answer["status"], 400, "refused")
            continue
        equal(answer["status"], 202, "taken")
        if line is late:
            equal(answer["reasons"], ["mentions: flight ZQ9999"], "of a new one")
            continue
        want = [] if line["source_id"] in ids else first[answer["message"]]
        equal((answer["duplicate"], answer["reasons"]), (True, want), "line %d" % answer["line"])
        equal("differs" in answer, line["text"] in ("other", "z"), "line %d" % answer["line"])
        quotes += len(want)
    check(quotes > 500, "asked for in pieces", quotes)


def block(server):
    """From here on the key file can't be replaced: a folder lies where the next one is made."""
    path = keys_of(server) + ".new"

    def is_taken():
        try:
            if os.path.exists(path):
                os.unlink(path)
            os.mkdir(path)
        except (FileNotFoundError, FileExistsError):  # the server makes one for its next cut just now
            return False
        return True

    until("the place of the next key file is taken", is_taken)


def test_killed(t):
    """kill -9 between the record and the cut, again and again: the next start does what is left. Every other time the cut can't
    have been made before, as the key file can't be replaced."""
    server = serve(t, "--checkpoint-bytes", "65536")
    make = Messages()
    messages, _ = post(server.api("ann"), make, range(40))
    want = list(range(40))
    for begin in range(0, 20, 4):
        is_blocked = begin % 8 == 0
        if is_blocked:
            block(server)
        withdraw(server.api("ann"), messages[begin:begin + 4])
        if is_blocked:
            until("it was tried", lambda: server.metrics().get("aswolk_erasures_stuck") == 1)
        server.kill()
        if is_blocked:
            equal([number for number in left(server) if begin <= number < begin + 4], list(range(begin, begin + 4)), "not cut yet")
            os.rmdir(keys_of(server) + ".new")
        want = [number for number in want if not begin <= number < begin + 4]
        server.start()
    erased(server)
    equal(left(server), want, "what is left")
    stop(server)
    equal('"without_body":20' in tool("verify", server.folder, "--json"), True, "each of them, and no other")


def test_restored(t):
    """An older backup is put back with the keys of now: what was erased since stays so, and what is withdrawn there anew goes."""
    server = serve(t)
    api, make = server.api("ann"), Messages()
    messages, receipts = post(api, make, range(10))
    older = os.path.join(t.folder, "older")
    tool("backup", server.folder, older, "--keys", keys_of(server))
    withdraw(api, messages[2:4])
    post(api, make, range(10, 14))
    erased(server)
    stop(server)
    restored = os.path.join(t.folder, "restored")
    tool("restore", older, restored, "--keys", keys_of(server))
    shutil.rmtree(server.folder)
    os.rename(restored, server.folder)
    server.start()
    api = server.api("ann")
    erased(server)
    want = [0, 1, 4, 5, 6, 7, 8, 9]
    equal(left(server), want, "no text comes back")
    shown = status(api.get("/v1/messages/" + receipts[2]["message"]), 200, "message").value
    equal((shown.get("erased"), "text" in shown), (True, False), "shown as what it is")
    withdraw(api, messages[8:9])
    erased(server)
    equal(left(server), [0, 1, 4, 5, 6, 7, 9], "under a number that had been looked at before")


def erase(api, want=200, **more):
    customer = dict({"channel": "web", "customer": "kim"}, **more)
    return status(api.send("POST", "/v1/customers/erase", customer), want, "erased").value


def word(number):
    return words_of(40)[number].decode()


def desk(api, make):
    """Two customers, with all kinds of texts; what is kim's has odd numbers."""
    sent = make.next(customer="kim", source_id="k1", text=word(1))
    done = api.receipt(sent)
    lease = api.lease()
    api.completed(lease, reply={"text": word(3)})
    for customer, number in (("lee", 2), ("kim", 5), ("lee", 4), ("kim", 7)):
        receipt = api.receipt(make.next(customer=customer, account="other" if customer == "kim" else "main", text=word(number)))
        if number in (2, 7):
            note = {"text": word(number + 4)}
            status(api.send("POST", "/v1/tickets/%s/notes" % receipt["ticket"], note), 200, "noted")
    return sent, done, receipt["ticket"]


def test_customer(t):
    """All that is his goes, on all accounts: messages, a reply that waits, notes; his ticket closes under its holder, and what
    others wrote stays. He may write again, as somebody new; a duplicate of what he wrote is one."""
    server = serve(t)
    api, make = server.api("ann"), Messages()
    sent, done, ticket = desk(api, make)
    kims, lees = [1, 3, 5, 7, 11], [2, 4, 6]
    equal(left(server), sorted(kims + lees), "all of it is there")
    lease = [lease for lease in api.leases(max=2) if lease["ticket"] == ticket][0]
    counts = {"tickets": 2, "messages": 3, "replies": 1, "notes": 1, "unreadable": False, "dry_run": True}
    equal(erase(api, dry_run=True), counts, "what would go")
    equal(left(server), sorted(kims + lees), "nothing did")
    older = os.path.join(t.folder, "older")
    tool("backup", server.folder, older, "--keys", keys_of(server))
    told = erase(api)
    equal(told, {"tickets": 2, "messages": 3, "replies": 1, "notes": 1, "unreadable": True}, "what goes")
    equal((left(server), left(server, older)), (lees, lees), "when it is answered, and in a backup of before")
    equal(answered(server, [sent]), lees, "nor is it told")
    equal(problem(api.act(lease, "complete"), 409, "lease-lost")["state"], "closed", "its holder")
    for one in (ticket, done["ticket"]):
        shown = status(api.get("/v1/tickets/" + one), 200, "ticket").value
        equal(({message.get("erased") for message in shown["messages"]}, shown["state"]), ({True}, "closed"), "is shown without")
        kinds = [event["type"] for event in status(api.get("/v1/tickets/%s/history" % one), 200, "history").value["items"]]
        equal(kinds[-1], "aswolk.ticket.erased", "and why")
    alone = status(api.get("/v1/messages/" + done["message"]), 200, "message").value
    check("text" not in alone and "customer" not in alone, "a message alone", alone)
    written = status(api.get("/v1/replies"), 200, "replies").value["items"][0]
    shown = status(api.get("/v1/replies/" + written["reply"]), 200, "reply").value
    equal((written["state"], written["code"], shown["content"]), ("dead", "erased", None), "his reply")
    packed = server.api("ann", form=MSGPACK).get("/v1/tickets/" + ticket)
    equal({message.get("erased") for message in status(packed, 200, "ticket").value["messages"]}, {True}, "in MessagePack")
    pull = {"accounts": [{"channel": "web"}], "wait_s": 0}
    status(api.send("POST", "/v1/replies/leases", pull), 204, "his reply does not go")
    again = api.receipt(dict(sent))
    equal((again["duplicate"], again["ticket"]), (True, done["ticket"]), "posted again")
    new = api.receipt(make.next(customer="kim", account="other", text=word(9)))
    equal((new["ticket"] in (ticket, done["ticket"]), new["folded"], new.get("reopened", False)), (False, False, False), "is new")
    equal(erase(api, dry_run=True)["messages"], 1, "only what he wrote since")
    equal(left(server), sorted(lees + [9]), "which is there")
    server.restart()
    newer = os.path.join(t.folder, "newer")
    tool("backup", server.folder, newer, "--keys", keys_of(server))
    equal((left(server), left(server, newer)), (sorted(lees + [9]),) * 2, "after a restart, and in a backup of later")
    equal(answered(server, [sent]), sorted(lees + [9]), "nor is it told")
    equal(server.metrics().get("aswolk_customers_erased_total"), 1, "counted")
    stop(server)
    tool("verify", server.folder)


def full(make, base):
    """A message that says something in every field that takes words."""
    flight = {"number": marked(base + 1), "date": "2027-04-15", "departs_at": "2027-04-15T08:00:00Z"}
    picture = {"kind": "image", "media_type": "image/png", "ref": marked(base + 2), "name": marked(base + 3)}
    return make.next(customer="kim", source_id=marked(base + 4), text=word(base), booking=marked(base + 5), flights=[flight],
                     identities=[{"kind": "handle", "value": marked(base + 6)}], thread=marked(base + 7), attachments=[picture],
                     in_reply_to=marked(base + 8), meta={"name": marked(base + 9)})


def test_every_field(t):
    """All that a message says, and all that agents say of it to each other and to him: nothing is left of a withdrawn one, nor of
    an erased customer."""
    server = serve(t)
    api, make = server.api("ann"), Messages()
    status(api.put_lane("dutch"), 201, "a lane")
    sent = [full(make, 0), full(make, 10)]
    receipts = [api.receipt(message) for message in sent]
    check("departure:" + marked(1) in receipts[0]["reasons"], "a reason of a fact", receipts[0])
    api.act(api.lease(), "transfer", {"lane": "dutch", "note": word(20)})
    lease = api.lease()
    status(api.send("POST", "/v1/tickets/%s/notes" % lease["ticket"], {"text": word(21)}), 200, "noted")
    status(api.act(lease, "reply", {"text": word(22), "to": receipts[0]["message"]}), 200, "replied")
    status(api.act(lease, "defer", {"until": "2027-04-15T08:00:00Z", "reason": "third_party", "what": word(23)}), 200, "put off")
    written = list(range(20, 24))
    everything = [*range(20), *written]
    equal((left(server), answered(server, sent)), (everything,) * 2, "the search finds each of them")
    withdraw(api, sent[1:])
    erased(server)
    rest = [*range(10), *written]
    equal((left(server), answered(server, sent)), (rest,) * 2, "of one that was taken back")
    backup = os.path.join(t.folder, "backup")
    tool("backup", server.folder, backup, "--keys", keys_of(server))
    erase(api)
    equal((left(server), left(server, backup), answered(server, sent)), ([], [], []), "of all of them")
    server.restart()
    equal((left(server), answered(server, sent)), ([], []), "after a restart, with a checkpoint")


def test_customer_killed(t):
    """kill -9 between the record and the cut: the next start does it, and readers see nothing of it before."""
    server = serve(t)
    api, make = server.api("ann"), Messages()
    sent, _, _ = desk(api, make)
    block(server)
    asked = api.begin("POST", "/v1/customers/erase", {"channel": "web", "customer": "kim"})
    until("it is durable", lambda: server.metrics().get("aswolk_erasures_stuck") == 1)
    equal(server.metrics().get("aswolk_erasures_pending"), 1, "told")
    equal(left(server), [1, 2, 3, 4, 5, 6, 7, 11], "the texts are there")
    found = status(api.get("/v1/tickets?state=closed"), 200, "closed").value["items"]
    for one in found:
        shown = status(api.get("/v1/tickets/" + one["ticket"]), 200, "ticket").value
        equal({message.get("erased") for message in shown["messages"]}, {True}, "and not shown")
    written = status(api.get("/v1/replies"), 200, "replies").value["items"][0]
    shown = status(api.get("/v1/replies/" + written["reply"]), 200, "reply").value
    equal((shown["content"], "customer" in shown), (None, False), "nor a reply by its id")
    equal(answered(server, [sent]), [2, 4, 6], "nor anything else")
    server.kill()
    check(not asked.ended, "it was not answered", asked)
    os.rmdir(keys_of(server) + ".new")
    server.start()
    erased(server)
    equal((len(found), left(server)), (2, [2, 4, 6]), "done behind the start")


def test_days_later(t):
    """Of what was kept of a trimmed journal, too; with it go the keys of all that is stored no more."""
    server = serve(t, "--checkpoint-bytes", "65536")
    api, make = server.api("ann"), Messages()
    _, receipts = post(api, make, range(3))
    other = api.receipt(make.next(customer="lee", text=word(3)))
    for one in (receipts[0], other):
        status(api.patch_ticket(one["ticket"], {"hold": True}), 200, "held, so that nobody pulls it")
    api.receipt(make.next(customer="pam", text="long ago"))
    waits = api.completed(api.lease(), reply={"text": word(6)})["reply"]
    while len(read_keys(keys_of(server)).generations) < 3:
        api.receipts(make.many(200, text="x" * 200))
        for lease in api.leases(max=100) + api.leases(max=100):
            api.completed(lease)
        server.restart()
        api = server.api("ann")
    api.receipt(make.next(text=word(4)))
    stop(server)
    server.env = ahead(9)
    server.start()
    until("old batches are gone", lambda: server.metrics().get("aswolk_journal_first_seq") > 1000, 3 * PATIENCE_S)
    until("what is needed is kept", lambda: server.metrics().get("aswolk_kept", kind="bodies") >= 5, 3 * PATIENCE_S)
    seqs = list(range(1, 20))
    equal(left(server, seqs=seqs), [0, 1, 2, 3, 6], "kept")
    api = server.api("ann")
    equal(erase(api)["messages"], 3, "kept ones count")
    equal(left(server, seqs=seqs), [3, 6], "and go")
    told = erase(api, customer="pam")
    equal((told["messages"], told["replies"]), (0, 1), "of a ticket long over what waits for its gateway")
    equal(left(server, seqs=seqs), [3], "goes")
    items = status(api.get("/v1/replies"), 200, "replies").value["items"]
    equal([(one["reply"], one["state"], one["code"]) for one in items], [(waits, "dead", "erased")], "and is never sent")
    equal(erase(api, customer="lee")["unreadable"], True, "the last one")
    keys = read_keys(keys_of(server))
    equal(left(server, seqs=seqs), [], "nothing is left")
    server.restart()
    shown = status(server.api("ann").get("/v1/tickets/" + other["ticket"]), 200, "ticket").value
    equal(shown["messages"][0]["erased"], True, "shown")
    t.note("%d generations, %d nodes" % (len(keys.generations), len(keys.nodes)))


def without_first(path):
    """A key file that let the keys of its first generation go."""
    with open(path, "rb") as file:
        data = file.read()
    word, form, uuid, is_sealed, rest_bytes, salt = (list(HEAD.unpack_from(data)[i] for i in (0, 1, 2, 3, 5, 6)))
    secret, through, last, generations, nodes = REST.unpack_from(data, HEAD.size)
    at = HEAD.size + REST.size
    first = struct.unpack_from("<I", data, at)[0]
    places = [at + (generations * GENERATION_BYTES) + i * NODE.size for i in range(nodes)]
    left_over = [data[place:place + NODE.size] for place in places if NODE.unpack_from(data, place)[0] != first]
    rest = (REST.pack(secret, through, last, generations - 1, len(left_over)) +
            data[at + GENERATION_BYTES:at + generations * GENERATION_BYTES] + b"".join(left_over))
    head = HEAD.pack(word, form, uuid, is_sealed, HEAD.unpack_from(data)[4], len(rest), salt)
    with open(path, "wb") as file:
        file.write(head + rest + hashlib.sha256(head + rest).digest()[:SEAL_TAG_BYTES])


def test_older_backup(t):
    """A backup of records that the store has trimmed since, and cut behind: it is verified, restored and served with the keys of
    now. Its records are whole; of its texts those are there that the store has yet, or that no cut came behind. Where its keys are
    gone it says that, and not that it is damaged."""
    server = serve(t, "--checkpoint-bytes", "65536", "--dedupe-days", "2")
    api, make = server.api("ann"), Messages()

    def fill(number):
        receipt = api.receipt(make.next(customer="kim", text=word(number)))
        api.receipts(make.many(200, text="x" * 200))
        for lease in api.leases(max=100) + api.leases(max=100) + api.leases(max=100):
            api.completed(lease)
        return receipt

    def go_to(days):
        stop(server)
        server.env = ahead(days)
        server.start()
        return server.api("ann")

    receipts = [fill(0)]
    for number in (1, 2):
        api = go_to(number / 10)
        receipts.append(fill(number))
    api = go_to(1.5)
    of_before = server.metrics().get("aswolk_journal_seq")
    fill(3)
    receipts.append(api.receipt(make.next(customer="pam", text=word(5))))
    older, restored = os.path.join(t.folder, "older"), os.path.join(t.folder, "restored")
    tool("backup", server.folder, older, "--keys", keys_of(server))
    api = go_to(3.4)
    fill(4)
    until("what is older than two days is trimmed",
          lambda: server.metrics().get("aswolk_journal_first_seq") > of_before - 250, 3 * PATIENCE_S)
    before = json.loads(tool("verify", older, "--keys", keys_of(server), "--json"))
    equal(before["without_body"], 0, "as long as nothing is cut all texts are there")
    api.receipt(make.next(customer="lee", text="is withdrawn"))
    equal(erase(api, customer="lee")["messages"], 1, "a cut")
    after = json.loads(tool("verify", older, "--keys", keys_of(server), "--json"))
    names = ("records", "messages", "last_batch", "checkpoint", "replayed")
    equal([after[name] for name in names], [before[name] for name in names], "its records are whole")
    equal(after["bodies"] + after["without_body"], before["bodies"], "each text is there or gone")
    check(after["bodies"] > 0 and after["without_body"] >= 600, "the store's own are there", after)
    tool("restore", older, restored, "--keys", keys_of(server))
    stop(server)
    shutil.rmtree(server.folder)
    os.rename(restored, server.folder)
    server.start()
    api = server.api("ann")
    shown = [status(api.get("/v1/messages/" + receipts[i]["message"]), 200, "message").value for i in (0, 3)]
    equal([(one.get("erased"), one.get("text")) for one in shown], [(True, None), (None, word(5))], "what is shown")
    api.receipt(make.next(customer="lee", text="it goes on"))
    stop(server)
    without_first(keys_of(server))
    check("gone by retention" in tool("verify", older, "--keys", keys_of(server), code=1), "it says so")
    check("damaged)" in tool("restore", older, restored, "--keys", keys_of(server), code=1), "it says so")


def send_replies(api):
    """A gateway takes what waits, and tells that it went out."""
    pull = {"accounts": [{"channel": "web"}], "wait_s": 0, "max": 10}
    for reply in status(api.send("POST", "/v1/replies/leases", pull), 200, "replies").value["replies"]:
        said = {"state": "sent", "lease": reply["lease"]}
        status(api.send("POST", "/v1/replies/%s/status" % reply["reply"], said), 200, "sent")


def test_written_later(t):
    """What colleagues wrote is his, also when all that he wrote is trimmed and it is not, as it is younger; what was written in a
    ticket before his messages were taken out of it stays with that."""
    server = serve(t, "--checkpoint-bytes", "65536", "--dedupe-days", "2")
    api, make = server.api("ann"), Messages()
    phone = [{"kind": "phone", "value": "+31600000001"}]

    def go_to(days):
        stop(server)
        server.env = ahead(days)
        server.start()
        return server.api("ann")

    def fill():
        api.receipts(make.many(200, text="x" * 200))
        for lease in api.leases(max=100) + api.leases(max=100) + api.leases(max=100):
            api.completed(lease)

    def note(ticket, number):
        status(api.send("POST", "/v1/tickets/%s/notes" % ticket, {"text": word(number)}), 200, "noted")

    kims = api.receipt(make.next(customer="kim", text=word(1), identities=phone))["ticket"]
    lee = api.receipt(make.next(customer="lee", text=word(2), identities=phone))
    equal(lee["ticket"], kims, "folded by a phone")
    status(api.patch_ticket(kims, {"hold": True}), 200, "held, so that nobody pulls it")
    fill()
    api = go_to(1.2)
    first = server.metrics().get("aswolk_journal_seq")
    note(kims, 3)
    unfolded = status(api.send("POST", "/v1/tickets/%s/unfold" % kims, {"messages": [lee["message"]]}), 200, "unfolded").value
    note(kims, 4)
    note(unfolded["ticket"], 5)
    status(api.patch_ticket(kims, {"hold": False}), 200, "goes on")
    leases = {lease["ticket"]: lease for lease in api.leases(max=10)}
    api.completed(leases[kims], reply={"text": word(6)})
    api.completed(leases[unfolded["ticket"]])
    send_replies(api)
    seqs = range(int(first), int(server.metrics().get("aswolk_journal_seq")) + 1)
    fill()
    api = go_to(2.8)
    fill()
    until("the messages are trimmed", lambda: server.metrics().get("aswolk_journal_first_seq") > 250, 3 * PATIENCE_S)
    check(server.metrics().get("aswolk_journal_first_seq") <= first, "and not what was written later")
    equal(left(server, seqs=seqs), [3, 4, 5, 6], "that can be read")
    told = erase(api, customer="lee")
    equal([told[name] for name in ("tickets", "messages", "replies", "notes")], [1, 0, 0, 1], "hers")
    equal(left(server, seqs=seqs), [3, 4, 6], "goes, and what was written before her message left stays")
    told = erase(api)
    equal([told[name] for name in ("tickets", "messages", "replies", "notes")], [1, 0, 1, 2], "his")
    equal(left(server, seqs=seqs), [], "goes")
    equal(erase(api, customer="pam")["tickets"], 0, "of somebody else nothing is found")


def test_unfolded(t):
    """What a person took out of his ticket is not his; what was moved into it is."""
    server = serve(t)
    api, make = server.api("ann"), Messages()
    phone = [{"kind": "phone", "value": "+31600000001"}]
    first = api.receipt(make.next(customer="kim", text=word(1), identities=phone))
    other = api.receipt(make.next(customer="lee", text=word(2), identities=phone))
    equal(other["ticket"], first["ticket"], "folded by a phone")
    status(api.send("POST", "/v1/tickets/%s/unfold" % first["ticket"], {"messages": [other["message"]]}), 200, "unfolded")
    equal(erase(api)["messages"], 1, "his")
    equal(left(server), [2], "only")
    equal(erase(api, customer="lee")["messages"], 1, "hers")
    equal(left(server), [], "then nothing")


def test_again(t):
    """Asked for again, with the same Idempotency-Key too: nothing more goes but what he wrote since."""
    server = serve(t)
    api, make = server.api("ann"), Messages()
    desk(api, make)

    def ask():
        kim = {"channel": "web", "customer": "kim"}
        told = status(api.send("POST", "/v1/customers/erase", kim, idempotency_key="the-same"), 200, "erased").value
        return [told[name] for name in ("tickets", "messages", "replies", "notes", "unreadable")]

    equal(ask(), [2, 3, 1, 1, True], "what goes")
    tickets = api.get("/v1/tickets").value["items"]
    for _ in range(2):
        equal(ask(), [2, 0, 0, 0, True], "nothing more")
    equal((left(server), api.get("/v1/tickets").value["items"]), ([2, 4, 6], tickets), "nor of others")
    equal(server.metrics().get("aswolk_tickets_erased_total"), 2, "each of his tickets, once")
    api.receipt(make.next(customer="kim", text=word(9)))
    equal((left(server), ask(), left(server)), ([2, 4, 6, 9], [3, 1, 0, 0, True], [2, 4, 6]), "what he wrote since")


def test_meanwhile(t):
    """While it is looked whose texts they are: what was taken out of a ticket is found where it lies then, and the other customer's
    stays; what answers a new question is not lost."""
    server = serve(t)
    api, make = server.api("ann"), Messages()
    phone = [{"kind": "phone", "value": "+31600000001"}]
    first = api.receipt(make.next(customer="pam", text=word(1)))
    held = api.lease()
    before = status(api.act(held, "reply", {"text": word(3)}), 200, "reply").value["reply"]
    lees = api.receipt(make.next(customer="lee", text=word(2), identities=phone))
    kims = api.receipt(make.next(customer="kim", text=word(5), identities=phone))
    equal(kims["ticket"], lees["ticket"], "folded by a phone")
    for _ in range(20):  # so that a look takes longer than what follows
        api.receipts(make.many(1000, text="x"))
    calls = []
    for agent, customer in (("bob", "pam"), ("eve", "kim")):
        other = server.api(agent)
        calls.append((other, other.begin("POST", "/v1/customers/erase", {"channel": "web", "customer": customer})))
        other.connection.pump(0.001)
    taken = api.begin("POST", "/v1/tickets/%s/unfold" % lees["ticket"], {"messages": [kims["message"]]})
    second = api.receipt(make.next(customer="pam", text=word(4)))
    since = api.act(held, "reply", {"text": word(6)})
    api.connection.wait(taken)
    for other, asked in calls:
        other.connection.wait(asked)
    erased(server)
    here = left(server, seqs=[*range(1, 9), *range(20000, 20020)])
    check(calls[1][1].status in (200, 202) and 5 not in here, "she is found where she is", calls[1][1].status)
    if taken.status == 200:  # else her ticket was closed before
        equal(2 in here, True, "the other one's text")
        for ticket, state in ((lees["ticket"], "waiting"), (taken.value["ticket"], "closed")):
            equal(status(api.get("/v1/tickets/" + ticket), 200, "ticket").value["state"], state, "state of " + ticket)
    states = {one["reply"]: one["state"] for one in status(api.get("/v1/replies"), 200, "replies").value["items"]}
    equal((3 in here, states[before]), (False, "dead"), "what was written before")
    if calls[0][1].status == 409:
        equal(4 in here, True, "what is asked since")
    if since.status == 200:  # else his ticket was closed before
        equal(6 in here, states[since.value["reply"]] == "waiting", "what goes has its text")
        equal(6 in here, calls[0][1].status == 409, "what answers that is not lost")
    t.note("%d, unfolded %d" % (calls[0][1].status, taken.status))


def test_one_came_and_one_went(t):
    """While it is looked he writes once more, and what he wrote before is taken out of his ticket: that has as many messages as the
    look found, and what was taken out is found all the same, and closed."""
    server = serve(t)
    api, make = server.api("ann"), Messages()
    for _ in range(40):  # so that a look takes longer than what follows
        api.receipts(make.many(1000, text="x"))
    met = late = 0
    for number in range(12):
        kim = "kim%d" % number
        first, second = (api.receipt(make.next(customer=kim, text=word(1))) for _ in range(2))
        equal(first["ticket"], second["ticket"], "one ticket")
        other = server.api("bob")
        asked = other.begin("POST", "/v1/customers/erase", {"channel": "web", "customer": kim})
        other.connection.pump(0.001)
        third = api.receipt(make.next(customer=kim, text=word(2)))
        taken = api.send("POST", "/v1/tickets/%s/unfold" % first["ticket"], {"messages": [first["message"]]})
        other.connection.wait(asked)
        if third["ticket"] != first["ticket"] or taken.status != 200 or asked.status != 409:
            continue  # the look was over before
        met += 1
        equal(problem(asked, 409, "stale")["detail"].split(":")[0], "the customer wrote meanwhile", "what it says")
        states = [status(api.get("/v1/tickets/" + ticket), 200, "ticket").value["state"]
                  for ticket in (first["ticket"], taken.value["ticket"])]
        equal(states[0], "waiting", "where he asks something")
        late += states[1] != "closed"  # taken out when all his tickets had been met: he is told to ask again
        equal(erase(api, customer=kim)["unreadable"], True, "asked again")
    check(met > 0 and 2 * late < met, "it was met, and found", (met, late))
    t.note("met %d times, %d of them too late" % (met, late))


def test_slow_cut(t):
    """A cut that takes longer than one waits is answered with 202, another erasure meanwhile as well; nobody is shown anything.
    When the keys are cut the same request gets 200."""
    server = serve(t)
    api, make = server.api("ann"), Messages()
    desk(api, make)
    block(server)
    began = time.monotonic()
    asked = [(who, who.begin("POST", "/v1/customers/erase", {"channel": "web", "customer": customer}))
             for who, customer in ((server.api("bob"), "kim"), (server.api("eve"), "lee"))]
    for who, response in asked:
        who.connection.wait(response)
        told = status(response, 202, "erased").value
        waited = time.monotonic() - began
        equal((told["unreadable"], waited >= 9.5), (False, True), "not yet, after %.1f s" % waited)
    equal(server.metrics().get("aswolk_erasures_stuck"), 1, "an operator sees why")
    for one in status(api.get("/v1/tickets?state=closed"), 200, "closed").value["items"]:
        shown = status(api.get("/v1/tickets/" + one["ticket"]), 200, "ticket").value
        equal({message.get("erased") for message in shown["messages"]}, {True}, "and not shown")
    os.rmdir(keys_of(server) + ".new")
    erased(server)
    equal(left(server), [], "both are gone")
    equal([erase(api, customer=one)["unreadable"] for one in ("kim", "lee")], [True, True], "and it says so")


def test_fresh_keys(t):
    """Keys are renewed while the server runs, also over kill -9: all that was sealed by any of them is read, by the server, by
    tools beside it and from a backup; what is erased is gone, whichever it was sealed by. Where the file can't be replaced the log
    says so, and the keys of before go on."""
    server = serve(t, "--keys-renew-s", "1", "--checkpoint-bytes", "65536")
    make, receipts = Messages(), []
    api = server.api("ann")

    def generation():
        return max(read_keys(keys_of(server)).generations)

    looks = itertools.count(1)

    def renewed(begun):
        """They are made behind what was written by those before: what is posted may have come a moment too early to count."""
        if next(looks) % 40 == 0:
            api.receipt(make.next(text="another"))
        return generation() > begun

    for number in range(8):
        begun = generation()
        receipts.append(api.receipt(make.next(customer="kim" if number % 2 else "lee", text=word(number))))
        api.receipts(make.many(4, text="x" * 200))
        until("fresh keys", lambda: renewed(begun))
        if number == 4:
            server.kill()
            server.start()
            api = server.api("ann")
    check(server.ready["key_generation"] > 4, "one for each second and more", server.ready)
    server.close_all()
    seqs = list(range(1, 90))
    equal(left(server, seqs=seqs), list(range(8)), "all of it is there")
    api = server.api("ann")
    for number, receipt in enumerate(receipts):
        equal(status(api.get("/v1/messages/" + receipt["message"]), 200, "message").value["text"], word(number), "is read")
    older = os.path.join(t.folder, "older")
    tool("backup", server.folder, older, "--keys", keys_of(server))
    equal(erase(api)["messages"], 4, "his")
    equal((left(server, seqs=seqs), left(server, older, seqs)), ([0, 2, 4, 6],) * 2, "gone, from a backup as well")
    block(server)
    begun, api = generation(), server.api("ann")
    api.receipt(make.next(customer="lee", text=word(9)))  # by those that were made before
    server.wait_log("the keys were not renewed", 30)
    until("an operator sees it", lambda: server.metrics().get("aswolk_keys_late") == 1)
    api.receipt(make.next(customer="lee", text="by the same"))
    os.rmdir(keys_of(server) + ".new")
    server.wait_log("keys are renewed again", 30)
    check(generation() > begun, "it is tried again", begun)
    until("and that it is over", lambda: server.metrics().get("aswolk_keys_late") == 0)
    until("how new a copy of them must be", lambda: server.metrics().get("aswolk_key_generation") == generation())
    stop(server)
    equal('"without_body":4' in tool("verify", server.folder, "--json"), True, "each of them, and no other")
    server.start()
    equal(left(server, seqs=seqs), [0, 2, 4, 6, 9], "after a restart")


def threads_of(pid):
    names = []
    for path in glob.glob("/proc/%d/task/*/comm" % pid):
        try:
            with open(path, encoding="ascii") as file:
                names.append(file.read().strip())
        except (FileNotFoundError, ProcessLookupError):  # it has ended
            continue
    return names


def test_killed_before_ready(t):
    """A start that is killed before it wrote anything leaves no keys behind, however often."""
    server = serve(t)
    api, make = server.api("ann"), Messages()
    for _ in range(5):
        api.receipts(make.many(1000, text="x"))
    server.kill()
    want = len(read_keys(keys_of(server)).generations)
    bytes_before = os.path.getsize(keys_of(server))
    rules = os.path.join(t.folder, "rules")
    os.mkdir(rules)
    os.mkfifo(os.path.join(rules, "slow.rules"))  # who reads it waits, and the start with him
    for _ in range(6):
        server.args += ["--rules", rules]
        server.spawn()
        until("the store is open", lambda: "committer" in threads_of(server.process.pid))
        server.kill()
        server.args = server.args[:-2]
    equal((len(read_keys(keys_of(server)).generations), os.path.getsize(keys_of(server))), (want, bytes_before), "as it was")
    server.start()
    equal(len(read_keys(keys_of(server)).generations), want + 1, "a start that serves begins one")


def test_forgotten(t):
    """What waits for a gateway is stopped though its ticket is forgotten, before its text goes."""
    server = serve(t)
    api, make = server.api("ann"), Messages()
    ticket = api.receipt(make.next(customer="kim", text=word(1)))["ticket"]
    api.completed(api.lease(), reply={"text": word(3)})
    server.stop()
    server.env = ahead(3)
    server.start()
    api = server.api("ann")
    api.receipt(make.next(customer="lee", text=word(2)))
    problem(api.get("/v1/tickets/" + ticket), 404, "not-found")
    equal(erase(api)["replies"], 1, "goes")
    equal(left(server), [2], "it went")
    items = status(api.get("/v1/replies"), 200, "replies").value["items"]
    equal([(one["state"], one["code"]) for one in items], [("dead", "erased")], "stopped")
    status(api.send("POST", "/v1/replies/leases", {"accounts": [{"channel": "web"}], "wait_s": 0}), 204, "nothing goes")
    lines = status(api.connection.request("GET", "/v1/events", [("accept", NDJSON)]), 200, "events").lines
    equal([one["data"]["ticket"] for one in lines if one["type"] == "aswolk.replies.erased"], [ticket], "told")


def test_command(t):
    """`aswolk erase` says what goes, and that it went; what it lacks it says."""
    server = serve(t)
    api, make = server.api("ann"), Messages()
    desk(api, make)
    base = ["erase", "--server", "http://%s:%d" % server.address, "--agent", "sam", "--channel", "web", "--customer", "kim"]
    equal(tool(*base, "--dry-run"), "3 messages, 1 replies and 1 notes in 2 tickets would be erased\n", "before")
    equal(tool(*base), "3 messages, 1 replies and 1 notes in 2 tickets: nobody can read them any more\n", "done")
    equal(left(server), [2, 4, 6], "it went")
    problem(api.send("POST", "/v1/customers/erase", {"channel": "web"}), 400, "bad-value", "customer")
    lines = tool("journal", server.folder, "--keys", keys_of(server))
    check("erase" in lines and "kim" not in lines, "the journal tells what was done, to nobody by name", lines[-500:])


def test_rotated(t):
    """The key file goes under a secret, another one, and none; not while a server has it, and never by the wrong one."""
    server = serve(t)
    api, make = server.api("ann"), Messages()
    _, receipts = post(api, make, range(2))
    old, new = os.path.join(t.folder, "old"), os.path.join(t.folder, "new")
    for path in (old, new):
        with open(path, "wb") as file:
            file.write(os.urandom(32))
    check("stop the server" in tool("rotate-key", server.folder, "--to", old, code=1), "not beside a server")
    stop(server)
    check("new secret" in tool("rotate-key", server.folder, "--to", old), "sealed")
    tool("rotate-key", server.folder, "--to", new, code=1)
    tool("rotate-key", server.folder, "--store-key", new, "--to", new, code=1)
    tool("rotate-key", server.folder, "--store-key", old, "--to", new)
    tool("verify", server.folder, "--store-key", old, code=1)
    tool("verify", server.folder, "--store-key", new)
    server.args += ["--store-key", new]
    server.start()
    equal(status(server.api().get("/v1/messages/" + receipts[1]["message"]), 200, "message").value["text"], word(1), "is read")
    stop(server)
    check("nothing but" in tool("rotate-key", server.folder, "--store-key", new, "--clear"), "sealed no more")
    equal(left(server), [0, 1], "as the search finds")
    equal(tool("rotate-key", server.folder, code=2)[:6], "aswolk", "takes one or the other")
    del server.args[-2:]
    server.start()


def test_without_keys(t):
    """A store without keys hides what was withdrawn; the bytes are there, as nothing seals them."""
    server = serve(t, "--keys", "none")
    api, make = server.api("ann"), Messages()
    messages, receipts = post(api, make, range(3))
    withdraw(api, messages[1:2])
    equal(server.metrics().get("aswolk_erasures_pending"), 0, "nothing can be erased here")
    shown = status(api.get("/v1/messages/" + receipts[1]["message"]), 200, "message").value
    check("text" not in shown, "hidden", shown)
    equal(answered(server, messages), [0, 2], "also its reasons")
    told = erase(api, 202)
    equal((told["messages"], told["unreadable"]), (3, False), "nor a customer: it says so")
    with open(os.path.join(server.folder, "data.mdb"), "rb") as file:
        check(words_of(3)[1] in file.read(), "until retention trims it")


if __name__ == "__main__":
    sys.exit(run(globals()))
