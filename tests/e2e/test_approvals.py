#!/usr/bin/python3
"""Replies of who needs a colleague's approval: they reach no gateway before that, are listed and told, go out once or never, reopen
their ticket when refused; all of it as it was after kill -9. And what the command line does with them."""

import json
import os
import subprocess
import sys

from aswolk_test import PATIENCE_S, Messages, check, equal, problem, program, run, status, until

WEB = {"accounts": [{"channel": "web"}], "wait_s": 0}


def pending(api, **filters):
    query = "&".join("%s=%s" % pair for pair in dict(filters, state="pending").items())
    return status(api.get("/v1/replies?" + query), 200, "those that wait for a colleague").value["items"]


def taken(api):
    response = api.send("POST", "/v1/replies/leases", dict(WEB, max=100))
    return [] if response.status == 204 else [one["reply"] for one in status(response, 200, "replies").value["replies"]]


def decide(api, reply, verb, **body):
    return api.send("POST", "/v1/replies/%s/%s" % (reply, verb), body)


def answered(api, make, text="hello", **fields):
    """The ticket, its reply."""
    ticket = api.receipt(make.next(**{"class": "general", **fields}))["ticket"]
    lease = api.lease()
    equal(lease["ticket"], ticket, "its ticket")
    done = api.completed(lease, reply={"text": text})
    equal(done["reply_state"], "pending", "it waits for a colleague")
    return ticket, done["reply"]


def volunteer(server):
    sue, vol = server.api("sue"), server.api("vol")
    made = status(sue.put_agent("vol", {"approval": True}), 201, "who needs approval").value
    equal(made["approval"], True, "as set")
    return sue, vol


def test_approve_and_refuse(t):
    server = t.server()
    make = Messages()
    sue, vol = volunteer(server)
    first, go = answered(vol, make)
    second, stay = answered(vol, make, "what?")
    equal([one["reply"] for one in pending(sue)], [go, stay], "oldest first")
    equal([one["reply"] for one in pending(sue, ticket=second, agent="vol", channel="web")], [stay], "by what they are")
    equal(pending(sue, agent="ann"), [], "of nobody else")
    equal(server.metrics().get("aswolk_replies", state="pending"), 2, "the metric")
    equal(taken(sue), [], "no gateway gets them")
    problem(decide(vol, go, "approve"), 403, "forbidden")
    problem(decide(sue, "r00000000000001", "approve"), 404, "not-found")
    problem(decide(sue, go, "refuse"), 400, "bad-value", "reason")
    problem(sue.get("/v1/replies?state=lost"), 400, "bad-value", "state")
    problem(sue.get("/v1/replies?colour=red"), 400, "unknown-field", "colour")
    problem(sue.get("/v1/replies?limit=5"), 400, "unknown-field", "limit")
    problem(sue.get("/v1/replies?cursor=1&cursor=2"), 400, "bad-value", "cursor")
    problem(sue.get("/v1/replies?cursor=0000000000001&cursor=0000000000001"), 400, "unknown-field", "cursor")
    problem(sue.get("/v1/replies?ticket=t100000001"), 400, "bad-value", "ticket")
    equal(status(decide(sue, go, "approve"), 200, "approved").value["state"], "waiting", "where it is")
    equal(status(decide(sue, go, "approve"), 200, "again").value["duplicate"], True, "once")
    equal(problem(decide(sue, go, "refuse", reason="no"), 409, "wrong-state")["state"], "waiting", "too late")
    refused = status(decide(sue, stay, "refuse", reason="too short"), 200, "refused").value
    equal((refused["state"], refused["duplicate"]), ("refused", False), "where it is")
    status(server.api("ann").pull(wait_s=0), 204, "it is kept for its writer")
    lease = vol.lease()
    equal((lease["ticket"], [note["text"] for note in lease["notes"]]), (second, ["too short"]), "the ticket, and why")
    written = [(one["reply"], one["agent"], one["state"], one["content"]["text"]) for one in lease["previous"]]
    equal(written, [(stay, "vol", "refused", "what?")], "what was written, and did not go out")
    again = status(vol.act(lease, "reply", {"text": "what do you need?"}), 200, "a reply").value["reply"]
    equal([one.get("state") for one in vol.held()[0]["previous"]], ["refused", "pending"], "both wait, or did")
    status(decide(sue, again, "approve"), 200, "approved")
    equal([one.get("state") for one in vol.held()[0]["previous"]], ["refused", None], "it may go out")
    equal(sorted(taken(sue)), sorted([go, again]), "only what was approved goes out")
    history = [item["type"] for item in sue.every("/v1/tickets/%s/history" % second)]
    check("aswolk.reply.refused" in history, "in its history", history)
    problem(sue.send("POST", "/v1/replies/%s/status" % stay, {"state": "sent"}), 409, "lease-lost")
    equal(status(sue.get("/v1/replies/" + stay), 200, "GET").value["state"], "refused", "it stays so")


