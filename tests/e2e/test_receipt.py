#!/usr/bin/python3
"""Receipts against the store: `aswolk receipt` proves each that the server gave, beside it and offline, from the store and from a
backup, also of what was trimmed; and names each field that is not as it was, in the receipt or in the store."""

import copy
import json
import os
import shutil
import struct
import subprocess
import sys

from aswolk_test import PATIENCE_S, Messages, check, equal, program, run, status, until
from test_backup import keys_of
from test_damage import Pages, trimmed_store, verify
from test_faults import StoreFile, crc32c

PROVED, FAILED, PARTLY = 0, 1, 4


def receipt(folder, receipts, *args, code=PROVED):
    """Lines as --json tells them, and the last one."""
    command = [program("aswolk"), "receipt", folder, "--json", *args]
    text = "".join(json.dumps(one) + "\n" for one in receipts)
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=PATIENCE_S * 4)
    equal(done.returncode, code, "exit code of aswolk receipt: %s%s" % (done.stdout[-900:], done.stderr[-900:]))
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return lines[:-1], lines[-1]


def verdicts(folder, receipts, *args, code=PROVED):
    return [line["verdict"] for line in receipt(folder, receipts, *args, code=code)[0]]


def fields(line):
    return [row["field"] for row in line.get("differs", [])]


def make_receipts(server):
    """One of every shape: opened, folded, related, reopened, in another lane, of a lane that there is not, posted twice."""
    api, make = server.api(), Messages()
    mail = [{"kind": "mail", "value": "els@example.org"}]
    status(api.put_lane("dutch", {"match": {"langs": ["nl"]}}), 201, "a lane")
    receipts = [
        api.receipt(make.next(customer="jan", care=["medical"])),
        api.receipt(make.next(customer="jan")),
        api.receipt(make.next(customer="els", identities=mail)),
        api.receipt(make.next(customer="piet")),
        api.receipt(make.next(customer="piet", identities=mail)),
        api.receipt(make.next(lang="nl")),
        api.receipt(make.next(lane="nowhere", text="KL1234 is gone")),
    ]
    again = make.next(customer="mia")
    receipts.append(api.receipt(again))
    receipts.append(api.receipt(again))
    for lease in api.leases(max=20):
        api.completed(lease)
    receipts.append(api.receipt(make.next(customer="jan")))
    shapes = ("folded", "related", "reopened", "duplicate")
    check(all(any(one.get(shape) for one in receipts) for shape in shapes), "each shape is there", receipts)
    check("lane:unknown" in receipts[6]["reasons"] and receipts[5]["lane"] == "dutch", "lanes", receipts[5:7])
    return receipts


