#!/usr/bin/python3
"""Replies out: an agent's reply leaves on the customer's own channel exactly once, at its account's pace, whatever a provider
answers and whoever is killed on the way; gateways wait for it without asking again and again; a customer's answer finds its
ticket."""

import random
import sys

from aswolk_test import Gone, Messages, check, equal, problem, run, seconds_of, status, until

MAIN = {"channel": "twitter", "account": "main"}
CARE = {"channel": "mail", "account": "care"}
LEASE_S = 5


def take(api, accounts=(MAIN, CARE), **more):
    body = {"accounts": list(accounts), "wait_s": 0, "lease_s": LEASE_S, **more}
    return api.send("POST", "/v1/replies/leases", body)


def replies(api, **more):
    """What a gateway gets now; none: an empty list."""
    response = take(api, **more)
    return [] if response.status == 204 else status(response, 200, "replies").value["replies"]


def report(api, reply, state, **more):
    return api.send("POST", "/v1/replies/%s/status" % reply, {"state": state, **more})


def reported(api, reply, state, **more):
    return status(report(api, reply, state, **more), 200, "the report of %s" % reply).value


def look(api, reply):
    return status(api.get("/v1/replies/%s" % reply), 200, "reply").value


def answered(api, make, text="hello", **fields):
    """A ticket of its own, completed with a reply; its id."""
    api.receipt(make.next(**{"channel": "twitter", "class": "general", **fields}))
    done = api.completed(api.lease(), reply={"text": text})
    check(done["reply"].startswith("r"), "it has an id", done)
    equal(done["reply_state"], "waiting", "and waits")
    return done["reply"]


class Provider:
    """Sends, refuses, fails, and does not always say what it did. It knows our ids as client references, and takes each as often as
    it comes: what counts is `sent`."""

    def __init__(self, chance):
        self.chance = chance
        self.deaths = ["dies", "dies but sent"]
        self.sent = []  # our ids, in order

    def knows(self, reply):
        return reply in self.sent

    def send(self, reply):
        """A state to report, or None: the gateway hears nothing and dies."""
        what = self.chance.choice(["ok", "ok", "ok", "429", "503", "503 but sent", "timeout but sent"] + self.deaths)
        if what == "ok" or what.endswith("but sent"):
            self.sent.append(reply)
        if what.startswith("dies"):
            return None
        return {"state": "sent", "provider_id": "p-" + reply} if what == "ok" else {"state": "failed", "code": what.split()[0]}


def pass_on(gateway, provider, reply):
    """What a gateway does with one reply that it was given."""
    if reply.get("uncertain") and provider.knows(reply["reply"]):
        said = {"state": "sent", "provider_id": "p-" + reply["reply"]}
    else:
        said = provider.send(reply["reply"])
    if said is not None:
        state = said.pop("state")
        status(report(gateway, reply["reply"], state, lease=reply["lease"], **said), 200, "the report")


def test_each_goes_out_once(t):
    """A provider that fails in every way, gateways that die with replies in hand, a server that is killed."""
    server = t.server("--reply-retry-s", "1", "--reply-retry-s-max", "1", "--reply-attempts-max", "1000", "--lease-grace-s", "0")
    server.keep_address()
    api, make, chance = server.api("ann"), Messages(), random.Random(40)
    provider, pace, given = Provider(chance), 15, []
    status(api.send("PUT", "/v1/channels/twitter", {"accounts": [{"replies": pace, "slice_s": 1}]}), 201, "pace")
    wanted = [answered(api, make, **(CARE if i % 3 == 0 else MAIN)) for i in range(40)]
    gateway, rounds, kills = server.api("gate"), 0, 0
    while server.metrics().get("aswolk_replies", state="sent") < len(wanted):
        rounds += 1
        try:
            if rounds == 3:
                provider.deaths = []  # each costs the time of a lease
            got = replies(gateway, max=chance.randrange(1, 12), wait_s=1)
            given += [(seconds_of(one["expires_at"]) - LEASE_S, one["channel"]) for one in got]
            for one in got:
                pass_on(gateway, provider, one)
            if rounds in (1, 2):
                kills += 1
                gateway.begin("POST", "/v1/replies/leases", {"accounts": [MAIN, CARE], "wait_s": 0, "lease_s": LEASE_S, "max": 2})
                server.kill()
                server.start()
                gateway = server.api("gate")
        except Gone:
            gateway = server.api("gate")
    equal(kills, 2, "kills")
    equal(sorted(provider.sent), sorted(wanted), "each went out, and none twice")
    for reply in wanted[:3]:
        equal(look(gateway, reply)["content"]["text"], "hello", "what it says")
    times = sorted(at for at, channel in given if channel == "twitter")
    check(len(times) > pace, "enough of them", len(times))
    for first, last in zip(times, times[pace:]):
        check(last - first >= 1, "no more than the pace in any second", (first, last))


