#!/usr/bin/python3
"""Where customers may be written to: who only talked about us once, not at all when he says so; elsewhere with their consent."""

import json
import os
import shutil
import subprocess
import sys

from aswolk_test import FEW_RULES, NDJSON, PATIENCE_S, Messages, check, equal, problem, program, run, status

STOP = """language *
rule opt-out mention opt_out
say stop | stop it
+ stop
- next gate
"""
REPLIES = """language *
rule mail refer mail
say mail us
home mail
+ mail us
- thank you
rule twitter refer channel
say on twitter
home twitter
+ on twitter
- thank you
"""


def mention(make, **fields):
    """He talks about us."""
    return make.next(**{"class": "general", "channel": "twitter", "addressed": "about_us", "visibility": "public", **fields})


def write_to(api, make, customer, **fields):
    """An agent answers what he said of us."""
    ticket = api.receipt(mention(make, customer=customer, **fields))["ticket"]
    lease = api.lease()
    equal(lease["ticket"], ticket, "its ticket")
    return lease, api.complete(lease, reply={"text": "hello"})


def let_go(api, lease):
    status(api.complete(lease), 200, "without a reply")


def known(api, customer, channel="twitter"):
    return status(api.get("/v1/contacts?channel=%s&customer=%s" % (channel, customer)), 200, "contact").value


def opt(api, verb, customer, **more):
    return api.send("POST", "/v1/contacts/opt-" + verb, dict({"channel": "twitter", "customer": customer}, **more))


def sent(api, provider_id):
    """The reply that waits, sent by a gateway."""
    pull = {"accounts": [{"channel": "twitter"}], "wait_s": 0, "max": 1}
    reply = status(api.send("POST", "/v1/replies/leases", pull), 200, "a reply").value["replies"][0]
    body = {"state": "sent", "provider_id": provider_id, "lease": reply["lease"]}
    status(api.send("POST", "/v1/replies/%s/status" % reply["reply"], body), 200, "sent")
    return reply["reply"]


def own_rules(t, name, text):
    """The usual ones with a file of our own."""
    folder = t.data_folder("rules")
    shutil.copytree(FEW_RULES, folder, dirs_exist_ok=True)
    os.makedirs(os.path.dirname(os.path.join(folder, name)), exist_ok=True)
    with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
        file.write(text)
    return folder


def aswolk(server, *args):
    env = dict(os.environ, ASWOLK_SERVER="http://%s:%d" % server.address, ASWOLK_AGENT="sue")
    done = subprocess.run([program("aswolk"), "contacts", *args], capture_output=True, text=True, timeout=3 * PATIENCE_S, env=env)
    equal((done.returncode, done.stderr), (0, ""), "aswolk contacts " + " ".join(args))
    return done.stdout


def test_once(t):
    """Once on a channel, over restarts, until he writes to us."""
    server = t.server()
    ann = server.api("ann")
    make = Messages()
    equal(known(ann, "kim"), {"channel": "twitter", "first": True}, "nothing is known")
    lease, done = write_to(ann, make, "kim")
    equal(lease["contact"], {"first": True}, "the agent sees it")
    reply = status(done, 200, "the first contact").value["reply"]
    contact = known(ann, "kim")
    equal((contact["first"], contact["reply"]), (False, reply), "what is known")
    for start in range(2):
        lease, done = write_to(ann, make, "kim", account="other")
        equal(lease["contact"], {name: contact[name] for name in contact if name != "channel"}, "the agent sees it")
        equal(problem(done, 409, "contact-refused")["detail"], "already contacted at " + contact["contacted_at"], "why")
        problem(ann.act(lease, "reply", {"text": "hello?"}), 409, "contact-refused")
        equal(status(ann.get("/v1/contacts?ticket=" + lease["ticket"]), 200, "by its ticket").value["first"], False, "the same")
        equal(status(ann.get("/v1/tickets/" + lease["ticket"]), 200, "ticket").value["contact"]["first"], False, "the same")
        let_go(ann, lease)
        if start == 0:
            server.kill()
            server.start()
            ann = server.api("ann")
    lease, done = write_to(ann, make, "kim", channel="mail")
    status(done, 200, "on another channel")
    own = ann.receipt(make.next(customer="kim", channel="twitter"))["ticket"]
    lease = ann.lease()
    check("contact" not in lease, "his own ticket", lease)
    problem(ann.get("/v1/contacts?ticket=" + own), 404, "not-found")
    status(ann.complete(lease, reply={"text": "hello"}), 200, "who writes to us is answered")
    status(write_to(ann, make, "kim")[1], 200, "and written to once again")
    equal(server.metrics().get("aswolk_first_contacts_total"), 3, "counted")
    for query, name in (("channel=twitter", "customer"), ("customer=kim", "channel"), ("ticket=x&channel=y", None)):
        problem(ann.get("/v1/contacts?" + query), 400 if name else 404, "bad-value" if name else "not-found", name)
    problem(ann.get("/v1/contacts?who=kim"), 400, "unknown-field", "who")