def test_kill(t):
    """Those that wait do so after kill -9; what was decided stays decided, also what was decided as it was killed."""
    server = t.server("--checkpoint-bytes", "65536")
    server.keep_address()
    make = Messages()
    sue, vol = volunteer(server)
    replies = [answered(vol, make)[1] for _ in range(60)]
    for reply in replies[:20]:
        status(decide(sue, reply, "approve"), 200, "approved")
    for reply in replies[20:30]:
        status(decide(sue, reply, "refuse", reason="no"), 200, "refused")
    server.kill()
    server.start()
    sue = server.api("sue")
    listed, cursor = [], ""
    while cursor is not None:
        page = status(sue.get("/v1/replies?state=pending" + cursor), 200, "a page").value
        listed += [one["reply"] for one in page["items"]]
        cursor = None if page["next"] is None else "&cursor=" + page["next"]
    equal(listed, replies[30:], "those that nobody decided on")
    for reply in replies[30:]:
        status(decide(sue, reply, "approve"), 200, "approved")
    equal(sorted(taken(sue)), sorted(replies[:20] + replies[30:]), "each that was approved, once")


def test_previous(t):
    """Who takes a ticket that was reopened is told what its customer was told, in order, also after kill -9."""
    server = t.server("--kept-s", "0")
    server.keep_address()
    make = Messages()
    ann = server.api("ann")
    ann.receipt(make.next(customer="cas"))
    lease = ann.lease()
    equal(lease["previous"], [], "nothing so far")
    first = status(ann.act(lease, "reply", {"text": "one moment"}), 200, "a reply").value["reply"]
    second = ann.completed(lease, reply={"text": "done", "fields": {"name": "Cas"}})["reply"]
    server.kill()
    server.start()
    bob = server.api("bob")
    bob.receipt(make.next(customer="cas"))
    lease = bob.lease()
    told = [(one["reply"], one["agent"], one["content"]) for one in lease["previous"]]
    wanted = [(first, "ann", {"text": "one moment"}), (second, "ann", {"text": "done", "fields": {"name": "Cas"}})]
    equal(told, wanted, "what was written back")
    equal(bob.held()[0]["previous"], lease["previous"], "as held")


def aswolk(server, *args, code=0, agent="sue"):
    env = dict(os.environ, ASWOLK_SERVER="http://%s:%d" % server.address, ASWOLK_AGENT=agent)
    done = subprocess.run([program("aswolk"), *args], capture_output=True, text=True, timeout=3 * PATIENCE_S, env=env)
    equal(done.returncode, code, "exit code of aswolk %s: %s%s" % (args, done.stdout, done.stderr))
    return done.stdout


def test_command_line(t):
    server = t.server()
    make = Messages()
    _, vol = volunteer(server)
    _, go = answered(vol, make, "we are sorry")
    _, stay = answered(vol, make)
    listed = [json.loads(line)["reply"] for line in aswolk(server, "replies", "list", "--state", "pending", "--json").splitlines()]
    equal(listed, [go, stay], "the list")
    check("we are sorry" in aswolk(server, "replies", "show", go), "what it says")
    aswolk(server, "replies", "refuse", stay, code=2)
    check("refused" in aswolk(server, "replies", "refuse", stay, "--reason", "say more"), "refused")
    check("waiting" in aswolk(server, "replies", "approve", go), "approved")
    aswolk(server, "replies", "approve", go, agent="vol")  # As asked already, whoever asks.
    check("0 would be" in aswolk(server, "replies", "redrive", "--dry-run"), "none is dead")
    aswolk(server, "agents", "set", "vol", "--approval", "no", "--classes", "general,other")
    check("vol is ready" in aswolk(server, "presence", "--of", "vol"), "told")
    check("vol is break" in aswolk(server, "presence", "break", agent="vol"), "set")
    check("break" in aswolk(server, "agents"), "in the list")
    status(vol.pull(wait_s=0), 204, "who is on a break")
    aswolk(server, "presence", "gone", code=1)
    aswolk(server, "presence", "ready", "--of", "vol")
    until("the ticket that was refused", lambda: vol.pull(wait_s=0).status == 200)


if __name__ == "__main__":
    sys.exit(run(globals()))