def test_proved(t):
    """As posted singly, in batches with a line that is refused, and asked for later; beside the server, offline, and in a backup,
    which ends before what came after it."""
    server = t.server("--checkpoint-bytes", "65536")
    receipts = make_receipts(server)
    api, make = server.api(), Messages("batch")
    lines = make.many(150) + [{"channel": "web"}] + make.many(150)
    batch = status(api.post_many(lines), 200, "post many").lines
    asked = status(api.get("/v1/messages/" + receipts[0]["message"]), 200, "asked for").value
    given = receipts + batch + [asked]
    told, total = receipt(server.folder, given)
    equal(total["refused"], 1, "a line that says why there is none")
    equal((total["ok"], total["proved"], len(told)), (True, len(given) - 1, len(given) - 1), "beside the server")
    equal([line["line"] for line in told], [n for n in range(1, len(given) + 1) if n != len(receipts) + 151], "in their order")
    check(all(line["has_text"] for line in told), "each text is there")
    backup = os.path.join(t.folder, "backup")
    keys = ("--keys", keys_of(server.folder))
    subprocess.run([program("aswolk"), "backup", server.folder, backup], check=True, capture_output=True, timeout=PATIENCE_S * 4)
    late = api.receipt(make.next())
    message, plain = make.next(care=["medical"]), make.next()
    gone, gone_plain = api.receipts([message, plain])
    for one in (message, plain):
        name = {key: one[key] for key in ("channel", "source_id")}
        status(api.send("POST", "/v1/messages/withdraw", name), 200, "taken back")
    until("its key is cut", lambda: server.metrics().get("aswolk_erasures_pending") == 0)
    unknown = status(api.get("/v1/messages/" + receipts[6]["message"]), 200, "of a lane that there is not").value
    equal(unknown["receipt"]["reasons"], receipts[6]["reasons"], "its reasons, asked for")
    withdrawn = status(api.get("/v1/messages/" + gone["message"]), 200, "one that was withdrawn").value
    check(gone["reasons"] and not withdrawn["receipt"]["reasons"], "why it was urgent is not told any more", withdrawn)
    later = [unknown, withdrawn, api.receipt(message)]
    server.close_all()
    server.stop()
    equal(set(verdicts(server.folder, given + [late, gone] + later)), {"proved"}, "offline, also one that was withdrawn")
    told = receipt(server.folder, [gone, gone_plain, late])[0]
    reasons = [(line["has_text"], line.get("reasons_gone")) for line in told]
    equal(reasons, [(False, True), (False, None), (True, None)], "it says so")
    one = subprocess.run([program("aswolk"), "receipt", server.folder, json.dumps(gone)], capture_output=True, text=True)
    check("proved" in one.stdout and "gone, and with it the reasons" in one.stdout, "to people, too", one.stdout + one.stderr)
    for forged, field in ((dict(gone, reasons=[]), "reasons"), (dict(gone, **{"class": "general"}), "class"),
                          (dict(gone_plain, reasons=["because"]), "reasons"),
                          (dict(gone, reasons=gone["reasons"] + ["lane:unknown"]), "reasons"),
                          (dict(gone, reasons=["lane:unknown"], duplicate=True), "reasons"),
                          (dict(withdrawn["receipt"], reasons=["lane:unknown"], duplicate=True), "reasons"),
                          (dict(gone_plain, reasons=["lane:unknown"], duplicate=True), "reasons"),
                          (dict(receipts[6], reasons=[], duplicate=True), "reasons"),
                          (dict(receipts[6], reasons=["lane:unknown"] * 2, duplicate=True), "reasons")):
        told = receipt(server.folder, [forged], code=FAILED)[0]
        equal(fields(told[0]), [field], "whether there were any is known, and all else")
    equal(set(verdicts(backup, given, *keys)), {"proved"}, "in the backup")
    equal(verdicts(backup, [receipts[0], late], *keys, code=FAILED), ["proved", "not_there"], "one of after it")
    one = subprocess.run([program("aswolk"), "receipt", backup, *keys, json.dumps(receipts[0])], capture_output=True, text=True)
    check(one.returncode == 0 and receipts[0]["message"] + ": proved" in one.stdout, "for people", one.stdout + one.stderr)
    done = subprocess.run([program("aswolk"), "receipt", backup, json.dumps(receipts[0])], capture_output=True, text=True)
    check(done.returncode == 1 and "--keys FILE" in done.stderr, "without keys", done.stderr)


