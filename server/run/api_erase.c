/* api_erase.c - POST /v1/customers/erase: all that a customer wrote is to be unreadable, and what was written to and about him.
 *
 *   look -> close -> cut -> wait   a reader looks whose texts and tickets they are, in many turns; then ERASE for each of his
 *                                  tickets, some at a time, then for himself; then the answer waits until the keys are cut, as
 *                                  long as that is soon: for what the eraser rests behind another's cut, and as much again
 * Texts go by his own record alone, so no reply that is stopped by his tickets' is given out without its text: a crash before it
 * has erased nothing, and was not answered. A client that leaves stops nothing. When messages were taken out of a ticket since the
 * look, it is looked again: his may lie in another one. A ticket that stays, as he wrote in it since, has one message more than the
 * look found, which hides one that was taken out: so behind such a one it is looked once more for what he wrote until then,
 * wherever that lies by now, and his own record is refused when anything was unfolded since.
 */
#include "proto/proto.h"
#include "run/api.h"
#include "run/eraser.h"
#include "run/io.h"
#include "run/read_erase.h"

#define TICKETS_PER_TURN 256U
#define LOOKS_MAX        4U
#define LOOK_NS          (20 * AW_NS_PER_MS)
#define WAIT_NS_MAX      (10 * AW_NS_PER_S)

AW_STATIC_ASSERT(WAIT_NS_MAX >= 2 * AW_ERASER_REST_NS_MAX, "a cut behind a slow one comes before the answer");

struct erase {
    struct aw_call         call;
    enum aw_media          media; /* of the answer */
    struct aw_slice        by;
    struct aw_erase_wish   wish;
    struct aw_erase_look   look;
    bool                   is_scanning; /* counted in io->history_scans */
    struct aw_read        *read;
    struct aw_erase_answer told;
    /* Closing. */
    struct aw_submission submission;
    struct aw_entry     *entries;
    size_t               next; /* of the look's tickets */
    bool                 is_submitted;
    bool                 is_last; /* his own */
    bool                 has_moved;
    bool                 stays;     /* a ticket in which he wrote since the look */
    bool                 is_second; /* the look is one behind such a ticket */
    uint32_t             looks;
    uint64_t             looked;   /* up to this record */
    uint64_t             last_seq; /* of the records */
    aw_ns                until;
};

static void
end_look(struct erase *erase)
{
    if (erase->is_scanning)
        erase->call.io->history_scans--;
    erase->is_scanning = false;
    aw_erase_look_fini(&erase->look);
}

static void
fail(struct erase *erase, enum aw_err err, const char *detail)
{
    end_look(erase);
    aw_call_fail(&erase->call, err, detail);
}

static void
answer(struct erase *erase)
{
    struct aw_buffer buffer;
    struct aw_writer writer;

    end_look(erase);
    aw_buffer_init(&buffer, aw_call_arena(&erase->call));
    aw_writer_init(&writer, &buffer, erase->media);
    aw_proto_write_erase(&writer, &erase->told);
    aw_call_answer(&erase->call, erase->told.unreadable || erase->told.dry_run ? 200 : 202, erase->media, &buffer, NULL, 0);
}

/* --- the keys ---------------------------------------------------------------------------------------------------------------- */

/* A store without keys has nothing to cut: there it is never so. */
static bool
is_unreadable(const struct erase *erase)
{
    return aw_metric_sum(erase->call.io->shared->metrics, AW_METRIC_ERASED_THROUGH) >= erase->last_seq;
}

static void
wait_for_cut(struct erase *erase)
{
    struct aw_call *call = &erase->call;
    bool            has_keys = aw_metric_sum(call->io->shared->metrics, AW_METRIC_ERASE_ASKED) >= erase->last_seq;

    erase->told.unreadable = is_unreadable(erase);
    if (erase->told.unreadable || !has_keys || call->io->draining || call->io->now >= erase->until)
        answer(erase);
    else
        aw_call_wait(call, call->io->now + LOOK_NS);
}

