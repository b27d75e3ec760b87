#!/usr/bin/python3
"""What was withdrawn or erased can't be read any more from any byte of the data folder, with the keys that are left: at once, after
kill -9 at any time, in a backup made later, and in an older one that is put back. What is left can: by the same search."""

import os
import re
import shutil
import subprocess
import sys

from aswolk_test import PATIENCE_S, Messages, check, equal, program, run, status, until
from sealed import read_keys, readable


def keys_of(server):
    return server.folder + ".keys"


def tool(*args):
    done = subprocess.run([program("aswolk"), *args], capture_output=True, text=True, timeout=PATIENCE_S * 4)
    equal(done.returncode, 0, "exit code of aswolk %s: %s%s" % (args, done.stdout[-500:], done.stderr[-900:]))
    return done.stdout


def erased(server):
    until("nothing is pending", lambda: server.metrics().get("aswolk_erasures_pending") == 0)


def words_of(count):
    return [b"the text of number %d." % number for number in range(count)]


def left(server, folder=None, seqs=range(1, 80)):
    """Which of the texts can be read with the keys that are there now."""
    found = readable(folder or server.folder, read_keys(keys_of(server)), seqs, re.compile(rb"the text of number (\d+)\."))
    return sorted(int(number) for number in found)


def post(api, make, numbers):
    messages = [make.next(customer="kim", text=words_of(40)[number].decode()) for number in numbers]
    return messages, api.receipts(messages)


def withdraw(api, messages):
    lines = [{"channel": message["channel"], "source_id": message["source_id"]} for message in messages]
    answers = status(api.post_many(lines, path="/v1/messages/withdraw"), 200, "withdrawn").lines
    equal({answer["status"] for answer in answers}, {200}, "each of them")


def test_withdrawn(t):
    """At once, over a restart and in a backup; what it answers stays; the journal verifies, and the ticket is worked on."""
    server = t.server()
    api, make = server.api("ann"), Messages()
    messages, receipts = post(api, make, range(12))
    equal(left(server), list(range(12)), "the search finds what is there")
    older = os.path.join(t.folder, "older")
    tool("backup", server.folder, older, "--keys", keys_of(server))
    withdraw(api, messages[3:7] + messages[11:])
    erased(server)
    want = [0, 1, 2, 7, 8, 9, 10]
    equal(left(server), want, "at once")
    equal(left(server, older), want, "nor in a backup of before")
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
    server.restart()
    erased(server)
    equal(left(server), want, "after a restart")
    newer = os.path.join(t.folder, "newer")
    tool("backup", server.folder, newer, "--keys", keys_of(server))
    equal(left(server, newer), want, "in a backup of later")
    server.stop()
    tool("verify", server.folder)


def test_killed(t):
    """kill -9 between the record and the cut, again and again: the next start does what is left."""
    server = t.server("--checkpoint-bytes", "65536")
    make = Messages()
    messages, _ = post(server.api("ann"), make, range(40))
    want = list(range(40))
    for begin in range(0, 20, 4):
        withdraw(server.api("ann"), messages[begin:begin + 4])
        server.kill()
        want = [number for number in want if not begin <= number < begin + 4]
        server.start()
    erased(server)
    equal(left(server), want, "what is left")
    server.stop()
    equal('"without_body":20' in tool("verify", server.folder, "--json"), True, "each of them, and no other")


def test_restored(t):
    """An older backup is put back with the keys of now: what was erased since stays so, and what is withdrawn there anew goes."""
    server = t.server()
    api, make = server.api("ann"), Messages()
    messages, receipts = post(api, make, range(10))
    older = os.path.join(t.folder, "older")
    tool("backup", server.folder, older, "--keys", keys_of(server))
    withdraw(api, messages[2:4])
    post(api, make, range(10, 14))
    erased(server)
    server.stop()
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


def test_without_keys(t):
    """A store without keys hides what was withdrawn; the bytes are there, as nothing seals them."""
    server = t.server("--keys", "none")
    api, make = server.api("ann"), Messages()
    messages, receipts = post(api, make, range(3))
    withdraw(api, messages[1:2])
    equal(server.metrics().get("aswolk_erasures_pending"), 0, "nothing can be erased here")
    shown = status(api.get("/v1/messages/" + receipts[1]["message"]), 200, "message").value
    check("text" not in shown, "hidden", shown)
    with open(os.path.join(server.folder, "data.mdb"), "rb") as file:
        check(words_of(3)[1] in file.read(), "until retention trims it")


def test_stuck(t):
    """While the key file can't be replaced it is told, and done as soon as it can be."""
    server = t.server()
    api, make = server.api("ann"), Messages()
    messages, _ = post(api, make, range(4))
    blocker = keys_of(server) + ".new"
    os.unlink(blocker)
    os.mkdir(blocker)
    withdraw(api, messages[:1])
    until("it is told", lambda: server.metrics().get("aswolk_erasures_stuck") == 1)
    equal((server.metrics().get("aswolk_erasures_pending"), left(server)), (1, [0, 1, 2, 3]), "pending")
    os.rmdir(blocker)
    erased(server)
    equal((server.metrics().get("aswolk_erasures_stuck"), left(server)), (0, [1, 2, 3]), "done")


if __name__ == "__main__":
    sys.exit(run(globals()))
