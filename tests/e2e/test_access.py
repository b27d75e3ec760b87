#!/usr/bin/python3
"""Who may do what: every route with every role, and with what is no token; the bounds of tokens; nothing of them in the log."""

import hashlib
import json
import os
import secrets
import sys
import time

import contract
from aswolk_test import SLOW, Api, Messages, check, equal, problem, problem_value, rfc3339, run, status, until

ROLES = ("gateway", "agent", "desk", "supervisor", "monitor")
AGENTS = ("agent", "desk")
READERS = AGENTS + ("supervisor",)

# What is written here is what is meant: nothing of it is taken from the server or its documents.
ALLOWED = {
    "POST /v1/messages": ("gateway",),
    "POST /v1/messages/withdraw": ("gateway",),
    "GET /v1/messages/{}": ("gateway", "supervisor"),
    "POST /v1/leases": AGENTS,
    "GET /v1/leases": AGENTS,
    "GET /v1/stream": AGENTS,
    "POST /v1/leases/extend": AGENTS,
    "POST /v1/leases/complete": AGENTS,
    "POST /v1/leases/{}/extend": AGENTS,
    "POST /v1/leases/{}/reply": AGENTS,
    "POST /v1/leases/{}/complete": AGENTS,
    "POST /v1/leases/{}/release": AGENTS,
    "POST /v1/leases/{}/decline": AGENTS,
    "POST /v1/leases/{}/transfer": AGENTS,
    "POST /v1/leases/{}/defer": AGENTS,
    "POST /v1/replies/leases": ("gateway",),
    "POST /v1/replies/{}/status": ("gateway",),
    "GET /v1/replies/{}": ("gateway",) + READERS,
    "GET /v1/replies": READERS,
    "POST /v1/replies/{}/approve": READERS,
    "POST /v1/replies/{}/refuse": READERS,
    "POST /v1/replies/check": READERS,
    "POST /v1/replies/redrive": ("supervisor",),
    "GET /v1/tickets": ("supervisor",),
    "POST /v1/tickets/bulk": ("supervisor",),
    "GET /v1/tickets/{}": READERS,
    "GET /v1/tickets/{}/why": READERS,
    "GET /v1/tickets/{}/history": READERS,
    "POST /v1/tickets/{}/notes": READERS,
    "PATCH /v1/tickets/{}": ("supervisor",),
    "POST /v1/tickets/{}/cancel": ("supervisor",),
    "POST /v1/tickets/{}/unfold": ("supervisor",),
    "GET /v1/lanes": READERS,
    "GET /v1/lanes/{}": READERS,
    "PUT /v1/lanes/{}": ("supervisor",),
    "GET /v1/agents": ("supervisor",),
    "GET /v1/agents/{}": READERS,
    "PUT /v1/agents/{}": ("supervisor",),
    "GET /v1/agents/{}/day": AGENTS,
    "PUT /v1/agents/{}/presence": READERS,
    "GET /v1/channels/{}": ("supervisor",),
    "PUT /v1/channels/{}": ("supervisor",),
    "GET /v1/templates/{}": ("supervisor",),
    "PUT /v1/templates/{}": ("supervisor",),
    "GET /v1/commitments": ("supervisor",),
    "POST /v1/contacts/opt-out": ("gateway", "supervisor"),
    "POST /v1/contacts/opt-in": ("supervisor",),
    "GET /v1/contacts": ("supervisor",),
    "POST /v1/customers/erase": ("supervisor",),
    "GET /v1/flights": READERS,
    "POST /v1/flights": ("supervisor",),
    "GET /v1/flights/{}/{}": READERS,
    "PUT /v1/flights/{}/{}": ("supervisor",),
    "GET /v1/airports": READERS,
    "GET /v1/airports/{}": READERS,
    "PUT /v1/airports/{}": ("supervisor",),
    "GET /v1/incidents": READERS,
    "POST /v1/incidents": ("supervisor",),
    "GET /v1/incidents/{}": READERS,
    "PATCH /v1/incidents/{}": ("supervisor",),
    "POST /v1/incidents/{}/answer": ("supervisor",),
    "POST /v1/incidents/{}/link": ("supervisor",),
    "POST /v1/incidents/{}/unlink": ("supervisor",),
    "POST /v1/changes/{}/undo": ("supervisor",),
    "GET /v1/surge": ("supervisor", "monitor"),
    "PUT /v1/surge": ("supervisor",),
    "GET /v1/stats": ("supervisor", "monitor"),
    "GET /v1/events": ("supervisor",),
    "GET /v1/whoami": ROLES,
    "GET /readyz": ROLES,
    "GET /metrics": ("supervisor", "monitor"),
    "GET /v1/response-time": "everybody",
    "GET /v1/response-time.svg": "everybody",
    "GET /healthz": "everybody",
    "GET /openapi.json": "everybody",
    "GET /": "everybody",
}