def test_differs(t):
    """A receipt with one field changed: named, with what the store has. Lines that are no receipts, one of another store."""
    server = t.server()
    receipts = make_receipts(server)
    stranger = t.server(data="other")
    foreign = Messages().next()
    stranger.api().receipts([foreign, dict(foreign, source_id="x", customer="y")])
    foreign = stranger.api().receipt(Messages("more").next(text="not here"))
    related = receipts[4]
    for field, change in (
        ("message", receipts[1]["message"]),
        ("ticket", receipts[0]["ticket"]),
        ("related", receipts[5]["ticket"]),
        ("lane", "dutch"),
        ("class", "care"),
        ("reasons", ["because"]),
        ("folded", False),
        ("reopened", True),
        ("promise", {"made_at": "2026-11-22T02:58:10.643Z"}),
        ("surprise", 1),
    ):
        forged = dict(copy.deepcopy(related), **{field: change})
        (line,), total = receipt(server.folder, [forged], code=FAILED)
        equal((line["verdict"], total["differs"]), ("differs", 1), "changed: " + field)
        check(fields(line) == [field] or (field == "message" and "ticket" in fields(line)), "named: " + field, line)
        if field != "surprise" and field != "message":
            row = line["differs"][0]
            equal((row["receipt"], row["store"]), (change, related.get(field)), "with both values: " + field)
    for field, change in (("index", related["commit"]["index"] + 1), ("hash", "0" * 64)):
        forged = dict(related, commit=dict(related["commit"], **{field: change}))
        equal(fields(receipt(server.folder, [forged], code=FAILED)[0][0]), ["commit." + field], "its commit")
    line = receipt(server.folder, [foreign], code=FAILED)[0][0]
    check(line["verdict"] in ("differs", "not_there"), "of another store", line)
    lease = dict(related, message="m00" + related["message"][3:-1] + "zz")
    equal(verdicts(server.folder, [lease], code=FAILED), ["not_there"], "a number that there is not yet")
    lines = [7, {"message": "x1"}, {"message": related["message"]}, related]
    equal(verdicts(server.folder, lines, code=FAILED), ["no_receipt"] * 3 + ["proved"], "what is none")
    done = subprocess.run([program("aswolk"), "receipt", server.folder], input="", capture_output=True, text=True)
    equal(done.returncode, 2, "nothing given: " + done.stderr)


def test_trimmed(t):
    """Days later: the receipts of open tickets are proved by what was kept, the others can't be shown any more, and say so."""
    server, kept, gone, fresh = trimmed_store(t)
    fresh = fresh[0]
    given = [kept, gone, fresh]
    equal(verdicts(server.folder, given, code=PARTLY), ["kept", "trimmed", "proved"], "offline")
    server.start()
    equal(verdicts(server.folder, given, code=PARTLY), ["kept", "trimmed", "proved"], "beside the server")
    forged = [dict(kept, ticket=fresh["ticket"]), dict(kept, commit=dict(kept["commit"], hash="1" * 64))]
    told = receipt(server.folder, forged, code=FAILED)[0]
    equal([fields(line) for line in told], [["ticket"], ["commit.hash"]], "what was kept is compared as well")
    forged = dict(gone, commit=dict(gone["commit"], index=fresh["commit"]["index"]))
    check("commit.index" in fields(receipt(server.folder, [forged], code=FAILED)[0][0]), "trimmed, and its batch is not?")


# --- what a forger leaves who knows every checksum ---------------------------------------------------------------------------


def seal(data, at, seq):
    """The CRC of the value whose head is at `at`."""
    size, count, _ = struct.unpack_from("<III", data, at)
    crc = crc32c(struct.pack("<QI", seq, count) + bytes(data[at + 12 : at + 12 + size]))
    struct.pack_into("<I", data, at + 8, crc)


def values(pages, name):
    """(key's number, where its head is) of the last leaf, of values in one piece."""
    for node in pages.nodes(pages.last_leaf(name)):
        key = struct.unpack_from("<Q", pages.data, node + 8)[0]
        if key & 1023 == 0 and struct.unpack_from("<I", pages.data, node + 16)[0] <= 2010:
            yield key >> 10, node + 16