/* However long the look took. */
static void
begin_to_wait(struct erase *erase)
{
    erase->until = erase->call.io->now + WAIT_NS_MAX;
    wait_for_cut(erase);
}

static void
on_time(struct aw_call *call)
{
    wait_for_cut((struct erase *)call);
}

/* --- the tickets ------------------------------------------------------------------------------------------------------------- */

/* The next of them; when there is none, he himself. */
static void
submit(struct erase *erase)
{
    struct aw_in_erase in = {.customer = erase->wish.customer, .through = erase->wish.through, .by = erase->by};
    uint32_t           count = 0;

    erase->is_last = erase->next == erase->look.ticket_count;
    if (erase->is_last) {
        in.looked = erase->stays ? erase->looked : 0;
        erase->entries[count++].command = (struct aw_command){.kind = AW_COMMAND_ERASE, .in.erase = in};
    }
    while (count < TICKETS_PER_TURN && erase->next < erase->look.ticket_count) {
        const struct aw_erase_ticket *ticket = &erase->look.tickets[erase->next++];

        in.ticket = ticket->id;
        in.ticket.shard = erase->call.io->shared->shard;
        in.messages = ticket->messages;
        erase->entries[count++].command = (struct aw_command){.kind = AW_COMMAND_ERASE, .in.erase = in};
    }
    erase->is_submitted = true;
    erase->submission =
        (struct aw_submission){.kind = AW_SUBMIT_COMMANDS, .entries = erase->entries, .count = count, .woken_lane = AW_LANE_NONE};
    aw_call_submit(&erase->call, &erase->submission);
}

static enum aw_err
take_done(struct erase *erase)
{
    enum aw_err err = erase->submission.err;

    erase->is_submitted = false;
    for (uint32_t i = 0; err == AW_OK && i < erase->submission.count; i++) {
        const struct aw_outcome_of *out = &erase->entries[i].command.out;

        err = out->err;
        erase->last_seq = out->changed ? out->seq : erase->last_seq;
        erase->has_moved |= out->u.erase.moved;
        erase->stays |= out->u.erase.stays;
    }
    return err;
}

/* --- the look ---------------------------------------------------------------------------------------------------------------- */

/* For what he wrote until now; behind a ticket that stays for what he wrote until the look before, wherever that is by now. */
static void
look(struct erase *erase)
{
    uint64_t until = aw_lanes_published(erase->call.io->shared->lanes);

    aw_erase_look_fini(&erase->look);
    erase->looks++;
    erase->next = 0;
    erase->is_second |= erase->stays;
    erase->is_last = false;
    erase->looked = until;
    if (!erase->is_second)
        erase->wish.through = until;
    erase->has_moved = false;
    erase->stays = false;
    aw_erase_look_init(&erase->look, &erase->wish, 1, until, true);
    erase->read->items[0] = (struct aw_read_item){.kind = AW_READ_ERASE, .erase = &erase->look};
    aw_call_read(&erase->call, erase->read);
}

/* One that comes after others finds what these closed, too: no text has gone. */
static void
take_look(struct erase *erase)
{
    enum aw_err err = erase->read->items[0].err;

    if (err != AW_OK) {
        fail(erase, err == AW_E_CORRUPT ? AW_E_INTERNAL : err, err == AW_E_CORRUPT ? "a stored record is damaged" : "");
        return;
    }
    erase->told.tickets = erase->look.ticket_count;
    erase->told.messages = erase->look.messages;
    erase->told.replies = erase->look.replies;
    erase->told.notes = erase->look.notes;
    if (erase->told.dry_run)
        answer(erase);
    else
        submit(erase);
}

/* --- what comes back --------------------------------------------------------------------------------------------------------- */

/* His own record is there. */
static bool
is_done(const struct erase *erase)
{
    return erase->is_last && !erase->has_moved;
}