def test_waiting_gateways(t):
    """One that waits is told when a reply falls due: written, or due again; the committer does not ask for it in between."""
    server = t.server("--reply-retry-s", "1")
    api, gateway, make = server.api("ann"), server.api("gate"), Messages()
    other = gateway.begin("POST", "/v1/replies/leases", {"accounts": [CARE], "wait_s": 1})
    waits = gateway.begin("POST", "/v1/replies/leases", {"accounts": [MAIN], "wait_s": 50, "lease_s": LEASE_S})
    reply = answered(api, make)
    got = status(gateway.connection.wait(waits), 200, "what it waited for").value["replies"]
    equal([one["reply"] for one in got], [reply], "the reply")
    equal((got[0]["customer"], got[0]["attempt"], got[0]["content"]), (got[0]["customer"], 1, {"text": "hello"}), "all of it")
    check(got[0]["in_reply_to"].startswith("m"), "and what it answers", got[0])
    status(gateway.connection.wait(other), 204, "nothing for another account")
    waits = gateway.begin("POST", "/v1/replies/leases", {"accounts": [MAIN], "wait_s": 50, "lease_s": LEASE_S})
    said = reported(api, reply, "failed", lease=got[0]["lease"], code="429", retry_after_s=1)
    check(seconds_of(said["retry_at"]) - seconds_of(said["written_at"]) >= 1, "not before the provider allows it", said)
    again = status(gateway.connection.wait(waits), 200, "due again").value["replies"][0]
    equal((again["reply"], again["attempt"]), (reply, 2), "the same, once more")
    check("uncertain" not in again, "it was not sent before", again)
    equal(reported(api, reply, "failed", lease=got[0]["lease"], code="429")["duplicate"], True, "the same report again")
    equal(reported(api, reply, "failed", code="429")["duplicate"], True, "a failure told before, as a webhook does")
    equal(reported(api, reply, "sent", lease=again["lease"], provider_id="p1")["state"], "sent", "at last")
    equal(reported(api, reply, "sent", lease=again["lease"], provider_id="p1")["duplicate"], True, "said again")
    equal(reported(api, reply, "read")["state"], "read", "hours later, without the lease")
    equal(reported(api, reply, "delivered")["state"], "read", "never back")


def test_replies_that_send_away(t):
    """They are not written; the lease stays, other words go out, and who insists is on record."""
    server = t.server()
    api, make = server.api("ann"), Messages()
    api.receipt(make.next(channel="twitter", visibility="public", **{"class": "general"}))
    lease = api.lease()
    bad = {"text": "Booking QX7K2P is moved, or call us"}
    told = problem(api.act(lease, "reply", bad), 422, "reply-check", "text")
    equal([(span["kind"], span["words"]) for span in told["spans"]], [("booking", "QX7K2P"), ("phone", "call us")], "which words")
    equal([span["kind"] for span in problem(api.complete(lease, reply=bad), 422, "reply-check", "text")["spans"]],
          ["booking", "phone"], "nor with a complete")
    equal([span["kind"] for span in problem(api.act(lease, "reply", dict(bad, visibility="private")), 422, "reply-check")["spans"]],
          ["phone"], "in private a booking may be named")
    pay = {"kind": "payment", "label": "Pay", "url": "https://pay.aw.example/x"}
    away = [pay, dict(pay, url="https://evil.net/x")]
    told = problem(api.act(lease, "reply", {"text": "here", "actions": away}), 422, "reply-check", "actions")
    equal([span["words"] for span in told["spans"]], ["https://evil.net/x"], "a link to somebody else")
    filled = {"template": "moved", "fields": {"name": "Kim", "more": "call us"}}
    problem(api.act(lease, "reply", filled), 422, "reply-check", "fields")
    lines = api.post_many([{"lease": lease["lease"], "reply": bad}], path="/v1/leases/complete").lines
    equal([span["kind"] for span in lines[0]["spans"]], ["booking", "phone"], "in a line of many")
    equal(api.ticket(lease["ticket"]).value.get("replies", []), [], "nothing was written")
    good = status(api.act(lease, "reply", {"text": "You are on AW441.", "actions": [pay]}), 200, "other words").value
    equal(look(api, good["reply"])["state"], "waiting", "go out")
    sent = api.completed(lease, reply=dict(bad, override=True))
    equal(look(api, sent["reply"])["content"], dict(bad, override=True), "on record")
    equal(api.completed(lease, reply=dict(bad, override=True))["reply"], sent["reply"], "repeated")


