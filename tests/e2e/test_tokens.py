#!/usr/bin/python3
"""A server for real use: TLS, tokens made and revoked by `aswolk token`, certificates, SIGHUP under way, and a silent log."""

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time

from aswolk_test import (FEW_RULES, PATIENCE_S, Api, Connection, Failed, Messages, Server, address_of, check, equal, problem,
                         program, run, seconds_of, status, until)

OK, FAILED, USAGE, UNREACHED = range(4)


def openssl(t, *args):
    done = subprocess.run(["openssl", *args], cwd=t.folder, capture_output=True, timeout=60)
    equal(done.returncode, 0, "openssl %r: %s" % (args, done.stderr[-300:]))


NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


def authority(t, name):
    openssl(t, "req", "-x509", *NEW_KEY, "-days", "2", "-subj", "/CN=" + name, "-keyout", name + ".key", "-out", name + ".pem",
            "-addext", "basicConstraints=critical,CA:TRUE")


def certificate(t, by, name, alt, use):
    openssl(t, "req", *NEW_KEY, "-subj", "/CN=" + name, "-keyout", name + ".key", "-out", name + ".csr")
    with open(os.path.join(t.folder, name + ".ext"), "w", encoding="ascii") as file:
        file.write("subjectAltName=%s\nextendedKeyUsage=%s\n" % (alt, use))
    openssl(t, "x509", "-req", "-in", name + ".csr", "-CA", by + ".pem", "-CAkey", by + ".key", "-CAcreateserial", "-days", "1",
            "-extfile", name + ".ext", "-out", name + ".pem")


def tls_by(authority_path):
    """What a client believes: certificates of that authority."""
    context = ssl.create_default_context(cafile=authority_path)
    context.set_alpn_protocols(["h2"])
    return context


class Real(Server):
    """Without --dev: TLS alone. `given`: secrets by name."""

    def __init__(self, t, *args, **more):
        super().__init__(t.data_folder(), ("--rules", FEW_RULES) + args, **more)
        self.t = t
        self.given = {}
        self.client = None  # name of the certificate that clients show

    def command(self):
        path = self.path
        command = [program("aswolkd"), "--data", self.folder, "--tls-listen", self.tls_listen, "--tokens", path("tokens")]
        command += ["--tls-cert", path("server.pem"), "--tls-key", path("server.key"), "--io-threads", "2"]
        return command + self.args

    def path(self, name):
        return os.path.join(self.t.folder, name)

    def token(self, *args, code=OK):
        done = subprocess.run([program("aswolk"), "token", *args, "--tokens", self.path("tokens")], capture_output=True, timeout=60)
        equal(done.returncode, code, "aswolk token %r: %s" % (args, done.stderr))
        return done.stdout.decode().strip()

    def add(self, role, name, *args):
        self.given[name] = self.token("add", role, name, *args)
        return self.given[name]

    def context(self, client=None):
        context = tls_by(self.path("root.pem"))
        if client:
            context.load_cert_chain(self.path(client + ".pem"), self.path(client + ".key"))
        return context

    def open(self, client=None, **more):
        connection = Connection(self.tls_address, self.context(client or self.client), **more)
        self.connections.append(connection)
        return connection

    def by(self, name, who=None, client=None):
        return Api(self.open(client), who, token=self.given.get(name))

    def cli(self, name, *args, code=OK, env=None):
        with open(self.path(name + ".secret"), "w", encoding="ascii") as file:
            file.write(self.given[name] + "\n")
        env = dict(os.environ, ASWOLK_TOKEN_FILE=file.name, **(env or {}))
        env["ASWOLK_SERVER"] = "https://127.0.0.1:%d" % self.tls_address[1]
        env.pop("ASWOLK_AGENT", None)
        command = [program("aswolk"), *args, "--cacert", self.path("root.pem")]
        done = subprocess.run(command, env=env, capture_output=True, timeout=60)
        equal(done.returncode, code, "aswolk %r: %s%s" % (args, done.stdout[-300:], done.stderr[-300:]))
        return done.stdout.decode()

    def metrics(self):
        return self.metrics_over(self.open())

    def hang_up(self, word):
        self.process.send_signal(signal.SIGHUP)
        return self.wait_log(word)


