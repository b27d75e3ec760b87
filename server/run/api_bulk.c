/* api_bulk.c - one change of many tickets: those that fit a filter, or those that are named.
 *
 * Each ticket is changed by a command of its own, with a record and an event of its own; one that fails says so and the others are
 * done. They go piece by piece, with the work of others between: the next piece is asked for when the answer of the one before has
 * left. With a filter each piece is a look by slot, which goes on where the one before ended; a ticket that changed between the
 * look and its command is left alone (412). With `atomic` all of them are one submission, of which the committer carries out all or
 * none.
 *
 *   LOOKS    the committer looks for the next piece
 *   CHANGES  it carries the piece out
 *   TOLD     what became of it is on its way to the client
 */
#include "proto/proto.h"
#include "run/api.h"
#include "run/feed.h"
#include "run/io.h"
#include "run/search_request.h"

#include <stdlib.h>

/* Tickets of a piece: about a millisecond of the committer. */
#define PIECE 256U

enum step { LOOKS, CHANGES, TOLD };

struct bulk {
    struct aw_call         call;
    struct aw_arena        work; /* for a piece */
    struct aw_feed         feed;
    enum aw_media          media;
    enum step              step;
    struct aw_bulk_request want;
    struct aw_command      command; /* what is done to each, but for which it is */
    struct aw_submission   submission;
    struct aw_submission   cancel;
    struct aw_query        query;
    struct aw_search       search;
    struct aw_entry       *entries; /* of the piece; room for `room` */
    uint32_t               room;
    uint32_t               next; /* of the tickets that are named: the first behind the piece */
    uint32_t               line; /* the last one that was told */
    struct aw_bulk_answer  told;
    bool                   has_begun; /* the head was sent */
    bool                   is_last;   /* nothing comes behind this piece */
    bool                   is_counted;
};

/* --- the end ---------------------------------------------------------------------------------------------------------------- */

static void
leave(struct bulk *bulk)
{
    if (!bulk->is_counted)
        return;
    bulk->is_counted = false;
    AW_ASSERT(bulk->call.io->bulks > 0);
    bulk->call.io->bulks--;
    aw_arena_reset(&bulk->work);
    bulk->call.work = NULL;
}

/* What was done is done, and whoever misses the last line knows that this is not all. */
static void
give_up(struct bulk *bulk, enum aw_err err)
{
    leave(bulk);
    if (bulk->has_begun)
        aw_call_abort_stream(&bulk->call);
    else
        aw_call_fail(&bulk->call, err, "");
}

/* --- what became of a piece -------------------------------------------------------------------------------------------------- */

static void
write_line(struct bulk *bulk, struct aw_writer *writer, const struct aw_command *command)
{
    struct aw_done_answer done = aw_api_ticket_done(command);
    struct aw_problem     problem;
    char                  text[AW_ID_TEXT_BYTES];

    bulk->line++;
    if (!bulk->want.dry_run)
        aw_metric_add(bulk->call.io->metrics, command->out.err == AW_OK ? AW_METRIC_BULK_DONE : AW_METRIC_BULK_REFUSED, 1);
    if (command->out.err == AW_OK) {
        bulk->told.done++;
        if (!aw_proto_write_done_line(writer, bulk->line, 200, &done))
            AW_UNREACHABLE(); /* only stored messages can be damaged */
        return;
    }
    bulk->told.failed++;
    problem = aw_api_ticket_problem(command, command->out.err);
    problem.line = bulk->line;
    if (bulk->want.filter_known) {
        aw_ticket_id_format(command->in.ticket.ticket, text);
        problem.ticket = aw_slice_str(text);
    } else {
        problem.ticket = bulk->want.tickets[bulk->line - 1]; /* as it was sent: it may be none of ours */
    }
    if (problem.err == AW_E_PRECONDITION)
        problem.detail = AW_SLICE("it changed after it was found");
    else if (problem.err == AW_E_BODY_LARGE)
        problem.detail = AW_SLICE("all together are more than one batch takes: name fewer, or a shorter reason");
    problem.retry_after_s = aw_retry_after_s(problem.err);
    aw_proto_write_problem_line(writer, &problem);
}

