/* scratch.h - memory that lives as long as the decoding of one body: the parsers' trees.
 *
 * Each thread has one, made at its first use and freed when the thread ends; after that first use the hot path reaches no malloc.
 * jansson has one allocator for the whole process: ours takes from the scratch of the calling thread between aw_scratch_begin and
 * aw_scratch_end, and is plain malloc elsewhere, so that other users of jansson in the process are not touched. Inside, freeing
 * does nothing: all goes at once at the end.
 * Thread: the one that called aw_scratch_begin.
 */
#ifndef AW_PROTO_SCRATCH_H
#define AW_PROTO_SCRATCH_H

#include "base/arena.h"
#include "base/assert.h"

#include <msgpack.h>
#include <stdbool.h>
#include <stdint.h>

/* All the memory that the tree of one body may take. The largest legal message (128 KiB of content, each byte written as \u00xx)
 * needs less than half of it; a body that needs more is made to hurt. */
#define AW_SCRATCH_BYTES_MAX (4U * 1024U * 1024U)
/* Values that the quick reader of JSON (json_scan.c) takes; the rest is for jansson. A full message has about 300. */
#define AW_SCRATCH_VALUES_MAX 512U

struct aw_scratch {
    struct aw_blocks *blocks; /* owns */
    struct aw_arena   arena;  /* owns: what jansson took */
    msgpack_zone      zone;   /* owns: what msgpack-c took; keeps its first chunk */
    bool              busy;
    bool              failed;  /* jansson got no memory; it does not always say so itself */
    bool              full;    /* because of the limit, not because memory ran out */
    uint32_t          fail_at; /* for tests: which next allocation fails; 0: none */
    /* Of the quick reader: children of the values that are not finished, and those of the finished ones. */
    msgpack_object_kv open[AW_SCRATCH_VALUES_MAX];
    msgpack_object_kv done[AW_SCRATCH_VALUES_MAX];
};

/* This thread's, empty. NULL when out of memory. */
AW_MUST_USE struct aw_scratch *aw_scratch_begin(void);
void                           aw_scratch_end(struct aw_scratch *scratch);
/* For tests: in this thread, the nth next allocation of jansson fails, once. */
void aw_scratch_fail_at(uint32_t nth);

#endif