class Tokens:
    """A file of tokens, written as `aswolk token` would."""

    def __init__(self, path):
        self.path = path
        self.lines = []

    def add(self, name, role, secret=None, **more):
        secret = secret or "aswolk_" + secrets.token_hex(32)
        line = {"name": name, "role": role, "hash": hashlib.sha256(secret.encode()).hexdigest()}
        self.lines.append(dict(line, **more))
        self.save()
        return secret

    def revoke(self, name):
        self.lines = [line for line in self.lines if line["name"] != name]
        self.save()

    def save(self):
        with open(self.path + ".new", "w", encoding="utf-8") as file:
            file.writelines(json.dumps(line) + "\n" for line in self.lines)
        os.chmod(self.path + ".new", 0o600)
        os.rename(self.path + ".new", self.path)


def begin(t, **roles):
    """A server with one token a role, by its name, and those in `roles`: name = (role, bounds)."""
    tokens = Tokens(os.path.join(t.folder, "tokens"))
    given = {role: tokens.add(role, role) for role in ROLES}
    for name, (role, bounds) in roles.items():
        given[name] = tokens.add(name, role, **bounds)
    server = t.server("--tokens", tokens.path)
    server.monitor_token = given["monitor"]
    return server, tokens, given


def api_of(server, given, name, who=None):
    return Api(server.connect(), who, token=given[name])


def routes():
    """What the server says that it has, and what the documents say of it."""
    for path, methods in contract.DOCUMENT["paths"].items():
        for method, operation in methods.items():
            parts = ["{}" if part.startswith("{") else part for part in path.split("/")]
            yield method.upper() + " " + "/".join(parts), operation


def ask(connection, route, authorization, who):
    """The status of a request that every handler refuses as soon as it reads it, if it comes so far."""
    method, path = route.split(" ")
    fields = [("aswolk-agent", who)] if who else []
    fields += [("authorization", value) for value in authorization]
    if method != "GET":
        fields.append(("content-type", "application/none"))
    elif path not in ("/healthz", "/", "/openapi.json", "/metrics", "/v1/response-time.svg"):
        fields.append(("accept", "application/none"))
    return connection.request(method, path.replace("{}", "x"), fields, None if method == "GET" else b"{}")


def test_every_route_and_every_role(t):
    """Exactly those pass that may, by token and without one, with one that is wrong, expired, revoked, or sent twice."""
    server, tokens, given = begin(t, gone=("supervisor", {}), old=("supervisor", {"expires_at": rfc3339(time.time() - 1)}))
    tokens.revoke("gone")
    server.process.send_signal(1)
    server.wait_log("tokens reloaded")
    until("the revoked one is refused",
          lambda: ask(server.connect(), "GET /readyz", ["Bearer " + given["gone"]], None).status == 401)
    equal({route for route, _ in routes()}, set(ALLOWED), "the routes of the documents and those of this test")
    strangers = {"none": [], "wrong": ["Bearer aswolk_" + "0" * 64], "short": ["Bearer x"], "scheme": ["Basic YTpi"],
                 "expired": ["Bearer " + given["old"]], "revoked": ["Bearer " + given["gone"]], "empty": [""]}
    connection = server.connect()
    asked = 0
    for route, operation in routes():
        public = ALLOWED[route] == "everybody"
        equal(operation.get("security") == [], public, "openapi.json says who is everybody: " + route)
        equal(set(operation.get("x-roles", ())), set() if public else set(ALLOWED[route]), "x-roles of " + route)
        for role in ROLES:
            who = "x" if role == "desk" else None
            got = ask(connection, route, ["bearer " + given[role]], who)
            allowed = public or role in ALLOWED[route]
            check((got.status not in (401, 403)) == allowed or own_refusal(got), "%s as %s" % (route, role), got.status)
            check(allowed or problem(got, 403, "forbidden")["detail"].endswith(role), "it says what is missing", got.body)
            asked += 1
        for name, authorization in strangers.items():
            got = ask(connection, route, authorization, "ann")
            if public:
                check(got.status not in (401, 403), "%s with %s" % (route, name), got.status)
            else:
                problem(got, 401, "unauthorized")
                equal(got.fields["www-authenticate"], "Bearer", "challenge of %s with %s" % (route, name))
            asked += 1
        two = ask(connection, route, ["Bearer " + given["supervisor"], "Bearer " + given["gateway"]], None)
        problem(two, 400, "malformed")
        asked += 1
    t.note("%d routes, %d requests" % (len(ALLOWED), asked))
    for path in ("/v1/nothing", "/v1/messages"):  # no such path, no such method: told to those only whom the server knows
        problem(ask(connection, "DELETE " + path, [], None), 401, "unauthorized")
        check(ask(connection, "DELETE " + path, ["Bearer " + given["monitor"]], None).status in (404, 405), "known")
    for route in ("GET /v1/stats", "HEAD /v1/stats"):
        fields = [("authorization", "Bearer " + given["gateway"])]
        equal(connection.request(route.split(" ")[0], "/v1/stats", fields).status, 403, route)


