#!/usr/bin/python3
"""A surge on the real server: pulls follow its order, receipts its words, events tell of it; it outlives kill -9, and is
undone. And what was done today."""

import sys
import time

from aswolk_test import MSGPACK, NDJSON, Messages, check, equal, problem, rfc3339, run, status, until
from test_cli import FAILED, USAGE, aswolk
from test_flights import DATE, undo


def put_surge(api, body, **more):
    return api.send("PUT", "/v1/surge", body, **more)


def get_surge(api):
    return status(api.get("/v1/surge"), 200, "GET").value


def follows(api, order):
    """The io thread of this connection knows it: pulls that begin from now on choose by it."""
    until("the order is " + order, lambda: status(api.get("/v1/stats"), 200, "stats").value["order"] == order)


POLICY = {
    "order": "strict",
    "targets_s": {"general": 7200, "care": 60},
    "overflow_after_s": 900,
    "receipt": {"notice": [{"lang": "nl", "text": "Het is druk."}, {"text": "We are busy."}], "acknowledgement": "off"},
}


def test_declare_and_undo(t):
    """Declare, trial, If-Match, change, end; each is an event, and the last change is undone, also after kill -9."""
    server = t.server()
    api = server.api(form=MSGPACK)
    equal(get_surge(api), {"state": "off", "since": None, "version": 0, "change": None}, "at first")
    tried = status(put_surge(api, {"state": "on", "policy": POLICY, "dry_run": True}), 200, "a dry run").value
    equal((tried["dry_run"], tried["policy"], tried["version"]), (True, POLICY, 0), "a dry run")
    check(tried["since"] is not None, "since when it would be", tried)
    equal(get_surge(api)["state"], "off", "after a dry run")
    made = status(put_surge(api, {"state": "on", "reason": "ash", "policy": POLICY}), 201, "declare")
    equal((made.value["policy"], made.value["reason"], made.value["version"]), (POLICY, "ash", 1), "what it is")
    equal(made.value["scope"], {"lanes": [], "channels": [], "flights": [], "airports": []}, "everywhere")
    problem(put_surge(api, {"state": "off"}, if_match='"77"'), 412, "precondition-failed")
    ended = status(put_surge(api, {"state": "off"}, if_match=made.fields["etag"]), 200, "end").value
    equal((ended["state"], ended["since"], ended["version"]), ("off", None, 2), "ended")
    problem(undo(api, made.value["change"]), 409, "change-overtaken")
    server.restart()
    api = server.api()
    equal(undo(api, ended["change"], {"dry_run": True}).value["state"], "on", "a dry run of the undo")
    equal(get_surge(api)["state"], "off", "after it")
    back = status(undo(api, ended["change"], idempotency_key="again"), 200, "undo")
    equal((back.value["state"], back.value["since"], back.value["policy"]), ("on", made.value["since"], POLICY), "undone")
    again = status(undo(api, ended["change"], idempotency_key="again"), 200, "undo again").value
    equal((again["duplicate"], again["version"]), (True, 3), "the same again")
    changed = dict(POLICY, order="ratio")
    status(put_surge(api, {"state": "on", "policy": changed}, if_match=back.fields["etag"]), 200, "change")
    server.restart()
    api = server.api()
    equal(get_surge(api)["policy"], changed, "after a restart")
    told = status(api.connection.request("GET", "/v1/events?type=aswolk.surge", [("accept", NDJSON)]), 200, "events").lines
    names = ["aswolk.surge." + name for name in ("declared", "ended", "declared", "changed")]
    equal([event["type"] for event in told], names, "events")


