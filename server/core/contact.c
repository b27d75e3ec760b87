/* contact.c - who only talked about us: answered once on a channel, unless he wants to hear nothing.
 *
 * A ticket that talk about us opened has the mark LISTENING and a row beside its facts (AW_FACT_CONTACT) with the hash of channel
 * and customer, by which the row of what is known of him is found. There is one
 *   from the first reply that an agent writes to him, for contact_ms, until he writes to us himself;
 *   from his opt-out, until a person takes that back.
 * While there is one, agents are refused further replies on such tickets; the server itself writes nothing there anyway, as it
 * knows no account of them. A row is never forgotten before its time: when all are taken, nobody new is written to, and a quarter
 * of them is for opt-outs alone.
 *
 * A first reply that nobody sent yet is not sent to who opts out: it is DEAD, with a code of ours (outbox.c).
 */
#include "core/outbox.h"

/* Rows over that go with each new one: more than one, so that the table shrinks after a surge. */
#define DROPS_PER_TAKE 4
/* Rows that first contacts leave to opt-outs: one in so many. */
#define OPT_OUT_SHARE 4U

static const struct aw_contact_row *
row_at(const struct aw_state *state, uint32_t slot)
{
    return aw_rows_at(&state->contacts, slot);
}

static struct aw_contact_row *
change(struct aw_state *state, uint32_t slot)
{
    return aw_rows_change(&state->contacts, slot);
}

static bool
is_set(struct aw_hash128 hash)
{
    return hash.low != 0 || hash.high != 0;
}

/* Of a first contact that nothing came after. */
static bool
is_over(const struct aw_state *state, uint32_t slot)
{
    const struct aw_contact_row *row = row_at(state, slot);

    return row->opted_out_at == 0 && state->now - row->contacted_at >= state->globals.settings.contact_ms;
}

static uint32_t
find(const struct aw_state *state, struct aw_hash128 hash)
{
    uint32_t slot = is_set(hash) ? aw_index_find(&state->by_contact, hash) : 0;

    return slot != 0 && is_over(state, slot) ? 0 : slot;
}

/* --- rows ------------------------------------------------------------------------------------------------------------------- */

/* Those of first contacts lie in a list, the oldest first: record time never goes back. */
static void
list(struct aw_state *state, uint32_t slot)
{
    struct aw_contact_row *row = change(state, slot);

    row->prev = state->globals.contacts_last;
    if (row->prev != 0)
        change(state, row->prev)->next = slot;
    else
        state->globals.contacts_first = slot;
    state->globals.contacts_last = slot;
}

static void
unlist(struct aw_state *state, uint32_t slot)
{
    struct aw_contact_row *row = change(state, slot);

    if (row->prev != 0)
        change(state, row->prev)->next = row->next;
    else
        state->globals.contacts_first = row->next;
    if (row->next != 0)
        change(state, row->next)->prev = row->prev;
    else
        state->globals.contacts_last = row->prev;
    row->next = 0;
    row->prev = 0;
}

static void
forget(struct aw_state *state, uint32_t slot)
{
    if (row_at(state, slot)->opted_out_at == 0)
        unlist(state, slot);
    else
        state->globals.opted_out--;
    aw_index_remove(&state->by_contact, slot);
    aw_rows_give(&state->contacts, slot);
    aw_ledger_settle(&state->ledger);
}

/* Rows of first contacts that may be given away. At most so many are counted. */
static uint32_t
count_over(const struct aw_state *state, uint32_t most)
{
    uint32_t count = 0;

    for (uint32_t slot = state->globals.contacts_first; count < most && slot != 0 && is_over(state, slot);
         slot = row_at(state, slot)->next)
        count++;
    return count;
}

/* Whether a row can be taken that leaves so many others. */
static enum aw_err
admits(const struct aw_state *state, uint32_t left)
{
    uint32_t room = aw_rows_room(&state->contacts);

    return room > left || room + count_over(state, DROPS_PER_TAKE) > left ? AW_OK : AW_E_TABLE_FULL;
}

static uint32_t
rows_for_opt_outs(const struct aw_state *state)
{
    uint32_t rows = aw_rows_room(&state->contacts) + state->globals.heads[AW_TABLE_CONTACTS].live;
    uint32_t share = rows / OPT_OUT_SHARE;

    return share > state->globals.opted_out ? share - (uint32_t)state->globals.opted_out : 0;
}

/* There is room. One that is over for this hash is among the oldest, or lies in the way: it goes first. */
static uint32_t
take(struct aw_state *state, struct aw_hash128 hash)
{
    uint32_t               slot = aw_index_find(&state->by_contact, hash);
    struct aw_contact_row *row;

    aw_ledger_settle(&state->ledger);
    if (slot != 0)
        forget(state, slot);
    for (int i = 0; i < DROPS_PER_TAKE && state->globals.contacts_first != 0; i++) {
        if (is_over(state, state->globals.contacts_first))
            forget(state, state->globals.contacts_first);
    }
    slot = aw_rows_take(&state->contacts);
    row = change(state, slot);
    memcpy(row->hash, &hash, sizeof(hash));
    aw_index_insert(&state->by_contact, slot);
    return slot;
}

void
aw_contact_load_all(struct aw_state *state)
{
    aw_index_presize(&state->by_contact, state->globals.heads[AW_TABLE_CONTACTS].live);
    for (uint32_t slot = 1; slot <= state->globals.heads[AW_TABLE_CONTACTS].used; slot++) {
        if (row_at(state, slot)->contacted_at != 0 || row_at(state, slot)->opted_out_at != 0)
            aw_index_insert(&state->by_contact, slot);
    }
}

/* --- a first contact -------------------------------------------------------------------------------------------------------- */

