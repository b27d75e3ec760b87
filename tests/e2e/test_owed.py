#!/usr/bin/python3
"""What the server itself owes a customer: an acknowledgement of each ticket, in the customer's language, exactly once whoever is
killed on the way; templates that say only what may go out; a customer who needs nothing more is asked, and his word closes the
ticket."""

import os
import shutil
import sys

from aswolk_test import FEW_RULES, NDJSON, Gone, Messages, check, equal, problem, run, status, until

TWITTER = {"channel": "twitter", "account": "main"}
TEXTS = [
    {"lang": "en", "text": "Dear {name|guest}, we have your message ({ticket}).[ Half get an answer within {half_in}.]"},
    {"lang": "nl", "text": "Beste {name|reiziger}, uw bericht is er.[ U vliegt met {flight} op {departure}.]"},
]

NOT_NEEDED = """language *
rule not-needed mention not_needed
say niet meer nodig
+ Niet meer nodig
- Is dit nodig?
"""


def put(api, kind, texts, **more):
    return api.send("PUT", "/v1/templates/" + kind, {"texts": texts}, **more)


def take(api, **more):
    response = api.send("POST", "/v1/replies/leases", {"accounts": [TWITTER], "wait_s": 0, "lease_s": 5, "max": 20, **more})
    return [] if response.status == 204 else status(response, 200, "replies").value["replies"]


def report(api, one, **more):
    body = {"state": "sent", "lease": one["lease"], **more}
    return status(api.send("POST", "/v1/replies/%s/status" % one["reply"], body), 200, "the report").value


def withdraw(api, message):
    source = {"channel": message["channel"], "source_id": message["source_id"]}
    status(api.send("POST", "/v1/messages/withdraw", source), 200, "withdrawn")


def post(api, make, **fields):
    return api.receipt(make.next(**{"channel": "twitter", "class": "general", **fields}))


def test_each_ticket_once(t):
    """Posts are sent again, the server is killed in the middle of them: no ticket without, none with two."""
    server = t.server("--lease-grace-s", "0")
    server.keep_address()
    api, make = server.api("sam"), Messages()
    status(put(api, "acknowledgement", TEXTS), 200, "template")
    messages = [make.next(channel="twitter", lang="nl" if i % 3 == 0 else "en", **{"class": "general"}) for i in range(60)]
    langs, sent, kills = {}, {}, 0
    for start in range(0, 60, 20):
        try:
            api.begin("POST", "/v1/messages", messages[start])
            server.kill()
        except Gone:
            pass
        server.start()
        kills += 1
        api = server.api("sam")
        for message in messages[:start + 20]:  # as a gateway does that does not know what was taken
            langs[api.receipt(message)["ticket"]] = message["lang"]
        for one in take(api):
            check(one["reply"] not in sent, "sent once", one)
            sent[one["reply"]] = one
            report(api, one)

    def all_sent():
        for one in take(api):
            check(one["reply"] not in sent, "sent once", one)
            sent[one["reply"]] = one
            report(api, one)
        return len(sent) >= len(langs)

    until("all are acknowledged", all_sent)
    equal((kills, len(langs)), (3, 60), "kills, and tickets")
    equal(sorted(one["ticket"] for one in sent.values()), sorted(langs), "each ticket, once")
    equal(take(api), [], "and nothing else")
    for one in sent.values():
        equal((one["kind"], "agent" in one), ("acknowledgement", False), "by nobody")
        want = "Beste" if langs[one["ticket"]] == "nl" else "Dear"
        check(one["content"]["text"].startswith(want), "in the customer's language", one)
    equal(server.metrics().get("aswolk_owed_total", kind="acknowledgement"), 60, "counted")