def own_refusal(response):
    """A handler's 403 about what was asked for, behind the role."""
    return response.status == 403 and "own" in response.value.get("detail", "")


def wait_with(server, tokens, given, lifetime_s):
    """A pull and a stream of an agent whose token ends that soon, and when it does; None: the machine was slower than that."""
    ends_at = time.time() + lifetime_s
    name = "brief-%d" % lifetime_s
    given[name] = tokens.add(name, "agent", expires_at=rfc3339(ends_at))
    server.process.send_signal(1)
    server.wait_log("tokens reloaded")
    pulls, streams = api_of(server, given, name), api_of(server, given, name)
    pull = pulls.begin_pull(wait_s=50)
    stream = streams.connection.begin("GET", "/v1/stream", streams.fields(accept="text/event-stream")[1:])
    until("they wait", lambda: server.metrics().get("aswolk_parked_pulls") == 3 or time.time() >= ends_at)
    return (pulls, pull, streams, stream, ends_at) if time.time() < ends_at else None


def test_a_wait_ends_with_its_token(t):
    """A pull and a stream that wait when their token runs out are ended then, not given what comes later; others wait on."""
    server, tokens, given = begin(t)
    other = api_of(server, given, "agent")
    later = other.begin_pull(wait_s=50)
    waits = (wait_with(server, tokens, given, lifetime_s) for lifetime_s in (2, 10, 45))
    pulls, pull, streams, stream, ends_at = next(wait for wait in waits if wait is not None)
    status(pulls.connection.wait(pull, 60 * SLOW), 204, "the pull ends")
    check(time.time() >= ends_at - 0.01, "not before its token does")
    streams.connection.wait(stream)
    check(b"event: problem" in stream.body and b"unauthorized" in stream.body, "the stream says why", stream.body)
    problem(pulls.get("/v1/whoami"), 401, "unauthorized")
    receipt = api_of(server, given, "gateway").receipt(Messages().next())
    got = other.connection.wait(later)
    if got.status == 204:  # its own wait was over, on a slow machine
        got = other.pull(wait_s=50)
    equal(status(got, 200, "who may still").value["leases"][0]["ticket"], receipt["ticket"], "is given what came")


def test_gateways_are_bound_to_their_accounts(t):
    """Posts, withdrawals, messages, replies: a gateway sees and does what is of its channels, a line at a time."""
    server, _, given = begin(t, wa=("gateway", {"channels": ["whatsapp", "twitter/airline"]}),
                             tw=("gateway", {"channels": ["twitter/airline"]}))
    wa, tw, agent = (api_of(server, given, name) for name in ("wa", "tw", "agent"))
    messages = Messages()
    mine = messages.next(channel="whatsapp", account="one")
    receipt = wa.receipt(mine)
    problem(tw.post(mine), 403, "forbidden", "channel")
    problem(tw.post(messages.next(channel="twitter")), 403, "forbidden", "channel")  # of the account `main`
    lines = tw.post_many([messages.next(channel="twitter", account="airline"), messages.next(channel="mail")]).lines
    equal(lines[0]["status"], 202, "its own line")
    problem_value(lines[1], 403, "forbidden", "channel")
    equal(lines[1]["line"], 2, "which line")
    status(wa.get("/v1/messages/" + receipt["message"]), 200, "its own message")
    problem(tw.get("/v1/messages/" + receipt["message"]), 403, "forbidden")
    withdraw = {name: mine[name] for name in ("channel", "account", "source_id")}
    problem(tw.send("POST", "/v1/messages/withdraw", withdraw), 403, "forbidden", "channel")
    opt_out = {"channel": "whatsapp", "account": "one", "customer": "kim"}
    problem(tw.send("POST", "/v1/contacts/opt-out", opt_out), 403, "forbidden", "channel")
    status(wa.send("POST", "/v1/contacts/opt-out", opt_out), 200, "on its own channel")
    lease = next(l for l in agent.leases(max=5) if l["ticket"] == receipt["ticket"])
    reply = agent.completed(lease, reply={"text": "You fly tomorrow."})["reply"]
    pull = {"accounts": [{"channel": "whatsapp", "account": "one"}], "wait_s": 0}
    problem(tw.send("POST", "/v1/replies/leases", pull), 403, "forbidden", "channel")
    taken = status(wa.send("POST", "/v1/replies/leases", pull), 200, "replies").value["replies"]
    equal([r["reply"] for r in taken], [reply], "its own reply")
    said = {"state": "sent", "lease": taken[0]["lease"]}
    problem(tw.send("POST", "/v1/replies/%s/status" % reply, said), 403, "forbidden", "channel")
    problem(tw.get("/v1/replies/" + reply), 403, "forbidden", "channel")
    status(wa.send("POST", "/v1/replies/%s/status" % reply, said), 200, "its own report")
    status(wa.get("/v1/replies/" + reply), 200, "its own reply")
    status(wa.send("POST", "/v1/messages/withdraw", withdraw), 200, "its own withdrawal")


