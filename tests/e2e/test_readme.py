#!/usr/bin/python3
"""README.md's commands as they are printed, typed into a shell one after the other; what comes back has the printed form."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading

from aswolk_test import (FEW_RULES, PATIENCE_S, ROOT, SANITIZER, Faults, Messages, Server, check, equal, problem, program, run,
                         status, until)
from test_damage import Pages
from test_faults import StoreFile
from test_tokens import authority, certificate

SERVICE = 64123  # a user who has nothing else

# What is another one in each run: ids, times, secrets, positions. Everything else in an answer is as printed.
OTHERS = {"message", "ticket", "index", "hash", "lease", "opened_at", "accepted_at", "expires_at", "waited_s", "expires_in_s", "id",
          "source", "time", "subject"}


def section(title):
    """The blocks of code below a headline."""
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
        parts = re.split(r"^## ", file.read(), flags=re.M)
    found = [part for part in parts if part.startswith(title + "\n")]
    equal(len(found), 1, "sections called " + title)
    return re.findall(r"^```\n(.*?)^```$", found[0], flags=re.M | re.S)


def unwrapped(block):
    return "".join(line.strip() for line in block.splitlines())


def last_value(text):
    """Of answers that stand one behind the other."""
    value = None
    while text:
        value, end = json.JSONDecoder().raw_decode(text)
        text = text[end:].lstrip()
    return value


def same_form(got, printed, where):
    equal(type(got), type(printed), "what %s is" % where)
    if isinstance(printed, dict):
        equal(sorted(got), sorted(printed), "names in " + where)
        for name in printed:
            if name not in OTHERS or isinstance(printed[name], (dict, list)):
                same_form(got[name], printed[name], where + "." + name)
    elif isinstance(printed, list):
        equal(len(got), len(printed), "entries of " + where)
        for i, entry in enumerate(printed):
            same_form(got[i], entry, "%s[%d]" % (where, i))
    else:
        equal(got, printed, where)


class Shell:
    """Runs blocks in bash; `instead`: what stands in the README by what it is here, in this order."""

    def __init__(self, t, instead, head=""):
        self.folder = t.folder
        self.instead = list(instead)
        self.head = "set -e\nshopt -s expand_aliases\nexport PATH=%s:$PATH\n%s\n" % (os.path.dirname(program("aswolk")), head)

    def here(self, text):
        for printed, real in self.instead:
            text = text.replace(printed, real)
        return text

    def start(self, block):
        return subprocess.Popen(["bash", "-c", self.head + self.here(block)], cwd=self.folder, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)

    def type(self, block, code=0):
        process = self.start(block)
        try:
            out, errors = process.communicate(timeout=PATIENCE_S * 3)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
        equal(process.returncode, code, "exit code of %r: %s" % (block, errors.decode("utf-8", "replace")[-600:]))
        return out.decode("utf-8")

    def until_event(self, block, wanted):
        """Of a stream that does not end: the data of the first event of this type."""
        process = self.start(block)
        try:
            for line in process.stdout:
                if line.startswith(b"data: ") and json.loads(line[6:])["type"] == wanted:
                    return json.loads(line[6:])
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
        return None


def test_try_it(t):
    server = t.server(rules="")
    alias, *blocks = section("Try it")
    check(alias.startswith("alias aw="), "the first block is the alias", alias)
    log = os.path.join(t.folder, "later.log")
    shell = Shell(t, [
        ("http://127.0.0.1:8480", "http://%s:%d" % server.address),
        ("build/release/bin/aswolkd --dev", "aswolkd --dev --listen %s:%d --tls-listen ''" % server.address),
        ("build/demo/data &", server.folder + " > %s 2>&1 &" % log),
        ("build/demo/data", server.folder),
    ], alias)
    lease = None
    threading.Thread(target=server.process.wait, daemon=True).start()  # a process that nobody waits for is still there
    try:
        for command, answer in zip(blocks[::2], blocks[1::2]):
            answer = unwrapped(answer)
            if answer.startswith("id: "):
                printed = json.loads(answer[answer.index("data: ") + 6:])
                same_form(shell.until_event(command, printed["type"]), printed, "an event")
                continue
            got = last_value(shell.type(command).lstrip())
            printed = json.loads(answer)
            same_form(got, printed, command.splitlines()[0])
            for one, by in zip(printed.get("leases", ()), got.get("leases", ())):
                shell.instead.append((one["lease"], by["lease"]))
                lease = by["lease"]
    finally:
        with open(os.path.join(server.folder, "lock"), encoding="ascii") as file:
            later = int(file.read())
        if later != server.process.pid:  # the README killed ours and began another
            equal(server.process.wait(PATIENCE_S), -signal.SIGKILL, "how the server ended")
            os.kill(later, signal.SIGTERM)
            until("the server that was started by hand ends", lambda: not os.path.exists("/proc/%d" % later))
            server.kill()
    check(lease is not None and later != 0, "something was leased")
    with open(log, encoding="utf-8") as file:
        text = file.read()
    check('"msg":"stopped"' in text and not SANITIZER.search(text), "the server that was started by hand ends well", text[-500:])


class Installed(Server):
    """As the README's configuration has it."""

    def __init__(self, t, config):
        super().__init__(os.path.join(t.folder, "lib", "store"))
        self.config = config

    def command(self):
        return [program("aswolkd"), "--config", self.config]