def test_words(t):
    """Fields are filled, parts without what they need are left out; what was written stays as it was when the template changes."""
    server = t.server()
    api, make = server.api("sam"), Messages()
    put(api, "acknowledgement", TEXTS)
    flight = {"number": "KL1234", "date": "2026-04-15", "departs_at": "2026-04-15T08:30:00Z"}
    receipt = post(api, make, lang="nl-BE", meta={"name": "Anna"}, flights=[flight])
    put(api, "acknowledgement", [])
    equal(post(api, make, lang="nl")["folded"], False, "nothing is owed while it is off")
    one = take(api)[0]
    equal(one["content"], {"text": "Beste Anna, uw bericht is er. U vliegt met KL1234 op 15 april, 08:30 UTC."}, "all of it")
    equal((one["ticket"], one["to"], one["customer"]), (receipt["ticket"], receipt["message"], "m-customer-1"), "to whom")
    again = status(api.get("/v1/replies/" + one["reply"]), 200, "reply").value
    equal((again["content"], again["kind"]), (one["content"], "acknowledgement"), "the same, asked for later")
    equal(report(api, one, provider_id="tw-1")["kind"], "acknowledgement", "reported")
    back = api.receipt(make.next(channel="twitter", in_reply_to="tw-1", **{"class": "general"}))
    equal(back["ticket"], receipt["ticket"], "an answer to it finds its ticket")
    put(api, "acknowledgement", TEXTS[:1])
    post(api, make, lang="fr", meta={"name": "Anna, call 0800"})
    check(take(api)[0]["content"]["text"].startswith("Dear guest, we have your message (t"), "the first is for all others")
    listed = status(api.get("/v1/replies"), 200, "all replies").value["items"]
    equal([(reply["kind"], "agent" in reply) for reply in listed], [("acknowledgement", False)] * 2, "in the list too")
    shown = api.ticket(receipt["ticket"]).value["replies"]
    equal([reply["kind"] for reply in shown], ["acknowledgement"], "its ticket shows it")


def test_withdrawn(t):
    """What a customer took back is not said to anybody, not by the server either; nothing to who took back all."""
    server = t.server()
    api, make = server.api("sam"), Messages()
    put(api, "acknowledgement", TEXTS[1:])
    flight = {"number": "KL1234", "date": "2026-04-15", "departs_at": "2026-04-15T08:30:00Z"}
    message = make.next(channel="twitter", meta={"name": "Anna"}, flights=[flight])
    other = make.next(channel="twitter", customer=message["customer"])
    api.receipt(message)
    equal(api.receipt(other)["folded"], True, "another one of his")
    withdraw(api, message)
    given = take(api)[0]
    equal(given["content"], {"text": "Beste reiziger, uw bericht is er."}, "nothing of it")
    withdraw(api, other)
    shown = status(api.get("/v1/replies/" + given["reply"]), 200, "reply").value
    equal((shown["state"], shown["content"], "customer" in shown), ("leased", None, False), "shown without")
    last = make.next(channel="twitter")
    api.receipt(last)
    withdraw(api, last)
    equal(take(api), [], "what waited for a gateway does not go")
    codes = {one["state"]: one.get("code") for one in status(api.get("/v1/replies"), 200, "all replies").value["items"]}
    equal(codes, {"leased": None, "dead": "withdrawn"}, "why")


def test_templates(t):
    """They are checked when they are set, tried without being set, and changed by whoever saw the last."""
    server = t.server()
    api = server.api("sam")
    equal(status(api.get("/v1/templates/still_needed"), 200, "never set").value,
          {"template": "still_needed", "texts": [], "version": 0}, "off")
    problem(api.get("/v1/templates/agent"), 404, "not-found")
    for text, field in (("{nme}", "{nme}"), ("{name}", "{name}"), ("a {name", "a brace"), ("[[a] [{half_by}", "a bracket")):
        told = problem(put(api, "acknowledgement", [{"lang": "en", "text": text}]), 400, "bad-value", "texts[0].text")
        check(field in told["detail"], "which field", told)
    told = problem(put(api, "acknowledgement", TEXTS + [{"lang": "de", "text": "Rufen Sie uns an: +49 30 901820"}]), 422,
                   "reply-check", "texts[2].text")
    check(told["spans"], "which words", told)
    problem(put(api, "acknowledgement", [TEXTS[0], dict(TEXTS[1], lang="en-GB")]), 400, "bad-value")
    problem(put(api, "acknowledgement", [dict(TEXTS[0], lang=lang, text="x" * 2048) for lang in ("en", "nl", "de", "fr")]), 400,
            "bad-value", "texts")
    tried = status(api.send("PUT", "/v1/templates/promise_moved", {
        "texts": [{"lang": "en", "text": "Now within {nine_of_ten_in}, {name|guest}."}], "dry_run": True}), 200, "a try").value
    equal(tried["texts"][0]["rendered"], "Now within 5 hours, Robin.", "rendered")
    equal((tried["version"], tried["dry_run"]), (0, True), "nothing was set")
    first = status(put(api, "acknowledgement", TEXTS), 200, "set")
    equal((first.value["texts"], first.value["version"]), (TEXTS, 1), "as it is")
    etag = first.fields["etag"]
    equal(status(put(api, "acknowledgement", TEXTS[:1], if_match=etag), 200, "seen").value["version"], 2, "changed")
    problem(put(api, "acknowledgement", TEXTS, if_match=etag), 412, "precondition-failed")
    server.kill()
    server.start()
    api = server.api("sam")
    equal(status(api.get("/v1/templates/acknowledgement"), 200, "after a crash").value["texts"], TEXTS[:1], "kept")
    told = status(api.connection.request("GET", "/v1/events?type=aswolk.template", [("accept", NDJSON)]), 200, "events").lines
    equal([(event["subject"], event["data"]["langs"], event["data"]["by"]) for event in told],
          [("acknowledgement", ["en", "nl"], "sam"), ("acknowledgement", ["en"], "sam")], "on record")


