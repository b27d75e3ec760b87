/* api_flights.c - what flights and airports do: look, list, change one or many, undo. */
#include "proto/check.h"
#include "proto/proto.h"
#include "run/api.h"
#include "run/api_lines.h"
#include "run/io.h"

#include <string.h>

/* Flights or airports in one answer; a cursor goes on. */
#define PER_PAGE 100U

/* "KL1234/2026-04-15". False: answered 400. */
static bool
parse_flight(struct aw_call *call, struct aw_slice id, struct aw_slice *ret_number, uint32_t *ret_days)
{
    struct aw_slice date = id;
    struct aw_slice number = aw_slice_cut(&date, '/');

    if (!aw_check_flight_number(number)) {
        aw_api_refuse_field(call, "number", "a flight number is like KL1234, in upper case");
        return false;
    }
    if (!aw_date_parse(date, ret_days)) {
        aw_api_refuse_field(call, "date", "a date is like 2026-04-15");
        return false;
    }
    *ret_number = number;
    return true;
}

static bool
parse_airport(struct aw_call *call, struct aw_slice id, struct aw_airport_code *ret_code)
{
    if (!aw_check_airport(id)) {
        aw_api_refuse_field(call, "airport", "an airport is three upper-case letters, its IATA code");
        return false;
    }
    memcpy(ret_code->letters, id.ptr, sizeof(ret_code->letters));
    return true;
}

/* --- looking -------------------------------------------------------------------------------------------------------------- */

struct look {
    struct aw_call       call;
    enum aw_media        media;
    struct aw_submission submission;
    struct aw_query      query;
};

static struct aw_slice
page_end(struct look *look, struct aw_header_field *ret_link)
{
    return look->query.next == 0 ? (struct aw_slice){NULL, 0} : aw_api_next(&look->call, look->query.next, ret_link);
}

static void
answer_list(struct look *look)
{
    struct aw_header_field link = {.name = {NULL, 0}};
    struct aw_slice        next = page_end(look, &link);
    struct aw_buffer       buffer;
    struct aw_writer       writer;

    aw_buffer_init(&buffer, aw_call_arena(&look->call));
    aw_writer_init(&writer, &buffer, look->media);
    if (look->query.kind == AW_QUERY_FLIGHTS)
        aw_proto_write_flights(&writer, look->query.flights, look->query.count, next);
    else
        aw_proto_write_airports(&writer, look->query.airports, look->query.count, next);
    buffer.failed |= look->query.next != 0 && next.len == 0;
    aw_call_answer(&look->call, 200, look->media, &buffer, &link, look->query.next != 0);
}

static void
answer_one(struct look *look)
{
    bool                   is_flight = look->query.kind == AW_QUERY_FLIGHT;
    uint64_t               version = is_flight ? look->query.flights->version : look->query.airports->version;
    struct aw_header_field etag = {AW_SLICE("etag"), aw_api_etag(aw_call_arena(&look->call), version)};
    struct aw_buffer       buffer;
    struct aw_writer       writer;

    aw_buffer_init(&buffer, aw_call_arena(&look->call));
    aw_writer_init(&writer, &buffer, look->media);
    if (is_flight)
        aw_proto_write_flight(&writer, look->query.flights);
    else
        aw_proto_write_airport(&writer, look->query.airports);
    aw_call_answer(&look->call, 200, look->media, &buffer, &etag, 1);
}

static void
on_looked(struct aw_call *call)
{
    struct look *look = (struct look *)call;
    enum aw_err  err = look->submission.err != AW_OK ? look->submission.err : look->query.err;

    if (err != AW_OK)
        aw_call_fail(call, err, err == AW_E_NOT_FOUND ? "nobody said anything about it yet" : "");
    else if (look->query.kind == AW_QUERY_FLIGHTS || look->query.kind == AW_QUERY_AIRPORTS)
        answer_list(look);
    else
        answer_one(look);
}

static const struct aw_call_ops look_ops = {.on_back = on_looked};