static void go_on(struct bulk *bulk);

/* `count` of the entries are what was carried out. */
static void
tell(struct bulk *bulk, uint32_t count)
{
    struct aw_buffer buffer;
    struct aw_writer writer;

    aw_buffer_init(&buffer, &bulk->work);
    aw_writer_init(&writer, &buffer, bulk->media);
    for (uint32_t i = 0; i < count; i++)
        write_line(bulk, &writer, &bulk->entries[i].command);
    if (bulk->is_last)
        aw_proto_write_bulk_end(&writer, &bulk->told);
    if (buffer.failed) {
        give_up(bulk, AW_E_MEMORY);
        return;
    }
    bulk->step = TOLD;
    if (!bulk->has_begun && !aw_feed_begin(&bulk->feed, &bulk->call, bulk->media))
        return; /* nobody is there any more */
    bulk->has_begun = true;
    if (aw_feed_send(&bulk->feed, aw_buffer_slice(&buffer)) && bulk->is_last)
        go_on(bulk);
}

/* --- the next piece ---------------------------------------------------------------------------------------------------------- */

/* A key names the request; each of its tickets is known by a key of its own. */
static struct aw_once
once_of(const struct bulk *bulk, struct aw_ticket_id ticket)
{
    struct aw_once once = bulk->command.once;
    uint64_t       words[4] = {once.key.low, once.key.high, ticket.seq, ticket.slot};

    if (aw_once_is_set(&once))
        once.key = aw_hash128(&bulk->call.io->shared->table_key, words, sizeof(words));
    return once;
}

static void
set_command(struct bulk *bulk, uint32_t index, struct aw_ticket_id ticket, uint64_t version)
{
    struct aw_command *command = &bulk->entries[index].command;

    *command = bulk->command;
    command->once = once_of(bulk, ticket);
    command->in.ticket.ticket = ticket;
    command->in.ticket.if_match.version = version;
}

static void
carry_out(struct bulk *bulk, uint32_t count)
{
    if (count == 0) {
        tell(bulk, 0);
        return;
    }
    bulk->step = CHANGES;
    bulk->submission = (struct aw_submission){.kind = AW_SUBMIT_COMMANDS,
                                              .entries = bulk->entries,
                                              .count = count,
                                              .woken_lane = AW_LANE_NONE,
                                              .rests = true,
                                              .is_atomic = bulk->want.is_atomic};
    aw_call_submit(&bulk->call, &bulk->submission);
}

static void
take_named(struct bulk *bulk)
{
    uint32_t count = 0;

    while (count < bulk->room && bulk->next < bulk->want.ticket_count) {
        struct aw_ticket_id ticket = {.seq = 0}; /* names none: it is told so in its turn */

        if (!aw_ticket_id_parse(bulk->want.tickets[bulk->next++], &ticket))
            ticket = (struct aw_ticket_id){.shard = bulk->call.io->shared->shard};
        set_command(bulk, count++, ticket, 0);
    }
    bulk->is_last = bulk->next == bulk->want.ticket_count;
    carry_out(bulk, count);
}

static void
look(struct bulk *bulk)
{
    bulk->step = LOOKS;
    bulk->query = (struct aw_query){.kind = AW_QUERY_SEARCH, .search = &bulk->search};
    bulk->submission = (struct aw_submission){.kind = AW_SUBMIT_QUERY, .query = &bulk->query};
    aw_call_submit(&bulk->call, &bulk->submission);
}

static void
take_found(struct bulk *bulk)
{
    struct aw_search *search = &bulk->search;

    if (bulk->want.is_atomic && (search->has_more || search->count > AW_ATOMIC_MAX)) {
        leave(bulk);
        aw_api_refuse_field(&bulk->call, "atomic", "more than 1,000 tickets fit: so many can't be changed at once");
        return;
    }
    for (uint32_t i = 0; i < search->count; i++) {
        const struct aw_search_place *place = &search->found[i];

        set_command(bulk, i, (struct aw_ticket_id){.seq = place->seq, .slot = place->slot, .shard = bulk->call.io->shared->shard},
                    place->version);
    }
    if (search->count > 0)
        search->after = search->found[search->count - 1];
    bulk->is_last = !search->has_more;
    carry_out(bulk, search->count);
}

