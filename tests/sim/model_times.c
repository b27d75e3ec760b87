/* model_times.c - what customers are told and asked, and until when they can be answered. */
#include "sim/model_parts.h"

#define MINUTE_MS UINT64_C(60000)
#define STEP_MS   (5 * MINUTE_MS)
#define GOOD_MS   (5 * MINUTE_MS)
#define MOVES_MS  (120 * MINUTE_MS)
#define WINDOW_MS (240 * MINUTE_MS)

/* --- how long it takes -------------------------------------------------------------------------------------------------------- */

void
model_on_forecast(struct model *model, const struct aw_command *command)
{
    const struct aw_in_forecast *in = &command->in.forecast;

    model->forecast.at = model->now;
    for (unsigned i = 0; i < AW_CLASS_COUNT; i++) {
        uint32_t wait = aw_promise_wait_of((enum aw_class)i, in->base, 0);

        model->forecast.half[i] = in->waits[wait].steps[AW_HALF];
        model->forecast.nine[i] = in->waits[wait].steps[AW_NINE_OF_TEN];
    }
    for (uint32_t i = 0; i < in->lane_count; i++)
        model->is_told[in->lanes[i].lane] = in->lanes[i].group != AW_PROMISE_NO_GROUP;
}

void
model_make_promise(const struct model *model, struct model_ticket *ticket, bool is_told)
{
    const struct model_forecast *forecast = &model->forecast;
    struct model_promise        *promise = &ticket->promise;

    *promise = (struct model_promise){.made_at = 0};
    if (!is_told || !model->is_told[ticket->lane] || forecast->at == 0 || model->now - forecast->at > GOOD_MS ||
        forecast->half[ticket->class_] == 0)
        return;
    promise->made_at = promise->told_at = model->now;
    promise->half_by = model->now + forecast->half[ticket->class_] * STEP_MS;
    promise->nine_by = promise->told_nine_by = model->now + forecast->nine[ticket->class_] * STEP_MS;
}

void
model_judge_promise(struct model *model, struct model_ticket *ticket)
{
    struct model_promise *promise = &ticket->promise;

    if (promise->is_judged)
        return;
    promise->is_judged = true;
    if (promise->made_at != 0)
        *(model->now <= promise->told_nine_by ? &model->promises_kept : &model->promises_broken) += 1;
}

/* The next one at or behind `at` that is so many `unit_ms` from when it was promised. */
static aw_ms
up_to(const struct model_promise *promise, aw_ms at, uint64_t unit_ms)
{
    aw_ms next = promise->made_at;

    while (next < at)
        next += unit_ms;
    return next;
}

void
model_on_promise(struct model *model, const struct aw_command *command)
{
    const struct aw_in_promise *in = &command->in.promise;
    struct model_ticket        *ticket = model_ticket_of(model, command);
    struct model_promise       *promise = &ticket->promise;

    REQUIRE(ticket->state == AW_TICKET_WAITING && promise->made_at != 0 && !promise->is_judged,
            "record %llu: moves what nobody promised, or what was kept", NUM(command->out.seq));
    REQUIRE(!promise->has_moved || model->now >= promise->told_at + MOVES_MS, "record %llu: a promise moves too often",
            NUM(command->out.seq));
    REQUIRE(in->nine_of_ten_by > promise->nine_by, "record %llu: a promise moves back", NUM(command->out.seq));
    promise->told_at = up_to(promise, model->now, MINUTE_MS);
    if (promise->told_at == promise->made_at)
        promise->told_at += MINUTE_MS;
    promise->half_by = up_to(promise, in->half_by, STEP_MS);
    promise->nine_by = up_to(promise, in->nine_of_ten_by, STEP_MS);
    promise->has_moved = true;
    model->promises_moved++;
    (void)model_owe(model, ticket, command->out.seq, AW_REPLY_PROMISE_MOVED);
}

/* --- what the server owes ----------------------------------------------------------------------------------------------------- */

/* Whether there was room only the state tells; that it was left out is counted. */
bool
model_owe(struct model *model, const struct model_ticket *ticket, uint64_t seq, enum aw_reply_kind kind)
{
    struct aw_reply_view view;

    if (!model->has_text[kind] || !ticket->has_account)
        return false;
    if (aw_state_reply(model->shadow, seq, &view) == AW_OK) {
        model_add_owed(model, ticket, seq, kind);
        return true;
    }
    model->left_out++;
    return false;
}