/* Of the ticket's customer, if he only talked about us. Of other tickets no facts are looked through: this is on every path. */
static struct aw_hash128
contact_hash(const struct aw_state *state, uint32_t ticket)
{
    bool is_listening = (aw_ticket_at(state, ticket)->marks & AW_MARK_LISTENING) != 0;

    return is_listening ? aw_facts_contact(state, ticket) : (struct aw_hash128){.low = 0};
}

enum aw_err
aw_contact_check(const struct aw_state *state, uint32_t ticket)
{
    struct aw_hash128 hash = contact_hash(state, ticket);

    if (!is_set(hash))
        return AW_OK;
    return find(state, hash) != 0 ? AW_E_CONTACT_REFUSED : admits(state, rows_for_opt_outs(state));
}

uint32_t
aw_contact_make(struct aw_state *state, uint32_t ticket, uint64_t reply_seq)
{
    struct aw_hash128      hash = contact_hash(state, ticket);
    struct aw_contact_row *row;
    uint32_t               slot;

    if (!is_set(hash))
        return 0;
    slot = take(state, hash);
    row = change(state, slot);
    row->contacted_at = state->now;
    row->reply_seq = reply_seq & AW_ROW_SEQ_MAX;
    list(state, slot);
    state->globals.first_contacts++;
    aw_ledger_settle(&state->ledger);
    return slot;
}

/* The row of the first contact that this reply makes; 0: it makes none, or he was heard of since. */
static uint32_t
row_of(const struct aw_state *state, const struct aw_reply_row *reply)
{
    return reply->contact != 0 && row_at(state, reply->contact)->reply_seq == reply->seq ? reply->contact : 0;
}

bool
aw_contact_holds_back(const struct aw_state *state, const struct aw_reply_row *reply)
{
    uint32_t slot = row_of(state, reply);

    return slot != 0 && row_at(state, slot)->opted_out_at != 0;
}

void
aw_contact_unmake(struct aw_state *state, const struct aw_reply_row *reply)
{
    uint32_t slot = row_of(state, reply);

    if (slot == 0 || row_at(state, slot)->opted_out_at != 0)
        return;
    aw_ledger_settle(&state->ledger);
    forget(state, slot);
}

/* --- what he says ----------------------------------------------------------------------------------------------------------- */

/* From now on; his first contact is not sent, if that has time. */
static void
opt_out(struct aw_state *state, uint32_t slot)
{
    struct aw_contact_row *row = change(state, slot);
    uint32_t               reply = aw_outbox_find(state, row->reply_seq);

    if (row->contacted_at != 0)
        unlist(state, slot);
    row->opted_out_at = state->now;
    state->globals.opted_out++;
    aw_ledger_settle(&state->ledger);
    if (reply != 0 && aw_reply_at(state, reply)->state == AW_REPLY_WAITING)
        aw_outbox_move(state, reply, AW_REPLY_WAITING, 0);
    aw_ledger_settle(&state->ledger);
}

bool
aw_contact_heard(struct aw_state *state, const struct aw_in_message *in)
{
    bool     is_answer = aw_outbox_find_provider(state, in->in_reply_to) != 0;
    uint32_t slot = is_set(in->contact) ? aw_index_find(&state->by_contact, in->contact) : 0;

    if (slot == 0 || (in->addressed != AW_ADDRESSED_TO_US && !is_answer))
        return false;
    if (row_at(state, slot)->opted_out_at != 0)
        return in->opts_out; /* once more */
    aw_ledger_settle(&state->ledger);
    if (!in->opts_out || is_over(state, slot)) {
        forget(state, slot);
        return false;
    }
    opt_out(state, slot);
    return true;
}

enum aw_err
aw_contact_admits(const struct aw_state *state, const struct aw_in_opt_out *in)
{
    return in->is_in || find(state, in->contact) != 0 ? AW_OK : admits(state, 0);
}

void
aw_apply_opt_out(struct aw_state *state, struct aw_command *command)
{
    const struct aw_in_opt_out *in = &command->in.opt_out;
    uint32_t                    slot = find(state, in->contact);
    bool                        changes = in->is_in ? slot != 0 : slot == 0 || row_at(state, slot)->opted_out_at == 0;

    if (!is_set(in->contact))
        command->out.err = AW_E_BAD_VALUE;
    else if (changes)
        command->out.err = aw_contact_admits(state, in);
    if (command->out.err == AW_OK && changes && !in->dry_run) {
        (void)aw_state_record(state, command);
        if (in->is_in)
            forget(state, slot);
        else
            opt_out(state, slot == 0 ? take(state, in->contact) : slot);
    }
    command->out.u.contact = aw_state_contact(state, in->contact);
}

/* --- looking ---------------------------------------------------------------------------------------------------------------- */

struct aw_contact
aw_state_contact(const struct aw_state *state, struct aw_hash128 hash)
{
    uint32_t                     slot = find(state, hash);
    const struct aw_contact_row *row = slot == 0 ? NULL : row_at(state, slot);

    if (row == NULL)
        return (struct aw_contact){.contacted_at = 0};
    return (struct aw_contact){.contacted_at = row->contacted_at,
                               .until = row->opted_out_at != 0 ? 0 : row->contacted_at + state->globals.settings.contact_ms,
                               .opted_out_at = row->opted_out_at,
                               .reply = {.seq = row->reply_seq, .shard = (uint8_t)state->globals.shard}};
}

struct aw_contact
aw_contact_of(const struct aw_state *state, uint32_t ticket)
{
    struct aw_hash128 hash = contact_hash(state, ticket);
    struct aw_contact contact = {.contacted_at = 0};

    if (!is_set(hash))
        return contact;
    contact = aw_state_contact(state, hash);
    contact.is_listening = true;
    return contact;
}
