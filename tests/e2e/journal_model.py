"""What a server's journal must come to, told record by record by rules of its own: the identity rule, who holds what until when and
with which units, which messages are in which ticket. A second opinion: nothing of the server is used but the records that
`aswolk journal` prints, and the messages as their clients posted them.
"""

from aswolk_test import check, equal, seconds_of

IDENTITY_TICKETS_MAX = 8
TICKET_IDENTITIES_MAX = 64
DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"

LEASE_OVER = 1  # why a timer went off


def ms_of(text):
    return round(seconds_of(text) * 1000)


def slot_of(ticket):
    """Of an id: t, two digits of the shard, seven of the slot, then the record that opened it."""
    slot = 0
    for digit in ticket[3:10]:
        slot = slot * 32 + DIGITS.index(digit)
    return slot


def identities_of(message):
    """Names of the person who wrote it; none when it is talk about us, which joins nothing."""
    if message.get("addressed", "to_us") != "to_us":
        return []
    customer = message["customer"]
    names = [("customer", message["channel"], message.get("account", "main"), customer)]
    names += [("verified", one["kind"], one["value"]) for one in message.get("identities", [])]
    if "booking" in message:
        names.append(("booking", message["booking"], customer))
    return names


class Ticket:
    def __init__(self, name, opened_seq):
        self.name = name
        self.opened_seq = opened_seq
        self.closed_seq = 0  # 0: it is open
        self.messages = []  # oldest first
        self.names = []  # identities, first one first
        self.lease = None
        self.attempts = []  # its leases
        self.history = set()  # every list of messages that it ever had


class Lease:
    def __init__(self, seq, agent, ticket, at, lease_ms):
        self.seq = seq
        self.agent = agent
        self.ticket = ticket
        self.given = list(ticket.messages)
        self.messages = list(ticket.messages)  # those that its holder was given by now
        self.expires = [at + lease_ms]  # each end that it was told
        self.end = None  # the kind of record that ended it
        self.at_end = None  # messages of the ticket then


