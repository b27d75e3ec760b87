/* read_events.c - walks the batches from a record on, and writes what a client asked to be told. */
#include "run/read_events.h"

#include "model/record.h"

#include <inttypes.h>

/* Records that one piece looks at: about a millisecond, so that who looks for a needle does not keep a reader from others. */
#define RECORDS_PER_PIECE 2048U

struct walk {
    struct aw_events_read    *events;
    struct aw_journal_reader *reader;
    struct aw_arena          *scratch;
    struct aw_buffer          out; /* fixed: the memory of the read */
    uint32_t                  looked;
    bool                      is_full;
};

/* --- one event --------------------------------------------------------------------------------------------------------------- */

/* What stands around an event in each encoding. `name`: NULL for one that is told like all others. */
static void
begin_frame(struct walk *walk, uint64_t seq, const char *name)
{
    if (walk->events->media != AW_MEDIA_EVENTS)
        return;
    aw_buffer_printf(&walk->out, "id: %" PRIu64 "\n", seq);
    if (name != NULL)
        aw_buffer_printf(&walk->out, "event: %s\n", name);
    aw_buffer_add_str(&walk->out, "data: ");
}

static void
end_frame(struct walk *walk, struct aw_writer *writer)
{
    if (walk->events->media == AW_MEDIA_EVENTS)
        aw_buffer_add_str(&walk->out, "\n\n");
    else
        aw_writer_end_line(writer);
}

/* Takes what was written since `before`, or takes it back for lack of room. */
static void
settle(struct walk *walk, size_t before)
{
    if (!walk->out.failed) {
        walk->events->count++;
        return;
    }
    AW_ASSERT(before > 0); /* any one event fits */
    walk->out.len = before;
    walk->out.failed = false;
    walk->is_full = true;
}

static void
tell_event(struct walk *walk, const struct aw_command *command, aw_ms at)
{
    size_t           before = walk->out.len;
    struct aw_writer writer;

    begin_frame(walk, command->out.seq, NULL);
    aw_writer_init(&writer, &walk->out, walk->events->media);
    aw_proto_write_event(&writer, &walk->events->source, command, at);
    end_frame(walk, &writer);
    settle(walk, before);
}

static void
tell_gap(struct walk *walk, uint64_t to)
{
    size_t           before = walk->out.len;
    struct aw_writer writer;

    begin_frame(walk, to, "gap");
    aw_writer_init(&writer, &walk->out, walk->events->media);
    aw_proto_write_gap(&writer, &walk->events->source, walk->events->next, to);
    end_frame(walk, &writer);
    settle(walk, before);
    if (!walk->is_full)
        walk->events->next = to + 1;
}

/* --- which ------------------------------------------------------------------------------------------------------------------ */

/* An unfolding is of both its tickets. */
static bool
is_of_ticket(const struct aw_command *command, struct aw_ticket_id ticket)
{
    return command->out.effect.ticket_seq == ticket.seq || (command->kind == AW_COMMAND_UNFOLD && command->out.seq == ticket.seq);
}

static bool
is_of_lane(const struct walk *walk, const struct aw_command *command, uint32_t lane)
{
    const struct aw_event_source *source = &walk->events->source;

    if (command->kind == AW_COMMAND_LANE)
        return aw_slice_eq(command->in.lane.name, source->lane_name(source->user, lane));
    return command->out.effect.ticket_seq != 0 && (command->out.effect.lane == lane || command->out.effect.lane_before == lane);
}

static bool
is_wanted(const struct walk *walk, const struct aw_command *command)
{
    const struct aw_event_filter *filter = &walk->events->filter;

    if ((filter->types >> aw_event_type_of(command) & 1) == 0)
        return false;
    if (filter->ticket.seq != 0 && !is_of_ticket(command, filter->ticket))
        return false;
    return filter->lane == AW_EVENT_LANE_ANY || is_of_lane(walk, command, filter->lane);
}

/* --- the walk --------------------------------------------------------------------------------------------------------------- */

/* The records of a batch from `next` on. AW_E_CORRUPT: one cannot be read. */
static enum aw_err
walk_batch(struct walk *walk, struct aw_slice batch)
{
    struct aw_events_read *events = walk->events;
    struct aw_batch_header header;
    struct aw_record       record;
    struct aw_slice        at;
    enum aw_err            err = aw_batch_header_read(batch, &header, NULL);

    if (err != AW_OK)
        return err;
    at = aw_slice_of(batch.ptr + AW_BATCH_HEADER_BYTES, batch.len - AW_BATCH_HEADER_BYTES);
    while (events->next <= events->until && !walk->is_full && (err = aw_record_next(&at, &record, NULL)) == AW_OK) {
        struct aw_command command;

        if (record.seq < events->next)
            continue;
        aw_arena_reset(walk->scratch);
        err = record.seq == events->next ? aw_record_read(&record, walk->scratch, &command, NULL) : AW_E_CORRUPT;
        if (err != AW_OK)
            return err;
        if (is_wanted(walk, &command))
            tell_event(walk, &command, header.now);
        if (!walk->is_full)
            events->next++;
        walk->looked++;
    }
    /* A batch that ends before it has what its header says is damaged too. */
    if (err == AW_E_AGAIN && events->next < header.first_seq + header.count)
        err = AW_E_CORRUPT;
    return err == AW_E_AGAIN ? AW_OK : err;
}

/* `next` cannot be told: trimmed, or damaged. What comes behind it can. */
static enum aw_err
pass_gap(struct walk *walk)
{
    struct aw_events_read *events = walk->events;
    struct aw_slice        batch;
    uint64_t               first = events->until + 1;
    enum aw_err            err = aw_journal_read_next(walk->reader, events->next + 1, &first, &batch);

    if (err == AW_E_IO || err == AW_E_MEMORY)
        return err;
    /* Nothing, or also damaged: the gap may begin anew behind it. */
    if (err == AW_E_NOT_FOUND || first > events->until + 1)
        first = events->until + 1;
    else if (err != AW_OK)
        first = events->next + 1;
    tell_gap(walk, first - 1);
    return AW_OK;
}

enum aw_err
aw_read_events(struct aw_events_read *events, struct aw_journal_reader *reader, struct aw_arena *scratch, char *memory,
               size_t room)
{
    struct walk walk = {.events = events, .reader = reader, .scratch = scratch};
    enum aw_err err = AW_OK;

    AW_ASSERT(room >= AW_EVENTS_ROOM_MIN);
    aw_buffer_init_fixed(&walk.out, memory, room);
    events->next = events->from;
    events->count = 0;
    while (err == AW_OK && events->next <= events->until && !walk.is_full && walk.looked < RECORDS_PER_PIECE) {
        struct aw_slice batch;

        err = aw_journal_read_batch(reader, events->next, &batch);
        if (err == AW_OK)
            err = walk_batch(&walk, batch);
        if (err == AW_E_NOT_FOUND || err == AW_E_CORRUPT || err == AW_E_VERSION)
            err = pass_gap(&walk);
    }
    events->bytes = aw_buffer_slice(&walk.out);
    return err;
}