/* NULL: answered. */
static struct look *
begin_look(struct aw_io *io, struct aw_request *request, enum aw_query_kind kind, uint32_t room)
{
    struct look *look = aw_call_new(io, request, &look_ops, sizeof(*look));

    if (look == NULL || !aw_call_negotiate(&look->call, false, &look->media))
        return NULL;
    look->query = (struct aw_query){.kind = kind,
                                    .room = room,
                                    .flights = aw_arena_take_zeroed(&request->arena, room, sizeof(look->query.flights[0])),
                                    .airports = aw_arena_take_zeroed(&request->arena, room, sizeof(look->query.airports[0]))};
    look->submission = (struct aw_submission){.kind = AW_SUBMIT_QUERY, .query = &look->query};
    if (look->query.flights != NULL && look->query.airports != NULL)
        return look;
    aw_call_fail(&look->call, AW_E_MEMORY, "");
    return NULL;
}

static void
list(struct aw_io *io, struct aw_request *request, enum aw_query_kind kind)
{
    struct look *look = begin_look(io, request, kind, PER_PAGE);
    uint64_t     after;

    if (look == NULL || !aw_api_cursor(&look->call, &after))
        return;
    look->query.skip = after < UINT32_MAX ? (uint32_t)after : UINT32_MAX;
    aw_call_submit(&look->call, &look->submission);
}

void
aw_api_list_flights(struct aw_io *io, struct aw_request *request, struct aw_slice id)
{
    (void)id;
    list(io, request, AW_QUERY_FLIGHTS);
}

void
aw_api_list_airports(struct aw_io *io, struct aw_request *request, struct aw_slice id)
{
    (void)id;
    list(io, request, AW_QUERY_AIRPORTS);
}

void
aw_api_get_flight(struct aw_io *io, struct aw_request *request, struct aw_slice id)
{
    struct look    *look = begin_look(io, request, AW_QUERY_FLIGHT, 1);
    struct aw_slice number;
    uint32_t        days;

    if (look == NULL || !parse_flight(&look->call, id, &number, &days))
        return;
    look->query.flight_hash = aw_api_flight_hash(&io->shared->table_key, number, days);
    aw_call_submit(&look->call, &look->submission);
}

void
aw_api_get_airport(struct aw_io *io, struct aw_request *request, struct aw_slice id)
{
    struct look *look = begin_look(io, request, AW_QUERY_AIRPORT, 1);

    if (look == NULL || !parse_airport(&look->call, id, &look->query.airport))
        return;
    aw_call_submit(&look->call, &look->submission);
}

/* --- changing ------------------------------------------------------------------------------------------------------------- */

struct change {
    struct aw_call      call;
    enum aw_media       media;
    struct aw_slice     by;
    struct aw_once      once; /* POST */
    struct aw_api_lines lines;
    struct aw_entry     entry; /* PUT and undo */
    /* After the undo of a surge: what it is now. */
    struct aw_submission  looking;
    struct aw_query       query;
    struct aw_surge_view *surge;
};

static const char *
detail_of(const struct aw_command *command)
{
    if (command->out.err == AW_E_NOT_FOUND)
        return "there is no change by that id";
    return command->out.err == AW_E_TABLE_FULL ? "no more flights (flights-max) or idempotency-keys can be kept just now" : "";
}

static uint16_t
status_of(const struct aw_command *command)
{
    return command->out.u.change.created ? 201 : 200;
}

static void
answer_change(struct change *change, const struct aw_command *command)
{
    const struct aw_change_answer *now = &command->out.u.change.now;
    uint64_t                       version = now->of == AW_CHANGE_FLIGHT ? now->flight.version : now->airport.version;
    struct aw_header_field         etag = {AW_SLICE("etag"), aw_api_etag(aw_call_arena(&change->call), version)};
    struct aw_buffer               buffer;
    struct aw_writer               writer;

    if (command->out.err != AW_OK) {
        aw_call_fail(&change->call, command->out.err, detail_of(command));
        return;
    }
    aw_buffer_init(&buffer, aw_call_arena(&change->call));
    aw_writer_init(&writer, &buffer, change->media);
    aw_proto_write_change(&writer, now);
    aw_call_answer(&change->call, status_of(command), change->media, &buffer, &etag, !now->dry_run);
}

