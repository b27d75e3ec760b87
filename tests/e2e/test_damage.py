#!/usr/bin/python3
"""A byte flipped in every kind of place of a store, or the file cut, emptied or another's: `aswolk verify` names it, a start that
would read it refuses and says what the way out is, and neither changes anything. The pages are found by the layout of LMDB's file
(server/store/pages.c)."""

import contextlib
import json
import os
import struct
import subprocess
import sys

from aswolk_test import PATIENCE_S, Messages, check, equal, program, run, status, until
from test_faults import StoreFile, fingerprint
from test_trim import ahead

PAGE = 4096
NO_PAGE = 2**64 - 1
# How many bytes are tried one by one, of those that mean something and of the others.
PLACES = int(os.environ.get("ASWOLK_DAMAGE_PLACES", "160"))


class Pages:
    """The pages of data.mdb as the newest head sees them."""

    def __init__(self, data):
        self.data = data
        self.head = max((0, PAGE), key=lambda at: struct.unpack_from("<Q", data, at + 144)[0])
        self.free_root = struct.unpack_from("<Q", data, self.head + 40 + 40)[0]
        self.roots = {}
        for node in self.nodes(struct.unpack_from("<Q", data, self.head + 88 + 40)[0]):
            name_bytes = struct.unpack_from("<H", data, node + 6)[0]
            name = bytes(data[node + 8 : node + 8 + name_bytes]).decode()
            self.roots[name] = struct.unpack_from("<Q", data, node + 8 + name_bytes + 40)[0]

    def nodes(self, page):
        count = (struct.unpack_from("<H", self.data, page * PAGE + 12)[0] - 16) // 2
        return [page * PAGE + place for place in struct.unpack_from("<%dH" % count, self.data, page * PAGE + 16)]

    def is_branch(self, page):
        return struct.unpack_from("<H", self.data, page * PAGE + 10)[0] & 1

    def last_leaf(self, name):
        page = self.roots[name]
        while self.is_branch(page):
            low, high, flags = struct.unpack_from("<HHH", self.data, self.nodes(page)[-1])
            page = low | high << 16 | flags << 32
        return page

    def value_of_free(self):
        """Where the longest list of free pages begins, in a page or in a run of its own."""
        best = (0, 0)
        for node in self.nodes(self.free_root):
            low, high, flags = struct.unpack_from("<HHH", self.data, node)
            at = struct.unpack_from("<Q", self.data, node + 16)[0] * PAGE + 16 if flags & 1 else node + 16
            best = max(best, (low | high << 16, at))
        return best[1]

    def used(self, first_seq):
        """(what, where, how many) of all bytes that mean something, as the newest head sees them. Not so: what lies between
        nodes, what LMDB leaves unused (a page's and a tree's first word, the map's address and size), of the older head all but
        its number, by which commit a page was freed, and what a trim has not got to yet, below `first_seq`."""
        end = struct.unpack_from("<Q", self.data, self.head + 136)[0]
        for head in (0, PAGE):
            yield from (("head", head, 8), ("head", head + 10, 2), ("head", head + 16, 8), ("head", head + 144, 8))
        yield from (("head", self.head + at, size) for at, size in ((40, 5), (46, 42), (92, 44), (136, 8)))
        trees = struct.unpack_from("<Q", self.data, self.head + 128)[0]
        for name, root in [("free", self.free_root), ("trees", trees)] + list(self.roots.items()):
            pages = [root] if root != NO_PAGE else []
            while pages:
                page = pages.pop()
                check(2 <= page <= end, "a page of %s" % name, page)
                nodes = self.nodes(page)
                yield name, page * PAGE, 8
                yield name, page * PAGE + 10, 6 + 2 * len(nodes)
                for number, node in enumerate(nodes):
                    low, high, flags, key_bytes = struct.unpack_from("<HHHH", self.data, node)
                    yield name, node, 8
                    if self.is_branch(page):
                        yield name, node + 8, key_bytes if number > 0 else 0
                        pages.append(low | high << 16 | flags << 32)
                        continue
                    data = node + 8 + key_bytes
                    is_ours = name in ("bodies", "ids", "journal")
                    if is_ours and struct.unpack_from("<Q", self.data, node + 8)[0] >> 10 < first_seq:
                        continue
                    if name != "free":
                        yield name, node + 8, key_bytes
                    if flags & 1:  # in a run of pages: only lists of free ones
                        yield name, data, 8
                        run = struct.unpack_from("<Q", self.data, data)[0] * PAGE
                        yield from ((name, run, 8), (name, run + 10, 6), (name, run + 16, low | high << 16))
                    elif name == "trees":
                        yield name, data + 4, 44
                    else:
                        yield name, data, low | high << 16

    def value(self, name, key=None):
        """Where the bytes of a tree's last value begin, or of the one with this text as key."""
        for node in reversed(self.nodes(self.last_leaf(name))):
            key_bytes = struct.unpack_from("<H", self.data, node + 6)[0]
            if key is None or bytes(self.data[node + 8 : node + 8 + key_bytes]) == key:
                return node + 8 + key_bytes
        raise AssertionError("no such value")