def test_agents_are_bound_to_name_and_lanes(t):
    """A token is one agent; a desk's names any; lanes bound what is pulled and read; who did it stands in the history."""
    server, _, given = begin(t, ann=("agent", {"lanes": ["refunds", "nowhere"]}), lost=("agent", {"lanes": ["nowhere"]}),
                             lead=("agent", {"override": True}))
    gateway, ann, desk, boss = (api_of(server, given, name) for name in ("gateway", "ann", "desk", "supervisor"))
    status(boss.put_lane("refunds", {}), 201, "lane")
    messages = Messages()
    main = gateway.receipt(messages.next())
    refund = gateway.receipt(messages.next(lane="refunds"))
    problem(ann.pull(lanes=["main"]), 403, "forbidden", "lanes")
    problem(ann.pull(lanes=["refunds", "main"]), 403, "forbidden", "lanes")
    problem(api_of(server, given, "lost").pull(), 403, "forbidden")
    problem(ann.get("/v1/stream?lanes=main", accept="text/event-stream"), 403, "forbidden", "lanes")
    lease = ann.lease()
    equal(lease["ticket"], refund["ticket"], "what a pull without lanes gives is of the token's")
    equal(ann.leases(), [], "and nothing else")
    for path in ("", "/why", "/history"):
        problem(ann.get("/v1/tickets/%s%s" % (main["ticket"], path)), 403, "forbidden")
        status(ann.get("/v1/tickets/%s%s" % (refund["ticket"], path)), 200, path)
    problem(ann.send("POST", "/v1/tickets/%s/notes" % main["ticket"], {"text": "?"}), 403, "forbidden")
    status(ann.send("POST", "/v1/tickets/%s/notes" % refund["ticket"], {"text": "hm"}), 200, "note")
    problem(ann.get("/v1/replies"), 403, "forbidden")
    problem(ann.get("/v1/leases", aswolk_agent="bob"), 403, "forbidden")
    status(ann.act(lease, "transfer", {"lane": "main"}), 200, "transfer")
    status(ann.get("/v1/tickets/" + refund["ticket"]), 200, "what lay in its lane")
    boss.put_agent("ann", {"lanes": ["main"]})
    equal(ann.leases(), [], "what a supervisor sets does not widen a token")
    problem(desk.get("/v1/leases"), 400, "bad-value")
    bob = api_of(server, given, "desk", "bob")
    held = bob.leases(max=2)
    equal(len(held), 2, "a desk's agent takes what there is")
    problem(bob.act(held[0], "reply", {"text": "Call 0900", "override": True}), 403, "forbidden", "override")
    problem(bob.send("PUT", "/v1/agents/ann/presence", {"presence": "break"}), 403, "forbidden")
    status(bob.send("PUT", "/v1/agents/bob/presence", {"presence": "break"}), 200, "its own presence")
    status(bob.get("/v1/agents/bob"), 200, "itself")
    problem(bob.get("/v1/agents/ann"), 403, "forbidden")
    status(boss.send("PUT", "/v1/agents/ann/presence", {"presence": "break"}), 200, "by a supervisor")
    events = status(boss.get("/v1/tickets/%s/history" % refund["ticket"]), 200, "history").body.decode()
    check('"ann"' in events and '"bob"' in events, "who did it", events)
    equal(status(ann.get("/v1/whoami"), 200, "whoami").value,
          {"name": "ann", "role": "agent", "lanes": ["refunds", "nowhere"]}, "ann")
    check("override" in status(api_of(server, given, "lead").get("/v1/whoami"), 200, "whoami").value, "lead may override")


if __name__ == "__main__":
    sys.exit(run(globals()))