static void
answer_lines(struct change *change)
{
    struct aw_buffer buffer;
    struct aw_writer writer;

    aw_buffer_init(&buffer, aw_call_arena(&change->call));
    aw_writer_init(&writer, &buffer, change->media);
    for (uint32_t i = 0; i < change->lines.count; i++) {
        const struct aw_api_line *line = &change->lines.lines[i];
        struct aw_problem         problem = line->problem;

        if (line->entry != NULL && line->entry->command.out.err == AW_OK) {
            const struct aw_command *command = &line->entry->command;

            aw_proto_write_change_line(&writer, line->number, status_of(command), &command->out.u.change.now);
            continue;
        }
        if (line->entry != NULL)
            problem = (struct aw_problem){.err = line->entry->command.out.err,
                                          .line = line->number,
                                          .detail = aw_slice_str(detail_of(&line->entry->command))};
        if (problem.retry_after_s == 0)
            problem.retry_after_s = aw_retry_after_s(problem.err);
        aw_proto_write_problem_line(&writer, &problem);
    }
    aw_call_answer(&change->call, 200, change->media, &buffer, NULL, 0);
}

static void
look_at_surge(struct change *change)
{
    change->surge = aw_arena_take_zeroed(aw_call_arena(&change->call), 1, sizeof(*change->surge));
    if (change->surge == NULL) {
        aw_call_fail(&change->call, AW_E_MEMORY, "");
        return;
    }
    change->query = (struct aw_query){.kind = AW_QUERY_SURGE, .surge = change->surge};
    change->looking = (struct aw_submission){.kind = AW_SUBMIT_QUERY, .query = &change->query};
    aw_call_submit(&change->call, &change->looking);
}

static void
answer_surge(struct change *change)
{
    if (change->looking.err != AW_OK)
        aw_call_fail(&change->call, change->looking.err, "");
    else
        aw_api_answer_surge(&change->call, change->media, change->surge, &change->entry.command.out.u.change);
}

static bool
is_surge_undone(const struct change *change)
{
    const struct aw_command *command = &change->entry.command;

    return command->kind == AW_COMMAND_UNDO && command->out.err == AW_OK && command->out.u.change.now.of == AW_CHANGE_SURGE;
}

static void
on_changed(struct aw_call *call)
{
    struct change *change = (struct change *)call;

    if (change->surge != NULL)
        answer_surge(change);
    else if (change->lines.submission.err != AW_OK)
        aw_call_fail(call, change->lines.submission.err, "");
    else if (change->lines.many)
        answer_lines(change);
    else if (is_surge_undone(change))
        look_at_surge(change);
    else
        answer_change(change, &change->lines.submission.entries[0].command);
}

static const struct aw_call_ops change_ops = {.on_back = on_changed};

/* NULL: answered. */
static struct change *
begin_change(struct aw_io *io, struct aw_request *request, bool sequence_ok, enum aw_media *ret_media)
{
    struct change *change = aw_call_new(io, request, &change_ops, sizeof(*change));

    if (change == NULL || !aw_api_agent(&change->call, &change->by) || !aw_api_media(&change->call, sequence_ok, ret_media))
        return NULL;
    change->lines.many = aw_media_is_sequence(*ret_media);
    return aw_call_negotiate(&change->call, change->lines.many, &change->media) ? change : NULL;
}

static void
submit_one(struct change *change)
{
    change->lines.submission =
        (struct aw_submission){.kind = AW_SUBMIT_COMMANDS, .entries = &change->entry, .count = 1, .woken_lane = AW_LANE_NONE};
    aw_call_submit(&change->call, &change->lines.submission);
}

static struct aw_in_flight
flight_command(const struct change *change, struct aw_slice number, uint32_t days, const struct aw_flight_request *want)
{
    return (struct aw_in_flight){.flight_hash = aw_api_flight_hash(&change->call.io->shared->table_key, number, days),
                                 .number = number,
                                 .date_days = days,
                                 .state = want->state,
                                 .departs_at = want->departs_at,
                                 .by = change->by,
                                 .dry_run = want->dry_run};
}

void
aw_api_put_flight(struct aw_io *io, struct aw_request *request, struct aw_slice id)
{
    enum aw_media            media;
    struct change           *change = begin_change(io, request, false, &media);
    struct aw_if_match       if_match;
    struct aw_flight_request want;
    struct aw_proto_problem  problem;
    struct aw_slice          number;
    uint32_t                 days;

    if (change == NULL || !parse_flight(&change->call, id, &number, &days) || !aw_api_if_match(&change->call, &if_match))
        return;
    if (aw_proto_decode_flight_put(&request->arena, media, request->body, &want, &problem) != AW_OK) {
        aw_api_refuse_body(&change->call, &problem);
        return;
    }
    change->entry.command =
        (struct aw_command){.kind = AW_COMMAND_FLIGHT, .in.flight = flight_command(change, number, days, &want)};
    change->entry.command.in.flight.if_match = if_match;
    submit_one(change);
}