def test_pulls_follow(t):
    """An `other` of 20 hours goes before a young `general` by the ratio, behind it in a strict surge, where that holds."""
    server = t.server()
    api = server.api()
    for lane in ("calm", "busy"):
        status(api.send("PUT", "/v1/lanes/" + lane, {}), 201, lane)
    make = Messages()
    old = rfc3339(time.time() - 20 * 3600)

    def two(lane):
        return (
            api.receipt(make.next(lane=lane, **{"class": "other"}, received_at=old))["ticket"],
            api.receipt(make.next(lane=lane, **{"class": "general"}))["ticket"],
        )

    def target():
        return server.metrics().get("aswolk_target_seconds", **{"class": "other"})

    calm, busy = two("calm"), two("busy")
    status(put_surge(api, {"state": "on", "scope": {"lanes": ["busy"]}, "policy": {"order": "strict"}}), 201, "declare")
    follows(api, "strict")
    equal([lease["ticket"] for lease in api.leases(max=1, lanes=["busy"])], [busy[1]], "where it holds")
    equal([lease["ticket"] for lease in api.leases(max=1, lanes=["calm"])], [calm[0]], "where it does not")
    orders = [status(api.get("/v1/tickets/%s/why" % ticket), 200, "why").value["order"] for ticket in (busy[0], calm[1])]
    equal(orders, ["strict", "ratio"], "why")
    server.restart()
    api = server.api()
    follows(api, "strict")
    metrics = server.metrics()
    equal((metrics.get("aswolk_surge"), metrics.get("aswolk_surge_version_total")), (1, 1), "metrics")
    status(put_surge(api, {"state": "on", "policy": {"targets_s": {"other": 60}}}), 200, "change")
    until("another target", lambda: target() == 60)
    status(put_surge(api, {"state": "off"}), 200, "end")
    until("the old target", lambda: target() == 86400)
    equal(server.metrics().get("aswolk_surge"), 0, "ended")


def test_receipts(t):
    """Who is covered is told, in the own language; others are not."""
    server = t.server()
    api = server.api()
    make = Messages()
    first = make.next(channel="web", lang="nl-BE", flights=[{"number": "KL1234", "date": DATE}])
    check("notice" not in api.receipt(first), "no surge", first)
    scope = {"channels": ["web"], "flights": [{"number": "KL1234", "date": DATE}], "airports": ["AMS"]}
    status(put_surge(api, {"state": "on", "scope": scope, "policy": POLICY}), 201, "declare")
    equal(get_surge(api)["scope"], dict(scope, lanes=[]), "its scope")

    def notice(**fields):
        return api.receipt(make.next(**fields)).get("notice")

    until("it is told", lambda: notice(channel="web", airports=["AMS"], lang="fr") == "We are busy.")
    again = api.receipt(first)
    equal((again["duplicate"], again["notice"]), (True, "Het is druk."), "a first receipt again, and what is said now")
    equal(notice(channel="web", flights=[{"number": "KL1", "from": "AMS"}]), "We are busy.", "from there")
    equal(notice(channel="web", flights=[{"number": "KL1234"}]), None, "without its date no flight is named")
    equal(notice(channel="mail", airports=["AMS"]), None, "another channel")
    equal(notice(channel="web"), None, "about something else")


def test_stats_and_day(t):
    """What was done today is told of all together, and to each agent alone; over a restart too."""
    server = t.server("--team-goal-completed", "50")
    ann, bob = server.api("ann"), server.api("bob")
    make = Messages()
    first = make.next(channel="web")
    ann.receipt(first)
    ann.receipt(make.next(channel="mail", customer="x", identities=[{"kind": "mail", "value": "x@example.org"}]))
    ann.receipt(make.next(channel="web", customer="y", identities=[{"kind": "mail", "value": "x@example.org"}]))
    lease = ann.lease()["lease"]
    status(ann.act(lease, "reply", {"text": "We look at it."}), 200, "reply")
    ann.completed(lease, reply={"text": "Done."})
    status(bob.act(bob.lease()["lease"], "release", {"reason": "test"}), 200, "release")
    later = {"until": rfc3339(time.time() + 3600), "reason": "customer", "what": "his papers"}
    status(bob.act(bob.lease()["lease"], "defer", later), 200, "defer")
    problem(bob.get("/v1/agents/ann/day"), 403, "forbidden")
    problem(server.api("eve").get("/v1/agents/eve/day"), 404, "not-found")
    server.restart()
    ann, bob = server.api("ann", form=MSGPACK), server.api("bob")
    team = {"taken": 3, "completed": 1, "replied": 2, "returned": 1, "deferred": 1, "goal": 50}

    def day_of(api):
        day = status(api.get("/v1/agents/%s/day" % api.who), 200, "day").value
        equal(day["team"].pop("date"), day.pop("date"), "one date")
        return day

    hers = {"agent": "ann", "taken": 1, "completed": 1, "replied": 2, "returned": 0, "deferred": 0, "team": team}
    his = {"agent": "bob", "taken": 2, "completed": 0, "replied": 0, "returned": 1, "deferred": 1, "team": team}
    equal(day_of(ann), hers, "her day")
    equal(day_of(bob), his, "his day")
    stats = status(ann.get("/v1/stats"), 200, "stats").value
    equal((stats["messages_per_ticket"], stats["channels_per_ticket"]), (1.5, 1.5), "of two tickets one has two channels")
    equal((stats["replies"], stats["surge_since"], stats["team"]["goal"]), (2, None, 50), "stats")
    equal(sum(stats["presence"].values()), stats["agents"], "presence")
    check(set(stats["promises"]) == {"kept", "broken", "moved"}, "promises", stats)


