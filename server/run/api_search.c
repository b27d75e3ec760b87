/* api_search.c - tickets by what they are: a list, oldest first.
 *
 * The state itself is asked, in steps between groups (core/search.h), not the last checkpoint: ADR 0021.
 */
#include "proto/proto.h"
#include "run/api.h"
#include "run/io.h"
#include "run/search_request.h"

struct search {
    struct aw_call       call;
    enum aw_media        media;
    struct aw_submission submission;
    struct aw_submission cancel;
    struct aw_query      query;
    struct aw_search     search;
};

static struct aw_ticket_answer
ticket_of(const struct search *search, const struct aw_ticket_view *view, struct aw_slice from_lanes[AW_TICKET_TRANSFERS_MAX])
{
    for (uint32_t i = 0; i < view->transfers; i++)
        from_lanes[i] = aw_lanes_directory_name(search->call.io->shared->directory, view->from_lanes[i]);
    return (struct aw_ticket_answer){.ticket = view->ticket,
                                     .state = view->state,
                                     .lane = view->lane_name,
                                     .class_ = view->class_,
                                     .gentle = view->gentle,
                                     .class_by_person = view->class_by_person,
                                     .opened_at = view->opened_at,
                                     .age_from = view->age,
                                     .closed_at = view->closed_at,
                                     .held_until = view->held_until,
                                     .departs_at = view->departs_at,
                                     .reply_by = view->reply_by,
                                     .expires_at = view->expires_at,
                                     .holder = view->holder,
                                     .attempt = view->attempt,
                                     .messages_total = view->messages_total,
                                     .from_lanes = from_lanes,
                                     .from_lane_count = view->transfers,
                                     .version = view->version,
                                     .is_deferred = view->is_deferred,
                                     .promise = view->promise,
                                     .incident = view->incident,
                                     .channel = view->channel_name};
}

static void
answer(struct search *search)
{
    const struct aw_search  *found = &search->search;
    const struct aw_query   *query = &search->query;
    struct aw_arena         *arena = aw_call_arena(&search->call);
    struct aw_ticket_answer *tickets = aw_arena_take(arena, query->count * sizeof(tickets[0]));
    struct aw_slice         *lanes = aw_arena_take(arena, (size_t)query->count * AW_TICKET_TRANSFERS_MAX * sizeof(lanes[0]));
    struct aw_found_answer   page = {
          .tickets = tickets, .count = query->count, .as_of = query->now, .total = found->total, .exact = found->in_one_step};
    struct aw_header_field link = {.name = {NULL, 0}};
    struct aw_buffer       buffer;
    struct aw_writer       writer;

    if (query->count > 0 && (tickets == NULL || lanes == NULL)) {
        aw_call_fail(&search->call, AW_E_MEMORY, "");
        return;
    }
    for (uint32_t i = 0; i < query->count; i++)
        tickets[i] = ticket_of(search, &query->views[i], &lanes[(size_t)i * AW_TICKET_TRANSFERS_MAX]);
    if (found->has_more)
        page.next = aw_search_request_next(&search->call, &found->found[found->count - 1], &link);
    aw_buffer_init(&buffer, arena);
    aw_writer_init(&writer, &buffer, search->media);
    aw_proto_write_found(&writer, &page);
    buffer.failed |= found->has_more && page.next.len == 0;
    aw_metric_add(search->call.io->metrics, AW_METRIC_SEARCHES, 1);
    aw_call_answer(&search->call, 200, search->media, &buffer, &link, found->has_more);
}

static void
on_found(struct aw_call *call)
{
    struct search *search = (struct search *)call;
    enum aw_err    err = search->submission.err != AW_OK ? search->submission.err : search->query.err;

    if (err == AW_E_BAD_VALUE)
        aw_api_refuse_field(call, "channel", "tickets of this channel are not told apart from others: it has no number");
    else if (err != AW_OK)
        aw_call_fail(call, err, "");
    else
        answer(search);
}

/* Nobody needs it any more. */
static void
on_left(struct aw_call *call)
{
    struct search *search = (struct search *)call;

    search->cancel = (struct aw_submission){.kind = AW_SUBMIT_CANCEL, .target = &search->submission};
    aw_call_submit(call, &search->cancel);
}

static const struct aw_call_ops search_ops = {.on_back = on_found, .on_leave = on_left};

void
aw_api_find_tickets(struct aw_io *io, struct aw_request *request, struct aw_slice id)
{
    struct search *search = aw_call_new(io, request, &search_ops, sizeof(*search));
    uint32_t       items;

    (void)id;
    if (search == NULL || !aw_call_negotiate(&search->call, false, &search->media) ||
        !aw_search_request_read(&search->call, &search->search, &items))
        return;
    search->search.found = aw_arena_take(&request->arena, items * sizeof(search->search.found[0]));
    search->search.room = items;
    search->query = (struct aw_query){.kind = AW_QUERY_SEARCH,
                                      .views = aw_arena_take(&request->arena, items * sizeof(search->query.views[0])),
                                      .search = &search->search};
    if (search->search.found == NULL || search->query.views == NULL) {
        aw_call_fail(&search->call, AW_E_MEMORY, "");
        return;
    }
    search->submission = (struct aw_submission){.kind = AW_SUBMIT_QUERY, .query = &search->query};
    aw_call_submit(&search->call, &search->submission);
}
