#!/usr/bin/python3
"""A backup beside a server at work, killed halfway or whole; what is restored from it has all that was acknowledged before it
began, goes on under the same identity, and nothing is ever written over."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time

from aswolk_test import FEW_RULES, PATIENCE_S, Gone, Messages, Server, check, equal, program, run, status, until
from test_damage import Pages
from test_faults import StoreFile, fingerprint


def keys_of(path):
    """Of the store that was made as `data`: they lie beside it, and in no backup."""
    return os.path.join(os.path.dirname(path), "data.keys")


def tool(*args, code=0):
    command = [program("aswolk"), *args, "--keys", keys_of(args[1])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S * 4)
    equal(done.returncode, code, "exit code of aswolk %s: %s%s" % (args, done.stdout[-500:], done.stderr[-900:]))
    return done


def told(*args):
    return json.loads(tool(*args, "--json").stdout)


class Gateway(threading.Thread):
    """Posts until it is told to stop, or nobody answers; knows what was acknowledged."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.api, self.make, self.receipts, self.over = server.api("gateway"), Messages(), [], threading.Event()

    def run(self):
        while not self.over.is_set():
            messages = self.make.many(20, text="x" * 300)
            try:
                self.receipts += [(m["source_id"], r) for m, r in zip(messages, self.api.receipts(messages))]
            except Gone:
                return

    def stop(self):
        self.over.set()
        self.join(PATIENCE_S)