def begin(t, *args):
    authority(t, "root")
    certificate(t, "root", "server", "DNS:localhost,IP:127.0.0.1", "serverAuth")
    server = Real(t, *args)
    t.servers.append(server)
    server.monitor_token = server.add("monitor", "prometheus")
    return server


def test_start_and_command_line(t):
    """A start needs tokens and TLS; `aswolk` shows a token from a file, over checked TLS, as whoever it names."""
    server = begin(t)
    refused = ((["--tokens", server.path("none")], 1), (["--listen", "127.0.0.1:0"], 2), (["--tls-listen", ""], 2),
               (["--tokens", ""], 2), (["--tls-key", server.path("root.key")], 1), (["--tokens", "/dev/null"], 1))
    for args, code in refused:
        server.args += args
        server.spawn()
        equal(server.exit_code(), code, "exit code with %r" % args)
        server.args = server.args[: -len(args)]
    server.add("supervisor", "boss")
    server.add("agent", "Ann Lee", "--lanes", "main")
    server.add("gateway", "web")
    server.start()
    old = server.context()
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    try:
        check(False, "TLS 1.2", Connection(server.tls_address, old))
    except ssl.SSLError as error:
        check("PROTOCOL_VERSION" in str(error).upper().replace(" ", "_"), "1.3 alone", error)
    check("listen" not in server.ready or not server.ready["listen"], "no plain text", server.ready)
    equal(json.loads(server.cli("Ann Lee", "whoami", "--json")), {"name": "Ann Lee", "role": "agent", "lanes": ["main"]}, "whoami")
    server.cli("boss", "lanes")
    server.cli("Ann Lee", "tickets", code=FAILED)
    check("Ann Lee is ready" in server.cli("Ann Lee", "presence", "ready"), "its own presence by the token's name")
    server.cli("web", "health")
    server.cli("web", "whoami", "--server", "http://192.0.2.1:8480", code=USAGE)
    listed = [json.loads(line) for line in server.token("list", "--json").splitlines()]
    equal([line["name"] for line in listed], ["prometheus", "boss", "Ann Lee", "web"], "listed")
    check(all("hash" not in line for line in listed), "hashes are nobody's business", listed)
    with open("/proc/%d/limits" % server.process.pid, encoding="ascii") as file:
        core = next(line for line in file if line.startswith("Max core file size"))
    equal(core.split()[4:6], ["0", "0"], "no core files")
    for bad in ("king x", "gateway x --lanes main", "agent x --channels mail", "gateway x --channels A", "monitor x --override"):
        server.token("add", *bad.split(), code=USAGE)
    server.token("revoke", "nobody", code=FAILED)
    with open(server.path("tokens"), encoding="ascii") as file:
        text = file.read()
    check(not any(secret in text for secret in server.given.values()), "the file holds no secret")
    equal(os.stat(server.path("tokens")).st_mode & 0o777, 0o600, "mode of the file")