/* Whether its customer is asked whether he still waits, when he has waited long enough. */
static bool
may_be_asked(const struct model *model, const struct model_ticket *ticket)
{
    return model->settings.still_needed_ms != 0 && ticket->state == AW_TICKET_WAITING && !ticket->is_asked && !ticket->ask_over &&
           !ticket->promise.is_judged && ticket->has_account && ticket->word.due_at == 0 && ticket->class_ != AW_CLASS_CARE &&
           model->has_text[AW_REPLY_STILL_NEEDED];
}

void
model_on_ask(struct model *model, const struct aw_command *command, struct model_ticket *ticket)
{
    REQUIRE(may_be_asked(model, ticket) && ticket->opened_at + model->settings.still_needed_ms <= model->now,
            "record %llu: the customer of ticket %llu is asked whether he still waits, and should not be", NUM(command->out.seq),
            NUM(ticket->id.seq));
    ticket->ask_over = true;
    ticket->is_asked = model_owe(model, ticket, command->out.seq, AW_REPLY_STILL_NEEDED);
}

/* --- until when --------------------------------------------------------------------------------------------------------------- */

/* The earliest that lay ahead when the newest message came. */
void
model_note_window(struct model_ticket *ticket, const struct model_source *source, aw_ms at, bool is_first)
{
    bool lies_ahead = source->reply_by > at, is_over = ticket->reply_by <= at;

    if (is_first || (lies_ahead && (is_over || source->reply_by < ticket->reply_by)))
        ticket->reply_by = source->reply_by;
}

void
model_retell_window(const struct model *model, struct model_ticket *ticket)
{
    bool is_first = true;

    for (uint32_t i = 0; i < model->message_count; i++) {
        const struct model_message *message = &model->messages[i];

        if (message->ticket != ticket->id.seq)
            continue;
        model_note_window(ticket, &model->sources[message->source], message->at, is_first);
        is_first = false;
    }
}

/* --- what customers answer ---------------------------------------------------------------------------------------------------- */

struct model_ticket *
model_answered_by(struct model *model, const struct model_source *source, struct model_ticket **ret_may)
{
    struct model_reply  *reply = source->answers == 0 ? NULL : model_find_reply(model, source->answers);
    struct model_ticket *ticket = reply == NULL ? NULL : model_find(model, reply->ticket);
    struct aw_reply_view view;

    *ret_may = NULL;
    /* What we post in public anybody may answer: there only who is known in its ticket. */
    if (ticket == NULL || ticket->erased_at != 0 || (!source->is_private && !ticket->is_known) ||
        (!model_is_open(ticket) && model->now - ticket->closed_at >= model->settings.reopen_ms))
        return NULL;
    *ret_may = ticket;
    return reply->told_send == source->answers_send && aw_state_reply(model->shadow, reply->seq, &view) == AW_OK ? ticket : NULL;
}

/* --- comparing ---------------------------------------------------------------------------------------------------------------- */

void
model_compare_times(const struct model *model, const struct model_ticket *ticket, const struct aw_ticket_view *view)
{
    const struct model_promise *promise = &ticket->promise;

    (void)model;
    REQUIRE(view->reply_by == ticket->reply_by, "ticket %llu is to be answered by %llu, not %llu", NUM(ticket->id.seq),
            NUM(view->reply_by), NUM(ticket->reply_by));
    REQUIRE(view->promise.made_at == promise->told_at && view->promise.half_by == promise->half_by &&
                view->promise.nine_of_ten_by == promise->nine_by,
            "ticket %llu: told at %llu half by %llu, nine of ten by %llu, not at %llu %llu, %llu", NUM(ticket->id.seq),
            NUM(view->promise.made_at), NUM(view->promise.half_by), NUM(view->promise.nine_of_ten_by), NUM(promise->told_at),
            NUM(promise->half_by), NUM(promise->nine_by));
}

void
model_judge_times(const struct model *model, const struct model_ticket *ticket)
{
    static const uint64_t handling_minutes[AW_CLASS_COUNT] = {10, 5, 8, 6, 4};
    aw_ms                 left = ticket->reply_by > model->clock ? ticket->reply_by - model->clock : 0;
    bool                  is_near =
        left > 0 && left <= WINDOW_MS && ticket->class_ != AW_CLASS_CARE && left >= handling_minutes[ticket->class_] * MINUTE_MS;

    if (ticket->state == AW_TICKET_WAITING || ticket->state == AW_TICKET_HELD)
        REQUIRE(ticket->is_closing == is_near, "ticket %llu, to be answered by %llu, counts as %s", NUM(ticket->id.seq),
                NUM(ticket->reply_by), is_near ? "one with time" : "one without");
    REQUIRE(!may_be_asked(model, ticket) || ticket->opened_at + model->settings.still_needed_ms > model->clock,
            "ticket %llu: nobody asks its customer whether he still waits", NUM(ticket->id.seq));
}