def test_real_use(t):
    tokens, config, *_ = section("For real use")
    keeping = section("Keeping it")[0]
    for folder in ("etc", "lib", "backup", "prometheus"):
        os.mkdir(os.path.join(t.folder, folder))
    shell = Shell(t, [
        ("/etc/aswolk", os.path.join(t.folder, "etc")),
        ("/etc/prometheus", os.path.join(t.folder, "prometheus")),
        ("/var/lib/aswolk", os.path.join(t.folder, "lib")),
        ("/backup", os.path.join(t.folder, "backup")),
        ("0.0.0.0:8443", "127.0.0.1:0"),
    ])
    shell.type(tokens)

    authority(t, "root")
    certificate(t, "root", "server", "DNS:localhost,IP:127.0.0.1", "serverAuth")
    for line in config.splitlines():
        name, value = (part.strip() for part in shell.here(line).split("="))
        if name in ("tls-cert", "tls-key"):
            os.rename(os.path.join(t.folder, "server.pem" if name == "tls-cert" else "server.key"), value)
    path = os.path.join(t.folder, "etc", "aswolkd.conf")
    with open(path, "w", encoding="utf-8") as file:
        file.write(shell.here(config) + "listen =\n")

    server = Installed(t, path)
    t.servers.append(server)
    try:
        server.start()
        shell.head += "export ASWOLK_SERVER=https://127.0.0.1:%d\n" % server.tls_address[1]
        who = json.loads(shell.type("ASWOLK_TOKEN_FILE=ann.token aswolk whoami --json --cacert root.pem"))
        equal((who["name"], who["role"]), ("Ann Lee", "supervisor"), "who the token of the README is")
        shell.type(keeping)
        restored = os.path.join(t.folder, "lib", "restored")
        shell.type("cp %s.keys %s.keys && aswolk verify %s" % (os.path.join(t.folder, "lib", "store"), restored, restored))
    finally:
        if server.running:
            server.stop()


def worst_day():
    """Of the table's rows, by their first words in code: the commands in what is to be done."""
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
        table = file.read().split("\n### On the worst day\n", 1)[1].split("\n## ", 1)[0]
    rows = {}
    for line in table.splitlines():
        if line.startswith("| ") and not line.startswith("| ---") and not line.startswith("| you see"):
            seen, _, do = line.strip("| ").split(" | ")
            name = re.search("`([^`]*)`", seen)
            found = re.findall("`([^`]*)`", do)
            rows[name.group(1) if name else seen] = [code for code in found if re.match("(aswolk|mv|cp|chown) ", code)]
    return rows