/* A key names the request; each of its lines is known by a key of its own. */
static struct aw_once
once_of_line(const struct change *change, uint32_t number)
{
    struct aw_once once = change->once;
    uint64_t       bytes[3] = {once.key.low, once.key.high, number};

    if (number > 0 && aw_once_is_set(&once))
        once.key = aw_hash128(&change->call.io->shared->table_key, bytes, sizeof(bytes));
    return once;
}

static void
read_line(struct aw_call *call, struct aw_api_line *line, enum aw_media media, struct aw_slice bytes, struct aw_entry *entry)
{
    struct change          *change = (struct change *)call;
    struct aw_flight_line   want;
    struct aw_proto_problem problem;

    if (aw_proto_decode_flight_line(aw_call_arena(call), media, bytes, &want, &problem) != AW_OK) {
        aw_api_line_refuse(call, line, &problem);
        return;
    }
    entry->command = (struct aw_command){.kind = AW_COMMAND_FLIGHT,
                                         .once = once_of_line(change, line->number),
                                         .in.flight = flight_command(change, want.number, want.date_days, &want.want)};
    line->entry = entry;
}

void
aw_api_post_flights(struct aw_io *io, struct aw_request *request, struct aw_slice id)
{
    enum aw_media  media;
    struct change *change = begin_change(io, request, true, &media);

    (void)id;
    if (change == NULL || !aw_api_once(&change->call, change->by, &change->once) ||
        !aw_api_lines_take(&change->call, &change->lines, media, read_line))
        return;
    if (change->lines.submission.count == 0)
        answer_lines(change); /* a body of one that was refused is answered already */
    else
        aw_call_submit(&change->call, &change->lines.submission);
}

void
aw_api_put_airport(struct aw_io *io, struct aw_request *request, struct aw_slice id)
{
    enum aw_media             media;
    struct change            *change = begin_change(io, request, false, &media);
    struct aw_in_airport      in = {.from = 0};
    struct aw_airport_request want;
    struct aw_proto_problem   problem;

    if (change == NULL || !parse_airport(&change->call, id, &in.code) || !aw_api_if_match(&change->call, &in.if_match))
        return;
    if (aw_proto_decode_airport_put(&request->arena, media, request->body, &want, &problem) != AW_OK) {
        aw_api_refuse_body(&change->call, &problem);
        return;
    }
    in.from = want.is_closed && want.from == 0 ? io->wall : want.from;
    in.until = want.until;
    in.by = change->by;
    in.dry_run = want.dry_run;
    if (want.is_closed && in.until <= in.from) {
        aw_api_refuse_field(&change->call, "until", "until lies in the past; with no from the airport is closed from now on");
        return;
    }
    change->entry.command = (struct aw_command){.kind = AW_COMMAND_AIRPORT, .in.airport = in};
    submit_one(change);
}

void
aw_api_undo(struct aw_io *io, struct aw_request *request, struct aw_slice id)
{
    enum aw_media           media;
    struct change          *change = begin_change(io, request, false, &media);
    struct aw_in_undo       in = {.dry_run = false};
    struct aw_undo_request  want;
    struct aw_proto_problem problem;

    if (change == NULL || !aw_api_once(&change->call, change->by, &change->once))
        return;
    if (!aw_change_id_parse(id, &in.change)) {
        aw_call_fail(&change->call, AW_E_NOT_FOUND, "there is no change by that id");
        return;
    }
    if (aw_proto_decode_undo(&request->arena, media, request->body, &want, &problem) != AW_OK) {
        aw_api_refuse_body(&change->call, &problem);
        return;
    }
    in.by = change->by;
    in.dry_run = want.dry_run;
    change->entry.command = (struct aw_command){.kind = AW_COMMAND_UNDO, .once = change->once, .in.undo = in};
    submit_one(change);
}