def test_by_hand(t):
    """aswolk surge: show, declare, trial, end, undo; and that top tells of it."""
    server = t.server()
    check("no surge" in aswolk(server, "surge").out, "at first")
    words = ["surge", "on", "nl=Het is druk.", "--reason", "ash", "--targets", "disrupted=7200,other=60", "--notice", "Busy."]
    words += ["--order", "strict", "--flights", "KL1234/" + DATE, "--airports", "AMS,RTM", "--channels", "web"]
    words += ["--overflow-after", "900", "--receipts-only"]
    check("dry run" in aswolk(server, *words, "--dry-run").out, "a dry run")
    aswolk(server, *words)
    surge = get_surge(server.api())
    notice = [{"lang": "nl", "text": "Het is druk."}, {"text": "Busy."}]
    targets = {"disrupted": 7200, "other": 60}
    receipt = {"notice": notice, "acknowledgement": "off"}
    policy = {"order": "strict", "targets_s": targets, "overflow_after_s": 900, "receipt": receipt}
    equal((surge["policy"], surge["reason"]), (policy, "ash"), "as said")
    flights = [{"number": "KL1234", "date": DATE}]
    equal(surge["scope"], {"lanes": [], "channels": ["web"], "flights": flights, "airports": ["AMS", "RTM"]}, "its scope")
    shown = aswolk(server, "surge").out
    for part in ("ash", "KL1234/" + DATE, "AMS RTM", "disrupted 7200 s", "nl    Het is druk.", "receipts only"):
        check(part in shown, part, shown)
    until("top tells of it", lambda: "SURGE" in aswolk(server, "top", "-n", "1").out)
    aswolk(server, "surge", "off")
    aswolk(server, "surge", "undo")
    equal(get_surge(server.api())["policy"], policy, "after an undo")
    aswolk(server, "surge", "undo", code=FAILED)
    for bad in (["high"], ["off", "--order", "strict"], ["on", "--flights", "KL1"], ["on", "--targets", "care"], ["on", "nl"]):
        aswolk(server, "surge", *bad, code=USAGE)
    aswolk(server, "surge", "on", "--order", "fifo", code=FAILED)


def test_bad_input(t):
    """Each refusal names what is wrong, and changes nothing."""
    api = t.server().api()
    on = {"state": "on"}

    def refused(body, field):
        equal(problem(put_surge(api, body), 400, "bad-value")["field"], field, str(body))

    refused({"state": "high"}, "state")
    refused({"state": "off", "policy": {"order": "strict"}}, "policy")
    refused({"state": "off", "reason": "over"}, "reason")
    refused(dict(on, policy={"order": "fifo"}), "policy.order")
    refused(dict(on, policy={"targets_s": {"care": 0}}), "policy.targets_s.care")
    refused(dict(on, policy={"overflow_after_s": 604801}), "policy.overflow_after_s")
    twice = [{"lang": "nl", "text": "a"}, {"lang": "NL", "text": "b"}]
    refused(dict(on, policy={"receipt": {"notice": twice}}), "policy.receipt.notice[1]")
    refused(dict(on, policy={"receipt": {"notice": [{"text": "x" * 481}]}}), "policy.receipt.notice[0].text")
    refused(dict(on, scope={"channels": ["web", "web"]}), "scope.channels[1]")
    refused(dict(on, scope={"airports": ["Ams"]}), "scope.airports[0]")
    problem(put_surge(api, dict(on, policy={"targets_s": {"urgent": 1}})), 400, "unknown-field")
    problem(put_surge(api, dict(on, scope={"lanes": ["nowhere"]})), 404, "not-found")
    problem(put_surge(api, {}), 400, "bad-value")
    equal(get_surge(api)["version"], 0, "nothing changed")


if __name__ == "__main__":
    sys.exit(run(globals()))
