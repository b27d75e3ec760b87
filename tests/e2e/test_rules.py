#!/usr/bin/python3
"""Rules over the text: a ticket says which rule and which words gave its class, and SIGHUP changes the rules under load, for all
threads, without an answer that is missing or half of each; a set that is wrong leaves the one in use."""

import errno
import os
import shutil
import signal
import sys
import time

from aswolk_test import FEW_RULES, Messages, address_of, check, equal, run, until

RULES = "language en\nrule %s %s medical\nsay purple elephant\n+ a purple elephant\n- a grey elephant\n"
TEXT = "I see a purple elephant"


def write_rules(folder, text):
    """As an editor does that saves by renaming. Few rules for replies lie beside: the built-in ones take their time."""
    replies = os.path.join(folder, "replies")
    if not os.path.exists(replies):
        shutil.copytree(os.path.join(FEW_RULES, "replies"), replies)
    path = os.path.join(folder, "en.rules")
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write(text)
    os.rename(path + ".new", path)


def reload(server, message):
    server.process.send_signal(signal.SIGHUP)
    return server.wait_log(message)


def test_story(t):
    """The first story of this project: gentle and explained, and behind a departure in an hour."""
    server = t.server(rules="")
    api, messages = server.api(), Messages()
    story = "My husband had a heart attack last week. Can we move our tickets to June? We bought no insurance."
    # Both have waited as long: for a moment, who came first by seconds may have waited more of what its class may.
    came = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 60))
    first = api.receipt(messages.next(text=story, lang="en", received_at=came))
    equal(first["class"], "general", "class of the story")
    check(any(r.startswith("gentle: illness \"heart attack\" (rule en.") for r in first["reasons"]), "explained", first["reasons"])
    soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
    second = api.receipt(messages.next(flights=[{"number": "AW1", "departs_at": soon}], received_at=came))
    leases = [api.lease(), api.lease()]
    equal([lease["ticket"] for lease in leases], [second["ticket"], first["ticket"]], "the departure is first")
    equal([lease["gentle"] for lease in leases], [False, True], "gentle")


def test_care_from_text(t):
    api, messages = t.server(rules="").api(), Messages()
    receipt = api.receipt(messages.next(text="Passenger in row 9 is unconscious", **{"class": "other"}))
    equal(receipt["class"], "care", "class")
    check('care: medical "unconscious" (rule en.care.collapse)' in receipt["reasons"], "explained", receipt["reasons"])
    bait = api.receipt(messages.next(text="this hold music is giving me a heart attack lol", lang="en"))
    equal(bait["class"], "general", "class of a bait")
    equal(api.lease()["ticket"], receipt["ticket"], "care is first")


def test_reload_under_load(t):
    folder = os.path.join(t.folder, "rules")
    os.mkdir(folder)
    write_rules(folder, RULES % ("one", "care"))
    server = t.server("--rules", folder)
    apis, messages = [server.api() for _ in range(4)], Messages()
    answers = {
        ("care", ('care: medical "purple elephant" (rule en.care.one)',)),
        ("disrupted", ('disrupted: medical "purple elephant" (rule en.disrupted.two)',)),
    }
    seen = set()
    for turn in range(12):
        name, class_ = (("two", "disrupted"), ("one", "care"))[turn % 2]
        write_rules(folder, RULES % (name, class_))
        server.process.send_signal(signal.SIGHUP)
        for _ in range(3):
            for api in apis:
                for receipt in api.receipts(messages.many(100, text=TEXT)):
                    answer = (receipt["class"], tuple(receipt["reasons"]))
                    check(answer in answers, "one set or the other, never half of each", answer)
                    seen.add(answer)
        server.wait_log("rules reloaded")
    equal(seen, answers, "both sets were in use")
    server.stop()


def test_replies_are_checked(t):
    """By the rules in use: those for replies change with the others."""
    folder = os.path.join(t.folder, "rules")
    os.mkdir(folder)
    write_rules(folder, RULES % ("one", "care"))
    server = t.server("--rules", folder)
    api = server.api()
    reply = {"text": "H\u00e9, call us: +31 20 555 01 43. Booking QX7K2P, https://pay.aw.example/x", "channel": "twitter"}

    def asked(api, body):
        return api.send("POST", "/v1/replies/check", body)

    private = asked(api, reply).value
    equal(private["clean"], False, "sends away")
    equal([(span["kind"], span["words"], span["rule"]) for span in private["spans"]],
          [("phone", "call us", "all.refer.call"), ("phone", "+31 20 555 01 43", "all.refer.number")], "spans")
    first = private["spans"][0]
    equal(reply["text"].encode()[first["begin"]:first["end"]], b"call us", "in bytes")
    public = asked(api, dict(reply, visibility="public")).value
    equal([span["kind"] for span in public["spans"]], ["phone", "phone", "booking"], "in public")
    at_home = asked(api, dict(reply, channel="phone")).value
    equal([span["kind"] for span in at_home["spans"]], ["phone"], "a number is told to who phones")
    many = asked(api, {"text": "+31 20 555 01 43. " * 20}).value
    equal((len(many["spans"]), many["more"]), (16, True), "no more are told")
    equal(asked(api, {"text": "You are on AW441 now."}).value, {"clean": True, "spans": []}, "clean")
    for wrong, field in (({}, "text"), ({"text": ""}, "text"), ({"text": "a", "channel": "A b"}, "channel"),
                         ({"text": "a", "visibility": "all"}, "visibility")):
        response = asked(api, wrong)
        equal((response.status, response.value["field"]), (400, field), "refused by name")
    with open(os.path.join(folder, "replies", "few.rules"), "w", encoding="utf-8") as file:
        file.write("language en\nrule elephant refer circus\nsay purple elephant\n+ a purple elephant\n- a grey elephant\n")
    reload(server, "rules reloaded")
    until("each thread has the new rules", lambda: all(
        asked(server.api(), {"text": "call us, purple elephant"}).value["spans"][0]["kind"] == "circus"
        for _ in range(4)))


