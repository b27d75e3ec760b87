/* api_history.c - who did what to a ticket, and when: a page of its events. */
#include "base/text.h"
#include "proto/proto.h"
#include "run/api.h"
#include "run/io.h"
#include "run/query.h"
#include "run/read_history.h"

#include <inttypes.h>

/* For an item at a guess; a page that needs more is read again. */
#define ITEM_BYTES 640U

struct history {
    struct aw_call         call;
    struct aw_submission   submission;
    struct aw_query        query;
    struct aw_ticket_view  view;
    struct aw_read        *read; /* NULL: the state is asked first */
    struct aw_history_read page;
    bool                   is_scanning; /* counted in io->history_scans */
};

static void
end_scan(struct history *history)
{
    if (!history->is_scanning)
        return;
    history->is_scanning = false;
    AW_ASSERT(history->call.io->history_scans > 0);
    history->call.io->history_scans--;
}

static void
answer(struct history *history)
{
    struct aw_arena       *arena = aw_call_arena(&history->call);
    struct aw_buffer       body = {.ptr = NULL}, link;
    struct aw_header_field field = {AW_SLICE("link"), {NULL, 0}};
    char                   cursor[AW_BASE32_U64_CHARS];

    aw_buffer_init(&link, arena);
    aw_base32_u64(history->page.next, cursor);
    aw_buffer_printf(&link, "<%.*s?cursor=%.*s&limit=%" PRIu32 ">; rel=\"next\"", AW_SLICE_ARGS(history->call.request->path),
                     (int)sizeof(cursor), cursor, history->page.limit);
    field.value = aw_buffer_slice(&link);
    body.ptr = history->read->memory;
    body.len = history->page.body.len;
    body.failed = link.failed;
    aw_call_answer(&history->call, 200, history->page.media, &body, &field, history->page.next != 0);
}

static const char *
words_for(enum aw_err err)
{
    if (err == AW_E_NOT_FOUND)
        return "there is no such ticket, or it was forgotten, and the journal has not kept its beginning";
    return err == AW_E_CORRUPT ? "a stored record is damaged" : "";
}

static void
read_page(struct history *history)
{
    struct aw_io *io = history->call.io;

    history->page.is_forgotten = history->query.err == AW_E_NOT_FOUND;
    history->page.last_seq = history->view.last_seq;
    history->page.until = aw_lanes_published(io->shared->lanes);
    history->page.reopen_ms = io->shared->settings->reopen_h * 3600 * AW_MS_PER_S;
    if (history->page.is_forgotten && io->history_scans >= AW_IO_SCANS_MAX) {
        aw_call_fail(&history->call, AW_E_OVERLOADED, "others look for forgotten tickets already");
        return;
    }
    history->read = aw_api_read_new(&history->call, 1, (history->page.limit + 2) * ITEM_BYTES);
    if (history->read == NULL) {
        aw_call_fail(&history->call, AW_E_MEMORY, "");
        return;
    }
    history->read->items[0] = (struct aw_read_item){.kind = AW_READ_HISTORY, .history = &history->page};
    history->is_scanning = history->page.is_forgotten;
    io->history_scans += history->is_scanning;
    aw_call_read(&history->call, history->read);
}

/* Of a forgotten ticket nobody knows the lane. False: answered 403. */
static bool
may_see(struct history *history)
{
    return history->query.err == AW_OK ? aw_api_may_see(&history->call, &history->view) : aw_access_every_lane(&history->call);
}

static void
on_back(struct aw_call *call)
{
    struct history *history = (struct history *)call;
    enum aw_err     err = history->submission.err;
    bool            failed;

    if (history->read == NULL) {
        if (err == AW_OK && history->query.err != AW_E_NOT_FOUND)
            err = history->query.err;
        if (err != AW_OK)
            aw_call_fail(call, err, "");
        else if (may_see(history))
            read_page(history);
        return;
    }
    if (aw_api_read_again(call, history->read, &failed))
        return;
    end_scan(history);
    err = failed ? AW_E_MEMORY : history->read->items[0].err;
    if (err == AW_OK)
        answer(history);
    else
        aw_call_fail(call, err, words_for(err));
}

static bool
on_gone(struct aw_call *call)
{
    end_scan((struct history *)call);
    return false;
}

static const struct aw_call_ops ops = {.on_back = on_back, .on_gone = on_gone};

/* False: answered. */
static bool
set_parameter(struct history *history, const struct aw_parameter *parameter)
{
    uint64_t limit;

    if (aw_slice_eq(parameter->name, AW_SLICE("cursor"))) {
        if (aw_base32_to_u64(parameter->value, &history->page.above))
            return true;
        aw_api_refuse_field(&history->call, "cursor", "cursor takes what `next` gave");
        return false;
    }
    if (aw_slice_eq(parameter->name, AW_SLICE("limit"))) {
        if (aw_slice_to_u64(parameter->value, AW_HISTORY_PAGE_MAX, &limit) && limit > 0) {
            history->page.limit = (uint32_t)limit;
            return true;
        }
        aw_api_refuse_field(&history->call, "limit", "limit takes a whole number from 1 to 100");
        return false;
    }
    aw_call_problem(&history->call, &(struct aw_problem){.err = AW_E_UNKNOWN_FIELD,
                                                         .field = aw_slice_is_utf8(parameter->name) ? parameter->name
                                                                                                    : (struct aw_slice){NULL, 0},
                                                         .detail = AW_SLICE("the query takes cursor and limit")});
    return false;
}

static bool
read_query(struct history *history)
{
    struct aw_slice     query = history->call.request->query;
    struct aw_parameter parameter;
    bool                failed;

    while (aw_query_take(aw_call_arena(&history->call), &query, &parameter, &failed)) {
        if (!set_parameter(history, &parameter))
            return false;
    }
    if (failed)
        aw_call_fail(&history->call, AW_E_MEMORY, "");
    return !failed;
}

void
aw_api_history(struct aw_io *io, struct aw_request *request, struct aw_slice id)
{
    struct history     *history = aw_call_new(io, request, &ops, sizeof(*history));
    struct aw_ticket_id ticket;

    if (history == NULL)
        return;
    if (!aw_ticket_id_parse(id, &ticket) || ticket.shard != io->shared->shard) {
        aw_call_fail(&history->call, AW_E_NOT_FOUND, "there is no such ticket");
        return;
    }
    history->page = (struct aw_history_read){.source = aw_api_event_source(io), .ticket = ticket, .limit = AW_HISTORY_PAGE_MAX};
    if (!aw_call_negotiate(&history->call, false, &history->page.media) || !read_query(history))
        return;
    history->query = (struct aw_query){.kind = AW_QUERY_TICKET, .ticket = ticket, .views = &history->view, .room = 1};
    history->submission = (struct aw_submission){.kind = AW_SUBMIT_QUERY, .query = &history->query};
    aw_call_submit(&history->call, &history->submission);
}
