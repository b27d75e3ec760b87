#!/usr/bin/python3
"""Writes the seeds of record_fuzz from the golden records: each as it is, and the first of a kind as one that is kept.

Not part of the build; to renew the seeds after a record was added, in this folder: ./record_corpus.py
"""

import os

HERE = os.path.dirname(os.path.abspath(__file__))
HEADER_BYTES = 8  # length and CRC, which the target sets


def main():
    seen = {}
    folder = os.path.join(HERE, "corpus", "record")
    with open(os.path.join(HERE, "..", "golden", "records.txt"), encoding="ascii") as lines:
        for line in lines:
            if line.startswith("#") or not line.strip():
                continue
            kind, version, text = line.split()
            record = bytes.fromhex(text)
            number = seen[kind] = seen.get(kind, 0) + 1
            name = "golden-%s-v%s-%d" % (kind, version, number)
            with open(os.path.join(folder, name), "wb") as seed:
                seed.write(b"\0" + record[HEADER_BYTES:])
            if number == 1:
                with open(os.path.join(folder, name + "-kept"), "wb") as seed:
                    seed.write(b"\2" + bytes(64) + record)


if __name__ == "__main__":
    main()