def test_reload(t):
    """Who was revoked is refused from the next request on, its waits end, nobody else notices; a bad file changes nothing."""
    server = begin(t)
    for role, name in (("gateway", "web"), ("agent", "ann"), ("agent", "bob"), ("supervisor", "boss"), ("supervisor", "chief")):
        server.add(role, name)
    server.start()
    ann, bob, boss, chief, web = (server.by(name) for name in ("ann", "bob", "boss", "chief", "web"))
    accept = "text/event-stream"
    waits = [ann.begin_pull(wait_s=50), bob.begin_pull(wait_s=50)]
    agent = server.by("ann")
    streams = [agent.connection.begin("GET", "/v1/stream", agent.fields(accept=accept)[1:])]
    streams += [who.connection.begin("GET", "/v1/events", who.fields(accept=accept)[1:]) for who in (boss, chief)]
    until("the pulls wait", lambda: server.metrics().get("aswolk_parked_pulls") == 3)
    until("the streams are open", lambda: server.metrics().get("aswolk_event_streams") == 2)
    new = server.add("agent", "ann")
    equal(server.token("revoke", "boss").split()[2], "boss", "what was revoked is shown")
    lines = [json.loads(line) for line in open(server.path("tokens"), encoding="ascii")]
    old = next(line for line in lines if line["name"] == "ann")
    server.token("revoke", old["hash"][:12])
    server.hang_up("tokens reloaded")
    status(ann.connection.wait(waits[0]), 204, "a pull of who was revoked ends")
    agent.connection.wait(streams[0])
    told = streams[0].body
    check(b"event: problem" in told and b"unauthorized" in told, "its stream says why it ends", told)
    boss.connection.wait(streams[1])
    for api in (ann, boss):
        problem(api.get("/v1/whoami"), 401, "unauthorized")
    ann.token = new
    status(ann.get("/v1/whoami"), 200, "on the same connection with the new one")
    receipt = web.receipt(Messages().next())
    got = status(bob.connection.wait(waits[1]), 200, "who was not touched goes on waiting").value
    equal(got["leases"][0]["ticket"], receipt["ticket"], "and is served")
    equal(chief.get("/v1/tickets/" + receipt["ticket"]).value["holder"], "bob", "by its name, of the set that is gone")
    check(not streams[2].ended, "so does the other stream of events")
    with open(server.path("tokens"), "a", encoding="ascii") as file:
        file.write('{"name": "eve", "role": "supervisor"}\n')
    server.token("revoke", "chief", code=FAILED)  # nor does the command line guess what is meant
    event = server.hang_up("the tokens were not reloaded; the old ones stay, also those that were revoked")
    check("line" in event["why"], "which line", event)
    equal(server.metrics().get("aswolk_tokens_stale"), 1, "it shows")
    status(chief.get("/v1/whoami"), 200, "the old ones stay")
    os.rename(server.path("server.key"), server.path("away.key"))
    server.hang_up("the certificate was not reloaded; the old one stays")
    equal(server.metrics().get("aswolk_certificate_stale"), 1, "a new connection gets the old certificate")
    os.rename(server.path("away.key"), server.path("server.key"))
    with open(server.path("tokens"), "w", encoding="ascii") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines if line["name"] in ("prometheus", "chief"))
    event = server.hang_up("certificate reloaded")
    equal((event["names"], bool(event["serial"])), ("localhost,127.0.0.1", True), "which one is said")
    warned = server.wait_log("the certificate ends soon")
    equal((warned["serial"], warned["days"], warned["ends_at"]), (event["serial"], 0, event["ends_at"]), "it lasts a day")
    equal(server.metrics().get("aswolk_certificate_ends_seconds"), seconds_of(event["ends_at"]), "and can be alarmed on")
    until("it shows", lambda: server.metrics().get("aswolk_tokens_stale") == 0)
    equal((server.metrics().get("aswolk_tokens"), server.metrics().get("aswolk_certificate_stale")), (2, 0), "all is new")
    problem(bob.get("/v1/whoami"), 401, "unauthorized")
    status(chief.get("/v1/whoami"), 200, "still the same connection")


def ends_at(t, by, name, when):
    """A certificate for the key of `name`, which ends at that moment, in Unix seconds."""
    with open(os.path.join(t.folder, "ca.cnf"), "w", encoding="ascii") as file:
        file.write("[ca]\ndefault_ca=a\n[a]\ndatabase=ca.index\nnew_certs_dir=.\ndefault_md=sha256\npolicy=p\nserial=ca.serial\n"
                   "unique_subject=no\n[p]\ncommonName=supplied\n")
    open(os.path.join(t.folder, "ca.index"), "a", encoding="ascii").close()
    moments = [time.strftime("%Y%m%d%H%M%SZ", time.gmtime(at)) for at in (when - 7200, when)]
    openssl(t, "ca", "-batch", "-config", "ca.cnf", "-create_serial", "-cert", by + ".pem", "-keyfile", by + ".key",
            "-in", name + ".csr", "-extfile", name + ".ext", "-startdate", moments[0], "-enddate", moments[1], "-notext",
            "-out", name + ".pem")


