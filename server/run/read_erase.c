/* read_erase.c - see read_erase.h. */
#include "run/read_erase.h"

#include <stdlib.h>
#include <string.h>

void
aw_erase_look_init(struct aw_erase_look *look, const struct aw_erase_wish *wishes, uint32_t count, uint64_t until, bool counts)
{
    *look = (struct aw_erase_look){.wishes = wishes, .wish_count = count, .counts = counts, ._walk = {.at = 1, .until = until}};
}

void
aw_erase_look_fini(struct aw_erase_look *look)
{
    free(look->tickets);
    free(look->seqs);
    free(look->_places);
    free(look->_mentions);
    free(look->_ends);
    *look = (struct aw_erase_look){.wishes = NULL};
}

/* Room for one more in a list that grows by doubling. False: no memory. */
static bool
grow(void **list, size_t count, size_t item_bytes)
{
    void *grown;

    if ((count & (count - 1)) != 0 || (count != 0 && count < 16))
        return true;
    grown = reallocarray(*list, count == 0 ? 16 : 2 * count, item_bytes);
    if (grown == NULL)
        return false;
    *list = grown;
    return true;
}

/* --- whose messages lie in which tickets ------------------------------------------------------------------------------------- */

static bool
add_place(struct aw_erase_look *look, const struct aw_erase_place *place)
{
    void *places = look->_places;

    if (!grow(&places, look->_place_count, sizeof(*place)))
        return false;
    look->_places = places;
    look->_places[look->_place_count++] = *place;
    return true;
}

static enum aw_err
take_message(struct aw_erase_look *look, const struct aw_command *command)
{
    struct aw_erase_place place = {.message = command->out.seq, .by = command->out.seq, .ticket = command->out.u.message.ticket};

    for (uint32_t i = 0; i < look->wish_count; i++) {
        const struct aw_erase_wish *wish = &look->wishes[i];

        if (command->out.seq > wish->through || !aw_hash128_eq(command->in.message.contact, wish->customer))
            continue;
        place.through = wish->through > place.through ? wish->through : place.through;
    }
    return place.through == 0 || add_place(look, &place) ? AW_OK : AW_E_MEMORY;
}

static bool
is_told(const struct aw_told *told, uint64_t address)
{
    for (uint32_t i = 0; i < told->identity_count; i++) {
        if (told->identities[i].high == address)
            return true;
    }
    return (told->contact.low != 0 || told->contact.high != 0) && aw_address_of(told->contact) == address;
}

/* What was written in it before stays with it, and is his no more when all of his messages went. */
static void
drop_mentions(struct aw_erase_look *look, const struct aw_in_unfold *in)
{
    size_t kept = 0;

    for (size_t i = 0; i < look->_mention_count; i++) {
        const struct aw_erase_mention *mention = &look->_mentions[i];

        if (mention->ticket.seq != in->on.ticket.seq || is_told(&in->left, mention->address))
            look->_mentions[kept++] = *mention;
    }
    look->_mention_count = kept;
}

static enum aw_err
take_unfold(struct aw_erase_look *look, const struct aw_command *command)
{
    const struct aw_in_unfold *in = &command->in.unfold;

    drop_mentions(look, in);
    for (uint32_t i = 0; i < in->message_count; i++) {
        struct aw_erase_place place = {
            .message = in->messages[i], .by = command->out.seq, .ticket = command->out.u.ticket.ticket};

        if (!add_place(look, &place))
            return AW_E_MEMORY;
    }
    return AW_OK;
}

static bool
add_mention(struct aw_erase_look *look, const struct aw_erase_mention *mention)
{
    if (look->_mention_count == look->_mention_room) { /* not by `grow`: an unfolding takes some away */
        size_t room = look->_mention_room == 0 ? 16 : 2 * look->_mention_room;
        void  *mentions = reallocarray(look->_mentions, room, sizeof(*mention));

        if (mentions == NULL)
            return false;
        look->_mentions = mentions;
        look->_mention_room = room;
    }
    look->_mentions[look->_mention_count++] = *mention;
    return true;
}

static struct aw_ticket_id
id_of(const struct aw_command *command)
{
    if (command->kind == AW_COMMAND_NOTE)
        return command->in.note.on.ticket;
    if (command->kind == AW_COMMAND_APPROVE)
        return command->out.u.reply.ticket;
    return (struct aw_ticket_id){
        .shard = command->in.fenced.lease.shard, .slot = command->in.fenced.lease.slot, .seq = command->out.effect.ticket_seq};
}

static enum aw_err
take_mention(struct aw_erase_look *look, const struct aw_command *command)
{
    const struct aw_effect *effect = &command->out.effect;

    for (uint32_t i = 0; i < effect->address_count && !aw_walk_is_kept(&look->_walk, command->out.seq); i++) {
        struct aw_erase_mention mention = {.ticket = id_of(command), .address = effect->addresses[i]};

        for (uint32_t j = 0; j < look->wish_count; j++) {
            const struct aw_erase_wish *wish = &look->wishes[j];

            if (command->out.seq <= wish->through && aw_address_of(wish->customer) == mention.address &&
                wish->through > mention.through)
                mention.through = wish->through;
        }
        if (mention.through != 0 && !add_mention(look, &mention))
            return AW_E_MEMORY;
    }
    return AW_OK;
}

