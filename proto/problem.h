/* problem.h - what is wrong with a body, precisely enough to mend it.
 *
 * The caller owns the struct; it is written only on failure. Its texts hold pieces of the client's body: they may be answered,
 * not logged. Thread: any.
 */
#ifndef AW_PROTO_PROBLEM_H
#define AW_PROTO_PROBLEM_H

#include "base/assert.h"
#include "base/err.h"
#include "base/slice.h"
#include "model/answer.h"
#include "model/limits.h"

enum aw_fault {
    AW_FAULT_MALFORMED, /* not JSON or MessagePack at all; the detail names the byte */
    AW_FAULT_UTF8,
    AW_FAULT_DUPLICATE, /* a key twice in one object */
    AW_FAULT_DEPTH,
    AW_FAULT_UNKNOWN, /* no such field */
    AW_FAULT_TYPE,
    AW_FAULT_RANGE, /* a number outside of its range */
    AW_FAULT_LONG,
    AW_FAULT_EMPTY,
    AW_FAULT_MANY,
    AW_FAULT_MISSING,
    AW_FAULT_VALUE, /* the right type, the wrong content */
    AW_FAULT_LARGE, /* each field fits, all together do not */
    AW_FAULT_MEMORY,
    AW_FAULT_COUNT
};

#define AW_PROTO_FIELD_BYTES  128
#define AW_PROTO_DETAIL_BYTES 256

struct aw_proto_problem {
    enum aw_err   err; /* MALFORMED, UNKNOWN_FIELD, BAD_VALUE, BODY_LARGE or MEMORY, by the fault */
    enum aw_fault fault;
    char          field[AW_PROTO_FIELD_BYTES];   /* "flights[1].number"; empty when it is about the whole body */
    char          detail[AW_PROTO_DETAIL_BYTES]; /* a sentence that begins with the field; valid UTF-8, cut when too long */
};

/* The same as the answer's struct; borrows from `problem`. `line`: in a batch, else 0. */
struct aw_problem aw_proto_problem_answer(const struct aw_proto_problem *problem, uint32_t line);

/* Where in a body something is: names and indexes from the root. Names borrow. */
struct aw_path_part {
    struct aw_slice name; /* ptr NULL: an index */
    uint32_t        index;
};
struct aw_path {
    struct aw_path_part parts[AW_DEPTH_MAX + 2];
    uint32_t            count;
};

static inline void
aw_path_push_name(struct aw_path *path, struct aw_slice name)
{
    AW_ASSERT(path->count < AW_ARRAY_LEN(path->parts));
    path->parts[path->count].name = name;
    path->count++;
}

static inline void
aw_path_push_index(struct aw_path *path, uint32_t index)
{
    AW_ASSERT(path->count < AW_ARRAY_LEN(path->parts));
    path->parts[path->count] = (struct aw_path_part){.index = index};
    path->count++;
}

static inline void
aw_path_pop(struct aw_path *path)
{
    AW_ASSERT(path->count > 0);
    path->count--;
}

/* "flights[1].number" with its NUL, cut at `room`. */
void aw_path_format(const struct aw_path *path, char *text, size_t room);
/* Fills `problem`; the detail is the field (or "the body") and the words. Returns the error that belongs to the fault. */
enum aw_err aw_fault_at(struct aw_proto_problem *problem, enum aw_fault fault, const struct aw_path *path, const char *format,
                        ...) AW_PRINTF(4, 5);

#endif
