/* answers_problem.c - what is wrong, as RFC 9457 has it. */
#include "proto/parts.h"

#define KEY AW_WRITER_KEY

static void
begin_problem(struct aw_writer *writer, const struct aw_problem *problem)
{
    enum aw_err  err = aw_err_told(problem->err);
    char         type[64] = "urn:aswolk:";
    const char  *name = aw_err_problem(err);
    const size_t prefix = strlen(type);
    const size_t len = strlen(name);

    AW_ASSERT(prefix + len < sizeof(type));
    memcpy(type + prefix, name, len + 1);
    aw_part_begin_line(writer, problem->line, aw_err_status(err));
    if (problem->ticket.len > 0) {
        KEY(writer, "ticket");
        aw_writer_str(writer, problem->ticket);
    }
    KEY(writer, "type");
    aw_part_string(writer, type);
    KEY(writer, "title");
    aw_part_string(writer, aw_err_text(err));
    if (problem->detail.len > 0) {
        KEY(writer, "detail");
        aw_writer_str(writer, problem->detail);
    }
    if (problem->field.len > 0) {
        KEY(writer, "field");
        aw_writer_str(writer, problem->field);
    }
    if (problem->state.len > 0) {
        KEY(writer, "state");
        aw_writer_str(writer, problem->state);
    }
    if (problem->retry_after_s > 0) {
        KEY(writer, "retry_after_s");
        aw_writer_u64(writer, problem->retry_after_s);
    }
    if (problem->span_count > 0)
        aw_part_spans(writer, problem->spans, problem->span_count);
}

void
aw_proto_write_problem(struct aw_writer *writer, const struct aw_problem *problem)
{
    begin_problem(writer, problem);
    aw_writer_end_map(writer);
}

bool
aw_proto_write_problem_messages(struct aw_writer *writer, const struct aw_problem *problem,
                                const struct aw_stored_message *messages, uint32_t count)
{
    begin_problem(writer, problem);
    if (!aw_part_messages(writer, messages, count))
        return false;
    aw_writer_end_map(writer);
    return true;
}

void
aw_proto_write_problem_line(struct aw_writer *writer, const struct aw_problem *problem)
{
    AW_ASSERT(problem->line > 0);
    aw_proto_write_problem(writer, problem);
    aw_writer_end_line(writer);
}

bool
aw_proto_write_problem_messages_line(struct aw_writer *writer, const struct aw_problem *problem,
                                     const struct aw_stored_message *messages, uint32_t count)
{
    AW_ASSERT(problem->line > 0);
    if (!aw_proto_write_problem_messages(writer, problem, messages, count))
        return false;
    aw_writer_end_line(writer);
    return true;
}
