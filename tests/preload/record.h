/* record.h - the log of what a server did to its data folder, and of what it sent meanwhile. Written by preload/record.c; read by
 * tests/power/ and tests/e2e/test_power.py.
 *
 * Entries follow each other; each is a head and its bytes, little-endian. What may have happened by then (a write) is logged before
 * the call, what certainly has (a flush) behind it: so a cut between any two entries leaves on the disk what the flushes before it
 * made certain, and any part of what else stands before it. A file is known by its inode; a name is relative to the folder, or with
 * a dot in front what is put behind the folder's own name: ".keys" lies beside it.
 */
#ifndef AW_TESTS_PRELOAD_RECORD_H
#define AW_TESTS_PRELOAD_RECORD_H

#include <stdint.h>

enum record_kind {
    RECORD_WRITE = 1,    /* file, at; bytes */
    RECORD_WRITTEN,      /* at: place in the log of a write to a descriptor with O_DSYNC, which came back */
    RECORD_FLUSH,        /* file: fsync or fdatasync came back */
    RECORD_TRUNCATE,     /* file, at: its new length */
    RECORD_ALLOCATE,     /* file, at, length */
    RECORD_CREATE,       /* file; name */
    RECORD_FOLDER,       /* name; "" is the data folder itself */
    RECORD_RENAME,       /* from, NUL, to */
    RECORD_REMOVE,       /* name */
    RECORD_FLUSH_FOLDER, /* name; ".." is what the data folder lies in */
    RECORD_SENDING,      /* file: the socket; bytes */
    RECORD_SENT,         /* at: place of its SENDING; length: of the bytes that went out */
    RECORD_STRANGE,      /* what this log has no entry for; words. A recording with one is worth nothing */
};

struct record_head {
    uint32_t kind;
    uint32_t bytes; /* behind this head */
    uint64_t file;
    uint64_t at;
    uint64_t length;
};

#endif
