/* lines.c - several values in one body. */
#include "proto/proto.h"

#include "proto/tree.h"

/* Moves to the next line that is not blank. False at the end. */
static bool
next_line(struct aw_lines *lines, struct aw_line *ret_line)
{
    while (lines->_at < lines->_body.len) {
        const char     *from = lines->_body.ptr + lines->_at;
        size_t          left = lines->_body.len - lines->_at;
        const char     *newline = memchr(from, '\n', left);
        size_t          len = newline == NULL ? left : (size_t)(newline - from);
        struct aw_slice line = aw_slice_of(from, len);

        lines->_at += newline == NULL ? len : len + 1;
        lines->_line++;
        if (line.len > 0 && line.ptr[line.len - 1] == '\r')
            line.len--;
        line = aw_slice_trim(line);
        if (line.len > 0) {
            *ret_line = (struct aw_line){.bytes = line, .number = lines->_line};
            return true;
        }
    }
    return false;
}

static enum aw_err
next_value(struct aw_lines *lines, struct aw_line *ret_line, struct aw_proto_problem *problem)
{
    struct aw_slice left = aw_slice_of(lines->_body.ptr + lines->_at, lines->_body.len - lines->_at);
    size_t          len;

    if (left.len == 0)
        return AW_E_AGAIN;
    len = aw_msgpack_measure(left);
    *ret_line = (struct aw_line){.bytes = aw_slice_of(left.ptr, len), .number = ++lines->_line};
    if (len == 0) {
        enum aw_err err =
            aw_fault_at(problem, AW_FAULT_MALFORMED, NULL,
                        "ends the sequence: from byte %zu on it is no MessagePack value, or one nested too deep", lines->_at);

        lines->_at = lines->_body.len;
        return err;
    }
    lines->_at += len;
    return AW_OK;
}

enum aw_err
aw_lines_next(struct aw_lines *lines, struct aw_line *ret_line, struct aw_proto_problem *problem)
{
    if (lines->_media == AW_MEDIA_NDJSON)
        return next_line(lines, ret_line) ? AW_OK : AW_E_AGAIN;
    if (lines->_media == AW_MEDIA_MSGPACK_SEQ)
        return next_value(lines, ret_line, problem);
    if (lines->_line > 0)
        return AW_E_AGAIN;
    *ret_line = (struct aw_line){.bytes = lines->_body, .number = ++lines->_line};
    return AW_OK;
}

enum aw_err
aw_lines_init(struct aw_lines *lines, enum aw_media media, struct aw_slice body, struct aw_proto_problem *problem)
{
    struct aw_lines start = {._media = media, ._body = body};
    struct aw_line  line;
    uint32_t        count = 0;

    *lines = start;
    /* Most bodies are too short to hold too many: a value has one byte at the least. */
    if (!aw_media_is_sequence(media) || body.len <= AW_BATCH_LINES_MAX)
        return AW_OK;
    while (aw_lines_next(&start, &line, problem) == AW_OK) {
        if (++count > AW_BATCH_LINES_MAX)
            return aw_fault_at(problem, AW_FAULT_LARGE, NULL, "has more than %u lines", AW_BATCH_LINES_MAX);
    }
    return AW_OK;
}