def test_forged_store(t):
    """A record changed with its own CRC, its value's and so its page: of an unsealed store, where no key is needed for that. In
    the middle the chain says so; in the last batch, which no other batch vouches for, the receipt does."""
    server = t.server("--keys", "none")
    api, make = server.api(), Messages()
    receipts = [api.receipt(make.next(channel="mail", source_id="id-%d" % n)) for n in range(6)]
    server.kill()
    store = StoreFile(server.folder)
    sound = bytes(store.bytes)
    found = [(seq, at) for seq, at in values(Pages(sound), "journal") if sound.find(b"mail", at, at + 800) > 0]
    equal(len(found), len(receipts), "a batch each")
    for number, what in ((2, "in the middle"), (5, "the last one")):
        data = bytearray(sound)
        seq, at = found[number]
        record = at + 12 + StoreFile.HEADER_BYTES
        while data.find(b"mail", record, record + struct.unpack_from("<I", data, record)[0]) < 0:
            record += struct.unpack_from("<I", data, record)[0]
        size = struct.unpack_from("<I", data, record)[0]
        place = data.find(b"mail", record)
        data[place : place + 4] = b"nail"
        struct.pack_into("<I", data, record + 4, crc32c(bytes(data[record + 8 : record + size])))
        seal(data, at, seq)
        store.bytes = data
        store.save()
        code, _, said = verify(server.folder)
        command = [program("aswolk"), "receipt", server.folder, "--json", json.dumps(receipts[number])]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
        equal(done.returncode, 1, what + ": the receipt is not proved: " + done.stdout)
        if number == 2:
            index = receipts[number]["commit"]["index"]
            check(code == 1 and "batch %d was altered" % index in said, what + ": named by verify", said)
            check("commit.hash" in done.stdout or "was altered" in done.stderr, what + ": and by receipt", done.stdout)
        else:
            equal(fields(json.loads(done.stdout.splitlines()[0])), ["commit.hash"], what + ": named by its receipt")
        equal(verdicts(server.folder, receipts[:number]), ["proved"] * number, what + ": those before it are proved")
    store.bytes = bytearray(sound)
    store.save()
    equal(set(verdicts(server.folder, receipts)), {"proved"}, "as it was")


def test_newest_damaged(t):
    """A damaged newest batch, which nobody can read, says nothing against receipts of those before it."""
    server = t.server()
    api, make = server.api(), Messages()
    receipts = [api.receipt(make.next()) for _ in range(3)]
    server.close_all()
    server.stop()
    store = StoreFile(server.folder)
    store.bytes[Pages(store.bytes).value("journal") + 40] ^= 1
    store.save()
    equal(verify(server.folder)[0], 1, "it is damaged")
    equal(verdicts(server.folder, receipts[:2]), ["proved"] * 2, "those before it")
    command = [program("aswolk"), "receipt", server.folder, json.dumps(receipts[2])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
    check(done.returncode == FAILED and "batch" in done.stderr and "proved" not in done.stdout, "it itself", done)


def exchange_bodies(server):
    """Two texts of one length change places, each with the checksum that fits there. Returns whose they are."""
    store = StoreFile(server.folder)
    pages = Pages(store.bytes)
    (one, at), (two, to) = list(values(pages, "bodies"))[-2:]
    size = 12 + struct.unpack_from("<I", store.bytes, at)[0]
    equal(size, 12 + struct.unpack_from("<I", store.bytes, to)[0], "of one length")
    store.bytes[at : at + size], store.bytes[to : to + size] = store.bytes[to : to + size], store.bytes[at : at + size]
    seal(store.bytes, at, one)
    seal(store.bytes, to, two)
    store.save()
    return one, two


def test_exchanged_bodies(t):
    """One text in another's place: sealed it opens only where it belongs; unsealed it has another hash."""
    for data, args in (("sealed", ()), ("clear", ("--keys", "none"))):
        server = t.server(*args, data=data)
        api = server.api()
        receipts = api.receipts([dict(Messages().next(text=text), source_id=text, customer=text) for text in ("abc", "xyz")])
        server.close_all()
        server.stop()
        one, _ = exchange_bodies(server)
        code, _, said = verify(server.folder)
        check(code == 1 and "body of record %d" % one in said, data + ": named by verify", said)
        told = receipt(server.folder, receipts, code=FAILED)[0]
        equal([fields(line) for line in told], [["text"], ["text"]], data + ": and by their receipts")
        shutil.rmtree(server.folder)
        t.servers.remove(server)


if __name__ == "__main__":
    sys.exit(run(globals()))