/* Whoever it was erased for: what was written in it until then goes with what he wrote. When it was for him, the ticket is his
 * also without a message: retention may have been quicker than whoever erases. */
static enum aw_err
take_end(struct aw_erase_look *look, const struct aw_command *command)
{
    const struct aw_in_erase *in = &command->in.erase;
    struct aw_erase_end       end = {.ticket = in->ticket, .seq = command->out.seq};
    void                     *ends = look->_ends;

    if (in->ticket.slot == 0 || command->out.u.erase.spares)
        return AW_OK;
    for (uint32_t i = 0; i < look->wish_count; i++) {
        const struct aw_erase_wish *wish = &look->wishes[i];

        if (in->through <= wish->through && wish->through > end.through && aw_hash128_eq(in->customer, wish->customer))
            end.through = wish->through;
    }
    if (!grow(&ends, look->_end_count, sizeof(look->_ends[0])))
        return AW_E_MEMORY;
    look->_ends = ends;
    look->_ends[look->_end_count++] = end;
    return AW_OK;
}

static int
compare_places(const void *a, const void *b)
{
    const struct aw_erase_place *first = a, *second = b;

    if (first->message != second->message)
        return first->message < second->message ? -1 : 1;
    return first->by < second->by ? -1 : first->by > second->by;
}

static int
compare_tickets(const void *a, const void *b)
{
    const struct aw_erase_ticket *first = a, *second = b;

    return first->id.seq < second->id.seq ? -1 : first->id.seq > second->id.seq;
}

/* Where each message belongs by now. */
static void
settle_places(struct aw_erase_look *look)
{
    size_t kept = 0;

    if (look->_place_count > 0)
        qsort(look->_places, look->_place_count, sizeof(look->_places[0]), compare_places);
    for (size_t i = 0; i < look->_place_count; i++) {
        struct aw_erase_place *place = &look->_places[i];

        if (kept == 0 || look->_places[kept - 1].message != place->message) {
            look->_places[kept++] = *place;
        } else {
            look->_places[kept - 1].ticket = place->ticket; /* the last move counts */
            look->_places[kept - 1].by = place->by;
        }
    }
    look->_place_count = kept;
}

static struct aw_erase_ticket
his(struct aw_ticket_id id, uint64_t through)
{
    return (struct aw_erase_ticket){.id = id, .through = through, .seq = through};
}

/* Those in which his messages lie, or lay when a colleague wrote in them, and those that were closed for him, each once. */
static enum aw_err
settle_tickets(struct aw_erase_look *look)
{
    size_t tickets = 0;

    look->tickets = calloc(look->_place_count + look->_mention_count + look->_end_count + 1, sizeof(look->tickets[0]));
    if (look->tickets == NULL)
        return AW_E_MEMORY;
    for (size_t i = 0; i < look->_place_count; i++) {
        const struct aw_erase_place *place = &look->_places[i];

        if (place->through != 0)
            look->tickets[tickets++] = his(place->ticket, place->through);
    }
    for (size_t i = 0; i < look->_mention_count; i++)
        look->tickets[tickets++] = his(look->_mentions[i].ticket, look->_mentions[i].through);
    for (size_t i = 0; i < look->_end_count; i++) {
        const struct aw_erase_end *end = &look->_ends[i];

        if (end->through != 0)
            look->tickets[tickets++] = his(end->ticket, end->through);
    }
    qsort(look->tickets, tickets, sizeof(look->tickets[0]), compare_tickets);
    for (size_t i = 0; i < tickets; i++) {
        struct aw_erase_ticket *last = look->ticket_count == 0 ? NULL : &look->tickets[look->ticket_count - 1];

        if (last == NULL || last->id.seq != look->tickets[i].id.seq) {
            look->tickets[look->ticket_count++] = look->tickets[i];
            continue;
        }
        last->through = look->tickets[i].through > last->through ? look->tickets[i].through : last->through;
        last->seq = last->through;
    }
    return AW_OK;
}

/* --- the texts in them ------------------------------------------------------------------------------------------------------- */

static struct aw_erase_ticket *
find_ticket(const struct aw_erase_look *look, uint64_t seq)
{
    struct aw_erase_ticket key = {.id = {.seq = seq}};

    return look->ticket_count == 0 ? NULL
                                   : bsearch(&key, look->tickets, look->ticket_count, sizeof(look->tickets[0]), compare_tickets);
}

static void
settle_ends(struct aw_erase_look *look)
{
    for (size_t i = 0; i < look->_end_count; i++) {
        struct aw_erase_ticket *ticket = find_ticket(look, look->_ends[i].ticket.seq);

        if (ticket != NULL && look->_ends[i].seq > ticket->seq)
            ticket->seq = look->_ends[i].seq;
    }
}

