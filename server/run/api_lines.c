/* api_lines.c - the walk over the lines of a body, and over their outcomes. */
#include "run/api_lines.h"

#include "proto/proto.h"
#include "run/api.h"

void
aw_api_line_refuse(struct aw_call *call, struct aw_api_line *line, const struct aw_proto_problem *problem)
{
    struct aw_arena *arena = aw_call_arena(call);

    line->entry = NULL;
    line->problem = aw_proto_problem_answer(problem, line->number);
    if (!aw_arena_copy(arena, line->problem.field, &line->problem.field))
        line->problem.field = (struct aw_slice){NULL, 0};
    if (!aw_arena_copy(arena, line->problem.detail, &line->problem.detail))
        line->problem.detail = (struct aw_slice){NULL, 0};
}

bool
aw_api_lines_make_room(struct aw_call *call, struct aw_api_lines *lines, uint32_t count)
{
    struct aw_arena *arena = aw_call_arena(call);

    count++; /* one more may be the place where a sequence broke */
    lines->submission = (struct aw_submission){.kind = AW_SUBMIT_COMMANDS, .woken_lane = AW_LANE_NONE};
    /* Each is written when its line is read: of a long body that is no piece of work for one turn. */
    lines->lines = aw_arena_take(arena, count * sizeof(lines->lines[0]));
    lines->submission.entries = aw_arena_take(arena, count * sizeof(lines->submission.entries[0]));
    if (lines->lines != NULL && lines->submission.entries != NULL)
        return true;
    aw_call_fail(call, AW_E_MEMORY, "");
    return false;
}

static uint32_t
count_lines(struct aw_lines lines)
{
    struct aw_proto_problem problem;
    struct aw_line          line;
    uint32_t                count = 0;

    while (aw_lines_next(&lines, &line, &problem) == AW_OK)
        count++;
    return count;
}

static struct aw_api_line *
add_line(struct aw_api_lines *lines, uint32_t number)
{
    struct aw_api_line *line = &lines->lines[lines->count++];

    *line = (struct aw_api_line){.number = number, .read = AW_LINE_NO_READ};
    return line;
}

static void
read_line(struct aw_call *call, struct aw_api_lines *lines, struct aw_api_line *line, enum aw_media media, struct aw_slice bytes,
          aw_api_line_reader *reader)
{
    struct aw_entry *entry = &lines->submission.entries[lines->submission.count];

    *entry = (struct aw_entry){.command = {.kind = 0}};
    reader(call, line, media, bytes, entry);
    lines->submission.count += line->entry != NULL;
}

static bool
take_one(struct aw_call *call, struct aw_api_lines *lines, enum aw_media media, aw_api_line_reader *reader)
{
    struct aw_api_line *line;

    if (!aw_api_lines_make_room(call, lines, 0))
        return false;
    line = add_line(lines, 0);
    read_line(call, lines, line, media, call->request->body, reader);
    if (line->entry != NULL)
        return true;
    aw_call_problem(call, &line->problem);
    return false;
}

bool
aw_api_lines_begin(struct aw_call *call, struct aw_api_lines *lines, enum aw_media media, uint32_t *ret_count)
{
    struct aw_proto_problem problem;
    enum aw_err             err = aw_lines_init(&lines->walk, media, call->request->body, &problem);

    if (err != AW_OK) {
        aw_api_refuse_body(call, &problem);
        return false;
    }
    lines->media = media;
    lines->is_more = true;
    *ret_count = count_lines(lines->walk);
    return true;
}

uint32_t
aw_api_lines_more(struct aw_call *call, struct aw_api_lines *lines, const struct aw_api_piece *piece, aw_api_line_reader *reader)
{
    struct aw_line          at;
    struct aw_proto_problem problem;
    enum aw_err             err = AW_OK;
    uint32_t                bytes = 0;

    AW_ASSERT(lines->is_more);
    while (bytes < piece->bytes_most && lines->submission.count < piece->commands_max &&
           (err = aw_lines_next(&lines->walk, &at, &problem)) == AW_OK) {
        read_line(call, lines, add_line(lines, at.number), lines->media, at.bytes, reader);
        bytes += (uint32_t)at.bytes.len + piece->line_bytes;
    }
    lines->is_more = err == AW_OK;
    if (err != AW_OK && err != AW_E_AGAIN) /* nobody can tell where the next one would begin */
        aw_api_line_refuse(call, add_line(lines, at.number), &problem);
    return bytes;
}

void
aw_api_lines_renew(struct aw_api_lines *lines)
{
    lines->submission = (struct aw_submission){
        .kind = AW_SUBMIT_COMMANDS, .entries = lines->submission.entries + lines->submission.count, .woken_lane = AW_LANE_NONE};
}

static bool
take_many(struct aw_call *call, struct aw_api_lines *lines, enum aw_media media, aw_api_line_reader *reader)
{
    const struct aw_api_piece all = {.bytes_most = UINT32_MAX, .commands_max = UINT32_MAX};
    uint32_t                  count;

    if (!aw_api_lines_begin(call, lines, media, &count) || !aw_api_lines_make_room(call, lines, count))
        return false;
    (void)aw_api_lines_more(call, lines, &all, reader); /* what it cost is nobody's concern */
    return true;
}

bool
aw_api_lines_take(struct aw_call *call, struct aw_api_lines *lines, enum aw_media media, aw_api_line_reader *reader)
{
    return lines->many ? take_many(call, lines, media, reader) : take_one(call, lines, media, reader);
}

enum aw_api_reading
aw_api_lines_read(struct aw_call *call, struct aw_api_lines *lines, aw_api_line_need *need, size_t bytes)
{
    struct aw_read_item item;
    uint32_t            count = 0;

    for (uint32_t i = 0; i < lines->count; i++) {
        if (lines->lines[i].entry != NULL && need(&lines->lines[i], &item))
            lines->lines[i].read = count++;
    }
    if (count == 0)
        return AW_READING_NONE;
    lines->read = aw_api_read_new(call, count, count * bytes);
    if (lines->read == NULL) {
        aw_call_fail(call, AW_E_MEMORY, "");
        return AW_READING_BEGUN;
    }
    for (uint32_t i = 0; i < lines->count; i++) {
        const struct aw_api_line *line = &lines->lines[i];

        if (line->read != AW_LINE_NO_READ && need(line, &item))
            lines->read->items[line->read] = item;
    }
    aw_call_read(call, lines->read);
    return AW_READING_BEGUN;
}

const struct aw_read_item *
aw_api_line_item(const struct aw_api_lines *lines, const struct aw_api_line *line)
{
    return line->read == AW_LINE_NO_READ ? NULL : &lines->read->items[line->read];
}