def start_with_short_certificate(t, server):
    """Up with a certificate that ends soon: what it said of it, and a connection from before."""
    for lasts_s in (4, 15, 60):
        end = int(time.time()) + lasts_s
        ends_at(t, "root", "server", end)
        server.spawn()
        try:
            warned = server.wait_log("the certificate ends soon")
            equal(seconds_of(warned["ends_at"]), end, "before its end")
            server.tls_address = address_of(server.wait_log("ready")["tls_listen"])
            return warned, server.open()
        except (Failed, OSError) as error:
            check(time.time() >= end, "only a machine that is too slow misses it", error)
            server.kill()
    raise Failed("no start within a minute")


def test_a_certificate_that_has_ended(t):
    """It is not started with, nor reloaded; one that ends while it is served is told and counted, and replaced as any other."""
    server = begin(t)
    ends_at(t, "root", "server", int(time.time()) - 10)
    server.spawn()
    check("has expired" in server.wait_log("stopped")["why"], "the reason")
    equal(server.exit_code(), FAILED, "no start with one that has ended")
    warned, connection = start_with_short_certificate(t, server)
    end = seconds_of(warned["ends_at"])
    until("it has ended", lambda: time.time() > end + 1)
    event = server.hang_up("the certificate was not reloaded; the old one stays")
    check("has expired" in event["why"], "the file's has ended too", event)
    told = server.wait_log("the certificate has ended")
    equal((told["serial"], seconds_of(told["ends_at"])), (warned["serial"], end), "which one")
    metrics = server.metrics_over(connection)
    equal(metrics.get("aswolk_certificate_ends_seconds"), end, "it can be alarmed on")
    equal(metrics.get("aswolk_certificate_stale"), 1, "and so can that no other was found")
    certificate(t, "root", "server", "DNS:localhost,IP:127.0.0.1", "serverAuth")
    server.hang_up("certificate reloaded")
    metrics = server.metrics()
    equal(metrics.get("aswolk_certificate_stale"), 0, "replaced")
    check(metrics.get("aswolk_certificate_ends_seconds") > time.time(), "new connections have the new one")


def test_one_address(t):
    """Strangers have so many connections from one address and no more; those that were refused are counted."""
    server = begin(t, "--connections-per-address-max", "4")
    server.start()
    metrics = server.open()
    held = [socket.create_connection(server.tls_address) for _ in range(3)]
    for _ in range(5):
        refused = socket.create_connection(server.tls_address)
        refused.settimeout(PATIENCE_S)
        try:
            equal(refused.recv(1), b"", "closed without a word")
        except ConnectionResetError:
            pass
        refused.close()
    until("each is counted", lambda: server.metrics_over(metrics).get("aswolk_limits_total", cause="address") == 5)
    for one in held:
        one.close()
    # Its place is free as soon as the server has seen it go.
    until("another may come", lambda: opens(server))


def opens(server):
    try:
        server.open().close()
        return True
    except OSError:
        return False