def test_opt_out(t):
    """Told by a gateway, one or many; taken back by a supervisor; what waits is not sent."""
    server = t.server()
    ann, gateway = server.api("ann"), server.api("gateway")
    make = Messages()
    reply = status(write_to(ann, make, "kim")[1], 200, "the first contact").value["reply"]
    equal(status(opt(gateway, "out", "kim", dry_run=True), 200, "dry run").value["dry_run"], True, "nothing changed")
    out = status(opt(gateway, "out", "kim", account="other"), 200, "opt out").value
    equal((out["first"], out["duplicate"]), (False, False), "what is answered")
    equal(status(opt(gateway, "out", "kim"), 200, "again").value, dict(out, duplicate=True), "the same")
    state = status(ann.get("/v1/replies/" + reply), 200, "GET").value
    equal((state["state"], state["code"]), ("dead", "opted-out"), "it is not sent")
    equal(status(gateway.send("POST", "/v1/replies/redrive", {"code": "opted-out"}), 200, "redrive").value["replies"], 0, "never")
    server.restart()
    ann, gateway = server.api("ann"), server.api("gateway")
    lease, done = write_to(ann, make, "kim")
    equal(problem(done, 409, "contact-refused")["detail"], "opted out at " + out["opted_out_at"], "why")
    let_go(ann, lease)
    ann.receipt(make.next(customer="kim", channel="twitter"))
    status(ann.complete(ann.lease(), reply={"text": "hello"}), 200, "who writes to us is answered")
    lines = [{"channel": "twitter", "customer": who} for who in ("lee", "kim", "mo")] + [{"channel": "twitter"}]
    lines[2]["colour"] = "red"
    answers = status(gateway.post_many(lines, NDJSON, "/v1/contacts/opt-out"), 200, "many").lines
    equal([(one["status"], one.get("duplicate")) for one in answers], [(200, False), (200, True), (400, None), (400, None)], "each")
    problem(opt(gateway, "out", ""), 400, "bad-value", "customer")
    equal(status(opt(ann, "in", "kim"), 200, "opt in").value, {"channel": "twitter", "first": True, "duplicate": False}, "as new")
    equal(status(opt(ann, "in", "kim"), 200, "again").value["duplicate"], True, "the same")
    status(write_to(ann, make, "kim")[1], 200, "he may be written to")
    events = [event["type"] for event in ann.every("/v1/tickets/%s/history" % lease["ticket"])]
    check("aswolk.contact.opted_out" not in events, "of no ticket", events)
    equal((server.metrics().get("aswolk_contacts", opted_out="no"), server.metrics().get("aswolk_contacts", opted_out="yes")),
          (1, 1), "in use")
    check("may be written to once" in aswolk(server, "show", "twitter", "eve"), "shown")
    check("opted out at" in aswolk(server, "opt-out", "twitter", "eve"), "from the command line")
    equal(json.loads(aswolk(server, "opt-in", "twitter", "eve", "--json"))["first"], True, "and back")
    check("written to at" in aswolk(server, "show", "twitter", "kim"), "shown")