class Model:
    """`posted`: finds a message as it was posted, by the id that it got."""

    def __init__(self, posted):
        self.posted = posted
        self.seq = 0
        self.grace_ms = 0
        self.tickets = {}
        self.slots = {}
        self.leases = {}  # by fence
        self.held = {}  # agent -> tickets
        self.agents = {}  # agent -> the record that set it last
        self.messages = {}  # id -> (ticket that it was put into, opened, folded or reopened, related)
        self.names = {}  # identity -> tickets
        self.counts = {}

    def open_tickets(self):
        return [ticket for ticket in self.tickets.values() if ticket.closed_seq == 0]

    def take(self, record):
        self.seq += 1
        equal(record["seq"], self.seq, "no record is missing")
        kind = record["kind"]
        self.counts[kind] = self.counts.get(kind, 0) + 1
        take = getattr(self, "_take_" + kind, None)
        if take is not None:
            take(record, ms_of(record["at"]))

    # Folding.

    def _place(self, names):
        """(the ticket, how it is joined, the other one that matched)."""
        matches = {ticket.name: ticket for name in names for ticket in self.names.get(name, [])}.values()
        still = sorted((ticket for ticket in matches if ticket.closed_seq == 0), key=lambda ticket: ticket.opened_seq)
        if still:
            return still[0], "folded", still[1].name if len(still) > 1 else None
        closed = sorted(matches, key=lambda ticket: ticket.closed_seq)
        return (closed[-1], "reopened", None) if closed else (None, "opened", None)

    def _name(self, ticket, name):
        """An identity names the open tickets that have it; of too many, the one opened last gives way."""
        holders = [other for other in self.names.get(name, []) if other is ticket or other.closed_seq == 0]
        for other in self.names.get(name, []):
            if other not in holders:
                other.names.remove(name)
        if ticket not in holders and len(ticket.names) < TICKET_IDENTITIES_MAX:
            if len(holders) == IDENTITY_TICKETS_MAX:
                youngest = max(holders, key=lambda other: other.opened_seq)
                holders.remove(youngest)
                youngest.names.remove(name)
            holders.append(ticket)
            ticket.names.append(name)
        self.names[name] = holders

    def _open(self, name, seq):
        ticket = self.tickets[name] = self.slots[slot_of(name)] = Ticket(name, seq)
        return ticket

    def _take_message(self, record, _):
        message = record["message"]
        names = identities_of(self.posted(message))
        ticket, how, related = self._place(names)
        said = "folded" if record.get("folded") else "reopened" if record.get("reopened") else "opened"
        equal((said, record.get("related")), (how, related), "how %s found its ticket: %r" % (message, record))
        if ticket is None:
            check(record["ticket"] not in self.tickets, "a ticket of its own for " + message, record)
            ticket = self._open(record["ticket"], record["seq"])
        equal(record["ticket"], ticket.name, "the ticket of %s, by its identities %r" % (message, names))
        check(message not in self.messages, "an id of its own", record)
        self.messages[message] = (ticket.name, how, related)
        ticket.closed_seq = 0
        ticket.messages.append(message)
        ticket.history.add(tuple(ticket.messages))
        for name in names:
            self._name(ticket, name)
        self.counts[how] = self.counts.get(how, 0) + 1

    def _take_unfold(self, record, at):
        left, taken = self.tickets[record["from"]], self._open(record["ticket"], record["seq"])
        moved = [message for message in left.messages if message in record["messages"]]
        equal(sorted(moved), sorted(record["messages"]), "what is taken out was in it: %r" % record)
        check(len(moved) < len(left.messages) and left.closed_seq == 0, "something is left, in an open ticket", record)
        if left.lease is not None and left.lease.expires[-1] > at and left.lease.agent != record["by"]:
            equal(set(moved) & set(left.lease.messages), set(), "nothing is taken from under its holder: %r" % record)
        left.messages = [message for message in left.messages if message not in moved]
        taken.messages = moved
        for ticket in (left, taken):
            ticket.history.add(tuple(ticket.messages))
        kept = {name for message in left.messages for name in identities_of(self.posted(message))}
        for name in [name for name in left.names if name not in kept]:
            left.names.remove(name)
            self.names[name].remove(left)
        for name in dict.fromkeys(name for message in moved for name in identities_of(self.posted(message))):
            self._name(taken, name)
        self.counts["opened"] = self.counts.get("opened", 0) + 1

    # Holding.

    def _take_settings(self, record, _):
        self.grace_ms = record["lease_grace_ms"]

    def _take_epoch(self, _, at):
        for ticket in self.open_tickets():
            if ticket.lease is not None:
                ticket.lease.expires.append(max(ticket.lease.expires[-1], at + self.grace_ms))

    def _take_agent(self, record, _):
        self.agents[record["agent"]] = record

    def _channel(self, ticket):
        return self.posted(ticket.messages[-1])["channel"]

    def _check_units(self, agent, ticket):
        """Each lease takes a unit of the channel of its ticket's newest message."""
        record, held = self.agents.get(agent, {}), self.held.get(agent, [])
        channel = self._channel(ticket)
        check(len(held) < record.get("units_total", len(held) + 1), "a unit was free", (agent, ticket.name))
        if channel in record.get("units", {}):
            used = sum(self._channel(other) == channel for other in held)
            check(used < record["units"][channel], "a unit of %s was free" % channel, (agent, ticket.name, used))

    def _drop(self, ticket, end):
        self.held[ticket.lease.agent].remove(ticket)
        ticket.lease.end, ticket.lease = end, None

    def _take_lease(self, record, at):
        ticket = self.slots[record["slot"]]
        check(ticket.closed_seq == 0, "an open ticket is given out", record)
        check(ticket.lease is None, "one holder at a time", record)
        self._check_units(record["agent"], ticket)
        self.held.setdefault(record["agent"], []).append(ticket)
        ticket.lease = self.leases[record["seq"]] = Lease(record["seq"], record["agent"], ticket, at, record["lease_ms"])
        ticket.attempts.append(ticket.lease)

    def _take_timer(self, record, at):
        lease = self.slots[record["slot"]].lease
        if record["cause"] == LEASE_OVER:
            check(lease is not None and lease.expires[-1] <= at, "a lease that is over", record)
            self._drop(lease.ticket, "timer")

    def _running(self, record, at):
        lease = self.leases[record["fence"]]
        check(lease.ticket.lease is lease, "the newest lease of %s is used" % lease.ticket.name, record)
        check(lease.expires[-1] > at and lease.agent == record["agent"], "by its holder, in its time", (record, lease.expires))
        return lease

    def _take_extend(self, record, at):
        lease = self._running(record, at)
        lease.expires.append(at + record["lease_ms"])
        lease.messages = list(lease.ticket.messages)

    def _end(self, record, at):
        lease = self._running(record, at)
        lease.at_end = list(lease.ticket.messages)
        self._drop(lease.ticket, record["kind"])
        return lease

    def _take_release(self, record, at):
        self._end(record, at)

    def _take_decline(self, record, at):
        self._end(record, at)

    def _take_transfer(self, record, at):
        self._end(record, at)

    def _take_defer(self, record, at):
        if self._is_refused(record, at):
            return
        lease = self._end(record, at)
        equal(set(lease.at_end) - set(lease.messages), set(), "nothing is put off that its holder was not given: %r" % record)

    def _take_note(self, record, at):
        ticket = self.tickets[record["ticket"]]
        equal(ticket.closed_seq, 0, "a note of an open ticket: %r" % record)

    def _is_refused(self, record, at):
        if not record.get("new_messages"):
            return False
        lease = self._running(record, at)
        unseen = set(lease.ticket.messages) - set(lease.messages)
        check(unseen, "refused for what was not seen", record)
        lease.messages = list(lease.ticket.messages)
        self.counts[record["kind"]] -= 1
        return True

    def _take_complete(self, record, at):
        if self._is_refused(record, at):
            return
        lease = self._end(record, at)
        equal(set(lease.at_end) - set(lease.messages), set(), "nothing is closed that its holder was not given: %r" % record)
        lease.ticket.closed_seq = record["seq"]

    def _take_cancel(self, record, _):
        ticket = self.tickets[record["ticket"]]
        check(ticket.closed_seq == 0, "an open one is cancelled", record)
        if ticket.lease is not None:
            self._drop(ticket, "cancel")
        ticket.closed_seq = record["seq"]