def test_certificates(t):
    """A client's certificate is who asks, by its URI, exactly; of another authority there is no connection."""
    server = begin(t, "--tls-1-2", "--tls-client-ca", os.path.join(t.folder, "root.pem"))
    authority(t, "other")
    certificate(t, "root", "wa", "URI:spiffe://airline/wa,DNS:boss", "clientAuth")
    certificate(t, "root", "unknown", "URI:spiffe://airline/wa2", "clientAuth")
    certificate(t, "root", "wrong", "URI:spiffe://airline/wa", "serverAuth")
    certificate(t, "other", "stranger", "URI:spiffe://airline/wa", "clientAuth")
    server.client = "wa"
    server.token("add", "gateway", "whatsapp", "--channels", "whatsapp", "--certificate", "spiffe://airline/wa")
    server.token("add", "supervisor", "boss", "--certificate", "boss")  # the certificate's second name is none
    server.token("add", "gateway", "twice", "--certificate", "spiffe://airline/wa", code=FAILED)
    server.add("supervisor", "chief")
    server.start()
    wa = server.by(None)
    who = status(wa.get("/v1/whoami"), 200, "whoami").value
    equal(who, {"name": "whatsapp", "role": "gateway", "channels": ["whatsapp"]}, "who")
    status(wa.post(Messages().next(channel="whatsapp")), 202, "its channel")
    old = server.context("wa")
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    connection = Connection(server.tls_address, old)
    cipher = connection.socket.cipher()[0]
    check(cipher.startswith("ECDHE-") and ("GCM" in cipher or "CHACHA20" in cipher), "TLS 1.2 if asked for, with AEAD", cipher)
    status(connection.request("GET", "/v1/whoami"), 200, "over 1.2")
    connection.close()
    problem(wa.post(Messages().next(channel="mail")), 403, "forbidden", "channel")
    problem(wa.get("/v1/stats"), 403, "forbidden")
    equal(status(server.by("chief").get("/v1/whoami"), 200, "a token").value["name"], "chief", "a token goes before it")
    problem(Api(server.open("wa"), None, token="aswolk_" + "0" * 64).get("/v1/whoami"), 401, "unauthorized")
    problem(Api(server.open("unknown"), None).get("/v1/whoami"), 401, "unauthorized")
    for client in ("wrong", "stranger", None):
        try:
            connection = Connection(server.tls_address, server.context(client))
            answer = connection.request("GET", "/healthz")
            check(False, "no connection with %s" % client, answer.status)
        except Exception as error:  # the handshake of TLS 1.3 ends for the client before the server has looked
            check(type(error).__name__ in ("Gone", "SSLError", "ConnectionResetError"), "it is refused", error)
    who = server.cli("chief", "whoami", "--json", env={"ASWOLK_CERT": server.path("wa.pem"), "ASWOLK_KEY": server.path("wa.key")})
    equal(json.loads(who)["name"], "chief", "the command line shows its certificate")


def test_a_load(t):
    """The load program works a server for real use: it shows each path the token of the role that it takes."""
    server = begin(t)
    folder = t.data_folder("given")
    for role in ("gateway", "desk", "supervisor"):
        server.token("add", role, role, "--out", os.path.join(folder, role))
    with open(os.path.join(folder, "monitor"), "w", encoding="ascii") as file:
        file.write(server.monitor_token)
    server.start()
    load = [program("surge"), "flood", "--url", "https://127.0.0.1:%d" % server.tls_address[1], "--cacert", server.path("root.pem")]
    load += ["--count", "300", "--connections", "2", "--agents", "4", "--drain", "--json", server.path("report")]
    load += ["--tokens", folder]
    done = subprocess.run(load, capture_output=True, timeout=PATIENCE_S * 6)
    equal(done.returncode, 0, "exit code of surge: %s%s" % (done.stdout[-1500:], done.stderr[-500:]))
    equal(server.metrics().get("aswolk_tickets_completed_total"), 300, "all were worked off")


def test_who_is_known_counts_no_more_for_his_address(t):
    """A desk behind one address has more connections than strangers may have from there; strangers have no more than before."""
    server = begin(t, "--connections-per-address-max", "3", "--http-hello-ms", "60000")
    server.add("gateway", "web")
    server.start()
    known, strangers = [], []

    def one_more():
        try:
            known.append(server.by("web"))
        except OSError:  # the one before is known to its thread, and not yet to the one that accepts
            return False
        status(known[-1].get("/v1/whoami"), 200, "known")
        return True

    def let_in():
        """Who may come in gets an answer to his hello, and shows nothing more."""
        try:
            strangers.append(Connection(server.tls_address, server.context()))
        except OSError:
            return False
        return True

    def is_noticed():
        return server.metrics_by(known[0].connection).get("aswolk_connections") == len(known) + len(strangers)

    for _ in range(9):
        until("another one of who is known", one_more)
    for _ in range(3):
        until("a stranger", let_in)
    check(not let_in(), "one stranger too many")
    known.pop().connection.close()
    until("who was known is gone", is_noticed)
    check(not let_in(), "the place of one who was known is nobody's")
    for api in known:
        status(api.get("/v1/whoami"), 200, "still served")
    strangers.pop().close()
    until("the next stranger", let_in)
    for stranger in strangers:
        stranger.close()


