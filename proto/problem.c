/* problem.c - words for what is wrong with a body. */
#include "proto/problem.h"

#include <stdarg.h>
#include <stdio.h>

static const enum aw_err errs[AW_FAULT_COUNT] = {
    [AW_FAULT_MALFORMED] = AW_E_MALFORMED, [AW_FAULT_UTF8] = AW_E_MALFORMED,        [AW_FAULT_DUPLICATE] = AW_E_MALFORMED,
    [AW_FAULT_DEPTH] = AW_E_MALFORMED,     [AW_FAULT_UNKNOWN] = AW_E_UNKNOWN_FIELD, [AW_FAULT_TYPE] = AW_E_BAD_VALUE,
    [AW_FAULT_RANGE] = AW_E_BAD_VALUE,     [AW_FAULT_LONG] = AW_E_BAD_VALUE,        [AW_FAULT_EMPTY] = AW_E_BAD_VALUE,
    [AW_FAULT_MANY] = AW_E_BAD_VALUE,      [AW_FAULT_MISSING] = AW_E_BAD_VALUE,     [AW_FAULT_VALUE] = AW_E_BAD_VALUE,
    [AW_FAULT_LARGE] = AW_E_BODY_LARGE,    [AW_FAULT_MEMORY] = AW_E_MEMORY,
};

struct aw_problem
aw_proto_problem_answer(const struct aw_proto_problem *problem, uint32_t line)
{
    return (struct aw_problem){
        .err = problem->err,
        .detail = aw_slice_str(problem->detail),
        .field = aw_slice_str(problem->field),
        .line = line,
    };
}

/* Puts in what fits. Field names come from the client, who may also send bytes that are no text, or a NUL: one '?' for each of
 * those. */
static size_t
put_text(char *text, size_t at, size_t room, struct aw_slice more)
{
    while (more.len > 0) {
        size_t step = aw_utf8_step(more.ptr, more.len);

        if (at + (step == 0 ? 1 : step) >= room)
            break;
        if (step == 0 || more.ptr[0] == '\0') {
            text[at++] = '?';
            step = 1;
        } else {
            memcpy(text + at, more.ptr, step);
            at += step;
        }
        more = aw_slice_of(more.ptr + step, more.len - step);
    }
    text[at] = '\0';
    return at;
}

void
aw_path_format(const struct aw_path *path, char *text, size_t room)
{
    size_t at = 0;

    text[0] = '\0';
    for (uint32_t i = 0; i < path->count; i++) {
        const struct aw_path_part *part = &path->parts[i];
        char                       index[16];

        if (part->name.ptr == NULL) {
            (void)snprintf(index, sizeof(index), "[%u]", part->index);
            at = put_text(text, at, room, aw_slice_str(index));
        } else {
            if (i > 0)
                at = put_text(text, at, room, AW_SLICE("."));
            at = put_text(text, at, room, part->name);
        }
    }
}

enum aw_err
aw_fault_at(struct aw_proto_problem *problem, enum aw_fault fault, const struct aw_path *path, const char *format, ...)
{
    char    words[AW_PROTO_DETAIL_BYTES];
    size_t  at;
    va_list args;

    AW_ASSERT((unsigned)fault < AW_FAULT_COUNT);
    problem->err = errs[fault];
    problem->fault = fault;
    problem->field[0] = '\0';
    if (path != NULL)
        aw_path_format(path, problem->field, sizeof(problem->field));
    va_start(args, format);
    (void)vsnprintf(words, sizeof(words), format, args);
    va_end(args);
    at = put_text(problem->detail, 0, sizeof(problem->detail),
                  aw_slice_str(problem->field[0] == '\0' ? "the body" : problem->field));
    at = put_text(problem->detail, at, sizeof(problem->detail), AW_SLICE(" "));
    (void)put_text(problem->detail, at, sizeof(problem->detail), aw_slice_str(words));
    return problem->err;
}
