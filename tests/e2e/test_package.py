#!/usr/bin/python3
"""What is installed, as README.md says to install it, below a folder that stands for /; and the server started from there as its
unit starts it: arguments, example configuration, credentials, socket, and a user that may do little."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys

from aswolk_test import PATIENCE_S, ROOT, Api, Connection, Messages, check, equal, problem, program, run, status, until
from test_systemd import Inheriting, Manager, listener
from test_tokens import authority, certificate, tls_by

NOBODY = 65534

# The section is run as it stands; these stand for what it would do to this machine. The build is the one that is tested.
STAND_IN = r"""
set -eu
sudo() { "$@"; }
cmake() {
    case "$1" in
    --preset) command cmake "$@" -S "$SOURCE" -B "$BUILD" >/dev/null ;;
    --build) mkdir -p "$BUILD/bin" && cp "$BIN/aswolkd" "$BIN/aswolk" "$BUILD/bin" ;;
    --install) DESTDIR=$INTO command cmake --install "$BUILD" >/dev/null ;;
    esac
}
systemd-sysusers() { command systemd-sysusers --root="$INTO" "$@"; }
systemd-tmpfiles() { command systemd-tmpfiles --root="$INTO" "$@"; }
systemctl() {
    [ "$1 $2" = "enable --now" ] && shift 2
    command systemctl --root="$INTO" enable "$@"
}
aswolk() { "$INTO/usr/bin/aswolk" "$@"; }
"""


def read(*path):
    with open(os.path.join(*path), encoding="utf-8") as file:
        return file.read()


def install(t):
    """Everything below the folder `into`; what the section needs lies beside it."""
    into = os.path.join(t.folder, "into")
    os.makedirs(os.path.join(into, "etc"))
    section = read(ROOT, "README.md").split("\n## Installing it\n", 1)[1].split("\n## ", 1)[0]
    script = section.split("```")[1].replace("/etc/aswolk", into + "/etc/aswolk")
    names = {line.replace("sudo ", "").split()[0] for line in re.split(r"\n|&&", script) if line.strip()}
    equal(names, {"cmake", "systemd-sysusers", "systemd-tmpfiles", "install", "aswolk", "systemctl"}, "all stands for something")
    shutil.copy(os.path.join(t.folder, "server.pem"), os.path.join(t.folder, "chain.pem"))
    shutil.copy(os.path.join(t.folder, "server.key"), os.path.join(t.folder, "key.pem"))
    env = dict(os.environ, INTO=into, SOURCE=ROOT, BUILD=os.path.join(t.folder, "build"), BIN=os.path.dirname(program("aswolk")))
    command = ["bash", "-c", STAND_IN + script]
    done = subprocess.run(command, cwd=t.folder, env=env, capture_output=True, text=True, timeout=PATIENCE_S * 3)
    equal(done.returncode, 0, "the section: %s" % done.stderr[-500:])
    return into


class Installed(Inheriting):
    """Started from its unit as the service manager would."""

    def __init__(self, t, into):
        unit = read(into, "usr", "lib", "systemd", "system", "aswolkd.service").replace("\\\n", " ")
        self.unit = dict(re.findall(r"^(ExecStart|User|UMask|StateDirectory|StateDirectoryMode)=(.*)$", unit, re.M))
        self.loads = re.findall(r"^LoadCredential=([^:\n]*):?(.*)$", unit, re.M)
        self.into = into
        state = self.there("/var/lib")
        super().__init__(os.path.join(state, self.unit["StateDirectory"], "store"))
        self.t = t
        self.user = self.find_user()
        self.secrets = {"aswolk.store-key": os.urandom(32)}  # the manager's own store of credentials
        os.makedirs(os.path.dirname(self.folder), mode=int(self.unit["StateDirectoryMode"], 8))
        os.chown(os.path.dirname(self.folder), *self.user)
        self.credentials = self.there("/run/credentials/aswolkd.service")
        command = self.unit["ExecStart"].replace("%S", state).replace("%d", self.credentials)
        self.exec = [self.there(word) if word.startswith(("/usr", "/etc")) else word for word in shlex.split(command)]
        names = re.findall(r"^FileDescriptorName=(.*)$", read(into, "usr/lib/systemd/system/aswolkd.socket"), re.M)
        self.hand_down([listener()], ":".join(names))

    def there(self, path):
        return self.into + path

    def find_user(self):
        """Of the user that was made, if we may become that one."""
        if os.geteuid() != 0:
            return os.geteuid(), os.getegid()
        fields = [line.split(":") for line in read(self.there("/etc/passwd")).splitlines()]
        [user] = [(int(line[2]), int(line[3])) for line in fields if line[0] == self.unit["User"]]
        check(user[0] not in (0, NOBODY), "a user of its own", user)
        return user

    def load_credentials(self):
        """As the manager does at each start, as root."""
        shutil.rmtree(self.credentials, ignore_errors=True)
        os.makedirs(self.credentials, mode=0o700)
        for name, path in self.loads:
            data = open(self.there(path), "rb").read() if path else self.secrets[name]
            with open(os.path.join(self.credentials, name), "wb") as file:
                file.write(data)
            os.chmod(file.name, 0o400)
            os.chown(file.name, *self.user)
        os.chown(self.credentials, *self.user)

    def spawn(self):
        self.load_credentials()
        address = "@aswolk-package-%d" % os.getpid()
        self.manager = Manager(address)
        self.env = {"NOTIFY_SOCKET": address, "CREDENTIALS_DIRECTORY": self.credentials}
        uid, gid = self.user
        how = {"umask": int(self.unit["UMask"], 8)}
        if os.geteuid() == 0:
            how.update(user=uid, group=gid, extra_groups=[])
        return self.spawn_handed(self.exec, **how)

    def start(self, patience_s=None):
        super().start(patience_s)
        until("the manager hears that it is ready", lambda: self.manager.values("READY") == ["1"])
        return self

    def stop(self, patience_s=None):
        super().stop(patience_s)
        equal(self.manager.values("STOPPING"), ["1"], "it says that it ends")
        self.manager.socket.close()

    def hang_up(self, word):
        """A reload, as the manager asks for it."""
        self.process.send_signal(signal.SIGHUP)
        return self.wait_log(word)

    def open(self):
        connection = Connection(self.tls_address, tls_by(os.path.join(self.t.folder, "root.pem")))
        self.connections.append(connection)
        return connection

    def by(self, secret):
        return Api(self.open(), None, token=secret)

    def metrics(self):
        return self.metrics_over(self.open())


def rotate(t, server):
    """By root, as the folder is the service's alone; twice, as the first one finds a file that the service made ready. What is
    there then is the service's, which the next start shows."""
    for number in range(2):
        old, new = os.path.join(t.folder, "old"), os.path.join(t.folder, "new")
        server.secrets["aswolk.store-key"], before = os.urandom(32), server.secrets["aswolk.store-key"]
        for path, secret in ((old, before), (new, server.secrets["aswolk.store-key"])):
            with open(path, "wb") as file:
                file.write(secret)
        command = [server.there("/usr/bin/aswolk"), "rotate-key", server.folder, "--store-key", old, "--to", new]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
        equal(done.returncode, 0, "rotation %d: %s" % (number, done.stderr))