/* After a submission. False: it is over, and what there is to say is said by who can. */
static bool
go_on(struct erase *erase)
{
    bool is_unsure = erase->has_moved || (erase->stays && !erase->is_second);
    bool is_through = erase->next == erase->look.ticket_count;

    if (is_done(erase) || (is_unsure && is_through && erase->looks == LOOKS_MAX))
        return false;
    if (is_unsure && is_through)
        look(erase);
    else
        submit(erase);
    return true;
}

static void
on_back(struct aw_call *call)
{
    struct erase *erase = (struct erase *)call;
    enum aw_err   err;
    bool          failed;

    if (!erase->is_submitted) {
        if (!aw_api_read_again(call, erase->read, &failed))
            take_look(erase);
        return;
    }
    err = take_done(erase);
    if (err == AW_OK && go_on(erase))
        return;
    end_look(erase); /* others may look while this one waits */
    if (err != AW_OK)
        fail(erase, err, "");
    else if (!is_done(erase) && !erase->has_moved)
        fail(erase, AW_E_STALE, "the customer writes all the time: nothing is erased yet; ask again");
    else if (!is_done(erase))
        fail(erase, AW_E_STALE, "messages are being unfolded, maybe his: nothing is erased yet; ask again");
    else if (erase->stays)
        fail(erase, AW_E_STALE, "the customer wrote meanwhile: what he wrote before is erased, and his ticket waits; ask again");
    else
        begin_to_wait(erase);
}

/* Once a ticket is closed it goes on to the end, or what is left of him would wait for somebody to ask again. */
static bool
on_gone(struct aw_call *call)
{
    struct erase *erase = (struct erase *)call;
    bool          goes_on = false;
    bool          failed;

    if (erase->is_submitted) {
        goes_on = take_done(erase) == AW_OK && go_on(erase);
    } else if (erase->looks > 1 && !erase->is_last) {
        goes_on = aw_api_read_again(call, erase->read, &failed);
        if (!goes_on && erase->read->items[0].err == AW_OK) {
            submit(erase);
            goes_on = true;
        }
    }
    if (!goes_on)
        end_look(erase);
    return goes_on;
}

static const struct aw_call_ops ops = {.on_back = on_back, .on_gone = on_gone, .on_time = on_time};

/* --- the request ------------------------------------------------------------------------------------------------------------- */

/* False: answered. */
static bool
read_request(struct erase *erase)
{
    struct aw_call         *call = &erase->call;
    struct aw_erase_request want;
    struct aw_proto_problem problem;
    enum aw_media           media;

    if (!aw_api_agent(call, &erase->by) || !aw_api_media(call, false, &media) || !aw_call_negotiate(call, false, &erase->media))
        return false;
    if (aw_proto_decode_erase(aw_call_arena(call), media, call->request->body, &want, &problem) != AW_OK) {
        aw_api_refuse_body(call, &problem);
        return false;
    }
    erase->told.dry_run = want.dry_run;
    erase->wish.customer = aw_api_contact_hash(&call->io->shared->table_key, want.channel, want.customer);
    return true;
}

void
aw_api_erase(struct aw_io *io, struct aw_request *request, struct aw_slice id)
{
    struct erase *erase = aw_call_new(io, request, &ops, sizeof(*erase));

    (void)id;
    if (erase == NULL || !read_request(erase))
        return;
    if (io->history_scans >= AW_IO_SCANS_MAX) {
        aw_call_fail(&erase->call, AW_E_OVERLOADED, "others look through the journal already");
        return;
    }
    erase->entries = aw_arena_take_zeroed(&request->arena, TICKETS_PER_TURN, sizeof(erase->entries[0]));
    erase->read = aw_api_read_new(&erase->call, 1, 0);
    if (erase->entries == NULL || erase->read == NULL) {
        aw_call_fail(&erase->call, AW_E_MEMORY, "");
        return;
    }
    io->history_scans++;
    erase->is_scanning = true;
    look(erase);
}