/* Nothing is out, and nothing waits for the client. */
static void
go_on(struct bulk *bulk)
{
    if (bulk->is_last) {
        leave(bulk);
        aw_feed_end(&bulk->feed);
        return;
    }
    if (bulk->call.io->draining) {
        give_up(bulk, AW_E_DRAINING);
        return;
    }
    aw_arena_reset(&bulk->work);
    if (bulk->want.filter_known)
        look(bulk);
    else
        take_named(bulk);
}

/* --- the call ----------------------------------------------------------------------------------------------------------------- */

static void
on_back(struct aw_call *call)
{
    struct bulk *bulk = (struct bulk *)call;
    enum aw_err  err = bulk->submission.err;

    if (err == AW_OK && bulk->step == LOOKS)
        err = bulk->query.err;
    if (err == AW_E_BAD_VALUE) {
        leave(bulk);
        aw_api_refuse_field(call, "channel", "tickets of this channel are not told apart from others: it has no number");
    } else if (err != AW_OK) {
        give_up(bulk, err);
    } else if (bulk->step == LOOKS) {
        take_found(bulk);
    } else {
        tell(bulk, bulk->submission.count);
    }
}

static void
on_room(struct aw_call *call)
{
    struct bulk *bulk = (struct bulk *)call;

    if (bulk->step == TOLD && !call->answered && aw_feed_go_on(&bulk->feed))
        go_on(bulk);
}

/* A look needs not be ended; what is carried out is. */
static void
on_leave(struct aw_call *call)
{
    struct bulk *bulk = (struct bulk *)call;

    if (bulk->step != LOOKS)
        return;
    bulk->cancel = (struct aw_submission){.kind = AW_SUBMIT_CANCEL, .target = &bulk->submission};
    aw_call_submit(call, &bulk->cancel);
}

static bool
on_gone(struct aw_call *call)
{
    leave((struct bulk *)call);
    return false;
}

static const struct aw_call_ops bulk_ops = {.on_back = on_back, .on_room = on_room, .on_leave = on_leave, .on_gone = on_gone};

/* --- what is asked for -------------------------------------------------------------------------------------------------------- */

static int
compare_slices(const void *a, const void *b)
{
    const struct aw_slice *one = a;
    const struct aw_slice *other = b;
    size_t                 shorter = one->len < other->len ? one->len : other->len;
    int                    order = memcmp(one->ptr, other->ptr, shorter);

    return order != 0 ? order : one->len < other->len ? -1 : one->len > other->len;
}

/* Each is named once: what one command does to a ticket is no news to the others. */
static bool
check_tickets(struct bulk *bulk)
{
    uint32_t         count = bulk->want.ticket_count;
    struct aw_slice *sorted = aw_arena_take(aw_call_arena(&bulk->call), count * sizeof(sorted[0]));

    if (sorted == NULL && count > 0) {
        aw_call_fail(&bulk->call, AW_E_MEMORY, "");
        return false;
    }
    if (count > 0) {
        memcpy(sorted, bulk->want.tickets, count * sizeof(sorted[0]));
        qsort(sorted, count, sizeof(sorted[0]), compare_slices);
    }
    for (uint32_t i = 1; i < count; i++) {
        if (aw_slice_eq(sorted[i - 1], sorted[i])) {
            aw_api_refuse_field(&bulk->call, "tickets", "a ticket is named twice");
            return false;
        }
    }
    if (!bulk->want.is_atomic || count <= AW_ATOMIC_MAX)
        return true;
    aw_api_refuse_field(&bulk->call, "atomic", "at most 1,000 tickets can be changed at once");
    return false;
}

