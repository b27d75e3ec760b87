/* msgpack_bytes.h - the head of one MessagePack value, as a cursor reads it (the format: msgpack spec.md, "Formats").
 *
 * Borrows nothing but the bytes looked at. Thread: any.
 */
#ifndef AW_PROTO_MSGPACK_BYTES_H
#define AW_PROTO_MSGPACK_BYTES_H

#include "base/assert.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

enum aw_mp_kind {
    AW_MP_NIL,
    AW_MP_BOOL,
    AW_MP_UINT,
    AW_MP_INT, /* negative */
    AW_MP_REAL,
    AW_MP_STR,
    AW_MP_ARRAY,
    AW_MP_MAP,
    AW_MP_BIN,
    AW_MP_EXT,
};

struct aw_mp_head {
    enum aw_mp_kind kind;
    uint32_t        count; /* ARRAY: elements; MAP: pairs; STR, BIN, EXT: bytes that follow */
    union {
        uint64_t u64; /* UINT; BOOL: 0 or 1 */
        int64_t  i64;
        double   real;
    } value;
};

/* Reads the head at *at and moves *at behind it (for STR, BIN and EXT: before their bytes). False, and *at stays, when the bytes
 * end inside the head or inside a STR's, BIN's or EXT's bytes, or when no value begins so (0xc1). */
AW_MUST_USE bool aw_mp_read(const char **at, const char *end, struct aw_mp_head *ret_head);

#endif