/* Of which ticket the text is. */
static uint64_t
ticket_of(const struct aw_erase_look *look, const struct aw_command *command)
{
    size_t low = 0, high = look->_place_count;

    if (command->kind == AW_COMMAND_APPROVE) /* of a ticket that was forgotten its effect does not tell */
        return command->out.u.reply.ticket.seq;
    if (command->kind != AW_COMMAND_MESSAGE)
        return command->out.effect.ticket_seq;
    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (look->_places[middle].message < command->out.seq)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < look->_place_count && look->_places[low].message == command->out.seq)
        return look->_places[low].ticket.seq;
    return command->out.u.message.ticket.seq;
}

/* One that is gone counts no more. */
static enum aw_err
count_text(struct aw_erase_look *look, struct aw_journal_reader *reader, const struct aw_command *command)
{
    struct aw_slice body;
    enum aw_err     err = aw_journal_read_body(reader, command->out.seq, &body);

    if (err == AW_E_NOT_FOUND)
        return AW_OK;
    if (command->kind == AW_COMMAND_MESSAGE)
        look->messages++;
    else if (command->kind == AW_COMMAND_REPLY || command->kind == AW_COMMAND_COMPLETE)
        look->replies++;
    else
        look->notes++;
    return err == AW_E_CORRUPT ? AW_OK : err; /* it is there */
}

static enum aw_err
take_text(struct aw_erase_look *look, struct aw_journal_reader *reader, const struct aw_command *command)
{
    struct aw_erase_ticket *ticket = find_ticket(look, ticket_of(look, command));
    struct aw_in_body       content;
    void                   *seqs = look->seqs;

    if (ticket != NULL && command->kind == AW_COMMAND_MESSAGE)
        ticket->messages++;
    if (ticket == NULL || !aw_command_body(command, &content) ||
        command->out.seq > (command->kind == AW_COMMAND_MESSAGE ? ticket->through : ticket->seq))
        return AW_OK;
    if (look->counts)
        return count_text(look, reader, command);
    if (!grow(&seqs, look->seq_count, sizeof(look->seqs[0])))
        return AW_E_MEMORY;
    look->seqs = seqs;
    look->seqs[look->seq_count++] = command->out.seq;
    return AW_OK;
}

/* --- steps ------------------------------------------------------------------------------------------------------------------- */

/* Other kinds have neither text nor messages. */
static bool
tells_whose(enum aw_command_kind kind)
{
    return kind == AW_COMMAND_MESSAGE || kind == AW_COMMAND_UNFOLD || kind == AW_COMMAND_ERASE || kind == AW_COMMAND_REPLY ||
           kind == AW_COMMAND_COMPLETE || kind == AW_COMMAND_NOTE || kind == AW_COMMAND_TRANSFER || kind == AW_COMMAND_DEFER ||
           kind == AW_COMMAND_APPROVE;
}

static enum aw_err
take(struct aw_erase_look *look, struct aw_journal_reader *reader, struct aw_arena *scratch, const struct aw_record *record)
{
    struct aw_command command;
    enum aw_err       err;

    if (!look->_is_second && !tells_whose(record->kind))
        return AW_OK;
    aw_arena_reset(scratch);
    err = aw_record_read(record, scratch, &command, NULL);
    if (err != AW_OK)
        return err;
    if (look->_is_second)
        return take_text(look, reader, &command);
    if (command.kind == AW_COMMAND_ERASE)
        return take_end(look, &command);
    if (command.kind == AW_COMMAND_UNFOLD)
        return take_unfold(look, &command);
    return command.kind == AW_COMMAND_MESSAGE ? take_message(look, &command) : take_mention(look, &command);
}

/* The first walk is over. AW_OK: there is nothing to look for in a second one. */
static enum aw_err
turn(struct aw_erase_look *look)
{
    enum aw_err err;

    settle_places(look);
    err = settle_tickets(look);
    if (err != AW_OK)
        return err;
    settle_ends(look);
    look->_is_second = true;
    if (look->ticket_count == 0)
        return AW_OK;
    look->_walk.at = look->tickets[0].id.seq;         /* no record of a ticket comes before the one that opened it... */
    for (size_t i = 0; i < look->_place_count; i++) { /* ...but messages that were moved there */
        if (look->_places[i].message < look->_walk.at && find_ticket(look, look->_places[i].ticket.seq) != NULL)
            look->_walk.at = look->_places[i].message;
    }
    return AW_E_AGAIN;
}

enum aw_err
aw_erase_look_step(struct aw_erase_look *look, struct aw_journal_reader *reader, struct aw_arena *scratch, uint32_t records)
{
    enum aw_err err = aw_walk_begin(&look->_walk, reader);

    for (uint32_t i = 0; err == AW_OK && i < records; i++) {
        struct aw_record record;
        aw_ms            now;

        err = aw_walk_next(&look->_walk, &record, &now);
        if (err == AW_E_AGAIN)
            return look->_is_second ? AW_OK : turn(look);
        if (err == AW_OK)
            err = take(look, reader, scratch, &record);
        if (err == AW_E_CORRUPT || err == AW_E_VERSION) {
            look->has_gaps = true;
            err = AW_OK;
        }
    }
    return err == AW_OK ? AW_E_AGAIN : err;
}