def test_stop(t):
    """What is all that he answers to a first contact."""
    server = t.server(rules=own_rules(t, "stop.rules", STOP))
    ann = server.api("ann")
    make = Messages()
    template = {"texts": [{"lang": "en", "text": "We have it."}]}
    status(ann.send("PUT", "/v1/templates/acknowledgement", template), 200, "template")
    ticket = write_to(ann, make, "kim")[0]["ticket"]
    sent(ann, "p1")
    for _ in range(2):
        stop = {"customer": "kim", "channel": "twitter", "text": "Stop it!", "in_reply_to": "p1", "visibility": "private"}
        receipt = ann.receipt(make.next(**stop))
        equal((receipt["ticket"], status(ann.get("/v1/tickets/" + ticket), 200, "ticket").value["state"]),
              (ticket, "closed"), "it closes, and stays so when he says it again")
    events = ann.every("/v1/tickets/%s/history" % ticket)
    told = [event["type"] for event in events if event["data"].get("opted_out")]
    equal(told, ["aswolk.ticket.not_needed"] * 2, "told each time")
    check("opted_out_at" in known(ann, "kim"), "noted")
    lease, done = write_to(ann, make, "kim")
    problem(done, 409, "contact-refused")
    let_go(ann, lease)
    status(write_to(ann, make, "lee")[1], 200, "another one")
    sent(ann, "p2")
    ann.receipt(make.next(customer="lee", channel="twitter", text="stop", visibility="public", in_reply_to="p2"))
    lease = ann.lease()
    check("opted_out_at" in known(ann, "lee") and "contact" not in lease, "in public it opens a ticket of his own", lease)
    status(ann.send("POST", "/v1/replies/leases", {"accounts": [{"channel": "twitter"}], "wait_s": 0}), 204, "not acknowledged")
    ann.receipt(make.next(customer="mo", channel="twitter", text="stop"))
    equal(known(ann, "mo")["first"], True, "of who was not written to it is a message")
    sent(ann, "p3")


def test_room(t):
    """Nothing is forgotten early: no more first contacts, while opt-outs still find room."""
    server = t.server("--contacts-max", "16")
    ann = server.api("ann")
    make = Messages()
    for number in range(12):
        status(write_to(ann, make, "c%d" % number)[1], 200, "written to")
    lease, done = write_to(ann, make, "late")
    problem(done, 507, "table-full")
    let_go(ann, lease)
    lines = [{"channel": "twitter", "customer": "o%d" % number} for number in range(5)]
    answers = status(ann.post_many(lines, NDJSON, "/v1/contacts/opt-out"), 200, "many").lines
    equal([answer["status"] for answer in answers], [200] * 4 + [507], "a quarter is theirs")
    equal(known(ann, "c0")["first"], False, "not forgotten")


MAIL = {"channel": "mail", "customer": "kim@example.org"}


def taken(api, channel):
    pull = {"accounts": [{"channel": channel}], "wait_s": 0, "max": 10}
    response = api.send("POST", "/v1/replies/leases", pull)
    return [] if response.status == 204 else status(response, 200, "replies").value["replies"]