class Served(Server):
    """By a user of its own, if we are root and that one can get at what was built."""

    def __init__(self, t, faults):
        super().__init__(t.data_folder("store"), ["--rules", FEW_RULES], faults.env)
        self.user = None
        os.chmod(t.folder, 0o755)
        try:
            if os.geteuid() == 0 and os.access(program("aswolk"), os.X_OK):
                subprocess.run([program("aswolkd"), "--version"], user=SERVICE, group=SERVICE, check=True, capture_output=True)
                self.user = SERVICE
        except (OSError, subprocess.SubprocessError):
            t.note("as ourselves: a user of its own can't run what was built")
        for path in (t.folder, self.folder):
            os.chown(path, *self.owner())

    def owner(self):
        return (os.geteuid(), os.getegid()) if self.user is None else (self.user, self.user)

    def spawn(self):
        how = {"umask": 0o077} if self.user is None else {"umask": 0o077, "user": self.user, "group": self.user, "extra_groups": []}
        return self.spawn_command(self.command(), **how)

    def refuses(self, words):
        self.logs.clear()
        self.spawn()
        equal(self.exit_code(), 1, "exit code of the start")
        check(words in "\n".join(self.logs), "it says %r" % words, self.logs[-3:])


def has(server, receipts):
    api = server.api()
    for receipt in receipts:
        status(api.get("/v1/messages/" + receipt["message"]), 200, "what was acknowledged")


def test_worst_day(t):
    """Each row of the table as it is printed, typed by root one after the other; then the service has what it promised."""
    rows = worst_day()
    faults = Faults(t)
    server = Served(t, faults)
    t.servers.append(server)
    place = lambda name: os.path.join(t.folder, name)
    shell = Shell(t, [("aswolk: ", "%d:%d " % server.owner()), ("BACKUP", place("backup")), ("COPY", place("copy")),
                      ("DIR", server.folder)])
    broken, lost, damaged, snapshot = ["503 store-broken", "the store's keys can't be used", "the store is damaged",
                                       "a folder copied by a snapshot of the file system"]
    told = "somebody says that his message was lost"
    equal(set(rows), {broken, lost, damaged, snapshot, told, "507 store-full"}, "each row has its test; a full store: test_full")
    server.start()
    make = Messages()
    receipts = server.api().receipts(make.many(30))
    with open(place("receipts.ndjson"), "w", encoding="utf-8") as file:
        file.writelines(json.dumps(receipt) + "\n" for receipt in receipts)
    for command in rows[told]:
        check("30 proved" in shell.type(command), "beside the server")

    shutil.copytree(server.folder, place("copy"))
    shutil.copy(server.folder + ".keys", place("copy.keys"))  # the newest: from after the start
    receipts += server.api().receipts(make.many(5))
    server.stop()
    os.unlink(server.folder + ".keys")
    server.refuses(lost)
    for command in rows[lost]:
        shell.type(command)
    server.start()
    has(server, receipts)

    server.kill()
    shutil.rmtree(place("copy"))
    shutil.copytree(server.folder, place("copy"))
    shell.type("aswolk restore COPY %s --keys DIR.keys" % place("new"), code=1)
    for command in rows[snapshot]:
        shell.type(command)
    shutil.rmtree(server.folder + ".old")
    server.start()
    has(server, receipts)

    faults.set("fdatasync:1+:EIO")
    problem(server.api().post(make.next()), 503, "store-broken")
    server.process.send_signal(signal.SIGTERM)
    equal(server.exit_code(PATIENCE_S * 2), 1, "exit code of one whose store broke")
    faults.clear()
    for command in rows[broken] + rows[damaged][1:]:  # which it says to go on with
        shell.type(command)
    shutil.rmtree(server.folder + ".old")
    server.start()
    has(server, receipts)
    since = [make.next() for _ in range(3)]
    later = server.api().receipts(since)
    server.stop()

    store = StoreFile(server.folder)
    store.bytes[Pages(store.bytes).value("journal") + 40] ^= 1
    store.save()
    server.refuses(damaged)
    shell.type(rows[damaged][0], code=1)
    for command in rows[damaged][1:]:
        shell.type(command)
    server.start()
    has(server, receipts)
    again = server.api().receipts(since)
    check(not any(receipt.get("duplicate") for receipt in again), "posted since the backup, and now again", (later, again))
    server.stop()


if __name__ == "__main__":
    sys.exit(run(globals()))