def test_no_longer_needed(t):
    """Who has waited is asked once; his word that he needs nothing more closes the ticket, what he writes later opens it again."""
    rules = os.path.join(t.folder, "rules")
    shutil.copytree(FEW_RULES, rules)
    with open(os.path.join(rules, "all.rules"), "w") as file:
        file.write(NOT_NEEDED)
    server = t.server("--still-needed-after-s", "1", "--rules", rules)
    api, make = server.api("sam"), Messages()
    said = {"channel": "twitter", "lang": "nl", "class": "general"}
    ask = [{"lang": "en", "text": "Do you still wait?"}, {"lang": "nl", "text": "Wacht u nog op ons?"}]
    status(put(api, "still_needed", ask), 200, "template")
    receipt = post(api, make, customer="anna", lang="nl")
    other = post(api, make, customer="bob")
    one = take(api, wait_s=50, max=1)[0]
    equal((one["kind"], one["ticket"], one["content"]["text"]), ("still_needed", receipt["ticket"], ask[1]["text"]), "the question")
    report(api, one, provider_id="tw-1")
    more = api.receipt(make.next(**said, customer="anna", text="Ja, ik heb een nieuw visum nodig"))
    equal((more["ticket"], api.ticket(receipt["ticket"]).value["state"]), (receipt["ticket"], "waiting"), "other words")
    done = api.receipt(make.next(**said, customer="anna's phone", text="@aswolk Niet meer nodig!",
                                 in_reply_to="tw-1"))
    equal(done["ticket"], receipt["ticket"], "in answer to it")
    equal(api.ticket(receipt["ticket"]).value["state"], "closed", "closed by his word")
    until("the other one is asked", lambda: server.metrics().get("aswolk_owed_total", kind="still_needed") == 2)
    api.receipt(make.next(channel="twitter", customer="bob", text=" ", meta={"answer": "not_needed"}))
    equal(api.ticket(other["ticket"]).value["state"], "closed", "by a button of the gateway")
    server.kill()
    server.start()
    api = server.api("sam")
    equal([api.ticket(ticket["ticket"]).value["state"] for ticket in (receipt, other)], ["closed"] * 2, "after a crash, too")
    equal(server.metrics().get("aswolk_tickets_not_needed_total"), 2, "counted")
    again = api.receipt(make.next(**said, customer="anna", text="Toch nog een vraag"))
    equal((again["ticket"], again["reopened"]), (receipt["ticket"], True), "opened again")
    told = status(api.get("/v1/tickets/%s/history" % receipt["ticket"]), 200, "history").value["items"]
    kinds = [event["type"].split(".")[-1] for event in told]
    equal([kind for kind in kinds if kind in ("opened", "asked", "not_needed", "reopened")],
          ["opened", "asked", "not_needed", "reopened"], "its history")


if __name__ == "__main__":
    sys.exit(run(globals()))