def verify(folder, *args):
    done = subprocess.run([program("aswolk"), "verify", folder, *args], capture_output=True, text=True, timeout=PATIENCE_S)
    return done.returncode, done.stdout, done.stderr


def make_store(t):
    """Messages, leases, completions, and a checkpoint behind which the journal goes on."""
    server = t.server("--checkpoint-bytes", "65536")
    api, make = server.api(), Messages()
    while not server.metrics().get("aswolk_checkpoints_total"):
        api.receipts(make.many(50))
        for lease in api.leases(max=20):
            api.completed(lease)
    last = api.receipt(make.next(text="THE LAST ONE"))
    server.stop()
    server.logs.clear()
    return server, last


def refused(server, what, place, start_reads=True, words=()):
    """Verify says so, twice; the start says so as well, if it reads there; nothing is touched."""
    before = fingerprint(server.folder)
    code, _, said = verify(server.folder)
    check(code == 1 and "aswolk restore" in said, "%s: verify finds it and tells the way out" % what, said)
    check(all(word in said for word in words), "%s: named by %r" % (what, words), said)
    if words == ("page",):
        check("page %d (byte %d" % (place // PAGE, place // PAGE * PAGE) in said, "%s: its page" % what, said)
    if start_reads:
        server.spawn()
        equal(server.exit_code(), 1, "%s: exit code of the start" % what)
        said = "\n".join(server.logs)
        check("it was left as it is" in said and "aswolk restore" in said, "%s: the start tells the way out" % what, said[-900:])
        server.logs.clear()
    equal(fingerprint(server.folder), before, "%s: files afterwards" % what)


def test_every_kind_of_place(t):
    server, last = make_store(t)
    store = StoreFile(server.folder)
    sound = bytes(store.bytes)
    pages = Pages(sound)
    code, out, _ = verify(server.folder, "--json")
    told = json.loads(out)
    equal((code, told["ok"], told["checkpoint"], told["pages"] > told["pages_free"] > 0), (0, True, True, True), "sound")
    table = max(("table0", "table1"), key=lambda name: pages.roots[name] != 2**64 - 1)
    root = pages.roots["journal"] * PAGE
    for what, at, start_reads, words in (
        ("a record of the last batch", pages.value("journal") + 12 + StoreFile.HEADER_BYTES + 20, True, ()),
        ("a body", pages.value("bodies") + 14, False, ("body of record",)),
        ("source ids", pages.value("ids") + 14, True, ("source ids",)),
        ("a row of the checkpoint", pages.value(table) + 14, True, ("checkpoint",)),
        ("the mark of the checkpoint", pages.value("meta", b"mark") + 9, True, ("mark",)),
        ("the identity", pages.value("meta", b"identity") + 30, True, ("identity",)),
        ("a branch of the journal", root + 17, True, ("page",)),
        ("the number of a page", root, True, ("page",)),
        ("a leaf of the bodies", pages.last_leaf("bodies") * PAGE + 16, False, ("page",)),
        ("the list of free pages", pages.value_of_free() + 8, True, ()),  # the page that is named now is in use
        ("the root of the newest head", pages.head + 88 + 40, True, ()),
        ("the magic of a head", 16, True, ("head",)),
        ("the number of a head's commit", PAGE + 144, True, ("heads",)),
    ):
        store.bytes = bytearray(sound)
        store.bytes[at] ^= 0x08
        store.save()
        refused(server, what, at, start_reads, words)
    store.bytes = bytearray(sound)
    store.save()
    equal(verify(server.folder)[0], 0, "sound again")
    server.start()
    equal(server.api().get("/v1/messages/" + last["message"]).status, 200, "and as it was")


def trimmed_store(t):
    """Days old: most of it is trimmed, what its open tickets need was kept. Returns also receipts: of one that was kept, of one
    that was trimmed, and of those behind."""
    server = t.server("--checkpoint-bytes", "65536", "--store-reserve-bytes", str(8 << 20))
    api, make = server.api(), Messages()
    kept = api.receipts(make.many(3, customer="patient"))
    status(api.patch_ticket(kept[0]["ticket"], {"hold": True}), 200, "held, so that nobody pulls it")
    gone = api.receipts(make.many(200))
    for leases in iter(lambda: api.leases(max=100), []):
        for lease in leases:
            api.completed(lease)
    api.receipts(make.many(600))
    server.close_all()
    server.stop()
    server.env = ahead(9)
    server.start()
    until("old batches are gone", lambda: server.metrics().get("aswolk_journal_first_seq") > 600, 3 * PATIENCE_S)
    fresh = server.api().receipts(make.many(20))
    server.close_all()
    server.stop()
    return server, kept[0], gone[0], fresh


def told(folder, receipts):
    """All that a person can get out of a store offline, without the times of the telling."""
    proved = subprocess.run([program("aswolk"), "receipt", folder, "--json"], input="\n".join(map(json.dumps, receipts)),
                            capture_output=True, text=True, timeout=PATIENCE_S)
    journal = subprocess.run([program("aswolk"), "journal", folder, "--json"], capture_output=True, text=True, timeout=PATIENCE_S)
    return proved.returncode, proved.stdout, journal.returncode, journal.stdout, verify(folder, "--json")


@contextlib.contextmanager
def flipped(file, at, random):
    """With one bit of this byte as it should not be."""
    byte = os.pread(file.fileno(), 1, at)
    os.pwrite(file.fileno(), bytes([byte[0] ^ 1 << random.randrange(8)]), at)
    try:
        yield
    finally:
        os.pwrite(file.fileno(), byte, at)


def test_any_byte(t):
    """Bits flipped all over a store that has everything: each one that means something is found and named; with any other the
    store tells just what it told before."""
    server, *some, fresh = trimmed_store(t)
    path = os.path.join(server.folder, "data.mdb")
    with open(path, "rb") as file:
        data = file.read()
    pages = Pages(data)
    before = told(server.folder, some + fresh)
    equal(before[0], 4, "one can't be shown any more")
    spans = [span for span in pages.used(json.loads(before[-1][1])["first_record"]) if span[2] > 0]
    check({name for name, _, _ in spans} >= set(pages.roots) - {"table0", "table1"} | {"free", "head"}, "it has everything")
    means = {byte for _, at, size in spans for byte in range(at, at + size)}
    end = (struct.unpack_from("<Q", data, pages.head + 136)[0] + 1) * PAGE
    found, harmless = 0, 0
    by_name = sorted({name for name, _, _ in spans})
    with open(path, "r+b", buffering=0) as file:
        for number in range(PLACES):
            what, at, size = t.random.choice([span for span in spans if span[0] == by_name[number % len(by_name)]])
            at += t.random.randrange(size)
            with flipped(file, at, t.random):
                code, _, said = verify(server.folder)
                check(code == 1 and len(said.strip()) > 20, "byte %d, of %s: found and named" % (at, what), said)
                found += 1
        for _ in range(PLACES // 8):
            at = t.random.randrange(end)
            with flipped(file, at, t.random):
                if at in means:
                    check(verify(server.folder)[0] == 1, "byte %d: found" % at)
                    found += 1
                elif verify(server.folder)[0] == 0:
                    equal(told(server.folder, some + fresh), before, "byte %d means nothing" % at)
                    harmless += 1
    equal(told(server.folder, some + fresh), before, "as it was")
    t.note("%d found and named, %d harmless" % (found, harmless))


def test_not_a_store(t):
    """A file that is cut, empty, newer, or of something else; the newest of two heads replaced by the older."""
    server, _ = make_store(t)
    store = StoreFile(server.folder)
    sound = bytes(store.bytes)
    store.change_format(99)
    newer = bytes(store.bytes)
    cut = Pages(sound).last_leaf("bodies") * PAGE
    for what, data, words in (
        ("cut in the middle", sound[:cut], ("short",)),
        ("cut in its head", sound[:100], ("short",)),
        ("empty", b"", ("empty",)),
        ("something else", b"SQLite format 3\0" + sound[16:], ()),
        ("text", b"customers\n" * 10000, ("not a store",)),
        ("a stale head", sound[:148] + b"\1" + sound[149:], ("heads",)),
    ):
        store.bytes = bytearray(data)
        store.save()
        refused(server, what, None, words=words)
    store.bytes = bytearray(newer)
    store.save()
    before = fingerprint(server.folder)
    code, _, said = verify(server.folder)
    check(code == 1 and "format 99" in said, "a newer store", said)
    server.spawn()
    equal((server.exit_code(), fingerprint(server.folder)), (1, before), "the start of an older server")


def test_beside_a_server(t):
    """Verified again and again while its server works: sound each time, and by both spellings."""
    server = t.server("--checkpoint-bytes", "65536")
    api, make = server.api(), Messages()
    for _ in range(6):
        api.receipts(make.many(100))
        for lease in api.leases(max=50):
            api.completed(lease)
        command = [program("aswolk"), "journal", "verify", server.folder]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
        check(done.returncode == 0 and "a server is at work" in done.stdout, "sound", done.stdout + done.stderr)
    server.stop()
    code, out, _ = verify(server.folder)
    check(code == 0 and "each in use once" in out, "all pages, once it has stopped", out)


if __name__ == "__main__":
    sys.exit(run(globals()))