/* Rules that need more than one field. */
static bool
check(struct bulk *bulk)
{
    const struct aw_bulk_request *want = &bulk->want;
    bool                          places = want->class_ != AW_CLASS_NONE || want->lane.len > 0;

    if (want->filter_known == (want->tickets != NULL))
        aw_api_refuse_field(&bulk->call, "tickets", "either tickets or filter says which tickets");
    else if (want->cancel == (places || want->hold_known))
        aw_api_refuse_field(&bulk->call, "cancel", "either cancel, or class, lane or hold says what is done");
    else if (want->hold_until != 0 && !want->hold)
        aw_api_refuse_field(&bulk->call, "hold_until", "hold_until goes with hold");
    else if (want->hold_until != 0 && want->hold_until <= bulk->call.io->wall)
        aw_api_refuse_field(&bulk->call, "hold_until", "hold_until lies in the past");
    else
        return check_tickets(bulk);
    return false;
}

static struct aw_command
command_of(const struct aw_bulk_request *want, struct aw_slice by, const struct aw_once *once)
{
    bool places = want->class_ != AW_CLASS_NONE || want->lane.len > 0;

    return (struct aw_command){.kind = want->cancel ? AW_COMMAND_CANCEL
                                       : places     ? AW_COMMAND_PLACE
                                       : want->hold ? AW_COMMAND_HOLD
                                                    : AW_COMMAND_UNHOLD,
                               .once = *once,
                               .in.ticket = {.by = by,
                                             .until = want->hold_until,
                                             .words = want->reason,
                                             .dry_run = want->dry_run,
                                             .class_ = want->class_,
                                             .lane = want->lane,
                                             .hold = !want->hold_known ? AW_HOLD_AS_IS
                                                     : want->hold      ? AW_HOLD_ON
                                                                       : AW_HOLD_OFF}};
}

/* Room for a piece; of what is atomic that is all, and one more that would be too many. */
static bool
make_room(struct bulk *bulk)
{
    struct aw_arena *arena = aw_call_arena(&bulk->call);

    bulk->room = bulk->want.is_atomic ? AW_ATOMIC_MAX + 1 : PIECE;
    bulk->entries = aw_arena_take_zeroed(arena, bulk->room, sizeof(bulk->entries[0]));
    bulk->search.found = aw_arena_take(arena, bulk->room * sizeof(bulk->search.found[0]));
    bulk->search.room = bulk->room;
    bulk->search.order = AW_SEARCH_BY_SLOT;
    if (bulk->entries != NULL && bulk->search.found != NULL)
        return true;
    aw_call_fail(&bulk->call, AW_E_MEMORY, "");
    return false;
}

void
aw_api_bulk(struct aw_io *io, struct aw_request *request, struct aw_slice id)
{
    struct bulk            *bulk = aw_call_new(io, request, &bulk_ops, sizeof(*bulk));
    struct aw_proto_problem problem;
    struct aw_once          once;
    struct aw_slice         by;
    enum aw_media           media;

    (void)id;
    if (bulk == NULL || !aw_api_agent(&bulk->call, &by) || !aw_api_media(&bulk->call, false, &media) ||
        !aw_call_negotiate(&bulk->call, true, &bulk->media) || !aw_api_once(&bulk->call, by, &once))
        return;
    if (aw_proto_decode_ticket_bulk(&request->arena, media, request->body, &bulk->want, &problem) != AW_OK) {
        aw_api_refuse_body(&bulk->call, &problem);
        return;
    }
    if (!check(bulk) || !make_room(bulk) ||
        (bulk->want.filter_known && !aw_search_request_filter(&bulk->call, &bulk->want.filter, &bulk->search.filter)))
        return;
    if (io->bulks >= AW_IO_BULKS_MAX) {
        aw_call_fail(&bulk->call, AW_E_OVERLOADED, "others change many tickets just now");
        return;
    }
    bulk->command = command_of(&bulk->want, by, &once);
    bulk->told.dry_run = bulk->want.dry_run;
    bulk->is_counted = true;
    io->bulks++;
    aw_arena_init(&bulk->work, io->blocks);
    bulk->call.work = &bulk->work;
    go_on(bulk);
}
