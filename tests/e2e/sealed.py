"""What can be read of a store by whoever has all bytes of its folder and a key file: by the keys themselves, without the server.

A text is sealed by a key that follows from its number and a node of the file (server/store/keyring.h). Here each key that the file
still has for a number is tried at every place where a sealed text may begin, so it does not matter in which tree, on which free
page, or in which copy it lies."""

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

Keys = collections.namedtuple("Keys", "through generations nodes")


def read_keys(path):
    """What a file that no secret seals has."""
    with open(path, "rb") as file:
        data = file.read()
    word, _, _, is_sealed, _, _, _ = HEAD.unpack_from(data)
    check(word == b"aswolk keys\n" and is_sealed == 0, "a key file in the clear", path)
    _, through, _, generations, nodes = REST.unpack_from(data, HEAD.size)
    at = HEAD.size + REST.size + generations * GENERATION_BYTES
    numbers = [struct.unpack_from("<I", data, HEAD.size + REST.size + i * GENERATION_BYTES)[0] for i in range(generations)]
    return Keys(through, numbers, [NODE.unpack_from(data, at + i * NODE.size) for i in range(nodes)])


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

    def stream(self, key, length):
        """What the first bytes are mixed with: the nonce is zero, and the first block is the check's."""
        out, done = ctypes.create_string_buffer(length + 16), ctypes.c_int()
        first = bytes(15) + b"\x02"
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


def readable(folder, keys, seqs, pattern):
    """What is found there of this pattern's group: in the clear, or in the text of one of these numbers."""
    cipher, streams, found = Cipher(), {}, set()
    for node in keys.nodes:
        generation, level, index, _ = node
        for seq in seqs:
            if seq >> 2 * level == index:
                stream = cipher.stream(leaf(node, seq), TEXT_BYTES)
                streams.setdefault(generation, []).append(int.from_bytes(stream, "big"))
    for data in files_of(folder):
        found |= set(pattern.findall(data))
        for generation, at in beginnings(data, keys.generations):
            sealed = data[at:at + TEXT_BYTES].ljust(TEXT_BYTES, b"\0")
            if sealed[:24].count(0) > 5:
                continue  # what is sealed looks like nothing
            sealed = int.from_bytes(sealed, "big")
            for stream in streams.get(generation, ()):
                found |= set(pattern.findall((sealed ^ stream).to_bytes(TEXT_BYTES, "big")))
    return found