def test_what_a_reply_may_be(t):
    """Never more public than what it answers, to a message of its ticket, on that message's channel; written once."""
    server = t.server()
    api, make = server.api("ann"), Messages()
    who = {"identities": [{"kind": "phone", "value": "+31600000001"}], "class": "general"}
    first = api.receipt(make.next(channel="mail", account="care", visibility="private", **who))
    second = api.receipt(make.next(channel="twitter", visibility="public", **who))
    stranger = api.receipt(make.next(**{"class": "other"}))
    lease = api.lease()
    equal(lease["ticket"], first["ticket"], "the older one")
    problem(api.act(lease, "reply", {"text": "hi", "to": stranger["message"]}), 422, "reply-refused", "to")
    problem(api.act(lease, "reply", {"text": "hi", "to": "m00nothing"}), 422, "reply-refused", "to")
    loud = {"text": "hi", "to": first["message"], "visibility": "public"}
    problem(api.act(lease, "reply", loud), 422, "reply-refused", "visibility")
    problem(api.complete(lease, reply={"text": "hi", "to": stranger["message"]}), 422, "reply-refused", "to")
    problem(api.act(lease, "reply", {"to": first["message"]}), 400, "bad-value", "text")
    done = status(api.act(lease, "reply", {"text": "hi", "to": first["message"]}), 200, "a reply").value
    equal((done["state"], done["duplicate"]), ("leased", False), "the ticket stays leased")
    again = status(api.act(lease, "reply", {"text": "hi", "to": first["message"]}), 200, "the same").value
    equal((again["reply"], again["duplicate"]), (done["reply"], True), "is written once")
    told = look(api, done["reply"])
    equal((told["channel"], told["account"], told["visibility"]), ("mail", "care", "private"), "where it goes")
    last = api.completed(lease, reply={"text": "bye"})
    told = look(api, last["reply"])
    equal((told["channel"], told["visibility"], told["to"]), ("twitter", "public", second["message"]), "to the latest")
    equal(api.completed(lease, reply={"text": "bye"})["reply"], last["reply"], "completed again")
    problem(api.complete(lease, reply={"text": "else"}), 409, "lease-lost")
    thread = api.ticket(first["ticket"])
    equal([one["reply"] for one in thread.value["replies"]], [done["reply"], last["reply"]], "the ticket shows them")
    problem(api.get("/v1/replies/r00nothing"), 404, "not-found")
    problem(report(api, "r00nothing", "sent"), 404, "not-found")
    lines = api.post_many([{"lease": api.lease()["lease"], "reply": {"text": "one of many"}}], path="/v1/leases/complete").lines
    check(lines[0]["reply"].startswith("r"), "many at once", lines)


def test_answers_and_redrive(t):
    """A customer's answer finds the ticket of what it answers; what is dead waits for a person."""
    server = t.server()
    api, make = server.api("ann"), Messages()
    reply = answered(api, make)
    got = replies(api)[0]
    equal(reported(api, reply, "sent", lease=got["lease"], provider_id="tw-1")["state"], "sent", "sent")
    back = api.receipt(make.next(channel="twitter", in_reply_to="tw-1", **{"class": "general"}))
    equal((back["ticket"], back.get("reopened")), (got["ticket"], True), "somebody else, the same ticket")
    apart = api.receipt(make.next(channel="mail", in_reply_to="tw-1", **{"class": "general"}))
    check(apart["ticket"] != got["ticket"], "an id counts in its own channel", apart)
    for _ in range(2):
        api.completed(api.lease(), reply={"text": "no"})
    for one in replies(api, accounts=[MAIN, {"channel": "mail"}], max=10):
        equal(reported(api, one["reply"], "failed", lease=one["lease"], code="recipient-blocked")["state"], "dead", "at once")
    redrive = lambda **body: status(api.send("POST", "/v1/replies/redrive", body), 200, "redrive").value
    equal(redrive(dry_run=True), {"replies": 2, "left": 0, "dry_run": True}, "two are dead")
    equal(redrive(code="500"), {"replies": 0, "left": 0}, "none of that")
    equal(redrive(channel="mail"), {"replies": 1, "left": 0}, "one goes out again")
    server.kill()
    server.start()
    api = server.api("ann")
    equal([one["channel"] for one in replies(api, accounts=[MAIN, {"channel": "mail"}], max=10)], ["mail"], "after a crash, too")
    until("the counts", lambda: server.metrics().get("aswolk_replies", state="dead") == 1)


if __name__ == "__main__":
    sys.exit(run(globals()))