def test_consent(t):
    """Elsewhere only as the customer said in this ticket; then his answer from there is of the ticket."""
    server = t.server(rules=own_rules(t, "replies/own.rules", REPLIES))
    ann, gateway = server.api("ann"), server.api("gateway")
    make = Messages()
    kim = {"customer": "kim", "channel": "twitter", "class": "general"}
    other = ann.receipt(make.next(**dict(kim, customer="lee")))
    ann.completed(ann.lease())
    talk = ann.receipt(mention(make, customer="kim"))
    lease = ann.lease()
    problem(ann.complete(lease, reply={"text": "hi", "via": MAIL, "consent": talk["message"]}), 409, "channel-change-refused")
    let_go(ann, lease)
    gone = ann.receipt(make.next(source_id="gone", **kim))
    asked = ann.receipt(make.next(text="mail me at kim@example.org", **kim))
    status(ann.send("POST", "/v1/messages/withdraw", {"channel": "twitter", "source_id": "gone"}), 200, "taken back")
    lease = ann.lease()
    reply = {"text": "As you wrote on Twitter: here it is. Mail us back.", "via": MAIL}
    for consent in (None, other["message"], talk["message"], gone["message"], "m00000000000001", "nothing"):
        body = dict(reply, consent=consent) if consent else reply
        for verb, sent_ in (("reply", body), ("complete", {"reply": body})):
            problem(ann.act(lease, verb, sent_), 409, "channel-change-refused", "consent")
    body = dict(reply, consent=asked["message"])
    problem(ann.act(lease, "reply", dict(body, visibility="public")), 422, "reply-refused", "visibility")
    problem(ann.act(lease, "reply", {"text": "hi", "consent": asked["message"]}), 422, "reply-refused", "consent")
    problem(ann.act(lease, "reply", dict(body, via={"channel": "mail"})), 400, "bad-value", "via.customer")
    problem(ann.act(lease, "reply", dict(body, text="Please call us")), 422, "reply-check", "text")
    status(ann.act(lease, "reply", {"text": "hi", "via": {"channel": "twitter", "customer": "kim"}}), 200, "where he wrote")
    problem(ann.act(lease, "reply", {"text": reply["text"]}), 422, "reply-check", "text")
    first = status(ann.act(lease, "reply", body), 200, "with his word").value["reply"]
    equal(status(ann.act(lease, "reply", body), 200, "again").value["reply"], first, "written once")
    server.kill()
    server.start()
    ann, gateway = server.api("ann"), server.api("gateway")
    last = status(ann.complete(lease, reply=dict(body, text="One more thing.")), 200, "complete").value["reply"]
    mails = taken(gateway, "mail")
    equal([(one["reply"], one["customer"], one["visibility"], "in_reply_to" in one) for one in mails],
          [(first, MAIL["customer"], "private", False), (last, MAIL["customer"], "private", False)], "where they go")
    equal(len(taken(gateway, "twitter")), 1, "the other one")
    events = ann.every("/v1/tickets/%s/history" % asked["ticket"])
    told = [(event["data"]["channel"], event["data"]["consent"]) for event in events if "consent" in event["data"]]
    equal(told, [("mail", asked["message"])] * 2, "on record")
    said = {"state": "sent", "lease": mails[0]["lease"], "provider_id": "mail-1"}
    status(gateway.send("POST", "/v1/replies/%s/status" % first, said), 200, "sent")
    answer = make.next(channel="mail", customer=MAIL["customer"], in_reply_to="mail-1")
    equal(ann.receipt(answer)["ticket"], asked["ticket"], "his answer joins")
    lease = ann.lease()
    equal((lease["reply_to"]["channel"], lease["previous"][1]["content"]["consent"]), ("mail", asked["message"]), "shown")
    status(ann.complete(lease, reply={"text": "thank you"}), 200, "no more words are needed")
    equal(len(taken(gateway, "mail")), 1, "there")


def test_consent_with_approval(t):
    """What a volunteer sends elsewhere is recorded so, and goes there when a colleague lets it go."""
    server = t.server()
    sue, vol = server.api("sue"), server.api("vol")
    make = Messages()
    status(sue.put_agent("vol", {"approval": True}), 201, "who needs approval")
    asked = vol.receipt(make.next(customer="kim", channel="twitter"))
    body = {"text": "hello", "via": MAIL, "consent": asked["message"]}
    reply = vol.completed(vol.lease(), reply=body)["reply"]
    equal(taken(sue, "mail"), [], "it waits")
    waits = status(sue.get("/v1/replies?state=pending"), 200, "list").value["items"]
    equal([(one["reply"], one["channel"]) for one in waits], [(reply, "mail")], "it says where")
    status(sue.send("POST", "/v1/replies/%s/approve" % reply, {}), 200, "approved")
    equal([one["reply"] for one in taken(sue, "mail")], [reply], "it goes there")


if __name__ == "__main__":
    sys.exit(run(globals()))