def test_bad_rules_change_nothing(t):
    folder = os.path.join(t.folder, "rules")
    os.mkdir(folder)
    write_rules(folder, RULES % ("one", "care"))
    server = t.server("--rules", folder)
    api, messages = server.api(), Messages()
    for text, why in (
        ("language en\nrule x care\n", "en.rules line 2"),
        (RULES % ("two", "care") + "+ a grey elephant\n", "en.rules line 6: rule en.care.two does not find this example"),
    ):
        write_rules(folder, text)
        event = reload(server, "the rules were not reloaded; the old ones stay")
        check(why in event["why"], "file, line and reason", event["why"])
        equal(api.receipt(messages.next(text=TEXT))["class"], "care", "the old rules are in use")
    shutil.rmtree(folder)
    reload(server, "the rules were not reloaded; the old ones stay")
    equal(api.receipt(messages.next(text=TEXT))["class"], "care", "the old rules are in use")
    server.stop()
    server.spawn()
    equal(server.exit_code(), 1, "a start without the rules that it was told to use")


class Held:
    """A file of rules that nobody can read to its end before the test lets it: a load is under way for as long as it takes."""

    def __init__(self, folder):
        self.path = os.path.join(folder, "en.rules")
        if os.path.exists(self.path):
            os.unlink(self.path)
        os.mkfifo(self.path)

    def wait(self):
        """Until a load reads it."""
        def is_read():
            try:
                self.file = os.open(self.path, os.O_WRONLY | os.O_NONBLOCK)
            except OSError as error:
                equal(error.errno, errno.ENXIO, "why it can't be opened")
                return False
            return True

        until("a load reads the rules", is_read)

    def give(self, text):
        os.write(self.file, text.encode())
        os.close(self.file)


def test_a_load_holds_nothing_up(t):
    """Connections come and posts are answered by the old rules while new ones are loaded; what is asked for meanwhile is loaded
    afterwards; a server told to end while it loads ends."""
    folder = os.path.join(t.folder, "rules")
    os.mkdir(folder)
    write_rules(folder, RULES % ("one", "care"))
    server = t.server("--rules", folder)
    messages = Messages()
    held = Held(folder)

    def is_class(name):
        return lambda: server.api().receipt(messages.next(text=TEXT))["class"] == name

    server.process.send_signal(signal.SIGHUP)
    held.wait()
    for _ in range(2):
        server.process.send_signal(signal.SIGHUP)
        server.wait_log("settings reloaded")
        equal(is_class("care")(), True, "a new connection, and the old rules")
    held.give(RULES % ("two", "disrupted"))
    server.wait_log("rules reloaded")
    until("the new rules are in use", is_class("disrupted"))
    held.wait()
    held.give("language en\nrule x care\n")
    event = server.wait_log("the rules were not reloaded; the old ones stay")
    check("en.rules line 2" in event["why"], "file, line and reason", event["why"])
    equal(is_class("disrupted")(), True, "the former ones stay")
    server.process.send_signal(signal.SIGHUP)
    held.wait()
    server.process.send_signal(signal.SIGTERM)
    server.wait_log("draining")
    held.give(RULES % ("one", "care"))
    equal(server.exit_code(), 0, "the end, during a load")


def test_a_start_loads_beside_recovery(t):
    """A start is ready when both are done; one whose rules are wrong ends without having changed the store."""
    folder = os.path.join(t.folder, "rules")
    os.mkdir(folder)
    write_rules(folder, RULES % ("one", "care"))
    server = t.server("--rules", folder)
    receipt = server.api().receipt(Messages().next(text=TEXT))
    server.kill()
    held = Held(folder)
    server.spawn()
    held.wait()
    held.give("language en\nrule x care\n")
    equal(server.exit_code(), 1, "a start with wrong rules")
    server.spawn()
    held.wait()
    held.give(RULES % ("two", "disrupted"))
    ready = server.wait_log("ready")
    equal(ready["epoch"], server.ready["epoch"] + 1, "starts that came to serve")
    server.address = address_of(ready["listen"])
    api = server.api()
    equal(api.ticket(receipt["ticket"]).value["class"], "care", "what was stored before")
    equal(api.receipt(Messages("other").next(text=TEXT))["class"], "disrupted", "the rules of this start")


if __name__ == "__main__":
    sys.exit(run(globals()))
