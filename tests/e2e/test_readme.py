#!/usr/bin/python3
"""README.md's commands as they are printed, typed into a shell one after the other; what comes back has the printed form."""

import json
import os
import re
import signal
import subprocess
import sys
import threading

from aswolk_test import PATIENCE_S, ROOT, SANITIZER, Server, check, equal, program, run, until
from test_tokens import authority, certificate

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

    def type(self, block):
        process = self.start(block)
        try:
            out, errors = process.communicate(timeout=PATIENCE_S * 3)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
        equal(process.returncode, 0, "exit code of %r: %s" % (block, errors.decode("utf-8", "replace")[-600:]))
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


if __name__ == "__main__":
    sys.exit(run(globals()))
