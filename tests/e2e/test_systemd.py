#!/usr/bin/python3
"""What aswolkd does under a service manager, with a false one: a socket that hears what it tells, listeners that it inherits; and
the unit as systemd itself judges it, where it is installed."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time

from aswolk_test import FEW_RULES, PATIENCE_S, ROOT, Messages, Server, address_of, check, equal, program, run, status, until
from test_faults import Faults

FIRST_FD = 3


class Manager:
    """Hears what a service tells, as NAME=value."""

    def __init__(self, address):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address.replace("@", "\0", 1))
        self.socket.settimeout(0.05)
        self.told = []

    def hear(self):
        """All that was told since."""
        new = []
        while True:
            try:
                new.append(dict(line.split("=", 1) for line in self.socket.recv(4096).decode().split("\n")))
            except socket.timeout:
                self.told += new
                return new

    def values(self, name):
        self.hear()
        return [words[name] for words in self.told if name in words]


class Inheriting(Server):
    """Is handed sockets down, each under a name."""

    def hand_down(self, sockets, names, count=None, pid=None):
        self.sockets, self.names = sockets, names
        self.count, self.pid = count or str(len(sockets)), pid
        return self

    def spawn(self):
        inner = [program("aswolkd"), "--dev", "--data", self.folder, "--listen", self.listen, "--tls-listen", self.tls_listen]
        return self.spawn_handed(inner + ["--io-threads", "2"] + self.args)

    def spawn_handed(self, inner, **how):
        # The shell's number stays that of what it becomes.
        script = 'LISTEN_PID=%s LISTEN_FDS=%s LISTEN_FDNAMES=%s exec "$@"' % (self.pid or "$$", self.count, self.names)
        sockets = self.sockets

        def place():
            high = [os.dup(fd.fileno()) for fd in sockets]
            high = [os.dup2(fd, 100 + i) for i, fd in enumerate(high)]
            for i, fd in enumerate(high):
                os.dup2(fd, FIRST_FD + i)
                os.set_inheritable(FIRST_FD + i, True)
                os.close(fd)

        return self.spawn_command(["/bin/sh", "-c", script, "sh"] + inner, preexec_fn=place, close_fds=False, **how)


def listener():
    result = socket.socket()
    result.bind(("127.0.0.1", 0))
    result.listen(64)
    return result


def test_tells(t):
    """Ready once it serves and not before, fed while it moves, stopping when it drains; a name and a file as address."""
    for address in ("@aswolk-test-%d" % os.getpid(), os.path.join(t.folder, "notify")):
        manager = Manager(address)
        server = t.server(env={"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "400000"})
        until("it is ready", lambda: manager.values("READY") == ["1"])
        check(any("active" in words and "127.0.0.1" in words for words in manager.values("STATUS")), "says so", manager.told)
        until("the watchdog is fed, though nobody asks for anything", lambda: len(manager.values("WATCHDOG")) > 3)
        server.stop()
        manager.hear()
        equal(manager.values("STOPPING"), ["1"], "and that it ends")
        equal(manager.values("READY"), ["1"], "ready once")
        t.servers.remove(server)


def test_start_asks_for_time(t):
    """While a start reads its store it tells how far it is and asks for more time: in the walk through the pages, before it can do
    anything else, and while it loads and replays."""
    address = "@aswolk-start-%d" % os.getpid()
    faults = Faults(t)
    server = t.server("--checkpoint-bytes", "65536", env=faults.env)
    api, make = server.api("gateway"), Messages()
    until("there is a checkpoint", lambda: api.receipts(make.many(50)) and server.metrics().get("aswolk_checkpoints_total") > 0)
    server.kill()
    manager = Manager(address)
    server.env = dict(faults.env, NOTIFY_SOCKET=address)
    faults.set("fdatasync:2+:HANG")  # The first one is before the walk, the second one after the replay.
    server.spawn()
    until("it has told of records", lambda: any("record" in words for words in manager.values("STATUS")))
    pages, records = [status for status in manager.values("STATUS") if " of " in status][:2]
    check(pages.startswith("checking the store: page "), "first the pages", manager.told)
    check(records.startswith("reading the store: record "), "then the records", manager.told)
    check(all(int(us) >= 10000000 for us in manager.values("EXTEND_TIMEOUT_USEC")), "each asks for time", manager.told)
    check(len(manager.values("EXTEND_TIMEOUT_USEC")) >= 2, "each of them", manager.told)
    equal(manager.values("READY"), [], "not ready yet")
    faults.clear()
    server.ready = server.wait_log("ready")
    server.address, server.tls_address = address_of(server.ready["listen"]), address_of(server.ready["tls_listen"])
    until("it is ready", lambda: manager.values("READY") == ["1"])
    server.stop()
    t.servers.remove(server)


def test_ready_is_told_until_it_is_heard(t):
    """A manager whose queue is full when the server is ready hears it later; its watchdog may be as slow as it likes."""
    address = "@aswolk-full-%d" % os.getpid()
    manager = Manager(address)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as others:
        others.setblocking(False)
        try:
            while True:
                others.sendto(b"OTHERS=1", "\0" + address[1:])
        except BlockingIOError:
            pass  # it is full
    t.server(env={"NOTIFY_SOCKET": address, "WATCHDOG_USEC": str(1 << 33)})
    time.sleep(0.7)  # that it has tried to tell
    until("it is ready", lambda: manager.values("READY") == ["1"])
    until("the watchdog is fed", lambda: manager.values("WATCHDOG"))


def test_not_fed_when_it_hangs(t):
    """A flush that hangs: nobody feeds the watchdog, though io threads and main go on; it is fed again when the disk comes back."""
    address = "@aswolk-hang-%d" % os.getpid()
    manager = Manager(address)
    faults = Faults(t)
    server = t.server(env=dict(faults.env, NOTIFY_SOCKET=address, WATCHDOG_USEC="200000"))
    until("it is fed", lambda: len(manager.values("WATCHDOG")) > 2)
    faults.set("fdatasync:1+:HANG")
    gateway = server.api("gateway")
    waiting = gateway.begin_post(Messages().next())
    until("nobody feeds it", lambda: time.sleep(0.5) or not any("WATCHDOG" in words for words in manager.hear()))
    check(not waiting.ended, "while it hangs")
    equal(server.api().get("/healthz").status, 200, "the rest goes on")
    faults.clear()
    status(gateway.connection.wait(waiting), 202, "the post that waited")
    until("it is fed again", lambda: any("WATCHDOG" in words for words in manager.hear()))
    server.stop()


def test_inherits(t):
    """Both listeners are handed down: it serves there, and says where; what waited in the queue before it ran is served."""
    plain, tls = listener(), listener()
    early = socket.create_connection(plain.getsockname())
    server = Inheriting(t.data_folder(), ["--rules", FEW_RULES]).hand_down([tls, plain], "tls:plain")
    t.servers.append(server)
    server.start()
    equal((server.address, server.tls_address), (plain.getsockname(), tls.getsockname()), "where it serves")
    early.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\4" + bytes(5))
    early.settimeout(PATIENCE_S)
    check(len(early.recv(9)) == 9, "the early one has an answer")
    early.close()
    for by_tls in (False, True):
        status(server.api(tls=by_tls).post(Messages("tls-%s-" % by_tls).next()), 202, "a post")
    server.stop()
    one = Inheriting(t.data_folder("one"), ["--rules", FEW_RULES]).hand_down([listener()], "tls")
    t.servers.append(one)
    one.start()
    check(one.tls_address == one.sockets[0].getsockname() != one.address, "the other one is its own", one.ready)
    one.stop()


def test_refuses_what_it_inherits(t):
    """A name that it does not know or has twice, what does not listen, is no TCP socket, or too many: named, and no start. Sockets
    for another process are nobody's."""
    quiet, udp = socket.socket(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    local = socket.socket(socket.AF_UNIX)
    local.bind(os.path.join(t.folder, "local"))
    local.listen(1)
    anywhere = socket.socket()
    anywhere.bind(("0.0.0.0", 0))
    anywhere.listen(1)
    for sockets, names, count, words in (
        ([listener()], "web", None, "FileDescriptorName"),
        ([listener(), listener()], "tls:tls", None, "two sockets"),
        ([quiet], "tls", None, "no listening TCP socket"),
        ([udp], "plain", None, "no listening TCP socket"),
        ([local], "tls", None, "no listening TCP socket"),
        ([listener()], "tls", "2", ""),
        ([listener()], "tls", "many", "LISTEN_FDS"),
        ([anywhere], "plain", None, "loopback"),
    ):
        server = Inheriting(t.data_folder("none"), ["--rules", FEW_RULES]).hand_down(sockets, names, count)
        server.spawn()
        equal(server.exit_code(), 1, "exit code with %s as %s" % (sockets, names))
        check(words in "\n".join(server.logs), "%s: %r" % (names, words), server.logs)
    other = Inheriting(t.data_folder("other"), ["--rules", FEW_RULES]).hand_down([listener()], "tls", pid="1")
    t.servers.append(other)
    other.start()
    check(other.tls_address != other.sockets[0].getsockname(), "those of another process", other.ready)
    other.stop()


def test_unit(t):
    """The unit as it is installed: systemd reads it without a word, and finds little that it could do beside its work."""
    if shutil.which("systemd-analyze") is None:
        t.note("skipped: systemd-analyze is not here")
        return
    source = os.path.join(ROOT, "server", "systemd")
    with open(os.path.join(source, "aswolkd.service.in")) as file:
        unit = file.read().replace("@CMAKE_INSTALL_FULL_BINDIR@/aswolkd", program("aswolkd"))
    unit = re.sub(r"@CMAKE_INSTALL_FULL_\w+@", "/etc", unit)
    folder = os.path.join(t.folder, "units")
    os.mkdir(folder)
    with open(os.path.join(folder, "aswolkd.service"), "w") as file:
        file.write(unit)
    shutil.copy(os.path.join(source, "aswolkd.socket"), folder)
    paths = [os.path.join(folder, name) for name in ("aswolkd.service", "aswolkd.socket")]
    done = subprocess.run(["systemd-analyze", "verify", *paths], capture_output=True, text=True, timeout=PATIENCE_S)
    ours = [line for line in (done.stdout + done.stderr).splitlines() if "aswolk" in line]
    equal((done.returncode, ours), (0, []), "what systemd says of the units")
    command = ["systemd-analyze", "security", "--offline=true", "--threshold=15", paths[0]]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
    [exposure] = re.findall(r"exposure level for .*: ([0-9.]+)", done.stdout)
    t.note("exposure %s of 10" % exposure)
    check(done.returncode == 0 and float(exposure) <= 1.5, "exposure", done.stdout[-600:])


if __name__ == "__main__":
    sys.exit(run(globals()))