def test_a_bucket_is_an_identity(t):
    """The rate of posts is a token's or a certificate's, by its name: over all its connections, whatever else it calls itself, and
    nobody else's; a limit that SIGHUP changes holds on connections that are open, and none of them ends."""
    config = os.path.join(t.folder, "aswolkd.conf")

    def configure(rate):
        with open(config, "w", encoding="utf-8") as file:
            file.write("gateway-rate = %d\ngateway-burst = 2\n" % rate)

    configure(1)
    server = begin(t, "--config", config, "--tls-client-ca", os.path.join(t.folder, "root.pem"))
    certificate(t, "root", "wa", "URI:spiffe://airline/wa", "clientAuth")
    server.client = "wa"
    server.token("add", "gateway", "whatsapp", "--certificate", "spiffe://airline/wa")
    for name in ("mail", "web"):
        server.add("gateway", name)
    server.start()
    make = Messages()
    connections = {name: [server.by(name) for _ in range(2)] for name in ("mail", "web")}
    connections["whatsapp"] = [server.by(None) for _ in range(2)]
    for name, apis in connections.items():
        taken = status(apis[0].post_many(make.many(90)), 200, "a full bucket lets it in, and owes").lines
        equal([line["status"] for line in taken], [202] * 90, name)
        for api in apis:  # ninety seconds of debt, over both
            refused = problem(api.post(make.next()), 429, "rate-limited")
            check(60 < refused["retry_after_s"] <= 90, "what the debt takes to be paid", refused)
    alias = connections["web"][1].post(make.next(), aswolk_agent="mail2")
    check(alias.status in (403, 429), "another name is no other bucket", alias.status)
    configure(0)
    server.process.send_signal(signal.SIGHUP)
    for name, apis in connections.items():
        until("no limit for " + name, lambda api=apis[0]: api.post(make.next()).status == 202)
        status(apis[1].post(make.next()), 202, "the same connection")
    for name in connections:
        check(server.metrics().get("aswolk_gateway_messages_total", gateway=name, outcome="refused") >= 2, "counted by name", name)


def test_nothing_is_told(t):
    """The log of a whole run, at its most talkative, holds no token and no word of a message."""
    server = begin(t, "--log-level", "debug")
    for role in ("gateway", "agent", "supervisor"):
        server.add(role, role)
    server.start()
    word = "Xylophonbauer"
    web, agent, boss = (server.by(role) for role in ("gateway", "agent", "supervisor"))
    web.receipt(Messages().next(text=word, customer=word + "-customer"))
    problem(web.post({"channel": word, "text": word}), 400, "bad-value")
    broken = b'{"text": "' + word.encode()
    problem(web.connection.request("POST", "/v1/messages", web.fields("application/json"), broken), 400, "malformed")
    lease = agent.lease()
    agent.act(lease, "reply", {"text": "Dear " + word})
    agent.completed(lease)
    problem(Api(web.connection, None, token="aswolk_" + "7" * 64).get("/v1/stats"), 401, "unauthorized")
    with open(server.path("tokens"), "a", encoding="ascii") as file:
        file.write(server.given["gateway"] + "\n")
    server.hang_up("the tokens were not reloaded; the old ones stay, also those that were revoked")
    status(boss.get("/v1/stats"), 200, "the old ones stay")
    server.check_pools()
    server.stop()
    log = "\n".join(server.logs)
    check(len(server.logs) > 5, "there is a log", log)
    for secret in list(server.given.values()) + ["7" * 64, word]:
        check(secret not in log and secret.lower() not in log.lower(), "the log tells", secret)


if __name__ == "__main__":
    sys.exit(run(globals()))