def test_installed(t):
    """README's section, then a start as by the unit; tokens by root and a reload; new keys and a restart; an edited file stays."""
    if shutil.which("systemd-sysusers") is None:
        t.note("skipped: systemd is not here")
        return
    if os.geteuid() != 0:
        t.note("skipped: only root can give files away")
        return
    os.chmod(t.folder, 0o755)  # for the user that is made
    authority(t, "root")
    certificate(t, "root", "server", "DNS:localhost,IP:127.0.0.1", "serverAuth")
    into = install(t)
    wanted = os.path.join(into, "etc/systemd/system/multi-user.target.wants/aswolkd.service")
    for path in (wanted, wanted.replace("multi-user", "sockets").replace(".service", ".socket")):
        check(os.path.islink(path), "enabled", path)
    conf = os.path.join(into, "etc/aswolk/aswolkd.conf")
    edited = read(conf).replace("/etc/aswolk", into + "/etc/aswolk")
    with open(conf, "w", encoding="utf-8") as file:
        file.write(edited)
    server = Installed(t, into)
    t.servers.append(server)
    tokens = os.path.join(into, "etc/aswolk/tokens")
    made = lambda *words: subprocess.run([into + "/usr/bin/aswolk", "token", "add", *words, "--tokens", tokens], check=True,
                                         capture_output=True, text=True, timeout=PATIENCE_S)
    server.monitor_token = made("monitor", "prometheus").stdout.strip()
    server.start()
    boss = server.by(read(t.folder, "ann.token").strip())
    equal(status(boss.get("/v1/whoami"), 200, "whoami").value["name"], "Ann Lee", "the token of the section")
    added = made("gateway", "web")
    equal((os.stat(tokens).st_gid, os.stat(tokens).st_mode & 0o777), (server.user[1], 0o640), "who may read the tokens")
    check("only root" not in added.stderr, "and so nothing is said", added.stderr)
    web = server.by(added.stdout.strip())
    problem(web.get("/v1/whoami"), 401, "unauthorized")
    server.hang_up("certificate reloaded")  # which is the last that it reads anew
    until("its io thread has the new tokens", lambda: web.get("/v1/whoami").status == 200)
    receipt = status(web.post(Messages().next()), 202, "a post").value
    for name in ("store", "store.keys"):
        about = os.stat(os.path.join(os.path.dirname(server.folder), name))
        equal((about.st_uid, about.st_mode & 0o77), (server.user[0], 0), "whose %s is" % name)

    certificate(t, "root", "server", "DNS:localhost,IP:127.0.0.1", "serverAuth")  # with another key
    for name, place in (("server.pem", "cert.pem"), ("server.key", "key.pem")):
        shutil.copyfile(os.path.join(t.folder, name), os.path.join(into, "etc/aswolk", place))
    server.hang_up("the certificate was not reloaded; the old one stays")
    equal(server.metrics().get("aswolk_certificate_stale"), 1, "the key is the one of the start")
    server.check_pools()
    server.stop()
    rotate(t, server)
    server.start()
    equal(server.metrics().get("aswolk_certificate_stale"), 0, "a restart takes both")
    boss = server.by(read(t.folder, "ann.token").strip())
    equal(boss.get("/v1/tickets/" + receipt["ticket"]).status, 200, "what was posted is there")
    server.check_pools()
    server.stop()

    again = ["cmake", "--install", os.path.join(t.folder, "build")]
    subprocess.run(again, env=dict(os.environ, DESTDIR=into), check=True, capture_output=True, timeout=PATIENCE_S * 3)
    equal(read(conf), edited, "an edited configuration stays when it is installed again")


def test_alone(t):
    """Tokens that root alone may read: it is said how to change that. Whoever may read the file stays through each change."""
    path = os.path.join(t.folder, "tokens")
    add = lambda name: subprocess.run([program("aswolk"), "token", "add", "monitor", name, "--tokens", path, "--json"],
                                      capture_output=True, text=True, timeout=PATIENCE_S)
    first = add("one")
    equal((first.returncode, os.stat(path).st_mode & 0o777), (0, 0o600), "made: %s" % first.stderr)
    equal("only root may read" in first.stderr, os.geteuid() == 0, "told: %s" % first.stderr)
    os.chmod(path, 0o640)
    if os.geteuid() == 0:
        os.chown(path, NOBODY, NOBODY)
    whose = os.stat(path).st_uid, os.stat(path).st_gid
    second = add("two")
    about = os.stat(path)
    equal((about.st_uid, about.st_gid, about.st_mode & 0o777), whose + (0o640,), "it stays: %s" % second.stderr)
    check("only root" not in second.stderr, "nothing to say", second.stderr)
    names = [json.loads(line)["name"] for line in read(path).splitlines()]
    equal(names, ["one", "two"], "both are in it")


if __name__ == "__main__":
    sys.exit(run(globals()))