def test_under_load(t):
    """Several backups while gateways post and an agent works; each is restored in place of the store and has what it must."""
    server = t.server("--checkpoint-bytes", "65536")
    api, make = server.api(), Messages("held-")
    gateway = Gateway(server)
    gateway.start()
    held = api.receipt(make.next(text="for later"))
    lease = next(l for l in iter(lambda: api.lease(), None) if l["ticket"] == held["ticket"] or api.completed(l) is None)
    backups = []
    for number in range(3):
        until("it goes on", lambda: len(gateway.receipts) > 200 * (number + 1))
        known = list(gateway.receipts)
        path = os.path.join(t.folder, "backup-%d" % number)
        backups.append((path, known, told("backup", server.folder, path)))
    gateway.stop()
    server.kill()
    for path, known, result in backups:
        equal((result["ok"], os.listdir(path)), (True, ["data.mdb"]), "a backup is one file")
        equal(told("verify", path)["last_record"], result["last_record"], "it verifies, up to what it said")
    path, known, result = backups[1]
    last = max(receipt["commit"]["index"] for _, receipt in known)
    check(result["commit"]["index"] >= last, "all that was acknowledged before it began", (result, last))
    before = fingerprint(path)
    restored = told("restore", path, os.path.join(t.folder, "restored"))
    for name in ("last_record", "commit", "made_at"):
        equal(restored[name], result[name], "the same end, of the same backup: " + name)
    equal(fingerprint(path), before, "the backup is as it was")
    second = Server(os.path.join(t.folder, "restored"), ["--rules", FEW_RULES, "--keys", keys_of(path)])
    t.servers.append(second)
    second.start()
    equal(second.ready["epoch"], result["epoch"] + 1, "a start more")
    gateway_api = second.api("gateway")
    for source_id, receipt in known[:: max(1, len(known) // 40)]:
        equal(gateway_api.get("/v1/messages/" + receipt["message"]).status, 200, "acknowledged, and there")
    again = gateway_api.receipt(dict(gateway.make.next(text="x" * 300), source_id=known[0][0]))
    equal((again["duplicate"], again["message"]), (True, known[0][1]["message"]), "posted again, the first receipt")
    agent = second.api()
    equal(agent.completed(lease)["state"], "closed", "the token from before the backup is good")
    second.stop()
    tool("verify", second.folder)


def test_never_over(t):
    """Not over a store, a file, or another backup; not of what is no backup; and no server serves one."""
    server = t.server()
    server.api().receipts(Messages().many(30))
    server.stop()
    path = os.path.join(t.folder, "backup")
    tool("backup", server.folder, path)
    for verb in (("verify", path), ("restore", path, os.path.join(t.folder, "sealed"))):
        done = subprocess.run([program("aswolk"), *verb], capture_output=True, text=True, timeout=PATIENCE_S)
        check(done.returncode == 1 and "--keys FILE" in done.stderr, "without the keys: says what is needed", done.stderr)
        check("way out" not in done.stderr, "which is no damage", done.stderr)
    if os.path.exists(os.path.join(path, "lock")):
        os.unlink(os.path.join(path, "lock"))
    before, whole = fingerprint(server.folder), fingerprint(path)
    check("written over" in tool("restore", path, server.folder, code=1).stderr, "over a store")
    check("written over" in tool("backup", server.folder, path, code=1).stderr, "over a backup")
    check("no backup" in tool("restore", server.folder, os.path.join(t.folder, "new"), code=1).stderr, "of a store")
    tool("backup", server.folder, os.path.join(t.folder, "nowhere", "backup"), code=1)
    equal((fingerprint(server.folder), fingerprint(path)), (before, whole), "nothing was changed")
    equal(sorted(name for name in os.listdir(t.folder) if "part" in name), [], "nothing is left behind")
    wrong = Server(path, ["--rules", FEW_RULES])
    wrong.spawn()
    equal(wrong.exit_code(), 1, "a server on a backup")
    check("aswolk restore" in "\n".join(wrong.logs), "says what to do", wrong.logs[-3:])
    os.unlink(os.path.join(path, "lock"))
    equal(fingerprint(path), whole, "the backup is as it was")
    empty = os.path.join(t.folder, "empty")
    os.mkdir(empty)
    tool("restore", path, empty)
    tool("verify", empty)


def ends(server, words, lacks=()):
    """The start is refused, says these, and nothing else than a lock is there afterwards that was not before."""
    server.logs.clear()
    before = fingerprint(server.folder)
    server.spawn()
    equal(server.exit_code(), 1, "exit code of the start")
    said = "\n".join(server.logs)
    check(all(word in said for word in words) and not any(word in said for word in lacks), "says %r" % (words,), said[-900:])
    equal(fingerprint(server.folder), before, "the store is as it was")


def tool_ends(words, *args):
    done = subprocess.run([program("aswolk"), *args], capture_output=True, text=True, timeout=PATIENCE_S)
    equal(done.returncode, 1, "exit code of aswolk %s: %s%s" % (args, done.stdout, done.stderr))
    check(all(word in done.stderr for word in words), "says %r" % (words,), done.stderr)
    check("aswolk restore" not in done.stderr, "no backup is needed", done.stderr)


def test_without_its_keys(t):
    """The key file lost, another store's, too old, damaged or no file: each is named, with the way out, by the start and by tools;
    nobody is told that the store is damaged. With the right one back all is there."""
    server = t.server()
    receipt = server.api().receipt(Messages().next())
    equal(server.ready["key_generation"], 1, "the log tells which keys are needed")
    server.close_all()
    server.stop()
    keys = keys_of(server.folder)
    shutil.copy(keys, keys + ".old")
    stranger = t.server(data="other")
    shutil.copy(stranger.folder + ".keys", keys + ".foreign")
    server.start()
    equal(server.ready["key_generation"], 2, "a start is a generation")
    server.api().receipt(Messages("more").next())
    server.close_all()
    server.stop()
    path = os.path.join(t.folder, "backup")
    equal(told("backup", server.folder, path)["key_generation"], 2, "the backup tells it too")
    shutil.copy(keys, keys + ".right")
    way = ("nothing in it needs to be deleted", "--keys FILE")
    os.unlink(keys)
    ends(server, way + ("key file is not there",), ("is damaged;",))
    tool_ends(("--keys FILE",), "verify", server.folder)
    tool_ends(("not there",), "verify", server.folder, "--keys", keys)
    for name, words in ((".foreign", "keys of another store"), (".old", "older than the store")):
        shutil.copy(keys + name, keys)
        ends(server, way + (words,), ("is damaged;",))
    tool_ends(("keys of another store", "--keys FILE"), "verify", server.folder, "--keys", keys + ".foreign")
    for folder in (server.folder, path):
        tool_ends(("key file is older", "needs generation 2", "--keys FILE"), "verify", folder, "--keys", keys + ".old")
    with open(keys, "r+b") as file:
        file.seek(100)
        file.write(b"damaged!")
    ends(server, way + ("fails its check",), ("the store is damaged",))
    tool_ends(("fails its check", "--keys FILE"), "verify", server.folder)
    os.unlink(keys)
    os.mkdir(keys)
    ends(server, way + ("can't be used",), ("the store is damaged",))
    tool_ends(("can't be used", "--keys FILE"), "verify", server.folder)
    os.rmdir(keys)
    shutil.copy(keys + ".right", keys)
    server.start()
    equal(server.api().get("/v1/messages/" + receipt["message"]).status, 200, "all is there")


def test_tools_over_a_restart(t):
    """A tool that began before its server was started anew reads what was sealed by the new keys as well."""
    server = t.server()
    make, api = Messages(), server.api()
    for _ in range(400):  # batches; it reads 64 at a time
        api.receipt(make.next())
    process = subprocess.Popen([program("aswolk"), "journal", "--json", server.folder], stdout=subprocess.PIPE)
    first = json.loads(process.stdout.readline())  # it goes on when its pipe is read
    equal(first["seq"], 1, "it has begun")
    server.restart()
    last = server.api().receipt(make.next())
    lines = process.communicate(timeout=PATIENCE_S * 2)[0].splitlines()
    equal(process.returncode, 0, "exit code")
    read = [json.loads(line) for line in lines if b'"message"' in line]
    equal(read[-1]["message"], last["message"], "up to the newest")


def test_two_processes(t):
    """A copy of the folder as a snapshot of the file system has it: it tells what it is, and one key file serves one server. No
    restore into a folder that is served."""
    server = t.server()
    receipts = server.api().receipts(Messages().many(30))
    path = os.path.join(t.folder, "backup")
    tool("backup", server.folder, path)
    tool("restore", path, server.folder, code=1)
    server.kill()
    snapshot = os.path.join(t.folder, "snapshot")
    shutil.copytree(server.folder, snapshot)
    server.start()
    done = tool("restore", snapshot, os.path.join(t.folder, "new"), code=1)
    check("aswolkd --data" in done.stderr, "not restored but opened", done.stderr)
    tool("verify", snapshot)
    second = Server(snapshot, ["--rules", FEW_RULES, "--keys", keys_of(snapshot)])
    t.servers.append(second)
    ends(second, ("another process uses the key file",))
    restored = os.path.join(t.folder, "restored")
    shutil.copy(keys_of(path), restored + ".keys")
    command = [program("aswolk"), "restore", path, restored]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S * 4)
    equal(done.returncode, 0, "with the keys that lie beside what is made: " + done.stderr)
    shutil.copy(keys_of(snapshot), snapshot + ".keys")
    second.args = ["--rules", FEW_RULES]
    second.start()
    for one in (server, second):
        equal(one.api().get("/v1/messages/" + receipts[-1]["message"]).status, 200, "all is there")


def test_damaged(t):
    """A damaged store gives no backup, a damaged backup no store."""
    server = t.server()
    server.api().receipts(Messages().many(30))
    server.stop()
    path = os.path.join(t.folder, "backup")
    tool("backup", server.folder, path)
    for folder, verb in ((server.folder, "backup"), (path, "restore")):
        store = StoreFile(folder)
        store.bytes[Pages(store.bytes).value("bodies") + 14] ^= 1
        store.save()
        target = os.path.join(t.folder, verb + "-of-damaged")
        done = tool(verb, folder, target, code=1)
        check("bodies" in done.stderr and "checks" in done.stderr, "named", done.stderr)
        equal([name for name in os.listdir(t.folder) if name.startswith(os.path.basename(target))], [], "nothing is left behind")


def test_no_room(t):
    """A disk without room for the backup: it fails by name, takes away what it made, and the store does not notice."""
    server = t.server()
    server.api().receipts(Messages().many(200, text="x" * 2000))
    target = os.path.join(t.folder, "backup")
    script = 'trap "" XFSZ; ulimit -f 512; exec "$@"'
    command = ["/bin/sh", "-c", script, "sh", program("aswolk"), "backup", server.folder, target]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
    equal(done.returncode, 1, "exit code: " + done.stderr)
    check("lack of room" in done.stderr, "says why", done.stderr)
    equal([name for name in os.listdir(t.folder) if name.startswith("backup")], [], "nothing is left behind")
    tool("backup", server.folder, target)
    status(server.api().post(Messages("after-").next()), 202, "the server goes on")


def test_killed(t):
    """kill -9 of the backup and of the server, again and again: what has its name is whole, and the store is sound."""
    server = t.server("--checkpoint-bytes", "65536")
    gateway = Gateway(server)
    gateway.start()
    until("some are there", lambda: len(gateway.receipts) > 400)
    path = os.path.join(t.folder, "backup")

    def begin():
        command = [program("aswolk"), "backup", server.folder, path]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    for wait_s in (0.0, 0.01, 0.03, 0.06, 0.1):
        process = begin()
        time.sleep(wait_s)
        process.send_signal(signal.SIGKILL)
        process.wait(PATIENCE_S)
        if os.path.exists(path):
            tool("verify", path)
            os.rename(path, path + str(wait_s))
    done = begin()
    server.kill()
    gateway.stop()
    equal(done.wait(PATIENCE_S * 2), 0, "the backup of a server that was killed meanwhile")
    tool("verify", path)
    tool("verify", server.folder)
    check(not os.path.exists(path + ".part"), "what the killed ones had left is gone")
    server.start()
    status(server.api().post(Messages("after-").next()), 202, "the server goes on")


if __name__ == "__main__":
    sys.exit(run(globals()))
