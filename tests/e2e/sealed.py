"""What can be read of a store by whoever has all bytes of its folder and a key file: by the keys themselves, without the server.

A text is sealed by a key that follows from its number and a node of the file (server/store/keyring.h). Here each key that the file
still has for a number is tried at every place where a sealed text may begin, so it does not matter in which tree, on which free
page, or in which copy it lies. All else (batches, what was kept of them, checkpoints) is sealed by a key of its generation: it is
put together from the pieces that lie on any page, also on free ones, and opened."""

import collections
import ctypes
import ctypes.util
import hashlib
import os
import struct

from aswolk_test import check

HEAD = struct.Struct("<12sI16sIIQ16s")
REST = struct.Struct("<32sQIIQ")
GENERATION_BYTES = 56
NODE = struct.Struct("<IIQ32s")
WORD = b"aswolk key node"
TEXT_BYTES = 768  # of the beginning of a text, which has to have what is looked for
PIECE = b"\0\0\x08\0"  # of the head of what lies in a tree: no flags, a key of 8 bytes
PIECE_BYTES_MAX = 2022  # server/store/value.h
PIECE_BITS = 10
VALUE_HEAD = struct.Struct("<III")
SEALED_HEAD = struct.Struct("<IQ")  # generation, number
SEAL_TAG_BYTES = 16
BORDER_BYTES = 64  # what is looked for is not longer

Keys = collections.namedtuple("Keys", "through generations nodes")  # generations: number -> key of its values


def read_keys(path):
    """What a file that no secret seals has."""
    with open(path, "rb") as file:
        data = file.read()
    word, _, _, is_sealed, _, _, _ = HEAD.unpack_from(data)
    check(word == b"aswolk keys\n" and is_sealed == 0, "a key file in the clear", path)
    _, through, _, generations, nodes = REST.unpack_from(data, HEAD.size)
    at = HEAD.size + REST.size
    values = {}
    for _ in range(generations):
        values[struct.unpack_from("<I", data, at)[0]] = data[at + GENERATION_BYTES - 32:at + GENERATION_BYTES]
        at += GENERATION_BYTES
    return Keys(through, values, [NODE.unpack_from(data, at + i * NODE.size) for i in range(nodes)])


def leaf(node, seq):
    """The key of this number, of which the node is told to stand above."""
    _, level, _, key = node
    while level > 0:
        level -= 1
        key = hashlib.sha256(key + WORD + bytes([seq >> 2 * level & 3])).digest()
    return key


class Cipher:
    """AES-256 in counter mode, which is what seals, beside the check."""

    def __init__(self):
        self.lib = ctypes.CDLL(ctypes.util.find_library("crypto"))
        self.lib.EVP_CIPHER_CTX_new.restype = ctypes.c_void_p
        self.lib.EVP_aes_256_ctr.restype = ctypes.c_void_p
        self.context = ctypes.c_void_p(self.lib.EVP_CIPHER_CTX_new())
        self.kind = ctypes.c_void_p(self.lib.EVP_aes_256_ctr())

    def stream(self, key, length, number=0):
        """What the first bytes are mixed with: the nonce is the number, and the first block is the check's."""
        out, done = ctypes.create_string_buffer(length + 16), ctypes.c_int()
        first = struct.pack("<QI", number, 0) + b"\0\0\0\x02"
        check(self.lib.EVP_EncryptInit_ex(self.context, self.kind, None, key, first) == 1, "a cipher")
        check(self.lib.EVP_EncryptUpdate(self.context, out, ctypes.byref(done), bytes(length), length) == 1, "its bytes")
        return out.raw[:length]


def files_of(folder):
    for base, _, names in os.walk(folder):
        for name in names:
            with open(os.path.join(base, name), "rb") as file:
                yield file.read()


def beginnings(data, generations):
    """Where a sealed text may begin: the number of its generation stands there."""
    for number in generations:
        word = struct.pack("<I", number)
        at = data.find(word)
        while at >= 0:
            yield number, at + len(word)
            at = data.find(word, at + 1)


def pieces_of(data):
    """What lies in any tree, or lay there: by its key, which is the number of a value and of its piece."""
    pieces, at = {}, data.find(PIECE)
    while at >= 0:
        begin, length = at + len(PIECE) + 8, int.from_bytes(data[max(at - 4, 0):at], "little")
        if 0 < length <= PIECE_BYTES_MAX and begin + length <= len(data):
            key = int.from_bytes(data[begin - 8:begin], "little")
            pieces.setdefault(key, set()).add(data[begin:begin + length])
        at = data.find(PIECE, at + 1)
    return pieces


def mix(data, stream):
    return (int.from_bytes(data, "big") ^ int.from_bytes(stream[:len(data)], "big")).to_bytes(len(data), "big")


def values_of(data, keys, cipher):
    """All that a key of a generation opens; of what has several pieces each, with the end of the one before it."""
    pieces = pieces_of(data)
    for key, firsts in pieces.items():
        for first in firsts:
            at = VALUE_HEAD.size + SEALED_HEAD.size
            if key % (1 << PIECE_BITS) != 0 or len(first) <= at + SEAL_TAG_BYTES:
                continue
            length, _, _ = VALUE_HEAD.unpack_from(first)
            generation, number = SEALED_HEAD.unpack_from(first, VALUE_HEAD.size)
            if generation not in keys.generations or number >> 40 != 0 or not len(first) - VALUE_HEAD.size <= length < 1 << 21:
                continue  # a text, or nothing
            stream = cipher.stream(keys.generations[generation], length, number)
            plain = {mix(first[at:], stream)}
            yield from plain
            at = len(first) - at
            while at < length - SEALED_HEAD.size and plain:
                key += 1
                opened = {mix(piece, stream[at:]) for piece in pieces.get(key, ()) if at + len(piece) <= length}
                yield from {before[-BORDER_BYTES:] + after for before in plain for after in opened}
                at += PIECE_BYTES_MAX
                plain = opened


def readable(folder, keys, seqs, pattern):
    """What is found there of this pattern's group: in the clear, in the text of one of these numbers, or in anything else."""
    cipher, streams, found = Cipher(), {}, set()
    for node in keys.nodes:
        generation, level, index, _ = node
        for seq in seqs:
            if seq >> 2 * level == index:
                stream = cipher.stream(leaf(node, seq), TEXT_BYTES)
                streams.setdefault(generation, []).append(int.from_bytes(stream, "big"))
    for data in files_of(folder):
        found |= set(pattern.findall(data))
        for value in values_of(data, keys, cipher):
            found |= set(pattern.findall(value))
        for generation, at in beginnings(data, keys.generations):
            sealed = data[at:at + TEXT_BYTES].ljust(TEXT_BYTES, b"\0")
            if sealed[:24].count(0) > 5:
                continue  # what is sealed looks like nothing
            sealed = int.from_bytes(sealed, "big")
            for stream in streams.get(generation, ()):
                found |= set(pattern.findall((sealed ^ stream).to_bytes(TEXT_BYTES, "big")))
    return found
